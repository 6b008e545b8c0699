// Package diagnose words what is wrong with an expression: the place with a caret
// under it, and the known name nearest to an unknown one. It knows no language.
package diagnose

import (
	"strings"
	"unicode/utf8"
)

// maxLine is how much of a long line is shown around the caret, in code points.
const maxLine = 100

// Caret shows the line of source that holds the byte offset, and a caret under it:
//
//	ctx().servr.name
//	      ^
//
// An offset outside the source gives "".
func Caret(source string, offset int) string {
	if offset < 0 || offset > len(source) {
		return ""
	}
	start := strings.LastIndexByte(source[:offset], '\n') + 1
	line := source[start:]
	if end := strings.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	line = strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", " ")
	column := utf8.RuneCountInString(source[start:offset])
	runes := []rune(line)
	if len(runes) > maxLine {
		from := max(0, min(column-maxLine/2, len(runes)-maxLine))
		runes, column = runes[from:from+maxLine], column-from
	}
	return string(runes) + "\n" + strings.Repeat(" ", max(0, column)) + "^"
}

// Column gives the place of a byte offset in code points, as Python counts.
func Column(source string, offset int) int {
	return utf8.RuneCountInString(source[:max(0, min(offset, len(source)))])
}

// maxNames bounds the names that Nearest compares, maxName their length in bytes.
const (
	maxNames = 500
	maxName  = 64
)

// Nearest gives the known name that is most like name, "" when none is alike. Names
// that differ in case only, or by a prefix, are alike; otherwise at most a third
// of the letters may differ.
func Nearest(name string, known []string) string {
	if len(name) > maxName {
		return ""
	}
	best, bestDistance := "", len(name)/3+1
	for i, k := range known {
		if i >= maxNames {
			break
		}
		if k == name || len(k) > maxName {
			continue
		}
		d := distance(strings.ToLower(name), strings.ToLower(k))
		if d > 0 && len(name) > 3 && (strings.HasPrefix(k, name) || strings.HasPrefix(name, k) && len(k) > 3) {
			d = 1
		}
		if d < bestDistance || d == bestDistance && best != "" && k < best {
			best, bestDistance = k, d
		}
	}
	return best
}

// DidYouMean words the suggestion for an unknown name, "" when nothing is near.
func DidYouMean(name string, known []string) string {
	if n := Nearest(name, known); n != "" {
		return "did you mean " + n + "?"
	}
	return ""
}

// distance is the number of letters to insert, delete, replace or swap.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := range x {
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
