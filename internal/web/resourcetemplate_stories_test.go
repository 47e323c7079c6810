package web_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/berthdev/berth/internal/web"
	"github.com/berthdev/berth/internal/web/views"
)

func resourceStories() map[string]templ.Component {
	base := page("Resource Templates", views.SectionResources)
	list := views.ResourceTemplateList{Page: base, Any: true, NewURL: "/p/demo/resource-templates/new", Rows: []views.ResourceTemplateRow{
		{Name: "network", Title: "Network", Description: "A network with public and private parts", URL: "/p/demo/resource-templates/network", Version: "v12", State: views.VersionDraft, Versions: 12, Errors: 2, Warnings: 1, Users: 3, UsersKnown: true, Updated: ago(time.Hour)},
		{Name: "database", Title: "database", URL: "/p/demo/resource-templates/database", Version: "v1", State: views.VersionActive, Versions: 1, UsersKnown: true, Updated: ago(30 * time.Hour)},
		{Name: "cluster", Title: "cluster", Description: "Where containers run", URL: "/p/demo/resource-templates/cluster", Version: "1.4.0", State: views.VersionDisabled, Versions: 2, Owner: "platform", Updated: ago(300 * time.Hour)},
	}}
	none := list
	none.Rows, none.Text = nil, "nothing"
	overview := resourcePage(views.VersionOverview)
	code := resourcePage(views.VersionCode)
	code.Code = views.CodeBrowser{Files: []views.Link{{Label: "main.tf"}, {Label: "modules/subnet/main.tf", URL: "/p/demo/resource-templates/network/versions/v2/code?file=x"}}, Name: "main.tf", Lines: strings.Split(strings.TrimSuffix(networkTF, "\n"), "\n")}
	yaml := resourcePage(views.VersionYAML)
	yaml.YAML = "apiVersion: berth.dev/v1\nkind: ResourceTemplate\nmetadata:\n  name: network\n"
	empty := resourcePage(views.VersionCode)
	empty.Version.Reading, empty.Code = views.CodeReading{}, views.CodeBrowser{Note: "There is no code yet: the source of this version could not be read."}
	shared := views.ResourceTemplatePage{Page: page("cluster", views.SectionResources), Name: "cluster", DisplayName: "cluster", URL: "/p/demo/resource-templates/cluster", Owner: "platform", Versions: []views.VersionRow{{Version: "1.4.0", State: views.VersionActive, Updated: ago(time.Hour)}}}
	return map[string]templ.Component{
		"resources": web.ResourceTemplatesPage(list), "resources-empty": web.ResourceTemplatesPage(views.ResourceTemplateList{Page: base, NewURL: "/p/demo/resource-templates/new"}), "resources-none": web.ResourceTemplatesPage(none),
		"resource": web.ResourceTemplatePage(overview), "resource-code": web.ResourceTemplatePage(code), "resource-yaml": web.ResourceTemplatePage(yaml), "resource-code-empty": web.ResourceTemplatePage(empty),
		"resource-shared": web.ResourceTemplatePage(shared), "resource-new": web.ResourceTemplateEditorPage(resourceEditor(true)), "resource-read": web.ResourceTemplateEditorPage(resourceEditor(false)),
		"compare": web.ComparePage(comparison()), "compare-one": web.ComparePage(views.Comparison{Page: base, List: "Resource Templates", ListURL: "/p/demo/resource-templates", Name: "network", URL: "/p/demo/resource-templates/network", Versions: []views.Option{{Value: "v1", Label: "v1"}}}),
		"compare-same": web.ComparePage(views.Comparison{Page: base, List: "Resource Templates", ListURL: "/p/demo/resource-templates", Name: "network", URL: "/p/demo/resource-templates/network", CompareURL: "/p/demo/resource-templates/network/compare", From: "v1", To: "v2", Chosen: true, Versions: []views.Option{{Value: "v1", Label: "v1"}, {Value: "v2", Label: "v2"}}}),
	}
}

func networkReading() views.CodeReading {
	return views.CodeReading{
		Read: true, FileCount: 2, Files: []views.Link{{Label: "main.tf"}, {Label: "modules/subnet/main.tf"}},
		Source: []views.Fact{{Name: "Repository", Value: "infra", Mono: true}, {Name: "Branch, tag or commit", Value: "main", Mono: true}, {Name: "Folder", Value: "modules/network", Mono: true}, {Name: "Commit", Value: "0f2c9a1b7d8e0f2c9a1b7d8e0f2c9a1b7d8e0f2c", Mono: true}, {Name: "Digest", Value: strings.Repeat("4f5e", 16), Mono: true}},
		Variables: []views.ModuleVariable{
			{Name: "cidr", Type: "string", Description: "Addresses of the network", Required: true, Validations: []string{"Too short."}, URL: "/p/demo/resource-templates/network/versions/v2/code?file=main.tf#L1"},
			{Name: "subnets", Type: "list(object({ name = string, cidr = string, public = optional(bool, false) }))", Default: "[]", Description: "The parts of the network"},
			{Name: "password", Type: "string", Default: "hidden", Sensitive: true},
		},
		Outputs:   []views.ModuleOutput{{Name: "id", Description: "Of the network"}, {Name: "key", Sensitive: true}},
		Providers: []views.Fact{{Name: "aws", Value: "hashicorp/aws ~> 5.0"}}, Modules: []views.Fact{{Name: "subnet", Value: "./modules/subnet"}},
	}
}

func networkProblems() []views.Problem {
	return []views.Problem{
		{Message: "Variable \"cidrs\": the module has no such variable; did you mean cidr?", Place: "spec.variables[0].name"},
		{Message: "Reference to undeclared input variable. An input variable with the name \"missing\" has not been declared.", Place: "main.tf:23", URL: "#source-0-L23"},
		{Warning: true, Message: "OpenTofu is still being prepared, so that the code was checked in part.", Place: "main.tf"},
	}
}

func resourcePage(tab views.VersionTab) views.ResourceTemplatePage {
	at := "/p/demo/resource-templates/network"
	users := []views.VersionUser{{Label: "web v3", URL: "/p/demo/templates/web?version=v3"}, {Label: "web v4", URL: "/p/demo/templates/web?version=v4"}, {Label: "2 in other projects"}}
	var many []views.VersionUser
	for i := range 7 {
		many = append(many, views.VersionUser{Label: fmt.Sprintf("shop v%d", i+1), URL: "/p/demo/templates/shop", Detail: "payments"})
	}
	v := views.ResourceTemplatePage{
		Page: page("Network", views.SectionResources), Name: "network", DisplayName: "Network", Description: "A network with public and private parts", URL: at, Tab: tab, CompareURL: at + "/compare",
		Versions: []views.VersionRow{
			{Version: "v3", State: views.VersionDraft, URL: at + "/versions/v3", Shown: true, Errors: 2, Warnings: 1, Updated: ago(time.Hour)},
			{Version: "v2", State: views.VersionActive, URL: at + "/versions/v2", Users: users, Updated: ago(30 * time.Hour)},
			{Version: "v1", State: views.VersionDisabled, URL: at + "/versions/v1", Users: many, Updated: ago(300 * time.Hour)},
		},
		Version: &views.ResourceVersion{
			Version: "v3", State: views.VersionDraft, URL: at + "/versions/v3", Updated: ago(time.Hour), Reading: networkReading(), Problems: networkProblems(),
			Facts:    []views.Fact{{Name: "Provider", Value: "OpenTofu ~> 1.9"}, {Name: "State", Value: "Kept by Berth, encrypted and locked"}, {Name: "Deploy timeout", Value: "30 min 00 s"}, {Name: "Destroy timeout", Value: "the server's default"}},
			Contexts: []views.Link{{Label: "aws", URL: "/p/demo/contexts/aws"}},
			Variables: []views.TemplateVariable{
				{Name: "cidr", Type: "Text", Value: "10.0.0.0/16", Rule: "One of 3", Marks: []string{"required", "immutable"}, Label: "Addresses", Description: "Addresses of the network"},
				{Name: "password", Type: "Text", Hidden: true, Rule: "Not allowed", Marks: []string{"sensitive"}}, {Name: "subnets", Rule: "Allowed"},
			},
			DownloadURL: at + "/versions/v3/download", EditURL: at + "/versions/v3/edit", NewVersionURL: at + "/new-version?from=v3", StateURL: at + "/versions/v3/state", CanActivate: true,
			DeleteURL: at + "/versions/v3/delete", DeleteVersion: "v3",
		},
	}
	if tab == views.VersionOverview {
		v.Sharing = sharing(3)
		v.Danger = &views.Danger{URL: at + "/delete", Name: "network", What: "resource template", Blocked: "It cannot be deleted while something uses it: web v3, web v4. Delete these, or let them use another template, first."}
	}
	return v
}

func resourceEditor(fresh bool) views.ResourceTemplateEditor {
	v := web.EmptyResourceEditor()
	v.Page, v.New, v.NewVersion, v.Back = page("New Resource Template", views.SectionResources), true, true, "/p/demo/resource-templates"
	v.Repository.Options = []views.Option{{Label: "Choose a repository"}, {Value: "infra", Label: "infra (git.example.com/platform/modules.git)"}}
	v.Contexts.Options = []views.Option{{Value: "aws", Label: "aws"}, {Value: "defaults", Label: "defaults"}}
	v.NewRepositoryURL = "/p/demo/settings/repositories/new"
	if fresh {
		return v
	}
	v.Name.Value, v.Repository.Value, v.Path.Value, v.Revision.Error = "network", "infra", "modules/network", "There is no branch, tag or commit \"mian\"."
	reading := networkReading()
	v.Reading, v.Problems = &reading, networkProblems()
	excerpt := views.Excerpt{ID: "source-0", Name: "main.tf"}
	for i, line := range []string{"output \"broken\" {", "  value = var.missing", "}"} {
		excerpt.Lines = append(excerpt.Lines, views.ExcerptLine{ID: "source-0-L" + fmt.Sprint(22+i), Number: 22 + i, Text: line, Wrong: i == 1})
	}
	v.Excerpts = []views.Excerpt{excerpt}
	v.Backend.Value = "custom"
	v.Config.Rows = []views.Row{{Cells: views.Cells("key", "bucket", "value", "states")}}
	v.Variables.Rows = []views.Row{
		{Cells: map[string]views.Cell{"name": {Value: "cidr"}, "valueType": {Value: "text"}, "value": {Value: "10.0.0.0/16"}, "override": {Value: "restricted"}, "choices": {Value: "Small=10.0.0.0/24\nLarge=wrong", Error: "The choice \"wrong\" is too short."}}, Help: "string, without a default. Addresses of the network"},
		{Cells: map[string]views.Cell{"name": {Value: "subnets"}, "valueType": {}, "override": {Value: "allowed"}}, Help: "list(object({ name = string, cidr = string, public = optional(bool, false) })), by default []. The parts of the network"},
		{Cells: map[string]views.Cell{"name": {Value: "password"}, "valueType": {Value: "text"}, "value": {Stored: true}, "override": {Value: "notallowed"}, "sensitive": {Value: "true"}}, Help: "string, by default hidden, sensitive"},
	}
	return v
}

func comparison() views.Comparison {
	at := "/p/demo/resource-templates/network"
	v := views.Comparison{
		Page: page("Compare versions of network", views.SectionResources), List: "Resource Templates", ListURL: "/p/demo/resource-templates", Name: "network", URL: at, CompareURL: at + "/compare", From: "v1", To: "v2", Chosen: true, Truncated: true,
		Versions: []views.Option{{Value: "v2", Label: "v2 (active)"}, {Value: "v1", Label: "v1 (disabled)"}},
		Groups: []views.DiffGroup{{ID: "inputs", Title: "Inputs of the form", Items: []views.DiffItem{
			{Name: "cidr", Change: views.DiffChanged, Fields: []views.DiffField{{Name: "Default", Before: "\"10.0.0.0/16\"", After: "\"10.1.0.0/16\""}, {Name: "Description", After: "Addresses of the network"}}},
			{Name: "size", Change: views.DiffRemoved}, {Name: "subnets", Change: views.DiffAdded, Fields: []views.DiffField{{Name: "Type", After: "list(object({ name = string }))"}}},
		}}},
		Settings: []views.DiffField{{Name: "Provider version", Before: "~> 1.8", After: "~> 1.9"}, {Name: "Commit", Before: "0f2c9a1b7d8e0f2c9a1b7d8e0f2c9a1b7d8e0f2c", After: "9a1b7d8e0f2c0f2c9a1b7d8e0f2c0f2c9a1b7d8e"}},
	}
	v.Files = []views.FileDiff{
		{ID: "file-0", Path: "main.tf", Change: views.DiffChanged, Open: true, Added: 1, Removed: 1, Lines: []views.DiffLine{
			{Kind: views.LineHunk, Text: "Line 1"}, {Kind: views.LineSame, Old: "1", New: "1", Text: "variable \"cidr\" {"}, {Kind: views.LineRemoved, Old: "2", Text: "  type = any"},
			{Kind: views.LineAdded, New: "2", Text: "  type        = string # a comment that is long enough to scroll sideways on a phone, which is where it matters"}, {Kind: views.LineSame, Old: "3", New: "3", Text: "}"},
		}},
		{ID: "file-1", Resource: "db", Path: "logo.png", Change: views.DiffAdded, Note: "A binary file: 0 bytes before, 12 kB after.", Open: true},
	}
	return v
}
