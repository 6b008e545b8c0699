package discord

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"petrel/adapters"
)

// places is what is known of servers, channels and people: told by the gateway,
// or asked for.
type places struct {
	mu       sync.Mutex
	channels map[string]channel         // of the servers, without threads
	names    map[string]string          // of servers, by ID
	roles    map[string]map[string]bool // the bot's own roles, by ID of the server

	threads *recent[channel]
	direct  *recent[string] // channel with a person, by the person's ID
	people  *recent[user]   // by ID
	ids     *recent[string] // of people, by name
}

func newPlaces() *places {
	return &places{
		channels: map[string]channel{}, names: map[string]string{}, roles: map[string]map[string]bool{},
		threads: newRecent[channel](4096), direct: newRecent[string](4096), people: newRecent[user](4096), ids: newRecent[string](4096),
	}
}

// joined takes what READY's followers tell of a server.
func (p *places) joined(g guild, self string) {
	for _, c := range append(g.Channels, g.Threads...) {
		c.GuildID = g.ID
		p.learn(c)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.names[g.ID] = g.Name
	p.roles[g.ID] = map[string]bool{}
	for _, r := range g.Roles {
		if r.Tags.BotID == self && self != "" {
			p.roles[g.ID][r.ID] = true
		}
	}
}

func (p *places) left(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.names, id)
	delete(p.roles, id)
	for k, c := range p.channels {
		if c.GuildID == id {
			delete(p.channels, k)
		}
	}
}

func (p *places) learn(c channel) {
	switch {
	case c.thread():
		p.threads.put(c.ID, c)
	case c.GuildID != "":
		p.mu.Lock()
		defer p.mu.Unlock()
		p.channels[c.ID] = c
	}
}

func (p *places) forget(id string) {
	p.threads.drop(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.channels, id)
}

func (p *places) meet(u user) {
	p.people.put(u.ID, u)
	if !u.Bot {
		p.ids.put(strings.ToLower(u.Username), u.ID)
	}
}

func (p *places) channel(id string) (channel, bool) {
	if c, ok := p.threads.get(id); ok {
		return c, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.channels[id]
	return c, ok
}

// ownRole reports whether a role is the bot's: people address it by that, too.
func (p *places) ownRole(guild, role string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.roles[guild][role]
}

// named returns the channels of that name.
func (p *places) named(name string) []channel {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []channel
	for _, c := range p.channels {
		if strings.EqualFold(c.Name, name) && (c.Type == channelText || c.Type == channelNews) {
			found = append(found, c)
		}
	}
	return found
}

// channelByID returns a channel, asking Discord when it is not known.
func (a *Adapter) channelByID(ctx context.Context, id string) (channel, error) {
	if c, ok := a.places.channel(id); ok {
		return c, nil
	}
	var c channel
	if err := a.api.get(ctx, "channels/"+url.PathEscape(id), &c); err != nil {
		return channel{}, err
	}
	a.places.learn(c)
	return c, nil
}

// where says what an event's channel is in the words of the contract.
func (a *Adapter) where(ctx context.Context, id, guildID string, who user) (adapters.Channel, string) {
	if guildID == "" {
		a.places.direct.put(who.ID, id)
		return adapters.Channel{ID: id, Name: "@" + who.Username, Direct: true}, ""
	}
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	c, err := a.channelByID(ctx, id)
	if err != nil {
		a.log.Warn("a channel cannot be looked up", "channel", id, "error", err)
		return adapters.Channel{ID: id, Name: "#" + id}, ""
	}
	if !c.thread() {
		return adapters.Channel{ID: id, Name: "#" + c.Name}, ""
	}
	parent, err := a.channelByID(ctx, c.ParentID)
	if err != nil {
		a.log.Warn("the channel of a thread cannot be looked up", "channel", c.ParentID, "error", err)
		parent.Name = c.ParentID
	}
	return adapters.Channel{ID: c.ParentID, Name: "#" + parent.Name}, id
}

// lookLimit bounds a look-up on the way of an event.
const lookLimit = 2 * time.Second

// resolve turns Target.Channel into the ID of a channel.
func (a *Adapter) resolve(ctx context.Context, name string) (string, error) {
	switch {
	case isID(name):
		return name, nil
	case strings.HasPrefix(name, "<#") && isID(strings.Trim(name, "<#>")):
		return strings.Trim(name, "<#>"), nil
	case strings.HasPrefix(name, "@") || strings.HasPrefix(name, "<@"):
		u, err := a.FindUser(ctx, name)
		if err != nil {
			return "", fmt.Errorf("channel %q: %w", name, err)
		}
		return a.directWith(ctx, u.ID)
	}
	bare := strings.TrimPrefix(name, "#")
	if c, err := a.choose(a.places.named(bare), name); c != "" || err != nil {
		return c, err
	}
	if err := a.explore(ctx); err != nil {
		return "", err
	}
	if c, err := a.choose(a.places.named(bare), name); c != "" || err != nil {
		return c, err
	}
	return "", fmt.Errorf("there is no channel %q on the servers that the bot is on, or the bot may not see it", name)
}

// choose takes the channel on the configured server, or the only one.
func (a *Adapter) choose(found []channel, name string) (string, error) {
	if len(found) > 1 {
		if here := slices.IndexFunc(found, func(c channel) bool { return c.GuildID == a.guild }); here >= 0 {
			found = found[here : here+1]
		}
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0].ID, nil
	}
	return "", fmt.Errorf("there are %d channels %q; write the ID of the one that is meant", len(found), name)
}

// servers lists where the bot is, the configured one first.
func (a *Adapter) servers(ctx context.Context) ([]guild, error) {
	var all []guild
	if err := a.api.get(ctx, "users/@me/guilds", &all); err != nil {
		return nil, fmt.Errorf("list the bot's servers: %w", err)
	}
	slices.SortStableFunc(all, func(x, y guild) int {
		switch a.guild {
		case x.ID:
			return -1
		case y.ID:
			return 1
		}
		return 0
	})
	return all, nil
}

// explore asks for the channels of all servers.
func (a *Adapter) explore(ctx context.Context) error {
	all, err := a.servers(ctx)
	if err != nil {
		return err
	}
	for _, g := range all {
		var channels []channel
		if err := a.api.get(ctx, "guilds/"+g.ID+"/channels", &channels); err != nil {
			return fmt.Errorf("list the channels of %s: %w", g.Name, err)
		}
		for _, c := range channels {
			c.GuildID = g.ID
			a.places.learn(c)
		}
	}
	return nil
}

// directWith returns the channel in which the bot talks with a person alone.
func (a *Adapter) directWith(ctx context.Context, person string) (string, error) {
	if id, ok := a.places.direct.get(person); ok {
		return id, nil
	}
	var c channel
	if err := a.api.do(ctx, "POST", "users/@me/channels", map[string]string{"recipient_id": person}, nil, &c); err != nil {
		return "", err
	}
	a.places.direct.put(person, c.ID)
	return c.ID, nil
}

// FindUser implements adapters.Directory. Discord tells bots no e-mail
// addresses.
func (a *Adapter) FindUser(ctx context.Context, who string) (adapters.User, error) {
	bare := strings.TrimPrefix(strings.Trim(strings.TrimSpace(who), "<>"), "@")
	bare = strings.TrimPrefix(bare, "!")
	if id, ok := a.places.ids.get(strings.ToLower(bare)); ok && !isID(bare) {
		bare = id
	}
	if isID(bare) {
		u, ok := a.places.people.get(bare)
		if !ok {
			err := a.api.get(ctx, "users/"+bare, &u)
			if refusedStatus(err) == 404 {
				return adapters.User{}, fmt.Errorf("%w: Discord knows no user %s", adapters.ErrNoUser, bare)
			}
			if err != nil {
				return adapters.User{}, err
			}
			a.places.meet(u)
		}
		return adapters.User{ID: u.ID, Name: u.Username, Bot: u.Bot}, nil
	}
	return a.searchUser(ctx, bare)
}

// searchUser looks for a login name on the servers of the bot.
func (a *Adapter) searchUser(ctx context.Context, name string) (adapters.User, error) {
	if strings.Contains(name, "@") || name == "" {
		return adapters.User{}, fmt.Errorf("%w: %q; people on Discord are found by their login name or ID", adapters.ErrNoUser, name)
	}
	all, err := a.servers(ctx)
	if err != nil {
		return adapters.User{}, err
	}
	for _, g := range all {
		var found []member
		if err := a.api.get(ctx, "guilds/"+g.ID+"/members/search?limit=20&query="+url.QueryEscape(name), &found); err != nil {
			return adapters.User{}, err
		}
		for _, m := range found {
			if m.User != nil && strings.EqualFold(m.User.Username, name) {
				a.places.meet(*m.User)
				return adapters.User{ID: m.User.ID, Name: m.User.Username, Bot: m.User.Bot}, nil
			}
		}
	}
	return adapters.User{}, fmt.Errorf("%w: nobody on the bot's servers has the login name %q", adapters.ErrNoUser, name)
}
