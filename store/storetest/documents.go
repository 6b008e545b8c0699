package storetest

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"petrel/store"
)

func testDocuments(t *testing.T, h Harness) {
	b := h.fresh(t)
	absent(t, b, "a")
	commit(t, b, puts(put("a", 0, "one"), put("ключ / {é}\n", 0, "")))
	rec := get(t, b, "a")
	equal(t, "id", rec.ID, "a")
	equal(t, "first revision", rec.Rev, 1)
	equal(t, "body", string(rec.Body), "one")
	equal(t, "revision of a document without body", get(t, b, "ключ / {é}\n").Rev, 1)

	commit(t, b, puts(put("a", 1, "two")))
	equal(t, "second revision", get(t, b, "a").Rev, 2)
	commit(t, b, puts(put("a", store.AnyRev, "three"), put("b", store.AnyRev, "new")))
	equal(t, "third revision", get(t, b, "a").Rev, 3)
	equal(t, "body", string(get(t, b, "a").Body), "three")
	equal(t, "revision of a new document put with AnyRev", get(t, b, "b").Rev, 1)

	if _, err := b.Get(t.Context(), "other", "a"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("the same id in another collection: %v", err)
	}
	commit(t, b, &store.Batch{Deletes: []store.Delete{{Collection: "docs", ID: "a", Rev: 3}}})
	absent(t, b, "a")
	commit(t, b, &store.Batch{Deletes: []store.Delete{
		{Collection: "docs", ID: "a", Rev: store.AnyRev}, {Collection: "docs", ID: "b", Rev: store.AnyRev},
		{Collection: "unheard of", ID: "b", Rev: store.AnyRev},
	}})
	absent(t, b, "b")

	raw := make([]byte, 300_000)
	for i := range raw {
		raw[i] = byte(i * i >> 3)
	}
	commit(t, b, puts(store.Put{Collection: "docs", ID: "big", Body: raw}))
	if !bytes.Equal(get(t, b, "big").Body, raw) {
		t.Fatal("a body with every byte value changed on the way")
	}
	commit(t, b, &store.Batch{}) // nothing is fine
}

func testConflicts(t *testing.T, h Harness) {
	b := h.fresh(t)
	commit(t, b, puts(put("a", 0, "1")))
	commit(t, b, puts(put("a", 1, "2")))
	for _, tc := range []struct {
		what  string
		batch *store.Batch
		want  store.ConflictError
	}{
		{"create what exists", puts(put("a", 0, "x")), store.ConflictError{ID: "a", Want: 0, Have: 2}},
		{"replace an old revision", puts(put("a", 1, "x")), store.ConflictError{ID: "a", Want: 1, Have: 2}},
		{"replace a future revision", puts(put("a", 3, "x")), store.ConflictError{ID: "a", Want: 3, Have: 2}},
		{"replace what is missing", puts(put("b", 1, "x")), store.ConflictError{ID: "b", Want: 1, Have: 0}},
		{
			"delete an old revision", &store.Batch{Deletes: []store.Delete{{Collection: "docs", ID: "a", Rev: 1}}},
			store.ConflictError{ID: "a", Want: 1, Have: 2},
		},
		{
			"delete what is missing", &store.Batch{Deletes: []store.Delete{{Collection: "docs", ID: "c", Rev: 1}}},
			store.ConflictError{ID: "c", Want: 1, Have: 0},
		},
	} {
		t.Run(tc.what, func(t *testing.T) {
			err := refused(t, b, store.ErrConflict, tc.batch)
			var ce *store.ConflictError
			if !errors.As(err, &ce) {
				t.Fatalf("%v is no *ConflictError", err)
			}
			tc.want.Collection = "docs"
			equal(t, "conflict", *ce, tc.want)
			if !strings.Contains(err.Error(), tc.want.ID) {
				t.Fatalf("%q does not name the document", err)
			}
		})
	}
	equal(t, "body afterwards", string(get(t, b, "a").Body), "2")
}

// testBatchIsAtomic lets the last part of a batch fail in each possible way and
// looks for traces of the parts before it.
func testBatchIsAtomic(t *testing.T, h Harness) {
	b := h.fresh(t)
	commit(t, b, &store.Batch{
		Puts:   []store.Put{put("there", 0, "x", store.IndexEntry{Index: "i", Value: "v"}), put("old", 0, "x")},
		Claims: []store.Claim{{Key: "taken", Value: "first", TTL: time.Hour}},
		Blobs:  []store.Blob{{ID: "kept", Body: []byte("kept")}},
		Events: []store.Event{{Type: "before"}},
		Pushes: []store.Push{{Queue: "held", ID: "held"}},
	})
	held := leaseOne(t, b, "held", "held")
	lost := held
	lost.Token += "x"
	full := func() *store.Batch {
		return &store.Batch{
			Acks:    []store.Item{held},
			Puts:    []store.Put{put("new", 0, "x", store.IndexEntry{Index: "i", Value: "v"}), put("there", 1, "y")},
			Deletes: []store.Delete{{Collection: "docs", ID: "old", Rev: 1}},
			Pushes:  []store.Push{{Queue: "q", ID: "x"}, {Queue: "q", ID: "y", At: time.Now().Add(-time.Hour)}},
			Events:  []store.Event{{Type: "never"}},
			Claims:  []store.Claim{{Key: "free", Value: "x", TTL: time.Hour}},
			Blobs:   []store.Blob{{ID: "new", Body: []byte("x")}, {ID: "kept", Drop: true}},
		}
	}
	for _, tc := range []struct {
		what  string
		spoil func(*store.Batch)
		want  error
	}{
		{"conflict of a put", func(b *store.Batch) { b.Puts = append(b.Puts, put("there", 7, "")) }, store.ErrConflict},
		{"conflict of a creation", func(b *store.Batch) { b.Puts = append(b.Puts, put("there", 0, "")) }, store.ErrConflict},
		{"conflict of a delete", func(b *store.Batch) {
			b.Deletes = append(b.Deletes, store.Delete{Collection: "docs", ID: "nowhere", Rev: 1})
		}, store.ErrConflict},
		{"taken claim", func(b *store.Batch) {
			b.Claims = append(b.Claims, store.Claim{Key: "taken", Value: "second", TTL: time.Hour})
		}, store.ErrDuplicate},
		{"lost lease", func(b *store.Batch) { b.Acks = append(b.Acks, lost) }, store.ErrLeaseLost},
		{"item acknowledged twice", func(b *store.Batch) { b.Acks = append(b.Acks, held) }, store.ErrLeaseLost},
	} {
		t.Run(tc.what, func(t *testing.T) {
			batch := full()
			tc.spoil(batch)
			refused(t, b, tc.want, batch)
			absent(t, b, "new")
			equal(t, "untouched document", string(get(t, b, "there").Body), "x")
			equal(t, "document that was not deleted", get(t, b, "old").Rev, 1)
			n, err := b.Count(t.Context(), store.Query{Collection: "docs", Index: "i", Value: "v"})
			must(t, err)
			equal(t, "entries of the index", n, 1)
			s, err := b.QueueStats(t.Context(), "q")
			must(t, err)
			equal(t, "items", s.Ready+s.Leased+s.Delayed, 0)
			s, err = b.QueueStats(t.Context(), "held")
			must(t, err)
			equal(t, "leased items", s.Leased, 1)
			seq, err := b.LastEvent(t.Context())
			must(t, err)
			equal(t, "last event", seq, 1)
			if _, err := b.Blob(t.Context(), "new"); !errors.Is(err, store.ErrNotFound) {
				t.Fatalf("new blob: %v", err)
			}
			_, err = b.Blob(t.Context(), "kept")
			must(t, err)
		})
	}
	commit(t, b, full()) // the claim is still free, the item still held
	equal(t, "revision after the one commit", get(t, b, "there").Rev, 2)
	absent(t, b, "old")
	leaseNone(t, b, "held")
}

// testBatchOrder: within a batch, each part sees what the parts before it did.
func testBatchOrder(t *testing.T, h Harness) {
	b := h.fresh(t)
	x := store.IndexEntry{Index: "i", Value: "x"}
	commit(t, b, &store.Batch{
		Puts:    []store.Put{put("a", 0, "1", x), put("a", 1, "2"), put("gone", 0, "", x)},
		Deletes: []store.Delete{{Collection: "docs", ID: "gone", Rev: 1}},
	})
	equal(t, "revision", get(t, b, "a").Rev, 2)
	absent(t, b, "gone")
	n, err := b.Count(t.Context(), store.Query{Collection: "docs", Index: "i", Value: "x"})
	must(t, err)
	equal(t, "entries", n, 0)

	err = refused(t, b, store.ErrDuplicate, &store.Batch{Claims: []store.Claim{{Key: "k", Value: "1"}, {Key: "k", Value: "2"}}})
	var dup *store.DuplicateError
	if !errors.As(err, &dup) || dup.Value != "1" {
		t.Fatalf("claim of one key twice in a batch: %v", err)
	}
	commit(t, b, &store.Batch{Claims: []store.Claim{{Key: "k", Value: "3"}}})

	// Several things wrong: the lost lease is told first, then the claim.
	gone := store.Item{Queue: "q", ID: "x", Token: "1.1"}
	wrong := &store.Batch{
		Acks: []store.Item{gone}, Claims: []store.Claim{{Key: "k", Value: "4"}}, Puts: []store.Put{put("a", 0, "")},
	}
	refused(t, b, store.ErrLeaseLost, wrong)
	wrong.Acks = nil
	refused(t, b, store.ErrDuplicate, wrong)
	wrong.Claims = nil
	refused(t, b, store.ErrConflict, wrong)
}

func testInvalid(t *testing.T, h Harness) {
	b := h.fresh(t)
	for _, tc := range []struct {
		what  string
		batch store.Batch
		want  error
	}{
		{"no collection", store.Batch{Puts: []store.Put{{ID: "x"}}}, store.ErrInvalid},
		{"no id", store.Batch{Puts: []store.Put{{Collection: "x"}}}, store.ErrInvalid},
		{"NUL in id", store.Batch{Puts: []store.Put{{Collection: "x", ID: "a\x00b"}}}, store.ErrInvalid},
		{"NUL in sort key", store.Batch{Puts: []store.Put{put("x", 0, "", store.IndexEntry{Index: "i", Sort: "\x00"})}}, store.ErrInvalid},
		{"index without name", store.Batch{Puts: []store.Put{put("x", 0, "", store.IndexEntry{Value: "v"})}}, store.ErrInvalid},
		{"negative revision", store.Batch{Puts: []store.Put{put("x", -2, "")}}, store.ErrInvalid},
		{"delete of revision 0", store.Batch{Deletes: []store.Delete{{Collection: "docs", ID: "x"}}}, store.ErrInvalid},
		{"lane too high", store.Batch{Pushes: []store.Push{{Queue: "q", ID: "x", Lane: store.MaxLane + 1}}}, store.ErrInvalid},
		{"lane too low", store.Batch{Pushes: []store.Push{{Queue: "q", ID: "x", Lane: -1}}}, store.ErrInvalid},
		{"push without queue", store.Batch{Pushes: []store.Push{{ID: "x"}}}, store.ErrInvalid},
		{"claim without key", store.Batch{Claims: []store.Claim{{Value: "x"}}}, store.ErrInvalid},
		{"blob without id", store.Batch{Blobs: []store.Blob{{Body: []byte("x")}}}, store.ErrInvalid},
		{"huge document", store.Batch{Puts: []store.Put{{Collection: "x", ID: "x", Body: make([]byte, store.MaxBody+1)}}}, store.ErrTooLarge},
	} {
		t.Run(tc.what, func(t *testing.T) { refused(t, b, tc.want, &tc.batch) })
	}
	for _, r := range []store.LeaseRequest{
		{Holder: "h", Max: 1, TTL: time.Second},
		{Queue: "q", Holder: "h", TTL: time.Second},
		{Queue: "q", Holder: "h", Max: 1},
		{Queue: "q", Max: 1, TTL: time.Second},
	} {
		if _, err := b.Lease(t.Context(), r); !errors.Is(err, store.ErrInvalid) {
			t.Fatalf("lease %+v: %v", r, err)
		}
	}
	if _, err := b.Query(t.Context(), store.Query{Collection: "docs", After: "?"}); err != nil && !errors.Is(err, store.ErrInvalid) {
		t.Fatal(err)
	}
	commit(t, b, puts(put("x", 0, "")))
	if _, err := b.Query(t.Context(), store.Query{Collection: "docs", After: "?"}); !errors.Is(err, store.ErrInvalid) {
		t.Fatalf("made-up cursor: %v", err)
	}
}

type person struct {
	Name, Team string
	Age        int
}

func testCollection(t *testing.T, h Harness) {
	b := h.fresh(t)
	people := store.Collection[person]{Name: "people", Index: func(p *person) []store.IndexEntry {
		return []store.IndexEntry{{Index: "team", Value: p.Team, Sort: p.Name}}
	}}
	batch := &store.Batch{}
	for _, p := range []person{{"Cleo", "red", 3}, {"Ann", "red", 1}, {"Bob", "blue", 2}} {
		must(t, people.Put(batch, store.Doc[person]{ID: strings.ToLower(p.Name), Value: p}))
	}
	commit(t, b, batch)
	ann, err := people.Get(t.Context(), b, "ann")
	must(t, err)
	equal(t, "document", ann, store.Doc[person]{ID: "ann", Rev: 1, Value: person{"Ann", "red", 1}})
	reds, next, err := people.List(t.Context(), b, store.Query{Index: "team", Value: "red", Limit: 1})
	must(t, err)
	equal(t, "first of the reds", reds[0].ID, "ann")
	reds, next, err = people.List(t.Context(), b, store.Query{Index: "team", Value: "red", Limit: 1, After: next})
	must(t, err)
	equal(t, "second of the reds", reds[0].Value.Name, "Cleo")
	equal(t, "cursor after the last", next, "")

	ann.Value.Team = "blue"
	batch = &store.Batch{}
	must(t, people.Put(batch, ann))
	people.Delete(batch, "bob", 1)
	commit(t, b, batch)
	blues, _, err := people.List(t.Context(), b, store.Query{Index: "team", Value: "blue", IDsOnly: true})
	must(t, err)
	equal(t, "blues", len(blues), 1)
	equal(t, "the only blue", blues[0].ID, "ann")
	if _, err := people.Get(t.Context(), b, "bob"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("deleted: %v", err)
	}
	refused(t, b, store.ErrConflict, batch)
}
