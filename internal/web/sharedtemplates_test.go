package web_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
)

// TestProjectAdminSharesTemplates: the admin of a project sees its templates, drafts too, learns why sharing them is not
// theirs, and shares them once that is delegated, without being able to change them.
func TestProjectAdminSharesTemplates(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	admin := s.Client(apptest.Admin)
	owner := signedIn(t, s, apptest.Admin)
	owner.get(templatesPath + "/new")
	owner.submit("Save draft", wired())
	owner.get(resourcesPath + "/new")
	owner.submit("Save draft", url.Values{"name": {"network"}, "source": {"repository"}, "repository": {"infra"}, "path": {"net"}})
	_, err := admin.CreateUser(t.Context(), api.CreateUser{Email: "lead@example.com", Password: apptest.Password})
	require.NoError(t, err)
	require.NoError(t, admin.Grant(t.Context(), "demo", api.Grant{User: "lead@example.com", Role: "project_admin"}))

	v := signedIn(t, s, "lead@example.com")
	v.get(templatesPath)
	require.Contains(t, v.text("main"), "Draft")
	v.get(resourcesPath)
	require.Contains(t, v.text("main table"), "network")
	pages := map[string]string{"web": templatesPath + "/web", "network": resourcesPath + "/network"}
	for _, path := range pages {
		v.get(path)
		require.Contains(t, v.text("#sharing"), "An Organisation Admin can let the admins of this project share")
		require.Zero(t, v.doc.Find(`main button:contains("Save sharing")`).Length())
	}
	_, err = admin.DelegateSharing(t.Context(), "demo", true)
	require.NoError(t, err)
	for name, path := range pages {
		v.get(path)
		require.Zero(t, v.doc.Find(`main button:contains("Publish"), main button:contains("Delete"), main a:contains("New version")`).Length())
		v.submit("Save sharing", url.Values{"mode": {"all"}})
		require.Contains(t, v.text("main"), name+" is now shared with all projects")
	}
}
