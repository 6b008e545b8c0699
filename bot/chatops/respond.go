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
	"petrel/store"
)

// turn is one command between its record and what follows from it. Stages either
// pass it on or answer it.
type turn struct {
	id     string // of the trigger instance; IDs of what follows derive from it
	cmd    command
	place  place
	who    asker
	answer pipeline.Response
}

// respond is the pipeline.Responder of core.chat.command: the alias is the rule
// that answers a command.
func (c *Chat) respond(ctx context.Context, inst *engine.TriggerInstance) (pipeline.Response, error) {
	t := &turn{id: inst.ID}
	if err := json.Unmarshal(inst.Payload, &t.cmd); err != nil {
		return pipeline.Response{}, fmt.Errorf("payload of %s: %w", inst.Trigger, err)
	}
	if inst.Origin == nil {
		return pipeline.Response{}, errors.New("the command has no place to answer to")
	}
	if err := json.Unmarshal(inst.Origin.Detail, &t.place); err != nil {
		return pipeline.Response{}, fmt.Errorf("origin of trigger instance %s: %w", inst.ID, err)
	}
	t.who = c.askerOf(t.cmd)
	var err error
	if t.cmd.Answer != "" {
		err = c.hear(ctx, t)
	} else {
		err = c.decide(ctx, t)
	}
	if err != nil {
		return pipeline.Response{}, err
	}
	return t.answer, nil
}

// decide matches a command, authorises it, asks what there is to ask, and runs
// it.
func (c *Chat) decide(ctx context.Context, t *turn) error {
	if filter, ok := helpRequest(t.cmd.Text); ok && t.cmd.Alias == "" {
		return t.say(adapters.StateSucceeded, c.help(ctx, t.who, filter)...)
	}
	if id, ok := whyRequest(t.cmd.Text); ok && t.cmd.Alias == "" {
		return c.why(ctx, t, id)
	}
	if t.cmd.Alias == "" {
		if done, err := c.interpret(ctx, t); done || err != nil {
			return err
		}
	}
	alias, ok := c.catalog().AliasTable().Get(t.cmd.Alias)
	if !ok || !alias.Enabled {
		return t.say(adapters.StateRefused, paragraph("The command %s is not there any more.", t.cmd.Alias))
	}
	t.place = c.narrowed(t.place, t.cmd)
	for _, hit := range t.cmd.Hits {
		refusal, err := c.refusal(ctx, t.who, alias, hit)
		if err != nil {
			return err
		}
		if refusal != "" {
			return t.say(adapters.StateRefused, paragraph("%s", refusal))
		}
	}
	if len(t.cmd.Hits) == 1 {
		if missing := c.missing(alias, t.cmd.Hits[0]); len(missing) > 0 {
			return c.askValues(t, alias, missing)
		}
	}
	if alias.Confirm != "" && !t.cmd.Confirmed {
		return c.askWhether(ctx, t, alias)
	}
	return c.run(ctx, t, alias)
}

// run asks for an execution for each hit.
func (c *Chat) run(ctx context.Context, t *turn, alias *aliases.Definition) error {
	var requests []pipeline.Request
	origin, err := t.place.origin()
	if err != nil {
		return err
	}
	for _, hit := range t.cmd.Hits {
		request, err := c.request(ctx, t, alias, hit)
		if err != nil {
			return t.say(adapters.StateRefused, paragraph("%s", err))
		}
		request.Origin = origin
		requests = append(requests, request)
	}
	t.answer.Requests = append(t.answer.Requests, requests...)
	return nil
}

// say answers with one message.
func (t *turn) say(state adapters.State, blocks ...adapters.Block) error {
	return t.send(adapters.Message{State: state, Blocks: blocks})
}

// send answers with one message at the place of the command.
func (t *turn) send(m adapters.Message) error {
	m = t.addressed(m)
	body, err := json.Marshal(post{Adapter: t.place.Adapter, Message: m})
	if err != nil {
		return fmt.Errorf("encode a reply: %w", err)
	}
	t.answer.Replies = append(t.answer.Replies, body)
	return nil
}

// addressed fills in for whom and where a message is.
func (t *turn) addressed(m adapters.Message) adapters.Message {
	m.To, m.Key, m.InReplyTo, m.Mention = t.place.To, t.id, t.place.Message, t.cmd.User.ID
	return m
}

// put records a document with the answer.
func put[T any](t *turn, in store.Collection[T], d store.Doc[T]) error {
	var b store.Batch
	if err := in.Put(&b, d); err != nil {
		return err
	}
	t.answer.Puts = append(t.answer.Puts, b.Puts...)
	return nil
}

// request turns one hit of an alias into a request for its action.
func (c *Chat) request(ctx context.Context, t *turn, alias *aliases.Definition, hit aliases.Params) (pipeline.Request, error) {
	cmd := t.cmd
	chat, err := json.Marshal(map[string]string{"adapter": cmd.Adapter, "channel": cmd.Channel.ID, "thread": cmd.Thread, "message": cmd.Message})
	if err != nil {
		return pipeline.Request{}, err
	}
	r := pipeline.Request{
		Action: alias.ActionRef,
		Context: engine.Context{
			User: t.who.User, APIUser: t.who.User, SourceChannel: cmd.Channel.Name,
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

// parameterTypes returns the schema type of each parameter of an action.
func (c *Chat) parameterTypes(ref string) map[string]string {
	types := map[string]string{}
	for _, p := range c.parameters(ref) {
		types[p.Name] = p.Type
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
