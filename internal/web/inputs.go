package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/web/views"
)

// inputForm is what somebody typed into the tab Input Variables.
type inputForm struct {
	revision int
	add      bool // asks for another row, without script
	rows     []views.VariableRow
	edits    map[string]string
}

const (
	editPrefix = "edit."
	maxRows    = 200
)

// readInputForm takes the rows in the order of their numbers; rows that were left empty are none.
func readInputForm(form url.Values) inputForm {
	f := inputForm{edits: map[string]string{}, add: form.Has("add")}
	f.revision, _ = strconv.Atoi(form.Get("version"))
	var numbers []int
	for name := range form {
		if edited, ok := strings.CutPrefix(name, editPrefix); ok {
			f.edits[edited] = last(form, name)
		}
		rest, ok := strings.CutPrefix(name, "var.")
		if n, isName := strings.CutSuffix(rest, ".name"); ok && isName {
			if i, err := strconv.Atoi(n); err == nil {
				numbers = append(numbers, i)
			}
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers[:min(len(numbers), maxRows)] {
		at := fmt.Sprintf("var.%d.", n)
		row := views.VariableRow{Name: strings.TrimSpace(form.Get(at + "name")), Type: form.Get(at + "type"), Value: form.Get(at + "value")}
		if row.Type == "" {
			row.Type = string(template.Text)
		}
		if row.Name != "" || row.Value != "" {
			f.rows = append(f.rows, row)
		}
	}
	return f
}

// last returns the value that counts: a checkbox comes after the hidden field that stands for its absence.
func last(form url.Values, name string) string {
	if all := form[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// merge makes the new inputs of the environment: what it had, edited, and what was added. keep names the sensitive ones
// that stay as they are.
func (f *inputForm) merge(e environment.Environment, version *template.Compiled) (values []template.Value, keep []string, err error) {
	var fields fault.Fields
	seen := map[string]bool{}
	for _, old := range e.Inputs {
		text, edited := f.edits[old.Name]
		seen[old.Name] = true
		switch {
		case edited && (text != "" || !e.Hidden[old.Name]):
			old = editedValue(version, old, text)
		case e.Hidden[old.Name]:
			keep = append(keep, old.Name)
		}
		values = append(values, old)
	}
	for name, text := range f.edits {
		if in, known := version.Input(name); known && !seen[name] {
			if v, ok := inputValue(in, text); ok {
				values, seen[name] = append(values, v), true
			}
		}
	}
	for _, row := range f.rows {
		switch {
		case row.Name == "":
			fields.Add("", "Give each variable a name.")
		case seen[row.Name]:
			fields.Add(row.Name, "%s is set already; edit or remove that one", row.Name)
		default:
			seen[row.Name] = true
			values = append(values, template.Value{Name: row.Name, ValueType: template.ValueType(row.Type), Value: row.Value})
		}
	}
	return values, keep, fields.Err()
}

// editedValue keeps the value type that a value had.
func editedValue(version *template.Compiled, old template.Value, text string) template.Value {
	in, known := version.Input(old.Name)
	if known && (old.ValueType == "" || old.ValueType == template.Text) && !in.Type.Scalar() {
		old.ValueType = structureType(text)
	}
	old.Value = text
	return old
}

func (s *server) saveInputs(w http.ResponseWriter, r *http.Request) error {
	form := readInputForm(r.PostForm)
	v, f, err := s.inputsView(w, r)
	if err != nil {
		return err
	}
	if form.add {
		form.rows = append(form.rows, views.VariableRow{Type: string(template.Text)})
		fillInputs(&v.Inputs, form, nil)
		return render(w, r, http.StatusOK, EnvironmentPage(*v))
	}
	if form.revision != 0 && form.revision != f.Revision {
		return s.refuseInputs(w, r, v, form, environment.ErrStale) // what came between is on the page now
	}
	values, keep, err := form.merge(f.Environment, f.version)
	if err == nil {
		_, err = s.Environments.Update(r.Context(), f.id, f.Name, environment.UpdateInput{Inputs: &values, Keep: keep, Revision: form.revision})
	}
	if err != nil {
		return s.refuseInputs(w, r, v, form, err)
	}
	s.setFlash(w, views.FlashOK, "Saved. The next deploy uses it.")
	return redirect(w, r, f.base+"/inputs")
}

func (s *server) inputsView(w http.ResponseWriter, r *http.Request) (*views.EnvironmentPage, environmentFacts, error) {
	name := r.PathValue("environment")
	sc, err := s.inProject(w, r, views.SectionEnvironments, name)
	if err != nil {
		return nil, environmentFacts{}, err
	}
	if err := authz.Require(r.Context(), authz.EnvironmentUpdate, sc.id); err != nil {
		// The service refuses and records it.
		_, err := s.Environments.Update(r.Context(), sc.id, name, environment.UpdateInput{})
		return nil, environmentFacts{}, err
	}
	f, err := s.environmentFacts(r.Context(), sc, name, views.TabInputs)
	if err != nil {
		return nil, f, err
	}
	v := &views.EnvironmentPage{
		Page: sc.Page, Tab: views.TabInputs, Header: f.header(), Run: f.runSummary(), Settings: f.settings(), Inputs: f.inputTab(""),
	}
	v.Sandbox = f.Sandbox
	return v, f, nil
}

func (s *server) refuseInputs(w http.ResponseWriter, r *http.Request, v *views.EnvironmentPage, form inputForm, err error) error {
	f, ok := fault.As(err)
	if !ok || (f.Kind != fault.Invalid && f.Kind != fault.Conflict) {
		return err
	}
	fillInputs(&v.Inputs, form, f)
	status := http.StatusUnprocessableEntity
	if errors.Is(err, environment.ErrStale) {
		status = http.StatusConflict
	}
	return render(w, r, status, EnvironmentPage(*v))
}

// fillInputs puts back what was typed, with each error beside its field.
func fillInputs(t *views.InputTab, form inputForm, f *fault.Error) {
	messages := map[string]string{}
	if f != nil {
		if len(f.Fields) == 0 {
			t.Error = f.Message
		}
		for _, e := range f.Fields {
			name := inputName(e.Path)
			messages[name] = strings.TrimSpace(messages[name] + " " + sentence(name, e.Message))
		}
	}
	for i := range form.rows {
		row := &form.rows[i]
		text, ok := messages[row.Name]
		if !ok {
			continue
		}
		delete(messages, row.Name)
		if row.Name == "" || strings.Contains(text, "is set already") || !hasInput(t, row.Name) {
			row.NameError = text
		} else {
			row.ValueError = text
		}
	}
	t.New = form.rows
	for i := range t.Values {
		in := &t.Values[i]
		text, edited := form.edits[in.Name]
		if message, wrong := messages[in.Name]; wrong || edited {
			in.Editing = true
			in.Field.Error = message
			delete(messages, in.Name)
			if edited {
				in.Field.Value = text
			}
		}
	}
	for _, text := range messages {
		t.Error = strings.TrimSpace(t.Error + " " + text)
	}
}

func hasInput(t *views.InputTab, name string) bool {
	return slices.ContainsFunc(t.Values, func(v views.InputValue) bool { return v.Name == name })
}

func (s *server) removeInput(w http.ResponseWriter, r *http.Request) error {
	_, f, err := s.inputsView(w, r)
	if err != nil {
		return err
	}
	name := r.PathValue("variable")
	values, keep := []template.Value{}, []string{}
	for _, in := range f.Inputs {
		if in.Name == name {
			continue
		}
		values = append(values, in)
		if f.Hidden[in.Name] {
			keep = append(keep, in.Name)
		}
	}
	if _, err := s.Environments.Update(r.Context(), f.id, f.Name, environment.UpdateInput{Inputs: &values, Keep: keep, Revision: f.Revision}); err != nil {
		if e, ok := fault.As(err); ok && (e.Kind == fault.Invalid || e.Kind == fault.Conflict) {
			s.setFlash(w, views.FlashError, sentence("", e.Message))
			return redirect(w, r, f.base+"/inputs")
		}
		return err
	}
	s.setFlash(w, views.FlashOK, name+" is removed. The next deploy uses its default.")
	return redirect(w, r, f.base+"/inputs")
}

// inputTab lists the variables: what the template offers and what was added. edit names the one to be edited.
func (f environmentFacts) inputTab(edit string) views.InputTab {
	t := views.InputTab{
		SaveURL: f.base + "/inputs", Version: strconv.Itoa(f.Revision), AllowAny: f.version.Version.Spec.AllowFreeVariables,
		Blocked: f.may[authz.EnvironmentUpdate],
	}
	t.CanEdit = t.Blocked == ""
	set := map[string]template.Value{}
	for _, in := range f.Inputs {
		set[in.Name] = in
	}
	for _, in := range f.version.Inputs() {
		value, given := set[in.Name]
		delete(set, in.Name)
		t.Values = append(t.Values, f.offered(in, value, given, edit))
	}
	for _, in := range f.Inputs { // in the order they were added
		if value, free := set[in.Name]; free {
			t.Values = append(t.Values, f.free(value, edit))
		}
	}
	return t
}

func (f environmentFacts) offered(in template.Input, value template.Value, given bool, edit string) views.InputValue {
	v := views.InputValue{
		Name: in.Name, Description: in.Description, Type: typeWord(in), Value: jsonText(in.Default), Origin: originWord(in.Origin),
		Sensitive: in.Sensitive, Changed: f.changed(in.Name), Editable: true, EditURL: f.base + "/inputs?edit=" + url.QueryEscape(in.Name) + "#input-" + in.Name,
		Editing: in.Name == edit, Field: fieldOf(in, editPrefix),
	}
	if in.DefaultExpression != "" {
		v.Value = in.DefaultExpression
	}
	if given {
		v.Value, v.Origin = value.Value, "Environment"
		v.RemoveURL = f.removeURL(in.Name)
		v.Field.Value = value.Value
		if value.ValueType == template.Expression {
			v.Type = "Expression"
			v.Field.Kind = views.FieldText
		}
	}
	if v.Sensitive {
		v.Value = ""
		if given {
			v.Field.Help = strings.TrimSpace(v.Field.Help + " Leave it empty to keep the value it has.")
			v.Field.Value, v.Field.Required = "", false
		}
	}
	return v
}

func (f environmentFacts) free(in template.Value, edit string) views.InputValue {
	v := views.InputValue{
		Name: in.Name, Type: valueTypeWord(in.ValueType), Value: in.Value, Origin: "Environment", Sensitive: f.Hidden[in.Name],
		Changed: f.changed(in.Name), Editable: true, EditURL: f.base + "/inputs?edit=" + url.QueryEscape(in.Name) + "#input-" + in.Name,
		RemoveURL: f.removeURL(in.Name), Editing: in.Name == edit,
		Field: views.Field{Label: in.Name, Name: editPrefix + in.Name, Value: in.Value, Mono: true},
	}
	if in.ValueType == template.JSON || in.ValueType == template.HCL {
		v.Field.Kind = views.FieldLong
	}
	return v
}

func (f environmentFacts) removeURL(name string) string {
	return f.base + "/inputs/" + url.PathEscape(name) + "/remove"
}

// changed reports whether the next deploy would use another value than the last one did.
func (f environmentFacts) changed(name string) bool {
	if f.LastRun == nil || f.Status == environment.StatusDestroyed {
		return false
	}
	find := func(values []template.Value) (template.Value, bool) {
		i := slices.IndexFunc(values, func(v template.Value) bool { return v.Name == name })
		if i < 0 {
			return template.Value{}, false
		}
		return values[i], true
	}
	a, had := find(f.DeployedInputs)
	b, has := find(f.Inputs)
	return had != has || a != b
}

func originWord(o template.Origin) string {
	switch o {
	case template.FromInput:
		return "Environment"
	case template.FromEnvironmentTemplate:
		return "Template"
	case template.FromEnvironmentContext, template.FromResourceContext:
		return "Context"
	case template.FromResourceTemplate:
		return "Resource template"
	case template.FromModule:
		return "Module default"
	case template.FromNowhere:
	}
	return "Not set"
}

func valueTypeWord(t template.ValueType) string {
	if t == "" {
		t = template.Text
	}
	return typeLabel(string(t))
}

// jsonText is a default as it is shown and edited: text as it is, numbers and yes-or-no plainly, structures as JSON.
func jsonText(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	return outputText(raw)
}
