//go:build windows

package sqlite

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// fileLock is a lock on a byte beyond the end of a file beside the database, so
// that the owner's number before it stays readable.
type fileLock struct{ f *os.File }

func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	where := &windows.Overlapped{Offset: 1 << 20}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, where)
	if err == windows.ERROR_LOCK_VIOLATION {
		defer f.Close()
		return nil, &InUseError{Path: path, PID: readPID(f)}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	writePID(f)
	return &fileLock{f}, nil
}

func (l *fileLock) unlock() error {
	_ = l.f.Truncate(0)
	return l.f.Close()
}
