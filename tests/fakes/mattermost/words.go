package mattermost

import (
	"regexp"
	"strings"
	"unicode"
)

var (
	fences     = regexp.MustCompile("(?ms)^ {0,3}```[^`\n]*\n.*?(?:^ {0,3}```[ \t]*$|\\z)")
	codeSpans  = regexp.MustCompile("(^|[^\\\\`])`[^`]+`")
	escapes    = regexp.MustCompile("\\\\([\\\\`*{}\\[\\]()#+\\-.!_>~|])")
	boldMarks  = regexp.MustCompile(`\*\*([^*\n]+)\*\*`)
	fenceLines = regexp.MustCompile("(?m)^ {0,3}```.*\n?")
)

// mentionsIn finds the names after an @ as the real server does: code does not
// count, words end at everything but letters, digits and ".-_:", and a word that
// is nobody's name is looked at again without those at its ends and in pieces.
func mentionsIn(text string) []string {
	text = fences.ReplaceAllString(text, "\n")
	text = codeSpans.ReplaceAllString(text, "$1 ")
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
