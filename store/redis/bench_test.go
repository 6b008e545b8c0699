//go:build unix

package redis

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"petrel/store"
	"petrel/store/redis/redistest"
)

func benchBackend(b *testing.B) *Backend {
	b.Helper()
	s := redistest.Start(b)
	be, err := Open(b.Context(), s.URL(place()), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := be.Close(); err != nil {
			b.Error(err)
		}
	})
	return be
}

// serverTime starts to measure how much processor time the server spends.
func serverTime(b *testing.B, be *Backend) (report func()) {
	b.Helper()
	look := func() (seconds float64) {
		info, err := be.rdb.Info(b.Context(), "cpu").Result()
		if err != nil {
			b.Fatal(err)
		}
		for line := range strings.Lines(info) {
			if key, value, _ := strings.Cut(strings.TrimSpace(line), ":"); key == "used_cpu_sys" || key == "used_cpu_user" {
				spent, err := strconv.ParseFloat(value, 64)
				if err != nil {
					b.Fatal(err)
				}
				seconds += spent
			}
		}
		return seconds
	}
	begun := look()
	return func() { b.ReportMetric((look()-begun)*1e6/float64(b.N), "server-µs/op") }
}

// stageBatch is what a stage of the program typically commits.
func stageBatch(id string) *store.Batch {
	return &store.Batch{
		Puts: []store.Put{{Collection: "execution", ID: id, Body: make([]byte, 1024), Index: []store.IndexEntry{
			{Index: "status", Value: "requested", Sort: id}, {Index: "action", Value: "core.noop", Sort: id},
		}}},
		Pushes: []store.Push{{Queue: "actions", ID: id}},
		Events: []store.Event{{Type: "execution.created", Key: id, Body: make([]byte, 256)}},
	}
}

func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			be := benchBackend(b)
			var n atomic.Int64
			b.ResetTimer()
			report := serverTime(b, be)
			spread(b, writers, func() error {
				return be.Commit(b.Context(), stageBatch(fmt.Sprintf("%024d", n.Add(1))))
			})
			report()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// spread runs b.N calls on some goroutines.
func spread(b *testing.B, workers int, call func() error) {
	b.Helper()
	var n atomic.Int64
	done := make(chan error, workers)
	for range workers {
		go func() {
			for n.Add(1) <= int64(b.N) {
				if err := call(); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range workers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPushToLease measures, with nothing else going on, the time from the
// start of a commit that pushes until a waiting consumer has the item.
func BenchmarkPushToLease(b *testing.B) {
	be := benchBackend(b)
	got := make(chan store.Item)
	go func() {
		for {
			items, err := be.Lease(b.Context(), store.LeaseRequest{Queue: "q", Holder: "h", Max: 1, TTL: time.Minute})
			if err != nil {
				close(got)
				return
			}
			got <- items[0]
		}
	}()
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		if err := be.Commit(b.Context(), &store.Batch{Pushes: []store.Push{{Queue: "q", ID: "x"}}}); err != nil {
			b.Fatal(err)
		}
		it := <-got
		took = append(took, time.Since(start))
		if err := be.Commit(b.Context(), &store.Batch{Acks: []store.Item{it}}); err != nil {
			b.Fatal(err)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkCycle is the work of one queue item: lease it, then commit the
// acknowledgement with the change of a document, an event and the next push.
func BenchmarkCycle(b *testing.B) {
	for _, workers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			be := benchBackend(b)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			for fill := 0; fill < b.N; {
				batch := &store.Batch{}
				for range 500 {
					batch.Pushes = append(batch.Pushes, store.Push{Queue: "in", ID: fmt.Sprint(fill)})
					fill++
				}
				if err := be.Commit(ctx, batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ResetTimer()
			report := serverTime(b, be)
			spread(b, workers, func() error {
				items, err := be.Lease(ctx, store.LeaseRequest{Queue: "in", Holder: "h", Max: 1, TTL: time.Minute})
				if err != nil {
					return err
				}
				next := stageBatch(items[0].ID)
				next.Acks = items
				return be.Commit(ctx, next)
			})
			report()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
		})
	}
}

// BenchmarkPing is the bare limit: a round trip with nothing in it, and a script
// that does nothing, alone and in the pipelines that everything travels in.
func BenchmarkPing(b *testing.B) {
	for _, workers := range []int{1, 64} {
		b.Run(fmt.Sprintf("empty-script/workers=%d", workers), func(b *testing.B) {
			be := benchBackend(b)
			b.ResetTimer()
			spread(b, workers, func() error {
				_, err := be.run(b.Context(), unlockScript, "nothing", "nobody")
				return err
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "scripts/s")
		})
	}
}
