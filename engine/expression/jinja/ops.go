package jinja

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"petrel/engine/expression/value"
)

// binary is a op b for the arithmetic operators.
func (st *state) binary(op string, a, b any) (any, error) {
	var v any
	var ok bool
	var err error
	switch op {
	case "+":
		if v, ok, err = st.add(a, b); !ok && err == nil {
			v, ok, err = value.Add(a, b)
		}
	case "-":
		if x, isSet := a.(*value.Set); isSet {
			return st.setDifference(x, b)
		}
		v, ok, err = value.Sub(a, b)
	case "*":
		if v, ok, err = st.repeat(a, b); !ok && err == nil {
			v, ok, err = value.Mul(a, b)
		}
	case "%":
		if f, isText := st.asText(a); isText {
			return st.percent(a, f, b)
		}
		v, ok, err = value.Mod(a, b)
	case "/":
		v, ok, err = value.Div(a, b)
	case "//":
		v, ok, err = value.FloorDiv(a, b)
	case "**":
		v, ok, err = value.Pow(a, b)
	}
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			return nil, err
		}
		kind := Runtime
		if errors.Is(err, value.ErrIntTooLarge) {
			kind = Limit
		}
		return nil, fail(kind, "%v", err)
	}
	if !ok {
		return nil, fail(Runtime, "unsupported operand type(s) for %s: '%s' and '%s'", op, value.TypeName(a), value.TypeName(b))
	}
	return v, nil
}

// add joins sequences; ok=false leaves the operands to arithmetic.
func (st *state) add(a, b any) (any, bool, error) {
	switch x := a.(type) {
	case string:
		switch y := b.(type) {
		case string:
			return x + y, true, st.charge(len(x) + len(y))
		case Markup:
			return escape(x) + y, true, st.charge(len(x) + len(y))
		}
		if _, ok := b.(textual); !ok {
			return nil, false, fail(Runtime, "can only concatenate str (not \"%s\") to str", value.TypeName(b))
		}
	case Markup:
		switch y := b.(type) {
		case string:
			return x + escape(y), true, st.charge(len(x) + len(y))
		case Markup:
			return x + y, true, st.charge(len(x) + len(y))
		}
	case *value.List:
		if y, ok := b.(*value.List); ok {
			return &value.List{Items: concat(x.Items, y.Items)}, true, st.charge(16 * (len(x.Items) + len(y.Items)))
		}
	case value.Tuple:
		if y, ok := b.(value.Tuple); ok {
			return value.Tuple(concat(x, y)), true, st.charge(16 * (len(x) + len(y)))
		}
	}
	return nil, false, nil
}

func concat(a, b []any) []any {
	out := make([]any, 0, len(a)+len(b))
	return append(append(out, a...), b...)
}

func (st *state) setDifference(a *value.Set, b any) (any, error) {
	y, ok := b.(*value.Set)
	if !ok {
		return nil, fail(Runtime, "unsupported operand type(s) for -: 'set' and '%s'", value.TypeName(b))
	}
	out := &value.Set{}
	for m := range a.All() {
		if !y.Has(m) {
			_ = out.Add(m)
		}
	}
	return out, st.charge(16 * a.Len())
}

// repeat is a sequence times an integer, either way round.
func (st *state) repeat(a, b any) (any, bool, error) {
	n, ok := toInt(b)
	if !ok {
		if n, ok = toInt(a); !ok {
			return nil, false, nil
		}
		a = b
	}
	n = max(n, 0)
	size := 0
	switch x := a.(type) {
	case string:
		size = len(x)
	case Markup:
		size = len(x)
	case *value.List:
		size = 16 * len(x.Items)
	case value.Tuple:
		size = 16 * len(x)
	default:
		return nil, false, nil
	}
	if size > 0 && n > st.limits.Memory/size {
		return nil, false, fail(Limit, "the template needs more than %d bytes of memory", st.limits.Memory)
	}
	if err := st.charge(size * n); err != nil {
		return nil, false, err
	}
	switch x := a.(type) {
	case string:
		return strings.Repeat(x, n), true, nil
	case Markup:
		return Markup(strings.Repeat(string(x), n)), true, nil
	case *value.List:
		return &value.List{Items: repeatItems(x.Items, n)}, true, nil
	default:
		return value.Tuple(repeatItems(a.(value.Tuple), n)), true, nil
	}
}

func repeatItems(items []any, n int) []any {
	out := make([]any, 0, len(items)*n)
	if len(items) == 0 {
		return out
	}
	for range n {
		out = append(out, items...)
	}
	return out
}

// percent is text % arguments.
func (st *state) percent(self any, format string, arg any) (any, error) {
	_, escaped := self.(Markup)
	arg, err := st.formatArgument(arg, escaped)
	if err != nil {
		return nil, err
	}
	s, err := value.Percent(format, arg)
	if err != nil {
		return nil, fail(Runtime, "%v", err)
	}
	if escaped {
		return Markup(s), st.charge(len(s))
	}
	return s, st.charge(len(s))
}

// formatArgument makes arguments of formats plain, and escapes texts for escaped formats.
func (st *state) formatArgument(v any, escaped bool) (any, error) {
	switch x := v.(type) {
	case value.Tuple:
		out := make(value.Tuple, len(x))
		for i, e := range x {
			var err error
			if out[i], err = st.formatArgument(e, escaped); err != nil {
				return nil, err
			}
		}
		return out, nil
	case string:
		if escaped {
			return string(escape(x)), nil
		}
	case Markup:
		return string(x), nil
	case textual:
		return x.text(st)
	case *undefined:
		return nil, x.err()
	}
	return v, nil
}

// equal is a == b; strict undefined values cannot be compared.
func (st *state) equal(a, b any) (bool, error) {
	ua, oka := a.(*undefined)
	ub, okb := b.(*undefined)
	switch {
	case oka && ua.strict:
		return false, ua.err()
	case okb && ub.strict:
		return false, ub.err()
	case oka || okb:
		return oka && okb, nil
	}
	var err error
	if t, ok := a.(textual); ok {
		if a, err = t.text(st); err != nil {
			return false, err
		}
	}
	if t, ok := b.(textual); ok {
		if b, err = t.text(st); err != nil {
			return false, err
		}
	}
	if n := size(a); n > 64 {
		if err := st.chargeSteps(n / 8); err != nil {
			return false, err
		}
	}
	return value.Equal(a, b), nil
}

// size is a rough measure of the work that looking at all of v takes.
func size(v any) int {
	switch x := v.(type) {
	case string:
		return len(x) / 8
	case *value.List:
		return len(x.Items) * 8
	case value.Tuple:
		return len(x) * 8
	case *value.Dict:
		return x.Len() * 16
	}
	return 1
}

// compare is a op b for the comparison operators.
func (st *state) compare(op string, a, b any) (bool, error) {
	switch op {
	case "==", "!=":
		eq, err := st.equal(a, b)
		return eq == (op == "=="), err
	case "in", "not in":
		in, err := st.contains(b, a)
		return in == (op == "in"), err
	}
	n, err := st.order(a, b, op)
	if err != nil || n == incomparable {
		return false, err
	}
	switch op {
	case "<":
		return n < 0, nil
	case "<=":
		return n <= 0, nil
	case ">":
		return n > 0, nil
	}
	return n >= 0, nil
}

const incomparable = 2

// order compares for sorting and for < <= > >=; NaN is incomparable.
func (st *state) order(a, b any, op string) (int, error) {
	if err := defined(a, false); err != nil {
		return 0, err
	}
	if err := defined(b, false); err != nil {
		return 0, err
	}
	if isNaN(a) || isNaN(b) {
		if value.IsNumber(a) && value.IsNumber(b) {
			return incomparable, nil
		}
	}
	pa, err := st.plainText(a)
	if err != nil {
		return 0, err
	}
	pb, err := st.plainText(b)
	if err != nil {
		return 0, err
	}
	n, err := value.Compare(pa, pb)
	if err != nil {
		return 0, fail(Runtime, "%s", strings.Replace(err.Error(), "'<'", "'"+op+"'", 1))
	}
	return n, st.chargeSteps(size(a) / 8)
}

func isNaN(v any) bool {
	f, ok := v.(float64)
	return ok && math.IsNaN(f)
}

// plainText turns escaped and fetched text into text and leaves the rest.
func (st *state) plainText(v any) (any, error) {
	switch x := v.(type) {
	case Markup:
		return string(x), nil
	case textual:
		return x.text(st)
	}
	return v, nil
}

// contains is item in container.
func (st *state) contains(container, item any) (bool, error) {
	switch x := container.(type) {
	case *undefined:
		if x.strict {
			return false, x.err()
		}
		return false, nil
	case *value.Dict:
		if err := defined(item, false); err != nil {
			return false, err
		}
		item, err := st.plainText(item)
		if err != nil {
			return false, err
		}
		if !value.Hashable(item) {
			return false, fail(Runtime, "unhashable type: '%s'", value.TypeName(item))
		}
		_, ok := x.Get(item)
		return ok, nil
	case *value.Set:
		return x.Has(item), defined(item, false)
	}
	if text, ok := st.asText(container); ok {
		sub, ok := st.asText(item)
		if !ok {
			if err := defined(item, false); err != nil {
				return false, err
			}
			return false, fail(Runtime, "'in <string>' requires string as left operand, not %s", value.TypeName(item))
		}
		return strings.Contains(text, sub), st.chargeSteps(len(text) / 64)
	}
	found := errors.New("found")
	if _, err := value.Iterate(container); err != nil {
		return false, fail(Runtime, "argument of type '%s' is not iterable", value.TypeName(container))
	}
	err := st.each(container, func(e any) error {
		eq, err := st.equal(e, item)
		if err == nil && eq {
			return found
		}
		return err
	})
	if err == found {
		return true, nil
	}
	return false, err
}

// sortError puts the name of a filter in front of a failed comparison.
func sortError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the items cannot be ordered: %w", err)
}
