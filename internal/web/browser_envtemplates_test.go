package web_test

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
)

// choose picks an option, as a click in the list does.
func (r reader) choose(name, value string) {
	r.t.Helper()
	r.holds(`(() => { const s = document.querySelector('[name="` + name + `"]'); s.focus(); s.value = "` + value + `"; s.dispatchEvent(new Event("input", { bubbles: true })); s.dispatchEvent(new Event("change", { bubbles: true })); return s.value === "` + value + `"; })()`)
}

// TestTemplateInBrowser builds an environment template in a project that has none: two resources, wired by an expression.
// The graph and the problems follow what is typed, and nothing that is typed is lost.
func TestTemplateInBrowser(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	s := apptest.Start(t, apptest.Options{})
	_, err := s.Client(apptest.Admin).CreateProject(t.Context(), api.CreateProject{Name: "shop"})
	require.NoError(t, err)
	ctx, complaints := browser(t)
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	r := reader{t, ctx, s.URL}
	r.signIn(apptest.Admin)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+"/p/shop/templates")))
	r.click(`a[href="/p/shop/templates/new"]`)
	r.arrives(`document.activeElement?.name === "name"`)
	r.press("web")

	r.choose("resources.0.template", "a")
	r.becomes(`document.querySelectorAll("#et-graph .node").length === 1`)
	r.click(`[value="resources.add"]`)
	r.becomes(`document.activeElement?.name === "resources.1.name"`)
	r.choose("resources.1.template", "b")
	r.becomes(`document.querySelectorAll("#et-graph .node").length === 2 && !document.querySelector("#et-graph .edge")`)
	r.becomes(`document.querySelector('#cell-resources-1-dependsOn [value="a"]')`)
	r.click(`#cell-resources-1-dependsOn [value="a"]`)
	r.becomes(`document.querySelectorAll("#et-graph .edge").length === 1 && document.querySelector("#cell-resources-1-dependsOn :checked")`)
	r.click(`#cell-resources-1-dependsOn [value="a"]`)
	r.becomes(`!document.querySelector("#et-graph .edge")`)

	r.click(`[name="then"][value="fill"]`)
	r.becomes(`document.querySelector('[name="variables.1.name"]')?.value === "a_id"`)
	r.click(`[name="variables.0.value"]`)
	r.press("shop")
	r.click(`[name="variables.1.value"]`)
	r.holds(`(document.querySelector('[data-insert*="output.id"]').closest("details").open = true)`)
	r.click(`[data-insert*="output.id"]`)
	r.becomes(`document.querySelector("#et-graph .edge-inferred") && document.querySelector('[name="variables.1.valueType"]').value === "expression"`)
	r.holds(`document.querySelector('[name="variables.0.value"]').value === "shop" && document.querySelector('[name="name"]').value === "web"`)
	r.becomes(`document.querySelector("#problems").textContent.includes("Nothing is wrong")`)

	// What is typed while an answer is on its way stays.
	r.click(`[name="variables.1.value"]`)
	r.press(kb.End)
	r.press(" and more")
	r.becomes(`document.querySelector("#problems") && document.querySelector('[name="variables.1.value"]').value.endsWith("and more")`)
	for range len(" and more") {
		r.press(kb.Backspace)
	}
	r.holds(`(window.before = true)`)
	r.click(`[name="then"][value="publish"]`)
	r.arrives(`!window.before && location.pathname === "/p/shop/templates/web" && document.querySelector("main").textContent.includes("web v1 is published")`)
	r.click(`#share-all`)
	r.click(`#sharing button[type=submit]`)
	r.arrives(`document.querySelector("main")?.textContent.includes("shared with all projects")`)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+templatesPath)))
	r.arrives(`document.querySelector("#cards")?.textContent.includes("web")`)
	require.Empty(t, complaints())
}
