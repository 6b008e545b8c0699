package chatops

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"petrel/adapters"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/pipeline"
	"petrel/store"
)

// verbRun runs the command behind the option that was chosen: of a suggestion,
// of an ambiguous command, of "really?". An option without one ends the matter.
const verbRun = "run"

// askWhether asks whether a command shall really run.
func (c *Chat) askWhether(ctx context.Context, t *turn, alias *aliases.Definition) error {
	confirmed := t.cmd
	confirmed.Confirmed = true
	return c.ask(t, question{
		verb: verbRun, state: adapters.StateAsking, ttl: questionTTL,
		blocks: []adapters.Block{paragraph("%s", c.confirmText(ctx, t, alias))},
		options: []option{
			{Label: "Run", Style: "primary", Command: &confirmed},
			{Label: "Cancel"},
		},
		inWords: "Answer with *yes* or *no*.",
	})
}

// confirmText renders the question of an alias.
func (c *Chat) confirmText(ctx context.Context, t *turn, alias *aliases.Definition) string {
	parameters := map[string]any{}
	secret := map[string]bool{}
	for _, p := range c.parameters(alias.ActionRef) {
		secret[p.Name] = p.Secret
	}
	for _, hit := range t.cmd.Hits {
		for name, text := range hit {
			if text != nil && !secret[name] {
				parameters[name] = *text
			}
		}
	}
	text, err := c.renderer.WithUser(t.who.User).Lenient(ctx, alias.Confirm, expression.Names{
		"parameters": parameters, "user": t.who.User, "channel": t.cmd.Channel.Name, "text": t.cmd.Text,
	})
	if err != nil {
		c.log.Warn("confirm cannot be rendered", "alias", alias.Ref, "error", err)
		return fmt.Sprintf("Really run `%s`? (The question of the alias %s cannot be rendered: %v)", inline(t.cmd.Text), alias.Ref, err)
	}
	return text
}

// mayRun judges the chooser as if they had typed the command.
func (c *Chat) mayRun(ctx context.Context, p *press) (string, error) {
	if p.option == nil || p.option.Command == nil {
		return "", nil
	}
	cmd := p.option.Command
	alias, ok := c.catalog().AliasTable().Get(cmd.Alias)
	if !ok || !alias.Enabled {
		return fmt.Sprintf("The command %s is not there any more.", cmd.Alias), nil
	}
	who := p.who
	who.text = cmd.Text
	for _, hit := range cmd.Hits {
		if refusal, err := c.refusal(ctx, who, alias, hit); err != nil || refusal != "" {
			return refusal, err
		}
	}
	return "", nil
}

// actRun records the command as if the chooser had typed it, once for the whole
// question.
func (c *Chat) actRun(ctx context.Context, p *press) (reaction, error) {
	if p.option == nil {
		return reaction{}, engine.Errorf(engine.Invalid, "there is nothing to choose here")
	}
	if err := c.win(ctx, p); err != nil {
		return reaction{}, err
	}
	done := reaction{done: p.option.Label, answer: adapters.Answer{Disposition: adapters.Accepted}}
	switch {
	case p.option.Again != "":
		return done, c.again(ctx, p, p.option.Again)
	case p.option.Command == nil:
		done.last = true
		return done, nil
	}
	cmd := *p.option.Command
	cmd.User, cmd.DeliveryID = p.event.User, p.event.DeliveryID
	answer, err := c.enqueue(ctx, cmd, p.place(), "interaction/"+p.record.ID)
	done.answer = answer
	return done, err
}

// place is where the answers to an act go: where the command was typed.
func (p *press) place() place {
	at := p.record.Value.Place
	at.User, at.To.Reply = p.event.User.ID, p.event.Reply
	return at
}

// hearChoice takes the number or the name of an option.
func (c *Chat) hearChoice(ctx context.Context, t *turn, d store.Doc[Interaction]) error {
	options := d.Value.Options
	at := chosen(options, t.cmd.Text)
	if at < 0 {
		return t.say(adapters.StateAsking, paragraph("That is none of the choices. %s Or say *cancel*.", choices(options)))
	}
	if err := c.settle(t, d, options[at].Label); err != nil {
		return err
	}
	switch o := options[at]; {
	case o.Again != "":
		return c.againByLine(ctx, t, o.Again)
	case o.Command == nil:
		return t.say(adapters.StateRefused, paragraph("Canceled. Nothing was run."))
	default:
		return c.resume(ctx, t, *o.Command)
	}
}

// chosen finds the option that a text means, -1 when there is none.
func chosen(options []option, text string) int {
	text = strings.ToLower(strings.Trim(text, " .!"))
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(options) {
		return n - 1
	}
	if len(options) == 2 && options[1].Command == nil && options[1].Again == "" { // run or cancel
		switch text {
		case "yes", "y", "ok", "run":
			return 0
		case "no", "n":
			return 1
		}
	}
	for i, o := range options {
		if strings.EqualFold(o.Label, text) {
			return i
		}
	}
	return -1
}

func choices(options []option) string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = fmt.Sprintf("%d for %s", i+1, o.Label)
	}
	return "Say " + strings.Join(names, ", ") + "."
}

// againByLine runs an execution's action once more.
func (c *Chat) againByLine(ctx context.Context, t *turn, id string) error {
	old, err := c.service.Execution(ctx, id)
	if err != nil {
		return err
	}
	about := old.Context
	about.User, about.APIUser, about.CancelledBy = t.who.User, t.who.User, ""
	t.answer.Requests = append(t.answer.Requests, pipeline.Request{
		Action: old.Action.Ref, Parameters: json.RawMessage(old.Parameters), Context: about, Origin: old.Origin,
	})
	return nil
}
