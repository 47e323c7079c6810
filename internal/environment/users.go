package environment

import (
	"context"
	"slices"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/template"
)

// TemplateUsers finds the environments that need versions of environment templates:
// they are made of one, were deployed with it last, have a run with it under way, or
// have a resource that was applied with it. It is for the template service, which
// authorises and knows no environments.
func TemplateUsers(ctx context.Context, q db.Querier, versions []template.EnvironmentVersionID) (map[template.EnvironmentVersionID][]template.User, error) {
	out := map[template.EnvironmentVersionID][]template.User{}
	if len(versions) == 0 {
		return out, nil
	}
	var args []any
	type use struct {
		version template.EnvironmentVersionID
		template.User
	}
	rows, err := db.List(ctx, q, func(s db.Scanner) (use, error) {
		u := use{User: template.User{Kind: template.UserEnvironment}}
		return u, s.Scan(&u.version, &u.ID, &u.ProjectID, &u.Project, &u.Name, &u.Status)
	}, `SELECT n.version_id, e.id, e.project_id, p.name, e.name, `+statusSQL+`
		FROM (
			SELECT id AS environment_id, template_version_id AS version_id FROM environments
			UNION SELECT id, deployed_version_id FROM environments
			UNION SELECT environment_id, template_version_id FROM runs WHERE status IN ('queued', 'running')
			UNION SELECT o.environment_id, a.template_version_id FROM resources o JOIN runs a ON a.id = o.applied_run_id WHERE o.status <> 'destroyed'
		) n
		JOIN environments e ON e.id = n.environment_id JOIN projects p ON p.id = e.project_id LEFT JOIN runs r ON r.id = e.last_run_id
		WHERE n.version_id IN (`+db.In(&args, versions)+`) ORDER BY p.name, e.name`, args...)
	if err != nil {
		return nil, err
	}
	for _, u := range rows {
		if !slices.Contains(out[u.version], u.User) {
			out[u.version] = append(out[u.version], u.User)
		}
	}
	return out, nil
}
