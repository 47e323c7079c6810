package web

import (
	"fmt"
	"strings"

	"github.com/berthdev/berth/internal/web/views"
)

func statusOptions() []views.Option {
	var out []views.Option
	for _, s := range views.EnvironmentStatuses() {
		out = append(out, views.Option{Value: string(s), Label: s.Look().Label})
	}
	return out
}

func plainOptions(values []string) []views.Option {
	out := make([]views.Option, 0, len(values))
	for _, v := range values {
		out = append(out, views.Option{Value: v, Label: v})
	}
	return out
}

// short leaves the scheme out of an address: it is the part that never tells two apart.
func short(address string) string {
	address = strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://")
	return strings.TrimSuffix(address, "/")
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func shown(rows, total int) string {
	if total == views.Uncounted {
		return views.Count(rows, "environment", "environments") + " on this page"
	}
	if rows == total {
		return views.Count(total, "environment", "environments")
	}
	return fmt.Sprintf("%s of %s", views.Number(rows), views.Count(total, "environment", "environments"))
}

func num(n int) string { return fmt.Sprint(n) }

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func tabName(t views.Tab) string {
	if t == views.TabOverview {
		return "overview"
	}
	return string(t)
}

func tabURL(h views.EnvironmentHeader, t views.Tab) string {
	if t == views.TabOverview {
		return views.ProjectPath(h.Project, "environments", h.Name)
	}
	return views.ProjectPath(h.Project, "environments", h.Name, string(t))
}

func noEndpoint(s views.Status) string {
	switch s {
	case views.Draft:
		return "The address appears here once this environment is deployed."
	case views.Queued, views.Deploying, views.Waiting:
		return "The address appears here when the deploy gets that far."
	case views.Failed:
		return "There is no address yet: the last deploy did not get that far."
	case views.Destroying, views.Destroyed:
		return "The address is gone with the environment."
	}
	return "This environment has no public address."
}

func endpointTone(e views.Endpoint) string {
	switch {
	case !e.Checked:
		return "text-muted"
	case e.Answers:
		return "text-green"
	}
	return "text-red"
}

func joined(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func valueTypes() []views.Option {
	return []views.Option{{Value: "text", Label: "Text"}, {Value: "expression", Label: "Expression"}, {Value: "json", Label: "JSON"}, {Value: "hcl", Label: "HCL"}}
}

func typeLabel(value string) string {
	for _, o := range valueTypes() {
		if o.Value == value {
			return o.Label
		}
	}
	return value
}

func rowInvalid(r views.VariableRow) bool {
	return r.NameError+r.TypeError+r.ValueError != ""
}

func editing(values []views.InputValue) bool {
	for _, v := range values {
		if v.Editing {
			return true
		}
	}
	return false
}

func lines(ls []string) string { return strings.Join(ls, "\n") }

func levelClass(level string) string {
	if level == "" {
		return ""
	}
	return "lv-" + level
}

func changeWord(k views.ChangeKind) string {
	switch k {
	case views.ChangeCreate:
		return "Create"
	case views.ChangeUpdate:
		return "Change in place"
	case views.ChangeReplace:
		return "Replace"
	case views.ChangeDestroy:
		return "Delete"
	}
	return string(k)
}

func changeTone(k views.ChangeKind) string {
	switch k {
	case views.ChangeCreate:
		return "bg-green-wash text-green"
	case views.ChangeUpdate:
		return "bg-blue-wash text-blue"
	}
	return "bg-red-wash text-red"
}

func runStatusOptions() []views.Option {
	var out []views.Option
	for _, s := range []views.Status{views.Queued, views.Running, views.Waiting, views.Succeeded, views.Failed, views.Canceled} {
		out = append(out, views.Option{Value: string(s), Label: s.Look().Label})
	}
	return out
}

func runKindOptions() []views.Option {
	return []views.Option{{Value: "deploy", Label: "Deploy"}, {Value: "destroy", Label: "Destroy"}, {Value: "plan", Label: "Plan"}}
}

func errorIcon(status int) string {
	switch status {
	case 403:
		return "shield-alert"
	case 404:
		return "search-x"
	}
	return "triangle-alert"
}

func retryToolchain(t views.Toolchain) *views.Action {
	if t.Retry == "" {
		return nil
	}
	return &views.Action{Label: "Start again", URL: t.Retry}
}

func destroyText(objects int) string {
	what := "everything this environment created, with the data in it"
	if objects > 0 {
		what = views.Count(objects, "object of this environment, with the data in it", "objects of this environment, with the data in them")
	}
	return "This deletes " + what + ". It cannot be undone. The inputs are kept, so it can be deployed again."
}

// sharedWith says with whom a thing is shared to somebody who cannot change it.
func sharedWith(v views.Sharing) string {
	var names []string
	for _, p := range v.Projects {
		if p.Shared {
			names = append(names, projectLabel(p))
		}
	}
	switch v.Mode {
	case views.ShareAll:
		return "It is shared with all projects."
	case views.ShareSome:
		return "It is shared with " + joined(names) + "."
	case views.ShareNone:
	}
	return "Only this project can use it."
}

func projectLabel(p views.SharedProject) string {
	if p.Name == "" {
		return "a project that is gone"
	}
	return p.Name
}

// shortCommit is as much of a commit's hash as people read.
func shortCommit(hash string) string { return hash[:min(len(hash), 10)] }
