package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once as it is shipped; jumping is the
// same with a clock that jumps.
var (
	binary  = sync.OnceValues(func() (string, error) { return build() })
	jumping = sync.OnceValues(func() (string, error) { return build("-tags", "jumpingclock") })
)

// built lists the folders of the programs that were built.
var built struct {
	sync.Mutex
	dirs []string
}

func build(flags ...string) (string, error) {
	dir, err := os.MkdirTemp("", "petrel-tests-")
	if err != nil {
		return "", err
	}
	built.Lock()
	built.dirs = append(built.dirs, dir)
	built.Unlock()
	path := filepath.Join(dir, "petrel")
	cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", path}, flags...), "petrel/bot")...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range built.dirs {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// petrel is an installation of the real program in a folder of its own. It can
// be started, killed and started again.
type petrel struct {
	t    *testing.T
	bin  string
	dir  string
	addr string // of HTTP

	cmd    *exec.Cmd
	exited chan struct{}
	log    *lockedBuffer
	begun  int // where the log of the present process begins
}

// install prepares a folder with a configuration; extra is added to it.
func install(t *testing.T, extra string) *petrel {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &petrel{t: t, bin: bin, dir: t.TempDir(), addr: freeAddr(t), log: &lockedBuffer{}}
	config := fmt.Sprintf("http:\n  listen: %s\nlog:\n  level: debug\n%s", p.addr, extra)
	if err := os.WriteFile(filepath.Join(p.dir, "petrel.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the program's log:\n%s", tail(p.log.String(), 60))
		}
	})
	return p
}

// start runs the server and waits until it is ready.
func (p *petrel) start() {
	p.t.Helper()
	p.spawn()
	p.awaitReady()
}

// spawn runs the server without waiting.
func (p *petrel) spawn() {
	p.t.Helper()
	p.cmd = exec.Command(p.bin, "serve")
	p.begun = len(p.log.String())
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	exited := make(chan struct{})
	p.exited = exited
	cmd := p.cmd
	go func() {
		defer close(exited)
		cmd.Wait()
	}()
}

// awaitUp waits until the process says that it is ready; for those without HTTP.
func (p *petrel) awaitUp() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := retry(ctx, func() error {
		if !strings.Contains(p.log.String()[p.begun:], "petrel is ready") {
			return errors.New("the process does not get ready")
		}
		return nil
	}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *petrel) awaitReady() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := retry(ctx, func() error {
		select {
		case <-p.exited:
			p.t.Fatalf("the program ended at once:\n%s", tail(p.log.String(), 30))
		default:
		}
		resp, err := http.Get("http://" + p.addr + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("not ready: %s", resp.Status)
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// kill ends the program as a crash would.
func (p *petrel) kill() {
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.exited
	p.cmd = nil
}

// stop ends the program as an operator would, and returns how long that took
// and its exit code.
func (p *petrel) stop() (time.Duration, int) {
	p.t.Helper()
	begun := time.Now()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		p.t.Fatal("the program did not stop")
	}
	code := p.cmd.ProcessState.ExitCode()
	p.cmd = nil
	return time.Since(begun), code
}

// run runs a command of the program in the folder and returns what it printed
// and its exit code.
func (p *petrel) run(stdin string, args ...string) (string, int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.bin, args...)
	cmd.Dir, cmd.Stdin = p.dir, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("petrel %s: %v", strings.Join(args, " "), err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// file returns the path of a file in the installation's folder.
func (p *petrel) file(elem ...string) string {
	return filepath.Join(append([]string{p.dir}, elem...)...)
}

// write makes a file in the installation's folder.
func (p *petrel) write(body string, elem ...string) {
	p.t.Helper()
	path := p.file(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o640); err != nil {
		p.t.Fatal(err)
	}
}

// read returns a file of the installation's folder.
func (p *petrel) read(elem ...string) string {
	p.t.Helper()
	body, err := os.ReadFile(p.file(elem...))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(body)
}

// retry calls f until it succeeds or ctx ends.
func retry(ctx context.Context, f func() error) error {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// lockedBuffer collects the log of one process after the other.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// readIfThere returns a file of the installation's folder, "" when there is none.
func (p *petrel) readIfThere(elem ...string) string {
	body, err := os.ReadFile(p.file(elem...))
	if err != nil {
		return ""
	}
	return string(body)
}
