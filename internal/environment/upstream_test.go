package environment_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/runner/runnertest"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template"
)

const appCode = `
variable "zone" { type = string }
variable "vpc" { type = string }
variable "token" { type = string }
variable "extra" {
  type    = string
  default = ""
}
output "vpc" { value = var.vpc }
output "token" { value = var.token }
output "zone" { value = var.zone }
output "extra" { value = var.extra }
`

func expression(name, text string) template.Variable {
	return template.Variable{Name: name, ValueType: template.Expression, Value: &text, Options: template.Options{Override: template.Override{Type: template.NotAllowed}}}
}

func object(name string) []runnertest.Object {
	return []runnertest.Object{{Address: "fake_thing." + name, Type: "fake_thing", ID: name + "-1"}}
}

// network publishes the template "net": one resource "vpc" with a secret among its outputs.
func (w *world) network() {
	w.module(prj, "vpc", "output \"vpc_id\" {\n  value = \"\"\n}\noutput \"token\" {\n  value = \"\"\n  sensitive = true\n}\n", runnertest.Script{
		Objects:   object("vpc"),
		Outputs:   map[string]json.RawMessage{"vpc_id": json.RawMessage(`"vpc-77"`), "token": json.RawMessage(`"canary-of-the-network"`)},
		Sensitive: []string{"token"},
	})
	w.template(prj, "net", "v1", template.EnvironmentSpec{
		Resources: []template.Resource{{Name: "vpc", Kind: template.KindResourceTemplate, Template: "vpc", Version: "v1"}},
	})
}

func appSpec(upstream string) template.EnvironmentSpec {
	return template.EnvironmentSpec{
		Resources: []template.Resource{
			{Name: "net", Kind: template.KindEnvironment, Environment: upstream},
			{Name: "shared", Kind: template.KindStatic, Static: "shared"},
			{Name: "app", Kind: template.KindResourceTemplate, Template: "app", Version: "v1", DependsOn: []string{"shared"}},
		},
		Variables: []template.Variable{
			expression("vpc", `$(resource."net".resource."vpc".output.vpc_id.value)$`),
			expression("token", `$(resource["net"].resource["vpc"].output.token)$`),
			expression("zone", `$(resource["shared"].output.zone)$`),
			{Name: "extra"},
		},
	}
}

// application publishes the template "app", which uses the environment "network" and a static resource. Its module prints and
// gives back, unmarked, all that it is given.
func (w *world) application() {
	_, _, err := w.statics.Set(w.author, prj, "shared", staticresource.Input{Variables: []staticresource.Variable{
		{Name: "zone", Value: "z-1"}, {Name: "key", Value: "canary-of-the-static", Sensitive: true},
	}})
	require.NoError(w.t, err)
	w.module(prj, "app", appCode, runnertest.Script{
		Objects: object("app"),
		Print:   []string{"using ${var.vpc} with ${var.token} in ${var.zone}, ${var.extra}"},
		Outputs: map[string]json.RawMessage{
			"vpc": json.RawMessage(`"${var.vpc}"`), "token": json.RawMessage(`"${var.token}"`),
			"zone": json.RawMessage(`"${var.zone}"`), "extra": json.RawMessage(`"${var.extra}"`),
		},
	})
	w.template(prj, "app", "v1", appSpec("network"))
}

func (w *world) log(r run.Run, resource string) string {
	w.t.Helper()
	for _, st := range r.Steps {
		if st.Resource == resource {
			log, err := w.runs.OpenLog(w.ctx, st.ID, st.Attempt, 0, false)
			require.NoError(w.t, err)
			text, err := io.ReadAll(log)
			require.NoError(w.t, err)
			require.NoError(w.t, log.Close())
			return string(text)
		}
	}
	return ""
}

func TestEnvironmentUsesAnother(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, testEnvironmentUsesAnother)
}

func testEnvironmentUsesAnother(t *testing.T, d *db.DB) {
	w := newWorld(t, d)
	w.network()
	w.application()
	s := w.environments
	w.create("app-1", "app", "v1", template.Value{Name: "extra", ValueType: template.Expression, Value: `$(resource["net"].resource["vpc"].output.vpc_id + "/x")$`})

	// Nothing starts before the other environment is there and deployed.
	for _, start := range []verb{s.Deploy, s.Plan} {
		_, err := start(w.ctx, prj, "app-1")
		require.ErrorIs(t, err, run.ErrUpstream)
		require.ErrorContains(t, err, "uses environment network, which must be deployed: it does not exist")
	}
	w.create("network", "net", "v1")
	_, err := s.Deploy(w.ctx, prj, "app-1")
	require.ErrorContains(t, err, "it was never deployed. Deploy it first.")
	r := w.finish(s.Deploy, "network")
	require.Equal(t, run.StatusSucceeded, r.Status, r.Cause())

	plan := w.finish(s.Plan, "app-1")
	require.Equal(t, run.StatusSucceeded, plan.Status, plan.Cause())
	require.Len(t, plan.Steps, 1, "a resource is planned that waits for nothing but what exists")

	r = w.finish(s.Deploy, "app-1")
	require.Equal(t, run.StatusSucceeded, r.Status, r.Cause())
	require.Len(t, r.Steps, 1, "what exists already has no step")
	require.Equal(t, "app", r.Steps[0].Resource)
	out := w.outputs("app-1")["app"]
	require.JSONEq(t, `"vpc-77"`, string(out["vpc"].Value))
	require.JSONEq(t, `"z-1"`, string(out["zone"].Value))
	require.JSONEq(t, `"vpc-77/x"`, string(out["extra"].Value))
	require.False(t, out["vpc"].Sensitive)

	// The secret arrived, and stays one: in the log, and where the module gives it back.
	require.JSONEq(t, `"canary-of-the-network"`, string(out["token"].Value))
	require.True(t, out["token"].Sensitive)
	log := w.log(r, "app")
	require.Contains(t, log, "using vpc-77 with")
	require.NotContains(t, log, "canary")

	// What is used cannot be destroyed, whatever the next deploy of its user would do.
	refused := func() {
		t.Helper()
		_, err := s.Destroy(w.ctx, prj, "network")
		require.ErrorIs(t, err, environment.ErrInUse)
		require.Equal(t, fault.Conflict, fault.KindOf(err))
		require.ErrorContains(t, err, "cannot be destroyed while environment app-1 uses its outputs")
	}
	refused()
	alone := appSpec("network")
	alone.Resources = alone.Resources[1:]
	alone.Variables[0], alone.Variables[1] = expression("vpc", "$('none')$"), expression("token", "$('none')$")
	w.template(prj, "app", "v2", alone)
	v2 := "v2"
	values := []template.Value{}
	_, err = s.Update(w.ctx, prj, "app-1", environment.UpdateInput{Version: &v2, Inputs: &values})
	require.NoError(t, err)
	refused()
	near, err := s.Neighbours(w.ctx, prj, "network")
	require.NoError(t, err)
	require.Equal(t, environment.Neighbours{UsedBy: []string{"app-1"}}, near)

	// A deploy without it sets it free, and so does destroying the user.
	r = w.finish(s.Deploy, "app-1")
	require.Equal(t, run.StatusSucceeded, r.Status, r.Cause())
	near, err = s.Neighbours(w.ctx, prj, "network")
	require.NoError(t, err)
	require.Empty(t, near.UsedBy)
	v1 := "v1"
	_, err = s.Update(w.ctx, prj, "app-1", environment.UpdateInput{Version: &v1})
	require.NoError(t, err)
	r = w.finish(s.Deploy, "app-1")
	require.Equal(t, run.StatusSucceeded, r.Status, r.Cause())
	refused()
	near, err = s.Neighbours(w.ctx, prj, "app-1")
	require.NoError(t, err)
	require.Equal(t, []environment.Neighbour{{Name: "network", Exists: true, Status: environment.StatusDeployed}}, near.Uses)
	r = w.finish(s.Destroy, "app-1")
	require.Equal(t, run.StatusSucceeded, r.Status, r.Cause())
	r = w.finish(s.Destroy, "network")
	require.Equal(t, run.StatusSucceeded, r.Status, r.Cause())
	_, err = s.Deploy(w.ctx, prj, "app-1")
	require.ErrorContains(t, err, "it is destroyed")
	require.NoError(t, s.Delete(w.ctx, prj, "network"))
}

func TestEnvironmentsCannotNeedEachOther(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.network()
		w.application()
		s := w.environments
		w.create("network", "net", "v1")
		w.create("app-1", "app", "v1")
		for _, name := range []string{"network", "app-1"} {
			r := w.finish(s.Deploy, name)
			require.Equal(t, run.StatusSucceeded, r.Status, r.Cause())
		}
		// The network is edited to need the application, which needs the network.
		needing := template.EnvironmentSpec{Resources: []template.Resource{
			{Name: "vpc", Kind: template.KindResourceTemplate, Template: "vpc", Version: "v1", DependsOn: []string{"top"}},
			{Name: "top", Kind: template.KindEnvironment, Environment: "app-1"},
		}}
		w.template(prj, "net", "v2", needing)
		version := "v2"
		_, err := s.Update(w.ctx, prj, "network", environment.UpdateInput{Version: &version})
		require.NoError(t, err)
		_, err = s.Deploy(w.ctx, prj, "network")
		require.ErrorIs(t, err, environment.ErrCycle)
		require.ErrorContains(t, err, "network → app-1 → network")
		needing.Resources[1].Environment = "network"
		w.template(prj, "net", "v3", needing)
		version = "v3"
		_, err = s.Update(w.ctx, prj, "network", environment.UpdateInput{Version: &version})
		require.NoError(t, err)
		_, err = s.Deploy(w.ctx, prj, "network")
		require.ErrorIs(t, err, environment.ErrCycle)
		require.ErrorContains(t, err, "this environment itself")
	})
}

// What is missing is told before anything runs.
func TestDeployChecksWhatItUses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	w.network()
	w.application()
	s := w.environments
	w.create("network", "net", "v1")
	require.Equal(t, run.StatusSucceeded, w.finish(s.Deploy, "network").Status)

	// A developer may use what is there, but not the secrets of a static resource.
	_, err := s.Create(w.ctx, environment.CreateInput{ProjectID: prj, Name: "bad", Template: "app", Version: "v1", Inputs: []template.Value{
		{Name: "extra", ValueType: template.Expression, Value: `$(resource["shared"].output.key)$`},
	}})
	require.ErrorContains(t, err, `resource["shared"].output.key is sensitive, so only the template itself can use it`)
	w.create("app-1", "app", "v1", template.Value{Name: "extra", ValueType: template.Expression, Value: `$(resource["net"].resource["vpc"].output.vpcid)$`})
	_, err = s.Deploy(w.ctx, prj, "app-1")
	require.ErrorIs(t, err, environment.ErrUpstreamOutput)
	require.ErrorContains(t, err, `resource["net"].resource["vpc"].output.vpcid (of environment network)`)
	values := []template.Value{}
	_, err = s.Update(w.ctx, prj, "app-1", environment.UpdateInput{Inputs: &values})
	require.NoError(t, err)

	// So is what a template gets wrong of an environment that is deployed in its own project, when it is saved.
	spec := appSpec("network")
	spec.Variables[0] = expression("vpc", `$(resource["net"].resource["vpc"].output.vpcid)$`)
	problems, err := w.templates.CheckEnvironment(w.author, template.SaveInput{ProjectID: prj, Name: "app", Version: "v9"}, spec)
	require.NoError(t, err)
	require.Len(t, problems, 1)
	require.Equal(t, "spec.variables[0].value", problems[0].Path)
	require.Contains(t, problems[0].Message, `resource "vpc" of environment "network", as it is deployed now, has no output "vpcid"; did you mean "vpc_id"?`)
	spec = appSpec("network")
	spec.Resources[1].Static = "elsewhere"
	_, _, err = w.templates.SaveEnvironment(w.author, template.SaveInput{ProjectID: prj, Name: "app", Version: "v9", State: template.Active}, spec)
	require.ErrorContains(t, err, `spec.resources[1].static: there is no static resource "elsewhere"`)

	// The static resource changed after the template was saved.
	set := func(names ...string) {
		t.Helper()
		var in staticresource.Input
		for _, n := range names {
			in.Variables = append(in.Variables, staticresource.Variable{Name: n, Value: "v"})
		}
		_, _, err := w.statics.Set(w.author, prj, "shared", in)
		require.NoError(t, err)
	}
	set("zones")
	_, err = s.Deploy(w.ctx, prj, "app-1")
	require.ErrorIs(t, err, template.ErrNoStatic)
	require.ErrorContains(t, err, `static resource "shared" has no output "zone"; did you mean "zones"?`)
	require.ErrorIs(t, w.statics.Delete(w.author, prj, "shared"), staticresource.ErrInUse)
	_, err = w.db.ExecContext(t.Context(), `DELETE FROM static_resources WHERE name = 'shared'`)
	require.NoError(t, err)
	_, err = s.Deploy(w.ctx, prj, "app-1")
	require.ErrorIs(t, err, template.ErrNoStatic)
	require.ErrorContains(t, err, `there is no static resource "shared"`)
	set("zone")
	r := w.finish(s.Deploy, "app-1")
	require.Equal(t, run.StatusSucceeded, r.Status, r.Cause())
	require.JSONEq(t, `"v"`, string(w.outputs("app-1")["app"]["zone"].Value))
}

// Between the deploy and its step the other environment may have gone wrong.
func TestStepFailsWhenItsUpstreamHasGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	w.network()
	w.application()
	s := w.environments
	w.create("network", "net", "v1")
	w.create("app-1", "app", "v1")
	require.Equal(t, run.StatusSucceeded, w.finish(s.Deploy, "network").Status)
	require.Equal(t, run.StatusSucceeded, w.finish(s.Deploy, "app-1").Status)
	_, err := w.db.ExecContext(t.Context(), `UPDATE runs SET status = 'failed' WHERE environment_id = $1`, w.get("network").ID)
	require.NoError(t, err)
	_, err = s.Deploy(w.ctx, prj, "app-1")
	require.ErrorContains(t, err, "its last deploy did not succeed. Deploy it again first.")

	// As if the network had failed right after the deploy began.
	_, err = w.db.ExecContext(t.Context(), `UPDATE runs SET status = 'failed' WHERE environment_id = $1`, w.get("app-1").ID)
	require.NoError(t, err)
	_, err = w.db.ExecContext(t.Context(), `UPDATE steps SET status = 'failed'`)
	require.NoError(t, err)
	r := w.finish(s.Retry, "app-1")
	require.Equal(t, run.StatusFailed, r.Status)
	require.True(t, strings.HasPrefix(r.Cause(), "app: This environment uses environment network, which must be deployed: its last deploy did not succeed."), r.Cause())

	// That is no reason to leave things behind.
	r = w.finish(s.Destroy, "app-1")
	require.Equal(t, run.StatusSucceeded, r.Status, r.Cause())
}
