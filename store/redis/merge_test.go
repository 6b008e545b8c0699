//go:build unix

package redis

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"petrel/store"
	"petrel/store/redis/redistest"
)

// TestMergedOrders carries batches out in one script call: each sees what those
// before it left behind, and one that is refused leaves nothing.
func TestMergedOrders(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL("p"), Options{Logger: slog.New(slog.DiscardHandler)})
	status := func(v string) []store.IndexEntry {
		return []store.IndexEntry{{Index: "status", Value: v, Sort: "1"}, {Index: "kind", Value: "same", Sort: "1"}, {Index: "status", Value: v, Sort: "1"}}
	}
	commit(t, b, &store.Batch{
		Puts:   []store.Put{{Collection: "c", ID: "there", Body: []byte("old"), Index: status("old")}},
		Pushes: []store.Push{{Queue: "q", ID: "one", Group: "g/1"}, {Queue: "q", ID: "two", Group: "g/1"}, {Queue: "q", ID: "big", Body: make([]byte, 5000)}},
	})
	items, err := b.Lease(t.Context(), store.LeaseRequest{Queue: "q", Holder: "h", Max: 10, TTL: time.Minute})
	if err != nil || len(items) != 2 {
		t.Fatalf("leased %+v, %v", items, err)
	}
	one, big := items[0], items[1]
	batches := []*store.Batch{
		// 0: a new document, an acknowledgement, events
		{Acks: []store.Item{one}, Puts: []store.Put{{Collection: "c", ID: "new", Body: []byte("first"), Index: status("a")}}, Events: []store.Event{{Type: "t0"}, {Type: "t0"}}},
		// 1: lost, the item is acknowledged by then
		{Acks: []store.Item{one}, Puts: []store.Put{{Collection: "c", ID: "never"}}},
		// 2: replaces what the first made
		{Acks: []store.Item{big}, Puts: []store.Put{{Collection: "c", ID: "new", Rev: 1, Body: []byte("second"), Index: status("b")}}, Claims: []store.Claim{{Key: "k", Value: "v2"}}},
		// 3: conflict in its second put; its first, its claim and its delete must not stay
		{Claims: []store.Claim{{Key: "free", Value: "v3"}}, Puts: []store.Put{{Collection: "c", ID: "there", Rev: 1, Body: []byte("bad"), Index: status("bad")}, {Collection: "c", ID: "new", Rev: 1}}},
		// 4: the claim of 2
		{Claims: []store.Claim{{Key: "k", Value: "v4"}}, Events: []store.Event{{Type: "never"}}},
		// 5: what 3 wanted is free yet; any revision; a delete, and the same anew
		{
			Claims:  []store.Claim{{Key: "free", Value: "v5"}},
			Puts:    []store.Put{{Collection: "c", ID: "there", Rev: store.AnyRev, Body: []byte("new"), Index: status("new")}, {Collection: "d", ID: "gone", Body: []byte("x")}},
			Deletes: []store.Delete{{Collection: "d", ID: "gone", Rev: 1}},
			Events:  []store.Event{{Type: "t5"}},
		},
		// 6: conflict of a delete
		{Deletes: []store.Delete{{Collection: "c", ID: "there", Rev: 1}}},
	}
	wants := []error{nil, store.ErrLeaseLost, nil, store.ErrConflict, store.ErrDuplicate, nil, store.ErrConflict}
	send := func() {
		t.Helper()
		var orders []*order
		for i, batch := range batches {
			o, err := write(batch, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			o.slot, o.turn, o.again = fmt.Sprint("test", i), 1, true
			orders = append(orders, o)
		}
		call := b.merge(orders)
		if err := b.rdb.Process(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		replies, _ := call.Val().([]any)
		if len(replies) != len(batches) {
			t.Fatalf("replies %v", replies)
		}
		for i, reply := range replies {
			if err := outcome(batches[i], reply); !errors.Is(err, wants[i]) {
				t.Errorf("batch %d: %v, want %v", i, err, wants[i])
			}
		}
	}
	look := func() {
		t.Helper()
		for id, want := range map[string]string{"new": "2 second", "there": "2 new"} {
			rec, err := b.Get(t.Context(), "c", id)
			if got := fmt.Sprint(rec.Rev, " ", string(rec.Body)); err != nil || got != want {
				t.Errorf("%s is %q, %v, want %q", id, got, err, want)
			}
		}
		for value, want := range map[string]int{"a": 0, "b": 1, "old": 0, "bad": 0, "new": 1} {
			if n, err := b.Count(t.Context(), store.Query{Collection: "c", Index: "status", Value: value}); err != nil || n != want {
				t.Errorf("%d filed under %s, %v, want %d", n, value, err, want)
			}
		}
		if n, err := b.Count(t.Context(), store.Query{Collection: "c", Index: "kind", Value: "same"}); err != nil || n != 2 {
			t.Errorf("%d of the same kind, %v", n, err)
		}
		if n, err := b.Count(t.Context(), store.Query{Collection: "d"}); err != nil || n != 0 {
			t.Errorf("%d left of what was deleted, %v", n, err)
		}
		events, err := b.Events(t.Context(), 0, 10)
		if err != nil || len(events) != 3 || events[0].Type != "t0" || events[0].Seq != 1 || events[2].Type != "t5" || events[2].Seq != 3 {
			t.Errorf("events %+v, %v", events, err)
		}
		if events, err = b.Events(t.Context(), 1, 1); err != nil || len(events) != 1 || events[0].Seq != 2 {
			t.Errorf("the second event: %+v, %v", events, err)
		}
	}
	send()
	look()
	wants[3] = store.ErrDuplicate // its claim is the first reason by now
	send()                        // as after a lost answer: what was carried out is so, what was refused is refused again
	look()
	if it := take(t, b, time.Minute); it.ID != "two" || it.Group != "g/1" {
		t.Errorf("behind the first came %+v", it)
	}
	if reply := s.Must("HLEN {p:0}:ib:q"); reply != ":0" {
		t.Errorf("bodies left: %s", reply)
	}
}

// TestOldSchema reads what schema 1 stored: filings in words, entries of one event.
func TestOldSchema(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL("p"), Options{})
	ctx := t.Context()
	if err := errors.Join(
		b.rdb.HSet(ctx, "{p:0}:meta", "schema", 1).Err(),
		b.rdb.HSet(ctx, "{p:0}:d:c", "x", "4:rbody", "x\x00", "4\x00status\x00old\x001\x00kind\x00k\x001\x00").Err(),
		b.rdb.ZAdd(ctx, "{p:0}:a:c", goredis.Z{Member: "x"}).Err(),
		b.rdb.ZAdd(ctx, "{p:0}:i:c:status:old", goredis.Z{Member: "1\x00x"}).Err(),
		b.rdb.ZAdd(ctx, "{p:0}:i:c:kind:k", goredis.Z{Member: "1\x00x"}).Err(),
		b.rdb.Do(ctx, "xadd", "{p:0}:ev", "1-0", "a", "1000", "t", "type", "k", "key", "b", "rbody").Err(),
		b.rdb.Set(ctx, "{p:0}:evseq", 1, 0).Err(),
	); err != nil {
		t.Fatal(err)
	}
	b = open(t, s.URL("p"), Options{})
	if version, err := b.rdb.HGet(ctx, "{p:0}:meta", "schema").Result(); err != nil || version != "2" {
		t.Errorf("schema %s, %v", version, err)
	}
	commit(t, b, &store.Batch{
		Puts: []store.Put{{Collection: "c", ID: "x", Rev: 4, Body: []byte("new"), Index: []store.IndexEntry{
			{Index: "status", Value: "new", Sort: "1"}, {Index: "kind", Value: "k", Sort: "1"},
		}}},
		Events: []store.Event{{Type: "second"}},
	})
	for _, q := range []struct {
		index, value string
		want         int
	}{{"status", "old", 0}, {"status", "new", 1}, {"kind", "k", 1}} {
		if n, err := b.Count(ctx, store.Query{Collection: "c", Index: q.index, Value: q.value}); err != nil || n != q.want {
			t.Errorf("%s %s: %d, %v", q.index, q.value, n, err)
		}
	}
	events, err := b.Events(ctx, 0, 10)
	if err != nil || len(events) != 2 || events[0].Key != "key" || string(events[0].Body) != "body" || events[1].Type != "second" || events[1].Seq != 2 {
		t.Errorf("events %+v, %v", events, err)
	}
}
