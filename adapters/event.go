package adapters

import "time"

// EventKind says what a person did.
type EventKind string

const (
	// MessagePosted: somebody wrote a line.
	MessagePosted EventKind = "message"
	// CommandCalled: somebody used the platform's own slash command.
	CommandCalled EventKind = "command"
	// ButtonPressed: somebody pressed a button, or chose an option of a select,
	// of one of our messages.
	ButtonPressed EventKind = "button"
	// FormSubmitted: somebody filled in a form of ours.
	FormSubmitted EventKind = "form"
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
	Message    string    `json:"message,omitempty"` // ID of the message written, or of the one whose button was pressed; empty for a command that shows no message
	Text       string    `json:"text,omitempty"`    // plain text, mentions of the bot removed when Mentioned; of a command what follows its name
	Mentioned  bool      `json:"mentioned,omitempty"`

	// Command is the name of the slash command that was called, without the
	// slash, and Options its typed options by name, where the platform has them
	// (Commander).
	Command string            `json:"command,omitempty"`
	Options map[string]string `json:"options,omitempty"`

	Button string            `json:"button,omitempty"` // Button.ID or Select.ID as sent
	Choice string            `json:"choice,omitempty"` // Option.Value that was chosen in a select
	Form   string            `json:"form,omitempty"`   // Form.ID as opened
	Values map[string]string `json:"values,omitempty"` // what was filled in, by Input.Name

	// Opens: a Form may be given in the Answer.
	Opens bool `json:"opens,omitempty"`
	// Reply is the adapter's own handle for answers to this event, such as the
	// token of an interaction. Opaque, at most 1024 bytes, goes into Target.Reply;
	// it may have run out by then, and the adapter finds another way.
	Reply string `json:"reply,omitempty"`
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
