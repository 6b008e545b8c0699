package yaql

import (
	"context"
	"time"

	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
)

// run is one evaluation: its environment and what it has used of its limits.
type run struct {
	ctx     context.Context
	env     *Env
	lib     *library
	call    functions.Call
	limits  Limits
	steps   int
	memory  int
	depth   int
	lazy    bool // a value was made that finish has to convert
	defines bool // def() was called
	// spelling is set while a value is converted for its text, where any key may stand.
	spelling bool
}

// step counts one operation.
func (r *run) step() error {
	r.steps++
	if r.steps > r.limits.Steps {
		return fail(Limit, "the evaluation takes more than %d steps", r.limits.Steps)
	}
	if r.steps&0xff == 0 {
		return r.ctx.Err()
	}
	return nil
}

// charge counts memory that is about to be allocated, in bytes. It is never given
// back: the sum of all allocations is bounded.
func (r *run) charge(n int) error {
	if n < 0 || r.memory > r.limits.Memory-n {
		return fail(Limit, "the evaluation needs more than %d MiB of memory", r.limits.Memory>>20)
	}
	r.memory += n
	return nil
}

// enter counts a nested call; the caller leaves with r.depth--.
func (r *run) enter() error {
	if r.depth++; r.depth > r.limits.Depth {
		return fail(Limit, "calls are nested deeper than %d", r.limits.Depth)
	}
	return r.step()
}

func (r *run) now() time.Time {
	if r.env.Now != nil {
		return r.env.Now()
	}
	return time.Now()
}

// text counts the memory of a text that a function has made.
func (r *run) text(s string, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return s, r.charge(len(s))
}

// list makes a list of items and counts its memory.
func (r *run) list(items []any) (any, error) {
	if items == nil {
		items = []any{}
	}
	return &value.List{Items: items}, r.charge(16 * len(items))
}

// scope is a level of variables. Lambdas, let, with, def and unpack open one.
type scope struct {
	run  *run
	up   *scope
	args []any          // $1, $2, ...
	vars map[string]any // $name
	defs map[string]*lambda
}

// open makes the scope that stands left of ->.
func (s *scope) open(inner scope) *scope {
	s.run.lazy = true // a scope is no result: finish must see it
	inner.run, inner.up = s.run, s
	return &inner
}

// arg gives $n: that of the nearest scope that has so many, else null.
func (s *scope) arg(n int) any {
	for ; s != nil; s = s.up {
		if n <= len(s.args) {
			return s.args[n-1]
		}
	}
	return nil
}

func (s *scope) variable(name string) any {
	for ; s != nil; s = s.up {
		if v, ok := s.vars[name]; ok {
			return v
		}
	}
	return nil
}

// definition finds what def() has defined.
func (s *scope) definition(name string) *lambda {
	for ; s != nil; s = s.up {
		if l, ok := s.defs[name]; ok {
			return l
		}
	}
	return nil
}

// lambda is an argument that is evaluated by the function it is given to, with $1, $2 ... set.
type lambda struct {
	body  node // nil: the constant v
	scope *scope
	v     any
}

// apply evaluates the lambda on arguments.
func (l *lambda) apply(args ...any) (any, error) {
	return l.applyNamed(args, nil)
}

func (l *lambda) applyNamed(args []any, named map[string]any) (any, error) {
	if l.body == nil {
		return l.v, nil
	}
	r := l.scope.run
	if err := r.enter(); err != nil {
		r.depth--
		return nil, err
	}
	defer func() { r.depth-- }()
	return l.body.eval(&scope{run: r, up: l.scope, args: args, vars: named})
}

// test is apply for predicates.
func (l *lambda) test(args ...any) (bool, error) {
	v, err := l.apply(args...)
	return truth(v), err
}
