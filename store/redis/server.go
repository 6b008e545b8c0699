package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"petrel/store"
)

// schema is the version of the keys as lua/lib.lua describes them. Version 2 put
// several events into an entry of the log; the entries of version 1 can be read, so
// that there is nothing to convert.
const schema = 2

const (
	sweepEvery = 10 * time.Minute
	sweepIdle  = time.Hour
)

// checkServer refuses a server that is too old and warns of settings under which
// accepted work can be lost.
func (b *Backend) checkServer(ctx context.Context) error {
	info, err := b.rdb.Info(ctx).Result()
	if err != nil {
		return err
	}
	facts := map[string]string{}
	for line := range strings.Lines(info) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			facts[key] = value
		}
	}
	version := facts["redis_version"] // Valkey says which Redis it is like
	if !atLeast(version, 6, 2) {
		return fmt.Errorf("the server is Redis %s, it has to be 6.2 or later: %w", version, store.ErrUnavailable)
	}
	warn := func(setting, why string) {
		b.log.Warn("a setting of Redis puts data at risk", "redis", b.addr.String(), "setting", setting, "why", why)
	}
	if facts["aof_enabled"] == "0" {
		warn("appendonly no", "a restart loses what was accepted since the last snapshot; set appendonly yes")
	}
	if policy := facts["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		warn("maxmemory-policy "+policy, "queues and documents may be evicted when memory is full; set noeviction")
	}
	if facts["role"] == "slave" {
		warn("role replica", "it refuses writes; give the address of the master, or of the Sentinels with master_name")
	}
	config, err := b.rdb.ConfigGet(ctx, "appendfsync").Result()
	switch {
	case judge(err) == doubtful:
		return err
	case err != nil:
		b.log.Info("settings of Redis could not be read, its ACL does not allow it", "redis", b.addr.String(), "error", err)
	case config["appendfsync"] == "no" && facts["aof_enabled"] == "1":
		warn("appendfsync no", "a power cut may lose what was accepted in the last half minute; set everysec or always")
	}
	return nil
}

func atLeast(version string, major, minor int) bool {
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return false
	}
	ma, err1 := strconv.Atoi(parts[0])
	mi, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (ma > major || ma == major && mi >= minor)
}

// checkSchema records the schema version in an empty place and compares it with
// the one that is there.
func (b *Backend) checkSchema(ctx context.Context) error {
	key := b.prefix + "meta"
	raw, err := b.rdb.HGet(ctx, key, "schema").Result()
	if errors.Is(err, redis.Nil) {
		if err := b.rdb.HSetNX(ctx, key, "schema", schema).Err(); err != nil {
			return err
		}
		raw, err = b.rdb.HGet(ctx, key, "schema").Result()
	}
	if err != nil {
		return err
	}
	version, err := strconv.Atoi(raw)
	if err != nil {
		return fmt.Errorf("%s holds no schema version: %w: %w", key, err, store.ErrInvalid)
	}
	if version > schema {
		return fmt.Errorf("the data has schema version %d, this program knows up to %d; use a newer program: %w",
			version, schema, store.ErrNewer)
	}
	if version < schema { // programs that know less must not open it any more
		return b.rdb.HSet(ctx, key, "schema", schema).Err()
	}
	return nil
}

// sweep removes consumers that are long gone and hold nothing, now and then.
func (b *Backend) sweep() {
	every := time.NewTicker(sweepEvery)
	defer every.Stop()
	for {
		if n, err := b.sweepConsumers(b.closing, sweepIdle); err != nil {
			if b.closing.Err() == nil {
				b.log.Warn("consumers that are gone could not be removed", "error", err)
			}
		} else if n > 0 {
			b.log.Info("removed consumers that are gone", "count", n)
		}
		select {
		case <-every.C:
		case <-b.closing.Done():
			return
		}
	}
}

func (b *Backend) sweepConsumers(ctx context.Context, idle time.Duration) (int64, error) {
	reply, err := b.again(ctx, sweepScript, millis(idle))
	n, _ := reply.(int64)
	return n, err
}
