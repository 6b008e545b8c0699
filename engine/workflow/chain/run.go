package chain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/functions"
	"petrel/engine/expression/value"
	"petrel/engine/workflow"
)

// Options are what a chain runs with. They are the same for every step of a run.
type Options struct {
	Chain    *Chain
	Renderer *expression.Renderer // of the user who runs the chain
	// Parameters are those of the chain's own action.
	Parameters *value.Dict
	// ActionContext and Config are what templates see as action_context and
	// config_context; nil: empty.
	ActionContext *value.Dict
	Config        *value.Dict
}

// Run is one run of a chain. Its conductor is driven as that of any workflow; its
// Advance gives one node at a time, with parameters that the caller casts to the
// types of the action.
type Run struct {
	*workflow.Conductor
	chain *Chain
}

// New begins a run: it renders the vars. When that fails the error is for the
// execution to fail with.
func New(ctx context.Context, o Options) (*Run, error) {
	e := newEvaluator(o)
	vars, err := o.Renderer.Mapping(ctx, o.Chain.Vars, e.names(ctx, nil, false))
	if err != nil {
		return nil, engine.Errorf(engine.Invalid, "Failed initializing ``vars`` in chain. %v", err)
	}
	parent := value.DictOf(varsName, value.NewList(vars), publishedName, value.NewList(value.NewDict(0)))
	c, err := workflow.New(ctx, workflow.Options{Definition: o.Chain.def, Evaluator: e}, workflow.Start{Parent: parent})
	if err != nil {
		return nil, err
	}
	return &Run{c, o.Chain}, nil
}

// Open takes up a run from its state.
func Open(o Options, load workflow.Loader) (*Run, error) {
	c, err := workflow.Open(workflow.Options{Definition: o.Chain.def, Evaluator: newEvaluator(o)}, load)
	if err != nil {
		return nil, err
	}
	return &Run{c, o.Chain}, nil
}

// Node finds a node of the chain by its name; nil when there is none.
func (r *Run) Node(name string) *Node { return r.chain.Node(name) }

// Record is what became of a node, in the order in which nodes ran.
type Record struct {
	Node         string
	ExecutionID  string
	LiveactionID string
	CreatedAt    string
	UpdatedAt    string
	State        engine.Status
	Result       any
}

// Result is the result of the execution of the chain: {tasks, published} with
// {error, traceback} when something other than a node failed.
func (r *Run) Result(records []Record, displayPublished bool) (*value.Dict, error) {
	tasks := value.NewList()
	for _, t := range records {
		result := t.Result
		if raw, ok := result.(json.RawMessage); ok && len(raw) > 0 {
			var err error
			if result, err = value.ParseJSON(raw); err != nil {
				return nil, fmt.Errorf("the result of node %s: %w", t.Node, err)
			}
		}
		result, err := value.FromGo(result)
		if err != nil {
			return nil, fmt.Errorf("the result of node %s: %w", t.Node, err)
		}
		tasks.Items = append(tasks.Items, value.DictOf("id", t.Node, "name", t.Node, "execution_id", t.ExecutionID,
			"liveaction_id", t.LiveactionID, "workflow", nil, "created_at", t.CreatedAt, "updated_at", t.UpdatedAt,
			"state", string(t.State), "result", result))
	}
	out := value.DictOf("tasks", tasks)
	if displayPublished {
		published, err := r.published()
		if err != nil {
			return nil, err
		}
		out.SetString("published", published)
	}
	problem, err := r.problem()
	if err != nil {
		return nil, err
	}
	if problem != "" {
		out.SetString("error", problem)
		out.SetString("traceback", "")
	}
	return out, nil
}

// Outcome is the status of the chain: that of its last node, as far as it is over.
func (r *Run) Outcome(records []Record) engine.Status {
	s := r.Status()
	if s != engine.Failed || len(records) == 0 {
		return s
	}
	if problem, err := r.problem(); err == nil && problem == "" && records[len(records)-1].State == engine.TimedOut {
		return engine.TimedOut
	}
	return engine.Failed
}

// published gives everything that was published so far.
func (r *Run) published() (any, error) {
	last, err := r.Terminal()
	if err != nil {
		return nil, err
	}
	if v, ok := one(last, publishedName); ok {
		return v, nil
	}
	return value.NewDict(0), nil
}

// problem is the first error that is not the failure of a node.
func (r *Run) problem() (string, error) {
	entries, err := r.Errors()
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.TaskID != workflow.CommandFail && (e.Route != nil || e.TaskID == "") {
			return e.Message, nil
		}
	}
	return "", nil
}

// one gives the value of a variable that is a list of one value.
func one(d *value.Dict, name string) (any, bool) {
	v, _ := d.GetString(name)
	if l, ok := v.(*value.List); ok && len(l.Items) == 1 {
		return l.Items[0], true
	}
	return nil, false
}

// evaluator renders for the conductor what a chain's nodes hold.
type evaluator struct{ o Options }

func newEvaluator(o Options) *evaluator {
	for _, d := range []**value.Dict{&o.Parameters, &o.ActionContext, &o.Config} {
		if *d == nil {
			*d = value.NewDict(0)
		}
	}
	return &evaluator{o}
}

// Orquesta implements workflow.Evaluator.
func (e *evaluator) Orquesta(ctx context.Context, v any, at expression.OrquestaScope) (any, error) {
	switch x := v.(type) {
	case parametersOf:
		rendered, err := e.o.Renderer.Mapping(ctx, x.node.Parameters, e.names(ctx, at.Workflow, true))
		if err != nil {
			return nil, fmt.Errorf("Failed to run task %q. Parameter rendering failed. %w", x.node.Name, err) //nolint:staticcheck // upstream's words
		}
		return rendered, nil
	case resultOf:
		current, _ := at.Workflow.Current()
		result, err := current.Value()
		if err != nil {
			return nil, err
		}
		return value.NewList(answered(result)), nil
	case publishOf:
		rendered, err := e.o.Renderer.Mapping(ctx, x.node.Publish, e.names(ctx, at.Workflow, false))
		if err != nil {
			return nil, fmt.Errorf("Failed rendering value for publish of task %q. %w", x.node.Name, err) //nolint:staticcheck // upstream's words
		}
		all := value.NewDict(4)
		if before, ok := one(at.Workflow.Variables(), publishedName); ok {
			all = before.(*value.Dict).Copy()
		}
		all.Update(rendered.(*value.Dict))
		return value.NewList(all), nil
	case string:
		if strings.HasPrefix(x, "\x00") {
			return condition(x, at.Workflow)
		}
	}
	return v, nil
}

// condition answers whether a transition is taken. One that would lead to a node
// that does not exist is an error.
func condition(x string, w functions.Workflow) (any, error) {
	current, ok := w.Current()
	if !ok {
		return nil, errors.New("there is no current node")
	}
	status, err := w.Status(current.ID, current.Route)
	if err != nil {
		return nil, err
	}
	when, target, lost := strings.Cut(x, " ")
	taken := status == string(engine.Succeeded)
	if when == whenFailed {
		taken = status == string(engine.Failed) || status == string(engine.TimedOut) || status == string(engine.Abandoned)
	}
	if taken && lost {
		return nil, fmt.Errorf("Unable to find action chain node with name %q: it is a template, and those are not rendered here.", target) //nolint:staticcheck // upstream's words
	}
	return taken, nil
}

// answered gives the answer to an inquiry both as upstream does right after it,
// under result, and as it does after one more pause, beside the question.
func answered(result any) any {
	d, ok := result.(*value.Dict)
	if !ok {
		return result
	}
	_, isAnswer := d.GetString("response")
	_, isQuestion := d.GetString("ttl")
	if _, has := d.GetString("result"); has || !isAnswer || !isQuestion {
		return result
	}
	out := d.Copy()
	out.SetString("result", d)
	return out
}

// names are what templates see; what comes later hides what came before. w is nil
// at the start of a run.
func (e *evaluator) names(ctx context.Context, w functions.Workflow, parameters bool) expression.Names {
	names := expression.Names{}
	add := func(d *value.Dict) {
		for k, v := range d.All() {
			if name, ok := k.(string); ok {
				names[name] = v
			}
		}
	}
	add(e.o.Parameters)
	if w == nil {
		names["system"] = e.o.Renderer.Stored(ctx, "system")
		return names
	}
	results, all := value.NewDict(8), w.Variables()
	for k := range all.All() {
		if node, ok := isResult(value.Str(k)); ok {
			if v, ok := one(all, value.Str(k)); ok {
				results.SetString(node, v)
			}
		}
	}
	add(results)
	for _, name := range []string{varsName, publishedName} {
		if v, ok := one(all, name); ok {
			add(v.(*value.Dict))
		}
	}
	names["__results"] = results
	names["system"] = e.o.Renderer.Stored(ctx, "system")
	if parameters {
		names["action_context"], names["config_context"] = e.o.ActionContext, e.o.Config
	}
	return names
}
