package chatops

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"petrel/adapters"
	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/runners"
)

// PostMessage is the runner behind chatops.post_message: its message is said
// when, and only when, the success of the action is on record.
type PostMessage struct{ chat *Chat }

// PostMessage returns the runner.
func (c *Chat) PostMessage() *PostMessage { return &PostMessage{chat: c} }

var _ runners.Runner = (*PostMessage)(nil)

// Spec implements runners.Runner.
func (*PostMessage) Spec() engine.Runner {
	return engine.Runner{
		Name: "chat-post-message", Description: "Says something in a chat channel.", Enabled: true, Quick: true,
		Parameters: json.RawMessage(`{"route":{"type":"string","default":"chatops","description":"Kept for StackStorm's sake; the channel decides."}}`),
	}
}

// Run implements runners.Runner. The channel may carry the name of the adapter
// ("terminal:#ops"); else the chat that the execution came from is meant, else
// the first adapter.
func (r *PostMessage) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	text, channel := argument(job.Params, "message"), argument(job.Params, "channel")
	if strings.TrimSpace(text) == "" {
		return runners.Failure("message is empty; there is nothing to say"), nil
	}
	if channel == "" {
		return runners.Failure("channel is empty; name one such as #ops"), nil
	}
	adapter, channel, err := r.chat.findChannel(job.Execution, channel)
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	m := adapters.Message{To: adapters.Target{Channel: channel}, Key: job.Execution.ID, Blocks: authored(text)}
	d := &deed{chat: r.chat, job: job}
	d.adapter, _ = r.chat.Adapter(adapter)
	user, err := d.who(ctx, argument(job.Params, "user"))
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	m.Color = hexColor(argument(job.Params, "color"))
	extra, err := d.raw("extra")
	if err == nil && len(extra) > 0 {
		err = addExtra(&m, extra)
	}
	if err != nil {
		return runners.Failure(err.Error()), nil
	}
	if whisper, _ := job.Params.GetString("whisper"); value.Truth(whisper) {
		if user == "" {
			return runners.Failure("whisper needs user: the person who shall see the message"), nil
		}
		m.To.Private = user
	} else {
		m.Mention = user
	}
	if err := r.offer(ctx, d, &m); err != nil {
		return runners.Failure(err.Error()), nil
	}
	body, err := json.Marshal(post{Adapter: adapter, Message: m})
	if err != nil {
		return runners.Outcome{}, fmt.Errorf("encode the message: %w", err)
	}
	result, err := json.Marshal(map[string]any{"adapter": adapter, "channel": channel, "message": text})
	if err != nil {
		return runners.Outcome{}, fmt.Errorf("encode the result: %w", err)
	}
	return runners.Outcome{
		Status: engine.Succeeded, Result: result,
		Outbox: []runners.OutboxEntry{{Conversation: conversation(adapter, m.To), Body: body}},
	}, nil
}

// offer adds the buttons of the message and keeps what they stand for.
func (r *PostMessage) offer(ctx context.Context, d *deed, m *adapters.Message) error {
	raw, err := d.raw("buttons")
	if err != nil || len(raw) == 0 {
		return err
	}
	if m.Buttons, err = r.chat.commandButtons(ctx, d, raw); err != nil {
		return err
	}
	return d.record(ctx, *m)
}

// findChannel splits an adapter's name off a channel, or chooses one.
func (c *Chat) findChannel(e *engine.Execution, channel string) (adapter, name string, err error) {
	if before, after, ok := strings.Cut(channel, ":"); ok {
		if a, known := c.Adapter(before); known {
			return a.Name(), after, nil
		}
	}
	var from struct {
		Adapter string `json:"adapter"`
	}
	if len(e.Context.Chat) > 0 {
		if err := json.Unmarshal(e.Context.Chat, &from); err != nil {
			return "", "", fmt.Errorf("the chat context of execution %s: %w", e.ID, err)
		}
	}
	a, ok := c.Adapter(from.Adapter)
	if !ok {
		return "", "", fmt.Errorf("no chat is connected that %s could be in", channel)
	}
	return a.Name(), channel, nil
}
