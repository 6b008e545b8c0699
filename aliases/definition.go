package aliases

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Definition is an action alias as its metadata file or the API gives it. Packs read YAML into the value model, write that as JSON and call
// ParseDefinition, so that one reading of YAML holds for all content.
type Definition struct {
	Name        string `json:"name"`
	Pack        string `json:"pack,omitempty"`
	Ref         string `json:"ref,omitempty"` // pack.name; the identity of an alias
	Description string `json:"description,omitempty"`
	Enabled     bool   `json:"enabled"`    // true when left out
	ActionRef   string `json:"action_ref"` // the action to run
	// Formats are tried independently of each other; the best one that fits counts.
	Formats []FormatSpec `json:"formats"`
	Ack     Ack          `json:"ack"`
	Result  Result       `json:"result"`
	// Extra is free data for clients and templates; a JSON object.
	Extra json.RawMessage `json:"extra,omitempty"`
	// ImmutableParameters are fixed parameters, a JSON object whose values may be templates.
	ImmutableParameters json.RawMessage `json:"immutable_parameters,omitempty"`
	// CaseInsensitive makes the literal text of the formats match in any letter case. It is Petrel's addition; StackStorm has no such field.
	CaseInsensitive bool `json:"case_insensitive,omitempty"`
	// AllowWhen is an expr condition on who asks where; the command runs only when it holds. Petrel's addition, too.
	AllowWhen string `json:"allow_when,omitempty"`
	// Visibility is who sees the answers; empty means Thread. Petrel's addition.
	Visibility Visibility `json:"visibility,omitempty"`
	// Allow and Deny say who may use the command, and where; Deny counts more. Contact is whom a refused person is told to ask. Confirm is a
	// question, maybe a template, that is asked before the command runs. All are Petrel's additions; others judge by them.
	Allow   *Access `json:"allow,omitempty"`
	Deny    *Access `json:"deny,omitempty"`
	Contact string  `json:"contact,omitempty"`
	Confirm string  `json:"confirm,omitempty"`
}

// Access names people and places. An empty list says nothing.
type Access struct {
	Users     []string `json:"users,omitempty"`     // names of Petrel users
	Groups    []string `json:"groups,omitempty"`    // that users are in
	Channels  []string `json:"channels,omitempty"`  // "#ops", the platform's ID, or "direct" for every direct conversation
	Platforms []string `json:"platforms,omitempty"` // names of adapters, such as slack
}

// Visibility is who sees the answers to a command that was given in a channel.
type Visibility string

const (
	Public    Visibility = "public"    // everybody, in the channel itself
	Thread    Visibility = "thread"    // everybody, in the thread of the command
	Ephemeral Visibility = "ephemeral" // who asked alone, in the channel; directly where the platform cannot do that
	Direct    Visibility = "direct"    // who asked alone, in their conversation with the bot; the channel sees a pointer
)

// Ack says how a command is acknowledged.
type Ack struct {
	Enabled   bool            `json:"enabled"` // true when left out
	Format    string          `json:"format,omitempty"`
	Extra     json.RawMessage `json:"extra,omitempty"`
	AppendURL bool            `json:"append_url"` // true when left out
}

// Result says how the outcome of a command is shown.
type Result struct {
	Enabled bool            `json:"enabled"` // true when left out
	Format  string          `json:"format,omitempty"`
	Extra   json.RawMessage `json:"extra,omitempty"`
}

// FormatSpec is one entry of `formats`: a text, which is help and pattern at once, or an object.
type FormatSpec struct {
	Display        string   // shown in help, never matched; empty: not in help
	Representation []string // matched, never shown
	MatchMultiple  bool     // every hit in the message counts; considered only when nothing else fits
}

// ParseDefinition reads one alias from JSON. Fields that do not exist are refused by name; computed ones (id, uid, metadata_file) are skipped.
func ParseDefinition(data []byte) (Definition, error) {
	record := struct {
		Definition
		ID           json.RawMessage `json:"id"`
		UID          json.RawMessage `json:"uid"`
		MetadataFile json.RawMessage `json:"metadata_file"`
	}{Definition: Definition{Enabled: true, Ack: Ack{Enabled: true, AppendURL: true}, Result: Result{Enabled: true}}}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&record); err != nil {
		return Definition{}, fmt.Errorf("read alias: %w", err)
	}
	d := record.Definition
	if err := d.check(); err != nil {
		return Definition{}, fmt.Errorf("read alias %q: %w", d.Name, err)
	}
	d.Ref = d.Pack + "." + d.Name
	return d, nil
}

// check tells which field is missing or not of the right kind.
func (d Definition) check() error {
	switch {
	case d.Name == "":
		return errors.New("name is missing; give the alias a name that no other alias of the pack has")
	case d.ActionRef == "":
		return errors.New("action_ref is missing; it names the action to run, as pack.action")
	case len(d.Formats) == 0:
		return errors.New("formats is missing or empty; give at least one, for example \"deploy {{ app }}\"")
	}
	switch d.Visibility {
	case "", Public, Thread, Ephemeral, Direct:
	default:
		return fmt.Errorf("visibility %q does not exist; it is public, thread, ephemeral or direct", d.Visibility)
	}
	for _, f := range []struct {
		name string
		raw  json.RawMessage
	}{{"extra", d.Extra}, {"immutable_parameters", d.ImmutableParameters}, {"ack.extra", d.Ack.Extra}, {"result.extra", d.Result.Extra}} {
		if raw := bytes.TrimSpace(f.raw); len(raw) > 0 && raw[0] != '{' && string(raw) != "null" {
			return fmt.Errorf("%s must be an object, not %.40s", f.name, raw)
		}
	}
	return nil
}

// UnmarshalJSON reads a text or an object {display, representation, match_multiple}. A bare text as representation is taken as a list of one.
func (f *FormatSpec) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil {
		*f = FormatSpec{Display: text, Representation: []string{text}}
		return nil
	}
	var object struct {
		Display        *string         `json:"display"`
		Representation json.RawMessage `json:"representation"`
		MatchMultiple  bool            `json:"match_multiple"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&object); err != nil {
		return fmt.Errorf("a format is a text or an object with display, representation and match_multiple: %w", err)
	}
	*f = FormatSpec{MatchMultiple: object.MatchMultiple}
	if object.Display != nil {
		f.Display = *object.Display
	}
	if len(object.Representation) == 0 {
		return nil
	}
	if json.Unmarshal(object.Representation, &text) == nil {
		f.Representation = []string{text}
		return nil
	}
	if err := json.Unmarshal(object.Representation, &f.Representation); err != nil {
		return fmt.Errorf("representation must be a list of texts: %w", err)
	}
	return nil
}

// MarshalJSON writes the entry as it may be read again: a text where help and pattern are the same.
func (f FormatSpec) MarshalJSON() ([]byte, error) {
	if len(f.Representation) == 1 && f.Representation[0] == f.Display && !f.MatchMultiple {
		return json.Marshal(f.Display)
	}
	object := map[string]any{}
	if f.Display != "" {
		object["display"] = f.Display
	}
	if len(f.Representation) > 0 {
		object["representation"] = f.Representation
	}
	if f.MatchMultiple {
		object["match_multiple"] = true
	}
	return json.Marshal(object)
}
