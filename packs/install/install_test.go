//go:build unix

package install

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"petrel/packs"
	"petrel/packs/virtualenv"
)

// shop is a place with packs, an index of them, and a folder to install into.
type shop struct {
	t   *testing.T
	dir string
	o   Options
	out bytes.Buffer
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, dir: t.TempDir()}
	s.o = Options{Dir: filepath.Join(s.dir, "packs"), Index: []string{filepath.Join(s.dir, "index.json")}, Progress: &s.out}
	return s
}

func (s *shop) write(body string, elem ...string) {
	s.t.Helper()
	path := filepath.Join(append([]string{s.dir}, elem...)...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(body), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// pack writes a pack into a folder.
func (s *shop) pack(folder, version string, more ...string) string {
	s.t.Helper()
	s.write(fmt.Sprintf("name: %s\ndescription: A pack.\nauthor: Petrel\nversion: %s\n%s", folder, version, strings.Join(more, "\n")), folder, "pack.yaml")
	return filepath.Join(s.dir, folder)
}

// repository makes a git repository of a pack, with a tag for each version.
func (s *shop) repository(folder string, versions ...string) string {
	s.t.Helper()
	dir := filepath.Join(s.dir, folder)
	for i, v := range versions {
		s.pack(folder, v)
		if i == 0 {
			s.git(dir, "init", "--quiet", "--initial-branch", "master")
		}
		s.git(dir, "add", ".")
		s.git(dir, "commit", "--quiet", "--message", v)
		s.git(dir, "tag", "v"+v)
	}
	return "file://" + dir
}

func (s *shop) git(dir string, args ...string) {
	s.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// index lists packs and where they are.
func (s *shop) index(entries map[string]Entry) {
	s.t.Helper()
	body, err := json.Marshal(map[string]any{"packs": entries})
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(string(body), "index.json")
}

// installs wants the versions that are installed in the end.
func (s *shop) installs(want string, requests ...string) []Installed {
	s.t.Helper()
	done, err := Install(s.t.Context(), s.o, requests...)
	if err != nil {
		s.t.Fatalf("%v: %v\n%s", requests, err, s.out.String())
	}
	if got := s.installed(); got != want {
		s.t.Errorf("%v: installed %s, want %s", requests, got, want)
	}
	return done
}

// refuses wants an error with some words, and nothing changed.
func (s *shop) refuses(words string, requests ...string) {
	s.t.Helper()
	before := s.installed()
	_, err := Install(s.t.Context(), s.o, requests...)
	if err == nil || !strings.Contains(err.Error(), words) {
		s.t.Errorf("%v: %v, want %q", requests, err, words)
	}
	if got := s.installed(); got != before {
		s.t.Errorf("%v: installed %s, before %s", requests, got, before)
	}
}

// installed lists what is in the folder, as ref-version.
func (s *shop) installed() string {
	s.t.Helper()
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		if e.Name() == ".lock" {
			continue
		}
		p, problem := packs.ReadManifest(filepath.Join(s.o.Dir, e.Name()), e.Name())
		if p == nil {
			s.t.Errorf("%s is left behind: %s", e.Name(), problem)
			continue
		}
		list = append(list, p.Ref+"-"+p.Version)
	}
	return strings.Join(list, " ")
}

func TestParseRequest(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]Request{
		"csv":                           {Name: "csv"},
		"csv=1.2.3":                     {Name: "csv", Version: "1.2.3"},
		"csv==1.2.3":                    {Name: "csv", Version: "1.2.3"},
		"owner/repo":                    {URL: "https://github.com/owner/repo"},
		"owner/repo=master":             {URL: "https://github.com/owner/repo", Version: "master"},
		"https://x.org/a.git?t=a/b":     {URL: "https://x.org/a.git?t=a/b"},
		"https://x.org/a.git=1.0.0":     {URL: "https://x.org/a.git", Version: "1.0.0"},
		"git@github.com:owner/repo":     {URL: "git@github.com:owner/repo"},
		"ssh://git@x.org/a":             {URL: "ssh://git@x.org/a"},
		"file:///srv/pack":              {Folder: "/srv/pack"},
		"file:///srv/pack=v1":           {Folder: "/srv/pack", Version: "v1"},
		"/srv/pack":                     {Folder: "/srv/pack"},
		"./pack":                        {Folder: filepath.Join(here, "pack")},
		".":                             {Folder: here},
		"-x":                            {},
		"":                              {},
		"csv=":                          {},
		"csv=--upload-pack=x":           {},
		"ext::sh -c id":                 {},
		"file://relative":               {},
		"https://x.org/a=--upload-pack": {},
	} {
		got, err := ParseRequest(text)
		want.Text, want.asked = text, want.Version
		if want == (Request{Text: text}) {
			if err == nil {
				t.Errorf("%q is accepted: %+v", text, got)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestInstallFolder(t *testing.T) {
	s := newShop(t)
	dir := s.pack("one", "1.0.0")
	s.write("#!/bin/sh\n", "one", "actions", "x.sh")
	if err := os.Chmod(filepath.Join(dir, "actions", "x.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if done := s.installs("one-1.0.0", dir); done[0].Before != "" || done[0].Path != filepath.Join(s.o.Dir, "one") {
		t.Errorf("%+v", done)
	}
	if info, err := os.Stat(filepath.Join(s.o.Dir, "one", "actions", "x.sh")); err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Errorf("script: %v, %v", info, err)
	}
	s.pack("one", "1.1.0")
	s.write("gone", "one", "new")
	os.Remove(filepath.Join(dir, "actions", "x.sh"))
	if done := s.installs("one-1.1.0", "file://"+dir); done[0].Before != "1.0.0" {
		t.Errorf("%+v", done)
	}
	if exists(filepath.Join(s.o.Dir, "one", "actions", "x.sh")) {
		t.Error("a file of the version before is left")
	}
	s.pack("My Pack", "1.0.0")
	s.refuses("ref is missing", filepath.Join(s.dir, "My Pack"))
	s.refuses("is no folder", "/nowhere")
	s.write("x", "empty", "readme")
	s.refuses("no pack.yaml", filepath.Join(s.dir, "empty"))
	s.pack("evil", "1.0.0", "ref: ../x")
	s.refuses("may hold only", filepath.Join(s.dir, "evil"))
	s.o.Others = map[string]string{"core": "the program"}
	s.pack("core", "1.0.0")
	s.refuses("comes first", filepath.Join(s.dir, "core"))
}

func TestInstallGit(t *testing.T) {
	s := newShop(t)
	url := s.repository("two", "1.0.0", "1.1.0", "2.0.0")
	s.git(filepath.Join(s.dir, "two"), "checkout", "--quiet", "-b", "side", "v1.1.0")
	s.pack("two", "1.2.0")
	s.git(filepath.Join(s.dir, "two"), "commit", "--quiet", "--all", "--message", "side")
	s.git(filepath.Join(s.dir, "two"), "checkout", "--quiet", "master")
	for _, c := range []struct{ version, want string }{
		{"", "two-2.0.0"}, {"=1.0.0", "two-1.0.0"}, {"=v1.1.0", "two-1.1.0"}, {"=side", "two-1.2.0"}, {"=master", "two-2.0.0"},
	} {
		s.installs(c.want, url+c.version)
	}
	s.refuses("known are 2.0.0, 1.1.0, 1.0.0", url+"=3.0.0")
	if out, err := gitOutput(t.Context(), filepath.Join(s.o.Dir, "two"), "status", "--porcelain"); err != nil || out != "" {
		t.Errorf("git status: %q, %v", out, err)
	}
	s.refuses("is no git repository", "file://"+s.dir+"=1.0.0")
	s.refuses("there is no pack.yaml", s.dir)
	s.git(filepath.Join(s.dir, "two"), "checkout", "--quiet", "side")
	s.installs("two-1.2.0", filepath.Join(s.dir, "two")) // a folder is taken as it is
	s.write("name: outer\ndescription: A pack.\nauthor: Petrel\nversion: 1.0.0\n", "pack.yaml")
	s.refuses("packs are installed into", s.dir)
}

func TestInstallFromIndex(t *testing.T) {
	s := newShop(t)
	s.index(map[string]Entry{
		"two":   {Description: "Second", URL: s.repository("two", "1.0.0", "2.0.0"), Version: "1.0.0", Keywords: []string{"Number"}},
		"three": {Description: "Third", URL: "file://" + s.pack("three", "1.0.0"), Author: "Somebody"},
		"bad":   {Description: "no place"},
	})
	s.installs("two-1.0.0", "two")
	s.installs("two-2.0.0", "two=2.0.0")
	s.installs("three-1.0.0 two-2.0.0", "three")
	s.refuses("no pack four in the index", "four")
	s.refuses("no pack bad in the index", "bad")

	body, err := os.ReadFile(s.o.Index[0])
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/index.json" {
			http.NotFound(w, r)
			return
		}
		w.Write(body)
	}))
	defer server.Close()
	index, err := LoadIndex(t.Context(), []string{server.URL + "/gone.json", server.URL + "/index.json"})
	if len(index) != 2 || err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("index: %v, %v", index, err)
	}
	for text, want := range map[string]string{"number": "two", "SOMEBODY": "three", "d": "three two", "zzz": ""} {
		var names []string
		for _, e := range index.Search(text) {
			names = append(names, e.Ref)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("search %q: %q, want %q", text, got, want)
		}
	}
	if _, err := LoadIndex(t.Context(), []string{server.URL + "/gone.json"}); err == nil {
		t.Error("no index could be read, and there is no error")
	}
}

func TestDependencies(t *testing.T) {
	s := newShop(t)
	url := s.repository("base", "1.0.0", "2.0.0")
	s.index(map[string]Entry{
		"base":   {URL: url},
		"middle": {URL: "file://" + s.pack("middle", "1.0.0", "dependencies: [base=1.0.0]")},
		"top":    {URL: "file://" + s.pack("top", "1.0.0", "dependencies: [middle, core]")},
		"other":  {URL: "file://" + s.pack("other", "1.0.0", "dependencies: [base=2.0.0]")},
		"lost":   {URL: "file://" + s.pack("lost", "1.0.0", "dependencies: [nowhere]")},
		"a":      {URL: "file://" + s.pack("a", "1.0.0", "dependencies: [b]")},
		"b":      {URL: "file://" + s.pack("b", "1.0.0", "dependencies: [a]")},
	})
	s.o.Others = map[string]string{"core": "the program"}
	s.refuses("no pack nowhere", "lost")
	s.refuses("pack base is wanted twice", "top", "other")
	s.refuses("needs base in version 2.0.0, but version 1.0.0 is to be installed", "base=1.0.0", "other")
	done := s.installs("base-1.0.0 middle-1.0.0 top-1.0.0", "top")
	var order []string
	for _, d := range done {
		order = append(order, fmt.Sprint(d.Ref, " ", d.Dependency))
	}
	if want := []string{"base true", "middle true", "top false"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	s.refuses("but version 1.0.0 is installed", "other")
	s.o.SkipDependencies = true
	s.installs("base-1.0.0 middle-1.0.0 other-1.0.0 top-1.0.0", "other")
	s.o.SkipDependencies, s.o.Force = false, true
	s.installs("base-2.0.0 middle-1.0.0 other-1.0.0 top-1.0.0", "other")
	s.installs("a-1.0.0 b-1.0.0 base-2.0.0 middle-1.0.0 other-1.0.0 top-1.0.0", "a") // each needs the other
}

func TestCompatibility(t *testing.T) {
	s := newShop(t)
	for requirement, ok := range map[string]bool{
		">=3.0.0, <4.0.0": true, ">3.8.0": true, "=3.9.0": true, "<=3.9.0": true, ">=3.10.0": false, "<3.0.0": false, ">3.9.0": false, "<4.0.0,>=3.9.1": false, "": true,
	} {
		if err := fits(requirement); (err == nil) != ok {
			t.Errorf("%q: %v", requirement, err)
		}
	}
	dir := s.pack("next", "1.0.0", "stackstorm_version: '>=4.0.0'")
	s.refuses("needs StackStorm >=4.0.0", dir)
	s.refuses("Python 2", s.pack("old", "1.0.0", "python_versions: ['2']"))
	s.o.Force = true
	if done := s.installs("next-1.0.0", dir); len(done[0].Warnings) != 1 {
		t.Errorf("%+v", done)
	}
}

// A virtualenv that cannot be made takes everything back.
func TestRollBack(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not on this machine")
	}
	s := newShop(t)
	s.o.Virtualenv = virtualenv.Options{Dir: filepath.Join(s.dir, "venvs"), NoIndex: true}
	good, bad := s.pack("good", "1.0.0"), s.pack("bad", "1.0.0")
	s.write("pip\n", "bad", "requirements.txt") // every virtualenv has it
	s.installs("bad-1.0.0 good-1.0.0", good, bad)
	marker := filepath.Join(s.dir, "venvs", "bad", "marker")
	if err := os.WriteFile(marker, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s.pack("good", "1.1.0")
	s.pack("bad", "1.1.0")
	s.write("surely-not-a-package-of-petrel\n", "bad", "requirements.txt")
	s.refuses("surely-not-a-package-of-petrel", bad, good)
	if !exists(marker) {
		t.Error("the virtualenv is not that of before")
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, "venvs", ".*.replaced")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := Uninstall(t.Context(), s.o, "bad", "good"); err != nil {
		t.Fatal(err)
	}
	if got := s.installed(); got != "" || exists(filepath.Join(s.dir, "venvs", "bad")) {
		t.Errorf("after removal: %q", got)
	}
}

func TestUninstallRefuses(t *testing.T) {
	s := newShop(t)
	s.installs("one-1.0.0", s.pack("one", "1.0.0"))
	s.o.Others = map[string]string{"core": "the program"}
	for ref, words := range map[string]string{"../one": "no name", "two": "not installed", "core": "remove it there"} {
		if err := Uninstall(t.Context(), s.o, "one", ref); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	s.installs("one-1.0.0", filepath.Join(s.dir, "one"))
}

func TestOneAtATime(t *testing.T) {
	s := newShop(t)
	in, err := newInstaller(t.Context(), s.o)
	if err != nil {
		t.Fatal(err)
	}
	s.pack("one", "1.0.0")
	if _, err := Install(t.Context(), s.o, filepath.Join(s.dir, "one")); err == nil || !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("two at once: %v", err)
	}
	in.close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Install(ctx, s.o, filepath.Join(s.dir, "one")); err == nil {
		t.Error("canceled, and nothing is said")
	}
	if got := s.installed(); got != "" {
		t.Errorf("canceled: installed %s", got)
	}
}
