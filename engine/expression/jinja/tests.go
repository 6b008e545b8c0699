package jinja

import (
	"math/big"
	"strings"

	"petrel/engine/expression/value"
)

// is makes a test without arguments; undefined values are passed to it.
func is(name string, f func(v any) bool) *builtin {
	return define(name, "?", func(c *call) (any, error) { return f(c.self), nil })
}

// compareTest makes a test that compares with its argument, under several names.
func compareTest(op string, names ...string) []*builtin {
	var out []*builtin
	for _, n := range names {
		out = append(out, define(n, "other!", func(c *call) (any, error) { return c.st.compare(op, c.self, c.args[0]) }))
	}
	return out
}

// parity tells whether the value divided by two leaves the given rest.
func parity(c *call, rest int64) (any, error) {
	m, ok, err := value.Mod(c.self, int64(2))
	if err == nil && !ok {
		err = fail(Runtime, "unsupported operand type(s) for %%: '%s' and 'int'", value.TypeName(c.self))
	}
	return err == nil && value.Equal(m, rest), err
}

func coreTests() map[string]*builtin {
	list := []*builtin{
		is("defined", func(v any) bool { _, u := isUndefined(v); return !u }),
		is("undefined", func(v any) bool { _, u := isUndefined(v); return u }),
		is("none", func(v any) bool { return v == nil }),
		is("true", func(v any) bool { return v == true }),
		is("false", func(v any) bool { return v == false }),
		is("boolean", func(v any) bool { _, ok := v.(bool); return ok }),
		is("integer", isInteger),
		is("float", func(v any) bool { _, ok := v.(float64); return ok }),
		is("number", value.IsNumber),
		is("string", isString),
		is("mapping", func(v any) bool { _, ok := v.(*value.Dict); return ok }),
		is("callable", func(v any) bool {
			if _, ok := v.(*undefined); ok { // Python's undefined can be called, to fail
				return true
			}
			_, ok := v.(callable)
			return ok
		}),
		is("escaped", func(v any) bool { _, ok := v.(Markup); return ok }),
		define("iterable", "", func(c *call) (any, error) { return isIterable(c.self), nil }),
		define("sequence", "?", func(c *call) (any, error) { return isSequence(c.self), nil }),
		define("sameas", "? other!", func(c *call) (any, error) { return same(c.self, c.args[0]), nil }),
		define("lower", "", func(c *call) (any, error) { s, err := c.st.text(c.self); return isLower(s), err }),
		define("upper", "", func(c *call) (any, error) { s, err := c.st.text(c.self); return isUpper(s), err }),
		define("even", "", func(c *call) (any, error) { return parity(c, 0) }),
		define("odd", "", func(c *call) (any, error) { return parity(c, 1) }),
		define("divisibleby", "num!", func(c *call) (any, error) {
			r, ok, err := value.Mod(c.self, c.args[0])
			if err == nil && !ok {
				err = fail(Runtime, "unsupported operand type(s) for %%: '%s' and '%s'", value.TypeName(c.self), value.TypeName(c.args[0]))
			}
			return err == nil && !value.Truth(r), err
		}),
		define("in", "container!", func(c *call) (any, error) { return c.st.contains(c.args[0], c.self) }),
		define("filter", "", func(c *call) (any, error) {
			name, ok := c.st.asText(c.self)
			return ok && c.st.env.filters[name] != nil, nil
		}),
		define("test", "", func(c *call) (any, error) {
			name, ok := c.st.asText(c.self)
			return ok && c.st.env.tests[name] != nil, nil
		}),
	}
	list = append(list, compareTest("==", "eq", "equalto", "==")...)
	list = append(list, compareTest("!=", "ne", "!=")...)
	list = append(list, compareTest("<", "lt", "lessthan", "<")...)
	list = append(list, compareTest("<=", "le", "<=")...)
	list = append(list, compareTest(">", "gt", "greaterthan", ">")...)
	list = append(list, compareTest(">=", "ge", ">=")...)
	return table(list...)
}

func isInteger(v any) bool {
	switch v.(type) {
	case int64, *big.Int:
		return true
	}
	return false
}

func isString(v any) bool {
	switch v.(type) {
	case string, Markup:
		return true
	}
	return false
}

func isIterable(v any) bool {
	if isString(v) {
		return true
	}
	_, err := value.Iterate(v)
	return err == nil
}

func isSequence(v any) bool {
	switch v.(type) {
	case *value.List, value.Tuple, *value.Dict, *rangeValue, value.Bytes:
		return true
	}
	return isString(v)
}

// same is Python's "is": the same object. Small values are one object when they are equal and of one type.
func same(a, b any) bool {
	if value.TypeName(a) != value.TypeName(b) {
		return false
	}
	switch x := a.(type) {
	case nil, bool, int64, float64, string, Markup:
		return a == b
	case *big.Int:
		return x == b
	case *value.List, *value.Dict, *value.Set:
		return a == b
	case value.Tuple:
		y := b.(value.Tuple)
		return len(x) == len(y) && (len(x) == 0 || &x[0] == &y[0])
	}
	return false
}

// isBlank tells whether a text holds nothing but blanks.
func isBlank(s string) bool { return strings.TrimFunc(s, value.IsSpace) == "" }
