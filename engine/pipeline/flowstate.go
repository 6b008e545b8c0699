package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"petrel/engine"
	"petrel/engine/workflow"
	"petrel/store"
)

// The collections of running workflows. The state of a workflow is many small
// documents (see package workflow): a step writes those that it changed. The part
// "head" changes in every step and is the only one with a guarded revision, so
// two steps from the same state cannot both be recorded.
var (
	WorkflowExecutions = store.Collection[WorkflowExecution]{
		Name: "workflow_executions",
		Index: func(w *WorkflowExecution) []store.IndexEntry {
			return []store.IndexEntry{{Index: "status", Value: string(w.Status), Sort: sortTime(w.StartTimestamp)}}
		},
	}
	// TaskExecutions holds the newest run of each task and route of a workflow.
	TaskExecutions = store.Collection[TaskExecution]{Name: "task_executions"}
	// WorkflowState holds the parts of the states.
	WorkflowState = store.Collection[StatePart]{Name: "workflow_state"}
	// WorkflowFiles holds the texts that workflows were started from, by hash: a
	// change of the file does not change what runs already.
	WorkflowFiles = store.Collection[WorkflowFile]{Name: "workflow_files"}
)

// WorkflowExecution is one run of a workflow. A re-run of its tasks carries it on
// under another execution.
type WorkflowExecution struct {
	ID              string          `json:"id"`
	ActionExecution string          `json:"action_execution"`
	Runner          string          `json:"runner_type"`
	File            string          `json:"file"` // ID in WorkflowFiles
	Status          workflow.Status `json:"status"`
	StartTimestamp  time.Time       `json:"start_timestamp"`
	EndTimestamp    *time.Time      `json:"end_timestamp,omitempty"`
}

// TaskExecution is one run of a task.
type TaskExecution struct {
	ID                string        `json:"id"`
	WorkflowExecution string        `json:"workflow_execution"`
	TaskID            string        `json:"task_id"`
	TaskRoute         int           `json:"task_route"`
	Run               string        `json:"run"` // what the conductor calls it
	Status            engine.Status `json:"status"`
	// Execution is what carries it out; empty for a task with items or without an action.
	Execution string `json:"execution,omitempty"`
	// Of a task with items: how many, and the runs whose executions give their
	// results, the newest last. A re-run of the failed items takes the others along.
	Itemized       bool       `json:"itemized,omitempty"`
	ItemsCount     int        `json:"items_count,omitempty"`
	Concurrency    *int64     `json:"items_concurrency,omitempty"`
	Runs           []string   `json:"runs,omitempty"`
	Delay          int64      `json:"delay,omitempty"` // seconds
	StartTimestamp time.Time  `json:"start_timestamp"`
	EndTimestamp   *time.Time `json:"end_timestamp,omitempty"`

	recorded bool // the store has it like this
}

// StatePart is one part of the state of a workflow; a large one is a blob.
type StatePart struct {
	Value json.RawMessage `json:"value,omitempty"`
	Blob  string          `json:"blob,omitempty"`
}

// WorkflowFile is the text of a workflow.
type WorkflowFile struct {
	File string `json:"file"`
	Text string `json:"text"`
}

// headPart is the key of the guarded part.
const headPart = "head"

func partID(flow, key string) string { return flow + "/" + key }

func taskExecutionID(flow, task string, route int) string {
	return fmt.Sprintf("%s/%s__r%d", flow, task, route)
}

func fileID(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// flowIndex files the tasks of workflows: by the execution that they are part of,
// and items by the run of their task, in their order.
func flowIndex(e *engine.Execution, at string) []store.IndexEntry {
	if e.Parent == "" {
		return nil
	}
	entries := []store.IndexEntry{{Index: "parent", Value: e.Parent, Sort: at}}
	if e.Task != nil && e.Task.Item != nil {
		entries = append(entries, store.IndexEntry{Index: "run", Value: e.Task.Run, Sort: fmt.Sprintf("%09d", *e.Task.Item)})
	}
	return entries
}

// loadPart is the workflow.Loader of a workflow's state.
func (s *Service) loadPart(ctx context.Context, flow, key string) (json.RawMessage, error) {
	d, err := WorkflowState.Get(ctx, s.store, partID(flow, key))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if d.Value.Blob != "" {
		return s.store.Blob(ctx, d.Value.Blob)
	}
	return d.Value.Value, nil
}

// putParts adds the changed parts of a state to the batch. head is the revision
// of the head that they come after.
func putParts(b *store.Batch, flow string, head int64, changes workflow.State) error {
	for _, key := range changes.Keys() { // in order, so that a batch is the same each time
		raw, id := changes[key], partID(flow, key)
		if raw == nil {
			WorkflowState.Delete(b, id, store.AnyRev)
			continue
		}
		part := store.Doc[StatePart]{ID: id, Rev: store.AnyRev, Value: StatePart{Value: raw}}
		if key == headPart {
			part.Rev = head
		} else if len(raw) > maxInlineResult {
			part.Value = StatePart{Blob: "workflow-" + id}
			b.Blobs = append(b.Blobs, store.Blob{ID: part.Value.Blob, Body: raw})
		}
		if err := WorkflowState.Put(b, part); err != nil {
			return err
		}
	}
	return nil
}
