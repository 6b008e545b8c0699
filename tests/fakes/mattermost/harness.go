package mattermost

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
)

// Access is what an adapter must be told to work on a Server.
type Access struct {
	URL, Token    string
	CommandTokens []string
	CallbackURL   string // where the server reaches the adapter's Routes
}

// Command is the slash command that a Harness sets up.
const Command = "petrel"

// Harness is a server with one adapter on it, as adaptertest wants it.
type Harness struct {
	Server *Server
	Access Access

	open    func(Access) (adapters.Adapter, error)
	adapter adapters.Adapter
	routes  atomic.Pointer[http.Handler]
	http    *http.Server
	serving sync.WaitGroup

	mu   sync.Mutex
	told map[string]int // what of the words for a person was read
}

// NewHarness starts an adapter, which open makes, on a server. Close ends both.
func NewHarness(s *Server, open func(Access) (adapters.Adapter, error)) (*Harness, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &Harness{Server: s, open: open, told: map[string]int{}}
	h.http = &http.Server{Handler: http.StripPrefix("/chat/mattermost", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*h.routes.Load()).ServeHTTP(w, r)
	}))}
	callback := "http://" + l.Addr().String() + "/chat/mattermost"
	h.Access = Access{URL: s.URL(), Token: s.Token(), CallbackURL: callback}
	h.Access.CommandTokens = []string{newID(), s.AddCommand(Command, callback+"/command")}
	if err := h.make(); err != nil {
		l.Close()
		return nil, err
	}
	h.serving.Go(func() { h.http.Serve(l) })
	return h, nil
}

// NewPeople makes a Harness for a server on which the adapter is in another
// process, reached at callback. It has no Adapter, and Close ends the server.
func NewPeople(s *Server, callback string) *Harness {
	h := &Harness{Server: s, told: map[string]int{}, http: &http.Server{}}
	h.Access = Access{URL: s.URL(), Token: s.Token(), CallbackURL: callback, CommandTokens: []string{s.AddCommand(Command, callback+"/command")}}
	return h
}

func (h *Harness) make() error {
	a, err := h.open(h.Access)
	if err != nil {
		return err
	}
	h.adapter = a
	routes := http.NotFoundHandler()
	if r, ok := a.(adapters.Receiver); ok {
		routes = r.Routes()
	}
	h.routes.Store(&routes)
	return nil
}

// Adapter implements adaptertest.Harness.
func (h *Harness) Adapter() adapters.Adapter { return h.adapter }

// Renew implements adaptertest.Harness.
func (h *Harness) Renew() adapters.Adapter {
	if err := h.make(); err != nil {
		panic(err) // it could be made before
	}
	return h.adapter
}

// Close implements adaptertest.Harness.
func (h *Harness) Close() {
	h.http.Close()
	h.Server.Close()
	h.serving.Wait()
}

// User implements adaptertest.Harness.
func (h *Harness) User(person string) adapters.User {
	u := h.Server.Person(person)
	return adapters.User{ID: u.ID, Name: u.Name, Email: u.Email}
}

// Channel implements adaptertest.Harness.
func (h *Harness) Channel(name string) adapters.Channel {
	c := h.Server.Channel(name)
	return adapters.Channel{ID: c.ID, Name: "#" + c.Name}
}

// Direct implements adaptertest.Harness.
func (h *Harness) Direct(person string) adapters.Channel {
	c := h.Server.Direct(person)
	return adapters.Channel{ID: c.ID, Name: "@" + person, Direct: true}
}

// Join implements adaptertest.Harness.
func (h *Harness) Join(_ context.Context, person, channel string) error {
	h.Server.Join(person, channel)
	return nil
}

// Mention implements adaptertest.Harness.
func (h *Harness) Mention() string { return "@" + h.Server.Bot().Name }

// Say implements adaptertest.Harness.
func (h *Harness) Say(_ context.Context, l adaptertest.Line) (string, error) {
	return h.Server.Say(l.Person, l.Channel, l.Thread, l.Text)
}

// Press implements adaptertest.Harness.
func (h *Harness) Press(ctx context.Context, person, message, label string) error {
	return h.Server.Press(ctx, person, message, label)
}

// Choose implements adaptertest.Controls.
func (h *Harness) Choose(ctx context.Context, person, message, label, option string) error {
	return h.Server.Choose(ctx, person, message, label, option)
}

// Call implements adaptertest.Controls.
func (h *Harness) Call(ctx context.Context, person, channel, command, text string) error {
	return h.Server.Call(ctx, person, channel, command, text)
}

// See implements adaptertest.Harness.
func (h *Harness) See(ctx context.Context, person, channel string, ok func([]adaptertest.Seen) bool) ([]adaptertest.Seen, error) {
	var seen []adaptertest.Seen
	s := h.Server
	err := s.await(ctx, func() bool {
		u := s.person(person)
		seen = nil
		for _, p := range s.visible(u, s.where(u, channel)) {
			seen = append(seen, s.seen(p))
		}
		return ok(seen)
	})
	return seen, err
}

// seen is a post as a person sees it. It needs s.mu.
func (s *Server) seen(p *Post) adaptertest.Seen {
	var words []string
	for _, w := range p.Words() {
		words = append(words, Visible(w))
	}
	seen := adaptertest.Seen{
		Message: p.ID, Thread: p.Root, Text: strings.Join(words, "\n"), Buttons: p.Buttons(), Private: p.Only != "", Pings: p.Pings,
	}
	if u := s.user(p.User); u != nil {
		seen.From = u.Name
	}
	for _, id := range p.FileIDs {
		if seen.Files == nil {
			seen.Files = map[string]string{}
		}
		seen.Files[s.files[id].name] = string(s.files[id].content)
	}
	if name := "message.txt"; seen.Files[name] != "" {
		seen.Text += "\n" + seen.Files[name] // shown below the post, to be opened
	}
	return seen
}

// Told implements adaptertest.Harness: what the person was told at once, or by an
// ephemeral post.
func (h *Harness) Told(ctx context.Context, person string) (string, error) {
	s := h.Server
	var words string
	err := s.await(ctx, func() bool {
		u := s.person(person)
		all := append([]string{}, s.notices[u.ID]...)
		for _, p := range s.posts {
			if p.Only == u.ID {
				all = append(all, p.Message)
			}
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(all) <= h.told[person] {
			return false
		}
		h.told[person] = len(all)
		words = Visible(strings.Join(all, "\n"))
		return true
	})
	return words, err
}

// Form implements adaptertest.Controls.
func (h *Harness) Form(ctx context.Context, person string) (adaptertest.Dialog, error) {
	var d adaptertest.Dialog
	s := h.Server
	err := s.await(ctx, func() bool {
		open := s.dialogs[s.person(person).ID]
		if open == nil {
			return false
		}
		d = adaptertest.Dialog{Title: open.dialog.Title, Values: map[string]string{}, Problems: open.problems}
		for _, e := range open.dialog.Elements {
			d.Labels = append(d.Labels, e.Label)
			d.Values[e.Name] = e.Default
		}
		return true
	})
	if err != nil {
		err = fmt.Errorf("no form opens before %s: %w", person, err)
	}
	return d, err
}

// Submit implements adaptertest.Controls. The person has gone to another channel
// meanwhile, which the server says and which must not matter.
func (h *Harness) Submit(ctx context.Context, person string, values map[string]string) error {
	return h.Server.Submit(ctx, person, "#elsewhere", values)
}

// Redeliver implements adaptertest.Harness. Mattermost does not do that.
func (h *Harness) Redeliver(context.Context, string) error {
	return fmt.Errorf("Mattermost delivers nothing twice")
}

// Drop implements adaptertest.Harness.
func (h *Harness) Drop(context.Context) error {
	h.Server.Drop()
	return nil
}

// Slow implements adaptertest.Harness.
func (h *Harness) Slow(d time.Duration) { h.Server.Slow(d) }
