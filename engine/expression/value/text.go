package value

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// defaultTextLimit bounds Str and Repr, in bytes: shared parts can make a small value spell very long.
const defaultTextLimit = 64 << 20

// maxIntDigits bounds the decimal spelling of integers, which takes quadratic time (Python has the same limit).
const maxIntDigits = 100_000

// ErrTooLarge says that the spelling of a value passes the limit given.
var ErrTooLarge = errors.New("the text of the value is too large")

// Str is Python's str(v): text as it is, everything else as Repr spells it.
// A spelling beyond 64 MiB is cut short with "...".
func Str(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case int64:
		return strconv.FormatInt(x, 10)
	}
	s, _ := StrLimit(v, defaultTextLimit)
	return s
}

// Repr is Python's repr(v). A spelling beyond 64 MiB is cut short with "...".
func Repr(v any) string {
	p := printer{limit: defaultTextLimit}
	p.repr(v, 0)
	return string(p.buf)
}

// StrLimit is Str that fails with ErrTooLarge beyond max bytes; the text so far is returned too.
func StrLimit(v any, max int) (string, error) {
	if s, ok := v.(string); ok {
		if len(s) > max {
			return s[:max], ErrTooLarge
		}
		return s, nil
	}
	p := printer{limit: max}
	switch x := v.(type) {
	case time.Time:
		p.buf = appendTime(p.buf, x, ' ')
	case Date:
		p.buf = x.Time.AppendFormat(p.buf, "2006-01-02")
	case Speller:
		p.buf = append(p.buf, x.Str()...)
	default:
		p.repr(v, 0)
	}
	if p.full {
		return string(p.buf) + "...", ErrTooLarge
	}
	return string(p.buf), nil
}

// printer writes repr() with a limit; lists and dicts are those being written, to cut cycles.
type printer struct {
	buf   []byte
	limit int
	full  bool
	lists []*List
	dicts []*Dict
}

func (p *printer) repr(v any, depth int) {
	if len(p.buf) > p.limit {
		p.full = true
		return
	}
	switch x := v.(type) {
	case nil:
		p.buf = append(p.buf, "None"...)
	case bool:
		if x {
			p.buf = append(p.buf, "True"...)
		} else {
			p.buf = append(p.buf, "False"...)
		}
	case int64:
		p.buf = strconv.AppendInt(p.buf, x, 10)
	case *big.Int:
		p.bigInt(x)
	case float64:
		p.buf = appendFloat(p.buf, x)
	case string:
		p.buf = appendQuoted(p.buf, x)
	case Bytes:
		p.buf = appendBytes(p.buf, x)
	case *List:
		p.list(x, depth)
	case Tuple:
		p.buf = append(p.buf, '(')
		p.items(x, depth)
		if len(x) == 1 {
			p.buf = append(p.buf, ',')
		}
		p.buf = append(p.buf, ')')
	case *Dict:
		p.dict(x, depth)
	case *Set:
		if x.Len() == 0 {
			p.buf = append(p.buf, "set()"...)
			return
		}
		p.buf = append(p.buf, '{')
		p.items(x.Items(), depth)
		p.buf = append(p.buf, '}')
	case time.Time:
		p.buf = append(p.buf, reprTime(x)...)
	case Date:
		p.buf = fmt.Appendf(p.buf, "datetime.date(%d, %d, %d)", x.Time.Year(), x.Time.Month(), x.Time.Day())
	case Representer:
		p.buf = append(p.buf, x.Repr()...)
	case Speller:
		p.buf = append(p.buf, x.Str()...)
	default:
		p.buf = fmt.Appendf(p.buf, "<%s object>", TypeName(v))
	}
}

func (p *printer) list(l *List, depth int) {
	for _, o := range p.lists {
		if o == l {
			p.buf = append(p.buf, "[...]"...)
			return
		}
	}
	if depth > maxDepth {
		p.full = true
		return
	}
	p.lists = append(p.lists, l)
	p.buf = append(p.buf, '[')
	p.items(l.Items, depth)
	p.buf = append(p.buf, ']')
	p.lists = p.lists[:len(p.lists)-1]
}

func (p *printer) items(items []any, depth int) {
	for i, e := range items {
		if p.full {
			return
		}
		if i > 0 {
			p.buf = append(p.buf, ", "...)
		}
		p.repr(e, depth+1)
	}
}

func (p *printer) dict(d *Dict, depth int) {
	for _, o := range p.dicts {
		if o == d {
			p.buf = append(p.buf, "{...}"...)
			return
		}
	}
	if depth > maxDepth {
		p.full = true
		return
	}
	p.dicts = append(p.dicts, d)
	p.buf = append(p.buf, '{')
	for i := 0; i < d.Len() && !p.full; i++ {
		if i > 0 {
			p.buf = append(p.buf, ", "...)
		}
		k, v := d.At(i)
		p.repr(k, depth+1)
		p.buf = append(p.buf, ": "...)
		p.repr(v, depth+1)
	}
	p.buf = append(p.buf, '}')
	p.dicts = p.dicts[:len(p.dicts)-1]
}

func (p *printer) bigInt(x *big.Int) {
	if x.BitLen() > maxIntDigits*10/3 {
		p.full = true
		return
	}
	p.buf = x.Append(p.buf, 10)
}

// FloatRepr is repr() of a float: the shortest text that reads back the same, with ".0" or an exponent.
func FloatRepr(f float64) string { return string(appendFloat(nil, f)) }

func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[start:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

func appendQuoted(dst []byte, s string) []byte {
	quote := byte('\'')
	if strings.IndexByte(s, '\'') >= 0 && strings.IndexByte(s, '"') < 0 {
		quote = '"'
	}
	dst = append(dst, quote)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = fmt.Appendf(dst, `\udc%02x`, s[i])
		case r == rune(quote) || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < ' ' || r == 0x7f:
			dst = fmt.Appendf(dst, `\x%02x`, r)
		case r < 0x7f || unicode.IsPrint(r):
			dst = append(dst, s[i:i+size]...)
		case r <= 0xff:
			dst = fmt.Appendf(dst, `\x%02x`, r)
		case r <= 0xffff:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			dst = fmt.Appendf(dst, `\U%08x`, r)
		}
		i += size
	}
	return append(dst, quote)
}

func appendBytes(dst []byte, s Bytes) []byte {
	quote := byte('\'')
	if strings.IndexByte(string(s), '\'') >= 0 && strings.IndexByte(string(s), '"') < 0 {
		quote = '"'
	}
	dst = append(dst, 'b', quote)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < ' ' || c >= 0x7f:
			dst = fmt.Appendf(dst, `\x%02x`, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, quote)
}

// appendTime spells a datetime as isoformat(sep) does.
func appendTime(dst []byte, t time.Time, sep byte) []byte {
	dst = t.AppendFormat(dst, "2006-01-02")
	dst = append(dst, sep)
	dst = t.AppendFormat(dst, "15:04:05")
	if us := t.Nanosecond() / 1000; us != 0 {
		dst = fmt.Appendf(dst, ".%06d", us)
	}
	if t.Location() == Naive {
		return dst
	}
	_, off := t.Zone()
	sign := '+'
	if off < 0 {
		sign, off = '-', -off
	}
	dst = fmt.Appendf(dst, "%c%02d:%02d", sign, off/3600, off/60%60)
	if off%60 != 0 {
		dst = fmt.Appendf(dst, ":%02d", off%60)
	}
	return dst
}

// ISOFormat spells a datetime as Python's isoformat() does: 2021-03-04T05:06:07+00:00.
func ISOFormat(t time.Time) string { return string(appendTime(nil, t, 'T')) }

func reprTime(t time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "datetime.datetime(%d, %d, %d, %d, %d", t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute())
	us := t.Nanosecond() / 1000
	if t.Second() != 0 || us != 0 {
		fmt.Fprintf(&b, ", %d", t.Second())
	}
	if us != 0 {
		fmt.Fprintf(&b, ", %d", us)
	}
	if t.Location() != Naive {
		if _, off := t.Zone(); off == 0 {
			b.WriteString(", tzinfo=datetime.timezone.utc")
		} else {
			fmt.Fprintf(&b, ", tzinfo=datetime.timezone(datetime.timedelta(seconds=%d))", off)
		}
	}
	return b.String() + ")"
}
