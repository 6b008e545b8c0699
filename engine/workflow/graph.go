package workflow

import (
	"fmt"
	"slices"
	"strconv"
)

// Graph is what a definition amounts to: the tasks that can be reached and the
// commands they use, and the edges between them.
type Graph struct {
	Roots []string // the tasks that nothing leads to, sorted
	Nodes map[string]*Node
	Order []string // every node, in the order it is first reached
}

// Node is a task or a command.
type Node struct {
	Name    string
	Command bool
	Task    *Task  // nil for commands
	Join    int    // as [Task.Join]
	Split   bool   // each way in makes a route of its own
	Cycle   bool   // the node can come after itself
	Retry   *Retry // of the task, or of its transition to the command retry
	Out     []*Edge
	In      []*Edge
	Sources int // distinct nodes that lead here
}

// Edge leads from a node to another. Edges of one node are sorted by target.
type Edge struct {
	From, To string
	Ref      int // which transition of From
	Key      int // counts the edges between the same two nodes
	When     string
}

// id names the edge as seen from its source: target__tN.
func (e *Edge) id() string { return e.To + "__t" + strconv.Itoa(e.Key) }

// back names the edge as seen from its target: source__tN.
func (e *Edge) back() string { return e.From + "__t" + strconv.Itoa(e.Key) }

// target is one name in the do of a transition.
type target struct {
	name string
	ref  int
	when string
}

// targets lists where a task may lead, sorted by name, then as the file has them.
func (t *Task) targets() []target {
	var out []target
	for ref, n := range t.Next {
		for _, name := range n.Do {
			out = append(out, target{name, ref, n.When})
		}
	}
	slices.SortStableFunc(out, func(a, b target) int {
		if a.name < b.name {
			return -1
		} else if a.name > b.name {
			return 1
		}
		return 0
	})
	return out
}

// inbound counts, for each target, the transitions of all tasks that lead to it.
func (d *Definition) inbound() map[string]int {
	n := map[string]int{}
	for _, t := range d.Tasks {
		for _, to := range t.targets() {
			n[to.name]++
		}
	}
	return n
}

// starts lists the tasks to start with: those that no transition names, sorted.
func (d *Definition) starts() []string {
	if d.Start != nil {
		return d.Start
	}
	in := d.inbound()
	var out []string
	for name := range d.Tasks {
		if in[name] == 0 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Graph is the graph of the definition. It fails when there is no task to start
// with or a transition leads to a task that does not exist.
func (d *Definition) Graph() (*Graph, error) { return d.graph, d.graphErr }

func (d *Definition) compose() (*Graph, error) {
	if len(d.Tasks) == 0 {
		return nil, fmt.Errorf("%s: the workflow has no tasks", orText(d.File))
	}
	g := &Graph{Roots: d.starts(), Nodes: map[string]*Node{}}
	if len(g.Roots) == 0 {
		return nil, fmt.Errorf("%s: every task comes after another, there is none to start with", orText(d.File))
	}
	inbound := d.inbound()
	add := func(name string) *Node {
		n := &Node{Name: name, Command: isCommand(name), Split: inbound[name] > 1 && !d.Flat}
		if t := d.Tasks[name]; t != nil && !n.Command {
			n.Task, n.Join, n.Retry = t, t.Join, t.Retry
			n.Split = n.Split && t.Join == 0
		}
		g.Nodes[name] = n
		g.Order = append(g.Order, name)
		return n
	}
	for _, name := range g.Roots {
		add(name)
	}
	for i := 0; i < len(g.Order); i++ {
		n := g.Nodes[g.Order[i]]
		if n.Task == nil {
			continue
		}
		for _, to := range n.Task.targets() {
			if to.name == CommandRetry {
				n.Retry = &Retry{When: orDefault(to.when, "<% completed() %>"), Count: int64(3)}
				continue
			}
			if g.Nodes[to.name] == nil {
				if d.Tasks[to.name] == nil && !isCommand(to.name) {
					return nil, fmt.Errorf("%s: the task %q leads to %q, which is not defined", orText(d.File), n.Name, to.name)
				}
				add(to.name)
			}
			n.connect(g.Nodes[to.name], to)
		}
	}
	g.markCycles()
	return g, nil
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func (n *Node) connect(to *Node, t target) {
	key := 0
	for _, e := range n.Out {
		if e.To == to.Name {
			if e.Ref == t.ref {
				return // the same target twice in one transition
			}
			key++
		}
	}
	if key == 0 {
		to.Sources++
	}
	e := &Edge{From: n.Name, To: to.Name, Ref: t.ref, Key: key, When: t.when}
	n.Out = append(n.Out, e)
	to.In = append(to.In, e)
}

// required is how many sources must have arrived before the node may start.
func (n *Node) required() int {
	switch n.Join {
	case 0:
		return 1
	case JoinAll:
		return n.Sources
	}
	return n.Join
}

// barrier tells whether the node waits for more than the first arrival.
func (n *Node) barrier() bool { return n.Join != 0 }

// markCycles finds the nodes that can come after themselves: those of strongly
// connected parts of more than one node (Tarjan's algorithm, without recursion),
// and those with an edge to themselves.
func (g *Graph) markCycles() {
	type frame struct {
		n    *Node
		next int
	}
	index, low, onStack := map[*Node]int{}, map[*Node]int{}, map[*Node]bool{}
	var stack []*Node
	for _, root := range g.Order {
		if _, seen := index[g.Nodes[root]]; seen {
			continue
		}
		work := []frame{{n: g.Nodes[root]}}
		for len(work) > 0 {
			f := &work[len(work)-1]
			if f.next == 0 {
				index[f.n], low[f.n] = len(index), len(index)
				stack, onStack[f.n] = append(stack, f.n), true
			}
			if f.next < len(f.n.Out) {
				to := g.Nodes[f.n.Out[f.next].To]
				f.next++
				if to == f.n {
					to.Cycle = true
				}
				if _, seen := index[to]; !seen {
					work = append(work, frame{n: to})
				} else if onStack[to] {
					low[f.n] = min(low[f.n], index[to])
				}
				continue
			}
			done := f.n
			work = work[:len(work)-1]
			if len(work) > 0 {
				parent := work[len(work)-1].n
				low[parent] = min(low[parent], low[done])
			}
			if low[done] == index[done] {
				at := slices.Index(stack, done)
				for _, n := range stack[at:] {
					onStack[n] = false
					n.Cycle = n.Cycle || len(stack)-at > 1
				}
				stack = stack[:at]
			}
		}
	}
}
