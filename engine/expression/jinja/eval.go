package jinja

import (
	"petrel/engine/expression/value"
)

func (n *constExpr) eval(*state) (any, error) { return n.val, nil }

func (n *nameExpr) eval(st *state) (any, error) {
	v, err := st.lookup(n.name, int(n.pos))
	return v, at(err, int(n.pos))
}

func (n blockExpr) eval(st *state) (any, error) { return st.block, nil }

func (st *state) evalAll(xs []expr) ([]any, error) {
	if len(xs) == 0 {
		return nil, nil
	}
	out := make([]any, len(xs))
	for i, x := range xs {
		var err error
		if out[i], err = x.eval(st); err != nil {
			return nil, err
		}
	}
	return out, st.charge(16 * len(xs))
}

func (n *listExpr) eval(st *state) (any, error) {
	items, err := st.evalAll(n.items)
	return &value.List{Items: items}, at(err, int(n.pos))
}

func (n *tupleExpr) eval(st *state) (any, error) {
	items, err := st.evalAll(n.items)
	return value.Tuple(items), at(err, int(n.pos))
}

func (n *dictExpr) eval(st *state) (any, error) {
	d := value.NewDict(len(n.keys))
	for i := range n.keys {
		k, err := n.keys[i].eval(st)
		if err != nil {
			return nil, err
		}
		v, err := n.vals[i].eval(st)
		if err != nil {
			return nil, err
		}
		if err := st.setKey(d, k, v); err != nil {
			return nil, at(err, n.keys[i].at())
		}
	}
	return d, nil
}

// setKey stores a dictionary entry; escaped text becomes a plain text key.
func (st *state) setKey(d *value.Dict, k, v any) error {
	if err := defined(k, false); err != nil {
		return err
	}
	if m, ok := k.(Markup); ok {
		k = string(m)
	}
	if err := st.charge(48); err != nil {
		return err
	}
	return d.Set(k, v)
}

func (n *attrExpr) eval(st *state) (any, error) {
	obj, err := n.obj.eval(st)
	if err != nil {
		return nil, err
	}
	v, err := st.getAttr(obj, n.name, int(n.pos))
	return v, at(err, int(n.pos))
}

func (n *itemExpr) eval(st *state) (any, error) {
	obj, err := n.obj.eval(st)
	if err != nil {
		return nil, err
	}
	if s, ok := n.key.(*sliceExpr); ok {
		v, err := st.slice(obj, s)
		return v, at(err, int(n.pos))
	}
	key, err := n.key.eval(st)
	if err != nil {
		return nil, err
	}
	v, err := st.getItem(obj, key, int(n.pos))
	return v, at(err, int(n.pos))
}

func (n *sliceExpr) eval(*state) (any, error) {
	return nil, at(fail(Runtime, "a slice cannot be one of several indexes"), int(n.pos))
}

func (n *notExpr) eval(st *state) (any, error) {
	ok, err := st.condition(n.x)
	return !ok, err
}

func (n *unaryExpr) eval(st *state) (any, error) {
	v, err := n.x.eval(st)
	if err != nil {
		return nil, err
	}
	if err := defined(v, false); err != nil {
		return nil, at(err, n.x.at())
	}
	r, ok := value.Neg(v)
	if n.op == '+' && ok {
		r, ok = value.Neg(r)
	}
	if !ok {
		return nil, at(fail(Runtime, "bad operand type for unary %c: '%s'", n.op, value.TypeName(v)), int(n.pos))
	}
	return r, nil
}

func (n *logicExpr) eval(st *state) (any, error) {
	a, err := n.a.eval(st)
	if err != nil {
		return nil, err
	}
	ok, err := st.truth(a)
	if err != nil {
		return nil, at(err, n.a.at())
	}
	if ok != n.and {
		return a, nil
	}
	return n.b.eval(st)
}

func (n *condExpr) eval(st *state) (any, error) {
	ok, err := st.condition(n.test)
	switch {
	case err != nil:
		return nil, err
	case ok:
		return n.then.eval(st)
	case n.els != nil:
		return n.els.eval(st)
	}
	return &undefined{hint: "the inline if-expression evaluated to false and no else section was defined", st: st, pos: int(n.pos)}, nil
}

func (n *concatExpr) eval(st *state) (any, error) {
	parts := make([]string, len(n.parts))
	total := 0
	for i, x := range n.parts {
		v, err := x.eval(st)
		if err != nil {
			return nil, err
		}
		if parts[i], err = st.text(v); err != nil {
			return nil, at(err, x.at())
		}
		total += len(parts[i])
	}
	if err := st.charge(total); err != nil {
		return nil, at(err, int(n.pos))
	}
	out := make([]byte, 0, total)
	for _, p := range parts {
		out = append(out, p...)
	}
	return string(out), nil
}

func (n *binaryExpr) eval(st *state) (any, error) {
	a, err := n.a.eval(st)
	if err != nil {
		return nil, err
	}
	b, err := n.b.eval(st)
	if err != nil {
		return nil, err
	}
	if err := defined(a, false); err != nil {
		return nil, at(err, n.a.at())
	}
	if err := defined(b, false); err != nil {
		return nil, at(err, n.b.at())
	}
	if err := st.step(); err != nil {
		return nil, at(err, int(n.pos))
	}
	v, err := st.binary(n.op, a, b)
	return v, at(err, int(n.pos))
}

func (n *compareExpr) eval(st *state) (any, error) {
	a, err := n.first.eval(st)
	if err != nil {
		return nil, err
	}
	for i, op := range n.ops {
		b, err := n.rest[i].eval(st)
		if err != nil {
			return nil, err
		}
		ok, err := st.compare(op, a, b)
		if err != nil {
			return nil, at(err, n.rest[i].at())
		}
		if !ok {
			return false, nil
		}
		a = b
	}
	return true, nil
}

func (n *filterExpr) eval(st *state) (any, error) {
	obj, err := n.obj.eval(st)
	if err != nil {
		return nil, err
	}
	if n.filter == nil {
		return nil, st.env.unknown("filter", n.name, st.env.filters, int(n.pos))
	}
	v, err := st.apply(n.filter, obj, &n.args)
	return v, at(err, int(n.pos))
}

func (n *testExpr) eval(st *state) (any, error) {
	obj, err := n.obj.eval(st)
	if err != nil {
		return nil, err
	}
	if n.test == nil {
		return nil, st.env.unknown("test", n.name, st.env.tests, int(n.pos))
	}
	v, err := st.apply(n.test, obj, &n.args)
	if err != nil {
		return nil, at(err, int(n.pos))
	}
	ok, err := st.truth(v)
	return ok, at(err, int(n.pos))
}

// apply runs a filter or test on a value.
func (st *state) apply(b *builtin, obj any, args *callArgs) (any, error) {
	if err := st.step(); err != nil {
		return nil, err
	}
	if args.empty() {
		return b.invokeOn(st, obj, nil, nil)
	}
	pos, kw, err := st.arguments(args, nil)
	if err != nil {
		return nil, err
	}
	return b.invokeOn(st, obj, pos, kw)
}

// arguments evaluates the arguments of a call.
func (st *state) arguments(a *callArgs, extra *kwarg) ([]any, []kwarg, error) {
	pos, err := st.evalAll(a.pos)
	if err != nil {
		return nil, nil, err
	}
	if a.star != nil {
		v, err := a.star.eval(st)
		if err != nil {
			return nil, nil, err
		}
		more, err := st.items(v)
		if err != nil {
			return nil, nil, at(err, a.star.at())
		}
		pos = append(pos, more...)
	}
	var kw []kwarg
	for i, name := range a.names {
		v, err := a.named[i].eval(st)
		if err != nil {
			return nil, nil, err
		}
		kw = append(kw, kwarg{name, v})
	}
	if a.starStar != nil {
		v, err := a.starStar.eval(st)
		if err != nil {
			return nil, nil, err
		}
		d, ok := v.(*value.Dict)
		if !ok {
			return nil, nil, at(fail(Runtime, "argument after ** must be a mapping, not %s", value.TypeName(v)), a.starStar.at())
		}
		for k, e := range d.All() {
			kw = append(kw, kwarg{value.Str(k), e})
		}
	}
	if extra != nil {
		kw = append(kw, *extra)
	}
	return pos, kw, nil
}

func (n *callExpr) eval(st *state) (any, error) { return n.evalWith(st, nil) }

// evalWith calls with one more keyword argument, when extra is given.
func (n *callExpr) evalWith(st *state, extra *kwarg) (any, error) {
	if err := st.step(); err != nil {
		return nil, at(err, int(n.pos))
	}
	if m, ok := n.fn.(*attrExpr); ok {
		obj, err := m.obj.eval(st)
		if err != nil {
			return nil, err
		}
		if method, ok := st.env.methods.of(obj)[m.name]; ok {
			pos, kw, err := st.arguments(&n.args, extra)
			if err != nil {
				return nil, err
			}
			v, err := method.invokeOn(st, obj, pos, kw)
			return v, at(err, int(m.pos))
		}
		fn, err := st.getAttr(obj, m.name, int(m.pos))
		if err != nil {
			return nil, at(err, int(m.pos))
		}
		return n.invoke(st, fn, extra)
	}
	fn, err := n.fn.eval(st)
	if err != nil {
		return nil, err
	}
	return n.invoke(st, fn, extra)
}

func (n *callExpr) invoke(st *state, fn any, extra *kwarg) (any, error) {
	pos, kw, err := st.arguments(&n.args, extra)
	if err != nil {
		return nil, err
	}
	v, err := st.call(fn, pos, kw)
	return v, at(err, int(n.pos))
}
