package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"petrel/store"
	"petrel/store/storetest"
)

func openAddress(ctx context.Context, path string) (store.Backend, error) {
	b, err := Open(ctx, path, Options{})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func TestMain(m *testing.M) {
	runChild()
	storetest.Main(m, openAddress)
}

func TestContract(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Place: func(t testing.TB) string { return filepath.Join(t.TempDir(), "store.db") },
		Open:  openAddress,
	})
}
