// Baseline measures the bare limits that petrel bench is compared with, on the
// same machine and in the same run: asynq with a handler that does nothing, one
// Lua script a batch, SQLite transactions, fork and exec. It is a module of its
// own, so that the product does not depend on what it measures.
package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"
)

type report struct {
	AsynqDrain   float64 `json:"asynq_noop_tasks_per_second,omitempty"`
	LuaBatches   float64 `json:"lua_batches_per_second,omitempty"`
	SQLiteFull   float64 `json:"sqlite_transactions_per_second_full"`
	SQLiteNormal float64 `json:"sqlite_transactions_per_second_normal"`
	ForkExecMS   float64 `json:"fork_exec_true_p50_ms"`
}

func main() {
	addr := flag.String("redis", "", "host:port of an empty Redis")
	n := flag.Int("n", 10_000, "tasks and batches")
	flag.Parse()
	r, err := measure(context.Background(), *addr, *n)
	if err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err)
		os.Exit(1)
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		os.Exit(1)
	}
}

func measure(ctx context.Context, addr string, n int) (r report, err error) {
	if addr != "" {
		if r.AsynqDrain, err = asynqDrain(addr, n); err != nil {
			return r, err
		}
		if r.LuaBatches, err = luaBatches(ctx, addr, n); err != nil {
			return r, err
		}
	}
	if r.SQLiteFull, err = transactions(ctx, "FULL", n/10); err != nil {
		return r, err
	}
	if r.SQLiteNormal, err = transactions(ctx, "NORMAL", n/10); err != nil {
		return r, err
	}
	r.ForkExecMS, err = forkExec(200)
	return r, err
}

// asynqDrain fills a queue and measures how fast it is emptied.
func asynqDrain(addr string, n int) (float64, error) {
	opt := asynq.RedisClientOpt{Addr: addr}
	client := asynq.NewClient(opt)
	defer client.Close()
	for range n {
		if _, err := client.Enqueue(asynq.NewTask("noop", []byte(`{"n":1}`))); err != nil {
			return 0, err
		}
	}
	var done atomic.Int64
	all := make(chan struct{})
	server := asynq.NewServer(opt, asynq.Config{Concurrency: 64, LogLevel: asynq.FatalLevel})
	begun := time.Now()
	if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		if done.Add(1) == int64(n) {
			close(all)
		}
		return nil
	})); err != nil {
		return 0, err
	}
	<-all
	took := time.Since(begun)
	server.Shutdown()
	return float64(n) / took.Seconds(), nil
}

// batch is about what a step between two stages writes.
var batch = redis.NewScript(`
redis.call('HSET', KEYS[1], 'rev', 1, 'body', ARGV[1])
redis.call('ZADD', KEYS[2], 0, ARGV[2])
redis.call('XADD', KEYS[3], '*', 'id', ARGV[2])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', 1000, '*', 'e', ARGV[2])
return 1`)

func luaBatches(ctx context.Context, addr string, n int) (float64, error) {
	rdb := redis.NewClient(&redis.Options{Addr: addr, PoolSize: 64})
	defer rdb.Close()
	body := make([]byte, 700)
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var group sync.WaitGroup
	begun := time.Now()
	for range 64 {
		group.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				id := fmt.Sprint("bare-", i)
				if err := batch.Run(ctx, rdb, []string{"{b}:" + id, "{b}:index", "{b}:queue", "{b}:events"}, body, id).Err(); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(n) / time.Since(begun).Seconds(), nil
}

// transactions commits one row at a time.
func transactions(ctx context.Context, synchronous string, n int) (float64, error) {
	dir, err := os.MkdirTemp("", "baseline-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "b.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous("+synchronous+")&_txlock=immediate")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)"); err != nil {
		return 0, err
	}
	body := make([]byte, 700)
	begun := time.Now()
	for range n {
		if _, err := db.ExecContext(ctx, "INSERT INTO t (body) VALUES (?)", body); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(begun).Seconds(), nil
}

func forkExec(n int) (float64, error) {
	samples := make([]time.Duration, n)
	for i := range samples {
		begun := time.Now()
		if err := exec.Command("sh", "-c", "true").Run(); err != nil {
			return 0, err
		}
		samples[i] = time.Since(begun)
	}
	slices.Sort(samples)
	return float64(samples[n/2].Microseconds()) / 1000, nil
}
