package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/web/views"
)

// staticRows are the variables of a static resource, named as the service names them in its errors.
func staticRows() views.Rows {
	return views.Rows{
		Name: "variables", Item: "variable", Empty: "No variables yet.",
		Columns: []views.Column{
			{Name: "name", Label: "Name", Kind: views.CellText, Mono: true, Placeholder: "vpc_id"},
			{Name: "valueType", Label: "Type", Kind: views.CellSelect, Size: views.SizeNarrow, Options: literalTypes(), Initial: "text"},
			{Name: "value", Label: "Value", Kind: views.CellLong, Size: views.SizeWide, Secret: "sensitive"},
			{Name: "description", Label: "Description", Kind: views.CellText},
			{Name: "sensitive", Label: "Sensitive", Kind: views.CellCheck},
		},
	}
}

// staticEditor is the page that makes a static resource, or changes the one given.
func (s *server) staticEditor(r *http.Request, sc scope, stored *staticresource.Static) (views.StaticEditor, error) {
	v := views.StaticEditor{
		Page: sc.Page, New: stored == nil, Form: views.Form{ID: "static", URL: views.ProjectPath(sc.Project.Slug, "static-resources")},
		Name:        nameField("", "Templates name it by this. It cannot be changed later."),
		Description: views.Field{Label: "Description", Name: "description", Kind: views.FieldText, Help: "What exists, and where."},
		Variables:   staticRows(),
	}
	if stored == nil {
		return v, nil
	}
	v.Static = staticRowOf(*stored, sc)
	v.Form.URL, v.Form.Seen = v.Static.URL, seenAt(stored.UpdatedAt)
	v.Name.Value, v.Description.Value = stored.Name, stored.Description
	for _, e := range stored.Variables {
		v.Variables.Rows = append(v.Variables.Rows, views.Row{Cells: views.Cells(
			"name", e.Name, "valueType", e.ValueType, "value", e.Value, "sensitive", boolText(e.Sensitive), "description", e.Description)})
	}
	markStoredStatic(&v, *stored)
	v.Danger = &views.Danger{
		URL: v.Static.URL + "/delete", Name: stored.Name, What: "static resource",
		Text: "This deletes the values in it; what they name stays as it is. A template that uses it cannot be deployed until there is a static resource of this name again.",
	}
	var err error
	v.Sharing, err = s.sharing(r, sc, staticShareable(v.Static.URL, *stored))
	return v, err
}

func staticShareable(url string, st staticresource.Static) shareable {
	return shareable{
		url: url + "/share", what: "static resource", with: st.SharedWith,
		means: "Templates of a project that it is shared with can use the values in it; nobody there can change them or read what is sensitive.",
	}
}

// markStoredStatic says of each value that is not shown that there is one.
func markStoredStatic(v *views.StaticEditor, stored staticresource.Static) {
	for i, row := range v.Variables.Rows {
		e, ok := find(stored.Variables, func(e staticresource.Variable) bool { return e.Name == row.Get("name") })
		if c := row.Cells["value"]; ok && e.Sensitive && c.Value == "" && c.Kept == "" {
			v.Variables.Rows[i].Set("value", func(c *views.Cell) { c.Stored = true })
		}
	}
}

// newStatic shows the empty form.
func (s *server) newStatic(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.staticWriter(w, r, "New Static Resource")
	if err != nil {
		return err
	}
	v, err := s.staticEditor(r, sc, nil)
	if err != nil {
		return err
	}
	v.Variables.Add()
	v.Variables.Rows[0].Focus = false // the name comes first
	return render(w, r, http.StatusOK, StaticEditorPage(v))
}

func (s *server) createStatic(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.staticWriter(w, r, "New Static Resource")
	if err != nil {
		return err
	}
	return s.setStatic(w, r, sc, nil)
}

func (s *server) saveStatic(w http.ResponseWriter, r *http.Request) error {
	sc, stored, err := s.ownStatic(w, r)
	if err != nil {
		return err
	}
	return s.setStatic(w, r, sc, stored)
}

// setStatic saves what was typed, or draws it again: with a row more or less, or with what is wrong.
func (s *server) setStatic(w http.ResponseWriter, r *http.Request, sc scope, stored *staticresource.Static) error {
	v, err := s.staticEditor(r, sc, stored)
	if err != nil {
		return err
	}
	if stored == nil {
		v.Name.Value = strings.TrimSpace(r.PostFormValue("name"))
		stored = &staticresource.Static{}
	}
	v.Description.Value = r.PostFormValue("description")
	s.readRows(sc, r.PostForm, &v.Variables)
	if pressed(r, &v.Variables) {
		v.Name.Autofocus = false
		return s.drawStatic(w, r, sc, v, *stored, http.StatusOK)
	}
	v.Variables.DropBlank()
	in, err := staticInput(v, *stored)
	if in.OnlyNew = v.New; !v.New {
		in.IfUnchangedSince = seen(r.PostForm)
	}
	if err == nil {
		_, _, err = s.Statics.Set(r.Context(), sc.id, v.Name.Value, in)
	}
	if err == nil {
		s.setFlash(w, views.FlashOK, v.Name.Value+" is saved. The next deploy that uses it takes the new values.")
		return redirect(w, r, views.ProjectPath(sc.Project.Slug, "static-resources", v.Name.Value))
	}
	f := answerable(err)
	switch {
	case f == nil:
		return err
	case errors.Is(err, staticresource.ErrExists):
		v.Name.Error = f.Message + " Choose another name."
	case errors.Is(err, staticresource.ErrChanged) && !v.New:
		v.Form.Error, v.Form.Current = overtaken("static resource", v.Static.Updated), v.Static.URL
	default:
		v.Form.Error = spread(f, map[string]*views.Field{"name": &v.Name, "description": &v.Description}, &v.Variables)
	}
	v.Name.Autofocus = false
	return s.drawStatic(w, r, sc, v, *stored, http.StatusUnprocessableEntity)
}

func (s *server) drawStatic(w http.ResponseWriter, r *http.Request, sc scope, v views.StaticEditor, stored staticresource.Static, status int) error {
	if err := s.hideRows(sc, &v.Variables); err != nil {
		return err
	}
	markStoredStatic(&v, stored)
	return render(w, r, status, StaticEditorPage(v))
}

func staticInput(v views.StaticEditor, stored staticresource.Static) (staticresource.Input, error) {
	in := staticresource.Input{Description: v.Description.Value}
	var wrong fault.Fields
	for i, row := range v.Variables.Rows {
		e := staticresource.Variable{
			Name: strings.TrimSpace(row.Get("name")), ValueType: row.Get("valueType"), Value: row.Get("value"),
			Sensitive: row.Checked("sensitive"), Description: row.Get("description"),
		}
		before, _ := find(stored.Variables, func(o staticresource.Variable) bool { return o.Name == e.Name })
		e.Value = untouched(e.Value, before.Value)
		checkPlain(&wrong, fmt.Sprintf("variables[%d].value", i), before.Sensitive && !e.Sensitive && e.Value == "")
		in.Variables = append(in.Variables, e)
	}
	return in, wrong.Err()
}
