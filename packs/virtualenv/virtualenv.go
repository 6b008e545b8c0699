//go:build unix

// Package virtualenv makes the virtualenvs of packs: a Python environment a
// pack, with what its requirements.txt names. It knows folders and pip, not what
// packs are for.
package virtualenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Options say how virtualenvs are made. Dir must be set.
type Options struct {
	Dir         string // holds a virtualenv a pack, in a folder of its name
	Interpreter string // makes them; default: python3
	// FindLinks are folders or pages with packages, for pip; with NoIndex it
	// looks nowhere else.
	FindLinks []string
	NoIndex   bool
	// Update keeps a virtualenv that is there and brings it up to date; else
	// it is made anew.
	Update bool
	// Tests: what the tests of packs import counts as well.
	Tests bool
	// Progress gets what is done, and what pip says. Default: nowhere.
	Progress io.Writer
}

// Pack is what a virtualenv is made for.
type Pack struct{ Ref, Dir string }

// Result says what Setup did for a pack.
type Result struct {
	Needed bool   // false: the pack needs no virtualenv, none was made
	Path   string // of the virtualenv
	// Implied are libraries that the pack imports without naming them in
	// requirements.txt, because StackStorm brought them along.
	Implied []string
}

// stopGrace is how long pip has to end when it is told to.
const stopGrace = 5 * time.Second

// Setup makes the virtualenv of a pack. When that fails, the one that was there
// before is there again. One pack is set up once at a time on a machine.
func Setup(ctx context.Context, o Options, p Pack) (Result, error) {
	if o.Interpreter == "" {
		o.Interpreter = "python3"
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	needs, err := needsOf(p.Dir, o.Tests)
	if err != nil {
		return Result{}, fmt.Errorf("requirements of pack %s: %w", p.Ref, err)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return Result{}, fmt.Errorf("folder of virtualenvs: %w", err)
	}
	r := Result{Needed: needs.file != "" || len(needs.implied) > 0, Path: filepath.Join(dir, p.Ref), Implied: needs.implied}
	if !r.Needed {
		return r, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return r, fmt.Errorf("folder of virtualenvs: %w", err)
	}
	unlock, err := lock(filepath.Join(dir, "."+p.Ref+".lock"))
	if err != nil {
		return r, fmt.Errorf("virtualenv of pack %s: %w", p.Ref, err)
	}
	defer unlock()
	if err := o.replace(ctx, r.Path, needs); err != nil {
		return r, fmt.Errorf("virtualenv of pack %s: %w", p.Ref, err)
	}
	return r, nil
}

// replace makes the virtualenv in its place, since it cannot be moved later.
func (o Options) replace(ctx context.Context, path string, needs needs) error {
	if o.Update && exists(filepath.Join(path, "bin", "python")) {
		return o.install(ctx, path, needs, "--upgrade")
	}
	before := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".before")
	if exists(before) && !exists(path) { // a set-up was killed
		if err := os.Rename(before, path); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(before); err != nil {
		return err
	}
	if err := os.Rename(path, before); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := o.run(ctx, o.Interpreter, "-m", "venv", path)
	if err == nil {
		err = o.install(ctx, path, needs)
	}
	if err == nil {
		return os.RemoveAll(before)
	}
	if removeErr := os.RemoveAll(path); removeErr != nil {
		return errors.Join(err, removeErr)
	}
	if renameErr := os.Rename(before, path); renameErr != nil && !errors.Is(renameErr, fs.ErrNotExist) {
		err = errors.Join(err, renameErr)
	}
	return err
}

// client is StackStorm's client. Its releases ask for exact versions of twenty
// packages, many of which no longer exist for newer interpreters.
const client = "st2client"

// install installs what a pack needs.
func (o Options) install(ctx context.Context, path string, needs needs, more ...string) error {
	var packages []string
	if needs.file != "" {
		packages = append(packages, "-r", needs.file)
	}
	for _, name := range needs.implied {
		if name != client {
			packages = append(packages, name)
		}
	}
	if len(packages) > 0 {
		if err := o.pip(ctx, path, append(packages, more...)...); err != nil {
			return err
		}
	}
	if !slices.Contains(needs.implied, client) {
		return nil
	}
	if err := o.pip(ctx, path, append([]string{"--no-deps", client}, more...)...); err != nil {
		return err
	}
	requirements, err := o.looseRequirements(ctx, path)
	if err != nil {
		return err
	}
	return o.pip(ctx, path, requirements...)
}

// looseRequirements lists what the installed client asks for, in any version.
func (o Options) looseRequirements(ctx context.Context, path string) ([]string, error) {
	const script = `import importlib.metadata as m, re
for r in m.requires("` + client + `") or []:
    name, _, marker = r.partition(";")
    print(re.match(r"[\w.-]+(\[[^\]]*\])?", name).group(0) + (";" + marker if marker else ""))`
	cmd := exec.CommandContext(ctx, filepath.Join(path, "bin", "python"), "-c", script)
	cmd.Env = environment()
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("requirements of %s: %w", client, err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n"), nil
}

// pip installs packages.
func (o Options) pip(ctx context.Context, path string, packages ...string) error {
	args := []string{"-m", "pip", "install", "--disable-pip-version-check", "--no-input"}
	if o.NoIndex {
		args = append(args, "--no-index")
	}
	for _, place := range o.FindLinks {
		if !strings.Contains(place, "://") {
			abs, err := filepath.Abs(place)
			if err != nil {
				return err
			}
			place = abs
		}
		args = append(args, "--find-links", place)
	}
	return o.run(ctx, filepath.Join(path, "bin", "python"), append(args, packages...)...)
}

// run runs a program and shows what it says.
func (o Options) run(ctx context.Context, program string, args ...string) error {
	var last tail
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout = io.MultiWriter(o.Progress, &last)
	cmd.Stderr = cmd.Stdout
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopGrace
	cmd.Env = environment()
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, last.lines(8))
	}
	return nil
}

// environment is ours, without what leads Python to other packages.
func environment() (env []string) {
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		if name != "PYTHONPATH" && name != "PYTHONHOME" && name != "VIRTUAL_ENV" && !strings.HasPrefix(name, "PETREL_") {
			env = append(env, e)
		}
	}
	return env
}

// lock waits until nobody else works on a pack.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// tail keeps the end of what is written.
type tail struct{ text []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	if extra := len(t.text) - 8<<10; extra > 0 {
		t.text = t.text[extra:]
	}
	return len(p), nil
}

func (t *tail) lines(n int) string {
	all := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
