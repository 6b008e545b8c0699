//go:build unix

package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// executed is a program that the operating system started for us.
type executed struct{ cmd *exec.Cmd }

// execute is the Starter that runs a file.
func execute(_ context.Context, c *Command, files []*os.File) (Process, error) {
	cmd := &exec.Cmd{Path: c.Args[0], Args: c.Args, Dir: c.Dir, Env: c.Env, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	if files[0] != nil {
		cmd.Stdin = files[0]
	}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = files[1], files[2], files[3:]
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return executed{cmd}, nil
}

// Pid implements Process.
func (e executed) Pid() int { return e.cmd.Process.Pid }

// Await implements Process.
func (e executed) Await() { awaitExit(e.cmd.Process) }

// Reap implements Process.
func (e executed) Reap() (int, error) {
	err := e.cmd.Wait()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return 0, fmt.Errorf("wait for process %d: %w", e.Pid(), err)
	}
	if ws, ok := e.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return -int(ws.Signal()), nil
	}
	return e.cmd.ProcessState.ExitCode(), nil
}
