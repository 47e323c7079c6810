package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/web/views"
)

// templateWriter is the frame of a page for somebody who may change environment templates.
func (s *server) templateWriter(w http.ResponseWriter, r *http.Request, title string) (scope, error) {
	sc, err := s.inProject(w, r, views.SectionTemplates, title)
	if err != nil {
		return sc, err
	}
	return sc, s.Audit.Authorize(r.Context(), authz.TemplateWrite, sc.id, audit.Object{Kind: "environment_template", Name: r.PathValue("template")})
}

// templateEditing is a form for a version, with what is stored of it and of the version that it began as.
type templateEditing struct {
	sc scope
	views.TemplateEditor
	// before are the variables whose sensitive values are kept when nothing is typed.
	before []template.Variable
}

// templateForm is the empty form.
func (s *server) templateForm(r *http.Request, sc scope) (*templateEditing, error) {
	base := views.ProjectPath(sc.Project.Slug, "templates")
	v := views.TemplateEditor{
		Page: sc.Page, New: true, Title: sc.Title, Form: views.Form{ID: "template", URL: base, Multipart: true, Also: "#et-side"}, Cancel: base,
		Name:        nameField("", "Environments and manifests name the template by it. It cannot be changed later."),
		DisplayName: views.Field{Label: "Display name", Name: "displayName", Placeholder: "Web application", Help: "What developers read; the name when empty.", MaxLength: 100},
		Summary:     views.Field{Label: "Summary", Name: "summary", Help: "One line, on the card in the catalog.", MaxLength: 200},
		Description: views.Field{Label: "Description", Name: "description", Kind: views.FieldLong, Help: "For those who look after the template."},
		Category:    views.Field{Label: "Category", Name: "category", Placeholder: "General", MaxLength: 60},
		Version:     views.Field{Label: "Version", Name: "version", Value: "v1", Required: true, Mono: true, MaxLength: 63, Help: "Letters, digits, dots and dashes, like v1 or 1.2.0."},
		Readme:      views.Field{Label: "Readme", Name: "readme", Kind: views.FieldLong, Mono: true, Help: "Markdown. It stands on the template's page."},
		Hide:        views.Field{Label: "Hide variables that are not listed above", Name: "hide", Kind: views.FieldBool, Help: "Else the form offers every variable of the modules, with the module's own default."},
		Free:        views.Field{Label: "Allow variables of the developer's own", Name: "free", Kind: views.FieldBool, Help: "Developers may then set module variables that the form does not offer."},
		Icons:       iconChoices(), Icon: "layout-template", ContextsURL: views.ProjectPath(sc.Project.Slug, "contexts"),
	}
	v.Resources, v.Variables = templateRows()
	if !sc.can(authz.ContextRead) {
		return &templateEditing{sc: sc, TemplateEditor: v}, nil
	}
	contexts, err := s.Contexts.List(r.Context(), sc.id)
	for _, c := range contexts {
		v.Contexts = append(v.Contexts, views.ContextChoice{Name: c.Name, Note: c.Description})
	}
	return &templateEditing{sc: sc, TemplateEditor: v}, err
}

// load puts a stored version into the form.
func (e *templateEditing) load(stored *template.EnvironmentVersion, description string) {
	e.New, e.Name.Autofocus = false, false
	e.Name.Value, e.Version.Value = stored.Template, stored.Version
	e.DisplayName.Value, e.Description.Value = stored.DisplayName, description
	fillTemplate(&e.TemplateEditor, stored.Spec)
	attach(&e.TemplateEditor, stored.Spec.Contexts)
	e.before = stored.Spec.Variables
	e.Cancel = views.ProjectPath(e.Project.Slug, "templates", stored.Template)
}

// attach ticks the contexts of a version, which come first and in their order: a later one wins over an earlier one.
func attach(v *views.TemplateEditor, refs []template.ContextRef) {
	var attached []views.ContextChoice
	for _, ref := range refs {
		c, ok := find(v.Contexts, func(c views.ContextChoice) bool { return c.Name == ref.Name })
		if !ok {
			c = views.ContextChoice{Name: ref.Name, Note: "There is none of this name here."}
		}
		c.Attached = true
		attached = append(attached, c)
	}
	rest := slices.DeleteFunc(slices.Clone(v.Contexts), func(c views.ContextChoice) bool {
		return slices.ContainsFunc(attached, func(a views.ContextChoice) bool { return a.Name == c.Name })
	})
	v.Contexts = append(attached, rest...)
}

// newTemplate shows the form of a template that does not exist yet.
func (s *server) newTemplate(w http.ResponseWriter, r *http.Request) error {
	e, err := s.emptyTemplate(w, r)
	if err != nil {
		return err
	}
	e.Resources.Add()
	e.Resources.Rows[0].Focus = false // the name comes first
	return s.drawTemplate(w, r, e, http.StatusOK)
}

func (s *server) emptyTemplate(w http.ResponseWriter, r *http.Request) (*templateEditing, error) {
	sc, err := s.templateWriter(w, r, "New Environment Template")
	if err != nil {
		return nil, err
	}
	return s.templateForm(r, sc)
}

func (s *server) createTemplate(w http.ResponseWriter, r *http.Request) error {
	e, err := s.emptyTemplate(w, r)
	if err != nil {
		return err
	}
	return s.setTemplate(w, r, e, template.SaveInput{OnlyNew: true})
}

// editTemplate shows the form of a draft. A version that is no draft leads to the form of the next one.
func (s *server) editTemplate(w http.ResponseWriter, r *http.Request) error {
	e, stored, err := s.storedTemplate(w, r, r.PathValue("version"))
	if err != nil {
		return err
	}
	if stored.State != template.Draft {
		return redirect(w, r, views.ProjectPath(e.Project.Slug, "templates", stored.Template, "new-version")+"?from="+url.QueryEscape(stored.Version))
	}
	return s.drawTemplate(w, r, e, http.StatusOK)
}

// storedTemplate is the form of a version of a template of the project.
func (s *server) storedTemplate(w http.ResponseWriter, r *http.Request, version string) (*templateEditing, *template.EnvironmentVersion, error) {
	name := r.PathValue("template")
	sc, err := s.templateWriter(w, r, "Edit "+name+" "+version)
	if err != nil {
		return nil, nil, err
	}
	stored, err := s.Templates.EnvironmentVersion(r.Context(), sc.id, name, version)
	if err != nil {
		return nil, nil, err
	}
	summary, err := s.Templates.EnvironmentTemplate(r.Context(), sc.id, name)
	if err != nil {
		return nil, nil, err
	}
	e, err := s.templateForm(r, sc)
	if err != nil {
		return nil, nil, err
	}
	e.load(stored, summary.Description)
	e.Form.URL = views.ProjectPath(sc.Project.Slug, "templates", name, "versions", version)
	e.Form.Seen, e.Updated = seenAt(stored.UpdatedAt), views.At(stored.UpdatedAt, sc.Now)
	return e, stored, nil
}

func (s *server) saveTemplate(w http.ResponseWriter, r *http.Request) error {
	e, stored, err := s.storedTemplate(w, r, r.PathValue("version"))
	if err != nil {
		return err
	}
	in := template.SaveInput{IfUnchangedSince: seen(r.PostForm)}
	if in.IfUnchangedSince.IsZero() {
		in.IfUnchangedSince = stored.UpdatedAt
	}
	return s.setTemplate(w, r, e, in)
}

// newTemplateVersion shows the form of another version, which begins as the one that the address names.
func (s *server) newTemplateVersion(w http.ResponseWriter, r *http.Request) error {
	e, err := s.nextTemplate(w, r, r.URL.Query().Get("from"))
	if err != nil {
		return err
	}
	return s.drawTemplate(w, r, e, http.StatusOK)
}

func (s *server) nextTemplate(w http.ResponseWriter, r *http.Request, from string) (*templateEditing, error) {
	sc, err := s.templateWriter(w, r, "New version of "+r.PathValue("template"))
	if err != nil {
		return nil, err
	}
	name := r.PathValue("template")
	summary, err := s.Templates.EnvironmentTemplate(r.Context(), sc.id, name)
	if err != nil {
		return nil, err
	}
	newest := summary.Versions[0].Version
	if from == "" {
		from = newest
	}
	stored, err := s.Templates.EnvironmentVersion(r.Context(), sc.id, name, from)
	if err != nil {
		return nil, err
	}
	e, err := s.templateForm(r, sc)
	if err != nil {
		return nil, err
	}
	e.load(stored, summary.Description)
	e.NewVersion = true
	e.Form.URL = views.ProjectPath(sc.Project.Slug, "templates", name, "versions")
	e.Version.Value, e.Version.Autofocus = versionAfter(*summary), true
	if from != newest { // a value that is kept is the newest version's
		last, err := s.Templates.EnvironmentVersion(r.Context(), sc.id, name, newest)
		if err != nil {
			return nil, err
		}
		e.before = last.Spec.Variables
	}
	return e, nil
}

func (s *server) createTemplateVersion(w http.ResponseWriter, r *http.Request) error {
	e, err := s.nextTemplate(w, r, "")
	if err != nil {
		return err
	}
	return s.setTemplate(w, r, e, template.SaveInput{OnlyNew: true})
}

var lastNumber = regexp.MustCompile(`^(.*?)(\d{1,9})$`)

// versionAfter counts the newest version up: v1 becomes v2, 1.2.0 becomes 1.2.1.
func versionAfter(t template.Summary) string {
	taken := func(version string) bool {
		return slices.ContainsFunc(t.Versions, func(v template.SummaryVersion) bool { return v.Version == version })
	}
	prefix, n := t.Versions[0].Version+".", 0
	if m := lastNumber.FindStringSubmatch(t.Versions[0].Version); m != nil {
		prefix = m[1]
		n, _ = strconv.Atoi(m[2]) // it has at most nine digits
	}
	for {
		n++
		if version := prefix + strconv.Itoa(n); !taken(version) {
			return version
		}
	}
}

// What the buttons of the form ask for, beside a row more or less.
const (
	thenPublish = "publish"
	thenCheck   = "check"
	thenFill    = "fill"
)

// setTemplate saves or publishes what was typed, or draws it again: with rows more or less, checked, or with what is
// wrong.
func (s *server) setTemplate(w http.ResponseWriter, r *http.Request, e *templateEditing, in template.SaveInput) error {
	clearForm(&e.TemplateEditor)
	s.readTemplate(r, e.sc, &e.TemplateEditor)
	then := r.PostFormValue("then")
	switch {
	case pressed(r, &e.Resources, &e.Variables) || then == thenCheck:
		e.Name.Autofocus, e.Version.Autofocus = false, false
		return s.drawTemplate(w, r, e, http.StatusOK)
	case then == thenFill:
		return s.fillMissing(w, r, e)
	}
	e.Resources.DropBlank()
	e.Variables.DropBlank()
	spec, resources, variables := templateSpec(e.TemplateEditor)
	in.ProjectID, in.Name, in.Version = e.sc.id, e.Name.Value, e.Version.Value
	in.DisplayName, in.Description, in.State = strings.TrimSpace(e.DisplayName.Value), strings.TrimSpace(e.Description.Value), template.Draft
	if then == thenPublish {
		in.State = template.Active
	}
	err := checkShown(e.TemplateEditor, e.before)
	if err == nil && e.IconError != "" {
		return s.drawTemplate(w, r, e, http.StatusUnprocessableEntity)
	}
	if err == nil && e.New {
		err = s.freeName(r.Context(), e)
	}
	if err == nil {
		_, _, err = s.Templates.SaveEnvironment(r.Context(), in, spec)
	}
	if err != nil {
		return s.refuseTemplate(w, r, e, err, formPlaces{resources, variables})
	}
	page := views.ProjectPath(e.Project.Slug, "templates", in.Name)
	if in.State == template.Active {
		s.setFlash(w, views.FlashOK, in.Name+" "+in.Version+" is published. Developers find it in the catalog.")
		return redirect(w, r, page)
	}
	s.setFlash(w, views.FlashOK, in.Name+" "+in.Version+" is saved as a draft. Nobody can use it until it is published.")
	return redirect(w, r, page+"/versions/"+url.PathEscape(in.Version)+"/edit")
}

// clearForm takes out what the stored version holds: the form says everything.
func clearForm(v *views.TemplateEditor) {
	v.Resources.Rows, v.Variables.Rows, v.Icon = nil, nil, ""
}

// freeName refuses a name that another template of the project has.
func (s *server) freeName(ctx context.Context, e *templateEditing) error {
	t, err := s.Templates.EnvironmentTemplate(ctx, e.sc.id, e.Name.Value)
	if errors.Is(err, template.ErrNotFound) {
		return nil
	}
	if err == nil && t.ProjectID == e.sc.id {
		return fault.InvalidField("name", "There already is an environment template "+e.Name.Value+" in this project. Choose another name.")
	}
	return err
}

// fillMissing adds rows for the module variables that have no value.
func (s *server) fillMissing(w http.ResponseWriter, r *http.Request, e *templateEditing) error {
	compiled, err := s.liveTemplate(r.Context(), e.sc, &e.TemplateEditor)
	if err != nil {
		return err
	}
	e.Name.Autofocus, e.Version.Autofocus = false, false
	if compiled == nil || addMissing(&e.TemplateEditor, compiled.ModuleVariables()) == 0 {
		e.Variables.Note = "Every variable of the modules has a value, or stands here already."
	}
	return s.drawTemplate(w, r, e, http.StatusOK)
}

// refuseTemplate shows the form again with each error beside its field and everything that was typed.
func (s *server) refuseTemplate(w http.ResponseWriter, r *http.Request, e *templateEditing, err error, at formPlaces) error {
	f := answerable(err)
	if f == nil {
		return err
	}
	e.Name.Autofocus, e.Version.Autofocus = false, false
	switch {
	case errors.Is(err, template.ErrVersionChanged):
		if err := s.overtakenTemplate(r, e); err != nil {
			return err
		}
	case errors.Is(err, template.ErrVersionExists):
		e.Version.Error = f.Message + " Choose another one."
	default:
		named := *f
		named.Fields = slices.Clone(f.Fields)
		for i, field := range named.Fields {
			if rows, n, column, ok := at.row(field.Path); ok {
				named.Fields[i].Path = rows + "[" + num(n) + "]." + column
			} else {
				named.Fields[i].Path = strings.TrimPrefix(field.Path, "spec.")
			}
		}
		e.Form.Error = spread(&named, map[string]*views.Field{
			"name": &e.Name, "displayName": &e.DisplayName, "description": &e.Description, "version": &e.Version, "readme": &e.Readme, "summary": &e.Summary,
		}, &e.Resources, &e.Variables)
	}
	return s.drawTemplate(w, r, e, http.StatusUnprocessableEntity)
}

// overtakenTemplate says that somebody else has changed the version. A draft is saved over theirs when it is saved again;
// a version that is published by now cannot change.
func (s *server) overtakenTemplate(r *http.Request, e *templateEditing) error {
	e.Form.Error = overtaken("version", e.Updated)
	e.Form.Current = views.ProjectPath(e.Project.Slug, "templates", e.Name.Value, "manifest") + "?version=" + url.QueryEscape(r.PathValue("version"))
	return nil
}

// drawTemplate shows the form with all that follows from it.
func (s *server) drawTemplate(w http.ResponseWriter, r *http.Request, e *templateEditing, status int) error {
	v := &e.TemplateEditor
	if _, err := s.liveTemplate(r.Context(), e.sc, v); err != nil {
		return err
	}
	if err := s.templateChoices(r.Context(), e.sc, v); err != nil {
		return err
	}
	if err := s.hideRows(e.sc, &v.Variables); err != nil {
		return err
	}
	for i, row := range v.Variables.Rows {
		before, ok := find(e.before, func(b template.Variable) bool { return b.Name == strings.TrimSpace(row.Get("name")) })
		if c := row.Cells["value"]; ok && before.HasValue && row.Checked("sensitive") && c.Value == "" && c.Kept == "" {
			v.Variables.Rows[i].Set("value", func(c *views.Cell) { c.Stored = true })
		}
	}
	_, v.Image = iconOf(v.Icon)
	return render(w, r, status, TemplateEditorPage(*v))
}
