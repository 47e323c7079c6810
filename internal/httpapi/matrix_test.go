package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/httpapi"
	"github.com/berthdev/berth/internal/runner/runnertest"
)

// public lists the routes that need no permission, each with the reason.
var public = map[string]string{
	"POST /sessions":           "it is how one signs in",
	"DELETE /sessions/current": "it ends the caller's own session",
	"GET /me":                  "it shows the caller to themselves",
	"GET /schemas/{kind}":      "it describes the format of documents, and editors do not sign in",
	"POST /apply":              "each document is decided by itself, in the project it names",
	"GET /projects":            "it shows only the projects that the caller has a role in",
}

const nobody = "anonymous"

// withoutRole is a user who is signed in and holds no role.
const withoutRole = "no_role"

// requests maps each route to a request that finds what it names and does nothing, so that the same may be asked as
// every role: what is asked of the environment "busy", which has a run, or of names that are taken, is a conflict.
var requests = map[string]struct{ path, body string }{
	"POST /sessions":                         {"/sessions", `{"email":"admin@example.com","password":"only-for-tests"}`},
	"DELETE /sessions/current":               {"/sessions/current", ""},
	"GET /me":                                {"/me", ""},
	"POST /users":                            {"/users", `{"email":"admin@example.com","password":"long enough for this"}`},
	"PUT /users/{email}/password":            {"/users/somebody@example.com/password", `{"password":"long enough for this"}`},
	"GET /projects":                          {"/projects", ""},
	"POST /projects":                         {"/projects", `{"name":"demo"}`},
	"POST /grants":                           {"/grants", `{"user":"admin@example.com","role":"organisation_admin"}`},
	"POST /projects/{}/grants":               {"/projects/demo/grants", `{"user":"somebody@example.com","role":"read_only"}`},
	"GET /projects/{}/audit":                 {"/projects/demo/audit", ""},
	"GET /projects/{}/templates":             {"/projects/demo/templates", ""},
	"POST /projects/{}/apply":                {"/projects/demo/apply", `{"documents":[]}`},
	"GET /projects/{}/manifests/{}":          {"/projects/demo/manifests/environments", ""},
	"GET /projects/{}/manifests/{}/{}":       {"/projects/demo/manifests/Environment/kept", ""},
	"DELETE /projects/{}/manifests/{}/{}":    {"/projects/demo/manifests/environment/busy", ""},
	"POST /apply":                            {"/apply", `{"documents":[]}`},
	"GET /users":                             {"/users", ""},
	"PUT /projects/{}/sharing-delegation":    {"/projects/demo/sharing-delegation", `{"delegated":false}`},
	"GET /projects/{}/members":               {"/projects/demo/members", ""},
	"GET /projects/{}/contexts/{}":           {"/projects/demo/contexts/own", ""},
	"DELETE /projects/{}/contexts/{}":        {"/projects/demo/contexts/gone", ""},
	"POST /projects/{}/sources":              {"/projects/demo/sources", moduleArchive},
	"GET /projects/{}/sources/{}":            {"/projects/demo/sources/" + moduleDigest, ""},
	"POST /projects/{}/sources/read":         {"/projects/demo/sources/read", `{"source":{"upload":"` + moduleDigest + `"}}`},
	"POST /projects/{}/repositories/{}/test": {"/projects/demo/repositories/nowhere/test", ""},
	"POST /projects/{}/resource-templates/{}/versions/{}/state":    {"/projects/demo/resource-templates/own/versions/v1/state", `{"state":"active"}`},
	"GET /projects/{}/resource-templates/{}/versions/{}/source":    {"/projects/demo/resource-templates/own/versions/v1/source", ""},
	"GET /projects/{}/resource-templates/{}/compare":               {"/projects/demo/resource-templates/own/compare?from=v1&to=v1", ""},
	"GET /projects/{}/resource-templates/{}/users":                 {"/projects/demo/resource-templates/own/users", ""},
	"POST /projects/{}/environment-templates/{}/versions/{}/state": {"/projects/demo/environment-templates/own/versions/v1/state", `{"state":"active"}`},
	"GET /projects/{}/environment-templates/{}/compare":            {"/projects/demo/environment-templates/own/compare?from=v1&to=v1", ""},
	"GET /projects/{}/environment-templates/{}/users":              {"/projects/demo/environment-templates/own/users", ""},
	"GET /projects/{}/manifests/{}/{}/sharing":                     {"/projects/demo/manifests/config-contexts/own/sharing", ""},
	"PUT /projects/{}/manifests/{}/{}/sharing":                     {"/projects/demo/manifests/config-contexts/own/sharing", `{"projects":[]}`},
	"GET /schemas/{kind}":                                          {"/schemas/EnvironmentTemplate", ""},
	"GET /projects/{}/contexts":                                    {"/projects/demo/contexts", ""},
	"PUT /projects/{}/contexts/{}":                                 {"/projects/demo/contexts/mine", `{"name":"mine"}`},
	"GET /projects/{}/environments":                                {"/projects/demo/environments", ""},
	"POST /projects/{}/environments": {
		"/projects/demo/environments", `{"name":"busy","template":"pair","version":"v1"}`,
	},
	"GET /projects/{}/templates/{}/versions/{}":           {"/projects/demo/templates/pair/versions/v1", ""},
	"POST /projects/{}/templates/{}/versions/{}/validate": {"/projects/demo/templates/pair/versions/v1/validate", `{"variables":[]}`},
	"GET /projects/{}/templates/{}/versions/{}/source":    {"/projects/demo/templates/pair/versions/v1/source?resource=a", ""},
	"GET /projects/{}/environments/{}":                    {"/projects/demo/environments/kept", ""},
	"PATCH /projects/{}/environments/{}":                  {"/projects/demo/environments/kept", `{}`},
	"DELETE /projects/{}/environments/{}":                 {"/projects/demo/environments/busy", ""},
	"POST /projects/{}/environments/{}/deploy":            {"/projects/demo/environments/busy/deploy", ""},
	"POST /projects/{}/environments/{}/plan":              {"/projects/demo/environments/busy/plan", ""},
	"POST /projects/{}/environments/{}/retry":             {"/projects/demo/environments/busy/retry", ""},
	"POST /projects/{}/environments/{}/destroy":           {"/projects/demo/environments/busy/destroy", ""},
	"GET /projects/{}/environments/{}/outputs":            {"/projects/demo/environments/kept/outputs", ""},
	"GET /projects/{}/environments/{}/resources/{}/state": {"/projects/demo/environments/kept/resources/a/state", ""},
	"GET /projects/{}/environments/{}/runs":               {"/projects/demo/environments/kept/runs", ""},
	"GET /projects/{}/environments/{}/runs/{}":            {"/projects/demo/environments/kept/runs/1", ""},
	"GET /projects/{}/environments/{}/runs/{}/plan":       {"/projects/demo/environments/kept/runs/1/plan", ""},
	"POST /projects/{}/environments/{}/runs/{}/cancel":    {"/projects/demo/environments/kept/runs/1/cancel", ""},
	"GET /projects/{}/environments/{}/runs/{}/log":        {"/projects/demo/environments/kept/runs/1/log?resource=a", ""},
	"GET /projects/{}/environments/{}/runs/{}/events":     {"/projects/demo/environments/kept/runs/1/events", ""},
}

// matrix is a server with a user for each role, the deployed environment "kept" and "busy", which has a run.
type matrix struct {
	server *apptest.Server
	busy   api.Run
	admin  *api.Client
	// token of the user who holds a role
	tokens map[string]string
}

func setup(t *testing.T) matrix {
	t.Helper()
	gate := filepath.Join(t.TempDir(), "go")
	m := matrix{tokens: map[string]string{nobody: ""}}
	m.server = apptest.Start(t, apptest.Options{Templates: apptest.Pair(nil, &runnertest.Script{
		Objects: []runnertest.Object{{Address: "fake_thing.b", Type: "fake_thing", ID: "b-1", WaitFor: gate}},
	})})
	m.admin = m.server.Client(apptest.Admin)
	m.tokens[string(authz.OrganisationAdmin)] = m.admin.Token
	addUser := func(name string) string {
		email := name + "@example.com"
		_, err := m.admin.CreateUser(t.Context(), api.CreateUser{Email: email, Password: apptest.Password})
		require.NoError(t, err)
		return email
	}
	author(t, m.admin)
	addUser("somebody")
	require.NoError(t, m.admin.Grant(t.Context(), apptest.Project, api.Grant{Role: "read_only", User: "somebody@example.com"}))
	for _, role := range authz.ProjectRoles() {
		email := addUser(string(role))
		require.NoError(t, m.admin.Grant(t.Context(), apptest.Project, api.Grant{Role: string(role), User: email}))
		m.tokens[string(role)] = m.server.Client(email).Token
	}
	email := addUser(string(authz.OrganisationReadOnly))
	require.NoError(t, m.admin.Grant(t.Context(), "", api.Grant{Role: string(authz.OrganisationReadOnly), User: email}))
	m.tokens[string(authz.OrganisationReadOnly)] = m.server.Client(email).Token
	m.tokens[withoutRole] = m.server.Client(addUser(withoutRole)).Token

	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	create(t, m.admin, "kept")
	require.Equal(t, "succeeded", finish(t, m.admin, "kept", "deploy").Status)
	require.NoError(t, os.Remove(gate))
	create(t, m.admin, "busy")
	var err error
	m.busy, err = m.admin.Start(t.Context(), apptest.Project, "busy", "deploy")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, os.WriteFile(gate, nil, 0o600))
		_, err := m.admin.WatchRun(context.WithoutCancel(t.Context()), apptest.Project, "busy", m.busy.Number, func(api.Run) {})
		require.NoError(t, err)
	})
	return m
}

// ask calls a route as a role and says how it was answered.
func (m matrix) ask(t *testing.T, rt httpapi.Route, role string) string {
	t.Helper()
	request, ok := requests[shape(rt)]
	require.True(t, ok, "add a request for %s %s", rt.Method, rt.Path)
	c := &api.Client{URL: m.server.URL, Token: m.tokens[role]}
	if shape(rt) == "DELETE /projects/{}/contexts/{}" { // each deletes one of their own
		_, err := m.admin.SetContext(t.Context(), apptest.Project, api.Context{Name: "gone"})
		require.NoError(t, err)
	}
	if rt.Path == "/sessions/current" && role != nobody { // the session must not be one that is needed again
		email := role + "@example.com"
		if role == string(authz.OrganisationAdmin) {
			email = apptest.Admin
		}
		c = m.server.Client(email)
	}
	a := call(t, c, rt.Method, request.path, request.body)
	switch a.status {
	case http.StatusUnauthorized:
		require.Equal(t, "unauthenticated", a.problem(t).Code)
		return "unauthenticated"
	case http.StatusForbidden:
		e := a.problem(t)
		require.Equal(t, "forbidden", e.Code)
		require.Contains(t, e.Detail, "Ask a", "it says whom to ask")
		return "forbidden"
	case http.StatusOK, http.StatusCreated, http.StatusNoContent:
	default:
		require.Equal(t, http.StatusConflict, a.status, "%s %s as %s: %s", rt.Method, request.path, role, a.body)
		require.NotEmpty(t, a.problem(t).Code)
	}
	return "allowed"
}

func shape(rt httpapi.Route) string {
	path := rt.Path
	if rest, ok := strings.CutPrefix(path, "/projects/{project}"); ok {
		for part := range strings.SplitSeq(rest, "/") {
			if strings.HasPrefix(part, "{") {
				rest = strings.Replace(rest, part, "{}", 1)
			}
		}
		path = "/projects/{}" + rest
	}
	return rt.Method + " " + path
}

// want says how a route must answer a role, from the permission that it declares.
func want(rt httpapi.Route, role string) string {
	switch {
	case rt.Permission == httpapi.Anyone:
		return "allowed"
	case role == nobody:
		return "unauthenticated"
	case rt.Permission == httpapi.AnyUser, shape(rt) == "GET /projects":
		return "allowed"
	}
	r := authz.Role(role)
	inOrganisation := !strings.Contains(rt.Path, "{project}")
	if r.Grants(rt.Permission) && (!inOrganisation || !r.InProject()) {
		return "allowed"
	}
	return "forbidden"
}

func TestEveryRouteAnswersEveryRoleAsItsPermissionSays(t *testing.T) {
	t.Parallel()
	m := setup(t)
	roles := []string{nobody, withoutRole}
	for _, role := range slices.Backward(authz.Roles()) {
		roles = append(roles, string(role))
	}
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "route\tpermission\t"+strings.Join(roles, "\t"))
	for _, rt := range httpapi.Routes() {
		row := []string{rt.Method + " " + rt.Path, string(rt.Permission)}
		for _, role := range roles {
			got := m.ask(t, rt, role)
			require.Equal(t, want(rt, role), got, "%s %s as %s", rt.Method, rt.Path, role)
			row = append(row, got)
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	require.NoError(t, w.Flush())
	golden(t, "testdata/authorisation.golden", []byte(out.String()))
}

func TestEveryRouteDeclaresAPermission(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, rt := range httpapi.Routes() {
		name := shape(rt)
		listed[name] = true
		if slices.Contains(authz.Permissions(), rt.Permission) {
			continue
		}
		require.Contains(t, []authz.Permission{httpapi.Anyone, httpapi.AnyUser}, rt.Permission, name)
		require.NotEmpty(t, public[name], "%s needs no permission: say in the test why", name)
	}
	for name := range requests {
		require.True(t, listed[name], "%s is no route any more", name)
	}
	for name := range public {
		require.True(t, listed[name], "%s is no route any more", name)
	}
}
