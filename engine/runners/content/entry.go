package content

import (
	"context"
	"errors"

	"petrel/engine/runners"
)

// Entry is the file that an action runs.
type Entry struct {
	Path string // of the file
	Dir  string // the folder of the pack that it belongs to
	tree *Worktree
}

// Locate finds the entry point of the action of a job, in the revision of the
// pack that the runner parameter content_version asks for. The caller closes
// the Entry.
func Locate(ctx context.Context, job runners.Job) (Entry, error) {
	revision, err := runners.TextParam(job.Runner, "content_version")
	if err != nil {
		return Entry{}, err
	}
	keep, err := runners.BoolParam(job.Runner, "debug", false)
	if err != nil {
		return Entry{}, err
	}
	if revision == "" {
		path, err := EntryPoint(job.Action)
		return Entry{Path: path, Dir: job.Action.Dir}, err
	}
	tree, err := Checkout(ctx, job.Action.Dir, revision)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Dir: tree.Dir, tree: tree}
	if e.Path, err = tree.EntryPoint(job.Action); err != nil {
		return Entry{}, errors.Join(err, tree.Remove())
	}
	if keep {
		e.tree = nil
	}
	return e, nil
}

// Close removes what was made for the entry, unless the runner parameter debug
// says that it shall stay.
func (e Entry) Close() error {
	if e.tree == nil {
		return nil
	}
	return e.tree.Remove()
}
