package db_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
)

func migrationNames(t *testing.T, dialect db.Dialect) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("migrations", string(dialect)))
	require.NoError(t, err)
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names
}

func TestBothMigrationFoldersHaveTheSameList(t *testing.T) {
	t.Parallel()
	require.Equal(t, migrationNames(t, db.SQLite), migrationNames(t, db.Postgres))
}

type column struct {
	table, name string
	nullable    bool
}

func scanColumn(s db.Scanner) (column, error) {
	var c column
	err := s.Scan(&c.table, &c.name, &c.nullable)
	return c, err
}

func TestBothSchemasHaveTheSameColumnsAndIndexes(t *testing.T) {
	t.Parallel()
	lite, pg := dbtest.SQLite(t), dbtest.Postgres(t)
	ctx := t.Context()

	// SQLite reports a primary key of text as nullable, so keys count as not null there.
	liteColumns, err := db.List(ctx, lite, scanColumn, `SELECT m.name, c.name, c."notnull" = 0 AND c.pk = 0
		FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'schema_versions' ORDER BY m.name, c.name`)
	require.NoError(t, err)
	pgColumns, err := db.List(ctx, pg, scanColumn, `SELECT table_name, column_name, is_nullable = 'YES'
		FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'schema_versions'
		ORDER BY table_name COLLATE "C", column_name COLLATE "C"`)
	require.NoError(t, err)
	require.NotEmpty(t, liteColumns)
	require.Equal(t, liteColumns, pgColumns)

	// SQLite does not name the index of UNIQUE (a, b) in a table; PostgreSQL names it table_a_b_key.
	liteIndexes, err := db.List(ctx, lite, db.Value[string], `SELECT name FROM sqlite_master WHERE type = 'index' AND name NOT LIKE 'sqlite_%'
		UNION SELECT m.name || '_' || (SELECT group_concat(name, '_') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) || '_key'
		FROM sqlite_master m JOIN pragma_index_list(m.name) i WHERE m.type = 'table' AND i.origin = 'u' AND m.name <> 'schema_versions'
		ORDER BY 1`)
	require.NoError(t, err)
	pgIndexes, err := db.List(ctx, pg, db.Value[string], `SELECT indexname FROM pg_indexes
		WHERE schemaname = 'public' AND indexname NOT LIKE '%\_pkey' ORDER BY indexname COLLATE "C"`)
	require.NoError(t, err)
	require.Equal(t, liteIndexes, pgIndexes)
}

// A unique index is named table_columns_key, which db.IsUnique relies on.
func TestUniqueIndexesFollowTheNamingRule(t *testing.T) {
	t.Parallel()
	names, err := db.List(t.Context(), dbtest.SQLite(t), db.Value[string], `SELECT i.name FROM sqlite_master m JOIN pragma_index_list(m.name) i
		WHERE m.type = 'table' AND i."unique" = 1 AND i.origin = 'c' AND i.partial = 0
			AND (i.name NOT LIKE m.name || '_%' OR i.name NOT LIKE '%_key')`)
	require.NoError(t, err)
	require.Empty(t, names, "not named table_columns_key")
}
