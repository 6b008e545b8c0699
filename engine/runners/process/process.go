//go:build unix

// Package process runs a program of an action in a session of its own, and ends
// it with everything it started. It knows nothing of actions and results.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// DefaultGrace is how long processes have between TERM and KILL.
	DefaultGrace = 5 * time.Second
	// DefaultDrain is how long the output of a program is still read after it
	// ended, when something it left in the background keeps it open.
	DefaultDrain = 2 * time.Second
	// killLimit is how long processes may take to vanish after KILL.
	killLimit = 3 * time.Second
)

// Command is what to run.
type Command struct {
	Args  []string // Args[0] is the path of the program
	Dir   string
	Env   []string
	Stdin []byte // what it reads, then end of file; nil: nothing at all
	// Stdout and Stderr are written by one goroutine each, none after Run has
	// returned. Their errors are ignored: the program is never blocked.
	Stdout, Stderr io.Writer
	// Marker is an entry of Env (KEY=value) that only this program and what it
	// starts carry. It finds processes that began a session of their own.
	Marker string
	// Grace and Drain default to DefaultGrace and DefaultDrain.
	Grace, Drain time.Duration
	// Elevate is put before a kill command when signals are refused, because
	// the processes run as another user: sudo, -S, --. ElevateInput is what it
	// reads.
	Elevate      []string
	ElevateInput []byte
}

// Exit is how a program ended.
type Exit struct {
	Code    int  // exit code; minus the number of the signal that ended it
	Stopped bool // Run ended it (or what it left running) because ctx ended
}

// Run starts the program and returns when it has ended. When ctx ends first, the
// program and all its descendants get TERM and, after the grace, KILL; they are
// gone when Run returns, or the error says that they could not be ended. An
// error also means that the program could not be started.
//
// What a program leaves running in the background when it ends by itself lives
// on; only its output is not read for longer than the drain.
func Run(ctx context.Context, c Command) (Exit, error) {
	if ctx.Err() != nil {
		return Exit{}, fmt.Errorf("not started: %w", context.Cause(ctx))
	}
	r, err := start(c)
	if err != nil {
		return Exit{}, err
	}
	stopped, stopErr := r.await(ctx)
	r.closePipes()
	if stopErr != nil {
		go r.reap() // whenever the kernel lets go of it
		return Exit{Stopped: true}, stopErr
	}
	code, err := r.reap()
	return Exit{Code: code, Stopped: stopped}, err
}

// run is a started program.
type run struct {
	Command
	cmd    *exec.Cmd
	pipes  []*os.File    // our ends
	output chan struct{} // closed when both streams have ended
	exited chan struct{} // closed when the program has ended; it is not reaped yet
	reader sync.WaitGroup
}

func start(c Command) (*run, error) {
	if c.Grace <= 0 {
		c.Grace = DefaultGrace
	}
	if c.Drain <= 0 {
		c.Drain = DefaultDrain
	}
	r := &run{Command: c, output: make(chan struct{}), exited: make(chan struct{})}
	r.cmd = &exec.Cmd{Path: c.Args[0], Args: c.Args, Dir: c.Dir, Env: c.Env, SysProcAttr: &syscall.SysProcAttr{Setsid: true}}
	theirs, err := r.openPipes()
	if err == nil {
		err = r.cmd.Start()
	}
	for _, f := range theirs {
		f.Close()
	}
	if err != nil {
		r.closePipes()
		return nil, err
	}
	go func() {
		awaitExit(r.cmd.Process)
		close(r.exited)
	}()
	return r, nil
}

// openPipes connects the streams and starts those who serve our ends. Pipes of
// our own, since exec.Cmd would wait for every process that inherited them.
func (r *run) openPipes() (theirs []*os.File, err error) {
	for _, s := range []struct {
		w    io.Writer
		slot *io.Writer
	}{{r.Stdout, &r.cmd.Stdout}, {r.Stderr, &r.cmd.Stderr}} {
		in, out, err := os.Pipe()
		if err != nil {
			return theirs, fmt.Errorf("make a pipe: %w", err)
		}
		theirs, r.pipes = append(theirs, out), append(r.pipes, in)
		*s.slot = out
		r.reader.Go(func() { drain(s.w, in) })
	}
	go func() {
		r.reader.Wait()
		close(r.output)
	}()
	if r.Stdin == nil {
		return theirs, nil
	}
	in, out, err := os.Pipe()
	if err != nil {
		return theirs, fmt.Errorf("make a pipe: %w", err)
	}
	theirs, r.pipes = append(theirs, in), append(r.pipes, out)
	r.cmd.Stdin = in
	go func() {
		out.Write(r.Stdin) // a program that does not read is no error
		out.Close()
	}()
	return theirs, nil
}

func drain(w io.Writer, in *os.File) {
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		if n > 0 && w != nil {
			w.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}

// closePipes ends the readers and waits for them.
func (r *run) closePipes() {
	for _, f := range r.pipes {
		f.Close()
	}
	r.reader.Wait()
}

// await waits for the end of the program and its output, or ends it with ctx.
func (r *run) await(ctx context.Context) (stopped bool, err error) {
	select {
	case <-r.exited:
	case <-ctx.Done():
		return true, r.stop()
	}
	late := time.NewTimer(r.Drain)
	defer late.Stop()
	select {
	case <-r.output:
	case <-late.C:
	case <-ctx.Done():
		return true, r.stop()
	}
	return false, nil
}

// stop ends the program and its descendants. The program is not reaped before,
// so that its number still means it.
func (r *run) stop() error {
	g := &group{leader: r.cmd.Process.Pid, marker: r.Marker, refused: r.elevated}
	g.signal(syscall.SIGTERM)
	if !g.gone(r.Grace) {
		for end := time.Now().Add(killLimit); ; {
			g.signal(syscall.SIGKILL)
			if g.gone(100 * time.Millisecond) {
				break
			}
			if time.Now().After(end) {
				return fmt.Errorf("could not end %s", g)
			}
		}
	}
	select {
	case <-r.exited:
	case <-time.After(killLimit):
		return fmt.Errorf("could not end process %d", g.leader)
	}
	// Nobody holds the pipes any more: what is in them is read quickly.
	select {
	case <-r.output:
	case <-time.After(r.Drain):
	}
	return nil
}

// elevated signals processes of another user. Whether it helped shows in who is
// left.
func (r *run) elevated(sig syscall.Signal, pids []string) {
	if len(r.Elevate) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), killLimit)
	defer cancel()
	args := slices.Concat(r.Elevate, []string{"kill", "-" + strconv.Itoa(int(sig)), "--"}, pids)
	kill := exec.CommandContext(ctx, args[0], args[1:]...)
	kill.Stdin = bytes.NewReader(r.ElevateInput)
	_ = kill.Run()
}

// reap returns the exit code.
func (r *run) reap() (int, error) {
	err := r.cmd.Wait()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return 0, fmt.Errorf("wait for process %d: %w", r.cmd.Process.Pid, err)
	}
	if ws, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return -int(ws.Signal()), nil
	}
	return r.cmd.ProcessState.ExitCode(), nil
}
