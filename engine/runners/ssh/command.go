package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"petrel/engine/runners/posix"
)

// endLimit is how long it may take, over the grace, until a host has ended what
// runs on it.
const endLimit = 5 * time.Second

// command is one command line in a session of a connection. Sessions of package
// ssh wait until the channel is closed, which something left in the background
// prevents; so this speaks RFC 4254 itself.
type command struct {
	line, stdin    string
	pty            bool
	stdout, stderr io.Writer
	drain          time.Duration
}

// run runs the command and returns its exit code, minus the number of the signal
// that ended it. When ctx ends first it calls end, which ends processes over the
// connection and reports whether it could; it gives the command the grace to end,
// and returns the cause.
func (c *command) run(ctx context.Context, conn *ssh.Client, end func() bool, grace time.Duration) (int, error) {
	channel, requests, err := openSession(ctx, conn)
	if err != nil {
		return 0, err
	}
	ended := make(chan exitStatus, 1)
	go func() { ended <- waitExit(requests) }()
	if err := c.start(channel); err != nil {
		channel.Close()
		return 0, err
	}
	// Readers end with the channel, at the latest when the connection is closed.
	var readers sync.WaitGroup
	readers.Go(func() { io.Copy(c.stdout, channel) })
	readers.Go(func() { io.Copy(c.stderr, channel.Stderr()) })
	output := make(chan struct{})
	go func() {
		readers.Wait()
		close(output)
	}()
	defer func() {
		channel.Close()
		silent := time.AfterFunc(endLimit, func() { conn.Close() })
		<-output
		silent.Stop()
	}()

	var exit exitStatus
	select {
	case exit = <-ended:
	case <-ctx.Done():
		return 0, c.stop(ctx, conn, channel, ended, output, end, grace)
	}
	late := time.NewTimer(c.drain)
	defer late.Stop()
	select {
	case <-output:
	case <-late.C:
	case <-ctx.Done():
		return 0, c.stop(ctx, conn, channel, nil, output, end, grace)
	}
	return exit.code, exit.err
}

// openSession opens a channel; a host that does not answer is left with ctx.
func openSession(ctx context.Context, conn *ssh.Client) (ssh.Channel, <-chan *ssh.Request, error) {
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	release := context.AfterFunc(ctx, func() { conn.Close() })
	channel, requests, err := conn.OpenChannel("session", nil)
	if !release() {
		return nil, nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open a session: %w", err)
	}
	return channel, requests, nil
}

func (c *command) start(channel ssh.Channel) error {
	if c.pty {
		// No echo, and no CR before LF (RFC 4254, section 8).
		modes := string([]byte{53, 0, 0, 0, 0, 72, 0, 0, 0, 0, 0})
		if err := ask(channel, "pty-req", ssh.Marshal(struct {
			Term                         string
			Columns, Rows, Width, Height uint32
			Modes                        string
		}{"vt100", 80, 24, 0, 0, modes})); err != nil {
			return err
		}
	}
	if err := ask(channel, "exec", ssh.Marshal(struct{ Line string }{c.line})); err != nil {
		return err
	}
	if c.pty {
		return nil // the end of the input would reach a terminal as a hang-up
	}
	go func() {
		io.WriteString(channel, c.stdin) // a command that does not read is no error
		channel.CloseWrite()
	}()
	return nil
}

func ask(channel ssh.Channel, kind string, payload []byte) error {
	ok, err := channel.SendRequest(kind, true, payload)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	if !ok {
		return fmt.Errorf("the host refused the request %s", kind)
	}
	return nil
}

// stop ends the command and returns the cause.
func (c *command) stop(ctx context.Context, conn *ssh.Client, channel ssh.Channel, ended <-chan exitStatus, output <-chan struct{}, end func() bool, grace time.Duration) error {
	// Whatever happens to the host, this comes to its end.
	limit := time.AfterFunc(grace+endLimit, func() { conn.Close() })
	defer limit.Stop()
	swept := make(chan struct{})
	go func() {
		if end == nil || !end() {
			sendSignal(channel, "TERM")
		}
		close(swept)
	}()
	kill := time.NewTimer(grace)
	defer kill.Stop()
	for ended != nil {
		select {
		case <-ended:
			ended = nil
		case <-kill.C:
			sendSignal(channel, "KILL")
		}
	}
	<-swept
	late := time.NewTimer(c.drain)
	defer late.Stop()
	select {
	case <-output:
	case <-late.C:
	}
	return context.Cause(ctx)
}

// sendSignal asks the host to signal the group of the command. Hosts that
// cannot do that ignore it.
func sendSignal(channel ssh.Channel, name string) {
	_, _ = channel.SendRequest("signal", false, ssh.Marshal(struct{ Name string }{name}))
}

type exitStatus struct {
	code int
	err  error
}

// signals are those of RFC 4254 that end commands, with their numbers.
var signals = map[string]int{
	"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15,
}

// waitExit waits for the end of the command, or of the connection.
func waitExit(requests <-chan *ssh.Request) exitStatus {
	exit := exitStatus{err: errors.New("the connection was lost before the command ended")}
	for r := range requests {
		if r.WantReply {
			_ = r.Reply(false, nil) // the connection's end shows by itself
		}
		switch r.Type {
		case "exit-status":
			var status struct{ Code uint32 }
			if err := ssh.Unmarshal(r.Payload, &status); err != nil {
				return exitStatus{err: fmt.Errorf("exit status: %w", err)}
			}
			go ssh.DiscardRequests(requests)
			return exitStatus{code: int(status.Code)}
		case "exit-signal":
			var status struct {
				Name       string
				CoreDumped bool
				Message    string
				Language   string
			}
			if err := ssh.Unmarshal(r.Payload, &status); err != nil {
				return exitStatus{err: fmt.Errorf("exit signal: %w", err)}
			}
			go ssh.DiscardRequests(requests)
			if n, ok := signals[status.Name]; ok {
				return exitStatus{code: -n}
			}
			return exitStatus{code: -1}
		}
	}
	return exit
}

// sweep is a script that ends all processes of our connection, also those that
// left the group of the command: TERM, and what is left after the grace, KILL.
// They are known by their environment, in which sshd names the connection
// ($1), and by the mark of the execution ($2), when sudo took that from them. It
// needs Linux's /proc. Its own environment is empty.
const sweep = `n=$3
[ -r /proc/self/environ ] || exit 9
[ -n "$1" ] || set -- "$2" "$2"
each() {
  found=
  for e in $(grep -lzxF -e "$m1" -e "$m2" /proc/[0-9]*/environ 2>/dev/null); do
    p=${e#/proc/}
    kill "-$1" "${p%/environ}" 2>/dev/null && found=1
  done
}
m1=$1; m2=$2
each TERM
while [ -n "$found" ] && [ "$n" -gt 0 ]; do sleep 0.1; n=$((n-1)); each 0; done
[ -z "$found" ] || each KILL`

// end ends what the command has started, in a session of its own. It reports
// whether the host could do that.
func (t *task) end(conn *ssh.Client) bool {
	if t.id == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.options.Grace+endLimit)
	defer cancel()
	sh := "sh"
	c := command{stdout: io.Discard, stderr: io.Discard}
	switch {
	case t.sudo && t.sudoWord != "":
		sh, c.stdin = "sudo -S -- sh", t.stdin()
	case t.sudo:
		sh = "sudo -n -- sh"
	}
	c.line = fmt.Sprintf(`exec env -i PATH="$PATH" %s -c %s sh "${SSH_CONNECTION:+SSH_CONNECTION=$SSH_CONNECTION}" %s %d`,
		sh, posix.Quote(sweep), posix.Quote(marker+t.id), t.options.Grace/(100*time.Millisecond))
	code, err := c.run(ctx, conn, nil, 0)
	return err == nil && code == 0
}
