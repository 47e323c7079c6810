// Package db opens the database and is the only place that knows which one it
// is. It offers transactions, one SQL text for SQLite and PostgreSQL, errors
// translated by code, identifiers, times and migrations. It must not know any
// domain: tables are read and written by the store.go of the package they belong
// to.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Config says which database to open.
type Config struct {
	// URL is a path or sqlite:///path for SQLite, or a postgres:// URL.
	URL string
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// Logger is told of migrations; the default logger when nil.
	Logger *slog.Logger
}

// Querier runs statements. DB and Tx satisfy it. Placeholders are $1, $2, ...
// and are bound by number.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *Row
	Dialect() Dialect
	Now() time.Time
}

// DB is an open database. On SQLite, reads go to a pool of read-only
// connections and every write goes through one connection, so writers queue in
// this process and never meet SQLITE_BUSY.
type DB struct {
	dialect Dialect
	read    *sql.DB
	write   *sql.DB
	url     string
	now     func() time.Time
	logger  *slog.Logger
	signals signals
}

// Open opens the database and brings its schema up to date. It refuses a
// database that a newer version of Berth has migrated.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	d := &DB{now: cfg.Now, logger: cfg.Logger, url: cfg.URL}
	if d.now == nil {
		d.now = time.Now //nolint:forbidigo // the default of the clock that is handed in
	}
	if d.logger == nil {
		d.logger = slog.Default()
	}
	var err error
	switch {
	case cfg.URL == "":
		return nil, errors.New("opening database: no database URL given; use a file path or a postgres:// URL")
	case isPostgresURL(cfg.URL):
		d.dialect = Postgres
		err = d.openPostgres()
	case strings.Contains(cfg.URL, "://") && !strings.HasPrefix(cfg.URL, "sqlite://"):
		return nil, fmt.Errorf("opening database: %q is neither a file path, a sqlite:// URL nor a postgres:// URL", redactURL(cfg.URL))
	default:
		d.dialect = SQLite
		err = d.openSQLite(strings.TrimPrefix(cfg.URL, "sqlite://"))
	}
	if err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	if err := d.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("migrating database: %w", err), d.Close())
	}
	return d, nil
}

// Close closes every connection.
func (d *DB) Close() error {
	if d.read == d.write {
		return d.write.Close()
	}
	return errors.Join(d.read.Close(), d.write.Close())
}

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error { return translate(d.read.PingContext(ctx)) }

// Stats returns the state of the two pools, for metrics; on PostgreSQL they are
// one pool.
func (d *DB) Stats() (read, write sql.DBStats) { return d.read.Stats(), d.write.Stats() }

// Dialect says which database this is.
func (d *DB) Dialect() Dialect { return d.dialect }

// URL returns what the database was opened with. It may hold a password.
func (d *DB) URL() string { return d.url }

// Now returns the time in UTC with the precision the database keeps.
func (d *DB) Now() time.Time { return d.now().UTC().Truncate(time.Microsecond) }

// ExecContext runs one statement in a transaction of its own. Never call it
// inside Tx: on SQLite it would wait for the connection that Tx holds.
func (d *DB) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	res, err := d.write.ExecContext(ctx, query, args...)
	return res, translate(err)
}

// QueryContext reads outside any transaction. A statement that writes, with
// RETURNING for example, belongs in Tx.
func (d *DB) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := d.read.QueryContext(ctx, query, args...)
	return rows, translate(err)
}

// QueryRowContext reads one row outside any transaction.
func (d *DB) QueryRowContext(ctx context.Context, query string, args ...any) *Row {
	return &Row{row: d.read.QueryRowContext(ctx, query, args...)}
}

// Row is sql.Row with translated errors; no row is sql.ErrNoRows.
type Row struct{ row *sql.Row }

// Scan copies the columns into dest.
func (r *Row) Scan(dest ...any) error { return translate(r.row.Scan(dest...)) }
