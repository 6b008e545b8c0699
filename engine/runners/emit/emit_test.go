package emit

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
)

func job(runner, params *value.Dict) runners.Job {
	return runners.Job{
		Execution: &engine.Execution{ID: "e1", TraceID: "t1"}, Action: &engine.Action{Ref: "kit.x"},
		Runner: runner, Params: params, Output: func(runners.Stream, []byte) {},
	}
}

// speaker is a Say that puts what it is told into the outbox.
type speaker struct{ runners.Runner }

func (speaker) Run(_ context.Context, job runners.Job) (runners.Outcome, error) {
	text, _ := job.Params.GetString("message")
	if text == "bad" {
		return runners.Failure("no such channel"), nil
	}
	return runners.Outcome{Status: engine.Succeeded, Outbox: []runners.OutboxEntry{{Conversation: "c", Body: json.RawMessage(`"` + text.(string) + `"`)}}}, nil
}

func TestAnnouncement(t *testing.T) {
	for _, c := range []struct {
		name           string
		runner, params *value.Dict
		fail           error
		status         engine.Status
		told, result   string
		said           int
	}{
		{"plain", value.DictOf("experimental", true, "route", "news"), value.DictOf("message", value.DictOf("a", int64(1))), nil, engine.Succeeded,
			`news {"payload":{"message":{"a":1}},"trace_context":{"id_":"t1"}}`, `{"output":{"message":{"a":1}},"message":{"a":1}}`, 0},
		{"not experimental", value.DictOf("route", "news"), value.DictOf(), nil, engine.Failed, "", "experimental must be true", 0},
		{"no route", value.DictOf("experimental", true, "route", ""), value.DictOf(), nil, engine.Failed, "", "1 to 255", 0},
		{"long route", value.DictOf("experimental", true, "route", strings.Repeat("x", 256)), value.DictOf(), nil, engine.Failed, "", "1 to 255", 0},
		{"chat", value.DictOf("experimental", true, "route", "chatops"), value.DictOf("message", "hi", "channel", "#ops"), nil, engine.Succeeded,
			`chatops {"payload":{"message":"hi","channel":"#ops"},"trace_context":{"id_":"t1"}}`, `"hi"`, 1},
		{"chat without a channel", value.DictOf("experimental", true, "route", "chatops"), value.DictOf("message", "hi"), nil, engine.Succeeded,
			`chatops {"payload":{"message":"hi"},"trace_context":{"id_":"t1"}}`, `"hi"`, 0},
		{"chat refuses", value.DictOf("experimental", true, "route", "chatops"), value.DictOf("message", "bad", "channel", "#ops"), nil, engine.Failed, "", "no such channel", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			told := ""
			a := &Announcement{Say: speaker{}, Publish: func(_ context.Context, route string, m json.RawMessage) error {
				told = route + " " + string(m)
				return nil
			}}
			out, err := a.Run(t.Context(), job(c.runner, c.params))
			tight := strings.NewReplacer(`": `, `":`, `, "`, `,"`)
			if err != nil || out.Status != c.status || tight.Replace(told) != c.told || !strings.Contains(tight.Replace(string(out.Result)), c.result) || len(out.Outbox) != c.said {
				t.Errorf("%s, %v: told %s, result %s, %d said", out.Status, err, told, out.Result, len(out.Outbox))
			}
		})
	}
	broken := &Announcement{Publish: func(context.Context, string, json.RawMessage) error { return errors.New("no store") }}
	if _, err := broken.Run(t.Context(), job(value.DictOf("experimental", true, "route", "x"), value.DictOf())); err == nil {
		t.Error("a failure to publish is not told")
	}
}

func TestInjection(t *testing.T) {
	for _, c := range []struct {
		params *value.Dict
		status engine.Status
		want   Event
		words  string
	}{
		{value.DictOf("trigger", "kit.event", "payload", value.DictOf("n", int64(1)), "trace_tag", "tag"), engine.Succeeded,
			Event{"kit.event", "tag", "inject:e1", json.RawMessage(`{"n":1}`)}, `"trigger_instance":"i1"`},
		{value.DictOf("trigger_name", "kit.event", "trigger", nil), engine.Succeeded, Event{"kit.event", "", "inject:e1", json.RawMessage(`{}`)}, "kit.event"},
		{value.DictOf("trigger_name", "kit.event", "trigger", "kit.event"), engine.Succeeded, Event{"kit.event", "", "inject:e1", json.RawMessage(`{}`)}, "kit.event"},
		{value.DictOf("trigger_name", "kit.event", "trigger", "kit.other"), engine.Failed, Event{}, "two triggers"},
		{value.DictOf(), engine.Failed, Event{}, "trigger is empty"},
		{value.DictOf("trigger", "kit.none"), engine.Failed, Event{"kit.none", "", "inject:e1", json.RawMessage(`{}`)}, "no such trigger"},
	} {
		var got Event
		i := &Injection{Dispatch: func(_ context.Context, e Event) (string, error) {
			got = e
			if e.Trigger == "kit.none" {
				return "", engine.Errorf(engine.NotFound, "there is no such trigger")
			}
			return "i1", nil
		}}
		out, err := i.Run(t.Context(), job(value.NewDict(0), c.params))
		same := got.Trigger == c.want.Trigger && got.TraceTag == c.want.TraceTag && got.Delivery == c.want.Delivery &&
			strings.ReplaceAll(string(got.Payload), " ", "") == string(c.want.Payload)
		if err != nil || out.Status != c.status || !same || !strings.Contains(string(out.Result), c.words) {
			t.Errorf("%v: %s, %v, %+v, %s", c.params, out.Status, err, got, out.Result)
		}
	}
	broken := &Injection{Dispatch: func(context.Context, Event) (string, error) { return "", errors.New("no store") }}
	if _, err := broken.Run(t.Context(), job(value.NewDict(0), value.DictOf("trigger", "x"))); err == nil {
		t.Error("a failure to dispatch is not told")
	}
}
