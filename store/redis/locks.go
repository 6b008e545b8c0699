package redis

import (
	"context"
	"fmt"
	"time"

	"petrel/store"
)

// Acquire implements store.Backend.
func (b *Backend) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (bool, error) {
	if name == "" || holder == "" || ttl <= 0 {
		return false, fmt.Errorf("acquire %q for %q, %s: %w", name, holder, ttl, store.ErrInvalid)
	}
	reply, err := b.again(ctx, lockScript, name, holder, millis(ttl))
	if err != nil {
		return false, fmt.Errorf("acquire %s: %w", name, err)
	}
	return reply == int64(1), nil
}

// Relinquish implements store.Backend.
func (b *Backend) Relinquish(ctx context.Context, name, holder string) error {
	if _, err := b.again(ctx, unlockScript, name, holder); err != nil {
		return fmt.Errorf("relinquish %s: %w", name, err)
	}
	return nil
}
