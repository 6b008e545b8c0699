package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/store"
)

// noise does not compress.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

// pages bounds the size of the file, as a full disk does; 0 lifts the bound.
// SQLite itself refuses to grow then, at whichever statement needs the page.
func pages(t *testing.T, b *Backend, room int) {
	t.Helper()
	limit := 1 << 30
	if room >= 0 {
		if err := b.db.QueryRow("PRAGMA page_count").Scan(&limit); err != nil {
			t.Fatal(err)
		}
		limit += room
	}
	var set int
	if err := b.w.conn.QueryRowContext(t.Context(), fmt.Sprint("PRAGMA max_page_count=", limit)).Scan(&set); err != nil {
		t.Fatal(err)
	}
}

// TestFull fills the file up at every possible place in a batch. What was
// refused left no trace, what is leased stays leased, and with room all goes on.
func TestFull(t *testing.T) {
	var log bytes.Buffer
	path := filepath.Join(t.TempDir(), "store.db")
	b := open(t, path, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	commit(t, b, &store.Batch{Pushes: []store.Push{{Queue: "q", ID: "held", Group: "g"}, {Queue: "q", ID: "next", Group: "g"}}})
	held := take(t, b, time.Hour)
	batch := func(n int) *store.Batch {
		id := fmt.Sprint(n)
		return &store.Batch{
			Acks: []store.Item{held},
			Puts: []store.Put{{Collection: "docs", ID: id, Body: noise(9000), Index: []store.IndexEntry{
				{Index: "i", Value: strings.Repeat("v", 3000)}, {Index: fmt.Sprint("new-", n), Value: "v"},
			}}},
			Pushes: []store.Push{{Queue: "q", ID: id, Body: noise(9000)}, {Queue: "q", ID: id, Group: "g"}},
			Claims: []store.Claim{{Key: strings.Repeat(id, 3000), Value: "v", TTL: time.Hour}},
			Blobs:  []store.Blob{{ID: id, Body: noise(20_000)}},
			Events: []store.Event{{Type: "t", Body: noise(9000)}},
		}
	}
	refused := 0
	for room := 0; ; room++ {
		pages(t, b, room)
		err := b.Commit(t.Context(), batch(room))
		if err == nil {
			break
		}
		if !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("with room for %d pages: %v", room, err)
		}
		refused++
		if _, err := b.Get(t.Context(), "docs", fmt.Sprint(room)); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("with room for %d pages: document: %v", room, err)
		}
		s, err := b.QueueStats(t.Context(), "q")
		if err != nil || s.Leased != 1 || s.Ready != 1 || s.Delayed != 0 {
			t.Fatalf("with room for %d pages: %+v, %v", room, s, err)
		}
		if last, _ := b.LastEvent(t.Context()); last != 0 {
			t.Fatalf("with room for %d pages: event %d", room, last)
		}
		if lost, err := b.Extend(t.Context(), []store.Item{held}, time.Hour); err != nil || len(lost) > 0 {
			t.Fatalf("with room for %d pages: the lease is lost: %v", room, err)
		}
	}
	pages(t, b, -1)
	if refused < 10 {
		t.Fatalf("only %d places to run out of room at", refused)
	}
	t.Logf("%d refusals, then accepted", refused)
	if it := take(t, b, time.Hour); it.ID != "next" {
		t.Fatalf("leased %s", it.ID)
	}
	commit(t, b, &store.Batch{Events: []store.Event{{Type: "t"}}})
	for _, want := range []string{"store refuses writes", "store accepts writes again"} {
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%d lines %q in the log, want one:\n%s", n, want, log.String())
		}
	}
	expectSound(t, path)
}

// TestFullWhileLeasing: no room to record a delivery. The consumer is told, and
// the item is neither lost nor counted.
func TestFullWhileLeasing(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "store.db"), Options{})
	commit(t, b, &store.Batch{Pushes: []store.Push{{Queue: "q", ID: "x"}}})
	readOnly(t, b, true)
	_, err := b.Lease(t.Context(), store.LeaseRequest{Queue: "q", Holder: "h", Max: 1, TTL: time.Hour})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("lease: %v", err)
	}
	if s, _ := b.QueueStats(t.Context(), "q"); s.Ready != 1 {
		t.Fatalf("%+v", s)
	}
	readOnly(t, b, false)
	it := take(t, b, time.Hour)
	if it.Deliveries != 1 {
		t.Fatalf("%d deliveries", it.Deliveries)
	}
	readOnly(t, b, true)
	if err := b.Release(t.Context(), it, 0, false); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("release: %v", err)
	}
	readOnly(t, b, false)
	commit(t, b, &store.Batch{Acks: []store.Item{it}}) // it is still held
}

func readOnly(t *testing.T, b *Backend, on bool) {
	t.Helper()
	if _, err := b.w.conn.ExecContext(t.Context(), fmt.Sprintf("PRAGMA query_only=%v", on)); err != nil {
		t.Fatal(err)
	}
}

// TestFullUnderLoad: many writers, while the room comes and goes. Whoever is
// refused tries again; in the end everything is there once.
func TestFullUnderLoad(t *testing.T) {
	const writers, each = 16, 30
	path := filepath.Join(t.TempDir(), "store.db")
	b := open(t, path, Options{Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			for _, room := range []int{rand.IntN(30), -1} {
				pages(t, b, room)
				select {
				case <-ctx.Done():
					pages(t, b, -1)
					return
				case <-time.After(3 * time.Millisecond):
				}
			}
		}
	})
	var mu sync.Mutex
	refusals, done := 0, 0
	again := func(err error) bool {
		if err == nil {
			return false
		}
		if !errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
			return false
		}
		mu.Lock()
		refusals++
		mu.Unlock()
		return true
	}
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				for again(b.Commit(t.Context(), &store.Batch{
					Puts:   []store.Put{{Collection: "made", ID: id, Body: noise(2000)}},
					Pushes: []store.Push{{Queue: "q", ID: id, Group: fmt.Sprint("g", w%5)}},
				})) {
				}
			}
		})
		wg.Go(func() {
			for {
				items, err := b.Lease(ctx, store.LeaseRequest{Queue: "q", Holder: "h", Max: 2, TTL: time.Hour})
				if errors.Is(err, context.Canceled) {
					return
				}
				again(err)
				for _, it := range items {
					for again(b.Commit(t.Context(), &store.Batch{
						Acks: []store.Item{it}, Puts: []store.Put{{Collection: "done", ID: it.ID}},
					})) {
					}
				}
				mu.Lock()
				if done += len(items); done == writers*each {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	n, err := b.Count(t.Context(), store.Query{Collection: "done"})
	if err != nil || n != writers*each {
		t.Fatalf("%d done of %d, %v", n, writers*each, err)
	}
	t.Logf("%d refusals on the way", refusals)
	expectSound(t, path)
}

func expectSound(t *testing.T, path string) Report {
	t.Helper()
	r, err := Check(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Problems) > 0 {
		t.Fatalf("%s: %v", path, r.Problems)
	}
	return r
}

// TestForeignFiles: what Open must not touch.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	make := func(name, script string) string {
		path := filepath.Join(dir, name)
		db, err := sql.Open("sqlite", dsn(path, nil))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(script); err != nil {
			t.Fatal(err)
		}
		return path
	}
	newer := filepath.Join(dir, "newer")
	b := open(t, newer, Options{})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	make("newer", fmt.Sprint("PRAGMA user_version=", len(migrations)+1))
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("not a database\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		path string
		want error
		says string
	}{
		{newer, store.ErrNewer, "schema version 2, this program knows up to 1"},
		{make("foreign", "CREATE TABLE t (x)"), store.ErrInvalid, "another program"},
		{text, store.ErrUnavailable, "not a database"},
		{dir, store.ErrUnavailable, dir},
		{filepath.Join(text, "below"), store.ErrUnavailable, "not a directory"},
	} {
		_, err := Open(t.Context(), tc.path, Options{})
		if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("open %s: %v, want %v with %q", filepath.Base(tc.path), err, tc.want, tc.says)
		}
	}
	if _, err := Open(t.Context(), filepath.Join(dir, "x"), Options{Synchronous: "of"}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("unknown option: %v", err)
	}
}

// TestBackup copies a store that is being written to.
func TestBackup(t *testing.T) {
	dir := t.TempDir()
	path, dest := filepath.Join(dir, "store.db"), filepath.Join(dir, "copy.db")
	b := open(t, path, Options{})
	fill := func(from int) {
		for i := range 20 {
			id := fmt.Sprint(from + i)
			commit(t, b, &store.Batch{
				Puts:   []store.Put{{Collection: "a", ID: id, Body: noise(500), Index: []store.IndexEntry{{Index: "i", Value: "v"}}}},
				Pushes: []store.Push{{Queue: "q", ID: id}}, Events: []store.Event{{Type: "t"}},
			})
		}
	}
	fill(0)
	held := take(t, b, time.Hour)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 1000; ; n += 20 {
			select {
			case <-stop:
				return
			default:
				fill(n)
			}
		}
	}()
	err := Backup(t.Context(), path, dest)
	close(stop)
	<-stopped
	if err != nil {
		t.Fatal(err)
	}
	if err := Backup(t.Context(), path, dest); !errors.Is(err, os.ErrExist) {
		t.Fatalf("over an existing file: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.part*")); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
	r := expectSound(t, dest)
	if r.Documents < 20 || r.Documents != r.Items || r.Documents != r.Filings || r.Documents != r.Events || r.Bytes == 0 || r.Schema != len(migrations) {
		t.Fatalf("the copy is not of one moment: %+v", r)
	}
	copied := open(t, dest, Options{})
	it := take(t, copied, time.Hour)
	if it.ID != held.ID || it.Deliveries != 2 {
		t.Fatalf("first item of the copy: %+v", it)
	}
	if err := Backup(t.Context(), filepath.Join(dir, "nothing"), filepath.Join(dir, "x")); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("of nothing: %v", err)
	}
	expectSound(t, path)
}

// TestCheckFinds damages a store in ways that Check must tell.
func TestCheckFinds(t *testing.T) {
	for what, script := range map[string]string{
		"missing in index":   "DELETE FROM filings WHERE id='2'",
		"too many":           "INSERT INTO filings VALUES (2, 'v', 's', 'nobody')",
		"entries is damaged": "UPDATE docs SET filed=x'0105' WHERE id='1'",
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			b := open(t, path, Options{})
			for i := range 3 {
				commit(t, b, &store.Batch{Puts: []store.Put{{Collection: "a", ID: fmt.Sprint(i), Index: []store.IndexEntry{{Index: "i", Value: "v"}}}}})
			}
			expectSound(t, path)
			if _, err := b.w.conn.ExecContext(t.Context(), script); err != nil {
				t.Fatal(err)
			}
			r, err := Check(t.Context(), path)
			if err != nil || !strings.Contains(strings.Join(r.Problems, "\n"), what) {
				t.Fatalf("problems %q, %v; want %q", r.Problems, err, what)
			}
		})
	}
}

// TestLogIsBounded writes a lot while readers never rest and one of them holds on
// to its moment for long. Once that one is gone the log is short again.
func TestLogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	b := open(t, path, Options{Synchronous: "normal"})
	commit(t, b, &store.Batch{Puts: []store.Put{{Collection: "a", ID: "x", Body: noise(100_000)}}})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				_, err := b.Get(ctx, "a", "x")
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	body := noise(1 << 20)
	write := func(mib int) int64 {
		for range mib {
			for i := range body {
				body[i]++ // SQLite does not write what has not changed
			}
			commit(t, b, &store.Batch{Puts: []store.Put{{Collection: "a", ID: "big", Rev: store.AnyRev, Body: body}}})
		}
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	long, err := b.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := long.QueryRow("SELECT count(*) FROM docs").Scan(&n); err != nil {
		t.Fatal(err)
	}
	held := write(100)
	if err := long.Rollback(); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 2*time.Second; { // boundLog tries again after a second
		write(1)
	}
	free := write(10)
	cancel()
	wg.Wait()
	t.Logf("log: %d MiB while a reader held it, %d MiB afterwards", held>>20, free>>20)
	if held < 100<<20 || free > maxLog+(16<<20) {
		t.Fatalf("the log grew to %d bytes, then %d", held, free)
	}
}
