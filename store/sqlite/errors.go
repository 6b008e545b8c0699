package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"petrel/store"
)

// InUseError says that another process has the file open. It is an
// ErrUnavailable.
type InUseError struct {
	Path string
	PID  int // 0 when the owner did not say
}

func (e *InUseError) Error() string {
	if e.PID == 0 {
		return e.Path + " is in use by another process"
	}
	return fmt.Sprintf("%s is in use by process %d", e.Path, e.PID)
}

// Is makes errors.Is(err, store.ErrUnavailable) true.
func (e *InUseError) Is(target error) bool { return target == store.ErrUnavailable }

// unavailable reports whether the file, not the request, is at fault: disk full,
// read-only, I/O error and the like.
func unavailable(err error) bool {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return true
	}
	var se *driver.Error
	if !errors.As(err, &se) {
		return errors.Is(err, sql.ErrConnDone)
	}
	switch se.Code() & 0xff {
	case codes.SQLITE_FULL, codes.SQLITE_IOERR, codes.SQLITE_READONLY, codes.SQLITE_CANTOPEN,
		codes.SQLITE_BUSY, codes.SQLITE_LOCKED, codes.SQLITE_NOMEM, codes.SQLITE_PERM,
		codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB, codes.SQLITE_PROTOCOL:
		return true
	}
	return false
}

// translate gives a database error its place in the contract.
func translate(err error) error {
	switch {
	case err == nil, errors.Is(err, store.ErrUnavailable),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case unavailable(err):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}
