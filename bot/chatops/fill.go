package chatops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"petrel/adapters"
	"petrel/aliases"
	"petrel/engine"
	"petrel/store"
)

// verbFill asks for the required parameters that a command lacks.
const verbFill = "fill"

// filling is the Data of such a question.
type filling struct {
	Command command  `json:"command"`
	Missing []string `json:"missing"` // names of parameters
}

func (f *filling) hit() aliases.Params { return f.Command.Hits[0] }

// set gives the command a value.
func (f *filling) set(name, text string) {
	hit := maps.Clone(f.hit())
	if hit == nil {
		hit = aliases.Params{}
	}
	hit[name] = &text
	f.Command.Hits = []aliases.Params{hit}
	f.Missing = slices.DeleteFunc(slices.Clone(f.Missing), func(n string) bool { return n == name })
}

func fillingOf(d store.Doc[Interaction]) (filling, error) {
	var f filling
	if err := json.Unmarshal(d.Value.Data, &f); err != nil || len(f.Command.Hits) != 1 {
		return f, fmt.Errorf("interaction %s holds no command to fill in: %w", d.ID, errors.Join(err))
	}
	return f, nil
}

// askValues asks for what a command lacks: with a button that opens a form,
// where the platform has forms, else in words, one value after the other.
func (c *Chat) askValues(t *turn, alias *aliases.Definition, missing []parameter) error {
	f := filling{Command: t.cmd}
	names := make([]string, len(missing))
	for i, p := range missing {
		f.Missing = append(f.Missing, p.Name)
		names[i] = "`" + p.Name + "`"
	}
	shows := c.shows(t.place.Adapter)
	q := question{verb: verbFill, state: adapters.StateAsking, ttl: questionTTL, data: f}
	if shows.Forms && shows.Buttons {
		q.blocks = []adapters.Block{paragraph("%s needs %s.", commandName(alias), strings.Join(names, " and "))}
		q.options = []option{{Label: "Fill in", Style: "primary"}, {Label: "Cancel"}}
		return c.ask(t, q)
	}
	if secret := slices.IndexFunc(missing, func(p parameter) bool { return p.Secret }); secret >= 0 && !t.cmd.Channel.Direct {
		return t.say(adapters.StateRefused, paragraph(
			"%s needs `%s`, which is secret and is not asked for where others read it. Use a form where the chat has one, or write to me directly.",
			commandName(alias), missing[secret].Name))
	}
	q.words = true
	q.blocks = []adapters.Block{paragraph("%s needs %s. %s", commandName(alias), strings.Join(names, " and "), wordsFor(missing[0]))}
	return c.ask(t, q)
}

func commandName(alias *aliases.Definition) string { return "*" + alias.Name + "*" }

// wordsFor asks for one value.
func wordsFor(p parameter) string {
	text := "What is `" + p.Name + "`?"
	if p.Description != "" {
		text += " " + strings.TrimSuffix(p.Description, ".") + "."
	}
	switch {
	case len(p.Enum) > 0:
		text += " One of " + strings.Join(p.Enum, ", ") + "."
	case p.Type == "boolean":
		text += " Say true or false."
	case p.Type != "" && p.Type != "string":
		text += " It must be " + kindWord(p.Type) + "."
	}
	return text + " Write it here, or *cancel*."
}

// openForm answers a slash command at once with a form for what it lacks. It
// does nothing when nothing is missing or the person may not run it: the
// ordinary way answers then.
func (c *Chat) openForm(ctx context.Context, e adapters.Event, cmd command) (adapters.Answer, bool, error) {
	if cmd.Alias == "" {
		if _, isHelp := helpRequest(cmd.Text); isHelp {
			return adapters.Answer{}, false, nil
		}
		begun := leastIncomplete(c.catalog().AliasTable().Incomplete(cmd.Text))
		if matches, err := c.catalog().AliasTable().Match(cmd.Text); len(begun) != 1 || len(matches) > 0 || err != nil {
			return adapters.Answer{}, false, nil
		}
		cmd.take(begun[0])
	}
	alias, ok := c.catalog().AliasTable().Get(cmd.Alias)
	if !ok || !alias.Enabled || len(cmd.Hits) != 1 {
		return adapters.Answer{}, false, nil
	}
	missing := c.missing(alias, cmd.Hits[0])
	if len(missing) == 0 {
		return adapters.Answer{}, false, nil
	}
	if refusal, err := c.refusal(ctx, c.askerOf(cmd), alias, cmd.Hits[0]); refusal != "" || err != nil {
		return adapters.Answer{}, false, err
	}
	f := filling{Command: cmd}
	for _, p := range missing {
		f.Missing = append(f.Missing, p.Name)
	}
	data, err := json.Marshal(f)
	if err != nil {
		return adapters.Answer{}, false, fmt.Errorf("encode a question: %w", err)
	}
	id := engine.DeriveID("form", e.Adapter, e.DeliveryID)
	var b store.Batch
	if err := Interactions.Put(&b, store.Doc[Interaction]{ID: id, Value: Interaction{
		Verb: verbFill, Place: placeOf(e), For: e.User, Data: data, Expires: c.now().Add(questionTTL),
	}}); err != nil {
		return adapters.Answer{}, false, err
	}
	if err := c.store.Commit(ctx, &b); err != nil && !errors.Is(err, store.ErrConflict) {
		return adapters.Answer{}, false, &engine.Error{Code: engine.Unavailable, Message: "Petrel could not take this; try again in a moment", Err: err}
	}
	return adapters.Answer{Disposition: adapters.Accepted, Form: form(id, alias, missing)}, true, nil
}

// form asks for values; for as many as a form can hold.
func form(id string, alias *aliases.Definition, missing []parameter) *adapters.Form {
	f := &adapters.Form{ID: asked + ":" + id, Title: alias.Name, Text: alias.Description, Submit: "Run"}
	for _, p := range missing[:min(len(missing), maxInputs)] {
		f.Inputs = append(f.Inputs, p.input())
	}
	return f
}

// toFill finds the alias of a filling and the parameters it is about.
func (c *Chat) toFill(f filling) (*aliases.Definition, []parameter, string) {
	alias, ok := c.catalog().AliasTable().Get(f.Command.Alias)
	if !ok || !alias.Enabled {
		return nil, nil, fmt.Sprintf("The command %s is not there any more.", f.Command.Alias)
	}
	missing := slices.DeleteFunc(slices.Clone(c.parameters(alias.ActionRef)), func(p parameter) bool { return !slices.Contains(f.Missing, p.Name) })
	return alias, missing, ""
}

// mayFill judges the person as if they had typed the command.
func (c *Chat) mayFill(ctx context.Context, p *press) (string, error) {
	f, err := fillingOf(p.record)
	if err != nil {
		return "", err
	}
	alias, _, gone := c.toFill(f)
	if gone != "" {
		return gone, nil
	}
	who := p.who
	who.text = f.Command.Text
	return c.refusal(ctx, who, alias, f.hit())
}

// actFill opens the form, takes what was filled in, or ends the matter.
func (c *Chat) actFill(ctx context.Context, p *press) (reaction, error) {
	f, err := fillingOf(p.record)
	if err != nil {
		return reaction{}, err
	}
	alias, missing, _ := c.toFill(f)
	switch {
	case p.event.Kind == adapters.FormSubmitted:
		return c.submit(ctx, p, f, missing)
	case p.option != nil && p.option.Label == "Cancel":
		return reaction{done: "Cancel", last: true, answer: adapters.Answer{Disposition: adapters.Accepted}}, c.win(ctx, p)
	case !p.event.Opens:
		return reaction{answer: adapters.Answer{Note: "The chat did not let a form be opened. Type the whole command, with name=value for what is missing."}}, nil
	}
	// The message is remembered, so that it can say that it was filled in.
	if s := p.record.Value.Shown; s != nil && p.event.Message != "" && s.Ref.Message == "" {
		var b store.Batch
		s.Ref = adapters.Ref{Channel: p.event.Channel.ID, Message: p.event.Message}
		if err := Interactions.Put(&b, p.record); err != nil {
			return reaction{}, err
		}
		if err := c.store.Commit(ctx, &b); err != nil && !errors.Is(err, store.ErrConflict) {
			return reaction{}, err
		}
	}
	return reaction{answer: adapters.Answer{Disposition: adapters.Accepted, Form: form(p.record.ID, alias, missing)}}, nil
}

// submit takes a form that was filled in.
func (c *Chat) submit(ctx context.Context, p *press, f filling, missing []parameter) (reaction, error) {
	problems := map[string]string{}
	for _, m := range missing[:min(len(missing), maxInputs)] {
		text := m.tidy(p.event.Values[m.Name])
		if problem := m.problem(text); problem != "" {
			problems[m.Name] = problem
		}
		f.set(m.Name, text)
	}
	if len(problems) > 0 {
		return reaction{answer: adapters.Answer{Problems: problems}}, nil
	}
	if err := c.win(ctx, p); err != nil {
		return reaction{}, err
	}
	cmd := f.Command
	cmd.User, cmd.DeliveryID = p.event.User, p.event.DeliveryID
	answer, err := c.enqueue(ctx, cmd, p.place(), "interaction/"+p.record.ID)
	return reaction{answer: answer, done: "filled in"}, err
}

// hearValue takes one value by a line, and asks for the next.
func (c *Chat) hearValue(ctx context.Context, t *turn, d store.Doc[Interaction]) error {
	f, err := fillingOf(d)
	if err != nil {
		return err
	}
	_, missing, gone := c.toFill(f)
	if gone != "" || len(missing) == 0 {
		return t.say(adapters.StateRefused, paragraph("%s", gone))
	}
	p := missing[0]
	text := p.tidy(t.cmd.Text)
	until := c.now().Add(questionTTL)
	if problem := p.problem(text); problem != "" {
		if err := c.awaitLine(t, d.ID, d.Value.Place, until); err != nil {
			return err
		}
		d.Value.Expires = until
		if err := put(t, Interactions, d); err != nil {
			return err
		}
		return t.say(adapters.StateAsking, paragraph("`%s` %s. %s", p.Name, problem, wordsFor(p)))
	}
	f.set(p.Name, text)
	if len(missing) > 1 {
		if d.Value.Data, err = json.Marshal(f); err != nil {
			return fmt.Errorf("encode a question: %w", err)
		}
		d.Value.Expires = until
		if err := errors.Join(put(t, Interactions, d), c.awaitLine(t, d.ID, d.Value.Place, until)); err != nil {
			return err
		}
		return t.say(adapters.StateAsking, paragraph("%s", wordsFor(missing[1])))
	}
	if err := c.settle(t, d, "answered"); err != nil {
		return err
	}
	return c.resume(ctx, t, f.Command)
}
