package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"petrel/engine"
	"petrel/engine/workflow"
	"petrel/engine/workflow/chain"
	"petrel/store"
)

// WorkflowView is how the workflow of an execution stands.
type WorkflowView struct {
	WorkflowExecution
	// Name and Text are the file that it was started from.
	Name string `json:"name"`
	Text string `json:"text"`
	// Tasks is how the newest run of each task stands; those not reached are missing.
	Tasks map[string]workflow.Status `json:"tasks"`
	// Runs lists the newest run of each task and route that has an execution.
	Runs []TaskExecution `json:"runs"`
}

// Workflow tells how the workflow of an execution stands. It fails with NotFound
// when the execution is not there or its workflow has not begun, Invalid when it is
// no workflow.
func (s *Service) Workflow(ctx context.Context, id string) (WorkflowView, error) {
	var v WorkflowView
	d, err := s.execution(ctx, id)
	if err != nil {
		return v, err
	}
	if !engine.Conducted(d.Value.Action.Runner) {
		return v, engine.Errorf(engine.Invalid, "%s of %s is no workflow", id, d.Value.Action.Ref)
	}
	flow, err := WorkflowExecutions.Get(ctx, s.store, d.Value.Context.WorkflowExecution)
	if errors.Is(err, store.ErrNotFound) {
		return v, engine.Errorf(engine.NotFound, "the workflow of %s has not begun", id)
	}
	if err != nil {
		return v, err
	}
	file, err := WorkflowFiles.Get(ctx, s.store, flow.Value.File)
	if err != nil {
		return v, err
	}
	v.WorkflowExecution, v.Name, v.Text = flow.Value, file.Value.File, file.Value.Text
	def, err := ReadDefinition(flow.Value.Runner, v.Name, []byte(v.Text))
	if err != nil {
		return v, err
	}
	load := func(key string) (json.RawMessage, error) { return s.loadPart(ctx, flow.ID, key) }
	c, err := workflow.Open(workflow.Options{Definition: def, Evaluator: s.renderer}, load)
	if err != nil {
		return v, err
	}
	if v.Tasks, err = c.Statuses(); err != nil {
		return v, err
	}
	v.Runs, err = s.runs(ctx, flow.ID, 0)
	return v, err
}

// runs lists the newest runs of the tasks of a workflow by their names, at most max
// of them; 0: all.
func (s *Service) runs(ctx context.Context, flow string, max int) ([]TaskExecution, error) {
	var list []TaskExecution
	for after := ""; ; {
		docs, next, err := TaskExecutions.List(ctx, s.store, store.Query{From: flow + "/", To: flow + "0", After: after, Limit: 500})
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			list = append(list, d.Value)
		}
		if after = next; next == "" || max > 0 && len(list) >= max {
			return list, nil
		}
	}
}

// Progress lists the newest runs of the tasks of a workflow in the order in which
// they began, the last max of them. It is empty for other executions.
func (s *Service) Progress(ctx context.Context, e *engine.Execution, max int) ([]TaskExecution, error) {
	if !engine.Conducted(e.Action.Runner) {
		return nil, nil
	}
	list, err := s.runs(ctx, e.Context.WorkflowExecution, 2000)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b TaskExecution) int { return a.StartTimestamp.Compare(b.StartTimestamp) })
	if len(list) > max {
		list = list[len(list)-max:]
	}
	return list, nil
}

// ReadDefinition reads the graph of a workflow of either kind.
func ReadDefinition(runner, file string, text []byte) (*workflow.Definition, error) {
	if runner == engine.RunnerChain {
		c, err := chain.Parse(file, text)
		if err != nil {
			return nil, err
		}
		return c.Definition(), nil
	}
	return workflow.Parse(file, text)
}
