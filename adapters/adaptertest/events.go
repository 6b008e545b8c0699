package adaptertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"petrel/adapters"
)

func testIdentity(t *test) {
	if t.adapter.Name() == "" {
		t.Error("the adapter has no name")
	}
	t.join("ann", "#ops")
	t.say(Line{Person: "ann", Channel: "#ops", Text: "hello"})
	t.hear(1)
	if a, b := t.adapter.Capabilities(), t.adapter.Capabilities(); a != b {
		t.Errorf("the capabilities change: %+v, %+v", a, b)
	}
}

// checkEvent holds an event to what every event must carry.
func (t *test) checkEvent(e adapters.Event, kind adapters.EventKind, person string, where adapters.Channel) {
	t.Helper()
	if e.DeliveryID == "" {
		t.Error("the event has no delivery ID")
	}
	if e.Kind != kind {
		t.Errorf("kind is %q, want %q", e.Kind, kind)
	}
	if e.Adapter != t.adapter.Name() {
		t.Errorf("adapter is %q, want %q", e.Adapter, t.adapter.Name())
	}
	if d := time.Since(e.Time).Abs(); d > time.Minute {
		t.Errorf("time is %s, %s from now", e.Time, d)
	}
	if want := t.harness.User(person); e.User != want {
		t.Errorf("user is %+v, want %+v", e.User, want)
	}
	if e.Channel != where {
		t.Errorf("channel is %+v, want %+v", e.Channel, where)
	}
}

func testMessage(t *test) {
	t.join("ann", "#ops")
	t.join("bob", "#dev")
	id := t.say(Line{Person: "ann", Channel: "#ops", Text: "  !run date on localhost "})
	e := t.hear(1)
	t.checkEvent(e, adapters.MessagePosted, "ann", t.harness.Channel("#ops"))
	if e.Message != id {
		t.Errorf("message is %q, want %q", e.Message, id)
	}
	if strings.TrimSpace(e.Text) != "!run date on localhost" {
		t.Errorf("text is %q", e.Text)
	}
	if e.Mentioned || e.Thread != "" || e.Button != "" || e.Channel.Direct {
		t.Errorf("a plain line in a channel is not that: %+v", e)
	}
	t.say(Line{Person: "bob", Channel: "#dev", Text: "hello"})
	second := t.hear(2)
	t.checkEvent(second, adapters.MessagePosted, "bob", t.harness.Channel("#dev"))
	if second.DeliveryID == e.DeliveryID || second.Message == e.Message {
		t.Errorf("two lines share an ID: %+v, %+v", e, second)
	}
}

// testInboundText: what is typed arrives as it is meant, without the platform's
// escapes.
func testInboundText(t *test) {
	t.join("ann", "#ops")
	for i, text := range []string{
		`!run echo "a & b" <c> 'd' > /tmp/x`,
		"!say &amp; &lt;",
		"!run echo über 日本語 🚀",
		"!run a | grep b; c && d $HOME `id` *x* _y_ ~z~",
		`!run curl https://example.com/a?b=c&d=e`,
	} {
		t.say(Line{Person: "ann", Channel: "#ops", Text: text})
		if e := t.hear(i + 1); e.Text != text {
			t.Errorf("text is %q, want %q", e.Text, text)
		} else if !utf8.ValidString(e.Text) {
			t.Errorf("text is no UTF-8: %q", e.Text)
		}
	}
}

func testMention(t *test) {
	if !t.Mentions {
		t.without("mentions")
		return
	}
	t.join("ann", "#ops")
	for i, c := range []struct {
		line, text string
		mentioned  bool
	}{
		{t.harness.Mention() + " run date", "run date", true},
		{"  " + t.harness.Mention() + "   run date", "run date", true},
		{t.harness.Mention(), "", true},
		{"run date", "run date", false},
	} {
		t.say(Line{Person: "ann", Channel: "#ops", Text: c.line})
		if e := t.hear(i + 1); e.Text != c.text || e.Mentioned != c.mentioned {
			t.Errorf("%q became %q, mentioned: %v", c.line, e.Text, e.Mentioned)
		}
	}
}

func testDirect(t *test) {
	if !t.Features.Direct {
		t.without("direct messages")
		return
	}
	t.join("ann", "@")
	t.join("bob", "@")
	id := t.say(Line{Person: "ann", Channel: "@", Text: "run date"})
	e := t.hear(1)
	t.checkEvent(e, adapters.MessagePosted, "ann", t.harness.Direct("ann"))
	if !e.Channel.Direct || e.Text != "run date" {
		t.Errorf("a direct line is not that: %+v", e)
	}
	t.send(adapters.Message{To: adapters.Target{Channel: e.Channel.ID}, Key: "d1", InReplyTo: id, Blocks: paragraph("just for ann")})
	t.seeText("ann", "@", "just for ann")
	t.send(adapters.Message{To: adapters.Target{Channel: t.harness.Direct("bob").Name}, Key: "d2", Blocks: paragraph("just for bob")})
	t.seeText("bob", "@", "just for bob")
	for person, other := range map[string]string{"ann": "bob", "bob": "ann"} {
		for _, s := range t.seen(person, "@") {
			if strings.Contains(s.Text, "just for "+other) || s.Message == id && person == "bob" {
				t.Errorf("%s sees what is direct to %s: %s", person, other, s.Text)
			}
		}
	}
}

func testThread(t *test) {
	if !t.adapter.Capabilities().Threads {
		t.without("threads")
		return
	}
	t.join("ann", "#ops")
	t.join("bob", "#ops")
	root := t.say(Line{Person: "ann", Channel: "#ops", Text: "!run date"})
	e := t.hear(1)
	to := adapters.Target{Channel: e.Channel.ID, Thread: e.Message}
	t.send(adapters.Message{To: to, Key: "t1", InReplyTo: root, Blocks: paragraph("the answer")})
	if s := t.seeText("bob", "#ops", "the answer"); s.Thread != root {
		t.Errorf("the answer is in thread %q, want %q", s.Thread, root)
	}
	reply := t.say(Line{Person: "bob", Channel: "#ops", Thread: root, Text: "!and this"})
	e = t.hear(2)
	if e.Thread != root || e.Message != reply {
		t.Errorf("a line in a thread has thread %q and message %q, want %q and %q", e.Thread, e.Message, root, reply)
	}
	to.Thread = e.Message
	t.send(adapters.Message{To: to, Key: "t2", InReplyTo: reply, Blocks: paragraph("the other answer")})
	if s := t.seeText("ann", "#ops", "the other answer"); s.Thread != root {
		t.Errorf("an answer to an answer is in thread %q, want %q", s.Thread, root)
	}
}

func testButtons(t *test) {
	if !t.adapter.Capabilities().Buttons {
		t.without("buttons")
		return
	}
	t.join("ann", "#ops")
	t.join("bob", "#ops")
	opaque := "v1:" + strings.Repeat(`aZ9_-."\/é `, 9)
	opaque = string([]rune(opaque)[:100])
	ref := t.send(adapters.Message{
		To: adapters.Target{Channel: t.harness.Channel("#ops").ID}, Key: "b1", Blocks: paragraph("well?"),
		Buttons: []adapters.Button{{ID: "no", Label: "No", Style: "danger"}, {ID: opaque, Label: "Yes", Style: "primary"}},
	})
	s := t.seeText("ann", "#ops", "well?")
	if !slices.Equal(s.Buttons, []string{"No", "Yes"}) {
		t.Errorf("the buttons are %q", s.Buttons)
	}
	t.seeText("bob", "#ops", "well?")
	if err := t.harness.Press(t.ctx, "bob", s.Message, "Yes"); err != nil {
		t.Fatal(err)
	}
	e := t.hear(1)
	t.checkEvent(e, adapters.ButtonPressed, "bob", t.harness.Channel("#ops"))
	if e.Button != opaque || e.Message != ref.Message {
		t.Errorf("button %q of message %q was pressed, want %q of %q", e.Button, e.Message, opaque, ref.Message)
	}
	if err := t.harness.Press(t.ctx, "bob", s.Message, "Yes"); err != nil {
		t.Fatal(err)
	}
	if again := t.hear(2); again.DeliveryID == e.DeliveryID {
		t.Error("two presses share a delivery ID")
	}
}

// testEventOrder: events of one person in one channel come in the order of
// their messages, whatever happens elsewhere.
func testEventOrder(t *test) {
	const n = 25
	people := []string{"ann", "bob", "cem"}
	var speakers sync.WaitGroup
	for _, p := range people {
		t.join(p, "#"+p)
	}
	for _, p := range people {
		speakers.Go(func() {
			for i := range n {
				if _, err := t.harness.Say(t.ctx, Line{Person: p, Channel: "#" + p, Text: fmt.Sprintf("!%03d", i)}); err != nil {
					t.Errorf("%s: %v", p, err)
					return
				}
			}
		})
	}
	speakers.Wait()
	t.hear(n * len(people))
	events, err := t.heard.await(t.ctx, n*len(people))
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]string{}
	for _, e := range events {
		if e.Text <= last[e.User.Name] {
			t.Errorf("%s's %s comes after %s", e.User.Name, e.Text, last[e.User.Name])
		}
		last[e.User.Name] = e.Text
	}
}
