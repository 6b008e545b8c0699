package workflow

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"petrel/engine"
	"petrel/engine/expression/value"
)

// Next gives the tasks that are to run now, sorted by name and route. It changes
// nothing but what it notes of items; the same tasks are given again until
// [Conductor.Update] says that they run. When a task cannot be rendered, every
// such error is noted, the workflow has failed and nothing is given.
func (c *Conductor) Next(ctx context.Context) ([]Next, error) {
	failed := c.head.Status == engine.Failed
	if !failed && !advances(c.head.Status) {
		return nil, nil
	}
	var out []Next
	broken := false
	for _, s := range slices.Clone(c.head.Staged) {
		if !s.Ready || s.Completed || failed && !s.RunOnFail {
			continue
		}
		n, err := c.render(ctx, s)
		if c.parts.fault != nil {
			return nil, c.parts.fault
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			c.logError(err, s.ID, &s.Route, "")
			broken = true
			continue
		}
		if len(n.Actions) > 0 || n.Itemized && n.ItemsCount == 0 {
			out = append(out, n)
		}
	}
	c.touch()
	if broken {
		c.force(engine.Failed)
		return nil, nil
	}
	slices.SortFunc(out, func(a, b Next) int {
		return cmp.Or(cmp.Compare(a.Task, b.Task), cmp.Compare(a.Route, b.Route))
	})
	return out, nil
}

// render makes the actions of a staged task that may start now.
func (c *Conductor) render(ctx context.Context, s *stage) (Next, error) {
	t := c.graph.Nodes[s.ID].Task
	n := Next{Task: s.ID, Route: s.Route, Itemized: t.With != nil}
	if s.Items {
		return c.moreItems(ctx, s, t, n)
	}
	at := c.scope(c.arrived(s), current(s.ID, s.Route, nil))
	if t.With != nil {
		return c.firstItems(ctx, s, t, n, at)
	}
	a, err := t.render(ctx, at)
	if err != nil {
		return n, err
	}
	n.Actions = []Action{a}
	if n.Delay, err = c.delay(ctx, s, t, at); err == nil {
		_, err = t.tries(ctx, c.graph.Nodes[s.ID], c.scope(at.frame, nil)) // an error is told now, not when the task runs
	}
	return n, err
}

// render evaluates the action of a task, or of one item.
func (t *Task) render(ctx context.Context, s *scope) (Action, error) {
	var a Action
	if t.Action != "" {
		ref, err := s.evaluate(ctx, t.Action)
		if err != nil {
			return a, err
		}
		a.Ref = ref
	}
	if t.Input == nil {
		return a, nil
	}
	in, err := s.evaluate(ctx, t.Input)
	if err != nil {
		return a, err
	}
	if _, ok := in.(*value.Dict); !ok && in != nil {
		return a, typeError("The input of the task is not type of map.")
	}
	a.Input = in
	return a, nil
}

// delay gives how long to wait first: that of a retry, else that of the task.
func (c *Conductor) delay(ctx context.Context, s *stage, t *Task, at *scope) (*int64, error) {
	if t.Delay != nil && t.Delay != int64(0) {
		n, err := at.whole(ctx, t.Delay, "task delay")
		if err != nil {
			return nil, err
		}
		if s.Retry == nil {
			return &n, nil
		}
	}
	return s.Retry, nil
}

// tries evaluates how a task is tried again; nil when it is not.
func (t *Task) tries(ctx context.Context, n *Node, s *scope) (*tries, error) {
	if n.Retry == nil || n.Retry.Count == nil {
		return nil, nil
	}
	out := &tries{When: n.Retry.When}
	var err error
	if n.Retry.Delay != nil {
		if out.Delay, err = s.whole(ctx, n.Retry.Delay, "retry delay"); err != nil {
			return nil, err
		}
	}
	out.Count, err = s.whole(ctx, n.Retry.Count, "retry count")
	return out, err
}

// firstItems evaluates the items of a task and starts the first. All of them are
// rendered once, so that an error is known before any has run.
func (c *Conductor) firstItems(ctx context.Context, s *stage, t *Task, n Next, at *scope) (Next, error) {
	values, err := t.evaluateItems(ctx, at)
	if err != nil {
		return n, err
	}
	actions := make([]Action, len(values))
	for i, v := range values {
		if actions[i], err = t.render(ctx, at.withItem(v)); err != nil {
			return n, err
		}
		actions[i].Item = &i
	}
	if n.Delay, err = c.delay(ctx, s, t, at); err != nil {
		return n, err
	}
	if n.Concurrency, err = t.concurrency(ctx, at); err != nil {
		return n, err
	}
	if _, err = t.tries(ctx, c.graph.Nodes[s.ID], c.scope(at.frame, nil)); err != nil {
		return n, err
	}
	n.ItemsCount = len(values)
	if len(values) == 0 {
		return n, nil
	}
	w := &items{Waiting: len(values), Concurrency: n.Concurrency, Delay: n.Delay, Letters: unstarted(len(values))}
	if free := w.free(); free < len(values) {
		if err := c.keepItems(s, values); err != nil {
			return n, err
		}
		w.Kept, actions = true, actions[:free]
	}
	n.Actions = actions
	s.Items = true
	c.saveItems(s, w)
	return n, nil
}

func unstarted(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[0]
	}
	return string(b)
}

// concurrency gives how many items may run at once; nil: all of them.
func (t *Task) concurrency(ctx context.Context, at *scope) (*int64, error) {
	v := t.With.Concurrency
	if text, ok := v.(string); ok {
		var err error
		if v, err = at.evaluate(ctx, text); err != nil {
			return nil, err
		}
	}
	switch n := v.(type) {
	case nil:
		return nil, nil
	case int64:
		n = max(n, 1)
		return &n, nil
	}
	return nil, typeError("The value of concurrency is not type of integer.")
}

// moreItems starts further items of a task that has begun.
func (c *Conductor) moreItems(ctx context.Context, s *stage, t *Task, n Next) (Next, error) {
	w := c.items(s)
	if w == nil {
		return n, c.parts.fault
	}
	n.More, n.ItemsCount, n.Concurrency, n.Delay = true, len(w.Letters), w.Concurrency, w.Delay
	free := w.free()
	if free <= 0 {
		return n, nil
	}
	at := c.scope(c.arrived(s), current(s.ID, s.Route, nil))
	var values []any
	if !w.Kept {
		var err error
		if values, err = t.evaluateItems(ctx, at); err != nil {
			return n, err
		}
		if len(values) != len(w.Letters) {
			return n, errors.New("the items of the task are not those it was started with")
		}
	}
	for _, i := range w.waiting(free) {
		var item any
		if w.Kept {
			item = c.keptItem(s, i)
		} else {
			item = values[i]
		}
		a, err := t.render(ctx, at.withItem(item))
		if err != nil {
			return n, err
		}
		a.Item = &i
		n.Actions = append(n.Actions, a)
	}
	return n, nil
}
