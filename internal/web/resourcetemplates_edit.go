package web

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/web/views"
)

// The kinds of source.
const (
	sourceRepository = "repository"
	sourceUpload     = "upload"
)

func durationOf(seconds int) string { return views.Duration(time.Duration(seconds) * time.Second) }

// resourceEditor is the form for a version of a resource template: a new template, a new version of the one given, or
// the draft itself. stored is what it begins with; nil for a new template.
func (s *server) resourceEditor(r *http.Request, sc scope, stored *template.ResourceVersion, isDraft bool) (*views.ResourceTemplateEditor, error) {
	v := emptyResourceEditor()
	v.Page, v.New, v.NewVersion, v.Back, v.Form.URL = sc.Page, stored == nil, !isDraft, resourcePath(sc), resourcePath(sc)
	if err := s.addChoicesTo(r, sc, v); err != nil {
		return nil, err
	}
	if stored != nil {
		s.fillResource(r, sc, v, stored, isDraft)
	}
	return v, nil
}

// emptyResourceEditor is the form without anything in it.
func emptyResourceEditor() *views.ResourceTemplateEditor {
	return &views.ResourceTemplateEditor{
		Form:        views.Form{ID: "resource-template", Multipart: true},
		Name:        nameField("", "Environment templates name it by this. It cannot be changed later."),
		DisplayName: views.Field{Label: "Display name", Name: "displayName", Kind: views.FieldText},
		Description: views.Field{Label: "Description", Name: "description", Kind: views.FieldText, Help: "What it makes, in one line."},
		Version:     views.Field{Label: "Version", Name: "version", Kind: views.FieldText, Required: true, Mono: true, MaxLength: 63, Value: "v1", Help: "Once it is active it never changes."},
		Provider: views.Field{
			Label: "Provider", Name: "provider", Kind: views.FieldSelect, Value: string(template.OpenTofu),
			Options: []views.Option{{Value: string(template.OpenTofu), Label: "OpenTofu"}, {Value: string(template.Terraform), Label: "Terraform"}},
		},
		Constraint: views.Field{Label: "Version constraint", Name: "providerVersion", Kind: views.FieldText, Mono: true, Placeholder: "any", Help: "Such as ~> 1.9. Leave it empty for the server's own."},
		SourceKind: sourceRepository,
		Revision:   views.Field{Label: "Branch, tag or commit", Name: "revision", Kind: views.FieldText, Mono: true, Placeholder: "the repository's default", Help: "A draft follows a branch each time it is saved; a version keeps the commit."},
		Path:       views.Field{Label: "Folder", Name: "path", Kind: views.FieldText, Mono: true, Placeholder: "modules/network", Help: "The module's folder in the repository. Empty for the outermost."},
		Archive:    views.Field{Label: "Archive", Name: "archive"},
		Backend: views.Field{
			Label: "State", Name: "backend", Kind: views.FieldRadio, Value: string(template.BackendSystem),
			Options: []views.Option{{Value: string(template.BackendSystem), Label: "Kept by Berth"}, {Value: string(template.BackendCustom), Label: "In the module's own backend"}},
		},
		Config: views.Rows{
			Name: "config", Item: "backend setting", Empty: "No settings for the module's own backend.",
			Columns: []views.Column{{Name: "key", Label: "Setting", Kind: views.CellText, Mono: true, Placeholder: "bucket"}, {Name: "value", Label: "Value", Kind: views.CellText, Mono: true, Size: views.SizeWide}},
		},
		DeployTimeout:  views.Field{Label: "Deploy timeout", Name: "deployTimeout", Kind: views.FieldNumber, Placeholder: "default", Help: "In seconds."},
		DestroyTimeout: views.Field{Label: "Destroy timeout", Name: "destroyTimeout", Kind: views.FieldNumber, Placeholder: "default", Help: "In seconds."},
		Contexts:       views.Field{Label: "Contexts", Name: "contexts", Kind: views.FieldSeveral, Help: "Credentials and settings that each run of this resource gets."},
		Repository:     views.Field{Label: "Repository", Name: "repository", Kind: views.FieldSelect, Options: []views.Option{{Label: "Choose a repository"}}},
		Variables:      variableRows(),
	}
}

// addChoicesTo lists the repositories and contexts that the project may use.
func (s *server) addChoicesTo(r *http.Request, sc scope, v *views.ResourceTemplateEditor) error {
	repositories, err := s.Repositories.List(r.Context(), sc.id)
	if err != nil {
		return err
	}
	for _, repo := range repositories {
		v.Repository.Options = append(v.Repository.Options, views.Option{Value: repo.Name, Label: repo.Name + " (" + short(repo.URL) + ")"})
	}
	if sc.can(authz.RepositoryWrite) {
		v.NewRepositoryURL = repositoryPath(sc, "new")
	}
	contexts, err := s.Contexts.List(r.Context(), sc.id)
	if err != nil {
		return err
	}
	for _, c := range contexts {
		option := views.Option{Value: c.Name, Label: c.Name}
		if !slices.Contains(v.Contexts.Options, option) {
			v.Contexts.Options = append(v.Contexts.Options, option)
		}
	}
	return nil
}

// fillResource puts what is stored into the form.
func (s *server) fillResource(r *http.Request, sc scope, v *views.ResourceTemplateEditor, stored *template.ResourceVersion, isDraft bool) {
	at := resourceVersionPath(sc, stored.Template, stored.Version)
	v.Name.Value, v.Version.Value, v.Back = stored.Template, stored.Version, at
	v.Form.URL = at + "/edit"
	if isDraft {
		v.Form.Seen = seenAt(stored.UpdatedAt)
	} else {
		v.Form.URL = resourcePath(sc, stored.Template, "new-version") + "?" + url.Values{"from": {stored.Version}}.Encode()
	}
	if t, err := s.Templates.ResourceTemplate(r.Context(), sc.id, stored.Template); err == nil {
		v.DisplayName.Value, v.Description.Value = t.DisplayName, t.Description
		if !isDraft {
			v.Version.Value = versionAfter(*t)
		}
	}
	spec := stored.Spec
	v.Provider.Value, v.Constraint.Value = string(spec.Provider.Name), spec.Provider.Version
	if spec.Source.Upload != "" || spec.Source.Empty() {
		v.SourceKind, v.Upload, v.Folder.Value = sourceUpload, spec.Source.Upload, spec.Source.Path
		s.describeUpload(r, sc, v)
	} else {
		v.Repository.Value, v.Revision.Value, v.Path.Value = spec.Source.Repository, spec.Source.Revision, spec.Source.Path
		keepOption(&v.Repository)
	}
	v.Backend.Value = string(spec.Backend.Type)
	for _, key := range slices.Sorted(maps.Keys(spec.Backend.Config)) {
		v.Config.Rows = append(v.Config.Rows, views.Row{Cells: views.Cells("key", key, "value", spec.Backend.Config[key])})
	}
	v.DeployTimeout.Value, v.DestroyTimeout.Value = secondsText(spec.Timeouts.Deploy), secondsText(spec.Timeouts.Destroy)
	for _, c := range spec.Contexts {
		v.Contexts.Values = append(v.Contexts.Values, c.Name)
	}
	keepOptions(&v.Contexts)
	for _, given := range spec.Variables {
		v.Variables.Rows = append(v.Variables.Rows, givenRow(given))
	}
	addModuleRows(&v.Variables, &stored.Module)
	markStoredVariables(v, stored)
}

// keepOption adds a choice that was made before and is not offered any more.
func keepOption(f *views.Field) {
	if !slices.ContainsFunc(f.Options, func(o views.Option) bool { return o.Value == f.Value }) {
		f.Options = append(f.Options, views.Option{Value: f.Value, Label: f.Value + " (not found)"})
	}
}

func keepOptions(f *views.Field) {
	for _, value := range f.Values {
		if !slices.ContainsFunc(f.Options, func(o views.Option) bool { return o.Value == value }) {
			f.Options = append(f.Options, views.Option{Value: value, Label: value + " (not found)"})
		}
	}
}

func secondsText(n int) string {
	if n == 0 {
		return ""
	}
	return num(n)
}

// describeUpload says what is in the archive and offers its folders.
func (s *server) describeUpload(r *http.Request, sc scope, v *views.ResourceTemplateEditor) {
	v.Folder.Label, v.Folder.Name = "Folder", "folder"
	if v.Upload == "" {
		return
	}
	up, err := s.Templates.Upload(r.Context(), sc.id, v.Upload)
	if err != nil {
		v.Upload, v.Archive.Error = "", "The archive is not kept any more. Upload it again."
		return
	}
	offerFolders(v, up)
}

func offerFolders(v *views.ResourceTemplateEditor, up *template.Upload) {
	v.UploadText = views.Count(up.Files, "file", "files") + ", " + size(int(up.Size))
	v.Folder.Kind, v.Folder.Label, v.Folder.Name, v.Folder.Options = views.FieldSelect, "Folder", "folder", nil
	v.Folder.Help = "The folders of the archive that hold a module."
	for _, f := range up.Folders {
		v.Folder.Options = append(v.Folder.Options, views.Option{Value: f, Label: folderLabel(f)})
	}
	switch {
	case len(up.Folders) == 0:
		v.Archive.Error = "The archive holds no module: there is no .tf or .tofu file in it."
	case v.Folder.Value == "" && !slices.Contains(up.Folders, "."):
		v.Folder.Value = up.Folders[0]
	default:
		v.Folder.Value = orDot(v.Folder.Value)
		keepOption(&v.Folder)
	}
}

func folderLabel(folder string) string {
	if folder == "." || folder == "" {
		return "(outermost)"
	}
	return folder
}

func (s *server) newResourceTemplate(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inResources(w, r, authz.TemplateWrite, "New Resource Template")
	if err != nil {
		return err
	}
	v, err := s.resourceEditor(r, sc, nil, false)
	if err != nil {
		return err
	}
	return render(w, r, http.StatusOK, ResourceTemplateEditorPage(*v))
}

func (s *server) createResourceTemplate(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inResources(w, r, authz.TemplateWrite, "New Resource Template")
	if err != nil {
		return err
	}
	return s.setResource(w, r, sc, nil, false)
}

// newResourceVersion shows the form for a version that begins as a copy of another.
func (s *server) newResourceVersion(w http.ResponseWriter, r *http.Request) error {
	return s.editResource(w, r, r.URL.Query().Get("from"), false)
}

func (s *server) editResourceVersion(w http.ResponseWriter, r *http.Request) error {
	return s.editResource(w, r, r.PathValue("version"), true)
}

func (s *server) editResource(w http.ResponseWriter, r *http.Request, version string, isDraft bool) error {
	sc, stored, err := s.resourceWriter(w, r, version, isDraft)
	if err != nil {
		return err
	}
	v, err := s.resourceEditor(r, sc, stored, isDraft)
	if err != nil {
		return err
	}
	return render(w, r, http.StatusOK, ResourceTemplateEditorPage(*v))
}

func (s *server) createResourceVersion(w http.ResponseWriter, r *http.Request) error {
	sc, stored, err := s.resourceWriter(w, r, r.URL.Query().Get("from"), false)
	if err != nil {
		return err
	}
	return s.setResource(w, r, sc, stored, false)
}

func (s *server) saveResourceVersion(w http.ResponseWriter, r *http.Request) error {
	sc, stored, err := s.resourceWriter(w, r, r.PathValue("version"), true)
	if err != nil {
		return err
	}
	return s.setResource(w, r, sc, stored, true)
}

// resourceWriter finds the version that a form is about, for somebody who may change it.
func (s *server) resourceWriter(w http.ResponseWriter, r *http.Request, version string, isDraft bool) (scope, *template.ResourceVersion, error) {
	name := r.PathValue("resourcetemplate")
	title := "New version of " + name
	if isDraft {
		title = "Edit " + name + " " + version
	}
	sc, err := s.inResources(w, r, authz.TemplateWrite, title)
	if err != nil {
		return sc, nil, err
	}
	if version == "" {
		t, err := s.Templates.ResourceTemplate(r.Context(), sc.id, name)
		if err != nil {
			return sc, nil, err
		}
		version = t.Versions[0].Version
	}
	stored, err := s.Templates.ResourceVersion(r.Context(), sc.id, name, version)
	if err == nil && isDraft && stored.State != template.Draft {
		err = template.ErrFixedVersion.With("Version %s of %s is %s and cannot change. Make a new version from it.", version, name, stored.State)
	}
	return sc, stored, err
}

// orDot is the folder as the service names it.
func orDot(folder string) string { return cmp.Or(strings.Trim(folder, "/"), ".") }
