package web

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

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
	v := views.Catalog{Page: sc.Page, CanCreate: sc.can(authz.EnvironmentCreate)}
	for _, c := range cards {
		v.Cards = append(v.Cards, cardOf(c, sc.Project.Slug))
	}
	return render(w, r, http.StatusOK, CatalogPage(v))
}

func cardOf(c template.Card, project string) views.TemplateCard {
	return views.TemplateCard{
		Name: c.Name, Title: cmp.Or(c.DisplayName, c.Name), Icon: iconName(c.Icon), Summary: c.Summary, Category: cmp.Or(c.Category, "General"),
		Version: c.LatestActive, URL: views.ProjectPath(project, "templates", c.Name),
		NewURL: views.ProjectPath(project, "environments", "new") + "?template=" + url.QueryEscape(c.Name),
	}
}

// templatePage shows one template in its newest active version, or the one that the address asks for.
func (s *server) templatePage(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("template")
	sc, err := s.inProject(w, r, views.SectionTemplates, name)
	if err != nil {
		return err
	}
	view, err := s.Templates.View(r.Context(), sc.id, name, r.URL.Query().Get("version"))
	if err != nil {
		return err
	}
	all, err := s.Templates.ListEnvironments(r.Context(), sc.id)
	if err != nil {
		return err
	}
	card := template.Card{Name: view.Template, DisplayName: view.DisplayName, Summary: view.Summary, Icon: view.Icon, Category: view.Category, LatestActive: view.Version}
	v := views.TemplatePage{
		Page: sc.Page, Card: cardOf(card, sc.Project.Slug), CanCreate: sc.can(authz.EnvironmentCreate),
		MissingRole: roleFor(r, authz.EnvironmentCreate, sc.id), Graph: templateGraph(view.Graph),
	}
	if v.Readme, err = markdown(view.Readme); err != nil {
		return err
	}
	for _, in := range view.Inputs {
		v.Inputs = append(v.Inputs, views.TemplateInput{
			Name: in.Name, Description: in.Description, Type: typeWord(in), Default: cmp.Or(jsonText(in.Default), in.DefaultExpression),
			Rule: ruleWord(in), Required: in.Required, Sensitive: in.Sensitive,
		})
	}
	for _, n := range view.Graph.Nodes {
		for _, o := range n.Outputs {
			if o != "berth_checks" {
				v.Outputs = append(v.Outputs, views.TemplateOutput{Resource: n.Name, Name: o})
			}
		}
	}
	for _, t := range all {
		if t.Name == view.Template {
			v.Versions = append(v.Versions, versionRows(t, view, sc)...)
			break
		}
	}
	return render(w, r, http.StatusOK, TemplatePage(v))
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

func ruleWord(in template.Input) string {
	switch {
	case in.Immutable:
		return "Until the first deploy"
	case len(in.Choices) > 0:
		return fmt.Sprintf("One of %d", len(in.Choices))
	}
	return "Yes"
}

func templateGraph(g template.Graph) views.Graph {
	var nodes []views.GraphNode
	for _, n := range g.Nodes {
		node := views.GraphNode{Name: n.Name, Kind: nodeKind(n)}
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

// markdown makes HTML of a template's readme. HTML in it is left out, and so are links that run something.
func markdown(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var b bytes.Buffer
	if err := goldmark.New(goldmark.WithExtensions(extension.GFM)).Convert([]byte(text), &b); err != nil {
		return "", fmt.Errorf("reading a template's readme: %w", err)
	}
	return b.String(), nil
}
