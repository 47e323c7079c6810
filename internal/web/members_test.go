package web_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/apptest"
)

func TestMembers(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Admin)
	const path = "/p/demo/settings/members"
	v.get(path)
	v.submit("Give role", url.Values{"holder": {"nobody@example.com"}, "role": {"project_admin"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.NotEmpty(t, v.fieldError("User or group"))
	require.Equal(t, "nobody@example.com", v.value("holder"))
	v.submit("Give role", url.Values{"holder": {apptest.Developer}, "role": {"project_admin"}})
	require.Equal(t, http.StatusOK, v.status)
	require.Contains(t, v.text("main table"), "Project Admin")
	v.get(path + "?q=developer")
	remove := one(t, v.doc, "summary", "Remove the role Project Admin of "+apptest.Developer)
	v.post(remove.Closest("details").Find("form").AttrOr("action", ""), nil)
	require.Contains(t, v.text("main"), "taken away")
	require.NotContains(t, v.text("main table"), "Project Admin")
}
