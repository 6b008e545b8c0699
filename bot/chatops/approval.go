package chatops

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"petrel/adapters"
	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/pipeline"
	"petrel/store"
)

// verbRespond answers an inquiry: a question that an action or a workflow asks
// people. Who may answer, and that nobody does twice, is the engine's matter; the
// message is brought up to date by the notices that it sends.
const verbRespond = "respond"

// inquiring is the Data of the interaction of an inquiry.
type inquiring struct {
	Inquiry string `json:"inquiry"` // ID of the execution that asks
	Told    int    `json:"told"`    // answers that the message shows
}

// forEver is how long an inquiry without an end can be answered here.
const forEver = 10 * 365 * 24 * time.Hour

// tellInquiry brings the message about an inquiry up to date: it asks, shows who
// answered what, and how it ended. A notice without news is a reminder.
func (c *Chat) tellInquiry(ctx context.Context, item store.Item, n pipeline.Notice) error {
	var p place
	if err := json.Unmarshal(n.Detail, &p); err != nil {
		return fmt.Errorf("%w: unreadable origin: %w", errUndeliverable, err)
	}
	// The answers to the command may be for one person; who is asked must see this.
	if p.Pointer != nil {
		p.To, p.Pointer = *p.Pointer, nil
	}
	p.To.Private = ""
	q, e, err := c.service.Inquiry(ctx, n.Execution)
	if err != nil {
		return err
	}
	d, fresh, err := c.inquiryRecord(ctx, &q, p)
	if err != nil {
		return err
	}
	var about inquiring
	if err := json.Unmarshal(d.Value.Data, &about); err != nil {
		return fmt.Errorf("interaction %s: %w", d.ID, err)
	}
	before := d.Value.Shown.Content
	m := c.inquiryMessage(&q, &e, d, p)
	switch {
	case d.Value.Shown.Ref.Message == "":
		if d.Value.Shown.Ref, err = c.send(ctx, p.Adapter, m); err != nil {
			return err
		}
		// An earlier try may have sent it as it stood then, and not got to record it.
		if !fresh && c.shows(p.Adapter).Edit {
			err = c.utter(ctx, post{Adapter: p.Adapter, Message: m, Ref: &d.Value.Shown.Ref})
		}
		if err != nil {
			return err
		}
	case !same(before, m):
		if err := c.utter(ctx, post{Adapter: p.Adapter, Message: m, Ref: &d.Value.Shown.Ref}); err != nil {
			return err
		}
	case e.Status == engine.Pending && !fresh:
		reminder := adapters.Message{
			To: p.To, Key: fmt.Sprintf("%s/remind/%d", item.ID, item.Pushed.UnixNano()),
			Blocks: []adapters.Block{paragraph("Still waiting for an answer: %s", c.inquiryText(&q))},
		}
		if _, err := c.send(ctx, p.Adapter, reminder); err != nil {
			return err
		}
	}
	d.Value.Shown.Content, about.Told = m, len(q.Answers)
	if d.Value.Data, err = json.Marshal(about); err != nil {
		return err
	}
	b := store.Batch{Acks: []store.Item{item}}
	if err := Interactions.Put(&b, d); err != nil {
		return err
	}
	return c.store.Commit(ctx, &b)
}

// same compares messages by what is kept of them.
func same(a, b adapters.Message) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// inquiryRecord returns the interaction of an inquiry; it is made before
// anything is shown.
func (c *Chat) inquiryRecord(ctx context.Context, q *pipeline.Inquiry, p place) (d store.Doc[Interaction], fresh bool, err error) {
	id := engine.DeriveID(q.ID, "chat")
	if d, err = Interactions.Get(ctx, c.store, id); err == nil || !errors.Is(err, store.ErrNotFound) {
		return d, false, err
	}
	data, err := json.Marshal(inquiring{Inquiry: q.ID})
	if err != nil {
		return d, false, err
	}
	d = store.Doc[Interaction]{ID: id, Value: Interaction{
		Verb: verbRespond, Place: p, Data: data, Shown: &message{}, Expires: c.now().Add(forEver),
	}}
	if q.ExpiresAt != nil {
		d.Value.Expires = *q.ExpiresAt
	}
	d.Value.Options = inquiryOptions(q)
	var b store.Batch
	if err := Interactions.Put(&b, d); err != nil {
		return d, false, err
	}
	if err := c.store.Commit(ctx, &b); err != nil {
		return d, false, err
	}
	d.Rev = 1
	return d, true, nil
}

// inquiryOptions are the buttons of an inquiry: two for a schema with one truth
// value, one for each choice of a schema with one list, else one that opens a
// form.
func inquiryOptions(q *pipeline.Inquiry) []option {
	fields := inquiryFields(q)
	if yes := theBoolean(fields); yes != nil {
		return []option{
			{Label: "Approve", Style: "primary", Data: response(yes.Name, true)},
			{Label: "Refuse", Style: "danger", Data: response(yes.Name, false)},
		}
	}
	if len(fields) == 1 && len(fields[0].Enum) > 0 && len(fields[0].Enum) <= maxCommandOptions {
		var list []option
		for _, v := range fields[0].Enum {
			list = append(list, option{Label: v, Data: response(fields[0].Name, v)})
		}
		return list
	}
	return []option{{Label: "Answer", Style: "primary"}}
}

func response(name string, v any) json.RawMessage {
	body, err := json.Marshal(map[string]any{name: v})
	if err != nil { // a text and a text or truth value always encode
		panic(err)
	}
	return body
}

// inquiryFields are the properties that an answer has.
func inquiryFields(q *pipeline.Inquiry) []parameter {
	var schema struct {
		Properties json.RawMessage `json:"properties"`
		Required   json.RawMessage `json:"required"` // a list, where the schema is newer than draft 4's
	}
	if json.Unmarshal(q.Schema, &schema) != nil {
		return nil
	}
	fields := readFields(nil, schema.Properties, true)
	var required []string
	if json.Unmarshal(schema.Required, &required) == nil {
		for i := range fields {
			fields[i].Required = fields[i].Required || slices.Contains(required, fields[i].Name)
		}
	}
	return fields
}

// theBoolean is the property that says yes or no: the only truth value.
func theBoolean(fields []parameter) *parameter {
	var found *parameter
	for i := range fields {
		if fields[i].Type != "boolean" {
			continue
		}
		if found != nil {
			return nil
		}
		found = &fields[i]
	}
	return found
}

// inquiryText is the question.
func (c *Chat) inquiryText(q *pipeline.Inquiry) string {
	if q.Message != "" {
		return q.Message
	}
	var lines []string
	for _, f := range inquiryFields(q) {
		lines = append(lines, strings.TrimSpace(f.Description+" (`"+f.Name+"`)"))
	}
	return strings.Join(lines, "\n")
}

// inquiryMessage shows an inquiry as it stands.
func (c *Chat) inquiryMessage(q *pipeline.Inquiry, e *engine.Execution, d store.Doc[Interaction], p place) adapters.Message {
	m := adapters.Message{To: p.To, Key: q.ID + "/inquiry", State: adapters.StateAsking}
	fields := []adapters.Field{{Name: "asked on behalf of", Value: q.Requester}}
	if who := whoMayAnswer(q); who != "" {
		fields = append(fields, adapters.Field{Name: "who may answer", Value: who})
	}
	need := 1
	if q.Approvers != nil {
		need = max(q.Approvers.Count, 1)
	}
	if need > 1 {
		fields = append(fields, adapters.Field{Name: "answers", Value: fmt.Sprintf("%d of %d", len(q.Answers), need)})
	}
	if q.ExpiresAt != nil && e.Status == engine.Pending {
		fields = append(fields, adapters.Field{Name: "until", Value: q.ExpiresAt.UTC().Format("2006-01-02 15:04") + " UTC"})
	}
	m.Blocks = []adapters.Block{
		{Kind: adapters.Heading, Text: "An answer is needed"}, paragraph("%s", c.inquiryText(q)), {Kind: adapters.Fields, Fields: fields},
	}
	yes := theBoolean(inquiryFields(q))
	for _, a := range q.Answers {
		m.Blocks = append(m.Blocks, paragraph("%s", answerLine(a, yes)))
	}
	if e.Status == engine.Pending {
		m.Blocks = append(m.Blocks, paragraph("It waits for an answer (inquiry `%s`).", q.ID))
		c.offerAnswers(&m, d)
		return m
	}
	m.Blocks[0].Text = "Answered"
	m.State = adapters.StateNone
	if len(q.Answers) == 0 || e.Status != engine.Succeeded {
		m.Blocks[0].Text = "Not answered"
		m.Blocks = append(m.Blocks, paragraph("It is %s.", e.Status))
	}
	return m
}

// offerAnswers adds the buttons, or says how else to answer.
func (c *Chat) offerAnswers(m *adapters.Message, d store.Doc[Interaction]) {
	shows := c.shows(d.Value.Place.Adapter)
	options := d.Value.Options
	byForm := len(options) == 1 && options[0].Data == nil
	switch {
	case !shows.Buttons || byForm && !shows.Forms:
		m.Blocks = append(m.Blocks, paragraph("This chat cannot take the answer; use `petrel inquiry respond`."))
	case len(options) > maxButtons && shows.Selects:
		m.Selects = []adapters.Select{{ID: asked + ":" + d.ID, Label: "Answer", Options: selectOptions(options)}}
	default:
		for i, o := range options {
			m.Buttons = append(m.Buttons, adapters.Button{ID: fmt.Sprintf("%s:%s:%d", asked, d.ID, i), Label: o.Label, Style: o.Style})
		}
	}
}

func whoMayAnswer(q *pipeline.Inquiry) string {
	var who []string
	if len(q.Users) > 0 {
		who = append(who, strings.Join(q.Users, ", "))
	}
	if len(q.Roles) > 0 {
		who = append(who, "role "+strings.Join(q.Roles, ", "))
	}
	if a := q.Approvers; a != nil && len(a.Groups) > 0 {
		who = append(who, "group "+strings.Join(a.Groups, ", "))
	}
	if a := q.Approvers; a != nil && a.ExcludeRequester {
		who = append(who, "not "+q.Requester)
	}
	return strings.Join(who, "; ")
}

// answerLine says who decided what, and why when they said so.
func answerLine(a pipeline.Answer, yes *parameter) string {
	v, err := value.ParseJSON(a.Response)
	d, ok := v.(*value.Dict)
	if err != nil || !ok {
		return "*" + a.By + "* answered."
	}
	line := "*" + a.By + "* answered"
	var rest []string
	for k, v := range d.All() {
		name := value.Str(k)
		switch {
		case yes != nil && name == yes.Name && v == true:
			line = "*" + a.By + "* approved"
		case yes != nil && name == yes.Name:
			line = "*" + a.By + "* refused"
		default:
			rest = append(rest, inline(name+": "+value.Str(v)))
		}
	}
	line += " at " + a.At.UTC().Format("15:04") + " UTC"
	if len(rest) > 0 {
		line += " (" + strings.Join(rest, "; ") + ")"
	}
	return line + "."
}

// mayRespond leaves the judgement to the engine, which knows who is asked.
func (c *Chat) mayRespond(context.Context, *press) (string, error) { return "", nil }

// actRespond opens the form for what a button does not say, or answers.
func (c *Chat) actRespond(ctx context.Context, p *press) (reaction, error) {
	var about inquiring
	if err := json.Unmarshal(p.record.Value.Data, &about); err != nil {
		return reaction{}, fmt.Errorf("interaction %s: %w", p.record.ID, err)
	}
	q, _, err := c.service.Inquiry(ctx, about.Inquiry)
	if err != nil {
		return reaction{}, err
	}
	if slices.ContainsFunc(q.Answers, func(a pipeline.Answer) bool { return a.By == p.who.User }) {
		return reaction{answer: adapters.Answer{Disposition: adapters.Duplicate, Note: "You have answered this already."}}, nil
	}
	answer, open, problems := c.readAnswer(p, inquiryFields(&q))
	if len(problems) > 0 {
		return reaction{answer: adapters.Answer{Problems: problems}}, nil
	}
	if open != nil {
		open.Title, open.Text = "Answer", c.inquiryText(&q)
		return reaction{answer: adapters.Answer{Disposition: adapters.Accepted, Form: open}}, nil
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return reaction{}, err
	}
	by := pipeline.Person{Name: p.who.User, Groups: p.who.Groups, Roles: p.who.Groups}
	if _, err := c.service.Respond(ctx, about.Inquiry, by, body); err != nil {
		return reaction{}, err
	}
	return reaction{answer: adapters.Answer{Disposition: adapters.Accepted}}, nil
}

// readAnswer takes the answer from a button, or from a form that a button with a
// part of the answer has opened. A form that has to be opened first is returned.
func (c *Chat) readAnswer(p *press, fields []parameter) (answer map[string]any, open *adapters.Form, problems map[string]string) {
	answer = map[string]any{}
	id := asked + ":" + p.record.ID
	chosen := p.option
	if p.event.Kind == adapters.ButtonPressed {
		id = fmt.Sprintf("%s:%d", id, p.choice)
	}
	if chosen != nil && chosen.Data != nil && json.Unmarshal(chosen.Data, &answer) != nil {
		answer = map[string]any{}
	}
	rest := slices.DeleteFunc(slices.Clone(fields), func(f parameter) bool { _, known := answer[f.Name]; return known })
	rest = rest[:min(len(rest), maxInputs)]
	if p.event.Kind != adapters.FormSubmitted {
		if len(rest) == 0 || !p.event.Opens {
			return answer, nil, nil
		}
		open = &adapters.Form{ID: id}
		for _, f := range rest {
			open.Inputs = append(open.Inputs, f.input())
		}
		return nil, open, nil
	}
	problems = map[string]string{}
	for _, f := range rest {
		text := f.tidy(p.event.Values[f.Name])
		if problem := f.problem(text); problem != "" {
			problems[f.Name] = problem
		} else if text != "" {
			answer[f.Name] = f.value(text)
		}
	}
	return answer, nil, problems
}
