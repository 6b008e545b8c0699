package jinja

import (
	"html"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"petrel/engine/expression/value"
)

// jsonEscaper makes JSON safe within HTML, as Jinja's tojson does.
var jsonEscaper = strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`, "'", `\u0027`)

// onText makes a filter that turns the text of the value into another text.
func onText(name, signature string, f func(c *call, s string) (any, error)) *builtin {
	return define(name, signature, func(c *call) (any, error) {
		s, err := c.selfString()
		if err != nil {
			return nil, err
		}
		v, err := f(c, s)
		if t, ok := v.(string); ok && err == nil {
			err = c.st.charge(len(t))
		}
		return v, err
	})
}

func textFilters() []*builtin {
	return []*builtin{
		onText("upper", "", func(_ *call, s string) (any, error) { return value.Upper(s), nil }),
		onText("lower", "", func(_ *call, s string) (any, error) { return value.Lower(s), nil }),
		onText("capitalize", "", func(_ *call, s string) (any, error) { return value.Capitalize(s), nil }),
		onText("title", "", func(_ *call, s string) (any, error) { return titleWords(s), nil }),
		onText("trim", "chars", func(c *call, s string) (any, error) { return value.Strip(s, c.optional(0), true, true), nil }),
		onText("center", "width", func(c *call, s string) (any, error) {
			w := max(c.int(0, 80), 0)
			if err := c.st.charge(w); err != nil {
				return nil, err
			}
			return value.Pad(s, w, ' ', '^'), nil
		}),
		onText("replace", "old! new! count", func(c *call, s string) (any, error) {
			count := -1
			if c.given(2) {
				count = c.int(2, -1)
			}
			return c.st.replace(s, c.text(0, ""), c.text(1, ""), count)
		}),
		onText("format", "*args **kw", formatFilter),
		onText("indent", "width first blank", indentFilter),
		define("truncate", "length killwords end leeway", truncateFilter),
		onText("wordcount", "", func(_ *call, s string) (any, error) {
			n, in := 0, false
			for _, r := range s {
				w := r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
				if w && !in {
					n++
				}
				in = w
			}
			return int64(n), nil
		}),
		onText("wordwrap", "width break_long_words wrapstring break_on_hyphens", wordWrap),
		onText("striptags", "", func(_ *call, s string) (any, error) { return stripTags(s), nil }),
		onText("urlize", "trim_url_limit nofollow target rel extra_schemes", urlize),
		onText("forceescape", "", func(_ *call, s string) (any, error) { return escape(s), nil }),
		onText("safe", "", func(_ *call, s string) (any, error) { return Markup(s), nil }),
		define("escape", "", func(c *call) (any, error) {
			if m, ok := c.self.(Markup); ok {
				return m, nil
			}
			s, err := c.selfString()
			if err != nil {
				return nil, err
			}
			m := escape(s)
			return m, c.st.charge(len(m))
		}),
		define("urlencode", "", urlEncode),
		define("xmlattr", "autospace", xmlAttr),
	}
}

// titleWords is Jinja's title filter: a capital after blanks, brackets and hyphens.
func titleWords(s string) string {
	start := true
	return strings.Map(func(r rune) rune {
		first := start
		start = value.IsSpace(r) || strings.ContainsRune("-({[<", r)
		if first {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, s)
}

func formatFilter(c *call, s string) (any, error) {
	if len(c.kw) > 0 && len(c.rest) > 0 {
		return nil, fail(Runtime, "can't handle positional and keyword arguments at the same time")
	}
	var arg any = value.Tuple(c.rest)
	if len(c.kw) > 0 {
		d := value.NewDict(len(c.kw))
		for _, k := range c.kw {
			d.SetString(k.name, k.val)
		}
		arg = d
	}
	self := c.self
	if !isString(self) {
		self = s
	}
	return c.st.percent(self, s, arg)
}

func indentFilter(c *call, s string) (any, error) {
	pad, ok := c.st.asText(c.arg(0, nil))
	if !ok {
		n := c.int(0, 4)
		if n < 0 || n > 10_000 {
			return nil, fail(Runtime, "an indent must be from 0 to 10000")
		}
		pad = strings.Repeat(" ", n)
	}
	lines := value.SplitLines(s+"\n", false)
	if err := c.st.charge(len(lines) * len(pad)); err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == 0 && c.bool(1, false) || i > 0 && (line != "" || c.bool(2, false)) {
			b.WriteString(pad)
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

func truncateFilter(c *call) (any, error) {
	length, end, leeway := c.int(0, 255), c.str(2, "..."), 5
	if c.given(3) {
		leeway = c.int(3, 5)
	}
	n := utf8.RuneCountInString(end)
	if length < n || leeway < 0 {
		return nil, fail(Runtime, "expected a length of at least %d and no negative leeway, got %d and %d", n, length, leeway)
	}
	size, err := c.st.length(c.self)
	if err != nil || size <= length+leeway {
		return c.self, err
	}
	s, ok := c.st.asText(c.self)
	if !ok {
		return nil, fail(Runtime, "only text can be truncated, not %s", value.TypeName(c.self))
	}
	cut := value.Substr(s, 0, length-n)
	if !c.bool(1, false) {
		if i := strings.LastIndexByte(cut, ' '); i >= 0 {
			cut = cut[:i]
		}
	}
	return c.made(cut + end)
}

var (
	htmlComment = regexp.MustCompile(`(?s)<!--.*?-->`)
	htmlTag     = regexp.MustCompile(`(?s)<.*?>`)
)

func stripTags(s string) string {
	s = htmlTag.ReplaceAllString(htmlComment.ReplaceAllString(s, ""), "")
	return html.UnescapeString(strings.Join(strings.FieldsFunc(s, value.IsSpace), " "))
}

// quote is urllib.parse.quote with the given characters left alone.
func quote(s, safe string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' || strings.IndexByte("_.-~", c) >= 0 || strings.IndexByte(safe, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return b.String()
}

func urlEncode(c *call) (any, error) {
	st := c.st
	if s, ok := st.asText(c.self); ok {
		return c.made(quote(s, "/"))
	}
	pairs := c.self
	if d, ok := pairs.(*value.Dict); ok {
		pairs = &view{"dict_items", d}
	} else if !isIterable(pairs) {
		s, err := c.selfString()
		if err != nil {
			return nil, err
		}
		return c.made(quote(s, "/"))
	}
	var parts []string
	err := st.each(pairs, func(item any) error {
		pair, err := st.items(item)
		if err != nil {
			return err
		}
		if len(pair) != 2 {
			return fail(Runtime, "not enough values to unpack (expected 2, got %d)", len(pair))
		}
		k, err := st.text(pair[0])
		if err != nil {
			return err
		}
		v, err := st.text(pair[1])
		if err != nil {
			return err
		}
		part := queryQuote(k) + "=" + queryQuote(v)
		parts = append(parts, part)
		return st.charge(len(part))
	})
	if err != nil {
		return nil, err
	}
	return c.made(strings.Join(parts, "&"))
}

func queryQuote(s string) string { return strings.ReplaceAll(quote(s, ""), "%20", "+") }

func xmlAttr(c *call) (any, error) {
	d, ok := c.self.(*value.Dict)
	if !ok {
		return nil, fail(Runtime, "'%s' object has no attribute 'items'", value.TypeName(c.self))
	}
	var parts []string
	for k, v := range d.All() {
		if _, u := isUndefined(v); u || v == nil {
			continue
		}
		key, err := c.st.text(k)
		if err != nil {
			return nil, err
		}
		if strings.ContainsAny(key, " \t\n\r\f\v/>=") {
			return nil, fail(Runtime, "invalid character in attribute name: %s", value.Repr(key))
		}
		text, err := c.st.text(v)
		if err != nil {
			return nil, err
		}
		parts = append(parts, string(escape(key))+`="`+string(escape(text))+`"`)
	}
	out := strings.Join(parts, " ")
	if out != "" && c.bool(0, true) {
		out = " " + out
	}
	return c.made(out)
}
