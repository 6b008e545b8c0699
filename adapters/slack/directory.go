package slack

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"petrel/adapters"
)

var (
	personID  = regexp.MustCompile(`^[UW][A-Z0-9]{5,}$`)
	channelID = regexp.MustCompile(`^[CGD][A-Z0-9]{5,}$`)
)

// lookup bounds what an event waits for the names of people and channels.
const lookup = time.Second

// know looks up a person and a channel at the same time.
func (a *Adapter) know(ctx context.Context, person, channel string) (who adapters.User, where adapters.Channel) {
	var both sync.WaitGroup
	both.Go(func() { who = a.person(ctx, person) })
	both.Go(func() { where = a.channel(ctx, channel) })
	both.Wait()
	return who, where
}

// person returns who an ID is. When Slack does not say, the ID is all there is.
func (a *Adapter) person(ctx context.Context, id string) adapters.User {
	if who, ok := a.people.get(id); ok {
		return who
	}
	ctx, cancel := context.WithTimeout(ctx, lookup)
	defer cancel()
	who, err := a.fetchPerson(ctx, id)
	if err != nil {
		if old, ok := a.people.old(id); ok {
			return old
		}
		a.log.Warn("Slack does not say who a person is", "adapter", a.name, "user", id, "error", explain(err))
		return adapters.User{ID: id, Name: id}
	}
	return who
}

func (a *Adapter) fetchPerson(ctx context.Context, id string) (adapters.User, error) {
	u, err := a.api.GetUserInfoContext(ctx, id)
	if err != nil {
		return adapters.User{}, err
	}
	return a.keepPerson(u), nil
}

func (a *Adapter) keepPerson(u *slack.User) adapters.User {
	who := adapters.User{ID: u.ID, Name: u.Name, Email: u.Profile.Email, Bot: u.IsBot}
	a.people.put(who, who.ID, "@"+who.Name, strings.ToLower(who.Email))
	return who
}

func (a *Adapter) personName(ctx context.Context, id string) string { return a.person(ctx, id).Name }

// channel returns which channel an ID is. Without Slack's word the name is the ID.
func (a *Adapter) channel(ctx context.Context, id string) adapters.Channel {
	if c, ok := a.channels.get(id); ok {
		return c
	}
	ctx, cancel := context.WithTimeout(ctx, lookup)
	defer cancel()
	info, err := a.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
	if err != nil {
		if old, ok := a.channels.old(id); ok {
			return old
		}
		a.log.Warn("Slack does not say which channel this is", "adapter", a.name, "channel", id, "error", explain(err))
		return adapters.Channel{ID: id, Name: id, Direct: strings.HasPrefix(id, "D")}
	}
	return a.keepChannel(ctx, info)
}

func (a *Adapter) keepChannel(ctx context.Context, info *slack.Channel) adapters.Channel {
	c := adapters.Channel{ID: info.ID, Name: "#" + info.Name}
	if info.IsIM {
		c.Direct = true
		c.Name = "@" + a.person(ctx, info.User).Name
	}
	a.channels.put(c, c.ID, c.Name)
	return c
}

func (a *Adapter) channelName(ctx context.Context, id string) string { return a.channel(ctx, id).Name }

// FindUser implements adapters.Directory.
func (a *Adapter) FindUser(ctx context.Context, who string) (adapters.User, error) {
	who = strings.TrimSpace(who)
	key := who
	if strings.Contains(strings.TrimPrefix(who, "@"), "@") {
		key = strings.ToLower(who)
	}
	if u, ok := a.people.get(key); ok {
		return u, nil
	}
	c := &call{method: "users.info", again: true}
	var u adapters.User
	var err error
	switch {
	case personID.MatchString(who):
		u, err = a.fetchPerson(c.context(ctx), who)
	case key != who || strings.Contains(who, "@") && !strings.HasPrefix(who, "@"):
		c.method = "users.lookupByEmail"
		var found *slack.User
		if found, err = a.api.GetUserByEmailContext(c.context(ctx), key); err == nil {
			u = a.keepPerson(found)
		}
	default:
		c.method = "users.list"
		u, err = a.searchPerson(c.context(ctx), "@"+strings.TrimPrefix(who, "@"))
	}
	switch code(err) {
	case "users_not_found", "user_not_found", "user_not_visible":
		err = adapters.ErrNoUser
	}
	if errors.Is(err, adapters.ErrNoUser) {
		return u, fmt.Errorf("%s: %w", who, err)
	}
	return u, c.judge(err)
}

// searchPerson goes through everybody until it meets somebody of that name.
func (a *Adapter) searchPerson(ctx context.Context, name string) (adapters.User, error) {
	pages := a.api.GetUsersPaginated(slack.GetUsersOptionLimit(200))
	for {
		next, err := pages.Next(ctx)
		if pages.Done(err) {
			return adapters.User{}, adapters.ErrNoUser
		}
		if err != nil {
			return adapters.User{}, err
		}
		pages = next
		for i := range pages.Users {
			if !pages.Users[i].Deleted {
				a.keepPerson(&pages.Users[i])
			}
		}
		if u, ok := a.people.get(name); ok {
			return u, nil
		}
	}
}

// resolve returns the ID of a channel that is given as an ID or as people write
// it ("#ops", "@ann", an ID of a person).
func (a *Adapter) resolve(ctx context.Context, channel string) (string, error) {
	switch {
	case channelID.MatchString(channel):
		return channel, nil
	case strings.HasPrefix(channel, "@") || personID.MatchString(channel):
		return a.direct(ctx, channel)
	}
	name := "#" + strings.TrimPrefix(channel, "#")
	if c, ok := a.channels.get(name); ok {
		return c.ID, nil
	}
	if strings.ContainsAny(name, " \t\n!@,") || len(name) < 2 {
		return "", fmt.Errorf("%q is not a channel of Slack; write for example \"#ops\"", channel)
	}
	c := &call{method: "conversations.list", again: true}
	ctx = c.context(ctx)
	query := &slack.GetConversationsParameters{Limit: 1000, ExcludeArchived: true, Types: []string{"public_channel", "private_channel"}}
	for {
		page, cursor, err := a.api.GetConversationsContext(ctx, query)
		if err != nil {
			return "", c.judge(err)
		}
		for i := range page {
			a.keepChannel(ctx, &page[i])
		}
		if found, ok := a.channels.get(name); ok {
			return found.ID, nil
		}
		if query.Cursor = cursor; cursor == "" {
			return "", fmt.Errorf("there is no channel %s that the app can see", name)
		}
	}
}

// direct returns the ID of the direct conversation with a person.
func (a *Adapter) direct(ctx context.Context, who string) (string, error) {
	if c, ok := a.channels.get(who); ok {
		return c.ID, nil
	}
	u, err := a.FindUser(ctx, who)
	if err != nil {
		return "", err
	}
	c := &call{method: "conversations.open", again: true}
	dm, _, _, err := a.api.OpenConversationContext(c.context(ctx), &slack.OpenConversationParameters{Users: []string{u.ID}})
	if err != nil {
		return "", c.judge(err)
	}
	found := adapters.Channel{ID: dm.ID, Name: "@" + u.Name, Direct: true}
	a.channels.put(found, found.ID, found.Name, u.ID)
	return dm.ID, nil
}
