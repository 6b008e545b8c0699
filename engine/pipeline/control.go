package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"petrel/engine"
	"petrel/store"
)

// Cancel asks for an execution to be ended. One that has not begun is canceled
// at once; a running one becomes canceling, and canceled when its work has
// ended. Canceling again changes nothing. Canceling a workflow cancels the whole
// tree that it is part of: its root, and from there every workflow below.
func (s *Service) Cancel(ctx context.Context, id, by string) (engine.Execution, error) {
	return s.change(ctx, id, func(b *store.Batch, d store.Doc[engine.Execution]) (engine.Execution, error) {
		e := d.Value
		if e.Status == engine.Canceling || e.Status == engine.Canceled {
			return e, errNothingToDo
		}
		if !e.Status.Cancelable() {
			return e, engine.Errorf(engine.Conflict, "execution %s is %s already and cannot be canceled", id, e.Status)
		}
		e, err := s.addCancel(b, d, by)
		if err != nil || !engine.Conducted(e.Action.Runner) || e.Root == "" {
			return e, err
		}
		root, err := s.execution(ctx, e.Root)
		if engine.CodeOf(err) == engine.NotFound {
			return e, nil
		}
		if err == nil && root.Value.Status.Cancelable() {
			_, err = s.addCancel(b, root, by)
		}
		return e, err
	})
}

// addCancel adds the cancel of one execution.
func (s *Service) addCancel(b *store.Batch, d store.Doc[engine.Execution], by string) (engine.Execution, error) {
	e := &d.Value
	flow := engine.Conducted(e.Action.Runner)
	begun := e.Status == engine.Running
	switch e.Status {
	case engine.Pausing, engine.Paused, engine.Resuming:
		begun = flow
	}
	e.Context.CancelledBy = by
	to := engine.Canceling
	if !begun {
		to = engine.Canceled
		text := "canceled before it began"
		if e.Status == engine.Pending {
			text = "canceled before anybody answered"
		}
		body, err := json.Marshal(map[string]string{"message": text})
		if err != nil {
			return *e, err
		}
		e.Result, e.ResultBlob, e.ResultSize = body, "", len(body)
	}
	if err := e.MoveTo(to, s.now()); err != nil {
		return *e, err
	}
	if flow && begun {
		pushFlow(b, e.Context.WorkflowExecution, e.ID, e.Lane, doCancel)
	}
	return *e, s.putExecution(b, d)
}

// Pause asks a workflow to start nothing more; what runs ends, or pauses where it
// is a workflow itself. It is pausing then, and paused when nothing runs any more.
// Pausing again changes nothing.
func (s *Service) Pause(ctx context.Context, id, by string) (engine.Execution, error) {
	return s.change(ctx, id, func(b *store.Batch, d store.Doc[engine.Execution]) (engine.Execution, error) {
		e := d.Value
		switch {
		case !engine.Conducted(e.Action.Runner):
			return e, engine.Errorf(engine.Invalid, "%s is no workflow; only workflows can be paused", e.Action.Ref)
		case (e.Status == engine.Pausing || e.Status == engine.Paused) && e.Context.PausedBy != "":
			return e, errNothingToDo
		case e.Status == engine.Pausing, e.Status == engine.Paused:
			// It waits for an answer; from now on it waits for a person too.
			d.Value.Context.PausedBy = by
			return d.Value, s.putExecution(b, d)
		case e.Status != engine.Running:
			return e, engine.Errorf(engine.Invalid, "execution %s is %s; only one that is running can be paused", id, e.Status)
		}
		return s.addPause(b, d, by)
	})
}

func (s *Service) addPause(b *store.Batch, d store.Doc[engine.Execution], by string) (engine.Execution, error) {
	e := &d.Value
	e.Context.PausedBy = by
	if err := e.MoveTo(engine.Pausing, s.now()); err != nil {
		return *e, err
	}
	pushFlow(b, e.Context.WorkflowExecution, e.ID, e.Lane, doPause)
	return *e, s.putExecution(b, d)
}

// Resume lets a paused workflow go on, with the workflows below it that are
// paused and those above it that only wait for it.
func (s *Service) Resume(ctx context.Context, id, by string) (engine.Execution, error) {
	return s.change(ctx, id, func(b *store.Batch, d store.Doc[engine.Execution]) (engine.Execution, error) {
		e := d.Value
		switch {
		case !engine.Conducted(e.Action.Runner):
			return e, engine.Errorf(engine.Invalid, "%s is no workflow; only workflows can be resumed", e.Action.Ref)
		case e.Status == engine.Resuming, e.Status == engine.Running:
			return e, errNothingToDo
		case e.Status != engine.Paused:
			return e, engine.Errorf(engine.Invalid, "execution %s is %s; only one that is paused can be resumed", id, e.Status)
		}
		return s.addResume(b, d, by)
	})
}

func (s *Service) addResume(b *store.Batch, d store.Doc[engine.Execution], by string) (engine.Execution, error) {
	e := &d.Value
	e.Context.PausedBy, e.Context.ResumedBy = "", by
	if err := e.MoveTo(engine.Resuming, s.now()); err != nil {
		return *e, err
	}
	pushFlow(b, e.Context.WorkflowExecution, e.ID, e.Lane, doResume)
	return *e, s.putExecution(b, d)
}

// errNothingToDo says that an execution is as it was wanted.
var errNothingToDo = errors.New("nothing to do")

// change changes an execution on behalf of somebody who waits for it. f is asked
// again when the execution has moved on meanwhile.
func (s *Service) change(ctx context.Context, id string, f func(*store.Batch, store.Doc[engine.Execution]) (engine.Execution, error)) (engine.Execution, error) {
	for {
		d, err := s.execution(ctx, id)
		if err != nil {
			return engine.Execution{}, err
		}
		var b store.Batch
		e, err := f(&b, d)
		if errors.Is(err, errNothingToDo) {
			return e, nil
		}
		if err != nil {
			return e, err
		}
		if err = s.record(ctx, &b); !errors.Is(err, store.ErrConflict) {
			return e, err
		}
	}
}

// RerunOptions say which tasks of a workflow are run again, and for whom.
type RerunOptions struct {
	// Tasks are the tasks to start from; none: those that failed last.
	Tasks []string
	// Reset names those of Tasks of which all items are run, not only those that failed.
	Reset []string
	Key   string // stable over repeats of the same wish; empty: every call runs it again
	User  string
	Lane  engine.Lane
}

// Rerun carries on a workflow that has ended from some of its tasks. The new
// execution takes the state of the workflow over; what succeeded is not run again.
func (s *Service) Rerun(ctx context.Context, id string, o RerunOptions) (engine.Execution, error) {
	d, err := s.execution(ctx, id)
	if err != nil {
		return engine.Execution{}, err
	}
	old := d.Value
	switch {
	case old.Action.Runner != engine.RunnerOrquesta:
		return old, engine.Errorf(engine.Invalid, "%s is no Orquesta workflow: it can only be run again as a whole", old.Action.Ref)
	case !old.Status.Completed():
		return old, engine.Errorf(engine.Conflict, "execution %s is still %s", id, old.Status)
	}
	for _, name := range o.Reset {
		if !slices.Contains(o.Tasks, name) {
			return old, engine.Errorf(engine.Invalid, "the task %q is to be reset but is not among the tasks to run again", name)
		}
	}
	r := Request{
		Action: old.Action.Ref, Parameters: old.Parameters, Context: afresh(old.Context), Lane: o.Lane, Origin: old.Origin, TraceID: old.TraceID,
	}
	r.Context.User, r.Context.APIUser = o.User, o.User
	r.Context.WorkflowExecution = old.Context.WorkflowExecution
	r.Context.ReRun = &engine.ReRun{Ref: id, Tasks: o.Tasks, Reset: o.Reset}
	if o.Key != "" {
		r.ID = engine.DeriveID(id, "rerun", o.Key)
	}
	e, err := s.Request(ctx, r)
	if o.Key != "" && errors.Is(err, store.ErrConflict) {
		return s.Execution(ctx, r.ID) // the same wish once more
	}
	return e, err
}

// afresh is the context of an execution that is to run again on its own.
func afresh(c engine.Context) engine.Context {
	return engine.Context{
		User: c.User, Pack: c.Pack, APIUser: c.APIUser, SourceChannel: c.SourceChannel,
		ActionAlias: c.ActionAlias, TriggerInstance: c.TriggerInstance, Rule: c.Rule, Chat: c.Chat,
	}
}

// requested carries out a request that was made to the execution of a workflow,
// and passes it on to the workflows below.
func (w *Workers) requested(ctx context.Context, f *flow, b *store.Batch, do flowDo) error {
	var err error
	if f.e, err = Executions.Get(ctx, w.store, f.doc.Value.ActionExecution); err != nil {
		return err
	}
	f.put = true
	asked := map[flowDo]engine.Status{doPause: engine.Pausing, doResume: engine.Resuming, doCancel: engine.Canceling}[do]
	if f.e.Value.Status != asked {
		return nil // it was asked something else meanwhile
	}
	to := map[flowDo]engine.Status{doPause: engine.Paused, doResume: engine.Resuming, doCancel: engine.Canceled}[do]
	var refused *engine.Error
	if err := f.c.Request(ctx, to); err != nil && !errors.As(err, &refused) {
		return err
	}
	if do == doPause && f.c.Status().Completed() {
		return nil // it ended before it heard of the pause; see endPaused
	}
	return w.eachChild(ctx, &f.e.Value, func(d store.Doc[engine.Execution]) error {
		_, err := w.passOn(b, d, do, &f.e.Value)
		return err
	})
}

// passOn does to the execution of a task what was asked of its workflow. Plain
// actions that run are left to end.
func (w *Workers) passOn(b *store.Batch, d store.Doc[engine.Execution], do flowDo, parent *engine.Execution) (engine.Execution, error) {
	e := &d.Value
	flow := engine.Conducted(e.Action.Runner)
	switch {
	case do == doPause && flow && e.Status == engine.Running:
		return w.addPause(b, d, parent.Context.PausedBy)
	case do == doResume && flow && e.Status == engine.Paused:
		return w.addResume(b, d, parent.Context.ResumedBy)
	case do == doCancel && e.Status.Cancelable() && (flow || e.Status != engine.Running):
		return w.addCancel(b, d, parent.Context.CancelledBy)
	}
	return *e, nil
}
