package store

import (
	"errors"
	"fmt"
)

var (
	// ErrNotFound: there is no such document or blob.
	ErrNotFound = errors.New("not found")
	// ErrConflict: a document changed since it was read. Read it again.
	ErrConflict = errors.New("revision conflict")
	// ErrDuplicate: a claimed key was claimed before.
	ErrDuplicate = errors.New("duplicate")
	// ErrLeaseLost: the item is held by somebody else now, or finished.
	ErrLeaseLost = errors.New("lease lost")
	// ErrUnavailable: the store cannot be reached or refuses writes now.
	ErrUnavailable = errors.New("store unavailable")
	// ErrInvalid: the request can never succeed; a mistake of the caller.
	ErrInvalid = errors.New("invalid")
	// ErrTooLarge: a body is over MaxBody or MaxBlob.
	ErrTooLarge = errors.New("too large")
	// ErrNewer: the data was written by a newer version of the program.
	ErrNewer = errors.New("written by a newer version")
	// ErrClosed: the backend was closed.
	ErrClosed = errors.New("store closed")
)

// ConflictError says which document moved on. It is an ErrConflict.
type ConflictError struct {
	Collection, ID string
	Want, Have     int64 // Have 0: the document does not exist
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s/%s: revision %d expected, %d found", e.Collection, e.ID, e.Want, e.Have)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// DuplicateError says which claim was taken and by what. It is an ErrDuplicate.
type DuplicateError struct {
	Key, Value string // Value as given by the first claimant
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("%s was claimed before by %s", e.Key, e.Value)
}

// Is makes errors.Is(err, ErrDuplicate) true.
func (e *DuplicateError) Is(target error) bool { return target == ErrDuplicate }
