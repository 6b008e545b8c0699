package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"petrel/bot/server"
	"petrel/store/redis/redistest"
)

// writeWatch writes a pack with a Python sensor, a polling one and one that is a
// shell script. Each emits numbers, which rules note in files; the Python one
// keeps its count in the datastore.
func (p *petrel) writeWatch(dir string) {
	p.write("ref: watch\nname: watch\nversion: 1.0.0\nauthor: tests\nemail: tests@example.com\ndescription: sensors\n", "packs", "watch", "pack.yaml")
	p.write("name: note\nrunner_type: local-shell-cmd\nparameters:\n  line: {type: string, required: true}\n  cmd: {immutable: true, default: 'echo \"{{ line }}\" >> "+dir+"/seen'}\n",
		"packs", "watch", "actions", "note.yaml")
	for _, name := range []string{"counted", "polled", "printed"} {
		p.write("name: "+name+"\nenabled: true\ntrigger: {type: watch."+name+"}\naction: {ref: watch.note, parameters: {line: '"+name+"-{{ trigger.n }}'}}\n",
			"packs", "watch", "rules", name+".yaml")
	}
	p.write("name: special\nenabled: true\ntrigger: {type: watch.special, parameters: {colour: red}}\naction: {ref: watch.note, parameters: {line: 'special-{{ trigger.colour }}'}}\n",
		"packs", "watch", "rules", "special.yaml")
	p.write(`class_name: Counter
entry_point: counter.py
trigger_types:
  - name: counted
    payload_schema: {type: object, properties: {n: {type: integer, required: true}}}
  - name: special
    parameters_schema: {type: object, properties: {colour: {type: string}}}
`, "packs", "watch", "sensors", "counter.yaml")
	p.write(`import os
import time

from st2reactor.sensor.base import Sensor


class Counter(Sensor):
    def setup(self):
        self.log = self.sensor_service.get_logger("counter")
        self.waiting = []

    def run(self):
        print("printed by the sensor", flush=True)
        self.sensor_service.dispatch(trigger="watch.counted", payload={"n": "not a number"})
        while True:
            n = int(self.sensor_service.get_value("n") or 0) + 1
            self.sensor_service.dispatch(trigger="watch.counted", payload={"n": n}, trace_tag="count-%d" % n)
            self.sensor_service.set_value("n", n)
            while self.waiting:
                trigger = self.waiting.pop()
                self.sensor_service.dispatch(trigger=trigger, payload={"colour": trigger["parameters"]["colour"]})
            time.sleep(0.2)

    def cleanup(self):
        self.log.info("cleaned up")

    def add_trigger(self, trigger):
        if trigger["type"] == "watch.special":
            self.waiting.append(trigger)

    def update_trigger(self, trigger):
        pass

    def remove_trigger(self, trigger):
        pass
`, "packs", "watch", "sensors", "counter.py")
	p.write("class_name: Poller\nentry_point: poller.py\npoll_interval: 4\ntrigger_types: [{name: polled}]\n", "packs", "watch", "sensors", "poller.yaml")
	p.write(`import os

from st2reactor.sensor.base import PollingSensor


class Poller(PollingSensor):
    def __init__(self, sensor_service, config=None, poll_interval=None):
        super(Poller, self).__init__(sensor_service=sensor_service, config=config, poll_interval=poll_interval)

    def setup(self):
        pass

    def poll(self):
        self._sensor_service.dispatch("watch.polled", {"n": int(self.get_poll_interval())})
        self.set_poll_interval(0.3)

    def cleanup(self):
        pass

    def add_trigger(self, trigger):
        pass

    update_trigger = remove_trigger = add_trigger
`, "packs", "watch", "sensors", "poller.py")
	p.write("name: printer\nrunner: process\nentry_point: printer.sh\narguments: [tick]\ntrigger_types: [{name: printed}]\n", "packs", "watch", "sensors", "printer.yaml")
	p.write(`#!/bin/sh
read request
echo "$1: $request"
n=0
while :; do
  n=$((n + 1))
  echo "{\"trigger\": \"watch.printed\", \"payload\": {\"n\": $n}, \"dedupe\": \"$n\"}" || exit 1
  sleep 0.2
done
`, "packs", "watch", "sensors", "printer.sh")
	if err := os.Chmod(p.file("packs", "watch", "sensors", "printer.sh"), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

// sensors asks the program how its sensors stand.
func (p *petrel) sensors() map[string]server.SensorView {
	p.t.Helper()
	out, code := p.run("", "sensor", "list", "--json")
	if code != 0 {
		return nil
	}
	var list []server.SensorView
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	views := map[string]server.SensorView{}
	for _, v := range list {
		views[v.Ref] = v
	}
	return views
}

// seenLines counts the lines that the rules noted.
func seenLines(t *testing.T, path string) map[string]int {
	t.Helper()
	body, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, l := range strings.Fields(string(body)) {
		times[l]++
	}
	return times
}

func countOf(times map[string]int, kind string) (n int) {
	for l := range times {
		if strings.HasPrefix(l, kind+"-") {
			n++
		}
	}
	return n
}

// TestSensors runs a Python sensor, a polling one and a program, kills each with
// -9 several times and sees them return.
func TestSensors(t *testing.T) {
	p := install(t, "packs: [packs]\n")
	p.writeWatch(p.dir)
	p.start()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	pids := map[int]bool{}
	for round := 1; round <= 4; round++ {
		before := seenLines(t, p.file("seen"))
		if err := retry(ctx, func() error {
			now := seenLines(t, p.file("seen"))
			for _, kind := range []string{"counted", "printed"} {
				if countOf(now, kind) < countOf(before, kind)+2 && !(kind == "printed" && round > 1) {
					return fmt.Errorf("round %d: %s: %v", round, kind, now)
				}
			}
			if now["polled-4"] < round || now["special-red"] < round {
				return fmt.Errorf("round %d: polled or special: %v", round, now)
			}
			return nil
		}); err != nil {
			t.Fatalf("%v\n%v", err, p.sensors())
		}
		var views map[string]server.SensorView
		if err := retry(ctx, func() error {
			views = p.sensors()
			for ref, v := range views {
				if v.State == nil || v.State.Status != "running" || pids[v.State.PID] || syscall.Kill(v.State.PID, 0) != nil {
					return fmt.Errorf("round %d: %s does not run anew: %+v", round, ref, v.State)
				}
			}
			return nil
		}); err != nil || len(views) != 3 {
			t.Fatalf("%d sensors: %v", len(views), err)
		}
		for _, v := range views {
			pids[v.State.PID] = true
			if err := syscall.Kill(v.State.PID, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
	times := seenLines(t, p.file("seen"))
	for n := 1; n <= countOf(times, "printed"); n++ { // the program counts from 1 after each start
		if times["printed-"+strconv.Itoa(n)] != 1 {
			t.Errorf("event printed-%d, which has a dedupe ID, was seen %d times", n, times["printed-"+strconv.Itoa(n)])
		}
	}
	if times["counted-not"] > 0 {
		t.Error("a payload that does not fit its schema was taken")
	}
	if out, code := p.run("", "sensor", "logs", "watch.Counter"); code != 0 || !strings.Contains(out, "printed by the sensor") || !strings.Contains(out, "was not taken") {
		t.Errorf("logs: %d %s", code, out)
	}
	if out, code := p.run("", "sensor", "logs", "watch.printer"); code != 0 || !strings.Contains(out, `tick: {"sensor":"watch.printer"`) {
		t.Errorf("logs: %d %s", code, out)
	}
	starts, before := 0, seenLines(t, p.file("seen"))["special-red"]
	if v := p.sensors()["watch.Counter"]; v.State != nil {
		starts = v.State.Starts
	}
	if out, code := p.run("", "sensor", "restart", "watch.Counter"); code != 0 || !strings.Contains(out, "started anew") {
		t.Errorf("restart: %d %s", code, out)
	}
	if err := retry(ctx, func() error {
		views := p.sensors()
		for ref, v := range views {
			if v.State == nil || v.State.Status != "running" || ref == "watch.Counter" && v.State.Starts <= starts {
				return fmt.Errorf("%s: %+v", ref, v.State)
			}
		}
		if now := seenLines(t, p.file("seen")); now["special-red"] <= before { // once after each start
			return fmt.Errorf("%v", now)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if out, code := p.run("", "sensor", "restart", "watch.nobody"); code != 1 || !strings.Contains(out, "there is no sensor") {
		t.Errorf("restart of none: %d %s", code, out)
	}
	last := p.sensors()
	if took, code := p.stop(); code != 0 || took > 15*time.Second {
		t.Errorf("stopping took %s and gave exit code %d", took, code)
	}
	for ref, v := range last {
		if syscall.Kill(v.State.PID, 0) == nil {
			t.Errorf("the process of %s is left after the program ended", ref)
		}
	}
	if log, err := os.ReadFile(p.file("data", "sensors", "watch.Counter.log")); err != nil || !strings.Contains(string(log), "cleaned up") {
		t.Errorf("a sensor that is ended can clean up: %v", err)
	}
}

// TestSensorsMove: two processes on one Redis run each sensor once, and when one
// of them dies the other takes its sensors over; every event with a dedupe ID and
// every tick of a timer is seen once.
func TestSensorsMove(t *testing.T) {
	redis := redistest.Start(t)
	first := install(t, "node: one\npacks: [packs]\nstore: "+redis.URL("sensors")+"\n")
	first.writeWatch(first.dir)
	first.write("name: tick\nenabled: true\ntrigger: {type: core.st2.IntervalTimer, parameters: {unit: seconds, delta: 1}}\naction: {ref: watch.note, parameters: {line: 'tick-{{ trigger.executed_at | replace(\" \", \"T\") }}'}}\n", "packs", "watch", "rules", "tick.yaml")
	first.start()
	second := install(t, "node: two\npacks: ["+first.file("packs")+"]\nstore: "+redis.URL("sensors")+"\n")
	second.start()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	nodeOf := func() string {
		if v := second.sensors()["watch.printer"]; v.State != nil {
			return v.State.Node
		}
		return ""
	}
	if err := retry(ctx, func() error {
		if times := seenLines(t, first.file("seen")); countOf(times, "printed") < 5 || countOf(times, "tick") < 2 || nodeOf() == "" {
			return fmt.Errorf("printed %d, ticks %d, on %q", countOf(times, "printed"), countOf(times, "tick"), nodeOf())
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if node := nodeOf(); node != "one" {
		t.Fatalf("the sensors run on %q, not on the process that was first", node)
	}
	before := countOf(seenLines(t, first.file("seen")), "tick")
	died := time.Now()
	first.kill()
	if err := retry(ctx, func() error {
		times := seenLines(t, first.file("seen"))
		if nodeOf() != "two" || countOf(times, "tick") < before+2 {
			return fmt.Errorf("the sensors are on %q, %d ticks", nodeOf(), countOf(times, "tick"))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("the sensors and the timers had moved %s after the death of their process", time.Since(died).Round(time.Second))
	for line, n := range seenLines(t, first.file("seen")) {
		// A Python sensor may say again what it had not noted as said when it was ended.
		if n > 1 && (strings.HasPrefix(line, "printed-") || strings.HasPrefix(line, "tick-")) {
			t.Errorf("%s was seen %d times", line, n)
		}
	}
}
