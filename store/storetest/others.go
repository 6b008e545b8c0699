package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"petrel/store"
)

func claim(key, value string, ttl time.Duration) *store.Batch {
	return &store.Batch{Claims: []store.Claim{{Key: key, Value: value, TTL: ttl}}}
}

func testClaims(t *testing.T, h Harness) {
	b := h.fresh(t)
	commit(t, b, claim("slack/Ev1", "trigger-1", time.Hour))
	commit(t, b, claim("for ever", "v", 0))
	for _, key := range []string{"slack/Ev1", "for ever"} {
		err := refused(t, b, store.ErrDuplicate, claim(key, "other", time.Hour))
		var dup *store.DuplicateError
		if !errors.As(err, &dup) {
			t.Fatalf("%v is no *DuplicateError", err)
		}
		equal(t, "key", dup.Key, key)
		equal(t, "value", dup.Value, map[string]string{"slack/Ev1": "trigger-1", "for ever": "v"}[key])
	}
	const ttl = 150 * time.Millisecond
	start := time.Now()
	commit(t, b, claim("short", "1", ttl))
	deadline := start.Add(patience)
	for {
		asked := time.Now()
		err := b.Commit(t.Context(), claim("short", "2", time.Hour))
		if err == nil {
			if done := time.Now(); done.Sub(start) < ttl-5*time.Millisecond {
				t.Fatalf("free again after %v", done.Sub(start))
			}
			break
		}
		if !errors.Is(err, store.ErrDuplicate) || asked.After(deadline) {
			t.Fatalf("claim after its time: %v", err)
		}
	}
	err := refused(t, b, store.ErrDuplicate, claim("short", "3", time.Hour))
	if !strings.Contains(err.Error(), "2") {
		t.Fatalf("%q does not name the new claimant", err)
	}
}

func testClaimsRace(t *testing.T, h Harness) {
	b := h.fresh(t)
	for round := range 10 {
		var won atomic.Int32
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				batch := claim(fmt.Sprint("key", round), fmt.Sprint(i), time.Hour)
				batch.Pushes = push("q", number(round)).Pushes
				switch err := b.Commit(t.Context(), batch); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, store.ErrDuplicate):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		equal(t, "winners", won.Load(), 1)
	}
	equal(t, "items", len(leaseAll(t, b, "q", 10)), 10)
	leaseNone(t, b, "q")
}

func random(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

func testBlobs(t *testing.T, h Harness) {
	b := h.fresh(t)
	bodies := map[string][]byte{
		"empty": {}, "one": {0}, "text": bytes.Repeat([]byte("all work and no play\n"), 20_000),
		"noise": random(300_000), "small": []byte("small"), "with / odd {name}": []byte("x"),
	}
	batch := &store.Batch{}
	for id, body := range bodies {
		batch.Blobs = append(batch.Blobs, store.Blob{ID: id, Body: body})
	}
	commit(t, b, batch)
	for id, want := range bodies {
		got, err := b.Blob(t.Context(), id)
		must(t, err)
		if !bytes.Equal(got, want) {
			t.Fatalf("%s: %d bytes came back, %d went in", id, len(got), len(want))
		}
	}
	commit(t, b, &store.Batch{Blobs: []store.Blob{{ID: "text", Body: []byte("replaced")}, {ID: "one", Drop: true}, {ID: "never was", Drop: true}}})
	got, err := b.Blob(t.Context(), "text")
	must(t, err)
	equal(t, "replaced", string(got), "replaced")
	for _, id := range []string{"one", "never was"} {
		if _, err := b.Blob(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("%s: %v, want ErrNotFound", id, err)
		}
	}
}

func testBlobLimits(t *testing.T, h Harness) {
	b := h.fresh(t)
	big := random(24 << 20)
	commit(t, b, &store.Batch{Blobs: []store.Blob{{ID: "big", Body: big}}})
	got, err := b.Blob(t.Context(), "big")
	must(t, err)
	if !bytes.Equal(got, big) {
		t.Fatal("24 MiB changed on the way")
	}
	largest := make([]byte, store.MaxBlob+1)
	refused(t, b, store.ErrTooLarge, &store.Batch{Blobs: []store.Blob{{ID: "huge", Body: largest}}})
	commit(t, b, &store.Batch{Blobs: []store.Blob{{ID: "huge", Body: largest[1:]}, {ID: "big", Drop: true}}})
	got, err = b.Blob(t.Context(), "huge")
	must(t, err)
	equal(t, "size of the largest", len(got), store.MaxBlob)
}

func events(kind string, keys ...string) *store.Batch {
	b := &store.Batch{}
	for _, k := range keys {
		b.Events = append(b.Events, store.Event{Type: kind, Key: k, Body: []byte("body of " + k)})
	}
	return b
}

func testEvents(t *testing.T, h Harness) {
	b := h.fresh(t)
	last, err := b.LastEvent(t.Context())
	must(t, err)
	equal(t, "last event of an empty log", last, 0)
	start := time.Now()
	commit(t, b, events("t", "a", "b"))
	commit(t, b, events("u", "c"))
	list, err := b.Events(t.Context(), 0, 100)
	must(t, err)
	equal(t, "events", len(list), 3)
	for i, key := range []string{"a", "b", "c"} {
		e := list[i]
		equal(t, "key", e.Key, key)
		equal(t, "body", string(e.Body), "body of "+key)
		equal(t, "type", e.Type, []string{"t", "t", "u"}[i])
		equal(t, "sequence number", e.Seq, uint64(i+1))
		if e.Time.Before(start.Add(-2*time.Second)) || e.Time.After(time.Now().Add(2*time.Second)) {
			t.Fatalf("time %v", e.Time)
		}
	}
	last, err = b.LastEvent(t.Context())
	must(t, err)
	equal(t, "last event", last, 3)
	list, err = b.Events(t.Context(), 1, 1)
	must(t, err)
	equal(t, "resumed after 1", list[0].Key, "b")
	equal(t, "one at most", len(list), 1)
	list, err = b.Events(t.Context(), 2, 10)
	must(t, err)
	equal(t, "resumed after 2", list[0].Key, "c")
	if _, err := b.Events(t.Context(), 0, 0); !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("no events at most: %v", err)
	}
}

func testEventsWait(t *testing.T, h Harness) {
	b := h.fresh(t)
	ctx, cancel := context.WithTimeout(t.Context(), blink)
	defer cancel()
	if list, err := b.Events(ctx, 0, 10); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("events of an empty log: %v, %v", list, err)
	}
	const readers = 5
	got := make(chan string, readers)
	for range readers {
		go func() {
			list, err := b.Events(t.Context(), 0, 10)
			if err != nil {
				got <- err.Error()
				return
			}
			got <- list[0].Key
		}()
	}
	commit(t, b, puts(put("x", 0, ""))) // wakes nobody
	commit(t, b, events("t", "a"))
	for range readers {
		select {
		case s := <-got:
			equal(t, "event", s, "a")
		case <-time.After(patience):
			t.Fatal("a waiting reader was not woken")
		}
	}
}

// testEventsComplete: readers that follow the log while many write see every
// event once, in order, and never have to go back.
func testEventsComplete(t *testing.T, h Harness) {
	const writers, each = 8, 40
	b := h.fresh(t)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := b.Commit(t.Context(), events(fmt.Sprint(w), number(i), "second of "+number(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for r := range 3 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			next := map[string]int{}
			after := uint64(0)
			for seen := 0; seen < 2*writers*each; {
				list, err := b.Events(ctx, after, 1+17*r)
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range list {
					if e.Seq <= after {
						t.Errorf("sequence number %d after %d", e.Seq, after)
					}
					after = e.Seq
					want := number(next[e.Type] / 2)
					if next[e.Type]%2 == 1 {
						want = "second of " + want
					}
					if e.Key != want {
						t.Errorf("writer %s: event %s, want %s", e.Type, e.Key, want)
						return
					}
					next[e.Type]++
					seen++
				}
			}
		})
	}
	wg.Wait()
}

func testLocks(t *testing.T, h Harness) {
	b := h.fresh(t)
	acquire := func(name, holder string, ttl time.Duration) bool {
		t.Helper()
		ok, err := b.Acquire(t.Context(), name, holder, ttl)
		must(t, err)
		return ok
	}
	equal(t, "free", acquire("timer/1", "ann", time.Minute), true)
	equal(t, "taken", acquire("timer/1", "bob", time.Minute), false)
	equal(t, "renewed", acquire("timer/1", "ann", time.Minute), true)
	equal(t, "another", acquire("timer/2", "bob", time.Minute), true)
	must(t, b.Relinquish(t.Context(), "timer/1", "bob")) // not his
	equal(t, "still taken", acquire("timer/1", "bob", time.Minute), false)
	must(t, b.Relinquish(t.Context(), "timer/1", "ann"))
	must(t, b.Relinquish(t.Context(), "unheard of", "ann"))
	equal(t, "given back", acquire("timer/1", "bob", time.Minute), true)

	const ttl = 150 * time.Millisecond
	start := time.Now()
	equal(t, "short", acquire("short", "ann", ttl), true)
	for !acquire("short", "bob", time.Minute) {
		if time.Since(start) > patience {
			t.Fatal("the lock did not end")
		}
	}
	if took := time.Since(start); took < ttl-5*time.Millisecond {
		t.Fatalf("taken over after %v", took)
	}
	equal(t, "taken over", acquire("short", "ann", ttl), false)

	var winners atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			ok, err := b.Acquire(t.Context(), "race", fmt.Sprint(i), time.Minute)
			if err != nil {
				t.Error(err)
			}
			if ok {
				winners.Add(1)
			}
		})
	}
	wg.Wait()
	equal(t, "winners", winners.Load(), 1)
}

// testWriters: 64 writers move amounts between accounts, each with the revisions
// it has read. What they commit adds up.
func testWriters(t *testing.T, h Harness) {
	const accounts, writers, each = 12, 64, 8
	b := h.fresh(t)
	batch := &store.Batch{}
	for a := range accounts {
		batch.Puts = append(batch.Puts, put(number(a), 0, "1000"))
	}
	commit(t, b, batch)
	read := func(id string) (store.Put, int) {
		rec, err := b.Get(t.Context(), "docs", id)
		if err != nil {
			t.Error(err)
		}
		var n int
		if _, err := fmt.Sscan(string(rec.Body), &n); err != nil {
			t.Error(err)
		}
		return put(id, rec.Rev, ""), n
	}
	var conflicts atomic.Int32
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(w)))
			for done := 0; done < each && !t.Failed(); {
				x := r.IntN(accounts)
				y := (x + 1 + r.IntN(accounts-1)) % accounts
				from, have := read(number(x))
				to, had := read(number(y))
				from.Body, to.Body = fmt.Append(nil, have-7), fmt.Append(nil, had+7)
				kind := store.IndexEntry{Index: "sum", Value: "v", Sort: fmt.Sprint(have)}
				from.Index = []store.IndexEntry{kind}
				err := b.Commit(t.Context(), &store.Batch{
					Puts: []store.Put{from, to}, Events: []store.Event{{Type: "moved"}},
					Pushes: []store.Push{{Queue: "moves", ID: "x"}},
				})
				switch {
				case err == nil:
					done++
				case errors.Is(err, store.ErrConflict):
					conflicts.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	sum, revisions := 0, int64(0)
	for a := range accounts {
		p, n := read(number(a))
		sum += n
		revisions += p.Rev - 1
	}
	equal(t, "sum of all accounts", sum, accounts*1000)
	equal(t, "changes of documents", revisions, 2*writers*each)
	last, err := b.LastEvent(t.Context())
	must(t, err)
	equal(t, "events", last, writers*each)
	s, err := b.QueueStats(t.Context(), "moves")
	must(t, err)
	equal(t, "items", s.Ready, writers*each)
	t.Logf("%d commits, %d conflicts", writers*each, conflicts.Load())
}

func testLargeBatch(t *testing.T, h Harness) {
	const n = 3000
	b := h.fresh(t)
	batch := &store.Batch{}
	for i := range n {
		id := number(i)
		batch.Puts = append(batch.Puts, put(id, 0, strings.Repeat("x", 700),
			store.IndexEntry{Index: "i", Value: "v", Sort: id}, store.IndexEntry{Index: "j", Value: id}))
		batch.Pushes = append(batch.Pushes, store.Push{Queue: "q", ID: id, Group: fmt.Sprint(i % 500)})
		batch.Events = append(batch.Events, store.Event{Type: "t", Key: id})
		batch.Claims = append(batch.Claims, store.Claim{Key: id, Value: id, TTL: time.Hour})
	}
	commit(t, b, batch)
	count, err := b.Count(t.Context(), store.Query{Collection: "docs", Index: "i", Value: "v"})
	must(t, err)
	equal(t, "documents", count, n)
	last, err := b.LastEvent(t.Context())
	must(t, err)
	equal(t, "last event", last, n)
	for done := 0; done < n; {
		items := lease(t, b, "q", 1000, time.Minute)
		done += len(items)
		gone := &store.Batch{Acks: items}
		for _, it := range items {
			gone.Deletes = append(gone.Deletes, store.Delete{Collection: "docs", ID: it.ID, Rev: 1})
		}
		commit(t, b, gone)
	}
	count, err = b.Count(t.Context(), store.Query{Collection: "docs"})
	must(t, err)
	equal(t, "documents left", count, 0)
}

func testCommitContext(t *testing.T, h Harness) {
	b := h.fresh(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Commit(gone, puts(put("never", 0, ""))); !errors.Is(err, context.Canceled) {
		t.Fatalf("commit with an ended context: %v", err)
	}
	absent(t, b, "never")
	// Contexts that end at any moment: the commit tells the truth.
	for i := range 60 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*10)*time.Microsecond)
		err := b.Commit(ctx, puts(put(number(i), 0, "")))
		cancel()
		switch {
		case err == nil:
			equal(t, "revision", get(t, b, number(i)).Rev, 1)
		case errors.Is(err, context.DeadlineExceeded):
			absent(t, b, number(i))
		default:
			t.Fatal(err)
		}
	}
}

func testReopen(t *testing.T, h Harness) {
	place := h.Place(t)
	open := func() store.Backend {
		t.Helper()
		b, err := h.Open(t.Context(), place)
		must(t, err)
		return b
	}
	b := open()
	commit(t, b, &store.Batch{
		Puts:   []store.Put{put("a", 0, "1", store.IndexEntry{Index: "i", Value: "v", Sort: "s"})},
		Pushes: []store.Push{{Queue: "q", ID: "leased", Group: "g"}, {Queue: "q", ID: "next", Group: "g"}, {Queue: "q", ID: "late", At: time.Now().Add(time.Hour)}},
		Claims: []store.Claim{{Key: "k", Value: "v", TTL: time.Hour}},
		Events: []store.Event{{Type: "t", Key: "1"}},
		Blobs:  []store.Blob{{ID: "b", Body: bytes.Repeat([]byte("blob"), 1000)}},
	})
	commit(t, b, puts(put("a", 1, "2", store.IndexEntry{Index: "i", Value: "w", Sort: "s"})))
	const ttl = 400 * time.Millisecond
	old := lease(t, b, "q", 1, ttl)[0]
	must(t, b.Close())

	b = open()
	rec := get(t, b, "a")
	equal(t, "revision", rec.Rev, 2)
	equal(t, "body", string(rec.Body), "2")
	list, _ := query(t, b, store.Query{Index: "i", Value: "w"})
	equal(t, "index", list, "a")
	list, _ = query(t, b, store.Query{Index: "i", Value: "v"})
	equal(t, "old index entry", list, "")
	refused(t, b, store.ErrDuplicate, claim("k", "w", time.Hour))
	blob, err := b.Blob(t.Context(), "b")
	must(t, err)
	equal(t, "blob", len(blob), 4000)
	commit(t, b, events("t", "2"))
	evs, err := b.Events(t.Context(), 0, 10)
	must(t, err)
	equal(t, "events", len(evs), 2)
	equal(t, "sequence goes on", evs[1].Seq, 2)
	again := leaseOne(t, b, "q", "leased")
	equal(t, "deliveries", again.Deliveries, 2)
	refused(t, b, store.ErrLeaseLost, &store.Batch{Acks: []store.Item{old}})
	ack(t, b, again)
	ack(t, b, leaseOne(t, b, "q", "next"))
	s, err := b.QueueStats(t.Context(), "q")
	must(t, err)
	equal(t, "stats", s, store.QueueStats{Delayed: 1})
	must(t, b.Close())
}

func testClosed(t *testing.T, h Harness) {
	b, err := h.Open(t.Context(), h.Place(t))
	must(t, err)
	commit(t, b, puts(put("a", 0, "x")))
	commit(t, b, push("held", "held"))
	held := leaseOne(t, b, "held", "held")
	waiting := make(chan error, 2)
	go func() {
		_, err := b.Lease(context.Background(), request("q", 1, time.Minute))
		waiting <- err
	}()
	go func() {
		_, err := b.Events(context.Background(), 0, 1)
		waiting <- err
	}()
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	for _, ch := range []chan error{waiting, waiting, closed} {
		select {
		case err := <-ch:
			if ch == closed {
				must(t, err)
			} else if !errors.Is(err, store.ErrClosed) {
				t.Fatalf("a waiting call returned %v", err)
			}
		case <-time.After(patience):
			t.Fatal("Close left somebody waiting")
		}
	}
	must(t, b.Close()) // again does no harm
	ctx := context.Background()
	for what, call := range map[string]func() error{
		"Commit":     func() error { return b.Commit(ctx, puts(put("b", 0, ""))) },
		"Get":        func() error { _, err := b.Get(ctx, "docs", "a"); return err },
		"Query":      func() error { _, err := b.Query(ctx, store.Query{Collection: "docs"}); return err },
		"Count":      func() error { _, err := b.Count(ctx, store.Query{Collection: "docs"}); return err },
		"Lease":      func() error { _, err := b.Lease(ctx, request("q", 1, time.Minute)); return err },
		"Extend":     func() error { _, err := b.Extend(ctx, []store.Item{held}, time.Minute); return err },
		"Release":    func() error { return b.Release(ctx, held, 0, false) },
		"QueueStats": func() error { _, err := b.QueueStats(ctx, "q"); return err },
		"Events":     func() error { _, err := b.Events(ctx, 0, 1); return err },
		"LastEvent":  func() error { _, err := b.LastEvent(ctx); return err },
		"Blob":       func() error { _, err := b.Blob(ctx, "b"); return err },
		"Acquire":    func() error { _, err := b.Acquire(ctx, "l", "h", time.Minute); return err },
		"Relinquish": func() error { return b.Relinquish(ctx, "l", "h") },
	} {
		if err := call(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", what, err)
		}
	}
}
