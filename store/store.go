// Package store is the persistence contract of the program: collections of
// documents with declared indexes, atomic batches, leased queues, an event log
// and named locks. It is generic: it knows nothing of actions, rules or chat.
//
// A [Backend] is small and speaks bytes; store/sqlite and store/redis implement
// it and store/storetest holds both to this contract. [Collection] is the typed
// layer that the rest of the program uses.
package store

import (
	"context"
	"time"
)

// Backend is one place where state lives. Every method is safe for concurrent
// use. Methods return ErrUnavailable (wrapped) when the place cannot be reached
// or refuses writes; the caller may try again later, nothing was half done.
type Backend interface {
	// Commit applies a batch, all of it or none of it, and returns once it is
	// durable. It fails with ErrLeaseLost when an item that the batch
	// acknowledges is no longer held by this lease, *DuplicateError when a claim
	// is taken, *ConflictError when a guarded revision has moved on; they are
	// looked for in this order. ctx counts only while the batch waits in line.
	// After ErrUnavailable the same *Batch, unchanged, may be committed again: it
	// is not applied twice, even where the first attempt was in doubt.
	Commit(ctx context.Context, b *Batch) error

	// Get returns one document, or ErrNotFound.
	Get(ctx context.Context, collection, id string) (Record, error)

	// Query returns documents in the order of an index.
	Query(ctx context.Context, q Query) (Page, error)

	// Count returns how many documents the query selects; Limit and After are
	// ignored.
	Count(ctx context.Context, q Query) (int, error)

	// Lease waits until at least one item of the queue is due and free, and
	// hands out up to r.Max of them. It returns ctx.Err() when ctx ends first.
	Lease(ctx context.Context, r LeaseRequest) ([]Item, error)

	// Extend moves the end of the leases on the given items to now+ttl. Items
	// whose lease was lost are returned, so that their work can be stopped. A
	// lease that has run out but was not given to anybody else may be renewed.
	Extend(ctx context.Context, items []Item, ttl time.Duration) (lost []Item, err error)

	// Release hands an item back unfinished; it is due again after delay and
	// keeps its place in its group. Deliveries is not counted up by a Release
	// with undo set: the work had not begun.
	Release(ctx context.Context, item Item, delay time.Duration, undo bool) error

	// QueueStats returns the state of one queue.
	QueueStats(ctx context.Context, queue string) (QueueStats, error)

	// Events returns events with a sequence number above after, oldest first,
	// waiting until there is at least one. When the log no longer reaches back
	// that far it starts with the oldest it has.
	Events(ctx context.Context, after uint64, max int) ([]Event, error)

	// LastEvent returns the sequence number of the newest event, 0 if none.
	LastEvent(ctx context.Context) (uint64, error)

	// Blob returns the bytes stored under id by a batch, or ErrNotFound.
	Blob(ctx context.Context, id string) ([]byte, error)

	// Acquire takes or renews the named lock for holder until now+ttl and
	// reports whether holder has it now.
	Acquire(ctx context.Context, name, holder string, ttl time.Duration) (bool, error)

	// Relinquish gives the named lock back if holder has it.
	Relinquish(ctx context.Context, name, holder string) error

	// Close releases everything. Waiting calls return an error.
	Close() error
}

// Batch is a set of changes that happen together or not at all. They take
// effect in this order: Acks, Claims, Puts, Deletes, Pushes, Blobs, Events, each
// in the order of its slice.
type Batch struct {
	Puts    []Put
	Deletes []Delete
	Pushes  []Push
	Acks    []Item // items whose work this batch completes
	Events  []Event
	Claims  []Claim
	Blobs   []Blob
}

// AnyRev as the guard of a Put or Delete means: whatever is there now.
const AnyRev int64 = -1

// Put creates or replaces a document. A new document gets revision 1, each
// later Put adds one.
type Put struct {
	Collection, ID string
	Rev            int64 // the revision it replaces; 0: must not exist yet; AnyRev
	Body           []byte
	Index          []IndexEntry // replaces all entries of the document
}

// IndexEntry files a document under (Index, Value), ordered by Sort and then by
// document ID. Values and sort keys are compared bytewise and hold no NUL.
type IndexEntry struct {
	Index, Value, Sort string
}

// Delete removes a document; a missing one is a conflict unless Rev is AnyRev.
type Delete struct {
	Collection, ID string
	Rev            int64
}

// Push adds an item to a queue. Within a lane items are first handed out in the
// order in which they became due.
type Push struct {
	Queue string
	ID    string    // what the item is about, usually a document ID
	Lane  int       // 0..MaxLane; lower lanes are served first, but every eighth hand-out sees to it that none starves
	Group string    // items of one group of the queue are handed out one at a time, in push order
	At    time.Time // not before; zero means now. The first of a group holds up those behind it
	Body  []byte    // small; the document is the truth
}

// MaxLane is the highest lane number.
const MaxLane = 3

// Item is a leased queue item. Token identifies this very lease.
type Item struct {
	Queue, ID, Group, Token string
	Lane                    int
	Body                    []byte
	Deliveries              int // 1 on the first delivery
	Pushed                  time.Time
}

// LeaseRequest asks for items of one queue.
type LeaseRequest struct {
	Queue  string
	Holder string // stable name of the consumer
	Max    int
	TTL    time.Duration
}

// Event is an entry of the event log. Seq and Time are set by the backend.
type Event struct {
	Seq  uint64
	Time time.Time
	Type string // e.g. "execution.updated"
	Key  string // what it is about
	Body []byte
}

// Claim takes a key once: the ID of an inbound delivery. Value is handed to
// later claimants in a *DuplicateError. After TTL the key is free again; TTL 0
// keeps it for ever.
type Claim struct {
	Key, Value string
	TTL        time.Duration
}

// Blob is a large value that is kept apart from documents, compressed. One with
// an ID that exists replaces it.
type Blob struct {
	ID   string
	Body []byte
	Drop bool // remove it instead
}

// Record is a stored document.
type Record struct {
	ID   string
	Rev  int64
	Body []byte
}

// Query selects documents of a collection. With Index set, those filed under
// Value, ordered by their Sort key; otherwise all, ordered by ID, which is then
// also what From and To are compared with.
type Query struct {
	Collection   string
	Index, Value string
	From, To     string // From <= sort key < To; empty means open
	Desc         bool
	After        string // Page.Next of the page before
	Limit        int    // 0 means 100
	IDsOnly      bool   // leave Record.Body empty
}

// Page is one piece of a query's result. Next is empty on the last one.
type Page struct {
	Records []Record
	Next    string
}

// QueueStats counts the items of a queue. Ready includes those that are due but
// wait behind another item of their group.
type QueueStats struct {
	Ready, Leased, Delayed int
	Oldest                 time.Time // when the oldest ready item was pushed
}
