package workflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/value"
)

// Evaluator evaluates the expressions of a definition. The Renderer of package
// expression is one.
type Evaluator interface {
	Orquesta(ctx context.Context, v any, scope expression.OrquestaScope) (any, error)
}

// Records knows what became of tasks, for the function task(). Its answer has the
// keys task_execution_id, workflow_execution_id, task_name, task_id, route, result,
// status, start_timestamp and end_timestamp, and is nil for a task that never ran.
type Records interface {
	Task(ctx context.Context, task string, route int) (*value.Dict, error)
}

// Options are what a Conductor works with.
type Options struct {
	Definition *Definition
	Evaluator  Evaluator
	// Records may be nil: task() then knows the statuses, and the result of the task
	// that has just completed.
	Records Records
}

// Conductor advances one workflow by one event at a time. It is not safe for
// concurrent use: whoever holds the lock of the workflow has it.
type Conductor struct {
	def       *Definition
	graph     *Graph
	evaluator Evaluator
	records   Records
	parts     *parts
	head      *head
}

// Action is what a task wants run.
type Action struct {
	Ref   any  // the name, as evaluated: a text unless the definition is wrong
	Input any  // what it is given: nil, or a *value.Dict
	Item  *int // of a task with items: which
}

// Next is a task that is to run now.
type Next struct {
	Task    string
	Route   int
	Actions []Action // one, or some of the items; none when there is nothing to run
	// Delay is how many seconds to wait first; nil when the task says nothing. It
	// applies to items only up to the concurrency, see [Next.DelayOf].
	Delay *int64
	// Of a task with items: how many there are in all, and how many may run at once.
	Itemized    bool
	ItemsCount  int
	Concurrency *int64
	// More tells that these are further items of a task that has begun.
	More bool
	// Completed tells that the task is through already: there was nothing to run.
	Completed bool
}

// DelayOf gives the seconds to wait before an action of the task.
func (n *Next) DelayOf(a Action) int64 {
	if n.Delay == nil || a.Item != nil && n.Concurrency != nil && int64(*a.Item) >= *n.Concurrency {
		return 0
	}
	return *n.Delay
}

// Start is what a workflow is started with.
type Start struct {
	Input  *value.Dict // nil: nothing given
	Parent *value.Dict // the variables below the inputs: st2, parent; nil: none
}

func prepare(o Options, load Loader) (*Conductor, error) {
	graph, err := o.Definition.Graph()
	if err != nil {
		return nil, &engine.Error{Code: engine.Invalid, Message: err.Error()}
	}
	return &Conductor{def: o.Definition, graph: graph, evaluator: o.Evaluator, records: o.Records, parts: newParts(load)}, nil
}

// New begins a workflow: it renders the inputs and vars and stages the first tasks.
// When that fails the workflow is failed, which is no error. An error is a
// definition without a graph.
func New(ctx context.Context, o Options, start Start) (*Conductor, error) {
	c, err := prepare(o, nil)
	if err != nil {
		return nil, err
	}
	c.head = &head{Status: Unset}
	c.begin(ctx, start)
	c.touch()
	return c, c.parts.fault
}

// Open takes up a workflow from its state.
func Open(o Options, load Loader) (*Conductor, error) {
	c, err := prepare(o, load)
	if err != nil {
		return nil, err
	}
	if c.head = get[head](c.parts, keyHead); c.head == nil {
		c.parts.fail(keyHead, errNoState)
		return nil, c.parts.fault
	}
	return c, nil
}

// Changes gives the parts of the state that have changed since it was last asked;
// a nil part is to be taken away. It fails when a part of the state could not be
// loaded: the Conductor is then of no use any more.
func (c *Conductor) Changes() (State, error) { return c.parts.changes() }

// Weight is about how many bytes of the state the Conductor holds in memory.
func (c *Conductor) Weight() int { return c.parts.weight }

// Status is the status of the workflow.
func (c *Conductor) Status() Status { return c.head.Status }

// Definition is what the workflow was made from.
func (c *Conductor) Definition() *Definition { return c.def }

// touch notes that the head changes; every step changes it.
func (c *Conductor) touch() { c.parts.put(keyHead, c.head) }

func (c *Conductor) begin(ctx context.Context, start Start) {
	if start.Input == nil {
		start.Input = value.NewDict(0)
	}
	rolling := value.NewDict(4)
	if start.Parent != nil {
		rolling = value.DeepCopy(start.Parent).(*value.Dict)
	}
	for key, v := range map[string]*value.Dict{keyInput: start.Input, keyParent: rolling.Copy()} {
		s, err := newStored(v)
		if err != nil {
			c.parts.fail(key, err)
			return
		}
		c.parts.put(key, s)
	}
	before := rolling.Copy()
	failed := c.inputs(ctx, rolling, start.Input)
	rolling = mergeValue(before, rolling).(*value.Dict)
	vars := value.NewDict(len(c.def.Vars))
	s := c.bare(rolling.Copy())
	for _, a := range c.def.Vars {
		v, err := s.evaluate(ctx, a.Value)
		if err != nil {
			c.logError(err, "", nil, "")
			failed = true
			continue
		}
		s.assign(a.Name, v)
		vars.SetString(a.Name, v)
	}
	if failed {
		c.head.Status = engine.Failed
		return
	}
	base := &frame{}
	for k, v := range mergeValue(rolling, vars).(*value.Dict).All() {
		b, err := c.keep(value.Str(k), v)
		if err != nil {
			c.logError(fmt.Errorf("the variable %s cannot be kept: %w", value.Str(k), err), "", nil, "")
			c.head.Status = engine.Failed
			return
		}
		base.set(b)
	}
	c.parts.put(keyBase, base)
	c.head.Begun = true
	c.addRoute(nil)
	for _, root := range c.graph.Roots {
		c.head.Staged = append(c.head.Staged, &stage{ID: root, Ready: true})
	}
}

// inputs renders the inputs into rolling and tells whether some failed.
func (c *Conductor) inputs(ctx context.Context, rolling, given *value.Dict) (failed bool) {
	s := c.bare(rolling)
	for _, in := range c.def.Inputs {
		v, ok := given.GetString(in.Name)
		if !ok {
			v = in.Default
		}
		v, err := s.evaluate(ctx, v)
		if err != nil {
			c.logError(err, "", nil, "")
			failed = true
			continue
		}
		s.assign(in.Name, v)
	}
	return failed
}

// route gives the steps of a route.
func (c *Conductor) route(i int) []string {
	if r := get[[]string](c.parts, keyRoute(i)); r != nil {
		return *r
	}
	return nil
}

func (c *Conductor) addRoute(steps []string) int {
	if steps == nil {
		steps = []string{}
	}
	c.parts.put(keyRoute(c.head.Routes), &steps)
	c.head.Routes++
	return c.head.Routes - 1
}

// latest gives the newest entry of a task on a route; nil when there is none.
func (c *Conductor) latest(task string, route int) *entry {
	i := get[int](c.parts, keyTask(task, route))
	if i == nil {
		return nil
	}
	return c.entry(*i)
}

func (c *Conductor) entry(i int) *entry {
	e := get[entry](c.parts, keyEntry(i))
	if e == nil {
		c.parts.fail(keyEntry(i), errNoState)
		return &entry{index: i}
	}
	e.index = i
	return e
}

func (c *Conductor) save(e *entry) { c.parts.put(keyEntry(e.index), e) }

// staged finds the stage of a task on a route; nil when there is none.
func (c *Conductor) staged(task string, route int) *stage {
	for _, s := range c.head.Staged {
		if s.ID == task && s.Route == route {
			return s
		}
	}
	return nil
}

// unstage takes a stage away, unless some of its items are active.
func (c *Conductor) unstage(s *stage) {
	if s == nil {
		return
	}
	if s.Items {
		if w := c.items(s); w != nil && w.Counts.Active > 0 {
			return
		}
	}
	c.dropItems(s)
	for n := range s.Arrivals {
		c.parts.drop(keyArrival(s.ID, s.Route, n))
	}
	c.head.Staged = slices.DeleteFunc(c.head.Staged, func(x *stage) bool { return x == s })
}

// startable tells whether some stage is ready to run.
func (c *Conductor) startable() bool {
	return slices.ContainsFunc(c.head.Staged, func(s *stage) bool { return s.Ready && !s.Completed })
}

// Entry is one line of the errors of a workflow.
type Entry struct {
	Type             string          `json:"type"` // error
	Message          string          `json:"message"`
	TaskID           string          `json:"task_id,omitempty"`
	Route            *int            `json:"route,omitempty"`
	TaskTransitionID string          `json:"task_transition_id,omitempty"`
	Result           json.RawMessage `json:"result,omitempty"`
}

func (e *Entry) equal(o *Entry) bool {
	sameRoute := e.Route == nil && o.Route == nil || e.Route != nil && o.Route != nil && *e.Route == *o.Route
	return sameRoute && e.Message == o.Message && e.TaskID == o.TaskID && e.TaskTransitionID == o.TaskTransitionID && bytes.Equal(e.Result, o.Result)
}

// Errors lists the error entries, oldest first.
func (c *Conductor) Errors() ([]Entry, error) {
	out := []Entry{}
	for i := range c.head.Errors {
		if e := get[Entry](c.parts, keyError(i)); e != nil {
			out = append(out, *e)
		}
	}
	return out, c.parts.fault
}

// logError adds an error entry for an error of an expression.
func (c *Conductor) logError(err error, task string, route *int, transition string) {
	c.log(&Entry{Type: "error", Message: errorName(err) + err.Error(), TaskID: task, Route: route, TaskTransitionID: transition})
}

// Output gives what the workflow has put out so far; nil when it has nothing.
func (c *Conductor) Output() (*value.Dict, error) {
	if !c.head.Output {
		return nil, nil
	}
	s := get[stored](c.parts, keyOutput)
	if s == nil {
		return nil, errors.Join(c.parts.fault, errNoState)
	}
	v, err := s.value()
	d, _ := v.(*value.Dict)
	return d, err
}

// Result is the result of the execution of the workflow: {output} with {errors}
// when it has failed.
func (c *Conductor) Result() (*value.Dict, error) {
	out, err := c.Output()
	if err != nil {
		return nil, err
	}
	var put any
	if out != nil {
		put = out
	}
	result := value.DictOf("output", put)
	if abended(c.head.Status) {
		entries, err := c.Errors()
		if err != nil {
			return nil, err
		}
		raw, err := json.Marshal(entries)
		if err != nil {
			return nil, err
		}
		list, err := value.ParseJSON(raw)
		if err != nil {
			return nil, err
		}
		result.SetString("errors", list)
	}
	return result, nil
}

// Context gives the variables that a task sees, or has seen in its newest run.
func (c *Conductor) Context(task string, route int) (*value.Dict, error) {
	var f *frame
	if s := c.staged(task, route); s != nil {
		f = c.arrived(s)
	} else if e := c.latest(task, route); e != nil {
		f = c.frame(e.Frame)
	} else {
		return nil, engine.Errorf(engine.NotFound, "the task %q has not been reached on route %d", task, route)
	}
	all := c.scope(f, nil).Variables()
	return all, c.parts.fault
}

// TaskStatus is the status of the newest run of a task on a route, Unset when it
// has not run.
func (c *Conductor) TaskStatus(task string, route int) Status {
	if e := c.latest(task, route); e != nil {
		return e.status()
	}
	return Unset
}

// Run names the newest run of a task on a route: no two runs or tries of any task
// of the workflow have the same name. Before the first it is "".
func (c *Conductor) Run(task string, route int) string {
	e := c.latest(task, route)
	if e == nil {
		return ""
	}
	name := strconv.Itoa(e.index)
	if e.Retry != nil && e.Retry.Tally > 0 {
		name += "." + strconv.FormatInt(e.Retry.Tally, 10)
	}
	return name
}

// Routes lists the routes on which a task has run, in the order of the first runs.
func (c *Conductor) Routes(task string) ([]int, error) {
	var out []int
	for i := range c.head.Sequence {
		if e := c.entry(i); e.ID == task && !slices.Contains(out, e.Route) {
			out = append(out, e.Route)
		}
	}
	return out, c.parts.fault
}

// Statuses gives how the newest run of each task stands, on whatever route; those
// that have not run are missing.
func (c *Conductor) Statuses() (map[string]Status, error) {
	out := map[string]Status{}
	for i := range c.head.Sequence {
		e := c.entry(i)
		out[e.ID] = e.status()
	}
	return out, c.parts.fault
}

// Fail fails the workflow with an entry of its own: for a task, when its action
// could not be requested. It does nothing to a workflow that has failed already.
func (c *Conductor) Fail(message, task string, route *int) {
	c.log(&Entry{Type: "error", Message: message, TaskID: task, Route: route})
	c.force(engine.Failed)
	c.touch()
}
