package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"petrel/engine"
	"petrel/engine/pipeline"
)

// Happenings is what the API needs to tell what happened and why.
type Happenings interface {
	Why(ctx context.Context, id string) (pipeline.Why, error)
	Trace(ctx context.Context, tagOrID string) (pipeline.Trace, error)
	TriggerInstance(ctx context.Context, id string) (engine.TriggerInstance, error)
	TriggerInstances(ctx context.Context, f pipeline.InstanceFilter, after string, max int) ([]engine.TriggerInstance, string, error)
	Reemit(ctx context.Context, id string) (engine.TriggerInstance, error)
	TryRule(ctx context.Context, rule engine.Rule, inst engine.TriggerInstance) (pipeline.RuleTrial, error)
	Backtest(ctx context.Context, rule engine.Rule, since time.Time) (pipeline.Backtest, error)
}

// Timer is a timer that rules ask for.
type Timer struct {
	ID         string          `json:"id"`
	Type       string          `json:"type"`
	Parameters json.RawMessage `json:"parameters"`
	Rules      []string        `json:"rules"`
	Last       *time.Time      `json:"last_fire,omitempty"`
	Next       *time.Time      `json:"next_fire,omitempty"`
	Problem    string          `json:"problem,omitempty"` // why it is not known when it fires next
}

func (h *handler) happeningRoutes(r chi.Router) {
	r.Get("/executions/{id}/why", func(w http.ResponseWriter, r *http.Request) {
		why, err := h.Service.Why(r.Context(), chi.URLParam(r, "id"))
		h.answer(w, why, err)
	})
	r.Get("/traces/{id}", func(w http.ResponseWriter, r *http.Request) {
		t, err := h.Service.Trace(r.Context(), chi.URLParam(r, "id"))
		h.answer(w, t, err)
	})
	r.Get("/timers", func(w http.ResponseWriter, r *http.Request) {
		list, err := h.Timers(r.Context())
		if list == nil {
			list = []Timer{}
		}
		h.answer(w, list, err)
	})
	r.Get("/triggerinstances", h.listInstances)
	r.Get("/triggerinstances/", h.listInstances)
	r.Get("/triggerinstances/{id}", func(w http.ResponseWriter, r *http.Request) {
		inst, err := h.Service.TriggerInstance(r.Context(), chi.URLParam(r, "id"))
		h.answer(w, viewInstance(&inst), err)
	})
	r.Post("/triggerinstances/{id}/re_emit", h.reemit)
	r.Post("/rules/test", h.testRule)
	r.Post("/rules/backtest", h.backtestRule)
}

// answer writes a value, or the error.
func (h *handler) answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		h.fail(w, err)
		return
	}
	h.write(w, http.StatusOK, v)
}

// instanceView is a trigger instance as StackStorm shows it; what stands after Status
// is Petrel's own.
type instanceView struct {
	ID             string          `json:"id"`
	Trigger        string          `json:"trigger"`
	Payload        json.RawMessage `json:"payload"`
	OccurrenceTime string          `json:"occurrence_time"`
	Status         string          `json:"status"`
	Key            string          `json:"key,omitempty"`
	TraceID        string          `json:"trace_id"`
	TraceTag       string          `json:"trace_tag,omitempty"`
	DeliveryID     string          `json:"delivery_id,omitempty"`
	Problem        string          `json:"problem,omitempty"`
}

func viewInstance(t *engine.TriggerInstance) instanceView {
	return instanceView{
		ID: t.ID, Trigger: t.Trigger, Payload: t.Payload, OccurrenceTime: t.OccurrenceTime.UTC().Format(timeFormat), Status: string(t.Status),
		Key: t.Key, TraceID: t.TraceID, TraceTag: t.TraceTag, DeliveryID: t.DeliveryID, Problem: t.Problem,
	}
}

// maxInstances bounds one answer of the list.
const maxInstances = 100

// listInstances lists events, newest first: filters trigger (or trigger_type), status,
// timestamp_gt, timestamp_lt; limit and offset, or after with what X-Next said.
func (h *handler) listInstances(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	f := pipeline.InstanceFilter{Trigger: q.Get("trigger"), Status: engine.InstanceStatus(q.Get("status"))}
	if f.Trigger == "" {
		f.Trigger = q.Get("trigger_type")
	}
	limit, offset := maxInstances, 0
	for name, to := range map[string]*int{"limit": &limit, "offset": &offset} {
		if text := q.Get(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < -1 || name == "limit" && n == 0 {
				h.fail(w, engine.Errorf(engine.Invalid, "%s is %q; it must be a number", name, text))
				return
			}
			*to = n
		}
	}
	if limit < 0 || limit > maxInstances {
		limit = maxInstances
	}
	for name, to := range map[string]*time.Time{"timestamp_gt": &f.Since, "timestamp_lt": &f.Before} {
		if text := q.Get(name); text != "" {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				h.fail(w, engine.Errorf(engine.Invalid, "%s is %q; write a time such as 2026-01-31T12:00:00Z", name, text))
				return
			}
			*to = at
		}
	}
	list := []instanceView{}
	after := q.Get("after")
	for want := limit + max(offset, 0); want > 0; {
		page, next, err := h.Service.TriggerInstances(r.Context(), f, after, min(want, maxInstances))
		if err != nil {
			h.fail(w, err)
			return
		}
		for i := range page {
			if offset > 0 {
				offset--
				continue
			}
			list = append(list, viewInstance(&page[i]))
		}
		want -= len(page)
		if after = next; next == "" {
			break
		}
	}
	w.Header().Set("X-Limit", strconv.Itoa(limit))
	if after != "" {
		w.Header().Set("X-Next", after)
	}
	h.write(w, http.StatusOK, list)
}

// reemit makes an event happen again. The body is ignored.
func (h *handler) reemit(w http.ResponseWriter, r *http.Request) {
	id := chi.URLParam(r, "id")
	inst, err := h.Service.Reemit(r.Context(), id)
	h.answer(w, map[string]any{
		"message": "Trigger instance " + id + " successfully re-sent.", "payload": inst.Payload, "id": inst.ID,
	}, err)
}

// ruleProbe is the body of the tests of rules: a rule, or the ref of a registered one.
type ruleProbe struct {
	Ref  string       `json:"ref"`
	Rule *engine.Rule `json:"rule"`
	// Of a test: an event on record, or one that is given.
	Instance string          `json:"trigger_instance"`
	Trigger  string          `json:"trigger"`
	Payload  json.RawMessage `json:"payload"`
	// Of a backtest.
	Since time.Time `json:"since"`
}

func (h *handler) readProbe(w http.ResponseWriter, r *http.Request) (p ruleProbe, rule engine.Rule, err error) {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, h.MaxBody)).Decode(&p); err != nil {
		return p, rule, engine.Errorf(engine.Invalid, "the body must be JSON with ref or rule: %v", err)
	}
	if p.Ref == "" && (p.Rule == nil || p.Rule.Trigger.Type == "") {
		return p, rule, engine.Errorf(engine.Invalid, "the body must name a rule by ref, or hold one with its trigger as rule")
	}
	rule.Ref = p.Ref
	if p.Rule != nil {
		rule = *p.Rule
	}
	return p, rule, nil
}

func (h *handler) testRule(w http.ResponseWriter, r *http.Request) {
	p, rule, err := h.readProbe(w, r)
	if err != nil {
		h.fail(w, err)
		return
	}
	inst := engine.TriggerInstance{ID: p.Instance, Trigger: p.Trigger, Payload: p.Payload}
	t, err := h.Service.TryRule(r.Context(), rule, inst)
	h.answer(w, t, err)
}

func (h *handler) backtestRule(w http.ResponseWriter, r *http.Request) {
	p, rule, err := h.readProbe(w, r)
	if err != nil {
		h.fail(w, err)
		return
	}
	t, err := h.Service.Backtest(r.Context(), rule, p.Since)
	h.answer(w, t, err)
}

// anyTrigger is StackStorm's webhook st2: it makes an event of any type happen, whose
// payload fits the type.
func (h *handler) anyTrigger(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Trigger string          `json:"trigger"`
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, h.MaxBody)).Decode(&body); err != nil || body.Trigger == "" {
		h.fail(w, engine.Errorf(engine.Invalid, "the body must be JSON such as {\"trigger\": \"mypack.deployed\", \"payload\": {}}"))
		return
	}
	if len(body.Payload) == 0 || string(body.Payload) == "null" {
		body.Payload = json.RawMessage("{}")
	}
	err := h.CheckPayload(body.Trigger, body.Payload)
	if engine.CodeOf(err) == engine.NotFound && err != nil {
		err = engine.Errorf(engine.Invalid, "%v", err)
	}
	var fields map[string]json.RawMessage
	if err == nil && json.Unmarshal(body.Payload, &fields) != nil {
		err = engine.Errorf(engine.Invalid, "the payload must be an object")
	}
	if err != nil {
		h.fail(w, err)
		return
	}
	receipt, err := h.Service.Dispatch(r.Context(), pipeline.Dispatch{
		Trigger: body.Trigger, Payload: body.Payload, Lane: engine.LaneEvent, TraceTag: r.Header.Get(traceTagHeader), DeliveryID: deliveryID("st2", "", r.Header),
	})
	if err != nil {
		h.fail(w, err)
		return
	}
	w.Header().Set("X-Petrel-Trigger-Instance", receipt.ID)
	h.write(w, http.StatusAccepted, body)
}
