package policies

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"petrel/engine"
)

// Again says that a failed execution is to be tried once more.
type Again struct {
	engine.Retried
	Delay time.Duration
}

// Retry decides whether an execution that has ended is tried again; nil: it is
// not. The first policy that applies decides. Tasks of workflows are never: a
// workflow has its own means. Nor is what never began, since it would not begin
// the next time either.
func Retry(list []*engine.Policy, e *engine.Execution) (*Again, error) {
	if e.Parent != "" || e.Task != nil || !began(e) {
		return nil, nil
	}
	on := map[engine.Status]string{engine.Failed: "failure", engine.TimedOut: "timeout"}[e.Status]
	if on == "" {
		return nil, nil
	}
	done := 0
	if p := e.Context.Policies; p != nil && p.Retry != nil {
		done = p.Retry.Count
	}
	for _, p := range list {
		if p.PolicyType != engine.PolicyRetry {
			continue
		}
		var limit engine.RetryLimit
		if err := json.Unmarshal(p.Parameters, &limit); err != nil {
			return nil, fmt.Errorf("parameters of policy %s: %w", p.Ref, err)
		}
		if limit.RetryOn == on && done < limit.MaxRetryCount {
			return &Again{
				Retried: engine.Retried{Policy: p.Ref, Count: done + 1, Execution: e.ID},
				Delay:   time.Duration(limit.Delay) * time.Second,
			}, nil
		}
	}
	return nil, nil
}

func began(e *engine.Execution) bool {
	return slices.ContainsFunc(e.Log, func(c engine.StatusChange) bool { return c.Status == engine.Running })
}
