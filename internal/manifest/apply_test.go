package manifest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/authz/authztest"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/template"
)

// dump is everything in the database, to prove that nothing was written.
func (f fixture) dump(t *testing.T) string {
	t.Helper()
	tables, err := db.List(t.Context(), f.db, func(s db.Scanner) (string, error) {
		var name string
		return name, s.Scan(&name)
	}, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
	require.NoError(t, err)
	var out strings.Builder
	for _, table := range tables {
		rows, err := f.db.QueryContext(t.Context(), `SELECT * FROM `+table)
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			require.NoError(t, rows.Scan(into...))
			for i, v := range values {
				if raw, ok := v.([]byte); ok {
					values[i] = string(raw)
				}
			}
			fmt.Fprintln(&out, table, values)
		}
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())
	}
	return out.String()
}

func module() fstest.MapFS { return fstest.MapFS{"service/main.tf": {Data: []byte(serviceModule)}} }

func TestADryRunAndARepeatedApplyWriteNothing(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	o, dry := manifest.Options{Files: module()}, manifest.Options{Files: module(), DryRun: true}
	before := f.dump(t)
	f.apply(t, withoutTemplates(examples(t)), dry)
	require.Equal(t, before, f.dump(t))
	f.apply(t, examples(t), o)
	before = f.dump(t)
	require.Contains(t, before, "AWS_SECRET_ACCESS_KEY")
	for _, secret := range []string{"an-example-and-no-secret", "a-token"} {
		require.NotContains(t, before, secret, "it is encrypted, and in no audit entry")
	}
	for _, one := range []manifest.Options{o, dry} {
		for _, r := range f.apply(t, examples(t), one) {
			require.Equal(t, manifest.Unchanged, r.Change, r.Name)
			require.Empty(t, r.Diff)
		}
		require.Equal(t, before, f.dump(t))
	}
	// Without the secrets it is the same.
	text := strings.NewReplacer("      value: an-example-and-no-secret\n", "", "    password: a-token   #", "    #").Replace(examples(t))
	require.NotContains(t, text, "no-secret")
	for _, r := range f.apply(t, text, o) {
		require.Equal(t, manifest.Unchanged, r.Change, "%s %v", r.Name, r.Diff)
	}
	require.Equal(t, before, f.dump(t))
}

// withoutTemplates leaves out what uploads the code of a folder, which a dry run keeps for a day.
func withoutTemplates(text string) string {
	var out []string
	for doc := range strings.SplitSeq(text, "---\n") {
		if !strings.Contains(doc, "folder: service") && !strings.Contains(doc, "kind: Environment") {
			out = append(out, doc)
		}
	}
	return strings.Join(out, "---\n")
}

func diffs(r manifest.Result) []string {
	var out []string
	for _, d := range r.Diff {
		out = append(out, fmt.Sprintf("%s: %s -> %s", d.Path, d.Before, d.After))
	}
	return out
}

func byName(results []manifest.Result, kind manifest.Kind, name string) manifest.Result {
	i := slices.IndexFunc(results, func(r manifest.Result) bool { return r.Kind == kind && r.Name == name })
	if i < 0 {
		return manifest.Result{}
	}
	return results[i]
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		first := f.apply(t, examples(t), manifest.Options{Files: module()})
		require.Contains(t, diffs(byName(first, manifest.KindConfigContext, "aws")), "spec.envs[AWS_SECRET_ACCESS_KEY].value:  -> (sensitive)")
		require.NotContains(t, fmt.Sprint(first), "no-secret")
		text := strings.NewReplacer(
			"eu-central-1", "eu-west-1", "value: an-example-and-no-secret", "value: another-canary", "revision: main", "revision: next",
			"The shop and what belongs to it.", "The shop.", "sharingDelegated: false", "sharingDelegated: true", "password: a-token", "password: b-canary",
			"vpc-0123456789", "vpc-1", "value: 4\n", "value: 1\n", "{enabled: true, projects: [{name: web}]}", `{enabled: true, projects: [{name: other}, {name: web}]}`,
			"output = json", "output = text",
		).Replace(examples(t))
		want := map[string][]string{
			"web":   {"metadata.description: The shop and what belongs to it. -> The shop.", "spec.sharingDelegated: false -> true"},
			"infra": {"spec.revision: main -> next", "spec.credentials.password: (sensitive) -> (sensitive) changed"},
			"aws": {
				"spec.envs[AWS_REGION].value: eu-central-1 -> eu-west-1", "spec.files[~/.aws/config].content: [default]\noutput = json\n -> [default]\noutput = text\n",
				"spec.sharing.projects[other].name:  -> other", "spec.envs[AWS_SECRET_ACCESS_KEY].value: (sensitive) -> (sensitive) changed",
			},
			"shared-network": {"spec.variables[vpc_id].value: vpc-0123456789 -> vpc-1", "spec.variables[token].value: (sensitive) -> (sensitive) changed"},
			"shop-1":         {"spec.variables[replicas].value: 4 -> 1"},
		}
		for _, dry := range []bool{true, false} {
			results := f.apply(t, text, manifest.Options{Files: module(), DryRun: dry})
			require.NotContains(t, fmt.Sprint(results), "canary")
			for _, r := range results {
				require.Nil(t, r.Error, "%v", r.Error)
				require.Equal(t, want[r.Name], diffs(r), r.Name)
				if want[r.Name] == nil {
					require.Equal(t, manifest.Unchanged, r.Change, r.Name)
				} else {
					require.Equal(t, manifest.Configured, r.Change, r.Name)
				}
			}
		}
		for _, r := range f.apply(t, text, manifest.Options{Files: module()}) {
			require.Equal(t, manifest.Unchanged, r.Change, "%s %v", r.Name, r.Diff)
		}
	})
}

func TestWhatFailsStopsOnlyWhatNeedsIt(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	text := strings.Replace(examples(t), "replicas\n      value: 2", "replicas\n      value: many", 1)
	for _, dry := range []bool{true, false} {
		results := f.apply(t, text, manifest.Options{Files: module(), DryRun: dry})
		for _, r := range results {
			switch r.Kind {
			case manifest.KindResourceTemplate:
				require.ErrorContains(t, r.Error, "test.yaml:76: ResourceTemplate service: spec.variables[0].value")
				require.Equal(t, "spec.variables[0].value", r.Error.Fields[0].Path)
			case manifest.KindEnvironmentTemplate:
				require.ErrorIs(t, r.Error, manifest.ErrNeeded)
				require.ErrorContains(t, r.Error, "it needs ResourceTemplate service (test.yaml:61), which could not be applied")
			case manifest.KindEnvironment:
				require.ErrorIs(t, r.Error, manifest.ErrNeeded)
			default:
				require.Nil(t, r.Error, "%v", r.Error)
				require.Equal(t, manifest.Created, r.Change)
			}
		}
	}
	require.Zero(t, f.count(t, "resource_templates"))
	require.Zero(t, f.count(t, "environments"))
}

func TestTheOrderOfTheFileDoesNotMatter(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	docs := strings.Split(examples(t), "---\n")
	slices.Reverse(docs)
	for i, r := range f.apply(t, strings.Join(docs, "---\n"), manifest.Options{Files: module()}) {
		require.Nil(t, r.Error, "%v", r.Error)
		require.Equal(t, manifest.Kinds()[i], r.Kind)
	}
}

const plainContext = "apiVersion: berth.dev/v1\nkind: ConfigContext\nmetadata: {name: %s}\nspec: {envs: [{key: A, value: %s}]}\n"

func TestTwoDocumentsOfOneObject(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	results := f.apply(t, fmt.Sprintf(plainContext+"---\n"+plainContext, "a", "1", "a", "2"), manifest.Options{})
	require.Nil(t, results[0].Error)
	require.ErrorIs(t, results[1].Error, manifest.ErrTwice)
	require.ErrorContains(t, results[1].Error, "ConfigContext a (test.yaml:1) describes the same object")
	c, err := f.contexts.Get(f.admin, "prj_demo", "a")
	require.NoError(t, err)
	require.Equal(t, "1", c.Env[0].Value)
}

func TestProjectsOfDocuments(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	text := `apiVersion: berth.dev/v1
kind: Project
metadata: {name: fresh}
---
apiVersion: berth.dev/v1
kind: ConfigContext
metadata: {name: a, project: fresh}
spec: {envs: [{key: A, value: 1, options: {sensitive: true}}]}
---
apiVersion: berth.dev/v1
kind: ConfigContext
metadata: {name: a, project: other}
spec: {sharing: {enabled: true, projects: [{name: fresh}]}}
---
apiVersion: berth.dev/v1
kind: ConfigContext
metadata: {name: a, project: nowhere}
---
apiVersion: berth.dev/v1
kind: ConfigContext
metadata: {name: b}
spec: {sharing: {enabled: true, projects: [{name: nowhere}]}}
---
apiVersion: berth.dev/v1
kind: Environment
metadata: {name: e, project: fresh}
spec: {template: {name: t}, variables: [{name: token, value: canary}]}
`
	for _, dry := range []bool{true, false} {
		r := f.apply(t, text, manifest.Options{DryRun: dry})
		require.NotContains(t, fmt.Sprint(r), "canary")
		require.Equal(t, dry, r[5].Error == nil, "there is no such template")
		require.Equal(t, manifest.Created, r[0].Change)
		require.Nil(t, r[1].Error, "%v", r[1].Error)
		require.Equal(t, manifest.Created, r[1].Change)
		require.NotContains(t, fmt.Sprint(r[1].Diff), "{spec.envs[A].value  1}")
		require.Equal(t, "fresh", r[1].Project)
		require.Equal(t, dry, len(r[1].Warnings) == 1)
		require.Nil(t, r[2].Error, "%v", r[2].Error)
		require.ErrorContains(t, r[3].Error, `test.yaml:17: ConfigContext a: metadata.project: there is no project "nowhere" that you may see`)
		require.ErrorContains(t, r[4].Error, `spec.sharing.projects[0].name: there is no project "nowhere"`)
	}
	// Who may not create projects cannot do so with a document, and sees only their own.
	docs, _, err := manifest.Parse("test.yaml", []byte(text))
	require.NoError(t, err)
	r, err := f.manifests.Apply(as(t, "prj_demo", authz.InfrastructureAdmin), "prj_demo", docs, manifest.Options{})
	require.NoError(t, err)
	require.Equal(t, fault.Forbidden, r[0].Error.Kind)
	require.ErrorIs(t, r[1].Error, manifest.ErrNeeded)
	require.ErrorContains(t, r[2].Error, "that you may see")
}

// Who may write and not share saves nothing of a document that shares.
func TestSharingIsDecidedBeforeAnythingIsSaved(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	sharing := ", sharing: {enabled: true, projects: [{name: demo}]}}\n---\n"
	text := "apiVersion: berth.dev/v1\nkind: ConfigContext\nmetadata: {name: a}\nspec: {envs: []" + sharing +
		"apiVersion: berth.dev/v1\nkind: StaticResource\nmetadata: {name: a}\nspec: {variables: []" + sharing +
		"apiVersion: berth.dev/v1\nkind: ResourceTemplate\nmetadata: {name: a}\nspec: {version: v1, source: {folder: service}" + sharing +
		"apiVersion: berth.dev/v1\nkind: EnvironmentTemplate\nmetadata: {name: a}\nspec: {version: v1" + sharing
	docs, _, err := manifest.Parse("test.yaml", []byte(text))
	require.NoError(t, err)
	infra := as(t, "prj_demo", authz.InfrastructureAdmin)
	for _, dry := range []bool{true, false} {
		results, err := f.manifests.Apply(infra, "prj_demo", docs, manifest.Options{Files: module(), DryRun: dry})
		require.NoError(t, err)
		for _, r := range results {
			require.Equal(t, fault.Forbidden, fault.KindOf(r.Error), r.Kind)
		}
	}
	for _, table := range []string{"config_contexts", "static_resources", "resource_templates", "environment_templates"} {
		require.Zero(t, f.count(t, table))
	}
}

func TestVersionsGoThroughTheirStates(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	state := func(s string) manifest.Result {
		text := strings.Replace("apiVersion: berth.dev/v1\nkind: ResourceTemplate\nmetadata: {name: a}\nspec: {version: v1, versionState: STATE, source: {folder: service}}\n", "versionState: STATE, ", s, 1)
		return f.apply(t, text, manifest.Options{Files: module()})[0]
	}
	require.Equal(t, manifest.Created, state("").Change)
	require.Equal(t, manifest.Unchanged, state("versionState: draft, ").Change)
	r := state("versionState: active, ")
	require.Equal(t, []string{"spec.versionState: draft -> active"}, diffs(r))
	require.Equal(t, manifest.Unchanged, state("").Change)
	require.Equal(t, manifest.Configured, state("versionState: disabled, ").Change)
	require.Equal(t, manifest.Unchanged, state("").Change)
	require.ErrorIs(t, state("versionState: draft, ").Error, template.ErrState)
	require.Equal(t, manifest.Configured, state("versionState: active, ").Change)
	require.ErrorIs(t, state("contexts: [{name: x}], ").Error, template.ErrFixedVersion)
	dry := f.apply(t, "apiVersion: berth.dev/v1\nkind: ResourceTemplate\nmetadata: {name: a}\nspec: {version: v1, contexts: [{name: x}], source: {folder: service}}\n", manifest.Options{Files: module(), DryRun: true})
	require.ErrorIs(t, dry[0].Error, template.ErrFixedVersion)
	// A new version that is disabled at once.
	r = f.apply(t, "apiVersion: berth.dev/v1\nkind: ResourceTemplate\nmetadata: {name: b}\nspec: {version: v1, versionState: disabled, source: {folder: service}}\n", manifest.Options{Files: module()})[0]
	require.Nil(t, r.Error, "%v", r.Error)
	v, err := f.svc.ResourceVersion(f.admin, "prj_demo", "b", "v1")
	require.NoError(t, err)
	require.Equal(t, template.Disabled, v.State)
}

func TestSensitiveInputsOfEnvironments(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	files := fstest.MapFS{"m/main.tf": {Data: []byte("variable \"token\" {\n  type = string\n  sensitive = true\n}\n")}}
	text := `apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: m}
spec: {version: v1, versionState: active, source: {folder: m}}
---
apiVersion: berth.dev/v1
kind: EnvironmentTemplate
metadata: {name: m}
spec: {version: v1, versionState: active, resources: [{name: m, template: m}]}
---
apiVersion: berth.dev/v1
kind: Environment
metadata: {name: e}
spec: {template: {name: m}, variables: [{name: token, value: canary}]}
`
	r := f.apply(t, text, manifest.Options{Files: files})
	require.Nil(t, r[2].Error, "%v", r[2].Error)
	require.Contains(t, diffs(r[2]), "spec.variables[token].value:  -> (sensitive)")
	require.NotContains(t, fmt.Sprint(r), "canary")
	require.Equal(t, manifest.Unchanged, f.apply(t, text, manifest.Options{Files: files})[2].Change)
	r = f.apply(t, strings.Replace(text, "canary", "canary2", 1), manifest.Options{Files: files})
	require.Equal(t, []string{"spec.variables[token].value: (sensitive) -> (sensitive) changed"}, diffs(r[2]))
	m, err := f.manifests.Export(f.admin, "prj_demo", manifest.KindEnvironment, "e", "")
	require.NoError(t, err)
	require.NotContains(t, string(m.YAML()), "canary")
	require.NotContains(t, string(m.YAML()), "version:", "it follows the latest")
	require.Equal(t, manifest.Unchanged, f.apply(t, string(m.YAML()), manifest.Options{})[0].Change)
	// Pinned, and following again.
	pinned := strings.Replace(string(m.YAML()), "    name: m\n", "    name: m\n    version: v1\n", 1)
	require.Equal(t, []string{"spec.template.version:  -> v1"}, diffs(f.apply(t, pinned, manifest.Options{})[0]))
	require.Equal(t, manifest.Configured, f.apply(t, string(m.YAML()), manifest.Options{})[0].Change)
	other := strings.Replace(string(m.YAML()), "    name: m\n", "    name: n\n", 1)
	require.ErrorContains(t, f.apply(t, other, manifest.Options{})[0].Error, "an environment keeps its template")
	// A new one is made without the value.
	again := f.apply(t, strings.Replace(string(m.YAML()), "name: e\n", "name: e2\n", 1), manifest.Options{})[0]
	require.Equal(t, manifest.Created, again.Change, "%v", again.Error)
	require.Len(t, again.Warnings, 1)
}

func TestExportsCanBeApplied(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		for _, r := range f.apply(t, examples(t), manifest.Options{Files: module()}) {
			require.Nil(t, r.Error, "%v", r.Error)
		}
		names := map[manifest.Kind]string{
			manifest.KindProject: "web", manifest.KindRepository: "infra", manifest.KindConfigContext: "aws", manifest.KindStaticResource: "shared-network",
			manifest.KindResourceTemplate: "service", manifest.KindEnvironmentTemplate: "shop", manifest.KindEnvironment: "shop-1",
		}
		texts := map[manifest.Kind]string{}
		export := func(k manifest.Kind) string {
			m, err := f.manifests.Export(f.admin, "prj_demo", k, names[k], "")
			require.NoError(t, err, k)
			return string(m.YAML())
		}
		for _, k := range manifest.Kinds() {
			texts[k] = export(k)
			require.NotContains(t, texts[k], "no-secret")
			require.NotContains(t, texts[k], "a-token")
			r := f.apply(t, texts[k], manifest.Options{})[0]
			require.Nil(t, r.Error, "%v", r.Error)
			require.Equal(t, manifest.Unchanged, r.Change, "%s %v\n%s", k, r.Diff, texts[k])
			items, err := f.manifests.List(f.admin, "prj_demo", k)
			require.NoError(t, err)
			i := slices.IndexFunc(items, func(i manifest.Item) bool { return i.Name == names[k] })
			require.GreaterOrEqual(t, i, 0)
			require.False(t, items[i].Updated.IsZero(), k)
			if k == manifest.KindResourceTemplate || k == manifest.KindEnvironmentTemplate {
				require.Equal(t, "v1", items[i].Versions[0].Version)
				require.Equal(t, template.Active, items[i].Versions[0].State)
			}
		}
		// What is needed cannot go before what needs it.
		require.Error(t, f.manifests.Delete(f.admin, "prj_demo", manifest.KindResourceTemplate, "service", ""))
		require.NoError(t, f.contexts.Share(f.admin, "prj_demo", "aws", []string{})) // so that the project can go
		for _, k := range slices.Backward(manifest.Kinds()) {
			require.NoError(t, f.manifests.Delete(f.admin, "prj_demo", k, names[k], ""), k)
			_, err := f.manifests.Export(f.admin, "prj_demo", k, names[k], "")
			require.Equal(t, fault.NotFound, fault.KindOf(err), k)
		}
		// Secrets have to be given again; the rest comes back as it was.
		secret := strings.NewReplacer("    username: berth\n", "    username: berth\n    password: canary\n", "      options:\n        sensitive: true\n", "      value: canary\n      options:\n        sensitive: true\n",
			"        description: Of the user berth.\n        sensitive: true\n", "        description: Of the user berth.\n        sensitive: true\n      value: canary\n")
		for _, k := range manifest.Kinds() {
			r := f.apply(t, secret.Replace(texts[k]), manifest.Options{})[0]
			require.Nil(t, r.Error, "%v\n%s", r.Error, texts[k])
			require.Equal(t, manifest.Created, r.Change)
		}
		for _, k := range manifest.Kinds() {
			require.Equal(t, texts[k], export(k))
		}
	})
}

func TestEveryMethodAuthorises(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	authztest.RefusesAnonymous(t, f.manifests, nil)
	f.apply(t, examples(t), manifest.Options{Files: module()})
	docs, _, err := manifest.Parse("test.yaml", []byte(strings.Replace(examples(t), "eu-central-1", "eu-west-1", 1)))
	require.NoError(t, err)
	before := f.dump(t)
	for name, ctx := range map[string]context.Context{
		"developer": as(t, "prj_demo", authz.EnvironmentTemplateUser), "reader": as(t, "prj_demo", authz.ReadOnly), "stranger": as(t, "prj_other", authz.InfrastructureAdmin),
	} {
		for _, k := range []manifest.Kind{manifest.KindRepository, manifest.KindConfigContext, manifest.KindStaticResource, manifest.KindResourceTemplate} {
			_, err := f.manifests.Export(ctx, "prj_demo", k, "aws", "v1")
			require.Equal(t, fault.Forbidden, fault.KindOf(err), "%s %s", name, k)
			require.Equal(t, fault.Forbidden, fault.KindOf(f.manifests.Delete(ctx, "prj_demo", k, "aws", "v1")), "%s %s", name, k)
		}
		for _, dry := range []bool{true, false} {
			results, err := f.manifests.Apply(ctx, "prj_demo", docs, manifest.Options{Files: module(), DryRun: dry})
			require.NoError(t, err)
			for _, r := range results[:6] {
				require.NotNil(t, r.Error, "%s %s", name, r.Kind)
			}
		}
	}
	after := f.dump(t)
	for _, table := range []string{"config_contexts ", "repositories ", "resource_templates ", "environments ", "projects ", "static_resources "} {
		require.Equal(t, strings.Count(before, "\n"+table), strings.Count(after, "\n"+table))
	}
	require.NotContains(t, after, "eu-west-1")
}
