package prompt

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// style is how a piece of text looks where colours are shown.
type style int

const (
	plain style = iota
	bold
	dim
	code
	person
	bot
	good
	bad
	busy
)

// sgr are the escape sequences of the styles.
var sgr = [...]string{
	plain: "", bold: "1", dim: "2", code: "36", person: "1;34", bot: "1;35", good: "32", bad: "31", busy: "33",
}

// span is text of one style, without line breaks and control characters.
type span struct {
	text  string
	style style
}

// row is one line as it should be shown, wider than the screen perhaps. When it
// is wrapped, the lines after the first begin with hang.
type row struct {
	spans []span
	hang  string
}

func (r row) text() string {
	var b strings.Builder
	for _, s := range r.spans {
		b.WriteString(s.text)
	}
	return b.String()
}

// paint gives the line as it is written out, without line break.
func (r row) paint(colour bool) string {
	if !colour {
		return r.text()
	}
	var b strings.Builder
	for _, s := range r.spans {
		if s.style == plain || s.text == "" {
			b.WriteString(s.text)
			continue
		}
		b.WriteString("\x1b[" + sgr[s.style] + "m" + s.text + "\x1b[0m")
	}
	return b.String()
}

// wrap cuts a row into rows of at most cols columns, at spaces where there are
// any in the second half of the line. cols of 0 means no limit; a single
// character may be wider than the limit.
func (r row) wrap(cols int) []row {
	if cols <= 0 || columns(r.text()) <= cols {
		return []row{r}
	}
	if columns(r.hang) > cols/2 {
		r.hang = ""
	}
	var out []row
	var line []span        // the row being filled
	used, fresh := 0, true // its columns; nothing but hang is in it
	breakSpan, breakByte := -1, 0
	for _, s := range r.spans {
		line = append(line, span{style: s.style})
		begin := 0 // of what of s is on this row
		for at, c := range s.text {
			w := runeColumns(c)
			if used+w > cols && !fresh {
				var rest []span
				if line[len(line)-1].text = s.text[begin:at]; breakSpan >= 0 {
					line, rest = split(line, breakSpan, breakByte)
				}
				out = append(out, row{spans: line})
				line = append([]span{{text: r.hang}}, rest...)
				if len(rest) == 0 {
					line = append(line, span{style: s.style})
				}
				used = columns(row{spans: line}.text())
				begin = at - len(line[len(line)-1].text)
				breakSpan = -1
			}
			used += w
			fresh = false
			if c == ' ' && used > cols/2 {
				breakSpan, breakByte = len(line)-1, at+1-begin
			}
		}
		line[len(line)-1].text = s.text[begin:]
	}
	return append(out, row{spans: line})
}

func split(spans []span, i, at int) (before, after []span) {
	s := spans[i]
	before = append(append(before, spans[:i]...), span{s.text[:at], s.style})
	after = append(append(after, span{s.text[at:], s.style}), spans[i+1:]...)
	return before, after
}

// columns is how many columns of a terminal the text takes, at most.
func columns(s string) int {
	n := 0
	for _, c := range s {
		n += runeColumns(c)
	}
	return n
}

// runeColumns errs on the wide side: a line that is wrapped early does no harm,
// one that the terminal wraps itself upsets redrawing.
func runeColumns(c rune) int {
	if c < 0x300 {
		return 1
	}
	if unicode.In(c, unicode.Mn, unicode.Me) || c == '\u200d' || unicode.Is(unicode.Variation_Selector, c) {
		return 0
	}
	switch width.LookupRune(c).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	if c >= 0x1f000 || (c >= 0x2600 && c <= 0x27bf && c != '✓' && c != '✗') {
		return 2 // emoji, depending on the font
	}
	return 1
}

// sequences matches the complete escape sequences that programs colour and
// title their output with: CSI and OSC.
var sequences = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\x1b\\]|\u009d)[^\x07\x1b\u009c\n]*(?:\x07|\x1b\\\\|\u009c)")

// lines makes text inert and cuts it into lines: colour sequences are removed,
// tabs become spaces, other control characters become visible signs, and nothing
// can change the direction of writing.
func lines(s string) []string {
	s = strings.ToValidUTF8(s, "\ufffd")
	s = sequences.ReplaceAllString(s, "")
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\u0085", "\n").Replace(s)
	s = strings.TrimRight(s, "\n")
	var out []string
	for l := range strings.SplitSeq(s, "\n") {
		out = append(out, inertLine(l))
	}
	return out
}

// oneLine is lines for a place where there is room for one.
func oneLine(s string) string { return strings.Join(lines(s), " ") }

func inertLine(s string) string {
	if !strings.ContainsFunc(s, dangerous) {
		return s
	}
	var b strings.Builder
	col := 0
	for _, c := range s {
		switch {
		case c == '\t':
			n := 8 - col%8
			b.WriteString(strings.Repeat(" ", n))
			col += n
			continue
		case c < 0x20:
			c += 0x2400 // the Unicode picture of the control character
		case c == 0x7f:
			c = '\u2421'
		case dangerous(c):
			c = '\ufffd'
		}
		b.WriteRune(c)
		col += runeColumns(c)
	}
	return b.String()
}

func dangerous(c rune) bool {
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) ||
		(c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x061c || c == 0xfeff
}

// shorten cuts a line to at most n characters.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return strings.TrimRight(string([]rune(s)[:n-1]), " ") + "…"
}

// marked matches *bold* and `code` of chat Markdown.
var marked = regexp.MustCompile("`[^`]+`|(?:^|\\B)\\*[^\\s*](?:[^*]*[^\\s*])?\\*(?:\\B|$)")

// markup gives the spans of a line of chat Markdown. The marks stay: they are
// part of what was written, and what is to be copied should be whole.
func markup(s string) []span {
	var out []span
	at := 0
	for _, m := range marked.FindAllStringIndex(s, -1) {
		if m[0] > at {
			out = append(out, span{s[at:m[0]], plain})
		}
		st := bold
		if s[m[0]] == '`' {
			st = code
		}
		out = append(out, span{s[m[0]:m[1]], st})
		at = m[1]
	}
	if at < len(s) || len(out) == 0 {
		out = append(out, span{s[at:], plain})
	}
	return out
}
