package template

import (
	"context"

	"github.com/berthdev/berth/internal/db"
)

// listVersionNames returns the versions of a template, by id.
func listVersionNames(ctx context.Context, q db.Querier, k kind, templateID string) (map[string]string, error) {
	return listPairs(ctx, q, `SELECT id, version FROM `+k.versions+` WHERE template_id = $1`, templateID)
}

// listVersionTemplates returns the names of the templates of a project, by the ids of
// their versions.
func listVersionTemplates(ctx context.Context, q db.Querier, k kind, projectID string) (map[string]string, error) {
	return listPairs(ctx, q, `SELECT v.id, t.name FROM `+k.versions+` v JOIN `+k.templates+` t ON t.id = v.template_id
		WHERE COALESCE(t.project_id, '') = $1`, projectID)
}

func listPairs(ctx context.Context, q db.Querier, query string, args ...any) (map[string]string, error) {
	rows, err := db.List(ctx, q, func(s db.Scanner) ([2]string, error) {
		var r [2]string
		err := s.Scan(&r[0], &r[1])
		return r, err
	}, query, args...)
	out := map[string]string{}
	for _, r := range rows {
		out[r[0]] = r[1]
	}
	return out, err
}

// lockVersions locks versions of resource templates until the transaction ends, and
// returns those that are there. Who names a version and who deletes it wait for each
// other so.
func lockVersions(ctx context.Context, tx *db.Tx, ids []ResourceVersionID) ([]ResourceVersionID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var args []any
	return db.List(ctx, tx, db.Value[ResourceVersionID], `SELECT id FROM resource_template_versions WHERE id IN (`+db.In(&args, ids)+`) ORDER BY id`+
		tx.Dialect().ForUpdate(), args...)
}

type templateUser struct {
	User
	resources []Resource
}

// listTemplatesUsing finds the versions of environment templates that name a
// resource template.
func listTemplatesUsing(ctx context.Context, q db.Querier, name string) ([]templateUser, error) {
	return listNamedTemplates(ctx, q, `%"template":"`+name+`"%`)
}

// listNamedTemplates finds the versions of environment templates whose specification
// looks like the pattern.
func listNamedTemplates(ctx context.Context, q db.Querier, pattern string) ([]templateUser, error) {
	return db.List(ctx, q, func(s db.Scanner) (templateUser, error) {
		u := templateUser{User: User{Kind: UserEnvironmentTemplate}}
		var spec EnvironmentSpec
		err := s.Scan(&u.ID, &u.Version, &u.Name, db.ScanText(&u.ProjectID), db.ScanText(&u.Project), db.ScanJSON(&spec))
		u.resources = spec.Resources
		return u, err
	}, `SELECT v.id, v.version, t.name, t.project_id, p.name, v.spec_json FROM environment_template_versions v
		JOIN environment_templates t ON t.id = v.template_id LEFT JOIN projects p ON p.id = t.project_id
		WHERE v.spec_json LIKE $1 ORDER BY t.name, v.created_at`, pattern)
}

func deleteVersion(ctx context.Context, tx *db.Tx, k kind, id string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM `+k.versions+` WHERE id = $1`, id)
	return err
}

func deleteTemplate(ctx context.Context, tx *db.Tx, k kind, id string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM `+k.templates+` WHERE id = $1`, id)
	return err
}
