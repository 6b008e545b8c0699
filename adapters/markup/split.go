package markup

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Split cuts a rendered text into pieces of at most limit characters, at the end
// of a line where there is one in the second half of a piece, else between
// words, else anywhere. A fence of three backquotes that a cut goes through is
// closed and opened again. A limit of 0 is none; others must be at least 32.
func Split(s string, limit int) []string {
	var pieces []string
	for limit > 0 && utf8.RuneCountInString(s) > limit {
		const fence = "\n```"
		cut := cutAt(s, limit-len(fence))
		piece, rest := s[:cut], strings.TrimPrefix(s[cut:], "\n")
		piece = strings.TrimSuffix(piece, "\n")
		if strings.Count(piece, "```")%2 == 1 {
			piece += fence
			rest = "```\n" + rest
		}
		pieces = append(pieces, piece)
		s = rest
	}
	return append(pieces, s)
}

// cutAt returns the byte at which a piece of at most n characters ends.
func cutAt(s string, n int) int {
	end := offset(s, n)
	half := offset(s, n/2)
	if i := strings.LastIndexByte(s[:end], '\n'); i >= half {
		return i + 1
	}
	if i := strings.LastIndexByte(s[:end], ' '); i >= half {
		return i + 1
	}
	for end > 0 && end < len(s) && s[end-1] == '`' {
		end-- // never within the marks of a fence
	}
	if end == 0 {
		return offset(s, n)
	}
	return end
}

// offset returns where the n-th character begins.
func offset(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	return len(s)
}

// leftOut is the line that HeadTail puts in.
var leftOut = regexp.MustCompile(`\n\[\.\.\. \d+ characters left out \.\.\.\]`)

// HeadTail keeps the first and the last lines of a text that is longer than
// limit characters, with a line between them that says how much is left out.
// whole reports that nothing was.
func HeadTail(s string, limit int) (short string, whole bool) {
	total := utf8.RuneCountInString(s)
	if limit <= 0 || total <= limit {
		return s, true
	}
	const room = 60 // for the line between
	side := (limit - room) / 2
	if side < 1 {
		return Shorten(s, limit), false
	}
	head := s[:cutAt(s, side)]
	tail := s[offset(s, total-side):]
	if i := strings.IndexByte(tail, '\n'); i >= 0 && i < len(tail)/2 {
		tail = tail[i+1:]
	}
	left := total - utf8.RuneCountInString(head) - utf8.RuneCountInString(tail)
	return fmt.Sprintf("%s\n[... %d characters left out ...]\n%s", strings.TrimSuffix(head, "\n"), left, tail), false
}

// HeadTailMarkup is HeadTail for a text with fences of three backquotes: one that
// the cut goes through is closed and opened again. A limit of 0 is none; others
// must be at least 100.
func HeadTailMarkup(s string, limit int) (short string, whole bool) {
	const fences = "\n```" + "```\n"
	total := utf8.RuneCountInString(s)
	if limit <= 0 || total <= limit {
		return s, true
	}
	short, _ = HeadTail(s, limit-len(fences))
	at := leftOut.FindStringIndex(short)
	if at == nil {
		return short, false
	}
	head, line, tail := short[:at[0]], short[at[0]:at[1]], short[at[1]:]
	if strings.Count(head, "```")%2 == 1 {
		head += "\n```"
	}
	if strings.Count(s[:len(s)-len(tail)], "```")%2 == 1 {
		tail = "```\n" + strings.TrimPrefix(tail, "\n")
		line += "\n"
	}
	return head + line + tail, false
}
