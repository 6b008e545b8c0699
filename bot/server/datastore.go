package server

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"petrel/bot/api"
	"petrel/config"
	"petrel/engine"
	"petrel/engine/datastore"
	"petrel/engine/pipeline"
	"petrel/engine/runners/python"
	"petrel/engine/secrets"
	"petrel/store"
)

// sweepEvery is how often expired items of the datastore are removed.
const sweepEvery = time.Minute

// OpenDatastore makes the datastore of a configuration on a store.
func OpenDatastore(cfg *config.Config, b store.Backend, o datastore.Options) (*datastore.Service, error) {
	_, local := cfg.SQLitePath()
	ring, err := secrets.Open(secrets.Options{File: cfg.KeyFile(), NoCreate: !local, StackStorm: cfg.Secrets.StackStormKeyFile})
	if err != nil {
		return nil, fmt.Errorf("secrets: %w", err)
	}
	o.Store, o.Keyring = b, ring
	return datastore.New(o), nil
}

func (s *Server) openDatastore() (err error) {
	s.items, err = OpenDatastore(s.cfg, s.store, datastore.Options{Changed: s.keyChanged, Masker: s.masker, Logger: s.log})
	return err
}

// keyChanged lets the rules know that an item was changed.
func (s *Server) keyChanged(b *store.Batch, c datastore.Change) error {
	tell := func(trigger string, payload map[string]any) error {
		if s.service == nil || !s.service.Listens(trigger) {
			return nil
		}
		body, err := json.Marshal(payload)
		if err != nil {
			return fmt.Errorf("encode the change of an item: %w", err)
		}
		return s.service.DispatchWithin(b, pipeline.Dispatch{Trigger: trigger, Payload: body})
	}
	switch {
	case c.New == nil:
		return tell(engine.TriggerKeyDelete, map[string]any{"object": api.KeyView(*c.Old)})
	case c.Old == nil:
		return tell(engine.TriggerKeyCreate, map[string]any{"object": api.KeyView(*c.New)})
	}
	if err := tell(engine.TriggerKeyUpdate, map[string]any{"object": api.KeyView(*c.New)}); err != nil || c.Old.Value == c.New.Value {
		return err
	}
	return tell(engine.TriggerKeyChange, map[string]any{"old_object": api.KeyView(*c.Old), "new_object": api.KeyView(*c.New)})
}

// actionDatastore is the datastore as Python actions reach it: the items of the
// system, all of them, as StackStorm's API shows them to the user of an execution.
type actionDatastore struct {
	items *datastore.Service
	log   *slog.Logger
}

var _ python.Datastore = actionDatastore{}

func systemItem(name string) datastore.Key {
	return datastore.Key{Scope: datastore.System, Name: name}
}

// List implements python.Datastore.
func (d actionDatastore) List(ctx context.Context, _ *engine.Execution, prefix string, limit, offset int) ([]python.Item, error) {
	if limit <= 0 {
		limit = 100 // StackStorm's page
	}
	items, err := d.items.List(ctx, datastore.Filter{Scope: datastore.System, Prefix: prefix, Limit: limit, Offset: offset})
	if err != nil {
		return nil, err
	}
	list := make([]python.Item, len(items))
	for i, item := range items {
		list[i] = itemForAction(item)
	}
	return list, nil
}

// Get implements python.Datastore.
func (d actionDatastore) Get(ctx context.Context, asker *engine.Execution, name string, decrypt bool) (*python.Item, error) {
	item, err := d.items.Get(ctx, systemItem(name))
	if err != nil {
		if engine.CodeOf(err) == engine.NotFound {
			return nil, nil
		}
		return nil, err
	}
	out := itemForAction(item)
	if decrypt && item.Secret {
		if out.Value, err = d.items.Plain(item); err != nil {
			return nil, err
		}
		out.Encrypted = false
		d.log.Info("secret item decrypted", "audit", true, "key", name, "execution_id", asker.ID, "action", asker.Action.Ref, "user", asker.Context.User)
	}
	return &out, nil
}

func itemForAction(i datastore.Item) python.Item {
	item := python.Item{Name: i.Name, Value: i.Value, Secret: i.Secret, Encrypted: i.Secret}
	if i.Expires != nil {
		item.Expires = i.Expires.Format(time.RFC3339Nano)
	}
	return item
}

// Set implements python.Datastore.
func (d actionDatastore) Set(ctx context.Context, _ *engine.Execution, name, text string, ttl time.Duration, encrypt bool) error {
	_, err := d.items.Set(ctx, datastore.Setting{Key: systemItem(name), Value: text, Secret: encrypt, TTL: ttl})
	return err
}

// Delete implements python.Datastore.
func (d actionDatastore) Delete(ctx context.Context, _ *engine.Execution, name string) (bool, error) {
	_, err := d.items.Delete(ctx, systemItem(name))
	if err != nil && engine.CodeOf(err) == engine.NotFound {
		return false, nil
	}
	return err == nil, err
}

// User implements python.Datastore.
func (d actionDatastore) User(_ context.Context, asker *engine.Execution) (json.RawMessage, error) {
	return json.Marshal(map[string]any{
		"username":       asker.Context.User,
		"authentication": map[string]any{"method": "execution", "location": "action_service", "token_expire": nil},
		"rbac":           map[string]any{"enabled": false, "roles": []string{}, "is_admin": false},
	})
}
