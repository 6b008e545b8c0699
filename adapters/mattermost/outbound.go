package mattermost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"petrel/adapters"
)

// Send implements adapters.Adapter. Two sends with one key make one post: the
// server itself keeps the key of a post for 30 s, and this side looks for it
// among the last posts of the channel when an earlier send may have happened
// before that.
func (a *Adapter) Send(ctx context.Context, m adapters.Message) (adapters.Ref, error) {
	if m.Key != "" {
		unlock, err := a.keys.lock(ctx, m.Key)
		if err != nil {
			return adapters.Ref{}, fmt.Errorf("send: %w", err)
		}
		defer unlock()
		if ref, ok := a.sent.get(m.Key); ok {
			return ref, nil
		}
	}
	if err := a.held(); err != nil {
		return adapters.Ref{}, err
	}
	ref, err := a.send(ctx, m)
	if err == nil && m.Key != "" {
		a.sent.put(m.Key, ref)
	}
	return ref, err
}

func (a *Adapter) send(ctx context.Context, m adapters.Message) (adapters.Ref, error) {
	if m.To.Private != "" {
		return a.sendPrivate(ctx, m)
	}
	channel, err := a.resolve(ctx, m.To.Channel)
	if err != nil {
		return adapters.Ref{}, err
	}
	m.To.Channel = channel
	if found, ok, err := a.alreadyThere(ctx, m); err != nil || ok {
		return found, err
	}
	post, err := a.prepare(ctx, m)
	if err != nil {
		return adapters.Ref{}, err
	}
	ref, err := a.create(ctx, m, post)
	if forbidden(err) && m.To.Reply != "" {
		// A channel that the bot is not in: the command's own way back leads there.
		return a.sendByHook(ctx, m, model.CommandResponseTypeInChannel)
	}
	return ref, err
}

// forbiddenError is a refusal for lack of a right.
type forbiddenError struct{ error }

func (e forbiddenError) Unwrap() error { return e.error }

func forbidden(err error) bool {
	_, ok := err.(forbiddenError)
	return ok
}

// alreadyThere looks for a message that an earlier send may have posted: one of
// this process that got no answer a while ago, or one of the process before.
func (a *Adapter) alreadyThere(ctx context.Context, m adapters.Message) (adapters.Ref, bool, error) {
	const remembered = 25 * time.Second // by the server, with some room
	const predecessor = 5 * time.Minute
	tried, doubt := a.doubtful.get(m.Key)
	if m.Key == "" || !(doubt && time.Since(tried) > remembered) && time.Since(a.born) > predecessor {
		return adapters.Ref{}, false, nil
	}
	list, resp, err := a.api.GetPostsForChannel(ctx, m.To.Channel, 0, 100, "", false, false)
	if is(resp, http.StatusForbidden) || is(resp, http.StatusNotFound) {
		return adapters.Ref{}, false, nil // the post itself will say so
	}
	if err != nil {
		return adapters.Ref{}, false, a.fault(ctx, "read the channel", resp, err)
	}
	name := digest(m.Key)
	for _, id := range list.Order {
		if post := list.Posts[id]; post != nil && post.GetProp(keyProp) == name && post.DeleteAt == 0 {
			return adapters.Ref{Channel: post.ChannelId, Message: post.Id}, true, nil
		}
	}
	return adapters.Ref{}, false, nil
}

// filesPerPost is how many files the server takes with one post.
const filesPerPost = 10

// prepare renders a message and uploads the first of its files.
func (a *Adapter) prepare(ctx context.Context, m adapters.Message) (*model.Post, error) {
	me, err := a.me(ctx)
	if err != nil {
		return nil, err
	}
	r, err := a.render(ctx, m, a.readLimits(ctx), false)
	if err != nil {
		return nil, err
	}
	post := &model.Post{ChannelId: m.To.Channel, Message: r.text, Props: r.props}
	if m.Key != "" {
		post.PendingPostId = me.Id + ":" + digest(m.Key)
	}
	if m.To.Thread != "" {
		if post.RootId, _ = a.roots.get(m.To.Thread); post.RootId == "" {
			post.RootId = m.To.Thread
		}
	}
	for i, f := range r.files {
		if i == filesPerPost {
			a.log.Warn("a message has more files than the server takes; the rest is left out", "key", m.Key, "files", len(r.files))
			post.Message += fmt.Sprintf("\n(%d more files are left out)", len(r.files)-i)
			break
		}
		up, resp, err := a.api.UploadFile(ctx, f.Content, m.To.Channel, fileName(f.Name))
		if err != nil {
			return nil, a.fault(ctx, "upload "+f.Name, resp, err)
		}
		for _, info := range up.FileInfos {
			post.FileIds = append(post.FileIds, info.Id)
		}
	}
	return post, nil
}

// create posts. A thread whose root is not one, or is gone, is corrected once.
func (a *Adapter) create(ctx context.Context, m adapters.Message, post *model.Post) (adapters.Ref, error) {
	a.doubtful.put(m.Key, time.Now())
	made, resp, err := a.api.CreatePost(ctx, post)
	if err != nil && is(resp, http.StatusBadRequest) && post.RootId != "" {
		root, rootErr := a.rootOf(ctx, post.RootId)
		if rootErr != nil {
			return adapters.Ref{}, rootErr
		}
		if root != post.RootId {
			post.RootId = root
			made, resp, err = a.api.CreatePost(ctx, post)
		}
	}
	if err != nil {
		err = a.fault(ctx, "post to "+a.nameOf(m.To.Channel), resp, err)
		if is(resp, http.StatusForbidden) {
			err = forbiddenError{fmt.Errorf("%w (is the bot a member of the channel? /invite it there)", err)}
		}
		return adapters.Ref{}, err
	}
	a.doubtful.forget(m.Key)
	a.roots.put(made.Id, strOr(made.RootId, made.Id))
	return adapters.Ref{Channel: made.ChannelId, Message: made.Id}, nil
}

// nameOf is how people know a channel, when it is known here.
func (a *Adapter) nameOf(channel string) string {
	if p, ok := a.places.get(channel); ok {
		return p.Name
	}
	return channel
}

func strOr(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// rootOf returns the root of the thread that a post is in; "" when the post is
// gone, and the answer goes to the channel.
func (a *Adapter) rootOf(ctx context.Context, id string) (string, error) {
	post, resp, err := a.api.GetPost(ctx, id, "")
	switch {
	case is(resp, http.StatusNotFound) || is(resp, http.StatusForbidden) || is(resp, http.StatusBadRequest):
		return "", nil
	case err != nil:
		return "", a.fault(ctx, "look up post "+id, resp, err)
	case post.DeleteAt > 0:
		return "", nil
	}
	root := strOr(post.RootId, post.Id)
	a.roots.put(id, root)
	return root, nil
}

// Update implements adapters.Adapter.
func (a *Adapter) Update(ctx context.Context, ref adapters.Ref, m adapters.Message) error {
	if err := a.held(); err != nil {
		return err
	}
	if strings.HasPrefix(ref.Message, hookRef) {
		if !m.State.Final() {
			return nil // what went through a command's way back cannot be changed
		}
		m.To.Channel = ref.Channel
		_, err := a.sendByHook(ctx, m, model.CommandResponseTypeInChannel)
		return err
	}
	r, err := a.render(ctx, m, a.readLimits(ctx), true)
	if err != nil {
		return err
	}
	r.props[model.PostPropsFromBot] = "true" // a patch replaces all properties
	_, resp, err := a.api.PatchPost(ctx, ref.Message, &model.PostPatch{Message: &r.text, Props: &r.props})
	return a.fault(ctx, "edit post "+ref.Message, resp, err)
}

// sendPrivate says something to one person: by the way back of their command,
// which needs no rights, else as an ephemeral post, else, when the bot may not
// make those, the person is not there to see it or there are files, directly.
func (a *Adapter) sendPrivate(ctx context.Context, m adapters.Message) (adapters.Ref, error) {
	if len(m.Files) == 0 {
		if m.To.Reply != "" {
			if ref, err := a.sendByHook(ctx, m, model.CommandResponseTypeEphemeral); err == nil || ctx.Err() != nil || errors.Is(err, adapters.ErrOutcomeUnknown) {
				return ref, err
			}
		}
		if ref, ok, err := a.ephemeral(ctx, m); ok || err != nil {
			return ref, err
		}
	}
	me, err := a.me(ctx)
	if err != nil {
		return adapters.Ref{}, err
	}
	direct, resp, err := a.api.CreateDirectChannel(ctx, me.Id, m.To.Private)
	if err != nil {
		return adapters.Ref{}, a.fault(ctx, "open a direct channel", resp, err)
	}
	m.To = adapters.Target{Channel: direct.Id}
	return a.send(ctx, m)
}

// ephemeral posts for one pair of eyes; false means that it cannot be seen.
func (a *Adapter) ephemeral(ctx context.Context, m adapters.Message) (adapters.Ref, bool, error) {
	channel, err := a.resolve(ctx, m.To.Channel)
	if err != nil {
		return adapters.Ref{}, false, err
	}
	status, resp, err := a.api.GetUserStatus(ctx, m.To.Private, "")
	if err != nil && !is(resp, http.StatusForbidden) && !is(resp, http.StatusNotFound) {
		return adapters.Ref{}, false, a.fault(ctx, "ask whether the person is there", resp, err)
	}
	if err == nil && status.Status == model.StatusOffline {
		return adapters.Ref{}, false, nil // nobody would ever see it
	}
	r, err := a.render(ctx, m, a.readLimits(ctx), false)
	if err != nil {
		return adapters.Ref{}, false, err
	}
	post := &model.Post{ChannelId: channel, Message: r.text, Props: r.props}
	if root, ok := a.roots.get(m.To.Thread); ok {
		post.RootId = root
	}
	made, resp, err := a.api.CreatePostEphemeral(ctx, &model.PostEphemeral{UserID: m.To.Private, Post: post})
	switch {
	case err == nil:
		return adapters.Ref{Channel: channel, Message: made.Id}, true, nil
	case is(resp, http.StatusForbidden):
		return adapters.Ref{}, false, nil
	}
	err = a.fault(ctx, "post to one person", resp, err)
	if (resp == nil || resp.StatusCode == 0) && !neverSent(err) {
		// The server does not know one ephemeral post from another.
		return adapters.Ref{}, false, fmt.Errorf("%w: %w", adapters.ErrOutcomeUnknown, err)
	}
	return adapters.Ref{}, false, err
}

// neverSent reports that a call failed before the server could have seen it.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// hookRef begins the Ref of what went through a response_url: it has no ID.
const hookRef = "hook."

// hookLife is for how long the server takes answers to a command.
const hookLife = 29 * time.Minute

// replyHandle makes Event.Reply of a command's response_url. Only its name is
// kept: the address before it is the server's idea of itself, which may be wrong.
func replyHandle(responseURL string, now time.Time) string {
	i := strings.LastIndex(responseURL, "/hooks/commands/")
	if i < 0 {
		return ""
	}
	id := responseURL[i+len("/hooks/commands/"):]
	if !model.IsValidId(id) {
		return ""
	}
	return id + "." + strconv.FormatInt(now.Add(hookLife).Unix(), 10)
}

// sendByHook answers a command through its response_url, which the server takes
// five times within half an hour, also in a channel without the bot.
func (a *Adapter) sendByHook(ctx context.Context, m adapters.Message, kind string) (adapters.Ref, error) {
	id, until, _ := strings.Cut(m.To.Reply, ".")
	if end, err := strconv.ParseInt(until, 10, 64); err != nil || !model.IsValidId(id) || time.Now().Unix() > end {
		return adapters.Ref{}, fmt.Errorf("the command's way back has run out")
	}
	l := a.readLimits(ctx)
	l.files = false
	m.Files = slices.Clone(m.Files)
	r, err := a.render(ctx, m, l, false)
	if err != nil {
		return adapters.Ref{}, err
	}
	answer := model.CommandResponse{ResponseType: kind, Text: r.text, Props: r.props, SkipSlackParsing: true}
	body, err := json.Marshal(answer)
	if err != nil {
		return adapters.Ref{}, fmt.Errorf("encode an answer: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/hooks/commands/"+id, bytes.NewReader(body))
	if err != nil {
		return adapters.Ref{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.http.Do(req)
	if err != nil {
		err = a.fault(ctx, "answer a command", nil, err)
		if !neverSent(err) {
			err = fmt.Errorf("%w: %w", adapters.ErrOutcomeUnknown, err)
		}
		return adapters.Ref{}, err
	}
	defer resp.Body.Close()
	words, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
	if resp.StatusCode != http.StatusOK {
		return adapters.Ref{}, fmt.Errorf("answer a command: Mattermost says %d: %s", resp.StatusCode, words)
	}
	return adapters.Ref{Channel: m.To.Channel, Message: hookRef + digest(m.Key, id)}, nil
}
