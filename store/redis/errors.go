package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"petrel/store"
)

// refusals are the codes with which a server declines to work for now. A script
// that meets one has changed nothing.
var refusals = [...]string{
	"OOM", "READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS", "MISCONF", "BUSY",
	"NOAUTH", "WRONGPASS", "NOPERM",
}

// hasCode reports whether the server's error is of this code, also when a script
// met it, in which case the code is somewhere in the text.
func hasCode(err error, code string) bool {
	var re redis.Error
	if !errors.As(err, &re) {
		return false
	}
	text := re.Error()
	return strings.HasPrefix(text, code+" ") || strings.Contains(text, ": "+code+" ") || strings.Contains(text, "-"+code+" ") ||
		code == "OOM" && strings.Contains(text, "'maxmemory'")
}

// verdict is what an error says about a command.
type verdict int

const (
	answered verdict = iota // no error, or one that has nothing to do with the server's state
	refused                 // not carried out, the server is unavailable
	doubtful                // perhaps carried out
)

func judge(err error) verdict {
	if err == nil || errors.Is(err, redis.Nil) || errors.Is(err, store.ErrClosed) {
		return answered
	}
	var re redis.Error
	if errors.As(err, &re) && !errors.Is(err, redis.ErrPoolTimeout) && !errors.Is(err, redis.ErrClosed) {
		for _, code := range refusals {
			if hasCode(err, code) {
				return refused
			}
		}
		return answered
	}
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Op == "dial", errors.Is(err, redis.ErrPoolTimeout), errors.Is(err, redis.ErrClosed):
		return refused
	case strings.Contains(err.Error(), "all sentinels specified in configuration are unreachable"):
		return refused
	}
	return doubtful
}

// translate gives an error its place in the contract.
func (b *Backend) translate(err error) error {
	switch {
	case err == nil:
		b.state.up()
		return nil
	case b.closing.Err() != nil:
		return store.ErrClosed
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrClosed),
		errors.Is(err, context.Canceled):
		return err
	}
	if judge(err) == answered {
		return err
	}
	b.state.down(err)
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// health logs the beginning and the end of an outage, once each.
type health struct {
	log   *slog.Logger
	where string
	out   atomic.Bool
}

func (h *health) down(err error) {
	if h.out.CompareAndSwap(false, true) {
		h.log.Error("store unavailable", "redis", h.where, "error", err)
	}
}

func (h *health) up() {
	if h.out.Load() && h.out.CompareAndSwap(true, false) {
		h.log.Info("store available again", "redis", h.where)
	}
}
