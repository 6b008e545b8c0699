package engine

import (
	"errors"
	"fmt"
)

// Code classifies an error for the surfaces: HTTP status, exit code, chat reply.
type Code string

const (
	Invalid     Code = "invalid"     // the request is wrong; saying it again will not help
	NotFound    Code = "not_found"   // it names something that does not exist
	Conflict    Code = "conflict"    // it does not fit the present state
	Forbidden   Code = "forbidden"   // the caller may not do this
	Unavailable Code = "unavailable" // try again later; nothing was accepted
	Internal    Code = "internal"    // our fault
)

// Error is an error meant for the person who caused it. Message says what is
// wrong and what would be right, without internals.
type Error struct {
	Code    Code
	Message string
	Err     error // cause, for the log
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error. A %w operand becomes its cause only as text.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of the first *Error in err's chain, else Internal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}
