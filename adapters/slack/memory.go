package slack

import (
	"sync"
	"time"
)

// memory remembers values for a while, at most so many: the oldest go first.
type memory[V any] struct {
	limit int
	life  time.Duration

	mu    sync.Mutex
	items map[string]remembered[V]
	order []string // keys as they came; may hold forgotten ones
}

type remembered[V any] struct {
	value V
	at    time.Time
}

func newMemory[V any](limit int, life time.Duration) *memory[V] {
	return &memory[V]{limit: limit, life: life, items: map[string]remembered[V]{}}
}

// get returns what is remembered under a key.
func (m *memory[V]) get(key string) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.look(key)
}

func (m *memory[V]) look(key string) (V, bool) {
	item, ok := m.items[key]
	if ok && time.Since(item.at) > m.life {
		delete(m.items, key)
		ok = false
	}
	if !ok {
		var none V
		return none, false
	}
	return item.value, true
}

// put remembers a value.
func (m *memory[V]) put(key string, v V) {
	m.change(key, func(V, bool) V { return v })
}

// change replaces what is remembered under a key, in one step, and returns it.
// The age of a value is counted from when it first came.
func (m *memory[V]) change(key string, f func(old V, known bool) V) V {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, known := m.look(key)
	at := time.Now()
	if known {
		at = m.items[key].at
	} else {
		m.order = append(m.order, key)
	}
	v := f(old, known)
	m.items[key] = remembered[V]{value: v, at: at}
	for len(m.order) > m.limit {
		delete(m.items, m.order[0])
		m.order = m.order[1:]
	}
	return v
}

// forget drops a key.
func (m *memory[V]) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.items, key)
}

// book keeps what is known of people or channels, under any of their names.
type book[V any] struct {
	fresh  time.Duration
	byName *memory[entry[V]]
}

type entry[V any] struct {
	value V
	at    time.Time
}

func newBook[V any](fresh time.Duration) *book[V] {
	return &book[V]{fresh: fresh, byName: newMemory[entry[V]](50_000, 24*time.Hour)}
}

// get returns what was learnt lately.
func (b *book[V]) get(name string) (V, bool) {
	e, ok := b.byName.get(name)
	return e.value, ok && time.Since(e.at) < b.fresh
}

// old returns what was learnt at any time, for when there is nothing better.
func (b *book[V]) old(name string) (V, bool) {
	e, ok := b.byName.get(name)
	return e.value, ok
}

func (b *book[V]) put(v V, names ...string) {
	for _, name := range names {
		if name != "" {
			b.byName.put(name, entry[V]{value: v, at: time.Now()})
		}
	}
}
