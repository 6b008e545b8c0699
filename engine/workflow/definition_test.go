package workflow

import (
	"strings"
	"testing"

	"petrel/engine/expression"
	"petrel/engine/expression/value"
)

func TestInlineParameters(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`p.a a="1 2" b=3 c=x d=<% ctx(q) %> e=[1, 2]`, `{'a': '1 2', 'b': 3, 'd': '<% ctx(q) %>', 'e': [1, 2]}`},
		{`p.a n=5kg`, `{'n': 5}`},
		{`p.a a=[1] b=[2]`, `{'a': '[1] b=[2]'}`},
		{`p.a f=-.5`, `{'f': '-.5'}`},
		{`p.a f=-0.5`, `{'f': -0.5}`},
		{`p.a k='{"z": 1}'`, `{'k': {'z': 1}}`},
		{`p.a l=[1, "z"]`, `{'l': '[1, "z"]'}`},
		{`p.a t=TRUE f=False n=null`, `{'t': True, 'f': False, 'n': None}`},
		{`p.a e=''`, `{'e': ''}`},
		{`p.a a = 1`, `{}`},
	} {
		got := value.NewDict(0)
		for _, p := range inlineParams(c.text) {
			got.SetString(p.Name, p.Value)
		}
		if value.Repr(got) != c.want {
			t.Errorf("%s: got %s, want %s", c.text, value.Repr(got), c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "empty"},
		{"- a", "must be a map"},
		{"tasks:\n  a: {action: x.y}\n  a: {action: x.z}\n", `line 3: the key "a" is already in this map, on line 2`},
		{"tasks: {a: [", "line 1"},
		{"a: 1\n---\nb: 2\n", "single document"},
	} {
		_, err := Parse("w.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "w.yaml") {
			t.Errorf("%q: got %v, want w.yaml and %q", c.text, err, c.want)
		}
	}
}

// TestInspect checks what an inspection says, and the lines it names.
func TestInspect(t *testing.T) {
	renderer := expression.New(expression.Options{})
	for _, c := range []struct{ name, text, want string }{
		{"in order", "version: 1.0\ntasks:\n  a: {action: x.y, next: [{do: noop}]}\n", ""},
		{"unknown key", "version: 1.0\nextra: 1\ntasks:\n  a: {action: x.y}\n", "w.yaml:1: additional properties 'extra' not allowed|additionalProperties"},
		{"version", "version: 2.0\ntasks: {a: {action: x.y}}\n", "w.yaml:1: version: value must be one of '1.0', 1|properties.version.enum"},
		{"no tasks", "version: 1.0\n", "w.yaml:1: missing property 'tasks'|required"},
		{"description of a task", "version: 1.0\ntasks:\n  a:\n    description: no\n", `w.yaml:3: tasks.a: additional properties 'description' not allowed|properties.tasks.patternProperties.^\w+$.additionalProperties`},
		{"next is a map", "tasks:\n  a:\n    action: x.y\n    next: {do: b}\n", `w.yaml:4: tasks.a.next: got object, want array|properties.tasks.patternProperties.^\w+$.properties.next.type`},
		{"do is a number", "tasks:\n  a:\n    next:\n      - do: 7\n", `w.yaml:4: tasks.a.next[0].do: 'oneOf' failed, none matched|properties.tasks.patternProperties.^\w+$.properties.next.items.properties.do.oneOf`},
		{"task is null", "tasks:\n  a: {action: x.y}\n  b:\n", `w.yaml:3: tasks.b: got null, want object|properties.tasks.patternProperties.^\w+$.type`},
		{"with without expression", "tasks:\n  a: {action: x.y, with: five}\n", `w.yaml:2: tasks.a.with.items: 'five' does not match pattern 'x, y in <% expression %>'|properties.tasks.patternProperties.^\w+$.properties.with.properties.items.pattern`},
		{"unknown task", "tasks:\n  a:\n    action: x.y\n    next:\n      - do: [b, c]\n  b: {action: x.y}\n", `w.yaml:5: tasks.a.next[0].do: The task "c" is not defined.|properties.tasks.patternProperties.^\w+$.properties.next.items.properties.do`},
		{"reserved name", "tasks:\n  noop: {action: x.y}\n", `w.yaml:2: tasks.noop: The task name "noop" is reserved with special function.|` + taskSchema},
		{"only a loop", "tasks:\n  a: {action: x.y, next: [{do: b}]}\n  b: {action: x.y, next: [{do: a}]}\n", "w.yaml:1: tasks: No task to start the workflow with: every task comes after another. Add a task that leads into the loop.|properties.tasks"},
		{"items without action", "tasks:\n  a: {with: '<% [1] %>'}\n", "w.yaml:2: tasks.a: The action property is required for with items task.|" + taskSchema},
		{"grammar", "tasks:\n  a:\n    action: x.y\n    input:\n      p: <% 1 + %>\n", `w.yaml:4: tasks.a.input: *|` + taskSchema + ".properties.input"},
		{"unassigned", "tasks:\n  a:\n    action: x.y\n    next:\n      - publish:\n          - v: 1\n          - w: <% ctx(v) + ctx().u %>\n        do: b\n  b: {action: x.y m=<% ctx(w) %>}\noutput:\n  - o: <% ctx(v) %>\n  - p: <% ctx(o) %>\n",
			`w.yaml:7: tasks.a.next[0].publish[1]: Variable "u" is referenced before assignment. in <% ctx(v) + ctx().u %>|` + nextSchema + ".publish"},
		{"methods are no variables", "input: [x]\ntasks:\n  a: {action: x.y m=<% ctx().keys() %>}\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Parse("w.yaml", []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range d.Inspect(renderer, "st2", "parent") {
				got = append(got, p.String()+"|"+p.SchemaPath)
			}
			text := strings.Join(got, "\n")
			before, after, star := strings.Cut(c.want, "*|")
			if star && !(strings.HasPrefix(text, before) && strings.HasSuffix(text, "|"+after)) || !star && text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}

func TestGraph(t *testing.T) {
	d, err := Parse("", []byte(`
tasks:
  a: {next: [{do: "c, b"}, {do: c}, {do: retry, when: <% failed() %>}]}
  b: {next: [{do: d}]}
  c: {next: [{do: d}, {do: c}]}
  d: {join: all}
  lost: {next: [{do: lost2}]}
  lost2: {next: [{do: lost2}, {do: fail}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	g, err := d.Graph()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(g.Order, " "); got != "a lost b c lost2 continue d fail" && got != "a lost b c lost2 d fail" {
		t.Errorf("nodes %s", got)
	}
	a, c := g.Nodes["a"], g.Nodes["c"]
	if len(a.Out) != 3 || a.Out[0].id() != "b__t0" || a.Out[1].id() != "c__t0" || a.Out[2].id() != "c__t1" {
		t.Errorf("edges of a: %+v %+v", a.Out[0], a.Out[1])
	}
	if a.Retry == nil || a.Retry.Count != int64(3) || a.Retry.When != "<% failed() %>" {
		t.Errorf("retry of a: %+v", a.Retry)
	}
	if !c.Cycle || !c.Split || a.Cycle || g.Nodes["d"].Cycle || g.Nodes["d"].Split || g.Nodes["d"].required() != 2 {
		t.Errorf("c %+v, d %+v", c, g.Nodes["d"])
	}
}

func TestInspectActions(t *testing.T) {
	d, err := Parse("w.yaml", []byte(`tasks:
  a: {action: echo}
  b: {action: core.nope}
  c:
    action: core.echo
    input:
      mesage: hi
  d: {action: core.echo, input: <% ctx(x) %>}
  e: {action: "<% ctx(a) %>"}
  f: {action: core.echo message=1}
  g: {join: all}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range d.InspectActions(func(ref string) (ActionInput, bool) {
		return ActionInput{Names: []string{"message", "times"}, Required: []string{"message"}}, ref == "core.echo"
	}) {
		got = append(got, p.String())
	}
	want := `w.yaml:2: tasks.a.action: The action reference "echo" is not formatted correctly.
w.yaml:3: tasks.b.action: The action "core.nope" is not registered in the database.
w.yaml:6: tasks.c.input: Action "core.echo" is missing required input "message".
w.yaml:7: tasks.c.input.mesage: Action "core.echo" has unexpected input "mesage".`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}
