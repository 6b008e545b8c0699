package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"petrel/engine"
	"petrel/engine/workflow"
	"petrel/engine/workflow/chain"
	"petrel/store"
)

// QueueWorkflows is the queue of what happens to workflows. The items of one
// workflow share a group, its ID: they are handled one after the other.
const QueueWorkflows = "workflows"

// flowSlots is how many workflows may take a step at once.
const flowSlots = 32

// What an item of the queue of workflows asks for. Without a body its ID is that
// of an execution to begin.
type flowItem struct {
	Do flowDo `json:"do"`
}

type flowDo string

const (
	doChild  flowDo = "child" // the execution of a task has moved on; the item's ID is its
	doPause  flowDo = "pause"
	doResume flowDo = "resume"
	doCancel flowDo = "cancel"
)

// pushFlow adds an item about a workflow.
func pushFlow(b *store.Batch, flow, id string, lane engine.Lane, do flowDo) {
	b.Pushes = append(b.Pushes, store.Push{
		Queue: QueueWorkflows, ID: id, Group: flow, Lane: int(lane), Body: []byte(`{"do":"` + do + `"}`),
	})
}

// tellParent lets the workflow of a task know that its execution has moved on. It
// is part of every batch that changes an execution.
func tellParent(b *store.Batch, e *engine.Execution) {
	if e.Task == nil {
		return
	}
	switch {
	case e.Status.Completed(), e.Status == engine.Pending, e.Status == engine.Paused, e.Status == engine.Running && resumed(e):
		pushFlow(b, e.Task.Workflow, e.ID, e.Lane, doChild)
	}
}

// resumed reports whether an execution that runs was held up before.
func resumed(e *engine.Execution) bool {
	if len(e.Log) < 2 {
		return false
	}
	switch e.Log[len(e.Log)-2].Status {
	case engine.Resuming, engine.Paused, engine.Pausing:
		return true
	}
	return false
}

// flow is a workflow while it takes a step.
type flow struct {
	doc   store.Doc[WorkflowExecution]
	e     store.Doc[engine.Execution]
	c     *workflow.Conductor
	chain *chain.Run // nil: Orquesta
	head  int64      // revision of the state that c holds
	tasks map[string]*TaskExecution

	touched []string        // tasks whose records may have changed in this step
	parent  json.RawMessage // context.parent of its tasks
	before  workflow.Status // at the begin of the step
	put     bool            // the execution is to be written whatever the status
}

// flowCache keeps workflows between their steps, so that a step need not load
// again what the one before has written. A workflow is in the cache or in the
// hands of a step, never both.
type flowCache struct {
	mu    sync.Mutex
	known map[string]*flow
	order []string // oldest first; may name what is gone
}

// maxFlows bounds the workflows in a cache, maxFlowWeight the bytes of the state of
// one: a heavier one is opened anew for each step, and only loads what that needs.
const (
	maxFlows      = 256
	maxFlowWeight = 2 << 20
)

func (c *flowCache) take(id string) *flow {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.known[id]
	delete(c.known, id)
	return f
}

func (c *flowCache) keep(f *flow) {
	if s := f.c.Status(); s.Completed() || s == engine.Paused || f.c.Weight() > maxFlowWeight {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[string]*flow{}
	}
	c.known[f.doc.ID] = f
	c.order = append(c.order, f.doc.ID)
	for len(c.order) > 4*maxFlows || len(c.known) > maxFlows {
		delete(c.known, c.order[0])
		c.order = c.order[1:]
	}
}

// handleFlow is the third stage: it takes a workflow one step further.
func (w *Workers) handleFlow(ctx context.Context, item store.Item) error {
	if len(item.Body) == 0 {
		return w.beginFlow(ctx, item)
	}
	var m flowItem
	if err := json.Unmarshal(item.Body, &m); err != nil {
		return w.bury(ctx, &store.Batch{}, item, fmt.Errorf("unreadable item: %w", err))
	}
	f, err := w.openFlow(ctx, item.Group)
	if errors.Is(err, store.ErrNotFound) {
		return w.acknowledge(ctx, item) // it never began
	}
	if err != nil {
		return err
	}
	if f.e.Value.Status.Completed() && !f.c.Status().Completed() {
		return w.acknowledge(ctx, item) // it was given up
	}
	var b store.Batch
	moved := true
	if m.Do == doChild {
		moved, err = w.childMoved(ctx, f, item.ID)
	} else {
		err = w.requested(ctx, f, &b, m.Do)
	}
	if err != nil {
		return err
	}
	if !moved {
		w.flows.keep(f)
		return w.acknowledge(ctx, item)
	}
	return w.step(ctx, f, &b, item)
}

// openFlow takes up a workflow where its last step left it.
func (w *Workers) openFlow(ctx context.Context, id string) (*flow, error) {
	head, err := w.store.Get(ctx, WorkflowState.Name, partID(id, headPart))
	if err != nil {
		return nil, err
	}
	if f := w.flows.take(id); f != nil && f.head == head.Rev {
		f.before, f.put, f.touched = f.c.Status(), false, nil
		return f, nil
	}
	f := &flow{head: head.Rev, tasks: map[string]*TaskExecution{}}
	if f.doc, err = WorkflowExecutions.Get(ctx, w.store, id); err != nil {
		return nil, err
	}
	if f.e, err = Executions.Get(ctx, w.store, f.doc.Value.ActionExecution); err != nil {
		return nil, err
	}
	plan, err := w.storedPlan(ctx, f.doc.Value.Runner, f.doc.Value.File)
	if err != nil {
		return nil, err
	}
	load := func(key string) (json.RawMessage, error) {
		if key == headPart { // the one whose revision f goes by
			var part StatePart
			err := json.Unmarshal(head.Body, &part)
			return part.Value, err
		}
		return w.loadPart(context.WithoutCancel(ctx), id, key)
	}
	if plan.chain == nil {
		f.c, err = workflow.Open(w.flowOptions(f, plan), load)
	} else {
		var o chain.Options
		if o, err = w.chainOptions(ctx, f, plan); err != nil {
			return nil, err
		}
		if f.chain, err = chain.Open(o, load); err == nil {
			f.c = f.chain.Conductor
		}
	}
	if err != nil {
		return nil, err
	}
	f.before = f.c.Status()
	return f, nil
}

// childMoved tells the conductor what became of the execution of a task. It
// reports false when that is no news: the task has gone on without it.
func (w *Workers) childMoved(ctx context.Context, f *flow, id string) (bool, error) {
	d, err := Executions.Get(ctx, w.store, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	child := &d.Value
	known, err := w.task(ctx, f, child.Task.Name, child.Task.Route)
	if err != nil {
		return false, err
	}
	if known == nil || !known.has(child) {
		return false, nil
	}
	if err := f.release(ctx, child); err != nil {
		return false, err
	}
	ev := workflow.Event{Task: child.Task.Name, Route: child.Task.Route, Item: child.Task.Item, Status: child.Status}
	if child.Status.Completed() || child.Status == engine.Pending {
		if child.ResultBlob != "" {
			ev.Load = func() (any, error) { return w.result(context.WithoutCancel(ctx), child) }
		} else {
			ev.Result = child.Result
		}
	}
	f.touch(child.Task.Name, child.Task.Route)
	ev.Items = func() ([]any, error) { return w.itemResults(ctx, known) }
	if err := f.c.Update(ctx, ev); err != nil {
		var refused *engine.Error
		if !errors.As(err, &refused) {
			return false, err
		}
		w.log.Warn("a workflow does not know what to do with a task that moved on", "workflow_execution", f.doc.ID, "execution_id", id, "error", err)
	}
	return true, nil
}

// release lets a workflow that only waited for an answer go on before it hears of
// the answer; one that a person paused stays so. The same goes for a sub-workflow
// that was held up and goes on.
func (f *flow) release(ctx context.Context, child *engine.Execution) error {
	s, goesOn := f.c.Status(), false
	switch child.Action.Runner {
	case engine.RunnerInquirer:
		goesOn = child.Status.Completed()
	case engine.RunnerOrquesta, engine.RunnerChain:
		was := f.c.TaskStatus(child.Task.Name, child.Task.Route)
		goesOn = (child.Status.Completed() || child.Status == engine.Running) && (was == engine.Paused || was == engine.Pausing)
	}
	if !goesOn || f.e.Value.Context.PausedBy != "" || s != engine.Pausing && s != engine.Paused {
		return nil
	}
	return f.c.Request(ctx, engine.Resuming)
}

// result loads the result of an execution.
func (s *Service) result(ctx context.Context, e *engine.Execution) (json.RawMessage, error) {
	if e.ResultBlob == "" {
		return e.Result, nil
	}
	body, err := s.store.Blob(ctx, e.ResultBlob)
	if err != nil {
		return nil, fmt.Errorf("result of execution %s: %w", e.ID, err)
	}
	return body, nil
}

// step lets the conductor go on as far as it can and records all that came of it.
func (w *Workers) step(ctx context.Context, f *flow, b *store.Batch, item store.Item) error {
	if err := w.advance(ctx, f, b); err != nil {
		return err
	}
	if err := w.follow(ctx, f, b); err != nil {
		return err
	}
	changes, err := f.c.Changes()
	if err != nil {
		return err
	}
	if err := putParts(b, f.doc.ID, f.head, changes); err != nil {
		return err
	}
	if err := w.tellProgress(f, b); err != nil {
		return err
	}
	b.Acks = append(b.Acks, item)
	if err := w.store.Commit(ctx, b); err != nil {
		return err
	}
	f.head++
	for _, p := range b.Puts {
		switch {
		case p.Collection == Executions.Name && p.ID == f.e.ID:
			f.e.Rev++
		case p.Collection == WorkflowExecutions.Name:
			f.doc.Rev++
		}
	}
	w.flows.keep(f)
	return nil
}

// tellProgress lets those who wait for an answer know that tasks began or ended.
func (w *Workers) tellProgress(f *flow, b *store.Batch) error {
	e := &f.e.Value
	news := slices.ContainsFunc(b.Puts, func(p store.Put) bool { return p.Collection == TaskExecutions.Name })
	told := slices.ContainsFunc(b.Puts, func(p store.Put) bool { return p.Collection == Executions.Name && p.ID == f.e.ID })
	if e.Origin == nil || !news || told && e.Status != engine.Running || e.Status.Completed() {
		return nil
	}
	return notify(b, e.ID, e.Lane, e.Origin, Notice{Kind: NoticeExecution, Execution: e.ID})
}
