//go:build unix

package shell

import (
	"context"
	"fmt"

	"petrel/engine"
	"petrel/engine/runners"
)

// Command is the local-shell-cmd runner: a command line, given to a shell.
type Command struct{ options Options }

var _ runners.Runner = (*Command)(nil)

// NewCommand returns the local-shell-cmd runner.
func NewCommand(o Options) *Command { return &Command{o.withDefaults()} }

// Spec describes the runner.
func (*Command) Spec() engine.Runner {
	return spec("local-shell-cmd", "Runs a command line on this machine.",
		`,"cmd":{"type":"string","description":"The command line."}`)
}

// Run runs the parameter cmd. Values in it are not quoted: that is up to the
// author of the action.
func (c *Command) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	if job.Action != nil && job.Action.EntryPoint != "" {
		return runners.Failure(fmt.Sprintf("action %s has the entry_point %q; actions of local-shell-cmd have none: use local-shell-script, or remove it",
			job.Action.Ref, job.Action.EntryPoint)), nil
	}
	cmd, err := runners.TextParam(job.Runner, "cmd")
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	if cmd == "" {
		return runners.Failure("parameter cmd is missing: it is the command line to run"), nil
	}
	s, err := readSettings(job, c.options)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	return run(ctx, job, s, []string{c.options.Shell, "-c", cmd}, c.options)
}
