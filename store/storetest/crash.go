package storetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"petrel/store"
)

// childAddress is the environment variable that makes a test binary the victim
// of a test instead of running tests; childTask says of which.
const (
	childAddress = "PETREL_STORETEST_CHILD"
	childTask    = "PETREL_STORETEST_TASK"
)

// Main is for a backend's TestMain. In a child process of the suite it works on
// the store until it is killed.
func Main(m *testing.M, open func(ctx context.Context, address string) (store.Backend, error)) {
	if address := os.Getenv(childAddress); address != "" {
		task := victim
		if os.Getenv(childTask) == "poison" {
			task = swallow
		}
		err := task(address, open)
		fmt.Println("!", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const (
	crashParts  = 3
	crashEvents = 2
	crashTTL    = time.Second
)

// crashBatch has a bit of everything; all of it says the same id.
func crashBatch(id, group string, at time.Time) *store.Batch {
	b := &store.Batch{
		Pushes: []store.Push{{Queue: "work", ID: id, Group: group, At: at}},
		Claims: []store.Claim{{Key: id, Value: id}},
		Blobs:  []store.Blob{{ID: id, Body: []byte(strings.Repeat(id, 100))}},
	}
	for i := range crashParts {
		b.Puts = append(b.Puts, put(fmt.Sprintf("%s/%d", id, i), 0, id,
			store.IndexEntry{Index: "parts", Value: "all", Sort: id}, store.IndexEntry{Index: "of", Value: id}))
	}
	for range crashEvents {
		b.Events = append(b.Events, store.Event{Type: "made", Key: id})
	}
	return b
}

// finish acknowledges an item together with the proof of its work, which must
// not exist yet.
func finish(it store.Item) *store.Batch {
	return &store.Batch{
		Acks:   []store.Item{it},
		Puts:   []store.Put{{Collection: "done", ID: it.ID, Body: []byte("x")}},
		Events: []store.Event{{Type: "done", Key: it.ID}},
	}
}

// victim commits and consumes until it is killed, and says what it has done:
// "+ id" for a committed batch, "- id" for a finished item. It returns when
// something unexpected happens or its standard input ends.
func victim(address string, open func(context.Context, string) (store.Backend, error)) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	b, err := open(ctx, address)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel(errors.New("the parent is gone"))
	}()
	run := fmt.Sprintf("%d-%d", time.Now().UnixNano(), os.Getpid())
	for w := range 8 {
		go func() {
			r := rand.New(rand.NewPCG(uint64(w), uint64(os.Getpid())))
			for i := 0; ; i++ {
				id, group, at := fmt.Sprintf("%s-%d-%d", run, w, i), "", time.Time{}
				switch r.IntN(4) {
				case 0:
					group = fmt.Sprint("g", w%3)
				case 1:
					at = time.Now().Add(time.Duration(r.IntN(30)) * time.Millisecond)
				}
				if err := b.Commit(ctx, crashBatch(id, group, at)); err != nil {
					cancel(err)
					return
				}
				os.Stdout.WriteString("+ " + id + "\n") // one write: whole or not at all
			}
		}()
	}
	for c := range 4 {
		go func() {
			for {
				items, err := b.Lease(ctx, store.LeaseRequest{Queue: "work", Holder: fmt.Sprint("victim-", c), Max: 2, TTL: crashTTL})
				if err != nil {
					cancel(err)
					return
				}
				for _, it := range items {
					err := b.Commit(ctx, finish(it))
					if errors.Is(err, store.ErrLeaseLost) {
						continue // the machine was so slow that the lease ended
					}
					if err != nil {
						cancel(err)
						return
					}
					os.Stdout.WriteString("- " + it.ID + "\n")
				}
			}
		}()
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

// swallow takes an item and dies of it.
func swallow(address string, open func(context.Context, string) (store.Backend, error)) error {
	b, err := open(context.Background(), address)
	if err != nil {
		return err
	}
	_, err = b.Lease(context.Background(), store.LeaseRequest{Queue: "poison", Holder: "victim", Max: 1, TTL: 200 * time.Millisecond})
	if err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	if err := self.Kill(); err != nil {
		return err
	}
	select {}
}

// testCrash kills a process that works on the store, several times over, and
// checks after each time that what it had been told is true, and that nothing
// is there by half.
func testCrash(t *testing.T, h Harness) {
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	place := h.Place(t)
	made, done := map[string]bool{}, map[string]bool{}
	for round := range rounds {
		runVictim(t, place, time.Duration(30+rand.IntN(250))*time.Millisecond, made, done)
		b, err := h.Open(t.Context(), place)
		must(t, err)
		whole := checkWhole(t, b, made)
		if round == rounds-1 {
			drain(t, b, whole, done)
		}
		must(t, b.Close())
	}
	t.Logf("%d kills, %d batches, %d items finished before a kill", rounds, len(made), len(done))
	if len(made) == 0 {
		t.Fatal("nothing was committed before the kills")
	}
}

// runVictim runs the child, kills it some time after its first commit, and adds
// what it reported.
func runVictim(t *testing.T, place string, life time.Duration, made, done map[string]bool) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), childAddress+"="+place)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	must(t, err)
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	guard := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer guard.Stop()
	lines := bufio.NewScanner(stdout)
	first := true
	for lines.Scan() {
		if first {
			first = false
			time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
		}
		kind, id, _ := strings.Cut(lines.Text(), " ")
		switch kind {
		case "+":
			made[id] = true
		case "-":
			if done[id] {
				t.Errorf("%s was finished twice", id)
			}
			done[id] = true
		default:
			t.Errorf("victim: %s", lines.Text())
		}
	}
	_ = cmd.Wait() // killed, as intended
}

// checkWhole returns the ids of all batches in the store, after checking that
// each is there in all its parts and none that was acknowledged is missing.
func checkWhole(t *testing.T, b store.Backend, made map[string]bool) map[string]bool {
	t.Helper()
	parts := map[string]int{}
	for q := (store.Query{Collection: "docs", Index: "parts", Value: "all", Limit: 1000}); ; {
		page, err := b.Query(t.Context(), q)
		must(t, err)
		for _, r := range page.Records {
			parts[string(r.Body)]++
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	told := map[string]int{}
	last, err := b.LastEvent(t.Context())
	must(t, err)
	for after := uint64(0); after < last; {
		list, err := b.Events(t.Context(), after, 1000)
		must(t, err)
		for _, e := range list {
			if e.Type == "made" {
				told[e.Key]++
			}
			after = e.Seq
		}
	}
	for id := range made {
		if parts[id] == 0 {
			t.Errorf("%s was acknowledged and is gone", id)
		}
	}
	for id := range told {
		if parts[id] == 0 {
			t.Errorf("%s has events and no documents", id)
		}
	}
	whole := map[string]bool{}
	for id, n := range parts {
		whole[id] = true
		if n != crashParts || told[id] != crashEvents {
			t.Errorf("%s: %d documents of %d, %d events of %d", id, n, crashParts, told[id], crashEvents)
		}
		if blob, err := b.Blob(t.Context(), id); err != nil || string(blob) != strings.Repeat(id, 100) {
			t.Errorf("%s: blob of %d bytes, %v", id, len(blob), err)
		}
		if err := b.Commit(t.Context(), claim(id, "again", 0)); !errors.Is(err, store.ErrDuplicate) {
			t.Errorf("%s: claim again: %v", id, err)
		}
	}
	return whole
}

// drain finishes what is left in the queue; then every batch must have been
// worked on, and each exactly once.
func drain(t *testing.T, b store.Backend, whole, done map[string]bool) {
	t.Helper()
	isDone := func(id string) bool {
		_, err := b.Get(t.Context(), "done", id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	for id := range done {
		if !isDone(id) {
			t.Errorf("%s was finished and is not", id)
		}
	}
	for {
		s, err := b.QueueStats(t.Context(), "work")
		must(t, err)
		if s.Ready+s.Leased+s.Delayed == 0 {
			break
		}
		for _, it := range lease(t, b, "work", 50, time.Minute) {
			if !whole[it.ID] {
				t.Errorf("item %s belongs to a batch that is not there", it.ID)
			}
			commit(t, b, finish(it)) // a conflict here would be a doubled item
		}
	}
	for id := range whole {
		if !isDone(id) {
			t.Errorf("item %s is lost", id)
		}
	}
}
