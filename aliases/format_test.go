package aliases

import (
	"errors"
	"strings"
	"testing"
)

func TestCompileErrors(t *testing.T) {
	tests := []struct{ format, placeholder, hint string }{
		{"run {{dry-run}}", "dry-run", "{{dry_run}}"},
		{"go {{a.b}}", "a.b", "{{a_b}}"},
		{"go {{1st}}", "1st", "{{p1st}}"},
		{"go {{a=}}", "a=", `{{a=""}}`},
		{"go {{a=}} and {{b}}", "a=", `{{a=""}}`},
		{"copy {{x}} to {{x}}", "x", "used twice"},
		{"set {{k}}={{v}}", "k}}", "{{k}} and what follows it are joined"},
		{"page (?P<who>.+) {{who}}", "who", "same name"},
		{"page (?P<who>.+) or (?P<who>.+)", "", "twice"},
		{"(?i)restart {{svc}}", "", "(?i:...)"},
		{"restart (?i){{svc}}", "", "(?i:...)"},
		{"what (is", "", "backslash"},
		{"cost [", "", "backslash"},
		{"*what*", "", `\*`},
		{"a|?", "", `\?`},
		{"how much $?", "", "anchor"},
		{strings.Repeat("x", maxFormat+1), "", "too long"},
	}
	for _, tt := range tests {
		_, err := Compile(tt.format, Options{})
		var refused *FormatError
		if !errors.As(err, &refused) {
			t.Errorf("Compile(%.40q) = %v, want a *FormatError", tt.format, err)
			continue
		}
		if refused.Placeholder != tt.placeholder || !strings.Contains(refused.Reason, tt.hint) {
			t.Errorf("Compile(%.40q) = placeholder %q, %q; want placeholder %q and a hint of %q", tt.format, refused.Placeholder, refused.Reason,
				tt.placeholder, tt.hint)
		}
	}
}

func TestMatchWithoutAnyValue(t *testing.T) {
	f := mustCompile(t, `{{t=""}}`, Options{})
	if _, ok, err := f.Match("  "); ok || !errors.Is(err, ErrNoValue) {
		t.Errorf("got %v, %v, want ErrNoValue", ok, err)
	}
	if params, ok, err := f.Match("x"); !ok || err != nil || *params["t"] != "x" {
		t.Errorf("got %v, %v, %v", params, ok, err)
	}
}

func TestMatchCaseInsensitive(t *testing.T) {
	f := mustCompile(t, "Run {{cmd}} on {{hosts}}", Options{CaseInsensitive: true})
	params, ok, err := f.Match("RUN Date oN Web1")
	if err != nil || !ok || *params["cmd"] != "Date" || *params["hosts"] != "Web1" {
		t.Errorf("got %v, %v, %v", params, ok, err)
	}
}

func TestPlaceholders(t *testing.T) {
	f := mustCompile(t, `a {{ b }} {{c = 'x y'}} {{d={"k": 1}}}`, Options{})
	want := []Placeholder{{Name: "b"}, {Name: "c", Optional: true, Default: "x y"}, {Name: "d", Optional: true, Default: `{"k": 1}`}}
	got := f.Placeholders()
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("placeholder %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestTailPairs(t *testing.T) {
	tests := []struct {
		message, rest string
		pairs         string // key=value, separated by |
	}{
		{"deploy", "deploy", ""},
		{"deploy a=1", "deploy", "a=1"},
		{"a=1", "", "a=1"},
		{"deploy a = 1", "deploy a = 1", ""},
		{"deploy a =1", "deploy", "a=1"},
		{"deploy a=1 now b=2", "deploy a=1 now", "b=2"},
		{`x a="1 2" b='3 4' c={5 6}`, "x", "a=1 2|b=3 4|c={5 6}"},
		{`x a="" b=''`, "x", "a=|b="},
		{`x a={"b": {"c": 1}}`, "x", `a={"b": {"c": 1}`},
		{"x a==b", "x", "a==b"},
		{"x ==b", "", "x==b"},
		{"say x ==b", "say", "x==b"},
		{"x a=b=c", "x", "a=b=c"},
		{"x a=\nb", "x a=\nb", ""},
		{"x a=1\n", "x", "a=1"},
		{"x\ta=1", "x", "a=1"},
		{"note k=1 then k=1", "note then", "k=1"},
		{`x a="1`, "x", `a="1`},
		{`x a="1 b=2`, "x", `a="1|b=2`},
	}
	for _, tt := range tests {
		pairs, rest, _ := splitTailPairs(tt.message)
		var list []string
		for _, p := range pairs {
			list = append(list, p.key+"="+p.value)
		}
		if got := strings.Join(list, "|"); got != tt.pairs || rest != tt.rest {
			t.Errorf("%q: pairs %q, rest %q; want %q, %q", tt.message, got, rest, tt.pairs, tt.rest)
		}
	}
}

// A message that looks like pairs for a long stretch takes a backtracking parser exponential time.
func TestTailPairsAreLinear(t *testing.T) {
	msg := "note " + strings.Repeat(`a="{'b=" `, 5000) + "end="
	if pairs, rest, _ := splitTailPairs(msg); len(pairs) != 0 || rest != msg {
		t.Errorf("got %d pairs", len(pairs))
	}
}

func mustCompile(t testing.TB, format string, o Options) *Format {
	t.Helper()
	f, err := Compile(format, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func FuzzFormat(f *testing.F) {
	for _, seed := range [][2]string{
		{"run {{cmd}} on {{hosts=localhost}}", `run "ls -l" on web1 a=1 b={"c": 2}`}, {"(a|b) {{x}}(?P<y>\\d+)?$", "a b 7"},
		{"{{a={{b}} }}{{c=''}}", "{{b}}"}, {"(?:\\b|^)fixes (?P<k>[A-Z]+-\\d+)(?:\\b|$)", "fixes A-1, fixes B-2"}, {"(?(1)a|b)[^]]{2,}?", "= =\n"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, source, msg string) {
		if len(source) > 200 || len(msg) > 200 {
			return // long expressions spend the run in the engine
		}
		format, err := Compile(source, Options{})
		if err != nil {
			return
		}
		params, ok, err := format.Match(msg)
		if err != nil && ok {
			t.Fatalf("matched with an error: %v", err)
		}
		if !ok {
			return
		}
		for _, p := range format.Placeholders() {
			if _, there := params[p.Name]; !there {
				t.Errorf("format %q, message %q: no value for %s in %v", source, msg, p.Name, params)
			}
		}
		// Whatever a format matches, the index must find.
		table, problems := NewTable([]Definition{{Name: "a", Pack: "p", Enabled: true, Formats: []FormatSpec{{Representation: []string{source}}}}})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if matches, err := table.Match(msg); err == nil && len(matches) != 1 {
			t.Errorf("format %q matches %q, but not through the table (beginnings %q, literals %q)", source, msg, format.shape.prefixes(),
				format.shape.literals())
		}
	})
}
