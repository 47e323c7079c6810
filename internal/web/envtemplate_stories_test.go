package web_test

import (
	"time"

	"github.com/a-h/templ"

	"github.com/berthdev/berth/internal/web"
	"github.com/berthdev/berth/internal/web/views"
)

func templateEditor() views.TemplateEditor {
	kinds := []views.Option{{Value: "resourcetemplate", Label: "Resource template"}, {Value: "static", Label: "Static resource"}}
	resource := func(name, template string, depends ...string) views.Row {
		row := views.Row{Cells: views.Cells("name", name, "was", name, "kind", "resourcetemplate", "template", template)}
		row.Set("was", func(c *views.Cell) { c.Hidden = true })
		row.Set("static", func(c *views.Cell) { c.Hidden = true })
		row.Set("template", func(c *views.Cell) { c.Options = []views.Option{{Value: template, Label: template}} })
		row.Set("dependsOn", func(c *views.Cell) {
			c.Values, c.Options = depends, []views.Option{{Value: "vpc", Label: "vpc"}, {Value: "app", Label: "app"}}
		})
		return row
	}
	value := views.Column{Name: "value", Label: "Value or expression", Kind: views.CellLong, Size: views.SizeWide, Secret: "sensitive", List: "available", Live: true}
	v := views.TemplateEditor{
		Page: page("New Environment Template", views.SectionTemplates), New: true, Title: "New Environment Template",
		Form: views.Form{ID: "template", URL: "/p/demo/templates", Multipart: true, Also: "#et-side"}, Cancel: "/p/demo/templates", ContextsURL: "/p/demo/contexts",
		Name: views.Field{Label: "Name", Name: "name", Value: "web", Required: true}, DisplayName: views.Field{Label: "Display name", Name: "displayName"},
		Summary: views.Field{Label: "Summary", Name: "summary"}, Description: views.Field{Label: "Description", Name: "description", Kind: views.FieldLong},
		Category: views.Field{Label: "Category", Name: "category"}, Version: views.Field{Label: "Version", Name: "version", Value: "v1", Required: true},
		Readme: views.Field{Label: "Readme", Name: "readme", Kind: views.FieldLong}, Hide: views.Field{Label: "Hide", Name: "hide", Kind: views.FieldBool},
		Free: views.Field{Label: "Free", Name: "free", Kind: views.FieldBool}, Icon: "server", Icons: []views.Option{{Value: "server", Label: "Server"}, {Value: "globe", Label: "Web"}},
		Resources: views.Rows{
			Name: "resources", Item: "resource",
			Columns: []views.Column{
				{Name: "name", Label: "Name", Kind: views.CellText}, {Name: "was", Label: "Was", Kind: views.CellText, Live: true}, {Name: "kind", Label: "Kind", Kind: views.CellSelect, Options: kinds},
				{Name: "template", Label: "Resource template", Kind: views.CellSelect, Live: true}, {Name: "static", Label: "Static resource", Kind: views.CellSelect, Live: true},
				{Name: "dependsOn", Label: "Depends on", Kind: views.CellSeveral, Size: views.SizeFull, Live: true},
			},
			Rows: []views.Row{resource("vpc", "vpc"), resource("app", "ecs", "vpc")},
		},
		Variables: views.Rows{
			Name: "variables", Item: "variable",
			Columns: []views.Column{{Name: "name", Label: "Name", Kind: views.CellText, List: "module-variables"}, value, {Name: "sensitive", Label: "Sensitive", Kind: views.CellCheck, More: true}},
			Rows:    []views.Row{{Cells: views.Cells("name", "vpc_id", "value", `$(resource["vpc"].output.id)$`)}},
		},
		Contexts: []views.ContextChoice{{Name: "aws", Note: "Credentials", Attached: true}},
	}
	v.Live = views.TemplateLive{
		Problems: []views.Problem{{Message: "The resources wait for each other.", Place: "Resource app", URL: "#cell-resources-1-dependsOn"}, {Warning: true, Message: "Nothing uses it.", Place: "Variable vpc_id", URL: "#f-variables.0.value"}},
		Graph:    views.LayoutDraft([]views.GraphNode{{Name: "vpc", Kind: "vpc v1", URL: "#f-resources.0.name", DependsOn: []string{"app"}}, {Name: "app", Kind: "ecs v1", URL: "#f-resources.1.name", DependsOn: []string{"vpc"}, Inferred: []string{"vpc"}}}),
		Readme:   "<p>Hello</p>", Names: []views.Option{{Value: "vpc_id", Label: "string of app"}}, Parts: "#et-graph,#et-lists",
		Available: []views.AvailableGroup{{Entries: []views.AvailableEntry{{Text: "$(environment.name)$"}}}, {Node: "vpc", Entries: []views.AvailableEntry{{Text: `$(resource["vpc"].output.id)$`, Sensitive: true}}}},
		Inputs:    []views.Field{{Label: "Image", Name: "preview.image", Required: true}}, Advanced: []views.Field{{Label: "Port", Name: "preview.port", Kind: views.FieldNumber}},
	}
	return v
}

func authorVersion(version string, state views.VersionState) views.AuthorVersion {
	return views.AuthorVersion{
		Version: version, State: state, Errors: 1, Updated: ago(time.Hour), URL: "/p/demo/templates/web?version=" + version, Edit: "/p/demo/templates/web/versions/" + version + "/edit",
		Copy: "/p/demo/templates/web/new-version", Activate: "/p/demo/templates/web/versions/" + version + "/state", Delete: "/p/demo/templates/web/versions/" + version + "/delete",
		Compare: "/p/demo/templates/web/compare", Users: []views.VersionUser{{Label: "shop", URL: "/p/demo/environments/shop"}},
	}
}

func envTemplateStories() map[string]templ.Component {
	versions := []views.AuthorVersion{authorVersion("v2", views.VersionDraft), authorVersion("v1", views.VersionActive)}
	catalog := views.Catalog{
		Page: page("Environment Templates", views.SectionTemplates), Base: "/p/demo/templates", Author: true, NewURL: "/p/demo/templates/new",
		Rows: []views.AuthorRow{{Name: "web", Title: "Web", URL: "/p/demo/templates/web", Versions: versions}, {Name: "ecs", URL: "/p/demo/templates/ecs", Owner: "the organisation", Versions: versions[1:]}},
	}
	author := views.TemplatePage{
		Page: page("web", views.SectionTemplates), Card: views.TemplateCard{Name: "web", Title: "Web", Icon: "server"}, Unpublished: true,
		Author: &views.TemplateAuthor{Own: true, Versions: versions, YAMLURL: "/p/demo/templates/web/manifest", NewURL: "/p/demo/templates/web/new-version", Danger: &views.Danger{URL: "/p/demo/templates/web/delete", Name: "web", What: "environment template", Text: "This deletes the template."}},
	}
	overtaken := templateEditor()
	overtaken.New, overtaken.Form.Error, overtaken.Form.Current = false, "Somebody else changed this version.", "/p/demo/templates/web/manifest"
	return map[string]templ.Component{
		"template-editor":           web.TemplateEditorPage(templateEditor()),
		"template-editor-overtaken": web.TemplateEditorPage(overtaken),
		"template-authors":          web.CatalogPage(catalog),
		"template-author":           web.TemplatePage(author),
		"template-yaml": web.TemplateManifestPage(views.TemplateManifest{
			Page: page("web", views.SectionTemplates), Name: "web", Version: "v1", Text: "kind: EnvironmentTemplate\nmetadata:\n  name: web\n", URL: "/p/demo/templates/web/manifest", Back: "/p/demo/templates/web",
			Versions: []views.Option{{Value: "v1", Label: "v1"}},
		}),
	}
}
