package template_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template"
)

func (f *fixture) upload(t *testing.T, files map[string]string) template.ResourceSpec {
	t.Helper()
	up, err := f.AddUploadFiles(f.system, demo, mapFS(files))
	require.NoError(t, err)
	return template.ResourceSpec{Source: template.Source{Upload: up.Digest}}
}

// saveResource publishes a version of a resource template with this code.
func (f *fixture) saveResource(t *testing.T, name, v string, files map[string]string, edit ...func(*template.ResourceSpec)) *template.ResourceVersion {
	t.Helper()
	spec := f.upload(t, files)
	for _, e := range edit {
		e(&spec)
	}
	out, _, err := f.SaveResource(f.system, version(name, v, template.Active), spec)
	require.NoError(t, err)
	return out
}

func (f *fixture) saveEnvironment(t *testing.T, name, v string, spec template.EnvironmentSpec) *template.EnvironmentVersion {
	t.Helper()
	out, _, err := f.SaveEnvironment(f.system, version(name, v, template.Active), spec)
	require.NoError(t, err)
	return out
}

func uses(templateName, v string) template.EnvironmentSpec {
	return template.EnvironmentSpec{Resources: []template.Resource{{Name: "a", Kind: template.KindResourceTemplate, Template: templateName, Version: v}}}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, f *fixture) {
		f.saveResource(t, "app", "v1", map[string]string{"main.tf": smallModule})
		f.saveResource(t, "app", "v2", map[string]string{"main.tf": smallModule + "\n"})
		f.saveResource(t, "app", "v3", map[string]string{"main.tf": smallModule + "\n\n"})
		e1 := f.saveEnvironment(t, "shop", "v1", uses("app", "v1"))
		f.saveEnvironment(t, "shop", "v2", uses("app", "v2"))
		f.users = map[template.EnvironmentVersionID][]template.User{e1.ID: {
			{Kind: template.UserEnvironment, ID: "1", ProjectID: demo, Project: "demo", Name: "try"},
			{Kind: template.UserEnvironment, ID: "2", ProjectID: other, Project: "other", Name: "secret", Status: "destroyed"},
		}}
		author := as(t, demo, authz.InfrastructureAdmin)

		users, err := f.ResourceUsers(author, demo, "app")
		require.NoError(t, err)
		require.Len(t, users, 2)
		require.Equal(t, "shop", users["v1"][0].Name)
		require.Equal(t, "v1", users["v1"][0].Version)
		require.Equal(t, "v2", users["v2"][0].Version)
		users, err = f.EnvironmentUsers(author, demo, "shop")
		require.NoError(t, err)
		require.Equal(t, map[string][]template.User{"v1": {f.users[e1.ID][0], {Kind: template.UserEnvironment, Hidden: true}}}, users)

		before := f.counts(t)
		err = f.DeleteResource(author, demo, "app", "v1")
		require.ErrorIs(t, err, template.ErrInUse)
		require.EqualError(t, err, "Version v1 of the resource template app is used by environment template shop v1 of project demo. "+
			"Delete these, or let them use another version, first.")
		require.ErrorIs(t, f.DeleteResource(author, demo, "app", ""), template.ErrInUse)
		err = f.DeleteEnvironment(author, demo, "shop", "")
		require.EqualError(t, err, "The environment template shop is used by environment try of project demo; 1 in projects that you have no role in. "+
			"Delete these, or let them use another version, first.")
		require.ErrorContains(t, f.DeleteEnvironment(f.system, demo, "shop", "v1"), "environment secret of project other, which is destroyed but not deleted")
		require.ErrorIs(t, f.DeleteEnvironment(author, demo, "shop", "v9"), template.ErrNoVersion)
		require.ErrorIs(t, f.DeleteEnvironment(author, demo, "nothing", ""), template.ErrNotFound)
		for _, role := range []authz.Role{authz.ProjectAdmin, authz.EnvironmentTemplateUser, authz.ReadOnly} {
			require.ErrorIs(t, f.DeleteEnvironment(as(t, demo, role), demo, "shop", "v2"), authz.ErrForbidden)
		}
		after := f.counts(t)
		delete(before, "audit_entries")
		delete(after, "audit_entries") // refusals
		require.Equal(t, before, after)

		require.NoError(t, f.DeleteEnvironment(author, demo, "shop", "v2"))
		require.NoError(t, f.DeleteResource(author, demo, "app", "v2"))
		require.NoError(t, f.DeleteResource(author, demo, "app", "v3"))
		f.users = nil
		require.NoError(t, f.DeleteEnvironment(author, demo, "shop", ""))
		entry := f.lastAudit(t, "environment_template.delete")
		require.Contains(t, string(jsonOf(t, entry.Before)), `"versions":["v1"]`)
		require.NoError(t, f.DeleteResource(author, demo, "app", "v1"))
		rest := f.counts(t)
		for _, table := range []string{"resource_templates", "resource_template_versions", "environment_templates", "environment_template_versions"} {
			require.Zero(t, rest[table], table)
		}
	})
}

func TestSensitiveValuesAreSealed(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, f *fixture) {
		const canary, second = "canary-4711-value", "canary-0815-value"
		secret := func(value *string) template.Variable {
			return template.Variable{Name: "name", Value: value, Options: template.Options{Sensitive: true, Override: template.Override{Type: template.NotAllowed}}}
		}
		in := version("app", "v1", template.Draft)
		spec := f.upload(t, map[string]string{"main.tf": smallModule})
		spec.Variables = []template.Variable{secret(text(canary))}
		v, _, err := f.SaveResource(f.system, in, spec)
		require.NoError(t, err)
		require.Nil(t, v.Spec.Variables[0].Value)
		require.True(t, v.Spec.Variables[0].HasValue)
		_, change, err := f.SaveResource(f.system, in, spec)
		require.NoError(t, err)
		require.Equal(t, template.Unchanged, change, "the same value again")

		// Without the value, as an export has it, the stored one is kept; also in the next version.
		spec.Variables = []template.Variable{secret(nil)}
		_, change, err = f.SaveResource(f.system, in, spec)
		require.NoError(t, err)
		require.Equal(t, template.Unchanged, change)
		_, _, err = f.SaveResource(f.system, version("app", "v2", template.Active), spec)
		require.NoError(t, err)
		require.NoError(t, f.SetResourceState(f.system, demo, "app", "v1", template.Active))

		env := uses("app", "v2")
		env.Variables = []template.Variable{secret(text(second))}
		f.saveEnvironment(t, "shop", "v1", env)
		shop, err := f.EnvironmentVersion(f.system, demo, "shop", "v1")
		require.NoError(t, err)
		require.Nil(t, shop.Spec.Variables[0].Value)
		f.saveEnvironment(t, "plain", "v1", uses("app", "v2"))

		// A run gets it.
		for name, want := range map[string]string{"shop": second, "plain": canary} {
			c, err := f.Find(f.system, demo, name, "v1")
			require.NoError(t, err)
			r, err := f.Resolve(f.system, demo, c, template.ResolveInput{Resource: "a"})
			require.NoError(t, err)
			require.JSONEq(t, `"`+want+`"`, string(r.Variables["name"]))
			require.Contains(t, r.Secrets, want)
		}
		cmp, err := f.CompareEnvironment(f.system, demo, "shop", "v1", "v1")
		require.NoError(t, err)
		require.True(t, cmp.Same())
		env.Variables[0].Value = text(canary)
		f.saveEnvironment(t, "shop", "v2", env)
		cmp, err = f.CompareEnvironment(f.system, demo, "shop", "v1", "v2")
		require.NoError(t, err)
		require.Equal(t, []template.ItemDiff{{Name: "name", Change: template.DiffChanged, Fields: []template.FieldDiff{{Field: "value", Before: "(hidden)", After: "(hidden)"}}}}, cmp.Variables)

		dump := f.dump(t)
		require.NotContains(t, dump, canary)
		require.NotContains(t, dump, second)
		require.Contains(t, dump, `"name"`)
		require.NotContains(t, string(jsonOf(t, cmp)), "canary")
	})
}

// dump is the text of every table that tells of templates.
func (f *fixture) dump(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, query := range []string{
		"SELECT spec_json || module_json || problems_json FROM resource_template_versions",
		"SELECT spec_json || problems_json FROM environment_template_versions",
		"SELECT COALESCE(before_json, '') || COALESCE(after_json, '') FROM audit_entries",
		"SELECT data FROM events",
	} {
		rows, err := db.List(t.Context(), f.db, db.Value[string], query)
		require.NoError(t, err)
		out.WriteString(strings.Join(rows, "\n"))
	}
	return out.String()
}

func TestCompareResource(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, f *fixture) {
		f.saveResource(t, "app", "v1", map[string]string{
			"main.tf": smallModule + "variable \"pass\" {\n  default = \"old-secret\"\n  sensitive = true\n}\n", "gone.txt": "x", "logo.png": "\x00\x01",
		})
		f.saveResource(t, "app", "v2", map[string]string{
			"main.tf": strings.ReplaceAll(smallModule, "default = 1", "default = 2\n  description = \"How many.\"") +
				"variable \"pass\" {\n  default = \"new-secret\"\n  sensitive = true\n}\nvariable \"zone\" {}\n",
			"new.txt": "one\ntwo", "logo.png": "\x00\x01\x02",
		}, func(s *template.ResourceSpec) {
			s.Provider.Version = ">= 1.6"
			s.Contexts = []template.ContextRef{{Name: "aws"}}
			s.Variables = []template.Variable{{Name: "size", Options: template.Options{Immutable: true}}}
		})
		_, err := f.ResourceTemplate(f.system, demo, "app")
		require.NoError(t, err)
		cmp, err := f.CompareResource(as(t, demo, authz.InfrastructureAdmin), demo, "app", "v1", "v2")
		require.NoError(t, err)
		require.False(t, cmp.SourceHidden)
		require.Equal(t, "size", cmp.Inputs[0].Name)
		require.Contains(t, cmp.Inputs[0].Fields, template.FieldDiff{Field: "default", Before: "1", After: "2"})
		require.Contains(t, cmp.Inputs[0].Fields, template.FieldDiff{Field: "description", After: "How many."})
		require.Equal(t, template.DiffAdded, cmp.Inputs[1].Change)
		require.Equal(t, "zone", cmp.Inputs[1].Name)
		require.Len(t, cmp.Inputs, 2, "the default of a secret is no difference that is shown")
		require.Contains(t, cmp.Settings, template.FieldDiff{Field: "providerVersion", After: ">= 1.6"})
		require.Equal(t, []template.ItemDiff{{Name: "aws", Change: template.DiffAdded}}, cmp.Contexts)
		require.Equal(t, "size", cmp.Variables[0].Name)

		byPath := map[string]template.FileDiff{}
		for _, d := range cmp.Files {
			byPath[d.Path] = d
		}
		require.Len(t, byPath, 4)
		require.Contains(t, byPath["main.tf"].Unified, "-  default = 1\n+  default = 2\n")
		require.Equal(t, template.DiffRemoved, byPath["gone.txt"].Change)
		require.Equal(t, "--- /dev/null\n+++ b/new.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n\\ No newline at end of file\n", byPath["new.txt"].Unified)
		require.Equal(t, template.FileDiff{Path: "logo.png", Change: template.DiffChanged, Binary: true, SizeBefore: 2, SizeAfter: 3}, byPath["logo.png"])

		// Whoever may not read source sees what concerns the form.
		cmp, err = f.CompareResource(as(t, demo, authz.ReadOnly), demo, "app", "v1", "v2")
		require.NoError(t, err)
		require.True(t, cmp.SourceHidden)
		require.Len(t, cmp.Inputs, 2)
		text := string(jsonOf(t, cmp))
		for _, hidden := range []string{"secret", "files", "settings", "contexts", "variables"} {
			require.NotContains(t, text, hidden)
		}
		_, err = f.CompareResource(f.system, demo, "app", "v1", "v9")
		require.ErrorIs(t, err, template.ErrNoVersion)
		_, err = f.CompareResource(as(t, other, authz.InfrastructureAdmin), other, "app", "v1", "v2")
		require.ErrorIs(t, err, template.ErrNoVersion)
	})
}

func TestCompareEnvironment(t *testing.T) {
	t.Parallel()
	f := newFixture(t, dbtest.SQLite(t))
	f.saveResource(t, "app", "v1", map[string]string{"main.tf": smallModule})
	f.saveResource(t, "app", "v2", map[string]string{"main.tf": smallModule + "output \"more\" {\n  value = 1\n}\n"})
	before := uses("app", "v1")
	before.Readme = "one\n"
	f.saveEnvironment(t, "shop", "v1", before)
	after := uses("app", "v2")
	after.Resources = append(after.Resources, template.Resource{Name: "b", Kind: template.KindResourceTemplate, Template: "app", Version: "v1", DependsOn: []string{"a"}})
	after.Readme, after.Category = "two\n", "web"
	f.saveEnvironment(t, "shop", "v2", after)
	cmp, err := f.CompareEnvironment(f.system, demo, "shop", "v1", "v2")
	require.NoError(t, err)
	require.Equal(t, "a", cmp.Resources[0].Name)
	require.Equal(t, []template.FieldDiff{{Field: "version", Before: "v1", After: "v2"}}, cmp.Resources[0].Fields)
	require.Equal(t, template.DiffAdded, cmp.Resources[1].Change)
	require.Equal(t, []template.FieldDiff{{Field: "category", After: "web"}}, cmp.Settings)
	require.Equal(t, "readme.md", cmp.Files[0].Path)
	require.Equal(t, "a", cmp.Files[1].Resource)
	require.Contains(t, cmp.Files[1].Unified, "+output \"more\" {\n")
	require.Equal(t, "b", cmp.Files[2].Resource)
	require.Equal(t, template.DiffAdded, cmp.Files[2].Change)
	// Drafts are for authors.
	_, _, err = f.SaveEnvironment(f.system, version("shop", "v3", template.Draft), uses("app", "v2"))
	require.NoError(t, err)
	_, err = f.CompareEnvironment(as(t, demo, authz.ReadOnly), demo, "shop", "v2", "v3")
	require.ErrorIs(t, err, template.ErrNoVersion)
}

func TestCollect(t *testing.T) {
	t.Parallel()
	now := time.Now().Add(time.Minute)
	eachService(t, func(t *testing.T, f *fixture) {
		used := f.saveResource(t, "app", "v1", map[string]string{"main.tf": smallModule, "readme.md": "x"})
		f.saveEnvironment(t, "shop", "v1", uses("app", "v1"))
		orphan, err := f.AddUploadFiles(f.system, demo, mapFS(map[string]string{"a/main.tf": "# nobody"}))
		require.NoError(t, err)
		replaced, _, err := f.SaveResource(f.system, version("next", "v1", template.Draft), f.upload(t, map[string]string{"main.tf": "# old"}))
		require.NoError(t, err)
		_, _, err = f.SaveResource(f.system, version("next", "v1", template.Draft), f.upload(t, map[string]string{"main.tf": "# new"}))
		require.NoError(t, err)

		n, err := f.Collect(f.system)
		require.NoError(t, err)
		require.Zero(t, n, "it is all from today")
		require.NoError(t, f.age(t, 25*time.Hour))
		// What is asked for is wanted for another day.
		kept, err := f.AddUploadFiles(f.system, demo, mapFS(map[string]string{"main.tf": "# wanted"}))
		require.NoError(t, err)
		n, err = f.Collect(f.system)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		for digest, want := range map[string]bool{orphan.Digest: false, replaced.Spec.Bundle.Digest: false, kept.Digest: true, used.Spec.Source.Upload: true} {
			has, err := f.HasUpload(f.system, demo, digest)
			require.NoError(t, err)
			require.Equal(t, want, has)
		}
		_, _, err = f.OpenSource(f.system, demo, "app", "v1")
		require.NoError(t, err)
		_, err = f.Archive(f.system, demo, "shop", "v1", "a")
		require.NoError(t, err)
		require.NoError(t, f.SetResourceState(f.system, demo, "next", "v1", template.Active))

		require.NoError(t, f.DeleteEnvironment(f.system, demo, "shop", ""))
		require.NoError(t, f.DeleteResource(f.system, demo, "app", ""))
		require.NoError(t, f.age(t, 25*time.Hour))
		n, err = f.Collect(f.system)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		_, err = f.Collect(as(t, demo, authz.InfrastructureAdmin))
		require.ErrorIs(t, err, authz.ErrForbidden)
	}, dbtest.Clock(func() time.Time { return now }))
}

func TestSharing(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, f *fixture) {
		f.saveResource(t, "app", "v1", map[string]string{"main.tf": smallModule})
		f.saveEnvironment(t, "shop", "v1", uses("app", "v1"))
		admin := as(t, demo, authz.ProjectAdmin)
		for _, role := range authz.ProjectRoles() {
			require.ErrorIs(t, f.ShareEnvironment(as(t, demo, role), demo, "shop", []string{other}), authz.ErrForbidden, role)
			require.ErrorIs(t, f.ShareResource(as(t, demo, role), demo, "app", []string{other}), authz.ErrForbidden, role)
		}
		_, err := f.projects.SetSharingDelegated(f.system, "demo", true)
		require.NoError(t, err)
		developer := as(t, other, authz.EnvironmentTemplateUser)
		cards, err := f.Catalog(developer, other)
		require.NoError(t, err)
		require.Empty(t, cards)
		require.NoError(t, f.ShareEnvironment(admin, demo, "shop", []string{other, other}))
		_, err = f.View(developer, other, "shop", "v1")
		require.NoError(t, err, "its resource template needs no share")
		for _, role := range []authz.Role{authz.InfrastructureAdmin, authz.EnvironmentTemplateUser, authz.ReadOnly} {
			require.ErrorIs(t, f.ShareEnvironment(as(t, demo, role), demo, "shop", nil), authz.ErrForbidden, role)
		}
		for _, ctx := range []context.Context{admin, f.system, as(t, demo, authz.InfrastructureAdmin)} {
			shares, err := f.Shares(ctx, template.EnvironmentTemplate, demo, "shop")
			require.NoError(t, err)
			require.Equal(t, []string{other}, shares)
		}
		_, err = f.Shares(as(t, demo, authz.ReadOnly), template.EnvironmentTemplate, demo, "shop")
		require.ErrorIs(t, err, authz.ErrForbidden)
		err = f.ShareEnvironment(admin, demo, "shop", []string{"prj_none"})
		require.Equal(t, fault.Invalid, fault.KindOf(err))
		require.NoError(t, f.ShareEnvironment(admin, demo, "shop", []string{template.Everyone}))
		require.NoError(t, f.ShareResource(admin, demo, "app", []string{template.Everyone}))
		shares, err := f.Shares(f.system, template.ResourceTemplate, demo, "app")
		require.NoError(t, err)
		require.Equal(t, []string{template.Everyone}, shares)
		require.NoError(t, f.ShareEnvironment(admin, demo, "shop", nil))
		_, err = f.View(developer, other, "shop", "v1")
		require.ErrorIs(t, err, template.ErrNotFound)
	})
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, f *fixture) {
		spec := f.upload(t, map[string]string{"main.tf": smallModule})
		in := version("app", "v1", template.Active)
		in.Labels, in.Annotations = map[string]string{"team": "web"}, map[string]string{"owner": "us"}
		_, _, err := f.SaveResource(f.system, in, spec)
		require.NoError(t, err)
		_, change, err := f.SaveResource(f.system, version("app", "v1", template.Active), spec)
		require.NoError(t, err)
		require.Equal(t, template.Unchanged, change)
		in.DisplayName, in.Labels = "The app", map[string]string{}
		_, change, err = f.SaveResource(f.system, in, spec)
		require.NoError(t, err)
		require.Equal(t, template.Updated, change, "what surrounds an active version may change")
		got, err := f.ResourceTemplate(f.system, demo, "app")
		require.NoError(t, err)
		require.Equal(t, "The app", got.DisplayName)
		require.Empty(t, got.Labels)
		require.Equal(t, map[string]string{"owner": "us"}, got.Annotations)
		_, err = f.EnvironmentTemplate(f.system, demo, "app")
		require.ErrorIs(t, err, template.ErrNotFound)
	})
}

// An environment template that is wrong is refused with the place of each problem, and nothing of it is written.
func TestBrokenEnvironmentTemplates(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, f *fixture) {
		f.saveResource(t, "app", "v1", map[string]string{"main.tf": smallModule})
		node := func(name, templateName string, dependsOn ...string) template.Resource {
			return template.Resource{Name: name, Kind: template.KindResourceTemplate, Template: templateName, DependsOn: dependsOn}
		}
		for name, tc := range map[string]struct {
			spec template.EnvironmentSpec
			path string
		}{
			"cycle":            {template.EnvironmentSpec{Resources: []template.Resource{node("a", "app", "b"), node("b", "app", "a")}}, "spec.resources[0].dependsOn"},
			"unknown template": {template.EnvironmentSpec{Resources: []template.Resource{node("a", "ap")}}, "spec.resources[0].template"},
			"unknown variable": {template.EnvironmentSpec{Resources: []template.Resource{node("a", "app")}, Variables: []template.Variable{{Name: "sise"}}}, "spec.variables[0].name"},
			"unknown output": {template.EnvironmentSpec{Resources: []template.Resource{node("a", "app"), node("b", "app")}, Variables: []template.Variable{{
				Name: "b_name", ValueType: template.Expression, Value: text(`$(resource["a"].output.ip)$`), Selectors: []template.Selector{{Resource: "b", Variable: "name"}},
			}}}, "spec.variables[0].value"},
			"type error": {template.EnvironmentSpec{Resources: []template.Resource{node("a", "app")}, Variables: []template.Variable{{Name: "size", Value: text("many")}}}, "spec.variables[0].value"},
		} {
			before := f.counts(t)
			_, _, err := f.SaveEnvironment(f.system, version("broken", "v1", template.Active), tc.spec)
			e, ok := fault.As(err)
			require.True(t, ok, name)
			require.Equal(t, tc.path, e.Fields[0].Path, name)
			require.Equal(t, before, f.counts(t), name)
			problems, err := f.CheckEnvironment(f.system, version("broken", "v1", template.Active), tc.spec)
			require.NoError(t, err)
			require.Contains(t, problemsText(problems), "error|"+tc.path+"|", name)
		}
	})
}
