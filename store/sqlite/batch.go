package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"petrel/store"
	"petrel/store/internal/codec"
)

// zipFrom is the size from which a blob is compressed.
const zipFrom = 512

// storedBlob is a blob as it goes into the file.
type storedBlob struct {
	id     string
	size   int
	zipped bool
	body   []byte
	drop   bool
}

// Commit implements store.Backend.
func (b *Backend) Commit(ctx context.Context, batch *store.Batch) error {
	if err := batch.Validate(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if batch.Empty() {
		return ctx.Err()
	}
	op := &operation{batch: batch}
	for _, bl := range batch.Blobs {
		stored := storedBlob{id: bl.ID, size: len(bl.Body), drop: bl.Drop}
		if !bl.Drop {
			stored.body, stored.zipped = codec.Compress(bl.Body, zipFrom)
		}
		op.blobs = append(op.blobs, stored)
	}
	if err := b.submit(ctx, op); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// intern gives every collection and index of the group its number. Names are
// new only in the first moments of a file's life, so they get a transaction of
// their own rather than a place in the undoing of a batch.
func (w *writer) intern(group []*operation) error {
	known := *w.b.names.Load()
	var missing map[string]int64
	need := func(name string) {
		if _, ok := known[name]; !ok {
			if missing == nil {
				missing = map[string]int64{}
			}
			missing[name] = 0
		}
	}
	for _, op := range group {
		if op.batch == nil {
			continue
		}
		for i := range op.batch.Puts {
			p := &op.batch.Puts[i]
			need(p.Collection)
			for _, e := range p.Index {
				if _, ok := known[indexName(p.Collection, e.Index)]; !ok {
					need(indexName(p.Collection, e.Index))
				}
			}
		}
	}
	if missing == nil {
		return nil
	}
	if _, err := w.stmt.begin.Exec(); err != nil {
		return err
	}
	next := maps.Clone(known)
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		res, err := w.stmt.addName.Exec(name)
		if err != nil {
			return fmt.Errorf("name %q: %w", name, err)
		}
		if next[name], err = res.LastInsertId(); err != nil {
			return err
		}
	}
	if _, err := w.stmt.commit.Exec(); err != nil {
		return err
	}
	w.b.names.Store(&next)
	return nil
}

func indexName(collection, index string) string { return collection + "\x00" + index }

// applyBatch makes the changes of a batch within the transaction at hand.
func (w *writer) applyBatch(op *operation) error {
	b := op.batch
	for _, it := range b.Acks {
		if err := w.ack(it); err != nil {
			return err
		}
	}
	for i := range b.Claims {
		if err := w.claim(&b.Claims[i]); err != nil {
			return err
		}
	}
	for i := range b.Puts {
		if err := w.put(&b.Puts[i]); err != nil {
			return err
		}
	}
	for i := range b.Deletes {
		if err := w.delete(&b.Deletes[i]); err != nil {
			return err
		}
	}
	for i := range b.Pushes {
		if err := w.push(&b.Pushes[i]); err != nil {
			return err
		}
	}
	for i := range op.blobs {
		if err := w.blob(&op.blobs[i]); err != nil {
			return err
		}
	}
	for i := range b.Events {
		e := &b.Events[i]
		if _, err := w.stmt.addEvent.Exec(int64(w.nextEvent), w.nowMS, e.Type, e.Key, e.Body); err != nil {
			return fmt.Errorf("event %s %s: %w", e.Type, e.Key, err)
		}
		w.nextEvent++
	}
	return nil
}

func (w *writer) claim(c *store.Claim) error {
	expires := int64(0)
	if c.TTL > 0 {
		expires = w.nowMS + max(1, c.TTL.Milliseconds())
	}
	n, err := affected(w.stmt.addClaim.Exec(c.Key, c.Value, expires, w.nowMS))
	if err != nil {
		return fmt.Errorf("claim %s: %w", c.Key, err)
	}
	if n > 0 {
		return nil
	}
	dup := &store.DuplicateError{Key: c.Key}
	if err := w.stmt.readClaim.QueryRow(c.Key).Scan(&dup.Value); err != nil {
		return fmt.Errorf("claim %s: %w", c.Key, err)
	}
	return dup
}

// document is what the writer needs to know of a stored one.
type document struct {
	n, rev int64
	filed  []byte
}

// find loads a document's row; rev is 0 when there is none.
func (w *writer) find(collection int64, id string) (d document, err error) {
	err = w.stmt.findDoc.QueryRow(collection, id).Scan(&d.n, &d.rev, &d.filed)
	if errors.Is(err, sql.ErrNoRows) {
		return document{}, nil
	}
	return d, err
}

func (w *writer) put(p *store.Put) error {
	names := *w.b.names.Load()
	coll := names[p.Collection]
	filings := fileUnder(names, p)
	filed := encodeFilings(filings)
	if p.Rev == 0 {
		n, err := affected(w.stmt.addDoc.Exec(coll, p.ID, filed, p.Body))
		if err != nil {
			return fmt.Errorf("put %s/%s: %w", p.Collection, p.ID, err)
		}
		if n > 0 {
			return w.refile(p.ID, nil, filings)
		}
	}
	have, err := w.find(coll, p.ID)
	if err != nil {
		return fmt.Errorf("put %s/%s: %w", p.Collection, p.ID, err)
	}
	if p.Rev != store.AnyRev && p.Rev != have.rev {
		return &store.ConflictError{Collection: p.Collection, ID: p.ID, Want: p.Rev, Have: have.rev}
	}
	if have.rev == 0 {
		_, err = w.stmt.addDoc.Exec(coll, p.ID, filed, p.Body)
	} else {
		_, err = w.stmt.setDoc.Exec(have.rev+1, filed, p.Body, have.n)
	}
	if err != nil {
		return fmt.Errorf("put %s/%s: %w", p.Collection, p.ID, err)
	}
	if slices.Equal(have.filed, filed) {
		return nil
	}
	return w.refile(p.ID, have.filed, filings)
}

func (w *writer) delete(d *store.Delete) error {
	coll, ok := (*w.b.names.Load())[d.Collection]
	var have document
	if ok {
		var err error
		if have, err = w.find(coll, d.ID); err != nil {
			return fmt.Errorf("delete %s/%s: %w", d.Collection, d.ID, err)
		}
	}
	if d.Rev != store.AnyRev && d.Rev != have.rev {
		return &store.ConflictError{Collection: d.Collection, ID: d.ID, Want: d.Rev, Have: have.rev}
	}
	if have.rev == 0 {
		return nil
	}
	if _, err := w.stmt.rmDoc.Exec(have.n); err != nil {
		return fmt.Errorf("delete %s/%s: %w", d.Collection, d.ID, err)
	}
	return w.refile(d.ID, have.filed, nil)
}

func (w *writer) push(p *store.Push) error {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	bd := w.b.board
	e := &entry{q: bd.queue(p.Queue), seq: bd.nextSeq, lane: uint8(p.Lane), pushed: w.nowMS, due: w.nowMS, fresh: p}
	if !p.At.IsZero() {
		e.due = max(e.due, p.At.Add(time.Millisecond-1).UnixMilli()) // never early
	}
	if _, err := w.stmt.addItem.Exec(e.seq, p.Queue, p.Lane, p.Group, p.ID, e.pushed, e.due, p.Body); err != nil {
		return fmt.Errorf("push %s to %s: %w", p.ID, p.Queue, err)
	}
	bd.nextSeq++
	bd.insert(e, p.Group, w.nowMS)
	w.journal = append(w.journal, change{kind: pushed, entry: e})
	w.fresh = append(w.fresh, e)
	return nil
}

func (w *writer) ack(it store.Item) error {
	w.b.mu.Lock()
	l := w.b.board.held(it)
	if l == nil || l.entry.state != leased {
		w.b.mu.Unlock()
		return fmt.Errorf("item %s of %s: %w", it.ID, it.Queue, store.ErrLeaseLost)
	}
	w.b.board.finish(l, w.nowMS)
	w.b.mu.Unlock()
	w.journal = append(w.journal, change{kind: finished, entry: l.entry, lease: l})
	if _, err := w.stmt.rmItem.Exec(l.entry.seq); err != nil {
		return fmt.Errorf("acknowledge %s of %s: %w", it.ID, it.Queue, err)
	}
	return nil
}

func (w *writer) blob(bl *storedBlob) error {
	var err error
	if bl.drop {
		_, err = w.stmt.rmBlob.Exec(bl.id)
	} else {
		_, err = w.stmt.setBlob.Exec(bl.id, bl.size, bl.zipped, bl.body)
	}
	if err != nil {
		return fmt.Errorf("blob %s: %w", bl.id, err)
	}
	return nil
}

func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
