package redis

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// blockTime is how long the blocking read waits in the server. It is well below
// any read timeout, so that a connection that is dead and does not say so is
// noticed; the read is given up a while after it.
const blockTime = 3 * time.Second

// bell hears, over one connection of its own, for which queues and for the event
// log something has arrived. The scripts ring only for places at which somebody
// has found nothing, so under load it is silent.
type bell struct {
	b    *Backend
	last string // id of the last ring heard

	mu    sync.Mutex
	event chan struct{} // closed and replaced at each ring for the event log
}

func newBell(ctx context.Context, b *Backend) (*bell, error) {
	l := &bell{b: b, last: "0-0", event: make(chan struct{})}
	newest, err := b.rdb.XRevRangeN(ctx, b.prefix+"bell", "+", "-", 1).Result()
	if err != nil {
		return nil, err
	}
	if len(newest) > 0 {
		l.last = newest[0].ID
	}
	return l, nil
}

// events returns a channel that is closed when an event was appended after this
// call.
func (l *bell) events() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.event
}

func (l *bell) ringEvents() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.event)
	l.event = make(chan struct{})
}

// listen runs until the backend is closed.
func (l *bell) listen() {
	pause := 50 * time.Millisecond
	deaf := false
	for l.b.closing.Err() == nil {
		ctx, cancel := context.WithTimeout(l.b.closing, blockTime+2*time.Second)
		streams, err := l.b.ears.XRead(ctx, &redis.XReadArgs{
			Streams: []string{l.b.prefix + "bell", l.last}, Count: 1024, Block: blockTime,
		}).Result()
		cancel()
		if err != nil && !errors.Is(err, redis.Nil) {
			if l.b.closing.Err() == nil {
				l.b.state.down(err)
			}
			deaf = true
			select {
			case <-time.After(pause):
			case <-l.b.closing.Done():
			}
			pause = min(2*pause, time.Second)
			continue
		}
		pause = 50 * time.Millisecond
		if deaf { // what was rung in the meantime may be lost with the server's memory
			deaf = false
			l.b.state.up()
			l.wakeAll()
		}
		for _, s := range streams {
			l.hear(s.Messages)
		}
	}
}

func (l *bell) hear(messages []redis.XMessage) {
	places := map[string]bool{}
	for _, m := range messages {
		if place, ok := m.Values["p"].(string); ok {
			places[place] = true
		}
		l.last = m.ID
	}
	if places["e"] {
		l.ringEvents()
	}
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	for place := range places {
		if queue, ok := strings.CutPrefix(place, "q:"); ok {
			if line := l.b.lines[queue]; line != nil {
				line.ring()
			}
		}
	}
}

func (l *bell) wakeAll() {
	l.ringEvents()
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	for _, line := range l.b.lines {
		line.ring()
	}
}
