package value

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ParseLiteral reads a Python literal as ast.literal_eval does: numbers, text,
// bytes, lists, tuples, maps, sets, True, False and None.
func ParseLiteral(s string) (any, error) {
	p := literalParser{src: strings.TrimLeft(s, " \t")}
	p.space()
	v, err := p.tupleOrValue(0)
	if err != nil {
		return nil, fmt.Errorf("malformed literal %s: %w", Repr(clip(s, 80)), err)
	}
	return v, nil
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}

type literalParser struct {
	src  string
	pos  int
	open int // brackets around the position: inside them line breaks are blanks
}

func (p *literalParser) fail(what string) error { return fmt.Errorf("%s at position %d", what, p.pos) }

func (p *literalParser) peek() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *literalParser) space() {
	for p.pos < len(p.src) {
		switch c := p.src[p.pos]; {
		case c == ' ' || c == '\t' || c == '\f':
		case (c == '\n' || c == '\r') && p.open > 0:
		case c == '\\' && strings.HasPrefix(p.src[p.pos:], "\\\n"):
			p.pos++
		case c == '#':
			for p.pos < len(p.src) && p.src[p.pos] != '\n' {
				p.pos++
			}
			continue
		default:
			return
		}
		p.pos++
	}
}

// tupleOrValue reads the whole text, where commas outside brackets make a tuple.
func (p *literalParser) tupleOrValue(depth int) (any, error) {
	v, err := p.value(depth)
	if err != nil {
		return nil, err
	}
	if p.space(); p.peek() == ',' {
		t := Tuple{v}
		for p.peek() == ',' {
			p.pos++
			p.space()
			if p.pos >= len(p.src) || p.peek() == '\n' || p.peek() == '\r' {
				break
			}
			if v, err = p.value(depth); err != nil {
				return nil, err
			}
			t = append(t, v)
			p.space()
		}
		v = t
	}
	for p.pos < len(p.src) && strings.IndexByte(" \t\r\n\f", p.src[p.pos]) >= 0 {
		p.pos++
		p.space()
	}
	if p.pos < len(p.src) {
		return nil, p.fail("unexpected text")
	}
	return v, nil
}

func (p *literalParser) value(depth int) (any, error) {
	if depth > 100 {
		return nil, p.fail("nested too deeply")
	}
	p.space()
	switch c := p.peek(); {
	case c == '[':
		items, _, err := p.sequence(']', depth)
		return &List{items}, err
	case c == '(':
		items, comma, err := p.sequence(')', depth)
		if err == nil && len(items) == 1 && !comma {
			return items[0], nil
		}
		return Tuple(items), err
	case c == '{':
		return p.braces(depth)
	case c == '-' || c == '+':
		p.pos++
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		switch v.(type) {
		case int64, float64, *big.Int:
		default:
			return nil, p.fail("a sign before what is not a number")
		}
		if c == '+' {
			return v, nil
		}
		n, _ := Neg(v)
		return n, nil
	case isDigit(c) || c == '.':
		return p.number()
	case c == '\'' || c == '"':
		return p.strings()
	case c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z':
		return p.name(depth)
	case c == 0:
		return nil, p.fail("unexpected end")
	}
	return nil, p.fail(fmt.Sprintf("unexpected %q", p.src[p.pos]))
}

func (p *literalParser) name(depth int) (any, error) {
	start := p.pos
	for c := p.peek(); c == '_' || isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z'; c = p.peek() {
		p.pos++
	}
	word := p.src[start:p.pos]
	if c := p.peek(); c == '\'' || c == '"' {
		switch strings.ToLower(word) {
		case "r", "b", "u", "br", "rb":
			p.pos = start
			return p.strings()
		}
	}
	switch word {
	case "None":
		return nil, nil
	case "True":
		return true, nil
	case "False":
		return false, nil
	case "set":
		p.space()
		if strings.HasPrefix(p.src[p.pos:], "()") {
			p.pos += 2
			return &Set{}, nil
		}
	}
	p.pos = start
	return nil, p.fail(fmt.Sprintf("%q is not a literal", word))
}

// sequence reads items up to the closing bracket; comma tells whether the last item had one.
func (p *literalParser) sequence(end byte, depth int) (items []any, comma bool, err error) {
	p.pos++
	p.open++
	items = []any{}
	for {
		if p.space(); p.peek() == end {
			p.pos++
			p.open--
			return items, comma, nil
		}
		if len(items) > 0 && !comma {
			return nil, false, p.fail("expected a comma")
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, false, err
		}
		items = append(items, v)
		p.space()
		if comma = p.peek() == ','; comma {
			p.pos++
		}
	}
}

func (p *literalParser) braces(depth int) (any, error) {
	p.pos++
	p.open++
	d, set, comma := NewDict(4), &Set{}, true
	for {
		if p.space(); p.peek() == '}' {
			p.pos++
			p.open--
			if set.Len() > 0 {
				return set, nil
			}
			return d, nil
		}
		if !comma {
			return nil, p.fail("expected a comma")
		}
		k, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		p.space()
		if p.peek() == ':' && set.Len() == 0 {
			p.pos++
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			if err := d.Set(k, v); err != nil {
				return nil, err
			}
		} else if d.Len() > 0 {
			return nil, p.fail("expected ':'")
		} else if err := set.Add(k); err != nil {
			return nil, err
		}
		p.space()
		if comma = p.peek() == ','; comma {
			p.pos++
		}
	}
}

func (p *literalParser) number() (any, error) {
	start := p.pos
	for {
		c := p.peek()
		sign := (c == '+' || c == '-') && p.src[p.pos-1]|0x20 == 'e' && !strings.HasPrefix(strings.ToLower(p.src[start:]), "0x")
		if c != '.' && c != '_' && !isDigit(c) && !(c|0x20 >= 'a' && c|0x20 <= 'z') && !(p.pos > start && sign) {
			break
		}
		p.pos++
	}
	v, err := ParseNumberLiteral(p.src[start:p.pos])
	if err != nil {
		p.pos = start
		return nil, p.fail(err.Error())
	}
	return v, nil
}

// ParseNumberLiteral reads one Python number literal without a sign: 12, 1_000, 0x1f, 1.5, 1e3.
func ParseNumberLiteral(text string) (any, error) {
	if strings.HasPrefix(strings.ToLower(text), "0x") || !strings.ContainsAny(text, ".eE") {
		return ParseInt(text, 0)
	}
	if text == "" || !(isDigit(text[0]) || text[0] == '.') {
		return nil, fmt.Errorf("invalid number %q", text)
	}
	return ParseFloat(text)
}

// strings reads adjacent string literals, which are one.
func (p *literalParser) strings() (any, error) {
	var out strings.Builder
	isBytes, first := false, true
	for {
		start := p.pos
		for c := p.peek(); c|0x20 >= 'a' && c|0x20 <= 'z'; c = p.peek() {
			p.pos++
		}
		prefix := strings.ToLower(p.src[start:p.pos])
		if c := p.peek(); c != '\'' && c != '"' {
			p.pos = start
			break
		}
		b := strings.Contains(prefix, "b")
		if !first && b != isBytes {
			return nil, p.fail("cannot mix bytes and text")
		}
		isBytes, first = b, false
		part, err := p.quoted(strings.Contains(prefix, "r"), b)
		if err != nil {
			return nil, err
		}
		out.WriteString(part)
		p.space()
	}
	if isBytes {
		return Bytes(out.String()), nil
	}
	return out.String(), nil
}

func (p *literalParser) quoted(raw, isBytes bool) (string, error) {
	quote := p.src[p.pos : p.pos+1]
	if long := strings.Repeat(quote, 3); strings.HasPrefix(p.src[p.pos:], long) {
		quote = long
	}
	p.pos += len(quote)
	start := p.pos
	for ; p.pos < len(p.src); p.pos++ {
		switch c := p.src[p.pos]; {
		case c == '\\':
			p.pos++
		case c == '\n' && len(quote) == 1:
			return "", p.fail("unterminated text")
		case strings.HasPrefix(p.src[p.pos:], quote):
			body := p.src[start:p.pos]
			p.pos += len(quote)
			if raw {
				return body, nil
			}
			return Unescape(body, isBytes)
		}
	}
	return "", p.fail("unterminated text")
}

// Unescape resolves the backslash escapes of a Python string literal; unknown
// escapes stay as they are. With isBytes only the escapes of bytes are known.
func Unescape(s string, isBytes bool) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) {
			out = append(out, s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case '\n':
		case '\\', '\'', '"':
			out = append(out, c)
		case 'a':
			out = append(out, '\a')
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
		case 'v':
			out = append(out, '\v')
		case 'x', 'u', 'U':
			n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
			if isBytes && c != 'x' {
				out = append(out, '\\', c)
				continue
			}
			if i+1+n > len(s) {
				return "", errors.New("truncated \\" + string(c) + " escape")
			}
			r, err := strconv.ParseUint(s[i+1:i+1+n], 16, 32)
			if err != nil || r > utf8.MaxRune {
				return "", errors.New("invalid \\" + string(c) + " escape")
			}
			i += n
			if isBytes {
				out = append(out, byte(r))
			} else {
				out = utf8.AppendRune(out, rune(r))
			}
		case '0', '1', '2', '3', '4', '5', '6', '7':
			r, j := 0, i
			for ; j < len(s) && j < i+3 && s[j] >= '0' && s[j] <= '7'; j++ {
				r = r*8 + int(s[j]-'0')
			}
			i = j - 1
			if isBytes {
				out = append(out, byte(r))
			} else {
				out = utf8.AppendRune(out, rune(r))
			}
		default:
			out = append(out, '\\', c)
		}
	}
	return string(out), nil
}
