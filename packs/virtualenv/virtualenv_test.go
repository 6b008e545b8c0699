//go:build unix

package virtualenv

import (
	"archive/zip"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wheel writes a package of one module to dir.
func wheel(t *testing.T, dir, name, version, body string, requires ...string) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	info := name + "-" + version + ".dist-info/"
	for _, f := range []struct{ name, text string }{
		{name + ".py", body},
		{info + "METADATA", "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n" + strings.Join(requires, "")},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "RECORD", name + ".py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n"},
	} {
		w, err := z.Create(f.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, b.String(), dir, name+"-"+version+"-py3-none-any.whl")
}

func write(t *testing.T, body string, elem ...string) {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A virtualenv is made, brought up to date, and kept when its successor fails.
func TestSetup(t *testing.T) {
	wheels, pack, dir := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "virtualenvs")
	wheel(t, wheels, "kitwheel", "1.0", "WORD = 'one'\n")
	wheel(t, wheels, "six", "1.16.0", "")
	// The client wants a version that is not to be had; any will do.
	wheel(t, wheels, "st2client", "3.9.0", "import six\n", "Requires-Dist: six==0.1\n", "Requires-Dist: nothing==1.0; python_version < \"3\"\n")
	write(t, "# what it needs\nkitwheel\n", pack, "requirements.txt")
	write(t, "from st2client.client import Client\n", pack, "actions", "a.py")
	var progress bytes.Buffer
	o := Options{Dir: dir, NoIndex: true, FindLinks: []string{wheels}, Progress: &progress}
	word := func() string {
		t.Helper()
		out, err := exec.Command(filepath.Join(dir, "p", "bin", "python"), "-c", "import kitwheel, st2client; print(kitwheel.WORD)").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	r, err := Setup(t.Context(), o, Pack{"p", pack})
	if err != nil || !r.Needed || r.Path != filepath.Join(dir, "p") || !slices.Equal(r.Implied, []string{"st2client"}) {
		t.Fatalf("%+v %v", r, err)
	}
	if word() != "one" || !strings.Contains(progress.String(), "kitwheel") {
		t.Errorf("word %s, progress %s", word(), &progress)
	}
	wheel(t, wheels, "kitwheel", "2.0", "WORD = 'two'\n")
	o.Update = true
	if _, err := Setup(t.Context(), o, Pack{"p", pack}); err != nil || word() != "two" {
		t.Errorf("update: %v, word %s", err, word())
	}
	o.Update = false
	write(t, "kitwheel\nnosuchthing\n", pack, "requirements.txt")
	if _, err := Setup(t.Context(), o, Pack{"p", pack}); err == nil || !strings.Contains(err.Error(), "nosuchthing") {
		t.Errorf("a missing package: %v", err)
	}
	if word() != "two" {
		t.Error("the virtualenv was not kept")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Setup(ctx, o, Pack{"p", pack}); err == nil || word() != "two" {
		t.Errorf("canceled: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*.before")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestNeeds(t *testing.T) {
	pack := t.TempDir()
	write(t, "Requests>=2 # http\n-e git+https://example.com/x#egg=x\npython_dateutil\n", pack, "requirements.txt")
	write(t, "import os, six.moves as m, requests\nfrom dateutil.tz import tzutc\nimport lib.yaml\n", pack, "actions", "a.py")
	write(t, "def f():\n    from st2client.client import Client\n    import yaml, tabulate\n# import paramiko\n", pack, "actions", "lib", "b.py")
	write(t, "", pack, "actions", "lib", "tabulate.py")
	n, err := needsOf(pack, false)
	if err != nil || n.file == "" || strings.Join(n.implied, " ") != "PyYAML six st2client" {
		t.Errorf("%+v %v", n, err)
	}
	write(t, "import paramiko\n", pack, "tests", "test_a.py")
	if n, err := needsOf(pack, true); err != nil || strings.Join(n.implied, " ") != "PyYAML paramiko six st2client" {
		t.Errorf("with tests: %+v %v", n, err)
	}
	if n, err := needsOf(t.TempDir(), true); err != nil || n.file != "" || len(n.implied) > 0 {
		t.Errorf("nothing: %+v %v", n, err)
	}
	empty := t.TempDir()
	write(t, "# none\n\n", empty, "requirements.txt")
	if r, err := Setup(t.Context(), Options{Dir: t.TempDir()}, Pack{"p", empty}); err != nil || r.Needed {
		t.Errorf("%+v %v", r, err)
	}
}
