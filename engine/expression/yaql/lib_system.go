package yaql

import (
	"errors"

	"petrel/engine/expression/value"
)

func systemLibrary(l *library) {
	l.function("with", "*args:any", func(s *scope, a []any) (any, error) {
		return s.open(scope{args: a}), nil
	})
	l.function("let", "*args:any, **", func(s *scope, a []any) (any, error) {
		return s.open(scope{args: a[1:], vars: a[0].(map[string]any)}), nil
	})
	l.function("def", "name:str, func:fn", func(s *scope, a []any) (any, error) {
		s.run.defines = true
		inner := s.open(scope{})
		body := *fn(a[1])
		body.scope = inner
		inner.defs = map[string]*lambda{a[0].(string): &body}
		return inner, nil
	})
	l.method("unpack", "sequence:iter, *names:str", unpack)
	l.method("assert", "obj:any, condition:fn, message:str='Assertion failed'", func(s *scope, a []any) (any, error) {
		ok, err := fn(a[1]).test(a[0])
		if err == nil && !ok {
			err = fail(Failed, "%s", a[2])
		}
		return a[0], err
	})
	l.function("call", "name:str, args:list, kwargs:dict, receiver:any=none", callByName)
}

func unpack(s *scope, a []any) (any, error) {
	names := a[1:]
	items, err := s.run.items(a[0])
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return s.open(scope{args: items}), nil
	}
	if len(items) != len(names) {
		return nil, fail(Failed, "Cannot unpack %d elements into %d", len(items), len(names))
	}
	vars := make(map[string]any, len(names))
	for i, n := range names {
		vars[n.(string)] = items[i]
	}
	return s.open(scope{vars: vars}), nil
}

// callByName is call(name, [positional], {name => value}, receiver).
func callByName(s *scope, a []any) (any, error) {
	name := a[0].(string)
	n := &callNode{base: base{-1}, lib: s.run.lib, name: name}
	var receiver any
	if _, none := a[3].(noValue); !none {
		receiver = a[3]
		n.receiver = &constNode{v: receiver}
	}
	items, err := s.run.items(a[1])
	if err != nil {
		return nil, err
	}
	for _, v := range items {
		n.args.positional = append(n.args.positional, &constNode{v: v})
	}
	for k, v := range a[2].(*value.Dict).All() {
		if key, ok := k.(string); ok && key != "" {
			n.args.pairs = append(n.args.pairs, &pairNode{key: &constNode{v: key, word: true}, val: &constNode{v: v}})
		}
	}
	n.resolve()
	return n.eval(s)
}

func branchingLibrary(l *library) {
	l.function("switch", "*args:rule", func(s *scope, a []any) (any, error) {
		for _, c := range a {
			r := c.(*rule)
			if ok, err := r.key.here(); err != nil {
				return nil, err
			} else if truth(ok) {
				return r.val.here()
			}
		}
		return nil, nil
	})
	l.function("selectCase", "*args:fn", func(s *scope, a []any) (any, error) {
		for i, c := range a {
			if ok, err := fn(c).here(); err != nil || truth(ok) {
				return int64(i), err
			}
		}
		return int64(len(a)), nil
	})
	l.function("selectAllCases", "*args:fn", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error {
			for i, c := range a {
				ok, err := fn(c).here()
				if err == nil && truth(ok) {
					err = yield(int64(i))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}), nil
	})
	l.function("examine", "*args:fn", func(s *scope, a []any) (any, error) {
		return s.run.newLazy(func(yield func(any) error) error {
			for _, c := range a {
				ok, err := fn(c).here()
				if err == nil {
					err = yield(truth(ok))
				}
				if err != nil {
					return err
				}
			}
			return nil
		}), nil
	})
	l.method("switchCase", "case:int, *args:fn", func(s *scope, a []any) (any, error) {
		cases := a[1:]
		if len(cases) == 0 {
			return nil, nil
		}
		i := whole(a[0])
		if i < 0 || i >= len(cases) {
			i = len(cases) - 1
		}
		return fn(cases[i]).here()
	})
	l.function("coalesce", "*args:fn", func(s *scope, a []any) (any, error) {
		for _, c := range a {
			if v, err := fn(c).here(); err != nil || v != nil {
				return v, err
			}
		}
		return nil, nil
	})
}

// here evaluates a lambda that takes no arguments: variables are those around it.
func (l *lambda) here() (any, error) {
	if l.body == nil {
		return l.v, nil
	}
	return l.body.eval(l.scope)
}

// isFallback tells whether an aggregator of groupBy failed in a way that means it wants the old form.
func isFallback(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Kind == NoMatch || e.Kind == OutOfRange)
}
