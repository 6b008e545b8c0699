//go:build unix

package install

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"petrel/packs"
	"petrel/packs/virtualenv"
)

// place moves what was fetched into its place and makes the virtualenvs. When one
// of them fails everything is as it was.
func (in *installer) place() (done []Installed, err error) {
	var undo []func() error
	defer func() {
		if err == nil {
			for _, old := range in.replaced {
				os.RemoveAll(old) // what stays is in nobody's way
			}
			return
		}
		for _, f := range slices.Backward(undo) {
			err = errors.Join(err, f())
		}
	}()
	slices.Reverse(in.fetched) // what is depended on comes first
	for i, f := range in.fetched {
		if err := in.ctx.Err(); err != nil {
			return nil, context.Cause(in.ctx)
		}
		target := filepath.Join(in.dir, f.Ref)
		r := Installed{Ref: f.Ref, Version: f.Version, Path: target, Dependency: f.dependency, Warnings: f.warnings}
		if old, _ := packs.ReadManifest(target, f.Ref); old != nil {
			r.Before = old.Version
		}
		back, err := in.swap(f.dir, target)
		undo = append(undo, back)
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.Ref, err)
		}
		in.say("[%d/%d] %s %s is in %s", i+1, len(in.fetched), f.Ref, f.Version, target)
		if back, err = in.environment(f, target, &r); err != nil {
			return nil, err
		}
		undo = append(undo, back)
		done = append(done, r)
	}
	return done, nil
}

// swap moves a folder to where another one may be, which back puts in its place
// again.
func (in *installer) swap(from, to string) (back func() error, err error) {
	old := filepath.Join(in.staging, "old-"+filepath.Base(to))
	replaced := exists(to)
	moved := false
	back = func() error {
		if moved {
			if err := os.RemoveAll(to); err != nil {
				return err
			}
		}
		if replaced && exists(old) {
			return os.Rename(old, to)
		}
		return nil
	}
	if replaced {
		if err := os.Rename(to, old); err != nil {
			return back, err
		}
	}
	if err := os.Rename(from, to); err != nil {
		return back, err
	}
	moved = true
	return back, nil
}

// environment makes the virtualenv of a pack; the one that is there stays aside
// until all is done.
func (in *installer) environment(f *fetched, dir string, r *Installed) (back func() error, err error) {
	nothing := func() error { return nil }
	if in.Virtualenv.Dir == "" {
		return nothing, nil
	}
	venvs, err := filepath.Abs(in.Virtualenv.Dir)
	if err != nil {
		return nothing, err
	}
	path, old := filepath.Join(venvs, f.Ref), filepath.Join(venvs, "."+f.Ref+".replaced")
	had := exists(path)
	o := in.Virtualenv
	o.Progress = in.Progress
	if had { // it cannot be moved and used, but moved and moved back
		if err := os.RemoveAll(old); err != nil {
			return nothing, err
		}
		if err := os.Rename(path, old); err != nil {
			return nothing, err
		}
	}
	back = func() error {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if had && exists(old) {
			return os.Rename(old, path)
		}
		return nil
	}
	made, err := virtualenv.Setup(in.ctx, o, virtualenv.Pack{Ref: f.Ref, Dir: dir})
	if err != nil {
		return nothing, errors.Join(err, back())
	}
	if len(made.Implied) > 0 {
		r.Warnings = append(r.Warnings, "it imports what its requirements.txt does not name; this was installed too: "+strings.Join(made.Implied, ", "))
	}
	in.replaced = append(in.replaced, old)
	return back, nil
}

// Uninstall removes the folders and virtualenvs of packs.
func Uninstall(ctx context.Context, o Options, refs ...string) error {
	in, err := newInstaller(ctx, o)
	if err != nil {
		return err
	}
	defer in.close()
	for _, ref := range refs {
		if !refName.MatchString(ref) {
			return fmt.Errorf("%q is no name of a pack", ref)
		}
		if !exists(filepath.Join(in.dir, ref)) {
			if at, ok := in.Others[ref]; ok {
				return fmt.Errorf("pack %s is in %s and was not installed by Petrel; remove it there", ref, at)
			}
			return fmt.Errorf("pack %s is not installed", ref)
		}
	}
	for _, ref := range refs {
		if err := os.Rename(filepath.Join(in.dir, ref), filepath.Join(in.staging, ref)); err != nil {
			return fmt.Errorf("pack %s: %w", ref, err)
		}
		if in.Virtualenv.Dir != "" {
			if err := os.RemoveAll(filepath.Join(in.Virtualenv.Dir, ref)); err != nil {
				return fmt.Errorf("virtualenv of pack %s: %w", ref, err)
			}
		}
		in.say("%s is removed", ref)
	}
	return nil
}

var refName = regexp.MustCompile(`^[a-z0-9_]+$`)

// numbers reads a version of the form 1.2.3.
func numbers(version string) []int {
	var out []int
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			break
		}
		out = append(out, n)
	}
	return out
}

// fits holds Compatible against what a pack asks for: ">=3.0.0, <4.0.0".
func fits(requirement string) error {
	for part := range strings.SplitSeq(requirement, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		operator := strings.TrimRight(part, "0123456789. \t")
		version := strings.TrimSpace(part[len(operator):])
		c := slices.Compare(numbers(Compatible), numbers(version))
		ok := true
		switch strings.TrimSpace(operator) {
		case ">", ">>":
			ok = c > 0
		case ">=":
			ok = c >= 0
		case "<", "<<":
			ok = c < 0
		case "<=":
			ok = c <= 0
		case "=":
			ok = c == 0
		}
		if !ok {
			return fmt.Errorf("it needs StackStorm %s, and Petrel stands for %s", requirement, Compatible)
		}
	}
	return nil
}
