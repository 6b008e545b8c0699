package pipeline

import (
	"context"
	"errors"
	"time"

	"petrel/engine"
	"petrel/store"
)

// Retention says how long what has ended is kept; 0 means for ever.
type Retention struct {
	Executions       time.Duration // and their output, results, tasks, enforcements and inquiries
	TriggerInstances time.Duration // and the enforcements of their rules
	Enforcements     time.Duration
	DeadLetters      time.Duration
}

// Removed counts what a collection removed.
type Removed struct {
	Executions, TriggerInstances, Enforcements, DeadLetters int
	Output, Blobs, TaskRecords                              int
}

// Empty reports whether nothing was removed.
func (r Removed) Empty() bool { return r == Removed{} }

// sweepPage is how many documents are looked at, and at most about how many removed,
// at a time, so that others get their turn at the store in between.
const sweepPage = 100

// collector removes what is too old.
type collector struct {
	s       *Service
	removed Removed
}

// Collect removes what has ended and is older than it is to be kept. What an execution
// left behind goes before the execution itself, and a task with its workflow, so a
// collection that is cut short is carried on by the next one. What has not ended stays,
// however old.
func (s *Service) Collect(ctx context.Context, keep Retention) (Removed, error) {
	c := &collector{s: s}
	now := s.now()
	for _, kind := range []struct {
		keep time.Duration
		do   func(context.Context, time.Time) error
	}{
		{keep.Executions, c.executions}, {keep.TriggerInstances, c.instances},
		{keep.Enforcements, c.enforcements}, {keep.DeadLetters, c.letters},
	} {
		if kind.keep <= 0 {
			continue
		}
		if err := kind.do(ctx, now.Add(-kind.keep)); err != nil {
			return c.removed, err
		}
	}
	return c.removed, nil
}

// older goes through the documents of a collection that were made before a time,
// oldest first.
func older[T any](ctx context.Context, b store.Backend, col store.Collection[T], before time.Time, f func(store.Doc[T]) error) error {
	for after := ""; ; {
		docs, next, err := col.List(ctx, b, store.Query{To: idFrom(before), After: after, Limit: sweepPage})
		if err != nil {
			return err
		}
		for _, d := range docs {
			if err := f(d); err != nil && !errors.Is(err, store.ErrConflict) { // what moves now is not to be removed
				return err
			}
		}
		if after = next; next == "" {
			return ctx.Err()
		}
	}
}

func (c *collector) executions(ctx context.Context, before time.Time) error {
	return older(ctx, c.s.store, Executions, before, func(d store.Doc[engine.Execution]) error {
		e := &d.Value
		if e.Parent != "" {
			_, err := Executions.Get(ctx, c.s.store, e.Parent)
			if !errors.Is(err, store.ErrNotFound) {
				return err // it goes with its workflow
			}
		}
		return c.execution(ctx, d, before)
	})
}

// execution removes one that has ended before a time, those below it first.
func (c *collector) execution(ctx context.Context, d store.Doc[engine.Execution], before time.Time) error {
	e := &d.Value
	if !e.Status.Completed() || e.EndTimestamp == nil || !e.EndTimestamp.Before(before) {
		return nil
	}
	if used, err := c.carriedOn(ctx, e); used || err != nil {
		return err
	}
	for { // the first page anew each time: what was on it is gone
		docs, _, err := Executions.List(ctx, c.s.store, store.Query{Index: "parent", Value: e.ID, Limit: sweepPage})
		if err != nil {
			return err
		}
		had := c.removed.Executions
		for _, child := range docs {
			if err := c.execution(ctx, child, before); err != nil {
				return err
			}
		}
		if len(docs) == 0 {
			break
		}
		if c.removed.Executions == had {
			return nil // some of it is too young, or runs
		}
	}
	if err := c.output(ctx, e.ID); err != nil {
		return err
	}
	var b store.Batch
	removed := c.removed
	if err := c.workflow(ctx, &b, e); err != nil {
		return err
	}
	Executions.Delete(&b, d.ID, d.Rev)
	Inquiries.Delete(&b, d.ID, store.AnyRev)
	c.removed.Executions++
	if e.ResultBlob != "" {
		b.Blobs = append(b.Blobs, store.Blob{ID: e.ResultBlob, Drop: true})
		c.removed.Blobs++
	}
	if e.Rule != nil && e.TriggerInstance != "" {
		id := engine.DeriveID(e.TriggerInstance, "enforcement", e.Rule.Ref)
		if f, err := Enforcements.Get(ctx, c.s.store, id); err == nil && f.Value.ExecutionID == e.ID {
			Enforcements.Delete(&b, id, store.AnyRev)
			c.removed.Enforcements++
		}
	}
	if err := c.s.store.Commit(ctx, &b); err != nil {
		c.removed = removed
		return err
	}
	return nil
}

// carriedOn reports whether a re-run works with what this execution's workflow left:
// it keeps its tasks then, until the re-run goes.
func (c *collector) carriedOn(ctx context.Context, e *engine.Execution) (bool, error) {
	if !engine.Conducted(e.Action.Runner) {
		return false, nil
	}
	flow, err := WorkflowExecutions.Get(ctx, c.s.store, e.Context.WorkflowExecution)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil || flow.Value.ActionExecution == e.ID {
		return false, err
	}
	_, err = Executions.Get(ctx, c.s.store, flow.Value.ActionExecution)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// output removes what an execution printed, a page at a time.
func (c *collector) output(ctx context.Context, id string) error {
	for {
		docs, _, err := Outputs.List(ctx, c.s.store, store.Query{Index: "execution", Value: id, Limit: sweepPage, IDsOnly: true})
		if err != nil || len(docs) == 0 {
			return err
		}
		var b store.Batch
		for _, d := range docs {
			Outputs.Delete(&b, d.ID, store.AnyRev)
		}
		if err := c.s.store.Commit(ctx, &b); err != nil {
			return err
		}
		c.removed.Output += len(docs)
	}
}

// workflow removes the records and the state of an execution's workflow.
func (c *collector) workflow(ctx context.Context, b *store.Batch, e *engine.Execution) error {
	if !engine.Conducted(e.Action.Runner) || e.Context.WorkflowExecution == "" {
		return nil
	}
	id := e.Context.WorkflowExecution
	of := store.Query{From: id + "/", To: id + "0", Limit: sweepPage} // '0' comes after '/'
	for q := of; ; {
		docs, next, err := TaskExecutions.List(ctx, c.s.store, q)
		if err != nil {
			return err
		}
		for _, d := range docs {
			TaskExecutions.Delete(b, d.ID, store.AnyRev)
		}
		c.removed.TaskRecords += len(docs)
		if q.After = next; next == "" {
			break
		}
	}
	for q := of; ; {
		docs, next, err := WorkflowState.List(ctx, c.s.store, q)
		if err != nil {
			return err
		}
		for _, d := range docs {
			WorkflowState.Delete(b, d.ID, store.AnyRev)
			if d.Value.Blob != "" {
				b.Blobs = append(b.Blobs, store.Blob{ID: d.Value.Blob, Drop: true})
				c.removed.Blobs++
			}
		}
		if q.After = next; next == "" {
			break
		}
	}
	WorkflowExecutions.Delete(b, id, store.AnyRev)
	return nil
}

func (c *collector) instances(ctx context.Context, before time.Time) error {
	return older(ctx, c.s.store, Instances, before, func(d store.Doc[engine.TriggerInstance]) error {
		if d.Value.Status == engine.InstancePending || !d.Value.OccurrenceTime.Before(before) {
			return nil
		}
		var b store.Batch
		list, _, err := Enforcements.List(ctx, c.s.store, store.Query{Index: "instance", Value: d.ID, Limit: 10_000})
		if err != nil {
			return err
		}
		for _, f := range list {
			Enforcements.Delete(&b, f.ID, store.AnyRev)
		}
		Instances.Delete(&b, d.ID, d.Rev)
		if err := c.s.store.Commit(ctx, &b); err != nil {
			return err
		}
		c.removed.TriggerInstances++
		c.removed.Enforcements += len(list)
		return nil
	})
}

func (c *collector) enforcements(ctx context.Context, before time.Time) error {
	return older(ctx, c.s.store, Enforcements, before, func(d store.Doc[engine.Enforcement]) error {
		if !d.Value.EnforcedAt.Before(before) {
			return nil
		}
		var b store.Batch
		Enforcements.Delete(&b, d.ID, d.Rev)
		if err := c.s.store.Commit(ctx, &b); err != nil {
			return err
		}
		c.removed.Enforcements++
		return nil
	})
}

func (c *collector) letters(ctx context.Context, before time.Time) error {
	return older(ctx, c.s.store, DeadLetters, before, func(d store.Doc[DeadLetter]) error {
		if !d.Value.At.Before(before) {
			return nil
		}
		var b store.Batch
		DeadLetters.Delete(&b, d.ID, d.Rev)
		if err := c.s.store.Commit(ctx, &b); err != nil {
			return err
		}
		c.removed.DeadLetters++
		return nil
	})
}
