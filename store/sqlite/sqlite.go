// Package sqlite keeps the state of the program in one SQLite file that one
// process owns. It implements store.Backend: one writer goroutine gathers the
// waiting batches into transactions (group commit), reads have a pool of their
// own, queues are tables with an index in memory that wakes waiting consumers,
// and leases live in memory, since the death of the owner frees them all.
//
// It is the only package that knows the SQLite driver, and knows nothing of
// what the documents and queues are about.
package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver's own registration as "sqlite"

	"petrel/store"
)

// Options tune a Backend. The zero value is right for most.
type Options struct {
	// Synchronous is "full" (default: a committed batch survives a power cut)
	// or "normal" (it survives the death of the process, but a power cut may
	// take the last moments; about as safe as Redis with appendfsync everysec).
	Synchronous string
	// Logger hears of refused writes and recovery. Default: slog.Default().
	Logger *slog.Logger
	// Now is the wall clock for due times, claims and events; leases and locks
	// do not follow it. Default: time.Now.
	Now func() time.Time
	// KeepEvents is how many events the log keeps. Default 100,000.
	KeepEvents int
	// Readers is the number of connections for reading. Default 4.
	Readers int
}

// Backend is an open file.
type Backend struct {
	opts Options
	path string
	log  *slog.Logger
	lock *fileLock
	w    *writer
	db   *sql.DB // the read pool
	wdb  *sql.DB // holds the writer's only connection

	names     atomic.Pointer[map[string]int64]
	lastEvent atomic.Uint64
	closing   chan struct{}

	stmtMu sync.Mutex
	stmts  map[string]*sql.Stmt // of the read pool, by text

	mu       sync.Mutex // guards what follows
	closed   bool
	inbox    []*operation
	board    *board
	newEvent chan struct{} // closed and replaced when events were appended
	locks    map[string]namedLock
}

var _ store.Backend = (*Backend)(nil)

// Open opens or creates the file at path and takes sole ownership of it until
// Close. It fails with *InUseError when another process has it, with
// store.ErrNewer when a newer program wrote it.
func Open(ctx context.Context, path string, opts Options) (*Backend, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("open store: %w", translate(err))
	}
	lock, err := lockFile(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", translate(err))
	}
	b := &Backend{
		opts: opts, path: path, log: opts.Logger, lock: lock,
		closing: make(chan struct{}), newEvent: make(chan struct{}),
		stmts: map[string]*sql.Stmt{}, locks: map[string]namedLock{},
		board: newBoard(bootNonce()),
	}
	if err := b.start(ctx); err != nil {
		b.release()
		return nil, fmt.Errorf("open store %s: %w", path, translate(err))
	}
	return b, nil
}

func (o *Options) complete() error {
	if o.Synchronous == "" {
		o.Synchronous = "full"
	}
	if o.Synchronous != "full" && o.Synchronous != "normal" {
		return fmt.Errorf("open store: synchronous is %q, want full or normal: %w", o.Synchronous, store.ErrInvalid)
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.KeepEvents <= 0 {
		o.KeepEvents = 100_000
	}
	if o.Readers <= 0 {
		o.Readers = 4
	}
	return nil
}

func (b *Backend) start(ctx context.Context) (err error) {
	b.wdb, err = sql.Open("sqlite", dsn(b.path, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {
			"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-8000)",
			"wal_autocheckpoint(2000)", "journal_size_limit(67108864)", "temp_store(MEMORY)",
		},
	}))
	if err != nil {
		return err
	}
	b.wdb.SetMaxOpenConns(1)
	conn, err := b.wdb.Conn(ctx)
	if err != nil {
		return err
	}
	if err := migrate(ctx, conn, b.path); err != nil {
		return err
	}
	b.db, err = openPool(b.path, b.opts.Readers)
	if err != nil {
		return err
	}
	b.w, err = newWriter(ctx, b, conn)
	if err != nil {
		return err
	}
	go b.w.loop()
	return nil
}

// openPool opens connections that cannot write.
func openPool(path string, size int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, url.Values{
		"_pragma": {"busy_timeout(5000)", "query_only(1)", "cache_size(-2000)", "temp_store(MEMORY)"},
	}))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

func dsn(path string, q url.Values) string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "file:" + strings.Join(parts, "/") + "?" + q.Encode()
}

// Close finishes the transaction at hand, refuses everything else with
// ErrClosed and gives the file free.
func (b *Backend) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	close(b.closing)
	b.mu.Unlock()
	b.w.stop()
	return b.release()
}

// release closes whatever start opened.
func (b *Backend) release() error {
	var firstErr error
	keep := func(err error) {
		if firstErr == nil && err != nil {
			firstErr = err
		}
	}
	b.stmtMu.Lock()
	for _, s := range b.stmts {
		keep(s.Close())
	}
	b.stmtMu.Unlock()
	if b.db != nil {
		keep(b.db.Close())
	}
	if b.wdb != nil {
		if b.w != nil {
			b.w.close()
		}
		keep(b.wdb.Close())
	}
	keep(b.lock.unlock())
	if firstErr != nil {
		return fmt.Errorf("close store %s: %w", b.path, firstErr)
	}
	return nil
}

// nowMS is the wall clock in Unix milliseconds.
func (b *Backend) nowMS() int64 { return b.opts.Now().UnixMilli() }

func bootNonce() uint64 {
	var raw [8]byte
	_, _ = rand.Read(raw[:]) // never fails, see crypto/rand
	return binary.LittleEndian.Uint64(raw[:]) >> 16 << 8
}
