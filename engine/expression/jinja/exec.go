package jinja

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
