package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/apptest"
)

const templatesPath = "/p/demo/templates"

// wired is what an author types to wire b to a.
func wired() url.Values {
	return url.Values{
		"name": {"web"}, "displayName": {"Web shop"}, "summary": {"A shop"}, "version": {"v1"}, "readme": {"# Hello"},
		"resources.0.name": {"a"}, "resources.0.kind": {"resourcetemplate"}, "resources.0.template": {"a"},
		"resources.1.name": {"b"}, "resources.1.kind": {"resourcetemplate"}, "resources.1.template": {"b"}, "resources.1.version": {"v1"},
		"variables.0.name": {"name"}, "variables.0.value": {"$(environment.uniqueName)$"}, "variables.0.valueType": {"expression"}, "variables.0.override": {"notallowed"},
		"variables.1.name": {"a_id"}, "variables.1.value": {`$(resource["a"].output.id)$`}, "variables.1.valueType": {"text"}, "variables.1.override": {"notallowed"},
	}
}

func (v *visitor) problems() string { v.t.Helper(); return v.text("#problems") }

// TestTemplateEditor makes an environment template without script: from nothing to the catalog.
func TestTemplateEditor(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Admin)
	v.get(templatesPath)
	v.follow("main a", "New template")
	require.Equal(t, "v1", v.value("version"))
	require.Contains(t, v.problems(), "has no resource")

	v.submit("Add resource", url.Values{"name": {"web"}, "resources.0.template": {"a"}})
	require.Equal(t, "a", v.value("resources.0.name"), "a resource is called what it stands for")
	v.submit("Add all variables of the modules that have no value", url.Values{"resources.1.template": {"b"}})
	require.Equal(t, "name", v.value("variables.0.name"))
	require.Equal(t, "a_id", v.value("variables.1.name"))
	require.Contains(t, v.text("#et-lists"), `$(resource["a"].output.id)$`)
	require.Equal(t, 2, v.doc.Find("#et-graph .node").Length())
	require.Zero(t, v.doc.Find("#et-graph .edge").Length())
	require.NotZero(t, v.doc.Find(`#et-side [name="preview.port"]`).Length(), "the form of a developer")

	form := wired()
	v.submit("Save draft", form)
	require.Equal(t, templatesPath+"/web/versions/v1/edit", v.path(), v.text("main"))
	require.Contains(t, v.text("main"), "saved as a draft")
	require.Equal(t, 1, v.doc.Find("#et-graph .edge-inferred").Length(), "it follows from the expression")
	require.Contains(t, v.problems(), "Nothing is wrong")
	require.Equal(t, "expression", v.doc.Find(`[name="variables.1.valueType"] option[selected]`).AttrOr("value", ""))
	require.Zero(t, v.doc.Find(`#et-side [name="preview.a_id"]`).Length(), "what may not be changed is not asked for")
	require.Contains(t, v.text("#et-readme"), "Hello")

	// Listed dependencies are drawn as such, and a name that is changed is followed.
	v.submit("Save draft", url.Values{"resources.1.dependsOn": {"a"}, "resources.0.name": {"first"}})
	require.Equal(t, "first", v.doc.Find(`[name="resources.1.dependsOn"][checked]`).AttrOr("value", ""))
	require.Contains(t, v.problems(), `there is no resource "a"`)
	require.Equal(t, "#f-variables.1.value", v.doc.Find("#problems a").First().AttrOr("href", ""))
	v.submit("Save draft", url.Values{"resources.0.name": {"a"}})
	require.Equal(t, 1, v.doc.Find("#et-graph .edge").Length())
	require.Zero(t, v.doc.Find("#et-graph .edge-inferred").Length())

	// Nobody else sees a draft.
	dev := signedIn(t, s, apptest.Developer)
	dev.get(templatesPath)
	require.NotContains(t, dev.text("main"), "web")
	require.NotContains(t, dev.text("main"), "New template")
	dev.get(templatesPath + "/web")
	require.Equal(t, http.StatusNotFound, dev.status)

	v.submit("Publish", nil)
	require.Equal(t, templatesPath+"/web", v.path(), v.text("main"))
	require.Contains(t, v.text("main"), "web v1 is published")
	dev.get(templatesPath)
	require.Contains(t, dev.text("#cards"), "Web shop")
	dev.get(environmentsPath + "/new?template=web")
	dev.submit("Create", url.Values{"name": {"shop"}})
	require.Equal(t, environmentsPath+"/shop", dev.path())

	v.get(templatesPath + "/web")
	require.Contains(t, v.text(`[aria-label="Version v1"]`), "shop")
	v.get(templatesPath + "/web/versions/v1/edit")
	require.Equal(t, templatesPath+"/web/new-version", v.path(), "what is published never changes")
	require.Equal(t, "v2", v.value("version"))
}

// TestTemplateCycle: a cycle is shown with its place, and publishing is refused with nothing saved or lost.
func TestTemplateCycle(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Admin)
	v.get(templatesPath + "/new")
	form := wired()
	form.Set("then", "check")
	form.Set("resources.0.dependsOn", "b")
	v.post(templatesPath, form)
	require.Equal(t, http.StatusOK, v.status)
	require.Contains(t, v.problems(), "wait for each other")
	require.Equal(t, "Resource a", text(v.doc.Find("#problems a").First()))
	require.Equal(t, "#cell-resources-0-dependsOn", v.doc.Find("#problems a").First().AttrOr("href", ""))
	require.NotZero(t, v.doc.Find("#et-graph .edge-circular").Length())

	v.submit("Publish", nil)
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.text(`[id="f-resources.0.dependsOn-error"]`), "wait for each other")
	require.Equal(t, `$(resource["a"].output.id)$`, v.value("variables.1.value"))
	require.Equal(t, "Web shop", v.value("displayName"))
	other := signedIn(t, s, apptest.Admin)
	other.get(templatesPath + "/web")
	require.Equal(t, http.StatusNotFound, other.status, "nothing is saved")

	v.submit("Save draft", url.Values{"name": {"Web"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.errorAt("name"), "lower-case")
	v.submit("Save draft", url.Values{"name": {"web"}})
	require.Equal(t, templatesPath+"/web/versions/v1/edit", v.path(), "a draft may be wrong")
	v.get(templatesPath)
	require.Contains(t, v.text("main"), "1 error")
	v.get(templatesPath + "/web")
	v.submit("Publish v1", nil)
	require.Contains(t, v.text("main"), "is not published: 1 problem")
	require.Equal(t, templatesPath+"/web/versions/v1/edit", v.path())

	v.get(templatesPath + "/new")
	v.submit("Save draft", wired())
	require.Contains(t, v.errorAt("name"), "There already is")
}

// TestTemplateOvertaken: a draft that somebody else saved meanwhile is not overwritten unseen.
func TestTemplateOvertaken(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v, other := signedIn(t, s, apptest.Admin), signedIn(t, s, apptest.Admin)
	v.get(templatesPath + "/new")
	v.submit("Save draft", wired())
	other.get(templatesPath + "/web/versions/v1/edit")
	v.submit("Save draft", url.Values{"summary": {"Theirs"}})
	other.submit("Save draft", url.Values{"summary": {"Mine"}})
	require.Equal(t, http.StatusUnprocessableEntity, other.status)
	require.Contains(t, other.text("main [role=alert]"), "Somebody else changed this version")
	require.Equal(t, "Mine", other.value("summary"))
	v.get(templatesPath + "/web/versions/v1/edit")
	require.Equal(t, "Theirs", v.value("summary"))
	other.submit("Save draft", nil)
	require.Equal(t, "Mine", other.value("summary"))
	require.Contains(t, other.text("main"), "saved as a draft")
}

// TestTemplateSecret: a sensitive value is kept and never shown; rules are written as lines.
func TestTemplateSecret(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Admin)
	v.get(templatesPath + "/new")
	form := wired()
	for name, value := range map[string]string{
		"variables.2.name": "token", "variables.2.value": "canary-token", "variables.2.sensitive": "true", "variables.3.name": "port", "variables.3.override": "restricted",
		"variables.3.choices": "Web=80\n443", "variables.3.value": "80", "variables.3.label": "Port", "then": "check",
	} {
		form.Set(name, value)
	}
	v.post(templatesPath, form)
	require.NotContains(t, v.html(), "canary-token")
	v.submit("Save draft", nil)
	require.NotContains(t, v.html(), "canary-token")
	require.Contains(t, v.text("#rows-variables"), "Set, hidden")
	require.Equal(t, "443\nWeb=80", v.value("variables.3.choices"))
	require.Contains(t, v.text("#et-side"), "Web")
	v.submit("Save draft", url.Values{"variables.2.sensitive": {"false"}})
	require.Contains(t, v.errorAt("variables.2.value"), "was sensitive")
	v.get(templatesPath + "/web/versions/v1/edit")
	v.submit("Publish", nil)
	require.Equal(t, templatesPath+"/web", v.path(), v.text("main"))
	v.follow("main a", "YAML")
	require.Contains(t, v.text(".code"), "kind: EnvironmentTemplate")
	require.NotContains(t, v.html(), "canary-token")
}

// TestTemplateIcon takes a picture by what is in it.
func TestTemplateIcon(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Admin)
	v.get(templatesPath + "/new")
	v.upload(templatesPath, wired(), "picture", "icon.png", []byte("<html><script>alert(1)</script></html>"))
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	require.Contains(t, v.errorAt("picture"), "neither a PNG nor an SVG")
	v.upload(templatesPath, wired(), "picture", "icon.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg">`+strings.Repeat(" ", 129<<10)+`</svg>`))
	require.Contains(t, v.errorAt("picture"), "128 kB")
	v.upload(templatesPath, wired(), "picture", "icon.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`))
	require.Equal(t, templatesPath+"/web/versions/v1/edit", v.path(), v.text("main"))
	require.True(t, strings.HasPrefix(v.doc.Find("main img").First().AttrOr("src", ""), "data:image/svg+xml;base64,"), "only ever an image")
	require.Zero(t, v.doc.Find("main svg script").Length())
	v.submit("Save draft", nil)
	require.Equal(t, 1, v.doc.Find("main img").Length(), "it is kept")
}

// TestTemplateVersions goes through the life of versions on the template's page.
func TestTemplateVersions(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Admin)
	v.get(templatesPath + "/new")
	v.submit("Publish", wired())
	v.follow("main a", "New version from v1")
	v.submit("Save draft", url.Values{"version": {"v1"}})
	require.Contains(t, v.errorAt("version"), "There already is")
	v.submit("Save draft", url.Values{"version": {"v2"}, "variables.0.value": {"$(environment.name)$"}})
	v.get(templatesPath + "/web")
	require.Contains(t, v.text(`[aria-label="Version v2"]`), "Draft")
	v.follow("main a", "Compare v2 with the one before")
	require.Contains(t, v.text("#comparison"), "environment.uniqueName")
	v.get(templatesPath + "/web")
	v.submit("Publish v2", nil)
	require.Contains(t, v.text(`[aria-label="Version v2"]`), "latest")
	v.submit("Disable v1", nil)
	require.Contains(t, v.text(`[aria-label="Version v1"]`), "Disabled")
	v.submit("Enable v1", nil)
	require.Contains(t, v.text(`[aria-label="Version v1"]`), "Active")
	v.submit("Save sharing", url.Values{"mode": {"all"}})
	require.Contains(t, v.text("main"), "shared with all projects")
	v.submit("Delete v1", url.Values{"confirm": {"v1"}})
	require.Contains(t, v.text("main"), "web v1 is deleted")
	v.submit("Delete environment template", url.Values{"confirm": {"no"}})
	require.Equal(t, http.StatusUnprocessableEntity, v.status)
	v.submit("Delete environment template", url.Values{"confirm": {"web"}})
	require.Equal(t, templatesPath, v.path())
	v.get(templatesPath + "/web")
	require.Equal(t, http.StatusNotFound, v.status)
}

// What a deploy would not find is said before anybody fills in a form.
func TestTemplateSaysWhichContextIsMissing(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v := signedIn(t, s, apptest.Admin)
	v.get("/p/demo/contexts/new")
	v.submit("Create context", url.Values{"name": {"cloud"}, "env.0.key": {"A"}, "env.0.value": {"b"}})
	v.get(templatesPath + "/new")
	form := wired()
	form["context"] = []string{"cloud"}
	v.submit("Publish", form)
	const missing = "Template web needs the config context cloud, which this project has not"
	pages := []string{templatesPath + "/web", "/p/demo/environments/new?template=web"}
	for _, page := range pages {
		v.get(page)
		require.NotContains(t, v.text("main"), missing, page)
	}
	v.get("/p/demo/contexts/cloud")
	v.submit("Delete context", url.Values{"confirm": {"cloud"}})
	for _, page := range pages {
		v.get(page)
		require.Contains(t, v.text("main"), missing, page)
	}
}

func (v *visitor) html() string {
	v.t.Helper()
	html, err := v.doc.Html()
	require.NoError(v.t, err)
	return html
}

// TestFollowLatest: an environment made with the latest version follows it until it is told to stay.
func TestFollowLatest(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	v, dev := signedIn(t, s, apptest.Admin), signedIn(t, s, apptest.Developer)
	v.get(templatesPath + "/new")
	v.submit("Publish", wired())
	dev.get(environmentsPath + "/new?template=web")
	require.Equal(t, "Latest (v1 now)", text(dev.doc.Find(`[name="version"] option`).First()))
	dev.submit("Create", url.Values{"name": {"follows"}, "version": {""}})
	require.Contains(t, dev.text("#environment-header"), "follows the latest")
	dev.get(environmentsPath + "/new?template=web")
	dev.submit("Create", url.Values{"name": {"stays"}})
	require.NotContains(t, dev.text("#environment-header"), "follows the latest")

	v.get(templatesPath + "/web/new-version")
	v.submit("Publish", url.Values{"variables.0.value": {"$(environment.name)$"}})
	require.Contains(t, v.text("main"), "web v2 is published", v.text("main"))
	dev.get(environmentsPath + "/follows/settings")
	require.Contains(t, dev.text("#environment-header"), "v2 at the next deploy")
	dev.submit("Save version", url.Values{"follow": {"false"}})
	require.Contains(t, dev.text("main"), "follows stays with v1")
	require.NotContains(t, dev.text("#environment-header"), "follows the latest")
	dev.submit("Save version", url.Values{"follow": {"true"}})
	require.Contains(t, dev.text("#environment-header"), "follows the latest")
}
