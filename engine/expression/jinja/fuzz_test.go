package jinja

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzTemplate parses and evaluates whatever comes: no panic, no hang, no runaway output.
func FuzzTemplate(f *testing.F) {
	var context_ json.RawMessage
	for _, name := range []string{"reference.json", "jinja-language.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		var file struct {
			Context json.RawMessage
			Cases   []struct{ Template string }
		}
		if err := json.Unmarshal(b, &file); err != nil {
			f.Fatal(err)
		}
		for _, c := range file.Cases {
			f.Add(c.Template)
		}
		if context_ == nil {
			context_ = file.Context
		}
	}
	env := New(Options{Limits: Limits{Steps: 100_000, Memory: 4 << 20, Output: 1 << 20, Depth: 50}})
	f.Fuzz(func(t *testing.T, src string) {
		tmpl, err := env.Compile(src)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		tmpl.Undeclared()
		start := time.Now()
		for _, lenient := range []bool{false, true} {
			out, err := tmpl.Render(context.Background(), names(t, context_), lenient)
			if err != nil && err.Error() == "" || len(out) > 1<<20 {
				t.Errorf("%d bytes, %v", len(out), err)
			}
		}
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// FuzzExpression does the same for bare expressions and their values.
func FuzzExpression(f *testing.F) {
	for _, src := range []string{"a.b[0]", "x|default('y')", "ctx().a + 1", "[1, {'k': (2,)}]|tojson", "'%s' % x", "'{:>4}'.format(1)", "not a in b", "l[::2]|map('int')|list", "f(*a, **b)"} {
		f.Add(src)
	}
	env := New(Options{Limits: Limits{Steps: 100_000, Memory: 4 << 20, Output: 1 << 20, Depth: 50}})
	ctx := []byte(`{"a": {"b": [1, 2.5, "x", null]}, "l": [3, 1, 2], "s": "text", "n": 5}`)
	f.Fuzz(func(t *testing.T, src string) {
		x, err := env.CompileExpression(src)
		if err != nil {
			return
		}
		if _, err := x.Eval(context.Background(), names(t, ctx)); err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}
