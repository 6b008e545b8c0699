package mattermost

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// faults are what goes wrong on demand.
type faults struct {
	duplicate, reorder   int
	limited, loseReplies int
	limitedFor           time.Duration
	slow                 time.Duration
	revoked, refuseForms bool
	forget               bool
}

// Counts is what happened so far.
type Counts struct {
	Connections int // sockets that were opened
	Resumed     int // of them those that went on with an earlier one
	Calls       int // of the API
	Limited     int // of them those that were answered 429
	LostReplies int // posts that were made and not answered
	// Acks is how long integrations took to answer each call.
	Acks []time.Duration
}

// Counts returns what happened so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Acks = slices.Clone(c.Acks)
	return c
}

// Drop cuts all connections.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.sockets {
		if k.conn != nil {
			k.conn.UnderlyingConn().Close()
		}
	}
	for c := range s.conns {
		c.Close()
	}
}

// Forget makes the server not know the next connection that wants to go on, as
// after a restart or on another node of a cluster.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.forget = true
}

// HalfOpen lets the sockets that are open now stay open but silent, in both
// directions; with false they speak again.
func (s *Server) HalfOpen(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.sockets {
		k.frozen = on && k.active
	}
}

// Duplicate delivers the next n events twice.
func (s *Server) Duplicate(n int) { s.fault(func(f *faults) { f.duplicate = n }) }

// Reorder delivers n of the next events after the one that follows.
func (s *Server) Reorder(n int) { s.fault(func(f *faults) { f.reorder = n }) }

// RateLimit answers the next n calls with 429 and asks to wait.
func (s *Server) RateLimit(n int, after time.Duration) {
	s.fault(func(f *faults) { f.limited, f.limitedFor = n, after })
}

// LoseReplies makes the next n posts but cuts the connection before the answer.
func (s *Server) LoseReplies(n int) { s.fault(func(f *faults) { f.loseReplies = n }) }

// Slow makes every call and every event take d longer.
func (s *Server) Slow(d time.Duration) { s.fault(func(f *faults) { f.slow = d }) }

// RefuseForms makes dialogs impossible to open.
func (s *Server) RefuseForms(on bool) { s.fault(func(f *faults) { f.refuseForms = on }) }

// Garble sends an event that is not as clients expect.
func (s *Server) Garble() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emit("user_updated", map[string]any{"user": 5}, map[string]any{"user_id": ""})
}

// Revoke makes the bot's token invalid and hangs up.
func (s *Server) Revoke() {
	s.fault(func(f *faults) { f.revoked = true })
	s.Forget()
	s.Drop()
}

func (s *Server) fault(change func(*faults)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.faults)
}

// throttled carries out the faults of the API.
func (s *Server) throttled(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.counts.Calls++
		limited, after, slow := s.faults.limited > 0, s.faults.limitedFor, s.faults.slow
		if limited {
			s.faults.limited--
			s.counts.Limited++
		}
		lose := !limited && s.faults.loseReplies > 0 && r.Method == http.MethodPost && r.URL.Path == "/api/v4/posts"
		if lose {
			s.faults.loseReplies--
			s.counts.LostReplies++
		}
		s.mu.Unlock()
		if slow > 0 {
			time.Sleep(slow) // the real server goes on when its client has left
		}
		switch {
		case limited:
			seconds := strconv.FormatFloat(after.Seconds(), 'f', -1, 64)
			h := w.Header()
			h.Set("X-RateLimit-Limit", "100")
			h.Set("X-RateLimit-Remaining", "0")
			h.Set("X-RateLimit-Reset", seconds)
			h.Set("Retry-After", seconds)
			http.Error(w, "limit exceeded", http.StatusTooManyRequests)
		case lose:
			next.ServeHTTP(discard{header: http.Header{}}, r)
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				conn.Close()
			}
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// discard is where an answer goes that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
