package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"petrel/adapters/terminal"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
	"petrel/store/sqlite"
)

const (
	killCommands = 100
	killWebhooks = 100
	kills        = 10
)

// killPack answers a webhook by a command that leaves a trace in a file, and
// then says so in a channel.
var killPack = map[string]string{
	"pack.yaml": "ref: killtest\nname: killtest\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: test content\n",
	"actions/mark.yaml": `
name: mark
runner_type: local-shell-cmd
enabled: true
entry_point: ""
parameters:
  id: {type: string, required: true}
  cmd: {type: string, immutable: true, default: 'echo "{{ id }}" >> marks; sleep 0.02'}
`,
	"rules/mark.yaml": `
name: mark
enabled: true
trigger: {type: core.st2.webhook, parameters: {url: mark}}
action: {ref: killtest.mark, parameters: {id: "{{ trigger.body.id }}"}}
`,
	"rules/say.yaml": `
name: say
enabled: true
trigger: {type: core.st2.webhook, parameters: {url: mark}}
action: {ref: chatops.post_message, parameters: {channel: "#marks", message: "{{ trigger.body.id }}"}}
`,
	"aliases/mark.yaml": `
name: mark
action_ref: killtest.mark
formats: ["mark {{ id }}"]
`,
}

// TestNothingLostNothingTwice gives the real program commands and webhooks,
// kills it again and again in the middle of them, and then looks whether every
// input that was accepted has exactly one outcome and one answer.
func TestNothingLostNothingTwice(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	for name, body := range killPack {
		p.write(body, "packs", "killtest", name)
	}
	p.start()
	ann := p.sit("ann", "#work")
	bob := p.sit("bob", "#marks")

	var inputs sync.WaitGroup
	inputs.Go(func() {
		for i := range killCommands {
			ann.say(fmt.Sprintf("c%d", i), fmt.Sprintf("!mark command-%d", i))
			time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond) // people do not type all at once
		}
	})
	inputs.Go(func() {
		for i := range killWebhooks {
			p.postWebhook(i)
			time.Sleep(time.Duration(rand.IntN(40)) * time.Millisecond)
		}
	})
	for range kills {
		time.Sleep(time.Duration(50+rand.IntN(350)) * time.Millisecond) // a moment at random is the point
		p.kill()
		p.spawn()
	}
	p.awaitReady()
	inputs.Wait()

	ann.await(time.Minute, func(entries map[string]terminal.Entry, said map[string]terminal.Frame) error {
		last := finals(entries)
		for i := range killCommands {
			f, ok := said[fmt.Sprintf("c%d", i)]
			if !ok {
				return fmt.Errorf("command %d was not taken", i)
			}
			if len(last[f.ID]) == 0 {
				return fmt.Errorf("command %d has no last word", i)
			}
		}
		return nil
	})
	bob.await(time.Minute, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		if len(entries) < killWebhooks {
			return fmt.Errorf("%d of %d webhooks were told", len(entries), killWebhooks)
		}
		return nil
	})
	ann.oneAnswerEach(killCommands)
	bob.eachOnce("webhook-", killWebhooks)
	if took, code := p.stop(); code != 0 || took > 10*time.Second {
		t.Errorf("stopping took %s and gave exit code %d", took, code)
	}
	p.checkStore()
}

// postWebhook delivers one webhook until it is accepted, as senders do.
func (p *petrel) postWebhook(i int) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := retry(ctx, func() error {
		body := fmt.Sprintf(`{"id": "webhook-%d"}`, i)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.addr+"/api/v1/webhooks/mark", bytes.NewBufferString(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Petrel-Delivery", fmt.Sprintf("w%d", i))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			return errors.New(resp.Status)
		}
		return nil
	})
	if err != nil {
		p.t.Errorf("webhook %d was never accepted: %v", i, err)
	}
}

// oneAnswerEach checks that every command has one acknowledgement and one last
// word, and that no line stands there twice.
func (a *person) oneAnswerEach(commands int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	lines, answers := map[string]int{}, map[string]int{}
	for _, e := range a.entries {
		if e.Message == nil {
			lines[e.Text]++
		} else {
			answers[e.Message.InReplyTo]++
		}
	}
	for i := range commands {
		if n := lines[fmt.Sprintf("!mark command-%d", i)]; n != 1 {
			a.t.Errorf("command %d stands %d times in the channel", i, n)
		}
		id := a.said[fmt.Sprintf("c%d", i)].ID
		if n := len(finals(a.entries)[id]); n != 1 {
			a.t.Errorf("command %d has %d last words", i, n)
		}
		if n := answers[id]; n != 2 { // the card and the result
			a.t.Errorf("command %d has %d messages in answer, not a card and a result", i, n)
		}
	}
}

// eachOnce checks that every webhook was told exactly once.
func (a *person) eachOnce(prefix string, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	times := map[string]int{}
	for _, e := range a.entries {
		times[strings.TrimSpace(wordsOf(e))]++
	}
	for i := range n {
		if got := times[fmt.Sprintf("%s%d", prefix, i)]; got != 1 {
			a.t.Errorf("webhook %d was told %d times", i, got)
		}
	}
}

// checkStore looks at the records: one instance an input, one ended execution
// an instance and rule, one trace in the file for what succeeded and at most
// one otherwise; no queue holds anything.
func (p *petrel) checkStore() {
	t := p.t
	ctx := context.Background()
	backend, err := sqlite.Open(ctx, p.file("data", "petrel.db"), sqlite.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	instances := all(t, backend, pipeline.Instances)
	executions := all(t, backend, pipeline.Executions)
	if want := killCommands + killWebhooks; len(instances) != want {
		t.Errorf("%d trigger instances, want %d", len(instances), want)
	}
	if want := killCommands + 2*killWebhooks; len(executions) != want {
		t.Errorf("%d executions, want %d", len(executions), want)
	}
	marks, err := os.ReadFile(p.file("marks"))
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, line := range strings.Fields(string(marks)) {
		times[line]++
	}
	statuses := map[engine.Status]int{}
	for _, d := range executions {
		e := d.Value
		statuses[e.Status]++
		if e.Status != engine.Succeeded && e.Status != engine.Abandoned {
			t.Errorf("execution %s of %s is %s: %s", e.ID, e.Action.Ref, e.Status, e.Result)
		}
		if e.Action.Ref != "killtest.mark" {
			continue
		}
		id := parameter(t, e.Parameters, "id")
		if n := times[id]; n > 1 || n == 0 && e.Status == engine.Succeeded {
			t.Errorf("%s is %s and left %d traces", id, e.Status, n)
		}
	}
	for _, queue := range []string{pipeline.QueueTriggers, pipeline.QueueActions("local-shell-cmd"), pipeline.QueueActions("chat-post-message"), pipeline.QueueOutbox} {
		stats, err := backend.QueueStats(ctx, queue)
		if err != nil {
			t.Fatal(err)
		}
		if n := stats.Ready + stats.Leased + stats.Delayed; n != 0 {
			t.Errorf("queue %s still holds %d items", queue, n)
		}
	}
	if letters := all(t, backend, pipeline.DeadLetters); len(letters) > 0 {
		t.Errorf("%d dead letters, the first: %+v", len(letters), letters[0].Value)
	}
	t.Logf("%d inputs, %d kills: executions %v", killCommands+killWebhooks, kills, statuses)
}

// all reads a whole collection.
func all[T any](t *testing.T, b store.Backend, c store.Collection[T]) []store.Doc[T] {
	t.Helper()
	var docs []store.Doc[T]
	for after := ""; ; {
		page, next, err := c.List(context.Background(), b, store.Query{After: after, Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, page...)
		if next == "" {
			return docs
		}
		after = next
	}
}

// parameter reads one text parameter of an execution.
func parameter(t *testing.T, raw []byte, name string) string {
	t.Helper()
	var params map[string]any
	if err := json.Unmarshal(raw, &params); err != nil {
		t.Fatal(err)
	}
	text, _ := params[name].(string)
	return text
}
