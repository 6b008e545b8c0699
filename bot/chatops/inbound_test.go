package chatops

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/engine"
	"petrel/store"
)

func queryAction(action string) store.Query { return store.Query{Index: "action", Value: action} }

func parametersOf(t *testing.T, e engine.Execution) string {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(e.Parameters, &v); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(v) // keys sorted
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestDidYouMean(t *testing.T) {
	r := newTalk(t, everything)
	r.say(ann, "!depoly web to prod")
	m := r.expect("I do not know the command `depoly web to prod`", "!deploy web to prod", "[deploy web to prod]", "refused")
	if note := r.press(bob, m, "deploy web to prod").Note; !strings.Contains(note, "for ann.smith alone") {
		t.Errorf("bob is told %q", note)
	}
	r.restart()
	press := r.event(r.pressing(ann, m, "deploy web to prod"))
	for range 3 { // delivered more than once
		r.handle(press)
	}
	e := r.ran("p.deploy", 1)[0]
	if got := parametersOf(t, e); got != `{"app":"web","env":"prod"}` {
		t.Errorf("ran with %s", got)
	}
	if e.Context.User != "ann" || e.Context.APIUser != "ann" || e.Context.SourceChannel != "#ops" {
		t.Errorf("context %+v", e.Context)
	}
	after := r.expect("Did you mean", "ann: deploy web to prod")
	if len(after.Buttons) > 0 || after.State != adapters.StateNone {
		t.Errorf("afterwards: %+v", after.Message)
	}
	if note := r.press(ann, m, "deploy web to prod").Note; !strings.Contains(note, "Too late: ann did this already") {
		t.Errorf("a second press is told %q", note)
	}
	r.ran("p.deploy", 1)
}

// What lacks a value is no suggestion to press, and what may not be run is none
// at all.
func TestSuggestionsAreOnesThatRun(t *testing.T) {
	r := newTalk(t, everything)
	r.say(bob, "!deplyo web")
	if m := r.expect("Did you mean", "!deploy web"); len(m.Buttons) != 0 {
		t.Errorf("buttons: %+v", m.Buttons)
	}
	if m := r.answered(r.say(bob, "!opps thing"), "`opps thing`"); strings.Contains(m.words(), "!ops thing") {
		t.Errorf("bob is offered what he may not run: %s", m.words())
	}
	r.answered(r.say(ann, "!opps thing"), "[ops thing]")
}

func TestAmbiguity(t *testing.T) {
	r := newTalk(t, everything)
	r.say(ann, "!status web")
	m := r.expect("Which one?", "asking", "[status {{ app }} (p.status_app)]", "[status {{ host }} (p.status_host)]")
	r.press(ann, m, "status {{ host }} (p.status_host)")
	e := r.ran("p.noop", 1)[0]
	if e.Context.ActionAlias.Ref != "p.status_host" {
		t.Errorf("ran %+v", e.Context.ActionAlias)
	}
	if note := r.press(ann, m, "status {{ app }} (p.status_app)").Note; !strings.Contains(note, "Too late") {
		t.Errorf("the other choice is told %q", note)
	}
}

// Where there are no buttons the choice is made in words.
func TestAmbiguityInWords(t *testing.T) {
	r := newTalk(t, adapters.Capabilities{Threads: true})
	thread := r.say(ann, "!status web")
	r.expect("Which one?", "Answer with its number")
	r.reply(ann, thread, "7")
	r.expect("none of the choices")
	r.reply(bob, thread, "1") // not his question, and nobody was addressed
	r.reply(ann, thread, "2")
	if e := r.ran("p.noop", 1)[0]; e.Context.ActionAlias.Ref != "p.status_host" {
		t.Errorf("ran %+v", e.Context.ActionAlias)
	}
}

func TestMissingParametersByForm(t *testing.T) {
	r := newTalk(t, everything)
	r.say(ann, "!deploy")
	m := r.expect("*deploy* needs `app` and `env`", "[Fill in]", "[Cancel]", "asking")
	if note := r.press(bob, m, "Fill in").Note; !strings.Contains(note, "alone") {
		t.Errorf("bob is told %q", note)
	}
	r.restart()
	form := r.press(ann, m, "Fill in").Form
	if form == nil || len(form.Inputs) != 2 || form.Inputs[0].Name != "app" || form.Inputs[1].Kind != adapters.ChoiceInput || len(form.Inputs[1].Options) != 2 {
		t.Fatalf("form %+v", form)
	}
	if got := r.submit(ann, form, map[string]string{"app": " ", "env": "moon"}).Problems; got["app"] == "" || !strings.Contains(got["env"], "dev, prod") {
		t.Errorf("problems %v", got)
	}
	r.submit(ann, form, map[string]string{"app": "web", "env": "PROD"})
	if got := parametersOf(t, r.ran("p.deploy", 1)[0]); got != `{"app":"web","env":"prod"}` {
		t.Errorf("ran with %s", got)
	}
	if after := r.expect("*deploy* needs", "ann: filled in"); len(after.Buttons) > 0 {
		t.Errorf("buttons are left: %+v", after.Buttons)
	}
	if note := r.submit(ann, form, map[string]string{"app": "x", "env": "dev"}).Note; !strings.Contains(note, "Too late") {
		t.Errorf("a second form is told %q", note)
	}
	r.ran("p.deploy", 1)
}

func TestMissingParametersCanceled(t *testing.T) {
	r := newTalk(t, everything)
	r.say(ann, "!deploy web")
	m := r.expect("*deploy* needs `env`")
	r.press(ann, m, "Cancel")
	r.expect("*deploy* needs `env`", "ann: Cancel", "refused")
	if n := len(r.executions("p.deploy")); n != 0 {
		t.Errorf("%d executions", n)
	}
}

// A slash command can be answered by a form at once.
func TestMissingParametersOfASlashCommand(t *testing.T) {
	r := newTalk(t, everything)
	for _, e := range []adapters.Event{
		{Command: "deploy", Options: map[string]string{"app": "web"}},
		{Command: "petrel", Text: "deploy web"},
		{Command: "petrel", Options: map[string]string{"command": "deploy web"}},
	} {
		e.Kind, e.Opens, e.User = adapters.CommandCalled, true, ann
		e = r.event(e)
		form := r.handle(e).Form
		if again := r.handle(e).Form; again == nil || form == nil || again.ID != form.ID {
			t.Fatalf("%+v: forms %+v and %+v", e, form, again)
		}
		if len(form.Inputs) != 1 || form.Inputs[0].Name != "env" {
			t.Errorf("form %+v", form)
		}
		r.submit(ann, form, map[string]string{"env": "dev"})
	}
	for _, e := range r.ran("p.deploy", 3) {
		if got := parametersOf(t, e); got != `{"app":"web","env":"dev"}` {
			t.Errorf("ran with %s", got)
		}
	}
	// Who may not run it gets no form.
	r.define(`{"name":"deploy","formats":["deploy {{ app }}"],"action_ref":"p.deploy","deny":{"users":["ann"]}}`)
	if a := r.handle(adapters.Event{Kind: adapters.CommandCalled, Command: "deploy", Opens: true}); a.Form != nil {
		t.Errorf("a form for who may not: %+v", a.Form)
	}
	r.expect("excludes you (deny.users)", "Ask the admins")
}

func TestMissingParametersInWords(t *testing.T) {
	r := newTalk(t, adapters.Capabilities{Threads: true, Edit: true, Buttons: true})
	thread := r.say(ann, "!scale web")
	r.expect("*scale* needs `n` and `fast`", "What is `n`?", "a whole number")
	r.reply(ann, thread, "many")
	r.expect("`n` must be a whole number, not many")
	r.reply(bob, thread, "5") // somebody else's talk
	r.reply(ann, thread, "3")
	r.expect("What is `fast`? Say true or false.")
	r.restart()
	r.reply(ann, thread, "yes")
	if got := parametersOf(t, r.ran("p.scale", 1)[0]); got != `{"app":"web","fast":true,"n":3}` {
		t.Errorf("ran with %s", got)
	}
	r.reply(ann, thread, "thanks") // the question is over
	if r.platform.mu.Lock(); slices.ContainsFunc(r.platform.messages, func(s said) bool { return strings.Contains(s.words(), "thanks") }) {
		t.Error("talk after the answer was answered")
	}
	r.platform.mu.Unlock()

	thread = r.say(ann, "!scale shop")
	r.answered(thread, "What is `n`?")
	r.reply(ann, thread, "cancel")
	r.expect("Canceled. Nothing was run.")
	r.ran("p.scale", 1)
}

// A line outside of the thread answers when it is addressed and no command.
func TestAnswerOutsideOfTheThread(t *testing.T) {
	r := newTalk(t, adapters.Capabilities{Threads: true})
	r.say(ann, "!deploy web")
	r.expect("What is `env`?")
	r.say(ann, "prod is nice") // talk
	r.say(ann, "!ping")        // a command
	r.ran("p.noop", 1)
	r.say(ann, "!prod")
	if got := parametersOf(t, r.ran("p.deploy", 1)[0]); got != `{"app":"web","env":"prod"}` {
		t.Errorf("ran with %s", got)
	}
}

func TestSecretsAreNotAskedInPublic(t *testing.T) {
	r := newTalk(t, adapters.Capabilities{Threads: true})
	r.say(ann, "!login user=root")
	r.expect("`password`, which is secret and is not asked for where others read it", "refused")
	direct := adapters.Channel{ID: "D1", Name: "@ann", Direct: true}
	r.handle(adapters.Event{Kind: adapters.MessagePosted, Text: "login user=root", Channel: direct, Message: "x1"})
	r.expect("What is `password`?")
	r.handle(adapters.Event{Kind: adapters.MessagePosted, Text: "ping", Channel: direct, Message: "x2"}) // the answer, though it is an alias
	if got := parametersOf(t, r.ran("p.login", 1)[0]); got != `{"password":"ping","user":"root"}` {
		t.Errorf("ran with %s", got)
	}
}

func TestConfirm(t *testing.T) {
	r := newTalk(t, everything)
	r.say(ann, "!restart db1")
	m := r.expect("Really restart db1?", "[Run]", "[Cancel]", "asking")
	if note := r.press(bob, m, "Run").Note; note == "" {
		t.Error("bob may confirm for ann")
	}
	if len(r.executions("p.restart")) > 0 {
		t.Fatal("it ran without an answer")
	}
	r.press(ann, m, "Run")
	first := r.ran("p.restart", 1)[0]
	r.expect("Really restart db1?", "ann: Run")

	// Running it again asks again.
	r.handle(adapters.Event{Kind: adapters.ButtonPressed, User: ann, Button: "again:" + first.ID, Message: "b2"})
	m = r.expect("Really restart db1?", "[Run]")
	r.press(ann, m, "Run")
	r.ran("p.restart", 2)

	r.say(ann, "!restart db2")
	m = r.expect("Really restart db2?", "[Cancel]")
	r.press(ann, m, "Cancel")
	r.expect("Really restart db2?", "ann: Cancel", "refused")
	r.ran("p.restart", 2)
}

// Of acts that come at the same moment one counts, and the message tells of that
// one.
func TestActsAtTheSameMoment(t *testing.T) {
	r := newTalk(t, everything)
	runs := 0
	for n := range 10 {
		m := r.answered(r.say(ann, fmt.Sprintf("!restart db%d", n)), "[Run]")
		presses := []adapters.Event{
			r.event(r.pressing(ann, m, "Run")), r.event(r.pressing(ann, m, "Cancel")), r.event(r.pressing(ann, m, "Run")), r.event(r.pressing(ann, m, "Cancel")),
		}
		var all sync.WaitGroup
		var accepted atomic.Int32
		for _, e := range presses {
			all.Go(func() {
				a, err := r.chat.Handle(context.Background(), e)
				if err != nil {
					t.Error(err)
				}
				if a.Disposition == adapters.Accepted {
					accepted.Add(1)
				} else if a.Note == "" {
					t.Errorf("%+v is answered by %+v", e, a)
				}
			})
		}
		all.Wait()
		if accepted.Load() != 1 {
			t.Errorf("%d acts count", accepted.Load())
		}
		after := r.expect(fmt.Sprintf("Really restart db%d?", n), "ann: ")
		if strings.Contains(after.words(), "ann: Run") {
			runs++
			r.answered(after.InReplyTo, "Action p.restart completed")
		}
	}
	if runs == 0 {
		r.press(ann, r.answered(r.say(ann, "!restart last"), "[Run]"), "Run")
		runs++
	}
	r.ran("p.restart", runs)
}

func TestConfirmInWords(t *testing.T) {
	r := newTalk(t, adapters.Capabilities{})
	r.say(ann, "!restart db1")
	r.expect("Really restart db1?", "*yes* or *no*")
	r.handle(adapters.Event{Kind: adapters.MessagePosted, Text: "yes", Message: "y"})
	r.ran("p.restart", 1)
	r.say(ann, "!restart db2")
	r.expect("Really restart db2?")
	r.handle(adapters.Event{Kind: adapters.MessagePosted, Text: "No", Message: "n"})
	r.expect("Canceled. Nothing was run.")
	r.ran("p.restart", 1)
}

func TestQuestionsRunOut(t *testing.T) {
	now := time.Now()
	r := newTalk(t, everything)
	r.stop()
	late := false
	r.options.Now = func() time.Time {
		if late {
			return now.Add(11 * time.Minute)
		}
		return now
	}
	r.start()
	r.say(ann, "!restart db1")
	m := r.expect("Really restart db1?")
	r.stop()
	late = true
	r.start()
	if note := r.press(ann, m, "Run").Note; !strings.Contains(note, "Too late: this was open until") {
		t.Errorf("told %q", note)
	}
	r.stop()
	late = false
	r.options.Now = func() time.Time { return now.Add(25 * time.Hour) }
	r.start()
	if err := r.chat.sweep(context.Background()); err != nil {
		t.Fatal(err)
	}
	if note := r.press(ann, m, "Run").Note; !strings.Contains(note, "too old") {
		t.Errorf("told %q", note)
	}
	if n := len(r.executions("p.restart")); n != 0 {
		t.Errorf("%d executions", n)
	}
}

func TestPermissions(t *testing.T) {
	r := newTalk(t, everything)
	direct := adapters.Channel{ID: "D2", Name: "@ann", Direct: true}
	other := adapters.Channel{ID: "C2", Name: "#random"}
	for _, tt := range []struct {
		who  adapters.User
		in   adapters.Channel
		say  string
		want string // "" : runs
	}{
		{ann, ops, "ops thing", ""},
		{cyd, ops, "ops thing", ""}, // by e-mail
		{bob, ops, "ops thing", "p.ops_only allows it only to the groups ops (allow.groups), and you are bob. Ask the ops team."},
		{adapters.User{ID: "U9", Name: "ann"}, ops, "ops thing", "and you are fake:ann."}, // the name alone does not do
		{bob, ops, "private thing", "p.not_bob excludes you (deny.users). Ask the admins."},
		{ann, ops, "private thing", ""},
		{ann, other, "local thing", "p.here_only allows it only in #ops (allow.channels)."},
		{ann, direct, "local thing", "allow.channels"},
		{ann, ops, "local thing", ""},
	} {
		before := len(r.executions("p.noop"))
		id := fmt.Sprintf("p%d", r.deliver)
		r.handle(adapters.Event{Kind: adapters.MessagePosted, User: tt.who, Channel: tt.in, Text: "!" + tt.say, Message: id})
		if tt.want == "" {
			r.ran("p.noop", before+1)
			continue
		}
		if m := r.answered(id, tt.want); m.State != adapters.StateRefused {
			t.Errorf("%s by %s: %+v", tt.say, tt.who.Name, m.Message)
		}
	}
}

func TestHelpListsWhatMayBeRun(t *testing.T) {
	r := newTalk(t, everything)
	if m := r.answered(r.say(bob, "!help thing"), "!local thing"); strings.Contains(m.words(), "ops thing") || strings.Contains(m.words(), "private thing") {
		t.Errorf("bob sees\n%s", m.words())
	}
	r.say(ann, "!help thing")
	r.expect("!local thing", "!ops thing", "!private thing")
}

// Whoever may not run a command may neither end nor repeat it, nor look at it.
func TestTouchIsJudgedAgain(t *testing.T) {
	r := newTalk(t, everything)
	r.say(ann, "!ops thing")
	e := r.ran("p.noop", 1)[0]
	for _, verb := range []string{"again", "cancel", "details"} {
		press := adapters.Event{Kind: adapters.ButtonPressed, User: bob, Button: verb + ":" + e.ID}
		if note := r.handle(press).Note; !strings.Contains(note, "allow.groups") || !strings.Contains(note, "Ask the ops team") {
			t.Errorf("%s: bob is told %q", verb, note)
		}
	}
	if note := r.handle(adapters.Event{Kind: adapters.ButtonPressed, Button: "cancel:" + e.ID}).Note; !strings.Contains(note, "Too late to cancel") {
		t.Errorf("told %q", note)
	}
	r.handle(adapters.Event{Kind: adapters.ButtonPressed, Button: "details:" + e.ID})
	if m := r.expect("Execution: "+e.ID, "Asked by: ann"); m.To.Private != "U1" {
		t.Errorf("the details are for everybody: %+v", m.To)
	}
	again := r.event(adapters.Event{Kind: adapters.ButtonPressed, Button: "again:" + e.ID})
	r.handle(again)
	r.handle(again)                                                                                                                            // delivered again
	if note := r.handle(adapters.Event{Kind: adapters.ButtonPressed, Button: "again:" + e.ID}).Note; !strings.Contains(note, "a moment ago") { // pressed twice
		t.Errorf("told %q", note)
	}
	r.ran("p.noop", 2)
	for _, id := range []string{"again:nope", "what:" + e.ID, "ask:" + e.ID + ":0", "ask:x", ""} {
		if a := r.handle(adapters.Event{Kind: adapters.ButtonPressed, Button: id}); a.Note == "" {
			t.Errorf("%q is not explained", id)
		}
	}
}

func TestCancelByButton(t *testing.T) {
	r := newTalk(t, everything)
	r.say(ann, "!hold")
	m := r.expect("[Cancel]", "working")
	r.press(ann, m, "Cancel")
	e := r.ran("p.hold", 1)[0]
	if e.Status != engine.Canceled || e.Context.CancelledBy != "ann" {
		t.Errorf("%s by %q", e.Status, e.Context.CancelledBy)
	}
}

func TestSlashCommands(t *testing.T) {
	r := newTalk(t, everything)
	ctx, cancel := context.WithCancel(context.Background())
	changed := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.chat.KeepCommands(ctx, func() <-chan struct{} { return changed })
	}()
	commands := func() (list []adapters.Command) {
		deadline := time.After(30 * time.Second)
		for {
			r.platform.mu.Lock()
			list, news := r.platform.commands, r.platform.news
			r.platform.mu.Unlock()
			if len(list) > 0 {
				return list
			}
			select {
			case <-news:
			case <-deadline:
				t.Fatal("no commands were made known")
			}
		}
	}()
	cancel()
	<-done
	at := slices.IndexFunc(commands, func(c adapters.Command) bool { return c.Name == "deploy" })
	if commands[0].Name != "petrel" || at < 0 || len(commands) != 12 {
		t.Fatalf("commands: %+v", commands)
	}
	var options []string
	for _, o := range commands[at].Options {
		options = append(options, fmt.Sprintf("%s %s %t %d", o.Name, o.Kind, o.Required, len(o.Choices)))
	}
	if got := strings.Join(options, ", "); got != "app string true 0, env string true 2, force boolean false 0" {
		t.Errorf("options: %s", got)
	}

	r.handle(adapters.Event{Kind: adapters.CommandCalled, Command: "deploy", Options: map[string]string{"app": "web", "env": "dev", "force": "true"}})
	if got := parametersOf(t, r.ran("p.deploy", 1)[0]); got != `{"app":"web","env":"dev","force":true}` {
		t.Errorf("ran with %s", got)
	}
	r.handle(adapters.Event{Kind: adapters.CommandCalled, Command: "deploy", Text: "shop to prod"}) // without typed options
	r.ran("p.deploy", 2)
	r.handle(adapters.Event{Kind: adapters.CommandCalled, Command: "petrel", Text: "ping"})
	r.ran("p.noop", 1)
	r.handle(adapters.Event{Kind: adapters.CommandCalled, Command: "petrel"})
	r.expect("These commands are known")
}

func TestVerify(t *testing.T) {
	r := newTalk(t, everything)
	for _, e := range []adapters.Event{
		{Adapter: "other", DeliveryID: "1", User: ann}, {Adapter: "fake", User: ann},
	} {
		if _, err := r.chat.Handle(context.Background(), e); engine.CodeOf(err) != engine.Invalid {
			t.Errorf("%+v: %v", e, err)
		}
	}
	for i, who := range []adapters.User{{ID: "B", Name: "robot", Bot: true}, {}} {
		e := adapters.Event{Adapter: "fake", DeliveryID: fmt.Sprint(i), Kind: adapters.MessagePosted, User: who, Channel: ops, Text: "!ping"}
		if a, err := r.chat.Handle(context.Background(), e); a.Disposition != adapters.Ignored || err != nil {
			t.Errorf("a line of %+v is %v, %v", who, a.Disposition, err)
		}
	}
}

func TestApproval(t *testing.T) {
	r := newTalk(t, everything)
	r.define(fixtureAliases + `{"name":"ask","formats":["ask {{ message }}"],"action_ref":"p.ask","immutable_parameters":{"approvers":{"groups":["ops"],"exclude_requester":true,"count":1}}}`)
	r.say(ann, "!ask May web be deployed?")
	m := r.expect("An answer is needed", "May web be deployed?", "group ops; not ann", "[Approve]", "[Refuse]")
	if note := r.press(ann, m, "Approve").Note; !strings.Contains(note, "ann asked for this and may not answer it too") {
		t.Errorf("ann is told %q", note)
	}
	if note := r.press(bob, m, "Refuse").Note; !strings.Contains(note, "needs somebody of ops") {
		t.Errorf("bob is told %q", note)
	}
	r.restart()
	press := r.event(r.pressing(cyd, m, "Approve"))
	r.handle(press)
	r.handle(press)
	e := r.ran("p.ask", 1)[0]
	if e.Status != engine.Succeeded || !strings.Contains(string(e.Result), `"response":{"continue":true}`) {
		t.Errorf("%s %s", e.Status, e.Result)
	}
	if after := r.expect("Answered", "*cyd* approved"); len(after.Buttons) > 0 || after.ref != m.ref {
		t.Errorf("afterwards: %+v", after)
	}
	if note := r.press(cyd, m, "Refuse").Note; !strings.Contains(note, "answered this already") {
		t.Errorf("told %q", note)
	}
}

// What a button does not say is asked for by a form.
func TestApprovalWithAReason(t *testing.T) {
	r := newTalk(t, everything)
	schema := `{"type":"object","properties":{"ok":{"type":"boolean","required":true},"why":{"type":"string","required":true},"n":{"type":"integer"}}}`
	r.define(`{"name":"ask","formats":["ask"],"action_ref":"p.ask","immutable_parameters":{"message":"Sure?","schema":` + schema + `}}`)
	r.say(ann, "!ask")
	m := r.expect("Sure?", "[Refuse]")
	form := r.press(bob, m, "Refuse").Form
	if form == nil || len(form.Inputs) != 2 || form.Inputs[0].Name == "ok" || form.Inputs[1].Name == "ok" {
		t.Fatalf("form %+v", form)
	}
	if p := r.submit(bob, form, map[string]string{"n": "x"}).Problems; p["why"] == "" || p["n"] == "" {
		t.Errorf("problems %v", p)
	}
	r.submit(bob, form, map[string]string{"why": "too late in the day", "n": "5"})
	e := r.ran("p.ask", 1)[0]
	if !strings.Contains(string(e.Result), `"ok":false`) || !strings.Contains(string(e.Result), `"n":5`) {
		t.Errorf("%s", e.Result)
	}
	r.expect("Answered", "*bob* refused", "why: too late in the day")
	inquiry, _, err := r.service.Inquiry(context.Background(), e.ID)
	if err != nil || len(inquiry.Answers) != 1 || inquiry.Answers[0].By != "bob" {
		t.Errorf("%v %+v", err, inquiry)
	}
}

// Many choices are a list, where the platform has lists.
func TestManyChoices(t *testing.T) {
	r := newTalk(t, everything)
	var lines strings.Builder
	for i := range 7 {
		fmt.Fprintf(&lines, `{"name":"look%d","formats":["look at {{ what%d }}"],"action_ref":"p.noop"}`+"\n", i, i)
	}
	lines.WriteString(`{"name":"ask","formats":["ask"],"action_ref":"p.ask","immutable_parameters":{"schema":{"type":"object","properties":{"where":{"type":"string","enum":["here","there"]}}}}}` + "\n")
	lines.WriteString(`{"name":"tell","formats":["tell"],"action_ref":"p.ask","immutable_parameters":{"schema":{"type":"object","properties":{"a":{"type":"string","required":true},"b":{"type":"integer"}}}}}`)
	r.define(lines.String())
	m := r.answered(r.say(ann, "!look at birds"), "Which one?")
	if len(m.Buttons) != 0 || len(m.Selects) != 1 || len(m.Selects[0].Options) != 7 {
		t.Fatalf("%+v", m.Message)
	}
	choice := adapters.Event{Kind: adapters.ButtonPressed, Button: m.Selects[0].ID, Choice: "9", Message: m.ref}
	if a := r.handle(choice); a.Note == "" {
		t.Errorf("a choice that is not there: %+v", a)
	}
	choice.Choice = m.Selects[0].Options[4].Value
	r.handle(choice)
	if e := r.ran("p.noop", 1)[0]; e.Context.ActionAlias.Ref != "p.look4" {
		t.Errorf("ran %+v", e.Context.ActionAlias)
	}

	r.say(ann, "!ask")
	r.press(bob, r.expect("[here]", "[there]"), "there")
	if e := r.ran("p.ask", 1)[0]; !strings.Contains(string(e.Result), `"response":{"where":"there"}`) {
		t.Errorf("%s", e.Result)
	}
	r.say(ann, "!tell")
	form := r.press(bob, r.expect("[Answer]"), "Answer").Form
	if form == nil || len(form.Inputs) != 2 {
		t.Fatalf("form %+v", form)
	}
	r.submit(bob, form, map[string]string{"a": "x", "b": ""})
	r.expect("*bob* answered", "a: x")
	r.ran("p.ask", 2)
}
