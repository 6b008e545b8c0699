// Package jinja is Jinja2 as StackStorm sets it up, written for Go: the whole
// template language on the Python value model, with trim_blocks and
// lstrip_blocks, strict undefined values, a sandbox without private attributes,
// and limits on steps, memory, output and recursion. A template is compiled once
// into a tree of typed nodes and may be evaluated many times concurrently.
//
// The package must not know where names come from, what a datastore is made of,
// nor anything of YAQL, rules or executions.
package jinja

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"petrel/engine/expression/value"
)

// Limits bound one evaluation.
type Limits struct {
	Steps  int // units of work, about a node or an item each
	Memory int // bytes that the evaluation may make in total
	Output int // bytes of output, and of any single text
	Depth  int // nested macro calls and recursive loops
}

// DefaultLimits are what New uses where nothing is set.
var DefaultLimits = Limits{Steps: 2_000_000, Memory: 128 << 20, Output: 16 << 20, Depth: 100}

// maxTemplate bounds the length of a template in bytes.
const maxTemplate = 4 << 20

// Names are the top-level names of a template.
type Names interface {
	// Lookup gives the value of a name, ok=false when there is none.
	Lookup(ctx context.Context, name string) (v any, ok bool, err error)
	// Known lists the names, for suggestions.
	Known() []string
}

// Map is the plain kind of Names; the values must be of the value model.
type Map map[string]any

// Lookup finds a name.
func (m Map) Lookup(_ context.Context, name string) (any, bool, error) {
	v, ok := m[name]
	return v, ok, nil
}

// Known lists the names.
func (m Map) Known() []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

// Filter is a filter that the caller of New adds to Jinja's own.
type Filter struct {
	Name string
	// Call gets the value and the arguments as plain values of the model.
	Call func(ctx context.Context, v any, args []any, keywords map[string]any) (any, error)
}

// Options set an environment up.
type Options struct {
	Limits  Limits   // zero fields take the defaults
	Filters []Filter // further filters
	// Decrypt, when set, gives the filter decrypt_kv.
	Decrypt func(ctx context.Context, ciphertext string) (string, error)
}

// Env compiles templates. It is safe for concurrent use.
type Env struct {
	limits  Limits
	filters map[string]*builtin
	tests   map[string]*builtin
	globals map[string]any
	methods methodTables
}

// New makes an environment.
func New(o Options) *Env {
	e := &Env{limits: o.Limits, filters: coreFilters(), tests: coreTests(), globals: coreGlobals()}
	for _, l := range []struct{ v, def *int }{
		{&e.limits.Steps, &DefaultLimits.Steps}, {&e.limits.Memory, &DefaultLimits.Memory},
		{&e.limits.Output, &DefaultLimits.Output}, {&e.limits.Depth, &DefaultLimits.Depth},
	} {
		if *l.v == 0 {
			*l.v = *l.def
		}
	}
	e.methods = methodTables{
		str: strMethods(), markup: markupMethods(strMethods()), dict: dictMethods(), list: listMethods(), tuple: tupleMethods(),
		set: setMethods(), bytes: bytesMethods(), datetime: datetimeMethods(),
	}
	for _, f := range o.Filters {
		e.filters[f.Name] = f.builtin()
	}
	if o.Decrypt != nil {
		e.filters["decrypt_kv"] = decryptFilter(o.Decrypt)
	}
	return e
}

// builtin adapts a Filter of the caller.
func (f Filter) builtin() *builtin {
	return define(f.Name, "*args **kw", func(c *call) (any, error) {
		self, err := c.st.plain(c.self)
		if err != nil {
			return nil, err
		}
		args, keywords, err := c.st.plainArgs(c.rest, c.kw)
		if err != nil {
			return nil, err
		}
		v, err := f.Call(c.st.ctx, self, args, keywords)
		if s, ok := v.(string); ok && err == nil {
			err = c.st.charge(len(s))
		}
		return v, err
	})
}

// Template is a compiled template, safe for concurrent use.
type Template struct {
	env  *Env
	src  string
	body []stmt

	undeclaredOnce sync.Once
	undeclared     []string
}

// Compile parses a template.
func (e *Env) Compile(src string) (*Template, error) {
	src = normalizeSource(src)
	if len(src) > maxTemplate {
		return nil, fmt.Errorf("a template of %d bytes is larger than %d", len(src), maxTemplate)
	}
	body, err := e.parseTemplate(src)
	if err != nil {
		return nil, located(err, src)
	}
	return &Template{env: e, src: src, body: body}, nil
}

// Render gives the text of the template. With lenient, undefined names are empty text.
func (t *Template) Render(ctx context.Context, names Names, lenient bool) (string, error) {
	var out strings.Builder
	st := t.env.state(ctx, names, lenient)
	st.out = &out
	if err := st.run(t.body); err != nil {
		return "", located(wrap(err), t.src)
	}
	return out.String(), nil
}

// Source is the text of the template, with line breaks made "\n".
func (t *Template) Source() string { return t.src }

// Expression is a compiled expression, safe for concurrent use.
type Expression struct {
	env *Env
	src string
	x   expr
}

// CompileExpression parses an expression, which stands without delimiters.
func (e *Env) CompileExpression(src string) (*Expression, error) {
	if len(src) > maxTemplate {
		return nil, fmt.Errorf("an expression of %d bytes is larger than %d", len(src), maxTemplate)
	}
	x, err := e.parseExpression(src)
	if err != nil {
		return nil, located(err, src)
	}
	return &Expression{e, src, x}, nil
}

// ErrUndefined says that the value of an expression is undefined.
var ErrUndefined = errors.New("undefined")

// Eval gives the value of the expression, with escaped text, views and
// generators made plain. An undefined value is an error that wraps ErrUndefined.
func (x *Expression) Eval(ctx context.Context, names Names) (any, error) {
	st := x.env.state(ctx, names, false)
	st.out = &strings.Builder{}
	v, err := x.x.eval(st)
	if err != nil {
		return nil, located(wrap(err), x.src)
	}
	if u, ok := v.(*undefined); ok {
		if !u.strict { // "x if c" without else
			return "", nil
		}
		return nil, located(wrap(u.unresolved()), x.src)
	}
	v, err = st.plain(v)
	return v, located(wrap(at(err, x.x.at())), x.src)
}

func (u *undefined) unresolved() error {
	err := u.err()
	var e *Error
	if errors.As(err, &e) && e.Err == nil {
		e.Err = ErrUndefined
	}
	return err
}

// wrap makes sure that every failure is an Error.
func wrap(err error) error {
	var e *Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &Error{Kind: Runtime, Message: err.Error(), Err: err}
}

func (e *Env) state(ctx context.Context, names Names, lenient bool) *state {
	if names == nil {
		names = Map(nil)
	}
	return &state{ctx: ctx, env: e, names: names, lenient: lenient, limits: e.limits, scope: &scope{}}
}

var _ value.Plainer = Markup("")
