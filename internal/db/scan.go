package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Scanner is one row to scan: *sql.Rows or *Row.
type Scanner interface {
	Scan(dest ...any) error
}

// List runs a query and scans every row. It never returns a nil slice without an
// error.
func List[T any](ctx context.Context, q Querier, scan func(Scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err has what went wrong
	list := []T{}
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, translate(err)
		}
		list = append(list, item)
	}
	if err := rows.Err(); err != nil {
		return nil, translate(err)
	}
	return list, nil
}

// One runs a query and scans its first row; ErrNoRows when there is none, which
// the caller maps to its own not-found error. Check the error before the result.
func One[T any](ctx context.Context, q Querier, scan func(Scanner) (T, error), query string, args ...any) (T, error) {
	item, err := scan(q.QueryRowContext(ctx, query, args...))
	if err != nil {
		var zero T
		return zero, err
	}
	return item, nil
}

// Value scans a row with one column.
func Value[T any](s Scanner) (T, error) {
	var v T
	err := s.Scan(&v)
	return v, err
}

// Changed returns the number of rows a statement changed, for
// `n, err := db.Changed(tx.ExecContext(...))`.
func Changed(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// ScanJSON is a destination that decodes a JSON text column into v. Null leaves
// v as it is.
func ScanJSON(v any) sql.Scanner { return jsonScanner{v} }

type jsonScanner struct{ v any }

func (j jsonScanner) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(src), j.v)
	case []byte:
		return json.Unmarshal(src, j.v)
	default:
		return fmt.Errorf("scanning JSON from %T", src)
	}
}

// JSON encodes v for a JSON text column; an error shows up when the statement
// runs.
func JSON(v any) any {
	data, err := json.Marshal(v)
	if err != nil {
		return failedValue{err}
	}
	return string(data)
}

// NoRows reports whether err says that there is no such row.
func NoRows(err error) bool { return errors.Is(err, sql.ErrNoRows) }

// Further returns a row that scans dest behind the columns of a shared list, so
// that a query can ask for more than its scan function knows.
func Further(row Scanner, dest ...any) Scanner { return further{row, dest} }

type further struct {
	row  Scanner
	dest []any
}

func (f further) Scan(dest ...any) error { return f.row.Scan(append(dest, f.dest...)...) }

// In appends values to args and returns the marks between the brackets of an IN.
func In[T any](args *[]any, values []T) string {
	var out strings.Builder
	for i, v := range values {
		*args = append(*args, v)
		if i > 0 {
			out.WriteString(", ")
		}
		fmt.Fprintf(&out, "$%d", len(*args))
	}
	return out.String()
}
