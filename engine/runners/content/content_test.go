package content

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"petrel/engine"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEntryPoint(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "foo")
	for _, f := range []string{"foo/actions/a.sh", "foo/actions/sub/b.sh", "foo/other.sh", "foo2/actions/c.sh", "foo/actions/..odd"} {
		write(t, filepath.Join(base, f), "true")
	}
	for _, c := range []struct{ entry, want, says string }{
		{"a.sh", "foo/actions/a.sh", ""},
		{"sub/b.sh", "foo/actions/sub/b.sh", ""},
		{"..odd", "foo/actions/..odd", ""},
		{dir + "/other.sh", "foo/other.sh", ""},
		{"", "", "no entry_point"},
		{"../other.sh", "", "outside"},
		{"../../foo2/actions/c.sh", "", "outside"},
		{"sub/../a.sh", "", "plain path"},
		{"./a.sh", "", "plain path"},
		{"sub//b.sh", "", "plain path"},
		{"sub/b.sh/", "", "plain path"},
		{base + "/foo2/actions/c.sh", "", "outside"},
		{dir + "/../foo2/actions/c.sh", "", "plain path"},
		{"/etc/passwd", "", "outside"},
		{dir, "", "outside"},
		{"gone.sh", "", "there is no file"},
		{"a.sh\x00", "", "plain path"},
		{"sub", "", "is not a file"},
	} {
		got, err := EntryPoint(&engine.Action{Ref: "foo.x", Pack: "foo", Dir: dir, EntryPoint: c.entry})
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%q: error %v, want one with %q", c.entry, err, c.says)
			}
			continue
		}
		if want := filepath.Join(base, c.want); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", c.entry, got, err, want)
		}
	}
	if _, err := EntryPoint(&engine.Action{Ref: "foo.x", EntryPoint: "a.sh"}); err == nil {
		t.Error("an action without a folder has an entry point")
	}
}

// repository makes a pack with two commits; a.sh prints 1 in the tag v1, then 2.
func repository(t *testing.T) (repo string) {
	t.Helper()
	repo = t.TempDir()
	do := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", repo, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	do("init", "-q")
	for i, tag := range []string{"v1", "v2"} {
		write(t, repo+"/actions/a.sh", "echo "+string(rune('1'+i)))
		write(t, repo+"/packs/in/actions/a.sh", "echo inner "+string(rune('1'+i)))
		do("add", ".")
		do("commit", "-q", "-m", tag)
		do("tag", tag)
	}
	return repo
}

func TestCheckout(t *testing.T) {
	repo := repository(t)
	for _, c := range []struct{ dir, revision, entry, want string }{
		{"", "v1", "a.sh", "echo 1"},
		{"", "v2", "a.sh", "echo 2"},
		{"", "HEAD~1", "actions/a.sh", "echo 1"},
		{"packs/in", "v1", "a.sh", "echo inner 1"},
	} {
		a := &engine.Action{Ref: "p.a", Dir: filepath.Join(repo, c.dir), EntryPoint: c.entry}
		if strings.Contains(c.entry, "/") {
			a.EntryPoint = filepath.Join(a.Dir, c.entry)
		}
		w, err := Checkout(t.Context(), a.Dir, c.revision)
		if err != nil {
			t.Fatal(err)
		}
		path, err := w.EntryPoint(a)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != c.want {
			t.Errorf("%s at %s: %q, %v", c.dir, c.revision, text, err)
		}
		if err := w.Remove(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(w.root); !os.IsNotExist(err) {
			t.Errorf("%s is left", w.root)
		}
	}
	if left, _ := filepath.Glob(repo + "/.git/worktrees/*"); len(left) > 0 {
		t.Errorf("git remembers %v", left)
	}
}

func TestCheckoutRefuses(t *testing.T) {
	repo := repository(t)
	for _, c := range []struct{ dir, revision, says string }{
		{repo, "nope", "is no revision"},
		{repo, "--help", "is not a git revision"},
		{t.TempDir(), "v1", "is none"},
	} {
		if _, err := Checkout(t.Context(), c.dir, c.revision); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one with %q", c.revision, err, c.says)
		}
	}
}
