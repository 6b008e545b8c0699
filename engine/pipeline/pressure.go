package pipeline

import (
	"context"
	"fmt"
	"sync"
	"time"

	"petrel/engine"
)

// pressure keeps an eye on how much waits, so that intake can refuse more than
// the workers can keep up with, instead of piling it up without end.
type pressure struct {
	limit int

	mu      sync.Mutex
	looked  time.Time
	waiting int
}

// pressureAge is how old the count of waiting items may be.
const pressureAge = 250 * time.Millisecond

// checkPressure fails with Unavailable when too much waits.
func (s *Service) checkPressure(ctx context.Context) error {
	p := &s.pressure
	if p.limit <= 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := s.now(); now.Sub(p.looked) >= pressureAge || now.Before(p.looked) {
		waiting, err := s.waiting(ctx)
		if err != nil {
			return &engine.Error{Code: engine.Unavailable, Message: busy, Err: err}
		}
		p.waiting, p.looked = waiting, now
	}
	if p.waiting >= p.limit {
		return &engine.Error{
			Code: engine.Unavailable, Message: busy,
			Err: fmt.Errorf("%d items wait, the limit is %d", p.waiting, p.limit),
		}
	}
	return nil
}

// busy is what a caller is told whose work was not taken in.
const busy = "Petrel is busy and did not take this; try again in a moment"

// waiting counts what waits in the queues of triggers and actions.
func (s *Service) waiting(ctx context.Context) (int, error) {
	total := 0
	for _, queue := range s.current().queues() {
		stats, err := s.store.QueueStats(ctx, queue)
		if err != nil {
			return 0, err
		}
		total += stats.Ready
	}
	return total, nil
}
