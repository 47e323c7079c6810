package web

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/web/views"
)

// The rows of a context. Their names and those of their columns are the paths that the service names in its errors.
func contextRows() (env, files, variables views.Rows) {
	value := views.Column{Name: "value", Label: "Value", Kind: views.CellLong, Size: views.SizeWide, Secret: "sensitive"}
	sensitive := views.Column{Name: "sensitive", Label: "Sensitive", Kind: views.CellCheck}
	description := views.Column{Name: "description", Label: "Description", Kind: views.CellText}
	env = views.Rows{
		Name: "env", Item: "environment variable", Empty: "No environment variables yet.",
		Columns: []views.Column{{Name: "key", Label: "Key", Kind: views.CellText, Size: views.SizeWide, Mono: true, Placeholder: "AWS_REGION"}, value, description, sensitive},
	}
	files = views.Rows{
		Name: "files", Item: "file", Empty: "No files yet.",
		Columns: []views.Column{
			{Name: "mountPath", Label: "Mount path", Kind: views.CellText, Mono: true, Placeholder: "~/.aws/config"}, description, sensitive,
			{Name: "content", Label: "Content", Kind: views.CellLong, Size: views.SizeFull, Secret: "sensitive"},
			{Name: "upload", Label: "Or upload a file", Kind: views.CellFile, Size: views.SizeFull},
		},
	}
	variables = views.Rows{
		Name: "variables", Item: "input variable", Empty: "No input variables yet.",
		Columns: []views.Column{
			{Name: "name", Label: "Name", Kind: views.CellText, Mono: true, Placeholder: "region"},
			{Name: "valueType", Label: "Type", Kind: views.CellSelect, Size: views.SizeNarrow, Options: literalTypes(), Initial: "text"},
			value, description, sensitive,
		},
	}
	return env, files, variables
}

// literalTypes are the ways to write a value that is no expression.
func literalTypes() []views.Option {
	return []views.Option{{Value: "text", Label: "Text"}, {Value: "json", Label: "JSON"}, {Value: "hcl", Label: "HCL"}}
}

// contextEditor is the page that makes a context, or changes the one given.
func (s *server) contextEditor(r *http.Request, sc scope, stored *configcontext.Context) (views.ContextEditor, error) {
	base := views.ProjectPath(sc.Project.Slug, "contexts")
	v := views.ContextEditor{
		Page: sc.Page, New: stored == nil, Form: views.Form{ID: "context", URL: base, Multipart: true},
		Name:        nameField("", "Templates name the context by it. It cannot be changed later."),
		Description: views.Field{Label: "Description", Name: "description", Kind: views.FieldText, Help: "What it is for, and whose account it holds."},
	}
	v.Env, v.Files, v.Variables = contextRows()
	if stored == nil {
		return v, nil
	}
	v.Context = contextRowOf(*stored, sc)
	v.Form.URL, v.Form.Seen = v.Context.URL, seenAt(stored.UpdatedAt)
	v.Name.Value, v.Description.Value = stored.Name, stored.Description
	if stored.Sandbox != nil {
		v.Sandbox = stored.Sandbox.Endpoint
	}
	fillContext(&v, *stored)
	users, err := s.Templates.ContextUsers(r.Context(), sc.id, stored.Name)
	if err != nil {
		return v, err
	}
	v.Danger = &views.Danger{URL: v.Context.URL + "/delete", Name: stored.Name, What: "context", Text: contextLoss(users)}
	v.Sharing, err = s.sharing(r, sc, contextShareable(v.Context.URL, *stored))
	return v, err
}

func contextShareable(url string, c configcontext.Context) shareable {
	return shareable{
		url: url + "/share", what: "context", with: c.SharedWith,
		means: "Templates of a project that it is shared with can use what is in it; nobody there can change it or read what is sensitive.",
	}
}

func contextLoss(users []string) string {
	text := "This deletes the values in it, which cannot be read back. A template that names it cannot be deployed until there is a context of this name again."
	if len(users) > 0 {
		text += " It is named by " + strings.Join(users, ", ") + "."
	}
	return text
}

func fillContext(v *views.ContextEditor, c configcontext.Context) {
	row := func(sensitive bool, value string, pairs ...string) views.Row {
		out := views.Row{Cells: views.Cells(append(pairs, "sensitive", boolText(sensitive))...)}
		return out
	}
	for _, e := range c.Env {
		v.Env.Rows = append(v.Env.Rows, row(e.Sensitive, e.Value, "key", e.Key, "value", e.Value, "description", e.Description))
	}
	for _, f := range c.Files {
		text := string(f.Content)
		if !isText(text) {
			text = ""
		}
		v.Files.Rows = append(v.Files.Rows, row(f.Sensitive, text, "mountPath", f.MountPath, "content", text, "description", f.Description))
	}
	for _, e := range c.Variables {
		v.Variables.Rows = append(v.Variables.Rows, row(e.Sensitive, e.Value, "name", e.Name, "value", e.Value, "valueType", e.ValueType, "description", e.Description))
	}
	markStored(v, c)
}

// markStored says of each value that is not shown that there is one.
func markStored(v *views.ContextEditor, c configcontext.Context) {
	mark := func(rows *views.Rows, key, value string, stored func(name string) (ok bool, note string)) {
		for i := range rows.Rows {
			cell := rows.Rows[i].Cells[value]
			if ok, note := stored(rows.Rows[i].Get(key)); ok && cell.Value == "" && cell.Kept == "" {
				rows.Rows[i].Set(value, func(c *views.Cell) { c.Stored, c.Note = true, note })
			}
		}
	}
	mark(&v.Env, "key", "value", func(name string) (bool, string) {
		e, ok := find(c.Env, func(e configcontext.Env) bool { return e.Key == name })
		return ok && e.Sensitive, ""
	})
	mark(&v.Files, "mountPath", "content", func(name string) (bool, string) {
		f, ok := find(c.Files, func(f configcontext.File) bool { return f.MountPath == name })
		if ok && !f.Sensitive && !isText(string(f.Content)) {
			return true, fmt.Sprintf("Binary file, %s", size(len(f.Content)))
		}
		return ok && f.Sensitive, ""
	})
	mark(&v.Variables, "name", "value", func(name string) (bool, string) {
		e, ok := find(c.Variables, func(e configcontext.Variable) bool { return e.Name == name })
		return ok && e.Sensitive, ""
	})
}

func find[T any](list []T, is func(T) bool) (T, bool) {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i], true
	}
	var none T
	return none, false
}

func size(bytes int) string {
	if bytes < 1<<10 {
		return views.Count(bytes, "byte", "bytes")
	}
	return fmt.Sprintf("%d kB", (bytes+512)>>10)
}

// newContext shows the empty form.
func (s *server) newContext(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.contextWriter(w, r, "New Context")
	if err != nil {
		return err
	}
	v, err := s.contextEditor(r, sc, nil)
	if err != nil {
		return err
	}
	v.Env.Add()
	v.Env.Rows[0].Focus = false // the name comes first
	return render(w, r, http.StatusOK, ContextEditorPage(v))
}

func (s *server) contextWriter(w http.ResponseWriter, r *http.Request, title string) (scope, error) {
	sc, err := s.inProject(w, r, views.SectionContexts, title)
	if err != nil {
		return sc, err
	}
	return sc, s.Audit.Authorize(r.Context(), authz.ContextWrite, sc.id, audit.Object{Kind: "context"})
}

func (s *server) createContext(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.contextWriter(w, r, "New Context")
	if err != nil {
		return err
	}
	return s.setContext(w, r, sc, nil)
}

func (s *server) saveContext(w http.ResponseWriter, r *http.Request) error {
	sc, stored, err := s.ownContext(w, r, r.PathValue("context"))
	if err != nil {
		return err
	}
	return s.setContext(w, r, sc, stored)
}

// setContext saves what was typed, or draws it again: with a row more or less, or with what is wrong.
func (s *server) setContext(w http.ResponseWriter, r *http.Request, sc scope, stored *configcontext.Context) error {
	v, err := s.contextEditor(r, sc, stored)
	if err != nil {
		return err
	}
	if stored == nil {
		v.Name.Value = strings.TrimSpace(r.PostFormValue("name"))
		stored = &configcontext.Context{}
	}
	v.Description.Value = r.PostFormValue("description")
	all := []*views.Rows{&v.Env, &v.Files, &v.Variables}
	for _, rows := range all {
		s.readRows(sc, r.PostForm, rows)
	}
	if err := takeUploads(r, &v.Files, "upload", "content"); err != nil {
		return err
	}
	if pressed(r, all...) {
		v.Name.Autofocus = false
		return s.drawContext(w, r, sc, v, *stored, http.StatusOK)
	}
	for _, rows := range all {
		rows.DropBlank()
	}
	in, err := contextInput(v, *stored)
	if in.OnlyNew = v.New; !v.New {
		in.IfUnchangedSince = seen(r.PostForm)
	}
	if err == nil {
		_, _, err = s.Contexts.Set(r.Context(), sc.id, v.Name.Value, in)
	}
	if err == nil {
		s.setFlash(w, views.FlashOK, v.Name.Value+" is saved. The next deploy that uses it takes the new values.")
		return redirect(w, r, views.ProjectPath(sc.Project.Slug, "contexts", v.Name.Value))
	}
	f := answerable(err)
	switch {
	case f == nil:
		return err
	case errors.Is(err, configcontext.ErrExists):
		v.Name.Error = f.Message + " Choose another name."
	case errors.Is(err, configcontext.ErrChanged) && !v.New:
		v.Form.Error, v.Form.Current = overtaken("context", v.Context.Updated), v.Context.URL
	default:
		v.Form.Error = spread(f, map[string]*views.Field{"name": &v.Name, "description": &v.Description}, all...)
	}
	v.Name.Autofocus = false
	return s.drawContext(w, r, sc, v, *stored, http.StatusUnprocessableEntity)
}

// overtaken says that a thing was changed while somebody else was changing it.
func overtaken(what string, at views.Moment) string {
	return "Somebody else changed this " + what + " " + at.Text + ", after you had opened it. Nothing of yours is saved or lost: it is below. Save again to replace what is stored with it."
}

// pressed does what a button of one of the rows asks for, if it was one of those that was pressed.
func pressed(r *http.Request, all ...*views.Rows) bool {
	action := r.PostFormValue(views.RowAction)
	for _, rows := range all {
		if action != "" && rows.Press(action) {
			return true
		}
	}
	return false
}

func (s *server) drawContext(w http.ResponseWriter, r *http.Request, sc scope, v views.ContextEditor, stored configcontext.Context, status int) error {
	for _, rows := range []*views.Rows{&v.Env, &v.Files, &v.Variables} {
		if err := s.hideRows(sc, rows); err != nil {
			return err
		}
	}
	markStored(&v, stored)
	return render(w, r, status, ContextEditorPage(v))
}

// contextInput is what the form says. A value that was not touched stays as it is, byte by byte.
func contextInput(v views.ContextEditor, stored configcontext.Context) (configcontext.Input, error) {
	in := configcontext.Input{Description: v.Description.Value, Sandbox: stored.Sandbox}
	var wrong fault.Fields
	for i, row := range v.Env.Rows {
		e := configcontext.Env{Key: strings.TrimSpace(row.Get("key")), Value: row.Get("value"), Sensitive: row.Checked("sensitive"), Description: row.Get("description")}
		before, _ := find(stored.Env, func(o configcontext.Env) bool { return o.Key == e.Key })
		e.Value = untouched(e.Value, before.Value)
		checkPlain(&wrong, fmt.Sprintf("env[%d].value", i), before.Sensitive && !e.Sensitive && e.Value == "")
		in.Env = append(in.Env, e)
	}
	for i, row := range v.Files.Rows {
		f := configcontext.File{MountPath: strings.TrimSpace(row.Get("mountPath")), Sensitive: row.Checked("sensitive"), Description: row.Get("description")}
		before, _ := find(stored.Files, func(o configcontext.File) bool { return o.MountPath == f.MountPath })
		content := untouched(row.Get("content"), string(before.Content))
		if content == "" && !isText(string(before.Content)) {
			content = string(before.Content)
		}
		checkPlain(&wrong, fmt.Sprintf("files[%d].content", i), before.Sensitive && !f.Sensitive && content == "")
		f.Content = []byte(content)
		in.Files = append(in.Files, f)
	}
	for i, row := range v.Variables.Rows {
		e := configcontext.Variable{
			Name: strings.TrimSpace(row.Get("name")), ValueType: row.Get("valueType"), Value: row.Get("value"),
			Sensitive: row.Checked("sensitive"), Description: row.Get("description"),
		}
		before, _ := find(stored.Variables, func(o configcontext.Variable) bool { return o.Name == e.Name })
		e.Value = untouched(e.Value, before.Value)
		checkPlain(&wrong, fmt.Sprintf("variables[%d].value", i), before.Sensitive && !e.Sensitive && e.Value == "")
		in.Variables = append(in.Variables, e)
	}
	return in, wrong.Err()
}

// checkPlain notes that a sensitive value cannot be made plain: what is stored is never shown.
func checkPlain(wrong *fault.Fields, path string, unknown bool) {
	wrong.Check(!unknown, path, "Enter a value: what is stored was sensitive, so it is not shown now either.")
}

// untouched undoes what a browser does to the line breaks of a text that was left as it is.
func untouched(typed, stored string) string {
	if typed == strings.ReplaceAll(stored, "\r\n", "\n") {
		return stored
	}
	return typed
}

// takeUploads puts the files that were uploaded with the rows of a form into the column for their content.
func takeUploads(r *http.Request, rows *views.Rows, upload, content string) error {
	if r.MultipartForm == nil {
		return nil
	}
	for i := range rows.Rows {
		headers := r.MultipartForm.File[rows.Field(rows.Rows[i].Number, upload)]
		if len(headers) == 0 || headers[0].Filename == "" {
			continue
		}
		data, err := readUpload(headers[0])
		if err != nil {
			return fault.Wrap(err, fault.Invalid, "bad_form", "The file %s could not be read. Choose it again.", headers[0].Filename)
		}
		rows.Rows[i].Set(content, func(c *views.Cell) { c.Value, c.Error = string(data), "" })
		if rows.Rows[i].Get("mountPath") == "" {
			rows.Rows[i].Set("mountPath", func(c *views.Cell) { c.Value = headers[0].Filename })
		}
	}
	return nil
}

func readUpload(h *multipart.FileHeader) ([]byte, error) {
	f, err := h.Open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}
