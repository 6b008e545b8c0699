// Package exprlang is expr (github.com/expr-lang/expr) for Petrel's own content: the
// conditions when: and allow_when, and <%= ... %> in workflows. Names and functions are
// those of the other two languages; values are of the Python value model and are not
// copied for an evaluation.
//
// Where the context is known, a [Schema] makes a misspelt name fail when the pack is
// loaded. The package must not know rules, aliases or workflows.
package exprlang

import (
	"context"
	"sync"
	"time"

	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
)

// Program is a compiled expression, immutable and safe for concurrent use.
type Program struct {
	source string
	code   *vm.Program
	names  []used // names of the context, each once
}

// used is a name that an expression takes from its context.
type used struct {
	name string
	pos  int // code points
}

// Names is where an expression finds the names of its context.
type Names interface {
	Lookup(ctx context.Context, name string) (v any, ok bool, err error)
	// Known lists the names that exist, for suggestions.
	Known() []string
}

// Values are names with values of the Python value model, or Go values that value.FromGo accepts.
type Values map[string]any

// Lookup implements [Names].
func (v Values) Lookup(_ context.Context, name string) (any, bool, error) {
	x, ok := v[name]
	return x, ok, nil
}

// Known implements [Names].
func (v Values) Known() []string {
	out := make([]string, 0, len(v))
	for name := range v {
		out = append(out, name)
	}
	return out
}

// Env is what an expression sees.
type Env struct {
	Names    Names              // nil: none
	Workflow functions.Workflow // ctx(), result(), ...; nil outside workflows
	Patterns *functions.Patterns
	Now      func() time.Time // nil: time.Now
	Limits   Limits
}

// Limits bound one evaluation; a zero field means the default. Time is bounded by the
// context, which is looked at with every function and operator.
type Limits struct {
	Steps  int // items and bytes looked at, roughly; default 2 million
	Memory int // bytes of text and items of lists that may be made, roughly; default 64 MiB
}

const (
	defaultSteps  = 2_000_000
	defaultMemory = 64 << 20
	maxItems      = 1_000_000 // items that lists and ranges made by an expression may have in total
	maxNodes      = 2_000     // parts of an expression
	maxSource     = 64 << 10  // bytes of an expression
)

// Compile parses and checks an expression. With a schema, names and fields that it does
// not have are errors, and so are operators that do not go with their operands; without
// one (nil), names are looked up when the expression is evaluated. The error is an [*Error].
func Compile(source string, schema Schema) (*Program, error) {
	if len(source) > maxSource {
		return nil, &Error{Msg: "the expression is longer than 64 KiB", Source: source, Pos: -1}
	}
	config := newConfig()
	tree, err := parser.ParseWithConfig(source, config)
	if err != nil {
		return nil, newError(source, err, nil)
	}
	c := &collector{source: source, locals: map[string]bool{}, seen: map[string]bool{}}
	c.walk(&tree.Node)
	if c.err != nil {
		return nil, c.err
	}
	if schema != nil {
		if err := schema.check(tree, c.functions); err != nil {
			return nil, newError(source, err, schema.words())
		}
	}
	p := &patcher{source: source}
	p.patch(&tree.Node)
	env := newConfig()
	env.WithEnv(map[string]any{})
	env.Strict = false // names were checked above, or are when they are looked up
	for _, f := range append(c.functions, p.helpers...) {
		env.Functions[f.Name] = f
	}
	if _, err := checker.Check(tree, env); err != nil {
		return nil, newError(source, err, nil)
	}
	if err := optimizer.Optimize(&tree.Node, env); err != nil {
		return nil, newError(source, err, nil)
	}
	code, err := compiler.Compile(tree, env)
	if err != nil {
		return nil, newError(source, err, nil)
	}
	return &Program{source: source, code: code, names: c.names}, nil
}

// builtins is expr's own table of functions; nothing changes it.
var builtins = sync.OnceValue(func() conf.FunctionsTable { return conf.CreateNew().Builtins })

// newConfig is conf.CreateNew without the copy of that table, which would take most of a compilation.
func newConfig() *conf.Config {
	return &conf.Config{
		Optimize: true, ShortCircuit: true, MaxNodes: maxNodes, Functions: conf.FunctionsTable{}, Builtins: builtins(),
	}
}

// String gives the expression as it was written.
func (p *Program) String() string { return p.source }

// Names lists the names that the expression takes from its context.
func (p *Program) Names() []string {
	out := make([]string, len(p.names))
	for i, n := range p.names {
		out[i] = n.name
	}
	return out
}

// Eval evaluates the expression to a value of the Python value model. The error is an
// [*Error], or that of the context when it ended first.
func (p *Program) Eval(ctx context.Context, env Env) (any, error) {
	r := &run{ctx: ctx, env: &env, steps: env.Limits.Steps, memory: env.Limits.Memory}
	if r.steps <= 0 {
		r.steps = defaultSteps
	}
	if r.memory <= 0 {
		r.memory = defaultMemory
	}
	r.call = functions.Call{Context: ctx, Workflow: env.Workflow, Patterns: env.Patterns}
	names, err := p.bind(ctx, r)
	if err != nil {
		return nil, err
	}
	machine := vm.VM{MemoryBudget: maxItems}
	out, err := machine.Run(p.code, names)
	if err == nil {
		out, err = r.value(out)
	}
	if err != nil {
		if ctxErr := ctx.Err(); ctxErr != nil {
			return nil, ctxErr
		}
		return nil, newError(p.source, err, nil)
	}
	return out, nil
}

// bind collects what the expression takes from its context.
func (p *Program) bind(ctx context.Context, r *run) (map[string]any, error) {
	names := make(map[string]any, len(p.names)+1)
	names[runName] = r
	for _, n := range p.names {
		if r.env.Names == nil {
			return nil, unknownName(p.source, n, nil)
		}
		v, ok, err := r.env.Names.Lookup(ctx, n.name)
		if err != nil {
			return nil, newError(p.source, err, nil)
		}
		if !ok {
			return nil, unknownName(p.source, n, r.env.Names.Known())
		}
		switch v.(type) {
		case nil, bool, int64, float64, string, *value.Dict, *value.List:
		default:
			if v, err = value.FromGo(v); err != nil {
				return nil, newError(p.source, err, nil)
			}
		}
		names[n.name] = v
	}
	return names, nil
}

// Bool evaluates a condition, which must give true or false.
func (p *Program) Bool(ctx context.Context, env Env) (bool, error) {
	v, err := p.Eval(ctx, env)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, &Error{Msg: "the condition gives " + nameOf(v) + ", not true or false", Hint: "compare it: ... == ..., or != nil", Source: p.source, Pos: 0}
	}
	return b, nil
}
