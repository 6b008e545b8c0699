package value

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxFormatWidth bounds widths and precisions in formats.
const maxFormatWidth = 100_000

// FormatArgs are what the replacement fields of Format refer to.
type FormatArgs struct {
	Positional []any
	Named      *Dict
	// Attr resolves "{0.name}"; nil refuses attributes.
	Attr func(v any, name string) (any, error)
	// Index resolves "{0[key]}"; nil takes list positions and dictionary keys.
	Index func(v, key any) (any, error)
}

// Format is str.format.
func Format(format string, a FormatArgs) (string, error) {
	f := formatter{args: a, auto: 0}
	return f.expand(format, 2)
}

type formatter struct {
	args FormatArgs
	auto int // next automatic position, -1 once positions are given by hand
}

func (f *formatter) expand(format string, depth int) (string, error) {
	if depth == 0 {
		return "", errors.New("max string recursion exceeded")
	}
	var out strings.Builder
	for i := 0; i < len(format); {
		j := strings.IndexAny(format[i:], "{}")
		if j < 0 {
			out.WriteString(format[i:])
			break
		}
		out.WriteString(format[i : i+j])
		i += j
		if i+1 < len(format) && format[i+1] == format[i] {
			out.WriteByte(format[i])
			i += 2
			continue
		}
		if format[i] == '}' {
			return "", errors.New("single '}' encountered in format string")
		}
		end := matchingBrace(format, i)
		if end < 0 {
			return "", errors.New("expected '}' before end of string")
		}
		s, err := f.field(format[i+1:end], depth)
		if err != nil {
			return "", err
		}
		out.WriteString(s)
		if out.Len() > defaultTextLimit {
			return "", ErrTooLarge
		}
		i = end + 1
	}
	return out.String(), nil
}

func matchingBrace(s string, open int) int {
	depth := 0
	for i := open; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func (f *formatter) field(field string, depth int) (string, error) {
	name, spec, conv := field, "", ""
	bracket := false
	for i := 0; i < len(field); i++ {
		switch c := field[i]; {
		case c == '[':
			bracket = true
		case c == ']':
			bracket = false
		case !bracket && (c == ':' || c == '!'):
			name, spec = field[:i], field[i:]
			i = len(field)
		}
	}
	if strings.HasPrefix(spec, "!") {
		if len(spec) < 2 {
			return "", errors.New("end of string while looking for conversion specifier")
		}
		conv, spec = spec[1:2], spec[2:]
		if spec != "" && spec[0] != ':' {
			return "", errors.New("expected ':' after conversion specifier")
		}
	}
	spec = strings.TrimPrefix(spec, ":")
	v, err := f.lookup(name)
	if err != nil {
		return "", err
	}
	if strings.Contains(spec, "{") {
		if spec, err = f.expand(spec, depth-1); err != nil {
			return "", err
		}
	}
	switch conv {
	case "":
	case "r", "a":
		v = Repr(v)
	case "s":
		v = Str(v)
	default:
		return "", fmt.Errorf("unknown conversion specifier %q", conv)
	}
	return FormatValue(v, spec)
}

func (f *formatter) lookup(name string) (any, error) {
	end := strings.IndexAny(name, ".[")
	if end < 0 {
		end = len(name)
	}
	first, rest := name[:end], name[end:]
	v, err := f.argument(first)
	for err == nil && rest != "" {
		if rest[0] == '[' {
			i := strings.IndexByte(rest, ']')
			if i < 2 {
				return nil, errors.New("missing ']' or empty attribute in format string")
			}
			v, err = f.index(v, rest[1:i])
			rest = rest[i+1:]
			continue
		}
		rest = strings.TrimPrefix(rest, ".")
		i := strings.IndexAny(rest, ".[")
		if i < 0 {
			i = len(rest)
		}
		if i == 0 {
			return nil, errors.New("empty attribute in format string")
		}
		if f.args.Attr == nil {
			return nil, fmt.Errorf("'%s' object has no attribute '%s'", TypeName(v), rest[:i])
		}
		v, err = f.args.Attr(v, rest[:i])
		rest = rest[i:]
	}
	return v, err
}

func (f *formatter) argument(first string) (any, error) {
	pos, err := strconv.Atoi(first)
	switch {
	case first == "":
		if f.auto < 0 {
			return nil, errors.New("cannot switch from manual field specification to automatic field numbering")
		}
		pos = f.auto
		f.auto++
	case err != nil:
		if v, ok := f.args.Named.GetString(first); ok {
			return v, nil
		}
		return nil, fmt.Errorf("format has no argument named '%s'", first)
	case f.auto > 0:
		return nil, errors.New("cannot switch from automatic field numbering to manual field specification")
	default:
		f.auto = -1
	}
	if pos < 0 || pos >= len(f.args.Positional) {
		return nil, fmt.Errorf("replacement index %d out of range for positional args", pos)
	}
	return f.args.Positional[pos], nil
}

func (f *formatter) index(v any, text string) (any, error) {
	var key any = text
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && isDigit(text[0]) {
		key = n
	}
	if f.args.Index != nil {
		return f.args.Index(v, key)
	}
	if d, ok := v.(*Dict); ok {
		if e, ok := d.Get(key); ok {
			return e, nil
		}
		return nil, fmt.Errorf("no key %s", Repr(key))
	}
	items := []any(nil)
	switch x := v.(type) {
	case *List:
		items = x.Items
	case Tuple:
		items = x
	}
	if n, ok := key.(int64); ok && n < int64(len(items)) {
		return items[n], nil
	}
	return nil, fmt.Errorf("'%s' object has no item %s", TypeName(v), Repr(key))
}

// formatSpec is [[fill]align][sign][z][#][0][width][grouping][.precision][type].
type formatSpec struct {
	fill      rune
	align     byte
	sign      byte
	alt       bool
	width     int
	group     byte
	precision int // -1: none
	kind      byte
}

func parseSpec(spec string) (s formatSpec, err error) {
	s = formatSpec{fill: ' ', precision: -1}
	bad := fmt.Errorf("invalid format specifier '%s'", spec)
	r, n := utf8.DecodeRuneInString(spec)
	if n > 0 && n < len(spec) && strings.IndexByte("<>=^", spec[n]) >= 0 {
		s.fill, s.align = r, spec[n]
		spec = spec[n+1:]
	} else if spec != "" && strings.IndexByte("<>=^", spec[0]) >= 0 {
		s.align, spec = spec[0], spec[1:]
	}
	take := func(set string) byte {
		if spec != "" && strings.IndexByte(set, spec[0]) >= 0 {
			c := spec[0]
			spec = spec[1:]
			return c
		}
		return 0
	}
	number := func() (int, bool, error) {
		i := 0
		for i < len(spec) && isDigit(spec[i]) {
			i++
		}
		if i == 0 {
			return 0, false, nil
		}
		v, convErr := strconv.Atoi(spec[:i])
		spec = spec[i:]
		if convErr != nil || v > maxFormatWidth {
			return 0, false, fmt.Errorf("a width or precision in a format is larger than %d", maxFormatWidth)
		}
		return v, true, nil
	}
	s.sign = take("+- ")
	take("z")
	s.alt = take("#") != 0
	if take("0") != 0 && s.align == 0 {
		s.fill, s.align = '0', '='
	}
	if s.width, _, err = number(); err != nil {
		return s, err
	}
	s.group = take(",_")
	if take(".") != 0 {
		p, ok, err := number()
		if err != nil || !ok {
			return s, errors.Join(err, bad)
		}
		s.precision = p
	}
	if spec != "" {
		s.kind, spec = spec[0], spec[1:]
	}
	if spec != "" {
		return s, bad
	}
	return s, nil
}

// FormatValue is Python's format(v, spec).
func FormatValue(v any, spec string) (string, error) {
	if spec == "" {
		return Str(v), nil
	}
	if t, ok := v.(time.Time); ok {
		return "", fmt.Errorf("format '%s' of the datetime %s is not supported", spec, ISOFormat(t))
	}
	s, err := parseSpec(spec)
	if err != nil {
		return "", err
	}
	v = boolToInt(v)
	switch x := v.(type) {
	case string:
		return formatText(x, s)
	case int64, *big.Int:
		return formatInt(x, s)
	case float64:
		return formatFloat(x, s)
	}
	return "", fmt.Errorf("unsupported format string passed to %s.__format__", TypeName(v))
}

func formatText(t string, s formatSpec) (string, error) {
	if s.kind != 0 && s.kind != 's' {
		return "", fmt.Errorf("unknown format code '%c' for object of type 'str'", s.kind)
	}
	if s.sign != 0 || s.align == '=' && s.fill != '0' {
		return "", errors.New("sign or '=' alignment not allowed in string format specifier")
	}
	if s.precision >= 0 {
		t = Substr(t, 0, s.precision)
	}
	if s.align == 0 || s.align == '=' {
		s.align = '<'
	}
	return padFormat(t, s), nil
}

// padFormat pads as format() does, which centres a little differently than str.center.
func padFormat(t string, s formatSpec) string {
	if missing := s.width - utf8.RuneCountInString(t); s.align == '^' && missing > 0 {
		fill := string(s.fill)
		return strings.Repeat(fill, missing/2) + t + strings.Repeat(fill, missing-missing/2)
	}
	return Pad(t, s.width, s.fill, s.align)
}

func formatInt(v any, s formatSpec) (string, error) {
	b, _ := BigInt(v)
	base, prefix := 10, ""
	switch s.kind {
	case 0, 'd', 'n':
	case 'x', 'X':
		base, prefix = 16, "0"+string(s.kind)
	case 'o':
		base, prefix = 8, "0o"
	case 'b':
		base, prefix = 2, "0b"
	case 'c':
		if !b.IsInt64() || b.Int64() < 0 || b.Int64() > utf8.MaxRune {
			return "", errors.New("%c arg not in range(0x110000)")
		}
		return formatText(string(rune(b.Int64())), formatSpec{fill: s.fill, align: s.align, width: s.width, precision: -1})
	case 'e', 'E', 'f', 'F', 'g', 'G', '%':
		f, err := ToFloat(v)
		if err != nil {
			return "", err
		}
		return formatFloat(f, s)
	default:
		return "", fmt.Errorf("unknown format code '%c' for object of type 'int'", s.kind)
	}
	if s.precision >= 0 {
		return "", errors.New("precision not allowed in integer format specifier")
	}
	digits := new(big.Int).Abs(b).Text(base)
	if s.kind == 'X' {
		digits = strings.ToUpper(digits)
	}
	if !s.alt {
		prefix = ""
	}
	step := 3
	if base != 10 {
		step = 4
	}
	return assemble(b.Sign() < 0, prefix, digits, "", step, s), nil
}

func formatFloat(f float64, s formatSpec) (string, error) {
	neg := math.Signbit(f) && !math.IsNaN(f)
	digits, err := floatDigits(math.Abs(f), s)
	if err != nil {
		return "", err
	}
	whole, rest := digits, ""
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		whole, rest = digits[:i], digits[i:]
	}
	return assemble(neg, "", whole, rest, 3, s), nil
}

func floatDigits(f float64, s formatSpec) (string, error) {
	p := s.precision
	if p < 0 {
		p = 6
	}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		t := FloatRepr(f)
		if s.kind == 'F' || s.kind == 'E' || s.kind == 'G' {
			t = strings.ToUpper(t)
		} else if s.kind == '%' {
			t += "%"
		}
		return t, nil
	}
	switch s.kind {
	case 'f', 'F':
		return strconv.FormatFloat(f, 'f', p, 64), nil
	case 'e', 'E':
		return strconv.FormatFloat(f, s.kind, p, 64), nil
	case '%':
		return strconv.FormatFloat(f*100, 'f', p, 64) + "%", nil
	case 'g', 'G', 'n':
		t := generalFloat(f, max(p, 1), s.alt)
		if s.kind == 'G' {
			t = strings.ToUpper(t)
		}
		return t, nil
	case 0:
		if s.precision < 0 {
			return FloatRepr(f), nil
		}
		t := generalFloat(f, max(p, 1), s.alt)
		if !strings.ContainsAny(t, ".e") {
			t += ".0"
		}
		return t, nil
	}
	return "", fmt.Errorf("unknown format code '%c' for object of type 'float'", s.kind)
}

// generalFloat is C's %g with p significant digits.
func generalFloat(f float64, p int, keepZeros bool) string {
	e := strconv.FormatFloat(f, 'e', p-1, 64)
	exp, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	mantissa, tail := e[:strings.IndexByte(e, 'e')], e[strings.IndexByte(e, 'e'):]
	if exp >= -4 && exp < p {
		mantissa, tail = strconv.FormatFloat(f, 'f', p-1-exp, 64), ""
	}
	if !keepZeros && strings.Contains(mantissa, ".") {
		mantissa = strings.TrimSuffix(strings.TrimRight(mantissa, "0"), ".")
	}
	return mantissa + tail
}

func assemble(neg bool, prefix, whole, rest string, step int, s formatSpec) string {
	sign := ""
	switch {
	case neg:
		sign = "-"
	case s.sign == '+' || s.sign == ' ':
		sign = string(s.sign)
	}
	if s.group != 0 {
		if s.fill == '0' && s.align == '=' {
			n := len(whole)
			for room := s.width - len(sign) - len(prefix) - len(rest); n+(n-1)/step < room; {
				n++
			}
			whole = strings.Repeat("0", n-len(whole)) + whole
		}
		whole = groupDigits(whole, step, s.group)
	}
	body := whole + rest
	switch s.align {
	case '=':
		missing := s.width - len(sign) - len(prefix) - len(body)
		return sign + prefix + strings.Repeat(string(s.fill), max(0, missing)) + body
	case 0:
		s.align = '>'
	}
	return padFormat(sign+prefix+body, s)
}

func groupDigits(d string, step int, sep byte) string {
	out := make([]byte, 0, len(d)+len(d)/step)
	for i := range len(d) {
		if i > 0 && (len(d)-i)%step == 0 {
			out = append(out, sep)
		}
		out = append(out, d[i])
	}
	return string(out)
}
