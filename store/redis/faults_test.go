//go:build unix

package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"petrel/store"
	"petrel/store/redis/redistest"
)

func open(t testing.TB, url string, o Options) *Backend {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	b, err := Open(t.Context(), url, o)
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
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	items, err := b.Lease(ctx, store.LeaseRequest{Queue: "q", Holder: "h", Max: 1, TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return items[0]
}

func proxyURL(p *redistest.Proxy) string {
	return fmt.Sprintf("redis://%s/0?prefix=%s", p.Address(), place())
}

// campaign has many writers and consumers work through a store while something
// happens to it. Whoever is refused tries the same batch again. In the end each
// batch must be there whole and its item worked on once.
func campaign(t *testing.T, b *Backend, batches int, weather func(ctx context.Context)) {
	t.Helper()
	const writers = 8
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var refusals, done atomic.Int64
	try := func(batch *store.Batch) error {
		for {
			err := b.Commit(ctx, batch)
			if !errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil {
				return err
			}
			refusals.Add(1)
			time.Sleep(5 * time.Millisecond) // as the program does: not in a tight loop
		}
	}
	var wg sync.WaitGroup
	storm, calm := context.WithCancel(ctx)
	wg.Go(func() { weather(storm) })
	for w := range writers {
		wg.Go(func() {
			for i := range batches / writers {
				id := fmt.Sprintf("%d-%d", w, i)
				batch := &store.Batch{
					Puts: []store.Put{
						{Collection: "made", ID: id, Body: []byte(id), Index: []store.IndexEntry{{Index: "i", Value: "v", Sort: id}}},
						{Collection: "more", ID: id},
					},
					Pushes: []store.Push{{Queue: "q", ID: id}},
					Events: []store.Event{{Type: "made", Key: id}},
					Claims: []store.Claim{{Key: id, Value: id}},
				}
				if i%3 == 0 {
					batch.Pushes[0].Group = fmt.Sprint("g", w)
				}
				if err := try(batch); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
		})
		wg.Go(func() {
			for done.Load() < int64(batches) {
				short, over := context.WithTimeout(ctx, 500*time.Millisecond)
				items, err := b.Lease(short, store.LeaseRequest{Queue: "q", Holder: fmt.Sprint("h", w), Max: 4, TTL: 2 * time.Second})
				over()
				if err != nil {
					if ctx.Err() != nil {
						return
					}
					if !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("lease: %v", err)
					}
					continue
				}
				for _, it := range items {
					err := try(&store.Batch{
						Acks: []store.Item{it}, Puts: []store.Put{{Collection: "done", ID: it.ID}},
						Events: []store.Event{{Type: "done", Key: it.ID}},
					})
					switch {
					case errors.Is(err, store.ErrLeaseLost): // the outage was longer than the lease
					case err != nil:
						t.Errorf("finish %s: %v", it.ID, err)
					default:
						done.Add(1)
					}
				}
			}
			calm()
		})
	}
	wg.Wait()
	calm()
	t.Logf("%d batches, %d finished, %d refusals on the way", batches, done.Load(), refusals.Load())
	verify(t, b, batches)
}

// verify checks what a campaign leaves.
func verify(t *testing.T, b *Backend, batches int) {
	t.Helper()
	ctx := t.Context()
	for _, q := range []store.Query{{Collection: "made"}, {Collection: "made", Index: "i", Value: "v"}, {Collection: "more"}, {Collection: "done"}} {
		if n, err := b.Count(ctx, q); err != nil || n != batches {
			t.Errorf("%s by %q: %d of %d, %v", q.Collection, q.Index, n, batches, err)
		}
	}
	told := map[string]int{}
	last, err := b.LastEvent(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for after := uint64(0); after < last; {
		list, err := b.Events(ctx, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			if e.Seq != after+1 {
				t.Errorf("event %d follows %d", e.Seq, after)
			}
			told[e.Type+" "+e.Key]++
			after = e.Seq
		}
	}
	if len(told) != 2*batches {
		t.Errorf("%d different events of %d", len(told), 2*batches)
	}
	for what, n := range told {
		if n != 1 {
			t.Errorf("event %s is there %d times", what, n)
		}
	}
	if s, err := b.QueueStats(ctx, "q"); err != nil || s.Ready+s.Leased+s.Delayed != 0 {
		t.Errorf("left in the queue: %+v, %v", s, err)
	}
}

func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// TestRestarts: the server is killed and started again, with its append-only
// file synced at every write.
func TestRestarts(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--appendfsync", "always")
	b := open(t, s.URL(place()), Options{})
	restarts := 0
	campaign(t, b, 1600, func(ctx context.Context) {
		for restarts < 12 && rest(ctx, 150*time.Millisecond) {
			if restarts%2 == 0 {
				s.Kill()
			} else {
				s.Stop()
			}
			rest(ctx, 50*time.Millisecond)
			s.Restart()
			restarts++
		}
	})
	t.Logf("%d restarts", restarts)
	if restarts == 0 {
		t.Error("the server was never restarted")
	}
}

// TestPause: the server stops answering for longer than a read may take, with all
// connections open.
func TestPause(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL(place()), Options{})
	campaign(t, b, 800, func(ctx context.Context) {
		rest(ctx, 100*time.Millisecond)
		s.Pause()
		time.Sleep(30 * time.Second) // the pause itself
		s.Resume()
	})
}

// TestDroppedConnections: connections end at any moment, answers are lost.
func TestDroppedConnections(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Address())
	b := open(t, proxyURL(p), Options{})
	var seen, cuts atomic.Int64
	p.CutWhen(func(reply []byte) bool {
		if seen.Add(1)%17 == 0 {
			cuts.Add(1)
			return true
		}
		return false
	})
	campaign(t, b, 1600, func(ctx context.Context) {
		for rest(ctx, 40*time.Millisecond) {
			p.Drop()
		}
		p.CutWhen(nil)
	})
	t.Logf("%d answers were lost", cuts.Load())
}

// TestSlowReplies: every answer takes a while.
func TestSlowReplies(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Address())
	b := open(t, proxyURL(p), Options{})
	campaign(t, b, 400, func(ctx context.Context) {
		for i := 1; ; i++ {
			p.Delay(time.Duration(i%5) * 10 * time.Millisecond)
			if !rest(ctx, 100*time.Millisecond) {
				p.Delay(0)
				return
			}
		}
	})
}

// TestLostAnswers loses exactly the answer of one call of each kind.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Address())
	b := open(t, proxyURL(p), Options{})
	once := func(marker string) *atomic.Int64 {
		var cuts atomic.Int64
		p.CutWhen(func(reply []byte) bool {
			return bytes.Contains(reply, []byte(marker)) && cuts.CompareAndSwap(0, 1)
		})
		return &cuts
	}
	expect := func(what string, cuts *atomic.Int64) {
		t.Helper()
		p.CutWhen(nil)
		if cuts.Load() != 1 {
			t.Fatalf("%s: no answer was lost", what)
		}
	}
	cuts := once("*1\r\n:1\r\n")
	commit(t, b, &store.Batch{
		Puts:   []store.Put{{Collection: "c", ID: "x", Rev: store.AnyRev}},
		Pushes: []store.Push{{Queue: "q", ID: "unique-x"}, {Queue: "q", ID: "second"}},
		Events: []store.Event{{Type: "t"}},
	})
	expect("commit", cuts)
	if rec, err := b.Get(t.Context(), "c", "x"); err != nil || rec.Rev != 1 {
		t.Fatalf("put with any revision, answer lost: %+v, %v", rec, err)
	}
	if last, err := b.LastEvent(t.Context()); err != nil || last != 1 {
		t.Fatalf("event, answer lost: %d, %v", last, err)
	}

	cuts = once("unique-x")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var items []store.Item
	var err error
	for len(items) == 0 { // the first attempt may be told that the store is unavailable
		items, err = b.Lease(ctx, store.LeaseRequest{Queue: "q", Holder: "h", Max: 1, TTL: time.Hour})
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	expect("lease", cuts)
	if items[0].ID != "unique-x" || items[0].Deliveries != 1 {
		t.Fatalf("lease, answer lost: %+v", items[0])
	}

	cuts = once(":1\r\n")
	if err := b.Release(t.Context(), items[0], 0, true); err != nil {
		t.Fatalf("release, answer lost: %v", err)
	}
	expect("release", cuts)
	if it := take(t, b, time.Hour); it.ID != "second" {
		t.Fatalf("leased %s", it.ID)
	}
	it := take(t, b, time.Hour)
	if it.ID != "unique-x" || it.Deliveries != 1 {
		t.Fatalf("after the release: %+v", it)
	}
	cuts = once("*1\r\n:1\r\n")
	commit(t, b, &store.Batch{Acks: []store.Item{it}})
	expect("acknowledgement", cuts)
}

// TestInDoubt: nobody answers for so long that Commit gives up. The same batch,
// tried again, is carried out once.
func TestInDoubt(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	p := redistest.StartProxy(t, s.Address())
	b := open(t, proxyURL(p), Options{InDoubt: 300 * time.Millisecond})
	batch := &store.Batch{Puts: []store.Put{{Collection: "c", ID: "x", Rev: store.AnyRev}}, Events: []store.Event{{Type: "t"}}}
	p.CutWhen(func(reply []byte) bool { return true })
	for range 3 {
		if err := b.Commit(t.Context(), batch); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "outcome is not known") {
			t.Fatalf("commit without answers: %v", err)
		}
	}
	other := &store.Batch{Puts: []store.Put{{Collection: "c", ID: "y"}}}
	if err := b.Commit(t.Context(), other); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("another commit without answers: %v", err)
	}
	p.CutWhen(nil)
	commit(t, b, &store.Batch{Events: []store.Event{{Type: "between"}}}) // takes a slot of its own
	commit(t, b, batch)
	commit(t, b, other)
	if rec, err := b.Get(t.Context(), "c", "x"); err != nil || rec.Rev != 1 {
		t.Fatalf("%+v, %v", rec, err)
	}
	if last, err := b.LastEvent(t.Context()); err != nil || last != 2 {
		t.Fatalf("%d events, %v", last, err)
	}
	commit(t, b, batch) // no longer in doubt: a new commit of the same changes
	if rec, err := b.Get(t.Context(), "c", "x"); err != nil || rec.Rev != 2 {
		t.Fatalf("%+v, %v", rec, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	p.CutWhen(func(reply []byte) bool { return true })
	start := time.Now()
	if err := b.Commit(ctx, batch); !errors.Is(err, store.ErrUnavailable) || time.Since(start) > 5*time.Second {
		t.Fatalf("a context that ends while in doubt: %v after %v", err, time.Since(start))
	}
}

// TestOutOfMemory: maxmemory with noeviction. Commits are refused whole; those
// that only free something pass; with memory again all goes on.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	var log bytes.Buffer
	b := open(t, s.URL(place()), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	commit(t, b, &store.Batch{
		Puts:   []store.Put{{Collection: "c", ID: "x", Index: []store.IndexEntry{{Index: "i", Value: "v"}}}},
		Pushes: []store.Push{{Queue: "q", ID: "x"}, {Queue: "q", ID: "y"}},
	})
	it := take(t, b, time.Hour)
	s.Must("CONFIG SET maxmemory 1mb")
	for what, batch := range map[string]*store.Batch{
		"put":   {Puts: []store.Put{{Collection: "c", ID: "z", Index: []store.IndexEntry{{Index: "i", Value: "v"}}}}, Events: []store.Event{{Type: "t"}}},
		"push":  {Pushes: []store.Push{{Queue: "q", ID: "z"}}, Events: []store.Event{{Type: "t"}}},
		"claim": {Claims: []store.Claim{{Key: "k"}}, Puts: []store.Put{{Collection: "c", ID: "z"}}},
		"blob":  {Blobs: []store.Blob{{ID: "b", Body: make([]byte, 1000)}}},
	} {
		if err := b.Commit(t.Context(), batch); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n, err := b.Count(t.Context(), store.Query{Collection: "c"}); err != nil || n != 1 {
		t.Errorf("%d documents, %v", n, err)
	}
	if n, err := b.Count(t.Context(), store.Query{Collection: "c", Index: "i", Value: "v"}); err != nil || n != 1 {
		t.Errorf("%d index entries, %v", n, err)
	}
	if last, err := b.LastEvent(t.Context()); err != nil || last != 0 {
		t.Errorf("last event %d, %v", last, err)
	}
	if _, err := b.Lease(t.Context(), store.LeaseRequest{Queue: "q", Holder: "h", Max: 1, TTL: time.Hour}); err != nil && !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("lease: %v", err)
	}
	commit(t, b, &store.Batch{Acks: []store.Item{it}, Deletes: []store.Delete{{Collection: "c", ID: "x", Rev: 1}}})
	s.Must("CONFIG SET maxmemory 0")
	commit(t, b, &store.Batch{Puts: []store.Put{{Collection: "c", ID: "z"}}, Claims: []store.Claim{{Key: "k"}}})
	if !strings.Contains(log.String(), "store unavailable") || !strings.Contains(log.String(), "available again") {
		t.Errorf("the log does not tell of it:\n%s", log.String())
	}
}

// TestReadOnlyReplica: a replica refuses.
func TestReadOnlyReplica(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica := redistest.Start(t, "--replicaof", fmt.Sprintf("127.0.0.1 %d", master.Port))
	b := open(t, master.URL("p"), Options{})
	commit(t, b, &store.Batch{Events: []store.Event{{Type: "t"}}})
	waitFor(t, "the replica to follow", func() bool {
		info, err := replica.Do("EXISTS {p:0}:ev")
		return err == nil && info == ":1"
	})
	var log bytes.Buffer
	r := open(t, replica.URL("p"), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "role replica") {
		t.Errorf("no warning: %s", log.String())
	}
	if err := r.Commit(t.Context(), &store.Batch{Events: []store.Event{{Type: "t"}}}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("commit on a replica: %v", err)
	}
	if last, err := r.LastEvent(t.Context()); err != nil || last != 1 {
		t.Errorf("last event %d, %v", last, err)
	}
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("waited 30 s for %s", what)
		}
	}
}

// TestFailover: the master dies under load and a Sentinel makes its replica the
// master. Commits wait for a replica, so nothing that was accepted is lost.
func TestFailover(t *testing.T) {
	t.Parallel()

	master := redistest.Start(t)
	for range 2 {
		replica := redistest.Start(t, "--replicaof", fmt.Sprintf("127.0.0.1 %d", master.Port))
		waitFor(t, "the replica to be in step", func() bool {
			info, err := replica.Ask("INFO replication")
			return err == nil && strings.Contains(info, "master_link_status:up")
		})
	}
	sentinel := redistest.StartSentinel(t, master, "petrel", 2*time.Second)
	waitFor(t, "the Sentinel to know both replicas", func() bool {
		line, err := sentinel.Do("SENTINEL REPLICAS petrel")
		return err == nil && line == "*2"
	})
	url := fmt.Sprintf("redis://%s/0?master_name=petrel&wait_replicas=1&prefix=%s", sentinel.Address(), place())
	b := open(t, url, Options{})
	failed := false
	campaign(t, b, 1600, func(ctx context.Context) {
		if rest(ctx, 200*time.Millisecond) {
			master.Kill()
			failed = true
		}
	})
	if !failed {
		t.Error("all was over before the master was killed")
	}
	now, err := sentinel.Ask("SENTINEL GET-MASTER-ADDR-BY-NAME petrel")
	if err != nil || strings.Contains(now, fmt.Sprint(master.Port)) {
		t.Errorf("no replica has taken over: %q, %v", now, err)
	}
}

// TestWaitReplicas: a commit that no replica confirms is in doubt; once there is
// one, the same batch passes, and was carried out once.
func TestWaitReplicas(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL("p")+"&wait_replicas=1", Options{InDoubt: 100 * time.Millisecond})
	batch := &store.Batch{Events: []store.Event{{Type: "t"}}, Puts: []store.Put{{Collection: "c", ID: "x", Rev: store.AnyRev}}}
	if err := b.Commit(t.Context(), batch); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, errTooFewReplicas) {
		t.Fatalf("without a replica: %v", err)
	}
	replica := redistest.Start(t, "--replicaof", fmt.Sprintf("127.0.0.1 %d", s.Port))
	waitFor(t, "the batch to pass", func() bool {
		err := b.Commit(t.Context(), batch)
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
	if last, err := b.LastEvent(t.Context()); err != nil || last != 1 {
		t.Fatalf("%d events, %v", last, err)
	}
	if reply := replica.Must("GET {p:0}:evseq"); reply != "$1" {
		t.Fatalf("the replica has %s", reply)
	}
}

// TestClocks: what is due later follows the caller's clock, however wrong it is.
func TestClocks(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	wrong := func() time.Time { return time.Now().Add(-7 * time.Hour) }
	b := open(t, s.URL("p"), Options{Now: wrong})
	start := time.Now()
	commit(t, b, &store.Batch{Pushes: []store.Push{
		{Queue: "q", ID: "later", At: wrong().Add(200 * time.Millisecond)}, {Queue: "q", ID: "past", At: wrong().Add(-time.Minute)},
	}})
	if it := take(t, b, time.Minute); it.ID != "past" {
		t.Fatalf("first came %s", it.ID)
	}
	take(t, b, time.Minute)
	if took := time.Since(start); took < 200*time.Millisecond || took > 10*time.Second {
		t.Fatalf("due after %v", took)
	}
}

// TestRetention: the event log keeps what it is told to, about, and no less.
func TestRetention(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	b := open(t, s.URL("p"), Options{KeepEvents: 500})
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
	if first, last := list[0].Seq, list[len(list)-1].Seq; last != 2000 || first > 1501 || first < 1200 {
		t.Fatalf("the log goes from %d to %d", first, last)
	}
}
