package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const deployWorkflow = `version: 1.0
input: [branch]
tasks:
  build:
    action: ci.build branch=<% ctx(branch) %>
    next:
      - when: <% succeeded() %>
        publish: image=<% result().image %>
        do: ping
      - when: <% failed() %>
        do: fail
  ping:
    with: {items: "h in <% [a, b] %>", concurrency: 1}
    delay: 2
    action: core.ping host=<% item(h) %>
output:
  - image: <% ctx(image) %>
`

// runMain runs the program; out is what it prints to both outputs, and its code.
func runMain(t *testing.T, stdin string, args ...string) (out string, code int) {
	t.Helper()
	var b bytes.Buffer
	code = Main(args, strings.NewReader(stdin), &b, &b)
	return b.String(), code
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWorkflowSimulate(t *testing.T) {
	file := write(t, "deploy.yaml", deployWorkflow)
	script := write(t, "steps.yaml", `
inputs: {branch: main}
script:
  - {task: build, status: succeeded, result: {image: img}}
  - {request: resuming}
  - {task: ping, item: 0, status: succeeded}
  - {task: ping, item: 1, status: failed, result: {code: 1}}
  - {rerun: null}
`)
	want := `start: running
  -> build/0: ci.build {"branch":"main"}
build/0 succeeded: running
  -> ping/0#0 after 2s: core.ping {"host":"a"}
request resuming: running
  refused: Unable to process event "workflow_resuming" for workflow in "running" status.
ping/0#0 succeeded: running
  -> ping/0#1 after 2s: core.ping {"host":"b"}
ping/0#1 failed: failed
rerun: running
  -> ping/0#1 after 2s: core.ping {"host":"b"}
`
	if got, code := runMain(t, "", "workflow", "simulate", file, "--script", script); got != want || code != 0 {
		t.Errorf("code %d, got\n%s\nwant\n%s", code, got, want)
	}
	got, code := runMain(t, "[{task: build, status: failed, result: no}]", "workflow", "simulate", file, "--script", "-", "--json")
	for _, part := range []string{`"status": "failed"`, `"message": "Execution failed. See result for details."`, `"task_id": "fail"`, `"output": null`} {
		if code != 0 || !strings.Contains(got, part) {
			t.Errorf("code %d, no %s in\n%s", code, part, got)
		}
	}
}

func TestWorkflowSimulateChain(t *testing.T) {
	file := write(t, "chain.yaml", "chain:\n  - {name: a, ref: x.y, parameters: {p: '{{ n }}'}, on-success: b}\n  - {name: b, ref: x.z}\n")
	want := "start: running\n  -> a/0: x.y {\"p\":\"5\"}\na/0 succeeded: running\n  -> b/0: x.z {}\n"
	got, code := runMain(t, "{inputs: {n: 5}, script: [{task: a, status: succeeded}]}", "workflow", "simulate", file, "--script", "-")
	if got != want || code != 0 {
		t.Errorf("code %d, got\n%s\nwant\n%s", code, got, want)
	}
	if got, code := runMain(t, "", "workflow", "graph", file); got != "a  x.y\n└─ succeeded → b  x.z\n" || code != 0 {
		t.Errorf("code %d, got\n%s", code, got)
	}
}

func TestWorkflowGraphAndInspect(t *testing.T) {
	file := write(t, "deploy.yaml", deployWorkflow)
	tree := "build  ci.build\n├─ failed → fail\n└─ succeeded → ping  core.ping, with <% [a, b] %>\n"
	if got, code := runMain(t, "", "workflow", "graph", file); got != tree || code != 0 {
		t.Errorf("code %d, got\n%s\nwant\n%s", code, got, tree)
	}
	if got, code := runMain(t, "", "workflow", "graph", file, "--format", "mermaid"); !strings.HasPrefix(got, "flowchart TD\n  n0[\"build<br/>ci.build\"]\n") || code != 0 {
		t.Errorf("code %d, got\n%s", code, got)
	}
	if got, code := runMain(t, "", "workflow", "inspect", file); got != file+" is in order\n" || code != 0 {
		t.Errorf("code %d, got\n%s", code, got)
	}
	broken := write(t, "broken.yaml", strings.Replace(deployWorkflow, "do: ping", "do: pong", 1))
	want := broken + ":9: tasks.build.next[0].do: The task \"pong\" is not defined.\n"
	if got, code := runMain(t, "", "workflow", "inspect", broken); got != want || code != 1 {
		t.Errorf("code %d, got\n%s\nwant\n%s", code, got, want)
	}
	if got, code := runMain(t, "", "workflow", "simulate", broken); !strings.HasPrefix(got, want) || code != 1 {
		t.Errorf("code %d, got\n%s", code, got)
	}
	for _, c := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"", []string{"graph", file, "--format", "png"}, "unknown format"},
		{"", []string{"graph", "/no/such/file"}, "no such file"},
		{"[{task: a, stauts: failed}]", []string{"simulate", file, "--script", "-"}, `step 1: unknown field "stauts"`},
		{"[{task: a}]", []string{"simulate", file, "--script", "-"}, "step 1: a step needs task and status"},
		{"5", []string{"simulate", file, "--script", "-"}, "a list of steps is needed, not int"},
	} {
		if got, code := runMain(t, c.stdin, append([]string{"workflow"}, c.args...)...); code != 2 || !strings.Contains(got, c.want) {
			t.Errorf("%v: code %d, got %s, want %s", c.args, code, got, c.want)
		}
	}
}

func TestWorkflowConvert(t *testing.T) {
	file := write(t, "old.yaml", "version: '2.0'\nx.old:\n  input: [a]\n  tasks:\n    t-1: {action: core.local cmd=<% $.a %>, timeout: 3}\n")
	want := file + ": tasks.t-1.timeout: not converted: give the action its own timeout parameter\n" +
		"version: 1.0\ninput:\n  - a\ntasks:\n  t_1:\n    action: core.local cmd=<% ctx().a %>\n"
	if got, code := runMain(t, "", "workflow", "convert", file); got != want || code != 1 {
		t.Errorf("code %d, got\n%s", code, got)
	}
	to := filepath.Join(t.TempDir(), "new.yaml")
	if got, code := runMain(t, "version: '2.0'\nx.old: {tasks: {t: {action: std.noop}}}\n", "workflow", "convert", "-", "-o", to); got != "" || code != 0 {
		t.Errorf("code %d, got %s", code, got)
	}
	if body, err := os.ReadFile(to); err != nil || string(body) != "version: 1.0\ntasks:\n  t:\n    action: core.noop\n" {
		t.Errorf("%v\n%s", err, body)
	}
	if got, code := runMain(t, "tasks: {}", "workflow", "convert", "-"); code != 1 || !strings.Contains(got, "version is None") {
		t.Errorf("code %d, got %s", code, got)
	}
}

// The workflows of a pack are looked at when the pack is.
func TestPackLintLooksAtWorkflows(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{
		"pack.yaml":                     "ref: p\nname: p\nversion: 1.0.0\nauthor: a\nemail: a@example.com\ndescription: d\n",
		"actions/flow.yaml":             "name: flow\nrunner_type: orchestra\nentry_point: workflows/flow.yaml\n",
		"actions/workflows/flow.yaml":   "version: 1.0\ntasks:\n  a:\n    action: core.noop\n    next:\n      - do: nowhere\n",
		"actions/chain.yaml":            "name: chain\nrunner_type: action-chain\nentry_point: workflows/chain.yaml\n",
		"actions/workflows/chain.yaml":  "chain: [{name: a}]\n",
		"actions/good.yaml":             "name: good\nrunner_type: orquesta\nentry_point: workflows/good.yaml\n",
		"actions/workflows/good.yaml":   "version: 1.0\ntasks: {a: {action: p.later}}\n",
		"actions/mistral.yaml":          "name: mistral\nrunner_type: mistral-v2\nentry_point: workflows/old.yaml\n",
		"actions/workflows/old.yaml":    "version: '2.0'\n",
		"actions/workflows/unused.yaml": "tasks: 5\n",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, code := runMain(t, "", "pack", "lint", dir)
	for _, want := range []string{
		"flow.yaml:6: warning: tasks.a.next[0].do: The task \"nowhere\"", "chain.yaml: warning: chain[0]: a node needs name and ref", "0 errors, 2 warnings",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if code != 0 || t.Failed() {
		t.Errorf("code %d, got\n%s", code, got)
	}
}
