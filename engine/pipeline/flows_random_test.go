package pipeline

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"petrel/engine"
	"petrel/engine/runners"
	"petrel/store"
)

// randomFlow writes a workflow whose tasks lead forward only, with joins, items,
// retries, delays, commands and sub-workflows of the one before.
func randomFlow(r *rand.Rand, below string) string {
	n := 3 + r.IntN(8)
	var b strings.Builder
	b.WriteString("version: 1.0\nvars: [{x: 0}]\ntasks:\n")
	for i := range n {
		action := `test.do n=` + fmt.Sprint(i)
		switch {
		case below != "" && r.IntN(6) == 0:
			action = below
		case r.IntN(8) == 0:
			action = "core.noop"
		}
		fmt.Fprintf(&b, "  t%d:\n    action: %s\n", i, action)
		if i > 1 && r.IntN(3) == 0 {
			fmt.Fprintf(&b, "    join: %s\n", []string{"all", "1", "2"}[r.IntN(3)])
		}
		if r.IntN(5) == 0 {
			fmt.Fprintf(&b, "    with: {items: <%% range(%d) %%>, concurrency: %d}\n", r.IntN(6), 1+r.IntN(3))
		}
		if r.IntN(4) == 0 {
			fmt.Fprintf(&b, "    retry: {count: %d}\n", 1+r.IntN(2))
		}
		if i == n-1 {
			continue
		}
		var next strings.Builder
		for range 1 + r.IntN(3) {
			to := []string{}
			for range 1 + r.IntN(3) {
				target := fmt.Sprintf("t%d", i+1+r.IntN(min(3, n-1-i)))
				if r.IntN(8) == 0 {
					target = []string{"noop", "fail", "continue"}[r.IntN(3)]
				}
				if !slices.Contains(to, target) {
					to = append(to, target)
				}
			}
			fmt.Fprintf(&next, "      - {when: <%% %s %%>, publish: [{x: <%% ctx(x) + 1 %%>}], do: [%s]}\n",
				[]string{"succeeded()", "failed()", "completed()", "ctx(x) < 4"}[r.IntN(4)], strings.Join(to, ", "))
		}
		b.WriteString("    next:\n" + next.String())
	}
	return b.String() + "output: [{x: <% ctx(x) %>}]\n"
}

// Whatever the workflow, whatever becomes of its tasks and whenever the process
// stops: it ends, and nothing is left over.
func TestRandomWorkflows(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("PETREL_TEST_SEED"); text != "" { // a run to be repeated
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	f := newFlowBench(t)
	f.puppet.will(func(ctx context.Context, job runners.Job) (runners.Outcome, error) {
		h := fnv.New32a()
		h.Write([]byte(job.Execution.ID))
		o, err := succeed(ctx, job)
		switch h.Sum32() % 10 {
		case 0:
			o.Status = engine.Failed
		case 1:
			o.Status = engine.TimedOut
		}
		return o, err
	})
	const flows = 30
	below := ""
	for i := range flows {
		name := fmt.Sprintf("flow%d", i)
		text := randomFlow(r, below)
		for len(CheckWorkflow(f.options.Renderer, &engine.Action{}, "", []byte(text))) > 0 {
			text = randomFlow(r, below)
		}
		f.workflow(name, "orquesta", `{}`, text)
		if below = ""; i%3 != 2 { // at most three deep
			below = "test." + name
		}
	}
	f.work()
	var ids []string
	for i := range flows {
		ids = append(ids, f.start(fmt.Sprintf("test.flow%d", i), `{}`).ID)
	}
	for range 3 {
		for range 20 {
			select {
			case <-f.puppet.started:
			case <-time.After(100 * time.Millisecond): // there may not be as many
			}
		}
		f.stop(runners.ErrShutdown)
		f.store.Close()
		f.open()
		f.work()
	}
	for _, i := range []int{3, 7, 11} {
		var refused *engine.Error
		if _, err := f.service.Pause(t.Context(), ids[i], "bob"); err != nil && !errors.As(err, &refused) {
			t.Error(err)
		}
		if _, err := f.service.Cancel(t.Context(), ids[i+1], "bob"); err != nil && !errors.As(err, &refused) {
			t.Error(err)
		}
	}
	for _, i := range []int{3, 7, 11} {
		e := f.until(ids[i], func(e engine.Execution) bool { return e.Status.Completed() || e.Status == engine.Paused })
		if e.Status == engine.Paused {
			if _, err := f.service.Resume(t.Context(), ids[i], "bob"); err != nil {
				t.Error(err)
			}
		}
	}
	ended := map[engine.Status]int{}
	for _, id := range ids {
		e := f.ended(id)
		ended[e.Status]++
		if strings.Contains(string(e.Result), "could not go on") {
			t.Errorf("%s: %s", e.Action.Ref, e.Result)
		}
	}
	all := f.everything()
	t.Logf("%v, %d executions", ended, len(all))
	if len(all) < 3*flows {
		t.Errorf("only %d executions", len(all))
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, e := range f.everything() {
			if e.Status.Completed() {
				continue
			}
			t.Logf("left: %s %s %s: %v", e.Action.Ref, e.ID, e.Status, e.Log)
			if d, err := Executions.Get(context.Background(), f.store, e.Parent); err == nil {
				t.Logf("  its parent: %s %s: %v", d.Value.Action.Ref, d.ID, d.Value.Log)
			}
		}
	})
	for _, e := range all {
		f.ended(e.ID)
	}
	f.quiet()
}

// everything lists every execution, however many there are.
func (f *flowBench) everything() []engine.Execution {
	f.t.Helper()
	var out []engine.Execution
	for after := ""; ; {
		docs, next, err := Executions.List(context.Background(), f.store, store.Query{After: after, Limit: 500})
		if err != nil {
			f.t.Fatal(err)
		}
		for _, d := range docs {
			out = append(out, d.Value)
		}
		if after = next; next == "" {
			return out
		}
	}
}
