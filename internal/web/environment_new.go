package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/web/ui"
	"github.com/berthdev/berth/internal/web/views"
)

// newEnvironment shows the form. The address may name a template, a version and a name.
func (s *server) newEnvironment(w http.ResponseWriter, r *http.Request) error {
	v, _, err := s.newView(w, r, r.URL.Query())
	if err != nil {
		return err
	}
	return render(w, r, http.StatusOK, NewEnvironmentPage(v))
}

// newView is the form for the template and version that form names, or the first ones, with what was typed put back.
func (s *server) newView(w http.ResponseWriter, r *http.Request, form url.Values) (views.NewEnvironment, *template.Compiled, error) {
	sc, err := s.inProject(w, r, views.SectionEnvironments, "New Environment")
	if err != nil {
		return views.NewEnvironment{}, nil, err
	}
	v := views.NewEnvironment{
		Page: sc.Page, ActionURL: views.ProjectPath(sc.Project.Slug, "environments"), LiveURL: views.ProjectPath(sc.Project.Slug, "environments", "check"), Allowed: sc.can(authz.EnvironmentCreate),
		MissingRole: roleFor(r, authz.EnvironmentCreate, sc.id),
		Name: views.Field{
			Label: "Name", Name: "name", Value: form.Get("name"), Required: true, MaxLength: 40, Autofocus: true, Mono: true,
			Pattern: "[a-z][a-z0-9\\-]*", PatternHelp: "Name must start with a lower-case letter and have only lower-case letters, digits and hyphens.",
			Help: "Lower-case letters, digits and hyphens. It cannot be changed later.", Placeholder: "ecs-1",
		},
		Template: views.Field{Label: "Template", Name: "template", Kind: views.FieldSelect, Required: true},
		Version:  views.Field{Label: "Version", Name: "version", Kind: views.FieldSelect},
	}
	cards, err := s.Templates.Catalog(r.Context(), sc.id)
	if err != nil {
		return v, nil, err
	}
	card := chooseTemplate(&v, cards, form)
	if card == nil {
		return v, nil, nil
	}
	version, err := s.Templates.Load(r.Context(), sc.id, versionID(card, v.Version.Value))
	if err != nil {
		return v, nil, err
	}
	v.Summary = summaryOf(version, *card)
	missing := s.Templates.CheckContexts(r.Context(), sc.id, version)
	if missing != nil && !errors.Is(missing, template.ErrNoContext) {
		return v, nil, missing
	}
	v.Missing = messageOf(missing)
	inputs := version.Inputs()
	for i, f := range inputFields(inputs, form, inputPrefix) {
		in := inputs[i]
		if in.Sensitive && form.Get(f.Name) != "" {
			f.Help = strings.TrimSpace(f.Help + " Enter it again: a secret is never sent back to the page.")
		}
		f.RowsURL = v.ActionURL
		if in.Group == template.Advanced {
			v.Advanced = append(v.Advanced, f)
		} else {
			v.Inputs = append(v.Inputs, f)
		}
	}
	return v, version, nil
}

// chooseTemplate fills in both lists and picks from them: what the form names, if there is such a thing.
func chooseTemplate(v *views.NewEnvironment, cards []template.Card, form url.Values) *template.Card {
	var card *template.Card
	for i := range cards {
		v.Template.Options = append(v.Template.Options, views.Option{Value: cards[i].Name, Label: cards[i].Name})
		if cards[i].Name == form.Get("template") {
			card = &cards[i]
		}
	}
	if wanted := form.Get("template"); wanted != "" && card == nil {
		v.Template.Error = "There is no template " + wanted + " in this project any more. Choose another one."
	}
	if card == nil && len(cards) > 0 {
		card = &cards[0]
	}
	if card == nil {
		v.Error = "There is no template in this project yet. Ask your platform team to share one."
		return nil
	}
	v.Template.Value, v.Version.Value = card.Name, card.LatestActive
	v.Version.Options = []views.Option{{Label: "Latest (" + card.LatestActive + " now)"}}
	if form.Has("version") && form.Get("version") == "" {
		v.Version.Value, v.Version.Help = "", "Each deploy uses the version that is the latest then."
	}
	for _, version := range card.Versions {
		v.Version.Options = append(v.Version.Options, views.Option{Value: version.Version, Label: version.Version})
		if version.Version == form.Get("version") {
			v.Version.Value = version.Version
		}
	}
	return card
}

// versionID is the id of a version; without one, of the latest.
func versionID(card *template.Card, version string) template.EnvironmentVersionID {
	version = cmp.Or(version, card.LatestActive)
	for _, v := range card.Versions {
		if v.Version == version {
			return v.ID
		}
	}
	return ""
}

func summaryOf(version *template.Compiled, card template.Card) views.NewSummary {
	v := views.NewSummary{Description: card.Summary}
	v.Icon, v.Image = iconOf(card.Icon)
	for _, r := range version.Resources {
		v.Creates = append(v.Creates, r.Name)
	}
	return v
}

// createEnvironment makes a draft, and deploys it at once when asked to.
func (s *server) createEnvironment(w http.ResponseWriter, r *http.Request) error {
	list, added := changeRows(r.PostForm)
	v, version, err := s.newView(w, r, r.PostForm)
	if err != nil {
		return err
	}
	if list != "" {
		v.Name.Autofocus = false
		v.AdvancedOpen = mentionsField(v.Advanced, list)
		focusRow(v.Inputs, list, added)
		focusRow(v.Advanced, list, added)
		return render(w, r, http.StatusOK, NewEnvironmentPage(v))
	}
	if r.PostFormValue("then") == "reload" {
		return render(w, r, http.StatusOK, NewEnvironmentPage(v))
	}
	p, err := s.Projects.Get(r.Context(), r.PathValue("project"))
	if err != nil {
		return err
	}
	in := environment.CreateInput{
		ProjectID: string(p.ID), Name: r.PostFormValue("name"), Template: r.PostFormValue("template"), Version: r.PostFormValue("version"),
	}
	d := newDecoder(r.PostForm, inputPrefix)
	if version != nil {
		in.Inputs, d = changedInputs(version.Inputs(), r.PostForm)
	}
	if err := d.err(); err != nil {
		return s.refuseNew(w, r, v, d, d.allWrong(version, in.Inputs))
	}
	created, err := s.Environments.Create(r.Context(), in)
	if err != nil {
		return s.refuseNew(w, r, v, d, err)
	}
	base := views.ProjectPath(p.Name, "environments", created.Name)
	if r.PostFormValue("then") == "deploy" {
		return s.deployNew(w, r, in, base)
	}
	s.setFlash(w, views.FlashOK, created.Name+" is created as a draft. Nothing runs until you deploy it.")
	return redirect(w, r, base)
}

func (s *server) deployNew(w http.ResponseWriter, r *http.Request, in environment.CreateInput, base string) error {
	if _, err := s.Environments.Deploy(context.WithoutCancel(r.Context()), in.ProjectID, in.Name); err != nil { // it exists now; a reader who goes away still wants it deployed
		f, ok := fault.As(err)
		if !ok || f.Kind == fault.Internal {
			return err
		}
		s.setFlash(w, views.FlashError, "It is created, but not deployed: "+f.Message)
	}
	return redirect(w, r, base)
}

// refuseNew shows the form again with each error beside its field and everything that was typed.
func (s *server) refuseNew(w http.ResponseWriter, r *http.Request, v views.NewEnvironment, d *decoder, err error) error {
	f, ok := fault.As(err)
	if !ok || f.Kind == fault.Internal || f.Kind == fault.Forbidden || f.Kind == fault.Unauthenticated {
		return err
	}
	if f.Kind == fault.NotFound && len(f.Fields) == 0 && !errors.Is(err, template.ErrNotFound) && !errors.Is(err, template.ErrNoVersion) {
		return err
	}
	v.Error = placeNew(&v, d, *f)
	return render(w, r, http.StatusUnprocessableEntity, NewEnvironmentPage(v))
}

// placeNew puts each error beside its field and returns what belongs to none. The name of the environment and an input
// called "name" are told apart by where the error comes from.
func placeNew(v *views.NewEnvironment, d *decoder, f fault.Error) string {
	beside := map[string]string{}
	var others []fault.Field
	for _, e := range f.Fields {
		path, ofInput := strings.CutPrefix(e.Path, inputsPath)
		p, known := d.place(path)
		if !ofInput || !known {
			others = append(others, e)
			continue
		}
		beside[p.name] = strings.TrimSpace(beside[p.name] + " " + p.said(path, e.Message))
	}
	if len(f.Fields) > 0 && len(others) == 0 {
		f.Message = ""
	}
	f.Fields = others
	left := placeErrors(&f, map[string]*views.Field{v.Name.Name: &v.Name, v.Template.Name: &v.Template, v.Version.Name: &v.Version})
	setErrors(v.Inputs, beside)
	setErrors(v.Advanced, beside)
	return strings.TrimSpace(left + " " + remaining(beside))
}

// inputsPath is what the service puts before the name of an input.
const inputsPath = "variables."

// allWrong adds what the template says to what could not be read, so that all of it is said at once.
func (d *decoder) allWrong(version *template.Compiled, values []template.Value) error {
	var fields fault.Fields
	fields.Merge(strings.TrimSuffix(inputsPath, "."), d.err())
	if more, ok := fault.As(version.ValidatePartial(values)); ok {
		for _, e := range more.Fields {
			at, _ := d.place(e.Path)
			if !slices.ContainsFunc(d.wrong, func(w wrongField) bool { p, _ := d.place(w.path); return p == at }) {
				fields.Add(inputsPath+e.Path, "%s", e.Message)
			}
		}
	}
	return fields.Err()
}

func mentionsField(fields []views.Field, name string) bool {
	found := false
	views.EachField(fields, func(f *views.Field) { found = found || f.Name == name })
	return found
}

// iconName is an icon that exists; a template may name any.
func iconName(name string) string {
	if ui.KnownIcon(name) {
		return name
	}
	return "layout-template"
}
