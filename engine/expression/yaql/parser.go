package yaql

import (
	"petrel/engine/expression/diagnose"
)

// maxNesting bounds parentheses, calls and unary operators inside each other.
const maxNesting = 200

// Levels of precedence, loosest first. Unary + and - bind tighter than every binary
// operator but looser than . and [; not binds looser than comparisons.
const (
	levelArrow = iota + 1
	levelOr
	levelAnd
	levelNot
	levelCompare
	levelSum
	levelProduct
	levelMatch
	levelSign
)

func binaryLevel(t token) int {
	if t.kind != tOp {
		return 0
	}
	switch t.text {
	case "->":
		return levelArrow
	case "or":
		return levelOr
	case "and":
		return levelAnd
	case "<", ">", "<=", ">=", "=", "!=", "in":
		return levelCompare
	case "+", "-":
		return levelSum
	case "*", "/", "mod":
		return levelProduct
	case "=~", "!~":
		return levelMatch
	}
	return 0
}

type parser struct {
	lib    *library
	src    string
	tokens []token
	pos    int
	depth  int
}

func parse(src string, lib *library) (node, error) {
	tokens, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{lib: lib, src: src, tokens: tokens}
	n, err := p.expr(levelArrow)
	if err != nil {
		return nil, err
	}
	if p.peek().kind != tEnd {
		return nil, p.unexpected("")
	}
	return n, nil
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != tEnd {
		p.pos++
	}
	return t
}

func (p *parser) is(op string) bool {
	t := p.peek()
	return t.kind == tOp && t.text == op
}

// unexpected is the error at the current token.
func (p *parser) unexpected(hint string) error {
	t := p.peek()
	var e *Error
	if t.kind == tEnd {
		e = fail(Grammar, "Parse error: unexpected end of statement")
	} else {
		text := t.text
		if t.kind == tVar {
			text = "$" + text
		}
		e = fail(Grammar, "Parse error: unexpected '%s' at position %d of expression '%s'", text, diagnose.Column(p.src, t.pos), p.src)
		if hint == "" && t.kind == tWord && p.pos > 0 && p.tokens[p.pos-1].kind == tWord {
			hint = "quote text of several words"
		}
	}
	e.Source, e.Pos, e.Hint = p.src, t.pos, hint
	return e
}

func (p *parser) expect(op, hint string) error {
	if !p.is(op) {
		return p.unexpected(hint)
	}
	p.pos++
	return nil
}

// expr reads an expression whose operators bind at least as tight as level.
func (p *parser) expr(level int) (node, error) {
	if p.depth++; p.depth > maxNesting {
		e := fail(Limit, "the expression is nested deeper than %d", maxNesting)
		e.Source, e.Pos = p.src, p.peek().pos
		return nil, e
	}
	defer func() { p.depth-- }()
	left, err := p.prefix()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		l := binaryLevel(t)
		if l == 0 || l < level {
			return left, nil
		}
		p.pos++
		next := l + 1
		if l == levelArrow {
			next = l // right-associative
		}
		right, err := p.expr(next)
		if err != nil {
			return nil, err
		}
		left = newBinary(t, left, right)
	}
}

func (p *parser) prefix() (node, error) {
	t := p.peek()
	if t.kind == tOp {
		switch t.text {
		case "+", "-":
			p.pos++
			arg, err := p.expr(levelSign)
			if err != nil {
				return nil, err
			}
			return newSign(t, arg), nil
		case "not":
			p.pos++
			arg, err := p.expr(levelNot)
			if err != nil {
				return nil, err
			}
			return &notNode{base{t.pos}, arg}, nil
		}
	}
	return p.postfix()
}

// postfix reads a primary expression with the members and indexes behind it.
func (p *parser) postfix() (node, error) {
	left, err := p.primary()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		if t.kind != tOp {
			return left, nil
		}
		switch t.text {
		case ".", "?.":
			p.pos++
			if left, err = p.member(left, t); err != nil {
				return nil, err
			}
		case "[":
			p.pos++
			args, err := p.arguments("]")
			if err != nil {
				return nil, err
			}
			left = &indexNode{base{t.pos}, left, args}
		default:
			return left, nil
		}
	}
}

func (p *parser) member(left node, dot token) (node, error) {
	safe := dot.text == "?."
	switch t := p.peek(); t.kind {
	case tWord:
		p.pos++
		return newMember(left, t, safe), nil
	case tCall:
		p.pos++
		args, err := p.arguments(")")
		if err != nil {
			return nil, err
		}
		return p.lib.newCall(t, left, safe, args), nil
	}
	// Anything else is grammatical, but nothing answers to it.
	if _, err := p.primary(); err != nil {
		return nil, err
	}
	return &badMember{base{dot.pos}, left, safe}, nil
}

func (p *parser) primary() (node, error) {
	t := p.peek()
	switch t.kind {
	case tLiteral:
		p.pos++
		return &constNode{base{t.pos}, t.val, false}, nil
	case tWord:
		p.pos++
		return &constNode{base{t.pos}, t.text, true}, nil
	case tVar:
		p.pos++
		return newVar(t), nil
	case tCall:
		p.pos++
		args, err := p.arguments(")")
		if err != nil {
			return nil, err
		}
		return p.lib.newCall(t, nil, false, args), nil
	case tOp:
		switch t.text {
		case "(":
			p.pos++
			inner, err := p.expr(levelArrow)
			if err != nil {
				return nil, err
			}
			return &wrapNode{base{t.pos}, inner}, p.expect(")", "")
		case "[":
			p.pos++
			args, err := p.arguments("]")
			if err != nil {
				return nil, err
			}
			return &listNode{base{t.pos}, args}, nil
		case "{":
			p.pos++
			args, err := p.arguments("}")
			if err != nil {
				return nil, err
			}
			return &mapNode{base{t.pos}, args}, nil
		}
	}
	return nil, p.unexpected("")
}

// arguments are those of a call, an index, a list or a map.
type arguments struct {
	positional []node // nil where a position is left empty
	pairs      []*pairNode
}

// arguments reads up to the closing token: positional ones, of which some may be left
// empty except the last, then pairs.
func (p *parser) arguments(closing string) (a arguments, err error) {
	if p.is(closing) {
		p.pos++
		return a, nil
	}
	for {
		for len(a.pairs) == 0 && p.is(",") {
			p.pos++
			a.positional = append(a.positional, nil)
		}
		n, err := p.expr(levelArrow)
		if err != nil {
			return a, err
		}
		onlyEmpty := len(a.pairs) == 0 && len(a.positional) > 0 && allEmpty(a.positional)
		switch {
		case p.is("=>"):
			if onlyEmpty {
				return a, p.unexpected("")
			}
			arrow := p.next()
			v, err := p.expr(levelArrow)
			if err != nil {
				return a, err
			}
			a.pairs = append(a.pairs, &pairNode{base{arrow.pos}, n, v})
		case len(a.pairs) > 0:
			return a, p.unexpected("arguments with a name come after all others")
		default:
			a.positional = append(a.positional, n)
		}
		if p.is(closing) {
			p.pos++
			return a, nil
		}
		if err := p.expect(",", ""); err != nil {
			return a, err
		}
	}
}

func allEmpty(list []node) bool {
	for _, n := range list {
		if n != nil {
			return false
		}
	}
	return true
}
