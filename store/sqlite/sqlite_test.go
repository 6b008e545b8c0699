package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"petrel/store"
)

func TestOpenUseReopen(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "a b%?c.db")
	b, err := Open(ctx, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, path, Options{}); !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	} else {
		t.Log(err)
	}
	idx := []store.IndexEntry{{Index: "status", Value: "running", Sort: "1"}}
	if err := b.Commit(ctx, &store.Batch{
		Puts:   []store.Put{{Collection: "x", ID: "1", Body: []byte("{}"), Index: idx}},
		Pushes: []store.Push{{Queue: "q", ID: "1", Body: []byte("hello")}},
		Events: []store.Event{{Type: "a", Key: "k", Body: []byte("b")}},
		Claims: []store.Claim{{Key: "c", Value: "v", TTL: time.Hour}},
		Blobs:  []store.Blob{{ID: "b", Body: make([]byte, 100000)}},
	}); err != nil {
		t.Fatal(err)
	}
	page, err := b.Query(ctx, store.Query{Collection: "x", Index: "status", Value: "running", IDsOnly: true})
	if err != nil || len(page.Records) != 1 {
		t.Fatal(page, err)
	}
	items, err := b.Lease(ctx, store.LeaseRequest{Queue: "q", Holder: "h", Max: 3, TTL: time.Second})
	if err != nil || len(items) != 1 || items[0].Deliveries != 1 {
		t.Fatal(items, err)
	}
	err = b.Commit(ctx, &store.Batch{Claims: []store.Claim{{Key: "c", Value: "w"}}})
	if !errors.Is(err, store.ErrDuplicate) {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b, err = Open(ctx, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	cctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	items, err = b.Lease(cctx, store.LeaseRequest{Queue: "q", Holder: "h", Max: 3, TTL: time.Second})
	if err != nil || len(items) != 1 || items[0].Deliveries != 2 || string(items[0].Body) != "hello" {
		t.Fatal(items, err)
	}
	if err := b.Commit(ctx, &store.Batch{Acks: items}); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(ctx, &store.Batch{Acks: items}); !errors.Is(err, store.ErrLeaseLost) {
		t.Fatal(err)
	}
	bl, err := b.Blob(ctx, "b")
	if err != nil || len(bl) != 100000 {
		t.Fatal(err)
	}
	evs, err := b.Events(ctx, 0, 10)
	if err != nil || len(evs) != 1 {
		t.Fatal(err)
	}
}
