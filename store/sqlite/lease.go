package sqlite

import (
	"context"
	"fmt"
	"slices"
	"time"

	"petrel/store"
)

// change is an entry of the journal by which the board follows its transaction.
type change struct {
	kind       changeKind
	entry      *entry
	lease      *lease
	due        int64 // before the change
	deliveries int32 // before the change
}

type changeKind uint8

const (
	pushed changeKind = iota
	finished
	granted
	released
)

// undo takes back the journal down to mark. Backend.mu is held.
func (w *writer) undo(mark int) {
	bd := w.b.board
	for i := len(w.journal) - 1; i >= mark; i-- {
		c := w.journal[i]
		switch c.kind {
		case pushed:
			bd.remove(c.entry)
		case finished:
			bd.unfinish(c.lease)
		case granted:
			c.entry.deliveries = c.deliveries
			bd.revoke(c.lease)
			bd.line(c.entry, w.nowMS)
		case released:
			bd.unline(c.entry)
			c.entry.due, c.entry.deliveries = c.due, c.deliveries
			bd.restore(c.lease)
		}
	}
	w.journal = w.journal[:mark]
}

// settle ends a journal whose transaction was committed. Backend.mu is held.
func (w *writer) settle() {
	for _, c := range w.journal {
		if c.kind == finished {
			w.b.board.forget(c.lease)
		}
	}
	clear(w.journal)
	w.journal = w.journal[:0]
}

// handout is what one Lease call gets.
type handout struct {
	waiter  *waiter
	entries []*entry
	items   []store.Item
}

// handOut gives ready items to waiting Lease calls and records the delivery of
// each within the transaction at hand.
func (w *writer) handOut() ([]*handout, error) {
	out := w.allot(time.Now())
	for _, h := range out {
		for i, e := range h.entries {
			it := &h.items[i]
			if _, err := w.stmt.setItem.Exec(e.due, e.deliveries, e.seq); err != nil {
				return out, fmt.Errorf("record delivery: %w", err)
			}
			if e.fresh != nil {
				it.ID, it.Body = e.fresh.ID, e.fresh.Body
				continue
			}
			if err := w.stmt.readItem.QueryRow(e.seq).Scan(&it.ID, &it.Body); err != nil {
				return out, fmt.Errorf("read item %d of %s: %w", e.seq, e.q.name, err)
			}
		}
	}
	return out, nil
}

// allot makes the leases.
func (w *writer) allot(now time.Time) []*handout {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	bd := w.b.board
	var out []*handout
	for _, q := range bd.order {
		for q.hasReady() {
			wt := q.firstWaiter()
			if wt == nil {
				break
			}
			wt.gone = true
			h := &handout{waiter: wt}
			for len(h.entries) < wt.req.Max {
				e := q.pick()
				if e == nil {
					break
				}
				l := bd.grant(e, now, wt.req.TTL)
				w.journal = append(w.journal, change{kind: granted, entry: e, lease: l, deliveries: e.deliveries})
				e.deliveries++
				it := store.Item{
					Queue: q.name, Token: l.token, Lane: int(e.lane),
					Deliveries: int(e.deliveries), Pushed: time.UnixMilli(e.pushed),
				}
				if e.group != nil {
					it.Group = e.group.name
				}
				h.entries = append(h.entries, e)
				h.items = append(h.items, it)
			}
			out = append(out, h)
		}
	}
	return out
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
	if b.closed {
		b.mu.Unlock()
		return nil, store.ErrClosed
	}
	q := b.board.queue(r.Queue)
	q.waiters = append(q.waiters, wt)
	now := q.hasReady()
	b.mu.Unlock()
	if now {
		b.w.poke()
	}
	select {
	case res := <-wt.done:
		return res.items, leaseError(r, res.err)
	case <-ctx.Done():
	}
	b.mu.Lock()
	if !wt.gone {
		q.waiters = slices.DeleteFunc(q.waiters, func(w *waiter) bool { return w == wt })
		b.mu.Unlock()
		return nil, ctx.Err()
	}
	b.mu.Unlock()
	res := <-wt.done // the items are already on their way
	return res.items, leaseError(r, res.err)
}

func leaseError(r store.LeaseRequest, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("lease from %s: %w", r.Queue, err)
}

// Extend implements store.Backend.
func (b *Backend) Extend(ctx context.Context, items []store.Item, ttl time.Duration) (lost []store.Item, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if ttl <= 0 {
		return nil, fmt.Errorf("extend by %s: %w", ttl, store.ErrInvalid)
	}
	until := time.Now().Add(ttl)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, store.ErrClosed
	}
	for _, it := range items {
		l := b.board.held(it)
		if l == nil {
			lost = append(lost, it)
			continue
		}
		l.until, l.ttl = until, ttl
		if l.entry.state == leased {
			b.board.expiry.moved(l.pos)
		}
	}
	return lost, nil
}

// releaseRequest is a Release on its way through the writer.
type releaseRequest struct {
	item  store.Item
	delay time.Duration
	undo  bool
}

// Release implements store.Backend.
func (b *Backend) Release(ctx context.Context, item store.Item, delay time.Duration, undo bool) error {
	if err := b.submit(ctx, &operation{release: &releaseRequest{item, delay, undo}}); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

func (w *writer) applyRelease(r *releaseRequest) error {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	l := w.b.board.held(r.item)
	if l == nil || l.entry.state != leased {
		return fmt.Errorf("item %s of %s: %w", r.item.ID, r.item.Queue, store.ErrLeaseLost)
	}
	e := l.entry
	w.journal = append(w.journal, change{kind: released, entry: e, lease: l, due: e.due, deliveries: e.deliveries})
	w.b.board.revoke(l)
	if r.delay > 0 {
		e.due = w.nowMS + max(1, r.delay.Milliseconds())
	}
	if r.undo {
		e.deliveries--
	}
	w.b.board.line(e, w.nowMS)
	if _, err := w.stmt.setItem.Exec(e.due, e.deliveries, e.seq); err != nil {
		return fmt.Errorf("item %s of %s: %w", r.item.ID, r.item.Queue, err)
	}
	return nil
}

// QueueStats implements store.Backend.
func (b *Backend) QueueStats(ctx context.Context, queue string) (store.QueueStats, error) {
	if err := ctx.Err(); err != nil {
		return store.QueueStats{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return store.QueueStats{}, store.ErrClosed
	}
	q := b.board.queues[queue]
	if q == nil {
		return store.QueueStats{}, nil
	}
	return q.stats(), nil
}

// load builds the board, the names and the counters from the file.
func (w *writer) load(ctx context.Context) error {
	names := map[string]int64{}
	rows, err := w.conn.QueryContext(ctx, "SELECT n, name FROM names")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		var name string
		if err := rows.Scan(&n, &name); err != nil {
			return err
		}
		names[name] = n
	}
	if err := rows.Err(); err != nil {
		return err
	}
	w.b.names.Store(&names)
	var oldest, newest int64
	err = w.conn.QueryRowContext(ctx, "SELECT coalesce(min(seq),1), coalesce(max(seq),0) FROM events").Scan(&oldest, &newest)
	if err != nil {
		return err
	}
	w.oldestEvent = uint64(oldest - 1)
	w.b.lastEvent.Store(uint64(newest))
	return w.loadItems(ctx)
}

func (w *writer) loadItems(ctx context.Context) error {
	rows, err := w.conn.QueryContext(ctx, "SELECT seq, queue, lane, grp, pushed, due, deliveries FROM items ORDER BY seq")
	if err != nil {
		return err
	}
	defer rows.Close()
	bd, now := w.b.board, w.b.nowMS()
	for rows.Next() {
		var queue, grp string
		e := &entry{}
		if err := rows.Scan(&e.seq, &queue, &e.lane, &grp, &e.pushed, &e.due, &e.deliveries); err != nil {
			return err
		}
		e.q = bd.queue(queue)
		bd.insert(e, grp, now)
		bd.nextSeq = e.seq
	}
	bd.nextSeq++
	return rows.Err()
}
