package chatops

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"petrel/adapters"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
)

// details answers a press of "Details": what is on record about an execution,
// for the eyes of who pressed. Secrets are hidden.
func (c *Chat) details(ctx context.Context, e adapters.Event, id string) (adapters.Answer, error) {
	about, err := c.service.Execution(ctx, id)
	if err != nil {
		return adapters.Answer{}, err
	}
	to := adapters.Target{Channel: e.Channel.ID, Thread: e.Thread, Reply: e.Reply}
	switch {
	case e.Channel.Direct:
	case c.shows(e.Adapter).Ephemeral:
		to.Private = e.User.ID
	default:
		to = adapters.Target{Channel: directWith(e.User)}
	}
	m := adapters.Message{
		To: to, Key: e.Adapter + "/" + e.DeliveryID + "/details", InReplyTo: e.Message, State: adapters.StateSucceeded,
		Blocks: c.detailBlocks(&about),
	}
	if err := c.say(ctx, e.Adapter, m); err != nil {
		return adapters.Answer{}, err
	}
	return adapters.Answer{Disposition: adapters.Accepted, Private: true}, nil
}

func (c *Chat) detailBlocks(e *engine.Execution) []adapters.Block {
	fields := []adapters.Field{
		{Name: "Execution", Value: e.ID}, {Name: "Action", Value: e.Action.Ref}, {Name: "Runner", Value: e.Action.Runner},
		{Name: "Status", Value: string(e.Status)}, {Name: "Asked by", Value: e.Context.User},
		{Name: "Started", Value: e.StartTimestamp.UTC().Format("2006-01-02 15:04:05 UTC")},
	}
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, adapters.Field{Name: name, Value: value})
		}
	}
	if e.EndTimestamp != nil {
		add("Took", elapsed(e))
	}
	if e.Context.ActionAlias != nil {
		add("Command", e.Context.ActionAlias.Ref)
	}
	if e.Rule != nil {
		add("Rule", e.Rule.Ref)
	}
	add("Worker", e.Worker)
	add("Trigger instance", e.TriggerInstance)
	add("Trace", e.TraceID)
	if url := c.pageOf(e.ID); url != "" {
		add("Page", url)
	}
	blocks := []adapters.Block{{Kind: adapters.Heading, Text: e.Action.Ref}, {Kind: adapters.Fields, Fields: fields}}
	if text := indented(c.service.MaskedParameters(e)); text != "{}" {
		blocks = append(blocks, paragraph("Parameters:"), adapters.Block{Kind: adapters.Preformatted, Text: text})
	}
	if text := resultText(e.Action.Runner, c.shownResult(e)); text != "" {
		blocks = append(blocks, paragraph("Result:"), adapters.Block{Kind: adapters.Preformatted, Text: text})
	}
	return blocks
}

// indented prints JSON for people.
func indented(raw json.RawMessage) string {
	var out bytes.Buffer
	if json.Indent(&out, raw, "", "  ") != nil {
		return string(raw)
	}
	return out.String()
}

// say puts a message into the outbox. A second one with the same key is sent
// again, and the adapter makes one message of both.
func (c *Chat) say(ctx context.Context, adapter string, m adapters.Message) error {
	var b store.Batch
	if err := pushMessage(&b, engine.LaneChat, adapter, m); err != nil {
		return err
	}
	return c.store.Commit(ctx, &b)
}

// pushMessage adds a message to the outbox.
func pushMessage(b *store.Batch, lane engine.Lane, adapter string, m adapters.Message) error {
	body, err := json.Marshal(post{Adapter: adapter, Message: m})
	if err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	if body, err = json.Marshal(pipeline.Notice{Kind: pipeline.NoticeMessage, Body: body}); err != nil {
		return fmt.Errorf("encode a notice: %w", err)
	}
	b.Pushes = append(b.Pushes, store.Push{
		Queue: pipeline.QueueOutbox, ID: engine.DeriveID("message", m.Key), Lane: int(lane), Group: conversation(adapter, m.To), Body: body,
	})
	return nil
}
