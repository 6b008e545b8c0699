package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/store"
)

// handleTrigger is the first stage: one trigger instance becomes the executions
// that rules and responders ask for, in one batch.
func (w *Workers) handleTrigger(ctx context.Context, item store.Item) error {
	d, err := Instances.Get(ctx, w.store, item.ID)
	if errors.Is(err, store.ErrNotFound) {
		return w.acknowledge(ctx, item)
	}
	if err != nil {
		return err
	}
	inst := &d.Value
	if inst.Status != engine.InstancePending {
		return w.acknowledge(ctx, item)
	}
	var b store.Batch
	problem := w.decide(ctx, inst, &b)
	inst.Status = engine.InstanceProcessed
	if problem != nil {
		inst.Status, inst.Problem = engine.InstanceProcessErr, problem.Error()
		w.log.Error("trigger instance could not be processed", "trigger_instance", inst.ID, "trigger", inst.Trigger, "error", problem)
		if inst.Origin != nil && len(b.Pushes) == 0 { // whoever waits for an answer gets this one
			n := Notice{Kind: NoticeRejection, Text: "This could not be processed: " + problem.Error()}
			if err := notify(&b, inst.ID, inst.Lane, inst.Origin, n); err != nil {
				return err
			}
		}
	}
	if err := Instances.Put(&b, d); err != nil {
		return err
	}
	b.Acks = append(b.Acks, item)
	return w.store.Commit(ctx, &b)
}

// decide adds to the batch what follows from an instance. The error is for the
// record of the instance; what the batch holds is done nevertheless.
func (s *Service) decide(ctx context.Context, inst *engine.TriggerInstance, b *store.Batch) error {
	if respond := s.responders[inst.Trigger]; respond != nil {
		if err := s.respond(ctx, respond, inst, b); err != nil {
			return err
		}
	}
	c := s.current()
	matches, err := c.match(ctx, inst)
	if err != nil {
		return err
	}
	for _, m := range matches {
		if err := s.enforce(ctx, inst, m, b); err != nil {
			return err
		}
	}
	return nil
}

// respond adds what the responder for this trigger type asks for. A request
// that cannot become an execution is answered with the reason.
func (s *Service) respond(ctx context.Context, respond Responder, inst *engine.TriggerInstance, b *store.Batch) error {
	answer, err := respond(ctx, inst)
	if err != nil {
		return fmt.Errorf("respond to %s: %w", inst.Trigger, err)
	}
	b.Puts, b.Deletes = append(b.Puts, answer.Puts...), append(b.Deletes, answer.Deletes...)
	for i, r := range answer.Requests {
		r.ID = engine.DeriveID(inst.ID, "responder", fmt.Sprint(i))
		r.Lane, r.Instance, r.TraceID = inst.Lane, inst.ID, inst.TraceID
		if r.Origin == nil {
			r.Origin = inst.Origin
		}
		e, rejected := s.prepare(ctx, r)
		switch {
		case e != nil:
			err = s.addExecution(b, e)
		case r.Origin != nil:
			err = notify(b, inst.ID, inst.Lane, r.Origin, Notice{Kind: NoticeRejection, Text: rejected.Error()})
		default:
			err = rejected
		}
		if err != nil {
			return err
		}
	}
	for _, body := range answer.Replies {
		if inst.Origin == nil {
			return fmt.Errorf("respond to %s: a reply without a conversation", inst.Trigger)
		}
		if err := notify(b, inst.ID, inst.Lane, inst.Origin, Notice{Kind: NoticeMessage, Body: body}); err != nil {
			return err
		}
	}
	for i, entry := range answer.Outbox {
		origin := engine.Origin{Conversation: entry.Conversation}
		id := engine.DeriveID(inst.ID, "outbox", fmt.Sprint(i))
		if err := notify(b, id, inst.Lane, &origin, Notice{Kind: NoticeMessage, Body: entry.Body}); err != nil {
			return err
		}
	}
	return nil
}

// enforce records what came of one rule that matched, or that could not be
// evaluated.
func (s *Service) enforce(ctx context.Context, inst *engine.TriggerInstance, m ruleMatch, b *store.Batch) error {
	rule := m.rule
	ref := engine.RuleRef{ID: rule.ID, Ref: rule.Ref, UID: rule.UID}
	enforcement := engine.Enforcement{
		ID: engine.DeriveID(inst.ID, "enforcement", rule.Ref), TriggerInstanceID: inst.ID,
		Rule: ref, EnforcedAt: s.now(), Status: engine.Failed, FailureReason: m.problem,
	}
	if m.problem == "" {
		e, rejected := s.prepare(ctx, Request{
			ID:         engine.DeriveID(inst.ID, "rule", rule.Ref),
			Action:     rule.Action.Ref,
			Parameters: rule.Action.Parameters,
			Context: engine.Context{
				User:            SystemUser,
				TriggerInstance: &engine.NamedRef{ID: inst.ID},
				Rule:            &engine.NamedRef{ID: rule.ID, Name: rule.Name},
			},
			Lane: inst.Lane, Rule: &ref, Instance: inst.ID, TraceID: inst.TraceID,
			Names: expression.Names{"trigger": json.RawMessage(inst.Payload)},
		})
		if rejected != nil {
			enforcement.FailureReason = rejected.Error()
			s.log.Warn("a rule matched but its action cannot be run", "rule", rule.Ref, "trigger_instance", inst.ID, "error", rejected)
		} else {
			enforcement.Status = engine.Succeeded
		}
		if e != nil {
			enforcement.ExecutionID = e.ID
			if err := s.addExecution(b, e); err != nil {
				return err
			}
		}
	}
	return Enforcements.Put(b, store.Doc[engine.Enforcement]{ID: enforcement.ID, Value: enforcement})
}

// buryTrigger records that an instance could not be processed.
func (w *Workers) buryTrigger(ctx context.Context, item store.Item, cause error) error {
	var b store.Batch
	d, err := Instances.Get(ctx, w.store, item.ID)
	switch {
	case err == nil && d.Value.Status == engine.InstancePending:
		d.Value.Status, d.Value.Problem = engine.InstanceProcessErr, cause.Error()
		if err := Instances.Put(&b, d); err != nil {
			return err
		}
		if o := d.Value.Origin; o != nil {
			text := "This could not be processed: " + cause.Error()
			if err := notify(&b, d.ID, d.Value.Lane, o, Notice{Kind: NoticeRejection, Text: text}); err != nil {
				return err
			}
		}
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	return w.bury(ctx, &b, item, cause)
}

// acknowledge takes an item off its queue; there is nothing to do for it.
func (w *Workers) acknowledge(ctx context.Context, item store.Item) error {
	return w.store.Commit(ctx, &store.Batch{Acks: []store.Item{item}})
}

// bury files an item under the dead letters, with whatever else the batch holds.
func (w *Workers) bury(ctx context.Context, b *store.Batch, item store.Item, cause error) error {
	w.log.Error("item given up", "queue", item.Queue, "item", item.ID, "error", cause)
	now := w.now()
	letter := DeadLetter{Queue: item.Queue, Item: item.ID, Body: item.Body, Reason: cause.Error(), At: now}
	if err := DeadLetters.Put(b, store.Doc[DeadLetter]{ID: engine.NewID(now), Value: letter}); err != nil {
		return err
	}
	b.Acks = append(b.Acks, item)
	return w.store.Commit(ctx, b)
}
