package markup

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// shout is a dialect in which everything can be told apart.
var shout = Dialect{
	Escape: func(s string) string { return strings.ReplaceAll(s, "@", "(at)") },
	Bold:   [2]string{"<b>", "</b>"},
	Code:   func(s string) string { return "<c>" + s + "</c>" },
	Fence:  func(s string) string { return "<pre>" + s + "</pre>" },
	Link:   func(url, label string) string { return "<a " + url + "|" + label + ">" },
}

func TestRender(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                               "plain",
		"a *bold word* b":                     "a <b>bold word</b> b",
		"**two stars**":                       "<b>two stars</b>",
		"2 * 3 * 4 and a*b*c":                 "2 * 3 * 4 and a*b*c",
		"*open":                               "*open",
		"run `ls *` now":                      "run <c>ls *</c> now",
		"`open":                               "`open",
		"see https://a.example/x?y=1&z=2, ok": "see <a https://a.example/x?y=1&z=2|>, ok",
		"(https://a.example/)":                "(<a https://a.example/|>)",
		"[label](https://a.example)":          "<a https://a.example|label>",
		"<https://a.example|label>":           "<a https://a.example|label>",
		"[x](javascript:alert(1))":            "[x](javascript:alert(1))",
		"@here":                               "(at)here",
		"a\n```go\nx *y*\n```\nb":             "a\n<pre>x *y*</pre>\nb",
		"a ```b``` c":                         "a \n<pre>b</pre>\n c",
		"a\n```\nopen":                        "a\n<pre>open</pre>",
		"\x1b[31mred\x1b[0m\x07\u202eabc":     "redabc",
		"a\r\nb\rc":                           "a\nb\nc",
	} {
		if got := shout.Render(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestOutputCannotEndItsFence(t *testing.T) {
	d := Dialect{Escape: func(s string) string { return s }}
	if got := d.Output("a\n```\nb"); strings.Count(got, "```") != 2 {
		t.Errorf("the fence is broken: %q", got)
	}
}

func TestSplit(t *testing.T) {
	long := "head\n```\n" + strings.Repeat("line of output é\n", 200) + "```\ntail " + strings.Repeat("x", 500)
	for _, limit := range []int{32, 100, 1000, 3000} {
		pieces := Split(long, limit)
		for i, p := range pieces {
			if n := utf8.RuneCountInString(p); n > limit {
				t.Errorf("limit %d: piece %d has %d characters", limit, i, n)
			}
			if strings.Count(p, "```")%2 != 0 {
				t.Errorf("limit %d: piece %d breaks a fence: %q", limit, i, p)
			}
		}
		all := strings.Join(pieces, "\n")
		if got := strings.Count(all, "x"); got != 500 {
			t.Errorf("limit %d: %d of 500 characters are left", limit, got)
		}
		if got := strings.Count(strings.ReplaceAll(all, "\n", ""), "é"); got != 200 {
			t.Errorf("limit %d: %d of 200 lines are left", limit, got)
		}
	}
	if got := Split("short", 0); len(got) != 1 || got[0] != "short" {
		t.Errorf("no limit: %q", got)
	}
	for _, n := range []int{99, 100, 101} {
		want := 1 + n/101
		if got := len(Split(strings.Repeat("x", n), 100)); got != want {
			t.Errorf("%d characters made %d pieces, want %d", n, got, want)
		}
	}
}

func TestHeadTail(t *testing.T) {
	if s, whole := HeadTail("short", 100); s != "short" || !whole {
		t.Errorf("%q %v", s, whole)
	}
	text := "begin\n" + strings.Repeat("line\n", 1000) + "end"
	s, whole := HeadTail(text, 300)
	if whole || utf8.RuneCountInString(s) > 300 || !strings.HasPrefix(s, "begin\n") || !strings.HasSuffix(s, "\nend") || !strings.Contains(s, "left out") {
		t.Errorf("%d characters: %q", utf8.RuneCountInString(s), s)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("a ```b\nc``` d", 40)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 32 + (limit&0xffff)%1000
		for _, p := range Split(shout.Render(s), limit) {
			if utf8.RuneCountInString(p) > limit {
				t.Fatalf("a piece has %d characters, the limit is %d: %q", utf8.RuneCountInString(p), limit, p)
			}
		}
	})
}

func TestHeadTailMarkup(t *testing.T) {
	fenced := "before\n```\n" + strings.Repeat("a line of output\n", 100) + "```\nafter"
	for _, tt := range []struct {
		name, text string
		limit      int
		whole      bool
	}{
		{"fits", "short", 100, true},
		{"no limit", fenced, 0, true},
		{"through a fence", fenced, 300, false},
		{"before a fence", strings.Repeat("word ", 200) + "\n```\nx\n```", 200, false},
		{"within a word", strings.Repeat("x", 1000), 200, false},
	} {
		short, whole := HeadTailMarkup(tt.text, tt.limit)
		if whole != tt.whole {
			t.Errorf("%s: whole is %t", tt.name, whole)
		}
		if n := utf8.RuneCountInString(short); tt.limit > 0 && n > tt.limit {
			t.Errorf("%s: %d characters, at most %d", tt.name, n, tt.limit)
		}
		if strings.Count(short, "```")%2 != 0 {
			t.Errorf("%s: a broken fence:\n%s", tt.name, short)
		}
		if !whole && !strings.Contains(short, "characters left out") {
			t.Errorf("%s: nothing says that something is missing:\n%s", tt.name, short)
		}
	}
}
