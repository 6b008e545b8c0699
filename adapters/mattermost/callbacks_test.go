package mattermost_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"petrel/adapters"
	fake "petrel/tests/fakes/mattermost"
)

// post calls the adapter as anybody can.
func (r *rig) post(path, kind string, header http.Header, body []byte) (int, string) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.ctx, http.MethodPost, r.Access.CallbackURL+path, bytes.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	words, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return resp.StatusCode, string(words)
}

func (r *rig) postJSON(path string, v any) (int, string) {
	r.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		r.Fatal(err)
	}
	return r.post(path, "application/json", nil, body)
}

func TestSlashToken(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.connected()
	good := r.Access.CommandTokens[1]
	for _, tt := range []struct {
		name, form, head string
		status           int
	}{
		{"form", good, "", 200},
		{"head", "", "Token " + good, 200},
		{"both", good, "Token " + good, 200},
		{"another command's", r.Access.CommandTokens[0], "", 200},
		{"none", "", "", 401},
		{"wrong", "0" + good[1:], "", 401},
		{"shorter", good[:25], "", 401},
		{"wrong head", good, "Token x", 401},
		{"wrong form", "x", "Token " + good, 401},
		{"bot's", r.Access.Token, "", 401},
	} {
		header := http.Header{}
		if tt.head != "" {
			header.Set("Authorization", tt.head)
		}
		form := url.Values{"token": {tt.form}, "command": {"/petrel"}, "text": {tt.name}, "user_id": {r.User("ann").ID}, "user_name": {"ann"}, "channel_id": {r.Channel("#ops").ID}, "trigger_id": {tt.name}}
		status, words := r.post("/command", "application/x-www-form-urlencoded", header, []byte(form.Encode()))
		if status != tt.status {
			t.Errorf("%s: status %d, want %d: %s", tt.name, status, tt.status, words)
		}
	}
	if n := len(r.hear(5)); n != 5 {
		t.Errorf("%d events, want the four good calls and the first words", n)
	}
}

// Nobody can press what was not made, choose what was not offered, or send a
// form that was opened for somebody else.
func TestForgery(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.connected()
	r.setAnswer(func(e adapters.Event) (adapters.Answer, error) {
		if e.Opens {
			return adapters.Answer{Form: &adapters.Form{ID: "f", Title: "T", Inputs: []adapters.Input{{Name: "a", Label: "A", Kind: adapters.TextInput}}}}, nil
		}
		return adapters.Answer{Disposition: adapters.Accepted}, nil
	})
	m := r.message("b", "choose")
	m.Buttons = []adapters.Button{{ID: "one", Label: "One"}, {ID: "two", Label: "Two", Confirm: "Really?"}}
	m.Selects = []adapters.Select{{ID: "sel", Label: "Sel", Options: []adapters.Option{{Value: "v.1", Label: "V1"}, {Value: "v2", Label: "V2"}}}, {ID: "other", Label: "Other", Options: []adapters.Option{{Value: "w", Label: "W"}}}}
	ref := r.send(m)
	contexts := r.Server.Contexts(ref.Message)
	press := func(context map[string]any) (int, string) {
		return r.postJSON("/action", map[string]any{"user_id": r.User("ann").ID, "channel_id": ref.Channel, "post_id": ref.Message, "trigger_id": "t", "context": context})
	}
	one, two, sel, other := contexts["One"], contexts["Two"], contexts["Sel"], contexts["Other"]
	for name, context := range map[string]map[string]any{
		"no context":            nil,
		"another button's mark": {"id": "one", "mark": two["mark"]},
		"another id":            {"id": "three", "mark": one["mark"]},
		"without confirmation":  {"id": "two", "mark": two["mark"]},
		"a select as a button":  {"id": "sel", "mark": sel["mark"]},
		"a made-up option":      {"id": "sel", "mark": sel["mark"], "selected_option": "v3." + strings.Repeat("0", 32)},
		"an option unmarked":    {"id": "sel", "mark": sel["mark"], "selected_option": "v2"},
		"of another select":     {"id": "sel", "mark": sel["mark"], "selected_option": other["options"].([]string)[0]},
	} {
		if status, words := press(context); status != http.StatusForbidden {
			t.Errorf("%s: status %d: %s", name, status, words)
		}
	}
	if status, words := r.post("/action", "application/json", nil, []byte("{")); status != http.StatusBadRequest {
		t.Errorf("no JSON: status %d: %s", status, words)
	}
	if err := r.Choose(r.ctx, "ann", ref.Message, "Sel", "V1"); err != nil {
		t.Fatal(err)
	}
	if e := r.hear(2)[1]; e.Choice != "v.1" || e.Button != "sel" {
		t.Errorf("chosen was %+v", e)
	}
	if err := r.Press(r.ctx, "ann", ref.Message, "One"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Form(r.ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	state := r.Server.DialogState("ann")
	for name, s := range map[string]map[string]any{
		"another person": {"user_id": r.User("bob").ID, "state": state},
		"another state":  {"user_id": r.User("ann").ID, "state": "x" + state[1:]},
		"no state":       {"user_id": r.User("ann").ID},
	} {
		if status, words := r.postJSON("/dialog", s); status != http.StatusForbidden {
			t.Errorf("%s: status %d: %s", name, status, words)
		}
	}
	if n := len(r.hear(3)); n != 3 {
		t.Errorf("%d events came", n)
	}
}

func TestConfirm(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.connected()
	m := r.message("b", "deploy?")
	m.Buttons = []adapters.Button{{ID: "go", Label: "Deploy to production at once", Style: "danger", Confirm: "This *cannot* be undone."}}
	ref := r.send(m)
	if err := r.Press(r.ctx, "ann", ref.Message, "Deploy to production at once"); err != nil {
		t.Fatal(err)
	}
	d, err := r.Form(r.ctx, "ann")
	if err != nil || !strings.HasPrefix(d.Title, "Deploy to") || len(r.hear(1)) != 1 {
		t.Fatalf("asked was %+v, %v", d, err)
	}
	if err := r.Submit(r.ctx, "ann", nil); err != nil {
		t.Fatal(err)
	}
	if e := r.hear(2)[1]; e.Kind != adapters.ButtonPressed || e.Button != "go" || e.Message != ref.Message || e.User.Name != "ann" || e.Opens || e.Channel.ID != ref.Channel {
		t.Errorf("confirmed was %+v", e)
	}
	r.Server.RefuseForms(true)
	if err := r.Press(r.ctx, "ann", ref.Message, "Deploy to production at once"); err != nil {
		t.Fatal(err)
	}
	if words, err := r.Told(r.ctx, "ann"); err != nil || !strings.Contains(words, "nothing was done") {
		t.Errorf("ann was told %q, %v", words, err)
	}
	if n := len(r.hear(2)); n != 2 {
		t.Errorf("a press without confirmation counted: %d events", n)
	}
}

func TestRefusedForm(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.connected()
	r.setAnswer(func(adapters.Event) (adapters.Answer, error) {
		return adapters.Answer{Form: &adapters.Form{ID: "f", Title: "T"}}, nil
	})
	r.Server.RefuseForms(true)
	if err := r.Call(r.ctx, "ann", "#ops", fake.Command, "deploy"); err != nil {
		t.Fatal(err)
	}
	if words, err := r.Told(r.ctx, "ann"); err != nil || !strings.Contains(words, "could not be opened") {
		t.Errorf("ann was told %q, %v", words, err)
	}
}

// A command in a channel that the bot cannot enter is answered by the command's
// own way back; so is one whose answer is for its caller alone.
func TestHookReplies(t *testing.T) {
	r := newRig(t, fake.Options{NoEphemeral: true})
	r.connected()
	r.Server.Channel("#secret")
	r.Server.Expel("#secret")
	if err := r.Call(r.ctx, "ann", "#secret", fake.Command, "run date"); err != nil {
		t.Fatal(err)
	}
	e := r.hear(2)[1]
	if e.Channel.Name != "#secret" || e.Reply == "" || len(e.Reply) > 1024 || strings.Contains(e.Reply, "http") {
		t.Fatalf("the call is %+v", e)
	}
	m := adapters.Message{To: adapters.Target{Channel: e.Channel.ID, Reply: e.Reply}, Key: "k1", State: adapters.StateWorking, Blocks: []adapters.Block{{Kind: adapters.Preformatted, Text: "<!channel> at work"}}}
	ref := r.send(m)
	posts := r.Server.Posts(e.Channel.ID)
	if len(posts) != 1 || !strings.Contains(posts[0].Message, "at work") || posts[0].Only != "" || len(posts[0].Pings) > 0 {
		t.Fatalf("posts: %+v", posts)
	}
	for _, state := range []adapters.State{adapters.StateWorking, adapters.StateSucceeded} {
		m.State = state
		if err := r.Adapter().Update(r.ctx, ref, m); err != nil {
			t.Error(err)
		}
	}
	if posts = r.Server.Posts(e.Channel.ID); len(posts) != 2 {
		t.Errorf("%d posts: the last word must be said anew, the others cannot be changed", len(posts))
	}
	private := m
	private.Key, private.To.Private = "k2", e.User.ID
	r.send(private)
	if posts = r.Server.Posts(e.Channel.ID); len(posts) != 3 || posts[2].Only != e.User.ID {
		t.Errorf("a private answer: %+v", posts)
	}
	// Once used up, the way is another: directly.
	for _, key := range []string{"k3", "k4", "k5"} {
		private.Key = key
		r.send(private)
	}
	if direct := r.Server.Posts(r.Direct("ann").ID); len(direct) != 1 {
		t.Errorf("%d direct posts", len(direct))
	}
}

// An ephemeral post that nobody would see is said directly.
func TestPrivateToAbsent(t *testing.T) {
	r := newRig(t, fake.Options{})
	r.connected()
	r.Server.SetStatus("ann", "offline")
	m := r.message("p", "for ann")
	m.To.Private = r.User("ann").ID
	if ref := r.send(m); ref.Channel != r.Direct("ann").ID {
		t.Errorf("it went to %+v", ref)
	}
	r.Server.SetStatus("ann", "away")
	m.Key = "q"
	if ref := r.send(m); ref.Channel != r.Channel("#ops").ID {
		t.Errorf("it went to %+v", ref)
	}
	m.Key, m.Files = "r", []adapters.File{{Name: "a.txt", Content: []byte("a")}}
	if ref := r.send(m); ref.Channel != r.Direct("ann").ID {
		t.Errorf("with a file it went to %+v", ref)
	}
}

func TestNotRunning(t *testing.T) {
	h := newHarness(t, fake.Options{})
	defer h.Close()
	if err := h.Call(t.Context(), "ann", "#ops", fake.Command, "x"); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a call of an adapter that does not run: %v", err)
	}
}
