package mattermost

import (
	"strings"
	"testing"
	"unicode/utf8"

	"petrel/adapters"
	fake "petrel/tests/fakes/mattermost"
)

func TestEscape(t *testing.T) {
	const z = apart
	for in, want := range map[string]string{
		"plain words":                 "plain words",
		"a*b _c_ ~d~ `e` [f](g) |h|":  "a\\*b \\_c\\_ \\~d\\~ \\`e\\` \\[f\\](g) \\|h\\|",
		`C:\temp`:                     `C:\\temp`,
		"@all":                        "@" + z + "all",
		"(@here) .@ann":               "(@" + z + "here) .@" + z + "ann",
		"ann@example.com":             "ann@example.com",
		"# not a heading":             `\# not a heading`,
		"> no quote\nissue #3 > 2":    "\\> no quote\nissue #3 > 2",
		"title\n=====":                "title\n" + z + "=====",
		"title\n---":                  "title\n" + z + "---",
		"    code":                    "\u00a0\u00a0\u00a0\u00a0code",
		"\tcode":                      "\u00a0\u00a0\u00a0\u00a0code",
		"12:30:45 00:0b:abc:12":       "12:30:45 00:0b:abc:12",
		"so :smile: and :+1:":         "so :" + z + "smile: and :" + z + "+1:",
		"see https://a.example/x_y.":  "see https://a.example/x_y.",
		"https://a.example/@all/x":    "https://a.example/%40all/x",
		"https://a.example/x\n# head": "https://a.example/x\n\\# head",
	} {
		if got := escape(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestRender(t *testing.T) {
	for in, want := range map[string]string{
		"*bold* and `@all`":                       "**bold** and `@all`",
		"```\n@here\n```":                         "```\n@here\n```",
		"[the run](https://p.example/r)":          "[the run](https://p.example/r)",
		"[https://bank.example](https://e.vil/x)": "https://bank.example (https://e.vil/x)",
		"[bank.example](https://e.vil/@all)":      "bank.example (https://e.vil/%40all)",
	} {
		if got := dialect.Render(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// FuzzNobodyIsCalled: whatever a foreign text is, nobody is notified, and what
// is left of it is readable.
func FuzzNobodyIsCalled(f *testing.F) {
	for _, s := range []string{"@all", "```\n@here", "`@channel", "a `b @all", "https://x/@all", "x.@all", "\\@all `\\` @here `", "~~~\n@all\n~~~", "    @all", "[@all](https://x/@here)", "@\u200ball", "``` ` ``` @all", "\\`@here`", strings.Repeat("x", 40) + " `" + strings.Repeat("@all ", 40) + "`"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, b := range []adapters.Block{
			{Kind: adapters.Paragraph, Text: s}, {Kind: adapters.Preformatted, Text: s}, {Kind: adapters.Heading, Text: s},
			{Kind: adapters.Fields, Fields: []adapters.Field{{Name: s, Value: s}}},
		} {
			text := blocks([]adapters.Block{b, {Kind: adapters.Paragraph, Text: "afterwards"}})
			for _, limit := range []int{0, 250} {
				if limit > 0 {
					text, _ = cut(text, limit, cutNoteAlone)
				}
				for _, name := range fake.MentionsIn(text) {
					switch strings.ToLower(name) {
					case "all", "here", "channel":
						t.Errorf("%s %q became %q, which calls @%s", b.Kind, s, text, name)
					}
				}
			}
		}
	})
}

func TestCut(t *testing.T) {
	long := "begin\n```\n" + strings.Repeat("a line of output\n", 100) + "```\nend"
	for _, limit := range []int{200, 500, 1000} {
		got, whole := cut(long, limit, cutNote)
		if n := utf8.RuneCountInString(got); whole || n > limit || n < limit*3/4 {
			t.Errorf("limit %d: %d characters", limit, n)
		}
		if strings.Count(got, "```")%2 != 0 || !strings.HasPrefix(got, "begin\n") || !strings.HasSuffix(got, "\nend") {
			t.Errorf("limit %d: %q", limit, got)
		}
		head, _, _ := strings.Cut(got, cutNote)
		if strings.Count(head, "```") != 2 {
			t.Errorf("limit %d: the fence of the head is broken: %q", limit, head)
		}
	}
}

// A long output must not take long to cut.
func BenchmarkCutLongOutput(b *testing.B) {
	all := []adapters.Block{{Kind: adapters.Preformatted, Text: strings.Repeat("a line of output with @all and é\n", 300_000)}}
	for b.Loop() {
		if short, whole := cut(blocks(all), 16383, cutNote); whole || len(short) < 10_000 {
			b.Fatal(len(short))
		}
	}
}

func TestUnmention(t *testing.T) {
	for _, tt := range []struct {
		in, text  string
		mentioned bool
	}{
		{"@petrel run date", "run date", true},
		{"@Petrel: run date", "run date", true},
		{"  @petrel, run date", "run date", true},
		{"hey @petrel run date", "hey  run date", true},
		{"run date @petrel.", "run date .", true},
		{"@petrel run echo @petrel", "run echo @petrel", true},
		{"@petrel-two run", "@petrel-two run", false},
		{"@petrels run", "@petrels run", false},
		{"mail a@petrel now", "mail a@petrel now", false},
		{"see `@petrel run`", "see `@petrel run`", false},
		{"```\n@petrel run\n```", "```\n@petrel run\n```", false},
		{"`@petrel` is what @petrel is called", "`@petrel` is what  is called", true},
		{"@petrel", "", true},
		{"@petrel\nrun date", "run date", true},
		{"ü @petrel go", "ü  go", true},
	} {
		if text, mentioned := unmention(tt.in, "petrel"); text != tt.text || mentioned != tt.mentioned {
			t.Errorf("%q became %q, %v; want %q, %v", tt.in, text, mentioned, tt.text, tt.mentioned)
		}
	}
}

func TestBytesOf(t *testing.T) {
	for _, tt := range []struct {
		in    string
		limit int
		want  string
	}{{"short", 24, "short"}, {strings.Repeat("x", 24), 24, strings.Repeat("x", 24)}, {strings.Repeat("x", 25), 24, strings.Repeat("x", 21) + "…"}, {strings.Repeat("ü", 13), 24, strings.Repeat("ü", 10) + "…"}} {
		if got := bytesOf(tt.in, tt.limit); got != tt.want {
			t.Errorf("%q to %d became %q, want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

func TestSeal(t *testing.T) {
	a, b := newSeal("token one"), newSeal("token two")
	if a.mark("button", "x") != newSeal("token one").mark("button", "x") {
		t.Error("another process makes another mark")
	}
	for _, other := range []string{a.mark("button", "y"), a.mark("butto", "nx"), a.mark("button", "x", ""), b.mark("button", "x"), ""} {
		if a.fits(other, "button", "x") {
			t.Errorf("%q fits", other)
		}
	}
	packed, err := a.pack(openForm{User: "ann", Form: "f"})
	if err != nil {
		t.Fatal(err)
	}
	var o openForm
	if err := a.unpack(packed, &o); err != nil || o.User != "ann" {
		t.Errorf("%+v, %v", o, err)
	}
	if b.unpack(packed, &o) == nil || a.unpack(packed[1:], &o) == nil || a.unpack("", &o) == nil {
		t.Error("a forged state is taken")
	}
}
