// Package functions holds the functions that Jinja, YAQL and expr share: what
// StackStorm adds to its template languages (to_json_string, regex_match,
// version_compare, ...) and what Orquesta's expressions can ask (ctx, result,
// task_status, st2kv, ...). Each exists once, as a table entry that says its
// parameters; the languages bind arguments to it in their own way.
//
// The package works on values of the Python value model. It must not know any
// of the languages; the workflow an expression stands in is behind [Workflow].
package functions

import (
	"context"
	"fmt"
	"strings"

	"petrel/engine/expression/value"
)

// Func is one function.
type Func struct {
	Name   string  // snake_case, as Jinja spells it
	Params []Param // in order
	// Variadic functions take further positional arguments; Run gets them after the
	// parameters. Their Params can be given by keyword only.
	Variadic bool
	// Dialect says where the function exists.
	Dialect Dialect
	// Run gets one value a parameter, defaults filled in.
	Run func(c *Call, args []any) (any, error)
}

// Param is a parameter of a function.
type Param struct {
	Name     string // snake_case
	Default  any    // used when the argument is not given, unless Required
	Required bool
}

// Dialect tells which template dialects have a function.
type Dialect uint8

// StackStorm is Jinja in rules, aliases and action parameters; Orquesta is YAQL and
// Jinja in workflows. Most functions are in both.
const (
	StackStorm Dialect = 1 << iota
	Orquesta
	Everywhere = StackStorm | Orquesta
)

// Call is what a function is given besides its arguments.
type Call struct {
	Context  context.Context
	Workflow Workflow  // nil outside workflows
	Patterns *Patterns // nil: regular expressions are compiled every time
}

// Missing is the value of an optional argument that was not given, for functions
// that tell it apart from None.
type Missing struct{}

// ArgumentError says that the arguments do not fit the parameters of a function.
type ArgumentError struct {
	Func string
	Msg  string
}

func (e *ArgumentError) Error() string { return e.Func + "() " + e.Msg }

// All gives the table of every function, sorted by nothing in particular.
func All() []*Func {
	var all []*Func
	for _, part := range [][]*Func{dataFuncs(), regexFuncs(), versionFuncs(), textFuncs(), workflowFuncs()} {
		all = append(all, part...)
	}
	return all
}

// ByName gives the functions of a dialect by their name.
func ByName(d Dialect) map[string]*Func {
	table := make(map[string]*Func)
	for _, f := range All() {
		if f.Dialect&d != 0 {
			table[f.Name] = f
		}
	}
	return table
}

// CamelCase spells a parameter as YAQL does: sort_keys becomes sortKeys.
func CamelCase(name string) string {
	parts := strings.Split(name, "_")
	for i, p := range parts[1:] {
		if p != "" {
			parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
		}
	}
	return strings.Join(parts, "")
}

// Bind lays arguments on the parameters: positional ones in order, keyword ones by
// the name that spell gives a parameter (nil: its own). The result is ready for Run.
func (f *Func) Bind(positional []any, keywords map[string]any, spell func(string) string) ([]any, error) {
	args := make([]any, len(f.Params), len(f.Params)+len(positional))
	taken := 0
	if !f.Variadic {
		if len(positional) > len(f.Params) {
			return nil, &ArgumentError{f.Name, fmt.Sprintf("takes at most %d arguments, %d given", len(f.Params), len(positional))}
		}
		taken = copy(args, positional)
	}
	used := 0
	for i, p := range f.Params {
		name := p.Name
		if spell != nil {
			name = spell(name)
		}
		v, given := keywords[name]
		switch {
		case given && i < taken:
			return nil, &ArgumentError{f.Name, fmt.Sprintf("got two values for %s", name)}
		case given:
			args[i] = v
			used++
		case i < taken:
		case p.Required:
			return nil, &ArgumentError{f.Name, fmt.Sprintf("misses its argument %s", name)}
		default:
			args[i] = p.Default
		}
	}
	if used < len(keywords) {
		return nil, &ArgumentError{f.Name, fmt.Sprintf("has no parameter %s (it has %s)", f.stranger(keywords, spell), f.signature(spell))}
	}
	if f.Variadic {
		args = append(args, positional...)
	}
	return args, nil
}

func (f *Func) stranger(keywords map[string]any, spell func(string) string) string {
	known := f.signature(spell)
	for name := range keywords {
		if !strings.Contains(", "+known+",", ", "+name+",") {
			return name
		}
	}
	return ""
}

func (f *Func) signature(spell func(string) string) string {
	names := make([]string, len(f.Params))
	for i, p := range f.Params {
		names[i] = p.Name
		if spell != nil {
			names[i] = spell(p.Name)
		}
	}
	return strings.Join(names, ", ")
}

func need(name string) Param { return Param{Name: name, Required: true} }

func opt(name string, def any) Param { return Param{Name: name, Default: def} }

// text gives a value as text: text as it is, everything else as Python's str() spells it.
func text(v any) string { return value.Str(v) }

// mustText refuses what is not text.
func mustText(fn string, v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%s() needs text, not %s", fn, value.TypeName(v))
	}
	return s, nil
}

// wholeNumber gives an optional integer argument.
func wholeNumber(fn, name string, v any) (int, error) {
	switch n := v.(type) {
	case int64:
		if n >= -1_000_000 && n <= 1_000_000 {
			return int(n), nil
		}
	case bool:
		if n {
			return 1, nil
		}
		return 0, nil
	case nil:
		return 0, nil
	}
	return 0, fmt.Errorf("%s(): %s must be a small integer, not %s", fn, name, value.Repr(v))
}
