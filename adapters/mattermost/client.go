package mattermost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"petrel/adapters"
)

// refusedError is an answer that another try will not change: the server does
// not want this token.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return e.text }

// fault turns what a call of the API returned into an error of the contract.
// what says what was tried, e.g. "post to #ops".
func (a *Adapter) fault(ctx context.Context, what string, resp *model.Response, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	if resp == nil || resp.StatusCode == 0 {
		return &adapters.RetryError{After: time.Second, Err: fmt.Errorf("%s: %w", what, err)}
	}
	var app *model.AppError
	known := errors.As(err, &app)
	words := err.Error()
	if known {
		words = strings.TrimSuffix(cmp.Or(app.Message, app.Id), ".")
	}
	failed := fmt.Errorf("%s: Mattermost says %d: %s", what, resp.StatusCode, words)
	switch code := resp.StatusCode; {
	case code == http.StatusTooManyRequests:
		after := retryAfter(resp.Header)
		a.blocked.Store(time.Now().Add(after).UnixNano())
		return &adapters.RetryError{After: after, Err: failed}
	case known && strings.HasSuffix(app.Id, "deduplicate_create_post.pending"):
		return &adapters.RetryError{After: 300 * time.Millisecond, Err: failed}
	case code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return &adapters.RetryError{After: 2 * time.Second, Err: failed}
	case code == http.StatusUnauthorized && known:
		return &refusedError{fmt.Sprintf("%s: Mattermost refuses the token: %s. Make a new access token for the bot account and set chat.mattermost.token (see docs/mattermost.md)", what, words)}
	}
	return failed
}

// retryAfter reads how long a server with rate limiting wants to be left alone.
func retryAfter(h http.Header) time.Duration {
	for _, name := range []string{"Retry-After", "X-RateLimit-Reset"} {
		if s, err := strconv.ParseFloat(h.Get(name), 64); err == nil && s > 0 && s < 3600 {
			return time.Duration(s * float64(time.Second))
		}
	}
	return time.Second
}

// held reports that the server asked to wait and the time has not come.
func (a *Adapter) held() error {
	if left := time.Until(time.Unix(0, a.blocked.Load())); left > 0 {
		return &adapters.RetryError{After: left, Err: errors.New("Mattermost limits the rate of calls")}
	}
	return nil
}

// is reports whether an answer has a status.
func is(resp *model.Response, status int) bool { return resp != nil && resp.StatusCode == status }

// limits are what the server allows, from the configuration that it gives to
// its clients.
type limits struct {
	text, file int
	files      bool
	read       time.Time
}

// knownLimits returns the limits without asking; before the first answer those
// of a server as it is installed.
func (a *Adapter) knownLimits() limits {
	if l := a.limit.Load(); l != nil {
		return *l
	}
	return limits{text: model.PostMessageMaxRunesV2, file: 100 << 20, files: true}
}

// readLimits asks for the limits when they are old. When it cannot it goes on
// with those it knows: the server checks them anyway.
func (a *Adapter) readLimits(ctx context.Context) limits {
	l := a.knownLimits()
	if time.Since(l.read) < 10*time.Minute {
		return l
	}
	c, resp, err := a.api.GetClientConfig(ctx, "")
	if err != nil {
		a.log.Debug("the limits of the server are not known", "error", a.fault(ctx, "read the client configuration", resp, err))
		return l
	}
	l.read = time.Now()
	if n, err := strconv.Atoi(c["MaxPostSize"]); err == nil && n > 0 {
		l.text = n
	}
	if n, err := strconv.Atoi(c["MaxFileSize"]); err == nil && n > 0 {
		l.file = n
	}
	l.files = c["EnableFileAttachments"] != "false"
	a.limit.Store(&l)
	return l
}

// me returns the bot's own account.
func (a *Adapter) me(ctx context.Context) (*model.User, error) {
	if u := a.self.Load(); u != nil {
		return u, nil
	}
	u, _, err := a.askMe(ctx)
	return u, err
}

// askMe asks who the token belongs to.
func (a *Adapter) askMe(ctx context.Context) (*model.User, *model.Response, error) {
	u, resp, err := a.api.GetMe(ctx, "")
	if err != nil {
		return nil, resp, a.fault(ctx, "log in", resp, err)
	}
	a.self.Store(u)
	return u, resp, nil
}

// fresh is for how long what is known of a person or channel is believed.
const fresh = 10 * time.Minute

type person struct {
	adapters.User
	read time.Time
}

type place struct {
	adapters.Channel
	team string
	read time.Time
}

// user returns a person by ID.
func (a *Adapter) user(ctx context.Context, id string) (adapters.User, error) {
	if p, ok := a.people.get(id); ok && time.Since(p.read) < fresh {
		return p.User, nil
	}
	u, resp, err := a.api.GetUser(ctx, id, "")
	if err != nil {
		return adapters.User{}, a.fault(ctx, "look up user "+id, resp, err)
	}
	return a.learn(u), nil
}

func (a *Adapter) learn(u *model.User) adapters.User {
	p := person{User: adapters.User{ID: u.Id, Name: u.Username, Email: u.Email, Bot: u.IsBot}, read: time.Now()}
	a.people.put(u.Id, p)
	return p.User
}

// channel returns a channel by ID.
func (a *Adapter) channel(ctx context.Context, id string) (place, error) {
	if p, ok := a.places.get(id); ok && time.Since(p.read) < fresh {
		return p, nil
	}
	c, resp, err := a.api.GetChannel(ctx, id)
	if err != nil {
		return place{}, a.fault(ctx, "look up channel "+id, resp, err)
	}
	return a.learnChannel(ctx, c), nil
}

func (a *Adapter) learnChannel(ctx context.Context, c *model.Channel) place {
	p := place{Channel: a.channelOf(ctx, c.Id, c.Name, c.DisplayName, c.Type), team: c.TeamId, read: time.Now()}
	a.places.put(c.Id, p)
	return p
}

// channelOf names a channel as people write it. Direct ones are named by the
// server after the two people's IDs.
func (a *Adapter) channelOf(ctx context.Context, id, name, display string, kind model.ChannelType) adapters.Channel {
	c := adapters.Channel{ID: id, Name: "#" + name}
	first, second, direct := strings.Cut(name, "__")
	switch {
	case kind == model.ChannelTypeDirect || kind == "" && direct && model.IsValidId(first) && model.IsValidId(second):
		me, err := a.me(ctx)
		if err != nil {
			return c
		}
		other := first
		if first == me.Id {
			other = second
		}
		c.Direct = first == me.Id || second == me.Id
		if u, err := a.user(ctx, other); err == nil {
			c.Name = "@" + u.Name
		}
	case kind == model.ChannelTypeGroup:
		c.Name = cmp.Or(display, c.Name)
	}
	return c
}
