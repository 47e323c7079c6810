package environment_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/runner/runnertest"
)

func TestMain(m *testing.M) { apptest.Main(m) }

func text(s string) *string { return &s }

func create(t *testing.T, c *api.Client, name string, variables ...api.Variable) {
	t.Helper()
	_, err := c.CreateEnvironment(t.Context(), apptest.Project, api.CreateEnvironment{Name: name, Template: "pair", Version: "v1", Variables: variables})
	require.NoError(t, err)
}

// finish starts a run and waits for its end.
func finish(t *testing.T, c *api.Client, name, verb string) api.Run {
	t.Helper()
	r, err := c.Start(t.Context(), apptest.Project, name, verb)
	require.NoError(t, err)
	return await(t, c, name, r.Number)
}

func await(t *testing.T, c *api.Client, name string, number int) api.Run {
	t.Helper()
	r, err := c.WatchRun(t.Context(), apptest.Project, name, number, func(api.Run) {})
	require.NoError(t, err)
	return r
}

func status(t *testing.T, c *api.Client, name string) string {
	t.Helper()
	e, err := c.Environment(t.Context(), apptest.Project, name)
	require.NoError(t, err)
	return e.Status
}

// onBoth runs a test on a server with SQLite and on one with PostgreSQL.
func onBoth(t *testing.T, test func(t *testing.T, databaseURL string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, "")
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, dbtest.PostgresURL(t))
	})
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	onBoth(t, testLifecycle)
}

func testLifecycle(t *testing.T, databaseURL string) {
	c := apptest.Start(t, apptest.Options{DatabaseURL: databaseURL}).Client(apptest.Developer)
	create(t, c, "one", api.Variable{Name: "port", Value: text("8080")})
	require.Equal(t, "draft", status(t, c, "one"))

	r := finish(t, c, "one", "deploy")
	require.Equal(t, "succeeded", r.Status, r.Cause)
	require.Equal(t, "deployed", status(t, c, "one"))
	require.Len(t, r.Steps, 2)
	require.Equal(t, []string{"a", "b"}, []string{r.Steps[0].Resource, r.Steps[1].Resource})
	require.Equal(t, "finished", r.Steps[1].Objects[0].Status)

	outputs, err := c.Outputs(t.Context(), apptest.Project, "one")
	require.NoError(t, err)
	require.JSONEq(t, `"http://127.0.0.1:9/"`, string(outputs["b"]["endpoint"].Value))
	e, err := c.Environment(t.Context(), apptest.Project, "one")
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:9/", e.Endpoint)

	require.Equal(t, "conflict", kindOf(c.DeleteEnvironment(t.Context(), apptest.Project, "one")), "what exists cannot be deleted")
	r = finish(t, c, "one", "destroy")
	require.Equal(t, "succeeded", r.Status, r.Cause)
	require.Equal(t, []string{"b", "a"}, []string{r.Steps[0].Resource, r.Steps[1].Resource}, "in reverse order")
	require.Equal(t, "destroyed", status(t, c, "one"))
	require.NoError(t, c.DeleteEnvironment(t.Context(), apptest.Project, "one"))
	_, err = c.Environment(t.Context(), apptest.Project, "one")
	require.Equal(t, "not_found", kindOf(err))
}

func kindOf(err error) string {
	var refused *api.Error
	if !errors.As(err, &refused) {
		return ""
	}
	switch refused.Status {
	case 403:
		return "forbidden"
	case 404:
		return "not_found"
	case 409, 412:
		return "conflict"
	case 422:
		return "invalid"
	}
	return refused.Title
}

func TestBadInputIsRefusedBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	c := apptest.Start(t, apptest.Options{}).Client(apptest.Developer)
	create(t, c, "taken")
	good := api.CreateEnvironment{Name: "fine", Template: "pair", Version: "v1"}
	for name, tc := range map[string]struct {
		change func(*api.CreateEnvironment)
		field  string
		fix    string
	}{
		"empty name":        {func(in *api.CreateEnvironment) { in.Name = "" }, "name", "Enter a name"},
		"taken name":        {func(in *api.CreateEnvironment) { in.Name = "taken" }, "name", "Choose another"},
		"long name":         {func(in *api.CreateEnvironment) { in.Name = strings.Repeat("a", 41) }, "name", "at most 40"},
		"upper-case name":   {func(in *api.CreateEnvironment) { in.Name = "Ecs" }, "name", "lower-case"},
		"reserved name":     {func(in *api.CreateEnvironment) { in.Name = "new" }, "name", "another name"},
		"unknown template":  {func(in *api.CreateEnvironment) { in.Template = "nope" }, "template", "catalog"},
		"unknown version":   {func(in *api.CreateEnvironment) { in.Version = "v9" }, "version", "choose one of v1"},
		"port no number":    {func(in *api.CreateEnvironment) { in.Variables = variable("port", "eighty") }, "port", "eighty"},
		"port out of range": {func(in *api.CreateEnvironment) { in.Variables = variable("port", "70000") }, "port", "65535"},
		"not allowed":       {func(in *api.CreateEnvironment) { in.Variables = variable("name", "mine") }, "name", "template"},
		"bad JSON": {func(in *api.CreateEnvironment) {
			in.Variables = []api.Variable{{Name: "x", ValueType: "json", Value: text("{")}}
		}, "x", "JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := good
			tc.change(&in)
			_, err := c.CreateEnvironment(t.Context(), apptest.Project, in)
			var refused *api.Error
			require.ErrorAs(t, err, &refused)
			require.NotEmpty(t, refused.Fields, refused.Detail)
			found := false
			for _, f := range refused.Fields {
				found = found || (strings.HasSuffix(f.Location, tc.field) && strings.Contains(f.Message, tc.fix))
			}
			require.True(t, found, "want %s: …%s…, got %v", tc.field, tc.fix, refused.Fields)
			page, err := c.Environments(t.Context(), apptest.Project, api.EnvironmentFilter{Query: "fine"})
			require.NoError(t, err)
			require.Empty(t, page.Items)
		})
	}
}

func variable(name, value string) []api.Variable {
	return []api.Variable{{Name: name, Value: text(value)}}
}

func TestAFailureSaysWhyAndARetryRedoesOnlyThat(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "fixed")
	s := apptest.Start(t, apptest.Options{Templates: apptest.Pair(nil, &runnertest.Script{
		Objects: []runnertest.Object{{Address: "fake_thing.b", Type: "fake_thing", ID: "b-1", Error: "The image cannot be pulled", ErrorUnless: gate}},
	})})
	c := s.Client(apptest.Developer)
	create(t, c, "two")
	r := finish(t, c, "two", "deploy")
	require.Equal(t, "failed", r.Status)
	require.Contains(t, r.Cause, "fake_thing.b")
	require.Contains(t, r.Cause, "The image cannot be pulled")
	require.Equal(t, "failed", status(t, c, "two"))

	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	r = finish(t, c, "two", "retry")
	require.Equal(t, "succeeded", r.Status, r.Cause)
	require.Equal(t, 1, r.Number, "the same run goes on")
	require.Equal(t, 1, r.Steps[0].Attempt, "what had succeeded is not done again")
	require.Equal(t, 2, r.Steps[1].Attempt)
}

func TestWhatAFailedEditLeavesCanStillBeDestroyed(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Templates: apptest.Pair(nil, &runnertest.Script{
		Objects: []runnertest.Object{{Address: "fake_thing.b", Type: "fake_thing", ID: "b-1"}},
		Refuses: map[string]string{"port": "81"}, // whatever is to be done, as OpenTofu does with a value that breaks a rule
	})})
	c := s.Client(apptest.Developer)
	create(t, c, "edited")
	require.Equal(t, "succeeded", finish(t, c, "edited", "deploy").Status)
	vars := variable("port", "81")
	_, err := c.UpdateEnvironment(t.Context(), apptest.Project, "edited", api.UpdateEnvironment{Variables: &vars}, 0)
	require.NoError(t, err)
	require.Equal(t, "failed", finish(t, c, "edited", "deploy").Status)
	r := finish(t, c, "edited", "destroy")
	require.Equal(t, "succeeded", r.Status, r.Cause)
	require.Len(t, r.Steps, 2)
	require.Equal(t, 1, r.Steps[0].Destroyed)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "go")
	s := apptest.Start(t, apptest.Options{Templates: apptest.Pair(&runnertest.Script{
		Objects: []runnertest.Object{{Address: "fake_thing.a", Type: "fake_thing", ID: "a-1", WaitFor: gate}},
	}, nil)})
	c := s.Client(apptest.Developer)
	create(t, c, "three")
	r, err := c.Start(t.Context(), apptest.Project, "three", "deploy")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	canceled := false
	last, err := c.WatchRun(ctx, apptest.Project, "three", r.Number, func(r api.Run) {
		if !canceled && len(r.Steps[0].Objects) > 0 && r.Steps[0].Objects[0].Status == "started" {
			canceled = true
			_, err := c.Cancel(t.Context(), apptest.Project, "three", r.Number)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(gate, nil, 0o600)) // the object in hand is finished first
		}
	})
	require.NoError(t, err)
	require.Equal(t, "canceled", last.Status)
	require.Equal(t, "canceled", last.Steps[1].Status)
	_, err = c.Cancel(t.Context(), apptest.Project, "three", r.Number)
	require.Equal(t, "conflict", kindOf(err))

	r = finish(t, c, "three", "destroy")
	require.Equal(t, "succeeded", r.Status, r.Cause)
}

func TestARestartAdoptsTheRunningStep(t *testing.T) {
	t.Parallel()
	onBoth(t, testRestart)
}

func testRestart(t *testing.T, databaseURL string) {
	gate := filepath.Join(t.TempDir(), "go")
	templates := apptest.Pair(&runnertest.Script{
		Objects: []runnertest.Object{{Address: "fake_thing.a", Type: "fake_thing", ID: "a-1", WaitFor: gate}},
	}, nil)
	s := apptest.Start(t, apptest.Options{Templates: templates, DatabaseURL: databaseURL})
	c := s.Client(apptest.Developer)
	create(t, c, "four")
	r, err := c.Start(t.Context(), apptest.Project, "four", "deploy")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = c.WatchRun(ctx, apptest.Project, "four", r.Number, func(r api.Run) {
		if len(r.Steps[0].Objects) > 0 && r.Steps[0].Objects[0].Status == "started" {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	s.Stop()

	s = apptest.Start(t, apptest.Options{Templates: templates, DataDir: s.DataDir, DatabaseURL: databaseURL})
	c = s.Client(apptest.Developer)
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	r = await(t, c, "four", r.Number)
	require.Equal(t, "succeeded", r.Status, r.Cause)
	require.Equal(t, 1, r.Steps[0].Attempt, "the step was adopted, not started again")
	log, err := c.Log(t.Context(), apptest.Project, "four", r.Number, "a", 0, false)
	require.NoError(t, err)
	content, err := io.ReadAll(log)
	require.NoError(t, err)
	require.NoError(t, log.Close())
	require.Contains(t, string(content), "fake_thing.a")
}

func TestSecretsAreWriteOnly(t *testing.T) {
	t.Parallel()
	const canary = "canary-7f3a9"
	s := apptest.Start(t, apptest.Options{Templates: apptest.Pair(nil, &runnertest.Script{Print: []string{"token is ${var.token}"}})})
	c := s.Client(apptest.Developer)
	create(t, c, "five", api.Variable{Name: "token", Value: text(canary)})
	r := finish(t, c, "five", "deploy")
	require.Equal(t, "succeeded", r.Status, r.Cause)

	e, err := c.Environment(t.Context(), apptest.Project, "five")
	require.NoError(t, err)
	require.True(t, e.Variables[0].Sensitive)
	require.Nil(t, e.Variables[0].Value)
	answer, err := json.Marshal([]any{e, r})
	require.NoError(t, err)
	require.NotContains(t, string(answer), canary)
	log, err := c.Log(t.Context(), apptest.Project, "five", r.Number, "b", 0, false)
	require.NoError(t, err)
	content, err := io.ReadAll(log)
	require.NoError(t, err)
	require.NoError(t, log.Close())
	require.Contains(t, string(content), "token is")
	require.NotContains(t, string(content), canary)

	// An update that was not shown the value keeps it.
	_, err = c.UpdateEnvironment(t.Context(), apptest.Project, "five", api.UpdateEnvironment{Variables: &e.Variables}, e.Revision)
	require.NoError(t, err)
	s.Stop()
	err = filepath.WalkDir(s.DataDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		require.NotContains(t, string(content), canary, path)
		return err
	})
	require.NoError(t, err)
}

func TestRolesAreNamedWhenTheyAreMissing(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	admin := s.Client(apptest.Admin)
	_, err := admin.CreateUser(t.Context(), api.CreateUser{Email: "reader@example.com", Password: apptest.Password})
	require.NoError(t, err)
	require.NoError(t, admin.Grant(t.Context(), apptest.Project, api.Grant{Role: "read_only", User: "reader@example.com"}))
	reader := s.Client("reader@example.com")
	_, err = reader.CreateEnvironment(t.Context(), apptest.Project, api.CreateEnvironment{Name: "no", Template: "pair"})
	require.Equal(t, "forbidden", kindOf(err))
	require.ErrorContains(t, err, "Environment Template User")

	create(t, s.Client(apptest.Developer), "six")
	require.Equal(t, "succeeded", finish(t, s.Client(apptest.Developer), "six", "deploy").Status)
	for _, path := range []string{"environments/six/resources/a/state", "templates/pair/versions/v1/source?resource=a", "contexts"} {
		err := s.Client(apptest.Developer).Get(t.Context(), "/projects/"+apptest.Project+"/"+path)
		require.Equal(t, "forbidden", kindOf(err), path)
	}
	entries, err := admin.Audit(t.Context(), apptest.Project, "refused")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(entries), 4, "each refusal is audited")
	require.NoError(t, admin.Get(t.Context(), "/projects/"+apptest.Project+"/environments/six/resources/a/state"))
}

func TestTwoEditsDoNotOverwriteEachOther(t *testing.T) {
	t.Parallel()
	c := apptest.Start(t, apptest.Options{}).Client(apptest.Developer)
	create(t, c, "seven")
	e, err := c.Environment(t.Context(), apptest.Project, "seven")
	require.NoError(t, err)
	vars := variable("port", "81")
	_, err = c.UpdateEnvironment(t.Context(), apptest.Project, "seven", api.UpdateEnvironment{Variables: &vars}, e.Revision)
	require.NoError(t, err)
	_, err = c.UpdateEnvironment(t.Context(), apptest.Project, "seven", api.UpdateEnvironment{Variables: &vars}, e.Revision)
	require.Equal(t, "conflict", kindOf(err))
}

// The API and its client say the same of following as the service.
func TestFollowingOverTheAPI(t *testing.T) {
	t.Parallel()
	c := apptest.Start(t, apptest.Options{}).Client(apptest.Developer)
	e, err := c.CreateEnvironment(t.Context(), apptest.Project, api.CreateEnvironment{Name: "one", Template: "pair"})
	require.NoError(t, err)
	require.True(t, e.FollowLatest)
	require.Equal(t, "v1", e.Version)
	update := func(in api.UpdateEnvironment) api.Environment {
		t.Helper()
		e, err := c.UpdateEnvironment(t.Context(), apptest.Project, "one", in, 0)
		require.NoError(t, err)
		return e
	}
	yes, no := true, false
	require.True(t, update(api.UpdateEnvironment{Variables: &[]api.Variable{{Name: "port", Value: text("81")}}}).FollowLatest)
	require.False(t, update(api.UpdateEnvironment{Version: text("v1")}).FollowLatest)
	require.True(t, update(api.UpdateEnvironment{Version: text("")}).FollowLatest)
	require.False(t, update(api.UpdateEnvironment{FollowLatest: &no}).FollowLatest)
	require.True(t, update(api.UpdateEnvironment{FollowLatest: &yes}).FollowLatest)
}
