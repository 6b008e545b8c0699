//go:build unix

package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// clone clones a repository into dir and checks a version out: a branch, else a
// tag or commit, else the tag vVERSION; "" is the branch that the repository
// names. It asks nobody for a password.
func clone(ctx context.Context, url, version, dir string, progress io.Writer) error {
	if err := git(ctx, "", progress, "clone", "--quiet", "--no-hardlinks", "--", url, dir); err != nil {
		return err
	}
	if version == "" {
		return nil
	}
	tries := []string{"refs/remotes/origin/" + version, version}
	if semantic.MatchString(version) {
		tries = append(tries, "refs/tags/v"+version)
	}
	for i, try := range tries {
		if _, err := gitOutput(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", try+"^{commit}"); err != nil {
			continue
		}
		if i == 0 { // stay on the branch, so that it can be followed
			return git(ctx, dir, progress, "checkout", "--quiet", "-B", version, "--track", "origin/"+version)
		}
		return git(ctx, dir, progress, "checkout", "--quiet", "--detach", try)
	}
	return fmt.Errorf("%s has no version %s; %s", url, version, versions(ctx, dir))
}

// versions says which versions a clone has.
func versions(ctx context.Context, dir string) string {
	out, err := gitOutput(ctx, dir, "tag", "--list", "v*", "--sort=-version:refname")
	var found []string
	if err == nil {
		for _, tag := range strings.Fields(out) {
			if semantic.MatchString(strings.TrimPrefix(tag, "v")) {
				found = append(found, strings.TrimPrefix(tag, "v"))
			}
		}
	}
	if len(found) == 0 {
		return "it has no tags of the form v1.2.3"
	}
	return "known are " + strings.Join(found, ", ")
}

var semantic = regexp.MustCompile(`^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$`)

// git runs git and shows what it says.
func git(ctx context.Context, dir string, progress io.Writer, args ...string) error {
	cmd := gitCommand(ctx, dir, args...)
	var said bytes.Buffer
	cmd.Stdout = io.MultiWriter(progress, &said)
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("git is not on this machine; install it, or give a folder")
	case err != nil:
		return fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(said.String()))
	}
	return nil
}

func gitOutput(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := gitCommand(ctx, dir, args...).Output()
	return strings.TrimSpace(string(out)), err
}

func gitCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "protocol.ext.allow=never", "-c", "advice.detachedHead=false"}, args...)...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	env := slices.DeleteFunc(os.Environ(), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return strings.HasPrefix(name, "PETREL_") || slices.Contains([]string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}, name)
	})
	cmd.Env = append(env, "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "LC_ALL=C")
	if os.Getenv("GIT_SSH_COMMAND") == "" {
		cmd.Env = append(cmd.Env, "GIT_SSH_COMMAND=ssh -oBatchMode=yes")
	}
	return cmd
}

// copyTree copies a folder; links stay links.
func copyTree(ctx context.Context, from, to string) error {
	return filepath.WalkDir(from, func(path string, e os.DirEntry, err error) error {
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		info, err := e.Info()
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == "__pycache__":
			return filepath.SkipDir
		case e.IsDir():
			return os.MkdirAll(target, info.Mode().Perm()|0o700)
		case info.Mode()&os.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case info.Mode().IsRegular():
			return copyFile(path, target, info.Mode().Perm())
		}
		return nil // sockets and the like are no content
	})
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
