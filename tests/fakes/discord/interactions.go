package discord

import (
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"
)

// act is an interaction: what a person did that the bot has to answer.
type act struct {
	id, token string
	kind      string // "command", "press", "form"
	user      *User
	channel   *Channel
	from      *Message // whose button was pressed, or whose button opened the form
	came      time.Time
	answered  bool
	expired   bool
	original  *Message // the announced answer
	taken     bool     // the announced answer was filled in or taken back
	done      chan struct{}
	problem   error
}

// dialog is a form that is open before a person.
type dialog struct {
	CustomID string
	Title    string
	Rows     []Row
	from     *Message
	channel  *Channel
	problem  string // what was said about the submission before
}

// Command is a registered slash command.
type Command struct {
	ID          string          `json:"id"`
	Version     string          `json:"version"`
	App         string          `json:"application_id"`
	Type        int             `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Options     []CommandOption `json:"options,omitempty"`
}

// CommandOption is an option of one.
type CommandOption struct {
	Type        int    `json:"type"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Required    bool   `json:"required,omitempty"`
	Choices     []struct {
		Name  string `json:"name"`
		Value any    `json:"value"`
	} `json:"choices,omitempty"`
}

// callback is POST /interactions/ID/TOKEN/callback. It needs s.mu.
func (s *Server) callback(c *call, id, token string) error {
	a := s.acts[token]
	if a == nil || a.id != id {
		return errUnknownInteraction
	}
	if a.answered {
		return errAnswered
	}
	took := time.Since(a.came)
	late := took > 3*time.Second
	if late {
		s.acks = append(s.acks, Ack{Kind: a.kind, Took: took, Late: true})
		return errUnknownInteraction
	}
	var in struct {
		Type int `json:"type"`
		Data struct {
			draft
			CustomID string `json:"custom_id"`
			Title    string `json:"title"`
		} `json:"data"`
	}
	if err := c.into(&in); err != nil {
		return err
	}
	if err := s.acknowledge(a, in.Type, &in.Data.draft, in.Data.CustomID, in.Data.Title, c); err != nil {
		return err
	}
	a.answered = true
	s.acks = append(s.acks, Ack{Kind: a.kind, Took: took})
	close(a.done)
	return nil
}

// acknowledge needs s.mu.
func (s *Server) acknowledge(a *act, kind int, d *draft, customID, title string, c *call) error {
	switch kind {
	case 4:
		m := s.announced(a, d.Flags)
		if err := s.apply(m, d, c.files); err != nil {
			return err
		}
		m.Pings = s.pings(m, d)
		a.original, a.taken = m, true
		s.show(m)
	case 5:
		if d.Flags&^flagEphemeral != 0 {
			return invalid("data.flags", "only EPHEMERAL is valid here")
		}
		m := s.announced(a, d.Flags)
		m.Flags |= flagLoading
		a.original = m
		s.add(m)
	case 6:
		if a.from == nil {
			return invalid("type", "Value must be one of {4, 5, 9, 10, 12}.")
		}
		a.original, a.taken = a.from, true
	case 9:
		if a.kind == "form" {
			return invalid("type", "Value must be one of {4, 5, 6, 7, 10, 12}.")
		}
		if s.faults.noForms {
			return invalid("data", "this form is refused")
		}
		if err := checkForm(customID, title, d.Components); err != nil {
			return err
		}
		s.dialogs[a.user.ID] = &dialog{CustomID: customID, Title: title, Rows: *d.Components, from: a.from, channel: a.channel}
	default:
		return invalid("type", fmt.Sprintf("%d is not supported", kind))
	}
	return nil
}

// announced makes the message of an acknowledgement.
func (s *Server) announced(a *act, flags int) *Message {
	m := &Message{
		ID: s.id(), ChannelID: a.channel.ID, GuildID: a.channel.GuildID, Author: s.bot, Timestamp: time.Now(),
		Type: 20, Flags: flags & flagEphemeral, Application: s.app,
	}
	if m.Flags&flagEphemeral != 0 {
		m.OnlyFor = a.user.ID
	}
	return m
}

// show adds a message; what is private is also kept as told.
func (s *Server) show(m *Message) {
	s.add(m)
	if m.OnlyFor != "" {
		s.notes[m.OnlyFor] = append(s.notes[m.OnlyFor], s.plain(m))
	}
}

func checkForm(id, title string, rows *[]Row) error {
	if n := utf8.RuneCountInString(title); n < 1 || n > 45 {
		return invalid("data.title", "Must be between 1 and 45 in length.")
	}
	if n := utf8.RuneCountInString(id); n < 1 || n > 100 {
		return invalid("data.custom_id", "Must be between 1 and 100 in length.")
	}
	if rows == nil || len(*rows) < 1 || len(*rows) > 5 {
		return invalid("data.components", "Must be between 1 and 5 in length.")
	}
	ids := map[string]bool{}
	for _, r := range *rows {
		if r.Type != 1 || len(r.Components) != 1 || r.Components[0].Type != 4 {
			return invalid("data.components", "a row of a form has one text input")
		}
		c := r.Components[0]
		if n := utf8.RuneCountInString(c.Label); n < 1 || n > 45 || utf8.RuneCountInString(c.Placeholder) > 100 || utf8.RuneCountInString(c.Value) > 4000 || c.Style < 1 || c.Style > 2 {
			return invalid("data.components", "an input has a label of 1 to 45, a placeholder of at most 100 and a value of at most 4000 characters")
		}
		if c.CustomID == "" || ids[c.CustomID] || utf8.RuneCountInString(c.CustomID) > 100 {
			return invalid("data.components", "custom_id")
		}
		ids[c.CustomID] = true
	}
	return nil
}

// webhook is /webhooks/APP/TOKEN[/messages/ID]: answers by an interaction's
// token. It needs s.mu.
func (s *Server) webhook(c *call) (any, error) {
	if len(c.parts) < 3 || c.parts[1] != s.app || s.acts[c.parts[2]] == nil {
		return nil, errUnknownWebhook
	}
	a := s.acts[c.parts[2]]
	if a.expired || time.Since(a.came) > 15*time.Minute {
		return nil, errTokenRanOut
	}
	if !a.answered {
		return nil, errUnknownWebhook
	}
	if len(c.parts) == 3 && c.r.Method == "POST" {
		return s.followUp(c, a)
	}
	if len(c.parts) != 5 || c.parts[3] != "messages" {
		return nil, errNoRoute
	}
	m := a.original
	if c.parts[4] != "@original" {
		m = s.message(a.channel.ID, c.parts[4])
	}
	if m == nil || m.Author.ID != s.bot.ID || m.OnlyFor != "" && m.OnlyFor != a.user.ID {
		return nil, errUnknownMessage
	}
	switch c.r.Method {
	case "GET":
		return m, nil
	case "DELETE":
		s.remove(m)
		if m == a.original {
			a.original = nil
		}
		a.taken = true
		return nil, nil
	case "PATCH":
		a.taken = true
		if err := s.edit(m, c); err != nil {
			return nil, err
		}
		return m, nil
	}
	return nil, errNoRoute
}

// followUp needs s.mu. The first one takes the place of an announced answer, and
// its visibility, as on Discord.
func (s *Server) followUp(c *call, a *act) (any, error) {
	var d draft
	if err := c.into(&d); err != nil {
		return nil, err
	}
	if a.original != nil && !a.taken {
		a.taken = true
		return a.original, s.edit(a.original, c)
	}
	m := s.announced(a, d.Flags)
	m.Type = 0
	if err := s.apply(m, &d, c.files); err != nil {
		return nil, err
	}
	m.Pings = s.pings(m, &d)
	s.show(m)
	return m, nil
}

var commandName = regexp.MustCompile(`^[-_'\p{L}\p{N}]{1,32}$`)

// serveCommands is /applications/APP[/guilds/ID]/commands. It needs s.mu.
func (s *Server) serveCommands(c *call) (any, error) {
	scope := ""
	switch {
	case len(c.parts) == 3 && c.parts[1] == s.app && c.parts[2] == "commands":
	case len(c.parts) == 5 && c.parts[1] == s.app && c.parts[3] == s.guild && c.parts[4] == "commands":
		scope = s.guild
	default:
		return nil, errMissingAccess
	}
	if c.r.Method == "GET" {
		s.reads++
		return append([]Command{}, s.commands[scope]...), nil
	}
	if c.r.Method != "PUT" {
		return nil, errNoRoute
	}
	var all []Command
	if err := c.into(&all); err != nil {
		return nil, err
	}
	if err := checkCommands(all); err != nil {
		return nil, err
	}
	for i := range all {
		all[i].ID, all[i].Version, all[i].App, all[i].Type = s.id(), s.id(), s.app, 1
	}
	s.commands[scope] = all
	s.writes++
	return all, nil
}

func checkCommands(all []Command) error {
	if len(all) > 100 {
		return &problem{Status: 400, Code: 30032, Message: "Maximum number of application commands reached (100)"}
	}
	names := map[string]bool{}
	for _, c := range all {
		total := utf8.RuneCountInString(c.Name + c.Description)
		if !commandName.MatchString(c.Name) || names[c.Name] || c.Description == "" || utf8.RuneCountInString(c.Description) > 100 || len(c.Options) > 25 {
			return invalid("commands", "the command "+c.Name+" is not valid")
		}
		names[c.Name] = true
		optional := false
		options := map[string]bool{}
		for _, o := range c.Options {
			bad := !commandName.MatchString(o.Name) || options[o.Name] || o.Description == "" || utf8.RuneCountInString(o.Description) > 100 || len(o.Choices) > 25
			if bad || o.Required && optional || !slices.Contains([]int{3, 4, 5, 10}, o.Type) {
				return invalid("commands", "the option "+o.Name+" of "+c.Name+" is not valid")
			}
			options[o.Name], optional = true, optional || !o.Required
			total += utf8.RuneCountInString(o.Name + o.Description)
			for _, ch := range o.Choices {
				text, _ := ch.Value.(string)
				total += utf8.RuneCountInString(ch.Name + text)
				if ch.Name == "" || utf8.RuneCountInString(ch.Name) > 100 || utf8.RuneCountInString(text) > 100 {
					return invalid("commands", "a choice of "+o.Name+" is not valid")
				}
			}
		}
		if total > 8000 {
			return invalid("commands", "Command exceeds maximum size (8000)")
		}
	}
	return nil
}
