package web_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/web"
)

var update = flag.Bool("update", false, "write golden files")

// TestAccess lists which role may use which route, and asks the real server: with a role that the table does not grant,
// every route is refused; with one that it does, every page comes.
func TestAccess(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	admin := s.Client(apptest.Admin)
	v := signedIn(t, s, apptest.Developer)
	v.create("n")
	v.submit("Deploy", nil)
	v.awaitStatus("n", "Deployed")
	_, err := admin.Apply(t.Context(), apptest.Project, api.Apply{Documents: []api.DocumentFile{{File: "own.yaml", Text: ownTemplate}}})
	require.NoError(t, err)
	visitors := map[authz.Role]*visitor{}
	for _, role := range authz.ProjectRoles() {
		email := string(role) + "@example.com"
		_, err := admin.CreateUser(t.Context(), api.CreateUser{Email: email, Password: apptest.Password})
		require.NoError(t, err)
		require.NoError(t, admin.Grant(t.Context(), apptest.Project, api.Grant{User: email, Role: string(role)}))
		visitors[role] = signedIn(t, s, email)
	}
	stranger := newVisitor(t, s)
	fill := strings.NewReplacer("{project}", "demo", "{environment}", "n", "{number}", "1", "{tab}", "resources", "{step}/earlier", "b/earlier?before=2",
		"{step}", "b", "{template}/compare", "own/compare", "{template}/manifest", "own/manifest", "{template}/new-version", "own/new-version", "{template}", "own", "{version}", "v1", "{context}", "none", "{resourcetemplate}", "none", "{static}", "none", "{repository}", "none", "{binding}", "none", "{resource}", "b", "{output}", "endpoint", "{variable}", "port", "{$}", "")

	var golden strings.Builder
	for _, rt := range web.Routes() {
		path := fill.Replace(rt.Pattern)
		name := rt.Method + " " + rt.Pattern
		fmt.Fprintf(&golden, "%-4s %-66s %s", rt.Method, rt.Pattern, rt.Permission)
		if rt.Permission == web.Anyone {
			golden.WriteString("\n")
			continue
		}
		switch status := stranger.status1(rt.Method, path); {
		case strings.HasSuffix(path, "/events"):
			require.Equal(t, http.StatusUnauthorized, status, name)
		case rt.Method == http.MethodGet:
			require.Equal(t, http.StatusSeeOther, status, name)
		default:
			require.Equal(t, http.StatusUnauthorized, status, name)
		}
		for _, role := range authz.ProjectRoles() {
			granted := rt.Permission == web.AnyUser || role.Grants(rt.Permission)
			if granted {
				golden.WriteString(" " + string(role))
			}
			if granted && rt.Method == http.MethodPost {
				continue // other tests do
			}
			status := visitors[role].status1(rt.Method, path)
			if !granted {
				require.Equal(t, http.StatusForbidden, status, "%s as %s", name, role)
				continue
			}
			require.Contains(t, []int{http.StatusOK, http.StatusSeeOther, http.StatusNotFound}, status, "%s as %s", name, role)
			require.True(t, status != http.StatusNotFound || strings.Contains(path, "/none"), "%s as %s", name, role)
		}
		golden.WriteString("\n")
	}
	const file = "testdata/routes.golden"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(golden.String()), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), golden.String(), "run the test with -update and read the difference")
}

// ownTemplate is an environment template of the project itself.
const ownTemplate = `
apiVersion: berth.dev/v1
kind: EnvironmentTemplate
metadata: {name: own}
spec:
  version: v1
  versionState: active
  resources:
    - {name: a, kind: resourcetemplate, template: a}
  variables:
    - {name: name, value: "$(environment.name)$", valueType: expression}
`

// status1 is the status of one answer, whose body is left alone and whose redirect is not followed.
func (v *visitor) status1(method, path string) int {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, v.base+path, strings.NewReader("confirm=n"))
	require.NoError(v.t, err)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", v.base)
	}
	client := &http.Client{Jar: v.client.Jar, Transport: v.client.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if strings.HasSuffix(path, "/events") {
		req.Header.Set("Accept", "text/event-stream")
	}
	resp, err := client.Do(req)
	require.NoError(v.t, err, path)
	require.NoError(v.t, resp.Body.Close())
	return resp.StatusCode
}

// TestCrossSite: a page of another site cannot press a button.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Developer)
	v.create("n")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+environmentsPath+"/n/deploy", nil)
	require.NoError(t, err)
	req.Header.Set("Origin", "https://elsewhere.example")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	v.do(req)
	require.Equal(t, http.StatusForbidden, v.status)
	v.get(environmentsPath + "/n")
	require.True(t, v.statusIs(v.doc, "Draft"))
	require.Contains(t, v.header.Get("Content-Security-Policy"), "script-src 'self'")
	require.Equal(t, "no-store", v.header.Get("Cache-Control"))
	html, err := v.doc.Html()
	require.NoError(t, err)
	for _, c := range v.client.Jar.Cookies(req.URL) {
		require.True(t, c.Name != "berth_session" || !strings.Contains(html, c.Value))
	}
}

// TestStreamsEndWithTheServer: a page that is open does not keep the server from shutting down.
func TestStreamsEndWithTheServer(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Developer)
	v.create("n")
	for _, path := range []string{environmentsPath, environmentsPath + "/n"} {
		v.get(path)
		_, stop := v.listen(v.events(), "")
		defer stop()
	}
	begun := time.Now()
	s.Stop()
	require.Less(t, time.Since(begun), 5*time.Second)
}

// TestDeployAsksForWhatIsMissing: a draft may lack inputs; deploying it leads to the fields that are missing.
func TestDeployAsksForWhatIsMissing(t *testing.T) {
	t.Parallel()
	files, ok := apptest.Pair(nil, nil).(fstest.MapFS)
	require.True(t, ok)
	code := files["pair/b/main.tf"]
	code.Data = []byte(strings.Replace(string(code.Data), "default = 80", "", 1))
	s := apptest.Start(t, apptest.Options{Templates: files})
	v := signedIn(t, s, apptest.Developer)
	v.create("n")
	v.submit("Deploy", nil)
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.fieldError("Port"), "is required")
	v.submit("Save", url.Values{"edit.port": {"8080"}})
	require.Equal(t, http.StatusOK, v.status)
	v.submit("Deploy", nil)
	v.awaitStatus("n", "Deployed")
}
