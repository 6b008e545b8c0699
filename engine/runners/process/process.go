//go:build unix

// Package process runs a program of an action in a session of its own, and ends
// it with everything it started. It knows nothing of actions and results.
package process

import (
	"bytes"
	"context"
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
	// Result, when set, gets what the program writes to file descriptor 3.
	Result io.Writer
	// Files are further files of the program, its descriptors from 4 on (from 3
	// when there is no Result). Run closes them.
	Files []*os.File
	// Start, when set, starts the program in place of the operating system.
	Start Starter
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

// Starter starts a program in a session of its own. files are its descriptors:
// standard input (nil: nothing to read), output and error, then Result and Files.
// They are valid until it returns. It gives up when ctx ends.
type Starter func(ctx context.Context, c *Command, files []*os.File) (Process, error)

// Process is a started program.
type Process interface {
	Pid() int
	// Await returns when it has ended. Its number is its own until Reap.
	Await()
	// Reap returns the exit code, minus the number of the signal that ended it.
	// It is called once, after Await.
	Reap() (code int, err error)
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
		closeAll(c.Files)
		return Exit{}, fmt.Errorf("not started: %w", context.Cause(ctx))
	}
	r, err := start(ctx, c)
	if err != nil {
		return Exit{}, err
	}
	stopped, stopErr := r.await(ctx)
	r.closePipes()
	if stopErr != nil {
		go func() { // whenever the kernel lets go of it
			<-r.exited
			_, _ = r.proc.Reap()
		}()
		return Exit{Stopped: true}, stopErr
	}
	code, err := r.proc.Reap()
	return Exit{Code: code, Stopped: stopped}, err
}

// run is a started program.
type run struct {
	Command
	proc   Process
	files  []*os.File    // their ends
	pipes  []*os.File    // our ends
	output chan struct{} // closed when both streams have ended
	exited chan struct{} // closed when the program has ended; it is not reaped yet
	reader sync.WaitGroup
}

func start(ctx context.Context, c Command) (*run, error) {
	if c.Grace <= 0 {
		c.Grace = DefaultGrace
	}
	if c.Drain <= 0 {
		c.Drain = DefaultDrain
	}
	if c.Start == nil {
		c.Start = execute
	}
	r := &run{Command: c, output: make(chan struct{}), exited: make(chan struct{})}
	err := r.openPipes()
	if err == nil {
		r.proc, err = c.Start(ctx, &c, r.files)
	}
	closeAll(r.files)
	if err != nil {
		r.closePipes()
		return nil, err
	}
	go func() {
		r.proc.Await()
		close(r.exited)
	}()
	return r, nil
}

// openPipes connects the streams and starts those who serve our ends. Pipes of
// our own, since exec.Cmd would wait for every process that inherited them.
func (r *run) openPipes() error {
	r.files = append([]*os.File{nil, nil, nil}, r.Files...)
	writers := []io.Writer{r.Stdout, r.Stderr}
	if r.Result != nil {
		r.files = append([]*os.File{nil, nil, nil, nil}, r.Files...)
		writers = append(writers, r.Result)
	}
	defer func() {
		go func() {
			r.reader.Wait()
			close(r.output)
		}()
	}()
	for i, w := range writers {
		in, out, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("make a pipe: %w", err)
		}
		r.files[i+1], r.pipes = out, append(r.pipes, in)
		r.reader.Go(func() { drain(w, in) })
	}
	if r.Stdin == nil {
		return nil
	}
	in, out, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	r.files[0], r.pipes = in, append(r.pipes, out)
	go func() {
		out.Write(r.Stdin) // a program that does not read is no error
		out.Close()
	}()
	return nil
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

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
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
	g := &group{leader: r.proc.Pid(), marker: r.Marker, refused: r.elevated}
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
