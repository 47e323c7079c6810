package web_test

import (
	"fmt"
	"time"

	"github.com/a-h/templ"

	"github.com/berthdev/berth/internal/web"
	"github.com/berthdev/berth/internal/web/views"
)

func envRows() views.Rows {
	return views.Rows{
		Name: "env", Item: "environment variable", Empty: "No environment variables yet.",
		Columns: []views.Column{
			{Name: "key", Label: "Key", Kind: views.CellText, Mono: true}, {Name: "value", Label: "Value", Kind: views.CellLong, Size: views.SizeWide, Secret: "sensitive"},
			{Name: "description", Label: "Description", Kind: views.CellText}, {Name: "sensitive", Label: "Sensitive", Kind: views.CellCheck},
		},
		Rows: []views.Row{
			{Cells: views.Cells("key", "AWS_REGION", "value", "us-west-2", "sensitive", "false", "description", "Where everything runs")},
			{Cells: map[string]views.Cell{"key": {Value: "AWS_SECRET_ACCESS_KEY"}, "value": {Stored: true}, "sensitive": {Value: "true"}}},
			{Cells: map[string]views.Cell{"key": {Value: "TOKEN"}, "value": {Kept: "c2VhbGVk"}, "sensitive": {Value: "true"}}},
		},
	}
}

func fileRows() views.Rows {
	return views.Rows{
		Name: "files", Item: "file", Empty: "No files yet.",
		Columns: []views.Column{
			{Name: "mountPath", Label: "Mount path", Kind: views.CellText, Mono: true, Placeholder: "~/.aws/config"}, {Name: "description", Label: "Description", Kind: views.CellText}, {Name: "sensitive", Label: "Sensitive", Kind: views.CellCheck}, {Name: "content", Label: "Content", Kind: views.CellLong, Size: views.SizeFull, Secret: "sensitive"},
			{Name: "upload", Label: "Or upload a file", Kind: views.CellFile, Size: views.SizeFull},
		},
		Rows: []views.Row{{Cells: views.Cells("mountPath", "certs/ca.pem", "content", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", "sensitive", "false")}},
	}
}

// overrideRows have a part that is folded away, as the variables of a template do.
func overrideRows() views.Rows {
	r := envRows()
	r.Name, r.Item, r.Empty = "variables", "input variable", "No input variables yet."
	r.Columns[0] = views.Column{Name: "name", Label: "Name", Kind: views.CellText, Mono: true}
	r.Columns = append(r.Columns, views.Column{Name: "rule", Label: "May be changed", Kind: views.CellSelect, Options: []views.Option{{Value: "allowed", Label: "Allowed"}, {Value: "notallowed", Label: "Not allowed"}}, More: true})
	r.Rows = []views.Row{{Cells: views.Cells("name", "region", "value", "us-west-2", "sensitive", "false"), Focus: true}}
	return r
}

func contextEditor() views.ContextEditor {
	v := views.ContextEditor{
		Page: page("aws", views.SectionContexts), Context: contextRow(), Form: views.Form{ID: "context", URL: "/p/demo/contexts/aws", Multipart: true, Seen: "1"},
		Description: views.Field{Label: "Description", Name: "description", Kind: views.FieldText, Value: "Credentials of the account for tests"},
		Env:         envRows(), Files: fileRows(), Variables: overrideRows(), Sandbox: "http://127.0.0.1:4566", Sharing: sharing(12),
		Danger: &views.Danger{URL: "/p/demo/contexts/aws/delete", Name: "aws", What: "context", Text: "This deletes the values in it, which cannot be read back. It is named by ecs."},
	}
	return v
}

func contextRow() views.ContextRow {
	return views.ContextRow{Name: "aws", Description: "Credentials of the account for tests", URL: "/p/demo/contexts/aws", Variables: 3, Inputs: 1, Sandbox: true, Shared: "shared with 2 projects", Updated: ago(3 * time.Hour)}
}

func sharing(n int) *views.Sharing {
	v := &views.Sharing{
		URL: "/p/demo/contexts/aws/share", What: "context", Means: "Templates of a project that it is shared with can use what is in it; nobody there can change it or read what is sensitive.",
		Allowed: true, Mode: views.ShareSome, Others: &views.Field{Label: "Other projects", Name: "names", Mono: true, Help: "Names of projects that you are no member of, separated by commas."},
	}
	for i := range n {
		v.Projects = append(v.Projects, views.SharedProject{ID: fmt.Sprintf("prj_%d", i), Name: fmt.Sprintf("team-%d", i), Description: "Services of the team", Shared: i < 2})
	}
	return v
}

func platformStories() map[string]templ.Component {
	all := map[string]templ.Component{}
	for _, group := range []map[string]templ.Component{contextStories(), staticStories(), repositoryStories(), memberStories()} {
		for name, c := range group {
			all[name] = c
		}
	}
	return all
}

func contextStories() map[string]templ.Component {
	base := page("Contexts", views.SectionContexts)
	fresh := contextEditor()
	fresh.New, fresh.Title, fresh.Sharing, fresh.Danger, fresh.Sandbox = true, "New Context", nil, nil, ""
	fresh.Name = views.Field{Label: "Name", Name: "name", Kind: views.FieldText, Required: true, Mono: true, Help: "Templates name the context by it. It cannot be changed later."}
	fresh.Env.Rows, fresh.Files.Rows, fresh.Variables.Rows = nil, nil, nil
	wrong := contextEditor()
	wrong.Form.Error = "Nothing is saved yet: 2 things below need a change."
	wrong.Env.Place("env[0].key", "“1” is no name for an environment variable; use letters, digits and _.")
	wrong.Env.Place("env[1].value", "Enter a value: what is stored was sensitive, so it is not shown now either.")
	wrong.Variables.Place("variables[0].rule", "There is no such rule.")
	overtaken := contextEditor()
	overtaken.Form.Error, overtaken.Form.Current = "Somebody else changed this context 2 min ago, after you had opened it. Nothing of yours is saved or lost.", "/p/demo/contexts/aws"
	overtaken.Sharing.Allowed, overtaken.Sharing.Refusal = false, "Sharing it needs the role Organisation Admin."
	from := contextRow()
	from.Name, from.Owner, from.Shared, from.Sandbox = "shared-account", "platform", "", false
	return map[string]templ.Component{
		"contexts":          web.ContextsPage(views.ContextList{Page: base, Any: true, NewURL: "/p/demo/contexts/new", Rows: []views.ContextRow{contextRow(), from}}),
		"contexts-empty":    web.ContextsPage(views.ContextList{Page: base, NewURL: "/p/demo/contexts/new"}),
		"contexts-none":     web.ContextsPage(views.ContextList{Page: base, Any: true, Text: "nothing"}),
		"context-new":       web.ContextEditorPage(fresh),
		"context-edit":      web.ContextEditorPage(contextEditor()),
		"context-wrong":     web.ContextEditorPage(wrong),
		"context-overtaken": web.ContextEditorPage(overtaken),
		"context-shared": web.ContextPage(views.ContextPage{Page: page("shared-account", views.SectionContexts), Context: from, Entries: []views.ContextEntry{
			{Kind: "Environment variable", Name: "AWS_REGION", Value: "us-west-2"}, {Kind: "Environment variable", Name: "AWS_SECRET_ACCESS_KEY", Sensitive: true},
		}}),
		"project-sharing":        web.ProjectSharingPage(views.ProjectSharing{Page: page("Sharing", views.SectionSharing), URL: "/p/demo/settings/sharing", Allowed: true, Delegated: true}),
		"project-sharing-others": web.ProjectSharingPage(views.ProjectSharing{Page: page("Sharing", views.SectionSharing), URL: "/p/demo/settings/sharing", Refusal: "Only an Organisation Admin can change this."}),
	}
}

func staticStories() map[string]templ.Component {
	base := page("Static Resources", views.SectionStatics)
	row := views.StaticRow{Name: "network", Description: "The network that everything is in", URL: "/p/demo/static-resources/network", Variables: 3, Shared: "shared with all projects", Updated: ago(30 * time.Hour)}
	edit := views.StaticEditor{
		Page: page("network", views.SectionStatics), Static: row, Form: views.Form{ID: "static", URL: row.URL, Seen: "1"},
		Description: views.Field{Label: "Description", Name: "description", Kind: views.FieldText, Value: row.Description}, Variables: overrideRows(), Sharing: sharing(0),
		Danger: &views.Danger{URL: row.URL + "/delete", Name: "network", What: "static resource", Blocked: "It is used by ecs v1. Delete that first."},
	}
	from := row
	from.Owner, from.Shared = "platform", ""
	return map[string]templ.Component{
		"statics":       web.StaticsPage(views.StaticList{Page: base, Any: true, NewURL: "/p/demo/static-resources/new", Rows: []views.StaticRow{row, from}}),
		"statics-empty": web.StaticsPage(views.StaticList{Page: base}),
		"statics-none":  web.StaticsPage(views.StaticList{Page: base, Any: true, Text: "nothing"}),
		"static-edit":   web.StaticEditorPage(edit),
		"static-shared": web.StaticPage(views.StaticPage{Page: page("network", views.SectionStatics), Static: from, Entries: []views.StaticEntry{{Name: "vpc_id", Type: "Text", Value: "vpc-0f2c"}, {Name: "token", Type: "Text", Sensitive: true}}}),
	}
}

func repositoryStories() map[string]templ.Component {
	base := page("Repositories", views.SectionRepositories)
	row := views.RepositoryRow{Name: "infra", Description: "Modules of the platform team", URL: "/p/demo/settings/repositories/infra", Address: "https://git.example.com/platform/modules.git", SignIn: "As ci", Updated: ago(30 * time.Hour)}
	org := row
	org.Name, org.Owner, org.SignIn = "company", "the organisation", "SSH key"
	edit := func(auth string) views.RepositoryEditor {
		return views.RepositoryEditor{
			Page: page("infra", views.SectionRepositories), Repository: row, Form: views.Form{ID: "repository", URL: row.URL, Seen: "1"},
			Description: views.Field{Label: "Description", Name: "description", Kind: views.FieldText, Value: row.Description},
			Address:     views.Field{Label: "URL", Name: "url", Kind: views.FieldText, Mono: true, Value: row.Address, Required: true, Help: "Over HTTPS or SSH, as for git clone."},
			Revision:    views.Field{Label: "Default branch, tag or commit", Name: "defaultRevision", Kind: views.FieldText, Mono: true, Help: "Used where a template names none."},
			Auth:        views.Field{Label: "Authentication", Name: "auth", Value: auth},
			Username:    views.Field{Label: "User name", Name: "username", Kind: views.FieldText, Value: "ci", Help: "Leave it empty where the token is enough."},
			Token:       views.Secret{Field: views.Field{Label: "Password or token", Name: "token"}, Stored: true},
			Key:         views.Secret{Field: views.Field{Label: "Private key", Name: "key"}, Long: true},
			Passphrase:  views.Secret{Field: views.Field{Label: "Passphrase of the key", Name: "passphrase", Help: "Empty when it has none."}, Kept: "c2VhbGVk"},
			KnownHosts:  views.Field{Label: "Known host keys", Name: "knownHosts", Kind: views.FieldLong, Help: "Lines as in known_hosts."},
			CACert:      views.Field{Label: "CA certificate", Name: "caCert", Kind: views.FieldLong, Help: "In PEM."},
			Danger:      &views.Danger{URL: row.URL + "/delete", Name: "infra", What: "repository", Text: "This deletes the address and the credentials."},
		}
	}
	good := edit("password")
	good.Verdict = &views.Verdict{OK: true, Message: "The repository answers and accepts the credentials.", DefaultBranch: "main", Commit: "0f2c9a1b7d8e0f2c9a1b7d8e0f2c9a1b7d8e0f2c", Branches: []string{"main", "next"}, Tags: []string{"v1.0.0", "v1.1.0"}}
	bad := edit("ssh")
	bad.Verdict = &views.Verdict{Message: "The repository does not accept the credentials.", Advice: "Add the public half of the key to the repository as a deploy key, or choose another key."}
	fresh := edit("none")
	fresh.New, fresh.Title, fresh.Danger, fresh.Token.Stored, fresh.Passphrase.Kept = true, "New Repository", nil, false, ""
	fresh.Name = views.Field{Label: "Name", Name: "name", Kind: views.FieldText, Required: true, Mono: true}
	fresh.Auth.Error = "There is no such way to sign in."
	return map[string]templ.Component{
		"repositories":       web.RepositoriesPage(views.RepositoryList{Page: base, Any: true, NewURL: "/p/demo/settings/repositories/new", Rows: []views.RepositoryRow{row, org}}),
		"repositories-empty": web.RepositoriesPage(views.RepositoryList{Page: base, NewURL: "/p/demo/settings/repositories/new"}),
		"repositories-none":  web.RepositoriesPage(views.RepositoryList{Page: base, Any: true, Text: "nothing"}),
		"repository":         web.RepositoryPage(views.RepositoryPage{Page: page("company", views.SectionRepositories), Repository: org, TestURL: org.URL + "/test", Verdict: good.Verdict}),
		"repository-new":     web.RepositoryEditorPage(fresh),
		"repository-good":    web.RepositoryEditorPage(good),
		"repository-bad":     web.RepositoryEditorPage(bad),
	}
}

func memberStories() map[string]templ.Component {
	v := views.MemberList{Page: page("Members", views.SectionMembers), Rows: []views.MemberRow{
		{Name: "developers", Group: true, Roles: []views.MemberRole{{Role: "Environment Template User", RemoveURL: "/p/demo/settings/members/rol_1/remove"}}},
		{Name: "dana@example.com", Email: "dana@example.com", Roles: []views.MemberRole{
			{Role: "Infrastructure Admin", RemoveURL: "/p/demo/settings/members/rol_2/remove"}, {Role: "Project Admin", RemoveURL: "/p/demo/settings/members/rol_3/remove"},
		}},
	}}
	look := v
	look.Rows = []views.MemberRow{{Name: "developers", Group: true, Roles: []views.MemberRole{{Role: "Read Only"}}}}
	none := look
	none.Rows, none.Text = nil, "nobody"
	v.Add = &views.AddMember{
		URL: "/p/demo/settings/members", Open: true, Holder: views.Field{Label: "User or group", Name: "holder", Value: "eve@example.com", Error: "There is no user with this e-mail.", Help: "The e-mail of a user, or the name of a group."},
		Role: views.Field{Label: "Role", Name: "role", Kind: views.FieldSelect, Options: []views.Option{{Value: "read_only", Label: "Read Only"}}},
	}
	return map[string]templ.Component{"members": web.MembersPage(v), "members-readonly": web.MembersPage(look), "members-none": web.MembersPage(none)}
}
