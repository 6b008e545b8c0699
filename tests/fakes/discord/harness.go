package discord

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
)

// Harness acts for people on a fake Discord with one adapter.
type Harness struct {
	Server *Server

	make    func(*Server) adapters.Adapter
	adapter adapters.Adapter
	online  int // sessions that there must be before people speak
	mu      sync.Mutex
	met     bool // the present adapter was online
}

var (
	_ adaptertest.Harness  = (*Harness)(nil)
	_ adaptertest.Controls = (*Harness)(nil)
)

// NewHarness takes a running fake and what makes the adapter of a program that
// is configured for it. Close ends the fake.
func NewHarness(s *Server, make func(*Server) adapters.Adapter) *Harness {
	h := &Harness{Server: s, make: make}
	h.Renew()
	return h
}

// Features is what Discord promises.
func Features() adaptertest.Features {
	return adaptertest.Features{
		Mentions: true, Direct: true, Idempotent: true, KeyOutlivesProcess: true,
		Redelivers: true, Drops: true, Slows: true, PrivateInDirect: true,
	}
}

// Adapter implements adaptertest.Harness.
func (h *Harness) Adapter() adapters.Adapter { return h.adapter }

// Renew implements adaptertest.Harness. People do not speak before they see the
// bot online: Discord keeps nothing for a bot that was never there.
func (h *Harness) Renew() adapters.Adapter {
	h.online, h.met = h.Server.Sessions()+1, false
	h.adapter = h.make(h.Server)
	if c, ok := h.adapter.(adapters.Commander); ok {
		c.SetCommands([]adapters.Command{{
			Name: "petrel", Description: "Say a command",
			Options: []adapters.CommandOption{{Name: "text", Description: "the command", Kind: "string"}},
		}})
	}
	return h.adapter
}

// await waits until the bot is online, and knows it: an adapter whose first
// connection is cut before it read that cannot resume.
func (h *Harness) await(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.met {
		return nil
	}
	if err := h.Server.AwaitOnline(ctx, h.online); err != nil {
		return err
	}
	w, watched := h.adapter.(adapters.Watched)
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for watched && !w.Health().Connected {
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	h.met = true
	return nil
}

// Close implements adaptertest.Harness.
func (h *Harness) Close() { h.Server.Close() }

// User implements adaptertest.Harness.
func (h *Harness) User(person string) adapters.User {
	return adapters.User{ID: h.Server.Person(person).ID(), Name: person}
}

// Channel implements adaptertest.Harness.
func (h *Harness) Channel(name string) adapters.Channel {
	return adapters.Channel{ID: h.Server.Person("ann").ChannelID(name), Name: name}
}

// Direct implements adaptertest.Harness.
func (h *Harness) Direct(person string) adapters.Channel {
	return adapters.Channel{ID: h.Server.Person(person).ChannelID("@"), Name: "@" + person, Direct: true}
}

// Join implements adaptertest.Harness. Everybody on the server sees all channels.
func (h *Harness) Join(_ context.Context, person, channel string) error {
	h.Server.Person(person).ChannelID(channel)
	return nil
}

// Mention implements adaptertest.Harness.
func (h *Harness) Mention() string { return "<@" + h.Server.Bot().ID + ">" }

// Say implements adaptertest.Harness.
func (h *Harness) Say(ctx context.Context, l adaptertest.Line) (string, error) {
	if err := h.await(ctx); err != nil {
		return "", err
	}
	return h.Server.Person(l.Person).Say(l.Channel, l.Thread, l.Text)
}

// Press implements adaptertest.Harness.
func (h *Harness) Press(ctx context.Context, person, message, label string) error {
	if err := h.await(ctx); err != nil {
		return err
	}
	return h.Server.Person(person).Press(ctx, message, label)
}

// See implements adaptertest.Harness.
func (h *Harness) See(ctx context.Context, person, channel string, ok func([]adaptertest.Seen) bool) ([]adaptertest.Seen, error) {
	var seen []adaptertest.Seen
	_, err := h.Server.Person(person).Await(ctx, channel, func(all []Sight) bool {
		seen = make([]adaptertest.Seen, len(all))
		for i, m := range all {
			seen[i] = adaptertest.Seen{
				Message: m.ID, Thread: m.Thread, From: m.Author.Username, Text: m.Text,
				Private: m.OnlyFor != "", Files: m.Files, Pings: m.Pings,
			}
			for _, r := range m.Components {
				for _, c := range r.Components {
					if c.Type == 2 {
						seen[i].Buttons = append(seen[i].Buttons, c.Label)
					}
				}
			}
		}
		return ok(seen)
	})
	return seen, err
}

// Told implements adaptertest.Harness.
func (h *Harness) Told(ctx context.Context, person string) (string, error) {
	return h.Server.Person(person).Told(ctx)
}

// Redeliver implements adaptertest.Harness.
func (h *Harness) Redeliver(_ context.Context, message string) error {
	return h.Server.Redeliver(message)
}

// Drop implements adaptertest.Harness.
func (h *Harness) Drop(context.Context) error {
	h.Server.Drop()
	return nil
}

// Slow implements adaptertest.Harness.
func (h *Harness) Slow(d time.Duration) { h.Server.Slow(d) }

// Call implements adaptertest.Controls. The text goes into the first
// option that takes any.
func (h *Harness) Call(ctx context.Context, person, channel, command, text string) error {
	if err := h.await(ctx); err != nil {
		return err
	}
	return h.Server.Person(person).CallText(ctx, channel, command, text)
}

// Choose implements adaptertest.Controls.
func (h *Harness) Choose(ctx context.Context, person, message, label, option string) error {
	if err := h.await(ctx); err != nil {
		return err
	}
	return h.Server.Person(person).Choose(ctx, message, label, option)
}

// Form implements adaptertest.Controls. A form that was refused is closed by
// Discord: the person reads why, and opens it again by the button below that.
func (h *Harness) Form(ctx context.Context, person string) (adaptertest.Dialog, error) {
	p := h.Server.Person(person)
	why, id, label := p.refusal()
	if id != "" {
		if err := p.Press(ctx, id, label); err != nil {
			return adaptertest.Dialog{}, err
		}
	}
	var d *dialog
	err := h.Server.await(ctx, func() bool {
		d = h.Server.dialogs[p.u.ID]
		return d != nil
	})
	if err != nil {
		return adaptertest.Dialog{}, errors.New("no form is open")
	}
	out := adaptertest.Dialog{Title: d.Title, Values: map[string]string{}, Problems: map[string]string{}}
	for _, r := range d.Rows {
		out.Labels = append(out.Labels, r.Components[0].Label)
		out.Values[r.Components[0].CustomID] = r.Components[0].Value
	}
	if why != "" {
		out.Problems[""] = why
	}
	return out, nil
}

// refusal finds the last private message to the person that offers to open a
// form again, when no form is open.
func (p *Person) refusal() (why, id, label string) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.s.dialogs[p.u.ID] != nil {
		return "", "", ""
	}
	for _, messages := range p.s.messages {
		for _, m := range messages {
			if m.OnlyFor == p.u.ID && m.ID > id && len(m.Components) > 0 && strings.Contains(m.Components[0].Components[0].Label, "form again") {
				why, id, label = p.s.plain(m), m.ID, m.Components[0].Components[0].Label
			}
		}
	}
	return why, id, label
}

// Submit implements adaptertest.Controls.
func (h *Harness) Submit(ctx context.Context, person string, values map[string]string) error {
	return h.Server.Person(person).Submit(ctx, values)
}
