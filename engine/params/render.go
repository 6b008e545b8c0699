package params

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strings"

	"petrel/engine/expression"
	"petrel/engine/expression/diagnose"
	"petrel/engine/expression/value"
)

// Live renders, casts and validates what a caller gives: templates in given
// values are rendered, also those of defaults; other defaults are left to Final.
// The result is what an execution stores. An [Error] tells the stage that refused.
func (s *Set) Live(ctx context.Context, r *expression.Renderer, given json.RawMessage, sc Scope) (json.RawMessage, error) {
	values, err := parse(given)
	if err != nil {
		return nil, &Error{Stage: StageValidate, Err: err}
	}
	g, err := newGraph(r, sc)
	if err != nil {
		return nil, err
	}
	for k, v := range values.All() {
		if err := g.add(k.(string), v); err != nil {
			return nil, err
		}
	}
	resolved, err := s.resolve(ctx, g)
	if err != nil {
		return nil, err
	}
	live := value.NewDict(values.Len())
	for k := range values.All() {
		if err := s.castInto(live, k.(string), resolved); err != nil {
			return nil, err
		}
	}
	if err := s.templatedDefaults(live, values, resolved); err != nil {
		return nil, err
	}
	if err := s.validate(live); err != nil {
		return nil, err
	}
	for _, name := range s.names {
		if _, ok := live.GetString(name); ok && flag(s.merged[name], "immutable") {
			return nil, &Error{StageImmutable, name, fmt.Errorf("parameter %q is immutable: it cannot be given", name)}
		}
	}
	return value.AppendJSON(nil, live)
}

// Final takes live parameters literally, fills in the defaults of the others,
// casts everything, and splits it into what the runner and what the action declares.
func (s *Set) Final(ctx context.Context, r *expression.Renderer, live json.RawMessage, sc Scope) (runner, action *value.Dict, err error) {
	values, err := parse(live)
	if err != nil {
		return nil, nil, &Error{Stage: StageValidate, Err: err}
	}
	g, err := newGraph(r, sc)
	if err != nil {
		return nil, nil, err
	}
	for k, v := range values.All() {
		g.nodes[k.(string)] = &node{val: v}
	}
	resolved, err := s.resolve(ctx, g)
	if err != nil {
		return nil, nil, err
	}
	runner, action = value.NewDict(len(s.runner.names)), value.NewDict(len(s.action.names))
	for _, name := range s.names {
		out := action
		if s.runner.byName[name] != nil {
			out = runner
		}
		if err := s.castInto(out, name, resolved); err != nil {
			return nil, nil, err
		}
	}
	return runner, action, nil
}

// resolve adds the defaults to a graph and renders everything in it.
func (s *Set) resolve(ctx context.Context, g *graph) (expression.Names, error) {
	for _, side := range []schemas{s.action, s.runner} {
		for _, name := range side.names {
			one, known := side.byName[name], g.nodes[name]
			if known == nil || known.val == nil && !known.isTemplate || one.immutable {
				if err := g.add(name, one.def); err != nil {
					return nil, err
				}
			}
		}
	}
	return g.render(ctx)
}

// declared is the entry that casts a parameter: the runner's, where it has one.
func (s *Set) declared(name string) *schema {
	if r := s.runner.byName[name]; r != nil {
		return r
	}
	return s.action.byName[name]
}

func (s *Set) castInto(out *value.Dict, name string, resolved expression.Names) error {
	kind := ""
	if d := s.declared(name); d != nil {
		kind = d.kind
	}
	v, err := Cast(resolved[name], kind)
	if err != nil {
		if m := s.merged[name]; m != nil && flag(m, "secret") {
			err = fmt.Errorf("the value is not of the type %s", kind)
		}
		return &Error{StageCast, name, fmt.Errorf("parameter %q: %w", name, err)}
	}
	out.SetString(name, v)
	return nil
}

// templatedDefaults adds the parameters that were not given and whose default is a template.
func (s *Set) templatedDefaults(live, given *value.Dict, resolved expression.Names) error {
	for _, side := range []schemas{s.action, s.runner} {
		for _, name := range side.names {
			one := side.byName[name]
			text, isText := one.def.(string)
			if one.immutable || !isText || !expression.IsTemplate(text) || resolved[name] == one.def {
				continue
			}
			if _, ok := given.GetString(name); ok {
				continue
			}
			v, err := Cast(resolved[name], one.kind)
			if err != nil {
				return &Error{StageCast, name, fmt.Errorf("parameter %q: %w", name, err)}
			}
			live.SetString(name, v)
		}
	}
	return nil
}

// graph holds values and templates by name, with the names each template needs.
type graph struct {
	r     *expression.Renderer
	nodes map[string]*node
	done  expression.Names
}

type node struct {
	val        any
	isTemplate bool
	needs      []string
	state      int // 0 untouched, 1 being rendered, 2 rendered
}

func newGraph(r *expression.Renderer, sc Scope) (*graph, error) {
	g := &graph{r: r, nodes: map[string]*node{}, done: expression.Names{}}
	plain := expression.Names{"action_context": sc.ActionContext, "config_context": sc.Config}
	for k, v := range sc.Extra {
		plain[k] = v
	}
	for k, v := range plain {
		converted, err := value.FromGo(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		if converted == nil && (k == "action_context" || k == "config_context") {
			converted = value.NewDict(0)
		}
		g.nodes[k] = &node{val: converted}
	}
	return g, nil
}

// add puts a value in, as a template when it reads as one. What Jinja cannot
// parse stays a plain value.
func (g *graph) add(name string, v any) error {
	n := &node{val: v}
	g.nodes[name] = n
	var text string
	switch x := v.(type) {
	case string:
		text = x
	case *value.List, *value.Dict:
		text = value.Str(v)
	default:
		return nil
	}
	if !expression.IsTemplate(text) {
		return nil
	}
	needs, err := g.r.Undeclared(text)
	if err == nil {
		n.isTemplate, n.needs = true, needs
	}
	return nil
}

// render renders every node after what it needs.
func (g *graph) render(ctx context.Context) (expression.Names, error) {
	names := make([]string, 0, len(g.nodes))
	for name := range g.nodes {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names { // missing names are reported before cycles
		for _, need := range g.nodes[name].needs {
			if g.nodes[need] == nil && need != "st2kv" {
				return nil, &Error{StageRender, name, g.unsatisfied(name, need)}
			}
		}
	}
	for _, name := range names {
		if err := g.visit(ctx, name, nil); err != nil {
			return nil, err
		}
	}
	return g.done, nil
}

func (g *graph) unsatisfied(name, need string) error {
	known := append([]string{"st2kv"}, g.names()...)
	hint := ""
	if near := diagnose.Nearest(need, known); near != "" {
		hint = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("Dependency unsatisfied in variable %q, which parameter %q needs%s", need, name, hint) //nolint:staticcheck // upstream's words
}

func (g *graph) names() []string {
	var out []string
	for name := range g.nodes {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

func (g *graph) visit(ctx context.Context, name string, path []string) error {
	n := g.nodes[name]
	if n == nil || n.state == 2 { // nil: st2kv
		return nil
	}
	path = append(path, name)
	if n.state == 1 {
		for i, p := range path {
			if p == name {
				path = path[i : len(path)-1]
				break
			}
		}
		sort.Strings(path)
		err := fmt.Errorf("Cyclic dependency found in the following variables: %s. Likely the variable is referencing itself", strings.Join(path, ", ")) //nolint:staticcheck // upstream's words
		return &Error{StageRender, name, err}
	}
	n.state = 1
	for _, need := range n.needs {
		if err := g.visit(ctx, need, path); err != nil {
			return err
		}
	}
	n.state = 2
	if !n.isTemplate {
		g.done[name] = n.val
		return nil
	}
	v, err := g.renderValue(ctx, n.val)
	if err != nil {
		return &Error{StageRender, name, fmt.Errorf("Failed to render parameter %q: %w", name, err)} //nolint:staticcheck // upstream's words
	}
	g.done[name] = v
	return nil
}

// wholeName is an item of a list or map that is nothing but one name; it keeps its type.
var wholeName = regexp.MustCompile(`"\{\{([A-z0-9_-]+)\}\}"`)

func (g *graph) renderValue(ctx context.Context, v any) (any, error) {
	if text, ok := v.(string); ok {
		return g.r.String(ctx, text, g.done)
	}
	text, err := value.AppendJSON(nil, v)
	if err != nil {
		return nil, err
	}
	rendered, err := g.r.String(ctx, wholeName.ReplaceAllString(string(text), "{{$1 | to_complex}}"), g.done)
	if err != nil {
		return nil, err
	}
	out, err := value.ParseJSON([]byte(rendered))
	if err != nil {
		return nil, errors.Join(err, errors.New("the rendered list or map is not JSON any more: does a rendered text hold a quote?"))
	}
	return out, nil
}
