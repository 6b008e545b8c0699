package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
	"petrel/adapters/slack"
	fake "petrel/tests/fakes/slack"
)

// ears is a Handler that counts what it hears.
type ears struct {
	mu     sync.Mutex
	events []adapters.Event
	more   chan struct{}
	answer func(adapters.Event) (adapters.Answer, error)
}

func (h *ears) Handle(_ context.Context, e adapters.Event) (adapters.Answer, error) {
	h.mu.Lock()
	h.events = append(h.events, e)
	answer := h.answer
	close(h.more)
	h.more = make(chan struct{})
	h.mu.Unlock()
	if answer != nil {
		return answer(e)
	}
	return adapters.Answer{Disposition: adapters.Accepted}, nil
}

// await waits until ok holds for what was heard.
func (h *ears) await(t *testing.T, what string, ok func([]adapters.Event) bool) []adapters.Event {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		h.mu.Lock()
		events, more := append([]adapters.Event(nil), h.events...), h.more
		h.mu.Unlock()
		if ok(events) {
			return events
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("%s does not happen; heard: %+v", what, events)
		}
	}
}

func (h *ears) count(t *testing.T, n int) []adapters.Event {
	t.Helper()
	return h.await(t, fmt.Sprint("event ", n), func(all []adapters.Event) bool { return len(all) >= n })
}

// room is a fake Slack with a running adapter.
type room struct {
	*fake.Harness
	t       *testing.T
	ears    *ears
	ended   chan error
	adapter *slack.Adapter
}

func enter(t *testing.T, o fake.Options, callbacks bool, change func(*slack.Options)) *room {
	t.Helper()
	h := &ears{more: make(chan struct{})}
	r := &room{t: t, ears: h, ended: make(chan error, 1)}
	r.Harness = fake.NewHarness(fake.Start(o), callbacks, func(s *fake.Server) adapters.Adapter {
		o := slack.Options{BotToken: s.BotToken, APIURL: s.APIURL(), Logger: quiet(t), Timing: patient}
		if callbacks {
			o.SigningSecret = s.SigningSecret
		} else {
			o.AppToken = s.AppToken
		}
		if change != nil {
			change(&o)
		}
		a, err := slack.New(o)
		if err != nil {
			t.Fatal(err)
		}
		r.adapter = a
		return a
	})
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		r.ended <- r.adapter.Run(ctx, h)
	}()
	t.Cleanup(func() {
		cancel()
		<-over
		r.Harness.Close()
	})
	deadline := time.Now().Add(30 * time.Second)
	for !r.adapter.Health().Connected {
		if time.Now().After(deadline) {
			t.Fatalf("the adapter does not connect: %+v", r.adapter.Health())
		}
		time.Sleep(time.Millisecond) // the adapter has no signal for that
	}
	return r
}

func (r *room) to(channel string) adapters.Target {
	return adapters.Target{Channel: r.ChannelID("", channel)}
}

func (r *room) send(m adapters.Message) adapters.Ref {
	r.t.Helper()
	ref, err := r.adapter.Send(r.t.Context(), m)
	if err != nil {
		r.t.Fatal(err)
	}
	return ref
}

func (r *room) see(person, channel, text string) adaptertest.Seen {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var found adaptertest.Seen
	all, err := r.See(ctx, person, channel, func(all []adaptertest.Seen) bool {
		for _, s := range all {
			if strings.Contains(s.Text, text) {
				found = s
				return true
			}
		}
		return false
	})
	if err != nil {
		r.t.Fatalf("%s never sees %q in %s: %v", person, text, channel, all)
	}
	return found
}

// times counts the messages with a text that are in a channel.
func (r *room) times(channel, text string) (n int) {
	for _, m := range r.Messages(channel) {
		if strings.Contains(m.Text, text) {
			n++
		}
	}
	return n
}

func words(text string) []adapters.Block {
	return []adapters.Block{{Kind: adapters.Paragraph, Text: text}}
}

// Whatever goes wrong with the connections, each line is heard, and under one
// delivery ID; exact copies of a delivery are handled once.
func TestEveryLineOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		callbacks bool
		fault     func(*fake.Server)
	}{
		"drop":           {false, func(s *fake.Server) { s.Drop() }},
		"half open":      {false, func(s *fake.Server) { s.HalfOpen(true) }},
		"refresh":        {false, func(s *fake.Server) { s.Refresh() }},
		"duplicate":      {false, func(s *fake.Server) { s.Duplicate(3) }},
		"reorder":        {false, func(s *fake.Server) { s.Reorder(3) }},
		"slow":           {false, func(s *fake.Server) { s.Slow(50 * time.Millisecond) }},
		"limited":        {false, func(s *fake.Server) { s.RateLimit(5, time.Second) }},
		"http duplicate": {true, func(s *fake.Server) { s.Duplicate(3) }},
		"http reorder":   {true, func(s *fake.Server) { s.Reorder(3) }},
		"http slow":      {true, func(s *fake.Server) { s.Slow(50 * time.Millisecond) }},
	} {
		t.Run(name, func(t *testing.T) {
			o := quick()
			// A silent connection is replaced within a second.
			o.RetryDelays = []time.Duration{0, 500 * time.Millisecond, 500 * time.Millisecond, 500 * time.Millisecond, time.Second}
			r := enter(t, o, tt.callbacks, nil)
			r.Server.Say("ann", "#ops", "", "!before")
			r.ears.count(t, 1)
			tt.fault(r.Server)
			for i := range 3 {
				r.Server.Say("ann", "#ops", "", fmt.Sprint("!line ", i))
			}
			all := r.ears.await(t, "the third line", func(all []adapters.Event) bool {
				heard := map[string]bool{}
				for _, e := range all {
					heard[e.Text] = true
				}
				return len(heard) == 4
			})
			r.Slow(0)
			r.Server.Say("ann", "#ops", "", "!after")
			all = r.ears.await(t, "the line afterwards", func(all []adapters.Event) bool { return all[len(all)-1].Text == "!after" })
			ids := map[string]string{}
			for _, e := range all {
				if old := ids[e.Text]; old != "" && old != e.DeliveryID {
					t.Errorf("%s came as %s and %s", e.Text, old, e.DeliveryID)
				}
				ids[e.Text] = e.DeliveryID
			}
			if strings.HasSuffix(name, "duplicate") && len(all) != 5 {
				t.Errorf("%d events were handled, want 5: %+v", len(all), all)
			}
			if h := r.adapter.Health(); !h.Connected || h.Stale {
				t.Errorf("afterwards the health is %+v", h)
			}
		})
	}
}

// A post whose answer is lost is neither said twice nor taken for sent.
func TestLostReply(t *testing.T) {
	r := enter(t, quick(), false, nil)
	r.Server.Join("ann", "#ops")
	m := adapters.Message{To: r.to("#ops"), Key: "k", Blocks: words("only once")}
	r.LoseReplies(1)
	for range 3 {
		if _, err := r.adapter.Send(t.Context(), m); !errors.Is(err, adapters.ErrOutcomeUnknown) {
			t.Errorf("the error is %v", err)
		}
	}
	if n := r.times("#ops", "only once"); n != 1 {
		t.Errorf("it was said %d times", n)
	}
	private := adapters.Message{To: r.to("#ops"), Key: "p", Blocks: words("only ann")}
	private.To.Private = r.UserID("ann")
	r.LoseReplies(1)
	if _, err := r.adapter.Send(t.Context(), private); !errors.Is(err, adapters.ErrOutcomeUnknown) {
		t.Errorf("the error is %v", err)
	}
}

// Nothing that was not sent is called unknown.
func TestNobodyListens(t *testing.T) {
	s := fake.Start(fake.Options{})
	a := maker(t, false)(s)
	s.Close()
	var retry *adapters.RetryError
	if _, err := a.Send(t.Context(), adapters.Message{To: adapters.Target{Channel: "C0FAKE00001"}, Key: "k", Blocks: words("x")}); !errors.As(err, &retry) {
		t.Errorf("the error is %v", err)
	}
}

func TestRateLimits(t *testing.T) {
	r := enter(t, quick(), false, nil)
	r.Server.Join("ann", "#ops")
	ref := r.send(adapters.Message{To: r.to("#ops"), Key: "first", Blocks: words("first")})
	var retry *adapters.RetryError
	r.RateLimit(1, 3*time.Second)
	_, err := r.adapter.Send(t.Context(), adapters.Message{To: r.to("#ops"), Key: "k", Blocks: words("later")})
	if !errors.As(err, &retry) || retry.After != 3*time.Second {
		t.Errorf("the error is %v", err)
	}
	posts := r.Calls("chat.postMessage")
	if _, err = r.adapter.Send(t.Context(), adapters.Message{To: r.to("#ops"), Key: "k", Blocks: words("later")}); !errors.As(err, &retry) {
		t.Errorf("Slack's wish is not obeyed: %v", err)
	}
	if r.Calls("chat.postMessage") != posts {
		t.Error("Slack was called although it asked to be left alone")
	}
	r.send(adapters.Message{To: r.to("#dev"), Key: "elsewhere", Blocks: words("elsewhere")})
	r.RateLimit(1, time.Second)
	if err := r.adapter.Update(t.Context(), ref, adapters.Message{To: r.to("#ops"), Blocks: words("changed")}); !errors.As(err, &retry) {
		t.Errorf("the error of the edit is %v", err)
	}
}

// Our own pace keeps us from being limited.
func TestPace(t *testing.T) {
	r := enter(t, quick(), false, func(o *slack.Options) { o.Timing.PostEvery, o.Timing.PostBurst = time.Hour, 3 })
	var retry *adapters.RetryError
	for i := range 4 {
		_, err := r.adapter.Send(t.Context(), adapters.Message{To: r.to("#ops"), Key: fmt.Sprint(i), Blocks: words("x")})
		if wait := errors.As(err, &retry); wait != (i == 3) {
			t.Errorf("post %d: %v", i, err)
		}
	}
	if retry == nil || retry.After < 59*time.Minute || retry.After > time.Hour {
		t.Errorf("it is asked to wait %v", retry)
	}
	r.send(adapters.Message{To: r.to("#dev"), Key: "dev", Blocks: words("another channel has its own pace")})
}

// A token that Slack takes back ends Run with what to do about it.
func TestRevoked(t *testing.T) {
	for _, callbacks := range []bool{false, true} {
		r := enter(t, quick(), callbacks, nil)
		r.Server.Say("ann", "#ops", "", "!before")
		r.ears.count(t, 1)
		r.Revoke()
		select {
		case err := <-r.ended:
			if err == nil || !strings.Contains(err.Error(), "token_revoked") || !strings.Contains(err.Error(), "install the app again") {
				t.Errorf("callbacks %v: Run ended with %v", callbacks, err)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("callbacks %v: Run goes on", callbacks)
		}
	}
}

func TestRefusedForm(t *testing.T) {
	r := enter(t, quick(), false, nil)
	r.Server.Join("ann", "#ops")
	r.ears.answer = func(e adapters.Event) (adapters.Answer, error) {
		return adapters.Answer{Disposition: adapters.Accepted, Form: &adapters.Form{ID: "f", Title: "Deploy", Inputs: []adapters.Input{{Name: "a", Label: "A"}}}}, nil
	}
	r.RefuseForms(true)
	ref := r.send(adapters.Message{To: r.to("#ops"), Blocks: words("press"), Buttons: []adapters.Button{{ID: "x", Label: "Go"}}})
	if err := r.Server.Press("ann", ref.Message, "Go"); err != nil {
		t.Fatal(err)
	}
	told, err := r.Told(t.Context(), "ann")
	if err != nil || !strings.Contains(told, "could not be opened") {
		t.Errorf("ann is told %q, %v", told, err)
	}
}

// A press that both connections bring counts once.
func TestPressOnce(t *testing.T) {
	r := enter(t, quick(), false, nil)
	ref := r.send(adapters.Message{To: r.to("#ops"), Blocks: words("press"), Buttons: []adapters.Button{{ID: "x", Label: "Go"}}})
	r.Duplicate(1)
	for n := range 2 {
		if err := r.Server.Press("ann", ref.Message, "Go"); err != nil {
			t.Fatal(err)
		}
		r.ears.count(t, n+1)
	}
	r.Server.Say("ann", "#ops", "", "!after")
	all := r.ears.await(t, "the line afterwards", func(all []adapters.Event) bool { return len(all) > 0 && all[len(all)-1].Text == "!after" })
	if len(all) != 3 {
		t.Errorf("%d events of two presses and a line", len(all))
	}
}

// What is not a line of a person is nothing; a line that comes as message and as
// app_mention is one.
func TestNoise(t *testing.T) {
	r := enter(t, quick(), false, nil)
	r.Server.Join("ann", "#ops")
	r.SayRaw("ann", "#ops", "", "edited", map[string]any{"subtype": "message_changed"})
	r.SayRaw("ann", "#ops", "", "a bot", map[string]any{"bot_id": "B1"})
	r.SayRaw("petrel", "#ops", "", "myself", nil)
	r.Emit(map[string]any{"type": "member_joined_channel", "user": "U1", "channel": "C1"})
	r.Emit(map[string]any{"type": "app_home_opened", "user": "U1", "channel": "D1", "tab": "home"})
	ts := r.SayRaw("ann", "#ops", "", "<@"+r.BotID()+"> “run” a &amp; b", nil)
	if err := r.AlsoMention(ts); err != nil {
		t.Fatal(err)
	}
	r.Server.Say("ann", "#ops", "", "!after")
	all := r.ears.await(t, "the line afterwards", func(all []adapters.Event) bool { return len(all) > 0 && all[len(all)-1].Text == "!after" })
	if len(all) != 3 || all[0].DeliveryID != all[1].DeliveryID || all[0].Text != `"run" a & b` || !all[0].Mentioned {
		t.Errorf("heard was %+v", all)
	}
}

// Only what Slack signed, lately and for the first time, is taken.
func TestSignatures(t *testing.T) {
	r := enter(t, quick(), true, nil)
	now := time.Now()
	post := func(body string, at time.Time, header map[string]string) (int, string) {
		t.Helper()
		status, answer, err := r.Post([]byte(body), "application/json", at, header)
		if err != nil {
			t.Fatal(err)
		}
		return status, string(answer)
	}
	event := func(text string) string {
		raw, err := json.Marshal(map[string]any{"type": "event_callback", "event_id": "Ev1", "event": map[string]any{
			"type": "message", "channel": r.ChannelID("", "#ops"), "user": r.UserID("ann"), "text": text, "ts": "1700000000.000001",
		}})
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	const challenge = `{"type":"url_verification","challenge":"c4"}`
	for _, tt := range []struct {
		name, body string
		at         time.Time
		header     map[string]string
		status     int
	}{
		{"challenge", challenge, now, nil, http.StatusOK},
		{"challenge unsigned", challenge, now, map[string]string{"X-Slack-Signature": "v0=00"}, http.StatusUnauthorized},
		{"no signature", event("!x"), now, map[string]string{"X-Slack-Signature": ""}, http.StatusUnauthorized},
		{"too old", event("!x"), now.Add(-6 * time.Minute), nil, http.StatusUnauthorized},
		{"from the future", event("!x"), now.Add(6 * time.Minute), nil, http.StatusUnauthorized},
		{"another time than signed", event("!x"), now, map[string]string{"X-Slack-Request-Timestamp": fmt.Sprint(now.Unix() - 1)}, http.StatusUnauthorized},
		{"good", event("!good"), now, nil, http.StatusOK},
		{"replayed", event("!good"), now, nil, http.StatusUnauthorized},
		{"brought again", event("!good"), now.Add(time.Second), map[string]string{"X-Slack-Retry-Num": "1"}, http.StatusOK},
		{"no JSON", `{"type":`, now, nil, http.StatusBadRequest},
		{"nothing of Slack's", "a=b", now, nil, http.StatusBadRequest},
		{"payload in the query only", url.Values{"x": {"y"}}.Encode(), now, nil, http.StatusBadRequest},
	} {
		status, answer := post(tt.body, tt.at, tt.header)
		if status != tt.status {
			t.Errorf("%s: answered by %d: %s", tt.name, status, answer)
		}
		if strings.Contains(answer, "c4") != (tt.name == "challenge") {
			t.Errorf("%s: the answer is %s", tt.name, answer)
		}
	}
	if all := r.ears.count(t, 2); len(all) != 2 || all[0].Text != "!good" || all[1].DeliveryID != all[0].DeliveryID {
		t.Errorf("heard was %+v", all)
	}
	resp, err := http.Get("http://" + strings.TrimPrefix(r.Front(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET is answered by %s", resp.Status)
	}
}

// With Socket Mode alone nothing is taken over HTTP.
func TestNoSecretNoHTTP(t *testing.T) {
	r := enter(t, quick(), false, nil)
	front := serve(t, r.adapter.Routes())
	resp, err := http.Post(front, "application/json", strings.NewReader(`{"type":"url_verification","challenge":"c"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("answered by %s", resp.Status)
	}
}

// A line that cannot be stored, however often Slack brings it, is told.
func TestNeverTaken(t *testing.T) {
	for _, callbacks := range []bool{false, true} {
		r := enter(t, quick(), callbacks, nil)
		r.Server.Join("ann", "#ops")
		r.ears.answer = func(adapters.Event) (adapters.Answer, error) {
			return adapters.Answer{}, errors.New("the disk is full")
		}
		r.Server.Say("ann", "#ops", "", "!run date")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if told, err := r.Told(ctx, "ann"); err != nil || !strings.Contains(told, "try again") {
			t.Errorf("ann is told %q, %v", told, err)
		}
		if n := len(r.ears.count(t, 4)); n != 4 {
			t.Errorf("it was tried %d times", n)
		}
		if err := r.Server.Call("ann", "#ops", "petrel", "run date"); err != nil {
			t.Fatal(err)
		}
		if told, err := r.Told(ctx, "ann"); err != nil || !strings.Contains(told, "try again") {
			t.Errorf("of the slash command ann is told %q, %v", told, err)
		}
	}
}
