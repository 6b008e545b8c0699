//go:build unix

// Package python runs the Python actions of packs (python-script). Each run is a
// process of its own: a new interpreter, or a fork of one that is kept warm. The
// Python half of the work is in packs/python; the package knows its protocol, how
// StackStorm's results look, and nothing of packs beyond the action's folder.
package python

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"time"

	"petrel/engine"
	"petrel/engine/runners"
	"petrel/engine/runners/content"
	"petrel/engine/runners/output"
	"petrel/engine/runners/process"
)

// DefaultTimeout is that of StackStorm's Python runner.
const DefaultTimeout = 10 * time.Minute

// Options adjust the runner. Library must be set.
type Options struct {
	// Library is the folder that packs/python was unpacked to.
	Library string
	// Virtualenvs holds a virtualenv a pack, in a folder of its name. A pack
	// that has none runs with Interpreter. Default: no pack has one.
	Virtualenvs string
	// Interpreter is a path, or a name to look up. Default: python3.
	Interpreter string
	// CommonLibs puts the folder lib of packs on their module path.
	CommonLibs bool
	// Prewarm keeps interpreters ready; see Servers.
	Prewarm bool
	Servers ServerLimits
	// Packs are the folders that packs lie in, and Configs that of their
	// configurations: what pack code is told when it asks.
	Packs   []string
	Configs string
	// Datastore answers action_service. Default: it says that there is none.
	Datastore Datastore

	// Environ is what processes inherit. Default: runners.InheritedEnvironment.
	Environ []string
	// Grace is the time between TERM and KILL, Drain how long output is read
	// after the process ended; see package process.
	Grace, Drain time.Duration
	// OutputLimit is how many bytes an action may print and return. Default: 64 MiB.
	OutputLimit int64
	Logger      *slog.Logger // default: none
}

// Script is the python-script runner.
type Script struct {
	options Options
	servers *pool // nil: every run starts an interpreter
}

var _ runners.Runner = (*Script)(nil)

// New returns the python-script runner. Close ends what it keeps warm.
func New(o Options) *Script {
	if o.Interpreter == "" {
		o.Interpreter = "python3"
	}
	if o.Environ == nil {
		o.Environ = runners.InheritedEnvironment()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Script{options: o}
	if o.Prewarm {
		s.servers = newPool(o)
	}
	return s
}

// Close ends the interpreters that are kept warm, and with them their runs.
func (s *Script) Close() {
	if s.servers != nil {
		s.servers.close()
	}
}

// Spec describes the runner.
func (*Script) Spec() engine.Runner {
	return engine.Runner{
		Name: "python-script", Description: "Runs a Python class of a pack.", Enabled: true, OutputKey: "result",
		Parameters: []byte(`{
"content_version":{"type":"string","required":false,"description":"Git revision of the pack (commit, tag or branch) whose action is run."},
"debug":{"type":"boolean","required":false,"default":false,"description":"Keep the temporary folder of content_version."},
"env":{"type":"object","description":"Environment variables, name to value; PYTHONPATH is not among them."},
"log_level":{"type":"string","default":"DEBUG","enum":["AUDIT","CRITICAL","ERROR","WARNING","INFO","DEBUG"],"description":"Least severe messages that the action's logger writes."},
"timeout":{"type":"integer","default":600,"description":"Seconds after which it is ended, with everything it started."}}`),
	}
}

// errTimeout is the cause with which the runner itself ends the work.
var errTimeout = errors.New("timeout")

// Run runs the class in the entry point of the action.
func (s *Script) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	timeout, err := runners.SecondsParam(job.Runner, "timeout", DefaultTimeout)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	entry, err := content.Locate(ctx, job)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	defer func() {
		if err := entry.Close(); err != nil { // the action has run all the same
			job.Output(runners.Stderr, []byte(err.Error()+"\n"))
		}
	}()
	l, err := s.prepare(job, entry)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	budget := output.NewBudget(s.options.OutputLimit, func() { stop(output.ErrTooMuch) })
	r := result{
		timeout: timeout, launch: l, budget: budget,
		stdout: output.NewStream(budget, func(p []byte) { job.Output(runners.Stdout, p) }),
		stderr: output.NewStream(budget, func(p []byte) { job.Output(runners.Stderr, p) }),
		frame:  output.NewStream(budget, nil),
	}
	r.exit, r.err = s.start(ctx, stop, job, l, &r)
	for _, stream := range []*output.Stream{r.stdout, r.stderr, r.frame} {
		stream.Close()
	}
	return r.outcome(context.Cause(ctx)), nil
}

// start runs the process to its end, warm when it can be.
func (s *Script) start(ctx context.Context, stop context.CancelCauseFunc, job runners.Job, l *launch, r *result) (process.Exit, error) {
	cmd := process.Command{
		Args: []string{l.interpreter, "-u", l.main}, Env: l.env, Marker: l.marker,
		Stdout: r.stdout, Stderr: r.stderr, Result: r.frame,
		Grace: s.options.Grace, Drain: s.options.Drain,
	}
	if sudo, err := exec.LookPath("sudo"); err == nil {
		cmd.Elevate = []string{sudo, "-n", "--"} // the action may have called it
	}
	if s.servers != nil && !l.ownInterpreter {
		exit, err := s.attempt(ctx, job, cmd, l.warmRequest, s.servers.starter(l, stop))
		var cold *coldError
		if !errors.As(err, &cold) {
			return exit, err
		}
		s.options.Logger.Warn("no warm interpreter; starting one for this run", "interpreter", l.interpreter, "error", cold.err)
	}
	return s.attempt(ctx, job, cmd, l.request, nil)
}

func (s *Script) attempt(ctx context.Context, job runners.Job, cmd process.Command, request func() ([]byte, error), start process.Starter) (process.Exit, error) {
	body, err := request()
	if err != nil {
		return process.Exit{}, err
	}
	theirs, done, err := answer(ctx, s.options.Datastore, job.Execution)
	if err != nil {
		return process.Exit{}, err
	}
	defer done()
	cmd.Stdin, cmd.Start = body, start
	cmd.Files = append(cmd.Files, theirs)
	return process.Run(ctx, cmd)
}
