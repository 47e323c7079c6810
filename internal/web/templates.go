package web

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	markdowntext "github.com/yuin/goldmark/text"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/web/views"
)

// catalog shows what environments can be made from.
func (s *server) catalog(w http.ResponseWriter, r *http.Request) error {
	sc, err := s.inProject(w, r, views.SectionTemplates, "Environment Templates")
	if err != nil {
		return err
	}
	cards, err := s.Templates.Catalog(r.Context(), sc.id)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	v := views.Catalog{
		Page: sc.Page, CanCreate: sc.can(authz.EnvironmentCreate), Text: strings.TrimSpace(q.Get("q")), Category: q.Get("category"), Total: len(cards),
		Base: views.ProjectPath(sc.Project.Slug, "templates"),
	}
	for _, c := range cards {
		card := cardOf(c, sc.Project.Slug)
		if !slices.Contains(v.Categories, card.Category) {
			v.Categories = append(v.Categories, card.Category)
		}
		if v.Category != "" && card.Category != v.Category || !mentions(card, v.Text) {
			continue
		}
		v.Cards = append(v.Cards, card)
	}
	slices.Sort(v.Categories)
	if sc.can(authz.TemplateWrite) {
		v.NewURL = v.Base + "/new"
	}
	if sc.can(authz.TemplateSourceRead) {
		v.Author = true
		if v.Rows, err = s.authorRows(r, sc, v.Text); err != nil {
			return err
		}
	}
	return render(w, r, http.StatusOK, CatalogPage(v))
}

// mentions reports whether a card has every word of a search.
func mentions(c views.TemplateCard, search string) bool {
	text := strings.ToLower(strings.Join([]string{c.Name, c.Title, c.Summary, c.Category}, " "))
	for word := range strings.FieldsSeq(strings.ToLower(search)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

func cardOf(c template.Card, project string) views.TemplateCard {
	card := views.TemplateCard{
		Name: c.Name, Title: cmp.Or(c.DisplayName, c.Name), Summary: c.Summary, Category: cmp.Or(c.Category, "General"),
		Version: c.LatestActive, URL: views.ProjectPath(project, "templates", c.Name),
		NewURL: views.ProjectPath(project, "environments", "new") + "?template=" + url.QueryEscape(c.Name),
	}
	card.Icon, card.Image = iconOf(c.Icon)
	return card
}

// maxImage bounds a picture in the place of an icon: it is written into each page that shows it.
const maxImage = 176 << 10

// iconOf is the icon or the picture of a template. A picture is only ever the source of an image element, where nothing
// in it can run.
func iconOf(icon string) (name, image string) {
	for _, kind := range []string{"png", "jpeg", "webp", "gif", "svg+xml"} {
		if rest, ok := strings.CutPrefix(icon, "data:image/"+kind); ok && len(icon) <= maxImage && (strings.HasPrefix(rest, ";") || strings.HasPrefix(rest, ",")) {
			return "layout-template", icon
		}
	}
	return iconName(icon), ""
}

// templatePage shows one template in its newest active version, or the one that the address asks for.
func (s *server) templatePage(w http.ResponseWriter, r *http.Request) error {
	return s.drawTemplatePage(w, r, http.StatusOK, func(*views.TemplatePage) {})
}

func (s *server) drawTemplatePage(w http.ResponseWriter, r *http.Request, status int, change func(*views.TemplatePage)) error {
	name := r.PathValue("template")
	sc, err := s.inProject(w, r, views.SectionTemplates, name)
	if err != nil {
		return err
	}
	view, err := s.Templates.View(r.Context(), sc.id, name, r.URL.Query().Get("version"))
	if drafts := noVersion(err) && sc.can(authz.TemplateSourceRead); err != nil && !drafts {
		return err
	}
	t, err := s.Templates.EnvironmentTemplate(r.Context(), sc.id, name)
	if err != nil {
		return err
	}
	v := views.TemplatePage{Page: sc.Page, CanCreate: sc.can(authz.EnvironmentCreate), MissingRole: roleFor(r, authz.EnvironmentCreate, sc.id)}
	if v.Author, err = s.templateAuthor(r, sc, *t); err != nil {
		return err
	}
	if view == nil {
		v.Unpublished = true
		v.Card = cardOf(template.Card{Name: t.Name, DisplayName: t.DisplayName, Summary: t.Description}, sc.Project.Slug)
	} else if err := fillTemplatePage(&v, view, *t, sc); err != nil {
		return err
	}
	change(&v)
	return render(w, r, status, TemplatePage(v))
}

// fillTemplatePage adds what developers see of a published version.
func fillTemplatePage(v *views.TemplatePage, view *template.VersionView, t template.Summary, sc scope) (err error) {
	card := template.Card{Name: view.Template, DisplayName: view.DisplayName, Summary: view.Summary, Icon: view.Icon, Category: view.Category, LatestActive: view.Version}
	v.Card, v.Graph = cardOf(card, sc.Project.Slug), templateGraph(view.Graph)
	if v.Readme, err = markdown(view.Readme); err != nil {
		return err
	}
	for _, in := range view.Inputs {
		v.Inputs = append(v.Inputs, views.TemplateInput{
			Name: in.Name, Description: in.Description, Type: typeWord(in), Default: cmp.Or(jsonText(in.Default), in.DefaultExpression),
			Rule: ruleWord(in), Required: in.Required, Sensitive: in.Sensitive, Origin: defaultFrom(in),
		})
	}
	for _, n := range view.Graph.Nodes {
		for _, o := range n.Outputs {
			if o != "berth_checks" {
				v.Outputs = append(v.Outputs, views.TemplateOutput{Resource: n.Name, Name: o})
			}
		}
	}
	v.Versions, v.Missing = versionRows(t, view, sc), messageOf(view.CheckContexts())
	return nil
}

func versionRows(t template.Summary, view *template.VersionView, sc scope) []views.TemplateVersion {
	var out []views.TemplateVersion
	for _, ver := range t.Versions {
		out = append(out, views.TemplateVersion{
			Version: ver.Version, State: string(ver.State), Published: views.At(ver.UpdatedAt, sc.Now), Latest: ver.Version == view.Version,
			NewURL: views.ProjectPath(sc.Project.Slug, "environments", "new") + "?" + url.Values{"template": {t.Name}, "version": {ver.Version}}.Encode(),
		})
	}
	return out
}

// messageOf is what an error says, and nothing for none.
func messageOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func defaultFrom(in template.Input) string {
	if in.Origin == template.FromNowhere {
		return ""
	}
	return originWord(in)
}

func ruleWord(in template.Input) string {
	switch {
	case in.Immutable:
		return "Until the first deploy"
	case in.MultiSelect:
		return fmt.Sprintf("Any of %d", len(in.Choices))
	case len(in.Choices) > 0:
		return fmt.Sprintf("One of %d", len(in.Choices))
	}
	return "Yes"
}

func templateGraph(g template.Graph) views.Graph {
	var nodes []views.GraphNode
	for _, n := range g.Nodes {
		node := views.GraphNode{Name: n.Name, Kind: nodeKind(n), Icon: kindIcon(n.Kind)}
		for _, e := range g.Edges {
			if e.To == n.Name {
				node.DependsOn = append(node.DependsOn, e.From)
			}
		}
		if slices.Contains(n.Outputs, "endpoint") {
			node.Sentence = "gives the endpoint"
		}
		nodes = append(nodes, node)
	}
	return views.Layout(nodes)
}

func nodeKind(n template.Node) string {
	switch n.Kind {
	case template.KindStatic:
		return "static resource " + n.Static
	case template.KindEnvironment:
		return "environment " + n.Environment
	case template.KindResourceTemplate:
	}
	return n.Template + " " + n.Version
}

// markdown makes HTML of a template's readme. HTML in it is left out, and so are links that run something. Its headings
// go below the page's own.
func markdown(source string) (string, error) {
	if source == "" {
		return "", nil
	}
	m := goldmark.New(goldmark.WithExtensions(extension.GFM))
	doc := m.Parser().Parse(markdowntext.NewReader([]byte(source)))
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		if h, ok := n.(*ast.Heading); ok {
			h.Level = min(h.Level+1, 6)
		}
	}
	var b bytes.Buffer
	if err := m.Renderer().Render(&b, []byte(source), doc); err != nil {
		return "", fmt.Errorf("reading a template's readme: %w", err)
	}
	return b.String(), nil
}
