package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/params"
	"petrel/engine/runners"
	"petrel/engine/secrets"
	"petrel/store"
)

// deliveryMemory is how long the ID of an inbound delivery is remembered.
// Platforms give up retrying within an hour or so.
const deliveryMemory = 24 * time.Hour

// intakeLimit bounds how long intake may wait for the store before the caller
// is told that Petrel is busy.
const intakeLimit = 5 * time.Second

// Catalog is the content that packs brought in. Current returns an immutable
// snapshot; a change of content makes a new one.
type Catalog interface {
	Current() Content
}

// Content is one snapshot of the registered content.
type Content interface {
	Action(ref string) (*engine.Action, bool)
	Runner(name string) (*engine.Runner, bool)
	Runners() []engine.Runner
	Rules() []*engine.Rule
	// Policies are the enabled policies of an action.
	Policies(action string) []*engine.Policy
	// Config is the configuration of a pack; nil when it has none.
	Config(pack string) (*params.Config, error)
}

// Responder answers trigger instances of its type beside the rules: the alias
// table does so for chat commands. It must decide the same when asked again.
type Responder func(ctx context.Context, inst *engine.TriggerInstance) (Response, error)

// Response is what a Responder wants done.
type Response struct {
	Requests []Request
	Replies  []json.RawMessage // Notice.Body, said to the instance's Origin
	// Puts and Deletes are recorded together with the rest: what a responder has
	// to remember, such as a question that it asks.
	Puts    []store.Put
	Deletes []store.Delete
	// Outbox is what shall be said elsewhere than at the instance's Origin.
	Outbox []runners.OutboxEntry
}

// Options is what a Service is made of.
type Options struct {
	Store      store.Backend
	Catalog    Catalog
	Renderer   *expression.Renderer
	Responders map[string]Responder // by trigger ref
	// MaxWaiting is how many events and actions may wait before intake refuses
	// more; 0 means no bound.
	MaxWaiting int
	Masker     *secrets.Masker // secret texts that are hidden from people; nil: none
	// Decides: this process decides about the events that it takes in, at once. The
	// others wait in the queue for a process that has the stage.
	Decides bool
	Now     func() time.Time // nil means time.Now
	Logger  *slog.Logger
}

// Service takes work in and answers questions about it. Safe for concurrent use.
type Service struct {
	store      store.Backend
	catalog    Catalog
	renderer   *expression.Renderer
	responders map[string]Responder
	masker     *secrets.Masker
	now        func() time.Time
	log        *slog.Logger
	decides    bool
	pressure   pressure

	mu       sync.Mutex
	compiled *compiled // of the newest content seen
}

// NewService puts a Service together.
func NewService(o Options) *Service {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	return &Service{
		store: o.Store, catalog: o.Catalog, renderer: o.Renderer, responders: o.Responders,
		masker: o.Masker, decides: o.Decides, now: now, log: o.Logger, pressure: pressure{limit: o.MaxWaiting},
	}
}

// Dispatch is something that happened.
type Dispatch struct {
	Trigger  string // ref of the trigger type
	Key      string // see engine.TriggerInstance.Key
	Payload  json.RawMessage
	TraceTag string
	// DeliveryID is stable over repeated deliveries of the same event; the
	// second one changes nothing. Empty: every call is a new event.
	DeliveryID string
	Lane       engine.Lane
	Origin     *engine.Origin
}

// Receipt says what became of a Dispatch. With Duplicate set, ID is that of the
// instance which the first delivery made.
type Receipt struct {
	ID        string
	Duplicate bool
}

// Dispatch records an event. When it returns without error the event is durable
// and will be acted on. Errors are *engine.Error with code Unavailable when the
// store cannot take it now.
func (s *Service) Dispatch(ctx context.Context, d Dispatch) (Receipt, error) {
	inst := s.instance(d)
	id := inst.ID
	var b store.Batch
	if !s.outright(ctx, inst, &b) {
		if err := s.addInstance(&b, &inst); err != nil {
			return Receipt{}, err
		}
	}
	err := s.intake(ctx, &b)
	var dup *store.DuplicateError
	if errors.As(err, &dup) {
		return Receipt{ID: dup.Value, Duplicate: true}, nil
	}
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{ID: id}, nil
}

// instance is the record of an event.
func (s *Service) instance(d Dispatch) engine.TriggerInstance {
	now := s.now()
	payload := d.Payload
	if len(payload) == 0 {
		payload = json.RawMessage("{}")
	}
	id := engine.NewID(now)
	inst := engine.TriggerInstance{
		ID: id, Trigger: d.Trigger, Key: d.Key, Payload: payload, OccurrenceTime: now,
		Status: engine.InstancePending, TraceID: id, TraceTag: d.TraceTag, Lane: d.Lane, Origin: d.Origin, DeliveryID: d.DeliveryID,
	}
	if inst.TraceTag == "" {
		inst.TraceTag = "trigger_instance-" + id
	}
	return inst
}

// addInstance adds an event to a batch: its record, the claim of its delivery and,
// when it is to be decided about yet, its place in the queue.
func (s *Service) addInstance(b *store.Batch, inst *engine.TriggerInstance) error {
	if err := Instances.Put(b, store.Doc[engine.TriggerInstance]{ID: inst.ID, Value: *inst}); err != nil {
		return err
	}
	if inst.DeliveryID != "" {
		b.Claims = append(b.Claims, deliveryClaim(inst.DeliveryID, inst.ID, deliveryMemory))
	}
	if inst.Status == engine.InstancePending {
		b.Pushes = append(b.Pushes, PushInstance(inst))
	}
	return nil
}

// PushInstance is the place of a trigger instance in its queue.
func PushInstance(t *engine.TriggerInstance) store.Push {
	return store.Push{Queue: QueueTriggers, ID: t.ID, Lane: int(t.Lane)}
}

// PushExecution is the place of an execution in its queue.
func PushExecution(e *engine.Execution) store.Push {
	p := store.Push{Queue: QueueActions(e.Action.Runner), ID: e.ID, Lane: int(e.Lane)}
	if engine.Conducted(e.Action.Runner) {
		p.Queue, p.Group = QueueWorkflows, e.Context.WorkflowExecution
	}
	if e.Status == engine.Delayed && e.NotBefore != nil {
		p.At = *e.NotBefore
	}
	return p
}

// RememberDelivery is the claim of an instance's delivery for as long as it is
// to be remembered yet; ok is false when there is none or it is too old.
func RememberDelivery(t *engine.TriggerInstance, now time.Time) (claim store.Claim, ok bool) {
	left := deliveryMemory - now.Sub(t.OccurrenceTime)
	if t.DeliveryID == "" || left <= 0 {
		return store.Claim{}, false
	}
	return deliveryClaim(t.DeliveryID, t.ID, left), true
}

// deliveryClaim makes sure that a delivery becomes one instance.
func deliveryClaim(delivery, instance string, ttl time.Duration) store.Claim {
	return store.Claim{Key: "delivery:" + delivery, Value: instance, TTL: ttl}
}

// Request asks for an action to be run.
type Request struct {
	ID         string // derived from the cause; empty for a fresh one
	Action     string // ref
	Parameters json.RawMessage
	Context    engine.Context
	Lane       engine.Lane
	Origin     *engine.Origin
	Rule       *engine.RuleRef
	Instance   string // ID of the trigger instance behind it
	TraceID    string
	Notify     json.RawMessage  // who is told of the end; empty: what the action says
	Names      expression.Names // further names for templates in Parameters
}

// Request records an execution and queues it. Errors are *engine.Error (Invalid,
// NotFound) when it cannot be run as asked. When a template in the parameters
// cannot be rendered, a failed execution is recorded and returned with the error.
func (s *Service) Request(ctx context.Context, r Request) (engine.Execution, error) {
	e, rejected := s.prepare(ctx, r)
	if e == nil {
		return engine.Execution{}, rejected
	}
	var b store.Batch
	if err := s.addExecution(&b, e); err != nil {
		return engine.Execution{}, err
	}
	if err := s.intake(ctx, &b); err != nil {
		return engine.Execution{}, err
	}
	return *e, rejected
}

// AgainOptions say on whose behalf an execution is run again.
type AgainOptions struct {
	Key  string // stable over repeats of the same wish; empty: every call runs it again
	User string
	Lane engine.Lane
}

// Again runs an ended execution's action anew, with the same parameters, and
// answers where the first one was answered.
func (s *Service) Again(ctx context.Context, id string, o AgainOptions) (engine.Execution, error) {
	d, err := s.execution(ctx, id)
	if err != nil {
		return engine.Execution{}, err
	}
	old := d.Value
	if !old.Status.Completed() {
		return old, engine.Errorf(engine.Conflict, "execution %s is still %s", id, old.Status)
	}
	r := Request{
		Action: old.Action.Ref, Parameters: old.Parameters, Context: afresh(old.Context), Lane: o.Lane,
		Origin: old.Origin, TraceID: old.TraceID,
	}
	r.Context.User, r.Context.APIUser = o.User, o.User
	if o.Key != "" {
		r.ID = engine.DeriveID(id, "again", o.Key)
	}
	e, err := s.Request(ctx, r)
	if o.Key != "" && errors.Is(err, store.ErrConflict) {
		return s.Execution(ctx, r.ID) // the same wish once more
	}
	return e, err
}

// Listens reports whether any enabled rule waits for a trigger type.
func (s *Service) Listens(trigger string) bool { return s.current().listens(trigger) }

// ListensTo reports whether any enabled rule waits for one trigger of a type,
// such as the URL of a webhook.
func (s *Service) ListensTo(trigger, key string) bool { return s.current().listensTo(trigger, key) }

// intake commits a batch that brings new work, on behalf of somebody who waits
// for it.
func (s *Service) intake(ctx context.Context, b *store.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, intakeLimit)
	defer cancel()
	if len(b.Pushes) > 0 {
		if err := s.checkPressure(ctx); err != nil {
			return err
		}
	}
	return s.record(ctx, b)
}

// record commits a batch on behalf of somebody who waits for it.
func (s *Service) record(ctx context.Context, b *store.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, intakeLimit)
	defer cancel()
	err := s.store.Commit(ctx, b)
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrClosed) || errors.Is(err, context.DeadlineExceeded) {
		return &engine.Error{Code: engine.Unavailable, Message: busy, Err: err}
	}
	return err
}

// addExecution adds the record of a new execution, its place in the queue, the
// event and the notice to the batch.
func (s *Service) addExecution(b *store.Batch, e *engine.Execution) error {
	if err := s.putExecution(b, store.Doc[engine.Execution]{ID: e.ID, Value: *e}); err != nil {
		return err
	}
	if !e.Status.Completed() {
		b.Pushes = append(b.Pushes, PushExecution(e))
	}
	return nil
}

// putExecution adds a change of an execution together with the event that tells
// of it and, when somebody waits for an answer, the notice for the outbox.
func (s *Service) putExecution(b *store.Batch, d store.Doc[engine.Execution]) error {
	e := &d.Value
	if err := Executions.Put(b, d); err != nil {
		return err
	}
	tellParent(b, e)
	if e.Status.Completed() {
		if err := s.addNotifications(b, e); err != nil {
			return err
		}
		if err := s.afterwards(b, e); err != nil {
			return err
		}
	}
	body, err := json.Marshal(ExecutionEvent{ID: e.ID, Action: e.Action.Ref, Status: e.Status})
	if err != nil {
		return fmt.Errorf("encode the event of execution %s: %w", e.ID, err)
	}
	b.Events = append(b.Events, store.Event{Type: EventExecution, Key: e.ID, Body: body})
	// That it runs now is no news: the acknowledgement said so, and what it
	// prints tells how it goes.
	if e.Origin == nil || e.Status == engine.Running {
		return nil
	}
	return notify(b, e.ID, e.Lane, e.Origin, Notice{Kind: NoticeExecution, Execution: e.ID})
}

// notify adds a notice to the outbox of an origin.
func notify(b *store.Batch, id string, lane engine.Lane, o *engine.Origin, n Notice) error {
	n.Detail = o.Detail
	body, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("encode a notice about %s: %w", id, err)
	}
	b.Pushes = append(b.Pushes, store.Push{Queue: QueueOutbox, ID: id, Lane: int(lane), Group: o.Conversation, Body: body})
	return nil
}

// Execution returns one execution with its result, or an *engine.Error with
// code NotFound.
func (s *Service) Execution(ctx context.Context, id string) (engine.Execution, error) {
	d, err := s.execution(ctx, id)
	if err != nil {
		return engine.Execution{}, err
	}
	e := d.Value
	if e.ResultBlob != "" {
		if e.Result, err = s.store.Blob(ctx, e.ResultBlob); err != nil {
			return e, fmt.Errorf("result of execution %s: %w", id, err)
		}
	}
	return e, nil
}

func (s *Service) execution(ctx context.Context, id string) (store.Doc[engine.Execution], error) {
	d, err := Executions.Get(ctx, s.store, id)
	if errors.Is(err, store.ErrNotFound) {
		return d, engine.Errorf(engine.NotFound, "there is no execution %s", id)
	}
	return d, err
}

// Output returns what an execution printed while it ran, oldest first, at most
// the last max pieces; those that belong together are joined, and secret texts
// are hidden.
func (s *Service) Output(ctx context.Context, id string, max int) ([]OutputRecord, error) {
	docs, _, err := Outputs.List(ctx, s.store, store.Query{Index: "execution", Value: id, Desc: true, Limit: max})
	if err != nil {
		return nil, err
	}
	var records []OutputRecord
	for _, d := range slices.Backward(docs) {
		if n := len(records); n > 0 && records[n-1].Type == d.Value.Type {
			records[n-1].Data += d.Value.Data
			continue
		}
		records = append(records, d.Value)
	}
	if len(records) == 0 {
		return nil, nil
	}
	e, err := s.execution(ctx, id)
	if err != nil {
		return nil, err
	}
	hide := s.hider(&e.Value)
	for i := range records {
		records[i].Data = hide.text(records[i].Data)
	}
	return records, nil
}
