package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
	"sync"
	"time"

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
	// Slots is how many actions may run at once.
	Slots int
	// APIURL is handed to actions as ST2_ACTION_API_URL.
	APIURL string
}

// Workers carry out the stages of a Service.
type Workers struct {
	*Service
	node    string
	runners *runners.Registry
	slots   int
	apiURL  string

	mu      sync.Mutex
	running map[string]context.CancelCauseFunc // by execution ID
}

// NewWorkers puts Workers together.
func NewWorkers(s *Service, o WorkerOptions) *Workers {
	return &Workers{
		Service: s, node: o.Node, runners: o.Runners, slots: o.Slots, apiURL: o.APIURL,
		running: make(map[string]context.CancelCauseFunc),
	}
}

// Stages returns the consumers of the trigger and action queues.
func (w *Workers) Stages() []*Stage {
	return []*Stage{
		{
			Queue: QueueTriggers, Slots: 16, Store: w.store, Holder: w.node, Logger: w.log,
			Handle: w.handleTrigger, Bury: w.buryTrigger,
		},
		{
			Queue: QueueActions, Slots: w.slots, Store: w.store, Holder: w.node, Logger: w.log,
			Handle: w.handleAction, Bury: w.buryAction,
		},
	}
}

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

// WatchCancels ends the work of executions that somebody cancels, in this
// process or another. It runs until ctx ends.
func (w *Workers) WatchCancels(ctx context.Context) error {
	after, err := w.store.LastEvent(ctx)
	for backoff := 100 * time.Millisecond; ; {
		var events []store.Event
		if err == nil {
			events, err = w.store.Events(ctx, after, 256)
		}
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
			err = nil
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
