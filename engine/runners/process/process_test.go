//go:build unix

package process

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// writerFunc is an io.Writer.
type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func TestStdin(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)
	for _, c := range []struct {
		name, script string
		stdin        []byte
		want         []byte
		code         int
	}{
		{"all of it", "cat", big, big, 0},
		{"none", "cat", nil, nil, 0},
		{"not read", "exit 3", big, nil, 3},
		{"closed", "exec <&-; echo on", big, []byte("on\n"), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			exit, err := Run(t.Context(), Command{Args: []string{"/bin/sh", "-c", c.script}, Stdin: c.stdin, Stdout: &out})
			if err != nil || exit != (Exit{Code: c.code}) || !bytes.Equal(out.Bytes(), c.want) {
				t.Errorf("%+v %v, %d bytes", exit, err, out.Len())
			}
		})
	}
}

// A program gets its result channel and further files behind its streams.
func TestFurtherFiles(t *testing.T) {
	mine, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	var out, result bytes.Buffer
	exit, err := Run(t.Context(), Command{
		Args:   []string{"/bin/sh", "-c", "echo printed; echo result >&3; echo further >&4"},
		Stdout: &out, Result: &result, Files: []*os.File{theirs},
	})
	if err != nil || exit != (Exit{}) || out.String() != "printed\n" || result.String() != "result\n" {
		t.Errorf("%+v %v, printed %q, result %q", exit, err, &out, &result)
	}
	if further, err := io.ReadAll(mine); err != nil || string(further) != "further\n" {
		t.Errorf("%q %v", further, err)
	}
}

func TestStartErrors(t *testing.T) {
	for _, c := range []Command{
		{Args: []string{"/no/such/program"}},
		{Args: []string{"/bin/sh", "-c", "true"}, Dir: "/no/such/folder"},
		{Args: []string{"/bin/sh", "-c", "true"}, Env: []string{"A=\x00"}},
	} {
		before := openFiles(t)
		if _, err := Run(t.Context(), c); err == nil {
			t.Errorf("%v started", c.Args)
		}
		if after := openFiles(t); after > before {
			t.Errorf("%v: %d files were open, now %d", c.Args, before, after)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("no more")
	cancel(why)
	if _, err := Run(ctx, Command{Args: []string{"/bin/true"}}); !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
}

func TestNothingIsLeftOpen(t *testing.T) {
	run := func() {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := Run(ctx, Command{
			Args: []string{"/bin/sh", "-c", "echo up; sleep 300"}, Stdin: []byte("x"),
			Stdout: writerFunc(func([]byte) { cancel() }),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Run(t.Context(), Command{Args: []string{"/bin/sh", "-c", "true"}, Stdin: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	run()
	before := openFiles(t)
	for range 20 {
		run()
	}
	if after := openFiles(t); after > before+2 {
		t.Errorf("%d files were open, now %d", before, after)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	dir := "/dev/fd"
	if _, err := os.Stat("/proc/self/fd"); err == nil {
		dir = "/proc/self/fd"
	}
	files, err := filepath.Glob(dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func TestElevatedSignal(t *testing.T) {
	noted := filepath.Join(t.TempDir(), "noted")
	r := &run{Command: Command{Elevate: []string{"/bin/sh", "-c", `{ cat; echo "$@"; } > ` + noted, "sh"}, ElevateInput: []byte("word\n")}}
	r.elevated(syscall.SIGTERM, []string{"-12", "34"})
	text, err := os.ReadFile(noted)
	if err != nil || string(text) != "word\nkill -15 -- -12 34\n" {
		t.Errorf("%q %v", text, err)
	}
}

func TestOutputWithoutANewlineArrivesAtOnce(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got strings.Builder
	exit, err := Run(ctx, Command{
		Args:   []string{"/bin/sh", "-c", "printf prompt; sleep 300"},
		Stdout: writerFunc(func(p []byte) { got.Write(p); cancel() }),
	})
	if err != nil || !exit.Stopped || got.String() != "prompt" || !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("%+v %v %q %v", exit, err, got.String(), ctx.Err())
	}
}
