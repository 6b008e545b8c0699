package tests

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"petrel/adapters/terminal"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
	"petrel/store/redis"
	"petrel/store/redis/redistest"
)

// storm is a pack with a workflow in which everything is tried again when its
// worker dies. Every task leaves a line in a file.
func storm(marks string) map[string]string {
	workflow := func(name string) string {
		return "name: " + name + "\nrunner_type: orquesta\nentry_point: workflows/" + name + ".yaml\nparameters: {n: {type: string, required: true}}\n"
	}
	return map[string]string{
		"pack.yaml": "ref: storm\nname: storm\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: test content\n",
		"actions/mark.yaml": `
name: mark
runner_type: local-shell-cmd
entry_point: ""
parameters:
  id: {type: string, required: true}
  cmd: {type: string, immutable: true, default: 'sleep 0.0{{ range(1, 9) | random }}; echo "{{ id }}" >> ` + marks + `'}
`,
		"actions/work.yaml":  workflow("work"),
		"actions/below.yaml": workflow("below"),
		"actions/links.yaml": "name: links\nrunner_type: action-chain\nentry_point: workflows/links.yaml\nparameters: {n: {type: string, required: true}}\n",
		"actions/workflows/work.yaml": `
version: 1.0
input: [n]
tasks:
  a: {action: storm.mark id="<% ctx(n) %>-a", retry: {count: 30}, next: [{when: <% succeeded() %>, publish: [{x: a}], do: [b1, b2]}]}
  b1: {action: storm.mark id="<% ctx(n) %>-b1", retry: {count: 30}, next: [{when: <% succeeded() %>, publish: [{y: <% ctx(x) %>1}], do: c}]}
  b2: {action: storm.mark id="<% ctx(n) %>-b2", retry: {count: 30}, next: [{when: <% succeeded() %>, publish: [{z: <% ctx(x) %>2}], do: c}]}
  c:
    join: all
    with: {items: <% range(4) %>, concurrency: 2}
    action: storm.mark id="<% ctx(n) %>-c<% item() %>"
    retry: {count: 30}
    next: [{when: <% succeeded() %>, do: d}]
  d: {action: storm.below, input: {n: <% ctx(n) %>}, retry: {count: 30}, next: [{when: <% succeeded() %>, do: e}]}
  e: {action: core.noop, delay: 1}
output: [{told: "<% ctx(n) %> <% ctx(y) %> <% ctx(z) %>"}]
`,
		"actions/workflows/below.yaml": `
version: 1.0
input: [n]
tasks:
  f: {action: storm.links, input: {n: <% ctx(n) %>}, retry: {count: 30}, next: [{when: <% succeeded() %>, do: g}]}
  g: {action: core.noop}
`,
		"actions/workflows/links.yaml": "chain:\n  - {name: one, ref: core.noop, on-success: two}\n  - {name: two, ref: storm.mark, parameters: {id: '{{ n }}-two'}}\n",
		"aliases/work.yaml":            "name: work\naction_ref: storm.work\nformats: ['work {{ n }}']\nresult: {format: '{{ execution.result.output.told }}'}\n",
	}
}

// stormSize is how many workflows run at the same time while processes die.
const stormSize = 24

// ride starts the workflows, does what the attack does meanwhile, and waits until
// each has told its result.
func ride(t *testing.T, chat *petrel, attack func()) {
	ann := chat.sit("ann", "#storm")
	for n := range stormSize {
		ann.say(fmt.Sprintf("w%d", n), fmt.Sprintf("!work %d", n))
	}
	attack()
	ann.await(3*time.Minute, func(entries map[string]terminal.Entry, said map[string]terminal.Frame) error {
		last := finals(entries)
		for n := range stormSize {
			words := last[said[fmt.Sprintf("w%d", n)].ID]
			if len(words) != 1 {
				return fmt.Errorf("workflow %d has %d last words", n, len(words))
			}
		}
		return nil
	})
	ann.mu.Lock()
	defer ann.mu.Unlock()
	last := finals(ann.entries)
	for n := range stormSize {
		if got, want := wordsOf(last[ann.said[fmt.Sprintf("w%d", n)].ID][0]), fmt.Sprintf("%d a1 a2", n); got != want {
			t.Errorf("workflow %d: %q, want %q", n, got, want)
		}
	}
}

// auditFlows checks that no workflow is stuck and that none was advanced twice: no
// task succeeded more than once in one run, and those that are not tried again as a
// whole not more than once at all.
func auditFlows(t *testing.T, b store.Backend) {
	t.Helper()
	count := map[engine.Status]int{}
	succeeded, inRun := map[string]int{}, map[string]int{}
	flows := 0
	for _, d := range all(t, b, pipeline.Executions) {
		e := &d.Value
		count[e.Status]++
		if !e.Status.Completed() {
			t.Errorf("%s of %s is stuck: %s", e.ID, e.Action.Ref, e.Status)
		}
		if e.Action.Ref == "storm.work" {
			flows++
			if e.Status != engine.Succeeded {
				t.Errorf("%s of %s is %s: %s", e.ID, e.Action.Ref, e.Status, e.Result)
			}
		}
		if e.Task == nil || e.Status != engine.Succeeded {
			continue
		}
		item := ""
		if e.Task.Item != nil {
			item = fmt.Sprint(*e.Task.Item)
		} else {
			succeeded[e.Task.Workflow+" "+e.Task.Name]++
		}
		inRun[e.Task.Run+" "+item]++
	}
	for key, n := range succeeded {
		if n > 1 {
			t.Errorf("task %s succeeded %d times", key, n)
		}
	}
	for key, n := range inRun {
		if n > 1 {
			t.Errorf("run %s succeeded %d times", key, n)
		}
	}
	if flows != stormSize {
		t.Errorf("%d workflows", flows)
	}
	for _, d := range all(t, b, pipeline.WorkflowExecutions) {
		if !d.Value.Status.Completed() {
			t.Errorf("workflow %s is %s", d.ID, d.Value.Status)
		}
	}
	for _, d := range all(t, b, pipeline.DeadLetters) {
		t.Errorf("dead letter: %+v", d.Value)
	}
	stats, err := b.QueueStats(context.Background(), pipeline.QueueWorkflows)
	if err != nil || stats.Ready+stats.Leased+stats.Delayed > 0 {
		t.Errorf("the queue of workflows: %+v, %v", stats, err)
	}
	t.Logf("executions: %v", count)
}

func TestWorkflowsSurviveKills(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.addPack("storm", storm(p.file("marks")))
	p.start()
	const kills = 12
	ride(t, p, func() {
		for range kills {
			time.Sleep(50*time.Millisecond + rand.N(400*time.Millisecond)) // a moment at random is the point
			p.kill()
			p.spawn()
		}
		p.awaitReady()
	})
	if _, code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	auditFlows(t, openSQLite(t, p.file("data", "petrel.db")))
}

func TestWorkflowsSurviveKillsRedis(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "always")
	url := server.URL("storm")
	marks := filepath.Join(t.TempDir(), "marks")
	var procs []*petrel
	for _, roles := range []string{"chat", "rules", "rules", "workers", "workers"} {
		p := install(t, fmt.Sprintf("packs: [packs]\nstore: %s\nroles: [%s]\nnode: %s\n", url, roles, roles))
		p.addPack("storm", storm(marks))
		p.spawn()
		procs = append(procs, p)
	}
	for _, p := range procs {
		p.awaitUp()
	}
	const kills = 8
	ride(t, procs[0], func() {
		for n := range kills {
			time.Sleep(100*time.Millisecond + rand.N(600*time.Millisecond)) // a moment at random is the point
			if n%4 == 3 {
				server.Kill()
				server.Restart()
				continue
			}
			p := procs[1+rand.IntN(len(procs)-1)]
			p.kill()
			p.spawn()
		}
	})
	for _, p := range procs {
		p.awaitUp()
		if _, code := p.stop(); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	b, err := redis.Open(context.Background(), url, redis.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	auditFlows(t, b)
}
