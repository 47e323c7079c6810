package web

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/web/views"
)

const auditPerPage = 50

func (s *server) auditLog(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, views.SectionAudit, "Audit Log")
	if err != nil {
		return err
	}
	q := r.URL.Query()
	v := views.AuditList{Page: sc.Page, Filter: views.AuditFilter{Text: q.Get("q"), Action: q.Get("action")}}
	pages := q["after"]
	f := audit.ListFilter{ProjectID: sc.id, Action: v.Filter.Action, Limit: auditPerPage}
	if len(pages) > 0 {
		f.Cursor = pages[len(pages)-1]
	}
	page, err := s.Audit.List(r.Context(), f)
	if err != nil {
		return err
	}
	base := views.ProjectPath(sc.Project.Slug, "settings", "audit")
	if page.Next != "" {
		v.NextURL = base + "?" + withQuery(q, "after", append(slices.Clone(pages), page.Next)...)
	}
	if len(pages) > 0 {
		v.PrevURL = base + "?" + withQuery(q, "after", pages[:len(pages)-1]...)
	}
	v.ExportURL = base + "/export?" + withQuery(q, "after")
	if v.Filter.Action != "" {
		v.Actions = []string{v.Filter.Action}
	}
	for _, e := range page.Entries {
		if !slices.Contains(v.Actions, e.Action) {
			v.Actions = append(v.Actions, e.Action)
		}
		if row := auditRowOf(e, sc.Now); matches(row, v.Filter.Text) {
			v.Rows = append(v.Rows, row)
		}
	}
	slices.Sort(v.Actions)
	return render(w, r, http.StatusOK, AuditPage(v))
}

func matches(row views.AuditRow, text string) bool {
	return text == "" || strings.Contains(strings.ToLower(row.Actor+" "+row.Target), strings.ToLower(text))
}

func auditRowOf(e audit.Entry, now time.Time) views.AuditRow {
	v := views.AuditRow{
		ID: string(e.ID), At: views.At(e.At, now), Actor: e.ActorName, Action: e.Action, Target: strings.TrimSpace(e.ObjectKind + " " + e.ObjectName),
		From: e.Client.IP, Refused: e.Outcome == audit.Refused || e.Outcome == audit.Failed, Before: auditText(e.Before), After: auditText(e.After),
	}
	if e.ObjectName == "" {
		v.Target = strings.TrimSpace(e.ObjectKind + " " + e.ObjectID)
	}
	return v
}

func auditText(v any) string {
	raw, ok := v.(json.RawMessage)
	if !ok || len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	return string(raw)
}

const exportPage = 500

// auditExport is the whole audit log of a project as CSV, newest first.
func (s *server) auditExport(w http.ResponseWriter, r *http.Request) error {
	p, err := s.Projects.Get(r.Context(), r.PathValue("project"))
	if err != nil {
		return err
	}
	f := audit.ListFilter{ProjectID: string(p.ID), Action: r.URL.Query().Get("action"), Limit: exportPage}
	page, err := s.Audit.List(r.Context(), f)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", "audit-"+p.Name+".csv"))
	out := csv.NewWriter(w)
	rows := [][]string{{"time", "actor", "action", "outcome", "kind", "object", "address", "client", "before", "after"}}
	for {
		for _, e := range page.Entries {
			rows = append(rows, safeCells(e.At.UTC().Format(time.RFC3339Nano), e.ActorName, e.Action, string(e.Outcome), e.ObjectKind,
				e.ObjectName, e.Client.IP, string(e.Client.Kind), auditText(e.Before), auditText(e.After)))
		}
		if err := out.WriteAll(rows); err != nil || page.Next == "" {
			return nil //nolint:nilerr // the reader has gone
		}
		rows, f.Cursor = nil, page.Next
		if page, err = s.Audit.List(r.Context(), f); err != nil {
			s.Logger.WarnContext(r.Context(), "exporting the audit log broke off", "error", err)
			return nil
		}
	}
}

// safeCells keeps a spreadsheet from taking what somebody typed for a formula.
func safeCells(cells ...string) []string {
	for i, c := range cells {
		if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
			cells[i] = "'" + c
		}
	}
	return cells
}
