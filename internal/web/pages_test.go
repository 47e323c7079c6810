package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
	"github.com/berthdev/berth/internal/runner/runnertest"
)

const environmentsPath = "/p/demo/environments"

// create makes an environment of the template pair.
func (v *visitor) create(name string) {
	v.t.Helper()
	v.get(environmentsPath + "/new?template=pair")
	v.submit("Create", url.Values{"name": {name}})
	require.Equal(v.t, environmentsPath+"/"+name, v.path())
}

// awaitStatus watches the page of an environment until it has a status.
func (v *visitor) awaitStatus(name, status string) {
	v.t.Helper()
	v.get(environmentsPath + "/" + name)
	if v.statusIs(v.doc, status) {
		return
	}
	next, stop := v.listen(v.events(), "")
	defer stop()
	until(next, "header", func(data string) bool {
		doc, err := goquery.NewDocumentFromReader(strings.NewReader(data))
		require.NoError(v.t, err)
		return v.statusIs(doc, status)
	})
	v.get(environmentsPath + "/" + name)
}

func (v *visitor) statusIs(doc *goquery.Document, status string) bool {
	return text(doc.Find("[role=status] .status").First()) == status
}

// TestWalkthrough goes the way of a developer, by the names on the pages, without script.
func TestWalkthrough(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Developer)
	v.follow("main a", "demo")
	require.Equal(t, environmentsPath, v.path())
	v.follow("nav .nav-sub a", "Environments")
	require.Contains(t, v.text("main"), "No environments yet")

	v.submit("New Environment", nil)
	require.Equal(t, "pair", one(t, v.doc, "select", "Template").Find("option[selected]").AttrOr("value", ""))
	require.Equal(t, "v1", one(t, v.doc, "select", "Version").Find("option[selected]").AttrOr("value", ""))
	require.Equal(t, "80", one(t, v.doc, "input", "Port").AttrOr("value", ""))
	v.submit("Create", url.Values{"name": {"ecs-1"}})
	require.Equal(t, environmentsPath+"/ecs-1", v.path())
	require.True(t, v.statusIs(v.doc, "Draft"))

	v.follow("[role=tab]", "Input Variables")
	v.submit("Add Variable", nil)
	one(t, v.doc, "select", "Value type")
	v.submit("Save", url.Values{"var.0.name": {"extra"}, "var.0.type": {"text"}, "var.0.value": {"one"}, "var.1.name": {"port"}, "var.1.type": {"text"}, "var.1.value": {"8080"}})
	require.Equal(t, http.StatusOK, v.status)
	require.Contains(t, v.text("#input-port"), "8080")
	require.Contains(t, v.text("#input-extra"), "Environment")

	v.follow("nav .nav-sub a", "Environments")
	v.follow("main a", "ecs-1")
	v.submit("Deploy", nil)
	require.Equal(t, environmentsPath+"/ecs-1", v.path())
	v.awaitStatus("ecs-1", "Deployed")
	one(t, v.doc, "button", "Redeploy")

	v.follow("[role=tab]", "Resources")
	require.Equal(t, "b", text(v.doc.Find("#resource-b summary")))
	require.Equal(t, "http://127.0.0.1:9/", v.doc.Find("#resource-b dl a").AttrOr("href", ""))
	v.follow("[role=tab]", "Activity")
	v.follow("main td a", "Deploy 1")
	require.Contains(t, v.text("h1"), "Deployed in")
	require.NotEmpty(t, v.text("#log-lines"))

	v.get(environmentsPath + "/ecs-1/settings")
	v.submit("Destroy environment", url.Values{"confirm": {"ecs-2"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.text("#destroy-name-error"), "Type ecs-1 to confirm")
	v.submit("Destroy environment", url.Values{"confirm": {"ecs-1"}})
	v.awaitStatus("ecs-1", "Destroyed")
	v.get(environmentsPath + "/ecs-1/settings")
	v.post(environmentsPath+"/ecs-1/delete", nil)
	require.Equal(t, environmentsPath, v.path())
	require.Contains(t, v.text("main"), "ecs-1 is deleted")
	v.get(environmentsPath + "/ecs-1")
	require.Equal(t, http.StatusNotFound, v.status)
}

// TestWrongInput holds each refusal to its field, with what was typed kept and nothing created.
func TestWrongInput(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Developer)
	v.create("taken")
	for name, tt := range map[string]struct {
		form  url.Values
		label string
		says  string
	}{
		"no name":   {url.Values{"name": {""}}, "Name", "Enter a name"},
		"bad name":  {url.Values{"name": {"Ecs 1"}}, "Name", "lower-case"},
		"long name": {url.Values{"name": {strings.Repeat("a", 41)}}, "Name", "at most 40"},
		"taken":     {url.Values{"name": {"taken"}}, "Name", "exists"},
		"port":      {url.Values{"name": {"n"}, "in.port": {"eighty"}}, "Port", "number"},
		"range":     {url.Values{"name": {"n"}, "in.port": {"70000"}}, "Port", "65535"},
		"version":   {url.Values{"name": {"n"}, "version": {"v9"}}, "Version", "v9"},
		"template":  {url.Values{"name": {"n"}, "template": {"nope"}}, "Template", "nope"},
	} {
		v.get(environmentsPath + "/new?template=pair")
		v.submit("Create", tt.form)
		require.Equal(t, http.StatusUnprocessableEntity, v.status, name)
		require.Contains(t, v.fieldError(tt.label), tt.says, name)
		require.Equal(t, tt.form.Get("name"), one(t, v.doc, "input", "Name").AttrOr("value", ""), name)
		if tt.form.Has("in.port") {
			require.Equal(t, tt.form.Get("in.port"), one(t, v.doc, "input", "Port").AttrOr("value", ""), name)
		}
	}
	v.get(environmentsPath)
	require.Equal(t, 1, v.doc.Find("tbody tr").Length())

	// On the tab Input Variables as well.
	v.get(environmentsPath + "/taken/inputs")
	v.submit("Save", url.Values{"var.0.name": {"port"}, "var.0.type": {"text"}, "var.0.value": {"eighty"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.text("#var-0-value-error"), "number")
	require.Equal(t, "eighty", v.doc.Find("#var-0-value").Text())
	v.submit("Save", url.Values{"var.0.name": {"name"}, "var.0.value": {"x"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.NotEmpty(t, v.text("#var-0-name-error"))

	// While typing, on both pages; nothing is changed by it.
	v.post(environmentsPath+"/check", url.Values{"template": {"pair"}, "version": {"v1"}, "in.port": {"eighty"}})
	require.Equal(t, http.StatusOK, v.status)
	require.Equal(t, "application/json", v.header.Get("Content-Type"))
	require.Contains(t, v.doc.Text(), `"f-in.port":{"text":"Port must be a number from 1 to 65535; you entered eighty."}`)
	v.post(environmentsPath+"/taken/inputs/check", url.Values{"edit.port": {"70000"}, "var.3.name": {"port"}, "var.3.value": {"1"}, "var.4.name": {"no name"}, "var.4.value": {"1"}})
	require.Contains(t, v.doc.Text(), `"f-edit.port":{"text":"Port must be a number from 1 to 65535; you entered 70000."}`)
	require.Contains(t, v.doc.Text(), `is set already`)
	require.Contains(t, v.doc.Text(), `"var-4-name":`)

	// Two people at once: the later one is told, and keeps what was typed.
	v.get(environmentsPath + "/taken/inputs")
	other := signedIn(t, s, apptest.Admin)
	other.get(environmentsPath + "/taken/inputs")
	other.submit("Save", url.Values{"var.0.name": {"port"}, "var.0.type": {"text"}, "var.0.value": {"81"}})
	require.Equal(t, http.StatusOK, other.status)
	v.submit("Save", url.Values{"var.0.name": {"port"}, "var.0.type": {"text"}, "var.0.value": {"82"}})
	require.Equal(t, http.StatusConflict, v.status)
	require.Contains(t, v.text("[role=alert]"), "Somebody else changed")
	require.Equal(t, "82", v.doc.Find("#var-0-value").Text())
}

// TestSecretInputs: the value of a secret is never on a page, and saving something else keeps it.
func TestSecretInputs(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Developer)
	v.get(environmentsPath + "/new?template=pair")
	v.submit("Create", url.Values{"name": {"n"}, "in.token": {"s3cret-value"}})
	v.get(environmentsPath + "/n/inputs?edit=port")
	require.Contains(t, v.text("#input-token"), "Hidden")
	v.submit("Save", url.Values{"edit.port": {"81"}})
	require.Contains(t, v.text("#input-port"), "81")
	v.submit("Deploy", nil)
	v.awaitStatus("n", "Deployed")
	for _, path := range []string{"", "/inputs", "/inputs?edit=token", "/resources", "/settings", "/runs/1", "/runs/1/log/b"} {
		v.get(environmentsPath + "/n" + path)
		require.Equal(t, http.StatusOK, v.status, path)
		html, err := v.doc.Html()
		require.NoError(t, err)
		require.NotContains(t, html, "s3cret-value", path)
	}
	e, err := s.Client(apptest.Developer).Environment(t.Context(), "demo", "n")
	require.NoError(t, err)
	require.Len(t, e.Variables, 2)
}

// TestRefusals: without the role nothing is done, and the page names the role and whom to ask.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	admin := s.Client(apptest.Admin)
	const reader = "reader@example.com"
	_, err := admin.CreateUser(t.Context(), api.CreateUser{Email: reader, Password: apptest.Password})
	require.NoError(t, err)
	require.NoError(t, admin.Grant(t.Context(), "demo", api.Grant{User: reader, Role: "read_only"}))
	signedIn(t, s, apptest.Developer).create("n")

	v := signedIn(t, s, reader)
	v.get(environmentsPath)
	require.Contains(t, v.text("main"), "Creating needs the role Environment Template User")
	v.get(environmentsPath + "/new")
	require.Contains(t, v.text("main"), "Environment Template User")
	for _, path := range []string{"", "/n/deploy", "/n/retry", "/n/plan", "/n/inputs", "/n/inputs/port/remove", "/n/delete"} {
		v.post(environmentsPath+path, url.Values{"name": {"x"}, "template": {"pair"}, "version": {"v1"}})
		require.Equal(t, http.StatusForbidden, v.status, path)
		require.Contains(t, v.text("main"), "Missing role: Environment Template User", path)
	}
	v.post(environmentsPath+"/n/destroy", url.Values{"confirm": {"n"}})
	require.Equal(t, http.StatusForbidden, v.status)
	for _, path := range []string{"/p/demo/contexts", "/p/demo/contexts/aws", "/p/demo/settings/audit", "/p/demo/settings/audit/export", "/p/demo/settings/members"} {
		v.get(path)
		require.Equal(t, http.StatusForbidden, v.status, path)
	}
	v.get("/p/nope/environments")
	require.Equal(t, http.StatusNotFound, v.status)

	a := signedIn(t, s, apptest.Admin)
	a.get("/p/demo/settings/audit")
	require.Contains(t, a.text("#audit"), "refused")
	a.get("/p/demo/settings/audit/export")
	require.Equal(t, "text/csv; charset=utf-8", a.header.Get("Content-Type"))
	for _, path := range []string{"/p/demo/contexts", "/p/demo/settings/members", "/p/demo/templates", "/p/demo/templates/pair", "/p/demo/activity", "/p/demo/palette?q=n"} {
		a.get(path)
		require.Equal(t, http.StatusOK, a.status, path)
	}
}

// TestSignInAgain: a session that has ended loses neither the way nor what was typed.
func TestSignInAgain(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := newVisitor(t, s)
	v.get(environmentsPath + "?q=a")
	require.Equal(t, "/signin", v.path())
	v.submit("Continue", url.Values{"email": {apptest.Developer}})
	v.submit("Sign in", url.Values{"password": {"wrong"}})
	require.Equal(t, http.StatusUnauthorized, v.status)
	require.Contains(t, v.text("[role=alert]"), "Email or password is wrong")
	v.submit("Sign in", url.Values{"password": {apptest.Password}})
	require.True(t, strings.HasSuffix(v.url, environmentsPath+"?q=a"), v.url)

	v.get(environmentsPath + "/new?template=pair")
	other := *v
	other.post("/signout", nil) // in another window of the same browser
	v.submit("Create", url.Values{"name": {"kept"}, "in.port": {"8081"}})
	require.Equal(t, http.StatusUnauthorized, v.status)
	require.Contains(t, v.text("[role=status]"), "what you typed is kept")
	v.submit("Continue", url.Values{"email": {apptest.Developer}})
	v.submit("Sign in", url.Values{"password": {apptest.Password}})
	v.submit("Send it now", nil)
	require.Equal(t, environmentsPath+"/kept", v.path())
	v.get(environmentsPath + "/kept/inputs")
	require.Contains(t, v.text("#input-port"), "8081")

	v.get("/signin?next=https://elsewhere.example/")
	require.Equal(t, environmentsPath, v.path(), "signed in already, and never led elsewhere")
}

// TestRunIsFollowed watches a deploy live: its sentence, its objects, and a log of which no line comes twice, also when the
// reader was away.
func TestRunIsFollowed(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "go")
	var printed []string
	for i := range 40 {
		printed = append(printed, "line "+strconv.Itoa(i))
	}
	s := apptest.Start(t, apptest.Options{Templates: apptest.Pair(
		&runnertest.Script{Print: printed, Objects: []runnertest.Object{
			{Address: "aws_vpc.this", Type: "aws_vpc", ID: "vpc-1"}, {Address: "aws_lb.this", Type: "aws_lb", ID: "lb-1", WaitFor: gate},
		}}, nil)})
	v := signedIn(t, s, apptest.Developer)
	v.create("n")
	v.submit("Deploy", nil)
	v.get(environmentsPath + "/n/runs/1")
	next, stop := v.listen(v.events(), "")
	if !strings.Contains(v.text("h1"), "load balancer") {
		until(next, "head", func(d string) bool { return strings.Contains(d, "Creating the load balancer") })
	}
	stop()

	v.get(environmentsPath + "/n/runs/1")
	require.Equal(t, "Creating the load balancer", v.text("h1"))
	require.Contains(t, v.text("#step-a"), "Load balancer")
	var lines []string
	collect := func(html string) {
		doc, err := goquery.NewDocumentFromReader(strings.NewReader(html))
		require.NoError(t, err)
		doc.Find(".log-line").Each(func(_ int, l *goquery.Selection) { lines = append(lines, l.Find("span").Text()) })
	}
	page, err := v.doc.Html()
	require.NoError(t, err)
	collect(page)
	require.Subset(t, lines, printed)
	follows, endFollows := v.listen(v.events(), "") // nobody chose a log, so it goes on to the step that runs
	defer endFollows()
	v.get(environmentsPath + "/n/runs/1?log=a")
	events := v.events()
	next, stop = v.listen(events, "")
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	last := until(next, "log", func(string) bool { return true }) // one batch, then the connection breaks
	collect(last.data)
	stop()
	next, stop = v.listen(events, last.id)
	defer stop()
	for m := next(); m.name != "head" || !strings.Contains(m.data, "Deployed in"); m = next() {
		require.NotEqual(t, "log-panel", m.name)
		if m.name == "log" {
			collect(m.data)
		}
	}
	panel := until(follows, "log-panel", func(d string) bool { return strings.Contains(d, `aria-label="Log of b"`) })
	require.NotContains(t, panel.data, "line 0<")

	v.get(environmentsPath + "/n/runs/1?log=a")
	var whole []string
	v.doc.Find(".log-line span").Each(func(_ int, l *goquery.Selection) { whole = append(whole, l.Text()) })
	require.Equal(t, whole[:len(lines)], lines, "what was seen live is the beginning of the log, each line once")
	v.get(environmentsPath + "/n/runs/1/log/a")
	require.Equal(t, "text/plain; charset=utf-8", v.header.Get("Content-Type"))
}

// TestFailure: the cause comes first, with where, evidence and what to do next, and trying again goes on.
func TestFailure(t *testing.T) {
	t.Parallel()
	fixed := filepath.Join(t.TempDir(), "fixed")
	s := apptest.Start(t, apptest.Options{Templates: apptest.Pair(nil, &runnertest.Script{
		Outputs: map[string]json.RawMessage{"endpoint": json.RawMessage(`"http://127.0.0.1:9/"`)},
		Objects: []runnertest.Object{{Address: "aws_ecs_service.this", Type: "aws_ecs_service", ID: "s-1", ErrorUnless: fixed, Error: "CannotPullContainerError: image nope:1 not found"}},
	})})
	v := signedIn(t, s, apptest.Developer)
	v.create("n")
	v.submit("Deploy", nil)
	v.awaitStatus("n", "Failed")
	require.Equal(t, "The image of the application could not be pulled", v.text(".cause h2"))
	require.Contains(t, v.text(".cause-head"), "In b, the service aws_ecs_service.this")
	require.Contains(t, v.text(".evidence"), "CannotPullContainerError")
	require.Contains(t, v.text(".cause"), "Input Variables")
	v.follow(".cause-head a", v.text(".cause-head a"))
	require.Equal(t, environmentsPath+"/n/runs/1", v.path())
	require.Contains(t, v.text("h1"), "Deploy failed at b")
	require.NoError(t, os.WriteFile(fixed, nil, 0o600))
	v.submit("Retry", nil)
	v.awaitStatus("n", "Deployed")
}

// TestLists: filters are part of the address, and a stream moves the status of a row.
func TestLists(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "go")
	s := apptest.Start(t, apptest.Options{Templates: apptest.Pair(&runnertest.Script{Objects: []runnertest.Object{{Address: "x.y", Type: "x", ID: "1", WaitFor: gate}}}, nil)})
	v := signedIn(t, s, apptest.Developer)
	for _, name := range []string{"blue", "green"} {
		v.create(name)
	}
	v.get(environmentsPath + "?q=gre")
	require.Equal(t, 1, v.doc.Find("tbody tr").Length())
	v.get(environmentsPath + "?status=deployed")
	require.Contains(t, v.text("#environment-rows"), "No environment matches")
	v.get(environmentsPath)
	events, row := v.events(), "env-"+strings.TrimPrefix(v.doc.Find("tbody tr").First().AttrOr("id", ""), "env-")
	v.post(environmentsPath+"/blue/deploy", nil)
	next, stop := v.listen(events, "")
	defer stop()
	m := until(next, row, func(d string) bool { return strings.Contains(d, "Deploying") })
	require.NotEmpty(t, m.id)
	require.NoError(t, os.WriteFile(gate, nil, 0o600))
	until(next, row, func(d string) bool { return strings.Contains(d, "Deployed") })
	v.get("/p/demo/activity?q=blue")
	require.Contains(t, v.text("#runs"), "Deploy 1")
	runs, end := v.listen(v.events(), "")
	defer end()
	v.post(environmentsPath+"/green/deploy", nil)
	v.post(environmentsPath+"/blue/deploy", nil)
	m = until(runs, "runs", func(d string) bool { return strings.Contains(d, "Deploy 2") })
	require.NotContains(t, m.data, "environments/green", "the filter of the page holds for what comes later")
}

// TestPages: a long list comes in pages, there and back, with the filter kept.
func TestPages(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := s.Client(apptest.Developer)
	for i := range 53 {
		_, err := c.CreateEnvironment(t.Context(), apptest.Project, api.CreateEnvironment{Name: "env-" + strconv.Itoa(100+i), Template: "pair", Version: "v1"})
		require.NoError(t, err)
	}
	v := signedIn(t, s, apptest.Developer)
	v.get(environmentsPath + "?template=pair")
	require.Equal(t, 50, v.doc.Find("tbody tr").Length())
	require.Contains(t, v.text("#environment-rows"), "50 environments on this page")
	v.follow("[aria-label=Pages] a", "Next")
	require.Equal(t, 3, v.doc.Find("tbody tr").Length())
	require.Equal(t, "env-150", text(v.doc.Find("tbody a").First()))
	v.follow("[aria-label=Pages] a", "Previous")
	require.Equal(t, "env-100", text(v.doc.Find("tbody a").First()))
	require.Contains(t, v.url, "template=pair")
}
