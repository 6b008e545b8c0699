// Package sensors turns what happens outside into trigger instances: timers
// here, sensor processes beside. It decides when something is emitted; what it
// sets off is not its business.
package sensors

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"petrel/engine"
	"petrel/engine/sensors/schedule"
)

// Tick is one firing of a timer. DeliveryID is the same for the same tick of
// the same timer in every process.
type Tick struct {
	Trigger, Key string
	Payload      json.RawMessage
	DeliveryID   string
	TraceTag     string
}

// Timers fires the timers that enabled rules ask for. Rules with equal
// parameters share one timer.
type Timers struct {
	// Rules returns the present rules and a channel that is closed when there
	// are others.
	Rules func() (rules []*engine.Rule, replaced <-chan struct{})
	// Fire makes a tick durable.
	Fire   func(ctx context.Context, t Tick) error
	Logger *slog.Logger

	active map[timerID]*timer
}

type timerID struct{ trigger, key string }

type timer struct {
	id       timerID
	schedule schedule.Schedule
	tick     time.Time // the firing that comes next
	next     time.Time // when it is tried: at tick, later after a failure
}

// retryAfter is how soon a tick that could not be recorded is tried again.
const retryAfter = time.Second

// Run fires timers until ctx ends. The first tick of an interval comes one
// interval after Run began; nothing is caught up.
func (t *Timers) Run(ctx context.Context) error {
	t.active = make(map[timerID]*timer)
	for {
		rules, replaced := t.Rules()
		t.update(rules, time.Now())
		t.fireUntil(ctx, replaced)
		if ctx.Err() != nil {
			return nil
		}
	}
}

// fireUntil fires what is due until the rules change or ctx ends.
func (t *Timers) fireUntil(ctx context.Context, replaced <-chan struct{}) {
	for {
		var due <-chan time.Time
		var alarm *time.Timer
		if next, ok := t.earliest(); ok {
			alarm = time.NewTimer(time.Until(next))
			due = alarm.C
		}
		select {
		case <-ctx.Done():
		case <-replaced:
		case <-due:
		}
		if alarm != nil {
			alarm.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case <-replaced:
			return
		default:
			t.fire(ctx, time.Now())
		}
	}
}

func (t *Timers) earliest() (time.Time, bool) {
	var next time.Time
	for _, e := range t.active {
		if next.IsZero() || e.next.Before(next) {
			next = e.next
		}
	}
	return next, !next.IsZero()
}

// update brings the active timers in line with the rules. A timer that stays
// keeps its next tick.
func (t *Timers) update(rules []*engine.Rule, now time.Time) {
	wanted := make(map[timerID]*timer)
	for _, rule := range rules {
		switch rule.Trigger.Type {
		case engine.TriggerIntervalTimer, engine.TriggerDateTimer, engine.TriggerCronTimer:
		default:
			continue
		}
		if !rule.Enabled {
			continue
		}
		key, err := rule.Trigger.Key()
		if err != nil {
			t.Logger.Error("timer is not started", "rule", rule.Ref, "error", err)
			continue
		}
		id := timerID{rule.Trigger.Type, key}
		if wanted[id] != nil {
			continue
		}
		if old := t.active[id]; old != nil {
			wanted[id] = old
			continue
		}
		s, err := schedule.Parse(rule.Trigger.Type, rule.Trigger.Parameters)
		if err != nil {
			t.Logger.Error("timer is not started", "rule", rule.Ref, "error", err)
			continue
		}
		next, ok := s.Next(now)
		if !ok {
			t.Logger.Warn("timer lies in the past and is not started", "rule", rule.Ref)
			continue
		}
		t.Logger.Info("timer started", "rule", rule.Ref, "next", next)
		wanted[id] = &timer{id: id, schedule: s, tick: next, next: next}
	}
	t.active = wanted
}

// fire emits the ticks that are due, one for each timer even when several were
// missed.
func (t *Timers) fire(ctx context.Context, now time.Time) {
	for _, id := range slices.SortedFunc(maps.Keys(t.active), func(a, b timerID) int { return t.active[a].next.Compare(t.active[b].next) }) {
		e := t.active[id]
		if e.next.After(now) {
			return
		}
		if err := t.emit(ctx, e, now); err != nil {
			if ctx.Err() != nil {
				return
			}
			t.Logger.Error("tick could not be recorded, will be tried again", "timer", id.trigger, "tick", e.tick, "error", err)
			e.next = now.Add(retryAfter)
			continue
		}
		next, ok := e.schedule.Next(now)
		if !ok {
			delete(t.active, id)
			continue
		}
		e.tick, e.next = next, next
	}
}

// emit records one tick.
func (t *Timers) emit(ctx context.Context, e *timer, now time.Time) error {
	payload, err := json.Marshal(map[string]any{
		"executed_at": now.UTC().Format("2006-01-02 15:04:05.000000+00:00"), "schedule": nil,
	})
	if err != nil {
		return fmt.Errorf("encode the payload of a timer: %w", err)
	}
	return t.Fire(ctx, Tick{
		Trigger: e.id.trigger, Key: e.id.key, Payload: payload,
		DeliveryID: fmt.Sprintf("timer/%s/%s/%d", e.id.trigger, e.id.key, e.tick.UnixMilli()),
		TraceTag:   e.id.trigger + "-" + e.id.key,
	})
}
