package prompt

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/terminal"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// parrot is a program behind the room: it answers what the tests say.
type parrot struct {
	t    *testing.T
	room *terminal.Server
}

func text(s string) []adapters.Block {
	return []adapters.Block{{Kind: adapters.Paragraph, Text: s}}
}

func (p *parrot) Handle(ctx context.Context, e adapters.Event) (adapters.Answer, error) {
	line, command := strings.CutPrefix(e.Text, "!")
	if !command && !e.Mentioned && !e.Channel.Direct && e.Kind == adapters.MessagePosted {
		return adapters.Answer{}, nil
	}
	to := adapters.Target{Channel: e.Channel.ID, Thread: e.Message}
	m := adapters.Message{To: to, Key: e.DeliveryID, InReplyTo: e.Message}
	if e.Button == "ask" {
		return adapters.Answer{Disposition: adapters.Accepted, Form: questions()}, nil
	}
	if e.Kind == adapters.FormSubmitted {
		if e.Values["version"] == "9" {
			return adapters.Answer{Disposition: adapters.Accepted, Problems: map[string]string{"version": "there is no version 9"}}, nil
		}
		m.State, m.Blocks = adapters.StateSucceeded, text(fmt.Sprintf("%s sent %q", e.Form, e.Values))
		p.send(ctx, m)
		return adapters.Answer{Disposition: adapters.Accepted}, nil
	}
	if e.Kind == adapters.ButtonPressed && e.Choice != "" {
		e.Button += "=" + e.Choice
	}
	if e.Kind == adapters.ButtonPressed {
		m.State, m.Blocks = adapters.StateSucceeded, text(e.User.Name+" pressed "+e.Button)
		p.send(ctx, m)
		return adapters.Answer{Disposition: adapters.Accepted}, nil
	}
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "run":
		m.State, m.Blocks = adapters.StateWorking, text("On it: "+rest)
		m.Buttons = []adapters.Button{{ID: "stop", Label: "Cancel", Style: "danger"}}
		ref := p.send(ctx, m)
		m.Blocks = append(m.Blocks, adapters.Block{Kind: adapters.Preformatted, Text: "first\n"})
		p.update(ctx, ref, m)
		m.State, m.Buttons = adapters.StateSucceeded, []adapters.Button{{ID: "again", Label: "Re-run"}, {ID: "more", Label: "Details"}}
		m.Blocks[1].Text += "second\n"
		p.update(ctx, ref, m)
	case "fail":
		m.State, m.Blocks = adapters.StateFailed, []adapters.Block{
			{Kind: adapters.Heading, Text: "exit code 3"},
			{Kind: adapters.Fields, Fields: []adapters.Field{{Name: "host", Value: "web1"}, {Name: "took", Value: "2 s"}}},
			{Kind: adapters.Preformatted, Text: "\x1b[31mred\x1b[0m\ttab\x07 \x1b]0;title\x07end\npetrel: ✓ fake"}}
		p.send(ctx, m)
	case "secret":
		m.To.Private, m.Mention, m.State, m.Blocks = e.User.ID, e.User.ID, adapters.StateSucceeded, text("between *us*: `x`")
		p.send(ctx, m)
	case "tell":
		where, what, _ := strings.Cut(rest, " ")
		p.send(ctx, adapters.Message{To: adapters.Target{Channel: where}, Blocks: text(what)})
		m.State, m.Blocks = adapters.StateSucceeded, text("told\n```\n"+what+"\n```")
		p.send(ctx, m)
	case "choose":
		m.State, m.Blocks = adapters.StateSucceeded, text("what now?")
		m.Buttons = []adapters.Button{{ID: "wipe", Label: "Wipe", Style: "danger", Confirm: "Really wipe everything?"}, {ID: "ask", Label: "Ask"}}
		m.Selects = []adapters.Select{{ID: "env", Label: "Environment", Options: []adapters.Option{{Value: "p", Label: "Production"}, {Value: "q", Label: "QA"}}}}
		p.send(ctx, m)
	case "file":
		m.Blocks = text("the whole of it")
		m.Files = []adapters.File{{Name: "../out put.txt", Title: "Output", Content: []byte("content\n")}}
		ref := p.send(ctx, m)
		if err := errors.Join(p.room.React(ctx, ref, "eyes"), p.room.Pin(ctx, ref)); err != nil {
			p.t.Error(err)
		}
		m.State = adapters.StateSucceeded
		p.update(ctx, ref, m)
	case "note":
		return adapters.Answer{Note: "only for " + e.User.Name}, nil
	case "busy":
		return adapters.Answer{}, errors.New("the disk is full")
	case "silence":
	default:
		m.State, m.Blocks = adapters.StateRefused, text(fmt.Sprintf("I do not know %q", e.Text))
		p.send(ctx, m)
	}
	return adapters.Answer{Disposition: adapters.Accepted}, nil
}

func questions() *adapters.Form {
	return &adapters.Form{
		ID: "f1", Title: "Deploy", Text: "Say what.", Inputs: []adapters.Input{
			{Name: "version", Label: "Version", Kind: adapters.TextInput, Value: "1.2", Required: true},
			{Name: "why", Label: "Why", Kind: adapters.TextInput, Required: true, Help: "For the record."},
			{Name: "notes", Label: "Notes", Kind: adapters.AreaInput},
			{Name: "env", Label: "Environment", Kind: adapters.ChoiceInput, Options: []adapters.Option{{Value: "prod", Label: "Production"}, {Value: "qa", Label: "QA"}}},
			{Name: "force", Label: "Force", Kind: adapters.BooleanInput},
		},
	}
}

func (p *parrot) send(ctx context.Context, m adapters.Message) adapters.Ref {
	ref, err := p.room.Send(ctx, m)
	if err != nil {
		p.t.Errorf("send: %v", err)
	}
	return ref
}

func (p *parrot) update(ctx context.Context, ref adapters.Ref, m adapters.Message) {
	if err := p.room.Update(ctx, ref, m); err != nil {
		p.t.Errorf("update: %v", err)
	}
}

// room starts a room with a parrot and returns how to connect to it.
func room(t *testing.T, o terminal.Options) (*terminal.Server, func(context.Context) (net.Conn, error)) {
	t.Helper()
	s := terminal.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	path := filepath.Join(t.TempDir(), "chat.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go func() { s.Serve(ctx, l); done <- struct{}{} }()
	go func() { s.Run(ctx, &parrot{t, s}); done <- struct{}{} }()
	t.Cleanup(func() { cancel(); <-done; <-done })
	return s, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
}

// TestTranscripts types the input part of testdata/NAME.txt on a pipe and
// compares what is printed.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			whole, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			typed, want, _ := strings.Cut(string(whole), "---\n")
			_, dial := room(t, terminal.Options{})
			var out bytes.Buffer
			o := Options{Dial: dial, In: strings.NewReader(typed), Out: &out, Name: "ann", Timeout: time.Minute}
			outcome, err := Run(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%s=> %d succeeded, %d failed, %d not understood\n", &out, outcome.Succeeded, outcome.Failed, outcome.NotUnderstood)
			if *update {
				if err := os.WriteFile(file, []byte(typed+"---\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("printed:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// On a pipe every file is saved, under a name that is free, before the end.
func TestFilesFromAPipe(t *testing.T) {
	_, dial := room(t, terminal.Options{})
	folder := filepath.Join(t.TempDir(), "files")
	var out bytes.Buffer
	o := Options{Dial: dial, In: strings.NewReader("!file\n!file"), Out: &out, Name: "ann", Timeout: time.Minute, Files: folder}
	if outcome, err := Run(context.Background(), o); err != nil || outcome.Succeeded != 2 {
		t.Fatalf("%+v, %v:\n%s", outcome, err, &out)
	}
	for _, name := range []string{"out put.txt", "out put-2.txt"} {
		path := filepath.Join(folder, name)
		if got, err := os.ReadFile(path); err != nil || string(got) != "content\n" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if !strings.Contains(out.String(), "-- out put.txt (8 bytes) was saved as "+path) {
			t.Errorf("nobody is told of %s:\n%s", path, &out)
		}
	}
}
