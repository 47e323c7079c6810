package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/web/views"
)

// contexts lists config contexts.
func (s *server) contexts(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, views.SectionContexts, "Contexts")
	if err != nil {
		return err
	}
	all, err := s.Contexts.List(r.Context(), sc.id)
	if err != nil {
		return err
	}
	v := views.ContextList{Page: sc.Page, Text: r.URL.Query().Get("q"), Any: len(all) > 0}
	if sc.can(authz.ContextWrite) {
		v.NewURL = views.ProjectPath(sc.Project.Slug, "contexts", "new")
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
	for _, c := range all {
		row := contextRowOf(c, sc)
		row.Owner = owners[c.ProjectID]
		if containsFold(v.Text, row.Name, row.Description) {
			v.Rows = append(v.Rows, row)
		}
	}
	return render(w, r, http.StatusOK, ContextsPage(v))
}

// owners says what to call the owners of things that are seen in a project; its own need no name.
func (s *server) owners(r *http.Request, sc scope, ids func(func(string) bool)) (map[string]string, error) {
	var others []string
	for id := range ids {
		if id != "" && id != sc.id && !slices.Contains(others, id) {
			others = append(others, id)
		}
	}
	names, err := s.Projects.Names(r.Context(), sc.id, others)
	if err != nil {
		return nil, err
	}
	names[""] = "the organisation"
	delete(names, sc.id)
	return names, nil
}

// containsFold says whether one of the texts holds what was looked for.
func containsFold(wanted string, texts ...string) bool {
	return strings.Contains(strings.ToLower(strings.Join(texts, "\n")), strings.ToLower(strings.TrimSpace(wanted)))
}

func contextRowOf(c configcontext.Context, sc scope) views.ContextRow {
	v := views.ContextRow{
		Name: c.Name, Description: c.Description, URL: views.ProjectPath(sc.Project.Slug, "contexts", c.Name),
		Variables: len(c.Env), Files: len(c.Files), Inputs: len(c.Variables), Sandbox: c.Sandbox != nil, Updated: views.At(c.UpdatedAt, sc.Now),
	}
	if c.ProjectID == sc.id {
		v.Shared = sharedWords(c.SharedWith)
	}
	return v
}

// contextPage is the editor of a context of the project; one that is shared with it can be looked at.
func (s *server) contextPage(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("context")
	sc, err := s.inProject(w, r, views.SectionContexts, name)
	if err != nil {
		return err
	}
	all, err := s.Contexts.List(r.Context(), sc.id) // those shared with the project, too
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(c configcontext.Context) bool { return c.Name == name && c.ProjectID == sc.id })
	if i >= 0 && sc.can(authz.ContextWrite) {
		v, err := s.contextEditor(r, sc, &all[i])
		if err != nil {
			return err
		}
		return render(w, r, http.StatusOK, ContextEditorPage(v))
	}
	if i < 0 {
		i = slices.IndexFunc(all, func(c configcontext.Context) bool { return c.Name == name })
	}
	if i < 0 {
		return configcontext.ErrNotFound.With("There is no config context %q in this project.", name)
	}
	v, err := s.contextView(r, sc, all[i])
	if err != nil {
		return err
	}
	return render(w, r, http.StatusOK, ContextPage(v))
}

// contextView is the page of a context for those who cannot change it. Who may share what the project owns can do so there.
func (s *server) contextView(r *http.Request, sc scope, c configcontext.Context) (views.ContextPage, error) {
	v := views.ContextPage{Page: sc.Page, Context: contextRowOf(c, sc), Entries: contextEntries(c)}
	owners, err := s.owners(r, sc, slices.Values([]string{c.ProjectID}))
	if err != nil {
		return v, err
	}
	v.Context.Owner = owners[c.ProjectID]
	if c.ProjectID == sc.id {
		v.Sharing, err = s.sharing(r, sc, contextShareable(v.Context.URL, c))
	}
	return v, err
}

// contextEntries is what a context holds; the service leaves sensitive values out.
func contextEntries(c configcontext.Context) []views.ContextEntry {
	var out []views.ContextEntry
	add := func(kind, name, value string, sensitive bool) {
		out = append(out, views.ContextEntry{Kind: kind, Name: name, Value: value, Sensitive: sensitive})
	}
	for _, e := range c.Env {
		add("Environment variable", e.Key, e.Value, e.Sensitive)
	}
	for _, e := range c.Files {
		add("File", e.MountPath, string(e.Content), e.Sensitive)
	}
	for _, e := range c.Variables {
		add("Input variable", e.Name, e.Value, e.Sensitive)
	}
	if c.Sandbox != nil {
		add("Sandbox", "endpoint", c.Sandbox.Endpoint, false)
	}
	return out
}

// deleteContext asks for the name before.
func (s *server) deleteContext(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("context")
	sc, stored, err := s.ownContext(w, r, name)
	if err != nil {
		return err
	}
	if r.PostFormValue("confirm") != name {
		v, err := s.contextEditor(r, sc, stored)
		if err != nil {
			return err
		}
		v.Danger.Error = "Type " + name + " to confirm."
		return render(w, r, http.StatusUnprocessableEntity, ContextEditorPage(v))
	}
	if err := s.Contexts.Delete(r.Context(), sc.id, name); err != nil {
		return err
	}
	s.setFlash(w, views.FlashOK, "The context "+name+" is deleted.")
	return redirect(w, r, views.ProjectPath(sc.Project.Slug, "contexts"))
}

// ownContext is a context of the project, for somebody who may change it.
func (s *server) ownContext(w http.ResponseWriter, r *http.Request, name string) (scope, *configcontext.Context, error) {
	sc, err := s.inProject(w, r, views.SectionContexts, name)
	if err != nil {
		return sc, nil, err
	}
	if err := s.Audit.Authorize(r.Context(), authz.ContextWrite, sc.id, audit.Object{Kind: "context", Name: name}); err != nil {
		return sc, nil, err
	}
	c, err := s.Contexts.Get(r.Context(), sc.id, name)
	return sc, &c, err
}

// shareContext changes with whom a context is shared.
func (s *server) shareContext(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("context")
	sc, err := s.inProject(w, r, views.SectionContexts, name)
	if err != nil {
		return err
	}
	object := audit.Object{Kind: "context", Name: name}
	with, choice, err := s.readSharing(r, sc, object)
	if err == nil && choice == nil {
		if err = s.Contexts.Share(r.Context(), sc.id, name, with); err == nil {
			s.setFlash(w, views.FlashOK, sharedFlash(name, with))
			return redirect(w, r, views.ProjectPath(sc.Project.Slug, "contexts", name)+"#sharing")
		}
	}
	if err != nil {
		return err
	}
	stored, err := s.Contexts.Get(r.Context(), sc.id, name)
	if err != nil {
		return err
	}
	if !sc.can(authz.ContextWrite) {
		v, err := s.contextView(r, sc, stored)
		if err != nil {
			return err
		}
		choice.keep(v.Sharing)
		return render(w, r, http.StatusUnprocessableEntity, ContextPage(v))
	}
	v, err := s.contextEditor(r, sc, &stored)
	if err != nil {
		return err
	}
	choice.keep(v.Sharing)
	return render(w, r, http.StatusUnprocessableEntity, ContextEditorPage(v))
}
