package server

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"petrel/config"
	"petrel/store"
	"petrel/store/redis"
	"petrel/store/sqlite"
)

// OpenStore opens the store that the configuration names.
func OpenStore(ctx context.Context, cfg *config.Config, log *slog.Logger) (store.Backend, error) {
	return OpenURL(ctx, cfg.StoreURL(), cfg.Store.Synchronous, log)
}

// OpenURL opens a store: sqlite:PATH, or a Redis by the URLs that store/redis
// understands.
func OpenURL(ctx context.Context, url, synchronous string, log *slog.Logger) (store.Backend, error) {
	scheme, path, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite":
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		b, err := sqlite.Open(ctx, path, sqlite.Options{Synchronous: synchronous, Logger: log})
		if err != nil {
			return nil, err
		}
		return b, nil
	case "redis", "rediss", "unix":
		b, err := redis.Open(ctx, url, redis.Options{Logger: log})
		if err != nil {
			return nil, err
		}
		return b, nil
	}
	return nil, fmt.Errorf("%q is no store: write sqlite:PATH or redis://host:port", config.URL(url))
}
