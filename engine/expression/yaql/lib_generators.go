package yaql

import (
	"slices"

	"petrel/engine/expression/value"
)

// generatorLibrary is what makes sequences out of nothing.
func generatorLibrary(l *library) {
	count := func(s *scope, from, to any, step int64) any {
		return s.run.newLazy(func(yield func(any) error) error {
			end, bounded := to.(int64)
			for i := from.(int64); !bounded || step > 0 && i < end || step < 0 && i > end; i += step {
				if err := yield(i); err != nil {
					return err
				}
				if next := i + step; (next > i) != (step > 0) {
					return nil
				}
			}
			return nil
		})
	}
	ranged := func(s *scope, from, to, by any) (any, error) {
		step, ok := by.(int64)
		_, okFrom := from.(int64)
		if !ok || !okFrom {
			return nil, fail(Failed, "the integer is too large")
		}
		if step == 0 && to != nil {
			return nil, fail(Failed, "range() needs a step that is not 0")
		}
		return count(s, from, to, step), nil
	}
	l.function("range", "stop:int", func(s *scope, a []any) (any, error) { return ranged(s, int64(0), int64(whole(a[0])), int64(1)) })
	l.function("range", "start:int, stop:int, step:int=1", func(s *scope, a []any) (any, error) {
		return ranged(s, a[0], int64(whole(a[1])), a[2])
	})
	l.function("sequence", "start:int=0, step:int=1", func(s *scope, a []any) (any, error) { return s.run.sequence(a[0], a[1]), nil })
	l.method("repeat", "value:any, times:int=-1", func(s *scope, a []any) (any, error) {
		n := whole(a[1])
		return s.run.newLazy(func(yield func(any) error) error {
			for i := 0; n < 0 || i < n; i++ {
				if err := yield(a[0]); err != nil {
					return err
				}
			}
			return nil
		}), nil
	})
	l.function("generate", "initial:any, predicate:fn, producer:fn, selector:fn=null, decycle:bool=false", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error { return s.run.generate(a, yield) }), nil
	})
	l.function("generateMany", "initial:any, producer:fn, selector:fn=null, decycle:bool=false, depthFirst:bool=false", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error { return s.run.generateMany(a, yield) }), nil
	})
}

// sequence counts for ever.
func (r *run) sequence(start, step any) any {
	return r.newLazy(func(yield func(any) error) error {
		for v := start; ; {
			if err := yield(v); err != nil {
				return err
			}
			var err error
			if v, err = r.add(v, step); err != nil {
				return err
			}
		}
	})
}

// selected yields a value, through a selector if there is one.
func selected(selector *lambda, v any, yield func(any) error) (err error) {
	if selector != nil {
		if v, err = selector.apply(v); err != nil {
			return err
		}
	}
	return yield(v)
}

// past remembers values; it tells whether one was there before. A nil *past remembers nothing.
type past struct {
	run *run
	set *value.Set
}

func (r *run) newPast(wanted any) (*past, error) {
	if wanted != true {
		return nil, nil
	}
	set, err := value.NewSet()
	return &past{r, set}, err
}

func (p *past) met(v any) (bool, error) {
	if p == nil {
		return false, nil
	}
	k := freeze(v)
	if p.set.Has(k) {
		return true, nil
	}
	if err := p.run.charge(48); err != nil {
		return false, err
	}
	return false, p.set.Add(k)
}

func (r *run) generate(a []any, yield func(any) error) error {
	seen, err := r.newPast(a[4])
	if err != nil {
		return err
	}
	for v := a[0]; ; {
		ok, err := fn(a[1]).test(v)
		if err != nil || !ok {
			return err
		}
		if again, err := seen.met(v); err != nil || again {
			return err
		}
		if err := selected(fn(a[3]), v, yield); err != nil {
			return err
		}
		if v, err = fn(a[2]).apply(v); err != nil {
			return err
		}
	}
}

func (r *run) generateMany(a []any, yield func(any) error) error {
	seen, err := r.newPast(a[3])
	if err != nil {
		return err
	}
	depthFirst := a[4] == true
	queue := []any{a[0]} // depth first: the next one is the last
	for len(queue) > 0 {
		next := 0
		if depthFirst {
			next = len(queue) - 1
		}
		v := queue[next]
		if depthFirst {
			queue = queue[:next]
		} else {
			queue = queue[1:]
		}
		if again, err := seen.met(v); err != nil {
			return err
		} else if again {
			continue
		}
		if err := selected(fn(a[2]), v, yield); err != nil {
			return err
		}
		children, err := fn(a[1]).apply(v)
		if err != nil {
			return err
		}
		items, err := r.items(children)
		if err != nil {
			return err
		}
		if err := r.charge(16 * len(items)); err != nil {
			return err
		}
		from := len(queue)
		queue = append(queue, items...)
		if depthFirst {
			slices.Reverse(queue[from:])
		}
	}
	return nil
}
