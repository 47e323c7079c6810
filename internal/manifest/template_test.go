package manifest_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/expr"
	"github.com/berthdev/berth/templates"
)

func as(t testing.TB, projectID string, role authz.Role) context.Context {
	t.Helper()
	return authz.WithSubject(t.Context(), authz.Subject{
		Kind: authz.User, UserID: "usr_1", Email: "someone@example.com",
		Bindings: []authz.Binding{{ProjectID: projectID, ProjectName: strings.TrimPrefix(projectID, "prj_"), Role: role}},
	})
}

func TestShippedTemplates(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		results, err := f.publish(f.admin, "", templates.Files)
		require.NoError(t, err)
		require.Len(t, results, 6)
		for _, r := range results {
			require.Equal(t, manifest.Created, r.Change)
			require.Empty(t, r.Problems, r.Name)
		}
		again, err := f.publish(f.admin, "", templates.Files)
		require.NoError(t, err)
		for _, r := range again {
			require.Equal(t, manifest.Unchanged, r.Change, r.Name)
		}

		developer := as(t, "prj_demo", authz.EnvironmentTemplateUser)
		cards, err := f.svc.Catalog(developer, "prj_demo")
		require.NoError(t, err)
		require.Len(t, cards, 2)
		require.Equal(t, "ecs", cards[0].Name)
		require.Equal(t, "v1", cards[0].LatestActive)
		require.Equal(t, "Amazon ECS application", cards[0].DisplayName)
		require.NotEmpty(t, cards[0].Summary)

		view, err := f.svc.View(developer, "prj_demo", "ecs", "v1")
		require.NoError(t, err)
		require.Equal(t, []template.Edge{{From: "vpc", To: "aws-ecs"}}, view.Graph.Edges)
		require.Equal(t, []string{"aws"}, view.MissingContexts)
		require.Equal(t, []string{"image_location", "container_port", "region"}, names(view.Inputs)[:3])
		for _, in := range view.Inputs {
			require.False(t, in.Required, in.Name)
		}
		checkWalkthrough(t, f, developer)
	})
}

func names(inputs []template.Input) []string {
	var out []string
	for _, in := range inputs {
		out = append(out, in.Name)
	}
	return out
}

func checkWalkthrough(t *testing.T, f fixture, developer context.Context) {
	t.Helper()
	c, err := f.svc.Find(developer, "prj_demo", "ecs", "")
	require.NoError(t, err)
	values := []template.Value{
		{Name: "image_location", ValueType: template.Text, Value: "public.ecr.aws/ecs-sample-image/amazon-ecs-sample:latest"},
		{Name: "container_port", ValueType: template.Text, Value: "80"},
	}
	require.NoError(t, c.Validate(values))
	values[1].Value = "eighty"
	require.EqualError(t, c.Validate(values), "container_port: must be a whole number from 1 to 65535; you entered eighty")
	require.ErrorContains(t, c.Validate([]template.Value{{Name: "vpc_id", Value: "vpc-1"}}), "vpc_id: cannot be set: it is set by the template")
	values[1].Value = "80"

	require.ErrorContains(t, f.svc.CheckContexts(developer, "prj_demo", c), "aws")
	_, created, err := f.contexts.Set(f.admin, "prj_demo", "aws", configcontext.Input{
		Env:     []configcontext.Env{{Key: "AWS_SECRET_ACCESS_KEY", Value: "canary-secret", Sensitive: true}},
		Sandbox: &configcontext.Sandbox{Endpoint: "http://127.0.0.1:4566", AccessKey: "a", SecretKey: "canary-key"},
	})
	require.NoError(t, err)
	require.True(t, created)
	require.NoError(t, f.svc.CheckContexts(developer, "prj_demo", c))
	sandbox, err := f.svc.Sandbox(developer, "prj_demo", c)
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:4566", sandbox.Endpoint)
	require.Empty(t, sandbox.SecretKey)

	in := template.ResolveInput{Resource: "aws-ecs", Values: values, Scope: expr.Scope{
		Environment: expr.Environment{ID: "env_1", UniqueName: "ecs-1-abc", Project: "demo", Template: "ecs"},
		Outputs: map[string]map[string]expr.Output{"vpc": {
			"vpc_id": {Value: json.RawMessage(`"vpc-1"`)}, "public_subnet_ids": {Value: json.RawMessage(`["a","b"]`)},
			"private_subnet_ids": {Value: json.RawMessage(`[]`)},
		}},
	}}
	_, err = f.svc.Resolve(developer, "prj_demo", c, in)
	require.Equal(t, fault.Forbidden, fault.KindOf(err))
	got, err := f.svc.Resolve(f.system, "prj_demo", c, in)
	require.NoError(t, err)
	require.True(t, got.Known())
	require.Equal(t, "80", string(got.Variables["container_port"]))
	require.JSONEq(t, `"ecs-1-abc"`, string(got.Variables["name"]))
	require.JSONEq(t, `{"berth:environment":"env_1","berth:project":"demo","berth:template":"ecs"}`, string(got.Variables["tags"]))
	require.Equal(t, "canary-secret", got.Env["AWS_SECRET_ACCESS_KEY"])
	require.Equal(t, "canary-key", got.Sandbox.SecretKey)
	require.Equal(t, []string{"canary-key", "canary-secret"}, got.Secrets)
}

func folder(code string) fstest.MapFS {
	return fstest.MapFS{
		"app/template.yaml": {Data: []byte(`
apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: app}
spec: {version: v1, versionState: active, source: {folder: module}}
---
apiVersion: berth.dev/v1
kind: EnvironmentTemplate
metadata: {name: app}
spec:
  version: v1
  versionState: active
  resources: [{name: app, kind: resourcetemplate, template: app}]
  variables:
    - {name: size, value: 3, options: {override: {type: restricted, restrictedValues: [3, 5]}}}
`)},
		"app/module/main.tf": {Data: []byte(code)},
	}
}

const sized = `variable "size" { type = number }
output "x" { value = 1 }`

func TestActiveVersionsNeverChange(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	_, err := f.publish(f.admin, "prj_demo", folder(sized))
	require.NoError(t, err)
	_, err = f.publish(f.admin, "prj_demo", folder(sized+"\n# changed"))
	require.ErrorIs(t, err, template.ErrFixedVersion)
	c, err := f.svc.Find(f.admin, "prj_demo", "app", "v1")
	require.NoError(t, err)
	require.Len(t, c.Inputs()[0].Choices, 2)
	require.NoError(t, f.svc.SetEnvironmentState(f.admin, "prj_demo", "app", "v1", template.Disabled))
	_, err = f.svc.Find(f.admin, "prj_demo", "app", "v1")
	require.ErrorIs(t, err, template.ErrNotUsable)
	_, err = f.svc.Load(f.admin, "prj_demo", c.Version.ID)
	require.NoError(t, err)
	require.ErrorIs(t, f.svc.SetEnvironmentState(f.admin, "prj_demo", "app", "v1", template.Draft), template.ErrState)
	require.NoError(t, f.svc.SetEnvironmentState(f.admin, "prj_demo", "app", "v1", template.Active))
}

func TestSharing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		_, err := f.publish(f.admin, "prj_demo", folder(sized))
		require.NoError(t, err)
		other := as(t, "prj_other", authz.EnvironmentTemplateUser)
		_, err = f.svc.Find(other, "prj_other", "app", "v1")
		require.ErrorIs(t, err, template.ErrNotFound)
		require.NoError(t, f.svc.ShareEnvironment(f.admin, "prj_demo", "app", []string{"prj_other"}))
		_, err = f.svc.Find(other, "prj_other", "app", "v1")
		require.NoError(t, err)
		_, err = f.svc.Find(other, "prj_other", "app", "v9")
		require.ErrorContains(t, err, `no version "v9"; choose one of v1`)
		cards, err := f.svc.Catalog(other, "prj_other")
		require.NoError(t, err)
		require.Len(t, cards, 1)
		list, err := f.svc.ListEnvironments(other, "prj_other")
		require.NoError(t, err)
		require.Len(t, list, 1)
	})
}

func TestAuthorisation(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	_, err := f.publish(f.admin, "prj_demo", folder(sized))
	require.NoError(t, err)
	developer := as(t, "prj_demo", authz.EnvironmentTemplateUser)
	stranger := as(t, "prj_other", authz.ProjectAdmin)
	for name, call := range map[string]func(ctx context.Context) error{
		"add bundle": func(ctx context.Context) error {
			_, err := f.svc.AddBundle(ctx, "prj_demo", folder(sized), "app/module")
			return err
		},
		"open source": func(ctx context.Context) error {
			_, _, err := f.svc.OpenSource(ctx, "prj_demo", "app", "v1")
			return err
		},
		"version": func(ctx context.Context) error {
			_, err := f.svc.ResourceVersion(ctx, "prj_demo", "app", "v1")
			return err
		},
		"spec": func(ctx context.Context) error {
			_, err := f.svc.EnvironmentVersion(ctx, "prj_demo", "app", "v1")
			return err
		},
		"share": func(ctx context.Context) error { return f.svc.ShareResource(ctx, "prj_demo", "app", []string{"*"}) },
		"state": func(ctx context.Context) error {
			return f.svc.SetResourceState(ctx, "prj_demo", "app", "v1", template.Disabled)
		},
		"context": func(ctx context.Context) error {
			_, _, err := f.contexts.Set(ctx, "prj_demo", "c", configcontext.Input{})
			return err
		},
		"context list": func(ctx context.Context) error { _, err := f.contexts.List(ctx, "prj_demo"); return err },
		"clear values": func(ctx context.Context) error { _, err := f.contexts.Resolve(ctx, "prj_demo", "", nil); return err },
	} {
		t.Run(name, func(t *testing.T) {
			for _, ctx := range []context.Context{developer, stranger} {
				require.Equal(t, fault.Forbidden, fault.KindOf(call(ctx)))
			}
			require.NotEqual(t, fault.Kind(""), fault.KindOf(call(t.Context())))
		})
	}
	_, err = f.svc.Catalog(stranger, "prj_demo")
	require.Equal(t, fault.Forbidden, fault.KindOf(err))
	src, closer, err := f.svc.OpenSource(f.admin, "prj_demo", "app", "v1")
	require.NoError(t, err)
	code, err := fs.ReadFile(src, "main.tf")
	require.NoError(t, err)
	require.Equal(t, sized, string(code))
	require.NoError(t, closer.Close())
}

func TestBadDocuments(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	for name, tc := range map[string]struct{ old, new, want string }{
		"unknown field":  {"versionState: active, source", "versionstate: active, source", `unknown field spec.versionstate; did you mean versionState?`},
		"unknown kind":   {"kind: ResourceTemplate", "kind: Pod", `the kind "Pod" is not known`},
		"wrong version":  {"berth.dev/v1", "v1", `use berth.dev/v1`},
		"no folder":      {"folder: module", "folder: nothing", `there is no folder "nothing" beside the document`},
		"leads out":      {"folder: module", "folder: ../../x", "lies outside app"},
		"bad choice":     {"[3, 5]", "[3, five]", `the choice "five" must be a number`},
		"bad value":      {"value: 3", "value: big", "must be a number"},
		"bad variable":   {"name: size", "name: sise", `did you mean "size"?`},
		"wrong template": {"template: app}", "template: ap}", `no resource template "ap"`},
		"bad yaml":       {"metadata: {name: app}", "metadata: {name: app", "template.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			files := folder(sized)
			text := string(files["app/template.yaml"].Data)
			require.Contains(t, text, tc.old)
			files["app/template.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(text, tc.old, tc.new, 1))}
			_, err := f.publish(f.admin, "prj_other", files)
			require.ErrorContains(t, err, tc.want)
			require.ErrorContains(t, err, "app/template.yaml")
			require.Equal(t, fault.Invalid, fault.KindOf(err), err)
		})
	}
	_, err := f.publish(f.admin, "prj_demo", folder(`variable "size" { type = nonsense }`))
	require.ErrorContains(t, err, "main.tf:1")
}

func TestDraftsKeepTheirProblems(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		_, err := f.publish(f.admin, "prj_demo", folder(sized))
		require.NoError(t, err)
		in := template.SaveInput{ProjectID: "prj_demo", Name: "app", Version: "v2"}
		spec := template.EnvironmentSpec{Resources: []template.Resource{
			{Name: "app", Kind: template.KindResourceTemplate, Template: "app"},
			{Name: "db", Kind: template.KindResourceTemplate, Template: "database", DependsOn: []string{"app"}},
		}}
		v, change, err := f.svc.SaveEnvironment(f.admin, in, spec)
		require.NoError(t, err)
		require.Equal(t, template.Created, change)
		require.Equal(t, template.Draft, v.State)
		require.Len(t, v.Problems, 1)
		require.Equal(t, "spec.resources[1].template", v.Problems[0].Path)
		_, err = f.svc.Find(f.admin, "prj_demo", "app", "v2")
		require.ErrorIs(t, err, template.ErrNotUsable)
		require.ErrorContains(t, f.svc.SetEnvironmentState(f.admin, "prj_demo", "app", "v2", template.Active), "database")

		spec.Resources = spec.Resources[:1]
		_, change, err = f.svc.SaveEnvironment(f.admin, in, spec)
		require.NoError(t, err)
		require.Equal(t, template.Updated, change)
		require.NoError(t, f.svc.SetEnvironmentState(f.admin, "prj_demo", "app", "v2", template.Active))
		c, err := f.svc.Find(f.admin, "prj_demo", "app", "")
		require.NoError(t, err)
		require.Equal(t, "v2", c.Version.Version)
		require.True(t, c.Inputs()[0].Required)
		labels, err := f.svc.Labels(f.admin, []template.EnvironmentVersionID{c.Version.ID})
		require.NoError(t, err)
		require.Equal(t, "v2", labels[c.Version.ID].Version)

		// A context that gives the variable makes it no longer required.
		spec.Contexts = []template.ContextRef{{Name: "sizes"}}
		in.Version, in.State = "v3", template.Active
		_, _, err = f.svc.SaveEnvironment(f.admin, in, spec)
		require.NoError(t, err)
		_, _, err = f.contexts.Set(f.admin, "prj_demo", "sizes", configcontext.Input{Variables: []configcontext.Variable{{Name: "size", Value: "7"}}})
		require.NoError(t, err)
		c, err = f.svc.Find(f.admin, "prj_demo", "app", "v3")
		require.NoError(t, err)
		require.False(t, c.Inputs()[0].Required)
		got, err := f.svc.Resolve(f.system, "prj_demo", c, template.ResolveInput{Resource: "app"})
		require.NoError(t, err)
		require.Equal(t, "7", string(got.Variables["size"]))
		require.Equal(t, template.FromEnvironmentContext, got.Origins["size"])
	})
}

// A document takes code from all of its git work tree, and without git from below its own folder only.
func TestCodeBesideTheFolderOfTheDocument(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	files := folder(sized)
	text := string(files["app/template.yaml"].Data)
	files["app/template.yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(text, "folder: module", "folder: ../modules/app", 1))}
	files["modules/app/main.tf"] = files["app/module/main.tf"]
	_, err := f.publish(f.admin, "prj_demo", files)
	require.ErrorContains(t, err, `"../modules/app" lies outside app`)
	files[".git/HEAD"] = &fstest.MapFile{Data: []byte("ref: refs/heads/main\n")}
	_, err = f.publish(f.admin, "prj_demo", files)
	require.NoError(t, err)
}
