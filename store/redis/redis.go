// Package redis keeps the state of the program in Redis (6.2 or later, or Valkey),
// where any number of processes share it. It implements store.Backend: a batch
// is one Lua script, queues are streams with a consumer group, a lane each, and
// what has to wait is woken through one stream of bells.
//
// The scripts are in lua/; lua/lib.lua lists the keys. It is the only package
// that knows go-redis, and knows nothing of what the documents and queues are
// about.
package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"petrel/store"
)

// Options tune a Backend. The zero value is right for most.
type Options struct {
	// Logger hears of settings that risk data, of outages and of recovery.
	// Default: slog.Default().
	Logger *slog.Logger
	// Now is the clock with which Push.At was made; everything else follows the
	// clock of the server. Default: time.Now.
	Now func() time.Time
	// KeepEvents is how many events the log keeps, about. Default 100,000.
	KeepEvents int
	// InDoubt is for how long Commit tries to learn what became of a batch when
	// the connection broke before the answer. Default 30 s.
	InDoubt time.Duration
}

// Backend is a connection to the place.
type Backend struct {
	opts   Options
	log    *slog.Logger
	addr   address
	prefix string
	node   string // this very Backend, in the memory of the scripts
	rdb    redis.UniversalClient
	ears   redis.UniversalClient // for the one read that blocks
	pipes  *pipes
	bell   *bell
	state  health

	prolonged atomic.Int64 // see prolong

	closing context.Context
	close   context.CancelFunc
	wg      sync.WaitGroup

	mu       sync.Mutex // guards what follows
	isClosed bool
	lines    map[string]*line
	slots    slots
}

var _ store.Backend = (*Backend)(nil)

// Open connects to the Redis at a URL:
//
//	redis://user:password@host:6379/0      rediss:// for TLS, unix:// for a socket
//	redis://user:password@host:26379/0?master_name=petrel&addr=host2:26379   through Sentinels
//	redis://host:6379?cluster=true&addr=host2:6379                           a cluster
//
// Beside the options of go-redis the query may hold prefix (of all keys, default
// petrel) and wait_replicas (a commit waits until so many replicas have it).
// It fails with ErrUnavailable when the server cannot be reached or is too old,
// with ErrNewer when a newer program wrote the data.
func Open(ctx context.Context, url string, opts Options) (*Backend, error) {
	addr, err := parseAddress(url)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.KeepEvents <= 0 {
		opts.KeepEvents = 100_000
	}
	if opts.InDoubt <= 0 {
		opts.InDoubt = 30 * time.Second
	}
	b := &Backend{
		opts: opts, log: opts.Logger, addr: addr, prefix: "{" + addr.prefix + ":0}:", node: newNode(),
		rdb: addr.client(clientOptions{}), ears: addr.client(clientOptions{blocking: true}),
		lines: map[string]*line{},
	}
	logging.Disable() // go-redis's own, of the whole process; health says what it has to say
	b.state.log, b.state.where = b.log, addr.String()
	b.closing, b.close = context.WithCancel(context.Background())
	b.pipes = newPipes(b.rdb, addr.waitReplicas, b.merge)
	if err := b.start(ctx); err != nil {
		if !errors.Is(err, store.ErrNewer) && !errors.Is(err, store.ErrInvalid) {
			err = b.translate(err)
		}
		_ = b.Close()
		return nil, fmt.Errorf("open store %s: %w", addr, err)
	}
	return b, nil
}

func (b *Backend) start(ctx context.Context) error {
	if err := b.checkServer(ctx); err != nil {
		return err
	}
	if err := b.loadScripts(ctx); err != nil {
		return err
	}
	if err := b.checkSchema(ctx); err != nil {
		return err
	}
	bell, err := newBell(ctx, b)
	if err != nil {
		return err
	}
	b.bell = bell
	b.wg.Go(b.bell.listen)
	b.wg.Go(b.sweep)
	return nil
}

// closeGrace is how long Close waits for answers that are under way.
const closeGrace = time.Second

// Close refuses everything that waits with ErrClosed and lets what is on its way
// end, if that does not take long. Leases that were not given back last until
// their time is over.
func (b *Backend) Close() error {
	b.mu.Lock()
	if b.isClosed {
		b.mu.Unlock()
		return nil
	}
	b.isClosed = true
	b.mu.Unlock()
	b.close()
	ended := make(chan struct{})
	go func() {
		b.pipes.stop()
		close(ended)
	}()
	err := b.ears.Close() // ends the blocking read at once
	select {
	case <-ended:
	case <-time.After(closeGrace):
	}
	err = errors.Join(err, b.rdb.Close()) // ends what is still under way
	<-ended
	b.wg.Wait()
	if err != nil {
		return fmt.Errorf("close store %s: %w", b.addr, err)
	}
	return nil
}

func newNode() string {
	var raw [9]byte
	_, _ = rand.Read(raw[:]) // never fails, see crypto/rand
	return hex.EncodeToString(raw[:])
}
