package pipeline

import "petrel/store"

// DispatchWithin adds to a batch what records an event, so that the event happens
// together with what else the batch holds. Nobody is asked whether too much waits.
func (s *Service) DispatchWithin(b *store.Batch, d Dispatch) error {
	inst := s.instance(d)
	return s.addInstance(b, &inst)
}
