package yaql

import (
	"petrel/engine/expression/value"
)

// queryLibrary is what filters, orders and sums up sequences.
func queryLibrary(l *library) {
	l.method("where|filter", "collection:iter, predicate:fn", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error {
			return s.run.visit(a[0], func(item any) error {
				ok, err := fn(a[1]).test(item)
				if err != nil || !ok {
					return err
				}
				return yield(item)
			})
		}), nil
	})
	l.method("select|map", "collection:iter, selector:fn", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error {
			return s.run.visit(a[0], func(item any) error {
				v, err := fn(a[1]).apply(item)
				if err != nil {
					return err
				}
				return yield(v)
			})
		}), nil
	})
	l.method("selectMany", "collection:iter, selector:fn", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error {
			return s.run.visit(a[0], func(item any) error {
				v, err := fn(a[1]).apply(item)
				if err != nil {
					return err
				}
				if kindOf(v)&kIterable != 0 {
					return s.run.visit(v, yield)
				}
				return yield(v)
			})
		}), nil
	})
	l.both("distinct", "collection:iter, keySelector:fn=null", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error { return s.run.distinct(a[0], fn(a[1]), yield) }), nil
	})
	l.both("any", "collection:iter, predicate:fn=null", func(s *scope, a []any) (any, error) {
		i, err := s.run.find(a[0], fn(a[1]), true, func(any) bool { return true })
		return i >= 0, err
	})
	l.both("all", "collection:iter, predicate:fn=null", func(s *scope, a []any) (any, error) {
		i, err := s.run.find(a[0], fn(a[1]), false, truth)
		return i < 0, err
	})
	l.method("count", "collection:iter", func(s *scope, a []any) (any, error) { return s.run.count(a[0]) })
	l.method("first", "collection:iter, default:any=none", func(s *scope, a []any) (any, error) {
		found := a[1]
		err := s.run.each(a[0], func(item any) error { found = item; return errStop })
		return some(found, "first", err)
	})
	l.method("last", "collection:iter, default:any=none", func(s *scope, a []any) (any, error) {
		found := a[1]
		err := s.run.each(a[0], func(item any) error { found = item; return nil })
		return some(found, "last", err)
	})
	l.method("single", "collection:iter", func(s *scope, a []any) (any, error) {
		var found any = noValue{}
		err := s.run.each(a[0], func(item any) error {
			if found != (noValue{}) {
				return fail(OutOfRange, "Collection contains more than one item")
			}
			found = item
			return nil
		})
		return some(found, "single", err)
	})
	l.method("orderBy", "collection:iter, selector:fn", func(s *scope, a []any) (any, error) { return s.run.order(a, false), nil })
	l.method("orderByDescending", "collection:iter, selector:fn", func(s *scope, a []any) (any, error) { return s.run.order(a, true), nil })
	l.method("thenBy", "collection:ordered, selector:fn", func(s *scope, a []any) (any, error) { return s.run.thenOrder(a, false) })
	l.method("thenByDescending", "collection:ordered, selector:fn", func(s *scope, a []any) (any, error) { return s.run.thenOrder(a, true) })
	l.method("groupBy", "collection:iter, keySelector:fn, valueSelector:fn=null, aggregator:fn=null", groupBy)
	foldLibrary(l)
	findLibrary(l)
}

// some finishes first, last and single.
func some(v any, name string, err error) (any, error) {
	if err == nil && v == (noValue{}) {
		err = fail(OutOfRange, "%s() of an empty sequence", name).hint("%s(null) gives null for it", name)
		if name == "single" {
			err = fail(OutOfRange, "single() of an empty sequence")
		}
	}
	return v, err
}

// find gives the index of the first item for which the predicate (by default: test) gives want, -1 if none.
func (r *run) find(collection any, predicate *lambda, want bool, test func(any) bool) (int, error) {
	found, i := -1, 0
	err := r.each(collection, func(item any) error {
		ok := false
		if predicate == nil {
			ok = test(item)
		} else {
			var err error
			if ok, err = predicate.test(item); err != nil {
				return err
			}
		}
		if ok == want {
			found = i
			return errStop
		}
		i++
		return nil
	})
	return found, err
}

func (r *run) distinct(collection any, key *lambda, yield func(any) error) error {
	seen, err := value.NewSet()
	if err != nil {
		return err
	}
	return r.visit(collection, func(item any) error {
		k := item
		if key != nil {
			if k, err = key.apply(item); err != nil {
				return err
			}
		}
		k = freeze(k)
		if seen.Has(k) {
			return nil
		}
		if err := r.charge(48); err != nil {
			return err
		}
		if err := seen.Add(k); err != nil {
			return err
		}
		return yield(item)
	})
}

func (r *run) distinctItems(collection any, key *lambda) (any, error) {
	var out []any
	err := r.distinct(collection, key, func(item any) error { out = append(out, item); return nil })
	if err != nil {
		return nil, err
	}
	return r.list(out)
}

// foldLibrary is aggregate and what is made of it.
func foldLibrary(l *library) {
	l.method("aggregate|reduce", "collection:iter, selector:fn, seed:any=none", func(s *scope, a []any) (any, error) {
		return s.run.fold(a[0], a[2], func(x, y any) (any, error) { return fn(a[1]).apply(x, y) })
	})
	l.method("sum", "collection:iter, initial:any=none", func(s *scope, a []any) (any, error) { return s.run.fold(a[0], a[1], s.run.add) })
	l.method("min", "collection:iter, initial:any=none", func(s *scope, a []any) (any, error) { return s.run.fold(a[0], a[1], s.run.smaller) })
	l.method("max", "collection:iter, initial:any=none", func(s *scope, a []any) (any, error) { return s.run.fold(a[0], a[1], s.run.larger) })
	l.method("accumulate", "collection:iter, selector:fn, seed:any=none", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error { return s.run.accumulate(a[0], fn(a[1]), a[2], yield) }), nil
	})
}

func (r *run) fold(collection, start any, f func(x, y any) (any, error)) (any, error) {
	total := start
	err := r.each(collection, func(item any) (err error) {
		if total == (noValue{}) {
			total = item
			return nil
		}
		total, err = f(total, item)
		return err
	})
	if err == nil && total == (noValue{}) {
		err = fail(OutOfRange, "reduce() of empty iterable with no initial value").hint("give an initial value: .sum(0)")
	}
	return total, err
}

func (r *run) larger(a, b any) (any, error) {
	if more, err := r.compare(">", b, a); err != nil || more {
		return b, err
	}
	return a, nil
}

func (r *run) smaller(a, b any) (any, error) {
	if more, err := r.compare(">", b, a); err != nil || more {
		return a, err
	}
	return b, nil
}

func (r *run) accumulate(collection any, f *lambda, start any, yield func(any) error) error {
	total := start
	if total != (noValue{}) {
		if err := yield(total); err != nil {
			return err
		}
	}
	err := r.visit(collection, func(item any) (err error) {
		if total == (noValue{}) {
			total = item
		} else if total, err = f.apply(total, item); err != nil {
			return err
		}
		return yield(total)
	})
	if err == nil && total == (noValue{}) {
		err = fail(OutOfRange, "accumulate() of empty sequence with no initial value")
	}
	return err
}

func findLibrary(l *library) {
	equal := func(s *scope, v any) func(any) (bool, error) {
		return func(item any) (bool, error) { return s.run.equal(item, v) }
	}
	l.method("indexOf", "collection:iter, item:any", func(s *scope, a []any) (any, error) { return s.run.position(a[0], false, equal(s, a[1])) })
	l.method("lastIndexOf", "collection:iter, item:any", func(s *scope, a []any) (any, error) {
		return s.run.position(a[0], true, equal(s, a[1]))
	})
	l.method("indexWhere", "collection:iter, predicate:fn", func(s *scope, a []any) (any, error) {
		return s.run.position(a[0], false, func(item any) (bool, error) { return fn(a[1]).test(item) })
	})
	l.method("lastIndexWhere", "collection:iter, predicate:fn", func(s *scope, a []any) (any, error) {
		return s.run.position(a[0], true, func(item any) (bool, error) { return fn(a[1]).test(item) })
	})
}

func (r *run) position(collection any, last bool, test func(any) (bool, error)) (any, error) {
	found, i := int64(-1), int64(0)
	err := r.each(collection, func(item any) error {
		ok, err := test(item)
		if err != nil {
			return err
		}
		if ok {
			found = i
			if !last {
				return errStop
			}
		}
		i++
		return nil
	})
	return found, err
}
