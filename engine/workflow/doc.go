// Package workflow is the conductor of workflows: it reads Orquesta definitions,
// inspects them, and decides after each event what comes next. It follows
// StackStorm's Orquesta in its language, statuses, contexts and errors.
//
// It is a pure state machine: from a definition, a state and an event come a new
// state and the tasks to run. It does no I/O, has no clock and starts nothing; it
// must not know executions, runners, queues or stores. What expressions can ask
// beyond the workflow (the datastore, records of tasks) is handed in.
//
// # Driving it
//
// Whoever drives a workflow holds its lock, and for each event:
//
//	c, err := workflow.Open(options, load)  // New for the first step
//	err = c.Update(ctx, event)              // or Request, or Rerun
//	next, err := c.Advance(ctx)             // what to run now
//	changes, err := c.Changes()             // what to store
//
// and then writes, in one batch, the changes, an execution for every action in
// next, and the acknowledgement of the event. Identifiers of executions should be
// derived from the workflow, the task, its route, [Conductor.Run] and the item, so
// that a repeated delivery creates nothing new. In detail:
//
//   - New renders inputs and vars. Request(Running) starts the workflow unless that
//     failed. Inspect the definition first: one with problems must not be started.
//   - Advance notes the tasks it gives as running and completes those without an
//     action, and renders the output when the workflow has completed; then Result
//     is the result of its execution.
//   - Report what became of an action with Update when it is pending, paused,
//     resumed (running) or over, in any order; what is late or does not fit is
//     ignored. Of a task with items report each item; the results of all of them
//     are asked (Event.Items) only by the event that completes the task.
//   - An action that cannot even be requested is reported as failed, with the error
//     as result. Fail then fails the workflow with an entry for the task, as
//     upstream does.
//   - Pause, resume and cancel are Requests. Children that are workflows get theirs
//     from the driver, which reports their statuses back by Update.
//   - After any error but those of [engine.Error] the conductor is of no use: drop
//     it and open it again from the state that was stored.
//
// # The state
//
// The state is a map of small JSON parts that are loaded when they are needed, so
// an event costs the same in a workflow of ten tasks and of a thousand:
//
//	head               status, counters, what is staged
//	entry/N            one run of a task: status, transitions taken, where it came from
//	task/ID__rR        which entry is the newest of a task on a route
//	route/N            the steps of a route
//	value/N            a published value, stored once
//	frame/N, base      contexts: which values make which variable
//	join/ID__rR        how many branches have arrived; arrival/... their contexts
//	items/ID__rR       how the items of a task stand; items/.../C their values
//	error/N, same/H    the error entries, and how to find an equal one
//	output, input, context
//
// A store keeps each part as a document of its own; large ones may be kept apart
// and are still loaded only by the expressions that use them.
package workflow
