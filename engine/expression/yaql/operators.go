package yaql

import (
	"errors"
	"math/big"
	"strings"

	"petrel/engine/expression/value"
)

type (
	binary struct {
		base
		op          string
		left, right node
	}
	logical struct { // and, or
		base
		or          bool
		left, right node
	}
	arrow struct {
		base
		left, right node
	}
	sign struct {
		base
		minus bool
		arg   node
	}
)

func newBinary(op token, left, right node) node {
	b := base{op.pos}
	switch op.text {
	case "->":
		return &arrow{b, left, right}
	case "and", "or":
		return &logical{b, op.text == "or", left, right}
	}
	return &binary{b, op.text, left, right}
}

func newSign(op token, arg node) node {
	if c, ok := arg.(*constNode); ok && op.text == "-" && !c.word {
		if v, ok := value.Neg(c.v); ok && kindOf(c.v)&kNumber != 0 {
			return &constNode{base{op.pos}, v, false}
		}
	}
	return &sign{base{op.pos}, op.text == "-", arg}
}

func (n *logical) eval(s *scope) (any, error) {
	left, err := n.left.eval(s)
	if err != nil || truth(left) == n.or {
		return left, err
	}
	return n.right.eval(s)
}

func (n *arrow) eval(s *scope) (any, error) {
	left, err := n.left.eval(s)
	if err != nil {
		return nil, err
	}
	inner, ok := left.(*scope)
	if !ok {
		return nil, at(noOperator("->", left, nil).hint("let(...), with(...), def(...) or unpack(...) stands left of ->"), n.pos)
	}
	return n.right.eval(inner)
}

func (n *sign) eval(s *scope) (any, error) {
	v, err := n.arg.eval(s)
	if err != nil {
		return nil, err
	}
	if span, ok := v.(Timespan); ok {
		if n.minus {
			span = -span
		}
		return span, nil
	}
	if kindOf(v)&kNumber == 0 {
		op := "+"
		if n.minus {
			op = "-"
		}
		return nil, at(fail(NoMatch, "No function \"#unary_operator_%s\" matches supplied arguments", op).hint("%s is no number", describe(v)), n.pos)
	}
	if n.minus {
		v, _ = value.Neg(v)
	}
	return v, nil
}

func (n *binary) eval(s *scope) (any, error) {
	left, err := n.left.eval(s)
	if err != nil {
		return nil, err
	}
	right, err := n.right.eval(s)
	if err != nil {
		return nil, err
	}
	v, err := s.run.operate(n.op, left, right)
	return v, at(err, n.pos)
}

func noOperator(op string, a, b any) *Error {
	e := fail(NoMatch, "No function \"#operator_%s\" matches supplied arguments", op)
	ka, kb := kindOf(a), kindOf(b)
	switch {
	case op == "in" && kb == kDict:
		return e.hint("use map.containsKey(key)")
	case op == "in" && kb == kString:
		return e.hint("only text can be in text; use str(x)")
	case op == "+" && (ka == kString) != (kb == kString):
		return e.hint("%s + %s: convert one with str() or int()", describe(a), describe(b))
	case op == "->":
		return e
	}
	return e.hint("%s %s %s", describe(a), op, describe(b))
}

// operate applies a binary operator to two values.
func (r *run) operate(op string, a, b any) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	switch op {
	case "=":
		return r.equal(a, b)
	case "!=":
		same, err := r.equal(a, b)
		return !same, err
	case "<", ">", "<=", ">=":
		return r.compare(op, a, b)
	case "in":
		return r.in(a, b)
	case "=~", "!~":
		found, err := r.matches(op, a, b)
		return found == (op == "=~"), err
	case "+":
		return r.add(a, b)
	case "-":
		return r.subtract(a, b)
	case "*":
		return r.multiply(a, b)
	}
	return r.divide(op, a, b)
}

// number finishes arithmetic of the value model.
func number(v any, _ bool, err error) (any, error) {
	if errors.Is(err, value.ErrZeroDivision) {
		return nil, fail(Failed, "division by zero")
	}
	return v, err
}

func (r *run) add(a, b any) (any, error) {
	ka, kb := kindOf(a), kindOf(b)
	switch {
	case ka&kb&kString != 0:
		x, y := a.(string), b.(string)
		return x + y, r.charge(len(x) + len(y))
	case ka&kNumber != 0 && kb&kNumber != 0:
		return number(value.Add(a, b))
	case ka == kList && kb == kList:
		x, err := r.items(a)
		if err != nil {
			return nil, err
		}
		y, err := r.items(b)
		if err != nil {
			return nil, err
		}
		return r.list(append(append(make([]any, 0, len(x)+len(y)), x...), y...))
	case ka == kSet && kb == kSet:
		return r.union(a, b)
	case ka&kIterable != 0 && kb&kIterable != 0:
		return r.chain(a, b), nil
	case ka&kb&kDict != 0:
		out := a.(*value.Dict).Copy()
		out.Update(b.(*value.Dict))
		return out, r.charge(48 * out.Len())
	case ka == kTime && kb == kSpan:
		return shift(timeOf(a), b.(Timespan))
	case ka == kSpan && kb == kTime:
		return shift(timeOf(b), a.(Timespan))
	case ka&kb&kSpan != 0:
		return span(float64(a.(Timespan)) + float64(b.(Timespan)))
	}
	return nil, noOperator("+", a, b)
}

// chain reads sequences one after the other.
func (r *run) chain(sequences ...any) any {
	return r.newLazy(func(yield func(any) error) error {
		for _, s := range sequences {
			if err := r.visit(s, yield); err != nil {
				return err
			}
		}
		return nil
	})
}

func (r *run) subtract(a, b any) (any, error) {
	ka, kb := kindOf(a), kindOf(b)
	switch {
	case ka&kNumber != 0 && kb&kNumber != 0:
		return number(value.Sub(a, b))
	case ka == kSet && kb == kSet:
		return r.difference(a, b)
	case ka == kTime && kb == kSpan:
		return shift(timeOf(a), -b.(Timespan))
	case ka&kb&kTime != 0:
		return between(timeOf(a), timeOf(b)), nil
	case ka&kb&kSpan != 0:
		return span(float64(a.(Timespan)) - float64(b.(Timespan)))
	}
	return nil, noOperator("-", a, b)
}

func (r *run) multiply(a, b any) (any, error) {
	ka, kb := kindOf(a), kindOf(b)
	switch {
	case ka&kNumber != 0 && kb&kNumber != 0:
		return number(value.Mul(a, b))
	case ka == kInt && kb&(kString|kList) != 0:
		return r.repeat(b, a)
	case kb == kInt && ka&(kString|kList) != 0:
		return r.repeat(a, b)
	case ka == kSpan && kb&kNumber != 0:
		f, _ := value.Float(b)
		return span(float64(a.(Timespan)) * f)
	case kb == kSpan && ka&kNumber != 0:
		f, _ := value.Float(a)
		return span(float64(b.(Timespan)) * f)
	}
	return nil, noOperator("*", a, b)
}

// repeat gives a text or list n times.
func (r *run) repeat(v, times any) (any, error) {
	n, ok := times.(int64)
	if !ok {
		n = int64(times.(*big.Int).Sign()) * int64(r.limits.Memory)
	}
	n = max(n, 0)
	size, _ := value.Len(v)
	if s, ok := v.(string); ok {
		size = len(s)
	} else {
		size *= 16
	}
	if size > 0 && n > int64(r.limits.Memory/size) {
		return nil, r.charge(r.limits.Memory + 1)
	}
	if err := r.charge(size * int(n)); err != nil {
		return nil, err
	}
	if s, ok := v.(string); ok {
		return strings.Repeat(s, int(n)), nil
	}
	items, err := r.items(v)
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(items)*int(n))
	for range n {
		if len(items) == 0 {
			break
		}
		out = append(out, items...)
	}
	return &value.List{Items: out}, nil
}

func (r *run) divide(op string, a, b any) (any, error) {
	ka, kb := kindOf(a), kindOf(b)
	switch {
	case ka&kNumber != 0 && kb&kNumber != 0:
		switch {
		case op == "mod":
			return number(value.Mod(a, b))
		case ka == kInt && kb == kInt:
			return number(value.FloorDiv(a, b))
		}
		return number(value.Div(a, b))
	case op == "/" && ka == kSpan && kb&(kNumber|kSpan) != 0:
		f, ok := value.Float(b)
		if !ok {
			f = float64(b.(Timespan))
		}
		if f == 0 {
			return nil, fail(Failed, "division by zero")
		}
		if kb == kSpan {
			return float64(a.(Timespan)) / f, nil
		}
		return span(float64(a.(Timespan)) / f)
	}
	return nil, noOperator(op, a, b)
}

// compare is < > <= >=: within numbers, texts, sets, datetimes and timespans; null is
// below everything.
func (r *run) compare(op string, a, b any) (bool, error) {
	if a == nil || b == nil {
		ca, cb := boolInt(a != nil), boolInt(b != nil)
		return decide(op, ca-cb), nil
	}
	ka, kb := kindOf(a), kindOf(b)
	switch {
	case ka&kNumber != 0 && kb&kNumber != 0:
		if x, ok := a.(float64); ok && x != x {
			return false, nil
		}
		if y, ok := b.(float64); ok && y != y {
			return false, nil
		}
		c, err := value.Compare(a, b)
		return decide(op, c), err
	case ka&kb&kString != 0:
		return decide(op, strings.Compare(a.(string), b.(string))), nil
	case ka&kb&kTime != 0:
		return decide(op, timeOf(a).Compare(timeOf(b))), nil
	case ka&kb&kSpan != 0:
		x, y := a.(Timespan), b.(Timespan)
		return decide(op, boolInt(x > y)-boolInt(x < y)), nil
	case ka&kb&kSet != 0:
		if op == ">" || op == ">=" {
			a, b = b, a
		}
		x, y, err := r.twoSets(a, b)
		if err != nil {
			return false, err
		}
		return subset(x, y) && (len(op) == 2 || x.Len() < y.Len()), nil
	}
	return false, noOperator(op, a, b)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func decide(op string, c int) bool {
	switch op {
	case "<":
		return c < 0
	case ">":
		return c > 0
	case "<=":
		return c <= 0
	}
	return c >= 0
}

func (r *run) in(a, b any) (bool, error) {
	if y, ok := b.(string); ok {
		x, ok := a.(string)
		if !ok {
			return false, noOperator("in", a, b)
		}
		return strings.Contains(y, x), nil
	}
	if kindOf(b)&kIterable == 0 {
		return false, noOperator("in", a, b)
	}
	return r.contains(b, a)
}

func (r *run) contains(sequence, v any) (bool, error) {
	switch x := sequence.(type) {
	case *value.Set:
		return x.Has(freeze(v)), nil
	case *view:
		if x.part == partKeys {
			_, ok := x.dict.Get(freeze(v))
			return ok, nil
		}
	}
	found := false
	err := r.each(sequence, func(item any) (err error) {
		if found, err = r.equal(item, v); err == nil && found {
			err = errStop
		}
		return err
	})
	return found, err
}

func (r *run) matches(op string, a, b any) (bool, error) {
	text, ok := a.(string)
	if !ok {
		return false, noOperator(op, a, b)
	}
	re, ok := b.(*regex)
	if !ok {
		pattern, ok := b.(string)
		if !ok {
			return false, noOperator(op, a, b)
		}
		compiled, err := r.env.Patterns.Compile(pattern, 0)
		if err != nil {
			return false, err
		}
		re = &regex{compiled}
	}
	m, err := re.Search(text)
	return m != nil, err
}
