package mattermost

import (
	"regexp"
	"strings"
	"unicode"
)

var (
	fences     = regexp.MustCompile("(?ms)^ {0,3}```[^`\n]*\n.*?(?:^ {0,3}```[ \t]*$|\\z)")
	escapes    = regexp.MustCompile("\\\\([\\\\`*{}\\[\\]()#+\\-.!_>~|])")
	boldMarks  = regexp.MustCompile(`\*\*([^*\n]+)\*\*`)
	fenceLines = regexp.MustCompile("(?m)^ {0,3}```.*\n?")
)

// MentionsIn finds the names after an @ as the real server does: code does not
// count, words end at everything but letters, digits and ".-_:", and a word that
// is nobody's name is looked at again without those at its ends and in pieces.
func MentionsIn(text string) []string {
	text = fences.ReplaceAllString(text, "\n")
	text = withoutCode(text)
	var names []string
	words := strings.FieldsFunc(text, func(r rune) bool {
		return !(r == ':' || r == '.' || r == '-' || r == '_' || r == '@' || unicode.IsLetter(r) || unicode.IsNumber(r))
	})
	add := func(word string) {
		if name, ok := strings.CutPrefix(word, "@"); ok && name != "" {
			names = append(names, name)
		}
	}
	for _, w := range words {
		add(w)
		trimmed := strings.Trim(w, ".-:_")
		if trimmed != w {
			add(trimmed)
		}
		for _, piece := range strings.FieldsFunc(w, func(r rune) bool { return r == '.' || r == '-' || r == ':' }) {
			if piece != w && piece != trimmed {
				add(piece)
			}
		}
	}
	return names
}

// withoutCode takes the code spans out of a text: what is between two runs of
// equally many backquotes. A backslash takes a mark its meaning, but not in code.
func withoutCode(s string) string {
	var out strings.Builder
	run := func(at int) int {
		n := 0
		for at+n < len(s) && s[at+n] == '`' {
			n++
		}
		return n
	}
	for i := 0; i < len(s); {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] < 0x80:
			out.WriteString(s[i : i+2])
			i += 2
		case s[i] == '`':
			n := run(i)
			end := -1
			for k := i + n; k < len(s); {
				if m := run(k); m == n {
					end = k + n
					break
				} else {
					k += max(m, 1)
				}
			}
			if end < 0 {
				out.WriteString(s[i : i+n])
				i += n
			} else {
				out.WriteByte(' ')
				i = end
			}
		default:
			out.WriteByte(s[i])
			i++
		}
	}
	return out.String()
}

// Visible is what a person reads of a text in Markdown: without the marks of
// bold words and code, and without what is not seen.
func Visible(text string) string {
	var out strings.Builder
	last := 0
	prose := func(s string) {
		s = escapes.ReplaceAllString(s, "$1")
		out.WriteString(boldMarks.ReplaceAllString(s, "$1"))
	}
	for _, m := range fences.FindAllStringIndex(text, -1) {
		prose(text[last:m[0]])
		out.WriteString(fenceLines.ReplaceAllString(text[m[0]:m[1]], ""))
		last = m[1]
	}
	prose(text[last:])
	return strings.ReplaceAll(out.String(), "\u200b", "")
}
