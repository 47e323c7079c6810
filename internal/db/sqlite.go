package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"modernc.org/sqlite"
)

// openSQLite opens the write connection and the pool of read connections.
func (d *DB) openSQLite(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	write, err := openSQLitePool(path, "_txlock=immediate")
	if err != nil {
		return err
	}
	write.SetMaxOpenConns(1)
	write.SetMaxIdleConns(1)
	// The first connection creates the file and switches it to WAL, which a
	// read-only connection may not do.
	if err := write.Ping(); err != nil {
		return errors.Join(err, write.Close())
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, write.Close())
	}
	read, err := openSQLitePool(path, "_pragma=query_only(1)")
	if err != nil {
		return errors.Join(err, write.Close())
	}
	readers := max(4, runtime.NumCPU())
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	d.read, d.write = read, write
	return nil
}

func openSQLitePool(path, option string) (*sql.DB, error) {
	// busy_timeout comes first: switching to WAL may itself have to wait.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)" +
		"&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-8000)&" + option
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(cachingConnector{connector}), nil
}

// maxStatements bounds the prepared statements kept per connection. Berth has a
// few hundred texts; beyond the bound a statement is simply prepared each time.
const maxStatements = 500

// cachingConnector hands out connections that keep their prepared statements:
// parsing and planning is most of the cost of a small query.
type cachingConnector struct{ driver.Connector }

func (c cachingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	lite, ok := conn.(sqliteConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("sqlite connection %T lacks an interface", conn), conn.Close())
	}
	return &cachingConn{sqliteConn: lite, statements: map[string]*statement{}}, nil
}

// sqliteConn is what database/sql uses of a connection.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type cachingConn struct {
	sqliteConn
	statements map[string]*statement
}

// statement is busy while rows of it are open; the same text is then prepared
// once more.
type statement struct {
	stmt driver.Stmt
	busy bool
}

func (c *cachingConn) Close() error {
	for _, s := range c.statements {
		_ = s.stmt.Close() // closing the connection frees them in any case
	}
	return c.sqliteConn.Close()
}

// Unwrap lets the driver's own functions reach its connection.
func (c *cachingConn) Unwrap() driver.Conn { return c.sqliteConn }

// PrepareContext serves callers outside this package, such as migrations.
func (c *cachingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return c.sqliteConn.PrepareContext(ctx, numbered(query))
}

// acquire returns a statement for the text and what to do when it is done with.
func (c *cachingConn) acquire(ctx context.Context, query string) (driver.Stmt, func() error, error) {
	cached := c.statements[query]
	if cached != nil && !cached.busy {
		cached.busy = true
		return cached.stmt, func() error { cached.busy = false; return nil }, nil
	}
	stmt, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, nil, err
	}
	if cached != nil || len(c.statements) >= maxStatements {
		return stmt, stmt.Close, nil
	}
	cached = &statement{stmt: stmt, busy: true}
	c.statements[query] = cached
	return stmt, func() error { cached.busy = false; return nil }, nil
}

func (c *cachingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	stmt, release, err := c.acquire(ctx, query)
	if err != nil {
		return nil, err
	}
	res, err := stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	return res, errors.Join(err, release())
}

func (c *cachingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	stmt, release, err := c.acquire(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return nil, errors.Join(err, release())
	}
	return &cachedRows{Rows: rows, release: release}, nil
}

type cachedRows struct {
	driver.Rows
	release func() error
}

func (r *cachedRows) Close() error { return errors.Join(r.Rows.Close(), r.release()) }
