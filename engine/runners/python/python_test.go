//go:build unix

package python

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
	library "petrel/packs/python"
)

// unpacked is the Python side, unpacked once.
var unpacked = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "petrel-python-")
	if err != nil {
		return "", err
	}
	return library.Unpack(dir)
})

// interpreter is the real one: python3 on the path may be a slow script that
// chooses among many.
var interpreter = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	return strings.TrimSpace(string(out)), err
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := unpacked(); err == nil {
		os.RemoveAll(filepath.Dir(dir))
	}
	os.Exit(code)
}

// runner returns the runner in both modes.
func both(t *testing.T, o Options, test func(t *testing.T, s *Script)) {
	for _, warm := range []bool{false, true} {
		name := "plain"
		if warm {
			name = "prewarmed"
		}
		t.Run(name, func(t *testing.T) { test(t, newScript(t, o, warm)) })
	}
}

func newScript(t testing.TB, o Options, warm bool) *Script {
	t.Helper()
	dir, err := unpacked()
	if err != nil {
		t.Fatal(err)
	}
	o.Library, o.Prewarm = dir, warm
	if o.Interpreter == "" {
		if o.Interpreter, err = interpreter(); err != nil {
			t.Fatal(err)
		}
	}
	s := New(o)
	t.Cleanup(s.Close)
	return s
}

// recorder is the Output of a job.
type recorder struct {
	mu   sync.Mutex
	text map[runners.Stream]string
	more chan struct{}
}

func (r *recorder) write(stream runners.Stream, p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text[stream] += string(p)
	close(r.more)
	r.more = make(chan struct{})
}

// await returns what was printed once it holds word.
func (r *recorder) await(t *testing.T, stream runners.Stream, word string) string {
	t.Helper()
	end := time.After(30 * time.Second)
	for {
		r.mu.Lock()
		text, more := r.text[stream], r.more
		r.mu.Unlock()
		if strings.Contains(text, word) {
			return text
		}
		select {
		case <-more:
		case <-end:
			t.Fatalf("%q was not printed: %q", word, text)
		}
	}
}

var executions int

// newJob runs an action of testdata/kit with parameters.
func newJob(t testing.TB, entry string, params ...any) (runners.Job, *recorder) {
	t.Helper()
	dir, err := filepath.Abs("testdata/kit")
	if err != nil {
		t.Fatal(err)
	}
	executions++
	e := &engine.Execution{ID: fmt.Sprintf("test-%d-%d", os.Getpid(), executions)}
	e.Context.User = "ann"
	rec := &recorder{text: map[runners.Stream]string{}, more: make(chan struct{})}
	return runners.Job{
		Execution: e, Action: &engine.Action{Ref: "kit.x", Pack: "kit", Name: "x", EntryPoint: entry, Dir: dir},
		Runner: value.NewDict(0), Params: value.DictOf(params...), Output: rec.write,
		Env: []string{"ST2_ACTION_EXECUTION_ID=" + e.ID, "ST2_ACTION_API_URL=http://127.0.0.1:1/api/v1"},
	}, rec
}

// finish runs a job and reads its result.
func finish(t testing.TB, s *Script, job runners.Job) (engine.Status, shape) {
	t.Helper()
	out, err := s.Run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	var r shape
	if err := json.Unmarshal(out.Result, &r); err != nil {
		t.Fatalf("%v: %s", err, out.Result)
	}
	r.raw = string(out.Result)
	return out.Status, r
}

type shape struct {
	Stdout, Stderr, Error string
	ExitCode              int `json:"exit_code"`
	Result                json.RawMessage
	raw                   string
}

func TestReturns(t *testing.T) {
	both(t, Options{}, func(t *testing.T, s *Script) {
		for _, c := range []struct {
			what   string
			status engine.Status
			code   int
			result string
			stderr string
		}{
			{"number", engine.Succeeded, 0, `5`, ""},
			{"nothing", engine.Succeeded, 0, `null`, ""},
			{"false", engine.Succeeded, 0, `false`, ""},
			{"dict", engine.Succeeded, 0, `{"a": [1, 2.5, null, "\u00e9", "\ud800"], "2": "two"}`, ""},
			{"list of two", engine.Succeeded, 0, `["a", "b"]`, ""},
			{"ok", engine.Succeeded, 0, `{"x": 1}`, ""},
			{"not ok", engine.Failed, 0, `"why"`, ""},
			{"no status", engine.Succeeded, 0, `"x"`, ""},
			{"triple", engine.Succeeded, 0, `[true, 1, 2]`, ""},
			{"odd", engine.Succeeded, 0, `"<Odd>"`, ""},
			{"ok odd", engine.Succeeded, 0, `"{'o': <Odd>}"`, ""},
			{"nan", engine.Succeeded, 0, `[null, null, {"n": null}]`, ""},
			{"time", engine.Succeeded, 0, `["2020-01-02T03:04:05", "00000000-0000-0000-0000-000000000001"]`, ""},
			{"big", engine.Succeeded, 0, `1180591620717411303424`, ""},
			{"raise", engine.Failed, 1, `"None"`, "ZeroDivisionError: division by zero"},
			{"exit 0", engine.Succeeded, 0, `"None"`, ""},
			{"exit 7", engine.Failed, 7, `"None"`, ""},
			{"exit text", engine.Failed, 1, `"None"`, "no luck"},
			{"hard exit", engine.Failed, 3, `"None"`, ""},
			{"kill", engine.Failed, -9, `"None"`, ""},
			{"stdin", engine.Succeeded, 0, `""`, ""},
		} {
			job, _ := newJob(t, "returns.py", "what", c.what)
			status, r := finish(t, s, job)
			if status != c.status || r.ExitCode != c.code || string(r.Result) != c.result || !strings.Contains(r.Stderr, c.stderr) || c.stderr == "" && r.Stderr != "" {
				t.Errorf("%s: %s %s", c.what, status, r.raw)
			}
			if strings.Contains(r.Stderr, "petrel_python") {
				t.Errorf("%s: our own frames are shown: %s", c.what, r.Stderr)
			}
		}
		job, _ := newJob(t, "returns.py", "what", "bad status")
		if status, r := finish(t, s, job); status != engine.Failed || !strings.Contains(r.Error, "neither True nor False: 'a'") || r.Result != nil {
			t.Errorf("bad status: %s %s", status, r.raw)
		}
		job, _ = newJob(t, "returns.py", "what", "long")
		if status, r := finish(t, s, job); status != engine.Succeeded || len(r.Result) != 300002 {
			t.Errorf("long: %s, %d bytes", status, len(r.Result))
		}
		job, _ = newJob(t, "returns.py", "what", "thread")
		if _, r := finish(t, s, job); string(r.Result) != `"before"` || r.Stdout != "thread done\n" {
			t.Errorf("thread: %s", r.raw)
		}
	})
}

// What an action leaves open is written, and what it registered is done.
func TestEndOfARun(t *testing.T) {
	both(t, Options{}, func(t *testing.T, s *Script) {
		job, _ := newJob(t, "returns.py", "what", "leave file")
		path := filepath.Join(t.TempDir(), "kept")
		job.Runner.SetString("env", value.DictOf("MINE", path))
		if status, r := finish(t, s, job); status != engine.Succeeded || r.Stdout != "at exit\n" {
			t.Errorf("%s %s", status, r.raw)
		}
		for suffix, want := range map[string]string{".global": "of the module", ".self": "of the action"} {
			if text, err := os.ReadFile(path + suffix); err != nil || string(text) != want {
				t.Errorf("%s: %q %v", suffix, text, err)
			}
		}
	})
}

func TestPrintedIsNotTheResult(t *testing.T) {
	both(t, Options{}, func(t *testing.T, s *Script) {
		job, rec := newJob(t, "returns.py", "what", "print")
		_, r := finish(t, s, job)
		if r.Stdout != "to stdout\nfrom a command\n" || r.Stderr != "to stderr\n" || string(r.Result) != `{"printed": true}` {
			t.Error(r.raw)
		}
		if rec.text[runners.Stdout] != r.Stdout || rec.text[runners.Stderr] != r.Stderr {
			t.Errorf("streamed: %v", rec.text)
		}
	})
}

func TestContext(t *testing.T) {
	both(t, Options{}, func(t *testing.T, s *Script) {
		for range 2 { // nothing of the first run is there in the second
			job, _ := newJob(t, "context.py", "key", "token", "log", true, "secret", "hush")
			job.Config = value.DictOf("token", "s3cret", "n", int64(1))
			job.Runner = value.DictOf("log_level", "INFO", "env", value.DictOf("MINE", "é", "PythonPath", "/no", "ST2_ACTION_EXECUTION_ID", "forged"))
			status, r := finish(t, s, job)
			var got struct {
				Count       int
				Left, Value string
				Config, Env map[string]any
				SecretShown bool `json:"secret_shown"`
				Path, Argv  []string
				Session     bool
			}
			if err := json.Unmarshal(r.Result, &got); err != nil || status != engine.Succeeded {
				t.Fatalf("%v: %s", err, r.raw)
			}
			if got.Count != 1 || got.Left != "x" {
				t.Errorf("state is shared: %s", r.Result)
			}
			if got.Value != "s3cret" || got.Config["n"] != 1.0 || got.SecretShown || !got.Session || len(got.Argv) != 1 {
				t.Errorf("got %s", r.Result)
			}
			if got.Env["MINE"] != "é" || got.Env["ST2_ACTION_EXECUTION_ID"] != job.Execution.ID || got.Env["ST2_API_URL"] != "http://127.0.0.1:1/api/v1" {
				t.Errorf("environment: %v", got.Env)
			}
			lib := filepath.Join(job.Action.Dir, "actions", "lib")
			if want := lib + ":" + s.options.Library; got.Env["PYTHONPATH"] != want {
				t.Errorf("PYTHONPATH is %v, want %s", got.Env["PYTHONPATH"], want)
			}
			if got.Path[0] != lib || got.Path[1] != s.options.Library || got.Path[len(got.Path)-1] != filepath.Join(job.Action.Dir, "actions") {
				t.Errorf("module path: %q", got.Path)
			}
			if want := "actions.python.Context: INFO     more\nactions.python.Context: ERROR    bad\n"; r.Stderr != want {
				t.Errorf("log: %q", r.Stderr)
			}
		}
		job, _ := newJob(t, "context.py", "key", "absent")
		if status, r := finish(t, s, job); status != engine.Failed || !strings.Contains(r.Stderr, `ValueError: Config for pack "kit" is missing key "absent"`) {
			t.Errorf("missing key: %s %s", status, r.raw)
		}
	})
}

func TestClasses(t *testing.T) {
	both(t, Options{CommonLibs: true}, func(t *testing.T, s *Script) {
		for _, c := range []struct {
			entry  string
			params []any
			want   string // in the result, or the error output
		}{
			{"zlib.py", nil, `["from actions/lib", "from actions/lib", 2363233923]`},
			{"classes.py", []any{"object", "o", "type", int64(1)}, `["Eee", {"object": "o", "type": 1}, {"x": 1}, true]`},
			{"plain.py", nil, `[{"c": 1}, true]`},
			{"common.py", nil, `"common"`},
			{"empty.py", nil, "has no action"},
			{"broken.py", nil, "SyntaxError"},
		} {
			job, _ := newJob(t, c.entry, c.params...)
			job.Config = value.DictOf("c", int64(1))
			if _, r := finish(t, s, job); !strings.Contains(string(r.Result)+r.Stderr, c.want) {
				t.Errorf("%s: %s", c.entry, r.raw)
			}
		}
		job, _ := newJob(t, "missing.py")
		if _, r := finish(t, s, job); !strings.Contains(r.Error, "no_such_module") || !strings.Contains(r.Error, "petrel pack setup kit") {
			t.Errorf("missing module: %s", r.raw)
		}
	})
}

func TestCommonLibsAreOff(t *testing.T) {
	job, _ := newJob(t, "common.py")
	if status, r := finish(t, newScript(t, Options{}, true), job); status != engine.Failed || !strings.Contains(r.Error, "python.common_libs: true") {
		t.Errorf("%s %s", status, r.raw)
	}
}

func TestFailuresBeforeTheStart(t *testing.T) {
	for entry, want := range map[string]string{"": "has no entry_point", "no.py": "there is no file", "../x.py": "outside"} {
		job, _ := newJob(t, entry)
		if status, r := finish(t, newScript(t, Options{}, true), job); status != engine.Failed || !strings.Contains(r.Error, want) {
			t.Errorf("%q: %s %s", entry, status, r.raw)
		}
	}
	job, _ := newJob(t, "returns.py", "what", "number")
	if _, r := finish(t, newScript(t, Options{Interpreter: "/no/python"}, true), job); !strings.Contains(r.Error, "/no/python") {
		t.Error(r.raw)
	}
	venvs := t.TempDir()
	if err := os.MkdirAll(filepath.Join(venvs, "kit"), 0o750); err != nil {
		t.Fatal(err)
	}
	if _, r := finish(t, newScript(t, Options{Virtualenvs: venvs}, true), job); !strings.Contains(r.Error, "petrel pack setup kit") {
		t.Error(r.raw)
	}
}

// memory is a Datastore.
type memory struct {
	mu    sync.Mutex
	items map[string]Item
}

func (m *memory) List(_ context.Context, _ *engine.Execution, prefix string, limit, offset int) (list []Item, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.items)) {
		if strings.HasPrefix(name, prefix) {
			list = append(list, m.items[name])
		}
	}
	list = list[min(offset, len(list)):]
	if limit > 0 {
		list = list[:min(limit, len(list))]
	}
	return list, nil
}

func (m *memory) Get(_ context.Context, _ *engine.Execution, name string, _ bool) (*Item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if name == "forbidden" {
		return nil, fmt.Errorf("%s is not for you", name)
	}
	if i, ok := m.items[name]; ok {
		return &i, nil
	}
	return nil, nil
}

func (m *memory) Set(_ context.Context, asker *engine.Execution, name, text string, ttl time.Duration, encrypt bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ttl != 0 {
		text += " for " + ttl.String() + " by " + asker.Context.User
	}
	m.items[name] = Item{Name: name, Value: text, Secret: encrypt}
	return nil
}

func (m *memory) Delete(_ context.Context, _ *engine.Execution, name string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.items[name]
	delete(m.items, name)
	return ok, nil
}

func (m *memory) User(context.Context, *engine.Execution) (json.RawMessage, error) {
	return json.RawMessage(`{"username":"ann"}`), nil
}

func TestActionService(t *testing.T) {
	both(t, Options{Datastore: &memory{items: map[string]Item{"other": {Name: "other", Value: "o"}}}}, func(t *testing.T, s *Script) {
		steps, err := value.ParseJSON([]byte(`[
			{"call":"set_value","name":"a","value":5},
			{"call":"set_value","name":"b","value":"x","ttl":90,"encrypt":true},
			{"call":"get_value","name":"a"},
			{"call":"get_value","name":"kit.Store:b","local":false},
			{"call":"get_value","name":"none"},
			{"call":"get_value","name":"forbidden","local":false},
			{"call":"list_values"},
			{"call":"list_values","local":false,"limit":1,"offset":2},
			{"call":"delete_value","name":"a"},
			{"call":"delete_value","name":"b"},
			{"call":"delete_value","name":"b"},
			{"call":"get_user_info"}]`))
		if err != nil {
			t.Fatal(err)
		}
		job, _ := newJob(t, "store.py", "steps", steps)
		status, r := finish(t, s, job)
		want := `[true, true, "5", "x for 1m30s by ann", null, null, ` +
			`[["kit.Store:a", "5", false], ["kit.Store:b", "x for 1m30s by ann", true]], [["other", "o", false]], true, true, false, {"username": "ann"}]`
		if status != engine.Succeeded || string(r.Result) != want {
			t.Errorf("%s %s", status, r.raw)
		}
		if !strings.Contains(r.Stderr, "forbidden is not for you") {
			t.Errorf("a refused value is not logged: %q", r.Stderr)
		}
		steps, _ = value.ParseJSON([]byte(`[{"call":"get_value","name":"a","scope":"user"}]`))
		job, _ = newJob(t, "store.py", "steps", steps)
		if _, r := finish(t, s, job); !strings.Contains(r.Stderr, `ValueError: scope "user" is not supported`) {
			t.Error(r.raw)
		}
	})
}

func TestNoDatastore(t *testing.T) {
	both(t, Options{}, func(t *testing.T, s *Script) {
		for _, call := range []string{`{"call":"get_value","name":"a"}`, `{"call":"set_value","name":"a","value":1}`, `{"call":"list_values"}`, `{"call":"delete_value","name":"a"}`} {
			steps, err := value.ParseJSON([]byte("[" + call + "]"))
			if err != nil {
				t.Fatal(err)
			}
			job, _ := newJob(t, "store.py", "steps", steps)
			if status, r := finish(t, s, job); status != engine.Failed || !strings.Contains(r.Stderr, "has no datastore yet") {
				t.Errorf("%s: %s", call, r.raw)
			}
		}
		steps, _ := value.ParseJSON([]byte(`[{"call":"get_user_info"}]`))
		job, _ := newJob(t, "store.py", "steps", steps)
		if _, r := finish(t, s, job); !strings.Contains(string(r.Result), `"username": "ann"`) {
			t.Error(r.raw)
		}
	})
}

func TestEndedWithItsFamily(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("needs /proc: without it processes that left the group are not found")
	}
	both(t, Options{Grace: 300 * time.Millisecond}, func(t *testing.T, s *Script) {
		for _, c := range []struct {
			name    string
			timeout float64
			cause   error
			status  engine.Status
			says    string
		}{
			{"cancel", 60, runners.ErrCanceled, engine.Canceled, "canceled"},
			{"timeout", 3, nil, engine.TimedOut, "within 3 seconds"},
			{"shutdown", 60, runners.ErrShutdown, engine.Abandoned, "stopped"},
		} {
			job, rec := newJob(t, "family.py")
			job.Runner.SetString("timeout", c.timeout)
			ctx, cancel := context.WithCancelCause(t.Context())
			done := make(chan runners.Outcome, 1)
			go func() {
				out, err := s.Run(ctx, job)
				if err != nil {
					t.Error(err)
				}
				done <- out
			}()
			line := rec.await(t, runners.Stdout, "\n")
			if c.cause != nil {
				cancel(c.cause)
			}
			out := <-done
			cancel(nil)
			if out.Status != c.status || !strings.Contains(string(out.Result), c.says) {
				t.Errorf("%s: %s %s", c.name, out.Status, out.Result)
			}
			numbers := strings.Fields(line)[1:]
			if len(numbers) != 4 {
				t.Fatalf("family: %q", line)
			}
			for _, n := range numbers {
				if alive(t, n) {
					t.Errorf("%s: process %s of %q lives", c.name, n, line)
				}
			}
		}
	})
}

func alive(t *testing.T, number string) bool {
	t.Helper()
	if _, err := strconv.Atoi(number); err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/" + number + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestTooMuch(t *testing.T) {
	both(t, Options{OutputLimit: 1000}, func(t *testing.T, s *Script) {
		job, _ := newJob(t, "returns.py", "what", "long")
		if status, r := finish(t, s, job); status != engine.Failed || !strings.Contains(r.Error, "more than 1000 bytes") {
			t.Errorf("%s %s", status, r.raw)
		}
	})
}

// Many runs at once share an interpreter and nothing else.
func TestManyAtOnce(t *testing.T) {
	s := newScript(t, Options{}, true)
	var group sync.WaitGroup
	for i := range 20 {
		job, _ := newJob(t, "returns.py", "what", "sleep", "seconds", 0.2)
		if i%2 == 0 {
			job, _ = newJob(t, "returns.py", "what", "print")
		}
		group.Go(func() {
			out, err := s.Run(t.Context(), job)
			if err != nil || out.Status != engine.Succeeded {
				t.Errorf("%v %s", err, out.Result)
			}
		})
	}
	group.Wait()
	if n := len(serversOf(s)); n != 1 {
		t.Errorf("%d servers", n)
	}
}

// serversOf lists the warm interpreters that live.
func serversOf(s *Script) []*server {
	s.servers.mu.Lock()
	defer s.servers.mu.Unlock()
	return slices.Collect(maps.Keys(s.servers.all))
}

// A run whose interpreter is killed fails with the reason; the next one gets a
// new interpreter.
func TestServerIsKilled(t *testing.T) {
	s := newScript(t, Options{Grace: time.Second}, true)
	job, rec := newJob(t, "returns.py", "what", "sleep", "seconds", int64(300))
	done := make(chan runners.Outcome, 1)
	go func() {
		out, err := s.Run(t.Context(), job)
		if err != nil {
			t.Error(err)
		}
		done <- out
	}()
	rec.await(t, runners.Stdout, "asleep")
	for _, server := range serversOf(s) {
		if err := server.cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
	}
	if out := <-done; out.Status != engine.Failed || !strings.Contains(string(out.Result), "has ended") {
		t.Errorf("%s %s", out.Status, out.Result)
	}
	job, _ = newJob(t, "returns.py", "what", "number")
	if status, r := finish(t, s, job); status != engine.Succeeded {
		t.Error(r.raw)
	}
}

// An interpreter that cannot be kept warm still runs actions.
func TestColdFallback(t *testing.T) {
	dir := t.TempDir()
	python, err := interpreter()
	if err != nil {
		t.Fatal(err)
	}
	wrapper := filepath.Join(dir, "python")
	script := "#!/bin/sh\ncase \"$2\" in *server.py) echo no warm one here >&2; exit 1;; esac\nexec " + python + " \"$@\"\n"
	if err := os.WriteFile(wrapper, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	job, _ := newJob(t, "returns.py", "what", "number")
	if status, r := finish(t, newScript(t, Options{Interpreter: wrapper}, true), job); status != engine.Succeeded || string(r.Result) != "5" {
		t.Error(r.raw)
	}
}

func TestServerLimits(t *testing.T) {
	runs := func(t *testing.T, s *Script, n int) {
		t.Helper()
		for range n {
			job, _ := newJob(t, "returns.py", "what", "number")
			if status, r := finish(t, s, job); status != engine.Succeeded {
				t.Error(r.raw)
			}
		}
	}
	one := func(s *Script) *server {
		s.servers.mu.Lock()
		defer s.servers.mu.Unlock()
		for _, v := range s.servers.servers {
			return v
		}
		return nil
	}
	t.Run("runs", func(t *testing.T) {
		s := newScript(t, Options{Servers: ServerLimits{Runs: 2}}, true)
		runs(t, s, 1)
		first := one(s)
		runs(t, s, 1)
		if one(s) != first {
			t.Error("replaced too early")
		}
		runs(t, s, 1)
		if one(s) == first {
			t.Error("not replaced")
		}
		<-first.gone
	})
	t.Run("idle", func(t *testing.T) {
		s := newScript(t, Options{Servers: ServerLimits{Idle: 50 * time.Millisecond}}, true)
		runs(t, s, 1)
		if first := one(s); first != nil {
			<-first.gone
		}
	})
	t.Run("count", func(t *testing.T) {
		s := newScript(t, Options{Servers: ServerLimits{Count: 1}}, true)
		runs(t, s, 1)
		first := one(s)
		link := filepath.Join(t.TempDir(), "python3")
		if err := os.Symlink(first.interpreter, link); err != nil {
			t.Fatal(err)
		}
		s.options.Interpreter = link
		runs(t, s, 1)
		<-first.gone
		if now := one(s); now == nil || now.interpreter != link {
			t.Errorf("now %v", now)
		}
	})
}

func BenchmarkRun(b *testing.B) {
	for _, warm := range []bool{false, true} {
		b.Run(fmt.Sprintf("prewarm=%t", warm), func(b *testing.B) {
			s := newScript(b, Options{}, warm)
			job, _ := newJob(b, "returns.py", "what", "number")
			if status, r := finish(b, s, job); status != engine.Succeeded {
				b.Fatal(r.raw)
			}
			times := make([]time.Duration, 0, b.N)
			b.ResetTimer()
			for range b.N {
				begun := time.Now()
				if status, r := finish(b, s, job); status != engine.Succeeded {
					b.Fatal(r.raw)
				}
				times = append(times, time.Since(begun))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}
