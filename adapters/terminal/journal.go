package terminal

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"petrel/adapters"
)

// Entry is one message of the room as it is kept and as sessions see it: the
// line of a person, or a message of the program.
type Entry struct {
	ID      string        `json:"id"`            // unique for ever; the journal's key
	Rev     int           `json:"rev,omitempty"` // 0 as first said, one more with every edit
	Time    time.Time     `json:"time"`          // when it was said; grows within a channel
	Edited  time.Time     `json:"edited,omitzero"`
	Channel string        `json:"channel"`           // "#ops", or "@ann" for ann's conversation with the bot
	Thread  string        `json:"thread,omitempty"`  // the message that this answers under
	Private string        `json:"private,omitempty"` // the only person who sees it
	From    adapters.User `json:"from"`

	// Text is what a person said, Message what the program said; one of them.
	Text    string            `json:"text,omitempty"`
	Message *adapters.Message `json:"message,omitempty"`

	Files     []FileInfo `json:"files,omitempty"`     // of Message; their content is kept apart
	Reactions []string   `json:"reactions,omitempty"` // names of emoji
	Pinned    bool       `json:"pinned,omitempty"`
}

// FileInfo is what a message shows of a file.
type FileInfo struct {
	Name  string `json:"name"`
	Title string `json:"title,omitempty"`
	Size  int    `json:"size"` // bytes
}

// Journal keeps what was said, for longer than the process lives. The room has
// one journal and is its only writer. IDs are derived from what makes a message
// one message (Message.Key, the client's delivery), so that a journal that is
// idempotent by ID makes the room idempotent by both, across restarts too.
type Journal interface {
	// Append keeps a new entry. It changes nothing and reports false when there
	// is one with the same ID.
	Append(ctx context.Context, e Entry) (added bool, err error)
	// Replace puts e in the place of the entry with the same ID, or returns
	// ErrNoEntry.
	Replace(ctx context.Context, e Entry) error
	// Get returns the entry with the given ID, or ErrNoEntry.
	Get(ctx context.Context, id string) (Entry, error)
	// Recent returns the last n entries of a channel, oldest first: ordered by
	// Time, then by ID. It includes private ones.
	Recent(ctx context.Context, channel string, n int) ([]Entry, error)
	// KeepFile keeps the content of a file of the entry with the given ID, which
	// may be appended later. Keeping it again replaces it.
	KeepFile(ctx context.Context, id, name string, content []byte) error
	// File returns the content of a file, or ErrNoEntry.
	File(ctx context.Context, id, name string) ([]byte, error)
}

// ErrNoEntry: the journal has no such entry.
var ErrNoEntry = errors.New("no such message")

// MemoryJournal is a Journal that forgets everything with the process: for tests
// and rooms that need no memory. The zero value is ready.
type MemoryJournal struct {
	mu      sync.Mutex
	entries map[string]Entry
	order   map[string][]string  // channel -> IDs, by Time and ID
	files   map[[2]string][]byte // by the entry's ID and the name
}

var _ Journal = (*MemoryJournal)(nil)

// Append implements Journal.
func (j *MemoryJournal) Append(ctx context.Context, e Entry) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, there := j.entries[e.ID]; there {
		return false, nil
	}
	if j.entries == nil {
		j.entries, j.order = map[string]Entry{}, map[string][]string{}
	}
	at, _ := slices.BinarySearchFunc(j.order[e.Channel], e, func(id string, e Entry) int {
		return cmp.Or(j.entries[id].Time.Compare(e.Time), cmp.Compare(id, e.ID))
	})
	j.entries[e.ID] = e
	j.order[e.Channel] = slices.Insert(j.order[e.Channel], at, e.ID)
	return true, nil
}

// Replace implements Journal.
func (j *MemoryJournal) Replace(ctx context.Context, e Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, there := j.entries[e.ID]; !there {
		return ErrNoEntry
	}
	j.entries[e.ID] = e
	return nil
}

// Get implements Journal.
func (j *MemoryJournal) Get(ctx context.Context, id string) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	e, there := j.entries[id]
	if !there {
		return Entry{}, ErrNoEntry
	}
	return e, nil
}

// Recent implements Journal.
func (j *MemoryJournal) Recent(ctx context.Context, channel string, n int) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	ids := j.order[channel]
	ids = ids[max(0, len(ids)-n):]
	out := make([]Entry, len(ids))
	for i, id := range ids {
		out[i] = j.entries[id]
	}
	return out, nil
}

// KeepFile implements Journal.
func (j *MemoryJournal) KeepFile(ctx context.Context, id, name string, content []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.files == nil {
		j.files = map[[2]string][]byte{}
	}
	j.files[[2]string{id, name}] = bytes.Clone(content)
	return nil
}

// File implements Journal.
func (j *MemoryJournal) File(ctx context.Context, id, name string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	content, there := j.files[[2]string{id, name}]
	if !there {
		return nil, ErrNoEntry
	}
	return content, nil
}
