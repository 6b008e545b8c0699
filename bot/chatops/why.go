package chatops

import (
	"context"
	"strings"

	"petrel/adapters"
	"petrel/engine"
)

// whyRequest recognises "why ID". Whoever has an alias that begins with why keeps it:
// only the ID of an execution or of a trigger instance makes this one.
func whyRequest(text string) (id string, ok bool) {
	words := strings.Fields(text)
	if len(words) != 2 || !strings.EqualFold(words[0], "why") {
		return "", false
	}
	id = strings.Trim(words[1], "`")
	return id, engine.ValidID(id)
}

// why says what an execution waits for or how it ended, to those who may run its
// command, or which rules a trigger instance set off and why the others did not match.
func (c *Chat) why(ctx context.Context, t *turn, id string) error {
	y, err := c.service.Why(ctx, id)
	if engine.CodeOf(err) == engine.NotFound && err != nil {
		text, err := c.service.WhyInstance(ctx, id)
		if engine.CodeOf(err) == engine.NotFound && err != nil {
			return t.say(adapters.StateRefused, paragraph("Neither an execution nor a trigger instance %s is on record.", id))
		}
		if err != nil {
			return err
		}
		return t.say(adapters.StateSucceeded, adapters.Block{Kind: adapters.Preformatted, Text: text})
	}
	if err != nil {
		return err
	}
	refusal, err := c.mayTouch(ctx, &press{subject: id, who: t.who})
	if err != nil {
		return err
	}
	if refusal != "" {
		return t.say(adapters.StateRefused, paragraph("%s", refusal))
	}
	text := y.Action + " " + y.ID + "\n" + y.Summary
	if y.Rule != "" {
		text += "\nThe rule " + y.Rule + " started it on trigger instance " + y.TriggerInstance + "."
	}
	return t.say(adapters.StateSucceeded, adapters.Block{Kind: adapters.Preformatted, Text: text})
}
