package tests

import (
	"context"
	"encoding/json"

	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"petrel/bot/server"
	"petrel/config"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
	"petrel/store/redis/redistest"
)

// house is a whole server in this process, with the packs that it ships and those
// of a test.
type house struct {
	t      *testing.T
	dir    string
	server *server.Server
}

// eachStore runs a test on both stores.
func eachStore(t *testing.T, packs map[string]string, test func(t *testing.T, h *house)) {
	t.Run("sqlite", func(t *testing.T) { test(t, openHouse(t, "", packs)) })
	t.Run("redis", func(t *testing.T) { test(t, openHouse(t, redistest.Start(t).URL("flows"), packs)) })
}

// openHouse starts a server; packs are files by their path below the folder of packs.
func openHouse(t *testing.T, url string, packs map[string]string) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir()}
	for name, body := range packs {
		path := filepath.Join(h.dir, "packs", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(body), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	cfg := config.Default()
	cfg.DataDir, cfg.HTTP.Listen, cfg.Python.Prewarm = filepath.Join(h.dir, "data"), "127.0.0.1:0", false
	if len(packs) > 0 {
		cfg.Packs = []string{filepath.Join(h.dir, "packs")}
	}
	cfg.Store.URL = config.URL(url)
	s, err := server.New(t.Context(), cfg, server.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h.server = s
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	return h
}

// start requests an action on behalf of ann.
func (h *house) start(ref, params string) string {
	h.t.Helper()
	e, err := h.server.Service().Request(h.t.Context(), pipeline.Request{
		Action: ref, Parameters: json.RawMessage(params), Context: engine.Context{User: "ann"},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return e.ID
}

// await waits until done says so, asking again whenever something happens.
func (h *house) await(what string, done func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for after := uint64(0); !done(); {
		events, err := h.server.Store().Events(ctx, after, 1000)
		if err != nil {
			h.t.Fatalf("waiting until %s: %v", what, err)
		}
		after = events[len(events)-1].Seq
	}
}

// until waits for an execution to have a status.
func (h *house) until(id string, s engine.Status) engine.Execution {
	h.t.Helper()
	var e engine.Execution
	h.await(fmt.Sprintf("%s is %s", id, s), func() bool {
		var err error
		if e, err = h.server.Service().Execution(context.Background(), id); err != nil {
			h.t.Fatal(err)
		}
		if e.Status.Completed() && e.Status != s {
			h.t.Fatalf("%s of %s is %s, not %s: %s", id, e.Action.Ref, e.Status, s, e.Result)
		}
		return e.Status == s
	})
	return e
}

// children lists the executions of the tasks of a workflow, oldest first.
func (h *house) children(id string) []engine.Execution {
	h.t.Helper()
	var out []engine.Execution
	for after := ""; ; {
		docs, next, err := pipeline.Executions.List(context.Background(), h.server.Store(), store.Query{Index: "parent", Value: id, After: after, Limit: 500})
		if err != nil {
			h.t.Fatal(err)
		}
		for _, d := range docs {
			out = append(out, d.Value)
		}
		if after = next; next == "" {
			return out
		}
	}
}

// task waits until the execution of a task has a status.
func (h *house) task(id, name string, s engine.Status) engine.Execution {
	h.t.Helper()
	var found engine.Execution
	h.await(fmt.Sprintf("task %s of %s is %s", name, id, s), func() bool {
		for _, e := range h.children(id) {
			if e.Task.Name == name && e.Status == s {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// sameResult compares the result of an execution.
func (h *house) sameResult(e engine.Execution, want string) {
	h.t.Helper()
	if got := string(e.Result); got != want {
		h.t.Errorf("%s: result %s\nwant %s", e.Action.Ref, got, want)
	}
}

// names lists the tasks of a workflow and how they ended.
func names(list []engine.Execution) string {
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = e.Task.Name + " " + string(e.Status)
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

// The examples, one for each thing that workflows can do.
func TestExampleWorkflows(t *testing.T) {
	eachStore(t, nil, func(t *testing.T, h *house) {
		for _, tt := range []struct{ ref, params, told, tasks string }{
			{"examples.sequence", `{"name":"Ann"}`, "Hello, Ann. That is 11 characters.", "count succeeded, greet succeeded"},
			{"examples.fork_join", `{}`, "left and right", "begin succeeded, both succeeded, left succeeded, right succeeded"},
			{"examples.with_items", `{"items":200,"concurrency":10}`, "200 items, together 19900", "each succeeded"},
			{"examples.retry", `{}`, "run 3 went well", "try failed, try succeeded"},
			{"examples.delay", `{"seconds":1}`, "1 seconds later", "later succeeded"},
			{"examples.remediation", `{}`, "the disk is full; freed some space", "build failed, mend succeeded"},
			{"examples.sub_workflow", `{"depth":3}`, strings.Repeat("3 items, together 3; below ", 3) + "3 items, together 3", "deeper succeeded, items succeeded"},
			{"examples.chain_in_workflow", `{}`, "part one, part two", "chain succeeded"},
		} {
			t.Run(tt.ref, func(t *testing.T) {
				h := &house{t, h.dir, h.server}
				e := h.until(h.start(tt.ref, tt.params), engine.Succeeded)
				h.sameResult(e, `{"output":{"told":"`+tt.told+`"}}`)
				if got := names(h.children(e.ID)); got != tt.tasks {
					t.Errorf("tasks: %s\nwant: %s", got, tt.tasks)
				}
			})
		}
		h.nothingLeft()
	})
}

// No more items run at the same time than the concurrency allows.
func TestItemsInParts(t *testing.T) {
	eachStore(t, nil, func(t *testing.T, h *house) {
		id := h.until(h.start("examples.with_items", `{"items":200,"concurrency":10}`), engine.Succeeded).ID
		type moment struct {
			at time.Time
			by int
		}
		var moments []moment
		list := h.children(id)
		for _, e := range list {
			moments = append(moments, moment{e.StartTimestamp, 1}, moment{*e.EndTimestamp, -1})
		}
		slices.SortFunc(moments, func(a, b moment) int { return a.at.Compare(b.at) })
		now, most := 0, 0
		for _, m := range moments {
			now += m.by
			most = max(most, now)
		}
		if len(list) != 200 || most > 10 {
			t.Errorf("%d items, at most %d at the same time", len(list), most)
		}
		h.sameResult(h.until(h.start("examples.with_items", `{"items":400,"concurrency":1000}`), engine.Succeeded), `{"output":{"told":"400 items, together 79800"}}`)
	})
}

func TestInquiryInWorkflow(t *testing.T) {
	eachStore(t, nil, func(t *testing.T, h *house) {
		answer := func(id, who, text string) error {
			_, err := h.server.Service().Respond(t.Context(), id, pipeline.Person{Name: who}, json.RawMessage(text))
			return err
		}
		id := h.start("examples.inquiry", `{}`)
		ask := h.task(id, "ask", engine.Pending)
		h.until(id, engine.Paused)
		if err := answer(ask.ID, "bob", `{"continue":"perhaps"}`); engine.CodeOf(err) != engine.Invalid {
			t.Errorf("an answer that does not fit: %v", err)
		}
		if err := answer(ask.ID, "bob", `{"continue":true}`); err != nil {
			t.Fatal(err)
		}
		h.sameResult(h.until(id, engine.Succeeded), `{"output":{"told":"the deployment goes on"}}`)
		if err := answer(ask.ID, "cy", `{"continue":false}`); engine.CodeOf(err) != engine.Invalid {
			t.Errorf("a second answer: %v", err)
		}
		id = h.start("examples.inquiry", `{}`)
		if err := answer(h.task(id, "ask", engine.Pending).ID, "bob", `{"continue":false}`); err != nil {
			t.Fatal(err)
		}
		h.sameResult(h.until(id, engine.Succeeded), `{"output":{"told":"the deployment was refused"}}`)
		id = h.start("examples.inquiry", `{"minutes":0.01}`)
		h.sameResult(h.until(id, engine.Succeeded), `{"output":{"told":"nobody answered within 1s"}}`)
		h.nothingLeft()
	})
}

// control is a pack with workflows that are held up by a file.
var control = map[string]string{
	"control/pack.yaml": "ref: control\nname: control\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: test content\n",
	"control/actions/hold.yaml": `
name: hold
runner_type: local-shell-cmd
entry_point: ""
parameters:
  path: {type: string, required: true}
  cmd: {type: string, immutable: true, default: 'while [ ! -e "{{ path }}" ]; do sleep 0.02; done; grep -q ok "{{ path }}"'}
`,
	"control/actions/inner.yaml": "name: inner\nrunner_type: orquesta\nentry_point: workflows/inner.yaml\nparameters: {path: {type: string, required: true}}\n",
	"control/actions/outer.yaml": "name: outer\nrunner_type: orquesta\nentry_point: workflows/outer.yaml\nparameters: {path: {type: string, required: true}}\n",
	"control/actions/workflows/inner.yaml": `
version: 1.0
input: [path]
tasks:
  hold: {action: control.hold, input: {path: <% ctx(path) %>}, next: [{when: <% succeeded() %>, do: after}]}
  after: {action: core.noop}
`,
	"control/actions/workflows/outer.yaml": `
version: 1.0
input: [path]
tasks:
  inner: {action: control.inner, input: {path: <% ctx(path) %>}, next: [{when: <% succeeded() %>, do: last}]}
  later: {action: core.noop, delay: 1, next: [{do: last}]}
  last: {join: all, action: core.noop}
`,
}

// let lets what is held go on.
func (h *house) let(path, word string) {
	h.t.Helper()
	if err := os.WriteFile(path, []byte(word+"\n"), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) gate(name string) (path, params string) {
	path = filepath.Join(h.dir, name)
	return path, fmt.Sprintf(`{"path":%q}`, path)
}

func TestPauseAndResumeWorkflow(t *testing.T) {
	eachStore(t, control, func(t *testing.T, h *house) {
		path, params := h.gate("gate")
		id := h.start("control.outer", params)
		inner := h.task(id, "inner", engine.Running)
		h.task(inner.ID, "hold", engine.Running)
		if _, err := h.server.Service().Pause(t.Context(), id, "bob"); err != nil {
			t.Fatal(err)
		}
		h.until(inner.ID, engine.Pausing) // else its next task may begin before it hears
		h.let(path, "ok")
		h.until(id, engine.Paused)
		h.until(inner.ID, engine.Paused)
		if got := names(h.children(inner.ID)); got != "hold succeeded" {
			t.Errorf("tasks of the paused workflow: %s", got)
		}
		if _, err := h.server.Service().Resume(t.Context(), id, "bob"); err != nil {
			t.Fatal(err)
		}
		h.until(id, engine.Succeeded)
		if got := names(h.children(id)); got != "inner succeeded, last succeeded, later succeeded" {
			t.Errorf("tasks: %s", got)
		}
		h.nothingLeft()
	})
}

func TestCancelOfWorkflow(t *testing.T) {
	eachStore(t, control, func(t *testing.T, h *house) {
		path, params := h.gate("gate")
		id := h.start("control.outer", params)
		inner := h.task(id, "inner", engine.Running)
		h.task(inner.ID, "hold", engine.Running)
		if _, err := h.server.Service().Cancel(t.Context(), inner.ID, "bob"); err != nil {
			t.Fatal(err)
		}
		h.until(id, engine.Canceling)
		h.let(path, "ok")
		e := h.until(id, engine.Canceled)
		h.until(inner.ID, engine.Canceled)
		if e.Context.CancelledBy != "bob" {
			t.Errorf("canceled by %q", e.Context.CancelledBy)
		}
		for _, c := range append(h.children(id), h.children(inner.ID)...) {
			if c.Task.Name == "last" || c.Task.Name == "after" || !c.Status.Completed() {
				t.Errorf("task %s is %s", c.Task.Name, c.Status)
			}
		}
		h.nothingLeft()
	})
}

// A workflow is carried on from the task that failed; what had succeeded does not
// run again.
func TestRerunOfWorkflow(t *testing.T) {
	eachStore(t, control, func(t *testing.T, h *house) {
		path, params := h.gate("gate")
		h.let(path, "bad")
		id := h.start("control.inner", params)
		h.until(id, engine.Failed)
		h.let(path, "ok")
		again, err := h.server.Service().Rerun(t.Context(), id, pipeline.RerunOptions{Tasks: []string{"hold"}, User: "bob"})
		if err != nil {
			t.Fatal(err)
		}
		h.until(again.ID, engine.Succeeded)
		if got := names(h.children(again.ID)); got != "after succeeded, hold succeeded" {
			t.Errorf("tasks: %s", got)
		}
		if _, err := h.server.Service().Rerun(t.Context(), id, pipeline.RerunOptions{Tasks: []string{"hold"}, Reset: []string{"x"}}); engine.CodeOf(err) != engine.Invalid {
			t.Errorf("reset of something else: %v", err)
		}
		h.nothingLeft()
	})
}

// nothingLeft checks that no queue holds anything that is due, and that nothing
// was given up.
func (h *house) nothingLeft() {
	h.t.Helper()
	b := h.server.Store()
	queues := []string{pipeline.QueueTriggers, pipeline.QueueWorkflows, pipeline.QueueActions("local-shell-cmd"), pipeline.QueueActions("noop")}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := retry(ctx, func() error { // the last item is acknowledged a moment after its outcome is seen
		for _, queue := range queues {
			stats, err := b.QueueStats(ctx, queue)
			if err != nil {
				return err
			}
			if n := stats.Ready + stats.Leased; n > 0 {
				return fmt.Errorf("queue %s still holds %d items", queue, n)
			}
		}
		return nil
	})
	if err != nil {
		h.t.Error(err)
	}
	for _, d := range all(h.t, b, pipeline.DeadLetters) {
		h.t.Errorf("dead letter: %+v", d.Value)
	}
}
