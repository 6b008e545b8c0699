package chatops

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"petrel/adapters"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/pipeline"
)

// An event passes these stages:
//
//	verify     it comes from an adapter of ours (which checked signatures), a delivery stands in it, a person did it
//	dedupe     by the claim of its delivery, in the batch that records it
//	identify   the Petrel user behind the login
//	match      address, then the alias that is meant; or the question that the line answers
//	authorise  the lists and the condition of the alias
//	confirm    what is missing is asked for, what is dangerous is asked again
//	enqueue    executions
//
// Handle goes as far as the platform is kept waiting: it verifies, matches and
// records. The rest is done by respond, in a worker, from the record; it decides
// the same when it is asked again. What may answer at once (a press, a form for
// a slash command) is judged in Handle as well.

// Handle implements adapters.Handler: it makes an event durable.
func (c *Chat) Handle(ctx context.Context, e adapters.Event) (adapters.Answer, error) {
	if err := c.verify(e); err != nil {
		return adapters.Answer{}, err
	}
	if e.User.Bot || e.User.ID == "" {
		return adapters.Answer{}, nil // programs are not talked to; they would answer
	}
	switch e.Kind {
	case adapters.ButtonPressed, adapters.FormSubmitted:
		return c.press(ctx, e)
	}
	cmd, addressed, err := c.understand(ctx, e)
	if err != nil {
		return adapters.Answer{}, err
	}
	if !addressed {
		return c.overhear(ctx, e, cmd)
	}
	if e.Opens && cmd.Answer == "" {
		answer, opened, err := c.openForm(ctx, e, cmd)
		if opened || err != nil {
			return answer, err
		}
	}
	return c.enqueue(ctx, cmd, placeOf(e), e.Adapter+"/"+e.DeliveryID)
}

// verify refuses what no adapter may hand over.
func (c *Chat) verify(e adapters.Event) error {
	if _, known := c.Adapter(e.Adapter); !known || e.Adapter == "" {
		return engine.Errorf(engine.Invalid, "an event of an unknown chat adapter %q", e.Adapter)
	}
	if e.DeliveryID == "" {
		return engine.Errorf(engine.Invalid, "an event of %s without a delivery ID", e.Adapter)
	}
	return nil
}

// understand finds out what a line or a slash command means: a command with its
// alias, the answer to a question, or nothing that is addressed to us.
func (c *Chat) understand(ctx context.Context, e adapters.Event) (command, bool, error) {
	cmd := command{
		Adapter: e.Adapter, DeliveryID: e.DeliveryID, User: e.User, Channel: e.Channel,
		Thread: e.Thread, Message: e.Message, Text: e.Text,
	}
	if e.Kind == adapters.CommandCalled && c.matchSlash(e, &cmd) {
		return cmd, true, nil
	}
	text, how := c.address(e)
	if how != unaddressed {
		cmd.Text = text
		c.match(&cmd)
	}
	if e.Kind == adapters.MessagePosted {
		asked, err := c.questionFor(ctx, e, how, cmd.Alias != "")
		if err != nil || asked != "" {
			cmd.Text, cmd.Alias, cmd.Format, cmd.Hits, cmd.Answer = text, "", "", nil, asked
			return cmd, asked != "", err
		}
	}
	return cmd, how != unaddressed, nil
}

// addressing is how a line is meant for the bot.
type addressing int

const (
	unaddressed addressing = iota
	directly               // in a direct conversation, where everything is meant for the bot
	explicitly             // by prefix, mention, name or slash command
)

// address tells whether a line is meant for the bot, and what is left of it
// without the address.
func (c *Chat) address(e adapters.Event) (string, addressing) {
	text := strings.TrimSpace(e.Text)
	if e.Kind == adapters.CommandCalled {
		return c.slashText(e), explicitly
	}
	if c.prefix != "" && strings.HasPrefix(text, c.prefix) {
		return strings.TrimSpace(text[len(c.prefix):]), explicitly
	}
	if e.Mentioned {
		return text, explicitly
	}
	// "petrel: help" and "petrel, help" address it by name.
	if n := len(c.name); len(text) > n && strings.EqualFold(text[:n], c.name) && (text[n] == ':' || text[n] == ',') {
		return strings.TrimSpace(text[n+1:]), explicitly
	}
	if e.Channel.Direct {
		return text, directly
	}
	return text, unaddressed
}

// match finds the alias that a command means. Several equally good ones are the
// responder's matter, as is none at all.
func (c *Chat) match(cmd *command) {
	matches, err := c.catalog().AliasTable().Match(cmd.Text)
	if err != nil || len(matches) == 0 || len(matches) > 1 && matches[1].SameRank(matches[0]) {
		return
	}
	cmd.take(matches[0])
}

// take makes a command of a match.
func (cmd *command) take(m aliases.Match) {
	cmd.Alias, cmd.Format, cmd.Hits = m.Alias.Ref, m.Format, m.All
}

// overhear records what was said to others, when a rule listens to it.
func (c *Chat) overhear(ctx context.Context, e adapters.Event, cmd command) (adapters.Answer, error) {
	if !c.service.Listens(engine.TriggerChatMessage) {
		return adapters.Answer{}, nil // nobody would ever look at it
	}
	payload, err := json.Marshal(cmd)
	if err != nil {
		return adapters.Answer{}, fmt.Errorf("encode a chat event: %w", err)
	}
	delivery := e.Adapter + "/" + e.DeliveryID
	receipt, err := c.service.Dispatch(ctx, pipeline.Dispatch{
		Trigger: engine.TriggerChatMessage, Lane: engine.LaneChat, Payload: payload,
		DeliveryID: delivery, TraceTag: traceTag(delivery),
	})
	if err == nil && receipt.Duplicate {
		return adapters.Answer{Disposition: adapters.Duplicate}, nil
	}
	return adapters.Answer{}, err
}

// enqueue records a command, once a delivery.
func (c *Chat) enqueue(ctx context.Context, cmd command, p place, delivery string) (adapters.Answer, error) {
	payload, err := json.Marshal(cmd)
	if err != nil {
		return adapters.Answer{}, fmt.Errorf("encode a command: %w", err)
	}
	p = c.narrowed(p, cmd)
	origin, err := p.origin()
	if err != nil {
		return adapters.Answer{}, err
	}
	receipt, err := c.service.Dispatch(ctx, pipeline.Dispatch{
		Trigger: engine.TriggerChatCommand, Lane: engine.LaneChat, Payload: payload, Origin: origin,
		DeliveryID: delivery, TraceTag: traceTag(delivery),
	})
	switch {
	case err != nil:
		return adapters.Answer{}, err
	case receipt.Duplicate:
		return adapters.Answer{Disposition: adapters.Duplicate}, nil
	}
	c.log.Debug("command taken", "trigger_instance", receipt.ID, "adapter", cmd.Adapter, "user", cmd.User.Name, "channel", cmd.Channel.Name)
	return adapters.Answer{Disposition: adapters.Accepted, Private: p.private()}, nil
}

func traceTag(delivery string) string { return strings.Replace(delivery, "/", "-", 1) }

// placeOf says where the answers to an event go: into the thread of the message,
// or flat into a direct conversation, which is a thread by itself.
func placeOf(e adapters.Event) place {
	p := place{Adapter: e.Adapter, Message: e.Message, User: e.User.ID}
	p.To = adapters.Target{Channel: e.Channel.ID, Thread: e.Thread, Reply: e.Reply}
	if p.To.Thread == "" && !e.Channel.Direct {
		p.To.Thread = e.Message
	}
	return p
}

// origin is the place as the engine carries it.
func (p place) origin() (*engine.Origin, error) {
	detail, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode the place of a conversation: %w", err)
	}
	return &engine.Origin{Conversation: conversation(p.Adapter, p.To), Detail: detail}, nil
}

// conversation names the line in which messages to a target wait for each other.
func conversation(adapter string, to adapters.Target) string {
	return strings.Join([]string{adapter, to.Channel, to.Thread}, "|")
}
