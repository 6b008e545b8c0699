package mattermost_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/mattermost"
	fake "petrel/tests/fakes/mattermost"
)

// patience is how long anything may take on a loaded machine.
const patience = 30 * time.Second

// rig is an adapter that runs on a fake server, and what it heard.
type rig struct {
	*testing.T
	*fake.Harness
	ctx  context.Context
	done chan error
	stop context.CancelFunc

	mu      sync.Mutex
	events  []adapters.Event
	changed chan struct{}
	answer  func(adapters.Event) (adapters.Answer, error)
}

func newRig(t *testing.T, o fake.Options, change ...func(*mattermost.Options)) *rig {
	t.Helper()
	r := &rig{T: t, Harness: newHarness(t, o, change...), changed: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.ctx = ctx
	r.run()
	t.Cleanup(func() {
		r.stop()
		select {
		case err := <-r.done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(patience):
			t.Error("Run does not end")
		}
		r.Harness.Close()
		cancel()
	})
	return r
}

func (r *rig) run() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.done = stop, make(chan error, 1)
	a, done := r.Adapter(), r.done
	go func() { done <- a.Run(ctx, r) }()
}

// Handle implements adapters.Handler.
func (r *rig) Handle(_ context.Context, e adapters.Event) (adapters.Answer, error) {
	r.mu.Lock()
	answer := r.answer
	r.mu.Unlock()
	result, err := adapters.Answer{Disposition: adapters.Accepted}, error(nil)
	if answer != nil {
		result, err = answer(e)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	close(r.changed)
	r.changed = make(chan struct{})
	return result, err
}

func (r *rig) setAnswer(f func(adapters.Event) (adapters.Answer, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// hear waits for n events and returns all.
func (r *rig) hear(n int) []adapters.Event {
	r.Helper()
	for {
		r.mu.Lock()
		events, changed := slices.Clone(r.events), r.changed
		r.mu.Unlock()
		if len(events) >= n {
			return events
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			r.Fatalf("%d events came, want %d: %+v", len(events), n, events)
		}
	}
}

func (r *rig) say(text string) string {
	r.Helper()
	id, err := r.Server.Say("ann", "#ops", "", text)
	if err != nil {
		r.Fatal(err)
	}
	return id
}

// connected waits until the adapter listens: a line that is said is heard.
func (r *rig) connected() {
	r.Helper()
	r.say("first words")
	r.hear(1)
}

// exactly holds what was heard after the first words to these texts, in order.
func (r *rig) exactly(texts ...string) {
	r.Helper()
	r.say("last words")
	events := r.hear(len(texts) + 2)
	var got []string
	for _, e := range events[1:] {
		got = append(got, e.Text)
	}
	if want := append(slices.Clone(texts), "last words"); !slices.Equal(got, want) {
		r.Errorf("heard %q, want %q", got, want)
	}
}

func (r *rig) send(m adapters.Message) adapters.Ref {
	r.Helper()
	for {
		ref, err := r.Adapter().Send(r.ctx, m)
		var retry *adapters.RetryError
		if errors.As(err, &retry) {
			select {
			case <-time.After(retry.After):
				continue
			case <-r.ctx.Done():
			}
		}
		if err != nil {
			r.Fatalf("send: %v", err)
		}
		return ref
	}
}

func (r *rig) message(key, text string) adapters.Message {
	return adapters.Message{To: adapters.Target{Channel: r.Channel("#ops").ID}, Key: key, Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: text}}}
}

// said are the bot's posts in #ops that hold a text.
func (r *rig) said(text string) (posts []fake.Post) {
	for _, p := range r.Server.Posts("#ops") {
		if p.User == r.Server.Bot().ID && strings.Contains(strings.Join(p.Words(), "\n"), text) {
			posts = append(posts, p)
		}
	}
	return posts
}

func lines(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("line %02d", i))
	}
	return all
}

func TestHeardOnceAfterFaults(t *testing.T) {
	for name, fault := range map[string]func(*fake.Server){
		"drop":              func(s *fake.Server) { s.Drop() },
		"drop and forget":   func(s *fake.Server) { s.Forget(); s.Drop() },
		"half open":         func(s *fake.Server) { s.HalfOpen(true) },
		"half open, forget": func(s *fake.Server) { s.Forget(); s.HalfOpen(true) },
		"duplicate":         func(s *fake.Server) { s.Duplicate(5) },
		"reorder":           func(s *fake.Server) { s.Reorder(3) },
		"unreadable event":  func(s *fake.Server) { s.Garble() },
		"rate limit":        func(s *fake.Server) { s.Forget(); s.RateLimit(4, 50*time.Millisecond); s.Drop() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, fake.Options{}, func(o *mattermost.Options) { o.Heartbeat = 50 * time.Millisecond })
			r.connected()
			fault(r.Server)
			for _, l := range lines(12) {
				r.say(l)
			}
			r.exactly(lines(12)...)
		})
	}
}

// After more than the server keeps for a lost connection, the posts are asked
// for; so are those that were made while no program ran.
func TestBackFill(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.connected()
	r.stop()
	if err := <-r.done; err != nil {
		t.Fatal(err)
	}
	many := lines(350)
	for _, l := range many {
		r.say(l)
	}
	r.mu.Lock()
	r.events = r.events[:0]
	r.mu.Unlock()
	r.Renew()
	r.run()
	events := r.hear(351) // the first words again, under the same ID
	for i, e := range events[1:351] {
		if e.Text != many[i] {
			t.Fatalf("event %d is %q, want %q", i, e.Text, many[i])
		}
	}
}

func TestResume(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.connected()
	before := r.Server.Counts()
	r.Server.Drop()
	r.say("in the gap")
	r.exactly("in the gap")
	after := r.Server.Counts()
	if after.Resumed != before.Resumed+1 {
		t.Errorf("%d connections were resumed of %d", after.Resumed-before.Resumed, after.Connections-before.Connections)
	}
}

func TestSaidOnceAfterFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		o     fake.Options
		fault func(*fake.Server)
	}{
		"lost replies": {fault: func(s *fake.Server) { s.LoseReplies(2) }},
		"lost replies, the server forgot": {
			o: fake.Options{PendingLife: time.Nanosecond}, fault: func(s *fake.Server) { s.LoseReplies(2) },
		},
		"rate limit": {fault: func(s *fake.Server) { s.RateLimit(2, 20*time.Millisecond) }},
		"slow":       {fault: func(s *fake.Server) { s.Slow(50 * time.Millisecond) }},
		"drop":       {fault: func(s *fake.Server) { s.Drop() }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, tt.o)
			r.connected()
			tt.fault(r.Server)
			m := r.message("key", "only once")
			m.Files = []adapters.File{{Name: "out.txt", Content: []byte("all of it")}}
			ref := r.send(m)
			posts := r.said("only once")
			if len(posts) != 1 || posts[0].ID != ref.Message || r.Server.Files(posts[0])["out.txt"] != "all of it" {
				t.Errorf("%d posts, reference %+v", len(posts), ref)
			}
		})
	}
}

// A process that takes over after a crash finds what the one before it posted,
// however long the server remembers.
func TestSaidOnceAfterCrash(t *testing.T) {
	r := newRig(t, fake.Options{PendingLife: time.Nanosecond})
	r.connected()
	first := r.send(r.message("key", "only once"))
	r.stop()
	<-r.done
	r.Renew()
	r.run()
	if again := r.send(r.message("key", "only once")); again != first {
		t.Errorf("after the crash it is %+v, before %+v", again, first)
	}
}

func TestRateLimitIsObeyed(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.connected()
	r.Server.RateLimit(1, 7*time.Second)
	var retry *adapters.RetryError
	if _, err := r.Adapter().Send(r.ctx, r.message("a", "x")); !errors.As(err, &retry) || retry.After != 7*time.Second {
		t.Fatalf("the answer is %v, want to wait 7s", err)
	}
	calls := r.Server.Counts().Calls
	if err := r.Adapter().Update(r.ctx, adapters.Ref{Channel: "c", Message: "m"}, r.message("a", "x")); !errors.As(err, &retry) || retry.After > 7*time.Second || retry.After < time.Second {
		t.Errorf("the answer is %v", err)
	}
	if n := r.Server.Counts().Calls - calls; n != 0 {
		t.Errorf("%d calls although the server asked to wait", n)
	}
}

func TestRevokedTokenEndsRun(t *testing.T) {
	h := newHarness(t, fake.Options{})
	defer h.Close()
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r := &rig{T: t, Harness: h, ctx: ctx, changed: make(chan struct{})}
	go func() { done <- h.Adapter().Run(ctx, r) }()
	r.connected()
	h.Server.Revoke()
	err := <-done
	if err == nil || !strings.Contains(err.Error(), "refuses the token") || !strings.Contains(err.Error(), "chat.mattermost.token") {
		t.Errorf("Run ended with %v", err)
	}
	if health := h.Adapter().(adapters.Watched).Health(); health.Connected || health.Problem == "" {
		t.Errorf("health is %+v", health)
	}
}

func TestHealth(t *testing.T) {
	r := newRig(t, fake.Options{})
	w := r.Adapter().(adapters.Watched)
	r.connected()
	if h := w.Health(); !h.Connected || h.Stale || h.Problem != "" || time.Since(h.LastFrame) > time.Minute {
		t.Errorf("connected, it is %+v", h)
	}
	r.stop()
	r.done <- <-r.done // the end of the test looks at it, too
	if h := w.Health(); h.Connected || h.Problem == "" {
		t.Errorf("stopped, it is %+v", h)
	}
}

// Words that cannot be taken are not lost silently, and what follows is heard.
func TestNotTaken(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.setAnswer(func(e adapters.Event) (adapters.Answer, error) {
		if strings.Contains(e.Text, "bad") {
			return adapters.Answer{}, errors.New("the disk is full")
		}
		return adapters.Answer{Disposition: adapters.Accepted}, nil
	})
	r.Server.Join("ann", "#ops")
	r.say("@petrel bad luck")
	words, err := r.Told(r.ctx, "ann")
	if err != nil || !strings.Contains(words, "could not be taken") {
		t.Errorf("ann was told %q, %v", words, err)
	}
	r.say("good luck")
	events := r.hear(5)
	for _, e := range events[:4] {
		if e.DeliveryID != events[0].DeliveryID {
			t.Errorf("the tries have different IDs: %+v", e)
		}
	}
	if events[4].Text != "good luck" {
		t.Errorf("then came %+v", events[4])
	}
}

// What the bot itself, other bots and webhooks write is no person's word.
func TestNotPeople(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.connected()
	r.send(r.message("own", "the bot's own"))
	if _, err := r.Server.SayAsWebhook("ann", "#ops", "!run from a webhook"); err != nil {
		t.Fatal(err)
	}
	r.say("by ann")
	events := r.hear(3)
	if e := events[1]; e.Text != "!run from a webhook" || !e.User.Bot {
		t.Errorf("a webhook's post is %+v", e)
	}
	if e := events[2]; e.Text != "by ann" || e.User.Bot {
		t.Errorf("ann's post is %+v", e)
	}
}
