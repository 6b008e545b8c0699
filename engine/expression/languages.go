package expression

import (
	"context"

	"petrel/engine/expression/exprlang"
	"petrel/engine/expression/functions"
	"petrel/engine/expression/yaql"
)

// language compiles one expression of a workflow language, without its delimiters.
type language func(source string) (program, error)

// program is a compiled expression, safe for concurrent use.
type program interface {
	Eval(ctx context.Context, w functions.Workflow) (any, error)
}

// languages are those of workflows beside Jinja, with the limits of a Renderer.
func languages(o Options, patterns *functions.Patterns) map[string]language {
	return map[string]language{
		YAQL: func(source string) (program, error) {
			p, err := yaql.Compile(source)
			if err != nil {
				return nil, err
			}
			return yaqlProgram{p, patterns, yaql.Limits{Steps: o.MaxSteps, Memory: o.MaxMemory}}, nil
		},
		Expr: func(source string) (program, error) {
			p, err := exprlang.Compile(source, nil)
			if err != nil {
				return nil, err
			}
			return exprProgram{p, patterns, exprlang.Limits{Steps: o.MaxSteps, Memory: o.MaxMemory}}, nil
		},
	}
}

type yaqlProgram struct {
	*yaql.Program
	patterns *functions.Patterns
	limits   yaql.Limits
}

// Eval implements program.
func (p yaqlProgram) Eval(ctx context.Context, w functions.Workflow) (any, error) {
	return p.Program.Eval(ctx, yaql.Env{Workflow: w, Patterns: p.patterns, Limits: p.limits})
}

type exprProgram struct {
	*exprlang.Program
	patterns *functions.Patterns
	limits   exprlang.Limits
}

// Eval implements program.
func (p exprProgram) Eval(ctx context.Context, w functions.Workflow) (any, error) {
	return p.Program.Eval(ctx, p.env(w, nil))
}

func (p exprProgram) env(w functions.Workflow, names exprlang.Names) exprlang.Env {
	return exprlang.Env{Names: names, Workflow: w, Patterns: p.patterns, Limits: p.limits}
}

// expr compiles an expr expression, or finds it in the cache.
func (r *Renderer) expr(source string) (exprProgram, error) {
	p, err := cachedAs(r.cache, cacheKey{lang: Expr, source: source}, r.languages[Expr])
	if err != nil {
		return exprProgram{}, err
	}
	return p.(exprProgram), nil
}

// Condition evaluates an expr condition (when:, allow_when) on names; it must give true
// or false. st2kv is there as in templates.
func (r *Renderer) Condition(ctx context.Context, source string, names Names) (bool, error) {
	p, err := r.expr(source)
	if err != nil {
		return false, err
	}
	return p.Bool(ctx, p.env(nil, r.bind(names)))
}

// Expr evaluates an expr expression on names to a value of the Python value model.
func (r *Renderer) Expr(ctx context.Context, source string, names Names) (any, error) {
	return r.ExprIn(ctx, source, names, nil)
}

// ExprIn is Expr in a workflow: ctx() and the like work as well.
func (r *Renderer) ExprIn(ctx context.Context, source string, names Names, w functions.Workflow) (any, error) {
	p, err := r.expr(source)
	if err != nil {
		return nil, err
	}
	return p.Program.Eval(ctx, p.env(w, r.bind(names)))
}

// CheckExpr compiles an expr expression against what is known of its names, so that a
// misspelt one fails when a pack is loaded; a nil schema checks the grammar and the functions only.
func (r *Renderer) CheckExpr(source string, schema exprlang.Schema) error {
	_, err := exprlang.Compile(source, schema)
	return err
}
