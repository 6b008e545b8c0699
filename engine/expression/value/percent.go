package value

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"
)

// Percent is Python's format % arg for text: a tuple gives several arguments, a
// dictionary named ones.
func Percent(format string, arg any) (string, error) {
	p := percentArgs{}
	p.dict, _ = arg.(*Dict)
	if t, ok := arg.(Tuple); ok {
		p.args = t
	} else {
		p.args = []any{arg}
		_, isList := arg.(*List)
		p.mayIgnore = p.dict != nil || isList // "text" % {} and "text" % [] are the text
	}
	var out strings.Builder
	for i := 0; i < len(format); {
		j := strings.IndexByte(format[i:], '%')
		if j < 0 {
			out.WriteString(format[i:])
			break
		}
		out.WriteString(format[i : i+j])
		verb, key, end, err := parseVerb(format, i+j+1, p.next)
		if err != nil {
			return "", err
		}
		i = end
		if verb.kind == '%' {
			out.WriteByte('%')
			continue
		}
		v, err := p.value(key)
		if err != nil {
			return "", err
		}
		s, err := formatVerb(v, verb)
		if err != nil {
			return "", err
		}
		out.WriteString(s)
		if out.Len() > defaultTextLimit {
			return "", ErrTooLarge
		}
	}
	if p.used < len(p.args) && !p.named && !p.mayIgnore {
		return "", errors.New("not all arguments converted during string formatting")
	}
	return out.String(), nil
}

// percentArgs hands out the arguments of a format.
type percentArgs struct {
	args      []any
	used      int
	dict      *Dict
	named     bool // a %(name)s was met
	mayIgnore bool // arguments may be left over
}

func (p *percentArgs) next() (any, error) {
	if p.used >= len(p.args) {
		return nil, errors.New("not enough arguments for format string")
	}
	p.used++
	return p.args[p.used-1], nil
}

// value is the argument of a verb: that of the key, or the next one.
func (p *percentArgs) value(key *string) (any, error) {
	if key == nil {
		return p.next()
	}
	p.named = true
	if p.dict == nil {
		return nil, errors.New("format requires a mapping")
	}
	v, ok := p.dict.GetString(*key)
	if !ok {
		return nil, fmt.Errorf("no key '%s' for the format", *key)
	}
	return v, nil
}

func parseVerb(format string, i int, next func() (any, error)) (s formatSpec, key *string, end int, err error) {
	s = formatSpec{fill: ' ', align: '>', precision: -1}
	if i < len(format) && format[i] == '(' {
		depth, j := 1, i+1
		for ; j < len(format) && depth > 0; j++ {
			switch format[j] {
			case '(':
				depth++
			case ')':
				depth--
			}
		}
		if depth > 0 {
			return s, nil, 0, errors.New("incomplete format key")
		}
		k := format[i+1 : j-1]
		key, i = &k, j
	}
	for ; i < len(format); i++ {
		switch c := format[i]; c {
		case '-':
			s.align = '<'
		case '+':
			s.sign = c
		case ' ':
			if s.sign == 0 {
				s.sign = c
			}
		case '#':
			s.alt = true
		case '0':
			s.group = '0' // noted here, applied in formatVerb when the flag '-' is absent
		default:
			goto width
		}
	}
width:
	number := func() (int, error) {
		if i < len(format) && format[i] == '*' {
			i++
			v, err := next()
			n, ok := v.(int64)
			if err == nil && !ok {
				err = errors.New("* wants int")
			}
			if err == nil && (n > maxFormatWidth || n < -maxFormatWidth) {
				err = fmt.Errorf("a width or precision in a format is larger than %d", maxFormatWidth)
			}
			return int(n), err
		}
		n := 0
		for ; i < len(format) && isDigit(format[i]); i++ {
			if n = n*10 + int(format[i]-'0'); n > maxFormatWidth {
				return 0, fmt.Errorf("a width or precision in a format is larger than %d", maxFormatWidth)
			}
		}
		return n, nil
	}
	if s.width, err = number(); err != nil {
		return s, nil, 0, err
	}
	if s.width < 0 {
		s.align, s.width = '<', -s.width
	}
	if i < len(format) && format[i] == '.' {
		i++
		if s.precision, err = number(); err != nil {
			return s, nil, 0, err
		}
		s.precision = max(s.precision, 0)
	}
	for i < len(format) && strings.IndexByte("hlL", format[i]) >= 0 {
		i++
	}
	if i >= len(format) {
		return s, nil, 0, errors.New("incomplete format")
	}
	s.kind = format[i]
	return s, key, i + 1, nil
}

func formatVerb(v any, s formatSpec) (string, error) {
	zero := s.group == '0' && s.align == '>'
	s.group = 0
	switch s.kind {
	case 's', 'r', 'a':
		t := Str(v)
		if s.kind != 's' {
			t = Repr(v)
		}
		if s.precision >= 0 {
			t = Substr(t, 0, s.precision)
		}
		return Pad(t, s.width, ' ', s.align), nil
	case 'c':
		if t, ok := v.(string); ok && utf8.RuneCountInString(t) == 1 {
			return Pad(t, s.width, ' ', s.align), nil
		}
		if n, ok := v.(int64); ok && n >= 0 && n <= utf8.MaxRune {
			return Pad(string(rune(n)), s.width, ' ', s.align), nil
		}
		return "", errors.New("%c requires int or char")
	}
	if zero {
		s.fill, s.align = '0', '='
	}
	switch s.kind {
	case 'd', 'i', 'u', 'x', 'X', 'o':
		return percentInt(v, s)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		f, err := ToFloat(v)
		if _, isText := v.(string); err != nil || isText {
			return "", fmt.Errorf("must be real number, not %s", TypeName(v))
		}
		return formatFloat(f, s)
	}
	return "", fmt.Errorf("unsupported format character '%c'", s.kind)
}

func percentInt(v any, s formatSpec) (string, error) {
	if f, ok := v.(float64); ok && (s.kind == 'd' || s.kind == 'i' || s.kind == 'u') {
		n, err := ToInt(f)
		if err != nil {
			return "", err
		}
		v = n
	}
	b, ok := BigInt(v)
	if !ok {
		return "", fmt.Errorf("%%%c format: a number is required, not %s", s.kind, TypeName(v))
	}
	if s.kind == 'i' || s.kind == 'u' {
		s.kind = 'd'
	}
	precision := s.precision
	s.precision = -1
	if precision < 0 {
		return formatInt(NormInt(b), s)
	}
	digits, err := formatInt(NormInt(new(big.Int).Abs(b)), formatSpec{fill: ' ', align: '>', precision: -1, kind: s.kind})
	if err != nil {
		return "", err
	}
	return assemble(b.Sign() < 0, "", ZFill(digits, precision), "", 3, s), nil
}
