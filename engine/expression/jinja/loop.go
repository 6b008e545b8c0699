package jinja

import (
	"petrel/engine/expression/value"
)

func (s *forStmt) exec(st *state) error {
	v, err := s.iter.eval(st)
	if err != nil {
		return err
	}
	return s.loop(st, v, 0)
}

// loop runs the body for every item; depth counts recursive loops from 0.
func (s *forStmt) loop(st *state, v any, depth int) error {
	next, err := st.pull(v)
	if err != nil {
		return at(err, s.iter.at())
	}
	outer := st.scope
	defer func() { st.scope = outer }()
	if s.test != nil {
		next = s.filtered(st, next, outer)
	}
	l := &loop{stmt: s, st: st, source: v, next: next, depth: depth, index: -1, outer: outer}
	if s.test != nil {
		l.source = nil
	}
	ran := false
	for {
		item, ok, err := l.advance()
		if err != nil {
			return at(err, s.iter.at())
		}
		if !ok {
			break
		}
		ran = true
		if err := st.step(); err != nil {
			return err
		}
		st.scope = &scope{parent: outer}
		if s.usesLoop || s.recursive {
			st.scope.set("loop", l)
		}
		if err := st.assign(&s.target, item); err != nil {
			return err
		}
		if err := st.run(s.body); err != nil {
			return err
		}
	}
	if !ran {
		st.scope = &scope{parent: outer}
		return st.run(s.els)
	}
	return nil
}

// filtered passes on the items for which the loop's "if" holds.
func (s *forStmt) filtered(st *state, next puller, outer *scope) puller {
	return func() (any, bool, error) {
		for {
			item, ok, err := next()
			if err != nil || !ok {
				return nil, false, err
			}
			if err := st.step(); err != nil {
				return nil, false, err
			}
			old := st.scope
			st.scope = &scope{parent: outer}
			if err := st.assign(&s.target, item); err != nil {
				return nil, false, err
			}
			keep, err := st.condition(s.test)
			st.scope = old
			if err != nil {
				return nil, false, err
			}
			if keep {
				return item, true, nil
			}
		}
	}
}

// loop is the "loop" object inside a for loop.
type loop struct {
	stmt    *forStmt
	st      *state
	source  any
	next    puller
	outer   *scope
	depth   int
	index   int
	prev    any
	cur     any
	ahead   []any // items fetched beyond the current one
	changed *[]any
}

func (l *loop) advance() (any, bool, error) {
	item, ok, err := l.peek()
	if err != nil || !ok {
		return nil, false, err
	}
	l.ahead = l.ahead[1:]
	l.prev, l.cur = l.cur, item
	l.index++
	return item, true, nil
}

// peek looks at the item after the current one.
func (l *loop) peek() (any, bool, error) {
	if len(l.ahead) == 0 {
		item, ok, err := l.next()
		if err != nil || !ok {
			return nil, false, err
		}
		l.ahead = append(l.ahead, item)
	}
	return l.ahead[0], true, nil
}

// length counts all items, fetching the rest where their number is not known.
func (l *loop) length() (int, error) {
	if l.source != nil {
		if _, isGen := l.source.(*generator); !isGen {
			return l.st.length(l.source)
		}
	}
	for {
		item, ok, err := l.next()
		if err != nil {
			return 0, err
		}
		if !ok {
			return l.index + 1 + len(l.ahead), nil
		}
		if err := l.st.charge(16); err != nil {
			return 0, err
		}
		l.ahead = append(l.ahead, item)
	}
}

var loopAttributes = []string{"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem", "depth", "depth0", "cycle", "changed"}

func (l *loop) TypeName() string { return "LoopContext" }

func (l *loop) getAttr(st *state, name string, pos int) (any, bool, error) {
	switch name {
	case "index":
		return int64(l.index + 1), true, nil
	case "index0":
		return int64(l.index), true, nil
	case "first":
		return l.index == 0, true, nil
	case "last":
		_, more, err := l.peek()
		return !more, true, err
	case "length", "revindex", "revindex0":
		n, err := l.length()
		switch name {
		case "revindex":
			n -= l.index
		case "revindex0":
			n -= l.index + 1
		}
		return int64(n), true, err
	case "depth":
		return int64(l.depth + 1), true, nil
	case "depth0":
		return int64(l.depth), true, nil
	case "previtem":
		if l.index == 0 {
			return &undefined{hint: "there is no previous item", strict: !st.lenient, pos: pos}, true, nil
		}
		return l.prev, true, nil
	case "nextitem":
		item, ok, err := l.peek()
		if !ok {
			return &undefined{hint: "there is no next item", strict: !st.lenient, pos: pos}, true, err
		}
		return item, true, nil
	case "cycle":
		return function("cycle", func(c *call) (any, error) {
			if len(c.rest) == 0 {
				return nil, fail(Runtime, "no items for cycling given")
			}
			return c.rest[l.index%len(c.rest)], nil
		}), true, nil
	case "changed":
		return function("changed", func(c *call) (any, error) {
			if l.changed != nil && value.Equal(value.Tuple(*l.changed), value.Tuple(c.rest)) {
				return false, nil
			}
			l.changed = &c.rest
			return true, nil
		}), true, nil
	}
	return nil, false, nil
}

// invoke runs a recursive loop over other items: loop(children).
func (l *loop) invoke(st *state, args []any, kw []kwarg) (any, error) {
	if !l.stmt.recursive {
		return nil, fail(Runtime, "the loop must have the 'recursive' marker to be called recursively")
	}
	if len(args) != 1 || len(kw) > 0 {
		return nil, fail(Runtime, "loop() takes exactly one argument")
	}
	if err := st.enter(); err != nil {
		return nil, err
	}
	defer st.leave()
	old := st.scope
	st.scope = l.outer
	defer func() { st.scope = old }()
	text, err := st.capture(func() error { return l.stmt.loop(st, args[0], l.depth+1) })
	return text, err
}
