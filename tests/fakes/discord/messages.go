package discord

import (
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"
)

const (
	flagSuppress  = 1 << 2
	flagHasThread = 1 << 5
	flagEphemeral = 1 << 6
	flagLoading   = 1 << 7
)

// draft is what the bot wants a message to be.
type draft struct {
	Content    *string           `json:"content"`
	Embeds     *[]map[string]any `json:"embeds"`
	Components *[]Row            `json:"components"`
	Mentions   *struct {
		Parse []string `json:"parse"`
		Users []string `json:"users"`
	} `json:"allowed_mentions"`
	Reference *struct {
		MessageID string `json:"message_id"`
		FailIfNot *bool  `json:"fail_if_not_exists"`
	} `json:"message_reference"`
	Attachments *[]struct {
		ID any `json:"id"` // of one that stays, or the number of a new one
	} `json:"attachments"`
	Nonce        string `json:"nonce"`
	EnforceNonce bool   `json:"enforce_nonce"`
	Flags        int    `json:"flags"`
}

// check holds a draft to Discord's limits.
func (d *draft) check() error {
	if d.Content != nil && utf8.RuneCountInString(*d.Content) > 2000 {
		return invalid("content", "Must be 2000 or fewer in length.")
	}
	if len(d.Nonce) > 25 {
		return invalid("nonce", "Must be 25 or fewer in length.")
	}
	if m := d.Mentions; m != nil && len(m.Users) > 0 && slices.Contains(m.Parse, "users") {
		return invalid("allowed_mentions", "parse:[\"users\"] and users: [ids...] are mutually exclusive.")
	}
	if d.Embeds != nil {
		if err := checkEmbeds(*d.Embeds); err != nil {
			return err
		}
	}
	if d.Components != nil {
		return checkComponents(*d.Components)
	}
	return nil
}

func checkEmbeds(embeds []map[string]any) error {
	if len(embeds) > 10 {
		return invalid("embeds", "Must be 10 or fewer in length.")
	}
	total := 0
	for i, e := range embeds {
		for key, limit := range map[string]int{"title": 256, "description": 4096} {
			text, _ := e[key].(string)
			if e[key] != nil && text == "" && e[key] != "" {
				return invalid("embeds", key+" must be a string")
			}
			n := utf8.RuneCountInString(text)
			total += n
			if n > limit {
				return invalid("embeds", fmt.Sprintf("%d.%s: Must be %d or fewer in length.", i, key, limit))
			}
		}
		if c, ok := e["color"]; ok {
			if n, number := c.(float64); !number || n < 0 || n > 0xffffff {
				return invalid("embeds", "color: int value should be between 0 and 16777215")
			}
		}
		fields, _ := e["fields"].([]any)
		if len(fields) > 25 {
			return invalid("embeds", "fields: Must be 25 or fewer in length.")
		}
		for _, raw := range fields {
			f, _ := raw.(map[string]any)
			name, _ := f["name"].(string)
			value, _ := f["value"].(string)
			total += utf8.RuneCountInString(name + value)
			if name == "" || value == "" || utf8.RuneCountInString(name) > 256 || utf8.RuneCountInString(value) > 1024 {
				return invalid("embeds", "fields: a name of 1 to 256 and a value of 1 to 1024 characters are required")
			}
		}
	}
	if total > 6000 {
		return invalid("embeds", "Embed size exceeds maximum size of 6000")
	}
	return nil
}

func checkComponents(rows []Row) error {
	if len(rows) > 5 {
		return invalid("components", "Must be 5 or fewer in length.")
	}
	ids := map[string]bool{}
	for _, r := range rows {
		if r.Type != 1 || len(r.Components) == 0 || len(r.Components) > 5 {
			return invalid("components", "an action row has 1 to 5 components")
		}
		for _, c := range r.Components {
			if n := utf8.RuneCountInString(c.CustomID); n < 1 || n > 100 {
				return invalid("components", "custom_id: Must be between 1 and 100 in length.")
			}
			if ids[c.CustomID] {
				return invalid("components", "Component custom id cannot be duplicated")
			}
			ids[c.CustomID] = true
			if err := checkComponent(c, len(r.Components)); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkComponent(c Component, inRow int) error {
	switch c.Type {
	case 2:
		if n := utf8.RuneCountInString(c.Label); n < 1 || n > 80 || c.Style < 1 || c.Style > 4 {
			return invalid("components", "a button has a label of 1 to 80 characters and a style")
		}
	case 3:
		if n := len(c.Options); n < 1 || n > 25 || inRow != 1 || utf8.RuneCountInString(c.Placeholder) > 150 {
			return invalid("components", "a select has 1 to 25 options, a placeholder of at most 150 characters, and a row of its own")
		}
		values := map[string]bool{}
		for _, o := range c.Options {
			if n, m := utf8.RuneCountInString(o.Label), utf8.RuneCountInString(o.Value); n < 1 || n > 100 || m < 1 || m > 100 || values[o.Value] {
				return invalid("components", "an option has a label and a value of 1 to 100 characters, each value once")
			}
			values[o.Value] = true
		}
	default:
		return invalid("components", fmt.Sprintf("type %d is not valid in a message", c.Type))
	}
	return nil
}

// apply writes a draft into a message. It needs Server.mu.
func (s *Server) apply(m *Message, d *draft, files map[string]string) error {
	if err := d.check(); err != nil {
		return err
	}
	if d.Content != nil {
		m.Content = *d.Content
	}
	if d.Embeds != nil {
		m.Embeds = *d.Embeds
	}
	if d.Components != nil {
		m.Components = *d.Components
	}
	if d.Attachments != nil {
		m.keep(*d)
	}
	for name, content := range files {
		if m.Files == nil {
			m.Files = map[string]string{}
		}
		m.Files[name] = content
		m.Attachments = append(m.Attachments, Attachment{ID: s.id(), Filename: name, Size: len(content)})
	}
	if m.Content == "" && len(m.Embeds) == 0 && len(m.Components) == 0 && len(m.Attachments) == 0 {
		return errEmpty
	}
	return nil
}

// keep takes away the files that a draft does not list.
func (m *Message) keep(d draft) {
	files := map[string]string{}
	var stay []Attachment
	for _, a := range m.Attachments {
		for _, listed := range *d.Attachments {
			if listed.ID == a.ID {
				stay = append(stay, a)
				files[a.Filename] = m.Files[a.Filename]
			}
		}
	}
	m.Attachments, m.Files = stay, files
}

var (
	userMention = regexp.MustCompile(`<@!?(\d+)>`)
	allMention  = regexp.MustCompile(`@(everyone|here)`)
	roleMention = regexp.MustCompile(`<@&(\d+)>`)
)

// pings is who is notified by a new message of the bot: what its content
// mentions and allowed_mentions allows. It needs Server.mu.
func (s *Server) pings(m *Message, d *draft) []string {
	var who []string
	allows := func(kind, id string) bool {
		return d.Mentions == nil || slices.Contains(d.Mentions.Parse, kind) || kind == "users" && slices.Contains(d.Mentions.Users, id)
	}
	for _, hit := range userMention.FindAllStringSubmatch(m.Content, -1) {
		if u := s.users[hit[1]]; u != nil && allows("users", u.ID) {
			who = append(who, u.Username)
			m.Mentions = append(m.Mentions, *u)
		}
	}
	for _, hit := range allMention.FindAllStringSubmatch(m.Content, -1) {
		if allows("everyone", "") {
			who = append(who, hit[1])
		}
	}
	for range roleMention.FindAllString(m.Content, -1) {
		if allows("roles", "") {
			who = append(who, "a role")
		}
	}
	return who
}

// post is POST /channels/ID/messages. It needs s.mu.
func (s *Server) post(c *call, ch *Channel) (any, error) {
	var d draft
	if err := c.into(&d); err != nil {
		return nil, err
	}
	switch {
	case ch.Locked:
		return nil, errLocked
	case ch.Type != 1 && d.Embeds != nil && len(*d.Embeds) > 0 && s.may&MayEmbed == 0, ch.Type != 1 && len(c.files) > 0 && s.may&MayAttach == 0:
		return nil, errMissingPermission
	case ch.Type != 1 && d.Reference != nil && s.may&MayHistory == 0:
		return nil, errNoHistory
	}
	if ch.Type == 1 && s.faults.noDirect {
		return nil, &problem{Status: 403, Code: 50007, Message: "Cannot send messages to this user"}
	}
	if d.EnforceNonce && d.Nonce != "" {
		for _, old := range s.messages[ch.ID] {
			if old.Nonce == d.Nonce && old.Author.ID == s.bot.ID && time.Since(old.Timestamp) < 5*time.Minute {
				return old, nil
			}
		}
	}
	m := &Message{ID: s.id(), ChannelID: ch.ID, GuildID: ch.GuildID, Author: s.bot, Timestamp: time.Now(), Nonce: d.Nonce, Flags: d.Flags & flagSuppress}
	if d.Reference != nil {
		if s.message(ch.ID, d.Reference.MessageID) != nil {
			m.Type, m.Reference = 19, &Reference{MessageID: d.Reference.MessageID, ChannelID: ch.ID}
		} else if d.Reference.FailIfNot == nil || *d.Reference.FailIfNot {
			return nil, invalid("message_reference", "Unknown message")
		}
	}
	if err := s.apply(m, &d, c.files); err != nil {
		return nil, err
	}
	m.Pings = s.pings(m, &d)
	s.add(m)
	return m, nil
}

// add needs s.mu. It shows a message to everybody.
func (s *Server) add(m *Message) {
	s.messages[m.ChannelID] = append(s.messages[m.ChannelID], m)
	if m.OnlyFor == "" {
		s.emit("MESSAGE_CREATE", m)
	}
	if m.Author.ID != s.bot.ID || m.Reference == nil {
		return
	}
	if to := s.message(m.ChannelID, m.Reference.MessageID); to != nil && slices.Contains(m.Pings, to.Author.Username) {
		s.notes[to.Author.ID] = append(s.notes[to.Author.ID], m.Content)
	}
}

// serveMessage is what is done with one message. It needs s.mu.
func (s *Server) serveMessage(c *call, ch *Channel) (any, error) {
	m := s.message(ch.ID, c.parts[3])
	if m == nil || m.OnlyFor != "" {
		return nil, errUnknownMessage
	}
	switch c.r.Method {
	case "GET":
		return m, nil
	case "DELETE":
		s.remove(m)
		return nil, nil
	}
	if m.Author.ID != s.bot.ID {
		return nil, errNotOurs
	}
	if ch.Locked {
		return nil, errArchived
	}
	return m, s.edit(m, c)
}

// edit needs s.mu.
func (s *Server) edit(m *Message, c *call) error {
	var d draft
	if err := c.into(&d); err != nil {
		return err
	}
	changed := *m
	if err := s.apply(&changed, &d, c.files); err != nil {
		return err
	}
	now := time.Now()
	changed.Edited, changed.edits = &now, m.edits+1
	changed.Flags &^= flagLoading
	if m.Flags&flagLoading != 0 {
		changed.Edited = nil // the announced answer came
		changed.Pings = s.pings(&changed, &d)
	}
	*m = changed
	if m.OnlyFor == "" {
		s.emit("MESSAGE_UPDATE", m)
	}
	return nil
}

func (s *Server) remove(m *Message) {
	s.messages[m.ChannelID] = slices.DeleteFunc(s.messages[m.ChannelID], func(x *Message) bool { return x == m })
	if m.OnlyFor == "" {
		s.emit("MESSAGE_DELETE", map[string]any{"id": m.ID, "channel_id": m.ChannelID})
	}
}

// startThread is POST /channels/ID/messages/ID/threads. It needs s.mu.
func (s *Server) startThread(c *call, ch *Channel) (any, error) {
	var in struct {
		Name string `json:"name"`
	}
	if err := c.into(&in); err != nil {
		return nil, err
	}
	m := s.message(ch.ID, c.parts[3])
	switch n := utf8.RuneCountInString(in.Name); {
	case ch.Type != 0:
		return nil, errWrongChannel
	case s.faults.noThreads:
		return nil, errMissingPermission
	case m == nil:
		return nil, errUnknownMessage
	case n < 1 || n > 100:
		return nil, invalid("name", "Must be between 1 and 100 in length.")
	case s.channels[m.ID] != nil:
		return nil, errThreadExists
	}
	return s.thread(ch, m, in.Name), nil
}

// thread needs s.mu.
func (s *Server) thread(ch *Channel, m *Message, name string) *Channel {
	t := &Channel{
		ID: m.ID, Type: 11, GuildID: ch.GuildID, ParentID: ch.ID, Name: name, Members: map[string]bool{},
		Metadata: map[string]any{"archived": false, "locked": false},
	}
	s.channels[t.ID] = t
	m.Flags |= flagHasThread
	s.emit("THREAD_CREATE", t)
	return t
}
