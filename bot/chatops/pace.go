package chatops

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"petrel/adapters"
	"petrel/engine/pipeline"
	"petrel/store"
)

// noticeWake is an outbox item that falls due later: the execution is to be
// looked at again, even if nothing happened. It waits outside of the line of its
// conversation and then only puts an ordinary notice into it.
const noticeWake pipeline.NoticeKind = "wake"

// defaultPatience is after how long the first word is said about what still runs.
const defaultPatience = time.Minute

// longestSilence is how long at most nothing is said of what still runs.
const longestSilence = time.Hour

// schedule sees to it that the execution is looked at again: when an edit that
// had to wait can be made, and, while it runs, at growing distances, so that
// nobody has to ask whether it still does.
func (t *telling) schedule(b *store.Batch, n pipeline.Notice) error {
	if t.card.Closed {
		return nil
	}
	now := t.c.now()
	at := t.again
	if !t.e.Status.Completed() {
		if next := t.nextLook(now); at.IsZero() || next.Before(at) {
			at = next
		}
	}
	if at.IsZero() || t.card.Wake.After(now) && !at.Before(t.card.Wake) {
		return nil
	}
	body, err := json.Marshal(pipeline.Notice{Kind: noticeWake, Execution: n.Execution, Detail: n.Detail})
	if err != nil {
		return fmt.Errorf("encode a later look at execution %s: %w", n.Execution, err)
	}
	t.card.Wake = at
	b.Pushes = append(b.Pushes, store.Push{Queue: pipeline.QueueOutbox, ID: n.Execution, Lane: t.item.Lane, At: at, Body: body})
	return nil
}

// nextLook is when to look at a running execution again: after a quarter of the
// patience, half of it, all of it, twice that and so on.
func (t *telling) nextLook(now time.Time) time.Time {
	next := t.c.patience / 4
	if t.c.patience <= 0 {
		next = defaultPatience / 4
	}
	for age := now.Sub(t.e.StartTimestamp); next <= age; {
		next = min(2*next, next+longestSilence)
	}
	return t.e.StartTimestamp.Add(next)
}

// wake puts the look at an execution that has fallen due into the line of its
// conversation.
func (c *Chat) wake(ctx context.Context, item store.Item, n pipeline.Notice) error {
	b := &store.Batch{Acks: []store.Item{item}}
	card, err := Cards.Get(ctx, c.store, n.Execution)
	if err == nil && card.Value.Closed {
		return c.store.Commit(ctx, b)
	}
	var p place
	if err := json.Unmarshal(n.Detail, &p); err != nil {
		return c.bury(ctx, item, fmt.Errorf("unreadable origin: %w", err))
	}
	n.Kind = pipeline.NoticeExecution
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode a look at execution %s: %w", n.Execution, err)
	}
	b.Pushes = append(b.Pushes, store.Push{Queue: pipeline.QueueOutbox, ID: n.Execution, Lane: item.Lane, Group: conversation(p.Adapter, p.To), Body: body})
	return c.store.Commit(ctx, b)
}

// remind says that an execution still runs where no live card shows it.
func (t *telling) remind(ctx context.Context) error {
	now := t.c.now()
	age := now.Sub(t.e.StartTimestamp)
	live := t.alias.Ack.Enabled && !t.card.Lost && editable(t.c.shows(t.place.Adapter), t.place)
	if live || age < t.c.patience || t.c.patience <= 0 {
		return nil
	}
	due := reminders(t.c.patience, age)
	if due <= t.card.Reminds {
		return nil
	}
	m := adapters.Message{
		To: t.place.To, Key: fmt.Sprintf("%s/still/%d", t.e.ID, due), InReplyTo: t.place.Message, State: adapters.StateWorking,
		Blocks: []adapters.Block{paragraph("*%s*: %s", t.e.Action.Ref, t.c.standing(t.e))},
	}
	if _, err := t.c.send(ctx, t.place.Adapter, m); err != nil {
		return err
	}
	t.card.Reminds = due
	return nil
}

// reminders is how many times it should have been said by now that something
// still runs: after the patience, twice that, four times and so on.
func reminders(patience, age time.Duration) int {
	n := 0
	for due := patience; due <= age; due = min(2*due, due+longestSilence) {
		n++
	}
	return n
}
