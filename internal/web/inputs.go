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
	*decoder
	revision int
	add      bool // asks for another row, without script
	rows     []views.VariableRow
	numbers  []int // of the rows
	edited   map[string]bool
}

const editPrefix = "edit."

// readInputForm takes the rows in the order of their numbers; rows that were left empty are none.
func readInputForm(form url.Values) inputForm {
	f := inputForm{decoder: newDecoder(form, editPrefix), add: form.Has("add"), edited: mentioned(form, editPrefix)}
	f.revision, _ = strconv.Atoi(form.Get("version"))
	var numbers []int
	for name := range form {
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
			f.rows, f.numbers = append(f.rows, row), append(f.numbers, n)
		}
	}
	return f
}

// merge makes the new inputs of the environment: what it had, edited, and what was added. keep names the sensitive ones
// that stay as they are.
func (f *inputForm) merge(e environment.Environment, version *template.Compiled) (values []template.Value, keep []string, err error) {
	var fields fault.Fields
	seen := map[string]bool{}
	for _, old := range e.Inputs {
		seen[old.Name] = true
		switch {
		case f.edited[old.Name] && (last(f.form, editPrefix+old.Name) != "" || !e.Hidden[old.Name]):
			old = f.editedValue(version, old)
		case e.Hidden[old.Name]:
			keep = append(keep, old.Name)
		}
		values = append(values, old)
	}
	for _, in := range version.Inputs() {
		if f.edited[in.Name] && !seen[in.Name] {
			if v, ok := f.input(in); ok {
				values, seen[in.Name] = append(values, v), true
			}
		}
	}
	for _, row := range f.rows {
		switch {
		case row.Name == "":
			fields.Add("", "Give each variable a name.")
		case seen[row.Name]:
			fields.Add(row.Name, "%s "+setAlready+"; edit or remove that one", row.Name)
		default:
			seen[row.Name] = true
			values = append(values, template.Value{Name: row.Name, ValueType: template.ValueType(row.Type), Value: row.Value})
		}
	}
	fields.Merge("", f.err())
	return values, keep, fields.Err()
}

// editedValue keeps the value type that a value had, unless its field is a structure.
func (f *inputForm) editedValue(version *template.Compiled, old template.Value) template.Value {
	name := editPrefix + old.Name
	in, known := version.Input(old.Name)
	f.places[old.Name] = placed{name: name, words: old.Name}
	if known {
		f.places[old.Name] = placed{name: name, words: in.Label}
	}
	asText := f.form.Has(name) && !in.MultiSelect && in.Type.Kind != "any" && in.Type.Kind != "tuple"
	if known && structured(in) && old.ValueType != template.Expression && !asText {
		return f.explicit(in)
	}
	text := last(f.form, name)
	if known && (old.ValueType == "" || old.ValueType == template.Text) && !in.Type.Scalar() {
		old.ValueType = structureType(text)
	}
	old.Value = text
	return old
}

func (s *server) saveInputs(w http.ResponseWriter, r *http.Request) error {
	list, added := changeRows(r.PostForm)
	form := readInputForm(r.PostForm)
	v, f, err := s.inputsView(w, r)
	if err != nil {
		return err
	}
	if form.add || list != "" {
		if form.add {
			form.rows = append(form.rows, views.VariableRow{Type: string(template.Text)})
		}
		f.fillInputs(&v.Inputs, form, nil)
		for i := range v.Inputs.Values {
			field := []views.Field{v.Inputs.Values[i].Field}
			focusRow(field, list, added)
			v.Inputs.Values[i].Field = field[0]
		}
		return render(w, r, http.StatusOK, EnvironmentPage(*v))
	}
	if form.revision != 0 && form.revision != f.Revision {
		return s.refuseInputs(w, r, v, f, form, environment.ErrStale) // what came between is on the page now
	}
	values, keep, err := form.merge(f.Environment, f.version)
	if err == nil {
		_, err = s.Environments.Update(r.Context(), f.id, f.Name, environment.UpdateInput{Inputs: &values, Keep: keep, Revision: form.revision})
	}
	if err != nil {
		return s.refuseInputs(w, r, v, f, form, err)
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

func (s *server) refuseInputs(w http.ResponseWriter, r *http.Request, v *views.EnvironmentPage, facts environmentFacts, form inputForm, err error) error {
	f, ok := fault.As(err)
	if !ok || (f.Kind != fault.Invalid && f.Kind != fault.Conflict) {
		return err
	}
	facts.fillInputs(&v.Inputs, form, f)
	status := http.StatusUnprocessableEntity
	if errors.Is(err, environment.ErrStale) {
		status = http.StatusConflict
	}
	return render(w, r, status, EnvironmentPage(*v))
}

// fillInputs puts back what was typed, with each error beside its field.
func (f environmentFacts) fillInputs(t *views.InputTab, form inputForm, wrong *fault.Error) {
	t.New = form.rows
	for i := range t.Values {
		if in := &t.Values[i]; form.edited[in.Name] {
			in.Editing, in.Field = true, f.typedField(*in, form)
		}
	}
	if wrong == nil {
		return
	}
	if len(wrong.Fields) == 0 {
		t.Error = wrong.Message
	}
	for _, in := range t.Values {
		if _, known := form.places[in.Name]; !known {
			form.places[in.Name] = placed{name: in.Field.Name, words: in.Field.Label}
		}
	}
	beside := form.errors(wrong)
	for i := range t.New {
		if i < len(form.numbers) {
			t.New[i].NameError, t.New[i].ValueError = take(beside, rowField(form.numbers[i], "name")), take(beside, rowField(form.numbers[i], "value"))
		}
	}
	for i := range t.Values {
		in := &t.Values[i]
		field := []views.Field{in.Field}
		setErrors(field, beside)
		in.Field, in.Editing = field[0], in.Editing || views.AnyError(field)
	}
	t.Error = strings.TrimSpace(t.Error + " " + remaining(beside))
}

// typedField is a field with what was typed into it.
func (f environmentFacts) typedField(old views.InputValue, form inputForm) views.Field {
	if in, known := f.version.Input(old.Name); known && !old.Raw {
		return fieldOf(in, form.form, editPrefix)
	}
	field := old.Field
	field.Value = last(form.form, field.Name)
	return field
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
		SaveURL: f.base + "/inputs", LiveURL: f.base + "/inputs/check", Version: strconv.Itoa(f.Revision), AllowAny: f.version.Version.Spec.AllowFreeVariables,
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
		Name: in.Name, Description: in.Description, Type: typeWord(in), Value: jsonText(in.Default), Origin: originWord(in),
		Sensitive: in.Sensitive, Hidden: in.Sensitive || in.DefaultHidden && !given, Changed: f.changed(in.Name), Editable: true,
		EditURL: f.base + "/inputs?edit=" + url.QueryEscape(in.Name) + "#input-" + in.Name, Editing: in.Name == edit,
	}
	if in.DefaultExpression != "" {
		v.Value = in.DefaultExpression
	}
	raw := in.Default
	if given {
		if in.Origin != template.FromNowhere {
			v.Instead = instead(in)
		}
		v.Value, v.Origin = value.Value, "Environment"
		v.RemoveURL = f.removeURL(in.Name)
		typed, ok := f.version.Typed(value)
		raw, v.Raw = typed, !ok && !in.Sensitive
	}
	v.Field = f.fieldFor(in, value, raw, v.Raw)
	if v.Sensitive {
		v.Value = ""
		if given {
			v.Field.Help = strings.TrimSpace(v.Field.Help + " Leave it empty to keep the value it has.")
			v.Field.Value, v.Field.Required = "", false
		}
	}
	if value.ValueType == template.Expression {
		v.Type = "Expression"
	}
	v.Field.RowsURL, v.Wide = f.base+"/inputs", v.Field.Wide()
	return v
}

// fieldFor is the field of an input with its value. An expression, and what does not fit the input, is edited as text.
func (f environmentFacts) fieldFor(in template.Input, value template.Value, raw json.RawMessage, asText bool) views.Field {
	form := url.Values{}
	if !asText {
		flattenInput(form, in, raw, editPrefix)
		return fieldOf(in, form, editPrefix)
	}
	field := views.Field{Label: in.Label, Name: editPrefix + in.Name, Kind: views.FieldText, Help: in.Description, Value: value.Value, Mono: true}
	if value.ValueType != template.Expression && !in.Type.Scalar() {
		field.Kind = views.FieldLong
	}
	describeDefault(&field, in)
	return field
}

// instead says what a value of the environment replaces.
func instead(in template.Input) string {
	origin := lowerFirst(originWord(in))
	switch {
	case in.DefaultExpression != "":
		return "instead of " + in.DefaultExpression + ", " + origin
	case in.DefaultHidden || len(in.Default) == 0:
		return "instead of " + origin
	}
	return "instead of " + dash(jsonText(in.Default)) + ", " + origin
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

// originWord says where the default of an input comes from.
func originWord(in template.Input) string {
	switch in.Origin {
	case template.FromInput:
		return "Environment"
	case template.FromEnvironmentTemplate:
		return "Template"
	case template.FromEnvironmentContext:
		return "Context " + in.Context
	case template.FromResourceTemplate:
		return "Resource template"
	case template.FromResourceContext:
		return "Resource template's context " + in.Context
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
