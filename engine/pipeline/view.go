package pipeline

import (
	"encoding/json"

	"petrel/engine"
)

// viewTime is how times are printed for templates and clients.
const viewTime = "2006-01-02T15:04:05.000000Z"

// View is the API form of an execution, as templates and clients see it: what
// the schemas of its action call secret is hidden.
func (s *Service) View(e *engine.Execution) map[string]any {
	view := map[string]any{
		"id": e.ID, "status": string(e.Status), "parameters": s.MaskedParameters(e), "result": s.maskedResult(e),
		"start_timestamp": e.StartTimestamp.UTC().Format(viewTime),
		"context":         contextJSON(e),
		"action": map[string]any{
			"ref": e.Action.Ref, "pack": e.Action.Pack, "name": e.Action.Name, "runner_type": e.Action.Runner,
		},
		"runner": map[string]any{"name": e.Action.Runner},
	}
	if e.EndTimestamp != nil {
		view["end_timestamp"] = e.EndTimestamp.UTC().Format(viewTime)
		view["elapsed_seconds"] = e.EndTimestamp.Sub(e.StartTimestamp).Seconds()
	}
	return view
}

// contextJSON is action_context: the JSON form of an execution's context.
func contextJSON(e *engine.Execution) json.RawMessage {
	body, err := json.Marshal(e.Context)
	if err != nil { // our own records always encode
		panic(err)
	}
	return body
}

// MaskedParameters returns the parameters of an execution with the secret ones
// hidden. When the schema is not known any more, everything is.
func (s *Service) MaskedParameters(e *engine.Execution) json.RawMessage {
	if known := s.schemaOf(e); known != nil {
		return s.hider(e).json(known.params.Mask(e.Parameters))
	}
	return json.RawMessage("{}")
}

// maskedResult returns the result with the parts hidden that the output schema
// calls secret, and secret texts in all others.
func (s *Service) maskedResult(e *engine.Execution) json.RawMessage {
	if len(e.Result) == 0 {
		return json.RawMessage("null")
	}
	result := e.Result
	if known := s.schemaOf(e); known != nil {
		result = known.output.Mask(result)
	}
	if e.Action.Runner == engine.RunnerInquirer {
		result = maskAnswers(result)
	}
	return s.hider(e).json(result)
}

// schemaOf is the schema of an execution's action, nil when it is gone.
func (s *Service) schemaOf(e *engine.Execution) *schema {
	c := s.current()
	action, ok := c.content.Action(e.Action.Ref)
	if !ok {
		return nil
	}
	known, err := c.schema(action)
	if err != nil {
		return nil
	}
	return known
}
