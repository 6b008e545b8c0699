package mattermost

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mattermost/mattermost/server/public/model"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// openForm is what must be known of a form when it comes back. It travels in the
// dialog's state, sealed. The channel that a submission names is the one that
// the person looks at by then.
type openForm struct {
	Nonce   string   `json:"n"`
	User    string   `json:"u"`
	Channel string   `json:"c"`
	Name    string   `json:"cn,omitempty"` // of the channel, where the bot cannot look it up
	Thread  string   `json:"t,omitempty"`
	Post    string   `json:"p,omitempty"`
	Reply   string   `json:"r,omitempty"`
	Form    string   `json:"f,omitempty"`
	Button  string   `json:"b,omitempty"` // of a confirmation
	Inputs  []string `json:"i,omitempty"`
	Bools   []string `json:"o,omitempty"`
}

// openForm opens a form before the person who caused an event.
func (a *Adapter) openForm(ctx context.Context, trigger string, e adapters.Event, f *adapters.Form) error {
	state := stateOf(e)
	state.Form = f.ID
	dialog := model.Dialog{
		CallbackId: "petrel", Title: bytesOf(markup.OneLine(f.Title), model.DialogTitleMaxLength),
		IntroductionText: dialect.Render(f.Text), SubmitLabel: bytesOf(markup.OneLine(f.Submit), 24),
	}
	for _, in := range f.Inputs {
		state.Inputs = append(state.Inputs, in.Name)
		if in.Kind == adapters.BooleanInput {
			state.Bools = append(state.Bools, in.Name)
		}
		dialog.Elements = append(dialog.Elements, element(in))
	}
	return a.openDialog(ctx, trigger, state, dialog)
}

// openConfirm asks before a press counts.
func (a *Adapter) openConfirm(ctx context.Context, trigger string, e adapters.Event, name, question string) error {
	state := stateOf(e)
	state.Button = e.Button
	return a.openDialog(ctx, trigger, state, model.Dialog{
		CallbackId: "petrel", Title: bytesOf(cmp.Or(markup.OneLine(name), "Are you sure?"), model.DialogTitleMaxLength),
		IntroductionText: dialect.Render(question), SubmitLabel: bytesOf(cmp.Or(markup.OneLine(name), "Yes"), 24),
	})
}

func stateOf(e adapters.Event) openForm {
	name := strings.TrimPrefix(e.Channel.Name, "#")
	return openForm{Nonce: rand.Text(), User: e.User.ID, Channel: e.Channel.ID, Name: name, Thread: e.Thread, Post: e.Message, Reply: e.Reply}
}

func (a *Adapter) openDialog(ctx context.Context, trigger string, state openForm, d model.Dialog) error {
	var err error
	if d.State, err = a.seal.pack(state); err != nil {
		return err
	}
	d.Title = cmp.Or(d.Title, "…")
	resp, err := a.api.OpenInteractiveDialog(ctx, model.OpenDialogRequest{TriggerId: trigger, URL: a.callback + "/dialog", Dialog: d})
	return a.fault(ctx, "open a form", resp, err)
}

// element makes a field of a dialog.
func element(in adapters.Input) model.DialogElement {
	e := model.DialogElement{
		DisplayName: bytesOf(cmp.Or(markup.OneLine(in.Label), in.Name), model.DialogElementDisplayNameMaxLength), Name: in.Name,
		HelpText: bytesOf(markup.Clean(in.Help), model.DialogElementHelpTextMaxLength), Optional: !in.Required,
	}
	text := func() {
		e.Type, e.MaxLength, e.Default = "text", model.DialogElementTextMaxLength, markup.Clean(in.Value)
		if in.Kind == adapters.AreaInput || len(e.Default) > e.MaxLength || strings.Contains(e.Default, "\n") {
			e.Type, e.MaxLength = "textarea", model.DialogElementTextareaMaxLength
		}
		e.Default = bytesOf(e.Default, e.MaxLength)
	}
	switch in.Kind {
	case adapters.ChoiceInput:
		e.Type = "select"
		for _, o := range in.Options {
			e.Options = append(e.Options, &model.PostActionOptions{Text: label(cmp.Or(o.Label, o.Value)), Value: o.Value})
			if o.Value == in.Value {
				e.Default = in.Value
			}
		}
		if len(in.Options) == 0 {
			text()
		}
	case adapters.BooleanInput:
		// A required box must be ticked; ours may be left as it is.
		e.Type, e.Optional, e.Placeholder = "bool", true, bytesOf(markup.OneLine(in.Label), model.DialogElementBoolMaxLength)
		if in.Value == "true" || in.Value == "false" {
			e.Default = in.Value
		}
	default:
		text()
	}
	return e
}

// bytesOf cuts a text to so many bytes, which is how the server counts here.
func bytesOf(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const dots = "…"
	end := limit - len(dots)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + dots
}

// values are what was filled in, as texts.
func (o openForm) values(submission map[string]any) map[string]string {
	values := map[string]string{}
	for _, name := range o.Inputs {
		values[name] = valueText(submission[name])
		if values[name] == "" && slices.Contains(o.Bools, name) {
			values[name] = "false"
		}
	}
	return values
}

func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		texts := make([]string, len(v))
		for i, inner := range v {
			texts[i] = valueText(inner)
		}
		return strings.Join(texts, ",")
	default:
		return fmt.Sprint(v)
	}
}

func digestValues(values map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, name, values[name])
	}
	return digest(parts...)
}

// problems keeps the dialog open and says by field what is wrong.
func (o openForm) problems(all map[string]string) model.SubmitDialogResponse {
	r := model.SubmitDialogResponse{Errors: map[string]string{}}
	var general []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if slices.Contains(o.Inputs, name) {
			r.Errors[name] = markup.Clean(all[name])
		} else {
			general = append(general, markup.Clean(all[name]))
		}
	}
	r.Error = strings.Join(general, "\n")
	return r
}
