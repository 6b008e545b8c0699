package server

import (
	"context"
	"errors"
	"fmt"

	"petrel/adapters/terminal"
	"petrel/engine"
	"petrel/store"
)

// journal keeps what is said in the terminal's room in the store.
type journal struct{ backend store.Backend }

var _ terminal.Journal = journal{}

var roomEntries = store.Collection[terminal.Entry]{
	Name: "terminal_messages",
	Index: func(e *terminal.Entry) []store.IndexEntry {
		return []store.IndexEntry{{Index: "channel", Value: e.Channel, Sort: e.Time.UTC().Format("20060102T150405.000000000")}}
	},
}

// Append implements terminal.Journal.
func (j journal) Append(ctx context.Context, e terminal.Entry) (bool, error) {
	var b store.Batch
	if err := roomEntries.Put(&b, store.Doc[terminal.Entry]{ID: e.ID, Value: e}); err != nil {
		return false, err
	}
	err := j.backend.Commit(ctx, &b)
	if errors.Is(err, store.ErrConflict) {
		return false, nil // it is there already
	}
	return err == nil, err
}

// Replace implements terminal.Journal.
func (j journal) Replace(ctx context.Context, e terminal.Entry) error {
	old, err := roomEntries.Get(ctx, j.backend, e.ID)
	if err != nil {
		return noEntry(err)
	}
	var b store.Batch
	if err := roomEntries.Put(&b, store.Doc[terminal.Entry]{ID: e.ID, Rev: old.Rev, Value: e}); err != nil {
		return err
	}
	return j.backend.Commit(ctx, &b)
}

// Get implements terminal.Journal.
func (j journal) Get(ctx context.Context, id string) (terminal.Entry, error) {
	d, err := roomEntries.Get(ctx, j.backend, id)
	return d.Value, noEntry(err)
}

// Recent implements terminal.Journal.
func (j journal) Recent(ctx context.Context, channel string, n int) ([]terminal.Entry, error) {
	docs, _, err := roomEntries.List(ctx, j.backend, store.Query{Index: "channel", Value: channel, Desc: true, Limit: n})
	if err != nil {
		return nil, err
	}
	entries := make([]terminal.Entry, len(docs))
	for i, d := range docs {
		entries[len(docs)-1-i] = d.Value
	}
	return entries, nil
}

// KeepFile implements terminal.Journal.
func (j journal) KeepFile(ctx context.Context, id, name string, content []byte) error {
	return j.backend.Commit(ctx, &store.Batch{Blobs: []store.Blob{{ID: fileBlob(id, name), Body: content}}})
}

// File implements terminal.Journal.
func (j journal) File(ctx context.Context, id, name string) ([]byte, error) {
	content, err := j.backend.Blob(ctx, fileBlob(id, name))
	return content, noEntry(err)
}

func fileBlob(id, name string) string { return "terminal-file-" + engine.DeriveID(id, name) }

func noEntry(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %w", terminal.ErrNoEntry, err)
	}
	return err
}
