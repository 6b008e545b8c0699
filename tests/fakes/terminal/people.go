// Package terminal acts for people in the terminal's room: each has a session of
// their own on its socket, written after the protocol's description.
package terminal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
	"petrel/adapters/terminal"
	"petrel/adapters/terminal/prompt"
)

// People are those who sit in a room. It is an adaptertest.Harness without the
// room itself.
type People struct {
	path string

	mu     sync.Mutex
	people map[string]*client
	author map[string]*client // message -> who said it
}

// NewPeople lets people into the room on a socket.
func NewPeople(path string) *People {
	return &People{path: path, people: map[string]*client{}, author: map[string]*client{}}
}

// Leave ends all sessions.
func (h *People) Leave() {
	h.mu.Lock()
	people := h.people
	h.mu.Unlock()
	for _, c := range people {
		c.leave()
	}
}

// User is a person as events name them.
func (h *People) User(person string) adapters.User { return adapters.User{ID: person, Name: person} }

// Channel is a channel as events name it.
func (h *People) Channel(name string) adapters.Channel {
	return adapters.Channel{ID: name, Name: name}
}

// Direct is the direct channel of a person.
func (h *People) Direct(person string) adapters.Channel {
	return adapters.Channel{ID: "@" + person, Name: "@" + person, Direct: true}
}

// Mention addresses the bot.
func (h *People) Mention() string { return "@petrel" }

func (h *People) client(person string) *client {
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

// Join brings a person into a channel.
func (h *People) Join(ctx context.Context, person, channel string) error {
	_, err := h.client(person).ask(ctx, terminal.Request{Do: terminal.DoJoin, In: own(person, channel), Earlier: 100})
	return err
}

// Say says a line.
func (h *People) Say(ctx context.Context, l adaptertest.Line) (string, error) {
	c := h.client(l.Person)
	id, err := c.ask(ctx, terminal.Request{Do: terminal.DoSay, In: own(l.Person, l.Channel), Thread: l.Thread, Text: l.Text})
	h.mu.Lock()
	h.author[id] = c
	h.mu.Unlock()
	return id, err
}

// Press presses a button.
func (h *People) Press(ctx context.Context, person, message, label string) error {
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

// Call uses a slash command.
func (h *People) Call(ctx context.Context, person, channel, command, text string) error {
	_, err := h.client(person).ask(ctx, terminal.Request{Do: terminal.DoCall, In: own(person, channel), Command: command, Text: text})
	return err
}

// Choose chooses an option.
func (h *People) Choose(ctx context.Context, person, message, label, option string) error {
	c := h.client(person)
	c.mu.Lock()
	e, known := c.entries[message]
	c.mu.Unlock()
	if !known || e.Message == nil {
		return fmt.Errorf("%s sees no message %s", person, message)
	}
	for _, s := range e.Message.Selects {
		for _, o := range s.Options {
			if s.Label == label && o.Label == option {
				_, err := c.ask(ctx, terminal.Request{Do: terminal.DoPress, ID: message, Button: s.ID, Choice: o.Value})
				return err
			}
		}
	}
	return fmt.Errorf("there is no option %s of %s", option, label)
}

// Form waits for an open form.
func (h *People) Form(ctx context.Context, person string) (adaptertest.Dialog, error) {
	select {
	case f := <-h.client(person).forms:
		d := adaptertest.Dialog{Title: f.Form.Title, Values: map[string]string{}, Problems: f.Problems}
		for _, in := range f.Form.Inputs {
			d.Labels = append(d.Labels, in.Label)
			d.Values[in.Name] = in.Value
		}
		return d, nil
	case <-ctx.Done():
		return adaptertest.Dialog{}, fmt.Errorf("%s has no form before them: %w", person, ctx.Err())
	}
}

// Submit sends the open form.
func (h *People) Submit(ctx context.Context, person string, values map[string]string) error {
	c := h.client(person)
	c.mu.Lock()
	opened := c.opened
	c.mu.Unlock()
	if opened.Form == nil {
		return fmt.Errorf("%s has no form before them", person)
	}
	_, err := c.ask(ctx, terminal.Request{Do: terminal.DoSubmit, ID: opened.ID, Form: opened.Form.ID, Values: values})
	return err
}

// See waits for what a person sees.
func (h *People) See(ctx context.Context, person, channel string, ok func([]adaptertest.Seen) bool) ([]adaptertest.Seen, error) {
	return h.client(person).board(own(person, channel)).Await(ctx, ok)
}

// Told waits for what a person is told.
func (h *People) Told(ctx context.Context, person string) (string, error) {
	select {
	case words := <-h.client(person).told:
		return words, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Redeliver sends a line once more.
func (h *People) Redeliver(ctx context.Context, message string) error {
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

// Drop cuts all sessions; they come back.
func (h *People) Drop(context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.people {
		c.mu.Lock()
		c.conn.Close()
		c.mu.Unlock()
	}
	return nil
}

// client is a person's session, written after the protocol's description: it
// connects again for ever, joins again, and asks again what was not answered.
type client struct {
	path, name string
	told       chan string
	forms      chan terminal.Frame // opened, or refused with problems
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
	files   map[string]map[string]string // content by message and name
	opened  terminal.Frame               // the form that is open
}

var _ adaptertest.Controls = (*People)(nil)

type answer struct {
	id  string
	err error
}

func newClient(path, name string) *client {
	c := &client{
		path: path, name: name, told: make(chan string, 16), forms: make(chan terminal.Frame, 16), files: map[string]map[string]string{},
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
	case terminal.IsFile:
		if c.files[f.ID] == nil {
			c.files[f.ID] = map[string]string{}
		}
		c.files[f.ID][f.Name] = string(f.Content)
		c.show(c.entries[f.ID])
	case terminal.IsSaid:
		if f.Form != nil {
			c.opened = f
			c.forms <- f
		}
		if len(f.Problems) > 0 {
			again := c.opened
			again.Problems = f.Problems
			c.forms <- again
		}
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
	for _, f := range e.Files {
		r := terminal.Request{Do: terminal.DoFile, Delivery: rand.Text(), As: c.name, ID: e.ID, Name: f.Name}
		line, err := json.Marshal(r)
		if err == nil {
			_, err = c.conn.Write(append(line, '\n'))
		}
		if err != nil {
			c.told <- "ask for a file: " + err.Error()
		}
	}
	c.show(e)
}

// show needs c.mu.
func (c *client) show(e terminal.Entry) {
	text, buttons := prompt.Show(e, c.name)
	s := adaptertest.Seen{
		Message: e.ID, Thread: e.Thread, From: e.From.Name, Text: text, Buttons: buttons,
		Private: strings.Contains(text, "(only you) "), Files: c.files[e.ID],
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
