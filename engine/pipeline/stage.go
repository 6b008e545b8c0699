package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"petrel/engine/runners"
	"petrel/store"
)

// Names of the queues between the stages.
const (
	QueueTriggers = "triggers"
	QueueOutbox   = "outbox"
)

// QueueActions is the queue of the actions of one runner. Each has its own, so
// that slow ones of one kind do not hold up the quick ones of another.
func QueueActions(runner string) string { return "actions." + runner }

// leaseTTL is how long a silent worker keeps its items. Leases are renewed at a
// third of it, so two renewals may be lost before an item moves.
const leaseTTL = 15 * time.Second

// maxDeliveries is after how many deliveries an item is given up.
const maxDeliveries = 10

// Stage consumes one queue: it leases items, hands each to Handle in its own
// goroutine, at most Slots at a time, and keeps their leases alive meanwhile.
type Stage struct {
	Queue string
	Slots int
	Store store.Backend
	// Holder is the stable name of this consumer in the deployment.
	Holder string
	// Handle does the work of an item and commits the batch that acknowledges
	// it. On an error the item is handed back and comes again later. Its
	// context ends, with a cause, when the lease is lost or the program stops.
	Handle func(ctx context.Context, item store.Item) error
	// Bury is called for an item that failed too often. It commits the batch
	// that acknowledges it and records why.
	Bury   func(ctx context.Context, item store.Item, cause error) error
	Logger *slog.Logger

	mu   sync.Mutex
	held map[string]*heldItem // by token
}

type heldItem struct {
	item   store.Item
	cancel context.CancelCauseFunc
}

// Run consumes until intake ends, then waits for the items in work. Ending work
// ends those too: their Handle sees runners.ErrShutdown as the cause.
func (s *Stage) Run(intake, work context.Context) error {
	s.held = make(map[string]*heldItem)
	slots := make(chan struct{}, s.Slots)
	var busy sync.WaitGroup
	stopBeat := make(chan struct{})
	var beat sync.WaitGroup
	beat.Go(func() { s.heartbeat(work, stopBeat) })
	defer beat.Wait()
	defer close(stopBeat)
	defer busy.Wait()

	for backoff := time.Duration(0); ; {
		select {
		case slots <- struct{}{}:
		case <-intake.Done():
			return nil
		}
		free := 1
		for free < s.Slots {
			select {
			case slots <- struct{}{}:
				free++
				continue
			default:
			}
			break
		}
		items, err := s.Store.Lease(intake, store.LeaseRequest{Queue: s.Queue, Holder: s.Holder, Max: free, TTL: leaseTTL})
		for range free - len(items) {
			<-slots
		}
		if err != nil {
			if intake.Err() != nil {
				return nil
			}
			if errors.Is(err, store.ErrClosed) {
				return fmt.Errorf("consume %s: %w", s.Queue, err)
			}
			backoff = min(max(2*backoff, 100*time.Millisecond), 5*time.Second)
			s.Logger.Error("lease failed", "queue", s.Queue, "error", err, "retry_in", backoff)
			if !wait(intake, backoff) {
				return nil
			}
			continue
		}
		backoff = 0
		for _, item := range items {
			ctx, held := s.hold(work, item)
			busy.Go(func() {
				defer func() { <-slots }()
				defer s.drop(held)
				s.process(ctx, item)
			})
		}
	}
}

func (s *Stage) hold(work context.Context, item store.Item) (context.Context, *heldItem) {
	ctx, cancel := context.WithCancelCause(work)
	h := &heldItem{item: item, cancel: cancel}
	s.mu.Lock()
	s.held[item.Token] = h
	s.mu.Unlock()
	return ctx, h
}

func (s *Stage) drop(h *heldItem) {
	h.cancel(nil)
	s.mu.Lock()
	delete(s.held, h.item.Token)
	s.mu.Unlock()
}

// process runs the handler and deals with its failure.
func (s *Stage) process(ctx context.Context, item store.Item) {
	var err error
	if item.Deliveries > maxDeliveries {
		err = s.Bury(ctx, item, fmt.Errorf("given up after %d deliveries", maxDeliveries))
	} else {
		err = s.handle(ctx, item)
	}
	if err == nil {
		return
	}
	log := s.Logger.With("queue", s.Queue, "item", item.ID, "delivery", item.Deliveries)
	if errors.Is(err, store.ErrLeaseLost) || errors.Is(context.Cause(ctx), store.ErrLeaseLost) {
		log.Warn("the lease was lost; another worker has the item", "error", err)
		return
	}
	delay, undo := retryDelay(item.Deliveries), false
	switch {
	case errors.Is(context.Cause(ctx), runners.ErrShutdown):
		delay, undo = 0, true
		log.Info("handed back, the program is stopping")
	case errors.Is(err, store.ErrConflict):
		delay, undo = 0, true
		log.Debug("lost a race, will be done again", "error", err)
	default:
		log.Error("failed, will be tried again", "error", err, "retry_in", delay)
	}
	// The item must go back even when ctx has ended; the bound keeps a stop prompt.
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.Store.Release(back, item, delay, undo); err != nil && !errors.Is(err, store.ErrLeaseLost) {
		log.Error("could not be handed back; it comes again when its lease ends", "error", err)
	}
}

// handle turns a panic of a handler into an error: one bad item must not take
// the program down with everything else in it.
func (s *Stage) handle(ctx context.Context, item store.Item) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
			s.Logger.Error("panic in a stage", "queue", s.Queue, "item", item.ID, "panic", p, "stack", stack())
		}
	}()
	return s.Handle(ctx, item)
}

// heartbeat renews the leases of the items in work.
func (s *Stage) heartbeat(ctx context.Context, stop <-chan struct{}) {
	tick := time.NewTicker(leaseTTL / 3)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		s.mu.Lock()
		items := make([]store.Item, 0, len(s.held))
		for _, h := range s.held {
			items = append(items, h.item)
		}
		s.mu.Unlock()
		if len(items) == 0 {
			continue
		}
		lost, err := s.Store.Extend(ctx, items, leaseTTL)
		if err != nil {
			s.Logger.Error("leases could not be renewed", "queue", s.Queue, "items", len(items), "error", err)
			continue
		}
		for _, item := range lost {
			s.mu.Lock()
			h := s.held[item.Token]
			s.mu.Unlock()
			if h != nil {
				h.cancel(store.ErrLeaseLost)
			}
		}
	}
}

// retryDelay grows from 100 ms to 30 s with the number of deliveries.
func retryDelay(deliveries int) time.Duration {
	d := 100 * time.Millisecond << min(deliveries-1, 9)
	return min(d, 30*time.Second)
}

// wait sleeps and reports whether ctx is still alive.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
