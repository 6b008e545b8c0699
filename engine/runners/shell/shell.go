//go:build unix

// Package shell runs actions on this machine: command lines (local-shell-cmd)
// and scripts of packs (local-shell-script). It knows how StackStorm starts them
// and what their results look like; how processes live and end is package
// process.
package shell

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"time"

	"petrel/engine"
	"petrel/engine/runners"
	"petrel/engine/runners/output"
	"petrel/engine/runners/process"
)

// DefaultTimeout is that of StackStorm's shell runners.
const DefaultTimeout = 60 * time.Second

// Options adjust both runners. The zero value is ready for use.
type Options struct {
	// Shell runs command lines. Default: /bin/bash, else /bin/sh.
	Shell string
	// Environ is what processes inherit. Default: our own environment without
	// Petrel's settings (PETREL_*), which may hold credentials.
	Environ []string
	// Grace is the time between TERM and KILL, Drain how long output is read
	// after the program ended; see package process.
	Grace, Drain time.Duration
	// OutputLimit is how many bytes an action may print. Default: 64 MiB.
	OutputLimit int64
}

func (o Options) withDefaults() Options {
	if o.Shell == "" {
		o.Shell = "/bin/sh"
		if _, err := os.Stat("/bin/bash"); err == nil {
			o.Shell = "/bin/bash"
		}
	}
	if o.Environ == nil {
		o.Environ = runners.InheritedEnvironment()
	}
	return o
}

// errTimeout is the cause with which a runner itself ends the work.
var errTimeout = errors.New("timeout")

// settings are the parameters that both runners have.
type settings struct {
	cwd     string
	env     []string
	marker  string
	timeout time.Duration
	sudo    *sudo // nil: run as ourselves
}

func readSettings(job runners.Job, o Options) (s settings, err error) {
	if s.cwd, err = runners.TextParam(job.Runner, "cwd"); err != nil {
		return s, err
	}
	if s.timeout, err = runners.SecondsParam(job.Runner, "timeout", DefaultTimeout); err != nil {
		return s, err
	}
	env, err := runners.ObjectParam(job.Runner, "env")
	if err != nil {
		return s, err
	}
	if s.env, s.marker, err = runners.Environment(o.Environ, env, job); err != nil {
		return s, err
	}
	s.sudo, err = readSudo(job.Runner)
	return s, err
}

// run runs a program to its end and says how the action ended.
func run(ctx context.Context, job runners.Job, s settings, args []string, o Options) (runners.Outcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.timeout, errTimeout)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	budget := output.NewBudget(o.OutputLimit, func() { stop(output.ErrTooMuch) })
	stdout := output.NewStream(budget, func(p []byte) { job.Output(runners.Stdout, p) })
	stderr := output.NewStream(budget, func(p []byte) { job.Output(runners.Stderr, p) })
	cmd := process.Command{
		Args: args, Dir: s.cwd, Env: s.env, Marker: s.marker,
		Stdout: stdout, Stderr: stderr,
		Grace: o.Grace, Drain: o.Drain,
	}
	if sudo, err := exec.LookPath("sudo"); err == nil {
		cmd.Elevate = []string{sudo, "-n", "--"} // the action may have called it
	}
	if s.sudo != nil {
		if err := s.sudo.wrap(&cmd); err != nil {
			return runners.Failure(err.Error()), nil
		}
	}
	exit, err := process.Run(ctx, cmd)
	stdout.Close()
	stderr.Close()
	switch cause := context.Cause(ctx); {
	case exit.Stopped:
	case err != nil && cause != nil:
		exit.Stopped = true // it was not even started
	case err != nil:
		return runners.Failure(explainStart(err, args, s.cwd)), nil
	}
	r := result{exit: exit, stdout: stdout.Text(), stderr: stderr.Text(), status: statusOf(exit.Code)}
	r.explain(context.Cause(ctx), s, budget)
	if err != nil {
		r.err += "; " + err.Error()
	}
	return runners.Outcome{Status: r.status, Result: r.json()}, nil
}

// commonParameters are the parameters of the shell family, without the last brace.
const commonParameters = `{
"cwd":{"type":"string","description":"Folder in which it runs."},
"env":{"type":"object","description":"Environment variables, name to value."},
"kwarg_op":{"type":"string","default":"--","description":"What stands before the name of a named argument of a script: -- or -."},
"sudo":{"type":"boolean","default":false,"description":"Run as root, with sudo."},
"sudo_password":{"type":"string","default":null,"required":false,"secret":true,"description":"Password for sudo, when it asks for one."},
"timeout":{"type":"integer","default":60,"description":"Seconds after which it is ended, with everything it started."}`

func spec(name, description, more string) engine.Runner {
	return engine.Runner{Name: name, Description: description, Enabled: true, Parameters: []byte(commonParameters + more + "}")}
}
