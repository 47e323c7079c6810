package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // the driver of the seeded database

	"github.com/berthdev/berth/api"
)

// first is the one environment among the many that was really deployed; its own pages are measured, too.
const first = "bench-0000"

// runsEach is how many runs every seeded environment has.
const runsEach = 3

// seeded is a server with many environments.
type seeded struct {
	*server
	api *api.Client
}

// seed makes environments through the API and deploys the first one for real. The others get copies of its run, its steps
// and their progress, written into the database while the server is down: a thousand real deploys would take a quarter of
// an hour and change no figure. The copies carry no state and no outputs, for these are sealed for their owner.
func (b *bench) seed(ctx context.Context) (*seeded, error) {
	if b.many != nil {
		return b.many, nil
	}
	tools, err := b.tools(ctx)
	if err != nil {
		return nil, err
	}
	n := b.times(1000, 100)
	fmt.Fprintf(b.say, "    making %d environments\n", n)
	s, err := b.dev(ctx, "many", tools.flags()...)
	if s == nil {
		return nil, err
	}
	if err == nil {
		err = fill(ctx, s, n)
	}
	if err := errors.Join(err, s.stop()); err != nil {
		return nil, err
	}
	if err := copyRuns(ctx, filepath.Join(b.root, "many", "data", "berth.db")); err != nil {
		return nil, fmt.Errorf("copying runs: %w", err)
	}
	if s, err = b.launch(ctx, "many", append([]string{"serve"}, tools.flags()...)); err != nil {
		return nil, err
	}
	b.many = &seeded{server: s}
	if err := s.await(ctx, "/readyz"); err != nil {
		return nil, err
	}
	b.many.api, err = s.client(ctx)
	return b.many, err
}

func fill(ctx context.Context, s *server, n int) error {
	c, err := s.client(ctx)
	if err != nil {
		return err
	}
	for i := range n {
		name := fmt.Sprintf("bench-%04d", i)
		if _, err := c.CreateEnvironment(ctx, project, api.CreateEnvironment{Name: name, Template: "sample", Version: "v1"}); err != nil {
			return fmt.Errorf("creating %s: %w", name, err)
		}
	}
	return deploy(ctx, c, first)
}

func copyRuns(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // has no effect after a commit
	// The new ids are the old ones with the environment and the number of the run behind them.
	const (
		ending   = `'-' || e.rowid || '-' || n.n`
		others   = ` FROM environments f JOIN environments e ON e.project_id = f.project_id AND e.id <> f.id `
		numbers  = ` CROSS JOIN (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < $2) SELECT n FROM c) n `
		isFirst  = ` WHERE f.name = $1`
		hour     = 3_600_000_000 // in microseconds
		stepJoin = ` JOIN runs r ON r.environment_id = f.id JOIN steps s ON s.run_id = r.id `
	)
	earlier := func(column string) string { return fmt.Sprintf("%s - (e.rowid + n.n) * %d", column, hour) }
	for _, c := range []struct {
		table, alias, from string
		values             map[string]string
	}{
		{"resources", "o", others + ` CROSS JOIN (SELECT 0 AS n) n JOIN resources o ON o.environment_id = f.id` + isFirst + ` AND $2 > 0`,
			map[string]string{"id": "o.id || " + ending, "environment_id": "e.id", "state_id": "NULL", "outputs": "NULL", "applied_run_id": "NULL"}},
		{"runs", "r", others + numbers + ` JOIN runs r ON r.environment_id = f.id` + isFirst,
			map[string]string{
				"id": "r.id || " + ending, "environment_id": "e.id", "number": "n.n",
				"status":     "CASE WHEN (e.rowid + n.n) % 10 = 0 THEN 'failed' ELSE r.status END",
				"created_at": earlier("r.created_at"), "started_at": earlier("r.started_at"), "finished_at": earlier("r.finished_at"),
			}},
		{"steps", "s", others + numbers + stepJoin + isFirst,
			map[string]string{
				"id": "s.id || " + ending, "run_id": "r.id || " + ending, "resource_id": "s.resource_id || '-' || e.rowid || '-0'",
				"plan": "NULL", "started_at": earlier("s.started_at"), "finished_at": earlier("s.finished_at"),
			}},
		{"step_phases", "p", others + numbers + stepJoin + `JOIN step_phases p ON p.step_id = s.id` + isFirst,
			map[string]string{"step_id": "s.id || " + ending, "started_at": earlier("p.started_at")}},
		{"step_objects", "x", others + numbers + stepJoin + `JOIN step_objects x ON x.step_id = s.id` + isFirst,
			map[string]string{"step_id": "s.id || " + ending}},
	} {
		columns, err := columnsOf(ctx, tx, c.table)
		if err != nil {
			return err
		}
		var values []string
		for _, name := range columns {
			if v, ok := c.values[name]; ok {
				values = append(values, v)
			} else {
				values = append(values, c.alias+"."+name)
			}
		}
		query := `INSERT INTO ` + c.table + ` (` + strings.Join(columns, ", ") + `) SELECT ` + strings.Join(values, ", ") + c.from
		if _, err := tx.ExecContext(ctx, query, first, runsEach); err != nil {
			return fmt.Errorf("%s: %w", c.table, err)
		}
	}
	_, err = tx.ExecContext(ctx, `UPDATE environments SET run_count = $2, deployed_version_id = template_version_id,
		last_run_id = (SELECT r.id FROM runs r WHERE r.environment_id = environments.id ORDER BY r.number DESC LIMIT 1) WHERE name <> $1`, first, runsEach)
	if err != nil {
		return err
	}
	return tx.Commit()
}

func columnsOf(ctx context.Context, tx *sql.Tx, table string) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT name FROM pragma_table_info($1)`, table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}
