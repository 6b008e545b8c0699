package workflow

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"petrel/engine"
	"petrel/engine/expression"
)

// BenchmarkStep measures one event with all that belongs to it: the state is
// opened from JSON, the event applied, the next tasks rendered, the changes made
// JSON again. The cost must not grow with the size of the workflow.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("sequence/tasks=%d", n), func(b *testing.B) { benchmarkSteps(b, sequence(n, false)) })
	}
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("publish/tasks=%d", n), func(b *testing.B) { benchmarkSteps(b, sequence(n, true)) })
	}
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("join/tasks=%d", n), func(b *testing.B) { benchmarkSteps(b, forkJoin(n)) })
	}
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("items/items=%d", n), func(b *testing.B) {
			benchmarkSteps(b, fmt.Sprintf("version: 1.0\ntasks:\n  t:\n    with: {items: <%% range(%d) %%>, concurrency: 10}\n    action: core.noop m=<%% item() %%>\n", n))
		})
	}
}

func sequence(n int, publish bool) string {
	var b strings.Builder
	b.WriteString("version: 1.0\nvars: [x: 0]\ntasks:\n")
	for i := range n {
		fmt.Fprintf(&b, "  t%04d:\n    action: core.noop m=<%% ctx(x) %%>\n", i)
		if i+1 < n {
			b.WriteString("    next:\n      - when: <% succeeded() %>\n")
			if publish {
				b.WriteString("        publish: [{x: <% ctx(x) + 1 %>}, {m: {k: <% ctx(x) %>}}]\n")
			}
			fmt.Fprintf(&b, "        do: t%04d\n", i+1)
		}
	}
	return strings.ReplaceAll(b.String(), "<% ctx(x) %>}}", `"<% ctx(x) %>"}}`)
}

func forkJoin(n int) string {
	var b strings.Builder
	b.WriteString("version: 1.0\ntasks:\n  j: {join: all, action: core.noop}\n")
	for i := range n {
		fmt.Fprintf(&b, "  t%04d: {action: core.noop, next: [{do: j, publish: r%d=1}]}\n", i, i)
	}
	return b.String()
}

// benchmarkSteps runs whole workflows and counts their steps; the first, which
// renders everything at once in a fork, is not measured.
func benchmarkSteps(b *testing.B, text string) {
	ctx := context.Background()
	text = strings.ReplaceAll(text, "x: <% ctx(x) + 1 %>", `x: "<% ctx(x) + 1 %>"`)
	text = strings.ReplaceAll(text, "items: <% range(", `items: "<% range(`)
	text = strings.ReplaceAll(text, ") %>, concurrency", `) %>", concurrency`)
	def, err := Parse("bench.yaml", []byte(text))
	if err != nil {
		b.Fatal(err)
	}
	o := Options{Definition: def, Evaluator: expression.New(expression.Options{})}
	bytes, steps := 0, 0
	b.ReportAllocs()
	for steps < b.N {
		b.StopTimer()
		c, err := New(ctx, o, Start{})
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Request(ctx, engine.Running); err != nil {
			b.Fatal(err)
		}
		state := State{}
		first := 0
		queue := benchAdvance(b, c, state, nil, &first)
		b.StartTimer()
		for len(queue) > 0 && steps < b.N {
			ev := queue[0]
			queue = queue[1:]
			c, err := Open(o, state.Load)
			if err != nil {
				b.Fatal(err)
			}
			ev.Status, ev.Result = engine.Succeeded, json.RawMessage(`{"k": 1}`)
			if err := c.Update(ctx, ev); err != nil {
				b.Fatal(err)
			}
			queue = benchAdvance(b, c, state, queue, &bytes)
			steps++
		}
	}
	b.ReportMetric(float64(bytes)/float64(steps), "state-bytes/op")
}

func benchAdvance(b *testing.B, c *Conductor, state State, queue []Event, bytes *int) []Event {
	next, err := c.Advance(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range next {
		for _, a := range n.Actions {
			queue = append(queue, Event{Task: n.Task, Route: n.Route, Item: a.Item})
		}
	}
	changes, err := c.Changes()
	if err != nil {
		b.Fatal(err)
	}
	for _, part := range changes {
		*bytes += len(part)
	}
	state.Apply(changes)
	return queue
}
