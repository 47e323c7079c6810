package web

import (
	"net/http"
	"time"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/web/views"
)

// barePage is the frame of a page for somebody who is not signed in.
func (s *server) barePage(r *http.Request, title string) views.Page {
	p := views.Page{Title: title, Now: s.now()}
	if c, err := r.Cookie(themeCookie); err == nil && (c.Value == "light" || c.Value == "dark") {
		p.Theme = c.Value
	}
	return p
}

// page is the frame of a page outside any project.
func (s *server) page(w http.ResponseWriter, r *http.Request, title string) (views.Page, error) {
	p := s.barePage(r, title)
	who := authz.From(r.Context())
	if who.Kind == authz.Anonymous {
		return p, nil
	}
	p.User = &views.User{Name: who.Name, Email: who.Email, Role: roleIn(who, "")}
	p.Toolchain = toolchainView(s.Tools.Snapshot(), p.Now)
	p.Flash = s.takeFlash(w, r)
	if p.Toolchain != nil {
		p.EventsURL = "/toolchain/events"
	}
	projects, err := s.Projects.List(r.Context())
	if err != nil {
		return p, err
	}
	for _, other := range projects {
		p.Projects = append(p.Projects, views.Project{Slug: other.Name, Description: other.Description, Role: roleIn(who, string(other.ID))})
	}
	return p, nil
}

// scope is what a page inside a project works with.
type scope struct {
	views.Page
	id  string // of the project
	who authz.Subject
}

func (p scope) can(permission authz.Permission) bool { return p.who.Can(permission, p.id) }

// inProject is the frame of a page inside the project that the address names.
func (s *server) inProject(w http.ResponseWriter, r *http.Request, section views.Section, title string) (scope, error) {
	p, err := s.Projects.Get(r.Context(), r.PathValue("project"))
	if err != nil {
		return scope{}, err
	}
	page, err := s.page(w, r, title)
	if err != nil {
		return scope{}, err
	}
	out := scope{Page: page, id: string(p.ID), who: authz.From(r.Context())}
	out.Section = section
	out.Project = &views.Project{Slug: p.Name, Description: p.Description, Role: roleIn(out.who, out.id)}
	out.User.Role = out.Project.Role
	out.Nav = views.Nav{
		Contexts: out.can(authz.ContextRead), Members: out.can(authz.MemberRead), Audit: out.can(authz.AuditRead),
		Repositories: out.can(authz.RepositoryRead), Resources: out.can(authz.TemplateSourceRead),
	}
	s.rememberProject(w, r, p)
	return out, nil
}

const projectAge = 90 * 24 * time.Hour

func (s *server) rememberProject(w http.ResponseWriter, r *http.Request, p project.Project) {
	if s.cookie(r, projectCookie) != p.Name {
		s.setCookie(w, projectCookie, p.Name, projectAge)
	}
}

// roleIn names the most powerful role that somebody holds in a project, or in the organisation when there is none.
func roleIn(who authz.Subject, projectID string) string {
	for _, role := range authz.Roles() {
		for _, b := range who.Bindings {
			if b.Role == role && (b.ProjectID == "" || b.ProjectID == projectID) {
				return role.Name()
			}
		}
	}
	return ""
}

// refusal says why somebody may not, and "" when they may.
func refusal(r *http.Request, p authz.Permission, projectID string) string {
	if err := authz.Require(r.Context(), p, projectID); err != nil {
		return describeError(err).Text
	}
	return ""
}

// roleFor names the least role that permits something.
func roleFor(r *http.Request, p authz.Permission, projectID string) string {
	role, _ := missingRole(refusal(r, p, projectID))
	return role
}

func (s *server) projects(w http.ResponseWriter, r *http.Request) error {
	page, err := s.page(w, r, "Projects")
	if err != nil {
		return err
	}
	return render(w, r, http.StatusOK, ProjectsPage(views.ProjectChoice{Page: page}))
}

func (s *server) projectHome(w http.ResponseWriter, r *http.Request) error {
	return redirect(w, r, views.ProjectPath(r.PathValue("project"), "environments"))
}
