package app

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/runner/runnertest"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/tofu"
	"github.com/berthdev/berth/templates"
)

// What was published needs its repository no more: environments are made, deployed, changed and destroyed without it, also
// by a server that was started since. And it stays as long as an environment needs it.
func TestEnvironmentsOutliveTheRepositoryOfTheirTemplate(t *testing.T) {
	t.Parallel()
	repo := gitRepository(t)
	cfg := DefaultConfig()
	cfg.DataDir, cfg.Addr = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0"
	cfg.Toolchain = tofu.Config{TofuPath: runnertest.FakeTofu(t), Providers: tofu.ProvidersFromRegistry, NoDownload: true, NoBuild: true}
	cfg.Logger, cfg.AllowLocalGit = slog.New(slog.DiscardHandler), true
	cfg.Dev = &DevConfig{Password: "only-for-tests", Templates: templates.Files, Say: func(string, ...any) {}}

	var projectID string
	var developer context.Context
	system := authz.WithSubject(t.Context(), authz.System("test"))
	during(t, cfg, func(a *App) {
		p, err := a.projects.Get(system, devProject)
		require.NoError(t, err)
		projectID, developer = string(p.ID), subjectOf(t, a, projectID)
		_, _, err = a.repositories.Set(system, projectID, "infra", repository.Input{URL: "file://" + repo})
		require.NoError(t, err)
		v, _, err := a.templates.SaveResource(system, template.SaveInput{ProjectID: projectID, Name: "thing", Version: "v1", State: template.Active},
			template.ResourceSpec{Source: template.Source{Repository: "infra", Path: "modules/thing"}})
		require.NoError(t, err)
		require.Empty(t, v.Problems)
		require.False(t, v.Spec.Bundle.Incomplete)
		_, _, err = a.templates.SaveEnvironment(system, template.SaveInput{ProjectID: projectID, Name: "things", Version: "v1", State: template.Active},
			template.EnvironmentSpec{Resources: []template.Resource{{Name: "thing", Kind: template.KindResourceTemplate, Template: "thing", Version: "v1"}}})
		require.NoError(t, err)
	})
	require.NoError(t, os.RemoveAll(repo))
	require.NoError(t, os.RemoveAll(filepath.Join(cfg.DataDir, "bundles")), "the unpacked copies")

	during(t, cfg, func(a *App) {
		_, err := a.environments.Create(developer, environment.CreateInput{ProjectID: projectID, Name: "one", Template: "things"})
		require.NoError(t, err)
		_, err = a.environments.Deploy(developer, projectID, "one")
		require.NoError(t, err)
		a.becomes(t, developer, projectID, "one", environment.StatusDeployed)

		_, err = a.templates.Collect(system)
		require.NoError(t, err)
		err = a.templates.DeleteEnvironment(system, projectID, "things", "v1")
		require.ErrorIs(t, err, template.ErrInUse)
		require.ErrorContains(t, err, "environment one of project demo")
		users, err := a.templates.EnvironmentUsers(system, projectID, "things")
		require.NoError(t, err)
		require.Len(t, users["v1"], 1)
		require.Equal(t, "deployed", users["v1"][0].Status)

		_, err = a.environments.Destroy(developer, projectID, "one")
		require.NoError(t, err)
		a.becomes(t, developer, projectID, "one", environment.StatusDestroyed)
		require.ErrorContains(t, a.templates.DeleteEnvironment(system, projectID, "things", ""), "which is destroyed but not deleted")
		require.NoError(t, a.environments.Delete(developer, projectID, "one"))
		require.NoError(t, a.templates.DeleteEnvironment(system, projectID, "things", ""))
		require.NoError(t, a.templates.DeleteResource(system, projectID, "thing", ""))
	})
}

// during runs a server while fn works with it.
func during(t *testing.T, cfg Config, fn func(a *App)) {
	t.Helper()
	a, err := New(t.Context(), cfg)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	defer func() {
		stop()
		require.NoError(t, <-done)
	}()
	for _, m := range []*milestone{&a.ready.tools, &a.ready.data} {
		select {
		case <-m.ch:
		case <-time.After(15 * time.Second):
			require.FailNow(t, "the server did not become ready")
		}
	}
	fn(a)
}

func subjectOf(t *testing.T, a *App, projectID string) context.Context {
	t.Helper()
	var id string
	require.NoError(t, a.db.QueryRowContext(t.Context(), "SELECT id FROM users WHERE email = $1", devDeveloper).Scan(&id))
	return authz.WithSubject(t.Context(), authz.Subject{Kind: authz.User, UserID: id, Email: devDeveloper, Bindings: []authz.Binding{
		{ProjectID: projectID, ProjectName: devProject, Role: authz.EnvironmentTemplateUser},
	}})
}

func (a *App) becomes(t *testing.T, ctx context.Context, projectID, name string, want environment.Status) {
	t.Helper()
	require.Eventually(t, func() bool {
		e, err := a.environments.Get(ctx, projectID, name)
		require.NoError(t, err)
		require.NotEqual(t, environment.StatusFailed, e.Status)
		return e.Status == want
	}, 30*time.Second, 10*time.Millisecond)
}

func gitRepository(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "infra")
	script := runnertest.Script{Objects: []runnertest.Object{{Address: "fake_thing.a", Type: "fake_thing", ID: "a-1"}}}
	files := script.Files()
	files["main.tf"] = "variable \"size\" {\n  default = 1\n}\n"
	for name, text := range files {
		path := filepath.Join(dir, "modules", "thing", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"commit", "-q", "-m", "Add a thing"}} {
		args = append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)
		out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return dir
}
