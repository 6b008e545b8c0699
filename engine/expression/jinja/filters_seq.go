package jinja

import (
	"strings"

	"petrel/engine/expression/value"
)

// sequenceFilters work on lists, maps and other sequences.
func sequenceFilters() []*builtin {
	return []*builtin{
		define("list", "", func(c *call) (any, error) {
			items, err := c.st.items(c.self)
			return &value.List{Items: items}, err
		}),
		define("length", "", func(c *call) (any, error) {
			n, err := c.st.length(c.self)
			return int64(n), err
		}),
		define("first", "", func(c *call) (any, error) {
			next, err := c.st.pull(c.self)
			if err != nil {
				return nil, err
			}
			v, ok, err := next()
			if err == nil && !ok {
				v = c.st.noItem("No first item, sequence was empty.")
			}
			return v, err
		}),
		define("last", "", func(c *call) (any, error) {
			if _, ok := c.self.(*generator); ok {
				return nil, fail(Runtime, "'generator' object is not reversible: add | list")
			}
			items, err := c.st.items(c.self)
			if err != nil {
				return nil, err
			}
			if len(items) == 0 {
				return c.st.noItem("No last item, sequence was empty."), nil
			}
			return items[len(items)-1], nil
		}),
		define("join", "d attribute", joinFilter),
		define("batch", "linecount! fill_with", batchFilter),
		define("slice", "slices! fill_with", sliceFilter),
		define("reverse", "", reverseFilter),
		define("sort", "reverse case_sensitive attribute", sortFilter),
		define("unique", "case_sensitive attribute", uniqueFilter),
		define("min", "case_sensitive attribute", func(c *call) (any, error) { return extreme(c, "<") }),
		define("max", "case_sensitive attribute", func(c *call) (any, error) { return extreme(c, ">") }),
		define("sum", "attribute start", sumFilter),
		define("groupby", "attribute! default case_sensitive", groupBy),
		define("dictsort", "case_sensitive by reverse", dictSort),
		define("items", "?", func(c *call) (any, error) {
			if _, ok := isUndefined(c.self); ok {
				return eager(nil), nil
			}
			d, ok := c.self.(*value.Dict)
			if !ok {
				return nil, fail(Runtime, "can only get item pairs from a mapping, not %s", value.TypeName(c.self))
			}
			items, err := c.st.items(&view{"dict_items", d})
			return eager(items), err
		}),
		define("map", "*args **kw", mapFilter),
		define("select", "*args **kw", func(c *call) (any, error) { return selectFilter(c, false, true) }),
		define("reject", "*args **kw", func(c *call) (any, error) { return selectFilter(c, false, false) }),
		define("selectattr", "*args **kw", func(c *call) (any, error) { return selectFilter(c, true, true) }),
		define("rejectattr", "*args **kw", func(c *call) (any, error) { return selectFilter(c, true, false) }),
	}
}

func joinFilter(c *call) (any, error) {
	get, err := c.st.attrGetter(c.arg(1, nil), nil, false, false)
	if err != nil {
		return nil, err
	}
	sep := c.text(0, "")
	var b strings.Builder
	first := true
	err = c.st.each(c.self, func(item any) error {
		v, err := get(item)
		if err != nil {
			return err
		}
		s, err := c.st.text(v)
		if err != nil {
			return err
		}
		if !first {
			b.WriteString(sep)
		}
		first = false
		b.WriteString(s)
		return c.st.charge(len(s) + len(sep))
	})
	return b.String(), err
}

// fillWith is the filler of batch and slice; None means none.
func (c *call) fillWith(list []any, n int) ([]any, error) {
	if !c.given(1) {
		return list, nil
	}
	if err := c.st.charge(16 * max(0, n-len(list))); err != nil {
		return nil, err
	}
	for len(list) < n {
		list = append(list, c.args[1])
	}
	return list, nil
}

func batchFilter(c *call) (any, error) {
	n := c.int(0, 1)
	if n < 1 {
		return nil, fail(Runtime, "a batch must hold at least one item")
	}
	items, err := c.st.items(c.self)
	if err != nil {
		return nil, err
	}
	var out []any
	for len(items) > 0 {
		k := min(n, len(items))
		part := items[:k:k]
		if k < n {
			if part, err = c.fillWith(part, n); err != nil {
				return nil, err
			}
		}
		out = append(out, &value.List{Items: part})
		items = items[k:]
	}
	return eager(out), nil
}

func sliceFilter(c *call) (any, error) {
	n := c.int(0, 1)
	if n < 1 || n > maxRange {
		return nil, fail(Runtime, "the number of slices must be from 1 to %d", maxRange)
	}
	items, err := c.st.items(c.self)
	if err != nil {
		return nil, err
	}
	per, extra := len(items)/n, len(items)%n
	out := make([]any, n)
	for i := range out {
		k := per
		if i < extra {
			k++
		}
		part := items[:k:k]
		items = items[k:]
		if i >= extra && c.given(1) {
			part = append(part, c.args[1])
		}
		out[i] = &value.List{Items: part}
	}
	return eager(out), nil
}

func reverseFilter(c *call) (any, error) {
	if s, ok := c.st.asText(c.self); ok {
		r := []rune(s)
		for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
			r[i], r[j] = r[j], r[i]
		}
		return c.made(string(r))
	}
	items, err := c.st.items(c.self)
	if err != nil {
		return nil, err
	}
	for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
		items[i], items[j] = items[j], items[i]
	}
	return eager(items), nil
}

func sortFilter(c *call) (any, error) {
	fold := !c.bool(1, false)
	attribute := c.arg(2, nil)
	var key getter
	if name, ok := c.st.asText(attribute); ok && strings.Contains(name, ",") {
		var keys []getter
		for _, part := range strings.Split(name, ",") {
			k, err := c.st.attrGetter(part, nil, false, fold)
			if err != nil {
				return nil, err
			}
			keys = append(keys, k)
		}
		key = func(item any) (any, error) {
			l := make([]any, len(keys))
			for i, k := range keys {
				var err error
				if l[i], err = k(item); err != nil {
					return nil, err
				}
				if err := defined(l[i], false); err != nil {
					return nil, err
				}
			}
			return &value.List{Items: l}, nil
		}
	} else {
		var err error
		if key, err = c.st.attrGetter(attribute, nil, false, fold); err != nil {
			return nil, err
		}
	}
	items, err := c.st.items(c.self)
	if err != nil {
		return nil, err
	}
	items, err = c.st.sortItems(items, key, c.bool(0, false))
	return &value.List{Items: items}, err
}

func uniqueFilter(c *call) (any, error) {
	key, err := c.st.attrGetter(c.arg(1, nil), nil, false, !c.bool(0, false))
	if err != nil {
		return nil, err
	}
	seen := &value.Set{}
	return c.lazy(func(item any) (any, bool, error) {
		k, err := key(item)
		if err != nil {
			return nil, false, err
		}
		if err := defined(k, false); err != nil {
			return nil, false, err
		}
		before := seen.Len()
		if err := seen.Add(k); err != nil {
			return nil, false, err
		}
		return item, seen.Len() > before, c.st.charge(48)
	})
}

// extreme is min and max.
func extreme(c *call, op string) (any, error) {
	key, err := c.st.attrGetter(c.arg(1, nil), nil, false, !c.bool(0, false))
	if err != nil {
		return nil, err
	}
	var best, bestKey any
	found := false
	err = c.st.each(c.self, func(item any) error {
		k, err := key(item)
		if err != nil {
			return err
		}
		if !found {
			best, bestKey, found = item, k, true
			return nil
		}
		better, err := c.st.compare(op, k, bestKey)
		if err == nil && better {
			best, bestKey = item, k
		}
		return err
	})
	if err == nil && !found {
		return c.st.noItem("No aggregated item, sequence was empty."), nil
	}
	return best, err
}

func sumFilter(c *call) (any, error) {
	get, err := c.st.attrGetter(c.arg(0, nil), nil, false, false)
	if err != nil {
		return nil, err
	}
	total := c.arg(1, int64(0))
	if isString(total) {
		return nil, fail(Runtime, "sum() can't sum strings; use the filter join")
	}
	err = c.st.each(c.self, func(item any) error {
		v, err := get(item)
		if err != nil {
			return err
		}
		if err := defined(v, false); err != nil {
			return err
		}
		total, err = c.st.binary("+", total, v)
		return err
	})
	return total, err
}

func groupBy(c *call) (any, error) {
	fold := !c.bool(2, false)
	key, err := c.st.attrGetter(c.args[0], c.arg(1, nil), c.has(1), fold)
	if err != nil {
		return nil, err
	}
	plain, err := c.st.attrGetter(c.args[0], c.arg(1, nil), c.has(1), false)
	if err != nil {
		return nil, err
	}
	items, err := c.st.items(c.self)
	if err != nil {
		return nil, err
	}
	if items, err = c.st.sortItems(items, key, false); err != nil {
		return nil, err
	}
	out := &value.List{}
	var last *groupTuple
	var lastKey any
	for _, item := range items {
		k, err := key(item)
		if err != nil {
			return nil, err
		}
		same := false
		if last != nil {
			if same, err = c.st.equal(k, lastKey); err != nil {
				return nil, err
			}
		}
		if !same {
			shown, err := plain(item)
			if err != nil {
				return nil, err
			}
			last, lastKey = &groupTuple{shown, &value.List{}}, k
			out.Items = append(out.Items, last)
		}
		last.list.Items = append(last.list.Items, item)
	}
	return out, c.st.charge(32 * len(items))
}

func dictSort(c *call) (any, error) {
	pos := int64(0)
	switch by := c.str(1, "key"); by {
	case "key":
	case "value":
		pos = 1
	default:
		return nil, fail(Runtime, "you can only sort by either \"key\" or \"value\", not %s", value.Repr(by))
	}
	d, ok := c.self.(*value.Dict)
	if !ok {
		return nil, fail(Runtime, "'%s' object has no attribute 'items'", value.TypeName(c.self))
	}
	key, err := c.st.attrGetter(pos, nil, false, !c.bool(0, false))
	if err != nil {
		return nil, err
	}
	items, err := c.st.items(&view{"dict_items", d})
	if err != nil {
		return nil, err
	}
	items, err = c.st.sortItems(items, key, c.bool(2, false))
	return &value.List{Items: items}, err
}

// orEmpty makes whatever counts as false an empty sequence, as map and select do.
func (c *call) orEmpty() error {
	ok, err := c.st.truth(c.self)
	if err == nil && !ok {
		c.self = &value.List{}
	}
	return err
}

func mapFilter(c *call) (any, error) {
	if err := c.orEmpty(); err != nil {
		return nil, err
	}
	if len(c.rest) == 0 {
		var attribute, def any
		hasDef := false
		for _, k := range c.kw {
			switch k.name {
			case "attribute":
				attribute = k.val
			case "default":
				def, hasDef = k.val, true
			default:
				return nil, fail(Runtime, "map() got an unexpected keyword argument '%s'", k.name)
			}
		}
		if attribute == nil {
			return nil, fail(Runtime, "map requires a filter argument")
		}
		get, err := c.st.attrGetter(attribute, def, hasDef, false)
		if err != nil {
			return nil, err
		}
		return c.lazy(func(item any) (any, bool, error) { v, err := get(item); return v, true, err })
	}
	f, err := c.builtinArg(c.rest[0], "filter", c.st.env.filters)
	if err != nil {
		return nil, err
	}
	args, kw := c.rest[1:], c.kw
	return c.lazy(func(item any) (any, bool, error) {
		v, err := f.invokeOn(c.st, item, args, kw)
		return v, true, err
	})
}

// builtinArg finds the filter or test that an argument names.
func (c *call) builtinArg(v any, what string, table map[string]*builtin) (*builtin, error) {
	name, ok := c.st.asText(v)
	if !ok {
		return nil, fail(Runtime, "the name of a %s must be text, not %s", what, value.TypeName(v))
	}
	if b := table[name]; b != nil {
		return b, nil
	}
	return nil, c.st.env.unknown(what, name, table, -1)
}

func selectFilter(c *call, byAttr, keep bool) (any, error) {
	if err := c.orEmpty(); err != nil {
		return nil, err
	}
	get := func(item any) (any, error) { return item, nil }
	rest := c.rest
	if byAttr {
		if len(rest) == 0 {
			return nil, fail(Runtime, "missing parameter for attribute name")
		}
		var err error
		if get, err = c.st.attrGetter(rest[0], nil, false, false); err != nil {
			return nil, err
		}
		rest = rest[1:]
	}
	test := func(v any) (bool, error) { return c.st.truth(v) }
	if len(rest) > 0 {
		b, err := c.builtinArg(rest[0], "test", c.st.env.tests)
		if err != nil {
			return nil, err
		}
		args, kw := rest[1:], c.kw
		test = func(v any) (bool, error) {
			r, err := b.invokeOn(c.st, v, args, kw)
			if err != nil {
				return false, err
			}
			return c.st.truth(r)
		}
	}
	return c.lazy(func(item any) (any, bool, error) {
		v, err := get(item)
		if err != nil {
			return nil, false, err
		}
		ok, err := test(v)
		return item, ok == keep, err
	})
}
