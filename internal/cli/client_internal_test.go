package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/runner/runnertest"
)

func TestAnEnvironmentFromLoginToDelete(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Templates: apptest.Pair(nil, &runnertest.Script{Print: []string{"port is ${var.port}"}})})
	c := signedIn(t, s, apptest.Developer)
	golden(t, "project-list-table", c.do(exitOK, "", "project", "list").out)
	golden(t, "template-list-table", c.do(exitOK, "", "template", "list", "-p", "demo").out)
	created := c.do(exitOK, "", "env", "create", "one", "-p", "demo", "--template", "pair", "--version", "v1", "--var", "port=8080", "--var", "token=a=b")
	golden(t, "env-create-table", created.out)
	golden(t, "env-update-table", c.do(exitOK, "", "env", "update", "one", "-p", "demo", "--var", "port=8081", "--unset", "nothing").out)

	plan := c.do(exitOK, "", "env", "plan", "one", "-p", "demo")
	require.Contains(t, plan.out, "fake_thing.a")
	require.Contains(t, plan.out, "can be planned once what it depends on exists")
	deployed := c.do(exitOK, "", "env", "deploy", "one", "-p", "demo", "--wait")
	require.Equal(t, "one is deployed.\nhttp://127.0.0.1:9/\n", deployed.out, "standard output has the result alone")
	require.Contains(t, deployed.err, "a: fake_thing.a create finished", "standard error has the progress")

	for _, form := range []string{"table", "json", "yaml"} {
		golden(t, "env-list-"+form, c.do(exitOK, "", "env", "list", "-p", "demo", "-o", form).out)
		golden(t, "env-show-"+form, c.do(exitOK, "", "env", "show", "one", "-p", "demo", "-o", form).out)
		golden(t, "env-outputs-"+form, c.do(exitOK, "", "env", "outputs", "one", "-p", "demo", "-o", form).out)
	}
	var outputs map[string]map[string]struct{ Value string }
	require.NoError(t, json.Unmarshal([]byte(c.do(exitOK, "", "env", "outputs", "one", "-p", "demo", "-o", "json").out), &outputs))
	require.Equal(t, "http://127.0.0.1:9/", outputs["b"]["endpoint"].Value)

	logs := c.do(exitOK, "", "env", "logs", "one", "-p", "demo").out
	require.Less(t, strings.Index(logs, "fake_thing.a"), strings.Index(logs, "port is 8081"), "in the order of the steps")
	require.NotContains(t, c.do(exitOK, "", "env", "logs", "one", "-p", "demo", "--resource", "b", "-f").out, "fake_thing.a")
	c.do(exitNotFound, "", "env", "logs", "one", "-p", "demo", "--run", "99")
	c.do(exitConflict, "", "env", "cancel", "one", "-p", "demo")
	c.do(exitConflict, "", "env", "delete", "one", "-p", "demo")
	require.Equal(t, "one is destroyed.\n", c.do(exitOK, "", "env", "destroy", "one", "-p", "demo", "--wait").out)
	c.do(exitOK, "", "env", "delete", "one", "-p", "demo")
	c.do(exitNotFound, "", "env", "show", "one", "-p", "demo")
}

func TestEnvironmentsFromFiles(t *testing.T) {
	t.Parallel()
	c := signedIn(t, apptest.Start(t, apptest.Options{}), apptest.Developer)
	c.env["BERTH_PROJECT"] = "demo"
	file := filepath.Join(t.TempDir(), "environment.yaml")
	require.NoError(t, os.WriteFile(file, []byte("name: filed\ntemplate: pair\nversion: v1\nvariables:\n  - {name: port, value: \"81\"}\n"), 0o600))
	require.Contains(t, c.do(exitOK, "", "env", "create", "-f", file).out, "port = 81")
	require.Contains(t, c.do(exitOK, "", "env", "create", "other", "-f", file, "--var", "port=82").out, "port = 82", "flags win")
	piped := c.do(exitOK, `{"name":"piped","template":"pair","variables":[{"name":"port","value":"83"}]}`, "env", "create", "-f", "-", "-o", "json").out
	var e api.Environment
	require.NoError(t, json.Unmarshal([]byte(piped), &e))
	require.Equal(t, "piped", e.Name)
	require.Equal(t, "draft", e.Status)
	require.Contains(t, c.do(exitOK, "variables: [{name: port, value: \"84\"}]", "env", "update", "piped", "-f", "-").out, "port = 84")
	require.True(t, e.FollowLatest, "no version was named")
	require.NotContains(t, c.do(exitOK, "", "env", "update", "piped", "--version", "v1").out, "follows")
	require.Contains(t, c.do(exitOK, "", "env", "update", "piped", "--follow-latest").out, "pair v1 (follows the latest)")
	require.NotContains(t, c.do(exitOK, "", "env", "update", "piped", "--follow-latest=false").out, "follows")
	require.Equal(t, "deployed", status(t, c.do(exitOK, "", "env", "create", "now", "-f", file, "--deploy", "--wait", "-o", "json").out))

	require.Contains(t, c.do(exitInvalid, "nmae: x\n", "env", "create", "-f", "-").err, `unknown field "nmae"`)
	require.Contains(t, c.do(exitInvalid, "a: [\n", "env", "create", "-f", "-").err, "Reading -")
	require.Contains(t, c.do(exitInvalid, "", "env", "create", "-f", file+".nope").err, "no such file")
}

func status(t *testing.T, text string) string {
	t.Helper()
	var e api.Environment
	require.NoError(t, json.Unmarshal([]byte(text), &e))
	return e.Status
}

func TestTheExitCodeTellsWhatWentWrong(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "go")
	s := apptest.Start(t, apptest.Options{Templates: apptest.Pair(nil, &runnertest.Script{
		Objects: []runnertest.Object{{Address: "fake_thing.b", Type: "fake_thing", ID: "b-1", Error: "The image cannot be pulled", ErrorUnless: gate}},
	})})
	admin, c := signedIn(t, s, apptest.Admin), signedIn(t, s, apptest.Developer)
	admin.do(exitOK, apptest.Password, "user", "create", "reader@example.com", "--password-stdin")
	admin.do(exitOK, "", "project", "grant", "demo", "--role", "read_only", "--user", "reader@example.com")
	reader := signedIn(t, s, "reader@example.com")
	const p = "demo"
	c.do(exitOK, "", "env", "create", "one", "-p", p, "--template", "pair")

	for _, tc := range []struct {
		name string
		as   *terminal
		code int
		json string // the code in the error with -o json
		says string
		args []string
	}{
		{"no project", c, exitInvalid, "usage", "BERTH_PROJECT", []string{"env", "list"}},
		{"unknown flag", c, exitInvalid, "", "unknown flag: --nope", []string{"env", "list", "--nope"}},
		{"unknown command", c, exitInvalid, "", `unknown command "nope"`, []string{"nope"}},
		{"unknown subcommand", c, exitInvalid, "usage", `unknown command "nope" for "berth env"`, []string{"env", "nope"}},
		{"too few arguments", c, exitInvalid, "usage", "berth env show --help", []string{"env", "show", "-p", p}},
		{"no such form", c, exitInvalid, "", "table, json or yaml", []string{"env", "list", "-p", p, "-o", "xml"}},
		{"no pair", c, exitInvalid, "usage", "name=value", []string{"env", "create", "x", "-p", p, "--template", "pair", "--var", "port"}},
		{"refused input", c, exitInvalid, "invalid_input", "port", []string{"env", "create", "x", "-p", p, "--template", "pair", "--var", "port=eighty"}},
		{"no sign-in", newTerminal(t), exitUnauthenticated, "unauthenticated", "BERTH_TOKEN", []string{"env", "list", "-p", p}},
		{"not signed in", newTerminal(t), exitUnauthenticated, "unauthenticated", "berth login", []string{"env", "list", "-p", p, "--url", s.URL}},
		{"no role", reader, exitForbidden, "forbidden", "Environment Template User", []string{"env", "create", "x", "-p", p, "--template", "pair"}},
		{"no such thing", c, exitNotFound, "environment_not_found", "no environment", []string{"env", "show", "nope", "-p", p}},
		{"no such project", c, exitNotFound, "project_not_found", "", []string{"env", "list", "-p", "nope"}},
		{"conflict", c, exitConflict, "environment_name_taken", "Choose another", []string{"env", "create", "one", "-p", p, "--template", "pair"}},
		{"no server", c, exitUnavailable, "unreachable", "127.0.0.1:1", []string{"env", "list", "-p", p, "--url", "http://127.0.0.1:1"}},
		{"no address", c, exitInvalid, "usage", "https://berth.example.com", []string{"env", "list", "-p", p, "--url", "berth"}},
		{"failed run", c, exitRunFailed, "run_failed", "The image cannot be pulled", []string{"env", "deploy", "one", "-p", p, "--wait"}},
	} {
		r := tc.as.do(tc.code, "", tc.args...)
		require.Empty(t, r.out, tc.name)
		require.Contains(t, r.err, "Error: ", tc.name)
		require.Contains(t, r.err, tc.says, tc.name)
		if tc.json == "" {
			continue
		}
		text := tc.as.do(tc.code, "", append(tc.args, "-o", "json")...).err
		var e api.Error
		require.NoError(t, json.Unmarshal([]byte(text[strings.Index(text, "{"):]), &e), "%s: %s", tc.name, text)
		require.Equal(t, tc.json, e.Code, tc.name)
		require.NotEmpty(t, e.Detail, tc.name)
	}
	golden(t, "error-json", c.do(exitInvalid, "", "env", "create", "Bad Name", "-p", p, "--template", "pair", "-o", "json").err)
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	c.do(exitOK, "", "env", "retry", "one", "-p", p, "--wait")
}

func TestACanceledRunHasItsOwnExitCode(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "go")
	s := apptest.Start(t, apptest.Options{Templates: apptest.Pair(&runnertest.Script{
		Objects: []runnertest.Object{{Address: "fake_thing.a", Type: "fake_thing", ID: "a-1", WaitFor: gate}},
	}, nil)})
	c := signedIn(t, s, apptest.Developer)
	c.do(exitOK, "", "env", "create", "one", "-p", "demo", "--template", "pair")
	require.Contains(t, c.do(exitOK, "", "env", "deploy", "one", "-p", "demo").out, "berth env logs one -p demo -f")
	require.Contains(t, c.do(exitOK, "", "env", "cancel", "one", "-p", "demo").out, "being canceled")
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	c.do(exitOK, "", "env", "logs", "one", "-p", "demo", "-f") // until it has ended
	// A deploy of another environment that is canceled while it is waited for.
	require.NoError(t, os.Remove(gate))
	c.do(exitOK, "", "env", "create", "two", "-p", "demo", "--template", "pair")
	done := make(chan result, 1)
	go func() {
		done <- c.do(exitRunCanceled, "", "env", "deploy", "two", "-p", "demo", "--wait", "-o", "json")
	}()
	client := s.Client(apptest.Developer)
	require.Eventually(t, func() bool {
		_, err := client.Cancel(t.Context(), "demo", "two", 1)
		return err == nil
	}, eventually, often)
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	require.Contains(t, (<-done).err, `"run_canceled"`)
}

func TestAdministration(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := signedIn(t, s, apptest.Admin)
	c.env["AWS_SECRET_ACCESS_KEY"] = "canary-of-a-secret"
	require.Equal(t, "Project mine was created.\n", c.do(exitOK, "", "project", "create", "mine", "--description", "To try things").out)
	require.Contains(t, c.do(exitOK, "", "context", "set", "aws", "-p", "mine", "--env", "AWS_REGION=eu-north-1", "--secret-env", "AWS_SECRET_ACCESS_KEY").out, "saved")
	shown := c.do(exitOK, "", "context", "list", "-p", "mine", "-o", "json").out
	require.NotContains(t, shown, "canary")
	golden(t, "context-list-json", shown)
	c.do(exitOK, "", "context", "set", "aws", "-p", "mine", "--var", "size=3")
	again := c.do(exitOK, "", "context", "list", "-p", "mine", "-o", "json").out
	require.Contains(t, again, "AWS_SECRET_ACCESS_KEY", "what is not named stays")
	require.Contains(t, c.do(exitInvalid, "", "context", "set", "aws", "-p", "mine", "--secret-env", "NOT_SET").err, "NOT_SET")

	c.do(exitOK, "a first password\n", "user", "create", "new@example.com", "--name", "New", "--password-stdin")
	require.Contains(t, c.do(exitConflict, "a first password\n", "user", "create", "new@example.com", "--password-stdin").err, "already is a user")
	c.do(exitOK, "another password\n", "user", "reset-password", "new@example.com", "--password-stdin")
	c.do(exitOK, "", "user", "grant", "new@example.com", "--role", "organisation_read_only")
	c.do(exitInvalid, "", "user", "grant", "new@example.com", "--role", "king")
	other := newTerminal(t)
	other.do(exitUnauthenticated, "a first password\n", "login", "--url", s.URL, "--email", "new@example.com", "--password-stdin")
	other.do(exitOK, "another password\n", "login", "--url", s.URL, "--email", "new@example.com", "--password-stdin")
	require.Contains(t, other.do(exitOK, "", "project", "list").out, "mine")
}

func TestSignInsAreKeptForTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := newTerminal(t)
	login := func(code int, password, url string) result {
		return c.do(code, password+"\n", "login", "--url", url, "--email", apptest.Developer, "--password-stdin")
	}
	require.Contains(t, login(exitUnauthenticated, "wrong", s.URL).err, "Email or password is wrong")
	require.NoFileExists(t, c.credentials, "nothing is kept of a failed sign-in")
	require.Contains(t, login(exitOK, apptest.Password, s.URL+"/").out, "Signed in to "+s.URL+" as")
	info, err := os.Stat(c.credentials)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	require.NoError(t, os.Chmod(c.credentials, 0o644))
	login(exitOK, apptest.Password, s.URL)
	info, err = os.Stat(c.credentials)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode(), "a file that others could read is replaced")
	entries, err := os.ReadDir(filepath.Dir(c.credentials))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no half-written file is left")
	content, err := os.ReadFile(c.credentials)
	require.NoError(t, err)
	require.NotContains(t, string(content), apptest.Password)

	c.do(exitOK, "", "project", "list")
	kept := newTerminal(t)
	kept.env["BERTH_URL"], kept.env["BERTH_TOKEN"] = s.URL, tokenIn(t, content)
	kept.do(exitOK, "", "project", "list")
	c.do(exitOK, "", "logout")
	ended := kept.do(exitUnauthenticated, "", "project", "list")
	require.Contains(t, ended.err, "Your session has ended")
	require.Contains(t, ended.err, "berth login --url")
	require.Contains(t, c.do(exitUnauthenticated, "", "project", "list").err, "berth login --url")

	require.NoError(t, os.WriteFile(c.credentials, []byte("{"), 0o600))
	require.Contains(t, c.do(exitInternal, "", "project", "list").err, "remove it and sign in again")
}

func tokenIn(t *testing.T, content []byte) string {
	t.Helper()
	var c credentials
	require.NoError(t, json.Unmarshal(content, &c))
	return c.Servers[c.Current].Token
}

func TestSigningInToSomethingElseSaysSo(t *testing.T) {
	t.Parallel()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<h1>Welcome</h1>"))
	}))
	t.Cleanup(page.Close)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"ok":true}`))
	}))
	t.Cleanup(other.Close)
	missing := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(missing.Close)
	for _, tc := range []struct {
		url  string
		code int
		says string
	}{
		{page.URL, exitUnavailable, "not as a Berth server does. Check its address"},
		{other.URL, exitUnavailable, "not as a Berth server does. Check its address"},
		{missing.URL, exitUnavailable, "not as a Berth server does. Check its address"},
		{"http://127.0.0.1:1", exitUnavailable, "cannot be reached at http://127.0.0.1:1"},
		{"berth.example.com", exitInvalid, "must look like https://berth.example.com"},
		{"ftp://berth.example.com", exitInvalid, "must look like https://berth.example.com"},
	} {
		c := newTerminal(t)
		r := c.do(tc.code, "x\n", "login", "--url", tc.url, "--email", "a@example.com", "--password-stdin")
		require.Contains(t, r.err, tc.says, tc.url)
		require.NoFileExists(t, c.credentials)
	}
}

func TestHelpAndCompletion(t *testing.T) {
	t.Parallel()
	c := newTerminal(t)
	c.env["BERTH_DATABASE_URL"] = "postgres://berth:canary@localhost/berth"
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, c.do(exitOK, "", "completion", shell).out, "berth", shell)
	}
	require.NotContains(t, c.do(exitOK, "", "serve", "--help").out, "canary")
	golden(t, "help", c.do(exitOK, "", "--help").out)
	golden(t, "help-env", c.do(exitOK, "", "env").out)
	require.NotEmpty(t, c.do(exitOK, "", "version").out)
}
