package environment

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/template"
)

const columns = `e.id, e.project_id, p.name, e.name, e.unique_name, e.template_id, t.name, e.template_version_id, v.version,
	e.owner_id, e.owner_email, e.follow_latest, e.revision, e.created_at, e.updated_at, e.deployed_version_id,
	r.id, r.number, r.kind, r.status, r.cancel_requested, r.created_at, r.started_at, r.finished_at,
	(SELECT MAX(d.finished_at) FROM runs d WHERE d.environment_id = e.id AND d.kind = 'deploy' AND d.status = 'succeeded'),
	(SELECT MIN(o.endpoint) FROM resources o WHERE o.environment_id = e.id AND o.endpoint <> '')`

const tables = ` FROM environments e
	JOIN projects p ON p.id = e.project_id
	JOIN environment_templates t ON t.id = e.template_id
	JOIN environment_template_versions v ON v.id = e.template_version_id
	LEFT JOIN runs r ON r.id = e.last_run_id`

// statusSQL says the same as statusOf.
const statusSQL = `CASE
	WHEN r.id IS NULL THEN 'draft'
	WHEN r.status = 'queued' THEN 'queued'
	WHEN r.status = 'running' AND r.kind = 'destroy' THEN 'destroying'
	WHEN r.status = 'running' THEN 'deploying'
	WHEN r.status = 'succeeded' AND r.kind = 'destroy' THEN 'destroyed'
	WHEN r.status = 'succeeded' THEN 'deployed'
	ELSE 'failed' END`

func scan(row db.Scanner) (Environment, error) {
	var e Environment
	var r RunRef
	var number sql.NullInt64
	var cancel sql.NullBool
	err := row.Scan(&e.ID, &e.ProjectID, &e.ProjectName, &e.Name, &e.UniqueName, &e.Template.ID, &e.Template.Name,
		&e.Template.VersionID, &e.Template.Version, &e.OwnerID, &e.OwnerEmail, &e.FollowLatest, &e.Revision, db.ScanTime(&e.CreatedAt), db.ScanTime(&e.UpdatedAt),
		db.ScanText(&e.DeployedVersionID), db.ScanText(&r.ID), &number, db.ScanText(&r.Kind), db.ScanText(&r.Status), &cancel,
		db.ScanTime(&r.CreatedAt), db.ScanTime(&r.StartedAt), db.ScanTime(&r.FinishedAt), db.ScanTime(&e.DeployedAt), db.ScanText(&e.Endpoint))
	if err != nil {
		return e, err
	}
	e.StatusSince = e.CreatedAt
	if r.ID != "" {
		r.Number, r.CancelRequested = int(number.Int64), cancel.Bool
		e.LastRun, e.StatusSince = &r, since(&r)
	}
	e.Status = statusOf(e.LastRun)
	return e, nil
}

type inputColumns struct{ inputs, deployed []byte }

func (c *inputColumns) scan(row db.Scanner) (Environment, error) {
	return scan(db.Further(row, &c.inputs, &c.deployed))
}

// get loads one environment with its inputs.
func (s *Service) get(ctx context.Context, q db.Querier, where string, args ...any) (Environment, error) {
	var c inputColumns
	e, err := c.scan(q.QueryRowContext(ctx, `SELECT `+columns+`, e.inputs, e.deployed_inputs`+tables+` WHERE `+where, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return Environment{}, ErrNotFound
	}
	if err != nil {
		return Environment{}, fmt.Errorf("loading an environment: %w", err)
	}
	if e.Inputs, err = s.openInputs(e.ID, c.inputs); err != nil {
		return Environment{}, err
	}
	e.DeployedInputs, err = s.openInputs(e.ID, c.deployed)
	return e, err
}

func (s *Service) sealInputs(id ID, inputs []template.Value) ([]byte, error) {
	plain, err := json.Marshal(inputs)
	if err != nil {
		return nil, fmt.Errorf("writing the inputs of environment %s: %w", id, err)
	}
	sealed, err := s.Keyring.Seal(plain, []byte(id))
	if err != nil {
		return nil, fmt.Errorf("sealing the inputs of environment %s: %w", id, err)
	}
	return sealed, nil
}

func (s *Service) openInputs(id ID, sealed []byte) ([]template.Value, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	plain, err := s.Keyring.Open(sealed, []byte(id))
	if err != nil {
		return nil, fmt.Errorf("opening the inputs of environment %s: %w", id, err)
	}
	var inputs []template.Value
	if err := json.Unmarshal(plain, &inputs); err != nil {
		return nil, fmt.Errorf("reading the inputs of environment %s: %w", id, err)
	}
	return inputs, nil
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, e Environment) error {
	sealed, err := s.sealInputs(e.ID, e.Inputs)
	if err != nil {
		return err
	}
	now := db.Micros(tx.Now())
	_, err = tx.ExecContext(ctx, `INSERT INTO environments (id, project_id, name, unique_name, template_id, template_version_id,
			owner_id, owner_email, inputs, follow_latest, revision, run_count, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $11, 1, 0, $10, $10)`,
		e.ID, e.ProjectID, e.Name, e.UniqueName, e.Template.ID, e.Template.VersionID, e.OwnerID, e.OwnerEmail, sealed, now, flag(e.FollowLatest))
	if errors.Is(err, db.ErrUnique) {
		return ErrNameTaken
	}
	if err != nil {
		return fmt.Errorf("saving environment %s: %w", e.Name, err)
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

// nextRun counts a run and returns its number.
func nextRun(ctx context.Context, tx *db.Tx, id ID) (int, error) {
	var n int
	err := tx.QueryRowContext(ctx, `UPDATE environments SET run_count = run_count + 1 WHERE id = $1 RETURNING run_count`, id).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("numbering a run of environment %s: %w", id, err)
	}
	return n, nil
}

// ListFilter selects environments of one project, by name.
type ListFilter struct {
	Text     string // part of the name, the template's name or the owner's address
	Statuses []Status
	Owner    string // e-mail address
	Template string
	After    string // cursor: the name of the last environment of the page before
	Limit    int    // 1 to 100, default 20
}

func list(ctx context.Context, q db.Querier, projectID string, f ListFilter) ([]Environment, error) {
	where := []string{"e.project_id = $1"}
	args := []any{projectID}
	add := func(clause string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(clause, len(args)))
	}
	if f.Text != "" {
		add(`(e.name LIKE $%[1]d ESCAPE '\' OR t.name LIKE $%[1]d ESCAPE '\' OR e.owner_email LIKE $%[1]d ESCAPE '\')`, likePattern(f.Text))
	}
	if f.Owner != "" {
		add("e.owner_email = $%d", strings.ToLower(f.Owner))
	}
	if f.Template != "" {
		add("t.name = $%d", f.Template)
	}
	if f.After != "" {
		add("e.name > $%d", f.After)
	}
	if len(f.Statuses) > 0 {
		var marks []string
		for _, st := range f.Statuses {
			args = append(args, st)
			marks = append(marks, fmt.Sprintf("$%d", len(args)))
		}
		where = append(where, statusSQL+" IN ("+strings.Join(marks, ", ")+")")
	}
	args = append(args, f.Limit)
	return db.List(ctx, q, scan, `SELECT `+columns+tables+` WHERE `+strings.Join(where, " AND ")+
		fmt.Sprintf(` ORDER BY e.name LIMIT $%d`, len(args)), args...)
}

func likePattern(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(text)) + "%"
}
