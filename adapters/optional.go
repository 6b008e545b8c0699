package adapters

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// What follows are interfaces that an Adapter may implement beside Adapter, each
// for something that only some platforms have. Who needs it asks for it by a
// type assertion and says so plainly when it is not there.

// Commander is an adapter of a platform on which every slash command is made
// known beforehand.
type Commander interface {
	// SetCommands says which commands there are. It returns at once; the adapter
	// brings the platform up to date, and does nothing when nothing changed.
	SetCommands(commands []Command)
}

// Command is one slash command.
type Command struct {
	Name        string          `json:"name"` // lower case letters, digits, - and _; at most 32 characters
	Description string          `json:"description"`
	Options     []CommandOption `json:"options,omitempty"` // required ones first
}

// CommandOption is one typed option of a slash command.
type CommandOption struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Kind        string   `json:"kind"` // "string", "integer", "number", "boolean"
	Required    bool     `json:"required,omitempty"`
	Choices     []Option `json:"choices,omitempty"`
}

// Manager is an adapter whose platform lets the program look after channels and
// messages. Channels are IDs or names as in Target.Channel, people IDs or names
// as people write them ("@ann", an e-mail address).
type Manager interface {
	// CreateChannel makes a channel. A name that is taken is ErrNameTaken.
	CreateChannel(ctx context.Context, name string, private bool) (Channel, error)
	// Invite adds people to a channel; who is there already is no error. When
	// some cannot be added the others are, and the error names them.
	Invite(ctx context.Context, channel string, people []string) error
	SetTopic(ctx context.Context, channel, topic string) error
	Pin(ctx context.Context, ref Ref) error
	// React puts an emoji, by its name without colons, under a message.
	React(ctx context.Context, ref Ref, emoji string) error
}

// ErrNameTaken: there is a channel of that name already.
var ErrNameTaken = errors.New("the name is taken")

// Directory is an adapter that can look people up.
type Directory interface {
	// FindUser takes an ID, a name as people write it ("@ann"), or an e-mail
	// address. Nobody of that name is ErrNoUser.
	FindUser(ctx context.Context, who string) (User, error)
}

// ErrNoUser: the platform knows nobody of that name.
var ErrNoUser = errors.New("nobody has that name")

// Receiver is an adapter that the platform calls over HTTP. The handler is
// mounted below /chat/NAME/, with that prefix cut off, while Run runs; it does
// its own authentication, over the raw body.
type Receiver interface {
	Routes() http.Handler
}

// Watched is an adapter that knows how its connection stands.
type Watched interface {
	Health() Health
}

// Health is how a connection stands.
type Health struct {
	Connected bool      `json:"connected"`
	LastFrame time.Time `json:"last_frame"` // when the platform was last heard of, heartbeats included
	Stale     bool      `json:"stale"`      // connected, but silent for longer than the platform's heartbeat allows
	Problem   string    `json:"problem,omitempty"`
}

// Examiner is an adapter that can examine its own set-up: what `petrel doctor`
// prints. It works without Run.
type Examiner interface {
	Examine(ctx context.Context) []Finding
}

// Severity says how bad a Finding is.
type Severity string

const (
	OK      Severity = "ok"
	Warning Severity = "warning" // something will not work
	Fatal   Severity = "fatal"   // nothing will work
)

// Finding is one line of an examination.
type Finding struct {
	Check    string   `json:"check"` // e.g. "token", "scopes", "clock"
	Severity Severity `json:"severity"`
	Text     string   `json:"text"`             // what was found
	Remedy   string   `json:"remedy,omitempty"` // what to do about it
}
