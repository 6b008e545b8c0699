package value

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"
)

func mustJSON(t *testing.T, s string) any {
	t.Helper()
	v, err := ParseJSON([]byte(s))
	if err != nil {
		t.Fatalf("ParseJSON(%s): %v", s, err)
	}
	return v
}

func TestRepr(t *testing.T) {
	huge, _ := new(big.Int).SetString("18446744073709551616", 10)
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, "None"}, {true, "True"}, {int64(-7), "-7"}, {huge, "18446744073709551616"},
		{1.0, "1.0"}, {1e16, "1e+16"}, {123456789012345.0, "123456789012345.0"}, {0.0001, "0.0001"}, {0.00001, "1e-05"}, {0.1, "0.1"}, {-0.0, "0.0"},
		{"a", "'a'"}, {"it's", `"it's"`}, {`it's "q"`, `'it\'s "q"'`}, {"é\n\x00\u200b\\", `'é\n\x00\u200b\\'`},
		{NewList(int64(1), "a", nil), "[1, 'a', None]"}, {Tuple{int64(1)}, "(1,)"}, {Tuple{}, "()"}, {Tuple{int64(1), int64(2)}, "(1, 2)"},
		{DictOf("k", NewList(true)), "{'k': [True]}"}, {&Set{}, "set()"}, {Bytes("a\xff"), `b'a\xff'`},
		{NewList(time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC)), "[datetime.datetime(2021, 3, 4, 5, 6, 7, tzinfo=datetime.timezone.utc)]"},
	} {
		if got := Repr(c.v); got != c.want {
			t.Errorf("Repr(%v) = %s, want %s", c.v, got, c.want)
		}
	}
	if got := Str(time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC)); got != "2021-03-04 05:06:07+00:00" {
		t.Errorf("Str(datetime) = %s", got)
	}
	cycle := NewList()
	cycle.Items = append(cycle.Items, cycle)
	if got := Repr(cycle); got != "[[...]]" {
		t.Errorf("Repr(cycle) = %s", got)
	}
	if _, err := AppendJSON(nil, cycle); err == nil {
		t.Error("a cycle was written as JSON")
	}
}

func TestSharedPartsAreBounded(t *testing.T) {
	var v any = "x"
	for range 60 {
		v = NewList(v, v)
	}
	if _, err := StrLimit(v, 1<<20); err == nil {
		t.Error("2**60 items were spelled")
	}
	if _, err := DumpJSON(v, JSONOptions{Limit: 1 << 20}); err == nil {
		t.Error("2**60 items were written")
	}
	var w any = "x"
	for range 60 {
		w = NewList(w, w)
	}
	Equal(v, w) // must come back
	ToGo(v)
	DeepCopy(v)
}

func TestDict(t *testing.T) {
	d := NewDict(0)
	for i := range int64(20) {
		if err := d.Set(i, i*i); err != nil {
			t.Fatal(err)
		}
	}
	_ = d.Set(1.0, "one")
	_ = d.Set(true, "yes")
	if v, _ := d.Get(int64(1)); v != "yes" || d.Len() != 20 {
		t.Errorf("1, 1.0 and True are not one key: %v, %d", v, d.Len())
	}
	if !d.Delete(int64(0)) || d.Delete(int64(0)) {
		t.Error("Delete")
	}
	for i := int64(2); i < 20; i++ {
		if v, _ := d.Get(i); v != i*i {
			t.Errorf("after a deletion d[%d] = %v", i, v)
		}
	}
	if err := d.Set(NewList(), 1); err == nil || !strings.Contains(err.Error(), "unhashable type: 'list'") {
		t.Errorf("list as key: %v", err)
	}
	if err := d.Set(Tuple{int64(1), "a"}, "t"); err != nil {
		t.Fatal(err)
	}
	if v, _ := d.Get(Tuple{1.0, "a"}); v != "t" {
		t.Error("equal tuples are not one key")
	}
	if err := d.Set(Tuple{NewList()}, 1); err == nil {
		t.Error("a tuple with a list is not hashable")
	}
}

func TestEqualCompare(t *testing.T) {
	two64 := new(big.Int).Lsh(big.NewInt(1), 64)
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{int64(1), 1.0, true}, {true, int64(1), true}, {false, 0.0, true}, {"1", int64(1), false}, {nil, false, false},
		{two64, float64(1 << 64), true}, {int64(1<<53 + 1), float64(1 << 53), false},
		{mustJSON(t, `{"a": [1, 2.0]}`), mustJSON(t, `{"a": [1.0, 2]}`), true}, {NewList(), Tuple{}, false},
		{mustJSON(t, `{"a": 1, "b": 2}`), mustJSON(t, `{"b": 2, "a": 1}`), true},
	} {
		if Equal(c.a, c.b) != c.want || Equal(c.b, c.a) != c.want {
			t.Errorf("Equal(%v, %v) != %v", Repr(c.a), Repr(c.b), c.want)
		}
	}
	if n, err := Compare(Tuple{int64(1), "b"}, Tuple{1.0, "a"}); n != 1 || err != nil {
		t.Errorf("tuples: %d, %v", n, err)
	}
	if _, err := Compare("a", int64(1)); err == nil || err.Error() != "'<' not supported between instances of 'str' and 'int'" {
		t.Errorf("mixed: %v", err)
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for _, s := range []string{
		`{"z":1,"a":[1.0,-0.5,1e+20,true,false,null,"é\n\"\\"],"n":123456789012345678901234567890}`, `[]`, `{}`, `"\u0001"`, `[[[{}]]]`,
	} {
		out, err := AppendJSON(nil, mustJSON(t, s))
		if err != nil || string(out) != s {
			t.Errorf("%s became %s (%v)", s, out, err)
		}
	}
	if v := mustJSON(t, `{"a":1,"a":2}`); Repr(v) != "{'a': 2}" {
		t.Errorf("duplicate keys: %s", Repr(v))
	}
	if v := mustJSON(t, `"\ud83d\ude00\ud800x"`); v != "😀\ufffdx" {
		t.Errorf("surrogates: %q", v)
	}
	for _, s := range []string{``, `{`, `[1,]`, `{"a":1,}`, `01`, `1.`, `+1`, `'a'`, `{"a" 1}`, `nul`, `"a`, "\"\n\"", `1 2`, `[1 2]`, `"\x"`, `.5`, `1e`, `-`} {
		if v, err := ParseJSON([]byte(s)); err == nil {
			t.Errorf("%s was read as %s", s, Repr(v))
		}
	}
	b, err := json.Marshal(map[string]any{"v": DictOf("b", int64(1), "a", Tuple{1.5})})
	if err != nil || string(b) != `{"v":{"b":1,"a":[1.5]}}` {
		t.Errorf("json.Marshal: %s, %v", b, err)
	}
}

func TestDumpJSON(t *testing.T) {
	v := mustJSON(t, `{"b":[1,"é😀"],"a":{}}`)
	for _, c := range []struct {
		o    JSONOptions
		want string
	}{
		{JSONOptions{}, `{"b": [1, "é😀"], "a": {}}`},
		{JSONOptions{ASCII: true, SortKeys: true}, `{"a": {}, "b": [1, "\u00e9\ud83d\ude00"]}`},
		{JSONOptions{ItemSeparator: ",", KeySeparator: ":"}, `{"b":[1,"é😀"],"a":{}}`},
		{JSONOptions{Indent: "  "}, "{\n  \"b\": [\n    1,\n    \"é😀\"\n  ],\n  \"a\": {}\n}"},
	} {
		if got, err := DumpJSON(v, c.o); err != nil || got != c.want {
			t.Errorf("%+v: %s (%v), want %s", c.o, got, err, c.want)
		}
	}
	d := NewDict(0)
	_ = d.Set(nil, int64(1))
	_ = d.Set(1.5, true)
	_ = d.Set(true, nil)
	if got, _ := DumpJSON(d, JSONOptions{}); got != `{"null": 1, "1.5": true, "true": null}` {
		t.Errorf("keys: %s", got)
	}
	if _, err := DumpJSON(time.Now(), JSONOptions{}); err == nil {
		t.Error("a datetime is not JSON in Python")
	}
}

func TestParseYAML(t *testing.T) {
	for src, want := range map[string]string{
		"":                             "None",
		"a: [1, yes, null, off, 'no']": "{'a': [1, True, None, False, 'no']}",
		"[010, 0x1f, 0b11, 1_000, 1:30, 0o7, +5, -0]": "[8, 31, 3, 1000, 90, '0o7', 5, 0]",
		"[1.5, .5, 1e3, 1.0e+3, .inf, 1., 1:30.5]":    "[1.5, 0.5, '1e3', 1000.0, inf, 1.0, 90.5]",
		"{y: 1, Yes: 2, n: 3}":                        "{'y': 1, True: 2, 'n': 3}",
		"a: 1\na: 2":                                  "{'a': 2}",
		"x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}":       "{'x': {'a': 1, 'b': 2}, 'y': {'a': 1, 'b': 3}}",
		"- !!str 5\n- !!int '7'\n- ~":                 "['5', 7, None]",
		"2021-03-04":                                  "datetime.date(2021, 3, 4)",
		"2021-03-04T05:06:07Z":                        "datetime.datetime(2021, 3, 4, 5, 6, 7, tzinfo=datetime.timezone.utc)",
		"2021-03-04 05:06:07":                         "datetime.datetime(2021, 3, 4, 5, 6, 7)",
		"v: |\n  a\n  b\n":                            "{'v': 'a\\nb\\n'}",
	} {
		v, err := ParseYAML([]byte(src))
		if err != nil || Repr(v) != want {
			t.Errorf("%q: %s (%v), want %s", src, Repr(v), err, want)
		}
	}
	for _, src := range []string{"a: [", "!foo x", "a: 1\n---\nb: 2", "&a [*a]", "{[1]: 2}", "2021-13-45"} {
		if v, err := ParseYAML([]byte(src)); err == nil {
			t.Errorf("%q was read as %s", src, Repr(v))
		}
	}
}

func TestParseLiteral(t *testing.T) {
	for src, want := range map[string]string{
		`{'a': True, "b": [1, None,], 'c': (1,), }`: `{'a': True, 'b': [1, None], 'c': (1,)}`,
		` 1_000`: "1000", `-1.5e3`: "-1500.0", `0x1F`: "31", `(1)`: "1", `()`: "()", `1, 2`: "(1, 2)",
		`'a' "b" r'\n'`: `'ab\\n'`, `'\x41\u00e9\t'`: `'Aé\t'`, `b'\xff'`: `b'\xff'`, `{1, 2}`: "{1, 2}", `{}`: "{}", "'''a\nb'''": `'a\nb'`, "[1,\n 2]\n": "[1, 2]",
	} {
		v, err := ParseLiteral(src)
		if err != nil || Repr(v) != want {
			t.Errorf("%q: %s (%v), want %s", src, Repr(v), err, want)
		}
	}
	for _, src := range []string{"", "yes", "x,y", "[1", "{1: }", "1 2", "f()", "-'a'", "{[1]: 2}", "'a", "01", "1__0", "a.b", "\x00"} {
		if v, err := ParseLiteral(src); err == nil {
			t.Errorf("%q was read as %s", src, Repr(v))
		}
	}
}

func TestFormat(t *testing.T) {
	args := FormatArgs{Positional: []any{"a", 2.345, int64(1234567)}, Named: DictOf("name", "x", "d", DictOf("k", int64(5)), "l", NewList("q"))}
	for f, want := range map[string]string{
		"{0} {name:>6}|{1:05.1f}": "a      x|002.3", "{} {}": "a 2.345", "{{}}": "{}", "{2:,}": "1,234,567", "{2:_}": "1_234_567", "{2:x}": "12d687", "{2:#x}": "0x12d687",
		"{1:e}": "2.345000e+00", "{1:.0f}": "2", "{1:g}": "2.345", "{1:.2%}": "234.50%", "{0!r:^7}": "  'a'  ", "{0:*<4}": "a***", "{d[k]:03d}": "005", "{l[0]}": "q",
		"{2:+d}": "+1234567", "{1:>{d[k]}.1f}": "  2.3", "{2:012,}": "0,001,234,567", "{1:8}|": "   2.345|", "{0:.0}": "",
	} {
		if got, err := Format(f, args); err != nil || got != want {
			t.Errorf("%s: %q (%v), want %q", f, got, err, want)
		}
	}
	for _, f := range []string{"{", "}", "{9}", "{nope}", "{0.__class__}", "{0:d}", "{0} {}", "{0:1000000000}", "{0!x}"} {
		if got, err := Format(f, args); err == nil {
			t.Errorf("%s gave %q", f, got)
		}
	}
}

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		f    string
		arg  any
		want string
	}{
		{"%s:%d", Tuple{"h", int64(80)}, "h:80"}, {"%s", nil, "None"}, {"%-6s|", "ab", "ab    |"}, {"%x", int64(255), "ff"}, {"%.1f%%", 31.4159, "31.4%"},
		{"%03d/%s", Tuple{int64(7), "x"}, "007/x"}, {"%(a)s-%(a)5.2f", DictOf("a", 1.5), "1.5- 1.50"}, {"%s", NewList(int64(1)), "[1]"}, {"%r", "a", "'a'"}, {"%5s|", "é", "    é|"},
		{"%*d", Tuple{int64(4), int64(7)}, "   7"}, {"%+d", int64(3), "+3"}, {"%d", 3.9, "3"}, {"%e", 12345.678, "1.234568e+04"}, {"%c", int64(65), "A"}, {"%.3d", int64(7), "007"}, {"%d", true, "1"},
	} {
		if got, err := Percent(c.f, c.arg); err != nil || got != c.want {
			t.Errorf("%q %% %s: %q (%v), want %q", c.f, Repr(c.arg), got, err, c.want)
		}
	}
	for _, c := range []struct {
		f   string
		arg any
	}{{"%d", "x"}, {"%s %s", "a"}, {"%s", Tuple{int64(1), int64(2)}}, {"%", int64(1)}, {"%q", int64(1)}, {"%(a)s", "x"}, {"%999999999d", int64(1)}} {
		if got, err := Percent(c.f, c.arg); err == nil {
			t.Errorf("%q gave %q", c.f, got)
		}
	}
}

func TestArithmetic(t *testing.T) {
	type op = func(a, b any) (any, bool, error)
	for _, c := range []struct {
		f    op
		a, b any
		want string
	}{
		{Add, int64(9223372036854775807), int64(1), "9223372036854775808"}, {Mul, int64(1 << 40), int64(1 << 40), "1208925819614629174706176"},
		{Mul, int64(-9223372036854775808), int64(-1), "9223372036854775808"}, {Div, int64(6), int64(3), "2.0"}, {FloorDiv, int64(-7), int64(2), "-4"}, {Mod, int64(7), int64(-3), "-2"},
		{FloorDiv, 7.0, int64(2), "3.0"}, {Mod, -7.5, 2.0, "0.5"}, {Pow, int64(2), int64(64), "18446744073709551616"}, {Pow, int64(2), int64(-1), "0.5"}, {Add, true, int64(1), "2"},
		{Sub, int64(-9223372036854775808), int64(1), "-9223372036854775809"}, {Pow, int64(1), int64(1 << 60), "1"},
	} {
		got, ok, err := c.f(c.a, c.b)
		if !ok || err != nil || Repr(got) != c.want {
			t.Errorf("%v, %v: %s (%v, %v), want %s", c.a, c.b, Repr(got), ok, err, c.want)
		}
	}
	if _, _, err := Pow(int64(10), int64(1_000_000_000)); err == nil {
		t.Error("10**10**9 was computed")
	}
	if _, _, err := Mod(int64(1), int64(0)); err == nil {
		t.Error("1 % 0")
	}
}

func TestText(t *testing.T) {
	dot, x := ".", "x"
	join := func(parts []string, err error) string {
		if err != nil {
			return err.Error()
		}
		return strings.Join(parts, "|")
	}
	for got, want := range map[string]string{
		join(Split(" a  b c ", nil, -1)): "a|b|c", join(Split(" a  b c ", nil, 1)): "a|b c", join(Split("a.b.c", &dot, 1)): "a|b.c", join(RSplit("a.b.c", &dot, 1)): "a.b|c",
		join(RSplit(" a b  c ", nil, 1)): " a b|c", join(SplitLines("a\r\nb\n\nc", false), nil): "a|b||c", Strip("xxhixx", &x, true, true): "hi", Title("hello wORLD it's"): "Hello World It'S",
		Capitalize("aBC"): "Abc", Pad("ab", 5, '*', '^'): "**ab*", ZFill("-7", 4): "-007", ExpandTabs("a\tb", 4): "a   b", Substr("añb", -2, 99): "ñb",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if Find("añbñ", "ñ", 2, 99, false) != 3 || Find("añbñ", "ñ", 0, 99, true) != 3 || Find("abc", "z", 0, 3, false) != -1 {
		t.Error("Find")
	}
}

func TestFromGo(t *testing.T) {
	v, err := FromGo(map[string]any{"b": []string{"x"}, "a": json.Number("1.0"), "c": map[string]string{"k": "v"}, "d": uint64(1 << 63), "e": json.RawMessage(`{"z":1,"y":2}`), "f": struct {
		N int `json:"n"`
	}{3}})
	want := "{'a': 1.0, 'b': ['x'], 'c': {'k': 'v'}, 'd': 9223372036854775808, 'e': {'z': 1, 'y': 2}, 'f': {'n': 3}}"
	if err != nil || Repr(v) != want {
		t.Errorf("%s (%v)", Repr(v), err)
	}
	if _, err := FromGo(make(chan int)); err == nil {
		t.Error("a channel is not a value")
	}
}
