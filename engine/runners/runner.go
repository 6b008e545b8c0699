// Package runners states what a runner is: the thing that carries out actions
// of one kind (a shell command, an HTTP request, ...). Each kind has a
// sub-package. A runner knows the action and its final parameters; it knows
// nothing of queues, stores or chat.
package runners

import (
	"context"
	"encoding/json"

	"petrel/engine"
	"petrel/engine/expression/value"
)

// Runner carries out the actions of one kind. Run returns when the action has
// ended. When ctx ends first the runner ends the work (the whole process group,
// the request) and returns promptly; context.Cause(ctx) says why: ErrCanceled
// when somebody canceled the execution, ErrShutdown when the program stops.
// A returned error means the runner itself could not do its job: the execution
// fails with that text. A failing action is not an error but an Outcome.
type Runner interface {
	// Spec describes the runner: name, aliases, parameters.
	Spec() engine.Runner
	Run(ctx context.Context, job Job) (Outcome, error)
}

// Job is one action to carry out.
type Job struct {
	Execution *engine.Execution
	Action    *engine.Action
	// Runner and Params are the final parameters: those that the runner
	// declares and those of the action itself.
	Runner, Params *value.Dict
	// Config is the resolved configuration of the action's pack; nil: none.
	Config *value.Dict
	// ScriptArgs are the arguments of a script action, built and ordered.
	ScriptArgs []string
	// Output receives what the action prints, while it runs. Never nil; safe
	// for concurrent use; returns quickly.
	Output func(stream Stream, data []byte)
	// Env is added to the environment of processes (ST2_ACTION_*).
	Env []string
}

// Stream tells standard output from standard error.
type Stream string

const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// Outcome is how an action ended.
type Outcome struct {
	Status engine.Status // Succeeded, Failed, TimedOut, Canceled or Abandoned
	Result json.RawMessage
	// Outbox is what shall be said now that the action has ended. It is
	// recorded together with the result, or not at all.
	Outbox []OutboxEntry
}

// OutboxEntry is something for the outbox queue: Body is for its consumer.
type OutboxEntry struct {
	Conversation string
	Body         json.RawMessage
}

// Failure is the Outcome of an action that could not be carried out as asked.
func Failure(message string) Outcome {
	body, err := json.Marshal(map[string]string{"error": message})
	if err != nil {
		body = []byte(`{"error":"unprintable"}`)
	}
	return Outcome{Status: engine.Failed, Result: body}
}
