package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"petrel/engine"
	"petrel/engine/runners"
	"petrel/store"
)

// Output of a running action is recorded in pieces, so that people see it while
// the action runs: every flushEvery, or when flushSize bytes have gathered. An
// action that ends before its first flush leaves no output records; its result
// holds everything.
const (
	flushEvery   = 250 * time.Millisecond
	flushSize    = 32 << 10
	maxUnflushed = 1 << 20 // beyond it the action has to wait for the store
)

// output gathers and records what one execution prints.
type output struct {
	w    *Workers
	e    *engine.Execution
	wake chan struct{} // there is something to flush
	done chan struct{} // the action has ended
	idle sync.WaitGroup

	mu      sync.Mutex
	room    *sync.Cond // pending shrank
	pending []OutputRecord
	size    int
	closed  bool
	seq     int
}

func newOutput(w *Workers, e *engine.Execution) *output {
	o := &output{w: w, e: e, wake: make(chan struct{}, 1), done: make(chan struct{})}
	o.room = sync.NewCond(&o.mu)
	return o
}

// write takes a piece of output. It waits only when the store is far behind.
func (o *output) write(stream runners.Stream, data []byte) {
	if len(data) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.size > maxUnflushed && !o.closed {
		o.room.Wait()
	}
	if o.closed {
		return
	}
	if o.seq == 0 && len(o.pending) == 0 {
		o.idle.Go(o.flusher)
	}
	o.append(stream, string(data))
	if o.size >= flushSize {
		select {
		case o.wake <- struct{}{}:
		default:
		}
	}
}

// append merges a piece into the last record when it continues it.
func (o *output) append(stream runners.Stream, data string) {
	o.size += len(data)
	if n := len(o.pending); n > 0 && o.pending[n-1].Type == string(stream) {
		o.pending[n-1].Data += data
		return
	}
	o.pending = append(o.pending, OutputRecord{
		ExecutionID: o.e.ID, ActionRef: o.e.Action.Ref, RunnerRef: o.e.Action.Runner,
		Timestamp: o.w.now(), Type: string(stream), Data: data,
	})
}

// flusher records what has gathered, until the action ends.
func (o *output) flusher() {
	t := time.NewTimer(flushEvery)
	defer t.Stop()
	flushed := false
	for {
		select {
		case <-t.C:
		case <-o.wake:
		case <-o.done:
			if flushed {
				o.flush()
			}
			return
		}
		o.flush()
		flushed = true
		t.Reset(flushEvery)
	}
}

// flush records the pending pieces. A failure is logged and the pieces dropped:
// the result still holds everything, and the action must not wait for ever.
func (o *output) flush() {
	o.mu.Lock()
	records := o.pending
	o.pending, o.size = nil, 0
	first := o.seq
	o.seq += len(records)
	o.room.Broadcast()
	o.mu.Unlock()
	if len(records) == 0 {
		return
	}
	var b store.Batch
	for i, r := range records {
		id := fmt.Sprintf("%s-%06d", o.e.ID, first+i)
		if err := Outputs.Put(&b, store.Doc[OutputRecord]{ID: id, Rev: store.AnyRev, Value: r}); err != nil {
			o.w.log.Error("output cannot be encoded", "execution_id", o.e.ID, "error", err)
			return
		}
	}
	b.Events = append(b.Events, store.Event{Type: EventOutput, Key: o.e.ID})
	if o.e.Origin != nil {
		if err := notify(&b, o.e.ID, o.e.Lane, o.e.Origin, Notice{Kind: NoticeExecution, Execution: o.e.ID}); err != nil {
			o.w.log.Error("progress cannot be encoded", "execution_id", o.e.ID, "error", err)
			return
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), recordLimitStop)
	defer cancel()
	if err := o.w.store.Commit(ctx, &b); err != nil {
		o.w.log.Warn("output could not be recorded while the action runs", "execution_id", o.e.ID, "error", err)
	}
}

// close records the rest and waits for it.
func (o *output) close() {
	o.mu.Lock()
	o.closed = true
	o.room.Broadcast()
	o.mu.Unlock()
	close(o.done)
	o.idle.Wait()
}
