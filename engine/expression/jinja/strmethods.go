package jinja

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"petrel/engine/expression/value"
)

// selfText is the object of a text method.
func (c *call) selfText() string {
	s, _ := c.st.asText(c.self)
	return s
}

// optional is a text argument that may be None or absent.
func (c *call) optional(i int) *string {
	if !c.given(i) {
		return nil
	}
	s := c.str(i, "")
	return &s
}

// texts makes a list of texts.
func (c *call) texts(parts []string, err error) (any, error) {
	if err != nil {
		return nil, fail(Runtime, "%v", err)
	}
	l := &value.List{Items: make([]any, len(parts))}
	for i, p := range parts {
		l.Items[i] = p
	}
	return l, c.st.charge(32 * len(parts))
}

// made counts the memory of a new text.
func (c *call) made(s string) (any, error) { return s, c.st.charge(len(s)) }

// width is a width argument, with the memory for that much text already counted.
func (c *call) width(i int) (int, error) {
	n := max(c.int(i, 0), 0)
	if n > 0 {
		if err := c.st.charge(n); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// rangeArgs are the optional start and end of find, count, startswith ...
func (c *call) rangeArgs(i int) (int, int) {
	start, end := 0, math.MaxInt32
	if c.given(i) {
		start = c.int(i, 0)
	}
	if c.given(i + 1) {
		end = c.int(i+1, 0)
	}
	return start, end
}

func textMethod(name string, f func(string) string) *builtin {
	return define(name, "", func(c *call) (any, error) { return c.made(f(c.selfText())) })
}

// everyRune tells whether all characters of a text that is not empty satisfy f.
func everyRune(name string, f func(rune) bool) *builtin {
	return define(name, "", func(c *call) (any, error) {
		s := c.selfText()
		return s != "" && strings.IndexFunc(s, func(r rune) bool { return !f(r) }) < 0, nil
	})
}

func stripMethod(name string, left, right bool) *builtin {
	return define(name, "chars", func(c *call) (any, error) {
		return c.made(value.Strip(c.selfText(), c.optional(0), left, right))
	})
}

func splitMethod(name string, f func(string, *string, int) ([]string, error)) *builtin {
	return define(name, "sep maxsplit", func(c *call) (any, error) {
		return c.texts(f(c.selfText(), c.optional(0), c.int(1, -1)))
	})
}

func findMethod(name string, last, must bool) *builtin {
	return define(name, "sub! start end", func(c *call) (any, error) {
		start, end := c.rangeArgs(1)
		i := value.Find(c.selfText(), c.str(0, ""), start, end, last)
		if i < 0 && must && c.err == nil {
			return nil, fail(Runtime, "substring not found")
		}
		return int64(i), nil
	})
}

func affixMethod(name string, f func(s, affix string) bool) *builtin {
	return define(name, "affix! start end", func(c *call) (any, error) {
		start, end := c.rangeArgs(1)
		s := value.Substr(c.selfText(), start, end)
		if t, ok := c.args[0].(value.Tuple); ok {
			for _, a := range t {
				if text, ok := c.st.asText(a); ok && f(s, text) {
					return true, nil
				}
			}
			return false, nil
		}
		return f(s, c.str(0, "")), nil
	})
}

func padMethod(name string, align byte) *builtin {
	return define(name, "width! fillchar", func(c *call) (any, error) {
		fill := c.str(1, " ")
		r, n := utf8.DecodeRuneInString(fill)
		if n == 0 || n != len(fill) {
			return nil, fail(Runtime, "the fill character must be exactly one character long")
		}
		w, err := c.width(0)
		if err != nil {
			return nil, err
		}
		return value.Pad(c.selfText(), w, r, align), nil
	})
}

func partitionMethod(name string, last bool) *builtin {
	return define(name, "sep!", func(c *call) (any, error) {
		s, sep := c.selfText(), c.str(0, " ")
		if sep == "" {
			return nil, fail(Runtime, "empty separator")
		}
		i := strings.Index(s, sep)
		if last {
			i = strings.LastIndex(s, sep)
		}
		switch {
		case i >= 0:
			return value.Tuple{s[:i], sep, s[i+len(sep):]}, nil
		case last:
			return value.Tuple{"", "", s}, nil
		}
		return value.Tuple{s, "", ""}, nil
	})
}

func strMethods() map[string]*builtin {
	return table(
		textMethod("upper", value.Upper), textMethod("lower", value.Lower), textMethod("casefold", strings.ToLower),
		textMethod("title", value.Title), textMethod("capitalize", value.Capitalize), textMethod("swapcase", value.SwapCase),
		stripMethod("strip", true, true), stripMethod("lstrip", true, false), stripMethod("rstrip", false, true),
		splitMethod("split", value.Split), splitMethod("rsplit", value.RSplit),
		findMethod("find", false, false), findMethod("rfind", true, false), findMethod("index", false, true), findMethod("rindex", true, true),
		affixMethod("startswith", strings.HasPrefix), affixMethod("endswith", strings.HasSuffix),
		padMethod("ljust", '<'), padMethod("rjust", '>'), padMethod("center", '^'),
		partitionMethod("partition", false), partitionMethod("rpartition", true),
		everyRune("isdigit", unicode.IsDigit), everyRune("isdecimal", unicode.IsDigit), everyRune("isnumeric", unicode.IsNumber),
		everyRune("isalpha", unicode.IsLetter), everyRune("isspace", value.IsSpace), everyRune("isprintable", unicode.IsPrint),
		everyRune("isalnum", func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }),
		define("isascii", "", func(c *call) (any, error) {
			return strings.IndexFunc(c.selfText(), func(r rune) bool { return r >= utf8.RuneSelf }) < 0, nil
		}),
		define("isupper", "", func(c *call) (any, error) { return isUpper(c.selfText()), nil }),
		define("islower", "", func(c *call) (any, error) { return isLower(c.selfText()), nil }),
		define("istitle", "", func(c *call) (any, error) {
			s := c.selfText()
			return strings.IndexFunc(s, unicode.IsLetter) >= 0 && value.Title(s) == s, nil
		}),
		define("isidentifier", "", func(c *call) (any, error) {
			for i, r := range c.selfText() {
				if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
					return false, nil
				}
			}
			return c.selfText() != "", nil
		}),
		define("splitlines", "keepends", func(c *call) (any, error) {
			return c.texts(value.SplitLines(c.selfText(), c.bool(0, false)), nil)
		}),
		define("join", "iterable!", strJoin),
		define("replace", "old! new! count", func(c *call) (any, error) {
			return c.st.replace(c.selfText(), c.str(0, ""), c.str(1, ""), c.int(2, -1))
		}),
		define("count", "sub! start end", func(c *call) (any, error) {
			start, end := c.rangeArgs(1)
			return int64(strings.Count(value.Substr(c.selfText(), start, end), c.str(0, ""))), nil
		}),
		define("zfill", "width!", func(c *call) (any, error) {
			w, err := c.width(0)
			if err != nil {
				return nil, err
			}
			return value.ZFill(c.selfText(), w), nil
		}),
		define("expandtabs", "tabsize", func(c *call) (any, error) {
			size := c.int(0, 8)
			if err := c.st.charge(strings.Count(c.selfText(), "\t") * min(max(size, 0), 1<<20)); err != nil || size > 1<<20 {
				return nil, fail(Limit, "tabs of %d characters are too wide", size)
			}
			return c.made(value.ExpandTabs(c.selfText(), size))
		}),
		define("removeprefix", "prefix!", func(c *call) (any, error) { return strings.TrimPrefix(c.selfText(), c.str(0, "")), nil }),
		define("removesuffix", "suffix!", func(c *call) (any, error) { return strings.TrimSuffix(c.selfText(), c.str(0, "")), nil }),
		define("format", "*args **kw", func(c *call) (any, error) { return c.strFormat(c.rest, c.kw) }),
		define("format_map", "mapping!", func(c *call) (any, error) {
			d, ok := c.args[0].(*value.Dict)
			if !ok {
				return nil, c.wrong(0, "a mapping")
			}
			var kw []kwarg
			for k, v := range d.All() {
				kw = append(kw, kwarg{value.Str(k), v})
			}
			return c.strFormat(nil, kw)
		}),
		define("encode", "encoding errors", func(c *call) (any, error) {
			switch strings.ReplaceAll(strings.ToLower(c.str(0, "utf-8")), "_", "-") {
			case "utf-8", "utf8":
			case "ascii", "us-ascii":
				for _, r := range c.selfText() {
					if r >= utf8.RuneSelf {
						return nil, fail(Runtime, "'ascii' codec can't encode character %s", value.Repr(string(r)))
					}
				}
			case "latin-1", "latin1", "iso-8859-1":
				return latin1(c.selfText())
			default:
				return nil, fail(Runtime, "unknown encoding: %s", c.str(0, ""))
			}
			return value.Bytes(c.selfText()), c.st.charge(len(c.selfText()))
		}),
	)
}

func latin1(s string) (any, error) {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return nil, fail(Runtime, "'latin-1' codec can't encode character %s", value.Repr(string(r)))
		}
		out = append(out, byte(r))
	}
	return value.Bytes(out), nil
}

func isUpper(s string) bool {
	return strings.IndexFunc(s, unicode.IsUpper) >= 0 && strings.IndexFunc(s, unicode.IsLower) < 0
}

func isLower(s string) bool {
	return strings.IndexFunc(s, unicode.IsLower) >= 0 && strings.IndexFunc(s, unicode.IsUpper) < 0
}

func strJoin(c *call) (any, error) {
	sep := c.selfText()
	var b strings.Builder
	first := true
	i := 0
	err := c.st.each(c.args[0], func(item any) error {
		s, ok := c.st.asText(item)
		if !ok {
			if err := defined(item, false); err != nil {
				return err
			}
			return fail(Runtime, "sequence item %d: expected str instance, %s found", i, value.TypeName(item))
		}
		i++
		if !first {
			b.WriteString(sep)
		}
		first = false
		b.WriteString(s)
		return c.st.charge(len(sep) + len(s))
	})
	return b.String(), err
}

// replace is str.replace with the size of the result checked beforehand.
func (st *state) replace(s, old, new string, count int) (any, error) {
	n := strings.Count(s, old)
	if count >= 0 {
		n = min(n, count)
	}
	if len(new) > 0 && n > st.limits.Memory/len(new) {
		return nil, fail(Limit, "the template needs more than %d bytes of memory", st.limits.Memory)
	}
	if err := st.charge(len(s) + n*len(new)); err != nil {
		return nil, err
	}
	return strings.Replace(s, old, new, count), nil
}

// strFormat is str.format within the sandbox.
func (c *call) strFormat(pos []any, kw []kwarg) (any, error) {
	_, escaped := c.self.(Markup)
	named := value.NewDict(len(kw))
	args := make([]any, len(pos))
	for i, v := range pos {
		var err error
		if args[i], err = c.st.formatArgument(v, escaped); err != nil {
			return nil, err
		}
	}
	for _, k := range kw {
		v, err := c.st.formatArgument(k.val, escaped)
		if err != nil {
			return nil, err
		}
		named.SetString(k.name, v)
	}
	s, err := value.Format(c.selfText(), value.FormatArgs{Positional: args, Named: named,
		Attr: func(v any, name string) (any, error) {
			a, err := c.st.getAttr(v, name, -1)
			if err != nil {
				return nil, err
			}
			return a, defined(a, false)
		},
		Index: func(v, key any) (any, error) {
			e, ok, err := c.st.item(v, key)
			if err == nil && !ok {
				err = c.st.missingIn(v, key, -1).err()
			}
			return e, err
		},
	})
	if err != nil {
		return nil, err
	}
	if escaped {
		return Markup(s), c.st.charge(len(s))
	}
	return c.made(s)
}

func bytesMethods() map[string]*builtin {
	return table(define("decode", "encoding errors", func(c *call) (any, error) {
		b := string(c.self.(value.Bytes))
		if !utf8.ValidString(b) {
			return nil, fail(Runtime, "the bytes are not valid UTF-8")
		}
		return b, c.st.charge(len(b))
	}), define("hex", "", func(c *call) (any, error) {
		const digits = "0123456789abcdef"
		b := c.self.(value.Bytes)
		out := make([]byte, 0, 2*len(b))
		for i := 0; i < len(b); i++ {
			out = append(out, digits[b[i]>>4], digits[b[i]&15])
		}
		return c.made(string(out))
	}))
}

// markupMethods are the methods of text for escaped text: texts that they give
// are escaped too, and join and replace escape what they put in.
func markupMethods(methods map[string]*builtin) map[string]*builtin {
	out := make(map[string]*builtin, len(methods))
	for name, m := range methods {
		wrapped := *m
		wrapped.fn = func(c *call) (any, error) {
			if name == "join" || name == "replace" {
				if err := c.escapeArguments(); err != nil {
					return nil, err
				}
			}
			v, err := m.fn(c)
			return markUp(v), err
		}
		out[name] = &wrapped
	}
	return out
}

func (c *call) escapeArguments() error {
	args := append([]any(nil), c.args...)
	for i, a := range args {
		switch x := a.(type) {
		case string:
			args[i] = string(escape(x))
		case *value.List, value.Tuple, *generator, *view:
			items, err := c.st.items(x)
			if err != nil {
				return err
			}
			for j, item := range items {
				if s, ok := item.(string); ok {
					items[j] = escape(s)
				}
			}
			args[i] = &value.List{Items: items}
		}
	}
	c.args = args
	return nil
}

// markUp marks the texts in a result as escaped.
func markUp(v any) any {
	switch x := v.(type) {
	case string:
		return Markup(x)
	case *value.List:
		for i, e := range x.Items {
			x.Items[i] = markUp(e)
		}
	case value.Tuple:
		for i, e := range x {
			x[i] = markUp(e)
		}
	}
	return v
}
