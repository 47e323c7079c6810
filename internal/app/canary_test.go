package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/app"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/runner"
)

// TestSecretsAreNowhere puts a secret into every place that takes one, does what people do, and looks for the secrets in
// everything that the server answers, logs and keeps.
//
// Secrets are in three answers, which this test asks for and expects them in, for those alone whose permission they need:
// the state of a resource, the outputs of an environment, and one output that is revealed on a page. Steps have them in
// their private folder and environment while they run; what is left of these folders is searched here.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	n := newNest(t)
	n.plant()
	n.refuse()
	n.misuse()
	n.deploy()
	n.walk()
	n.whoMaySee()
	n.look("log of the server", n.log.bytes())
	path := filepath.Join(n.dataDir, "berth.db")
	n.contains(dump(t, path), "known-1", "a plain value")
	n.look("database", dump(t, path))
	files(t, n.dataDir, func(name string, content []byte) { n.look("file "+name, content) })
	n.stop()
	files(t, n.dataDir, func(name string, content []byte) { n.look("file after the end "+name, content) })
	n.look("log of the server", n.log.bytes())
	require.Greater(t, n.looked, 500)
}

// nest is a server with secrets in it, and the people who use it.
type nest struct {
	canaries
	t       *testing.T
	log     *lockedBuffer
	dataDir string
	stop    func()
	replace *strings.Replacer
	admin   person
	people  []person
	client  *api.Client
	digest  string // of an upload
	looked  int
}

func newNest(t *testing.T) *nest {
	t.Helper()
	n := &nest{t: t, log: &lockedBuffer{}, canaries: canaries{map[string]string{}, map[string][]string{}}}
	cfg := withUsers(config(t))
	cfg.AllowLocalGit = true
	cfg.Logger = slog.New(slog.NewJSONHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Dev.Say = func(format string, args ...any) { _, _ = fmt.Fprintf(n.log, format+"\n", args...) }
	a, err := app.New(t.Context(), cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	n.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-done)
		}
	}
	t.Cleanup(n.stop)
	s := serving{App: a}.ready(t)
	n.dataDir, n.client = cfg.DataDir, s.client(t, apptest.Admin)

	code := newRepository(t, leakyModule(t, "app", "token", "from_context", "from_resource", "from_template", "from_static", "from_words", "from_input"))
	code.commit(leakyModule(t, "next", "from_output"))
	locked, certificate := lockedServer(t)
	quote := func(s string) string {
		b, err := json.Marshal(s)
		require.NoError(t, err)
		return string(b)
	}
	n.replace = strings.NewReplacer("CODE", code.url(), "LOCKED", locked, "CERTIFICATE", quote(certificate),
		"PRIVATEKEY", quote(n.key(t, "key", n.secret("passphrase"))))

	upload, err := n.client.Upload(t.Context(), apptest.Project, archive(t, leakyModule(t, "app", "token")))
	require.NoError(t, err)
	n.digest = upload.Digest
	n.admin = newPerson(t, a.URL(), apptest.Admin, authz.OrganisationAdmin)
	n.people = []person{n.admin, newPerson(t, a.URL(), apptest.Developer, authz.EnvironmentTemplateUser), newPerson(t, a.URL(), "", "")}
	for _, role := range authz.ProjectRoles() {
		email := string(role) + "@example.com"
		_, err := n.client.CreateUser(t.Context(), api.CreateUser{Email: email, Password: apptest.Password})
		require.NoError(t, err)
		require.NoError(t, n.client.Grant(t.Context(), apptest.Project, api.Grant{User: email, Role: string(role)}))
		n.people = append(n.people, newPerson(t, a.URL(), email, role))
	}
	return n
}

// look fails where a secret is in a text.
func (n *nest) look(where string, text []byte) {
	n.t.Helper()
	n.looked++
	for _, place := range n.find(text) {
		n.t.Errorf("%s holds the secret of %q: %s", where, place, n.around(string(text), place))
	}
}

// around is what stands beside the first mark of a secret.
func (n *nest) around(text, place string) string {
	for _, m := range n.marks[place] {
		for _, s := range spellings(m) {
			if at := strings.Index(text, s); at >= 0 {
				return fmt.Sprintf("%q", text[max(0, at-80):min(len(text), at+len(s)+60)])
			}
		}
	}
	return ""
}

func (n *nest) contains(text []byte, part, why string) {
	n.t.Helper()
	require.Contains(n.t, string(text), part, why)
}

func (n *nest) document(text string) string { return n.fill(n.t, n.replace.Replace(text)) }

// apply sends documents as a person does and looks at the answer.
func (n *nest) apply(who person, file, text string, dry bool) (answer, api.Applied) {
	n.t.Helper()
	body, err := json.Marshal(api.Apply{DryRun: dry, Documents: []api.DocumentFile{{File: file, Text: n.document(text)}}})
	require.NoError(n.t, err)
	a := who.send(http.MethodPost, api.Prefix+"/projects/demo/apply", "application/json", string(body))
	n.look("applying "+file, a.text())
	require.Less(n.t, a.status, 500, a.body)
	var out api.Applied
	if a.status == http.StatusOK {
		require.NoError(n.t, json.Unmarshal([]byte(a.body), &out))
	}
	return a, out
}

// plant applies all documents: as a dry run, for good, again, and by somebody who may not.
func (n *nest) plant() {
	n.t.Helper()
	for _, dry := range []bool{true, false, false} {
		a, out := n.apply(n.admin, "planted.yaml", plantedDocuments, dry)
		require.Equal(n.t, http.StatusOK, a.status, a.body)
		for _, r := range out.Results {
			require.True(n.t, r.Error == nil || dry, "%s %s: %v", r.Kind, r.Name, r.Error)
		}
	}
	for _, dry := range []bool{true, false} {
		a, _ := n.apply(n.admin, "foreign.yaml", foreignDocuments, dry)
		require.Equal(n.t, http.StatusOK, a.status, a.body)
		_, _ = n.apply(n.people[1], "planted.yaml", plantedDocuments, dry)
	}
	for _, kind := range []string{"ConfigContext", "Repository", "StaticResource"} {
		_, err := n.client.Manifest(n.t.Context(), apptest.Project, kind, "foreign", "")
		require.NoError(n.t, err, "there is a foreign %s", kind)
	}
	_, err := n.client.Environment(n.t.Context(), apptest.Project, "foreign-1")
	require.NoError(n.t, err)
}

// refuse applies what is wrong near a secret.
func (n *nest) refuse() {
	n.t.Helper()
	for name, text := range refusedDocuments() {
		for _, dry := range []bool{true, false} {
			a, out := n.apply(n.admin, name+".yaml", text, dry)
			if a.status == http.StatusOK {
				require.True(n.t, strings.HasPrefix(name, "foreign ") || len(out.Results) > 0, name)
				for _, r := range out.Results {
					require.True(n.t, r.Error != nil || strings.HasPrefix(name, "foreign "), "%s is accepted", name)
				}
			}
		}
	}
}

// misuse sends bodies and forms that are wrong near a secret.
func (n *nest) misuse() {
	n.t.Helper()
	const environments, form = api.Prefix + "/projects/demo/environments", "/p/demo"
	for path, body := range map[string]string{
		environments:              `{"name": 5, "template": "app", "variables": [{"name": "token", "value": {"a": ((api-type))}}]}`,
		environments + "?x=1":     `{"name": "Not A Name", "template": "app", "variables": [{"name": "token", "value": ((api-name))}]}`,
		environments + "?x=2":     `{"name": "x", "template": "app", "variables": [{"name": "token", "value": ((api-broken))`,
		environments + "?x=3":     `{"name": "x", "template": "app", "variables": [{"name": "token", "valeu": ((api-field))}]}`,
		environments + "?x=4":     `{"name": "x", "template": "app", "version": "v1", "variables": [{"name": "token", "value_type": "hcl", "value": "{ [[api-hcl]]"}]}`,
		environments + "?x=5":     `{"name": "x", "template": "app", "version": "v1", "variables": [{"name": "token", "value": ((api-input))}, {"name": "count_of_it", "value": "many"}]}`,
		api.Prefix + "/sessions":  `{"email": "admin@example.com", "password": ((api-password))}`,
		api.Prefix + "/sessions?": `{"email": 5, "password": [((api-password-type))]}`,
		api.Prefix + "/users":     `{"email": "no address", "password": ((api-new-password))}`,
		api.Prefix + "/projects/demo/templates/app/versions/v1/validate": `{"variables": [{"name": "token", "value_type": "json", "value": "{\"a\": \"[[api-validate]]\"}"}, {"name": "nothing_like_it", "value": "x"}]}`,
		api.Prefix + "/projects/demo/sources/read":                       `{"source": {"repository": "locked"}}`,
		api.Prefix + "/projects/demo/repositories/locked/test":           "",
		api.Prefix + "/projects/demo/repositories/keyed/test":            "",
		api.Prefix + "/projects/demo/apply":                              `{"documents": [{"file": "x", "text": {"a": ((api-apply))}}]}`,
	} {
		a := n.admin.send(http.MethodPost, path, "application/json", n.document(body))
		require.Less(n.t, a.status, 500, path)
		n.look("POST "+path, a.text())
	}
	a := n.admin.send(http.MethodPut, api.Prefix+"/projects/demo/contexts/keys", "application/json", n.document(`{"variables": [{"key": "1 2", "value": ((api-context)), "sensitive": true}, {"key": "A", "value": [((api-context-type))]}]}`))
	n.look("PUT context", a.text())
	a = n.admin.send(http.MethodPatch, environments+"/made", "application/json", n.document(`{"variables": [{"name": "token", "value": ((api-patch)), "value_type": "nonsense"}]}`))
	n.look("PATCH environment", a.text())

	for path, fields := range map[string]url.Values{
		"/signin": {"email": {apptest.Admin}, "password": {n.secret("form-password")}},
		form + "/settings/repositories": {
			"name": {"Bad Name"}, "url": {"nonsense"}, "auth": {"password"}, "username": {"robot"}, "secret": {n.secret("form-repository")}, "passphrase": {n.secret("form-passphrase")},
		},
		form + "/settings/repositories?": {
			"do": {"test"}, "name": {"tested"}, "url": {n.replace.Replace("LOCKED")}, "auth": {"password"}, "username": {"robot"}, "secret": {n.secret("form-tested")},
		},
		form + "/contexts": {
			"name": {"Bad Name"}, "env.0.key": {"1X"}, "env.0.value": {n.secret("form-env")}, "env.0.sensitive": {"true"},
			"files.0.mountPath": {"../x"}, "files.0.content": {n.secret("form-file")}, "files.0.sensitive": {"true"},
			"variables.0.name": {"v"}, "variables.0.value": {n.secret("form-variable")}, "variables.0.sensitive": {"true"}, "variables.0.valueType": {"json"},
		},
		form + "/static-resources":                  {"name": {"Bad Name"}, "variables.0.name": {"v"}, "variables.0.value": {n.secret("form-static")}, "variables.0.sensitive": {"true"}, "variables.0.valueType": {"json"}},
		form + "/environments":                      {"name": {"Bad Name"}, "template": {"app"}, "version": {"v1"}, "input.token": {n.secret("form-input")}, "input.from_template": {n.secret("form-input-2")}},
		form + "/environments/check":                {"name": {"bad"}, "template": {"app"}, "version": {"v1"}, "input.token": {n.secret("form-check")}, "input.count_of_it": {"many"}},
		form + "/environments/made/inputs":          {"revision": {"0"}, "input.token": {n.secret("form-saved")}, "input.count_of_it": {"many"}},
		form + "/settings/repositories/keyed/test":  {},
		form + "/settings/repositories/locked/test": {},
		form + "/environments/made/inputs/check":    {"input.token": {n.secret("form-live")}, "input.count_of_it": {"many"}},
	} {
		a := n.admin.post(path, fields)
		require.Less(n.t, a.status, 500, "%s: %s", path, a.body)
		require.NotEqual(n.t, http.StatusNotFound, a.status, path)
		n.look("POST "+path, a.text())
	}
}

// deploy plans and deploys, so that modules print what they were given and give it out.
func (n *nest) deploy() {
	n.t.Helper()
	for _, verb := range []string{"plan", "deploy", "plan"} {
		r, err := n.client.Start(n.t.Context(), apptest.Project, "made", verb)
		require.NoError(n.t, err)
		r, err = n.client.WatchRun(n.t.Context(), apptest.Project, "made", r.Number, func(api.Run) {})
		require.NoError(n.t, err)
		require.Equal(n.t, "succeeded", r.Status, "%+v", r)
	}
	for _, resource := range []string{"app", "next"} {
		log := n.admin.get(api.Prefix + "/projects/demo/environments/made/runs/2/log?resource=" + resource)
		n.contains([]byte(log.body), " is "+runner.Mark, "the module printed a secret")
	}
}

// walk reads every page and every answer of the API as everybody.
func (n *nest) walk() {
	n.t.Helper()
	values := map[string][]string{
		"{project}": {"demo"}, "{template}": {"app", "foreign"}, "{resourcetemplate}": {"app", "foreign", "unreadable"}, "{version}": {"v1", "v2"}, "{context}": {"keys", "foreign", "look-alike"},
		"{static}": {"known", "foreign"}, "{repository}": {"locked", "keyed", "foreign"}, "{environment}": {"made", "foreign-1"},
		"{number}": {"2", "1", "3"}, "{step}": {"app", "next"}, "{resource}": {"app", "next"},
		"{digest}": {n.digest}, "{tab}": {"inputs", "resources", "activity", "outputs", "settings"},
		"{kind}": {"Environment", "Project", "Repository", "ConfigContext", "StaticResource", "ResourceTemplate", "EnvironmentTemplate"},
		"{name}": {"made", "demo", "locked", "keyed", "keys", "known", "app", "unreadable", "foreign", "foreign-1", "look-alike"},
	}
	const made = api.Prefix + "/projects/{project}/environments/{environment}"
	withSecrets := map[string]authz.Permission{ // of what a module gives out
		made + "/resources/{resource}/state": authz.StateRead,
		made + "/outputs":                    authz.OutputSensitive,
	}
	for _, pattern := range append(pagePatterns(n.t), apiPatterns(n.t, n.admin)...) {
		reached := false
		for i, who := range n.people {
			for _, path := range paths(n.t, pattern, values, i == 0) {
				a := who.get(path + "?before=2&from=v1&to=v2&resource=app") // what some of them need
				require.Less(n.t, a.status, 500, path)
				reached = reached || a.status == http.StatusOK || a.status == http.StatusSeeOther && !strings.HasPrefix(a.header.Get("Location"), "/signin?")
				if p := withSecrets[pattern]; p == "" || !who.may(p) {
					n.look(fmt.Sprintf("%s as %q", path, who.name), a.text())
				}
			}
		}
		require.True(n.t, reached || pattern == "/setup", "nothing was found at %s", pattern)
	}
}

// whoMaySee are the places that hold secrets, for those who may see them and nobody else.
func (n *nest) whoMaySee() {
	n.t.Helper()
	const made = api.Prefix + "/projects/demo/environments/made"
	for _, who := range n.people {
		for _, one := range []struct {
			answer     answer
			permission authz.Permission
		}{
			{who.get(made + "/resources/app/state"), authz.StateRead},
			{who.get(made + "/outputs"), authz.OutputSensitive},
			{who.post("/p/demo/environments/made/resources/app/outputs/token", nil), authz.OutputSensitive},
		} {
			if who.may(one.permission) {
				require.Equal(n.t, http.StatusOK, one.answer.status)
				require.Contains(n.t, n.find(one.answer.text()), "input", "the search finds what is there: %s", one.answer.body)
				continue
			}
			n.look("what "+who.name+" may not see", one.answer.text())
		}
	}
	a := n.admin.get("/p/demo/settings/audit/export")
	require.Equal(n.t, http.StatusOK, a.status)
	require.Contains(n.t, a.body, "output", "revealing is in the audit log")
	n.look("audit log", a.text())
}
