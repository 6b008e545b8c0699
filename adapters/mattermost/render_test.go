package mattermost_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"petrel/adapters"
	fake "petrel/tests/fakes/mattermost"
)

// TestGolden renders messages and compares the posts with testdata/golden.json.
// With UPDATE_GOLDEN=1 it writes the file anew.
func TestGolden(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.connected()
	raw := func(s string) map[string]json.RawMessage {
		return map[string]json.RawMessage{"mattermost": json.RawMessage(s), "slack": json.RawMessage(`{"color":"#000"}`)}
	}
	text := func(s string) []adapters.Block { return []adapters.Block{{Kind: adapters.Paragraph, Text: s}} }
	cases := []struct {
		name string
		m    adapters.Message
	}{
		{"plain", adapters.Message{Blocks: text("hello *world*, see https://a.example/x_y")}},
		{"all kinds", adapters.Message{State: adapters.StateSucceeded, Blocks: []adapters.Block{
			{Kind: adapters.Heading, Text: "Deploy *web*"}, {Kind: adapters.Paragraph, Text: "Done by `ann`."},
			{Kind: adapters.Fields, Fields: []adapters.Field{{Name: "host_name", Value: "web1"}, {Name: "took", Value: "2 s"}}},
			{Kind: adapters.Preformatted, Text: "$ ls *\n```\n@all"},
		}}},
		{"addressed", adapters.Message{Mention: r.User("ann").ID, State: adapters.StateFailed, Blocks: text("it failed")}},
		{"output alone", adapters.Message{Mention: r.User("ann").ID, State: adapters.StateWorking, Blocks: []adapters.Block{{Kind: adapters.Preformatted, Text: "out"}}}},
		{"refused", adapters.Message{State: adapters.StateRefused, Blocks: text("not allowed")}},
		{"colour", adapters.Message{Color: "#2389d7", Blocks: text("coloured"), Buttons: []adapters.Button{{ID: "x", Label: "Go", Style: "primary"}}}},
		{"no colour", adapters.Message{Color: "reddish", Blocks: text("not coloured")}},
		{"extra fields", adapters.Message{Blocks: text("the text"), Extra: raw(`{"title":"T @all","title_link":"https://a.example/@x","color":"#00ff00","fields":[{"title":"a","value":"@here","short":true}]}`)}},
		{"extra attachments", adapters.Message{Mention: r.User("ann").ID, Blocks: text("ignored"), Extra: raw(`{"attachments":[{"text":"one"},{"text":"two","color":"good"}]}`), Buttons: []adapters.Button{{ID: "x", Label: "Go"}}}},
		{"controls", adapters.Message{
			Blocks:  text("choose"),
			Selects: []adapters.Select{{ID: "s", Label: "Where", Options: []adapters.Option{{Value: "p", Label: "Production"}, {Value: "q"}}}, {ID: "empty", Label: "Nothing"}},
			Buttons: []adapters.Button{{ID: "a", Label: "A", Style: "danger"}, {ID: "b", Label: strings.Repeat("long ", 20)}, {ID: "c", Label: " \n "}, {ID: "d", Label: "D", Style: "odd"}, {ID: "e", Label: "E"}, {ID: "f", Label: "F"}, {ID: "g", Label: "G"}},
		}},
	}
	got := map[string]any{}
	for i, c := range cases {
		c.m.To, c.m.Key = adapters.Target{Channel: r.Channel("#ops").ID}, fmt.Sprint("g", i)
		ref := r.send(c.m)
		posts := r.Server.Posts("#ops")
		p := posts[slices.IndexFunc(posts, func(p fake.Post) bool { return p.ID == ref.Message })]
		delete(p.Props, "petrel_key")
		delete(p.Props, "from_bot")
		for _, label := range []string{"url", "context"} {
			strip(p.Props, "integration", label)
		}
		strip(p.Props, "options", "value")
		got[c.name] = map[string]any{"message": p.Message, "props": p.Props}
	}
	body, err := json.MarshalIndent(got, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "golden.json")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, append(body, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(body)+"\n" {
		t.Errorf("the posts are\n%s\nwhich is not %s", body, file)
	}
}

// strip takes out what differs from run to run: key of every object that is
// found under parent.
func strip(v any, parent, key string) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			if k == parent {
				list, _ := inner.([]any)
				for _, one := range append(list, inner) {
					if m, ok := one.(map[string]any); ok {
						delete(m, key)
					}
				}
			}
			strip(inner, parent, key)
		}
	case []any:
		for _, inner := range v {
			strip(inner, parent, key)
		}
	}
}

// TestLimits holds posts to the server's own limit, whatever it is: a text that
// just fits is one post, one more character makes head, tail and a file.
func TestLimits(t *testing.T) {
	for _, limit := range []int{4000, 16383} {
		r := newRig(t, fake.Options{MaxPostSize: limit})
		r.connected()
		if got := r.Adapter().Capabilities().MaxText; got != limit {
			t.Errorf("MaxText is %d, want %d", got, limit)
		}
		for _, size := range []int{limit - 1, limit, limit + 1, 3 * limit} {
			for _, kind := range []adapters.BlockKind{adapters.Paragraph, adapters.Preformatted} {
				fence := 0
				if kind == adapters.Preformatted {
					fence = len("```\n\n```")
				}
				body := strings.Repeat("é23456789\n", size/10+1)
				whole := "begin" + string([]rune(body)[:size-fence-len("beginend")]) + "end"
				m := r.message(fmt.Sprint(kind, size), "")
				m.Blocks = []adapters.Block{{Kind: kind, Text: whole}}
				ref := r.send(m)
				posts := r.Server.Posts("#ops")
				p := posts[len(posts)-1]
				n := utf8.RuneCountInString(p.Message)
				files := r.Server.Files(p)
				switch {
				case p.ID != ref.Message:
					t.Errorf("%s of %d: the last post is another", kind, size)
				case size <= limit && (n != size || len(files) > 0):
					t.Errorf("%s of %d: the post has %d characters and %d files", kind, size, n, len(files))
				case size > limit && (n > limit || files["message.txt"] != whole || !strings.Contains(p.Message, "left out")):
					t.Errorf("%s of %d: the post has %d characters, the file %d", kind, size, n, len(files["message.txt"]))
				case !strings.Contains(p.Message, "begin") || !strings.Contains(p.Message, "end") || strings.Count(p.Message, "```")%2 != 0:
					t.Errorf("%s of %d: %.60q...", kind, size, p.Message)
				}
				if err := r.Adapter().Update(r.ctx, ref, m); err != nil {
					t.Errorf("update of %s of %d: %v", kind, size, err)
				}
			}
		}
	}
}

func TestFilesThatDoNotFit(t *testing.T) {
	r := newRig(t, fake.Options{MaxFileSize: 1000})
	r.connected()
	m := r.message("f", "with files")
	m.Files = []adapters.File{{Name: "../../etc/big.txt", Content: make([]byte, 1001)}, {Name: "../../etc/ok.txt", Content: []byte("ok")}}
	for i := range 12 {
		m.Files = append(m.Files, adapters.File{Name: fmt.Sprint(i, ".txt"), Content: []byte("x")})
	}
	r.send(m)
	posts := r.said("with files")
	if len(posts) != 1 {
		t.Fatalf("%d posts", len(posts))
	}
	files := r.Server.Files(posts[0])
	if files["ok.txt"] != "ok" || len(files) != 10 || !strings.Contains(fake.Visible(posts[0].Message), "has 1001 bytes, this server takes 1000") || !strings.Contains(posts[0].Message, "3 more files are left out") {
		t.Errorf("files %v, message %q", files, posts[0].Message)
	}
}

// A thread whose root is a reply, or is gone, is found or left; it loses nothing.
func TestThreads(t *testing.T) {
	r := newRig(t, fake.Options{})
	root, err := r.Server.Say("ann", "#ops", "", "the root")
	if err != nil {
		t.Fatal(err)
	}
	reply, err := r.Server.Say("bob", "#ops", root, "the reply")
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct{ thread, want string }{{root, root}, {reply, root}, {strings.Repeat("z", 26), ""}} {
		r.Renew() // one that has heard nothing
		m := r.message(fmt.Sprint("t", i), fmt.Sprint("answer ", i))
		m.To.Thread = tt.thread
		r.send(m)
		if posts := r.said(fmt.Sprint("answer ", i)); len(posts) != 1 || posts[0].Root != tt.want {
			t.Errorf("under %s: %d posts, %+v", tt.thread, len(posts), posts)
		}
	}
}

func TestBadExtra(t *testing.T) {
	r := newRig(t, fake.Options{})
	m := r.message("x", "text")
	m.Extra = map[string]json.RawMessage{"mattermost": json.RawMessage(`"a text"`)}
	if _, err := r.Adapter().Send(r.ctx, m); err == nil || !strings.Contains(err.Error(), "extra.mattermost must be an object") {
		t.Errorf("the error is %v", err)
	}
}
