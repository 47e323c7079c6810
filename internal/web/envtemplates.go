package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/web/views"
)

// authorRows lists the templates of a project with their versions in every state, for those who may read their source.
func (s *server) authorRows(r *http.Request, sc scope, search string) ([]views.AuthorRow, error) {
	all, err := s.Templates.ListEnvironments(r.Context(), sc.id)
	if err != nil {
		return nil, err
	}
	owners, err := s.owners(r, sc, func(yield func(string) bool) {
		for _, t := range all {
			if !yield(t.ProjectID) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	var out []views.AuthorRow
	for _, t := range all {
		if !containsFold(search, t.Name, t.DisplayName, t.Description) {
			continue
		}
		row := views.AuthorRow{Name: t.Name, Title: cmp.Or(t.DisplayName, t.Name), URL: views.ProjectPath(sc.Project.Slug, "templates", t.Name), Owner: owners[t.ProjectID]}
		for _, ver := range t.Versions {
			if t.ProjectID == sc.id || ver.State == template.Active {
				row.Versions = append(row.Versions, authorVersion(t, ver, sc))
			}
		}
		if len(row.Versions) > 0 {
			out = append(out, row)
		}
	}
	return out, nil
}

func authorVersion(t template.Summary, ver template.SummaryVersion, sc scope) views.AuthorVersion {
	path := func(parts ...string) string {
		return views.ProjectPath(sc.Project.Slug, append([]string{"templates", t.Name}, parts...)...)
	}
	v := views.AuthorVersion{
		Version: ver.Version, State: views.VersionState(ver.State), Errors: ver.Errors, Warnings: ver.Warnings, Updated: views.At(ver.UpdatedAt, sc.Now),
		URL: path() + "?version=" + url.QueryEscape(ver.Version),
	}
	if t.ProjectID != sc.id || !sc.can(authz.TemplateWrite) {
		return v
	}
	v.Copy = path("new-version") + "?from=" + url.QueryEscape(ver.Version)
	v.Delete = path("versions", ver.Version, "delete")
	state := path("versions", ver.Version, "state")
	switch ver.State {
	case template.Draft:
		v.Edit, v.Activate = path("versions", ver.Version, "edit"), state
		v.URL = v.Edit
	case template.Active:
		v.Disable = state
	case template.Disabled:
		v.Activate = state
	}
	return v
}

// templateAuthor is what authors see of a template, and who may share it; nil for others.
func (s *server) templateAuthor(r *http.Request, sc scope, t template.Summary) (*views.TemplateAuthor, error) {
	author, own := sc.can(authz.TemplateSourceRead), t.ProjectID == sc.id
	a := &views.TemplateAuthor{Own: own}
	if own {
		sharing, err := s.templateSharing(r, sc, t)
		if err != nil {
			return nil, err
		}
		a.Sharing = sharing
	}
	if !author && a.Sharing == nil {
		return nil, nil
	}
	if !author {
		return a, nil
	}
	users := map[string][]template.User{}
	if own {
		var err error
		if users, err = s.Templates.EnvironmentUsers(r.Context(), sc.id, t.Name); err != nil {
			return nil, err
		}
		base := views.ProjectPath(sc.Project.Slug, "templates", t.Name)
		a.YAMLURL = base + "/manifest"
		if sc.can(authz.TemplateWrite) {
			a.NewURL = base + "/new-version"
			a.Danger = &views.Danger{URL: base + "/delete", Name: t.Name, What: "environment template", Text: "This deletes the template with all its versions. It is refused while an environment uses one of them."}
		}
	} else {
		owners, err := s.owners(r, sc, slices.Values([]string{t.ProjectID}))
		if err != nil {
			return nil, err
		}
		a.Owner = owners[t.ProjectID]
	}
	latest := false
	for i, ver := range t.Versions {
		if !own && ver.State != template.Active {
			continue
		}
		v := authorVersion(t, ver, sc)
		v.Latest, latest = !latest && ver.State == template.Active, latest || ver.State == template.Active
		v.Users = versionUsers(sc, users[ver.Version])
		if i+1 < len(t.Versions) && own {
			v.Compare = compareURL(views.ProjectPath(sc.Project.Slug, "templates", t.Name, "compare"), t.Versions[i+1].Version, ver.Version)
		}
		a.Versions = append(a.Versions, v)
	}
	return a, nil
}

// templateSharing is nil for those who may neither know nor change with whom a template is shared.
func (s *server) templateSharing(r *http.Request, sc scope, t template.Summary) (*views.Sharing, error) {
	may, err := s.Projects.MayShare(r.Context(), sc.id)
	if err != nil || !may && !sc.can(authz.TemplateSourceRead) {
		return nil, err
	}
	with, err := s.Templates.Shares(r.Context(), template.EnvironmentTemplate, sc.id, t.Name)
	if err != nil {
		return nil, err
	}
	return s.sharing(r, sc, shareable{
		url: views.ProjectPath(sc.Project.Slug, "templates", t.Name, "share"), what: "environment template", with: with,
		means: "Developers of a project that it is shared with can make environments of its published versions; nobody there can change it.",
	})
}

// ownTemplate is a template of the project itself, for somebody with the permission.
func (s *server) ownTemplate(w http.ResponseWriter, r *http.Request) (scope, *template.Summary, error) {
	sc, err := s.templateWriter(w, r, r.PathValue("template"))
	if err != nil {
		return sc, nil, err
	}
	t, err := s.Templates.EnvironmentTemplate(r.Context(), sc.id, r.PathValue("template"))
	if err == nil && t.ProjectID != sc.id {
		err = template.ErrNotFound.With("The environment template %q belongs to another project, which alone can change it.", t.Name)
	}
	return sc, t, err
}

// setTemplateState publishes, disables or enables a version. A draft that cannot be published leads to its editor, which
// says why.
func (s *server) setTemplateState(w http.ResponseWriter, r *http.Request) error {
	sc, t, err := s.ownTemplate(w, r)
	if err != nil {
		return err
	}
	version, state := r.PathValue("version"), template.State(r.PostFormValue("state"))
	page := views.ProjectPath(sc.Project.Slug, "templates", t.Name)
	err = s.Templates.SetEnvironmentState(r.Context(), sc.id, t.Name, version, state)
	if f := answerable(err); err != nil && f != nil && len(f.Fields) > 0 {
		s.setFlash(w, views.FlashError, version+" is not published: "+views.Count(len(f.Fields), "problem", "problems")+" must be solved first.")
		return redirect(w, r, page+"/versions/"+url.PathEscape(version)+"/edit")
	}
	if err != nil {
		return err
	}
	text := t.Name + " " + version + " is published. Developers find it in the catalog."
	if state == template.Disabled {
		text = t.Name + " " + version + " is disabled. Environments that use it keep it; new ones cannot."
	}
	s.setFlash(w, views.FlashOK, text)
	return redirect(w, r, page)
}

// deleteTemplate asks for the name before. It deletes a version where the address names one.
func (s *server) deleteTemplate(w http.ResponseWriter, r *http.Request) error {
	sc, t, err := s.ownTemplate(w, r)
	if err != nil {
		return err
	}
	version := r.PathValue("version")
	if confirm := r.PostFormValue("confirm"); confirm != cmp.Or(version, t.Name) {
		if version != "" {
			s.setFlash(w, views.FlashError, "Type "+version+" to delete that version.")
			return redirect(w, r, views.ProjectPath(sc.Project.Slug, "templates", t.Name))
		}
		return s.drawTemplatePage(w, r, http.StatusUnprocessableEntity, func(v *views.TemplatePage) { v.Author.Danger.Error = "Type " + t.Name + " to confirm." })
	}
	if err := s.Templates.DeleteEnvironment(r.Context(), sc.id, t.Name, version); err != nil {
		return err
	}
	s.setFlash(w, views.FlashOK, "The environment template "+strings.TrimSpace(t.Name+" "+version)+" is deleted.")
	if version != "" && len(t.Versions) > 1 {
		return redirect(w, r, views.ProjectPath(sc.Project.Slug, "templates", t.Name))
	}
	return redirect(w, r, views.ProjectPath(sc.Project.Slug, "templates"))
}

// shareTemplate changes with whom a template is shared.
func (s *server) shareTemplate(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("template")
	sc, err := s.inProject(w, r, views.SectionTemplates, name)
	if err != nil {
		return err
	}
	with, choice, err := s.readSharing(r, sc, audit.Object{Kind: "environment_template", Name: name})
	if err != nil {
		return err
	}
	if choice != nil {
		return s.drawTemplatePage(w, r, http.StatusUnprocessableEntity, func(v *views.TemplatePage) {
			if v.Author != nil {
				choice.keep(v.Author.Sharing)
			}
		})
	}
	if err := s.Templates.ShareEnvironment(r.Context(), sc.id, name, with); err != nil {
		return err
	}
	s.setFlash(w, views.FlashOK, sharedFlash(name, with))
	return redirect(w, r, views.ProjectPath(sc.Project.Slug, "templates", name)+"#sharing")
}

// templateManifest shows a version as a document that can be applied.
func (s *server) templateManifest(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("template")
	sc, err := s.inProject(w, r, views.SectionTemplates, name)
	if err != nil {
		return err
	}
	if err := s.Audit.Authorize(r.Context(), authz.TemplateSourceRead, sc.id, audit.Object{Kind: "environment_template", Name: name}); err != nil {
		return err
	}
	t, err := s.Templates.EnvironmentTemplate(r.Context(), sc.id, name)
	if err != nil {
		return err
	}
	version := cmp.Or(r.URL.Query().Get("version"), t.Versions[0].Version)
	m, err := s.Manifests.Export(r.Context(), sc.id, manifest.KindEnvironmentTemplate, name, version)
	if err != nil {
		return err
	}
	text, err := yamlText(m)
	if err != nil {
		return err
	}
	base := views.ProjectPath(sc.Project.Slug, "templates", name)
	v := views.TemplateManifest{Page: sc.Page, Name: name, Version: version, Text: text, URL: base + "/manifest", Back: base}
	for _, ver := range t.Versions {
		v.Versions = append(v.Versions, views.Option{Value: ver.Version, Label: ver.Version})
	}
	return render(w, r, http.StatusOK, TemplateManifestPage(v))
}

func yamlText(m manifest.Manifest) (string, error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("writing a manifest: %w", err)
	}
	text, err := yaml.JSONToYAML(raw)
	if err != nil {
		return "", fmt.Errorf("writing a manifest: %w", err)
	}
	return string(text), nil
}

// noVersion says that a template has nothing that developers could see yet.
func noVersion(err error) bool {
	return errors.Is(err, template.ErrNoVersion) || errors.Is(err, template.ErrNotUsable)
}

// compareTemplates shows what differs between two versions.
func (s *server) compareTemplates(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("template")
	sc, err := s.inProject(w, r, views.SectionTemplates, "Compare "+name)
	if err != nil {
		return err
	}
	t, err := s.Templates.EnvironmentTemplate(r.Context(), sc.id, name)
	if err != nil {
		return err
	}
	versions := t.Versions
	if !sc.can(authz.TemplateSourceRead) || t.ProjectID != sc.id {
		versions = slices.DeleteFunc(slices.Clone(versions), func(v template.SummaryVersion) bool { return v.State == template.Draft })
	}
	base := views.ProjectPath(sc.Project.Slug, "templates")
	return s.compare(w, r, sc, compared{
		list: "Environment Templates", listURL: base, name: name, url: base + "/" + url.PathEscape(name), versions: versions,
		compare: func(from, to string) (*template.Comparison, error) {
			return s.Templates.CompareEnvironment(r.Context(), sc.id, name, from, to)
		},
	})
}

func documentLines(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") }
