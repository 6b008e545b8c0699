package exprlang

import (
	"slices"

	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"
)

// Schema says which names an expression may use and what they are.
type Schema map[string]Shape

// Shape is what is known of a value. The zero value is [Any].
type Shape struct {
	t      types.Type
	fields map[string]Shape
}

// Any is a value of which nothing is known.
func Any() Shape { return Shape{} }

// Text is a text.
func Text() Shape { return Shape{t: types.String} }

// Integer is a whole number.
func Integer() Shape { return Shape{t: types.Int64} }

// Number is a number, whole or not.
func Number() Shape { return Shape{t: types.Float64} }

// Flag is true or false.
func Flag() Shape { return Shape{t: types.Bool} }

// List is a list of items of one shape.
func List(of Shape) Shape { return Shape{t: types.Array(of.typ()), fields: of.fields} }

// Record is a map with exactly these fields: any other is a mistake.
func Record(fields map[string]Shape) Shape { return record(fields, false) }

// Open is a map with these fields and perhaps others.
func Open(fields map[string]Shape) Shape { return record(fields, true) }

func record(fields map[string]Shape, open bool) Shape {
	m := make(types.Map, len(fields)+1)
	for name, f := range fields {
		m[name] = f.typ()
	}
	if open {
		m[types.Extra] = types.Any
	}
	return Shape{t: m, fields: fields}
}

func (s Shape) typ() types.Type {
	if s.t == nil {
		return types.Any
	}
	return s.t
}

// check is the type check of an expression that is not patched yet.
func (s Schema) check(tree *parser.Tree, used []*builtin.Function) error {
	env := make(types.Map, len(s))
	for name, shape := range s {
		env[name] = shape.typ()
	}
	config := newConfig()
	config.WithEnv(env)
	for _, f := range used {
		config.Functions[f.Name] = f
	}
	_, err := checker.Check(tree, config)
	return err
}

// words lists all names and fields, for suggestions.
func (s Schema) words() []string {
	var out []string
	var add func(fields map[string]Shape)
	add = func(fields map[string]Shape) {
		for name, f := range fields {
			out = append(out, name)
			add(f.fields)
		}
	}
	add(s)
	slices.Sort(out)
	return slices.Compact(out)
}
