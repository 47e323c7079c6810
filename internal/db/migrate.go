package db

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/berthdev/berth/internal/fault"
)

//go:embed migrations
var migrationFiles embed.FS

const versionTable = "schema_versions"

// ErrNewerDatabase is the refusal to touch a schema this program does not know.
var ErrNewerDatabase = fault.New(fault.Conflict, "database_newer", "The database was migrated by a newer version of Berth.")

// migrate applies what is missing, each migration in a transaction of its own.
func (d *DB) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrationFiles, path.Join("migrations", string(d.dialect)))
	if err != nil {
		return err
	}
	known, err := knownVersions(files)
	if err != nil {
		return err
	}
	applied, err := d.appliedVersions(ctx)
	if err != nil {
		return err
	}
	for _, v := range applied {
		if !slices.Contains(known, v) {
			return ErrNewerDatabase.With("The database has migration %d, which this version of Berth does not know (it knows up to %d). "+
				"Run the newer version of Berth, or restore a backup made before the upgrade.", v, slices.Max(known))
		}
	}
	if len(applied) == len(known) {
		return nil
	}
	return d.applyMigrations(ctx, files)
}

func (d *DB) applyMigrations(ctx context.Context, files fs.FS) error {
	options := []goose.ProviderOption{
		goose.WithTableName(versionTable),
		goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(d.logger),
	}
	dialect := goose.DialectSQLite3
	if d.dialect == Postgres {
		dialect = goose.DialectPostgres
		// Several servers may start at once. Each waits its turn; the later ones find
		// nothing left to do.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 120))
		if err != nil {
			return err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, d.write, files, options...)
	if err != nil {
		return err
	}
	start := time.Now() //nolint:forbidigo // a duration for the log
	results, err := provider.Up(ctx)
	if err != nil {
		return err
	}
	d.logger.InfoContext(ctx, "database migrated", "migrations", len(results), "duration", time.Since(start))
	return nil
}

// appliedVersions is empty for a new database. It asks the catalogue first,
// because a failed read would abort nothing but would be logged by the server.
func (d *DB) appliedVersions(ctx context.Context) ([]int64, error) {
	exists := "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1"
	if d.dialect == Postgres {
		exists = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1"
	}
	var n int
	if err := d.write.QueryRowContext(ctx, exists, versionTable).Scan(&n); err != nil {
		return nil, translate(err)
	}
	if n == 0 {
		return nil, nil
	}
	return List(ctx, d, Value[int64], "SELECT DISTINCT version_id FROM "+versionTable+" WHERE version_id > 0 AND is_applied = $1 ORDER BY version_id", true)
}

func knownVersions(files fs.FS) ([]int64, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("no migrations are built in")
	}
	versions := make([]int64, 0, len(names))
	for _, name := range names {
		number, _, _ := strings.Cut(name, "_")
		v, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s: its name must start with a number: %w", name, err)
		}
		versions = append(versions, v)
	}
	return versions, nil
}

// MigrationDigest identifies the schema that this program's migrations make.
func MigrationDigest(dialect Dialect) (string, error) {
	files, err := fs.Sub(migrationFiles, path.Join("migrations", string(dialect)))
	if err != nil {
		return "", err
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	for _, name := range names {
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
