package server

import (
	"context"
	"errors"
	"slices"
	"time"

	"petrel/bot/api"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/engine/sensors/schedule"
	"petrel/store"
)

// nextTicks lists the timers that enabled rules ask for and when each fires next. An
// interval counts from its last firing; one that has not fired counts from the start
// of the process that fires timers, which others do not know.
func (s *Server) nextTicks(ctx context.Context) ([]api.Timer, error) {
	var list []api.Timer
	at := map[string]int{}
	for _, rule := range s.library.Snapshot().Rules() {
		switch rule.Trigger.Type {
		case engine.TriggerIntervalTimer, engine.TriggerDateTimer, engine.TriggerCronTimer:
		default:
			continue
		}
		key, err := rule.Trigger.Key()
		if err != nil || !rule.Enabled {
			continue
		}
		id := rule.Trigger.Type + " " + key
		if n, known := at[id]; known {
			list[n].Rules = append(list[n].Rules, rule.Ref)
			continue
		}
		t := api.Timer{ID: key, Type: rule.Trigger.Type, Parameters: rule.Trigger.Parameters, Rules: []string{rule.Ref}}
		if t.Last, err = s.lastTick(ctx, rule.Trigger.Type, key); err != nil {
			return nil, err
		}
		t.Next, t.Problem = nextTick(rule, t.Last, time.Now())
		at[id] = len(list)
		list = append(list, t)
	}
	slices.SortStableFunc(list, func(a, b api.Timer) int {
		switch {
		case a.Next == nil && b.Next == nil:
			return 0
		case a.Next == nil:
			return 1
		case b.Next == nil:
			return -1
		}
		return a.Next.Compare(*b.Next)
	})
	return list, nil
}

func nextTick(rule *engine.Rule, last *time.Time, now time.Time) (*time.Time, string) {
	plan, err := schedule.Parse(rule.Trigger.Type, rule.Trigger.Parameters)
	if err != nil {
		return nil, err.Error()
	}
	from := now
	if rule.Trigger.Type == engine.TriggerIntervalTimer {
		if last == nil {
			return nil, "has not fired yet: one interval after the start"
		}
		from = *last
	}
	next, ok := plan.Next(from)
	if !ok {
		return nil, "lies in the past"
	}
	if next.Before(now) && rule.Trigger.Type == engine.TriggerIntervalTimer {
		return nil, "was not fired in time: nobody fires timers, or it was stopped since"
	}
	return &next, ""
}

// maxTicksLooked bounds the search for the last firing of a timer.
const maxTicksLooked = 2000

// lastTick is when a timer fired last, as far as that is on record.
func (s *Server) lastTick(ctx context.Context, trigger, key string) (*time.Time, error) {
	q := store.Query{Index: "trigger", Value: trigger, Desc: true, Limit: 200}
	for looked := 0; looked < maxTicksLooked; looked += q.Limit {
		docs, next, err := pipeline.Instances.List(ctx, s.store, q)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		for _, d := range docs {
			if d.Value.Key == key {
				return &d.Value.OccurrenceTime, nil
			}
		}
		if q.After = next; next == "" {
			break
		}
	}
	return nil, nil
}
