package discord

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// faults is what goes wrong.
type faults struct {
	duplicate  int
	reorder    int
	held       []event
	limited    int
	limitAfter time.Duration
	lose       int
	slow       time.Duration
	revoked    bool
	noForms    bool
	noThreads  bool
	noResume   bool
	closeWith  int
	noDirect   bool
	paceCalls  int
	pace       time.Duration
	spent      map[string]*spending
}

// spending is what was used of a route's allowance.
type spending struct {
	calls int
	reset time.Time
}

type event struct {
	kind string
	data any
}

// Ack is how long the bot took to acknowledge an interaction.
type Ack struct {
	Kind string // "command", "press", "form"
	Took time.Duration
	Late bool // after the 3 s that Discord waits; it did not count
}

// Drop cuts all connections of the gateway. Sessions can be resumed.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sockets {
		c.conn.Close()
	}
}

// HalfOpen makes the open sockets silent: they take everything and send nothing.
// New ones work. HalfOpen(false) lets them speak again.
func (s *Server) HalfOpen(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sockets {
		c.silent = on
	}
}

// Duplicate delivers the next n events twice.
func (s *Server) Duplicate(n int) { s.set(func(f *faults) { f.duplicate = n }) }

// Reorder holds the next n events back and delivers them in the opposite order.
func (s *Server) Reorder(n int) { s.set(func(f *faults) { f.reorder = n }) }

// RateLimit answers the next n calls with 429.
func (s *Server) RateLimit(n int, after time.Duration) {
	s.set(func(f *faults) { f.limited, f.limitAfter = n, after })
}

// Pace allows so many calls of a kind in each span of time to each channel, as
// Discord does, and says in every answer how many are left.
func (s *Server) Pace(calls int, every time.Duration) {
	s.set(func(f *faults) { f.paceCalls, f.pace, f.spent = calls, every, map[string]*spending{} })
}

// Refused is how many calls were answered with 429.
func (s *Server) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// spend counts a call against its allowance, and sets the headers that tell of
// it. It returns how long the bot has to wait when there is none left.
func (s *Server) spend(r *http.Request, h http.Header) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &s.faults
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/"), "/")
	if f.paceCalls == 0 || len(parts) < 4 || parts[1] != "channels" {
		return 0
	}
	key := r.Method + " " + parts[2] + " " + parts[3]
	x := f.spent[key]
	if x == nil || time.Now().After(x.reset) {
		x = &spending{reset: time.Now().Add(f.pace)}
		f.spent[key] = x
	}
	left := time.Until(x.reset)
	if x.calls++; x.calls > f.paceCalls {
		return left
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(f.paceCalls))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(f.paceCalls-x.calls))
	h.Set("X-RateLimit-Reset-After", strconv.FormatFloat(left.Seconds(), 'f', 3, 64))
	h.Set("X-RateLimit-Bucket", "bucket-"+parts[3])
	return 0
}

// LoseReplies does what the next n posts and changes ask, and cuts the
// connection instead of answering.
func (s *Server) LoseReplies(n int) { s.set(func(f *faults) { f.lose = n }) }

// Slow makes every call take d longer.
func (s *Server) Slow(d time.Duration) { s.set(func(f *faults) { f.slow = d }) }

// Revoke makes the bot's token invalid and closes its connection with 4004.
func (s *Server) Revoke() {
	s.set(func(f *faults) { f.revoked = true })
	s.CloseWith(4004)
}

// CloseWith closes the gateway's connections with a code.
func (s *Server) CloseWith(code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sockets {
		c.shut(code)
	}
}

// RefuseForms answers forms with an error.
func (s *Server) RefuseForms(on bool) { s.set(func(f *faults) { f.noForms = on }) }

// ForbidThreads takes the permission to start threads away.
func (s *Server) ForbidThreads(on bool) { s.set(func(f *faults) { f.noThreads = on }) }

// ForbidResume makes Discord forget sessions: they cannot be taken up again.
func (s *Server) ForbidResume(on bool) { s.set(func(f *faults) { f.noResume = on }) }

// ForbidDirect makes people refuse direct messages.
func (s *Server) ForbidDirect(on bool) { s.set(func(f *faults) { f.noDirect = on }) }

// ForbidChannel takes the bot's access to a channel away.
func (s *Server) ForbidChannel(name string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channel(name).Forbidden = on
}

// DeleteThread takes a thread away.
func (s *Server) DeleteThread(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.channels[id]; c != nil {
		delete(s.channels, id)
		delete(s.messages, id)
		s.emit("THREAD_DELETE", c)
	}
}

// LockThread makes a thread take no more messages.
func (s *Server) LockThread(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.channels[id]; c != nil {
		c.Locked = true
	}
}

// ExpireTokens makes the tokens of all interactions so far invalid, as they are
// after 15 minutes.
func (s *Server) ExpireTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.acts {
		a.expired = true
	}
}

// SetBudget says how many sessions may still begin.
func (s *Server) SetBudget(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.budget = n
}

// The permissions that the fake looks at.
const (
	MayView    = 1 << 10
	MayEmbed   = 1 << 14
	MayAttach  = 1 << 15
	MayHistory = 1 << 16
)

// Forbid takes permissions from the bot's role.
func (s *Server) Forbid(bits uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.may &^= bits
}

// AskToReconnect sends operation 7, InvalidateSession operation 9.
func (s *Server) AskToReconnect()    { s.toAll(frameOut{Op: 7}) }
func (s *Server) InvalidateSession() { s.toAll(frameOut{Op: 9, Data: false}) }

func (s *Server) toAll(f frameOut) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.sockets {
		c.send(f)
	}
}

// Acks are the acknowledgements so far.
func (s *Server) Acks() []Ack {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.acks)
}

func (s *Server) set(change func(*faults)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.faults)
}

// trouble takes what goes wrong with a call; lose says to cut its answer.
func (s *Server) trouble(r *http.Request) (slow, limited time.Duration, lose bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &s.faults
	slow = f.slow
	if f.limited > 0 {
		f.limited--
		return slow, f.limitAfter, false
	}
	if f.lose > 0 && (r.Method == http.MethodPost || r.Method == http.MethodPatch) {
		f.lose--
		lose = true
	}
	return slow, 0, lose
}
