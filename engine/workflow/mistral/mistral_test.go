package mistral

import (
	"strings"
	"testing"

	"petrel/engine/expression"
	"petrel/engine/workflow"
)

func TestConvert(t *testing.T) {
	const from = `
version: '2.0'
examples.deploy:
  description: Deploy it.
  input:
    - hosts
    - count: 3
  vars:
    who: <% env().st2_execution_id %>
  task-defaults:
    on-error:
      - clean-up
  tasks:
    build-it:
      action: core.local cmd="make <% $.count %>"
      publish:
        image: <% task(build-it).result.stdout %>
      on-success:
        - roll: <% $.image != '' %>
        - fail: <% $.image = '' %>
    roll:
      with-items: h in <% $.hosts %>
      concurrency: 2
      action: core.remote
      input:
        hosts: <% $.h %>
        cmd: run {{ _.image }} {{ st2kv.system.token }}
      retry:
        count: 2
        delay: 1
        break-on: <% task(roll).result.any($.failed) %>
      publish:
        all: <% task(roll).result.select($.stdout) %>
      on-complete: last
    last:
      join: one
      wait-before: 5
      action: std.echo output="<% len($.all) %>"
    clean-up:
      action: std.noop
      timeout: 5
      on-error: []
      on-complete:
        - fail
  output:
    all: <% $.all %>
    first: <% task(build-it).result %>
`
	const want = `version: 1.0
description: Deploy it.
input:
  - hosts
  - count: 3
vars:
  - who: <% ctx().st2.action_execution_id %>
tasks:
  build_it:
    action: core.local cmd="make <% ctx().count %>"
    next:
      - when: <% succeeded() and ((result().stdout) != '') %>
        publish:
          - image: <% result().stdout %>
        do:
          - roll
      - when: <% succeeded() and ((result().stdout) = '') %>
        publish:
          - image: <% result().stdout %>
        do:
          - fail
      - when: <% failed() %>
        do:
          - clean_up
  roll:
    action: core.remote
    input:
      hosts: <% item(h) %>
      cmd: run {{ ctx().image }} {{ st2kv('system.token') }}
    with:
      items: h in <% ctx().hosts %>
      concurrency: 2
    retry:
      when: <% failed() and not (result().any($.failed)) %>
      count: 2
      delay: 1
    next:
      - when: <% failed() %>
        do:
          - clean_up
      - publish:
          - all: <% result().select($.stdout) %>
        do:
          - last
  last:
    action: core.echo message="<% len(ctx().all) %>"
    delay: 5
    join: 1
    next:
      - when: <% failed() %>
        do:
          - clean_up
  clean_up:
    action: core.noop
    next:
      - do:
          - fail
output:
  - all: <% ctx().all %>
  - first: <% task('build_it').result %>
`
	got, notes, err := Convert([]byte(from))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(notes) != 1 || notes[0].String() != "tasks.clean-up.timeout: not converted: give the action its own timeout parameter" {
		t.Errorf("notes: %v", notes)
	}
	def, err := workflow.Parse("", got)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range def.Inspect(expression.New(expression.Options{}), "st2", "parent") {
		t.Errorf("the result: %s", p)
	}
}

func TestConvertParts(t *testing.T) {
	for _, tt := range []struct{ name, task, want, note string }{
		{"several lists", `{with-items: ["a in <% $.x %>", "b in [1, 2]"], action: x.y p=<% $.b %>}`, "items: a, b in <% zip(ctx().x, [1, 2]) %>", ""},
		{"Jinja items", `{with-items: "a in {{ _.x }}", action: "x.y p={{ _.a }}"}`, `x.y p={{ item('a') }}`, ""},
		{"failing action", `{action: std.fail}`, "next:\n      - do: fail", ""},
		{"advanced transition", `{action: x.y, on-success: {publish: {branch: {v: 1}}, next: [u]}}`, "publish:\n          - v: 1\n        do:\n          - u", ""},
		{"publish that is used nowhere", `{action: x.y, publish: {v: 1}}`, "t:\n    action: x.y\n", "used nowhere"},
		{"publish that the output uses", `{action: x.y, publish: {o: 1}}`, "- when: <% succeeded() %>\n        publish:\n          - o: 1", ""},
		{"other language", `{action: x.y, publish: {v: "{{ _.q }}"}, on-success: [{u: <% $.v %>}]}`, "when: <% succeeded() and (ctx().v) %>", "another language"},
		{"command without an equivalent", `{action: x.y, on-success: [pause, u]}`, "do:\n          - u", "the command pause"},
		{"two values", `{action: x.y, publish: {v: 1}, publish-on-error: {v: 2}, on-complete: u}`, "- v: 1", "two values"},
		{"retry as text", `{action: x.y, retry: count=3 delay=2}`, "retry:\n      count: 3\n      delay: 2", ""},
		{"retry with both", `{action: x.y, retry: {count: 1, break-on: <% $.a %>, continue-on: <% $.b %>}}`,
			"when: <% (failed() and not (ctx().a)) or (succeeded() and (ctx().b)) %>", ""},
		{"sub-workflow", `{workflow: x.sub}`, "action: x.sub", "must be registered"},
		{"javascript", `{action: std.js script=1}`, "action: core.noop", "no action like std.js"},
		{"quoted dollar", `{action: x.y, input: {a: "<% '$.x' + $.y %>"}}`, `a: <% '$.x' + ctx().y %>`, ""},
		{"lambda in lambda", `{action: x.y, input: {a: "<% $.l.where($.n > 1).select($.m) + $.z %>"}}`, `a: <% ctx().l.where($.n > 1).select($.m) + ctx().z %>`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, notes, err := Convert([]byte("version: '2.0'\nw:\n  tasks:\n    t: " + tt.task + "\n    u: {action: core.noop}\n  output: {o: <% $.o %>}\n"))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(got), tt.want) {
				t.Errorf("got\n%s\nwant in it\n%s", got, tt.want)
			}
			said := ""
			for _, n := range notes {
				said += n.String() + "\n"
			}
			if (tt.note == "") != (said == "") || !strings.Contains(said, tt.note) {
				t.Errorf("notes %q, want %q", said, tt.note)
			}
		})
	}
}

func TestConvertRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"- a":                           "is a map, not list",
		"version: '2.0'\nworkflows: {}": "workbook",
		"version: 1.0\nw: {tasks: {}}":  "version is 1.0",
		"version: '2.0'":                "no workflow",
		"version: '2.0'\nw: {type: reverse, tasks: {a: {}}}":  "only direct ones",
		"version: '2.0'\nw: {tasks: {}}":                      "no tasks",
		"version: '2.0'\nw: {tasks: {a: 1}}":                  "must be a map",
		"version: '2.0'\nw: {tasks: {a: {}}}\nv: {tasks: {}}": "is another thing",
	} {
		if _, _, err := Convert([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzConvert(f *testing.F) {
	f.Add("<% $.a.select($.b) %>")
	f.Add("{{ _.a }} <% task(x).result %>")
	f.Fuzz(func(t *testing.T, text string) {
		c := &converter{}
		c.text(text, scope{task: "x", items: []string{"a"}})
		if _, _, err := Convert([]byte(text)); err == nil {
			t.Log("converted")
		}
	})
}
