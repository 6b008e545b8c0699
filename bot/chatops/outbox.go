package chatops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	case pipeline.NoticeRejection:
		err = c.reject(ctx, item, n)
	case pipeline.NoticeMessage:
		var p post
		if err = json.Unmarshal(n.Body, &p); err != nil {
			return c.bury(ctx, item, fmt.Errorf("unreadable message: %w", err))
		}
		_, err = c.send(ctx, p.Adapter, p.Message)
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
	ref, err := a.Send(ctx, c.hide(m))
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
	return undeliverable(ctx, a.Update(ctx, ref, c.hide(m)))
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

// bury files a notice that cannot be delivered where people can find it.
func (c *Chat) bury(ctx context.Context, item store.Item, cause error) error {
	c.log.Error("a message could not be delivered and was given up", "item", item.ID, "conversation", item.Group, "error", cause)
	now := c.now()
	var b store.Batch
	letter := pipeline.DeadLetter{Queue: item.Queue, Item: item.ID, Body: item.Body, Reason: cause.Error(), At: now}
	if err := pipeline.DeadLetters.Put(&b, store.Doc[pipeline.DeadLetter]{ID: engine.NewID(now), Value: letter}); err != nil {
		return err
	}
	b.Acks = append(b.Acks, item)
	return c.store.Commit(ctx, &b)
}
