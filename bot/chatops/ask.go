package chatops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"petrel/adapters"
	"petrel/engine"
	"petrel/store"
)

// question is something to ask in the course of a command.
type question struct {
	verb    string
	state   adapters.State
	blocks  []adapters.Block
	options []option
	data    any // the verb's own
	ttl     time.Duration
	// inWords says how to answer where the platform has no buttons; empty: there
	// the message is no question.
	inWords string
	// words: it is asked in words, whatever the platform has.
	words bool
}

// maxButtons is how many options are shown as buttons where there are lists.
const maxButtons = 5

// ask answers a command with a question: the record of what it is about, and the
// message with its buttons, or the words to answer with.
func (c *Chat) ask(t *turn, q question) error {
	id := engine.DeriveID(t.id, "interaction")
	shows := c.shows(t.place.Adapter)
	m := t.addressed(adapters.Message{State: q.state, Blocks: q.blocks})
	switch {
	case q.words || !shows.Buttons:
		if q.inWords != "" {
			m.Blocks = append(m.Blocks, paragraph("%s", q.inWords))
		}
		if err := c.awaitLine(t, id, t.place, c.now().Add(q.ttl)); err != nil {
			return err
		}
	case len(q.options) > maxButtons && shows.Selects:
		m.Selects = []adapters.Select{{ID: asked + ":" + id, Label: "Choose one", Options: selectOptions(q.options)}}
	default:
		for i, o := range q.options {
			m.Buttons = append(m.Buttons, adapters.Button{ID: fmt.Sprintf("%s:%s:%d", asked, id, i), Label: o.Label, Style: o.Style})
		}
	}
	i := Interaction{
		Verb: q.verb, Place: t.place, For: t.cmd.User, Options: q.options,
		Shown: &message{Content: m}, Expires: c.now().Add(q.ttl),
	}
	if q.data != nil {
		var err error
		if i.Data, err = json.Marshal(q.data); err != nil {
			return fmt.Errorf("encode a question: %w", err)
		}
	}
	if err := put(t, Interactions, store.Doc[Interaction]{ID: id, Value: i}); err != nil {
		return err
	}
	return t.send(m)
}

func selectOptions(options []option) []adapters.Option {
	list := make([]adapters.Option, len(options))
	for i, o := range options {
		list[i] = adapters.Option{Value: fmt.Sprint(i), Label: o.Label}
	}
	return list
}

// waiting is a question that a person can answer by a line of text: one for each
// person and conversation, the newest.
type waiting struct {
	Interaction string    `json:"interaction"`
	Adapter     string    `json:"adapter"`
	Channel     string    `json:"channel"`
	Thread      string    `json:"thread"`
	User        string    `json:"user"`
	Expires     time.Time `json:"expires"`
}

// Questions holds the questions that wait for a line.
var Questions = store.Collection[waiting]{
	Name: "chat_questions",
	Index: func(w *waiting) []store.IndexEntry {
		return []store.IndexEntry{
			{Index: "person", Value: personKey(w.Adapter, w.Channel, w.User)},
			{Index: "expires", Sort: sortTime(w.Expires)},
		}
	},
}

func personKey(adapter, channel, user string) string {
	return strings.Join([]string{adapter, channel, user}, "|")
}

func (w *waiting) id() string {
	return engine.DeriveID("question", w.Adapter, w.Channel, w.Thread, w.User)
}

// waitingAt is the place of a question in the conversation of a person.
func (c *Chat) waitingAt(at place, user string) waiting {
	w := waiting{Adapter: at.Adapter, Channel: at.To.Channel, Thread: at.To.Thread, User: user}
	if !c.shows(at.Adapter).Threads {
		w.Thread = ""
	}
	return w
}

// awaitLine makes the next line of the person, where the question stands, an
// answer.
func (c *Chat) awaitLine(t *turn, interaction string, at place, until time.Time) error {
	w := c.waitingAt(at, t.cmd.User.ID)
	w.Interaction, w.Expires = interaction, until
	return put(t, Questions, store.Doc[waiting]{ID: w.id(), Rev: store.AnyRev, Value: w})
}

// questionFor finds the interaction that a line answers: the question that waits
// in the same thread or direct conversation, unless the line is plainly a
// command; or the only one that waits for this person in the channel, when the
// line is addressed to the bot and no command.
func (c *Chat) questionFor(ctx context.Context, e adapters.Event, how addressing, isCommand bool) (string, error) {
	if how == explicitly && isCommand {
		return "", nil
	}
	here := c.waitingAt(place{Adapter: e.Adapter, To: adapters.Target{Thread: e.Thread}}, e.User.ID)
	inThread := here.Thread != "" || e.Channel.Direct || !c.shows(e.Adapter).Threads
	if !inThread && how != explicitly {
		return "", nil
	}
	channels := []string{e.Channel.ID}
	if by := directWith(e.User); e.Channel.Direct && by != e.Channel.ID {
		channels = append(channels, by) // asked there by name, because the alias wants it so
	}
	var docs []store.Doc[waiting]
	for _, channel := range channels {
		found, _, err := Questions.List(ctx, c.store, store.Query{Index: "person", Value: personKey(e.Adapter, channel, e.User.ID), Limit: 20})
		if err != nil {
			return "", err
		}
		docs = append(docs, found...)
	}
	var open []waiting
	for _, d := range docs {
		if !c.now().Before(d.Value.Expires) {
			continue
		}
		if inThread && d.Value.Thread == here.Thread {
			return d.Value.Interaction, nil
		}
		open = append(open, d.Value)
	}
	if how == explicitly && len(open) == 1 {
		return open[0].Interaction, nil
	}
	return "", nil
}

// hear takes a line that answers a question.
func (c *Chat) hear(ctx context.Context, t *turn) error {
	d, err := Interactions.Get(ctx, c.store, t.cmd.Answer)
	if errors.Is(err, store.ErrNotFound) {
		return t.say(adapters.StateRefused, paragraph("The question is closed. Type the command again."))
	}
	if err != nil {
		return err
	}
	i := &d.Value
	v, known := c.verbs[i.Verb]
	switch {
	case i.Done != nil:
		return t.say(adapters.StateRefused, paragraph("Too late: %s did this already (%s).", i.Done.By, i.Done.What))
	case i.For.ID != t.cmd.User.ID || !known || v.hear == nil:
		return t.say(adapters.StateRefused, paragraph("That question was not for you."))
	}
	if word := strings.ToLower(strings.Trim(t.cmd.Text, " .!")); word == "cancel" || word == "stop" {
		if err := c.settle(t, d, "cancel"); err != nil {
			return err
		}
		return t.say(adapters.StateRefused, paragraph("Canceled. Nothing was run."))
	}
	return v.hear(ctx, t, d)
}

// resume goes on with the command that a line completed or chose.
func (c *Chat) resume(ctx context.Context, t *turn, cmd command) error {
	cmd.User, cmd.Message, cmd.DeliveryID = t.cmd.User, t.cmd.Message, t.cmd.DeliveryID
	t.cmd, t.who = cmd, c.askerOf(cmd)
	return c.decide(ctx, t)
}

// settle ends a question that was answered by a line.
func (c *Chat) settle(t *turn, d store.Doc[Interaction], what string) error {
	i := &d.Value
	i.Done = &decision{By: t.who.User, What: what, At: c.now(), Delivery: t.cmd.Adapter + "/" + t.cmd.DeliveryID}
	w := c.waitingAt(i.Place, i.For.ID)
	t.answer.Deletes = append(t.answer.Deletes, store.Delete{Collection: Questions.Name, ID: w.id(), Rev: store.AnyRev})
	return put(t, Interactions, d)
}
