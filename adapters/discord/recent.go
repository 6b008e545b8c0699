package discord

import (
	"maps"
	"sync"
)

// recent is a map that forgets what was not put for long: it holds the last
// size to 2*size entries. The zero size is not valid.
type recent[V any] struct {
	size       int
	mu         sync.Mutex
	young, old map[string]V
}

func newRecent[V any](size int) *recent[V] {
	return &recent[V]{size: size, young: map[string]V{}}
}

func (r *recent[V]) put(key string, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= r.size {
		r.old, r.young = r.young, map[string]V{}
	}
	r.young[key] = v
}

func (r *recent[V]) get(key string) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if v, ok := r.young[key]; ok {
		return v, true
	}
	v, ok := r.old[key]
	return v, ok
}

func (r *recent[V]) drop(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, key)
	delete(r.old, key)
}

func (r *recent[V]) all() map[string]V {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]V{}
	maps.Copy(all, r.old)
	maps.Copy(all, r.young)
	return all
}
