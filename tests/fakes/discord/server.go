package discord

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options are what a fake Discord is made with.
type Options struct {
	Token     string        // of the bot; "" means "bot-token"
	Heartbeat time.Duration // between heartbeats; 0 means 5 s
	// NoContent: the application has no message content intent.
	NoContent bool
}

// Server is a fake Discord with one guild and one bot.
type Server struct {
	token     string
	heartbeat time.Duration
	http      *httptest.Server

	mu      sync.Mutex
	changed chan struct{} // closed and replaced whenever something changes
	lastID  uint64
	granted bool // the message content intent
	closed  bool

	bot      User
	app      string
	guild    string
	users    map[string]*User // by ID
	channels map[string]*Channel
	messages map[string][]*Message // by channel, oldest first
	direct   map[string]string     // channel with the bot, by person's ID
	acts     map[string]*act       // interactions, by token
	dialogs  map[string]*dialog    // open forms, by person's ID
	notes    map[string][]string   // what a person was told privately or by a reply
	commands map[string][]Command  // by scope: "" or a guild's ID
	writes   int                   // bulk overwrites of commands
	reads    int                   // lists of commands
	may      uint64                // the bot's permissions

	sessions map[string]*session
	readies  int // sessions begun
	resumes  int
	sockets  map[*socket]bool
	budget   int // identifies left

	faults  faults
	refused int // calls answered with 429
	acks    []Ack
}

// User is an account.
type User struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	Bot      bool   `json:"bot,omitempty"`
}

// Channel is a channel, a direct conversation or a thread.
type Channel struct {
	ID         string           `json:"id"`
	Type       int              `json:"type"`
	GuildID    string           `json:"guild_id,omitempty"`
	ParentID   string           `json:"parent_id,omitempty"`
	Name       string           `json:"name,omitempty"`
	Topic      string           `json:"topic,omitempty"`
	Overwrites []map[string]any `json:"permission_overwrites,omitempty"`
	Metadata   map[string]any   `json:"thread_metadata,omitempty"`
	Members    map[string]bool  `json:"-"` // invited people
	Pins       []string         `json:"-"`
	Locked     bool             `json:"-"` // a thread that takes no messages
	Forbidden  bool             `json:"-"` // the bot may do nothing here
}

// Message is a message.
type Message struct {
	ID          string           `json:"id"`
	ChannelID   string           `json:"channel_id"`
	GuildID     string           `json:"guild_id,omitempty"`
	Type        int              `json:"type"`
	Author      User             `json:"author"`
	Content     string           `json:"content"`
	Timestamp   time.Time        `json:"timestamp"`
	Edited      *time.Time       `json:"edited_timestamp"`
	Flags       int              `json:"flags"`
	Mentions    []User           `json:"mentions"`
	Embeds      []map[string]any `json:"embeds"`
	Components  []Row            `json:"components"`
	Attachments []Attachment     `json:"attachments"`
	Nonce       string           `json:"nonce,omitempty"`
	Application string           `json:"application_id,omitempty"`
	Reference   *Reference       `json:"message_reference,omitempty"`

	Files     map[string]string `json:"-"`
	OnlyFor   string            `json:"-"` // person's ID, of an ephemeral one
	Pings     []string          `json:"-"` // names
	Reactions []string          `json:"-"`
	edits     int
}

// Reference is what a reply refers to.
type Reference struct {
	MessageID string `json:"message_id"`
	ChannelID string `json:"channel_id,omitempty"`
}

// Attachment is an uploaded file.
type Attachment struct {
	ID       string `json:"id"`
	Filename string `json:"filename"`
	Size     int    `json:"size"`
}

// Row is an action row.
type Row struct {
	Type       int         `json:"type"`
	Components []Component `json:"components"`
}

// Component is a button, a select or a text input.
type Component struct {
	Type        int      `json:"type"`
	CustomID    string   `json:"custom_id,omitempty"`
	Label       string   `json:"label,omitempty"`
	Style       int      `json:"style,omitempty"`
	Placeholder string   `json:"placeholder,omitempty"`
	Value       string   `json:"value,omitempty"`
	Required    *bool    `json:"required,omitempty"`
	Options     []Choice `json:"options,omitempty"`
}

// Choice is an option of a select.
type Choice struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// Guild is the ID of the one server that there is.
const Guild = "1100000000000000001"

// Start runs a fake Discord until Close.
func Start(o Options) *Server {
	s := &Server{
		token: o.Token, heartbeat: o.Heartbeat, granted: !o.NoContent, changed: make(chan struct{}),
		users: map[string]*User{}, channels: map[string]*Channel{}, messages: map[string][]*Message{}, direct: map[string]string{},
		acts: map[string]*act{}, dialogs: map[string]*dialog{}, notes: map[string][]string{}, commands: map[string][]Command{},
		sessions: map[string]*session{}, sockets: map[*socket]bool{}, budget: 1000, may: 1<<51 - 1,
	}
	if s.token == "" {
		s.token = "bot-token"
	}
	if s.heartbeat == 0 {
		s.heartbeat = 5 * time.Second
	}
	s.guild, s.app = Guild, s.id()
	s.bot = User{ID: s.id(), Username: "petrel", Bot: true}
	s.users[s.bot.ID] = &s.bot
	s.http = httptest.NewServer(s.routes())
	return s
}

// Close ends the fake and all its connections.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.sockets {
		c.conn.Close()
	}
	s.mu.Unlock()
	s.http.CloseClientConnections()
	s.http.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	// What still runs is reported by whoever counts goroutines.
	_ = s.await(ctx, func() bool { return len(s.sockets) == 0 })
}

// URL is the address of the API, Token and Bot the bot's token and account.
func (s *Server) URL() string   { return s.http.URL }
func (s *Server) Token() string { return s.token }
func (s *Server) Bot() User     { return s.bot }

// id needs s.mu, or that nobody else is there yet. IDs grow, and hold the time.
func (s *Server) id() string {
	const epoch = 1420070400000
	n := uint64(time.Now().UnixMilli()-epoch) << 22
	if n <= s.lastID {
		n = s.lastID + 1
	}
	s.lastID = n
	return strconv.FormatUint(n, 10)
}

// touch needs s.mu. It wakes who waits for something to happen.
func (s *Server) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until ok, which is called under s.mu, holds.
func (s *Server) await(ctx context.Context, ok func() bool) error {
	for {
		s.mu.Lock()
		done, changed := ok(), s.changed
		s.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// AwaitOnline waits until the bot has begun n sessions.
func (s *Server) AwaitOnline(ctx context.Context, n int) error {
	if err := s.await(ctx, func() bool { return s.readies >= n }); err != nil {
		return fmt.Errorf("the bot does not come online: %w", err)
	}
	return nil
}

// Sessions is how many sessions the bot began, Resumes how many it took up again.
func (s *Server) Sessions() int { s.mu.Lock(); defer s.mu.Unlock(); return s.readies }
func (s *Server) Resumes() int  { s.mu.Lock(); defer s.mu.Unlock(); return s.resumes }

// Commands are the registered commands: global ones, or those of a guild.
func (s *Server) Commands(scope string) []Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands[scope])
}

// CommandWrites is how often the commands were overwritten, CommandReads how
// often they were listed.
func (s *Server) CommandWrites() int { s.mu.Lock(); defer s.mu.Unlock(); return s.writes }
func (s *Server) CommandReads() int  { s.mu.Lock(); defer s.mu.Unlock(); return s.reads }

// ChannelState is a channel as it is now.
func (s *Server) ChannelState(name string) Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := *s.channel(name)
	c.Members = maps.Clone(c.Members)
	return c
}

// user needs s.mu. It makes the person when there is none of that name.
func (s *Server) user(name string) *User {
	for _, u := range s.users {
		if u.Username == name {
			return u
		}
	}
	u := &User{ID: s.id(), Username: name}
	s.users[u.ID] = u
	return u
}

// channel needs s.mu. It makes the channel of the guild when there is none of
// that name.
func (s *Server) channel(name string) *Channel {
	name = strings.TrimPrefix(name, "#")
	for _, c := range s.channels {
		if c.Name == name && c.Type == 0 {
			return c
		}
	}
	c := &Channel{ID: s.id(), GuildID: s.guild, Name: name, Members: map[string]bool{}}
	s.channels[c.ID] = c
	s.emit("CHANNEL_CREATE", c)
	return c
}

// directWith needs s.mu.
func (s *Server) directWith(person string) *Channel {
	if id, ok := s.direct[person]; ok {
		return s.channels[id]
	}
	c := &Channel{ID: s.id(), Type: 1}
	s.channels[c.ID] = c
	s.direct[person] = c.ID
	return c
}

// message needs s.mu.
func (s *Server) message(channel, id string) *Message {
	i := slices.IndexFunc(s.messages[channel], func(m *Message) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return s.messages[channel][i]
}

// find needs s.mu. It finds a message wherever it is.
func (s *Server) find(id string) *Message {
	for c := range s.messages {
		if m := s.message(c, id); m != nil {
			return m
		}
	}
	return nil
}

// problem is an answer that is an error.
type problem struct {
	Status  int            `json:"-"`
	Code    int            `json:"code"`
	Message string         `json:"message"`
	Errors  map[string]any `json:"errors,omitempty"`
}

func (p *problem) Error() string { return p.Message }

func invalid(field, why string) *problem {
	return &problem{Status: 400, Code: 50035, Message: "Invalid Form Body", Errors: map[string]any{field: map[string]any{"_errors": []any{map[string]string{"message": why}}}}}
}

var (
	errUnknownChannel     = &problem{Status: 404, Code: 10003, Message: "Unknown Channel"}
	errUnknownMessage     = &problem{Status: 404, Code: 10008, Message: "Unknown Message"}
	errUnknownUser        = &problem{Status: 404, Code: 10013, Message: "Unknown User"}
	errUnknownWebhook     = &problem{Status: 404, Code: 10015, Message: "Unknown Webhook"}
	errUnknownInteraction = &problem{Status: 404, Code: 10062, Message: "Unknown interaction"}
	errAnswered           = &problem{Status: 400, Code: 40060, Message: "Interaction has already been acknowledged."}
	errMissingAccess      = &problem{Status: 403, Code: 50001, Message: "Missing Access"}
	errNotOurs            = &problem{Status: 403, Code: 50005, Message: "Cannot edit a message authored by another user"}
	errEmpty              = &problem{Status: 400, Code: 50006, Message: "Cannot send an empty message"}
	errMissingPermission  = &problem{Status: 403, Code: 50013, Message: "Missing Permissions"}
	errWrongChannel       = &problem{Status: 400, Code: 50024, Message: "Cannot execute action on this channel type"}
	errTokenRanOut        = &problem{Status: 401, Code: 50027, Message: "Invalid Webhook Token"}
	errArchived           = &problem{Status: 400, Code: 50083, Message: "Thread is archived"}
	errNoHistory          = &problem{Status: 400, Code: 160002, Message: "Cannot reply without permission to read message history"}
	errLocked             = &problem{Status: 400, Code: 160005, Message: "Thread is locked"}
	errThreadExists       = &problem{Status: 400, Code: 160004, Message: "A thread has already been created for this message"}
	errUnauthorized       = &problem{Status: 401, Message: "401: Unauthorized"}
	errNoRoute            = &problem{Status: 404, Message: "404: Not Found"}
)

// errLeft is returned for people's actions when the fake is closed.
var errLeft = errors.New("the fake Discord is closed")
