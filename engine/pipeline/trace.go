package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"petrel/engine"
	"petrel/store"
)

// Trace is everything that one event, or one request, brought about.
type Trace struct {
	ID    string       `json:"id"`
	Tag   string       `json:"trace_tag,omitempty"`
	Roots []*TraceNode `json:"roots"`
}

// TraceNode is one thing that happened and what came of it.
type TraceNode struct {
	Kind     string       `json:"kind"` // trigger_instance, rule, execution, reply
	ID       string       `json:"id,omitempty"`
	Ref      string       `json:"ref"` // trigger, rule, action, or where the reply goes
	Status   string       `json:"status,omitempty"`
	At       time.Time    `json:"at"`
	Detail   string       `json:"detail,omitempty"`
	Children []*TraceNode `json:"children,omitempty"`
}

// standardTag begins the tag of a trace that nobody named.
const standardTag = "trigger_instance-"

// traceIndex files an instance by the name of its trace, and by the trace when it is
// not the one that began it.
func traceIndex(t *engine.TriggerInstance, at string) []store.IndexEntry {
	var entries []store.IndexEntry
	if t.TraceTag != "" && !strings.HasPrefix(t.TraceTag, standardTag) {
		entries = append(entries, store.IndexEntry{Index: "tag", Value: t.TraceTag, Sort: at})
	}
	if t.TraceID != t.ID {
		entries = append(entries, store.IndexEntry{Index: "trace", Value: t.TraceID, Sort: at})
	}
	return entries
}

// maxTrace bounds the executions that a trace is shown with.
const maxTrace = 5000

// Trace finds a trace by the ID of it, of a trigger instance or of an execution in
// it, or by its tag: of several with one tag the newest. It fails with NotFound.
func (s *Service) Trace(ctx context.Context, tagOrID string) (Trace, error) {
	id, err := s.traceID(ctx, tagOrID)
	if err != nil {
		return Trace{}, err
	}
	t := Trace{ID: id}
	nodes := traceNodes{}
	events, err := s.traceInstances(ctx, id)
	if err != nil {
		return t, err
	}
	for _, inst := range events {
		if inst.ID == id {
			t.Tag = inst.TraceTag
		}
		nodes.add("", &TraceNode{Kind: "trigger_instance", ID: inst.ID, Ref: triggerName(inst.Trigger, inst.Key),
			Status: string(inst.Status), At: inst.OccurrenceTime, Detail: inst.Problem}, causeOf(&inst))
		if err := s.traceRules(ctx, nodes, inst.ID); err != nil {
			return t, err
		}
	}
	executions, err := s.traceExecutions(ctx, id)
	if err != nil {
		return t, err
	}
	for i := range executions {
		nodes.execution(&executions[i])
	}
	if t.Roots = nodes.tree(); len(t.Roots) == 0 {
		return t, engine.Errorf(engine.NotFound, "there is no trace %q", tagOrID)
	}
	return t, nil
}

// traceID finds out which trace is meant.
func (s *Service) traceID(ctx context.Context, tagOrID string) (string, error) {
	if id := strings.TrimPrefix(tagOrID, standardTag); engine.ValidID(id) {
		if e, err := Executions.Get(ctx, s.store, id); err == nil {
			return e.Value.TraceID, nil
		} else if !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
		if d, err := Instances.Get(ctx, s.store, id); err == nil {
			return d.Value.TraceID, nil
		} else if !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
		return id, nil
	}
	docs, _, err := Instances.List(ctx, s.store, store.Query{Index: "tag", Value: tagOrID, Desc: true, Limit: 1})
	if err != nil {
		return "", err
	}
	if len(docs) == 0 {
		return "", engine.Errorf(engine.NotFound, "there is no trace with the tag %q", tagOrID)
	}
	return docs[0].Value.TraceID, nil
}

func (s *Service) traceInstances(ctx context.Context, id string) ([]engine.TriggerInstance, error) {
	var list []engine.TriggerInstance
	d, err := Instances.Get(ctx, s.store, id)
	if err == nil {
		list = append(list, d.Value)
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	docs, _, err := Instances.List(ctx, s.store, store.Query{Index: "trace", Value: id, Limit: maxTrace})
	for _, d := range docs {
		list = append(list, d.Value)
	}
	return list, err
}

func (s *Service) traceRules(ctx context.Context, nodes traceNodes, instance string) error {
	docs, _, err := Enforcements.List(ctx, s.store, store.Query{Index: "instance", Value: instance, Limit: maxTrace})
	for _, d := range docs {
		f := d.Value
		n := &TraceNode{Kind: "rule", ID: f.ID, Ref: f.Rule.Ref, Status: string(f.Status), At: f.EnforcedAt, Detail: s.masker.Text(f.FailureReason)}
		nodes.add(f.ExecutionID, n, instance)
	}
	return err
}

func (s *Service) traceExecutions(ctx context.Context, id string) ([]engine.Execution, error) {
	var list []engine.Execution
	for after := ""; len(list) < maxTrace; {
		docs, next, err := Executions.List(ctx, s.store, store.Query{Index: "trace", Value: id, After: after, Limit: 200})
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			list = append(list, d.Value)
		}
		if after = next; next == "" {
			break
		}
	}
	return list, nil
}

// causeOf is the execution that an event tells of, as far as events say.
func causeOf(inst *engine.TriggerInstance) string {
	var payload struct {
		Execution string `json:"execution_id"`
	}
	if inst.TraceID == inst.ID || json.Unmarshal(inst.Payload, &payload) != nil {
		return ""
	}
	return payload.Execution
}

// traceNodes gathers nodes with what they came of. The key of a rule is the
// execution that it led to, of others the ID.
type traceNodes map[string]*traced

type traced struct {
	node  *TraceNode
	cause string
}

func (t traceNodes) add(execution string, n *TraceNode, cause string) {
	key := n.ID
	if n.Kind == "rule" && execution != "" {
		key = "rule of " + execution
	}
	t[key] = &traced{node: n, cause: cause}
}

// execution adds an execution below what it came of: its workflow, the one that it
// is a further try of, its rule, or the event.
func (t traceNodes) execution(e *engine.Execution) {
	n := &TraceNode{Kind: "execution", ID: e.ID, Ref: e.Action.Ref, Status: string(e.Status), At: e.StartTimestamp}
	cause := e.TriggerInstance
	if t["rule of "+e.ID] != nil {
		cause = "rule of " + e.ID
	}
	if p := e.Context.Policies; p != nil && p.Retry != nil {
		cause, n.Detail = p.Retry.Execution, "tried again by "+p.Retry.Policy
	}
	if e.Parent != "" {
		cause = e.Parent
	}
	if e.Task != nil {
		n.Detail = "task " + e.Task.Name
	}
	if e.Context.ReRun != nil {
		cause, n.Detail = e.Context.ReRun.Ref, "run again"
	}
	t[e.ID] = &traced{node: n, cause: cause}
	if e.Origin != nil && e.Parent == "" {
		at := e.StartTimestamp
		if e.EndTimestamp != nil {
			at = *e.EndTimestamp
		}
		reply := &TraceNode{Kind: "reply", Ref: e.Origin.Conversation, At: at}
		if e.Status.Completed() {
			reply.Detail = "with the result"
		}
		t["reply of "+e.ID] = &traced{node: reply, cause: e.ID}
	}
}

// tree hangs every node below its cause, in the order of time.
func (t traceNodes) tree() []*TraceNode {
	var roots []*TraceNode
	for key, n := range t {
		cause := t[n.cause]
		if cause == nil || n.cause == key {
			roots = append(roots, n.node)
			continue
		}
		cause.node.Children = append(cause.node.Children, n.node)
	}
	order := func(a, b *TraceNode) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	}
	for _, n := range t {
		slices.SortFunc(n.node.Children, order)
	}
	slices.SortFunc(roots, order)
	return roots
}
