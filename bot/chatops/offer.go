package chatops

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"petrel/adapters"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
)

// The verbs of what chat actions offer: buttons that say a command, and a button
// that opens a form.
const (
	verbSay  = "say"
	verbForm = "form"
)

// offered is the Data of both.
type offered struct {
	Execution string          `json:"execution"` // of the action that offers it
	Once      bool            `json:"once,omitempty"`
	Name      string          `json:"name,omitempty"` // of the form
	Form      *adapters.Form  `json:"form,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"` // passed on with what was filled in
}

// offerLasts is how long what an action offers can be taken up, unless it says
// otherwise, and longestOffer how long at most.
const (
	offerLasts   = 7 * 24 * time.Hour
	longestOffer = 365 * 24 * time.Hour
)

// commandButtons makes the buttons of a message: each says a command in the name
// of whoever presses it, so whoever may type the command may press.
func (c *Chat) commandButtons(_ context.Context, d *deed, raw json.RawMessage) ([]adapters.Button, error) {
	var wanted []struct {
		Label   string `json:"label"`
		Command string `json:"command"`
		Style   string `json:"style"`
		Confirm string `json:"confirm"`
	}
	if err := json.Unmarshal(raw, &wanted); err != nil {
		return nil, cannot("buttons must be a list of {label: ..., command: ...}: %v", err)
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	if len(wanted) > 25 {
		return nil, cannot("there are %d buttons; at most 25 are shown", len(wanted))
	}
	id := engine.DeriveID(d.job.Execution.ID, "buttons")
	i := Interaction{Verb: verbSay}
	var buttons []adapters.Button
	for n, w := range wanted {
		w.Label, w.Command = strings.TrimSpace(w.Label), strings.TrimSpace(w.Command)
		if w.Label == "" || w.Command == "" {
			return nil, cannot("button %d needs a label and a command, as people would type it, without prefix", n+1)
		}
		i.Options = append(i.Options, option{Label: w.Label, Style: w.Style, Command: &command{Text: w.Command}})
		buttons = append(buttons, adapters.Button{ID: fmt.Sprintf("%s:%s:%d", asked, id, n), Label: w.Label, Style: w.Style, Confirm: w.Confirm})
	}
	return buttons, d.offer(id, i, offered{Execution: d.job.Execution.ID, Once: d.flag("once")})
}

// offer keeps an interaction until its message is sent.
func (d *deed) offer(id string, i Interaction, data offered) error {
	body, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode what is offered: %w", err)
	}
	i.Data = body
	i.Expires = d.chat.now().Add(d.lasts())
	d.offers = append(d.offers, store.Doc[Interaction]{ID: id, Rev: store.AnyRev, Value: i})
	return nil
}

// lasts is for how long an offer stands: the parameter expires, in seconds.
func (d *deed) lasts() time.Duration {
	raw, err := d.raw("expires")
	var seconds float64
	if err != nil || json.Unmarshal(raw, &seconds) != nil || seconds <= 0 {
		return offerLasts
	}
	return time.Duration(min(seconds, longestOffer.Seconds()) * float64(time.Second))
}

// record keeps what a message offers, before it is sent.
func (d *deed) record(ctx context.Context, m adapters.Message) error {
	if len(d.offers) == 0 {
		return nil
	}
	var b store.Batch
	for _, doc := range d.offers {
		doc.Value.Place = place{Adapter: d.adapter.Name(), To: m.To}
		shown := m
		shown.Files = nil
		doc.Value.Shown = &message{Content: shown}
		if err := Interactions.Put(&b, doc); err != nil {
			return err
		}
	}
	return d.chat.store.Commit(ctx, &b)
}

func offeredBy(d store.Doc[Interaction]) (offered, error) {
	var o offered
	if err := json.Unmarshal(d.Value.Data, &o); err != nil {
		return o, fmt.Errorf("interaction %s: %w", d.ID, err)
	}
	return o, nil
}

// mayTakeUp lets everybody who sees an offer take it up. The command that a
// button says is judged as if it had been typed.
func (c *Chat) mayTakeUp(context.Context, *press) (string, error) { return "", nil }

// actSay says the command of a button in the name of who pressed it.
func (c *Chat) actSay(ctx context.Context, p *press) (reaction, error) {
	o, err := offeredBy(p.record)
	if err != nil {
		return reaction{}, err
	}
	if p.option == nil || p.option.Command == nil {
		return reaction{}, engine.Errorf(engine.Invalid, "there is nothing to choose here")
	}
	e := p.event
	cmd := command{
		Adapter: e.Adapter, DeliveryID: e.DeliveryID, User: e.User, Channel: e.Channel,
		Thread: e.Thread, Message: e.Message, Text: p.option.Command.Text,
	}
	c.match(&cmd)
	key := p.key
	if o.Once {
		key = "interaction/" + p.record.ID
	}
	answer, err := c.enqueue(ctx, cmd, placeOf(e), key)
	r := reaction{answer: answer}
	if o.Once {
		r.done = p.option.Label
	}
	return r, err
}

// actForm opens a form, or takes it in.
func (c *Chat) actForm(ctx context.Context, p *press) (reaction, error) {
	o, err := offeredBy(p.record)
	if err != nil {
		return reaction{}, err
	}
	switch {
	case o.Form == nil:
		return reaction{}, engine.Errorf(engine.Invalid, "this form is not there any more")
	case p.event.Kind == adapters.FormSubmitted:
		return c.takeIn(ctx, p, o)
	case !p.event.Opens:
		return reaction{answer: adapters.Answer{Note: "The chat did not let a form be opened. Try again."}}, nil
	}
	opened := *o.Form
	opened.ID = asked + ":" + p.record.ID
	return reaction{answer: adapters.Answer{Disposition: adapters.Accepted, Form: &opened}}, nil
}

// takeIn makes an event of a form that was filled in.
func (c *Chat) takeIn(ctx context.Context, p *press, o offered) (reaction, error) {
	if problems := problemsOf(o.Form, p.event.Values); len(problems) > 0 {
		return reaction{answer: adapters.Answer{Problems: problems}}, nil
	}
	e := p.event
	payload, err := json.Marshal(map[string]any{
		"form": o.Name, "answers": e.Values, "data": o.Data, "adapter": e.Adapter, "user": e.User, "channel": e.Channel,
		"message": e.Message, "execution_id": o.Execution,
	})
	if err != nil {
		return reaction{}, fmt.Errorf("encode a form: %w", err)
	}
	key := p.key
	if o.Once {
		key = "interaction/" + p.record.ID
	}
	receipt, err := c.service.Dispatch(ctx, pipeline.Dispatch{
		Trigger: engine.TriggerChatForm, Lane: engine.LaneChat, Payload: payload, DeliveryID: key, TraceTag: traceTag(key),
	})
	if err != nil {
		return reaction{}, err
	}
	r := reaction{answer: adapters.Answer{Disposition: adapters.Ignored, Note: "Thank you, it was sent."}}
	if receipt.Duplicate {
		r.answer = adapters.Answer{Disposition: adapters.Duplicate}
	}
	if o.Once {
		r.done, r.last = "filled in", true
	}
	return r, nil
}

// problemsOf says what is wrong with what was filled in, whatever the platform
// has checked.
func problemsOf(f *adapters.Form, values map[string]string) map[string]string {
	problems := map[string]string{}
	for _, in := range f.Inputs {
		v := values[in.Name]
		switch {
		case v == "" && in.Required:
			problems[in.Name] = "is required"
		case v != "" && in.Kind == adapters.ChoiceInput && !offersOption(in.Options, v):
			problems[in.Name] = "is none of the choices"
		}
	}
	return problems
}

func offersOption(options []adapters.Option, v string) bool {
	for _, o := range options {
		if o.Value == v {
			return true
		}
	}
	return false
}

// doOpenForm posts a message with a button that opens a form. What is filled in
// becomes an event of type core.chat.form.
func (c *Chat) doOpenForm(ctx context.Context, d *deed) (map[string]any, error) {
	channel, err := d.channel()
	if err != nil {
		return nil, err
	}
	if can := d.adapter.Capabilities(); !can.Forms || !can.Buttons {
		return nil, cannot("the chat %s has no forms", d.adapter.Name())
	}
	f, err := d.form()
	if err != nil {
		return nil, err
	}
	data, err := d.raw("data")
	if err != nil {
		return nil, err
	}
	m := adapters.Message{To: adapters.Target{Channel: channel, Thread: d.text("thread")}, Blocks: authored(d.text("message"))}
	if user := d.text("user"); user != "" {
		if m.Mention, err = d.who(ctx, user); err != nil {
			return nil, err
		}
	}
	label := d.text("label")
	if label == "" {
		label = "Fill in"
	}
	id := engine.DeriveID(d.job.Execution.ID, "form")
	m.Buttons = []adapters.Button{{ID: fmt.Sprintf("%s:%s:0", asked, id), Label: label, Style: "primary"}}
	i := Interaction{Verb: verbForm, Options: []option{{Label: label}}}
	if err := d.offer(id, i, offered{Execution: d.job.Execution.ID, Once: d.flag("once"), Name: d.text("form"), Form: f, Data: data}); err != nil {
		return nil, err
	}
	return d.send(ctx, m)
}

// form reads the form that the parameters describe.
func (d *deed) form() (*adapters.Form, error) {
	raw, err := d.raw("fields")
	if err != nil {
		return nil, err
	}
	var fields []struct {
		adapters.Input
		Options []json.RawMessage `json:"options"`
	}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, cannot("fields must be a list of {name: ..., label: ..., kind: ...}: %v", err)
	}
	if len(fields) == 0 || len(fields) > maxInputs {
		return nil, cannot("there are %d fields; every chat shows 1 to %d", len(fields), maxInputs)
	}
	f := &adapters.Form{Title: d.text("title"), Text: d.text("text"), Submit: d.text("submit")}
	if f.Title == "" {
		f.Title = "Form"
	}
	for n, field := range fields {
		in := field.Input
		in.Options = nil
		if in.Name == "" || strings.ContainsFunc(in.Name, notWord) {
			return nil, cannot("field %d needs a name of letters, digits and _", n+1)
		}
		if in.Label == "" {
			in.Label = in.Name
		}
		for _, o := range field.Options {
			var choice adapters.Option
			if json.Unmarshal(o, &choice.Value) == nil {
				choice.Label = choice.Value
			} else if err := json.Unmarshal(o, &choice); err != nil || choice.Value == "" {
				return nil, cannot("an option of %s must be text, or {value: ..., label: ...}", in.Name)
			}
			in.Options = append(in.Options, choice)
		}
		switch in.Kind {
		case "":
			in.Kind = adapters.TextInput
			if len(in.Options) > 0 {
				in.Kind = adapters.ChoiceInput
			}
		case adapters.TextInput, adapters.AreaInput, adapters.BooleanInput:
		case adapters.ChoiceInput:
			if len(in.Options) == 0 {
				return nil, cannot("the field %s is a choice without options", in.Name)
			}
		default:
			return nil, cannot("the field %s has the kind %q; there are text, area, choice and boolean", in.Name, in.Kind)
		}
		f.Inputs = append(f.Inputs, in)
	}
	return f, nil
}

func notWord(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}
