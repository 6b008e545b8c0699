package jsonpath

import (
	"fmt"
	"strconv"
	"strings"
)

// maxPath bounds the length of a path and with it the depth of its parentheses, in bytes.
const maxPath = 4096

type parser struct {
	src string
	pos int
}

// Error is a path that cannot be read; Pos counts bytes from 0.
type Error struct {
	Path string
	Pos  int
	Msg  string
}

func (e *Error) Error() string {
	return fmt.Sprintf("path %q: %s at position %d", e.Path, e.Msg, e.Pos)
}

func (p *parser) fail(format string, args ...any) error {
	return &Error{Path: p.src, Pos: p.pos, Msg: fmt.Sprintf(format, args...)}
}

func (p *parser) space() {
	for p.pos < len(p.src) && strings.IndexByte(" \t\r\n", p.src[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *parser) peek() byte {
	p.space()
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *parser) eat(token string) bool {
	p.space()
	if strings.HasPrefix(p.src[p.pos:], token) {
		p.pos += len(token)
		return true
	}
	return false
}

func (p *parser) parse() ([]step, error) {
	if len(p.src) > maxPath {
		return nil, p.fail("longer than %d bytes", maxPath)
	}
	steps, err := p.path()
	if err != nil {
		return nil, err
	}
	if p.peek() != 0 {
		return nil, p.fail("unexpected %q", p.src[p.pos:p.pos+1])
	}
	return steps, nil
}

// path reads steps up to a closing parenthesis or the end.
func (p *parser) path() ([]step, error) {
	var steps []step
	if p.eat("$") {
		steps = append(steps, group{})
	} else if p.peek() != '.' {
		first, err := p.operand()
		if err != nil {
			return nil, err
		}
		steps = append(steps, first)
	}
	for {
		switch {
		case p.eat(".."):
			right, err := p.operand()
			if err != nil {
				return nil, err
			}
			steps = append(steps, descent{right})
		case p.eat("."):
			s, err := p.operand()
			if err != nil {
				return nil, err
			}
			steps = append(steps, s)
		case p.peek() == '[':
			s, err := p.bracket()
			if err != nil {
				return nil, err
			}
			if s, err = p.combined(s); err != nil {
				return nil, err
			}
			steps = append(steps, s)
		default:
			return compact(steps), nil
		}
	}
}

// compact drops the empty groups that stand for $.
func compact(steps []step) []step {
	out := steps[:0]
	for _, s := range steps {
		if g, ok := s.(group); ok && len(g) == 0 {
			continue
		}
		out = append(out, s)
	}
	return out
}

// operand reads one step with the | and where that follow it: they bind tighter than dots.
func (p *parser) operand() (step, error) {
	a, err := p.atom()
	if err != nil {
		return nil, err
	}
	return p.combined(a)
}

func (p *parser) combined(a step) (step, error) {
	for {
		isUnion := p.eat("|")
		if !isUnion && !p.word("where") {
			return a, nil
		}
		b, err := p.atom()
		if err != nil {
			return nil, err
		}
		if isUnion {
			a = union{a, b}
		} else {
			a = where{a, b}
		}
	}
}

func (p *parser) word(w string) bool {
	p.space()
	rest := p.src[p.pos:]
	if strings.HasPrefix(rest, w) && (len(rest) == len(w) || !isNameByte(rest[len(w)], false)) {
		p.pos += len(w)
		return true
	}
	return false
}

func (p *parser) atom() (step, error) {
	switch c := p.peek(); {
	case c == 0:
		return nil, p.fail("unexpected end")
	case c == '(':
		p.pos++
		steps, err := p.path()
		if err != nil {
			return nil, err
		}
		if !p.eat(")") {
			return nil, p.fail("')' expected")
		}
		return group(steps), nil
	case c == '$':
		p.pos++
		return group{}, nil
	case c == '[':
		return p.bracket()
	case c == '`':
		switch {
		case p.eat("`this`"):
			return this{}, nil
		case p.eat("`parent`"):
			return parent{}, nil
		}
		return nil, p.fail("unknown operator; `this` and `parent` exist")
	}
	return p.fieldList()
}

// fieldList reads names separated by commas, or *.
func (p *parser) fieldList() (step, error) {
	var list names
	for {
		if p.eat("*") {
			return wildcard{}, nil
		}
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		list = append(list, name)
		if !p.eat(",") {
			return list, nil
		}
	}
}

func (p *parser) name() (string, error) {
	c := p.peek()
	if c == '\'' || c == '"' {
		return p.quoted(c)
	}
	start := p.pos
	for p.pos < len(p.src) && isNameByte(p.src[p.pos], p.pos == start) {
		p.pos++
	}
	switch name := p.src[start:p.pos]; {
	case name == "" && c == 0:
		return "", p.fail("unexpected end")
	case name == "":
		return "", p.fail("unexpected %q (quote names that are not plain words: ['...'])", string(rune(c)))
	case name == "where":
		p.pos = start
		return "", p.fail("'where' is reserved: write ['where']")
	default:
		return name, nil
	}
}

func isNameByte(c byte, first bool) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '@' ||
		!first && (c >= '0' && c <= '9' || c == '-')
}

func (p *parser) quoted(quote byte) (string, error) {
	start := p.pos
	var b strings.Builder
	for p.pos++; p.pos < len(p.src); p.pos++ {
		switch c := p.src[p.pos]; {
		case c == quote:
			p.pos++
			return b.String(), nil
		case c == '\\' && p.pos+1 < len(p.src) && p.src[p.pos+1] == quote:
			p.pos++
			b.WriteByte(quote)
		default:
			b.WriteByte(c)
		}
	}
	p.pos = start
	return "", p.fail("the quotation is not closed")
}

// bracket reads [n], [a:b:c], [*] and ['name', ...].
func (p *parser) bracket() (step, error) {
	p.pos++
	var s step
	switch c := p.peek(); {
	case p.eat("*"):
		s = slice{}
	case c == ':' || c == '-' || c >= '0' && c <= '9':
		n, err := p.numbers()
		if err != nil {
			return nil, err
		}
		s = n
	default:
		list, err := p.fieldList()
		if err != nil {
			return nil, err
		}
		s = list
	}
	if !p.eat("]") {
		return nil, p.fail("']' expected")
	}
	return s, nil
}

func (p *parser) numbers() (step, error) {
	var s slice
	for part := 0; part < 3; part++ {
		p.space()
		start := p.pos
		for p.pos < len(p.src) && (p.src[p.pos] == '-' || p.src[p.pos] >= '0' && p.src[p.pos] <= '9') {
			p.pos++
		}
		if p.pos > start {
			n, err := strconv.ParseInt(p.src[start:p.pos], 10, 32)
			if err != nil {
				p.pos = start
				return nil, p.fail("not a usable index")
			}
			i := int(n)
			s.a[part] = &i
		}
		if !p.eat(":") {
			if part == 0 {
				return index(*s.a[0]), nil
			}
			break
		}
	}
	if s.a[2] != nil && *s.a[2] == 0 {
		return nil, p.fail("the step of a slice cannot be zero")
	}
	return s, nil
}
