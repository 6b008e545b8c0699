package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"petrel/engine"
	"petrel/engine/expression"
)

// FuzzConductor makes random definitions and sends them random events: nothing may
// panic, every status must be legal, the state must survive a round trip, and what
// the conductor counts as it goes must be what is there.
func FuzzConductor(f *testing.F) {
	for seed := range uint64(80) {
		f.Add(seed)
	}
	renderer := expression.New(expression.Options{})
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 7))
		text := randomDefinition(r)
		def, err := Parse("random.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		def.Inspect(renderer, "st2", "parent")
		g := &game{t: t, r: r, text: text, player: player{t: t, options: Options{Definition: def, Evaluator: renderer}}}
		g.play()
	})
}

// FuzzParse reads any text.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "version: 1.0\ntasks: {a: {next: {do: b}}}", "tasks: [1]", "tasks: {a: null, b: {do: 7}}", "input: {a: 1}\ntasks: {a: {with: 5, join: x, retry: [], next: [null, {do: [1]}]}}"} {
		f.Add(s)
	}
	renderer := expression.New(expression.Options{MaxSteps: 10_000})
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse("any.yaml", []byte(s))
		if err != nil {
			return
		}
		problems := d.Inspect(renderer)
		if _, err := d.Graph(); err != nil && len(problems) == 0 {
			t.Errorf("there is no graph (%v), but the inspection found nothing", err)
		}
	})
}

type game struct {
	player
	t    *testing.T
	r    *rand.Rand
	text string
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomDefinition writes a definition: tasks that lead anywhere, also back, with
// joins, items, retries and commands.
func randomDefinition(r *rand.Rand) string {
	n := 2 + r.IntN(7)
	var b strings.Builder
	b.WriteString("version: 1.0\nvars: [{x: 0}, {d: {a: 1}}, {l: [1, 2, 3]}]\ntasks:\n")
	for i := range n {
		fmt.Fprintf(&b, "  t%d:\n    action: core.noop m=<%% ctx(x) %%>\n", i)
		if i > 0 && r.IntN(3) == 0 {
			fmt.Fprintf(&b, "    join: %s\n", pick(r, "all", "1", "2"))
		}
		if r.IntN(4) == 0 {
			fmt.Fprintf(&b, "    with: {items: %q, concurrency: %d}\n", pick(r, "<% ctx(l) %>", "<% range(40) %>", "<% [] %>"), 1+r.IntN(3))
		}
		if r.IntN(5) == 0 {
			b.WriteString("    retry: {count: 1, delay: 2}\n")
		}
		b.WriteString("    next:\n")
		for range r.IntN(4) {
			var to []string
			for range 1 + r.IntN(3) {
				target := fmt.Sprintf("t%d", 1+r.IntN(n-1))
				if r.IntN(5) == 0 {
					target = pick(r, "noop", "fail", "continue", "retry")
				}
				to = append(to, target)
			}
			fmt.Fprintf(&b, "      - when: %s\n", pick(r, "<% succeeded() %>", "<% failed() %>", "<% completed() %>", "<% ctx(x) < 3 %>", "<% result().nope %>"))
			if r.IntN(2) == 0 {
				fmt.Fprintf(&b, "        publish: %s\n", pick(r, "x=<% ctx(x) + 1 %>", "[{d: {b: \"<% ctx(x) %>\"}}]", "x=<% result() %>", "y=1 l=[4, 5]"))
			}
			fmt.Fprintf(&b, "        do: %s\n", strings.Join(to, ", "))
		}
	}
	text := strings.ReplaceAll(b.String(), "    next:\n  t", "  t")
	text = strings.TrimSuffix(text, "    next:\n")
	return text + "output: [{x: \"<% ctx(x) %>\"}, {d: \"<% ctx(d) %>\"}]\n"
}

func (g *game) play() {
	ctx := context.Background()
	c, err := New(ctx, g.options, Start{})
	if err != nil {
		return // every task leads back: there is none to start with
	}
	g.c = &Simulation{c, map[string][]any{}}
	running := []Event{}
	if g.r.IntN(5) > 0 {
		g.check(g.c.Request(ctx, engine.Running))
	}
	for range 60 {
		next, err := g.c.Advance(ctx)
		if err != nil {
			g.t.Fatalf("%v\n%s", err, g.text)
		}
		for _, n := range next {
			for _, a := range n.Actions {
				if !n.Completed {
					running = append(running, Event{Task: n.Task, Route: n.Route, Item: a.Item})
				}
			}
		}
		g.inspect()
		running = g.move(ctx, running)
	}
}

// move sends one event: mostly one that fits, sometimes any.
func (g *game) move(ctx context.Context, running []Event) []Event {
	switch {
	case g.r.IntN(12) == 0:
		g.check(g.c.Request(ctx, pick(g.r, engine.Running, engine.Pausing, engine.Paused, engine.Resuming, engine.Canceling, engine.Canceled, engine.Failed)))
	case g.r.IntN(6) == 0:
		ev := Event{Task: fmt.Sprintf("t%d", g.r.IntN(9)), Route: g.r.IntN(3), Status: g.anyStatus(), Result: int64(g.r.IntN(3))}
		if g.r.IntN(2) == 0 {
			i := g.r.IntN(4)
			ev.Item = &i
		}
		g.check(g.c.Update(ctx, ev))
	case g.c.Status().Completed() && g.r.IntN(3) == 0:
		g.check(g.c.Rerun(ctx, g.rerun()))
	case len(running) > 0:
		i := g.r.IntN(len(running))
		ev := running[i]
		ev.Status = pick(g.r, engine.Succeeded, engine.Succeeded, engine.Succeeded, engine.Failed, engine.Failed, engine.TimedOut, engine.Canceled, engine.Pending, engine.Paused, engine.Running)
		ev.Result = pick[any](g.r, nil, int64(1), "text", map[string]any{"k": 1})
		ev.Items = func() ([]any, error) { return []any{1, nil, "x"}, nil }
		g.check(g.c.Update(ctx, ev))
		if ev.Status.Completed() {
			running = append(running[:i], running[i+1:]...)
		}
	}
	return running
}

func (g *game) anyStatus() Status {
	return pick(g.r, engine.Requested, engine.Scheduled, engine.Delayed, engine.Running, engine.Pending, engine.Pausing, engine.Paused, engine.Resuming,
		engine.Succeeded, engine.Failed, engine.TimedOut, engine.Abandoned, engine.Canceling, engine.Canceled, Unset, Retrying, "nonsense")
}

func (g *game) rerun() []Rerun {
	var out []Rerun
	for range g.r.IntN(3) {
		out = append(out, Rerun{fmt.Sprintf("t%d", g.r.IntN(8)), g.r.IntN(2), g.r.IntN(2) == 0})
	}
	return out
}

// check lets refusals pass: they are answers. Anything else is a fault.
func (g *game) check(err error) {
	g.t.Helper()
	var refused *engine.Error
	if err != nil && !errors.As(err, &refused) {
		g.t.Fatalf("%v\n%s", err, g.text)
	}
}

// inspect compares what is counted with what is there, before and after a round trip.
func (g *game) inspect() {
	g.t.Helper()
	g.count()
	before := g.c.Conductor
	g.reopen()
	g.count()
	if !reflect.DeepEqual(spell(g.t, before.head), spell(g.t, g.c.head)) {
		g.t.Fatalf("the head has changed on a round trip\n%s", g.text)
	}
	if changes, err := g.c.Changes(); err != nil || len(changes) > 0 {
		g.t.Fatalf("a workflow that was opened has changes: %v, %v", changes, err)
	}
	if _, err := g.c.Result(); err != nil {
		g.t.Fatal(err)
	}
}

func spell(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func (g *game) count() {
	g.t.Helper()
	c := g.c.Conductor
	if !Legal(c.Status()) {
		g.t.Fatalf("%q is not a status", c.Status())
	}
	var tally tally
	joins := map[string]joining{}
	for i := range c.head.Sequence {
		e := c.entry(i)
		if !Legal(e.status()) {
			g.t.Fatalf("%q is not a status of a task", e.Status)
		}
		if c.latest(e.ID, e.Route) != e {
			continue
		}
		tally.add(e.status(), 1)
		last := ""
		for _, edge := range c.graph.Nodes[e.ID].Out {
			if to := c.graph.Nodes[edge.To]; to.required() > 1 && edge.To != last {
				last = edge.To
				j := joins[keyJoin(edge.To, e.Route)]
				j.Seen++
				if e.leadsTo(c.graph, edge.To) {
					j.Satisfied++
				}
				joins[keyJoin(edge.To, e.Route)] = j
			}
		}
	}
	if tally != c.head.Tally {
		g.t.Fatalf("counted %+v tasks, there are %+v\n%s", c.head.Tally, tally, g.text)
	}
	for key, want := range joins {
		if got := get[joining](c.parts, key); got == nil || *got != want {
			g.t.Fatalf("%s: counted %+v, there are %+v\n%s", key, got, want, g.text)
		}
	}
	g.countItems()
	if c.parts.fault != nil {
		g.t.Fatalf("%v\n%s", c.parts.fault, g.text)
	}
}

func (g *game) countItems() {
	g.t.Helper()
	for _, s := range g.c.head.Staged {
		if !s.Items {
			continue
		}
		w := g.c.items(s)
		var n itemCounts
		waiting := 0
		for i := range w.Letters {
			n.add(w.status(i), 1)
			if w.status(i) == Unset {
				waiting++
			}
		}
		if n != w.Counts || waiting != w.Waiting {
			g.t.Fatalf("counted %+v items and %d waiting, there are %+v and %d\n%s", w.Counts, w.Waiting, n, waiting, g.text)
		}
	}
}
