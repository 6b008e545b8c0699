package pyregex

import (
	"fmt"
	"strings"
	"testing"
)

func texts(ms []*Match) string {
	var out []string
	for _, m := range ms {
		var groups []string
		for _, g := range m.Groups {
			t := g.Text
			if !g.Matched {
				t = "-"
			}
			groups = append(groups, t)
		}
		out = append(out, strings.Join(groups, "/"))
	}
	return strings.Join(out, " ")
}

func TestFindAll(t *testing.T) {
	for _, c := range []struct {
		pattern string
		flags   Flags
		text    string
		want    string
	}{
		{`[0-9]+`, 0, "id 42 43", "42 43"},
		{`(?P<k>\w)=(?P<v>\w)(x)?`, 0, "a=b c=dx", "a=b/a/b/- c=dx/c/d/x"},
		{`(x)(?P<n>y)(z)`, 0, "xyz", "xyz/x/y/z"},
		{`(?P<q>['"]).*?(?P=q)`, 0, `'a"' "b"`, `'a"'/' "b"/"`},
		{`(a)\1`, 0, "aaa", "aa/a"},
		{`x{,2}y`, 0, "xxxy", "xxy"},
		{`(?i)ABC`, 0, "abc", "abc"},
		{`a(?i:B)c`, 0, "aBc abC", "aBc"},
		{`ABC`, IgnoreCase, "abc", "abc"},
		{`^b$`, MultiLine, "a\nb\nc", "b"},
		{`a.b`, DotAll, "a\nb", "a\nb"},
		{`a\Z`, 0, "a\n", ""},
		{`a$`, 0, "a\n", "a"},
		{`[a-z-[b]+`, 0, "a-[b", "a-[b"},
		{`[]a]+`, 0, "]a]", "]a]"},
		{`(?<=k=)\d+`, 0, "k=12", "12"},
		{`(a)?b(?(1)c|d)`, 0, "abc bd", "abc/a bd/-"},
		{`\x41\u0042\U00000043\101`, 0, "ABCA", "ABCA"},
		{"a b # no\n c", Verbose, "abc", "abc"},
		{"(?x) a  # (", 0, "a", "a"},
		{`\w+`, 0, "añb", "añb"},
		{`a{b`, 0, "a{b", "a{b"},
		{``, 0, "ab", "  "},
	} {
		re, err := Compile(c.pattern, c.flags)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		ms, err := re.FindAll(c.text, 0)
		if got := texts(ms); err != nil || got != c.want {
			t.Errorf("%s in %q: %q (%v), want %q", c.pattern, c.text, got, err, c.want)
		}
	}
}

func TestAnchored(t *testing.T) {
	re, err := Compile("(?i)job|jobs", 0)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"JOBS": "true true true", "a job": "true false false", "job7": "true true false", "": "false false false"} {
		s, _ := re.Search(text)
		m, _ := re.MatchStart(text)
		f, _ := re.FullMatch(text)
		if got := fmt.Sprint(s != nil, m != nil, f != nil); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	m, _ := re.Search("ñ job")
	if g := m.Groups[0]; g.Start != 2 || g.End != 5 {
		t.Errorf("positions count code points: %d, %d", g.Start, g.End)
	}
}

func TestReplaceAndSplit(t *testing.T) {
	for _, c := range []struct{ pattern, text, repl, want string }{
		{`(.)=(.)`, "k=v", `\2=\1`, "v=k"}, {`(?P<a>x)`, "axb", `[\g<a>\g<0>\g<1>]`, "a[xxx]b"}, {`b`, "añb", `\n\\`, "añ\n\\"}, {`x*`, "ab", "-", "-a-b-"},
		{`(a)|(b)`, "ab", `<\1\2>`, "<a><b>"}, {`ñ`, "ñañ", "n", "nan"},
	} {
		re, err := Compile(c.pattern, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := re.Replace(c.text, c.repl, 0); err != nil || got != c.want {
			t.Errorf("%s: %q (%v), want %q", c.pattern, got, err, c.want)
		}
	}
	re, _ := Compile(`(,)|;`, 0)
	parts, err := re.Split("a,b;c", 0)
	if err != nil || len(parts) != 5 || parts[1].Text != "," || parts[3].Matched {
		t.Errorf("split: %+v, %v", parts, err)
	}
	for _, repl := range []string{`\2`, `\g<z>`, `\q`, `\`} {
		if got, err := re.Replace("a,b", repl, 0); err == nil {
			t.Errorf("replacement %s gave %q", repl, got)
		}
	}
}

func TestErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		`(`: "missing ), unterminated subpattern at position 0", `a)`: "unbalanced parenthesis at position 1", `[a`: "unterminated character set at position 0", `\q`: `bad escape \q at position 0`,
		`(?P<1>a)`: "bad character in group name", `(?P=x)`: "unknown group name 'x'", `(a)\2`: "invalid group reference 2 at position 4", `(?P<a>x)(?P<a>y)`: "redefinition of group name", `(?<n>x)`: "unknown extension",
		`a(?i)b`: "global flags not at the start", `*a`: "", `a\`: "bad escape (end of pattern)", `(?`: "unknown extension",
	} {
		if _, err := Compile(pattern, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", pattern, err, want)
		}
	}
}

func TestTimeout(t *testing.T) {
	re, err := Compile(`(a+)+$`, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := re.Search(strings.Repeat("a", 40) + "b"); err == nil || !strings.Contains(err.Error(), "took longer") {
		t.Errorf("catastrophic backtracking: %v", err)
	}
}

// FuzzCompile compiles, matches and replaces whatever comes: no panic.
func FuzzCompile(f *testing.F) {
	for _, s := range [][2]string{{`(?P<a>x)(?P=a)`, `\g<a>`}, {`[^]a-z\d]+`, `\1`}, {`(?i)a{,3}|b`, `\n\0`}, {`(a)?(?(1)b|c)\Z`, `\\`}, {`(?x) a # c`, ``}, {`\x41\u0041\101`, `\g<0>`}} {
		f.Add(s[0], s[1], "xx aab")
	}
	f.Fuzz(func(_ *testing.T, pattern, repl, text string) {
		if len(text) > 50 || len(pattern) > 60 {
			return
		}
		re, err := Compile(pattern, 0)
		if err != nil {
			return
		}
		re.search.MatchTimeout = 100_000_000 // a tenth of a second
		_, _ = re.Search(text)
		_, _ = re.MatchStart(text)
		_, _ = re.FullMatch(text)
		_, _ = re.Replace(text, repl, 0)
		_, _ = re.Split(text, 3)
	})
}
