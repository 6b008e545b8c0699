package adaptertest

import (
	"context"
	"maps"
	"strings"

	"petrel/adapters"
)

// Controls is what a harness does beyond lines and buttons. The suite asks for
// it when the adapter's Capabilities say so.
type Controls interface {
	// Call uses a slash command of ours as a person does, with text behind it.
	// With Capabilities.Commands.
	Call(ctx context.Context, person, channel, command, text string) error
	// Choose chooses the option with this label in the select with that one.
	// With Capabilities.Selects.
	Choose(ctx context.Context, person, message, label, option string) error
	// Form waits until a form is open before a person, and returns it as the
	// person sees it. With Capabilities.Forms.
	Form(ctx context.Context, person string) (Dialog, error)
	// Submit fills in the open form, by the names of its inputs, and sends it.
	Submit(ctx context.Context, person string, values map[string]string) error
}

// Dialog is an open form as a person sees it.
type Dialog struct {
	Title    string
	Labels   []string          // of its inputs
	Values   map[string]string // what is filled in, by the inputs' names
	Problems map[string]string // what was wrong with the last submission, by name; "" is the key of what concerns no input
}

// controls returns the harness's Controls.
func (t *test) controls() Controls {
	t.Helper()
	c, ok := t.harness.(Controls)
	if !ok {
		t.Fatal("the adapter's capabilities need a harness with adaptertest.Controls")
	}
	return c
}

func testCommand(t *test) {
	if !t.adapter.Capabilities().Commands {
		t.without("slash commands")
		return
	}
	t.join("ann", "#ops")
	t.join("bob", "#ops")
	if err := t.controls().Call(t.ctx, "ann", "#ops", "petrel", "run date & time"); err != nil {
		t.Fatal(err)
	}
	e := t.hear(1)
	t.checkEvent(e, adapters.CommandCalled, "ann", t.harness.Channel("#ops"))
	if e.Command != "petrel" || e.Text != "run date & time" {
		t.Errorf("the command is %q with %q, want petrel with what was typed", e.Command, e.Text)
	}
	to := adapters.Target{Channel: e.Channel.ID, Thread: e.Message, Reply: e.Reply}
	ref := t.send(adapters.Message{To: to, Key: "c1", InReplyTo: e.Message, State: adapters.StateWorking, Blocks: paragraph("working on it")})
	t.seeText("bob", "#ops", "working on it")
	if t.adapter.Capabilities().Edit {
		if err := t.adapter.Update(t.ctx, ref, adapters.Message{To: to, Key: "c1", Blocks: paragraph("done with it")}); err != nil {
			t.Fatal(err)
		}
		t.seeText("bob", "#ops", "done with it")
	}
	t.send(adapters.Message{To: to, Key: "c2", InReplyTo: e.Message, State: adapters.StateSucceeded, Blocks: paragraph("the result")})
	t.seeText("bob", "#ops", "the result")
	if err := t.controls().Call(t.ctx, "ann", "#ops", "petrel", "run date & time"); err != nil {
		t.Fatal(err)
	}
	if again := t.hear(2); again.DeliveryID == e.DeliveryID {
		t.Error("two calls share a delivery ID")
	}
}

// testCommandPrivate: an answer that is for the caller alone stays so.
func testCommandPrivate(t *test) {
	if c := t.adapter.Capabilities(); !c.Commands || !c.Ephemeral {
		t.without("private answers to commands")
		return
	}
	t.join("ann", "#ops")
	t.join("bob", "#ops")
	t.heard.setAnswer(func(context.Context, adapters.Event) (adapters.Answer, error) {
		return adapters.Answer{Disposition: adapters.Accepted, Private: true}, nil
	})
	if err := t.controls().Call(t.ctx, "ann", "#ops", "petrel", "secret"); err != nil {
		t.Fatal(err)
	}
	e := t.hear(1)
	to := adapters.Target{Channel: e.Channel.ID, Thread: e.Message, Reply: e.Reply, Private: e.User.ID}
	m := adapters.Message{To: to, Key: "cp1", Blocks: paragraph("for ann's eyes")}
	ref := t.send(m)
	if s := t.seeText("ann", "#ops", "for ann's eyes"); !s.Private {
		t.Errorf("the answer is not marked as private: %+v", s)
	}
	if t.adapter.Capabilities().EditPrivate {
		m.Blocks = paragraph("for her eyes still")
		if err := t.adapter.Update(t.ctx, ref, m); err != nil {
			t.Fatal(err)
		}
		t.seeText("ann", "#ops", "for her eyes still")
	}
	t.heard.setAnswer(nil)
	t.barrier("#ops", "ann", "bob")
	if t.count("bob", "#ops", "eyes") > 0 {
		t.Error("bob sees what only ann should")
	}
}

func testSelect(t *test) {
	if !t.adapter.Capabilities().Selects {
		t.without("selects")
		return
	}
	t.join("ann", "#ops")
	t.send(adapters.Message{
		To: adapters.Target{Channel: t.harness.Channel("#ops").ID}, Key: "sel", Blocks: paragraph("where to"),
		Selects: []adapters.Select{{ID: "ask:1/x-y_z", Label: "Environment", Options: []adapters.Option{{Value: "p-1", Label: "Production"}, {Value: "s-1", Label: "Staging"}}}},
	})
	s := t.seeText("ann", "#ops", "where to")
	if err := t.controls().Choose(t.ctx, "ann", s.Message, "Environment", "Staging"); err != nil {
		t.Fatal(err)
	}
	e := t.hear(1)
	t.checkEvent(e, adapters.ButtonPressed, "ann", t.harness.Channel("#ops"))
	if e.Button != "ask:1/x-y_z" || e.Choice != "s-1" || e.Message != s.Message {
		t.Errorf("chosen was %q of %q under %q, want s-1 of the select", e.Choice, e.Button, e.Message)
	}
}

// questions is a form with an input of every kind.
func questions() *adapters.Form {
	return &adapters.Form{
		ID: "form:1/a-b_c", Title: "Deploy <web> & co", Text: "Say what to deploy.", Submit: "Deploy",
		Inputs: []adapters.Input{
			{Name: "version", Label: "Version", Kind: adapters.TextInput, Value: "1.2", Required: true},
			{Name: "notes", Label: "Notes", Kind: adapters.AreaInput, Help: "What people should know."},
			{Name: "env", Label: "Environment", Kind: adapters.ChoiceInput, Options: []adapters.Option{{Value: "prod", Label: "Production"}, {Value: "qa", Label: "QA"}}},
			{Name: "force", Label: "Force", Kind: adapters.BooleanInput},
		},
	}
}

// openForm has a person press a button that opens the form.
func (t *test) openForm() (Controls, Dialog) {
	t.Helper()
	t.join("ann", "#ops")
	t.heard.setAnswer(func(_ context.Context, e adapters.Event) (adapters.Answer, error) {
		if e.Kind == adapters.ButtonPressed && e.Opens {
			return adapters.Answer{Disposition: adapters.Accepted, Form: questions()}, nil
		}
		return adapters.Answer{Disposition: adapters.Accepted}, nil
	})
	t.send(adapters.Message{To: adapters.Target{Channel: t.harness.Channel("#ops").ID}, Key: "f1", Blocks: paragraph("press to deploy"), Buttons: []adapters.Button{{ID: "open", Label: "Deploy"}}})
	s := t.seeText("ann", "#ops", "press to deploy")
	if err := t.harness.Press(t.ctx, "ann", s.Message, "Deploy"); err != nil {
		t.Fatal(err)
	}
	if e := t.hear(1); !e.Opens {
		t.Fatal("a press cannot open a form, although the adapter has forms")
	}
	c := t.controls()
	d, err := c.Form(t.ctx, "ann")
	if err != nil {
		t.Fatalf("the form does not open: %v", err)
	}
	return c, d
}

func testForm(t *test) {
	if !t.adapter.Capabilities().Forms {
		t.without("forms")
		return
	}
	c, d := t.openForm()
	if !strings.Contains(d.Title, "Deploy") || len(d.Labels) < 4 || d.Values["version"] != "1.2" {
		t.Errorf("the form is shown as %+v", d)
	}
	want := map[string]string{"version": "1.3 <&>", "notes": "line one\nline two", "env": "qa", "force": "true"}
	if err := c.Submit(t.ctx, "ann", want); err != nil {
		t.Fatal(err)
	}
	e := t.hear(2)
	t.checkEvent(e, adapters.FormSubmitted, "ann", t.harness.Channel("#ops"))
	if e.Form != "form:1/a-b_c" || !maps.Equal(e.Values, want) {
		t.Errorf("submitted was %q with %v, want %v", e.Form, e.Values, want)
	}
}

// testFormProblems: a refused form says why, and what was typed is not lost
// where the platform can keep it.
func testFormProblems(t *test) {
	if !t.adapter.Capabilities().Forms {
		t.without("forms")
		return
	}
	c, _ := t.openForm()
	t.heard.setAnswer(func(_ context.Context, e adapters.Event) (adapters.Answer, error) {
		return adapters.Answer{Disposition: adapters.Accepted, Problems: map[string]string{"version": "there is no version nine"}}, nil
	})
	if err := c.Submit(t.ctx, "ann", map[string]string{"version": "9", "env": "qa", "force": "false", "notes": ""}); err != nil {
		t.Fatal(err)
	}
	t.hear(2)
	if d, err := c.Form(t.ctx, "ann"); err == nil && strings.Contains(d.Problems["version"]+d.Problems[""], "no version nine") {
		return
	}
	if words, err := t.harness.Told(t.ctx, "ann"); err != nil || !strings.Contains(words, "no version nine") {
		t.Errorf("the problem is not told: %q, %v", words, err)
	}
}

// testNote: what is answered at once reaches the person, and nobody else.
func testNote(t *test) {
	if !t.adapter.Capabilities().Buttons {
		t.without("buttons")
		return
	}
	t.join("ann", "#ops")
	t.join("bob", "#ops")
	t.heard.setAnswer(func(context.Context, adapters.Event) (adapters.Answer, error) {
		return adapters.Answer{Note: "bob was faster"}, nil
	})
	t.send(adapters.Message{To: adapters.Target{Channel: t.harness.Channel("#ops").ID}, Key: "no", Blocks: paragraph("approve?"), Buttons: []adapters.Button{{ID: "yes", Label: "Yes"}}})
	s := t.seeText("ann", "#ops", "approve?")
	if err := t.harness.Press(t.ctx, "ann", s.Message, "Yes"); err != nil {
		t.Fatal(err)
	}
	t.hear(1)
	if words, err := t.harness.Told(t.ctx, "ann"); err != nil || !strings.Contains(words, "bob was faster") {
		t.Errorf("the note is not told: %q, %v", words, err)
	}
	t.heard.setAnswer(nil)
	t.barrier("#ops", "ann", "bob")
	if t.count("bob", "#ops", "bob was faster") > 0 {
		t.Error("bob sees a note for ann")
	}
}

func testFiles(t *test) {
	if !t.adapter.Capabilities().Files {
		t.without("files")
		return
	}
	t.join("ann", "#ops")
	content := strings.Repeat("a line of output é\n", 2000)
	t.send(adapters.Message{
		To: adapters.Target{Channel: t.harness.Channel("#ops").ID}, Key: "file", Blocks: paragraph("the whole output"),
		Files: []adapters.File{{Name: "output.txt", Title: "Output", Content: []byte(content)}},
	})
	t.seeText("ann", "#ops", "the whole output")
	s := t.see("ann", "#ops", "a file", func(s Seen) bool { return len(s.Files) > 0 })
	if got := s.Files["output.txt"]; got != content {
		t.Errorf("the file has %d bytes, %d were sent: %v", len(got), len(content), maps.Keys(s.Files))
	}
}
