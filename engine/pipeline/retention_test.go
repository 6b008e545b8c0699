package pipeline

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/store"
)

// What is old and has ended goes with all that it left; what runs, or is young, stays.
func TestCollect(t *testing.T) {
	onBoth(t, func(t *testing.T, b store.Backend) {
		now := time.Now().UTC()
		old, young := now.Add(-40*24*time.Hour), now.Add(-time.Hour)
		var batch store.Batch
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		put := func(start time.Time, status engine.Status, change func(*engine.Execution)) engine.Execution {
			e := engine.Execution{
				ID: engine.NewID(start), Status: status, StartTimestamp: start, Parameters: json.RawMessage(`{}`),
				Action: engine.ActionRef{Ref: "test.act", Pack: "test", Name: "act", Runner: "puppet"},
			}
			if end := start.Add(time.Minute); status.Completed() {
				e.EndTimestamp = &end
			}
			if change != nil {
				change(&e)
			}
			must(Executions.Put(&batch, store.Doc[engine.Execution]{ID: e.ID, Value: e}))
			return e
		}
		instance := engine.TriggerInstance{ID: engine.NewID(old), Trigger: "test.event", Payload: json.RawMessage(`{}`), OccurrenceTime: old, Status: engine.InstanceProcessed}
		waiting := instance
		waiting.ID, waiting.Status = engine.NewID(old), engine.InstancePending
		must(Instances.Put(&batch, store.Doc[engine.TriggerInstance]{ID: instance.ID, Value: instance}))
		must(Instances.Put(&batch, store.Doc[engine.TriggerInstance]{ID: waiting.ID, Value: waiting}))

		ended := put(old, engine.Succeeded, func(e *engine.Execution) {
			e.ResultBlob, e.Rule, e.TriggerInstance = "result-"+e.ID, &engine.RuleRef{Ref: "test.rule"}, instance.ID
		})
		batch.Blobs = append(batch.Blobs, store.Blob{ID: ended.ResultBlob, Body: []byte(`"large"`)})
		enforcement := engine.DeriveID(instance.ID, "enforcement", "test.rule")
		must(Enforcements.Put(&batch, store.Doc[engine.Enforcement]{ID: enforcement, Value: engine.Enforcement{
			ID: enforcement, TriggerInstanceID: instance.ID, Rule: engine.RuleRef{Ref: "test.rule"}, EnforcedAt: young, ExecutionID: ended.ID,
		}}))
		for n := range 2*sweepPage + 5 { // more than a page
			id := fmt.Sprintf("%s-%04d", ended.ID, n)
			must(Outputs.Put(&batch, store.Doc[OutputRecord]{ID: id, Value: OutputRecord{ExecutionID: ended.ID, Timestamp: old}}))
		}
		flow := put(old, engine.Failed, func(e *engine.Execution) {
			e.Action.Runner, e.Context.WorkflowExecution = engine.RunnerOrquesta, engine.DeriveID(e.ID, "workflow")
		})
		below := put(old, engine.Succeeded, func(e *engine.Execution) { e.Parent = flow.ID })
		id := flow.Context.WorkflowExecution
		must(WorkflowExecutions.Put(&batch, store.Doc[WorkflowExecution]{ID: id, Value: WorkflowExecution{ID: id, ActionExecution: flow.ID}}))
		must(TaskExecutions.Put(&batch, store.Doc[TaskExecution]{ID: taskExecutionID(id, "t", 0)}))
		must(WorkflowState.Put(&batch, store.Doc[StatePart]{ID: partID(id, "x"), Value: StatePart{Blob: "workflow-x"}}))
		batch.Blobs = append(batch.Blobs, store.Blob{ID: "workflow-x", Body: []byte(`1`)})
		gone := []string{ended.ID, flow.ID, below.ID}

		running := put(old, engine.Running, nil)
		child := put(old, engine.Succeeded, func(e *engine.Execution) { e.Parent = running.ID })
		recent := put(young, engine.Succeeded, nil)
		late := put(old, engine.Succeeded, func(e *engine.Execution) { e.EndTimestamp = &young }) // it ran for weeks
		stays := []string{running.ID, child.ID, recent.ID, late.ID}
		must(b.Commit(t.Context(), &batch))

		s := NewService(Options{Store: b, Catalog: &content{}, Renderer: expression.New(expression.Options{}), Logger: slog.New(slog.DiscardHandler)})
		month := 30 * 24 * time.Hour
		if removed, err := s.Collect(t.Context(), Retention{}); err != nil || !removed.Empty() {
			t.Errorf("without bounds: %+v, %v", removed, err)
		}
		removed, err := s.Collect(t.Context(), Retention{Executions: month, TriggerInstances: month, Enforcements: month, DeadLetters: month})
		want := Removed{Executions: 3, TriggerInstances: 1, Enforcements: 1, Output: 2*sweepPage + 5, Blobs: 2, TaskRecords: 1}
		if err != nil || removed != want {
			t.Errorf("removed %+v, %v; want %+v", removed, err, want)
		}
		for _, id := range gone {
			if _, err := s.Execution(t.Context(), id); engine.CodeOf(err) != engine.NotFound {
				t.Errorf("%s is still there: %v", id, err)
			}
		}
		for _, id := range stays {
			if _, err := s.Execution(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
		for _, col := range []string{Outputs.Name, Enforcements.Name, TaskExecutions.Name, WorkflowState.Name, WorkflowExecutions.Name} {
			if n, err := b.Count(t.Context(), store.Query{Collection: col}); n != 0 || err != nil {
				t.Errorf("%d left in %s, %v", n, col, err)
			}
		}
		for _, blob := range []string{ended.ResultBlob, "workflow-x"} {
			if _, err := b.Blob(t.Context(), blob); err == nil {
				t.Errorf("the blob %s is still there", blob)
			}
		}
		if _, err := s.TriggerInstance(t.Context(), waiting.ID); err != nil {
			t.Errorf("an event that waits is gone: %v", err)
		}
		if removed, err := s.Collect(t.Context(), Retention{Executions: month, TriggerInstances: month}); err != nil || !removed.Empty() {
			t.Errorf("once more: %+v, %v", removed, err)
		}
	})
}
