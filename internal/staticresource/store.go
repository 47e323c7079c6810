package staticresource

import (
	"context"
	"fmt"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/sharing"
)

func shares() sharing.Table {
	return sharing.Table{Name: "static_resource_shares", Column: "static_id"}
}

// variable is one row of a static resource; the value is sealed when it is
// sensitive.
type variable struct {
	Variable
	staticID ID
	position int
	kind     string
	value    []byte
}

const columns = `r.id, r.project_id, r.name, r.description, r.created_at, r.updated_at`

func scan(s db.Scanner) (Static, error) {
	var r Static
	err := s.Scan(&r.ID, db.ScanText(&r.ProjectID), &r.Name, &r.Description, db.ScanTime(&r.CreatedAt), db.ScanTime(&r.UpdatedAt))
	return r, err
}

func getByName(ctx context.Context, q db.Querier, projectID, name string) (Static, error) {
	return db.One(ctx, q, scan, `SELECT `+columns+` FROM static_resources r WHERE COALESCE(r.project_id, '') = $1 AND r.name = $2`, projectID, name)
}

func listVisible(ctx context.Context, q db.Querier, projectID string) ([]Static, error) {
	return db.List(ctx, q, scan, `SELECT `+columns+` FROM static_resources r WHERE `+shares().Visible("r", "$1")+
		` ORDER BY r.name, r.created_at, r.id`, projectID)
}

// listByNames returns those of the names that a project owns or that are shared
// with it.
func listByNames(ctx context.Context, q db.Querier, projectID string, names []string) ([]Static, error) {
	args := []any{projectID}
	return db.List(ctx, q, scan, `SELECT `+columns+` FROM static_resources r WHERE r.name IN (`+db.In(&args, names)+`) AND `+
		shares().Visible("r", "$1")+` ORDER BY r.created_at, r.id`, args...)
}

func insertStatic(ctx context.Context, tx *db.Tx, r Static) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO static_resources (id, project_id, name, description, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6)`, r.ID, db.NullText(r.ProjectID), r.Name, r.Description, db.Micros(r.CreatedAt), db.Micros(r.UpdatedAt))
	return err
}

func updateStatic(ctx context.Context, tx *db.Tx, r Static) error {
	_, err := tx.ExecContext(ctx, `UPDATE static_resources SET description = $2, updated_at = $3 WHERE id = $1`, r.ID, r.Description, db.Micros(r.UpdatedAt))
	return err
}

func deleteStatic(ctx context.Context, tx *db.Tx, id ID) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM static_resources WHERE id = $1`, id)
	return err
}

func insertVariable(ctx context.Context, tx *db.Tx, v variable) error {
	sensitive := 0
	if v.Sensitive {
		sensitive = 1
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO static_resource_variables (static_id, name, position, value_type, kind, value, sensitive, description)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, v.staticID, v.Name, v.position, v.ValueType, v.kind, v.value, sensitive, v.Description)
	return err
}

func deleteVariables(ctx context.Context, tx *db.Tx, id ID) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM static_resource_variables WHERE static_id = $1`, id)
	return err
}

// listVariables returns the variables of each of the static resources, in order.
// Value is set unless it is sealed.
func listVariables(ctx context.Context, q db.Querier, ids []ID) (map[ID][]variable, error) {
	out := map[ID][]variable{}
	if len(ids) == 0 {
		return out, nil
	}
	var args []any
	list, err := db.List(ctx, q, func(s db.Scanner) (variable, error) {
		var v variable
		var sensitive int64
		err := s.Scan(&v.staticID, &v.Name, &v.position, &v.ValueType, &v.kind, &v.value, &sensitive, &v.Description)
		if v.Sensitive = sensitive != 0; !v.Sensitive {
			v.Value = string(v.value)
		}
		return v, err
	}, `SELECT static_id, name, position, value_type, kind, value, sensitive, description
		FROM static_resource_variables WHERE static_id IN (`+db.In(&args, ids)+`) ORDER BY static_id, position`, args...)
	for _, v := range list {
		out[v.staticID] = append(out[v.staticID], v)
	}
	return out, err
}

// fill adds variables and shares, sensitive values left out.
func fill(ctx context.Context, q db.Querier, rows ...Static) ([]Static, error) {
	variables, err := listVariables(ctx, q, ids(rows))
	if err != nil {
		return nil, fmt.Errorf("reading variables of static resources: %w", err)
	}
	with, err := sharing.List(ctx, q, shares(), ids(rows))
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].SharedWith = with[rows[i].ID]
		for _, v := range variables[rows[i].ID] {
			rows[i].Variables = append(rows[i].Variables, v.Variable)
		}
	}
	return rows, nil
}

func ids(rows []Static) []ID {
	out := make([]ID, len(rows))
	for i, r := range rows {
		out[i] = r.ID
	}
	return out
}
