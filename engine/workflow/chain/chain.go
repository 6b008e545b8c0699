// Package chain runs action chains: it reads chain files, compiles them into the
// same graph that Orquesta's workflows have, and lets the conductor of package
// workflow run it. Templates are rendered, and results have the shape, as in
// StackStorm's action chains.
//
// Like the conductor it is pure: it must not know executions, runners or stores.
package chain

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"petrel/engine"
	"petrel/engine/expression"
	"petrel/engine/expression/value"
	"petrel/engine/workflow"
)

// Chain is a chain as its file says it. It is not changed once read.
type Chain struct {
	File  string
	Start string // the node that runs first
	Nodes []*Node
	Vars  *value.Dict // rendered once at the start

	byName map[string]*Node
	def    *workflow.Definition
}

// Node is one step of a chain.
type Node struct {
	Name       string
	Ref        string // of the action; not rendered
	Parameters *value.Dict
	OnSuccess  string // a node; "" ends the chain
	OnFailure  string
	Publish    *value.Dict
	Notify     any // as the file has it; nil: that of the chain's action
}

// Node finds a node by its name; nil when there is none.
func (c *Chain) Node(name string) *Node { return c.byName[name] }

// Definition is the graph that the chain is compiled into.
func (c *Chain) Definition() *workflow.Definition { return c.def }

func invalid(file, format string, args ...any) error {
	if file != "" {
		format, args = "%s: "+format, append([]any{file}, args...)
	}
	return engine.Errorf(engine.Invalid, format, args...)
}

// Parse reads a chain file and checks it as upstream does before it runs one. The
// errors are [engine.Invalid].
func Parse(file string, text []byte) (*Chain, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, invalid(file, "%v", err)
	}
	v, err := value.FromYAML(&doc)
	if err != nil {
		return nil, invalid(file, "%v", err)
	}
	root, ok := v.(*value.Dict)
	if !ok {
		return nil, invalid(file, "a chain must be a map with the key chain, not %s", value.TypeName(v))
	}
	c := &Chain{File: file, byName: map[string]*Node{}}
	if err := c.read(root); err != nil {
		return nil, err
	}
	if err := c.check(root); err != nil {
		return nil, err
	}
	return c, c.compile()
}

func (c *Chain) read(root *value.Dict) error {
	for k := range root.All() {
		switch k {
		case "chain", "default", "vars":
		default:
			return invalid(c.File, "the key %s is not known; a chain has chain, default and vars", value.Repr(k))
		}
	}
	list, _ := root.GetString("chain")
	nodes, ok := list.(*value.List)
	if !ok || len(nodes.Items) == 0 {
		return invalid(c.File, "the key chain must hold a list of nodes")
	}
	var err error
	if c.Vars, err = mapAt(root, "vars"); err != nil {
		return invalid(c.File, "%v", err)
	}
	for i, item := range nodes.Items {
		n, err := readNode(item, i == 0)
		if err != nil {
			return invalid(c.File, "chain[%d]: %v", i, err)
		}
		c.Nodes = append(c.Nodes, n)
		if c.byName[n.Name] == nil {
			c.byName[n.Name] = n
		}
	}
	return nil
}

// readNode reads one node. Upstream refuses unknown keys in the first only, and
// there are packs that live by that.
func readNode(item any, strict bool) (*Node, error) {
	d, ok := item.(*value.Dict)
	if !ok {
		return nil, fmt.Errorf("a node must be a map, not %s", value.TypeName(item))
	}
	n := &Node{}
	for _, f := range []struct {
		key string
		to  *string
	}{{"name", &n.Name}, {"ref", &n.Ref}, {"on-success", &n.OnSuccess}, {"on-failure", &n.OnFailure}} {
		v, _ := d.GetString(f.key)
		if v == nil {
			continue
		}
		if *f.to, ok = v.(string); !ok {
			return nil, fmt.Errorf("%s must be text, not %s", f.key, value.TypeName(v))
		}
	}
	if n.Name == "" || n.Ref == "" {
		return nil, fmt.Errorf("a node needs name and ref")
	}
	old, err := mapAt(d, "params")
	if err != nil {
		return nil, err
	}
	if n.Parameters, err = mapAt(d, "parameters"); err != nil {
		return nil, err
	}
	if n.Parameters.Len() > 0 && old.Len() > 0 {
		return nil, fmt.Errorf("%s: either parameters or params (its old name), not both", n.Name)
	}
	if old.Len() > 0 {
		n.Parameters = old
	}
	if n.Publish, err = mapAt(d, "publish"); err != nil {
		return nil, err
	}
	n.Notify, _ = d.GetString("notify")
	for k := range d.All() {
		switch k {
		case "name", "ref", "parameters", "params", "on-success", "on-failure", "publish", "notify", "description":
		default:
			if strict {
				return nil, fmt.Errorf("%s: the key %s is not known", n.Name, value.Repr(k))
			}
		}
	}
	return n, nil
}

func mapAt(d *value.Dict, key string) (*value.Dict, error) {
	v, _ := d.GetString(key)
	if v == nil {
		return value.NewDict(0), nil
	}
	m, ok := v.(*value.Dict)
	if !ok {
		return nil, fmt.Errorf("%s must be a map, not %s", key, value.TypeName(v))
	}
	return m, nil
}

// check finds the first node and makes sure that every target exists. A target that
// is a template passes here, and fails when it is reached: it is never rendered.
func (c *Chain) check(root *value.Dict) error {
	named := map[string]bool{}
	for _, n := range c.Nodes {
		for key, to := range map[string]string{"on-success": n.OnSuccess, "on-failure": n.OnFailure} {
			if to != "" && c.byName[to] == nil && !expression.IsTemplate(to) {
				return invalid(c.File, "%s: %s names the node %q, which is not in the chain", n.Name, key, to)
			}
			named[to] = true
		}
	}
	if def, _ := root.GetString("default"); def != nil && def != "" {
		name, ok := def.(string)
		if !ok || c.byName[name] == nil {
			return invalid(c.File, "default names the node %s, which is not in the chain", value.Repr(def))
		}
		c.Start = name
		return nil
	}
	c.Start = c.Nodes[0].Name
	for _, n := range c.Nodes {
		if !named[n.Name] {
			c.Start = n.Name
			break
		}
	}
	return nil
}

// compile makes the graph: each node has a transition for success and one for
// failure. They bring the result of the node and what it publishes along.
func (c *Chain) compile() error {
	c.def = &workflow.Definition{File: c.File, Tasks: map[string]*workflow.Task{}, Start: []string{c.Start}, Flat: true}
	for _, n := range c.Nodes {
		if c.byName[n.Name] != n {
			continue
		}
		t := &workflow.Task{Name: n.Name, Action: n.Ref, Input: parametersOf{n}}
		for _, way := range []struct{ when, to string }{{whenSucceeded, n.OnSuccess}, {whenFailed, n.OnFailure}} {
			next := workflow.Transition{When: way.when, Do: []string{way.to}}
			if way.to == "" {
				next.Do[0] = workflow.CommandContinue
			} else if c.byName[way.to] == nil {
				next.When, next.Do[0] = way.when+" "+way.to, workflow.CommandFail
			}
			next.Publish = append(next.Publish, workflow.Assignment{Name: resultName(n.Name), Value: resultOf{n}})
			if n.Publish.Len() > 0 {
				next.Publish = append(next.Publish, workflow.Assignment{Name: publishedName, Value: publishOf{n}})
			}
			t.Next = append(t.Next, next)
		}
		c.def.Tasks[n.Name] = t
		c.def.Order = append(c.def.Order, n.Name)
	}
	if err := c.def.Compose(); err != nil {
		return invalid("", "%v", err)
	}
	return nil
}

// The conditions of transitions, as the evaluator knows them. A target that does
// not exist follows after a blank.
const (
	whenSucceeded = "\x00succeeded"
	whenFailed    = "\x00failed"
)

// The values that the evaluator renders: what they render depends on the node.
type (
	parametersOf struct{ node *Node }
	resultOf     struct{ node *Node }
	publishOf    struct{ node *Node }
)

// The variables of the conductor that a chain uses. Each holds a list of one value:
// lists are replaced where maps would be merged.
const (
	varsName      = "vars"      // the rendered vars
	publishedName = "published" // what was published so far
	resultPrefix  = "result:"   // and the name of a node
)

func resultName(node string) string { return resultPrefix + node }

func isResult(name string) (node string, ok bool) { return strings.CutPrefix(name, resultPrefix) }
