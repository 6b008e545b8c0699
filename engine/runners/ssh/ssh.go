// Package ssh runs actions on other machines: command lines (remote-shell-cmd)
// and scripts of packs (remote-shell-script), on many hosts at once. It knows how
// to reach a host and how to end what it started there.
package ssh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"petrel/engine"
	"petrel/engine/runners"
	"petrel/engine/runners/content"
	"petrel/engine/runners/output"
	"petrel/engine/runners/posix"
)

const (
	// DefaultTimeout is that of StackStorm's remote runners.
	DefaultTimeout = 60 * time.Second
	// DefaultConnectTimeout is how long a host may take to let us in.
	DefaultConnectTimeout = 60 * time.Second

	defaultGrace    = 5 * time.Second
	defaultDrain    = 2 * time.Second
	defaultParallel = 50
	defaultPort     = 22
)

// Options adjust both runners. The zero value is ready for use.
type Options struct {
	// User and KeyFile are used when an action names none. Default: our own
	// user, and the first of the usual keys in ~/.ssh.
	User, KeyFile string
	// KnownHosts are files with the keys of hosts, in OpenSSH's form. Default:
	// ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts.
	KnownHosts []string
	// IgnoreHostKeys talks to everybody who answers, as StackStorm does.
	IgnoreHostKeys bool
	ConnectTimeout time.Duration
	// Grace is the time between TERM and KILL, Drain how long output is read
	// after a command ended.
	Grace, Drain time.Duration
	// Parallel is how many hosts are worked on at once.
	Parallel int
	// AllowPartialFailure makes an action succeed when one host does.
	AllowPartialFailure bool
	// OutputLimit is how many bytes the hosts may print together.
	OutputLimit int64
}

func (o Options) withDefaults() Options {
	home, _ := os.UserHomeDir() // without one there are no keys in it either
	if o.User == "" {
		if u, err := user.Current(); err == nil {
			o.User = u.Username
		}
	}
	if o.KeyFile == "" && home != "" {
		for _, name := range []string{"stanley_rsa", "id_ed25519", "id_ecdsa", "id_rsa"} {
			if path := filepath.Join(home, ".ssh", name); isFile(path) {
				o.KeyFile = path
				break
			}
		}
	}
	if o.KnownHosts == nil {
		o.KnownHosts = []string{filepath.Join(home, ".ssh", "known_hosts"), "/etc/ssh/ssh_known_hosts"}
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = DefaultConnectTimeout
	}
	if o.Grace <= 0 {
		o.Grace = defaultGrace
	}
	if o.Drain <= 0 {
		o.Drain = defaultDrain
	}
	if o.Parallel <= 0 {
		o.Parallel = defaultParallel
	}
	return o
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// Command is the remote-shell-cmd runner: a command line, run on hosts.
type Command struct{ options Options }

// Script is the remote-shell-script runner: a script of a pack, copied to hosts
// and run there.
type Script struct{ options Options }

var (
	_ runners.Runner = (*Command)(nil)
	_ runners.Runner = (*Script)(nil)
)

// NewCommand returns the remote-shell-cmd runner.
func NewCommand(o Options) *Command { return &Command{o.withDefaults()} }

// NewScript returns the remote-shell-script runner.
func NewScript(o Options) *Script { return &Script{o.withDefaults()} }

// Spec describes the runner.
func (*Command) Spec() engine.Runner {
	return spec("remote-shell-cmd", "Runs a command line on other machines.", `"dir":{"type":"string","default":"/tmp","immutable":true,"description":"Not used by commands."},
"cmd":{"type":"string","description":"The command line."}`)
}

// Spec describes the runner.
func (*Script) Spec() engine.Runner {
	return spec("remote-shell-script", "Copies a script of a pack to other machines and runs it there.",
		`"dir":{"type":"string","default":"/tmp","description":"Folder on the host under which the script is placed while it runs."}`)
}

// Run runs the parameter cmd on all hosts.
func (c *Command) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	if job.Action != nil && job.Action.EntryPoint != "" {
		return runners.Failure(fmt.Sprintf("action %s has the entry_point %q; actions of remote-shell-cmd have none: use remote-shell-script, or remove it",
			job.Action.Ref, job.Action.EntryPoint)), nil
	}
	cmd, err := runners.TextParam(job.Runner, "cmd")
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	if cmd == "" {
		return runners.Failure("parameter cmd is missing: it is the command line to run"), nil
	}
	t, err := readTask(job, c.options)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	t.command = cmd
	return t.run(ctx, job)
}

// Run copies the entry point of the action, and the folder lib beside it, to all
// hosts and runs it with Job.ScriptArgs.
func (s *Script) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	t, err := readTask(job, s.options)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	if !engine.ValidID(t.id) { // it names a folder that is removed in the end
		return runners.Outcome{}, fmt.Errorf("execution ID %q is not valid", t.id)
	}
	path, err := content.EntryPoint(job.Action)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	dir, err := runners.TextParam(job.Runner, "dir")
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	if dir == "" {
		dir = "/tmp"
	}
	t.upload = newUpload(path, filepath.Join(job.Action.Dir, "actions", "lib"), dir, t.id)
	t.command = posix.Join(append([]string{t.upload.script}, job.ScriptArgs...))
	return t.run(ctx, job)
}

// errTimeout is the cause with which the runner itself ends the work on a host.
var errTimeout = errors.New("timeout")

// run does the task on all hosts.
func (t *task) run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	budget := output.NewBudget(t.options.OutputLimit, func() { stop(output.ErrTooMuch) })
	var relay func(runners.Stream, []byte) // the output of many hosts would mix
	if len(t.hosts) == 1 {
		relay = job.Output
	}
	dial, closeBastion := t.dialer(ctx)
	defer closeBastion()

	results := make([]result, len(t.hosts))
	free := make(chan struct{}, t.options.Parallel)
	var all sync.WaitGroup
	for i, h := range t.hosts {
		all.Go(func() {
			select {
			case free <- struct{}{}:
				defer func() { <-free }()
				results[i] = t.runOn(ctx, h, dial, budget, relay)
			case <-ctx.Done():
				results[i] = failure(context.Cause(ctx), "not started")
			}
		})
	}
	all.Wait()
	return runners.Outcome{Status: t.status(context.Cause(ctx), results), Result: t.json(results)}, nil
}

// status is that of the execution: StackStorm's rule, which looks at the hosts in
// their order up to the first that settles it.
func (t *task) status(cause error, results []result) engine.Status {
	switch {
	case errors.Is(cause, runners.ErrCanceled):
		return engine.Canceled
	case errors.Is(cause, output.ErrTooMuch):
		return engine.Failed
	case cause != nil:
		return engine.Abandoned
	}
	onlyTimeouts := true
	for _, r := range results {
		onlyTimeouts = onlyTimeouts && r.timeout
		switch {
		case r.succeeded && t.options.AllowPartialFailure:
			return engine.Succeeded
		case !r.succeeded && !t.options.AllowPartialFailure && onlyTimeouts:
			return engine.TimedOut
		case !r.succeeded && !t.options.AllowPartialFailure:
			return engine.Failed
		}
	}
	if t.options.AllowPartialFailure {
		return engine.Failed
	}
	return engine.Succeeded
}

// json is the result: an object, host to result.
func (t *task) json(results []result) json.RawMessage {
	b := []byte{'{'}
	for i, r := range results {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, output.String(t.hosts[i].name)...), ':'), r.json()...)
	}
	return append(b, '}')
}

// result is how the work on one host ended.
type result struct {
	succeeded, timeout bool
	code               int
	stdout, stderr     []byte
	problem            string
}

// Return codes of hosts on which no command ended by itself.
const (
	codeError   = 255
	codeTimeout = -9
)

func failure(cause error, what string) result {
	return result{code: codeError, problem: fmt.Sprintf("%s: %v", what, cause)}
}

func (r result) json() json.RawMessage {
	b := output.Result(r.succeeded, r.code, r.stdout, r.stderr, r.problem)
	if r.problem == "" {
		return b
	}
	return fmt.Appendf(b[:len(b)-1], `,"timeout":%t}`, r.timeout)
}

func spec(name, description, more string) engine.Runner {
	params := []string{
		`"hosts":{"type":"string","required":true,"description":"Hosts, separated by commas: name, name:port or [IPv6]:port."}`,
		`"username":{"type":"string","required":false,"description":"User on the hosts."}`,
		`"password":{"type":"string","required":false,"secret":true,"description":"Password to log in with. Without one, a key is used."}`,
		`"private_key":{"type":"string","required":false,"secret":true,"description":"Private key to log in with: the key itself, or the path of its file."}`,
		`"passphrase":{"type":"string","required":false,"secret":true,"description":"Passphrase of the private key."}`,
		`"port":{"type":"integer","required":false,"description":"Port of hosts that are given without one."}`,
		`"bastion_host":{"type":"string","required":false,"description":"Host through which the others are reached, with the same user and key."}`,
		`"parallel":{"type":"boolean","default":false,"immutable":true,"description":"Hosts are always worked on in parallel."}`,
		`"cwd":{"type":"string","default":"/tmp","description":"Folder in which it runs."}`,
		`"env":{"type":"object","description":"Environment variables, name to value."}`,
		`"kwarg_op":{"type":"string","default":"--","description":"What stands before the name of a named argument of a script: -- or -."}`,
		`"sudo":{"type":"boolean","default":false,"description":"Run as root, with sudo."}`,
		`"sudo_password":{"type":"string","default":null,"required":false,"secret":true,"description":"Password for sudo, when it asks for one."}`,
		`"timeout":{"type":"integer","default":60,"description":"Seconds after which it is ended on a host."}`,
		more,
	}
	return engine.Runner{Name: name, Description: description, Enabled: true, Parameters: []byte("{" + strings.Join(params, ",\n") + "}")}
}
