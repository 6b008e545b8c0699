// Package winrm runs commands and PowerShell on Windows machines, over WinRM
// (SOAP over HTTP): the runners winrm-cmd, winrm-ps-cmd and winrm-ps-script.
package winrm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
	"petrel/engine/runners/content"
	"petrel/engine/runners/output"
)

const (
	// DefaultTimeout is that of StackStorm's WinRM runners.
	DefaultTimeout = 60 * time.Second
	// codeTimeout is the return code of an action that took too long.
	codeTimeout = -1
	portHTTP    = 5985
	portHTTPS   = 5986
)

// Options adjust the runners. The zero value is ready for use.
type Options struct {
	// OutputLimit is how many bytes a command may print. Default: 64 MiB.
	OutputLimit int64
	// Grace is how long it is tried to end a command on the other machine.
	// Default: 5 seconds.
	Grace time.Duration
	// operationTimeout is how long the other side holds back an answer while a
	// command prints nothing. Default: 20 seconds.
	operationTimeout time.Duration
}

// Runner is one of the three runners.
type Runner struct {
	name, description string
	options           Options
	script            func(ctx context.Context, job runners.Job) (command, error)
	parameters        string
}

var _ runners.Runner = (*Runner)(nil)

// command is what is run: a command line of cmd.exe, or PowerShell.
type command struct {
	text       string
	powerShell bool
}

// NewCommand returns winrm-cmd, which runs a command line.
func NewCommand(o Options) *Runner {
	return &Runner{name: "winrm-cmd", description: "Runs a command line on a Windows machine, over WinRM.", options: o.withDefaults(),
		parameters: cmdParameter, script: func(_ context.Context, job runners.Job) (command, error) { return given(job, false) }}
}

// NewPowerShell returns winrm-ps-cmd, which runs a line of PowerShell.
func NewPowerShell(o Options) *Runner {
	return &Runner{name: "winrm-ps-cmd", description: "Runs PowerShell on a Windows machine, over WinRM.", options: o.withDefaults(),
		parameters: cmdParameter, script: func(_ context.Context, job runners.Job) (command, error) { return given(job, true) }}
}

// NewScript returns winrm-ps-script, which runs the PowerShell script in the
// action's entry point.
func NewScript(o Options) *Runner {
	return &Runner{name: "winrm-ps-script", description: "Runs a PowerShell script of a pack on a Windows machine, over WinRM.",
		options: o.withDefaults(), script: scriptOf}
}

func (o Options) withDefaults() Options {
	if o.Grace <= 0 {
		o.Grace = 5 * time.Second
	}
	if o.operationTimeout <= 0 {
		o.operationTimeout = 20 * time.Second
	}
	return o
}

const cmdParameter = `"cmd":{"type":"string","required":true,"description":"What is run."},`

// Spec describes the runner.
func (r *Runner) Spec() engine.Runner {
	return engine.Runner{
		Name: r.name, Description: r.description, Enabled: true,
		Parameters: []byte(`{` + r.parameters + `
"cwd":{"type":"string","description":"Folder on the machine that it is run in."},
"env":{"type":"object","description":"Environment variables, name to value."},
"host":{"type":"string","required":true,"description":"Name or address of the machine."},
"kwarg_op":{"type":"string","default":"-","description":"What named arguments of a script begin with."},
"password":{"type":"string","required":true,"secret":true,"description":"Password of the account."},
"port":{"type":"integer","default":5986,"description":"Port of WinRM: 5986 for HTTPS, 5985 for HTTP."},
"scheme":{"type":"string","default":"https","description":"https or http; port 5985 means http."},
"timeout":{"type":"integer","default":60,"description":"Seconds after which it is ended."},
"transport":{"type":"string","default":"ntlm","enum":["basic","certificate","credssp","kerberos","ntlm","plaintext","ssl"],"description":"How the account proves itself: ntlm, or basic (also called plaintext and ssl). The others are not available."},
"username":{"type":"string","required":true,"description":"Name of the account: user, DOMAIN\\user or user@domain."},
"verify_ssl_cert":{"type":"boolean","default":true,"description":"Check the certificate of the machine."}}`),
	}
}

// errTimeout is the cause with which the runner itself ends the work.
var errTimeout = errors.New("timeout")

// Run runs what the action says and waits for its end.
func (r *Runner) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	timeout, err := runners.SecondsParam(job.Runner, "timeout", DefaultTimeout)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	t, err := readTarget(job.Runner)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	c, err := r.script(ctx, job)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	budget := output.NewBudget(r.options.OutputLimit, func() { stop(output.ErrTooMuch) })
	stdout := output.NewStream(budget, func(p []byte) { job.Output(runners.Stdout, p) })
	stderr := output.NewStream(budget, func(p []byte) { job.Output(runners.Stderr, p) })
	code, err := r.options.run(ctx, t, c, stdout, stderr)
	stdout.Close()
	stderr.Close()
	return r.outcome(ctx, timeout, budget, code, err, stdout.Text(), stderr.Text()), nil
}

// outcome says how it ended.
func (r *Runner) outcome(ctx context.Context, timeout time.Duration, budget *output.Budget, code int, err error, stdout, stderr []byte) runners.Outcome {
	status, problem := engine.Succeeded, ""
	cause := context.Cause(ctx)
	switch {
	case budget.Exceeded():
		status, problem, code = engine.Failed, budget.Problem(), codeTimeout
	case errors.Is(cause, errTimeout):
		status, code = engine.TimedOut, codeTimeout
		problem = fmt.Sprintf("the action did not finish within %s seconds and was ended", strconv.FormatFloat(timeout.Seconds(), 'f', -1, 64))
	case errors.Is(cause, runners.ErrCanceled):
		status, problem, code = engine.Canceled, "the execution was canceled", codeTimeout
	case cause != nil:
		status, problem, code = engine.Abandoned, "the program stopped while the action ran", codeTimeout
	case err != nil:
		return runners.Failure(err.Error())
	case code != 0:
		status = engine.Failed
	}
	return runners.Outcome{Status: status, Result: output.Result(status == engine.Succeeded, code, stdout, cleanErrors(stderr), problem)}
}

// given is the command in the parameters.
func given(job runners.Job, powerShell bool) (command, error) {
	text, err := runners.TextParam(job.Runner, "cmd")
	if err == nil && strings.TrimSpace(text) == "" {
		err = errors.New("parameter cmd is empty; there is nothing to run")
	}
	return command{text, powerShell}, err
}

// scriptOf is the script in the action's entry point, with its arguments.
func scriptOf(ctx context.Context, job runners.Job) (command, error) {
	entry, err := content.Locate(ctx, job)
	if err != nil {
		return command{}, err
	}
	defer entry.Close() // it has been read
	body, err := os.ReadFile(entry.Path)
	if err != nil {
		return command{}, fmt.Errorf("entry_point %s cannot be read: %w", job.Action.EntryPoint, err)
	}
	op, err := runners.TextParam(job.Runner, "kwarg_op")
	if err != nil {
		return command{}, err
	}
	text := strings.TrimPrefix(string(body), "\ufeff")
	arguments, err := scriptArguments(job, op)
	if arguments != "" {
		text = "& {" + text + "\n}" + arguments
	}
	return command{text, true}, err
}

// target is the machine and how to get in.
type target struct {
	host               string
	port               int
	https, insecure    bool
	username, password string
	ntlm               bool
	cwd                string
	env                *value.Dict
}

func readTarget(p *value.Dict) (t target, err error) {
	var transport, scheme string
	for name, to := range map[string]*string{
		"host": &t.host, "username": &t.username, "password": &t.password, "transport": &transport, "scheme": &scheme, "cwd": &t.cwd,
	} {
		if *to, err = runners.TextParam(p, name); err != nil {
			return t, err
		}
	}
	if t.env, err = runners.ObjectParam(p, "env"); err != nil {
		return t, err
	}
	verify, err := runners.BoolParam(p, "verify_ssl_cert", true)
	if err != nil {
		return t, err
	}
	port, _ := p.GetString("port")
	switch n := port.(type) {
	case nil:
		t.port = portHTTPS
	case int64:
		t.port = int(n)
	default:
		return t, fmt.Errorf("parameter port must be a whole number, not %s", value.TypeName(port))
	}
	switch {
	case t.host == "":
		return t, errors.New("parameter host is empty; name a machine")
	case t.port < 1 || t.port > 65535:
		return t, fmt.Errorf("parameter port is %d; ports are 1 to 65535", t.port)
	case scheme != "" && scheme != "http" && scheme != "https":
		return t, fmt.Errorf("parameter scheme is %q; write https or http", scheme)
	}
	t.https, t.insecure = scheme != "http" && t.port != portHTTP, !verify
	switch transport {
	case "", "ntlm":
		t.ntlm = true
	case "basic", "plaintext", "ssl":
	default:
		return t, fmt.Errorf("parameter transport: %s is not available; use ntlm, or basic over https", transport)
	}
	return t, nil
}
