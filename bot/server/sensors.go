package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"petrel/engine"
	"petrel/engine/expression/value"
	"petrel/engine/pipeline"
	"petrel/engine/runners"
	"petrel/engine/runners/python"
	"petrel/engine/sensors"
	"petrel/packs"
	"petrel/store"
)

// sensorStates holds how sensors stand, by ref.
var sensorStates = store.Collection[sensors.State]{Name: "sensor_states"}

// eventSensorRestart asks whoever runs the sensor of the key to start it anew.
const eventSensorRestart = "sensor.restart"

// sensorUser is on whose behalf sensors ask for items of the datastore.
const sensorUser = "sensor_service"

// watchers runs the sensors of packs in this process.
type watchers struct {
	*sensors.Processes
	server *Server

	mu     sync.Mutex
	states map[string]sensors.State // that are not written yet
	news   chan struct{}
}

func newWatchers(s *Server) *watchers {
	w := &watchers{server: s, states: map[string]sensors.State{}, news: make(chan struct{}, 1)}
	w.Processes = &sensors.Processes{
		Sensors: func() ([]*engine.Sensor, <-chan struct{}) {
			content := s.library.Snapshot()
			return content.Sensors(), content.Replaced()
		},
		Alone: s.member.alone, Program: w.program, Emit: w.emit, Ask: w.ask, Triggers: w.triggers, Log: w.log, Note: w.note,
		Node: s.member.node.Name, Logger: s.log,
	}
	return w
}

// Run runs sensors, writes down how they stand, and obeys wishes to restart them.
func (w *watchers) Run(ctx context.Context) error {
	var helpers sync.WaitGroup
	defer helpers.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	helpers.Go(func() { w.writeStates(ctx) })
	helpers.Go(func() { w.obey(ctx) })
	return w.Processes.Run(ctx)
}

// program says how a sensor is started.
func (w *watchers) program(s *engine.Sensor) (sensors.Program, error) {
	config, err := w.config(s.Pack)
	if err != nil {
		return sensors.Program{}, err
	}
	if s.Runner == engine.SensorPython {
		start, err := w.server.python.Sensor(s, config, "http://"+w.server.cfg.HTTP.Listen+"/api/v1")
		return sensors.Program{Path: start.Interpreter, Args: start.Args, Dir: start.Dir, Env: start.Env, Request: start.Request, Channel: true}, err
	}
	path, err := filepath.Abs(filepath.Join(s.Dir, "sensors", filepath.FromSlash(s.EntryPoint)))
	if err != nil {
		return sensors.Program{}, err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return sensors.Program{}, err
	case info.Mode()&0o111 == 0:
		return sensors.Program{}, fmt.Errorf("%s is not executable; chmod +x it", path)
	}
	body, err := value.AppendJSON(nil, value.DictOf("sensor", s.Ref, "config", config))
	if err != nil {
		return sensors.Program{}, fmt.Errorf("the configuration of pack %s: %w", s.Pack, err)
	}
	return sensors.Program{
		Path: path, Args: s.Arguments, Dir: filepath.Dir(path), Env: append(runners.InheritedEnvironment(), "PETREL_SENSOR="+s.Ref), Request: body,
	}, nil
}

// config is the configuration of a pack as its code sees it.
func (w *watchers) config(pack string) (*value.Dict, error) {
	config, err := w.server.library.Snapshot().Config(pack)
	if err != nil {
		return nil, err
	}
	if config == nil {
		return value.NewDict(0), nil
	}
	return config.Resolve(context.Background(), w.server.renderer.WithUser(sensorUser))
}

// emit makes an event of a sensor durable.
func (w *watchers) emit(ctx context.Context, s *engine.Sensor, e sensors.Emitted) error {
	kind, ok := w.server.library.Snapshot().TriggerType(e.Trigger)
	if !ok {
		return engine.Errorf(engine.NotFound, "there is no trigger type %q", e.Trigger)
	}
	if len(e.Payload) == 0 || string(e.Payload) == "null" {
		e.Payload = json.RawMessage("{}")
	}
	if err := w.server.payloads.check(kind, e.Payload, w.server.log); err != nil {
		return engine.Errorf(engine.Invalid, "the payload does not fit the trigger type %s: %v", e.Trigger, err)
	}
	key, err := engine.TriggerSpec{Type: e.Trigger, Parameters: e.Parameters}.Key()
	if err != nil {
		return err
	}
	d := pipeline.Dispatch{Trigger: e.Trigger, Key: key, Payload: e.Payload, TraceTag: e.TraceTag, Lane: engine.LaneEvent}
	if e.Dedupe != "" {
		d.DeliveryID = "sensor/" + s.Ref + "/" + e.Dedupe
	}
	_, err = w.server.service.Dispatch(ctx, d)
	return err
}

// ask answers a sensor's question about the datastore.
func (w *watchers) ask(ctx context.Context, s *engine.Sensor, line []byte) []byte {
	asker := &engine.Execution{Context: engine.Context{User: sensorUser}}
	asker.Action.Ref = s.Ref
	return python.Answer(ctx, actionDatastore{w.server.items, w.server.log}, asker, line)
}

// triggers are what enabled rules wait for of a sensor's types.
func (w *watchers) triggers(s *engine.Sensor) map[string]sensors.Trigger {
	found := map[string]sensors.Trigger{}
	for _, rule := range w.server.library.Snapshot().Rules() {
		if !rule.Enabled || !s.Emits(rule.Trigger.Type) {
			continue
		}
		key, err := rule.Trigger.Key()
		if err != nil {
			continue // the pipeline has reported it
		}
		name := rule.Trigger.Type[len(s.Pack)+1:]
		if key != "" {
			name = engine.DeriveID("trigger", rule.Trigger.Type, key)
		}
		t := sensors.Trigger{Name: name, Pack: s.Pack, Ref: s.Pack + "." + name, Type: rule.Trigger.Type, UID: "trigger:" + s.Pack + ":" + name, Parameters: rule.Trigger.Parameters}
		if len(t.Parameters) == 0 {
			t.Parameters = json.RawMessage("{}")
		}
		t.ID = engine.DeriveID(t.UID)
		found[t.ID] = t
	}
	return found
}

// note keeps a state for writeStates.
func (w *watchers) note(state sensors.State) {
	w.mu.Lock()
	w.states[state.Ref] = state
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// writeStates writes states down as they change.
func (w *watchers) writeStates(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.news:
		}
		w.mu.Lock()
		states := w.states
		w.states = map[string]sensors.State{}
		w.mu.Unlock()
		var b store.Batch
		for ref, state := range states {
			if err := sensorStates.Put(&b, store.Doc[sensors.State]{ID: ref, Rev: store.AnyRev, Value: state}); err != nil {
				w.server.log.Error("the state of a sensor cannot be kept", "sensor", ref, "error", err)
			}
		}
		if err := w.server.store.Commit(ctx, &b); err != nil && ctx.Err() == nil {
			w.server.log.Warn("the states of sensors could not be written", "error", err)
		}
	}
}

// obey restarts the sensors of this process that somebody wants started anew.
func (w *watchers) obey(ctx context.Context) {
	after, err := w.server.store.LastEvent(ctx)
	for ctx.Err() == nil {
		var events []store.Event
		if err == nil {
			events, err = w.server.store.Events(ctx, after, 256)
		}
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
				return
			}
			w.server.log.Warn("wishes about sensors cannot be heard", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Second):
			}
			after, err = w.server.store.LastEvent(ctx)
			continue
		}
		for _, e := range events {
			after = e.Seq
			if e.Type == eventSensorRestart {
				w.Restart(e.Key)
			}
		}
	}
}

// SensorView is a sensor and how it stands.
type SensorView struct {
	Ref         string         `json:"ref"`
	Pack        string         `json:"pack"`
	Enabled     bool           `json:"enabled"`
	Description string         `json:"description,omitempty"`
	EntryPoint  string         `json:"entry_point"`
	Triggers    []string       `json:"trigger_types"`
	State       *sensors.State `json:"state,omitempty"`
}

// sensorBoard is the sensors as the API shows them.
type sensorBoard struct {
	library *packs.Library
	store   store.Backend
}

// List returns all sensors, ordered by ref.
func (b sensorBoard) List(ctx context.Context) (any, error) {
	list := []SensorView{}
	for _, s := range b.library.Snapshot().Sensors() {
		v := SensorView{Ref: s.Ref, Pack: s.Pack, Enabled: s.Enabled, Description: s.Description, EntryPoint: s.EntryPoint, Triggers: s.TriggerTypes}
		doc, err := sensorStates.Get(ctx, b.store, s.Ref)
		switch {
		case err == nil && s.Enabled:
			v.State = &doc.Value
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// Restart asks for a sensor to be started anew, wherever it runs.
func (b sensorBoard) Restart(ctx context.Context, ref string) error {
	for _, s := range b.library.Snapshot().Sensors() {
		if s.Ref != ref {
			continue
		}
		if !s.Enabled {
			return engine.Errorf(engine.Conflict, "the sensor %s is disabled", ref)
		}
		return b.store.Commit(ctx, &store.Batch{Events: []store.Event{{Type: eventSensorRestart, Key: ref}}})
	}
	return engine.Errorf(engine.NotFound, "there is no sensor %q", ref)
}

// SensorLog is the file that keeps what a sensor of this machine printed last.
func SensorLog(dataDir, ref string) string { return filepath.Join(dataDir, "sensors", ref+".log") }

// sensorLogSize is when a log is put aside and a new one begun.
const sensorLogSize = 1 << 20

// log opens the log of a sensor.
func (w *watchers) log(s *engine.Sensor) io.WriteCloser {
	return &rotated{path: SensorLog(w.server.cfg.DataDir, s.Ref)}
}

// rotated is a log file that is put aside, as .1, when it has grown large.
type rotated struct {
	path string
	f    *os.File
	size int64
}

func (r *rotated) Write(p []byte) (int, error) {
	if r.f == nil {
		if err := os.MkdirAll(filepath.Dir(r.path), 0o750); err != nil {
			return 0, err
		}
		f, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return 0, err
		}
		info, err := f.Stat()
		if err != nil {
			return 0, errors.Join(err, f.Close())
		}
		r.f, r.size = f, info.Size()
	}
	n, err := r.f.Write(p)
	if r.size += int64(n); r.size > sensorLogSize {
		err = errors.Join(err, r.Close(), os.Rename(r.path, r.path+".1"))
	}
	return n, err
}

// Close implements io.Closer. A later Write opens the file again.
func (r *rotated) Close() error {
	if r.f == nil {
		return nil
	}
	f := r.f
	r.f = nil
	return f.Close()
}
