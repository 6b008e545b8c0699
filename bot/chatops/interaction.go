package chatops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"petrel/adapters"
	"petrel/engine"
	"petrel/store"
)

// An Interaction is what people can act upon in a chat: a message of ours with
// buttons or a list, a form, a question. It is recorded before it is shown, so
// it works after a restart, and it ends with the first act that counts.
//
// The ID of a button is "ask:RECORD:OPTION", that of a list or a form
// "ask:RECORD". Where the record of something else says it all, a button needs
// none of its own: "cancel:EXECUTION".
type Interaction struct {
	Verb    string          `json:"verb"`
	Place   place           `json:"place"`             // where its answers go
	For     adapters.User   `json:"for,omitzero"`      // who alone may act; nobody: whoever the verb allows
	Options []option        `json:"options,omitempty"` // what there is to choose from
	Data    json.RawMessage `json:"data,omitempty"`    // the verb's own
	Shown   *message        `json:"shown,omitempty"`   // the message it is on
	Expires time.Time       `json:"expires"`
	Done    *decision       `json:"done,omitempty"` // how it ended
}

// message is what was said, and where it stands once that is known.
type message struct {
	Content adapters.Message `json:"content"`
	Ref     adapters.Ref     `json:"ref,omitzero"`
}

// decision is the act that ended an interaction.
type decision struct {
	By       string    `json:"by"` // Petrel user
	What     string    `json:"what"`
	At       time.Time `json:"at"`
	Delivery string    `json:"delivery"` // of the event, by which its repetition is known
}

// option is one thing to choose.
type option struct {
	Label   string          `json:"label"`
	Style   string          `json:"style,omitempty"`
	Command *command        `json:"command,omitempty"` // what verbRun runs; nothing: the interaction just ends
	Again   string          `json:"again,omitempty"`   // execution that verbRun runs once more
	Data    json.RawMessage `json:"data,omitempty"`    // for other verbs
}

// Interactions holds what can be acted upon.
var Interactions = store.Collection[Interaction]{
	Name: "chat_interactions",
	Index: func(i *Interaction) []store.IndexEntry {
		return []store.IndexEntry{{Index: "expires", Sort: sortTime(i.Expires)}}
	},
}

// asked begins the ID of what has a record.
const asked = "ask"

// verb is one thing that people can do by pressing, choosing, or filling in.
type verb struct {
	// may says why this person may not do it, "" when they may. It is asked at
	// every act.
	may func(ctx context.Context, p *press) (string, error)
	// act does it. It is asked again when the event is delivered again, and must
	// not do a thing twice then: p.key is the same.
	act func(ctx context.Context, p *press) (reaction, error)
	// hear takes a line of text that answers, where the question was asked in
	// words. It decides the same for the same record.
	hear func(ctx context.Context, t *turn, question store.Doc[Interaction]) error
}

// press is one act of a person.
type press struct {
	event   adapters.Event
	who     asker
	subject string                 // what a button without a record is about
	record  store.Doc[Interaction] // else its record
	option  *option                // that was chosen; nil for a form of its own
	choice  int                    // its number
	key     string                 // the same for every repetition of this act
}

// reaction is what an act brings about.
type reaction struct {
	answer adapters.Answer
	// done ends the interaction. The message says so instead of its buttons.
	done string
	// last: nothing else will be said about what was asked, so the message
	// itself is the last word.
	last bool
}

// allVerbs lists everything that buttons, lists and forms can do.
func (c *Chat) allVerbs() map[string]verb {
	return map[string]verb{
		buttonCancel:  {may: c.mayTouch, act: c.actCancel},
		buttonAgain:   {may: c.mayTouch, act: c.actAgain},
		buttonDetails: {may: c.mayTouch, act: c.actDetails},
		verbRun:       {may: c.mayRun, act: c.actRun, hear: c.hearChoice},
		verbSay:       {may: c.mayTakeUp, act: c.actSay},
		verbForm:      {may: c.mayTakeUp, act: c.actForm},
		verbFill:      {may: c.mayFill, act: c.actFill, hear: c.hearValue},
		verbRespond:   {may: c.mayRespond, act: c.actRespond},
	}
}

// press handles what somebody pressed, chose or filled in.
func (c *Chat) press(ctx context.Context, e adapters.Event) (adapters.Answer, error) {
	p := &press{event: e, key: e.Adapter + "/" + e.DeliveryID}
	p.who = c.askerOf(command{Adapter: e.Adapter, User: e.User, Channel: e.Channel, Thread: e.Thread})
	name, note, err := c.resolve(ctx, p)
	if err != nil || note != "" {
		return adapters.Answer{Note: note}, err
	}
	if d := p.record.Value.Done; d != nil && d.Delivery == p.key {
		return adapters.Answer{Disposition: adapters.Duplicate}, nil
	}
	if note := c.tooLate(p); note != "" {
		return adapters.Answer{Note: note}, nil
	}
	v := c.verbs[name]
	refusal, err := v.may(ctx, p)
	if err != nil || refusal != "" {
		return adapters.Answer{Note: refusal}, err
	}
	r, err := v.act(ctx, p)
	if err != nil {
		return c.explain(err)
	}
	if r.done == "" {
		return r.answer, nil
	}
	return r.answer, c.end(ctx, p, r)
}

// resolve finds out what an ID stands for, or says in a note why it stands for
// nothing.
func (c *Chat) resolve(ctx context.Context, p *press) (name, note string, err error) {
	id := p.event.Button
	if p.event.Kind == adapters.FormSubmitted {
		id = p.event.Form
	}
	name, rest, _ := strings.Cut(id, ":")
	if name != asked {
		if _, known := c.verbs[name]; !known || !engine.ValidID(rest) {
			return "", fmt.Sprintf("This button (%s) stands for nothing any more.", inline(id)), nil
		}
		p.subject = rest
		return name, "", nil
	}
	record, choice, _ := strings.Cut(rest, ":")
	if p.event.Choice != "" {
		choice = p.event.Choice
	}
	if !engine.ValidID(record) {
		return "", "This stands for nothing any more.", nil
	}
	p.record, err = Interactions.Get(ctx, c.store, record)
	if errors.Is(err, store.ErrNotFound) {
		return "", "This is too old: it is not known any more. Type the command again.", nil
	}
	if err != nil {
		return "", "", err
	}
	i := &p.record.Value
	if i.Place.Adapter != p.event.Adapter {
		return "", "This belongs to another chat.", nil
	}
	if p.event.Kind == adapters.ButtonPressed || choice != "" { // a form may stand for an option, too
		n, err := strconv.Atoi(choice)
		if err != nil || n < 0 || n >= len(i.Options) {
			return "", "This stands for nothing any more.", nil
		}
		p.option, p.choice = &i.Options[n], n
	}
	if _, known := c.verbs[i.Verb]; !known {
		return "", "This stands for nothing any more.", nil
	}
	return i.Verb, "", nil
}

// tooLate says why an act does not count any more, or is not this person's.
func (c *Chat) tooLate(p *press) string {
	if p.record.ID == "" {
		return ""
	}
	i := &p.record.Value
	switch {
	case i.Done != nil:
		return fmt.Sprintf("Too late: %s did this already (%s, %s ago).", i.Done.By, i.Done.What, took(c.now().Sub(i.Done.At)))
	case c.now().After(i.Expires):
		return "Too late: this was open until " + i.Expires.UTC().Format("15:04") + " UTC. Type the command again."
	case i.For.ID != "" && i.For.ID != p.event.User.ID:
		return fmt.Sprintf("This is for %s alone, who asked for it. Type the command yourself if you may run it.", i.For.Name)
	}
	return ""
}

// win makes an act the one that ends its interaction. It fails when another act
// was quicker; the same act delivered again wins again.
func (c *Chat) win(ctx context.Context, p *press) error {
	err := c.store.Commit(ctx, &store.Batch{Claims: []store.Claim{{Key: "interaction:" + p.record.ID, Value: p.key, TTL: keepEnded}}})
	var dup *store.DuplicateError
	if errors.As(err, &dup) {
		if dup.Value == p.key {
			return nil
		}
		return engine.Errorf(engine.Conflict, "Too late: this was decided a moment ago.")
	}
	return err
}

// explain turns an error that is meant for the person into a note.
func (c *Chat) explain(err error) (adapters.Answer, error) {
	var told *engine.Error
	if errors.As(err, &told) && told.Code != engine.Unavailable && told.Code != engine.Internal {
		return adapters.Answer{Note: told.Error()}, nil
	}
	return adapters.Answer{}, err
}

// end records how an interaction ended and takes the buttons off its message,
// together. When somebody else was quicker, theirs counts.
func (c *Chat) end(ctx context.Context, p *press, r reaction) error {
	var b store.Batch
	d := p.record
	d.Value.Done = &decision{By: p.who.User, What: r.done, At: c.now(), Delivery: p.key}
	if err := Interactions.Put(&b, d); err != nil {
		return err
	}
	if s := d.Value.Shown; s != nil {
		ref := s.Ref
		if p.event.Kind == adapters.ButtonPressed && p.event.Message != "" {
			ref = adapters.Ref{Channel: p.event.Channel.ID, Message: p.event.Message}
		}
		if err := c.pushEnd(&b, d, ref, p.event.Reply, r.last); err != nil {
			return err
		}
	}
	err := c.store.Commit(ctx, &b)
	if errors.Is(err, store.ErrConflict) {
		return nil // ended meanwhile; what it does is done once by its key
	}
	return err
}

// pushEnd puts the message into the outbox as it shall look in the end.
func (c *Chat) pushEnd(b *store.Batch, d store.Doc[Interaction], ref adapters.Ref, reply string, last bool) error {
	i := &d.Value
	shows := c.shows(i.Place.Adapter)
	private := i.Shown.Content.To.Private != ""
	if ref.Message == "" || !shows.Edit || private && !shows.EditPrivate {
		return nil
	}
	m := i.Shown.Content
	m.Buttons, m.Selects, m.State, m.To.Reply = nil, nil, adapters.StateNone, reply
	if last {
		m.State = adapters.StateRefused
	}
	m.Blocks = append(m.Blocks[:len(m.Blocks):len(m.Blocks)], paragraph("%s: %s", i.Done.By, i.Done.What))
	return pushPost(b, d.ID+"/ended", post{Adapter: i.Place.Adapter, Ref: &ref, Message: m})
}

// sortTime prints a time so that text order is time order.
func sortTime(t time.Time) string { return t.UTC().Format("20060102T150405.000") }

// sweepEvery is how often interactions that nobody can act on any more are
// removed, and keepEnded how long after their end they are kept to say so.
const (
	sweepEvery = time.Hour
	keepEnded  = 24 * time.Hour
)

// Sweep removes old interactions and questions until ctx ends.
func (c *Chat) Sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := c.sweep(ctx); err != nil && ctx.Err() == nil {
			c.log.Warn("old questions could not be removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (c *Chat) sweep(ctx context.Context) error {
	for _, collection := range []string{Interactions.Name, Questions.Name} {
		for {
			old, err := c.store.Query(ctx, store.Query{
				Collection: collection, Index: "expires", To: sortTime(c.now().Add(-keepEnded)), Limit: 200, IDsOnly: true,
			})
			if err != nil {
				return err
			}
			if len(old.Records) == 0 {
				break
			}
			var b store.Batch
			for _, r := range old.Records {
				b.Deletes = append(b.Deletes, store.Delete{Collection: collection, ID: r.ID, Rev: store.AnyRev})
			}
			if err := c.store.Commit(ctx, &b); err != nil {
				return err
			}
		}
	}
	return nil
}
