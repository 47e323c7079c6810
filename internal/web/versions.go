package web

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/web/views"
)

// versionRowsOf are the versions of a template with who uses each. at is the address of a version.
func versionRowsOf(sc scope, versions []template.SummaryVersion, users map[string][]template.User, shown string, at func(version string) string) []views.VersionRow {
	var out []views.VersionRow
	for _, ver := range versions {
		row := views.VersionRow{
			Version: ver.Version, State: views.VersionState(ver.State), URL: at(ver.Version), Shown: ver.Version == shown,
			Errors: ver.Errors, Warnings: ver.Warnings, Updated: views.At(ver.UpdatedAt, sc.Now),
		}
		row.Users = versionUsers(sc, users[ver.Version])
		out = append(out, row)
	}
	return out
}

// versionUsers names who uses a version; those that the reader may not know are counted.
func versionUsers(sc scope, users []template.User) []views.VersionUser {
	var out []views.VersionUser
	hidden := 0
	for _, u := range users {
		if u.Hidden {
			hidden++
			continue
		}
		v := views.VersionUser{Label: u.Name}
		if u.ProjectID != sc.id {
			v.Detail = u.Project
		}
		project := u.Project
		if u.ProjectID == sc.id {
			project = sc.Project.Slug
		}
		switch {
		case u.Kind == template.UserEnvironment && project != "":
			v.URL = views.ProjectPath(project, "environments", u.Name)
		case u.Kind == template.UserEnvironmentTemplate:
			v.Label = u.Name + " " + u.Version
			if project != "" {
				v.URL = views.ProjectPath(project, "templates", u.Name) + "?version=" + url.QueryEscape(u.Version)
			}
		}
		out = append(out, v)
	}
	if hidden > 0 {
		out = append(out, views.VersionUser{Label: fmt.Sprintf("%d in other projects", hidden)})
	}
	return out
}

// problemsOf are problems as a page lists them, errors first. fileURL is the address of a line of the code, or nil where
// there is none to show.
func problemsOf(problems []template.Problem, fileURL func(file string, line int) string) []views.Problem {
	var out []views.Problem
	for _, p := range problems {
		v := views.Problem{Warning: p.Severity != bundle.Error, Message: sentence("", p.Message), Place: p.Path}
		if p.File != "" {
			v.Place = p.File
			if p.Line > 0 {
				v.Place += ":" + num(p.Line)
			}
			if fileURL != nil {
				v.URL = fileURL(p.File, p.Line)
			}
		}
		out = append(out, v)
	}
	slices.SortStableFunc(out, func(a, b views.Problem) int {
		switch {
		case a.Warning == b.Warning:
			return 0
		case b.Warning:
			return -1
		}
		return 1
	})
	return out
}

// compareURL is the address of a comparison.
func compareURL(base, from, to string) string {
	return base + "?" + url.Values{"from": {from}, "to": {to}}.Encode()
}

// formFault returns the fault that a page can show in its place, a thing that is not there included, and nil for others.
func formFault(err error) *fault.Error {
	if f, ok := fault.As(err); ok && f.Kind == fault.NotFound {
		return f
	}
	return answerable(err)
}

// shownUsers is how many users of a version are named without unfolding them.
const shownUsers = 3
