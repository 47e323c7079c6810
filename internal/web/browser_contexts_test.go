package web_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/apptest"
)

// signIn goes through the two forms.
func (r reader) signIn(email string) {
	r.t.Helper()
	require.NoError(r.t, chromedp.Do(r.ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(r.base+"/signin")))
	r.press(email)
	r.press(kb.Enter)
	r.arrives(`document.activeElement?.type === "password"`)
	r.press(apptest.Password)
	r.press(kb.Enter)
	r.arrives(`location.pathname === "/projects"`)
}

// arrives is becomes for what is on the page that the browser is on its way to; looking ends with each page it leaves.
func (r reader) arrives(expression string) {
	r.t.Helper()
	for r.ctx.Err() == nil {
		ok, err := chromedp.Run(r.ctx, chromedp.Evaluate[bool](`new Promise((done) => { const n = Date.now(); (function look() { if (document.readyState === "complete" && (`+expression+`)) done(true); else if (Date.now() - n > 15000) done(false); else requestAnimationFrame(look); })(); })`, chromedp.EvalAwaitPromise))
		if err == nil {
			require.True(r.t, ok, expression)
			return
		}
	}
	require.NoError(r.t, r.ctx.Err())
}

// fill types into the fields one after the other, from the one that has the focus.
func (r reader) fill(texts ...string) {
	r.t.Helper()
	for i, text := range texts {
		if i > 0 {
			r.press(kb.Tab)
		}
		if text != "" {
			r.press(text)
		}
	}
}

// TestContextInBrowser makes a context with a sensitive variable and a file and changes it, with the keyboard where the
// focus goes by itself. The sensitive value is on no page that comes from the server.
func TestContextInBrowser(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	s := apptest.Start(t, apptest.Options{})
	ctx, complaints := browser(t)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r := reader{t, ctx, s.URL}
	r.signIn(apptest.Admin)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(s.URL+contextsPath+"/new")))

	r.becomes(`document.activeElement.name === "name"`)
	r.fill("aws", "The account", "TOKEN", "canary", "signs requests", " ")
	r.holds(`document.querySelector('[name="env.0.sensitive"][type=checkbox]').checked`)
	r.holds(`getComputedStyle(document.querySelector('[name="env.0.value"]')).webkitTextSecurity === "disc"`)
	r.click(`[value="env.add"]`)
	r.becomes(`document.activeElement.name === "env.1.key"`)
	r.holds(`document.querySelector('[name="env.0.key"]').value === "TOKEN" && document.querySelector('[name=name]').value === "aws"`)
	r.holds(`!document.documentElement.outerHTML.includes("canary") && location.pathname === "` + contextsPath + `/new"`)
	r.fill("REGION", "us-west-2")

	// A row too many goes away again, and the focus has a place.
	r.click(`[value="variables.add"]`)
	r.becomes(`document.activeElement.name === "variables.0.name"`)
	r.click(`[value="variables.remove.0"]`)
	r.becomes(`document.activeElement.value === "variables.add"`)

	file := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(file, []byte("[default]\nregion = us-west-2\n"), 0o600))
	r.click(`[value="files.add"]`)
	r.becomes(`document.activeElement.name === "files.0.mountPath"`)
	r.press("~/.aws/config")
	require.NoError(t, chromedp.Do(ctx, chromedp.SetUploadFiles(`[name="files.0.upload"]`, []string{file})))
	r.click("#context .btn-primary")
	r.arrives(`location.pathname === "` + contextsPath + `/aws"`)
	r.holds(`document.querySelector("#rows-env").textContent.includes("Set, hidden") && !document.documentElement.outerHTML.includes("canary")`)
	r.holds(`document.querySelector('[name="files.0.content"]').value === "[default]\nregion = us-west-2\n"`)

	r.click(`[name="env.1.value"]`)
	r.press("-b")
	r.press(kb.Tab)
	r.press("where")
	r.holds(`(window.before = true)`)
	r.press(kb.Enter) // saves, and presses none of the other buttons
	r.arrives(`!window.before && document.querySelector("main")?.textContent.includes("aws is saved") && document.querySelector('[name="env.1.description"]')?.value === "where"`)
	r.holds(`document.querySelector('[name="env.1.value"]').value === "us-west-2-b"`)
	r.holds(`document.querySelector("#rows-env").textContent.includes("Set, hidden") && document.querySelectorAll("#rows-env .rows-row").length === 2`)
	require.Empty(t, complaints())
}
