package workflow

import "petrel/engine"

// Status is that of a workflow, of a task in it or of an item of a task.
type Status = engine.Status

// What only workflows know beside the statuses of executions.
const (
	Retrying Status = "retrying" // a task that waits for its next try
	Unset    Status = "null"     // nothing has happened yet
)

// Legal tells whether s is a status at all.
func Legal(s Status) bool {
	switch s {
	case engine.Requested, engine.Scheduled, engine.Delayed, engine.Running, engine.Pending, engine.Pausing, engine.Paused,
		engine.Resuming, engine.Succeeded, engine.Failed, engine.TimedOut, engine.Abandoned, Retrying, engine.Canceling,
		engine.Canceled, Unset:
		return true
	}
	return false
}

// starting tells whether an event with this status begins a run of a task.
func starting(s Status) bool {
	switch s {
	case engine.Requested, engine.Scheduled, engine.Delayed, engine.Running, engine.Pending:
		return true
	}
	return false
}

// active tells whether something is going on under this status.
func active(s Status) bool {
	switch s {
	case engine.Requested, engine.Scheduled, engine.Delayed, engine.Running, engine.Resuming, engine.Pausing, engine.Canceling:
		return true
	}
	return false
}

// advances tells whether a workflow with this status starts tasks.
func advances(s Status) bool {
	switch s {
	case engine.Requested, engine.Scheduled, engine.Delayed, engine.Running, engine.Resuming, Retrying:
		return true
	}
	return false
}

// abended tells whether s is a failure of some kind.
func abended(s Status) bool {
	return s == engine.Failed || s == engine.TimedOut || s == engine.Abandoned
}

func pausing(s Status) bool { return s == engine.Pausing || s == engine.Paused }

func canceling(s Status) bool { return s == engine.Canceling || s == engine.Canceled }
