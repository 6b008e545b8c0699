package chatops

import (
	"context"
	"fmt"
	"strings"

	"petrel/engine"
	"petrel/engine/pipeline"
)

// taskLines is how many tasks of a workflow its card shows: the newest.
const taskLines = 15

// tasks lists how the tasks of a workflow stand, one a line; "" for executions
// that have none.
func (c *Chat) tasks(ctx context.Context, e *engine.Execution) (string, error) {
	list, err := c.service.Progress(ctx, e, taskLines)
	if err != nil {
		return "", err
	}
	lines := make([]string, len(list))
	for i := range list {
		lines[i] = c.taskLine(&list[i])
	}
	return strings.Join(lines, "\n"), nil
}

// taskLine shows one task: a sign, its name, how it stands.
func (c *Chat) taskLine(t *pipeline.TaskExecution) string {
	name := inline(t.TaskID)
	if t.Itemized {
		name = fmt.Sprintf("%s, %d items", name, t.ItemsCount)
	}
	ended := ""
	if t.EndTimestamp != nil {
		ended = took(t.EndTimestamp.Sub(t.StartTimestamp))
	}
	switch t.Status {
	case engine.Succeeded:
		return fmt.Sprintf("✓ `%s` %s", name, ended)
	case engine.Failed, engine.TimedOut, engine.Abandoned, engine.Canceled:
		return fmt.Sprintf("✗ `%s` %s after %s", name, t.Status, ended)
	case engine.Running:
		return fmt.Sprintf("… `%s` %s", name, took(c.now().Sub(t.StartTimestamp)))
	default:
		return fmt.Sprintf("· `%s` %s", name, t.Status)
	}
}
