package db

import (
	"context"
	"database/sql"
	"time"
)

// Tx is one read and write transaction.
type Tx struct {
	tx          *sql.Tx
	db          *DB
	now         time.Time
	afterCommit []func()
}

// Tx runs fn in a transaction, commits when it returns nil and rolls back when
// it returns an error or panics. On SQLite the transaction takes the write lock
// at once, so what fn reads cannot change before it writes. fn must do nothing
// slow: no HTTP, no process, no other transaction.
func (d *DB) Tx(ctx context.Context, fn func(tx *Tx) error) error {
	sqlTx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return translate(err)
	}
	tx := &Tx{tx: sqlTx, db: d, now: d.Now()}
	done := false
	defer func() {
		if !done {
			// The error of fn is the one that matters; a failed rollback closes the connection.
			_ = sqlTx.Rollback()
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	done = true
	if err := sqlTx.Commit(); err != nil {
		return translate(err)
	}
	for _, hook := range tx.afterCommit {
		hook()
	}
	return nil
}

// Dialect says which database this is.
func (tx *Tx) Dialect() Dialect { return tx.db.dialect }

// Now returns the time at which the transaction began: one transition, one time.
func (tx *Tx) Now() time.Time { return tx.now }

// AfterCommit runs fn, which must not block, once the transaction is committed;
// never when it is rolled back. It is for waking up waiters in this process. Work
// that must happen is a row.
func (tx *Tx) AfterCommit(fn func()) { tx.afterCommit = append(tx.afterCommit, fn) }

// ExecContext runs a statement.
func (tx *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	res, err := tx.tx.ExecContext(ctx, query, args...)
	return res, translate(err)
}

// QueryContext runs a statement that returns rows.
func (tx *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := tx.tx.QueryContext(ctx, query, args...)
	return rows, translate(err)
}

// QueryRowContext runs a statement that returns at most one row.
func (tx *Tx) QueryRowContext(ctx context.Context, query string, args ...any) *Row {
	return &Row{row: tx.tx.QueryRowContext(ctx, query, args...)}
}
