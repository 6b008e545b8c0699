package terminal_test

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"petrel/adapters"
	"petrel/adapters/adaptertest"
	"petrel/adapters/terminal"
	people "petrel/tests/fakes/terminal"
)

// TestContract holds the terminal room to what every platform must do.
func TestContract(t *testing.T) {
	features := adaptertest.Features{
		Mentions: true, Direct: true, Idempotent: true, KeyOutlivesProcess: true,
		Redelivers: true, Drops: true, Slows: true,
	}
	adaptertest.Run(t, features, newHarness)
}

// slowJournal is where the room's slowness comes from.
type slowJournal struct {
	terminal.MemoryJournal
	mu    sync.Mutex
	delay time.Duration
}

func (j *slowJournal) Append(ctx context.Context, e terminal.Entry) (bool, error) {
	j.mu.Lock()
	delay := j.delay
	j.mu.Unlock()
	select {
	case <-time.After(delay):
		return j.MemoryJournal.Append(ctx, e)
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// harness is a room on a socket, and people with sessions in it.
type harness struct {
	t       *testing.T
	path    string
	journal *slowJournal
	room    *terminal.Server
	serving sync.WaitGroup
	stop    context.CancelFunc
	*people.People
}

func newHarness(t *testing.T) adaptertest.Harness {
	h := &harness{t: t, path: filepath.Join(t.TempDir(), "chat.sock"), journal: &slowJournal{}}
	h.People = people.NewPeople(h.path)
	h.serve()
	return h
}

func (h *harness) serve() {
	l, err := net.Listen("unix", h.path)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	room := terminal.New(terminal.Options{Journal: h.journal})
	h.room = room
	h.serving.Go(func() {
		if err := room.Serve(ctx, l); err != nil {
			h.t.Errorf("serve: %v", err)
		}
	})
}

func (h *harness) Adapter() adapters.Adapter { return h.room }

func (h *harness) Renew() adapters.Adapter {
	h.stop()
	h.serving.Wait()
	h.serve()
	return h.room
}

func (h *harness) Close() {
	h.Leave()
	h.stop()
	h.serving.Wait()
}

func (h *harness) Slow(d time.Duration) {
	h.journal.mu.Lock()
	defer h.journal.mu.Unlock()
	h.journal.delay = d
}
