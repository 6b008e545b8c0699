package discord_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/discord"
	fake "petrel/tests/fakes/discord"
)

// called is a desk at which ann has called /petrel.
func called(t *testing.T, private bool) (*desk, adapters.Target) {
	t.Helper()
	d := sit(t, fake.Options{}, nil).connected()
	d.a.SetCommands(petrel())
	d.answers(func(adapters.Event) (adapters.Answer, error) {
		return adapters.Answer{Disposition: adapters.Accepted, Private: private}, nil
	})
	d.call("#ops", "run date")
	e := d.hear(1)
	to := adapters.Target{Channel: e.Channel.ID, Thread: e.Message, Reply: e.Reply}
	if len(e.Reply) > 1024 {
		t.Errorf("the handle has %d bytes", len(e.Reply))
	}
	if private {
		to.Private = e.User.ID
	}
	return d, to
}

// The first answer takes the place of "is thinking", later ones follow; each is
// there once although replies are lost and the program is another one by then.
func TestAnswersToCommand(t *testing.T) {
	d, to := called(t, false)
	d.seesText("bob", "#ops", "is thinking")
	card := adapters.Message{To: to, Key: "card", State: adapters.StateWorking, Blocks: paragraph("working")}
	d.s.LoseReplies(1)
	ref := d.post(card)
	if again := d.post(card); again != ref {
		t.Errorf("the card is at %+v and %+v", ref, again)
	}
	other, err := discord.New(discord.Options{Token: d.s.Token(), APIURL: d.s.URL()}) // another process
	if err != nil {
		t.Fatal(err)
	}
	card.Blocks = paragraph("working still")
	if again, err := other.Send(d.ctx, card); err != nil || again != ref {
		t.Errorf("by another process: %+v, %v", again, err)
	}
	if err := other.Update(d.ctx, ref, card); err != nil {
		t.Error(err)
	}
	result := adapters.Message{To: to, Key: "result", State: adapters.StateSucceeded, Blocks: paragraph("the result")}
	d.s.LoseReplies(1)
	d.post(result)
	d.post(result)
	if n := d.count("#ops", "is thinking"); n != 0 {
		t.Error("the announcement is still there")
	}
	for _, text := range []string{"working", "the result"} {
		if n := d.count("#ops", text); n != 1 {
			t.Errorf("%q is there %d times", text, n)
		}
	}
}

// Of two processes that both hear a command, the one that stored it acknowledges
// it; what is private stays so.
func TestTwoProcesses(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	d.a.SetCommands(petrel())
	second, err := discord.New(discord.Options{Token: d.s.Token(), APIURL: d.s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- second.Run(run, d) }()
	defer func() { stop(); <-ran }()
	if err := d.s.AwaitOnline(d.ctx, 2); err != nil {
		t.Fatal(err)
	}
	d.answers(func(adapters.Event) (adapters.Answer, error) {
		return adapters.Answer{Disposition: adapters.Accepted, Private: true}, nil
	})
	for i := range 10 {
		d.call("#ops", "run date")
		e := d.hear(i + 1)
		d.post(adapters.Message{To: adapters.Target{Channel: e.Channel.ID, Reply: e.Reply, Private: e.User.ID}, Key: e.DeliveryID, Blocks: paragraph("a secret")})
	}
	if n := len(d.s.Person("bob").Sees("#ops")); n != 0 {
		t.Errorf("bob sees %d messages", n)
	}
	if n := d.count("#ops", "a secret"); n != 10 {
		t.Errorf("ann sees %d of 10 answers", n)
	}
	if n := len(d.s.Acks()); n != 10 {
		t.Errorf("%d acknowledgements", n)
	}
}

// Files of the first answer are there once, although it is filled in twice.
func TestFilesOfAnswer(t *testing.T) {
	d, to := called(t, false)
	m := adapters.Message{To: to, Key: "f", Blocks: paragraph("with a file"), Files: []adapters.File{{Name: "out.txt", Content: []byte("all of it")}}}
	d.s.LoseReplies(1)
	d.post(m)
	d.post(m)
	if s := d.seesText("bob", "#ops", "with a file"); len(s.Attachments) != 1 || s.Files["out.txt"] != "all of it" {
		t.Errorf("%d attachments: %v", len(s.Attachments), s.Files)
	}
}

// After the token ran out the answer is an ordinary message that calls the person.
func TestTokenRunsOut(t *testing.T) {
	d, to := called(t, false)
	d.s.ExpireTokens()
	d.post(adapters.Message{To: to, Key: "late", Blocks: paragraph("it took long")})
	m := d.seesText("bob", "#ops", "it took long")
	if len(m.Pings) != 1 || m.Pings[0] != "ann" {
		t.Errorf("called: %q", m.Pings)
	}
}

func TestPrivateAnswers(t *testing.T) {
	d, to := called(t, true)
	ref := d.post(adapters.Message{To: to, Key: "card", Blocks: paragraph("secret card")})
	d.post(adapters.Message{To: to, Key: "result", Blocks: paragraph("secret result")})
	for _, text := range []string{"secret card", "secret result"} {
		if m := d.seesText("ann", "#ops", text); m.OnlyFor == "" {
			t.Errorf("%q is seen by all", text)
		}
	}
	d.s.LoseReplies(1)
	if _, err := d.a.Send(d.ctx, adapters.Message{To: to, Key: "lost", Blocks: paragraph("secret and lost")}); !errors.Is(err, adapters.ErrOutcomeUnknown) {
		t.Errorf("a lost private answer gives %v", err)
	}
	d.s.ExpireTokens()
	if err := d.a.Update(d.ctx, ref, adapters.Message{To: to, Key: "card", Blocks: paragraph("changed")}); err != nil {
		t.Errorf("too late to change: %v", err)
	}
	d.post(adapters.Message{To: to, Key: "late", Blocks: paragraph("secret and late")})
	d.seesText("ann", "@", "secret and late")
	for _, m := range d.s.Person("bob").Sees("#ops") {
		if strings.Contains(m.Text, "secret") {
			t.Errorf("bob sees %q", m.Text)
		}
	}
}

// A handler that takes too long for Discord: the command is acknowledged
// nevertheless, and its answers are seen by those that they are for.
func TestLateHandler(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	d.a.SetCommands(petrel())
	hold := make(chan struct{})
	d.slow = map[string]chan struct{}{"run slow": hold}
	d.call("#ops", "run slow") // returns when it is acknowledged
	close(hold)
	e := d.hear(1)
	d.post(adapters.Message{To: adapters.Target{Channel: e.Channel.ID, Reply: e.Reply}, Key: "r", Blocks: paragraph("for everybody")})
	d.seesText("bob", "#ops", "for everybody")
	if n := d.count("#ops", "is thinking"); n != 0 {
		t.Error("the announcement is still there")
	}
	if acks := d.s.Acks(); len(acks) != 1 || acks[0].Late || acks[0].Took < time.Second {
		t.Errorf("acknowledged: %+v", acks)
	}
}

// What the handler cannot store is told at once, to the person alone.
func TestInteractionNotTaken(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	d.a.SetCommands(petrel())
	d.answers(func(adapters.Event) (adapters.Answer, error) {
		return adapters.Answer{}, errors.New("the disk is full")
	})
	d.call("#ops", "run date")
	if words, err := d.s.Person("ann").Told(d.ctx); err != nil || !strings.Contains(words, "try again") {
		t.Errorf("told: %q, %v", words, err)
	}
	if n := len(d.s.Person("bob").Sees("#ops")); n != 0 {
		t.Errorf("bob sees %d messages", n)
	}
}

// Acknowledgements come through a rate limit and lost replies.
func TestAcknowledgeThroughFaults(t *testing.T) {
	for name, hurt := range map[string]func(*fake.Server){
		"limited": func(s *fake.Server) { s.RateLimit(3, 50*time.Millisecond) },
		"lost":    func(s *fake.Server) { s.LoseReplies(1) },
		"twice":   func(s *fake.Server) { s.Duplicate(1) },
	} {
		t.Run(name, func(t *testing.T) {
			d := sit(t, fake.Options{}, nil).connected()
			d.a.SetCommands(petrel())
			d.call("#ops", "run date") // the command is known by then
			hurt(d.s)
			d.call("#ops", "run uptime")
			if e := d.hear(2); e.Text != "run uptime" {
				t.Errorf("heard %q", e.Text)
			}
		})
	}
}

func form() *adapters.Form {
	return &adapters.Form{
		ID: "f:1", Title: strings.Repeat("A long title ", 10), Text: "Say what to deploy.",
		Inputs: []adapters.Input{
			{Name: "version", Label: "Version", Kind: adapters.TextInput, Required: true},
			{Name: "env", Label: "Environment", Kind: adapters.ChoiceInput, Required: true, Value: "qa", Options: []adapters.Option{{Value: "prod", Label: "Production"}, {Value: "qa", Label: "QA"}}},
			{Name: "force", Label: "Force", Kind: adapters.BooleanInput, Value: "false"},
		},
	}
}

// opened is a desk at which ann has a form before her.
func opened(t *testing.T) (*desk, *fake.Harness) {
	t.Helper()
	d := sit(t, fake.Options{}, nil).connected()
	d.answers(func(e adapters.Event) (adapters.Answer, error) {
		if e.Opens {
			return adapters.Answer{Form: form()}, nil
		}
		return adapters.Answer{Disposition: adapters.Accepted}, nil
	})
	ref := d.post(adapters.Message{To: adapters.Target{Channel: "#ops"}, Key: "b", Blocks: paragraph("press"), Buttons: []adapters.Button{{ID: "open", Label: "Open"}}})
	if err := d.s.Person("ann").Press(d.ctx, ref.Message, "Open"); err != nil {
		t.Fatal(err)
	}
	return d, &fake.Harness{Server: d.s}
}

// What a field cannot take is said without asking the handler, and the form opens
// again as it was filled in.
func TestFormFields(t *testing.T) {
	d, h := opened(t)
	dialog, err := h.Form(d.ctx, "ann")
	if err != nil {
		t.Fatal(err)
	}
	if dialog.Values["env"] != "QA" || dialog.Values["force"] != "no" || !strings.Contains(strings.Join(dialog.Labels, "|"), "Production / QA") || len([]rune(dialog.Title)) > 45 {
		t.Errorf("shown is %+v", dialog)
	}
	if err := h.Submit(d.ctx, "ann", map[string]string{"version": "1.3", "env": "moon", "force": "perhaps"}); err != nil {
		t.Fatal(err)
	}
	if dialog, err = h.Form(d.ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	if why := dialog.Problems[""]; !strings.Contains(why, "Production, QA") || !strings.Contains(why, "yes or no") || dialog.Values["version"] != "1.3" || dialog.Values["env"] != "moon" {
		t.Errorf("opened again it is %+v", dialog)
	}
	if err := h.Submit(d.ctx, "ann", map[string]string{"env": "production", "force": "YES"}); err != nil {
		t.Fatal(err)
	}
	e := d.hear(2)
	if want := map[string]string{"version": "1.3", "env": "prod", "force": "true"}; !maps.Equal(e.Values, want) || e.Form != "f:1" {
		t.Errorf("heard %q with %v", e.Form, e.Values)
	}
}

func TestFormRefused(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	d.s.RefuseForms(true)
	d.answers(func(adapters.Event) (adapters.Answer, error) { return adapters.Answer{Form: form()}, nil })
	ref := d.post(adapters.Message{To: adapters.Target{Channel: "#ops"}, Key: "b", Blocks: paragraph("press"), Buttons: []adapters.Button{{ID: "open", Label: "Open"}}})
	if err := d.s.Person("ann").Press(d.ctx, ref.Message, "Open"); err != nil {
		t.Fatal(err)
	}
	if words, err := d.s.Person("ann").Told(d.ctx); err != nil || !strings.Contains(words, "could not be opened") {
		t.Errorf("told: %q, %v", words, err)
	}
}

// A press is answered privately under its message, and publicly in the channel.
func TestAnswersToPress(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	ref := d.post(adapters.Message{To: adapters.Target{Channel: "#ops"}, Key: "b", Blocks: paragraph("the question"), Buttons: []adapters.Button{{ID: "go", Label: "Go"}}})
	if err := d.s.Person("ann").Press(d.ctx, ref.Message, "Go"); err != nil {
		t.Fatal(err)
	}
	e := d.hear(1)
	to := adapters.Target{Channel: e.Channel.ID, Reply: e.Reply}
	d.post(adapters.Message{To: to, Key: "public", Blocks: paragraph("ann pressed")})
	to.Private = e.User.ID
	d.post(adapters.Message{To: to, Key: "private", Blocks: paragraph("only ann")})
	d.seesText("bob", "#ops", "ann pressed")
	d.seesText("bob", "#ops", "the question")
	if m := d.seesText("ann", "#ops", "only ann"); m.OnlyFor == "" {
		t.Error("everybody sees it")
	}
}

// A button that wants a question is asked about privately; the press counts, once,
// when that is answered.
func TestConfirm(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	ref := d.post(adapters.Message{To: adapters.Target{Channel: "#ops"}, Key: "b", Blocks: paragraph("the database"), Buttons: []adapters.Button{{ID: "drop:1", Label: "Drop it", Confirm: "Really drop *everything*?"}}})
	ann := d.s.Person("ann")
	if err := ann.Press(d.ctx, ref.Message, "Drop it"); err != nil {
		t.Fatal(err)
	}
	m := d.seesText("ann", "#ops", "Really drop everything?")
	if m.OnlyFor == "" {
		t.Error("everybody is asked")
	}
	for range 2 {
		if err := ann.Press(d.ctx, m.ID, "Yes"); err != nil {
			t.Fatal(err)
		}
	}
	if e := d.hear(1); e.Button != "drop:1" || e.Message != ref.Message {
		t.Errorf("pressed was %q under %s", e.Button, e.Message)
	}
	d.seesText("ann", "#ops", "answered already")
	d.say("ann", "!afterwards")
	if e := d.hear(2); e.Text != "!afterwards" {
		t.Errorf("the press counted twice: %+v", e)
	}
}

// More options than a menu takes become several menus of the same select.
func TestLongSelect(t *testing.T) {
	d := sit(t, fake.Options{}, nil).connected()
	s := adapters.Select{ID: "pick", Label: "Host"}
	for i := range 60 {
		name := "host" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		s.Options = append(s.Options, adapters.Option{Value: "v-" + name, Label: name})
	}
	ref := d.post(adapters.Message{To: adapters.Target{Channel: "#ops"}, Key: "s", Blocks: paragraph("which"), Selects: []adapters.Select{s}})
	m := d.seesText("ann", "#ops", "which")
	if len(m.Components) != 3 || ref.Message != m.ID {
		t.Fatalf("%d menus", len(m.Components))
	}
	// The person's client would show three menus of one name; the last is used here.
	if err := d.s.Person("ann").ChooseIn(d.ctx, m.ID, 2, "hostcc"); err != nil {
		t.Fatal(err)
	}
	if e := d.hear(1); e.Button != "pick" || e.Choice != "v-hostcc" {
		t.Errorf("chosen was %q of %q", e.Choice, e.Button)
	}
}
