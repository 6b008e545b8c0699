package workflow

import (
	"context"
	"encoding/json"

	"petrel/engine"
)

// Step is one event of a script: what became of a task or an item of it, a request,
// or a rerun.
type Step struct {
	Task    string          `json:"task,omitempty"`
	Route   int             `json:"route,omitempty"`
	Item    *int            `json:"item,omitempty"`
	Status  Status          `json:"status,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Request Status          `json:"request,omitempty"`
	Rerun   *[]StepRerun    `json:"rerun,omitempty"`
}

// StepRerun is a task of a rerun.
type StepRerun struct {
	Task  string `json:"task_id"`
	Route int    `json:"route,omitempty"`
	Reset bool   `json:"reset_items,omitempty"`
}

// Simulation plays a workflow without running anything: a script says how every
// action ends. It is also the smallest example of how a conductor is driven.
type Simulation struct {
	*Conductor
	given map[string][]any // what the items of a task gave, by task and route
}

// Simulate begins a workflow and gives the first tasks.
func Simulate(ctx context.Context, o Options, start Start) (*Simulation, []Next, error) {
	c, err := New(ctx, o, start)
	if err != nil {
		return nil, nil, err
	}
	return Play(ctx, c)
}

// Play is Simulate for a workflow that is new but has not been started.
func Play(ctx context.Context, c *Conductor) (*Simulation, []Next, error) {
	s := &Simulation{c, map[string][]any{}}
	if !c.Status().Completed() {
		if err := c.Request(ctx, engine.Running); err != nil {
			return nil, nil, err
		}
	}
	next, err := s.advance(ctx)
	return s, next, err
}

// Do plays one step and gives the tasks that come of it. refused is why the step
// does not fit: it has changed nothing, and the workflow goes on.
func (s *Simulation) Do(ctx context.Context, step Step) (next []Next, refused *engine.Error, err error) {
	err = s.apply(ctx, step)
	if e, ok := err.(*engine.Error); ok { //nolint:errorlint // a wrapped one is a fault
		refused, err = e, nil
	}
	if err != nil {
		return nil, nil, err
	}
	next, err = s.advance(ctx)
	return next, refused, err
}

func (s *Simulation) apply(ctx context.Context, step Step) error {
	switch {
	case step.Rerun != nil:
		var tasks []Rerun
		for _, r := range *step.Rerun {
			tasks = append(tasks, Rerun(r))
		}
		return s.Rerun(ctx, tasks)
	case step.Request != "":
		return s.Request(ctx, step.Request)
	}
	ev := Event{Task: step.Task, Route: step.Route, Item: step.Item, Status: step.Status, Result: step.Result}
	if step.Item != nil {
		key := runKey(step.Task, step.Route)
		if i := *step.Item; i >= 0 && i < len(s.given[key]) {
			s.given[key][i] = step.Result
		}
		ev.Items = func() ([]any, error) { return s.given[key], nil }
	}
	return s.Update(ctx, ev)
}

func (s *Simulation) advance(ctx context.Context) ([]Next, error) {
	if err := s.Finish(ctx); err != nil {
		return nil, err
	}
	next, err := s.Advance(ctx)
	for _, n := range next {
		if key := runKey(n.Task, n.Route); len(s.given[key]) < n.ItemsCount {
			s.given[key] = append(s.given[key], make([]any, n.ItemsCount-len(s.given[key]))...)
		}
	}
	return next, err
}
