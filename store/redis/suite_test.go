//go:build unix

package redis

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"petrel/store"
	"petrel/store/redis/redistest"
	"petrel/store/storetest"
)

func openAddress(ctx context.Context, url string) (store.Backend, error) {
	b, err := Open(ctx, url, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func TestMain(m *testing.M) { storetest.Main(m, openAddress) }

var places atomic.Int64 // counts prefixes, so that no two tests share one

func place() string { return fmt.Sprint("place-", places.Add(1)) }

func TestContract(t *testing.T) {
	s := redistest.Start(t)
	h := storetest.Harness{
		Place: func(testing.TB) string { return s.URL(place()) },
		Open:  openAddress,
	}
	t.Run("Alone", func(t *testing.T) { storetest.Run(t, h) })
	t.Run("Shared", func(t *testing.T) { storetest.RunShared(t, h) })
}
