package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/workflow"
	"petrel/store"
)

// follow brings the records of the workflow in line with its conductor.
func (w *Workers) follow(ctx context.Context, f *flow, b *store.Batch) error {
	s, e := f.c.Status(), &f.e.Value
	if s == f.before && !f.put {
		return nil
	}
	if s != f.before || f.put {
		f.doc.Value.Status = s
		if s.Completed() {
			now := w.now()
			f.doc.Value.EndTimestamp = &now
		}
		if err := WorkflowExecutions.Put(b, f.doc); err != nil {
			return err
		}
	}
	to, err := w.standing(ctx, f)
	if err != nil {
		return err
	}
	if e.Status.Completed() || to == "" {
		return nil
	}
	if to != e.Status {
		if !engine.CanMove(e.Status, to) {
			w.log.Debug("a workflow is asked something else already", "execution_id", e.ID, "status", e.Status, "conductor", s)
			to = e.Status
		} else if err := e.MoveTo(to, w.now()); err != nil {
			return err
		}
	} else if !f.put {
		return nil
	}
	if to == engine.Running {
		e.Context.PausedBy = ""
	}
	if to.Completed() || to == engine.Paused && f.chain != nil {
		result, err := w.flowResult(ctx, f)
		if err != nil {
			return err
		}
		w.attachResult(b, e, result)
	}
	if to.Completed() {
		if err := w.endPaused(ctx, e, b); err != nil {
			return err
		}
		w.log.Info("workflow ended", "execution_id", e.ID, "action", e.Action.Ref, "status", to, "trace_id", e.TraceID)
	}
	return w.putExecution(b, f.e)
}

// endPaused cancels the workflows below one that has ended which a person's pause
// holds up, as when a task of a paused workflow fails beside a paused
// sub-workflow: nobody could resume them from above any more. What runs below
// runs on, and what waits for an answer goes on with the answer.
func (w *Workers) endPaused(ctx context.Context, e *engine.Execution, b *store.Batch) error {
	if e.Status == engine.Succeeded {
		return nil // a conductor succeeds with no task held up
	}
	return w.eachChild(ctx, e, func(d store.Doc[engine.Execution]) error {
		c := &d.Value
		held := c.Status == engine.Pausing || c.Status == engine.Paused
		if !engine.Conducted(c.Action.Runner) || !held || c.Context.PausedBy == "" {
			return nil
		}
		for _, p := range b.Puts {
			if p.Collection == Executions.Name && p.ID == d.ID {
				return nil // this step has decided about it already
			}
		}
		by := e.Context.CancelledBy
		if by == "" {
			by = c.Context.PausedBy
		}
		_, err := w.addCancel(b, d, by)
		return err
	})
}

// standing is the status of the execution of a workflow.
func (w *Workers) standing(ctx context.Context, f *flow) (engine.Status, error) {
	switch s := f.c.Status(); s {
	case engine.Running, engine.Resuming, workflow.Retrying:
		return engine.Running, nil
	case engine.Failed:
		if f.chain == nil {
			return s, nil
		}
		records, err := w.chainRecords(ctx, f)
		if err != nil {
			return "", err
		}
		return f.chain.Outcome(records), nil
	case engine.Pausing, engine.Paused, engine.Canceling, engine.Canceled, engine.Succeeded:
		return s, nil
	}
	return "", nil
}

// flowResult is the result of the execution of a workflow.
func (w *Workers) flowResult(ctx context.Context, f *flow) (json.RawMessage, error) {
	var d *value.Dict
	var err error
	if f.chain == nil {
		d, err = f.c.Result()
	} else {
		d, err = w.chainResult(ctx, f)
	}
	if err != nil {
		return nil, fmt.Errorf("result of workflow %s: %w", f.doc.ID, err)
	}
	return value.AppendJSON(nil, d)
}

// buryFlow fails a workflow that cannot take a step.
func (w *Workers) buryFlow(ctx context.Context, item store.Item, cause error) error {
	w.flows.take(item.Group)
	id := item.ID
	if len(item.Body) > 0 {
		f, err := w.openFlow(ctx, item.Group)
		if err == nil {
			err = w.giveUp(ctx, f, item, cause)
		}
		if err == nil || errors.Is(err, store.ErrLeaseLost) || errors.Is(err, store.ErrConflict) {
			return err
		}
		// Its state is of no use; its execution can be ended all the same.
		d, err := WorkflowExecutions.Get(ctx, w.store, item.Group)
		if errors.Is(err, store.ErrNotFound) {
			return w.bury(ctx, &store.Batch{}, item, cause)
		}
		if err != nil {
			return err
		}
		id = d.Value.ActionExecution
	}
	d, err := Executions.Get(ctx, w.store, id)
	if errors.Is(err, store.ErrNotFound) {
		return w.bury(ctx, &store.Batch{}, item, cause)
	}
	if err != nil {
		return err
	}
	var b store.Batch
	if e := &d.Value; !e.Status.Completed() {
		if err := e.MoveTo(engine.Failed, w.now()); err != nil {
			return err
		}
		w.attachResult(&b, e, flowProblem(stuck(cause)))
		if err := w.endPaused(ctx, e, &b); err != nil {
			return err
		}
		if err := w.putExecution(&b, d); err != nil {
			return err
		}
	}
	return w.bury(ctx, &b, item, cause)
}

// giveUp fails a workflow whose state is in order but which cannot go on.
func (w *Workers) giveUp(ctx context.Context, f *flow, item store.Item, cause error) error {
	f.c.Fail(stuck(cause), "", nil)
	var b store.Batch
	if err := w.follow(ctx, f, &b); err != nil {
		return err
	}
	changes, err := f.c.Changes()
	if err != nil {
		return err
	}
	if err := putParts(&b, f.doc.ID, f.head, changes); err != nil {
		return err
	}
	return w.bury(ctx, &b, item, cause)
}

func stuck(cause error) string { return "the workflow could not go on: " + cause.Error() }

// flowProblem is the result of a workflow that could not be begun or go on.
func flowProblem(message string) json.RawMessage {
	return flowErrors([]map[string]string{{"message": message}})
}

func flowErrors(list any) json.RawMessage {
	body, err := json.Marshal(struct {
		Output any `json:"output"`
		Errors any `json:"errors"`
	}{nil, list})
	if err != nil { // lists of texts always encode
		panic(err)
	}
	return body
}
