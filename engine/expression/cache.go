package expression

import "sync"

// maxCached is the longest source that is kept, in bytes.
const maxCached = 64 << 10

type kind byte

const (
	kindTemplate       kind = 'T' // StackStorm's Jinja
	kindWorkflowText   kind = 'W' // Orquesta's Jinja, a text with blocks
	kindWorkflowInline kind = 'E' // Orquesta's Jinja, one expression
)

// cache keeps compiled sources in two generations: when the young one is full it
// becomes the old one, and what is still used comes back from there.
type cache struct {
	mu         sync.RWMutex
	limit      int
	young, old map[cacheKey]any
}

type cacheKey struct {
	kind   kind
	lang   string
	source string
}

func newCache(size int) *cache {
	if size <= 0 {
		size = 4096
	}
	return &cache{limit: max(1, size/2), young: map[cacheKey]any{}}
}

func (c *cache) get(k cacheKey) (any, bool) {
	c.mu.RLock()
	v, ok := c.young[k]
	if !ok {
		v, ok = c.old[k]
		c.mu.RUnlock()
		if ok {
			c.put(k, v)
		}
		return v, ok
	}
	c.mu.RUnlock()
	return v, ok
}

func (c *cache) put(k cacheKey, v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= c.limit {
		c.old, c.young = c.young, make(map[cacheKey]any, c.limit)
	}
	c.young[k] = v
}

// cached finds a compiled source or compiles it. Failures are not kept.
func cached[T any](c *cache, k kind, source string, compile func(string) (T, error)) (T, error) {
	return cachedAs(c, cacheKey{kind: k, source: source}, compile)
}

func cachedAs[T any](c *cache, key cacheKey, compile func(string) (T, error)) (T, error) {
	if v, ok := c.get(key); ok {
		return v.(T), nil
	}
	t, err := compile(key.source)
	if err == nil && len(key.source) <= maxCached {
		c.put(key, t)
	}
	return t, err
}
