package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"petrel/store"
)

func itemOf(l *lease) store.Item {
	return store.Item{Queue: l.entry.q.name, Token: l.token}
}

func open(t testing.TB, path string, o Options) *Backend {
	t.Helper()
	b, err := Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func commit(t testing.TB, b *Backend, batch *store.Batch) {
	t.Helper()
	if err := b.Commit(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
}

func take(t testing.TB, b *Backend, ttl time.Duration) store.Item {
	t.Helper()
	items, err := b.Lease(context.Background(), store.LeaseRequest{Queue: "q", Holder: "h", Max: 1, TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return items[0]
}

// TestTimes runs on a made-up clock: long times pass at once and exactly.
func TestTimes(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, filepath.Join(dir, "store.db"), Options{})
		start := time.Now()
		since := func(what string, want time.Duration) {
			t.Helper()
			if got := time.Since(start); got != want {
				t.Fatalf("%s after %v, want %v", what, got, want)
			}
		}
		commit(t, b, &store.Batch{
			Pushes: []store.Push{{Queue: "q", ID: "tomorrow", At: start.Add(24 * time.Hour)}},
			Claims: []store.Claim{{Key: "c", Value: "v", TTL: 36 * time.Hour}},
		})
		it := take(t, b, 45*time.Second)
		since("due", 24*time.Hour)
		it = take(t, b, 45*time.Second)
		since("lease over", 24*time.Hour+45*time.Second)
		if it.Deliveries != 2 {
			t.Fatalf("%d deliveries", it.Deliveries)
		}
		for range 4 { // a heartbeat holds the lease
			time.Sleep(15 * time.Second)
			if lost, err := b.Extend(t.Context(), []store.Item{it}, 45*time.Second); err != nil || len(lost) > 0 {
				t.Fatal(lost, err)
			}
		}
		it = take(t, b, time.Hour)
		since("lease over after the last heartbeat", 24*time.Hour+45*time.Second+60*time.Second+45*time.Second)
		if err := b.Release(t.Context(), it, 10*time.Minute, true); err != nil {
			t.Fatal(err)
		}
		take(t, b, time.Hour)
		since("due after the release", 24*time.Hour+150*time.Second+10*time.Minute)

		time.Sleep(start.Add(36*time.Hour - time.Millisecond).Sub(time.Now()))
		again := &store.Batch{Claims: []store.Claim{{Key: "c", Value: "w", TTL: time.Hour}}}
		if err := b.Commit(t.Context(), again); !errors.Is(err, store.ErrDuplicate) {
			t.Fatalf("claim a moment before its end: %v", err)
		}
		time.Sleep(time.Millisecond)
		commit(t, b, again)

		if ok, err := b.Acquire(t.Context(), "l", "a", 15*time.Second); !ok || err != nil {
			t.Fatal(ok, err)
		}
		time.Sleep(15*time.Second - 1)
		if ok, _ := b.Acquire(t.Context(), "l", "b", time.Second); ok {
			t.Fatal("the lock ended early")
		}
		time.Sleep(1)
		if ok, _ := b.Acquire(t.Context(), "l", "b", time.Second); !ok {
			t.Fatal("the lock did not end")
		}
	})
}

// TestClaimsArePurged: what has expired does not stay in the file.
func TestClaimsArePurged(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, filepath.Join(dir, "store.db"), Options{})
		commit(t, b, &store.Batch{Claims: []store.Claim{{Key: "a", TTL: time.Minute}, {Key: "b", TTL: time.Hour}, {Key: "c"}}})
		time.Sleep(2 * time.Minute)
		commit(t, b, &store.Batch{Events: []store.Event{{Type: "any"}}})
		var n int
		if err := b.db.QueryRow("SELECT count(*) FROM claims").Scan(&n); err != nil || n != 2 {
			t.Fatalf("%d claims are left, %v; want 2", n, err)
		}
	})
}

// TestClockJump: the wall clock of the process jumps; leases do not notice,
// delayed items follow it.
func TestClockJump(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var jump time.Duration
		b := open(t, filepath.Join(dir, "store.db"), Options{Now: func() time.Time { return time.Now().Add(jump) }})
		start := time.Now()
		commit(t, b, &store.Batch{Pushes: []store.Push{{Queue: "q", ID: "held"}, {Queue: "q", ID: "later", At: start.Add(6 * time.Hour)}}})
		held := take(t, b, 10*time.Minute)
		synctest.Wait()
		jump = 7 * time.Hour
		if it := take(t, b, time.Hour); it.ID != "later" || time.Since(start) > maxNap {
			t.Fatalf("got %s after %v, want the delayed item once the jump is noticed", it.ID, time.Since(start))
		}
		commit(t, b, &store.Batch{Acks: []store.Item{held}})
	})
}

// TestEventRetention: the log keeps what it is told to and no less; who asks for
// older events gets the oldest there is.
func TestEventRetention(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	b := open(t, path, Options{KeepEvents: 500})
	for range 40 {
		batch := &store.Batch{}
		for range 50 {
			batch.Events = append(batch.Events, store.Event{Type: "t"})
		}
		commit(t, b, batch)
	}
	list, err := b.Events(t.Context(), 3, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	if first, last := list[0].Seq, list[len(list)-1].Seq; last != 2000 || first > 1501 || first < 1501-2*trimStep {
		t.Fatalf("the log goes from %d to %d", first, last)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, path, Options{KeepEvents: 10})
	commit(t, b, &store.Batch{Events: []store.Event{{Type: "t"}}})
	list, err = b.Events(t.Context(), 0, 10_000)
	if err != nil || list[len(list)-1].Seq != 2001 || len(list) != 10 {
		t.Fatalf("after reopening with a smaller bound: %d events, %v", len(list), err)
	}
}
