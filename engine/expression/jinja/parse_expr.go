package jinja

import (
	"fmt"
	"slices"
	"strings"

	"petrel/engine/expression/diagnose"
)

func (p *parser) expression() expr {
	p.enter()
	defer p.leave()
	return p.conditional()
}

func (p *parser) conditional() expr {
	before := len(p.unknown)
	x := p.or()
	for p.isName("if") {
		t := p.next()
		c := &condExpr{pos: pos(t.pos), then: x, test: p.or()}
		if p.skipName("else") {
			c.els = p.expression()
		}
		p.unknown = p.unknown[:before]
		x = c
	}
	return x
}

func (p *parser) or() expr {
	x := p.and()
	for p.isName("or") {
		t := p.next()
		x = &logicExpr{pos(t.pos), false, x, p.and()}
	}
	return x
}

func (p *parser) and() expr {
	x := p.not()
	for p.isName("and") {
		t := p.next()
		x = &logicExpr{pos(t.pos), true, x, p.not()}
	}
	return x
}

func (p *parser) not() expr {
	if p.isName("not") {
		t := p.next()
		p.enter()
		defer p.leave()
		return &notExpr{pos(t.pos), p.not()}
	}
	return p.compare()
}

func (p *parser) compare() expr {
	first := p.sum()
	c := &compareExpr{pos: pos(p.cur().pos), first: first}
	for {
		t := p.cur()
		switch {
		case t.kind == tokOp && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, t.text):
			p.next()
			c.ops = append(c.ops, t.text)
		case p.skipName("in"):
			c.ops = append(c.ops, "in")
		case p.isName("not") && p.look().kind == tokName && p.look().text == "in":
			p.i += 2
			c.ops = append(c.ops, "not in")
		default:
			if len(c.ops) == 0 {
				return first
			}
			return c
		}
		c.rest = append(c.rest, p.sum())
	}
}

func (p *parser) binary(ops []string, operand func() expr) expr {
	x := operand()
	for t := p.cur(); t.kind == tokOp && slices.Contains(ops, t.text); t = p.cur() {
		p.next()
		x = &binaryExpr{pos(t.pos), t.text, x, operand()}
	}
	return x
}

var (
	sumOps     = []string{"+", "-"}
	productOps = []string{"*", "/", "//", "%"}
	powerOps   = []string{"**"}
)

func (p *parser) sum() expr { return p.binary(sumOps, p.concat) }

func (p *parser) concat() expr {
	x := p.product()
	if !p.isOp("~") {
		return x
	}
	c := &concatExpr{pos(p.cur().pos), []expr{x}}
	for p.skipOp("~") {
		c.parts = append(c.parts, p.product())
	}
	return c
}

func (p *parser) product() expr { return p.binary(productOps, p.power) }

func (p *parser) power() expr {
	return p.binary(powerOps, func() expr { return p.unary(true) })
}

func (p *parser) unary(withFilter bool) expr {
	p.enter()
	defer p.leave()
	t := p.cur()
	var x expr
	if p.isOp("-") || p.isOp("+") {
		p.next()
		x = &unaryExpr{pos(t.pos), t.text[0], p.unary(false)}
	} else {
		x = p.primary()
	}
	x = p.postfix(x)
	if withFilter {
		x = p.filterChain(x)
	}
	return x
}

func (p *parser) primary() expr {
	t := p.next()
	at := pos(t.pos)
	switch t.kind {
	case tokName:
		switch t.text {
		case "true", "True":
			return &constExpr{at, true}
		case "false", "False":
			return &constExpr{at, false}
		case "none", "None":
			return &constExpr{at, nil}
		}
		return &nameExpr{at, t.text}
	case tokString:
		s := t.val.(string)
		for p.cur().kind == tokString {
			s += p.next().val.(string)
		}
		return &constExpr{at, s}
	case tokInt, tokFloat:
		return &constExpr{at, t.val}
	case tokOp:
		switch t.text {
		case "(":
			x := p.tuple(tupleOptions{condExpr: true, parens: true})
			p.expectOp(")")
			return x
		case "[":
			return &listExpr{at, p.items("]")}
		case "{":
			return p.dict(at)
		}
	}
	if t.kind == tokEOF {
		p.fail(t.pos, "unexpected end of template")
	}
	p.fail(t.pos, "unexpected '%s'", t.describe())
	return nil
}

func (p *parser) items(end string) []expr {
	var out []expr
	for !p.isOp(end) {
		if len(out) > 0 {
			p.expectOp(",")
		}
		if p.isOp(end) {
			break
		}
		out = append(out, p.expression())
	}
	p.expectOp(end)
	return out
}

func (p *parser) dict(at pos) expr {
	d := &dictExpr{pos: at}
	for !p.isOp("}") {
		if len(d.keys) > 0 {
			p.expectOp(",")
		}
		if p.isOp("}") {
			break
		}
		d.keys = append(d.keys, p.expression())
		p.expectOp(":")
		d.vals = append(d.vals, p.expression())
	}
	p.expectOp("}")
	return d
}

type tupleOptions struct {
	condExpr bool     // "x if y" is allowed
	parens   bool     // there are parentheses, so an empty tuple is allowed
	ends     []string // names that end the tuple
}

// tuple parses one expression, or several with commas between them.
func (p *parser) tuple(o tupleOptions) expr {
	p.enter()
	defer p.leave()
	at := pos(p.cur().pos)
	var items []expr
	isTuple := false
	for {
		if len(items) > 0 {
			p.expectOp(",")
		}
		if p.tupleEnds(o) {
			break
		}
		if o.condExpr {
			items = append(items, p.expression())
		} else {
			items = append(items, p.or())
		}
		if !p.isOp(",") {
			break
		}
		isTuple = true
	}
	if !isTuple {
		if len(items) == 1 {
			return items[0]
		}
		if !o.parens {
			p.fail(p.cur().pos, "expected an expression, got '%s'", p.cur().describe())
		}
	}
	return &tupleExpr{at, items}
}

func (p *parser) tupleEnds(o tupleOptions) bool {
	t := p.cur()
	switch t.kind {
	case tokVarEnd, tokBlockEnd, tokEOF:
		return true
	case tokOp:
		return t.text == ")"
	case tokName:
		return slices.Contains(o.ends, t.text)
	}
	return false
}

func (p *parser) postfix(x expr) expr {
	for {
		switch {
		case p.isOp("."), p.isOp("["):
			x = p.subscript(x)
		case p.isOp("("):
			at := pos(p.cur().pos)
			x = &callExpr{at, x, p.callArgs()}
		default:
			return x
		}
	}
}

// filterChain parses the filters, tests and calls behind an operand.
func (p *parser) filterChain(x expr) expr {
	for {
		switch {
		case p.isOp("|"):
			x = p.filters(x, false)
		case p.isName("is"):
			x = p.test(x)
		case p.isOp("("):
			at := pos(p.cur().pos)
			x = &callExpr{at, x, p.callArgs()}
		default:
			return x
		}
	}
}

func (p *parser) subscript(x expr) expr {
	if p.skipOp(".") {
		t := p.next()
		switch t.kind {
		case tokName:
			return &attrExpr{pos(t.pos), x, t.text}
		case tokInt:
			return &itemExpr{pos(t.pos), x, &constExpr{pos(t.pos), t.val}}
		}
		p.fail(t.pos, "expected name or number, got '%s'", t.describe())
	}
	at := pos(p.next().pos)
	var keys []expr
	for !p.isOp("]") {
		if len(keys) > 0 {
			p.expectOp(",")
		}
		keys = append(keys, p.subscribed())
	}
	p.expectOp("]")
	switch len(keys) {
	case 0:
		p.fail(int(at), "an index is missing between the brackets")
	case 1:
		return &itemExpr{at, x, keys[0]}
	}
	return &itemExpr{at, x, &tupleExpr{at, keys}}
}

func (p *parser) subscribed() expr {
	at := pos(p.cur().pos)
	var parts [3]expr
	n := 0
	for slice := false; ; {
		switch {
		case p.isOp(":"):
			if n == 2 {
				p.unexpected("']'")
			}
			p.next()
			n++
			slice = true
			continue
		case p.isOp("]"), p.isOp(","):
			if !slice {
				p.unexpected("an index")
			}
			return &sliceExpr{at, parts[0], parts[1], parts[2]}
		}
		if parts[n] != nil {
			p.unexpected("']'")
		}
		parts[n] = p.expression()
		if !slice && !p.isOp(":") {
			return parts[0]
		}
	}
}

func (p *parser) callArgs() callArgs {
	var a callArgs
	p.expectOp("(")
	for first := true; !p.isOp(")"); first = false {
		if !first {
			p.expectOp(",")
			if p.isOp(")") {
				break
			}
		}
		t := p.cur()
		bad := false
		switch {
		case p.skipOp("*"):
			bad = a.star != nil || a.starStar != nil
			a.star = p.expression()
		case p.skipOp("**"):
			bad = a.starStar != nil
			a.starStar = p.expression()
		case t.kind == tokName && p.look().kind == tokOp && p.look().text == "=":
			bad = a.starStar != nil
			p.i += 2
			a.names = append(a.names, t.text)
			a.named = append(a.named, p.expression())
		default:
			bad = a.star != nil || a.starStar != nil || len(a.names) > 0
			a.pos = append(a.pos, p.expression())
		}
		if bad {
			p.fail(t.pos, "invalid syntax for function call expression")
		}
	}
	p.expectOp(")")
	return a
}

// dottedName reads the name of a filter or test.
func (p *parser) dottedName() token {
	t := p.expectName()
	for p.skipOp(".") {
		t.text += "." + p.expectName().text
	}
	return t
}

// filters parses |name(args)|...; with inline the first bar is left out.
func (p *parser) filters(x expr, inline bool) expr {
	for inline || p.skipOp("|") {
		inline = false
		t := p.dottedName()
		f := &filterExpr{pos: pos(t.pos), obj: x, name: t.text, filter: p.env.filters[t.text]}
		if f.filter == nil {
			p.unknown = append(p.unknown, p.env.unknown("filter", t.text, p.env.filters, t.pos))
		}
		if p.isOp("(") {
			f.args = p.callArgs()
		}
		x = f
	}
	return x
}

func (p *parser) test(x expr) expr {
	at := p.next().pos
	negated := p.skipName("not")
	t := p.dottedName()
	n := &testExpr{pos: pos(t.pos), obj: x, name: t.text, test: p.env.tests[t.text]}
	if n.test == nil {
		p.unknown = append(p.unknown, p.env.unknown("test", t.text, p.env.tests, t.pos))
	}
	c := p.cur()
	switch {
	case p.isOp("("):
		n.args = p.callArgs()
	case c.kind == tokName && !slices.Contains([]string{"else", "or", "and", "if", "not", "in", "is", "recursive"}, c.text),
		c.kind == tokString, c.kind == tokInt, c.kind == tokFloat, p.isOp("["), p.isOp("{"):
		n.args.pos = []expr{p.postfix(p.primary())}
	case p.isName("is"):
		p.fail(c.pos, "you cannot chain multiple tests with is")
	}
	if negated {
		return &notExpr{pos(at), n}
	}
	return n
}

// unknown is the error for a filter or test that does not exist.
func (e *Env) unknown(what, name string, table map[string]*builtin, at int) error {
	known := make([]string, 0, len(table))
	for k := range table {
		known = append(known, k)
	}
	slices.Sort(known)
	return &Error{Kind: Assertion, Message: fmt.Sprintf("no %s named '%s'", what, strings.TrimSpace(name)), Hint: diagnose.Nearest(name, known), pos: at}
}
