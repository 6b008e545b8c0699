package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/policies"
	"petrel/engine/runners"
	"petrel/store"
)

// Concurrency policies. Each action that has some has a gate: a document that says
// who holds its slots. Whoever takes a slot, frees one or gets in line replaces the
// gate, guarded by its revision, in the batch that changes the execution. So no two
// decide upon the same state, nobody gets in line behind a slot that is being freed,
// and what a slot is freed for is pushed to its queue in the batch that frees it.
var (
	// Gates has an entry for each action whose executions were limited; the ID is the
	// ref of the action.
	Gates = store.Collection[policies.Gate]{Name: "policy_gates"}
	// Line has an entry for each execution that waits for slots; the ID is its.
	Line = store.Collection[LineEntry]{
		Name: "policy_line",
		Index: func(l *LineEntry) []store.IndexEntry {
			entries := []store.IndexEntry{{Index: "action", Value: l.Action, Sort: l.place()}}
			for _, key := range l.Keys {
				entries = append(entries, store.IndexEntry{Index: "key", Value: key, Sort: l.place()})
			}
			return entries
		},
	}
)

// LineEntry is the place of an execution in the line for slots.
type LineEntry struct {
	Action string      `json:"action"`
	Keys   []string    `json:"keys"` // of which it needs a slot each
	Since  time.Time   `json:"since"`
	Queue  string      `json:"queue"` // where its item goes when its turn has come
	Group  string      `json:"group,omitempty"`
	Lane   engine.Lane `json:"lane"`
}

func (l *LineEntry) place() string { return sortTime(l.Since) }

// settleLimit bounds the reads that freeing a slot takes.
const settleLimit = 5 * time.Second

// linePage is how many of those in line are read at a time, maxWake how many are let
// through by one batch: more are only possible when a policy has changed.
const (
	linePage = 50
	maxWake  = 200
)

// gate is the gate of an action while a batch changes it.
type gate struct {
	doc    store.Doc[policies.Gate]
	limits []policies.Limit
	put    int // where the batch has it, -1: not yet
}

// gateLocks lets the goroutines of one process take turns at a gate, which is
// cheaper than to lose a race.
type gateLocks struct {
	mu    sync.Mutex
	locks map[string]*sync.Mutex
}

func (g *gateLocks) lock(action string) (unlock func()) {
	g.mu.Lock()
	if g.locks == nil {
		g.locks = map[string]*sync.Mutex{}
	}
	l := g.locks[action]
	if l == nil {
		l = &sync.Mutex{}
		g.locks[action] = l
	}
	g.mu.Unlock()
	l.Lock()
	return sync.OnceFunc(l.Unlock)
}

// limits reads the concurrency policies of an action.
func (s *Service) limits(action string) ([]policies.Limit, error) {
	list, err := policies.Limits(s.current().content.Policies(action))
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "%v", err)
	}
	return list, nil
}

// openGate reads the gate of an action, as the batch leaves it so far.
func (s *Service) openGate(ctx context.Context, b *store.Batch, action string) (*gate, error) {
	limits, err := s.limits(action)
	if err != nil {
		s.log.Error("a policy cannot be used", "action", action, "error", err)
	}
	g := &gate{limits: limits, doc: store.Doc[policies.Gate]{ID: action}}
	g.put = slices.IndexFunc(b.Puts, func(p store.Put) bool { return p.Collection == Gates.Name && p.ID == action })
	if g.put >= 0 {
		g.doc.Rev = b.Puts[g.put].Rev
		return g, json.Unmarshal(b.Puts[g.put].Body, &g.doc.Value)
	}
	d, err := Gates.Get(ctx, s.store, action)
	if errors.Is(err, store.ErrNotFound) {
		return g, nil
	}
	g.doc = d
	return g, err
}

// record adds the gate to the batch.
func (g *gate) record(b *store.Batch) error {
	if g.put < 0 {
		g.put = len(b.Puts)
		return Gates.Put(b, g.doc)
	}
	body, err := json.Marshal(g.doc.Value)
	if err != nil {
		return fmt.Errorf("encode the gate of %s: %w", g.doc.ID, err)
	}
	b.Puts[g.put].Body = body
	return nil
}

// admit lets an execution through the policies of its action, before it begins. With
// go false it has been dealt with: it waits in line, or was canceled. Otherwise the
// caller commits the batch, in which the execution gets its slots, and calls done.
func (w *Workers) admit(ctx context.Context, d *store.Doc[engine.Execution], b *store.Batch, item store.Item) (through bool, done func(), err error) {
	e, done := &d.Value, func() {}
	limits, err := w.limits(e.Action.Ref)
	var refused *engine.Error
	if errors.As(err, &refused) {
		return false, done, w.complete(ctx, *d, item, runners.Failure(refused.Error()))
	}
	if len(limits) == 0 && !e.Gated {
		return true, done, nil
	}
	done = w.gates.lock(e.Action.Ref)
	g, err := w.openGate(ctx, b, e.Action.Ref)
	if err != nil {
		return false, done, err
	}
	state := &g.doc.Value
	if state.Holds(e.ID) {
		return true, done, nil
	}
	entry, waits, err := w.inLine(ctx, e.ID)
	if err != nil {
		return false, done, err
	}
	if !waits {
		entry = w.lineEntry(e, limits)
	}
	if state.Waiting > 0 { // those ahead come first, also when a policy has changed
		if err := w.wake(ctx, b, g, entry.Keys); err != nil {
			return false, done, err
		}
	}
	if state.Holds(e.ID) { // it was let through just now; its item is in our hands already
		b.Pushes = slices.DeleteFunc(b.Pushes, func(p store.Push) bool { return p.ID == e.ID })
		return true, done, g.record(b)
	}
	full := state.Full(entry.Keys, limits)
	switch {
	case len(full) == 0:
		if waits {
			Line.Delete(b, e.ID, store.AnyRev)
			state.Waiting--
		}
		state.Take(e.ID, entry.Keys)
		e.Gated = true
		return true, done, g.record(b)
	case !waits && cancels(limits, full):
		done()
		return false, done, w.complete(ctx, *d, item, runners.Outcome{Status: engine.Canceled, Result: tooMany(full[0], limits)})
	}
	return false, done, w.lineUp(ctx, d, b, g, entry, waits, item)
}

// inLine finds the place of an execution in the line.
func (s *Service) inLine(ctx context.Context, id string) (LineEntry, bool, error) {
	d, err := Line.Get(ctx, s.store, id)
	if errors.Is(err, store.ErrNotFound) {
		return LineEntry{}, false, nil
	}
	return d.Value, err == nil, err
}

// lineUp records that an execution waits, unless it is on record already.
func (w *Workers) lineUp(ctx context.Context, d *store.Doc[engine.Execution], b *store.Batch, g *gate, entry LineEntry, waits bool, item store.Item) error {
	e := &d.Value
	b.Acks = append(b.Acks, item)
	if waits {
		if err := g.record(b); err != nil {
			return err
		}
		return w.store.Commit(ctx, b)
	}
	e.Gated = true
	if e.Status != engine.Delayed {
		if err := e.MoveTo(engine.Delayed, w.now()); err != nil {
			return err
		}
	}
	g.doc.Value.Waiting++
	if err := g.record(b); err != nil {
		return err
	}
	if err := Line.Put(b, store.Doc[LineEntry]{ID: e.ID, Rev: store.AnyRev, Value: entry}); err != nil {
		return err
	}
	if err := w.putExecution(b, *d); err != nil {
		return err
	}
	return w.store.Commit(ctx, b)
}

// lineEntry says what slots an execution needs.
func (s *Service) lineEntry(e *engine.Execution, limits []policies.Limit) LineEntry {
	p := PushExecution(e)
	entry := LineEntry{Action: e.Action.Ref, Since: e.StartTimestamp, Queue: p.Queue, Group: p.Group, Lane: e.Lane}
	if e.NotBefore != nil { // a delay of its own comes before the line
		entry.Since = *e.NotBefore
	}
	parameter := s.parameterValues(e)
	for _, l := range limits {
		entry.Keys = append(entry.Keys, l.Key(parameter))
	}
	return entry
}

// parameterValues looks parameters up as they take effect.
func (s *Service) parameterValues(e *engine.Execution) func(string) json.RawMessage {
	var given map[string]json.RawMessage
	_ = json.Unmarshal(e.Parameters, &given) // our own; an object
	set := s.schemaOf(e)
	return func(name string) json.RawMessage {
		if v, ok := given[name]; ok || set == nil {
			return v
		}
		schema := set.params.Schema(name)
		if schema == nil {
			return nil
		}
		standard, _ := schema.GetString("default")
		raw, err := value.AppendJSON(nil, standard)
		if err != nil {
			return nil
		}
		return raw
	}
}

func cancels(limits []policies.Limit, full []string) bool {
	return slices.ContainsFunc(limits, func(l policies.Limit) bool {
		return l.Action == "cancel" && slices.ContainsFunc(full, func(key string) bool { return policies.PolicyOf(key) == l.Policy })
	})
}

func tooMany(key string, limits []policies.Limit) json.RawMessage {
	for _, l := range limits {
		if l.Policy == policies.PolicyOf(key) {
			return errorResult(fmt.Sprintf("canceled by the policy %s: no more than %d of this may run at a time", l.Policy, l.Threshold))
		}
	}
	return errorResult("canceled by a policy")
}

// afterwards adds what policies want done when an execution has ended: its slots go
// to those in line, and a failed one is tried again.
func (s *Service) afterwards(b *store.Batch, e *engine.Execution) error {
	if err := s.retry(b, e); err != nil {
		return err
	}
	if !e.Gated {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), settleLimit)
	defer cancel()
	err := s.leave(ctx, b, e)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("free the slots of execution %s: %w: %w", e.ID, store.ErrUnavailable, err)
	}
	return err
}

// leave takes an execution out of the gate or out of the line.
func (s *Service) leave(ctx context.Context, b *store.Batch, e *engine.Execution) error {
	g, err := s.openGate(ctx, b, e.Action.Ref)
	if err != nil {
		return err
	}
	if keys, held := g.doc.Value.Free(e.ID); held {
		if err := s.wake(ctx, b, g, keys); err != nil {
			return err
		}
		return g.record(b)
	}
	if _, waits, err := s.inLine(ctx, e.ID); err != nil || !waits {
		return err
	}
	Line.Delete(b, e.ID, store.AnyRev)
	g.doc.Value.Waiting--
	return g.record(b)
}

// wake lets those in line through who need a slot of one of the keys, as far as there
// are slots: in the order of the line, but one that needs another slot too, which is
// taken, does not hold up those behind it. The caller records the gate.
func (s *Service) wake(ctx context.Context, b *store.Batch, g *gate, keys []string) error {
	woken := 0
	for _, key := range keys {
		q := store.Query{Index: "key", Value: key, Limit: linePage}
		for g.doc.Value.Waiting > 0 && woken < maxWake && len(g.doc.Value.Full([]string{key}, g.limits)) == 0 {
			docs, next, err := Line.List(ctx, s.store, q)
			if err != nil {
				return err
			}
			for _, d := range docs {
				if s.letThrough(b, g, d) {
					woken++
				}
			}
			if q.After = next; next == "" {
				break
			}
		}
	}
	return nil
}

// letThrough gives one of those in line its slots, if there are any.
func (s *Service) letThrough(b *store.Batch, g *gate, d store.Doc[LineEntry]) bool {
	gone := slices.ContainsFunc(b.Deletes, func(x store.Delete) bool { return x.Collection == Line.Name && x.ID == d.ID })
	if gone || len(g.doc.Value.Full(d.Value.Keys, g.limits)) > 0 {
		return false
	}
	Line.Delete(b, d.ID, store.AnyRev)
	g.doc.Value.Waiting--
	g.doc.Value.Take(d.ID, d.Value.Keys)
	b.Pushes = append(b.Pushes, store.Push{Queue: d.Value.Queue, ID: d.ID, Group: d.Value.Group, Lane: int(d.Value.Lane)})
	return true
}

// retry adds a further try of an execution that has failed, when a policy wants one.
// Its delay is that of its item in the queue, so it outlives the process.
func (s *Service) retry(b *store.Batch, e *engine.Execution) error {
	if e.Status != engine.Failed && e.Status != engine.TimedOut {
		return nil
	}
	again, err := policies.Retry(s.current().content.Policies(e.Action.Ref), e)
	if err != nil {
		s.log.Error("a policy cannot be used", "action", e.Action.Ref, "error", err)
	}
	if again == nil {
		return nil
	}
	now := s.now()
	next := &engine.Execution{
		ID: RetryID(e.ID), Action: e.Action, Parameters: e.Parameters, Status: engine.Requested, Context: afresh(e.Context), Lane: e.Lane,
		StartTimestamp: now, Log: []engine.StatusChange{{Status: engine.Requested, Timestamp: now}},
		Rule: e.Rule, TriggerInstance: e.TriggerInstance, TraceID: e.TraceID, Origin: e.Origin, Notify: e.Notify,
	}
	next.Context.Policies = &engine.AppliedPolicies{Retry: &again.Retried}
	if engine.Conducted(e.Action.Runner) {
		next.Context.WorkflowExecution = engine.DeriveID(next.ID, "workflow")
	}
	if again.Delay > 0 {
		due := now.Add(again.Delay)
		next.NotBefore = &due
		if err := next.MoveTo(engine.Delayed, now); err != nil {
			return err
		}
	}
	s.log.Info("a failed action is tried again", "execution_id", next.ID, "retried", e.ID, "action", e.Action.Ref,
		"policy", again.Policy, "try", again.Count, "delay", again.Delay)
	return s.addExecution(b, next)
}

// RetryID is the ID of the further try of an execution, if there is one.
func RetryID(execution string) string { return engine.DeriveID(execution, "retry") }

// tendGates sets gates right at the start and whenever the content changes: a policy
// may let more through than before. Between, nobody looks: whoever frees a slot lets
// the next through.
func (w *Workers) tendGates(ctx context.Context) error {
	for {
		content := w.catalog.Current()
		if err := w.checkGates(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			w.log.Error("the lines of policies cannot be looked through", "error", err)
			if !wait(ctx, 5*time.Second) {
				return nil
			}
			continue
		}
		changing, ok := content.(interface{ Replaced() <-chan struct{} })
		if !ok {
			return nil
		}
		select {
		case <-changing.Replaced():
		case <-ctx.Done():
			return nil
		}
	}
}

func (w *Workers) checkGates(ctx context.Context) error {
	for after := ""; ; {
		docs, next, err := Gates.List(ctx, w.store, store.Query{After: after})
		if err != nil {
			return err
		}
		for _, d := range docs {
			for {
				more, err := w.checkGate(ctx, d.ID)
				if err != nil && !errors.Is(err, store.ErrConflict) {
					return err
				}
				if err == nil && !more {
					break
				}
			}
		}
		if after = next; next == "" {
			return nil
		}
	}
}

// checkGate frees what executions hold that have ended, lets through who can go, and
// reports whether there may be more of them.
func (w *Workers) checkGate(ctx context.Context, action string) (more bool, err error) {
	defer w.gates.lock(action)()
	var b store.Batch
	g, err := w.openGate(ctx, &b, action)
	if err != nil {
		return false, err
	}
	before := fmt.Sprint(g.doc.Value)
	for _, h := range slices.Clone(g.doc.Value.Holders) {
		d, err := Executions.Get(ctx, w.store, h.Execution)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		if err != nil || d.Value.Status.Completed() {
			g.doc.Value.Free(h.Execution)
		}
	}
	keys, err := w.keysInLine(ctx, action)
	if err != nil {
		return false, err
	}
	if err := w.wake(ctx, &b, g, keys); err != nil {
		return false, err
	}
	if before == fmt.Sprint(g.doc.Value) {
		return false, nil
	}
	if err := g.record(&b); err != nil {
		return false, err
	}
	return len(b.Pushes) >= maxWake, w.store.Commit(ctx, &b)
}

func (w *Workers) keysInLine(ctx context.Context, action string) ([]string, error) {
	var keys []string
	seen := map[string]bool{}
	for after := ""; ; {
		docs, next, err := Line.List(ctx, w.store, store.Query{Index: "action", Value: action, After: after})
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			if all := strings.Join(d.Value.Keys, "\x00"); !seen[all] {
				seen[all] = true
				for _, key := range d.Value.Keys {
					if !slices.Contains(keys, key) {
						keys = append(keys, key)
					}
				}
			}
		}
		if after = next; next == "" {
			return keys, nil
		}
	}
}
