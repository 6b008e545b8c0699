// Package mattermost is a Mattermost server for tests: it speaks the real REST,
// WebSocket and integration protocols over loopback, holds callers to what the
// real server checks, and fails on demand (faults.go).
//
// It is written after the protocol and knows no client library and no adapter.
// harness.go makes an adaptertest.Harness of it.
package mattermost

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options change what the server allows.
type Options struct {
	MaxPostSize int // characters; 0 means 16383
	MaxFileSize int // bytes; 0 means 100 MB
	// PendingLife is for how long a pending_post_id is remembered; 0 means 30 s.
	PendingLife time.Duration
	// NoEphemeral: the bot has no right to make ephemeral posts, as after a plain
	// installation.
	NoEphemeral bool
	SiteURL     string // "" means the server's own address
	// Internal is ServiceSettings.AllowedUntrustedInternalConnections, which the
	// bot can read only when ShowConfig is set.
	Internal   string
	ShowConfig bool
	// Skew is how far the server's clock is ahead.
	Skew time.Duration
}

// User is an account.
type User struct {
	ID     string `json:"id"`
	Name   string `json:"username"`
	Email  string `json:"email"`
	Bot    bool   `json:"is_bot,omitempty"`
	Roles  string `json:"roles"`
	status string
}

// Channel is a place to talk.
type Channel struct {
	ID         string          `json:"id"`
	Team       string          `json:"team_id"`
	Type       string          `json:"type"` // O, P, D, G
	Name       string          `json:"name"`
	Display    string          `json:"display_name"`
	Header     string          `json:"header"`
	LastPostAt int64           `json:"last_post_at"`
	members    map[string]bool // by user ID
}

// Post is a message.
type Post struct {
	ID        string         `json:"id"`
	CreateAt  int64          `json:"create_at"`
	UpdateAt  int64          `json:"update_at"`
	EditAt    int64          `json:"edit_at"`
	DeleteAt  int64          `json:"delete_at"`
	Pinned    bool           `json:"is_pinned"`
	User      string         `json:"user_id"`
	Channel   string         `json:"channel_id"`
	Root      string         `json:"root_id"`
	Message   string         `json:"message"`
	Type      string         `json:"type"`
	Props     map[string]any `json:"props"`
	FileIDs   []string       `json:"file_ids"`
	PendingID string         `json:"pending_post_id"`

	Only      string            `json:"-"` // user ID of the one who sees an ephemeral post
	Pings     []string          `json:"-"` // who was notified
	Reactions []string          `json:"-"`
	actions   map[string]action // by their IDs: what clients do not see
}

// Server is a running fake.
type Server struct {
	opt      Options
	listener net.Listener
	http     *http.Server
	serving  sync.WaitGroup

	mu       sync.Mutex
	changed  chan struct{} // closed at every change of what people see
	token    string
	bot      *User
	team     string
	teamName string
	users    []*User
	channels []*Channel
	posts    []*Post
	files    map[string]file
	commands map[string]*slashCommand // by trigger
	hooks    map[string]*hook
	pending  map[string]pendingPost
	triggers map[string]trigger
	dialogs  map[string]*openDialog // by user ID
	notices  map[string][]string    // user ID -> what the server told them itself
	sockets  []*socket
	conns    map[net.Conn]bool
	lastPost int64
	faults   faults
	counts   Counts
}

type file struct {
	name    string
	content []byte
	channel string
}

// New starts a server on loopback, with one team and a bot account.
func New(o Options) (*Server, error) {
	if o.MaxPostSize == 0 {
		o.MaxPostSize = 16383
	}
	if o.MaxFileSize == 0 {
		o.MaxFileSize = 100 << 20
	}
	if o.PendingLife == 0 {
		o.PendingLife = 30 * time.Second
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{
		opt: o, listener: l, changed: make(chan struct{}), token: newID(), team: newID(), teamName: "main",
		files: map[string]file{}, commands: map[string]*slashCommand{}, hooks: map[string]*hook{}, pending: map[string]pendingPost{},
		triggers: map[string]trigger{}, dialogs: map[string]*openDialog{}, notices: map[string][]string{}, conns: map[net.Conn]bool{},
	}
	s.bot = &User{ID: newID(), Name: "petrel", Bot: true, Roles: "system_user", status: "online"}
	s.users = []*User{s.bot}
	s.http = &http.Server{Handler: s.routes(), ConnState: s.track}
	s.serving.Go(func() { s.http.Serve(l) })
	return s, nil
}

// Close ends the server and all connections.
func (s *Server) Close() {
	s.http.Close()
	s.mu.Lock()
	for _, k := range s.sockets {
		if k.conn != nil {
			k.conn.Close()
		}
	}
	s.mu.Unlock()
	s.serving.Wait()
}

// URL is the address of the server.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Token is the access token of the bot account.
func (s *Server) Token() string { return s.token }

// Bot is the bot's account.
func (s *Server) Bot() User { return *s.bot }

func (s *Server) track(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.conns[c] = true
	case http.StateClosed, http.StateHijacked:
		delete(s.conns, c)
	}
}

// newID makes an ID as the real server does: 26 lower-case letters and digits.
func newID() string { return strings.ToLower(rand.Text()) }

// now is the server's clock in milliseconds; no two posts share one. It needs
// s.mu.
func (s *Server) now() int64 {
	s.lastPost = max(time.Now().Add(s.opt.Skew).UnixMilli(), s.lastPost+1)
	return s.lastPost
}

// touch tells everybody who waits that something changed. It needs s.mu.
func (s *Server) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Await waits until ok, called under the lock, holds.
func (s *Server) await(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		done, changed := ok(), s.changed
		s.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Person returns an account of a person, made on first mention.
func (s *Server) Person(name string) User {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.person(name)
}

func (s *Server) person(name string) *User {
	if u := s.userNamed(name); u != nil {
		return u
	}
	u := &User{ID: newID(), Name: name, Email: name + "@example.com", Roles: "system_user", status: "online"}
	s.users = append(s.users, u)
	return u
}

func (s *Server) userNamed(name string) *User {
	return find(s.users, func(u *User) bool { return strings.EqualFold(u.Name, name) })
}

func (s *Server) user(id string) *User {
	return find(s.users, func(u *User) bool { return u.ID == id })
}

// SetStatus makes a person "online" or "offline".
func (s *Server) SetStatus(name, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.person(name).status = status
}

// Channel returns a channel of the team by its name ("#ops"), made on first
// mention with the bot as a member.
func (s *Server) Channel(name string) Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.channelNamed(name)
}

func (s *Server) channelNamed(name string) *Channel {
	name = strings.TrimPrefix(name, "#")
	c := find(s.channels, func(c *Channel) bool { return c.Name == name })
	if c == nil {
		c = &Channel{ID: newID(), Team: s.team, Type: "O", Name: name, Display: name, members: map[string]bool{s.bot.ID: true}}
		s.channels = append(s.channels, c)
	}
	return c
}

func (s *Server) channel(id string) *Channel {
	return find(s.channels, func(c *Channel) bool { return c.ID == id })
}

// Direct returns the direct channel between the bot and a person.
func (s *Server) Direct(person string) Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.direct(s.bot.ID, s.person(person).ID)
}

func (s *Server) direct(a, b string) *Channel {
	ids := []string{a, b}
	slices.Sort(ids)
	name := strings.Join(ids, "__")
	c := find(s.channels, func(c *Channel) bool { return c.Name == name })
	if c == nil {
		c = &Channel{ID: newID(), Type: "D", Name: name, members: map[string]bool{a: true, b: true}}
		s.channels = append(s.channels, c)
	}
	return c
}

// Join makes a person a member of a channel ("#ops"; "@" is the direct one).
func (s *Server) Join(person, channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.person(person)
	s.where(u, channel).members[u.ID] = true
}

// Expel takes the bot out of a channel, and makes the channel private.
func (s *Server) Expel(channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channelNamed(channel)
	delete(c.members, s.bot.ID)
	c.Type = "P"
}

func (s *Server) where(u *User, channel string) *Channel {
	if channel == "@" {
		return s.direct(s.bot.ID, u.ID)
	}
	return s.channelNamed(channel)
}

func find[T any](all []T, ok func(T) bool) T {
	var none T
	if i := slices.IndexFunc(all, ok); i >= 0 {
		return all[i]
	}
	return none
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// refuse answers as the real server does: with an AppError.
func refuse(w http.ResponseWriter, status int, id, message string) {
	writeJSON(w, status, map[string]any{"id": id, "message": message, "status_code": status})
}
