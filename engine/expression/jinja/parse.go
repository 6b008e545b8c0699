package jinja

import (
	"fmt"
	"slices"

	"petrel/engine/expression/diagnose"
)

// maxNesting bounds how deep a template may nest expressions and blocks.
const maxNesting = 100

// parser turns tokens into statements.
type parser struct {
	env    *Env
	tokens []token
	i      int
	depth  int
	// unknown are the unknown filters and tests met so far. Those in branches that
	// may never run are forgotten: they fail when they do run.
	unknown []error
	// ends are the tags that the open blocks wait for, innermost last.
	ends [][]string
}

// parseFailure carries a syntax error up to the entry point.
type parseFailure struct{ err error }

func (p *parser) fail(pos int, format string, args ...any) {
	panic(parseFailure{syntaxError(pos, format, args...)})
}

// parseTemplate parses a whole template.
func (e *Env) parseTemplate(src string) (body []stmt, err error) {
	tokens, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{env: e, tokens: tokens}
	defer p.recover(&err)
	body = p.body(nil)
	return body, p.firstUnknown()
}

// parseExpression parses one expression without delimiters.
func (e *Env) parseExpression(src string) (x expr, err error) {
	l := lexer{src: src}
	if err := l.code(0, ""); err != nil {
		return nil, err
	}
	p := &parser{env: e, tokens: l.tokens}
	defer p.recover(&err)
	x = p.tuple(tupleOptions{condExpr: true})
	if p.cur().kind != tokEOF {
		p.fail(p.cur().pos, "chunk after expression: unexpected '%s'", p.cur().describe())
	}
	return x, p.firstUnknown()
}

func (p *parser) firstUnknown() error {
	if len(p.unknown) > 0 {
		return p.unknown[0]
	}
	return nil
}

func (p *parser) recover(err *error) {
	switch f := recover().(type) {
	case nil:
	case parseFailure:
		*err = f.err
	default:
		panic(f)
	}
}

func (p *parser) cur() token { return p.tokens[p.i] }

func (p *parser) look() token { return p.tokens[min(p.i+1, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.tokens[p.i]
	if t.kind != tokEOF {
		p.i++
	}
	return t
}

func (p *parser) isOp(op string) bool { t := p.cur(); return t.kind == tokOp && t.text == op }

func (p *parser) isName(name string) bool { t := p.cur(); return t.kind == tokName && t.text == name }

func (p *parser) skipOp(op string) bool {
	if p.isOp(op) {
		p.i++
		return true
	}
	return false
}

func (p *parser) skipName(name string) bool {
	if p.isName(name) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expectOp(op string) {
	if !p.skipOp(op) {
		p.unexpected("'" + op + "'")
	}
}

func (p *parser) expectName() token {
	if p.cur().kind != tokName {
		p.unexpected("a name")
	}
	return p.next()
}

func (p *parser) expectKind(kind tokenKind, what string) {
	if p.cur().kind != kind {
		p.unexpected(what)
	}
	p.next()
}

func (p *parser) unexpected(want string) {
	t := p.cur()
	if t.kind == tokEOF {
		p.fail(t.pos, "unexpected end of template, expected %s", want)
	}
	p.fail(t.pos, "expected %s, got '%s'", want, t.describe())
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxNesting {
		p.fail(p.cur().pos, "the template is nested deeper than %d levels", maxNesting)
	}
}

func (p *parser) leave() { p.depth-- }

// body parses statements up to one of the given tags (which is not taken) or,
// when there are none, to the end of the template.
func (p *parser) body(ends []string) []stmt {
	p.enter()
	defer p.leave()
	p.ends = append(p.ends, ends)
	defer func() { p.ends = p.ends[:len(p.ends)-1] }()
	var out []stmt
	for {
		switch t := p.next(); t.kind {
		case tokEOF:
			if ends != nil {
				p.fail(t.pos, "unexpected end of template: the block still waits for '%s'", ends[len(ends)-1])
			}
			return out
		case tokText:
			out = append(out, textStmt(t.text))
		case tokVarBegin:
			out = append(out, outputStmt{p.tuple(tupleOptions{condExpr: true})})
			p.expectKind(tokVarEnd, "'}}'")
		case tokBlockBegin:
			if p.cur().kind != tokName {
				p.fail(p.cur().pos, "tag name expected")
			}
			if slices.Contains(ends, p.cur().text) {
				return out
			}
			if s := p.statement(); s != nil {
				out = append(out, s)
			}
			p.expectKind(tokBlockEnd, "'%}'")
		}
	}
}

// block is a body with the end of the tag before it; it stops at the tag that closes it.
func (p *parser) block(ends ...string) []stmt {
	p.skipOp(":")
	p.expectKind(tokBlockEnd, "'%}'")
	return p.body(ends)
}

// tags are the statements that exist, for suggestions.
var tags = []string{"for", "if", "set", "with", "macro", "call", "filter", "print", "block", "autoescape", "raw", "else", "elif", "endfor", "endif"}

func (p *parser) statement() stmt {
	t := p.cur()
	switch t.text {
	case "extends", "include", "import", "from":
		p.fail(t.pos, "'%s' is not available: there are no other templates to load", t.text)
	}
	p.next()
	switch t.text {
	case "for":
		return p.forLoop()
	case "if":
		return p.ifBlock()
	case "set":
		return p.set()
	case "with":
		return p.with()
	case "macro":
		return p.macro()
	case "call":
		return p.callBlock()
	case "filter":
		return p.filterBlock()
	case "print":
		return p.print()
	case "block":
		return p.namedBlock()
	case "autoescape":
		return p.autoescape()
	}
	p.unknownTag(t)
	return nil
}

func (p *parser) unknownTag(t token) {
	if open := p.ends[len(p.ends)-1]; len(open) > 0 {
		p.fail(t.pos, "encountered unknown tag '%s'; the innermost block waits for '%s'", t.text, open[len(open)-1])
	}
	err := &Error{Kind: Syntax, Message: fmt.Sprintf("encountered unknown tag '%s'", t.text), Hint: diagnose.Nearest(t.text, tags), pos: t.pos}
	panic(parseFailure{err})
}

func (p *parser) forLoop() stmt {
	s := &forStmt{pos: pos(p.cur().pos), target: p.target(true, "in")}
	if !p.skipName("in") {
		p.unexpected("'in'")
	}
	s.iter = p.tuple(tupleOptions{ends: []string{"recursive", "if"}})
	if p.skipName("if") {
		s.test = p.expression()
	}
	s.recursive = p.skipName("recursive")
	start := p.i
	s.body = p.block("else", "endfor")
	if p.next().text == "else" {
		s.els = p.block("endfor")
		p.next()
	}
	s.usesLoop = p.usesName(start, "loop")
	return s
}

func (p *parser) ifBlock() stmt {
	s := &ifStmt{}
	before := len(p.unknown)
	defer func() { p.unknown = p.unknown[:before] }()
	for {
		s.tests = append(s.tests, p.tuple(tupleOptions{}))
		s.bodies = append(s.bodies, p.block("elif", "else", "endif"))
		switch p.next().text {
		case "elif":
			continue
		case "else":
			s.els = p.block("endif")
			p.next()
		}
		return s
	}
}

func (p *parser) set() stmt {
	t := p.target(true, "")
	if p.skipOp("=") {
		return &setStmt{t, p.tuple(tupleOptions{condExpr: true})}
	}
	s := &setBlockStmt{target: t}
	if p.isOp("|") {
		s.filter = p.filters(blockExpr{pos(p.cur().pos)}, false)
	}
	s.body = p.block("endset")
	p.next()
	return s
}

func (p *parser) with() stmt {
	s := &withStmt{}
	for p.cur().kind != tokBlockEnd {
		if len(s.targets) > 0 {
			p.expectOp(",")
		}
		s.targets = append(s.targets, p.oneTarget(false))
		p.expectOp("=")
		s.vals = append(s.vals, p.expression())
	}
	s.body = p.block("endwith")
	p.next()
	return s
}

func (p *parser) macro() stmt {
	t := p.expectName()
	p.checkAssignable(t)
	start := p.i
	s := &macroStmt{pos: pos(t.pos), macro: macroDef{name: t.text}}
	p.signature(&s.macro)
	s.macro.body = p.block("endmacro")
	p.next()
	p.findSpecials(&s.macro, start)
	return s
}

func (p *parser) signature(m *macroDef) {
	p.expectOp("(")
	for !p.isOp(")") {
		if len(m.params) > 0 {
			p.expectOp(",")
		}
		t := p.expectName()
		p.checkAssignable(t)
		m.params = append(m.params, t.text)
		if p.skipOp("=") {
			m.defaults = append(m.defaults, p.expression())
		} else if len(m.defaults) > 0 {
			p.fail(t.pos, "non-default argument follows default argument")
		}
	}
	p.next()
}

// usesName tells whether a name stands anywhere between a token and the position.
func (p *parser) usesName(start int, name string) bool {
	for _, t := range p.tokens[start:p.i] {
		if t.kind == tokName && t.text == name {
			return true
		}
	}
	return false
}

// findSpecials notes which of a macro's implicit names its body uses.
func (p *parser) findSpecials(m *macroDef, start int) {
	m.varargs, m.kwargs, m.caller = p.usesName(start, "varargs"), p.usesName(start, "kwargs"), p.usesName(start, "caller")
}

func (p *parser) callBlock() stmt {
	s := &callStmt{pos: pos(p.cur().pos), caller: macroDef{name: "caller"}}
	if p.isOp("(") {
		p.signature(&s.caller)
	}
	call, ok := p.expression().(*callExpr)
	if !ok {
		p.fail(int(s.pos), "expected call")
	}
	s.call = call
	start := p.i
	s.caller.body = p.block("endcall")
	p.next()
	p.findSpecials(&s.caller, start)
	return s
}

func (p *parser) filterBlock() stmt {
	s := &filterStmt{filter: p.filters(blockExpr{pos(p.cur().pos)}, true)}
	s.body = p.block("endfilter")
	p.next()
	return s
}

func (p *parser) print() stmt {
	var parts []stmt
	for p.cur().kind != tokBlockEnd {
		if len(parts) > 0 {
			p.expectOp(",")
		}
		parts = append(parts, outputStmt{p.expression()})
	}
	return printStmt(parts)
}

func (p *parser) namedBlock() stmt {
	p.expectName()
	p.skipName("scoped")
	p.skipName("required")
	s := &scopeStmt{body: p.block("endblock")}
	p.next()
	if p.cur().kind == tokName {
		p.next()
	}
	return s
}

func (p *parser) autoescape() stmt {
	if !p.skipName("false") && !p.skipName("False") {
		p.fail(p.cur().pos, "automatic escaping is off here; use the filter 'e'")
	}
	s := &scopeStmt{body: p.block("endautoescape")}
	p.next()
	return s
}

// target parses what is assigned to; end is the name or operator that ends a list of targets.
func (p *parser) target(withAttr bool, end string) target {
	first := p.oneTarget(withAttr && end == "")
	if !p.isOp(",") {
		return first
	}
	out := target{pos: first.pos, parts: []target{first}}
	for p.skipOp(",") {
		if end != "" && (p.isName(end) || p.isOp(end)) || p.isOp("=") || p.cur().kind == tokBlockEnd {
			break
		}
		out.parts = append(out.parts, p.oneTarget(false))
	}
	return out
}

func (p *parser) oneTarget(withAttr bool) target {
	t := p.cur()
	if p.skipOp("(") {
		p.enter()
		defer p.leave()
		inner := p.target(false, ")")
		p.expectOp(")")
		return inner
	}
	p.expectName()
	p.checkAssignable(t)
	out := target{pos: pos(t.pos), name: t.text}
	if withAttr && p.skipOp(".") {
		out.attr = p.expectName().text
	}
	return out
}

func (p *parser) checkAssignable(t token) {
	switch t.text {
	case "true", "false", "none", "True", "False", "None":
		p.fail(t.pos, "can't assign to '%s'", t.text)
	}
}
