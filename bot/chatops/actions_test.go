package chatops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/pipeline"
	"petrel/engine/runners"
	"petrel/store"
)

// managed is the fake platform with channels to look after.
type managed struct {
	*platform
	mu   sync.Mutex
	done []string
	busy int // how many calls are asked to wait
}

func (m *managed) note(format string, args ...any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy > 0 {
		m.busy--
		return &adapters.RetryError{After: time.Millisecond, Err: errors.New("slow down")}
	}
	m.done = append(m.done, fmt.Sprintf(format, args...))
	return nil
}

func (m *managed) CreateChannel(_ context.Context, name string, private bool) (adapters.Channel, error) {
	if name == "taken" {
		return adapters.Channel{}, adapters.ErrNameTaken
	}
	return adapters.Channel{ID: "C9", Name: "#" + name}, m.note("create %s %t", name, private)
}
func (m *managed) Invite(_ context.Context, channel string, people []string) error {
	return m.note("invite %v to %s", people, channel)
}
func (m *managed) SetTopic(_ context.Context, channel, topic string) error {
	return m.note("topic of %s: %s", channel, topic)
}
func (m *managed) Pin(_ context.Context, ref adapters.Ref) error {
	return m.note("pin %s", ref.Message)
}
func (m *managed) React(_ context.Context, ref adapters.Ref, emoji string) error {
	return m.note("%s under %s", emoji, ref.Message)
}
func (m *managed) FindUser(_ context.Context, who string) (adapters.User, error) {
	if name := strings.TrimPrefix(who, "@"); name == "ann" || name == "ann@example.org" {
		return ann, nil
	}
	return adapters.User{}, fmt.Errorf("%w: %s", adapters.ErrNoUser, who)
}

// act carries out an action of the runner chat.
func (r *talk) act(t *testing.T, name, parameters string) (engine.Status, map[string]any, []runners.OutboxEntry) {
	t.Helper()
	v, err := value.ParseJSON([]byte(parameters))
	if err != nil {
		t.Fatal(err)
	}
	job := runners.Job{
		Execution: &engine.Execution{ID: engine.NewID(time.Now()), Context: engine.Context{User: "ann"}},
		Action:    &engine.Action{Name: name, Ref: "chat." + name}, Runner: value.NewDict(0), Params: v.(*value.Dict),
	}
	o, err := r.chat.Actions().Run(t.Context(), job)
	if err != nil {
		t.Fatalf("%s %s: %v", name, parameters, err)
	}
	var result map[string]any
	if err := json.Unmarshal(o.Result, &result); err != nil {
		t.Fatal(err)
	}
	return o.Status, result, o.Outbox
}

func newManaged(t *testing.T, shows adapters.Capabilities) (*talk, *managed) {
	t.Helper()
	r := newTalk(t, shows)
	m := &managed{platform: r.platform}
	r.options.Adapters = []adapters.Adapter{m}
	r.restart()
	return r, m
}

func TestChatActions(t *testing.T) {
	shows := everything
	shows.Files = true
	r, m := newManaged(t, shows)
	for _, tt := range []struct{ name, parameters, want string }{
		{"post", `{"channel":"#ops","message":"hello {~}*all*","user":"@ann","state":"failed","color":"danger","extra":{"slack":{"x":1}}}`, `"message_id":"b1"`},
		{"thread", `{"channel":"#ops","thread":"m7","message":"under it","output":"<raw>"}`, `"message_id":"b2"`},
		{"thread", `{"channel":"#ops","message":"under nothing"}`, `thread is empty`},
		{"ephemeral", `{"channel":"#ops","user":"ann@example.org","message":"psst"}`, `"message_id":"b3"`},
		{"ephemeral", `{"channel":"#ops","user":"@nobody","message":"psst"}`, `nobody has that name`},
		{"dm", `{"user":"@ann","message":"just you"}`, `"channel":"@ann"`},
		{"dm", `{"user":"fake:ann","message":"just you, there"}`, `"channel":"@ann"`},
		{"update", `{"channel":"#ops","message_id":"b1","message":"changed"}`, `"message_id":"b1"`},
		{"update", `{"channel":"#ops","message_id":"b99","message":"changed"}`, `there is no message b99`},
		{"upload", `{"channel":"#ops","filename":"a.txt","content":"abc"}`, `"message_id":"b6"`},
		{"upload", `{"channel":"#ops","filename":"a.txt"}`, `content is empty`},
		{"react", `{"channel":"#ops","message_id":"b1","emoji":":eyes:"}`, `"message_id":"b1"`},
		{"pin", `{"channel":"#ops","message_id":"b1"}`, `"message_id":"b1"`},
		{"create_channel", `{"name":"inc-1","private":true}`, `"channel":"C9"`},
		{"create_channel", `{"name":"taken"}`, `the name is taken`},
		{"create_channel", `{"name":"taken","reuse":true}`, `"created":false`},
		{"invite", `{"channel":"C9","people":["@ann","bob"]}`, `"channel":"C9"`},
		{"invite", `{"channel":"C9","people":[]}`, `people is empty`},
		{"set_topic", `{"channel":"C9","topic":"down"}`, `"channel":"C9"`},
		{"post", `{"channel":"","message":"x"}`, `channel is empty`},
		{"post", `{"channel":"#ops","message":" "}`, `message is empty`},
		{"post", `{"channel":"#ops","message":"x","adapter":"nope"}`, `there is no chat \"nope\"`},
		{"nonsense", `{}`, `does not know`},
	} {
		m.busy = 2 // what a platform puts off is done all the same
		status, result, _ := r.act(t, tt.name, tt.parameters)
		body, err := json.Marshal(result)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(body), tt.want) || (status == engine.Succeeded) == (result["error"] != nil) {
			t.Errorf("%s %s: %s %s, want %s", tt.name, tt.parameters, status, body, tt.want)
		}
	}
	want := []string{":eyes: under b1", "pin b1", "create inc-1 true", "invite [@ann bob] to C9", "topic of C9: down"}
	want[0] = "eyes under b1"
	if !slices.Equal(m.done, want) {
		t.Errorf("done: %q, want %q", m.done, want)
	}
	first := r.expect("changed")
	if first.ref != "b1" || first.updates != 1 {
		t.Errorf("%+v", first)
	}
	if p := r.expect("psst"); p.To.Private != "U1" {
		t.Errorf("for %+v", p.To)
	}
	if p := r.expect("under it", "<raw>"); p.To.Thread != "m7" {
		t.Errorf("in %+v", p.To)
	}
}

// A platform that cannot do a thing is told so plainly.
func TestChatActionsThatCannot(t *testing.T) {
	r := newTalk(t, adapters.Capabilities{})
	for name, tt := range map[string][2]string{
		"pin":            {`{"channel":"#ops","message_id":"b1"}`, "the chat fake cannot pin a message"},
		"create_channel": {`{"name":"x"}`, "the chat fake cannot make a channel"},
		"upload":         {`{"channel":"#ops","filename":"a","content":"b"}`, "the chat fake takes no files"},
		"update":         {`{"channel":"#ops","message_id":"b1","message":"x"}`, "the chat fake cannot change"},
		"open_form":      {`{"channel":"#ops","message":"x","form":"f","fields":[{"name":"a"}]}`, "the chat fake has no forms"},
	} {
		if status, result, _ := r.act(t, name, tt[0]); status != engine.Failed || !strings.Contains(fmt.Sprint(result["error"]), tt[1]) {
			t.Errorf("%s: %s %v", name, status, result)
		}
	}
	if _, result, _ := r.act(t, "ephemeral", `{"channel":"#ops","user":"ann","message":"psst"}`); result["channel"] != "@ann" {
		t.Errorf("without private messages it goes to %v", result)
	}
}

// A button of an action says a command in the name of who presses it.
func TestCommandButtons(t *testing.T) {
	r, _ := newManaged(t, everything)
	r.act(t, "post", `{"channel":"C1","message":"disk full","once":true,"buttons":[{"label":"Deploy","command":"deploy web to dev","style":"danger","confirm":"Sure?"},{"label":"Ops","command":"ops thing"}]}`)
	m := r.expect("disk full", "[Deploy]", "[Ops]")
	if m.Buttons[0].Confirm != "Sure?" || m.Buttons[0].Style != "danger" {
		t.Errorf("%+v", m.Buttons)
	}
	m.To.Thread = ""
	press := r.event(r.pressing(bob, m, "Deploy"))
	for range 2 {
		r.handle(press)
	}
	if e := r.ran("p.deploy", 1)[0]; e.Context.User != "bob" || e.Context.SourceChannel != "#ops" {
		t.Errorf("context %+v", e.Context)
	}
	r.expect("disk full", "bob: Deploy")
	if note := r.press(ann, m, "Ops").Note; !strings.Contains(note, "Too late") {
		t.Errorf("a second press: %q", note)
	}
	// What bob may not type he may not press.
	r.act(t, "post", `{"channel":"C1","message":"again","buttons":[{"label":"Ops","command":"ops thing"}]}`)
	again := r.expect("again", "[Ops]")
	again.To.Thread = ""
	r.press(bob, again, "Ops")
	r.expect("You may not run this here", "refused")
	if status, _, _ := r.act(t, "post", `{"channel":"C1","message":"x","buttons":[{"label":"no command"}]}`); status != engine.Failed {
		t.Error("a button without a command is taken")
	}
}

func TestOpenForm(t *testing.T) {
	r, _ := newManaged(t, everything)
	status, result, _ := r.act(t, "open_form", `{"channel":"C1","message":"Tell us","form":"incident","title":"Incident","once":true,"data":{"ticket":7},
		"fields":[{"name":"what","required":true},{"name":"level","options":["high",{"value":"low","label":"Low"}]},{"name":"sure","kind":"boolean"}]}`)
	if status != engine.Succeeded {
		t.Fatalf("%s %v", status, result)
	}
	m := r.expect("Tell us", "[Fill in]")
	f := r.press(bob, m, "Fill in").Form
	if f == nil || f.Title != "Incident" || len(f.Inputs) != 3 || f.Inputs[1].Kind != adapters.ChoiceInput || f.Inputs[0].Label != "what" {
		t.Fatalf("the form is %+v", f)
	}
	if p := r.submit(bob, f, map[string]string{"level": "none"}).Problems; p["what"] == "" || p["level"] == "" {
		t.Errorf("problems %v", p)
	}
	if note := r.submit(bob, f, map[string]string{"what": "fire", "level": "low"}).Note; !strings.Contains(note, "sent") {
		t.Errorf("bob is told %q", note)
	}
	if note := r.submit(ann, f, map[string]string{"what": "smoke"}).Note; !strings.Contains(note, "Too late") {
		t.Errorf("ann is told %q", note)
	}
	docs, _, err := pipeline.Instances.List(t.Context(), r.store, store.Query{Index: "trigger", Value: engine.TriggerChatForm})
	if err != nil || len(docs) != 1 {
		t.Fatalf("%d events, %v", len(docs), err)
	}
	var payload struct {
		Form   string
		Values map[string]string `json:"answers"`
		Data   map[string]any
		User   adapters.User
	}
	if err := json.Unmarshal(docs[0].Value.Payload, &payload); err != nil {
		t.Fatal(err)
	}
	if payload.Form != "incident" || payload.Values["what"] != "fire" || payload.Data["ticket"] != 7.0 || payload.User.Name != "bob" {
		t.Errorf("payload %+v", payload)
	}
	for _, fields := range []string{`[]`, `[{"name":"a b"}]`, `[{"name":"a","kind":"choice"}]`, `[{"name":"a","kind":"date"}]`, `"x"`} {
		if status, _, _ := r.act(t, "open_form", `{"channel":"C1","message":"x","form":"f","fields":`+fields+`}`); status != engine.Failed {
			t.Errorf("fields %s are taken", fields)
		}
	}
}

// StackStorm's own actions.
func TestStackStormActions(t *testing.T) {
	r, _ := newManaged(t, everything)
	r.define(`
{"name":"hello","formats":["hello {{ app }}"],"action_ref":"p.deploy","immutable_parameters":{"env":"dev"},"result":{"format":"Hello {~}{{ execution.result.app }}","extra":{"color":"good","slack":{"a":1}}}}
{"name":"quiet","formats":["quiet"],"action_ref":"p.noop","result":{"enabled":false}}
{"name":"ops","formats":["ops thing"],"action_ref":"p.noop","allow":{"groups":["ops"]}}
`)
	if _, got, _ := r.act(t, "match", `{"text":"hello you"}`); fmt.Sprint(got) != "map[alias:map[action_ref:p.deploy name:hello pack:p ref:p.hello] representation:hello {{ app }}]" {
		t.Errorf("match: %v", got)
	}
	status, got, _ := r.act(t, "match_and_execute", `{"text":"hello you","source_channel":"#ops","user":"bob"}`)
	id, _ := got["execution_id"].(string)
	if status != engine.Succeeded || id == "" {
		t.Fatalf("match_and_execute: %s %v", status, got)
	}
	if _, got, _ := r.act(t, "format_execution_result", `{"execution_id":"`+id+`"}`); fmt.Sprint(got) != "map[enabled:true extra:map[color:#2eb886 slack:map[a:1]] message:Hello\nyou]" {
		t.Errorf("format: %v", got)
	}
	_, _, outbox := r.act(t, "post_result", `{"execution_id":"`+id+`","channel":"#ops","user":"@ann","whisper":true}`)
	var p post
	if len(outbox) != 1 || json.Unmarshal(outbox[0].Body, &p) != nil || p.Message.To.Private != "U1" || textOf(p.Message.Blocks) != "Hello\nyou" {
		t.Errorf("post_result: %+v", outbox)
	}
	if _, got, outbox := r.act(t, "run", `{"text":"quiet","channel":"#ops"}`); got["enabled"] != false || len(outbox) != 0 {
		t.Errorf("run: %v %v", got, outbox)
	}
	for name, parameters := range map[string]string{
		"match": `{"text":"nonsense"}`, "match_and_execute": `{"text":"ops thing","user":"bob"}`, "format_execution_result": `{"execution_id":"nope"}`,
	} {
		if status, got, _ := r.act(t, name, parameters); status != engine.Failed || got["error"] == "" {
			t.Errorf("%s %s: %s %v", name, parameters, status, got)
		}
	}
}
