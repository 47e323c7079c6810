package app_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
)

// TestEnvironmentsOutliveTheRepository: what was published is deployed and destroyed with the repository gone.
func TestEnvironmentsOutliveTheRepository(t *testing.T) {
	t.Parallel()
	cfg := withUsers(config(t))
	cfg.AllowLocalGit = true
	s := serve(t, cfg).ready(t)
	c := s.client(t, apptest.Admin)
	code := newRepository(t, leakyModule(t, "app", "token"))
	apply := func(text string) api.Applied {
		out, err := c.Apply(t.Context(), apptest.Project, api.Apply{Documents: []api.DocumentFile{{File: "all.yaml", Text: text}}})
		require.NoError(t, err)
		for _, r := range out.Results {
			require.Nil(t, r.Error, "%v", r.Error)
		}
		return out
	}
	const version = "---\n" + document + "ResourceTemplate\nmetadata: {name: app}\nspec: {version: v1, versionState: active, source: {repository: code, path: app}}\n"
	text := document + "Repository\nmetadata: {name: code}\nspec: {endpoint: \"" + code.url() + "\"}\n" + version + "---\n" +
		environment("  resources: [{name: app, template: app, version: v1}]\n") +
		"---\n" + document + "Environment\nmetadata: {name: made}\nspec: {template: {name: broken, version: v1}}\n"
	apply(text)
	require.NoError(t, os.RemoveAll(code.dir))

	for _, r := range apply(text).Results {
		require.Equal(t, "unchanged", r.Change, r.Name)
	}
	for _, verb := range []string{"plan", "deploy", "destroy"} {
		r, err := c.Start(t.Context(), apptest.Project, "made", verb)
		require.NoError(t, err)
		r, err = c.WatchRun(t.Context(), apptest.Project, "made", r.Number, func(api.Run) {})
		require.NoError(t, err)
		require.Equal(t, "succeeded", r.Status, verb)
	}
	verdict := request(t, http.DefaultClient, http.MethodPost, s.URL()+api.Prefix+"/projects/demo/repositories/code/test", "", "Authorization", "Bearer "+c.Token)
	require.Contains(t, verdict.body, "There is no folder", "it is gone")
}
