package workflow

import (
	"context"
	"fmt"
	"strings"

	"petrel/engine"
	"petrel/engine/expression/value"
)

// items is how the items of a staged task stand: one letter each, and the counts
// of them, so that an event costs the same whatever their number.
type items struct {
	Letters     string     `json:"letters"` // by index, see letter
	Counts      itemCounts `json:"counts"`
	Waiting     int        `json:"waiting"`     // not started
	From        int        `json:"from"`        // no item before this one waits
	Kept        bool       `json:"kept"`        // the values are in parts of chunkSize
	Concurrency *int64     `json:"concurrency"` // nil: all at once
	Delay       *int64     `json:"delay"`       // as of [Next]
}

// chunkSize is how many values of items one part holds.
const chunkSize = 32

// letters spells the statuses of items; "-" is Unset.
const letters = "-qsdrpgzmofatxcy"

var letterStatus = []Status{
	Unset, engine.Requested, engine.Scheduled, engine.Delayed, engine.Running, engine.Pending, engine.Pausing, engine.Paused,
	engine.Resuming, engine.Succeeded, engine.Failed, engine.Abandoned, engine.TimedOut, engine.Canceling, engine.Canceled, Retrying,
}

func letter(s Status) byte {
	for i, known := range letterStatus {
		if known == s {
			return letters[i]
		}
	}
	return letters[0]
}

func (w *items) status(i int) Status {
	if at := strings.IndexByte(letters, w.Letters[i]); at >= 0 {
		return letterStatus[at]
	}
	return Unset
}

func (w *items) set(i int, s Status) {
	old := w.status(i)
	if old == s {
		return
	}
	w.Counts.add(old, -1)
	w.Counts.add(s, 1)
	if old == Unset {
		w.Waiting--
	}
	if s == Unset {
		w.Waiting++
		w.From = min(w.From, i)
	}
	b := []byte(w.Letters)
	b[i] = letter(s)
	w.Letters = string(b)
}

// waiting lists the next items to start, at most n of them.
func (w *items) waiting(n int) []int {
	var out []int
	for i := w.From; i < len(w.Letters) && len(out) < n; i++ {
		if w.Letters[i] == letters[0] {
			out = append(out, i)
		} else if len(out) == 0 {
			w.From = i + 1
		}
	}
	return out
}

// free tells how many items may start now.
func (w *items) free() int {
	if w.Concurrency == nil {
		return w.Waiting
	}
	return min(w.Waiting, int(*w.Concurrency)-w.Counts.Active)
}

func (c *Conductor) items(s *stage) *items {
	w := get[items](c.parts, keyItems(s.ID, s.Route))
	if w == nil {
		c.parts.fail(keyItems(s.ID, s.Route), errNoState)
	}
	return w
}

func (c *Conductor) saveItems(s *stage, w *items) { c.parts.put(keyItems(s.ID, s.Route), w) }

// dropItems forgets the items of a stage: it starts anew when it runs again.
func (c *Conductor) dropItems(s *stage) {
	if !s.Items {
		return
	}
	if w := c.items(s); w != nil && w.Kept {
		for chunk := 0; chunk*chunkSize < len(w.Letters); chunk++ {
			c.parts.drop(keyChunk(s.ID, s.Route, chunk))
		}
	}
	c.parts.drop(keyItems(s.ID, s.Route))
	s.Items = false
}

// evaluateItems gives the items of a task.
func (t *Task) evaluateItems(ctx context.Context, s *scope) ([]any, error) {
	v, err := s.evaluate(ctx, t.With.Items)
	if err != nil {
		return nil, err
	}
	list, ok := v.(*value.List)
	if !ok {
		return nil, typeError(fmt.Sprintf("The value of %q is not type of list.", t.With.Items))
	}
	out := make([]any, len(list.Items))
	for i, item := range list.Items {
		out[i] = named(t.With.Names, item)
	}
	return out, nil
}

// named gives the parts of an item their names: those of a list in order, surplus
// on either side dropped. What is no list needs exactly one name.
func named(names []string, item any) any {
	if names == nil {
		return item
	}
	var parts []any
	switch x := item.(type) {
	case *value.List:
		parts = x.Items
	case value.Tuple:
		parts = x
	default:
		if len(names) != 1 {
			return item
		}
		parts = []any{item}
	}
	d := value.NewDict(len(names))
	for i, name := range names {
		if i < len(parts) {
			d.SetString(name, parts[i])
		}
	}
	return d
}

// keepItems stores the values of the items that do not start at once.
func (c *Conductor) keepItems(s *stage, values []any) error {
	for chunk := 0; chunk*chunkSize < len(values); chunk++ {
		part := values[chunk*chunkSize : min((chunk+1)*chunkSize, len(values))]
		kept, err := newStored(value.NewList(part...))
		if err != nil {
			return fmt.Errorf("the items cannot be kept: %w", err)
		}
		c.parts.put(keyChunk(s.ID, s.Route, chunk), kept)
	}
	return nil
}

// keptItem gives the value of one item.
func (c *Conductor) keptItem(s *stage, i int) any {
	key := keyChunk(s.ID, s.Route, i/chunkSize)
	kept := get[stored](c.parts, key)
	if kept == nil {
		c.parts.fail(key, errNoState)
		return nil
	}
	v, err := kept.value()
	l, ok := v.(*value.List)
	if err != nil || !ok || i%chunkSize >= len(l.Items) {
		c.parts.fail(key, fmt.Errorf("there is no item %d", i))
		return nil
	}
	return value.DeepCopy(l.Items[i%chunkSize])
}
