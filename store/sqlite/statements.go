package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

// statements are the prepared statements of the writer's connection.
type statements struct {
	begin, commit, rollback                 *sql.Stmt
	savepoint, rollbackTo, releaseSavepoint *sql.Stmt

	addName                        *sql.Stmt
	findDoc, addDoc, setDoc, rmDoc *sql.Stmt
	addFiling, rmFiling            *sql.Stmt
	addItem, rmItem                *sql.Stmt
	readItem, setItem              *sql.Stmt
	addEvent, trimEvents           *sql.Stmt
	addClaim, readClaim            *sql.Stmt
	purgeClaims                    *sql.Stmt
	setBlob, rmBlob                *sql.Stmt
}

func (s *statements) all() map[**sql.Stmt]string {
	return map[**sql.Stmt]string{
		&s.begin:            "BEGIN IMMEDIATE",
		&s.commit:           "COMMIT",
		&s.rollback:         "ROLLBACK",
		&s.savepoint:        "SAVEPOINT batch",
		&s.rollbackTo:       "ROLLBACK TO batch",
		&s.releaseSavepoint: "RELEASE batch",

		&s.addName: "INSERT INTO names (name) VALUES (?)",
		&s.findDoc: "SELECT n, rev, filed FROM docs WHERE collection=? AND id=?",
		&s.addDoc: "INSERT INTO docs (collection, id, rev, filed, body) VALUES (?,?,1,?,?) " +
			"ON CONFLICT DO NOTHING",
		&s.setDoc:    "UPDATE docs SET rev=?, filed=?, body=? WHERE n=?",
		&s.rmDoc:     "DELETE FROM docs WHERE n=?",
		&s.addFiling: "INSERT INTO filings (ix, value, sort, id) VALUES (?,?,?,?)",
		&s.rmFiling:  "DELETE FROM filings WHERE ix=? AND value=? AND sort=? AND id=?",
		&s.addItem: "INSERT INTO items (seq, queue, lane, grp, id, pushed, due, deliveries, body) " +
			"VALUES (?,?,?,?,?,?,?,0,?)",
		&s.rmItem:   "DELETE FROM items WHERE seq=?",
		&s.readItem: "SELECT id, body FROM items WHERE seq=?",
		&s.setItem:  "UPDATE items SET due=?, deliveries=? WHERE seq=?",
		&s.addEvent: "INSERT INTO events (seq, at, type, key, body) VALUES (?,?,?,?,?)",

		&s.trimEvents: "DELETE FROM events WHERE seq<=?",
		&s.addClaim: "INSERT INTO claims (key, value, expires) VALUES (?,?,?) ON CONFLICT (key) " +
			"DO UPDATE SET value=excluded.value, expires=excluded.expires WHERE expires>0 AND expires<=?",
		&s.readClaim: "SELECT value FROM claims WHERE key=?",
		&s.purgeClaims: "DELETE FROM claims WHERE key IN " +
			"(SELECT key FROM claims WHERE expires>0 AND expires<=? LIMIT 2000)",
		&s.setBlob: "INSERT INTO blobs (id, size, zip, body) VALUES (?,?,?,?) ON CONFLICT (id) " +
			"DO UPDATE SET size=excluded.size, zip=excluded.zip, body=excluded.body",
		&s.rmBlob: "DELETE FROM blobs WHERE id=?",
	}
}

func (s *statements) prepare(ctx context.Context, conn *sql.Conn) error {
	for dest, text := range s.all() {
		st, err := conn.PrepareContext(ctx, text)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", text, err)
		}
		*dest = st
	}
	return nil
}

func (s *statements) close() {
	for st := range s.all() {
		if *st != nil {
			_ = (*st).Close()
		}
	}
}
