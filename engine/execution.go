package engine

import (
	"encoding/json"
	"time"
)

// Execution is one run of an action: the work item and its history in one.
type Execution struct {
	ID         string          `json:"id"`
	Action     ActionRef       `json:"action"`
	Parameters json.RawMessage `json:"parameters"` // live parameters, as given and rendered
	Status     Status          `json:"status"`
	Context    Context         `json:"context"`
	Lane       Lane            `json:"lane"`

	StartTimestamp time.Time      `json:"start_timestamp"`
	EndTimestamp   *time.Time     `json:"end_timestamp,omitempty"`
	Log            []StatusChange `json:"log"`

	Result     json.RawMessage `json:"result,omitempty"`      // absent when ResultBlob is set
	ResultBlob string          `json:"result_blob,omitempty"` // ID of the blob that holds a large result
	ResultSize int             `json:"result_size,omitempty"`

	Rule            *RuleRef `json:"rule,omitempty"`
	TriggerInstance string   `json:"trigger_instance,omitempty"`
	Worker          string   `json:"worker,omitempty"` // node that ran it
	Parent          string   `json:"parent,omitempty"` // execution of the workflow that this is a task of
	Root            string   `json:"root,omitempty"`   // execution at the top of the tree; empty: this one
	Task            *TaskRef `json:"task,omitempty"`   // of Parent's workflow
	TraceID         string   `json:"trace_id"`
	Origin          *Origin  `json:"origin,omitempty"`

	// Notify says who is told of the end, as in an action's metadata; empty: what
	// the action says. JSON null mutes that.
	Notify json.RawMessage `json:"notify,omitempty"`

	// NotBefore is when a delayed execution may begin.
	NotBefore *time.Time `json:"not_before,omitempty"`

	// Gated: a policy limits how many run at a time; the gate of the action knows
	// whether this one has its slot or waits for it.
	Gated bool `json:"gated,omitempty"`
}

// TaskRef says which task of which workflow an execution carries out.
type TaskRef struct {
	Workflow string `json:"workflow"` // ID of the workflow execution
	Run      string `json:"run"`      // ID of the task execution
	Name     string `json:"name"`
	Route    int    `json:"route"`
	Item     *int   `json:"item,omitempty"` // of a task with items: which
}

// RootID is the execution at the top of the tree that this one is part of.
func (e *Execution) RootID() string {
	if e.Root == "" {
		return e.ID
	}
	return e.Root
}

// ActionRef is what a record keeps of its action.
type ActionRef struct {
	Ref    string `json:"ref"`
	Pack   string `json:"pack"`
	Name   string `json:"name"`
	Runner string `json:"runner_type"`
}

// StatusChange is one step of an execution's life.
type StatusChange struct {
	Status    Status    `json:"status"`
	Timestamp time.Time `json:"timestamp"`
}

// Context says on whose behalf an execution runs. Its JSON form is what
// templates see as action_context.
type Context struct {
	User            string          `json:"user"`
	Pack            string          `json:"pack,omitempty"`
	APIUser         string          `json:"api_user,omitempty"`       // chat login
	SourceChannel   string          `json:"source_channel,omitempty"` // chat channel
	ActionAlias     *AliasRef       `json:"action_alias_ref,omitempty"`
	TriggerInstance *NamedRef       `json:"trigger_instance,omitempty"`
	Rule            *NamedRef       `json:"rule,omitempty"`
	CancelledBy     string          `json:"cancelled_by,omitempty"`
	Chat            json.RawMessage `json:"chat,omitempty"` // Petrel's own: adapter, channel, thread of the command

	// Of a task of a workflow: the context of the workflow's own execution with its
	// execution_id, and which task of which workflow it is.
	Parent   json.RawMessage `json:"parent,omitempty"`
	Orquesta *OrquestaRef    `json:"orquesta,omitempty"`
	Chain    json.RawMessage `json:"chain,omitempty"` // the node of an action chain

	// Of a workflow: the record that its state is kept under, who held it up last,
	// and what it is a re-run of.
	WorkflowExecution string `json:"workflow_execution,omitempty"`
	PausedBy          string `json:"paused_by,omitempty"`
	ResumedBy         string `json:"resumed_by,omitempty"`
	ReRun             *ReRun `json:"re-run,omitempty"`

	Policies *AppliedPolicies `json:"policies,omitempty"`
}

// AppliedPolicies says which policies had a hand in an execution.
type AppliedPolicies struct {
	Retry *Retried `json:"retry,omitempty"`
}

// Retried says that an execution is a further try of one that failed.
type Retried struct {
	Policy    string `json:"applied_policy"` // ref
	Count     int    `json:"retry_count"`    // 1 for the first further try
	Execution string `json:"retried_liveaction_id"`
}

// OrquestaRef says which task of an Orquesta workflow an execution carries out.
type OrquestaRef struct {
	WorkflowExecutionID string `json:"workflow_execution_id"`
	TaskExecutionID     string `json:"task_execution_id"`
	TaskName            string `json:"task_name"`
	TaskID              string `json:"task_id"`
	TaskRoute           int    `json:"task_route"`
	ItemID              *int   `json:"item_id,omitempty"`
}

// ReRun says which tasks of an ended workflow are run again: all items of those
// in Reset, of the others those that failed. No tasks: those that failed last.
type ReRun struct {
	Ref   string   `json:"ref"` // the execution that had ended
	Tasks []string `json:"tasks,omitempty"`
	Reset []string `json:"reset,omitempty"`
}

// NamedRef is an ID with a name.
type NamedRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// AliasRef is the alias behind a chat command.
type AliasRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Ref  string `json:"ref,omitempty"`
}

// MoveTo changes the status and records when. It fails with Conflict when the
// move is not legal.
func (e *Execution) MoveTo(s Status, now time.Time) error {
	if !CanMove(e.Status, s) {
		return Errorf(Conflict, "execution %s is %s and cannot become %s", e.ID, e.Status, s)
	}
	e.Status = s
	e.Log = append(e.Log, StatusChange{Status: s, Timestamp: now})
	if s.Completed() {
		e.EndTimestamp = &now
	}
	return nil
}
