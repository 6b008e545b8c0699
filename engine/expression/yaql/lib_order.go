package yaql

import (
	"slices"

	"petrel/engine/expression/value"
)

// ordering is a sequence that is sorted when it is first read.
type ordering struct {
	source any
	by     []orderKey
	done   []any
	ready  bool
}

type orderKey struct {
	selector *lambda
	down     bool
}

// TypeName names the type in error messages.
func (*ordering) TypeName() string { return "sequence" }

func (r *run) order(a []any, down bool) any {
	r.lazy = true
	return &ordering{source: a[0], by: []orderKey{{fn(a[1]), down}}}
}

func (r *run) thenOrder(a []any, down bool) (any, error) {
	o, ok := a[0].(*ordering)
	if !ok {
		return nil, fail(NoMatch, "thenBy() needs what orderBy() gives").hint("x.orderBy(...).thenBy(...)")
	}
	return &ordering{source: o.source, by: append(slices.Clone(o.by), orderKey{fn(a[1]), down})}, nil
}

// sorted gives the items in order; keys are computed once an item.
func (o *ordering) sorted(r *run) ([]any, error) {
	if o.ready {
		return o.done, nil
	}
	items, err := r.items(o.source)
	if err != nil {
		return nil, err
	}
	if len(items) < 2 { // nothing to compare: upstream does not ask for keys either
		o.done, o.ready = items, true
		return items, nil
	}
	type row struct {
		item any
		keys []any
	}
	rows := make([]row, len(items))
	if err := r.charge(len(items) * (40 + 16*len(o.by))); err != nil {
		return nil, err
	}
	for i, item := range items {
		rows[i] = row{item, make([]any, len(o.by))}
		for k, by := range o.by {
			if rows[i].keys[k], err = by.selector.apply(item); err != nil {
				return nil, err
			}
		}
	}
	slices.SortStableFunc(rows, func(x, y row) int {
		for k, by := range o.by {
			c := 0
			if err == nil {
				c, err = r.threeWay(x.keys[k], y.keys[k])
			}
			if c != 0 {
				if by.down {
					return -c
				}
				return c
			}
		}
		return 0
	})
	if err != nil {
		return nil, err
	}
	o.done, o.ready = make([]any, len(rows)), true
	for i := range rows {
		o.done[i] = rows[i].item
	}
	return o.done, nil
}

func (r *run) threeWay(a, b any) (int, error) {
	if err := r.step(); err != nil {
		return 0, err
	}
	less, err := r.compare("<", a, b)
	if err != nil || less {
		return -1, err
	}
	more, err := r.compare(">", a, b)
	return boolInt(more), err
}

// groupBy collects items by key. An aggregator gets the list of a group's values; one
// written for the old form, where it got [key, values] and gave a pair, is recognised
// by its failing on the first group.
func groupBy(s *scope, a []any) (any, error) {
	groups := value.NewDict(0)
	err := s.run.each(a[0], func(item any) error {
		v := item
		if f := fn(a[2]); f != nil {
			var err error
			if v, err = f.apply(item); err != nil {
				return err
			}
		}
		k, err := fn(a[1]).apply(item)
		if err != nil {
			return err
		}
		if err := s.run.charge(64); err != nil {
			return err
		}
		k = freeze(k)
		if list, ok := groups.Get(k); ok {
			l := list.(*value.List)
			l.Items = append(l.Items, v)
			return nil
		}
		return groups.Set(k, value.NewList(v))
	})
	if err != nil {
		return nil, err
	}
	g := aggregation{run: s.run, f: fn(a[3]), mayFall: true}
	return s.run.newLazy(func(yield func(any) error) error {
		for k, list := range groups.All() {
			v, err := g.pair(thaw(k), list.(*value.List))
			if err == nil {
				err = yield(v)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}), nil
}

type aggregation struct {
	run     *run
	f       *lambda
	mayFall bool  // the aggregator may still turn out to be of the old form
	failed  error // why it is
}

func (g *aggregation) pair(key any, list *value.List) (any, error) {
	if g.f == nil {
		return value.NewList(key, list), nil
	}
	if g.failed == nil {
		v, err := g.f.apply(list)
		if err == nil {
			v, err = g.run.finish(v)
		}
		switch {
		case err == nil:
			if !g.ambiguous(v, list) {
				g.mayFall = false
			}
			return value.NewList(key, v), nil
		case !isFallback(err) || !g.mayFall:
			return nil, err
		}
		g.failed = err
	}
	v, err := g.f.apply(value.NewList(key, list))
	if err == nil {
		if v, err = g.run.finish(v); err == nil {
			if n, err := value.Len(v); err == nil && n == 2 {
				return v, nil
			}
		}
	}
	return nil, g.failed
}

// ambiguous tells whether a result could also be the pair of the old form.
func (g *aggregation) ambiguous(v any, list *value.List) bool {
	pair, ok := v.(*value.List)
	if !ok || len(list.Items) != 2 || len(pair.Items) != 2 {
		return false
	}
	same, err := g.run.equal(pair.Items[0], list.Items[0])
	return err == nil && same
}
