// Package flow names the kinds of workflows among the runners: orquesta and
// action-chain, whose actions a conductor carries out, and mistral-v2, which is
// refused. It describes them only; it knows nothing of conductors.
package flow

import (
	"context"
	"encoding/json"
	"fmt"

	"petrel/engine"
	"petrel/engine/runners"
)

// Runners lists the kinds.
func Runners() []runners.Runner {
	return []runners.Runner{
		kind{engine.Runner{
			Name: engine.RunnerOrquesta, Aliases: []string{"orchestra"}, Enabled: true,
			Description: "Runs an Orquesta workflow.",
			Parameters:  json.RawMessage(`{"notify":{"type":"array","default":[],"description":"Tasks that tell of their end as the workflow does."}}`),
		}},
		kind{engine.Runner{
			Name: engine.RunnerChain, Enabled: true, OutputKey: "published",
			Description: "Runs an action chain.",
			Parameters: json.RawMessage(`{
				"skip_notify":{"type":"array","default":[],"description":"Nodes that do not tell of their end."},
				"display_published":{"type":"boolean","default":true,"description":"Whether the result shows what was published."}}`),
		}},
		mistral{},
	}
}

// kind is a kind of workflow. Its actions never come to Run.
type kind struct{ spec engine.Runner }

// Spec implements runners.Runner.
func (k kind) Spec() engine.Runner { return k.spec }

// Run implements runners.Runner.
func (k kind) Run(context.Context, runners.Job) (runners.Outcome, error) {
	return runners.Outcome{}, fmt.Errorf("%s: workflows are carried out by the conductor, not by a runner", k.spec.Name)
}

// mistral refuses the workflows that StackStorm gave up.
type mistral struct{}

// Spec implements runners.Runner.
func (mistral) Spec() engine.Runner {
	return engine.Runner{
		Name: "mistral-v2", Aliases: []string{"mistral"}, Enabled: true, Quick: true,
		Description: "Refuses Mistral workflows and says how to convert them.",
		Parameters: json.RawMessage(`{
			"workflow":{"type":"string","default":""},"task":{"type":"string","default":""},
			"context":{"type":"object","default":{}},"skip_notify":{"type":"array","default":[]}}`),
	}
}

// Run implements runners.Runner.
func (mistral) Run(_ context.Context, job runners.Job) (runners.Outcome, error) {
	return runners.Failure(fmt.Sprintf("Mistral workflows cannot be run, StackStorm has given them up too. "+
		"Write %s as an Orquesta workflow: petrel workflow convert FILE does so", job.Action.Ref)), nil
}
