package web_test

import (
	"bytes"
	"compress/gzip"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/web"
	"github.com/berthdev/berth/internal/web/static"
	"github.com/berthdev/berth/internal/web/views"
)

func parse(t *testing.T, c templ.Component) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(render(t, c)))
	require.NoError(t, err)
	return doc
}

// name is the accessible name of an element, by the rules that the pages rely on.
func name(doc *goquery.Document, s *goquery.Selection) string {
	if ids, ok := s.Attr("aria-labelledby"); ok {
		var parts []string
		for id := range strings.FieldsSeq(ids) {
			parts = append(parts, text(doc.Find(`[id="`+id+`"]`)))
		}
		return strings.Join(parts, " ")
	}
	if label, ok := s.Attr("aria-label"); ok {
		return label
	}
	if id, ok := s.Attr("id"); ok && s.Is("input,select,textarea") {
		return text(doc.Find(`label[for="` + id + `"]`))
	}
	return text(s)
}

func text(s *goquery.Selection) string { return strings.Join(strings.Fields(s.Text()), " ") }

// one finds the only element of a kind with exactly this name.
func one(t *testing.T, doc *goquery.Document, selector, want string) *goquery.Selection {
	t.Helper()
	found := doc.Find(selector).FilterFunction(func(_ int, s *goquery.Selection) bool {
		return s.Closest("template").Length() == 0 && name(doc, s) == want
	})
	require.Equal(t, 1, found.Length(), "%s named %q", selector, want)
	return found
}

// TestNamesOfTheWalkthrough holds the controls to the names that people script against.
func TestNamesOfTheWalkthrough(t *testing.T) {
	t.Parallel()
	all := stories()

	doc := parse(t, all["signin-email"])
	require.Equal(t, "email", one(t, doc, "input", "Email").AttrOr("name", ""))
	one(t, doc, "button[type=submit]", "Continue")
	doc = parse(t, all["signin-password"])
	one(t, doc, "input[type=password]", "Password")
	one(t, doc, "button[type=submit]", "Sign in")

	doc = parse(t, all["projects"])
	require.Equal(t, "/p/demo/environments", one(t, doc, "main a", "demo").AttrOr("href", ""))

	doc = parse(t, all["environments-one"])
	doc.Find("nav a").Each(func(_ int, s *goquery.Selection) {
		if text(s) == "Environments" {
			require.Equal(t, "/p/demo/environments", s.AttrOr("href", ""))
		}
	})
	one(t, doc, "button", "New Environment")

	doc = parse(t, all["new"])
	require.Equal(t, "name", one(t, doc, "input", "Name").AttrOr("name", ""))
	require.Equal(t, "ecs", text(one(t, doc, "select", "Template").Find("option[selected]")))
	require.Equal(t, "v1", text(one(t, doc, "select", "Version").Find("option[selected]")))
	one(t, doc, "button", "Create")

	doc = parse(t, all["environment-draft"])
	one(t, doc, "button", "Deploy")
	require.Equal(t, "/p/demo/environments/ecs-1/inputs", one(t, doc, "a[role=tab]", "Input Variables").AttrOr("href", ""))
	require.Equal(t, "/p/demo/environments/ecs-1/resources", one(t, doc, "a[role=tab]", "Resources").AttrOr("href", ""))
	require.Zero(t, doc.Find("*").FilterFunction(func(_ int, s *goquery.Selection) bool { return text(s) == "Deployed" }).Length(), "a draft must not say Deployed")

	doc = parse(t, all["environment-deployed"])
	require.NotZero(t, doc.Find("#environment-header span").FilterFunction(func(_ int, s *goquery.Selection) bool { return s.Text() == "Deployed" }).Length())

	doc = parse(t, all["environment-resources"])
	one(t, doc, "summary", "aws-ecs")
	require.Equal(t, "http://127.64.12.9/", one(t, doc, "dt a", "endpoint").AttrOr("href", ""))
}

func TestVariableRowNames(t *testing.T) {
	t.Parallel()
	doc := parse(t, stories()["environment-inputs"])
	one(t, doc, "button", "Add Variable")
	one(t, doc, "button", "Save")
	html, err := doc.Find("template#variable-row").Html()
	require.NoError(t, err)
	row, err := goquery.NewDocumentFromReader(strings.NewReader(html))
	require.NoError(t, err)
	one(t, row, "input", "Name")
	one(t, row, "textarea", "Value")
	var options []string
	one(t, row, "select", "Value type").Find("option").Each(func(_ int, o *goquery.Selection) { options = append(options, text(o)) })
	require.Equal(t, []string{"Text", "Expression", "JSON", "HCL"}, options)
}

// TestEveryPage checks what must hold on each page in each state.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	for story, c := range stories() {
		t.Run(story, func(t *testing.T) {
			t.Parallel()
			doc := parse(t, c)
			require.Equal(t, 1, doc.Find("h1").Length(), "one first heading")
			require.Equal(t, 1, doc.Find("main").Length())
			require.NotEmpty(t, text(doc.Find("title")))
			require.Zero(t, doc.Find("[style], style, script:not([src]), [onclick], [onchange]").Length(), "the content security policy forbids inline style and script")
			doc.Find("input:not([type=hidden]), select, textarea, button, a[href], summary, progress, dialog, [role=tab]").Each(func(_ int, s *goquery.Selection) {
				html, _ := goquery.OuterHtml(s)
				require.NotEmpty(t, name(doc, s), "no accessible name: %.160s", html)
			})
			ids := map[string]bool{}
			doc.Find("[id]").Each(func(_ int, s *goquery.Selection) {
				id := s.AttrOr("id", "")
				require.False(t, ids[id], "id %q twice", id)
				ids[id] = true
			})
			doc.Find("[aria-describedby], [aria-labelledby], label[for]").Each(func(_ int, s *goquery.Selection) {
				for id := range strings.FieldsSeq(s.AttrOr("aria-describedby", "") + " " + s.AttrOr("aria-labelledby", "") + " " + s.AttrOr("for", "")) {
					require.True(t, ids[id], "refers to a missing id %q", id)
				}
			})
			doc.Find("a[href], form[action]").Each(func(_ int, s *goquery.Selection) {
				u, err := url.Parse(s.AttrOr("href", s.AttrOr("action", "")))
				require.NoError(t, err)
				require.NotEqual(t, "about", u.Scheme, "an address was refused as unsafe")
			})
		})
	}
}

func TestNoScriptAddress(t *testing.T) {
	t.Parallel()
	v := environment(views.Deployed, views.TabResources)
	v.Resources[1].Outputs[0].Link = "javascript:alert(1)"
	require.NotContains(t, string(render(t, web.EnvironmentPage(v))), `href="javascript:`)
}

// TestBudgets keeps pages, scripts and the style sheet small.
func TestBudgets(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(render(t, stories()["environments-hundred"]))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	t.Logf("100 rows %d B, CSS %d B, JS %d B", b.Len(), static.Size("app.css"), static.Size("app.js")+static.Size("vendor.js"))
	require.Less(t, b.Len(), 40<<10, "HTML of a page with 100 rows")
	require.Less(t, static.Size("app.css"), 40<<10)
	require.Less(t, static.Size("app.js")+static.Size("vendor.js"), 60<<10)
}
