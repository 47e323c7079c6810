package web_test

import (
	"net/http"
	"net/url"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/apptest"
)

const repositoriesPath = "/p/demo/settings/repositories"

// TestRepositories adds a repository without script: the connection is tested beside the form, which loses nothing, and
// the secret is never on a page.
func TestRepositories(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Admin)
	v.get(repositoriesPath)
	v.follow("main a", "New Repository")
	typed := url.Values{
		"name": {"infra"}, "description": {"Modules"}, "url": {"http://127.0.0.1:1/infra.git"}, "auth": {"password"}, "username": {"ci"}, "token": {"canary-token"},
	}
	v.submit("Test connection", typed)
	require.Equal(t, http.StatusOK, v.status)
	require.Equal(t, repositoriesPath, v.path())
	require.NotEmpty(t, v.text("#verdict"))
	require.Equal(t, "infra", v.value("name"))
	require.Equal(t, "ci", v.value("username"))
	require.Contains(t, v.text("main"), "Entered, hidden; not saved yet")
	html, err := v.doc.Html()
	require.NoError(t, err)
	require.NotContains(t, html, "canary-token")

	v.submit("Add repository", url.Values{"auth": {"password"}, "url": {"nowhere"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.NotEmpty(t, v.errorAt("url"))
	v.submit("Add repository", url.Values{"auth": {"password"}, "url": {"http://127.0.0.1:1/infra.git"}})
	require.Equal(t, repositoriesPath+"/infra", v.path(), v.text("main"))
	require.Contains(t, v.text("main"), "Set, hidden")
	v.submit("Save", url.Values{"auth": {"password"}, "url": {"http://127.0.0.2:1/infra.git"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status, "a stored secret goes to the host it was given for")
	require.Contains(t, v.errorAt("token"), "again")

	v.get(repositoriesPath + "/new")
	v.submit("Add repository", url.Values{"name": {"infra"}, "url": {"http://127.0.0.1:1/other.git"}, "auth": {"none"}})
	require.Contains(t, v.fieldError("Name"), "There already is")
	v.get(repositoriesPath + "?q=modules")
	require.Contains(t, v.text("main table"), "As ci")

	dir := t.TempDir()
	for _, args := range [][]string{{"init", "-q", "-b", "trunk"}, {"-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "--allow-empty", "-m", "Begin"}, {"tag", "v1"}} {
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	v.get(repositoriesPath + "/new")
	v.submit("Test connection", url.Values{"url": {"file://" + dir}})
	require.Contains(t, v.text("#verdict"), "trunk")
	require.Contains(t, v.text("#verdict"), "1 tag")

	v.get(repositoriesPath + "/infra")
	v.submit("Delete repository", url.Values{"confirm": {"infra"}})
	require.Contains(t, v.text("main"), "No repositories yet")
}
