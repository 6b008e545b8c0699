package adapters

import "encoding/json"

// Target is where a message goes.
type Target struct {
	Channel string `json:"channel"`           // ID, or a name as people write it ("#ops", "@ann")
	Thread  string `json:"thread,omitempty"`  // reply under this message
	Private string `json:"private,omitempty"` // user ID: only this person sees it (ephemeral)
	Reply   string `json:"reply,omitempty"`   // Event.Reply of what is answered
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
	Color     string   `json:"color,omitempty"` // "#rrggbb", "" as State has it; for platforms with a coloured edge
	Blocks    []Block  `json:"blocks"`
	Selects   []Select `json:"selects,omitempty"`
	Buttons   []Button `json:"buttons,omitempty"`
	Files     []File   `json:"files,omitempty"` // sent with the message; an Update does not touch them
	// Extra is what an author wants of one kind of platform, by its kind ("slack",
	// "mattermost", "discord"): StackStorm's `extra`. An adapter takes its own.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`
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
	StateAsking    State = "asking"    // a question to the person; final until it is answered
)

// Final reports whether nothing more will come by itself.
func (s State) Final() bool {
	return s == StateSucceeded || s == StateFailed || s == StateRefused || s == StateAsking
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
	Label string `json:"label"`           // plain text, at most 75 characters are shown
	Style string `json:"style,omitempty"` // "", "primary", "danger"
	// Confirm is asked before the press counts, where the platform can do that;
	// elsewhere the press counts at once.
	Confirm string `json:"confirm,omitempty"`
}

// Select is a list to choose one option of. ID comes back in Event.Button, the
// chosen value in Event.Choice. Without Capabilities.Selects the options are
// shown as buttons.
type Select struct {
	ID      string   `json:"id"`    // opaque, at most 100 characters
	Label   string   `json:"label"` // what is to be chosen
	Options []Option `json:"options"`
}

// Option is one choice.
type Option struct {
	Value string `json:"value"` // at most 75 characters
	Label string `json:"label"`
}

// Form is a dialog of a few fields, opened by Answer.Form. ID comes back in
// Event.Form; it is opaque, at most 100 characters.
type Form struct {
	ID     string  `json:"id"`
	Title  string  `json:"title"` // 24 characters are shown everywhere
	Text   string  `json:"text,omitempty"`
	Submit string  `json:"submit,omitempty"` // label of the button; "" is the platform's own word
	Inputs []Input `json:"inputs"`           // at most 5 are shown everywhere
}

// InputKind is the kind of a field of a form.
type InputKind string

const (
	TextInput    InputKind = "text"    // one line
	AreaInput    InputKind = "area"    // several lines
	ChoiceInput  InputKind = "choice"  // one of Options
	BooleanInput InputKind = "boolean" // comes back as "true" or "false"
)

// Input is a field of a form. A platform that lacks a kind shows a line of text
// that says what may be written.
type Input struct {
	Name     string    `json:"name"` // letters, digits and _; unique in the form
	Label    string    `json:"label"`
	Kind     InputKind `json:"kind"`
	Help     string    `json:"help,omitempty"`
	Value    string    `json:"value,omitempty"` // what is filled in already
	Required bool      `json:"required,omitempty"`
	Options  []Option  `json:"options,omitempty"`
}

// File is something to download.
type File struct {
	Name    string `json:"name"` // with its extension, e.g. "output.txt"
	Title   string `json:"title,omitempty"`
	Content []byte `json:"content"`
}

// Capabilities says what a platform can show and how much of it.
type Capabilities struct {
	Threads     bool // replies can be put under a message
	Edit        bool // a sent message can be changed
	Buttons     bool
	Selects     bool
	Forms       bool
	Ephemeral   bool // a message only one person sees
	EditPrivate bool // such a message can be changed, too
	Files       bool
	Commands    bool // the platform has slash commands of ours
	MaxText     int  // characters of one message; 0 means no limit
	MaxFile     int  // bytes of one file; 0 means no limit
	// EditEvery is how long the platform wants to be left alone between two edits
	// of one message, in milliseconds; live cards keep to it.
	EditEvery int
}
