package workflow

import (
	"context"
	"slices"
	"strings"

	"petrel/engine/expression"
	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
)

// scope is what the expressions at one place see. It reads the state and never
// changes it.
type scope struct {
	c       *Conductor
	base    *frame
	frame   *frame
	over    *value.Dict // assigned at this place, above the frames; may be nil
	current *functions.Current
	item    any
	memo    map[string]any
}

var _ functions.Workflow = (*scope)(nil)

// scope makes a scope on a frame, with the inputs and vars below it.
func (c *Conductor) scope(f *frame, current *functions.Current) *scope {
	return &scope{c: c, base: get[frame](c.parts, keyBase), frame: f, current: current, memo: map[string]any{}}
}

// bare makes a scope that sees only the given variables.
func (c *Conductor) bare(over *value.Dict) *scope {
	return &scope{c: c, over: over, memo: map[string]any{}}
}

// withItem is the scope for one item; it shares what was loaded already.
func (s *scope) withItem(item any) *scope {
	out := *s
	out.item = item
	return &out
}

// assign sets a variable for the expressions after this one.
func (s *scope) assign(name string, v any) {
	if s.over == nil {
		s.over = value.NewDict(1)
	}
	s.over.SetString(name, v)
}

// evaluate renders a value at this place.
func (s *scope) evaluate(ctx context.Context, v any) (any, error) {
	out, err := s.c.evaluator.Orquesta(ctx, v, expression.OrquestaScope{Workflow: s})
	if err != nil && ctx.Err() != nil && s.c.parts.fault == nil {
		s.c.parts.fault = ctx.Err() // the caller has given up; the workflow has not failed
	}
	if s.c.parts.fault != nil {
		return nil, s.c.parts.fault
	}
	return out, err
}

// Variable implements functions.Workflow.
func (s *scope) Variable(name string) (any, bool) {
	if s.over != nil {
		if v, ok := s.over.GetString(name); ok {
			return v, true
		}
	}
	if v, ok := s.memo[name]; ok {
		return v, true
	}
	under, based := s.base.find(name)
	b, ok := s.frame.find(name)
	switch {
	case based && ok:
		b = under.merge(b)
	case based:
		b = under
	case !ok:
		switch name {
		case "__state", "__current_task", "__current_item":
			return nil, true // they exist, but not for expressions
		}
		return nil, false
	}
	// A template may change a list it is given; what is stored must stay.
	v := value.DeepCopy(s.c.merged(b.Values))
	s.memo[name] = v
	return v, true
}

// Variables implements functions.Workflow.
func (s *scope) Variables() *value.Dict {
	out := value.NewDict(8)
	add := func(f *frame) {
		for _, b := range f.bindings() {
			v, _ := s.Variable(b.Name)
			out.SetString(b.Name, v)
		}
	}
	add(s.base)
	add(s.frame)
	if s.over != nil {
		for k, v := range s.over.All() {
			if name, ok := k.(string); ok {
				out.SetString(name, v)
			}
		}
	}
	return out
}

// Item implements functions.Workflow.
func (s *scope) Item() any { return s.item }

// Current implements functions.Workflow.
func (s *scope) Current() (functions.Current, bool) {
	if s.current == nil {
		return functions.Current{}, false
	}
	return *s.current, true
}

// Status implements functions.Workflow.
func (s *scope) Status(task string, route int) (string, error) {
	e := s.c.nearest(task, route)
	if s.c.parts.fault != nil {
		return "", s.c.parts.fault
	}
	if e == nil {
		return string(Unset), nil
	}
	return string(e.status()), nil
}

// Task implements functions.Workflow.
func (s *scope) Task(ctx context.Context, task string, route int) (*value.Dict, error) {
	e := s.c.nearest(task, route)
	if e == nil || s.c.parts.fault != nil {
		return nil, s.c.parts.fault
	}
	if s.c.records != nil {
		record, err := s.c.records.Task(ctx, e.ID, e.Route)
		if err != nil {
			s.c.parts.fail("record of "+e.ID, err) // not the fault of the expression that asks
		}
		return record, err
	}
	var result any
	if s.current != nil && s.current.ID == e.ID && s.current.Route == e.Route {
		var err error
		if result, err = s.current.Value(); err != nil {
			return nil, err
		}
	}
	return value.DictOf("task_execution_id", nil, "workflow_execution_id", nil, "task_name", e.ID, "task_id", e.ID,
		"route", int64(e.Route), "result", result, "status", string(e.status()), "start_timestamp", nil, "end_timestamp", nil), nil
}

// Stored implements functions.Workflow: the renderer answers for the datastore.
func (s *scope) Stored(context.Context, string, bool) (string, bool, error) { return "", false, nil }

// nearest finds the newest entry of a task on a route, else on the nearest earlier
// route whose steps are all part of this one.
func (c *Conductor) nearest(task string, route int) *entry {
	for {
		if e := c.latest(task, route); e != nil || route <= 0 {
			return e
		}
		here := c.route(route)
		earlier := route - 1
		for ; earlier >= 0; earlier-- {
			if !slices.ContainsFunc(c.route(earlier), func(step string) bool { return !slices.Contains(here, step) }) {
				break
			}
		}
		route = earlier
		if route < 0 {
			return nil
		}
	}
}

// errorName is what upstream calls a failed expression; the language is told by
// the expression that the message quotes.
func errorName(err error) string {
	text := err.Error()
	if strings.HasPrefix(text, "There are unresolved variables") {
		return "JinjaEvaluationException: "
	}
	quoted, ok := strings.CutPrefix(text, "Unable to evaluate expression '")
	switch {
	case !ok:
		return ""
	case strings.HasPrefix(quoted, "<%"):
		return "YaqlEvaluationException: "
	}
	return "JinjaEvaluationException: "
}

// typeError is a value of the wrong kind, in upstream's words.
type typeError string

func (e typeError) Error() string { return "TypeError: " + string(e) }

// whole evaluates what must be an integer. kind says what it is.
func (s *scope) whole(ctx context.Context, v any, kind string) (int64, error) {
	if text, ok := v.(string); ok {
		out, err := s.evaluate(ctx, text)
		if err != nil {
			return 0, err
		}
		v = out
	}
	n, ok := v.(int64)
	if !ok {
		return 0, typeError("The value of " + kind + " is not type of integer.")
	}
	return n, nil
}

// current makes the current task of a scope.
func current(task string, route int, result any) *functions.Current {
	return &functions.Current{ID: task, Route: route, Result: result}
}
