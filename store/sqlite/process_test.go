//go:build linux

package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"petrel/store"
)

// childRole makes the test binary one of the processes below; its value is the
// role and the path of the store.
const childRole = "PETREL_SQLITE_CHILD"

func runChild() {
	role, path, ok := strings.Cut(os.Getenv(childRole), ":")
	if !ok {
		return
	}
	b, err := Open(context.Background(), path, Options{})
	if err == nil {
		switch role {
		case "paused":
			err = pausedChild(b)
		case "memory":
			err = memoryChild(b)
		}
	}
	if err == nil {
		err = b.Close()
	}
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, role, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, "-test.run=^$")
	cmd.Env = append(os.Environ(), childRole+"="+role+":"+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

const pausedTTL = 1200 * time.Millisecond

// pausedChild holds an item by heartbeats while another consumer waits for it,
// and reports once it has found itself stopped for a while.
func pausedChild(b *Backend) error {
	ctx := context.Background()
	if err := b.Commit(ctx, &store.Batch{Pushes: []store.Push{{Queue: "q", ID: "x"}}}); err != nil {
		return err
	}
	r := store.LeaseRequest{Queue: "q", Holder: "h", Max: 1, TTL: pausedTTL}
	items, err := b.Lease(ctx, r)
	if err != nil {
		return err
	}
	go func() {
		if _, err := b.Lease(ctx, r); err == nil {
			fmt.Println("handed out twice")
		}
	}()
	beat := time.NewTicker(pausedTTL / 4)
	defer beat.Stop()
	last, left := time.Now(), -1
	fmt.Println("holding")
	for left != 0 {
		now := <-beat.C
		if time.Since(last) > 2*pausedTTL {
			left = 6
		}
		last = time.Now()
		lost, err := b.Extend(ctx, items, pausedTTL)
		if err != nil {
			return err
		}
		if len(lost) > 0 {
			return fmt.Errorf("lost at %v", now)
		}
		left--
	}
	fmt.Println("still held")
	return b.Commit(ctx, &store.Batch{Acks: items})
}

// TestPausedProcess: a process that is stopped (SIGSTOP, a suspended laptop) for
// longer than its leases last does not hand the same work out again when it goes
// on; the holders could not renew because they were stopped too.
func TestPausedProcess(t *testing.T) {
	t.Parallel()
	cmd, out := child(t, "paused", filepath.Join(t.TempDir(), "store.db"))
	expect := func(want string) {
		t.Helper()
		if !out.Scan() || out.Text() != want {
			t.Fatalf("the child says %q, want %q", out.Text(), want)
		}
	}
	expect("holding")
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * pausedTTL) // the pause itself
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	expect("still held")
	if out.Scan() {
		t.Fatalf("the child says %q", out.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

const queuedItems = 100_000

func memoryChild(b *Backend) error {
	for i := 0; i < queuedItems; {
		batch := &store.Batch{}
		for range 500 {
			id := fmt.Sprintf("%024d", i)
			batch.Puts = append(batch.Puts, store.Put{Collection: "execution", ID: id, Body: noise(600), Index: []store.IndexEntry{{Index: "status", Value: "requested", Sort: id}}})
			batch.Pushes = append(batch.Pushes, store.Push{Queue: "actions", ID: id, Group: fmt.Sprint(i / 3), Body: []byte(id)})
			i++
		}
		if err := b.Commit(context.Background(), batch); err != nil {
			return err
		}
	}
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); f[0] == "VmHWM:" || f[0] == "VmRSS:" {
			fmt.Println(f[0], f[1])
		}
	}
	return nil
}

// TestMemoryOfQueuedItems: 100,000 queued executions, each with its document and
// every three in a group, and how much memory the process has for them, when
// they are pushed and when they are found at the next start.
func TestMemoryOfQueuedItems(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Log("not measured: the race detector multiplies memory")
		return
	}
	path := filepath.Join(t.TempDir(), "store.db")
	cmd, out := child(t, "memory", path)
	for out.Scan() {
		var name string
		var kib int
		if _, err := fmt.Sscan(out.Text(), &name, &kib); err != nil {
			t.Fatalf("the child says %q", out.Text())
		}
		t.Logf("%s %d MiB", name, kib>>10)
		if kib > 150<<10 {
			t.Errorf("%d MiB is more than 150", kib>>10)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	b := open(t, path, Options{})
	t.Logf("opened with %d items in %v", queuedItems, time.Since(start))
	if s, err := b.QueueStats(t.Context(), "actions"); err != nil || s.Ready != queuedItems {
		t.Fatalf("%+v, %v", s, err)
	}
}

// TestRealDiskFull runs on a file system of 6 MiB, where root may mount one.
func TestRealDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
		t.Logf("not run on a real full disk: mounting a small one: %v", err)
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	t.Run("fill", func(t *testing.T) { fillDisk(t, dir) })
	t.Run("read-only", func(t *testing.T) {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=6m"); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), filepath.Join(dir, "store.db"), Options{})
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "read-only") {
			t.Fatalf("open on a read-only file system: %v", err)
		}
	})
}

func fillDisk(t *testing.T, dir string) {
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "store.db")
	b := open(t, path, Options{})
	n := 0
	put := func() error {
		id := fmt.Sprint(n)
		err := b.Commit(t.Context(), &store.Batch{
			Puts: []store.Put{{Collection: "a", ID: id, Body: noise(3000)}}, Pushes: []store.Push{{Queue: "q", ID: id}},
			Events: []store.Event{{Type: "t", Key: id}},
		})
		if err == nil {
			n++
		}
		return err
	}
	var err error
	for err == nil {
		err = put()
	}
	if !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("on a full disk: %v", err)
	}
	full := n
	for range 20 { // small commits may still fit, larger ones do not
		_ = put()
	}
	r := expectSound(t, path)
	if r.Documents != n || r.Items != n || r.Events != n {
		t.Fatalf("%d batches were accepted: %+v", n, r)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if err := put(); err != nil {
			t.Fatalf("with room again: %v", err)
		}
	}
	if it := take(t, b, time.Minute); it.ID != "0" || it.Deliveries != 1 {
		t.Fatalf("%+v", it)
	}
	t.Logf("full after %d batches (%v), %d after room was made", full, err, n)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if r := expectSound(t, path); r.Documents != n || r.Items != n {
		t.Fatalf("after closing: %d batches were accepted: %+v", n, r)
	}
}
