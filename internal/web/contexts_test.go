package web_test

import (
	"bytes"
	"context"
	"mime/multipart"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
)

const contextsPath = "/p/demo/contexts"

// value is what the field of this name in the form holds.
func (v *visitor) value(name string) string {
	v.t.Helper()
	field := v.doc.Find(`main [name="` + name + `"]`).Last()
	require.Equal(v.t, 1, field.Length(), name)
	if field.Is("textarea") {
		return field.Text()
	}
	return field.AttrOr("value", "")
}

// errorAt is what is said beside the field of this name.
func (v *visitor) errorAt(name string) string { return text(v.doc.Find(`[id="f-` + name + `-error"]`)) }

// upload sends a form with a file.
func (v *visitor) upload(path string, form url.Values, field, file string, content []byte) {
	v.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for name, values := range form {
		for _, value := range values {
			require.NoError(v.t, w.WriteField(name, value))
		}
	}
	part, err := w.CreateFormFile(field, file)
	require.NoError(v.t, err)
	_, err = part.Write(content)
	require.NoError(v.t, err)
	require.NoError(v.t, w.Close())
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, v.base+path, &b)
	require.NoError(v.t, err)
	req.Header.Set("Content-Type", w.FormDataContentType())
	req.Header.Set("Origin", v.base)
	v.do(req)
}

// TestContextEditor makes a context without script: rows come and go with what was typed kept, errors stand at their
// cells, and a sensitive value is never on a page again.
func TestContextEditor(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Admin)
	v.get(contextsPath)
	require.Contains(t, v.text("main"), "No contexts yet")
	v.follow("main a", "New Context")

	v.submit("Add environment variable", url.Values{
		"name": {"aws"}, "description": {"Account"}, "env.0.key": {"TOKEN"}, "env.0.value": {"canary-one"}, "env.0.sensitive": {"false", "true"},
	})
	require.Equal(t, "aws", v.value("name"))
	require.Equal(t, "Account", v.value("description"))
	require.Equal(t, "TOKEN", v.value("env.0.key"))
	html, err := v.doc.Html()
	require.NoError(t, err)
	require.NotContains(t, html, "canary-one", "it travels sealed")
	require.Contains(t, v.text("#rows-env"), "Entered, hidden; not saved yet")
	_, focused := v.doc.Find(`[name="env.1.key"]`).Attr("autofocus")
	require.True(t, focused, "the new row has the focus")

	v.submit("Add input variable", url.Values{"env.1.key": {"1X"}, "env.1.value": {"plain"}})
	v.submit("Create context", url.Values{"variables.0.name": {"region"}, "variables.0.value": {"us-west-2"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.errorAt("env.1.key"), "no name for an environment variable")
	require.Equal(t, "plain", v.value("env.1.value"))
	require.Equal(t, "us-west-2", v.value("variables.0.value"))
	v.submit("Remove environment variable 2", nil)
	require.Zero(t, v.doc.Find(`[name="env.1.key"]`).Length())
	v.submit("Create context", nil)
	require.Equal(t, contextsPath+"/aws", v.path(), v.text("main"))
	require.Contains(t, v.text("main"), "aws is saved")
	require.Contains(t, v.text("#rows-env"), "Set, hidden")

	v.follow("main a", "Contexts")
	require.Contains(t, v.text("main table"), "1 environment variable, 1 input variable")
	v.get(contextsPath + "?q=account")
	require.Contains(t, v.text("main table"), "aws")
	v.get(contextsPath + "?q=nothing")
	require.Contains(t, v.text("main"), "No context matches")

	// The same name again is another context's.
	v.get(contextsPath + "/new")
	v.submit("Create context", url.Values{"name": {"aws"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.fieldError("Name"), "There already is")
}

// TestSensitiveContextValues: what is stored stays when nothing is typed, and cannot be made plain unseen.
func TestSensitiveContextValues(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Admin)
	v.get(contextsPath + "/new")
	v.upload(contextsPath, url.Values{
		"name": {"aws"}, "env.0.key": {"TOKEN"}, "env.0.value": {"canary-one"}, "env.0.sensitive": {"true"},
		"files.0.mountPath": {"~/.aws/config"}, "files.0.sensitive": {"false"}, "files.0.content": {"[default]\r\nregion = x\r\n"}, "files.1.sensitive": {"true"},
	}, "files.1.upload", "key.pem", []byte("canary\x00\xff"))
	require.Equal(t, contextsPath+"/aws", v.path(), v.text("main"))
	require.Equal(t, "[default]\nregion = x\n", v.value("files.0.content"))
	require.Equal(t, "key.pem", v.value("files.1.mountPath"), "a file has its own name when none is given")
	html, err := v.doc.Html()
	require.NoError(t, err)
	require.NotContains(t, html, "canary")

	v.submit("Save", url.Values{"env.0.sensitive": {"false"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.errorAt("env.0.value"), "Enter a value")
	require.Contains(t, v.text("#rows-env"), "Set, hidden")
	v.submit("Save", url.Values{"env.0.sensitive": {"false"}, "env.0.value": {"shown"}})
	require.Equal(t, http.StatusOK, v.status)
	require.Equal(t, "shown", v.value("env.0.value"))
	v.submit("Save", url.Values{"env.0.key": {"OTHER"}, "env.0.sensitive": {"true"}, "env.0.value": {""}})
	require.Contains(t, v.errorAt("env.0.value"), "needs a value")

	// Somebody else was faster: nothing is overwritten, nothing is lost.
	other := signedIn(t, s, apptest.Admin)
	other.get(contextsPath + "/aws")
	v.get(contextsPath + "/aws")
	other.submit("Save", url.Values{"description": {"theirs"}})
	require.Contains(t, other.text("main"), "is saved")
	v.submit("Save", url.Values{"description": {"mine"}, "env.0.value": {"typed"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.text("[role=alert]"), "Somebody else changed this context")
	require.Equal(t, "mine", v.value("description"))
	require.Equal(t, "typed", v.value("env.0.value"))
	other.get(contextsPath + "/aws")
	require.Equal(t, "theirs", other.value("description"))
	v.submit("Save", nil)
	require.Equal(t, "mine", v.value("description"), "saved on purpose now")

	v.submit("Delete context", url.Values{"confirm": {"something"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	v.submit("Delete context", url.Values{"confirm": {"aws"}})
	require.Equal(t, contextsPath, v.path())
	require.Contains(t, v.text("main"), "aws is deleted")
}

// TestSharing shares a context, and lets the admins of a project share.
func TestSharing(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	admin := s.Client(apptest.Admin)
	_, err := admin.CreateProject(t.Context(), api.CreateProject{Name: "payments"})
	require.NoError(t, err)
	v := signedIn(t, s, apptest.Admin)
	v.get(contextsPath + "/new")
	v.submit("Create context", url.Values{"name": {"aws"}, "env.0.key": {"REGION"}, "env.0.value": {"x"}})
	v.submit("Save sharing", url.Values{"mode": {"some"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.text("#sharing"), "Choose at least one project")
	id := one(t, v.doc, `input[name="project"]`, "payments").AttrOr("value", "")
	v.submit("Save sharing", url.Values{"mode": {"some"}, "project": {id}})
	require.Contains(t, v.text("main"), "aws is now shared with 1 project")
	v.get("/p/payments/contexts")
	require.Contains(t, v.text("main table"), "from demo")
	v.follow("main a", "aws")
	require.Contains(t, v.text("main"), "It belongs to demo")
	require.Zero(t, v.doc.Find("main button").Length(), "it can be looked at only")

	v.get("/p/demo/settings/sharing")
	v.submit("Save", url.Values{"delegated": {"true"}})
	require.Contains(t, v.text("main"), "The admins of demo may now share")
	_, checked := one(t, v.doc, "input", "The admins of this project, too").Attr("checked")
	require.True(t, checked)

	// Such an admin can look at what the project owns and share it, but not change it.
	v.get("/p/demo/static-resources/new")
	v.submit("Create static resource", url.Values{"name": {"network"}, "variables.0.name": {"id"}, "variables.0.value": {"vpc-1"}})
	_, err = admin.CreateUser(t.Context(), api.CreateUser{Email: "lead@example.com", Password: apptest.Password})
	require.NoError(t, err)
	for _, project := range []string{"demo", "payments"} {
		require.NoError(t, admin.Grant(t.Context(), project, api.Grant{User: "lead@example.com", Role: "project_admin"}))
	}
	v = signedIn(t, s, "lead@example.com")
	for name, path := range map[string]string{"aws": contextsPath + "/aws", "network": "/p/demo/static-resources/network"} {
		v.get(path)
		require.Zero(t, v.doc.Find(`main button:contains("Save"):not(:contains("Save sharing"))`).Length())
		v.submit("Save sharing", url.Values{"mode": {"some"}, "project": {}})
		require.Equal(t, http.StatusUnprocessableEntity, v.status)
		require.Contains(t, v.text("#sharing"), "Choose at least one project")
		v.submit("Save sharing", url.Values{"mode": {"all"}})
		require.Contains(t, v.text("main"), name+" is now shared with all projects")
	}
}

func TestStaticResources(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Admin)
	const path = "/p/demo/static-resources"
	v.get(path)
	v.follow("main a", "New Static Resource")
	v.submit("Create static resource", url.Values{"name": {"network"}, "variables.0.name": {"ids"}, "variables.0.valueType": {"json"}, "variables.0.value": {"[1,"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.NotEmpty(t, v.errorAt("variables.0.value"))
	require.Equal(t, "[1,", v.value("variables.0.value"))
	v.submit("Add variable", url.Values{"variables.0.valueType": {"json"}, "variables.0.value": {"[1]"}})
	v.submit("Create static resource", url.Values{"variables.0.valueType": {"json"}, "variables.1.name": {"token"}, "variables.1.value": {"canary"}, "variables.1.sensitive": {"true"}})
	require.Equal(t, path+"/network", v.path(), v.text("main"))
	require.Contains(t, v.text("#rows-variables"), "Set, hidden")
	v.submit("Save", url.Values{"description": {"The network"}, "variables.0.valueType": {"json"}})
	require.Contains(t, v.text("main"), "network is saved")
	v.get(path)
	require.Contains(t, v.text("main table"), "The network")
	v.get(path + "/network")
	v.submit("Delete static resource", url.Values{"confirm": {"network"}})
	require.Contains(t, v.text("main"), "No static resources yet")
}
