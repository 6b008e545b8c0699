package engine

// Status is the state of an execution.
type Status string

const (
	Requested Status = "requested" // recorded, waits in the queue
	Scheduled Status = "scheduled" // admitted by the policies
	Delayed   Status = "delayed"   // held back by a policy or a delay
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	TimedOut  Status = "timeout"
	Abandoned Status = "abandoned" // its worker died; whether it had an effect is unknown
	Canceling Status = "canceling"
	Canceled  Status = "canceled"
	Pending   Status = "pending" // waits for a person's answer
	Pausing   Status = "pausing"
	Paused    Status = "paused"
	Resuming  Status = "resuming"
)

// moves lists the legal moves. A completed status has none.
var moves = map[Status][]Status{
	Requested: {Scheduled, Delayed, Running, Pending, Succeeded, Failed, TimedOut, Abandoned, Canceling, Canceled},
	Scheduled: {Delayed, Running, Failed, Abandoned, Canceling, Canceled},
	Delayed:   {Requested, Scheduled, Running, Failed, Canceling, Canceled},
	Running:   {Requested, Succeeded, Failed, TimedOut, Abandoned, Canceling, Canceled, Pausing, Paused, Pending},
	Pending:   {Succeeded, Failed, TimedOut, Canceled, Canceling},
	Pausing:   {Running, Paused, Succeeded, Failed, TimedOut, Abandoned, Canceling, Canceled},
	Paused:    {Resuming, Running, Succeeded, Failed, TimedOut, Canceling, Canceled},
	Resuming:  {Running, Pausing, Paused, Succeeded, Failed, TimedOut, Abandoned, Canceling, Canceled},
	Canceling: {Canceled, Failed, Succeeded, TimedOut, Abandoned},
}

// CanMove reports whether an execution may go from one status to another.
// Running -> Requested is the way back of an idempotent action whose worker died;
// Paused -> Running that of a workflow in which a sub-workflow was resumed.
func CanMove(from, to Status) bool {
	for _, s := range moves[from] {
		if s == to {
			return true
		}
	}
	return false
}

// Completed reports whether s is final.
func (s Status) Completed() bool {
	switch s {
	case Succeeded, Failed, TimedOut, Abandoned, Canceled:
		return true
	}
	return false
}

// Cancelable reports whether a cancel request makes sense.
func (s Status) Cancelable() bool {
	switch s {
	case Requested, Scheduled, Delayed, Running, Pending, Pausing, Paused, Resuming:
		return true
	}
	return false
}
