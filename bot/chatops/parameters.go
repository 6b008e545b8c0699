package chatops

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"petrel/adapters"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/params"
)

// A parameter is one parameter as a person is asked for it: a parameter of an
// action, or a property of a JSON schema.
type parameter struct {
	Name        string
	Type        string // of the schema; "" when it has none
	Description string
	Required    bool
	Secret      bool
	Immutable   bool
	Given       bool // it has a default
	Own         bool // declared by the action, not by its runner alone
	Enum        []string
	position    float64
}

// maxInputs is how many inputs of a form every platform shows.
const maxInputs = 5

// readAction is what was read of the parameters of an action.
type readAction struct {
	action *engine.Action // that it was read from; content that is loaded anew has others
	list   []parameter
}

// parameters lists the parameters of an action. The list is shared and must not
// be changed.
func (c *Chat) parameters(ref string) []parameter {
	catalog := c.catalog()
	action, ok := catalog.Action(ref)
	if !ok {
		return nil
	}
	if known, ok := c.actions.Load(ref); ok && known.(readAction).action == action {
		return known.(readAction).list
	}
	list := parametersIn(catalog, ref)
	c.actions.Store(ref, readAction{action, list})
	return list
}

// parametersIn lists the parameters of an action, the action's word before the
// runner's: in the order of their positions, then as written.
func parametersIn(catalog Catalog, ref string) []parameter {
	action, ok := catalog.Action(ref)
	if !ok {
		return nil
	}
	var runner json.RawMessage
	if r, ok := catalog.Runner(action.RunnerType); ok {
		runner = r.Parameters
	}
	list := readFields(nil, runner, false)
	list = readFields(list, action.Parameters, true)
	slices.SortStableFunc(list, func(a, b parameter) int { return cmp.Compare(a.position, b.position) })
	return list
}

// readFields adds the properties of a schema to those that are known. What
// cannot be read is left out; running the action reports it.
func readFields(list []parameter, raw json.RawMessage, own bool) []parameter {
	v, err := value.FromGo(raw)
	d, ok := v.(*value.Dict)
	if err != nil || !ok {
		return list
	}
	for key, item := range d.All() {
		schema, ok := item.(*value.Dict)
		name, isText := key.(string)
		if !ok || !isText {
			continue
		}
		at := slices.IndexFunc(list, func(f parameter) bool { return f.Name == name })
		if at < 0 {
			at = len(list)
			list = append(list, parameter{Name: name, position: math.Inf(1)})
		}
		list[at].read(schema)
		list[at].Own = list[at].Own || own
	}
	return list
}

// read lays a schema over what is known of the parameter.
func (f *parameter) read(schema *value.Dict) {
	get := func(key string) any { v, _ := schema.GetString(key); return v }
	if kind, ok := get("type").(string); ok {
		f.Type = kind
	}
	if text, ok := get("description").(string); ok {
		f.Description = text
	}
	for key, flag := range map[string]*bool{"required": &f.Required, "secret": &f.Secret, "immutable": &f.Immutable} {
		if v, there := schema.GetString(key); there {
			*flag = value.Truth(v)
		}
	}
	if v, there := schema.GetString("default"); there {
		f.Given = v != nil
	}
	if v, there := schema.GetString("position"); there {
		if n, err := value.ToFloat(v); err == nil {
			f.position = float64(n)
		}
	}
	if list, ok := get("enum").(*value.List); ok {
		f.Enum = nil
		for _, v := range list.Items {
			f.Enum = append(f.Enum, value.Str(v))
		}
	}
}

func (c *Chat) missing(alias *aliases.Definition, hit aliases.Params) []parameter {
	return missingIn(c.parameters(alias.ActionRef), alias, hit)
}

// missingIn lists the required parameters of an alias's action to which a hit,
// the alias and the schema give no value.
func missingIn(parameters []parameter, alias *aliases.Definition, hit aliases.Params) []parameter {
	fixed := fixedBy(alias)
	var list []parameter
	for _, f := range parameters {
		if f.Required && !f.Immutable && !f.Given && !fixed[f.Name] && hit[f.Name] == nil {
			list = append(list, f)
		}
	}
	return list
}

// fixedBy names the parameters that an alias sets itself.
func fixedBy(alias *aliases.Definition) map[string]bool {
	var values map[string]json.RawMessage
	if len(alias.ImmutableParameters) == 0 || json.Unmarshal(alias.ImmutableParameters, &values) != nil {
		return nil // request reports what is wrong with it
	}
	fixed := map[string]bool{}
	for name := range values {
		fixed[name] = true
	}
	return fixed
}

// input is the parameter in a form.
func (f *parameter) input() adapters.Input {
	in := adapters.Input{Name: f.Name, Label: f.Name, Kind: adapters.TextInput, Help: f.Description, Required: f.Required}
	switch {
	case len(f.Enum) > 0:
		in.Kind = adapters.ChoiceInput
		for _, v := range f.Enum {
			in.Options = append(in.Options, adapters.Option{Value: v, Label: v})
		}
	case f.Type == "boolean":
		in.Kind = adapters.BooleanInput
	case f.Type == "object":
		in.Kind = adapters.AreaInput
		in.Help = strings.TrimSpace(in.Help + " A JSON object.")
	case f.Type == "array":
		in.Help = strings.TrimSpace(in.Help + " Several, with commas between them.")
	}
	return in
}

// problem says what is wrong with a text as the value of the parameter, "" when
// nothing is.
func (f *parameter) problem(text string) string {
	if strings.TrimSpace(text) == "" {
		if f.Required {
			return "must not be empty"
		}
		return ""
	}
	if len(f.Enum) > 0 && !slices.Contains(f.Enum, text) {
		return "must be one of " + strings.Join(f.Enum, ", ")
	}
	v, err := params.Cast(text, f.Type)
	switch {
	case f.Type == "array":
		return "" // anything can be one entry
	case err != nil:
		return fmt.Sprintf("must be %s, not %s", kindWord(f.Type), inline(text))
	case f.Type == "boolean":
		if _, ok := v.(bool); !ok {
			return "must be true or false"
		}
	case f.Type == "object":
		if _, ok := v.(*value.Dict); !ok {
			return "must be a JSON object"
		}
	}
	return ""
}

// tidy brings what a person typed into the form in which the schema has it:
// choices and truth values in any letter case.
func (f *parameter) tidy(text string) string {
	text = strings.TrimSpace(text)
	for _, v := range f.Enum {
		if strings.EqualFold(v, text) {
			return v
		}
	}
	if f.Type == "boolean" {
		switch strings.ToLower(text) {
		case "yes", "y", "on", "1", "true":
			return "true"
		case "no", "n", "off", "0", "false":
			return "false"
		}
	}
	return text
}

func kindWord(kind string) string {
	switch kind {
	case "integer":
		return "a whole number"
	case "boolean":
		return "true or false"
	case "object":
		return "a JSON object"
	case "":
		return "something else"
	}
	return "a " + kind
}

// value is a text as the schema wants it; one that does not fit stays a text.
func (f *parameter) value(text string) any {
	if f.Type == "array" {
		return typed(f.Type, text)
	}
	v, err := params.Cast(text, f.Type)
	if err != nil {
		return text
	}
	return v
}
