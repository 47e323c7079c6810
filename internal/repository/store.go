package repository

import (
	"context"

	"github.com/berthdev/berth/internal/db"
)

// row is a repository and its sealed credentials.
type row struct {
	Repository
	sealed []byte
}

const columns = `id, project_id, name, description, url, auth, username, credentials, default_revision, known_hosts, ca_cert, created_at, updated_at`

func scanRow(s db.Scanner) (row, error) {
	var r row
	err := s.Scan(&r.ID, db.ScanText(&r.ProjectID), &r.Name, &r.Description, &r.URL, &r.Auth, &r.Username, &r.sealed,
		&r.DefaultRevision, &r.KnownHosts, &r.CACert, db.ScanTime(&r.CreatedAt), db.ScanTime(&r.UpdatedAt))
	r.HasSecret = len(r.sealed) > 0
	return r, err
}

// getOwn reads the repository that a project (empty: the organisation) owns.
func getOwn(ctx context.Context, q db.Querier, projectID, name string) (row, error) {
	return db.One(ctx, q, scanRow, `SELECT `+columns+` FROM repositories WHERE COALESCE(project_id, '') = $1 AND name = $2`, projectID, name)
}

// getVisible reads the project's own repository of the name, else the organisation's.
func getVisible(ctx context.Context, q db.Querier, projectID, name string) (row, error) {
	return db.One(ctx, q, scanRow, `SELECT `+columns+` FROM repositories WHERE COALESCE(project_id, '') IN ($1, '') AND name = $2
		ORDER BY COALESCE(project_id, '') DESC LIMIT 1`, projectID, name)
}

func listVisible(ctx context.Context, q db.Querier, projectID string) ([]row, error) {
	return db.List(ctx, q, scanRow, `SELECT `+columns+` FROM repositories WHERE COALESCE(project_id, '') IN ($1, '')
		ORDER BY name, COALESCE(project_id, '') DESC`, projectID)
}

func insertRow(ctx context.Context, tx *db.Tx, r row) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO repositories (`+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		r.ID, db.NullText(r.ProjectID), r.Name, r.Description, r.URL, r.Auth, r.Username, r.sealed,
		r.DefaultRevision, r.KnownHosts, r.CACert, db.Micros(r.CreatedAt), db.Micros(r.UpdatedAt))
	return err
}

func updateRow(ctx context.Context, tx *db.Tx, r row) error {
	_, err := tx.ExecContext(ctx, `UPDATE repositories SET description = $2, url = $3, auth = $4, username = $5, credentials = $6,
		default_revision = $7, known_hosts = $8, ca_cert = $9, updated_at = $10 WHERE id = $1`,
		r.ID, r.Description, r.URL, r.Auth, r.Username, r.sealed, r.DefaultRevision, r.KnownHosts, r.CACert, db.Micros(r.UpdatedAt))
	return err
}

func deleteRow(ctx context.Context, tx *db.Tx, id ID) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM repositories WHERE id = $1`, id)
	return err
}
