package chatops

import (
	"context"
	"fmt"
	"strings"

	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
)

// How many tasks of a workflow a card lists: the first ones, and the last ones,
// which are what happens now.
const (
	tasksFirst = 5
	tasksLast  = 15
)

// tasks lists the tasks of a workflow with their states, one a line; "" for an
// execution that has none.
func (c *Chat) tasks(ctx context.Context, e *engine.Execution) (string, error) {
	q := store.Query{Index: "parent", Value: e.ID}
	total, err := c.store.Count(ctx, store.Query{Collection: pipeline.Executions.Name, Index: q.Index, Value: q.Value})
	if err != nil || total == 0 {
		return "", err
	}
	q.Limit = tasksFirst + tasksLast
	shown, _, err := pipeline.Executions.List(ctx, c.store, q)
	if err != nil {
		return "", err
	}
	lines := make([]string, 0, len(shown)+1)
	if total > len(shown) {
		q.Desc, q.Limit = true, tasksLast
		last, _, err := pipeline.Executions.List(ctx, c.store, q)
		if err != nil {
			return "", err
		}
		for _, d := range shown[:tasksFirst] {
			lines = append(lines, c.taskLine(&d.Value))
		}
		lines = append(lines, fmt.Sprintf("... %d more ...", total-tasksFirst-len(last)))
		shown = shown[:0]
		for i := range last {
			shown = append(shown, last[len(last)-1-i])
		}
	}
	for _, d := range shown {
		lines = append(lines, c.taskLine(&d.Value))
	}
	return strings.Join(lines, "\n"), nil
}

// taskLine shows one task: a sign, its name, how it stands.
func (c *Chat) taskLine(e *engine.Execution) string {
	name := e.Action.Name
	if e.Task != nil {
		name = e.Task.Name
		if e.Task.Item != nil {
			name = fmt.Sprintf("%s %d", name, *e.Task.Item+1)
		}
	}
	name = inline(name)
	switch e.Status {
	case engine.Succeeded:
		return fmt.Sprintf("✓ `%s` %s", name, elapsed(e))
	case engine.Failed, engine.TimedOut, engine.Abandoned, engine.Canceled:
		return fmt.Sprintf("✗ `%s` %s after %s", name, e.Status, elapsed(e))
	case engine.Running:
		return fmt.Sprintf("… `%s` %s", name, took(c.now().Sub(e.StartTimestamp)))
	default:
		return fmt.Sprintf("· `%s` %s", name, e.Status)
	}
}
