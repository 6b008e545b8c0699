package chatops

import (
	"context"
	"encoding/json"
	"fmt"

	"petrel/adapters"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/exprlang"
)

// allowNames is what an `allow_when` may use.
func allowNames() exprlang.Schema {
	text := exprlang.Text()
	return exprlang.Schema{
		"user":       exprlang.Record(map[string]exprlang.Shape{"id": text, "name": text, "email": text}),
		"channel":    exprlang.Record(map[string]exprlang.Shape{"id": text, "name": text, "direct": exprlang.Flag()}),
		"adapter":    text,
		"thread":     text,
		"text":       text,
		"parameters": exprlang.Any(),
		"st2kv":      exprlang.Any(),
	}
}

// CheckAllowWhen says what is wrong with an `allow_when`, such as a name that
// does not exist; nil when nothing is.
func CheckAllowWhen(r *expression.Renderer, source string) error {
	return r.CheckExpr(source, allowNames())
}

// mayRepeat checks the presser of "Run again" as if they had typed the command.
func (c *Chat) mayRepeat(ctx context.Context, e adapters.Event, execution string) error {
	again, err := c.service.Execution(ctx, execution)
	if err != nil {
		return err
	}
	var values map[string]any
	if err := json.Unmarshal(again.Parameters, &values); err != nil {
		return fmt.Errorf("parameters of execution %s: %w", execution, err)
	}
	hit := aliases.Params{}
	for name, v := range values {
		text := fmt.Sprint(v)
		hit[name] = &text
	}
	cmd := command{Adapter: e.Adapter, User: e.User, Channel: e.Channel, Thread: e.Thread}
	refusal, err := c.refusal(ctx, cmd, c.aliasOf(&again), hit)
	if err == nil && refusal != "" {
		err = engine.Errorf(engine.Forbidden, "%s", refusal)
	}
	return err
}

// refusal says why a command may not be run by this person here, "" when it
// may. A condition that cannot be tested refuses too.
func (c *Chat) refusal(ctx context.Context, cmd command, alias *aliases.Definition, hit aliases.Params) (string, error) {
	if alias.AllowWhen == "" {
		return "", nil
	}
	parameters := make(map[string]any, len(hit))
	for name, text := range hit {
		parameters[name] = nil
		if text != nil {
			parameters[name] = *text
		}
	}
	holds, err := c.renderer.WithUser(cmd.User.Name).Condition(ctx, alias.AllowWhen, expression.Names{
		"user":    map[string]any{"id": cmd.User.ID, "name": cmd.User.Name, "email": cmd.User.Email},
		"channel": map[string]any{"id": cmd.Channel.ID, "name": cmd.Channel.Name, "direct": cmd.Channel.Direct},
		"adapter": cmd.Adapter, "thread": cmd.Thread, "text": cmd.Text, "parameters": parameters,
	})
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		return fmt.Sprintf("This is not allowed, because the condition of %s cannot be tested: %v", alias.Ref, err), nil
	case !holds:
		return fmt.Sprintf("You may not run this here. The alias %s allows it only when `%s`.", alias.Ref, inline(alias.AllowWhen)), nil
	}
	return "", nil
}
