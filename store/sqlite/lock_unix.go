//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// orphanPatience is how long the lock of an owner that is dead is waited for: a
// program that it was starting when it was killed holds the file until it has
// begun.
const orphanPatience = 5 * time.Second

func alive(pid int) bool { return pid != 0 && !errors.Is(unix.Kill(pid, 0), unix.ESRCH) }

// fileLock is an advisory lock on a file beside the database. The kernel drops
// it when the process dies; the file stays, since removing it would race.
type fileLock struct{ f *os.File }

func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, err
	}
	for patience := time.Now().Add(orphanPatience); ; time.Sleep(10 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(patience) || alive(readPID(f)) {
			break
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
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
	_ = l.f.Truncate(0) // the name of a dead owner would only confuse
	return l.f.Close()
}
