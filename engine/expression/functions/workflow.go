package functions

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"petrel/engine/expression/value"
)

// Workflow is the place in a workflow where an expression stands. The workflow engine
// supplies it; [Variables] is one over Orquesta's own form of a context.
type Workflow interface {
	// Variable gives one variable of the context.
	Variable(name string) (any, bool)
	// Variables gives all of them; the map is not changed.
	Variables() *value.Dict
	// Item is the current item of a with-items task, nil outside.
	Item() any
	// Current is the task that has just completed; ok=false where there is none.
	Current() (task Current, ok bool)
	// Status is the status of the newest entry of a task on a route or the nearest earlier
	// route; "null" when it never ran.
	Status(task string, route int) (string, error)
	// Task is the newest record of a task: task_execution_id, workflow_execution_id,
	// task_name, task_id, route, result, status, start_timestamp, end_timestamp.
	// It is nil when the task has not run.
	Task(ctx context.Context, task string, route int) (*value.Dict, error)
	// Stored looks up a datastore item; key begins with "system." for the system scope
	// and is otherwise of the user that runs the workflow.
	Stored(ctx context.Context, key string, decrypt bool) (text string, ok bool, err error)
}

// Current is the current task of an expression.
type Current struct {
	ID     string
	Route  int
	Result any // its value, or a [Lazy] that gives it
}

// Lazy is a value that is loaded when an expression uses it.
type Lazy func() (any, error)

// Value gives the result.
func (c Current) Value() (any, error) {
	if load, ok := c.Result.(Lazy); ok {
		return load()
	}
	return c.Result, nil
}

// ErrNoTask is what result(), succeeded() and the like give where there is no current task.
var ErrNoTask = errors.New("The current task is not set in the context.") //nolint:staticcheck // upstream's words

// UndefinedError says that a variable does not exist.
type UndefinedError struct {
	Name  string
	Known []string // names that exist, for a suggestion
}

func (e *UndefinedError) Error() string { return fmt.Sprintf("The variable %q is undefined.", e.Name) }

func workflowFuncs() []*Func {
	status := func(name string, holds func(status string) bool) *Func {
		return &Func{Name: name, Dialect: Orquesta, Run: func(c *Call, _ []any) (any, error) {
			w, err := c.workflow(name)
			if err != nil {
				return nil, err
			}
			cur, ok := w.Current()
			if !ok {
				return nil, ErrNoTask
			}
			s, err := w.Status(cur.ID, cur.Route)
			return holds(s), err
		}}
	}
	taskParams := func(id Param) []Param { return []Param{id, opt("route", nil)} }
	return []*Func{
		{Name: "ctx", Params: []Param{opt("key", nil)}, Dialect: Orquesta, Run: ctxFunc},
		{Name: "item", Params: []Param{opt("key", nil)}, Dialect: Orquesta, Run: itemFunc},
		{Name: "result", Dialect: Orquesta, Run: resultFunc},
		status("succeeded", func(s string) bool { return s == "succeeded" }),
		status("failed", func(s string) bool { return s == "failed" }),
		status("completed", Completed),
		{Name: "task_status", Params: taskParams(need("task_id")), Dialect: Orquesta, Run: statusFunc},
		{Name: "task", Params: taskParams(opt("task_id", nil)), Dialect: Orquesta, Run: taskFunc},
		{Name: "json", Params: []Param{need("s")}, Dialect: Orquesta, Run: jsonFunc},
		{Name: "zip", Params: []Param{opt("pad", nil)}, Variadic: true, Dialect: Orquesta, Run: zipFunc},
		{Name: "st2kv", Params: []Param{need("key"), opt("decrypt", false), opt("default", Missing{})}, Dialect: Orquesta, Run: st2kvFunc},
	}
}

// Completed tells whether a status of Orquesta is final.
func Completed(status string) bool {
	switch status {
	case "succeeded", "failed", "timeout", "abandoned", "canceled":
		return true
	}
	return false
}

func (c *Call) workflow(fn string) (Workflow, error) {
	if c == nil || c.Workflow == nil {
		return nil, fmt.Errorf("%s() works only in workflows", fn)
	}
	return c.Workflow, nil
}

func (c *Call) context() context.Context {
	if c == nil || c.Context == nil {
		return context.Background()
	}
	return c.Context
}

func ctxFunc(c *Call, a []any) (any, error) {
	w, err := c.workflow("ctx")
	if err != nil {
		return nil, err
	}
	if !value.Truth(a[0]) {
		return Visible(w.Variables()), nil
	}
	return Variable(w, text(a[0]))
}

// Variable is ctx(name).
func Variable(w Workflow, name string) (any, error) {
	v, ok := w.Variable(name)
	switch {
	case !ok:
		return nil, &UndefinedError{Name: name, Known: knownNames(w)}
	case strings.HasPrefix(name, "__"):
		return nil, fmt.Errorf("The variable %q is for internal use and inaccessible.", name) //nolint:staticcheck // upstream's words
	}
	return v, nil
}

func knownNames(w Workflow) []string {
	var names []string
	for k := range w.Variables().All() {
		if s, ok := k.(string); ok && !strings.HasPrefix(s, "__") {
			names = append(names, s)
		}
	}
	return names
}

// Visible is ctx(): the variables without the internal ones, whose names begin with "__".
func Visible(all *value.Dict) *value.Dict {
	out := value.NewDict(all.Len())
	for k, v := range all.All() {
		if s, ok := k.(string); ok && !strings.HasPrefix(s, "__") {
			out.SetString(s, v)
		}
	}
	return out
}

func itemFunc(c *Call, a []any) (any, error) {
	w, err := c.workflow("item")
	if err != nil {
		return nil, err
	}
	item := w.Item()
	if !value.Truth(a[0]) {
		return item, nil
	}
	d, ok := item.(*value.Dict)
	if !ok {
		return nil, fmt.Errorf("item(%s): the item is not a map but %s", value.Repr(a[0]), value.TypeName(item))
	}
	v, ok := d.Get(a[0])
	if !ok {
		return nil, fmt.Errorf("Item does not have key %q.", text(a[0])) //nolint:staticcheck // upstream's words
	}
	return v, nil
}

func resultFunc(c *Call, _ []any) (any, error) {
	w, err := c.workflow("result")
	if err != nil {
		return nil, err
	}
	cur, ok := w.Current()
	if !ok {
		return nil, ErrNoTask
	}
	return cur.Value()
}

// route gives the route argument, by default that of the current task.
func (c *Call) route(w Workflow, fn string, arg any) (int, error) {
	if arg != nil {
		return wholeNumber(fn, "route", arg)
	}
	cur, _ := w.Current()
	return cur.Route, nil
}

func statusFunc(c *Call, a []any) (any, error) {
	w, err := c.workflow("task_status")
	if err != nil {
		return nil, err
	}
	route, err := c.route(w, "task_status", a[1])
	if err != nil {
		return nil, err
	}
	return w.Status(text(a[0]), route)
}

func taskFunc(c *Call, a []any) (any, error) {
	w, err := c.workflow("task")
	if err != nil {
		return nil, err
	}
	route, err := c.route(w, "task", a[1])
	if err != nil {
		return nil, err
	}
	id := text(a[0])
	if a[0] == nil {
		cur, ok := w.Current()
		if !ok {
			return nil, ErrNoTask
		}
		id = cur.ID
	}
	record, err := w.Task(c.context(), id, route)
	if err != nil {
		return nil, err
	}
	if record == nil {
		return nil, fmt.Errorf("Unable to find task execution for %q.", id) //nolint:staticcheck // upstream's words
	}
	return record, nil
}

// jsonFunc lets a map through, as Orquesta does in Jinja; in YAQL, where upstream fails
// because its maps are of another type, there is no reason to refuse it.
func jsonFunc(_ *Call, a []any) (any, error) {
	switch x := a[0].(type) {
	case *value.Dict:
		return x, nil
	case string:
		return FromJSON(x)
	}
	return nil, fmt.Errorf("Given object is not typeof string.") //nolint:staticcheck // upstream's words
}

// zipFunc makes rows, padded to the longest column; a null column is empty and a single one stays as it is.
func zipFunc(_ *Call, a []any) (any, error) {
	pad, columns := a[0], a[1:]
	if len(columns) == 1 && columns[0] != nil {
		return columns[0], nil
	}
	rows := 0
	items := make([][]any, len(columns))
	for i, col := range columns {
		if col == nil {
			continue
		}
		seq, err := value.Iterate(col)
		if err != nil {
			return nil, fmt.Errorf("zip(): %w", err)
		}
		for v := range seq {
			items[i] = append(items[i], v)
		}
		rows = max(rows, len(items[i]))
	}
	out := &value.List{Items: make([]any, rows)}
	for r := range out.Items {
		row := &value.List{Items: make([]any, len(columns))}
		for c := range columns {
			row.Items[c] = pad
			if r < len(items[c]) {
				row.Items[c] = items[c][r]
			}
		}
		out.Items[r] = row
	}
	return out, nil
}

func st2kvFunc(c *Call, a []any) (any, error) {
	w, err := c.workflow("st2kv")
	if err != nil {
		return nil, err
	}
	key, ok := a[0].(string)
	if !ok {
		return nil, fmt.Errorf("st2kv(): the key must be text, not %s", value.TypeName(a[0]))
	}
	decrypt, ok := a[1].(bool)
	if !ok {
		return nil, fmt.Errorf("st2kv(): decrypt must be true or false, not %s", value.Repr(a[1]))
	}
	item, ok, err := w.Stored(c.context(), key, decrypt)
	if err != nil {
		return nil, fmt.Errorf("st2kv(%s): %w", value.Repr(key), err)
	}
	if ok {
		return item, nil
	}
	if _, none := a[2].(Missing); none {
		return nil, fmt.Errorf("The key %q does not exist in the StackStorm datastore.", key) //nolint:staticcheck // upstream's words
	}
	return a[2], nil
}
