//go:build unix

package shell

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"petrel/engine"
	"petrel/engine/runners"
	"petrel/engine/runners/posix"
)

// family is a command with descendants of every kind that resists its end. It
// says "ready" when all of them run.
const family = `
bash -c 'trap "" TERM; echo stubborn $$; while :; do sleep 0.1; done' &
bash -c 'bash -c "trap \"\" TERM HUP INT; echo grandchild \$\$; while :; do sleep 0.1; done" & wait' &
setsid bash -c 'trap "" TERM HUP; echo session $$; while :; do sleep 0.1; done' &
(setsid setsid bash -c 'echo daemon $$; exec sleep 300 </dev/null >/dev/null 2>&1' &)
(setsid env -i PATH="$PATH" bash -c 'trap "" TERM; echo nameless $$; while :; do sleep 0.1; done' & wait) &
sleep 300 &
echo sleeper $!
`

var members = []string{"stubborn", "grandchild", "session", "daemon", "nameless", "sleeper"}

func TestStopLeavesNothingBehind(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("needs /proc: without it processes that left the group are not found")
	}
	for _, c := range []struct {
		name, last string
		timeout    float64
		cause      error
		status     engine.Status
		code       int
		says       string
	}{
		{"cancel", "wait", 60, runners.ErrCanceled, engine.Canceled, -15, "canceled"},
		{"shutdown", "wait", 60, runners.ErrShutdown, engine.Abandoned, -15, "stopped"},
		{"timeout", "wait", 2, nil, engine.TimedOut, -9, "within 2 seconds"},
		{"cancel, the shell resists too", `trap "" TERM; while :; do wait; done`, 60, runners.ErrCanceled, engine.Canceled, -9, "canceled"},
		{"timeout after the shell has ended", "exit 0", 2, nil, engine.TimedOut, -9, "within 2 seconds"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder()
			j := job(rec, "cmd", family+c.last, "timeout", c.timeout)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			type ended struct {
				out runners.Outcome
				err error
			}
			done := make(chan ended, 1)
			go func() {
				r := NewCommand(Options{Grace: 300 * time.Millisecond, Drain: time.Minute})
				out, err := r.Run(ctx, j)
				done <- ended{out, err}
			}()
			pids := map[string]int{}
			for _, m := range members {
				rec.await(t, runners.Stdout, m+" ")
			}
			for line := range strings.Lines(rec.get(runners.Stdout)) {
				if name, n, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
					pid, err := strconv.Atoi(n)
					if err != nil {
						t.Fatalf("line %q", line)
					}
					pids[name] = pid
				}
			}
			if c.cause != nil {
				cancel(c.cause)
			}
			end := <-done
			status, s := finish(t, end.out, end.err)
			if status != c.status || s.ReturnCode != c.code || !strings.Contains(s.Error, c.says) {
				t.Errorf("got %s, code %d, error %q", status, s.ReturnCode, s.Error)
			}
			if out, _ := s.Stdout.(string); !strings.Contains(out, "stubborn") {
				t.Errorf("what was printed before is lost: %v", s.Stdout)
			}
			for name, pid := range pids {
				if alive(pid) {
					t.Errorf("process %d (%s) lives", pid, name)
				}
			}
			noneLeft(t, j)
		})
	}
}

func TestTermLetsTheActionCleanUp(t *testing.T) {
	rec := newRecorder()
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		rec.await(t, runners.Stdout, "ready")
		cancel(runners.ErrCanceled)
	}()
	file := filepath.Join(t.TempDir(), "cleaned")
	out, err := NewCommand(Options{Grace: time.Minute}).Run(ctx, job(rec,
		"cmd", `trap 'touch `+file+`; echo cleaned; exit 0' TERM; echo ready; sleep 300 & wait`))
	status, s := finish(t, out, err)
	if status != engine.Canceled || s.ReturnCode != 0 || s.Stdout != "ready\ncleaned" {
		t.Errorf("%s %s", status, out.Result)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestRootsProcessesAreEndedToo(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("needs a user other than root: root may signal everybody")
	}
	if err := exec.Command("sudo", "-n", "true").Run(); err != nil {
		t.Skip("needs a sudo that asks for no password")
	}
	const script = `setsid sleep 301 & trap "" TERM; id -u; sleep 302 & echo left; while :; do sleep 0.1; done`
	for name, params := range map[string][]any{
		"parameter sudo":      {"cmd", script, "sudo", true},
		"sudo in the command": {"cmd", "sudo -n -E bash -c " + posix.Quote(script) + "; true"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder()
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				rec.await(t, runners.Stdout, "left")
				cancel(runners.ErrCanceled)
			}()
			out, err := NewCommand(Options{Grace: 200 * time.Millisecond}).Run(ctx, job(rec, params...))
			if status, s := finish(t, out, err); status != engine.Canceled || s.Stdout != "0\nleft" {
				t.Errorf("%s %s", status, out.Result)
			}
			if found, err := exec.Command("pgrep", "-f", "sleep 30[12]").Output(); err == nil {
				t.Errorf("left: %s", found)
			}
		})
	}
}

func TestCanceledBeforeItStarted(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(runners.ErrCanceled)
	file := filepath.Join(t.TempDir(), "file")
	out, err := NewCommand(Options{}).Run(ctx, job(newRecorder(), "cmd", "touch "+file))
	status, _ := finish(t, out, err)
	if _, err := os.Stat(file); status != engine.Canceled || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s, file: %v", status, err)
	}
}

func TestNeighboursLive(t *testing.T) {
	// Another execution runs while one is ended.
	rec := newRecorder()
	other := make(chan runners.Outcome, 1)
	fifo := filepath.Join(t.TempDir(), "go")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		out, _ := NewCommand(Options{}).Run(t.Context(), job(rec, "cmd", "echo up; read x < "+fifo+"; echo $x"))
		other <- out
	}()
	rec.await(t, runners.Stdout, "up")
	j := job(newRecorder(), "cmd", "setsid sleep 300 & sleep 300", "timeout", 0.2)
	out, err := NewCommand(Options{Grace: 100 * time.Millisecond}).Run(t.Context(), j)
	if status, _ := finish(t, out, err); status != engine.TimedOut {
		t.Errorf("status %s", status)
	}
	if err := os.WriteFile(fifo, []byte("still here\n"), 0); err != nil {
		t.Fatal(err)
	}
	if status, s := finish(t, <-other, nil); status != engine.Succeeded || s.Stdout != "up\nstill here" {
		t.Errorf("%s %v", status, s.Stdout)
	}
}

// alive reports whether a process exists and is more than a zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	rest := stat[bytes.LastIndexByte(stat, ')')+1:]
	return len(rest) > 1 && rest[1] != 'Z'
}

// noneLeft checks that no process of the machine carries the execution's ID.
func noneLeft(t *testing.T, j runners.Job) {
	t.Helper()
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		env, err := os.ReadFile(path)
		if err == nil && bytes.Contains(env, []byte(j.Execution.ID)) {
			t.Errorf("%s is left", path)
		}
	}
}

func reportMedian(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}
