package tests

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"petrel/store"
	"petrel/store/sqlite"
)

// TestNothingLostNothingTwice gives the real program commands and webhooks,
// kills it again and again in the middle of them, and then looks whether every
// input that was accepted has exactly one outcome and one answer.
func TestNothingLostNothingTwice(t *testing.T) {
	const commands, webhooks, kills = 100, 100, 10
	p := install(t, "packs: [packs]\n")
	l := &load{t: t, marks: p.file("marks")}
	p.addPack("load", l.pack())
	p.start()
	var inputs sync.WaitGroup
	inputs.Go(func() { l.say(p, func(n int) bool { return n < commands }) })
	inputs.Go(func() { l.post(p, p, func(n int) bool { return n < webhooks }) })
	for range kills {
		time.Sleep(50*time.Millisecond + rand.N(350*time.Millisecond)) // a moment at random is the point
		p.kill()
		p.spawn()
	}
	p.awaitReady()
	inputs.Wait()
	l.settle(time.Minute)
	if took, code := p.stop(); code != 0 || took > 10*time.Second {
		t.Errorf("stopping took %s and gave exit code %d", took, code)
	}
	t.Logf("%d kills: %s", kills, l.audit(openSQLite(t, p.file("data", "petrel.db"))))
}

// openSQLite opens the store of a program that has stopped.
func openSQLite(t *testing.T, path string) store.Backend {
	t.Helper()
	b, err := sqlite.Open(context.Background(), path, sqlite.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}
