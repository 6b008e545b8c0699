package jinja

import (
	"fmt"
	"iter"
	"strings"

	"petrel/engine/expression/value"
)

// maxRange bounds range(), as Jinja's sandbox does.
const maxRange = 100_000

func global(name, signature string, fn func(c *call) (any, error)) any {
	return &boundMethod{b: define(name, signature, fn)}
}

func coreGlobals() map[string]any {
	return map[string]any{
		"range":     global("range", "a! b step", newRange),
		"dict":      global("dict", "from **kw", newDict),
		"namespace": global("namespace", "from **kw", newNamespace),
		"cycler":    global("cycler", "*items", newCycler),
		"joiner":    global("joiner", "sep", newJoiner),
		"lipsum":    global("lipsum", "n html min max", lipsum),
	}
}

// rangeValue is Python's range.
type rangeValue struct{ start, stop, step, n int }

func newRange(c *call) (any, error) {
	r := &rangeValue{stop: c.int(0, 0), step: 1}
	if c.has(1) {
		r.start, r.stop, r.step = r.stop, c.int(1, 0), c.int(2, 1)
	}
	if r.step == 0 {
		return nil, fail(Runtime, "range() arg 3 must not be zero")
	}
	switch {
	case r.step > 0 && r.stop > r.start:
		r.n = (r.stop-r.start-1)/r.step + 1
	case r.step < 0 && r.stop < r.start:
		r.n = (r.start-r.stop-1)/-r.step + 1
	}
	if r.n > maxRange {
		return nil, fail(Limit, "range too big: the sandbox blocks ranges larger than %d", maxRange)
	}
	return r, nil
}

func (r *rangeValue) TypeName() string { return "range" }

// Len is the number of integers.
func (r *rangeValue) Len() int { return r.n }

// Repr spells it range(0, 3).
func (r *rangeValue) Repr() string {
	if r.step == 1 {
		return fmt.Sprintf("range(%d, %d)", r.start, r.stop)
	}
	return fmt.Sprintf("range(%d, %d, %d)", r.start, r.stop, r.step)
}

// Iterate goes over the integers.
func (r *rangeValue) Iterate() iter.Seq[any] {
	return func(yield func(any) bool) {
		for i := range r.n {
			if !yield(int64(r.start + i*r.step)) {
				return
			}
		}
	}
}

// EqualTo compares the integers of two ranges.
func (r *rangeValue) EqualTo(other any) bool {
	o, ok := other.(*rangeValue)
	return ok && r.n == o.n && (r.n == 0 || r.start == o.start && (r.n == 1 || r.step == o.step))
}

// Plain is a list.
func (r *rangeValue) Plain() (any, error) {
	l := &value.List{Items: make([]any, 0, r.n)}
	for i := range r.Iterate() {
		l.Items = append(l.Items, i)
	}
	return l, nil
}

func (r *rangeValue) getItem(_ *state, key any) (any, bool, error) {
	i, ok := toInt(key)
	if !ok {
		return nil, false, nil
	}
	if i < 0 {
		i += r.n
	}
	if i < 0 || i >= r.n {
		return nil, false, nil
	}
	return int64(r.start + i*r.step), true, nil
}

func newDict(c *call) (any, error) {
	d := value.NewDict(len(c.kw))
	if c.has(0) {
		if err := c.st.fill(d, c.args[0]); err != nil {
			return nil, err
		}
	}
	for _, k := range c.kw {
		if err := c.st.setKey(d, k.name, k.val); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// namespace holds attributes that {% set ns.name = ... %} changes.
type namespace struct{ attrs *value.Dict }

func newNamespace(c *call) (any, error) {
	d, err := newDict(c)
	if err != nil {
		return nil, err
	}
	return &namespace{d.(*value.Dict)}, nil
}

func (n *namespace) TypeName() string { return "Namespace" }

// Repr spells it as Jinja does.
func (n *namespace) Repr() string { return "<Namespace " + value.Repr(n.attrs) + ">" }

func (n *namespace) getAttr(_ *state, name string, _ int) (any, bool, error) {
	v, ok := n.attrs.GetString(name)
	return v, ok, nil
}

func (n *namespace) getItem(_ *state, key any) (any, bool, error) {
	v, ok := n.attrs.Get(key)
	return v, ok, nil
}

// cycler goes round its items.
type cycler struct {
	items []any
	i     int
}

func newCycler(c *call) (any, error) {
	if len(c.rest) == 0 {
		return nil, fail(Runtime, "at least one item has to be provided")
	}
	return &cycler{items: c.rest}, nil
}

func (y *cycler) TypeName() string { return "Cycler" }

func (y *cycler) getAttr(_ *state, name string, _ int) (any, bool, error) {
	switch name {
	case "current":
		return y.items[y.i], true, nil
	case "next":
		return function("next", func(*call) (any, error) {
			v := y.items[y.i]
			y.i = (y.i + 1) % len(y.items)
			return v, nil
		}), true, nil
	case "reset":
		return function("reset", func(*call) (any, error) { y.i = 0; return nil, nil }), true, nil
	}
	return nil, false, nil
}

// joiner gives nothing the first time it is called and its separator afterwards.
type joiner struct {
	sep  any
	used bool
}

func newJoiner(c *call) (any, error) { return &joiner{sep: c.arg(0, ", ")}, nil }

func (j *joiner) TypeName() string { return "Joiner" }

func (j *joiner) invoke(*state, []any, []kwarg) (any, error) {
	if !j.used {
		j.used = true
		return "", nil
	}
	return j.sep, nil
}

// lipsum gives filler text: the same words every time, so that output repeats.
func lipsum(c *call) (any, error) {
	const words = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna aliqua"
	n, size := c.int(0, 5), max(1, min(c.int(2, 20), 100))
	if n > 1000 {
		return nil, fail(Limit, "lipsum() gives at most 1000 paragraphs")
	}
	list := strings.Fields(words)
	var paragraphs []string
	for range max(n, 0) {
		var p []string
		for i := range size {
			p = append(p, list[i%len(list)])
		}
		text := value.Capitalize(strings.Join(p, " ")) + "."
		if c.bool(1, true) {
			text = "<p>" + text + "</p>"
		}
		paragraphs = append(paragraphs, text)
	}
	sep := "\n\n"
	if c.bool(1, true) {
		sep = "\n"
	}
	out := strings.Join(paragraphs, sep)
	if c.bool(1, true) {
		return Markup(out), c.st.charge(len(out))
	}
	return c.made(out)
}
