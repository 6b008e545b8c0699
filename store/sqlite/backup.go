package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"

	"petrel/store"
)

// Backup writes a copy of the file at path to dest, which must not exist yet:
// the state of one moment, compacted, complete in one file. The store may be in
// use by another process or by this one. Either dest is complete and on disk
// afterwards, or it is not there.
func Backup(ctx context.Context, path, dest string) (err error) {
	fail := func(err error) error {
		return fmt.Errorf("back up %s to %s: %w", path, dest, translate(err))
	}
	if _, err := os.Lstat(dest); err == nil {
		return fail(fs.ErrExist)
	}
	db, err := openExisting(ctx, path)
	if err != nil {
		return fail(err)
	}
	defer db.Close()
	part := dest + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err) // of an attempt that was interrupted
	}
	defer os.Remove(part)
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		return fail(err)
	}
	if err := syncFile(part); err != nil {
		return fail(err)
	}
	// Link, not Rename: never over a file that appeared in the meantime.
	if err := os.Link(part, dest); err != nil {
		return fail(err)
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Report is the outcome of Check.
type Report struct {
	Schema                                           int
	Bytes                                            int64 // without the write-ahead log
	Documents, Filings, Items, Events, Claims, Blobs int
	Problems                                         []string // empty: all is well
}

// Check reads the whole file at path, which may be in use, and compares what it
// says in several places.
func Check(ctx context.Context, path string) (Report, error) {
	var r Report
	fail := func(err error) (Report, error) {
		return r, fmt.Errorf("check %s: %w", path, translate(err))
	}
	db, err := openExisting(ctx, path)
	if err != nil {
		return fail(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // one moment for all questions
	if err != nil {
		return fail(err)
	}
	defer func() { _ = tx.Rollback() }() // it changed nothing
	if r.Problems, err = integrity(ctx, tx); err != nil {
		return fail(err)
	}
	for _, q := range []struct {
		dest any
		text string
	}{
		{&r.Schema, "PRAGMA user_version"},
		{&r.Bytes, "SELECT page_count*page_size FROM pragma_page_count, pragma_page_size"},
		{&r.Documents, "SELECT count(*) FROM docs"},
		{&r.Filings, "SELECT count(*) FROM filings"},
		{&r.Items, "SELECT count(*) FROM items"},
		{&r.Events, "SELECT count(*) FROM events"},
		{&r.Claims, "SELECT count(*) FROM claims"},
		{&r.Blobs, "SELECT count(*) FROM blobs"},
	} {
		if err := tx.QueryRowContext(ctx, q.text).Scan(q.dest); err != nil {
			return fail(err)
		}
	}
	crossed, err := crossCheck(ctx, tx)
	if err != nil {
		return fail(err)
	}
	r.Problems = append(r.Problems, crossed...)
	return r, nil
}

// integrity asks SQLite about the file's own structure.
func integrity(ctx context.Context, tx *sql.Tx) ([]string, error) {
	rows, err := tx.QueryContext(ctx, "PRAGMA integrity_check")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var problems []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		if line != "ok" {
			problems = append(problems, line)
		}
	}
	return problems, rows.Err()
}

// crossCheck compares what each document says of its filings with the index.
func crossCheck(ctx context.Context, tx *sql.Tx) ([]string, error) {
	var problems []string
	filed := map[int64]map[string]int{} // index -> document -> entries
	rows, err := tx.QueryContext(ctx, "SELECT ix, id, count(*) FROM filings GROUP BY ix, id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var ix int64
		var id string
		var n int
		if err := rows.Scan(&ix, &id, &n); err != nil {
			return nil, err
		}
		if filed[ix] == nil {
			filed[ix] = map[string]int{}
		}
		filed[ix][id] = n
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	docs, err := tx.QueryContext(ctx, "SELECT id, filed FROM docs WHERE filed IS NOT NULL")
	if err != nil {
		return nil, err
	}
	defer docs.Close()
	for docs.Next() {
		var id string
		var raw []byte
		if err := docs.Scan(&id, &raw); err != nil {
			return nil, err
		}
		list, err := decodeFilings(raw)
		if err != nil {
			problems = append(problems, fmt.Sprintf("document %s: %v", id, err))
		}
		for _, f := range list {
			if filed[f.ix][id]--; filed[f.ix][id] < 0 {
				problems = append(problems, fmt.Sprintf("document %s is missing in index %d", id, f.ix))
			}
		}
	}
	if err := docs.Err(); err != nil {
		return nil, err
	}
	for ix, left := range filed {
		for id, n := range left {
			if n > 0 {
				problems = append(problems, fmt.Sprintf("index %d has %d entries of document %s too many", ix, n, id))
			}
		}
	}
	slices.Sort(problems)
	return problems, nil
}

// openExisting opens a store for reading beside its owner.
func openExisting(ctx context.Context, path string) (*sql.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", dsn(path, url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(5000)"}}))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	var app int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&app); err != nil {
		db.Close()
		return nil, err
	}
	if app != applicationID {
		db.Close()
		return nil, fmt.Errorf("not a store of this program: %w", store.ErrInvalid)
	}
	return db, nil
}
