package web

import (
	"net/url"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/web/views"
)

// Route is a row of the table, for the test of who may do what.
type Route struct {
	Method, Pattern string
	Permission      authz.Permission
}

// The permissions that are no row of the table of package authz.
const (
	Anyone  = anyone
	AnyUser = anyUser
)

// Routes is the table.
func Routes() []Route {
	var out []Route
	for _, rt := range routes() {
		out = append(out, Route{rt.method, rt.pattern, rt.permission})
	}
	return out
}

// InputForm is the form of a version's inputs with what was typed, after the button that the form names was pressed.
func InputForm(version *template.Compiled, form url.Values, rowsURL string) []views.Field {
	list, added := changeRows(form)
	fields := inputFields(version.Inputs(), form, inputPrefix)
	for i := range fields {
		fields[i].RowsURL = rowsURL
	}
	focusRow(fields, list, added)
	return fields
}

// CheckForm is what the page is told while the form is filled in.
func CheckForm(version *template.Compiled, form url.Values) any { return checkForm(version, form) }

// Markdown makes HTML of a readme.
var Markdown = markdown

// EmptyResourceEditor is the form of a resource template without anything in it.
func EmptyResourceEditor() views.ResourceTemplateEditor { return *emptyResourceEditor() }
