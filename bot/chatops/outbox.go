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
	"petrel/engine/pipeline"
	"petrel/store"
)

// post is the body of a NoticeMessage: a message and the adapter that says it.
type post struct {
	Adapter string           `json:"adapter"`
	Message adapters.Message `json:"message"`
	// Ref is the message of ours whose content this replaces; nil: a new one.
	Ref *adapters.Ref `json:"ref,omitempty"`
}

// sendLimit bounds one call to a platform. Beyond it the item is handed back.
const sendLimit = 30 * time.Second

// unsentTries is after how many tries a message that a platform refuses for
// good is given up.
const unsentTries = 5

// errUndeliverable marks a failure that another try will not mend.
var errUndeliverable = errors.New("cannot be delivered")

// Stage returns the consumer of the outbox. The items of one conversation come
// one after the other.
func (c *Chat) Stage(node string, slots int) *pipeline.Stage {
	return &pipeline.Stage{
		Queue: pipeline.QueueOutbox, Slots: slots, Store: c.store, Holder: node, Logger: c.log,
		Handle: c.deliver, Bury: c.bury,
	}
}

// deliver says what a notice is about.
func (c *Chat) deliver(ctx context.Context, item store.Item) error {
	var n pipeline.Notice
	if err := json.Unmarshal(item.Body, &n); err != nil {
		return c.bury(ctx, item, fmt.Errorf("unreadable notice: %w", err))
	}
	ctx, cancel := context.WithTimeout(ctx, sendLimit)
	defer cancel()
	var err error
	switch n.Kind {
	case pipeline.NoticeExecution:
		return c.afterwards(ctx, item, c.tell(ctx, item, n))
	case pipeline.NoticeInquiry:
		return c.afterwards(ctx, item, c.tellInquiry(ctx, item, n))
	case noticeWake:
		return c.wake(ctx, item, n)
	case pipeline.NoticeRejection:
		err = c.reject(ctx, item, n)
	case pipeline.NoticeMessage:
		var p post
		if err = json.Unmarshal(n.Body, &p); err != nil {
			return c.bury(ctx, item, fmt.Errorf("unreadable message: %w", err))
		}
		err = c.utter(ctx, p)
	default:
		return c.bury(ctx, item, fmt.Errorf("notice of unknown kind %q", n.Kind))
	}
	if err == nil {
		err = c.store.Commit(ctx, &store.Batch{Acks: []store.Item{item}})
	}
	return c.afterwards(ctx, item, err)
}

// afterwards deals with a failed delivery: a platform's wish to wait is obeyed,
// and what can never be delivered is filed as such.
func (c *Chat) afterwards(ctx context.Context, item store.Item, err error) error {
	var retry *adapters.RetryError
	switch {
	case errors.As(err, &retry):
		c.log.Info("the platform asks to wait", "item", item.ID, "after", retry.After, "error", retry.Err)
		return c.store.Release(ctx, item, retry.After, true)
	case errors.Is(err, errUndeliverable) && item.Deliveries >= unsentTries:
		return c.bury(ctx, item, err)
	}
	return err
}

// send hands a message to its adapter. A post with unknown outcome counts as
// sent: saying it twice would be worse.
func (c *Chat) send(ctx context.Context, adapter string, m adapters.Message) (adapters.Ref, error) {
	a, ok := c.Adapter(adapter)
	if !ok {
		return adapters.Ref{}, fmt.Errorf("%w: there is no chat adapter %q", errUndeliverable, adapter)
	}
	ref, err := a.Send(ctx, c.shaped(m, a.Capabilities()))
	if errors.Is(err, adapters.ErrOutcomeUnknown) {
		c.log.Warn("a message may or may not have been posted", "adapter", adapter, "channel", m.To.Channel, "key", m.Key)
		return ref, nil
	}
	return ref, undeliverable(ctx, err)
}

func (c *Chat) update(ctx context.Context, adapter string, ref adapters.Ref, m adapters.Message) error {
	a, ok := c.Adapter(adapter)
	if !ok {
		return fmt.Errorf("%w: there is no chat adapter %q", errUndeliverable, adapter)
	}
	return undeliverable(ctx, a.Update(ctx, ref, c.shaped(m, a.Capabilities())))
}

// shaped makes a message one that a platform can show, without secrets.
func (c *Chat) shaped(m adapters.Message, can adapters.Capabilities) adapters.Message {
	if m.To.Private != "" && !can.Ephemeral {
		m.To = adapters.Target{Channel: "@" + strings.TrimPrefix(m.To.Private, "@")}
	}
	return fit(c.hide(m), can)
}

// hide takes out of a message what is secret.
func (c *Chat) hide(m adapters.Message) adapters.Message {
	m.Blocks = slices.Clone(m.Blocks)
	for i := range m.Blocks {
		b := &m.Blocks[i]
		b.Text, b.Fields = c.masker.Text(b.Text), slices.Clone(b.Fields)
		for j := range b.Fields {
			b.Fields[j].Value = c.masker.Text(b.Fields[j].Value)
		}
	}
	return m
}

// undeliverable marks errors that are neither a wish to wait nor our own stop.
func undeliverable(ctx context.Context, err error) error {
	var retry *adapters.RetryError
	if err == nil || ctx.Err() != nil || errors.As(err, &retry) {
		return err
	}
	return fmt.Errorf("%w: %w", errUndeliverable, err)
}

// reject tells that a command could not become an execution.
func (c *Chat) reject(ctx context.Context, item store.Item, n pipeline.Notice) error {
	var p place
	if err := json.Unmarshal(n.Detail, &p); err != nil {
		return fmt.Errorf("%w: unreadable origin: %w", errUndeliverable, err)
	}
	_, err := c.send(ctx, p.Adapter, adapters.Message{
		To: p.To, Key: item.ID + "/rejected", InReplyTo: p.Message, Mention: p.User, State: adapters.StateRefused,
		Blocks: []adapters.Block{paragraph("That could not be run."), {Kind: adapters.Preformatted, Text: n.Text}},
	})
	return err
}

// bury files a notice that cannot be delivered where people can find it, and
// tells those who wait for it, in the plainest words, that there is no answer.
func (c *Chat) bury(ctx context.Context, item store.Item, cause error) error {
	c.log.Error("a message could not be delivered and was given up", "item", item.ID, "conversation", item.Group, "error", cause)
	c.apologize(ctx, item, cause)
	now := c.now()
	var b store.Batch
	letter := pipeline.DeadLetter{Queue: item.Queue, Item: item.ID, Body: item.Body, Reason: cause.Error(), At: now}
	if err := pipeline.DeadLetters.Put(&b, store.Doc[pipeline.DeadLetter]{ID: engine.NewID(now), Value: letter}); err != nil {
		return err
	}
	b.Acks = append(b.Acks, item)
	return c.store.Commit(ctx, &b)
}

// apologize says where a message was expected that there will be none. It is
// tried once: what could not be said in five tries may not be sayable at all.
func (c *Chat) apologize(ctx context.Context, item store.Item, cause error) {
	adapter, m, ok := c.apology(item, cause)
	if !ok {
		return
	}
	if _, err := c.send(ctx, adapter, m); err != nil {
		c.log.Warn("nobody could be told of it", "item", item.ID, "adapter", adapter, "channel", m.To.Channel, "error", err)
	}
}

func (c *Chat) apology(item store.Item, cause error) (adapter string, m adapters.Message, ok bool) {
	var n pipeline.Notice
	if json.Unmarshal(item.Body, &n) != nil {
		return "", m, false
	}
	m.Blocks = []adapters.Block{paragraph("There is an answer to this that could not be shown here: %s.", inline(cause.Error()))}
	m.State = adapters.StateFailed
	var said post
	var p place
	switch {
	case n.Kind == pipeline.NoticeMessage && json.Unmarshal(n.Body, &said) == nil:
		if said.Message.InReplyTo == "" {
			return "", m, false // nobody waits for it
		}
		m.To, m.InReplyTo, m.Mention, m.Key = said.Message.To, said.Message.InReplyTo, said.Message.Mention, said.Message.Key+"/apology"
		return said.Adapter, m, true
	case n.Kind != noticeWake && json.Unmarshal(n.Detail, &p) == nil && p.Adapter != "":
		if n.Execution != "" {
			m.Blocks = append(m.Blocks, paragraph("It is about the execution `%s`.", n.Execution))
		}
		m.To, m.InReplyTo, m.Mention, m.Key = p.To, p.Message, p.User, item.ID+"/apology"
		return p.Adapter, m, true
	}
	return "", m, false
}
