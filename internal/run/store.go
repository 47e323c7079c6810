package run

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/berthdev/berth/internal/db"
)

const runColumns = `r.id, r.environment_id, r.project_id, r.number, r.kind, r.status, r.cancel_requested,
	r.created_by, r.created_by_email, r.created_at, r.started_at, r.finished_at`

func scanRun(row db.Scanner) (Run, error) {
	var r Run
	err := row.Scan(&r.ID, &r.EnvironmentID, &r.ProjectID, &r.Number, &r.Kind, &r.Status, &r.CancelRequested,
		&r.CreatedBy, &r.CreatedByEmail, db.ScanTime(&r.CreatedAt), db.ScanTime(&r.StartedAt), db.ScanTime(&r.FinishedAt))
	return r, err
}

const stepColumns = `s.id, s.run_id, s.resource_id, s.resource, s.action, s.status, s.phase, s.attempt, s.losses, s.depends_on,
	s.error, s.diagnostics, s.added, s.changed, s.destroyed, s.tool, s.lease_owner, s.lease_until, s.read_offset, s.started_at, s.finished_at`

func scanStep(row db.Scanner) (Step, error) {
	var s Step
	err := row.Scan(&s.ID, &s.RunID, &s.ResourceID, &s.Resource, &s.Action, &s.Status, &s.Phase, &s.Attempt, &s.Losses, db.ScanJSON(&s.DependsOn),
		&s.Error, db.ScanJSON(&s.Diagnostics), &s.Added, &s.Changed, &s.Destroyed, &s.Tool, &s.leaseOwner, db.ScanTime(&s.leaseUntil),
		&s.readOffset, db.ScanTime(&s.StartedAt), db.ScanTime(&s.FinishedAt))
	return s, err
}

// lockRun loads a run with its steps and keeps others from changing it until tx ends.
func lockRun(ctx context.Context, tx *db.Tx, id ID) (Run, error) {
	r, err := scanRun(tx.QueryRowContext(ctx, `SELECT `+runColumns+` FROM runs r WHERE r.id = $1`+tx.Dialect().ForUpdate(), id))
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, ErrNotFound
	}
	if err != nil {
		return Run{}, fmt.Errorf("loading run %s: %w", id, err)
	}
	r.Steps, err = listSteps(ctx, tx, id)
	return r, err
}

func getRun(ctx context.Context, q db.Querier, where string, args ...any) (Run, error) {
	r, err := scanRun(q.QueryRowContext(ctx, `SELECT `+runColumns+` FROM runs r WHERE `+where, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, ErrNotFound
	}
	if err != nil {
		return Run{}, fmt.Errorf("loading a run: %w", err)
	}
	r.Steps, err = listSteps(ctx, q, r.ID)
	return r, err
}

func listSteps(ctx context.Context, q db.Querier, id ID) ([]Step, error) {
	return db.List(ctx, q, scanStep, `SELECT `+stepColumns+` FROM steps s WHERE s.run_id = $1 ORDER BY s.position`, id)
}

func getStep(ctx context.Context, q db.Querier, id StepID) (Step, error) {
	s, err := scanStep(q.QueryRowContext(ctx, `SELECT `+stepColumns+` FROM steps s WHERE s.id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Step{}, ErrNotFound
	}
	if err != nil {
		return Step{}, fmt.Errorf("loading step %s: %w", id, err)
	}
	return s, nil
}

func insertRun(ctx context.Context, tx *db.Tx, r Run, in CreateInput, sealed []byte) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO runs (id, environment_id, project_id, number, kind, status, cancel_requested,
			template_version_id, snapshot, created_by, created_by_email, created_at, started_at, finished_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		r.ID, r.EnvironmentID, r.ProjectID, r.Number, r.Kind, r.Status, flag(r.CancelRequested),
		in.Snapshot.TemplateVersionID, sealed, r.CreatedBy, r.CreatedByEmail, db.Micros(r.CreatedAt),
		db.NullMicros(r.StartedAt), db.NullMicros(r.FinishedAt))
	if errors.Is(err, db.ErrUnique) {
		return ErrActive
	}
	if err != nil {
		return fmt.Errorf("saving run %s: %w", r.ID, err)
	}
	for i := range r.Steps {
		if err := insertStep(ctx, tx, i, &r.Steps[i]); err != nil {
			return err
		}
	}
	return nil
}

func insertStep(ctx context.Context, tx *db.Tx, position int, s *Step) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO steps (id, run_id, position, resource_id, resource, action, status, phase, attempt, losses,
			depends_on, error, diagnostics, added, changed, destroyed, tool, pool, lease_owner, read_offset, started_at, finished_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, '', 0, 0, $8, '', '[]', 0, 0, 0, '', '', '', 0, $9, $10)`,
		s.ID, s.RunID, position, s.ResourceID, s.Resource, s.Action, s.Status, db.JSON(s.DependsOn),
		db.NullMicros(s.StartedAt), db.NullMicros(s.FinishedAt))
	if err != nil {
		return fmt.Errorf("saving step %s: %w", s.ID, err)
	}
	return nil
}

// flag is how a boolean is stored in both databases.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// saveTransition writes what the state machine changed between two values of one run.
func saveTransition(ctx context.Context, tx *db.Tx, before, after Run) error {
	if before.Status != after.Status || before.CancelRequested != after.CancelRequested ||
		!before.StartedAt.Equal(after.StartedAt) || !before.FinishedAt.Equal(after.FinishedAt) {
		_, err := tx.ExecContext(ctx, `UPDATE runs SET status = $2, cancel_requested = $3, started_at = $4, finished_at = $5 WHERE id = $1`,
			after.ID, after.Status, flag(after.CancelRequested), db.NullMicros(after.StartedAt), db.NullMicros(after.FinishedAt))
		if errors.Is(err, db.ErrUnique) {
			return ErrActive
		}
		if err != nil {
			return fmt.Errorf("saving run %s: %w", after.ID, err)
		}
	}
	for i := range after.Steps {
		b, a := &before.Steps[i], &after.Steps[i]
		if b.Status == a.Status && b.Attempt == a.Attempt && b.Losses == a.Losses && b.Error == a.Error {
			continue
		}
		_, err := tx.ExecContext(ctx, `UPDATE steps SET status = $2, phase = $3, attempt = $4, error = $5,
				added = $6, changed = $7, destroyed = $8, started_at = $9, finished_at = $10, losses = $11 WHERE id = $1`,
			a.ID, a.Status, a.Phase, a.Attempt, a.Error, a.Added, a.Changed, a.Destroyed,
			db.NullMicros(a.StartedAt), db.NullMicros(a.FinishedAt), a.Losses)
		if err != nil {
			return fmt.Errorf("saving step %s: %w", a.ID, err)
		}
	}
	return nil
}

// lockClaimable finds the oldest run with a step that is ready in pool, and locks it.
func lockClaimable(ctx context.Context, tx *db.Tx, pool string) (ID, StepID, error) {
	now := db.Micros(tx.Now())
	var id ID
	err := tx.QueryRowContext(ctx, `SELECT r.id FROM runs r WHERE r.status IN ('queued', 'running') AND EXISTS (
			SELECT 1 FROM steps s WHERE s.run_id = r.id AND s.status = 'ready' AND s.pool = $1
				AND (s.not_before IS NULL OR s.not_before <= $2))
		ORDER BY r.created_at, r.id LIMIT 1`+tx.Dialect().ForUpdateSkipLocked(), pool, now).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("looking for a step to run: %w", err)
	}
	var step StepID
	err = tx.QueryRowContext(ctx, `SELECT s.id FROM steps s WHERE s.run_id = $1 AND s.status = 'ready' AND s.pool = $2
			AND (s.not_before IS NULL OR s.not_before <= $3) ORDER BY s.position LIMIT 1`, id, pool, now).Scan(&step)
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", nil // taken between the two statements
	}
	if err != nil {
		return "", "", fmt.Errorf("looking for a step of run %s: %w", id, err)
	}
	return id, step, nil
}
