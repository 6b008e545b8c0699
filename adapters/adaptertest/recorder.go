package adaptertest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"petrel/adapters"
)

// recorder is a Handler that keeps what it hears.
type recorder struct {
	mu      sync.Mutex
	events  []adapters.Event
	changed chan struct{}
	answer  func(ctx context.Context, e adapters.Event) (adapters.Answer, error)
}

func newRecorder() *recorder {
	return &recorder{changed: make(chan struct{})}
}

// Handle implements adapters.Handler: it accepts, unless answer says otherwise.
func (r *recorder) Handle(ctx context.Context, e adapters.Event) (adapters.Answer, error) {
	r.mu.Lock()
	r.events = append(r.events, e)
	close(r.changed)
	r.changed = make(chan struct{})
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		return answer(ctx, e)
	}
	return adapters.Answer{Disposition: adapters.Accepted}, nil
}

func (r *recorder) setAnswer(f func(context.Context, adapters.Event) (adapters.Answer, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// await waits for n events and returns all.
func (r *recorder) await(ctx context.Context, n int) ([]adapters.Event, error) {
	for {
		r.mu.Lock()
		events, changed := slices.Clone(r.events), r.changed
		r.mu.Unlock()
		if len(events) >= n {
			return events, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return events, fmt.Errorf("%d events came: %w", len(events), ctx.Err())
		}
	}
}

// Board is what one person sees in one channel, for harnesses to keep.
type Board struct {
	mu      sync.Mutex
	seen    []Seen
	changed chan struct{}
}

// Put shows a message: at the end, or in the place of the one with the same ID.
func (b *Board) Put(s Seen) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.seen, func(old Seen) bool { return old.Message == s.Message })
	if i < 0 {
		b.seen = append(b.seen, s)
	} else {
		b.seen[i] = s
	}
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// Await waits until ok holds for what is seen. When ctx ends first it returns
// an error and what is seen then.
func (b *Board) Await(ctx context.Context, ok func([]Seen) bool) ([]Seen, error) {
	for {
		b.mu.Lock()
		seen := slices.Clone(b.seen)
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		changed := b.changed
		b.mu.Unlock()
		if ok(seen) {
			return seen, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return seen, ctx.Err()
		}
	}
}
