package chatops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"petrel/adapters"
	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
	"petrel/store"
)

// Actions is the runner behind the packs chat and chatops: the name of an
// action says what it does. Unlike chatops.post_message, which only leaves word,
// these do their work while the action runs, so that their results (where a
// message is, which channel was made) can be used by what comes next.
type Actions struct {
	chat  *Chat
	verbs map[string]func(context.Context, *deed) (map[string]any, error)
}

// Actions returns the runner.
func (c *Chat) Actions() *Actions {
	return &Actions{chat: c, verbs: map[string]func(context.Context, *deed) (map[string]any, error){
		"post": doPost, "thread": doPost, "ephemeral": doPost, "dm": doPost, "update": doUpdate, "upload": doUpload,
		"react": doReact, "pin": doPin, "create_channel": doCreateChannel, "invite": doInvite, "set_topic": doSetTopic,
		"open_form":               c.doOpenForm,
		"format_execution_result": c.doFormat, "post_result": c.doPostResult,
		"match": c.doMatch, "match_and_execute": c.doMatchAndExecute, "run": c.doRun,
	}}
}

var _ runners.Runner = (*Actions)(nil)

// Spec implements runners.Runner.
func (*Actions) Spec() engine.Runner {
	return engine.Runner{
		Name: "chat", Description: "Does something in a chat. What it does is the name of the action.", Enabled: true,
		Parameters: json.RawMessage(`{"route":{"type":"string","default":"chatops","description":"Kept for StackStorm's sake; the channel decides."}}`),
	}
}

// errCannot marks a failure that is the author's or the platform's: the action
// fails with its words.
type errCannot struct{ error }

func cannot(format string, args ...any) error { return errCannot{fmt.Errorf(format, args...)} }

// Run implements runners.Runner.
func (r *Actions) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	do, known := r.verbs[job.Action.Name]
	if !known {
		return runners.Failure(fmt.Sprintf("the runner chat does not know what %q is; it goes by the name of the action (%s)", job.Action.Name, job.Action.Ref)), nil
	}
	if r.chat == nil {
		return runners.Failure("no chat is there"), nil
	}
	d := &deed{chat: r.chat, job: job}
	result, err := do(ctx, d)
	if err != nil {
		if ctx.Err() != nil {
			return runners.Outcome{}, context.Cause(ctx)
		}
		return runners.Failure(err.Error()), nil
	}
	body, err := json.Marshal(result)
	if err != nil {
		return runners.Outcome{}, fmt.Errorf("encode the result: %w", err)
	}
	status := engine.Succeeded
	if d.failed {
		status = engine.Failed
	}
	return runners.Outcome{Status: status, Result: body, Outbox: d.outbox}, nil
}

// deed is one action under way.
type deed struct {
	chat    *Chat
	job     runners.Job
	adapter adapters.Adapter
	outbox  []runners.OutboxEntry // said when the success is on record
	failed  bool                  // there is a result, and it is a failure
	offers  []store.Doc[Interaction]
}

func (d *deed) text(name string) string { return strings.TrimSpace(argument(d.job.Params, name)) }

func (d *deed) flag(name string) bool {
	v, _ := d.job.Params.GetString(name)
	return value.Truth(v)
}

// need returns a text that must be there.
func (d *deed) need(name string) (string, error) {
	if text := d.text(name); text != "" {
		return text, nil
	}
	return "", cannot("%s is empty", name)
}

// list returns a list of texts.
func (d *deed) list(name string) []string {
	v, _ := d.job.Params.GetString(name)
	items, ok := v.(*value.List)
	if !ok {
		return nil
	}
	var out []string
	for _, item := range items.Items {
		if text := strings.TrimSpace(value.Str(item)); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// raw returns a parameter as JSON, nil when it is absent or null.
func (d *deed) raw(name string) (json.RawMessage, error) {
	v, ok := d.job.Params.GetString(name)
	if !ok || v == nil {
		return nil, nil
	}
	return value.AppendJSON(nil, v)
}

// at finds the chat that is meant and the channel in it: the channel may carry
// the name of the chat ("slack:#ops").
func (d *deed) at(channel string) (string, error) {
	if name := d.text("adapter"); name != "" {
		a, ok := d.chat.Adapter(name)
		if !ok {
			return "", cannot("there is no chat %q", name)
		}
		d.adapter = a
		return strings.TrimPrefix(channel, name+":"), nil
	}
	name, channel, err := d.chat.findChannel(d.job.Execution, channel)
	if err != nil {
		return "", errCannot{err}
	}
	d.adapter, _ = d.chat.Adapter(name)
	return channel, nil
}

// channel is the parameter of that name, in the chat that is meant.
func (d *deed) channel() (string, error) {
	name, err := d.need("channel")
	if err != nil {
		return "", err
	}
	return d.at(name)
}

// ref is the message that is meant.
func (d *deed) ref() (adapters.Ref, error) {
	channel, err := d.channel()
	if err != nil {
		return adapters.Ref{}, err
	}
	id, err := d.need("message_id")
	return adapters.Ref{Channel: channel, Message: id}, err
}

// manager is the chat as one that lets channels and messages be looked after.
func (d *deed) manager(what string) (adapters.Manager, error) {
	m, ok := d.adapter.(adapters.Manager)
	if !ok {
		return nil, cannot("the chat %s cannot %s", d.adapter.Name(), what)
	}
	return m, nil
}

// who is the ID of a person, as far as the chat can look people up.
func (d *deed) who(ctx context.Context, name string) (string, error) {
	dir, ok := d.adapter.(adapters.Directory)
	if !ok || name == "" {
		return strings.TrimPrefix(name, "@"), nil
	}
	var u adapters.User
	err := d.patiently(ctx, func() (err error) { u, err = dir.FindUser(ctx, name); return err })
	return u.ID, err
}

// platformTries is how often a platform that asks to wait is asked again.
const platformTries = 20

// patiently calls a platform, and again when it asks to wait.
func (d *deed) patiently(ctx context.Context, call func() error) error {
	for try := 1; ; try++ {
		err := call()
		var retry *adapters.RetryError
		if err == nil || !errors.As(err, &retry) || try == platformTries {
			return err
		}
		t := time.NewTimer(max(retry.After, 50*time.Millisecond))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// send posts a message and tells where it is.
func (d *deed) send(ctx context.Context, m adapters.Message) (map[string]any, error) {
	m.Key = d.job.Execution.ID
	if err := d.record(ctx, m); err != nil {
		return nil, err
	}
	m = d.chat.shaped(m, d.adapter.Capabilities())
	var ref adapters.Ref
	err := d.patiently(ctx, func() (err error) { ref, err = d.adapter.Send(ctx, m); return err })
	if errors.Is(err, adapters.ErrOutcomeUnknown) {
		return nil, cannot("the message may or may not have been posted; it is not posted again")
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"adapter": d.adapter.Name(), "channel": ref.Channel, "message_id": ref.Message}, nil
}

// message makes the message that the common parameters describe.
func (d *deed) message(ctx context.Context) (adapters.Message, error) {
	var m adapters.Message
	text := d.text("message")
	if text == "" {
		return m, cannot("message is empty; there is nothing to say")
	}
	m.Blocks = authored(text)
	if output := argument(d.job.Params, "output"); output != "" {
		m.Blocks = append(m.Blocks, adapters.Block{Kind: adapters.Preformatted, Text: output})
	}
	m.Color = hexColor(d.text("color"))
	m.State = stateOf(d.text("state"))
	extra, err := d.raw("extra")
	if err != nil {
		return m, err
	}
	if len(extra) > 0 {
		if err := addExtra(&m, extra); err != nil {
			return m, errCannot{err}
		}
	}
	buttons, err := d.raw("buttons")
	if err != nil || len(buttons) == 0 {
		return m, err
	}
	m.Buttons, err = d.chat.commandButtons(ctx, d, buttons)
	return m, err
}

// stateOf reads a state as authors write it.
func stateOf(s string) adapters.State {
	state := adapters.State(s)
	if slices.Contains([]adapters.State{adapters.StateWorking, adapters.StateSucceeded, adapters.StateFailed, adapters.StateRefused}, state) {
		return state
	}
	return adapters.StateNone
}

// doPost says something: in a channel, under a message, to one person.
func doPost(ctx context.Context, d *deed) (map[string]any, error) {
	var to adapters.Target
	user := d.text("user")
	channel := d.text("channel")
	if d.job.Action.Name == "dm" {
		if user == "" {
			return nil, cannot("user is empty; name whom to write to")
		}
		channel = user
		if name, rest, ok := strings.Cut(user, ":"); ok {
			if _, known := d.chat.Adapter(name); known {
				channel = name + ":@" + strings.TrimPrefix(rest, "@")
			}
		} else {
			channel = "@" + strings.TrimPrefix(user, "@")
		}
	}
	if channel == "" {
		return nil, cannot("channel is empty; name one such as #ops")
	}
	var err error
	if to.Channel, err = d.at(channel); err != nil {
		return nil, err
	}
	m, err := d.message(ctx)
	if err != nil {
		return nil, err
	}
	switch d.job.Action.Name {
	case "dm":
	case "ephemeral":
		if user == "" {
			return nil, cannot("user is empty; name who shall see the message")
		}
		if to.Private, err = d.who(ctx, user); err != nil {
			return nil, err
		}
	default:
		if user != "" {
			if m.Mention, err = d.who(ctx, user); err != nil {
				return nil, err
			}
		}
	}
	to.Thread = d.text("thread")
	if d.job.Action.Name == "thread" && to.Thread == "" {
		return nil, cannot("thread is empty; give the message_id of what is answered")
	}
	m.To = to
	return d.send(ctx, m)
}

// doUpdate replaces a message.
func doUpdate(ctx context.Context, d *deed) (map[string]any, error) {
	ref, err := d.ref()
	if err != nil {
		return nil, err
	}
	if !d.adapter.Capabilities().Edit {
		return nil, cannot("the chat %s cannot change what was said", d.adapter.Name())
	}
	m, err := d.message(ctx)
	if err != nil {
		return nil, err
	}
	m.To.Channel = ref.Channel
	if err := d.record(ctx, m); err != nil {
		return nil, err
	}
	m = d.chat.shaped(m, d.adapter.Capabilities())
	if err := d.patiently(ctx, func() error { return d.adapter.Update(ctx, ref, m) }); err != nil {
		return nil, err
	}
	return map[string]any{"adapter": d.adapter.Name(), "channel": ref.Channel, "message_id": ref.Message}, nil
}

// doUpload sends a file.
func doUpload(ctx context.Context, d *deed) (map[string]any, error) {
	channel, err := d.channel()
	if err != nil {
		return nil, err
	}
	can := d.adapter.Capabilities()
	name, content := d.text("filename"), argument(d.job.Params, "content")
	switch {
	case !can.Files:
		return nil, cannot("the chat %s takes no files", d.adapter.Name())
	case name == "":
		return nil, cannot("filename is empty; give a name with its extension, such as report.txt")
	case content == "":
		return nil, cannot("content is empty; there is nothing to send")
	case can.MaxFile > 0 && len(content) > can.MaxFile:
		return nil, cannot("the file has %d bytes; %s takes at most %d", len(content), d.adapter.Name(), can.MaxFile)
	}
	text := d.text("message")
	if text == "" {
		text = name
	}
	return d.send(ctx, adapters.Message{
		To: adapters.Target{Channel: channel, Thread: d.text("thread")}, Blocks: authored(text),
		Files: []adapters.File{{Name: name, Title: d.text("title"), Content: []byte(content)}},
	})
}

// argument returns a text parameter, "" when it is absent or null.
func argument(params *value.Dict, name string) string {
	v, _ := params.GetString(name)
	text, _ := v.(string)
	return text
}
