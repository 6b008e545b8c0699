package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/params"
	"petrel/engine/workflow"
	"petrel/engine/workflow/chain"
	"petrel/store"
)

// has reports whether an execution carries out this run of the task.
func (t *TaskExecution) has(e *engine.Execution) bool {
	if t.Itemized {
		return slices.Contains(t.Runs, e.Task.Run)
	}
	return t.Execution == e.ID
}

// task finds the newest run of a task; nil when it has not run.
func (w *Workers) task(ctx context.Context, f *flow, name string, route int) (*TaskExecution, error) {
	id := taskExecutionID(f.doc.ID, name, route)
	if t, ok := f.tasks[id]; ok {
		return t, nil
	}
	d, err := TaskExecutions.Get(ctx, w.store, id)
	if errors.Is(err, store.ErrNotFound) {
		f.tasks[id] = nil
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d.Value.recorded = true
	f.tasks[id] = &d.Value
	return &d.Value, nil
}

// advance starts what the conductor wants started, until there is nothing more.
func (w *Workers) advance(ctx context.Context, f *flow, b *store.Batch) error {
	for again := true; again; {
		again = false
		next, err := f.c.Advance(ctx)
		if err != nil {
			return err
		}
		for i := range next {
			refused, err := w.launch(ctx, f, b, &next[i])
			if err != nil {
				return err
			}
			again = again || refused
			f.touch(next[i].Task, next[i].Route)
		}
	}
	return w.putTasks(f, b)
}

// touch notes that the record of a task may have changed in this step.
func (f *flow) touch(task string, route int) {
	if id := taskExecutionID(f.doc.ID, task, route); !slices.Contains(f.touched, id) {
		f.touched = append(f.touched, id)
	}
}

// putTasks records the runs of tasks that began or ended in this step.
func (w *Workers) putTasks(f *flow, b *store.Batch) error {
	for _, id := range f.touched {
		t := f.tasks[id]
		if t == nil {
			continue
		}
		changed := !t.recorded
		if s := f.c.TaskStatus(t.TaskID, t.TaskRoute); f.c.Run(t.TaskID, t.TaskRoute) == t.Run && s != t.Status {
			t.Status, changed = s, true
			if s.Completed() {
				now := w.now()
				t.EndTimestamp = &now
			}
		}
		if !changed {
			continue
		}
		t.recorded = true
		if err := TaskExecutions.Put(b, store.Doc[TaskExecution]{ID: id, Rev: store.AnyRev, Value: *t}); err != nil {
			return err
		}
	}
	f.touched = f.touched[:0]
	return nil
}

// launch requests the executions of a task. refused tells that one of them could
// not be requested: the workflow has failed.
func (w *Workers) launch(ctx context.Context, f *flow, b *store.Batch, n *workflow.Next) (refused bool, err error) {
	if n.Completed {
		return false, nil
	}
	t, err := w.begunTask(ctx, f, n)
	if err != nil {
		return false, err
	}
	for _, a := range n.Actions {
		e, problem := w.child(ctx, f, len(b.Puts), t, n, a)
		if problem != nil {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			if err := f.refuse(ctx, n, a, problem); err != nil {
				return false, err
			}
			refused = true
			continue
		}
		if !n.Itemized {
			t.Execution, t.recorded = e.ID, false
		}
		if err := w.addExecution(b, e); err != nil {
			return false, err
		}
	}
	return refused, nil
}

// begunTask is the record of a task that starts, or starts further items.
func (w *Workers) begunTask(ctx context.Context, f *flow, n *workflow.Next) (*TaskExecution, error) {
	old, err := w.task(ctx, f, n.Task, n.Route)
	if err != nil {
		return nil, err
	}
	run := f.c.Run(n.Task, n.Route)
	if old != nil && old.Run == run {
		return old, nil
	}
	t := &TaskExecution{
		ID:                engine.DeriveID(f.doc.ID, "task", n.Task, fmt.Sprint(n.Route), run, fmt.Sprint(f.head)),
		WorkflowExecution: f.doc.ID, TaskID: n.Task, TaskRoute: n.Route, Run: run, Status: engine.Running,
		Itemized: n.Itemized, ItemsCount: n.ItemsCount, Concurrency: n.Concurrency, StartTimestamp: w.now(),
	}
	if n.Delay != nil {
		t.Delay = *n.Delay
	}
	if n.Itemized {
		if n.More && old != nil {
			t.Runs = old.Runs
		}
		t.Runs = append(slices.Clone(t.Runs), t.ID)
	}
	f.tasks[taskExecutionID(f.doc.ID, n.Task, n.Route)] = t
	return t, nil
}

// child makes the execution of a task or of an item. Its ID derives from the state
// of the workflow that asks for it and at, a place in the step's batch.
func (w *Workers) child(ctx context.Context, f *flow, at int, t *TaskExecution, n *workflow.Next, a workflow.Action) (*engine.Execution, error) {
	ref, ok := a.Ref.(string)
	if !ok {
		return nil, engine.Errorf(engine.Invalid, "the action of the task is %s, not the name of an action", value.TypeName(a.Ref))
	}
	parameters := json.RawMessage("{}")
	if a.Input != nil {
		var err error
		if parameters, err = value.AppendJSON(nil, a.Input); err != nil {
			return nil, engine.Errorf(engine.Invalid, "the input of the task: %v", err)
		}
	}
	parent := &f.e.Value
	r := Request{
		Action: ref, Parameters: parameters, Lane: parent.Lane, TraceID: parent.TraceID, Context: w.childContext(f, t, n, a),
		// Of its age, so that it is listed where people look for it.
		ID: engine.NewID(w.now())[:8] + engine.DeriveID(f.doc.ID, "child", fmt.Sprint(f.head), fmt.Sprint(at))[8:],
	}
	e, rejected := w.prepare(ctx, r)
	if rejected != nil {
		return nil, rejected
	}
	e.Parent, e.Root = parent.ID, parent.RootID()
	var node *chain.Node
	if f.chain != nil {
		node = f.chain.Node(n.Task)
	}
	e.Notify = w.taskNotify(parent, n.Task, node)
	e.Task = &engine.TaskRef{Workflow: f.doc.ID, Run: t.ID, Name: n.Task, Route: n.Route, Item: a.Item}
	if seconds := n.DelayOf(a); seconds > 0 {
		now := w.now()
		due := now.Add(time.Duration(min(seconds, maxDelay)) * time.Second)
		e.NotBefore = &due
		if err := e.MoveTo(engine.Delayed, now); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// maxDelay is the longest delay in seconds: a hundred years.
const maxDelay = 100 * 365 * 24 * 3600

// childContext is the context of the execution of a task.
func (w *Workers) childContext(f *flow, t *TaskExecution, n *workflow.Next, a workflow.Action) engine.Context {
	e := &f.e.Value
	if f.parent == nil {
		own := contextValue(e)
		own.SetString("execution_id", e.ID)
		body, err := value.AppendJSON(nil, own)
		if err != nil { // it was JSON
			panic(err)
		}
		f.parent = body
	}
	c := engine.Context{
		User: e.Context.User, APIUser: e.Context.APIUser, SourceChannel: e.Context.SourceChannel, Chat: e.Context.Chat, Parent: f.parent,
	}
	if f.chain != nil {
		c.Chain = chainNode(f.chain.Node(n.Task))
		return c
	}
	c.Orquesta = &engine.OrquestaRef{
		WorkflowExecutionID: f.doc.ID, TaskExecutionID: t.ID, TaskName: n.Task, TaskID: n.Task, TaskRoute: n.Route, ItemID: a.Item,
	}
	return c
}

// refuse tells the conductor that an action could not be requested.
func (f *flow) refuse(ctx context.Context, n *workflow.Next, a workflow.Action, cause error) error {
	kind, message := "ActionExecutionException", cause.Error()
	var pe *params.Error
	switch {
	case errors.As(cause, &pe) && pe.Stage == params.StageRender:
		kind = "ParamException"
	case errors.As(cause, &pe):
		kind = "ValueValidationException"
	case engine.CodeOf(cause) == engine.NotFound:
		kind = "InvalidActionReferencedException"
	}
	text := kind + ": " + message
	if f.chain != nil {
		text = fmt.Sprintf("Failed to run task %q. %s", n.Task, message)
		switch {
		case engine.CodeOf(cause) == engine.NotFound:
			text = fmt.Sprintf("Failed to run task %q. Action with reference %q doesn't exist.", n.Task, value.Str(a.Ref))
		case pe != nil:
			text = fmt.Sprintf("Failed to run task %q. Parameter rendering failed. %s", n.Task, pe.Error())
		}
	}
	ev := workflow.Event{Task: n.Task, Route: n.Route, Item: a.Item, Status: engine.Failed, Result: value.DictOf("error", text)}
	if err := f.c.Update(ctx, ev); err != nil {
		return err
	}
	f.c.Fail(text, n.Task, &n.Route)
	return nil
}

// eachItem calls f with the executions of the items of a task. Where an item ran
// more than once, its newest execution comes last.
func (w *Workers) eachItem(ctx context.Context, t *TaskExecution, f func(e *engine.Execution) error) error {
	for _, run := range t.Runs {
		for after := ""; ; {
			docs, next, err := Executions.List(ctx, w.store, store.Query{Index: "run", Value: run, After: after, Limit: 200})
			if err != nil {
				return err
			}
			for _, d := range docs {
				if i := d.Value.Task.Item; i == nil || *i < 0 || *i >= t.ItemsCount {
					continue
				}
				if err := f(&d.Value); err != nil {
					return err
				}
			}
			if after = next; next == "" {
				break
			}
		}
	}
	return nil
}

// itemResults lists the results of the items of a task, nil for those not run.
func (w *Workers) itemResults(ctx context.Context, t *TaskExecution) ([]any, error) {
	out := make([]any, t.ItemsCount)
	err := w.eachItem(ctx, t, func(e *engine.Execution) error {
		if !e.Status.Completed() {
			return nil
		}
		raw, err := w.result(ctx, e)
		if err == nil && len(raw) > 0 {
			out[*e.Task.Item] = raw
		}
		return err
	})
	return out, err
}

// itemRecords is the result of a task with items as task() gives it.
func (w *Workers) itemRecords(ctx context.Context, t *TaskExecution) (*value.Dict, error) {
	out := make([]any, t.ItemsCount)
	err := w.eachItem(ctx, t, func(e *engine.Execution) error {
		raw, err := w.result(ctx, e)
		if err != nil {
			return err
		}
		result, err := parseResult(raw)
		if err != nil {
			return err
		}
		out[*e.Task.Item] = value.DictOf("status", string(e.Status), "result", result)
		return nil
	})
	return value.DictOf("items", value.NewList(out...)), err
}

// eachChild calls f with the executions of the tasks of a workflow, oldest first,
// also of those that ran before its tasks were run again.
func (w *Workers) eachChild(ctx context.Context, e *engine.Execution, f func(d store.Doc[engine.Execution]) error) error {
	parents := []string{e.ID}
	for again := e.Context.ReRun; again != nil; {
		parents = append(parents, again.Ref)
		d, err := Executions.Get(ctx, w.store, again.Ref)
		if errors.Is(err, store.ErrNotFound) {
			break
		}
		if err != nil {
			return err
		}
		again = d.Value.Context.ReRun
	}
	slices.Reverse(parents)
	for _, parent := range parents {
		for after := ""; ; {
			docs, next, err := Executions.List(ctx, w.store, store.Query{Index: "parent", Value: parent, After: after, Limit: 200})
			if err != nil {
				return err
			}
			for _, d := range docs {
				if err := f(d); err != nil {
					return err
				}
			}
			if after = next; next == "" {
				break
			}
		}
	}
	return nil
}

// Action chains.

// chainNode is context.chain of the execution of a node.
func chainNode(n *chain.Node) json.RawMessage {
	if n == nil {
		return nil
	}
	d := value.DictOf("name", n.Name, "ref", n.Ref, "parameters", n.Parameters, "on_success", n.OnSuccess, "on_failure", n.OnFailure,
		"publish", n.Publish, "notify", n.Notify)
	body, err := value.AppendJSON(nil, d)
	if err != nil { // it was read from a file
		panic(err)
	}
	return body
}

// chainRecords lists what became of the nodes of a chain.
func (w *Workers) chainRecords(ctx context.Context, f *flow) ([]chain.Record, error) {
	var out []chain.Record
	err := w.eachChild(ctx, &f.e.Value, func(d store.Doc[engine.Execution]) error {
		e := &d.Value
		r := chain.Record{
			Node: e.Task.Name, ExecutionID: e.ID, LiveactionID: e.ID, State: e.Status,
			CreatedAt: e.StartTimestamp.UTC().Format(chainTime), UpdatedAt: e.StartTimestamp.UTC().Format(chainTime),
		}
		if e.EndTimestamp != nil {
			r.UpdatedAt = e.EndTimestamp.UTC().Format(chainTime)
		}
		raw, err := w.result(ctx, e)
		if len(raw) > 0 {
			r.Result = raw
		}
		out = append(out, r)
		return err
	})
	return out, err
}

// chainTime is how the results of chains print times.
const chainTime = "2006-01-02T15:04:05.000000+00:00"

func (w *Workers) chainResult(ctx context.Context, f *flow) (*value.Dict, error) {
	records, err := w.chainRecords(ctx, f)
	if err != nil {
		return nil, err
	}
	show := true
	if action, set, err := w.lookUp(f.e.Value.Action.Ref); err == nil {
		if job, err := w.job(ctx, &f.e.Value, action, set.params); err == nil {
			if v, ok := job.Runner.GetString("display_published"); ok {
				show = value.Truth(v)
			}
		}
	}
	return f.chain.Result(records, show)
}

// chainProblem is the result of a chain that could not be begun.
func chainProblem(message string) json.RawMessage {
	body, err := json.Marshal(map[string]string{"error": strings.TrimSpace(message), "traceback": ""})
	if err != nil { // texts always encode
		panic(err)
	}
	return body
}
