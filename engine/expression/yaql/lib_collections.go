package yaql

import (
	"slices"

	"petrel/engine/expression/value"
)

func mapLibrary(l *library) {
	l.function("dict", "*args:pair", func(s *scope, a []any) (any, error) {
		return s.run.setPairs(value.NewDict(len(a)), a)
	})
	l.function("dict", "items:iter", func(s *scope, a []any) (any, error) { return s.run.dictOf(a[0]) })
	l.method("get", "dict:dict, key:any, default:any=null", func(s *scope, a []any) (any, error) {
		if v, ok := a[0].(*value.Dict).Get(freeze(a[1])); ok {
			return v, nil
		}
		return a[2], nil
	})
	l.method("set", "dict:dict, key:any, value:any", func(s *scope, a []any) (any, error) {
		return s.run.setPairs(a[0].(*value.Dict).Copy(), []any{pair{a[1], a[2]}})
	})
	l.method("set", "dict:dict, replacements:dict", func(s *scope, a []any) (any, error) { return s.run.add(a[0], a[1]) })
	l.method("set", "dict:dict, *args:pair", func(s *scope, a []any) (any, error) {
		return s.run.setPairs(a[0].(*value.Dict).Copy(), a[1:])
	})
	for part, name := range []string{"keys", "values", "items"} {
		l.method(name, "dict:dict", func(s *scope, a []any) (any, error) {
			s.run.lazy = true
			return &view{a[0].(*value.Dict), byte(part)}, nil
		})
	}
	l.method("containsKey", "dict:dict, key:any", func(s *scope, a []any) (any, error) {
		_, ok := a[0].(*value.Dict).Get(freeze(a[1]))
		return ok, nil
	})
	l.method("containsValue", "dict:dict, value:any", func(s *scope, a []any) (any, error) {
		return s.run.contains(&view{a[0].(*value.Dict), partValues}, a[1])
	})
	l.method("delete", "dict:dict, *keys:any", func(s *scope, a []any) (any, error) {
		return s.run.without(a[0].(*value.Dict), value.Tuple(a[1:]))
	})
	l.method("deleteAll", "dict:dict, keys:iter", func(s *scope, a []any) (any, error) {
		return s.run.without(a[0].(*value.Dict), a[1])
	})
	l.method("mergeWith", "dict:dict, another:dict, listMerger:fn=null, itemMerger:fn=null, maxLevels:int=0", func(s *scope, a []any) (any, error) {
		m := merger{s.run, fn(a[2]), fn(a[3])}
		return m.merge(a[0].(*value.Dict), a[1].(*value.Dict), whole(a[4]))
	})
	l.method("toDict", "collection:iter, keySelector:fn, valueSelector:fn=null", toDict)
	l.both("len", "dict:dict", func(s *scope, a []any) (any, error) { return int64(a[0].(*value.Dict).Len()), nil })
}

func (r *run) setPairs(d *value.Dict, pairs []any) (any, error) {
	for _, p := range pairs {
		kv := p.(pair)
		if err := d.Set(r.key(kv.key), kv.val); err != nil {
			return nil, err
		}
	}
	return d, r.charge(48 * d.Len())
}

// dictOf is dict([[key, value], ...]).
func (r *run) dictOf(items any) (any, error) {
	d := value.NewDict(0)
	err := r.each(items, func(item any) error {
		if kindOf(item)&kIterable == 0 {
			return fail(NoMatch, "No function \"dict\" matches supplied arguments").hint("the items must be pairs [key, value], not %s", describe(item))
		}
		kv, err := r.items(item)
		if err != nil {
			return err
		}
		if len(kv) < 2 {
			return fail(OutOfRange, "dict() needs pairs [key, value], not %s", describe(item))
		}
		if err := r.charge(48); err != nil {
			return err
		}
		return d.Set(r.key(kv[0]), kv[1])
	})
	return d, err
}

func toDict(s *scope, a []any) (any, error) {
	d := value.NewDict(0)
	err := s.run.each(a[0], func(item any) error {
		k, err := fn(a[1]).apply(item)
		if err != nil {
			return err
		}
		v := item
		if f := fn(a[2]); f != nil {
			if v, err = f.apply(item); err != nil {
				return err
			}
		}
		if err := s.run.charge(48); err != nil {
			return err
		}
		return d.Set(s.run.key(k), v)
	})
	return d, err
}

func (r *run) without(d *value.Dict, keys any) (any, error) {
	gone, err := r.setOf(keys)
	if err != nil {
		return nil, err
	}
	out := value.NewDict(d.Len())
	for k, v := range d.All() {
		if !gone.Has(k) {
			if err := out.Set(k, v); err != nil {
				return nil, err
			}
		}
	}
	return out, r.charge(48 * out.Len())
}

// merger is mergeWith: maps are merged, lists joined by list, everything else decided by item.
type merger struct {
	run        *run
	list, item *lambda
}

func (m merger) merge(a, b *value.Dict, levels int) (any, error) {
	if err := m.run.enter(); err != nil {
		m.run.depth--
		return nil, err
	}
	defer func() { m.run.depth-- }()
	out := a.Copy()
	for k, w := range b.All() {
		v, both := a.Get(k)
		if both {
			var err error
			if w, err = m.value(v, w, levels); err != nil {
				return nil, err
			}
		}
		if err := out.Set(k, w); err != nil {
			return nil, err
		}
	}
	return out, m.run.charge(48 * out.Len())
}

func (m merger) value(v, w any, levels int) (any, error) {
	kv, kw := kindOf(v), kindOf(w)
	if levels != 1 && kw&(kDict|kList) != 0 && kv != kw {
		return nil, fail(Failed, "Cannot merge %s with %s", describe(v), describe(w))
	}
	switch {
	case levels != 1 && kw == kDict:
		return m.merge(v.(*value.Dict), w.(*value.Dict), max(levels-1, 0))
	case levels != 1 && kw == kList && m.list != nil:
		return m.list.apply(v, w)
	case levels != 1 && kw == kList:
		return m.run.distinctItems(m.run.chain(v, w), nil)
	case m.item != nil:
		return m.item.apply(v, w)
	}
	return w, nil
}

func listLibrary(l *library) {
	l.function("list", "*args:any", func(s *scope, a []any) (any, error) {
		items, err := s.run.items(s.run.unrolled(a))
		if err != nil {
			return nil, err
		}
		return s.run.list(items)
	})
	l.method("toList", "collection:iter", func(s *scope, a []any) (any, error) {
		if kindOf(a[0]) == kList {
			return a[0], nil
		}
		items, err := s.run.items(a[0])
		if err != nil {
			return nil, err
		}
		return &value.List{Items: items}, nil
	})
	l.method("flatten", "collection:iter", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error { return s.run.flatten(a[0], yield) }), nil
	})
	for _, f := range []string{"sequence:list", "set:set", "collection:lazy"} {
		l.both("len", f, func(s *scope, a []any) (any, error) { return s.run.count(a[0]) })
	}
	l.method("contains", "collection:iter, value:any", func(s *scope, a []any) (any, error) { return s.run.contains(a[0], a[1]) })
	l.method("delete", "collection:iter, position:int, count:int=1", func(s *scope, a []any) (any, error) {
		return s.run.splice(a[0], whole(a[1]), whole(a[2]), value.Tuple(nil)), nil
	})
	l.method("replace", "collection:iter, position:int, value:any, count:int=1", func(s *scope, a []any) (any, error) {
		return s.run.splice(a[0], whole(a[1]), whole(a[3]), value.Tuple{a[2]}), nil
	})
	l.method("replaceMany", "collection:iter, position:int, values:iter, count:int=1", func(s *scope, a []any) (any, error) {
		return s.run.splice(a[0], whole(a[1]), whole(a[3]), a[2]), nil
	})
	l.method("insert", "collection:list, position:int, value:any", func(s *scope, a []any) (any, error) {
		items, err := s.run.items(a[0])
		if err != nil {
			return nil, err
		}
		i := whole(a[1])
		if i < 0 {
			i = max(0, i+len(items))
		}
		return s.run.list(slices.Insert(slices.Clone(items), min(i, len(items)), a[2]))
	})
	l.method("insert", "collection:lazy, position:int, value:any", func(s *scope, a []any) (any, error) {
		return s.run.insert(a[0], whole(a[1]), value.Tuple{a[2]}, false), nil
	})
	l.method("insertMany", "collection:iter, position:int, values:iter", func(s *scope, a []any) (any, error) {
		return s.run.insert(a[0], whole(a[1]), a[2], true), nil
	})
}

// unrolled reads values one after the other, and instead of a lazy sequence its items.
func (r *run) unrolled(values []any) any {
	return r.newLazy(func(yield func(any) error) error {
		for _, v := range values {
			if l, ok := v.(*lazy); ok {
				items, err := r.items(l)
				if err != nil {
					return err
				}
				if err := r.visit(r.unrolled(items), yield); err != nil {
					return err
				}
			} else if err := yield(v); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *run) flatten(v any, yield func(any) error) error {
	if err := r.enter(); err != nil {
		r.depth--
		return err
	}
	defer func() { r.depth-- }()
	return r.visit(v, func(item any) error {
		if kindOf(item)&kIterable != 0 {
			return r.flatten(item, yield)
		}
		return yield(item)
	})
}

func (r *run) count(v any) (any, error) {
	if n, err := value.Len(v); err == nil {
		return int64(n), nil
	}
	if x, ok := v.(*view); ok {
		return int64(x.dict.Len()), nil
	}
	n := int64(0)
	err := r.each(v, func(any) error { n++; return nil })
	return n, err
}

// splice replaces count items from a position on by others; a negative count means all the rest.
func (r *run) splice(collection any, position, count int, others any) any {
	return r.newLazy(func(yield func(any) error) error {
		i, placed := 0, false
		return r.visit(collection, func(item any) error {
			inside := i >= position && (count < 0 || i < position+count)
			i++
			switch {
			case !inside:
				return yield(item)
			case placed:
				return nil
			}
			placed = true
			return r.visit(others, yield)
		})
	})
}

// insert puts others before the item at a position, or at the end when the position is beyond it.
func (r *run) insert(collection any, position int, others any, atFront bool) any {
	return r.newLazy(func(yield func(any) error) error {
		i := 0
		if position < 0 && atFront {
			if err := r.visit(others, yield); err != nil {
				return err
			}
		}
		err := r.visit(collection, func(item any) error {
			if i == position {
				if err := r.visit(others, yield); err != nil {
					return err
				}
			}
			i++
			return yield(item)
		})
		if err == nil && position >= i {
			err = r.visit(others, yield)
		}
		return err
	})
}

func setLibrary(l *library) {
	l.function("set", "*args:any", func(s *scope, a []any) (any, error) { return s.run.setOf(s.run.unrolled(a)) })
	l.method("toSet", "collection:iter", func(s *scope, a []any) (any, error) { return s.run.setOf(a[0]) })
	l.method("union", "left:set, right:set", func(s *scope, a []any) (any, error) { return s.run.union(a[0], a[1]) })
	l.method("intersect", "left:set, right:set", func(s *scope, a []any) (any, error) { return s.run.filtered(a[0], a[1], true) })
	l.method("difference", "left:set, right:set", func(s *scope, a []any) (any, error) { return s.run.difference(a[0], a[1]) })
	l.method("symmetricDifference", "left:set, right:set", func(s *scope, a []any) (any, error) {
		x, err := s.run.difference(a[0], a[1])
		if err != nil {
			return nil, err
		}
		y, err := s.run.difference(a[1], a[0])
		if err != nil {
			return nil, err
		}
		return s.run.union(x, y)
	})
	l.method("add", "set:set, *values:any", func(s *scope, a []any) (any, error) { return s.run.union(a[0], value.Tuple(a[1:])) })
	l.method("remove", "set:set, *values:any", func(s *scope, a []any) (any, error) {
		return s.run.difference(a[0], value.Tuple(a[1:]))
	})
}
