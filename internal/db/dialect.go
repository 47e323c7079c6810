package db

import "strconv"

// Dialect is the closed list of what differs between the two databases. A new
// entry needs a decision record.
type Dialect string

// The databases Berth runs on.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// ForUpdateSkipLocked is the lock clause of a claim. SQLite needs none: its
// transactions hold the one write lock from the start.
func (d Dialect) ForUpdateSkipLocked() string {
	if d == Postgres {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// ForUpdate is the lock clause of a row that is read in order to change it.
func (d Dialect) ForUpdate() string {
	if d == Postgres {
		return " FOR UPDATE"
	}
	return ""
}

// JSONText is the expression for one top-level key of a JSON text column, as
// text, or null when it is not there. Both arguments are program text, never
// input.
func (d Dialect) JSONText(column, key string) string {
	if d == Postgres {
		return "(" + column + "::jsonb ->> '" + key + "')"
	}
	// CAST makes a number or boolean the text that PostgreSQL gives.
	return "(CASE json_type(" + column + `, '$."` + key + `"') WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'` +
		" ELSE CAST(json_extract(" + column + `, '$."` + key + `"') AS TEXT) END)`
}

// AdvisoryLock is a statement that holds a named lock until the transaction
// ends, or empty where every transaction excludes all others anyway.
func (d Dialect) AdvisoryLock(id int64) string {
	if d == Postgres {
		return "SELECT pg_advisory_xact_lock(" + strconv.FormatInt(id, 10) + ")"
	}
	return ""
}
