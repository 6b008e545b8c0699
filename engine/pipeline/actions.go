package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"petrel/engine"
	"petrel/engine/params"
	"petrel/engine/runners"
	"petrel/store"
)

// maxInlineResult is the size in bytes above which a result is stored apart.
const maxInlineResult = 64 << 10

// How long it is tried to record the end of an action while the store cannot be
// reached: the work is done, and would count as abandoned. A stopping program
// has less time.
const (
	recordLimit     = 2 * time.Minute
	recordLimitStop = 3 * time.Second
	recordPause     = 250 * time.Millisecond
)

// handleAction is the second stage: it runs one execution and records how it
// ended.
func (w *Workers) handleAction(ctx context.Context, item store.Item) error {
	d, err := Executions.Get(ctx, w.store, item.ID)
	if errors.Is(err, store.ErrNotFound) {
		return w.acknowledge(ctx, item)
	}
	if err != nil {
		return err
	}
	e := &d.Value
	if e.Status.Completed() || e.Status == engine.Pending {
		return w.acknowledge(ctx, item)
	}
	if e.Status == engine.Canceling {
		return w.complete(ctx, d, item, runners.Outcome{Status: engine.Canceled, Result: errorResult("canceled; its worker had died")})
	}
	action, set, err := w.lookUp(e.Action.Ref)
	if err != nil {
		return w.complete(ctx, d, item, runners.Failure(err.Error()))
	}
	if e.Status == engine.Running {
		// It was begun before and its lease ended, so its worker is dead.
		if !action.Idempotent {
			reason := fmt.Sprintf("the worker %s died while this ran; how far it got is unknown", e.Worker)
			return w.complete(ctx, d, item, runners.Outcome{Status: engine.Abandoned, Result: errorResult(reason)})
		}
		if err := e.MoveTo(engine.Requested, w.now()); err != nil {
			return err
		}
	}
	runner, ok := w.runners.Get(action.RunnerType)
	if !ok {
		return w.complete(ctx, d, item, runners.Failure(fmt.Sprintf("the action %s needs the runner %q, which this program does not have", action.Ref, action.RunnerType)))
	}
	job, err := w.job(ctx, e, action, set.params)
	if err != nil {
		return w.complete(ctx, d, item, runners.Failure(err.Error()))
	}
	var b store.Batch
	through, admitted, err := w.admit(ctx, &d, &b, item)
	defer admitted()
	if err != nil || !through {
		return err
	}
	if err := e.MoveTo(engine.Running, w.now()); err != nil {
		return err
	}
	e.Worker = w.node
	if runner.Spec().Quick && !e.Gated { // what it does takes effect with its record, so that it runs is not worth one
		return w.complete(ctx, d, item, w.run(ctx, runner, job))
	}
	work, forget := w.track(ctx, e.ID) // before it can be seen running, lest a cancel be missed
	defer forget()
	if err := w.putExecution(&b, d); err != nil {
		return err
	}
	if err := w.store.Commit(work, &b); err != nil {
		return err
	}
	admitted()
	d.Rev++
	outcome := w.checkOutcome(set, w.run(work, runner, job))
	if errors.Is(context.Cause(work), store.ErrLeaseLost) {
		return store.ErrLeaseLost // whoever holds it now decides
	}
	return w.complete(ctx, d, item, outcome)
}

// job collects what a runner needs.
func (w *Workers) job(ctx context.Context, e *engine.Execution, action *engine.Action, set *params.Set) (runners.Job, error) {
	config, err := w.config(ctx, e)
	if err != nil {
		return runners.Job{}, err
	}
	scope, err := templateScope(e, config, nil)
	if err != nil {
		return runners.Job{}, err
	}
	forRunner, forAction, err := set.Final(ctx, w.renderer.WithUser(templateUser(e)), e.Parameters, scope)
	if err != nil {
		return runners.Job{}, err
	}
	job := runners.Job{Execution: e, Action: action, Runner: forRunner, Params: forAction, Config: config}
	op := "--"
	if v, ok := forRunner.GetString("kwarg_op"); ok {
		if text, ok := v.(string); ok {
			op = text
		}
	}
	job.ScriptArgs = set.ScriptArgs(forAction, op)
	job.Env = []string{
		"ST2_ACTION_PACK_NAME=" + action.Pack,
		"ST2_ACTION_EXECUTION_ID=" + e.ID,
		"ST2_ACTION_API_URL=" + w.apiURL,
		"ST2_ACTION_DEBUG=False",
	}
	return job, nil
}

// run calls the runner and turns whatever happens into an outcome.
func (w *Workers) run(ctx context.Context, runner runners.Runner, job runners.Job) (outcome runners.Outcome) {
	id := job.Execution.ID
	out := newOutput(w, job.Execution)
	defer out.close()
	job.Output = out.write
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("panic in a runner", "execution_id", id, "runner", job.Action.RunnerType, "panic", p, "stack", stack())
			outcome = runners.Failure(fmt.Sprintf("internal error in the runner %s: %v", job.Action.RunnerType, p))
		}
	}()
	about := []any{"execution_id", id, "action", job.Action.Ref, "trace_id", job.Execution.TraceID}
	started := w.now()
	w.log.Info("action started", about...)
	outcome, err := runner.Run(ctx, job)
	if err != nil {
		outcome = runners.Failure(err.Error())
	}
	switch {
	case errors.Is(context.Cause(ctx), runners.ErrCanceled):
		outcome.Status = engine.Canceled
	case errors.Is(context.Cause(ctx), runners.ErrShutdown) && outcome.Status != engine.Succeeded:
		outcome.Status = engine.Abandoned
		outcome.Result = errorResult("the program was stopped while this ran; how far it got is unknown")
	}
	w.log.Info("action ended", append(about, "status", outcome.Status, "took", w.now().Sub(started))...)
	return outcome
}

// complete records how an execution ended and acknowledges its item. When the
// record moved on meanwhile (somebody canceled it) it is read again.
func (w *Workers) complete(ctx context.Context, d store.Doc[engine.Execution], item store.Item, o runners.Outcome) error {
	work := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(work), recordLimit)
	defer cancel()
	defer context.AfterFunc(work, func() { time.AfterFunc(recordLimitStop, cancel) })()
	if d.Value.Gated {
		defer w.gates.lock(d.Value.Action.Ref)()
	}
	for {
		read := d
		e := &d.Value
		if e.Status == engine.Canceling {
			o.Status = engine.Canceled
		}
		if e.Status == engine.Requested && o.Status != engine.Canceled {
			// Failed before it began: no run to speak of, but a legal move.
			o.Status = engine.Failed
		}
		if err := e.MoveTo(o.Status, w.now()); err != nil {
			return err
		}
		var b store.Batch
		w.attachResult(&b, e, o.Result)
		if err := w.putExecution(&b, d); err != nil {
			if d = read; errors.Is(err, store.ErrUnavailable) && wait(ctx, recordPause) {
				continue
			}
			return err
		}
		if o.Status == engine.Pending {
			if err := w.ask(ctx, &b, e, o.Result); err != nil {
				return err
			}
		}
		for i, entry := range o.Outbox {
			origin := engine.Origin{Conversation: entry.Conversation}
			id := engine.DeriveID(e.ID, "outbox", fmt.Sprint(i))
			if err := notify(&b, id, e.Lane, &origin, Notice{Kind: NoticeMessage, Body: entry.Body}); err != nil {
				return err
			}
		}
		b.Acks = append(b.Acks, item)
		conflict := w.commitSoon(ctx, &b)
		if !errors.Is(conflict, store.ErrConflict) {
			return conflict
		}
		var err error
		if d, err = Executions.Get(ctx, w.store, item.ID); err != nil {
			return err
		}
		if d.Value.Status.Completed() {
			return w.acknowledge(ctx, item)
		}
		if d.Value.Status == engine.Requested {
			return conflict // it did not begin on record, so it is done again from there
		}
	}
}

// commitSoon commits a batch as soon as the store can take it.
func (w *Workers) commitSoon(ctx context.Context, b *store.Batch) error {
	for {
		err := w.store.Commit(ctx, b)
		if !errors.Is(err, store.ErrUnavailable) || !wait(ctx, recordPause) {
			return err
		}
	}
}

// attachResult puts a result into the record, or beside it when it is large.
func (s *Service) attachResult(b *store.Batch, e *engine.Execution, result json.RawMessage) {
	e.ResultSize = len(result)
	e.Result, e.ResultBlob = result, ""
	if len(result) > maxInlineResult {
		e.Result, e.ResultBlob = nil, "result-"+e.ID
		b.Blobs = append(b.Blobs, store.Blob{ID: e.ResultBlob, Body: result})
	}
}

// buryAction records that an execution could not be carried out.
func (w *Workers) buryAction(ctx context.Context, item store.Item, cause error) error {
	d, err := Executions.Get(ctx, w.store, item.ID)
	if errors.Is(err, store.ErrNotFound) {
		return w.bury(ctx, &store.Batch{}, item, cause)
	}
	if err != nil {
		return err
	}
	if d.Value.Status.Completed() {
		return w.acknowledge(ctx, item)
	}
	var b store.Batch
	to := engine.Failed
	if d.Value.Status == engine.Canceling {
		to = engine.Canceled
	}
	if err := d.Value.MoveTo(to, w.now()); err != nil {
		return err
	}
	w.attachResult(&b, &d.Value, errorResult("could not be carried out: "+cause.Error()))
	if err := w.putExecution(&b, d); err != nil {
		return err
	}
	return w.bury(ctx, &b, item, cause)
}

// NodeName is the default name of this process: its host.
func NodeName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "petrel"
	}
	return host
}
