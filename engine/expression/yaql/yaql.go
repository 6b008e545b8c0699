// Package yaql is YAQL as Orquesta's workflows use it: the language, its standard
// library, StackStorm's functions and Orquesta's. An expression is compiled once and
// evaluated many times, concurrently if need be.
//
// Values are those of the Python value model. What an expression may see comes in
// through [Env]; the package reads no files, no environment and no clock but the
// one it is given. It must not know templates (<% %>) or other languages.
package yaql

import (
	"context"
	"time"

	"petrel/engine/expression/functions"
)

// Program is a compiled expression, immutable and safe for concurrent use.
type Program struct {
	source string
	root   node
}

// Env is what an expression sees.
type Env struct {
	Data     any                // $
	Vars     map[string]any     // further variables: $name
	Workflow functions.Workflow // ctx(), result(), ...; nil outside workflows
	Patterns *functions.Patterns
	Now      func() time.Time // nil: time.Now
	Limits   Limits
}

// Limits bound one evaluation; a zero field means the default. Time is bounded by the context.
type Limits struct {
	Steps  int // operations and items visited; default 2 million
	Items  int // items of one lazy sequence; default 1 million
	Memory int // bytes that may be allocated for results, roughly; default 256 MiB
	Depth  int // nested calls of lambdas and functions; default 200
}

func (l Limits) orDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.Steps, 2_000_000)
	def(&l.Items, 1_000_000)
	def(&l.Memory, 256<<20)
	def(&l.Depth, 200)
	return l
}

// Compile parses an expression. The error is an [*Error] that knows the position.
func Compile(source string) (*Program, error) {
	root, err := parse(source, standard())
	if err != nil {
		return nil, err
	}
	return &Program{source: source, root: root}, nil
}

// String gives the expression as it was written.
func (p *Program) String() string { return p.source }

// Eval evaluates the expression. Lazy sequences, sets and views of maps become lists.
// The error is an [*Error], or that of the context when it ended first.
func (p *Program) Eval(ctx context.Context, env Env) (any, error) {
	r := &run{
		ctx:    ctx,
		env:    &env,
		lib:    standard(),
		limits: env.Limits.orDefaults(),
		call:   functions.Call{Context: ctx, Workflow: env.Workflow, Patterns: env.Patterns},
	}
	s := &scope{run: r, args: []any{env.Data}, vars: env.Vars}
	v, err := p.root.eval(s)
	if err == nil && r.lazy {
		v, err = r.finish(v)
	}
	if err != nil {
		return nil, located(err, p.source, p.root.at())
	}
	return v, nil
}
