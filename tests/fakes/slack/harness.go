package slack

import (
	"context"
	"net/http/httptest"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
)

// Make makes the adapter that a harness is for, connected to the fake: anew for
// every start of the program.
type Make func(*Server) adapters.Adapter

// Harness is a Slack with an adapter on it, for package adaptertest.
type Harness struct {
	*Server
	make    Make
	adapter adapters.Adapter
	front   *httptest.Server // what Slack calls, in HTTP mode
}

// NewHarness makes an adapter for a running fake, which it closes in the end. With
// callbacks the fake calls the adapter's Routes instead of using Socket Mode. A
// nil make is for a whole program that is connected to the fake.
func NewHarness(s *Server, callbacks bool, make Make) *Harness {
	h := &Harness{Server: s, make: make}
	if make != nil {
		h.renew(callbacks)
	}
	return h
}

func (h *Harness) renew(callbacks bool) {
	h.adapter = h.make(h.Server)
	if !callbacks {
		return
	}
	if h.front != nil {
		h.front.Close()
	}
	h.front = httptest.NewServer(h.adapter.(adapters.Receiver).Routes())
	h.CallAt(h.front.URL + "/events")
}

// Adapter implements adaptertest.Harness, as do the following methods.
func (h *Harness) Adapter() adapters.Adapter { return h.adapter }

// Renew makes the adapter of a restarted program.
func (h *Harness) Renew() adapters.Adapter {
	h.renew(h.front != nil)
	return h.adapter
}

// Close ends the fake.
func (h *Harness) Close() {
	if h.front != nil {
		h.front.Close()
	}
	h.Server.Close()
}

// User is who a person is in events.
func (h *Harness) User(name string) adapters.User {
	return adapters.User{ID: h.UserID(name), Name: name, Email: name + "@example.com"}
}

// Channel is what a channel is in events.
func (h *Harness) Channel(name string) adapters.Channel {
	return adapters.Channel{ID: h.ChannelID("", name), Name: name}
}

// Direct is what the direct conversation with a person is in events.
func (h *Harness) Direct(name string) adapters.Channel {
	return adapters.Channel{ID: h.ChannelID(name, "@"), Name: "@" + name, Direct: true}
}

// Join makes a person see a channel.
func (h *Harness) Join(_ context.Context, name, channel string) error {
	h.Server.Join(name, channel)
	return nil
}

// Mention is what people write to address the app.
func (h *Harness) Mention() string { return "@petrel" }

// Say posts a line as a person.
func (h *Harness) Say(_ context.Context, l adaptertest.Line) (string, error) {
	return h.Server.Say(l.Person, l.Channel, l.Thread, l.Text), nil
}

// Press presses a button.
func (h *Harness) Press(_ context.Context, name, message, label string) error {
	return h.Server.Press(name, message, label)
}

// See waits for what a person sees.
func (h *Harness) See(ctx context.Context, name, channel string, ok func([]adaptertest.Seen) bool) ([]adaptertest.Seen, error) {
	return h.Board(name, channel).Await(ctx, ok)
}

// Told waits for what a person is told alone.
func (h *Harness) Told(ctx context.Context, name string) (string, error) {
	select {
	case words := <-h.Server.Told(name):
		return words, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Redeliver brings the event of a message once more.
func (h *Harness) Redeliver(_ context.Context, message string) error {
	return h.Server.Redeliver(message)
}

// Drop cuts the connections.
func (h *Harness) Drop(context.Context) error {
	h.Server.Drop()
	return nil
}

// Slow makes the platform slow.
func (h *Harness) Slow(d time.Duration) { h.Server.Slow(d) }

// Call uses a slash command.
func (h *Harness) Call(_ context.Context, name, channel, command, text string) error {
	return h.Server.Call(name, channel, command, text)
}

// Choose chooses an option of a select.
func (h *Harness) Choose(_ context.Context, name, message, label, option string) error {
	return h.Server.Choose(name, message, label, option)
}

// Form waits until a form is open.
func (h *Harness) Form(ctx context.Context, name string) (adaptertest.Dialog, error) {
	return h.Server.Form(ctx, name)
}

// Submit sends the open form.
func (h *Harness) Submit(_ context.Context, name string, values map[string]string) error {
	return h.Server.Submit(name, values)
}

// Features is what the fake promises. An event that was not taken comes again.
func Features(callbacks bool) adaptertest.Features {
	return adaptertest.Features{
		Mentions: true, Direct: true, Idempotent: true, RedeliversRefused: true, Redelivers: true, Drops: !callbacks, Slows: true,
	}
}

var (
	_ adaptertest.Harness  = (*Harness)(nil)
	_ adaptertest.Controls = (*Harness)(nil)
)

// Front is the address that the fake calls in HTTP mode, without a path.
func (h *Harness) Front() string { return h.front.URL }
