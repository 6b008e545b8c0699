package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"petrel/store"
)

func query(t testing.TB, b store.Backend, q store.Query) (list string, next string) {
	t.Helper()
	q.Collection = "docs"
	page, err := b.Query(t.Context(), q)
	must(t, err)
	names := make([]string, 0, len(page.Records))
	for _, r := range page.Records {
		names = append(names, r.ID)
		if q.IDsOnly != (len(r.Body) == 0) {
			t.Fatalf("%s: IDsOnly %v, but a body of %d bytes", r.ID, q.IDsOnly, len(r.Body))
		}
		if r.Rev < 1 {
			t.Fatalf("%s: revision %d", r.ID, r.Rev)
		}
	}
	return strings.Join(names, " "), page.Next
}

func testQueryOrder(t *testing.T, h Harness) {
	b := h.fresh(t)
	by := func(value, sort string) store.IndexEntry {
		return store.IndexEntry{Index: "i", Value: value, Sort: sort}
	}
	commit(t, b, puts(
		put("d", 0, "x", by("v", "1")),
		put("c", 0, "x", by("v", "1")),
		put("b", 0, "x", by("v", "")),
		put("a", 0, "x", by("v", "é")),
		put("e", 0, "x", by("v", "z"), by("w", "0"), store.IndexEntry{Index: "j", Value: "v"}),
		put("f", 0, "x", by("v", "10"), by("v", "10")),
		put("g", 0, "x", by("", "sort of the empty value")),
		put("h", 0, "x", by("v\xff", "0"), by("v!", "0")),
		put("i", 0, "x"),
	))
	for _, tc := range []struct {
		q    store.Query
		want string
	}{
		{store.Query{Index: "i", Value: "v"}, "b c d f e a"}, // bytewise: "" < "1" < "10" < "z" < "é"
		{store.Query{Index: "i", Value: "v", Desc: true}, "a e f d c b"},
		{store.Query{Index: "i", Value: "v", IDsOnly: true}, "b c d f e a"},
		{store.Query{Index: "i", Value: "w"}, "e"},
		{store.Query{Index: "i", Value: ""}, "g"},
		{store.Query{Index: "i", Value: "v\xff"}, "h"},
		{store.Query{Index: "j", Value: "v"}, "e"},
		{store.Query{Index: "i", Value: "nobody"}, ""},
		{store.Query{Index: "nothing", Value: "v"}, ""},
		{store.Query{}, "a b c d e f g h i"},
		{store.Query{Desc: true}, "i h g f e d c b a"},
	} {
		got, next := query(t, b, tc.q)
		equal(t, fmt.Sprintf("%+v", tc.q), got, tc.want)
		equal(t, "cursor", next, "")
		tc.q.Collection = "docs"
		n, err := b.Count(t.Context(), tc.q)
		must(t, err)
		equal(t, fmt.Sprintf("count of %+v", tc.q), n, len(strings.Fields(tc.want)))
	}
	page, err := b.Query(t.Context(), store.Query{Collection: "unheard of"})
	must(t, err)
	equal(t, "documents of an unknown collection", len(page.Records), 0)
}

func testQueryPages(t *testing.T, h Harness) {
	b := h.fresh(t)
	batch := &store.Batch{}
	var want []string
	for i := range 257 {
		want = append(want, number(i))
		// Ten documents share a sort key, so that pages break within one.
		batch.Puts = append(batch.Puts, put(number(i), 0, "x", store.IndexEntry{Index: "i", Value: "v", Sort: number(i / 10)}))
	}
	commit(t, b, batch)
	for _, base := range []store.Query{{}, {Index: "i", Value: "v"}} {
		for _, desc := range []bool{false, true} {
			for _, limit := range []int{0, 1, 7, 256, 257, 300} {
				q := base
				q.Desc, q.Limit = desc, limit
				var got []string
				for pages := 0; ; pages++ {
					list, next := query(t, b, q)
					got = append(got, strings.Fields(list)...)
					if limit == 0 && pages == 0 {
						equal(t, "default page", len(got), 100)
					}
					if next == "" {
						break
					}
					if len(strings.Fields(list)) == 0 {
						t.Fatal("an empty page that is not the last")
					}
					q.After = next
				}
				if desc {
					slices.Reverse(got)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("index %q, desc %v, limit %d: got %d documents %v", q.Index, desc, limit, len(got), got)
				}
			}
		}
	}
}

func testQueryRange(t *testing.T, h Harness) {
	b := h.fresh(t)
	batch := &store.Batch{}
	for _, id := range strings.Split("abcdefgh", "") {
		batch.Puts = append(batch.Puts, put(id, 0, "x", store.IndexEntry{Index: "i", Value: "v", Sort: "s" + id}))
	}
	commit(t, b, batch)
	for _, tc := range []struct {
		from, to string
		desc     bool
		want     string
	}{
		{"c", "", false, "c d e f g h"},
		{"", "c", false, "a b"},
		{"c", "f", false, "c d e"},
		{"c", "f", true, "e d c"},
		{"bb", "cc", false, "c"},
		{"f", "c", false, ""},
		{"x", "", false, ""},
	} {
		for _, index := range []string{"", "i"} {
			q := store.Query{From: tc.from, To: tc.to, Desc: tc.desc}
			if index != "" {
				q.Index, q.Value = index, "v"
				if q.From != "" {
					q.From = "s" + q.From
				}
				if q.To != "" {
					q.To = "s" + q.To
				}
			}
			what := fmt.Sprintf("index %q from %q to %q desc %v", index, tc.from, tc.to, tc.desc)
			got, _ := query(t, b, q)
			equal(t, what, got, tc.want)
			q.Collection = "docs"
			n, err := b.Count(t.Context(), q)
			must(t, err)
			equal(t, "count, "+what, n, len(strings.Fields(tc.want)))

			q.Limit = 2
			var paged []string
			for {
				list, next := query(t, b, q)
				paged = append(paged, strings.Fields(list)...)
				if next == "" {
					break
				}
				q.After = next
			}
			equal(t, "paged, "+what, strings.Join(paged, " "), tc.want)
		}
	}
}

func testQueryRefile(t *testing.T, h Harness) {
	b := h.fresh(t)
	by := func(value, sort string) store.IndexEntry {
		return store.IndexEntry{Index: "i", Value: value, Sort: sort}
	}
	list := func(value string) string {
		s, _ := query(t, b, store.Query{Index: "i", Value: value})
		return s
	}
	commit(t, b, puts(put("a", 0, "x", by("1", "s"), by("2", "s")), put("b", 0, "x", by("1", "t"))))
	equal(t, "value 1", list("1"), "a b")
	commit(t, b, puts(put("a", 1, "x", by("2", "s"), by("3", "s"))))
	equal(t, "value 1 after the change", list("1"), "b")
	equal(t, "value 2 after the change", list("2"), "a")
	equal(t, "value 3 after the change", list("3"), "a")
	commit(t, b, puts(put("b", 1, "x", by("1", "a"), by("2", "t"))))
	equal(t, "value 2 with both", list("2"), "a b")
	commit(t, b, puts(put("a", store.AnyRev, "x")))
	equal(t, "value 2 after unfiling", list("2"), "b")
	equal(t, "value 3 after unfiling", list("3"), "")
	commit(t, b, &store.Batch{Deletes: []store.Delete{{Collection: "docs", ID: "b", Rev: 2}}})
	equal(t, "value 1 after the deletion", list("1"), "")
	equal(t, "value 2 after the deletion", list("2"), "")
	all, _ := query(t, b, store.Query{})
	equal(t, "all", all, "a")
}

// testQueryPagesWhileWriting: a document that does not change is on exactly one
// page, whatever comes and goes around it.
func testQueryPagesWhileWriting(t *testing.T, h Harness) {
	b := h.fresh(t)
	stay := func(i int) string { return number(2*i) + "-stays" }
	batch := &store.Batch{}
	for i := range 100 {
		batch.Puts = append(batch.Puts, put(stay(i), 0, "x", store.IndexEntry{Index: "i", Value: "v", Sort: stay(i)}))
	}
	commit(t, b, batch)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := w; ; n += 4 {
				select {
				case <-stop:
					return
				default:
				}
				id := number(2*(n*37%100)+1) + fmt.Sprint("-goes-", w)
				e := store.IndexEntry{Index: "i", Value: "v", Sort: id}
				err := b.Commit(t.Context(), puts(put(id, store.AnyRev, "x", e)))
				if err == nil && n%2 == 0 {
					err = b.Commit(t.Context(), &store.Batch{Deletes: []store.Delete{{Collection: "docs", ID: id, Rev: store.AnyRev}}})
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 30 {
		seen := 0
		for q := (store.Query{Index: "i", Value: "v", Limit: 9}); ; {
			list, next := query(t, b, q)
			for _, id := range strings.Fields(list) {
				if strings.HasSuffix(id, "-stays") {
					equal(t, "next of those that stay", id, stay(seen))
					seen++
				}
			}
			if next == "" {
				break
			}
			q.After = next
		}
		equal(t, "documents that stay", seen, 100)
	}
	close(stop)
	wg.Wait()
}
