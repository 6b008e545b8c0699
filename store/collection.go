package store

import (
	"context"
	"encoding/json"
	"fmt"
)

// Collection is the typed view of one collection. Index declares how a document
// is filed; it must be a pure function of the value.
type Collection[T any] struct {
	Name  string
	Index func(*T) []IndexEntry
}

// Doc is a document with its identity and revision.
type Doc[T any] struct {
	ID    string
	Rev   int64
	Value T
}

// Get loads one document, or fails with ErrNotFound.
func (c Collection[T]) Get(ctx context.Context, b Backend, id string) (Doc[T], error) {
	rec, err := b.Get(ctx, c.Name, id)
	if err != nil {
		return Doc[T]{}, fmt.Errorf("%s %s: %w", c.Name, id, err)
	}
	return c.decode(rec)
}

// List runs a query against the collection (q.Collection is set here) and
// returns the documents and the cursor of the next page.
func (c Collection[T]) List(ctx context.Context, b Backend, q Query) ([]Doc[T], string, error) {
	q.Collection = c.Name
	page, err := b.Query(ctx, q)
	if err != nil {
		return nil, "", fmt.Errorf("query %s: %w", c.Name, err)
	}
	docs := make([]Doc[T], 0, len(page.Records))
	for _, rec := range page.Records {
		d, err := c.decode(rec)
		if err != nil {
			return nil, "", err
		}
		docs = append(docs, d)
	}
	return docs, page.Next, nil
}

// Put adds the document to the batch, guarded by its revision (0: new).
func (c Collection[T]) Put(b *Batch, d Doc[T]) error {
	body, err := json.Marshal(d.Value)
	if err != nil {
		return fmt.Errorf("encode %s %s: %w", c.Name, d.ID, err)
	}
	var index []IndexEntry
	if c.Index != nil {
		index = c.Index(&d.Value)
	}
	b.Puts = append(b.Puts, Put{Collection: c.Name, ID: d.ID, Rev: d.Rev, Body: body, Index: index})
	return nil
}

// Delete adds the removal of the document to the batch.
func (c Collection[T]) Delete(b *Batch, id string, rev int64) {
	b.Deletes = append(b.Deletes, Delete{Collection: c.Name, ID: id, Rev: rev})
}

func (c Collection[T]) decode(rec Record) (Doc[T], error) {
	d := Doc[T]{ID: rec.ID, Rev: rec.Rev}
	if len(rec.Body) == 0 {
		return d, nil // IDsOnly
	}
	if err := json.Unmarshal(rec.Body, &d.Value); err != nil {
		return d, fmt.Errorf("decode %s %s: %w", c.Name, rec.ID, err)
	}
	return d, nil
}
