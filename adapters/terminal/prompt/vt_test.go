package prompt

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// vt is a terminal as far as the prompt uses one: it keeps the picture that the
// output makes, and what scrolled off its top. It knows the sequences that the
// prompt and its line editor may send, and complains about every other one.
type vt struct {
	mu         sync.Mutex
	changed    chan struct{} // closed when the picture changes
	cols, rows int
	cells      [][]rune // 0 is the second half of a wide character
	x, y       int
	pending    bool // the last column is filled; the next character wraps
	scrolled   []string
	complaints []string
	rest       []byte // an unfinished sequence or character
}

func newVT(cols, rows int) *vt {
	v := &vt{cols: cols, rows: rows, changed: make(chan struct{})}
	v.clear(0)
	return v
}

func (v *vt) clear(from int) {
	for len(v.cells) < v.rows {
		v.cells = append(v.cells, nil)
	}
	for y := from; y < v.rows; y++ {
		v.cells[y] = nil
	}
}

// resize keeps the lower rows, as terminals do, and does not rewrap.
func (v *vt) resize(cols, rows int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for v.y >= rows {
		v.scroll()
		v.y--
	}
	v.cols, v.rows = cols, rows
	v.clear(len(v.cells))
	v.cells = v.cells[:rows]
	v.x = min(v.x, cols-1)
}

func (v *vt) scroll() {
	v.scrolled = append(v.scrolled, v.text(0))
	v.cells = append(v.cells[1:], nil)
}

func (v *vt) text(y int) string {
	return strings.TrimRight(strings.ReplaceAll(string(v.cells[y]), "\x00", ""), " ")
}

// picture is the rows of the screen, without the empty ones at the end.
func (v *vt) picture() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []string
	for y := range v.rows {
		out = append(out, v.text(y))
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}

func (v *vt) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	in := append(v.rest, p...)
	for len(in) > 0 {
		n := v.step(string(in))
		if n == 0 {
			break
		}
		in = in[n:]
	}
	v.rest = append([]byte(nil), in...)
	close(v.changed)
	v.changed = make(chan struct{})
	return len(p), nil
}

// step takes one character or sequence, and returns its length or 0 if it is
// not complete.
func (v *vt) step(in string) int {
	switch c := in[0]; {
	case c == '\r':
		v.x, v.pending = 0, false
	case c == '\n':
		v.down()
	case c == 0x1b:
		end := strings.IndexFunc(in[1:], func(r rune) bool { return r >= '@' && r <= '~' && r != '[' })
		if end < 0 {
			return 0
		}
		v.sequence(in[1 : end+2])
		return end + 2
	case c < 0x20 || c == 0x7f:
		v.complaints = append(v.complaints, fmt.Sprintf("control character %q", c))
	default:
		for i, r := range in {
			if i > 0 {
				v.put([]rune(in[:i])[0])
				return i
			}
			if r == '\ufffd' && len(in) < 4 && !strings.HasPrefix(in, "\ufffd") {
				return 0
			}
		}
		v.put([]rune(in)[0])
		return len(in)
	}
	return 1
}

func (v *vt) down() {
	v.pending = false
	if v.y++; v.y == v.rows {
		v.scroll()
		v.y--
	}
}

func (v *vt) put(r rune) {
	w := runeColumns(r)
	if v.pending || v.x+w > v.cols {
		v.x = 0
		v.down()
	}
	for len(v.cells[v.y]) < v.x+w {
		v.cells[v.y] = append(v.cells[v.y], ' ')
	}
	for i := range w {
		v.cells[v.y][v.x+i] = 0
	}
	if w > 0 {
		v.cells[v.y][v.x] = r
	}
	v.x += w
	if v.x == v.cols {
		v.x, v.pending = v.cols-1, true
	}
}

func (v *vt) sequence(s string) {
	if s[0] != '[' {
		v.complaints = append(v.complaints, fmt.Sprintf("sequence %q", s))
		return
	}
	n, err := strconv.Atoi(s[1 : len(s)-1])
	if err != nil {
		n = 1
	}
	kind := s[len(s)-1]
	if kind != 'm' {
		v.pending = false
	}
	switch {
	case kind == 'm':
	case kind == 'A':
		if n > v.y {
			v.complaints = append(v.complaints, fmt.Sprintf("up %d from row %d", n, v.y))
		}
		v.y = max(v.y-n, 0)
	case kind == 'B':
		v.y = min(v.y+n, v.rows-1)
	case kind == 'C':
		v.x = min(v.x+n, v.cols-1)
	case kind == 'D':
		v.x = max(v.x-n, 0)
	case s == "[K":
		v.cells[v.y] = v.cells[v.y][:min(v.x, len(v.cells[v.y]))]
	case s == "[J":
		v.cells[v.y] = v.cells[v.y][:min(v.x, len(v.cells[v.y]))]
		v.clear(v.y + 1)
	case s == "[2J":
		v.clear(0)
	case s == "[H":
		v.x, v.y = 0, 0
	default:
		v.complaints = append(v.complaints, fmt.Sprintf("sequence %q", s))
	}
}
