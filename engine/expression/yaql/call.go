package yaql

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"petrel/engine/expression/diagnose"
	"petrel/engine/expression/functions"
)

// callNode is f(...) or receiver.f(...).
type callNode struct {
	base
	lib       *library
	name      string
	receiver  node // nil for functions
	safe      bool
	args      arguments
	shared    *functions.Func // one of the functions all languages share
	overloads []*overload
	plans     []*plan // the overloads that fit by number and names
}

func (l *library) newCall(t token, receiver node, safe bool, args arguments) node {
	c := &callNode{base: base{t.pos}, lib: l, name: t.text, receiver: receiver, safe: safe, args: args}
	if n := ctxVariable(c); n != nil {
		return n
	}
	c.resolve()
	return c
}

// resolve looks the overloads up that the name has.
func (n *callNode) resolve() {
	if n.receiver == nil {
		n.shared, n.overloads = n.lib.shared[n.name], n.lib.functions[n.name]
	} else {
		n.overloads = n.lib.methods[n.name]
	}
	n.plans = n.fit(n.overloads)
}

// bareCtx tells whether the call is ctx().
func (n *callNode) bareCtx() bool {
	return n.shared != nil && n.name == "ctx" && len(n.args.positional)+len(n.args.pairs) == 0
}

// ctxVariable recognises ctx(name), which needs no call.
func ctxVariable(n *callNode) node {
	if n.receiver != nil || n.name != "ctx" || len(n.args.positional) != 1 || len(n.args.pairs) > 0 {
		return nil
	}
	c, ok := n.args.positional[0].(*constNode)
	if !ok {
		return nil
	}
	if name, ok := c.v.(string); ok && name != "" {
		return &ctxVar{n.base, name}
	}
	return nil
}

// fit lays the arguments on every overload, as far as their number and names decide.
func (n *callNode) fit(library []*overload) []*plan {
	var plans []*plan
	for _, o := range library {
		c, ok := n.shape(o.pairs)
		if !ok {
			continue
		}
		if p, ok := o.plan(c); ok {
			plans = append(plans, p)
		}
	}
	return plans
}

func (n *callNode) shape(pairs bool) (shape, bool) {
	first := 0
	if n.receiver != nil {
		first = 1
	}
	c := shape{positional: first + len(n.args.positional)}
	if slices.Contains(n.args.positional, nil) {
		c.empty = make([]bool, c.positional, c.positional+len(n.args.pairs))
		for i, a := range n.args.positional {
			c.empty[first+i] = a == nil
		}
	}
	if pairs {
		c.pairs = len(n.args.pairs)
		c.positional += c.pairs
		if c.empty != nil {
			c.empty = append(c.empty, make([]bool, c.pairs)...)
		}
		return c, true
	}
	for _, p := range n.args.pairs {
		w, ok := p.key.(*constNode)
		if !ok || !w.word {
			return c, false
		}
		c.names = append(c.names, w.v.(string))
	}
	return c, true
}

// argument is one argument of a call while it goes on: evaluated at most once.
type argument struct {
	node  node
	value any
	known bool
}

func (a *argument) eval(s *scope) (any, error) {
	if !a.known {
		v, err := a.node.eval(s)
		if err != nil {
			return nil, err
		}
		a.value, a.known = v, true
	}
	return a.value, nil
}

func (a *argument) lambda(s *scope) *lambda {
	if a.known {
		if l, ok := a.value.(*lambda); ok {
			return l
		}
		return &lambda{scope: s, v: a.value}
	}
	return &lambda{body: a.node, scope: s}
}

func (n *callNode) eval(s *scope) (any, error) {
	var receiver any
	if n.receiver != nil {
		v, err := n.receiver.eval(s)
		if err != nil || v == nil && n.safe {
			return nil, err
		}
		receiver = v
	} else {
		if s.run.defines {
			if l := s.definition(n.name); l != nil {
				v, err := n.defined(s, l)
				return v, at(err, n.pos)
			}
		}
		if n.shared != nil {
			v, err := n.callShared(s)
			if !n.falls(err) {
				return v, at(err, n.pos)
			}
		}
	}
	args := make([]argument, 0, 6)
	if n.receiver != nil {
		args = append(args, argument{value: receiver, known: true})
	}
	for _, a := range n.args.positional {
		args = append(args, argument{node: a})
	}
	for _, p := range n.args.pairs {
		args = append(args, argument{node: p})
	}
	v, err := s.dispatch(n.plans, args, len(args)-len(n.args.pairs))
	if errors.Is(err, errNoMatch) {
		err = n.noMatch(s, receiver)
	}
	return v, at(err, n.pos)
}

// falls tells whether a shared function leaves the call to the library function of the same name.
func (n *callNode) falls(err error) bool {
	var a *functions.ArgumentError
	return errors.As(err, &a) && len(n.plans) > 0
}

var errNoMatch = errors.New("no overload fits")

// dispatch calls the first overload whose parameters take the arguments. args are the
// positional ones, the receiver first, and then the pairs.
func (s *scope) dispatch(plans []*plan, args []argument, positional int) (any, error) {
	if err := s.run.enter(); err != nil {
		s.run.depth--
		return nil, err
	}
	defer func() { s.run.depth-- }()
	for _, p := range plans {
		values, ok, err := s.bind(p, args, positional)
		if err != nil {
			return nil, err
		}
		if ok {
			return p.overload.run(s, values)
		}
	}
	return nil, errNoMatch
}

// bind evaluates the arguments that an overload wants evaluated and checks their kinds.
func (s *scope) bind(p *plan, args []argument, positional int) (values []any, ok bool, err error) {
	o := p.overload
	values = make([]any, 0, len(o.params)+len(args))
	for i := range o.params {
		par := &o.params[i]
		from := p.from[i]
		if from == fromDefault {
			values = append(values, par.def)
			continue
		}
		a := &args[0]
		if from >= 0 {
			a = &args[from]
		} else {
			a = &args[positional+fromNamed-from]
		}
		v, ok, err := s.pass(par, a, from < 0)
		if err != nil || !ok {
			return nil, false, err
		}
		values = append(values, v)
	}
	if o.named {
		named := make(map[string]any, len(p.named))
		for _, j := range p.named {
			pn := args[positional+j].node.(*pairNode)
			if named[pn.key.(*constNode).v.(string)], err = pn.val.eval(s); err != nil {
				return nil, false, err
			}
		}
		values = append(values, named)
	}
	last := positional
	if o.pairs {
		last = len(args)
	}
	for i := p.rest; i < last; i++ {
		v, ok, err := s.pass(o.rest, &args[i], false)
		if err != nil || !ok {
			return nil, false, err
		}
		values = append(values, v)
	}
	return values, true, nil
}

// pass hands one argument over as its parameter wants it.
func (s *scope) pass(p *param, a *argument, named bool) (any, bool, error) {
	if named {
		if pn, ok := a.node.(*pairNode); ok {
			a = &argument{node: pn.val}
		}
	}
	switch p.mode {
	case byLambda:
		return a.lambda(s), true, nil
	case byRule:
		pn := a.node.(*pairNode)
		return &rule{&lambda{body: pn.key, scope: s}, &lambda{body: pn.val, scope: s}}, true, nil
	}
	v, err := a.eval(s)
	if err != nil {
		return nil, false, err
	}
	return v, p.mode == byPair || kindOf(v)&p.mask != 0, nil
}

// defined calls what def() has defined.
func (n *callNode) defined(s *scope, l *lambda) (any, error) {
	args := make([]any, len(n.args.positional))
	for i, a := range n.args.positional {
		if a == nil {
			return nil, n.noMatch(s, nil)
		}
		v, err := a.eval(s)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	c, ok := n.shape(false)
	if !ok {
		return nil, n.noMatch(s, nil)
	}
	named, err := n.evalNamed(s, c)
	if err != nil {
		return nil, err
	}
	return l.applyNamed(args, named)
}

func (n *callNode) evalNamed(s *scope, c shape) (map[string]any, error) {
	if len(c.names) == 0 {
		return nil, nil
	}
	named := make(map[string]any, len(c.names))
	for i, p := range n.args.pairs {
		v, err := p.val.eval(s)
		if err != nil {
			return nil, err
		}
		named[c.names[i]] = v
	}
	return named, nil
}

// callShared calls one of the functions that all languages share.
func (n *callNode) callShared(s *scope) (any, error) {
	if err := s.run.step(); err != nil {
		return nil, err
	}
	c, ok := n.shape(false)
	if !ok || c.empty != nil {
		return nil, n.noMatch(s, nil)
	}
	args := make([]any, len(n.args.positional))
	for i, a := range n.args.positional {
		v, err := a.eval(s)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	named, err := n.evalNamed(s, c)
	if err != nil {
		return nil, err
	}
	v, err := s.run.shared(n.shared, args, named)
	var a *functions.ArgumentError
	if errors.As(err, &a) && len(n.plans) == 0 {
		return nil, fail(NoMatch, "No function %q matches supplied arguments", n.name).hint("%s", a.Error())
	}
	return v, err
}

// shared runs a shared function on finished values.
func (r *run) shared(f *functions.Func, args []any, named map[string]any) (any, error) {
	var err error
	for i := range args {
		if args[i], err = r.finish(args[i]); err != nil {
			return nil, err
		}
	}
	for k := range named {
		if named[k], err = r.finish(named[k]); err != nil {
			return nil, err
		}
	}
	bound, err := f.Bind(args, named, functions.CamelCase)
	if err != nil {
		return nil, err
	}
	v, err := f.Run(&r.call, bound)
	if err != nil {
		return nil, err
	}
	if k := kindOf(v); k == kString {
		return v, r.charge(len(v.(string)))
	} else if k == kList || k == kSet {
		r.lazy = true // tuples and sets of Python's become lists
	}
	return v, nil
}

// noMatch words why a call fits no overload.
func (n *callNode) noMatch(s *scope, receiver any) *Error {
	if n.receiver == nil {
		if len(n.overloads) == 0 && n.shared == nil {
			return fail(Unknown, "Unknown function %q", n.name).hint("%s", n.lib.functionHint(n.name, s))
		}
		return fail(NoMatch, "No function %q matches supplied arguments", n.name).hint("%s", n.signatures(false))
	}
	if len(n.overloads) == 0 {
		return fail(Unknown, "Unknown method %q for receiver %s", n.name, describe(receiver)).hint("%s", n.lib.methodHint(n.name))
	}
	e := fail(NoMatch, "No method %q for receiver %s matches supplied arguments", n.name, describe(receiver))
	if receiver == nil {
		return e.hint("the value left of .%s is null; ?.%s would give null", n.name, n.name)
	}
	return e.hint("%s", n.signatures(true))
}

func (n *callNode) signatures(method bool) string {
	var forms []string
	for _, o := range n.overloads {
		if f := o.spell(n.name, method); !slices.Contains(forms, f) && len(forms) < 4 {
			forms = append(forms, f)
		}
	}
	if len(forms) == 0 {
		return ""
	}
	return "it is written " + strings.Join(forms, " or ")
}

func (l *library) functionHint(name string, s *scope) string {
	switch name {
	case "not", "and", "or", "in", "mod":
		return "put a blank between " + name + " and the parenthesis"
	}
	if l.methods[name] != nil {
		return "it is a method: x." + name + "(...)"
	}
	known := slices.AppendSeq(slices.Collect(maps.Keys(l.functions)), maps.Keys(l.shared))
	for ; s != nil; s = s.up {
		known = slices.AppendSeq(known, maps.Keys(s.defs))
	}
	slices.Sort(known)
	return diagnose.DidYouMean(name, known)
}

func (l *library) methodHint(name string) string {
	if l.functions[name] != nil || l.shared[name] != nil {
		return "it is a function: " + name + "(x, ...)"
	}
	known := slices.Sorted(maps.Keys(l.methods))
	return diagnose.DidYouMean(name, known)
}
