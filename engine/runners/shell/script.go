//go:build unix

package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"petrel/engine"
	"petrel/engine/runners"
	"petrel/engine/runners/content"
)

// Script is the local-shell-script runner: a script of a pack and its arguments.
type Script struct{ options Options }

var _ runners.Runner = (*Script)(nil)

// NewScript returns the local-shell-script runner.
func NewScript(o Options) *Script { return &Script{o.withDefaults()} }

// Spec describes the runner.
func (*Script) Spec() engine.Runner {
	return spec("local-shell-script", "Runs a script of a pack on this machine.",
		`,"debug":{"type":"boolean","required":false,"default":false,"description":"Keep the temporary folder of content_version."},`+
			`"content_version":{"type":"string","required":false,"description":"Git revision of the pack (commit, tag or branch) whose script is run."}`)
}

// Run runs the entry point of the action with Job.ScriptArgs.
func (s *Script) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	set, err := readSettings(job, s.options)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	entry, err := content.Locate(ctx, job)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	defer func() {
		if err := entry.Close(); err != nil { // the script has run all the same
			job.Output(runners.Stderr, []byte(err.Error()+"\n"))
		}
	}()
	program, err := interpret(entry.Path, s.options.Shell)
	if err != nil {
		return runners.Failure(fmt.Sprintf("script of action %s: %v", job.Action.Ref, err)), nil
	}
	return run(ctx, job, set, append(program, job.ScriptArgs...), s.options)
}

// interpret returns what runs the file: itself when it can be executed, else
// what its first line names, else the shell, which is also how a shell treats a
// script without such a line.
func interpret(path, shell string) ([]string, error) {
	makeExecutable(path)
	executable := unix.Access(path, unix.X_OK) == nil
	head, err := readHead(path)
	if err != nil {
		if executable && errors.Is(err, fs.ErrPermission) {
			return []string{path}, nil
		}
		return nil, err
	}
	line, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		binary := bytes.IndexByte(head, 0) >= 0
		switch {
		case binary && !executable:
			return nil, fmt.Errorf("%s is a program, but may not be executed (chmod +x failed, or its file system is mounted noexec)", path)
		case binary:
			return []string{path}, nil
		}
		return []string{shell, path}, nil
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	if bytes.HasSuffix(line, []byte("\r")) {
		return nil, fmt.Errorf("the lines of %s end in CR LF, as on Windows; its first line needs LF alone", path)
	}
	// As the kernel reads it: a program and at most one argument.
	interpreter, arg := strings.Trim(string(line), " \t"), ""
	if blank := strings.IndexAny(interpreter, " \t"); blank >= 0 {
		interpreter, arg = interpreter[:blank], strings.Trim(interpreter[blank:], " \t")
	}
	if info, err := os.Stat(interpreter); err != nil || info.IsDir() {
		return nil, fmt.Errorf("the first line of %s asks for %q, which is not on this machine", path, interpreter)
	}
	if executable {
		return []string{path}, nil
	}
	if arg != "" {
		return []string{interpreter, arg, path}, nil
	}
	return []string{interpreter, path}, nil
}

// makeExecutable does chmod +x where that is possible; interpret finds another
// way where it is not (somebody else's file, a read-only file system).
func makeExecutable(path string) {
	if unix.Access(path, unix.X_OK) == nil {
		return
	}
	if info, err := os.Stat(path); err == nil {
		_ = os.Chmod(path, info.Mode().Perm()|0o111)
	}
}

func readHead(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return head[:n], nil
}
