package slack

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"petrel/adapters"
)

var update = flag.Bool("update", false, "write the golden files anew")

func para(text string) adapters.Block { return adapters.Block{Kind: adapters.Paragraph, Text: text} }
func pre(text string) adapters.Block {
	return adapters.Block{Kind: adapters.Preformatted, Text: text}
}

// messages are those that are held to their golden renderings.
func messages() map[string]adapters.Message {
	m := map[string]adapters.Message{
		"plain":  {Blocks: []adapters.Block{para("hello *bold* `code` https://example.com/x [page](https://example.com/y) a_b_c _d_ ~e~ <!channel> & <@U1>")}},
		"fence":  {Blocks: []adapters.Block{para("before\n```sh\nls -l\n```\nafter")}},
		"result": {State: adapters.StateSucceeded, Mention: "U2", Blocks: []adapters.Block{para("Action *core.local* completed."), pre("stdout : hi\n  <!here> ```")}},
		"fields": {State: adapters.StateFailed, Blocks: []adapters.Block{
			{Kind: adapters.Heading, Text: "Host\nweb1"},
			{Kind: adapters.Fields, Fields: []adapters.Field{{Name: "cpu", Value: "99 %"}, {Name: "*mem*", Value: "1\n2"}}},
		}},
		"output first": {State: adapters.StateWorking, Blocks: []adapters.Block{pre("line")}},
		"colour":       {Color: "#ff0000", Mention: "U2", Blocks: []adapters.Block{para("red")}, Buttons: []adapters.Button{{ID: "x", Label: "Stop"}}},
		"controls": {Blocks: []adapters.Block{para("well?")}, Buttons: []adapters.Button{
			{ID: "yes", Label: "Yes", Style: "primary", Confirm: "Really <all>?"}, {ID: "no", Label: "\x1b[31mNo\n", Style: "danger"}, {ID: "odd", Label: "", Style: "pink"},
		}, Selects: []adapters.Select{{ID: "env", Label: "Environment", Options: []adapters.Option{{Value: "p", Label: "Production"}}}}},
		"only buttons": {Buttons: []adapters.Button{{ID: "a", Label: "A"}}},
	}
	extra := func(name, raw string) {
		m["extra "+name] = adapters.Message{
			State: adapters.StateSucceeded, Mention: "U2", InReplyTo: "1.2", Blocks: []adapters.Block{para("the *text* <b>"), pre("out")},
			Buttons: []adapters.Button{{ID: "a", Label: "A"}}, Extra: map[string]json.RawMessage{"slack": json.RawMessage(raw)},
		}
	}
	extra("color", `{"color":"#00f"}`)
	extra("title", `{"title":"T","title_link":"https://example.com","fields":[{"title":"a","value":"b","short":true}],"footer":"f"}`)
	extra("attachments", `{"attachments":[{"color":"good","text":"theirs","actions":[]}],"text":"above"}`)
	extra("blocks", `{"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"*theirs*"},"new_key":1}]}`)
	extra("thread", `{"thread_response":true,"username":"robot","icon_emoji":":robot_face:","unfurl_links":true}`)
	return m
}

// wire is what goes over the wire for a message.
func wire(t *testing.T, m adapters.Message) string {
	t.Helper()
	r, err := renderExtra(m)
	if err != nil {
		t.Fatal(err)
	}
	out := struct {
		Text, Thread        string
		Blocks, Attachments any
		Whole               string
	}{Text: r.text, Thread: r.thread, Blocks: r.blocks, Attachments: r.attachments}
	if r.whole != nil {
		out.Whole = fmt.Sprintf("%s, %d bytes", r.whole.Name, len(r.whole.Content))
	}
	raw, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw) + "\n"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is rendered as\n%s\nwant\n%s", name, got, want)
	}
}

func TestRenderings(t *testing.T) {
	for name, m := range messages() {
		golden(t, name, wire(t, m))
	}
}

// long shortens long runs, so that a golden file shows where the cuts are.
var longRun = regexp.MustCompile(`(?:abcdefghi(?:\\n|\n)){3,}`)

// TestLimits renders texts around Slack's limits.
func TestLimits(t *testing.T) {
	fill := func(n int) string {
		return string([]rune("<" + strings.Repeat("abcdefghi\n", n/10+1))[:n-1]) + ">"
	}
	for _, limit := range []int{blockText, textBudget} {
		for _, n := range []int{limit - 1, limit, limit + 1} {
			for kind, b := range map[string]adapters.Block{"paragraph": para(fill(n)), "preformatted": pre(fill(n)), "fenced": para("```\n" + fill(n-8) + "\n```")} {
				got := longRun.ReplaceAllStringFunc(wire(t, adapters.Message{Blocks: []adapters.Block{b}}), func(run string) string {
					run = strings.ReplaceAll(run, `\n`, "\n")
					return fmt.Sprintf("{%d lines}", strings.Count(run, "\n"))
				})
				golden(t, fmt.Sprintf("limit %d %s", n, kind), got)
			}
		}
	}
}

// blockSizes returns the characters of each block that is sent.
func blockSizes(t *testing.T, r rendered) (sizes []int, total int) {
	t.Helper()
	for _, b := range r.blocks {
		raw, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatal(err)
		}
		n := textSize(v)
		sizes = append(sizes, n)
		total += n
	}
	return sizes, total
}

func textSize(v any) (n int) {
	switch v := v.(type) {
	case map[string]any:
		for key, in := range v {
			if s, ok := in.(string); ok && (key == "text" || key == "url") {
				n += utf8.RuneCountInString(s)
			}
			n += textSize(in)
		}
	case []any:
		for _, in := range v {
			n += textSize(in)
		}
	}
	return n
}

// TestLabels: labels are cut at Slack's limits.
func TestLabels(t *testing.T) {
	for what, limit := range map[string]int{"title": formTitle, "button": buttonText, "option": optionText, "placeholder": placeholder, "question": confirmText} {
		for _, n := range []int{limit - 1, limit, limit + 1} {
			want := strings.Repeat("é", min(n, limit))
			if n > limit {
				want = strings.Repeat("é", limit-1) + "…"
			}
			if got := label(strings.Repeat("é", n), limit).Text; got != want {
				t.Errorf("%s of %d characters is shown as %q", what, n, got)
			}
		}
	}
}

// TestBudget: whatever a message holds, it fits.
func TestBudget(t *testing.T) {
	many := make([]adapters.Block, 200)
	for i := range many {
		many[i] = para(strings.Repeat("word ", 30))
	}
	fields := make([]adapters.Field, 300)
	for i := range fields {
		fields[i] = adapters.Field{Name: fmt.Sprint("name", i), Value: strings.Repeat("value ", 50)}
	}
	buttons := make([]adapters.Button, 60)
	for i := range buttons {
		buttons[i] = adapters.Button{ID: fmt.Sprint(i), Label: strings.Repeat("é", 90)}
	}
	options := make([]adapters.Option, 250)
	for i := range options {
		options[i] = adapters.Option{Value: fmt.Sprint(i), Label: strings.Repeat("o", 40)}
	}
	links := strings.Repeat("https://example.com/"+strings.Repeat("x", 2000)+" ", 9)
	for name, m := range map[string]adapters.Message{
		"many blocks": {Blocks: many}, "many fields": {Blocks: []adapters.Block{{Kind: adapters.Fields, Fields: fields}}},
		"long heading": {Blocks: []adapters.Block{{Kind: adapters.Heading, Text: strings.Repeat("h", 20_000)}}},
		"many buttons": {Blocks: []adapters.Block{pre(strings.Repeat("x\n", 20_000))}, Buttons: buttons},
		"many options": {Blocks: []adapters.Block{para("choose")}, Selects: []adapters.Select{{ID: "s", Label: "One", Options: options}}},
		"everything":   {Mention: "U1", State: adapters.StateFailed, Blocks: append(many[:60:60], pre(strings.Repeat("é", 30_000)), para(strings.Repeat("```", 9001)))},
		"long links":   {Blocks: []adapters.Block{para(links)}},
	} {
		r := render(m)
		sizes, total := blockSizes(t, r)
		if len(sizes) > maxBlocks {
			t.Errorf("%s: %d blocks", name, len(sizes))
		}
		for i, n := range sizes[:len(sizes)-len(controlBlocks(m))] {
			if n > blockText {
				t.Errorf("%s: block %d has %d characters", name, i, n)
			}
		}
		if name != "many options" && total > 13_200 {
			t.Errorf("%s: %d characters", name, total)
		}
		if utf8.RuneCountInString(r.text) > 2*fallbackText {
			t.Errorf("%s: the fallback has %d characters", name, utf8.RuneCountInString(r.text))
		}
	}
}

func TestExtraIsNoObject(t *testing.T) {
	m := adapters.Message{Blocks: []adapters.Block{para("text")}, Extra: map[string]json.RawMessage{"slack": json.RawMessage(`["no"]`)}}
	r, err := renderExtra(m)
	if err == nil || !strings.Contains(err.Error(), "extra.slack must be an object") {
		t.Errorf("the error is %v", err)
	}
	if len(r.blocks) != 1 {
		t.Error("the text is lost with it")
	}
}
