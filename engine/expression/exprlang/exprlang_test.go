package exprlang

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
)

const testNames = `{"trigger": {"n": 5, "f": 1.5, "none": null, "ok": true, "text": "héllo", "tags": ["a", "b"], "big": 12345678901234567890,
	"body": {"severity": "critical", "alerts": [{"labels": {"name": "disk"}, "value": 90}, {"labels": {"name": "cpu"}, "value": 10}]}}, "user": "ann", "list": [3, 1, 2]}`

func clock() time.Time { return time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC) }

func testEnv(tb testing.TB) Env {
	tb.Helper()
	v, err := value.ParseJSON([]byte(testNames))
	if err != nil {
		tb.Fatal(err)
	}
	names := Values{"go": map[string]any{"b": []any{1, "x"}}, "old": clock().Add(-time.Hour)}
	for k, e := range v.(*value.Dict).All() {
		names[k.(string)] = e
	}
	return Env{Names: names, Workflow: functions.Variables{Context: v.(*value.Dict)}, Patterns: &functions.Patterns{}, Now: clock}
}

func eval(tb testing.TB, source string) (any, error) {
	tb.Helper()
	p, err := Compile(source, nil)
	if err != nil {
		return nil, err
	}
	return p.Eval(context.Background(), testEnv(tb))
}

func TestExpressions(t *testing.T) {
	for source, want := range map[string]string{
		`trigger.body.severity in ["critical", "warning"]`: "True", `trigger.n + 1`: "6", `trigger.f * 2`: "3.0", `trigger.n / 2`: "2.5", `trigger.n == 5 and trigger.ok`: "True",
		`trigger.n in [4, 5]`: "True", `trigger.big == 12345678901234567890.0`: "False", `trigger.n == "5"`: "False", `trigger.ok == 1`: "False", `trigger.nope`: "None",
		`trigger?.none?.x.y`: "None", `trigger.none ?? "d"`: "'d'", `trigger["body"]["alerts"][-1].value`: "10", `trigger.tags == ["a", "b"]`: "True", `"n" in trigger`: "True", `"ell" in "hello"`: "True",
		`not ("z" in trigger.tags)`: "True", `"z" not in trigger.tags`: "True", `trigger.text[1]`: "'é'", `len(trigger.text)`: "5", `len(trigger.tags)`: "2", `len(trigger)`: "8", `trigger.tags + ["c"]`: "['a', 'b', 'c']",
		`"a" + trigger.text`: "'ahéllo'", `trigger.text startsWith "h"`: "True", `trigger.text matches "^h.l+o$"`: "True", `trigger.text contains "ll"`: "True",
		`any(trigger.body.alerts, .value > 50)`: "True", `filter(trigger.body.alerts, .value > 50)[0].labels.name`: "'disk'", `map(trigger.body.alerts, .labels.name)`: "['disk', 'cpu']",
		`trigger.body.alerts | map(.value) | sum()`: "100", `count(trigger.tags, # == "a")`: "1", `sort(list)`: "[1, 2, 3]", `max(list)`: "3", `list[1:]`: "[1, 2]", `first(list)`: "3", `reduce(list, #acc + #, 0)`: "6",
		`sortBy(trigger.body.alerts, .value)[0].labels.name`: "'cpu'", `groupBy(list, # > 1)[true]`: "[3, 2]", `groupBy(list, #)`: "{1: [1], 2: [2], 3: [3]}", `keys(trigger.body)`: "['severity', 'alerts']", `values({"a": 1})`: "[1]", `toPairs(trigger.body)[0][0]`: "'severity'",
		`string(trigger.tags) + string(1.0) + string(nil)`: "\"['a', 'b']1.0None\"", `toJSON(trigger.body.alerts[0])`: `'{"labels": {"name": "disk"}, "value": 90}'`, `fromJSON("{\"a\": [1]}").a`: "[1]",
		`join(trigger.tags, "-")`: "'a-b'", `replace("aab", "a", "x", 1)`: "'xab'", `repeat("ab", 2)`: "'abab'", `upper(user)`: "'ANN'", `trim(" x ")`: "'x'", `split("a,b", ",")`: "['a', 'b']", `int("5") + 1`: "6",
		`trigger.n > 3 ? "big" : "small"`: "'big'", `let n = trigger.n; n * n`: "25", `{"a": trigger.n, "b": trigger.tags}`: "{'a': 5, 'b': ['a', 'b']}", `go.b[0] + 1`: "2", `go.b`: "[1, 'x']", `1..3`: "[1, 2, 3]",
		`now() - old > duration("30m")`: "True", `type(trigger.tags)`: "'array'", `trigger.tags | join("+")`: "'a+b'", `get(trigger, "n")`: "5", `trigger.body.alerts[5]?.x`: "error: index 5 is out of range: the list has 2 items",
		`regex_match("job-7", "job")`: "True", `user | regex_search("n$")`: "True", `version_compare("1.2.0", "1.10.0")`: "-1", `to_json_string({"a": [1]})`: `'{"a": [1]}'`, `jsonpath_query(trigger, "body.alerts[*].value")`: "[90, 10]",
		`ctx().user`: "'ann'", `ctx("list")[0]`: "3", `zip([1, 2], ["a", "b"])`: "[[1, 'a'], [2, 'b']]", `basename("/a/b")`: "'b'", `ctx("nope")`: "error: The variable \"nope\" is undefined.",
		`trigger.none.x`: "error: member x of nil", `trigger.n.x`: "error: a number has no member x", `"a" + 1`: "error: text + a number", `trigger.tags.x`: "error: a list has no member x", `trigger.n and trigger.ok`: "error: a condition must be true or false, not a number",
		`1 in 5`: "error: nothing is in a number", `trigger.none + 1`: "error: nil + a number", `trigger.n > "a"`: "error: invalid operation: int > string", `join(5)`: "error: join() needs a list, not a number",
	} {
		got := ""
		if v, err := eval(t, source); err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("%s: %v is not an *Error", source, err)
				continue
			}
			got = "error: " + e.Msg
		} else {
			got = value.Repr(v)
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", source, got, want)
		}
	}
}

var ruleSchema = Schema{
	"trigger": Record(map[string]Shape{
		"body":  Record(map[string]Shape{"severity": Text(), "alerts": List(Record(map[string]Shape{"labels": Open(map[string]Shape{"name": Text()}), "value": Number()}))}),
		"n":     Integer(),
		"ok":    Flag(),
		"tags":  List(Text()),
		"other": Any(),
	}),
	"user": Text(),
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ source, want, caret string }{
		{`trigger.body.sevrity == "x"`, "unknown field sevrity (did you mean severity?)", "trigger.body.sevrity == \"x\"\n             ^"},
		{`tigger.n == 5`, "unknown name tigger (did you mean trigger?)", "tigger.n == 5\n^"},
		{`any(trigger.body.alerts, .valu > 5)`, "unknown field valu (did you mean value?)", "any(trigger.body.alerts, .valu > 5)\n                          ^"},
		{`trigger.n == "5"`, "invalid operation: == (mismatched types int and string)", "trigger.n == \"5\"\n          ^"},
		{`trigger.n contains "5"`, "invalid operation: contains (mismatched types int and string)", "trigger.n contains \"5\"\n          ^"},
		{`regex_mach(user, "x")`, "unknown function regex_mach (did you mean regex_match?)", "regex_mach(user, \"x\")\n^"},
		{`regex_match(user)`, "regex_match() does not take 1 arguments (it is written regex_match(value, pattern, ignorecase?))", "regex_match(user)\n^"},
		{`user.upper()`, "values have no methods (call functions: f(x))", "user.upper()\n     ^"},
		{`__run`, "__run cannot be used", "__run\n^"},
		{`$env`, "$env cannot be used", "$env\n^"},
		{`user ==`, "unexpected token EOF", "user ==\n      ^"},
	} {
		_, err := Compile(c.source, ruleSchema)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v, want an *Error", c.source, err)
			continue
		}
		if e.Summary() != c.want || e.Caret() != c.caret {
			t.Errorf("%s: got\n%s\n%s\nwant\n%s\n%s", c.source, e.Summary(), e.Caret(), c.want, c.caret)
		}
	}
	for _, source := range []string{
		`trigger.body.alerts[0].labels.anything == trigger.other.x.y`, `trigger.n > 1.5 and user startsWith "a"`, `any(trigger.tags, # == user) or ctx("x") == nil`,
		`map(trigger.body.alerts, .value)[0] > 5 ? user : "nobody"`, `let s = trigger.body.severity; s in ["critical"]`, `len(trigger.tags) > trigger.n`, `trigger.n / 2 == 1`,
	} {
		if _, err := Compile(source, ruleSchema); err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
	p, err := Compile("a + usr", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Eval(context.Background(), Env{Names: Values{"a": int64(1), "user": "ann"}})
	if want := "unknown name usr (did you mean user?)\n  a + usr\n      ^"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestBool(t *testing.T) {
	p, err := Compile(`user`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Bool(context.Background(), testEnv(t)); err == nil || !strings.Contains(err.Error(), "gives text") {
		t.Errorf("a condition that gives text: %v", err)
	}
	if p, err = Compile(`user == "ann"`, nil); err != nil {
		t.Fatal(err)
	}
	if ok, err := p.Bool(context.Background(), testEnv(t)); err != nil || !ok {
		t.Errorf("got %v, %v", ok, err)
	}
}

// TestLimits tries to use up time and memory.
func TestLimits(t *testing.T) {
	for _, source := range []string{
		`let a = 1..1000; count(a, {let b = #; count(a, {let c = #; count(a, # == b + c) > 0}) > 0})`, `reduce(1..1000, #acc + #acc, "x")`, `repeat("x", 10000000000)`,
		`reduce(1..1000, replace(#acc, "x", "xx"), "x")`, `reduce(1..1000, join([#acc, #acc], ","), "x")`, `reduce(1..1000, [#acc, #acc], "x") | toJSON()`, `1..10000000`,
		`reduce(1..1000, concat(#acc, #acc), [1])`, `reduce(1..100000, #acc + list, list)`, `map(1..1000, map(1..1000, map(1..1000, #)))`,
		`let s = repeat("x", 10000000); count(1..1000000, s contains "y")`, `let s = repeat("x", 10000000); count(1..1000000, upper(s) == "y")`,
		`let s = repeat("x", 10000000); count(1..1000000, s == s)`, strings.Repeat("(", 20_000) + "1", strings.Repeat("[", 3_000) + strings.Repeat("]", 3_000), strings.Repeat("1+", 3_000) + "1",
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		start := time.Now()
		p, err := Compile(source, nil)
		if err == nil {
			_, err = p.Eval(ctx, testEnv(t))
		}
		if err == nil {
			t.Errorf("%.90s: must fail", source)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%.90s: took %v: %v", source, took, err)
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p, err := Compile(`trigger.n == 1`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Eval(ctx, testEnv(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestConcurrency(t *testing.T) {
	p, err := Compile(`map(filter(trigger.body.alerts, .value > n), .labels.name)`, nil)
	if err != nil {
		t.Fatal(err)
	}
	env := testEnv(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			env := env
			names := Values{"trigger": env.Names.(Values)["trigger"], "n": int64(i * 20)}
			env.Names = names
			want := "['disk']"
			if i == 0 {
				want = "['disk', 'cpu']"
			} else if i > 4 {
				want = "[]"
			}
			for range 200 {
				if got, err := p.Eval(context.Background(), env); err != nil || value.Repr(got) != want {
					t.Errorf("got %s (%v), want %s", value.Repr(got), err, want)
					return
				}
			}
		})
	}
	group.Wait()
}

func FuzzExpr(f *testing.F) {
	for _, s := range []string{
		`trigger.body.severity in ["critical"]`, `map(filter(list, # > 1), {let x = #; x + 1})`, `trigger?.a?.b ?? {"x": 1..3}`, `reduce(list, #acc + #, 0) ** 2 % 3`, `groupBy(list, # > 1)[true][0:1]`,
		`user | upper() | split("") | join("-")`, `ctx().user matches "a+" and not (1 in list)`, `string(now()) + toJSON(trigger)`, `let a = list; sort(a + a)`, `zip(list, [1])[-1] == nil ? 1 : "x"`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := Compile(s, ruleSchema); err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%q: %T is not an *Error", s, err)
			}
		}
		p, err := Compile(s, nil)
		if err != nil {
			return
		}
		env := testEnv(t)
		env.Limits = Limits{Steps: 50_000, Memory: 4 << 20}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		v, err := p.Eval(ctx, env)
		if err == nil {
			_ = value.Repr(v)
		} else {
			_ = err.Error()
		}
	})
}

func BenchmarkEval(b *testing.B) {
	for name, source := range map[string]string{"in": `trigger.body.severity in ["critical"]`, "any": `any(trigger.body.alerts, .value > 50)`} {
		b.Run(name, func(b *testing.B) {
			p, err := Compile(source, nil)
			if err != nil {
				b.Fatal(err)
			}
			env := testEnv(b)
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := p.Bool(context.Background(), env); err != nil || !ok {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for name, schema := range map[string]Schema{"untyped": nil, "typed": ruleSchema} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(`trigger.body.severity in ["critical"]`, schema); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
