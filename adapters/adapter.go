// Package adapters is the chat contract: what a chat platform gives the program
// (Events) and what the program gives a platform (Messages). One sub-package
// per platform implements Adapter: it connects, translates and sends, nothing
// else. It has never heard of executions, aliases or rules.
package adapters

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Adapter is one connection to one chat platform.
type Adapter interface {
	// Name is the configured name, unique in the process, e.g. "terminal".
	Name() string

	// Capabilities says what the platform can show. Constant after Run began.
	Capabilities() Capabilities

	// Run connects and delivers events to h until ctx ends (then it returns
	// nil) or the platform refuses for good (an error that says why). It
	// reconnects by itself, for ever, on everything else.
	Run(ctx context.Context, h Handler) error

	// Send posts a message and returns where it is. Two sends with the same
	// non-empty Key make one message, as far as the platform can promise it.
	// Errors: *RetryError, ErrOutcomeUnknown, or permanent.
	Send(ctx context.Context, m Message) (Ref, error)

	// Update replaces the content of a message that Send made.
	Update(ctx context.Context, ref Ref, m Message) error
}

// Handler takes events from adapters. A nil error means the event is durable
// and the adapter may acknowledge it to the platform; with an error the
// platform should be left to deliver it again, or the person be told.
// Handle is quick: it stores the event, the work comes later.
type Handler interface {
	Handle(ctx context.Context, e Event) (Disposition, error)
}

// Disposition tells the adapter what becomes of an event.
type Disposition int

const (
	// Ignored: nobody was addressed and nothing will be said.
	Ignored Disposition = iota
	// Accepted: a reply to this event will come.
	Accepted
	// Duplicate: this delivery was handled before.
	Duplicate
)

// EventKind says what a person did.
type EventKind string

const (
	// MessagePosted: somebody wrote a line.
	MessagePosted EventKind = "message"
	// CommandCalled: somebody used the platform's own slash command.
	CommandCalled EventKind = "command"
	// ButtonPressed: somebody pressed a button of one of our messages.
	ButtonPressed EventKind = "button"
)

// Event is something a person did on a platform.
type Event struct {
	DeliveryID string    `json:"delivery_id"` // stable over redeliveries by the platform; unique within Adapter
	Kind       EventKind `json:"kind"`
	Adapter    string    `json:"adapter"`
	Time       time.Time `json:"time"`
	User       User      `json:"user"`
	Channel    Channel   `json:"channel"`
	Thread     string    `json:"thread,omitempty"`  // ID of the thread the event belongs to; empty outside threads
	Message    string    `json:"message,omitempty"` // ID of the message written, or of the one whose button was pressed
	Text       string    `json:"text,omitempty"`    // plain text, mentions of the bot removed when Mentioned
	Mentioned  bool      `json:"mentioned,omitempty"`
	Button     string    `json:"button,omitempty"` // Button.ID as sent
}

// User is a person as the platform knows them.
type User struct {
	ID    string `json:"id"`
	Name  string `json:"name"` // login name
	Email string `json:"email,omitempty"`
	Bot   bool   `json:"bot,omitempty"`
}

// Channel is a place where people talk.
type Channel struct {
	ID     string `json:"id"`
	Name   string `json:"name"` // as people write it, e.g. "#ops" or "@ann"
	Direct bool   `json:"direct,omitempty"`
}

// Target is where a message goes.
type Target struct {
	Channel string `json:"channel"`           // ID, or a name as people write it ("#ops", "@ann")
	Thread  string `json:"thread,omitempty"`  // reply under this message
	Private string `json:"private,omitempty"` // user ID: only this person sees it (ephemeral)
}

// Ref is where a message is.
type Ref struct {
	Channel string `json:"channel"`
	Message string `json:"message"`
}

// Message is what the program says. Fields that a platform cannot show are
// degraded by the renderer of its adapter, never dropped silently.
type Message struct {
	To        Target   `json:"to"`
	Key       string   `json:"key"`                   // idempotency key
	InReplyTo string   `json:"in_reply_to,omitempty"` // Event.Message that this answers
	Mention   string   `json:"mention,omitempty"`     // user ID to address
	State     State    `json:"state,omitempty"`
	Blocks    []Block  `json:"blocks"`
	Buttons   []Button `json:"buttons,omitempty"`
}

// State is how the matter stands that a message is about. A message with a
// final state is the last word on its InReplyTo.
type State string

const (
	StateNone      State = ""          // a statement; nothing is pending on it
	StateWorking   State = "working"   // more will come
	StateSucceeded State = "succeeded" // final
	StateFailed    State = "failed"    // final
	StateRefused   State = "refused"   // final: not understood, or not allowed
)

// Final reports whether nothing more will come.
func (s State) Final() bool {
	return s == StateSucceeded || s == StateFailed || s == StateRefused
}

// BlockKind is the kind of one piece of a message.
type BlockKind string

const (
	// Paragraph is text written by an author, in the common subset of chat
	// Markdown: *bold*, `code`, ```fences```, bare links.
	Paragraph BlockKind = "paragraph"
	// Preformatted is output of a program: shown as is, never parsed.
	Preformatted BlockKind = "preformatted"
	// Fields is a list of short name/value pairs.
	Fields BlockKind = "fields"
	// Heading is one bold line.
	Heading BlockKind = "heading"
)

// Block is one piece of a message.
type Block struct {
	Kind   BlockKind `json:"kind"`
	Text   string    `json:"text,omitempty"`
	Fields []Field   `json:"fields,omitempty"`
}

// Field is a name and a value, both plain text.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Button is something to press. ID comes back in Event.Button; it is opaque,
// at most 100 characters.
type Button struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	Style string `json:"style,omitempty"` // "", "primary", "danger"
}

// Capabilities says what a platform can show and how much of it.
type Capabilities struct {
	Threads   bool // replies can be put under a message
	Edit      bool // a sent message can be changed
	Buttons   bool
	Ephemeral bool // a message only one person sees
	MaxText   int  // characters of one message; 0 means no limit
}

// ErrOutcomeUnknown: the message may or may not have been posted and the
// platform has no way to find out. It must not be sent again.
var ErrOutcomeUnknown = errors.New("outcome of the post is unknown")

// RetryError: the platform asks to try again later.
type RetryError struct {
	After time.Duration
	Err   error
}

func (e *RetryError) Error() string { return fmt.Sprintf("%v (retry after %s)", e.Err, e.After) }
func (e *RetryError) Unwrap() error { return e.Err }
