package sqlite

import (
	"container/heap"
	"strconv"
	"time"

	"petrel/store"
)

// fairEvery: every so many hand-outs of a queue the oldest item is taken
// whatever its lane, so that a flood in a low lane cannot starve the others.
const fairEvery = 8

// board is the state of all queues in memory: what is ready, what waits for its
// time or for its group, what is leased to whom. The items table is the truth
// about what exists; the board is rebuilt from it at Open. Since one process
// owns the file, leases live here alone: the death of the process frees them.
//
// Every change that belongs to a transaction is written to a journal, so that
// it can be taken back when the transaction fails. The board is not safe for
// concurrent use; Backend.mu guards it.
type board struct {
	queues  map[string]*queue
	order   []*queue // in order of first use, for a deterministic walk
	leases  map[int64]*lease
	delayed pile[*entry] // by due time
	expiry  pile[*lease] // by end of lease
	nextSeq int64
	nonce   uint64 // makes tokens unique over restarts
}

type queue struct {
	name    string
	lanes   [store.MaxLane + 1]pile[*entry] // ready, see before
	groups  map[string]*group
	waiters []*waiter
	handed  uint64
	total   int
	leased  int
	delayed int
}

// group is a line of items of which only the first may be out.
type group struct {
	name       string
	head, tail *entry
}

type state uint8

const (
	blocked state = iota // waits behind another item of its group
	delayed
	ready
	leased
	acked // its completion is part of a transaction that is not yet committed
)

// entry is the part of an item that is kept in memory; ID and body are read
// from the table when it is handed out.
type entry struct {
	seq         int64
	q           *queue
	group       *group
	next        *entry // of the group
	lease       *lease
	fresh       *store.Push // until the group commit that brings it ends
	pushed, due int64       // Unix milliseconds
	pos         int32
	deliveries  int32
	lane        uint8
	state       state
}

type lease struct {
	entry *entry
	token string
	until time.Time // monotonic: a jump of the wall clock ends no lease
	ttl   time.Duration
	pos   int
}

// waiter is a Lease call.
type waiter struct {
	req  store.LeaseRequest
	done chan leaseResult // capacity 1
	gone bool             // answered or given up
}

type leaseResult struct {
	items []store.Item
	err   error
}

func newBoard(nonce uint64) *board {
	return &board{
		queues: map[string]*queue{},
		leases: map[int64]*lease{},
		nonce:  nonce,
		delayed: pile[*entry]{
			less:  before,
			place: placeEntry,
		},
		expiry: pile[*lease]{
			less:  func(a, b *lease) bool { return a.until.Before(b.until) },
			place: func(l *lease, i int) { l.pos = i },
		},
	}
}

// before is the order of a line: by the time an item became, or becomes, due.
func before(a, b *entry) bool { return a.due < b.due || a.due == b.due && a.seq < b.seq }

func placeEntry(e *entry, i int) { e.pos = int32(i) }

func (b *board) queue(name string) *queue {
	q := b.queues[name]
	if q == nil {
		q = &queue{name: name, groups: map[string]*group{}}
		for i := range q.lanes {
			q.lanes[i] = pile[*entry]{less: before, place: placeEntry}
		}
		b.queues[name] = q
		b.order = append(b.order, q)
	}
	return q
}

// insert adds a new item at the end of its line.
func (b *board) insert(e *entry, groupName string, nowMS int64) {
	e.q.total++
	if groupName != "" {
		g := e.q.groups[groupName]
		if g == nil {
			g = &group{name: groupName}
			e.q.groups[groupName] = g
		}
		e.group = g
		if g.head != nil {
			g.tail.next, g.tail = e, e
			e.state = blocked
			return
		}
		g.head, g.tail = e, e
	}
	b.line(e, nowMS)
}

// line puts an item that is first of its group (or has none) where it can be
// handed out from, at once or when it is due.
func (b *board) line(e *entry, nowMS int64) {
	if e.due > nowMS {
		e.state = delayed
		e.q.delayed++
		b.delayed.add(e)
		return
	}
	e.state = ready
	e.q.lanes[e.lane].add(e)
}

// unline takes an item out of wherever line put it.
func (b *board) unline(e *entry) {
	switch e.state {
	case delayed:
		b.delayed.take(int(e.pos))
		e.q.delayed--
	case ready:
		e.q.lanes[e.lane].take(int(e.pos))
	}
	e.state = blocked
}

// pick takes the next ready item of a queue out of its lane, or returns nil.
func (q *queue) pick() *entry {
	best := -1
	oldest := q.handed%fairEvery == fairEvery-1
	for i := range q.lanes {
		if q.lanes[i].Len() == 0 {
			continue
		}
		if best < 0 || oldest && before(q.lanes[i].top(), q.lanes[best].top()) {
			best = i
		}
		if !oldest {
			break
		}
	}
	if best < 0 {
		return nil
	}
	q.handed++
	e := q.lanes[best].take(0)
	e.state = blocked
	return e
}

func (q *queue) hasReady() bool {
	for i := range q.lanes {
		if q.lanes[i].Len() > 0 {
			return true
		}
	}
	return false
}

// wanted reports whether some Lease call could be answered.
func (b *board) wanted() bool {
	for _, q := range b.order {
		if q.hasReady() && q.firstWaiter() != nil {
			return true
		}
	}
	return false
}

// firstWaiter returns the Lease call that is next in turn, or nil.
func (q *queue) firstWaiter() *waiter {
	for len(q.waiters) > 0 && q.waiters[0].gone {
		q.waiters[0] = nil
		q.waiters = q.waiters[1:]
	}
	if len(q.waiters) == 0 {
		return nil
	}
	return q.waiters[0]
}

// grant leases a picked item.
func (b *board) grant(e *entry, mono time.Time, ttl time.Duration) *lease {
	b.nonce++
	l := &lease{entry: e, until: mono.Add(ttl), ttl: ttl}
	l.token = strconv.FormatInt(e.seq, 36) + "." + strconv.FormatUint(b.nonce, 36)
	e.lease, e.state = l, leased
	e.q.leased++
	b.leases[e.seq] = l
	b.expiry.add(l)
	return l
}

// revoke ends a lease; the item is in no line afterwards.
func (b *board) revoke(l *lease) {
	e := l.entry
	b.expiry.take(l.pos)
	delete(b.leases, e.seq)
	e.q.leased--
	e.lease, e.state = nil, blocked
}

// held finds the lease of an item if it is still this very one.
func (b *board) held(it store.Item) *lease {
	for i := range it.Token {
		if it.Token[i] != '.' {
			continue
		}
		seq, err := strconv.ParseInt(it.Token[:i], 36, 64)
		if err != nil {
			return nil
		}
		if l := b.leases[seq]; l != nil && l.token == it.Token && l.entry.q.name == it.Queue {
			return l
		}
		return nil
	}
	return nil
}

// finish marks a leased item as completed and lets the next of its group into
// line. The lease itself ends with forget, once the transaction is committed.
func (b *board) finish(l *lease, nowMS int64) {
	e := l.entry
	e.state = acked
	b.expiry.take(l.pos)
	e.q.leased--
	e.q.total--
	g := e.group
	if g == nil {
		return
	}
	g.head = e.next
	if g.head != nil {
		b.line(g.head, nowMS)
		return
	}
	g.tail = nil
	delete(e.q.groups, g.name)
}

// unfinish is the inverse of finish.
func (b *board) unfinish(l *lease) {
	e := l.entry
	if g := e.group; g != nil {
		if g.head != nil {
			b.unline(g.head)
		} else {
			g.tail = e
			e.q.groups[g.name] = g
		}
		e.next, g.head = g.head, e
	}
	e.q.total++
	e.q.leased++
	e.state = leased
	b.expiry.add(l)
}

// forget drops a completed item.
func (b *board) forget(l *lease) {
	delete(b.leases, l.entry.seq)
	l.entry.lease = nil
}

// remove is the inverse of insert, for the newest item of its group.
func (b *board) remove(e *entry) {
	e.q.total--
	b.unline(e)
	g := e.group
	if g == nil {
		return
	}
	if g.head == e {
		g.head, g.tail = nil, nil
		delete(e.q.groups, g.name)
		return
	}
	prev := g.head
	for prev.next != e {
		prev = prev.next
	}
	prev.next, g.tail = nil, prev
}

// tick moves what is due into its lane and takes back leases that have ended.
func (b *board) tick(mono time.Time, nowMS int64) {
	for b.delayed.Len() > 0 && b.delayed.top().due <= nowMS {
		e := b.delayed.top()
		b.unline(e)
		b.line(e, nowMS)
	}
	for b.expiry.Len() > 0 && !b.expiry.top().until.After(mono) {
		l := b.expiry.top()
		e := l.entry
		b.revoke(l)
		b.line(e, nowMS)
	}
}

// wait returns how long nothing will change by itself; ok is false when that
// is for ever.
func (b *board) wait(mono time.Time, nowMS int64) (d time.Duration, ok bool) {
	if b.delayed.Len() > 0 {
		d, ok = time.Duration(b.delayed.top().due-nowMS)*time.Millisecond, true
	}
	if b.expiry.Len() > 0 {
		if left := b.expiry.top().until.Sub(mono); !ok || left < d {
			d, ok = left, true
		}
	}
	return d, ok
}

// renew starts every lease anew: the process was stopped or starved for so long
// that the holders could not do it.
func (b *board) renew(mono time.Time) {
	for _, l := range b.expiry.items {
		l.until = mono.Add(l.ttl)
	}
	heap.Init(&b.expiry)
}

func (q *queue) stats() store.QueueStats {
	s := store.QueueStats{Ready: q.total - q.leased - q.delayed, Leased: q.leased, Delayed: q.delayed}
	var oldest *entry
	for i := range q.lanes {
		if q.lanes[i].Len() > 0 && (oldest == nil || before(q.lanes[i].top(), oldest)) {
			oldest = q.lanes[i].top()
		}
	}
	if oldest != nil {
		s.Oldest = time.UnixMilli(oldest.pushed)
	}
	return s
}

// restore is the inverse of revoke.
func (b *board) restore(l *lease) {
	e := l.entry
	e.lease, e.state = l, leased
	e.q.leased++
	b.leases[e.seq] = l
	b.expiry.add(l)
}
