package web

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/web/views"
)

// spread puts what a service found wrong beside the fields and cells that it is about, and returns as one text what
// belongs to none.
func spread(f *fault.Error, fields map[string]*views.Field, rows ...*views.Rows) string {
	if len(f.Fields) == 0 {
		return f.Message
	}
	var left []string
next:
	for _, e := range f.Fields {
		if field := fields[e.Path]; field != nil {
			field.Error = strings.TrimSpace(field.Error + " " + sentence(field.Label, e.Message))
			continue
		}
		for _, r := range rows {
			if r.Place(e.Path, sentence("", e.Message)) {
				continue next
			}
		}
		left = append(left, sentence(e.Path, e.Message))
	}
	if len(left) == 0 && len(f.Fields) > 1 {
		return "Nothing is saved yet: " + strconv.Itoa(len(f.Fields)) + " things below need a change."
	}
	return strings.Join(left, " ")
}

// answerable returns the fault that a form can show, and nil for an error that needs a page of its own.
func answerable(err error) *fault.Error {
	f, ok := fault.As(err)
	if !ok || f.Kind == fault.Internal || f.Kind == fault.Forbidden || f.Kind == fault.Unauthenticated || f.Kind == fault.NotFound {
		return nil
	}
	return f
}

// seenAt writes when a thing was last changed into its form, seen reads it again.
func seenAt(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

func seen(form url.Values) time.Time {
	n, err := strconv.ParseInt(form.Get(views.SeenField), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMicro(n)
}

func nameField(value, help string) views.Field {
	return views.Field{
		Label: "Name", Name: "name", Value: value, Required: true, MaxLength: 63, Autofocus: true, Mono: true,
		Pattern: "[a-z0-9][a-z0-9\\-]*", PatternHelp: "Name must start with a lower-case letter or a digit and have only lower-case letters, digits and hyphens.", Help: help,
	}
}
