// Package prompt is what a person has in their terminal to talk in a room of
// package terminal: it joins a session, sends what is typed, and shows what is
// said. On a terminal it edits lines and redraws messages in place; on a pipe it
// is for scripts and tests: one line at a time, each until its last answer.
//
// The package knows the session protocol and nothing of what stands behind it.
package prompt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"runtime/debug"
	"time"

	"golang.org/x/term"

	"petrel/adapters/terminal"
)

// Options sets up a conversation.
type Options struct {
	// Dial connects to the room. It is called again when the connection is lost.
	Dial func(ctx context.Context) (net.Conn, error)

	In  io.Reader // default os.Stdin
	Out io.Writer // default os.Stdout

	Name    string // who speaks at first; default: the login name
	Channel string // where; default "#general"

	// History is how many earlier messages are shown on joining a channel: 0
	// means 10 on a terminal and none on a pipe, -1 none.
	History int

	// Timeout is how long a line on a pipe waits for its last answer. Default
	// 10 min.
	Timeout time.Duration

	// Files is the folder where files are saved. On a pipe every file that comes
	// is saved there; without it only what /save asks for, in the current folder.
	Files string

	// GiveUp is how long a lost connection is tried again. Default 30 s.
	GiveUp time.Duration

	// Plain makes a terminal be treated like a pipe; NoColour switches colours
	// off. The environment says so too: TERM=dumb, NO_COLOR.
	Plain, NoColour bool

	// Notices are lines to be shown between the messages, such as the log of a
	// program that shares the terminal. May be nil.
	Notices <-chan string
}

// Outcome counts how the lines ended that were read from a pipe. Lines that
// talk to the prompt (/in #ops) count only when they are wrong.
type Outcome struct {
	Succeeded     int
	Failed        int // the last answer says so, or there is none
	NotUnderstood int // refused, or nobody was addressed
}

// OK reports whether everything that was said succeeded.
func (o Outcome) OK() bool { return o.Failed == 0 && o.NotUnderstood == 0 }

// IsTerminal reports whether Run with these options edits lines and redraws
// messages, and does not wait for answers.
func IsTerminal(o Options) bool {
	_, _, is := o.withDefaults().terminal()
	return is
}

// Run holds a conversation until the input ends, somebody says /quit, ctx ends
// (then it returns ctx's error) or the connection stays lost. A terminal is given
// back as it was found, also after a panic. The goroutine that reads In ends with
// its next line only, if In is then still open.
func Run(ctx context.Context, o Options) (Outcome, error) {
	o = o.withDefaults()
	if o.Dial == nil {
		return Outcome{}, errors.New("prompt: Options.Dial is missing")
	}
	name, err := terminal.PersonName(o.Name)
	if err != nil {
		return Outcome{}, fmt.Errorf("your name: %w", err)
	}
	in, out, isTerminal := o.terminal()
	c := newConversation(o, name, isTerminal)
	if !isTerminal {
		c.display = &transcript{out: o.Out}
		return c.run(ctx, pipeLines(o.In))
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return Outcome{}, fmt.Errorf("prepare the terminal: %w", err)
	}
	defer term.Restore(int(in.Fd()), before)
	s := newScreen(in, out, !o.NoColour)
	defer s.close()
	c.display = s
	return c.run(ctx, s.readLine)
}

func (o Options) withDefaults() Options {
	if o.In == nil {
		o.In = os.Stdin
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	o.Name = cmp.Or(o.Name, terminal.CleanName(cmp.Or(os.Getenv("USER"), os.Getenv("USERNAME"), os.Getenv("LOGNAME"), loginName())))
	o.Channel = cmp.Or(o.Channel, "#general")
	o.Timeout = cmp.Or(o.Timeout, 10*time.Minute)
	o.GiveUp = cmp.Or(o.GiveUp, 30*time.Second)
	o.NoColour = o.NoColour || os.Getenv("NO_COLOR") != ""
	return o
}

// loginName is the operating system's name of the person, if it has one.
func loginName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// terminal returns the two files of a terminal, if that is what it is.
func (o Options) terminal() (in, out *os.File, is bool) {
	in, inFile := o.In.(*os.File)
	out, outFile := o.Out.(*os.File)
	is = !o.Plain && os.Getenv("TERM") != "dumb" && inFile && outFile &&
		term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd()))
	return in, out, is
}

// input is a line that was read, or why there are no more.
type input struct {
	line  string
	err   error
	panic any // of the reading goroutine, to be raised where the terminal is given back
}

// reader calls read for one line after the other: the next one when next allows.
func reader(ctx context.Context, read func() (string, error), lines chan<- input, next <-chan struct{}) {
	defer func() {
		if p := recover(); p != nil {
			select {
			case lines <- input{panic: fmt.Sprintf("%v\n%s", p, debug.Stack())}:
			case <-ctx.Done():
			}
		}
	}()
	for {
		line, err := read()
		select {
		case lines <- input{line: line, err: err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
		select {
		case <-next:
		case <-ctx.Done():
			return
		}
	}
}
