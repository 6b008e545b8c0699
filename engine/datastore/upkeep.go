package datastore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"petrel/engine"
	"petrel/store"
)

// Lookup implements expression.Datastore.
func (s *Service) Lookup(ctx context.Context, scope, user, key string) (string, bool, error) {
	k := Key{Scope: Scope(scope), Name: key}
	if k.Scope == User {
		k.User = user
	}
	if k.check() != nil {
		return "", false, nil // no such item can exist
	}
	item, err := s.Get(ctx, k)
	if err != nil && engine.CodeOf(err) == engine.NotFound {
		return "", false, nil
	}
	return item.Value, err == nil, err
}

// Decrypt implements expression.Datastore.
func (s *Service) Decrypt(_ context.Context, ciphertext string) (string, error) {
	plain, err := s.Keyring.Decrypt(ciphertext)
	if err != nil {
		return "", err
	}
	s.known(plain)
	return plain, nil
}

// Rotated says what a Rotate did.
type Rotated struct {
	Key       string `json:"key"`       // ID of the new key
	Encrypted int    `json:"encrypted"` // items that were encrypted anew
	Forgotten int    `json:"forgotten"` // old keys that were removed
}

// Rotate makes a new key and encrypts all secret items with it, also those that
// StackStorm encrypted. With forget the old keys are removed when all went well;
// copies of old ciphertext (in backups, say) cannot be read any more then.
func (s *Service) Rotate(ctx context.Context, forget bool) (Rotated, error) {
	var r Rotated
	var err error
	if r.Key, err = s.Keyring.Rotate(); err != nil {
		return r, fmt.Errorf("rotate keys: %w", err)
	}
	var problems []error
	err = s.eachSecret(ctx, func(item Item) error {
		done, err := s.reencrypt(ctx, item.Key)
		switch {
		case done:
			r.Encrypted++
		case err != nil:
			problems = append(problems, fmt.Errorf("item %s: %w", item.Name, err))
		}
		return ctx.Err()
	})
	if err = errors.Join(append(problems, err)...); err != nil {
		return r, &engine.Error{Code: engine.Conflict, Message: "some items keep their old key, which stays: " + oneLine(err), Err: err}
	}
	if forget {
		r.Forgotten, err = s.Keyring.Forget()
	}
	s.Logger.Info("secret items encrypted anew", "key", r.Key, "items", r.Encrypted, "keys_forgotten", r.Forgotten)
	return r, err
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// reencrypt encrypts an item with the newest key; it tells nobody, as its value
// stays what it was.
func (s *Service) reencrypt(ctx context.Context, k Key) (bool, error) {
	for {
		d, err := Items.Get(ctx, s.Store, k.id())
		if errors.Is(err, store.ErrNotFound) || err == nil && !d.Value.Secret {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if stale, err := s.Keyring.Stale(d.Value.Value); err != nil || !stale {
			return false, err
		}
		plain, err := s.Keyring.Decrypt(d.Value.Value)
		if err != nil {
			return false, err
		}
		if d.Value.Value, err = s.Keyring.Encrypt(plain); err != nil {
			return false, err
		}
		var b store.Batch
		if err := Items.Put(&b, d); err != nil {
			return false, err
		}
		err = s.Store.Commit(ctx, &b)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		return err == nil, err
	}
}

// eachSecret calls f for every secret item.
func (s *Service) eachSecret(ctx context.Context, f func(Item) error) error {
	for q := (store.Query{Index: "secret", Limit: 500}); ; {
		docs, next, err := Items.List(ctx, s.Store, q)
		if err != nil {
			return err
		}
		for _, d := range docs {
			if err := f(d.Value); err != nil {
				return err
			}
		}
		if q.After = next; next == "" {
			return nil
		}
	}
}

// Sweep removes expired items, at the next of each interval, until ctx ends. They
// are not seen before either; this frees their room. One process does it.
func (s *Service) Sweep(ctx context.Context, every time.Duration) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if n, err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Warn("expired items could not be removed", "error", err)
		} else if n > 0 {
			s.Logger.Info("expired items removed", "items", n)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *Service) sweep(ctx context.Context) (n int, err error) {
	for {
		docs, _, err := Items.List(ctx, s.Store, store.Query{Index: "expires", To: sortTime(s.Now().Add(time.Nanosecond)), Limit: 500})
		if err != nil || len(docs) == 0 {
			return n, err
		}
		for _, d := range docs {
			old := d.Value
			err := s.commitWith(ctx, old.Key, d.Rev, Change{Old: &old}, nil) // it was gone before
			if err != nil && !errors.Is(err, store.ErrConflict) {
				return n, err
			}
			if err == nil {
				n++
			}
		}
	}
}

// Learn tells the masker all secret values that are stored, whichever process
// stored them: to be called at the start and after every EventChanged. What
// cannot be decrypted here is nothing that could be seen here.
func (s *Service) Learn(ctx context.Context) error {
	if s.Masker == nil {
		return nil
	}
	var texts []string
	unreadable := 0
	err := s.eachSecret(ctx, func(item Item) error {
		plain, err := s.Keyring.Decrypt(item.Value)
		if err != nil {
			unreadable++
			return nil
		}
		texts = append(texts, plain)
		return nil
	})
	if err != nil {
		return err
	}
	if unreadable > 0 {
		s.Logger.Warn("some secret items cannot be decrypted with the keys of this process", "items", unreadable)
	}
	s.Masker.Replace(storedGroup, texts)
	return nil
}

// changed is the event of a change.
func changed(k Key) (store.Event, error) {
	body, err := json.Marshal(k)
	if err != nil {
		return store.Event{}, fmt.Errorf("encode the event of item %s: %w", k.Name, err)
	}
	return store.Event{Type: EventChanged, Key: k.id(), Body: body}, nil
}
