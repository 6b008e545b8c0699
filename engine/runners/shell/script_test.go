//go:build unix

package shell

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"petrel/engine"
	"petrel/engine/runners"
)

// scriptJob is a job for a script of a new pack.
func scriptJob(t *testing.T, rec *recorder, text string, mode os.FileMode, params ...any) runners.Job {
	t.Helper()
	j := job(rec, params...)
	j.Action.Dir = t.TempDir()
	j.Action.EntryPoint = "go.sh"
	if err := os.MkdirAll(filepath.Join(j.Action.Dir, "actions"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(j.Action.Dir, "actions/go.sh"), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return j
}

func TestScripts(t *testing.T) {
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		args       []string
		status     engine.Status
		stdout     any
		says       string
	}{
		{"executable", "#!/bin/sh\necho \"$1|$2|$#\"\n", 0o755, []string{"--c=C d", ""}, engine.Succeeded, "--c=C d||2", ""},
		{"made executable", "#!/bin/sh\necho \"$0\" | grep -c go.sh\n", 0o644, nil, engine.Succeeded, 1.0, ""},
		{"quotes stay", "#!/bin/bash\nprintf '%s\\n' \"$@\"\n", 0o755, []string{`a'b"c`, "$HOME", "`id`", "*", "x\ny"}, engine.Succeeded, "a'b\"c\n$HOME\n`id`\n*\nx\ny", ""},
		{"no first line", "a=(1 2)\necho ${a[1]} $1\n", 0o755, []string{"x"}, engine.Succeeded, "2 x", ""},
		{"empty", "", 0o644, nil, engine.Succeeded, "", ""},
		{"argument of the interpreter", "#!/bin/sh -e\nfalse\necho no\n", 0o755, nil, engine.Failed, "", ""},
		{"missing interpreter", "#!/no/such/thing -x\n", 0o755, nil, engine.Failed, nil, `asks for "/no/such/thing"`},
		{"windows", "#!/bin/sh\r\necho hi\r\n", 0o755, nil, engine.Failed, nil, "CR LF"},
		{"exit code", "#!/bin/sh\nexit 7\n", 0o755, nil, engine.Failed, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			j := scriptJob(t, newRecorder(), c.text, c.mode)
			j.ScriptArgs = c.args
			out, err := NewScript(Options{}).Run(t.Context(), j)
			status, s := finish(t, out, err)
			if status != c.status || s.Stdout != c.stdout || !strings.Contains(s.Error, c.says) {
				t.Errorf("%s %s", status, out.Result)
			}
		})
	}
}

func TestInterpretWithoutTheExecutableBit(t *testing.T) {
	// As on a file system mounted noexec: root too may not execute there. /proc is one.
	const file = "/proc/version"
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc, where nothing is executable")
	}
	if err := exec.Command(file).Run(); err == nil {
		t.Fatal("it can be executed")
	}
	got, err := interpret(file, "/bin/sh")
	if err != nil || !slices.Equal(got, []string{"/bin/sh", file}) {
		t.Errorf("%v %v", got, err)
	}
}

func TestScriptEntryPoint(t *testing.T) {
	for entry, says := range map[string]string{"": "no entry_point", "../x.sh": "outside", "gone.sh": "there is no file"} {
		j := scriptJob(t, newRecorder(), "true", 0o755)
		j.Action.EntryPoint = entry
		out, err := NewScript(Options{}).Run(t.Context(), j)
		if status, s := finish(t, out, err); status != engine.Failed || !strings.Contains(s.Error, says) {
			t.Errorf("%q: %s %s", entry, status, out.Result)
		}
	}
}

func TestScriptOfAnotherRevision(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	j := scriptJob(t, newRecorder(), "#!/bin/sh\necho old\n", 0o755, "content_version", "v1")
	script := filepath.Join(j.Action.Dir, "actions/go.sh")
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "."}, {"commit", "-q", "-m", "one"}, {"tag", "v1"},
	} {
		cmd := exec.Command("git", append([]string{"-C", j.Action.Dir, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho new\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	run := func(want string, left int) {
		t.Helper()
		out, err := NewScript(Options{}).Run(t.Context(), j)
		if _, s := finish(t, out, err); s.Stdout != want {
			t.Errorf("%s", out.Result)
		}
		if trees, _ := filepath.Glob(tmp + "/st2-git-worktree-*"); len(trees) != left {
			t.Errorf("left: %v, want %d", trees, left)
		}
	}
	run("old", 0)
	j.Runner.SetString("debug", true)
	run("old", 1)
	j.Runner.SetString("content_version", nil)
	run("new", 1)
}

// fakeSudo puts a sudo first on the path that notes how it was called and what
// it was told, and then obeys.
func fakeSudo(t *testing.T, password string) (noted string) {
	t.Helper()
	dir := t.TempDir()
	text := `#!/bin/bash
printf '%s\n' "$*" >> ` + dir + `/noted
while [ "$1" != -- ]; do
  if [ "$1" = -S ]; then
    printf '[sudo] password for stanley: ' >&2
    read word
    [ "$word" = "` + password + `" ] || { echo 'sudo: 1 incorrect password attempt' >&2; exit 1; }
  fi
  shift
done
shift
exec "$@"
`
	if err := os.WriteFile(dir+"/sudo", []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return dir + "/noted"
}

func TestSudo(t *testing.T) {
	noted := fakeSudo(t, "s3cret pass")
	for _, c := range []struct {
		name   string
		params []any
		status engine.Status
		code   int
		stdout any
		says   string
		called string
	}{
		{"without password", []any{"cmd", "echo hi; read x; echo $?", "sudo", true}, engine.Succeeded, 0, "hi\n1", "",
			"-E -- bash -c echo hi; read x; echo $?"},
		{"with password", []any{"cmd", "echo $PPID >/dev/null; echo hi", "sudo", true, "sudo_password", "s3cret pass"}, engine.Succeeded, 0, "hi", "",
			"-S -E -- bash -c echo $PPID >/dev/null; echo hi"},
		{"wrong password", []any{"cmd", "echo hi", "sudo", true, "sudo_password", "guess"}, engine.Failed, -1, "", "(stanley)",
			"-S -E -- bash -c echo hi"},
		{"password but no sudo", []any{"cmd", "echo hi", "sudo_password", "guess"}, engine.Succeeded, 0, "hi", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			os.Remove(noted)
			out, err := NewCommand(Options{}).Run(t.Context(), job(newRecorder(), c.params...))
			status, s := finish(t, out, err)
			if status != c.status || s.ReturnCode != c.code || s.Stdout != c.stdout || !strings.Contains(s.Error, c.says) {
				t.Errorf("%s %s", status, out.Result)
			}
			if strings.Contains(string(out.Result), "s3cret") || strings.Contains(string(out.Result), "guess") {
				t.Errorf("the result has the password: %s", out.Result)
			}
			called, _ := os.ReadFile(noted)
			if got := strings.TrimSpace(string(called)); got != c.called {
				t.Errorf("sudo was called with %q, want %q", got, c.called)
			}
		})
	}
	t.Run("script", func(t *testing.T) {
		j := scriptJob(t, newRecorder(), "#!/bin/sh\necho \"$1\"\n", 0o644, "sudo", true)
		j.ScriptArgs = []string{"it's $HOME"}
		out, err := NewScript(Options{}).Run(t.Context(), j)
		if status, s := finish(t, out, err); status != engine.Succeeded || s.Stdout != "it's $HOME" {
			t.Errorf("%s %s", status, out.Result)
		}
	})
}

func TestNoSudo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	out, err := NewCommand(Options{}).Run(t.Context(), job(newRecorder(), "cmd", "true", "sudo", true))
	if status, s := finish(t, out, err); status != engine.Failed || !strings.Contains(s.Error, "no sudo") {
		t.Errorf("%s %s", status, out.Result)
	}
}

func TestSpecs(t *testing.T) {
	common := []string{"cwd", "env", "kwarg_op", "sudo", "sudo_password", "timeout"}
	for _, c := range []struct {
		runner runners.Runner
		name   string
		more   []string
	}{
		{NewCommand(Options{}), "local-shell-cmd", []string{"cmd"}},
		{NewScript(Options{}), "local-shell-script", []string{"content_version", "debug"}},
	} {
		spec := c.runner.Spec()
		var params map[string]struct {
			Type    string
			Default any
			Secret  bool
		}
		if err := json.Unmarshal(spec.Parameters, &params); err != nil {
			t.Fatal(err)
		}
		want := slices.Sorted(slices.Values(append(c.more, common...)))
		if got := slices.Sorted(maps.Keys(params)); spec.Name != c.name || !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", spec.Name, got, want)
		}
		if p := params["timeout"]; p.Type != "integer" || p.Default != 60.0 {
			t.Errorf("timeout: %+v", p)
		}
		if p := params["sudo_password"]; !p.Secret || p.Type != "string" {
			t.Errorf("sudo_password: %+v", p)
		}
		if p := params["kwarg_op"]; p.Default != "--" {
			t.Errorf("kwarg_op: %+v", p)
		}
	}
}
