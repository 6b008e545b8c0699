package yaql

import (
	"petrel/engine/expression/value"
)

// setOf makes a set of a sequence.
func (r *run) setOf(v any) (*value.Set, error) {
	if s, ok := v.(*value.Set); ok {
		return s, nil
	}
	return r.newSet(func(add func(any) error) error { return r.each(v, add) })
}

// newSet collects a set.
func (r *run) newSet(collect func(add func(any) error) error) (*value.Set, error) {
	r.lazy = true
	s, err := value.NewSet()
	if err != nil {
		return nil, err
	}
	err = collect(func(item any) error {
		if err := r.charge(48); err != nil {
			return err
		}
		return s.Add(freeze(item))
	})
	return s, err
}

func (r *run) twoSets(a, b any) (x, y *value.Set, err error) {
	if x, err = r.setOf(a); err == nil {
		y, err = r.setOf(b)
	}
	return x, y, err
}

func subset(x, y *value.Set) bool {
	for item := range x.All() {
		if !y.Has(item) {
			return false
		}
	}
	return true
}

func (r *run) union(a, b any) (any, error) {
	return r.newSet(func(add func(any) error) error {
		if err := r.each(a, add); err != nil {
			return err
		}
		return r.each(b, add)
	})
}

// filtered gives the members of a that are in b, or those that are not.
func (r *run) filtered(a, b any, in bool) (any, error) {
	x, y, err := r.twoSets(a, b)
	if err != nil {
		return nil, err
	}
	return r.newSet(func(add func(any) error) error {
		return r.each(x, func(item any) error {
			if y.Has(freeze(item)) != in {
				return nil
			}
			return add(item)
		})
	})
}

func (r *run) difference(a, b any) (any, error) { return r.filtered(a, b, false) }
