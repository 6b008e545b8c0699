package value

import (
	"fmt"
	"iter"
)

// linearLimit is the number of entries up to which a Dict is searched in order, without an index.
const linearLimit = 12

type entry struct{ key, val any }

// Dict is Python's dict: insertion-ordered, keys are any hashable values.
// Reading is safe from many goroutines while nobody writes.
type Dict struct {
	entries []entry
	texts   map[string]int // places of text keys; nil up to linearLimit entries
	others  map[any]int    // places of other keys by their hash key; nil together with texts
}

// NewDict makes an empty dictionary with room for n entries.
func NewDict(n int) *Dict { return &Dict{entries: make([]entry, 0, n)} }

// DictOf makes a dictionary of text keys and values in turn: DictOf("a", 1, "b", 2).
// The values must already be of the value model.
func DictOf(pairs ...any) *Dict {
	d := NewDict(len(pairs) / 2)
	for i := 0; i+1 < len(pairs); i += 2 {
		d.SetString(pairs[i].(string), pairs[i+1])
	}
	return d
}

func (d *Dict) find(key any) int {
	if s, ok := key.(string); ok {
		return d.findString(s)
	}
	hk, ok := hashKey(key)
	if !ok {
		return -1
	}
	if s, ok := hk.(string); ok {
		return d.findString(s)
	}
	if d.texts != nil {
		if i, ok := d.others[hk]; ok {
			return i
		}
		return -1
	}
	for i := range d.entries {
		if k, _ := hashKey(d.entries[i].key); k == hk {
			return i
		}
	}
	return -1
}

func (d *Dict) findString(key string) int {
	if d.texts != nil {
		if i, ok := d.texts[key]; ok {
			return i
		}
		return -1
	}
	for i := range d.entries {
		if k, ok := d.entries[i].key.(string); ok && k == key {
			return i
		}
	}
	return -1
}

// Get finds the value of a key; an unhashable key is simply not there.
func (d *Dict) Get(key any) (any, bool) {
	if d == nil {
		return nil, false
	}
	if i := d.find(key); i >= 0 {
		return d.entries[i].val, true
	}
	return nil, false
}

// GetString is Get for a text key.
func (d *Dict) GetString(key string) (any, bool) {
	if d == nil {
		return nil, false
	}
	if i := d.findString(key); i >= 0 {
		return d.entries[i].val, true
	}
	return nil, false
}

// Set stores a value; a known key keeps its place and its first spelling.
// It fails when the key is not hashable.
func (d *Dict) Set(key, v any) error {
	if s, ok := key.(string); ok {
		d.SetString(s, v)
		return nil
	}
	hk, ok := hashKey(key)
	if !ok {
		return fmt.Errorf("unhashable type: '%s'", TypeName(key))
	}
	if s, ok := hk.(string); ok { // a private kind of text becomes plain
		d.SetString(s, v)
		return nil
	}
	if i := d.find(key); i >= 0 {
		d.entries[i].val = v
		return nil
	}
	d.add(key, v)
	return nil
}

// SetString is Set for a text key.
func (d *Dict) SetString(key string, v any) {
	if i := d.findString(key); i >= 0 {
		d.entries[i].val = v
		return
	}
	d.add(key, v)
}

func (d *Dict) add(key, v any) {
	d.entries = append(d.entries, entry{key, v})
	switch {
	case d.texts != nil:
		d.place(len(d.entries) - 1)
	case len(d.entries) > linearLimit:
		d.texts = make(map[string]int, max(cap(d.entries), 2*len(d.entries)))
		for i := range d.entries {
			d.place(i)
		}
	}
}

// place notes in the index where an entry is.
func (d *Dict) place(i int) {
	key := d.entries[i].key
	if s, ok := key.(string); ok {
		d.texts[s] = i
		return
	}
	if d.others == nil {
		d.others = map[any]int{}
	}
	hk, _ := hashKey(key)
	d.others[hk] = i
}

// Delete removes a key and tells whether it was there.
func (d *Dict) Delete(key any) bool {
	i := d.find(key)
	if i < 0 {
		return false
	}
	if d.texts != nil {
		if s, ok := d.entries[i].key.(string); ok {
			delete(d.texts, s)
		} else {
			hk, _ := hashKey(d.entries[i].key)
			delete(d.others, hk)
		}
	}
	d.entries = append(d.entries[:i], d.entries[i+1:]...)
	for j := i; d.texts != nil && j < len(d.entries); j++ {
		d.place(j)
	}
	return true
}

// Len is the number of keys.
func (d *Dict) Len() int {
	if d == nil {
		return 0
	}
	return len(d.entries)
}

// Keys lists the keys in order.
func (d *Dict) Keys() []any {
	out := make([]any, d.Len())
	for i := range out {
		out[i] = d.entries[i].key
	}
	return out
}

// Values lists the values in key order.
func (d *Dict) Values() []any {
	out := make([]any, d.Len())
	for i := range out {
		out[i] = d.entries[i].val
	}
	return out
}

// At gives the i-th entry in order, 0 <= i < Len().
func (d *Dict) At(i int) (key, val any) { return d.entries[i].key, d.entries[i].val }

// All goes over keys and values in order.
func (d *Dict) All() iter.Seq2[any, any] {
	return func(yield func(any, any) bool) {
		if d == nil {
			return
		}
		for i := 0; i < len(d.entries); i++ {
			if !yield(d.entries[i].key, d.entries[i].val) {
				return
			}
		}
	}
}

// Copy is a shallow copy.
func (d *Dict) Copy() *Dict {
	out := NewDict(d.Len())
	out.Update(d)
	return out
}

// Update stores every entry of other.
func (d *Dict) Update(other *Dict) {
	for k, v := range other.All() {
		_ = d.Set(k, v) // the keys of a Dict are hashable
	}
}

// Clear removes everything.
func (d *Dict) Clear() { d.entries, d.texts, d.others = nil, nil, nil }

// Set is Python's set, kept in insertion order so that results repeat.
type Set struct{ d Dict }

// NewSet makes a set of the given members.
func NewSet(members ...any) (*Set, error) {
	s := &Set{}
	for _, m := range members {
		if err := s.Add(m); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Add puts a member in; it fails when the member is not hashable.
func (s *Set) Add(v any) error { return s.d.Set(v, nil) }

// Has tells whether v is a member.
func (s *Set) Has(v any) bool { return s.d.find(v) >= 0 }

// Remove takes a member out and tells whether it was there.
func (s *Set) Remove(v any) bool { return s.d.Delete(v) }

// Len is the number of members.
func (s *Set) Len() int { return s.d.Len() }

// Items lists the members in order.
func (s *Set) Items() []any { return s.d.Keys() }

// All goes over the members in order.
func (s *Set) All() iter.Seq[any] {
	return func(yield func(any) bool) {
		for k := range s.d.All() {
			if !yield(k) {
				return
			}
		}
	}
}
