package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
	"petrel/engine/workflow"
	"petrel/engine/workflow/chain"
	"petrel/store"
)

// beginFlow starts the workflow of an execution, or runs tasks of one again.
func (w *Workers) beginFlow(ctx context.Context, item store.Item) error {
	d, err := Executions.Get(ctx, w.store, item.ID)
	if errors.Is(err, store.ErrNotFound) {
		return w.acknowledge(ctx, item)
	}
	if err != nil {
		return err
	}
	e := &d.Value
	switch e.Status {
	case engine.Requested, engine.Scheduled, engine.Delayed:
	default:
		if e.Status.Completed() {
			return w.acknowledge(ctx, item)
		}
		return w.recall(ctx, item)
	}
	var b store.Batch
	through, admitted, err := w.admit(ctx, &d, &b, item)
	defer admitted()
	if err != nil || !through {
		return err
	}
	f, err := w.newFlow(ctx, d, &b)
	if err != nil {
		admitted()
	}
	var refused *engine.Error
	if errors.As(err, &refused) {
		result := flowProblem(refused.Error())
		if e.Action.Runner == engine.RunnerChain {
			result = chainProblem(refused.Error())
		}
		return w.complete(ctx, d, item, runners.Outcome{Status: engine.Failed, Result: result})
	}
	var wrong inspectionError
	if errors.As(err, &wrong) {
		return w.complete(ctx, d, item, runners.Outcome{Status: engine.Failed, Result: flowErrors([]workflow.Problem(wrong))})
	}
	if err != nil {
		return err
	}
	w.log.Info("workflow started", "execution_id", e.ID, "action", e.Action.Ref, "trace_id", e.TraceID)
	return w.step(ctx, f, &b, item)
}

// inspectionError is what is wrong with a definition.
type inspectionError []workflow.Problem

func (p inspectionError) Error() string {
	words := make([]string, len(p))
	for i, one := range p {
		words[i] = one.String()
	}
	return strings.Join(words, "\n")
}

// newFlow begins the workflow of an execution.
func (w *Workers) newFlow(ctx context.Context, d store.Doc[engine.Execution], b *store.Batch) (*flow, error) {
	e := &d.Value
	action, set, err := w.lookUp(e.Action.Ref)
	if err != nil {
		return nil, err
	}
	if err := e.MoveTo(engine.Running, w.now()); err != nil {
		return nil, err
	}
	if e.Context.ReRun != nil {
		return w.takeOver(ctx, d)
	}
	file, text, err := ReadWorkflow(action)
	if err != nil {
		return nil, err
	}
	p, err := w.plan(e.Action.Runner, file, text)
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "%v", err)
	}
	job, err := w.job(ctx, e, action, set.params)
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "%v", err)
	}
	if err := w.inspect(p, job.Runner); err != nil {
		return nil, err
	}
	f := &flow{e: d, tasks: map[string]*TaskExecution{}, before: workflow.Unset, put: true}
	f.doc = store.Doc[WorkflowExecution]{ID: e.Context.WorkflowExecution, Value: WorkflowExecution{
		ID: e.Context.WorkflowExecution, ActionExecution: e.ID, Runner: e.Action.Runner, File: p.file, StartTimestamp: w.now(),
	}}
	if p.chain == nil {
		f.c, err = workflow.New(ctx, w.flowOptions(f, p), workflow.Start{Input: job.Params, Parent: w.startContext(e, f.doc.ID)})
	} else {
		var o chain.Options
		if o, err = w.chainOptions(ctx, f, p); err != nil {
			return nil, err
		}
		if f.chain, err = chain.New(ctx, o); err == nil {
			f.c = f.chain.Conductor
		}
	}
	if err != nil {
		return nil, err
	}
	if !p.stored {
		text := store.Doc[WorkflowFile]{ID: p.file, Rev: store.AnyRev, Value: WorkflowFile{File: file, Text: string(text)}}
		if err := WorkflowFiles.Put(b, text); err != nil {
			return nil, err
		}
	}
	if f.c.Status().Completed() {
		return f, nil // inputs or vars cannot be rendered
	}
	return f, f.c.Request(ctx, engine.Running)
}

// startContext is what a workflow sees below its inputs.
func (w *Workers) startContext(e *engine.Execution, id string) *value.Dict {
	st2 := value.DictOf("action_execution_id", e.ID, "api_url", w.apiURL, "user", e.Context.User, "pack", e.Context.Pack,
		"action", e.Action.Ref, "runner", e.Action.Runner, "workflow_execution_id", id)
	if e.Context.APIUser != "" {
		st2.SetString("api_user", e.Context.APIUser)
	}
	if e.Context.SourceChannel != "" {
		st2.SetString("source_channel", e.Context.SourceChannel)
	}
	return value.DictOf("st2", st2, "parent", contextValue(e))
}

// contextValue is the context of an execution as expressions see it.
func contextValue(e *engine.Execution) *value.Dict {
	v, err := value.ParseJSON(contextJSON(e))
	if err != nil { // our own JSON
		panic(err)
	}
	return v.(*value.Dict)
}

func (w *Workers) flowOptions(f *flow, p *plan) workflow.Options {
	return workflow.Options{
		Definition: p.def, Evaluator: w.renderer.WithUser(templateUser(&f.e.Value)), Records: flowRecords{w, f},
	}
}

func (w *Workers) chainOptions(ctx context.Context, f *flow, p *plan) (chain.Options, error) {
	e := &f.e.Value
	action, set, err := w.lookUp(e.Action.Ref)
	if err != nil {
		return chain.Options{}, err
	}
	job, err := w.job(ctx, e, action, set.params)
	if err != nil {
		return chain.Options{}, engine.Errorf(engine.Invalid, "%v", err)
	}
	return chain.Options{
		Chain: p.chain, Renderer: w.renderer.WithUser(templateUser(e)), Parameters: job.Params,
		ActionContext: value.DictOf("parent", contextValue(e)), Config: job.Config,
	}, nil
}

// takeOver carries on the workflow of an execution that has ended, from the tasks
// that are to run again.
func (w *Workers) takeOver(ctx context.Context, d store.Doc[engine.Execution]) (*flow, error) {
	again := d.Value.Context.ReRun
	f, err := w.openFlow(ctx, d.Value.Context.WorkflowExecution)
	if errors.Is(err, store.ErrNotFound) {
		return nil, engine.Errorf(engine.Invalid, "the execution %s has no workflow that could be run again: it never began", again.Ref)
	}
	if err != nil {
		return nil, err
	}
	var tasks []workflow.Rerun
	for _, name := range again.Tasks {
		routes, err := f.c.Routes(name)
		if err != nil {
			return nil, err
		}
		if len(routes) == 0 {
			return nil, engine.Errorf(engine.Invalid, "Unable to rerun task %q: it is not in the workflow or never ran.", name)
		}
		for _, route := range routes {
			tasks = append(tasks, workflow.Rerun{Task: name, Route: route, Reset: slices.Contains(again.Reset, name)})
		}
	}
	if err := f.c.Rerun(ctx, tasks); err != nil {
		return nil, err
	}
	f.e, f.parent, f.put = d, nil, true
	f.doc.Value.ActionExecution, f.doc.Value.EndTimestamp = d.ID, nil
	return f, nil
}

// recall tells a workflow once more what became of its tasks. It is for an
// execution that is queued though it has begun: its items were lost on the way,
// as when the installation was copied to another store.
func (w *Workers) recall(ctx context.Context, item store.Item) error {
	f, err := w.openFlow(ctx, item.Group)
	if err != nil {
		return err
	}
	moved := false
	err = w.eachChild(ctx, &f.e.Value, func(d store.Doc[engine.Execution]) error {
		switch {
		case d.Value.Status.Completed(), d.Value.Status == engine.Pending, d.Value.Status == engine.Paused:
			news, err := w.childMoved(ctx, f, d.ID)
			moved = moved || news
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	var b store.Batch
	for status, do := range map[engine.Status]flowDo{engine.Pausing: doPause, engine.Resuming: doResume, engine.Canceling: doCancel} {
		if f.e.Value.Status == status {
			if err := w.requested(ctx, f, &b, do); err != nil {
				return err
			}
			moved = true
		}
	}
	if !moved {
		w.flows.keep(f)
		return w.acknowledge(ctx, item)
	}
	return w.step(ctx, f, &b, item)
}

// flowRecords answers task() of expressions.
type flowRecords struct {
	w *Workers
	f *flow
}

var _ workflow.Records = flowRecords{}

// Task implements workflow.Records.
func (r flowRecords) Task(ctx context.Context, task string, route int) (*value.Dict, error) {
	t, err := r.w.task(ctx, r.f, task, route)
	if err != nil {
		return nil, err
	}
	if t == nil { // nothing had to be run, so there is no record
		t = &TaskExecution{WorkflowExecution: r.f.doc.ID, TaskID: task, TaskRoute: route, StartTimestamp: r.f.doc.Value.StartTimestamp}
	}
	var result any
	switch {
	case t.Itemized:
		if result, err = r.w.itemRecords(ctx, t); err != nil {
			return nil, err
		}
	case t.Execution != "":
		e, err := r.w.Execution(ctx, t.Execution)
		if err != nil {
			return nil, err
		}
		if result, err = parseResult(e.Result); err != nil {
			return nil, err
		}
	}
	var end any
	if t.EndTimestamp != nil {
		end = t.EndTimestamp.UTC().Format(viewTime)
	}
	return value.DictOf("task_execution_id", t.ID, "workflow_execution_id", t.WorkflowExecution, "task_name", t.TaskID,
		"task_id", t.TaskID, "route", int64(t.TaskRoute), "result", result, "status", string(r.f.c.TaskStatus(task, route)),
		"start_timestamp", t.StartTimestamp.UTC().Format(viewTime), "end_timestamp", end), nil
}

func parseResult(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	return value.ParseJSON(raw)
}
