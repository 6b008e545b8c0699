package server

import (
	"context"
	"time"

	"petrel/engine/pipeline"
)

// collectEvery is how often what is too old is removed.
const collectEvery = time.Hour

// collect removes what is older than it is to be kept, until ctx ends.
func (s *Server) collect(ctx context.Context) error {
	keep := s.cfg.Retention
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		removed, err := s.service.Collect(ctx, pipeline.Retention{
			Executions: keep.Executions.Std(), TriggerInstances: keep.TriggerInstances.Std(),
			Enforcements: keep.Enforcements.Std(), DeadLetters: keep.DeadLetters.Std(),
		})
		if !removed.Empty() {
			s.log.Info("old records were removed", "executions", removed.Executions, "trigger_instances", removed.TriggerInstances,
				"rule_enforcements", removed.Enforcements, "dead_letters", removed.DeadLetters, "output", removed.Output,
				"blobs", removed.Blobs, "task_records", removed.TaskRecords)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			s.log.Error("old records cannot be removed", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
