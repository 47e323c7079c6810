package db_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
)

func TestNewIDSortsByTimeAndIsUnique(t *testing.T) {
	t.Parallel()
	seen, last := map[string]bool{}, ""
	for range 2000 {
		id := db.NewID("env")
		require.Regexp(t, regexp.MustCompile(`^env_[0-9a-hjkmnp-tv-z]{26}$`), id)
		require.False(t, seen[id])
		seen[id] = true
		require.Less(t, last, id)
		last = id
	}
}

func TestTimesKeepMicroseconds(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 12, 0, 0, 123456789, time.FixedZone("x", 3600))
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		require.Equal(t, at.UTC().Truncate(time.Microsecond), d.Now())
		_, err := d.ExecContext(t.Context(), "INSERT INTO users (id, email, name, password_hash, disabled_at, last_sign_in_at, created_at, updated_at) VALUES ('u', 'e', '', '', $1, $2, $3, 0)",
			db.NullMicros(time.Time{}), db.NullMicros(at), db.Micros(at))
		require.NoError(t, err)
		var none, some, created time.Time
		require.NoError(t, d.QueryRowContext(t.Context(), "SELECT disabled_at, last_sign_in_at, created_at FROM users").
			Scan(db.ScanTime(&none), db.ScanTime(&some), db.ScanTime(&created)))
		require.True(t, none.IsZero())
		require.Equal(t, d.Now(), some)
		require.Equal(t, d.Now(), created)
	}, dbtest.Clock(func() time.Time { return at }))
}

func TestNullText(t *testing.T) {
	t.Parallel()
	type id string
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var none, some id
		require.NoError(t, d.QueryRowContext(t.Context(), "SELECT CAST($1 AS TEXT), CAST($2 AS TEXT)", db.NullText(""), db.NullText("x")).
			Scan(db.ScanText(&none), db.ScanText(&some)))
		require.Equal(t, id(""), none)
		require.Equal(t, id("x"), some)
	})
}

func BenchmarkSQLiteQueryRow(b *testing.B) {
	d := dbtest.SQLite(b)
	for b.Loop() {
		var n int
		if err := d.QueryRowContext(b.Context(), "SELECT COUNT(*) FROM settings WHERE name = $1", "x").Scan(&n); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSQLiteTx(b *testing.B) {
	d := dbtest.SQLite(b)
	for b.Loop() {
		err := d.Tx(b.Context(), func(tx *db.Tx) error {
			_, err := tx.ExecContext(b.Context(), "INSERT INTO settings (name, value, updated_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET value = $2", "x", "y", 1)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFreshSQLite(b *testing.B) {
	for b.Loop() {
		dbtest.SQLite(b)
	}
}
