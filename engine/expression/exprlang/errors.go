package exprlang

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/file"

	"petrel/engine/expression/diagnose"
)

// Error is an expression that cannot be read or evaluated.
type Error struct {
	Msg    string
	Hint   string // what would be right, "" when unknown
	Source string
	Pos    int // byte offset in Source, -1 when unknown
	Err    error
}

// Error gives the message, and the expression with a caret under the place.
func (e *Error) Error() string {
	if caret := e.Caret(); caret != "" {
		return e.Summary() + "\n  " + strings.ReplaceAll(caret, "\n", "\n  ")
	}
	return e.Summary()
}

// Summary is the message without the place.
func (e *Error) Summary() string {
	if e.Hint != "" {
		return e.Msg + " (" + e.Hint + ")"
	}
	return e.Msg
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Caret shows the expression with a caret under the place that is wrong, "" when unknown.
func (e *Error) Caret() string { return diagnose.Caret(e.Source, e.Pos) }

// byteOffset turns a place in code points into one in bytes.
func byteOffset(s string, runes int) int {
	for i := range s {
		if runes == 0 {
			return i
		}
		runes--
	}
	return len(s)
}

func unknownName(source string, n used, known []string) *Error {
	e := &Error{Msg: fmt.Sprintf("unknown name %s", n.name), Source: source, Pos: byteOffset(source, n.pos)}
	e.Hint = diagnose.DidYouMean(n.name, known)
	return e
}

var (
	unknownWord = regexp.MustCompile(`(?:unknown name|unknown field|has no field|cannot fetch) (\w+)`)
	badBool     = regexp.MustCompile(`interface conversion: interface \{\} is (\S+), not bool`)
	goMap       = strings.NewReplacer("map[string]interface {}", "map", "map[string]any", "map", "[]interface {}", "list", "[]any", "list", "interface {}", "value", "*value.Dict", "map",
		"*value.List", "list", "int64", "int", "float64", "float")
)

// newError words an error of expr, or of a function called by it; known are names for a suggestion.
func newError(source string, err error, known []string) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e := &Error{Msg: err.Error(), Source: source, Pos: -1, Err: err}
	var own *Error
	var f *file.Error
	if errors.As(err, &f) {
		e.Msg = f.Message
		e.Pos = byteOffset(source, f.From)
		if errors.As(f.Prev, &own) {
			e.Msg, e.Hint, e.Err = own.Msg, own.Hint, own.Err
			return e
		}
	} else if errors.As(err, &own) {
		return err
	}
	if m := badBool.FindStringSubmatch(e.Msg); m != nil {
		e.Msg = "a condition must be true or false, not " + goType(m[1])
		return e
	}
	if m := unknownWord.FindStringSubmatch(e.Msg); m != nil {
		e.Hint = diagnose.DidYouMean(m[1], known)
	}
	e.Msg = goMap.Replace(e.Msg)
	return e
}

// goType names a Go type as a user would.
func goType(t string) string {
	switch t {
	case "nil":
		return "nil"
	case "string":
		return "text"
	case "int", "int64", "float64":
		return "a number"
	case "*value.Dict", "map[string]interface":
		return "a map"
	case "*value.List", "[]interface":
		return "a list"
	}
	return "a " + t
}
