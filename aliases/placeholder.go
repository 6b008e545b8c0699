package aliases

import (
	"fmt"
	"strings"
	"unicode"
)

// Placeholder is one `{{ name }}` or `{{ name = default }}` of a format.
type Placeholder struct {
	Name     string
	Optional bool
	Default  string // only for optional ones; without its quotes
}

// segment is a stretch of a format: either text (a part of a regular expression) or a placeholder with the white space before it.
type segment struct {
	text        string
	lead        string
	placeholder *Placeholder
}

// splitFormat cuts a format into text and placeholders. Optional placeholders are found first and may span what looks like a required one, as
// in StackStorm; braces that are no placeholder (`{{ two words }}`) stay text.
func splitFormat(format string) ([]segment, error) {
	var segments []segment
	for _, s := range cutPlaceholders(format, scanOptional) {
		if s.placeholder != nil {
			segments = append(segments, s)
			continue
		}
		segments = append(segments, cutPlaceholders(s.text, scanRequired)...)
	}
	seen := map[string]bool{}
	for _, s := range segments {
		if s.placeholder == nil {
			continue
		}
		if err := checkPlaceholder(*s.placeholder, format, seen); err != nil {
			return nil, err
		}
	}
	return segments, nil
}

// cutPlaceholders applies one of the two scanners at every `{{` of the text, from left to right.
func cutPlaceholders(format string, scan func(text []rune, i int) (Placeholder, int, bool)) []segment {
	var segments []segment
	text := []rune(format)
	from, last := 0, lastClosing(text) // no placeholder begins after the last `}}`
	for i := 0; i < last; i++ {
		if text[i] != '{' || text[i+1] != '{' {
			continue
		}
		found, end, ok := scan(text, i+2)
		if !ok {
			continue
		}
		lead := i
		for lead > from && isSpace(text[lead-1]) {
			lead--
		}
		if lead > from {
			segments = append(segments, segment{text: string(text[from:lead])})
		}
		segments = append(segments, segment{lead: string(text[lead:i]), placeholder: &found})
		from, i = end, end-1
	}
	if from < len(text) {
		segments = append(segments, segment{text: string(text[from:])})
	}
	return segments
}

func lastClosing(text []rune) int {
	for i := len(text) - 2; i >= 0; i-- {
		if text[i] == '}' && text[i+1] == '}' {
			return i
		}
	}
	return -1
}

// scanRequired reads ` name }}` after the opening braces.
func scanRequired(text []rune, i int) (Placeholder, int, bool) {
	start := skipSpace(text, i)
	for e := start + 1; e <= len(text) && !isSpace(text[e-1]); e++ {
		if end, ok := closing(text, e); ok {
			return Placeholder{Name: string(text[start:e])}, end, true
		}
	}
	return Placeholder{}, 0, false
}

// scanOptional reads ` name = default }}` after the opening braces.
func scanOptional(text []rune, i int) (Placeholder, int, bool) {
	start := skipSpace(text, i)
	for e := start + 1; e <= len(text) && !isSpace(text[e-1]); e++ {
		eq := skipSpace(text, e)
		if eq >= len(text) || text[eq] != '=' {
			continue
		}
		from := skipSpace(text, eq+1)
		if _, empty := closing(text, from); empty {
			continue // `{{a=}}`: refused below as a required placeholder with an odd name
		}
		if value, end, ok := scanDefault(text, from); ok {
			return Placeholder{Name: string(text[start:e]), Optional: true, Default: value}, end, true
		}
	}
	return Placeholder{}, 0, false
}

// scanDefault reads a default value and the closing braces: an empty or quoted text, a brace text, or free text, whichever is the first
// that ends right before the closing braces.
func scanDefault(text []rune, i int) (string, int, bool) {
	if i >= len(text) {
		return "", 0, false
	}
	closer, keep := rune(0), 0
	switch c := text[i]; c {
	case '"', '\'':
		if i+1 < len(text) && text[i+1] == c {
			if end, ok := closing(text, i+2); ok {
				return "", end, true
			}
		}
		closer = c
	case '{':
		closer, keep = '}', 1
	}
	for j := i + 2; closer != 0 && j < len(text); j++ {
		if text[j] != closer {
			continue
		}
		if end, ok := closing(text, j+1); ok {
			return string(text[i+1-keep : j+keep]), end, true
		}
	}
	for j := i + 1; j < len(text); j++ {
		if end, ok := closing(text, j); ok {
			return string(text[i:j]), end, true
		}
	}
	return "", 0, false
}

// closing reports whether `}}` follows at i, after optional white space.
func closing(text []rune, i int) (end int, ok bool) {
	i = skipSpace(text, i)
	if i+1 < len(text) && text[i] == '}' && text[i+1] == '}' {
		return i + 2, true
	}
	return 0, false
}

// checkPlaceholder refuses names that cannot be parameter names and names used twice, with what would be right.
func checkPlaceholder(p Placeholder, format string, seen map[string]bool) error {
	if seen[p.Name] {
		return &FormatError{Format: format, Placeholder: p.Name,
			Reason: fmt.Sprintf("the placeholder {{%s}} is used twice; give the second one another name", p.Name)}
	}
	seen[p.Name] = true
	if isIdentifier(p.Name) {
		return nil
	}
	reason := fmt.Sprintf("%q is not a parameter name; use letters, digits and _ only, for example {{%s}}", p.Name, identifierFrom(p.Name))
	name, isEmpty := strings.CutSuffix(p.Name, "=")
	switch {
	case isEmpty && isIdentifier(name):
		reason = fmt.Sprintf("{{%s=}} has no default value; write {{%s=\"\"}} for an empty one, or {{%s}} to make it required", name, name, name)
	case strings.Contains(p.Name, "}}") || strings.Contains(p.Name, "{{"):
		first, _, _ := strings.Cut(p.Name, "}}")
		reason = fmt.Sprintf("{{%s}} and what follows it are joined by = and read as one placeholder; put a blank between two placeholders, "+
			"or leave the pair out: people can always add key=value at the end", strings.Trim(first, "{ "))
	}
	return &FormatError{Format: format, Placeholder: p.Name, Reason: reason}
}

func isIdentifier(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

// identifierFrom makes the nearest acceptable name, for error messages.
func identifierFrom(s string) string {
	name := strings.Map(func(r rune) rune {
		if r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '_'
	}, s)
	name = strings.Trim(name, "_")
	if name == "" || unicode.IsDigit(rune(name[0])) {
		name = "p" + name
	}
	return name
}
