package workflow

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"petrel/engine/expression"
	"petrel/engine/expression/value"
)

// Problem is something wrong with a definition, in the shape that the API gives.
type Problem struct {
	Type       string `json:"type"` // syntax, semantic, expression or context
	Message    string `json:"message"`
	SpecPath   string `json:"spec_path"`   // tasks.t1.next[0].publish[1]
	SchemaPath string `json:"schema_path"` // properties.tasks.patternProperties.^\w+$...
	Language   string `json:"language,omitempty"`
	Expression string `json:"expression,omitempty"`
	File       string `json:"file,omitempty"`
	Line       int    `json:"line,omitempty"` // in File; 0 when not known
}

// String is the problem for a person: file:line: what is wrong.
func (p Problem) String() string {
	place := p.SpecPath
	if p.File != "" && p.Line > 0 {
		place = p.File + ":" + strconv.Itoa(p.Line)
		if p.SpecPath != "" {
			place += ": " + p.SpecPath
		}
	}
	if p.Expression != "" && !strings.Contains(p.Message, p.Expression) {
		return fmt.Sprintf("%s: %s in %s", place, p.Message, p.Expression)
	}
	return place + ": " + p.Message
}

const (
	tasksSchema = "properties.tasks"
	taskSchema  = tasksSchema + `.patternProperties.^\w+$`
	nextSchema  = taskSchema + ".properties.next.items.properties"
)

// Inspect tells what is wrong with the definition, sorted by type and place:
// its shape, its tasks, the grammar of its expressions (as renderer sees it) and
// the variables they use. known are the variables that exist before the inputs,
// in upstream st2 and parent.
func (d *Definition) Inspect(renderer *expression.Renderer, known ...string) []Problem {
	out := d.syntax()
	out = append(out, d.semantics()...)
	out = append(out, d.expressions(renderer)...)
	out = append(out, d.variables(known)...)
	for i := range out {
		out[i].File, out[i].Line = d.File, d.Line(out[i].SpecPath)
	}
	slices.SortStableFunc(out, func(a, b Problem) int {
		return strings.Compare(a.Type+"\x00"+a.SchemaPath+"\x00"+a.SpecPath, b.Type+"\x00"+b.SchemaPath+"\x00"+b.SpecPath)
	})
	seen := map[Problem]bool{}
	return slices.DeleteFunc(out, func(p Problem) bool {
		twice := seen[p]
		seen[p] = true
		return twice
	})
}

func semantic(spec, schema, format string, args ...any) Problem {
	return Problem{Type: "semantic", Message: fmt.Sprintf(format, args...), SpecPath: spec, SchemaPath: schema}
}

func (d *Definition) semantics() []Problem {
	var out []Problem
	for _, name := range d.Order {
		if isCommand(name) {
			out = append(out, semantic("tasks."+name, taskSchema, "The task name %q is reserved with special function.", name))
		}
		if t := d.Tasks[name]; t.With != nil && t.Action == "" {
			out = append(out, semantic("tasks."+name, taskSchema, "The action property is required for with items task."))
		}
	}
	starts := d.starts()
	if len(d.Tasks) > 0 && len(starts) == 0 {
		out = append(out, semantic("tasks", tasksSchema, "No task to start the workflow with: every task comes after another. "+
			"Add a task that leads into the loop."))
	}
	reached, queue := map[string]bool{}, slices.Clone(starts)
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if reached[name] || d.Tasks[name] == nil {
			continue
		}
		reached[name] = true
		for i, n := range d.Tasks[name].Next {
			for _, to := range n.Do {
				if !isCommand(to) && d.Tasks[to] == nil {
					out = append(out, semantic("tasks."+name+".next["+strconv.Itoa(i)+"].do", nextSchema+".do", "The task %q is not defined.", to))
				}
				queue = append(queue, to)
			}
		}
	}
	return append(out, d.unreachableJoins(starts)...)
}

// unreachableJoins finds the joins of which some branch passes other splits than
// the join itself: nobody could say on which route they join.
func (d *Definition) unreachableJoins(starts []string) []Problem {
	splits, previous := d.splitsOnTheWay(starts)
	var out []Problem
	for _, name := range d.Order {
		t := d.Tasks[name]
		if t.Join == 0 || splits[name] == nil {
			continue
		}
		for from := range previous[name] {
			if !sameSet(splits[from], splits[name]) {
				out = append(out, semantic("tasks."+name, taskSchema, "The join task %q is unreachable: its branches come through "+
					"different forks of tasks that several others lead to, and it is not clear at which level they join.", name))
				break
			}
		}
	}
	return out
}

type set map[string]bool

func sameSet(a, b set) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if !b[k] {
			return false
		}
	}
	return true
}

// splitsOnTheWay walks from the start tasks and records for each task the splits
// that are passed on any way to it, and the tasks directly before it.
func (d *Definition) splitsOnTheWay(starts []string) (splits, previous map[string]set) {
	type step struct {
		from, to string
		passed   set
	}
	splits, previous = map[string]set{}, map[string]set{}
	walked := map[[2]string]set{}
	inbound := d.inbound()
	cycle := d.loops()
	var queue []step
	for _, s := range starts {
		queue = append(queue, step{"", s, set{}})
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		t := d.Tasks[at.to]
		if t == nil {
			continue
		}
		passed := at.passed
		if t.Join == 0 && inbound[at.to] > 1 && !cycle[at.to] {
			passed = union(passed, set{at.to: true})
		}
		splits[at.to] = union(splits[at.to], passed)
		if at.from != "" {
			previous[at.to] = union(previous[at.to], set{at.from: true})
		}
		for _, to := range t.targets() {
			if splits[to.name] != nil && cycle[to.name] {
				continue
			}
			edge := [2]string{at.to, to.name}
			before, again := walked[edge]
			if after := union(before, passed); !again || len(after) > len(before) {
				walked[edge] = after
				queue = append(queue, step{at.to, to.name, passed})
			}
		}
	}
	return splits, previous
}

func union(a, b set) set {
	out := make(set, len(a)+len(b))
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}

// loops tells which tasks can come after themselves; it works on definitions that
// have no graph too.
func (d *Definition) loops() map[string]bool {
	g := &Graph{Nodes: map[string]*Node{}}
	for _, name := range d.Order {
		g.Nodes[name] = &Node{Name: name, Task: d.Tasks[name]}
		g.Order = append(g.Order, name)
	}
	for _, name := range d.Order {
		for _, to := range d.Tasks[name].targets() {
			if n := g.Nodes[to.name]; n != nil {
				g.Nodes[name].connect(n, to)
			}
		}
	}
	g.markCycles()
	out := map[string]bool{}
	for name, n := range g.Nodes {
		out[name] = n.Cycle
	}
	return out
}

// place is a value in a definition with what an inspection says of where it is.
type place struct {
	value        any
	spec, schema string
}

// places lists every value that may hold expressions.
func (d *Definition) places() []place {
	var out []place
	add := func(v any, spec, schema string) {
		if v != nil && v != "" {
			out = append(out, place{v, spec, schema})
		}
	}
	for _, key := range []string{"input", "vars", "output"} {
		v, _ := d.doc.GetString(key)
		add(v, key, "properties."+key)
	}
	for _, name := range d.Order {
		t, spec := d.Tasks[name], "tasks."+name
		add(t.Delay, spec+".delay", taskSchema+".properties.delay")
		add(t.Action, spec+".action", taskSchema+".properties.action")
		add(t.Input, spec+".input", taskSchema+".properties.input")
		if t.With != nil {
			add(t.With.Items, spec+".with.items", taskSchema+".properties.with.properties.items")
			add(t.With.Concurrency, spec+".with.concurrency", taskSchema+".properties.with.properties.concurrency")
		}
		if t.Retry != nil {
			add(t.Retry.When, spec+".retry.when", taskSchema+".properties.retry.properties.when")
			add(t.Retry.Count, spec+".retry.count", taskSchema+".properties.retry.properties.count")
			add(t.Retry.Delay, spec+".retry.delay", taskSchema+".properties.retry.properties.delay")
		}
		for i, n := range t.Next {
			next := spec + ".next[" + strconv.Itoa(i) + "]"
			add(n.When, next+".when", nextSchema+".when")
			for _, p := range n.Publish {
				add(p.Value, next+".publish", nextSchema+".publish")
			}
			for _, to := range n.Do {
				add(to, next+".do", nextSchema+".do")
			}
		}
	}
	return out
}

// expressions checks the grammar of every expression.
func (d *Definition) expressions(r *expression.Renderer) []Problem {
	var out []Problem
	for _, p := range d.places() {
		eachText(p.value, func(s string) {
			for _, x := range r.Inspect(s) {
				problem := Problem{Type: "expression", Language: x.Language, Expression: x.Expression, Message: x.Err.Error(), SpecPath: p.spec, SchemaPath: p.schema}
				out = append(out, problem)
			}
		})
	}
	return out
}

// eachText goes over the texts in a value, keys of maps included.
func eachText(v any, do func(string)) {
	switch x := v.(type) {
	case string:
		do(x)
	case *value.List:
		for _, item := range x.Items {
			eachText(item, do)
		}
	case *value.Dict:
		for k, item := range x.All() {
			eachText(k, do)
			eachText(item, do)
		}
	}
}
