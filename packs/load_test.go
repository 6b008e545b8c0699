package packs

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"petrel/engine"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func testRunners() []engine.Runner {
	shell := json.RawMessage(`{"cwd":{"type":"string"},"env":{"type":"object"},"kwarg_op":{"type":"string","default":"--"},
		"sudo":{"type":"boolean","default":false},"timeout":{"type":"integer","default":60}}`)
	return []engine.Runner{
		{Name: "local-shell-cmd", Aliases: []string{"run-local"}, Enabled: true, Parameters: shell},
		{Name: "local-shell-script", Enabled: true, Parameters: shell},
		{Name: "noop", Enabled: true, Parameters: json.RawMessage(`{}`)},
	}
}

func loadDir(t testing.TB, dirs ...string) *Content {
	t.Helper()
	var sources []Source
	for _, d := range dirs {
		sources = append(sources, Dir(d))
	}
	return Load(context.Background(), sources, testRunners(), Checks{})
}

// The fixture uses every field of every kind of metadata.
func TestLoadEverything(t *testing.T) {
	c := loadDir(t, "testdata/full")
	for _, a := range c.Actions {
		if a.Dir != filepath.Join("testdata", "full", "full") {
			t.Errorf("the folder of %s is %q", a.Ref, a.Dir)
		}
	}
	c.Runners = nil
	got, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/full.golden.json"
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got)+"\n" {
		t.Errorf("content differs from %s (-update rewrites it):\n%s", golden, got)
	}
}

const goodPack = "name: p\ndescription: d\nauthor: a\nversion: 1.0.0\n"

// Every message, with its line. The file is named in the case; the pack around
// it is sound.
func TestProblems(t *testing.T) {
	const action = "name: a\nrunner_type: noop\n"
	const rule = "name: r\ntrigger: {type: x.y}\naction: {ref: p.a}\n"
	const alias = "name: l\naction_ref: p.a\nformats: [a]\n"
	for _, tt := range []struct{ name, file, yaml, want string }{
		// Any file
		{"empty", "actions/a.yaml", "# nothing\n", "1: is empty; a metadata file is a mapping of fields"},
		{"not YAML", "actions/a.yaml", "name: [a\n", "1: not YAML: did not find expected ',' or ']'"},
		{"list", "actions/a.yaml", "\n- a\n", "2: the file must be a mapping, but is a list"},
		{"text", "actions/a.yaml", "just words\n", `1: the file must be a mapping, but is the text "just words"`},
		{"two documents", "actions/a.yaml", action + "---\nname: b\n", "3: a second document begins here; one file holds one"},
		{"unknown anchor", "actions/a.yaml", "name: *x\n", "not YAML: unknown anchor 'x' referenced"},
		{"endless", "actions/a.yaml", action + "parameters: &x {a: *x}\n", "3: an alias refers to the value that contains it"},
		{"bomb", "actions/a.yaml", bomb(), "1: is too large: more than 200000 values once its aliases are written out"},
		{"merge of text", "actions/a.yaml", action + "<<: x\n", `3: << must name a mapping, but is the text "x"`},
		{"field name", "actions/a.yaml", action + "on: x\n", "3: a field name must be text, but is true; put it in quotes"},
		{"unknown", "actions/a.yaml", action + "runnertype: x\n", "3: unknown field runnertype; did you mean runner_type?"},
		{"no name", "actions/a.yaml", "runner_type: noop\n", "1: name is missing; every action has one"},
		{"null name", "actions/a.yaml", "runner_type: noop\nname:\n", "2: name is missing; every action has one"},
		{"empty name", "actions/a.yaml", "runner_type: noop\nname: ' '\n", "2: name is empty; every action has one"},
		{"number as name", "actions/a.yaml", "runner_type: noop\nname: 0x10\n", "2: name must be text, but is the number 16; put it in quotes"},
		{"boolean as name", "actions/a.yaml", "runner_type: noop\nname: yes\n", "2: name must be text, but is true; put it in quotes"},
		{"several", "actions/a.yaml", "name: ' '\nenabled: 5\nrunner_type: [x]\n", "1: name is empty; every action has one|2: enabled must be true or false, but is the number 5|3: runner_type must be text, but is a list"},
		{"control characters", "actions/a.yaml", "runner_type: noop\nname: \"a\\0b\"\n", `2: name "a\x00b" holds control characters; write plain text`},
		{"other pack", "actions/a.yaml", action + "pack: q\n", `3: pack is "q", but this folder is pack "p"; write that or remove the line`},
		{"tags", "actions/a.yaml", action + "tags: [a]\n", "3: tags must be a list of {name: ..., value: ...} with texts"},

		// Actions
		{"no runner", "actions/a.yaml", "name: a\n", "1: runner_type is missing; it names how the action is run, for example local-shell-cmd"},
		{"unknown runner", "actions/a.yaml", "name: a\nrunner_type: local-shel-cmd\n", "2: there is no runner local-shel-cmd; did you mean local-shell-cmd?"},
		{"far runner", "actions/a.yaml", "name: a\nrunner_type: mistral-v2\n", "2: there is no runner mistral-v2; known here: local-shell-cmd, local-shell-script, noop"},
		{"enabled", "actions/a.yaml", action + "enabled: maybe\n", `3: enabled must be true or false, but is the text "maybe"`},
		{"parameters", "actions/a.yaml", action + "parameters: [a]\n", "3: parameters must be a mapping, but is a list"},
		{"null parameter", "actions/a.yaml", action + "parameters:\n  a:\n", `4: parameter "a": the schema must be a map, not None`},
		{"parameter name", "actions/a.yaml", action + "parameters:\n  fine: {}\n  a b: {}\n", `5: parameter "a b": a name may hold letters, digits and underscores only`},
		{"parameter type", "actions/a.yaml", action + "parameters:\n  a:\n    type: text\n", `4: parameter "a": "type" must be one of array, boolean, integer, null, number, object, string, not 'text'`},
		{"parameter keyword", "actions/a.yaml", action + "parameters:\n  a: {item: {}}\n", `4: parameter "a": "item" is not allowed in a schema`},
		{"immutable", "actions/a.yaml", action + "parameters:\n  a: {immutable: true}\n", `4: parameter "a": an immutable parameter needs a default`},
		{"positions", "actions/a.yaml", action + "parameters:\n  a: {position: 0}\n  b: {position: 2}\n", `3: parameter "b": there is no parameter between the positions 0 and 2: positions must be contiguous`},
		{"override", "actions/a.yaml", "name: a\nrunner_type: local-shell-cmd\nparameters:\n  sudo: {type: string}\n", `4: parameter "sudo": "type" is set by the runner and cannot be overridden; an action may set default, description, enum, immutable, required`},
		{"entry point up", "actions/a.yaml", action + "entry_point: ../x\n", `3: entry_point "../x" must be a plain path below actions/, without ./, .. or doubled slashes`},
		{"entry point dot", "actions/a.yaml", action + "entry_point: ./x\n", `3: entry_point "./x" must be a plain path below actions/, without ./, .. or doubled slashes`},
		{"entry point slashes", "actions/a.yaml", action + "entry_point: a//x\n", `3: entry_point "a//x" must be a plain path below actions/, without ./, .. or doubled slashes`},
		{"entry point outside", "actions/a.yaml", action + "entry_point: /bin/sh\n", `3: entry_point "/bin/sh" is outside the pack; write a path relative to actions/`},
		{"entry point absent", "actions/a.yaml", action + "entry_point: x.sh\n", "3: warning: entry_point actions/x.sh does not exist; the action will fail"},
		{"notify key", "actions/a.yaml", action + "notify: {on-sucess: {}}\n", "3: unknown field notify.on-sucess; did you mean on-success?"},
		{"notify field", "actions/a.yaml", action + "notify: {on-success: {rout: [x]}}\n", "3: unknown field notify.on-success.rout; did you mean routes?"},
		{"notify routes", "actions/a.yaml", action + "notify: {on-success: {routes: x}}\n", `3: notify.on-success.routes must be a list of texts, but is the text "x"`},
		{"notify route", "actions/a.yaml", action + "notify:\n  on-success:\n    routes:\n      - 5\n", "6: every entry of notify.on-success.routes must be text, but this one is the number 5; put it in quotes"},
		{"bad date", "actions/a.yaml", action + "notify: {on-success: {data: {a: 2024-02-31}}}\n", `3: not YAML: "2024-02-31" is not a date of the calendar`},

		// Rules
		{"no trigger", "rules/r.yaml", "name: r\naction: {ref: p.a}\n", "1: trigger is missing; it says what the rule listens to, for example trigger: {type: core.st2.webhook, parameters: {url: name}}"},
		{"trigger text", "rules/r.yaml", "name: r\naction: {ref: p.a}\ntrigger: x.y\n", `3: trigger must be a mapping, but is the text "x.y"`},
		{"trigger type", "rules/r.yaml", "name: r\naction: {ref: p.a}\ntrigger:\n  parameters: {}\n", "4: trigger.type is missing; it names the trigger type, for example core.st2.webhook"},
		{"trigger without pack", "rules/r.yaml", "name: r\naction: {ref: p.a}\ntrigger: {type: st2webhook}\n", `3: trigger.type "st2webhook" lacks its pack; write pack.name, for example core.st2webhook`},
		{"no action", "rules/r.yaml", "name: r\ntrigger: {type: x.y}\n", "1: action is missing; it says what the rule does, for example action: {ref: core.local, parameters: {cmd: date}}"},
		{"action field", "rules/r.yaml", "name: r\ntrigger: {type: x.y}\naction:\n  ref: p.a\n  params: {}\n", "5: unknown field action.params; did you mean parameters?"},
		{"action parameters", "rules/r.yaml", "name: r\ntrigger: {type: x.y}\naction:\n  ref: p.a\n  parameters: x\n", `5: action.parameters must be a mapping, but is the text "x"`},
		{"rule type", "rules/r.yaml", rule + "type: {ref: fallback}\n", `4: type.ref is standard or backstop, not "fallback"`},
		{"operator", "rules/r.yaml", rule + "criteria:\n  trigger.a: {type: Equals, pattern: 1}\n", `5: there is no comparison "Equals"; did you mean equals?`},
		{"no operator", "rules/r.yaml", rule + "criteria:\n  trigger.a: {pattern: 1}\n", "5: criteria.trigger.a.type is missing; it names the comparison, for example equals"},
		{"no pattern", "rules/r.yaml", rule + "criteria:\n  trigger.a:\n    type: exists\n", "6: criteria.trigger.a.pattern is missing; every comparison needs one, also exists and nexists (any value)"},
		{"null criterion", "rules/r.yaml", rule + "criteria:\n  trigger.a:\n", "5: criteria.trigger.a is empty; write {type: equals, pattern: ...}"},
		{"when", "rules/r.yaml", rule + "when: true\n", "4: when must be text, but is true; put it in quotes"},
		{"webhook", "rules/r.yaml", "name: r\naction: {ref: p.a}\ntrigger: {type: core.st2.webhook}\n", "3: trigger.parameters.url is missing; it is the path after /api/v1/webhooks/, for example url: alertmanager"},
		{"webhook slash", "rules/r.yaml", "name: r\naction: {ref: p.a}\ntrigger: {type: core.st2.webhook, parameters: {url: /}}\n", `3: trigger.parameters.url "/" names no webhook; write for example url: alertmanager`},
		{"webhook more", "rules/r.yaml", "name: r\naction: {ref: p.a}\ntrigger: {type: core.st2.webhook, parameters: {url: a, uri: b}}\n", "3: unknown field trigger.parameters.uri; did you mean url?"},
		{"timer", "rules/r.yaml", "name: r\naction: {ref: p.a}\ntrigger:\n  type: p.timer\n  parameters:\n    unit: seconds\n    delta: 0\n", "7: trigger.parameters: delta is 0, must be 1 or more"},
		{"timer without parameters", "rules/r.yaml", "name: r\naction: {ref: p.a}\ntrigger:\n  type: p.timer\n", "4: trigger.parameters: delta is missing"},

		// Aliases
		{"no action ref", "aliases/l.yaml", "name: l\nformats: [a]\n", "1: action_ref is missing; it names the action to run, for example core.local"},
		{"no formats", "aliases/l.yaml", "name: l\naction_ref: p.a\n", `1: formats is missing; give at least one, for example - "deploy {{ app }}"`},
		{"empty formats", "aliases/l.yaml", "name: l\naction_ref: p.a\nformats: []\n", `3: formats is empty; give at least one, for example - "deploy {{ app }}"`},
		{"formats text", "aliases/l.yaml", "name: l\naction_ref: p.a\nformats: a\n", `3: formats must be a list, but is the text "a"`},
		{"format number", "aliases/l.yaml", "name: l\naction_ref: p.a\nformats:\n  - 5\n", "4: every entry of formats is text or a mapping {display, representation}, but this one is the number 5; put it in quotes"},
		{"format twice", "aliases/l.yaml", "name: l\naction_ref: p.a\nformats:\n  - ok\n  - 'a {{ x }} {{ x }}'\n", `5: warning: format "a {{ x }} {{ x }}" cannot be used: `},
		{"format regex", "aliases/l.yaml", "name: l\naction_ref: p.a\nformats:\n  - representation:\n    - ok\n    - '('\n", `6: warning: format "(" cannot be used: `},
		{"format field", "aliases/l.yaml", "name: l\naction_ref: p.a\nformats:\n  - {dispaly: a, representation: [b]}\n", "4: unknown field formats[0].dispaly; did you mean display?"},
		{"representation", "aliases/l.yaml", "name: l\naction_ref: p.a\nformats:\n  - {display: a, representation: [{a: b}]}\n", "4: formats[0].representation must be a list of texts, but holds a mapping; put it in quotes"},
		{"ack field", "aliases/l.yaml", alias + "ack: {fromat: x}\n", "4: unknown field ack.fromat; did you mean format?"},
		{"ack text", "aliases/l.yaml", alias + "ack: yes\n", "4: ack must be a mapping, but is true"},
		{"result flag", "aliases/l.yaml", alias + "result: {enabled: 1}\n", "4: result.enabled must be true or false, but is the number 1"},
		{"extra", "aliases/l.yaml", alias + "extra: 5\n", "4: extra must be a mapping, but is the number 5"},

		// Trigger types
		{"schema", "triggers/t.yaml", "name: t\npayload_schema: string\n", `2: payload_schema must be a mapping, but is the text "string"`},
		{"trigger field", "triggers/t.yaml", "name: t\nparameter_schema: {}\n", "2: unknown field parameter_schema; did you mean parameters_schema?"},

		// The manifest
		{"pack incomplete", "pack.yaml", "ref: p\n", "1: name is missing; give the pack a name|1: description is missing; say in a sentence what the pack is for|1: author is missing; name its author|1: version is missing; give one of the form 1.2.3"},
		{"version", "pack.yaml", "name: p\ndescription: d\nauthor: a\nversion: 1.0\n", `4: version "1.0" is not of the form 1.2.3, 1.2.3-rc1 or 1.2.3+build`},
		{"empty version", "pack.yaml", "name: p\ndescription: d\nauthor: a\nversion: ''\n", `4: version "" is not of the form 1.2.3, 1.2.3-rc1 or 1.2.3+build`},
		{"version list", "pack.yaml", "name: p\ndescription: d\nauthor: a\nversion: [1]\n", "4: version must be text, but is a list"},
		{"ref", "pack.yaml", goodPack + "ref: My-Pack\n", `5: ref "My-Pack" may hold only a-z, 0-9 and _`},
		{"reserved ref", "pack.yaml", goodPack + "ref: _global\n", "5: ref _global is reserved; choose another"},
		{"stackstorm version", "pack.yaml", goodPack + "stackstorm_version: 3.0.0\n", `5: stackstorm_version "3.0.0" is not a list of requirements such as ">=3.0.0, <4.0.0"`},
		{"python version", "pack.yaml", goodPack + "python_versions: ['3.6']\n", `5: python_versions may hold "2" and "3", not "3.6"`},
		{"python number", "pack.yaml", goodPack + "python_versions: [3]\n", "5: every entry of python_versions must be text, but this one is the number 3; put it in quotes"},
		{"system", "pack.yaml", goodPack + "system: x\n", `5: system must be a mapping, but is the text "x"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree := fstest.MapFS{
				"p/pack.yaml":          {Data: []byte(goodPack)},
				"p/actions/a.yaml":     {Data: []byte(action)},
				"p/triggers/x.y.yaml":  {Data: []byte("name: xy\n")},
				"p/actions/other.yaml": {Data: []byte("name: other\nrunner_type: noop\n")},
			}
			tree["p/"+tt.file] = &fstest.MapFile{Data: []byte(tt.yaml)}
			c := Load(context.Background(), []Source{{FS: tree}}, testRunners(), Checks{Trigger: checkTimer})
			var got []string
			for _, p := range c.Problems {
				if text, ok := strings.CutPrefix(p.String(), filepath.Join("p", tt.file)+":"); ok && !strings.Contains(text, "there is no trigger type") {
					got = append(got, strings.TrimPrefix(text, " "))
				}
			}
			if joined := strings.Join(got, "|"); joined != tt.want && !(strings.HasSuffix(tt.want, ": ") && strings.HasPrefix(joined, tt.want)) {
				t.Errorf("got  %s\nwant %s", joined, tt.want)
			}
			if tt.file != "pack.yaml" && !slices.ContainsFunc(c.Actions, func(a *engine.Action) bool { return a.Ref == "p.other" }) {
				t.Error("a broken file kept the others from loading")
			}
		})
	}
}

// checkTimer stands for those who serve a trigger type.
func checkTimer(triggerType string, parameters json.RawMessage) error {
	var p struct{ Delta *int }
	switch err := json.Unmarshal(parameters, &p); {
	case triggerType != "p.timer" || err != nil:
		return err
	case p.Delta == nil:
		return errors.New("delta is missing")
	case *p.Delta < 1:
		return fmt.Errorf("delta is %d, must be 1 or more", *p.Delta)
	}
	return nil
}

// bomb is a small file that grows beyond all bounds when its aliases are
// written out.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		ref := "*a" + string(rune('0'+i))
		b.WriteString("a" + string(rune('1'+i)) + ": &a" + string(rune('1'+i)) + " [" + strings.Repeat(ref+", ", 9) + ref + "]\n")
	}
	return b.String()
}

func TestWarnings(t *testing.T) {
	tree := fstest.MapFS{
		"p/pack.yaml":        {Data: []byte(goodPack)},
		"p/actions/a.yaml":   {Data: []byte("name: a\nrunner_type: noop\n")},
		"p/actions/b.yaml":   {Data: []byte("name: a\nrunner_type: noop\n")},
		"p/rules/r.yaml":     {Data: []byte("name: r\ntrigger: {type: q.t}\naction: {ref: q.a}\n")},
		"p/aliases/l.yaml":   {Data: []byte("name: l\naction_ref: q.a\nformats: [a]\n")},
		"p/sensors/s.yaml":   {Data: []byte("class_name: S\nentry_point: s.py\npolling_interval: 7\ntrigger_types: [{name: t}]\n")},
		"p/policies/pol.yml": {Data: []byte("name: S\nresource_ref: q.a\npolicy_type: action.retry\nparameters: {retry_on: failure}\n")},
	}
	second := fstest.MapFS{"p/pack.yaml": {Data: []byte(goodPack + "keywords: [second]\n")}}
	c := Load(context.Background(), []Source{{FS: tree, Dir: "one"}, {FS: second, Dir: "two"}, Dir("testdata/none")}, testRunners(), Checks{})
	var got []string
	for _, p := range c.Problems {
		got = append(got, p.String())
	}
	want := []string{
		"one/p/sensors/s.yaml:3: warning: polling_interval is not known and not used; did you mean poll_interval?",
		"one/p/sensors/s.yaml:2: warning: entry_point sensors/s.py does not exist; the sensor will not start",
		"one/p/actions/b.yaml: warning: p.a is already defined in actions/a.yaml; this file is not used",
		"two/p/pack.yaml: warning: pack p is already loaded from one/p; this copy is not used",
		"testdata/none: the folder of packs cannot be read: it does not exist",
		"one/p/rules/r.yaml: warning: there is no trigger type q.t; the rule waits for it",
		"one/p/rules/r.yaml: warning: there is no action q.a; the rule cannot start it",
		"one/p/policies/pol.yml: warning: there is no action q.a; the policy limits nothing",
		"one/p/aliases/l.yaml: warning: there is no action q.a; the command will fail",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(c.Packs) != 1 || len(c.Packs[0].Keywords) != 0 || len(c.Rules) != 1 || len(c.Aliases) != 1 || len(c.Actions) != 1 {
		t.Errorf("what is only warned about must be used, the first copy of a pack too: %+v", c)
	}
}

// A pack's ref: the field, else the folder, else the name.
func TestPackRef(t *testing.T) {
	for _, tt := range []struct{ folder, name, ref, want string }{
		{"folder", "name", "ref", "ref"},
		{"folder", "My Pack", "", "folder"},
		{"my-pack", "mypack", "", "mypack"},
		{"my-pack", "My Pack", "", ""},
	} {
		yaml := strings.Replace(goodPack, "name: p", "name: "+tt.name, 1)
		if tt.ref != "" {
			yaml += "ref: " + tt.ref + "\n"
		}
		c := Load(context.Background(), []Source{{FS: fstest.MapFS{tt.folder + "/pack.yaml": {Data: []byte(yaml)}}}}, nil, Checks{})
		got := ""
		if len(c.Packs) == 1 {
			got = c.Packs[0].Ref
		}
		if got != tt.want {
			t.Errorf("folder %s, name %s, ref %q: got %q, want %q", tt.folder, tt.name, tt.ref, got, tt.want)
		}
		if tt.want == "" && (len(c.Problems) != 1 || !strings.Contains(c.Problems[0].Message, "for example ref: my_pack")) {
			t.Errorf("problems: %v", c.Problems)
		}
	}
}

// A source may be one pack itself.
func TestSourceIsAPack(t *testing.T) {
	c := loadDir(t, "testdata/full/full")
	if len(c.Packs) != 1 || c.Packs[0].Ref != "full" || len(c.Actions) != 2 {
		t.Errorf("got %d packs, %d actions", len(c.Packs), len(c.Actions))
	}
}

func FuzzMetadata(f *testing.F) {
	for _, dir := range kinds {
		names, err := filepath.Glob("testdata/full/full/" + dir + "/*.y*ml")
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			body, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(dir, string(body))
		}
	}
	f.Add("actions", bomb())
	f.Fuzz(func(t *testing.T, kind, body string) {
		if !slices.Contains(kinds, kind) {
			return
		}
		c := Load(context.Background(), []Source{{FS: fstest.MapFS{
			"p/pack.yaml":           {Data: []byte(goodPack)},
			"p/" + kind + "/x.yaml": {Data: []byte(body)},
		}}}, testRunners(), Checks{})
		used := len(c.Actions) + len(c.Rules) + len(c.Aliases) + len(c.TriggerTypes) + len(c.Sensors) + len(c.Policies)
		if used == 0 && !slices.ContainsFunc(c.Problems, func(p Problem) bool { return !p.Warning }) {
			t.Error("the file was neither used nor reported")
		}
		if _, err := json.Marshal(c); err != nil {
			t.Errorf("content is no JSON: %v", err)
		}
	})
}
