// Package slack is a Slack of one workspace, for tests: it speaks Slack's public
// wire formats over loopback and keeps channels, people, messages, threads,
// ephemerals, reactions, pins, files and forms. It checks what Slack checks and
// answers with Slack's error codes, and it can be made to fail.
//
// It knows the wire formats only. It must not know the adapter or its library.
package slack

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options is what a Server is made of. Zero fields take the value named beside
// them.
type Options struct {
	BotToken      string          // xoxb-fake
	AppToken      string          // xapp-fake; what apps.connections.open wants
	SigningSecret string          // fake-signing-secret
	Scopes        []string        // of the bot token; every one that the fake knows
	AckDeadline   time.Duration   // 3 s
	RetryDelays   []time.Duration // 10 ms, 5 s, and thrice 10 s: when an event that was not acknowledged is brought again. Slack's own are none, 1 min, 5 min
	PingEvery     time.Duration   // 5 s: WebSocket pings of the server
}

// allScopes are the scopes that calls of the fake ask for.
var allScopes = []string{
	"chat:write", "chat:write.public", "chat:write.customize", "app_mentions:read", "commands", "im:history", "im:read", "im:write",
	"channels:read", "channels:history", "channels:manage", "channels:join", "groups:read", "groups:history", "groups:write",
	"users:read", "users:read.email", "reactions:write", "pins:write", "files:write",
}

// Server is the fake. Its methods may be called from anywhere.
type Server struct {
	Options
	http *httptest.Server
	wire sync.WaitGroup // everything that goes on in the background
	done chan struct{}

	mu       sync.Mutex
	clock    int64 // of the last timestamp, in microseconds
	serial   int
	people   map[string]*person // by ID
	channels map[string]*channel
	tickets  map[string]bool    // of WebSocket URLs, unused
	triggers map[string]trigger // unused
	replies  map[string]*replyURL
	uploads  map[string]*upload
	sockets  []*socket
	turn     int
	queues   map[string][]func() // deliveries of one channel, in order
	bearings map[string]any      // ts -> payload of the message event, for Redeliver
	callback string              // where Slack calls the app; empty is Socket Mode
	commands map[string]bool     // names of slash commands; empty means any
	acks     []Ack
	calls    map[string]int
	skew     time.Duration // of the Date header
	faults
}

// Ack is how a delivery was acknowledged.
type Ack struct {
	Kind  string // "events_api", "slash_commands", "interactive"
	Took  time.Duration
	Acked bool // within the deadline
}

// Start makes a Server and listens.
func Start(o Options) *Server {
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&o.BotToken, "xoxb-fake")
	set(&o.AppToken, "xapp-fake")
	set(&o.SigningSecret, "fake-signing-secret")
	if o.Scopes == nil {
		o.Scopes = allScopes
	}
	if o.AckDeadline == 0 {
		o.AckDeadline = 3 * time.Second
	}
	if o.RetryDelays == nil {
		o.RetryDelays = []time.Duration{10 * time.Millisecond, 5 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second}
	}
	if o.PingEvery == 0 {
		o.PingEvery = 5 * time.Second
	}
	s := &Server{
		Options: o, done: make(chan struct{}), people: map[string]*person{}, channels: map[string]*channel{},
		tickets: map[string]bool{}, triggers: map[string]trigger{}, replies: map[string]*replyURL{}, uploads: map[string]*upload{},
		queues: map[string][]func(){}, bearings: map[string]any{}, commands: map[string]bool{}, calls: map[string]int{},
	}
	s.mu.Lock()
	s.addPerson("petrel", true)
	s.mu.Unlock()
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", s.serveAPI)
	mux.HandleFunc("/link", s.serveSocket)
	mux.HandleFunc("/upload/", s.serveUpload)
	mux.HandleFunc("/respond/", s.serveResponse)
	s.http = httptest.NewServer(mux)
	return s
}

// Close ends the fake and waits for what it has going on.
func (s *Server) Close() {
	close(s.done)
	s.Drop()
	s.http.Close()
	s.wire.Wait()
}

// APIURL is the address of the Web API.
func (s *Server) APIURL() string { return s.http.URL + "/api/" }

// CallAt makes the fake deliver by HTTP to an address, as an app without Socket
// Mode wants it.
func (s *Server) CallAt(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.callback = address
}

// OnlyCommands says which slash commands the app's manifest has.
func (s *Server) OnlyCommands(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range names {
		s.commands[n] = true
	}
}

// Acks returns how the deliveries were acknowledged.
func (s *Server) Acks() []Ack {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.acks)
}

// Calls returns how often a method of the Web API was called.
func (s *Server) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// now returns a timestamp that was never given before. It needs s.mu.
func (s *Server) now() string {
	s.clock = max(s.clock+1, time.Now().UnixMicro())
	return fmt.Sprintf("%d.%06d", s.clock/1e6, s.clock%1e6)
}

// id returns an ID that was never given before. It needs s.mu.
func (s *Server) id(prefix string) string {
	s.serial++
	return fmt.Sprintf("%s0FAKE%05d", prefix, s.serial)
}

// args are the arguments of a call, whichever way they came.
type args map[string]string

// reply is what a method answers, beside "ok".
type reply map[string]any

// refused is an error code of Slack's.
type refused struct {
	code, needed string
	messages     []string
}

func (r refused) Error() string { return r.code }

func refuse(code string, messages ...string) error { return refused{code: code, messages: messages} }

// method is one of the Web API.
type method struct {
	scopes []string // one of them is enough
	app    bool     // wants the app token
	post   bool     // LoseReplies counts it
	do     func(*Server, args) (reply, error)
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/api/")
	m, known := methods()[name]
	a, token := readArgs(r)
	f := s.strike(name, m.post)
	if !s.pause(f.slow) {
		return
	}
	s.mu.Lock()
	date, granted := time.Now().Add(s.skew), strings.Join(s.Scopes, ",")
	s.mu.Unlock()
	w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
	w.Header().Set("X-Oauth-Scopes", granted)
	if f.limited > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.limited+time.Second-1)/time.Second)))
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	var body reply
	err := s.authorize(m, token)
	if !known {
		err = refuse("unknown_method")
	}
	if err == nil {
		s.mu.Lock()
		body, err = m.do(s, a)
		s.mu.Unlock()
	}
	if f.lose {
		cutConnection(w)
		return
	}
	if body == nil {
		body = reply{}
	}
	body["ok"] = err == nil
	if no, is := err.(refused); is {
		body["error"] = no.code
		if no.needed != "" {
			body["needed"], body["provided"] = no.needed, granted
		}
		if len(no.messages) > 0 {
			body["response_metadata"] = reply{"messages": no.messages}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // a caller that went away needs no answer
}

// pause waits; it reports false when the fake ends first.
func (s *Server) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	select {
	case <-time.After(d):
		return true
	case <-s.done:
		return false
	}
}

func cutConnection(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			conn.Close()
		}
	}
}

func readArgs(r *http.Request) (args, string) {
	a := args{}
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // none is a form
	body, err := io.ReadAll(io.LimitReader(r.Body, 8<<20))
	if err != nil {
		return a, token
	}
	if kind == "application/json" {
		var fields map[string]json.RawMessage
		_ = json.Unmarshal(body, &fields) // missing arguments are refused by the method
		for k, v := range fields {
			var text string
			if json.Unmarshal(v, &text) != nil {
				text = string(v)
			}
			a[k] = text
		}
		return a, token
	}
	form, _ := url.ParseQuery(string(body)) // missing arguments are refused by the method
	for k, v := range r.URL.Query() {
		form[k] = v
	}
	for k := range form {
		a[k] = form.Get(k)
	}
	if token == "" {
		token = a["token"]
	}
	return a, token
}

func (s *Server) authorize(m method, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := s.BotToken
	if m.app {
		want = s.AppToken
	}
	switch {
	case token == "":
		return refuse("not_authed")
	case s.revoked && (token == s.BotToken || token == s.AppToken):
		return refuse("token_revoked")
	case token == s.AppToken && !m.app || token == s.BotToken && m.app:
		return refuse("not_allowed_token_type")
	case token != want:
		return refuse("invalid_auth")
	case len(m.scopes) > 0 && !slices.ContainsFunc(m.scopes, func(scope string) bool { return slices.Contains(s.Scopes, scope) }):
		return refused{code: "missing_scope", needed: m.scopes[0]}
	}
	return nil
}
