// Package adaptertest is the chat contract as a test: what the program relies on
// from every platform. An adapter's own test calls [Run] with a [Harness], which
// acts for people on the platform, usually a fake that speaks the real protocol
// over loopback.
//
// The suite knows the contract of package adapters alone. What a platform cannot
// do is said in [Features] and in the adapter's Capabilities; the suite then
// holds it to what is left and logs what it left out.
package adaptertest

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"petrel/adapters"
)

// Patience is how long the suite waits for anything to happen.
const Patience = 15 * time.Second

// Features says what a platform promises beyond its Capabilities.
type Features struct {
	// Mentions: people address the bot by a mention (Harness.Mention).
	Mentions bool
	// Direct: people talk to the bot alone.
	Direct bool
	// Idempotent: two sends with one Key make one message.
	Idempotent bool
	// KeyOutlivesProcess: and so they do when the program was restarted between.
	KeyOutlivesProcess bool
	// RedeliversRefused: an event whose Handle failed is delivered again by
	// itself. Otherwise the person must be told (Harness.Told).
	RedeliversRefused bool
	// Redelivers: the harness can make the platform deliver an event twice.
	Redelivers bool
	// PrivateInDirect: a private message that answers no interaction is seen in
	// the direct conversation with the bot.
	PrivateInDirect bool
	// Drops: the harness can cut the connections of the platform.
	Drops bool
	// Slows: the harness can make the platform slow.
	Slows bool
}

// Harness is one platform with one adapter on it, for one test. Channels and
// people are named as people write them ("#ops", "ann"); the harness creates
// what is not there. IDs are the platform's own.
type Harness interface {
	// Adapter is the adapter under test. The suite runs it.
	Adapter() adapters.Adapter
	// Renew gives the adapter that a restarted program would make. The suite has
	// ended Run of the one before, and runs this one.
	Renew() adapters.Adapter
	// Close ends everything the harness started. Run has ended by then.
	Close()

	// User, Channel and Direct tell what events must carry.
	User(person string) adapters.User
	Channel(name string) adapters.Channel
	Direct(person string) adapters.Channel

	// Join makes a person see a channel ("#ops", or "@" for the direct one).
	Join(ctx context.Context, person, channel string) error
	// Mention is what people write to address the bot, e.g. "@petrel".
	Mention() string
	// Say posts a line as a person and returns the message's ID once the
	// platform has it. It does not wait for the adapter.
	Say(ctx context.Context, l Line) (message string, err error)
	// Press presses the button with this label under a message.
	Press(ctx context.Context, person, message, label string) error
	// See waits until ok holds for what the person sees in a channel, oldest
	// first, and returns it. When ctx ends first it returns an error and what is
	// seen then.
	See(ctx context.Context, person, channel string, ok func([]Seen) bool) ([]Seen, error)
	// Told waits until the platform or the adapter has told the person that
	// something they did was not accepted, and returns the words.
	Told(ctx context.Context, person string) (string, error)

	// Redeliver makes the platform deliver the event of a message once more, as
	// it does when an acknowledgement is lost. Only with Features.Redelivers.
	Redeliver(ctx context.Context, message string) error
	// Drop cuts the connections between the platform and whom it serves. Only
	// with Features.Drops.
	Drop(ctx context.Context) error
	// Slow makes the platform take d longer for everything it is asked. Only with
	// Features.Slows.
	Slow(d time.Duration)
}

// Line is something a person says.
type Line struct {
	Person  string
	Channel string // "#ops", or "@" for the direct conversation with the bot
	Thread  string // ID of the message to answer under
	Text    string
}

// Seen is a message as it appears to a person.
type Seen struct {
	Message string // ID
	Thread  string // ID of the message it is shown under
	From    string // name of the speaker
	Text    string // all that can be read, without the buttons
	Buttons []string
	Private bool              // marked as visible to this person only
	Files   map[string]string // content by name
	Pings   []string          // whom the platform notified because of the text: names, "channel", ...
}

// test is what a case of the suite has.
type test struct {
	*testing.T
	Features
	ctx     context.Context
	harness Harness
	adapter adapters.Adapter
	heard   *recorder
	stop    func()
}

// Run holds a platform to the contract. new makes a fresh harness for each case.
func Run(t *testing.T, f Features, new func(t *testing.T) Harness) {
	cases := []struct {
		name string
		run  func(*test)
	}{
		{"Identity", testIdentity},
		{"Message", testMessage},
		{"InboundText", testInboundText},
		{"Mention", testMention},
		{"Direct", testDirect},
		{"Thread", testThread},
		{"Buttons", testButtons},
		{"EventOrder", testEventOrder},
		{"Send", testSend},
		{"SendByName", testSendByName},
		{"SendRefused", testSendRefused},
		{"SendOrder", testSendOrder},
		{"SendOnce", testSendOnce},
		{"SendOnceAfterRestart", testSendOnceAfterRestart},
		{"ConcurrentSenders", testConcurrentSenders},
		{"Update", testUpdate},
		{"Private", testPrivate},
		{"PersonAddressed", testPersonAddressed},
		{"LongText", testLongText},
		{"HostileText", testHostileText},
		{"Command", testCommand},
		{"CommandPrivate", testCommandPrivate},
		{"Select", testSelect},
		{"Form", testForm},
		{"FormProblems", testFormProblems},
		{"Note", testNote},
		{"Files", testFiles},
		{"HandlerFails", testHandlerFails},
		{"HandlerSends", testHandlerSends},
		{"Redelivery", testRedelivery},
		{"DroppedConnection", testDroppedConnection},
		{"SlowPlatform", testSlowPlatform},
		{"Restart", testRestart},
		{"EndOfRun", testEndOfRun},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			ctx, cancel := context.WithTimeout(context.Background(), Patience)
			defer cancel()
			c1 := &test{T: t, Features: f, ctx: ctx, harness: new(t)}
			c1.adapter = c1.harness.Adapter()
			c1.start()
			defer func() {
				c1.stop()
				c1.harness.Close()
				leaks(t, before)
			}()
			c.run(c1)
		})
	}
}

// start runs the adapter with a fresh recorder.
func (t *test) start() {
	t.heard = newRecorder()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- t.adapter.Run(ctx, t.heard) }()
	stopped := false
	t.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run returned an error when its context ended: %v", err)
			}
		case <-time.After(Patience):
			t.Errorf("Run did not return when its context ended")
		}
	}
}

// leaks reports goroutines that outlive the harness.
func leaks(t *testing.T, before int) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Errorf("%d goroutines are left of %d at the start:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
			return
		}
		// The end of a goroutine cannot be awaited from outside.
		time.Sleep(time.Millisecond)
	}
}

// without logs what is left out because the platform does not promise it.
func (t *test) without(feature string) {
	t.Logf("%s: the platform does not promise it; left out", feature)
}

func (t *test) join(person, channel string) {
	t.Helper()
	if err := t.harness.Join(t.ctx, person, channel); err != nil {
		t.Fatalf("%s joins %s: %v", person, channel, err)
	}
}

func (t *test) say(l Line) string {
	t.Helper()
	id, err := t.harness.Say(t.ctx, l)
	if err != nil {
		t.Fatalf("%s says %q in %s: %v", l.Person, shorten(l.Text), l.Channel, err)
	}
	return id
}

// hear waits for the n-th event, counted from 1.
func (t *test) hear(n int) adapters.Event {
	t.Helper()
	events, err := t.heard.await(t.ctx, n)
	if err != nil {
		t.Fatalf("event %d of %d does not come: %v", len(events)+1, n, err)
	}
	return events[n-1]
}

func (t *test) send(m adapters.Message) adapters.Ref {
	t.Helper()
	ref, err := t.adapter.Send(t.ctx, m)
	if err != nil {
		t.Fatalf("send %s: %v", m.Key, err)
	}
	if ref.Channel == "" || ref.Message == "" {
		t.Errorf("send %s: the reference is not complete: %+v", m.Key, ref)
	}
	return ref
}

// see waits for a message that is as ok says.
func (t *test) see(person, channel, what string, ok func(Seen) bool) Seen {
	t.Helper()
	var found Seen
	all, err := t.harness.See(t.ctx, person, channel, func(all []Seen) bool {
		for _, s := range all {
			if ok(s) {
				found = s
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatalf("%s never sees %s in %s: %v\nseen: %s", person, what, channel, err, list(all))
	}
	return found
}

func (t *test) seeText(person, channel, text string) Seen {
	t.Helper()
	return t.see(person, channel, text, func(s Seen) bool { return strings.Contains(s.Text, text) })
}

// barrier makes sure that all that was sent before has been shown: it sends a
// message and waits until everybody sees it.
func (t *test) barrier(channel string, people ...string) {
	t.Helper()
	key := t.Name() + "/barrier/" + time.Now().Format(time.RFC3339Nano)
	t.send(adapters.Message{To: adapters.Target{Channel: t.harness.Channel(channel).ID}, Key: key, Blocks: paragraph("barrier " + key)})
	for _, p := range people {
		t.seeText(p, channel, key)
	}
}

// seen is what a person sees now.
func (t *test) seen(person, channel string) []Seen {
	t.Helper()
	all, err := t.harness.See(t.ctx, person, channel, func([]Seen) bool { return true })
	if err != nil {
		t.Fatalf("what %s sees in %s: %v", person, channel, err)
	}
	return all
}

func paragraph(s string) []adapters.Block {
	return []adapters.Block{{Kind: adapters.Paragraph, Text: s}}
}

func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}

func list(all []Seen) string {
	var b strings.Builder
	for _, s := range all {
		b.WriteString("\n  " + s.Message + " " + s.From + ": " + shorten(s.Text))
	}
	return b.String()
}
