package jsonpath

import (
	"strings"
	"testing"

	"petrel/engine/expression/value"
)

const document = `{"a": {"b": [1, 2, {"c": 3}], "x-y": 5, "any text": 6, "where": 7},
	"l": [{"n": "S", "t": 45}, {"n": "O"}], "s": "abc", "n": null, "headers": {"X-Event": "push"}}`

func TestAll(t *testing.T) {
	doc, err := value.ParseJSON([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{"a.b", `[[1,2,{"c":3}]]`}, {"$.a.b[0]", `[1]`}, {"a.b[-1].c", `[3]`}, {"a.b[*]", `[1,2,{"c":3}]`},
		{"a.b[0:2]", `[1,2]`}, {"a.b[::-1]", `[{"c":3},2,1]`}, {"a.b[9]", `[]`}, {"a.b[-9]", `[]`},
		{"a['any text']", `[6]`}, {`a["x-y"]`, `[5]`}, {"a.x-y", `[5]`}, {"headers.X-Event", `["push"]`},
		{"l[*].n", `["S","O"]`}, {"l[*].*", `["S",45,"O"]`}, {"$..n", `[null,"S","O"]`}, {"..t", `[45]`},
		{"s[1]", `["b"]`}, {"s.x", `[]`}, {"n", `[null]`}, {"nope.deeper", `[]`}, {"$", ""},
		{"a.b|s", `[[1,2,{"c":3}]]`}, {"(l[*] where t).n", `["S"]`}, {"l[0].t.`parent`.n", `["S"]`}, {"s.`this`", `["abc"]`},
		{"a['where']", `[7]`}, {"a['x-y','any text']", `[5,6]`}, {"s[*]", `["abc"]`}, {"a[*].x-y", `[5]`},
	} {
		p, err := Compile(c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		got, err := p.All(doc)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		text, err := value.AppendJSON(nil, value.NewList(got...))
		if err != nil {
			t.Fatal(err)
		}
		if c.want != "" && string(text) != c.want {
			t.Errorf("%s: got %s, want %s", c.path, text, c.want)
		}
		first, ok, err := p.First(doc)
		if err != nil || ok != (len(got) > 0) || ok && !value.Equal(first, got[0]) {
			t.Errorf("%s: First gives %v %v %v, All %v", c.path, first, ok, err, got)
		}
	}
}

func TestErrors(t *testing.T) {
	for path, part := range map[string]string{
		"": "unexpected end", "a.": "unexpected end", "a b": `unexpected "b"`, "trigger.body.1st": `unexpected "1"`, "a.where": "reserved",
		"a[": "unexpected end", "a[1": "']' expected", "a['x": "not closed", "a[99999999999]": "usable index", "a[::0]": "zero", "a.`len`": "unknown operator",
		"(a": "')' expected", "a]": "unexpected", strings.Repeat("(", 5000): "longer",
	} {
		if _, err := Compile(path); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: got %v, want an error with %q", path, err, part)
		}
	}
	doc := value.DictOf("n", int64(1), "d", value.NewDict(0))
	for _, path := range []string{"n[0]", "d[0]", "$[0]"} {
		p, err := Compile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.First(doc); err == nil {
			t.Errorf("%s: an index into no list must fail", path)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{"a.b[0]", "$..x['y']", "(a|b where c)[1:2]", "a.`parent`", "[*].*"} {
		f.Add(s)
	}
	doc, err := value.ParseJSON([]byte(document))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Compile(s)
		if err != nil {
			return
		}
		_, _ = p.All(doc)
	})
}

func BenchmarkFirst(b *testing.B) {
	doc, err := value.ParseJSON([]byte(document))
	if err != nil {
		b.Fatal(err)
	}
	p, err := Compile("headers.X-Event")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, ok, _ := p.First(doc); !ok {
			b.Fatal("not found")
		}
	}
}
