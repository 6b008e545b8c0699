package yaql

import (
	"petrel/engine/expression/value"
)

// equal is the = of YAQL: lists and tuples are the same, everything else as in Python.
func (r *run) equal(a, b any) (bool, error) {
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		return ok && x == y, nil
	case *value.List, value.Tuple:
		if kindOf(b) != kList {
			return false, nil
		}
		xs, err := r.items(a)
		if err != nil {
			return false, err
		}
		ys, err := r.items(b)
		if err != nil || len(xs) != len(ys) {
			return false, err
		}
		return r.equalItems(xs, ys)
	case *value.Dict:
		y, ok := b.(*value.Dict)
		if !ok || x.Len() != y.Len() {
			return false, nil
		}
		return r.equalDicts(x, y)
	case *value.Set, *view:
		if kindOf(a) != kSet || kindOf(b) != kSet {
			return a == b, nil
		}
		xs, ys, err := r.twoSets(a, b)
		return err == nil && xs.Len() == ys.Len() && subset(xs, ys), err
	case *lazy, *ordering, *scope, *regex:
		return a == b, nil
	case pair:
		return false, nil
	}
	if _, ok := b.(pair); ok {
		return false, nil
	}
	return value.Equal(a, b), nil
}

func (r *run) equalItems(xs, ys []any) (bool, error) {
	if err := r.enter(); err != nil {
		r.depth--
		return false, err
	}
	defer func() { r.depth-- }()
	for i := range xs {
		if err := r.step(); err != nil {
			return false, err
		}
		if same, err := r.equal(xs[i], ys[i]); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func (r *run) equalDicts(x, y *value.Dict) (bool, error) {
	if err := r.enter(); err != nil {
		r.depth--
		return false, err
	}
	defer func() { r.depth-- }()
	for k, v := range x.All() {
		w, ok := y.Get(k)
		if !ok {
			return false, nil
		}
		if same, err := r.equal(v, w); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}
