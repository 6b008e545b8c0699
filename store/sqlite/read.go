package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"petrel/store"
	"petrel/store/internal/codec"
)

// Get implements store.Backend.
func (b *Backend) Get(ctx context.Context, collection, id string) (store.Record, error) {
	fail := func(err error) (store.Record, error) {
		return store.Record{}, fmt.Errorf("get %s/%s: %w", collection, id, err)
	}
	coll, ok := (*b.names.Load())[collection]
	if !ok {
		return fail(b.orClosed(store.ErrNotFound))
	}
	st, err := b.reader(ctx, "SELECT rev, body FROM docs WHERE collection=? AND id=?")
	if err != nil {
		return fail(err)
	}
	rec := store.Record{ID: id}
	if err := st.QueryRowContext(ctx, coll, id).Scan(&rec.Rev, &rec.Body); err != nil {
		return fail(b.readError(err))
	}
	return rec, nil
}

// Blob implements store.Backend.
func (b *Backend) Blob(ctx context.Context, id string) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("blob %s: %w", id, err) }
	st, err := b.reader(ctx, "SELECT zip, body FROM blobs WHERE id=?")
	if err != nil {
		return fail(err)
	}
	var zipped bool
	var body []byte
	if err := st.QueryRowContext(ctx, id).Scan(&zipped, &body); err != nil {
		return fail(b.readError(err))
	}
	if !zipped {
		return body, nil
	}
	if body, err = codec.Decompress(body); err != nil {
		return fail(err)
	}
	return body, nil
}

// Query implements store.Backend.
func (b *Backend) Query(ctx context.Context, q store.Query) (store.Page, error) {
	fail := func(err error) (store.Page, error) {
		return store.Page{}, fmt.Errorf("query %s by %s: %w", q.Collection, q.Index, err)
	}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	text, args, ok, err := b.selection(q, false)
	if err != nil {
		return fail(err)
	}
	if !ok {
		return store.Page{}, b.orClosed(nil)
	}
	st, err := b.reader(ctx, text)
	if err != nil {
		return fail(err)
	}
	rows, err := st.QueryContext(ctx, append(args, q.Limit+1)...)
	if err != nil {
		return fail(b.readError(err))
	}
	defer rows.Close()
	var page store.Page
	var sort string
	for rows.Next() {
		if len(page.Records) == q.Limit {
			page.Next = codec.Cursor(sort, page.Records[q.Limit-1].ID)
			break
		}
		var rec store.Record
		if err := rows.Scan(&sort, &rec.ID, &rec.Rev, &rec.Body); err != nil {
			return fail(b.readError(err))
		}
		page.Records = append(page.Records, rec)
	}
	if err := rows.Err(); err != nil {
		return fail(b.readError(err))
	}
	return page, nil
}

// Count implements store.Backend.
func (b *Backend) Count(ctx context.Context, q store.Query) (int, error) {
	fail := func(err error) (int, error) { return 0, fmt.Errorf("count %s by %s: %w", q.Collection, q.Index, err) }
	q.After = ""
	text, args, ok, err := b.selection(q, true)
	if err != nil {
		return fail(err)
	}
	if !ok {
		return 0, b.orClosed(nil)
	}
	st, err := b.reader(ctx, text)
	if err != nil {
		return fail(err)
	}
	var n int
	if err := st.QueryRowContext(ctx, args...).Scan(&n); err != nil {
		return fail(b.readError(err))
	}
	return n, nil
}

// selection writes the SQL of a query. ok is false when it cannot select
// anything, because nothing was ever filed under such a name.
func (b *Backend) selection(q store.Query, count bool) (text string, args []any, ok bool, err error) {
	names := *b.names.Load()
	coll, ok := names[q.Collection]
	if !ok {
		return "", nil, false, nil
	}
	var sb strings.Builder
	body := "body"
	if q.IDsOnly {
		body = "NULL"
	}
	sort := "id"
	if q.Index == "" {
		columns := "'', id, rev, " + body
		if count {
			columns = "count(*)"
		}
		sb.WriteString("SELECT " + columns + " FROM docs WHERE collection=?")
		args = append(args, coll)
	} else {
		ix, ok := names[indexName(q.Collection, q.Index)]
		if !ok {
			return "", nil, false, nil
		}
		sort = "f.sort"
		if count {
			sb.WriteString("SELECT count(*) FROM filings f WHERE f.ix=? AND f.value=?")
		} else {
			sb.WriteString("SELECT f.sort, f.id, d.rev, " + body + " FROM filings f JOIN docs d ON d.collection=? AND d.id=f.id WHERE f.ix=? AND f.value=?")
			args = append(args, coll)
		}
		args = append(args, ix, q.Value)
	}
	if q.From != "" {
		sb.WriteString(" AND " + sort + ">=?")
		args = append(args, q.From)
	}
	if q.To != "" {
		sb.WriteString(" AND " + sort + "<?")
		args = append(args, q.To)
	}
	if count {
		return sb.String(), args, true, nil
	}
	op, dir := ">", ""
	if q.Desc {
		op, dir = "<", " DESC"
	}
	if q.After != "" {
		afterSort, afterID, err := codec.ParseCursor(q.After)
		if err != nil {
			return "", nil, false, err
		}
		if q.Index == "" {
			sb.WriteString(" AND id" + op + "?")
			args = append(args, afterID)
		} else {
			sb.WriteString(" AND (f.sort, f.id)" + op + "(?,?)")
			args = append(args, afterSort, afterID)
		}
	}
	if q.Index == "" {
		sb.WriteString(" ORDER BY id" + dir)
	} else {
		sb.WriteString(" ORDER BY f.sort" + dir + ", f.id" + dir)
	}
	sb.WriteString(" LIMIT ?")
	return sb.String(), args, true, nil
}

// Events implements store.Backend.
func (b *Backend) Events(ctx context.Context, after uint64, limit int) ([]store.Event, error) {
	if limit < 1 {
		return nil, fmt.Errorf("events: at most %d: %w", limit, store.ErrInvalid)
	}
	for {
		b.mu.Lock()
		more, closed := b.newEvent, b.closed
		b.mu.Unlock()
		if closed {
			return nil, store.ErrClosed
		}
		if b.lastEvent.Load() > after {
			return b.readEvents(ctx, after, limit)
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-b.closing:
			return nil, store.ErrClosed
		}
	}
}

func (b *Backend) readEvents(ctx context.Context, after uint64, limit int) ([]store.Event, error) {
	fail := func(err error) ([]store.Event, error) { return nil, fmt.Errorf("events after %d: %w", after, err) }
	st, err := b.reader(ctx, "SELECT seq, at, type, key, body FROM events WHERE seq>? ORDER BY seq LIMIT ?")
	if err != nil {
		return fail(err)
	}
	rows, err := st.QueryContext(ctx, int64(after), limit)
	if err != nil {
		return fail(b.readError(err))
	}
	defer rows.Close()
	var list []store.Event
	for rows.Next() {
		var e store.Event
		var at int64
		if err := rows.Scan(&e.Seq, &at, &e.Type, &e.Key, &e.Body); err != nil {
			return fail(b.readError(err))
		}
		e.Time = time.UnixMilli(at)
		list = append(list, e)
	}
	if err := rows.Err(); err != nil {
		return fail(b.readError(err))
	}
	return list, nil
}

// LastEvent implements store.Backend.
func (b *Backend) LastEvent(ctx context.Context) (uint64, error) {
	if err := b.orClosed(ctx.Err()); err != nil {
		return 0, err
	}
	return b.lastEvent.Load(), nil
}

// reader returns a prepared statement of the read pool.
func (b *Backend) reader(ctx context.Context, text string) (*sql.Stmt, error) {
	b.stmtMu.Lock()
	defer b.stmtMu.Unlock()
	if err := b.orClosed(ctx.Err()); err != nil { // under the lock: Close takes the statements away
		return nil, err
	}
	if st := b.stmts[text]; st != nil {
		return st, nil
	}
	st, err := b.db.PrepareContext(ctx, text)
	if err != nil {
		return nil, b.readError(err)
	}
	b.stmts[text] = st
	return st, nil
}

// orClosed returns ErrClosed once the backend is closed, else err.
func (b *Backend) orClosed(err error) error {
	select {
	case <-b.closing:
		return store.ErrClosed
	default:
		return err
	}
}

func (b *Backend) readError(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return store.ErrNotFound
	}
	return b.orClosed(translate(err))
}
