package sqlite

import (
	"context"
	"fmt"
	"time"

	"petrel/store"
)

// namedLock lives in memory: whoever could hold it shares this process, so that
// its death gives it back.
type namedLock struct {
	holder string
	until  time.Time
}

// Acquire implements store.Backend.
func (b *Backend) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if name == "" || holder == "" || ttl <= 0 {
		return false, fmt.Errorf("acquire %q for %q, %s: %w", name, holder, ttl, store.ErrInvalid)
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false, store.ErrClosed
	}
	if l, taken := b.locks[name]; taken && l.holder != holder && l.until.After(now) {
		return false, nil
	}
	b.locks[name] = namedLock{holder, now.Add(ttl)}
	return true, nil
}

// Relinquish implements store.Backend.
func (b *Backend) Relinquish(ctx context.Context, name, holder string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return store.ErrClosed
	}
	if b.locks[name].holder == holder {
		delete(b.locks, name)
	}
	return nil
}
