package functions

import (
	"context"
	"fmt"
	"strconv"

	"petrel/engine/expression/value"
)

// Variables is a [Workflow] over the form that Orquesta itself keeps a context in: the
// variables, and among them __current_task {id, route, result}, __current_item and
// __state {tasks, sequence, routes}. Tools and tests use it; it has no datastore.
type Variables struct{ Context *value.Dict }

var _ Workflow = Variables{}

// Variable implements [Workflow].
func (v Variables) Variable(name string) (any, bool) { return v.Context.GetString(name) }

// Variables implements [Workflow].
func (v Variables) Variables() *value.Dict { return v.Context }

// Item implements [Workflow].
func (v Variables) Item() any {
	item, _ := v.Context.GetString("__current_item")
	return item
}

// Current implements [Workflow].
func (v Variables) Current() (Current, bool) {
	t, _ := v.Context.GetString("__current_task")
	d, ok := t.(*value.Dict)
	if !ok || d.Len() == 0 {
		return Current{}, false
	}
	c := Current{}
	if id, ok := d.GetString("id"); ok {
		c.ID = value.Str(id)
	}
	if r, ok := d.GetString("route"); ok {
		if n, ok := r.(int64); ok {
			c.Route = int(n)
		}
	}
	c.Result, _ = d.GetString("result")
	return c, true
}

// entry finds the newest entry of a task in __state, on its route or the nearest
// earlier route that leads to it; nil when there is none.
func (v Variables) entry(task string, route int) (*value.Dict, error) {
	s, _ := v.Context.GetString("__state")
	state, ok := s.(*value.Dict)
	if !ok {
		return nil, nil
	}
	tasks, _ := state.GetString("tasks")
	pointers, ok := tasks.(*value.Dict)
	if !ok {
		return nil, nil
	}
	routes := listOf(state, "routes")
	for {
		if p, ok := pointers.GetString(task + "__r" + strconv.Itoa(route)); ok {
			sequence := listOf(state, "sequence")
			i, ok := p.(int64)
			if !ok || i < 0 || int(i) >= len(sequence) {
				return nil, fmt.Errorf("the entry of task %q points nowhere", task)
			}
			d, _ := sequence[i].(*value.Dict)
			return d, nil
		}
		if route <= 0 {
			return nil, nil
		}
		if route >= len(routes) {
			return nil, fmt.Errorf("there is no route %d", route)
		}
		if route = earlier(routes, route); route < 0 {
			return nil, nil
		}
	}
}

func listOf(d *value.Dict, key string) []any {
	v, _ := d.GetString(key)
	if l, ok := v.(*value.List); ok {
		return l.Items
	}
	return nil
}

// earlier is the nearest earlier route whose steps are all part of this one, -1 when there is none.
func earlier(routes []any, route int) int {
	here, _ := routes[route].(*value.List)
	if here == nil {
		return -1
	}
next:
	for r := route - 1; r >= 0; r-- {
		there, _ := routes[r].(*value.List)
		if there == nil {
			continue
		}
		for _, step := range there.Items {
			found := false
			for _, h := range here.Items {
				found = found || value.Equal(h, step)
			}
			if !found {
				continue next
			}
		}
		return r
	}
	return -1
}

// Status implements [Workflow].
func (v Variables) Status(task string, route int) (string, error) {
	e, err := v.entry(task, route)
	if err != nil || e == nil {
		return "null", err
	}
	s, ok := e.GetString("status")
	if !ok || s == nil {
		return "null", nil
	}
	return value.Str(s), nil
}

// Task implements [Workflow]: what the context itself knows of a task.
func (v Variables) Task(_ context.Context, task string, route int) (*value.Dict, error) {
	e, err := v.entry(task, route)
	if err != nil || e == nil {
		return nil, err
	}
	record := value.NewDict(9)
	for _, k := range []string{"task_execution_id", "workflow_execution_id", "task_name", "task_id", "route", "result", "status", "start_timestamp", "end_timestamp"} {
		x, _ := e.GetString(k)
		record.SetString(k, x)
	}
	record.SetString("task_name", task)
	record.SetString("task_id", task)
	if cur, ok := v.Current(); ok && cur.ID == task {
		record.SetString("result", cur.Result)
	}
	return record, nil
}

// Stored implements [Workflow]: no item exists.
func (v Variables) Stored(context.Context, string, bool) (string, bool, error) {
	return "", false, nil
}
