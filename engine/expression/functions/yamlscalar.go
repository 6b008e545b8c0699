package functions

import (
	"fmt"
	"strings"
)

// scalarForms says which spellings YAML allows for a text in block context.
type scalarForms struct{ plain, single, multiline bool }

// analyseScalar follows the rules of YAML 1.1 as PyYAML's emitter applies them.
func analyseScalar(s string, unicode bool) scalarForms {
	if s == "" {
		return scalarForms{single: true}
	}
	r := []rune(s)
	plain := !strings.HasPrefix(s, "---") && !strings.HasPrefix(s, "...")
	special, breaks, spaceBreak, breakSpace := false, false, false, false
	for i, c := range r {
		blankBefore := i == 0 || isYAMLBlank(r[i-1])
		blankAfter := i+1 == len(r) || isYAMLBlank(r[i+1])
		switch {
		case i == 0 && strings.ContainsRune("#,[]{}&*!|>'\"%@`", c), i == 0 && strings.ContainsRune("?:-", c) && blankAfter,
			i > 0 && c == ':' && blankAfter, i > 0 && c == '#' && blankBefore:
			plain = false
		}
		isBreak := isYAMLBreak(c)
		breaks = breaks || isBreak
		if c != '\n' && (c < ' ' || c > '~') {
			beyond := c == 0x85 || c >= 0xA0 && c <= 0xD7FF || c >= 0xE000 && c <= 0xFFFD || c >= 0x10000
			special = special || !beyond || c == 0xFEFF || !unicode
		}
		if i > 0 {
			spaceBreak = spaceBreak || isBreak && r[i-1] == ' '
			breakSpace = breakSpace || c == ' ' && isYAMLBreak(r[i-1])
		}
	}
	last := r[len(r)-1]
	if breaks || r[0] == ' ' || last == ' ' || isYAMLBreak(r[0]) || isYAMLBreak(last) || spaceBreak || breakSpace || special {
		plain = false
	}
	return scalarForms{plain: plain, single: !special && !spaceBreak && !breakSpace, multiline: breaks}
}

func isYAMLBreak(c rune) bool { return c == '\n' || c == 0x85 || c == 0x2028 || c == 0x2029 }

func isYAMLBlank(c rune) bool {
	return c == ' ' || c == '\t' || c == '\r' || c == 0 || isYAMLBreak(c)
}

// plain writes words, folding at single blanks beyond the width.
func (w *yamlWriter) plain(s string, split bool) {
	if !w.whitespace {
		w.write(" ")
	}
	w.whitespace, w.indention = false, false
	w.fold(s, split, func(end bool) bool { return split })
}

func (w *yamlWriter) single(s string, split bool) {
	w.indicator("'", true, false, false)
	w.fold(strings.ReplaceAll(s, "'", "''"), split, func(atEnd bool) bool { return split && !atEnd })
	w.indicator("'", false, false, false)
}

// fold writes a text in runs of blanks, breaks and words; a single blank beyond the
// width becomes a new line where mayFold allows it (atEnd: the blank begins or ends the text).
func (w *yamlWriter) fold(s string, split bool, mayFold func(atEnd bool) bool) {
	r := []rune(s)
	for i := 0; i < len(r); {
		j := i
		switch {
		case r[i] == ' ':
			for j < len(r) && r[j] == ' ' {
				j++
			}
			if j == i+1 && w.column > yamlWidth && mayFold(i == 0 || j == len(r)) {
				w.newLine()
				w.whitespace, w.indention = false, false
			} else {
				w.write(string(r[i:j]))
			}
		case isYAMLBreak(r[i]):
			for j < len(r) && isYAMLBreak(r[j]) {
				j++
			}
			if r[i] == '\n' {
				w.lineBreak()
			}
			for _, c := range r[i:j] {
				if c == '\n' {
					w.lineBreak()
				} else {
					w.out.WriteRune(c)
					w.column, w.whitespace, w.indention = 0, true, true
				}
			}
			w.newLine()
			w.whitespace, w.indention = false, false
		default:
			for j < len(r) && r[j] != ' ' && !isYAMLBreak(r[j]) {
				j++
			}
			w.write(string(r[i:j]))
		}
		i = j
	}
}

// yamlEscapes are the one-letter escapes of double-quoted scalars.
func yamlEscape(c rune) string {
	const from = "\x00\a\b\t\n\v\f\r\x1b\"\\\u0085\u00a0\u2028\u2029"
	const to = "0abtnvfre\"\\N_LP"
	at := 0
	for _, f := range from {
		if f == c {
			return `\` + to[at:at+1]
		}
		at++
	}
	switch {
	case c <= 0xFF:
		return fmt.Sprintf(`\x%02X`, c)
	case c <= 0xFFFF:
		return fmt.Sprintf(`\u%04X`, c)
	}
	return fmt.Sprintf(`\U%08X`, c)
}

// double writes a double-quoted scalar; beyond the width it goes on in the next line after a backslash.
func (w *yamlWriter) double(s string, split bool) {
	r := []rune(s)
	w.indicator(`"`, true, false, false)
	start := 0
	for end := 0; end <= len(r); end++ {
		c := rune(-1)
		if end < len(r) {
			c = r[end]
		}
		printable := c >= ' ' && c <= '~' || w.unicode && (c >= 0xA0 && c <= 0xD7FF || c >= 0xE000 && c <= 0xFFFD)
		if c < 0 || !printable || c == '"' || c == '\\' || c == 0x2028 || c == 0x2029 || c == 0xFEFF {
			w.write(string(r[min(start, end):end]))
			start = max(start, end)
			if c >= 0 {
				w.write(yamlEscape(c))
				start = end + 1
			}
		}
		if end > 0 && end < len(r)-1 && (c == ' ' || start >= end) && w.column+end-start > yamlWidth && split {
			w.write(string(r[min(start, end):end]) + `\`)
			start = max(start, end)
			w.newLine()
			w.whitespace, w.indention = false, false
			if r[start] == ' ' {
				w.write(`\`)
			}
		}
	}
	w.indicator(`"`, false, false, false)
}
