package yaql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"petrel/engine/expression/diagnose"
)

// Kind classifies errors.
type Kind uint8

// The kinds of errors. Only the first two come from Compile.
const (
	Lexical Kind = iota + 1
	Grammar
	NoMatch    // no function, method or operator for these arguments
	Unknown    // no such function, method, variable or key
	OutOfRange // index beyond the list, first() of nothing
	Failed     // a function refused its arguments
	Limit      // steps, items, memory or depth exhausted
)

// Error is an expression that cannot be read or evaluated.
type Error struct {
	Kind   Kind
	Msg    string // in upstream's words where it has some
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

func fail(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Msg: fmt.Sprintf(format, args...), Pos: -1}
}

func (e *Error) hint(format string, args ...any) *Error {
	if format != "" {
		e.Hint = fmt.Sprintf(format, args...)
	}
	return e
}

// at gives an error the place of a node, unless an inner node has claimed it.
func at(err error, pos int) error {
	var e *Error
	switch {
	case err == nil || errors.Is(err, errStop) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &e):
		if e.Pos < 0 {
			e.Pos = pos
		}
		return err
	}
	return &Error{Kind: Failed, Msg: err.Error(), Pos: pos, Err: err}
}

// located completes an error with its source.
func located(err error, source string, pos int) error {
	err = at(err, pos)
	var e *Error
	if errors.As(err, &e) {
		e.Source = source
		return e
	}
	return err
}
