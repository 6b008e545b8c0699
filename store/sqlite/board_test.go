package sqlite

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// snapshot writes the board down, for comparison. Tokens are left out.
func snapshot(b *board) string {
	s := ""
	for _, q := range b.order {
		s += fmt.Sprintf("%s total %d leased %d delayed %d", q.name, q.total, q.leased, q.delayed)
		for i := range q.lanes {
			s += fmt.Sprint(" lane", i)
			var seen []int64
			for at, e := range q.lanes[i].items {
				if e.state != ready || int(e.pos) != at {
					s += fmt.Sprintf(" (item %d in state %d at %d)", e.seq, e.state, e.pos)
				}
				seen = append(seen, e.seq)
			}
			slices.Sort(seen)
			s += fmt.Sprint(" ", seen)
		}
		for n := range 4 {
			if g := q.groups[fmt.Sprint("g", n)]; g != nil {
				s += " " + g.name
				for e := g.head; e != nil; e = e.next {
					s += fmt.Sprintf(" %d", e.seq)
					if e != g.head && e.state != blocked {
						s += "(not blocked)"
					}
					if e.next == nil && g.tail != e {
						s += "(not the tail)"
					}
				}
			}
		}
		s += "\n"
	}
	for _, seq := range slices.Sorted(maps.Keys(b.leases)) {
		e := b.leases[seq].entry
		s += fmt.Sprintf("leased %d state %d deliveries %d due %d\n", seq, e.state, e.deliveries, e.due)
	}
	for at, l := range b.expiry.items {
		if l.pos != at || l.entry.state != leased {
			s += fmt.Sprintf("lease of %d at %d of %d, state %d\n", l.entry.seq, l.pos, at, l.entry.state)
		}
	}
	return s
}

// TestUndo makes random changes and takes them back; the board must be as it was
// before, at every step of a long life.
func TestUndo(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	b := newBoard(0)
	b.queue("q0")
	b.queue("q1")
	w := &writer{b: &Backend{board: b}, nowMS: 1000}
	now := time.Now()
	step := func() {
		q := b.queue(fmt.Sprint("q", r.IntN(2)))
		kind := r.IntN(5)
		if q.total > 30 {
			kind = 2 + r.IntN(3) // keep the backlog, and the test, short
		}
		switch kind {
		case 0, 1:
			e := &entry{seq: b.nextSeq, q: q, lane: uint8(r.IntN(4)), pushed: w.nowMS, due: w.nowMS + int64(r.IntN(3)*r.IntN(50))}
			b.nextSeq++
			group := ""
			if r.IntN(2) == 0 {
				group = fmt.Sprint("g", r.IntN(4))
			}
			b.insert(e, group, w.nowMS)
			w.journal = append(w.journal, change{kind: pushed, entry: e})
		case 2:
			if e := q.pick(); e != nil {
				l := b.grant(e, now, time.Duration(r.IntN(100))*time.Millisecond)
				w.journal = append(w.journal, change{kind: granted, entry: e, lease: l, deliveries: e.deliveries})
				e.deliveries++
			}
		default:
			if b.expiry.Len() == 0 {
				return
			}
			l := b.expiry.items[r.IntN(b.expiry.Len())]
			if r.IntN(2) == 0 {
				b.finish(l, w.nowMS)
				w.journal = append(w.journal, change{kind: finished, entry: l.entry, lease: l})
				return
			}
			e := l.entry
			w.journal = append(w.journal, change{kind: released, entry: e, lease: l, due: e.due, deliveries: e.deliveries})
			b.revoke(l)
			e.due = w.nowMS + int64(r.IntN(30))
			e.deliveries += int32(r.IntN(2)) - 1
			b.line(e, w.nowMS)
		}
	}
	for round := range 3000 {
		b.tick(now, w.nowMS)
		before := snapshot(b)
		last := b.nextSeq
		for range 1 + r.IntN(12) {
			step()
		}
		if r.IntN(2) == 0 {
			w.undo(0)
			b.nextSeq = last
			if after := snapshot(b); after != before {
				t.Fatalf("round %d: before\n%s\nafter undo\n%s", round, before, after)
			}
		} else {
			w.settle()
		}
		now = now.Add(5 * time.Millisecond)
		w.nowMS += 5
	}
	b.tick(now, w.nowMS)
	t.Logf("%d items lived, %d are left", b.nextSeq, b.queue("q0").total+b.queue("q1").total)
}

// TestHeld: a token counts for its own lease only.
func TestHeld(t *testing.T) {
	b := newBoard(77)
	q := b.queue("q")
	b.insert(&entry{seq: 5, q: q}, "", 0)
	l := b.grant(q.pick(), time.Now(), time.Minute)
	it := itemOf(l)
	if b.held(it) != l {
		t.Fatal("the lease does not know its own token")
	}
	b.revoke(l)
	b.line(l.entry, 0)
	l2 := b.grant(q.pick(), time.Now(), time.Minute)
	if b.held(it) != nil || b.held(itemOf(l2)) != l2 {
		t.Fatal("the old token still counts, or the new one does not")
	}
	for _, token := range []string{"", ".", "5.", "zz.z", "!.1", "5"} {
		it.Token = token
		if b.held(it) != nil {
			t.Fatalf("token %q counts", token)
		}
	}
}
