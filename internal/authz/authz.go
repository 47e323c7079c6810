// Package authz says who acts (the subject), what roles there are and which role
// permits what: one table. It answers from the context alone and must not know
// the database, transports or what the permissions guard.
package authz

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/fault"
)

// SubjectKind says what kind of subject acts.
type SubjectKind string

// The kinds of subject.
const (
	Anonymous  SubjectKind = "anonymous"
	User       SubjectKind = "user"
	SystemKind SubjectKind = "system"
)

// Binding is one role of a subject, in one project or, with an empty ProjectID,
// in the whole organisation.
type Binding struct {
	ProjectID   string
	ProjectName string
	Role        Role
}

// grants leaves out an organisation role that somehow got into a project.
func (b Binding) grants(p Permission) bool {
	return (b.ProjectID == "" || b.Role.InProject()) && b.Role.Grants(p)
}

// Subject is who acts. The zero value is nobody in particular: anonymous.
type Subject struct {
	Kind     SubjectKind
	UserID   string
	Email    string
	Name     string
	Bindings []Binding
}

// System returns the subject of Berth's own background work, such as "scheduler".
// It may do everything.
func System(name string) Subject {
	return Subject{Kind: SystemKind, Name: name}
}

// What Require answers. Messages name the permission and the roles.
var (
	ErrUnauthenticated = fault.New(fault.Unauthenticated, "unauthenticated", "Sign in first.")
	ErrForbidden       = fault.New(fault.Forbidden, "forbidden", "You are not allowed to do this.")
)

type subjectKey struct{}

// WithSubject returns a context in which s acts.
func WithSubject(ctx context.Context, s Subject) context.Context {
	return context.WithValue(ctx, subjectKey{}, s)
}

// From returns the subject of the context; anonymous when there is none.
func From(ctx context.Context) Subject {
	s, ok := ctx.Value(subjectKey{}).(Subject)
	if !ok || s.Kind == "" {
		s.Kind = Anonymous
	}
	return s
}

// Can reports whether the subject holds a permission in a project, or with an
// empty projectID in the whole organisation.
func (s Subject) Can(p Permission, projectID string) bool {
	if s.Kind == SystemKind {
		return true
	}
	if s.Kind != User {
		return false
	}
	return slices.ContainsFunc(s.Bindings, func(b Binding) bool {
		return (b.ProjectID == "" || b.ProjectID == projectID) && b.grants(p)
	})
}

// CanAnywhere reports whether the subject holds a permission in any project. It
// is for what belongs to no project but is only of use in one, such as a menu.
func (s Subject) CanAnywhere(p Permission) bool {
	if s.Kind == SystemKind {
		return true
	}
	return s.Kind == User && slices.ContainsFunc(s.Bindings, func(b Binding) bool { return b.grants(p) })
}

// Scope returns the projects in which the subject holds a permission; all is true
// when it holds it in the whole organisation.
func (s Subject) Scope(p Permission) (projectIDs []string, all bool) {
	if s.Can(p, "") {
		return nil, true
	}
	if s.Kind != User {
		return nil, false
	}
	for _, b := range s.Bindings {
		if b.ProjectID != "" && b.grants(p) && !slices.Contains(projectIDs, b.ProjectID) {
			projectIDs = append(projectIDs, b.ProjectID)
		}
	}
	return projectIDs, false
}

// Require returns nil when the subject of the context holds a permission in a
// project (empty: in the whole organisation), ErrUnauthenticated when nobody is
// signed in, and otherwise ErrForbidden with a message that says which role is
// missing and whom to ask.
func Require(ctx context.Context, p Permission, projectID string) error {
	s := From(ctx)
	if s.Can(p, projectID) {
		return nil
	}
	if s.Kind == Anonymous {
		return ErrUnauthenticated
	}
	return forbidden(s, p, projectID)
}

func forbidden(s Subject, p Permission, projectID string) error {
	project := s.projectName(projectID)
	if projectID != "" && project == "" {
		// No role there at all: even its name stays unknown.
		return ErrForbidden.With("You have no role in this project. Ask an %s, or a %s of the project, for one.",
			OrganisationAdmin.Name(), ProjectAdmin.Name())
	}
	roles := rolesFor(p, projectID != "")
	needs := "needs the role " + roles[0].Name()
	if len(roles) > 1 {
		names := make([]string, 0, len(roles)-1)
		for _, r := range roles[1:] {
			names = append(names, r.Name())
		}
		needs += " (or " + strings.Join(names, ", ") + ")"
	}
	if projectID == "" || roles[0] == OrganisationAdmin {
		return ErrForbidden.With("%s %s. Ask an %s.", p.Action(), needs, OrganisationAdmin.Name())
	}
	return ErrForbidden.With("%s in project %s %s. Ask a %s of %s.", p.Action(), project, needs, ProjectAdmin.Name(), project)
}

func (s Subject) projectName(projectID string) string {
	for _, b := range s.Bindings {
		if b.ProjectID == projectID && projectID != "" {
			return b.ProjectName
		}
	}
	return ""
}

// String names the subject in logs.
func (s Subject) String() string {
	switch s.Kind {
	case User:
		return fmt.Sprintf("%s (%s)", s.Email, s.UserID)
	case SystemKind:
		return "system:" + s.Name
	case Anonymous:
		return "anonymous"
	default:
		return "anonymous"
	}
}
