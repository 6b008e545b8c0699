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
	"petrel/adapters/markup"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
)

// Card is what was said about an execution so far.
type Card struct {
	Adapter string           `json:"adapter"`
	Ref     adapters.Ref     `json:"ref"`              // the live message; empty when the alias wants none
	Shown   adapters.Message `json:"shown"`            // its present content
	Edited  time.Time        `json:"edited,omitzero"`  // when that was said
	Lost    bool             `json:"lost,omitempty"`   // it cannot be edited any more, as when somebody removed it
	Told    bool             `json:"told,omitempty"`   // the result was told
	Closed  bool             `json:"closed"`           // there is nothing more to say
	Wake    time.Time        `json:"wake,omitzero"`    // when this is looked at again by itself
	Reminds int              `json:"reminds,omitzero"` // how often it was said that it still runs
}

// Cards holds what was said about executions.
var Cards = store.Collection[Card]{Name: "chat_cards"}

// How much of the output of a running action its card shows.
const (
	progressLines = 8
	progressWidth = 200 // characters of a line
)

// tell brings what is said about an execution up to date: the live card, and
// the result once there is one. Whatever happened since the last notice is
// covered by looking at the execution as it is now.
func (c *Chat) tell(ctx context.Context, item store.Item, n pipeline.Notice) error {
	t := telling{c: c, item: item}
	if err := json.Unmarshal(n.Detail, &t.place); err != nil {
		return fmt.Errorf("%w: unreadable origin: %w", errUndeliverable, err)
	}
	e, err := c.service.Execution(ctx, n.Execution)
	if err != nil {
		return err
	}
	e = c.service.Shown(&e)
	t.e, t.alias = &e, c.aliasOf(&e)
	doc, err := Cards.Get(ctx, c.store, e.ID)
	if errors.Is(err, store.ErrNotFound) {
		doc, err = store.Doc[Card]{ID: e.ID, Value: Card{Adapter: t.place.Adapter}}, nil
	}
	if err != nil {
		return err
	}
	b := &store.Batch{Acks: []store.Item{item}}
	if doc.Value.Closed {
		return c.store.Commit(ctx, b)
	}
	t.card = doc.Value
	if err := t.bringUpToDate(ctx); err != nil {
		return err
	}
	if err := t.schedule(b, n); err != nil {
		return err
	}
	if !reflect.DeepEqual(doc.Value, t.card) {
		doc.Value = t.card
		if err := Cards.Put(b, doc); err != nil {
			return err
		}
	}
	return c.store.Commit(ctx, b)
}

// telling is one look at an execution on behalf of those who wait for it.
type telling struct {
	c     *Chat
	item  store.Item
	place place
	e     *engine.Execution
	alias *aliases.Definition
	card  Card
	again time.Time // when an edit that had to wait can be made; zero: none waits
}

func (t *telling) bringUpToDate(ctx context.Context) error {
	switch {
	case t.alias.Ack.Enabled:
		if err := t.showCard(ctx); err != nil {
			return err
		}
	case t.card.Edited.IsZero():
		t.card.Edited = t.c.now() // nothing is to be said, and that was done now
	}
	ended := t.e.Status.Completed()
	if !ended {
		return t.remind(ctx)
	}
	if !t.card.Told {
		if t.alias.Result.Enabled {
			if _, err := t.c.send(ctx, t.place.Adapter, t.c.resultMessage(ctx, t.place, t.e, t.alias)); err != nil {
				return err
			}
		}
		t.card.Told = true
	}
	t.card.Closed = t.again.IsZero()
	return nil
}

// aliasOf returns the alias behind an execution; without one, plain settings.
func (c *Chat) aliasOf(e *engine.Execution) *aliases.Definition {
	if ref := e.Context.ActionAlias; ref != nil {
		if alias, ok := c.catalog().AliasTable().Get(ref.Ref); ok {
			return alias
		}
	}
	return &aliases.Definition{Ack: aliases.Ack{Enabled: true, AppendURL: true}, Result: aliases.Result{Enabled: true}}
}

// showCard posts the live message or brings it up to date, as often as the
// platform likes. The newest state counts: what is shown is made anew each time.
func (t *telling) showCard(ctx context.Context) error {
	a, ok := t.c.Adapter(t.place.Adapter)
	if !ok {
		return fmt.Errorf("%w: there is no chat adapter %q", errUndeliverable, t.place.Adapter)
	}
	first := t.card.Edited.IsZero()
	if !first && (t.card.Lost || !editable(a.Capabilities(), t.place)) {
		return nil
	}
	m, err := t.cardMessage(ctx)
	if err != nil {
		return err
	}
	if first {
		return t.post(ctx, m)
	}
	if reflect.DeepEqual(t.card.Shown, m) {
		return nil
	}
	now := t.c.now()
	if soonest := t.card.Edited.Add(time.Duration(a.Capabilities().EditEvery) * time.Millisecond); now.Before(soonest) && !t.e.Status.Completed() {
		t.again = soonest
		return nil
	}
	return t.edit(ctx, m, now)
}

// editable reports whether what is said to a place can be changed.
func editable(can adapters.Capabilities, p place) bool {
	return can.Edit && (!p.private() || can.EditPrivate)
}

func (t *telling) post(ctx context.Context, m adapters.Message) error {
	if to := t.place.Pointer; to != nil {
		pointer := adapters.Message{
			To: *to, Key: t.e.ID + "/pointer", InReplyTo: t.place.Message, Mention: t.place.User,
			Blocks: []adapters.Block{paragraph("I answer you in our direct conversation.")},
		}
		if _, err := t.c.send(ctx, t.place.Adapter, pointer); err != nil {
			return err
		}
	}
	ref, err := t.c.send(ctx, t.place.Adapter, m)
	if err != nil {
		return err
	}
	t.card.Ref, t.card.Shown, t.card.Edited, t.card.Lost = ref, m, t.c.now(), ref == adapters.Ref{}
	return nil
}

// edit changes the live message. A platform that wants to be left alone gets the
// newest state later; the result does not wait for that.
func (t *telling) edit(ctx context.Context, m adapters.Message, now time.Time) error {
	err := t.c.update(ctx, t.place.Adapter, t.card.Ref, m)
	var retry *adapters.RetryError
	switch {
	case err == nil:
		t.card.Shown, t.card.Edited = m, now
	case errors.As(err, &retry):
		t.again = now.Add(max(retry.After, time.Second))
	case !errors.Is(err, errUndeliverable) || t.item.Deliveries < cardTries:
		return err
	default:
		t.c.log.Warn("a live message cannot be changed any more", "execution_id", t.e.ID, "adapter", t.place.Adapter, "error", err)
		t.card.Lost = true
	}
	return nil
}

// cardTries is after how many tries a live message is left as it is.
const cardTries = 3

// cardMessage renders the live message: what was understood, how it stands.
func (t *telling) cardMessage(ctx context.Context) (adapters.Message, error) {
	c, p, e, alias := t.c, t.place, t.e, t.alias
	m := adapters.Message{To: p.To, Key: e.ID + "/card", InReplyTo: p.Message, Mention: p.User, State: adapters.StateWorking}
	c.decorate(ctx, &m, e, alias, alias.Ack.Extra, "ack.extra")
	m.Blocks = []adapters.Block{paragraph("%s", c.ackText(ctx, e, alias)), paragraph("%s", c.standing(e))}
	tasks, err := c.tasks(ctx, e)
	if err != nil {
		return m, err
	}
	if tasks != "" {
		m.Blocks = append(m.Blocks, paragraph("%s", tasks))
	}
	details := adapters.Button{ID: buttonDetails + ":" + e.ID, Label: "Details"}
	if e.Status.Completed() {
		m.State = adapters.StateNone // the result is the last word
		if !alias.Result.Enabled {
			m.State = finalState(e.Status)
		}
		m.Buttons = []adapters.Button{{ID: buttonAgain + ":" + e.ID, Label: "Run again"}, details}
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
		m.Buttons = append(m.Buttons, adapters.Button{ID: buttonCancel + ":" + e.ID, Label: "Cancel", Style: "danger"})
	}
	m.Buttons = append(m.Buttons, details)
	return m, nil
}

// standing is the line of the card that says how the execution stands.
func (c *Chat) standing(e *engine.Execution) string {
	id := "execution `" + e.ID + "`"
	switch e.Status {
	case engine.Requested, engine.Scheduled, engine.Running:
		return c.underWay(e) + ", " + id + "."
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

// underWay says for how long an execution has been worked on, once that is
// worth a word.
func (c *Chat) underWay(e *engine.Execution) string {
	age := c.now().Sub(e.StartTimestamp)
	late := c.patience > 0 && age >= c.patience
	switch {
	case late && e.Status == engine.Running:
		return "Still running after " + took(age)
	case late || age >= 5*time.Second && e.Status != engine.Running:
		return "Waiting for a free worker, " + took(age) + " so far"
	case age >= 5*time.Second:
		return "Working on it, " + took(age) + " so far"
	default:
		return "Working on it"
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
	for i, l := range lines {
		lines[i] = markup.Shorten(l, progressWidth)
	}
	return strings.Join(lines, "\n")
}
