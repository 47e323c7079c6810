package environment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/runner/runnertest"
	"github.com/berthdev/berth/internal/template"
)

// sized publishes a version of the template "box", whose input "size" is one of the choices.
func (w *world) sized(version string, choices ...string) {
	w.template("prj_platform", "box", version, template.EnvironmentSpec{
		Resources: []template.Resource{{Name: "box", Kind: template.KindResourceTemplate, Template: "box", Version: "v1"}},
		Variables: []template.Variable{{Name: "size", Options: template.Options{Override: template.Override{Type: template.Restricted, RestrictedValues: choices}}}},
	})
}

func TestFollowingTheLatestVersion(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, testFollowing)
}

func testFollowing(t *testing.T, d *db.DB) {
	w := newWorld(t, d)
	s := w.environments
	w.module("prj_platform", "box", "variable \"size\" {\n  type = string\n}\n", runnertest.Script{Objects: object("box")})
	w.sized("v1", "small", "big")
	size := template.Value{Name: "size", Value: "small"}
	require.True(t, w.create("follows", "box", "", size).FollowLatest)
	require.False(t, w.create("stays", "box", "v1", size).FollowLatest)

	w.sized("v2", "small", "huge")
	w.finish(s.Plan, "follows")
	require.Equal(t, "v1", w.get("follows").Template.Version, "a plan changes nothing")
	for name, want := range map[string]string{"follows": "v2", "stays": "v1"} {
		require.Equal(t, run.StatusSucceeded, w.finish(s.Deploy, name).Status)
		require.Equal(t, want, w.get(name).Template.Version, name)
		require.Equal(t, w.get(name).Template.VersionID, w.get(name).DeployedVersionID, name)
	}

	// A version that does not fit is refused, with the input and a way out.
	w.sized("v3", "big", "huge")
	_, err := s.Deploy(w.ctx, prj, "follows")
	require.ErrorIs(t, err, environment.ErrLatest)
	require.ErrorContains(t, err, "latest version v3 does not take its inputs as they are: size: must be one of big, huge")
	require.ErrorContains(t, err, "or name version v2 to stay with it")
	v2, yes, no := "v2", true, false
	e, err := s.Update(w.ctx, prj, "follows", environment.UpdateInput{Version: &v2})
	require.NoError(t, err)
	require.False(t, e.FollowLatest)
	require.Equal(t, run.StatusSucceeded, w.finish(s.Deploy, "follows").Status)
	require.Equal(t, "v2", w.get("follows").Template.Version)

	// Following begins with an edit that fits, and an edit of inputs alone changes nothing of it.
	_, err = s.Update(w.ctx, prj, "follows", environment.UpdateInput{FollowLatest: &yes})
	require.ErrorContains(t, err, "size: must be one of big, huge")
	_, err = s.Update(w.ctx, prj, "follows", environment.UpdateInput{FollowLatest: &yes, Version: &v2})
	require.ErrorContains(t, err, "both at once is not possible")
	values := []template.Value{{Name: "size", Value: "huge"}}
	e, err = s.Update(w.ctx, prj, "follows", environment.UpdateInput{FollowLatest: &yes, Inputs: &values})
	require.NoError(t, err)
	require.True(t, e.FollowLatest)
	require.Equal(t, "v3", e.Template.Version)
	e, err = s.Update(w.ctx, prj, "follows", environment.UpdateInput{Inputs: &values})
	require.NoError(t, err)
	require.True(t, e.FollowLatest)

	// With no active version left, both go on with what they have.
	for _, v := range []string{"v1", "v2", "v3"} {
		require.NoError(t, w.templates.SetEnvironmentState(w.author, "prj_platform", "box", v, template.Disabled))
	}
	for name, want := range map[string]string{"follows": "v3", "stays": "v1"} {
		require.Equal(t, run.StatusSucceeded, w.finish(s.Deploy, name).Status, name)
		require.Equal(t, want, w.get(name).Template.Version, name)
	}
	e, err = s.Update(w.ctx, prj, "follows", environment.UpdateInput{FollowLatest: &no})
	require.NoError(t, err)
	require.False(t, e.FollowLatest)
	require.Equal(t, "v3", e.Template.Version)
}

// A template of the same name that the project makes for itself later is another template.
func TestFollowingStaysWithItsTemplate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	w.module("prj_platform", "box", "variable \"size\" {\n  type = string\n}\n", runnertest.Script{Objects: object("box")})
	w.sized("v1", "small")
	first := w.create("one", "box", "", template.Value{Name: "size", Value: "small"})
	w.module(prj, "box", "variable \"size\" {\n  type = string\n}\n", runnertest.Script{Objects: object("box")})
	w.template(prj, "box", "v9", template.EnvironmentSpec{Resources: []template.Resource{{Name: "box", Kind: template.KindResourceTemplate, Template: "box", Version: "v1"}}})
	require.Equal(t, run.StatusSucceeded, w.finish(w.environments.Deploy, "one").Status)
	require.Equal(t, first.Template, w.get("one").Template)
}
