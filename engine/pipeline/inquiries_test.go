package pipeline

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"petrel/engine"
	"petrel/engine/runners"
	"petrel/store"
)

// asking is a workflow that asks, with the given input for core.ask.
func asking(input string) string {
	return `
version: 1.0
tasks:
  ask:
    action: core.ask
    input: ` + input + `
    next:
      - {when: <% succeeded() and result().response.continue %>, publish: [{by: <% result().response %>}], do: go}
      - {when: <% succeeded() and not result().response.continue %>, do: stop}
      - {when: <% failed() %>, publish: [{by: <% result().get(error) %>}], do: late}
  go: {action: core.noop}
  stop: {next: [{do: fail}]}
  late: {next: [{do: fail}]}
output: [{by: <% ctx().get(by) %>}]
`
}

// pending waits for the inquiry of a workflow.
func (f *flowBench) pending(id string) engine.Execution {
	f.t.Helper()
	return f.child(id, "ask", is(engine.Pending))
}

func TestInquiry(t *testing.T) {
	f := newFlowBench(t)
	f.workflow("flow", "orquesta", `{}`, asking(`{route: ops, users: [bob], ttl: 30}`))
	f.work()
	e := f.start("test.flow", `{}`)
	ask := f.pending(e.ID)
	if want := `{"schema":{"title":"response_data","type":"object","properties":{"continue":{"type":"boolean","required":true,"description":"Would you like to continue the workflow?"}}},"roles":[],"users":["bob"],"route":"ops","ttl":30}`; string(ask.Result) != want {
		t.Errorf("pending with %s\nwant %s", ask.Result, want)
	}
	f.until(e.ID, is(engine.Paused))
	list, _, err := f.service.PendingInquiries(t.Context(), "", 10)
	if err != nil || len(list) != 1 || list[0].ID != ask.ID || list[0].Requester != "ann" {
		t.Errorf("pending inquiries: %+v, %v", list, err)
	}
	inst := f.settled(engine.DeriveID(ask.ID, "inquiry"))
	if inst.Trigger != "core.st2.generic.inquiry" || string(inst.Payload) != `{"id":"`+ask.ID+`","route":"ops"}` {
		t.Errorf("trigger instance: %+v", inst)
	}
	for _, tt := range []struct {
		id, who, answer string
		code            engine.Code
		words           string
	}{
		{ask.ID, "eve", `{"continue":true}`, engine.Forbidden, "may not answer"},
		{ask.ID, "bob", `{"continue":"x"}`, engine.Invalid, "continue"},
		{ask.ID, "bob", `{}`, engine.Invalid, "continue"},
		{ask.ID, "bob", `[]`, engine.Invalid, "object"},
		{e.ID, "bob", `{"continue":true}`, engine.Invalid, "is not an inquiry"},
		{"nope", "bob", `{"continue":true}`, engine.NotFound, "no execution"},
	} {
		_, err := f.service.Respond(t.Context(), tt.id, Person{Name: tt.who}, json.RawMessage(tt.answer))
		if engine.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s answers %s: %v", tt.who, tt.answer, err)
		}
	}
	if _, err := f.service.Respond(t.Context(), ask.ID, Person{Name: "bob"}, json.RawMessage(`{"continue":true}`)); err != nil {
		t.Fatal(err)
	}
	done := f.ended(e.ID)
	f.check(&done, engine.Succeeded, `{"output":{"by":{"continue":true}}}`)
	_, err = f.service.Respond(t.Context(), ask.ID, Person{Name: "bob"}, json.RawMessage(`{"continue":true}`))
	if engine.CodeOf(err) != engine.Invalid || !strings.Contains(err.Error(), "answered already, by bob") {
		t.Errorf("a second answer: %v", err)
	}
	f.quiet()
}

// Many answer at the same time; one of them counts.
func TestInquiryIsAnsweredOnce(t *testing.T) {
	f := newFlowBench(t)
	f.work()
	e, err := f.service.Request(t.Context(), Request{Action: "core.ask", Context: engine.Context{User: "ann"}})
	if err != nil {
		t.Fatal(err)
	}
	f.until(e.ID, is(engine.Pending))
	errs := make(chan error)
	const n = 20
	for i := range n {
		go func() {
			_, err := f.service.Respond(context.Background(), e.ID, Person{Name: string(rune('a' + i))}, json.RawMessage(`{"continue":true}`))
			errs <- err
		}()
	}
	good := 0
	for range n {
		if err := <-errs; err == nil {
			good++
		} else if engine.CodeOf(err) != engine.Invalid {
			t.Error(err)
		}
	}
	q, _, err := f.service.Inquiry(t.Context(), e.ID)
	if good != 1 || err != nil || len(q.Answers) != 1 {
		t.Errorf("%d answers were taken: %+v, %v", good, q.Answers, err)
	}
}

func TestQuorum(t *testing.T) {
	f := newFlowBench(t)
	f.workflow("flow", "orquesta", `{}`, asking(`{approvers: {count: 2, groups: [ops], exclude_requester: true}, message: "Really?"}`))
	f.work()
	answer := func(id, who, group, text string) error {
		_, err := f.service.Respond(t.Context(), id, Person{Name: who, Groups: []string{group}}, json.RawMessage(text))
		return err
	}
	e := f.start("test.flow", `{}`)
	ask := f.pending(e.ID)
	if err := answer(ask.ID, "ann", "ops", `{"continue":true}`); engine.CodeOf(err) != engine.Forbidden || !strings.Contains(err.Error(), "asked for this") {
		t.Errorf("the requester: %v", err)
	}
	if err := answer(ask.ID, "bob", "dev", `{"continue":true}`); engine.CodeOf(err) != engine.Forbidden || !strings.Contains(err.Error(), "somebody of ops") {
		t.Errorf("another group: %v", err)
	}
	if err := answer(ask.ID, "bob", "ops", `{"continue":true}`); err != nil {
		t.Fatal(err)
	}
	if err := answer(ask.ID, "bob", "ops", `{"continue":true}`); engine.CodeOf(err) != engine.Invalid || !strings.Contains(err.Error(), "bob has answered") {
		t.Errorf("twice the same: %v", err)
	}
	if got := f.pending(e.ID); got.Status != engine.Pending {
		t.Errorf("after one answer it is %s", got.Status)
	}
	if err := answer(ask.ID, "cy", "ops", `{"continue":true}`); err != nil {
		t.Fatal(err)
	}
	done := f.ended(e.ID)
	f.check(&done, engine.Succeeded, `{"output":{"by":{"continue":true}}}`)
	if got, _ := f.service.Execution(t.Context(), ask.ID); !strings.Contains(string(got.Result), `"responses":[{"by":"bob",`) {
		t.Errorf("result: %s", got.Result)
	}
	e = f.start("test.flow", `{}`)
	if err := answer(f.pending(e.ID).ID, "bob", "ops", `{"continue":false}`); err != nil {
		t.Fatal(err)
	}
	done = f.ended(e.ID)
	f.check(&done, engine.Failed, `"task_id":"fail"`)
	f.quiet()
}

// The time to answer is over: the task fails with the reason. The conversation
// that the workflow was started from is told of the question and of its end.
func TestInquiryExpires(t *testing.T) {
	f := newFlowBench(t)
	f.workflow("flow", "orquesta", `{}`, asking(`{ttl: 0.01, remind: 0.004}`))
	f.work()
	e, err := f.service.Request(t.Context(), Request{Action: "test.flow", Context: engine.Context{User: "ann"}, Origin: &engine.Origin{Conversation: "room"}})
	if err != nil {
		t.Fatal(err)
	}
	done := f.ended(e.ID)
	f.check(&done, engine.Failed, `"by":"nobody answered within 1s"`)
	ask := f.children(e.ID)[0]
	_, err = f.service.Respond(t.Context(), ask.ID, Person{Name: "bob"}, json.RawMessage(`{"continue":true}`))
	if ask.Status != engine.TimedOut || engine.CodeOf(err) != engine.Invalid || !strings.Contains(err.Error(), "timed out") {
		t.Errorf("%s, answer: %v", ask.Status, err)
	}
	told := 0
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		items, err := f.store.Lease(ctx, store.LeaseRequest{Queue: QueueOutbox, Holder: "test", Max: 10, TTL: time.Minute})
		cancel()
		if err != nil {
			break
		}
		for _, item := range items {
			if strings.Contains(string(item.Body), `"inquiry"`) && item.Group == "room" {
				told++
			}
		}
		if err := f.store.Commit(t.Context(), &store.Batch{Acks: items}); err != nil {
			t.Fatal(err)
		}
	}
	if told < 3 { // the question, a reminder or more, the end
		t.Errorf("told %d times", told)
	}
	f.quiet()
}

// An inquiry far down holds up the workflows above it, and its answer lets them go
// on, also when something else was still running.
func TestInquiryBelow(t *testing.T) {
	f := newFlowBench(t)
	gate := make(chan struct{})
	f.puppet.will(func(ctx context.Context, job runners.Job) (runners.Outcome, error) {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return echo(ctx, job)
	})
	f.workflow("flow", "orquesta", `{}`, asking(`{ttl: 30}`))
	f.workflow("chain", "action-chain", `{}`, `
chain:
  - {name: c, ref: test.flow, on-success: ask}
  - {name: ask, ref: core.ask, on-success: last}
  - {name: last, ref: test.do, parameters: {what: "{{ ask.response.continue }} {{ ask.result.response.continue }}"}}
`)
	f.workflow("outer", "orquesta", `{}`, `
version: 1.0
tasks:
  a: {action: test.chain, next: [{do: c}]}
  b: {action: test.do what="b", next: [{do: c}]}
  c: {join: all, action: core.noop}
`)
	f.work()
	root := f.start("test.outer", `{}`)
	chain := f.child(root.ID, "a", is(engine.Paused))
	inner := f.child(chain.ID, "c", is(engine.Paused))
	yes := func(id string) {
		t.Helper()
		if _, err := f.service.Respond(t.Context(), id, Person{Name: "bob"}, json.RawMessage(`{"continue":true}`)); err != nil {
			t.Fatal(err)
		}
	}
	yes(f.pending(inner.ID).ID)
	yes(f.pending(chain.ID).ID)
	close(gate)
	e := f.ended(root.ID)
	f.check(&e, engine.Succeeded, `{"output":null}`)
	if last := f.children(chain.ID)[2]; !strings.Contains(string(last.Result), `"True True"`) {
		t.Errorf("last: %s", last.Result)
	}
	f.quiet()
}

// What a person has paused goes on when a person says so, not by an answer.
func TestInquiryOfPausedWorkflow(t *testing.T) {
	f := newFlowBench(t)
	f.workflow("flow", "orquesta", `{}`, asking(`{ttl: 30}`))
	f.work()
	e := f.start("test.flow", `{}`)
	ask := f.pending(e.ID)
	f.until(e.ID, is(engine.Paused))
	if _, err := f.service.Pause(t.Context(), e.ID, "bob"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.service.Respond(t.Context(), ask.ID, Person{Name: "bob"}, json.RawMessage(`{"continue":true}`)); err != nil {
		t.Fatal(err)
	}
	f.child(e.ID, "ask", is(engine.Succeeded))
	if got, err := f.service.Execution(t.Context(), e.ID); err != nil || got.Status != engine.Paused {
		t.Errorf("%s, %v", got.Status, err)
	}
	if _, err := f.service.Resume(t.Context(), e.ID, "bob"); err != nil {
		t.Fatal(err)
	}
	done := f.ended(e.ID)
	f.check(&done, engine.Succeeded, `{"output":{"by":{"continue":true}}}`)
}

func TestCancelOfInquiry(t *testing.T) {
	f := newFlowBench(t)
	f.workflow("flow", "orquesta", `{}`, asking(`{ttl: 30}`))
	f.work()
	e := f.start("test.flow", `{}`)
	ask := f.pending(e.ID)
	f.until(e.ID, is(engine.Paused))
	if _, err := f.service.Cancel(t.Context(), e.ID, "bob"); err != nil {
		t.Fatal(err)
	}
	done := f.ended(e.ID)
	f.check(&done, engine.Canceled, `{"output":{"by":null}}`)
	f.child(e.ID, "ask", is(engine.Canceled))
	_, err := f.service.Respond(t.Context(), ask.ID, Person{Name: "bob"}, json.RawMessage(`{"continue":true}`))
	if engine.CodeOf(err) != engine.Invalid {
		t.Errorf("answer to a canceled inquiry: %v", err)
	}
}

// What the schema calls secret is seen by the workflow and by nobody else.
func TestSecretAnswer(t *testing.T) {
	f := newFlowBench(t)
	f.workflow("flow", "orquesta", `{}`, `
version: 1.0
tasks:
  ask:
    action: core.ask
    input: {schema: {type: object, properties: {pin: {type: string, secret: true, required: true}, note: {type: string, default: none}}}}
    next: [{publish: [{n: <% len(result().response.pin) %>}, {note: <% result().response.note %>}]}]
output: [{n: <% ctx(n) %>}, {note: <% ctx(note) %>}]
`)
	f.work()
	e := f.start("test.flow", `{}`)
	ask := f.pending(e.ID)
	if _, err := f.service.Respond(t.Context(), ask.ID, Person{Name: "bob"}, json.RawMessage(`{"pin":"zq9-secret"}`)); err != nil {
		t.Fatal(err)
	}
	done := f.ended(e.ID)
	f.check(&done, engine.Succeeded, `{"output":{"n":10,"note":"none"}}`)
	q, answered, err := f.service.Inquiry(t.Context(), ask.ID)
	if err != nil {
		t.Fatal(err)
	}
	shown := f.service.Shown(&answered)
	for _, text := range []string{string(q.Answers[0].Response), string(shown.Result)} {
		if strings.Contains(text, "zq9") || !strings.Contains(text, "********") || !strings.Contains(text, "none") {
			t.Errorf("shown: %s", text)
		}
	}
}
