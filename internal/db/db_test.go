package db_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/fault"
)

const insertSetting = "INSERT INTO settings (name, value, updated_at) VALUES ($1, $2, $3)"

func TestPlaceholdersAreBoundByNumber(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var first, second, literal string
		err := d.QueryRowContext(t.Context(), "SELECT CAST($2 AS TEXT), CAST($1 AS TEXT), '$1 -- $2' /* $3 */ -- $4", "one", "two").
			Scan(&first, &second, &literal)
		require.NoError(t, err)
		require.Equal(t, "two", first)
		require.Equal(t, "one", second)
		require.Equal(t, "$1 -- $2", literal)
	})
}

func TestTxCommitsOrRollsBack(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		var ran []string
		boom := errors.New("boom")
		err := d.Tx(ctx, func(tx *db.Tx) error {
			tx.AfterCommit(func() { ran = append(ran, "rolled back") })
			if _, err := tx.ExecContext(ctx, insertSetting, "a", "1", db.Micros(tx.Now())); err != nil {
				return err
			}
			return boom
		})
		require.ErrorIs(t, err, boom)
		require.NoError(t, d.Tx(ctx, func(tx *db.Tx) error {
			tx.AfterCommit(func() { ran = append(ran, "committed") })
			_, err := tx.ExecContext(ctx, insertSetting, "b", "2", db.Micros(tx.Now()))
			return err
		}))
		require.Equal(t, []string{"committed"}, ran)
		names, err := db.List(ctx, d, db.Value[string], "SELECT name FROM settings ORDER BY name")
		require.NoError(t, err)
		require.Equal(t, []string{"b"}, names)
	})
}

func TestTxRollsBackOnPanic(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		require.Panics(t, func() {
			_ = d.Tx(ctx, func(tx *db.Tx) error {
				_, _ = tx.ExecContext(ctx, insertSetting, "a", "1", 0)
				panic("boom")
			})
		})
		n, err := db.One(ctx, d, db.Value[int], "SELECT COUNT(*) FROM settings")
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestErrorsAreTranslatedByCode(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		_, err := d.ExecContext(ctx, insertSetting, "a", "1", 0)
		require.NoError(t, err)
		_, err = d.ExecContext(ctx, insertSetting, "a", "2", 0)
		require.ErrorIs(t, err, db.ErrUnique)
		require.True(t, db.IsUnique(err, "settings", "name"), "%v", err)

		addGroup := "INSERT INTO groups (id, name, description, created_at, updated_at) VALUES ($1, $2, '', 0, 0)"
		_, err = d.ExecContext(ctx, addGroup, "g1", "ops")
		require.NoError(t, err)
		_, err = d.ExecContext(ctx, addGroup, "g2", "ops")
		require.True(t, db.IsUnique(err, "groups", "name"), "%v", err)
		require.False(t, db.IsUnique(err, "groups", "id"))

		addMember := "INSERT INTO group_members (group_id, user_id, created_at) VALUES ($1, $2, 0)"
		_, err = d.ExecContext(ctx, "INSERT INTO users (id, email, name, password_hash, created_at, updated_at) VALUES ('u1', 'e', '', '', 0, 0)")
		require.NoError(t, err)
		_, err = d.ExecContext(ctx, addMember, "g1", "u1")
		require.NoError(t, err)
		_, err = d.ExecContext(ctx, addMember, "g1", "u1")
		require.True(t, db.IsUnique(err, "group_members", "group_id", "user_id"), "%v", err)
		_, err = d.ExecContext(ctx, addMember, "g1", "nobody")
		require.ErrorIs(t, err, db.ErrReference)
		require.NotErrorIs(t, err, db.ErrUnique)

		bind := "INSERT INTO role_bindings (id, group_id, role, created_at) VALUES ($1, $2, $3, 0)"
		_, err = d.ExecContext(ctx, bind, "b1", "g1", "read_only")
		require.NoError(t, err)
		_, err = d.ExecContext(ctx, bind, "b2", "g1", "read_only")
		require.True(t, db.IsUnique(err, "role_bindings", "holder"), "%v", err)

		_, err = db.One(ctx, d, db.Value[string], "SELECT name FROM groups WHERE id = $1", "nothing")
		require.True(t, db.NoRows(err))
	})
}

func TestReadPoolCannotWrite(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	_, err := db.One(t.Context(), d, db.Value[string], insertSetting+" RETURNING name", "a", "1", 0)
	require.Error(t, err)
}

// The same text may run inside the loop over its own rows: the cached statement
// is busy then.
func TestNestedUseOfOneStatement(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	ctx := t.Context()
	for _, name := range []string{"a", "b", "c"} {
		_, err := d.ExecContext(ctx, insertSetting, name, name, 0)
		require.NoError(t, err)
	}
	const query = "SELECT name FROM settings ORDER BY name"
	require.NoError(t, d.Tx(ctx, func(tx *db.Tx) error {
		var all []string
		names, err := db.List(ctx, tx, func(s db.Scanner) (string, error) {
			inner, err := db.List(ctx, tx, db.Value[string], query)
			all = append(all, inner...)
			if err != nil {
				return "", err
			}
			return db.Value[string](s)
		}, query)
		require.Equal(t, []string{"a", "b", "c"}, names)
		require.Equal(t, []string{"a", "b", "c", "a", "b", "c", "a", "b", "c"}, all)
		return err
	}))
}

func TestCanceledContextLeavesTheDatabaseUsable(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		err := d.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.ExecContext(ctx, insertSetting, "a", "1", 0)
			cancel()
			return err
		})
		require.Error(t, err)
		_, err = d.ExecContext(t.Context(), insertSetting, "a", "1", 0)
		require.NoError(t, err)
	})
}

func TestJSONText(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		_, err := d.ExecContext(ctx, insertSetting, "a", db.JSON(map[string]any{"text": "x", "number": 7, "yes": true, "none": nil}), 0)
		require.NoError(t, err)
		for key, want := range map[string]string{"text": "x", "number": "7", "yes": "true", "none": "null", "missing": "null"} {
			got, err := db.One(ctx, d, db.Value[string], "SELECT COALESCE("+d.Dialect().JSONText("value", key)+", 'null') FROM settings")
			require.NoError(t, err)
			require.Equal(t, want, got, key)
		}
		var back struct{ Number int }
		require.NoError(t, d.QueryRowContext(ctx, "SELECT value FROM settings").Scan(db.ScanJSON(&back)))
		require.Equal(t, 7, back.Number)
	})
}

func TestOpenRefusesUnknownURL(t *testing.T) {
	t.Parallel()
	_, err := db.Open(t.Context(), db.Config{URL: "mysql://u:secret@host/x"})
	require.ErrorContains(t, err, "neither")
	require.NotContains(t, err.Error(), "secret")
}

func TestOpenRefusesNewerDatabase(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLitePath, "postgres": dbtest.PostgresURL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := url(t)
			d, err := db.Open(t.Context(), db.Config{URL: u})
			require.NoError(t, err)
			_, err = d.ExecContext(t.Context(), "INSERT INTO schema_versions (version_id, is_applied) VALUES (9000, $1)", true)
			require.NoError(t, err)
			require.NoError(t, d.Close())

			_, err = db.Open(t.Context(), db.Config{URL: u})
			require.ErrorIs(t, err, db.ErrNewerDatabase)
			require.Equal(t, fault.Conflict, fault.KindOf(err))
			require.ErrorContains(t, err, "9000")
		})
	}
}
