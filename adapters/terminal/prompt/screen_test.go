//go:build unix

package prompt

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/term"

	"petrel/adapters"
	"petrel/adapters/terminal"
)

// desk is somebody at a terminal.
type desk struct {
	t     *testing.T
	vt    *vt
	pty   *os.File
	room  *terminal.Server
	ended chan error
}

func sit(t *testing.T, cols, rows int) *desk {
	t.Helper()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	s, dial := room(t, terminal.Options{})
	return sitDown(t, s, Options{Dial: dial}, cols, rows)
}

func sitDown(t *testing.T, s *terminal.Server, o Options, cols, rows int) *desk {
	return sitDownIn(t, s, o, cols, rows, o.Dial)
}

// sitDownIn is sitDown where the test itself has another way into the room.
func sitDownIn(t *testing.T, s *terminal.Server, o Options, cols, rows int, visit func(context.Context) (net.Conn, error)) *desk {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, vt: newVT(cols, rows), pty: master, room: s, ended: make(chan error, 1)}
	if err := pty.Setsize(master, &pty.Winsize{Cols: uint16(cols), Rows: uint16(rows)}); err != nil {
		t.Fatal(err)
	}
	before, err := term.GetState(int(tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	read := make(chan struct{})
	go func() { defer close(read); io.Copy(d.vt, master) }()
	o.In, o.Out, o.Name = tty, tty, "ann"
	if !IsTerminal(o) {
		t.Fatal("a pseudo-terminal is not taken for a terminal")
	}
	go func() {
		_, err := Run(ctx, o)
		if after, e := term.GetState(int(tty.Fd())); e != nil || *after != *before {
			t.Errorf("the terminal is not as it was before: %v", e)
		}
		d.ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-d.ended:
		case <-time.After(10 * time.Second):
			t.Error("the prompt does not end")
		}
		io.WriteString(master, "x\n") // for a read of the terminal that is under way
		tty.Close()
		<-read
		master.Close()
		for _, c := range d.vt.complaints {
			t.Errorf("the terminal received %s", c)
		}
	})
	d.sees("ann #general>")
	arrived(t, visit, "ann")
	return d
}

// arrived waits until the room knows that somebody is in #general.
func arrived(t *testing.T, dial func(context.Context) (net.Conn, error), name string) {
	t.Helper()
	conn, err := dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	frames := json.NewDecoder(conn)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		fmt.Fprintln(conn, `{"do":"who","delivery":"w"}`)
		var f terminal.Frame
		for f.Is != terminal.IsWho {
			if err := frames.Decode(&f); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range f.People {
			if p.Name == name && slices.Contains(p.Channels, "#general") {
				return
			}
		}
	}
	t.Fatalf("%s does not arrive in #general", name)
}

func (d *desk) types(s string) {
	d.t.Helper()
	if _, err := io.WriteString(d.pty, s); err != nil {
		d.t.Fatal(err)
	}
}

// awaits waits for a picture.
func (d *desk) awaits(what string, ok func(picture string) bool) {
	d.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		d.vt.mu.Lock()
		changed := d.vt.changed
		d.vt.mu.Unlock()
		if ok(d.vt.picture()) {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			d.t.Fatalf("never seen: %s\nthe screen shows:\n%s", what, d.vt.picture())
		}
	}
}

func (d *desk) sees(part string) {
	d.t.Helper()
	d.awaits(part, func(p string) bool { return strings.Contains(p, part) })
}

// shows waits until the screen is exactly this.
func (d *desk) shows(lines ...string) {
	d.t.Helper()
	want := strings.Join(lines, "\n")
	d.awaits("\n"+want, func(p string) bool { return p == want })
}

func (d *desk) ends() {
	d.t.Helper()
	select {
	case err := <-d.ended:
		if err != nil {
			d.t.Errorf("the prompt ended with: %v", err)
		}
		d.ended <- nil
	case <-time.After(10 * time.Second):
		d.t.Fatalf("the prompt does not end; the screen shows:\n%s", d.vt.picture())
	}
}

func (d *desk) say(s string) adapters.Ref {
	d.t.Helper()
	ref, err := d.room.Send(context.Background(), adapters.Message{To: adapters.Target{Channel: "#general"}, Blocks: text(s)})
	if err != nil {
		d.t.Fatal(err)
	}
	return ref
}

func (d *desk) edit(ref adapters.Ref, s string) {
	d.t.Helper()
	if err := d.room.Update(context.Background(), ref, adapters.Message{Blocks: text(s)}); err != nil {
		d.t.Fatal(err)
	}
}

// A form takes the lines in place of the room, until it is sent.
func TestScreenForm(t *testing.T) {
	d := sit(t, 70, 40)
	d.types("!choose\r")
	d.sees("[2] Ask")
	d.types("2\r")
	d.sees("Version* [1.2]:")
	d.types("9\r")
	d.sees("Why*:")
	d.types("because\r")
	d.sees("Notes:")
	d.types("\r")
	d.sees("Environment:")
	d.types("qa\r")
	d.sees("Force [no] (yes or no):")
	d.types("y\r")
	d.sees("-- Version: there is no version 9")
	d.sees("Version* [9]:")
	d.types("2\r")
	d.sees(`"version":"2" "why":"because"`)
	d.sees("ann #general>")
}

// The slash command, a question before a press, and a file that is written.
func TestScreenControls(t *testing.T) {
	d := sit(t, 70, 40)
	d.types("/petrel choose\r")
	d.sees("[1] Wipe")
	d.types("1\r")
	d.sees("Wipe?")
	d.types("yes\r")
	d.sees("petrel: ✓ ann pressed wipe")
	d.types("4\r")
	d.sees("petrel: ✓ ann pressed env=q")
	d.types("!file\r")
	d.sees(":eyes: pinned")
	path := filepath.Join(t.TempDir(), "saved.txt")
	d.types("/save 1 " + path + "\r")
	d.sees("was saved as")
	if got, err := os.ReadFile(path); err != nil || string(got) != "content\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestScreenConversation(t *testing.T) {
	d := sit(t, 60, 20)
	d.types("!run date\r")
	d.shows("ann: !run date", "  petrel: ✓ On it: date", "      │ first", "      │ second", "      [1] Re-run  [2] Details", "ann #general>")
	d.types("2\r")
	d.sees("petrel: ✓ ann pressed more")
	d.types("/in #ops\r")
	d.sees("ann #ops>")
	d.types("/as bob\r")
	d.sees("bob #ops>")
	d.types("/dm\r")
	d.sees("bob @petrel>")
	d.types("\x04")
	d.ends()
}

func TestScreenKeepsTheHalfTypedLine(t *testing.T) {
	for _, typed := range []string{"half a li", strings.Repeat("long ", 25), strings.Repeat("x", 40-len("ann #general> ")), "ends at the start\x01"} {
		t.Run(typed, func(t *testing.T) {
			d := sit(t, 40, 12)
			shown := strings.TrimRight(typed, "\x01")
			d.types(typed)
			prompt := wrapped("ann #general> "+shown, 40)
			d.shows(prompt...)
			ref := d.say("one")
			d.shows(append([]string{"petrel: one"}, prompt...)...)
			d.say("two")
			d.edit(ref, "uno")
			d.shows(append([]string{"petrel: uno", "petrel: two"}, prompt...)...)
			d.edit(ref, "uno\ndue\ntre")
			d.shows(append([]string{"petrel: uno", "    due", "    tre", "petrel: two"}, prompt...)...)
			d.edit(ref, "uno")
			d.shows(append([]string{"petrel: uno", "petrel: two"}, prompt...)...)
			d.types("!\r")
			said := shown + "!"
			if strings.HasSuffix(typed, "\x01") {
				said = "!" + shown
			}
			d.awaits("the line said", func(p string) bool {
				return strings.Contains(strings.ReplaceAll(strings.ReplaceAll(p, "\n    ", ""), " ", ""), "ann:"+strings.ReplaceAll(said, " ", "")) &&
					strings.HasSuffix(p, "ann #general>") && strings.Count(p, "#general>") == 1
			})
		})
	}
}

func wrapped(s string, cols int) (out []string) {
	for len(s) > cols {
		out = append(out, strings.TrimRight(s[:cols], " "))
		s = s[cols:]
	}
	return append(out, strings.TrimRight(s, " "))
}

func TestScreenEditOutOfReach(t *testing.T) {
	d := sit(t, 40, 8)
	ref := d.say("card: waiting")
	for i := range 10 {
		d.say(fmt.Sprint("line ", i))
	}
	d.edit(ref, "card: begun")
	d.sees("petrel (edited): card: begun")
	d.edit(ref, "card: half\nmore")
	d.sees("more")
	d.edit(ref, "card: done")
	d.shows("petrel: line 5", "petrel: line 6", "petrel: line 7", "petrel: line 8", "petrel: line 9", "petrel (edited): card: done", "ann #general>")
}

func TestScreenMessageTallerThanTheScreen(t *testing.T) {
	d := sit(t, 40, 8)
	var out []string
	ref := d.say("output")
	for i := range 30 {
		out = append(out, fmt.Sprint("line ", i))
		d.edit(ref, "output\n"+strings.Join(out, "\n"))
		d.sees(out[i])
	}
	d.awaits("the prompt", func(p string) bool { return strings.HasSuffix(p, "    line 29\nann #general>") })
	all := strings.Join(d.vt.scrolled, "\n") + "\n" + d.vt.picture()
	for _, l := range out {
		if n := strings.Count(all+"\n", "    "+l+"\n"); n != 1 {
			t.Errorf("%q is printed %d times in:\n%s", l, n, all)
		}
	}
}

func TestScreenWraps(t *testing.T) {
	d := sit(t, 20, 12)
	ref := d.say("aaaa bbbb cccc dddd eeee ffff")
	d.shows("petrel: aaaa bbbb", "    cccc dddd eeee", "    ffff", "ann #general>")
	d.edit(ref, "日本語日本語日本語日本語")
	d.shows("petrel: 日本語日本", "    語日本語日本語", "ann #general>")
	d.edit(ref, "short")
	d.shows("petrel: short", "ann #general>")
}

func TestScreenResize(t *testing.T) {
	d := sit(t, 60, 12)
	ref := d.say("before")
	d.types("typed")
	d.shows("petrel: before", "ann #general> typed")
	d.vt.resize(30, 10)
	if err := pty.Setsize(d.pty, &pty.Winsize{Cols: 30, Rows: 10}); err != nil {
		t.Fatal(err)
	}
	// The kernel signals the terminal's foreground processes only; a test has none.
	if err := syscall.Kill(os.Getpid(), syscall.SIGWINCH); err != nil {
		t.Fatal(err)
	}
	d.say("a line that needs more than thirty columns")
	d.awaits("a wrapped line", func(p string) bool { return strings.Contains(p, "more than\n") || strings.Contains(p, "    ") })
	d.edit(ref, "after")
	d.sees("petrel (edited): after")
	d.edit(ref, "at last")
	d.awaits("an edit in place", func(p string) bool {
		return strings.Contains(p, "petrel (edited): at last") && !strings.Contains(p, "(edited): after") && strings.HasSuffix(p, "ann #general> typed")
	})
}

func TestScreenClear(t *testing.T) {
	d := sit(t, 40, 8)
	for i := range 10 {
		d.say(fmt.Sprint("line ", i))
	}
	d.sees("line 9")
	d.types("typed\x0c")
	d.shows("petrel: line 3", "petrel: line 4", "petrel: line 5", "petrel: line 6", "petrel: line 7", "petrel: line 8", "petrel: line 9", "ann #general> typed")
}

func TestScreenInertOutput(t *testing.T) {
	d := sit(t, 60, 12)
	d.types("!fail\r")
	d.sees("│ petrel: ✓ fake")
	d.say("\x1b[2J\x1b[H\x1bcgone\x9b2J \x1bP1$q\x1b\\ \u202eevil\u202c \x00\x08\x08")
	d.sees("␛cgone")
	d.sees("ann: !fail")
	d.sees("�evil")
}

func TestScreenCtrlC(t *testing.T) {
	d := sit(t, 60, 12)
	d.types("wrong")
	d.sees("> wrong")
	d.types("\x03")
	d.shows("-- Ctrl-C again leaves", "ann #general>")
	d.types("right\r")
	d.sees("ann: right")
	d.types("more\x03")
	d.awaits("an empty line", func(p string) bool { return strings.HasSuffix(p, "ann #general>") })
	d.types("\x03")
	d.ends()
}

func TestScreenPaste(t *testing.T) {
	d := sit(t, 60, 24)
	d.types("!secret\r\nsecond\n!third\rfou")
	d.sees("ann: !secret")
	d.sees("ann: second")
	d.sees("ann: !third")
	d.sees("ann #general> fou")
	d.types("\x1b[A\r") // history, instead of what was typed
	d.awaits("the line again", func(p string) bool {
		return count(p, "ann: !third") == 2 && strings.HasSuffix(p, "ann #general>")
	})
}

func TestScreenLostConnection(t *testing.T) {
	t.Setenv("TERM", "xterm")
	journal := &terminal.MemoryJournal{}
	_, dial1 := room(t, terminal.Options{Journal: journal})
	s2, dial2 := room(t, terminal.Options{Journal: journal})
	second := make(chan struct{})
	first := make(chan net.Conn, 1)
	var attempts atomic.Int32
	dial := func(ctx context.Context) (net.Conn, error) {
		if n := attempts.Add(1); n == 1 {
			c, err := dial1(ctx)
			first <- c
			return c, err
		}
		select {
		case <-second:
			return dial2(ctx)
		default:
			return nil, io.ErrUnexpectedEOF
		}
	}
	d := sitDownIn(t, s2, Options{Dial: dial}, 70, 20, dial1)
	d.types("!run one\r")
	d.sees("petrel: ✓ On it: one")
	(<-first).Close()
	d.sees("connection lost")
	d.types("!run two\r")
	d.sees("ann: !run two (not sent yet)")
	d.say("said meanwhile")
	close(second)
	d.sees("petrel: ✓ On it: two")
	d.sees("connected again")
	d.awaits("each once", func(p string) bool {
		return strings.Count(p, "said meanwhile") == 1 && count(p, "ann: !run one") == 1 &&
			strings.Count(p, "\nann: !run two\n") == 1 && strings.Count(p, "petrel: ✓ On it: one") == 1
	})
}

func TestScreenNotices(t *testing.T) {
	t.Setenv("TERM", "xterm")
	s, dial := room(t, terminal.Options{})
	notices := make(chan string)
	d := sitDown(t, s, Options{Dial: dial, Notices: notices}, 60, 12)
	d.types("half")
	notices <- "level=INFO msg=started"
	d.shows("-- level=INFO msg=started", "ann #general> half")
}
