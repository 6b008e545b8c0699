package jinja

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"petrel/engine/expression/diagnose"
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
	Source  string // the template
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
		b.WriteString("\n  " + strings.ReplaceAll(diagnose.Caret(e.Source, e.pos), "\n", "\n  "))
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

// locate fills in the place of the error within the template.
func (e *Error) locate(src string) *Error {
	if e.located || e.pos < 0 { // limits may be met between two nodes
		return e
	}
	e.located = true
	e.pos = min(e.pos, len(src))
	start := strings.LastIndexByte(src[:e.pos], '\n') + 1
	e.Line = strings.Count(src[:e.pos], "\n") + 1
	e.Column = utf8.RuneCountInString(src[start:e.pos]) + 1
	e.Source = src
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
