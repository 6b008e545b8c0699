package slack

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

var (
	address   = regexp.MustCompile(`https?://[^\s<>|"]+`)
	addressee = regexp.MustCompile(`(^|[\s(])@([a-z][a-z0-9._-]*)`)
	escaper   = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
)

// written is text as Slack's client sends what a person typed. It needs s.mu.
func (s *Server) written(text string) string {
	text = escaper.Replace(text)
	text = address.ReplaceAllString(text, "<$0>")
	return addressee.ReplaceAllStringFunc(text, func(whole string) string {
		m := addressee.FindStringSubmatch(whole)
		for _, p := range s.people {
			if p.Name == m[2] {
				return m[1] + "<@" + p.ID + ">"
			}
		}
		return whole
	})
}

// Say posts a line as a person and returns its timestamp.
func (s *Server) Say(name, where, thread, text string) string {
	s.mu.Lock()
	raw := s.written(text)
	s.mu.Unlock()
	return s.SayRaw(name, where, thread, raw, nil)
}

// SayRaw posts a line whose text is in Slack's own form already; more is put over
// the event.
func (s *Server) SayRaw(name, where, thread, raw string, more map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, c := s.personNamed(name), s.place(name, where)
	m := &message{TS: s.now(), Thread: thread, From: p.ID, Text: raw}
	c.messages = append(c.messages, m)
	s.show(c, m)
	if !c.members[s.bot().ID] {
		return m.TS // the app does not hear it
	}
	event := map[string]any{"type": "message", "channel": c.ID, "user": p.ID, "text": raw, "ts": m.TS, "event_ts": m.TS, "channel_type": "channel", "team": teamID}
	if c.With != "" {
		event["channel_type"] = "im"
	}
	if thread != "" {
		event["thread_ts"] = thread
	}
	for k, v := range more {
		event[k] = v
	}
	payload := s.callbackOf(event)
	s.bearings[m.TS] = payload
	s.event(c.ID, payload)
	return m.TS
}

// AlsoMention makes Slack bring the app_mention event of a message, too, as it
// does when the app subscribes to both.
func (s *Server) AlsoMention(ts string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	payload, ok := s.bearings[ts].(map[string]any)
	if !ok {
		return fmt.Errorf("nobody said %s", ts)
	}
	event := map[string]any{}
	for k, v := range payload["event"].(map[string]any) {
		event[k] = v
	}
	event["type"] = "app_mention"
	delete(event, "channel_type")
	s.event(event["channel"].(string), s.callbackOf(event))
	return nil
}

// callbackOf needs s.mu.
func (s *Server) callbackOf(event map[string]any) map[string]any {
	return map[string]any{
		"type": "event_callback", "team_id": teamID, "api_app_id": "A0FAKE", "event_id": s.id("Ev"), "event_time": time.Now().Unix(), "event": event,
		"authorizations": []any{map[string]any{"team_id": teamID, "user_id": s.bot().ID, "is_bot": true}},
	}
}

// Emit delivers any event of the Events API.
func (s *Server) Emit(event map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.event("other", s.callbackOf(event))
}

// Redeliver brings the event of a message once more, as when an acknowledgement
// was lost.
func (s *Server) Redeliver(ts string) error {
	s.mu.Lock()
	payload, ok := s.bearings[ts]
	s.mu.Unlock()
	if !ok {
		return fmt.Errorf("nobody said %s", ts)
	}
	s.wire.Go(func() { s.bring(payload, 1, "timeout") })
	return nil
}

// trigger is a trigger_id, which opens one form within three seconds.
type trigger struct {
	person *person
	until  time.Time
}

// trigger makes a trigger_id. It needs s.mu.
func (s *Server) trigger(p *person) string {
	id := s.id("T")
	s.triggers[id] = trigger{person: p, until: time.Now().Add(3 * time.Second)}
	return id
}

// Call uses a slash command as a person does.
func (s *Server) Call(name, where, command, text string) error {
	s.mu.Lock()
	p, c := s.personNamed(name), s.place(name, where)
	if len(s.commands) > 0 && !s.commands[command] {
		s.mu.Unlock()
		return fmt.Errorf("/%s is not a valid command", command)
	}
	payload := map[string]any{
		"token": "legacy", "team_id": teamID, "team_domain": "fake", "channel_id": c.ID, "channel_name": c.Name,
		"user_id": p.ID, "user_name": p.Name, "command": "/" + command, "text": escaper.Replace(text), "api_app_id": "A0FAKE",
		"is_enterprise_install": "false", "response_url": s.newReply(p, c, nil), "trigger_id": s.trigger(p),
	}
	if c.With != "" {
		payload["channel_name"] = "directmessage"
	}
	s.mu.Unlock()
	s.wire.Go(func() { s.called(p, c, command, text, payload) })
	return nil
}

func (s *Server) called(p *person, c *channel, command, text string, payload map[string]any) {
	body, ok := s.deliver(slashCommands, payload, 0, "", 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !ok {
		p.tell("/" + command + " failed with the error \"operation_timeout\"")
		return
	}
	var a struct {
		Text         string          `json:"text"`
		ResponseType string          `json:"response_type"`
		Blocks       json.RawMessage `json:"blocks"`
	}
	if len(body) == 0 || json.Unmarshal(body, &a) != nil {
		return
	}
	public := a.ResponseType == "in_channel"
	if public {
		m := &message{TS: s.now(), From: p.ID, Text: escaper.Replace("/" + command + " " + text)}
		c.messages = append(c.messages, m)
		s.show(c, m)
	}
	if a.Text == "" && len(a.Blocks) == 0 {
		return
	}
	m := &message{Text: a.Text}
	if !public {
		m.Only = p.ID
		p.tell(s.shown(a.Text))
	}
	s.put(c, m)
}

// Press presses the button with a label under a message.
func (s *Server) Press(name, ts, label string) error {
	return s.act(name, ts, func(e element) map[string]any {
		if e.Type != "button" || e.label() != label {
			return nil
		}
		return map[string]any{"type": "button", "action_id": e.ActionID, "value": e.Value, "text": map[string]any{"type": "plain_text", "text": label}}
	})
}

// Choose chooses an option of a select under a message.
func (s *Server) Choose(name, ts, label, chosen string) error {
	return s.act(name, ts, func(e element) map[string]any {
		if e.Type != "static_select" || e.Placeholder == nil || e.Placeholder.Text != label {
			return nil
		}
		for _, o := range e.Options {
			if o.Text.Text == chosen {
				return map[string]any{"type": "static_select", "action_id": e.ActionID, "selected_option": o}
			}
		}
		return nil
	})
}

func (s *Server) act(name, ts string, pick func(element) map[string]any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.personNamed(name)
	c, m := s.message(ts)
	if m == nil || m.Only != "" && m.Only != p.ID {
		return fmt.Errorf("%s sees no message %s", name, ts)
	}
	blocks := m.Blocks
	for _, a := range m.Attachments {
		blocks = append(blocks[:len(blocks):len(blocks)], a.Blocks...)
	}
	for _, b := range blocks {
		for _, e := range b.Elements {
			if action := pick(e); b.Type == "actions" && action != nil {
				action["block_id"], action["action_ts"] = b.ID, s.now()
				s.pressed(p, c, m, action)
				return nil
			}
		}
	}
	return errors.New("there is no such button or option")
}

// pressed needs s.mu.
func (s *Server) pressed(p *person, c *channel, m *message, action map[string]any) {
	container := map[string]any{"type": "message", "message_ts": m.TS, "channel_id": c.ID, "is_ephemeral": m.Only != ""}
	payload := map[string]any{
		"type": "block_actions", "team": map[string]any{"id": teamID, "domain": "fake"}, "api_app_id": "A0FAKE", "token": "legacy",
		"user":    map[string]any{"id": p.ID, "username": p.Name, "name": p.Name, "team_id": teamID},
		"channel": map[string]any{"id": c.ID, "name": c.Name}, "container": container, "trigger_id": s.trigger(p),
		"response_url": s.newReply(p, c, m), "actions": []any{action},
	}
	if m.Only == "" {
		shown := map[string]any{"type": "message", "ts": m.TS, "text": m.Text, "user": m.From}
		if m.Thread != "" {
			shown["thread_ts"] = m.Thread
		}
		payload["message"] = shown
	}
	copies := 1
	if s.duplicate > 0 {
		s.duplicate--
		copies = 2
	}
	s.wire.Go(func() {
		if _, ok := s.deliver(interactive, payload, 0, "", copies); !ok {
			s.mu.Lock()
			defer s.mu.Unlock()
			p.tell("This app responded with an error (operation_timeout)")
		}
	})
}
