package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/policies"
	"petrel/engine/runners"
	"petrel/store"
	"petrel/store/redis"
	"petrel/store/redis/redistest"
	"petrel/store/sqlite"
)

// onBoth runs a test on each kind of store.
func onBoth(t *testing.T, test func(t *testing.T, b store.Backend)) {
	quiet := slog.New(slog.DiscardHandler)
	t.Run("sqlite", func(t *testing.T) {
		b, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "p.db"), sqlite.Options{Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		test(t, b)
	})
	t.Run("redis", func(t *testing.T) {
		b, err := redis.Open(t.Context(), redistest.Start(t).URL("p"), redis.Options{Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		test(t, b)
	})
}

// held is a runner whose runs go on until they are told to end.
type held struct {
	began chan string
	end   chan engine.Status
}

func (h *held) Spec() engine.Runner {
	return engine.Runner{Name: "puppet", Enabled: true, Parameters: json.RawMessage(`{}`)}
}

func (h *held) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	h.began <- job.Execution.ID
	select {
	case s := <-h.end:
		return runners.Outcome{Status: s, Result: json.RawMessage(`{}`)}, nil
	case <-ctx.Done():
		return runners.Outcome{Status: engine.Failed, Result: json.RawMessage(`{}`)}, nil
	}
}

// gateBench is two processes on one store.
type gateBench struct {
	t       *testing.T
	store   store.Backend
	service *Service
	held    *held
	content *content
}

func newGateBench(t *testing.T, backend store.Backend, list ...*engine.Policy) *gateBench {
	g := &gateBench{t: t, store: backend, held: &held{began: make(chan string, 100), end: make(chan engine.Status, 100)}}
	g.content = &content{
		actions:  []*engine.Action{action("test.act", `{"host":{"type":"string","default":"h0"}}`, false)},
		runners:  []engine.Runner{g.held.Spec()},
		policies: list,
	}
	ctx, stop := context.WithCancel(context.Background())
	var stopped []chan struct{}
	for n := range 2 {
		s := NewService(Options{Store: backend, Catalog: g.content, Renderer: expression.New(expression.Options{}), Logger: slog.New(slog.DiscardHandler)})
		g.service = s
		registry, err := runners.NewRegistry(g.held)
		if err != nil {
			t.Fatal(err)
		}
		w := NewWorkers(s, WorkerOptions{Node: fmt.Sprint("node", n), Rules: true, Actions: true, Runners: registry, Slots: 16})
		done := make(chan struct{})
		stopped = append(stopped, done)
		go func() {
			defer close(done)
			if err := w.Run(ctx, ctx); err != nil {
				t.Errorf("workers: %v", err)
			}
		}()
	}
	t.Cleanup(func() {
		stop()
		for _, done := range stopped {
			<-done
		}
	})
	return g
}

func limit(ref, kind, parameters string) *engine.Policy {
	return &engine.Policy{Ref: ref, Enabled: true, ResourceRef: "test.act", PolicyType: kind, Parameters: json.RawMessage(parameters)}
}

func (g *gateBench) request(parameters string) string {
	g.t.Helper()
	e, err := g.service.Request(g.t.Context(), Request{Action: "test.act", Parameters: json.RawMessage(parameters)})
	if err != nil {
		g.t.Fatal(err)
	}
	return e.ID
}

// until waits, by the event log, until an execution is as it should be.
func (g *gateBench) until(id string, done func(engine.Execution) bool) engine.Execution {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for after := uint64(0); ; {
		e, err := g.service.Execution(ctx, id)
		if err == nil && done(e) {
			return e
		}
		if err != nil && engine.CodeOf(err) != engine.NotFound {
			g.t.Fatal(err)
		}
		events, err := g.store.Events(ctx, after, 100)
		if err != nil {
			g.t.Fatalf("execution %s is %+v: %v", id, e, err)
		}
		after = events[len(events)-1].Seq
	}
}

func (g *gateBench) status(id string, s engine.Status) engine.Execution {
	g.t.Helper()
	return g.until(id, func(e engine.Execution) bool { return e.Status == s })
}

// begins waits for the next run that begins.
func (g *gateBench) begins() string {
	g.t.Helper()
	select {
	case id := <-g.held.began:
		return id
	case <-time.After(30 * time.Second):
		g.t.Fatal("nothing begins")
		return ""
	}
}

// none checks that nothing is left of gates and lines.
func (g *gateBench) none() {
	g.t.Helper()
	d, err := Gates.Get(g.t.Context(), g.store, "test.act")
	if err != nil || len(d.Value.Holders) > 0 || d.Value.Waiting != 0 {
		g.t.Errorf("the gate: %+v, %v", d.Value, err)
	}
	if n, err := g.store.Count(g.t.Context(), store.Query{Collection: Line.Name}); n != 0 || err != nil {
		g.t.Errorf("%d are left in line, %v", n, err)
	}
}

// No more than the threshold run at a time, and in the order of their requests.
func TestConcurrencyInOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, b store.Backend) {
		g := newGateBench(t, b, limit("test.two", engine.PolicyConcurrency, `{"threshold":2,"action":"delay"}`))
		var ids []string
		for range 8 {
			id := g.request(`{}`)
			ids = append(ids, id)
			g.until(id, func(e engine.Execution) bool { return e.Status == engine.Running || e.Status == engine.Delayed })
		}
		first := []string{g.begins(), g.begins()}
		slices.Sort(first)
		if want := slices.Sorted(slices.Values(ids[:2])); !slices.Equal(first, want) {
			t.Errorf("first began %v, want %v", first, want)
		}
		why, err := g.service.Why(t.Context(), ids[5])
		if err != nil || len(why.Waits) != 1 || why.Waits[0].Place != 4 || why.Waits[0].Policy != "test.two" || len(why.Waits[0].Holders) != 2 {
			t.Errorf("why: %+v, %v", why, err)
		}
		if _, err := g.service.Cancel(t.Context(), ids[3], "ann"); err != nil { // one in the middle of the line gives up
			t.Fatal(err)
		}
		for _, want := range []string{ids[2], ids[4], ids[5], ids[6], ids[7]} {
			g.held.end <- engine.Succeeded
			if got := g.begins(); got != want {
				t.Errorf("%s began, want %s", got, want)
			}
		}
		g.held.end <- engine.Succeeded
		g.held.end <- engine.Succeeded
		for i, id := range ids {
			want := engine.Succeeded
			if i == 3 {
				want = engine.Canceled
			}
			g.status(id, want)
		}
		g.none()
	})
}

// Equal values of the attributes count together, a default like a given value.
func TestConcurrencyByAttribute(t *testing.T) {
	onBoth(t, func(t *testing.T, b store.Backend) {
		g := newGateBench(t, b,
			limit("test.each", engine.PolicyConcurrencyAttr, `{"threshold":1,"action":"delay","attributes":["host"]}`),
			limit("test.total", engine.PolicyConcurrency, `{"threshold":2,"action":"delay"}`))
		plain := g.request(`{}`)
		g.status(plain, engine.Running)
		same := g.request(`{"host":"h0"}`)
		g.status(same, engine.Delayed)
		other := g.request(`{"host":"h1"}`)
		g.status(other, engine.Running) // it need not wait behind one that waits for something else
		third := g.request(`{"host":"h2"}`)
		g.status(third, engine.Delayed)
		why, err := g.service.Why(t.Context(), third)
		if err != nil || len(why.Waits) != 1 || why.Waits[0].Policy != "test.total" || why.Waits[0].Place != 2 {
			t.Errorf("why: %+v, %v", why, err)
		}
		for range 4 {
			g.begins()
			g.held.end <- engine.Succeeded
		}
		for _, id := range []string{plain, same, other, third} {
			g.status(id, engine.Succeeded)
		}
		g.none()
	})
}

// Where the policy says cancel nobody waits.
func TestConcurrencyCancels(t *testing.T) {
	onBoth(t, func(t *testing.T, b store.Backend) {
		g := newGateBench(t, b, limit("test.one", engine.PolicyConcurrency, `{"threshold":1,"action":"cancel"}`))
		first := g.request(`{}`)
		g.status(first, engine.Running)
		e := g.status(g.request(`{}`), engine.Canceled)
		if string(e.Result) != `{"error":"canceled by the policy test.one: no more than 1 of this may run at a time"}` {
			t.Errorf("result: %s", e.Result)
		}
		g.held.end <- engine.Failed
		g.status(first, engine.Failed)
		g.none()
	})
}

// A burst from many sides at once never exceeds the threshold, and all get through.
func TestConcurrencyBurst(t *testing.T) {
	onBoth(t, func(t *testing.T, b store.Backend) {
		const burst = 60
		g := newGateBench(t, b, limit("test.three", engine.PolicyConcurrency, `{"threshold":3,"action":"delay"}`))
		var ids []string
		for range burst {
			ids = append(ids, g.request(`{}`))
		}
		running := map[string]bool{}
		for range burst {
			running[g.begins()] = true
			d, err := Gates.Get(t.Context(), b, "test.act")
			if err != nil || len(d.Value.Of("test.three")) > 3 {
				t.Fatalf("the gate: %+v, %v", d.Value, err)
			}
			g.held.end <- engine.Succeeded
		}
		if len(running) != burst {
			t.Errorf("%d began", len(running))
		}
		for _, id := range ids {
			g.status(id, engine.Succeeded)
		}
		g.none()
	})
}

// What holds a slot and has ended all the same, and a line that nobody was told
// about, are found at the start.
func TestGateRepaired(t *testing.T) {
	onBoth(t, func(t *testing.T, b store.Backend) {
		var batch store.Batch
		now := time.Now()
		waiting := engine.Execution{
			ID: engine.NewID(now), Status: engine.Delayed, Gated: true, StartTimestamp: now, Parameters: json.RawMessage(`{}`),
			Action: engine.ActionRef{Ref: "test.act", Pack: "test", Name: "act", Runner: "puppet"},
		}
		gate := policies.Gate{Holders: []policies.Holder{{Execution: "gone", Keys: []string{"test.one"}}}, Waiting: 1}
		entry := LineEntry{Action: "test.act", Keys: []string{"test.one"}, Since: now, Queue: QueueActions("puppet")}
		for _, err := range []error{
			Executions.Put(&batch, store.Doc[engine.Execution]{ID: waiting.ID, Value: waiting}),
			Gates.Put(&batch, store.Doc[policies.Gate]{ID: "test.act", Value: gate}),
			Line.Put(&batch, store.Doc[LineEntry]{ID: waiting.ID, Value: entry}),
			b.Commit(t.Context(), &batch),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		g := newGateBench(t, b, limit("test.one", engine.PolicyConcurrency, `{"threshold":1,"action":"delay"}`))
		if got := g.begins(); got != waiting.ID {
			t.Errorf("%s began", got)
		}
		g.held.end <- engine.Succeeded
		g.status(waiting.ID, engine.Succeeded)
		g.none()
	})
}

// What fails is tried again, with the same parameters, until it succeeds or has been
// tried often enough.
func TestRetries(t *testing.T) {
	onBoth(t, func(t *testing.T, b store.Backend) {
		g := newGateBench(t, b, limit("test.again", engine.PolicyRetry, `{"retry_on":"failure","max_retry_count":2,"delay":1}`))
		first := g.request(`{"host":"h7"}`)
		g.held.end <- engine.Failed
		g.status(first, engine.Failed)
		second := g.until(RetryID(first), func(e engine.Execution) bool {
			return e.Status == engine.Failed || e.Status == engine.Delayed || e.Status == engine.Running
		})
		if second.NotBefore == nil || second.NotBefore.Sub(second.StartTimestamp) != time.Second {
			t.Errorf("the further try: %+v", second)
		}
		g.held.end <- engine.Failed
		g.status(second.ID, engine.Failed)
		g.held.end <- engine.Failed
		third := g.status(RetryID(second.ID), engine.Failed)
		if r := third.Context.Policies.Retry; *r != (engine.Retried{Policy: "test.again", Count: 2, Execution: second.ID}) {
			t.Errorf("the context of the last try: %+v", r)
		}
		if string(third.Parameters) != `{"host":"h7"}` || third.TraceID != first {
			t.Errorf("the last try: %+v", third)
		}
		if _, err := g.service.Execution(t.Context(), RetryID(third.ID)); engine.CodeOf(err) != engine.NotFound {
			t.Errorf("tried once more: %v", err)
		}
		why, err := g.service.Why(t.Context(), first)
		if err != nil || why.RetriedAs != second.ID {
			t.Errorf("why: %+v, %v", why, err)
		}
	})
}
