package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mattermost/mattermost/server/public/model"

	"petrel/adapters"
)

// ears is what listening needs to remember from one connection to the next.
// Only the goroutine of Run uses it, but for lanes and seen.
type ears struct {
	a       *Adapter
	handler adapters.Handler
	lanes   lanes

	connection string // ID by which the server knows the connection; "" at first
	next       int64  // number of the event that must come next
	stuck      int64  // number of an event that was missing once
	gap        bool   // events may be missing: ask for the posts
	since      int64  // posts before it, in ms, are nobody's business
	seen       *recent[bool]
	marks      map[string]int64 // channel -> when its last post was made, in ms
	held       []heardPost      // came while the missed ones were asked for
}

type heardPost struct {
	post   *model.Post
	sender string // name of who wrote it, when it is known
}

// begin is called before each connection with the server's time.
func (e *ears) begin(now time.Time) {
	if e.since == 0 {
		e.since = now.Add(-max(e.a.lookBack, 0)).UnixMilli()
		e.gap = e.a.lookBack > 0
	} else if e.connection == "" {
		e.gap = true // a server without reliable connections
	}
}

// event takes one frame. An error means that the connection is of no use.
func (e *ears) event(ev *model.WebSocketEvent, filling bool) error {
	if ev.EventType() == model.WebsocketEventHello {
		id, _ := ev.GetData()["connection_id"].(string)
		if e.connection != "" && id != e.connection {
			e.a.log.Info("the server has forgotten the connection; asking for what was missed")
			e.gap = true
		}
		e.connection, e.next, e.stuck = id, ev.GetSequence()+1, -1
		return nil
	}
	if e.connection != "" {
		seq := ev.GetSequence()
		if seq < e.next {
			return nil // heard before
		}
		if seq > e.next && e.stuck != e.next {
			e.stuck = e.next
			return fmt.Errorf("event %d came in place of %d", seq, e.next)
		}
		if seq > e.next { // asked for again it is missing again, as one that the library cannot read
			e.a.log.Warn("an event cannot be had; asking for the posts instead", "event", e.next)
			e.gap = true
		}
		e.next = seq + 1
	}
	switch ev.EventType() {
	case model.WebsocketEventPosted:
		text, _ := ev.GetData()["post"].(string)
		p := heardPost{post: &model.Post{}}
		if err := json.Unmarshal([]byte(text), p.post); err != nil {
			e.a.log.Warn("a post cannot be read", "error", err)
			return nil
		}
		p.sender, _ = ev.GetData()["sender_name"].(string)
		if filling || e.gap {
			e.held = append(e.held, p)
		} else {
			e.take(p)
		}
	case model.WebsocketEventUserUpdated:
		if u, ok := ev.GetData()["user"].(*model.User); ok {
			e.a.people.forget(u.Id)
		}
	case model.WebsocketEventChannelUpdated, model.WebsocketEventChannelConverted:
		if b := ev.GetBroadcast(); b != nil {
			e.a.places.forget(b.ChannelId)
		}
	}
	return nil
}

// take hands a post on, once.
func (e *ears) take(p heardPost) {
	post := p.post
	if _, known := e.seen.get(post.Id); known {
		return
	}
	e.seen.put(post.Id, true)
	e.marks[post.ChannelId] = max(e.marks[post.ChannelId], post.CreateAt)
	root := post.RootId
	if root == "" {
		root = post.Id
	}
	e.a.roots.put(post.Id, root)
	if me := e.a.self.Load(); me != nil && post.UserId == me.Id || post.Type != model.PostTypeDefault || post.DeleteAt > 0 {
		return
	}
	e.lanes.add(post.ChannelId, func() {
		ctx, h, leave, err := e.a.gate.enter(context.Background())
		if err != nil {
			return // stopping; the next start asks for it
		}
		defer leave()
		e.a.hear(ctx, h, p)
	})
}

// caughtUp hands on what was missed, then what came meanwhile.
func (e *ears) caughtUp(posts []*model.Post) {
	e.gap = false
	for _, post := range posts {
		e.take(heardPost{post: post})
	}
	held := e.held
	e.held = nil
	for _, p := range held {
		e.take(p)
	}
}

// overlap is how far back before the last post of a channel the missed ones are
// asked for: the server may announce two posts in the other order than it made
// them.
const overlap = 10 * time.Second

// mostMissed bounds how many posts of one channel are read after a gap.
const mostMissed = 1000

// missed reads the posts that were made since the last ones heard, which marks
// tells by channel, oldest first. It tries until it succeeds or ctx ends; then it returns nil.
func (e *ears) missed(ctx context.Context, marks map[string]int64) []*model.Post {
	for pause := time.Second; ; pause = min(2*pause, longestPause) {
		posts, err := e.a.postsAfter(ctx, marks, e.since)
		if err == nil {
			slices.SortStableFunc(posts, func(x, y *model.Post) int { return int(x.CreateAt - y.CreateAt) })
			return posts
		}
		var retry *adapters.RetryError
		if errors.As(err, &retry) {
			pause = max(pause, retry.After)
		}
		if ctx.Err() == nil {
			e.a.log.Warn("what was missed cannot be read yet", "error", err, "again_in", pause)
		}
		if !sleep(ctx, pause) {
			return nil
		}
	}
}

// postsAfter reads, from all channels of the bot, the posts after those marked,
// or after since where there is no mark.
func (a *Adapter) postsAfter(ctx context.Context, marks map[string]int64, since int64) ([]*model.Post, error) {
	me, err := a.me(ctx)
	if err != nil {
		return nil, err
	}
	channels, resp, err := a.api.GetChannelsForUserWithLastDeleteAt(ctx, me.Id, 0)
	if err != nil {
		return nil, a.fault(ctx, "list the bot's channels", resp, err)
	}
	posts := []*model.Post{}
	for _, c := range channels {
		from := max(marks[c.Id]-overlap.Milliseconds(), since)
		if c.LastPostAt < from {
			continue
		}
		more, err := a.channelAfter(ctx, c, from)
		if err != nil {
			return nil, err
		}
		posts = append(posts, more...)
	}
	return posts, nil
}

// channelAfter reads the newest posts of a channel, page by page, back to a
// point in time. New posts meanwhile move the pages, so that some come twice but
// none is missed; the server's own "since" is known to leave some out.
func (a *Adapter) channelAfter(ctx context.Context, c *model.Channel, from int64) ([]*model.Post, error) {
	const page = 100
	var posts []*model.Post
	for n := 0; len(posts) < mostMissed; n++ {
		list, resp, err := a.api.GetPostsForChannel(ctx, c.Id, n, page, "", false, false)
		if err != nil {
			return nil, a.fault(ctx, "read the posts of "+c.Name, resp, err)
		}
		for _, id := range list.Order {
			post := list.Posts[id]
			if post == nil {
				continue
			}
			if post.CreateAt < from {
				return posts, nil
			}
			posts = append(posts, post)
		}
		if len(list.Order) < page {
			return posts, nil
		}
	}
	a.log.Warn("too much was missed; the oldest posts are left out", "channel", c.Name, "read", len(posts))
	return posts, nil
}
