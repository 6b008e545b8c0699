package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"petrel/store"
)

// applicationID marks the file as Petrel's ("Ptrl"), so that another program's
// database is not taken for an empty one.
const applicationID = 0x5074726c

// migrations lead from one schema version to the next: migrations[i] makes
// version i+1 out of version i. A released entry is never edited.
var migrations = [...]string{
	`
CREATE TABLE names (          -- collections ("c") and their indexes ("c", NUL, "i") as numbers
	n    INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE
);
CREATE TABLE docs (
	n          INTEGER PRIMARY KEY,
	collection INTEGER NOT NULL,
	id         TEXT NOT NULL,
	rev        INTEGER NOT NULL,
	filed      BLOB,          -- where it is filed, see encodeIndex
	body       BLOB,
	UNIQUE (collection, id)
);
CREATE TABLE filings (
	ix    INTEGER NOT NULL,
	value TEXT NOT NULL,
	sort  TEXT NOT NULL,
	id    TEXT NOT NULL,
	PRIMARY KEY (ix, value, sort, id)
) WITHOUT ROWID;
CREATE TABLE items (
	seq        INTEGER PRIMARY KEY,
	queue      TEXT NOT NULL,
	lane       INTEGER NOT NULL,
	grp        TEXT NOT NULL,
	id         TEXT NOT NULL,
	pushed     INTEGER NOT NULL, -- Unix milliseconds, as all times
	due        INTEGER NOT NULL,
	deliveries INTEGER NOT NULL,
	body       BLOB
);
CREATE TABLE events (
	seq  INTEGER PRIMARY KEY,
	at   INTEGER NOT NULL,
	type TEXT NOT NULL,
	key  TEXT NOT NULL,
	body BLOB
);
CREATE TABLE claims (
	key     TEXT PRIMARY KEY,
	value   TEXT NOT NULL,
	expires INTEGER NOT NULL  -- 0: never
) WITHOUT ROWID;
CREATE INDEX claims_expires ON claims (expires) WHERE expires > 0;
CREATE TABLE blobs (
	n    INTEGER PRIMARY KEY,
	id   TEXT NOT NULL UNIQUE,
	size INTEGER NOT NULL,
	zip  INTEGER NOT NULL,    -- 1: gzip
	body BLOB
);`,
}

// migrate brings the schema to the newest version, each step in a transaction.
func migrate(ctx context.Context, c *sql.Conn, path string) error {
	var version, app, tables int
	for query, dest := range map[string]*int{
		"PRAGMA user_version": &version, "PRAGMA application_id": &app, "SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := c.QueryRowContext(ctx, query).Scan(dest); err != nil {
			return fmt.Errorf("%s: read schema version: %w", path, err)
		}
	}
	if app != applicationID && (tables > 0 || version > 0) {
		return fmt.Errorf("%s is an SQLite file of another program; give a path of its own: %w", path, store.ErrInvalid)
	}
	if version > len(migrations) {
		return fmt.Errorf("%s has schema version %d, this program knows up to %d; use a newer program: %w",
			path, version, len(migrations), store.ErrNewer)
	}
	for v := version; v < len(migrations); v++ {
		script := fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
			migrations[v], applicationID, v+1)
		if _, err := c.ExecContext(ctx, script); err != nil {
			_, _ = c.ExecContext(ctx, "ROLLBACK")
			return fmt.Errorf("%s: migrate to schema version %d: %w", path, v+1, err)
		}
	}
	return nil
}
