package expression

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"petrel/engine/expression/exprlang"
	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
	"petrel/engine/expression/yaql"
)

const mixedContext = `{"a": 5, "name": "web", "l": [1], "n": null, "e": "<% ctx(a) %>", "j": "{{ ctx('a') }}", "x": "<%= 1 + 1 %>",
	"st2": {"user": "ann"}, "__current_item": {"host": "h1"}, "__current_task": {"id": "t1", "route": 0, "result": {"code": 200}}}`

func mixedScope(t testing.TB) OrquestaScope {
	t.Helper()
	return OrquestaScope{Workflow: functions.Variables{Context: parse(t, []byte(mixedContext)).(*value.Dict)}}
}

// TestMixedLanguages checks which language a workflow value is evaluated with, and what comes out.
func TestMixedLanguages(t *testing.T) {
	r := New(Options{Datastore: items{"system:k.x": "sys", "ann:mine": "enc:secret"}})
	for template, want := range map[string]string{
		`"<% ctx(a) %>"`: `5`, `"a: <% ctx(l) %>"`: `'a: [1]'`, `"<% ctx(n) %>-<% ctx(n) %>"`: `'None-None'`, `" <% 3 %>"`: `' 3'`, `"<% ctx(l) %>"`: `[1]`,
		`"<%= ctx().a + 1 %>"`: `6`, `"n=<%= ctx('a') %>"`: `'n=5'`, `"<% ctx(a) %>/<%= ctx('a') * 2 %>"`: `'5/10'`, `"<%= ctx().name in ['web', 'db'] ? 'yes' : 'no' %>"`: `'yes'`,
		`"{{ ctx('a') }}"`: `5`, `"{{ ctx('a') }} <% ctx(a) %>"`: `'5 <% ctx(a) %>'`, `"{% if ctx('a') > 3 %}big{% endif %}"`: `'big'`,
		`"<% ctx(e) %>"`: `5`, `"<% ctx(j) %>"`: `"{{ ctx('a') }}"`, `"{{ ctx('e') }}"`: `'<% ctx(a) %>'`, `"<% ctx(x) %>"`: `2`,
		`"<% ctx(a)\n %>"`: `'<% ctx(a)\n %>'`, `"<% result().code = 200 %>"`: `True`, `"<%= result().code == 200 && item('host') == 'h1' %>"`: `True`,
		`{"<% ctx(name) %>": ["<% ctx(a) %>", {"k": "<%= ctx().l[0] %>"}]}`: `{'web': [5, {'k': 1}]}`,
		`"<% st2kv('system.k.x') %>"`:                                       `'sys'`, `"<%= st2kv('system.k.x') %>"`: `'sys'`, `"<% st2kv(mine, decrypt => true) %>"`: `'secret'`, `"<%= st2kv('no', false, nil) %>"`: `None`,
		`"<% st2kv('system.no', default => null) %>"`: `None`, `5`: `5`, `"100% > 5 <b>"`: `'100% > 5 <b>'`, `"<% str(ctx().l.select($ + 1)) %>"`: `'(2,)'`,
	} {
		got, err := r.Orquesta(context.Background(), parse(t, []byte(template)), mixedScope(t))
		if err != nil {
			t.Errorf("%s: %v", template, err)
		} else if value.Repr(got) != want {
			t.Errorf("%s: got %s, want %s", template, value.Repr(got), want)
		}
	}
}

func TestLanguageErrors(t *testing.T) {
	r := New(Options{})
	for template, parts := range map[string][]string{
		`<% ctx(nmae) %>`:           {"Unable to evaluate expression '<% ctx(nmae) %>'", `"nmae" is undefined`, "did you mean name?", "\n  ctx(nmae)\n  ^"},
		`x <%= ctx().a + "1" %>`:    {"'<%= ctx().a + \"1\" %>'", "a number + text", "\n          ^"},
		`<%= a %>`:                  {"unknown name a"},
		`<% %>`:                     {"unexpected end of statement"},
		`<% $.x %>`:                 {"#property#x"},
		`<% sequence().toList() %>`: {"more than"},
	} {
		_, err := r.Orquesta(context.Background(), template, mixedScope(t))
		for _, part := range parts {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s: got %v, want %q in it", template, err, part)
			}
		}
	}
	var e *yaql.Error
	if _, err := r.Orquesta(context.Background(), "<% 1 + %>", mixedScope(t)); !errors.As(err, &e) || e.Kind != yaql.Grammar {
		t.Errorf("the cause is not to be found in %v", err)
	}
	for text, lang := range map[string]string{"<% 1 + %>": YAQL, "<%= 1 + %>": Expr, "<%= nofunc() %>": Expr, "{{ 1 + }}": Jinja} {
		if found := r.Inspect(text); len(found) != 1 || found[0].Language != lang {
			t.Errorf("Inspect(%s) gives %v", text, found)
		}
	}
	if found := r.Inspect("<% ctx(a).where($ > 1) %> <%= ctx().a > 1 %>"); len(found) != 0 {
		t.Errorf("Inspect finds %v in expressions that are right", found)
	}
}

func TestCondition(t *testing.T) {
	r := New(Options{Datastore: items{"system:team.lead": "ann", "bob:k": "v"}}).WithUser("bob")
	names := Names{"trigger": map[string]any{"body": map[string]any{"severity": "critical", "n": 3}}, "user": "ann"}
	for source, want := range map[string]bool{
		`trigger.body.severity in ["critical"]`: true, `trigger.body.n > 5`: false, `user == st2kv.system.team.lead`: true, `st2kv.user.k == "v"`: true,
		`st2kv.system.nothing == ""`: true, `regex_match(user, "a")`: true, `trigger.body.nope == nil`: true,
	} {
		if got, err := r.Condition(context.Background(), source, names); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", source, got, err, want)
		}
	}
	for source, part := range map[string]string{`usr == "x"`: "did you mean user?", `user`: "gives text", `ctx().x == 1`: "only in workflows", `user ==`: "unexpected token"} {
		if _, err := r.Condition(context.Background(), source, names); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: got %v, want %q in it", source, err, part)
		}
	}
	if v, err := r.Expr(context.Background(), `trigger.body.n * 2`, names); err != nil || v != int64(6) {
		t.Errorf("Expr gives %v, %v", v, err)
	}
	if err := r.CheckExpr(`trigger.bdy == 1`, exprlang.Schema{"trigger": exprlang.Record(map[string]exprlang.Shape{"body": exprlang.Any()})}); err == nil || !strings.Contains(err.Error(), "did you mean body?") {
		t.Errorf("a misspelt field: %v", err)
	}
}

// TestYAQLTemplates runs the cases of texts with <% %>.
func TestYAQLTemplates(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("yaql", "testdata", "conformance.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	r, rows := New(Options{}), 0
	for line := range strings.Lines(string(b)) {
		var c struct {
			Expr, Mode   string
			Vars, Expect json.RawMessage
			Error        bool
		}
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		if c.Mode != "template" {
			continue
		}
		rows++
		got, err := r.Orquesta(context.Background(), c.Expr, OrquestaScope{functions.Variables{Context: parse(t, c.Vars).(*value.Dict)}})
		if c.Error != (err != nil) || err == nil && value.Repr(got) != value.Repr(parse(t, c.Expect)) {
			t.Errorf("%s: got %s (%v), want %s", c.Expr, value.Repr(got), err, c.Expect)
		}
	}
	if rows < 10 {
		t.Errorf("only %d cases", rows)
	}
}

func BenchmarkOrquestaYAQL(b *testing.B) {
	r := New(Options{})
	scope := OrquestaScope{Workflow: functions.Variables{Context: parse(b, []byte(`{"a": {"b": [1, 2]}}`)).(*value.Dict)}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Orquesta(context.Background(), "<% ctx().a.b[0] %>", scope); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCondition(b *testing.B) {
	r := New(Options{})
	names := Names{"trigger": parse(b, []byte(`{"body": {"severity": "critical"}}`))}
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := r.Condition(context.Background(), `trigger.body.severity in ["critical"]`, names); err != nil || !ok {
			b.Fatal(ok, err)
		}
	}
}
