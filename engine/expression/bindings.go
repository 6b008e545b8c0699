package expression

import (
	"context"
	"errors"
	"strings"

	"petrel/engine/expression/functions"
	"petrel/engine/expression/jinja"
	"petrel/engine/expression/value"
)

var errNoDatastore = errors.New("there is no datastore here")

// emptyStore is the datastore where there is none.
type emptyStore struct{}

func (emptyStore) Lookup(context.Context, string, string, string) (string, bool, error) {
	return "", false, nil
}

// contextual functions ask the workflow and exist as calls only, not as filters.
var contextual = map[string]bool{
	"ctx": true, "item": true, "result": true, "succeeded": true, "failed": true, "completed": true,
	"task_status": true, "task": true, "st2kv": true,
}

// filters makes Jinja filters of the functions of a dialect.
func filters(d functions.Dialect, patterns *functions.Patterns) []jinja.Filter {
	var out []jinja.Filter
	for _, f := range functions.ByName(d) {
		if contextual[f.Name] {
			continue
		}
		out = append(out, jinja.Filter{Name: f.Name, Call: func(ctx context.Context, v any, args []any, keywords map[string]any) (any, error) {
			bound, err := f.Bind(append([]any{v}, args...), keywords, nil)
			if err != nil {
				return nil, err
			}
			return f.Run(&functions.Call{Context: ctx, Patterns: patterns}, bound)
		}})
	}
	return out
}

// workflowNames are the names of Orquesta's Jinja: functions and nothing else.
type workflowNames struct {
	table map[string]*functions.Func
	call  functions.Call
}

// Lookup implements jinja.Names.
func (n *workflowNames) Lookup(_ context.Context, name string) (any, bool, error) {
	f, ok := n.table[name]
	if !ok {
		return nil, false, nil
	}
	return &jinja.Function{Name: name, Call: func(args []any, keywords map[string]any) (any, error) {
		bound, err := f.Bind(args, keywords, nil)
		if err != nil {
			return nil, err
		}
		return f.Run(&n.call, bound)
	}}, true, nil
}

// Known implements jinja.Names.
func (n *workflowNames) Known() []string {
	out := make([]string, 0, len(n.table))
	for name := range n.table {
		out = append(out, name)
	}
	return out
}

// stored gives a workflow the datastore of the renderer.
type stored struct {
	functions.Workflow
	r *Renderer
}

// Stored looks an item up: system.<key>, and any other key for the user who runs the workflow.
func (s stored) Stored(ctx context.Context, key string, decrypt bool) (string, bool, error) {
	scope, name, user := "user", key, s.user()
	if rest, ok := strings.CutPrefix(key, "system."); ok {
		scope, name, user = "system", rest, ""
	}
	text, ok, err := s.r.store.Lookup(ctx, scope, user, name)
	if err != nil || !ok || !decrypt {
		return text, ok, err
	}
	text, err = s.r.store.Decrypt(ctx, text)
	return text, true, err
}

// user is ctx().st2.user, or that of the renderer.
func (s stored) user() string {
	v, _ := s.Variable("st2")
	if d, ok := v.(*value.Dict); ok {
		if u, ok := d.GetString("user"); ok && value.Truth(u) {
			return value.Str(u)
		}
	}
	return s.r.user
}
