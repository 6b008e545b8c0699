//go:build unix

// Package redistest runs real Redis servers for tests, on loopback ports of
// their own, and breaks them: stop, kill, pause, restart, and a proxy that cuts,
// delays or holds the connections to them. It ends only what it has started.
package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Server is a redis-server with a data folder, which it keeps when restarted.
type Server struct {
	Port int

	t      testing.TB
	binary string
	args   []string
	dir    string
	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
}

// Binary returns the path of redis-server; a test that cannot have it is skipped.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no redis-server on this machine (apt-get install redis-server): the Redis backend is not tested")
	}
	return path
}

// Start runs a server with an append-only file, synced each second, and further
// arguments (--name value). It is stopped at the end of the test.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, []string{"--appendonly", "yes", "--appendfsync", "everysec"}, args)
}

func start(t testing.TB, base, args []string) *Server {
	t.Helper()
	s := &Server{t: t, binary: Binary(t), Port: sparePort(t), dir: t.TempDir()}
	s.args = append(append([]string{
		"--bind", "127.0.0.1", "--port", fmt.Sprint(s.Port), "--dir", s.dir, "--save", "", "--daemonize", "no",
		"--logfile", filepath.Join(s.dir, "log"), "--repl-diskless-sync-delay", "0",
	}, base...), args...)
	t.Cleanup(s.Kill) // first: also when it does not come up
	s.Restart()
	return s
}

// sparePort asks the kernel for a port that is free now.
func sparePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Address is host:port.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }

// URL is the server's, with a prefix for all keys.
func (s *Server) URL(prefix string) string {
	return fmt.Sprintf("redis://%s/0?prefix=%s", s.Address(), prefix)
}

// Restart starts the server, on the same port and data, and waits until it
// answers. It must not be running.
func (s *Server) Restart() {
	s.t.Helper()
	cmd := exec.Command(s.binary, s.args...)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // however it ended
		close(exited)
	}()
	s.mu.Lock()
	s.cmd, s.exited = cmd, exited
	s.mu.Unlock()
	for start := time.Now(); ; {
		if reply, err := s.Do("PING"); err == nil && strings.HasPrefix(reply, "+PONG") {
			return
		}
		select {
		case <-exited:
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.t.Fatalf("redis-server has ended: %s", log)
		case <-time.After(5 * time.Millisecond):
		}
		if time.Since(start) > 20*time.Second {
			s.t.Fatal("redis-server does not answer")
		}
	}
}

// Do sends one command, its words separated by spaces, on a connection of its
// own and returns the first line of the reply.
func (s *Server) Do(command string) (string, error) {
	reply, err := s.Ask(command)
	line, _, _ := strings.Cut(reply, "\r\n")
	return line, err
}

// Ask is Do with the whole reply, as it comes over the wire.
func (s *Server) Ask(command string) (string, error) {
	c, err := net.DialTimeout("tcp", s.Address(), time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
		return "", err
	}
	return readReply(bufio.NewReader(c))
}

// readReply reads one reply of the Redis protocol, with all that is nested in it.
func readReply(r *bufio.Reader) (string, error) {
	text, err := r.ReadString('\n')
	if err != nil || text[0] != '$' && text[0] != '*' {
		return text, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(text[1:]))
	if err != nil || n < 0 {
		return text, err
	}
	if text[0] == '$' {
		body := make([]byte, n+2)
		_, err := io.ReadFull(r, body)
		return text + string(body), err
	}
	for range n {
		part, err := readReply(r)
		if err != nil {
			return text, err
		}
		text += part
	}
	return text, nil
}

// Must is Do for a command that has to succeed.
func (s *Server) Must(command string) string {
	s.t.Helper()
	reply, err := s.Do(command)
	if err != nil || strings.HasPrefix(reply, "-") {
		s.t.Fatalf("%s: %s %v", command, reply, err)
	}
	return reply
}

func (s *Server) signal(sig syscall.Signal) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil { // it was never started
		exited := make(chan struct{})
		close(exited)
		return exited
	}
	select {
	case <-s.exited:
	default:
		_ = s.cmd.Process.Signal(sig)
	}
	return s.exited
}

// Stop ends the server in an orderly way.
func (s *Server) Stop() { <-s.signal(syscall.SIGTERM) }

// Kill ends it with kill -9.
func (s *Server) Kill() { <-s.signal(syscall.SIGKILL) }

// Pause stops it without ending it; connections stay open and nothing answers.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends a Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

// StartSentinel runs a Sentinel that watches the server under a master name and
// lets a replica take over soon after it is gone.
func StartSentinel(t testing.TB, master *Server, name string, downAfter time.Duration) *Server {
	t.Helper()
	s := &Server{t: t, binary: Binary(t), Port: sparePort(t), dir: t.TempDir()}
	config := filepath.Join(s.dir, "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nlogfile %s\nsentinel monitor %s 127.0.0.1 %d 1\n"+
		"sentinel down-after-milliseconds %s %d\nsentinel failover-timeout %s 10000\n",
		s.Port, s.dir, filepath.Join(s.dir, "log"), name, master.Port, name, downAfter.Milliseconds(), name)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{config, "--sentinel"}
	t.Cleanup(s.Kill) // first: also when it does not come up
	s.Restart()
	return s
}
