// Package output turns what processes print into what an execution keeps: UTF-8
// text, held in memory up to a common limit and passed on piece by piece while
// it arrives, and in the end JSON. It knows nothing of processes and runners.
package output

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unicode/utf8"
)

// DefaultLimit is how many bytes of text one execution may print.
const DefaultLimit = 64 << 20

// ErrTooMuch is the reason to end an action that prints more than its budget.
var ErrTooMuch = errors.New("too much output")

// Budget is the number of bytes that the streams of one execution may take
// together, counted as they stand in the result: as JSON, where a control
// character takes six.
type Budget struct {
	limit int64
	used  atomic.Int64
	// exceeded is told once, when the first byte does not fit.
	told     atomic.Bool
	exceeded func()
}

// NewBudget returns a budget of limit bytes (DefaultLimit when limit is 0).
// When it is exceeded, exceeded is called once, from the goroutine that writes;
// nothing more is kept from then on.
func NewBudget(limit int64, exceeded func()) *Budget {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Budget{limit: limit, exceeded: exceeded}
}

// Problem is the text for people when the budget was exceeded.
func (b *Budget) Problem() string {
	return fmt.Sprintf("the action printed more than %s; write large results to a file", size(b.limit))
}

// Exceeded reports whether something was dropped.
func (b *Budget) Exceeded() bool { return b.told.Load() }

// take reserves what p costs and returns how much of it there is room for.
func (b *Budget) take(p []byte) int {
	cost := int64(0)
	for _, c := range p {
		cost += int64(costs[c])
	}
	used := b.used.Add(cost)
	if used <= b.limit {
		return len(p)
	}
	if b.told.CompareAndSwap(false, true) && b.exceeded != nil {
		b.exceeded()
	}
	room := b.limit - (used - cost)
	for i, c := range p {
		if room -= int64(costs[c]); room < 0 {
			return i
		}
	}
	return len(p)
}

// costs is the length of every byte of UTF-8 text in JSON.
var costs = func() (c [256]uint8) {
	for i := range c {
		switch {
		case i == '"' || i == '\\' || i == '\n' || i == '\r' || i == '\t' || i == '\b' || i == '\f':
			c[i] = 2
		case i < ' ':
			c[i] = 6
		default:
			c[i] = 1
		}
	}
	return c
}()

func size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// Stream is one stream of text. Each byte that is not UTF-8 becomes U+FFFD. It
// is written by one goroutine at a time and read when that one is done.
type Stream struct {
	budget *Budget
	sink   func([]byte)
	text   []byte
	// held is the beginning of a character whose rest has not arrived.
	held []byte
}

// NewStream returns an empty stream. sink, when not nil, gets every piece of
// text as it is added; a piece ends between two characters.
func NewStream(b *Budget, sink func([]byte)) *Stream {
	return &Stream{budget: b, sink: sink}
}

// Write adds p. It never fails: what exceeds the budget is dropped.
func (s *Stream) Write(p []byte) (int, error) {
	n := len(p)
	if len(s.held) > 0 {
		p = append(s.held, p...)
		s.held = nil
	}
	cut := wholeCharacters(p)
	if cut < len(p) {
		s.held = append([]byte(nil), p[cut:]...)
	}
	s.add(p[:cut])
	return n, nil
}

// Close adds what was held back. Writing afterwards begins a new character.
func (s *Stream) Close() error {
	rest := s.held
	s.held = nil
	s.add(rest)
	return nil
}

// Text is everything that was kept. It belongs to the stream.
func (s *Stream) Text() []byte { return s.text }

func (s *Stream) add(p []byte) {
	if len(p) == 0 || s.budget.Exceeded() {
		return
	}
	start := len(s.text)
	if !utf8.Valid(p) {
		p = toValid(p)
	}
	s.text = append(s.text, p[:s.budget.take(p)]...)
	// The limit may have cut a character.
	s.text = s.text[:start+wholeCharacters(s.text[start:])]
	if s.sink != nil && len(s.text) > start {
		s.sink(append([]byte(nil), s.text[start:]...))
	}
}

// wholeCharacters returns the length of p without the incomplete character at
// its end. Bytes that can never become a character count as complete.
func wholeCharacters(p []byte) int {
	for back := 1; back <= min(utf8.UTFMax-1, len(p)); back++ {
		at := len(p) - back
		if utf8.RuneStart(p[at]) {
			if !utf8.FullRune(p[at:]) {
				return at
			}
			break
		}
	}
	return len(p)
}

func toValid(p []byte) []byte {
	out := make([]byte, 0, len(p)+len(p)/2)
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		out = utf8.AppendRune(out, r)
		p = p[n:]
	}
	return out
}
