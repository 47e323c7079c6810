package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// walkthrough is what a developer does the first time, on the pages alone.
func walkthrough(t *testing.T, s *server) {
	b := newBrowser(t)

	b.open(t, s.url()+"/")
	signIn(t, b, developer)
	chooseProject(t, b, "demo")

	openEnvironments(t, b)
	b.screenshot(t, "environments-empty", "light")
	b.click(t, "button", "New Environment")
	b.fill(t, "Name", "ecs-1")
	b.choose(t, "Template", "ecs")
	b.choose(t, "Version", "v1")
	b.screenshot(t, "new-environment", "light")
	b.click(t, "button", "Create")

	b.click(t, "tab", "Input Variables")
	for _, v := range []struct{ name, value string }{{"image_location", sample}, {"container_port", "80"}} {
		b.click(t, "button", "Add Variable")
		b.fill(t, "Name", v.name)
		b.choose(t, "Value type", "Text")
		b.fill(t, "Value", v.value)
	}
	b.click(t, "button", "Save")

	openEnvironments(t, b)
	b.click(t, "link", "ecs-1")
	b.click(t, "button", "Deploy")
	b.statusIs(t, seenWithin, "Deploying")
	page := location(t, b)
	if screenshots() {
		b.runScreenshot(t, s)
		b.open(t, page)
	}
	b.statusIs(t, deployWithin, "Deployed")
	require.Equal(t, page, location(t, b), "the page must follow the run without being left")
	b.screenshot(t, "deployed", "light")
	b.screenshot(t, "deployed-dark", "dark")

	b.click(t, "tab", "Resources")
	b.press(t, b.row(t, "aws-ecs"))
	endpoint := b.find(t, "link", "endpoint")
	href, err := call[string](b, endpoint, `function() { return this.href }`)
	require.NoError(t, err)
	require.Equal(t, strings.TrimSuffix(s.endpoint(t, developer, "demo", "ecs-1"), "/"), strings.TrimSuffix(href, "/"))
	b.screenshot(t, "resources", "light")
	b.quiet(t)

	b.press(t, endpoint)
	until(t, seenWithin, func() bool { return strings.HasPrefix(location(t, b), strings.TrimSuffix(href, "/")) },
		func() string { return "the link leads to " + location(t, b) })
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
	require.NoError(t, err)
	require.Contains(t, text, "Amazon ECS", "the page of the sample, or of its stand-in")
	b.screenshot(t, "application", "light")
	if screenshots() {
		b.open(t, s.url()+"/p/demo/environments")
		b.find(t, "link", "ecs-1")
		b.screenshot(t, "environments", "light")
	}
}

// runScreenshot shows a run while it makes the load balancer, which takes longest.
func (b *browser) runScreenshot(t *testing.T, s *server) {
	t.Helper()
	reach(t, s.client(t), "ecs-1", 1, makesLoadBalancer)
	b.open(t, s.url()+"/p/demo/environments/ecs-1/runs/1")
	b.screenshot(t, "run", "light")
}

func signIn(t *testing.T, b *browser, email string) {
	t.Helper()
	b.fill(t, "Email", email)
	if more, err := b.look("button", "Continue"); err == nil && len(more) == 1 {
		b.press(t, more[0])
	}
	b.fill(t, "Password", password)
	b.click(t, "button", "Sign in")
}

// chooseProject does what the page asks for: with one project there may be nothing to choose.
func chooseProject(t *testing.T, b *browser, name string) {
	t.Helper()
	until(t, seenWithin, func() bool {
		if links, err := b.look("link", name); err == nil && len(links) == 1 {
			return b.tryPress(links[0]) == nil
		}
		chosen, err := b.look("DisclosureTriangle", "Project "+name)
		return err == nil && len(chosen) == 1
	}, func() string { return "the project cannot be chosen\n" + b.outline(t) })
}

// openEnvironments goes the way the navigation shows: the group Environments, and Environments in it.
func openEnvironments(t *testing.T, b *browser) {
	t.Helper()
	for level := range 2 {
		until(t, seenWithin, func() bool {
			links, err := b.look("link", "Environments")
			return err == nil && len(links) > level && b.tryPress(links[level]) == nil
		}, func() string { return "no way to the environments\n" + b.outline(t) })
		b.find(t, "heading", "Environments")
	}
}

// row finds a row that opens: a button, or a summary, whose role is a browser's own.
func (b *browser) row(t *testing.T, name string) thing {
	t.Helper()
	var found thing
	until(t, seenWithin, func() bool {
		for _, role := range []string{"button", "DisclosureTriangle"} {
			if rows, err := b.look(role, name); err == nil && len(rows) == 1 {
				found = rows[0]
				return true
			}
		}
		return false
	}, func() string { return "no row " + name + " to open\n" + b.outline(t) })
	return found
}

func location(t *testing.T, b *browser) string {
	t.Helper()
	ctx, cancel := b.soon()
	defer cancel()
	at, err := chromedp.Run(ctx, chromedp.Location())
	require.NoError(t, err)
	return at
}
