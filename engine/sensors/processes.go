package sensors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"time"

	"petrel/engine"
)

// Emitted is what a sensor emits: one line of JSON.
type Emitted struct {
	Trigger    string          `json:"trigger"`              // ref of the type
	Parameters json.RawMessage `json:"parameters,omitempty"` // of the one trigger of that type that is meant
	Payload    json.RawMessage `json:"payload"`
	Dedupe     string          `json:"dedupe,omitempty"` // ID of the event; a second one with the same changes nothing
	TraceTag   string          `json:"trace_tag,omitempty"`
}

// Program is how a sensor is started.
type Program struct {
	Path string
	Args []string
	Dir  string
	Env  []string
	// Request is the first line of its standard input, "" for none. The input stays
	// open as long as somebody listens: a program ends when its input does.
	Request []byte
	// Channel: the program speaks on descriptor 3, a socket, line by line: what it
	// emits and asks, each line answered by one. Otherwise it emits on standard
	// output and is told nothing.
	Channel bool
}

// State is how a sensor stands.
type State struct {
	Ref      string     `json:"ref"`
	Node     string     `json:"node,omitempty"` // the process that runs it
	Status   string     `json:"status"`         // one of the Status constants
	PID      int        `json:"pid,omitempty"`
	Since    time.Time  `json:"since"`
	Starts   int        `json:"starts"`            // of this Run
	Failures int        `json:"failures"`          // in a row
	Retry    *time.Time `json:"retry,omitempty"`   // when it is started again
	Problem  string     `json:"problem,omitempty"` // how it ended last
}

// What a sensor can be.
const (
	StatusRunning = "running"
	StatusWaiting = "waiting" // ended badly; it is started again at Retry
	StatusEnded   = "ended"   // ended by itself with code 0: it has nothing more to do
)

// Processes runs sensors: one supervised process each, started again for ever.
type Processes struct {
	// Sensors returns the present sensors and a channel that is closed when there
	// are others.
	Sensors func() (list []*engine.Sensor, replaced <-chan struct{})
	// Alone runs f while no other process of the deployment does, see Lock.
	Alone func(ctx context.Context, lock string, f func(context.Context) error) error
	// Program says how a sensor is started.
	Program func(s *engine.Sensor) (Program, error)
	// Emit makes an event durable. An error of code engine.Invalid means that it
	// never will be.
	Emit func(ctx context.Context, s *engine.Sensor, e Emitted) error
	// Ask answers what else a sensor with a Channel asks, such as for an item of
	// the datastore: one line of JSON for one line.
	Ask func(ctx context.Context, s *engine.Sensor, line []byte) []byte
	// Triggers are those that rules wait for now, of a sensor's types, by ID. A
	// sensor with a Channel is told of them line by line.
	Triggers func(s *engine.Sensor) map[string]Trigger
	// Log takes what a sensor prints.
	Log func(s *engine.Sensor) io.WriteCloser
	// Note is told of every change of a sensor's state. It must not block.
	Note   func(State)
	Node   string
	Logger *slog.Logger

	// Pauses before a sensor that failed is started again: the first, and the
	// longest. 0 means 1 s and 1 min.
	FirstPause, LongestPause time.Duration

	starting chan struct{} // a place for each sensor that may start now
	mu       sync.Mutex
	restart  map[string]func() // by ref, of those that run here
	retell   map[string]func() // the same: tells of triggers that came and went
}

// Trigger is a trigger as sensors are told of it.
type Trigger struct {
	ID          string          `json:"id"`
	UID         string          `json:"uid"`
	Ref         string          `json:"ref"`
	Name        string          `json:"name"`
	Pack        string          `json:"pack"`
	Type        string          `json:"type"`
	Parameters  json.RawMessage `json:"parameters"`
	Description string          `json:"description"`
}

// healthyAfter is how long a sensor must run for its failures to be forgotten.
const healthyAfter = 10 * time.Second

// stopGrace is how long a sensor may take to end when it is asked to.
const stopGrace = 5 * time.Second

// maxLine bounds one line of a sensor, in bytes.
const maxLine = 16 << 20

// LockOf names the lock under which a sensor runs.
func LockOf(ref string) string { return "sensor:" + ref }

// Run runs the enabled sensors until ctx ends. A sensor whose metadata changed is
// started anew.
func (p *Processes) Run(ctx context.Context) error {
	p.mu.Lock()
	p.restart, p.retell = map[string]func(){}, map[string]func(){}
	p.starting = make(chan struct{}, max(2, runtime.NumCPU()))
	p.mu.Unlock()
	running := map[string]*running{}
	var all sync.WaitGroup
	defer all.Wait()
	for {
		list, replaced := p.Sensors()
		wanted := map[string]*engine.Sensor{}
		for _, s := range list {
			if s.Enabled {
				wanted[s.Ref] = s
			}
		}
		for ref, r := range running {
			if s := wanted[ref]; s == nil || !same(s, r.sensor) {
				r.stop()
				<-r.done
				delete(running, ref)
			}
		}
		for ref, s := range wanted {
			if running[ref] == nil {
				running[ref] = p.launch(ctx, &all, s)
			}
		}
		p.mu.Lock()
		for _, tell := range p.retell {
			tell()
		}
		p.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-replaced:
		}
	}
}

// Restart ends a sensor that runs in this process, so that it starts anew at once;
// false when it does not run here.
func (p *Processes) Restart(ref string) bool {
	p.mu.Lock()
	again := p.restart[ref]
	p.mu.Unlock()
	if again == nil {
		return false
	}
	again()
	return true
}

// running is a sensor that this process runs, or waits to.
type running struct {
	sensor *engine.Sensor
	stop   context.CancelFunc
	done   chan struct{}
}

func same(a, b *engine.Sensor) bool {
	return a.EntryPoint == b.EntryPoint && a.ClassName == b.ClassName && a.Runner == b.Runner && a.PollInterval == b.PollInterval &&
		a.Dir == b.Dir && slices.Equal(a.Arguments, b.Arguments) && slices.Equal(a.TriggerTypes, b.TriggerTypes)
}

func (p *Processes) launch(ctx context.Context, all *sync.WaitGroup, s *engine.Sensor) *running {
	ctx, stop := context.WithCancel(ctx)
	r := &running{sensor: s, stop: stop, done: make(chan struct{})}
	all.Go(func() {
		defer close(r.done)
		defer stop()
		err := p.Alone(ctx, LockOf(s.Ref), func(ctx context.Context) error { return p.supervise(ctx, s) })
		if err != nil && ctx.Err() == nil {
			p.Logger.Error("a sensor cannot be run", "sensor", s.Ref, "error", err)
		}
	})
	return r
}

// supervise keeps a sensor running until ctx ends.
func (p *Processes) supervise(ctx context.Context, s *engine.Sensor) error {
	again := make(chan struct{}, 1)
	p.mu.Lock()
	p.restart[s.Ref] = func() {
		select {
		case again <- struct{}{}:
		default:
		}
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.restart, s.Ref)
		p.mu.Unlock()
	}()
	state := State{Ref: s.Ref, Node: p.Node}
	for ctx.Err() == nil {
		state.Starts++
		began := time.Now()
		asked, err := p.once(ctx, s, &state, again)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) >= healthyAfter {
			state.Failures = 0
		}
		state.PID, state.Since, state.Retry, state.Problem = 0, time.Now(), nil, ""
		switch {
		case asked:
			p.Logger.Info("sensor is started anew, as asked", "sensor", s.Ref)
			state.Failures = 0
			continue
		case err == nil:
			p.Logger.Info("sensor has ended by itself", "sensor", s.Ref)
			state.Status = StatusEnded
			p.Note(state)
			if !awaitRestart(ctx, again, nil) {
				return nil
			}
			continue
		}
		state.Failures++
		pause := p.pause(state.Failures)
		retry := time.Now().Add(pause)
		state.Status, state.Problem, state.Retry = StatusWaiting, err.Error(), &retry
		p.Logger.Warn("sensor failed", "sensor", s.Ref, "error", err, "failures", state.Failures, "again_in", pause.Round(time.Millisecond))
		p.Note(state)
		timer := time.NewTimer(pause)
		ok := awaitRestart(ctx, again, timer.C)
		timer.Stop()
		if !ok {
			return nil
		}
	}
	return nil
}

// awaitRestart waits for a wish or a time; false when ctx ended.
func awaitRestart(ctx context.Context, again <-chan struct{}, due <-chan time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-again:
	case <-due:
	}
	return true
}

// pause grows with the failures in a row, by half more or less at random.
func (p *Processes) pause(failures int) time.Duration {
	first, longest := p.FirstPause, p.LongestPause
	if first == 0 {
		first = time.Second
	}
	if longest == 0 {
		longest = time.Minute
	}
	pause := first << min(failures-1, 16)
	if pause > longest || pause <= 0 {
		pause = longest
	}
	return pause/2 + rand.N(pause/2+1)
}

// once runs the sensor's program once. asked: it was ended because somebody wants
// it started anew. The error is nil when the program ended with code 0.
func (p *Processes) once(ctx context.Context, s *engine.Sensor, state *State, again <-chan struct{}) (asked bool, err error) {
	began, err := p.queueUp(ctx)
	if err != nil {
		return false, err
	}
	defer began()
	program, err := p.Program(s)
	if err != nil {
		return false, err
	}
	run, stop := context.WithCancel(ctx)
	defer stop()
	log := p.Log(s)
	defer log.Close()
	speech := &speech{processes: p, sensor: s, ctx: run, log: log}
	cmd, done, err := speech.start(program)
	if err != nil {
		return false, fmt.Errorf("start %s: %w", program.Path, err)
	}
	state.Status, state.PID, state.Since, state.Retry = StatusRunning, cmd.Process.Pid, time.Now(), nil
	p.Note(*state)
	settled := time.AfterFunc(settling, began)
	defer settled.Stop()
	p.Logger.Info("sensor started", "sensor", s.Ref, "pid", cmd.Process.Pid)
	if program.Channel {
		p.mu.Lock()
		p.retell[s.Ref] = speech.retell
		p.mu.Unlock()
		speech.retell()
		defer func() {
			p.mu.Lock()
			delete(p.retell, s.Ref)
			p.mu.Unlock()
		}()
	}
	select {
	case err = <-done:
	case <-again:
		asked = true
	case <-ctx.Done():
	}
	if asked || ctx.Err() != nil {
		end(cmd.Process.Pid, done)
	} else {
		killFamily(cmd.Process.Pid) // nothing it started may outlive it
	}
	stop()
	speech.wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("it ended with %s; its last words: %s", exit.ProcessState, speech.lastWords())
	}
	return asked, err
}

// settling is how long a sensor that started takes up a place among those that do.
const settling = 2 * time.Second

// queueUp waits until a sensor may start: hundreds of interpreters that load at
// once would bring a machine to a stand. began gives the place up.
func (p *Processes) queueUp(ctx context.Context) (began func(), err error) {
	select {
	case p.starting <- struct{}{}:
		return sync.OnceFunc(func() { <-p.starting }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// end asks a program to end, and kills what is left of it after stopGrace.
func end(pid int, done <-chan error) {
	terminateFamily(pid)
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	killFamily(pid)
}
