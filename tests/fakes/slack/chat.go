package slack

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// content reads and checks what a message shows. Absent parts are nil.
func content(a args) (m message, err error) {
	if m.Blocks, err = decode[[]block](a["blocks"], "invalid_blocks_format"); err != nil {
		return m, err
	}
	if m.Attachments, err = decode[[]attachment](a["attachments"], "invalid_attachments"); err != nil {
		return m, err
	}
	if err := check(m.Blocks, maxMessage); err != nil {
		return m, err
	}
	if len(m.Attachments) > 100 {
		return m, refuse("too_many_attachments")
	}
	for _, t := range m.Attachments {
		if err := check(t.Blocks, maxMessage); err != nil {
			return m, err
		}
	}
	m.Text = a["text"]
	if r := []rune(m.Text); len(r) > maxText {
		m.Text = string(r[:maxText])
	}
	return m, nil
}

func (m message) empty() bool { return m.Text == "" && len(m.Blocks) == 0 && len(m.Attachments) == 0 }

// target is the channel of a post: an ID or a name.
func (s *Server) target(where string) (*channel, error) {
	if name, ok := strings.CutPrefix(where, "#"); ok {
		if c := s.channelNamed(name); c != nil {
			return s.visible(c.ID)
		}
		return nil, refuse("channel_not_found")
	}
	return s.visible(where)
}

func (s *Server) postMessage(a args) (reply, error) {
	c, err := s.target(a["channel"])
	if err != nil {
		return nil, err
	}
	if !c.members[s.bot().ID] && !slices.Contains(s.Scopes, "chat:write.public") {
		return nil, refuse("not_in_channel")
	}
	m, err := content(a)
	if err != nil {
		return nil, err
	}
	if m.empty() {
		return nil, refuse("no_text")
	}
	m.Thread = a["thread_ts"]
	s.put(c, &m)
	return reply{"channel": c.ID, "ts": m.TS, "message": reply{"type": "message", "ts": m.TS, "text": m.Text}}, nil
}

// put makes a message of the app. It needs s.mu.
func (s *Server) put(c *channel, m *message) {
	m.TS, m.From = s.now(), s.bot().ID
	c.messages = append(c.messages, m)
	s.show(c, m)
}

func (s *Server) postEphemeral(a args) (reply, error) {
	c, err := s.target(a["channel"])
	if err != nil {
		return nil, err
	}
	p := s.people[a["user"]]
	switch {
	case !c.members[s.bot().ID]:
		return nil, refuse("not_in_channel")
	case p == nil || !c.members[p.ID]:
		return nil, refuse("user_not_in_channel")
	}
	m, err := content(a)
	if err != nil {
		return nil, err
	}
	if m.empty() {
		return nil, refuse("no_text")
	}
	m.Only, m.Thread = p.ID, a["thread_ts"]
	s.put(c, &m)
	text, _ := s.read(&m)
	p.tell(text)
	return reply{"message_ts": m.TS}, nil
}

// updateMessage keeps the blocks and attachments that are not given anew.
func (s *Server) updateMessage(a args) (reply, error) {
	c, err := s.visible(a["channel"])
	if err != nil {
		return nil, err
	}
	m := c.find(a["ts"])
	switch {
	case m == nil || m.Only != "":
		return nil, refuse("message_not_found")
	case m.From != s.bot().ID:
		return nil, refuse("cant_update_message")
	}
	fresh, err := content(a)
	if err != nil {
		return nil, err
	}
	if fresh.empty() {
		return nil, refuse("no_text")
	}
	m.change(fresh, a["blocks"] != "", a["attachments"] != "")
	s.show(c, m)
	return reply{"channel": c.ID, "ts": m.TS, "text": m.Text}, nil
}

func (m *message) change(fresh message, blocks, attachments bool) {
	m.Text = fresh.Text
	if blocks {
		m.Blocks = fresh.Blocks
	}
	if attachments {
		m.Attachments = fresh.Attachments
	}
}

// replyURL is a response_url.
type replyURL struct {
	uses    int
	born    time.Time
	expired bool
	person  *person
	channel *channel
	origin  *message // the message whose button was pressed, or the last answer to a command
}

// newReply makes a response_url. It needs s.mu.
func (s *Server) newReply(p *person, c *channel, origin *message) string {
	path := "/respond/" + s.id("R")
	s.replies[path] = &replyURL{born: time.Now(), person: p, channel: c, origin: origin}
	return s.http.URL + path
}

// serveResponse is a response_url: it wants no token.
func (s *Server) serveResponse(w http.ResponseWriter, r *http.Request) {
	f := s.strike("response_url", false)
	if !s.pause(f.slow) {
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var fields struct {
		Text            string          `json:"text"`
		Thread          string          `json:"thread_ts"`
		Blocks          json.RawMessage `json:"blocks"`
		Attachments     json.RawMessage `json:"attachments"`
		ResponseType    string          `json:"response_type"`
		ReplaceOriginal bool            `json:"replace_original"`
		DeleteOriginal  bool            `json:"delete_original"`
	}
	if err == nil {
		err = json.Unmarshal(body, &fields)
	}
	if err != nil {
		http.Error(w, "invalid_payload", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.replies[r.URL.Path]
	switch {
	case u == nil || u.expired || time.Since(u.born) > 30*time.Minute:
		http.Error(w, "expired_url", http.StatusNotFound)
		return
	case u.uses >= 5:
		http.Error(w, "used_url", http.StatusNotFound)
		return
	}
	u.uses++
	fresh, err := content(args{"text": fields.Text, "blocks": string(fields.Blocks), "attachments": string(fields.Attachments)})
	if err == nil && fresh.empty() {
		err = refuse("no_text")
	}
	answer := reply{"ok": err == nil}
	if err == nil {
		s.respond(u, fresh, fields.Thread, fields.ResponseType, fields.ReplaceOriginal)
	} else {
		answer["error"] = err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // a caller that went away needs no answer
}

// respond needs s.mu.
func (s *Server) respond(u *replyURL, fresh message, thread, responseType string, replace bool) {
	if replace && u.origin != nil {
		u.origin.change(fresh, true, true)
		s.show(u.channel, u.origin)
		return
	}
	m := &fresh
	m.Reply, m.Thread = u, thread
	if responseType != "in_channel" {
		m.Only = u.person.ID
	}
	s.put(u.channel, m)
	if u.origin == nil || u.origin.Reply != nil {
		u.origin = m
	}
	if m.Only != "" {
		text, _ := s.read(m)
		u.person.tell(text)
	}
}
