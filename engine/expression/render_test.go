package expression

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
)

func TestTyped(t *testing.T) {
	r := New(Options{Datastore: items{"system:k": "v", "system:n": "5"}})
	names := Names{"trigger": map[string]any{"n": 7, "s": "x", "l": []any{1, "a"}, "m": map[string]any{"k": true}, "z": nil, "f": 1.0}}
	for pattern, want := range map[string]string{
		"{{ trigger.n }}": "7", "v{{ trigger.n }}": "'v7'", "{{ trigger.l }}": "[1, 'a']", "{{ trigger.m }}": "{'k': True}", "{{ trigger.z }}": "None", "{{ trigger.s }}": "'x'", "plain": "'plain'", "5": "'5'",
		"{{ trigger.f }}": "1.0", "{{ st2kv.system.k }}": "'v'", "{{ st2kv.system.n }}": "'5'", "{{ st2kv.system.n | int }}": "5", " {{ trigger.n }} ": "7", "{{ trigger.n }}-{{ trigger.n }}": "'7-7'", "{{ trigger.s | upper }}": "'X'",
		"{{\ntrigger.n }}": "7", // upstream gives text when a line break stands in it, and the value otherwise
	} {
		v, err := r.Typed(context.Background(), pattern, names)
		if err != nil || value.Repr(v) != want {
			t.Errorf("%q: %s (%v), want %s", pattern, value.Repr(v), err, want)
		}
	}
	for _, pattern := range []string{"{{ trigger.nope }}", "{{ nope }}", "{{ trigger.n"} {
		if v, err := r.Typed(context.Background(), pattern, names); err == nil {
			t.Errorf("%q gave %s", pattern, value.Repr(v))
		}
	}
}

func TestMappingMode(t *testing.T) {
	r := New(Options{})
	ctx := context.Background()
	m := parse(t, []byte(`{"a": "{{ __context.n }}", "b": "x\n", "c": [1, "{{ n }}"], "d": {"k": 1.0}, "e": 5}`))
	v, err := r.Mapping(ctx, m, Names{"n": 5})
	if want := "{'a': '5', 'b': 'x', 'c': [1, '5'], 'd': {'k': 1.0}, 'e': 5}"; err != nil || value.Repr(v) != want {
		t.Errorf("%s (%v), want %s", value.Repr(v), err, want)
	}
	if v, err := r.Mapping(ctx, m, nil); err != nil || !value.Equal(v, m) {
		t.Errorf("without names nothing is rendered: %s (%v)", value.Repr(v), err)
	}
	if _, err := r.Mapping(ctx, parse(t, []byte(`{"k": "{{ nope }}"}`)), Names{"n": 1}); err == nil || !strings.HasPrefix(err.Error(), "k: ") {
		t.Errorf("the error does not name the key: %v", err)
	}
}

func TestUsersAndStore(t *testing.T) {
	r := New(Options{Datastore: items{"ann:k": "A", "stanley:k": "S", "system:s": "enc:pw"}})
	for template, want := range map[string]string{"{{ st2kv.user.k }}": "S", "{{ st2kv.system.s | decrypt_kv }}": "pw"} {
		if got, err := r.String(context.Background(), template, nil); err != nil || got != want {
			t.Errorf("%s: %q (%v), want %q", template, got, err, want)
		}
	}
	if got, _ := r.WithUser("ann").String(context.Background(), "{{ st2kv.user.k }}", nil); got != "A" {
		t.Errorf("ann's item: %q", got)
	}
	bare := New(Options{})
	if got, err := bare.String(context.Background(), "[{{ st2kv.system.x }}]", nil); err != nil || got != "[]" {
		t.Errorf("without a datastore every item is absent: %q (%v)", got, err)
	}
	names := Names{"st2kv": map[string]any{"system": map[string]any{"x": "own"}}, "system": bare.Stored(context.Background(), "system")}
	if got, err := bare.String(context.Background(), "{{ st2kv.system.x }}{{ system.y }}", names); err != nil || got != "own" {
		t.Errorf("names of the caller come first: %q (%v)", got, err)
	}
}

func TestFind(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "plain": "", "{{ a }}": "jinja[a]", "{{ a }} {{ b }}": "jinja[a b]", "{{\na }}": "", "{{ a\n}} {{ b }}": "jinja[b]", "<% a %> <%= b %>": "yaql[a b]", "<%= b %>": "expr[b]", "<% {{ a }} %>": "jinja[a]",
		"{% if a %}x{% endif %}": "jinja[]", "<%>": "", "{{}}": "jinja[]", "{{{ a }}}": "jinja[{ a]", "{{ '}}' }}": "jinja[']", "a}} {{ b": "", "<% a": "",
	} {
		lang := Detect(s)
		var sources []string
		for _, x := range Find(s, lang) {
			if s[x.Start:x.Start+len(x.Text)] != x.Text {
				t.Errorf("%q: %+v does not lie there", s, x)
			}
			sources = append(sources, x.Source)
		}
		got := lang
		if lang != "" {
			got += fmt.Sprint(sources)
		}
		if got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

func TestInspect(t *testing.T) {
	r := New(Options{})
	for s, want := range map[string]int{
		"plain": 0, "{{ ctx().a }}": 0, "{{ ctx( }}": 1, "{% if %}": 1, "<% ctx(a) %>": 0, "<% 1 + %>": 1, "<% a %> {{ b }}": 1, "{% raw %}{{ ( }}{% endraw %}": 0, "{{ a }} {{ b | nofilter }}": 1, "<%= 1 + %>": 1, "{{ x | json }}": 0,
	} {
		if got := r.Inspect(s); len(got) != want {
			t.Errorf("%q: %v, want %d", s, got, want)
		}
	}
}

func TestOrquestaJinja(t *testing.T) {
	r := New(Options{})
	vars := parse(t, []byte(`{"a": 5, "alpha": 1, "loop": "{{ ctx('loop') }}", "l": [1, 2], "y": "<% 1 %>", "q": "%}", "__x": 1}`)).(*value.Dict)
	scope := OrquestaScope{functions.Variables{Context: vars}}
	for s, want := range map[string]string{
		"{{ to_json_string(ctx('l')) }}": "'[1,2]'", "{{ ctx('l') | to_json_string }}": "'[1,2]'", "{{ ctx('y') }}": "'<% 1 %>'", "{% raw %}{{ a }}{% endraw %}{{ ctx('a') }}": "'{{ a }}5'",
		"{% for i in ctx('l') %}{{ i }}{% endfor %}": "'12'", "{{ ctx().nope | default('d') }}": "'d'", "{{ ctx('a')\n}}": `"{{ ctx('a')\n}}"`, "{{ 'a' if false }}x": "'x'", "{{ ctx('l') | map('string') }}": "['1', '2']",
		"{% set x = '{{ 1 + 1 }}' %}{{ x }}": "'2'",
	} {
		v, err := r.Orquesta(context.Background(), s, scope)
		if err != nil || value.Repr(v) != want {
			t.Errorf("%s: %s (%v), want %s", s, value.Repr(v), err, want)
		}
	}
	for s, want := range map[string]string{
		"{{ ctx('loop') }}": "more than 20 times", "{{ ctx('__x') }}": "inaccessible", "{{ ctx('zz') }}": `"zz" is undefined`, "{{ nope }}": "There are unresolved variables: nope", "{{ ctx().aplha.b }}": "did you mean 'alpha'", "{{ result() }}": "task",
		"{{ ctx('a') | ctx }}": "no filter named 'ctx'", "{{ st2kv.system.x }}": "has no attribute 'system'",
	} {
		v, err := r.Orquesta(context.Background(), s, scope)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s (%v), want the error %s", s, value.Repr(v), err, want)
		}
	}
}

func TestCacheIsBoundedAndShared(t *testing.T) {
	r := New(Options{CacheSize: 10})
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 100 {
				got, err := r.String(context.Background(), fmt.Sprintf("{{ n + %d }}", i), Names{"n": worker})
				if err != nil || got != fmt.Sprint(worker+i) {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(r.cache.young) + len(r.cache.old); n > 10 {
		t.Errorf("%d templates are kept", n)
	}
	a, _ := r.Template("{{ 1 }}")
	b, _ := r.WithUser("x").Template("{{ 1 }}")
	if a != b {
		t.Error("users do not share compiled templates")
	}
}

func BenchmarkString(b *testing.B) {
	r := New(Options{})
	names := namesOf(parse(b, []byte(`{"trigger": {"body": {"alerts": [{"labels": {"name": "HighLoad"}}]}}}`)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.String(context.Background(), "{{ trigger.body.alerts[0].labels.name }}", names); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzRenderer evaluates texts in every mode: no panic, no hang.
func FuzzRenderer(f *testing.F) {
	for _, s := range []string{
		"{{ ctx('a') }}", "<% ctx(a) %>", "<%= ctx().a %>", "{% raw %}{{ x }}{% endraw %}", "{{ a }} <% b %>", "x{{ ctx('e') }}", "{% for i in ctx('l') %}[{{ i }}]{% endfor %}", "{{ st2kv.system.a.b }}", "{{ a | to_complex }}", "\x00raw0\x00{% raw %}a{% endraw %}",
	} {
		f.Add(s)
	}
	r := New(Options{MaxSteps: 100_000, MaxMemory: 8 << 20, MaxOutput: 1 << 20, Datastore: items{"system:a.b": "{{ 1 }}"}})
	vars := parse(f, []byte(`{"a": 5, "e": "{{ ctx('a') }}", "y": "<% ctx(a) %>", "l": [1, {"k": "v"}], "__current_task": {"id": "t", "route": 0, "result": [1]}}`)).(*value.Dict)
	f.Fuzz(func(t *testing.T, s string) {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		start := time.Now()
		r.Inspect(s)
		_, _ = r.Orquesta(ctx, s, OrquestaScope{functions.Variables{Context: vars}})
		_, _ = r.Typed(ctx, s, Names{"a": vars})
		_, _ = r.Mapping(ctx, value.DictOf("k", s, "l", value.NewList(s)), Names{"a": vars})
		_, _ = r.Lenient(ctx, s, Names{"a": vars})
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("took %v", took)
		}
	})
}
