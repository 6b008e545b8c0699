package workflow

import (
	"strings"

	"petrel/engine"
)

// The state machines. Each function answers where an event leads from a status;
// ok=false means that the event changes nothing there.

// remediated is the event of a task that failed and has somewhere to go.
const remediated Status = "remediated"

const (
	fromWaiting = " running pending pausing paused canceling canceled failed timeout abandoned"
	anyFailure  = " failed timeout:failed abandoned:failed"
)

// taskMoves says what the status of an action, a command or a retry does to its
// task: "event" leads to the status of the same name, "event:status" to another.
// Upstream leaves a task that is pausing, resuming, paused or canceling stuck when
// its action ends another way than asked; here it ends as the action did.
var taskMoves = parseMoves(map[Status]string{
	Unset:            "requested scheduled delayed running pending continue:succeeded noop:succeeded fail:failed",
	engine.Requested: "scheduled delayed succeeded" + fromWaiting,
	engine.Scheduled: "delayed succeeded" + fromWaiting,
	engine.Delayed:   "scheduled succeeded" + fromWaiting,
	engine.Running:   "running pending pausing paused canceling canceled succeeded" + anyFailure,
	engine.Pending:   "canceled succeeded" + anyFailure,
	engine.Pausing:   "paused resuming canceling canceled succeeded" + anyFailure,
	engine.Paused:    "running resuming canceling canceled succeeded" + anyFailure,
	engine.Resuming:  "running canceling canceled succeeded" + anyFailure,
	Retrying:         "running canceling canceled",
	engine.Canceling: "canceled paused:canceled succeeded" + anyFailure,
	engine.Succeeded: "retry:retrying",
	engine.Failed:    "retry:retrying",
	engine.TimedOut:  "retry:retrying",
	engine.Abandoned: "retry:retrying",
})

func parseMoves(rows map[Status]string) map[Status]map[string]Status {
	table := map[Status]map[string]Status{}
	for from, row := range rows {
		table[from] = map[string]Status{}
		for _, word := range strings.Fields(row) {
			event, to, ok := strings.Cut(word, ":")
			if !ok {
				to = event
			}
			table[from][event] = Status(to)
		}
	}
	return table
}

func taskMove(from Status, event string) (Status, bool) {
	to, ok := taskMoves[from][event]
	return to, ok
}

// itemCounts tells how the items of a task stand.
type itemCounts struct {
	Active    int `json:"active"`
	Completed int `json:"completed"`
	Paused    int `json:"paused"` // or pending
	Canceled  int `json:"canceled"`
	Failed    int `json:"failed"`
}

func (n *itemCounts) add(s Status, by int) {
	if active(s) {
		n.Active += by
	}
	if s.Completed() {
		n.Completed += by
	}
	if s == engine.Paused || s == engine.Pending {
		n.Paused += by
	}
	if s == engine.Canceled {
		n.Canceled += by
	}
	if abended(s) {
		n.Failed += by
	}
}

// itemMove is what an item that has reached a status does to its task; others
// counts the other items, of which there are rest.
func itemMove(task, item Status, others itemCounts, rest int) (Status, bool) {
	switch {
	case item == engine.Resuming:
		return task, false
	case !item.Completed() && item != engine.Paused && item != engine.Pending:
		return taskMove(task, string(item))
	case task != engine.Running && task != engine.Pausing && task != engine.Canceling:
		return task, false
	case others.Active > 0:
		if task != engine.Running {
			return task, false
		}
		switch item {
		case engine.Succeeded:
			return engine.Running, true
		case engine.Paused, engine.Pending:
			return engine.Pausing, true
		case engine.Canceled:
			return engine.Canceling, true
		}
		return task, false
	case task == engine.Canceling:
		if item == engine.Succeeded && others.Completed == rest && others.Canceled == 0 && others.Failed == 0 {
			return engine.Succeeded, true
		}
		return engine.Canceled, true
	case item == engine.Canceled:
		return engine.Canceled, true
	case others.Paused > 0 && !abended(item):
		return engine.Paused, true
	case others.Paused == 0 && others.Canceled > 0:
		return engine.Canceled, true
	case abended(item) || others.Paused == 0 && others.Failed > 0:
		return engine.Failed, true
	case item != engine.Succeeded:
		return engine.Paused, true
	case others.Completed == rest:
		return engine.Succeeded, true
	case task == engine.Pausing:
		return engine.Paused, true
	}
	return engine.Running, true
}

// requestMove is what a request does to the status of a workflow. busy: some task
// is active. over: nothing is active, staged, paused or pending.
func requestMove(from, request Status, busy, over bool) (Status, bool) {
	if request == engine.Failed {
		return engine.Failed, !from.Completed() || from == engine.Succeeded
	}
	if pausing(request) || canceling(request) {
		return stopMove(from, request, busy)
	}
	switch from {
	case Unset, engine.Requested, engine.Scheduled, engine.Delayed:
		switch request {
		case engine.Requested:
			return request, from == Unset
		case engine.Scheduled, engine.Delayed:
			return request, from != request && !(from == engine.Scheduled && request == engine.Requested)
		case engine.Running:
			return request, true
		}
	case engine.Running:
		return request, request == engine.Succeeded
	case engine.Pausing:
		return request, request == engine.Running || request == engine.Resuming
	case engine.Paused:
		if request == engine.Running || request == engine.Resuming {
			if over {
				return engine.Succeeded, true
			}
			return request, true
		}
	case engine.Resuming:
		return request, request == engine.Running
	}
	return from, false
}

// stopMove is a request to pause or to cancel.
func stopMove(from, request Status, busy bool) (Status, bool) {
	during, after := engine.Pausing, engine.Paused
	if canceling(request) {
		during, after = engine.Canceling, engine.Canceled
	}
	switch from {
	case engine.Requested, engine.Scheduled, engine.Delayed:
		return after, !busy
	case engine.Paused:
		return after, !busy && after == engine.Canceled
	case engine.Canceling:
		if after == engine.Paused {
			return from, false
		}
	case engine.Running, engine.Pausing, engine.Resuming:
	default:
		return from, false
	}
	if busy {
		return during, true
	}
	return after, true
}

// outlook is how a workflow stands when a task of it has succeeded; the first that
// holds counts.
type outlook int

const (
	someCanceled outlook = iota // some task is canceling or canceled
	somePaused                  // some task is pausing, paused or pending
	incomplete                  // there is something to start
	complete
)

// workflowMove is what the new status of a task (or remediated) does to the status
// of its workflow. busy: some task is active.
func workflowMove(from, event Status, busy bool, o outlook) (Status, bool) {
	either := func(during, after Status) (Status, bool) {
		if busy {
			return during, true
		}
		return after, true
	}
	if event == engine.TimedOut || event == engine.Abandoned {
		event = engine.Failed
	}
	switch from {
	case engine.Canceling:
		switch event {
		case engine.Pending, engine.Paused, engine.Failed, engine.Canceled, Retrying:
			return either(engine.Canceling, engine.Canceled)
		case engine.Succeeded, remediated:
			if busy {
				return from, o == incomplete || o == complete
			}
			return engine.Canceled, true
		}
		return from, false
	case engine.Paused:
		return engine.Running, event == engine.Running || event == engine.Resuming
	case engine.Running, engine.Pausing, engine.Resuming:
	default:
		return from, false
	}
	switch event {
	case engine.Failed:
		return engine.Failed, true
	case engine.Pending:
		return either(engine.Pausing, engine.Paused)
	case engine.Canceling:
		return engine.Canceling, true
	case engine.Canceled:
		return either(engine.Canceling, engine.Canceled)
	case engine.Pausing:
		return from, from == engine.Running
	case engine.Paused:
		if from == engine.Resuming {
			return from, false
		}
		return either(from, engine.Paused)
	case engine.Running:
		return engine.Running, from == engine.Resuming
	case Retrying:
		if from == engine.Pausing {
			return either(engine.Pausing, engine.Paused)
		}
		return from, false
	case engine.Succeeded, remediated:
		return successMove(from, event, busy, o)
	}
	return from, false
}

// successMove is workflowMove for a task that succeeded or was remediated.
func successMove(from, event Status, busy bool, o outlook) (Status, bool) {
	if from == engine.Pausing {
		switch {
		case busy && o == someCanceled && event == remediated:
			return engine.Canceling, true
		case busy:
			return engine.Pausing, true
		case o == someCanceled:
			return engine.Canceled, true
		}
		return engine.Paused, true
	}
	switch {
	case o == someCanceled && busy:
		return engine.Canceling, from == engine.Running
	case o == someCanceled:
		return engine.Canceled, true
	case o == somePaused && busy:
		return engine.Pausing, from == engine.Running
	case o == somePaused:
		return engine.Paused, true
	case o == incomplete || busy:
		return engine.Running, true
	}
	return engine.Succeeded, true
}
