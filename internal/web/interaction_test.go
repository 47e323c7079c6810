package web_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/web"
	"github.com/berthdev/berth/internal/web/views"
)

// page in a browser, with short ways to say what a reader does and sees.
type reader struct {
	t    *testing.T
	ctx  context.Context
	base string
}

func (r reader) open(story string) {
	r.t.Helper()
	require.NoError(r.t, chromedp.Do(r.ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(r.base+"/story/"+story)))
}

func (r reader) press(keys string) {
	r.t.Helper()
	require.NoError(r.t, chromedp.Do(r.ctx, chromedp.KeyEvent(keys)))
}

func (r reader) click(selector string) {
	r.t.Helper()
	require.NoError(r.t, chromedp.Do(r.ctx, chromedp.Click(selector)))
}

func (r reader) holds(expression string) {
	r.t.Helper()
	ok, err := chromedp.Run(r.ctx, chromedp.Evaluate[bool](expression))
	require.NoError(r.t, err)
	require.True(r.t, ok, expression)
}

// becomes waits for something that the page does by itself.
func (r reader) becomes(expression string) {
	r.t.Helper()
	ok, err := chromedp.Run(r.ctx, chromedp.Evaluate[bool](`new Promise((done) => { const n = Date.now(); (function look() { if (`+expression+`) done(true); else if (Date.now() - n > 15000) done(false); else requestAnimationFrame(look); })(); })`, chromedp.EvalAwaitPromise))
	require.NoError(r.t, err)
	require.True(r.t, ok, expression)
}

// event is a server-sent event that carries a part of a page.
func event(t *testing.T, name string, c templ.Component) string {
	t.Helper()
	return "event: " + name + "\ndata: " + strings.ReplaceAll(string(render(t, c)), "\n", "\ndata: ") + "\n\n"
}

// TestInBrowser drives what only a browser shows: the script, under the strict policy, with a quiet console.
func TestInBrowser(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	server, events := storyServer(t)
	ctx, complaints := browser(t)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r := reader{t, ctx, server.URL}

	// Two variables, one after the other, as in the walkthrough; only one row is open at a time.
	r.open("environment-inputs-empty")
	r.click("[data-add-variable]")
	r.holds(`document.activeElement.labels[0].textContent === "Name"`)
	r.press("image_location")
	r.press(kb.Tab)
	r.press(kb.Tab)
	r.press("example.com/app:1")
	r.click("[data-add-variable]")
	r.holds(`document.querySelectorAll("[data-row]").length === 2`)
	r.holds(`[...document.querySelectorAll("[data-f=name]")].filter((e) => e.checkVisibility()).length === 1`)
	r.press("container_port")
	r.press(kb.Tab)
	r.press(kb.Tab)
	r.press("80")
	r.holds(`JSON.stringify([...new FormData(document.getElementById("inputs"))]) === JSON.stringify([["version","3"],["var.0.name","image_location"],["var.0.type","text"],["var.0.value","example.com/app:1"],["var.1.name","container_port"],["var.1.type","text"],["var.1.value","80"]])`)
	r.holds(`document.querySelector("[data-save-bar] button").checkVisibility()`)
	r.click("[data-discard]") // leaving any other way asks first

	// A wrong name is said beside the field, and keeps the form from being sent.
	r.open("environment-inputs-empty")
	r.click("[data-add-variable]")
	r.press("container port")
	r.click("[data-save-bar] button")
	r.holds(`document.getElementById("var-0-name-error").textContent.includes("Letters")`)
	r.holds(`document.activeElement.id === "var-0-name" && location.pathname === "/story/environment-inputs-empty"`)
	r.click("[data-discard]")

	// Another template brings its own inputs, and keeps what was typed.
	r.open("new")
	r.press("ecs-7")
	r.holds(`(() => { const s = document.getElementById("f-template"); s.value = "sample"; s.dispatchEvent(new Event("change", { bubbles: true })); return true; })()`)
	r.becomes(`document.querySelector("aside p")?.textContent === "About sample"`)
	r.holds(`document.getElementById("f-name").value === "ecs-7" && document.getElementById("f-template").value === "sample"`)

	// Destroying asks for the name.
	r.open("environment-deployed")
	r.click("#environment-header details.menu > summary")
	r.click("[data-dialog=destroy]")
	r.holds(`document.getElementById("destroy").open && document.querySelector("#destroy [type=submit]").disabled`)
	r.press("ecs-1")
	r.holds(`!document.querySelector("#destroy [type=submit]").disabled`)
	r.press(kb.Escape)
	r.holds(`!document.getElementById("destroy").open`)

	// What happens shows by itself, and an opened row stays open.
	r.open("environment-deploying-resources")
	r.click("#resource-aws-ecs summary")
	r.holds(`document.querySelector("#resource-aws-ecs details").open && document.querySelector("#resource-aws-ecs dd") === null`)
	events <- event(t, "header", web.EnvironmentHeader(environment(views.Deployed, "").Header))
	events <- event(t, "resources", web.EnvironmentResources(resources(views.Deployed)))
	r.becomes(`[...document.querySelectorAll("#environment-header span")].some((e) => e.textContent === "Deployed")`)
	r.becomes(`document.querySelector("#resource-aws-ecs dd a")?.href === "http://127.64.12.9/"`)
	r.holds(`document.querySelector("#resource-aws-ecs details").open && document.querySelector("#resource-aws-ecs dd a").checkVisibility()`)

	// Palette, filter, help and going places by keyboard.
	r.open("environment-deployed")
	r.press("?")
	r.becomes(`document.getElementById("shortcuts").open`)
	r.press(kb.Escape)
	require.NoError(t, chromedp.Do(ctx, chromedp.KeyEvent("k", chromedp.KeyModifiers(chromedp.ModifierCtrl))))
	r.becomes(`document.querySelector("#palette [role=option]")?.getAttribute("aria-selected") === "true"`)
	r.press(kb.ArrowDown)
	r.holds(`document.querySelectorAll("#palette [role=option]")[1].getAttribute("aria-selected") === "true"`)
	r.press(kb.Escape)
	r.open("environments-ten")
	r.press("/")
	r.holds(`document.activeElement.name === "q"`)

	// A menu in a table is not cut off by it.
	r.open("environments-ten")
	r.click("tbody tr:last-child details.menu > summary")
	r.becomes(`(() => { const b = document.querySelector("details.menu[open] .menu-panel")?.getBoundingClientRect(); if (!b) return false; const e = document.elementFromPoint(b.left + 20, b.bottom - 14); return e && e.closest(".menu-panel") !== null; })()`)

	// The theme changes at once and is remembered.
	r.open("environments-one")
	r.click("summary[aria-label='Your account']")
	r.click("[data-theme-set][value=dark]")
	r.holds(`document.documentElement.dataset.theme === "dark" && document.cookie.includes("theme=dark")`)

	// The log is searched and a line has an address.
	r.open("run-failed")
	r.click("#log-search")
	r.press("CannotPull")
	r.holds(`document.querySelector(".log-line.hit").id === "L12"`)
	require.Empty(t, complaints())
}
