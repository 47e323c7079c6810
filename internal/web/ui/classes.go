// Package ui holds the presentational components the pages are built from: icons, statuses, times, fields, tables.
// It draws what it is given; it knows no domain package, no request and no page.
package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/web/static"
	"github.com/berthdev/berth/internal/web/views"
)

func asset(name string) string { return static.URL(name) }

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func exact(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func statusIcon(s views.Status) string {
	if s.Look().Spin {
		return "spin"
	}
	return ""
}

func barTone(s views.Status) string {
	switch s {
	case views.Deployed, views.Succeeded, views.Done:
		return "done"
	case views.Failed:
		return "failed"
	}
	return ""
}

func nodeTone(s views.Status) string {
	switch {
	case s == views.Failed || s == views.Unreachable:
		return "node-failed"
	case s.Busy():
		return "node-busy"
	}
	return ""
}

func edgePath(e views.GraphEdge) string {
	if e.Circular {
		below := max(e.Y1, e.Y2) + views.NodeHeight/2
		return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", e.X1, e.Y1, e.X1, below, e.X2, below, e.X2, e.Y2)
	}
	mid := (e.X1 + e.X2) / 2
	return fmt.Sprintf("M%d %dC%d %d %d %d %d %d", e.X1, e.Y1, mid, e.Y1, mid, e.Y2, e.X2, e.Y2)
}

func edgeTone(e views.GraphEdge) string {
	switch {
	case e.Active:
		return "edge edge-active"
	case e.Circular:
		return "edge edge-circular"
	case e.Inferred:
		return "edge edge-inferred"
	case e.Done:
		return "edge edge-done"
	}
	return "edge"
}

func describedBy(f views.Field) string {
	ids := f.ID() + "-error"
	if hasNotes(f) {
		ids = f.ID() + "-help " + ids
	}
	return ids
}

func truth(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func num(n int) string { return fmt.Sprint(n) }

func inputType(k views.FieldKind) string {
	switch k {
	case views.FieldEmail:
		return "email"
	case views.FieldPassword, views.FieldSecret:
		return "password"
	}
	return "text" // numbers too: a number input would swallow what was typed wrongly
}

// htmxConfig turns off everything that a strict content security policy forbids.
const htmxConfig = `{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,` +
	`"historyCacheSize":0,"refreshOnHistoryMiss":true,"responseHandling":[{"code":"204","swap":false},` +
	`{"code":"[23]..","swap":true},{"code":"422","swap":true},{"code":"[45]..","swap":false,"error":true}]}`

func current(p views.Page, s views.Section) string {
	if p.Section == s {
		return "page"
	}
	return "false"
}

func settingsHome(p views.Page) string {
	if p.Nav.Members {
		return views.ProjectPath(p.Project.Slug, "settings", "members")
	}
	if p.Nav.Repositories {
		return views.ProjectPath(p.Project.Slug, "settings", "repositories")
	}
	return views.ProjectPath(p.Project.Slug, "settings", "audit")
}

// KnownIcon says whether there is an icon of this name.
func KnownIcon(name string) bool { return iconShapes(name) != "" }

func hasNotes(f views.Field) bool { return f.Help != "" || f.Default != "" || f.Origin != "" }

func switchedOff(f views.Field) string {
	if f.Off != "" {
		return f.Off
	}
	return "false"
}

func longRows(f views.Field) string {
	if f.Mono {
		return "1"
	}
	return "4"
}

// optionID is the id of one of several boxes; the first has the id of the field, where errors lead.
func optionID(f views.Field, i int) string {
	if i == 0 {
		return f.ID()
	}
	return f.ID() + "-" + num(i)
}

// block selects a field with all that belongs to it; its id is a path, which has signs that mean something in CSS.
func block(f views.Field) string { return `[id="` + f.BlockID() + `"]` }

func removeRow(f views.Field, r views.FieldRow) string {
	return "remove " + f.Name + "[" + r.Number + "]"
}

func lower(s string) string { return strings.ToLower(s) }

// inOneLine reports whether the rows of a list are single controls.
func inOneLine(f views.Field) bool {
	for _, r := range f.Rows {
		if r.Value.Structured() {
			return false
		}
	}
	return true
}

func nodeIcon(n views.GraphNode) string {
	if n.Icon == "" {
		return "box"
	}
	return n.Icon
}
