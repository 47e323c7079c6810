package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// author is a browser in which somebody writes templates or uses them, in one project.
type author struct {
	*browser
	t       *testing.T
	url     string
	project string
	shots   string
}

// authoring goes the way of a platform team on the pages alone, from a project that holds nothing to an environment that a
// developer of another project has deployed; then the same way with documents. Both end with the same objects.
func authoring(t *testing.T, s *server) {
	code := t.TempDir()
	for name, text := range modules {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(code, name)), 0o750))
		require.NoError(t, os.WriteFile(filepath.Join(code, name), []byte(text), 0o600))
	}
	commit(t, code)
	for _, project := range []string{"pages", "pages-users", "files", "files-users"} {
		s.must(t, admin, "project", "create", project)
	}
	for _, project := range []string{"pages-users", "files-users"} {
		s.must(t, admin, "project", "grant", project, "--user", developer, "--role", "environment_template_user")
	}

	a := signedIn(t, s, admin, "pages")
	a.repository("file://" + code)
	a.context()
	a.static()
	a.resourceTemplates()
	a.environmentTemplate()
	a.share("pages-users")
	a.quiet(t)

	d := signedIn(t, s, developer, "pages-users")
	d.deploys()
	d.quiet(t)

	folder := t.TempDir()
	for name, text := range authored {
		text = strings.NewReplacer("CODE", "file://"+code).Replace(text)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	s.must(t, admin, "apply", "-f", filepath.Join(folder, "platform.yaml"), "-p", "files")
	s.must(t, developer, "apply", "-f", filepath.Join(folder, "environment.yaml"), "-p", "files-users", "--deploy", "--wait")
	for _, project := range []string{"", "-users"} {
		pages := s.must(t, admin, "export", "--all", "--portable", "-p", "pages"+project)
		files := s.must(t, admin, "export", "--all", "--portable", "-p", "files"+project)
		require.Equal(t, strings.ReplaceAll(files, "files", "pages"), pages)
	}
	require.JSONEq(t, s.must(t, developer, "env", "outputs", "shop", "-p", "files-users", "-o", "json"),
		s.must(t, developer, "env", "outputs", "shop", "-p", "pages-users", "-o", "json"))
	for _, project := range []string{"pages-users", "files-users"} {
		s.must(t, developer, "env", "destroy", "shop", "-p", project, "--wait")
	}
}

func signedIn(t *testing.T, s *server, email, project string) author {
	b := newBrowser(t)
	b.open(t, s.url()+"/")
	signIn(t, b, email)
	a := author{browser: b, t: t, url: s.url(), project: project, shots: os.Getenv("BERTH_AUTHORING_SHOTS")}
	a.find(t, "main", "")
	b.open(t, s.url()+"/p/"+project)
	return a
}

// picture keeps a part of the page for the README.
func (a author) picture(name, part string) {
	a.t.Helper()
	if !screenshots() {
		return
	}
	_, err := chromedp.Run(a.ctx, chromedp.Evaluate[bool](fmt.Sprintf(`(document.querySelector(%q).scrollIntoView({block: "center"}), true)`, part)))
	require.NoError(a.t, err)
	a.screenshot(a.t, name, "light")
}

// shot keeps a picture of the page where somebody asked for it.
func (a author) shot(name string) {
	a.t.Helper()
	if a.shots == "" {
		return
	}
	for theme, width := range map[string]int64{"light": 1440, "dark": 390} {
		_, err := chromedp.Call(a.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
		require.NoError(a.t, err)
		require.NoError(a.t, chromedp.Do(a.ctx, chromedp.EmulateViewport(width, 900)))
		png, err := chromedp.Run(a.ctx, chromedp.FullScreenshot(100))
		require.NoError(a.t, err)
		require.NoError(a.t, os.WriteFile(filepath.Join(a.shots, name+"-"+theme+".png"), png, 0o600))
	}
	_, err := chromedp.Call(a.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}}})
	require.NoError(a.t, err)
	require.NoError(a.t, chromedp.Do(a.ctx, chromedp.EmulateViewport(1280, 800)))
}

// goes follows the navigation to a list of things and opens the form of a new one. The list is empty the first time.
func (a author) goes(list, button string) {
	a.t.Helper()
	p := a.page()
	a.menu().presses(a.t, "link", list)
	p.sees(a.t, "heading", list)
	a.shot("list-" + strings.ToLower(strings.ReplaceAll(list, " ", "-")))
	p.presses(a.t, "link", button)
}

// menu is the navigation that stands on every page.
func (a author) menu() group { return group{b: a.browser, role: "navigation", name: "Main"} }

// general is the part of a form that says what a thing is called.
func (a author) general() group { return group{b: a.browser, role: "region", name: "General"} }

func (a author) repository(url string) {
	t, p := a.t, a.page()
	a.goes("Repositories", "New Repository")
	a.general().writes(t, "textbox", "Name", "infra")
	a.general().writes(t, "textbox", "Description", "Modules of the platform team")
	p.writes(t, "textbox", "URL", url+"-gone")
	p.presses(t, "button", "Test connection")
	a.says(t, "There is no folder ")
	p.writes(t, "textbox", "URL", url)
	p.presses(t, "button", "Test connection")
	a.says(t, "Default branch main")
	a.shot("repository")
	p.presses(t, "button", "Add repository")
	p.sees(t, "button", "Save")
}

func (a author) context() {
	t, p := a.t, a.page()
	a.goes("Contexts", "New Context")
	a.general().writes(t, "textbox", "Name", "credentials")
	one := a.group("Environment variable 1")
	one.writes(t, "textbox", "Key", "API_TOKEN")
	one.ticks(t, "checkbox", "Sensitive")
	one.writes(t, "textbox", "Value", "a-token-of-the-platform")
	p.presses(t, "button", "Add environment variable")
	two := a.group("Environment variable 2")
	two.writes(t, "textbox", "Key", "API_URL")
	two.writes(t, "textbox", "Value", "https://api.example.com")
	a.shot("context")
	p.presses(t, "button", "Create context")
	p.sees(t, "button", "Save sharing")
}

func (a author) static() {
	t, p := a.t, a.page()
	a.goes("Static Resources", "New Static Resource")
	a.general().writes(t, "textbox", "Name", "company")
	one := a.group("Variable 1")
	one.writes(t, "textbox", "Name", "region")
	one.writes(t, "textbox", "Value", "eu-west-1")
	a.shot("static")
	p.presses(t, "button", "Create static resource")
	p.sees(t, "button", "Save sharing")
}

// resourceTemplates reads two folders of the repository. Reading lists the variables of the module, each in a row.
func (a author) resourceTemplates() {
	t, p := a.t, a.page()
	a.newResourceTemplate("network")
	one := a.group("Variable 1")
	one.chooses(t, "Type", "Text")
	one.writes(t, "textbox", "Value", "10.0.0.0/16")
	one.chooses(t, "May be changed", "Not allowed")
	p.presses(t, "button", "Publish")
	a.says(t, "network v1 is published")
	a.shot("resource-template")

	a.newResourceTemplate("service")
	plan := a.group("Variable 2") // in the order of the code
	plan.chooses(t, "Type", "Text")
	plan.writes(t, "textbox", "Value", "small")
	plan.chooses(t, "May be changed", "Restricted")
	plan.presses(t, "DisclosureTriangle", "More about this variable")
	plan.writes(t, "textbox", "Allowed values", "small\nlarge")
	a.shot("resource-template-edit")
	a.picture("publish", "#read")
	p.presses(t, "button", "Publish")
	a.says(t, "service v1 is published")
}

func (a author) newResourceTemplate(name string) {
	t, p := a.t, a.page()
	a.goes("Resource Templates", "New Resource Template")
	a.general().writes(t, "textbox", "Name", name)
	p.does(t, "combobox", "Repository", "choosing", func(x thing) error {
		_, err := call[bool](a.browser, x, `function() { this.focus(); return true }`)
		return err
	})
	require.NoError(t, chromedp.Do(a.ctx, chromedp.KeyEvent("infra")))
	p.writes(t, "textbox", "Folder", name)
	p.presses(t, "button", "Read")
	a.says(t, "Nothing is wrong. It can be published.")
	p.sees(t, "heading", "What was read")
}

func (a author) environmentTemplate() {
	t, p := a.t, a.page()
	a.goes("Environment Templates", "New template")
	a.general().writes(t, "textbox", "Name", "web")
	a.general().writes(t, "textbox", "Display name", "Web service")
	a.general().writes(t, "textbox", "Summary", "A service in a network.")
	net := a.group("Resource 1")
	net.chooses(t, "Resource template", "network")
	p.presses(t, "button", "Add resource")
	app := a.group("Resource 2")
	app.chooses(t, "Resource template", "service")
	p.presses(t, "button", "Add resource")
	company := a.group("Resource 3")
	company.chooses(t, "Kind", "Static resource")
	company.chooses(t, "Static resource", "company")
	for i, v := range []struct{ name, value string }{
		{"net_id", `$(resource["network"].output.id)$`}, {"region", `$(resource["company"].output.region)$`},
	} {
		p.presses(t, "button", "Add variable")
		row := a.group([]string{"Variable 1", "Variable 2"}[i])
		row.writes(t, "combobox", "Name", v.name)
		row.chooses(t, "Value type", "Expression")
		row.writes(t, "combobox", "Value or expression", v.value)
		row.chooses(t, "May be changed", "No")
	}
	p.ticks(t, "checkbox", "credentials")
	a.says(t, "Nothing is wrong. It can be published.")
	until(t, seenWithin, func() bool {
		n, err := chromedp.Run(a.ctx, chromedp.Evaluate[int](`document.querySelectorAll("#et-graph .edge-inferred").length`))
		return err == nil && n == 2
	}, func() string { return "the graph does not show what the expressions connect\n" + a.outline(t) })
	a.shot("template-edit")
	a.picture("graph", "#et-graph")
	p.presses(t, "button", "Publish")
	a.says(t, "web v1 is published")
}

func (a author) share(with string) {
	t, p := a.t, a.page()
	p.ticks(t, "radio", "Chosen projects")
	p.ticks(t, "checkbox", with)
	p.presses(t, "button", "Save sharing")
	a.says(t, "web is now shared with 1 project")
	a.shot("template")
}

// deploys is what a developer does with a template that is shared with the project.
func (a author) deploys() {
	t, p := a.t, a.page()
	a.menu().presses(t, "link", "Environment Templates")
	a.shot("catalog")
	p.presses(t, "link", "Use template web")
	p.writes(t, "textbox", "Name", "shop")
	p.ticks(t, "radio", "large")
	p.presses(t, "DisclosureTriangle", "Advanced 1 input with working defaults")
	p.writes(t, "textbox", "Port", "99999")
	a.says(t, "1 to 65535")
	p.writes(t, "textbox", "Port", "8080")
	until(t, seenWithin, func() bool {
		ok, err := chromedp.Run(a.ctx, chromedp.Evaluate[bool](`!document.body.innerText.includes("1 to 65535")`))
		return err == nil && ok
	}, func() string { return "the error stays\n" + a.outline(t) })
	a.shot("form")
	p.presses(t, "button", "Create and deploy")
	a.statusIs(t, deployWithin, "Deployed")
	a.shot("environment")
	p.presses(t, "tab", "Resources")
	a.press(t, a.row(t, "service"))
	a.says(t, "net-10.0.0.0/16 eu-west-1 large 8080")
	a.shot("outputs")
}

// modules is the code of a platform team that needs no cloud.
var modules = map[string]string{ //nolint:gochecknoglobals // constant
	"network/main.tf": `variable "cidr" {
  type        = string
  description = "Addresses of the network."
}
resource "terraform_data" "this" {
  input = var.cidr
}
output "id" {
  value = "net-${terraform_data.this.output}"
}
`,
	"service/main.tf": `variable "net_id" {
  type = string
}
variable "plan" {
  type        = string
  description = "How much it may use."
}
variable "port" {
  type    = number
  default = 80
  validation {
    condition     = var.port >= 1 && var.port <= 65535
    error_message = "Port must be from 1 to 65535."
  }
}
variable "region" {
  type = string
}
resource "terraform_data" "this" {
  input = "${var.net_id} ${var.region} ${var.plan} ${var.port}"
}
output "address" {
  value = terraform_data.this.output
}
`,
}

// authored is in documents what the pages make. The token is another one: exports tell none.
var authored = map[string]string{ //nolint:gochecknoglobals // constant
	"environment.yaml": `apiVersion: berth.dev/v1
kind: Environment
metadata: {name: shop}
spec:
  template: {name: web, version: v1}
  variables:
    - {name: plan, value: large}
    - {name: port, value: "8080"}
`,
	"platform.yaml": `apiVersion: berth.dev/v1
kind: Repository
metadata: {name: infra, description: Modules of the platform team}
spec: {endpoint: "CODE"}
---
apiVersion: berth.dev/v1
kind: ConfigContext
metadata: {name: credentials}
spec:
  envs:
    - {key: API_TOKEN, value: another-token, options: {sensitive: true}}
    - {key: API_URL, value: "https://api.example.com"}
---
apiVersion: berth.dev/v1
kind: StaticResource
metadata: {name: company}
spec: {variables: [{name: region, value: eu-west-1}]}
---
apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: network}
spec:
  version: v1
  versionState: active
  source: {repository: infra, path: network}
  variables:
    - {name: cidr, value: 10.0.0.0/16, options: {override: {type: notallowed}}}
---
apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: service}
spec:
  version: v1
  versionState: active
  source: {repository: infra, path: service}
  variables:
    - {name: plan, value: small, options: {override: {type: restricted, restrictedValues: [small, large]}}}
---
apiVersion: berth.dev/v1
kind: EnvironmentTemplate
metadata: {name: web, displayName: Web service}
spec:
  version: v1
  versionState: active
  icon: layout-template
  summary: A service in a network.
  contexts: [{name: credentials}]
  resources:
    - {name: network, template: network}
    - {name: service, template: service}
    - {name: company, kind: static, static: company}
  variables:
    - {name: net_id, valueType: expression, value: '$(resource["network"].output.id)$', options: {override: {type: notallowed}}}
    - {name: region, valueType: expression, value: '$(resource["company"].output.region)$', options: {override: {type: notallowed}}}
  sharing: {enabled: true, projects: [{name: files-users}]}
`,
}
