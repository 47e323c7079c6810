package web

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/web/views"
)

func resourcePath(sc scope, segments ...string) string {
	return views.ProjectPath(sc.Project.Slug, append([]string{"resource-templates"}, segments...)...)
}

// inResources is the frame of a page of resource templates, for somebody with the permission.
func (s *server) inResources(w http.ResponseWriter, r *http.Request, p authz.Permission, title string) (scope, error) {
	sc, err := s.inProject(w, r, views.SectionResources, title)
	if err != nil {
		return sc, err
	}
	return sc, s.Audit.Authorize(r.Context(), p, sc.id, audit.Object{Kind: string(template.ResourceTemplate), Name: r.PathValue("resourcetemplate")})
}

// resourceTemplates lists resource templates.
func (s *server) resourceTemplates(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inResources(w, r, authz.TemplateSourceRead, "Resource Templates")
	if err != nil {
		return err
	}
	all, err := s.Templates.ListResources(r.Context(), sc.id)
	if err != nil {
		return err
	}
	v := views.ResourceTemplateList{Page: sc.Page, Text: r.URL.Query().Get("q"), Any: len(all) > 0}
	if sc.can(authz.TemplateWrite) {
		v.NewURL = resourcePath(sc, "new")
	}
	owners, err := s.owners(r, sc, func(yield func(string) bool) {
		for _, t := range all {
			if !yield(t.ProjectID) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	users, err := s.Templates.CountResourceUsers(r.Context(), sc.id)
	if err != nil {
		return err
	}
	for _, t := range all {
		if !containsFold(v.Text, t.Name, t.DisplayName, t.Description) {
			continue
		}
		row := resourceRowOf(sc, t)
		row.Owner = owners[t.ProjectID]
		if t.ProjectID == sc.id {
			row.UsersKnown, row.Users = true, users[t.Name]
		}
		v.Rows = append(v.Rows, row)
	}
	return render(w, r, http.StatusOK, ResourceTemplatesPage(v))
}

func countUsers(users map[string][]template.User) int {
	n := 0
	for _, list := range users {
		n += len(list)
	}
	return n
}

func resourceRowOf(sc scope, t template.Summary) views.ResourceTemplateRow {
	row := views.ResourceTemplateRow{Name: t.Name, Title: cmp.Or(t.DisplayName, t.Name), Description: t.Description, URL: resourcePath(sc, t.Name), Versions: len(t.Versions)}
	if len(t.Versions) > 0 {
		newest := t.Versions[0]
		row.Version, row.State, row.Errors, row.Warnings = newest.Version, views.VersionState(newest.State), newest.Errors, newest.Warnings
		row.Updated = views.At(newest.UpdatedAt, sc.Now)
	}
	return row
}

// resourceTemplatePage shows a resource template with one of its versions: the one that the address names, else the newest.
func (s *server) resourceTemplatePage(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inResources(w, r, authz.TemplateSourceRead, r.PathValue("resourcetemplate"))
	if err != nil {
		return err
	}
	v, err := s.resourceView(r, sc, views.VersionOverview)
	if err != nil {
		return err
	}
	return render(w, r, http.StatusOK, ResourceTemplatePage(*v))
}

// resourceView is the page of a resource template, in one of its tabs.
func (s *server) resourceView(r *http.Request, sc scope, tab views.VersionTab) (*views.ResourceTemplatePage, error) {
	name := r.PathValue("resourcetemplate")
	t, err := s.Templates.ResourceTemplate(r.Context(), sc.id, name)
	if err != nil {
		return nil, err
	}
	v := &views.ResourceTemplatePage{Page: sc.Page, Name: t.Name, DisplayName: cmp.Or(t.DisplayName, t.Name), Description: t.Description, URL: resourcePath(sc, t.Name), Tab: tab}
	v.Title = v.DisplayName
	if len(t.Versions) > 1 {
		v.CompareURL = v.URL + "/compare"
	}
	if t.ProjectID != sc.id {
		owners, err := s.owners(r, sc, slices.Values([]string{t.ProjectID}))
		if err != nil {
			return nil, err
		}
		v.Owner = owners[t.ProjectID]
		if r.PathValue("version") != "" {
			return nil, template.ErrNoVersion.With("The resource template %s belongs to %s; its versions are shown there.", name, v.Owner)
		}
		v.Versions = versionRowsOf(sc, t.Versions, nil, "", func(string) string { return "" })
		return v, nil
	}
	users, err := s.Templates.ResourceUsers(r.Context(), sc.id, name)
	if err != nil {
		return nil, err
	}
	shown := r.PathValue("version")
	if shown == "" && len(t.Versions) > 0 {
		shown = t.Versions[0].Version
	}
	v.Versions = versionRowsOf(sc, t.Versions, users, shown, func(version string) string { return resourceVersionPath(sc, name, version) })
	stored, err := s.Templates.ResourceVersion(r.Context(), sc.id, name, shown)
	if err != nil {
		return nil, err
	}
	v.Version = resourceVersionView(sc, stored, users[shown])
	return v, s.addOwnerParts(r, sc, v, users)
}

// addOwnerParts adds what only the owner of a template sees: sharing and deleting.
func (s *server) addOwnerParts(r *http.Request, sc scope, v *views.ResourceTemplatePage, users map[string][]template.User) error {
	if v.Tab != views.VersionOverview {
		return nil
	}
	with, err := s.Templates.Shares(r.Context(), template.ResourceTemplate, sc.id, v.Name)
	if err != nil {
		return err
	}
	if v.Sharing, err = s.sharing(r, sc, shareable{
		url: v.URL + "/share", what: "resource template", with: with,
		means: "Environment templates of a project that it is shared with can use its active versions; nobody there can change it or read its code.",
	}); err != nil {
		return err
	}
	if !sc.can(authz.TemplateWrite) {
		return nil
	}
	v.Danger = &views.Danger{
		URL: v.URL + "/delete", Name: v.Name, What: "resource template",
		Text: "This deletes " + views.Count(len(v.Versions), "version", "versions") + " with the code and the values in them. It cannot be undone.",
	}
	if n := countUsers(users); n > 0 {
		v.Danger.Blocked = "It cannot be deleted while something uses it: " + usersSentence(versionUsers(sc, slices.Concat(valuesOf(users)...))) + ". Delete these, or let them use another template, first."
	}
	return nil
}

func valuesOf(users map[string][]template.User) [][]template.User {
	var out [][]template.User
	for _, list := range users {
		out = append(out, list)
	}
	return out
}

// usersSentence names users one after another.
func usersSentence(users []views.VersionUser) string {
	var names []string
	for _, u := range users {
		label := u.Label
		if u.Detail != "" {
			label += " in " + u.Detail
		}
		if !slices.Contains(names, label) {
			names = append(names, label)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func resourceVersionPath(sc scope, name, version string, segments ...string) string {
	return resourcePath(sc, append([]string{name, "versions", version}, segments...)...)
}

// setResourceState activates, disables or enables a version.
func (s *server) setResourceState(w http.ResponseWriter, r *http.Request) error {
	name, version := r.PathValue("resourcetemplate"), r.PathValue("version")
	sc, err := s.inResources(w, r, authz.TemplateWrite, name)
	if err != nil {
		return err
	}
	to := template.State(r.PostFormValue("state"))
	err = s.Templates.SetResourceState(r.Context(), sc.id, name, version, to)
	if f := answerable(err); f != nil {
		text := f.Message
		if len(f.Fields) > 0 {
			text = version + " cannot become " + string(to) + ": " + views.Count(len(f.Fields), "problem has", "problems have") + " to be solved first. " + spread(f, nil)
		}
		s.setFlash(w, views.FlashError, text)
		return redirect(w, r, resourceVersionPath(sc, name, version)+"#problems")
	}
	if err != nil {
		return err
	}
	said := map[template.State]string{
		template.Active:   " is active. Environment templates can use it.",
		template.Disabled: " is disabled. What uses it already keeps working; nothing new can use it.",
	}
	s.setFlash(w, views.FlashOK, name+" "+version+said[to])
	return redirect(w, r, resourceVersionPath(sc, name, version))
}

// deleteResourceTemplate asks for the name before.
func (s *server) deleteResourceTemplate(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("resourcetemplate")
	sc, err := s.inResources(w, r, authz.TemplateWrite, name)
	if err != nil {
		return err
	}
	if r.PostFormValue("confirm") != name {
		v, err := s.resourceView(r, sc, views.VersionOverview)
		if err != nil {
			return err
		}
		if v.Danger != nil {
			v.Danger.Error = "Type " + name + " to confirm."
		}
		return render(w, r, http.StatusUnprocessableEntity, ResourceTemplatePage(*v))
	}
	if err := s.Templates.DeleteResource(r.Context(), sc.id, name, ""); err != nil {
		return err
	}
	s.setFlash(w, views.FlashOK, "The resource template "+name+" is deleted.")
	return redirect(w, r, resourcePath(sc))
}

// deleteResourceVersion asks for the name of the version before.
func (s *server) deleteResourceVersion(w http.ResponseWriter, r *http.Request) error {
	name, version := r.PathValue("resourcetemplate"), r.PathValue("version")
	sc, err := s.inResources(w, r, authz.TemplateWrite, name)
	if err != nil {
		return err
	}
	if r.PostFormValue("confirm") != version {
		v, err := s.resourceView(r, sc, views.VersionOverview)
		if err != nil {
			return err
		}
		if v.Version != nil {
			v.Version.DeleteError = "Type " + version + " to confirm."
		}
		return render(w, r, http.StatusUnprocessableEntity, ResourceTemplatePage(*v))
	}
	if err := s.Templates.DeleteResource(r.Context(), sc.id, name, version); err != nil {
		return err
	}
	s.setFlash(w, views.FlashOK, "Version "+version+" of "+name+" is deleted.")
	left, err := s.Templates.ListResources(r.Context(), sc.id)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(left, func(t template.Summary) bool { return t.Name == name && t.ProjectID == sc.id }) {
		return redirect(w, r, resourcePath(sc, name))
	}
	return redirect(w, r, resourcePath(sc))
}

// shareResourceTemplate changes with whom a resource template is shared.
func (s *server) shareResourceTemplate(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("resourcetemplate")
	sc, err := s.inProject(w, r, views.SectionResources, name)
	if err != nil {
		return err
	}
	with, choice, err := s.readSharing(r, sc, audit.Object{Kind: string(template.ResourceTemplate), Name: name})
	if err != nil {
		return err
	}
	if choice == nil {
		if err := s.Templates.ShareResource(r.Context(), sc.id, name, with); err != nil {
			return err
		}
		s.setFlash(w, views.FlashOK, sharedFlash(name, with))
		return redirect(w, r, resourcePath(sc, name)+"#sharing")
	}
	v, err := s.resourceView(r, sc, views.VersionOverview)
	if err != nil {
		return err
	}
	choice.keep(v.Sharing)
	return render(w, r, http.StatusUnprocessableEntity, ResourceTemplatePage(*v))
}

// compareResourceTemplate shows what differs between two versions.
func (s *server) compareResourceTemplate(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("resourcetemplate")
	sc, err := s.inResources(w, r, authz.TemplateSourceRead, "Compare versions of "+name)
	if err != nil {
		return err
	}
	t, err := s.Templates.ResourceTemplate(r.Context(), sc.id, name)
	if err != nil {
		return err
	}
	return s.compare(w, r, sc, compared{
		list: "Resource Templates", listURL: resourcePath(sc), name: t.Name, url: resourcePath(sc, name), versions: t.Versions,
		compare: func(from, to string) (*template.Comparison, error) {
			return s.Templates.CompareResource(r.Context(), sc.id, name, from, to)
		},
	})
}

func codeURL(sc scope, name, version, file string, line int) string {
	u := resourceVersionPath(sc, name, version, "code") + "?" + url.Values{"file": {file}}.Encode()
	if line > 0 {
		u += "#L" + num(line)
	}
	return u
}
