package web

import (
	"net/http"
	"strings"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/web/ui"
	"github.com/berthdev/berth/internal/web/views"
)

const paletteItems = 8

// palette offers places to go to and things to do that fit what was typed.
func (s *server) palette(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, "", "Search")
	if err != nil {
		return err
	}
	query := strings.TrimSpace(r.URL.Query().Get("q"))
	found, err := s.Environments.List(r.Context(), sc.id, environment.ListFilter{Text: query, Limit: paletteItems})
	if err != nil {
		return err
	}
	v := views.Palette{Query: query}
	group := func(name string, items []views.PaletteItem) {
		if len(items) > 0 {
			v.Groups = append(v.Groups, views.PaletteGroup{Name: name, Items: items})
		}
	}
	var items []views.PaletteItem
	for _, e := range found {
		items = append(items, views.PaletteItem{
			Label: e.Name, URL: views.ProjectPath(sc.Project.Slug, "environments", e.Name), Icon: "box", Status: environmentStatus(e.Status),
		})
	}
	group("Environments", items)
	group("Go to", fitting(places(sc), query))
	group("Projects", fitting(otherProjects(sc), query))
	if isHTMX(r) {
		return render(w, r, http.StatusOK, ui.PaletteList(v))
	}
	return render(w, r, http.StatusOK, PalettePage(sc.Page, v))
}

func fitting(items []views.PaletteItem, query string) []views.PaletteItem {
	var out []views.PaletteItem
	for _, it := range items {
		if strings.Contains(strings.ToLower(it.Label), strings.ToLower(query)) {
			out = append(out, it)
		}
	}
	return out
}

func places(sc scope) []views.PaletteItem {
	at := func(segments ...string) string { return views.ProjectPath(sc.Project.Slug, segments...) }
	items := []views.PaletteItem{
		{Label: "Environments", URL: at("environments"), Icon: "boxes", Hint: "g e"},
		{Label: "Environment Templates", URL: at("templates"), Icon: "layout-template", Hint: "g t"},
		{Label: "Activity", URL: at("activity"), Icon: "activity", Hint: "g a"},
	}
	if sc.can(authz.EnvironmentCreate) {
		items = append([]views.PaletteItem{{Label: "New Environment", URL: at("environments", "new"), Icon: "plus"}}, items...)
	}
	if sc.Nav.Resources {
		items = append(items, views.PaletteItem{Label: "Resource Templates", URL: at("resource-templates"), Icon: "box", Hint: "g r"})
	}
	if sc.Nav.Contexts {
		items = append(items, views.PaletteItem{Label: "Contexts", URL: at("contexts"), Icon: "key-round", Hint: "g c"},
			views.PaletteItem{Label: "Static Resources", URL: at("static-resources"), Icon: "layers", Hint: "g s"})
	}
	if sc.Nav.Members {
		items = append(items, views.PaletteItem{Label: "Members", URL: at("settings", "members"), Icon: "users", Hint: "g m"},
			views.PaletteItem{Label: "Sharing", URL: at("settings", "sharing"), Icon: "network", Hint: "g h"})
	}
	if sc.Nav.Repositories {
		items = append(items, views.PaletteItem{Label: "Repositories", URL: at("settings", "repositories"), Icon: "git-branch", Hint: "g v"})
	}
	if sc.Nav.Audit {
		items = append(items, views.PaletteItem{Label: "Audit Log", URL: at("settings", "audit"), Icon: "scroll-text", Hint: "g l"})
	}
	return items
}

func otherProjects(sc scope) []views.PaletteItem {
	var items []views.PaletteItem
	for _, p := range sc.Projects {
		if p.Slug != sc.Project.Slug && len(items) < paletteItems {
			items = append(items, views.PaletteItem{Label: p.Slug, URL: views.ProjectPath(p.Slug, "environments"), Icon: "users"})
		}
	}
	return items
}
