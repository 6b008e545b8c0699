package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/store"
)

// QueueInquiries is the queue of what is due about inquiries: reminders and the
// end of the time to answer.
const QueueInquiries = "inquiries"

// Inquiries holds what people are asked, under the ID of the execution that asks.
// Whether an answer is still wanted is the status of that execution.
var Inquiries = store.Collection[Inquiry]{Name: "inquiries"}

// Inquiry is a question to people.
type Inquiry struct {
	ID        string          `json:"id"`
	Message   string          `json:"message,omitempty"`
	Schema    json.RawMessage `json:"schema"` // of the answer, an object
	Users     []string        `json:"users"`
	Roles     []string        `json:"roles"`
	Route     string          `json:"route"`
	TTL       float64         `json:"ttl"` // minutes; 0: for ever
	Approvers *Approvers      `json:"approvers,omitempty"`
	Remind    float64         `json:"remind,omitempty"` // minutes

	Requester string     `json:"requester"` // on whose behalf it is asked
	Parent    string     `json:"parent,omitempty"`
	Root      string     `json:"root"`
	AskedAt   time.Time  `json:"asked_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	Answers   []Answer   `json:"answers,omitempty"`
}

// Approvers is a quorum: how many have to answer, and who.
type Approvers struct {
	Count            int      `json:"count"`
	Groups           []string `json:"groups,omitempty"` // who answers is in one of these
	ExcludeRequester bool     `json:"exclude_requester,omitempty"`
}

// Answer is what one person answered.
type Answer struct {
	By       string          `json:"by"`
	Response json.RawMessage `json:"response"`
	At       time.Time       `json:"at"`
}

// Person is who answers an inquiry.
type Person struct {
	Name   string
	Roles  []string
	Groups []string
}

// ask makes a pending execution a question: it is on record, rules hear of it,
// people are told, and its time runs. result is what its runner gave.
func (w *Workers) ask(ctx context.Context, b *store.Batch, e *engine.Execution, result json.RawMessage) error {
	q, err := readInquiry(e, result)
	if err != nil {
		return err
	}
	q.AskedAt = w.now()
	due := func(minutes float64) time.Time { return q.AskedAt.Add(time.Duration(minutes * float64(time.Minute))) }
	if q.TTL > 0 {
		at := due(min(q.TTL, maxDelay/60))
		q.ExpiresAt = &at
		pushInquiry(b, e, inquiryExpire, at)
	}
	if q.Remind > 0 {
		pushInquiry(b, e, inquiryRemind, due(min(q.Remind, maxDelay/60)))
	}
	if err := Inquiries.Put(b, store.Doc[Inquiry]{ID: q.ID, Value: *q}); err != nil {
		return err
	}
	if err := w.tellRules(b, e, q.Route); err != nil {
		return err
	}
	return w.tellAsked(ctx, b, e)
}

// readInquiry reads what an execution asks out of what its runner gave. What
// stands in a list of names is taken as text.
func readInquiry(e *engine.Execution, result json.RawMessage) (*Inquiry, error) {
	v, err := resultDict(result)
	if err != nil {
		return nil, fmt.Errorf("what execution %s asks: %w", e.ID, err)
	}
	q := &Inquiry{ID: e.ID, Requester: e.Context.User, Parent: e.Parent, Root: e.RootID(), Users: textsAt(v, "users"), Roles: textsAt(v, "roles")}
	q.Message, q.Route = textAt(v, "message"), textAt(v, "route")
	for key, to := range map[string]*float64{"ttl": &q.TTL, "remind": &q.Remind} {
		if n, ok := v.GetString(key); ok {
			*to, _ = value.Float(n)
		}
	}
	schema, _ := v.GetString("schema")
	if q.Schema, err = value.AppendJSON(nil, schema); err != nil {
		return nil, err
	}
	if a, _ := v.GetString("approvers"); a != nil {
		d, ok := a.(*value.Dict)
		if !ok {
			return q, nil
		}
		q.Approvers = &Approvers{Count: 1, Groups: textsAt(d, "groups")}
		if n, ok := d.GetString("count"); ok {
			count, _ := value.Float(n)
			q.Approvers.Count = max(int(count), 1)
		}
		exclude, _ := d.GetString("exclude_requester")
		q.Approvers.ExcludeRequester = value.Truth(exclude)
	}
	return q, nil
}

func textAt(d *value.Dict, key string) string {
	v, _ := d.GetString(key)
	if v == nil {
		return ""
	}
	return value.Str(v)
}

func textsAt(d *value.Dict, key string) []string {
	v, _ := d.GetString(key)
	out := []string{}
	if l, ok := v.(*value.List); ok {
		for _, x := range l.Items {
			out = append(out, value.Str(x))
		}
	}
	return out
}

// tellRules makes the trigger instance of an inquiry.
func (w *Workers) tellRules(b *store.Batch, e *engine.Execution, route string) error {
	payload, err := json.Marshal(map[string]string{"id": e.ID, "route": route})
	if err != nil {
		return err
	}
	inst := engine.TriggerInstance{
		ID: engine.DeriveID(e.ID, "inquiry"), Trigger: engine.TriggerInquiry, Payload: payload, OccurrenceTime: w.now(),
		Status: engine.InstancePending, TraceID: e.TraceID, Lane: e.Lane,
	}
	if err := Instances.Put(b, store.Doc[engine.TriggerInstance]{ID: inst.ID, Value: inst}); err != nil {
		return err
	}
	b.Pushes = append(b.Pushes, PushInstance(&inst))
	return nil
}

// tellAsked adds a notice to the conversation that the question came from: its own
// or that of the workflow at the top.
func (s *Service) tellAsked(ctx context.Context, b *store.Batch, e *engine.Execution) error {
	origin := e.Origin
	if origin == nil && e.Root != "" {
		root, err := Executions.Get(ctx, s.store, e.Root)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		origin = root.Value.Origin
	}
	if origin == nil {
		return nil
	}
	return notify(b, e.ID, e.Lane, origin, Notice{Kind: NoticeInquiry, Execution: e.ID})
}

// What an item of the queue of inquiries is about.
type inquiryItem struct {
	Do inquiryDo `json:"do"`
}

type inquiryDo string

const (
	inquiryExpire inquiryDo = "expire"
	inquiryRemind inquiryDo = "remind"
)

func pushInquiry(b *store.Batch, e *engine.Execution, do inquiryDo, at time.Time) {
	b.Pushes = append(b.Pushes, store.Push{
		Queue: QueueInquiries, ID: e.ID, Lane: int(e.Lane), At: at, Body: []byte(`{"do":"` + do + `"}`),
	})
}

// PushPending is the end of the time to answer a pending execution; ok is false
// when there is none.
func PushPending(q *Inquiry, lane engine.Lane) (push store.Push, ok bool) {
	if q.ExpiresAt == nil {
		return push, false
	}
	var b store.Batch
	pushInquiry(&b, &engine.Execution{ID: q.ID, Lane: lane}, inquiryExpire, *q.ExpiresAt)
	return b.Pushes[0], true
}

// handleInquiry does what is due about an inquiry that nobody has answered.
func (w *Workers) handleInquiry(ctx context.Context, item store.Item) error {
	var m inquiryItem
	if err := json.Unmarshal(item.Body, &m); err != nil {
		return w.buryInquiry(ctx, item, fmt.Errorf("unreadable item: %w", err))
	}
	d, err := Executions.Get(ctx, w.store, item.ID)
	if errors.Is(err, store.ErrNotFound) || err == nil && d.Value.Status != engine.Pending {
		return w.acknowledge(ctx, item)
	}
	if err != nil {
		return err
	}
	q, err := Inquiries.Get(ctx, w.store, item.ID)
	if err != nil {
		return err
	}
	e := &d.Value
	b := store.Batch{Acks: []store.Item{item}}
	if m.Do == inquiryRemind {
		pushInquiry(&b, e, inquiryRemind, w.now().Add(time.Duration(min(q.Value.Remind, maxDelay/60)*float64(time.Minute))))
		if err := w.tellAsked(ctx, &b, e); err != nil {
			return err
		}
		return w.store.Commit(ctx, &b)
	}
	raw, err := w.result(ctx, e)
	if err != nil {
		return err
	}
	result, err := resultDict(raw)
	if err != nil {
		return err
	}
	result.SetString("error", expiry(&q.Value))
	body, err := value.AppendJSON(nil, result)
	if err != nil {
		return err
	}
	if err := e.MoveTo(engine.TimedOut, w.now()); err != nil {
		return err
	}
	w.attachResult(&b, e, body)
	if err := w.putExecution(&b, d); err != nil {
		return err
	}
	if err := w.tellAsked(ctx, &b, e); err != nil {
		return err
	}
	return w.store.Commit(ctx, &b)
}

// expiry says why nobody can answer any more.
func expiry(q *Inquiry) string {
	within := time.Duration(q.TTL * float64(time.Minute)).Round(time.Second)
	switch need := q.need(); {
	case len(q.Answers) > 0:
		return fmt.Sprintf("only %d of %d answers came within %s", len(q.Answers), need, within)
	case need > 1:
		return fmt.Sprintf("none of %d answers came within %s", need, within)
	}
	return fmt.Sprintf("nobody answered within %s", within)
}

// need is how many answers an inquiry takes.
func (q *Inquiry) need() int {
	if q.Approvers == nil {
		return 1
	}
	return max(q.Approvers.Count, 1)
}

// buryInquiry gives up an item about an inquiry; the question stays open.
func (w *Workers) buryInquiry(ctx context.Context, item store.Item, cause error) error {
	return w.bury(ctx, &store.Batch{}, item, cause)
}

// Inquiry returns a question and the execution that asks it; what is secret in the
// answers is hidden. It fails with NotFound for an unknown execution and Invalid for
// one that asks nothing.
func (s *Service) Inquiry(ctx context.Context, id string) (Inquiry, engine.Execution, error) {
	q, e, err := s.inquiry(ctx, id)
	for i, a := range q.Value.Answers {
		q.Value.Answers[i].Response = maskAnswer(q.Value.Schema, a.Response)
	}
	return q.Value, e.Value, err
}

// PendingInquiries lists the questions that wait for an answer, newest first.
// after is where the page before ended, "" for the first; next is "" at the end.
func (s *Service) PendingInquiries(ctx context.Context, after string, max int) (list []Inquiry, next string, err error) {
	docs, next, err := Executions.List(ctx, s.store, store.Query{
		Index: "status", Value: string(engine.Pending), Desc: true, After: after, Limit: max,
	})
	if err != nil {
		return nil, "", err
	}
	for _, d := range docs {
		q, err := Inquiries.Get(ctx, s.store, d.ID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		list = append(list, q.Value)
	}
	return list, next, nil
}

func resultDict(raw json.RawMessage) (*value.Dict, error) {
	v, err := parseResult(raw)
	if err != nil {
		return nil, err
	}
	if d, ok := v.(*value.Dict); ok {
		return d, nil
	}
	return value.NewDict(2), nil
}
