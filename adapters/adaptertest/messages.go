package adaptertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"

	"petrel/adapters"
)

func testSend(t *test) {
	t.join("ann", "#ops")
	ref := t.send(adapters.Message{
		To: adapters.Target{Channel: t.harness.Channel("#ops").ID}, Key: "s1", State: adapters.StateSucceeded,
		Blocks: []adapters.Block{
			{Kind: adapters.Heading, Text: "a heading"},
			{Kind: adapters.Paragraph, Text: "a paragraph"},
			{Kind: adapters.Fields, Fields: []adapters.Field{{Name: "host", Value: "web1"}, {Name: "took", Value: "2 s"}}},
			{Kind: adapters.Preformatted, Text: "some  output\n\tindented"},
		},
	})
	s := t.seeText("ann", "#ops", "a paragraph")
	if s.Message != ref.Message {
		t.Errorf("the message seen is %q, the one sent %q", s.Message, ref.Message)
	}
	for _, part := range []string{"a heading", "host", "web1", "took", "2 s", "some  output", "indented"} {
		if !strings.Contains(s.Text, part) {
			t.Errorf("%q is not shown: %s", part, s.Text)
		}
	}
	if s.Private || s.Thread != "" || len(s.Buttons) > 0 || len(s.Pings) > 0 {
		t.Errorf("a plain message is not that: %+v", s)
	}
}

func testSendByName(t *test) {
	t.join("ann", "#ops")
	ref := t.send(adapters.Message{To: adapters.Target{Channel: "#ops"}, Key: "n1", Blocks: paragraph("by name")})
	t.seeText("ann", "#ops", "by name")
	if want := t.harness.Channel("#ops").ID; ref.Channel != want {
		t.Errorf("the reference is to channel %q, want its ID %q", ref.Channel, want)
	}
}

// testSendRefused: what can never succeed must not look like something to try
// again.
func testSendRefused(t *test) {
	_, err := t.adapter.Send(t.ctx, adapters.Message{To: adapters.Target{Channel: "#no such channel!"}, Key: "r1", Blocks: paragraph("x")})
	t.permanent("a message to no channel", err)
	err = t.adapter.Update(t.ctx, adapters.Ref{Channel: t.harness.Channel("#ops").ID, Message: "nothing"}, adapters.Message{Blocks: paragraph("x")})
	t.permanent("an update of no message", err)
}

func (t *test) permanent(what string, err error) {
	t.Helper()
	var retry *adapters.RetryError
	switch {
	case err == nil:
		t.Errorf("%s is accepted", what)
	case errors.As(err, &retry), errors.Is(err, adapters.ErrOutcomeUnknown):
		t.Errorf("%s is no permanent error: %v", what, err)
	}
}

func testSendOrder(t *test) {
	const n = 30
	t.join("ann", "#ops")
	for i := range n {
		t.send(adapters.Message{To: adapters.Target{Channel: t.harness.Channel("#ops").ID}, Key: fmt.Sprint("o", i), Blocks: paragraph(fmt.Sprintf("number %03d", i))})
	}
	t.barrier("#ops", "ann")
	var numbers []string
	for _, s := range t.seen("ann", "#ops") {
		if i := strings.Index(s.Text, "number "); i >= 0 {
			numbers = append(numbers, s.Text[i:i+10])
		}
	}
	if len(numbers) != n || !slices.IsSorted(numbers) {
		t.Errorf("%d messages were sent; seen: %v", n, numbers)
	}
}

func testSendOnce(t *test) {
	if !t.Idempotent {
		t.without("one message a key")
		return
	}
	t.join("ann", "#ops")
	m := adapters.Message{To: adapters.Target{Channel: t.harness.Channel("#ops").ID}, Key: "once", Blocks: paragraph("only once")}
	first := t.send(m)
	refs := make([]adapters.Ref, 8)
	var senders sync.WaitGroup
	for i := range refs {
		senders.Go(func() {
			ref, err := t.adapter.Send(t.ctx, m)
			if err != nil {
				t.Errorf("send again: %v", err)
			}
			refs[i] = ref
		})
	}
	senders.Wait()
	for _, ref := range refs {
		if ref != first {
			t.Errorf("sent again it is %+v, first %+v", ref, first)
		}
	}
	m.Key = "twice"
	if other := t.send(m); other == first {
		t.Error("another key makes the same message")
	}
	t.barrier("#ops", "ann")
	if n := t.count("ann", "#ops", "only once"); n != 2 {
		t.Errorf("two keys made %d messages", n)
	}
}

func (t *test) count(person, channel, text string) (n int) {
	t.Helper()
	for _, s := range t.seen(person, channel) {
		if strings.Contains(s.Text, text) {
			n++
		}
	}
	return n
}

func testSendOnceAfterRestart(t *test) {
	if !t.KeyOutlivesProcess {
		t.without("one message a key over restarts")
		return
	}
	t.join("ann", "#ops")
	m := adapters.Message{To: adapters.Target{Channel: t.harness.Channel("#ops").ID}, Key: "once", Blocks: paragraph("only once")}
	first := t.send(m)
	t.seeText("ann", "#ops", "only once")
	t.renew()
	if again := t.send(m); again != first {
		t.Errorf("after a restart it is %+v, first %+v", again, first)
	}
	m.Blocks = paragraph("changed after all")
	if err := t.adapter.Update(t.ctx, first, m); err != nil {
		t.Errorf("update after a restart: %v", err)
	}
	t.seeText("ann", "#ops", "changed after all")
	other := t.send(adapters.Message{To: m.To, Key: "another", Blocks: paragraph("another")})
	if other == first {
		t.Error("after a restart IDs are used again")
	}
	t.barrier("#ops", "ann")
	if n := t.count("ann", "#ops", "only once") + t.count("ann", "#ops", "changed after all"); n != 1 {
		t.Errorf("one key made %d messages", n)
	}
}

// renew restarts the adapter.
func (t *test) renew() {
	t.Helper()
	t.stop()
	t.adapter = t.harness.Renew()
	t.start()
}

func testConcurrentSenders(t *test) {
	const senders, each = 12, 10
	t.join("ann", "#ops")
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for k := range each {
				text := fmt.Sprintf("sender %02d says %02d.", i, k)
				m := adapters.Message{To: adapters.Target{Channel: t.harness.Channel("#ops").ID}, Key: text, Blocks: paragraph(text)}
				ref, err := t.adapter.Send(t.ctx, m)
				if err != nil {
					t.Errorf("%s: %v", text, err)
					return
				}
				if t.adapter.Capabilities().Edit {
					m.Blocks = paragraph(text + " Done.")
					if err := t.adapter.Update(t.ctx, ref, m); err != nil {
						t.Errorf("update %s: %v", text, err)
					}
				}
			}
		})
	}
	all.Wait()
	t.barrier("#ops", "ann")
	last, n := map[string]string{}, 0
	for _, s := range t.seen("ann", "#ops") {
		i := strings.Index(s.Text, "sender ")
		if i < 0 {
			continue
		}
		n++
		who, what := s.Text[i:i+9], s.Text[i+9:]
		if what <= last[who] {
			t.Errorf("%s: %q comes after %q", who, what, last[who])
		}
		last[who] = what
		if t.adapter.Capabilities().Edit && !strings.Contains(what, "Done.") {
			t.Errorf("%s: the edit of %q is not seen", who, what)
		}
	}
	if n != senders*each {
		t.Errorf("%d messages are seen, %d were sent", n, senders*each)
	}
}

func testUpdate(t *test) {
	caps := t.adapter.Capabilities()
	if !caps.Edit {
		t.without("edits")
		return
	}
	t.join("ann", "#ops")
	to := adapters.Target{Channel: t.harness.Channel("#ops").ID}
	m := adapters.Message{To: to, Key: "u1", State: adapters.StateWorking, Blocks: paragraph("as first said")}
	if caps.Buttons {
		m.Buttons = []adapters.Button{{ID: "stop", Label: "Cancel"}}
	}
	ref := t.send(m)
	t.seeText("ann", "#ops", "as first said")
	t.send(adapters.Message{To: to, Key: "u2", Blocks: paragraph("said after it")})
	m.State, m.Blocks, m.Buttons = adapters.StateSucceeded, paragraph("as said at last"), nil
	if err := t.adapter.Update(t.ctx, ref, m); err != nil {
		t.Fatal(err)
	}
	s := t.seeText("ann", "#ops", "as said at last")
	if s.Message != ref.Message || len(s.Buttons) > 0 || strings.Contains(s.Text, "first") {
		t.Errorf("the update did not replace the message: %+v", s)
	}
	if err := t.adapter.Update(t.ctx, ref, m); err != nil {
		t.Errorf("the same update again: %v", err)
	}
	t.barrier("#ops", "ann")
	if all := t.seen("ann", "#ops"); len(all) != 3 || all[0].Message != ref.Message {
		t.Errorf("three messages in their order are expected, seen: %s", list(all))
	}
}

func testPrivate(t *test) {
	if !t.adapter.Capabilities().Ephemeral {
		t.without("private messages")
		return
	}
	t.join("ann", "#ops")
	t.join("bob", "#ops")
	to := adapters.Target{Channel: t.harness.Channel("#ops").ID, Private: t.harness.User("ann").ID}
	t.send(adapters.Message{To: to, Key: "p1", Blocks: paragraph("between us")})
	if t.PrivateInDirect {
		t.join("ann", "@")
		t.seeText("ann", "@", "between us")
	} else if s := t.seeText("ann", "#ops", "between us"); !s.Private {
		t.Errorf("the message is not marked as private: %+v", s)
	}
	t.barrier("#ops", "ann", "bob")
	if n := t.count("bob", "#ops", "between us"); n > 0 {
		t.Error("bob sees what only ann should")
	}
}

func testPersonAddressed(t *test) {
	t.join("ann", "#ops")
	ann := t.harness.User("ann")
	t.send(adapters.Message{To: adapters.Target{Channel: t.harness.Channel("#ops").ID}, Key: "a1", Mention: ann.ID, Blocks: paragraph("look here")})
	s := t.seeText("ann", "#ops", "look here")
	if !slices.Equal(s.Pings, []string{"ann"}) {
		t.Errorf("%q were notified, want ann", s.Pings)
	}
}

// testLongText: however long a text, its beginning and its end are seen.
func testLongText(t *test) {
	t.join("ann", "#ops")
	sizes := []int{3000, 100_000}
	if limit := t.adapter.Capabilities().MaxText; limit > 0 {
		sizes = []int{limit - 1, limit, limit + 1, 3 * limit}
	}
	for i, size := range sizes {
		for _, kind := range []adapters.BlockKind{adapters.Paragraph, adapters.Preformatted} {
			begin, end := fmt.Sprintf("begin-%d-%s", i, kind), fmt.Sprintf("end-%d-%s", i, kind)
			fill := strings.Repeat("0123456789abcdé\n", size/16+1)
			text := begin + string([]rune(fill)[:size-len(begin)-len(end)]) + end
			t.send(adapters.Message{To: adapters.Target{Channel: t.harness.Channel("#ops").ID}, Key: begin, Blocks: []adapters.Block{{Kind: kind, Text: text}}})
			t.seeText("ann", "#ops", begin)
			t.seeText("ann", "#ops", end)
		}
	}
}

// hostile are texts that try to be more than text. word must stay readable.
var hostile = []struct{ text, word string }{
	{"\x1b[2J\x1b[Hscreen1\x1b]0;title\x07", "screen1"},
	{"bell2\x07\x00\x08\x7f\u009b31m", "bell2"},
	{"@everyone @here <!channel> <!here> @channel @all ping3", "ping3"},
	{"<@U123> <@everyone> @bob ping4", "ping4"},
	{"```\nfence5\n``` after", "fence5"},
	{"a\n```\nopen fence6", "fence6"},
	{"*bold _under ~strike `tick7", "tick7"},
	{"[link8](javascript:alert(1)) <https://evil.example|bank.example>", "link8"},
	{"\u202ereversed9\u202c \u2066x", "reversed9"},
	{"<script>alert(1)</script> & &amp; tag10", "tag10"},
	{"line11\r\nbob: fake\rpetrel: fake\u2028x", "line11"},
	{"backwards13\x08\x08", "backwards13"},
	{"broken12 \xff\xfe utf", "broken12"},
}

// testHostileText: output of programs, and names and values from elsewhere, are
// shown as text: they control nothing and call nobody.
func testHostileText(t *test) {
	t.join("ann", "#ops")
	to := adapters.Target{Channel: t.harness.Channel("#ops").ID}
	for i, h := range hostile {
		blocks := map[string]adapters.Block{
			"preformatted": {Kind: adapters.Preformatted, Text: h.text},
			"paragraph":    {Kind: adapters.Paragraph, Text: h.text},
			"heading":      {Kind: adapters.Heading, Text: h.text},
			"value":        {Kind: adapters.Fields, Fields: []adapters.Field{{Name: "name", Value: h.text}}},
			"name":         {Kind: adapters.Fields, Fields: []adapters.Field{{Name: h.text, Value: "value"}}},
		}
		for kind, b := range blocks {
			ref := t.send(adapters.Message{To: to, Key: fmt.Sprint("h", i, kind), Blocks: []adapters.Block{b, {Kind: adapters.Paragraph, Text: "afterwards"}}})
			s := t.see("ann", "#ops", fmt.Sprintf("%q as %s", h.text, kind), func(s Seen) bool { return s.Message == ref.Message })
			if !strings.Contains(s.Text, h.word) || !strings.Contains(s.Text, "afterwards") {
				t.Errorf("%q as %s is not readable: %q", h.text, kind, s.Text)
			}
			t.inert(s, fmt.Sprintf("%q as %s", h.text, kind))
		}
	}
	if !t.adapter.Capabilities().Buttons {
		return
	}
	t.send(adapters.Message{To: to, Key: "hb", Blocks: paragraph("hostile button"), Buttons: []adapters.Button{{ID: "x", Label: "\x1b[31mOK\n<!here>"}}})
	s := t.seeText("ann", "#ops", "hostile button")
	if len(s.Buttons) != 1 || !strings.Contains(s.Buttons[0], "OK") || strings.ContainsFunc(s.Buttons[0], unicode.IsControl) {
		t.Errorf("the button is %q", s.Buttons)
	}
}

func (t *test) inert(s Seen, what string) {
	t.Helper()
	bad := func(r rune) bool {
		return (unicode.IsControl(r) && r != '\n' && r != '\t') || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069)
	}
	if strings.ContainsFunc(s.Text, bad) {
		t.Errorf("%s: control characters are shown: %q", what, s.Text)
	}
	if len(s.Pings) > 0 {
		t.Errorf("%s: it notified %q", what, s.Pings)
	}
}
