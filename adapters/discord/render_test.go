package discord

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"petrel/adapters"
)

var update = flag.Bool("update", false, "write the golden files of this package anew")

// golden compares a payload with testdata/NAME.json.
func golden(t *testing.T, name string, r rendered) {
	t.Helper()
	body, err := json.MarshalIndent(r.payload, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	body = append(body, '\n')
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(path, body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(body) {
		t.Errorf("%s is rendered as\n%s\nwant\n%s", name, body, want)
	}
}

func TestGolden(t *testing.T) {
	raw := func(s string) map[string]json.RawMessage {
		return map[string]json.RawMessage{"discord": json.RawMessage(s), "slack": json.RawMessage(`{"color":"no"}`)}
	}
	for name, m := range map[string]adapters.Message{
		"statement": {Key: "k", Mention: "42", Blocks: []adapters.Block{
			{Kind: adapters.Heading, Text: "All *well*"}, {Kind: adapters.Paragraph, Text: "Deployed *web* with `make x_y` from https://a.example/a_b?c=1&d=2, see [the log](https://b.example/l)\n# no heading\n1. no list"},
			{Kind: adapters.Fields, Fields: []adapters.Field{{Name: "host", Value: "web_1"}, {Name: "took", Value: "2 s"}}},
			{Kind: adapters.Preformatted, Text: "$ ls *\n```\na  b\tc"},
		}},
		"card": {Key: "k", State: adapters.StateWorking, To: adapters.Target{Reply: "own 1 2 3 token"}, Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: "Working on it."}},
			Buttons: []adapters.Button{{ID: "cancel:1", Label: "Cancel", Style: "danger"}, {ID: "details:1", Label: "Details"}, {ID: "again:1", Label: "Run again", Style: "primary"}}},
		"choices": {Key: "k", Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: "Where?"}},
			Selects: []adapters.Select{{ID: "ask:1", Label: "Environment", Options: []adapters.Option{{Value: "p", Label: "Production"}, {Value: "s", Label: "Staging"}}}},
			Buttons: sevenButtons()},
		"hostile": {Key: "k", Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: "@everyone <@123> <@&5> <#9> </x:1> ||s|| ~~d~~ __u__ > q\n> quote\n- list\n-# small"}, {Kind: adapters.Preformatted, Text: "@here ```"}}},
		"extra":   {Key: "k", State: adapters.StateFailed, Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: "Down."}}, Extra: raw(`{"title":"Alert","color":"#00ff00","footer":{"text":"f"},"tts":true,"allowed_mentions":{"parse":["everyone"]}}`)},
		"color":   {Key: "k", Color: "#0000ff", Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: "Blue."}}},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, render(m)) })
	}
}

func sevenButtons() (all []adapters.Button) {
	for i := range 7 {
		all = append(all, adapters.Button{ID: fmt.Sprint("b", i), Label: fmt.Sprint("Button ", i)})
	}
	return all
}

// shownText is the content or the description.
func shownText(r rendered) (text string, inEmbed bool) {
	if embeds := r.payload["embeds"].([]any); len(embeds) > 0 {
		return embeds[0].(map[string]any)["description"].(string), true
	}
	return r.payload["content"].(string), false
}

// At a limit all is shown; one character more and it moves to the next bigger
// place: the content, an embed, an embed without the middle and a file.
func TestLimits(t *testing.T) {
	for _, limit := range []int{contentText, embedText} {
		for n := limit - 1; n <= limit+1; n++ {
			r := render(adapters.Message{Key: "k", Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: strings.Repeat("é", n)}}})
			text, inEmbed := shownText(r)
			if size := utf8.RuneCountInString(text); size > embedText || !inEmbed && size > contentText {
				t.Errorf("%d characters are rendered as %d, in an embed: %v", n, size, inEmbed)
			}
			if inEmbed != (n > contentText) {
				t.Errorf("%d characters are in an embed: %v", n, inEmbed)
			}
			if cut := strings.Contains(text, "left out"); cut != (n > embedText) || (len(r.files) == 1) != cut {
				t.Errorf("%d characters: cut %v, files %d", n, cut, len(r.files))
			}
		}
	}
	for n := embedText - 9; n <= embedText-7; n++ { // a fence takes eight
		text, _ := shownText(render(adapters.Message{Key: "k", Blocks: []adapters.Block{{Kind: adapters.Preformatted, Text: strings.Repeat("x", n)}}}))
		if utf8.RuneCountInString(text) > embedText || strings.Count(text, "```") != 2 || strings.Contains(text, "left out") != (n > embedText-8) {
			t.Errorf("output of %d characters is rendered as %d", n, utf8.RuneCountInString(text))
		}
	}
}

func TestManyBlocksFit(t *testing.T) {
	var blocks []adapters.Block
	for i := range 300 {
		blocks = append(blocks, adapters.Block{Kind: adapters.Paragraph, Text: fmt.Sprintf("paragraph %d ```a``` *b*", i)},
			adapters.Block{Kind: adapters.Fields, Fields: []adapters.Field{{Name: "n", Value: strings.Repeat("*", 20)}}})
	}
	text, whole := fit(blocks, embedText)
	if n := utf8.RuneCountInString(text); n > embedText || whole || strings.Count(text, "```")%2 != 0 {
		t.Errorf("%d characters, whole: %v", n, whole)
	}
}

func TestComponentLimits(t *testing.T) {
	for _, tt := range []struct{ buttons, rows, notes int }{{0, 0, 0}, {1, 1, 0}, {5, 1, 0}, {6, 2, 0}, {24, 5, 0}, {25, 5, 0}, {26, 5, 1}} {
		var m adapters.Message
		for i := range tt.buttons {
			m.Buttons = append(m.Buttons, adapters.Button{ID: fmt.Sprint(i), Label: strings.Repeat("é", 79+i%3)})
		}
		rows, notes := components(m)
		if len(rows) != tt.rows || len(notes) != tt.notes {
			t.Errorf("%d buttons make %d rows and %q", tt.buttons, len(rows), notes)
		}
	}
	m := adapters.Message{Selects: make([]adapters.Select, 6)}
	for i := range m.Selects {
		m.Selects[i] = adapters.Select{ID: fmt.Sprint("s", i), Label: "pick", Options: []adapters.Option{{Value: "v", Label: strings.Repeat("x", 101)}}}
	}
	if rows, notes := components(m); len(rows) != 5 || len(notes) != 1 {
		t.Errorf("6 selects make %d rows and %q", len(rows), notes)
	}
}

func TestFiles(t *testing.T) {
	big := adapters.File{Name: "big.bin", Content: make([]byte, maxFile+1)}
	fits := adapters.File{Name: "fits.bin", Content: make([]byte, maxFile)}
	files, dropped := attachments([]adapters.File{big, fits, fits, fits})
	if len(files) != 2 || len(dropped) != 2 || !strings.Contains(dropped[0], "big") {
		t.Errorf("%d files are sent, left out: %q", len(files), dropped)
	}
}

func TestNonce(t *testing.T) {
	a, b := nonce("one"), nonce("two")
	if len(a) != 25 || a == b || a != nonce("one") {
		t.Errorf("%q, %q", a, b)
	}
}

func TestRouteOf(t *testing.T) {
	const a, b = "1111111111111111111", "2222222222222222222"
	for path, want := range map[string]string{
		"channels/" + a + "/messages/" + b:                          "GET channels/" + a + "/messages/id",
		"channels/" + a + "/messages/" + b + "/reactions/%E2%9C%85": "GET channels/" + a + "/messages/id/reactions/emoji",
		"webhooks/" + a + "/tok/messages/@original":                 "GET webhooks/" + a + "/tok/messages/@original",
		"users/@me": "GET users/@me",
	} {
		if got := routeOf("GET", path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func FuzzRender(f *testing.F) {
	f.Add("a *b* ```c", "d\n```")
	f.Fuzz(func(t *testing.T, s, output string) {
		r := render(adapters.Message{Key: "k", Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: s}, {Kind: adapters.Preformatted, Text: output}, {Kind: adapters.Heading, Text: s}}})
		text, inEmbed := shownText(r)
		if n := utf8.RuneCountInString(text); n > embedText || !inEmbed && n > contentText || !utf8.ValidString(text) {
			t.Fatalf("%d characters, in an embed: %v: %q", n, inEmbed, text)
		}
		if strings.Contains(text, "@everyone") || strings.Contains(text, "\x1b") {
			t.Fatalf("%q", text)
		}
	})
}
