//go:build unix

package shell

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
)

// recorder is a Job.Output that can be waited for.
type recorder struct {
	mu   sync.Mutex
	text map[runners.Stream]string
	news chan struct{}
}

func newRecorder() *recorder {
	return &recorder{text: map[runners.Stream]string{}, news: make(chan struct{}, 1)}
}

func (r *recorder) output(s runners.Stream, data []byte) {
	r.mu.Lock()
	r.text[s] += string(data)
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
}

func (r *recorder) get(s runners.Stream) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text[s]
}

// await waits until the stream has a line and returns all that arrived.
func (r *recorder) await(t *testing.T, s runners.Stream, want string) string {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		if text := r.get(s); strings.Contains(text, want) {
			return text
		}
		select {
		case <-r.news:
		case <-late:
			t.Fatalf("%s has no %q: %q", s, want, r.get(s))
		}
	}
}

var executions atomic.Int64

func job(rec *recorder, pairs ...any) runners.Job {
	id := fmt.Sprintf("%012x%012x", os.Getpid(), executions.Add(1))
	return runners.Job{
		Execution: &engine.Execution{ID: id},
		Action:    &engine.Action{Ref: "test.it", Pack: "test"},
		Runner:    value.DictOf(pairs...),
		Output:    rec.output,
		Env:       []string{"ST2_ACTION_PACK_NAME=test", "ST2_ACTION_EXECUTION_ID=" + id},
	}
}

type shown struct {
	Succeeded  bool   `json:"succeeded"`
	Failed     bool   `json:"failed"`
	ReturnCode int    `json:"return_code"`
	Stdout     any    `json:"stdout"`
	Stderr     any    `json:"stderr"`
	Error      string `json:"error"`
}

func finish(t *testing.T, out runners.Outcome, err error) (engine.Status, shown) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var s shown
	if err := json.Unmarshal(out.Result, &s); err != nil {
		t.Fatalf("result %s: %v", out.Result, err)
	}
	if s.Succeeded != (out.Status == engine.Succeeded) {
		t.Errorf("status %s with %s", out.Status, out.Result)
	}
	return out.Status, s
}

func TestCommandResults(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name   string
		params []any
		status engine.Status
		result string
	}{
		{"plain", []any{"cmd", "echo hi; echo oh >&2"}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":"hi","stderr":"oh"}`},
		{"json", []any{"cmd", `echo '{"b": 1, "a": [2]}'; echo 5 >&2`}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":{"b":1,"a":[2]},"stderr":5}`},
		{"exit 1", []any{"cmd", "exit 1"}, engine.Failed,
			`{"succeeded":false,"failed":true,"return_code":1,"stdout":"","stderr":""}`},
		{"exit 42", []any{"cmd", "printf 'a\n\n'; exit 42"}, engine.Failed,
			`{"succeeded":false,"failed":true,"return_code":42,"stdout":"a\n","stderr":""}`},
		{"environment", []any{"cmd", `echo "$A|$N|$ST2_ACTION_PACK_NAME|$Z"`, "env", value.DictOf("A", "x y", "N", int64(3), "Z", nil, "ST2_ACTION_PACK_NAME", "mine")}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":"x y|3|test|","stderr":""}`},
		{"cwd", []any{"cmd", "pwd -P", "cwd", dir}, engine.Succeeded,
			fmt.Sprintf(`{"succeeded":true,"failed":false,"return_code":0,"stdout":%q,"stderr":""}`, realpath(t, dir))},
		{"null parameters", []any{"cmd", "echo 1", "cwd", nil, "env", nil, "timeout", nil, "sudo", nil, "sudo_password", nil}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":1,"stderr":""}`},
		{"binary", []any{"cmd", `printf 'a\377\000b\342\202'`}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":"a�\u0000b��","stderr":""}`},
		{"bash", []any{"cmd", `a=(1 2); echo ${a[1]}`}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":2,"stderr":""}`},
		{"nothing on stdin", []any{"cmd", "cat; read x; echo $?"}, engine.Succeeded,
			`{"succeeded":true,"failed":false,"return_code":0,"stdout":1,"stderr":""}`},
		{"closed stdin and stdout", []any{"cmd", "exec <&- >&- 2>&-; exit 3"}, engine.Failed,
			`{"succeeded":false,"failed":true,"return_code":3,"stdout":"","stderr":""}`},
		{"killed by another", []any{"cmd", "kill -KILL $$"}, engine.TimedOut,
			`{"succeeded":false,"failed":true,"return_code":-9,"stdout":"","stderr":"","error":"something else ended the action with signal 9 (killed), before its timeout of 60 seconds"}`},
		{"terminated by another", []any{"cmd", "kill -TERM $$"}, engine.Abandoned,
			`{"succeeded":false,"failed":true,"return_code":-15,"stdout":"","stderr":"","error":"something else ended the action with signal 15 (terminated), before its timeout of 60 seconds"}`},
		{"crashed", []any{"cmd", "kill -SEGV $$"}, engine.Failed,
			`{"succeeded":false,"failed":true,"return_code":-11,"stdout":"","stderr":"","error":"something else ended the action with signal 11 (segmentation fault), before its timeout of 60 seconds"}`},
		{"no such folder", []any{"cmd", "true", "cwd", dir + "/no"}, engine.Failed,
			fmt.Sprintf(`{"error":"parameter cwd: the folder %s/no does not exist"}`, dir)},
		{"no command", []any{"cmd", ""}, engine.Failed, `{"error":"parameter cmd is missing: it is the command line to run"}`},
		{"bad timeout", []any{"cmd", "true", "timeout", int64(0)}, engine.Failed,
			`{"error":"parameter timeout is 0; it must be a number of seconds above 0"}`},
		{"bad env", []any{"cmd", "true", "env", value.DictOf("a=b", "c")}, engine.Failed,
			`{"error":"parameter env: \"a=b\" cannot be the name of a variable"}`},
		{"bad env type", []any{"cmd", "true", "env", "A=b"}, engine.Failed,
			`{"error":"parameter env must be an object, not str"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := NewCommand(Options{}).Run(t.Context(), job(newRecorder(), c.params...))
			if err != nil {
				t.Fatal(err)
			}
			if out.Status != c.status || compact(t, out.Result) != compact(t, []byte(c.result)) {
				t.Errorf("got %s %s\nwant %s %s", out.Status, out.Result, c.status, c.result)
			}
		})
	}
}

// compact makes results comparable; it keeps the order of keys.
func compact(t *testing.T, raw []byte) string {
	t.Helper()
	v, err := value.ParseJSON(raw)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	b, err := value.AppendJSON(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func realpath(t *testing.T, dir string) string {
	t.Helper()
	p, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestCommandRefusesEntryPoint(t *testing.T) {
	j := job(newRecorder(), "cmd", "true")
	j.Action.EntryPoint = "x.sh"
	out, err := NewCommand(Options{}).Run(t.Context(), j)
	if err != nil || out.Status != engine.Failed || !strings.Contains(string(out.Result), "entry_point") {
		t.Errorf("%v %s %s", err, out.Status, out.Result)
	}
}

func TestOutputStreamsWhileRunning(t *testing.T) {
	rec := newRecorder()
	fifo := filepath.Join(t.TempDir(), "go")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan runners.Outcome, 1)
	go func() {
		out, _ := NewCommand(Options{}).Run(t.Context(), job(rec, "cmd", "echo first; read x < "+fifo+"; echo $x"))
		done <- out
	}()
	rec.await(t, runners.Stdout, "first\n")
	select {
	case out := <-done:
		t.Fatalf("ended too early: %s", out.Result)
	default:
	}
	if err := os.WriteFile(fifo, []byte("second\n"), 0); err != nil {
		t.Fatal(err)
	}
	_, s := finish(t, <-done, nil)
	if s.Stdout != "first\nsecond" || rec.get(runners.Stdout) != "first\nsecond\n" {
		t.Errorf("%v, streamed %q", s.Stdout, rec.get(runners.Stdout))
	}
}

func TestBackgroundProcessDoesNotHoldTheResult(t *testing.T) {
	start := time.Now()
	j := job(newRecorder(), "cmd", "sleep 300 & echo $!")
	out, err := NewCommand(Options{Drain: 50 * time.Millisecond}).Run(t.Context(), j)
	status, s := finish(t, out, err)
	pid := int(s.Stdout.(float64))
	defer syscall.Kill(pid, syscall.SIGKILL)
	if status != engine.Succeeded || time.Since(start) > 10*time.Second {
		t.Errorf("%s after %s", status, time.Since(start))
	}
	if !alive(pid) {
		t.Error("a background process of a command that ended by itself was ended")
	}
}

func TestHugeEnvironment(t *testing.T) {
	r := NewCommand(Options{})
	fits := value.NewDict(0)
	for i := range 500 {
		fits.SetString("V"+strconv.Itoa(i), strings.Repeat("x", 1000))
	}
	out, err := r.Run(t.Context(), job(newRecorder(), "cmd", "echo ${#V499}", "env", fits))
	if status, s := finish(t, out, err); status != engine.Succeeded || s.Stdout != 1000.0 {
		t.Errorf("%s %s", status, out.Result)
	}
	out, err = r.Run(t.Context(), job(newRecorder(), "cmd", "true", "env", value.DictOf("V", strings.Repeat("x", 3<<20))))
	if status, s := finish(t, out, err); status != engine.Failed || !strings.Contains(s.Error, "too long") {
		t.Errorf("%s %s", status, out.Result)
	}
}

func TestOutputLimit(t *testing.T) {
	rec := newRecorder()
	j := job(rec, "cmd", "head -c 104857600 /dev/zero | tr '\\0' x")
	out, err := NewCommand(Options{OutputLimit: 1 << 20}).Run(t.Context(), j)
	status, s := finish(t, out, err)
	if status != engine.Failed || !strings.Contains(s.Error, "more than 1 MiB") {
		t.Errorf("%s %s", status, s.Error)
	}
	if n := len(s.Stdout.(string)); n != 1<<20 || len(rec.get(runners.Stdout)) != n {
		t.Errorf("kept %d, streamed %d", n, len(rec.get(runners.Stdout)))
	}
	noneLeft(t, j)
}

func TestHundredMiB(t *testing.T) {
	var streamed atomic.Int64
	j := job(newRecorder(), "cmd", "head -c 104857600 /dev/zero | tr '\\0' x >&2; sleep 300")
	j.Output = func(_ runners.Stream, p []byte) { streamed.Add(int64(len(p))) }
	out, err := NewCommand(Options{Grace: 100 * time.Millisecond, OutputLimit: 16 << 20}).Run(t.Context(), j)
	if err != nil || out.Status != engine.Failed || !strings.HasSuffix(string(out.Result), `"error":"the action printed more than 16 MiB; write large results to a file"}`) {
		t.Errorf("%v %s, %d bytes", err, out.Status, len(out.Result))
	}
	if streamed.Load() != 16<<20 {
		t.Errorf("streamed %d", streamed.Load())
	}
	noneLeft(t, j)
}

func TestSettingsOfPetrelAreNotInherited(t *testing.T) {
	t.Setenv("PETREL_SLACK_TOKEN", "s3cret")
	t.Setenv("PETRELS", "birds")
	out, err := NewCommand(Options{}).Run(t.Context(), job(newRecorder(), "cmd", `echo "$PETREL_SLACK_TOKEN|$PETRELS"`))
	if _, s := finish(t, out, err); s.Stdout != "|birds" {
		t.Errorf("stdout %v", s.Stdout)
	}
}

func BenchmarkTrue(b *testing.B) {
	r, rec := NewCommand(Options{}), newRecorder()
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if out, err := r.Run(b.Context(), job(rec, "cmd", "true")); err != nil || out.Status != engine.Succeeded {
			b.Fatal(err, out)
		}
		took = append(took, time.Since(start))
	}
	reportMedian(b, took)
}
