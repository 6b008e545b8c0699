package workflow

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"

	"petrel/engine/expression/value"
)

// Definition is a workflow as its file says it. It is not changed once read and
// may be shared by any number of conductors.
type Definition struct {
	File        string // for messages; may be empty
	Name        string
	Description string
	Inputs      []Input
	Vars        []Assignment
	Output      []Assignment
	Tasks       map[string]*Task
	Order       []string // the names of the tasks as the file orders them
	// Start names the tasks to start with; nil: those that nothing leads to.
	Start []string
	// Flat: a task that several others lead to does not make a route for each.
	Flat bool

	doc      *value.Dict
	lines    lines
	graph    *Graph
	graphErr error
}

// Input is a variable that the caller may give.
type Input struct {
	Name       string
	Default    any // may hold expressions
	HasDefault bool
}

// Assignment gives a variable a value, which may hold expressions.
type Assignment struct {
	Name  string
	Value any
}

// Task is one step of a workflow.
type Task struct {
	Name   string
	Action string // may hold expressions; "" succeeds at once
	Input  any    // nil, a *value.Dict, or a text that evaluates to a map
	With   *With
	Delay  any // nil, an integer in seconds, or a text that evaluates to one
	Join   int // 0: none; JoinAll; else how many branches must arrive
	Retry  *Retry
	Next   []Transition
}

// JoinAll is the Join of a task that waits for every branch.
const JoinAll = -1

// With runs a task once an item.
type With struct {
	Items       string   // the expression, without the names
	Names       []string // of the parts of an item; nil: the item is taken as it is
	Concurrency any      // nil: all at once; an integer, or a text that evaluates to one
}

// Retry says when a task runs again.
type Retry struct {
	When  string // "": after a failure
	Count any    // an integer, or a text that evaluates to one
	Delay any    // nil, an integer in seconds, or a text that evaluates to one
}

// Transition leads from a task that has completed to others.
type Transition struct {
	When    string // "": always
	Publish []Assignment
	Do      []string // tasks and commands; never empty
}

// The engine commands that stand where a task may stand.
const (
	CommandContinue = "continue"
	CommandNoop     = "noop"
	CommandFail     = "fail"
	CommandRetry    = "retry"
)

func isCommand(name string) bool {
	switch name {
	case CommandContinue, CommandNoop, CommandFail, CommandRetry:
		return true
	}
	return false
}

// Parse reads a workflow definition, YAML or JSON. It fails when the text is not a
// map at all or a key stands twice in one; what else is wrong with it is told by
// [Definition.Inspect], and what has the wrong shape is left out of the Definition.
func Parse(file string, text []byte) (*Definition, error) {
	root, lines, err := parseYAML(text)
	if err != nil {
		if file != "" {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return nil, err
	}
	doc, ok := root.(*value.Dict)
	if !ok {
		return nil, fmt.Errorf("%s: a workflow definition must be a map with tasks, not %s", orText(file), value.TypeName(root))
	}
	d := &Definition{File: file, doc: doc, lines: lines, Tasks: map[string]*Task{}}
	d.read()
	d.graph, d.graphErr = d.compose()
	return d, nil
}

func orText(file string) string {
	if file == "" {
		return "the text"
	}
	return file
}

// Compose makes a definition that was not read from a file usable: after it the
// definition must not be changed. It fails as [Definition.Graph] does.
func (d *Definition) Compose() error {
	if d.doc == nil {
		d.doc, d.lines = value.NewDict(0), lines{}
	}
	d.graph, d.graphErr = d.compose()
	return d.graphErr
}

// Document is the definition as its file has it: with the short forms, not evaluated.
func (d *Definition) Document() *value.Dict { return d.doc }

// Line is the line of a place in the file, such as tasks.t1.next[0].do: of the
// innermost part of it that the file has. 0 when nothing is known.
func (d *Definition) Line(path string) int { return d.lines.find(path) }

func (d *Definition) read() {
	d.Name, d.Description = textAt(d.doc, "name"), textAt(d.doc, "description")
	for _, item := range listAt(d.doc, "input") {
		switch x := item.(type) {
		case string:
			d.Inputs = append(d.Inputs, Input{Name: x})
		case *value.Dict:
			if x.Len() > 0 {
				k, v := x.At(0)
				d.Inputs = append(d.Inputs, Input{Name: value.Str(k), Default: v, HasDefault: true})
			}
		}
	}
	d.Vars, d.Output = assignments(listAt(d.doc, "vars")), assignments(listAt(d.doc, "output"))
	tasks, _ := d.doc.GetString("tasks")
	byName, ok := tasks.(*value.Dict)
	if !ok {
		return
	}
	for k, v := range byName.All() {
		spec, ok := v.(*value.Dict)
		name, isText := k.(string)
		if !ok || !isText {
			continue
		}
		d.Tasks[name] = readTask(name, spec)
		d.Order = append(d.Order, name)
	}
}

func readTask(name string, spec *value.Dict) *Task {
	t := &Task{Name: name, Action: textAt(spec, "action")}
	t.Input, _ = spec.GetString("input")
	switch t.Input.(type) {
	case string, *value.Dict:
	default:
		t.Input = nil
	}
	if pairs := inlineParams(t.Action); pairs != nil && strings.Contains(t.Action, " ") {
		in := value.NewDict(len(pairs))
		for _, p := range pairs {
			in.SetString(p.Name, p.Value)
		}
		t.Action, t.Input = t.Action[:strings.Index(t.Action, " ")], in
	}
	t.Delay = numberOrText(spec, "delay")
	switch join, _ := spec.GetString("join"); x := join.(type) {
	case string:
		if x == "all" {
			t.Join = JoinAll
		}
	case int64:
		t.Join = int(min(max(x, 1), 1<<30))
	}
	t.With = readWith(spec)
	if retry, ok := dictAt(spec, "retry"); ok {
		t.Retry = &Retry{When: textAt(retry, "when"), Count: numberOrText(retry, "count"), Delay: numberOrText(retry, "delay")}
	}
	for _, item := range listAt(spec, "next") {
		if x, ok := item.(*value.Dict); ok {
			t.Next = append(t.Next, readTransition(x))
		}
	}
	return t
}

var withNames = regexp.MustCompile(`^[\p{L}\p{N}_, ]*$`)

func readWith(spec *value.Dict) *With {
	var w With
	switch with, _ := spec.GetString("with"); x := with.(type) {
	case string:
		w.Items = x
	case *value.Dict:
		w.Items, w.Concurrency = textAt(x, "items"), numberOrText(x, "concurrency")
	default:
		return nil
	}
	// Upstream takes every " in " for the one between names and expression, also
	// one inside an expression that stands alone.
	if before, after, ok := strings.Cut(w.Items, " in "); ok && withNames.MatchString(before) {
		w.Items = after
		w.Names = strings.Split(strings.ReplaceAll(before, " ", ""), ",")
	}
	w.Items = strings.TrimSpace(w.Items)
	return &w
}

func readTransition(spec *value.Dict) Transition {
	t := Transition{When: textAt(spec, "when")}
	switch publish, _ := spec.GetString("publish"); x := publish.(type) {
	case string:
		t.Publish = inlineParams(x)
	case *value.List:
		t.Publish = assignments(x.Items)
	}
	switch do, _ := spec.GetString("do"); x := do.(type) {
	case string:
		for name := range strings.SplitSeq(x, ",") {
			t.Do = append(t.Do, strings.TrimSpace(name))
		}
	case *value.List:
		for _, name := range x.Items {
			if s, ok := name.(string); ok {
				t.Do = append(t.Do, s)
			}
		}
	}
	if len(t.Do) == 0 {
		t.Do = []string{CommandContinue}
	}
	return t
}

// assignments reads a list of maps with one key each.
func assignments(items []any) []Assignment {
	var out []Assignment
	for _, item := range items {
		if x, ok := item.(*value.Dict); ok && x.Len() > 0 {
			k, v := x.At(0)
			out = append(out, Assignment{Name: value.Str(k), Value: v})
		}
	}
	return out
}

func textAt(d *value.Dict, key string) string {
	v, _ := d.GetString(key)
	s, _ := v.(string)
	return s
}

func listAt(d *value.Dict, key string) []any {
	v, _ := d.GetString(key)
	if l, ok := v.(*value.List); ok {
		return l.Items
	}
	return nil
}

func dictAt(d *value.Dict, key string) (*value.Dict, bool) {
	v, _ := d.GetString(key)
	x, ok := v.(*value.Dict)
	return x, ok
}

// numberOrText keeps an integer or a non-empty text; anything else is nil.
func numberOrText(d *value.Dict, key string) any {
	switch v, _ := d.GetString(key); x := v.(type) {
	case int64:
		return x
	case *big.Int:
		return int64(1 << 62)
	case string:
		if x != "" {
			return x
		}
	}
	return nil
}
