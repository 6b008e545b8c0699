//go:build unix

package sensors

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// familyOfItsOwn starts a program as the head of a process group, so that it can
// be ended with all it started.
func familyOfItsOwn() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func terminateFamily(pid int) { _ = syscall.Kill(-pid, syscall.SIGTERM) } // an error: it is gone already
func killFamily(pid int)      { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// channel returns the two ends of a socket.
func channel() (io.ReadWriteCloser, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "sensor")
	ours := os.NewFile(uintptr(fds[0]), "sensor")
	defer ours.Close()
	conn, err := net.FileConn(ours) // a copy
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}
