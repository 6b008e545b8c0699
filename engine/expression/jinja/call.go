package jinja

import (
	"fmt"
	"math/big"
	"strings"

	"petrel/engine/expression/diagnose"
	"petrel/engine/expression/value"
)

// kwarg is one keyword argument.
type kwarg struct {
	name string
	val  any
}

// builtin is a filter, a test, a method or a global function.
type builtin struct {
	name     string
	params   []param
	variadic bool // takes more positional arguments: call.rest
	keywords bool // takes any keyword arguments: call.kw
	lenient  bool // takes undefined values itself
	fn       func(c *call) (any, error)
}

type param struct {
	name     string
	required bool
}

// define makes a builtin. The signature lists the parameters after the value:
// "attribute! default case_sensitive *rest **kw"; "!" marks the required ones,
// "?" in front says that undefined values are taken.
func define(name, signature string, fn func(c *call) (any, error)) *builtin {
	b := &builtin{name: name, fn: fn}
	for _, f := range strings.Fields(signature) {
		switch {
		case f == "?":
			b.lenient = true
		case strings.HasPrefix(f, "**"):
			b.keywords = true
		case strings.HasPrefix(f, "*"):
			b.variadic = true
		default:
			b.params = append(b.params, param{strings.TrimSuffix(f, "!"), strings.HasSuffix(f, "!")})
		}
	}
	return b
}

// table makes a lookup table of builtins.
func table(list ...*builtin) map[string]*builtin {
	out := make(map[string]*builtin, len(list))
	for _, b := range list {
		out[b.name] = b
	}
	return out
}

// call is one call of a builtin.
type call struct {
	st   *state
	self any   // the filtered value, the tested value, or the object of a method
	args []any // by parameter; notGiven where absent; may be shorter than the parameters
	rest []any
	kw   []kwarg
	err  error // the first argument that was of the wrong type
}

type absent struct{}

// notGiven stands for an argument that was left out.
var notGiven any = absent{}

// invokeOn calls a filter, test or method.
func (b *builtin) invokeOn(st *state, self any, pos []any, kw []kwarg) (any, error) {
	c := call{st: st, self: self}
	if !b.lenient {
		if err := defined(self, true); err != nil {
			return nil, err
		}
	}
	if err := b.bind(&c, pos, kw); err != nil {
		return nil, err
	}
	v, err := b.fn(&c)
	if c.err != nil {
		return nil, fmt.Errorf("%s: %w", b.name, c.err)
	}
	return v, err
}

func (b *builtin) bind(c *call, pos []any, kw []kwarg) error {
	if len(pos) <= len(b.params) && len(kw) == 0 {
		c.args = pos
	} else {
		c.args = make([]any, len(b.params))
		for i := range c.args {
			c.args[i] = notGiven
		}
		n := copy(c.args, pos)
		c.rest = pos[n:]
		if len(c.rest) > 0 && !b.variadic {
			return fail(Runtime, "%s() takes at most %d arguments (%d given)", b.name, len(b.params), len(pos))
		}
		if err := b.bindKeywords(c, n, kw); err != nil {
			return err
		}
	}
	for i, p := range b.params {
		if p.required && !c.has(i) {
			return fail(Runtime, "%s() missing the required argument '%s'", b.name, p.name)
		}
	}
	return nil
}

func (b *builtin) bindKeywords(c *call, given int, kw []kwarg) error {
next:
	for _, k := range kw {
		for i, p := range b.params {
			if p.name == k.name {
				if i < given {
					return fail(Runtime, "%s() got multiple values for argument '%s'", b.name, k.name)
				}
				c.args[i] = k.val
				continue next
			}
		}
		if !b.keywords {
			names := make([]string, len(b.params))
			for i, p := range b.params {
				names[i] = p.name
			}
			return &Error{Kind: Runtime, Message: fmt.Sprintf("%s() got an unexpected keyword argument '%s'", b.name, k.name), Hint: diagnose.Nearest(k.name, names), pos: -1}
		}
		c.kw = append(c.kw, k)
	}
	return nil
}

// has tells whether the i-th argument was given.
func (c *call) has(i int) bool { return i < len(c.args) && c.args[i] != notGiven }

// given tells whether the i-th argument was given and is not None.
func (c *call) given(i int) bool { return c.has(i) && c.args[i] != nil }

func (c *call) arg(i int, def any) any {
	if c.has(i) {
		return c.args[i]
	}
	return def
}

// text is the i-th argument as text, whatever it is.
func (c *call) text(i int, def string) string {
	if !c.has(i) {
		return def
	}
	s, err := c.st.text(c.args[i])
	c.note(err)
	return s
}

// str is the i-th argument, which must be text.
func (c *call) str(i int, def string) string {
	if !c.has(i) {
		return def
	}
	s, ok := c.st.asText(c.args[i])
	if !ok {
		c.note(c.wrong(i, "text"))
	}
	return s
}

func (c *call) wrong(i int, want string) error {
	if err := defined(c.args[i], false); err != nil {
		return err
	}
	return fail(Runtime, "argument %d must be %s, not %s", i+1, want, value.TypeName(c.args[i]))
}

func (c *call) note(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *call) int(i, def int) int {
	if !c.has(i) {
		return def
	}
	n, ok := toInt(c.args[i])
	if !ok {
		c.note(c.wrong(i, "an integer"))
	}
	return n
}

func (c *call) bool(i int, def bool) bool {
	if !c.has(i) {
		return def
	}
	ok, err := c.st.truth(c.args[i])
	c.note(err)
	return ok
}

// toInt gives an integer or boolean as an int, cut to its range.
func toInt(v any) (int, bool) {
	switch x := v.(type) {
	case int64:
		return int(x), true
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	case *big.Int:
		if x.Sign() < 0 {
			return -1 << 62, true
		}
		return 1 << 62, true
	}
	return 0, false
}

// callable is anything that can be called.
type callable interface {
	invoke(st *state, args []any, kw []kwarg) (any, error)
}

// attributed is a private value with attributes of its own.
type attributed interface {
	getAttr(st *state, name string, pos int) (v any, found bool, err error)
}

// boundMethod is a method taken off its object, or a global function.
type boundMethod struct {
	b    *builtin
	self any
}

func (m *boundMethod) TypeName() string { return "builtin_function_or_method" }

// Repr names the function.
func (m *boundMethod) Repr() string { return "<built-in function " + m.b.name + ">" }

func (m *boundMethod) invoke(st *state, args []any, kw []kwarg) (any, error) {
	return m.b.invokeOn(st, m.self, args, kw)
}

// function makes a callable with any arguments.
func function(name string, fn func(c *call) (any, error)) *boundMethod {
	return &boundMethod{b: define(name, "*args **kw", fn)}
}

// Function is a function that the caller of a template puts among its names.
type Function struct {
	Name string
	// Call gets the positional and the keyword arguments as plain values of the model.
	Call func(args []any, keywords map[string]any) (any, error)
}

// TypeName is that of a Python function.
func (f *Function) TypeName() string { return "function" }

// Repr names the function.
func (f *Function) Repr() string { return "<function " + f.Name + ">" }

func (f *Function) invoke(st *state, args []any, kw []kwarg) (any, error) {
	plain, keywords, err := st.plainArgs(args, kw)
	if err != nil {
		return nil, err
	}
	return f.Call(plain, keywords)
}

// plainArgs makes the arguments for functions of the caller.
func (st *state) plainArgs(args []any, kw []kwarg) ([]any, map[string]any, error) {
	out := make([]any, len(args))
	for i, a := range args {
		var err error
		if out[i], err = st.plain(a); err != nil {
			return nil, nil, err
		}
	}
	if len(kw) == 0 {
		return out, nil, nil
	}
	keywords := make(map[string]any, len(kw))
	for _, k := range kw {
		v, err := st.plain(k.val)
		if err != nil {
			return nil, nil, err
		}
		keywords[k.name] = v
	}
	return out, keywords, nil
}

// plain turns the engine's own values into values of the model: escaped text
// into text, generators and views into lists. Undefined values are errors.
func (st *state) plain(v any) (any, error) {
	switch x := v.(type) {
	case nil, bool, int64, float64, string, *value.List, *value.Dict, value.Tuple:
		return v, nil
	case *undefined:
		return nil, x.err()
	case textual:
		return x.text(st)
	case *generator:
		items, err := st.items(x)
		return &value.List{Items: items}, err
	case value.Plainer:
		return x.Plain()
	}
	return v, nil
}

// call calls a value.
func (st *state) call(fn any, args []any, kw []kwarg) (any, error) {
	if err := defined(fn, false); err != nil {
		return nil, err
	}
	if f, ok := fn.(callable); ok {
		return f.invoke(st, args, kw)
	}
	return nil, fail(Runtime, "'%s' object is not callable", value.TypeName(fn))
}

// asText gives text (plain or escaped) as a string.
func (st *state) asText(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case Markup:
		return string(x), true
	case textual:
		s, err := x.text(st)
		return s, err == nil
	}
	return "", false
}
