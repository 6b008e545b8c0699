package slack

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"petrel/adapters"
)

// pace keeps us within Slack's rates: about one post a second in each channel,
// with short bursts, and 50 edits a minute in the workspace. It also remembers
// what Slack asked us to leave alone.
type pace struct {
	posts, edits rate

	mu      sync.Mutex
	buckets map[string]*bucket
	blocked map[string]time.Time
}

type rate struct {
	every time.Duration
	burst int
}

// bucket holds the time at which it will be full again, and the next time at
// which nobody was told to come back.
type bucket struct{ full, free time.Time }

// farthest is how late at most one is told to come back for the sake of others:
// they may not come, and then it could be done earlier.
const farthest = time.Minute

func newPace(t Timing) *pace {
	return &pace{
		posts: rate{t.PostEvery, t.PostBurst}, edits: rate{t.EditEvery, t.EditBurst},
		buckets: map[string]*bucket{}, blocked: map[string]time.Time{},
	}
}

// post takes the right to post to a channel, or says when to come back.
func (p *pace) post(channel string) error { return p.take("post "+channel, p.posts) }

// edit takes the right to edit a message.
func (p *pace) edit() error { return p.take("edit", p.edits) }

func (p *pace) take(key string, r rate) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if until, ok := p.blocked[key]; ok {
		if now.Before(until) {
			return &adapters.RetryError{After: until.Sub(now), Err: fmt.Errorf("Slack asked us to wait (%s)", key)}
		}
		delete(p.blocked, key)
	}
	b := p.buckets[key]
	if b == nil {
		p.sweep(now)
		b = &bucket{full: now}
		p.buckets[key] = b
	}
	if b.full.Before(now) {
		b.full = now
	}
	if wait := b.full.Add(r.every).Sub(now) - time.Duration(r.burst)*r.every; wait > 0 {
		return &adapters.RetryError{After: b.turn(now, wait, r.every), Err: fmt.Errorf("Slack wants no more than one in %s here (%s)", r.every, key)}
	}
	b.full = b.full.Add(r.every)
	return nil
}

// turn is after how long one who must wait is to come back: each at a time of
// their own. If thousands came back with the next drop, all but one would come in
// vain, every second.
func (b *bucket) turn(now time.Time, wait, every time.Duration) time.Duration {
	turn := max(wait, b.free.Sub(now))
	if turn > farthest {
		return max(wait, farthest)
	}
	b.free = now.Add(turn + every)
	return turn
}

// sweep forgets the buckets that are full.
func (p *pace) sweep(now time.Time) {
	if len(p.buckets) < 1000 {
		return
	}
	for key, b := range p.buckets {
		if b.full.Before(now) {
			delete(p.buckets, key)
		}
	}
}

// heed remembers that Slack asked to be left alone.
func (p *pace) heed(key string, err error) {
	var retry *adapters.RetryError
	var limited *slack.RateLimitedError
	if !errors.As(err, &retry) || !errors.As(err, &limited) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocked[key] = time.Now().Add(retry.After)
}
