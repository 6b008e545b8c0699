package pipeline

import (
	"encoding/json"
	"time"

	"petrel/engine"
	"petrel/store"
)

// The collections of the pipeline. Besides the declared indexes every one is
// ordered by ID, which is by age.
var (
	Instances = store.Collection[engine.TriggerInstance]{
		Name: "trigger_instances",
		Index: func(t *engine.TriggerInstance) []store.IndexEntry {
			at := sortTime(t.OccurrenceTime)
			return append(traceIndex(t, at), store.IndexEntry{Index: "trigger", Value: t.Trigger, Sort: at})
		},
	}
	Enforcements = store.Collection[engine.Enforcement]{
		Name: "rule_enforcements",
		Index: func(e *engine.Enforcement) []store.IndexEntry {
			at := sortTime(e.EnforcedAt)
			return []store.IndexEntry{
				{Index: "rule", Value: e.Rule.Ref, Sort: at},
				{Index: "instance", Value: e.TriggerInstanceID, Sort: at},
			}
		},
	}
	Executions = store.Collection[engine.Execution]{
		Name: "executions",
		Index: func(e *engine.Execution) []store.IndexEntry {
			at := sortTime(e.StartTimestamp)
			entries := []store.IndexEntry{
				{Index: "status", Value: string(e.Status), Sort: at},
				{Index: "action", Value: e.Action.Ref, Sort: at},
				{Index: "trace", Value: e.TraceID, Sort: at}, // the trigger instance, or the first of several runs
			}
			return append(entries, flowIndex(e, at)...)
		},
	}
	Outputs = store.Collection[OutputRecord]{
		Name: "execution_output",
		Index: func(o *OutputRecord) []store.IndexEntry {
			return []store.IndexEntry{{Index: "execution", Value: o.ExecutionID, Sort: sortTime(o.Timestamp)}}
		},
	}
	// DeadLetters holds items that were given up, for people to look at.
	DeadLetters = store.Collection[DeadLetter]{Name: "dead_letters"}
)

// OutputRecord is a piece of what an execution printed while it ran. Runs that
// end before the first flush have none: their result says it all.
type OutputRecord struct {
	ExecutionID string    `json:"execution_id"`
	ActionRef   string    `json:"action_ref"`
	RunnerRef   string    `json:"runner_ref"`
	Timestamp   time.Time `json:"timestamp"`
	Type        string    `json:"output_type"` // stdout or stderr
	Data        string    `json:"data"`
}

// DeadLetter is a queue item that failed too often.
type DeadLetter struct {
	Queue  string    `json:"queue"`
	Item   string    `json:"item"`
	Body   []byte    `json:"body,omitempty"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// Notice is the body of an outbox item.
type Notice struct {
	Kind NoticeKind `json:"kind"`
	// Execution is set for NoticeExecution and NoticeInquiry: how it stands is in its
	// document.
	Execution string `json:"execution,omitempty"`
	// Text says why, for NoticeRejection.
	Text string `json:"text,omitempty"`
	// Body is what a runner or responder wants said, for NoticeMessage.
	Body json.RawMessage `json:"body,omitempty"`
	// Detail is Origin.Detail of what is answered.
	Detail json.RawMessage `json:"detail,omitempty"`
}

// NoticeKind says what an outbox item is about.
type NoticeKind string

const (
	NoticeExecution NoticeKind = "execution" // an execution moved on
	NoticeRejection NoticeKind = "rejection" // a request could not become an execution
	NoticeMessage   NoticeKind = "message"   // something to say
	NoticeInquiry   NoticeKind = "inquiry"   // somebody is asked something: the execution is an inquiry
)

// EventExecution is the type of the event that tells of a change of an
// execution; its key is the ID and its body an ExecutionEvent.
const EventExecution = "execution.updated"

// EventOutput is the type of the event that tells of new output records; its
// key is the execution's ID.
const EventOutput = "execution.output"

// ExecutionEvent is the body of EventExecution.
type ExecutionEvent struct {
	ID     string        `json:"id"`
	Action string        `json:"action"`
	Status engine.Status `json:"status"`
}

// sortTime prints a time so that text order is time order.
func sortTime(t time.Time) string { return t.UTC().Format("20060102T150405.000000000") }
