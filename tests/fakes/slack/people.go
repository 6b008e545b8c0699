package slack

import (
	"fmt"
	"slices"
	"strings"

	"petrel/adapters/adaptertest"
)

type person struct {
	ID, Name, Email string
	Bot             bool
	boards          map[string]*adaptertest.Board // by channel ID
	told            chan string
	form            *openForm
	forms           chan struct{} // gets one for every form that opens or changes
}

type channel struct {
	ID, Name, Topic string
	Private         bool
	With            string // the person of a direct conversation
	members         map[string]bool
	messages        []*message
}

// message is one as the workspace keeps it.
type message struct {
	TS, Thread  string
	From        string // ID
	Text        string
	Blocks      []block
	Attachments []attachment
	Only        string // the person who sees it alone
	Files       map[string]string
	Reactions   []string
	Pinned      bool
	Reply       *replyURL // that made it
}

// addPerson needs s.mu.
func (s *Server) addPerson(name string, bot bool) *person {
	p := &person{
		ID: s.id("U"), Name: name, Bot: bot, boards: map[string]*adaptertest.Board{},
		told: make(chan string, 64), forms: make(chan struct{}, 64),
	}
	if !bot {
		p.Email = name + "@example.com"
	}
	s.people[p.ID] = p
	return p
}

// personNamed finds somebody, or makes them. It needs s.mu.
func (s *Server) personNamed(name string) *person {
	for _, p := range s.people {
		if p.Name == name {
			return p
		}
	}
	return s.addPerson(name, false)
}

// bot is the app's user. It needs s.mu.
func (s *Server) bot() *person { return s.personNamed("petrel") }

// BotID is the user ID of the app.
func (s *Server) BotID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bot().ID
}

// UserID is the ID of a person, who is made when they are not there.
func (s *Server) UserID(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.personNamed(name).ID
}

// ChannelID is the ID of a channel ("#ops"), which is made when it is not there;
// the app is in it then. "@" is the direct conversation of a person with the app.
func (s *Server) ChannelID(person, name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.place(person, name).ID
}

// place needs s.mu.
func (s *Server) place(person, name string) *channel {
	if name == "@" || strings.HasPrefix(name, "@") {
		if name != "@" {
			person = name[1:]
		}
		return s.dm(s.personNamed(person))
	}
	name = strings.TrimPrefix(name, "#")
	if c := s.channelNamed(name); c != nil {
		return c
	}
	return s.addChannel(name, false, true)
}

// channelNamed needs s.mu.
func (s *Server) channelNamed(name string) *channel {
	for _, c := range s.channels {
		if c.Name == name && c.With == "" {
			return c
		}
	}
	return nil
}

// addChannel needs s.mu.
func (s *Server) addChannel(name string, private, withBot bool) *channel {
	c := &channel{ID: s.id("C"), Name: name, Private: private, members: map[string]bool{}}
	if withBot {
		c.members[s.bot().ID] = true
	}
	s.channels[c.ID] = c
	return c
}

// dm needs s.mu.
func (s *Server) dm(p *person) *channel {
	for _, c := range s.channels {
		if c.With == p.ID {
			return c
		}
	}
	c := &channel{ID: s.id("D"), With: p.ID, members: map[string]bool{p.ID: true, s.bot().ID: true}}
	s.channels[c.ID] = c
	return c
}

// AddChannel makes a channel that the app is not in.
func (s *Server) AddChannel(name string, private bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addChannel(strings.TrimPrefix(name, "#"), private, false).ID
}

// Kick puts the app out of a channel and makes it private.
func (s *Server) Kick(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.place("", name)
	c.Private = true
	delete(c.members, s.bot().ID)
}

// Join makes a person a member of a channel, who sees what was said there.
func (s *Server) Join(name, where string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, c := s.personNamed(name), s.place(name, where)
	c.members[p.ID] = true
	for _, m := range c.messages {
		s.showTo(p, c, m)
	}
}

// Board is what a person sees in a channel.
func (s *Server) Board(name, where string) *adaptertest.Board {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.board(s.personNamed(name), s.place(name, where).ID)
}

// board needs s.mu.
func (s *Server) board(p *person, channel string) *adaptertest.Board {
	b := p.boards[channel]
	if b == nil {
		b = &adaptertest.Board{}
		p.boards[channel] = b
	}
	return b
}

// Told is what Slack itself, or the app alone to them, told a person.
func (s *Server) Told(name string) <-chan string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.personNamed(name).told
}

// tell needs s.mu.
func (p *person) tell(words string) {
	select {
	case p.told <- words:
	default: // nobody reads it
	}
}

// show brings a message, or its change, before those who see it. It needs s.mu.
func (s *Server) show(c *channel, m *message) {
	for id := range c.members {
		s.showTo(s.people[id], c, m)
	}
	if m.Only != "" && !c.members[m.Only] {
		s.showTo(s.people[m.Only], c, m)
	}
}

func (s *Server) showTo(p *person, c *channel, m *message) {
	if m.Only != "" && m.Only != p.ID {
		return
	}
	from := m.From
	if who := s.people[m.From]; who != nil {
		from = who.Name
	}
	text, buttons := s.read(m)
	s.board(p, c.ID).Put(adaptertest.Seen{
		Message: m.TS, Thread: m.Thread, From: from, Text: text, Buttons: buttons, Private: m.Only != "",
		Files: m.Files, Pings: s.pings(c, m),
	})
}

// find returns a message. It needs s.mu.
func (c *channel) find(ts string) *message {
	i := slices.IndexFunc(c.messages, func(m *message) bool { return m.TS == ts })
	if i < 0 {
		return nil
	}
	return c.messages[i]
}

// message finds a message wherever it is. It needs s.mu.
func (s *Server) message(ts string) (*channel, *message) {
	for _, c := range s.channels {
		if m := c.find(ts); m != nil {
			return c, m
		}
	}
	return nil, nil
}

// Message is a message as the workspace keeps it, for tests that look closer.
type Message struct {
	TS, Thread, Text string
	Raw              string // blocks and attachments as they came
	Reactions        []string
	Pinned           bool
}

// Messages returns what is in a channel, ephemerals too.
func (s *Server) Messages(where string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Message
	for _, m := range s.place("", where).messages {
		all = append(all, Message{TS: m.TS, Thread: m.Thread, Text: m.Text, Raw: fmt.Sprint(m.Blocks, m.Attachments), Reactions: m.Reactions, Pinned: m.Pinned})
	}
	return all
}

// Topic returns the topic of a channel and who is in it.
func (s *Server) Topic(where string) (topic string, members []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.place("", where)
	for id := range c.members {
		members = append(members, s.people[id].Name)
	}
	slices.Sort(members)
	return c.Topic, members
}
