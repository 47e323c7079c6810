package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/web/views"
)

// shareable describes a thing of a project to the part of its page that shares it.
type shareable struct {
	url  string // POST
	what string // "context"
	// means is what another project can do with it, in one sentence.
	means string
	with  []string // project ids, or "*"
}

// sharing is that part of a page.
func (s *server) sharing(r *http.Request, sc scope, t shareable) (*views.Sharing, error) {
	may, err := s.Projects.MayShare(r.Context(), sc.id)
	if err != nil {
		return nil, err
	}
	v := &views.Sharing{URL: t.url, What: t.what, Means: t.means, Allowed: may, Mode: views.ShareNone}
	if !may {
		v.Refusal = "Sharing it needs the role Organisation Admin."
		if sc.can(authz.TemplateShareDelegated) {
			v.Refusal = "Sharing it needs the role Organisation Admin. An Organisation Admin can let the admins of this project share what it owns (project settings, Sharing)."
		}
	}
	switch {
	case slices.Contains(t.with, project.Everyone):
		v.Mode = views.ShareAll
	case len(t.with) > 0:
		v.Mode = views.ShareSome
	}
	visible, err := s.Projects.List(r.Context())
	if err != nil {
		return nil, err
	}
	listed := map[string]bool{project.Everyone: true}
	for _, p := range visible {
		listed[string(p.ID)] = true
		if string(p.ID) != sc.id {
			v.Projects = append(v.Projects, views.SharedProject{ID: string(p.ID), Name: p.Name, Description: p.Description, Shared: slices.Contains(t.with, string(p.ID))})
		}
	}
	hidden := slices.DeleteFunc(slices.Clone(t.with), func(id string) bool { return listed[id] })
	names, err := s.Projects.Names(r.Context(), sc.id, hidden)
	if err != nil {
		return nil, err
	}
	for _, id := range hidden {
		v.Projects = append(v.Projects, views.SharedProject{ID: id, Name: names[id], Shared: true})
	}
	slices.SortFunc(v.Projects, func(a, b views.SharedProject) int { return strings.Compare(a.Name, b.Name) })
	if _, all := sc.who.Scope(authz.ProjectRead); !all {
		v.Others = &views.Field{Label: "Other projects", Name: "names", Mono: true, Help: "Names of projects that you are no member of, separated by commas.", Placeholder: "payments, web-shop"}
	}
	return v, nil
}

// sharingChoice is what somebody chose and cannot have.
type sharingChoice struct {
	mode          views.ShareMode
	ids           []string
	names         string
	err, namesErr string
}

// keep puts the choice back into the page.
func (c sharingChoice) keep(v *views.Sharing) {
	if v == nil {
		return
	}
	v.Mode, v.Error = c.mode, c.err
	for i := range v.Projects {
		v.Projects[i].Shared = slices.Contains(c.ids, v.Projects[i].ID)
	}
	if v.Others != nil {
		v.Others.Value, v.Others.Error = c.names, c.namesErr
	} else if c.namesErr != "" {
		v.Error = c.namesErr
	}
}

// readSharing takes from the form with whom to share. It returns the choice itself when it cannot be had as it is.
func (s *server) readSharing(r *http.Request, sc scope, object audit.Object) (with []string, wrong *sharingChoice, err error) {
	c := sharingChoice{mode: views.ShareMode(r.PostFormValue("mode")), ids: r.PostForm["project"], names: r.PostFormValue("names")}
	names := strings.FieldsFunc(c.names, func(ch rune) bool { return ch == ',' || ch == ' ' || ch == '\n' || ch == '\r' })
	if c.mode != views.ShareSome {
		names = nil
	}
	ids, err := s.Projects.ForSharing(r.Context(), sc.id, names, object)
	if f, ok := fault.As(err); ok && f.Kind == fault.Invalid {
		c.namesErr = spread(&fault.Error{Fields: unplaced(f.Fields)}, nil)
		return nil, &c, nil
	}
	if err != nil {
		return nil, nil, err
	}
	switch c.mode {
	case views.ShareNone:
		return nil, nil, nil
	case views.ShareAll:
		return []string{project.Everyone}, nil, nil
	case views.ShareSome:
		with = slices.Clone(c.ids)
		for _, id := range ids {
			if string(id) != sc.id && !slices.Contains(with, string(id)) {
				with = append(with, string(id))
			}
		}
		if len(with) > 0 {
			return with, nil, nil
		}
		c.err = "Choose at least one project, or choose Only this project."
	default:
		c.mode, c.err = views.ShareNone, "Choose with whom to share it."
	}
	return nil, &c, nil
}

// unplaced takes the places out of field errors whose messages name the thing themselves.
func unplaced(fields []fault.Field) []fault.Field {
	out := make([]fault.Field, 0, len(fields))
	for _, f := range fields {
		out = append(out, fault.Field{Message: f.Message})
	}
	return out
}

func sharedFlash(name string, with []string) string {
	return name + " is now " + sharedWords(with) + "."
}

// sharedWords says with whom a thing is shared.
func sharedWords(with []string) string {
	switch {
	case len(with) == 0:
		return "not shared"
	case slices.Contains(with, project.Everyone):
		return "shared with all projects"
	}
	return "shared with " + views.Count(len(with), "project", "projects")
}

// projectSharing shows whether the admins of a project may share what it owns.
func (s *server) projectSharing(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, views.SectionSharing, "Sharing")
	if err != nil {
		return err
	}
	if err := s.Audit.Authorize(r.Context(), authz.MemberRead, sc.id, audit.Object{Kind: "project", ID: sc.id, Name: sc.Project.Slug}); err != nil {
		return err
	}
	p, err := s.Projects.Get(r.Context(), sc.Project.Slug)
	if err != nil {
		return err
	}
	v := views.ProjectSharing{
		Page: sc.Page, URL: views.ProjectPath(sc.Project.Slug, "settings", "sharing"), Delegated: p.SharingDelegated, Allowed: sc.who.Can(authz.TemplateShare, ""),
	}
	if !v.Allowed {
		v.Refusal = "Only an Organisation Admin can change this."
	}
	return render(w, r, http.StatusOK, ProjectSharingPage(v))
}

// setProjectSharing changes it.
func (s *server) setProjectSharing(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Projects.SetSharingDelegated(r.Context(), r.PathValue("project"), last(r.PostForm, "delegated") == "true")
	if err != nil {
		return err
	}
	text := "Only Organisation Admins share what " + p.Name + " owns."
	if p.SharingDelegated {
		text = "The admins of " + p.Name + " may now share what it owns."
	}
	s.setFlash(w, views.FlashOK, text)
	return redirect(w, r, views.ProjectPath(p.Name, "settings", "sharing"))
}
