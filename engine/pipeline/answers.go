package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/params"
	"petrel/store"
)

// maskAnswer hides the values that the schema of a question calls secret.
func maskAnswer(schema, answer json.RawMessage) json.RawMessage {
	form, err := params.CompileForm(schema)
	if err != nil {
		return json.RawMessage(`{}`)
	}
	v, err := parseResult(answer)
	if err != nil {
		return json.RawMessage(`{}`)
	}
	masked, err := value.AppendJSON(nil, form.Mask(v))
	if err != nil {
		return json.RawMessage(`{}`)
	}
	return masked
}

// maskAnswers hides what is secret in the result of an inquiry.
func maskAnswers(raw json.RawMessage) json.RawMessage {
	result, err := resultDict(raw)
	if err != nil {
		return raw
	}
	v, _ := result.GetString("schema")
	schema, err := value.AppendJSON(nil, v)
	if err != nil {
		return raw
	}
	form, err := params.CompileForm(schema)
	if err != nil {
		return raw
	}
	if answer, ok := result.GetString("response"); ok {
		result.SetString("response", form.Mask(answer))
	}
	if list, _ := result.GetString("responses"); list != nil {
		if l, ok := list.(*value.List); ok {
			for _, one := range l.Items {
				if d, ok := one.(*value.Dict); ok {
					answer, _ := d.GetString("response")
					d.SetString("response", form.Mask(answer))
				}
			}
		}
	}
	masked, err := value.AppendJSON(nil, result)
	if err != nil {
		return raw
	}
	return masked
}

func (s *Service) inquiry(ctx context.Context, id string) (q store.Doc[Inquiry], e store.Doc[engine.Execution], err error) {
	if e, err = s.execution(ctx, id); err != nil {
		return q, e, err
	}
	if q, err = Inquiries.Get(ctx, s.store, id); errors.Is(err, store.ErrNotFound) {
		err = engine.Errorf(engine.Invalid, "%s is not an inquiry", id)
	}
	return q, e, err
}

// Respond answers an inquiry. An inquiry with a quorum is pending until enough
// people have answered; an answer that says no to something that is required ends
// it at once. Errors are *engine.Error: NotFound, Forbidden for who may not answer,
// Invalid for an answer that does not fit or comes too late.
func (s *Service) Respond(ctx context.Context, id string, by Person, response json.RawMessage) (Inquiry, error) {
	for {
		q, e, err := s.inquiry(ctx, id)
		if err != nil {
			return q.Value, err
		}
		if err := q.Value.admits(&e.Value, by); err != nil {
			return q.Value, err
		}
		form, err := params.CompileForm(q.Value.Schema)
		if err != nil {
			return q.Value, engine.Errorf(engine.Invalid, "the inquiry %s cannot be answered: %v", id, err)
		}
		answer, err := form.Accept(response)
		if err != nil {
			return q.Value, engine.Errorf(engine.Invalid, "that answer does not fit: %v", err)
		}
		body, err := value.AppendJSON(nil, answer)
		if err != nil {
			return q.Value, err
		}
		q.Value.Answers = append(slices.Clone(q.Value.Answers), Answer{By: by.Name, Response: body, At: s.now()})
		var b store.Batch
		if err := Inquiries.Put(&b, q); err != nil {
			return q.Value, err
		}
		if len(q.Value.Answers) >= q.Value.need() || refuses(form, answer) {
			err = s.settle(ctx, &b, &q.Value, e, answer)
		}
		if err == nil {
			err = s.tellAsked(ctx, &b, &e.Value)
		}
		if err != nil {
			return q.Value, err
		}
		if err = s.record(ctx, &b); !errors.Is(err, store.ErrConflict) {
			return q.Value, err
		}
	}
}

// admits says why somebody cannot answer; nil when he can.
func (q *Inquiry) admits(e *engine.Execution, by Person) error {
	switch {
	case e.Status == engine.TimedOut:
		return engine.Errorf(engine.Invalid, "the inquiry %s has timed out and cannot be answered any more", q.ID)
	case e.Status.Completed() && len(q.Answers) > 0:
		return engine.Errorf(engine.Invalid, "the inquiry %s has been answered already, by %s", q.ID, q.Answers[len(q.Answers)-1].By)
	case e.Status != engine.Pending:
		return engine.Errorf(engine.Invalid, "the inquiry %s is %s and takes no answer", q.ID, e.Status)
	case len(q.Users) > 0 && !slices.Contains(q.Users, by.Name):
		return engine.Errorf(engine.Forbidden, "%s may not answer this; these may: %s", by.Name, strings.Join(q.Users, ", "))
	case len(q.Roles) > 0 && !overlap(q.Roles, by.Roles):
		return engine.Errorf(engine.Forbidden, "%s may not answer this; it needs one of the roles %s", by.Name, strings.Join(q.Roles, ", "))
	}
	for _, a := range q.Answers {
		if a.By == by.Name {
			return engine.Errorf(engine.Invalid, "%s has answered this already", by.Name)
		}
	}
	a := q.Approvers
	switch {
	case a == nil:
	case a.ExcludeRequester && by.Name == q.Requester:
		return engine.Errorf(engine.Forbidden, "%s asked for this and may not answer it too", by.Name)
	case len(a.Groups) > 0 && !overlap(a.Groups, by.Groups):
		return engine.Errorf(engine.Forbidden, "%s may not answer this; it needs somebody of %s", by.Name, strings.Join(a.Groups, ", "))
	}
	return nil
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// refuses reports whether an answer says no to something that is required.
func refuses(form *params.Form, answer *value.Dict) bool {
	for k, v := range form.Properties().All() {
		schema, ok := v.(*value.Dict)
		if !ok {
			continue
		}
		required, _ := schema.GetString("required")
		given, there := answer.Get(k)
		if value.Truth(required) && there && given == false {
			return true
		}
	}
	return false
}

// settle ends the execution of an inquiry with the answer that decided it.
func (s *Service) settle(ctx context.Context, b *store.Batch, q *Inquiry, d store.Doc[engine.Execution], answer *value.Dict) error {
	e := &d.Value
	raw, err := s.result(ctx, e)
	if err != nil {
		return err
	}
	result, err := resultDict(raw)
	if err != nil {
		return err
	}
	result.SetString("response", answer)
	if q.Approvers != nil {
		list := value.NewList()
		for _, a := range q.Answers {
			response, err := value.ParseJSON(a.Response)
			if err != nil {
				return err
			}
			list.Items = append(list.Items, value.DictOf("by", a.By, "response", response, "at", a.At.UTC().Format(viewTime)))
		}
		result.SetString("responses", list)
	}
	body, err := value.AppendJSON(nil, result)
	if err != nil {
		return err
	}
	if err := e.MoveTo(engine.Succeeded, s.now()); err != nil {
		return err
	}
	s.attachResult(b, e, body)
	return s.putExecution(b, d)
}
