package prompt

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"
)

// screen is the display of a terminal. Messages stand above the input line; one
// that changes is drawn again in its place as long as all of it is within
// reach, which is as far up as the cursor can go. Otherwise what changed is
// printed at the bottom, and that is redrawn from then on.
//
// Every line is wrapped here and never by the terminal, so that the number of
// rows is known. A resize makes the terminal arrange its rows anew in its own
// way; all that was drawn before is out of reach then.
type screen struct {
	out    *os.File
	colour bool
	keys   *keyboard
	line   *term.Terminal // the input line, at the bottom
	events chan struct{}
	unhook func()

	mu       sync.Mutex
	cols     int
	height   int
	prompt   string
	items    []*item // what stands above the input line, top to bottom, without gap
	entering bool    // a line was finished and is still on the screen; no drawing now
	wishes   wishes
	closed   bool
}

// wishes are what keys ask of the screen, to be fulfilled by the goroutine that
// owns the blocks.
type wishes uint

const (
	wishClear wishes = 1 << iota // Ctrl-L: a fresh screen
	wishHint                     // Ctrl-C: say what the next one does
)

// item is a block, or what changed of a block that is out of reach.
type item struct {
	block  *block
	base   []row    // what of the block stands further up; nil: nothing
	shown  []row    // the block as last drawn
	drawn  []string // the lines on the screen
	frozen bool     // goes on in a later item
}

var _ display = (*screen)(nil)

func newScreen(in, out *os.File, colour bool) *screen {
	s := &screen{out: out, colour: colour, events: make(chan struct{}, 1)}
	s.keys = &keyboard{in: in, out: out, screen: s}
	s.line = term.NewTerminal(s.keys, "")
	s.measure()
	s.unhook = onResize(s.wake)
	return s
}

// close leaves the cursor on an empty line. Nothing is drawn afterwards.
func (s *screen) close() {
	s.unhook()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		s.keys.write([]byte("\r\x1b[J"))
	}
}

func (s *screen) readLine() (string, error) { return s.line.ReadLine() }

func (s *screen) look(prompt string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prompt = prompt
	s.line.SetPrompt(prompt)
}

func (s *screen) add(b *block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fit()
	s.items = append(s.items, &item{block: b})
	s.draw()
}

func (s *screen) change(b *block, before []row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fit()
	here := func(it *item) bool { return it.block == b && !it.frozen }
	if !slices.ContainsFunc(s.items, here) {
		s.items = append(s.items, &item{block: b, base: before})
	}
	s.draw()
}

// entered takes the finished line off the screen: what it led to is shown
// instead.
func (s *screen) entered(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entering = false
	rows := columns(s.prompt+line)/s.cols + 1
	if rows >= s.height {
		s.items = nil // the line had the screen for itself
	}
	s.write(fmt.Sprintf("\x1b[%dA\x1b[J", rows))
	s.draw()
}

func (s *screen) resized() <-chan struct{} { return s.events }

func (s *screen) wake() {
	select {
	case s.events <- struct{}{}:
	default:
	}
}

// redraw follows a resize or a key.
func (s *screen) redraw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fit()
	if s.wishes&wishHint != 0 {
		s.items = append(s.items, &item{block: &block{note: "Ctrl-C again leaves"}})
	}
	if s.wishes&wishClear != 0 && !s.entering {
		s.clear()
	}
	s.wishes = 0
	s.draw()
}

// clear empties the screen and has the last items drawn again, those that fit.
func (s *screen) clear() {
	s.write("\x1b[H\x1b[2J")
	s.items = slices.DeleteFunc(s.items, func(it *item) bool { return it.frozen })
	room := s.height - 1
	for i, it := range slices.Backward(s.items) {
		it.drawn = nil
		if room -= len(s.linesOf(it)); room < 0 {
			s.items = s.items[i+1:]
			return
		}
	}
}

// fit takes note of another size.
func (s *screen) fit() {
	if s.measure() {
		s.items = nil
	}
}

// measure asks for the size of the terminal and reports whether it has changed.
func (s *screen) measure() bool {
	cols, height, err := term.GetSize(int(s.out.Fd()))
	if err != nil || cols < 1 || height < 1 {
		cols, height = 80, 24
	}
	if cols == s.cols && height == s.height {
		return false
	}
	s.cols, s.height = cols, height
	// It writes to the screen, which may fail as every write may: the next read
	// will tell.
	_ = s.line.SetSize(cols, height)
	return true
}

// draw brings the screen up to date.
func (s *screen) draw() {
	if s.entering || s.closed {
		return
	}
	reach := s.height - (len([]rune(s.prompt))+s.keys.typed())/s.cols - 1
	next := make(map[*item][]string, len(s.items))
	first, up := len(s.items), 0 // the topmost item to be drawn, the rows from there on
	for i := 0; i < len(s.items); i++ {
		it := s.items[i]
		next[it] = s.linesOf(it)
		if slices.Equal(next[it], it.drawn) {
			continue
		}
		if rows := s.rowsFrom(i); len(it.drawn) > 0 && rows > reach {
			it.frozen = true
			next[it] = it.drawn
			s.items = append(s.items, &item{block: it.block, base: it.shown})
			continue
		}
		if i < first {
			first, up = i, s.rowsFrom(i)
		}
	}
	var b strings.Builder
	if up > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", up)
	}
	for _, it := range s.items[min(first, len(s.items)):] {
		for _, l := range next[it] {
			b.WriteString(l + "\n")
		}
		it.drawn = next[it]
		if !it.frozen {
			it.shown = it.block.rows()
		}
	}
	if b.Len() > 0 {
		s.write(b.String())
	}
	for len(s.items) > 1 && s.rowsFrom(1) > s.height {
		s.items = s.items[1:]
	}
}

// rowsFrom is how many rows the items from the i-th on take on the screen.
func (s *screen) rowsFrom(i int) int {
	n := 0
	for _, it := range s.items[i:] {
		n += len(it.drawn)
	}
	return n
}

func (s *screen) linesOf(it *item) []string {
	if it.frozen {
		return it.drawn
	}
	rows := it.block.rows()
	if it.base != nil {
		rows = changes(it.base, rows, it.block.view, false)
	}
	var out []string
	for _, r := range rows {
		for _, w := range r.wrap(max(s.cols-1, 1)) {
			out = append(out, w.paint(s.colour))
		}
	}
	return out
}

// write puts text above the input line, in one piece. The cursor is where the
// input line begins, and that line is drawn again below.
func (s *screen) write(text string) {
	s.keys.hold()
	defer s.keys.release()
	// A terminal that is gone ends the reading of it.
	_, _ = s.line.Write([]byte(text))
}

// finishing is called when the key that finishes a line is on its way.
func (s *screen) finishing() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entering = true
}

// wish is called by the keyboard.
func (s *screen) wish(w wishes) {
	s.mu.Lock()
	s.wishes |= w
	s.mu.Unlock()
	s.wake()
}
