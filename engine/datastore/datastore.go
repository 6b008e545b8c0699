// Package datastore keeps the items that people and actions store under a name:
// st2kv.system.x in templates, action_service in Python, /keys over HTTP. Items
// belong to the system or to one user, may be secret and may expire. The package
// does not know who may see what, nor what asks.
package datastore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"petrel/engine"
	"petrel/engine/secrets"
	"petrel/store"
)

// Scope says whose an item is.
type Scope string

const (
	System Scope = "system"
	User   Scope = "user"
	// All is both, for lists.
	All Scope = "all"
)

// ParseScope reads a scope as StackStorm writes it: system or st2kv.system, user
// or st2kv.user, all; "" is system.
func ParseScope(text string) (Scope, error) {
	switch s := Scope(strings.TrimPrefix(text, "st2kv.")); s {
	case "":
		return System, nil
	case System, User, All:
		return s, nil
	}
	return "", engine.Errorf(engine.Invalid, "the scope %q does not exist; it is system or user", text)
}

// Limits of an item, in bytes.
const (
	MaxName  = 1 << 10
	MaxValue = 7 << 20 // as ciphertext it is twice as long
)

// Key names an item. User is whose it is, only in the scope of users.
type Key struct {
	Scope Scope  `json:"scope"`
	User  string `json:"user,omitempty"`
	Name  string `json:"name"`
}

func (k Key) id() string { return engine.DeriveID("key_value_pair", string(k.Scope), k.User, k.Name) }

// UID is StackStorm's name for an item.
func (k Key) UID() string {
	name := k.Name
	if k.Scope == User {
		name = k.User + ":" + name
	}
	return "key_value_pair:st2kv." + string(k.Scope) + ":" + name
}

func (k Key) check() error {
	switch {
	case k.Scope != System && k.Scope != User:
		return engine.Errorf(engine.Invalid, "the scope %q is not that of an item; it is system or user", k.Scope)
	case (k.Scope == User) != (k.User != ""):
		return engine.Errorf(engine.Invalid, "items of the scope user, and no others, belong to a user")
	case k.Name == "":
		return engine.Errorf(engine.Invalid, "an item of the datastore needs a name")
	case len(k.Name) > MaxName || len(k.User) > MaxName:
		return engine.Errorf(engine.Invalid, "names of items and users have at most %d bytes", MaxName)
	case !utf8.ValidString(k.Name) || strings.ContainsRune(k.Name+k.User, 0):
		return engine.Errorf(engine.Invalid, "the name %q holds what is no text", k.Name)
	}
	return nil
}

// Item is one item as it is stored: the value of a secret one is ciphertext.
type Item struct {
	Key
	Value       string     `json:"value"`
	Secret      bool       `json:"secret,omitempty"`
	Description string     `json:"description,omitempty"`
	Expires     *time.Time `json:"expires,omitempty"`
	Updated     time.Time  `json:"updated"`
}

// ID identifies the item.
func (i *Item) ID() string { return i.id() }

func (i *Item) expired(now time.Time) bool { return i.Expires != nil && !i.Expires.After(now) }

// Items is the collection of items. They are filed under whose they are, and all
// together, ordered by name, and under when they expire.
var Items = store.Collection[Item]{Name: "keys", Index: func(i *Item) []store.IndexEntry {
	entries := []store.IndexEntry{{Index: "all", Sort: i.Name}, {Index: "owner", Value: owner(i.Scope, i.User), Sort: i.Name}}
	if i.Secret {
		entries = append(entries, store.IndexEntry{Index: "secret", Sort: i.Name})
	}
	if i.Expires != nil {
		entries = append(entries, store.IndexEntry{Index: "expires", Sort: sortTime(*i.Expires)})
	}
	return entries
}}

func owner(s Scope, user string) string {
	if s == User {
		return "user:" + user
	}
	return string(s)
}

func sortTime(t time.Time) string { return t.UTC().Format("20060102T150405.000000000") }

// EventChanged tells that an item was stored or removed; its key is the ID of the
// item, its body the Key.
const EventChanged = "key.changed"

// Change is what happened to an item. Old is nil for a new one, New for a removed one.
type Change struct{ Old, New *Item }

// Options is what a Service is made of.
type Options struct {
	Store   store.Backend
	Keyring *secrets.Keyring
	// Changed, when set, adds to the batch that changes an item what follows from it.
	Changed func(b *store.Batch, c Change) error
	Masker  *secrets.Masker  // told of secret values; nil: nobody is
	Now     func() time.Time // nil means time.Now
	Logger  *slog.Logger
}

// Service reads and writes items. It is safe for concurrent use.
type Service struct {
	Options
}

// New puts a Service together.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{o}
}

// Get returns an item, or an *engine.Error with code NotFound.
func (s *Service) Get(ctx context.Context, k Key) (Item, error) {
	if err := k.check(); err != nil {
		return Item{}, err
	}
	d, err := Items.Get(ctx, s.Store, k.id())
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && (d.Value.expired(s.Now()) || d.Value.Key != k):
		return Item{}, engine.Errorf(engine.NotFound, "The key %q does not exist in the StackStorm datastore.", k.Name)
	case err != nil:
		return Item{}, fmt.Errorf("read item %s: %w", k.Name, err)
	}
	return d.Value, nil
}

// Filter selects items. Names begin with Prefix. Limit 0 means all.
type Filter struct {
	Scope         Scope
	User          string
	Prefix        string
	Limit, Offset int
}

// List returns items ordered by name.
func (s *Service) List(ctx context.Context, f Filter) ([]Item, error) {
	q := store.Query{Index: "owner", Value: owner(f.Scope, f.User), From: f.Prefix, Limit: 500}
	if f.Scope == All {
		q.Index, q.Value = "all", ""
	}
	if strings.ContainsRune(f.Prefix+f.User, 0) {
		return nil, engine.Errorf(engine.Invalid, "the prefix %q holds what is no text", f.Prefix)
	}
	if f.Prefix != "" {
		q.To = f.Prefix + "\xff" // no text has this byte
	}
	var items []Item
	for now, skip := s.Now(), f.Offset; ; {
		docs, next, err := Items.List(ctx, s.Store, q)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			switch {
			case d.Value.expired(now):
			case skip > 0:
				skip--
			default:
				items = append(items, d.Value)
			}
			if f.Limit > 0 && len(items) == f.Limit {
				return items, nil
			}
		}
		if q.After = next; next == "" {
			return items, nil
		}
	}
}

// Setting is what an item shall be.
type Setting struct {
	Key
	Value string
	// Secret: Value is encrypted before it is stored.
	Secret bool
	// Encrypted: Value is ciphertext already; it must be readable with a key that
	// is here. The item is secret then.
	Encrypted   bool
	Description string
	TTL         time.Duration // 0: for ever
}

// Set stores an item, in the place of the one that has its name.
func (s *Service) Set(ctx context.Context, in Setting) (Item, error) {
	if err := in.check(); err != nil {
		return Item{}, err
	}
	now := s.Now()
	item := Item{Key: in.Key, Value: in.Value, Secret: in.Secret || in.Encrypted, Description: in.Description, Updated: now.UTC()}
	switch {
	case len(in.Value) > MaxValue:
		return Item{}, engine.Errorf(engine.Invalid, "the value of %q has %d bytes; %d are possible", in.Name, len(in.Value), MaxValue)
	case !utf8.ValidString(in.Value):
		return Item{}, engine.Errorf(engine.Invalid, "the value of %q is not text in UTF-8; encode it, in base64 for example", in.Name)
	case in.TTL < 0:
		return Item{}, engine.Errorf(engine.Invalid, "the ttl of %q must be above 0 seconds", in.Name)
	case in.TTL > 0:
		expires := now.Add(in.TTL).UTC()
		item.Expires = &expires
	}
	plain := in.Value
	var err error
	switch {
	case in.Encrypted:
		if plain, err = s.Keyring.Decrypt(in.Value); err != nil {
			return Item{}, &engine.Error{Code: engine.Invalid, Message: fmt.Sprintf("the value of %q is said to be encrypted but cannot be decrypted: %v", in.Name, err)}
		}
		item.Value = strings.ToUpper(strings.TrimSpace(in.Value))
	case in.Secret:
		if item.Value, err = s.Keyring.Encrypt(in.Value); err != nil {
			return Item{}, fmt.Errorf("encrypt item %s: %w", in.Name, err)
		}
	}
	if item.Secret {
		s.known(plain)
	}
	return item, s.change(ctx, in.Key, func(old *Item) (*Item, error) { return &item, nil })
}

// Delete removes an item, or fails with an *engine.Error with code NotFound.
func (s *Service) Delete(ctx context.Context, k Key) (Item, error) {
	if err := k.check(); err != nil {
		return Item{}, err
	}
	var gone Item
	err := s.change(ctx, k, func(old *Item) (*Item, error) {
		if old == nil {
			return nil, engine.Errorf(engine.NotFound, "The key %q does not exist in the StackStorm datastore.", k.Name)
		}
		gone = *old
		return nil, nil
	})
	return gone, err
}

// Plain is the text of an item: for a secret one what was encrypted.
func (s *Service) Plain(i Item) (string, error) {
	if !i.Secret {
		return i.Value, nil
	}
	plain, err := s.Keyring.Decrypt(i.Value)
	if err != nil {
		return "", &engine.Error{Code: engine.Invalid, Message: fmt.Sprintf("the item %q cannot be decrypted: %v", i.Name, err), Err: err}
	}
	s.known(plain)
	return plain, nil
}

// change makes of the item that there is, nil for none, what decide says.
func (s *Service) change(ctx context.Context, k Key, decide func(old *Item) (*Item, error)) error {
	for {
		d, err := Items.Get(ctx, s.Store, k.id())
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("read item %s: %w", k.Name, err)
		}
		var old *Item
		if err == nil && !d.Value.expired(s.Now()) {
			stored := d.Value
			old = &stored
		}
		next, err := decide(old)
		if err != nil {
			return err
		}
		err = s.commit(ctx, k, d.Rev, Change{old, next})
		if errors.Is(err, store.ErrConflict) {
			continue // somebody else changed it meanwhile; look again
		}
		return err
	}
}

func (s *Service) commit(ctx context.Context, k Key, rev int64, c Change) error {
	return s.commitWith(ctx, k, rev, c, s.Changed)
}

func (s *Service) commitWith(ctx context.Context, k Key, rev int64, c Change, tell func(*store.Batch, Change) error) error {
	var b store.Batch
	if c.New == nil {
		Items.Delete(&b, k.id(), rev)
	} else if err := Items.Put(&b, store.Doc[Item]{ID: k.id(), Rev: rev, Value: *c.New}); err != nil {
		return err
	}
	event, err := changed(k)
	if err != nil {
		return err
	}
	b.Events = append(b.Events, event)
	if tell != nil {
		if err := tell(&b, c); err != nil {
			return err
		}
	}
	if err := s.Store.Commit(ctx, &b); err != nil {
		return fmt.Errorf("store item %s: %w", k.Name, err)
	}
	return nil
}

// known makes a secret text one that is hidden wherever it would be seen.
func (s *Service) known(plain string) {
	if s.Masker != nil {
		s.Masker.Add(usedGroup, plain)
	}
}

// The groups of texts that the masker is told: the secret values that there are,
// and those that were used lately.
const (
	storedGroup = "datastore"
	usedGroup   = "decrypted"
)
