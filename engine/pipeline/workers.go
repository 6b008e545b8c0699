package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"petrel/engine"
	"petrel/engine/runners"
	"petrel/store"
)

// SystemUser is on whose behalf rules act.
const SystemUser = "stanley"

// WorkerOptions is what Workers need beside the Service.
type WorkerOptions struct {
	// Node is the stable name of this process in the deployment.
	Node    string
	Runners *runners.Registry
	// Rules and Actions say which stages this process takes part in. Workflows and
	// inquiries go with the rules: they decide what comes next.
	Rules, Actions bool
	// Slots is how many actions of one runner may run at once.
	Slots int
	// MaxResult is how many bytes a result may have; 0 means DefaultMaxResult.
	MaxResult int
	// ValidateOutput holds results to the output schemas of actions.
	ValidateOutput bool
	// APIURL is handed to actions as ST2_ACTION_API_URL.
	APIURL string
}

// Workers carry out the stages of a Service.
type Workers struct {
	*Service
	node    string
	runners *runners.Registry
	rules   bool
	actions bool
	slots   int
	apiURL  string

	maxResult      int
	validateOutput bool

	gates gateLocks
	flows flowCache
	plans plans

	mu      sync.Mutex
	running map[string]context.CancelCauseFunc // by execution ID
}

// NewWorkers puts Workers together.
func NewWorkers(s *Service, o WorkerOptions) *Workers {
	return &Workers{
		Service: s, node: o.Node, runners: o.Runners, rules: o.Rules, actions: o.Actions, slots: o.Slots, apiURL: o.APIURL,
		maxResult: o.MaxResult, validateOutput: o.ValidateOutput,
		running: make(map[string]context.CancelCauseFunc),
	}
}

// Run consumes the trigger and action queues until intake ends, then waits for
// what is in work; see Stage.Run. The first part that fails stops the others.
func (w *Workers) Run(intake, work context.Context) error {
	intake, stop := context.WithCancel(intake)
	defer stop()
	// The place in the event log is taken before any action runs, so that the
	// cancel of none is missed.
	after, err := w.store.LastEvent(intake)
	if intake.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch for cancels: %w", err)
	}
	var group errgroup.Group
	start := func(f func() error) {
		group.Go(func() error {
			defer stop()
			return f()
		})
	}
	start(func() error { return w.watchCancels(intake, after) })
	group.Go(func() error { return w.tendGates(intake) })
	for _, s := range w.stages() {
		s.Store, s.Holder, s.Logger = w.store, w.node, w.log
		start(func() error { return s.Run(intake, work) })
	}
	return group.Wait()
}

// stages lists the consumers that this process runs.
func (w *Workers) stages() []*Stage {
	var list []*Stage
	if w.rules {
		list = append(list,
			&Stage{Queue: QueueTriggers, Slots: triggerSlots, Handle: w.handleTrigger, Bury: w.buryTrigger},
			&Stage{Queue: QueueWorkflows, Slots: flowSlots, Handle: w.handleFlow, Bury: w.buryFlow},
			&Stage{Queue: QueueInquiries, Slots: flowSlots, Handle: w.handleInquiry, Bury: w.buryInquiry},
		)
	}
	if w.actions {
		for _, spec := range w.runners.Specs() {
			if engine.Conducted(spec.Name) {
				continue
			}
			slots := w.slots
			if spec.Quick {
				slots *= quickFactor
			}
			list = append(list, &Stage{Queue: QueueActions(spec.Name), Slots: slots, Handle: w.handleAction, Bury: w.buryAction})
		}
	}
	return list
}

// triggerSlots is how many instances are decided upon at once. Deciding takes
// no time but that of the commit, which many can share.
const triggerSlots = 192

// quickFactor is how many times more actions of a quick runner may run at once.
const quickFactor = 4

// track makes the work of an execution cancelable until forget is called.
func (w *Workers) track(ctx context.Context, id string) (_ context.Context, forget func()) {
	ctx, end := context.WithCancelCause(ctx)
	w.mu.Lock()
	w.running[id] = end
	w.mu.Unlock()
	return ctx, func() {
		w.mu.Lock()
		delete(w.running, id)
		w.mu.Unlock()
		end(nil)
	}
}

// watchCancels ends the work of executions that somebody cancels, in this
// process or another, until ctx ends.
func (w *Workers) watchCancels(ctx context.Context, after uint64) error {
	for backoff := 100 * time.Millisecond; ; {
		events, err := w.store.Events(ctx, after, 256)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, store.ErrClosed) {
				return err
			}
			w.log.Error("event log cannot be read", "error", err, "retry_in", backoff)
			if !wait(ctx, backoff) {
				return nil
			}
			backoff = min(2*backoff, 5*time.Second)
			continue
		}
		backoff = 100 * time.Millisecond
		for _, ev := range events {
			after = ev.Seq
			w.noticeCancel(ev)
		}
	}
}

func (w *Workers) noticeCancel(ev store.Event) {
	if ev.Type != EventExecution {
		return
	}
	w.mu.Lock()
	end := w.running[ev.Key]
	w.mu.Unlock()
	if end == nil {
		return
	}
	var e ExecutionEvent
	if err := json.Unmarshal(ev.Body, &e); err != nil {
		w.log.Error("unreadable event", "event", ev.Seq, "error", err)
		return
	}
	if e.Status == engine.Canceling {
		end(runners.ErrCanceled)
	}
}

// stack is the present goroutine's stack, for the log of a panic.
func stack() string { return string(debug.Stack()) }
