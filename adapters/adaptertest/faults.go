package adaptertest

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"petrel/adapters"
)

// testHandlerFails: an event that could not be stored comes again, or the person
// learns that it was not accepted. Nothing that follows is affected.
func testHandlerFails(t *test) {
	t.join("ann", "#ops")
	var mu sync.Mutex
	failed := false
	t.heard.setAnswer(func(context.Context, adapters.Event) (adapters.Answer, error) {
		mu.Lock()
		defer mu.Unlock()
		if failed {
			return adapters.Answer{Disposition: adapters.Accepted}, nil
		}
		failed = true
		return adapters.Answer{}, errors.New("the disk is full")
	})
	t.say(Line{Person: "ann", Channel: "#ops", Text: "!run date"})
	first := t.hear(1)
	next := 2
	if t.RedeliversRefused {
		again := t.hear(2)
		if again.DeliveryID != first.DeliveryID || again.Text != first.Text {
			t.Errorf("the refused event comes again as %+v, first %+v", again, first)
		}
		next = 3
	} else {
		words, err := t.harness.Told(t.ctx, "ann")
		if err != nil || words == "" {
			t.Errorf("ann is not told that her line was not accepted: %v", err)
		}
	}
	t.say(Line{Person: "ann", Channel: "#ops", Text: "!run uptime"})
	if e := t.hear(next); e.Text != "!run uptime" || e.DeliveryID == first.DeliveryID {
		t.Errorf("the next event is %+v", e)
	}
}

// testHandlerSends: a handler may speak while it handles.
func testHandlerSends(t *test) {
	t.join("ann", "#ops")
	t.heard.setAnswer(func(ctx context.Context, e adapters.Event) (adapters.Answer, error) {
		_, err := t.adapter.Send(ctx, adapters.Message{To: adapters.Target{Channel: e.Channel.ID}, Key: e.DeliveryID, InReplyTo: e.Message, Blocks: paragraph("at once")})
		return adapters.Answer{Disposition: adapters.Accepted}, err
	})
	t.say(Line{Person: "ann", Channel: "#ops", Text: "!run date"})
	t.seeText("ann", "#ops", "at once")
}

func testRedelivery(t *test) {
	if !t.Redelivers {
		t.without("redelivery")
		return
	}
	t.join("ann", "#ops")
	id := t.say(Line{Person: "ann", Channel: "#ops", Text: "!run date"})
	first := t.hear(1)
	t.heard.setAnswer(func(_ context.Context, e adapters.Event) (adapters.Answer, error) {
		if e.DeliveryID == first.DeliveryID {
			return adapters.Answer{Disposition: adapters.Duplicate}, nil
		}
		return adapters.Answer{Disposition: adapters.Accepted}, nil
	})
	if err := t.harness.Redeliver(t.ctx, id); err != nil {
		t.Fatal(err)
	}
	again := t.hear(2)
	if !again.Time.Equal(first.Time) {
		t.Errorf("redelivered, the event is of %s, first of %s", again.Time, first.Time)
	}
	again.Time = first.Time
	if !reflect.DeepEqual(again, first) {
		t.Errorf("redelivered, the event is\n%+v, first\n%+v", again, first)
	}
	t.say(Line{Person: "ann", Channel: "#ops", Text: "!run date"})
	if e := t.hear(3); e.DeliveryID == first.DeliveryID {
		t.Error("the same words said again share the delivery ID of the first time")
	}
}

// testDroppedConnection: after a lost connection everything said and sent is
// there once.
func testDroppedConnection(t *test) {
	if !t.Drops {
		t.without("dropped connections")
		return
	}
	t.join("ann", "#ops")
	t.join("bob", "#ops")
	to := adapters.Target{Channel: t.harness.Channel("#ops").ID}
	said := map[string]bool{}
	for i := range 5 {
		text := "!line " + string(rune('a'+i))
		id := t.say(Line{Person: "ann", Channel: "#ops", Text: text})
		if err := t.harness.Drop(t.ctx); err != nil {
			t.Fatal(err)
		}
		t.sendPatiently(adapters.Message{To: to, Key: text, InReplyTo: id, Blocks: paragraph("answer to " + text)})
		t.seeText("ann", "#ops", "answer to "+text)
		t.seeText("bob", "#ops", "answer to "+text)
		said[text] = true
	}
	for _, p := range []string{"ann", "bob"} {
		for text := range said {
			if n := t.count(p, "#ops", "answer to "+text); n != 1 {
				t.Errorf("%s sees the answer to %q %d times", p, text, n)
			}
		}
	}
	t.heardOnce(said)
}

// heardOnce waits until every text was delivered, under one delivery ID each.
func (t *test) heardOnce(said map[string]bool) {
	t.Helper()
	deliveries := map[string]map[string]bool{}
	for n := 1; len(deliveries) < len(said); n++ {
		e := t.hear(n)
		if deliveries[e.Text] == nil {
			deliveries[e.Text] = map[string]bool{}
		}
		deliveries[e.Text][e.DeliveryID] = true
	}
	for text, ids := range deliveries {
		if !said[text] || len(ids) != 1 {
			t.Errorf("%q was delivered under %d IDs", text, len(ids))
		}
	}
}

// sendPatiently sends as the program does: again when the adapter asks for it.
func (t *test) sendPatiently(m adapters.Message) adapters.Ref {
	t.Helper()
	for {
		ref, err := t.adapter.Send(t.ctx, m)
		var retry *adapters.RetryError
		if !errors.As(err, &retry) {
			if err != nil {
				t.Fatalf("send %s: %v", m.Key, err)
			}
			return ref
		}
		select {
		case <-time.After(min(retry.After, time.Second)):
		case <-t.ctx.Done():
			t.Fatalf("send %s: %v", m.Key, err)
		}
	}
}

// testSlowPlatform: a send that is given up by its context is no second message
// when it is sent again, and slowness changes no order.
func testSlowPlatform(t *test) {
	if !t.Slows {
		t.without("slowness")
		return
	}
	t.join("ann", "#ops")
	t.harness.Slow(100 * time.Millisecond)
	to := adapters.Target{Channel: t.harness.Channel("#ops").ID}
	m := adapters.Message{To: to, Key: "slow", Blocks: paragraph("slow but once")}
	short, cancel := context.WithTimeout(t.ctx, 10*time.Millisecond)
	defer cancel()
	if _, err := t.adapter.Send(short, m); err == nil {
		t.Error("a send outlives its context")
	}
	if t.Idempotent {
		t.sendPatiently(m)
		t.seeText("ann", "#ops", "slow but once")
	}
	texts := []string{"!one", "!two", "!three"}
	for _, text := range texts {
		t.say(Line{Person: "ann", Channel: "#ops", Text: text})
	}
	for i, text := range texts {
		if e := t.hear(i + 1); e.Text != text {
			t.Errorf("event %d is %q, want %q", i+1, e.Text, text)
		}
	}
	t.harness.Slow(0)
	t.barrier("#ops", "ann")
	if n := t.count("ann", "#ops", "slow but once"); t.Idempotent && n != 1 {
		t.Errorf("one key made %d messages", n)
	}
}

// testRestart: a program that comes back hears and speaks again.
func testRestart(t *test) {
	t.join("ann", "#ops")
	t.say(Line{Person: "ann", Channel: "#ops", Text: "!one"})
	first := t.hear(1)
	t.renew()
	t.say(Line{Person: "ann", Channel: "#ops", Text: "!two"})
	for n := 1; ; n++ {
		e := t.hear(n)
		if e.Text == "!two" {
			if e.DeliveryID == first.DeliveryID || e.Message == first.Message {
				t.Errorf("IDs are used again after a restart: %+v", e)
			}
			break
		}
		if e.DeliveryID != first.DeliveryID {
			t.Errorf("an event that nobody caused: %+v", e)
		}
	}
	t.send(adapters.Message{To: adapters.Target{Channel: t.harness.Channel("#ops").ID}, Key: "back", Blocks: paragraph("I am back")})
	t.seeText("ann", "#ops", "I am back")
}

// testEndOfRun: Run ends promptly, also while a handler is at work.
func testEndOfRun(t *test) {
	t.join("ann", "#ops")
	t.heard.setAnswer(func(ctx context.Context, _ adapters.Event) (adapters.Answer, error) {
		<-ctx.Done()
		return adapters.Answer{}, ctx.Err()
	})
	t.say(Line{Person: "ann", Channel: "#ops", Text: "!run date"})
	t.hear(1)
	began := time.Now()
	t.stop()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("Run took %s to end", took)
	}
}
