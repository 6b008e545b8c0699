package chatops

import (
	"context"
	"fmt"
	"strings"

	"petrel/engine"
)

// taskLines is how many tasks of a workflow its card shows: the newest.
const taskLines = 12

// tasks lists how the tasks of a workflow stand, "" for other executions.
func (c *Chat) tasks(ctx context.Context, e *engine.Execution) (string, error) {
	list, err := c.service.Progress(ctx, e, taskLines)
	if err != nil {
		return "", err
	}
	lines := make([]string, len(list))
	for i, t := range list {
		line := fmt.Sprintf("%s %s", t.TaskID, t.Status)
		if t.Itemized {
			line += fmt.Sprintf(", %d items", t.ItemsCount)
		}
		if t.EndTimestamp != nil {
			line += " after " + took(t.EndTimestamp.Sub(t.StartTimestamp))
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n"), nil
}
