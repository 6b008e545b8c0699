package params

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"petrel/engine/expression"
	"petrel/engine/expression/value"
)

func compile(t testing.TB, runner, action string) *Set {
	t.Helper()
	s, err := Compile(json.RawMessage(runner), json.RawMessage(action))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMask(t *testing.T) {
	s := compile(t, `{"password": {"type": "string", "secret": true}}`, `{
		"o": {"type": "object", "properties": {"t": {"type": "string", "secret": true}, "n": {"properties": {"k": {"secret": true}}}}, "additionalProperties": {"type": "object", "properties": {"s": {"secret": true}}}},
		"l": {"type": "array", "items": {"type": "object", "properties": {"s": {"secret": true}}}},
		"p": {"type": "array", "items": [{"secret": true}, {}], "additionalItems": {"secret": true}},
		"m": {"type": "object", "patternProperties": {"^key": {"secret": true}}}, "plain": {"type": "string"}}`)
	in := `{"plain":"a","password":"pw","o":{"t":"x","n":{"k":1,"j":2},"other":{"s":3}},"l":[{"s":1,"u":2},"odd"],"p":[1,2,3],"m":{"key1":1,"no":2},"unknown":"u"}`
	want := `{"plain":"a","password":"********","o":{"t":"********","n":{"k":"********","j":2},"other":{"s":"********"}},"l":[{"s":"********","u":2},"odd"],"p":["********",2,"********"],"m":{"key1":"********","no":2},"unknown":"u"}`
	if got := string(s.Mask(json.RawMessage(in))); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := string(s.Mask(json.RawMessage(`{"password": `))); got != "null" {
		t.Errorf("what cannot be read is shown: %s", got)
	}
	none := compile(t, "", `{"a": {"type": "string"}}`)
	if got := string(none.Mask(json.RawMessage(in))); got != in {
		t.Errorf("nothing is secret here: %s", got)
	}
}

func TestSecretsStayOutOfErrors(t *testing.T) {
	s := compile(t, "", `{"p": {"type": "string", "secret": true, "enum": ["a"], "maxLength": 3}, "i": {"type": "integer", "secret": true}}`)
	for _, given := range []string{`{"p": "hunter2"}`, `{"i": "hunter2"}`} {
		_, err := s.Live(context.Background(), expression.New(expression.Options{}), json.RawMessage(given), Scope{})
		var refused *Error
		if !errors.As(err, &refused) || refused.Param == "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", given, err)
		}
	}
}

func TestErrorsNameTheParameter(t *testing.T) {
	s := compile(t, `{"timeout": {"type": "integer", "default": 60}}`, `{"host": {"type": "string", "required": true}, "port": {"type": "integer", "minimum": 1}, "fixed": {"default": "x", "immutable": true}, "o": {"type": "object", "properties": {"n": {"type": "integer"}}}}`)
	for given, want := range map[string][3]string{
		`{}`:                                           {StageValidate, "", "host"},
		`{"host": "{{ prt }}"}`:                        {StageRender, "host", `did you mean "port"?`},
		`{"host": "{{ port.x.y }}"}`:                   {StageRender, "host", `Failed to render parameter "host"`},
		`{"host": "a", "port": "x"}`:                   {StageCast, "port", "invalid literal"},
		`{"host": "a", "port": 0}`:                     {StageValidate, "port", `parameter "port"`},
		`{"host": "a", "o": {"n": "x"}}`:               {StageValidate, "o", `parameter "o.n"`},
		`{"host": "a", "fixed": "x"}`:                  {StageImmutable, "fixed", "immutable"},
		`{"host": "a", "extra": 1}`:                    {StageValidate, "", "extra"},
		`{"host": "{{ port }}", "port": "{{ host }}"}`: {StageRender, "", "host, port"},
		`[1]`: {StageValidate, "", "must be a map"},
	} {
		_, err := s.Live(context.Background(), expression.New(expression.Options{}), json.RawMessage(given), Scope{})
		var refused *Error
		if !errors.As(err, &refused) || refused.Stage != want[0] || want[1] != "" && refused.Param != want[1] || !strings.Contains(err.Error(), want[2]) {
			t.Errorf("%s: %+v, want %v", given, err, want)
		}
	}
}

func TestImmutableTemplateOfAnyType(t *testing.T) {
	s := compile(t, "", `{"m": {"type": "integer"}, "n": {"type": "integer", "immutable": true, "default": "{{ m + 1 }}"}}`)
	r := expression.New(expression.Options{})
	live, err := s.Live(context.Background(), r, json.RawMessage(`{"m": 2}`), Scope{})
	if err != nil {
		t.Fatal(err)
	}
	_, action, err := s.Final(context.Background(), r, live, Scope{})
	if got := value.Repr(action); err != nil || got != "{'m': 2, 'n': 3}" || string(live) != `{"m":2}` {
		t.Errorf("%s, %s, %v", live, got, err)
	}
}

func TestOrderAndTrigger(t *testing.T) {
	s := compile(t, `{"env": {"type": "object"}, "timeout": {"type": "integer", "default": 60}}`, `{"z": {"type": "string"}, "a": {"type": "string", "default": "{{ z }}!"}}`)
	r := expression.New(expression.Options{})
	live, err := s.Live(context.Background(), r, json.RawMessage(`{"z": "{{ trigger.n }}", "env": {"K": "{{z}}"}}`), Scope{Extra: expression.Names{"trigger": map[string]any{"n": 7}}})
	if want := `{"z":"7","env":{"K":"7"},"a":"7!"}`; err != nil || string(live) != want {
		t.Fatalf("%s (%v), want %s", live, err, want)
	}
	runner, action, err := s.Final(context.Background(), r, live, Scope{})
	if got := value.Repr(runner) + value.Repr(action); err != nil || got != "{'env': {'K': '7'}, 'timeout': 60}{'z': '7', 'a': '7!'}" {
		t.Errorf("%s (%v)", got, err)
	}
	required, optional, immutable := compile(t, `{"r": {"required": true}}`, `{"r": {"description": "d"}, "o": {}, "i": {"immutable": true, "default": 1}}`).Views()
	if got := fmt.Sprint(required, optional, immutable); got != "[r] [o] [i]" {
		t.Errorf("views: %s", got)
	}
}

func TestRegistrationErrors(t *testing.T) {
	for action, want := range map[string]string{
		`{"a": {"tpye": "string"}}`:                         `"tpye" is not allowed`,
		`{"a": {"type": "strin"}}`:                          `"type" must be one of array, boolean`,
		`{"a": {"immutable": true}}`:                        "needs a default",
		`{"a": {"position": 0}, "b": {"position": 0}}`:      "same position",
		`{"a": {"properties": {"x": {"required": ["y"]}}}}`: `properties: x: "required" must be true or false`,
		`{"a": {"exclusiveMinimum": true}}`:                 `with a "minimum" beside it`,
		`{"a": {"enum": [1, 1]}}`:                           "different values",
		`{"a-b": {}}`:                                       "letters, digits and underscores",
		`[]`:                                                "must be a map",
		`{"a": {"minLength": -1}}`:                          "integer from 0",
		`{"a": {"items": 5}}`:                               "a schema or a list of schemas",
		`{"a": {"anyOf": [{"foo": 1}]}}`:                    `anyOf: 0: "foo" is not allowed`,
	} {
		if _, err := Compile(nil, json.RawMessage(action)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", action, err, want)
		}
	}
	deep := strings.Repeat(`{"not":`, 60) + "{}" + strings.Repeat("}", 60)
	if _, err := Compile(nil, json.RawMessage(`{"a": `+deep+`}`)); err == nil {
		t.Error("60 levels of schema were accepted")
	}
}

func TestOutput(t *testing.T) {
	runner := `{"type": "object", "properties": {"result": {}, "code": {"type": "integer", "required": true}}}`
	action := `{"type": "object", "properties": {"t": {"type": "string", "secret": true}, "u": {"type": "integer"}}, "additionalProperties": false}`
	o, problems := CompileOutput("result", json.RawMessage(runner), json.RawMessage(action))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for result, want := range map[string]string{
		`{"code": 0, "result": {"t": "x", "u": 1}}`: "", `{}`: "", `{"result": {}}`: "code", `{"code": 0, "result": {"u": "x"}}`: "result.result: u: ", `{"code": 0}`: `output key "result"`, `{"code": 0, "result": {"z": 1}}`: "result.result",
	} {
		err := o.Validate(json.RawMessage(result))
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", result, err, want)
		}
	}
	if got := string(o.Mask(json.RawMessage(`{"result": {"t": "x", "u": 1}, "code": 0}`))); got != `{"result":{"t":"********","u":1},"code":0}` {
		t.Errorf("masked: %s", got)
	}
	old, problems := CompileOutput("result", nil, json.RawMessage(`{"t": {"type": "string", "secret": true}}`))
	if got := string(old.Mask(json.RawMessage(`{"result":{"t":"x"}}`))); got != `{"result":{"t":"********"}}` || len(problems) != 1 || old.Validate(json.RawMessage(`{"result": 5}`)) != nil {
		t.Errorf("the old form masks and checks nothing: %s, %v", got, problems)
	}
	if _, problems := CompileOutput("result", json.RawMessage(`{"type": "object", "foo": 1}`), nil); len(problems) != 1 {
		t.Errorf("a malformed schema is a warning: %v", problems)
	}
}

func benchSet(b *testing.B) (*Set, json.RawMessage, Scope) {
	b.Helper()
	schema, given := value.NewDict(20), value.NewDict(20)
	for i := range 20 {
		name := fmt.Sprintf("p%d", i)
		kind := []string{"string", "integer", "boolean", "array"}[i%4]
		schema.SetString(name, value.DictOf("type", kind, "description", "a parameter"))
		given.SetString(name, []any{"{{ trigger.body.alerts[0].labels.name }} on {{ action_context.user }}", "{{ trigger.body.n }}", "{{ trigger.body.n > 3 }}", value.NewList("{{p1}}", "x", int64(1))}[i%4])
	}
	raw, err := value.AppendJSON(nil, schema)
	if err != nil {
		b.Fatal(err)
	}
	g, err := value.AppendJSON(nil, given)
	if err != nil {
		b.Fatal(err)
	}
	trigger, err := value.ParseJSON([]byte(`{"body": {"n": 5, "alerts": [{"labels": {"name": "HighLoad"}}]}}`))
	if err != nil {
		b.Fatal(err)
	}
	return compile(b, `{"timeout": {"type": "integer", "default": 60}}`, string(raw)), g, Scope{ActionContext: value.DictOf("user", "ann", "pack", "p"), Extra: expression.Names{"trigger": trigger}}
}

func BenchmarkLive20(b *testing.B) {
	s, given, sc := benchSet(b)
	r := expression.New(expression.Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Live(context.Background(), r, given, sc); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFinal20(b *testing.B) {
	s, given, sc := benchSet(b)
	r := expression.New(expression.Options{})
	live, err := s.Live(context.Background(), r, given, sc)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.Final(context.Background(), r, live, sc); err != nil {
			b.Fatal(err)
		}
	}
}
