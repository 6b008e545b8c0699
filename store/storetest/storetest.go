// Package storetest states the contract of store.Backend as tests that every
// backend passes. A backend's own test package calls Run, and Main from its
// TestMain, since some tests kill a child process in the middle of its work.
// RunShared adds what holds when several processes have one place open.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"petrel/store"
)

// Harness is what the suite needs to know of a backend.
type Harness struct {
	// Place makes an empty place for data and returns its address.
	Place func(t testing.TB) string
	// Open opens the place at an address.
	Open func(ctx context.Context, address string) (store.Backend, error)
}

// patience is how long the suite waits for what must happen.
const patience = 20 * time.Second

// blink is how long it watches that something does not happen.
const blink = 80 * time.Millisecond

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"Documents", testDocuments},
		{"Conflicts", testConflicts},
		{"BatchIsAtomic", testBatchIsAtomic},
		{"BatchOrder", testBatchOrder},
		{"Invalid", testInvalid},
		{"Collection", testCollection},
		{"QueryOrder", testQueryOrder},
		{"QueryPages", testQueryPages},
		{"QueryRange", testQueryRange},
		{"QueryRefile", testQueryRefile},
		{"QueryPagesWhileWriting", testQueryPagesWhileWriting},
		{"QueueOrder", testQueueOrder},
		{"QueueLanes", testQueueLanes},
		{"QueueStarvation", testQueueStarvation},
		{"QueueBodies", testQueueBodies},
		{"QueueGroups", testQueueGroups},
		{"QueueGroupsConcurrently", testQueueGroupsConcurrently},
		{"QueueGroupDelayed", testQueueGroupDelayed},
		{"QueueWakes", testQueueWakes},
		{"QueueContext", testQueueContext},
		{"QueueDelayed", testQueueDelayed},
		{"QueueDelayedSooner", testQueueDelayedSooner},
		{"QueueExpiry", testQueueExpiry},
		{"QueueExtend", testQueueExtend},
		{"QueueRelease", testQueueRelease},
		{"QueueReleaseGroup", testQueueReleaseGroup},
		{"QueueAckLost", testQueueAckLost},
		{"QueueStats", testQueueStats},
		{"QueueCompeting", testQueueCompeting},
		{"QueueManyEmpty", testQueueManyEmpty},
		{"Claims", testClaims},
		{"ClaimsRace", testClaimsRace},
		{"Blobs", testBlobs},
		{"BlobLimits", testBlobLimits},
		{"Events", testEvents},
		{"EventsWait", testEventsWait},
		{"EventsComplete", testEventsComplete},
		{"Locks", testLocks},
		{"Writers", testWriters},
		{"LargeBatch", testLargeBatch},
		{"CommitContext", testCommitContext},
		{"Reopen", testReopen},
		{"Closed", testClosed},
		{"Crash", testCrash},
		{"Poison", testPoison},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.test(t, h)
		})
	}
}

// fresh opens a backend on a place of its own for the length of the test.
func (h Harness) fresh(t *testing.T) store.Backend {
	t.Helper()
	b, err := h.Open(t.Context(), h.Place(t))
	must(t, err)
	t.Cleanup(func() { must(t, b.Close()) })
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func commit(t testing.TB, b store.Backend, batch *store.Batch) {
	t.Helper()
	must(t, b.Commit(t.Context(), batch))
}

// refused commits a batch that must fail in the given way.
func refused(t testing.TB, b store.Backend, want error, batch *store.Batch) error {
	t.Helper()
	err := b.Commit(t.Context(), batch)
	if !errors.Is(err, want) {
		t.Fatalf("commit: got error %v, want %v", err, want)
	}
	return err
}

func put(id string, rev int64, body string, index ...store.IndexEntry) store.Put {
	return store.Put{Collection: "docs", ID: id, Rev: rev, Body: []byte(body), Index: index}
}

func puts(p ...store.Put) *store.Batch { return &store.Batch{Puts: p} }

func push(queue string, ids ...string) *store.Batch {
	b := &store.Batch{}
	for _, id := range ids {
		b.Pushes = append(b.Pushes, store.Push{Queue: queue, ID: id, Body: []byte("body of " + id)})
	}
	return b
}

func request(queue string, limit int, ttl time.Duration) store.LeaseRequest {
	return store.LeaseRequest{Queue: queue, Holder: "tester", Max: limit, TTL: ttl}
}

// lease takes what is there, waiting for the first item.
func lease(t testing.TB, b store.Backend, queue string, limit int, ttl time.Duration) []store.Item {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	items, err := b.Lease(ctx, request(queue, limit, ttl))
	must(t, err)
	if len(items) == 0 || len(items) > limit {
		t.Fatalf("lease of up to %d items returned %d", limit, len(items))
	}
	return items
}

// leaseOne takes the next item and checks which one it is.
func leaseOne(t testing.TB, b store.Backend, queue, id string) store.Item {
	t.Helper()
	it := lease(t, b, queue, 1, time.Minute)[0]
	if it.ID != id {
		t.Fatalf("leased %s, want %s", it.ID, id)
	}
	return it
}

// leaseAll takes exactly n items, one lease after the other.
func leaseAll(t testing.TB, b store.Backend, queue string, n int) []store.Item {
	t.Helper()
	var all []store.Item
	for len(all) < n {
		all = append(all, lease(t, b, queue, n-len(all), time.Minute)...)
	}
	return all
}

// leaseNone checks that nothing is to be had.
func leaseNone(t testing.TB, b store.Backend, queue string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), blink)
	defer cancel()
	items, err := b.Lease(ctx, request(queue, 10, time.Minute))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("lease of an idle queue: got %v, %v, want it to wait", items, err)
	}
}

func ack(t testing.TB, b store.Backend, items ...store.Item) {
	t.Helper()
	commit(t, b, &store.Batch{Acks: items})
}

func ids(items []store.Item) string {
	s := ""
	for _, it := range items {
		s += it.ID + " "
	}
	return s
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func get(t testing.TB, b store.Backend, id string) store.Record {
	t.Helper()
	rec, err := b.Get(t.Context(), "docs", id)
	must(t, err)
	return rec
}

func absent(t testing.TB, b store.Backend, id string) {
	t.Helper()
	if rec, err := b.Get(t.Context(), "docs", id); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("get %s: got %v, %v, want ErrNotFound", id, rec, err)
	}
}

func number(i int) string { return fmt.Sprintf("%06d", i) }
