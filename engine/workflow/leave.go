package workflow

import (
	"context"
	"slices"

	"petrel/engine"
	"petrel/engine/expression/value"
)

// leave takes the transitions of a task that has completed and stages what they
// lead to. It gives the commands among it.
func (c *Conductor) leave(ctx context.Context, node *Node, e *entry, at *scope) (commands []*stage) {
	if len(node.Out) == 0 {
		e.Term = true
		c.save(e)
		return nil
	}
	var ready []*stage
	fails := false
	for _, edge := range node.Out {
		taken, err := edge.met(ctx, at)
		if err != nil {
			c.logError(err, e.ID, &e.Route, edge.id())
			c.force(engine.Failed)
			continue
		}
		c.took(e, edge, taken)
		if !taken {
			continue
		}
		frame, ok := c.carry(ctx, node, edge, e, at)
		if !ok {
			c.force(engine.Failed)
			continue
		}
		s := c.arrive(edge, e, frame)
		target := c.graph.Nodes[edge.To]
		met, _ := c.joined(target, e.Route)
		s.Ready = met >= target.required()
		switch {
		case target.Command:
			commands = append(commands, s)
			fails = fails || target.Name == CommandFail
		case s.Ready:
			ready = append(ready, s)
		}
	}
	if fails {
		for _, s := range ready {
			s.RunOnFail = true
		}
	}
	return commands
}

// met tells whether the condition of an edge holds.
func (e *Edge) met(ctx context.Context, at *scope) (bool, error) {
	if e.When == "" {
		return true, nil
	}
	v, err := at.evaluate(ctx, e.When)
	return value.Truth(v), err
}

// carry publishes what the transition of an edge publishes, for its target alone,
// and gives the frame that goes there.
func (c *Conductor) carry(ctx context.Context, node *Node, edge *Edge, e *entry, at *scope) (frame int, ok bool) {
	publish := node.Task.Next[edge.Ref].Publish
	if len(publish) == 0 {
		return e.Frame, true
	}
	rolling := *at
	rolling.over = nil
	published := make([]binding, 0, len(publish))
	ok = true
	note := func(err error) {
		c.logError(err, e.ID, &e.Route, edge.id())
		ok = false
	}
	for _, p := range publish {
		v, err := rolling.evaluate(ctx, p.Value)
		if err != nil {
			note(err)
			continue
		}
		rolling.assign(p.Name, v)
		b, err := c.keep(p.Name, v)
		if err != nil {
			note(err)
			continue
		}
		published = slices.DeleteFunc(published, func(old binding) bool { return old.Name == b.Name })
		published = append(published, b)
	}
	if !ok {
		return 0, false
	}
	return c.publish(e.Frame, published), true
}

// arrive stages the target of an edge, or adds to it when it is staged already.
func (c *Conductor) arrive(edge *Edge, e *entry, frame int) *stage {
	route := c.routeOf(edge, e.Route)
	if s := c.staged(edge.To, route); s != nil {
		c.parts.put(keyArrival(s.ID, s.Route, s.Arrivals), &arrival{From: edge.back(), Entry: e.index, Frame: frame})
		s.Arrivals++
		c.dropItems(s)
		s.Completed = false
		return s
	}
	s := &stage{ID: edge.To, Route: route, Frame: frame, Prev: map[string]int{edge.back(): e.index}}
	c.head.Staged = append(c.head.Staged, s)
	return s
}

// routeOf gives the route that the target of an edge runs on: a split makes one of
// its own for each way in.
func (c *Conductor) routeOf(edge *Edge, from int) int {
	to := c.graph.Nodes[edge.To]
	if !to.Split || to.Cycle {
		return from
	}
	steps := c.route(from)
	if slices.Contains(steps, edge.back()) {
		return from
	}
	return c.addRoute(append(steps[:len(steps):len(steps)], edge.back()))
}

// hasNext tells whether a task that has completed goes on somewhere. reachable
// leaves out joins that can no longer be satisfied.
func (c *Conductor) hasNext(e *entry, reachable bool) bool {
	if !e.status().Completed() {
		return false
	}
	for _, edge := range c.graph.Nodes[e.ID].Out {
		if edge.To == CommandContinue || !e.Next[edge.id()] {
			continue
		}
		to := c.graph.Nodes[edge.To]
		if reachable && to.barrier() {
			if met, _ := c.joined(to, e.Route); met < to.required() && !c.undecided(to, e.Route) {
				continue
			}
		}
		return true
	}
	return false
}

// Joins. Whether a join may start is counted as its sources come and go, so that an
// arrival costs the same however many there are.

// joined gives how many sources of a node have taken an edge to it on a route, and
// how many have an entry there. It is only counted where more than one is needed.
func (c *Conductor) joined(n *Node, route int) (satisfied, seen int) {
	if n.required() <= 1 {
		return 1, 1
	}
	if j := get[joining](c.parts, keyJoin(n.Name, route)); j != nil {
		return j.Satisfied, j.Seen
	}
	return 0, 0
}

// undecided tells whether a source that has not run may still come.
func (c *Conductor) undecided(n *Node, route int) bool {
	_, seen := c.joined(n, route)
	return seen < n.Sources && (c.head.Tally.Active > 0 || c.startable())
}

func (c *Conductor) count(n *Node, route, satisfied, seen int) {
	j := get[joining](c.parts, keyJoin(n.Name, route))
	if j == nil {
		j = &joining{}
	}
	j.Satisfied += satisfied
	j.Seen += seen
	c.parts.put(keyJoin(n.Name, route), j)
}

// took notes whether a run took an edge.
func (c *Conductor) took(e *entry, edge *Edge, taken bool) {
	to := c.graph.Nodes[edge.To]
	if taken && to.required() > 1 && !e.leadsTo(c.graph, edge.To) {
		c.count(to, e.Route, 1, 0)
	}
	if e.Next == nil {
		e.Next = map[string]bool{}
	}
	e.Next[edge.id()] = taken
	c.save(e)
}

func (e *entry) leadsTo(g *Graph, target string) bool {
	return slices.ContainsFunc(g.Nodes[e.ID].Out, func(edge *Edge) bool { return edge.To == target && e.Next[edge.id()] })
}

// replaced notes that a node has a new entry on a route; old is the one before.
func (c *Conductor) replaced(n *Node, old *entry, route int) {
	last := ""
	for _, edge := range n.Out { // sorted by target: those to one target follow each other
		to := c.graph.Nodes[edge.To]
		if edge.To == last || to.required() <= 1 {
			continue
		}
		last = edge.To
		switch {
		case old == nil:
			c.count(to, route, 0, 1)
		case old.leadsTo(c.graph, edge.To):
			c.count(to, route, -1, 0)
		}
	}
}
