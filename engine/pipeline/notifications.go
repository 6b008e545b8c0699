package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/value"
	"petrel/engine/workflow/chain"
	"petrel/store"
)

// notification is one section of `notify`: who is told what about an end.
type notification struct {
	Message  string          `json:"message"`
	Data     json.RawMessage `json:"data"`
	Routes   []string        `json:"routes"`
	Channels []string        `json:"channels"` // the old name of routes
}

// notifySpec is `notify` of an action or of an execution.
type notifySpec struct {
	Complete *notification `json:"on-complete"`
	Success  *notification `json:"on-success"`
	Failure  *notification `json:"on-failure"`
}

// renderLimit bounds the rendering of a notification, which may look up items of
// the datastore.
const renderLimit = 5 * time.Second

// CheckNotify says what is wrong with a `notify`; nil when nothing is.
func CheckNotify(raw json.RawMessage) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var spec notifySpec
	if err := json.Unmarshal(raw, &spec); err != nil {
		return engine.Errorf(engine.Invalid, "notify must be an object with on-complete, on-success or on-failure: %v", err)
	}
	return nil
}

// addNotifications adds an event of type core.st2.generic.notifytrigger for every
// route that is told of the end of an execution: those of the execution itself,
// else those of its action. What cannot be made of it is logged: an execution has
// ended all the same.
func (s *Service) addNotifications(b *store.Batch, e *engine.Execution) error {
	raw := e.Notify
	if len(raw) == 0 {
		if action, ok := s.current().content.Action(e.Action.Ref); ok {
			raw = action.Notify
		}
	}
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var spec notifySpec
	if err := json.Unmarshal(raw, &spec); err != nil {
		s.log.Warn("notify cannot be read", "execution_id", e.ID, "action", e.Action.Ref, "error", err)
		return nil
	}
	failed := e.Status == engine.Failed || e.Status == engine.TimedOut || e.Status == engine.Abandoned
	for _, section := range []struct {
		name, verb string
		n          *notification
		due        bool
	}{
		{"on-complete", "completed", spec.Complete, true},
		{"on-success", "succeeded", spec.Success, e.Status == engine.Succeeded},
		{"on-failure", "failed", spec.Failure, failed},
	} {
		if section.n == nil || !section.due {
			continue
		}
		if err := s.addSection(b, e, section.name, section.verb, section.n); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) addSection(b *store.Batch, e *engine.Execution, name, verb string, n *notification) error {
	routes := n.Routes
	if len(routes) == 0 {
		routes = n.Channels
	}
	if len(routes) == 0 {
		return nil
	}
	message, data := s.notificationTexts(e, verb, n)
	for i, route := range routes {
		payload, err := json.Marshal(map[string]any{
			"execution_id": e.ID, "status": e.Status, "action_ref": e.Action.Ref, "runner_ref": e.Action.Runner,
			"start_timestamp": e.StartTimestamp.UTC().Format(viewTime), "end_timestamp": endOf(e),
			"channel": route, "route": route, "message": message, "data": data,
		})
		if err != nil {
			return fmt.Errorf("encode a notification of execution %s: %w", e.ID, err)
		}
		inst := s.instance(Dispatch{Trigger: engine.TriggerNotify, Payload: payload, Lane: e.Lane, TraceTag: "notify-" + e.ID})
		// The route's place tells apart two that are the same.
		inst.ID, inst.TraceID = engine.DeriveID(e.ID, "notify", name, fmt.Sprint(i)), e.TraceID
		if err := s.addInstance(b, &inst); err != nil {
			return err
		}
	}
	return nil
}

// notificationTexts renders message and data of a section. A text that cannot be
// rendered says so: silence would look like success.
func (s *Service) notificationTexts(e *engine.Execution, verb string, n *notification) (string, map[string]any) {
	ctx, cancel := context.WithTimeout(context.Background(), renderLimit)
	defer cancel()
	shown := s.Shown(e)
	result := shown.Result
	if len(result) == 0 {
		result = json.RawMessage("null")
	}
	names := expression.Names{
		"action_parameters": shown.Parameters, "action_context": contextJSON(e), "action_results": result, "execution": s.View(e),
	}
	renderer := s.renderer.WithUser(templateUser(e))
	message := fmt.Sprintf("Action %s %s.", e.Action.Ref, verb)
	var problems []error
	if n.Message != "" {
		text, err := renderer.String(ctx, n.Message, names)
		if err == nil {
			message = text
		} else {
			problems = append(problems, fmt.Errorf("message: %w", err))
		}
	}
	data := map[string]any{}
	if len(n.Data) > 0 && string(n.Data) != "null" {
		rendered, err := renderer.Mapping(ctx, n.Data, names)
		if err == nil {
			var body []byte
			if body, err = json.Marshal(rendered); err == nil {
				err = json.Unmarshal(body, &data)
			}
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("data: %w", err))
		}
	}
	if data == nil {
		data = map[string]any{}
	}
	data["result"] = string(result)
	if err := errors.Join(problems...); err != nil {
		s.log.Warn("a notification cannot be rendered", "execution_id", e.ID, "action", e.Action.Ref, "error", err)
		message += fmt.Sprintf(" (This notification cannot be rendered: %v)", err)
	}
	return message, data
}

func endOf(e *engine.Execution) any {
	if e.EndTimestamp == nil {
		return nil
	}
	return e.EndTimestamp.UTC().Format(viewTime)
}

// taskNotify is what a task of a workflow inherits: a node of a chain what the
// chain has, unless it has its own or is muted by skip_notify; a task of an
// Orquesta workflow nothing, unless it is listed in the parameter notify.
func (s *Service) taskNotify(parent *engine.Execution, task string, node *chain.Node) json.RawMessage {
	var given struct {
		Notify []string `json:"notify"`
		Skip   []string `json:"skip_notify"`
	}
	// Parameters of other shapes are none of these lists.
	_ = json.Unmarshal(parent.Parameters, &given)
	if node == nil {
		if !slices.Contains(given.Notify, task) {
			return nil
		}
	} else if slices.Contains(given.Skip, task) {
		return json.RawMessage("null")
	}
	if node != nil && node.Notify != nil {
		if own, err := value.AppendJSON(nil, node.Notify); err == nil && CheckNotify(own) == nil {
			return own
		}
	}
	if len(parent.Notify) > 0 {
		return parent.Notify
	}
	if action, ok := s.current().content.Action(parent.Action.Ref); ok {
		return action.Notify
	}
	return nil
}
