package mattermost

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"petrel/adapters"
	"petrel/adapters/markup"
)

// resolve returns the ID of a channel: of an ID itself, of "#ops", "~ops" or
// "#team/ops" the channel, of "@ann" or an e-mail address the direct one.
func (a *Adapter) resolve(ctx context.Context, channel string) (string, error) {
	if isID(channel) {
		return channel, nil
	}
	if id, ok := a.names.get(channel); ok {
		return id, nil
	}
	var id string
	var err error
	if strings.Contains(channel, "@") {
		id, err = a.directWith(ctx, channel)
	} else {
		id, err = a.channelByName(ctx, channel)
	}
	if err == nil {
		a.names.put(channel, id)
	}
	return id, err
}

var idPattern = regexp.MustCompile(`^[a-z0-9]{26}$`)

func isID(s string) bool { return idPattern.MatchString(s) }

func (a *Adapter) directWith(ctx context.Context, who string) (string, error) {
	u, err := a.FindUser(ctx, who)
	if err != nil {
		return "", err
	}
	me, err := a.me(ctx)
	if err != nil {
		return "", err
	}
	c, resp, err := a.api.CreateDirectChannel(ctx, me.Id, u.ID)
	if err != nil {
		return "", a.fault(ctx, "open a direct channel with "+who, resp, err)
	}
	return c.Id, nil
}

// channelByName looks in the bot's teams, one after the other.
func (a *Adapter) channelByName(ctx context.Context, channel string) (string, error) {
	name := strings.ToLower(strings.TrimLeft(channel, "#~"))
	teamName, rest, named := strings.Cut(name, "/")
	if named {
		name = rest
	}
	teams, err := a.teams(ctx)
	if err != nil {
		return "", err
	}
	var found []*model.Channel
	var where []string
	for _, t := range teams {
		if named && t.Name != teamName {
			continue
		}
		c, resp, err := a.api.GetChannelByName(ctx, name, t.Id, "")
		switch {
		case err == nil:
			found, where = append(found, c), append(where, "#"+t.Name+"/"+name)
		case is(resp, http.StatusNotFound), is(resp, http.StatusForbidden), is(resp, http.StatusBadRequest):
		default:
			return "", a.fault(ctx, "look up channel "+channel, resp, err)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("there is no channel %s that the bot can see; it must be in the channel's team, and a member when the channel is private", channel)
	case 1:
		return a.learnChannel(ctx, found[0]).ID, nil
	}
	return "", fmt.Errorf("channel %s is in several teams; write one of %s", channel, strings.Join(where, ", "))
}

func (a *Adapter) teams(ctx context.Context) ([]*model.Team, error) {
	me, err := a.me(ctx)
	if err != nil {
		return nil, err
	}
	teams, resp, err := a.api.GetTeamsForUser(ctx, me.Id, "")
	return teams, a.fault(ctx, "list the bot's teams", resp, err)
}

// FindUser implements adapters.Directory.
func (a *Adapter) FindUser(ctx context.Context, who string) (adapters.User, error) {
	name := strings.TrimPrefix(strings.TrimSpace(who), "@")
	var u *model.User
	var resp *model.Response
	var err error
	switch {
	case name == "" || strings.ContainsAny(name, "/ \t\n"):
		return adapters.User{}, fmt.Errorf("%q: %w", who, adapters.ErrNoUser)
	case isID(name):
		u, resp, err = a.api.GetUser(ctx, name, "")
	case strings.Contains(name, "@"):
		u, resp, err = a.api.GetUserByEmail(ctx, name, "")
	default:
		u, resp, err = a.api.GetUserByUsername(ctx, strings.ToLower(name), "")
	}
	if is(resp, http.StatusNotFound) || is(resp, http.StatusBadRequest) {
		return adapters.User{}, fmt.Errorf("%q: %w", who, adapters.ErrNoUser)
	}
	if err != nil {
		return adapters.User{}, a.fault(ctx, "look up "+who, resp, err)
	}
	return a.learn(u), nil
}

var notInName = regexp.MustCompile(`[^a-z0-9_-]+`)

// CreateChannel implements adapters.Manager. "#team/name" says in which team;
// without one it is the bot's first. The bot is a member.
func (a *Adapter) CreateChannel(ctx context.Context, name string, private bool) (adapters.Channel, error) {
	display := strings.TrimLeft(markup.OneLine(name), "#~")
	teams, err := a.teams(ctx)
	if err != nil {
		return adapters.Channel{}, err
	}
	if teamName, rest, named := strings.Cut(display, "/"); named {
		display = rest
		var in []*model.Team
		for _, t := range teams {
			if t.Name == teamName {
				in = append(in, t)
			}
		}
		teams = in
	}
	if len(teams) == 0 {
		return adapters.Channel{}, fmt.Errorf("create channel %s: the bot is not in that team, or in none; add it to one", name)
	}
	c := &model.Channel{
		TeamId: teams[0].Id, DisplayName: markup.Shorten(display, 64), Type: model.ChannelTypeOpen,
		Name: strings.Trim(notInName.ReplaceAllString(strings.ToLower(display), "-"), "-_"),
	}
	if private {
		c.Type = model.ChannelTypePrivate
	}
	made, resp, err := a.api.CreateChannel(ctx, c)
	var app *model.AppError
	if errors.As(err, &app) && strings.HasSuffix(app.Id, "save_channel.exists.app_error") {
		return adapters.Channel{}, fmt.Errorf("create channel %s: %w", name, adapters.ErrNameTaken)
	}
	if err != nil {
		return adapters.Channel{}, a.fault(ctx, "create channel "+name, resp, err)
	}
	return a.learnChannel(ctx, made).Channel, nil
}

// Invite implements adapters.Manager.
func (a *Adapter) Invite(ctx context.Context, channel string, people []string) error {
	id, err := a.resolve(ctx, channel)
	if err != nil {
		return err
	}
	var problems []error
	for _, who := range people {
		u, err := a.FindUser(ctx, who)
		if err == nil {
			_, resp, addErr := a.api.AddChannelMember(ctx, id, u.ID)
			err = a.fault(ctx, "add "+who+" to "+channel, resp, addErr)
		}
		var retry *adapters.RetryError
		if errors.As(err, &retry) {
			return err // who is there already does not matter the next time
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// headerLimit is how long a channel's header may be.
const headerLimit = 1024

// SetTopic implements adapters.Manager: the topic is the channel's header.
func (a *Adapter) SetTopic(ctx context.Context, channel, topic string) error {
	id, err := a.resolve(ctx, channel)
	if err != nil {
		return err
	}
	header := markup.Shorten(unping(markup.Clean(topic)), headerLimit)
	_, resp, err := a.api.PatchChannel(ctx, id, &model.ChannelPatch{Header: &header})
	return a.fault(ctx, "set the header of "+channel, resp, err)
}

// Pin implements adapters.Manager.
func (a *Adapter) Pin(ctx context.Context, ref adapters.Ref) error {
	resp, err := a.api.PinPost(ctx, ref.Message)
	return a.fault(ctx, "pin post "+ref.Message, resp, err)
}

// React implements adapters.Manager.
func (a *Adapter) React(ctx context.Context, ref adapters.Ref, emoji string) error {
	me, err := a.me(ctx)
	if err != nil {
		return err
	}
	_, resp, err := a.api.SaveReaction(ctx, &model.Reaction{
		UserId: me.Id, PostId: ref.Message, EmojiName: strings.Trim(emoji, ":"), CreateAt: time.Now().UnixMilli(),
	})
	return a.fault(ctx, "react to post "+ref.Message, resp, err)
}
