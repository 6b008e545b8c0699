package jinja

import (
	"strings"

	"petrel/engine/expression/value"
)

func (st *state) run(body []stmt) error {
	for _, s := range body {
		if err := st.step(); err != nil {
			return err
		}
		if err := s.exec(st); err != nil {
			return err
		}
	}
	return nil
}

func (s textStmt) exec(st *state) error { return st.write(string(s)) }

func (s outputStmt) exec(st *state) error {
	v, err := s.x.eval(st)
	if err != nil {
		return err
	}
	text, err := st.text(v)
	if err == nil {
		err = st.write(text)
	}
	return at(err, s.x.at())
}

func (s printStmt) exec(st *state) error { return st.run(s) }

func (s *ifStmt) exec(st *state) error {
	for i, test := range s.tests {
		ok, err := st.condition(test)
		if err != nil {
			return err
		}
		if ok {
			return st.run(s.bodies[i])
		}
	}
	return st.run(s.els)
}

// condition evaluates an expression to a truth value.
func (st *state) condition(x expr) (bool, error) {
	v, err := x.eval(st)
	if err != nil {
		return false, err
	}
	ok, err := st.truth(v)
	return ok, at(err, x.at())
}

func (s *setStmt) exec(st *state) error {
	v, err := s.x.eval(st)
	if err != nil {
		return err
	}
	return st.assign(&s.target, v)
}

func (s *setBlockStmt) exec(st *state) error {
	var v any
	text, err := st.scoped(s.body)
	if err != nil {
		return err
	}
	v = text
	if s.filter != nil {
		if v, err = st.filterText(s.filter, text); err != nil {
			return err
		}
	}
	return st.assign(&s.target, v)
}

// scoped collects the output of a body with names of its own.
func (st *state) scoped(body []stmt) (string, error) {
	old := st.push()
	defer func() { st.scope = old }()
	return st.capture(func() error { return st.run(body) })
}

func (st *state) filterText(filter expr, text string) (any, error) {
	old := st.block
	st.block = text
	defer func() { st.block = old }()
	return filter.eval(st)
}

func (s *filterStmt) exec(st *state) error {
	text, err := st.scoped(s.body)
	if err != nil {
		return err
	}
	v, err := st.filterText(s.filter, text)
	if err != nil {
		return err
	}
	out, err := st.text(v)
	if err == nil {
		err = st.write(out)
	}
	return at(err, s.filter.at())
}

func (s *withStmt) exec(st *state) error {
	vals := make([]any, len(s.vals))
	for i, x := range s.vals {
		var err error
		if vals[i], err = x.eval(st); err != nil {
			return err
		}
	}
	old := st.push()
	defer func() { st.scope = old }()
	for i := range s.targets {
		if err := st.assign(&s.targets[i], vals[i]); err != nil {
			return err
		}
	}
	return st.run(s.body)
}

func (s *scopeStmt) exec(st *state) error {
	old := st.push()
	defer func() { st.scope = old }()
	return st.run(s.body)
}

func (s *macroStmt) exec(st *state) error {
	st.scope.set(s.macro.name, &macro{def: &s.macro, scope: st.scope})
	return nil
}

func (s *callStmt) exec(st *state) error {
	caller := &macro{def: &s.caller, scope: st.scope}
	v, err := s.call.evalWith(st, &kwarg{"caller", caller})
	if err != nil {
		return err
	}
	text, err := st.text(v)
	if err == nil {
		err = st.write(text)
	}
	return at(err, int(s.pos))
}

// assign stores a value in a name, an attribute of a namespace, or several names.
func (st *state) assign(t *target, v any) error {
	switch {
	case t.attr != "":
		obj, err := st.lookup(t.name, int(t.pos))
		if err != nil {
			return at(err, int(t.pos))
		}
		ns, ok := obj.(*namespace)
		if !ok {
			return at(fail(Runtime, "cannot assign attribute on non-namespace object"), int(t.pos))
		}
		ns.attrs.SetString(t.attr, v)
		return nil
	case t.parts == nil:
		st.scope.set(t.name, v)
		return nil
	}
	items, err := st.items(v)
	if err != nil {
		return at(err, int(t.pos))
	}
	if len(items) != len(t.parts) {
		what := "too many"
		if len(items) < len(t.parts) {
			what = "not enough"
		}
		return at(fail(Runtime, "%s values to unpack (expected %d, got %d)", what, len(t.parts), len(items)), int(t.pos))
	}
	for i := range t.parts {
		if err := st.assign(&t.parts[i], items[i]); err != nil {
			return err
		}
	}
	return nil
}

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

// macro is a {% macro %} or the caller of a {% call %} block.
type macro struct {
	def   *macroDef
	scope *scope
}

func (m *macro) TypeName() string { return "Macro" }

// Repr names the macro.
func (m *macro) Repr() string { return "<Macro '" + m.def.name + "'>" }

func (m *macro) getAttr(_ *state, name string, _ int) (any, bool, error) {
	switch name {
	case "name":
		return m.def.name, true, nil
	case "arguments":
		t := make(value.Tuple, len(m.def.params))
		for i, p := range m.def.params {
			t[i] = p
		}
		return t, true, nil
	}
	return nil, false, nil
}

func (m *macro) invoke(st *state, args []any, kw []kwarg) (any, error) {
	if err := st.enter(); err != nil {
		return nil, err
	}
	defer st.leave()
	old := st.scope
	st.scope = &scope{parent: m.scope}
	defer func() { st.scope = old }()
	if err := m.bind(st, args, kw); err != nil {
		return nil, err
	}
	text, err := st.capture(func() error { return st.run(m.def.body) })
	return text, err
}

func (m *macro) bind(st *state, args []any, kw []kwarg) error {
	d := m.def
	given := map[string]any{}
	for _, k := range kw {
		given[k.name] = k.val
	}
	for i, p := range d.params {
		v, named := given[p]
		delete(given, p)
		switch {
		case i < len(args) && named:
			return fail(Runtime, "macro '%s' got multiple values for argument '%s'", d.name, p)
		case i < len(args):
			v = args[i]
		case named:
		case i >= len(d.params)-len(d.defaults):
			var err error
			if v, err = d.defaults[i-len(d.params)+len(d.defaults)].eval(st); err != nil {
				return err
			}
		default:
			v = &undefined{hint: "parameter '" + p + "' was not provided", strict: !st.lenient, st: st}
		}
		st.scope.set(p, v)
	}
	if d.caller {
		v, ok := given["caller"]
		delete(given, "caller")
		if !ok {
			v = &undefined{hint: "no caller defined", strict: !st.lenient, st: st}
		}
		st.scope.set("caller", v)
	}
	if extra := args[min(len(args), len(d.params)):]; d.varargs {
		st.scope.set("varargs", value.Tuple(extra))
	} else if len(extra) > 0 {
		return fail(Runtime, "macro '%s' takes not more than %d argument(s)", d.name, len(d.params))
	}
	if d.kwargs {
		rest := value.NewDict(len(given))
		for _, k := range kw {
			if v, ok := given[k.name]; ok {
				rest.SetString(k.name, v)
			}
		}
		st.scope.set("kwargs", rest)
	} else if len(given) > 0 {
		for _, k := range kw {
			if _, ok := given[k.name]; ok {
				return fail(Runtime, "macro '%s' takes no keyword argument '%s'", d.name, k.name)
			}
		}
	}
	return nil
}

// Markup is text that counts as escaped already: what "safe", "escape" and "tojson" give.
type Markup string

func (m Markup) TypeName() string { return "Markup" }

// Str is the text itself.
func (m Markup) Str() string { return string(m) }

// Repr spells it as Python's markupsafe does.
func (m Markup) Repr() string { return "Markup(" + value.Repr(string(m)) + ")" }

// Truth is false for empty text.
func (m Markup) Truth() bool { return m != "" }

// EqualTo compares it as text.
func (m Markup) EqualTo(other any) bool {
	switch x := other.(type) {
	case string:
		return string(m) == x
	case Markup:
		return m == x
	}
	return false
}

// HashKey is that of the text.
func (m Markup) HashKey() (any, bool) { return string(m), true }

// Plain is the text.
func (m Markup) Plain() (any, error) { return string(m), nil }

var htmlEscaper = strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;")

func escape(s string) Markup { return Markup(htmlEscaper.Replace(s)) }
