package server

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"petrel/adapters/terminal"
	"petrel/adapters/terminal/journaltest"
	"petrel/store/sqlite"
)

func TestJournal(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) terminal.Journal {
		path := filepath.Join(t.TempDir(), "petrel.db")
		b, err := sqlite.Open(context.Background(), path, sqlite.Options{Synchronous: "normal", Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return journal{b}
	})
}
