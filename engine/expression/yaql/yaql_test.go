package yaql

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

// clock stands still.
func clock() time.Time { return time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC) }

const testContext = `{"name": "web", "servers": [{"host": "a", "cpu": 10}, {"host": "b", "cpu": 90}], "n": null,
	"d": {"x": {"y": [10, 20]}, "x-y": 5}, "__internal": 1, "text": "{\"k\": [1]}",
	"__current_item": {"host": "h1"}, "__current_task": {"id": "t1", "route": 0, "result": {"code": 200, "items": [1, 2]}},
	"__state": {"routes": [[]], "tasks": {"t1__r0": 0}, "sequence": [{"id": "t1", "route": 0, "status": "succeeded"}]}}`

func testEnv(tb testing.TB) Env {
	tb.Helper()
	v, err := value.ParseJSON([]byte(testContext))
	if err != nil {
		tb.Fatal(err)
	}
	return Env{
		Workflow: functions.Variables{Context: v.(*value.Dict)}, Patterns: &functions.Patterns{}, Now: clock,
		Vars: map[string]any{"seq": value.NewList(int64(1), int64(2))},
	}
}

func eval(tb testing.TB, expr string, env Env) (any, error) {
	tb.Helper()
	p, err := Compile(expr)
	if err != nil {
		return nil, err
	}
	return p.Eval(context.Background(), env)
}

func TestLanguage(t *testing.T) {
	for expr, want := range map[string]string{
		// words, variables, precedence
		"env in [prod, env]": "True", "2 + 3 * 2 = 8 and not false": "True", "-7 mod 4": "1", "-9 / 2": "-5", "- - 2": "2", "2 - -3": "5",
		"1 = not 2 = 3": "True", "not x in y": "True", "$seq.sum() * 2": "6", "$nothing": "None", "a+b+c": "'abc'", "'a\\tb\\x41\\u00e9\\q'": "'a\\tbAé\\\\q'",
		"let(k => 2) -> [1, 3].select($ * $k)": "[2, 6]", "let(1, 2) -> $1 + $2": "3", "let(a => 1) -> let(b => $a + 1) -> $a + $b": "3",
		"def(dbl, $ * 2) -> dbl(dbl(3))": "12", "def(f, $a - $b) -> f(b => 1, a => 5)": "4", "[8, 3].unpack(p, q) -> $p - $q": "5",
		"12345678901234567890 + 1": "12345678901234567891", "9223372036854775807 + 1": "9223372036854775808", "1.50": "1.5",
		// members and indexes
		"[{a => [1]}, {a => []}].a": "[[1], []]", "{p => 1}?.p": "1", "null?.x.y.z()": "error: Unknown function \"#property#y\"",
		"{a => {b => c}}['a']['b']": "'c'", "[[1, 2], [3]][0][-1]": "2", "{a => 1}[b, 7]": "7", "null?.x": "None", "{'x-y' => 5}['x-y']": "5",
		// maps, sets, views
		"{y => 1, x => 2}.items().toList()": "[['y', 1], ['x', 2]]", "{y => 1}.set(z => 2)": "{'y': 1, 'z': 2}", "{y => 1}.keys()": "['y']",
		"{{a => 1} => b}.keys().first().a": "1", "str({{a => 1} => range(2)})": "\"{{'a': 1}: (0, 1)}\"", "{[1] => b}": "error: a map in a result cannot have the key (1,)",
		"set({a => 1, b => [2]}).contains({b => [2], a => 1.0})": "True", "[1, 2].slice(0)": "[]", "[{}].orderBy($.a)": "[{}]", "{[1, 2] => b}[[1, 2]]": "'b'", "set([1], [1], {a => 1}, {a => 1}).len()": "2",
		"{y => 1, z => 2}.delete(y)": "{'z': 2}", "dict([[g, 7]])": "{'g': 7}", "set(1, 2).intersect(set(2)).toList()": "[2]",
		"{p => {q => [1]}}.mergeWith({p => {q => [1, 2]}})": "{'p': {'q': [1, 2]}}", "{a => 1}.keys() + {b => 1}.keys()": "['a', 'b']",
		// sequences
		"[4, 7].where($ mod 2 = 1).select($ + 1)": "[8]", "range(2, 8, 3)": "[2, 5]", "range(5, 0, -2)": "[5, 3, 1]", "[1, 2, 3].accumulate($1 * 10 + $2)": "[1, 12, 123]",
		"let(x => range(3)) -> $x.sum() + $x.len()": "6", "sequence().where($ mod 7 = 3).take(2)": "[3, 10]", "sequence(1, 2).takeWhile($ < 6)": "[1, 3, 5]",
		"[a, b].zip(sequence())": "[['a', 0], ['b', 1]]", "[a, b, c].slice(2)": "[['a', 'b'], ['c']]", "x.repeat(2)": "['x', 'x']",
		"[[1, 2], [3]].selectMany($).reverse()": "[3, 2, 1]", "[{n => 2}, {n => 1}].orderBy($.n).n": "[1, 2]", "[3, 4, 5].groupBy($ mod 2)": "[[1, [3, 5]], [0, [4]]]",
		"[{a => 1, b => 2}, {a => 1, b => 1}].orderBy($.a).thenByDescending(-$.b).b": "[1, 2]", "[1, 2].memorize().len()": "2",
		"let(m => [1, 2].select($ * 2).memorize()) -> $m.first() + $m.sum()": "8", "[1, 2].concat([3]).skip(1)": "[2, 3]",
		"[1, [2, [3]]].flatten().any($ > 2)": "True", "[].last(none)": "'none'", "selectCase(1 > 2, 3 > 2).switchCase(lo, hi)": "'hi'",
		"switch(2 < 1 => no, true => yes)": "'yes'", "coalesce(null, '', x)": "''", "call(max, [4, 9], {})": "9", "[1, 2].join([2, 3], $1 = $2, $1 * 10)": "[20]",
		"[[], [1]].select($.first(0))": "[0, 1]", "generateMany(1, switch($ < 3 => [$ * 2, $ * 2 + 1]), depthFirst => true)": "error: null is not a sequence",
		"generateMany(1, switch($ < 3 => [$ * 2, $ * 2 + 1], true => []), depthFirst => true)": "[1, 2, 4, 5, 3]",
		// text, numbers, conversion
		"str([1, true])": "'(1, True)'", "str({a => [1]})": "\"{'a': (1,)}\"", "str(null)": "'null'", "str(range(2))": "'(0, 1)'", "int('12') + int(null)": "12", "round(3.5)": "4.0", "round(25, -1)": "20",
		"round(-15, -1)": "-20", "'k:v:w'.split(':', 1)": "['k', 'v:w']", "'a.b.c'.replace('.', '/', 1)": "'a/b.c'", "[1, null, true].join('+')": "'1+null+true'", "'xyx'.lastIndexOf(x)": "2",
		"'v12' =~ '[0-9]{2}$'": "True", "regex('[0-9]').searchAll('a1b2')": "['1', '2']", "regex('(?P<n>[0-9])').search('a1', $n.value + $2.value)": "'11'",
		"regex('(a)|(b)').split('xay')": "['x', 'a', None, 'y']", "'aXb'.split(regex(x, ignoreCase => true))": "['a', 'b']", "pow(2, 5, 7)": "4", "hex(-42)": "'-0x2a'", "isEmpty(' ')": "True",
		// dates
		"timespan(hours => 6).days": "0.25", "datetime(2024, 2, 28).replace(day => 1).format('%d/%m')": "'01/02'", "datetime('2024-05-06T07:08:09Z').hour": "7",
		"now() - datetime(2024, 5, 6) > timespan(hours => 7)": "True", "str(now())": "'2024-05-06 07:08:09.123456+00:00'", "str(timespan(days => -1, minutes => 1))": "'-1 day, 0:01:00'",
		"str(timespan(days => 2, microseconds => 5))": "'2 days, 0:00:00.000005'", "datetime(86400.5).timestamp": "86400.5", "datetime('05/04/2021', '%d/%m/%Y').month": "4",
		"(datetime(2024, 3, 1) - timespan(days => 1)).day": "29", "datetime(2024, 1, 1, offset => timespan(hours => 2)).utc.day": "31", "datetime(2024, 1, 1).weekday": "0",
		// StackStorm's and Orquesta's functions
		"ctx().name": "'web'", "ctx(name)": "'web'", "ctx('name')": "'web'", "ctx().servers.where($.cpu > 50).host": "['b']", "ctx().get(zz, 1)": "1", "ctx().d.x.y[0]": "10",
		"ctx().containsKey('__internal')": "False", "item(host)": "'h1'", "result().code = 200 and succeeded()": "True", "task_status(t1)": "'succeeded'", "task_status(taskId => t9)": "'null'",
		"task(t1).result.code": "200", "json(ctx(text)).k": "[1]", "to_json_string({b => [1], a => 2}, sortKeys => true)": "'{\"a\": 2,\"b\": [1]}'", "zip([1, 2], [3], pad => 0)": "[[1, 3], [2, 0]]",
		"regex_substring('id 42 43', '[0-9]+', resultIndex => 1)": "'43'", "regex_substring('k=v', '(.)=(.)')": "['k', 'v']", "jsonpath_query(ctx(servers), '[*].host')": "['a', 'b']",
		"to_yaml_string([1].select({a => $}))": "'- a: 1\\n'", "version_match('1.2.3', '>=1.2.0')": "True", "basename('/a/b')": "'b'",
	} {
		got := ""
		if v, err := eval(t, expr, testEnv(t)); err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("%s: %v is not an *Error", expr, err)
				continue
			}
			got = "error: " + e.Msg
		} else {
			got = value.Repr(v)
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ expr, want, caret string }{
		{"ctx().nmae", "Unable to resolve key 'nmae' (did you mean name?)", "ctx().nmae\n      ^"},
		{"ctx(nmae)", "The variable \"nmae\" is undefined. (did you mean name?)", "ctx(nmae)\n^"},
		{"ctx(__internal)", "Lexical error: illegal character '_' at position 4 (words that begin with two underscores must be quoted: .get('__x'))", "ctx(__internal)\n    ^"},
		{"ctx('__internal')", "The variable \"__internal\" is for internal use and inaccessible.", "ctx('__internal')\n^"},
		{"1 + selct(2)", "Unknown function \"selct\"", "1 + selct(2)\n    ^"},
		{"selectCas(2)", "Unknown function \"selectCas\" (did you mean selectCase?)", "selectCas(2)\n^"},
		{"[1].selct($)", "Unknown method \"selct\" for receiver (1,) (did you mean select?)", "[1].selct($)\n    ^"},
		{"toUpper(x)", "Unknown function \"toUpper\" (it is a method: x.toUpper(...))", "toUpper(x)\n^"},
		{"1.abs()", "Unknown method \"abs\" for receiver 1 (it is a function: abs(x, ...))", "1.abs()\n  ^"},
		{"not(true)", "Unknown function \"not\" (put a blank between not and the parenthesis)", "not(true)\n^"},
		{"range(a)", "No function \"range\" matches supplied arguments (it is written range(stop) or range(start, stop, step => 1))", "range(a)\n^"},
		{"'a'.substring(b)", "No method \"substring\" for receiver a matches supplied arguments (it is written string.substring(start, length => -1))", "'a'.substring(b)\n    ^"},
		{"ctx(n).x", "Unknown function \"#property#x\" (the value left of .x is null; ?.x would give null)", "ctx(n).x\n       ^"},
		{"ctx(n).len()", "No method \"len\" for receiver null matches supplied arguments (the value left of .len is null; ?.len would give null)", "ctx(n).len()\n       ^"},
		{"1 +", "Parse error: unexpected end of statement", "1 +\n   ^"},
		{"a b", "Parse error: unexpected 'b' at position 2 of expression 'a b' (quote text of several words)", "a b\n  ^"},
		{"1 == 2", "Parse error: unexpected '=' at position 3 of expression '1 == 2'", "1 == 2\n   ^"},
		{"a && b", "Lexical error: illegal character '&' at position 2 (write and)", "a && b\n  ^"},
		{"'a", "Lexical error: illegal character ''' at position 0 (the quotation is not closed)", "'a\n^"},
		{"$.'a'", "No function \"#operator_.\" matches supplied arguments (after a dot comes a word or a method; write x['key'] or x.get('key'))", "$.'a'\n ^"},
		{"'a' + 1", "No function \"#operator_+\" matches supplied arguments (a + 1: convert one with str() or int())", "'a' + 1\n    ^"},
		{"x in {x => 1}", "No function \"#operator_in\" matches supplied arguments (use map.containsKey(key))", "x in {x => 1}\n  ^"},
		{"[1].select($)[0]", "No function \"#indexer\" matches supplied arguments (a sequence has no index; write .toList()[n], .first() or .skip(n).first())", "[1].select($)[0]\n             ^"},
		{"[1][5]", "list index 5 is out of range (the list has 1 items)", "[1][5]\n   ^"},
		{"1 / 0", "division by zero", "1 / 0\n  ^"},
		{"let(a => 1)", "let(), with(), def() and unpack() give nothing by themselves (go on with -> expression)", "let(a => 1)\n^"},
		{"[].first()", "first() of an empty sequence (first(null) gives null for it)", "[].first()\n   ^"},
		{"regex_match(a)", "No function \"regex_match\" matches supplied arguments (regex_match() misses its argument pattern)", "regex_match(a)\n^"},
		{"to_json_string(1, sort_keys => true)", "No function \"to_json_string\" matches supplied arguments (to_json_string() has no parameter sort_keys (it has value, indent, sortKeys, separators))", "to_json_string(1, sort_keys => true)\n^"},
		{"'é' + f()", "Unknown function \"f\"", "'é' + f()\n      ^"},
		{"[3].select($ + a)", "No function \"#operator_+\" matches supplied arguments (3 + a: convert one with str() or int())", "[3].select($ + a)\n             ^"},
	} {
		_, err := eval(t, c.expr, testEnv(t))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v, want an *Error", c.expr, err)
			continue
		}
		if e.Summary() != c.want || e.Caret() != c.caret {
			t.Errorf("%s: got\n%s\n%s\nwant\n%s\n%s", c.expr, e.Summary(), e.Caret(), c.want, c.caret)
		}
	}
}

// TestLimits tries to use up time, memory and stack.
func TestLimits(t *testing.T) {
	for _, expr := range []string{
		"sequence().toList()", "sequence().where(false).first()", "1.repeat().len()", "[1].cycle().sum()", "def(f, f($)) -> f(1)",
		"x * 1000000000000", "[1] * 1000000000000", "range(1000000).select(range(1000000)).flatten().sum()", "sequence().orderBy($)",
		"let(s => aaaaaaaaaaaaaaaaaaaa * 100000) -> range(1000).select($s + $s).len() + sequence().select($s + $s).last()",
		"generate(x, true, $ + $).last()", "generateMany(1, [1, 1]).last()", "pow(9, 999999999)", "shiftBitsLeft(1, 99999999999)", "'' * 99999999999 + x * 99999999999",
		strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300), strings.Repeat("-", 300) + "$", strings.Repeat("not ", 300) + "$",
		strings.Repeat("f(", 300) + strings.Repeat(")", 300), "1" + strings.Repeat(" + 1", 20_000), "(aaaa * 100).replace('', zzzzzzzz * 1000000)",
		"regex('(a+)+$').matches(a * 40 + b)", "let(x => [1]) -> generate([1], true, [$, $]).last()",
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		start := time.Now()
		p, err := Compile(expr)
		if err == nil {
			_, err = p.Eval(ctx, testEnv(t))
		}
		if err == nil {
			t.Errorf("%.80s: must fail", expr)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%.80s: took %v: %v", expr, took, err)
		}
		cancel()
	}
}

func TestDeadline(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p, err := Compile("sequence().where(false).first()")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Eval(ctx, Env{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// TestConcurrency evaluates one program many times at once.
func TestConcurrency(t *testing.T) {
	p, err := Compile("let(k => $) -> ctx().servers.where($.cpu > $k).orderBy(-$.cpu).host")
	if err != nil {
		t.Fatal(err)
	}
	env := testEnv(t)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			env := env
			env.Data = int64(i * 10)
			want := "['b', 'a']"
			if i > 0 {
				want = "['b']"
			}
			for range 200 {
				got, err := p.Eval(context.Background(), env)
				if err != nil || value.Repr(got) != want {
					t.Errorf("got %s (%v), want %s", value.Repr(got), err, want)
					return
				}
			}
		})
	}
	group.Wait()
}

// TestDataStays checks that evaluation never changes what it is given.
func TestDataStays(t *testing.T) {
	env := testEnv(t)
	all := env.Workflow.Variables()
	before := value.Repr(all)
	for _, expr := range []string{
		"ctx().servers + [1]", "ctx().set(name => x)", "ctx().d.mergeWith({x => {y => [30]}})", "ctx(servers).insert(0, 1)", "ctx(servers).append(1)",
		"ctx(servers).groupBy($.host)", "ctx(d).delete(x)", "ctx(servers).reverse()", "ctx(servers).orderBy(-$.cpu)", "[ctx(d), range(3)]", "{a => ctx(servers), b => range(2)}",
	} {
		if _, err := eval(t, expr, env); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
		if after := value.Repr(all); after != before {
			t.Fatalf("%s changed its data:\n%s\n%s", expr, before, after)
		}
	}
}

func FuzzYAQL(f *testing.F) {
	for _, s := range []string{
		"ctx().a.b[0]", "let(k => 2) -> [1, 3].select($ * $k)", "def(f, $ * 2) -> f(f(3))", "switch(1 < 2 => a, true => b)", "$.where($.x > 1).orderBy($.y).thenBy($.z)",
		"[1, 2].groupBy($ mod 2, $, $.sum())", "'a'.replace({a => b})", "regex('(?P<n>a)').replaceBy('aa', $n.value)", "f(, 1, , a => 2)", "{a => [1, {b => null}]}?.a[0, d]",
		"datetime('2024-05-06').format('%c') + str(timespan(days => 1))", "sequence().zip([1, 2]).toDict($[0], $[1])", "[1] * 3 + set(1, 2).toList()", "`a\\``", "-1.5 mod 3 =~ '\\x41'",
		"call(len, [[1, 2]], {})", "[3, 1].unpack(a, b) -> $a - $b", "to_yaml_string({a => 1})", "generateMany(1, [$ + 1].where($ < 5))", "characters(digits => true).join(',')",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Compile(s)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%q: %T is not an *Error", s, err)
			}
			_ = e.Caret()
			return
		}
		env := testEnv(t)
		env.Data = value.NewList(value.DictOf("x", int64(1), "y", "b"), value.DictOf("x", 2.5, "y", nil))
		env.Limits = Limits{Steps: 20_000, Items: 5_000, Memory: 8 << 20, Depth: 100}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		v, err := p.Eval(ctx, env)
		if err != nil {
			var e *Error
			if errors.As(err, &e) {
				_ = e.Caret()
			}
			return
		}
		_ = value.Repr(v)
		_ = value.ToGo(v)
	})
}

func BenchmarkEval(b *testing.B) {
	doc, err := value.ParseJSON([]byte(`{"a": {"b": [1, 2, 3]}, "servers": [{"host": "a", "cpu": 10}, {"host": "b", "cpu": 90}], "status": "ok"}`))
	if err != nil {
		b.Fatal(err)
	}
	env := Env{Workflow: functions.Variables{Context: doc.(*value.Dict)}}
	for name, expr := range map[string]string{
		"path": "ctx().a.b[0]", "compare": "ctx(status) = ok and ctx().a.b.len() > 2", "query": "ctx().servers.where($.cpu > 50).select($.host)",
	} {
		b.Run(name, func(b *testing.B) {
			p, err := Compile(expr)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Eval(context.Background(), env); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for name, expr := range map[string]string{"path": "ctx().a.b[0]", "query": "ctx().servers.where($.cpu > 50).select($.host)"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(expr); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
