package slack

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// What Slack checks of the content of messages.
const (
	maxText       = 40_000
	maxTotal      = 13_200 // over all blocks; found by users, not documented
	maxMessage    = 50     // blocks
	maxModal      = 100
	maxSection    = 3000
	maxField      = 2000
	maxHeader     = 150
	maxActions    = 25
	maxLabel      = 75
	maxValue      = 2000
	maxOptionText = 75
	maxOptions    = 100
	maxIdentifier = 255
)

type textObject struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type block struct {
	Type     string       `json:"type"`
	ID       string       `json:"block_id"`
	Text     *textObject  `json:"text"`
	Fields   []textObject `json:"fields"`
	Elements []element    `json:"elements"`
	Element  *element     `json:"element"`
	Label    *textObject  `json:"label"`
	Hint     *textObject  `json:"hint"`
	Optional bool         `json:"optional"`
}

// element is one of an actions block, of rich text, or of an input.
type element struct {
	Type        string          `json:"type"`
	ActionID    string          `json:"action_id"`
	Value       string          `json:"value"`
	Text        json.RawMessage `json:"text"` // an object of a button, a string in rich text
	Style       json.RawMessage `json:"style"`
	Placeholder *textObject     `json:"placeholder"`
	Options     []option        `json:"options"`
	Confirm     *struct {
		Title, Text, Confirm, Deny textObject
	} `json:"confirm"`
	Elements       []element `json:"elements"`
	UserID         string    `json:"user_id"`
	Name           string    `json:"name"`
	URL            string    `json:"url"`
	Range          string    `json:"range"`
	Initial        *option   `json:"initial_option"`
	InitialOptions []option  `json:"initial_options"`
	InitialValue   string    `json:"initial_value"`
	Multiline      bool      `json:"multiline"`
}

type option struct {
	Text  textObject `json:"text"`
	Value string     `json:"value"`
}

type attachment struct {
	Color    string `json:"color"`
	Fallback string `json:"fallback"`
	Pretext  string `json:"pretext"`
	Title    string `json:"title"`
	Text     string `json:"text"`
	Footer   string `json:"footer"`
	Fields   []struct {
		Title string `json:"title"`
		Value string `json:"value"`
	} `json:"fields"`
	Blocks []block `json:"blocks"`
}

// label is the text of a button.
func (e element) label() string {
	var t textObject
	if json.Unmarshal(e.Text, &t) == nil {
		return t.Text
	}
	return ""
}

// plain is the text of a rich text element.
func (e element) plain() string {
	var t string
	if json.Unmarshal(e.Text, &t) == nil {
		return t
	}
	return ""
}

// decode reads a JSON argument; an empty one is nothing.
func decode[T any](raw, code string) (v T, err error) {
	if raw == "" {
		return v, nil
	}
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		return v, refuse(code, err.Error())
	}
	return v, nil
}

// check looks at blocks as Slack does.
func check(blocks []block, limit int) error {
	if len(blocks) > limit {
		return refuse("invalid_blocks", fmt.Sprintf("[ERROR] no more than %d items allowed [json-pointer:/blocks]", limit))
	}
	c := checker{ids: map[string]bool{}}
	for i, b := range blocks {
		c.at = fmt.Sprintf("/blocks/%d", i)
		c.block(b)
	}
	switch {
	case len(c.problems) > 0:
		return refuse("invalid_blocks", c.problems...)
	case c.total > maxTotal:
		return refuse("msg_blocks_too_long")
	}
	return nil
}

type checker struct {
	at       string
	problems []string
	total    int
	ids      map[string]bool
}

func (c *checker) bad(format string, args ...any) {
	c.problems = append(c.problems, "[ERROR] "+fmt.Sprintf(format, args...)+" [json-pointer:"+c.at+"]")
}

// size checks the length of a text, which must not be empty.
func (c *checker) size(what, text string, limit int) {
	n := utf8.RuneCountInString(text)
	c.total += n
	switch {
	case n == 0:
		c.bad("%s must be more than 0 characters", what)
	case n > limit:
		c.bad("%s must be less than %d characters", what, limit+1)
	}
}

func (c *checker) identifier(what, id string) {
	if len(id) > maxIdentifier {
		c.bad("%s must be less than %d characters", what, maxIdentifier+1)
	}
	if id != "" && c.ids[what+id] {
		c.bad("%s `%s` already exists", what, id)
	}
	c.ids[what+id] = true
}

func (c *checker) block(b block) {
	c.identifier("block_id", b.ID)
	switch b.Type {
	case "section":
		if b.Text == nil && len(b.Fields) == 0 {
			c.bad("missing required field: text")
		}
		if b.Text != nil {
			c.size("text", b.Text.Text, maxSection)
		}
		if len(b.Fields) > 10 {
			c.bad("no more than 10 items allowed")
		}
		for _, f := range b.Fields {
			c.size("field", f.Text, maxField)
		}
	case "header":
		if b.Text == nil || b.Text.Type != "plain_text" {
			c.bad("missing required field: text")
			return
		}
		c.size("text", b.Text.Text, maxHeader)
	case "rich_text":
		if len(b.Elements) == 0 {
			c.bad("missing required field: elements")
		}
		for _, e := range b.Elements {
			c.rich(e)
		}
	case "actions":
		if len(b.Elements) == 0 || len(b.Elements) > maxActions {
			c.bad("1 to %d elements are allowed", maxActions)
		}
		for _, e := range b.Elements {
			c.control(e)
		}
	case "input":
		if b.Label == nil || b.Element == nil {
			c.bad("missing required field")
			return
		}
		c.size("label", b.Label.Text, 2000)
		c.control(*b.Element)
	case "divider", "context", "image":
	default:
		c.bad("unsupported type: %s", b.Type)
	}
}

func (c *checker) rich(e element) {
	switch e.Type {
	case "rich_text_section", "rich_text_preformatted", "rich_text_quote", "rich_text_list":
		for _, in := range e.Elements {
			c.rich(in)
		}
	case "text":
		c.size("text", e.plain(), maxTotal)
	case "link":
		c.size("url", e.URL, 3000)
		c.total += utf8.RuneCountInString(e.plain())
	case "emoji", "user", "channel", "usergroup", "broadcast", "date":
	default:
		c.bad("unsupported type: %s", e.Type)
	}
}

func (c *checker) control(e element) {
	if e.Type != "" {
		c.identifier("action_id", e.ActionID+c.inputScope())
	}
	switch e.Type {
	case "button":
		c.size("text", e.label(), maxLabel)
		if len(e.Value) > maxValue {
			c.bad("value must be less than %d characters", maxValue+1)
		}
		if e.Confirm != nil {
			c.size("title", e.Confirm.Title.Text, 100)
			c.size("text", e.Confirm.Text.Text, 300)
			c.size("confirm", e.Confirm.Confirm.Text, 30)
			c.size("deny", e.Confirm.Deny.Text, 30)
		}
		if s := string(e.Style); s != "" && s != `"primary"` && s != `"danger"` {
			c.bad("failed to match all allowed schemas: style %s", s)
		}
	case "static_select", "checkboxes":
		if len(e.Options) == 0 || len(e.Options) > maxOptions {
			c.bad("1 to %d options are allowed", maxOptions)
		}
		for _, o := range e.Options {
			c.size("option", o.Text.Text, maxOptionText)
			if len(o.Value) == 0 || len(o.Value) > 150 {
				c.bad("value must be 1 to 150 characters")
			}
		}
		if e.Placeholder != nil {
			c.size("placeholder", e.Placeholder.Text, 150)
		}
	case "plain_text_input":
	default:
		c.bad("unsupported type: %s", e.Type)
	}
}

// inputScope: inputs of a form have an action_id each, unique in their block.
func (c *checker) inputScope() string { return "@" + c.at }

// read is what a person can read of a message, and its buttons.
func (s *Server) read(m *message) (text string, buttons []string) {
	var parts []string
	if len(m.Blocks) == 0 && m.Text != "" {
		parts = append(parts, s.shown(m.Text))
	}
	readBlocks := func(blocks []block) {
		for _, b := range blocks {
			if t := s.readBlock(b); t != "" {
				parts = append(parts, t)
			}
			for _, e := range b.Elements {
				if b.Type == "actions" && e.Type == "button" {
					buttons = append(buttons, e.label())
				}
			}
		}
	}
	readBlocks(m.Blocks)
	for _, a := range m.Attachments {
		for _, t := range []string{a.Pretext, a.Title, a.Text} {
			if t != "" && len(a.Blocks) == 0 {
				parts = append(parts, s.shown(t))
			}
		}
		for _, f := range a.Fields {
			parts = append(parts, s.shown(f.Title), s.shown(f.Value))
		}
		readBlocks(a.Blocks)
		if a.Footer != "" {
			parts = append(parts, s.shown(a.Footer))
		}
	}
	return strings.Join(parts, "\n"), buttons
}

func (s *Server) readBlock(b block) string {
	var parts []string
	if b.Text != nil {
		parts = append(parts, s.object(*b.Text))
	}
	for _, f := range b.Fields {
		parts = append(parts, s.object(f))
	}
	if b.Type == "rich_text" {
		for _, e := range b.Elements {
			parts = append(parts, s.readRich(e))
		}
	}
	return strings.Join(parts, "\n")
}

func (s *Server) object(t textObject) string {
	if t.Type == "mrkdwn" {
		return s.shown(t.Text)
	}
	return t.Text
}

func (s *Server) readRich(e element) string {
	switch e.Type {
	case "text":
		return e.plain()
	case "emoji":
		return ":" + e.Name + ":"
	case "user":
		if p := s.people[e.UserID]; p != nil {
			return "@" + p.Name
		}
		return "@" + e.UserID
	case "broadcast":
		return "@" + e.Range
	case "link":
		if t := e.plain(); t != "" {
			return t
		}
		return e.URL
	}
	var b strings.Builder
	for _, in := range e.Elements {
		b.WriteString(s.readRich(in))
	}
	return b.String()
}

var (
	marked   = regexp.MustCompile(`<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>`)
	unescape = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
)

// shown is text with Slack's marks as a client shows it.
func (s *Server) shown(text string) string {
	return unescape.Replace(marked.ReplaceAllStringFunc(text, func(whole string) string {
		m := marked.FindStringSubmatch(whole)
		switch {
		case m[1] == "@" && s.people[m[2]] != nil:
			return "@" + s.people[m[2]].Name
		case m[3] != "":
			return m[3]
		case m[1] == "!":
			return "@" + m[2]
		}
		return m[2]
	}))
}

// pings says whom a message notifies: by its text, which notifications are made
// of, and by its blocks.
func (s *Server) pings(c *channel, m *message) []string {
	if m.From != s.bot().ID {
		return nil
	}
	var found []string
	add := func(who string) {
		if !slices.Contains(found, who) {
			found = append(found, who)
		}
	}
	texts := []string{m.Text}
	var rich func(element)
	rich = func(e element) {
		switch e.Type {
		case "user":
			if p := s.people[e.UserID]; p != nil {
				add(p.Name)
			}
		case "broadcast":
			add(e.Range)
		}
		for _, in := range e.Elements {
			rich(in)
		}
	}
	blocks := slices.Clone(m.Blocks)
	for _, a := range m.Attachments {
		texts = append(texts, a.Pretext, a.Text, a.Title)
		blocks = append(blocks, a.Blocks...)
	}
	for _, b := range blocks {
		if b.Text != nil && b.Text.Type == "mrkdwn" {
			texts = append(texts, b.Text.Text)
		}
		for _, f := range b.Fields {
			if f.Type == "mrkdwn" {
				texts = append(texts, f.Text)
			}
		}
		for _, e := range b.Elements {
			rich(e)
		}
	}
	for _, t := range texts {
		for _, mark := range marked.FindAllStringSubmatch(t, -1) {
			switch {
			case mark[1] == "@" && s.people[mark[2]] != nil:
				add(s.people[mark[2]].Name)
			case mark[1] == "!" && slices.Contains([]string{"channel", "here", "everyone"}, mark[2]):
				add(mark[2])
			}
		}
	}
	return found
}
