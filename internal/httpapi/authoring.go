package httpapi

import (
	"context"
	"maps"
	"slices"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/template"
)

// InObject names an object of a kind that the path spells out.
type InObject struct {
	Project string `path:"project"`
	Name    string `path:"name"`
}

// InAuthoredVersion names a version of a template, of any state.
type InAuthoredVersion struct {
	InObject
	Version string `path:"version"`
}

func (s *server) testRepository(ctx context.Context, in *InObject) (api.Verdict, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.Verdict{}, err
	}
	v, err := s.Repositories.Test(ctx, id, in.Name)
	return api.Verdict{
		OK: v.OK, Message: v.Message, Advice: v.Advice, HostKey: v.HostKey, DefaultBranch: v.DefaultBranch, Commit: v.Commit, Branches: v.Branches, Tags: v.Tags,
	}, err
}

type setStateInput struct {
	InAuthoredVersion
	Body api.SetState
}

func (s *server) setResourceState(ctx context.Context, in *setStateInput) (none, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return none{}, err
	}
	return none{}, s.Templates.SetResourceState(ctx, id, in.Name, in.Version, template.State(in.Body.State))
}

func (s *server) setEnvironmentState(ctx context.Context, in *setStateInput) (none, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return none{}, err
	}
	return none{}, s.Templates.SetEnvironmentState(ctx, id, in.Name, in.Version, template.State(in.Body.State))
}

type compareInput struct {
	InObject
	From string `query:"from" required:"true" doc:"The version before."`
	To   string `query:"to" required:"true" doc:"The version after."`
}

func (s *server) compareResource(ctx context.Context, in *compareInput) (api.Comparison, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.Comparison{}, err
	}
	return wireComparison(s.Templates.CompareResource(ctx, id, in.Name, in.From, in.To))
}

func (s *server) compareEnvironment(ctx context.Context, in *compareInput) (api.Comparison, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.Comparison{}, err
	}
	return wireComparison(s.Templates.CompareEnvironment(ctx, id, in.Name, in.From, in.To))
}

func wireComparison(c *template.Comparison, err error) (api.Comparison, error) {
	if err != nil {
		return api.Comparison{}, err
	}
	out := api.Comparison{
		Template: c.Template, From: c.From, To: c.To, Inputs: append([]api.ItemDiff{}, wireItems(c.Inputs)...), Outputs: wireItems(c.Outputs),
		Resources: wireItems(c.Resources), Variables: wireItems(c.Variables), Contexts: wireItems(c.Contexts), Settings: wireFields(c.Settings),
		SourceHidden: c.SourceHidden, Truncated: c.Truncated,
	}
	for _, f := range c.Files {
		out.Files = append(out.Files, api.FileDiff{
			Resource: f.Resource, Path: f.Path, Change: string(f.Change), Unified: f.Unified, Binary: f.Binary, Truncated: f.Truncated,
		})
	}
	return out, nil
}

func wireItems(list []template.ItemDiff) []api.ItemDiff {
	var out []api.ItemDiff
	for _, i := range list {
		out = append(out, api.ItemDiff{Name: i.Name, Change: string(i.Change), Fields: wireFields(i.Fields)})
	}
	return out
}

func wireFields(list []template.FieldDiff) []api.FieldDiff {
	var out []api.FieldDiff
	for _, f := range list {
		out = append(out, api.FieldDiff{Field: f.Field, Before: f.Before, After: f.After})
	}
	return out
}

func (s *server) resourceUsers(ctx context.Context, in *InObject) (api.Page[api.VersionUsers], error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.Page[api.VersionUsers]{}, err
	}
	return wireUsers(s.Templates.ResourceUsers(ctx, id, in.Name))
}

func (s *server) environmentUsers(ctx context.Context, in *InObject) (api.Page[api.VersionUsers], error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.Page[api.VersionUsers]{}, err
	}
	return wireUsers(s.Templates.EnvironmentUsers(ctx, id, in.Name))
}

func wireUsers(byVersion map[string][]template.User, err error) (api.Page[api.VersionUsers], error) {
	out := api.Page[api.VersionUsers]{Items: []api.VersionUsers{}}
	for _, version := range slices.Sorted(maps.Keys(byVersion)) {
		one := api.VersionUsers{Version: version, Users: []api.VersionUser{}}
		for _, u := range byVersion[version] {
			one.Users = append(one.Users, api.VersionUser{Kind: u.Kind, Project: u.Project, Name: u.Name, Version: u.Version, Status: u.Status, Hidden: u.Hidden})
		}
		out.Items = append(out.Items, one)
	}
	return out, err
}

func (s *server) getContext(ctx context.Context, in *InObject) (api.Context, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return api.Context{}, err
	}
	c, err := s.Contexts.Get(ctx, id, in.Name)
	return wireContext(c), err
}

func (s *server) deleteContext(ctx context.Context, in *InObject) (none, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return none{}, err
	}
	return none{}, s.Contexts.Delete(ctx, id, in.Name)
}
