package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// Limits of forms ("modals").
const (
	formTitle   = 24
	formLabel   = 2000
	maxOptions  = 100
	optionText  = 75
	maxMetadata = 3000
)

// formCallback marks our forms.
const formCallback = "petrel_form"

// formNote is what a form carries until it comes back.
type formNote struct {
	Form    string `json:"form"`
	Channel string `json:"channel"`
	Thread  string `json:"thread,omitempty"`
	Message string `json:"message,omitempty"`
	Reply   string `json:"reply,omitempty"`
}

// openLater opens a form once Slack is answered. trigger lives three seconds.
func (a *Adapter) openLater(e adapters.Event, trigger string, f *adapters.Form) func(context.Context) {
	return func(ctx context.Context) {
		view, err := formView(f, formNote{Form: f.ID, Channel: e.Channel.ID, Thread: e.Thread, Message: e.Message, Reply: e.Reply})
		if err == nil {
			_, err = a.api.OpenViewContext(ctx, trigger, view)
		}
		if err != nil {
			a.log.Warn("a form could not be opened", "adapter", a.name, "form", f.ID, "error", explain(err))
			a.whisper(ctx, e, fmt.Sprintf("The form \"%s\" could not be opened (%s). Please try again.", f.Title, markup.OneLine(err.Error())))
		}
	}
}

// formView renders a form.
func formView(f *adapters.Form, about formNote) (slack.ModalViewRequest, error) {
	note, err := json.Marshal(about)
	if err == nil && len(note) > maxMetadata {
		about.Reply = ""
		note, err = json.Marshal(about)
	}
	if err != nil {
		return slack.ModalViewRequest{}, fmt.Errorf("form %s: %w", f.ID, err)
	}
	v := slack.ModalViewRequest{
		Type: slack.VTModal, Title: label(f.Title, formTitle), Submit: label("Submit", formTitle), Close: label("Cancel", formTitle),
		PrivateMetadata: string(note), CallbackID: formCallback,
	}
	if f.Submit != "" {
		v.Submit = label(f.Submit, formTitle)
	}
	if f.Text != "" {
		v.Blocks.BlockSet = richText(nil, []adapters.Block{{Kind: adapters.Paragraph, Text: f.Text}}, maxBlocks)
	}
	for _, in := range f.Inputs {
		v.Blocks.BlockSet = append(v.Blocks.BlockSet, formInput(in))
	}
	return v, nil
}

// inputPrefix stands before the name of an input in its block_id.
const inputPrefix = "i:"

func formInput(in adapters.Input) slack.Block {
	help := in.Help
	var element slack.BlockElement
	optional := !in.Required
	switch {
	case in.Kind == adapters.BooleanInput:
		yes := slack.NewOptionBlockObject("true", label("Yes", optionText), nil)
		box := slack.NewCheckboxGroupsBlockElement("v", yes)
		if in.Value == "true" {
			box.InitialOptions = []*slack.OptionBlockObject{yes}
		}
		element, optional = box, true // no mark is an answer, too
	case in.Kind == adapters.ChoiceInput && len(in.Options) > 0 && len(in.Options) <= maxOptions:
		options, chosen := formOptions(in)
		list := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, nil, "v", options...)
		list.InitialOption = chosen
		element = list
	default:
		line := slack.NewPlainTextInputBlockElement(nil, "v")
		line.Multiline, line.InitialValue = in.Kind == adapters.AreaInput, markup.Clean(in.Value)
		if in.Kind == adapters.ChoiceInput {
			help = strings.TrimSpace(help + " Write one of: " + optionList(in.Options))
		}
		element = line
	}
	b := slack.NewInputBlock(inputPrefix+in.Name, label(in.Label, formLabel), nil, element)
	if help != "" {
		b.Hint = label(help, formLabel)
	}
	b.Optional = optional
	return b
}

func formOptions(in adapters.Input) (all []*slack.OptionBlockObject, chosen *slack.OptionBlockObject) {
	for _, o := range in.Options {
		option := slack.NewOptionBlockObject(o.Value, label(o.Label, optionText), nil)
		if o.Value == in.Value {
			chosen = option
		}
		all = append(all, option)
	}
	return all, chosen
}

func optionList(options []adapters.Option) string {
	var values []string
	for _, o := range options {
		values = append(values, o.Value)
	}
	return strings.Join(values, ", ")
}

// label makes a plain text object; Slack wants at least one character.
func label(text string, limit int) *slack.TextBlockObject {
	text = markup.Shorten(markup.OneLine(text), limit)
	if text == "" {
		text = "…"
	}
	return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
}

// submitted makes an event of a form that was sent.
func (a *Adapter) submitted(ctx context.Context, s *session, i interaction, about formNote, id string) outcome {
	e := adapters.Event{
		DeliveryID: "f:" + id, Kind: adapters.FormSubmitted, Adapter: a.name, Time: time.Now(),
		Thread: about.Thread, Message: about.Message,
		Form: about.Form, Values: map[string]string{}, Opens: true, Reply: about.Reply,
	}
	e.User, e.Channel = a.know(ctx, i.User.ID, about.Channel)
	var inputs []string
	for _, b := range i.View.Blocks {
		if b.Type == "input" {
			inputs = append(inputs, b.ID)
		}
	}
	for block, values := range i.View.State.Values {
		if name, ours := strings.CutPrefix(block, inputPrefix); ours {
			e.Values[name] = values["v"].text()
		}
	}
	answer, err := a.handle(ctx, s, e)
	if err != nil {
		answer = adapters.Answer{Problems: map[string]string{"": notTaken}}
	}
	switch {
	case len(answer.Problems) > 0 && len(inputs) > 0:
		return outcome{taken: true, body: map[string]any{"response_action": "errors", "errors": problems(answer.Problems, inputs)}}
	case len(answer.Problems) > 0:
		return outcome{taken: true, after: a.noteLater(e, problems(answer.Problems, []string{""})[""])}
	case answer.Form != nil:
		view, err := formView(answer.Form, formNote{Form: answer.Form.ID, Channel: about.Channel, Thread: about.Thread, Message: about.Message, Reply: about.Reply})
		if err != nil {
			return outcome{taken: true, after: a.noteLater(e, err.Error())}
		}
		return outcome{taken: true, body: map[string]any{"response_action": "update", "view": view}}
	}
	return outcome{taken: true, after: a.noteLater(e, answer.Note)}
}

// text is what was filled in, as the contract wants it.
func (in input) text() string {
	switch {
	case in.Type == "checkboxes":
		if len(in.Checked) > 0 {
			return "true"
		}
		return "false"
	case in.Selected != nil:
		return in.Selected.Value
	}
	return in.Value
}

// problems puts what is wrong under the blocks of a form; what concerns none of
// them goes under the first.
func problems(found map[string]string, inputs []string) map[string]string {
	shown := map[string]string{}
	var names []string
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		block := inputPrefix + name
		if !slices.Contains(inputs, block) {
			block = inputs[0]
		}
		text := markup.OneLine(found[name])
		if shown[block] != "" {
			text = shown[block] + " " + text
		}
		shown[block] = text
	}
	return shown
}
