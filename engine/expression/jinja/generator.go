package jinja

import (
	"errors"
	"iter"
	"sort"
	"strconv"
	"strings"

	"petrel/engine/expression/value"
)

// generator is a one-pass sequence, made by the lazy filters.
type generator struct {
	name string
	next puller
}

func (g *generator) TypeName() string { return "generator" }

// Repr spells it much as Python does, without an address.
func (g *generator) Repr() string { return "<generator object " + g.name + ">" }

// Iterate takes what is left; a failure ends it. The engine itself uses next, which reports failures.
func (g *generator) Iterate() iter.Seq[any] {
	return func(yield func(any) bool) {
		for {
			v, ok, err := g.next()
			if err != nil || !ok || !yield(v) {
				return
			}
		}
	}
}

// Plain is the list of what is left.
func (g *generator) Plain() (any, error) {
	l := &value.List{}
	for {
		v, ok, err := g.next()
		if err != nil || !ok {
			return l, err
		}
		l.Items = append(l.Items, v)
	}
}

// lazy makes a generator that maps the items of the value; keep=false drops one.
func (c *call) lazy(f func(item any) (v any, keep bool, err error)) (any, error) {
	st := c.st
	next, err := st.pull(c.self)
	if err != nil {
		return nil, err
	}
	return &generator{"map", func() (any, bool, error) {
		for {
			item, ok, err := next()
			if err != nil || !ok {
				return nil, false, err
			}
			if err := st.step(); err != nil {
				return nil, false, err
			}
			v, keep, err := f(item)
			if err != nil {
				return nil, false, err
			}
			if keep {
				return v, true, nil
			}
		}
	}}, nil
}

// eager makes a generator of items that are known already.
func eager(items []any) *generator { return &generator{"items", sliceNext(items)} }

// getter fetches an attribute of an item.
type getter func(item any) (any, error)

// attrGetter follows a dotted path of keys, attributes and positions; def, when
// given, replaces what is undefined. A nil attribute gives the item itself.
func (st *state) attrGetter(attribute, def any, hasDef, fold bool) (getter, error) {
	post := func(v any) (any, error) { return v, nil }
	if fold {
		post = st.foldCase
	}
	var path []any
	switch x := attribute.(type) {
	case nil:
		return post, nil
	case int64:
		path = []any{x}
	default:
		name, ok := st.asText(attribute)
		if !ok {
			if err := defined(attribute, false); err != nil {
				return nil, err
			}
			return nil, fail(Runtime, "an attribute must be text or an integer, not %s", value.TypeName(attribute))
		}
		for _, part := range strings.Split(name, ".") {
			if n, err := strconv.ParseInt(part, 10, 64); err == nil && isDigit(part[0]) {
				path = append(path, n)
			} else {
				path = append(path, part)
			}
		}
	}
	return func(item any) (any, error) {
		for _, part := range path {
			var err error
			if item, err = st.getItem(item, part, -1); err != nil {
				return nil, err
			}
			if _, u := isUndefined(item); u && hasDef && def != nil {
				item = def
			}
		}
		return post(item)
	}, nil
}

// foldCase makes text lower case, for comparisons that ignore case.
func (st *state) foldCase(v any) (any, error) {
	if s, ok := st.asText(v); ok {
		return strings.ToLower(s), st.charge(len(s))
	}
	return v, nil
}

// sortItems sorts a copy of items by a key, stably, also in reverse.
func (st *state) sortItems(items []any, key getter, reverse bool) ([]any, error) {
	type pair struct{ key, item any }
	pairs := make([]pair, len(items))
	for i, item := range items {
		k, err := key(item)
		if err != nil {
			return nil, err
		}
		pairs[i] = pair{k, item}
	}
	if err := st.charge(48 * len(items)); err != nil {
		return nil, err
	}
	var failed error
	sort.SliceStable(pairs, func(i, j int) bool {
		if failed != nil {
			return false
		}
		n, err := st.order(pairs[i].key, pairs[j].key, "<")
		if err == nil {
			err = st.step()
		}
		if failed = err; reverse {
			return n > 0 && n != incomparable
		}
		return n < 0
	})
	if failed != nil {
		var e *Error
		if errors.As(failed, &e) {
			return nil, failed
		}
		return nil, sortError(failed)
	}
	out := make([]any, len(pairs))
	for i, p := range pairs {
		out[i] = p.item
	}
	return out, nil
}

// groupTuple is what groupby gives for a group: a pair that also has names.
type groupTuple struct {
	grouper any
	list    *value.List
}

func (g *groupTuple) TypeName() string { return "_GroupTuple" }

func (g *groupTuple) tuple() value.Tuple { return value.Tuple{g.grouper, g.list} }

// Repr is that of the pair.
func (g *groupTuple) Repr() string { return value.Repr(g.tuple()) }

// Len is two.
func (g *groupTuple) Len() int { return 2 }

// Iterate goes over the pair.
func (g *groupTuple) Iterate() iter.Seq[any] {
	return func(yield func(any) bool) { _ = yield(g.grouper) && yield(g.list) }
}

// Plain is the pair.
func (g *groupTuple) Plain() (any, error) { return g.tuple(), nil }

func (g *groupTuple) getAttr(_ *state, name string, _ int) (any, bool, error) {
	switch name {
	case "grouper":
		return g.grouper, true, nil
	case "list":
		return g.list, true, nil
	}
	return nil, false, nil
}

func (g *groupTuple) getItem(_ *state, key any) (any, bool, error) {
	i, ok := toInt(key)
	if !ok {
		return nil, false, nil
	}
	v, ok := itemAt(g.tuple(), i)
	return v, ok, nil
}
