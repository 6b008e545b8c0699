package storetest

import (
	"context"
	"testing"
	"time"

	"petrel/store"
)

// RunShared tests what several backends on one place owe each other.
func RunShared(t *testing.T, h Harness) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		test func(*testing.T, store.Backend, store.Backend)
	}{
		{"Wakes", sharedWakes},
		{"Leases", sharedLeases},
		{"Expiry", sharedExpiry},
		{"Locks", sharedLocks},
		{"Events", sharedEvents},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			place := h.Place(t)
			var pair [2]store.Backend
			for i := range pair {
				b, err := h.Open(t.Context(), place)
				must(t, err)
				t.Cleanup(func() { must(t, b.Close()) })
				pair[i] = b
			}
			tc.test(t, pair[0], pair[1])
		})
	}
}

func sharedWakes(t *testing.T, a, b store.Backend) {
	leaseNone(t, b, "q")
	got := make(chan string)
	go func() {
		for {
			items, err := b.Lease(t.Context(), request("q", 1, time.Minute))
			if err != nil {
				return
			}
			got <- items[0].ID
		}
	}()
	for i := range 10 {
		p := store.Push{Queue: "q", ID: number(i)}
		if i%2 == 1 {
			p.At = time.Now().Add(30 * time.Millisecond)
		}
		commit(t, a, &store.Batch{Pushes: []store.Push{p}})
		select {
		case id := <-got:
			equal(t, "item", id, number(i))
		case <-time.After(patience):
			t.Fatal("the other backend was not woken")
		}
	}
}

func sharedLeases(t *testing.T, a, b store.Backend) {
	commit(t, a, push("q", "1", "2"))
	one := leaseOne(t, a, "q", "1")
	two := leaseOne(t, b, "q", "2")
	leaseNone(t, a, "q")
	leaseNone(t, b, "q")
	lost, err := b.Extend(t.Context(), []store.Item{one, two}, time.Minute)
	must(t, err)
	equal(t, "lost", len(lost), 0) // the token counts, not the connection
	ack(t, b, one)
	refused(t, a, store.ErrLeaseLost, &store.Batch{Acks: []store.Item{one}})
	must(t, a.Release(t.Context(), two, 0, false))
	ack(t, a, leaseOne(t, a, "q", "2"))
}

// sharedExpiry: the work of a backend that went away without a word is taken
// over by the other.
func sharedExpiry(t *testing.T, a, b store.Backend) {
	commit(t, a, push("q", "x"))
	old := lease(t, a, "q", 1, 300*time.Millisecond)[0]
	it := lease(t, b, "q", 1, time.Minute)[0]
	equal(t, "deliveries", it.Deliveries, 2)
	refused(t, a, store.ErrLeaseLost, &store.Batch{Acks: []store.Item{old}})
	lost, err := a.Extend(t.Context(), []store.Item{old}, time.Minute)
	must(t, err)
	equal(t, "lost", len(lost), 1)
	ack(t, b, it)
}

func sharedLocks(t *testing.T, a, b store.Backend) {
	ok, err := a.Acquire(t.Context(), "l", "node-a", 300*time.Millisecond)
	must(t, err)
	equal(t, "first", ok, true)
	ok, err = b.Acquire(t.Context(), "l", "node-b", time.Minute)
	must(t, err)
	equal(t, "second", ok, false)
	start := time.Now()
	for !ok && time.Since(start) < patience {
		ok, err = b.Acquire(t.Context(), "l", "node-b", time.Minute)
		must(t, err)
	}
	equal(t, "taken over", ok, true)
	must(t, b.Relinquish(t.Context(), "l", "node-b"))
	ok, err = a.Acquire(t.Context(), "l", "node-a", time.Minute)
	must(t, err)
	equal(t, "given back", ok, true)
}

func sharedEvents(t *testing.T, a, b store.Backend) {
	got := make(chan store.Event)
	go func() {
		after := uint64(0)
		for {
			list, err := b.Events(t.Context(), after, 10)
			if err != nil {
				return
			}
			for _, e := range list {
				select {
				case got <- e:
				case <-t.Context().Done():
					return
				}
				after = e.Seq
			}
		}
	}()
	for i := range 10 {
		from := a
		if i%3 == 0 {
			from = b
		}
		commit(t, from, events("t", number(i)))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		select {
		case e := <-got:
			equal(t, "event", e.Key, number(i))
		case <-ctx.Done():
			t.Fatal("the event did not arrive")
		}
		cancel()
	}
}
