package chatops

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"petrel/adapters"
	"petrel/adapters/markup"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
)

// moody is the fake platform with faults.
type moody struct {
	*platform
	send   func(adapters.Message) error // nil: nothing is wrong
	update func(adapters.Message) error
}

func (m *moody) Send(ctx context.Context, msg adapters.Message) (adapters.Ref, error) {
	if m.send != nil {
		if err := m.send(msg); err != nil {
			return adapters.Ref{}, err
		}
	}
	return m.platform.Send(ctx, msg)
}

func (m *moody) Update(ctx context.Context, ref adapters.Ref, msg adapters.Message) error {
	if m.update != nil {
		if err := m.update(msg); err != nil {
			return err
		}
	}
	return m.platform.Update(ctx, ref, msg)
}

// newMoody is a talk on a platform with faults.
func newMoody(t *testing.T, shows adapters.Capabilities, m *moody, patience time.Duration) *talk {
	t.Helper()
	r := newTalk(t, shows)
	m.platform = r.platform
	r.options.Adapters = []adapters.Adapter{m}
	r.options.Patience = patience
	r.restart()
	return r
}

func TestVisibility(t *testing.T) {
	for _, tt := range []struct {
		visibility string
		shows      adapters.Capabilities
		to         adapters.Target // of the result
		private    bool            // the answer to the event
		pointer    bool
	}{
		{"", everything, adapters.Target{Channel: "C1", Thread: "m1", Reply: "token"}, false, false},
		{"thread", everything, adapters.Target{Channel: "C1", Thread: "m1", Reply: "token"}, false, false},
		{"public", everything, adapters.Target{Channel: "C1", Reply: "token"}, false, false},
		{"ephemeral", everything, adapters.Target{Channel: "C1", Private: "U1", Reply: "token"}, true, false},
		{"ephemeral", adapters.Capabilities{Threads: true}, adapters.Target{Channel: "@ann.smith"}, false, true},
		{"direct", everything, adapters.Target{Channel: "@ann.smith"}, false, true},
	} {
		t.Run(tt.visibility, func(t *testing.T) {
			r := newTalk(t, tt.shows)
			r.define(`{"name":"v","formats":["v"],"action_ref":"p.noop","visibility":"` + tt.visibility + `"}`)
			answer := r.handle(adapters.Event{Kind: adapters.MessagePosted, Text: "!v", Message: "m1", Reply: "token"})
			if answer.Private != tt.private {
				t.Errorf("private is %t", answer.Private)
			}
			m := r.expect("Action p.noop completed.", "succeeded", "in reply to m1")
			if m.To != tt.to {
				t.Errorf("the result goes to %+v, want %+v", m.To, tt.to)
			}
			if card := r.expect("Running *p.noop*"); card.To != tt.to {
				t.Errorf("the card goes to %+v", card.To)
			}
			if got := strings.Contains(r.platform.everything(), "direct conversation"); got != tt.pointer {
				t.Errorf("a pointer is there: %t", got)
			}
			if tt.pointer {
				p := r.expect("I answer you in our direct conversation")
				if p.To.Channel != "C1" || p.To.Thread != "m1" || p.State.Final() {
					t.Errorf("the pointer is %+v", p.Message)
				}
			}
		})
	}
}

// In a direct conversation everything is for this person's eyes already.
func TestVisibilityInADirectConversation(t *testing.T) {
	r := newTalk(t, everything)
	r.define(`{"name":"v","formats":["v"],"action_ref":"p.noop","visibility":"ephemeral"}`)
	r.handle(adapters.Event{Kind: adapters.MessagePosted, Text: "v", Message: "m1", Channel: adapters.Channel{ID: "D1", Name: "@ann", Direct: true}})
	if m := r.expect("Action p.noop completed."); m.To != (adapters.Target{Channel: "D1"}) {
		t.Errorf("the result goes to %+v", m.To)
	}
}

// What happens between two edits is shown by the next one; the end at once.
func TestEditsKeepThePace(t *testing.T) {
	shows := everything
	shows.EditEvery = int(time.Hour.Milliseconds())
	var edits, inFlight atomic.Int32
	m := &moody{update: func(adapters.Message) error {
		defer inFlight.Add(-1)
		if inFlight.Add(1) > 1 {
			t.Error("two edits at once")
		}
		edits.Add(1)
		return nil
	}}
	r := newMoody(t, shows, m, time.Minute)
	r.say(ann, "!hold")
	card := r.expect("Working on it", "[Cancel]", "[Details]")
	e := r.executions("p.hold")[0]
	for range 5 {
		r.notice(t, &e)
	}
	r.press(ann, card, "Cancel")
	r.expect("Action p.hold completed.", "status : canceled")
	if last := r.expect("Canceled by ann", "[Run again]"); last.ref != card.ref {
		t.Errorf("the card is %s, not %s", last.ref, card.ref)
	}
	if n := edits.Load(); n != 1 {
		t.Errorf("%d edits, want 1", n)
	}
}

// notice says that an execution moved on.
func (r *talk) notice(t *testing.T, e *engine.Execution) {
	t.Helper()
	body, err := json.Marshal(pipeline.Notice{Kind: pipeline.NoticeExecution, Execution: e.ID, Detail: e.Origin.Detail})
	if err != nil {
		t.Fatal(err)
	}
	b := &store.Batch{Pushes: []store.Push{{Queue: pipeline.QueueOutbox, ID: e.ID, Group: e.Origin.Conversation, Body: body}}}
	if err := r.store.Commit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// An edit that the platform puts off does not hold up the result, and is made
// later.
func TestPutOffEdit(t *testing.T) {
	var refused atomic.Bool
	m := &moody{update: func(adapters.Message) error {
		if refused.CompareAndSwap(false, true) {
			return &adapters.RetryError{After: time.Second, Err: errors.New("slow down")}
		}
		return nil
	}}
	r := newMoody(t, everything, m, time.Minute)
	r.say(ann, "!hold") // what ends at once may have no edit at all
	r.press(ann, r.expect("Working on it", "[Cancel]"), "Cancel")
	r.expect("Action p.hold completed.")
	r.expect("Canceled by ann", "[Run again]")
	if !refused.Load() {
		t.Error("no edit was put off")
	}
}

// A card that somebody removed does not keep the result away.
func TestRemovedCard(t *testing.T) {
	m := &moody{update: func(adapters.Message) error { return errors.New("message not found") }}
	r := newMoody(t, everything, m, time.Minute)
	r.say(ann, "!ping")
	r.expect("Action p.noop completed.", "succeeded")
}

// What cannot be shown is said not to be, and filed.
func TestDeadLetterIsTold(t *testing.T) {
	m := &moody{send: func(m adapters.Message) error {
		if strings.HasSuffix(m.Key, "/result") {
			return errors.New("invalid_blocks")
		}
		return nil
	}}
	r := newMoody(t, everything, m, time.Minute)
	id := r.say(ann, "!ping")
	r.answered(id, "could not be shown here", "invalid_blocks", "failed")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		docs, _, err := pipeline.DeadLetters.List(ctx, r.store, store.Query{})
		if err != nil {
			t.Fatal(err)
		}
		if len(docs) == 1 && strings.Contains(docs[0].Value.Reason, "invalid_blocks") {
			return
		}
		// The letter is committed right after the apology; nothing signals it.
		time.Sleep(10 * time.Millisecond)
	}
}

func TestStillRunning(t *testing.T) {
	t.Run("live card", func(t *testing.T) {
		r := newMoody(t, everything, &moody{}, 200*time.Millisecond)
		r.say(ann, "!hold")
		card := r.expect("Still running after", "[Cancel]")
		r.press(ann, card, "Cancel")
		r.expect("status : canceled")
		if strings.Contains(r.platform.everything(), "*p.hold*: Still running") {
			t.Error("a message of its own, beside the live card")
		}
	})
	t.Run("no edits", func(t *testing.T) {
		shows := everything
		shows.Edit = false
		r := newMoody(t, shows, &moody{}, 100*time.Millisecond)
		id := r.say(ann, "!hold")
		r.answered(id, "*p.hold*: Still running after", "working")
		count := func() int { return strings.Count(r.platform.everything(), "*p.hold*: Still running") }
		for before := count(); count() == before; { // again, at a growing distance
			r.platform.mu.Lock()
			news := r.platform.news
			r.platform.mu.Unlock()
			select {
			case <-news:
			case <-time.After(30 * time.Second):
				t.Fatal("it is said only once")
			}
		}
		r.press(ann, r.expect("[Cancel]"), "Cancel")
		r.expect("status : canceled")
	})
	t.Run("no acknowledgement", func(t *testing.T) {
		r := newMoody(t, everything, &moody{}, 100*time.Millisecond)
		r.define(`{"name":"h","formats":["h"],"action_ref":"p.hold","ack":{"enabled":false}}`)
		r.say(ann, "!h")
		r.expect("*p.hold*: Still running after")
		e := r.executions("p.hold")[0]
		if _, err := r.service.Cancel(t.Context(), e.ID, "ann"); err != nil {
			t.Fatal(err)
		}
		r.expect("status : canceled")
	})
}

func TestReminders(t *testing.T) {
	for age, want := range map[time.Duration]int{
		59 * time.Second: 0, time.Minute: 1, 119 * time.Second: 1, 2 * time.Minute: 2, 10 * time.Minute: 4,
		3 * time.Hour: 8, 4 * time.Hour: 9,
	} {
		if got := reminders(time.Minute, age); got != want {
			t.Errorf("after %s: %d, want %d", age, got, want)
		}
	}
}

func TestNextLook(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for age, want := range map[time.Duration]time.Duration{
		0: 15 * time.Second, 15 * time.Second: 30 * time.Second, 40 * time.Second: time.Minute, time.Minute: 2 * time.Minute,
	} {
		tell := telling{c: &Chat{patience: time.Minute}, e: &engine.Execution{StartTimestamp: start}}
		if got := tell.nextLook(start.Add(age)).Sub(start); got != want {
			t.Errorf("after %s: %s, want %s", age, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	output := strings.Repeat("a line of output\n", 2000)
	fenced := "Here it is:\n```\n" + output + "```\nthe end"
	can := adapters.Capabilities{MaxText: 4000, Files: true, MaxFile: 1 << 20}
	for _, tt := range []struct {
		name  string
		block adapters.Block
		can   adapters.Capabilities
		file  string
	}{
		{"short", adapters.Block{Kind: adapters.Preformatted, Text: "short"}, can, ""},
		{"no limit", adapters.Block{Kind: adapters.Preformatted, Text: output}, adapters.Capabilities{}, ""},
		{"output", adapters.Block{Kind: adapters.Preformatted, Text: output}, can, output},
		{"an author's fence", adapters.Block{Kind: adapters.Paragraph, Text: fenced}, can, fenced},
		{"no files", adapters.Block{Kind: adapters.Preformatted, Text: output}, adapters.Capabilities{MaxText: 2000}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := fit(adapters.Message{Blocks: []adapters.Block{paragraph("before"), tt.block}}, tt.can)
			if n := length(m.Blocks); tt.can.MaxText > 0 && n > tt.can.MaxText {
				t.Errorf("%d characters, at most %d", n, tt.can.MaxText)
			}
			if n := strings.Count(m.Blocks[1].Text, "```"); n%2 != 0 {
				t.Errorf("a broken fence: %s", m.Blocks[1].Text)
			}
			switch {
			case tt.file == "" && len(m.Files) > 0:
				t.Errorf("a file of %d bytes", len(m.Files[0].Content))
			case tt.file != "" && (len(m.Files) != 1 || string(m.Files[0].Content) != tt.file):
				t.Errorf("not the whole is in the file: %+v", m.Files)
			}
			if tt.name == "no files" && !strings.Contains(textOf(m.Blocks), "too long to be shown") {
				t.Errorf("nothing says that something is missing: %s", textOf(m.Blocks))
			}
			if strings.HasPrefix(tt.name, "no limit") && m.Blocks[1].Text != output {
				t.Error("a text without limit was changed")
			}
		})
	}
	private := fit(adapters.Message{To: adapters.Target{Private: "U1"}, Blocks: []adapters.Block{{Kind: adapters.Preformatted, Text: output}}}, can)
	if len(private.Files) > 0 {
		t.Error("what only one person may see becomes a file that all see")
	}
}

// At the limit of a platform nothing is cut, one above it everything is there
// as a file.
func TestFitAtTheLimit(t *testing.T) {
	can := adapters.Capabilities{MaxText: 4000, Files: true}
	limit := int(float64(can.MaxText)*room) - 1 // a block ends with a line break
	for n, cut := range map[int]bool{limit - 1: false, limit: false, limit + 1: true} {
		text := strings.Repeat("x", n)
		m := fit(adapters.Message{Blocks: []adapters.Block{{Kind: adapters.Preformatted, Text: text}}}, can)
		if (len(m.Files) > 0) != cut {
			t.Errorf("%d characters: files %d", n, len(m.Files))
		}
		if got := utf8.RuneCountInString(m.Blocks[0].Text); got > limit {
			t.Errorf("%d characters are left of %d", got, n)
		}
	}
}

func TestResultTemplates(t *testing.T) {
	r := newTalk(t, everything)
	r.options.WebURL = "https://st2.example"
	r.restart()
	r.define(`
{"name":"a","formats":["a {{ env }}"],"action_ref":"p.deploy","immutable_parameters":{"app":"x"},"ack":{"format":"On it: {{ execution.parameters.env }}","extra":{"slack":{"thread_response":true,"x":"{{ execution.id }}"}}},"result":{"format":"Deployed {~}to {{ execution.result.env }}","extra":{"color":"#0F0","slack":{"title":"{{ execution.status }}"}}}}
{"name":"b","formats":["b"],"action_ref":"p.noop","ack":{"append_url":false},"result":{"format":"{{ nothing.at.all }}"}}
{"name":"c","formats":["c"],"action_ref":"p.restart","immutable_parameters":{"host":"~~~"},"result":{"format":"` + "```\\n{{ execution.result.host }}\\n```" + `"}}
{"name":"d","formats":["d"],"action_ref":"p.noop","result":{"enabled":false}}
`)
	id := r.say(ann, "!a dev")
	e := r.ran("p.deploy", 1)[0]
	m := r.answered(id, "Deployed", "to dev", "succeeded")
	if m.Color != "#00ff00" || string(m.Extra["slack"]) != `{"title":"succeeded"}` || len(m.Blocks) != 2 {
		t.Errorf("%+v", m.Message)
	}
	card := r.expect("On it: dev (details available at https://st2.example/#/history/" + e.ID + "/general)")
	if string(card.Extra["slack"]) != `{"x":"`+e.ID+`"}` {
		t.Errorf("extra of the card: %s", card.Extra["slack"])
	}
	id = r.say(ann, "!b")
	r.answered(id, "web_url: https://st2.example", "The result.format of alias p.b cannot be rendered")
	r.say(ann, "!c")
	r.expect("~~~")
	r.say(ann, "!d")
	if m := r.expect("Succeeded after", "succeeded"); strings.Contains(r.platform.everything(), "Action p.noop completed.\nstatus : succeeded\nexecution: "+m.InReplyTo) {
		t.Errorf("a result that nobody wants")
	}
}

// Output cannot end the fence that a template puts around it.
func TestOutputStaysInItsFence(t *testing.T) {
	c := newTalk(t, everything).chat
	e := &engine.Execution{Action: engine.ActionRef{Ref: "p.noop", Runner: "echo"}, Result: json.RawMessage("{\"stdout\":\"a\\n```\\n<!channel> *x*\"}")}
	if got := string(c.shownResult(e)); strings.Contains(got, "```") || !strings.Contains(got, markup.Unfence("```")) {
		t.Errorf("%q", got)
	}
}

func TestHexColor(t *testing.T) {
	for in, want := range map[string]string{"#0F0": "#00ff00", "00f": "#0000ff", "#A1b2C3": "#a1b2c3", "good": "#2eb886", "red": "", "": ""} {
		if got := hexColor(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestNotifications(t *testing.T) {
	r := newTalk(t, everything)
	content := *r.content.Load()
	noop := *content.actions["p.noop"]
	noop.Notify = json.RawMessage(`{
		"on-complete":{"routes":["#dev","fake:#ops","hubot","slack:#none"],"message":"{{ action_context.user }} did it{~}{{ action_results | length }} keys","data":{"who":"{{ action_context.api_user }}"}},
		"on-success":{"channels":["@bob"]},
		"on-failure":{"routes":["#never"]}}`)
	content.actions = map[string]*engine.Action{"p.noop": &noop}
	r.content.Store(&content)
	r.say(ann, "!ping")
	e := r.ran("p.noop", 1)[0]
	m := r.expect("ann did it\n0 keys", "`p.noop` succeeded, execution `"+e.ID+"`", "[Details]")
	if m.To.Channel != "#dev" && m.To.Channel != "#ops" {
		t.Errorf("told in %+v", m.To)
	}
	if m := r.expect("Action p.noop succeeded."); m.To.Channel != "@bob" {
		t.Errorf("told in %+v", m.To)
	}
	docs, _, err := pipeline.Instances.List(t.Context(), r.store, store.Query{Index: "trigger", Value: engine.TriggerNotify})
	if err != nil || len(docs) != 5 {
		t.Fatalf("%d events, %v; want one a route", len(docs), err)
	}
	var payload map[string]any
	if err := json.Unmarshal(docs[0].Value.Payload, &payload); err != nil {
		t.Fatal(err)
	}
	if payload["execution_id"] != e.ID || payload["route"] != payload["channel"] || docs[0].Value.TraceID != e.TraceID {
		t.Errorf("payload %v", payload)
	}
	if data, _ := payload["data"].(map[string]any); data["result"] != "{}" {
		t.Errorf("data %v", data)
	}
}

func TestChannelOf(t *testing.T) {
	c := newTalk(t, everything).chat
	for route, want := range map[string]string{
		"#ops": "fake #ops", "@ann": "fake @ann", "fake:#ops": "fake #ops", "slack:#ops": "", "hubot": "", "": "", "#": "", ":#ops": "", "fake:ops": "",
	} {
		adapter, channel, ok := c.channelOf(route)
		if got := strings.TrimSpace(adapter + " " + channel); got != want || ok != (want != "") {
			t.Errorf("%q: %q %t, want %q", route, got, ok, want)
		}
	}
}
