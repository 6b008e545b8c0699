package jinja

import (
	"context"
	"strings"

	"petrel/engine/expression/value"
)

// state is one evaluation of one template.
type state struct {
	ctx     context.Context
	env     *Env
	names   Names
	lenient bool
	limits  Limits

	scope *scope
	out   *strings.Builder // output of the innermost block that is being collected
	block string           // text of the block that {% filter %} or {% set %} collected

	steps  int
	memory int // bytes and list places that the evaluation has made so far
	depth  int // nested macro calls, recursive loops and evaluations
}

// scope holds the names that statements set; the outermost one is the template's.
type scope struct {
	parent *scope
	names  []string
	vals   []any
}

func (s *scope) set(name string, v any) {
	for i, n := range s.names {
		if n == name {
			s.vals[i] = v
			return
		}
	}
	s.names = append(s.names, name)
	s.vals = append(s.vals, v)
}

func (st *state) push() *scope {
	old := st.scope
	st.scope = &scope{parent: old}
	return old
}

// lookup resolves a name: scopes, then the names of the caller, then the globals.
func (st *state) lookup(name string, pos int) (any, error) {
	for s := st.scope; s != nil; s = s.parent {
		for i, n := range s.names {
			if n == name {
				return s.vals[i], nil
			}
		}
	}
	v, ok, err := st.names.Lookup(st.ctx, name)
	if err != nil {
		return nil, err
	}
	if ok {
		return v, nil
	}
	if v, ok := st.env.globals[name]; ok {
		return v, nil
	}
	return st.missing(name, pos), nil
}

func (st *state) knownNames() []string {
	out := st.names.Known()
	for s := st.scope; s != nil; s = s.parent {
		out = append(out, s.names...)
	}
	return out
}

// deadlineEvery is the number of steps between two looks at the context.
const deadlineEvery = 512

// step counts one unit of work.
func (st *state) step() error { return st.chargeSteps(1) }

// chargeSteps counts the work of going over n items at once.
func (st *state) chargeSteps(n int) error {
	before := st.steps / deadlineEvery
	if st.steps += n; st.steps/deadlineEvery == before {
		return nil
	}
	if err := st.ctx.Err(); err != nil {
		return &Error{Kind: Limit, Message: "the evaluation was stopped: " + err.Error(), Err: err, pos: -1}
	}
	if st.steps > st.limits.Steps {
		return fail(Limit, "the template takes more than %d steps", st.limits.Steps)
	}
	return nil
}

// charge counts n bytes or list places that are about to be made, and the work of making them.
func (st *state) charge(n int) error {
	if n > st.limits.Memory || st.memory > st.limits.Memory-n {
		return fail(Limit, "the template needs more than %d bytes of memory", st.limits.Memory)
	}
	st.memory += n
	return nil
}

// enter guards recursion; leave undoes it.
func (st *state) enter() error {
	if st.depth++; st.depth > st.limits.Depth {
		return fail(Limit, "the template recurses deeper than %d levels", st.limits.Depth)
	}
	return nil
}

func (st *state) leave() { st.depth-- }

// write adds to the output.
func (st *state) write(s string) error {
	if st.out.Len()+len(s) > st.limits.Output {
		return fail(Limit, "the output is larger than %d bytes", st.limits.Output)
	}
	if err := st.charge(len(s)); err != nil {
		return err
	}
	st.out.WriteString(s)
	return nil
}

// capture collects what f writes.
func (st *state) capture(f func() error) (string, error) {
	old := st.out
	st.out = &strings.Builder{}
	err := f()
	text := st.out.String()
	st.out = old
	return text, err
}

// text is str(v), an error for an undefined that must not be printed.
func (st *state) text(v any) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case Markup:
		return string(x), nil
	case *undefined:
		if x.strict {
			return "", x.err()
		}
		return "", nil
	case textual:
		return x.text(st)
	}
	s, err := value.StrLimit(v, st.limits.Output)
	if err != nil {
		return "", fail(Limit, "the output is larger than %d bytes", st.limits.Output)
	}
	if err := st.chargeSteps(len(s) / 16); err != nil {
		return "", err
	}
	return s, st.charge(len(s))
}

// textual is a private value whose text must be fetched and may fail (datastore lookups).
type textual interface {
	text(st *state) (string, error)
}

// truth is bool(v).
func (st *state) truth(v any) (bool, error) {
	switch x := v.(type) {
	case bool:
		return x, nil
	case *undefined:
		if x.strict {
			return false, x.err()
		}
		return false, nil
	case textual:
		s, err := x.text(st)
		return s != "", err
	}
	return value.Truth(v), nil
}

// each calls f with every item of v, until f fails or v ends.
func (st *state) each(v any, f func(item any) error) error {
	next, err := st.pull(v)
	if err != nil {
		return err
	}
	for {
		item, ok, err := next()
		if err != nil || !ok {
			return err
		}
		if err := st.step(); err != nil {
			return err
		}
		if err := f(item); err != nil {
			return err
		}
	}
}

// puller gives the next item of an iteration, false at its end.
type puller func() (any, bool, error)

// pull begins an iteration.
func (st *state) pull(v any) (puller, error) {
	switch x := v.(type) {
	case *value.List:
		i := 0
		return func() (any, bool, error) {
			if i >= len(x.Items) {
				return nil, false, nil
			}
			i++
			return x.Items[i-1], true, nil
		}, nil
	case *generator:
		return x.next, nil
	case *undefined:
		if x.strict {
			return nil, x.err()
		}
	case textual:
		s, err := x.text(st)
		if err != nil {
			return nil, err
		}
		return st.pull(s)
	case Markup:
		return st.pull(string(x))
	}
	seq, err := value.Iterate(v)
	if err != nil {
		return nil, fail(Runtime, "%v", err)
	}
	var items []any
	if n, err := value.Len(v); err == nil {
		if err := st.charge(16 * n); err != nil {
			return nil, err
		}
		items = make([]any, 0, n)
	}
	for item := range seq {
		if err := st.step(); err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return sliceNext(items), nil
}

func sliceNext(items []any) puller {
	i := 0
	return func() (any, bool, error) {
		if i >= len(items) {
			return nil, false, nil
		}
		i++
		return items[i-1], true, nil
	}
}

// items collects the items of v in a new slice.
func (st *state) items(v any) ([]any, error) {
	if l, ok := v.(*value.List); ok {
		if err := st.charge(16 * len(l.Items)); err != nil {
			return nil, err
		}
		return append([]any(nil), l.Items...), st.chargeSteps(len(l.Items))
	}
	if t, ok := v.(value.Tuple); ok {
		if err := st.charge(16 * len(t)); err != nil {
			return nil, err
		}
		return append([]any(nil), t...), st.chargeSteps(len(t))
	}
	var out []any
	err := st.each(v, func(item any) error {
		out = append(out, item)
		return st.charge(16)
	})
	return out, err
}

// length is len(v).
func (st *state) length(v any) (int, error) {
	switch x := v.(type) {
	case *undefined:
		if x.strict {
			return 0, x.err()
		}
		return 0, nil
	case textual:
		s, err := x.text(st)
		if err != nil {
			return 0, err
		}
		return value.Len(s)
	case Markup:
		return value.Len(string(x))
	}
	n, err := value.Len(v)
	if err != nil {
		return 0, fail(Runtime, "%v", err)
	}
	return n, nil
}
