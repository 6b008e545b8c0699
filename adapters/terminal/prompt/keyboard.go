package prompt

import (
	"bytes"
	"io"
	"sync"
)

// Keys that are treated here before the line editor sees them.
const (
	keyCtrlC  = 0x03
	keyCtrlE  = 0x05 // to the editor: go to the end of the line
	keyLF     = '\n'
	keyCtrlL  = 0x0c
	keyCR     = '\r'
	keyCtrlU  = 0x15 // to the editor: delete up to the start of the line
	keyEscape = 0x1b
)

// keyboard stands between the terminal and the line editor. It hands over keys
// up to the end of a line at most, so that the screen knows when a line is
// being finished; it makes Ctrl-C cancel the line and a second one leave; and it
// writes out what belongs together in one piece.
type keyboard struct {
	in     io.Reader
	out    io.Writer
	screen *screen

	raw         []byte // read and not handed over; used by Read alone
	interrupted bool   // the last key was Ctrl-C
	afterCR     bool   // the last key was CR, after which LF says nothing new

	mu      sync.Mutex
	count   int // keys since the line began
	longest int // keys of the longest line, which history may bring back
	holding bool
	held    []byte
}

// Read implements io.Reader for the line editor.
func (k *keyboard) Read(p []byte) (int, error) {
	for {
		if len(k.raw) == 0 {
			buf := make([]byte, 256)
			n, err := k.in.Read(buf)
			if n == 0 && err != nil {
				return 0, err
			}
			k.raw = buf[:n]
		}
		out, leave := k.take(len(p))
		if leave {
			return 0, io.EOF
		}
		if len(out) > 0 {
			return copy(p, out), nil
		}
	}
}

// take hands over keys, at most max bytes and one line.
func (k *keyboard) take(max int) (out []byte, leave bool) {
	for len(k.raw) > 0 && len(out)+2 <= max {
		key := k.raw[0]
		k.raw = k.raw[1:]
		again, lf := k.interrupted, k.afterCR && key == keyLF
		k.interrupted, k.afterCR = key == keyCtrlC, key == keyCR
		switch {
		case lf:
		case key == keyCtrlC && again:
			return nil, true
		case key == keyCtrlC:
			out = append(out, keyCtrlE, keyCtrlU)
			k.typing(0)
			k.screen.wish(wishHint)
		case key == keyCtrlL:
			k.screen.wish(wishClear)
		case key == keyCR || key == keyLF:
			k.typing(0)
			k.screen.finishing()
			return append(out, keyCR), false
		default:
			out = append(out, key)
			k.typing(key)
		}
	}
	return out, false
}

// typing counts the keys of the line; 0 ends it.
func (k *keyboard) typing(key byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch key {
	case 0:
		k.longest = max(k.longest, k.count)
		k.count = 0
	case keyEscape:
		k.count += k.longest // an arrow may bring back an earlier line
	default:
		k.count++
	}
}

// typed is at least as long as the line that is being typed.
func (k *keyboard) typed() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.count
}

// Write implements io.Writer for the line editor.
func (k *keyboard) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.holding {
		k.held = append(k.held, p...)
		return len(p), nil
	}
	return len(p), k.writeOut(p)
}

func (k *keyboard) write(p []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	_ = k.writeOut(p) // see screen.write
}

func (k *keyboard) writeOut(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	_, err := k.out.Write(p)
	return err
}

// hold keeps what is written until release writes it out.
func (k *keyboard) hold() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.holding = true
}

func (k *keyboard) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.holding = false
	_ = k.writeOut(bytes.Clone(k.held)) // see screen.write
	k.held = k.held[:0]
}
