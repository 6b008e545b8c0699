package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"petrel/engine"
	"petrel/store"
)

// InstanceFilter selects trigger instances; what is empty does not matter.
type InstanceFilter struct {
	Trigger       string // ref of the type
	Status        engine.InstanceStatus
	Since, Before time.Time
}

// maxLooked bounds how many instances one page of a list looks at.
const maxLooked = 10_000

// TriggerInstance returns one event, secret texts hidden; NotFound.
func (s *Service) TriggerInstance(ctx context.Context, id string) (engine.TriggerInstance, error) {
	inst, err := s.instanceOf(ctx, id)
	inst.Payload = s.masker.JSON(inst.Payload)
	return inst, err
}

func (s *Service) instanceOf(ctx context.Context, id string) (engine.TriggerInstance, error) {
	d, err := Instances.Get(ctx, s.store, id)
	if errors.Is(err, store.ErrNotFound) {
		return d.Value, engine.Errorf(engine.NotFound, "Unable to identify resource with id %q.", id)
	}
	return d.Value, err
}

// TriggerInstances lists events, newest first, secret texts hidden: up to max after
// the place that the page before named. next is empty on the last page.
func (s *Service) TriggerInstances(ctx context.Context, f InstanceFilter, after string, max int) (list []engine.TriggerInstance, next string, err error) {
	q := store.Query{Desc: true, Limit: max, After: after}
	if f.Trigger != "" {
		q.Index, q.Value = "trigger", f.Trigger
		q.From, q.To = sortOr(f.Since), sortOr(f.Before)
	} else {
		q.From = idFrom(f.Since)
		if !f.Before.IsZero() {
			q.To = idFrom(f.Before.Add(time.Second)) // IDs know seconds; the rest is looked at below
		}
	}
	for looked := 0; ; {
		docs, more, err := Instances.List(ctx, s.store, q)
		if err != nil {
			return nil, "", err
		}
		for _, d := range docs {
			looked++
			inst := d.Value
			if f.Status != "" && inst.Status != f.Status || inst.OccurrenceTime.Before(f.Since) ||
				!f.Before.IsZero() && !inst.OccurrenceTime.Before(f.Before) {
				continue
			}
			inst.Payload = s.masker.JSON(inst.Payload)
			list = append(list, inst)
		}
		if q.After = more; more == "" || len(list) >= max || looked >= maxLooked {
			return list, more, nil
		}
		q.Limit = max - len(list)
	}
}

func sortOr(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return sortTime(t)
}

// idFrom is where IDs of a time begin; "" for none.
func idFrom(t time.Time) string {
	if t.IsZero() || t.Unix() < 0 {
		return ""
	}
	return fmt.Sprintf("%08x", uint32(t.Unix()))
}

// Reemit makes a recorded event happen again, as a new one whose payload names the
// first in __context.original_id. It begins a trace of its own.
func (s *Service) Reemit(ctx context.Context, id string) (engine.TriggerInstance, error) {
	old, err := s.instanceOf(ctx, id)
	if err != nil {
		return old, err
	}
	var payload map[string]json.RawMessage
	if err := json.Unmarshal(old.Payload, &payload); err != nil {
		return old, engine.Errorf(engine.Invalid, "the payload of %s is no object and cannot be emitted again", id)
	}
	if payload == nil {
		payload = map[string]json.RawMessage{}
	}
	origin, err := json.Marshal(map[string]string{"original_id": id})
	if err != nil {
		return old, err
	}
	payload["__context"] = origin
	body, err := json.Marshal(payload)
	if err != nil {
		return old, err
	}
	r, err := s.Dispatch(ctx, Dispatch{Trigger: old.Trigger, Key: old.Key, Payload: body, Lane: old.Lane, Origin: old.Origin})
	if err != nil {
		return old, err
	}
	return s.TriggerInstance(ctx, r.ID)
}
