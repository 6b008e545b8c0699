package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"petrel/store"
)

func benchBackend(b *testing.B, sync string) *Backend {
	b.Helper()
	be, err := Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"), Options{Synchronous: sync})
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
	for _, sync := range []string{"full", "normal"} {
		for _, writers := range []int{1, 64} {
			b.Run(fmt.Sprintf("sync=%s/writers=%d", sync, writers), func(b *testing.B) {
				be := benchBackend(b, sync)
				var n atomic.Int64
				b.SetParallelism((writers + 1) / 2)
				b.ResetTimer()
				if writers == 1 {
					for b.Loop() {
						if err := be.Commit(b.Context(), stageBatch(fmt.Sprintf("%024d", n.Add(1)))); err != nil {
							b.Fatal(err)
						}
					}
				} else {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							if err := be.Commit(b.Context(), stageBatch(fmt.Sprintf("%024d", n.Add(1)))); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			})
		}
	}
}

// BenchmarkPushToLease measures, with nothing else going on, the time from the
// start of a commit that pushes until a waiting consumer has the item.
func BenchmarkPushToLease(b *testing.B) {
	for _, sync := range []string{"full", "normal"} {
		b.Run("sync="+sync, func(b *testing.B) {
			be := benchBackend(b, sync)
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
		})
	}
}

// BenchmarkCycle is the work of one queue item: lease it, then commit the
// acknowledgement with the change of a document, an event and the next push.
func BenchmarkCycle(b *testing.B) {
	for _, workers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			be := benchBackend(b, "full")
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			var n atomic.Int64
			fill := 0
			for fill < b.N {
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
			done := make(chan error, workers)
			for range workers {
				go func() {
					for n.Add(1) <= int64(b.N) {
						items, err := be.Lease(ctx, store.LeaseRequest{Queue: "in", Holder: "h", Max: 1, TTL: time.Minute})
						if err == nil {
							next := stageBatch(items[0].ID)
							next.Acks = items
							err = be.Commit(ctx, next)
						}
						if err != nil {
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
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
		})
	}
}
