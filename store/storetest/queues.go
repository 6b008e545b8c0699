package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/store"
)

func testQueueOrder(t *testing.T, h Harness) {
	b := h.fresh(t)
	before := time.Now().Add(-2 * time.Second)
	commit(t, b, push("q", "a", "b", "c"))
	commit(t, b, push("q", "d"))
	commit(t, b, push("other", "x"))
	commit(t, b, push("q", "a")) // the same id again is another item
	first := leaseOne(t, b, "q", "a")
	equal(t, "queue", first.Queue, "q")
	equal(t, "body", string(first.Body), "body of a")
	equal(t, "deliveries", first.Deliveries, 1)
	equal(t, "lane", first.Lane, 0)
	if first.Pushed.Before(before) || first.Pushed.After(time.Now().Add(2*time.Second)) {
		t.Fatalf("pushed at %v", first.Pushed)
	}
	rest := leaseAll(t, b, "q", 4)
	equal(t, "the rest", ids(rest), "b c d a ")
	tokens := map[string]bool{first.Token: true}
	for _, it := range rest {
		if it.Token == "" || tokens[it.Token] {
			t.Fatalf("token %q of %s is empty or not its own", it.Token, it.ID)
		}
		tokens[it.Token] = true
	}
	leaseNone(t, b, "q")
	ack(t, b, first)
	ack(t, b, rest...)
	leaseNone(t, b, "q")
	leaseOne(t, b, "other", "x")
}

func testQueueLanes(t *testing.T, h Harness) {
	b := h.fresh(t)
	commit(t, b, &store.Batch{Pushes: []store.Push{
		{Queue: "q", ID: "timer", Lane: 3}, {Queue: "q", ID: "hook", Lane: 1}, {Queue: "q", ID: "chat", Lane: 0},
		{Queue: "q", ID: "chat2"}, {Queue: "q", ID: "api", Lane: 2}, {Queue: "q", ID: "hook2", Lane: 1},
	}})
	items := leaseAll(t, b, "q", 6)
	equal(t, "order", ids(items), "chat chat2 hook hook2 api timer ")
	equal(t, "lane of the last", items[5].Lane, 3)
}

// testQueueStarvation: items of high lanes get their turn although lower lanes
// never run dry.
func testQueueStarvation(t *testing.T, h Harness) {
	b := h.fresh(t)
	batch := &store.Batch{}
	for lane := 1; lane <= store.MaxLane; lane++ {
		batch.Pushes = append(batch.Pushes, store.Push{Queue: "q", ID: fmt.Sprint("patient-", lane), Lane: lane})
	}
	commit(t, b, batch)
	batch = &store.Batch{}
	for i := range 60 {
		batch.Pushes = append(batch.Pushes, store.Push{Queue: "q", ID: fmt.Sprint("pushy-", i)})
	}
	commit(t, b, batch)
	waiting := store.MaxLane
	for i := range 50 {
		it := lease(t, b, "q", 1, time.Minute)[0]
		ack(t, b, it)
		if it.Lane == 0 {
			continue
		}
		if i == 0 {
			t.Fatal("a high lane was served first")
		}
		if waiting--; waiting == 0 {
			return
		}
	}
	t.Fatalf("50 hand-outs, and %d of the higher lanes got nothing", waiting)
}

func testQueueGroups(t *testing.T, h Harness) {
	b := h.fresh(t)
	batch := &store.Batch{}
	for _, id := range []string{"a1", "a2", "b1", "a3", "free", "b2"} {
		p := store.Push{Queue: "q", ID: id}
		if id != "free" {
			p.Group = id[:1]
		}
		batch.Pushes = append(batch.Pushes, p)
	}
	commit(t, b, batch)
	commit(t, b, &store.Batch{Pushes: []store.Push{{Queue: "other", ID: "x", Group: "a"}}})
	items := leaseAll(t, b, "q", 3)
	slices.SortFunc(items, func(x, y store.Item) int { return strings.Compare(x.ID, y.ID) })
	equal(t, "first of each group", ids(items), "a1 b1 free ")
	equal(t, "group", items[0].Group, "a")
	equal(t, "group of the free one", items[2].Group, "")
	leaseNone(t, b, "q")
	leaseOne(t, b, "other", "x") // a group belongs to its queue

	// Acknowledging the first lets the next one go; pushing in the same batch
	// goes to the end of the line.
	commit(t, b, &store.Batch{Acks: items[:1], Pushes: []store.Push{{Queue: "q", ID: "a4", Group: "a"}}})
	a2 := leaseOne(t, b, "q", "a2")
	leaseNone(t, b, "q")
	ack(t, b, a2)
	ack(t, b, leaseOne(t, b, "q", "a3"))
	ack(t, b, leaseOne(t, b, "q", "a4"))
	leaseNone(t, b, "q")
	ack(t, b, items[1])
	ack(t, b, leaseOne(t, b, "q", "b2"))

	// A group that ran empty begins anew.
	commit(t, b, &store.Batch{Pushes: []store.Push{{Queue: "q", ID: "a5", Group: "a"}}})
	a5 := leaseOne(t, b, "q", "a5")
	commit(t, b, &store.Batch{Acks: []store.Item{a5}, Pushes: []store.Push{{Queue: "q", ID: "a6", Group: "a"}}})
	leaseOne(t, b, "q", "a6")
}

// testQueueGroupsConcurrently: many consumers, few groups; within a group the
// order holds and never are two of it out at once.
func testQueueGroupsConcurrently(t *testing.T, h Harness) {
	const groups, each = 5, 30
	b := h.fresh(t)
	for i := range each {
		batch := &store.Batch{}
		for g := range groups {
			batch.Pushes = append(batch.Pushes, store.Push{
				Queue: "q", ID: number(i), Group: fmt.Sprint("g", g), Lane: (i + g) % (store.MaxLane + 1),
			})
		}
		commit(t, b, batch)
	}
	var mu sync.Mutex
	out, next := map[string]bool{}, map[string]int{}
	left := groups * each
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			for {
				items, err := b.Lease(ctx, request("q", 3, time.Minute))
				if err != nil {
					if !errors.Is(ctx.Err(), context.Canceled) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				for _, it := range items {
					if out[it.Group] {
						t.Errorf("two items of %s are out", it.Group)
					}
					if it.ID != number(next[it.Group]) {
						t.Errorf("%s: item %s, want %06d", it.Group, it.ID, next[it.Group])
					}
					out[it.Group] = true
					next[it.Group]++
				}
				mu.Unlock()
				for _, it := range items {
					mu.Lock()
					out[it.Group] = false
					mu.Unlock()
					if err := b.Commit(ctx, &store.Batch{Acks: []store.Item{it}}); err != nil {
						t.Error(err)
						return
					}
				}
				mu.Lock()
				if left -= len(items); left == 0 {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	equal(t, "items left", left, 0)
}

func testQueueGroupDelayed(t *testing.T, h Harness) {
	b := h.fresh(t)
	due := time.Now().Add(250 * time.Millisecond)
	commit(t, b, &store.Batch{Pushes: []store.Push{
		{Queue: "q", ID: "first", Group: "g", At: due}, {Queue: "q", ID: "second", Group: "g"},
	}})
	first := leaseOne(t, b, "q", "first")
	notBefore(t, due)
	leaseNone(t, b, "q")
	ack(t, b, first)
	leaseOne(t, b, "q", "second")
}

// notBefore allows for the clock of the store being another machine's.
func notBefore(t testing.TB, due time.Time) {
	t.Helper()
	if early := time.Until(due); early > 2*time.Millisecond {
		t.Fatalf("%v too early", early)
	}
}

func testQueueWakes(t *testing.T, h Harness) {
	b := h.fresh(t)
	leaseNone(t, b, "q") // whatever needs to be set up is set up now
	got := make(chan store.Item)
	go func() {
		for {
			items, err := b.Lease(t.Context(), request("q", 1, time.Minute))
			if err != nil {
				close(got)
				return
			}
			got <- items[0]
		}
	}()
	for i := range 20 {
		commit(t, b, push("q", number(i)))
		select {
		case it := <-got:
			equal(t, "item", it.ID, number(i))
			ack(t, b, it)
		case <-time.After(patience):
			t.Fatal("the waiting consumer was not woken")
		}
	}
}

func testQueueContext(t *testing.T, h Harness) {
	b := h.fresh(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Lease(gone, request("q", 1, time.Minute)); !errors.Is(err, context.Canceled) {
		t.Fatalf("lease with an ended context: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := b.Lease(ctx, request("q", 1, time.Minute))
		result <- err
	}()
	cancel()
	select {
	case err := <-result:
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("lease whose context ended: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("lease did not notice that its context ended")
	}
	commit(t, b, push("q", "x")) // nobody who went away has it
	leaseOne(t, b, "q", "x")
}

func testQueueDelayed(t *testing.T, h Harness) {
	b := h.fresh(t)
	start := time.Now()
	batch := &store.Batch{}
	for i, ms := range []int{300, 150, 450} {
		batch.Pushes = append(batch.Pushes, store.Push{
			Queue: "q", ID: fmt.Sprint(i), At: start.Add(time.Duration(ms) * time.Millisecond),
		})
	}
	batch.Pushes = append(batch.Pushes,
		store.Push{Queue: "q", ID: "past", At: start.Add(-time.Hour)},
		store.Push{Queue: "q", ID: "far", At: start.Add(1000 * time.Hour)})
	commit(t, b, batch)
	s, err := b.QueueStats(t.Context(), "q")
	must(t, err)
	equal(t, "delayed", s.Delayed, 4)
	leaseOne(t, b, "q", "past")
	for _, want := range []struct {
		id string
		ms int
	}{{"1", 150}, {"0", 300}, {"2", 450}} {
		leaseOne(t, b, "q", want.id)
		notBefore(t, start.Add(time.Duration(want.ms)*time.Millisecond))
		if late := time.Since(start) - time.Duration(want.ms)*time.Millisecond; late > 10*time.Second {
			t.Fatalf("%s: %v late", want.id, late)
		}
	}
	leaseNone(t, b, "q")
}

// testQueueDelayedSooner: while a consumer waits for an item that is due later,
// one that is due earlier arrives.
func testQueueDelayedSooner(t *testing.T, h Harness) {
	b := h.fresh(t)
	commit(t, b, &store.Batch{Pushes: []store.Push{{Queue: "q", ID: "later", At: time.Now().Add(time.Hour)}}})
	leaseNone(t, b, "q")
	got := make(chan string, 1)
	go func() {
		items, err := b.Lease(t.Context(), request("q", 1, time.Minute))
		if err != nil {
			got <- err.Error()
			return
		}
		got <- items[0].ID
	}()
	due := time.Now().Add(200 * time.Millisecond)
	commit(t, b, &store.Batch{Pushes: []store.Push{{Queue: "q", ID: "sooner", At: due}}})
	select {
	case id := <-got:
		equal(t, "item", id, "sooner")
		notBefore(t, due)
	case <-time.After(patience):
		t.Fatal("the item that became due was not handed out")
	}
}

func testQueueExpiry(t *testing.T, h Harness) {
	b := h.fresh(t)
	commit(t, b, &store.Batch{Pushes: []store.Push{
		{Queue: "q", ID: "x", Group: "g", Lane: 2, Body: []byte("body")}, {Queue: "q", ID: "behind", Group: "g", Lane: 2},
	}})
	const ttl = 200 * time.Millisecond
	start := time.Now()
	first := lease(t, b, "q", 1, ttl)[0]
	second := lease(t, b, "q", 1, ttl)[0] // waits for the end of the first lease
	if took := time.Since(start); took < ttl-5*time.Millisecond {
		t.Fatalf("leased again after %v", took)
	}
	equal(t, "id", second.ID, "x")
	equal(t, "body", string(second.Body), "body")
	equal(t, "lane", second.Lane, 2)
	equal(t, "group", second.Group, "g")
	equal(t, "deliveries", second.Deliveries, 2)
	equal(t, "pushed", second.Pushed, first.Pushed)
	if second.Token == first.Token {
		t.Fatal("both leases have one token")
	}
	third := lease(t, b, "q", 1, time.Minute)[0]
	equal(t, "deliveries", third.Deliveries, 3)
	refused(t, b, store.ErrLeaseLost, &store.Batch{Acks: []store.Item{first}})
	refused(t, b, store.ErrLeaseLost, &store.Batch{Acks: []store.Item{second}})
	ack(t, b, third)
	refused(t, b, store.ErrLeaseLost, &store.Batch{Acks: []store.Item{third}})
	leaseOne(t, b, "q", "behind")
}

func testQueueExtend(t *testing.T, h Harness) {
	b := h.fresh(t)
	commit(t, b, push("q", "kept", "lost"))
	const ttl = 250 * time.Millisecond
	items := lease(t, b, "q", 2, ttl)
	if len(items) < 2 {
		items = append(items, lease(t, b, "q", 1, ttl)...)
	}
	lost, err := b.Extend(t.Context(), items[:1], time.Minute)
	must(t, err)
	equal(t, "lost", len(lost), 0)
	again := leaseOne(t, b, "q", "lost") // once its lease is over
	leaseNone(t, b, "q")

	lost, err = b.Extend(t.Context(), []store.Item{items[1], items[0], {Queue: "q", ID: "x", Token: "?"}}, time.Minute)
	must(t, err)
	equal(t, "lost", ids(lost), "lost x ")
	ack(t, b, again)
	lost, err = b.Extend(t.Context(), []store.Item{again}, time.Minute)
	must(t, err)
	equal(t, "extending what is done", ids(lost), "lost ")
	ack(t, b, items[0])
}

func testQueueRelease(t *testing.T, h Harness) {
	b := h.fresh(t)
	commit(t, b, push("q", "x"))
	it := leaseOne(t, b, "q", "x")
	must(t, b.Release(t.Context(), it, 0, false))
	if err := b.Release(t.Context(), it, 0, false); !errors.Is(err, store.ErrLeaseLost) {
		t.Fatalf("released twice: %v", err)
	}
	refused(t, b, store.ErrLeaseLost, &store.Batch{Acks: []store.Item{it}})

	it = leaseOne(t, b, "q", "x")
	equal(t, "deliveries after a release", it.Deliveries, 2)
	must(t, b.Release(t.Context(), it, 0, true))
	it = leaseOne(t, b, "q", "x")
	equal(t, "deliveries after one that was undone", it.Deliveries, 2)

	due := time.Now().Add(250 * time.Millisecond)
	must(t, b.Release(t.Context(), it, 250*time.Millisecond, false))
	s, err := b.QueueStats(t.Context(), "q")
	must(t, err)
	equal(t, "delayed", s.Delayed, 1)
	equal(t, "leased", s.Leased, 0)
	it = leaseOne(t, b, "q", "x")
	notBefore(t, due)
	equal(t, "deliveries after the delay", it.Deliveries, 3)
	equal(t, "body after the delay", string(it.Body), "body of x")
	ack(t, b, it)
	leaseNone(t, b, "q")
}

// testQueueReleaseGroup: what is handed back stays first of its group.
func testQueueReleaseGroup(t *testing.T, h Harness) {
	b := h.fresh(t)
	commit(t, b, &store.Batch{Pushes: []store.Push{{Queue: "q", ID: "1", Group: "g"}, {Queue: "q", ID: "2", Group: "g"}}})
	one := leaseOne(t, b, "q", "1")
	must(t, b.Release(t.Context(), one, 0, true))
	one = leaseOne(t, b, "q", "1")
	due := time.Now().Add(200 * time.Millisecond)
	must(t, b.Release(t.Context(), one, 200*time.Millisecond, false))
	one = leaseOne(t, b, "q", "1")
	notBefore(t, due)
	leaseNone(t, b, "q")
	ack(t, b, one)
	leaseOne(t, b, "q", "2")
}

func testQueueAckLost(t *testing.T, h Harness) {
	b := h.fresh(t)
	commit(t, b, push("q", "x", "y"))
	x := leaseOne(t, b, "q", "x")
	for _, wrong := range []store.Item{
		{Queue: "q", ID: "x"},
		{Queue: "q", ID: "x", Token: "nonsense"},
		{Queue: "q", ID: "x", Token: x.Token + "0"},
		{Queue: "other", ID: "x", Token: x.Token},
	} {
		refused(t, b, store.ErrLeaseLost, &store.Batch{Acks: []store.Item{wrong}})
		lost, err := b.Extend(t.Context(), []store.Item{wrong}, time.Minute)
		must(t, err)
		equal(t, "lost", len(lost), 1)
	}
	ack(t, b, x)
	leaseOne(t, b, "q", "y")
}

func testQueueStats(t *testing.T, h Harness) {
	b := h.fresh(t)
	s, err := b.QueueStats(t.Context(), "q")
	must(t, err)
	equal(t, "an unknown queue", s, store.QueueStats{})
	start := time.Now()
	commit(t, b, &store.Batch{Pushes: []store.Push{
		{Queue: "q", ID: "1"}, {Queue: "q", ID: "2", Lane: 3}, {Queue: "q", ID: "3", Group: "g"},
		{Queue: "q", ID: "4", Group: "g"}, {Queue: "q", ID: "5", At: start.Add(time.Hour)},
	}})
	check := func(what string, ready, leased, delayed int) {
		t.Helper()
		s, err := b.QueueStats(t.Context(), "q")
		must(t, err)
		oldest := s.Oldest
		s.Oldest = time.Time{}
		equal(t, what, s, store.QueueStats{Ready: ready, Leased: leased, Delayed: delayed})
		if oldest.IsZero() != (ready == 0) && what != "only one behind another" {
			t.Fatalf("%s: oldest is %v", what, oldest)
		}
		if !oldest.IsZero() && (oldest.Before(start.Add(-2*time.Second)) || oldest.After(time.Now().Add(2*time.Second))) {
			t.Fatalf("%s: oldest is %v", what, oldest)
		}
	}
	check("pushed", 4, 0, 1)
	items := leaseAll(t, b, "q", 3)
	check("only one behind another", 1, 3, 1)
	for _, it := range items {
		if it.Group == "g" {
			ack(t, b, it)
		}
	}
	check("one acknowledged", 1, 2, 1)
	ack(t, b, leaseOne(t, b, "q", "4"))
	for _, it := range items {
		if it.Group == "" {
			ack(t, b, it)
		}
	}
	check("all acknowledged", 0, 0, 1)
}

// testQueueCompeting: many consumers, each item goes to exactly one.
func testQueueCompeting(t *testing.T, h Harness) {
	const total, consumers = 600, 16
	b := h.fresh(t)
	var mu sync.Mutex
	seen := map[string]int{}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	var wg sync.WaitGroup
	for c := range consumers {
		wg.Go(func() {
			for {
				r := request("q", 1+c%4, time.Minute)
				r.Holder = fmt.Sprint("consumer-", c)
				items, err := b.Lease(ctx, r)
				if err != nil {
					if !errors.Is(ctx.Err(), context.Canceled) {
						t.Error(err)
					}
					return
				}
				if err := b.Commit(t.Context(), &store.Batch{Acks: items, Puts: puts(put(items[0].ID, 0, "done")).Puts}); err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, it := range items {
					seen[it.ID]++
				}
				if len(seen) == total {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	for p := range 4 {
		wg.Go(func() {
			for i := p; i < total; i += 4 {
				if err := b.Commit(t.Context(), push("q", number(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	equal(t, "items seen", len(seen), total)
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was handed out %d times", id, n)
		}
	}
	s, err := b.QueueStats(t.Context(), "q")
	must(t, err)
	equal(t, "left", s.Ready+s.Leased+s.Delayed, 0)
}

// testQueueManyEmpty: consumers wait on many queues at once, and each push finds
// the right one.
func testQueueManyEmpty(t *testing.T, h Harness) {
	const queues = 40
	b := h.fresh(t)
	got := make(chan string, queues)
	var wg sync.WaitGroup
	for i := range queues {
		wg.Go(func() {
			items, err := b.Lease(t.Context(), request(fmt.Sprint("q", i), 1, time.Minute))
			if err != nil {
				got <- err.Error()
				return
			}
			got <- items[0].Queue + " " + items[0].ID
		})
	}
	want := map[string]bool{}
	for i := range queues {
		q := fmt.Sprint("q", i)
		commit(t, b, push(q, "for-"+q))
		want[q+" for-"+q] = true
	}
	for range queues {
		select {
		case s := <-got:
			if !want[s] {
				t.Errorf("got %q", s)
			}
			delete(want, s)
		case <-time.After(patience):
			t.Fatalf("not handed out: %v", want)
		}
	}
	wg.Wait()
}

// testQueueBodies: bodies of any size come back as they went in, also when the
// item waited for its time, for its group, or was handed back.
func testQueueBodies(t *testing.T, h Harness) {
	b := h.fresh(t)
	bodies := map[string][]byte{"none": nil, "small": []byte("\x00\xff"), "medium": random(3000), "large": random(200_000)}
	due := time.Now().Add(50 * time.Millisecond)
	total := 0
	for id, body := range bodies {
		commit(t, b, &store.Batch{Pushes: []store.Push{
			{Queue: "q", ID: id, Body: body}, {Queue: "q", ID: id, Body: body, At: due},
			{Queue: "q", ID: id, Body: body, Group: "g" + id}, {Queue: "q", ID: id, Body: body, Group: "g" + id},
		}})
		total += 4
	}
	for range total {
		for _, undo := range []bool{true, false} {
			it := lease(t, b, "q", 1, time.Minute)[0]
			if string(it.Body) != string(bodies[it.ID]) {
				t.Fatalf("%s: a body of %d bytes became %d", it.ID, len(bodies[it.ID]), len(it.Body))
			}
			if undo {
				must(t, b.Release(t.Context(), it, 0, true))
			} else {
				ack(t, b, it)
			}
		}
	}
	leaseNone(t, b, "q")
}
