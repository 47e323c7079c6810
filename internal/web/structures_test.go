package web_test

import (
	"net/url"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/web"
	"github.com/berthdev/berth/internal/web/views"
)

const storyPicture = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAyNCAyNCI+PHJlY3Qgd2lkdGg9IjI0IiBoZWlnaHQ9IjI0IiByeD0iNSIgZmlsbD0iI2U4NzYyYiIvPjxwYXRoIGQ9Ik03IDE3IDEyIDdsNSAxMHoiIGZpbGw9IiNmZmYiLz48L3N2Zz4="

const storyReadme = `# What you get

A container behind a load balancer, **with a public address**. See [the module](https://example.com/module) for more.

## Before you start

1. Have the image in a registry
   - public, or
   - one that a context has credentials for
2. Know the port

| Input | What for | Default |
|---|---|---|
| image_location | The container image that is run, with its registry and its tag | none |
| container_port | Where the container listens | 80 |

` + "```hcl\nmodule \"service\" {\n  source = \"./modules/service\"\n  image  = var.image_location # a rather long line that has to scroll by itself on a telephone, and not the page\n}\n```" + `

> Destroying it removes the logs as well.

Check the answer with ` + "`curl -fsS $endpoint`" + `.
`

const structuresModule = `
variable "name_prefix" {
  type        = string
  default     = "app"
  description = "Begins the names of what is made."
}
variable "size" {
  type    = string
  default = "small"
  validation {
    condition     = contains(["small", "medium", "large"], var.size)
    error_message = "Bad size."
  }
}
variable "zones" {
  type        = list(string)
  description = "Where it runs."
  default     = ["a"]
}
variable "token" {
  type      = string
  sensitive = true
  default   = ""
}
variable "allowed" {
  type        = list(string)
  description = "Networks that may connect."
}
variable "tags" {
  type    = map(string)
  default = { team = "platform" }
}
variable "public" {
  type    = bool
  default = true
}
variable "scaling" {
  type    = object({ min = number, max = number, cooldown = optional(number, 60), scheduled = optional(bool, false), notes = optional(string) })
  default = { min = 1, max = 3 }
}
variable "rules" {
  type = list(object({
    name     = string
    port     = number
    protocol = optional(string, "tcp")
    cidrs    = optional(list(string), [])
    health   = optional(object({ path = string, interval = optional(number, 30) }))
  }))
  default = []
  validation {
    condition     = alltrue([for r in var.rules : r.port >= 1 && r.port <= 65535 && floor(r.port) == r.port && contains(["tcp", "udp"], r.protocol)])
    error_message = "Bad rule."
  }
}
variable "anything" { default = null }
`

// structures is a version with an input of every kind.
func structures(t testing.TB) *template.Compiled {
	t.Helper()
	m := bundle.Inspect(fstest.MapFS{"main.tf": {Data: []byte(structuresModule)}}, ".")
	require.Empty(t, m.Problems)
	c, err := template.NewCompiler()
	require.NoError(t, err)
	rv := &template.ResourceVersion{ID: "m", Template: "m", Version: "v1", State: template.Active, Module: *m}
	names := []string{"size", "token", "allowed", "tags", "public", "scaling", "rules", "anything"}
	spec := template.EnvironmentSpec{Resources: []template.Resource{{Name: "m", Kind: template.KindResourceTemplate, Template: "m", VersionID: "m"}}}
	for _, name := range names {
		spec.Variables = append(spec.Variables, template.Variable{Name: name})
	}
	spec.Variables = append(spec.Variables, template.Variable{Name: "zones", Options: template.Options{
		Override: template.Override{Type: template.Restricted, RestrictedValues: []string{"a", "b", "c"}, MultiSelect: true},
	}})
	out := c.Compile(&template.EnvironmentVersion{Template: "structures", Version: "v1", Spec: spec}, map[template.ResourceVersionID]*template.ResourceVersion{"m": rv})
	require.Empty(t, out.Problems())
	return out
}

// structuresTyped is a form that somebody has begun to fill in.
func structuresTyped() url.Values {
	return url.Values{
		"name": {"ecs-7"}, "in.rules[]": {"", "0", "1"}, "in.rules[0].name": {"web"}, "in.rules[0].port": {"443"}, "in.rules[0].protocol": {"tcp"},
		"in.rules[0].cidrs[]": {"", "0", "1"}, "in.rules[0].cidrs[0]": {"10.0.0.0/8"}, "in.rules[0].cidrs[1]": {"192.168.0.0/16"}, "in.rules[0].health.path": {"/up"},
		"in.rules[1].name": {"metrics"}, "in.rules[1].port": {"ninety"}, "in.allowed[]": {"", "0", "1"}, "in.allowed[0]": {"10.0.0.0/8"}, "in.zones[]": {""}, "in.zones": {"a", "c"},
	}
}

func structuresPage(t testing.TB, form url.Values) views.NewEnvironment {
	t.Helper()
	v := newEnvironment()
	v.ActionURL, v.LiveURL = "/p/structures/environments", "/p/structures/environments/check"
	v.Name.Value, v.Name.Autofocus = form.Get("name"), !form.Has("row")
	v.Inputs, v.Advanced = nil, nil
	version := structures(t)
	for i, f := range web.InputForm(version, form, v.ActionURL) {
		if version.Inputs()[i].Group == template.Advanced {
			v.Advanced = append(v.Advanced, f)
		} else {
			v.Inputs = append(v.Inputs, f)
		}
	}
	return v
}

// TestStructuresInBrowser fills nested controls and sees what is wrong while typing, without the caret moving.
func TestStructuresInBrowser(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	server, _ := storyServer(t)
	ctx, complaints := browser(t)
	r := reader{t, ctx, server.URL}
	add := func(list string) { r.click(`button[value="add in.` + list + `"]`) }

	r.open("new-structures")
	r.press("ecs-7")
	add("rules")
	r.becomes(`document.activeElement.name === "in.rules[0].name"`)
	r.press("web")
	r.press(kb.Tab)
	r.press("eighty")
	// It is said while the field still has the focus, beside it, by its way there; the caret stays where it was.
	r.becomes(`document.getElementById("f-in.rules[0].port-error").textContent.trim() === "Rules, 1, port: must be a whole number from 1 to 65535; you entered eighty."`)
	r.holds(`document.activeElement.name === "in.rules[0].port" && document.activeElement.selectionStart === 6 && document.activeElement.getAttribute("aria-invalid") === "true"`)
	r.press(strings.Repeat(kb.Backspace, 6) + "80")
	r.becomes(`document.getElementById("f-in.rules[0].port-error").hidden && document.activeElement.getAttribute("aria-invalid") === "false"`)

	// What is required and not filled in yet is not wrong while something else is typed, but once it has been left.
	r.holds(`document.getElementById("f-in.allowed-error").hidden`)
	r.click(`[name="in.allowed[0]"]`)
	r.press(kb.Tab)
	r.becomes(`document.getElementById("f-in.allowed-error").textContent.includes("Allowed is required")`)
	r.click(`[name="in.allowed[0]"]`)
	r.press("10.0.0.0/8")
	r.becomes(`document.getElementById("f-in.allowed-error").hidden`)

	// Rows come and go and everything that was typed stays.
	add("tags")
	r.becomes(`document.activeElement.name === "in.tags[1].key"`)
	r.press("stage")
	r.press(kb.Tab)
	r.press("dev")
	r.click(`button[value="remove in.tags[0]"]`)
	r.becomes(`document.querySelector('[name="in.tags[0].key"]') === null`)
	r.becomes(`document.querySelector('[name="in.tags[1].key"]').value === "stage" && document.activeElement.value === "add in.tags"`)
	r.holds(`document.querySelector('[name="in.rules[0].port"]').value === "80" && document.getElementById("f-name").value === "ecs-7"`)

	// Enter sends the form; it does not press the first button in it.
	r.holds(`document.querySelector("#new-environment").querySelector("button").textContent === "Send"`)
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(390, 900)))
	r.holds(`document.documentElement.scrollWidth <= innerWidth`)
	require.Empty(t, complaints())
}
