package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// Limits of channels.
const (
	channelNameLength = 80
	topicLength       = 250
)

// CreateChannel implements adapters.Manager. Slack's names are in lower case and
// without spaces; others are changed to fit.
func (a *Adapter) CreateChannel(ctx context.Context, name string, private bool) (adapters.Channel, error) {
	wanted := channelName(name)
	if wanted == "" {
		return adapters.Channel{}, fmt.Errorf("%q is no name for a channel: letters, digits, - and _ are wanted", name)
	}
	c := &call{method: "conversations.create"}
	made, err := a.api.CreateConversationContext(c.context(ctx), slack.CreateConversationParams{ChannelName: wanted, IsPrivate: private})
	if code(err) == "name_taken" {
		return adapters.Channel{}, fmt.Errorf("#%s: %w", wanted, adapters.ErrNameTaken)
	}
	if err != nil {
		return adapters.Channel{}, c.judge(err)
	}
	return a.keepChannel(ctx, made), nil
}

// channelName is a name as Slack allows it.
func channelName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '.' || r == '/':
			return '-'
		case strings.ContainsRune("!\"#$%&'()*+,:;<=>?@[\\]^`{|}~", r):
			return -1
		}
		return r
	}, strings.ToLower(markup.OneLine(name)))
	if r := []rune(name); len(r) > channelNameLength {
		name = string(r[:channelNameLength])
	}
	return name
}

// Invite implements adapters.Manager.
func (a *Adapter) Invite(ctx context.Context, channel string, people []string) error {
	id, err := a.resolve(ctx, channel)
	if err != nil {
		return err
	}
	var problems []error
	var ids []string
	for _, p := range people {
		u, err := a.FindUser(ctx, p)
		var retry *adapters.RetryError
		if errors.As(err, &retry) {
			return err
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if !slices.Contains(ids, u.ID) {
			ids = append(ids, u.ID)
		}
	}
	if len(ids) == 0 {
		return errors.Join(problems...)
	}
	if err := a.invite(ctx, id, ids...); err == nil || len(ids) == 1 {
		return errors.Join(append(problems, err)...)
	}
	// One who cannot be invited keeps out all of a call; so each alone.
	for _, person := range ids {
		if err := a.invite(ctx, id, person); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", a.personName(ctx, person), err))
		}
	}
	return errors.Join(problems...)
}

func (a *Adapter) invite(ctx context.Context, channel string, people ...string) error {
	c := &call{method: "conversations.invite", again: true}
	_, err := a.api.InviteUsersToConversationContext(c.context(ctx), channel, people...)
	return unless(c.judge(err), "already_in_channel", "cant_invite_self")
}

// unless drops errors that mean that things are as wanted.
func unless(err error, words ...string) error {
	if slices.Contains(words, code(err)) {
		return nil
	}
	return err
}

// SetTopic implements adapters.Manager. A topic has no formatting in Slack.
func (a *Adapter) SetTopic(ctx context.Context, channel, topic string) error {
	id, err := a.resolve(ctx, channel)
	if err != nil {
		return err
	}
	c := &call{method: "conversations.setTopic", again: true}
	_, err = a.api.SetTopicOfConversationContext(c.context(ctx), id, markup.Shorten(markup.OneLine(topic), topicLength))
	return c.judge(err)
}

// Pin implements adapters.Manager.
func (a *Adapter) Pin(ctx context.Context, ref adapters.Ref) error {
	c := &call{method: "pins.add", again: true}
	err := a.api.AddPinContext(c.context(ctx), ref.Channel, slack.NewRefToMessage(ref.Channel, ref.Message))
	return unless(c.judge(err), "already_pinned")
}

// React implements adapters.Manager.
func (a *Adapter) React(ctx context.Context, ref adapters.Ref, emoji string) error {
	c := &call{method: "reactions.add", again: true}
	err := a.api.AddReactionContext(c.context(ctx), strings.Trim(emoji, ": "), slack.NewRefToMessage(ref.Channel, ref.Message))
	return unless(c.judge(err), "already_reacted")
}
