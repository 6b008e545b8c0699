package packs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"petrel/engine"
	"petrel/store"
)

// The events of a registration. Key is the ref of the pack; the body is a Change.
const (
	EventRegistered   = "pack.registered"
	EventUnregistered = "pack.unregistered"
)

// Change says what a registration did to one pack: how many documents it wrote
// and removed.
type Change struct {
	Pack    string `json:"pack"`
	Version string `json:"version,omitempty"`
	Written int    `json:"written"`
	Removed int    `json:"removed"`
}

// Library keeps the registered content: in the store, and in memory as a
// Snapshot. All methods are safe for concurrent use.
type Library struct {
	backend  store.Backend
	mu       sync.Mutex // one registration at a time
	snapshot atomic.Pointer[Snapshot]
}

// NewLibrary returns a library with an empty snapshot; Register fills it.
func NewLibrary(b store.Backend) *Library {
	l := &Library{backend: b}
	l.snapshot.Store(newSnapshot(&registered{}, nil, nil))
	return l
}

// Snapshot returns the content as it is now. It never changes; take a new one
// when it is Replaced.
func (l *Library) Snapshot() *Snapshot { return l.snapshot.Load() }

// maxAttempts bounds how often a registration is tried anew because another
// process registers at the same time.
const maxAttempts = 5

// Register makes content the registered one and the snapshot. Only what differs
// from the store is written, one atomic batch a pack, with an event for every
// pack that changed. Entities whose file is gone are removed. What stays though
// it is not in content: entities without a metadata file (made through the
// API), those whose file is broken now, and packs that could not be read.
func (l *Library) Register(ctx context.Context, c *Content) ([]Change, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for attempt := 1; ; attempt++ {
		r, err := l.plan(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("register packs: %w", err)
		}
		changes, err := r.commit(ctx, l.backend)
		if errors.Is(err, store.ErrConflict) && attempt < maxAttempts {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("register packs: %w", err)
		}
		next := newSnapshot(r, c.Runners, l.configs(r, c))
		previous := l.snapshot.Swap(next)
		close(previous.replaced)
		return changes, nil
	}
}

// configs are the configurations from now on: one that was sound before and is
// broken now stays as it was.
func (l *Library) configs(r *registered, c *Content) map[string]*packConfig {
	before := l.Snapshot().configs
	now := make(map[string]*packConfig, len(c.configs))
	for _, p := range r.packs {
		config, old := c.configs[p.Ref], before[p.Ref]
		unread := !slices.Contains(c.Packs, p)
		if old != nil && old.err == nil && (unread || config != nil && config.err != nil) {
			config = old
		}
		if config != nil {
			now[p.Ref] = config
		}
	}
	return now
}

// registered is what is registered once the batches are committed.
type registered struct {
	packs        []*Pack
	actions      []*engine.Action
	rules        []*engine.Rule
	aliases      []*AliasRecord
	triggerTypes []*engine.TriggerType
	sensors      []*engine.Sensor
	policies     []*engine.Policy

	batches map[string]*store.Batch // by pack
}

// plan compares content with the store.
func (l *Library) plan(ctx context.Context, c *Content) (*registered, error) {
	r := &registered{batches: map[string]*store.Batch{}}
	var err error
	// A pack stays when its folder is there but cannot be read.
	keepPack := func(h head) bool { return h.file == "" || c.isUnread(h.file) }
	r.packs, err = reconcile(ctx, l.backend, PackCollection(), c.Packs, keepPack, r.batches,
		func(p *Pack) head { return head{p.ID, p.Ref, p.Path} })
	if err != nil {
		return nil, err
	}
	paths := map[string]string{}
	for _, p := range r.packs {
		paths[p.Ref] = p.Path
	}
	keep := func(h head) bool {
		return h.file == "" || slices.Contains(c.broken[h.pack], h.file) || paths[h.pack] != "" && c.isUnread(paths[h.pack])
	}
	r.triggerTypes, err = reconcile(ctx, l.backend, TriggerTypeCollection(), c.TriggerTypes, keep, r.batches,
		func(t *engine.TriggerType) head { return head{t.ID, t.Pack, t.MetadataFile} })
	if err != nil {
		return nil, err
	}
	r.actions, err = reconcile(ctx, l.backend, ActionCollection(), c.Actions, keep, r.batches,
		func(a *engine.Action) head { return head{a.ID, a.Pack, a.MetadataFile} })
	if err != nil {
		return nil, err
	}
	for _, a := range r.actions {
		if a.Dir == "" { // read back from the store
			a.Dir = paths[a.Pack]
		}
	}
	r.rules, err = reconcile(ctx, l.backend, RuleCollection(), c.Rules, keep, r.batches,
		func(r *engine.Rule) head { return head{r.ID, r.Pack, r.MetadataFile} })
	if err != nil {
		return nil, err
	}
	r.sensors, err = reconcile(ctx, l.backend, SensorCollection(), c.Sensors, keep, r.batches,
		func(s *engine.Sensor) head { return head{s.ID, s.Pack, s.MetadataFile} })
	if err != nil {
		return nil, err
	}
	for _, s := range r.sensors {
		if s.Dir == "" { // read back from the store
			s.Dir = paths[s.Pack]
		}
	}
	r.policies, err = reconcile(ctx, l.backend, PolicyCollection(), c.Policies, keep, r.batches,
		func(p *engine.Policy) head { return head{p.ID, p.Pack, p.MetadataFile} })
	if err != nil {
		return nil, err
	}
	r.aliases, err = reconcile(ctx, l.backend, AliasCollection(), c.Aliases, keep, r.batches,
		func(a *AliasRecord) head { return head{a.ID, a.Pack, a.MetadataFile} })
	return r, err
}

// isUnread reports whether the pack in a folder could not be looked at.
func (c *Content) isUnread(path string) bool {
	return slices.ContainsFunc(c.unread, func(dir string) bool {
		rel, err := filepath.Rel(dir, path)
		return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
	})
}

// head is what reconcile needs to know of an entity; file is where it comes from,
// empty when from no file.
type head struct{ id, pack, file string }

// reconcile adds to the batches what turns a collection into the wanted entities,
// and returns the wanted and the kept ones.
func reconcile[T any](ctx context.Context, b store.Backend, col store.Collection[T], wanted []*T, keep func(head) bool,
	batches map[string]*store.Batch, headOf func(*T) head) ([]*T, error) {
	batchOf := func(pack string) *store.Batch {
		if batches[pack] == nil {
			batches[pack] = &store.Batch{}
		}
		return batches[pack]
	}
	old := map[string]store.Record{}
	for q := (store.Query{Collection: col.Name, Limit: 1000}); ; {
		page, err := b.Query(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", col.Name, err)
		}
		for _, rec := range page.Records {
			old[rec.ID] = rec
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	all := slices.Clone(wanted)
	for _, v := range wanted {
		h := headOf(v)
		body, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", col.Name, err)
		}
		rec, exists := old[h.id]
		delete(old, h.id)
		if exists && bytes.Equal(rec.Body, body) {
			continue
		}
		if err := col.Put(batchOf(h.pack), store.Doc[T]{ID: h.id, Rev: rec.Rev, Value: *v}); err != nil {
			return nil, err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(old)) {
		v := new(T)
		if err := json.Unmarshal(old[id].Body, v); err != nil {
			return nil, fmt.Errorf("decode %s %s: %w", col.Name, id, err)
		}
		if h := headOf(v); keep(h) {
			all = append(all, v)
		} else {
			col.Delete(batchOf(h.pack), id, old[id].Rev)
		}
	}
	return all, nil
}

// commit writes the batches, pack by pack.
func (r *registered) commit(ctx context.Context, b store.Backend) ([]Change, error) {
	packs := map[string]*Pack{}
	for _, p := range r.packs {
		packs[p.Ref] = p
	}
	var changes []Change
	for _, ref := range slices.Sorted(maps.Keys(r.batches)) {
		batch := r.batches[ref]
		change := Change{Pack: ref, Written: len(batch.Puts), Removed: len(batch.Deletes)}
		event := store.Event{Type: EventUnregistered, Key: ref}
		if p := packs[ref]; p != nil {
			event.Type, change.Version = EventRegistered, p.Version
		}
		body, err := json.Marshal(change)
		if err != nil {
			return nil, fmt.Errorf("encode event: %w", err)
		}
		event.Body = body
		batch.Events = append(batch.Events, event)
		if err := b.Commit(ctx, batch); err != nil {
			return nil, fmt.Errorf("pack %s: %w", ref, err)
		}
		changes = append(changes, change)
	}
	return changes, nil
}
