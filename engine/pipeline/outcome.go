package pipeline

import (
	"encoding/json"
	"fmt"

	"petrel/engine"
	"petrel/engine/runners"
)

// DefaultMaxResult is how many bytes a result may have unless it is said.
const DefaultMaxResult = 64 << 20

// checkOutcome holds the result of an action to its size limit and, if that is
// wanted, to the output schema of the action.
func (w *Workers) checkOutcome(set *schema, o runners.Outcome) runners.Outcome {
	limit := w.maxResult
	if limit <= 0 {
		limit = DefaultMaxResult
	}
	if len(o.Result) > limit {
		problem := fmt.Sprintf("the result has %d bytes; at most %d are kept (workers.max_result). Write large data to a file and return its name", len(o.Result), limit)
		return runners.Outcome{Status: engine.Failed, Result: errorResult(problem)}
	}
	if !w.validateOutput || o.Status != engine.Succeeded || len(o.Result) == 0 || set.output == nil {
		return o
	}
	if err := set.output.Validate(o.Result); err != nil {
		body, encodeErr := json.Marshal(map[string]string{
			"error": err.Error(), "message": "Error validating output. See error output for more details.",
		})
		if encodeErr != nil { // texts always encode
			panic(encodeErr)
		}
		return runners.Outcome{Status: engine.Failed, Result: body}
	}
	return o
}

// runnerOutput is the schema of a runner's results: those with an output key are
// objects.
func runnerOutput(r *engine.Runner) json.RawMessage {
	if r.OutputKey == "" {
		return nil
	}
	return json.RawMessage(`{"type":"object"}`)
}
