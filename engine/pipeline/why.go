package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"petrel/engine"
	"petrel/engine/policies"
	"petrel/store"
)

// Why says what an execution waits for, or why it ended as it did.
type Why struct {
	ID      string        `json:"id"`
	Action  string        `json:"action"`
	Status  engine.Status `json:"status"`
	Summary string        `json:"summary"` // a sentence or two for people
	// Until is when a delay of its own is over.
	Until *time.Time `json:"until,omitempty"`
	// Waits are the slots that it stands in line for.
	Waits []Wait `json:"waits,omitempty"`
	// Queue is how much waits where its item is, when it waits for a worker.
	Queue *store.QueueStats `json:"queue,omitempty"`
	// Retries is what it is a further try of; RetriedAs the one after it.
	Retries   *engine.Retried `json:"retries,omitempty"`
	RetriedAs string          `json:"retried_as,omitempty"`
	// Rule and TriggerInstance are what set it off.
	Rule            string `json:"rule,omitempty"`
	TriggerInstance string `json:"trigger_instance,omitempty"`
}

// Wait is a policy that has no slot left for an execution.
type Wait struct {
	Policy     string   `json:"policy"`
	Threshold  int      `json:"threshold"`
	Attributes []string `json:"attributes,omitempty"` // whose values those that count together share
	Holders    []string `json:"holders"`              // the executions that have the slots
	Place      int      `json:"place"`                // in the line; 1 is next
	InLine     int      `json:"in_line"`
}

// Why explains how an execution stands. It fails with NotFound.
func (s *Service) Why(ctx context.Context, id string) (Why, error) {
	d, err := s.execution(ctx, id)
	if err != nil {
		return Why{}, err
	}
	e := &d.Value
	y := Why{ID: id, Action: e.Action.Ref, Status: e.Status, TriggerInstance: e.TriggerInstance}
	if e.Rule != nil {
		y.Rule = e.Rule.Ref
	}
	if e.Context.Policies != nil {
		y.Retries = e.Context.Policies.Retry
	}
	switch {
	case e.Status.Completed():
		err = s.whyEnded(ctx, e, &y)
	case e.Status == engine.Requested, e.Status == engine.Scheduled, e.Status == engine.Delayed:
		err = s.whyWaiting(ctx, e, &y)
	default:
		y.Summary = s.whyBegun(e)
	}
	return y, err
}

func (s *Service) whyEnded(ctx context.Context, e *engine.Execution, y *Why) error {
	y.Summary = fmt.Sprintf("It has ended: %s.", e.Status)
	if e.Status != engine.Succeeded {
		full, err := s.Execution(ctx, e.ID)
		if err != nil {
			return err
		}
		shown := s.Shown(&full)
		if text := clip(string(shown.Result), 500); text != "" {
			y.Summary += " Result: " + text
		}
	}
	if by := e.Context.CancelledBy; by != "" && e.Status == engine.Canceled {
		y.Summary += " It was canceled by " + by + "."
	}
	_, err := Executions.Get(ctx, s.store, RetryID(e.ID))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		y.RetriedAs = RetryID(e.ID)
		y.Summary += " It was tried again as " + y.RetriedAs + "."
	}
	return err
}

func clip(text string, max int) string {
	if runes := []rune(text); len(runes) > max {
		return string(runes[:max]) + "…"
	}
	return text
}

func (s *Service) whyBegun(e *engine.Execution) string {
	since := e.StartTimestamp
	if n := len(e.Log); n > 0 {
		since = e.Log[n-1].Timestamp
	}
	at := since.UTC().Format(time.RFC3339)
	switch e.Status {
	case engine.Running:
		if e.Worker == "" {
			return fmt.Sprintf("It runs since %s.", at)
		}
		return fmt.Sprintf("It runs on %s since %s.", e.Worker, at)
	case engine.Pending:
		return fmt.Sprintf("It waits for a person's answer since %s.", at)
	case engine.Paused, engine.Pausing:
		if e.Context.PausedBy != "" {
			return fmt.Sprintf("It is %s since %s, by %s; it goes on when it is resumed.", e.Status, at, e.Context.PausedBy)
		}
		return fmt.Sprintf("It is %s since %s: a task of it waits for an answer.", e.Status, at)
	case engine.Canceling:
		return fmt.Sprintf("It was canceled by %s; what it does has not ended yet.", e.Context.CancelledBy)
	}
	return fmt.Sprintf("It is %s since %s.", e.Status, at)
}

// whyWaiting tells what one that has not begun waits for.
func (s *Service) whyWaiting(ctx context.Context, e *engine.Execution, y *Why) error {
	if e.NotBefore != nil && e.NotBefore.After(s.now()) {
		y.Until = e.NotBefore
		y.Summary = "It is delayed until " + e.NotBefore.UTC().Format(time.RFC3339) + "."
		if y.Retries != nil {
			y.Summary = fmt.Sprintf("It is try %d of %s, which the policy %s delays until %s.",
				y.Retries.Count, y.Retries.Execution, y.Retries.Policy, e.NotBefore.UTC().Format(time.RFC3339))
		}
		return nil
	}
	entry, waits, err := s.inLine(ctx, e.ID)
	if err != nil {
		return err
	}
	if waits {
		if err := s.whyInLine(ctx, entry, y); err != nil {
			return err
		}
	}
	if len(y.Waits) > 0 {
		var words []string
		for _, w := range y.Waits {
			words = append(words, fmt.Sprintf("the policy %s lets %d run at a time, held by %s; it is number %d of %d in line",
				w.Policy, w.Threshold, strings.Join(w.Holders, ", "), w.Place, w.InLine))
		}
		y.Summary = "It waits: " + strings.Join(words, ", and ") + "."
		return nil
	}
	stats, err := s.store.QueueStats(ctx, PushExecution(e).Queue)
	if err != nil {
		return err
	}
	y.Queue = &stats
	y.Summary = fmt.Sprintf("It waits for a free worker: %d wait for one of runner %s, %d run.", stats.Ready, e.Action.Runner, stats.Leased)
	if e.Status == engine.Delayed {
		y.Summary = "Its turn has come. " + y.Summary
	}
	return nil
}

// whyInLine tells of the policies that have no slot left.
func (s *Service) whyInLine(ctx context.Context, entry LineEntry, y *Why) error {
	limits, err := s.limits(entry.Action)
	if err != nil {
		return err
	}
	d, err := Gates.Get(ctx, s.store, entry.Action)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, key := range d.Value.Full(entry.Keys, limits) {
		q := store.Query{Collection: Line.Name, Index: "key", Value: key}
		w := Wait{Policy: policies.PolicyOf(key), Holders: d.Value.Of(key)}
		if w.InLine, err = s.store.Count(ctx, q); err != nil {
			return err
		}
		q.To = entry.place()
		if w.Place, err = s.store.Count(ctx, q); err != nil {
			return err
		}
		w.Place++
		for _, l := range limits {
			if l.Policy == w.Policy {
				w.Threshold, w.Attributes = l.Threshold, l.Attributes
			}
		}
		y.Waits = append(y.Waits, w)
	}
	return nil
}
