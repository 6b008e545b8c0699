//go:build unix

package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"petrel/packs"
	"petrel/packs/virtualenv"
)

// Compatible is the version of StackStorm that packs are told Petrel stands for.
const Compatible = "3.9.0"

// Options say where packs are put. Dir must be set.
type Options struct {
	Dir   string   // holds a folder a pack
	Index []string // URLs or files of indexes, the first one first
	// Others are the packs that are on this machine already, in other folders and
	// in the program itself: ref and where.
	Others map[string]string
	// Virtualenv says how virtualenvs are made; without a Dir none are.
	Virtualenv virtualenv.Options
	// Force installs packs that do not fit StackStorm's version, and replaces
	// dependencies that are there in another version.
	Force bool
	// SkipDependencies leaves out the packs that packs depend on.
	SkipDependencies bool
	// Progress gets a line a step, and what git and pip say. Default: nowhere.
	Progress io.Writer
}

// Installed is one pack that was put in its place.
type Installed struct {
	Ref     string `json:"ref"`
	Version string `json:"version"`
	// Before is the version that was there before; "" when there was none.
	Before string `json:"before,omitempty"`
	Path   string `json:"path"`
	// Dependency: it was not asked for, but another pack needs it.
	Dependency bool `json:"dependency,omitempty"`
	// Warnings are what a person should know about it.
	Warnings []string `json:"warnings,omitempty"`
}

// maxDependencyRounds is how deep dependencies may go.
const maxDependencyRounds = 10

// Install brings packs, and those they depend on, onto the machine: all of them or,
// when one fails, none. Requests are as ParseRequest takes them.
func Install(ctx context.Context, o Options, requests ...string) ([]Installed, error) {
	in, err := newInstaller(ctx, o)
	if err != nil {
		return nil, err
	}
	defer in.close()
	wave := make([]Request, len(requests))
	for i, text := range requests {
		if wave[i], err = ParseRequest(text); err != nil {
			return nil, err
		}
	}
	if err := in.fetchAll(wave); err != nil {
		return nil, err
	}
	return in.place()
}

type installer struct {
	Options
	ctx     context.Context
	dir     string // Dir, absolute
	staging string // a folder on the same disk
	index   Index  // nil until it is needed
	fetched []*fetched
	// replaced are virtualenvs that stay aside until all is done.
	replaced []string
	unlock   func()
}

// fetched is a pack that waits in the staging folder.
type fetched struct {
	*packs.Pack
	request    Request
	dir        string
	dependency bool
	warnings   []string
}

func newInstaller(ctx context.Context, o Options) (*installer, error) {
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	in := &installer{Options: o, ctx: ctx}
	var err error
	if in.dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("folder of packs: %w", err)
	}
	if err := os.MkdirAll(in.dir, 0o755); err != nil {
		return nil, fmt.Errorf("folder of packs: %w", err)
	}
	if in.unlock, err = lock(filepath.Join(in.dir, ".lock")); err != nil {
		return nil, err
	}
	if in.staging, err = os.MkdirTemp(in.dir, ".staging-"); err != nil {
		in.unlock()
		return nil, fmt.Errorf("folder of packs: %w", err)
	}
	return in, nil
}

func (in *installer) close() {
	os.RemoveAll(in.staging)
	in.unlock()
}

// say tells how far it is.
func (in *installer) say(format string, args ...any) {
	fmt.Fprintf(in.Progress, format+"\n", args...)
}

// fetchAll fetches packs and, wave by wave, what they depend on.
func (in *installer) fetchAll(wave []Request) error {
	for round := 0; len(wave) > 0; round++ {
		if round > maxDependencyRounds {
			return fmt.Errorf("the dependencies go deeper than %d packs: %s", maxDependencyRounds, wave[0].Text)
		}
		var next []Request
		for _, r := range wave {
			f, err := in.fetch(r, round > 0)
			if err != nil {
				return err
			}
			if f == nil || in.SkipDependencies {
				continue
			}
			for _, text := range f.Dependencies {
				d, err := ParseRequest(text)
				if err != nil {
					return fmt.Errorf("dependencies of pack %s: %w", f.Ref, err)
				}
				if needed, err := in.isNeeded(f.Ref, d); err != nil {
					return err
				} else if needed {
					next = append(next, d)
				}
			}
		}
		wave = next
	}
	return nil
}

// fetch puts one pack into the staging folder; nil when it is there already.
func (in *installer) fetch(r Request, dependency bool) (*fetched, error) {
	if err := in.locate(&r); err != nil {
		return nil, err
	}
	dir := filepath.Join(in.staging, fmt.Sprint("fetch-", len(in.fetched)))
	if err := in.bring(r, dir); err != nil {
		return nil, fmt.Errorf("pack %s: %w", r.Text, err)
	}
	p, problems := packs.ReadManifest(dir, r.folderName())
	if p == nil {
		return nil, fmt.Errorf("pack %s: %s", r.Text, strings.ReplaceAll(problems, dir+string(filepath.Separator), ""))
	}
	if at, taken := in.Others[p.Ref]; taken {
		return nil, fmt.Errorf("pack %s is in %s already, which comes first; it cannot be installed beside that", p.Ref, at)
	}
	f := &fetched{Pack: p, request: r, dir: dir, dependency: dependency}
	if old := in.find(p.Ref); old != nil {
		if dependency && old.Version == p.Version {
			return nil, os.RemoveAll(dir)
		}
		return nil, fmt.Errorf("pack %s is wanted twice: as %s and as %s", p.Ref, old.request.Text, r.Text)
	}
	if err := fits(p.StackStormVersion); err != nil {
		if !in.Force {
			return nil, fmt.Errorf("pack %s: %w (--force installs it all the same)", p.Ref, err)
		}
		f.warnings = append(f.warnings, err.Error())
	}
	if len(p.PythonVersions) == 1 && p.PythonVersions[0] == "2" {
		if !in.Force {
			return nil, fmt.Errorf("pack %s is written for Python 2, which Petrel does not run (--force installs it all the same)", p.Ref)
		}
		f.warnings = append(f.warnings, "it is written for Python 2")
	}
	in.fetched = append(in.fetched, f)
	in.say("%s %s is fetched", p.Ref, p.Version)
	return f, nil
}

func (r Request) folderName() string {
	if r.Folder != "" {
		return filepath.Base(r.Folder)
	}
	return r.Name // what a repository is called says nothing
}

// locate finds out where a named pack is.
func (in *installer) locate(r *Request) error {
	if r.Name == "" {
		return nil
	}
	if in.index == nil {
		index, err := LoadIndex(in.ctx, in.Index)
		if index == nil {
			return fmt.Errorf("pack %s: %w", r.Name, err)
		}
		if err != nil {
			in.say("%v", err)
		}
		in.index = index
	}
	e, ok := in.index[r.Name]
	if !ok {
		return fmt.Errorf("there is no pack %s in the index (%s); to install a folder write ./%s", r.Name, strings.Join(in.Index, ", "), r.Name)
	}
	name := r.Name
	version := r.Version
	if version == "" {
		version = e.Version
	}
	place, err := ParseRequest(e.URL)
	if err != nil {
		return fmt.Errorf("the index names a place for %s that cannot be used: %w", name, err)
	}
	r.URL, r.Folder, r.Version = place.URL, place.Folder, version
	if place.Name != "" {
		return fmt.Errorf("the index names no place for %s", name)
	}
	return nil
}

// bring fetches the files of a pack into dir.
func (in *installer) bring(r Request, dir string) error {
	url := r.URL
	if r.Folder != "" {
		if info, err := os.Stat(r.Folder); err != nil || !info.IsDir() {
			return fmt.Errorf("%s is no folder", r.Folder)
		}
		repository := exists(filepath.Join(r.Folder, ".git"))
		switch {
		case r.Version != "" && !repository && r.asked != "":
			return fmt.Errorf("%s is no git repository, so it has no version %s", r.Folder, r.Version)
		case !repository || r.Version == "" && !strings.HasPrefix(r.Text, "file://"):
			return in.copy(r.Folder, dir)
		}
		url = r.Folder
	}
	in.say("cloning %s", url)
	return clone(in.ctx, url, r.Version, dir, in.Progress)
}

// copy takes a folder as it is now.
func (in *installer) copy(from, to string) error {
	if !exists(filepath.Join(from, "pack.yaml")) {
		return fmt.Errorf("there is no pack.yaml in %s, so it is no pack", from)
	}
	if rel, err := filepath.Rel(from, to); err != nil || filepath.IsLocal(rel) {
		return fmt.Errorf("%s holds the folder that packs are installed into", from)
	}
	in.say("copying %s", from)
	return copyTree(in.ctx, from, to)
}

func (in *installer) find(ref string) *fetched {
	i := slices.IndexFunc(in.fetched, func(f *fetched) bool { return f.Ref == ref })
	if i < 0 {
		return nil
	}
	return in.fetched[i]
}

// isNeeded tells whether a dependency has to be fetched. One that is there, or will
// be, in another version than the wanted one is a conflict.
func (in *installer) isNeeded(by string, d Request) (bool, error) {
	ref := d.Name
	if ref == "" {
		return true, nil // its name is known when it is fetched
	}
	have, where := "", ""
	if f := in.find(ref); f != nil {
		have, where = f.Version, "is to be installed"
	} else if p, _ := packs.ReadManifest(filepath.Join(in.dir, ref), ref); p != nil {
		have, where = p.Version, "is installed"
	} else if at, ok := in.Others[ref]; ok {
		p, _ := packs.ReadManifest(at, ref)
		if p == nil || d.Version == "" || in.Force {
			return false, nil // it is part of the program, or is not asked for more closely
		}
		have, where = p.Version, "is in "+at
	}
	switch {
	case have == "":
		return true, nil
	case d.Version == "" || strings.TrimPrefix(d.Version, "v") == have:
		return false, nil
	case in.Force && where == "is installed":
		return true, nil
	}
	return false, fmt.Errorf("pack %s needs %s in version %s, but version %s %s; nothing was installed", by, ref, d.Version, have, where)
}

func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("folder of packs: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.New("packs are being installed or removed by somebody else just now; try again when that is done")
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
