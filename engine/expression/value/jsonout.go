package value

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"sort"
	"strconv"
	"time"
	"unicode/utf8"
)

// JSONOptions are the arguments of Python's json.dumps.
type JSONOptions struct {
	ItemSeparator string // "" means ", ", or "," when Indent is set
	KeySeparator  string // "" means ": "
	ASCII         bool   // escape everything beyond ASCII (ensure_ascii)
	SortKeys      bool
	Indent        string // "" means one line
	Limit         int    // largest output in bytes, 0 means 64 MiB
}

// DumpJSON spells v as Python's json.dumps does. Datetimes, bytes and other
// values that JSON does not know are errors.
func DumpJSON(v any, o JSONOptions) (string, error) {
	if o.ItemSeparator == "" {
		o.ItemSeparator = ", "
		if o.Indent != "" {
			o.ItemSeparator = ","
		}
	}
	if o.KeySeparator == "" {
		o.KeySeparator = ": "
	}
	w := newJSONWriter(o)
	w.python = true
	if err := w.value(v, 0); err != nil {
		return "", err
	}
	return string(w.buf), nil
}

// AppendJSON appends the compact JSON of v to dst, keys in their order. Floats
// keep their point (1.0), datetimes become ISO texts, sets become lists. NaN,
// infinities and values without a plain form are errors.
func AppendJSON(dst []byte, v any) ([]byte, error) {
	w := newJSONWriter(JSONOptions{ItemSeparator: ",", KeySeparator: ":"})
	w.limit += len(dst)
	w.buf = dst
	if err := w.value(v, 0); err != nil {
		return dst, err
	}
	return w.buf, nil
}

// MarshalJSON makes encoding/json keep the order of keys.
func (l *List) MarshalJSON() ([]byte, error) { return AppendJSON(nil, l) }

// MarshalJSON makes encoding/json keep the order of keys.
func (t Tuple) MarshalJSON() ([]byte, error) { return AppendJSON(nil, t) }

// MarshalJSON makes encoding/json keep the order of keys.
func (d *Dict) MarshalJSON() ([]byte, error) { return AppendJSON(nil, d) }

// MarshalJSON writes the members as a list.
func (s *Set) MarshalJSON() ([]byte, error) { return AppendJSON(nil, s) }

var (
	_ json.Marshaler = (*List)(nil)
	_ json.Marshaler = (*Dict)(nil)
)

type jsonWriter struct {
	JSONOptions
	buf    []byte
	limit  int
	python bool
}

func newJSONWriter(o JSONOptions) *jsonWriter {
	w := &jsonWriter{JSONOptions: o, limit: o.Limit}
	if w.limit == 0 {
		w.limit = defaultTextLimit
	}
	return w
}

func (w *jsonWriter) value(v any, depth int) error {
	if len(w.buf) > w.limit {
		return ErrTooLarge
	}
	if depth > maxDepth {
		return errors.New("circular or too deeply nested value cannot be written as JSON")
	}
	switch x := v.(type) {
	case nil:
		w.buf = append(w.buf, "null"...)
	case bool:
		w.buf = strconv.AppendBool(w.buf, x)
	case int64:
		w.buf = strconv.AppendInt(w.buf, x, 10)
	case *big.Int:
		if x.BitLen() > maxIntDigits*10/3 {
			return ErrTooLarge
		}
		w.buf = x.Append(w.buf, 10)
	case float64:
		return w.float(x)
	case string:
		w.buf = AppendJSONText(w.buf, x, w.ASCII)
	case *List:
		return w.items(x.Items, depth)
	case Tuple:
		return w.items(x, depth)
	case *Set:
		return w.items(x.Items(), depth)
	case *Dict:
		return w.dict(x, depth)
	default:
		return w.other(v, depth)
	}
	return nil
}

func (w *jsonWriter) other(v any, depth int) error {
	if p, ok := v.(Plainer); ok {
		plain, err := p.Plain()
		if err != nil {
			return err
		}
		return w.value(plain, depth+1)
	}
	if !w.python {
		switch x := v.(type) {
		case time.Time:
			w.buf = AppendJSONText(w.buf, ISOFormat(x), false)
			return nil
		case Date, Bytes:
			text := Str(v)
			if b, ok := v.(Bytes); ok {
				text = string(b)
			}
			w.buf = AppendJSONText(w.buf, text, false)
			return nil
		}
	}
	return fmt.Errorf("object of type %s is not JSON serializable", TypeName(v))
}

func (w *jsonWriter) float(f float64) error {
	switch {
	case math.IsNaN(f) && w.python:
		w.buf = append(w.buf, "NaN"...)
	case math.IsInf(f, 1) && w.python:
		w.buf = append(w.buf, "Infinity"...)
	case math.IsInf(f, -1) && w.python:
		w.buf = append(w.buf, "-Infinity"...)
	case math.IsNaN(f) || math.IsInf(f, 0):
		return fmt.Errorf("the number %s cannot be written as JSON", FloatRepr(f))
	default:
		w.buf = appendFloat(w.buf, f)
	}
	return nil
}

func (w *jsonWriter) newline(depth int) {
	if w.Indent == "" {
		return
	}
	w.buf = append(w.buf, '\n')
	for range depth {
		w.buf = append(w.buf, w.Indent...)
	}
}

func (w *jsonWriter) items(items []any, depth int) error {
	if len(items) == 0 {
		w.buf = append(w.buf, "[]"...)
		return nil
	}
	w.buf = append(w.buf, '[')
	for i, e := range items {
		if i > 0 {
			w.buf = append(w.buf, w.ItemSeparator...)
		}
		w.newline(depth + 1)
		if err := w.value(e, depth+1); err != nil {
			return err
		}
	}
	w.newline(depth)
	w.buf = append(w.buf, ']')
	return nil
}

func (w *jsonWriter) dict(d *Dict, depth int) error {
	if d.Len() == 0 {
		w.buf = append(w.buf, "{}"...)
		return nil
	}
	order := make([]entry, d.Len())
	copy(order, d.entries)
	if w.SortKeys {
		var failed error
		sort.SliceStable(order, func(i, j int) bool {
			n, err := Compare(order[i].key, order[j].key)
			if err != nil {
				failed = err
			}
			return n < 0
		})
		if failed != nil {
			return failed
		}
	}
	w.buf = append(w.buf, '{')
	for i, e := range order {
		if i > 0 {
			w.buf = append(w.buf, w.ItemSeparator...)
		}
		w.newline(depth + 1)
		key, err := jsonKey(e.key)
		if err != nil {
			if w.python {
				return err
			}
			key = Str(e.key)
		}
		w.buf = AppendJSONText(w.buf, key, w.ASCII)
		w.buf = append(w.buf, w.KeySeparator...)
		if err := w.value(e.val, depth+1); err != nil {
			return err
		}
	}
	w.newline(depth)
	w.buf = append(w.buf, '}')
	return nil
}

// jsonKey is the text that json.dumps makes of a key.
func jsonKey(k any) (string, error) {
	switch x := k.(type) {
	case string:
		return x, nil
	case nil:
		return "null", nil
	case bool:
		return strconv.FormatBool(x), nil
	case int64, *big.Int, float64:
		return Str(k), nil
	}
	return "", fmt.Errorf("keys must be str, int, float, bool or None, not %s", TypeName(k))
}

const hexDigits = "0123456789abcdef"

// AppendJSONText appends s as a JSON string; ascii escapes everything beyond ASCII.
func AppendJSONText(dst []byte, s string, ascii bool) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		r := rune(c)
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			if !ascii && !(r == utf8.RuneError && size == 1) {
				i += size
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		dst = appendJSONEscape(dst, r)
		i += size
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendJSONEscape(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	}
	if r > 0xffff {
		r -= 0x10000
		dst = appendU(dst, 0xd800+r>>10)
		return appendU(dst, 0xdc00+r&0x3ff)
	}
	return appendU(dst, r)
}

func appendU(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}
