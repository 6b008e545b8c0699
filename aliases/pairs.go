package aliases

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// pair is one `key=value` at the end of a message.
type pair struct{ key, value string }

// message is a command prepared once and then shown to many formats.
type message struct {
	original string
	rest     string // the message without its tail pairs, one blank added on each side
	folded   string // rest in folded case, for the index
	pairs    []pair // in the order written; a later key wins
	tail     string // the text of the pairs
}

// newMessage takes the tail pairs off text and pads the rest, as every format expects it.
func newMessage(text string) *message {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	m := &message{original: text}
	m.pairs, m.rest, m.tail = splitTailPairs(text)
	m.rest = " " + m.rest + " "
	m.folded = fold(m.rest)
	return m
}

// splitTailPairs finds the longest tail of text that is nothing but pairs and returns them with the remaining text. The tail is deleted
// everywhere in the text, not only at its end, which is what StackStorm does: `note k=1 then k=1` leaves `note then`.
func splitTailPairs(text string) (pairs []pair, rest, tail string) {
	if !strings.Contains(text, "=") {
		return nil, text, ""
	}
	runes := []rune(text)
	start := tailStart(runes)
	if start == len(runes) {
		return nil, text, ""
	}
	tail = string(runes[start:])
	return scanPairs(runes[start:]), strings.ReplaceAll(text, tail, ""), tail
}

// tailStart returns the first index from which the text is a sequence of pairs up to its end, or len(text).
//
// The rule is a small grammar, `((^|\s+) \s* key \s* = value \s*)*`, whose parts are ambiguous: a quoted value may also be read as a run of
// non-spaces, a brace value ends at any `}` that lets the rest fit. So each part is asked from the right whether it can reach the end from
// position i; that makes the search linear where a backtracking expression is exponential.
func tailStart(text []rune) int {
	n := len(text)
	// State of the positions to the right of i, index 0 for i+1. Only the value of a part at i+1 (and of value at i+2) is ever needed.
	type reach struct {
		pairs   bool // zero or more whole pairs
		spaces  bool // blanks, then pairs
		run     bool // at least one non-space, then spaces
		dquote  bool // a later `"` is followed by spaces
		squote  bool // the same for `'`
		brace   bool // the same for `}`
		value   bool // a value, then spaces
		equals  bool // blanks, `=`, value
		key     bool // at least one non-space, then equals
		padKey  bool // blanks, then key
		isSpace bool
	}
	next, after := reach{pairs: true, spaces: true}, reach{} // positions n and n+1
	first := n
	for i := n - 1; i >= 0; i-- {
		c := text[i]
		cur := reach{isSpace: isSpace(c)}
		cur.dquote = (c == '"' && next.spaces) || next.dquote
		cur.squote = (c == '\'' && next.spaces) || next.squote
		cur.brace = (c == '}' && next.spaces) || next.brace
		cur.run = !cur.isSpace && (next.spaces || next.run)
		cur.value = cur.run || (c == '"' && after.dquote) || (c == '\'' && after.squote) || (c == '{' && after.brace)
		cur.equals = (c == '=' && next.value) || (cur.isSpace && next.equals)
		cur.key = !cur.isSpace && (next.equals || next.key)
		cur.padKey = cur.key || (cur.isSpace && next.padKey)
		cur.pairs = (cur.isSpace && next.padKey) || (i == 0 && cur.padKey)
		cur.spaces = cur.pairs || (cur.isSpace && next.spaces)
		if cur.pairs {
			first = i
		}
		next, after = cur, next
	}
	return first
}

// scanPairs reads the pairs of a tail from left to right. Reading is greedier than finding the tail: a value ends at the first closing quote or
// brace, whatever follows, so `cfg={"a": {"b": 1}}` is cut after its first brace.
func scanPairs(tail []rune) []pair {
	var pairs []pair
	for i := 0; i < len(tail); {
		if i > 0 && !isSpace(tail[i]) {
			i++
			continue
		}
		start := skipSpace(tail, i)
		key, value, end, ok := scanPair(tail, start)
		if ok {
			pairs = append(pairs, pair{key, value})
			i = end
			continue
		}
		if i = start; i == 0 {
			i = 1
		}
	}
	return pairs
}

// scanPair reads one pair whose key starts at start, with the shortest key that is followed by `=` and a value.
func scanPair(tail []rune, start int) (key, value string, end int, ok bool) {
	for e := start + 1; e <= len(tail) && !isSpace(tail[e-1]); e++ {
		eq := skipSpace(tail, e)
		if eq >= len(tail) || tail[eq] != '=' {
			continue
		}
		if value, end, ok = scanValue(tail, eq+1); ok {
			return string(tail[start:e]), value, end, true
		}
	}
	return "", "", 0, false
}

// scanValue reads an empty pair of quotes, a quoted text, a brace text up to the first `}`, or a run of non-spaces.
func scanValue(text []rune, i int) (value string, end int, ok bool) {
	if i >= len(text) || isSpace(text[i]) {
		return "", 0, false
	}
	switch c := text[i]; c {
	case '"', '\'':
		if i+1 < len(text) && text[i+1] == c {
			return "", i + 2, true
		}
		if j := indexFrom(text, i+2, c); j > 0 {
			return string(text[i+1 : j]), j + 1, true
		}
	case '{':
		if j := indexFrom(text, i+2, '}'); j > 0 {
			return string(text[i : j+1]), j + 1, true
		}
	}
	for end = i; end < len(text) && !isSpace(text[end]); end++ {
	}
	return string(text[i:end]), end, true
}

func indexFrom(text []rune, from int, c rune) int {
	for j := from; j < len(text); j++ {
		if text[j] == c {
			return j
		}
	}
	return -1
}

func skipSpace(text []rune, i int) int {
	for i < len(text) && isSpace(text[i]) {
		i++
	}
	return i
}

// isSpace is Python's idea of white space, which is Unicode's plus the four separators of ASCII.
func isSpace(r rune) bool { return unicode.IsSpace(r) || (r >= 0x1c && r <= 0x1f) }

// fold brings text to one form per group of letters that a case-insensitive expression takes for the same, so that the index never misses.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			return r
		}
		r = unicode.ToLower(r)
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		if 'A' <= least && least <= 'Z' {
			least += 'a' - 'A'
		}
		return least
	}, s)
}
