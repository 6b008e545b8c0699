package yaql

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"unicode/utf8"

	"petrel/engine/expression/value"
)

func stringLibrary(l *library) {
	l.function("concat", "*args:str", func(s *scope, a []any) (any, error) {
		var b strings.Builder
		for _, part := range a {
			b.WriteString(part.(string))
		}
		return s.run.text(b.String(), nil)
	})
	l.method("toUpper", "string:str", func(s *scope, a []any) (any, error) { return s.run.text(value.Upper(a[0].(string)), nil) })
	l.method("toLower", "string:str", func(s *scope, a []any) (any, error) { return s.run.text(strings.ToLower(a[0].(string)), nil) })
	l.both("len", "string:str", func(s *scope, a []any) (any, error) {
		return int64(utf8.RuneCountInString(a[0].(string))), nil
	})
	split := func(cut func(string, *string, int) ([]string, error)) impl {
		return func(s *scope, a []any) (any, error) {
			parts, err := cut(a[0].(string), optional(a[1]), whole(a[2]))
			if err != nil {
				return nil, err
			}
			return s.run.texts(parts)
		}
	}
	l.method("split", "string:str, separator:str|null=null, maxSplits:int=-1", split(value.Split))
	l.method("rightSplit", "string:str, separator:str|null=null, maxSplits:int=-1", split(value.RSplit))
	l.method("join", "sequence:iter, separator:str", func(s *scope, a []any) (any, error) { return s.run.join2(a[0], a[1].(string)) })
	l.method("join", "separator:str, sequence:iter", func(s *scope, a []any) (any, error) { return s.run.join2(a[1], a[0].(string)) })
	l.function("str", "value:any", func(s *scope, a []any) (any, error) { return s.run.str(a[0]) })
	for name, sides := range map[string][2]bool{"trim": {true, true}, "trimLeft": {true, false}, "trimRight": {false, true}} {
		l.method(name, "string:str, chars:str|null=null", func(s *scope, a []any) (any, error) {
			return value.Strip(a[0].(string), optional(a[1]), sides[0], sides[1]), nil
		})
	}
	l.both("norm", "string:str|null, chars:str|null=null", func(s *scope, a []any) (any, error) {
		if a[0] == nil {
			return nil, nil
		}
		if t := value.Strip(a[0].(string), optional(a[1]), true, true); t != "" {
			return t, nil
		}
		return nil, nil
	})
	l.both("isEmpty", "string:str|null, trim:bool=true, chars:str|null=null", func(s *scope, a []any) (any, error) {
		t, _ := a[0].(string)
		if a[1] == true {
			t = value.Strip(t, optional(a[2]), true, true)
		}
		return t == "", nil
	})
	l.method("toCharArray", "string:str", func(s *scope, a []any) (any, error) {
		return s.run.texts(strings.Split(a[0].(string), ""))
	})
	l.function("hex", "num:num", func(s *scope, a []any) (any, error) {
		b, ok := value.BigInt(a[0])
		if !ok {
			return nil, fail(Failed, "hex() needs an integer, not %s", describe(a[0]))
		}
		sign := ""
		if b.Sign() < 0 {
			sign = "-"
		}
		return sign + "0x" + new(big.Int).Abs(b).Text(16), nil
	})
	replaceLibrary(l)
	placeLibrary(l)
	charactersLibrary(l)
}

// optional gives a text argument that may be null.
func optional(v any) *string {
	if s, ok := v.(string); ok {
		return &s
	}
	return nil
}

// texts makes a list of texts.
func (r *run) texts(parts []string) (any, error) {
	items := make([]any, len(parts))
	for i, p := range parts {
		items[i] = p
	}
	return r.list(items)
}

// str is YAQL's str(): null, true and false in lower case, all else as Python spells it.
func (r *run) str(v any) (string, error) {
	switch x := v.(type) {
	case nil:
		return "null", nil
	case bool:
		return fmt.Sprint(x), nil
	case string:
		return x, nil
	}
	if r.lazy {
		var err error
		outer := r.spelling
		r.spelling = true
		v, err = r.finish(v)
		r.spelling = outer
		if err != nil {
			return "", err
		}
	}
	s, err := value.StrLimit(asTuples(v, 0), max(r.limits.Memory-r.memory, 0))
	if err != nil {
		return "", err
	}
	return s, r.charge(len(s))
}

func (r *run) join2(sequence any, separator string) (any, error) {
	var b strings.Builder
	first := true
	err := r.each(sequence, func(item any) error {
		if !first {
			b.WriteString(separator)
		}
		first = false
		s, err := r.str(item)
		b.WriteString(s)
		if err != nil {
			return err
		}
		return r.charge(len(separator) + len(s))
	})
	return b.String(), err
}

func replaceLibrary(l *library) {
	l.method("replace", "string:str, old:str, new:str, count:int=-1", func(s *scope, a []any) (any, error) {
		return s.run.replace(a[0].(string), a[1].(string), a[2].(string), whole(a[3]))
	})
	l.method("replace", "string:str, replacements:dict, count:int=-1", func(s *scope, a []any) (any, error) {
		out := a[0]
		for k, v := range a[1].(*value.Dict).All() {
			from, err := s.run.str(thaw(k))
			if err != nil {
				return nil, err
			}
			to, err := s.run.str(v)
			if err != nil {
				return nil, err
			}
			if out, err = s.run.replace(out.(string), from, to, whole(a[2])); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

// replace counts the memory before it makes the text.
func (r *run) replace(s, from, to string, n int) (any, error) {
	hits := strings.Count(s, from)
	if n >= 0 {
		hits = min(hits, n)
	}
	if err := r.charge(len(s)); err != nil {
		return nil, err
	}
	if len(to) > len(from) && hits > r.limits.Memory/(len(to)-len(from)) {
		return nil, r.charge(r.limits.Memory + 1)
	}
	if err := r.charge(max(0, hits*(len(to)-len(from)))); err != nil {
		return nil, err
	}
	return strings.Replace(s, from, to, n), nil
}

// placeLibrary is about parts of a text and where they are.
func placeLibrary(l *library) {
	l.method("substring", "string:str, start:int, length:int=-1", func(s *scope, a []any) (any, error) {
		text := a[0].(string)
		n := utf8.RuneCountInString(text)
		start, length := whole(a[1]), whole(a[2])
		if length < 0 {
			length = n
		}
		if start < 0 {
			start += n
		}
		return value.Substr(text, start, start+length), nil
	})
	for name, last := range map[string]bool{"indexOf": false, "lastIndexOf": true} {
		l.method(name, "string:str, sub:str, start:int=0, length:int=none", func(s *scope, a []any) (any, error) {
			text, start, end := a[0].(string), whole(a[2]), math.MaxInt32
			n := utf8.RuneCountInString(text)
			if length, ok := a[3].(int64); ok {
				if start < 0 {
					start += n
				}
				if end = start + whole(length); length < 0 {
					end = n
				}
			}
			if start > n {
				return int64(-1), nil
			}
			return int64(value.Find(text, a[1].(string), start, end, last)), nil
		})
	}
	l.method("startsWith", "string:str, *prefixes:str", affix(strings.HasPrefix))
	l.method("endsWith", "string:str, *suffixes:str", affix(strings.HasSuffix))
}

func affix(has func(s, part string) bool) impl {
	return func(_ *scope, a []any) (any, error) {
		for _, part := range a[1:] {
			if has(a[0].(string), part.(string)) {
				return true, nil
			}
		}
		return false, nil
	}
}

const (
	lowers = "abcdefghijklmnopqrstuvwxyz"
	uppers = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
	puncts = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
	blanks = " \t\n\r\v\f"
)

// charactersLibrary is characters(); upstream gives them in no order, here each comes
// where it comes first.
func charactersLibrary(l *library) {
	groups := []string{digits, "0123456789abcdefABCDEF", lowers, uppers, lowers + uppers, lowers + uppers, "01234567", puncts,
		digits + lowers + uppers + puncts + blanks, lowers, uppers, blanks}
	l.function("characters", "digits:bool=false, hexdigits:bool=false, asciiLowercase:bool=false, asciiUppercase:bool=false, "+
		"asciiLetters:bool=false, letters:bool=false, octdigits:bool=false, punctuation:bool=false, printable:bool=false, "+
		"lowercase:bool=false, uppercase:bool=false, whitespace:bool=false", func(s *scope, a []any) (any, error) {
		var out []string
		seen := ""
		for i, group := range groups {
			for _, c := range group {
				if a[i] == true && !strings.ContainsRune(seen, c) {
					seen += string(c)
					out = append(out, string(c))
				}
			}
		}
		return s.run.texts(out)
	})
}
