// Package jsonpath looks values up by path, in the dialect of jsonpath-rw that
// StackStorm uses for rule criteria and for jsonpath_query.
//
// Steps: .name  ['any text']  [index]  [from:to:step]  [*]  .*  ..name  `this`
// `parent`  a|b  (a where b); a leading $ is optional. Bare names are
// [A-Za-z_@][A-Za-z0-9_@-]*; everything else is quoted.
//
// The package knows values and paths only, nothing of rules or templates.
package jsonpath

import (
	"fmt"

	"petrel/engine/expression/value"
)

// Path is a compiled path. It is immutable and safe for concurrent use.
type Path struct {
	source string
	steps  []step
	fields []string // set when the path is nothing but names: the common case, looked up without allocation
}

// Compile parses a path; the error names the place that is wrong.
func Compile(path string) (*Path, error) {
	p := parser{src: path}
	steps, err := p.parse()
	if err != nil {
		return nil, err
	}
	c := &Path{source: path, steps: steps}
	for _, s := range steps {
		names, ok := s.(names)
		if !ok || len(names) != 1 {
			c.fields = nil
			break
		}
		c.fields = append(c.fields, names[0])
	}
	return c, nil
}

// String gives the path as it was written.
func (p *Path) String() string { return p.source }

// First gives the first match, ok=false when there is none. An index into
// something that has no items is an error, as in jsonpath-rw.
func (p *Path) First(v any) (match any, ok bool, err error) {
	if p.fields != nil {
		for _, f := range p.fields {
			d, isDict := v.(*value.Dict)
			if !isDict {
				return nil, false, nil
			}
			if v, isDict = d.GetString(f); !isDict {
				return nil, false, nil
			}
		}
		return v, true, nil
	}
	found, err := p.find(v)
	if err != nil || len(found) == 0 {
		return nil, false, err
	}
	return found[0].v, true, nil
}

// All gives every match in document order; no match is an empty slice.
func (p *Path) All(v any) ([]any, error) {
	found, err := p.find(v)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(found))
	for i, d := range found {
		out[i] = d.v
	}
	return out, nil
}

func (p *Path) find(v any) ([]*datum, error) {
	found, err := run(p.steps, &datum{v: v})
	if err != nil {
		return nil, fmt.Errorf("path %q: %w", p.source, err)
	}
	return found, nil
}

// maxMatches bounds what one path may collect: descents and unions can multiply.
const maxMatches = 1_000_000

// maxDescent bounds the depth of values that a descent (..) walks.
const maxDescent = 1000

// datum is a match with the value it was found in, for `parent`.
type datum struct {
	v  any
	up *datum
}

// step finds the matches of one part of a path below a value.
type step interface {
	find(d *datum) ([]*datum, error)
}

func run(steps []step, d *datum) ([]*datum, error) {
	found := []*datum{d}
	for _, s := range steps {
		var next []*datum
		for _, f := range found {
			more, err := s.find(f)
			if err != nil {
				return nil, err
			}
			next = append(next, more...)
			if len(next) > maxMatches {
				return nil, fmt.Errorf("more than %d matches", maxMatches)
			}
		}
		found = next
	}
	return found, nil
}

type (
	names    []string            // .a  ['a','b']
	wildcard struct{}            // .*
	index    int                 // [2]
	slice    struct{ a [3]*int } // [1:2], [*]
	descent  struct{ right step }
	union    struct{ a, b step }
	where    struct{ a, b step }
	group    []step // a path in parentheses
	parent   struct{}
	this     struct{}
)

func (s names) find(d *datum) ([]*datum, error) {
	dict, ok := d.v.(*value.Dict)
	if !ok {
		return nil, nil
	}
	var out []*datum
	for _, n := range s {
		if v, ok := dict.GetString(n); ok {
			out = append(out, &datum{v, d})
		}
	}
	return out, nil
}

func (wildcard) find(d *datum) ([]*datum, error) {
	dict, ok := d.v.(*value.Dict)
	if !ok {
		return nil, nil
	}
	out := make([]*datum, 0, dict.Len())
	for _, v := range dict.All() {
		out = append(out, &datum{v, d})
	}
	return out, nil
}

func (s index) find(d *datum) ([]*datum, error) {
	items, ok := itemsOf(d.v)
	if !ok {
		return nil, fmt.Errorf("[%d] needs a list, not %s", int(s), value.TypeName(d.v))
	}
	i := int(s)
	if i < 0 {
		i += len(items)
	}
	if i < 0 || i >= len(items) {
		return nil, nil
	}
	return []*datum{{items[i], d}}, nil
}

// itemsOf gives what an index counts: items of a list, characters of a text.
func itemsOf(v any) ([]any, bool) {
	switch x := v.(type) {
	case *value.List:
		return x.Items, true
	case value.Tuple:
		return x, true
	case string:
		var out []any
		for _, r := range x {
			out = append(out, string(r))
		}
		return out, true
	}
	return nil, false
}

func (s slice) find(d *datum) ([]*datum, error) {
	var items []any
	switch x := d.v.(type) {
	case *value.List:
		items = x.Items
	case value.Tuple:
		items = x
	case nil:
		return nil, fmt.Errorf("a slice needs a list, not NoneType")
	default: // the dialect takes a single value for a list of one
		items = []any{d.v}
	}
	var out []*datum
	from, to, step := s.bounds(len(items))
	for i := from; (step > 0 && i < to) || (step < 0 && i > to); i += step {
		out = append(out, &datum{items[i], d})
	}
	return out, nil
}

// bounds resolves the slice against n items as Python does.
func (s slice) bounds(n int) (from, to, step int) {
	step = 1
	if s.a[2] != nil {
		step = *s.a[2]
	}
	low, high := 0, n
	from, to = 0, n
	if step < 0 {
		low, high = -1, n-1
		from, to = n-1, -1
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
	return clamp(s.a[0], from), clamp(s.a[1], to), step
}

func (s descent) find(d *datum) ([]*datum, error) {
	var out []*datum
	var walk func(d *datum, depth int) error
	walk = func(d *datum, depth int) error {
		if depth > maxDescent {
			return fmt.Errorf("the value is nested deeper than %d", maxDescent)
		}
		// An index below a descent meets values that have no items: no match there.
		if more, err := s.right.find(d); err == nil {
			out = append(out, more...)
		}
		if len(out) > maxMatches {
			return fmt.Errorf("more than %d matches", maxMatches)
		}
		switch x := d.v.(type) {
		case *value.Dict:
			for _, v := range x.All() {
				if err := walk(&datum{v, d}, depth+1); err != nil {
					return err
				}
			}
		case *value.List:
			for _, v := range x.Items {
				if err := walk(&datum{v, d}, depth+1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := walk(d, 0); err != nil {
		return nil, err
	}
	return out, nil
}

func (s union) find(d *datum) ([]*datum, error) {
	a, err := s.a.find(d)
	if err != nil {
		return nil, err
	}
	b, err := s.b.find(d)
	return append(a, b...), err
}

func (s where) find(d *datum) ([]*datum, error) {
	all, err := s.a.find(d)
	if err != nil {
		return nil, err
	}
	var out []*datum
	for _, m := range all {
		if has, err := s.b.find(m); err == nil && len(has) > 0 {
			out = append(out, m)
		}
	}
	return out, nil
}

func (s group) find(d *datum) ([]*datum, error) { return run(s, d) }

func (parent) find(d *datum) ([]*datum, error) {
	if d.up == nil {
		return nil, nil
	}
	return []*datum{d.up}, nil
}

func (this) find(d *datum) ([]*datum, error) { return []*datum{d}, nil }
