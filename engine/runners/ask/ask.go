// Package ask is the inquirer runner: its actions are questions to people. Run
// says what is asked and leaves the execution pending; whoever takes the answer
// ends it. The runner knows nothing of people, chats or workflows.
package ask

import (
	"context"
	"encoding/json"
	"math"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/params"
	"petrel/engine/runners"
)

// Runner is the inquirer runner.
type Runner struct{}

var _ runners.Runner = Runner{}

// Spec describes the runner. The first five parameters are StackStorm's.
func (Runner) Spec() engine.Runner {
	return engine.Runner{
		Name: engine.RunnerInquirer, Enabled: true, Quick: true,
		Description: "Asks people and waits for the answer.",
		Parameters: json.RawMessage(`{
			"schema":{"type":"object","description":"What an answer may be.","default":{
				"title":"response_data","type":"object",
				"properties":{"continue":{"type":"boolean","required":true,"description":"Would you like to continue the workflow?"}}}},
			"route":{"type":"string","default":"","description":"For rules on core.st2.generic.inquiry."},
			"roles":{"type":"array","default":[],"description":"Who answers must have one of these roles."},
			"users":{"type":"array","default":[],"description":"Who may answer; empty: everybody."},
			"ttl":{"type":"number","default":1440,"description":"Minutes until nobody may answer any more; 0: never."},
			"message":{"type":"string","default":"","description":"The question, for people."},
			"approvers":{"type":"object","default":{},"description":"A quorum: count, groups, exclude_requester.",
				"properties":{
					"count":{"type":"integer","minimum":1,"default":1},
					"groups":{"type":"array","default":[]},
					"exclude_requester":{"type":"boolean","default":false}},
				"additionalProperties":false},
			"remind":{"type":"number","default":0,"description":"Minutes between reminders; 0: none."}}`),
	}
}

// Run leaves the execution pending. The result says what is asked, as StackStorm's
// does; what goes beyond it is there only when it was given.
func (Runner) Run(_ context.Context, job runners.Job) (runners.Outcome, error) {
	result := value.NewDict(8)
	for i, name := range []string{"schema", "roles", "users", "route", "ttl", "message", "approvers", "remind"} {
		v, _ := job.Runner.GetString(name)
		if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			v = int64(f) // minutes are whole in StackStorm
		}
		if i < 5 || value.Truth(v) {
			result.SetString(name, v)
		}
	}
	schema, _ := result.GetString("schema")
	raw, err := value.AppendJSON(nil, schema)
	if err == nil {
		_, err = params.CompileForm(raw)
	}
	if err != nil {
		return runners.Failure("the parameter schema cannot be used: " + err.Error()), nil
	}
	body, err := value.AppendJSON(nil, result)
	if err != nil {
		return runners.Outcome{}, err
	}
	return runners.Outcome{Status: engine.Pending, Result: body}, nil
}
