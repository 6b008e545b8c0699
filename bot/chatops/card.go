package chatops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"petrel/adapters"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
)

// Card is what was said about an execution so far.
type Card struct {
	Adapter string           `json:"adapter"`
	Ref     adapters.Ref     `json:"ref"`    // the live message; empty when the alias wants none
	Shown   adapters.Message `json:"shown"`  // its present content
	Closed  bool             `json:"closed"` // the result was told
}

// Cards holds what was said about executions.
var Cards = store.Collection[Card]{Name: "chat_cards"}

// progressLines is how much of the output of a running action its card shows.
const progressLines = 8

// tell brings what is said about an execution up to date: the live card, and
// the result once there is one. Whatever happened since the last notice is
// covered by looking at the execution as it is now.
func (c *Chat) tell(ctx context.Context, item store.Item, n pipeline.Notice) error {
	var p place
	if err := json.Unmarshal(n.Detail, &p); err != nil {
		return fmt.Errorf("%w: unreadable origin: %w", errUndeliverable, err)
	}
	e, err := c.service.Execution(ctx, n.Execution)
	if err != nil {
		return err
	}
	e = c.service.Shown(&e)
	shown, err := Cards.Get(ctx, c.store, e.ID)
	if errors.Is(err, store.ErrNotFound) {
		shown, err = store.Doc[Card]{ID: e.ID, Value: Card{Adapter: p.Adapter}}, nil
	}
	if err != nil {
		return err
	}
	ack := &store.Batch{Acks: []store.Item{item}}
	if shown.Value.Closed {
		return c.store.Commit(ctx, ack)
	}
	before := shown.Value
	alias := c.aliasOf(&e)
	if err := c.showCard(ctx, &shown.Value, p, &e, alias); err != nil {
		return err
	}
	if e.Status.Completed() {
		if alias.Result.Enabled {
			if _, err := c.send(ctx, p.Adapter, c.resultMessage(ctx, p, &e, alias)); err != nil {
				return err
			}
		}
		shown.Value.Closed = true
	}
	if !reflect.DeepEqual(before, shown.Value) {
		if err := Cards.Put(ack, shown); err != nil {
			return err
		}
	}
	return c.store.Commit(ctx, ack)
}

// aliasOf returns the alias behind an execution; without one, plain settings.
func (c *Chat) aliasOf(e *engine.Execution) *aliases.Definition {
	if ref := e.Context.ActionAlias; ref != nil {
		if alias, ok := c.catalog().AliasTable().Get(ref.Ref); ok {
			return alias
		}
	}
	return &aliases.Definition{Ack: aliases.Ack{Enabled: true}, Result: aliases.Result{Enabled: true}}
}

// showCard posts the live message or brings it up to date.
func (c *Chat) showCard(ctx context.Context, shown *Card, p place, e *engine.Execution, alias *aliases.Definition) error {
	if !alias.Ack.Enabled {
		return nil
	}
	m, err := c.cardMessage(ctx, p, e, alias)
	if err != nil {
		return err
	}
	a, ok := c.Adapter(p.Adapter)
	if !ok {
		return fmt.Errorf("%w: there is no chat adapter %q", errUndeliverable, p.Adapter)
	}
	switch {
	case shown.Ref == (adapters.Ref{}):
		ref, err := c.send(ctx, p.Adapter, m)
		if err != nil {
			return err
		}
		shown.Ref, shown.Shown = ref, m
	case a.Capabilities().Edit && !reflect.DeepEqual(shown.Shown, m):
		if err := c.update(ctx, p.Adapter, shown.Ref, m); err != nil {
			return err
		}
		shown.Shown = m
	}
	return nil
}

// cardMessage renders the live message: what was understood, how it stands.
func (c *Chat) cardMessage(ctx context.Context, p place, e *engine.Execution, alias *aliases.Definition) (adapters.Message, error) {
	m := adapters.Message{To: p.To, Key: e.ID + "/card", InReplyTo: p.Message, Mention: p.User, State: adapters.StateWorking}
	m.Blocks = []adapters.Block{paragraph("%s", c.ackText(ctx, e, alias)), paragraph("%s", standing(e))}
	if e.Status.Completed() {
		m.State = adapters.StateNone // the result is the last word
		if !alias.Result.Enabled {
			m.State = finalState(e.Status)
		}
		m.Buttons = []adapters.Button{{ID: buttonAgain + ":" + e.ID, Label: "Run again"}}
		return m, nil
	}
	records, err := c.service.Output(ctx, e.ID, 20)
	if err != nil {
		return m, err
	}
	if tail := lastLines(records, progressLines); tail != "" {
		m.Blocks = append(m.Blocks, adapters.Block{Kind: adapters.Preformatted, Text: tail})
	}
	if e.Status.Cancelable() {
		m.Buttons = []adapters.Button{{ID: buttonCancel + ":" + e.ID, Label: "Cancel", Style: "danger"}}
	}
	return m, nil
}

// standing is the line of the card that says how the execution stands.
func standing(e *engine.Execution) string {
	id := "execution `" + e.ID + "`"
	switch e.Status {
	case engine.Requested, engine.Scheduled, engine.Running:
		return "Working on it, " + id + "."
	case engine.Canceling:
		return fmt.Sprintf("Being canceled by %s, %s.", e.Context.CancelledBy, id)
	case engine.Canceled:
		return fmt.Sprintf("Canceled by %s after %s, %s.", e.Context.CancelledBy, elapsed(e), id)
	case engine.Succeeded:
		return fmt.Sprintf("Succeeded after %s, %s.", elapsed(e), id)
	case engine.Failed:
		return fmt.Sprintf("Failed after %s, %s.", elapsed(e), id)
	case engine.TimedOut:
		return fmt.Sprintf("Timed out after %s, %s.", elapsed(e), id)
	case engine.Abandoned:
		return fmt.Sprintf("Abandoned after %s, %s: it is unknown how far it got.", elapsed(e), id)
	default:
		return fmt.Sprintf("It is %s, %s.", e.Status, id)
	}
}

// elapsed is how long an ended execution took.
func elapsed(e *engine.Execution) string {
	if e.EndTimestamp == nil {
		return "0s"
	}
	return took(e.EndTimestamp.Sub(e.StartTimestamp))
}

// took prints a duration for people: 0.04s, 2.3s, 41s, 3m20s, 2h5m.
func took(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return d.Round(time.Second).String()
	default:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
}

// finalState is how a chat shows that an execution ended.
func finalState(s engine.Status) adapters.State {
	if s == engine.Succeeded {
		return adapters.StateSucceeded
	}
	return adapters.StateFailed
}

// lastLines is the tail of what an execution printed.
func lastLines(records []pipeline.OutputRecord, n int) string {
	var all strings.Builder
	for _, r := range records {
		all.WriteString(r.Data)
	}
	lines := strings.Split(strings.TrimRight(all.String(), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
