package chain

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/value"
	"petrel/engine/workflow"
)

const deploy = `
vars:
  where: "{{ env }}-cluster"
chain:
  - name: build
    ref: ci.build
    parameters: {branch: "{{ branch }}", place: "{{ where }}", n: 3}
    publish: {image: "{{ build.stdout }}", who: "{{ __results.build.user }}"}
    on-success: ask
    on-failure: tell
  - name: ask
    ref: core.ask
    on-success: roll
  - name: roll
    ref: k8s.roll
    parameters: {image: "{{ image }}", ok: "{{ ask.result.response.go }} {{ ask.response.go }}", ctx: "{{ action_context.parent.user }}", all: ["{{ build.n }}"]}
    publish: {image: "rolled {{ image }}"}
    on-failure: build
  - name: tell
    ref: chat.post_message
    parameters: {text: "{{ build.stderr }}"}
default: build
`

// play runs a chain; each step is "status {result}" for the node that runs, or a
// request. It gives what came of each and puts the state through JSON.
func play(t *testing.T, text string, steps ...string) (answers []string, run *Run, records []Record) {
	t.Helper()
	c, err := Parse("chain.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		Chain: c, Renderer: expression.New(expression.Options{}),
		Parameters:    value.DictOf("env", "prod", "branch", "main"),
		ActionContext: value.DictOf("parent", value.DictOf("user", "ann")),
	}
	if run, err = New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	state, node := workflow.State{}, ""
	for _, step := range append([]string{"! running"}, steps...) {
		status, result, _ := strings.Cut(step, " ")
		if status == "!" {
			err = run.Request(t.Context(), engine.Status(result))
		} else {
			err = run.Update(t.Context(), workflow.Event{Task: node, Status: engine.Status(status), Result: json.RawMessage(result)})
			records = append(records, Record{Node: node, State: engine.Status(status), Result: json.RawMessage(result)})
		}
		if err != nil {
			t.Fatal(err)
		}
		next, err := run.Advance(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		answer := string(run.Status())
		for _, n := range next {
			node = n.Task
			answer += fmt.Sprintf(" %s %v %s", node, n.Actions[0].Ref, value.Repr(n.Actions[0].Input))
		}
		answers = append(answers, answer)
		changes, err := run.Changes()
		if err != nil {
			t.Fatal(err)
		}
		state.Apply(changes)
		if run, err = Open(o, state.Load); err != nil {
			t.Fatal(err)
		}
	}
	return answers, run, records
}

func TestChain(t *testing.T) {
	build := "running build ci.build {'branch': 'main', 'place': 'prod-cluster', 'n': 3}"
	for _, c := range []struct {
		name, text string
		steps      []string
		want       []string
		outcome    engine.Status
		result     string // the keys but tasks
	}{
		{
			"to the end", deploy,
			[]string{`succeeded {"stdout": "img", "user": "u", "n": 5}`, `pending {"ttl": 1}`, "! resuming", `succeeded {"ttl": 1, "response": {"go": true}}`, `succeeded {}`},
			[]string{build, "running ask core.ask {}", "paused", "resuming", "running roll k8s.roll {'image': 'img', 'ok': 'True True', 'ctx': 'ann', 'all': ['5']}", "succeeded"},
			engine.Succeeded, "{'published': {'image': 'rolled img', 'who': 'u'}}",
		},
		{
			"failed and remediated", strings.Replace(deploy, "    publish: {image: \"{{ build.stdout }}\", who: \"{{ __results.build.user }}\"}\n", "", 1),
			[]string{`failed {"stderr": "broken"}`, `succeeded {}`},
			[]string{build, "running tell chat.post_message {'text': 'broken'}", "succeeded"},
			engine.Succeeded, "{'published': {}}",
		},
		{
			"back to the start, publishing after a failure", deploy,
			[]string{`succeeded {"stdout": "img", "user": "u", "n": 5}`, `succeeded {"response": {"go": 1}, "ttl": 0}`, `failed {}`, `canceled {}`},
			[]string{build, "running ask core.ask {}", "running roll k8s.roll {'image': 'img', 'ok': '1 1', 'ctx': 'ann', 'all': ['5']}", build, "canceled"},
			engine.Canceled, "{'published': {'image': 'rolled img', 'who': 'u'}}",
		},
		{
			"timed out at the end", "chain: [{name: a, ref: x.y}]", []string{`timeout {}`},
			[]string{"running a x.y {}", "failed"}, engine.TimedOut, "{'published': {}}",
		},
		{
			"parameters that cannot be rendered", "chain: [{name: a, ref: x.y, parameters: {p: '{{ nope }}'}}]", nil,
			[]string{"failed"}, engine.Failed, "{'published': {}, 'error': 'Failed to run task \"a\". Parameter rendering failed. *",
		},
		{
			"publish that cannot be rendered", "chain: [{name: a, ref: x.y, publish: {p: '{{ nope }}'}, on-success: b}, {name: b, ref: x.z}]", []string{`succeeded {}`},
			[]string{"running a x.y {}", "failed"}, engine.Failed, "{'published': {}, 'error': 'Failed rendering value for publish of task \"a\". *",
		},
		{
			"a template as target", "chain: [{name: a, ref: x.y, on-success: '{{ next }}'}]", []string{`succeeded {}`},
			[]string{"running a x.y {}", "failed"}, engine.Failed, "{'published': {}, 'error': 'Unable to find action chain node with name *",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, run, records := play(t, c.text, c.steps...)
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			if o := run.Outcome(records); o != c.outcome {
				t.Errorf("the chain is %s, want %s", o, c.outcome)
			}
			result, err := run.Result(records, true)
			if err != nil {
				t.Fatal(err)
			}
			result.Delete("tasks")
			text := value.Repr(result)
			if want, ok := strings.CutSuffix(c.result, "*"); ok && !strings.HasPrefix(text, want) || !ok && text != want {
				t.Errorf("got %s, want %s", text, c.result)
			}
		})
	}
}

func TestResult(t *testing.T) {
	_, run, records := play(t, "chain: [{name: a, ref: x.y}]", `succeeded {"stdout": "1"}`)
	records[0].ExecutionID, records[0].LiveactionID = "e1", "l1"
	records[0].CreatedAt, records[0].UpdatedAt = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"
	got, err := run.Result(records, false)
	if err != nil {
		t.Fatal(err)
	}
	want := "{'tasks': [{'id': 'a', 'name': 'a', 'execution_id': 'e1', 'liveaction_id': 'l1', 'workflow': None, " +
		"'created_at': '2026-01-01T00:00:00Z', 'updated_at': '2026-01-01T00:00:01Z', 'state': 'succeeded', 'result': {'stdout': '1'}}]}"
	if value.Repr(got) != want {
		t.Errorf("got  %s\nwant %s", value.Repr(got), want)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"[]", "a chain must be a map"},
		{"chain: {}", "must hold a list"},
		{"chain: [{name: a}]", "chain[0]: a node needs name and ref"},
		{"chain: [{name: a, ref: x.y, color: red}]", "the key 'color' is not known"},
		{"chain: [{name: a, ref: x.y, params: {a: 1}, parameters: {a: 1}}]", "not both"},
		{"chain: [{name: a, ref: x.y, on-success: b}]", `on-success names the node "b"`},
		{"chain: [{name: a, ref: x.y}]\ndefault: b", "default names the node 'b'"},
		{"chain: [{name: a, ref: x.y}]\nvars: 5", "vars must be a map"},
		{"chain: [{name: a, ref: x.y}]\nextra: 5", "the key 'extra' is not known"},
	} {
		_, err := Parse("c.yaml", []byte(c.text))
		if err == nil || engine.CodeOf(err) != engine.Invalid || !strings.Contains(err.Error(), "c.yaml: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.text, err, c.want)
		}
	}
	for text, start := range map[string]string{
		"chain: [{name: a, ref: x.y}, {name: b, ref: x.y, on-success: a, color: red}]":    "b",
		"chain: [{name: a, ref: x.y, on-success: b}, {name: b, ref: x.y, on-failure: a}]": "a",
	} {
		c, err := Parse("", []byte(text))
		if err != nil || c.Start != start {
			t.Errorf("%s: starts with %v (%v), want %s", text, c, err, start)
		}
	}
}

func TestVarsError(t *testing.T) {
	c, err := Parse("", []byte("vars: {a: '{{ nope }}'}\nchain: [{name: a, ref: x.y}]"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(t.Context(), Options{Chain: c, Renderer: expression.New(expression.Options{})})
	if err == nil || !strings.HasPrefix(err.Error(), "Failed initializing ``vars`` in chain. ") {
		t.Errorf("got %v", err)
	}
}
