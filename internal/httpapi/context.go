package httpapi

import (
	"context"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/configcontext"
)

func (s *server) listContexts(ctx context.Context, in *InProject) (api.Page[api.Context], error) {
	out := api.Page[api.Context]{Items: []api.Context{}}
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return out, err
	}
	items, err := s.Contexts.List(ctx, id)
	for _, c := range items {
		out.Items = append(out.Items, wireContext(c))
	}
	return out, err
}

type setContextInput struct {
	Project string `path:"project"`
	Name    string `path:"name"`
	Body    api.Context
}

// setContext makes the context what the request says. Sensitive entries without a value, and the mark of a sandbox, keep
// what they have, for nobody can read it.
func (s *server) setContext(ctx context.Context, in *setContextInput) (api.Context, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.Context{}, err
	}
	var change configcontext.Input
	if in.Body.Sandbox {
		before, err := s.Contexts.Get(ctx, id, in.Name)
		if err != nil {
			return api.Context{}, err
		}
		change.Sandbox, change.Description = before.Sandbox, before.Description
	}
	for _, v := range in.Body.Env {
		change.Env = append(change.Env, configcontext.Env{Key: v.Name, Value: text(v.Value), Sensitive: v.Sensitive})
	}
	for _, f := range in.Body.Files {
		change.Files = append(change.Files, configcontext.File{MountPath: f.Path, Content: f.Content, Sensitive: f.Sensitive})
	}
	for _, v := range in.Body.Variables {
		change.Variables = append(change.Variables, configcontext.Variable{Name: v.Name, ValueType: v.ValueType, Value: text(v.Value), Sensitive: v.Sensitive})
	}
	c, _, err := s.Contexts.Set(ctx, id, in.Name, change)
	return wireContext(c), err
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func wireContext(c configcontext.Context) api.Context {
	out := api.Context{Name: c.Name, Sandbox: c.Sandbox != nil, UpdatedAt: c.UpdatedAt}
	for _, v := range c.Env {
		out.Env = append(out.Env, api.ContextItem{Name: v.Key, Value: unless(v.Sensitive, v.Value), Sensitive: v.Sensitive})
	}
	for _, f := range c.Files {
		w := api.ContextFile{Path: f.MountPath, Sensitive: f.Sensitive}
		if !f.Sensitive {
			w.Content = f.Content
		}
		out.Files = append(out.Files, w)
	}
	for _, v := range c.Variables {
		out.Variables = append(out.Variables, api.ContextVariable{Name: v.Name, ValueType: v.ValueType, Value: unless(v.Sensitive, v.Value), Sensitive: v.Sensitive})
	}
	return out
}

func unless(hidden bool, value string) *string {
	if hidden {
		return nil
	}
	return &value
}
