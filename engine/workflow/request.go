package workflow

import (
	"context"
	"fmt"
	"slices"

	"petrel/engine"
	"petrel/engine/expression/value"
)

// Request asks the workflow to change its status: running to begin, pausing or
// paused, resuming, canceling or canceled, failed. The status it gets may be
// another: pausing, as long as something is active. A request that does not fit
// is refused with Conflict.
func (c *Conductor) Request(_ context.Context, s Status) error {
	was := c.head.Status
	if pausing(s) || canceling(s) {
		c.stopItems(s)
	}
	over := c.head.Tally.Active == 0 && c.head.Tally.Paused == 0 && !c.startable()
	if to, ok := requestMove(was, s, c.head.Tally.Active > 0, over); ok {
		if to == engine.Succeeded && was == engine.Paused && c.anyFailed() {
			to = engine.Failed
		}
		c.head.Status = to
	}
	c.touch()
	switch {
	case c.parts.fault != nil:
		return c.parts.fault
	case s == was, c.head.Status != was:
	case s == engine.Paused && was == engine.Pausing, s == engine.Canceled && was == engine.Canceling:
	default:
		return engine.Errorf(engine.Conflict, "Unable to process event \"workflow_%s\" for workflow in %q status.", s, was)
	}
	return nil
}

// stopItems tells the running tasks with items to pause or to cancel.
func (c *Conductor) stopItems(s Status) {
	during, after := engine.Pausing, engine.Paused
	if canceling(s) {
		during, after = engine.Canceling, engine.Canceled
	}
	for _, st := range c.head.Staged {
		if !st.Items {
			continue
		}
		e, w := c.latest(st.ID, st.Route), c.items(st)
		if e == nil || w == nil || e.status() != engine.Running || w.Counts.Completed == len(w.Letters) {
			continue
		}
		if w.Counts.Active > 0 {
			c.setStatus(e, during)
		} else {
			c.setStatus(e, after)
		}
	}
}

// anyFailed tells whether some task failed for good: it may have happened while
// the workflow was paused, when nothing follows from it.
func (c *Conductor) anyFailed() bool {
	for i := range c.head.Sequence {
		if e := c.entry(i); e.Term || abended(e.status()) {
			if n := c.latest(e.ID, e.Route); n == e && abended(e.status()) && !c.hasNext(e, false) {
				return true
			}
		}
	}
	return false
}

// force moves the workflow to a status when that is a legal move.
func (c *Conductor) force(s Status) {
	if to, ok := requestMove(c.head.Status, s, c.head.Tally.Active > 0, false); ok {
		c.head.Status = to
	}
}

// Finish renders the output when the workflow has completed and has none yet. Where
// an expression fails the error is noted, the good values are kept, and a workflow
// that had succeeded has failed.
func (c *Conductor) Finish(ctx context.Context) error {
	if !c.head.Status.Completed() || c.head.Output || len(c.def.Output) == 0 {
		return c.parts.fault
	}
	s := c.terminal()
	out := value.NewDict(len(c.def.Output))
	failed := false
	for _, a := range c.def.Output {
		v, err := s.evaluate(ctx, a.Value)
		if c.parts.fault != nil {
			return c.parts.fault
		}
		if err != nil {
			c.logError(err, "", nil, "")
			failed = true
			continue
		}
		s.assign(a.Name, v)
		out.SetString(a.Name, v)
	}
	if out.Len() > 0 {
		kept, err := newStored(out)
		if err != nil {
			c.logError(fmt.Errorf("the output cannot be kept: %w", err), "", nil, "")
			failed = true
		} else {
			c.parts.put(keyOutput, kept)
			c.head.Output = true
		}
	}
	if failed && c.head.Status != engine.Canceled {
		c.force(engine.Failed)
	}
	c.touch()
	return c.parts.fault
}

// terminal is what the output sees: the contexts of the last tasks of all branches,
// merged in the order in which they began. A workflow that failed before any task
// ran sees nothing.
func (c *Conductor) terminal() *scope {
	f, found := &frame{}, false
	for i := range c.head.Sequence {
		if e := c.entry(i); e.Term {
			f.lay(c.frame(e.Frame))
			found = true
		}
	}
	if !found {
		return c.bare(value.NewDict(0))
	}
	return c.scope(f, nil)
}

// Terminal gives the variables that the output sees.
func (c *Conductor) Terminal() (*value.Dict, error) {
	all := c.terminal().Variables()
	return all, c.parts.fault
}

// Advance runs the conductor up to the point where somebody has to run something:
// it takes the next tasks, notes that they run, completes those that have nothing
// to run, and again, until there is nothing more; then it renders the output if
// the workflow has completed. It gives the tasks in the order they came up.
func (c *Conductor) Advance(ctx context.Context) ([]Next, error) {
	var out []Next
	idle := 0
	for {
		next, err := c.Next(ctx)
		if err != nil {
			return nil, err
		}
		for i := range next {
			if err := c.launch(ctx, &next[i]); err != nil {
				return nil, err
			}
		}
		out = append(out, next...)
		if idle++; len(next) == 0 {
			return out, c.Finish(ctx)
		}
		if idle > maxIdle {
			c.Fail(fmt.Sprintf("More than %d tasks in a row had nothing to run: is this a loop without an end?", maxIdle), next[0].Task, &next[0].Route)
			for _, s := range c.head.Staged {
				s.RunOnFail = false
			}
		}
	}
}

// maxIdle bounds the rounds of one Advance: a loop of tasks without actions would
// never come to an end.
const maxIdle = 200

func (c *Conductor) launch(ctx context.Context, n *Next) error {
	run := Event{Task: n.Task, Route: n.Route, Status: engine.Running}
	n.Completed = len(n.Actions) == 0 || !n.Itemized && n.Actions[0].Ref == nil
	if len(n.Actions) == 0 || !n.Itemized {
		if err := c.Update(ctx, run); err != nil || !n.Completed {
			return err
		}
		run.Status = engine.Succeeded
		if n.Itemized {
			run.Result = value.NewList()
		}
		return c.Update(ctx, run)
	}
	for _, a := range n.Actions {
		run.Item = a.Item
		if err := c.Update(ctx, run); err != nil {
			return err
		}
	}
	return nil
}

// Rerun asks to run a task again.
type Rerun struct {
	Task  string
	Route int
	Reset bool // of a task with items: all of them, not only those that failed
}

// Rerun takes up a workflow that has completed from the given tasks, or, without
// any, from those that failed last. It is resuming then. It fails with Conflict
// when the workflow is not over or there is nothing to run again, with NotFound
// when a task never ran.
func (c *Conductor) Rerun(ctx context.Context, tasks []Rerun) error {
	if !c.head.Status.Completed() {
		return engine.Errorf(engine.Conflict, "Unable to rerun workflow because it is not in a completed state.")
	}
	for _, t := range tasks {
		if n := c.graph.Nodes[t.Task]; n == nil || n.Command || c.latest(t.Task, t.Route) == nil {
			return engine.Errorf(engine.NotFound, "Unable to rerun task %q on route %d: it never ran.", t.Task, t.Route)
		}
	}
	chosen := c.candidates(tasks)
	if c.parts.fault == nil && len(chosen) == 0 && !c.startable() {
		return engine.Errorf(engine.Conflict, "There is no failed task to run again; name the tasks to run.")
	}
	indices := make([]int, len(chosen))
	for i, r := range chosen {
		indices[i] = c.latest(r.Task, r.Route).index
	}
	c.head.Reruns = append(c.head.Reruns, indices)
	slices.SortStableFunc(chosen, func(a, b Rerun) int {
		if a.Task != b.Task {
			if a.Task < b.Task {
				return -1
			}
			return 1
		}
		return a.Route - b.Route
	})
	for _, r := range chosen {
		c.rerun(ctx, r)
	}
	for i := range c.head.Sequence {
		if e := c.entry(i); e.Term && c.tookAny(e) {
			e.Term = false
			c.save(e)
		}
	}
	if c.head.Output {
		c.parts.drop(keyOutput)
		c.head.Output = false
	}
	c.head.Status = engine.Resuming
	c.touch()
	return c.parts.fault
}

func (c *Conductor) tookAny(e *entry) bool {
	for _, taken := range e.Next {
		if taken {
			return true
		}
	}
	return false
}

// candidates are the runs to repeat: without those that come after another of them.
func (c *Conductor) candidates(tasks []Rerun) []Rerun {
	var out []Rerun
	if len(tasks) == 0 {
		for i := range c.head.Sequence {
			e := c.entry(i)
			// A command that failed the workflow is no task to run.
			if r := (Rerun{Task: e.ID, Route: e.Route}); e.Term && abended(e.status()) && !isCommand(e.ID) && !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
		return out
	}
	after := make([]map[int]bool, len(tasks))
	for i, t := range tasks {
		after[i] = c.downstream(t.Task, t.Route)
	}
	seen := map[string]bool{}
	for i, t := range tasks {
		own := c.latest(t.Task, t.Route).index
		covered := seen[runKey(t.Task, t.Route)]
		for j := range tasks {
			covered = covered || i != j && after[j][own] && !after[i][c.latest(tasks[j].Task, tasks[j].Route).index]
		}
		if seen[runKey(t.Task, t.Route)] = true; !covered {
			out = append(out, t)
		}
	}
	return out
}

// downstream lists the entries that came out of any run of a task on a route.
func (c *Conductor) downstream(task string, route int) map[int]bool {
	out, from := map[int]bool{}, map[string]bool{runKey(task, route): true}
	for again := true; again; {
		again = false
		for i := range c.head.Sequence {
			e := c.entry(i)
			if out[i] {
				continue
			}
			for _, before := range e.Prev {
				p := c.entry(before)
				if from[runKey(p.ID, p.Route)] {
					out[i], from[runKey(e.ID, e.Route)], again = true, true, true
					break
				}
			}
		}
	}
	return out
}

// rerun prepares one task to run again.
func (c *Conductor) rerun(ctx context.Context, r Rerun) {
	e, s := c.latest(r.Task, r.Route), c.staged(r.Task, r.Route)
	e.Term = false
	c.save(e)
	c.forget(r.Task)
	for i := range c.downstream(r.Task, r.Route) {
		if after := c.entry(i); after.Term {
			after.Term = false
			c.save(after)
		}
	}
	if s == nil {
		c.enter(ctx, r.Task, r.Route, e.Frame, e.Prev)
		c.head.Staged = append(c.head.Staged, &stage{ID: r.Task, Route: r.Route, Ready: true, Frame: e.Frame, Prev: e.Prev})
		return
	}
	// It is staged: its items are there, or it has been reached once more. It runs
	// once, from there.
	s.Completed, s.Ready = false, true
	if s.Items {
		w := c.items(s)
		for i := range w.Letters {
			if r.Reset || abended(w.status(i)) {
				w.set(i, Unset)
			}
		}
		c.saveItems(s, w)
	}
}
