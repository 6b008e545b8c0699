package content

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"petrel/engine"
)

// Worktree is a pack as it was in another revision, in a folder of its own.
type Worktree struct {
	// Dir is the pack in that revision.
	Dir  string
	root string // what is removed
	repo string // the pack that it belongs to
}

// Checkout makes a worktree of the revision (commit, tag or branch) of a pack
// that is a git repository, or lies in one. The caller removes it.
func Checkout(ctx context.Context, packDir, revision string) (*Worktree, error) {
	if strings.HasPrefix(revision, "-") || strings.ContainsAny(revision, "\x00\n") {
		return nil, fmt.Errorf("content_version %q is not a git revision", revision)
	}
	prefix, err := git(ctx, packDir, "rev-parse", "--show-prefix")
	if err != nil {
		if strings.Contains(err.Error(), "not a git repository") {
			return nil, fmt.Errorf("content_version needs a pack that is a git repository; %s is none", packDir)
		}
		return nil, fmt.Errorf("content_version %s of %s: %w", revision, packDir, err)
	}
	commit, err := git(ctx, packDir, "rev-parse", "--verify", "--quiet", "--end-of-options", revision+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("content_version %q is no revision (commit, tag or branch) of the repository %s", revision, packDir)
	}
	root, err := os.MkdirTemp("", "st2-git-worktree-")
	if err != nil {
		return nil, fmt.Errorf("content_version %s: %w", revision, err)
	}
	w := &Worktree{Dir: filepath.Join(root, prefix), root: root, repo: packDir}
	if _, err := git(ctx, packDir, "worktree", "add", "--detach", "--force", root, commit); err != nil {
		removeErr := w.Remove()
		if strings.Contains(err.Error(), "is not a git command") {
			err = errors.New("this git is too old: it has no worktrees (2.5 or newer is needed)")
		}
		return nil, errors.Join(fmt.Errorf("content_version %s of %s: %w", revision, packDir, err), removeErr)
	}
	return w, nil
}

// EntryPoint is EntryPoint in the worktree.
func (w *Worktree) EntryPoint(a *engine.Action) (string, error) {
	there := *a
	there.Dir = w.Dir
	if filepath.IsAbs(a.EntryPoint) {
		rel, err := filepath.Rel(a.Dir, a.EntryPoint)
		if err != nil {
			return "", fmt.Errorf("entry_point %q of action %s: %w", a.EntryPoint, a.Ref, err)
		}
		there.EntryPoint = filepath.Join(w.Dir, rel)
	}
	return EntryPoint(&there)
}

// Remove deletes the worktree and what git remembers of it.
func (w *Worktree) Remove() error {
	if err := os.RemoveAll(w.root); err != nil {
		return fmt.Errorf("remove worktree %s: %w", w.root, err)
	}
	// It is called when an execution ends, however it ended.
	_, err := git(context.Background(), w.repo, "worktree", "prune")
	return err
}

// git runs git in a folder, without prompts and hooks, and returns its output
// without the last newline.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "core.hooksPath=/dev/null"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	cmd.Env = slices.DeleteFunc(cmd.Env, func(e string) bool {
		return strings.HasPrefix(e, "GIT_DIR=") || strings.HasPrefix(e, "GIT_WORK_TREE=") || strings.HasPrefix(e, "GIT_INDEX_FILE=")
	})
	var problem bytes.Buffer
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("there is no git on this machine")
	}
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}
