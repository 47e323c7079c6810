// Package dbtest gives each test a database of its own with the current schema.
// It is for tests only and must not know any domain.
package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that creates and drops test databases

	"github.com/berthdev/berth/internal/db"
)

// EnvURL names the variable that holds the URL of a PostgreSQL server on which
// tests may create databases. scripts/with-postgres.sh starts one.
const EnvURL = "TEST_POSTGRES_URL"

// Option changes how a test database is opened.
type Option func(*db.Config)

// Clock sets the clock of the database.
func Clock(now func() time.Time) Option { return func(cfg *db.Config) { cfg.Now = now } }

// Each runs test on SQLite always, and on PostgreSQL when TEST_POSTGRES_URL is
// set. In CI a missing PostgreSQL is a failure.
func Each(t *testing.T, test func(t *testing.T, d *db.DB), options ...Option) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, SQLite(t, options...))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, Postgres(t, options...))
	})
}

// SQLite returns a fresh SQLite database: a copy of a template that is migrated
// once per test program.
func SQLite(t testing.TB, options ...Option) *db.DB {
	t.Helper()
	path := SQLitePath(t)
	return open(t, path, options)
}

// SQLitePath returns the path of a fresh, migrated SQLite database that nobody
// has opened, for tests that open it more than once.
func SQLitePath(t testing.TB) string {
	t.Helper()
	content, err := sqliteTemplate()
	if err != nil {
		t.Fatalf("making the SQLite template: %v", err)
	}
	path := filepath.Join(t.TempDir(), "berth.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Postgres returns a fresh PostgreSQL database, or skips the test when there is
// no server.
func Postgres(t testing.TB, options ...Option) *db.DB {
	t.Helper()
	return open(t, PostgresURL(t), options)
}

// PostgresURL returns the URL of a fresh, migrated PostgreSQL database that is
// dropped when the test ends.
func PostgresURL(t testing.TB) string {
	t.Helper()
	server := os.Getenv(EnvURL)
	if server == "" {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not set; in CI every test runs on PostgreSQL too: use scripts/with-postgres.sh", EnvURL)
		}
		t.Skipf("%s is not set; use scripts/with-postgres.sh to run on PostgreSQL too", EnvURL)
	}
	template, err := postgresTemplate(server)
	if err != nil {
		t.Fatalf("making the PostgreSQL template: %v", err)
	}
	name := "berth_test_" + randomName()
	if err := execOn(server, "CREATE DATABASE "+name+" TEMPLATE "+template+" STRATEGY wal_log"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execOn(server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping the test database: %v", err)
		}
	})
	return withDatabase(server, name)
}

func open(t testing.TB, dbURL string, options []Option) *db.DB {
	t.Helper()
	cfg := db.Config{URL: dbURL, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	for _, option := range options {
		option(&cfg)
	}
	d, err := db.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("closing the test database: %v", err)
		}
	})
	return d
}

// sqliteTemplate is the content of a migrated, empty database file.
var sqliteTemplate = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "berth-dbtest-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "template.db")
	// Closing the last connection folds the write-ahead log into the file.
	if err := migrate(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// postgresTemplate makes a template once per set of migrations and server, so
// that later test programs find it there.
var postgresTemplate = onceByServer()

func onceByServer() func(server string) (string, error) {
	var mu sync.Mutex
	done := map[string]string{}
	return func(server string) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if name := done[server]; name != "" {
			return name, nil
		}
		name, err := makePostgresTemplate(server)
		if err == nil {
			done[server] = name
		}
		return name, err
	}
}

func makePostgresTemplate(server string) (string, error) {
	digest, err := db.MigrationDigest(db.Postgres)
	if err != nil {
		return "", err
	}
	name := "berth_template_" + digest[:16]
	conn, err := sql.Open("pgx", server)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	conn.SetMaxOpenConns(1)
	ctx := context.Background() // shared by all tests of the program
	// Test programs of several packages run at once; one makes the template.
	lock := fnv.New32a()
	_, _ = lock.Write([]byte(name))
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", int64(lock.Sum32())); err != nil {
		return "", err
	}
	var ready bool
	if err := conn.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&ready); err != nil || ready {
		return name, err
	}
	// Migrated under another name, so that a half-made template is never used.
	draft := "berth_draft_" + randomName()
	if _, err := conn.ExecContext(ctx, "CREATE DATABASE "+draft); err != nil {
		return "", err
	}
	if err := migrate(withDatabase(server, draft)); err != nil {
		return "", err
	}
	_, err = conn.ExecContext(ctx, "ALTER DATABASE "+draft+" RENAME TO "+name)
	return name, err
}

func migrate(dbURL string) error {
	d, err := db.Open(context.Background(), db.Config{URL: dbURL, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return err
	}
	return d.Close()
}

func execOn(server, statement string) error {
	conn, err := sql.Open("pgx", server)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.ExecContext(context.Background(), statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

func withDatabase(server, name string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	u.Path = "/" + name
	return u.String()
}

func randomName() string {
	var raw [8]byte
	_, _ = rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}
