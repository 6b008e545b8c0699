// Package params turns what a caller gives an action into what the action's
// runner gets: it merges the parameter schemas of runner and action, renders and
// casts values in the order of their dependencies, validates them, fills in
// defaults, builds script arguments, and masks secrets in parameters and results.
//
// The package must not know where schemas are stored, who runs what, or what an
// execution is.
package params

import (
	"encoding/json"
	"fmt"

	"petrel/engine/expression"
	"petrel/engine/expression/value"
)

// MaskedValue is what a secret looks like to people.
const MaskedValue = "********"

// The stages at which parameters can be refused.
const (
	StageRender    = "render"    // a template, a missing dependency or a cycle
	StageCast      = "cast"      // a value is not of its declared type
	StageValidate  = "validate"  // a value does not fit its schema
	StageImmutable = "immutable" // a parameter that cannot be given was given
)

// Error is a refusal of parameters.
type Error struct {
	Stage string
	Param string // "" when no single parameter is to blame
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Scope is what templates in parameters can see besides other parameters.
type Scope struct {
	ActionContext any              // action_context: user, pack, parent, ... as a value or a Go map
	Config        any              // config_context: the config of the action's pack
	Extra         expression.Names // trigger, for executions that rules make
}

// schema is one parameter as one side (runner or action) declares it.
type schema struct {
	raw        *value.Dict
	kind       string // type, "" when there is none
	def        any
	hasDefault bool
	immutable  bool
}

// schemas are the parameters of one side, in the order of their declaration.
type schemas struct {
	names  []string
	byName map[string]*schema
}

// Set is the parameters of a runner and an action together. It is immutable and
// safe for concurrent use.
type Set struct {
	runner, action schemas
	names          []string               // of both, the runner's first
	merged         map[string]*value.Dict // key by key, the action's values win
	check          validator
	secrets        map[string]*value.Dict // merged schemas with a secret somewhere
}

// Compile checks and merges the parameters that a runner and an action declare.
// Each is a JSON object of name and schema; empty or null means no parameters.
// The error names the parameter and what is wrong with it.
func Compile(runner, action json.RawMessage) (*Set, error) {
	s := &Set{merged: map[string]*value.Dict{}, secrets: map[string]*value.Dict{}}
	var err error
	if s.runner, err = parseSchemas(runner); err != nil {
		return nil, fmt.Errorf("runner parameters: %w", err)
	}
	if s.action, err = parseSchemas(action); err != nil {
		return nil, err
	}
	if err := s.checkOverrides(); err != nil {
		return nil, err
	}
	s.merge()
	if s.check, err = newValidator(s.objectSchema()); err != nil {
		return nil, err
	}
	return s, nil
}

func parseSchemas(raw json.RawMessage) (schemas, error) {
	out := schemas{byName: map[string]*schema{}}
	v, err := value.FromGo(raw)
	if err != nil || v == nil {
		return out, err
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return out, fmt.Errorf("parameters must be a map of name and schema, not %s", value.TypeName(v))
	}
	for k, item := range d.All() {
		name := k.(string)
		if !wordName.MatchString(name) {
			return out, fmt.Errorf("parameter %q: a name may hold letters, digits and underscores only", name)
		}
		raw, ok := item.(*value.Dict)
		if !ok {
			return out, fmt.Errorf("parameter %q: the schema must be a map, not %s", name, value.Repr(item))
		}
		if err := checkSchema(raw, "", 0); err != nil {
			return out, fmt.Errorf("parameter %q: %w", name, err)
		}
		out.names = append(out.names, name)
		out.byName[name] = newSchema(raw)
	}
	return out, nil
}

func newSchema(raw *value.Dict) *schema {
	s := &schema{raw: raw}
	if kind, ok := raw.GetString("type"); ok {
		s.kind, _ = kind.(string)
	}
	s.def, s.hasDefault = raw.GetString("default")
	immutable, _ := raw.GetString("immutable")
	s.immutable = value.Truth(immutable)
	return s
}

// merge lays the action's keys over the runner's; immutable holds when either says so.
func (s *Set) merge() {
	for _, side := range []schemas{s.runner, s.action} {
		for _, name := range side.names {
			one := side.byName[name]
			m, known := s.merged[name]
			if !known {
				s.names = append(s.names, name)
				m = value.NewDict(one.raw.Len())
				s.merged[name] = m
			}
			immutable, had := m.GetString("immutable")
			m.Update(one.raw)
			if had && value.Truth(immutable) {
				m.SetString("immutable", true)
			}
		}
	}
	for name, m := range s.merged {
		if hasSecret(m, 0) {
			s.secrets[name] = m
		}
	}
}

// Names lists all parameters, the runner's first.
func (s *Set) Names() []string { return append([]string(nil), s.names...) }

// Schema gives the merged schema of a parameter, nil when there is no such parameter.
// It must not be changed.
func (s *Set) Schema(name string) *value.Dict { return s.merged[name] }

// Views splits the parameters into those that must be given, those that may be
// given, and those that cannot be given.
func (s *Set) Views() (required, optional, immutable []string) {
	for _, name := range s.names {
		m := s.merged[name]
		switch {
		case flag(m, "immutable"):
			immutable = append(immutable, name)
		case flag(m, "required"):
			required = append(required, name)
		default:
			optional = append(optional, name)
		}
	}
	return required, optional, immutable
}

func flag(d *value.Dict, key string) bool {
	v, _ := d.GetString(key)
	return value.Truth(v)
}

// parse reads given or live parameters.
func parse(raw json.RawMessage) (*value.Dict, error) {
	v, err := value.FromGo(raw)
	if err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	switch d := v.(type) {
	case nil:
		return value.NewDict(0), nil
	case *value.Dict:
		return d, nil
	}
	return nil, fmt.Errorf("parameters must be a map, not %s", value.TypeName(v))
}
