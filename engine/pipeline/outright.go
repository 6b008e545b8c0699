package pipeline

import (
	"context"
	"time"

	"petrel/engine"
	"petrel/store"
)

// outrightLimit is how long intake may take to decide. What takes longer, because
// a criterion has to ask around, is left to the stage.
const outrightLimit = 100 * time.Millisecond

// outright adds an event to the batch together with what follows from it, where
// this process decides about events anyway: one commit instead of two, and no
// queue in between. It returns false, and leaves the batch alone, when that does
// not go smoothly; the stage decides then, tries again and files the reason.
func (s *Service) outright(ctx context.Context, inst engine.TriggerInstance, b *store.Batch) (ok bool) {
	if !s.decides {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, outrightLimit)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			ok = false
			s.log.Error("panic while deciding about an event", "trigger_instance", inst.ID, "panic", p, "stack", stack())
		}
	}()
	inst.Status = engine.InstanceProcessed
	var whole store.Batch
	if err := s.decide(ctx, &inst, &whole); err != nil || ctx.Err() != nil {
		return false
	}
	if err := s.addInstance(&whole, &inst); err != nil {
		return false
	}
	*b = whole
	return true
}
