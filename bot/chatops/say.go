package chatops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"petrel/adapters"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
)

// pushPost puts something to say into the outbox.
func pushPost(b *store.Batch, id string, p post) error {
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode a message: %w", err)
	}
	notice, err := json.Marshal(pipeline.Notice{Kind: pipeline.NoticeMessage, Body: body})
	if err != nil {
		return fmt.Errorf("encode a notice: %w", err)
	}
	to := p.Message.To
	b.Pushes = append(b.Pushes, store.Push{
		Queue: pipeline.QueueOutbox, ID: id, Lane: int(engine.LaneChat), Group: conversation(p.Adapter, to), Body: notice,
	})
	return nil
}

// utter says what a NoticeMessage holds: a new message, or a new content of one
// that is there. A message that cannot be changed stays as it is; what it would
// say is on record.
func (c *Chat) utter(ctx context.Context, p post) error {
	if p.Ref == nil {
		_, err := c.send(ctx, p.Adapter, p.Message)
		return err
	}
	err := c.update(ctx, p.Adapter, *p.Ref, p.Message)
	var retry *adapters.RetryError
	if err == nil || ctx.Err() != nil || errors.As(err, &retry) {
		return err
	}
	c.log.Warn("a message could not be brought up to date", "adapter", p.Adapter, "message", p.Ref.Message, "error", err)
	return nil
}
