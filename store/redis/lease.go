package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"petrel/store"
)

const (
	leaseMost = 512             // items in one answer
	lookAgain = 5 * time.Second // in case a bell was not heard
)

// line is the queue of those in this process that wait for items of one queue.
// One goroutine asks on behalf of all of them, as long as there are any.
type line struct {
	b     *Backend
	queue string
	rung  chan struct{} // capacity 1

	// Guarded by Backend.mu.
	waiters []*waiter
	served  bool // by a goroutine

	// The goroutine's own.
	seen string // nonce of the last answer that arrived with items
}

type waiter struct {
	req  store.LeaseRequest
	done chan leaseResult // capacity 1
	gone bool             // guarded by Backend.mu
}

type leaseResult struct {
	items []store.Item
	err   error
}

// Lease implements store.Backend.
func (b *Backend) Lease(ctx context.Context, r store.LeaseRequest) ([]store.Item, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	wt := &waiter{req: r, done: make(chan leaseResult, 1)}
	b.mu.Lock()
	if b.isClosed {
		b.mu.Unlock()
		return nil, store.ErrClosed
	}
	l := b.lines[segment(r.Queue)]
	if l == nil {
		l = &line{b: b, queue: r.Queue, rung: make(chan struct{}, 1)}
		b.lines[segment(r.Queue)] = l
	}
	l.waiters = append(l.waiters, wt)
	if !l.served {
		l.served = true
		b.wg.Go(l.serve)
	}
	b.mu.Unlock()
	select {
	case res := <-wt.done:
		return res.items, leaseError(r, res.err)
	case <-ctx.Done():
	}
	b.mu.Lock()
	if !wt.gone {
		wt.gone = true
		l.waiters = slices.DeleteFunc(l.waiters, func(w *waiter) bool { return w == wt })
		b.mu.Unlock()
		l.ring() // so that the goroutine ends when this was the last
		return nil, ctx.Err()
	}
	b.mu.Unlock()
	res := <-wt.done
	return res.items, leaseError(r, res.err)
}

func leaseError(r store.LeaseRequest, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("lease from %s: %w", r.Queue, err)
}

func (l *line) ring() {
	select {
	case l.rung <- struct{}{}:
	default:
	}
}

// serve asks for items until nobody waits any more.
func (l *line) serve() {
	nap := time.NewTimer(lookAgain)
	defer nap.Stop()
	for {
		r, ok := l.demand()
		if !ok {
			return
		}
		items, wait, err := l.ask(r)
		if err != nil {
			l.fail(r, err)
			continue
		}
		if len(items) > 0 {
			l.distribute(r, items)
			continue
		}
		nap.Reset(min(wait, lookAgain))
		select {
		case <-l.rung:
		case <-nap.C:
		case <-l.b.closing.Done():
		}
	}
}

// demand adds up what those want that are like the first in line. When nobody is
// left, or the backend is closed, it ends the service.
func (l *line) demand() (store.LeaseRequest, bool) {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	if l.b.isClosed {
		for _, wt := range l.waiters {
			wt.gone = true
			wt.done <- leaseResult{err: store.ErrClosed}
		}
		l.waiters = nil
	}
	if len(l.waiters) == 0 {
		l.served = false
		return store.LeaseRequest{}, false
	}
	r := l.waiters[0].req
	for _, wt := range l.waiters[1:] {
		if alike(wt.req, r) {
			r.Max += wt.req.Max
		}
	}
	r.Max = min(r.Max, leaseMost)
	return r, true
}

func alike(a, b store.LeaseRequest) bool { return a.Holder == b.Holder && a.TTL == b.TTL }

// ask runs the script once; when its answer is lost the next call brings it.
func (l *line) ask(r store.LeaseRequest) (items []store.Item, wait time.Duration, err error) {
	nonce := newNode()[:12]
	reply, err := l.b.run(context.Background(), leaseScript,
		segment(r.Queue), r.Holder, r.Max, millis(r.TTL), l.b.node, l.seen, nonce, l.b.prolong())
	if err != nil {
		return nil, 0, l.b.translate(err)
	}
	l.b.state.up()
	items, wait, err = parseLease(r.Queue, reply)
	if len(items) > 0 {
		l.seen = nonce
	}
	return items, wait, err
}

func parseLease(queue string, reply any) (items []store.Item, wait time.Duration, err error) {
	bad := func() ([]store.Item, time.Duration, error) {
		return nil, 0, fmt.Errorf("unexpected reply %v of the lease script", reply)
	}
	top, ok := reply.([]any)
	if !ok || len(top) != 2 {
		return bad()
	}
	ms, ok1 := top[0].(int64)
	list, ok2 := top[1].([]any)
	if !ok1 || !ok2 {
		return bad()
	}
	for _, raw := range list {
		it, err := parseItem(queue, raw)
		if err != nil {
			return nil, 0, fmt.Errorf("lease from %s: item %v: %w", queue, raw, err)
		}
		items = append(items, it)
	}
	wait = lookAgain
	if ms >= 0 {
		wait = time.Duration(ms+1) * time.Millisecond
	}
	return items, wait, nil
}

// parseItem reads an item as lua/lease.lua has it.
func parseItem(queue string, raw any) (store.Item, error) {
	f, _ := raw.([]any)
	if len(f) < 4 {
		return store.Item{}, errUnexpected
	}
	number, ok1 := f[0].(int64)
	count, ok2 := f[1].(int64)
	sid, ok3 := f[2].(string)
	fields, ok4 := f[3].([]any)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return store.Item{}, errUnexpected
	}
	it := store.Item{Queue: queue, Lane: int(number), Deliveries: int(count)}
	l := leased{lane: strconv.Itoa(int(number)), sid: sid, count: int(count)}
	pushed, _, _ := strings.Cut(sid, "-")
	body := ""
	for i := 0; i+1 < len(fields); i += 2 {
		value, _ := fields[i+1].(string)
		switch fields[i] {
		case "i":
			it.ID = value
		case "g":
			it.Group, l.group, l.flags = value, value, "G"+l.flags
		case "p":
			pushed = value
		case "d":
			earlier, err := strconv.Atoi(value)
			if err != nil {
				return store.Item{}, err
			}
			it.Deliveries += earlier
		case "b":
			body = value
		case "B":
			l.flags += "B"
			if len(f) > 4 {
				body, _ = f[4].(string)
			}
		}
	}
	it.Token = l.token()
	at, err := strconv.ParseInt(pushed, 10, 64)
	if err != nil {
		return store.Item{}, err
	}
	it.Pushed = time.UnixMilli(at)
	if body != "" {
		it.Body, err = unpack(body)
	}
	return it, err
}

var errUnexpected = errors.New("it is not as expected")

// distribute gives the items to those who wait, in their order. What somebody
// wanted who has left in the meantime goes back.
func (l *line) distribute(r store.LeaseRequest, items []store.Item) {
	l.b.mu.Lock()
	keep := l.waiters[:0]
	for _, wt := range l.waiters {
		if len(items) == 0 || !alike(wt.req, r) {
			keep = append(keep, wt)
			continue
		}
		n := min(wt.req.Max, len(items))
		wt.gone = true
		wt.done <- leaseResult{items: items[:n:n]}
		items = items[n:]
	}
	clear(l.waiters[len(keep):])
	l.waiters = keep
	l.b.mu.Unlock()
	for _, it := range items {
		if err := l.b.Release(context.Background(), it, 0, true); err != nil {
			l.b.log.Warn("item could not be handed back, it is free again after its lease",
				"queue", it.Queue, "item", it.ID, "ttl", r.TTL, "error", err)
		}
	}
}

// fail tells an error to all who asked.
func (l *line) fail(r store.LeaseRequest, err error) {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	l.waiters = slices.DeleteFunc(l.waiters, func(wt *waiter) bool {
		if !alike(wt.req, r) {
			return false
		}
		wt.gone = true
		wt.done <- leaseResult{err: err}
		return true
	})
}

// Extend implements store.Backend.
func (b *Backend) Extend(ctx context.Context, items []store.Item, ttl time.Duration) (lost []store.Item, err error) {
	if ttl <= 0 {
		return nil, fmt.Errorf("extend by %s: %w", ttl, store.ErrInvalid)
	}
	if len(items) == 0 {
		return nil, ctx.Err()
	}
	args := []any{millis(ttl)}
	for _, it := range items {
		args = append(args, segment(it.Queue), it.Token)
	}
	reply, err := b.again(ctx, extendScript, args...)
	if err != nil {
		return nil, fmt.Errorf("extend: %w", err)
	}
	list, _ := reply.([]any)
	for _, n := range list {
		if i, ok := n.(int64); ok && i >= 1 && int(i) <= len(items) {
			lost = append(lost, items[i-1])
		}
	}
	return lost, nil
}

// Release implements store.Backend.
func (b *Backend) Release(ctx context.Context, item store.Item, delay time.Duration, undo bool) error {
	flag := 0
	if undo {
		flag = 1
	}
	args := []any{segment(item.Queue), item.Token, millis(delay), flag}
	reply, err := b.run(ctx, releaseScript, args...)
	doubted := judge(err) == doubtful && ctx.Err() == nil
	if doubted {
		reply, err = b.again(ctx, releaseScript, args...)
	}
	if err != nil {
		return fmt.Errorf("release %s of %s: %w", item.ID, item.Queue, b.translate(err))
	}
	if reply != int64(1) && !doubted { // in doubt it may have been the first attempt that did it
		return fmt.Errorf("release %s of %s: %w", item.ID, item.Queue, store.ErrLeaseLost)
	}
	return nil
}

// QueueStats implements store.Backend.
func (b *Backend) QueueStats(ctx context.Context, queue string) (store.QueueStats, error) {
	reply, err := b.again(ctx, statsScript, segment(queue))
	if err != nil {
		return store.QueueStats{}, fmt.Errorf("stats of %s: %w", queue, err)
	}
	f, _ := reply.([]any)
	if len(f) != 4 {
		return store.QueueStats{}, fmt.Errorf("stats of %s: unexpected reply %v", queue, reply)
	}
	count := func(i int) int {
		n, _ := f[i].(int64)
		return int(n)
	}
	s := store.QueueStats{Ready: count(0), Leased: count(1), Delayed: count(2)}
	if pushed, _ := f[3].(string); pushed != "" {
		ms, err := strconv.ParseInt(pushed, 10, 64)
		if err != nil {
			return store.QueueStats{}, fmt.Errorf("stats of %s: %w", queue, err)
		}
		s.Oldest = time.UnixMilli(ms)
	}
	return s, nil
}

// again runs a script that may run twice, and does so when its connection broke.
func (b *Backend) again(ctx context.Context, s *script, args ...any) (reply any, err error) {
	for attempt := range 3 {
		reply, err = b.run(ctx, s, args...)
		if judge(err) != doubtful || ctx.Err() != nil {
			break
		}
		if attempt < 2 {
			select {
			case <-time.After(20 * time.Millisecond << attempt):
			case <-ctx.Done():
			case <-b.closing.Done():
			}
		}
	}
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil, err
	}
	return reply, b.translate(err)
}
