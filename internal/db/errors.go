package db

import (
	"database/sql"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/berthdev/berth/internal/fault"
)

// What callers compare errors with.
var (
	ErrNoRows    = sql.ErrNoRows
	ErrUnique    = errors.New("unique constraint violated")
	ErrReference = errors.New("reference violated")
	ErrBusy      = fault.New(fault.Unavailable, "database_busy", "The database is busy. Try again in a moment.")
)

// ConstraintError says which constraint a statement broke. It matches ErrUnique
// or ErrReference.
type ConstraintError struct {
	// Constraint is the name on PostgreSQL and the column list on SQLite, and for a
	// primary key on both. SQLite names no constraint for references.
	Constraint string
	class      error
	err        error
}

func (e *ConstraintError) Error() string   { return e.err.Error() }
func (e *ConstraintError) Unwrap() []error { return []error{e.class, e.err} }

// IsUnique reports whether err breaks the uniqueness of these columns of table.
// It relies on the naming rule for unique indexes, table_column_column_key, which
// PostgreSQL follows itself for UNIQUE in a table. A partial index has a name of
// its own, so look for ErrUnique there.
func IsUnique(err error, table string, columns ...string) bool {
	var c *ConstraintError
	if !errors.As(err, &c) || !errors.Is(c.class, ErrUnique) {
		return false
	}
	index := table + "_" + strings.Join(columns, "_") + "_key"
	qualified := make([]string, len(columns))
	for i, column := range columns {
		qualified[i] = table + "." + column
	}
	// SQLite names the index only when it is made of expressions.
	return c.Constraint == index || c.Constraint == strings.Join(qualified, ", ") || c.Constraint == "index '"+index+"'"
}

// translate maps a driver's error by its code. Anything else stays as it is.
func translate(err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return translatePostgres(pgErr, err)
	}
	var liteErr *sqlite.Error
	if errors.As(err, &liteErr) {
		return translateSQLite(liteErr, err)
	}
	var connectErr *pgconn.ConnectError
	if errors.As(err, &connectErr) {
		return fault.Wrap(err, fault.Unavailable, "database_unreachable", "The database does not answer. Try again in a moment.")
	}
	return err
}

func translatePostgres(pgErr *pgconn.PgError, err error) error {
	switch pgErr.Code {
	case "23505":
		name := pgErr.ConstraintName
		if name == pgErr.TableName+"_pkey" {
			name = keyColumns(pgErr.TableName, pgErr.Detail)
		}
		return &ConstraintError{Constraint: name, class: ErrUnique, err: err}
	case "23503":
		return &ConstraintError{Constraint: pgErr.ConstraintName, class: ErrReference, err: err}
	case "40001", "40P01", "55P03", "53300", "57P01", "57P03":
		// serialization failure, deadlock, lock not available, too many
		// connections, shutting down, starting up
		return ErrBusy.Because(err)
	default:
		return err
	}
}

func translateSQLite(liteErr *sqlite.Error, err error) error {
	switch liteErr.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return &ConstraintError{Constraint: failedColumns(liteErr.Error()), class: ErrUnique, err: err}
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return &ConstraintError{class: ErrReference, err: err}
	}
	switch liteErr.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return ErrBusy.Because(err)
	}
	return err
}

// failedColumns takes the columns out of SQLite's message, the only place that
// holds them: "... UNIQUE constraint failed: users.email (2067)".
func failedColumns(message string) string {
	const mark = "constraint failed: "
	i := strings.LastIndex(message, mark)
	if i < 0 {
		return ""
	}
	columns := message[i+len(mark):]
	if j := strings.LastIndex(columns, " ("); j >= 0 {
		columns = columns[:j]
	}
	return columns
}

// keyColumns gives a broken primary key the form it has with SQLite. PostgreSQL's
// detail is translated, but its "(columns)=(values)" is not.
func keyColumns(table, detail string) string {
	_, rest, _ := strings.Cut(detail, "(")
	list, _, _ := strings.Cut(rest, ")=(")
	columns := strings.Split(list, ", ")
	for i, column := range columns {
		columns[i] = table + "." + column
	}
	return strings.Join(columns, ", ")
}
