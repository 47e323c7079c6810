package project

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/db"
)

const columns = "id, name, description, sharing_delegated, created_at, updated_at"

func scanProject(s db.Scanner) (Project, error) {
	var p Project
	err := s.Scan(&p.ID, &p.Name, &p.Description, &p.SharingDelegated, db.ScanTime(&p.CreatedAt), db.ScanTime(&p.UpdatedAt))
	return p, err
}

func insertProject(ctx context.Context, tx *db.Tx, p Project) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO projects ("+columns+") VALUES ($1, $2, $3, $4, $5, $6)",
		string(p.ID), p.Name, p.Description, flag(p.SharingDelegated), db.Micros(p.CreatedAt), db.Micros(p.UpdatedAt))
	return err
}

func getProject(ctx context.Context, q db.Querier, id ID) (Project, error) {
	return db.One(ctx, q, scanProject, "SELECT "+columns+" FROM projects WHERE id = $1", string(id))
}

func getProjectByName(ctx context.Context, q db.Querier, name string) (Project, error) {
	return db.One(ctx, q, scanProject, "SELECT "+columns+" FROM projects WHERE name = $1", name)
}

func listProjects(ctx context.Context, q db.Querier, ids []string, all bool) ([]Project, error) {
	if all {
		return db.List(ctx, q, scanProject, "SELECT "+columns+" FROM projects ORDER BY name")
	}
	if len(ids) == 0 {
		return []Project{}, nil
	}
	marks := make([]string, len(ids))
	args := make([]any, len(ids))
	for i, id := range ids {
		marks[i], args[i] = "$"+strconv.Itoa(i+1), id
	}
	return db.List(ctx, q, scanProject, "SELECT "+columns+" FROM projects WHERE id IN ("+strings.Join(marks, ", ")+") ORDER BY name", args...)
}

func updateProject(ctx context.Context, tx *db.Tx, p Project, ifUpdatedAt time.Time) (int64, error) {
	return db.Changed(tx.ExecContext(ctx, "UPDATE projects SET description = $2, updated_at = $3 WHERE id = $1 AND updated_at = $4",
		string(p.ID), p.Description, db.Micros(p.UpdatedAt), db.Micros(ifUpdatedAt)))
}

func updateSharing(ctx context.Context, tx *db.Tx, p Project, ifUpdatedAt time.Time) (int64, error) {
	return db.Changed(tx.ExecContext(ctx, "UPDATE projects SET sharing_delegated = $2, updated_at = $3 WHERE id = $1 AND updated_at = $4",
		string(p.ID), flag(p.SharingDelegated), db.Micros(p.UpdatedAt), db.Micros(ifUpdatedAt)))
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

func deleteProject(ctx context.Context, tx *db.Tx, id ID) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM projects WHERE id = $1", string(id))
	return err
}
