// Package emit holds the runners that tell something instead of doing something:
// announcement says it on the event stream, inject-trigger to the rules. Where it
// goes is up to who makes them.
package emit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
)

// Announcement is the announcement runner: the parameters of the action go out on
// the event stream, under a route.
type Announcement struct {
	// Publish tells it. message holds {payload, trace_context}.
	Publish func(ctx context.Context, route string, message json.RawMessage) error
	// Say, when set, carries out what goes to the route "chatops" and names a
	// message and a channel: packs speak in chat that way.
	Say runners.Runner
}

var _ runners.Runner = (*Announcement)(nil)

// RouteChat is the route of what is said in chat.
const RouteChat = "chatops"

// Spec implements runners.Runner.
func (*Announcement) Spec() engine.Runner {
	return engine.Runner{
		Name: "announcement", Description: "Tells something to those who listen to the event stream.", Enabled: true, Quick: true,
		Parameters: json.RawMessage(`{
"experimental":{"type":"boolean","required":true,"default":false,"description":"Must be true; kept for StackStorm's sake."},
"route":{"type":"string","default":"general","minLength":1,"maxLength":255,"description":"Who is told: the name of the event is st2.announcement__ROUTE."}}`),
	}
}

// Run implements runners.Runner.
func (a *Announcement) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	route, err := runners.TextParam(job.Runner, "route")
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	if experimental, err := runners.BoolParam(job.Runner, "experimental", false); err != nil || !experimental {
		return runners.Failure("parameter experimental must be true for an announcement"), nil
	}
	if route == "" || utf8.RuneCountInString(route) > 255 {
		return runners.Failure("parameter route must have 1 to 255 characters"), nil
	}
	params, err := value.AppendJSON(nil, job.Params)
	if err != nil {
		return runners.Outcome{}, fmt.Errorf("encode the announcement: %w", err)
	}
	message, err := json.Marshal(map[string]any{
		"payload": json.RawMessage(params), "trace_context": map[string]string{"id_": job.Execution.TraceID},
	})
	if err != nil {
		return runners.Outcome{}, fmt.Errorf("encode the announcement: %w", err)
	}
	outcome := runners.Outcome{Status: engine.Succeeded}
	if a.Say != nil && route == RouteChat && hasText(job.Params, "message") && hasText(job.Params, "channel") {
		said, err := a.Say.Run(ctx, job)
		if err != nil || said.Status != engine.Succeeded {
			return said, err
		}
		outcome.Outbox = said.Outbox
	}
	if err := a.Publish(ctx, route, message); err != nil {
		return runners.Outcome{}, fmt.Errorf("announce: %w", err)
	}
	result := value.DictOf("output", job.Params)
	result.Update(job.Params)
	outcome.Result, err = value.AppendJSON(nil, result)
	return outcome, err
}

func hasText(params *value.Dict, name string) bool {
	v, _ := params.GetString(name)
	text, ok := v.(string)
	return ok && strings.TrimSpace(text) != ""
}

// Injection is the inject-trigger runner: it makes an event happen, as a sensor
// would. It reads trigger (or its old name trigger_name), payload and trace_tag of
// the action.
type Injection struct {
	// Dispatch makes it happen, at most once for a delivery, and returns its ID.
	Dispatch func(ctx context.Context, e Event) (id string, err error)
}

// Event is an event to make happen.
type Event struct {
	Trigger, TraceTag, Delivery string
	Payload                     json.RawMessage
}

var _ runners.Runner = (*Injection)(nil)

// Spec implements runners.Runner.
func (*Injection) Spec() engine.Runner {
	return engine.Runner{
		Name: "inject-trigger", Description: "Makes an event happen, as a sensor would.", Enabled: true, Quick: true, Parameters: json.RawMessage(`{}`),
	}
}

// Run implements runners.Runner.
func (i *Injection) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	e := Event{Delivery: "inject:" + job.Execution.ID, Payload: json.RawMessage("{}")}
	var old string
	for name, to := range map[string]*string{"trigger": &e.Trigger, "trigger_name": &old, "trace_tag": &e.TraceTag} {
		var err error
		if *to, err = runners.TextParam(job.Params, name); err != nil {
			return runners.Failure(err.Error()), nil
		}
	}
	switch {
	case e.Trigger == "" && old == "":
		return runners.Failure("parameter trigger is empty; name a trigger type, such as pack.event"), nil
	case e.Trigger != "" && old != "" && e.Trigger != old:
		return runners.Failure("parameters trigger and trigger_name name two triggers; give one of them"), nil
	case e.Trigger == "":
		e.Trigger = old
	}
	if payload, _ := job.Params.GetString("payload"); payload != nil {
		var err error
		if e.Payload, err = value.AppendJSON(nil, payload); err != nil {
			return runners.Failure("parameter payload: " + err.Error()), nil
		}
	}
	id, err := i.Dispatch(ctx, e)
	var refused *engine.Error
	if errors.As(err, &refused) {
		return runners.Failure(refused.Message), nil
	}
	if err != nil {
		return runners.Outcome{}, fmt.Errorf("inject %s: %w", e.Trigger, err)
	}
	result, err := json.Marshal(map[string]any{"trigger": e.Trigger, "payload": e.Payload, "trace_tag": e.TraceTag, "trigger_instance": id})
	return runners.Outcome{Status: engine.Succeeded, Result: result}, err
}
