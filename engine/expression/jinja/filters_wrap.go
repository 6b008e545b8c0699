package jinja

import (
	"regexp"
	"sort"
	"strings"
	"unicode/utf8"

	"petrel/engine/expression/value"
)

// wordWrap is the wordwrap filter: every line of the text is wrapped on its own.
func wordWrap(c *call, s string) (any, error) {
	width, wrapstring := c.int(0, 79), "\n"
	if c.given(2) {
		wrapstring = c.str(2, "\n")
	}
	if width < 1 {
		return nil, fail(Runtime, "invalid width %d (must be > 0)", width)
	}
	if err := c.st.charge(len(s) * (1 + len(wrapstring)/8)); err != nil {
		return nil, err
	}
	var lines []string
	for _, line := range value.SplitLines(s, false) {
		lines = append(lines, strings.Join(wrapLine(line, width, c.bool(1, true), c.bool(3, true)), wrapstring))
	}
	return strings.Join(lines, wrapstring), nil
}

var hyphenated = regexp.MustCompile(`[\pL_]{2,}-`)

// chunks cuts a line into words and the blanks between them; words are cut behind hyphens too.
func chunks(line string, hyphens bool) []string {
	var out []string
	for line != "" {
		blank := value.IsSpace(firstRune(line))
		end := strings.IndexFunc(line, func(r rune) bool { return value.IsSpace(r) != blank })
		if end < 0 {
			end = len(line)
		}
		word := line[:end]
		line = line[end:]
		for hyphens && !blank {
			m := hyphenated.FindStringIndex(word)
			if m == nil || m[1] == len(word) || !isWordRune(firstRune(word[m[1]:])) {
				break
			}
			out = append(out, word[:m[1]])
			word = word[m[1]:]
		}
		out = append(out, word)
	}
	return out
}

func firstRune(s string) rune { r, _ := utf8.DecodeRuneInString(s); return r }

func isWordRune(r rune) bool { return r == '_' || r|0x20 >= 'a' && r|0x20 <= 'z' || r >= utf8.RuneSelf }

func wrapLine(line string, width int, breakLong, hyphens bool) []string {
	parts := chunks(line, hyphens)
	var lines []string
	for len(parts) > 0 {
		if len(lines) > 0 && isBlank(parts[0]) {
			if parts = parts[1:]; len(parts) == 0 {
				break
			}
		}
		cur, n := []string{}, 0
		for len(parts) > 0 && n+utf8.RuneCountInString(parts[0]) <= width {
			n += utf8.RuneCountInString(parts[0])
			cur, parts = append(cur, parts[0]), parts[1:]
		}
		if len(parts) > 0 && utf8.RuneCountInString(parts[0]) > width {
			switch {
			case breakLong:
				room := width - n
				if i := strings.LastIndexByte(value.Substr(parts[0], 0, room), '-'); hyphens && i > 0 && strings.Trim(parts[0][:i], "-") != "" {
					room = utf8.RuneCountInString(parts[0][:i]) + 1
				}
				cur = append(cur, value.Substr(parts[0], 0, room))
				parts[0] = value.Substr(parts[0], room, 1<<31)
			case len(cur) == 0:
				cur, parts = append(cur, parts[0]), parts[1:]
			}
		}
		if k := len(cur); k > 0 && isBlank(cur[k-1]) {
			cur = cur[:k-1]
		}
		if len(cur) > 0 {
			lines = append(lines, strings.Join(cur, ""))
		}
	}
	return lines
}

var (
	webAddress  = regexp.MustCompile(`^(https?://|www\.)[^\s<>"]+$`)
	mailAddress = regexp.MustCompile(`^[^\s@<>"]+@[^\s@<>"]+\.[^\s@<>".]+$`)
	wordOrBlank = regexp.MustCompile(`\s+|\S+`)
)

// urlize makes links of web and mail addresses.
func urlize(c *call, s string) (any, error) {
	limit := 0
	if c.given(0) {
		limit = c.int(0, 0)
	}
	attrs := ` rel="noopener"`
	if c.bool(1, false) {
		attrs = ` rel="nofollow noopener"`
	}
	if c.given(2) {
		attrs += ` target="` + string(escape(c.str(2, ""))) + `"`
	}
	if err := c.st.charge(4 * len(s)); err != nil {
		return nil, err
	}
	out := wordOrBlank.ReplaceAllStringFunc(string(escape(s)), func(word string) string {
		head := word[:len(word)-len(strings.TrimLeft(word, "(<"))]
		word = word[len(head):]
		tail := ""
		if trimmed := strings.TrimRight(word, ".,)>\n;:!?"); trimmed != word && !strings.HasSuffix(word, "&gt;") {
			word, tail = trimmed, word[len(trimmed):]
		}
		shown := word
		if limit > 0 && utf8.RuneCountInString(word) > limit {
			shown = value.Substr(word, 0, limit) + "..."
		}
		switch {
		case webAddress.MatchString(word):
			href := word
			if strings.HasPrefix(word, "www.") {
				href = "https://" + word
			}
			word = `<a href="` + href + `"` + attrs + `>` + shown + `</a>`
		case mailAddress.MatchString(word):
			word = `<a href="mailto:` + word + `">` + word + `</a>`
		}
		return head + word + tail
	})
	return c.made(out)
}

// prettyPrinter is Python's pprint for lists, tuples and maps.
type prettyPrinter struct {
	st  *state
	err error
}

const prettyWidth = 80

// format spells v at a column; allowance is what must still fit behind it on its line.
func (p *prettyPrinter) format(v any, column, allowance, depth int) string {
	if p.err == nil {
		p.err = p.st.step()
	}
	if p.err != nil || depth > 50 {
		return "..."
	}
	flat := p.flat(v, depth)
	if p.err != nil || column+utf8.RuneCountInString(flat)+allowance <= prettyWidth {
		return flat
	}
	switch x := v.(type) {
	case *value.Dict:
		if x.Len() > 0 {
			return "{" + p.pairs(x, column+1, allowance+1, depth) + "}"
		}
	case *value.List:
		return "[" + p.items(x.Items, column+1, allowance+1, depth) + "]"
	case value.Tuple:
		if len(x) == 1 {
			return "(" + p.items(x, column+1, allowance+2, depth) + ",)"
		}
		return "(" + p.items(x, column+1, allowance+1, depth) + ")"
	}
	return flat
}

// flat spells v on one line with sorted keys.
func (p *prettyPrinter) flat(v any, depth int) string {
	if p.err == nil {
		p.err = p.st.step()
	}
	if p.err != nil || depth > 50 {
		return "..."
	}
	var parts []string
	switch x := v.(type) {
	case *value.Dict:
		for _, k := range p.sortedKeys(x) {
			e, _ := x.Get(k)
			parts = append(parts, p.flat(k, depth+1)+": "+p.flat(e, depth+1))
		}
		return p.made("{" + strings.Join(parts, ", ") + "}")
	case *value.List:
		for _, e := range x.Items {
			parts = append(parts, p.flat(e, depth+1))
		}
		return p.made("[" + strings.Join(parts, ", ") + "]")
	}
	return p.made(value.Repr(v))
}

func (p *prettyPrinter) made(s string) string {
	if p.err == nil {
		p.err = p.st.charge(len(s))
	}
	if p.err != nil {
		return ""
	}
	return s
}

func (p *prettyPrinter) sortedKeys(d *value.Dict) []any {
	keys := d.Keys()
	sort.SliceStable(keys, func(i, j int) bool {
		n, err := value.Compare(keys[i], keys[j])
		if err != nil {
			return value.TypeName(keys[i]) < value.TypeName(keys[j])
		}
		return n < 0
	})
	return keys
}

func (p *prettyPrinter) pairs(d *value.Dict, column, allowance, depth int) string {
	var b strings.Builder
	keys := p.sortedKeys(d)
	for i, k := range keys {
		e, _ := d.Get(k)
		left := 1
		if i == len(keys)-1 {
			left = allowance
		}
		key := value.Repr(k)
		b.WriteString(key + ": " + p.format(e, column+utf8.RuneCountInString(key)+2, left, depth+1))
		if i < len(keys)-1 {
			b.WriteString(",\n" + strings.Repeat(" ", column))
		}
	}
	return b.String()
}

func (p *prettyPrinter) items(items []any, column, allowance, depth int) string {
	var b strings.Builder
	for i, e := range items {
		left := 1
		if i == len(items)-1 {
			left = allowance
		}
		b.WriteString(p.format(e, column, left, depth+1))
		if i < len(items)-1 {
			b.WriteString(",\n" + strings.Repeat(" ", column))
		}
	}
	return b.String()
}
