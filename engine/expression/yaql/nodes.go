package yaql

import (
	"strconv"

	"petrel/engine/expression/diagnose"
	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
)

// node is a compiled part of an expression.
type node interface {
	eval(s *scope) (any, error)
	at() int // byte offset in the source
}

type base struct{ pos int }

func (b base) at() int { return b.pos }

type (
	constNode struct {
		base
		v    any
		word bool // an unquoted word, which can name a member or an argument
	}
	varNode struct {
		base
		number int // $ and $1 are 1
		name   string
	}
	wrapNode struct {
		base
		inner node
	}
	member struct {
		base
		left node
		name string
		safe bool
	}
	badMember struct {
		base
		left node
		safe bool
	}
	ctxKey struct { // ctx().name
		base
		name string
		safe bool
	}
	ctxVar struct { // ctx(name)
		base
		name string
	}
	indexNode struct {
		base
		left node
		args arguments
	}
	listNode struct {
		base
		args arguments
	}
	mapNode struct {
		base
		args arguments
	}
	pairNode struct { // key => value: an argument, never an expression of its own
		base
		key, val node
	}
	notNode struct {
		base
		arg node
	}
)

func newVar(t token) node {
	v := &varNode{base: base{t.pos}, name: t.text}
	if t.text == "" {
		v.number = 1
	} else if n, err := strconv.Atoi(t.text); err == nil && n > 0 {
		v.number = n
	}
	return v
}

func newMember(left node, word token, safe bool) node {
	if c, ok := left.(*callNode); ok && c.bareCtx() {
		return &ctxKey{base{word.pos}, word.text, safe}
	}
	return &member{base{word.pos}, left, word.text, safe}
}

func (n *constNode) eval(*scope) (any, error) { return n.v, nil }

func (n *wrapNode) eval(s *scope) (any, error) { return n.inner.eval(s) }

func (n *varNode) eval(s *scope) (any, error) {
	if n.number > 0 {
		return s.arg(n.number), nil
	}
	return s.variable(n.name), nil
}

func (n *pairNode) eval(s *scope) (any, error) {
	k, err := n.key.eval(s)
	if err != nil {
		return nil, err
	}
	v, err := n.val.eval(s)
	return pair{k, v}, err
}

func (n *notNode) eval(s *scope) (any, error) {
	v, err := n.arg.eval(s)
	if err != nil {
		return nil, err
	}
	return !truth(v), nil
}

func (n *ctxVar) eval(s *scope) (any, error) {
	w := s.run.env.Workflow
	if w == nil {
		return nil, at(fail(Failed, "ctx() works only in workflows"), n.pos)
	}
	v, err := functions.Variable(w, n.name)
	return v, n.undefined(err)
}

func (n *ctxVar) undefined(err error) error {
	if u, ok := err.(*functions.UndefinedError); ok {
		err = fail(Unknown, "%s", u.Error()).hint("%s", diagnose.DidYouMean(u.Name, u.Known))
	}
	return at(err, n.pos)
}

func (n *ctxKey) eval(s *scope) (any, error) {
	w := s.run.env.Workflow
	if w == nil {
		return nil, at(fail(Failed, "ctx() works only in workflows"), n.pos)
	}
	if v, ok := w.Variable(n.name); ok && (len(n.name) < 2 || n.name[:2] != "__") {
		return v, nil
	}
	return nil, at(missingKey(n.name, functions.Visible(w.Variables())), n.pos)
}

func missingKey(key any, d *value.Dict) *Error {
	e := fail(Unknown, "Unable to resolve key %s", value.Repr(key))
	name, ok := key.(string)
	if !ok {
		return e
	}
	var known []string
	for k := range d.All() {
		if s, ok := k.(string); ok {
			known = append(known, s)
		}
	}
	if near := diagnose.DidYouMean(name, known); near != "" {
		return e.hint("%s", near)
	}
	return e.hint("use .get(%s) where it may be missing", name)
}

func (n *member) eval(s *scope) (any, error) {
	left, err := n.left.eval(s)
	if err != nil || left == nil && n.safe {
		return nil, err
	}
	v, err := s.run.memberOf(left, n.name)
	return v, at(err, n.pos)
}

// memberOf is left.name: the value of a key, the members of all items, or a property.
func (r *run) memberOf(left any, name string) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	if d, ok := left.(*value.Dict); ok {
		if v, ok := d.GetString(name); ok {
			return v, nil
		}
		return nil, missingKey(name, d)
	}
	if kindOf(left)&kIterable != 0 {
		return r.newLazy(func(yield func(any) error) error {
			return r.visit(left, func(item any) error {
				v, err := r.memberOf(item, name)
				if err != nil {
					return err
				}
				return yield(v)
			})
		}), nil
	}
	if v, ok := property(left, name); ok {
		return v, nil
	}
	e := fail(NoMatch, "Unknown function \"#property#%s\"", name)
	if left == nil {
		return nil, e.hint("the value left of .%s is null; ?.%s would give null", name, name)
	}
	return nil, e.hint("%s has no member %s", describe(left), name)
}

func (n *badMember) eval(s *scope) (any, error) {
	left, err := n.left.eval(s)
	if err != nil || left == nil && n.safe {
		return nil, err
	}
	return nil, at(fail(NoMatch, "No function \"#operator_.\" matches supplied arguments").
		hint("after a dot comes a word or a method; write x['key'] or x.get('key')"), n.pos)
}

func (n *indexNode) eval(s *scope) (any, error) {
	left, err := n.left.eval(s)
	if err != nil {
		return nil, err
	}
	var key, def any
	hasDefault := false
	args := n.args.positional
	switch {
	case len(args) == 0 || len(args) > 2 || args[0] == nil || len(n.args.pairs) > 1:
		return nil, at(noIndexer(left), n.pos)
	case len(args) == 2 && args[1] != nil:
		hasDefault = true
		if def, err = args[1].eval(s); err != nil {
			return nil, err
		}
	}
	if key, err = args[0].eval(s); err != nil {
		return nil, err
	}
	for _, p := range n.args.pairs {
		if w, ok := p.key.(*constNode); !ok || !w.word || w.v != "default" || hasDefault {
			return nil, at(noIndexer(left), n.pos)
		}
		hasDefault = true
		if def, err = p.val.eval(s); err != nil {
			return nil, err
		}
	}
	v, err := s.run.index(left, key, def, hasDefault)
	return v, at(err, n.pos)
}

func noIndexer(left any) *Error {
	e := fail(NoMatch, "No function \"#indexer\" matches supplied arguments")
	switch kindOf(left) {
	case kLazy, kView, kSet:
		return e.hint("a sequence has no index; write .toList()[n], .first() or .skip(n).first()")
	case kString:
		return e.hint("text has no index; write .substring(n, 1)")
	case kNull:
		return e.hint("the value left of [ is null")
	case kList:
		return e.hint("a list is indexed by one whole number")
	}
	return e
}

func (r *run) index(left, key, def any, hasDefault bool) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	switch x := left.(type) {
	case *value.Dict:
		if v, ok := x.Get(freeze(key)); ok {
			return v, nil
		}
		if hasDefault {
			return def, nil
		}
		return nil, missingKey(key, x)
	case *value.List:
		return itemAt(x.Items, key, hasDefault)
	case value.Tuple:
		return itemAt(x, key, hasDefault)
	}
	return nil, noIndexer(left)
}

func itemAt(items []any, key any, hasDefault bool) (any, error) {
	i, ok := key.(int64)
	if !ok || hasDefault {
		return nil, noIndexer(value.Tuple(nil))
	}
	n := int64(len(items))
	if i < -n || i >= n {
		return nil, fail(OutOfRange, "list index %d is out of range", i).hint("the list has %d items", n)
	}
	if i < 0 {
		i += n
	}
	return items[i], nil
}

func (n *listNode) eval(s *scope) (any, error) {
	if len(n.args.pairs) > 0 {
		return nil, at(fail(NoMatch, "No function \"#list\" matches supplied arguments").hint("a map is written {key => value}"), n.pos)
	}
	items := make([]any, len(n.args.positional))
	for i, a := range n.args.positional {
		if a == nil {
			return nil, at(fail(NoMatch, "No function \"#list\" matches supplied arguments").hint("an item is missing"), n.pos)
		}
		v, err := a.eval(s)
		if err != nil {
			return nil, err
		}
		items[i] = v
	}
	return &value.List{Items: items}, at(s.run.charge(16*len(items)), n.pos)
}

func (n *mapNode) eval(s *scope) (any, error) {
	if len(n.args.positional) > 0 {
		return nil, at(fail(NoMatch, "No function \"#map\" matches supplied arguments").hint("a map is written {key => value}"), n.pos)
	}
	d := value.NewDict(len(n.args.pairs))
	for _, p := range n.args.pairs {
		kv, err := p.eval(s)
		if err != nil {
			return nil, err
		}
		if err := d.Set(s.run.key(kv.(pair).key), kv.(pair).val); err != nil {
			return nil, at(err, p.pos)
		}
	}
	return d, at(s.run.charge(48*d.Len()), n.pos)
}
