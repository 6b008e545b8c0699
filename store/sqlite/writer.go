package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"

	"petrel/store"
)

const (
	maxGroup = 256              // operations in one transaction
	maxNap   = time.Minute      // how late a jump of the wall clock may be noticed
	stall    = time.Second      // a pause of the process beyond this renews all leases
	purgeGap = 10 * time.Second // between two looks for expired claims
	trimStep = 256              // events beyond KeepEvents before they are removed
	maxLog   = 64 << 20         // bytes of write-ahead log before it is cut back
)

// operation is a unit of work for the writer: a batch or the release of a lease.
type operation struct {
	batch   *store.Batch
	blobs   []storedBlob
	release *releaseRequest
	taken   bool       // by the writer; guarded by Backend.mu
	done    chan error // capacity 1
	err     error
}

// writer owns the only connection that writes. Its loop gathers what waits,
// runs it as one transaction and answers.
type writer struct {
	b      *Backend
	conn   *sql.Conn
	stmt   statements
	wake   chan struct{}
	ended  chan struct{}
	synced bool // the connection's synchronous setting is FULL

	// The transaction at hand.
	nowMS     int64
	journal   []change
	nextEvent uint64
	fresh     []*entry

	oldestEvent uint64
	lastPurge   time.Time
	nextBound   time.Time
	broken      bool // the last transaction failed for want of disk or the like
}

func newWriter(ctx context.Context, b *Backend, conn *sql.Conn) (*writer, error) {
	w := &writer{b: b, conn: conn, wake: make(chan struct{}, 1), ended: make(chan struct{}), synced: true}
	if err := w.stmt.prepare(ctx, conn); err != nil {
		return nil, err
	}
	if err := w.load(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

// poke makes the loop look again.
func (w *writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// submit hands an operation to the writer and waits for its outcome; ctx counts
// until the writer has taken it up.
func (b *Backend) submit(ctx context.Context, op *operation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	op.done = make(chan error, 1)
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return store.ErrClosed
	}
	b.inbox = append(b.inbox, op)
	b.mu.Unlock()
	b.w.poke()
	select {
	case err := <-op.done:
		return err
	case <-ctx.Done():
	}
	b.mu.Lock()
	if !op.taken {
		op.taken = true // the writer passes over it
		b.mu.Unlock()
		return ctx.Err()
	}
	b.mu.Unlock()
	return <-op.done
}

func (w *writer) loop() {
	defer close(w.ended)
	nap := time.NewTimer(maxNap)
	defer nap.Stop()
	expected := time.Now()
	for {
		now := time.Now()
		w.b.mu.Lock()
		if w.b.closed {
			w.dismiss()
			w.b.mu.Unlock()
			return
		}
		if now.Sub(expected) > stall {
			w.b.board.renew(now)
		}
		w.nowMS = w.b.nowMS()
		w.b.board.tick(now, w.nowMS)
		group := w.gather()
		idle := len(group) == 0 && !w.b.board.wanted()
		rest, timed := w.b.board.wait(now, w.nowMS)
		w.b.mu.Unlock()
		if !idle {
			expected = now
			w.run(group)
			continue
		}
		if !timed || rest > maxNap {
			rest = maxNap
		}
		expected = now.Add(rest)
		nap.Reset(rest)
		select {
		case <-w.wake:
			if woken := time.Now(); woken.Before(expected) {
				expected = woken
			}
		case <-nap.C:
		case <-w.b.closing:
		}
	}
}

// gather takes the next group out of the inbox. Backend.mu is held.
func (w *writer) gather() []*operation {
	var group []*operation
	n := 0
	for _, op := range w.b.inbox {
		if len(group) == maxGroup {
			break
		}
		n++
		if !op.taken {
			op.taken = true
			group = append(group, op)
		}
	}
	rest := copy(w.b.inbox, w.b.inbox[n:])
	clear(w.b.inbox[rest:])
	w.b.inbox = w.b.inbox[:rest]
	return group
}

// dismiss refuses everything that waits. Backend.mu is held.
func (w *writer) dismiss() {
	for _, op := range w.b.inbox {
		if !op.taken {
			op.taken = true
			op.done <- store.ErrClosed
		}
	}
	w.b.inbox = nil
	for _, q := range w.b.board.order {
		for wt := q.firstWaiter(); wt != nil; wt = q.firstWaiter() {
			wt.gone = true
			wt.done <- leaseResult{err: store.ErrClosed}
		}
	}
}

func (w *writer) stop() {
	w.poke()
	<-w.ended
}

func (w *writer) close() {
	w.stmt.close()
	_, _ = w.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
	_ = w.conn.Close()
}

// run executes a group as one transaction, hands ready items to whoever waits
// for them within the same transaction, and answers everybody.
func (w *writer) run(group []*operation) {
	w.nextEvent = w.b.lastEvent.Load() + 1
	firstEvent := w.nextEvent
	grants, err := w.transact(group)
	w.b.mu.Lock()
	for _, e := range w.fresh {
		e.fresh = nil
	}
	w.fresh = w.fresh[:0]
	if err != nil {
		w.undo(0)
	} else {
		w.settle()
	}
	if err == nil && w.nextEvent > firstEvent {
		w.b.lastEvent.Store(w.nextEvent - 1)
		close(w.b.newEvent)
		w.b.newEvent = make(chan struct{})
	}
	w.b.mu.Unlock()
	w.report(err)
	defer w.boundLog()
	for _, op := range group {
		if err != nil {
			op.err = err
		}
		op.done <- op.err
	}
	for _, g := range grants {
		if err != nil {
			g.items = nil
		}
		g.waiter.done <- leaseResult{g.items, err}
	}
}

// transact runs the group between BEGIN and COMMIT. An error means that nothing
// of it happened; the failure of a single operation is left in it.
func (w *writer) transact(group []*operation) (grants []*handout, err error) {
	durable := false
	for _, op := range group {
		durable = durable || op.batch != nil
	}
	defer func() {
		if err != nil {
			_, _ = w.stmt.rollback.Exec() // may have been rolled back already
			err = translate(err)
		}
	}()
	if err := w.setSync(durable && w.b.opts.Synchronous == "full"); err != nil {
		return w.abandon(err)
	}
	if err := w.intern(group); err != nil {
		return w.abandon(err)
	}
	if _, err := w.stmt.begin.Exec(); err != nil {
		return w.abandon(err)
	}
	for _, op := range group {
		if err := w.attempt(op); err != nil {
			return w.abandon(err)
		}
	}
	if err := w.housekeep(); err != nil {
		return w.abandon(err)
	}
	grants, err = w.handOut()
	if err != nil {
		return grants, err
	}
	_, err = w.stmt.commit.Exec()
	return grants, err
}

// abandon gives the waiting Lease calls that could have been served the error
// too: they would otherwise make the loop try again without a pause.
func (w *writer) abandon(err error) ([]*handout, error) {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	var grants []*handout
	for _, q := range w.b.board.order {
		for wt := q.firstWaiter(); wt != nil && q.hasReady(); wt = q.firstWaiter() {
			wt.gone = true
			grants = append(grants, &handout{waiter: wt})
		}
	}
	return grants, err
}

// attempt runs one operation so that its failure leaves the others untouched.
// It returns an error only when the whole transaction is lost.
func (w *writer) attempt(op *operation) error {
	mark, event := len(w.journal), w.nextEvent
	if _, err := w.stmt.savepoint.Exec(); err != nil {
		return err
	}
	if op.release != nil {
		op.err = w.applyRelease(op.release)
	} else {
		op.err = w.applyBatch(op)
	}
	if op.err == nil {
		_, err := w.stmt.releaseSavepoint.Exec()
		return err
	}
	if unavailable(op.err) {
		return op.err
	}
	w.b.mu.Lock()
	w.undo(mark)
	w.b.mu.Unlock()
	w.nextEvent = event
	if _, err := w.stmt.rollbackTo.Exec(); err != nil {
		return err
	}
	_, err := w.stmt.releaseSavepoint.Exec()
	return err
}

// setSync switches whether COMMIT waits for the disk. A transaction that only
// records deliveries need not: it must survive the process, not a power cut.
func (w *writer) setSync(full bool) error {
	if w.synced == full {
		return nil
	}
	level := "PRAGMA synchronous=NORMAL"
	if full {
		level = "PRAGMA synchronous=FULL"
	}
	// Not a prepared statement: this pragma acts when it is compiled.
	if _, err := w.conn.ExecContext(context.Background(), level); err != nil {
		return err
	}
	w.synced = full
	return nil
}

// report logs the first failure of a series and the end of the series.
func (w *writer) report(err error) {
	failed := err != nil && errors.Is(err, store.ErrUnavailable)
	if failed == w.broken {
		return
	}
	w.broken = failed
	if failed {
		w.b.log.Error("store refuses writes", "path", w.b.path, "error", err)
	} else {
		w.b.log.Info("store accepts writes again", "path", w.b.path)
	}
}

// housekeep removes what has outlived its time, a little with each group.
func (w *writer) housekeep() error {
	last := w.nextEvent - 1
	if keep := uint64(w.b.opts.KeepEvents); last > keep && last-keep > w.oldestEvent+trimStep {
		upTo := min(last-keep, w.oldestEvent+4096)
		if _, err := w.stmt.trimEvents.Exec(int64(upTo)); err != nil {
			return fmt.Errorf("trim events: %w", err)
		}
		w.oldestEvent = upTo
	}
	if now := time.Now(); now.Sub(w.lastPurge) > purgeGap {
		if _, err := w.stmt.purgeClaims.Exec(w.nowMS); err != nil {
			return fmt.Errorf("purge claims: %w", err)
		}
		w.lastPurge = now
	}
	return nil
}

// boundLog cuts the write-ahead log back when it has outgrown its bound: SQLite's
// own checkpoints cannot start it anew while some reader is always active. It
// waits a moment for readers, commits wait that long too, and tries again later
// when one (a backup, say) does not end.
func (w *writer) boundLog() {
	info, err := os.Stat(w.b.path + "-wal")
	if err != nil || info.Size() < maxLog || time.Now().Before(w.nextBound) {
		return
	}
	w.nextBound = time.Now().Add(time.Second)
	ctx := context.Background()
	var busy, pages, moved int
	_, err = w.conn.ExecContext(ctx, "PRAGMA busy_timeout=100")
	if err == nil {
		err = w.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
	}
	if _, restore := w.conn.ExecContext(ctx, "PRAGMA busy_timeout=5000"); err == nil {
		err = restore
	}
	if err != nil {
		w.b.log.Warn("write-ahead log could not be cut back", "path", w.b.path, "bytes", info.Size(), "error", err)
		return
	}
	if busy != 0 {
		w.b.log.Debug("write-ahead log is held by a reader", "path", w.b.path, "bytes", info.Size())
	}
}
