package template

import (
	"context"
	"fmt"
	"slices"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

// ContextUsers returns the names of the templates of a project that name a config
// context, in a version that is not disabled.
func (s *Service) ContextUsers(ctx context.Context, projectID, name string) ([]string, error) {
	if err := authz.Require(ctx, authz.TemplateRead, projectID); err != nil {
		return nil, err
	}
	type user struct {
		template string
		spec     struct {
			Contexts []ContextRef `json:"contexts"`
		}
	}
	var out []string
	for _, k := range []kind{resourceKind(), environmentKind()} {
		rows, err := db.List(ctx, s.db, func(sc db.Scanner) (user, error) {
			var u user
			return u, sc.Scan(&u.template, db.ScanJSON(&u.spec))
		}, `SELECT t.name, v.spec_json FROM `+k.versions+` v JOIN `+k.templates+` t ON t.id = v.template_id
			WHERE COALESCE(t.project_id, '') = $1 AND v.state <> $2 AND v.spec_json LIKE $3 ORDER BY t.name`,
			projectID, string(Disabled), `%"contexts"%`)
		if err != nil {
			return nil, fmt.Errorf("looking for templates that name a config context: %w", err)
		}
		for _, u := range rows {
			if slices.Contains(u.spec.Contexts, ContextRef{Name: name}) && !slices.Contains(out, u.template) {
				out = append(out, u.template)
			}
		}
	}
	return out, nil
}
