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
