package slack_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/slack"
	fake "petrel/tests/fakes/slack"
)

// called has ann use a slash command, and returns the event.
func (r *room) called(channel string) adapters.Event {
	r.t.Helper()
	n := len(r.ears.count(r.t, 0))
	if err := r.Server.Call("ann", channel, "petrel", "run date"); err != nil {
		r.t.Fatal(err)
	}
	return r.ears.count(r.t, n+1)[n]
}

// A private answer to a slash command is changed as often as its response_url
// allows; the result always has a use left, and everything else goes another way.
func TestPrivateCard(t *testing.T) {
	r := enter(t, quick(), false, nil)
	r.Server.Join("ann", "#ops")
	r.Server.Join("bob", "#ops")
	r.ears.answer = func(adapters.Event) (adapters.Answer, error) {
		return adapters.Answer{Disposition: adapters.Accepted, Private: true}, nil
	}
	e := r.called("#ops")
	to := adapters.Target{Channel: e.Channel.ID, Private: e.User.ID, Reply: e.Reply}
	m := adapters.Message{To: to, Key: "card", State: adapters.StateWorking, Blocks: words("step 0")}
	ref := r.send(m)
	for i := range 10 {
		m.Blocks = words(fmt.Sprint("step ", i+1))
		if err := r.adapter.Update(t.Context(), ref, m); err != nil {
			t.Fatal(err)
		}
	}
	m.State, m.Blocks = adapters.StateNone, words("all steps done")
	if err := r.adapter.Update(t.Context(), ref, m); err != nil {
		t.Fatal(err)
	}
	r.send(adapters.Message{To: to, Key: "result", State: adapters.StateSucceeded, Blocks: words("the result")})
	if s := r.see("ann", "#ops", "the result"); !s.Private {
		t.Errorf("the result is not private: %+v", s)
	}
	if s := r.see("ann", "#ops", "all steps done"); !s.Private {
		t.Errorf("the card is not private: %+v", s)
	}
	if n := r.Calls("response_url"); n > 5 {
		t.Errorf("the response_url was used %d times", n)
	}
	if n := r.Calls("chat.postEphemeral"); n != 0 {
		t.Errorf("%d messages went another way, although there were uses left", n)
	}
	for _, text := range []string{"one more", "and another"} {
		r.send(adapters.Message{To: to, Key: text, State: adapters.StateSucceeded, Blocks: words(text)})
		if s := r.see("ann", "#ops", text); !s.Private {
			t.Errorf("%s is not private", text)
		}
	}
	if n := r.Calls("response_url"); n > 5 {
		t.Errorf("the response_url was used %d times", n)
	}
	bob, err := r.See(t.Context(), "bob", "#ops", func([]seen) bool { return true })
	if err != nil || len(bob) > 0 {
		t.Errorf("bob sees %+v, %v", bob, err)
	}
}

// What comes after half an hour finds another way.
func TestReplyExpired(t *testing.T) {
	r := enter(t, quick(), false, nil)
	r.Server.Join("ann", "#ops")
	e := r.called("#ops")
	to := adapters.Target{Channel: e.Channel.ID, Private: e.User.ID, Reply: e.Reply}
	m := adapters.Message{To: to, Key: "card", State: adapters.StateWorking, Blocks: words("working")}
	ref := r.send(m)
	r.ExpireReplies()
	m.State, m.Blocks = adapters.StateSucceeded, words("done at last")
	if err := r.adapter.Update(t.Context(), ref, m); err != nil {
		t.Fatal(err)
	}
	if s := r.see("ann", "#ops", "done at last"); !s.Private {
		t.Errorf("it is not private: %+v", s)
	}
	uses := r.Calls("response_url")
	r.send(adapters.Message{To: to, Key: "more", Blocks: words("and more")})
	r.see("ann", "#ops", "and more")
	if r.Calls("response_url") != uses {
		t.Error("a response_url that Slack refused was used again")
	}
	old := handleOf(t, e.Reply)
	old["t"] = time.Now().Add(-time.Hour).Unix()
	raw, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	to.Reply = string(raw)
	r.send(adapters.Message{To: to, Key: "late", Blocks: words("late")})
	if r.Calls("response_url") != uses {
		t.Error("a response_url was used after its thirty minutes")
	}
}

func handleOf(t *testing.T, reply string) map[string]any {
	t.Helper()
	var h map[string]any
	if err := json.Unmarshal([]byte(reply), &h); err != nil || len(reply) > 1024 {
		t.Fatalf("the handle is %q, %v", reply, err)
	}
	return h
}

// A command called where the app is not is answered nevertheless: in the channel
// while that can be done, then directly.
func TestCalledElsewhere(t *testing.T) {
	r := enter(t, quick(), false, nil)
	r.Server.Join("ann", "#secret")
	r.Kick("#secret")
	e := r.called("#secret")
	to := adapters.Target{Channel: e.Channel.ID, Reply: e.Reply}
	for i := range 5 {
		text := fmt.Sprint("answer ", i)
		r.send(adapters.Message{To: to, Key: text, Blocks: words(text)})
		if s := r.see("ann", "#secret", text); s.Private {
			t.Errorf("%s is private", text)
		}
	}
	ref := r.send(adapters.Message{To: to, Key: "sixth", Blocks: words("the sixth answer")})
	r.see("ann", "@", "the sixth answer")
	if err := r.adapter.Update(t.Context(), ref, adapters.Message{To: to, Blocks: words("changed directly")}); err != nil {
		t.Error(err)
	}
	r.see("ann", "@", "changed directly")
	private := adapters.Target{Channel: e.Channel.ID, Private: e.User.ID}
	r.send(adapters.Message{To: private, Key: "p", Blocks: words("for ann's eyes")})
	r.see("ann", "@", "for ann's eyes")
}

// A public channel is joined when the app may not post from outside.
func TestJoins(t *testing.T) {
	o := quick()
	o.Scopes = []string{"chat:write", "channels:join", "channels:read", "users:read"}
	r := enter(t, o, false, nil)
	id := r.AddChannel("#new", false)
	r.send(adapters.Message{To: adapters.Target{Channel: id}, Key: "j", Blocks: words("here I am")})
	if n := r.times("#new", "here I am"); n != 1 {
		t.Errorf("it is there %d times", n)
	}
}

// A button of a message that only one person sees changes that message.
func TestEphemeralButton(t *testing.T) {
	r := enter(t, quick(), false, nil)
	r.Server.Join("ann", "#ops")
	to := r.to("#ops")
	to.Private = r.UserID("ann")
	m := adapters.Message{To: to, Key: "e", Blocks: words("sure?"), Buttons: []adapters.Button{{ID: "y", Label: "Yes"}}}
	ref := r.send(m)
	if err := r.Server.Press("ann", ref.Message, "Yes"); err != nil {
		t.Fatal(err)
	}
	e := r.ears.count(t, 1)[0]
	m.To.Reply, m.Blocks, m.Buttons = e.Reply, words("very well"), nil
	if err := r.adapter.Update(t.Context(), ref, m); err != nil {
		t.Fatal(err)
	}
	if s := r.see("ann", "#ops", "very well"); s.Message != ref.Message || len(s.Buttons) > 0 {
		t.Errorf("the message was not replaced: %+v", s)
	}
}

// The answer to a press on a public message does not replace that message.
func TestPublicButton(t *testing.T) {
	r := enter(t, quick(), false, nil)
	r.Server.Join("ann", "#ops")
	ref := r.send(adapters.Message{To: r.to("#ops"), Key: "b", Blocks: words("for all"), Buttons: []adapters.Button{{ID: "y", Label: "Yes"}}})
	if err := r.Server.Press("ann", ref.Message, "Yes"); err != nil {
		t.Fatal(err)
	}
	e := r.ears.count(t, 1)[0]
	m := adapters.Message{To: adapters.Target{Channel: e.Channel.ID, Private: e.User.ID, Reply: e.Reply}, Key: "p", Blocks: words("just you")}
	mine := r.send(m)
	m.State, m.Blocks = adapters.StateSucceeded, words("still just you")
	if err := r.adapter.Update(t.Context(), mine, m); err != nil {
		t.Fatal(err)
	}
	r.see("ann", "#ops", "still just you")
	if n := r.times("#ops", "for all"); n != 1 {
		t.Error("the public message was replaced")
	}
}

// What an author wants that Slack does not take does not lose the message.
func TestRefusedExtra(t *testing.T) {
	r := enter(t, quick(), false, nil)
	r.Server.Join("ann", "#ops")
	for i, extra := range []string{`{"blocks":[{"type":"no_such_block"}]}`, `"nonsense"`, `{"attachments":[{"blocks":[{"type":"header"}]}]}`} {
		text := fmt.Sprint("the text ", i)
		m := adapters.Message{To: r.to("#ops"), Key: text, Blocks: words(text), Extra: map[string]json.RawMessage{"slack": json.RawMessage(extra)}}
		ref := r.send(m)
		r.see("ann", "#ops", text)
		m.Blocks = words(text + " changed")
		if err := r.adapter.Update(t.Context(), ref, m); err != nil {
			t.Error(err)
		}
		r.see("ann", "#ops", text+" changed")
	}
}

func TestExtraShown(t *testing.T) {
	r := enter(t, quick(), false, nil)
	r.Server.Join("ann", "#ops")
	asked := r.Server.Say("ann", "#ops", "", "!x")
	m := adapters.Message{To: r.to("#ops"), Key: "x", InReplyTo: asked, Mention: r.UserID("ann"), Blocks: words("the *text*"), Extra: map[string]json.RawMessage{
		"slack": json.RawMessage(`{"color":"#00f","title":"The title","thread_response":true}`),
	}}
	ref := r.send(m)
	s := r.see("ann", "#ops", "The title")
	if s.Thread != asked || !strings.Contains(s.Text, "the *text*") || !slices.Equal(s.Pings, []string{"ann"}) {
		t.Errorf("it is shown as %+v", s)
	}
	m.Extra = nil
	m.Blocks = words("plain now")
	if err := r.adapter.Update(t.Context(), ref, m); err != nil {
		t.Fatal(err)
	}
	if s := r.see("ann", "#ops", "plain now"); strings.Contains(s.Text, "The title") {
		t.Errorf("the attachment stays: %+v", s)
	}
}

// Files that Slack does not take are told of; those for one person go there.
func TestFiles(t *testing.T) {
	o := quick()
	o.Scopes = []string{"chat:write", "users:read", "channels:read", "im:write"}
	r := enter(t, o, false, nil)
	r.Server.Join("ann", "#ops")
	file := []adapters.File{{Name: "a.txt", Content: []byte("content")}}
	r.send(adapters.Message{To: r.to("#ops"), Key: "f", Blocks: words("with a file"), Files: file})
	r.see("ann", "#ops", "lacks the scope files:write")

	r = enter(t, quick(), false, nil)
	r.Server.Join("ann", "#ops")
	to := r.to("#ops")
	to.Private = r.UserID("ann")
	r.send(adapters.Message{To: to, Key: "f", Blocks: words("a private file"), Files: append(file, adapters.File{Name: "empty.txt"})})
	ctx := t.Context()
	if _, err := r.See(ctx, "ann", "@", func(all []seen) bool {
		return slices.ContainsFunc(all, func(s seen) bool { return s.Files["a.txt"] == "content" }) &&
			slices.ContainsFunc(all, func(s seen) bool { _, ok := s.Files["empty.txt"]; return ok })
	}); err != nil {
		t.Error(err)
	}
	// The upload is limited, not the message: it is not said twice.
	m := adapters.Message{To: r.to("#ops"), Key: "g", Blocks: words("once with a file"), Files: file}
	r.send(adapters.Message{To: r.to("#ops"), Key: "warm", Blocks: words("warm")})
	r.LimitMethod("files.getUploadURLExternal", 1)
	var retry *adapters.RetryError
	if _, err := r.adapter.Send(ctx, m); !errors.As(err, &retry) {
		t.Errorf("the error is %v", err)
	}
	r.send(m)
	if n := r.times("#ops", "once with a file"); n != 1 {
		t.Errorf("it was said %d times", n)
	}
}

// A list with more options than Slack takes becomes two, of the same ID.
func TestLongSelect(t *testing.T) {
	r := enter(t, quick(), false, nil)
	options := make([]adapters.Option, 150)
	for i := range options {
		options[i] = adapters.Option{Value: fmt.Sprint("v", i), Label: fmt.Sprint("host ", i)}
	}
	ref := r.send(adapters.Message{To: r.to("#ops"), Key: "s", Blocks: words("which"), Selects: []adapters.Select{{ID: "2:s2:host", Label: "Host", Options: options}}})
	for i, c := range []struct{ list, option string }{{"Host", "host 99"}, {"Host (2)", "host 100"}} {
		if err := r.Server.Choose("ann", ref.Message, c.list, c.option); err != nil {
			t.Fatal(err)
		}
		if e := r.ears.count(t, i+1)[i]; e.Button != "2:s2:host" || e.Choice != "v"+c.option[5:] {
			t.Errorf("chosen was %q of %q", e.Choice, e.Button)
		}
	}
}

// Who reads an error cannot use the response_url that it happened at.
func TestErrorsTellNoAddress(t *testing.T) {
	r := enter(t, quick(), false, nil)
	reply := fmt.Sprintf(`{"u":"http://127.0.0.1:1/secret-part","t":%d,"p":"U1","f":"c"}`, time.Now().Unix())
	_, err := r.adapter.Send(t.Context(), adapters.Message{To: adapters.Target{Channel: r.ChannelID("", "#ops"), Private: "U1", Reply: reply}, Blocks: words("x")})
	if err == nil || strings.Contains(err.Error(), "secret-part") {
		t.Errorf("the error is %v", err)
	}
}

func TestManager(t *testing.T) {
	r := enter(t, quick(), false, nil)
	a, ctx := r.adapter, t.Context()
	ann, bob := r.UserID("ann"), r.UserID("bob")
	gone := r.UserID("gone")
	c, err := a.CreateChannel(ctx, "#Incident 42!", false)
	if err != nil || c.Name != "#incident-42" {
		t.Fatalf("made was %+v, %v", c, err)
	}
	if _, err := a.CreateChannel(ctx, "incident-42", true); !errors.Is(err, adapters.ErrNameTaken) {
		t.Errorf("the error of a taken name is %v", err)
	}
	err = a.Invite(ctx, "#incident-42", []string{ann, "@bob", "bob@example.com", gone, "@nobody"})
	if err == nil || !strings.Contains(err.Error(), "gone") || !strings.Contains(err.Error(), "@nobody") || strings.Contains(err.Error(), "bob") {
		t.Errorf("the error of the invitation is %v", err)
	}
	if err := a.Invite(ctx, c.ID, []string{bob}); err != nil {
		t.Errorf("who is there already: %v", err)
	}
	if err := a.SetTopic(ctx, c.ID, "web\nis "+strings.Repeat("very ", 100)+"slow"); err != nil {
		t.Error(err)
	}
	topic, members := r.Topic("#incident-42")
	if !strings.HasPrefix(topic, "web is very") || !slices.Equal(members, []string{"ann", "bob", "petrel"}) {
		t.Errorf("the channel has the topic %q and %v", topic, members)
	}
	ref := r.send(adapters.Message{To: adapters.Target{Channel: c.ID}, Key: "s", Blocks: words("summary")})
	for range 2 {
		if err := errors.Join(a.Pin(ctx, ref), a.React(ctx, ref, ":eyes:")); err != nil {
			t.Error(err)
		}
	}
	if m := r.Messages("#incident-42")[0]; !m.Pinned || !slices.Equal(m.Reactions, []string{"eyes"}) {
		t.Errorf("the message is %+v", m)
	}
	for _, who := range []string{ann, "@ann", "ann", "Ann@Example.com"} {
		if u, err := a.FindUser(ctx, who); err != nil || u != r.User("ann") {
			t.Errorf("%s is %+v, %v", who, u, err)
		}
	}
	for _, who := range []string{"UNOBODY1", "@nobody", "nobody@example.com"} {
		if _, err := a.FindUser(ctx, who); !errors.Is(err, adapters.ErrNoUser) {
			t.Errorf("%s: %v", who, err)
		}
	}
}

func TestExamine(t *testing.T) {
	find := func(findings []adapters.Finding, check string) adapters.Finding {
		for _, f := range findings {
			if f.Check == check {
				return f
			}
		}
		t.Errorf("nothing is said of %s: %+v", check, findings)
		return adapters.Finding{}
	}
	s := fake.Start(fake.Options{})
	defer s.Close()
	s.ChannelID("", "#ops")
	a := maker(t, false)(s).(*slack.Adapter)
	for _, f := range a.Examine(t.Context()) {
		if f.Severity != adapters.OK {
			t.Errorf("of a good set-up: %+v", f)
		}
	}
	for _, tt := range []struct {
		skew      time.Duration
		callbacks bool
		want      adapters.Severity
	}{{time.Minute, false, adapters.Warning}, {10 * time.Minute, false, adapters.Warning}, {10 * time.Minute, true, adapters.Fatal}, {0, true, adapters.OK}} {
		s.Skew(tt.skew)
		if f := find(maker(t, tt.callbacks)(s).(*slack.Adapter).Examine(t.Context()), "clock"); f.Severity != tt.want {
			t.Errorf("skew %s, callbacks %v: %+v", tt.skew, tt.callbacks, f)
		}
	}
	s.Skew(0)
	for _, tt := range []struct {
		name   string
		change func(*slack.Options)
		check  string
		want   adapters.Severity
		words  string
	}{
		{"bad bot token", func(o *slack.Options) { o.BotToken = "xoxb-other" }, "token", adapters.Fatal, "invalid_auth"},
		{"bad app token", func(o *slack.Options) { o.AppToken = "xapp-other" }, "app token", adapters.Fatal, "invalid_auth"},
		{"no address", func(o *slack.Options) { o.AppToken, o.SigningSecret = "", "x" }, "callback", adapters.Fatal, "not known"},
		{"private address", func(o *slack.Options) {
			o.AppToken, o.SigningSecret, o.PublicURL = "", "x", "http://10.0.0.1/chat/slack"
		}, "callback", adapters.Warning, "no address that Slack can reach"},
		{"no Slack", func(o *slack.Options) { o.APIURL = "http://127.0.0.1:1/" }, "token", adapters.Fatal, "refused"},
	} {
		o := slack.Options{BotToken: s.BotToken, AppToken: s.AppToken, APIURL: s.APIURL(), Logger: quiet(t)}
		tt.change(&o)
		a, err := slack.New(o)
		if err != nil {
			t.Fatal(err)
		}
		if f := find(a.Examine(t.Context()), tt.check); f.Severity != tt.want || !strings.Contains(f.Text, tt.words) || f.Remedy == "" {
			t.Errorf("%s: %+v", tt.name, f)
		}
	}
	few := fake.Start(fake.Options{Scopes: []string{"users:read"}})
	defer few.Close()
	findings := maker(t, false)(few).(*slack.Adapter).Examine(t.Context())
	if f := find(findings, "scopes"); f.Severity != adapters.Fatal || !strings.Contains(f.Text, "chat:write") {
		t.Errorf("without chat:write: %+v", f)
	}
	if n := len(findings); n < 10 {
		t.Errorf("only %d findings without scopes", n)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]slack.Options{
		"no token":       {AppToken: "xapp-1"},
		"user token":     {BotToken: "xoxp-1", AppToken: "xapp-1"},
		"no way in":      {BotToken: "xoxb-1"},
		"tokens swapped": {BotToken: "xoxb-1", AppToken: "xoxb-1"},
	} {
		if _, err := slack.New(o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
