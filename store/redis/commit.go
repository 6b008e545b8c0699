package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"petrel/store"
	"petrel/store/internal/codec"
)

// zipFrom is the size from which a body is compressed.
const zipFrom = 4 << 10

// slots number the commits that are under way. A script remembers the last turn
// of each slot, so that a batch whose answer was lost can be sent again: as long
// as a slot is not given to another batch, its memory stands.
type slots struct {
	turns []uint64 // of each slot
	free  []int
	doubt map[*store.Batch]doubt
}

// doubt is a batch of which nobody knows whether it was carried out.
type doubt struct {
	slot  int
	since time.Time
}

// doubtKept is for how long a batch in doubt keeps its slot, for the caller to
// try it again.
const doubtKept = 10 * time.Minute

// takeSlot returns the slot for a batch and its turn: the ones it had before, when
// it is in doubt.
func (b *Backend) takeSlot(batch *store.Batch) (slot int, turn uint64, before bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.slots
	if d, ok := s.doubt[batch]; ok {
		delete(s.doubt, batch)
		return d.slot, s.turns[d.slot], true
	}
	for other, d := range s.doubt {
		if time.Since(d.since) > doubtKept {
			delete(s.doubt, other)
			s.free = append(s.free, d.slot)
		}
	}
	if len(s.free) == 0 {
		s.turns = append(s.turns, 0)
		s.free = append(s.free, len(s.turns)-1)
	}
	slot = s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.turns[slot]++
	return slot, s.turns[slot], false
}

// prolong is 1 now and then: when the server shall keep the memory of this node
// for another hour.
func (b *Backend) prolong() int {
	now := time.Now().Unix()
	last := b.prolonged.Load()
	if now-last < 300 || !b.prolonged.CompareAndSwap(last, now) {
		return 0
	}
	return 1
}

// leaveSlot frees the slot, unless its batch is in doubt.
func (b *Backend) leaveSlot(slot int, batch *store.Batch, inDoubt bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !inDoubt {
		b.slots.free = append(b.slots.free, slot)
		return
	}
	if b.slots.doubt == nil {
		b.slots.doubt = map[*store.Batch]doubt{}
	}
	b.slots.doubt[batch] = doubt{slot, time.Now()}
}

// Commit implements store.Backend. When the connection breaks before the answer
// it asks again, until it knows, for Options.InDoubt at most.
func (b *Backend) Commit(ctx context.Context, batch *store.Batch) error {
	if err := batch.Validate(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if batch.Empty() {
		return ctx.Err()
	}
	o, err := write(batch, b.opts.Now())
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	slot, turn, before := b.takeSlot(batch)
	o.slot, o.turn, o.again = "c"+strconv.Itoa(slot), turn, before
	reply, inDoubt, err := b.insist(ctx, o)
	b.leaveSlot(slot, batch, inDoubt)
	if err == nil {
		err = outcome(batch, reply)
	}
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// insist sends a commit until its outcome is known.
func (b *Backend) insist(ctx context.Context, o *order) (reply any, inDoubt bool, err error) {
	var end time.Time
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		sent := ctx
		if inDoubt {
			sent = b.closing // not the caller's: it must not hide what is known
		}
		reply, err = b.commit(sent, o)
		if err != nil && !inDoubt && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil, false, err // it was never sent
		}
		v := judge(err)
		switch {
		case v == answered, inDoubt && hasCode(err, "OOM"):
			return reply, false, b.translate(err)
		case v == refused && !inDoubt:
			return nil, false, b.translate(err)
		case !inDoubt:
			inDoubt, end = true, time.Now().Add(b.opts.InDoubt)
		}
		o.again = true
		b.state.down(err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, true, fmt.Errorf("%w: the outcome is not known: %w", store.ErrUnavailable, err)
		case <-b.closing.Done():
			return nil, true, store.ErrClosed
		}
		if time.Now().After(end) {
			return nil, true, fmt.Errorf("%w: the outcome is not known: %w", store.ErrUnavailable, err)
		}
	}
}

// commit sends an order once.
func (b *Backend) commit(ctx context.Context, o *order) (any, error) {
	for attempt := 0; ; attempt++ {
		c := &command{order: o, size: o.size}
		err := b.pipes.do(ctx, c)
		if err != nil && attempt < 3 && hasCode(err, "NOSCRIPT") {
			if err := b.loadScripts(ctx); err != nil {
				return nil, err
			}
			continue
		}
		return c.reply, err
	}
}

// outcome turns the reply of lua/commit.lua into an error of the contract.
func outcome(batch *store.Batch, reply any) error {
	list, _ := reply.([]any)
	word := func(i int) string {
		if i >= len(list) {
			return ""
		}
		return fmt.Sprint(list[i])
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(word(i), 10, 64)
		return n
	}
	at := int(number(1)) - 1
	if reply == int64(1) {
		return nil
	}
	switch kind := word(0); {
	case kind == "LOST" && at < len(batch.Acks):
		it := batch.Acks[at]
		return fmt.Errorf("item %s of %s: %w", it.ID, it.Queue, store.ErrLeaseLost)
	case kind == "TAKEN" && at < len(batch.Claims):
		return &store.DuplicateError{Key: batch.Claims[at].Key, Value: word(2)}
	case kind == "PUT" && at < len(batch.Puts):
		p := batch.Puts[at]
		return &store.ConflictError{Collection: p.Collection, ID: p.ID, Want: p.Rev, Have: number(2)}
	case kind == "DELETE" && at < len(batch.Deletes):
		d := batch.Deletes[at]
		return &store.ConflictError{Collection: d.Collection, ID: d.ID, Want: d.Rev, Have: number(2)}
	}
	return fmt.Errorf("unexpected reply %v of the commit script", reply)
}

// pack is the stored form of a body: r and the bytes, or z and gzip.
func pack(body []byte, from int) []byte {
	return appendPacked(make([]byte, 0, 1+len(body)), body, from)
}

func appendPacked(out, body []byte, from int) []byte {
	stored, zipped := codec.Compress(body, from)
	if zipped {
		out = append(out, 'z')
	} else {
		out = append(out, 'r')
	}
	return append(out, stored...)
}

// packItem leaves an empty body empty: most items have none.
func packItem(body []byte) []byte {
	if len(body) == 0 {
		return nil
	}
	return pack(body, zipFrom)
}

func unpack(stored string) ([]byte, error) {
	if stored == "" {
		return nil, errors.New("an empty value where a packed one was expected")
	}
	switch stored[0] {
	case 'r':
		return []byte(stored[1:]), nil
	case 'z':
		return codec.Decompress([]byte(stored[1:]))
	}
	return nil, fmt.Errorf("unknown packing %q", stored[0])
}

// millis rounds up: nothing is early, and a moment is not nothing.
func millis(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
