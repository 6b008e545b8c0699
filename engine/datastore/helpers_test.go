package datastore

import (
	"context"
	"testing"

	"petrel/store"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

// emptyStore holds nothing and counts how often it is asked.
type emptyStore struct {
	store.Backend
	onQuery func()
}

// Query implements store.Backend.
func (e emptyStore) Query(context.Context, store.Query) (store.Page, error) {
	e.onQuery()
	return store.Page{}, nil
}
