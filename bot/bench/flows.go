package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
)

// Flows is what workflows of noops cost.
type Flows struct {
	// Added is the time from the end of a task to the begin of the next, in sequences
	// of ten with nothing else to do.
	Added Latency `json:"between_tasks_ms"`
	// Sequence is how long one task of a sequence takes in all, by the length of the
	// sequence: it must not grow.
	Sequence map[string]float64 `json:"sequence_ms_per_task"`
	// Items is how many items of one task end in a second, by how many there are; 50
	// run at the same time.
	Items map[string]float64 `json:"items_per_second"`
	// Many is how many tasks end in a second in 200 sequences of ten at the same time.
	Many float64 `json:"tasks_per_second_of_many"`
}

// flowSizes are the sizes of workflows that are measured.
var flowSizes = []int{10, 100, 1000}

// flowFiles is the content that workflows are measured with.
func flowFiles() map[string]string {
	files := map[string]string{
		"actions/items.yaml": "name: items\nrunner_type: orquesta\nentry_point: workflows/items.yaml\nparameters: {n: {type: integer, required: true}}\n",
		"actions/workflows/items.yaml": "version: 1.0\ninput: [n]\ntasks:\n" +
			"  each: {with: {items: <% range(ctx(n)) %>, concurrency: 50}, action: core.noop}\n",
	}
	for _, n := range flowSizes {
		name := fmt.Sprintf("sequence_%d", n)
		files["actions/"+name+".yaml"] = "name: " + name + "\nrunner_type: orquesta\nentry_point: workflows/" + name + ".yaml\n"
		var text strings.Builder
		text.WriteString("version: 1.0\ntasks:\n")
		for i := range n {
			fmt.Fprintf(&text, "  t%d: {action: core.noop, next: [{when: <%% succeeded() %%>, publish: [{x: %d}], do: %s}]}\n", i, i, next(i, n))
		}
		files["actions/workflows/"+name+".yaml"] = text.String()
	}
	return files
}

func next(i, n int) string {
	if i+1 == n {
		return "noop"
	}
	return fmt.Sprintf("t%d", i+1)
}

// flows measures workflows.
func (b *bed) flows(ctx context.Context, r *Report) error {
	f := Flows{Sequence: map[string]float64{}, Items: map[string]float64{}}
	var between []time.Duration
	for range max(b.o.Commands/10, 5) {
		e, err := b.flow(ctx, "bench.sequence_10", "")
		if err != nil {
			return err
		}
		gaps, err := b.gaps(ctx, e.ID)
		if err != nil {
			return err
		}
		between = append(between, gaps...)
	}
	f.Added = latency(between)
	for _, n := range flowSizes {
		var took time.Duration
		rounds := max(200/n, 1)
		for range rounds {
			e, err := b.flow(ctx, fmt.Sprintf("bench.sequence_%d", n), "")
			if err != nil {
				return err
			}
			took += e.EndTimestamp.Sub(e.StartTimestamp)
		}
		f.Sequence[fmt.Sprint(n)] = took.Seconds() * 1000 / float64(rounds*n)
		e, err := b.flow(ctx, "bench.items", fmt.Sprintf(`{"n":%d}`, n))
		if err != nil {
			return err
		}
		f.Items[fmt.Sprint(n)] = float64(n) / e.EndTimestamp.Sub(e.StartTimestamp).Seconds()
	}
	const many = 200
	before, err := b.succeeded(ctx)
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := b.each(many, func(int64) error {
		_, err := b.server.Service().Request(ctx, pipeline.Request{Action: "bench.sequence_10", Lane: engine.LaneEvent})
		return err
	}); err != nil {
		return err
	}
	err = b.await(ctx, before+many*11)
	f.Many = many * 10 / time.Since(begun).Seconds()
	r.Flows = &f
	return err
}

// flow runs one workflow to its end.
func (b *bed) flow(ctx context.Context, ref, params string) (engine.Execution, error) {
	e, err := b.server.Service().Request(ctx, pipeline.Request{Action: ref, Parameters: json.RawMessage(params)})
	if err != nil {
		return e, err
	}
	if e, err = b.ended(ctx, e.ID); err == nil && e.Status != engine.Succeeded {
		err = fmt.Errorf("%s is %s: %s", ref, e.Status, e.Result)
	}
	return e, err
}

// gaps lists the times between the end of a task and the begin of the next.
func (b *bed) gaps(ctx context.Context, id string) ([]time.Duration, error) {
	docs, _, err := pipeline.Executions.List(ctx, b.server.Store(), store.Query{Index: "parent", Value: id, Limit: 1000})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(docs, func(x, y store.Doc[engine.Execution]) int {
		return x.Value.StartTimestamp.Compare(y.Value.StartTimestamp)
	})
	var out []time.Duration
	for i, d := range docs {
		if i == 0 {
			continue
		}
		for _, change := range d.Value.Log {
			if change.Status == engine.Running {
				out = append(out, change.Timestamp.Sub(*docs[i-1].Value.EndTimestamp))
			}
		}
	}
	return out, nil
}
