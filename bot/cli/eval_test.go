package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// runEval runs petrel eval; out is what it prints, or "error: " and its error.
func runEval(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	c := newEvalCommand(nil)
	c.SetArgs(args)
	c.SetIn(strings.NewReader(stdin))
	c.SetOut(&out)
	c.SetErr(&out)
	c.SilenceErrors = true
	if err := c.ExecuteContext(context.Background()); err != nil {
		return "error: " + err.Error()
	}
	return strings.TrimSuffix(out.String(), "\n")
}

func TestEval(t *testing.T) {
	file := filepath.Join(t.TempDir(), "context.yaml")
	if err := os.WriteFile(file, []byte("a: 5\nservers: [{host: x, cpu: 90}, {host: y, cpu: 5}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{``, []string{`[1, 2, 3].where($ > 1).sum()`}, `5`},
		{``, []string{`{b => 1.0, a => [null, true]}`}, `{"b":1.0,"a":[null,true]}`},
		{``, []string{`--context`, file, `ctx(servers).where($.cpu > 80).host`}, `["x"]`},
		{``, []string{`--context`, file, `a is <% ctx(a) %>`}, `"a is 5"`},
		{``, []string{`--context`, file, `<% ctx(a) %>`}, `5`},
		{`{"items": [1, 2]}`, []string{`--data`, `-`, `$.items.len()`}, `2`},
		{``, []string{`--lang`, `jinja`, `--context`, file, `{{ a }} {{ servers[0].host | upper }}`}, `"5 X"`},
		{``, []string{`--context`, file, `{{ a + 1 }}`}, `"6"`},
		{``, []string{`--lang`, `jinja`, `--context`, file, `servers | map(attribute='cpu') | list`}, `[90,5]`},
		{``, []string{`--context`, file, `{{ ctx('a') }}`}, `5`},
		{``, []string{`--lang`, `expr`, `--context`, file, `any(servers, .cpu > 80) and ctx().a == a`}, `true`},
		{``, []string{`--context`, file, `<%= ctx().a * 2 %>`}, `10`},
		{``, []string{`ctx(nope)`}, "error: The variable \"nope\" is undefined.\n  ctx(nope)\n  ^"},
		{``, []string{`1 + * 2`}, "error: Parse error: unexpected '*' at position 4 of expression '1 + * 2'\n  1 + * 2\n      ^"},
		{``, []string{`--lang`, `expr`, `a ==`}, "error: unexpected token EOF\n  a ==\n     ^"},
		{``, []string{`--lang`, `perl`, `1`}, `error: unknown language "perl": it is yaql, jinja or expr`},
		{``, []string{`--data`, `/no/such/file`, `1`}, `error: --data: open /no/such/file: no such file or directory`},
		{`[1]`, []string{`--context`, `-`, `1`}, `error: the context must be a map of names to values, not list`},
		{``, []string{}, `error: eval needs the expression`},
		{``, []string{`--batch`, `1`}, `error: eval takes no arguments, but got ["1"]`},
	} {
		if got := runEval(t, c.stdin, c.args...); got != c.want {
			t.Errorf("petrel eval %q: got\n%s\nwant\n%s", c.args, got, c.want)
		}
	}
}

func TestEvalBatch(t *testing.T) {
	in := []string{
		`{"lang": "yaql", "expr": "$ * 2", "data": 21}`,
		`{"lang": "yaql", "expr": "ctx().z + 1", "context": {"z": 1}}`,
		``,
		`{"lang": "jinja", "expr": "{{ x | upper }}!", "context": {"x": "a"}}`,
		`{"lang": "expr", "expr": "x + 1", "context": {"x": 1}}`,
		`{"expr": "nofunc()"}`,
		`{"lang": "yaql"}`,
		`[]`,
		`{`,
		`{"expr": "{z => 1, a => '\u00e9'}"}`,
	}
	want := []string{
		`{"value":42}`, `{"value":2}`, `{"value":"A!"}`, `{"value":2}`, `{"error":"Unknown function \"nofunc\"\n  nofunc()\n  ^"}`,
		`{"error":"\"expr\" must be a text"}`, `{"error":"not a JSON object {lang, expr, data?, context?} but list"}`,
	}
	got := strings.Split(runEval(t, strings.Join(in, "\n"), "--batch"), "\n")
	if len(got) != 9 {
		t.Fatalf("%d lines: %q", len(got), got)
	}
	for i, w := range want {
		if got[i] != w {
			t.Errorf("line %d: got %s, want %s", i, got[i], w)
		}
	}
	if !strings.HasPrefix(got[7], `{"error":"not a JSON object: `) || got[8] != `{"value":{"z":1,"a":"é"}}` {
		t.Errorf("the last lines are %q", got[7:])
	}
}
