// Package markup turns the text of messages into what a platform shows: it reads
// the common subset of chat Markdown, makes foreign text harmless, and splits
// what is too long without breaking code fences. Every adapter renders with it;
// what differs between platforms is a Dialect.
//
// It knows texts only, no platform and no message.
package markup

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Kind is how a span of text is meant.
type Kind int

// The kinds of spans.
const (
	Text  Kind = iota
	Bold       // *bold* or **bold**
	Code       // `code`
	Fence      // ```a fence```, without its marks and its language
	Link       // a bare URL, or [label](URL) with a Label
)

// Span is a piece of text of one kind.
type Span struct {
	Kind  Kind
	Text  string // of a Link its URL
	Label string // of a Link, "" for a bare one
}

var (
	inlineCode = regexp.MustCompile("^`([^`\n]+)`")
	bold       = regexp.MustCompile(`^\*\*?([^\s*](?:[^*\n]*[^\s*])?)\*\*?`)
	bareURL    = regexp.MustCompile(`^https?://[^\s<>|"'` + "`" + `]*[^\s<>|"'` + "`" + `.,;:!?)\]*]`)
	namedURL   = regexp.MustCompile(`^\[([^\[\]\n]+)\]\((https?://[^\s()<>|"]+)\)`)
	angleURL   = regexp.MustCompile(`^<(https?://[^\s<>|"]+)(?:\|([^<>|\n]+))?>`)
)

// Parse reads a text written by an author. A fence that is left open reaches to
// the end. What fits no rule is text.
func Parse(s string) []Span {
	var spans []Span
	for i, part := range strings.Split(Clean(s), "```") {
		if i%2 == 1 {
			spans = append(spans, Span{Kind: Fence, Text: fenceBody(part)})
			continue
		}
		if i > 0 {
			part = strings.TrimPrefix(part, "\n")
		}
		spans = append(spans, inline(part)...)
	}
	return spans
}

// fenceBody cuts the language off the first line of a fence.
func fenceBody(s string) string {
	first, rest, several := strings.Cut(s, "\n")
	if several && !strings.ContainsFunc(first, unicode.IsSpace) {
		s = rest
	}
	return strings.TrimSuffix(s, "\n")
}

// inline reads the part of a text between two fences.
func inline(s string) []Span {
	var spans []Span
	start := 0
	take := func(i, length int, span Span) int {
		if i > start {
			spans = append(spans, Span{Text: s[start:i]})
		}
		spans = append(spans, span)
		start = i + length
		return start
	}
	for i := 0; i < len(s); {
		rest := s[i:]
		switch {
		case rest[0] == '`':
			if m := inlineCode.FindStringSubmatch(rest); m != nil {
				i = take(i, len(m[0]), Span{Kind: Code, Text: m[1]})
				continue
			}
		case rest[0] == '*' && apart(s, i):
			if m := bold.FindStringSubmatch(rest); m != nil && endsApart(rest, len(m[0])) {
				i = take(i, len(m[0]), Span{Kind: Bold, Text: m[1]})
				continue
			}
		case rest[0] == '[':
			if m := namedURL.FindStringSubmatch(rest); m != nil {
				i = take(i, len(m[0]), Span{Kind: Link, Text: m[2], Label: m[1]})
				continue
			}
		case rest[0] == '<':
			if m := angleURL.FindStringSubmatch(rest); m != nil {
				i = take(i, len(m[0]), Span{Kind: Link, Text: m[1], Label: m[2]})
				continue
			}
		case rest[0] == 'h' && apart(s, i):
			if m := bareURL.FindString(rest); m != "" {
				i = take(i, len(m), Span{Kind: Link, Text: m})
				continue
			}
		}
		_, n := utf8.DecodeRuneInString(rest)
		i += n
	}
	if start < len(s) {
		spans = append(spans, Span{Text: s[start:]})
	}
	return spans
}

// apart reports whether a mark at i does not continue a word.
func apart(s string, i int) bool {
	r, _ := utf8.DecodeLastRuneInString(s[:i])
	return i == 0 || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '*' && r != '_'
}

func endsApart(s string, end int) bool {
	r, _ := utf8.DecodeRuneInString(s[end:])
	return end == len(s) || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '*' && r != '_'
}

// Dialect is how a platform writes spans.
type Dialect struct {
	// Escape makes plain text show as it is and call nobody.
	Escape func(string) string
	Bold   [2]string // marks around bold text, e.g. {"**", "**"}
	// Code makes a line of code. Nil means backquotes around it, those in it
	// replaced.
	Code func(string) string
	// Fence makes a block of output. Nil means three backquotes around it, those
	// in it broken up by a zero-width space.
	Fence func(string) string
	// Link makes a link. Nil means the escaped label, and the URL behind it.
	Link func(url, label string) string
}

// Render writes an author's text in the dialect.
func (d Dialect) Render(s string) string {
	var out strings.Builder
	for _, span := range Parse(s) {
		switch span.Kind {
		case Bold:
			out.WriteString(d.Bold[0] + d.Escape(span.Text) + d.Bold[1])
		case Code:
			out.WriteString(d.code(span.Text))
		case Fence:
			if n := out.Len(); n > 0 && !strings.HasSuffix(out.String(), "\n") {
				out.WriteByte('\n')
			}
			out.WriteString(d.Output(span.Text) + "\n")
		case Link:
			out.WriteString(d.link(span.Text, span.Label))
		default:
			out.WriteString(d.Escape(span.Text))
		}
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// Output writes the output of a program as a block of its own.
func (d Dialect) Output(s string) string {
	s = strings.TrimRight(Clean(s), "\n")
	if d.Fence != nil {
		return d.Fence(s)
	}
	return "```\n" + Unfence(s) + "\n```"
}

// Plain writes text that is nobody's markup on one line, such as a heading.
func (d Dialect) Plain(s string) string { return d.Escape(OneLine(s)) }

func (d Dialect) code(s string) string {
	if d.Code != nil {
		return d.Code(s)
	}
	return "`" + strings.ReplaceAll(s, "`", "'") + "`"
}

func (d Dialect) link(url, label string) string {
	switch {
	case d.Link != nil:
		return d.Link(url, label)
	case label == "" || label == url:
		return url
	}
	return d.Escape(label) + " (" + url + ")"
}

// Unfence breaks up what would end a code fence.
func Unfence(s string) string { return strings.ReplaceAll(s, "```", "`\u200b`\u200b`") }

// Clean makes foreign text safe to show anywhere: it is valid UTF-8 with line
// ends of "\n", and holds no control characters but those and tabs, no escape
// sequences of terminals, and nothing that turns the direction of writing.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if !strings.ContainsFunc(s, unsafe) {
		return s
	}
	s = terminalEscape.ReplaceAllString(s, "")
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n").Replace(s)
	return strings.Map(func(r rune) rune {
		if unsafe(r) {
			return -1
		}
		return r
	}, s)
}

var terminalEscape = regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])`)

func unsafe(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || r == '\u2028' || r == '\u2029' ||
		r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u200e' || r == '\u200f'
}

// OneLine makes clean text fit on one line.
func OneLine(s string) string { return strings.Join(strings.Fields(Clean(s)), " ") }

// Shorten cuts a text to so many characters, the last one an ellipsis.
func Shorten(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit || limit < 1 {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}
