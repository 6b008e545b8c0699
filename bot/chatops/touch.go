package chatops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"petrel/adapters"
	"petrel/adapters/markup"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
)

// What a live card lets people do with its execution: VERB:EXECUTION.
const (
	buttonCancel  = "cancel"
	buttonAgain   = "again"
	buttonDetails = "details"
)

// doublePress is how soon after a press another one by the same person on the
// same button is a slip of the finger.
const doublePress = 3 * time.Second

// mayTouch judges the presser as if they had typed the command behind the
// execution.
func (c *Chat) mayTouch(ctx context.Context, p *press) (string, error) {
	e, err := c.service.Execution(ctx, p.subject)
	if engine.CodeOf(err) == engine.NotFound {
		return "This is too old: the execution is not known any more.", nil
	}
	if err != nil {
		return "", err
	}
	var values map[string]any
	if err := json.Unmarshal(e.Parameters, &values); err != nil {
		return "", fmt.Errorf("parameters of execution %s: %w", e.ID, err)
	}
	hit := aliases.Params{}
	for name, v := range values {
		text := fmt.Sprint(v)
		hit[name] = &text
	}
	return c.refusal(ctx, p.who, c.aliasOf(&e), hit)
}

// actCancel ends an execution. Canceling again changes nothing.
func (c *Chat) actCancel(ctx context.Context, p *press) (reaction, error) {
	e, err := c.service.Cancel(ctx, p.subject, p.who.User)
	if engine.CodeOf(err) == engine.Conflict && err != nil {
		return reaction{answer: adapters.Answer{Note: fmt.Sprintf("Too late to cancel: execution %s is %s already.", e.ID, e.Status)}}, nil
	}
	return reaction{answer: adapters.Answer{Disposition: adapters.Accepted}}, err
}

// actAgain runs an execution's action once more, after asking when its alias
// wants to be asked.
func (c *Chat) actAgain(ctx context.Context, p *press) (reaction, error) {
	fresh, err := c.guard(ctx, p)
	if err != nil {
		return reaction{}, err
	}
	if !fresh {
		return reaction{answer: adapters.Answer{Disposition: adapters.Duplicate, Note: "You pressed that a moment ago; it is under way."}}, nil
	}
	e, err := c.service.Execution(ctx, p.subject)
	if err != nil {
		return reaction{}, err
	}
	accepted := reaction{answer: adapters.Answer{Disposition: adapters.Accepted}}
	if alias := c.aliasOf(&e); alias.Confirm != "" && e.Status.Completed() {
		return accepted, c.askAgain(ctx, p, &e, alias)
	}
	return accepted, c.again(ctx, p, p.subject)
}

// again runs an execution's action once more, once for each act.
func (c *Chat) again(ctx context.Context, p *press, id string) error {
	key := p.key
	if p.record.ID != "" {
		key = p.record.ID
	}
	_, err := c.service.Again(ctx, id, pipeline.AgainOptions{Key: key, User: p.who.User, Lane: engine.LaneChat})
	return err
}

// askAgain asks whether an execution shall really be run once more.
func (c *Chat) askAgain(ctx context.Context, p *press, e *engine.Execution, alias *aliases.Definition) error {
	at := placeOf(p.event)
	if e.Origin != nil {
		if err := json.Unmarshal(e.Origin.Detail, &at); err != nil {
			return fmt.Errorf("origin of execution %s: %w", e.ID, err)
		}
	}
	at.User, at.To.Reply = p.event.User.ID, p.event.Reply
	t := &turn{id: engine.DeriveID(e.ID, "again", p.key), place: at, who: p.who}
	t.cmd = command{Adapter: p.event.Adapter, User: p.event.User, Channel: p.event.Channel, Thread: at.To.Thread, Message: at.Message, Text: alias.Name}
	var values map[string]any
	if err := json.Unmarshal(c.service.MaskedParameters(e), &values); err != nil {
		return fmt.Errorf("parameters of execution %s: %w", e.ID, err)
	}
	hit := aliases.Params{}
	for name, v := range values {
		text := fmt.Sprint(v)
		hit[name] = &text
	}
	t.cmd.Hits = []aliases.Params{hit}
	if err := c.ask(t, question{
		verb: verbRun, state: adapters.StateAsking, ttl: questionTTL,
		blocks:  []adapters.Block{paragraph("%s", c.confirmText(ctx, t, alias))},
		options: []option{{Label: "Run", Style: "primary", Again: e.ID}, {Label: "Cancel"}},
		inWords: "Answer with *yes* or *no*.",
	}); err != nil {
		return err
	}
	return c.commit(ctx, t)
}

// commit records and says outside of a worker what a turn came to.
func (c *Chat) commit(ctx context.Context, t *turn) error {
	b := store.Batch{Puts: t.answer.Puts, Deletes: t.answer.Deletes}
	for i, body := range t.answer.Replies {
		var p post
		if err := json.Unmarshal(body, &p); err != nil {
			return err
		}
		if err := pushPost(&b, fmt.Sprintf("%s/%d", t.id, i), p); err != nil {
			return err
		}
	}
	err := c.store.Commit(ctx, &b)
	if errors.Is(err, store.ErrConflict) {
		return nil // said by an earlier delivery of the same act
	}
	return err
}

// guard reports whether an act is none of those that follow another one by
// accident. The same act delivered again is fresh again.
func (c *Chat) guard(ctx context.Context, p *press) (bool, error) {
	claim := store.Claim{Key: "press:" + p.event.Adapter + "/" + p.event.User.ID + "/" + p.event.Button, Value: p.key, TTL: doublePress}
	err := c.store.Commit(ctx, &store.Batch{Claims: []store.Claim{claim}})
	var dup *store.DuplicateError
	if errors.As(err, &dup) {
		return dup.Value == p.key, nil
	}
	return err == nil, err
}

// longestNote is how many characters every platform shows at once.
const longestNote = 1500

// actDetails tells the presser alone what is on record about an execution.
func (c *Chat) actDetails(ctx context.Context, p *press) (reaction, error) {
	e, err := c.service.Execution(ctx, p.subject)
	if err != nil {
		return reaction{}, err
	}
	e = c.service.Shown(&e)
	blocks := c.details(&e)
	if !c.shows(p.event.Adapter).Ephemeral {
		return reaction{answer: adapters.Answer{Note: markup.Shorten(plainText(blocks), longestNote)}}, nil
	}
	at := placeOf(p.event)
	m := adapters.Message{To: at.To, Key: p.key + "/details", InReplyTo: p.event.Message, State: adapters.StateSucceeded, Blocks: blocks}
	if !p.event.Channel.Direct {
		m.To.Private = p.event.User.ID
	}
	if p.event.Thread == "" {
		m.To.Thread = "" // beside the card, not in a thread under it
	}
	var b store.Batch
	if err := pushPost(&b, e.ID+"/details", post{Adapter: p.event.Adapter, Message: m}); err != nil {
		return reaction{}, err
	}
	return reaction{answer: adapters.Answer{Disposition: adapters.Accepted, Private: true}}, c.store.Commit(ctx, &b)
}

// plainText is the text of blocks without any markup.
func plainText(blocks []adapters.Block) string {
	var lines []string
	for _, b := range blocks {
		if b.Text != "" {
			lines = append(lines, b.Text)
		}
		for _, f := range b.Fields {
			lines = append(lines, f.Name+": "+f.Value)
		}
	}
	return strings.Join(lines, "\n")
}
