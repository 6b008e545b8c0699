package discord

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Person acts as somebody on the server.
type Person struct {
	s *Server
	u *User
}

// Person returns somebody by login name; who is not there comes to be.
func (s *Server) Person(name string) *Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &Person{s: s, u: s.user(name)}
}

// ID is the person's.
func (p *Person) ID() string { return p.u.ID }

// ChannelID is the ID of a channel as the person calls it: "#ops", or "@" for
// the direct conversation with the bot.
func (p *Person) ChannelID(name string) string {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.place(name).ID
}

// place needs s.mu.
func (p *Person) place(name string) *Channel {
	if name == "@" {
		return p.s.directWith(p.u.ID)
	}
	return p.s.channel(name)
}

// Say posts a line, in a thread when one is named. A thread that is not there is
// started from the message of that ID.
func (p *Person) Say(channel, thread, text string) (string, error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	defer p.s.touch()
	if p.s.closed {
		return "", errLeft
	}
	ch := p.place(channel)
	if thread != "" {
		under := p.s.message(ch.ID, thread)
		if p.s.channels[thread] == nil && under == nil {
			return "", fmt.Errorf("there is no message %s in %s", thread, channel)
		}
		if p.s.channels[thread] == nil {
			p.s.thread(ch, under, "thread")
		}
		ch = p.s.channels[thread]
	}
	m := &Message{ID: p.s.id(), ChannelID: ch.ID, GuildID: ch.GuildID, Author: *p.u, Content: strings.TrimRight(text, " \n"), Timestamp: time.Now()}
	for _, hit := range userMention.FindAllStringSubmatch(text, -1) {
		if u := p.s.users[hit[1]]; u != nil {
			m.Mentions = append(m.Mentions, *u)
		}
	}
	p.s.add(m)
	return m.ID, nil
}

// Redeliver sends the event of a message once more.
func (s *Server) Redeliver(message string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.find(message)
	if m == nil {
		return fmt.Errorf("there is no message %s", message)
	}
	for _, x := range s.sessions {
		s.deliver(x, event{"MESSAGE_CREATE", m})
	}
	return nil
}

// act makes an interaction and waits until the bot has acknowledged it.
func (p *Person) act(ctx context.Context, kind string, number int, in string, from *Message, data map[string]any) error {
	p.s.mu.Lock()
	ch := p.s.channels[in]
	a := &act{id: p.s.id(), token: "token-" + rand.Text() + strings.Repeat("x", 120), kind: kind, user: p.u, channel: ch, from: from, came: time.Now(), done: make(chan struct{})}
	p.s.acts[a.token] = a
	body := map[string]any{
		"id": a.id, "application_id": p.s.app, "type": number, "token": a.token, "version": 1,
		"channel_id": ch.ID, "channel": ch, "data": data,
	}
	if ch.GuildID != "" {
		body["guild_id"], body["member"] = ch.GuildID, map[string]any{"user": p.u}
	} else {
		body["user"] = p.u
	}
	if from != nil {
		body["message"] = from
	}
	p.s.emit("INTERACTION_CREATE", body)
	p.s.mu.Unlock()
	select {
	case <-a.done:
		return nil
	case <-time.After(3 * time.Second):
		return errors.New("the application did not respond")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CallText uses a slash command with text in its first option that takes any.
func (p *Person) CallText(ctx context.Context, channel, command, text string) error {
	known, err := p.command(ctx, command)
	if err != nil {
		return err
	}
	options := map[string]any{}
	i := slices.IndexFunc(known.Options, func(o CommandOption) bool { return o.Type == 3 })
	switch {
	case text == "":
	case i < 0:
		return fmt.Errorf("/%s takes no text", command)
	default:
		options[known.Options[i].Name] = text
	}
	return p.Call(ctx, channel, command, options)
}

// command waits until a command is known.
func (p *Person) command(ctx context.Context, command string) (known Command, err error) {
	err = p.s.await(ctx, func() bool {
		for _, scope := range []string{p.s.guild, ""} {
			i := slices.IndexFunc(p.s.commands[scope], func(c Command) bool { return c.Name == command })
			if i >= 0 {
				known = p.s.commands[scope][i]
				return true
			}
		}
		return false
	})
	if err != nil {
		return known, fmt.Errorf("Discord knows no command /%s: %w", command, err)
	}
	return known, nil
}

// Call uses a slash command with options by name. The command must be known.
func (p *Person) Call(ctx context.Context, channel, command string, options map[string]any) error {
	known, err := p.command(ctx, command)
	if err != nil {
		return err
	}
	var values []any
	for _, o := range known.Options {
		if v, given := options[o.Name]; given {
			values = append(values, map[string]any{"name": o.Name, "type": o.Type, "value": v})
		} else if o.Required {
			return fmt.Errorf("/%s needs %s", command, o.Name)
		}
	}
	if len(values) < len(options) {
		return fmt.Errorf("/%s does not have all of %v", command, options)
	}
	return p.act(ctx, "command", 2, p.ChannelID(channel), nil, map[string]any{"id": known.ID, "name": command, "type": 1, "options": values})
}

// component finds a button by its label or a select by its placeholder.
func (p *Person) component(message, label string) (*Message, Component, error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	m := p.s.find(message)
	if m == nil || m.OnlyFor != "" && m.OnlyFor != p.u.ID {
		return nil, Component{}, fmt.Errorf("%s sees no message %s", p.u.Username, message)
	}
	for _, r := range m.Components {
		for _, c := range r.Components {
			if c.Type == 2 && c.Label == label || c.Type == 3 && c.Placeholder == label {
				return m, c, nil
			}
		}
	}
	return nil, Component{}, fmt.Errorf("there is no %q under message %s", label, message)
}

// Press presses the button with that label.
func (p *Person) Press(ctx context.Context, message, label string) error {
	m, c, err := p.component(message, label)
	if err != nil {
		return err
	}
	return p.act(ctx, "press", 3, m.ChannelID, m, map[string]any{"custom_id": c.CustomID, "component_type": 2})
}

// Choose chooses an option of the select with that placeholder.
func (p *Person) Choose(ctx context.Context, message, label, option string) error {
	m, c, err := p.component(message, label)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(c.Options, func(o Choice) bool { return o.Label == option })
	if i < 0 {
		return fmt.Errorf("there is no option %q", option)
	}
	return p.choose(ctx, m, c, i)
}

func (p *Person) choose(ctx context.Context, m *Message, c Component, option int) error {
	return p.act(ctx, "press", 3, m.ChannelID, m, map[string]any{"custom_id": c.CustomID, "component_type": 3, "values": []string{c.Options[option].Value}})
}

// ChooseIn chooses an option in the select of the n-th row, counted from 0.
func (p *Person) ChooseIn(ctx context.Context, message string, row int, option string) error {
	p.s.mu.Lock()
	m := p.s.find(message)
	p.s.mu.Unlock()
	if m == nil || row >= len(m.Components) {
		return fmt.Errorf("message %s has no row %d", message, row)
	}
	c := m.Components[row].Components[0]
	i := slices.IndexFunc(c.Options, func(o Choice) bool { return o.Label == option })
	if i < 0 {
		return fmt.Errorf("there is no option %q", option)
	}
	return p.choose(ctx, m, c, i)
}

// Submit fills in the open form and sends it: Discord closes it.
func (p *Person) Submit(ctx context.Context, values map[string]string) error {
	p.s.mu.Lock()
	d := p.s.dialogs[p.u.ID]
	p.s.mu.Unlock()
	if d == nil {
		return errors.New("no form is open")
	}
	var rows []any
	for _, r := range d.Rows {
		c := r.Components[0]
		v, given := values[c.CustomID]
		if !given {
			v = c.Value
		}
		if v == "" && (c.Required == nil || *c.Required) {
			return fmt.Errorf("%s is required", c.Label)
		}
		rows = append(rows, map[string]any{"type": 1, "components": []any{map[string]any{"type": 4, "custom_id": c.CustomID, "value": v}}})
	}
	p.s.mu.Lock()
	delete(p.s.dialogs, p.u.ID)
	p.s.mu.Unlock()
	return p.act(ctx, "form", 5, d.channel.ID, d.from, map[string]any{"custom_id": d.CustomID, "components": rows})
}

// Sight is a message as a person sees it.
type Sight struct {
	*Message
	Thread string
	Text   string
}

// Sees is what the person sees in a channel and its threads, oldest first.
func (p *Person) Sees(channel string) []Sight {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.sees(channel)
}

// Await waits until ok holds for what the person sees in a channel.
func (p *Person) Await(ctx context.Context, channel string, ok func([]Sight) bool) ([]Sight, error) {
	var seen []Sight
	err := p.s.await(ctx, func() bool {
		seen = p.sees(channel)
		return ok(seen)
	})
	return seen, err
}

// sees needs s.mu.
func (p *Person) sees(channel string) []Sight {
	ch := p.place(channel)
	var all []Sight
	for id, messages := range p.s.messages {
		c := p.s.channels[id]
		if c.ID != ch.ID && (c.ParentID != ch.ID || c.Type < 10) {
			continue
		}
		for _, m := range messages {
			if m.OnlyFor != "" && m.OnlyFor != p.u.ID {
				continue
			}
			copied := *m
			sight := Sight{Message: &copied, Text: p.s.plain(m)}
			if c.Type >= 10 {
				sight.Thread = c.ID
			}
			all = append(all, sight)
		}
	}
	slices.SortFunc(all, func(a, b Sight) int { return strings.Compare(pad(a.ID), pad(b.ID)) })
	return all
}

func pad(id string) string { return strings.Repeat("0", max(0, 20-len(id))) + id }

// plain is all that can be read of a message. It needs s.mu.
func (s *Server) plain(m *Message) string {
	if m.Flags&flagLoading != 0 {
		return s.bot.Username + " is thinking..."
	}
	parts := []string{s.shown(m.Content)}
	for _, e := range m.Embeds {
		for _, key := range []string{"title", "description"} {
			if text, _ := e[key].(string); text != "" {
				parts = append(parts, s.shown(text))
			}
		}
		fields, _ := e["fields"].([]any)
		for _, raw := range fields {
			f, _ := raw.(map[string]any)
			name, _ := f["name"].(string)
			value, _ := f["value"].(string)
			parts = append(parts, s.shown(name)+": "+s.shown(value))
		}
		if f, _ := e["footer"].(map[string]any); f != nil {
			text, _ := f["text"].(string)
			parts = append(parts, text)
		}
	}
	return strings.TrimSpace(strings.Join(parts, "\n"))
}

var (
	fences  = regexp.MustCompile("(?s)```(?:[a-zA-Z]*\n)?(.*?)```|`([^`\n]+)`")
	escaped = regexp.MustCompile(`\\([^\w\s])`)
	strong  = regexp.MustCompile(`\*\*(.+?)\*\*`)
)

// shown is Markdown as it appears: code as it is, elsewhere without marks and
// backslashes, and mentions by name. It needs s.mu.
func (s *Server) shown(text string) string {
	var out strings.Builder
	at := 0
	for _, hit := range fences.FindAllStringSubmatchIndex(text, -1) {
		if hit[0] > 0 && text[hit[0]-1] == '\\' {
			continue
		}
		out.WriteString(s.words(text[at:hit[0]]))
		for _, group := range []int{2, 4} {
			if hit[group] >= 0 {
				out.WriteString(text[hit[group]:hit[group+1]])
			}
		}
		at = hit[1]
	}
	out.WriteString(s.words(text[at:]))
	return out.String()
}

func (s *Server) words(text string) string {
	text = userMention.ReplaceAllStringFunc(text, func(m string) string {
		if u := s.users[userMention.FindStringSubmatch(m)[1]]; u != nil {
			return "@" + u.Username
		}
		return m
	})
	text = strong.ReplaceAllString(text, "$1")
	return escaped.ReplaceAllString(text, "$1")
}

// Told waits until the person was told something privately, or by a reply that
// calls them, and returns the next words.
func (p *Person) Told(ctx context.Context) (string, error) {
	var words string
	err := p.s.await(ctx, func() bool {
		notes := p.s.notes[p.u.ID]
		if len(notes) == 0 {
			return false
		}
		words, p.s.notes[p.u.ID] = notes[0], notes[1:]
		return true
	})
	return words, err
}
