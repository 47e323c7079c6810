package template

import (
	"context"
	"fmt"
	"slices"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/sharing"
)

// naming is a version of an environment template that names a thing, and who owns
// the template, this one or one of its resources', that names it.
type naming struct {
	User
	state State
	spec  EnvironmentSpec
	owner string
}

// ContextNeeds finds, for the service of config contexts, the environments that could
// not be destroyed without a context: those that exist and are made of a version that
// names it, or whose resource templates do. environments is as in Deps.
func ContextNeeds(environments UsersFunc) sharing.UsersFunc {
	return func(ctx context.Context, q db.Querier, name string, means func(projectID, ownerID string) (bool, error)) (string, error) {
		named, err := namingContext(ctx, q, name)
		if err != nil {
			return "", err
		}
		live, err := liveUsers(ctx, q, environments, named)
		if err != nil {
			return "", err
		}
		var users []User
		for _, n := range named {
			for _, u := range live[EnvironmentVersionID(n.ID)] {
				ours, err := means(u.ProjectID, n.owner)
				if err != nil {
					return "", err
				}
				if ours && !slices.Contains(users, u) {
					users = append(users, u)
				}
			}
		}
		return nameUsers(visible(ctx, users)), nil
	}
}

// StaticNeeds finds, for the service of static resources, the versions of environment
// templates that use one: those that are active, or that environments exist of.
func StaticNeeds(environments UsersFunc) sharing.UsersFunc {
	return func(ctx context.Context, q db.Querier, name string, means func(projectID, ownerID string) (bool, error)) (string, error) {
		named, err := listNaming(ctx, q, `%"static":"`+name+`"%`)
		if err != nil {
			return "", err
		}
		named = slices.DeleteFunc(named, func(n naming) bool {
			return !slices.ContainsFunc(n.spec.Resources, func(r Resource) bool { return r.Kind == KindStatic && r.Static == name })
		})
		live, err := liveUsers(ctx, q, environments, named)
		if err != nil {
			return "", err
		}
		var users []User
		for _, n := range named {
			if n.state != Active && len(live[EnvironmentVersionID(n.ID)]) == 0 {
				continue
			}
			ours, err := means(n.owner, n.owner)
			if err != nil {
				return "", err
			}
			if ours {
				users = append(users, n.User)
			}
		}
		return nameUsers(visible(ctx, users)), nil
	}
}

// liveUsers are the environments of versions that there is something of.
func liveUsers(ctx context.Context, q db.Querier, environments UsersFunc, named []naming) (map[EnvironmentVersionID][]User, error) {
	var ids []EnvironmentVersionID
	for _, n := range named {
		if id := EnvironmentVersionID(n.ID); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	all, err := environments(ctx, q, ids)
	if err != nil {
		return nil, fmt.Errorf("looking for environments: %w", err)
	}
	for id, users := range all {
		all[id] = slices.DeleteFunc(users, func(u User) bool { return u.Status == "draft" || u.Status == "destroyed" })
	}
	return all, nil
}

// namingContext lists versions of environment templates that name a context, and those
// with a resource whose template does.
func namingContext(ctx context.Context, q db.Querier, name string) ([]naming, error) {
	ref := ContextRef{Name: name}
	direct, err := listNaming(ctx, q, `%"name":"`+name+`"%`)
	if err != nil {
		return nil, err
	}
	out := slices.DeleteFunc(direct, func(n naming) bool { return !slices.Contains(n.spec.Contexts, ref) })
	resources, err := db.List(ctx, q, func(s db.Scanner) (*ResourceVersion, error) {
		v := &ResourceVersion{}
		return v, s.Scan(&v.ID, &v.Template, db.ScanText(&v.ProjectID), db.ScanJSON(&v.Spec))
	}, `SELECT v.id, t.name, t.project_id, v.spec_json FROM resource_template_versions v JOIN resource_templates t ON t.id = v.template_id
		WHERE v.spec_json LIKE $1`, `%"name":"`+name+`"%`)
	if err != nil {
		return nil, fmt.Errorf("looking for resource templates: %w", err)
	}
	for _, v := range resources {
		if !slices.Contains(v.Spec.Contexts, ref) {
			continue
		}
		users, err := listTemplatesUsing(ctx, q, v.Template)
		if err != nil {
			return nil, fmt.Errorf("looking for environment templates: %w", err)
		}
		for _, u := range users {
			if slices.ContainsFunc(u.resources, func(r Resource) bool { return r.VersionID == v.ID }) {
				out = append(out, naming{User: u.User, owner: v.ProjectID})
			}
		}
	}
	return out, nil
}

// listNaming lists the versions of environment templates whose specification is like a pattern.
func listNaming(ctx context.Context, q db.Querier, pattern string) ([]naming, error) {
	list, err := db.List(ctx, q, func(s db.Scanner) (naming, error) {
		n := naming{User: User{Kind: UserEnvironmentTemplate}}
		err := s.Scan(&n.ID, &n.Version, &n.state, &n.Name, db.ScanText(&n.ProjectID), db.ScanText(&n.Project), db.ScanJSON(&n.spec))
		n.owner = n.ProjectID
		return n, err
	}, `SELECT v.id, v.version, v.state, t.name, t.project_id, p.name, v.spec_json FROM environment_template_versions v
		JOIN environment_templates t ON t.id = v.template_id LEFT JOIN projects p ON p.id = t.project_id
		WHERE v.spec_json LIKE $1 ORDER BY t.name, v.created_at`, pattern)
	if err != nil {
		return nil, fmt.Errorf("looking for environment templates: %w", err)
	}
	return list, nil
}
