package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/value"
	"petrel/engine/params"
	"petrel/engine/runners"
	"petrel/engine/runners/ask"
	kinds "petrel/engine/runners/flow"
	"petrel/engine/runners/noop"
	"petrel/store"
	"petrel/store/sqlite"
)

// content is a fixed snapshot.
type content struct {
	actions  []*engine.Action
	rules    []*engine.Rule
	runners  []engine.Runner
	configs  map[string]*params.Config
	policies []*engine.Policy
}

func (c *content) Current() Content      { return c }
func (c *content) Rules() []*engine.Rule { return c.rules }

func (c *content) Policies(action string) (list []*engine.Policy) {
	for _, p := range c.policies {
		if p.ResourceRef == action {
			list = append(list, p)
		}
	}
	return list
}

func (c *content) Config(pack string) (*params.Config, error) {
	if pack == "broken" {
		return nil, errors.New("broken.yaml:1: no good")
	}
	return c.configs[pack], nil
}

func (c *content) Runners() []engine.Runner { return c.runners }

func (c *content) Action(ref string) (*engine.Action, bool) {
	for _, a := range c.actions {
		if a.Ref == ref {
			return a, true
		}
	}
	return nil, false
}

func (c *content) Runner(name string) (*engine.Runner, bool) {
	for i := range c.runners {
		if c.runners[i].Name == name {
			return &c.runners[i], true
		}
	}
	return nil, false
}

// puppet is a runner whose runs do what the test says.
type puppet struct {
	started chan string // execution IDs
	mu      sync.Mutex
	do      func(ctx context.Context, job runners.Job) (runners.Outcome, error)
}

func (p *puppet) Spec() engine.Runner {
	return engine.Runner{Name: "puppet", Enabled: true, Parameters: json.RawMessage(`{}`)}
}

func (p *puppet) Run(ctx context.Context, job runners.Job) (runners.Outcome, error) {
	p.mu.Lock()
	do := p.do
	p.mu.Unlock()
	p.started <- job.Execution.ID
	return do(ctx, job)
}

func (p *puppet) will(do func(ctx context.Context, job runners.Job) (runners.Outcome, error)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.do = do
}

func succeed(context.Context, runners.Job) (runners.Outcome, error) {
	return runners.Outcome{Status: engine.Succeeded, Result: json.RawMessage(`{"ok":true}`)}, nil
}

// untilEnded holds on until its context ends.
func untilEnded(ctx context.Context, _ runners.Job) (runners.Outcome, error) {
	<-ctx.Done()
	return runners.Outcome{Status: engine.Failed, Result: json.RawMessage(`{"error":"ended"}`)}, nil
}

// bench is a store, a service and workers that can be stopped and started.
type bench struct {
	t       *testing.T
	path    string
	store   *sqlite.Backend
	content *content
	puppet  *puppet
	service *Service
	workers *Workers
	options Options

	stopIntake context.CancelFunc
	endWork    context.CancelCauseFunc
	stopped    chan struct{}
}

func newBench(t *testing.T, respond Responder) *bench {
	b := &bench{
		t: t, path: filepath.Join(t.TempDir(), "petrel.db"),
		puppet: &puppet{started: make(chan string, 1000)},
		content: &content{
			actions: []*engine.Action{
				action("test.act", `{"n":{"type":"integer","default":1}}`, false),
				action("test.again", `{}`, true),
				{ID: "off", Ref: "test.off", Pack: "test", Name: "off", RunnerType: "puppet"},
			},
			rules: []*engine.Rule{
				rule("test.big", `{"trigger.n":{"type":"gt","pattern":3}}`, "test.act", `{"n":"{{ trigger.n }}"}`),
				rule("test.broken", `{"trigger.kind":{"type":"eq","pattern":"broken"}}`, "test.act", `{"n":"{{ trigger.nope }}"}`),
				rule("test.gone", `{"trigger.kind":{"type":"eq","pattern":"gone"}}`, "test.gone", ``),
			},
		},
	}
	b.puppet.will(succeed)
	for _, r := range b.runners() {
		b.content.runners = append(b.content.runners, r.Spec())
	}
	b.options = Options{
		Catalog: b.content, Renderer: expression.New(expression.Options{}), Logger: slog.New(slog.DiscardHandler),
		Responders: map[string]Responder{"test.command": respond},
	}
	b.open()
	t.Cleanup(func() {
		b.stop(errors.New("the test is over"))
		b.store.Close()
	})
	return b
}

func action(ref, params string, idempotent bool) *engine.Action {
	pack, name, _ := strings.Cut(ref, ".")
	return &engine.Action{
		ID: ref, Ref: ref, Pack: pack, Name: name, Enabled: true, RunnerType: "puppet",
		Parameters: json.RawMessage(params), Idempotent: idempotent,
	}
}

func rule(ref, criteria, action, params string) *engine.Rule {
	return &engine.Rule{
		ID: ref, Ref: ref, Name: ref, Enabled: true, Trigger: engine.TriggerSpec{Type: "test.event"},
		Criteria: json.RawMessage(criteria), Action: engine.ActionCall{Ref: action, Parameters: json.RawMessage(params)},
	}
}

func (b *bench) runners() []runners.Runner {
	return append(kinds.Runners(), b.puppet, ask.Runner{}, noop.Runner{})
}

// open opens the store, as a starting program does.
func (b *bench) open() {
	b.t.Helper()
	backend, err := sqlite.Open(context.Background(), b.path, sqlite.Options{Synchronous: "normal", Logger: b.options.Logger})
	if err != nil {
		b.t.Fatal(err)
	}
	b.store, b.options.Store = backend, backend
	b.service = NewService(b.options)
	registry, err := runners.NewRegistry(b.runners()...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.workers = NewWorkers(b.service, WorkerOptions{Node: "node", Rules: true, Actions: true, Runners: registry, Slots: 4})
}

// work starts the stages.
func (b *bench) work() {
	intake, stop := context.WithCancel(context.Background())
	work, end := context.WithCancelCause(context.Background())
	b.stopIntake, b.endWork, b.stopped = stop, end, make(chan struct{})
	stopped := b.stopped
	go func() {
		defer close(stopped)
		if err := b.workers.Run(intake, work); err != nil && !errors.Is(err, store.ErrClosed) {
			b.t.Errorf("workers: %v", err)
		}
	}()
}

// stop stops the stages; with a cause the work in progress is ended too.
func (b *bench) stop(cause error) {
	if b.stopIntake == nil {
		return
	}
	b.stopIntake()
	if cause != nil {
		b.endWork(cause)
	}
	<-b.stopped
	b.endWork(nil)
	b.stopIntake = nil
}

// ended waits until an execution has ended, by the event log.
func (b *bench) ended(id string) engine.Execution {
	b.t.Helper()
	return b.until(id, func(e engine.Execution) bool { return e.Status.Completed() })
}

func (b *bench) until(id string, done func(engine.Execution) bool) engine.Execution {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for after := uint64(0); ; {
		e, err := b.service.Execution(ctx, id)
		if err == nil && done(e) {
			return e
		}
		if err != nil && engine.CodeOf(err) != engine.NotFound {
			b.t.Fatal(err)
		}
		events, err := b.store.Events(ctx, after, 100)
		if err != nil {
			b.t.Fatalf("execution %s is %+v: %v", id, e, err)
		}
		after = events[len(events)-1].Seq
	}
}

func (b *bench) dispatch(payload string) string {
	b.t.Helper()
	r, err := b.service.Dispatch(context.Background(), Dispatch{Trigger: "test.event", Payload: json.RawMessage(payload), Lane: engine.LaneEvent})
	if err != nil {
		b.t.Fatal(err)
	}
	return r.ID
}

// settled waits until an instance was processed.
func (b *bench) settled(id string) engine.TriggerInstance {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		d, err := Instances.Get(context.Background(), b.store, id)
		if err != nil {
			b.t.Fatal(err)
		}
		if d.Value.Status != engine.InstancePending {
			return d.Value
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("instance %s is still pending", id)
		}
		time.Sleep(time.Millisecond) // instances have no event to wait for
	}
}

func (b *bench) enforcements(instance string) []engine.Enforcement {
	b.t.Helper()
	docs, _, err := Enforcements.List(context.Background(), b.store, store.Query{Index: "instance", Value: instance})
	if err != nil {
		b.t.Fatal(err)
	}
	var list []engine.Enforcement
	for _, d := range docs {
		list = append(list, d.Value)
	}
	return list
}

func TestRuleToResult(t *testing.T) {
	b := newBench(t, nil)
	var got any
	b.puppet.will(func(ctx context.Context, job runners.Job) (runners.Outcome, error) {
		got, _ = job.Params.GetString("n")
		return succeed(ctx, job)
	})
	b.work()
	id := b.dispatch(`{"n": 7}`)
	e := b.ended(engine.DeriveID(id, "rule", "test.big"))
	if e.Status != engine.Succeeded || string(e.Result) != `{"ok":true}` || e.TriggerInstance != id || e.TraceID != id {
		t.Errorf("execution: %+v", e)
	}
	if !value.Equal(got, int64(7)) {
		t.Errorf("the action got n = %v", got)
	}
	var steps []string
	for _, s := range e.Log {
		steps = append(steps, string(s.Status))
	}
	if got := strings.Join(steps, " "); got != "requested running succeeded" {
		t.Errorf("log: %s", got)
	}
	list := b.enforcements(id)
	if len(list) != 1 || list[0].Status != engine.Succeeded || list[0].ExecutionID != e.ID || list[0].Rule.Ref != "test.big" {
		t.Errorf("enforcements: %+v", list)
	}
}

func TestRuleThatDoesNotMatch(t *testing.T) {
	b := newBench(t, nil)
	b.work()
	id := b.dispatch(`{"n": 2, "kind": "other"}`)
	if inst := b.settled(id); inst.Status != engine.InstanceProcessed {
		t.Errorf("instance: %+v", inst)
	}
	if list := b.enforcements(id); len(list) != 0 {
		t.Errorf("enforcements: %+v", list)
	}
}

// A rule whose action cannot be run leaves a failed enforcement that says why.
func TestFailedEnforcements(t *testing.T) {
	b := newBench(t, nil)
	b.work()
	for kind, want := range map[string]string{"gone": `there is no action "test.gone"`, "broken": "nope"} {
		id := b.dispatch(fmt.Sprintf(`{"n": 0, "kind": %q}`, kind))
		b.settled(id)
		list := b.enforcements(id)
		if len(list) != 1 || list[0].Status != engine.Failed || !strings.Contains(list[0].FailureReason, want) {
			t.Errorf("%s: enforcements %+v", kind, list)
		}
	}
}

func TestSameDeliveryIsOneInstance(t *testing.T) {
	b := newBench(t, nil)
	d := Dispatch{Trigger: "test.event", DeliveryID: "x/1", Payload: json.RawMessage(`{"n":9}`)}
	first, err := b.service.Dispatch(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.service.Dispatch(t.Context(), d)
	if err != nil || !second.Duplicate || second.ID != first.ID {
		t.Errorf("second delivery: %+v, %v; the first was %s", second, err, first.ID)
	}
}

func TestRequestErrors(t *testing.T) {
	b := newBench(t, nil)
	for _, tt := range []struct {
		action, params string
		code           engine.Code
		text           string
	}{
		{"test.nope", "", engine.NotFound, `no action "test.nope"`},
		{"test.off", "", engine.Invalid, "disabled"},
		{"test.act", `{"n": "many"}`, engine.Invalid, "n"},
		{"test.act", `{"other": 1}`, engine.Invalid, "other"},
	} {
		_, err := b.service.Request(t.Context(), Request{Action: tt.action, Parameters: json.RawMessage(tt.params)})
		if engine.CodeOf(err) != tt.code || !strings.Contains(fmt.Sprint(err), tt.text) {
			t.Errorf("%s %s: %v", tt.action, tt.params, err)
		}
	}
}

// More than may wait is refused, and taken again when there is room.
func TestBackPressure(t *testing.T) {
	b := newBench(t, nil)
	now := time.Now()
	b.service.now = func() time.Time { return now }
	b.service.pressure.limit = 3
	request := func() error {
		now = now.Add(time.Second) // old counts are not trusted
		_, err := b.service.Request(t.Context(), Request{Action: "test.act"})
		return err
	}
	for i := range 3 {
		if err := request(); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if err := request(); engine.CodeOf(err) != engine.Unavailable || !strings.Contains(err.Error(), "busy") {
		t.Errorf("request over the limit: %v", err)
	}
	b.work()
	for range 3 {
		b.ended(<-b.puppet.started)
	}
	if err := request(); err != nil {
		t.Errorf("request when there is room again: %v", err)
	}
}

func TestCancel(t *testing.T) {
	b := newBench(t, nil)
	b.puppet.will(untilEnded)
	waiting, err := b.service.Request(t.Context(), Request{Action: "test.act"})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := b.service.Cancel(t.Context(), waiting.ID, "ann"); err != nil || e.Status != engine.Canceled {
		t.Errorf("cancel before it began: %+v, %v", e, err)
	}
	running, err := b.service.Request(t.Context(), Request{Action: "test.act"})
	if err != nil {
		t.Fatal(err)
	}
	b.work()
	if id := <-b.puppet.started; id != running.ID {
		t.Fatalf("%s was started", id)
	}
	if e, err := b.service.Cancel(t.Context(), running.ID, "ann"); err != nil || e.Status != engine.Canceling {
		t.Errorf("cancel while it runs: %+v, %v", e, err)
	}
	e := b.ended(running.ID)
	if e.Status != engine.Canceled || e.Context.CancelledBy != "ann" {
		t.Errorf("execution: %+v", e)
	}
	if _, err := b.service.Cancel(t.Context(), running.ID, "bob"); err != nil {
		t.Errorf("cancel again: %v", err)
	}
}

// A crash leaves the store behind as it was: the lease is not acknowledged and
// the record says running.
func TestWorkerDied(t *testing.T) {
	for _, tt := range []struct {
		action string
		want   engine.Status
	}{{"test.act", engine.Abandoned}, {"test.again", engine.Succeeded}} {
		t.Run(tt.action, func(t *testing.T) {
			b := newBench(t, nil)
			b.puppet.will(untilEnded)
			b.work()
			e, err := b.service.Request(t.Context(), Request{Action: tt.action})
			if err != nil {
				t.Fatal(err)
			}
			<-b.puppet.started
			b.store.Close() // nothing of what the worker does from now on is recorded
			b.stop(errors.New("died"))
			b.puppet.will(succeed)
			b.open()
			b.work()
			if got := b.ended(e.ID); got.Status != tt.want {
				t.Errorf("execution is %s: %s", got.Status, got.Result)
			}
		})
	}
}

// At a stop, an action that does not end in time is ended and says so; one that
// was not begun waits for the next start.
func TestShutdown(t *testing.T) {
	b := newBench(t, nil)
	b.puppet.will(untilEnded)
	b.work()
	var ids []string
	for range 6 { // four slots
		e, err := b.service.Request(t.Context(), Request{Action: "test.act"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	for range 4 {
		<-b.puppet.started
	}
	b.stop(runners.ErrShutdown)
	statuses := map[engine.Status]int{}
	for _, id := range ids {
		e, err := b.service.Execution(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		statuses[e.Status]++
	}
	if statuses[engine.Abandoned] != 4 || statuses[engine.Requested] != 2 {
		t.Fatalf("after the stop: %v", statuses)
	}
	b.puppet.will(succeed)
	b.work()
	for _, id := range ids {
		b.ended(id)
	}
}

func TestLargeResultIsKeptApart(t *testing.T) {
	b := newBench(t, nil)
	large, err := json.Marshal(map[string]string{"stdout": strings.Repeat("x", maxInlineResult)})
	if err != nil {
		t.Fatal(err)
	}
	b.puppet.will(func(context.Context, runners.Job) (runners.Outcome, error) {
		return runners.Outcome{Status: engine.Succeeded, Result: large}, nil
	})
	b.work()
	e, err := b.service.Request(t.Context(), Request{Action: "test.act"})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.ended(e.ID); !bytes.Equal(got.Result, large) || got.ResultSize != len(large) {
		t.Errorf("result of %d bytes, size %d", len(got.Result), got.ResultSize)
	}
	rec, err := b.store.Get(t.Context(), Executions.Name, e.ID)
	if err != nil || len(rec.Body) > maxInlineResult {
		t.Errorf("the record holds %d bytes: %v", len(rec.Body), err)
	}
}

func TestPanicOfARunner(t *testing.T) {
	b := newBench(t, nil)
	b.puppet.will(func(context.Context, runners.Job) (runners.Outcome, error) { panic("oh") })
	b.work()
	e, err := b.service.Request(t.Context(), Request{Action: "test.act"})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.ended(e.ID); got.Status != engine.Failed || !strings.Contains(string(got.Result), "internal error") {
		t.Errorf("execution: %s %s", got.Status, got.Result)
	}
}

func TestOutputWhileRunning(t *testing.T) {
	b := newBench(t, nil)
	goOn := make(chan struct{})
	b.puppet.will(func(ctx context.Context, job runners.Job) (runners.Outcome, error) {
		job.Output(runners.Stdout, []byte("one\n"))
		job.Output(runners.Stdout, []byte("two\n"))
		job.Output(runners.Stderr, []byte("oops\n"))
		<-goOn
		return succeed(ctx, job)
	})
	b.work()
	e, err := b.service.Request(t.Context(), Request{Action: "test.act"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for after := uint64(0); ; {
		events, err := b.store.Events(ctx, after, 1)
		if err != nil {
			t.Fatalf("no output while it runs: %v", err)
		}
		after = events[0].Seq
		if events[0].Type == EventOutput && events[0].Key == e.ID {
			break
		}
	}
	records, err := b.service.Output(t.Context(), e.ID, 10)
	if err != nil || len(records) != 2 || records[0].Data != "one\ntwo\n" || records[1].Type != "stderr" {
		t.Errorf("output %+v, %v", records, err)
	}
	close(goOn)
	b.ended(e.ID)
}

// The outbox gets one notice for each thing worth saying, in the line of the
// conversation.
func TestNotices(t *testing.T) {
	origin := &engine.Origin{Conversation: "room", Detail: json.RawMessage(`{"to":"ann"}`)}
	respond := func(_ context.Context, inst *engine.TriggerInstance) (Response, error) {
		switch string(inst.Payload) {
		case `{"say":"run"}`:
			return Response{Requests: []Request{{Action: "test.act"}}}, nil
		case `{"say":"break"}`:
			return Response{}, errors.New("broken")
		case `{"say":"nonsense"}`:
			return Response{Requests: []Request{{Action: "test.nope"}}}, nil
		default:
			return Response{Replies: []json.RawMessage{json.RawMessage(`"hello"`)}}, nil
		}
	}
	b := newBench(t, respond)
	b.work()
	for _, tt := range []struct {
		payload string
		kinds   string
	}{
		{`{"say":"run"}`, "execution execution"}, // requested and succeeded
		{`{"say":"nonsense"}`, "rejection"},
		{`{"say":"break"}`, "rejection"},
		{`{"say":"hi"}`, "message"},
	} {
		if _, err := b.service.Dispatch(t.Context(), Dispatch{Trigger: "test.command", Payload: json.RawMessage(tt.payload), Origin: origin}); err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for range len(strings.Fields(tt.kinds)) {
			n := b.notice()
			if string(n.Detail) != string(origin.Detail) {
				t.Errorf("%s: detail %s", tt.payload, n.Detail)
			}
			kinds = append(kinds, string(n.Kind))
		}
		if got := strings.Join(kinds, " "); got != tt.kinds {
			t.Errorf("%s: notices %q, want %q", tt.payload, got, tt.kinds)
		}
	}
}

// Where the rules are at hand an event is decided upon at once; what does not go
// smoothly is left to the stage.
func TestOutright(t *testing.T) {
	respond := func(_ context.Context, inst *engine.TriggerInstance) (Response, error) {
		switch string(inst.Payload) {
		case `{"say":"panic"}`:
			panic("on purpose")
		case `{"say":"break"}`:
			return Response{}, errors.New("broken")
		}
		return Response{Requests: []Request{{Action: "test.act"}}}, nil
	}
	b := newBench(t, respond)
	b.options.Decides = true
	b.store.Close()
	b.open()
	waiting := func() int {
		t.Helper()
		stats, err := b.store.QueueStats(t.Context(), QueueTriggers)
		if err != nil {
			t.Fatal(err)
		}
		return stats.Ready
	}
	id := b.dispatch(`{"n":5}`)
	if inst := b.settled(id); inst.Status != engine.InstanceProcessed || waiting() != 0 {
		t.Errorf("decided at once: %+v, %d wait", inst, waiting())
	}
	list := b.enforcements(id)
	if len(list) != 1 || list[0].Status != engine.Succeeded {
		t.Fatalf("enforcements %+v", list)
	}
	say := func(payload string) string {
		t.Helper()
		r, err := b.service.Dispatch(t.Context(), Dispatch{Trigger: "test.command", Payload: json.RawMessage(payload), DeliveryID: payload})
		if err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	said := say(`{"say":"run"}`)
	if again := say(`{"say":"run"}`); again != said || waiting() != 0 {
		t.Errorf("delivered again: %s and %s, %d wait", said, again, waiting())
	}
	left := []string{say(`{"say":"break"}`), say(`{"say":"panic"}`)}
	for _, id := range left {
		d, err := Instances.Get(t.Context(), b.store, id)
		if err != nil || d.Value.Status != engine.InstancePending {
			t.Errorf("left to the stage: %+v, %v", d, err)
		}
	}
	if waiting() != 2 {
		t.Errorf("%d wait for the stage, want 2", waiting())
	}
	b.work()
	if e := b.ended(list[0].ExecutionID); e.Status != engine.Succeeded {
		t.Errorf("the action ended %s", e.Status)
	}
	if e := b.ended(engine.DeriveID(said, "responder", "0")); e.Status != engine.Succeeded {
		t.Errorf("the command ended %s", e.Status)
	}
	if inst := b.settled(left[0]); inst.Status != engine.InstanceProcessErr || !strings.Contains(inst.Problem, "broken") {
		t.Errorf("broken: %+v", inst)
	}
}

// notice takes the next notice from the outbox.
func (b *bench) notice() Notice {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	items, err := b.store.Lease(ctx, store.LeaseRequest{Queue: QueueOutbox, Holder: "test", Max: 1, TTL: time.Minute})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.Commit(ctx, &store.Batch{Acks: items}); err != nil {
		b.t.Fatal(err)
	}
	var n Notice
	if err := json.Unmarshal(items[0].Body, &n); err != nil {
		b.t.Fatal(err)
	}
	return n
}

func TestAgain(t *testing.T) {
	b := newBench(t, nil)
	b.work()
	first, err := b.service.Request(t.Context(), Request{Action: "test.act", Parameters: json.RawMessage(`{"n":5}`)})
	if err != nil {
		t.Fatal(err)
	}
	b.ended(first.ID)
	o := AgainOptions{Key: "press-1", User: "bob"}
	second, err := b.service.Again(t.Context(), first.ID, o)
	if err != nil {
		t.Fatal(err)
	}
	same, err := b.service.Again(t.Context(), first.ID, o)
	if err != nil || same.ID != second.ID {
		t.Errorf("the same press made %s, %v", same.ID, err)
	}
	if e := b.ended(second.ID); e.Status != engine.Succeeded || e.Context.User != "bob" || string(e.Parameters) != string(first.Parameters) {
		t.Errorf("second run: %+v", e)
	}
}

// The configuration of a pack is there for templates and for the runner.
func TestPackConfig(t *testing.T) {
	b := newBench(t, nil)
	config, err := params.CompileConfig("test", []byte(`{"host":{"default":"web1"}}`), []byte(`{"port":"{{ 80 }}"}`))
	if err != nil {
		t.Fatal(err)
	}
	b.content.configs = map[string]*params.Config{"test": config}
	b.content.actions = append(b.content.actions,
		action("test.where", `{"url":{"type":"string","default":"{{config_context.host}}:{{config_context.port}}"}}`, false),
		action("broken.act", `{}`, false))
	b.puppet.will(func(_ context.Context, job runners.Job) (runners.Outcome, error) {
		url, _ := job.Params.GetString("url")
		body, err := value.AppendJSON(nil, value.DictOf("url", url, "config", job.Config))
		return runners.Outcome{Status: engine.Succeeded, Result: body}, err
	})
	b.work()
	made, err := b.service.Request(t.Context(), Request{Action: "test.where"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"url":"web1:80","config":{"port":"80","host":"web1"}}`
	if e := b.ended(made.ID); string(e.Result) != want {
		t.Errorf("got %s, want %s", e.Result, want)
	}
	if _, err := b.service.Request(t.Context(), Request{Action: "broken.act"}); err == nil || !strings.Contains(err.Error(), "broken.yaml:1: no good") {
		t.Errorf("a broken configuration: %v", err)
	}
}
