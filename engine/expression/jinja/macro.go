package jinja

import (
	"petrel/engine/expression/value"
)

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
