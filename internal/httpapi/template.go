package httpapi

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/berthdev/berth/api"
)

func (s *server) listTemplates(ctx context.Context, in *InProject) (api.Page[api.Template], error) {
	out := api.Page[api.Template]{Items: []api.Template{}}
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return out, err
	}
	cards, err := s.Templates.Catalog(ctx, id)
	for _, c := range cards {
		t := api.Template{Name: c.Name, DisplayName: c.DisplayName, Summary: c.Summary, Category: c.Category, Versions: []string{}, Latest: c.LatestActive}
		for _, v := range c.Versions {
			t.Versions = append(t.Versions, v.Version)
		}
		out.Items = append(out.Items, t)
	}
	return out, err
}

type InTemplateVersion struct {
	Project  string `path:"project"`
	Template string `path:"template"`
	Version  string `path:"version"`
}

func (s *server) getTemplate(ctx context.Context, in *InTemplateVersion) (api.TemplateVersion, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.TemplateVersion{}, err
	}
	v, err := s.Templates.View(ctx, id, in.Template, in.Version)
	if err != nil {
		return api.TemplateVersion{}, err
	}
	out := api.TemplateVersion{
		Template: v.Template, Version: v.Version, State: string(v.State), Summary: v.Summary, Readme: v.Readme,
		Schema: v.Schema, Resources: []api.TemplateNode{},
	}
	for _, n := range v.Graph.Nodes {
		node := api.TemplateNode{
			Name: n.Name, Kind: string(n.Kind), Template: n.Template, Version: n.Version, Static: n.Static, Environment: n.Environment, Outputs: n.Outputs,
		}
		for _, e := range v.Graph.Edges {
			if e.To == n.Name {
				node.DependsOn = append(node.DependsOn, e.From)
			}
		}
		out.Resources = append(out.Resources, node)
	}
	return out, nil
}

type inSource struct {
	InTemplateVersion
	Resource string `query:"resource" required:"true" doc:"A resource of the template."`
}

func (s *server) templateSource(ctx context.Context, in *inSource) (func(huma.Context), error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return nil, err
	}
	archive, err := s.Templates.Archive(ctx, id, in.Template, in.Version, in.Resource)
	if err != nil {
		return nil, err
	}
	return s.send(ctx, archive), nil
}

func (s *server) send(ctx context.Context, content []byte) func(huma.Context) {
	return func(out huma.Context) {
		if _, err := out.BodyWriter().Write(content); err != nil {
			s.Logger.DebugContext(ctx, "sending a download", "error", err)
		}
	}
}

type inState struct {
	InEnvironment
	Resource string `path:"resource"`
}

func (s *server) state(ctx context.Context, in *inState) (func(huma.Context), error) {
	e, err := s.find(ctx, in.InEnvironment)
	if err != nil {
		return nil, err
	}
	text, err := s.Runs.State(ctx, e.ProjectID, string(e.ID), in.Resource)
	if err != nil {
		return nil, err
	}
	return s.send(ctx, text), nil
}
