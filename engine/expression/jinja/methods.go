package jinja

import (
	"iter"
	"time"

	"github.com/ncruces/go-strftime"

	"petrel/engine/expression/value"
)

func (c *call) selfDict() *value.Dict { return c.self.(*value.Dict) }

func (c *call) selfList() *value.List { return c.self.(*value.List) }

// key is an argument used as a dictionary key.
func (c *call) key(i int) any {
	k, err := c.st.plainText(c.args[i])
	c.note(err)
	c.note(defined(k, false))
	return k
}

func dictMethods() map[string]*builtin {
	return table(
		define("items", "", func(c *call) (any, error) { return &view{"dict_items", c.selfDict()}, nil }),
		define("keys", "", func(c *call) (any, error) { return &view{"dict_keys", c.selfDict()}, nil }),
		define("values", "", func(c *call) (any, error) { return &view{"dict_values", c.selfDict()}, nil }),
		define("get", "key! default", func(c *call) (any, error) {
			if v, ok := c.selfDict().Get(c.key(0)); ok {
				return v, nil
			}
			if !value.Hashable(c.key(0)) {
				return nil, fail(Runtime, "unhashable type: '%s'", value.TypeName(c.args[0]))
			}
			return c.arg(1, nil), nil
		}),
		define("pop", "key! default", func(c *call) (any, error) {
			d, k := c.selfDict(), c.key(0)
			if v, ok := d.Get(k); ok {
				d.Delete(k)
				return v, c.st.chargeSteps(d.Len() / 16)
			}
			if c.has(1) {
				return c.args[1], nil
			}
			return nil, fail(Runtime, "KeyError: %s", value.Repr(k))
		}),
		define("popitem", "", func(c *call) (any, error) {
			d := c.selfDict()
			if d.Len() == 0 {
				return nil, fail(Runtime, "popitem(): dictionary is empty")
			}
			k, v := d.At(d.Len() - 1)
			d.Delete(k)
			return value.Tuple{k, v}, nil
		}),
		define("setdefault", "key! default", func(c *call) (any, error) {
			d, k := c.selfDict(), c.key(0)
			if v, ok := d.Get(k); ok {
				return v, nil
			}
			v := c.arg(1, nil)
			return v, c.st.setKey(d, k, v)
		}),
		define("update", "other **kw", dictUpdate),
		define("copy", "", func(c *call) (any, error) {
			return c.selfDict().Copy(), c.st.charge(48 * c.selfDict().Len())
		}),
		define("clear", "", func(c *call) (any, error) { c.selfDict().Clear(); return nil, nil }),
		define("fromkeys", "keys! default", func(c *call) (any, error) {
			out := value.NewDict(0)
			err := c.st.each(c.args[0], func(k any) error { return c.st.setKey(out, k, c.arg(1, nil)) })
			return out, err
		}),
	)
}

func dictUpdate(c *call) (any, error) {
	if c.has(0) {
		if err := c.st.fill(c.selfDict(), c.args[0]); err != nil {
			return nil, err
		}
	}
	for _, k := range c.kw {
		if err := c.st.setKey(c.selfDict(), k.name, k.val); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// fill stores the entries of a dictionary, or of a sequence of pairs.
func (st *state) fill(d *value.Dict, from any) error {
	if m, ok := from.(*value.Dict); ok {
		for k, v := range m.All() {
			if err := st.setKey(d, k, v); err != nil {
				return err
			}
			if err := st.step(); err != nil {
				return err
			}
		}
		return nil
	}
	i := 0
	return st.each(from, func(item any) error {
		pair, err := st.items(item)
		if err != nil {
			return err
		}
		if len(pair) != 2 {
			return fail(Runtime, "dictionary update sequence element #%d has length %d; 2 is required", i, len(pair))
		}
		i++
		return st.setKey(d, pair[0], pair[1])
	})
}

// view is what keys(), values() and items() of a dictionary give.
type view struct {
	kind string
	dict *value.Dict
}

func (v *view) TypeName() string { return v.kind }

// Len is that of the dictionary.
func (v *view) Len() int { return v.dict.Len() }

// Iterate goes over keys, values or pairs.
func (v *view) Iterate() iter.Seq[any] {
	return func(yield func(any) bool) {
		for k, e := range v.dict.All() {
			var item any
			switch v.kind {
			case "dict_keys":
				item = k
			case "dict_values":
				item = e
			default:
				item = value.Tuple{k, e}
			}
			if !yield(item) {
				return
			}
		}
	}
}

func (v *view) list() *value.List {
	l := &value.List{Items: make([]any, 0, v.dict.Len())}
	for item := range v.Iterate() {
		l.Items = append(l.Items, item)
	}
	return l
}

// Repr spells it dict_keys([...]).
func (v *view) Repr() string { return v.kind + "(" + value.Repr(v.list()) + ")" }

// Plain is a list.
func (v *view) Plain() (any, error) { return v.list(), nil }

func listMethods() map[string]*builtin {
	return table(
		define("append", "item!", func(c *call) (any, error) {
			l := c.selfList()
			l.Items = append(l.Items, c.args[0])
			return nil, c.st.charge(16)
		}),
		define("extend", "items!", func(c *call) (any, error) {
			items, err := c.st.items(c.args[0])
			if err == nil {
				l := c.selfList()
				l.Items = append(l.Items, items...)
			}
			return nil, err
		}),
		define("insert", "index! item!", func(c *call) (any, error) {
			l, i := c.selfList(), c.int(0, 0)
			if i < 0 {
				i += len(l.Items)
			}
			i = max(0, min(i, len(l.Items)))
			l.Items = append(l.Items, nil)
			copy(l.Items[i+1:], l.Items[i:])
			l.Items[i] = c.args[1]
			if err := c.st.charge(16); err != nil {
				return nil, err
			}
			return nil, c.st.chargeSteps(len(l.Items) / 64)
		}),
		define("pop", "index", func(c *call) (any, error) {
			l, i := c.selfList(), c.int(0, -1)
			if i < 0 {
				i += len(l.Items)
			}
			if i < 0 || i >= len(l.Items) {
				return nil, fail(Runtime, "pop index out of range")
			}
			v := l.Items[i]
			l.Items = append(l.Items[:i], l.Items[i+1:]...)
			return v, c.st.chargeSteps(len(l.Items) / 64)
		}),
		define("remove", "item!", func(c *call) (any, error) {
			l := c.selfList()
			i, err := c.find(l.Items, 0, len(l.Items))
			if err != nil {
				return nil, err
			}
			if i < 0 {
				return nil, fail(Runtime, "list.remove(x): x not in list")
			}
			l.Items = append(l.Items[:i], l.Items[i+1:]...)
			return nil, nil
		}),
		define("index", "item! start end", func(c *call) (any, error) { return c.sequenceIndex(c.selfList().Items) }),
		define("count", "item!", func(c *call) (any, error) { return c.sequenceCount(c.selfList().Items) }),
		define("reverse", "", func(c *call) (any, error) {
			items := c.selfList().Items
			for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
				items[i], items[j] = items[j], items[i]
			}
			return nil, c.st.chargeSteps(len(items))
		}),
		define("sort", "key reverse", func(c *call) (any, error) {
			l := c.selfList()
			if c.given(0) {
				return nil, fail(Runtime, "sort() with a key is not available; use the filter sort(attribute=...)")
			}
			sorted, err := c.st.sortItems(l.Items, func(v any) (any, error) { return v, nil }, c.bool(1, false))
			if err == nil {
				l.Items = sorted
			}
			return nil, err
		}),
		define("copy", "", func(c *call) (any, error) {
			items, err := c.st.items(c.self)
			return &value.List{Items: items}, err
		}),
		define("clear", "", func(c *call) (any, error) { c.selfList().Items = nil; return nil, nil }),
	)
}

// find gives the place of the first argument among items[start:end], -1 when it is not there.
func (c *call) find(items []any, start, end int) (int, error) {
	for i := start; i < end; i++ {
		eq, err := c.st.equal(items[i], c.args[0])
		if err != nil {
			return -1, err
		}
		if eq {
			return i, c.st.chargeSteps(i - start)
		}
	}
	return -1, c.st.chargeSteps(end - start)
}

func (c *call) sequenceIndex(items []any) (any, error) {
	n := len(items)
	bound := func(i, def int) int {
		b := c.int(i, def)
		if b < 0 {
			b += n
		}
		return max(0, min(b, n))
	}
	i, err := c.find(items, bound(1, 0), bound(2, n))
	if err == nil && i < 0 {
		err = fail(Runtime, "%s is not in list", value.Repr(c.args[0]))
	}
	return int64(i), err
}

func (c *call) sequenceCount(items []any) (any, error) {
	n := 0
	for _, v := range items {
		eq, err := c.st.equal(v, c.args[0])
		if err != nil {
			return nil, err
		}
		if eq {
			n++
		}
	}
	return int64(n), c.st.chargeSteps(len(items))
}

func tupleMethods() map[string]*builtin {
	return table(
		define("index", "item! start end", func(c *call) (any, error) { return c.sequenceIndex(c.self.(value.Tuple)) }),
		define("count", "item!", func(c *call) (any, error) { return c.sequenceCount(c.self.(value.Tuple)) }),
	)
}

func setMethods() map[string]*builtin {
	set := func(c *call, v any) (*value.Set, error) {
		if s, ok := v.(*value.Set); ok {
			return s, nil
		}
		items, err := c.st.items(v)
		if err != nil {
			return nil, err
		}
		return value.NewSet(items...)
	}
	pick := func(name string, keepA func(in bool) bool, addB bool) *builtin {
		return define(name, "other!", func(c *call) (any, error) {
			a := c.self.(*value.Set)
			b, err := set(c, c.args[0])
			if err != nil {
				return nil, err
			}
			out := &value.Set{}
			for m := range a.All() {
				if keepA(b.Has(m)) {
					_ = out.Add(m)
				}
			}
			for m := range b.All() {
				if addB {
					_ = out.Add(m)
				}
			}
			return out, c.st.charge(48 * (a.Len() + b.Len()))
		})
	}
	return table(
		pick("union", func(bool) bool { return true }, true), pick("intersection", func(in bool) bool { return in }, false),
		pick("difference", func(in bool) bool { return !in }, false),
		define("add", "item!", func(c *call) (any, error) {
			if err := c.st.charge(48); err != nil {
				return nil, err
			}
			return nil, c.self.(*value.Set).Add(c.key(0))
		}),
	)
}

func datetimeMethods() map[string]*builtin {
	moment := func(v any) time.Time {
		if d, ok := v.(value.Date); ok {
			return d.Time
		}
		return v.(time.Time)
	}
	return table(
		define("strftime", "format!", func(c *call) (any, error) {
			return c.made(strftime.Format(c.str(0, ""), moment(c.self)))
		}),
		define("isoformat", "sep", func(c *call) (any, error) {
			if _, ok := c.self.(value.Date); ok {
				return value.Str(c.self), nil
			}
			return value.ISOFormat(moment(c.self)), nil
		}),
		define("timestamp", "", func(c *call) (any, error) {
			return float64(moment(c.self).UnixMicro()) / 1e6, nil
		}),
		define("weekday", "", func(c *call) (any, error) {
			return int64(moment(c.self).Weekday()+6) % 7, nil
		}),
		define("isoweekday", "", func(c *call) (any, error) {
			return int64(moment(c.self).Weekday()+6)%7 + 1, nil
		}),
	)
}
