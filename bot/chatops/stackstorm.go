package chatops

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"petrel/adapters"
	"petrel/aliases"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/engine/runners"
)

// What follows are the actions of StackStorm's pack chatops (spec: chatops,
// section 4.1), for workflows that use them. Petrel's own answers need none.

// ended returns an execution that has ended, as people may see it.
func (c *Chat) ended(ctx context.Context, id string) (*engine.Execution, error) {
	e, err := c.service.Execution(ctx, id)
	if err != nil {
		return nil, err
	}
	if !e.Status.Completed() {
		return nil, cannot("execution %s has not ended yet; it is %s", id, e.Status)
	}
	e = c.service.Shown(&e)
	return &e, nil
}

// doFormat renders what is said about the end of an execution.
func (c *Chat) doFormat(ctx context.Context, d *deed) (map[string]any, error) {
	e, err := c.ended(ctx, d.text("execution_id"))
	if err != nil {
		return nil, err
	}
	return c.format(ctx, e), nil
}

func (c *Chat) format(ctx context.Context, e *engine.Execution) map[string]any {
	alias := c.aliasOf(e)
	if !alias.Result.Enabled {
		return map[string]any{"enabled": false}
	}
	out := map[string]any{"enabled": true, "message": textOf(c.resultBlocks(ctx, e, alias))}
	var m adapters.Message
	c.decorate(ctx, &m, e, alias, alias.Result.Extra, "result.extra")
	extra := map[string]any{}
	for platform, raw := range m.Extra {
		extra[platform] = raw
	}
	if m.Color != "" {
		extra["color"] = m.Color
	}
	if len(extra) > 0 {
		out["extra"] = extra
	}
	return out
}

// textOf writes blocks as one text in chat Markdown.
func textOf(blocks []adapters.Block) string {
	var parts []string
	for _, b := range blocks {
		if b.Kind == adapters.Preformatted {
			parts = append(parts, "```\n"+strings.TrimRight(b.Text, "\n")+"\n```")
			continue
		}
		parts = append(parts, b.Text)
	}
	return strings.Join(parts, "\n")
}

// doPostResult says in a channel how an execution ended.
func (c *Chat) doPostResult(ctx context.Context, d *deed) (map[string]any, error) {
	e, err := c.ended(ctx, d.text("execution_id"))
	if err != nil {
		return nil, err
	}
	channel, err := d.channel()
	if err != nil {
		return nil, err
	}
	return c.postResult(ctx, d, e, channel)
}

func (c *Chat) postResult(ctx context.Context, d *deed, e *engine.Execution, channel string) (map[string]any, error) {
	alias := c.aliasOf(e)
	result := map[string]any{"enabled": alias.Result.Enabled, "execution_id": e.ID, "channel": channel}
	if !alias.Result.Enabled {
		return result, nil
	}
	p := place{Adapter: d.adapter.Name(), To: adapters.Target{Channel: channel}}
	user := d.text("user")
	var err error
	if user != "" {
		if p.User, err = d.who(ctx, user); err != nil {
			return nil, err
		}
	}
	if d.flag("whisper") {
		if user == "" {
			return nil, cannot("whisper needs user: the person who shall see the message")
		}
		p.To.Private = p.User
	}
	m := c.resultMessage(ctx, p, e, alias)
	m.Key = d.job.Execution.ID
	if p.To.Private != "" {
		m.Mention = ""
	}
	body, err := json.Marshal(post{Adapter: p.Adapter, Message: m})
	if err != nil {
		return nil, fmt.Errorf("encode the message: %w", err)
	}
	d.outbox = append(d.outbox, runners.OutboxEntry{Conversation: conversation(p.Adapter, p.To), Body: body})
	result["message"] = textOf(m.Blocks)
	return result, nil
}

// doMatch finds the alias that a text means.
func (c *Chat) doMatch(_ context.Context, d *deed) (map[string]any, error) {
	m, err := c.meant(d)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"alias":          map[string]any{"name": m.Alias.Name, "pack": m.Alias.Pack, "ref": m.Alias.Ref, "action_ref": m.Alias.ActionRef},
		"representation": m.Format,
	}, nil
}

func (c *Chat) meant(d *deed) (aliases.Match, error) {
	text, err := d.need("text")
	if err != nil {
		return aliases.Match{}, err
	}
	m, err := c.catalog().AliasTable().Resolve(text)
	if err != nil {
		return aliases.Match{}, errCannot{err}
	}
	return m, nil
}

// doMatchAndExecute runs the command that a text is, and waits for its end.
func (c *Chat) doMatchAndExecute(ctx context.Context, d *deed) (map[string]any, error) {
	e, err := c.matchAndExecute(ctx, d, d.text("source_channel"))
	if err != nil {
		return nil, err
	}
	return executionResult(d, e), nil
}

func executionResult(d *deed, e *engine.Execution) map[string]any {
	d.failed = e.Status != engine.Succeeded
	return map[string]any{"execution_id": e.ID, "status": string(e.Status)}
}

func (c *Chat) matchAndExecute(ctx context.Context, d *deed, channel string) (*engine.Execution, error) {
	m, err := c.meant(d)
	if err != nil {
		return nil, err
	}
	user := d.text("user")
	if user == "" {
		user = d.job.Execution.Context.User
	}
	t := &turn{cmd: command{
		User: adapters.User{ID: user, Name: user}, Channel: adapters.Channel{ID: channel, Name: channel}, Text: d.text("text"),
	}}
	t.cmd.take(m)
	t.who = c.askerOf(t.cmd)
	if len(m.All) != 1 {
		return nil, cannot("the text means %d commands; give one", len(m.All))
	}
	if refusal, err := c.refusal(ctx, t.who, m.Alias, m.All[0]); err != nil || refusal != "" {
		if err == nil {
			err = cannot("%s", refusal)
		}
		return nil, err
	}
	r, err := c.request(ctx, t, m.Alias, m.All[0])
	if err != nil {
		return nil, errCannot{err}
	}
	r.ID = engine.DeriveID(d.job.Execution.ID, "command")
	r.Lane, r.TraceID = d.job.Execution.Lane, d.job.Execution.TraceID
	e, err := c.service.Request(ctx, r)
	if e.ID == "" {
		return nil, err
	}
	return c.await(ctx, e.ID)
}

// await waits for the end of an execution.
func (c *Chat) await(ctx context.Context, id string) (*engine.Execution, error) {
	after, err := c.store.LastEvent(ctx)
	if err != nil {
		return nil, err
	}
	for {
		e, err := c.service.Execution(ctx, id)
		if err != nil {
			return nil, err
		}
		if e.Status.Completed() {
			e = c.service.Shown(&e)
			return &e, nil
		}
		for moved := false; !moved; {
			events, err := c.store.Events(ctx, after, 100)
			if err != nil {
				return nil, err
			}
			for _, ev := range events {
				after = ev.Seq
				moved = moved || ev.Type == pipeline.EventExecution && ev.Key == id
			}
		}
	}
}

// doRun is match_and_execute, format_execution_result and post_message in one.
func (c *Chat) doRun(ctx context.Context, d *deed) (map[string]any, error) {
	channel, err := d.channel()
	if err != nil {
		return nil, err
	}
	e, err := c.matchAndExecute(ctx, d, channel)
	if err != nil {
		return nil, err
	}
	result, err := c.postResult(ctx, d, e, channel)
	if err != nil {
		return nil, err
	}
	for k, v := range executionResult(d, e) {
		result[k] = v
	}
	return result, nil
}
