package chatops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"petrel/adapters"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/pipeline"
)

// respond is the pipeline.Responder of core.chat.command: the alias is the rule
// that answers a command.
func (c *Chat) respond(ctx context.Context, inst *engine.TriggerInstance) (pipeline.Response, error) {
	var cmd command
	if err := json.Unmarshal(inst.Payload, &cmd); err != nil {
		return pipeline.Response{}, fmt.Errorf("payload of %s: %w", inst.Trigger, err)
	}
	if filter, ok := helpRequest(cmd.Text); ok && cmd.Alias == "" {
		return c.reply(inst, cmd, adapters.StateSucceeded, c.help(filter)...)
	}
	if cmd.Alias == "" {
		return c.reply(inst, cmd, adapters.StateRefused, c.notUnderstood(cmd.Text)...)
	}
	alias, ok := c.catalog().AliasTable().Get(cmd.Alias)
	if !ok || !alias.Enabled {
		return c.reply(inst, cmd, adapters.StateRefused, paragraph("The command %s is not there any more.", cmd.Alias))
	}
	var answer pipeline.Response
	for _, hit := range cmd.Hits {
		refusal, err := c.refusal(ctx, cmd, alias, hit)
		if err != nil {
			return pipeline.Response{}, err
		}
		if refusal != "" {
			return c.reply(inst, cmd, adapters.StateRefused, paragraph("%s", refusal))
		}
		request, err := c.request(ctx, cmd, alias, hit)
		if err != nil {
			return c.reply(inst, cmd, adapters.StateRefused, paragraph("%s", err))
		}
		answer.Requests = append(answer.Requests, request)
	}
	return answer, nil
}

// reply makes a Response that is one message to the place of the command.
func (c *Chat) reply(inst *engine.TriggerInstance, cmd command, state adapters.State, blocks ...adapters.Block) (pipeline.Response, error) {
	if inst.Origin == nil {
		return pipeline.Response{}, errors.New("the command has no place to answer to")
	}
	var p place
	if err := json.Unmarshal(inst.Origin.Detail, &p); err != nil {
		return pipeline.Response{}, fmt.Errorf("origin of trigger instance %s: %w", inst.ID, err)
	}
	body, err := json.Marshal(post{Adapter: p.Adapter, Message: adapters.Message{
		To: p.To, Key: inst.ID, InReplyTo: p.Message, Mention: cmd.User.ID, State: state, Blocks: blocks,
	}})
	if err != nil {
		return pipeline.Response{}, fmt.Errorf("encode a reply: %w", err)
	}
	return pipeline.Response{Replies: []json.RawMessage{body}}, nil
}

// request turns one hit of an alias into a request for its action.
func (c *Chat) request(ctx context.Context, cmd command, alias *aliases.Definition, hit aliases.Params) (pipeline.Request, error) {
	chat, err := json.Marshal(map[string]string{"adapter": cmd.Adapter, "channel": cmd.Channel.ID, "thread": cmd.Thread, "message": cmd.Message})
	if err != nil {
		return pipeline.Request{}, err
	}
	r := pipeline.Request{
		Action: alias.ActionRef,
		Context: engine.Context{
			User: cmd.User.Name, APIUser: cmd.User.Name, SourceChannel: cmd.Channel.Name,
			ActionAlias: &engine.AliasRef{ID: engine.DeriveID("action_alias", alias.Ref), Name: alias.Name, Ref: alias.Ref},
			Chat:        chat,
		},
	}
	values := make(map[string]any, len(hit))
	types := c.parameterTypes(alias.ActionRef)
	for name, text := range hit {
		if text != nil {
			values[name] = typed(types[name], *text)
		}
	}
	if err := c.addImmutable(ctx, alias, r.Context, values, types); err != nil {
		return r, err
	}
	r.Parameters, err = json.Marshal(values)
	return r, err
}

// addImmutable adds the alias's fixed parameters, rendered, and refuses a
// message that sets one of them.
func (c *Chat) addImmutable(ctx context.Context, alias *aliases.Definition, about engine.Context, values map[string]any, types map[string]string) error {
	if len(alias.ImmutableParameters) == 0 {
		return nil
	}
	rendered, err := c.renderer.WithUser(about.APIUser).Mapping(ctx, alias.ImmutableParameters, expression.Names{
		"api_user": about.APIUser, "user": about.User, "source_channel": about.SourceChannel,
		"action_alias_ref": map[string]any{"id": about.ActionAlias.ID, "name": about.ActionAlias.Name},
	})
	if err != nil {
		return fmt.Errorf("the fixed parameters of %s cannot be rendered: %w", alias.Ref, err)
	}
	body, err := json.Marshal(rendered)
	if err != nil {
		return fmt.Errorf("the fixed parameters of %s: %w", alias.Ref, err)
	}
	var fixed map[string]any
	if err := json.Unmarshal(body, &fixed); err != nil {
		return fmt.Errorf("the fixed parameters of %s must be an object: %w", alias.Ref, err)
	}
	for name, v := range fixed {
		if _, set := values[name]; set {
			return fmt.Errorf("%s is fixed for this command and cannot be given", name)
		}
		if text, ok := v.(string); ok {
			v = typed(types[name], text)
		}
		values[name] = v
	}
	return nil
}

// parameterTypes returns the schema type of each parameter of an action; the
// action's word counts before the runner's.
func (c *Chat) parameterTypes(ref string) map[string]string {
	types := map[string]string{}
	action, ok := c.catalog().Action(ref)
	if !ok {
		return types
	}
	schemas := []json.RawMessage{action.Parameters}
	if runner, ok := c.catalog().Runner(action.RunnerType); ok {
		schemas = append(schemas, runner.Parameters)
	}
	for _, raw := range schemas {
		var schema map[string]struct {
			Type string `json:"type"`
		}
		if len(raw) == 0 || json.Unmarshal(raw, &schema) != nil {
			continue // Request reports an unusable schema
		}
		for name, s := range schema {
			if types[name] == "" {
				types[name] = s.Type
			}
		}
	}
	return types
}

// typed makes a list of a text for an array parameter: JSON when it is a JSON
// list, else the pieces between commas. Every other type is cast by its schema.
func typed(kind, text string) any {
	if kind != "array" {
		return text
	}
	var list []any
	if json.Unmarshal([]byte(text), &list) == nil {
		return list
	}
	pieces := strings.Split(text, ",")
	list = make([]any, len(pieces))
	for i, p := range pieces {
		list[i] = strings.TrimSpace(p)
	}
	return list
}

// helpRequest recognises "help" and "help FILTER".
func helpRequest(text string) (filter string, ok bool) {
	word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	return strings.TrimSpace(rest), strings.EqualFold(word, "help") || word == "" || word == "?"
}

// help lists the commands that the filter selects.
func (c *Chat) help(filter string) []adapters.Block {
	lines := c.catalog().AliasTable().Help(filter)
	if len(lines) == 0 {
		return []adapters.Block{paragraph("No available commands match %s. Say `%shelp` to see all of them.", filter, c.prefix)}
	}
	var list strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&list, "%s%s\n", c.prefix, l)
	}
	return []adapters.Block{
		paragraph("These commands are known. Begin with `%s` or `@%s`; in a direct message neither is needed.", c.prefix, c.name),
		{Kind: adapters.Preformatted, Text: strings.TrimSuffix(list.String(), "\n")},
	}
}

// notUnderstood says why a command fits no alias and what comes near.
func (c *Chat) notUnderstood(text string) []adapters.Block {
	_, err := c.catalog().AliasTable().Resolve(text)
	var ambiguous *aliases.AmbiguousError
	if errors.As(err, &ambiguous) {
		var list strings.Builder
		for _, m := range ambiguous.Candidates {
			fmt.Fprintf(&list, "%s (%s)\n", m.Format, m.Alias.Ref)
		}
		return []adapters.Block{
			paragraph("That can mean more than one command. Word it so that only one of them fits:"),
			{Kind: adapters.Preformatted, Text: strings.TrimSuffix(list.String(), "\n")},
		}
	}
	blocks := []adapters.Block{paragraph("I do not know the command `%s`.", inline(text))}
	var none *aliases.NoMatchError
	switch {
	case errors.As(err, &none) && len(none.Suggestions) > 0:
		var list strings.Builder
		for _, s := range none.Suggestions {
			fmt.Fprintf(&list, "%s%s\n", c.prefix, s)
		}
		blocks = append(blocks, paragraph("Did you mean:"), adapters.Block{Kind: adapters.Preformatted, Text: strings.TrimSuffix(list.String(), "\n")})
	case err != nil && none == nil:
		blocks = append(blocks, paragraph("%s", err))
	default:
		blocks = append(blocks, paragraph("Say `%shelp` to see what there is.", c.prefix))
	}
	return blocks
}

// paragraph makes a block of text.
func paragraph(format string, args ...any) adapters.Block {
	return adapters.Block{Kind: adapters.Paragraph, Text: fmt.Sprintf(format, args...)}
}

// inline makes text that a person typed fit between backquotes on one line.
func inline(text string) string {
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "`", "'")), " ")
	if r := []rune(text); len(r) > 200 {
		text = string(r[:200]) + "..."
	}
	return text
}
