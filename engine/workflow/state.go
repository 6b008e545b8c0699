package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"petrel/engine/expression/value"
)

// State is the whole state of a workflow: its parts by their keys. It is plain
// JSON; see the package comment for what the parts are.
type State map[string]json.RawMessage

// Loader finds one part of a state; nil when there is no such part.
type Loader func(key string) (json.RawMessage, error)

// Load is the Loader of a state that is in memory.
func (s State) Load(key string) (json.RawMessage, error) { return s[key], nil }

// Apply takes over changes: a nil part is taken away.
func (s State) Apply(changes State) {
	for k, v := range changes {
		if v == nil {
			delete(s, k)
		} else {
			s[k] = v
		}
	}
}

// head is the part that every step reads and writes; it stays small whatever
// the size of the workflow.
type head struct {
	Status   Status   `json:"status"`
	Sequence int      `json:"sequence"`         // entries so far
	Values   int      `json:"values"`           // values so far
	Frames   int      `json:"frames"`           // frames so far, not counting 0
	Routes   int      `json:"routes"`           // routes so far
	Errors   int      `json:"errors"`           // error entries so far, those taken away included
	Begun    bool     `json:"begun,omitempty"`  // the inputs and vars are rendered
	Tally    tally    `json:"tally"`            // of the newest entry of each task and route
	Staged   []*stage `json:"staged,omitempty"` // what may come next
	Reruns   [][]int  `json:"reruns,omitempty"` // the entries that were run again
	Output   bool     `json:"output,omitempty"` // the part output is there
}

// tally counts the newest entries by what they mean for the workflow.
type tally struct {
	Active    int `json:"active"`
	Paused    int `json:"paused"`    // pausing, paused or pending
	Canceling int `json:"canceling"` // or canceled
}

func (t *tally) add(s Status, by int) {
	if active(s) {
		t.Active += by
	}
	if pausing(s) || s == "pending" {
		t.Paused += by
	}
	if canceling(s) {
		t.Canceling += by
	}
}

// stage is a task that is to run, or waits for other branches to arrive. The first
// arrival is kept here, further ones are parts of their own.
type stage struct {
	ID        string         `json:"id"`
	Route     int            `json:"route"`
	Ready     bool           `json:"ready"`
	Completed bool           `json:"completed,omitempty"` // failed with items, kept for a rerun
	RunOnFail bool           `json:"run_on_fail,omitempty"`
	Items     bool           `json:"items,omitempty"` // the part items/... is there
	Frame     int            `json:"frame,omitempty"`
	Prev      map[string]int `json:"prev,omitempty"` // source__tN -> entry
	Arrivals  int            `json:"arrivals,omitempty"`
	Retry     *int64         `json:"retry,omitempty"` // delay in seconds
}

// arrival is one more branch that has come to a stage.
type arrival struct {
	From  string `json:"from"` // source__tN
	Entry int    `json:"entry"`
	Frame int    `json:"frame,omitempty"`
}

// entry is one run of a task on a route.
type entry struct {
	index  int
	ID     string          `json:"id"`
	Route  int             `json:"route"`
	Frame  int             `json:"frame,omitempty"`
	Prev   map[string]int  `json:"prev,omitempty"`
	Next   map[string]bool `json:"next,omitempty"`
	Status Status          `json:"status,omitempty"`
	Term   bool            `json:"term,omitempty"`
	Retry  *tries          `json:"retry,omitempty"`
}

func (e *entry) status() Status {
	if e.Status == "" {
		return Unset
	}
	return e.Status
}

// tries is how a run of a task is tried again.
type tries struct {
	When  string `json:"when,omitempty"`
	Count int64  `json:"count"`
	Delay int64  `json:"delay,omitempty"`
	Tally int64  `json:"tally"`
}

// joining counts the sources of a join on a route.
type joining struct {
	Seen      int `json:"seen"`      // have an entry
	Satisfied int `json:"satisfied"` // took an edge to the join in their newest entry
}

// parts keeps what was loaded of a state and what has changed.
type parts struct {
	load   Loader
	known  map[string]any // nil: known to be absent
	dirty  map[string]bool
	weight int // bytes of the parts that were loaded or have changed
	// fault is the first failure to load or read a part: nothing that was computed
	// after it counts.
	fault error
}

// StateError says that a part of the state could not be loaded or read.
type StateError struct {
	Key string
	Err error
}

func (e *StateError) Error() string { return fmt.Sprintf("workflow state %s: %v", e.Key, e.Err) }

func (e *StateError) Unwrap() error { return e.Err }

func newParts(load Loader) *parts {
	if load == nil {
		load = State{}.Load
	}
	return &parts{load: load, known: map[string]any{}, dirty: map[string]bool{}}
}

func (p *parts) fail(key string, err error) {
	if p.fault == nil {
		p.fault = &StateError{key, err}
	}
}

func (p *parts) raw(key string) json.RawMessage {
	raw, err := p.load(key)
	if err != nil {
		p.fail(key, err)
		return nil
	}
	p.weight += len(raw)
	return raw
}

// get finds a part; nil when there is none.
func get[T any](p *parts, key string) *T {
	if v, ok := p.known[key]; ok {
		t, _ := v.(*T)
		return t
	}
	raw := p.raw(key)
	if raw == nil {
		p.known[key] = nil
		return nil
	}
	t := new(T)
	if err := json.Unmarshal(raw, t); err != nil {
		p.fail(key, err)
		return nil
	}
	p.known[key] = t
	return t
}

func (p *parts) put(key string, v any) {
	p.known[key] = v
	p.dirty[key] = true
}

func (p *parts) drop(key string) {
	p.known[key] = nil
	p.dirty[key] = true
}

// stored is a value of the value model in a part, with its JSON.
type stored struct {
	raw    json.RawMessage
	parsed any
	read   bool
}

// MarshalJSON implements json.Marshaler.
func (s *stored) MarshalJSON() ([]byte, error) { return s.raw, nil }

// UnmarshalJSON implements json.Unmarshaler.
func (s *stored) UnmarshalJSON(b []byte) error {
	s.raw = slices.Clone(b)
	return nil
}

// newStored keeps a value as it will be after a round trip.
func newStored(v any) (*stored, error) {
	raw, err := value.AppendJSON(nil, v)
	if err != nil {
		return nil, err
	}
	return &stored{raw: raw}, nil
}

// value gives the value; it must not be changed.
func (s *stored) value() (any, error) {
	if !s.read {
		v, err := value.ParseJSON(s.raw)
		if err != nil {
			return nil, err
		}
		s.parsed, s.read = v, true
	}
	return s.parsed, nil
}

// changes gives the parts that have changed since it was last asked.
func (p *parts) changes() (State, error) {
	if p.fault != nil {
		return nil, p.fault
	}
	out := make(State, len(p.dirty))
	for key := range p.dirty {
		v := p.known[key]
		if v == nil {
			out[key] = nil
			continue
		}
		if s, ok := v.(*stored); ok {
			p.weight += len(s.raw)
			out[key] = s.raw
			continue
		}
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, &StateError{key, err}
		}
		out[key] = raw
	}
	clear(p.dirty)
	return out, nil
}

// The keys of the parts.
const (
	keyHead   = "head"
	keyInput  = "input"
	keyParent = "context"
	keyBase   = "base"
	keyOutput = "output"
)

func keyEntry(i int) string { return "entry/" + strconv.Itoa(i) }
func keyValue(i int) string { return "value/" + strconv.Itoa(i) }
func keyFrame(i int) string { return "frame/" + strconv.Itoa(i) }
func keyRoute(i int) string { return "route/" + strconv.Itoa(i) }
func keyError(i int) string { return "error/" + strconv.Itoa(i) }

func runKey(task string, route int) string   { return task + "__r" + strconv.Itoa(route) }
func keyTask(task string, route int) string  { return "task/" + runKey(task, route) }
func keyJoin(task string, route int) string  { return "join/" + runKey(task, route) }
func keyItems(task string, route int) string { return "items/" + runKey(task, route) }
func keyChunk(task string, route, chunk int) string {
	return keyItems(task, route) + "/" + strconv.Itoa(chunk)
}
func keyArrival(task string, route, n int) string {
	return "arrival/" + runKey(task, route) + "/" + strconv.Itoa(n)
}

// Keys lists the keys of a state, sorted.
func (s State) Keys() []string { return slices.Sorted(maps.Keys(s)) }

// errNoState says that a state has not been begun.
var errNoState = errors.New("there is no workflow in this state")
