package prompt

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLines(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                             "plain",
		"a\nb\r\nc\rd\n\n":                  "a|b|c|d",
		"a\tb":                              "a       b",
		"日\tb":                              "日      b",
		"\x1b[1;31mred\x1b[0m":              "red",
		"\x1b]0;title\x07x\x1b]8;;u\x1b\\y": "xy",
		"\x1b[2J\x1b(B\x1bc\x1b":            "␛(B␛c␛",
		"\u009b2Jx":                         "x",
		"bell\x07nul\x00del\x7f":            "bell␇nul␀del␡",
		"\u202eab\u2066c\u200e":             "�ab�c�",
		"a\u2028b\u0085c":                   "a|b|c",
		"\xffok":                            "�ok",
		"":                                  "",
	} {
		if got := strings.Join(lines(in), "|"); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func TestMarkup(t *testing.T) {
	for in, want := range map[string]string{
		"a *b c* d `e *f*` g": "a [*b c*] d <`e *f*`> g",
		"2*3*4 and * x *":     "2*3*4 and * x *",
		"*x*":                 "[*x*]",
		"`x":                  "`x",
		"":                    "",
	} {
		got := ""
		for _, s := range markup(in) {
			got += map[style]string{plain: "", bold: "[", code: "<"}[s.style] + s.text + map[style]string{plain: "", bold: "]", code: ">"}[s.style]
		}
		if got != want {
			t.Errorf("%q is marked up as %q, want %q", in, got, want)
		}
	}
}

// FuzzText: nothing that is shown controls the terminal, and nothing is wider
// than the screen.
func FuzzText(f *testing.F) {
	f.Add("plain text of some length", 10)
	f.Add("\x1b[31mred\x1b]0;x\x07 日本語\t\u202e \xff", 3)
	f.Add(strings.Repeat(" ", 50)+"e\u0301"+strings.Repeat("\u200d", 9), 1)
	f.Fuzz(func(t *testing.T, s string, cols int) {
		if cols < 2 || cols > 200 {
			return
		}
		for _, l := range lines(s) {
			if !utf8.ValidString(l) || strings.ContainsFunc(l, unicode.IsControl) || strings.ContainsFunc(l, dangerous) {
				t.Fatalf("%q is shown as %q", s, l)
			}
			rows := row{spans: markup(l), hang: bodyIndent}.wrap(cols)
			var all strings.Builder
			for i, r := range rows {
				text := r.text()
				if columns(text) > cols {
					t.Fatalf("%q has %d columns, more than %d", text, columns(text), cols)
				}
				if i > 0 && columns(bodyIndent) <= cols/2 {
					text = strings.TrimPrefix(text, bodyIndent)
				}
				all.WriteString(text)
			}
			if all.String() != l {
				t.Fatalf("wrapped, %q is %q", l, all.String())
			}
		}
	})
}

func BenchmarkWrap(b *testing.B) {
	r := row{spans: markup(strings.Repeat("`x` *y* word ", 20_000)), hang: bodyIndent}
	for b.Loop() {
		r.wrap(80)
	}
}
