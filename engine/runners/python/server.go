//go:build unix

package python

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"petrel/engine/runners/process"
)

// coldError: there is no warm interpreter for a run, which has not begun.
type coldError struct{ err error }

func (e *coldError) Error() string { return e.err.Error() }
func (e *coldError) Unwrap() error { return e.err }

// lostError: the warm interpreter of a run ended while the run went on.
type lostError struct{ interpreter string }

func (e *lostError) Error() string {
	return fmt.Sprintf("the interpreter %s that the action was started from has ended", e.interpreter)
}

const (
	// startLimit is how long a warm interpreter may take to start a run, its own
	// start included.
	startLimit = 30 * time.Second
	// endLimit is how long it may take to end when it is asked to: the runs it
	// has get half a second between TERM and KILL.
	endLimit = 3 * time.Second
)

// server is a warm interpreter; petrel_python/server.py is its other half.
type server struct {
	interpreter string
	cmd         *exec.Cmd
	conn        *net.UnixConn
	words       *tail         // what it printed itself
	gone        chan struct{} // closed when it has ended
	limits      *time.Timer   // ends it when it has been idle, see pool

	mu    sync.Mutex
	runs  map[int]*fork
	last  int // number of the newest run
	begun time.Time
}

// fork is one run of a server. It implements process.Process.
type fork struct {
	server *server
	id     int
	stop   context.CancelCauseFunc // ends the run when the server is lost

	pid     int
	problem error
	started chan struct{} // closed when pid or problem is known
	exited  chan struct{}
	code    int
	lost    bool
}

// startServer starts a warm interpreter; ended is called when it has ended.
func startServer(o Options, interpreter string, ended func(*server)) (*server, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "python"), os.NewFile(uintptr(fds[1]), "python")
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	s := &server{
		interpreter: interpreter, conn: conn.(*net.UnixConn), words: &tail{},
		gone: make(chan struct{}), runs: map[int]*fork{}, begun: time.Now(),
	}
	s.cmd = exec.Command(interpreter, "-u", filepath.Join(o.Library, "petrel_python", "server.py"))
	s.cmd.Env = append(append([]string{}, o.Environ...), "PYTHONPATH="+o.Library)
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.ExtraFiles = s.words, s.words, []*os.File{theirs}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	s.cmd.WaitDelay = endLimit
	if err := s.cmd.Start(); err != nil {
		conn.Close()
		return nil, err
	}
	go func() {
		s.listen()
		ended(s)
		close(s.gone)
	}()
	return s, nil
}

// listen takes in what the server says until it has ended.
func (s *server) listen() {
	for lines := bufio.NewScanner(s.conn); lines.Scan(); {
		var m struct {
			ID    int
			PID   int
			Exit  *int
			Error string
		}
		if json.Unmarshal(lines.Bytes(), &m) != nil || m.ID == 0 {
			continue
		}
		s.mu.Lock()
		f := s.runs[m.ID]
		s.mu.Unlock()
		switch {
		case f == nil:
		case m.Error != "":
			f.problem = errors.New(m.Error)
			close(f.started)
		case m.PID != 0:
			f.pid = m.PID
			close(f.started)
		case m.Exit != nil:
			f.code = *m.Exit
			close(f.exited)
		}
	}
	s.conn.Close()
	kill := time.AfterFunc(endLimit, func() { s.cmd.Process.Kill() })
	_ = s.cmd.Wait() // how it ended changes nothing for the runs
	kill.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.runs {
		s.lose(f)
	}
	s.runs = nil
}

// lose tells a run that its server is gone.
func (s *server) lose(f *fork) {
	select {
	case <-f.started:
	default:
		f.problem = fmt.Errorf("the interpreter ended before it could start the run: %s", s.words)
		close(f.started)
		return
	}
	select {
	case <-f.exited:
	default:
		f.lost = true
		f.stop(&lostError{s.interpreter})
		close(f.exited)
	}
}

// start implements process.Starter for a run of this server.
func (s *server) start(ctx context.Context, stop context.CancelCauseFunc, files []*os.File) (*fork, error) {
	f := &fork{server: s, stop: stop, started: make(chan struct{}), exited: make(chan struct{})}
	s.mu.Lock()
	if s.runs == nil {
		s.mu.Unlock()
		return nil, &coldError{errors.New("it has just ended")}
	}
	s.last++
	f.id = s.last
	s.runs[f.id] = f
	fds := make([]int, len(files))
	for i, file := range files {
		fds[i] = int(file.Fd())
	}
	err := s.say("start", f.id, fds...)
	s.mu.Unlock()
	if err != nil {
		s.forget(f)
		return nil, &coldError{err}
	}
	late := time.NewTimer(startLimit)
	defer late.Stop()
	select {
	case <-f.started:
	case <-ctx.Done():
		s.abandon(f)
		return nil, fmt.Errorf("not started: %w", context.Cause(ctx))
	case <-late.C:
		s.abandon(f)
		s.cmd.Process.Kill() // it hangs
		return nil, &coldError{fmt.Errorf("it did not start the run within %s", startLimit)}
	}
	if f.problem != nil {
		s.forget(f)
		return nil, &coldError{f.problem}
	}
	return f, nil
}

// abandon ends a run that nobody waits for any more, whenever it starts.
func (s *server) abandon(f *fork) {
	go func() {
		<-f.started
		if f.problem == nil {
			_ = unix.Kill(-f.pid, unix.SIGKILL) // it has done nothing yet
			<-f.exited
			_, _ = f.Reap()
			return
		}
		s.forget(f)
	}()
}

func (s *server) forget(f *fork) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.runs, f.id)
}

// say sends one line, with descriptors. Its callers hold mu.
func (s *server) say(op string, id int, fds ...int) error {
	line := fmt.Appendf(nil, `{"op":%q,"id":%d}`+"\n", op, id)
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	n, _, err := s.conn.WriteMsgUnix(line, rights, nil)
	if err == nil && n < len(line) {
		_, err = s.conn.Write(line[n:])
	}
	return err
}

// idle tells whether nothing runs; it is the number of runs so far and age.
func (s *server) state() (running, total int, age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.runs), s.last, time.Since(s.begun)
}

// end makes the server end. Its runs end with it.
func (s *server) end() { s.conn.Close() }

// Pid implements process.Process.
func (f *fork) Pid() int { return f.pid }

// Await implements process.Process.
func (f *fork) Await() { <-f.exited }

// Reap implements process.Process.
func (f *fork) Reap() (int, error) {
	s := f.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.lost {
		return 0, &lostError{s.interpreter}
	}
	if s.runs != nil {
		delete(s.runs, f.id)
		_ = s.say("reap", f.id) // a server that is gone has left nothing to reap
	}
	return f.code, nil
}

var _ process.Process = (*fork)(nil)

// tail keeps the last words of a server.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 2 << 10

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailSize; extra > 0 {
		t.text = t.text[extra:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if text := strings.TrimSpace(string(t.text)); text != "" {
		return text
	}
	return "it said nothing"
}
