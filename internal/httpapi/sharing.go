package httpapi

import (
	"context"
	"slices"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/template"
)

// InShared names an object that can be shared.
type InShared struct {
	InKind
	Name string `path:"name"`
}

type setSharingInput struct {
	InShared
	Body api.ObjectSharing
}

func errNotShared(kind manifest.Kind) error {
	return fault.InvalidField("kind", "objects of the kind "+string(kind)+" are not shared; templates, config contexts and static resources are")
}

func (s *server) getSharing(ctx context.Context, in *InShared) (api.ObjectSharing, error) {
	id, kind, err := s.kind(ctx, in.InKind)
	if err != nil {
		return api.ObjectSharing{}, err
	}
	return s.sharing(ctx, id, kind, in.Name)
}

// sharing tells with whom an object of the project's own is shared.
func (s *server) sharing(ctx context.Context, projectID string, kind manifest.Kind, name string) (api.ObjectSharing, error) {
	out := api.ObjectSharing{Projects: []string{}}
	with, err := s.shares(ctx, projectID, kind, name)
	if err != nil || len(with) == 0 {
		return out, err
	}
	names, err := s.Projects.Names(ctx, projectID, with)
	if err != nil {
		return out, err
	}
	for _, id := range with {
		if id == template.Everyone {
			out.Projects = append(out.Projects, id)
		} else if name := names[id]; name != "" {
			out.Projects = append(out.Projects, name)
		}
	}
	slices.Sort(out.Projects)
	return out, nil
}

func (s *server) shares(ctx context.Context, projectID string, kind manifest.Kind, name string) ([]string, error) {
	switch kind {
	case manifest.KindResourceTemplate:
		return s.Templates.Shares(ctx, template.ResourceTemplate, projectID, name)
	case manifest.KindEnvironmentTemplate:
		return s.Templates.Shares(ctx, template.EnvironmentTemplate, projectID, name)
	case manifest.KindConfigContext:
		c, err := s.Contexts.Get(ctx, projectID, name)
		if err == nil && c.ProjectID != projectID {
			err = manifest.ErrMissing.With("The project has no config context %q of its own.", name)
		}
		return c.SharedWith, err
	case manifest.KindStaticResource:
		r, err := s.Statics.Get(ctx, projectID, name)
		if err == nil && r.ProjectID != projectID {
			err = manifest.ErrMissing.With("The project has no static resource %q of its own.", name)
		}
		return r.SharedWith, err
	case manifest.KindProject, manifest.KindRepository, manifest.KindEnvironment:
	}
	return nil, errNotShared(kind)
}

func (s *server) setSharing(ctx context.Context, in *setSharingInput) (api.ObjectSharing, error) {
	id, kind, err := s.kind(ctx, in.InKind)
	if err != nil {
		return api.ObjectSharing{}, err
	}
	with, err := s.shareWith(ctx, id, in.Name, in.Body.Projects)
	if err != nil {
		return api.ObjectSharing{}, err
	}
	if err := s.share(ctx, id, kind, in.Name, with); err != nil {
		return api.ObjectSharing{}, err
	}
	out := api.ObjectSharing{Projects: append([]string{}, in.Body.Projects...)}
	slices.Sort(out.Projects)
	out.Projects = slices.Compact(out.Projects)
	return out, nil
}

// shareWith finds the projects of those names.
func (s *server) shareWith(ctx context.Context, projectID, name string, names []string) ([]string, error) {
	out := []string{}
	var named []string
	for _, n := range names {
		if n == template.Everyone {
			out = append(out, n)
		} else {
			named = append(named, n)
		}
	}
	ids, err := s.Projects.ForSharing(ctx, projectID, named, audit.Object{Kind: "sharing", Name: name})
	for _, id := range ids {
		out = append(out, string(id))
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

func (s *server) share(ctx context.Context, projectID string, kind manifest.Kind, name string, with []string) error {
	switch kind {
	case manifest.KindResourceTemplate:
		return s.Templates.ShareResource(ctx, projectID, name, with)
	case manifest.KindEnvironmentTemplate:
		return s.Templates.ShareEnvironment(ctx, projectID, name, with)
	case manifest.KindConfigContext:
		return s.Contexts.Share(ctx, projectID, name, with)
	case manifest.KindStaticResource:
		return s.Statics.Share(ctx, projectID, name, with)
	case manifest.KindProject, manifest.KindRepository, manifest.KindEnvironment:
	}
	return errNotShared(kind)
}

type delegateSharingInput struct {
	Project string `path:"project"`
	Body    api.SharingDelegation
}

func (s *server) delegateSharing(ctx context.Context, in *delegateSharingInput) (api.Project, error) {
	p, err := s.Projects.SetSharingDelegated(ctx, in.Project, in.Body.Delegated)
	return wireProject(p), err
}
