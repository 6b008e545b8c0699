package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/value"
)

// trace plays a script, one step a line, and writes down after each what came of it:
//
//	a/0 succeeded {"k": 1}   the task a on route 0
//	a/0#2 failed             its item 2
//	! paused                 a request
//	rerun a/0 b/0*           run tasks again; * resets the items
//
// A line of the answer is the status and the next tasks: running: b/1+3s c/0#0#1.
func trace(t *testing.T, text, script string) (answer []string, p *player) {
	t.Helper()
	def, err := Parse("", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	p = &player{t: t, options: Options{Definition: def, Evaluator: expression.New(expression.Options{})}}
	p.begin(Start{})
	answer = append(answer, summary(p))
	for line := range strings.SplitSeq(strings.TrimSpace(script), "\n") {
		if err := p.step(parseStep(t, strings.TrimSpace(line))); err != nil {
			answer = append(answer, "refused: "+err.Error())
			continue
		}
		answer = append(answer, summary(p))
	}
	return answer, p
}

func parseStep(t *testing.T, line string) Step {
	t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "!":
		return Step{Request: Status(rest)}
	case "rerun":
		list := []StepRerun{}
		for _, name := range strings.Fields(rest) {
			name, reset := strings.CutSuffix(name, "*")
			task, route, _ := strings.Cut(name, "/")
			n, _ := strconv.Atoi(route)
			list = append(list, StepRerun{task, n, reset})
		}
		return Step{Rerun: &list}
	}
	var s Step
	where, item, itemized := strings.Cut(word, "#")
	task, route, _ := strings.Cut(where, "/")
	s.Task = task
	s.Route, _ = strconv.Atoi(route)
	if itemized {
		n, err := strconv.Atoi(item)
		if err != nil {
			t.Fatal(err)
		}
		s.Item = &n
	}
	status, result, _ := strings.Cut(rest, " ")
	s.Status = Status(status)
	if result != "" {
		s.Result = json.RawMessage(result)
	}
	return s
}

func summary(p *player) string {
	out := string(p.c.Status()) + ":"
	for _, n := range p.next {
		out += fmt.Sprintf(" %s/%d", n.Task, n.Route)
		for _, a := range n.Actions {
			if a.Item != nil {
				out += fmt.Sprintf("#%d", *a.Item)
			}
		}
		if n.Delay != nil {
			out += fmt.Sprintf("+%ds", *n.Delay)
		}
		if n.Completed {
			out += "."
		}
	}
	return out
}

func TestTraces(t *testing.T) {
	for _, c := range []struct {
		name, text, script string
		want               []string
		result             string // Python's spelling
	}{
		{
			name: "split",
			text: `
input: [{n: 2}]
tasks:
  p: {action: x.a, next: [{publish: m=5, do: "q, r"}]}
  q: {action: x.b, next: [{do: z}]}
  r: {action: x.c, next: [{publish: [{m: "<% ctx(m) + ctx(n) %>"}], do: z}]}
  z: {action: "x.d k=<% ctx(m) %>"}
output: [{m: "<% ctx(m) %>"}]`,
			script: "p/0 succeeded\nr/0 succeeded\nq/0 succeeded\nz/1 succeeded\nz/2 succeeded",
			want:   []string{"running: p/0", "running: q/0 r/0", "running: z/1", "running: z/2", "running:", "succeeded:"},
			result: "{'output': {'m': 5}}",
		},
		{
			name: "retry, remediation with fail, rerun",
			text: `
tasks:
  go:
    action: x.go
    delay: 9
    retry: {count: 1, delay: 3}
    next:
      - {when: <% failed() %>, publish: [{why: "<% result().msg %>"}], do: [clean, fail]}
      - {when: <% succeeded() %>, do: side}
  clean: {action: x.clean, next: [{do: after}]}
  after: {action: x.after}
  side: {action: x.side}
output: [{why: "<% ctx(why) %>"}]`,
			script: "go/0 failed {\"msg\": \"no\"}\ngo/0 failed {\"msg\": \"still no\"}\nclean/0 succeeded\nrerun go/0\ngo/0 succeeded",
			want:   []string{"running: go/0+9s", "running: go/0+3s", "failed: clean/0", "failed:", "running: after/0 go/0+9s", "running: side/0"},
			result: "{'output': None}",
		},
		{
			name: "items, concurrency, pause",
			text: `
tasks:
  ping:
    with: {items: "h in <% [u, v, w] %>", concurrency: 2}
    action: "x.ping host=<% item(h) %>"
    next: [{when: <% failed() %>, publish: [{all: "<% result().select($.r) %>"}], do: report}]
  report: {action: x.report}
output: [{all: "<% ctx(all) %>"}]`,
			script: "ping/0#0 succeeded {\"r\": \"up\"}\n! paused\nping/0#1 failed {\"r\": \"down\"}\nping/0#2 succeeded {\"r\": \"up\"}\n! resuming\nreport/0 succeeded",
			want:   []string{"running: ping/0#0#1", "running: ping/0#2", "pausing:", "pausing:", "paused:", "running: report/0", "succeeded:"},
			result: "{'output': {'all': ['up', 'down', 'up']}}",
		},
		{
			name:   "what is late changes nothing",
			text:   "tasks: {a: {action: x.y, next: [{do: b}]}, b: {action: x.y}}",
			script: "a/0 succeeded\na/0 failed\na/0 running\nb/1 running\nb/0 succeeded",
			want:   []string{"running: a/0", "running: b/0", "running:", "running:", `refused: the task "b" has not been reached on route 1`, "succeeded:"},
			result: "{'output': None}",
		},
		{
			name:   "a failure during a pause fails the workflow when it is resumed",
			text:   "tasks: {a: {action: core.ask}}",
			script: "a/0 pending\na/0 timeout\n! resuming",
			want:   []string{"running: a/0", "paused:", "paused:", "failed:"},
			result: "{'output': None, 'errors': []}",
		},
		{
			name:   "a retry condition that fails",
			text:   "tasks: {a: {action: x.y, retry: {count: 2, when: <% result().nope %>}}}",
			script: "a/0 succeeded {}",
			want:   []string{"running: a/0", "failed:"},
		},
		{
			name:   "a retry count that is no number fails before the task runs",
			text:   "tasks: {a: {action: x.y, retry: {count: <% abc %>}}}",
			script: "! canceled",
			want:   []string{"failed:", `refused: Unable to process event "workflow_canceled" for workflow in "failed" status.`},
		},
		{
			name:   "a loop without an end",
			text:   "tasks: {a: {next: [{do: b}]}, b: {next: [{do: b}]}}",
			script: "! paused",
			want:   []string{"failed:" + " a/0." + strings.Repeat(" b/0.", 200), `refused: Unable to process event "workflow_paused" for workflow in "failed" status.`},
		},
		{
			name:   "a task with items that succeeded runs again",
			text:   "tasks: {a: {with: '<% [1, 2] %>', action: x.y, next: [{do: b}]}, b: {action: x.y}}",
			script: "a/0#0 succeeded\na/0#1 succeeded\nb/0 failed\nrerun a/0\na/0#1 succeeded\na/0#0 succeeded\nb/0 succeeded",
			want:   []string{"running: a/0#0#1", "running:", "running: b/0", "failed:", "running: a/0#0#1", "running:", "running: b/0", "succeeded:"},
			result: "{'output': None}",
		},
		{
			name:   "items run again: those that failed, or all",
			text:   "tasks: {a: {with: {items: '<% [1, 2, 3] %>', concurrency: 2}, action: x.y}}",
			script: "a/0#0 succeeded\na/0#1 failed\na/0#2 succeeded\nrerun a/0\na/0#1 failed\nrerun a/0*\na/0#0 succeeded\na/0#1 succeeded\na/0#2 succeeded",
			want:   []string{"running: a/0#0#1", "running: a/0#2", "running:", "failed:", "running: a/0#1", "failed:", "running: a/0#0#1", "running: a/0#2", "running:", "succeeded:"},
		},
		{
			name:   "items that failed and led back to themselves run again once",
			text:   "tasks: {s: {action: x.y, next: [{do: [a, b]}]}, a: {with: '<% [1] %>', action: x.y, next: [{when: <% failed() %>, publish: z=1, do: a}]}, b: {action: x.y}}\noutput: [{z: <% ctx(z) %>}]",
			script: "s/0 succeeded\nb/0 failed\na/0#0 failed\nrerun a/0 b/0\nb/0 succeeded\na/0#0 succeeded",
			want:   []string{"running: s/0", "running: a/0#0 b/0", "failed:", "failed:", "running: a/0#0 b/0", "running:", "succeeded:"},
			result: "{'output': {'z': 1}}",
		},
		{
			name:   "reached again while it runs, paused in between",
			text:   "tasks: {p: {action: x.y, next: [{do: j}]}, q: {action: x.y, next: [{do: j}]}, r: {action: x.y, next: [{do: j}]}, j: {join: 2, action: x.y}}",
			script: "p/0 succeeded\nq/0 succeeded\n! paused\nr/0 succeeded\nj/0 succeeded\n! resuming\nj/0 succeeded",
			want:   []string{"running: p/0 q/0 r/0", "running:", "running: j/0", "pausing:", "pausing:", "paused:", "running: j/0", "succeeded:"},
		},
		{
			name:   "what a branch publishes stays in it",
			text:   "vars: [{d: {a: 1}}]\ntasks: {p: {action: x.y, next: [{publish: [{d: {b: 2}}], do: p2}]}, p2: {action: x.y}, q: {action: x.y, next: [{publish: [{seen: \"<% ctx(d) %>\"}]}]}}\noutput: [{seen: <% ctx(seen) %>}]",
			script: "p/0 succeeded\np2/0 succeeded\nq/0 succeeded",
			want:   []string{"running: p/0 q/0", "running: p2/0", "running:", "succeeded:"},
			result: "{'output': {'seen': {'a': 1}}}",
		},
		{
			name:   "nothing to run again",
			text:   "tasks: {a: {action: x.y}}\noutput: [{x: <% ctx(nope) %>}]",
			script: "a/0 succeeded\nrerun\nrerun b/0\nrerun a/0",
			want:   []string{"running: a/0", "failed:", "refused: There is no failed task to run again; name the tasks to run.", `refused: Unable to rerun task "b" on route 0: it never ran.`, "running: a/0"},
		},
		{
			name:   "of two tasks in line the first runs again",
			text:   "tasks: {a: {action: x.y, next: [{do: b}]}, b: {action: x.y, next: [{do: c}]}, c: {action: x.y}}",
			script: "a/0 succeeded\nb/0 succeeded\nc/0 failed\nrerun c/0 a/0",
			want:   []string{"running: a/0", "running: b/0", "running: c/0", "failed:", "running: a/0"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, p := trace(t, quoteFlow(c.text), c.script)
			for i, want := range c.want {
				if i >= len(got) || got[i] != want {
					t.Fatalf("step %d: got\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
				}
			}
			result, err := p.c.Result()
			if err != nil {
				t.Fatal(err)
			}
			if c.result != "" && value.Repr(result) != c.result {
				t.Errorf("the result is %s, want %s", value.Repr(result), c.result)
			}
		})
	}
}

// quoteFlow quotes the expressions that stand bare in flow maps.
func quoteFlow(s string) string {
	for _, x := range []string{"<% abc %>", "<% ctx(nope) %>", "<% result().nope %>", "<% ctx(seen) %>", "<% ctx(z) %>"} {
		s = strings.ReplaceAll(s, ": "+x+"}", `: "`+x+`"}`)
	}
	return s
}

// TestRun checks that every run and try of a task has a name of its own.
func TestRun(t *testing.T) {
	_, p := trace(t, "tasks: {a: {action: x.y, retry: {count: 1}}}", "a/0 failed")
	if got := p.c.Run("a", 0); got != "0.1" {
		t.Errorf("the second try is run %q", got)
	}
	if got := p.c.Run("b", 0); got != "" {
		t.Errorf("a task that has not run is run %q", got)
	}
}

// TestFail checks the entry for an action that could not be requested.
func TestFail(t *testing.T) {
	_, p := trace(t, "tasks: {a: {action: x.y}}", "! running")
	route := 0
	p.c.Fail("ActionNotFound: there is no action x.y", "a", &route)
	result, err := p.c.Result()
	if err != nil || p.c.Status() != engine.Failed {
		t.Fatalf("%s, %v", p.c.Status(), err)
	}
	want := "{'output': None, 'errors': [{'type': 'error', 'message': 'ActionNotFound: there is no action x.y', 'task_id': 'a', 'route': 0}]}"
	if value.Repr(result) != want {
		t.Errorf("got %s, want %s", value.Repr(result), want)
	}
}

// TestGivenUp checks that a caller who gives up does not fail the workflow.
func TestGivenUp(t *testing.T) {
	_, p := trace(t, "tasks: {a: {action: x.y, next: [{when: '<% range(100000).select($ * 2).len() > 0 %>', do: b}]}, b: {action: x.y}}", "a/0 running")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := p.c.Update(ctx, Event{Task: "a", Status: engine.Succeeded})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := p.c.Changes(); err == nil {
		t.Error("there are changes to store")
	}
}
