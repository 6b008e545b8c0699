package sqlite

import (
	"bytes"
	"slices"
	"testing"

	"petrel/store"
)

// FuzzFilings: what is encoded comes back; anything else is an error or harmless,
// never a panic.
func FuzzFilings(f *testing.F) {
	f.Add(int64(1), "value", "sort", int64(300), "", "é", []byte{1, 5, 'a'})
	f.Fuzz(func(t *testing.T, i int64, v, s string, i2 int64, v2, s2 string, raw []byte) {
		list := []filing{{i & 0xffffff, v, s}, {i2 & 0xffffff, v2, s2}}
		back, err := decodeFilings(encodeFilings(list))
		if err != nil || !slices.Equal(back, list) {
			t.Fatalf("%v came back as %v, %v", list, back, err)
		}
		if got, err := decodeFilings(raw); err == nil && len(raw) > 0 && len(got) == 0 {
			t.Fatalf("%x is nothing", raw)
		}
	})
}

func TestFileUnder(t *testing.T) {
	names := map[string]int64{indexName("c", "a"): 7, indexName("c", "b"): 3}
	p := &store.Put{Collection: "c", Index: []store.IndexEntry{{Index: "a", Value: "v"}, {Index: "b", Value: "w", Sort: "2"}, {Index: "b", Value: "w", Sort: "1"}, {Index: "a", Value: "v"}}}
	got := fileUnder(names, p)
	if want := []filing{{3, "w", "1"}, {3, "w", "2"}, {7, "v", ""}}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	reversed := *p
	reversed.Index = slices.Clone(p.Index)
	slices.Reverse(reversed.Index)
	if !bytes.Equal(encodeFilings(got), encodeFilings(fileUnder(names, &reversed))) {
		t.Fatal("the order in which entries are given matters")
	}
}

// TestSync: a batch waits for the disk unless it is told not to; what only records
// a delivery does not.
func TestSync(t *testing.T) {
	for synchronous, want := range map[string]int{"full": 2, "normal": 1} {
		b := open(t, t.TempDir()+"/store.db", Options{Synchronous: synchronous})
		level := func() (n int) {
			t.Helper()
			if err := b.w.conn.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		commit(t, b, &store.Batch{Pushes: []store.Push{{Queue: "q", ID: "x"}}})
		if got := level(); got != want {
			t.Errorf("%s: a batch is committed at level %d, want %d", synchronous, got, want)
		}
		it := take(t, b, 1e9)
		if got := level(); got != 1 {
			t.Errorf("%s: a delivery is recorded at level %d, want 1", synchronous, got)
		}
		commit(t, b, &store.Batch{Acks: []store.Item{it}})
		if got := level(); got != want {
			t.Errorf("%s: the next batch is committed at level %d, want %d", synchronous, got, want)
		}
	}
}
