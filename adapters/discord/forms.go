package discord

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// Limits of forms, which Discord calls modals.
const (
	formTitle  = 45
	formLabel  = 45
	formHint   = 100
	formInputs = 5
	formValue  = 4000
)

// againMark begins the ID of the button that opens a form once more.
const againMark = "petrel-form-again:"

// openForm is a form as it was opened for somebody.
type openForm struct {
	form  adapters.Form
	typed map[string]string // what was filled in before, as typed
}

func formKey(form, person string) string { return person + "/" + form }

// open shows a form in place of an acknowledgement.
func (p *answering) open(ctx context.Context, form adapters.Form, typed map[string]string) {
	const refused = "The form could not be opened. Please try again."
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		p.answer(ctx, nil, refused)
		return
	}
	p.over = true
	if n := len(form.Inputs); n > formInputs {
		p.a.log.Warn("a form has more fields than Discord shows", "form", form.Title, "fields", n, "shown", formInputs)
	}
	p.a.forms.put(formKey(form.ID, p.i.person().ID), openForm{form: form})
	err := p.respondOnce(ctx, map[string]any{"type": responseModal, "data": modal(form, typed)})
	if err != nil {
		p.a.log.Error("a form could not be opened", "form", form.Title, "error", err)
		p.respond(ctx, private(refused))
	} else {
		close(p.done)
	}
	p.mu.Unlock()
}

// modal is a form in Discord's words. All inputs are lines or areas of text; the
// ID of an input is its name.
func modal(form adapters.Form, typed map[string]string) map[string]any {
	title := markup.Shorten(markup.OneLine(form.Title), formTitle)
	if title == "" {
		title = "Form"
	}
	note := markup.OneLine(form.Text)
	var rows []any
	for _, in := range shownInputs(form) {
		hint := hintOf(in)
		value, again := typed[in.Name]
		if !again {
			value = prefilled(in)
		}
		if hint == "" && value == "" && note != "" {
			hint, note = note, ""
		}
		style := 1
		if in.Kind == adapters.AreaInput {
			style = 2
		}
		input := map[string]any{
			"type": 4, "custom_id": in.Name, "label": labelOf(in), "style": style,
			"required": in.Required, "max_length": formValue,
		}
		if value != "" {
			input["value"] = markup.Shorten(value, formValue)
		}
		if hint != "" {
			input["placeholder"] = markup.Shorten(hint, formHint)
		}
		rows = append(rows, map[string]any{"type": 1, "components": []any{input}})
	}
	return map[string]any{"custom_id": form.ID, "title": title, "components": rows}
}

// shownInputs are the inputs that there is room for: those that must be filled in
// come before those that need not. The others keep what is filled in already.
func shownInputs(form adapters.Form) []adapters.Input {
	if len(form.Inputs) == 0 { // Discord has no form without an input
		return []adapters.Input{{Name: "_", Label: "Anything to add?", Kind: adapters.TextInput}}
	}
	shown := slices.Clone(form.Inputs)
	for i := len(shown) - 1; i >= 0 && len(shown) > formInputs; i-- {
		if !shown[i].Required {
			shown = slices.Delete(shown, i, i+1)
		}
	}
	return shown[:min(len(shown), formInputs)]
}

// labelOf is what stands above an input; it says what may be written when there
// is room.
func labelOf(in adapters.Input) string {
	label := markup.OneLine(in.Label)
	if label == "" {
		label = in.Name
	}
	long := label
	switch in.Kind {
	case adapters.ChoiceInput:
		long = fmt.Sprintf("%s (%s)", label, strings.Join(optionLabels(in), " / "))
	case adapters.BooleanInput:
		long = label + " (yes / no)"
	}
	if len([]rune(long)) <= formLabel {
		return long
	}
	return markup.Shorten(label, formLabel)
}

func hintOf(in adapters.Input) string {
	help := markup.OneLine(in.Help)
	switch in.Kind {
	case adapters.ChoiceInput:
		return strings.TrimSpace("one of: " + strings.Join(optionLabels(in), ", ") + ". " + help)
	case adapters.BooleanInput:
		return strings.TrimSpace("yes or no. " + help)
	}
	return help
}

func optionLabels(in adapters.Input) []string {
	var all []string
	for _, o := range in.Options {
		label := markup.OneLine(o.Label)
		if label == "" {
			label = o.Value
		}
		all = append(all, label)
	}
	return all
}

func prefilled(in adapters.Input) string {
	switch in.Kind {
	case adapters.ChoiceInput:
		for i, o := range in.Options {
			if o.Value == in.Value && in.Value != "" {
				return optionLabels(in)[i]
			}
		}
	case adapters.BooleanInput:
		switch in.Value {
		case "true":
			return "yes"
		case "false":
			return "no"
		}
	}
	return in.Value
}

// typedIn is what a form came back with, as typed.
func typedIn(i *interaction) map[string]string {
	values := map[string]string{}
	for _, row := range i.Data.Rows {
		for _, c := range row.Components {
			values[c.CustomID] = c.Value
		}
	}
	return values
}

// filledIn turns what was typed into the values of the inputs, and says what
// does not fit. Of a form that was opened by another process nothing is known:
// its values are as typed.
func (a *Adapter) filledIn(i *interaction) (values, problems map[string]string) {
	typed := typedIn(i)
	known, ok := a.forms.get(formKey(i.Data.CustomID, i.person().ID))
	if !ok {
		return typed, nil
	}
	values, problems = map[string]string{}, map[string]string{}
	for _, in := range known.form.Inputs {
		text, given := typed[in.Name]
		switch v, problem := meaning(in, text); {
		case !given:
			values[in.Name] = in.Value // there was no room to show it
		case problem != "":
			problems[in.Name] = problem
		default:
			values[in.Name] = v
		}
	}
	return values, problems
}

// meaning is the value that a text stands for in an input.
func meaning(in adapters.Input, text string) (value, problem string) {
	word := strings.TrimSpace(text)
	switch in.Kind {
	case adapters.ChoiceInput:
		if word == "" && !in.Required {
			return "", ""
		}
		for i, o := range in.Options {
			if strings.EqualFold(word, o.Value) || strings.EqualFold(word, optionLabels(in)[i]) {
				return o.Value, ""
			}
		}
		return "", "write one of: " + strings.Join(optionLabels(in), ", ")
	case adapters.BooleanInput:
		switch strings.ToLower(word) {
		case "true", "yes", "y", "on", "1":
			return "true", ""
		case "false", "no", "n", "off", "0", "":
			return "false", ""
		}
		return "", "write yes or no"
	}
	return text, ""
}

// refuse tells what is wrong with a submitted form, privately, with a button
// that opens it again as it was filled in: Discord has closed it, and opens no
// form in answer to one.
func (a *Adapter) refuse(ctx context.Context, p *answering, e adapters.Event, problems map[string]string) {
	known, ok := a.forms.get(formKey(e.Form, p.i.person().ID))
	labels := map[string]string{}
	for _, in := range known.form.Inputs {
		labels[in.Name] = in.Label
	}
	var words strings.Builder
	words.WriteString("That was not taken:\n")
	for _, name := range slices.Sorted(maps.Keys(problems)) {
		label := labels[name]
		if label == "" {
			label = name
		}
		if label != "" {
			label = "*" + markup.OneLine(label) + "*: "
		}
		words.WriteString(label + problems[name] + "\n")
	}
	text := strings.TrimSpace(words.String())
	if !ok {
		p.answer(ctx, private(text), text)
		return
	}
	id := rand.Text()
	a.again.put(id, openForm{form: known.form, typed: typedIn(p.i)})
	button := map[string]any{"type": 2, "style": 1, "label": "Open the form again", "custom_id": againMark + id}
	p.answer(ctx, private(text, map[string]any{"type": 1, "components": []any{button}}), text)
}

// reopen deals with the press of such a button; false means it is none.
func (a *Adapter) reopen(ctx context.Context, p *answering) bool {
	id, ok := strings.CutPrefix(p.i.Data.CustomID, againMark)
	if !ok || p.i.Type != interactionComponent {
		return false
	}
	f, ok := a.again.get(id)
	if !ok {
		const gone = "That form is not known any more. Please begin again."
		p.answer(ctx, private(gone), gone)
		return true
	}
	p.open(ctx, f.form, f.typed)
	return true
}
