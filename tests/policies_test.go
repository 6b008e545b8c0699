package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
	"petrel/store/redis"
	"petrel/store/redis/redistest"
)

// slots is a pack with an action of which at most two may run at a time, and which is
// tried again when it fails.
func slots() map[string]string {
	return map[string]string{
		"pack.yaml": "ref: slots\nname: slots\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: test content\n",
		"actions/work.yaml": `
name: work
runner_type: local-shell-cmd
entry_point: ""
parameters:
  n: {type: integer, required: true}
  cmd: {type: string, immutable: true, default: 'sleep 0.0{{ range(2, 9) | random }}; test {{ n }} != 7'}
`,
		"policies/two.yaml":   "name: two\nresource_ref: slots.work\npolicy_type: action.concurrency\nparameters: {threshold: 2}\n",
		"policies/again.yaml": "name: again\nresource_ref: slots.work\npolicy_type: action.retry\nparameters: {retry_on: failure, max_retry_count: 2}\n",
		"rules/work.yaml": "name: work\nenabled: true\ntrigger: {type: core.st2.webhook, parameters: {url: work}}\n" +
			"criteria: {trigger.body.n: {type: gt, pattern: 0}}\naction: {ref: slots.work, parameters: {n: '{{ trigger.body.n }}'}}\n",
	}
}

// slotted is how many actions are asked for at once.
const slotted = 40

// askForSlots posts the webhooks and returns the IDs of the executions.
func askForSlots(t *testing.T, api *petrel) (executions []string) {
	t.Helper()
	for n := range slotted {
		code, body, header := api.deliver("work", http.Header{"Content-Type": {"application/json"}}, fmt.Appendf(nil, `{"n": %d}`, n+1))
		if code != http.StatusAccepted {
			t.Fatalf("webhook %d: %d %s", n, code, body)
		}
		executions = append(executions, engine.DeriveID(header.Get("X-Petrel-Trigger-Instance"), "rule", "slots.work"))
	}
	return executions
}

// awaitEnded waits until executions have ended.
func awaitEnded(t *testing.T, api *petrel, executions []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	for _, id := range executions {
		if err := retry(ctx, func() error {
			resp, err := http.Get("http://" + api.addr + "/api/v1/executions/" + id)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			var e struct{ Status engine.Status }
			if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || !e.Status.Completed() {
				return fmt.Errorf("execution %s is %s (%v)", id, e.Status, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// auditSlots checks that never more than two had a slot, that nothing is left in line,
// and that what failed was tried again.
func auditSlots(t *testing.T, b store.Backend, executions []string) {
	t.Helper()
	type edge struct {
		at    time.Time
		delta int
	}
	var edges []edge
	count, known := map[engine.Status]int{}, map[string]engine.Execution{}
	for _, d := range all(t, b, pipeline.Executions) {
		e := d.Value
		if e.Action.Ref != "slots.work" {
			continue
		}
		known[e.ID] = e
		count[e.Status]++
		begin := slices.IndexFunc(e.Log, func(c engine.StatusChange) bool { return c.Status == engine.Running })
		if begin < 0 || e.EndTimestamp == nil {
			t.Errorf("execution %s is %s: %+v", e.ID, e.Status, e.Log)
			continue
		}
		edges = append(edges, edge{e.Log[begin].Timestamp, 1}, edge{*e.EndTimestamp, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.delta - b.delta
	})
	busy, most := 0, 0
	for _, e := range edges {
		busy += e.delta
		most = max(most, busy)
	}
	if most > 2 {
		t.Errorf("%d ran at a time", most)
	}
	for _, id := range executions {
		if _, ok := known[id]; !ok {
			t.Errorf("execution %s is not on record", id)
		}
	}
	for id, e := range known {
		tries := 0
		if p := e.Context.Policies; p != nil && p.Retry != nil {
			tries = p.Retry.Count
		}
		_, again := known[pipeline.RetryID(id)]
		if want := e.Status == engine.Failed && tries < 2; again != want {
			t.Errorf("execution %s, try %d, is %s; tried again: %t", id, tries, e.Status, again)
		}
	}
	for _, d := range all(t, b, pipeline.Gates) {
		if len(d.Value.Holders) > 0 || d.Value.Waiting != 0 {
			t.Errorf("the gate of %s: %+v", d.ID, d.Value)
		}
	}
	if left := all(t, b, pipeline.Line); len(left) > 0 {
		t.Errorf("left in line: %+v", left)
	}
	t.Logf("at most %d at a time; %v", most, count)
}

func TestPoliciesSurviveKills(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.addPack("slots", slots())
	p.start()
	executions := askForSlots(t, p)
	for range 5 {
		time.Sleep(100*time.Millisecond + rand.N(300*time.Millisecond)) // a moment at random is the point
		p.kill()
		p.spawn()
	}
	p.awaitReady()
	awaitEnded(t, p, executions)
	awaitTries(t, p, executions[6])
	if _, code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	auditSlots(t, openSQLite(t, p.file("data", "petrel.db")), executions)
}

// awaitTries waits for the further tries of an execution that fails, if it did.
func awaitTries(t *testing.T, p *petrel, id string) {
	t.Helper()
	for range 2 {
		var why pipeline.Why
		p.request(http.MethodGet, "/executions/"+id+"/why", "", http.StatusOK, &why)
		if id = why.RetriedAs; id == "" {
			return
		}
		awaitEnded(t, p, []string{id})
	}
}

func TestPoliciesSurviveKillsRedis(t *testing.T) {
	server := redistest.Start(t, "--appendfsync", "always")
	url := server.URL("slots")
	var procs []*petrel
	for _, roles := range []string{"api, rules", "workers", "workers"} {
		p := install(t, fmt.Sprintf("packs: [packs]\nstore: %s\nroles: [%s]\nnode: %s\n", url, roles, strings.ReplaceAll(roles, ", ", "-")))
		p.addPack("slots", slots())
		p.spawn()
		procs = append(procs, p)
	}
	for _, p := range procs {
		p.awaitUp()
	}
	executions := askForSlots(t, procs[0])
	for n := range 4 {
		time.Sleep(100*time.Millisecond + rand.N(400*time.Millisecond)) // a moment at random is the point
		p := procs[1+n%2]
		p.kill()
		p.spawn()
	}
	awaitEnded(t, procs[0], executions)
	awaitTries(t, procs[0], executions[6])
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
	auditSlots(t, b, executions)
}

// An execution that waits says for what, and goes on when its turn has come.
func TestWhyItWaits(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.addPack("hold", map[string]string{
		"pack.yaml": "ref: hold\nname: hold\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: test content\n",
		"actions/until.yaml": "name: until\nrunner_type: local-shell-cmd\nentry_point: ''\nparameters:\n" +
			"  cmd: {type: string, immutable: true, default: 'until test -e " + p.file("go") + "; do sleep 0.02; done'}\n",
		"policies/one.yaml": "name: one\nresource_ref: hold.until\npolicy_type: action.concurrency\nparameters: {threshold: 1}\n",
		"rules/hold.yaml":   "name: hold\nenabled: true\ntrigger: {type: core.st2.webhook, parameters: {url: hold}}\naction: {ref: hold.until}\n",
	})
	p.start()
	var executions []string
	for _, want := range []engine.Status{engine.Running, engine.Delayed, engine.Delayed} {
		_, _, header := p.deliver("hold", nil, []byte("{}"))
		id := engine.DeriveID(header.Get("X-Petrel-Trigger-Instance"), "rule", "hold.hold")
		executions = append(executions, id)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		if err := retry(ctx, func() error {
			var why pipeline.Why
			p.request(http.MethodGet, "/executions/"+id+"/why", "", http.StatusOK, &why)
			if why.Status != want {
				return fmt.Errorf("execution %s is %s, want %s", id, why.Status, want)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		cancel()
	}
	out, code := p.run("", "execution", "why", executions[2])
	want := "the policy hold.one lets 1 run at a time, held by " + executions[0] + "; it is number 2 of 2 in line"
	if code != 0 || !strings.Contains(out, want) {
		t.Errorf("execution why: exit code %d, lacks %q\n%s", code, want, out)
	}
	p.write("", "go")
	awaitEnded(t, p, executions)
}

// What people ask of the past, on the real program.
func TestWhyItFired(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.addPack("slots", slots())
	p.start()
	_, _, header := p.deliver("work", http.Header{"Content-Type": {"application/json"}, "St2-Trace-Tag": {"night"}}, []byte(`{"n": 3}`))
	instance := header.Get("X-Petrel-Trigger-Instance")
	execution := engine.DeriveID(instance, "rule", "slots.work")
	awaitEnded(t, p, []string{execution})
	p.write(`{"body": {"n": 0}}`, "zero.json")
	p.write(`{"body": {"n": 5}}`, "five.json")
	p.write(`{"headers": {}}`, "none.json")
	rule := filepath.Join("packs", "slots", "rules", "work.yaml")
	for _, tc := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"rule", "test", "slots.work", "--instance", instance}, 0, []string{"yes  trigger.body.n gt", "value   3", "pattern 0", `"n":3`}},
		{[]string{"rule", "test", rule, "--instance", instance}, 0, []string{"matches and would run slots.work"}},
		{[]string{"rule", "test", rule, "--payload", "five.json"}, 0, []string{"matches and would run slots.work", "5"}},
		{[]string{"rule", "test", rule, "--payload", "zero.json"}, 1, []string{"no   trigger.body.n gt", "does not match: a criterion does not hold"}},
		{[]string{"rule", "test", "slots.work", "--payload", "none.json"}, 1, []string{"value   null", "does not match"}},
		{[]string{"rule", "test", "slots.work"}, 2, []string{"either --instance or --payload"}},
		{[]string{"rule", "test", "slots.nothing", "--instance", instance}, 2, []string{`there is no rule "slots.nothing"`}},
		{[]string{"rule", "backtest", rule, "--since", "1h"}, 0, []string{"would have matched 1 of 1 events", instance}},
		{[]string{"execution", "why", execution}, 0, []string{"It has ended: succeeded", "The rule slots.work started it"}},
		{[]string{"trigger-instance", "list", "--trigger", "core.st2.webhook"}, 0, []string{instance, "processed", "core.st2.webhook work"}},
		{[]string{"trigger-instance", "list", "--status", "pending"}, 0, []string{"STATUS"}},
		{[]string{"trigger-instance", "get", instance}, 0, []string{`"n": 3`, `"status": "processed"`}},
		{[]string{"trigger-instance", "get", execution}, 1, []string{"Unable to identify resource"}},
		{[]string{"timer", "list"}, 0, []string{"NEXT"}},
		{[]string{"trace", "get", "night"}, 0, []string{"└─ trigger_instance", "   └─ rule  slots.work", "      └─ execution  slots.work  succeeded"}},
		{[]string{"trace", "get", execution}, 0, []string{instance}},
		{[]string{"trace", "get", "day"}, 1, []string{"there is no trace"}},
	} {
		out, code := p.run("", tc.args...)
		if code != tc.code {
			t.Errorf("petrel %s: exit code %d, want %d\n%s", strings.Join(tc.args, " "), code, tc.code, out)
		}
		for _, want := range tc.want {
			if !strings.Contains(out, want) {
				t.Errorf("petrel %s lacks %q:\n%s", strings.Join(tc.args, " "), want, out)
			}
		}
	}
	for body, want := range map[string]int{
		`{"trigger": "core.st2.webhook", "payload": {"headers": {}, "headers_lower": {}, "body": {"n": 1}}}`: http.StatusAccepted,
		`{"trigger": "core.st2.webhook", "payload": {"body": 7}}`:                                            http.StatusBadRequest,
		`{"trigger": "core.nothing"}`: http.StatusBadRequest,
		`{"payload": {}}`:             http.StatusBadRequest,
		`[]`:                          http.StatusBadRequest,
	} {
		p.post("st2", "application/json", []byte(body), want)
	}
	ann := p.sit("ann", "#general")
	if state, words := ann.answer("1", "!why "+execution); state != "succeeded" || !strings.Contains(words, "It has ended: succeeded") {
		t.Errorf("why of an execution: %s %s", state, words)
	}
	if state, words := ann.answer("2", "!why "+instance); state != "succeeded" || !strings.Contains(words, "slots.work matched: execution "+execution) {
		t.Errorf("why of an event: %s %s", state, words)
	}
	out, code := p.run("", "trigger-instance", "re-emit", instance)
	_, again, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(out), "."), "emitted again as ")
	if code != 0 || !ok {
		t.Fatalf("re-emit: exit code %d\n%s", code, out)
	}
	awaitEnded(t, p, []string{engine.DeriveID(again, "rule", "slots.work")})
	if out, _ := p.run("", "trigger-instance", "get", again); !strings.Contains(out, `"original_id": "`+instance+`"`) {
		t.Errorf("the event that was emitted again:\n%s", out)
	}
}
