package chatops

import (
	"context"
	"errors"

	"petrel/adapters"
)

// What follows looks after channels and messages, where a platform lets it.

func doReact(ctx context.Context, d *deed) (map[string]any, error) {
	emoji, err := d.need("emoji")
	if err != nil {
		return nil, err
	}
	return d.withMessage(ctx, "put an emoji under a message", func(m adapters.Manager, ref adapters.Ref) error {
		return m.React(ctx, ref, trimColons(emoji))
	})
}

func doPin(ctx context.Context, d *deed) (map[string]any, error) {
	return d.withMessage(ctx, "pin a message", func(m adapters.Manager, ref adapters.Ref) error { return m.Pin(ctx, ref) })
}

func doCreateChannel(ctx context.Context, d *deed) (map[string]any, error) {
	name, err := d.need("name")
	if err != nil {
		return nil, err
	}
	if name, err = d.at(name); err != nil {
		return nil, err
	}
	m, err := d.manager("make a channel")
	if err != nil {
		return nil, err
	}
	var channel adapters.Channel
	err = d.patiently(ctx, func() (err error) { channel, err = m.CreateChannel(ctx, name, d.flag("private")); return err })
	created := true
	if errors.Is(err, adapters.ErrNameTaken) && d.flag("reuse") {
		channel, created, err = adapters.Channel{ID: name, Name: name}, false, nil
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"adapter": d.adapter.Name(), "channel": channel.ID, "name": channel.Name, "created": created}, nil
}

func doInvite(ctx context.Context, d *deed) (map[string]any, error) {
	people := d.list("people")
	if len(people) == 0 {
		return nil, cannot("people is empty; name whom to invite")
	}
	return d.withChannel(ctx, "invite people", func(m adapters.Manager, channel string) error { return m.Invite(ctx, channel, people) })
}

func doSetTopic(ctx context.Context, d *deed) (map[string]any, error) {
	topic, err := d.need("topic")
	if err != nil {
		return nil, err
	}
	return d.withChannel(ctx, "set a topic", func(m adapters.Manager, channel string) error { return m.SetTopic(ctx, channel, topic) })
}

func (d *deed) withChannel(ctx context.Context, what string, do func(adapters.Manager, string) error) (map[string]any, error) {
	channel, err := d.channel()
	if err != nil {
		return nil, err
	}
	m, err := d.manager(what)
	if err != nil {
		return nil, err
	}
	if err := d.patiently(ctx, func() error { return do(m, channel) }); err != nil {
		return nil, err
	}
	return map[string]any{"adapter": d.adapter.Name(), "channel": channel}, nil
}

func (d *deed) withMessage(ctx context.Context, what string, do func(adapters.Manager, adapters.Ref) error) (map[string]any, error) {
	ref, err := d.ref()
	if err != nil {
		return nil, err
	}
	m, err := d.manager(what)
	if err != nil {
		return nil, err
	}
	if err := d.patiently(ctx, func() error { return do(m, ref) }); err != nil {
		return nil, err
	}
	return map[string]any{"adapter": d.adapter.Name(), "channel": ref.Channel, "message_id": ref.Message}, nil
}

func trimColons(s string) string {
	for len(s) > 1 && s[0] == ':' {
		s = s[1:]
	}
	for len(s) > 1 && s[len(s)-1] == ':' {
		s = s[:len(s)-1]
	}
	return s
}
