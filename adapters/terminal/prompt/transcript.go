package prompt

import (
	"bufio"
	"io"
	"strings"
)

// transcript is the display of a pipe: everything is printed once, in order, as
// plain text, and of an edit only what changed.
type transcript struct {
	out  io.Writer
	last *block
}

var _ display = (*transcript)(nil)

func (t *transcript) add(b *block) {
	t.print(b.rows())
	t.last = b
}

func (t *transcript) change(b *block, before []row) {
	fresh := changes(before, b.rows(), b.view, t.last == b)
	if len(fresh) == 0 {
		return
	}
	t.print(fresh)
	t.last = b
}

// print ignores errors: when nobody reads any more, the commands are still sent
// and their outcome is the exit code.
func (t *transcript) print(rows []row) {
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(r.text() + "\n")
	}
	io.WriteString(t.out, b.String())
}

func (t *transcript) look(string)              {}
func (t *transcript) entered(string)           {}
func (t *transcript) resized() <-chan struct{} { return nil }
func (t *transcript) redraw()                  {}

// pipeLines reads the lines of a pipe. The last one needs no line break.
func pipeLines(in io.Reader) func() (string, error) {
	r := bufio.NewReader(in)
	return func() (string, error) { return r.ReadString('\n') }
}
