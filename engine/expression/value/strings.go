package value

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// IsSpace tells what Python's str.isspace counts as a blank.
func IsSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}

// asciiDigits replaces the decimal digits of other scripts, which int() and float() take too.
func asciiDigits(s string) string {
	if isASCII(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf || !unicode.Is(unicode.Nd, r) {
			return r
		}
		zero := r
		for unicode.Is(unicode.Nd, zero-1) && r-zero < 9 {
			zero--
		}
		return '0' + r - zero
	}, s)
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Split is str.split(sep, max): max < 0 splits everywhere. sep == nil splits at runs of blanks.
func Split(s string, sep *string, max int) ([]string, error) {
	if sep == nil {
		return splitBlanks(s, max), nil
	}
	if *sep == "" {
		return nil, errors.New("empty separator")
	}
	if max < 0 {
		return strings.Split(s, *sep), nil
	}
	return strings.SplitN(s, *sep, max+1), nil
}

func splitBlanks(s string, max int) []string {
	out := []string{}
	s = strings.TrimLeftFunc(s, IsSpace)
	for s != "" {
		if max == 0 {
			return append(out, strings.TrimRightFunc(s, IsSpace))
		}
		i := strings.IndexFunc(s, IsSpace)
		if i < 0 {
			return append(out, s)
		}
		out = append(out, s[:i])
		s = strings.TrimLeftFunc(s[i:], IsSpace)
		max--
	}
	return out
}

// RSplit is str.rsplit(sep, max): as Split, counted from the end.
func RSplit(s string, sep *string, max int) ([]string, error) {
	if max < 0 {
		return Split(s, sep, max)
	}
	out := []string{}
	if sep != nil && *sep == "" {
		return nil, errors.New("empty separator")
	}
	if sep == nil {
		s = strings.TrimRightFunc(s, IsSpace)
	}
	for ; max > 0; max-- {
		cut, width := 0, 0
		if sep == nil {
			cut = strings.LastIndexFunc(s, IsSpace)
			if cut >= 0 {
				_, width = utf8.DecodeRuneInString(s[cut:])
			}
		} else {
			cut, width = strings.LastIndex(s, *sep), len(*sep)
		}
		if cut < 0 {
			break
		}
		out = append(out, s[cut+width:])
		if s = s[:cut]; sep == nil {
			s = strings.TrimRightFunc(s, IsSpace)
		}
	}
	if sep != nil || strings.TrimLeftFunc(s, IsSpace) != "" {
		out = append(out, s)
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, nil
}

// SplitLines is str.splitlines(keep).
func SplitLines(s string, keep bool) []string {
	out := []string{}
	for s != "" {
		end, next := len(s), len(s)
		for i, r := range s {
			if !isLineBreak(r) {
				continue
			}
			end, next = i, i+utf8.RuneLen(r)
			if r == '\r' && strings.HasPrefix(s[next:], "\n") {
				next++
			}
			break
		}
		if keep {
			end = next
		}
		out = append(out, s[:end])
		s = s[next:]
	}
	return out
}

func isLineBreak(r rune) bool {
	switch r {
	case '\n', '\r', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
		return true
	}
	return false
}

// Strip is str.strip, lstrip or rstrip: chars == nil strips blanks.
func Strip(s string, chars *string, left, right bool) string {
	drop := IsSpace
	if chars != nil {
		drop = func(r rune) bool { return strings.ContainsRune(*chars, r) }
	}
	if left {
		s = strings.TrimLeftFunc(s, drop)
	}
	if right {
		s = strings.TrimRightFunc(s, drop)
	}
	return s
}

// Upper is str.upper, with the letters that become several (ß, ŉ).
func Upper(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return cases.Upper(language.Und).String(s)
}

// Lower is str.lower.
func Lower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und).String(s)
}

// Capitalize is str.capitalize.
func Capitalize(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToTitle(r)) + Lower(s[n:])
}

// Title is str.title: every run of letters starts with a capital.
func Title(s string) string {
	inWord := false
	return strings.Map(func(r rune) rune {
		cased := unicode.IsLetter(r)
		defer func() { inWord = cased }()
		if cased && !inWord {
			return unicode.ToTitle(r)
		}
		return unicode.ToLower(r)
	}, s)
}

// SwapCase is str.swapcase.
func SwapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}

// Pad is str.ljust ('<'), rjust ('>') and center ('^').
func Pad(s string, width int, fill rune, align byte) string {
	missing := width - utf8.RuneCountInString(s)
	if missing <= 0 {
		return s
	}
	left := 0
	switch align {
	case '>':
		left = missing
	case '^':
		left = missing/2 + missing&width&1
	}
	f := string(fill)
	return strings.Repeat(f, left) + s + strings.Repeat(f, missing-left)
}

// ZFill is str.zfill.
func ZFill(s string, width int) string {
	missing := width - utf8.RuneCountInString(s)
	if missing <= 0 {
		return s
	}
	if s != "" && (s[0] == '+' || s[0] == '-') {
		return s[:1] + strings.Repeat("0", missing) + s[1:]
	}
	return strings.Repeat("0", missing) + s
}

// ExpandTabs is str.expandtabs.
func ExpandTabs(s string, size int) string {
	var b strings.Builder
	col := 0
	for _, r := range s {
		switch {
		case r == '\t':
			if size > 0 {
				n := size - col%size
				b.WriteString(strings.Repeat(" ", n))
				col += n
			}
			continue
		case r == '\n' || r == '\r':
			col = -1
		}
		b.WriteRune(r)
		col++
	}
	return b.String()
}

// Find is str.find in code points: the first (or last) place of sub within
// s[start:end], -1 when there is none. Negative bounds count from the end.
func Find(s, sub string, start, end int, last bool) int {
	n := utf8.RuneCountInString(s)
	start, end = clampIndex(start, n), clampIndex(end, n)
	if start > end {
		return -1
	}
	from := byteOffset(s, start)
	part := s[from:byteOffset(s, end)]
	i := strings.Index(part, sub)
	if last {
		i = strings.LastIndex(part, sub)
	}
	if i < 0 {
		return -1
	}
	return start + utf8.RuneCountInString(part[:i])
}

// Substr is s[start:end] in code points with Python's treatment of bounds.
func Substr(s string, start, end int) string {
	n := utf8.RuneCountInString(s)
	start, end = clampIndex(start, n), clampIndex(end, n)
	if start >= end {
		return ""
	}
	return s[byteOffset(s, start):byteOffset(s, end)]
}

func clampIndex(i, n int) int {
	if i < 0 {
		i += n
	}
	return max(0, min(i, n))
}

func byteOffset(s string, runes int) int {
	if isASCII(s) {
		return runes
	}
	off := 0
	for ; runes > 0 && off < len(s); runes-- {
		_, n := utf8.DecodeRuneInString(s[off:])
		off += n
	}
	return off
}
