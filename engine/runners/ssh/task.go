package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"petrel/engine/expression/value"
	"petrel/engine/runners"
	"petrel/engine/runners/output"
	"petrel/engine/runners/posix"
)

// task is what shall be done on every host.
type task struct {
	id       string // of the execution
	hosts    []host
	bastion  *host
	login    login
	command  string
	cwd      string
	exports  []string // NAME=value
	sudo     bool
	sudoWord string // sudo's password
	timeout  time.Duration
	upload   *upload // nil: only a command
	options  Options
}

// host is one that the parameter hosts names.
type host struct {
	name    string // its key in the result
	address string // host:port
}

func readTask(job runners.Job, o Options) (*task, error) {
	t := &task{options: o}
	if job.Execution != nil {
		t.id = job.Execution.ID
	}
	for _, step := range []func(runners.Job) error{t.readHosts, t.readLogin, t.readSettings, t.readEnv} {
		if err := step(job); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *task) readHosts(job runners.Job) error {
	text, err := runners.TextParam(job.Runner, "hosts")
	if err != nil {
		return err
	}
	port, err := readPort(job.Runner)
	if err != nil {
		return err
	}
	seen, names := map[string]bool{}, map[string]int{}
	var given []string
	for _, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, address, err := splitHost(part, port)
		if err != nil {
			return fmt.Errorf("parameter hosts: %w", err)
		}
		if seen[address] {
			continue
		}
		seen[address] = true
		names[name]++
		given = append(given, part)
		t.hosts = append(t.hosts, host{name, address})
	}
	if len(t.hosts) == 0 {
		return errors.New("parameter hosts is missing: name one or more hosts, separated by commas")
	}
	for i, h := range t.hosts {
		if names[h.name] > 1 { // the port tells them apart
			t.hosts[i].name = given[i]
		}
	}
	bastion, err := runners.TextParam(job.Runner, "bastion_host")
	if err != nil || bastion == "" {
		return err
	}
	name, address, err := splitHost(strings.TrimSpace(bastion), port)
	if err != nil {
		return fmt.Errorf("parameter bastion_host: %w", err)
	}
	t.bastion = &host{name, address}
	return nil
}

func readPort(params *value.Dict) (int, error) {
	v, _ := params.GetString("port")
	switch v := v.(type) {
	case nil:
		return defaultPort, nil
	case int64:
		if v > 0 && v < 1<<16 {
			return int(v), nil
		}
	}
	return 0, fmt.Errorf("parameter port must be a number from 1 to 65535, not %s", value.Str(v))
}

// splitHost reads host, host:port, [IPv6]:port, [IPv6] or IPv6.
func splitHost(text string, port int) (name, address string, err error) {
	name = text
	switch {
	case strings.HasPrefix(text, "["):
		inner, rest, ok := strings.Cut(text[1:], "]")
		if _, err := netip.ParseAddr(inner); err != nil || !ok || rest != "" && rest[0] != ':' {
			return "", "", fmt.Errorf("%q is not a host; an IPv6 address with a port is written [address]:port", text)
		}
		name = inner
		if rest != "" {
			port, err = strconv.Atoi(rest[1:])
		}
	case strings.Count(text, ":") == 1:
		var digits string
		name, digits, _ = strings.Cut(text, ":")
		port, err = strconv.Atoi(digits)
	case strings.Contains(text, ":"):
		_, err = netip.ParseAddr(text)
	}
	if err != nil || name == "" || port < 1 || port > 65535 || strings.ContainsAny(name, " \t/@") {
		return "", "", fmt.Errorf("%q is not a host; write name, name:port or [IPv6]:port", text)
	}
	return name, net.JoinHostPort(name, strconv.Itoa(port)), nil
}

func (t *task) readSettings(job runners.Job) (err error) {
	if t.cwd, err = runners.TextParam(job.Runner, "cwd"); err != nil {
		return err
	}
	if t.cwd == "" {
		t.cwd = "/tmp"
	}
	if t.timeout, err = runners.SecondsParam(job.Runner, "timeout", DefaultTimeout); err != nil {
		return err
	}
	if t.sudo, err = runners.BoolParam(job.Runner, "sudo", false); err != nil || !t.sudo {
		return err
	}
	if t.sudoWord, err = runners.TextParam(job.Runner, "sudo_password"); err != nil {
		return err
	}
	if strings.ContainsAny(t.sudoWord, "\n\x00") {
		return errors.New("parameter sudo_password must be one line")
	}
	return nil
}

const marker = "ST2_ACTION_EXECUTION_ID="

func (t *task) readEnv(job runners.Job) error {
	env, err := runners.ObjectParam(job.Runner, "env")
	if err != nil {
		return err
	}
	for k, v := range env.All() {
		name, text := value.Str(k), value.Str(v)
		if !posix.IsVariable(name) {
			return fmt.Errorf("parameter env: %q cannot be the name of a variable", name)
		}
		if strings.Contains(text, "\x00") {
			return fmt.Errorf("parameter env: the value of %s contains a zero byte", name)
		}
		if v != nil {
			t.exports = append(t.exports, name+"="+text)
		}
	}
	t.exports = append(t.exports, job.Env...)
	// The mark by which what the command started is found.
	if t.id != "" {
		t.exports = append(t.exports, marker+t.id)
	}
	return nil
}

// line is the command line that a host runs. Its password is read from the
// standard input, never shown in a list of processes.
func (t *task) line() string {
	var b strings.Builder
	if len(t.exports) > 0 {
		b.WriteString("export")
		for _, e := range t.exports {
			name, text, _ := strings.Cut(e, "=")
			b.WriteString(" " + name + "=" + posix.Quote(text))
		}
		b.WriteString("; ")
	}
	// Not a list with &&: of "a & b" it would hold a only.
	b.WriteString("cd " + posix.Quote(t.cwd) + " || exit; " + t.command)
	if !t.sudo {
		return b.String()
	}
	sudo := "sudo -E -- bash -c "
	if t.sudoWord != "" {
		sudo = "sudo -S -E -- bash -c "
	}
	if t.id != "" { // sudo -E hands the mark on to the shell itself
		sudo = "export " + marker + posix.Quote(t.id) + " && " + sudo
	}
	return sudo + posix.Quote(b.String())
}

func (t *task) stdin() string {
	if t.sudoWord == "" {
		return ""
	}
	return t.sudoWord + "\n"
}

// pty reports whether the command needs a terminal: sudo may be set up to
// demand one.
func (t *task) pty() bool {
	return t.sudo && t.sudoWord == "" || !t.sudo && t.upload == nil && strings.HasPrefix(t.command, "sudo")
}

// runOn does the task on one host.
func (t *task) runOn(ctx context.Context, h host, dial dialFunc, budget *output.Budget, relay func(runners.Stream, []byte)) result {
	conn, err := t.connect(ctx, h, dial)
	if err != nil {
		return failure(err, "could not connect to "+h.address)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, t.timeout, errTimeout)
	defer cancel()
	if t.upload != nil {
		defer t.upload.remove(conn)
		if err := t.upload.copy(ctx, conn); err != nil {
			return t.settle(ctx, result{code: codeError}, fmt.Errorf("copy the script to %s: %w", t.upload.dir, err), budget)
		}
	}
	sink := func(s runners.Stream) func([]byte) {
		if relay == nil {
			return nil
		}
		return func(p []byte) { relay(s, p) }
	}
	stdout, stderr := output.NewStream(budget, sink(runners.Stdout)), output.NewStream(budget, sink(runners.Stderr))
	c := command{line: t.line(), stdin: t.stdin(), pty: t.pty(), stdout: stdout, stderr: stderr, drain: t.options.Drain}
	code, err := c.run(ctx, conn, func() bool { return t.end(conn) }, t.options.Grace)
	stdout.Close()
	stderr.Close()
	return t.settle(ctx, result{code: code, stdout: stdout.Text(), stderr: stderr.Text()}, err, budget)
}

// settle says how the work on a host ended.
func (t *task) settle(ctx context.Context, r result, err error, budget *output.Budget) result {
	cause := context.Cause(ctx)
	if err == nil {
		cause = nil // it had ended by itself before
	}
	refusal, refused := "", false
	if t.sudoWord != "" {
		refusal, refused = posix.SudoRefusal(r.stderr)
	}
	switch {
	case budget.Exceeded():
		r.problem = budget.Problem()
	case errors.Is(cause, errTimeout):
		r.code, r.timeout = codeTimeout, true
		r.problem = fmt.Sprintf("the action did not finish within %s seconds and was ended", strconv.FormatFloat(t.timeout.Seconds(), 'g', -1, 64))
	case errors.Is(cause, runners.ErrCanceled):
		r.problem = "the execution was canceled"
	case errors.Is(cause, runners.ErrShutdown):
		r.problem = "the program stopped while the action ran"
	case err != nil:
		r.code, r.problem = codeError, err.Error()
	case refused:
		r.code, r.problem = codeError, refusal
	default:
		r.succeeded = r.code == 0
	}
	return r
}
