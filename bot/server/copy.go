package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"petrel/bot/chatops"
	"petrel/engine"
	"petrel/engine/datastore"
	"petrel/engine/pipeline"
	"petrel/packs"
	"petrel/store"
)

// Copied counts what a Copy wrote.
type Copied struct {
	Documents, Results, Items int
}

// ErrNotEmpty: the place to copy to holds something already.
var ErrNotEmpty = errors.New("holds data already; copy into an empty store")

// Copy moves an installation to another, empty store, while no process runs on
// either: documents, large results, remembered deliveries and what waits in the
// queues. The source keeps its documents; what waited in its queues is taken
// off them, so that it cannot happen in both. The event log begins anew.
func Copy(ctx context.Context, from, to store.Backend, report func(what string, n int)) (Copied, error) {
	c := copier{ctx: ctx, from: from, to: to, report: report}
	for _, step := range []func() error{
		c.checkEmpty,
		func() error { return copyAll(&c, packs.PackCollection(), nil) },
		func() error { return copyAll(&c, packs.ActionCollection(), nil) },
		func() error { return copyAll(&c, packs.RuleCollection(), nil) },
		func() error { return copyAll(&c, packs.AliasCollection(), nil) },
		func() error { return copyAll(&c, packs.TriggerTypeCollection(), nil) },
		func() error { return copyAll(&c, datastore.Items, nil) },
		func() error { return copyAll(&c, roomEntries, nil) },
		func() error { return copyAll(&c, chatops.Cards, nil) },
		func() error { return copyAll(&c, chatops.Interactions, nil) },
		func() error { return copyAll(&c, chatops.Questions, nil) },
		func() error { return copyAll(&c, pipeline.Enforcements, nil) },
		func() error { return copyAll(&c, pipeline.Outputs, nil) },
		func() error { return copyAll(&c, pipeline.DeadLetters, nil) },
		func() error { return copyAll(&c, pipeline.WorkflowFiles, nil) },
		func() error { return copyAll(&c, pipeline.WorkflowExecutions, nil) },
		func() error { return copyAll(&c, pipeline.TaskExecutions, nil) },
		func() error { return copyAll(&c, pipeline.WorkflowState, c.state) },
		func() error { return copyAll(&c, pipeline.Inquiries, nil) },
		func() error { return copyAll(&c, pipeline.Executions, c.execution) },
		func() error { return copyAll(&c, pipeline.Instances, c.instance) },
		c.outbox,
	} {
		if err := step(); err != nil {
			return c.done, err
		}
	}
	return c.done, nil
}

type copier struct {
	ctx      context.Context
	from, to store.Backend
	report   func(what string, n int)
	done     Copied
}

// copyPage is how many documents go into one batch.
const copyPage = 200

func (c *copier) checkEmpty() error {
	for _, name := range []string{pipeline.Instances.Name, pipeline.Executions.Name} {
		n, err := c.to.Count(c.ctx, store.Query{Collection: name})
		if err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("the store to copy to %w (%d in %s)", ErrNotEmpty, n, name)
		}
	}
	return nil
}

// copyAll copies a collection; with adds to the batch what belongs to a document.
func copyAll[T any](c *copier, col store.Collection[T], with func(*store.Batch, store.Doc[T]) error) error {
	n := 0
	for after := ""; ; {
		docs, next, err := col.List(c.ctx, c.from, store.Query{After: after, Limit: copyPage})
		if err != nil {
			return err
		}
		var b store.Batch
		for _, d := range docs {
			d.Rev = store.AnyRev
			if err := col.Put(&b, d); err != nil {
				return err
			}
			if with != nil {
				if err := with(&b, d); err != nil {
					return err
				}
			}
		}
		if len(docs) > 0 {
			if err := c.to.Commit(c.ctx, &b); err != nil {
				return fmt.Errorf("copy %s: %w", col.Name, err)
			}
		}
		n += len(docs)
		c.done.Documents += len(docs)
		if next == "" {
			c.report(col.Name, n)
			return nil
		}
		after = next
	}
}

// execution copies a large result, and queues what has not ended. One that was
// running will be found without its worker and end abandoned.
func (c *copier) execution(b *store.Batch, d store.Doc[engine.Execution]) error {
	e := &d.Value
	if e.ResultBlob != "" {
		body, err := c.from.Blob(c.ctx, e.ResultBlob)
		if err != nil {
			return fmt.Errorf("result of execution %s: %w", e.ID, err)
		}
		b.Blobs = append(b.Blobs, store.Blob{ID: e.ResultBlob, Body: body})
		c.done.Results++
	}
	switch {
	case e.Status == engine.Pending:
		return c.pending(b, e)
	case !e.Status.Completed():
		b.Pushes = append(b.Pushes, pipeline.PushExecution(e))
		c.done.Items++
	}
	return nil
}

// pending lets the time to answer an inquiry go on.
func (c *copier) pending(b *store.Batch, e *engine.Execution) error {
	q, err := pipeline.Inquiries.Get(c.ctx, c.from, e.ID)
	if err != nil {
		return err
	}
	if push, ok := pipeline.PushPending(&q.Value, e.Lane); ok {
		b.Pushes = append(b.Pushes, push)
		c.done.Items++
	}
	return nil
}

// state copies a large part of the state of a workflow.
func (c *copier) state(b *store.Batch, d store.Doc[pipeline.StatePart]) error {
	if d.Value.Blob == "" {
		return nil
	}
	body, err := c.from.Blob(c.ctx, d.Value.Blob)
	if err != nil {
		return fmt.Errorf("state of a workflow: %w", err)
	}
	b.Blobs = append(b.Blobs, store.Blob{ID: d.Value.Blob, Body: body})
	return nil
}

// instance remembers the delivery and queues what was not decided upon.
func (c *copier) instance(b *store.Batch, d store.Doc[engine.TriggerInstance]) error {
	if claim, ok := pipeline.RememberDelivery(&d.Value, time.Now()); ok {
		b.Claims = append(b.Claims, claim)
	}
	if d.Value.Status == engine.InstancePending {
		b.Pushes = append(b.Pushes, pipeline.PushInstance(&d.Value))
		c.done.Items++
	}
	return nil
}

// outbox moves the answers that were not delivered, each taken off the source
// only when the target has it.
func (c *copier) outbox() error {
	n := 0
	for {
		stats, err := c.from.QueueStats(c.ctx, pipeline.QueueOutbox)
		if err != nil {
			return err
		}
		if stats.Ready+stats.Delayed == 0 {
			c.report("answers waiting", n)
			return nil
		}
		items, err := c.from.Lease(c.ctx, store.LeaseRequest{Queue: pipeline.QueueOutbox, Holder: "copy", Max: copyPage, TTL: time.Hour})
		if err != nil {
			return err
		}
		var there store.Batch
		for _, item := range items {
			if !json.Valid(item.Body) {
				return fmt.Errorf("answer %s cannot be read", item.ID)
			}
			there.Pushes = append(there.Pushes, store.Push{Queue: item.Queue, ID: item.ID, Lane: item.Lane, Group: item.Group, Body: item.Body})
		}
		if err := c.to.Commit(c.ctx, &there); err != nil {
			return fmt.Errorf("copy answers: %w", err)
		}
		if err := c.from.Commit(c.ctx, &store.Batch{Acks: items}); err != nil {
			return fmt.Errorf("take answers off the source: %w", err)
		}
		n += len(items)
		c.done.Items += len(items)
	}
}
