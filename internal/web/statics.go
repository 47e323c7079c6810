package web

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/web/views"
)

// statics lists static resources.
func (s *server) statics(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, views.SectionStatics, "Static Resources")
	if err != nil {
		return err
	}
	all, err := s.Statics.List(r.Context(), sc.id)
	if err != nil {
		return err
	}
	v := views.StaticList{Page: sc.Page, Text: r.URL.Query().Get("q"), Any: len(all) > 0}
	if sc.can(authz.ContextWrite) {
		v.NewURL = views.ProjectPath(sc.Project.Slug, "static-resources", "new")
	}
	owners, err := s.owners(r, sc, func(yield func(string) bool) {
		for _, c := range all {
			if !yield(c.ProjectID) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	for _, st := range all {
		row := staticRowOf(st, sc)
		row.Owner = owners[st.ProjectID]
		if containsFold(v.Text, row.Name, row.Description) {
			v.Rows = append(v.Rows, row)
		}
	}
	return render(w, r, http.StatusOK, StaticsPage(v))
}

func staticRowOf(st staticresource.Static, sc scope) views.StaticRow {
	v := views.StaticRow{
		Name: st.Name, Description: st.Description, URL: views.ProjectPath(sc.Project.Slug, "static-resources", st.Name),
		Variables: len(st.Variables), Updated: views.At(st.UpdatedAt, sc.Now),
	}
	if st.ProjectID == sc.id {
		v.Shared = sharedWords(st.SharedWith)
	}
	return v
}

// staticPage is the editor of a static resource of the project; one that is shared with it can be looked at.
func (s *server) staticPage(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("static")
	sc, err := s.inProject(w, r, views.SectionStatics, name)
	if err != nil {
		return err
	}
	all, err := s.Statics.List(r.Context(), sc.id)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(st staticresource.Static) bool { return st.Name == name && st.ProjectID == sc.id })
	if i >= 0 && sc.can(authz.ContextWrite) {
		v, err := s.staticEditor(r, sc, &all[i])
		if err != nil {
			return err
		}
		return render(w, r, http.StatusOK, StaticEditorPage(v))
	}
	if i < 0 {
		i = slices.IndexFunc(all, func(st staticresource.Static) bool { return st.Name == name })
	}
	if i < 0 {
		return staticresource.ErrNotFound.With("There is no static resource %q in this project.", name)
	}
	v, err := s.staticView(r, sc, all[i])
	if err != nil {
		return err
	}
	return render(w, r, http.StatusOK, StaticPage(v))
}

// staticView is the page of a static resource for those who cannot change it. Who may share what the project owns can do so there.
func (s *server) staticView(r *http.Request, sc scope, st staticresource.Static) (views.StaticPage, error) {
	v := views.StaticPage{Page: sc.Page, Static: staticRowOf(st, sc)}
	for _, e := range st.Variables {
		v.Entries = append(v.Entries, views.StaticEntry{Name: e.Name, Type: typeLabel(cmp.Or(e.ValueType, staticresource.Text)), Value: e.Value, Description: e.Description, Sensitive: e.Sensitive})
	}
	owners, err := s.owners(r, sc, slices.Values([]string{st.ProjectID}))
	if err != nil {
		return v, err
	}
	v.Static.Owner = owners[st.ProjectID]
	if st.ProjectID == sc.id {
		v.Sharing, err = s.sharing(r, sc, staticShareable(v.Static.URL, st))
	}
	return v, err
}

// ownStatic is a static resource of the project, for somebody who may change it.
func (s *server) ownStatic(w http.ResponseWriter, r *http.Request) (scope, *staticresource.Static, error) {
	name := r.PathValue("static")
	sc, err := s.staticWriter(w, r, name)
	if err != nil {
		return sc, nil, err
	}
	st, err := s.Statics.Get(r.Context(), sc.id, name)
	return sc, &st, err
}

func (s *server) staticWriter(w http.ResponseWriter, r *http.Request, title string) (scope, error) {
	sc, err := s.inProject(w, r, views.SectionStatics, title)
	if err != nil {
		return sc, err
	}
	return sc, s.Audit.Authorize(r.Context(), authz.ContextWrite, sc.id, audit.Object{Kind: "static_resource", Name: r.PathValue("static")})
}

// deleteStatic asks for the name before.
func (s *server) deleteStatic(w http.ResponseWriter, r *http.Request) error {
	sc, stored, err := s.ownStatic(w, r)
	if err != nil {
		return err
	}
	if r.PostFormValue("confirm") != stored.Name {
		v, err := s.staticEditor(r, sc, stored)
		if err != nil {
			return err
		}
		v.Danger.Error = "Type " + stored.Name + " to confirm."
		return render(w, r, http.StatusUnprocessableEntity, StaticEditorPage(v))
	}
	if err := s.Statics.Delete(r.Context(), sc.id, stored.Name); err != nil {
		return err
	}
	s.setFlash(w, views.FlashOK, "The static resource "+stored.Name+" is deleted.")
	return redirect(w, r, views.ProjectPath(sc.Project.Slug, "static-resources"))
}

// shareStatic changes with whom a static resource is shared.
func (s *server) shareStatic(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("static")
	sc, err := s.inProject(w, r, views.SectionStatics, name)
	if err != nil {
		return err
	}
	with, choice, err := s.readSharing(r, sc, audit.Object{Kind: "static_resource", Name: name})
	if err == nil && choice == nil {
		if err = s.Statics.Share(r.Context(), sc.id, name, with); err == nil {
			s.setFlash(w, views.FlashOK, sharedFlash(name, with))
			return redirect(w, r, views.ProjectPath(sc.Project.Slug, "static-resources", name)+"#sharing")
		}
	}
	if err != nil {
		return err
	}
	stored, err := s.Statics.Get(r.Context(), sc.id, name)
	if err != nil {
		return err
	}
	if !sc.can(authz.ContextWrite) {
		v, err := s.staticView(r, sc, stored)
		if err != nil {
			return err
		}
		choice.keep(v.Sharing)
		return render(w, r, http.StatusUnprocessableEntity, StaticPage(v))
	}
	v, err := s.staticEditor(r, sc, &stored)
	if err != nil {
		return err
	}
	choice.keep(v.Sharing)
	return render(w, r, http.StatusUnprocessableEntity, StaticEditorPage(v))
}
