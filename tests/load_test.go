package tests

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
)

// load is work with effects that can be counted afterwards: commands and
// webhooks that leave a line in a file, webhooks that are told in a channel.
type load struct {
	t     *testing.T
	marks string // the file, with its whole path

	mu       sync.Mutex
	commands int // how many were said
	webhooks int // how many were accepted
	rooms    []*room
}

// room is where the answers to a stretch of the load can be seen: what fits
// into the history that a person gets when they come back.
type room struct {
	ann, bob           *person // ann gives commands, bob hears of webhooks
	commands, webhooks []int   // numbers
}

// roomSize is how many commands, and how many webhooks, go into one room.
const roomSize = 300

// room returns the room of the n-th command or webhook.
func (l *load) room(chat *petrel, n int) *room {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.rooms); i <= n/roomSize; i++ {
		l.rooms = append(l.rooms, &room{
			ann: chat.sit("ann", fmt.Sprintf("#work-%d", i)), bob: chat.sit("bob", fmt.Sprintf("#marks-%d", i)),
		})
	}
	return l.rooms[n/roomSize]
}

// pack is the content that the load needs, by file name.
func (l *load) pack() map[string]string {
	return map[string]string{
		"pack.yaml": "ref: load\nname: load\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: test content\n",
		"actions/mark.yaml": `
name: mark
runner_type: local-shell-cmd
entry_point: ""
parameters:
  id: {type: string, required: true}
  cmd: {type: string, immutable: true, default: 'echo "{{ id }}" >> ` + l.marks + `; sleep 0.02'}
`,
		"rules/mark.yaml": `
name: mark
enabled: true
trigger: {type: core.st2.webhook, parameters: {url: mark}}
action: {ref: load.mark, parameters: {id: "{{ trigger.body.id }}"}}
`,
		"rules/say.yaml": `
name: say
enabled: true
trigger: {type: core.st2.webhook, parameters: {url: mark}}
action: {ref: chatops.post_message, parameters: {channel: "{{ trigger.body.channel }}", message: "{{ trigger.body.id }}"}}
`,
		"rules/tick.yaml": `
name: tick
enabled: true
trigger: {type: core.st2.IntervalTimer, parameters: {unit: seconds, delta: 1}}
action: {ref: core.noop}
`,
		"aliases/mark.yaml": `
name: mark
action_ref: load.mark
formats: ["mark {{ id }}"]
`,
	}
}

// pause is how long people and senders wait between two inputs, at most.
const pause = 60 * time.Millisecond

func wait() { time.Sleep(rand.N(pause)) }

// say makes people give commands until more says no.
func (l *load) say(chat *petrel, more func(n int) bool) {
	for n := 0; more(n); n++ {
		r := l.room(chat, n)
		r.ann.say(fmt.Sprintf("c%d", n), fmt.Sprintf("!mark command-%d", n))
		l.mu.Lock()
		l.commands++
		r.commands = append(r.commands, n)
		l.mu.Unlock()
		wait()
	}
}

// post makes a sender deliver webhooks until more says no. Each is delivered
// until it is accepted, as senders do.
func (l *load) post(chat, api *petrel, more func(n int) bool) {
	for n := 0; more(n); n++ {
		r := l.room(chat, n)
		if err := postMark(api.addr, n, r.bob.channel); err != nil {
			l.t.Errorf("webhook %d was never accepted: %v", n, err)
			return
		}
		l.mu.Lock()
		l.webhooks++
		r.webhooks = append(r.webhooks, n)
		l.mu.Unlock()
		wait()
	}
}

func postMark(addr string, n int, channel string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	client := http.Client{Timeout: 10 * time.Second}
	return retry(ctx, func() error {
		body := fmt.Sprintf(`{"id": "webhook-%d", "channel": %q}`, n, channel)
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/api/v1/webhooks/mark", bytes.NewBufferString(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Petrel-Delivery", fmt.Sprintf("w%d", n))
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			return errors.New(resp.Status)
		}
		return nil
	})
}

// settle waits until every command has its last word and every webhook was
// told, and checks that each has just one.
func (l *load) settle(limit time.Duration) {
	l.t.Helper()
	for _, r := range l.rooms {
		r.settle(limit)
		r.ann.oneAnswerEach(r.commands)
		r.bob.eachOnce(r.webhooks)
	}
}

func (r *room) settle(limit time.Duration) {
	r.ann.t.Helper()
	r.ann.await(limit, func(entries map[string]terminal.Entry, said map[string]terminal.Frame) error {
		last := finals(entries)
		for _, i := range r.commands {
			f, ok := said[fmt.Sprintf("c%d", i)]
			if !ok {
				return fmt.Errorf("command %d was not taken", i)
			}
			if len(last[f.ID]) == 0 {
				return fmt.Errorf("command %d (%s) has no last word", i, f.ID)
			}
		}
		return nil
	})
	r.bob.await(limit, func(entries map[string]terminal.Entry, _ map[string]terminal.Frame) error {
		if len(entries) < len(r.webhooks) {
			return fmt.Errorf("%d of %d webhooks were told", len(entries), len(r.webhooks))
		}
		return nil
	})
}

// oneAnswerEach checks that every command has one acknowledgement and one last
// word, and that no line stands there twice.
func (a *person) oneAnswerEach(commands []int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	lines, answers, last := map[string]int{}, map[string]int{}, finals(a.entries)
	for _, e := range a.entries {
		if e.Message == nil {
			lines[e.Text]++
		} else {
			answers[e.Message.InReplyTo]++
		}
	}
	for _, i := range commands {
		if n := lines[fmt.Sprintf("!mark command-%d", i)]; n != 1 {
			a.t.Errorf("command %d stands %d times in the channel", i, n)
		}
		id := a.said[fmt.Sprintf("c%d", i)].ID
		if n := len(last[id]); n != 1 {
			a.t.Errorf("command %d has %d last words", i, n)
		}
		if n := answers[id]; n != 2 { // the card and the result
			a.t.Errorf("command %d has %d messages in answer, not a card and a result", i, n)
		}
	}
}

// eachOnce checks that every webhook was told exactly once.
func (a *person) eachOnce(webhooks []int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	times := map[string]int{}
	for _, e := range a.entries {
		times[strings.TrimSpace(wordsOf(e))]++
	}
	for _, i := range webhooks {
		if got := times[fmt.Sprintf("webhook-%d", i)]; got != 1 {
			a.t.Errorf("webhook %d was told %d times", i, got)
		}
	}
}

// tally is what became of the load.
type tally struct {
	accepted, ticks, finished, abandoned, lost, doubled, stuck int
}

func (c tally) String() string {
	return fmt.Sprintf("accepted %d (and %d ticks)  finished %d  abandoned %d  lost %d  doubled %d  stuck %d",
		c.accepted, c.ticks, c.finished, c.abandoned, c.lost, c.doubled, c.stuck)
}

// audit looks at the records and the file: every input has one instance, every
// instance its executions, each ended; what succeeded left one line, what was
// abandoned at most one; no queue holds anything.
func (l *load) audit(b store.Backend) tally {
	l.t.Helper()
	c := tally{accepted: l.commands + l.webhooks}
	effects := l.effects()
	instances := map[string]int{} // by delivery
	wanted := map[string]bool{}   // executions that must be there
	for _, d := range all(l.t, b, pipeline.Instances) {
		inst := d.Value
		instances[inst.DeliveryID]++
		switch inst.Trigger {
		case engine.TriggerIntervalTimer:
			c.ticks++
			wanted[engine.DeriveID(inst.ID, "rule", "load.tick")] = true
		case engine.TriggerWebhook:
			wanted[engine.DeriveID(inst.ID, "rule", "load.mark")] = true
			wanted[engine.DeriveID(inst.ID, "rule", "load.say")] = true
		case engine.TriggerChatCommand:
			wanted[engine.DeriveID(inst.ID, "responder", "0")] = true
		}
		if inst.Status != engine.InstanceProcessed {
			l.t.Errorf("instance %s of %s is %s: %s", inst.ID, inst.Trigger, inst.Status, inst.Problem)
			c.stuck++
		}
	}
	for delivery, n := range instances {
		if n > 1 {
			l.t.Errorf("delivery %s made %d instances", delivery, n)
			c.doubled++
		}
	}
	if got := len(instances) - c.ticks; got != c.accepted {
		l.t.Errorf("%d instances for %d inputs", got, c.accepted)
		c.lost += max(0, c.accepted-got)
	}
	for _, d := range all(l.t, b, pipeline.Executions) {
		l.auditExecution(&c, &d.Value, effects)
		delete(wanted, d.ID)
	}
	if len(wanted) > 0 {
		l.t.Errorf("%d executions are missing", len(wanted))
		c.lost += len(wanted)
	}
	c.stuck += l.auditQueues(b)
	return c
}

func (l *load) auditExecution(c *tally, e *engine.Execution, effects map[string]int) {
	switch e.Status {
	case engine.Succeeded:
		c.finished++
	case engine.Abandoned:
		c.abandoned++
	default:
		l.t.Errorf("execution %s of %s is %s: %s", e.ID, e.Action.Ref, e.Status, e.Result)
		c.stuck++
	}
	if e.Action.Ref != "load.mark" {
		return
	}
	id := parameter(l.t, e.Parameters, "id")
	switch n := effects[id]; {
	case n > 1:
		l.t.Errorf("%s left %d lines", id, n)
		c.doubled++
	case n == 0 && e.Status == engine.Succeeded:
		l.t.Errorf("%s succeeded and left no line", id)
		c.lost++
	}
}

// waiting counts what still waits, by queue.
func (l *load) waiting(b store.Backend) map[string]int {
	l.t.Helper()
	held := map[string]int{}
	for _, queue := range []string{
		pipeline.QueueTriggers, pipeline.QueueOutbox,
		pipeline.QueueActions("local-shell-cmd"), pipeline.QueueActions("chat-post-message"), pipeline.QueueActions("noop"),
	} {
		stats, err := b.QueueStats(context.Background(), queue)
		if err != nil {
			l.t.Fatal(err)
		}
		n := stats.Ready + stats.Leased + stats.Delayed
		if queue == pipeline.QueueOutbox {
			n -= stats.Delayed // reminders of what may still run
		}
		if n != 0 {
			held[queue] = n
		}
	}
	return held
}

// drain waits until nothing waits any more.
func (l *load) drain(b store.Backend) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := retry(ctx, func() error {
		if held := l.waiting(b); len(held) > 0 {
			return fmt.Errorf("there still waits %v", held)
		}
		return nil
	}); err != nil {
		l.t.Error(err)
	}
}

// auditQueues counts what still waits. In the outbox that may be reminders which
// fell due meanwhile: the last words have been looked for one by one.
func (l *load) auditQueues(b store.Backend) int {
	waiting := 0
	for queue, n := range l.waiting(b) {
		if queue == pipeline.QueueOutbox {
			continue
		}
		l.t.Errorf("queue %s still holds %d items", queue, n)
		waiting += n
	}
	for _, d := range all(l.t, b, pipeline.DeadLetters) {
		l.t.Errorf("dead letter: %+v", d.Value)
		waiting++
	}
	return waiting
}

// effects counts the lines of the file.
func (l *load) effects() map[string]int {
	marks, err := os.ReadFile(l.marks)
	if err != nil {
		l.t.Fatal(err)
	}
	times := map[string]int{}
	for _, line := range strings.Fields(string(marks)) {
		times[line]++
	}
	return times
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
