package discord

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"petrel/adapters"
)

const (
	// lateAfter is when an interaction is acknowledged even though the handler has
	// not said what comes of it; Discord takes no acknowledgement after 3 s.
	lateAfter = 1500 * time.Millisecond
	// ackLimit is when Discord stops waiting.
	ackLimit = 2900 * time.Millisecond
	// replyLimit is how long answers by the token are tried; Discord takes them
	// for 15 minutes.
	replyLimit = 14*time.Minute + 30*time.Second
)

// answering is an interaction on its way to its acknowledgement.
type answering struct {
	a    *Adapter
	i    *interaction
	came time.Time
	done chan struct{} // closed when it was acknowledged, or can no longer be

	mu   sync.Mutex
	late bool // acknowledged by the clock
	over bool
}

func (a *Adapter) interactionCreated(ctx context.Context, h adapters.Handler, i *interaction) {
	if i.Type != interactionCommand && i.Type != interactionComponent && i.Type != interactionModal {
		return
	}
	p := &answering{a: a, i: i, came: time.Now(), done: make(chan struct{})}
	if _, twice := a.pending.get(i.ID); twice {
		p.over = true // acknowledged already; the handler may still want to see it
		close(p.done)
	} else {
		a.pending.put(i.ID, p)
	}
	a.places.meet(i.person())
	if c := i.Channel; c.ID == i.ChannelID && c.Name != "" && i.GuildID != "" && (!c.thread() || c.ParentID != "") {
		c.GuildID = i.GuildID
		a.places.learn(c) // no look-up has to come before the acknowledgement
	}
	a.lanes.put("late/"+i.ID, func() {
		select {
		case <-p.done:
		case <-ctx.Done():
		case <-time.After(lateAfter):
			p.byClock(ctx)
		}
	})
	a.lanes.put(a.lane(i.ChannelID), func() { a.takeInteraction(ctx, h, p) })
}

// takeInteraction hands an interaction to the handler and acknowledges it as the
// handler wants.
func (a *Adapter) takeInteraction(ctx context.Context, h adapters.Handler, p *answering) {
	if a.reopen(ctx, p) || a.confirm(ctx, p) {
		return
	}
	e, problems := a.event(ctx, p.i)
	var answer adapters.Answer
	var err error
	if len(problems) > 0 {
		answer.Problems = problems
	} else {
		answer, err = h.Handle(ctx, e)
	}
	ctx, cancel := farewell(ctx)
	defer cancel()
	if err != nil {
		a.log.Error("an interaction was not taken", "interaction", p.i.ID, "kind", e.Kind, "error", err)
		p.answer(ctx, private(notTaken), notTaken)
		return
	}
	p.settle(ctx, e, answer)
}

// settle acknowledges with what the handler answered.
func (p *answering) settle(ctx context.Context, e adapters.Event, answer adapters.Answer) {
	switch {
	case answer.Form != nil && e.Opens:
		p.open(ctx, *answer.Form, nil)
	case len(answer.Problems) > 0:
		p.a.refuse(ctx, p, e, answer.Problems)
	case answer.Note != "":
		p.answer(ctx, private(answer.Note), answer.Note)
	case answer.Disposition == adapters.Duplicate:
		// Another process has it and acknowledges it, as a private one perhaps.
		// Should it have died, the clock does. Answers do not wait for that.
		p.a.pending.drop(p.i.ID)
	case answer.Disposition == adapters.Ignored && ownReply(p.i):
		p.answer(ctx, private("Done."), "Done.")
	default:
		p.answer(ctx, p.announce(answer.Private), "")
	}
}

// ownReply reports whether the acknowledgement makes a message: it does for
// commands and for forms that a command opened. Presses belong to a message.
func ownReply(i *interaction) bool { return i.Message == nil }

// announce is the acknowledgement that an answer will come. Whether that is
// private is settled with it.
func (p *answering) announce(private bool) map[string]any {
	if !ownReply(p.i) {
		return map[string]any{"type": responseDeferUpdate}
	}
	data := map[string]any{}
	if private {
		data["flags"] = flagEphemeral
	}
	return map[string]any{"type": responseDeferMessage, "data": data}
}

// private is a message that only the person sees, as an acknowledgement.
func private(words string, components ...any) map[string]any {
	return map[string]any{"type": responseMessage, "data": privateData(words, components...)}
}

func privateData(words string, components ...any) map[string]any {
	if components == nil {
		components = []any{}
	}
	return map[string]any{
		"content": short(plainDialect.Render(words), contentText), "flags": flagEphemeral,
		"allowed_mentions": mentions(""), "components": components,
	}
}

// byClock acknowledges an interaction whose handler takes too long. The answer
// is made private: what comes in public is then posted in the channel.
func (p *answering) byClock(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.over, p.late = true, true
	p.respond(ctx, p.announce(true))
}

// answer acknowledges; when the clock has done so before, words are told
// privately afterwards.
func (p *answering) answer(ctx context.Context, response map[string]any, words string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		p.over = true
		p.respond(ctx, response)
		return
	}
	if !p.late || words == "" {
		return
	}
	var err error
	if ownReply(p.i) {
		err = p.a.api.do(ctx, "PATCH", p.hook()+"/messages/@original", map[string]any{"content": plainDialect.Render(words)}, nil, nil)
	} else {
		err = p.a.api.do(ctx, "POST", p.hook(), privateData(words), nil, nil)
	}
	if err != nil {
		p.a.log.Error("somebody could not be told about an interaction", "interaction", p.i.ID, "error", err)
	}
}

func (p *answering) hook() string { return "webhooks/" + p.i.ApplicationID + "/" + p.i.Token }

// respond needs p.mu. It tries as long as Discord waits, and reports whether the
// interaction was acknowledged.
func (p *answering) respond(ctx context.Context, response map[string]any) bool {
	defer close(p.done)
	err := p.respondOnce(ctx, response)
	if err != nil {
		p.a.log.Error("an interaction was not acknowledged in time", "interaction", p.i.ID, "after", time.Since(p.came), "error", err)
	}
	return err == nil
}

func (p *answering) respondOnce(ctx context.Context, response map[string]any) error {
	ctx, cancel := context.WithDeadline(ctx, p.came.Add(ackLimit))
	defer cancel()
	for {
		err := p.a.api.do(ctx, "POST", "interactions/"+p.i.ID+"/"+p.i.Token+"/callback", response, nil, nil)
		wait := 50 * time.Millisecond
		var retry *adapters.RetryError
		var lost *lostError
		switch {
		case err == nil || refusedWith(err, codeAlreadyAnswered):
			return nil
		case errors.As(err, &retry):
			wait = retry.After
		case !errors.As(err, &lost) || ctx.Err() != nil:
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// event says what a person did. Problems are said when a form is filled in with
// what its fields cannot take.
func (a *Adapter) event(ctx context.Context, i *interaction) (adapters.Event, map[string]string) {
	who := i.person()
	place, thread := a.where(ctx, i.ChannelID, i.GuildID, who)
	e := adapters.Event{
		DeliveryID: i.ID, Adapter: a.name, Time: madeAt(i.ID), User: adapters.User{ID: who.ID, Name: who.Username, Bot: who.Bot},
		Channel: place, Thread: thread, Reply: makeHandle(i).String(), Opens: i.Type != interactionModal,
	}
	if i.Message != nil {
		e.Message = i.Message.ID
		if thread != "" {
			a.inThread.put(e.Message, thread)
		}
	}
	switch i.Type {
	case interactionCommand:
		e.Kind = adapters.CommandCalled
		e.Command, e.Options = a.sync.spoken(i.Data.Name, i.Data.Options)
		e.Text = commandText(e.Options)
	case interactionComponent:
		e.Kind = adapters.ButtonPressed
		e.Button, _, _ = strings.Cut(i.Data.CustomID, partMark)
		if len(i.Data.Values) > 0 {
			e.Choice = i.Data.Values[0]
		}
		if option, ok := strings.CutPrefix(i.Data.CustomID, optionMark); ok {
			e.Choice, e.Button, _ = strings.Cut(option, partMark)
		}
	case interactionModal:
		e.Kind, e.Form = adapters.FormSubmitted, i.Data.CustomID
		var problems map[string]string
		e.Values, problems = a.filledIn(i)
		return e, problems
	}
	return e, nil
}

// commandText is what follows the name of a command: its option named text, or
// its only one.
func commandText(options map[string]string) string {
	if text, ok := options["text"]; ok || len(options) != 1 {
		return text
	}
	for _, v := range options {
		return v
	}
	return ""
}

// handle is what Event.Reply carries: how an interaction can be answered.
type handle struct {
	own                           bool // the acknowledgement announced a message
	app, user, interaction, token string
}

func makeHandle(i *interaction) handle {
	return handle{own: ownReply(i), app: i.ApplicationID, user: i.person().ID, interaction: i.ID, token: i.Token}
}

func (h handle) String() string {
	kind := "press"
	if h.own {
		kind = "own"
	}
	return strings.Join([]string{kind, h.app, h.user, h.interaction, h.token}, " ")
}

func parseHandle(s string) (h handle, ok bool) {
	p := strings.Split(s, " ")
	if len(p) != 5 {
		return handle{}, false
	}
	return handle{own: p[0] == "own", app: p[1], user: p[2], interaction: p[3], token: p[4]}, true
}

// alive reports whether Discord still takes answers by the token.
func (h handle) alive() bool { return time.Since(madeAt(h.interaction)) < replyLimit }

func (h handle) hook() string { return "webhooks/" + h.app + "/" + h.token }
