package jinja

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Kind tells what sort of failure an Error is.
type Kind string

// The kinds, named as Jinja names its exceptions.
const (
	Syntax    Kind = "TemplateSyntaxError"    // the template does not parse
	Assertion Kind = "TemplateAssertionError" // an unknown filter or test
	Undefined Kind = "UndefinedError"         // a missing value was used
	Security  Kind = "SecurityError"          // the sandbox refuses
	Runtime   Kind = "RuntimeError"           // an operation failed
	Limit     Kind = "LimitError"             // too many steps, too much output, out of time
)

// Error is a failure of a template. Line and Column count from 1, columns in code points.
type Error struct {
	Kind    Kind
	Message string
	Hint    string // the nearest known name, empty when there is none
	Line    int
	Column  int
	Source  string // the line of the template
	Err     error  // the cause, where there is one

	pos     int
	located bool
}

// Error gives the message, the place, and the line with a caret under the place.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Summary())
	if e.Line > 0 {
		fmt.Fprintf(&b, " (line %d, column %d)", e.Line, e.Column)
		if text, col := e.excerpt(); text != "" {
			fmt.Fprintf(&b, "\n  %s\n  %s^", text, strings.Repeat(" ", col))
		}
	}
	return b.String()
}

// Summary is the message without the place.
func (e *Error) Summary() string {
	if e.Hint != "" {
		return fmt.Sprintf("%s: %s; did you mean '%s'?", e.Kind, e.Message, e.Hint)
	}
	return fmt.Sprintf("%s: %s", e.Kind, e.Message)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// excerpt cuts a long line down to what is around the column.
func (e *Error) excerpt() (string, int) {
	runes := []rune(strings.ReplaceAll(e.Source, "\t", " "))
	col := min(max(e.Column-1, 0), len(runes))
	start := max(0, col-60)
	return string(runes[start:min(len(runes), start+100)]), col - start
}

// locate fills in the place of the error within the template.
func (e *Error) locate(src string) *Error {
	if e.located || e.pos < 0 { // limits may be met between two nodes
		return e
	}
	e.located = true
	pos := min(e.pos, len(src))
	start := strings.LastIndexByte(src[:pos], '\n') + 1
	end := len(src)
	if i := strings.IndexByte(src[pos:], '\n'); i >= 0 {
		end = pos + i
	}
	e.Line = strings.Count(src[:pos], "\n") + 1
	e.Column = utf8.RuneCountInString(src[start:pos]) + 1
	e.Source = src[start:end]
	return e
}

// located gives err its place in src, whatever it is.
func located(err error, src string) error {
	var e *Error
	if errors.As(err, &e) {
		return e.locate(src)
	}
	return err
}

// at gives an error the position of the node in which it arose, unless it has one.
func at(err error, pos int) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		if e.pos < 0 {
			e.pos = pos
		}
		return err
	}
	return &Error{Kind: Runtime, Message: err.Error(), Err: err, pos: pos}
}

// fail makes an error without a position; the node that meets it adds its own.
func fail(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), pos: -1}
}

// Nearest gives the known name that is most like the given one, or "".
func Nearest(name string, known []string) string {
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k), bestDistance); d < bestDistance && k != name {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is the edit distance, with transpositions, cut off at limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit || len(a) > 64 || len(b) > 64 {
		return limit
	}
	var rows [3][65]int
	for j := 0; j <= len(b); j++ {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur, prev, prev2 := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
