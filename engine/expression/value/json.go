package value

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// ParseJSON reads one JSON text: key order is kept, the last of duplicate keys
// wins, integers stay integers of any size. As Python's json.loads it also takes
// NaN, Infinity and -Infinity. Bytes that are no UTF-8 become U+FFFD. Errors name
// the byte offset, line and column.
func ParseJSON(b []byte) (any, error) {
	if !utf8.Valid(b) {
		b = bytes.ToValidUTF8(b, []byte("\ufffd"))
	}
	p := jsonParser{src: b}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos < len(p.src) {
		return nil, p.fail("extra data after the JSON value")
	}
	return v, nil
}

type jsonParser struct {
	src []byte
	pos int
}

func (p *jsonParser) fail(what string) error {
	line, col := 1, 1
	for _, c := range p.src[:min(p.pos, len(p.src))] {
		if col++; c == '\n' {
			line, col = line+1, 1
		}
	}
	return fmt.Errorf("invalid JSON: %s: line %d column %d (char %d)", what, line, col, p.pos)
}

func (p *jsonParser) space() {
	for p.pos < len(p.src) {
		switch p.src[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *jsonParser) word(w string, v any) (any, error) {
	if len(p.src)-p.pos < len(w) || string(p.src[p.pos:p.pos+len(w)]) != w {
		return nil, p.fail("expecting value")
	}
	p.pos += len(w)
	return v, nil
}

func (p *jsonParser) value(depth int) (any, error) {
	if p.pos >= len(p.src) {
		return nil, p.fail("expecting value")
	}
	if depth > maxDepth {
		return nil, p.fail(fmt.Sprintf("nested deeper than %d levels", maxDepth))
	}
	switch c := p.src[p.pos]; c {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"':
		return p.text()
	case 't':
		return p.word("true", true)
	case 'f':
		return p.word("false", false)
	case 'n':
		return p.word("null", nil)
	case 'N':
		return p.word("NaN", math.NaN())
	case 'I':
		return p.word("Infinity", math.Inf(1))
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		if c == '-' && p.pos+1 < len(p.src) && p.src[p.pos+1] == 'I' {
			return p.word("-Infinity", math.Inf(-1))
		}
		return p.number()
	}
	return nil, p.fail("expecting value")
}

func (p *jsonParser) object(depth int) (any, error) {
	p.pos++
	d := NewDict(4)
	for p.space(); ; p.space() {
		if p.pos < len(p.src) && p.src[p.pos] == '}' && d.Len() == 0 {
			p.pos++
			return d, nil
		}
		if p.pos >= len(p.src) || p.src[p.pos] != '"' {
			return nil, p.fail("expecting property name enclosed in double quotes")
		}
		k, err := p.text()
		if err != nil {
			return nil, err
		}
		if p.space(); p.pos >= len(p.src) || p.src[p.pos] != ':' {
			return nil, p.fail("expecting ':' delimiter")
		}
		p.pos++
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		d.SetString(k, v)
		if p.space(); p.pos < len(p.src) && p.src[p.pos] == '}' {
			p.pos++
			return d, nil
		}
		if p.pos >= len(p.src) || p.src[p.pos] != ',' {
			return nil, p.fail("expecting ',' delimiter")
		}
		p.pos++
	}
}

func (p *jsonParser) array(depth int) (any, error) {
	p.pos++
	l := &List{}
	if p.space(); p.pos < len(p.src) && p.src[p.pos] == ']' {
		p.pos++
		return l, nil
	}
	for {
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		l.Items = append(l.Items, v)
		p.space()
		switch {
		case p.pos < len(p.src) && p.src[p.pos] == ',':
			p.pos++
		case p.pos < len(p.src) && p.src[p.pos] == ']':
			p.pos++
			return l, nil
		default:
			return nil, p.fail("expecting ',' delimiter")
		}
	}
}

func (p *jsonParser) text() (string, error) {
	p.pos++
	start := p.pos
	for ; p.pos < len(p.src); p.pos++ {
		switch c := p.src[p.pos]; {
		case c == '"':
			s := string(p.src[start:p.pos])
			p.pos++
			return s, nil
		case c == '\\':
			return p.escapedText(start)
		case c < ' ':
			return "", p.fail("invalid control character in text")
		}
	}
	return "", p.fail("unterminated text")
}

func (p *jsonParser) escapedText(start int) (string, error) {
	out := append([]byte(nil), p.src[start:p.pos]...)
	for p.pos < len(p.src) {
		c := p.src[p.pos]
		p.pos++
		switch {
		case c == '"':
			return string(out), nil
		case c < ' ':
			p.pos--
			return "", p.fail("invalid control character in text")
		case c != '\\':
			out = append(out, c)
			continue
		}
		if p.pos >= len(p.src) {
			break
		}
		e := p.src[p.pos]
		p.pos++
		switch e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := p.hex4()
			if !ok {
				return "", p.fail(`invalid \uXXXX escape`)
			}
			if utf16.IsSurrogate(r) && p.pos+1 < len(p.src) && p.src[p.pos] == '\\' && p.src[p.pos+1] == 'u' {
				back := p.pos
				p.pos += 2
				low, ok := p.hex4()
				if both := utf16.DecodeRune(r, low); ok && both != utf8.RuneError {
					r = both
				} else {
					p.pos = back
				}
			}
			out = utf8.AppendRune(out, r) // a lone surrogate becomes U+FFFD
		default:
			p.pos--
			return "", p.fail(`invalid \escape`)
		}
	}
	return "", p.fail("unterminated text")
}

func (p *jsonParser) hex4() (rune, bool) {
	if p.pos+4 > len(p.src) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.src[p.pos:p.pos+4]), 16, 32)
	if err != nil {
		return 0, false
	}
	p.pos += 4
	return rune(n), true
}

func (p *jsonParser) digits() bool {
	start := p.pos
	for p.pos < len(p.src) && p.src[p.pos] >= '0' && p.src[p.pos] <= '9' {
		p.pos++
	}
	return p.pos > start
}

func (p *jsonParser) number() (any, error) {
	start := p.pos
	if p.src[p.pos] == '-' {
		p.pos++
	}
	if p.pos < len(p.src) && p.src[p.pos] == '0' {
		p.pos++
	} else if !p.digits() {
		return nil, p.fail("expecting value")
	}
	isFloat := false
	if p.pos+1 < len(p.src) && p.src[p.pos] == '.' && p.src[p.pos+1] >= '0' && p.src[p.pos+1] <= '9' {
		isFloat = true
		p.pos++
		p.digits()
	}
	if p.pos < len(p.src) && (p.src[p.pos] == 'e' || p.src[p.pos] == 'E') {
		isFloat = true
		p.pos++
		if p.pos < len(p.src) && (p.src[p.pos] == '+' || p.src[p.pos] == '-') {
			p.pos++
		}
		if !p.digits() {
			return nil, p.fail("invalid number")
		}
	}
	text := string(p.src[start:p.pos])
	if isFloat {
		f, _ := strconv.ParseFloat(text, 64) // beyond the range: infinity, as in Python
		return f, nil
	}
	if len(text) > maxIntDigits {
		return nil, p.fail("integer is too long")
	}
	return parseInt(text), nil
}

// parseInt reads decimal digits that are known to be well formed.
func parseInt(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	b, _ := new(big.Int).SetString(text, 10)
	return b
}

// parseNumber reads the text of a json.Number.
func parseNumber(text string) (any, error) {
	p := jsonParser{src: []byte(text)}
	if text == "" {
		return nil, p.fail("empty number")
	}
	v, err := p.value(0)
	if err != nil || p.pos != len(p.src) || !IsNumber(v) {
		return nil, fmt.Errorf("invalid number %q", text)
	}
	return v, nil
}
