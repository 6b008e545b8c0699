package mattermost

import (
	"context"
	"errors"
	"sync"

	"petrel/adapters"
)

// recent remembers the last few thousand values: between size and twice size of
// them. It saves questions to the server; nothing breaks when it forgets.
type recent[V any] struct {
	mu         sync.Mutex
	young, old map[string]V
	size       int
}

func newRecent[V any](size int) *recent[V] {
	return &recent[V]{young: map[string]V{}, size: size}
}

func (r *recent[V]) get(key string) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.young[key]
	if !ok {
		v, ok = r.old[key]
	}
	return v, ok
}

func (r *recent[V]) put(key string, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= r.size {
		r.old, r.young = r.young, map[string]V{}
	}
	r.young[key] = v
}

func (r *recent[V]) forget(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, key)
	delete(r.old, key)
}

// keyed lets one holder of a key in at a time.
type keyed struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits for the key; the returned function gives it back.
func (k *keyed) lock(ctx context.Context, key string) (func(), error) {
	for {
		k.mu.Lock()
		if k.held == nil {
			k.held = map[string]chan struct{}{}
		}
		wait, taken := k.held[key]
		if !taken {
			done := make(chan struct{})
			k.held[key] = done
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.held, key)
				k.mu.Unlock()
				close(done)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// lanes runs jobs: those of one key in their order, those of different keys at
// the same time.
type lanes struct {
	mu      sync.Mutex
	waiting map[string][]func()
	all     sync.WaitGroup
}

func (l *lanes) add(key string, job func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = map[string][]func(){}
	}
	queue, busy := l.waiting[key]
	l.waiting[key] = append(queue, job)
	if !busy {
		l.all.Go(func() { l.work(key) })
	}
}

func (l *lanes) work(key string) {
	for {
		l.mu.Lock()
		queue := l.waiting[key]
		if len(queue) == 0 {
			delete(l.waiting, key)
			l.mu.Unlock()
			return
		}
		job := queue[0]
		l.waiting[key] = queue[1:]
		l.mu.Unlock()
		job()
	}
}

// gate lets callers reach the handler while Run runs.
type gate struct {
	mu      sync.Mutex
	ctx     context.Context // of Run; nil when it does not run
	handler adapters.Handler
	inside  sync.WaitGroup
}

var errNotRunning = errors.New("the adapter does not run in this process")

func (g *gate) open(ctx context.Context, h adapters.Handler) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx != nil {
		return errors.New("the adapter runs already")
	}
	g.ctx, g.handler = ctx, h
	return nil
}

// close keeps new callers out and waits for those inside, whose contexts have
// ended.
func (g *gate) close() {
	g.mu.Lock()
	g.ctx, g.handler = nil, nil
	g.mu.Unlock()
	g.inside.Wait()
}

// enter gives the handler and a context that ends with the caller's and with
// Run's. leave must be called.
func (g *gate) enter(ctx context.Context) (_ context.Context, h adapters.Handler, leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx == nil || g.ctx.Err() != nil {
		return nil, nil, nil, errNotRunning
	}
	g.inside.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(g.ctx, cancel)
	return ctx, g.handler, func() { stop(); cancel(); g.inside.Done() }, nil
}
