package jinja

import (
	"context"
	"fmt"
	"strings"

	"petrel/engine/expression/value"
)

// Store looks datastore items up for st2kv; secret items come back as stored.
type Store interface {
	Lookup(ctx context.Context, scope, user, key string) (text string, ok bool, err error)
}

// NewStored makes the value of st2kv.system or st2kv.user: every attribute or
// index extends the key, and the item is fetched when the text is needed. A
// missing item is empty text.
func NewStored(ctx context.Context, s Store, scope, user string) any {
	return &stored{ctx: ctx, store: s, scope: scope, user: user}
}

type stored struct {
	ctx   context.Context
	store Store
	scope string
	user  string
	key   string
}

func (s *stored) TypeName() string { return "KeyValueLookup" }

func (s *stored) extend(name string) *stored {
	next := *s
	if next.key != "" {
		name = next.key + "." + name
	}
	next.key = name
	return &next
}

// Field extends the key, for languages that walk into values by themselves.
func (s *stored) Field(name string) any { return s.extend(name) }

func (s *stored) getAttr(_ *state, name string, _ int) (any, bool, error) {
	return s.extend(name), true, nil
}

func (s *stored) getItem(_ *state, key any) (any, bool, error) {
	return s.extend(value.Str(key)), true, nil
}

func (s *stored) fetch() (string, error) {
	if s.key == "" {
		return "", nil
	}
	text, _, err := s.store.Lookup(s.ctx, s.scope, s.user, s.key)
	if err != nil {
		return "", fmt.Errorf("st2kv.%s.%s: %w", s.scope, s.key, err)
	}
	return text, nil
}

func (s *stored) text(st *state) (string, error) {
	t, err := s.fetch()
	if err != nil {
		return "", err
	}
	return t, st.charge(len(t))
}

// Str is the text of the item, empty when it cannot be fetched.
func (s *stored) Str() string { t, _ := s.fetch(); return t }

// Plain is the text of the item.
func (s *stored) Plain() (any, error) { return s.fetch() }

// decryptFilter is decrypt_kv: the plain text of a datastore item.
func decryptFilter(decrypt func(ctx context.Context, ciphertext string) (string, error)) *builtin {
	return define("decrypt_kv", "", func(c *call) (any, error) {
		name := "the value"
		if s, ok := c.self.(*stored); ok {
			name = "st2kv." + s.scope + "." + s.key
		}
		text, err := c.st.text(c.self)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(text) == "" {
			return nil, fail(Runtime, "referenced datastore item %s doesn't exist or contains an empty string", name)
		}
		plain, err := decrypt(c.st.ctx, text)
		if err != nil {
			return nil, fmt.Errorf("decrypt %s: %w", name, err)
		}
		return c.made(plain)
	})
}
