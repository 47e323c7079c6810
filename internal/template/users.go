package template

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

// The kinds of User.
const (
	UserEnvironment         = "environment"
	UserEnvironmentTemplate = "environment_template"
)

// User is what uses a version of a template: an environment, or a version of an
// environment template. Of one that is hidden only this is known: that it exists.
type User struct {
	Kind      string `json:"kind"`
	ID        string `json:"-"`
	ProjectID string `json:"projectId,omitempty"` // empty for the organisation
	Project   string `json:"project,omitempty"`
	Name      string `json:"name,omitempty"`
	Version   string `json:"version,omitempty"` // of an environment template
	Status    string `json:"status,omitempty"`  // of an environment
	Hidden    bool   `json:"hidden,omitempty"`  // in a project that whoever asks cannot see into
}

// ResourceUsers tells which versions of environment templates use each version of
// a resource template.
func (s *Service) ResourceUsers(ctx context.Context, projectID, name string) (map[string][]User, error) {
	return s.usersByVersion(ctx, resourceKind(), projectID, name)
}

// CountResourceUsers counts what ResourceUsers lists, for all resource templates of a
// project at once.
func (s *Service) CountResourceUsers(ctx context.Context, projectID string) (map[string]int, error) {
	k := resourceKind()
	if err := s.audit.Authorize(ctx, authz.TemplateSourceRead, projectID, k.object("")); err != nil {
		return nil, err
	}
	templates, err := listVersionTemplates(ctx, s.db, k, projectID)
	if err != nil {
		return nil, fmt.Errorf("listing versions: %w", err)
	}
	users, err := listNamedTemplates(ctx, s.db, `%"template":"%`)
	if err != nil {
		return nil, fmt.Errorf("looking for environment templates: %w", err)
	}
	out := map[string]int{}
	for _, u := range users {
		seen := map[ResourceVersionID]bool{}
		for _, r := range u.resources {
			if name, ours := templates[string(r.VersionID)]; ours && !seen[r.VersionID] {
				seen[r.VersionID] = true
				out[name]++
			}
		}
	}
	return out, nil
}

// EnvironmentUsers tells which environments use each version of an environment
// template.
func (s *Service) EnvironmentUsers(ctx context.Context, projectID, name string) (map[string][]User, error) {
	return s.usersByVersion(ctx, environmentKind(), projectID, name)
}

func (s *Service) usersByVersion(ctx context.Context, k kind, projectID, name string) (map[string][]User, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateSourceRead, projectID, k.object(name)); err != nil {
		return nil, err
	}
	t, err := s.template(ctx, s.db, k, projectID, name)
	if err != nil {
		return nil, err
	}
	versions, err := listVersionNames(ctx, s.db, k, t.id)
	if err != nil {
		return nil, fmt.Errorf("listing versions: %w", err)
	}
	users, err := s.usersOf(ctx, s.db, k, name, versions)
	if err != nil {
		return nil, err
	}
	out := map[string][]User{}
	for id, list := range users {
		out[versions[id]] = visible(ctx, list)
	}
	return out, nil
}

// usersOf finds what uses the versions, given with their names by id.
func (s *Service) usersOf(ctx context.Context, q db.Querier, k kind, name string, versions map[string]string) (map[string][]User, error) {
	out := map[string][]User{}
	if k == resourceKind() {
		users, err := listTemplatesUsing(ctx, q, name)
		if err != nil {
			return nil, fmt.Errorf("looking for environment templates: %w", err)
		}
		for _, u := range users {
			for _, r := range u.resources {
				id := string(r.VersionID)
				if _, ours := versions[id]; ours && !slices.Contains(out[id], u.User) {
					out[id] = append(out[id], u.User)
				}
			}
		}
		return out, nil
	}
	if s.users == nil {
		return out, nil
	}
	var ids []EnvironmentVersionID
	for id := range versions {
		ids = append(ids, EnvironmentVersionID(id))
	}
	users, err := s.users(ctx, q, ids)
	if err != nil {
		return nil, fmt.Errorf("looking for environments: %w", err)
	}
	for id, list := range users {
		out[string(id)] = list
	}
	return out, nil
}

// visible hides those that the subject may not know.
func visible(ctx context.Context, users []User) []User {
	subject := authz.From(ctx)
	out := make([]User, 0, len(users))
	for _, u := range users {
		p := authz.EnvironmentRead
		if u.Kind == UserEnvironmentTemplate {
			p = authz.TemplateRead
		}
		if !subject.Can(p, u.ProjectID) {
			u = User{Kind: u.Kind, Hidden: true}
		}
		out = append(out, u)
	}
	slices.SortStableFunc(out, func(a, b User) int {
		if a.Hidden != b.Hidden {
			if a.Hidden {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return out
}

const namedUsers = 10

// nameUsers lists users in a sentence.
func nameUsers(users []User) string {
	var names []string
	more, hidden := 0, 0
	for _, u := range users {
		switch {
		case u.Hidden:
			hidden++
		case len(names) >= namedUsers:
			more++
		case u.Kind == UserEnvironmentTemplate:
			names = append(names, fmt.Sprintf("environment template %s %s%s", u.Name, u.Version, inProject(u.Project)))
		case u.Status == "destroyed":
			names = append(names, fmt.Sprintf("environment %s%s, which is destroyed but not deleted", u.Name, inProject(u.Project)))
		default:
			names = append(names, fmt.Sprintf("environment %s%s", u.Name, inProject(u.Project)))
		}
	}
	if more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	if hidden > 0 {
		names = append(names, fmt.Sprintf("%d in projects that you have no role in", hidden))
	}
	return strings.Join(names, "; ")
}

func inProject(name string) string {
	if name == "" {
		return ""
	}
	return " of project " + name
}
