package terminal_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
	"petrel/adapters/terminal"
	"petrel/adapters/terminal/prompt"
)

// TestContract holds the terminal room to what every platform must do.
func TestContract(t *testing.T) {
	features := adaptertest.Features{
		Mentions: true, Direct: true, Idempotent: true, KeyOutlivesProcess: true,
		Redelivers: true, Drops: true, Slows: true,
	}
	adaptertest.Run(t, features, newHarness)
}

// slowJournal is where the room's slowness comes from.
type slowJournal struct {
	terminal.MemoryJournal
	mu    sync.Mutex
	delay time.Duration
}

func (j *slowJournal) Append(ctx context.Context, e terminal.Entry) (bool, error) {
	j.mu.Lock()
	delay := j.delay
	j.mu.Unlock()
	select {
	case <-time.After(delay):
		return j.MemoryJournal.Append(ctx, e)
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// harness is a room on a socket, and people with sessions in it.
type harness struct {
	t       *testing.T
	path    string
	journal *slowJournal
	room    *terminal.Server
	serving sync.WaitGroup
	stop    context.CancelFunc

	mu     sync.Mutex
	people map[string]*client
	author map[string]*client // message -> who said it
}

func newHarness(t *testing.T) adaptertest.Harness {
	h := &harness{
		t: t, path: filepath.Join(t.TempDir(), "chat.sock"), journal: &slowJournal{},
		people: map[string]*client{}, author: map[string]*client{},
	}
	h.serve()
	return h
}

func (h *harness) serve() {
	l, err := net.Listen("unix", h.path)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	room := terminal.New(terminal.Options{Journal: h.journal})
	h.room = room
	h.serving.Go(func() {
		if err := room.Serve(ctx, l); err != nil {
			h.t.Errorf("serve: %v", err)
		}
	})
}

func (h *harness) Adapter() adapters.Adapter { return h.room }

func (h *harness) Renew() adapters.Adapter {
	h.stop()
	h.serving.Wait()
	h.serve()
	return h.room
}

func (h *harness) Close() {
	h.mu.Lock()
	people := h.people
	h.mu.Unlock()
	for _, c := range people {
		c.leave()
	}
	h.stop()
	h.serving.Wait()
}

func (h *harness) User(person string) adapters.User { return adapters.User{ID: person, Name: person} }

func (h *harness) Channel(name string) adapters.Channel {
	return adapters.Channel{ID: name, Name: name}
}

func (h *harness) Direct(person string) adapters.Channel {
	return adapters.Channel{ID: "@" + person, Name: "@" + person, Direct: true}
}

func (h *harness) Mention() string { return "@petrel" }

func (h *harness) client(person string) *client {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.people[person]
	if c == nil {
		c = newClient(h.path, person)
		h.people[person] = c
	}
	return c
}

func own(person, channel string) string {
	if channel == "@" {
		return "@" + person
	}
	return channel
}

func (h *harness) Join(ctx context.Context, person, channel string) error {
	_, err := h.client(person).ask(ctx, terminal.Request{Do: terminal.DoJoin, In: own(person, channel), Earlier: 100})
	return err
}

func (h *harness) Say(ctx context.Context, l adaptertest.Line) (string, error) {
	c := h.client(l.Person)
	id, err := c.ask(ctx, terminal.Request{Do: terminal.DoSay, In: own(l.Person, l.Channel), Thread: l.Thread, Text: l.Text})
	h.mu.Lock()
	h.author[id] = c
	h.mu.Unlock()
	return id, err
}

func (h *harness) Press(ctx context.Context, person, message, label string) error {
	c := h.client(person)
	c.mu.Lock()
	e, known := c.entries[message]
	c.mu.Unlock()
	if !known || e.Message == nil {
		return fmt.Errorf("%s sees no message %s", person, message)
	}
	i := slices.IndexFunc(e.Message.Buttons, func(b adapters.Button) bool { return b.Label == label })
	if i < 0 {
		return fmt.Errorf("there is no button %s", label)
	}
	_, err := c.ask(ctx, terminal.Request{Do: terminal.DoPress, ID: message, Button: e.Message.Buttons[i].ID})
	return err
}

func (h *harness) See(ctx context.Context, person, channel string, ok func([]adaptertest.Seen) bool) ([]adaptertest.Seen, error) {
	return h.client(person).board(own(person, channel)).Await(ctx, ok)
}

func (h *harness) Told(ctx context.Context, person string) (string, error) {
	select {
	case words := <-h.client(person).told:
		return words, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (h *harness) Redeliver(ctx context.Context, message string) error {
	h.mu.Lock()
	c := h.author[message]
	h.mu.Unlock()
	if c == nil {
		return fmt.Errorf("nobody said %s", message)
	}
	c.mu.Lock()
	r := c.asked[message]
	c.mu.Unlock()
	return c.send(r)
}

func (h *harness) Drop(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.people {
		c.mu.Lock()
		c.conn.Close()
		c.mu.Unlock()
	}
	return nil
}

func (h *harness) Slow(d time.Duration) {
	h.journal.mu.Lock()
	defer h.journal.mu.Unlock()
	h.journal.delay = d
}

// client is a person's session, written after the protocol's description: it
// connects again for ever, joins again, and asks again what was not answered.
type client struct {
	path, name string
	told       chan string
	running    sync.WaitGroup
	quit       context.CancelFunc

	mu      sync.Mutex
	conn    net.Conn
	open    []terminal.Request
	joins   []terminal.Request
	asked   map[string]terminal.Request // by the ID of the message said
	waiting map[string]chan answer      // by delivery
	boards  map[string]*adaptertest.Board
	entries map[string]terminal.Entry
}

type answer struct {
	id  string
	err error
}

func newClient(path, name string) *client {
	c := &client{
		path: path, name: name, told: make(chan string, 16),
		asked: map[string]terminal.Request{}, waiting: map[string]chan answer{},
		boards: map[string]*adaptertest.Board{}, entries: map[string]terminal.Entry{},
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.quit = cancel
	up := make(chan struct{})
	c.running.Go(func() { c.run(ctx, sync.OnceFunc(func() { close(up) })) })
	<-up
	return c
}

func (c *client) leave() {
	c.quit()
	c.running.Wait()
}

func (c *client) run(ctx context.Context, up func()) {
	for ctx.Err() == nil {
		conn, err := net.Dial("unix", c.path)
		if err != nil {
			select {
			case <-time.After(5 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		c.mu.Lock()
		c.conn = conn
		again := append(slices.Clone(c.joins), c.open...)
		c.mu.Unlock()
		var writer sync.WaitGroup
		writer.Go(func() {
			enc := json.NewEncoder(conn)
			for _, r := range again {
				if enc.Encode(r) != nil {
					return
				}
			}
			up()
		})
		frames := json.NewDecoder(conn)
		for {
			var f terminal.Frame
			if frames.Decode(&f) != nil {
				break
			}
			c.heed(f)
		}
		stop()
		conn.Close()
		writer.Wait()
	}
}

func (c *client) heed(f terminal.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range f.Entries {
		c.put(e)
	}
	switch f.Is {
	case terminal.IsMessage, terminal.IsUpdate:
		c.put(*f.Entry)
		c.resolve(f.Delivery, answer{id: f.Entry.ID})
		return
	case terminal.IsError:
		c.told <- f.Text
		c.resolve(f.Delivery, answer{err: errors.New(f.Text)})
	case terminal.IsSaid:
		if f.Text != "" {
			c.told <- f.Text
		}
		c.resolve(f.Delivery, answer{id: f.ID})
	case terminal.IsJoined:
		c.resolve(f.Delivery, answer{id: f.ID})
	}
	i := slices.IndexFunc(c.open, func(r terminal.Request) bool { return r.Delivery == f.Delivery })
	if i < 0 {
		return
	}
	if f.Is == terminal.IsJoined {
		c.joins = append(c.joins, c.open[i])
	}
	c.open = slices.Delete(c.open, i, i+1)
}

// resolve needs c.mu.
func (c *client) resolve(delivery string, a answer) {
	if w := c.waiting[delivery]; w != nil {
		delete(c.waiting, delivery)
		w <- a
	}
}

// put needs c.mu.
func (c *client) put(e terminal.Entry) {
	if old, known := c.entries[e.ID]; known && e.Rev <= old.Rev {
		return
	}
	c.entries[e.ID] = e
	text, buttons := prompt.Show(e, c.name)
	s := adaptertest.Seen{
		Message: e.ID, Thread: e.Thread, From: e.From.Name, Text: text, Buttons: buttons,
		Private: strings.Contains(text, "(only you) "),
	}
	if e.Message != nil && e.Message.Mention != "" && strings.Contains(text, "@"+e.Message.Mention) {
		s.Pings = []string{e.Message.Mention} // the one sign that somebody is meant
	}
	channel := e.Channel
	if channel[0] == '@' {
		channel = "@" + c.name // whomever it was meant for, this is where ann reads what is direct
	}
	c.boardLocked(channel).Put(s)
}

func (c *client) board(channel string) *adaptertest.Board {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.boardLocked(channel)
}

func (c *client) boardLocked(channel string) *adaptertest.Board {
	if c.boards[channel] == nil {
		c.boards[channel] = &adaptertest.Board{}
	}
	return c.boards[channel]
}

func (c *client) ask(ctx context.Context, r terminal.Request) (string, error) {
	r.As, r.Delivery = c.name, rand.Text()
	w := make(chan answer, 1)
	c.mu.Lock()
	c.waiting[r.Delivery] = w
	c.open = append(c.open, r)
	c.mu.Unlock()
	// A connection that just broke makes this fail; the next one sends it.
	_ = c.send(r)
	select {
	case a := <-w:
		c.mu.Lock()
		c.asked[a.id] = r
		c.mu.Unlock()
		return a.id, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("%s was not answered: %w", r.Do, ctx.Err())
	}
}

func (c *client) send(r terminal.Request) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	_, err = conn.Write(append(line, '\n'))
	return err
}
