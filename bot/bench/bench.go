// Package bench measures the program from outside: it runs a whole server on a
// store, in this process, and puts work in as people and webhooks do.
package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"petrel/bot/server"
	"petrel/config"
	"petrel/engine"
	"petrel/engine/pipeline"
	"petrel/store"
)

// Options say what is measured.
type Options struct {
	Store       string // URL of an empty store
	Synchronous string // of SQLite
	Events      int    // webhooks to drain
	Senders     int    // connections that post them
	Commands    int    // for each latency
	Processes   int    // that share the work, this one included
	FlowsOnly   bool   // measure workflows and nothing else
	Memory      int    // executions to queue and finish for the figures about memory; 0: none
	Log         *slog.Logger
}

// Report is what was measured. Durations are in milliseconds.
type Report struct {
	Store        string             `json:"store"`
	Processes    int                `json:"processes"`
	EventsPerSec float64            `json:"events_per_second"`     // webhook -> rule -> noop -> finished, all records
	AcceptPerSec float64            `json:"accepted_per_second"`   // webhooks answered 202
	RequestsPerS float64            `json:"executions_per_second"` // requests of a noop, until finished
	Idle         Latency            `json:"push_to_start_idle_ms"`
	Commands     map[string]Command `json:"commands"` // by rate
	Flows        *Flows             `json:"workflows,omitempty"`
	Memory       *Memory            `json:"memory,omitempty"`
}

// Memory is the resident size of the process, in MiB.
type Memory struct {
	Executions int     `json:"executions"`
	Before     float64 `json:"before_mib"`
	Queued     float64 `json:"all_queued_mib"`
	Finished   float64 `json:"all_finished_mib"`
}

// Command is how quickly a chat command is answered at some rate.
type Command struct {
	Rate   float64 `json:"per_second"`
	Ack    Latency `json:"to_acknowledgement_ms"`
	Result Latency `json:"to_result_ms"`
}

// Latency is a distribution, in milliseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func latency(samples []time.Duration) Latency {
	if len(samples) == 0 {
		return Latency{}
	}
	slices.Sort(samples)
	at := func(q float64) float64 {
		return float64(samples[min(int(q*float64(len(samples))), len(samples)-1)].Microseconds()) / 1000
	}
	return Latency{P50: at(0.50), P99: at(0.99), Max: at(1)}
}

// pack is the content that is measured with.
var pack = map[string]string{
	"pack.yaml":         "ref: bench\nname: bench\nversion: 1.0.0\nauthor: bench\nemail: bench@example.com\ndescription: measured\n",
	"rules/noop.yaml":   "name: noop\nenabled: true\ntrigger: {type: core.st2.webhook, parameters: {url: bench}}\ncriteria: {trigger.body.n: {type: exists, pattern: true}}\naction: {ref: core.noop}\n",
	"aliases/noop.yaml": "name: noop\naction_ref: core.noop\nformats: [bench]\n",
}

// bed is a server under measurement.
type bed struct {
	o      Options
	server *server.Server
	addr   string
	stop   context.CancelFunc
	done   chan error
	dir    string
}

// Run measures. The store must be empty; it is left full.
func Run(ctx context.Context, o Options) (Report, error) {
	o.Processes = max(o.Processes, 1)
	r := Report{Store: config.URL(o.Store).String(), Processes: o.Processes, Commands: map[string]Command{}}
	if o.Memory > 0 {
		m, err := measureMemory(ctx, o)
		if err != nil {
			return r, err
		}
		r.Memory = &m
	}
	b, err := makeBed(ctx, o, server.AllRoles)
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(b.dir)
	helpers, err := b.startHelpers(ctx)
	if err == nil {
		err = b.measure(ctx, &r)
	}
	return r, errors.Join(err, helpers.stop(), b.close())
}

func makeBed(ctx context.Context, o Options, roles server.Roles) (_ *bed, err error) {
	dir, err := os.MkdirTemp("", "petrel-bench-")
	if err != nil {
		return nil, err
	}
	files := flowFiles()
	maps.Copy(files, pack)
	for name, body := range files {
		path := filepath.Join(dir, "packs", "bench", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(body), 0o640); err != nil {
			return nil, err
		}
	}
	cfg := config.Default()
	cfg.DataDir, cfg.Packs = filepath.Join(dir, "data"), []string{filepath.Join(dir, "packs")}
	cfg.Store.URL, cfg.Store.Synchronous = config.URL(o.Store), o.Synchronous
	cfg.HTTP.Listen, cfg.Workers.MaxWaiting = "127.0.0.1:0", 0
	s, err := server.New(ctx, cfg, server.Options{Roles: roles, Logger: o.Log})
	if err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	b := &bed{o: o, server: s, addr: s.HTTPAddr(), stop: stop, done: make(chan error, 1), dir: dir}
	go func() { b.done <- s.Run(run) }()
	<-s.Ready()
	return b, nil
}

func (b *bed) close() error {
	b.stop()
	return <-b.done
}

func (b *bed) measure(ctx context.Context, r *Report) error {
	if err := b.warmUp(ctx); err != nil {
		return err
	}
	steps := []func(context.Context, *Report) error{b.idle, b.events, b.requests, b.commands, b.flows}
	if b.o.FlowsOnly {
		steps = steps[len(steps)-1:]
	}
	for _, step := range steps {
		if err := step(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// warmUp lets caches fill and connections open.
func (b *bed) warmUp(ctx context.Context) error {
	_, err := b.drain(ctx, 200, nil)
	return err
}

// events measures webhooks until everything they set off has ended.
func (b *bed) events(ctx context.Context, r *Report) error {
	var accepted time.Duration
	took, err := b.drain(ctx, b.o.Events, &accepted)
	r.EventsPerSec = float64(b.o.Events) / took.Seconds()
	r.AcceptPerSec = float64(b.o.Events) / accepted.Seconds()
	return err
}

// drain posts n webhooks over several connections and waits until as many more
// executions have succeeded.
func (b *bed) drain(ctx context.Context, n int, accepted *time.Duration) (time.Duration, error) {
	before, err := b.succeeded(ctx)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: b.o.Senders}}
	if err := b.each(n, func(i int64) error { return b.post(ctx, client, i) }); err != nil {
		return 0, err
	}
	if accepted != nil {
		*accepted = time.Since(begun)
	}
	err = b.await(ctx, before+n)
	return time.Since(begun), err
}

func (b *bed) post(ctx context.Context, client *http.Client, i int64) error {
	body := fmt.Appendf(nil, `{"n":%d,"alerts":[{"labels":{"name":"HighLoad","severity":"critical"},"status":"firing"}]}`, i)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+b.addr+"/api/v1/webhooks/bench", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusAccepted {
		return fmt.Errorf("webhook %d: %s", i, resp.Status)
	}
	return nil
}

// await waits, by the event log, until so many executions have succeeded.
func (b *bed) await(ctx context.Context, want int) error {
	backend := b.server.Store()
	after, err := backend.LastEvent(ctx)
	if err != nil {
		return err
	}
	for {
		have, err := b.succeeded(ctx)
		if err != nil || have >= want {
			return err
		}
		// Counting costs; wait for about as many events as are missing.
		for missing := want - have; missing > 0; {
			events, err := backend.Events(ctx, after, min(missing, 1000))
			if err != nil {
				return err
			}
			after = events[len(events)-1].Seq
			missing -= len(events)
		}
	}
}

func (b *bed) succeeded(ctx context.Context) (int, error) {
	return b.server.Store().Count(ctx, store.Query{Collection: pipeline.Executions.Name, Index: "status", Value: string(engine.Succeeded)})
}

// requests measures executions asked for directly, as the API does.
func (b *bed) requests(ctx context.Context, r *Report) error {
	before, err := b.succeeded(ctx)
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := b.request(ctx, b.o.Events); err != nil {
		return err
	}
	err = b.await(ctx, before+b.o.Events)
	r.RequestsPerS = float64(b.o.Events) / time.Since(begun).Seconds()
	return err
}

// request asks n times for a noop, over several goroutines.
func (b *bed) request(ctx context.Context, n int) error {
	return b.each(n, func(int64) error {
		_, err := b.server.Service().Request(ctx, pipeline.Request{Action: "core.noop", Lane: engine.LaneEvent})
		return err
	})
}

// each calls f n times from as many goroutines as there are senders, until one
// call fails.
func (b *bed) each(n int, f func(i int64) error) error {
	var next atomic.Int64
	var group sync.WaitGroup
	var failed atomic.Pointer[error]
	for range b.o.Senders {
		group.Go(func() {
			for i := next.Add(1); i <= int64(n) && failed.Load() == nil; i = next.Add(1) {
				if err := f(i); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// idle measures how long one request takes until its action starts, with
// nothing else to do.
func (b *bed) idle(ctx context.Context, r *Report) error {
	var samples []time.Duration
	for range b.o.Commands {
		e, err := b.server.Service().Request(ctx, pipeline.Request{Action: "core.noop"})
		if err != nil {
			return err
		}
		ended, err := b.ended(ctx, e.ID)
		if err != nil {
			return err
		}
		for _, change := range ended.Log {
			if change.Status == engine.Running {
				samples = append(samples, change.Timestamp.Sub(ended.StartTimestamp))
			}
		}
	}
	r.Idle = latency(samples)
	return nil
}

// ended waits until an execution has ended.
func (b *bed) ended(ctx context.Context, id string) (engine.Execution, error) {
	backend := b.server.Store()
	after, err := backend.LastEvent(ctx)
	if err != nil {
		return engine.Execution{}, err
	}
	for {
		e, err := b.server.Service().Execution(ctx, id)
		if err != nil || e.Status.Completed() {
			return e, err
		}
		events, err := backend.Events(ctx, after, 100)
		if err != nil {
			return e, err
		}
		after = events[len(events)-1].Seq
	}
}
