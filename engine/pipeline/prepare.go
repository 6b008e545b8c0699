package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/value"
	"petrel/engine/params"
)

// prepare turns a request into an execution that can be recorded. It returns
// no execution and an *engine.Error when the request is wrong, and a failed
// execution with the error when a template could not be rendered.
func (s *Service) prepare(ctx context.Context, r Request) (*engine.Execution, error) {
	action, set, err := s.lookUp(r.Action)
	if err != nil {
		return nil, err
	}
	now := s.now()
	e := &engine.Execution{
		ID: r.ID, Parameters: r.Parameters, Status: engine.Requested, Context: r.Context, Lane: r.Lane,
		Action:         engine.ActionRef{Ref: action.Ref, Pack: action.Pack, Name: action.Name, Runner: set.runner},
		StartTimestamp: now, Log: []engine.StatusChange{{Status: engine.Requested, Timestamp: now}},
		Rule: r.Rule, TriggerInstance: r.Instance, TraceID: r.TraceID, Origin: r.Origin, Notify: r.Notify,
	}
	if e.ID == "" {
		e.ID = engine.NewID(now)
	}
	if e.TraceID == "" {
		e.TraceID = e.ID
	}
	if e.Context.Pack == "" {
		e.Context.Pack = action.Pack
	}
	if engine.Conducted(set.runner) && e.Context.WorkflowExecution == "" {
		e.Context.WorkflowExecution = engine.DeriveID(e.ID, "workflow")
	}
	if len(e.Parameters) == 0 {
		e.Parameters = json.RawMessage("{}")
	}
	live, err := s.live(ctx, e, set, r.Names)
	if err != nil {
		rejected := &engine.Error{Code: engine.Invalid, Message: fmt.Sprintf("%s cannot be run like this", action.Ref), Err: err}
		var pe *params.Error
		if !errors.As(err, &pe) || pe.Stage != params.StageRender {
			return nil, rejected
		}
		e.Result = errorResult(err.Error())
		if err := e.MoveTo(engine.Failed, now); err != nil {
			return nil, err
		}
		return e, rejected
	}
	e.Parameters = live
	return e, nil
}

// live renders, casts and checks the parameters of a new execution.
func (s *Service) live(ctx context.Context, e *engine.Execution, set *schema, names expression.Names) (json.RawMessage, error) {
	config, err := s.config(ctx, e)
	if err != nil {
		return nil, &params.Error{Stage: params.StageRender, Err: err}
	}
	scope, err := templateScope(e, config, names)
	if err != nil {
		return nil, err
	}
	return set.params.Live(ctx, s.renderer.WithUser(templateUser(e)), e.Parameters, scope)
}

// config resolves the configuration of the pack of an execution's action.
func (s *Service) config(ctx context.Context, e *engine.Execution) (*value.Dict, error) {
	config, err := s.current().content.Config(e.Action.Pack)
	if err != nil {
		return nil, err
	}
	if config == nil {
		return value.NewDict(0), nil
	}
	return config.Resolve(ctx, s.renderer.WithUser(templateUser(e)))
}

// lookUp finds an action that can be run and its parameter schemas.
func (s *Service) lookUp(ref string) (*engine.Action, *schema, error) {
	c := s.current()
	action, ok := c.content.Action(ref)
	if !ok {
		return nil, nil, engine.Errorf(engine.NotFound, "there is no action %q", ref)
	}
	if !action.Enabled {
		return nil, nil, engine.Errorf(engine.Invalid, "the action %s is disabled", ref)
	}
	set, err := c.schema(action)
	if err != nil {
		return nil, nil, engine.Errorf(engine.Invalid, "the action %s cannot be run: %v", ref, err)
	}
	return action, set, nil
}

// templateScope collects the names that templates in parameters may use.
func templateScope(e *engine.Execution, config *value.Dict, extra expression.Names) (params.Scope, error) {
	body, err := json.Marshal(e.Context)
	if err != nil {
		return params.Scope{}, fmt.Errorf("encode the context of execution %s: %w", e.ID, err)
	}
	return params.Scope{ActionContext: json.RawMessage(body), Config: config, Extra: maps.Clone(extra)}, nil
}

// templateUser is whose items st2kv.user means.
func templateUser(e *engine.Execution) string {
	if e.Context.APIUser != "" {
		return e.Context.APIUser
	}
	return e.Context.User
}

func errorResult(message string) json.RawMessage {
	body, err := json.Marshal(map[string]string{"error": message})
	if err != nil { // a string always encodes
		panic(err)
	}
	return body
}
