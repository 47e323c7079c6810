package web

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/web/views"
)

// place finds where a part of a value stands on the page: itself, or the nearest part around it.
func (d *decoder) place(path string) (placed, bool) {
	for path != "" {
		if p, ok := d.places[path]; ok {
			return p, true
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return placed{}, false
}

// input is the input that a path leads into.
func inputOf(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}

// said is an error as a whole sentence. One about a part names the way to it: "Rules, 2, port: must be a number."
func (p placed) said(path, message string) string {
	if inputOf(path) != path {
		return sentence("", p.words+": "+message)
	}
	return sentence(p.words, message)
}

// errors sorts the errors of a form by the field they stand beside.
func (f *inputForm) errors(wrong *fault.Error) map[string]string {
	out := map[string]string{}
	for _, e := range wrong.Fields {
		path := inputName(e.Path)
		name, text := f.beside(path, e.Message)
		out[name] = strings.TrimSpace(out[name] + " " + text)
	}
	return out
}

func (f *inputForm) beside(path, message string) (name, text string) {
	root := inputOf(path)
	p, known := f.place(path)
	if i := slices.IndexFunc(f.rows, func(r views.VariableRow) bool { return r.Name == root }); i >= 0 && (!f.edited[root] || strings.Contains(message, setAlready)) {
		part := "value"
		if root == "" || aboutName(message) {
			part = "name"
		}
		if root == "" {
			return rowField(f.numbers[i], part), sentence("", message)
		}
		return rowField(f.numbers[i], part), placed{words: root}.said(path, message)
	}
	if known {
		return p.name, p.said(path, message)
	}
	return editPrefix + root, placed{words: root}.said(path, message)
}

const setAlready = "is set already"

// aboutName reports whether an error says that a variable must not be there, whatever its value.
func aboutName(message string) bool {
	for _, start := range []string{setAlready, "cannot be set", "is no variable", "is no name", "is given twice", "has the unknown value type"} {
		if strings.Contains(message, start) {
			return true
		}
	}
	return false
}

func rowField(number int, part string) string { return fmt.Sprintf("var-%d-%s", number, part) }

// take removes and returns an error.
func take(beside map[string]string, name string) string {
	text := beside[name]
	delete(beside, name)
	return text
}

// setErrors puts errors on the fields they belong to.
func setErrors(fields []views.Field, beside map[string]string) {
	views.EachField(fields, func(f *views.Field) {
		if text := take(beside, f.Name); text != "" {
			f.Error = strings.TrimSpace(f.Error + " " + text)
		}
	})
}

// remaining is what stands beside no field of the page.
func remaining(beside map[string]string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(beside)) {
		out = append(out, beside[name])
	}
	return strings.Join(out, " ")
}

// focusRow leads to the first field of a row that was added, or to the button of a list that lost one.
func focusRow(fields []views.Field, list, added string) {
	done := false
	views.EachField(fields, func(f *views.Field) {
		switch {
		case done || list == "":
		case added == "" && f.Name == list:
			f.FocusAdd, done = true, true
		case added != "" && strings.HasPrefix(f.Name, added) && !f.Structured():
			f.Autofocus, done = true, true
		}
	})
}
