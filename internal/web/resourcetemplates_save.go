package web

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/web/views"
)

// setResource does what was pressed: reads the source, saves a draft, publishes, or draws the form again with a row more
// or less. What is wrong stands beside its field, and nothing that was typed is lost.
func (s *server) setResource(w http.ResponseWriter, r *http.Request, sc scope, stored *template.ResourceVersion, isDraft bool) error {
	v, err := s.resourceEditor(r, sc, stored, isDraft)
	if err != nil {
		return err
	}
	if err := s.readResourceForm(r, sc, v); err != nil {
		return err
	}
	v.Name.Autofocus = false
	if pressed(r, &v.Variables, &v.Config) {
		return s.drawResource(w, r, sc, v, stored, http.StatusOK)
	}
	spec, numbers, err := resourceSpecOf(v, stored)
	do := r.PostFormValue("do")
	switch {
	case err != nil || v.Archive.Error != "" && v.SourceKind == sourceUpload:
		if f := answerable(err); f != nil {
			v.Form.Error = spreadResource(v, f, numbers)
		} else if err != nil {
			return err
		}
		return s.drawResource(w, r, sc, v, stored, http.StatusUnprocessableEntity)
	case do == "read" || do == "upload":
		return s.readSource(w, r, sc, v, stored, spec, numbers)
	}
	return s.saveResource(w, r, sc, v, stored, spec, numbers, do == "publish")
}

// readResourceForm puts what was typed into the form.
func (s *server) readResourceForm(r *http.Request, sc scope, v *views.ResourceTemplateEditor) error {
	form := r.PostForm
	for _, f := range []*views.Field{
		&v.DisplayName, &v.Description, &v.Provider, &v.Constraint, &v.Repository, &v.Revision, &v.Path, &v.Folder, &v.Backend, &v.DeployTimeout, &v.DestroyTimeout,
	} {
		if f.Name != "" {
			f.Value = strings.TrimSpace(form.Get(f.Name))
		}
	}
	if v.New {
		v.Name.Value = strings.TrimSpace(form.Get("name"))
	}
	if v.NewVersion {
		v.Version.Value = strings.TrimSpace(form.Get("version"))
	}
	v.SourceKind, v.Upload, v.Folder.Value = form.Get("source"), form.Get("upload"), form.Get("folder")
	v.Archive.Error, v.UploadText = "", ""
	v.Contexts.Values = slices.DeleteFunc(slices.Clone(form["contexts"]), func(name string) bool { return name == "" })
	s.readRows(sc, form, &v.Config)
	s.readRows(sc, form, &v.Variables)
	for i, row := range v.Variables.Rows {
		v.Variables.Rows[i].Help = form.Get(v.Variables.Field(row.Number, views.RowHelp))
	}
	if v.Repository.Value != "" {
		keepOption(&v.Repository)
	}
	keepOptions(&v.Contexts)
	return s.takeArchive(r, sc, v)
}

// takeArchive keeps an archive that was uploaded with the form.
func (s *server) takeArchive(r *http.Request, sc scope, v *views.ResourceTemplateEditor) error {
	if r.MultipartForm == nil || len(r.MultipartForm.File["archive"]) == 0 || r.MultipartForm.File["archive"][0].Filename == "" {
		s.describeUpload(r, sc, v)
		return nil
	}
	v.SourceKind = sourceUpload
	file, err := r.MultipartForm.File["archive"][0].Open()
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "bad_form", "The archive could not be read. Choose it again.")
	}
	up, err := s.Templates.AddUpload(r.Context(), sc.id, file)
	if err := errors.Join(err, file.Close()); err != nil {
		f := answerable(err)
		if f == nil {
			return err
		}
		v.Upload, v.Archive.Error = "", sentence("", f.Message)
		return nil
	}
	if v.Upload != up.Digest && !slices.Contains(up.Folders, v.Folder.Value) {
		v.Folder.Value = ""
	}
	v.Upload = up.Digest
	offerFolders(v, up)
	return nil
}

// resourceSpecOf makes of the form what the service takes, with the rows that the variables come from.
func resourceSpecOf(v *views.ResourceTemplateEditor, stored *template.ResourceVersion) (template.ResourceSpec, []int, error) {
	spec := template.ResourceSpec{
		Provider: template.Provider{Name: template.ProviderName(v.Provider.Value), Version: v.Constraint.Value},
		Backend:  template.Backend{Type: template.BackendType(v.Backend.Value)},
	}
	var wrong fault.Fields
	switch v.SourceKind {
	case sourceUpload:
		spec.Source = template.Source{Upload: v.Upload, Path: v.Folder.Value}
		wrong.Check(v.Upload != "" || v.Archive.Error != "", "spec.source.upload", "Choose the archive to upload.")
	default:
		// Without a commit, so that a draft follows its branch.
		spec.Source = template.Source{Repository: v.Repository.Value, Revision: v.Revision.Value, Path: v.Path.Value}
		wrong.Check(v.Repository.Value != "", "spec.source.repository", "Choose a repository.")
	}
	if spec.Backend.Type == template.BackendCustom {
		spec.Backend.Config = map[string]string{}
		for i, row := range v.Config.Rows {
			key := strings.TrimSpace(row.Get("key"))
			if key == "" && row.Get("value") == "" {
				continue
			}
			_, twice := spec.Backend.Config[key]
			wrong.Check(key != "", fmt.Sprintf("config[%d].key", i), "Enter the name of the setting.")
			wrong.Check(!twice, fmt.Sprintf("config[%d].key", i), "%s is set twice.", key)
			spec.Backend.Config[key] = row.Get("value")
		}
	}
	spec.Timeouts.Deploy = secondsOf(&wrong, "spec.timeouts.deploy", v.DeployTimeout.Value)
	spec.Timeouts.Destroy = secondsOf(&wrong, "spec.timeouts.destroy", v.DestroyTimeout.Value)
	for _, name := range v.Contexts.Values {
		spec.Contexts = append(spec.Contexts, template.ContextRef{Name: name})
	}
	variables, numbers, err := givenVariables(v.Variables, stored)
	spec.Variables = variables
	wrong.Merge("", err)
	return spec, numbers, wrong.Err()
}

func secondsOf(wrong *fault.Fields, path, text string) int {
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	wrong.Check(err == nil && n > 0, path, "must be a whole number of seconds, such as 1800; leave it empty for the server's default")
	return n
}

// readSource shows what the source holds. Nothing of it is saved.
func (s *server) readSource(w http.ResponseWriter, r *http.Request, sc scope, v *views.ResourceTemplateEditor, stored *template.ResourceVersion, spec template.ResourceSpec, numbers []int) error {
	reading, err := s.Templates.Read(r.Context(), sc.id, spec)
	if err != nil {
		f := formFault(err)
		if f == nil {
			return err
		}
		v.Form.Error = spreadResource(v, f, numbers)
		return s.drawResource(w, r, sc, v, stored, http.StatusUnprocessableEntity)
	}
	showReading(v, reading, numbers)
	return s.drawResource(w, r, sc, v, stored, http.StatusOK)
}

// showReading puts what was read into the form: problems with their places, and a row for each variable.
func showReading(v *views.ResourceTemplateEditor, reading *template.Reading, numbers []int) {
	excerpts, at := excerptsOf(reading)
	v.Excerpts = excerpts
	shown := codeReading(reading.Source, reading.Bundle, &reading.Module, reading.Files, nil)
	v.Reading, v.Problems = &shown, problemsOf(reading.Problems, func(file string, line int) string {
		if id := at[codePlace{file, line}]; id != "" {
			return "#" + id
		}
		return ""
	})
	var fields []fault.Field
	for _, p := range reading.Problems {
		if p.Path != "" && p.File == "" && p.Severity == bundle.Error {
			fields = append(fields, fault.Field{Path: p.Path, Message: p.Message})
		}
	}
	if len(fields) > 0 { // what stands beside no field stands in the list of problems anyway
		spreadResource(v, &fault.Error{Fields: fields}, numbers)
	}
	addModuleRows(&v.Variables, &reading.Module)
}

// saveResource saves a draft, or a version that is active from now on.
func (s *server) saveResource(w http.ResponseWriter, r *http.Request, sc scope, v *views.ResourceTemplateEditor, stored *template.ResourceVersion, spec template.ResourceSpec, numbers []int, publish bool) error {
	in := template.SaveInput{
		ProjectID: sc.id, Name: v.Name.Value, DisplayName: v.DisplayName.Value, Description: v.Description.Value, Version: v.Version.Value, State: template.Draft,
	}
	if publish {
		in.State = template.Active
	}
	err := s.checkOverwrite(r, sc, v, stored)
	if err == nil {
		_, _, err = s.Templates.SaveResource(r.Context(), in, spec)
	}
	if err == nil {
		said := " is saved as a draft."
		if publish {
			said = " is published. Environment templates can use it."
		}
		s.setFlash(w, views.FlashOK, in.Name+" "+in.Version+said)
		return redirect(w, r, resourceVersionPath(sc, in.Name, in.Version))
	}
	f := formFault(err)
	switch {
	case f == nil:
		return err
	case errors.Is(err, template.ErrVersionChanged):
		v.Form.Error, v.Form.Current = f.Message, v.Back
	case errors.Is(err, template.ErrFixedVersion):
		v.Version.Error = f.Message
	default:
		v.Form.Error = spreadResource(v, f, numbers)
		if publish && len(f.Fields) > 0 && v.Name.Error+v.Version.Error+v.Description.Error == "" {
			v.Form.Error = "Nothing is published: " + views.Count(len(f.Fields), "problem has", "problems have") + " to be solved first."
			if reading, err := s.Templates.Read(r.Context(), sc.id, spec); err == nil {
				clearErrors(v)
				showReading(v, reading, numbers)
			}
		}
	}
	return s.drawResource(w, r, sc, v, stored, http.StatusUnprocessableEntity)
}

// clearErrors takes back what was said, for it is about to be said again with more.
func clearErrors(v *views.ResourceTemplateEditor) {
	for _, f := range resourceFields(v) {
		f.Error = ""
	}
	for _, rows := range []*views.Rows{&v.Variables, &v.Config} {
		rows.Error = ""
		for i, row := range rows.Rows {
			rows.Rows[i].Error = ""
			for name := range row.Cells {
				rows.Rows[i].Set(name, func(c *views.Cell) { c.Error = "" })
			}
		}
	}
}

// checkOverwrite refuses what would overwrite a version that whoever saves has not seen.
func (s *server) checkOverwrite(r *http.Request, sc scope, v *views.ResourceTemplateEditor, stored *template.ResourceVersion) error {
	if !v.NewVersion {
		if at := seen(r.PostForm); !at.IsZero() && !at.Equal(stored.UpdatedAt) {
			return template.ErrVersionChanged.With("%s", overtaken("draft", views.At(stored.UpdatedAt, sc.Now)))
		}
		return nil
	}
	all, err := s.Templates.ListResources(r.Context(), sc.id)
	if err != nil {
		return err
	}
	t, ok := find(all, func(t template.Summary) bool { return t.Name == v.Name.Value && t.ProjectID == sc.id })
	switch {
	case ok && v.New:
		return fault.InvalidField("name", fmt.Sprintf("There already is a resource template %q in this project. Choose another name, or make a new version of it.", t.Name))
	case ok && slices.ContainsFunc(t.Versions, func(o template.SummaryVersion) bool { return o.Version == v.Version.Value }):
		return fault.InvalidField("version", fmt.Sprintf("There already is a version %s. Choose another one.", v.Version.Value))
	}
	return nil
}

// resourceFields are the fields by the paths that the service names in its errors.
func resourceFields(v *views.ResourceTemplateEditor) map[string]*views.Field {
	path := &v.Path
	if v.SourceKind == sourceUpload {
		path = &v.Folder
		if v.Folder.Kind == "" {
			path = &v.Archive
		}
	}
	return map[string]*views.Field{
		"name": &v.Name, "displayName": &v.DisplayName, "description": &v.Description, "version": &v.Version,
		"spec.provider.name": &v.Provider, "spec.provider.version": &v.Constraint, "spec.source.repository": &v.Repository,
		"spec.source.revision": &v.Revision, "spec.source.commit": &v.Revision, "spec.source.path": path, "spec.source.upload": &v.Archive,
		"spec.backend.type": &v.Backend, "spec.timeouts.deploy": &v.DeployTimeout, "spec.timeouts.destroy": &v.DestroyTimeout, "spec.contexts": &v.Contexts,
	}
}

var (
	variablePath = regexp.MustCompile(`^spec\.variables\[(\d+)\](.*)$`)
	contextPath  = regexp.MustCompile(`^spec\.contexts\[\d+\].*$`)
)

// spreadResource puts what is wrong beside the fields and cells that it is about, and returns what belongs to none.
// numbers are the rows that the variables came from.
func spreadResource(v *views.ResourceTemplateEditor, f *fault.Error, numbers []int) string {
	placed := *f
	placed.Fields = nil
	for _, e := range f.Fields {
		if m := variablePath.FindStringSubmatch(e.Path); m != nil {
			if i := number(m[1]); i < len(numbers) {
				column := m[2]
				if strings.HasPrefix(column, ".options.override") {
					column = ".choices"
				}
				e.Path = fmt.Sprintf("variables[%d]%s", numbers[i], column)
			}
		}
		if contextPath.MatchString(e.Path) {
			e.Path = "spec.contexts"
		}
		if rest, ok := strings.CutPrefix(e.Path, "spec.backend.config"); ok {
			e.Path = "config" + rest
		}
		placed.Fields = append(placed.Fields, e)
	}
	return spread(&placed, resourceFields(v), &v.Variables, &v.Config)
}

func (s *server) drawResource(w http.ResponseWriter, r *http.Request, sc scope, v *views.ResourceTemplateEditor, stored *template.ResourceVersion, status int) error {
	for _, rows := range []*views.Rows{&v.Variables, &v.Config} {
		if err := s.hideRows(sc, rows); err != nil {
			return err
		}
	}
	markStoredVariables(v, stored)
	return render(w, r, status, ResourceTemplateEditorPage(*v))
}

// codePlace is a line of a file.
type codePlace struct {
	file string
	line int
}

// around is how many lines are shown before and after one that is wrong.
const around = 4

// excerptsOf are the parts of the code that problems are about, with where each place stands on the page.
func excerptsOf(reading *template.Reading) ([]views.Excerpt, map[codePlace]string) {
	wrong := map[string][]int{}
	for _, p := range reading.Problems {
		if reading.Sources[p.File] != "" && p.Line > 0 && !slices.Contains(wrong[p.File], p.Line) {
			wrong[p.File] = append(wrong[p.File], p.Line)
		}
	}
	var out []views.Excerpt
	at := map[codePlace]string{}
	for _, p := range reading.Problems {
		lines, ok := wrong[p.File]
		if !ok {
			continue
		}
		delete(wrong, p.File)
		e := views.Excerpt{ID: "source-" + num(len(out)), Name: p.File}
		for i, text := range strings.Split(strings.TrimSuffix(unixLines(reading.Sources[p.File]), "\n"), "\n") {
			n := i + 1
			if !slices.ContainsFunc(lines, func(l int) bool { return n >= l-around && n <= l+around }) {
				continue
			}
			line := views.ExcerptLine{ID: e.ID + "-L" + num(n), Number: n, Text: text, Wrong: slices.Contains(lines, n)}
			if line.Wrong {
				at[codePlace{p.File, n}] = line.ID
			}
			e.Lines = append(e.Lines, line)
		}
		out = append(out, e)
	}
	return out, at
}
