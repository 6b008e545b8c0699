package jinja

import (
	"math/big"
	"strings"
	"time"
	"unicode/utf8"

	"petrel/engine/expression/value"
)

// methodTables are the methods of the Python types.
type methodTables struct {
	str, markup, dict, list, tuple, set, bytes, datetime map[string]*builtin
}

// of gives the methods of a value, nil when it has none.
func (m *methodTables) of(v any) map[string]*builtin {
	switch v.(type) {
	case string:
		return m.str
	case Markup:
		return m.markup
	case *value.Dict:
		return m.dict
	case *value.List:
		return m.list
	case value.Tuple:
		return m.tuple
	case *value.Set:
		return m.set
	case value.Bytes:
		return m.bytes
	case time.Time, value.Date:
		return m.datetime
	}
	return nil
}

// isDunder tells whether a name is one of Python's __special__ attributes, which every object has.
func isDunder(name string) bool {
	return len(name) > 4 && strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__")
}

// getAttr is obj.name: attributes and methods first, then the key.
func (st *state) getAttr(obj any, name string, pos int) (any, error) {
	if d, ok := obj.(*value.Dict); ok {
		if m, ok := st.env.methods.dict[name]; ok {
			return &boundMethod{m, d}, nil
		}
		if isDunder(name) {
			return st.unsafe(obj, name, pos), nil
		}
		if v, ok := d.GetString(name); ok {
			return v, nil
		}
		return st.missingIn(obj, name, pos), nil
	}
	if err := defined(obj, false); err != nil {
		return nil, err
	}
	v, ok, err := st.attribute(obj, name, pos)
	if ok || err != nil {
		return v, err
	}
	return st.missingIn(obj, name, pos), nil
}

// attribute finds a true attribute of a value, not a key.
func (st *state) attribute(obj any, name string, pos int) (any, bool, error) {
	if strings.HasPrefix(name, "_") {
		if _, lookup := obj.(*stored); !lookup || isDunder(name) {
			return st.unsafe(obj, name, pos), true, nil
		}
	}
	if m, ok := st.env.methods.of(obj)[name]; ok {
		return &boundMethod{m, obj}, true, nil
	}
	switch x := obj.(type) {
	case attributed:
		return x.getAttr(st, name, pos)
	case time.Time:
		v, ok := timeAttr(x, name)
		return v, ok, nil
	case value.Date:
		switch name {
		case "year", "month", "day":
			v, ok := timeAttr(x.Time, name)
			return v, ok, nil
		}
	case int64, *big.Int, bool:
		if name == "real" || name == "numerator" {
			n, _ := value.BigInt(x)
			return value.NormInt(n), true, nil
		}
	case float64:
		if name == "real" {
			return x, true, nil
		}
	}
	return nil, false, nil
}

func timeAttr(t time.Time, name string) (any, bool) {
	switch name {
	case "year":
		return int64(t.Year()), true
	case "month":
		return int64(t.Month()), true
	case "day":
		return int64(t.Day()), true
	case "hour":
		return int64(t.Hour()), true
	case "minute":
		return int64(t.Minute()), true
	case "second":
		return int64(t.Second()), true
	case "microsecond":
		return int64(t.Nanosecond() / 1000), true
	}
	return nil, false
}

// unsafe is what the sandbox gives for an attribute that it refuses.
func (st *state) unsafe(obj any, name string, pos int) any {
	return &undefined{
		obj: obj, hasObj: true, name: name, strict: true, kind: Security, st: st, pos: pos,
		hint: "access to attribute " + value.Repr(name) + " of " + value.Repr(value.TypeName(obj)) + " object is unsafe",
	}
}

// getItem is obj[key]: the key or position first, then the attribute.
func (st *state) getItem(obj, key any, pos int) (any, error) {
	if err := defined(obj, false); err != nil {
		return nil, err
	}
	if m, ok := key.(Markup); ok {
		key = string(m)
	}
	if v, ok, err := st.item(obj, key); ok || err != nil {
		return v, err
	}
	if err := defined(key, true); err != nil {
		return nil, err
	}
	if name, ok := key.(string); ok {
		v, found, err := st.attribute(obj, name, pos)
		if err != nil || found {
			return v, err
		}
	}
	return st.missingIn(obj, key, pos), nil
}

// indexed is a private value with items of its own.
type indexed interface {
	getItem(st *state, key any) (any, bool, error)
}

func (st *state) item(obj, key any) (any, bool, error) {
	switch x := obj.(type) {
	case *value.Dict:
		v, ok := x.Get(key)
		return v, ok, nil
	case indexed:
		return x.getItem(st, key)
	}
	i, ok := toInt(key)
	if !ok {
		return nil, false, nil
	}
	switch x := obj.(type) {
	case *value.List:
		v, ok := itemAt(x.Items, i)
		return v, ok, nil
	case value.Tuple:
		v, ok := itemAt(x, i)
		return v, ok, nil
	case string:
		return charAt(x, i)
	case Markup:
		c, ok, err := charAt(string(x), i)
		if ok {
			c = Markup(c.(string))
		}
		return c, ok, err
	}
	return nil, false, nil
}

func itemAt(items []any, i int) (any, bool) {
	if i < 0 {
		i += len(items)
	}
	if i < 0 || i >= len(items) {
		return nil, false
	}
	return items[i], true
}

func charAt(s string, i int) (any, bool, error) {
	n := utf8.RuneCountInString(s)
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return nil, false, nil
	}
	return value.Substr(s, i, i+1), true, nil
}

// slice is obj[start:stop:step].
func (st *state) slice(obj any, s *sliceExpr) (any, error) {
	if err := defined(obj, false); err != nil {
		return nil, err
	}
	var bounds [3]*int
	for i, x := range []expr{s.start, s.stop, s.step} {
		if x == nil {
			continue
		}
		v, err := x.eval(st)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		n, ok := toInt(v)
		if !ok {
			if err := defined(v, false); err != nil {
				return nil, err
			}
			return nil, fail(Runtime, "slice indices must be integers or None, not %s", value.TypeName(v))
		}
		bounds[i] = &n
	}
	if bounds[2] != nil && *bounds[2] == 0 {
		return nil, fail(Runtime, "slice step cannot be zero")
	}
	switch x := obj.(type) {
	case *value.List:
		items, err := st.sliced(x.Items, bounds)
		return &value.List{Items: items}, err
	case value.Tuple:
		items, err := st.sliced(x, bounds)
		return value.Tuple(items), err
	case *rangeValue:
		start, step, count := sliceBounds(x.n, bounds)
		return &rangeValue{start: x.start + start*x.step, stop: x.start + (start+count*step)*x.step, step: x.step * step, n: count}, nil
	}
	if b, ok := obj.(value.Bytes); ok {
		start, step, count := sliceBounds(len(b), bounds)
		out := make([]byte, count)
		for i := range out {
			out[i] = b[start+i*step]
		}
		return value.Bytes(out), st.charge(count)
	}
	if t, ok := st.asText(obj); ok {
		part, err := st.slicedText(t, bounds)
		if _, escaped := obj.(Markup); escaped {
			return Markup(part), err
		}
		return part, err
	}
	return st.missingIn(obj, "slice", int(s.pos)), nil
}

// sliceBounds gives first index, step and number of items.
func sliceBounds(n int, b [3]*int) (start, step, count int) {
	step = 1
	if b[2] != nil {
		step = max(min(*b[2], 1<<40), -1<<40)
	}
	low, high := 0, n
	if step < 0 {
		low, high = -1, n-1
	}
	clamp := func(p *int, def int) int {
		if p == nil {
			return def
		}
		i := *p
		if i < 0 {
			i += n
		}
		return max(low, min(i, high))
	}
	if step > 0 {
		start = clamp(b[0], 0)
		stop := clamp(b[1], n)
		count = (stop - start + step - 1) / step
	} else {
		start = clamp(b[0], n-1)
		stop := clamp(b[1], -1)
		count = (start - stop - step - 1) / -step
	}
	return start, step, max(0, count)
}

func (st *state) sliced(items []any, b [3]*int) ([]any, error) {
	start, step, count := sliceBounds(len(items), b)
	if err := st.charge(16 * count); err != nil {
		return nil, err
	}
	out := make([]any, count)
	for i := range out {
		out[i] = items[start+i*step]
	}
	return out, st.chargeSteps(count)
}

func (st *state) slicedText(t string, b [3]*int) (string, error) {
	n := utf8.RuneCountInString(t)
	start, step, count := sliceBounds(n, b)
	if err := st.charge(count); err != nil {
		return "", err
	}
	if step == 1 {
		return value.Substr(t, start, start+count), nil
	}
	runes := []rune(t)
	out := make([]rune, count)
	for i := range out {
		out[i] = runes[start+i*step]
	}
	return string(out), st.chargeSteps(count)
}
