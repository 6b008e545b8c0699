package store

import (
	"fmt"
	"strings"
)

const (
	// MaxBody is the size limit of the body of a document, event or queue item.
	// Larger values belong in a Blob.
	MaxBody = 16 << 20
	// MaxBlob is the size limit of a blob, uncompressed.
	MaxBlob = 128 << 20
)

// Validate reports what no backend would accept: a missing name, a NUL in a key,
// a lane out of range (ErrInvalid), a value over its limit (ErrTooLarge).
// Backends call it; a caller need not.
func (b *Batch) Validate() error {
	for i := range b.Puts {
		p := &b.Puts[i]
		if err := checkDoc(p.Collection, p.ID, p.Rev); err != nil {
			return err
		}
		if err := checkBody(len(p.Body), MaxBody, p.Collection, p.ID); err != nil {
			return err
		}
		for _, e := range p.Index {
			if e.Index == "" || hasNUL(e.Index) || hasNUL(e.Value) || hasNUL(e.Sort) {
				return fmt.Errorf("%s/%s: index entry %q: needs a name and no NUL: %w", p.Collection, p.ID, e, ErrInvalid)
			}
		}
	}
	for _, d := range b.Deletes {
		if err := checkDoc(d.Collection, d.ID, d.Rev); err != nil {
			return err
		}
		if d.Rev == 0 {
			return fmt.Errorf("%s/%s: delete of revision 0, which does not exist: %w", d.Collection, d.ID, ErrInvalid)
		}
	}
	for i := range b.Pushes {
		p := &b.Pushes[i]
		if p.Queue == "" || p.ID == "" || hasNUL(p.Queue) || hasNUL(p.ID) || hasNUL(p.Group) {
			return fmt.Errorf("push of %q to queue %q: needs both, without NUL: %w", p.ID, p.Queue, ErrInvalid)
		}
		if p.Lane < 0 || p.Lane > MaxLane {
			return fmt.Errorf("push of %s to %s: lane %d is not within 0..%d: %w", p.ID, p.Queue, p.Lane, MaxLane, ErrInvalid)
		}
		if err := checkBody(len(p.Body), MaxBody, p.Queue, p.ID); err != nil {
			return err
		}
	}
	for i := range b.Events {
		e := &b.Events[i]
		if err := checkBody(len(e.Body), MaxBody, e.Type, e.Key); err != nil {
			return err
		}
	}
	for _, c := range b.Claims {
		if c.Key == "" || hasNUL(c.Key) || c.TTL < 0 {
			return fmt.Errorf("claim %q for %s: needs a key without NUL and a time that is not negative: %w", c.Key, c.TTL, ErrInvalid)
		}
	}
	for i := range b.Blobs {
		bl := &b.Blobs[i]
		if bl.ID == "" || hasNUL(bl.ID) {
			return fmt.Errorf("blob %q: needs an id without NUL: %w", bl.ID, ErrInvalid)
		}
		if err := checkBody(len(bl.Body), MaxBlob, "blob", bl.ID); err != nil {
			return err
		}
	}
	return nil
}

// Validate reports a request that no backend would accept as ErrInvalid.
func (r LeaseRequest) Validate() error {
	if r.Queue == "" || r.Holder == "" || r.Max < 1 || r.TTL <= 0 || hasNUL(r.Queue) {
		return fmt.Errorf("lease from queue %q for holder %q, at most %d for %s: needs both names, a number and a time: %w",
			r.Queue, r.Holder, r.Max, r.TTL, ErrInvalid)
	}
	return nil
}

// Empty reports whether the batch changes nothing.
func (b *Batch) Empty() bool {
	return len(b.Puts)+len(b.Deletes)+len(b.Pushes)+len(b.Acks)+len(b.Events)+len(b.Claims)+len(b.Blobs) == 0
}

func checkDoc(collection, id string, rev int64) error {
	if collection == "" || id == "" || hasNUL(collection) || hasNUL(id) {
		return fmt.Errorf("document %q of collection %q: needs both, without NUL: %w", id, collection, ErrInvalid)
	}
	if rev < AnyRev {
		return fmt.Errorf("%s/%s: revision %d: %w", collection, id, rev, ErrInvalid)
	}
	return nil
}

func checkBody(size, limit int, collection, id string) error {
	if size > limit {
		return fmt.Errorf("%s/%s: %d bytes, the limit is %d: %w", collection, id, size, limit, ErrTooLarge)
	}
	return nil
}

func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }
