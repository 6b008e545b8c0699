package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
	"petrel/store"
)

// flowBench is a bench with workflows. Their tasks run test.do, which does what its
// parameter says: it gives it back, or fails when it begins with "fail".
type flowBench struct {
	*bench
	dir string
}

func newFlowBench(t *testing.T) *flowBench {
	f := &flowBench{newBench(t, nil), t.TempDir()}
	f.content.actions = append(f.content.actions,
		action("test.do", `{"what":{},"n":{}}`, false),
		&engine.Action{ID: "ask", Ref: "core.ask", Pack: "core", Name: "ask", Enabled: true, RunnerType: engine.RunnerInquirer},
		&engine.Action{ID: "noop", Ref: "core.noop", Pack: "core", Name: "noop", Enabled: true, RunnerType: "noop"},
	)
	f.puppet.started = make(chan string, 100_000)
	f.puppet.will(echo)
	return f
}

// echo gives back what it is told, or fails with it.
func echo(_ context.Context, job runners.Job) (runners.Outcome, error) {
	what, _ := job.Params.GetString("what")
	body, err := value.AppendJSON(nil, value.DictOf("said", what))
	if err != nil {
		return runners.Outcome{}, err
	}
	if text, ok := what.(string); ok && strings.HasPrefix(text, "fail") {
		return runners.Outcome{Status: engine.Failed, Result: body}, nil
	}
	return runners.Outcome{Status: engine.Succeeded, Result: body}, nil
}

// workflow adds the action test.NAME with a workflow.
func (f *flowBench) workflow(name, runner, params, text string) {
	f.t.Helper()
	path := filepath.Join(f.dir, "actions", name+".yaml")
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.content.actions = append(f.content.actions, &engine.Action{
		ID: name, Ref: "test." + name, Pack: "test", Name: name, Enabled: true, RunnerType: runner, EntryPoint: name + ".yaml", Dir: f.dir,
		Parameters: json.RawMessage(params),
	})
}

func (f *flowBench) start(ref, params string) engine.Execution {
	f.t.Helper()
	e, err := f.service.Request(f.t.Context(), Request{Action: ref, Parameters: json.RawMessage(params), Context: engine.Context{User: "ann"}})
	if err != nil {
		f.t.Fatal(err)
	}
	return e
}

// tasks lists what ran below an execution: name[item] status, in the order of the begin.
func (f *flowBench) tasks(id string) []string {
	f.t.Helper()
	var out []string
	for _, e := range f.children(id) {
		name := e.Task.Name
		if e.Task.Item != nil {
			name += fmt.Sprintf("[%d]", *e.Task.Item)
		}
		out = append(out, name+" "+string(e.Status))
	}
	return out
}

func (f *flowBench) children(id string) []engine.Execution {
	f.t.Helper()
	var out []engine.Execution
	docs, _, err := Executions.List(context.Background(), f.store, store.Query{Index: "parent", Value: id, Limit: 10_000})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, d := range docs {
		out = append(out, d.Value)
	}
	return out
}

// child waits for the execution of a task to be as wanted.
func (f *flowBench) child(id, task string, done func(engine.Execution) bool) engine.Execution {
	f.t.Helper()
	var found engine.Execution
	f.until(id, func(engine.Execution) bool {
		for _, e := range f.children(id) {
			if e.Task.Name == task && done(e) {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

func is(s engine.Status) func(engine.Execution) bool {
	return func(e engine.Execution) bool { return e.Status == s }
}

// quiet checks that nothing is left in the queues.
func (f *flowBench) quiet() {
	f.t.Helper()
	for _, queue := range []string{QueueWorkflows, QueueActions("puppet"), QueueTriggers} {
		stats, err := f.store.QueueStats(context.Background(), queue)
		if err != nil {
			f.t.Fatal(err)
		}
		if stats.Ready+stats.Leased > 0 {
			f.t.Logf("%s: %+v", queue, stats)
		}
	}
	docs, _, err := DeadLetters.List(context.Background(), f.store, store.Query{})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, d := range docs {
		f.t.Errorf("dead letter: %+v", d.Value)
	}
}

func TestWorkflows(t *testing.T) {
	for _, tt := range []struct {
		name, text, params string
		status             engine.Status
		result             string
		tasks              string
	}{
		{"sequence", `
version: 1.0
input: [who]
tasks:
  a: {action: test.do what=<% ctx(who) %>, next: [{when: <% succeeded() %>, publish: [{x: <% result().said %>}], do: b}]}
  b: {action: "test.do what=\"{{ ctx().x }}-b\"", next: [{publish: [{y: <% result().said %>}]}]}
output: [{x: <% ctx(x) %>}, {y: <% ctx(y) %>}, {user: <% ctx().st2.user %>}]
`, `{"who":"bob"}`, engine.Succeeded, `{"output":{"x":"bob","y":"bob-b","user":"ann"}}`, "a succeeded, b succeeded"},
		{"fork and join", `
version: 1.0
tasks:
  a: {action: core.noop, next: [{do: [b, c]}]}
  b: {action: test.do what="b", next: [{publish: [{b: <% result().said %>}], do: d}]}
  c: {action: test.do what="c", next: [{publish: [{c: <% result().said %>}], do: d}]}
  d: {join: all, action: test.do what=<% ctx(b) + ctx(c) %>, next: [{publish: [{d: <% result().said %>}]}]}
output: [{d: <% ctx(d) %>}]
`, `{}`, engine.Succeeded, `{"output":{"d":"bc"}}`, "a succeeded, b succeeded, c succeeded, d succeeded"},
		{"items", `
version: 1.0
tasks:
  a: {with: {items: "<% range(5) %>", concurrency: 2}, action: test.do what=<% item() %>, next: [{publish: [{all: <% result().select($.said) %>}]}]}
output: [{all: <% ctx(all) %>}]
`, `{}`, engine.Succeeded, `{"output":{"all":[0,1,2,3,4]}}`, "a[0] succeeded, a[1] succeeded, a[2] succeeded, a[3] succeeded, a[4] succeeded"},
		{"no action", `
version: 1.0
tasks:
  a: {next: [{publish: [{x: 1}], do: b}]}
  b: {with: {items: '<% list() %>'}, action: core.noop, next: [{publish: [{y: <% result() %>}, {t: <% task(a).status %>}]}]}
output: [{x: <% ctx(x) %>}, {y: <% ctx(y) %>}, {t: <% ctx(t) %>}]
`, `{}`, engine.Succeeded, `{"output":{"x":1,"y":[],"t":"succeeded"}}`, ""},
		{"remediation", `
version: 1.0
tasks:
  a: {action: test.do what="fail", next: [{when: <% failed() %>, publish: [{why: <% result().said %>}], do: b}]}
  b: {action: test.do what="mend"}
output: [{why: <% ctx(why) %>}]
`, `{}`, engine.Succeeded, `{"output":{"why":"fail"}}`, "a failed, b succeeded"},
		{"failure", `
version: 1.0
tasks:
  a: {action: test.do what="fail"}
`, `{}`, engine.Failed, `{"output":null,"errors":[{"type":"error","message":"Execution failed. See result for details.","task_id":"a","result":{"said":"fail"}}]}`, "a failed"},
		{"retry", `
version: 1.0
tasks:
  a: {action: test.do what="fail", retry: {count: 2, delay: 0}, next: [{when: <% failed() %>, do: noop}]}
`, `{}`, engine.Succeeded, `{"output":null}`, "a failed, a failed, a failed"},
		{"task records", `
version: 1.0
tasks:
  a: {action: test.do what="x", next: [{do: b}]}
  b: {with: "<% list(1, 2) %>", action: test.do what=<% item() %>, next: [{do: c}]}
  c: {action: test.do what=<% task(a).result.said %>, next: [{publish: [{got: <% task(b).result.items.select($.result.said) %>}, {x: <% result().said %>}]}]}
output: [{got: <% ctx(got) %>}, {x: <% ctx(x) %>}]
`, `{}`, engine.Succeeded, `{"output":{"got":[1,2],"x":"x"}}`, "a succeeded, b[0] succeeded, b[1] succeeded, c succeeded"},
		{"delay", `
version: 1.0
tasks:
  a: {action: test.do what="x", delay: 1}
`, `{}`, engine.Succeeded, `{"output":null}`, "a succeeded"},
		{"parameter that cannot be rendered", `
version: 1.0
tasks:
  a: {action: test.do, input: {what: "{% raw %}{{ nope }}{% endraw %}"}}
`, `{}`, engine.Failed, `ParamException`, ""},
		{"unknown action", `
version: 1.0
input: [ref]
tasks:
  a: {action: "<% ctx(ref) %>"}
`, `{"ref":"test.nope"}`, engine.Failed, `there is no action`, ""},
		{"inspection", `
version: 1.0
tasks:
  a: {action: test.nope, next: [{when: "<% succeeded( %>", do: q}]}
`, `{}`, engine.Failed, `is not registered in the database`, ""},
		{"input that cannot be rendered", `
version: 1.0
input: [{x: <% ctx(nope) %>}]
tasks: {a: {action: core.noop}}
`, `{}`, engine.Failed, `nope`, ""},
		{"cycle", `
version: 1.0
vars: [{n: 0}]
tasks:
  s: {next: [{do: a}]}
  a:
    action: test.do what=<% ctx(n) %>
    next:
      - {when: <% ctx(n) < 3 %>, publish: [{n: <% ctx(n) + 1 %>}], do: a}
output: [{n: <% ctx(n) %>}]
`, `{}`, engine.Succeeded, `{"output":{"n":3}}`, "a succeeded, a succeeded, a succeeded, a succeeded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFlowBench(t)
			f.workflow("flow", "orquesta", `{"who":{"type":"string"},"ref":{"type":"string"}}`, tt.text)
			f.work()
			e := f.ended(f.start("test.flow", tt.params).ID)
			f.check(&e, tt.status, tt.result)
			if got := strings.Join(f.tasks(e.ID), ", "); got != tt.tasks {
				t.Errorf("tasks: %s\nwant: %s", got, tt.tasks)
			}
			f.quiet()
		})
	}
}

// check compares how an execution ended; a result that is no JSON is part of it.
func (f *flowBench) check(e *engine.Execution, status engine.Status, result string) {
	f.t.Helper()
	same := string(e.Result) == result
	if !strings.HasPrefix(result, "{") {
		same = strings.Contains(string(e.Result), result)
	}
	if e.Status != status || !same {
		f.t.Errorf("execution %s is %s\nresult %s\n  want %s", e.Action.Ref, e.Status, e.Result, result)
	}
}

// What a task is told of where it stands.
func TestTaskContext(t *testing.T) {
	f := newFlowBench(t)
	f.workflow("inner", "orquesta", `{}`, "version: 1.0\ntasks: {i: {action: test.do what=1}}\n")
	f.workflow("outer", "orquesta", `{}`, "version: 1.0\ntasks: {o: {with: '<% list(7) %>', action: test.inner}}\n")
	f.work()
	e := f.ended(f.start("test.outer", `{}`).ID)
	inner := f.children(e.ID)[0]
	leaf := f.children(inner.ID)[0]
	if leaf.Root != e.ID || leaf.Parent != inner.ID || leaf.TraceID != e.TraceID || inner.Root != e.ID {
		t.Errorf("leaf: root %s, parent %s, trace %s", leaf.Root, leaf.Parent, leaf.TraceID)
	}
	var c struct {
		User     string
		Parent   map[string]any
		Orquesta map[string]any
	}
	if err := json.Unmarshal(contextJSON(&inner), &c); err != nil {
		t.Fatal(err)
	}
	if c.User != "ann" || c.Parent["execution_id"] != e.ID || c.Parent["workflow_execution"] != e.Context.WorkflowExecution ||
		c.Orquesta["task_name"] != "o" || c.Orquesta["item_id"] != 0.0 || c.Orquesta["workflow_execution_id"] != e.Context.WorkflowExecution {
		t.Errorf("context: %s", contextJSON(&inner))
	}
}

func TestChain(t *testing.T) {
	const text = `
vars: {greeting: "hi {{ who }}"}
chain:
  - {name: c1, ref: test.do, parameters: {what: "{{ greeting }}"}, on-success: c2, publish: {first: "{{ c1.said }}"}}
  - {name: c2, ref: test.do, parameters: {what: "%s"}, on-failure: c3}
  - {name: c3, ref: core.noop}
`
	f := newFlowBench(t)
	f.workflow("good", "action-chain", `{"who":{"type":"string","default":"you"}}`, fmt.Sprintf(text, "{{ first }}!"))
	f.workflow("mended", "action-chain", `{"who":{"type":"string","default":"you"}}`, fmt.Sprintf(text, "fail"))
	f.workflow("lost", "action-chain", `{}`, "chain: [{name: a, ref: test.nope}]")
	f.workflow("bad", "action-chain", `{}`, "chain: [{name: a}]")
	f.workflow("outer", "orquesta", `{}`, "version: 1.0\ntasks: {a: {action: test.good who=\"me\", next: [{publish: [{p: <% result().published %>}]}]}}\noutput: [{p: <% ctx(p) %>}]\n")
	f.work()
	for ref, want := range map[string]struct {
		status engine.Status
		result string
	}{
		"test.good":   {engine.Succeeded, `"state":"succeeded","result":{"said":"hi you!"}}],"published":{"first":"hi you"}}`},
		"test.mended": {engine.Succeeded, `"name":"c3","execution_id":`},
		"test.lost":   {engine.Failed, `{"tasks":[],"published":{},"error":"Failed to run task \"a\". Action with reference \"test.nope\" doesn't exist.","traceback":""}`},
		"test.bad":    {engine.Failed, `chain[0]: a node needs name and ref`},
		"test.outer":  {engine.Succeeded, `{"output":{"p":{"first":"hi me"}}}`},
	} {
		e := f.ended(f.start(ref, `{}`).ID)
		f.check(&e, want.status, want.result)
	}
	f.quiet()
}

// Large results are kept beside the records and found by the expressions that use them.
func TestLargeResults(t *testing.T) {
	f := newFlowBench(t)
	f.puppet.will(func(ctx context.Context, job runners.Job) (runners.Outcome, error) {
		return runners.Outcome{Status: engine.Succeeded, Result: json.RawMessage(`{"big":"` + strings.Repeat("x", 100_000) + `"}`)}, nil
	})
	f.workflow("flow", "orquesta", `{}`, `
version: 1.0
tasks:
  a: {action: test.do, next: [{publish: [{all: <% result() %>}], do: b}]}
  b: {action: test.do, next: [{when: <% succeeded() %>, do: c}]}
  c: {action: core.noop, next: [{publish: [{n: "<% len(ctx(all).big) + len(task(b).result.big) %>"}]}]}
output: [{n: <% ctx(n) %>}]
`)
	f.work()
	e := f.ended(f.start("test.flow", `{}`).ID)
	f.check(&e, engine.Succeeded, `{"output":{"n":200000}}`)
}

func TestItemsAtOnce(t *testing.T) {
	f := newFlowBench(t)
	f.workflow("flow", "orquesta", `{}`, `
version: 1.0
tasks:
  a: {with: {items: <% range(300) %>, concurrency: 20}, action: test.do what=<% item() %>, next: [{publish: [{all: <% result().select($.said) %>}]}]}
output: [{n: <% len(ctx(all)) %>}, {sum: <% ctx(all).sum() %>}]
`)
	f.work()
	e := f.ended(f.start("test.flow", `{}`).ID)
	f.check(&e, engine.Succeeded, `{"output":{"n":300,"sum":44850}}`)
	if n := len(f.children(e.ID)); n != 300 {
		t.Errorf("%d executions", n)
	}
}

func TestPauseAndResume(t *testing.T) {
	f := newFlowBench(t)
	gate := make(chan struct{})
	f.puppet.will(func(ctx context.Context, job runners.Job) (runners.Outcome, error) {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return echo(ctx, job)
	})
	f.workflow("inner", "orquesta", `{}`, "version: 1.0\ntasks:\n  i: {action: test.do what=1, next: [{do: j}]}\n  j: {action: core.noop}\n")
	f.workflow("middle", "action-chain", `{}`, "chain: [{name: m, ref: test.inner, on-success: n}, {name: n, ref: core.noop}]")
	f.workflow("outer", "orquesta", `{}`, "version: 1.0\ntasks:\n  o: {action: test.middle, next: [{do: p}]}\n  p: {action: core.noop}\n")
	f.work()
	root := f.start("test.outer", `{}`)
	<-f.puppet.started
	if _, err := f.service.Pause(t.Context(), root.ID, "bob"); err != nil {
		t.Fatal(err)
	}
	middle := f.child(root.ID, "o", is(engine.Pausing))
	inner := f.child(middle.ID, "m", is(engine.Pausing))
	close(gate)
	e := f.until(root.ID, is(engine.Paused))
	if e.Context.PausedBy != "bob" || len(f.tasks(inner.ID)) != 1 {
		t.Errorf("paused by %q, inner tasks %v", e.Context.PausedBy, f.tasks(inner.ID))
	}
	if _, err := f.service.Resume(t.Context(), root.ID, "cy"); err != nil {
		t.Fatal(err)
	}
	e = f.ended(root.ID)
	f.check(&e, engine.Succeeded, `{"output":null}`)
	if e.Context.PausedBy != "" || e.Context.ResumedBy != "cy" {
		t.Errorf("context %s", contextJSON(&e))
	}
	if got := strings.Join(f.tasks(inner.ID), ", "); got != "i succeeded, j succeeded" {
		t.Errorf("inner tasks: %s", got)
	}
	f.quiet()
}

// A workflow that fails while it is paused takes the paused ones below along:
// nobody could resume them from above any more.
func TestFailLeavesNonePaused(t *testing.T) {
	f := newFlowBench(t)
	gates := map[string]chan struct{}{"inner": make(chan struct{}), "fail": make(chan struct{})}
	f.puppet.will(func(ctx context.Context, job runners.Job) (runners.Outcome, error) {
		what, _ := job.Params.GetString("what")
		select {
		case <-gates[fmt.Sprint(what)]:
		case <-ctx.Done():
		}
		if what == "fail" {
			return runners.Failure("as wanted"), nil
		}
		return echo(ctx, job)
	})
	f.workflow("inner", "orquesta", `{}`, "version: 1.0\ntasks:\n  i: {action: test.do, input: {what: inner}, next: [{do: j}]}\n  j: {action: core.noop}\n")
	f.workflow("outer", "orquesta", `{}`, "version: 1.0\ntasks:\n  o: {action: test.inner}\n  d: {action: test.do, input: {what: fail}}\n")
	f.work()
	root := f.start("test.outer", `{}`)
	<-f.puppet.started
	<-f.puppet.started
	if _, err := f.service.Pause(t.Context(), root.ID, "bob"); err != nil {
		t.Fatal(err)
	}
	inner := f.child(root.ID, "o", is(engine.Pausing))
	close(gates["inner"])
	f.until(inner.ID, is(engine.Paused))
	close(gates["fail"])
	if e := f.ended(root.ID); e.Status != engine.Failed {
		t.Errorf("the outer workflow is %s", e.Status)
	}
	if e := f.ended(inner.ID); e.Status != engine.Canceled {
		t.Errorf("the inner workflow is %s", e.Status)
	}
	f.quiet()
}

// Resuming what is at the bottom brings the workflows above it along.
func TestResumeFromBelow(t *testing.T) {
	f := newFlowBench(t)
	gate := make(chan struct{})
	f.puppet.will(func(ctx context.Context, job runners.Job) (runners.Outcome, error) {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return echo(ctx, job)
	})
	f.workflow("inner", "orquesta", `{}`, "version: 1.0\ntasks:\n  i: {action: test.do what=1, next: [{do: j}]}\n  j: {action: core.noop}\n")
	f.workflow("outer", "orquesta", `{}`, "version: 1.0\ntasks:\n  o: {action: test.inner, next: [{do: p}]}\n  p: {action: core.noop}\n")
	f.work()
	root := f.start("test.outer", `{}`)
	<-f.puppet.started
	inner := f.child(root.ID, "o", is(engine.Running))
	if _, err := f.service.Pause(t.Context(), inner.ID, "bob"); err != nil {
		t.Fatal(err)
	}
	f.child(root.ID, "o", is(engine.Pausing))
	close(gate)
	f.until(root.ID, is(engine.Paused))
	if _, err := f.service.Resume(t.Context(), inner.ID, "bob"); err != nil {
		t.Fatal(err)
	}
	e := f.ended(root.ID)
	f.check(&e, engine.Succeeded, `{"output":null}`)
	f.quiet()
}

func TestCancelWorkflow(t *testing.T) {
	for _, from := range []string{"root", "below"} {
		t.Run(from, func(t *testing.T) {
			f := newFlowBench(t)
			gate := make(chan struct{})
			f.puppet.will(func(ctx context.Context, job runners.Job) (runners.Outcome, error) {
				select {
				case <-gate:
				case <-ctx.Done():
				}
				return echo(ctx, job)
			})
			f.workflow("inner", "orquesta", `{}`, "version: 1.0\ntasks:\n  i: {action: test.do what=1, next: [{do: j}]}\n  j: {action: core.noop}\n")
			f.workflow("outer", "orquesta", `{}`, "version: 1.0\ntasks:\n  o: {action: test.inner, next: [{do: p}]}\n  p: {action: core.noop}\n  d: {action: core.noop, delay: 3600}\n")
			f.work()
			root := f.start("test.outer", `{}`)
			<-f.puppet.started
			id := root.ID
			inner := f.child(root.ID, "o", is(engine.Running))
			if from == "below" {
				id = inner.ID
			}
			if _, err := f.service.Cancel(t.Context(), id, "bob"); err != nil {
				t.Fatal(err)
			}
			f.child(root.ID, "d", is(engine.Canceled))
			f.child(root.ID, "o", is(engine.Canceling))
			close(gate)
			e := f.ended(root.ID)
			f.check(&e, engine.Canceled, `{"output":null}`)
			if got := strings.Join(f.tasks(inner.ID), ", "); got != "i succeeded" {
				t.Errorf("inner tasks: %s", got)
			}
			f.quiet()
		})
	}
}

func TestRerun(t *testing.T) {
	f := newFlowBench(t)
	f.workflow("flow", "orquesta", `{}`, `
version: 1.0
tasks:
  a: {action: test.do what="a", next: [{when: <% succeeded() %>, do: b}]}
  b: {with: '<% list("x", "failing", "z") %>', action: test.do what=<% item() %>, next: [{when: <% succeeded() %>, publish: [{all: <% result().select($.said) %>}], do: c}]}
  c: {action: core.noop}
output: [{all: <% ctx(all) %>}]
`)
	f.work()
	first := f.ended(f.start("test.flow", `{}`).ID)
	if first.Status != engine.Failed {
		t.Fatalf("first: %s %s", first.Status, first.Result)
	}
	f.puppet.will(func(ctx context.Context, job runners.Job) (runners.Outcome, error) {
		o, err := echo(ctx, job)
		o.Status = engine.Succeeded
		return o, err
	})
	again, err := f.service.Rerun(t.Context(), first.ID, RerunOptions{Tasks: []string{"b"}, User: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	e := f.ended(again.ID)
	f.check(&e, engine.Succeeded, `{"output":{"all":["x","failing","z"]}}`)
	if got := strings.Join(f.tasks(again.ID), ", "); got != "b[1] succeeded, c succeeded" {
		t.Errorf("tasks: %s", got)
	}
	if e.Context.ReRun == nil || e.Context.ReRun.Ref != first.ID || e.Context.User != "bob" {
		t.Errorf("context %s", contextJSON(&e))
	}
	for _, tt := range []struct {
		o    RerunOptions
		want string
	}{
		{RerunOptions{Tasks: []string{"nope"}}, "never ran"},
		{RerunOptions{}, "no failed task"},
	} {
		again, err := f.service.Rerun(t.Context(), e.ID, tt.o)
		if err != nil {
			t.Fatal(err)
		}
		e := f.ended(again.ID)
		f.check(&e, engine.Failed, tt.want)
	}
	if _, err := f.service.Rerun(t.Context(), e.ID, RerunOptions{Reset: []string{"b"}}); engine.CodeOf(err) != engine.Invalid {
		t.Errorf("reset of a task that is not run: %v", err)
	}
	all, err := f.service.Rerun(t.Context(), e.ID, RerunOptions{Tasks: []string{"b"}, Reset: []string{"b"}})
	if err != nil {
		t.Fatal(err)
	}
	e = f.ended(all.ID)
	f.check(&e, engine.Succeeded, `{"output":{"all":["x","failing","z"]}}`)
	if n := len(f.children(all.ID)); n != 4 {
		t.Errorf("%d tasks after a reset: %v", n, f.tasks(all.ID))
	}
	f.quiet()
}

// A step that is repeated because its process died creates nothing new.
func TestWorkflowsSurviveStops(t *testing.T) {
	f := newFlowBench(t)
	f.workflow("flow", "orquesta", `{}`, `
version: 1.0
tasks:
  a: {with: {items: <% range(40) %>, concurrency: 3}, action: test.again, next: [{do: b}]}
  b: {action: test.again}
`)
	f.work()
	e := f.start("test.flow", `{}`)
	for range 5 {
		for range 6 {
			<-f.puppet.started
		}
		f.stop(runners.ErrShutdown)
		f.store.Close()
		f.open()
		f.work()
	}
	got := f.ended(e.ID)
	f.check(&got, engine.Succeeded, `{"output":null}`)
	done := 0
	for _, task := range f.tasks(e.ID) {
		if strings.HasSuffix(task, "succeeded") {
			done++
		}
	}
	if done != 41 {
		t.Errorf("%d tasks: %v", done, f.tasks(e.ID))
	}
	f.quiet()
}

// A workflow that cannot take a step fails and says why; what still runs below it
// starts nothing more.
func TestWorkflowIsGivenUp(t *testing.T) {
	f := newFlowBench(t)
	gate := make(chan struct{})
	f.puppet.will(func(ctx context.Context, job runners.Job) (runners.Outcome, error) {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return echo(ctx, job)
	})
	f.workflow("flow", "orquesta", `{}`, "version: 1.0\ntasks:\n  a: {action: test.do what=1, next: [{do: b}]}\n  b: {action: core.noop}\n")
	f.work()
	for _, broken := range []bool{false, true} {
		e := f.start("test.flow", `{}`)
		<-f.puppet.started
		flow := e.Context.WorkflowExecution
		if broken { // its state cannot be read
			bad := store.Doc[StatePart]{ID: partID(flow, headPart), Rev: store.AnyRev, Value: StatePart{Value: json.RawMessage(`7`)}}
			var b store.Batch
			if err := WorkflowState.Put(&b, bad); err != nil {
				t.Fatal(err)
			}
			if err := f.store.Commit(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
		}
		push := store.Push{Queue: "elsewhere", ID: e.ID, Group: flow, Body: []byte(`{"do":"child"}`)}
		if err := f.store.Commit(t.Context(), &store.Batch{Pushes: []store.Push{push}}); err != nil {
			t.Fatal(err)
		}
		items, err := f.store.Lease(t.Context(), store.LeaseRequest{Queue: "elsewhere", Holder: "test", Max: 1, TTL: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.workers.buryFlow(t.Context(), items[0], errors.New("out of luck")); err != nil {
			t.Fatal(err)
		}
		done := f.ended(e.ID)
		f.check(&done, engine.Failed, "the workflow could not go on: out of luck")
	}
	close(gate)
	for _, e := range f.all() {
		if e.Action.Ref == "test.do" {
			f.ended(e.ID)
		}
	}
	for _, e := range f.all() {
		if e.Action.Ref == "core.noop" {
			t.Errorf("the task b was started: %s", e.Status)
		}
	}
}

// all lists every execution.
func (f *flowBench) all() []engine.Execution {
	f.t.Helper()
	docs, _, err := Executions.List(context.Background(), f.store, store.Query{Limit: 1000})
	if err != nil {
		f.t.Fatal(err)
	}
	var out []engine.Execution
	for _, d := range docs {
		out = append(out, d.Value)
	}
	return out
}
