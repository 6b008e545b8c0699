package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"petrel/adapters"
)

// delivery is something that Slack brought, by either way.
type delivery struct {
	kind    string // kindEvents, ...
	id      string // envelope ID; empty over HTTP
	attempt int    // 0, or which retry this is
	payload json.RawMessage
}

// outcome is what Slack is told of a delivery.
type outcome struct {
	taken bool // else Slack is left to bring it again
	body  any  // of the acknowledgement; nil is an empty one
	// after is done once Slack is answered.
	after func(ctx context.Context)
}

// lastAttempt is the number of Slack's last retry of an event.
const lastAttempt = 3

// notTaken is what a person is told whose doing could not be stored.
const notTaken = "This was not taken: I cannot store it right now. Please try again in a moment."

// take handles a delivery. done is called exactly once, possibly from another
// goroutine and before take returns.
func (a *Adapter) take(s *session, d delivery, done func(outcome)) {
	var task func(context.Context) outcome
	var lane, order, once string
	var err error
	switch d.kind {
	case kindEvents:
		task, lane, order, err = a.takeEvent(s, d)
		once = d.id
	case kindCommand:
		task, lane, once, err = a.takeCommand(s, d)
	case kindInteraction:
		task, lane, once, err = a.takeInteraction(s, d)
	default:
		err = fmt.Errorf("unknown kind %q", d.kind)
	}
	if err != nil {
		a.log.Warn("Slack sent what cannot be read", "adapter", a.name, "kind", d.kind, "error", err)
	}
	if task == nil {
		done(outcome{taken: true}) // of no interest, and never will be
		return
	}
	h := a.begin(once, done)
	if h == nil {
		return
	}
	running := s.lanes.add(lane, order, func() {
		ctx, cancel := context.WithTimeout(s.ctx, a.timing.Handle)
		defer cancel()
		a.finish(once, h, task(ctx))
	})
	if !running {
		a.finish(once, h, outcome{})
	}
}

// handling is a delivery that is handled, or was. The same one may come over
// both connections.
type handling struct {
	waiting []func(outcome)
	over    bool
	result  outcome
}

// begin returns nil when the delivery is known already: done is called with its
// outcome then, at once or later.
func (a *Adapter) begin(once string, done func(outcome)) *handling {
	mine := &handling{waiting: []func(outcome){done}}
	if once == "" {
		return mine
	}
	var over *outcome
	first := false
	a.handled.change(once, func(old *handling, known bool) *handling {
		switch {
		case !known:
			first = true
			return mine
		case old.over:
			over = &old.result
		default:
			old.waiting = append(old.waiting, done)
		}
		return old
	})
	if over != nil {
		done(*over)
	}
	if !first {
		return nil
	}
	return mine
}

// finish tells everybody who waits; what goes on afterwards goes on once.
func (a *Adapter) finish(once string, h *handling, o outcome) {
	var waiting []func(outcome)
	end := func(*handling, bool) *handling {
		waiting, h.over = h.waiting, true
		h.result = outcome{taken: o.taken, body: o.body}
		return h
	}
	if once == "" {
		end(h, true)
	} else {
		a.handled.change(once, end)
	}
	if !o.taken && once != "" {
		a.handled.forget(once)
	}
	for i, done := range waiting {
		if i > 0 {
			o.after = nil
		}
		done(o)
	}
}

// handle hands an event to the program.
func (a *Adapter) handle(ctx context.Context, s *session, e adapters.Event) (adapters.Answer, error) {
	answer, err := s.handler.Handle(ctx, e)
	if err != nil && s.ctx.Err() == nil {
		a.log.Warn("an event was not taken", "adapter", a.name, "kind", e.Kind, "delivery", e.DeliveryID, "error", err)
	}
	return answer, err
}

// takeEvent reads a delivery of the Events API.
func (a *Adapter) takeEvent(s *session, d delivery) (task func(context.Context) outcome, lane, order string, err error) {
	var c callback
	if err := json.Unmarshal(d.payload, &c); err != nil {
		return nil, "", "", err
	}
	if c.Type == "app_rate_limited" {
		a.health.problem(errors.New("Slack holds events back: more than 30,000 in an hour; subscribe to fewer"))
		return nil, "", "", nil
	}
	var m said
	if err := json.Unmarshal(c.Event, &m); err != nil {
		return nil, "", "", fmt.Errorf("event %s: %w", c.EventID, err)
	}
	if !a.ofInterest(m) {
		return nil, "", "", nil
	}
	return func(ctx context.Context) outcome { return a.hear(ctx, s, m, d.attempt) }, m.Channel, m.TS, nil
}

// ofInterest: lines that people wrote. Of others (edits, joins, bots, ourselves)
// nothing is made.
func (a *Adapter) ofInterest(m said) bool {
	if m.Type != "message" && m.Type != "app_mention" {
		return false
	}
	switch m.Subtype {
	case "", "file_share", "thread_broadcast", "me_message":
	default:
		return false
	}
	me := a.self.Load()
	return m.User != "" && m.BotID == "" && m.TS != "" && m.Channel != "" && (me == nil || m.User != me.User)
}

// hear makes an event of a line.
func (a *Adapter) hear(ctx context.Context, s *session, m said, attempt int) outcome {
	e := adapters.Event{
		// One line comes as "message" and as "app_mention", with different
		// event IDs, when the app subscribes to both.
		DeliveryID: "m:" + m.Channel + ":" + m.TS,
		Kind:       adapters.MessagePosted, Adapter: a.name, Time: stamp(m.TS),
		Message: m.TS,
	}
	e.User, e.Channel = a.know(ctx, m.User, m.Channel)
	if m.Edited != nil {
		e.DeliveryID += ":" + m.Edited.TS
	}
	if m.Thread != m.TS {
		e.Thread = m.Thread
	}
	if e.Thread != "" {
		a.roots.put(m.Channel+"/"+m.TS, e.Thread)
	}
	e.Text, e.Mentioned = plain(ctx, m.Text, a.self.Load().User, a)
	answer, err := a.handle(ctx, s, e)
	switch {
	case err != nil && attempt < lastAttempt:
		return outcome{}
	case err != nil:
		answer.Note = notTaken
	}
	return outcome{taken: true, after: a.noteLater(e, answer.Note)}
}

// takeCommand reads the call of a slash command.
func (a *Adapter) takeCommand(s *session, d delivery) (task func(context.Context) outcome, lane, once string, err error) {
	var c slashed
	if err := json.Unmarshal(d.payload, &c); err != nil {
		return nil, "", "", err
	}
	if c.UserID == "" || c.ChannelID == "" {
		return nil, "", "", errors.New("a slash command without user or channel")
	}
	once = c.TriggerID
	if once == "" {
		once = d.id
	}
	return func(ctx context.Context) outcome { return a.called(ctx, s, c, once) }, c.ChannelID, once, nil
}

// called makes an event of a slash command.
func (a *Adapter) called(ctx context.Context, s *session, c slashed, id string) outcome {
	e := adapters.Event{
		DeliveryID: "c:" + id, Kind: adapters.CommandCalled, Adapter: a.name, Time: time.Now(),
		Command: strings.TrimPrefix(c.Command, "/"), Opens: c.TriggerID != "",
		Reply: handle{URL: c.ResponseURL, At: time.Now().Unix(), User: c.UserID, From: fromCommand}.pack(),
	}
	e.User, e.Channel = a.know(ctx, c.UserID, c.ChannelID)
	e.Text, _ = plain(ctx, c.Text, "", a)
	answer, err := a.handle(ctx, s, e)
	if err != nil {
		return outcome{taken: true, body: onlyYou(notTaken)}
	}
	o := outcome{taken: true}
	switch {
	case answer.Form != nil:
		o.after = a.openLater(e, c.TriggerID, answer.Form)
	case answer.Note != "":
		o.body = onlyYou(answer.Note)
	case answer.Disposition == adapters.Accepted && !answer.Private && !e.Channel.Direct:
		// Without a text of ours this shows the channel who called what.
		o.body = map[string]string{"response_type": "in_channel"}
	}
	return o
}

// onlyYou is the answer to a slash command that its caller sees alone.
func onlyYou(text string) map[string]string {
	return map[string]string{"response_type": "ephemeral", "text": escape(text)}
}

// takeInteraction reads a press, a choice or a form.
func (a *Adapter) takeInteraction(s *session, d delivery) (task func(context.Context) outcome, lane, once string, err error) {
	var i interaction
	if err := json.Unmarshal(d.payload, &i); err != nil {
		return nil, "", "", err
	}
	once = i.TriggerID
	if once == "" {
		once = d.id
	}
	if i.User.ID == "" {
		return nil, "", "", errors.New("an interaction without a user")
	}
	switch {
	case i.Type == "block_actions" && len(i.Actions) > 0 && i.Container.Type == "message":
		if i.Channel.ID == "" {
			i.Channel.ID = i.Container.Channel
		}
		return func(ctx context.Context) outcome { return a.pressed(ctx, s, i, once) }, i.Channel.ID, once, nil
	case i.Type == "view_submission" && i.View.Callback == formCallback:
		var about formNote
		if err := json.Unmarshal([]byte(i.View.Private), &about); err != nil {
			return nil, "", "", fmt.Errorf("private_metadata of a form: %w", err)
		}
		return func(ctx context.Context) outcome { return a.submitted(ctx, s, i, about, once) }, about.Channel, once, nil
	}
	return nil, "", "", nil
}

// pressed makes an event of a press or a choice.
func (a *Adapter) pressed(ctx context.Context, s *session, i interaction, id string) outcome {
	act := i.Actions[0]
	e := adapters.Event{
		DeliveryID: "a:" + id, Kind: adapters.ButtonPressed, Adapter: a.name, Time: stamp(act.TS),
		Message: i.Container.Message, Button: act.Value, Opens: i.TriggerID != "",
	}
	e.User, e.Channel = a.know(ctx, i.User.ID, i.Channel.ID)
	if e.Thread = i.Message.Thread; e.Thread == "" {
		e.Thread = i.Container.Thread
	}
	if e.Thread == e.Message {
		e.Thread = ""
	}
	switch {
	case act.Value == "" && act.Selected == nil:
		e.Button = act.ID // an author's own, by extra.slack
	case act.Selected != nil:
		e.Button, e.Choice = selectID(act.ID), act.Selected.Value
	}
	from := handle{URL: i.ResponseURL, At: time.Now().Unix(), User: i.User.ID, From: fromMessage, Message: e.Message}
	if i.Container.Ephemeral {
		from.From = fromEphemeral
	}
	e.Reply = from.pack()
	answer, err := a.handle(ctx, s, e)
	if err != nil {
		answer = adapters.Answer{Note: notTaken}
	}
	if answer.Form != nil {
		return outcome{taken: true, after: a.openLater(e, i.TriggerID, answer.Form)}
	}
	return outcome{taken: true, after: a.noteLater(e, answer.Note)}
}

// noteLater tells the person alone, once Slack is answered.
func (a *Adapter) noteLater(e adapters.Event, note string) func(context.Context) {
	if note == "" {
		return nil
	}
	return func(ctx context.Context) { a.whisper(ctx, e, note) }
}

// whisper tells the person of an event something alone.
func (a *Adapter) whisper(ctx context.Context, e adapters.Event, note string) {
	ctx, cancel := context.WithTimeout(ctx, a.timing.Call)
	defer cancel()
	to := adapters.Target{Channel: e.Channel.ID, Thread: e.Thread, Private: e.User.ID, Reply: e.Reply}
	_, err := a.Send(ctx, adapters.Message{To: to, Blocks: []adapters.Block{{Kind: adapters.Paragraph, Text: note}}})
	if err != nil {
		a.log.Warn("a note did not reach its reader", "adapter", a.name, "user", e.User.Name, "note", note, "error", err)
	}
}

// stamp is the time of a Slack timestamp, "1700000000.000100".
func stamp(ts string) time.Time {
	whole, part, _ := strings.Cut(ts, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Now()
	}
	micros, _ := strconv.ParseInt((part + "000000")[:6], 10, 64) // no fraction is 0
	return time.Unix(seconds, micros*1000)
}
