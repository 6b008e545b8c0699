package yaql

import (
	"slices"

	"petrel/engine/expression/value"
)

// sequenceLibrary is what cuts and joins sequences.
func sequenceLibrary(l *library) {
	l.method("skip", "collection:iter, count:int", func(s *scope, a []any) (any, error) {
		n, err := notNegative("skip", a[1])
		return s.run.newLazy(func(yield func(any) error) error {
			i := 0
			return s.run.visit(a[0], func(item any) error {
				if i++; i <= n {
					return nil
				}
				return yield(item)
			})
		}), err
	})
	l.method("limit|take", "collection:iter, count:int", func(s *scope, a []any) (any, error) {
		n, err := notNegative("take", a[1])
		return s.run.newLazy(func(yield func(any) error) error { return s.run.take(a[0], n, yield) }), err
	})
	l.method("takeWhile", "collection:iter, predicate:fn", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error {
			return s.run.until(func(stop error) error {
				return s.run.visit(a[0], func(item any) error {
					ok, err := fn(a[1]).test(item)
					switch {
					case err != nil:
						return err
					case !ok:
						return stop
					}
					return yield(item)
				})
			})
		}), nil
	})
	l.method("skipWhile", "collection:iter, predicate:fn", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error {
			skipping := true
			return s.run.visit(a[0], func(item any) (err error) {
				if skipping {
					if skipping, err = fn(a[1]).test(item); err != nil || skipping {
						return err
					}
				}
				return yield(item)
			})
		}), nil
	})
	l.both("append", "collection:iter, *values:any", func(s *scope, a []any) (any, error) {
		return s.run.chain(a[0], value.Tuple(a[1:])), nil
	})
	l.both("concat", "collection:iter, *collections:iter", func(s *scope, a []any) (any, error) { return s.run.chain(a...), nil })
	l.both("enumerate", "collection:iter, start:int=0", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error {
			i := int64(whole(a[1]))
			return s.run.visit(a[0], func(item any) error {
				i++
				return yield(value.NewList(i-1, item))
			})
		}), nil
	})
	l.method("reverse", "collection:iter", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error {
			items, err := s.run.items(a[0])
			if err != nil {
				return err
			}
			back := slices.Clone(items)
			slices.Reverse(back)
			return s.run.visitAll(back, yield)
		}), nil
	})
	l.method("zip", "collection:iter, *collections:iter", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error { return s.run.zip(a, false, nil, yield) }), nil
	})
	l.method("zipLongest", "collection:iter, *collections:iter, default:any=null", func(s *scope, a []any) (any, error) {
		all := append([]any{a[0]}, a[2:]...)
		return s.run.newLazy(func(yield func(any) error) error { return s.run.zip(all, true, a[1], yield) }), nil
	})
	l.method("join", "collection1:iter, collection2:iter, predicate:fn, selector:fn", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error { return s.run.join(a, yield) }), nil
	})
	l.method("cycle", "collection:iter", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error {
			for empty := true; ; empty = true {
				err := s.run.visit(a[0], func(item any) error { empty = false; return yield(item) })
				if err != nil || empty {
					return err
				}
			}
		}), nil
	})
	l.method("memorize", "collection:iter", func(s *scope, a []any) (any, error) { return s.run.memorize(a[0]), nil })
	l.method("defaultIfEmpty", "collection:iter, default:iter", func(s *scope, a []any) (any, error) {
		i, err := s.run.find(a[0], nil, true, func(any) bool { return true })
		if i < 0 {
			return a[1], err
		}
		return a[0], err
	})
	cutLibrary(l)
}

func notNegative(name string, v any) (int, error) {
	n := whole(v)
	if n < 0 {
		return 0, fail(Failed, "%s() needs a number that is not negative, not %d", name, n)
	}
	return n, nil
}

// until runs a reading that can end itself early with the error it is given.
func (r *run) until(read func(stop error) error) error {
	stop := &Error{Kind: Limit, Msg: "stop"}
	err := read(stop)
	if e, ok := err.(*Error); ok && e == stop {
		return nil
	}
	return err
}

func (r *run) take(collection any, n int, yield func(any) error) error {
	if n == 0 {
		return nil
	}
	return r.until(func(stop error) error {
		i := 0
		return r.visit(collection, func(item any) error {
			if err := yield(item); err != nil {
				return err
			}
			if i++; i >= n {
				return stop
			}
			return nil
		})
	})
}

func (r *run) zip(collections []any, longest bool, pad any, yield func(any) error) error {
	next := make([]func() (any, bool, error), len(collections))
	for i, c := range collections {
		pull, stop := r.pull(c)
		defer stop()
		next[i] = pull
	}
	for {
		row := make([]any, len(next))
		ended := 0
		for i, pull := range next {
			v, ok, err := pull()
			if err != nil {
				return err
			}
			if row[i] = v; !ok {
				row[i] = pad
				ended++
			}
			if ended > 0 && !longest {
				return nil
			}
		}
		if ended == len(next) {
			return nil
		}
		if err := r.charge(16 * len(row)); err != nil {
			return err
		}
		if err := yield(&value.List{Items: row}); err != nil {
			return err
		}
	}
}

func (r *run) join(a []any, yield func(any) error) error {
	right, err := r.items(a[1])
	if err != nil {
		return err
	}
	return r.visit(a[0], func(x any) error {
		return r.visitAll(right, func(y any) error {
			ok, err := fn(a[2]).test(x, y)
			if err != nil || !ok {
				return err
			}
			v, err := fn(a[3]).apply(x, y)
			if err != nil {
				return err
			}
			return yield(v)
		})
	})
}

// memorize keeps what has been read of a sequence, so that reading it again does not make it again.
func (r *run) memorize(collection any) any {
	if _, ok := collection.(*lazy); !ok {
		return collection
	}
	var kept []any
	complete := false
	return r.newLazy(func(yield func(any) error) error {
		if err := r.visitAll(kept, yield); err != nil || complete {
			return err
		}
		i, from := 0, len(kept)
		err := r.visit(collection, func(item any) error {
			if i++; i <= from {
				return nil
			}
			if i > len(kept) {
				if err := r.charge(16); err != nil {
					return err
				}
				kept = append(kept, item)
			}
			return yield(item)
		})
		complete = complete || err == nil
		return err
	})
}

// cutLibrary is what cuts a sequence into lists.
func cutLibrary(l *library) {
	l.method("slice", "collection:iter, length:int", func(s *scope, a []any) (any, error) {
		n, err := notNegative("slice", a[1])
		if err != nil || n == 0 {
			return value.NewList(), err
		}
		return s.run.newLazy(func(yield func(any) error) error {
			var part []any
			err := s.run.visit(a[0], func(item any) error {
				if part = append(part, item); len(part) < n {
					return nil
				}
				full := part
				part = nil
				return s.run.yieldList(full, yield)
			})
			if err == nil && len(part) > 0 {
				err = s.run.yieldList(part, yield)
			}
			return err
		}), nil
	})
	l.method("splitAt", "collection:iter, index:int", func(s *scope, a []any) (any, error) {
		items, err := s.run.items(a[0])
		if err != nil {
			return nil, err
		}
		i := whole(a[1])
		if i < 0 {
			i = max(0, i+len(items))
		}
		i = min(i, len(items))
		return value.NewList(value.NewList(items[:i]...), value.NewList(items[i:]...)), nil
	})
	l.method("splitWhere", "collection:iter, predicate:fn", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error {
			var part []any
			err := s.run.visit(a[0], func(item any) error {
				cut, err := fn(a[1]).test(item)
				if err != nil {
					return err
				}
				if !cut {
					part = append(part, item)
					return nil
				}
				full := part
				part = nil
				return s.run.yieldList(full, yield)
			})
			if err == nil && len(part) > 0 {
				err = s.run.yieldList(part, yield)
			}
			return err
		}), nil
	})
	l.method("sliceWhere", "collection:iter, predicate:fn", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error { return s.run.sliceWhere(a[0], fn(a[1]), yield) }), nil
	})
}

func (r *run) yieldList(items []any, yield func(any) error) error {
	v, err := r.list(items)
	if err != nil {
		return err
	}
	return yield(v)
}

// sliceWhere cuts where the value of the predicate changes.
func (r *run) sliceWhere(collection any, predicate *lambda, yield func(any) error) error {
	var part []any
	var last any = noValue{}
	err := r.visit(collection, func(item any) error {
		p, err := predicate.apply(item)
		if err != nil {
			return err
		}
		full := part
		if last != (noValue{}) {
			same, err := r.equal(p, last)
			if err != nil {
				return err
			}
			if !same {
				part = nil
				if err := r.yieldList(full, yield); err != nil {
					return err
				}
			}
		}
		last = p
		part = append(part, item)
		return nil
	})
	if err == nil && len(part) > 0 {
		err = r.yieldList(part, yield)
	}
	return err
}
