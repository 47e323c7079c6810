package web_test

import (
	"context"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// TestResourceTemplateInBrowser reads a repository and publishes with script: reading swaps nothing but the form, which
// keeps what was typed, and publishing goes on to the version.
func TestResourceTemplateInBrowser(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	v, commit := withRepository(t)
	commit(map[string]string{"main.tf": networkTF})
	ctx, complaints := browser(t)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r := reader{t, ctx, v.base}
	r.signIn("admin@example.com")
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(v.base+resourcesPath+"/new")))
	r.becomes(`document.activeElement.name === "name"`)
	r.press("network")
	r.holds(`(() => { window.same = true; document.querySelector("[name=repository]").value = "infra"; return getComputedStyle(document.querySelector(".from-upload")).display === "none"; })()`)
	r.click(`button[value=read]`)
	r.becomes(`document.querySelector("#problems")?.textContent.includes("Nothing is wrong") && window.same && document.querySelector("[name=name]").value === "network"`)
	r.click(`button[value=publish]`)
	r.arrives(`location.pathname === "` + resourcesPath + `/network/versions/v1"`)
	r.becomes(`document.querySelector("main").textContent.includes("network v1 is published")`)
	require.Empty(t, complaints())
}
