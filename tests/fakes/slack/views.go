package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"petrel/adapters/adaptertest"
)

// view is a modal as the app describes it.
type view struct {
	Type     string      `json:"type"`
	Callback string      `json:"callback_id"`
	Private  string      `json:"private_metadata"`
	Title    *textObject `json:"title"`
	Submit   *textObject `json:"submit"`
	Close    *textObject `json:"close"`
	Blocks   []block     `json:"blocks"`
}

// openForm is one that is open before a person.
type openForm struct {
	id       string
	view     view
	problems map[string]string
	sent     bool // and not answered yet
}

func checkView(v view) error {
	bad := func(what string) error { return refuse("invalid_arguments", "[ERROR] "+what) }
	switch {
	case v.Type != "modal":
		return bad("type must be modal")
	case v.Title == nil || v.Title.Text == "" || len([]rune(v.Title.Text)) > 24:
		return bad("title must be 1 to 24 characters")
	case v.Submit != nil && (v.Submit.Text == "" || len([]rune(v.Submit.Text)) > 24):
		return bad("submit must be 1 to 24 characters")
	case v.Submit == nil && slices.ContainsFunc(v.Blocks, func(b block) bool { return b.Type == "input" }):
		return bad("submit is required when an input block is within the view")
	case len(v.Private) > 3000:
		return bad("private_metadata must be at most 3000 characters")
	case len(v.Callback) > maxIdentifier:
		return bad("callback_id must be at most 255 characters")
	}
	return check(v.Blocks, maxModal)
}

func (s *Server) openView(a args) (reply, error) {
	v, err := decode[view](a["view"], "invalid_arguments")
	if err != nil {
		return nil, err
	}
	t, ok := s.triggers[a["trigger_id"]]
	delete(s.triggers, a["trigger_id"])
	switch {
	case a["trigger_id"] == "":
		return nil, refuse("invalid_arguments", "[ERROR] missing required field: trigger_id")
	case !ok:
		return nil, refuse("exchanged_trigger_id")
	case time.Now().After(t.until) || s.refuseForms:
		return nil, refuse("expired_trigger_id")
	}
	if err := checkView(v); err != nil {
		return nil, err
	}
	t.person.form = &openForm{id: s.id("V"), view: v}
	t.person.formChanged()
	return reply{"view": reply{"id": t.person.form.id}}, nil
}

// Form waits until a form is open before a person, and answered when it was
// sent.
func (s *Server) Form(ctx context.Context, name string) (adaptertest.Dialog, error) {
	for {
		s.mu.Lock()
		p := s.personNamed(name)
		if f := p.form; f != nil && !f.sent {
			d := f.dialog()
			s.mu.Unlock()
			return d, nil
		}
		changed := p.forms
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return adaptertest.Dialog{}, fmt.Errorf("no form is open before %s: %w", name, ctx.Err())
		}
	}
}

func (f *openForm) dialog() adaptertest.Dialog {
	d := adaptertest.Dialog{Title: f.view.Title.Text, Values: map[string]string{}, Problems: map[string]string{}}
	for _, b := range f.view.Blocks {
		if b.Type != "input" {
			continue
		}
		d.Labels = append(d.Labels, b.Label.Text)
		value := b.Element.InitialValue
		if b.Element.Initial != nil {
			value = b.Element.Initial.Value
		}
		if len(b.Element.InitialOptions) > 0 {
			value = "true"
		}
		d.Values[nameOf(b.ID)] = value
	}
	for id, problem := range f.problems {
		d.Problems[nameOf(id)] = problem
	}
	return d
}

// Submit fills in the open form and sends it.
func (s *Server) Submit(name string, values map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.personNamed(name)
	f := p.form
	if f == nil {
		return fmt.Errorf("no form is open before %s", name)
	}
	values = maps.Clone(values)
	state := map[string]any{}
	for _, b := range f.view.Blocks {
		if b.Type != "input" {
			continue
		}
		value, given := values[nameOf(b.ID)]
		delete(values, nameOf(b.ID))
		filled, err := fill(b, value, given)
		if err != nil {
			return err
		}
		state[b.ID] = map[string]any{b.Element.ActionID: filled}
	}
	if len(values) > 0 {
		return fmt.Errorf("the form has no inputs for %v", values)
	}
	raw, err := json.Marshal(f.view)
	if err != nil {
		return err
	}
	var sent map[string]any
	if err := json.Unmarshal(raw, &sent); err != nil {
		return err
	}
	sent["id"], sent["hash"], sent["state"] = f.id, s.id("H"), map[string]any{"values": state}
	payload := map[string]any{
		"type": "view_submission", "team": map[string]any{"id": teamID}, "api_app_id": "A0FAKE", "token": "legacy", "trigger_id": s.trigger(p),
		"user": map[string]any{"id": p.ID, "username": p.Name, "name": p.Name}, "view": sent, "response_urls": []any{},
	}
	f.sent = true
	s.wire.Go(func() { s.submitted(p, f, payload) })
	return nil
}

// fill is the state of one input, as Slack sends it.
func fill(b block, value string, given bool) (map[string]any, error) {
	state := map[string]any{"type": b.Element.Type}
	switch b.Element.Type {
	case "plain_text_input":
		if !given {
			value = b.Element.InitialValue
		}
		state["value"] = nil
		if value != "" {
			state["value"] = value
		} else if !b.Optional {
			return nil, fmt.Errorf("%s: please complete this required field", b.Label.Text)
		}
	case "static_select":
		state["selected_option"] = nil
		if i := slices.IndexFunc(b.Element.Options, func(o option) bool { return o.Value == value }); i >= 0 {
			state["selected_option"] = b.Element.Options[i]
		} else if value != "" {
			return nil, fmt.Errorf("%s has no option %s", b.Label.Text, value)
		}
	case "checkboxes":
		chosen := []option{}
		if value == "true" {
			chosen = b.Element.Options[:1]
		}
		state["selected_options"] = chosen
	}
	return state, nil
}

func (s *Server) submitted(p *person, f *openForm, payload map[string]any) {
	body, ok := s.deliver(interactive, payload, 0, "", 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer p.formChanged()
	f.sent = false
	if !ok {
		p.tell("We had some trouble connecting. Try again?")
		return
	}
	var a struct {
		Action string            `json:"response_action"`
		Errors map[string]string `json:"errors"`
		View   *view             `json:"view"`
	}
	if len(body) > 0 && json.Unmarshal(body, &a) != nil {
		p.tell("We had some trouble connecting. Try again?")
		return
	}
	switch a.Action {
	case "errors":
		for id := range a.Errors {
			if !slices.ContainsFunc(f.view.Blocks, func(b block) bool { return b.ID == id && b.Type == "input" }) {
				p.tell("We had some trouble connecting. Try again?")
				return
			}
		}
		f.problems = a.Errors
		for _, problem := range a.Errors {
			p.tell(problem)
		}
	case "update":
		if a.View != nil && checkView(*a.View) == nil {
			f.view, f.problems = *a.View, nil
		}
	default:
		p.form = nil
	}
}

func (p *person) formChanged() {
	select {
	case p.forms <- struct{}{}:
	default: // nobody waits
	}
}

// nameOf is the name of an input in a block_id of the app's: what follows the
// first colon.
func nameOf(id string) string {
	for i, r := range id {
		if r == ':' {
			return id[i+1:]
		}
	}
	return id
}
