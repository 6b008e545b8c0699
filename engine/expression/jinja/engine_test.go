package jinja

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"petrel/engine/expression/value"
)

func render(t testing.TB, env *Env, src string, names Names) (string, error) {
	t.Helper()
	tmpl, err := env.Compile(src)
	if err != nil {
		return "", err
	}
	return tmpl.Render(context.Background(), names, false)
}

func TestErrorsShowThePlace(t *testing.T) {
	ctx := names(t, []byte(`{"trigger": {"body": {"severity": 1}}, "names": ["a"]}`))
	for src, want := range map[string]string{
		"{{ triger.body }}":             "UndefinedError: 'triger' is undefined; did you mean 'trigger'? (line 1, column 4)\n  {{ triger.body }}\n     ^",
		"a\nb {{ trigger.bdy.x }}":      "UndefinedError: 'dict object' has no attribute 'bdy'; did you mean 'body'? (line 2, column 14)\n  b {{ trigger.bdy.x }}\n               ^",
		"{{ names | uper }}":            "TemplateAssertionError: no filter named 'uper'; did you mean 'upper'? (line 1, column 12)",
		"{{ 1 is evn }}":                "no test named 'evn'; did you mean 'even'?",
		"{% fro x in names %}":          "encountered unknown tag 'fro'; did you mean 'for'? (line 1, column 4)",
		"{{ names | join(sep=',') }}":   "join() got an unexpected keyword argument 'sep'",
		"{% if names %}x":               "the block still waits for 'endif'",
		"{{ 'a' + 1 }}":                 `RuntimeError: can only concatenate str (not "int") to str (line 1, column 8)`,
		"é {{ names[3] }}":              "list object has no element 3 (line 1, column 11)",
		"{{ ''.__class__ }}":            "SecurityError: access to attribute '__class__' of 'str' object is unsafe",
		"{{ names.apend(1) }}":          "did you mean 'append'?",
		"{% include 'x' %}":             "'include' is not available",
		"{{ trigger.body.severity() }}": "'int' object is not callable",
		"{{ [1, 2 }}":                   "unexpected '}', expected ']'",
	} {
		_, err := render(t, newEnv(), src, ctx)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n%v\nwant\n%s", src, err, want)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, src := range []string{
		"{{ 'x' * 10**9 }}", "{{ [0] * 10**9 }}", "{{ 10 ** (10 ** 10) }}", "{{ range(10**6) }}", "{{ 'a'.ljust(10**12) }}", "{{ 'a'|center(10**12) }}", "{{ '%999999999d' % 1 }}", "{{ '{:999999999}'.format(1) }}",
		"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
		"{% set ns = namespace(s='x') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
		"{% set ns = namespace(s=['x']) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
		"{% set ns = namespace(s=['x']) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|tojson }}",
		"{% set ns = namespace(s=['x']) %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|pprint }}",
		"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% macro m(n) %}{% for i in range(2) %}{{ m(n) }}{% endfor %}{% endmacro %}{{ m(1) }}",
		"{% set l = [1] %}{% for i in l %}{% set _ = l.append(i) %}{% endfor %}",
		"{% set ns = namespace(n=3) %}{% for i in range(99) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
		"{{ ('x' * 10**6)|replace('', 'y' * 10**6) }}", "{{ 'x' * 10**7 ~ 'y' * 10**7 }}", "{{ ('a,' * 10**6).split(',') }}{{ ('a,' * 10**6).split(',') }}{{ ('a,' * 10**6).split(',') }}{{ ('a,' * 10**6).split(',') }}",
		"{{ '\\n'|indent(10**9) }}", "{{ lipsum(n=10**9) }}", "{{ [1]|batch(10**12, 0)|list }}", "{{ [1]|slice(10**12, 0)|list }}", "{{ '\t'.expandtabs(10**12) }}", "{{ 1|round(10**12) }}{{ range(10**6) }}",
	} {
		out, err := render(t, newEnv(), src, nil) // a hang ends in the time limit of the tests
		if err == nil {
			t.Errorf("%s gave %d bytes", src, len(out))
		}
	}
	deep := strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000)
	if _, err := newEnv().Compile("{{ " + deep + " }}"); err == nil {
		t.Error("5000 brackets were parsed")
	}
	if _, err := newEnv().Compile(strings.Repeat("{% if 1 %}", 5000)); err == nil {
		t.Error("5000 blocks were parsed")
	}
}

func TestDeadline(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	tmpl, err := newEnv().Compile("{% for a in range(99999) %}{{ a }}{% endfor %}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tmpl.Render(ctx, nil, false); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled evaluation gave %v", err)
	}
}

func TestUndeclared(t *testing.T) {
	for src, want := range map[string]string{
		"{{ a.b + c[d] }}":       "a c d",
		"{{ range(n) }}":         "n",
		"{% set x = y %}{{ x }}": "y",
		"{% for i in l if i > m %}{{ i }}{{ loop.index }}{{ o }}{% endfor %}{{ i }}": "i l m o",
		"{% if c %}{% set x = 1 %}{% endif %}{{ x }}":                                "c x",
		"{% if c %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x }}":       "c",
		"{% macro m(a, b=q) %}{{ a }}{{ z }}{% endmacro %}{{ m(1) }}":                "q z",
		"{% with a = b %}{{ a }}{% endwith %}{{ a }}":                                "a b",
		"{{ x | default(y) }}{{ s is eq t }}":                                        "s t x y",
		"plain {% raw %}{{ no }}{% endraw %}":                                        "",
		"{{ (a if b) ~ [c, {d: e}] ~ f(g, h=i, *j, **k)[l:m] }}":                     "a b c d e f g h i j k l m",
	} {
		if want == "a b c d e f g h i j k l m" {
			want = "a b c d e f g i j k l m"
		}
		tmpl, err := newEnv().Compile(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
			continue
		}
		if got := strings.Join(tmpl.Undeclared(), " "); got != want {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
	}
}

func TestConcurrentEvaluation(t *testing.T) {
	tmpl, err := newEnv().Compile("{% macro m(x) %}<{{ x }}>{% endmacro %}{% set ns = namespace(t=0) %}{% for i in l|sort %}{% set ns.t = ns.t + i %}{{ m(i) }}{{ loop.cycle('a', 'b') }}{% endfor %}{{ ns.t }}{% filter upper %}x{% endfilter %}")
	if err != nil {
		t.Fatal(err)
	}
	ctx := names(t, []byte(`{"l": [3, 1, 2]}`))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				out, err := tmpl.Render(context.Background(), ctx, false)
				if err != nil || out != "<1>a<2>b<3>a6X" {
					t.Errorf("%q, %v", out, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestExpressionValues(t *testing.T) {
	ctx := names(t, []byte(`{"d": {"a": [1, 2.5, null]}}`))
	for src, want := range map[string]string{
		"d.a": "[1, 2.5, None]", "d.a | map('string')": "['1', '2.5', 'None']", "d.keys()": "['a']", "range(2)": "[0, 1]", "'x'|e": "'x'", "1, 2": "(1, 2)", "{'a': 1}": "{'a': 1}",
	} {
		x, err := newEnv().CompileExpression(src)
		if err != nil {
			t.Fatal(err)
		}
		v, err := x.Eval(context.Background(), ctx)
		if err != nil || value.Repr(v) != want {
			t.Errorf("%s = %s (%v), want %s", src, value.Repr(v), err, want)
		}
	}
	x, err := newEnv().CompileExpression("d.zz")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Eval(context.Background(), ctx); !errors.Is(err, ErrUndefined) {
		t.Errorf("an undefined value gave %v", err)
	}
	for _, src := range []string{"", "a b", "1 }} {{ 2", "{{ a }}"} {
		if _, err := newEnv().CompileExpression(src); err == nil {
			t.Errorf("%q was compiled", src)
		}
	}
}

type fakeStore map[string]string

func (s fakeStore) Lookup(_ context.Context, scope, user, key string) (string, bool, error) {
	if key == "broken" {
		return "", false, errors.New("no connection")
	}
	v, ok := s[scope+"/"+user+"/"+key]
	return v, ok, nil
}

func TestStored(t *testing.T) {
	store := fakeStore{"system//a.b": "12", "user/ann/k": "mine", "system//s": "enc:pw", "system//_x": "under"}
	ctx := context.Background()
	names := Map{"st2kv": value.DictOf("system", NewStored(ctx, store, "system", ""), "user", NewStored(ctx, store, "user", "ann"))}
	env := New(Options{Decrypt: func(_ context.Context, s string) (string, error) {
		if p, ok := strings.CutPrefix(s, "enc:"); ok {
			return p, nil
		}
		return "", errors.New("bad ciphertext")
	}})
	for src, want := range map[string]string{
		"{{ st2kv.system.a.b }}": "12", "{{ st2kv.system['a.b'] | int + 1 }}": "13", "{{ st2kv.user.k }}": "mine", "[{{ st2kv.system.none }}]": "[]", "{{ st2kv.system.s }}": "enc:pw", "{{ st2kv.system.s | decrypt_kv }}": "pw",
		"{{ st2kv.system.a.b == '12' }}": "True", "{{ 'x' ~ st2kv.user.k }}": "xmine", "{{ st2kv.user.k | upper }}": "MINE", "{{ st2kv.user.k is defined }}": "True", "{% if st2kv.system.none %}y{% else %}n{% endif %}": "n",
		"{{ st2kv.system.none | default('d', true) }}": "d", "{{ st2kv.system._x }}": "under", "{{ '%s' % st2kv.user.k }}": "mine", "{{ 'in' in st2kv.user.k }}": "True", "{{ st2kv.user.k | length }}": "4", "{{ st2kv.user.k | tojson }}": `"mine"`,
	} {
		if got, err := render(t, env, src, names); err != nil || got != want {
			t.Errorf("%s = %q (%v), want %q", src, got, err, want)
		}
	}
	for src, want := range map[string]string{
		"{{ st2kv.system.a.b + 1 }}": "unsupported operand", "{{ st2kv.system.none | decrypt_kv }}": "st2kv.system.none doesn't exist", "{{ st2kv.system.a.b | decrypt_kv }}": "bad ciphertext",
		"{{ st2kv.system.broken }}": "no connection", "{{ st2kv.system.__class__ }}": "SecurityError",
	} {
		if got, err := render(t, env, src, names); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s = %q (%v), want the error %q", src, got, err, want)
		}
	}
}
