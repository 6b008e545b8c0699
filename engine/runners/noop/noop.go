// Package noop is the runner that does nothing, for placeholders in workflows.
package noop

import (
	"context"
	"encoding/json"

	"petrel/engine"
	"petrel/engine/runners"
)

// Runner is the noop runner. It has no parameters and always succeeds.
type Runner struct{}

var _ runners.Runner = Runner{}

// Spec describes the runner.
func (Runner) Spec() engine.Runner {
	return engine.Runner{
		Name:        "noop",
		Description: "Does nothing and succeeds.",
		Enabled:     true,
		Quick:       true,
		Parameters:  json.RawMessage(`{}`),
	}
}

// Run returns at once.
func (Runner) Run(context.Context, runners.Job) (runners.Outcome, error) {
	return runners.Outcome{
		Status: engine.Succeeded,
		Result: json.RawMessage(`{"succeeded":true,"failed":false,"return_code":0}`),
	}, nil
}
