package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"petrel/engine"
	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
)

// Event says what became of the action of a task, or of one of its items.
type Event struct {
	Task   string
	Route  int
	Item   *int // of a task with items: which; nil: the task as a whole
	Status Status
	// Result is what the action gave: a value of the value model, a Go value, or
	// json.RawMessage. For a task with items as a whole it is a list.
	Result any
	// Load gives the result instead, when something asks for it: so a large one that
	// no expression uses is never loaded. It may be nil.
	Load func() (any, error)
	// Items gives the results of all items by their index, nil for those not run. It is
	// asked, at most once, when the event of an item completes the task; nil means that
	// no item has a result.
	Items func() ([]any, error)
}

// happening is an event on its way through the conductor.
type happening struct {
	task    string
	route   int
	item    *int
	status  Status
	move    string // the event of the task's state machine: a status, a command or "retry"
	result  any
	results func() ([]any, error)
}

// Update tells the conductor what became of a task. The caller reports that an
// action runs, is pending, paused or canceling and how it ended; what does not fit
// the status of the task, or comes late, changes nothing. An error is a task that
// is not part of the workflow or has not been reached, or an item that it has not.
func (c *Conductor) Update(ctx context.Context, ev Event) error {
	result, err := c.given(ev)
	if err != nil {
		return engine.Errorf(engine.Invalid, "the result of task %q: %v", ev.Task, err)
	}
	if !Legal(ev.Status) || ev.Status == Unset || ev.Status == Retrying {
		return engine.Errorf(engine.Invalid, "%q is not a status that task %q can report", ev.Status, ev.Task)
	}
	if n := c.graph.Nodes[ev.Task]; n == nil || n.Command {
		return engine.Errorf(engine.NotFound, "there is no task %q in the workflow", ev.Task)
	}
	if ev.Item != nil {
		if err := c.checkItem(ev); err != nil {
			return err
		}
	}
	err = c.handle(ctx, happening{ev.Task, ev.Route, ev.Item, ev.Status, string(ev.Status), result, ev.Items})
	c.touch()
	if c.parts.fault != nil {
		return c.parts.fault
	}
	return err
}

// given is the result of an event: a value, or a [functions.Lazy]. That of a failure
// is always loaded, because the error entry holds it.
func (c *Conductor) given(ev Event) (any, error) {
	if ev.Load == nil {
		return toValue(ev.Result)
	}
	load := sync.OnceValues(func() (any, error) {
		v, err := ev.Load()
		if err == nil {
			v, err = toValue(v)
		}
		if err != nil {
			c.parts.fail("result of "+ev.Task, err) // not the fault of the expression that asks
		}
		return v, err
	})
	if ev.Status == engine.Failed {
		return load()
	}
	return functions.Lazy(load), nil
}

func toValue(v any) (any, error) {
	if raw, ok := v.(json.RawMessage); ok {
		if len(raw) == 0 {
			return nil, nil
		}
		return value.ParseJSON(raw)
	}
	return value.FromGo(v)
}

func (c *Conductor) checkItem(ev Event) error {
	s := c.staged(ev.Task, ev.Route)
	if s == nil || !s.Items {
		if c.latest(ev.Task, ev.Route) != nil {
			return nil // late; handle ignores it
		}
		return engine.Errorf(engine.Conflict, "the task %q has no items on route %d now", ev.Task, ev.Route)
	}
	if w := c.items(s); w != nil && (*ev.Item < 0 || *ev.Item >= len(w.Letters)) {
		return engine.Errorf(engine.NotFound, "the task %q has %d items, there is no item %d", ev.Task, len(w.Letters), *ev.Item)
	}
	return nil
}

// handle applies one event.
func (c *Conductor) handle(ctx context.Context, h happening) error {
	node, s := c.graph.Nodes[h.task], c.staged(h.task, h.route)
	e := c.latest(h.task, h.route)
	if h.item != nil && (s == nil || !s.Items || c.items(s).status(*h.item).Completed()) {
		return nil // late: the items, or this one, are over
	}
	begins := s != nil && s.Ready && !s.Completed
	switch {
	case e == nil && !begins:
		return engine.Errorf(engine.Conflict, "the task %q has not been reached on route %d", h.task, h.route)
	case e == nil, node.Command:
		e = c.addEntry(ctx, s)
	case e.status().Completed() && h.move != "retry":
		if !begins || !starting(h.status) {
			return nil // it is over already
		}
		e = c.addEntry(ctx, s)
	case e.status() != Unset && e.status() != Retrying:
		// A stage beside a run that goes on is another arrival at the same task; it
		// is taken up by the event that starts it.
		begins = begins && starting(h.status)
	}
	if begins && !s.Items {
		c.unstage(s)
	} else if h.item != nil {
		w := c.items(s)
		w.set(*h.item, h.status)
		c.saveItems(s, w)
	}
	if h.status == engine.Failed {
		c.logFailure(h)
	}
	old := e.status()
	c.setStatus(e, c.move(h, e, s))
	if e.status() == Retrying && old != Retrying {
		c.stageRetry(e)
	}
	return c.completed(ctx, h, node, e, old)
}

// move gives where the event leads the task.
func (c *Conductor) move(h happening, e *entry, s *stage) Status {
	var to Status
	var ok bool
	if h.item != nil {
		w := c.items(s)
		others := w.Counts
		others.add(h.status, -1)
		to, ok = itemMove(e.status(), h.status, others, len(w.Letters)-1)
	} else {
		to, ok = taskMove(e.status(), h.move)
	}
	if !ok {
		return e.status()
	}
	return to
}

func (c *Conductor) logFailure(h happening) {
	entry := &Entry{Type: "error", Message: "Execution failed. See result for details.", TaskID: h.task}
	if h.result != nil {
		raw, err := value.AppendJSON(nil, h.result)
		if err != nil {
			raw, _ = json.Marshal(value.Str(h.result)) // text always can be spelled
		}
		entry.Result = raw
	}
	c.log(entry)
}

// completed does what follows when a task has completed, then tells the workflow.
func (c *Conductor) completed(ctx context.Context, h happening, node *Node, e *entry, old Status) error {
	var commands []*stage
	if e.status().Completed() && e.status() != old {
		if s := c.staged(h.task, h.route); s != nil {
			if s.Items && (abended(e.status()) || c.items(s).Counts.Active > 0) {
				s.Completed = true // a rerun takes its items up
			} else if s.Items {
				c.unstage(s)
			}
		}
		result, err := c.resultOf(h, node)
		if err != nil {
			return err
		}
		at := c.scope(c.frame(e.Frame), current(e.ID, e.Route, result))
		again := active(c.head.Status) && c.retries(ctx, e, at)
		if c.parts.fault != nil {
			return c.parts.fault
		}
		if again {
			return c.handle(ctx, happening{task: h.task, route: h.route, status: Retrying, move: "retry"})
		}
		commands = c.leave(ctx, node, e, at)
	}
	c.follow(e)
	for _, s := range commands {
		status := engine.Succeeded
		if s.ID == CommandFail {
			status = engine.Failed
		}
		if err := c.handle(ctx, happening{task: s.ID, route: s.Route, status: status, move: s.ID}); err != nil {
			return err
		}
	}
	if c.head.Status.Completed() {
		e.Term = true
		c.save(e)
	}
	return nil
}

// resultOf gives the result of a task as its transitions see it.
func (c *Conductor) resultOf(h happening, node *Node) (any, error) {
	if node.Task == nil || node.Task.With == nil {
		return h.result, nil
	}
	if h.item == nil {
		if h.result == nil {
			return value.NewList(), nil
		}
		return h.result, nil
	}
	if h.results == nil {
		return value.NewList(), nil
	}
	results, err := h.results()
	if err != nil {
		return nil, fmt.Errorf("the results of the items of task %q: %w", h.task, err)
	}
	out := make([]any, len(results))
	for i, r := range results {
		if out[i], err = toValue(r); err != nil {
			return nil, fmt.Errorf("the result of item %d of task %q: %w", i, h.task, err)
		}
	}
	return value.NewList(out...), nil
}

// addEntry makes the entry of a new run of a staged task.
func (c *Conductor) addEntry(ctx context.Context, s *stage) *entry {
	frame, prev := c.settle(s)
	return c.enter(ctx, s.ID, s.Route, frame, prev)
}

func (c *Conductor) enter(ctx context.Context, task string, route, frame int, prev map[string]int) *entry {
	node := c.graph.Nodes[task]
	e := &entry{index: c.head.Sequence, ID: task, Route: route, Frame: frame, Prev: prev}
	if node.Task != nil {
		t, err := node.Task.tries(ctx, node, c.scope(c.frame(frame), nil))
		if err != nil {
			c.logError(err, task, &route, "")
			c.force(engine.Failed)
		}
		e.Retry = t
	}
	old := c.latest(task, route)
	if old != nil {
		c.head.Tally.add(old.status(), -1)
	}
	c.replaced(node, old, route)
	c.head.Sequence++
	c.parts.put(keyTask(task, route), &e.index)
	c.save(e)
	return e
}

func (c *Conductor) setStatus(e *entry, s Status) {
	if e.status() == s {
		return
	}
	c.head.Tally.add(e.status(), -1) // only the newest entry of a task ever changes
	c.head.Tally.add(s, 1)
	e.Status = s
	c.save(e)
}

// retries tells whether a run that has completed is tried again.
func (c *Conductor) retries(ctx context.Context, e *entry, at *scope) bool {
	if e.Retry == nil || e.Retry.Tally >= e.Retry.Count {
		return false
	}
	if e.Retry.When == "" {
		return abended(e.status())
	}
	v, err := at.evaluate(ctx, e.Retry.When)
	if err != nil {
		c.logError(err, e.ID, &e.Route, "")
		c.force(engine.Failed)
		return false
	}
	return value.Truth(v)
}

// stageRetry puts a task that is tried again back among the staged.
func (c *Conductor) stageRetry(e *entry) {
	e.Retry.Tally++
	c.save(e)
	if s := c.staged(e.ID, e.Route); s != nil {
		c.unstage(s)
	}
	delay := e.Retry.Delay
	c.head.Staged = append(c.head.Staged, &stage{ID: e.ID, Route: e.Route, Ready: true, Frame: e.Frame, Prev: e.Prev, Retry: &delay})
}

// follow lets the workflow follow what has become of a task.
func (c *Conductor) follow(e *entry) {
	event := e.status()
	onward := c.hasNext(e, true)
	if abended(event) && (onward || c.hasNext(e, false)) {
		event = remediated
	}
	to, ok := workflowMove(c.head.Status, event, c.head.Tally.Active > 0, c.outlook(onward))
	if !ok {
		return
	}
	c.head.Status = to
	if !to.Completed() || to == engine.Canceled { // a join that a cancel cut off is no failure
		return
	}
	for _, s := range c.head.Staged {
		n := c.graph.Nodes[s.ID]
		if s.Ready || !n.barrier() || c.undecided(n, s.Route) {
			continue
		}
		if met, _ := c.joined(n, s.Route); met >= n.required() {
			continue
		}
		c.head.Status = engine.Failed
		c.log(&Entry{Type: "error", TaskID: s.ID, Route: &s.Route,
			Message: fmt.Sprintf(`UnreachableJoinError: The join task|route "%s|%d" is partially satisfied but unreachable.`, s.ID, s.Route)})
	}
}

func (c *Conductor) outlook(onward bool) outlook {
	switch {
	case c.head.Tally.Canceling > 0:
		return someCanceled
	case c.head.Tally.Paused > 0:
		return somePaused
	case onward || c.startable():
		return incomplete
	}
	return complete
}
