package manifest

import (
	"context"
	"time"

	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/template"
)

// Export writes an object as a document that can be applied. Sensitive values are
// left out. An empty version means the newest.
func (s *Service) Export(ctx context.Context, projectID string, kind Kind, name, version string) (Manifest, error) {
	if err := signedIn(ctx); err != nil {
		return Manifest{}, err
	}
	known, err := s.projects(ctx)
	if err != nil {
		return Manifest{}, err
	}
	a := &applier{Service: s, known: known}
	m, err := a.export(ctx, projectID, kind, name, version)
	if err != nil {
		return Manifest{}, err
	}
	return *m, nil
}

func (a *applier) export(ctx context.Context, projectID string, kind Kind, name, version string) (*Manifest, error) {
	projectName := a.known.names[projectID]
	switch kind {
	case KindProject:
		p, err := a.Projects.Get(ctx, name)
		return projectManifest(p), err
	case KindRepository:
		r, err := a.Repositories.Get(ctx, projectID, name)
		if err == nil && r.ProjectID != projectID {
			err = repository.ErrNotFound.With("The project has no repository %q of its own; there is one of the organisation.", name)
		}
		return repositoryManifest(r, projectName), err
	case KindConfigContext:
		c, err := a.Contexts.Get(ctx, projectID, name)
		return a.contextManifest(c, projectName), err
	case KindStaticResource:
		r, err := a.Statics.Get(ctx, projectID, name)
		return a.staticManifest(r, projectName), err
	case KindResourceTemplate, KindEnvironmentTemplate:
		return a.exportTemplate(ctx, projectID, kind, name, version)
	case KindEnvironment:
		e, err := a.Environments.Get(ctx, projectID, name)
		return environmentManifest(e, projectName), err
	}
	return nil, ErrMissing.With("There is no kind %q; use %s.", kind, KindNames())
}

func (a *applier) exportTemplate(ctx context.Context, projectID string, kind Kind, name, version string) (*Manifest, error) {
	if version == "" {
		var err error
		if version, err = a.newest(ctx, projectID, kind, name); err != nil {
			return nil, err
		}
	}
	m := &Manifest{APIVersion: APIVersion, Kind: kind}
	var h *template.Head
	var err error
	found := false
	if kind == KindResourceTemplate {
		var v *template.ResourceVersion
		if h, v, err = a.Templates.ResourceHead(ctx, projectID, name, version, nil); v != nil {
			spec := resourceSpec(v)
			spec.Sharing, m.Spec, found = a.known.sharing(h.SharedWith), spec, true
		}
	} else {
		var v *template.EnvironmentVersion
		if h, v, err = a.Templates.EnvironmentHead(ctx, projectID, name, version, nil); v != nil {
			spec := environmentTemplateSpec(v)
			spec.Sharing, m.Spec, found = a.known.sharing(h.SharedWith), spec, true
		}
	}
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, template.ErrNoVersion.With("There is no version %q of a %s %q here.", version, kind, name)
	}
	m.Metadata = head(h, name, a.known.names[projectID])
	return m, nil
}

// newest is the version of a template that was made last.
func (a *applier) newest(ctx context.Context, projectID string, kind Kind, name string) (string, error) {
	list, err := a.templates(ctx, projectID, kind)
	if err != nil {
		return "", err
	}
	for _, t := range list {
		if t.Name == name && t.ProjectID == projectID && len(t.Versions) > 0 {
			return t.Versions[0].Version, nil
		}
	}
	return "", template.ErrNotFound.With("There is no %s %q here.", kind, name)
}

func (s *Service) templates(ctx context.Context, projectID string, kind Kind) ([]template.Summary, error) {
	if kind == KindResourceTemplate {
		return s.Templates.ListResources(ctx, projectID)
	}
	return s.Templates.ListEnvironments(ctx, projectID)
}

// Item is one object in a list.
type Item struct {
	Kind        Kind
	Name        string
	Owner       string // name of the project it belongs to; empty for the organisation, and for one that you may not see
	Own         bool   // it belongs to the project that was asked about
	Description string
	Status      string // of an environment
	Template    string // of an environment
	Versions    []ItemVersion
	Updated     time.Time
}

// ItemVersion is a version of a template.
type ItemVersion struct {
	Version  string
	State    template.State
	Errors   int
	Warnings int
	Updated  time.Time
}

// List returns the objects of a kind that a project has or may use, by name.
func (s *Service) List(ctx context.Context, projectID string, kind Kind) ([]Item, error) {
	if err := signedIn(ctx); err != nil {
		return nil, err
	}
	known, err := s.projects(ctx)
	if err != nil {
		return nil, err
	}
	out := []Item{}
	add := func(name, owner, description string, updated time.Time) *Item {
		out = append(out, Item{Kind: kind, Name: name, Owner: known.names[owner], Own: owner == projectID, Description: description, Updated: updated})
		return &out[len(out)-1]
	}
	switch kind {
	case KindProject:
		list, err := s.Projects.List(ctx)
		for _, p := range list {
			add(p.Name, projectID, p.Description, p.UpdatedAt)
		}
		return out, err
	case KindRepository:
		list, err := s.Repositories.List(ctx, projectID)
		for _, r := range list {
			add(r.Name, r.ProjectID, r.Description, r.UpdatedAt)
		}
		return out, err
	case KindConfigContext:
		list, err := s.Contexts.List(ctx, projectID)
		for _, c := range list {
			add(c.Name, c.ProjectID, c.Description, c.UpdatedAt)
		}
		return out, err
	case KindStaticResource:
		list, err := s.Statics.List(ctx, projectID)
		for _, r := range list {
			add(r.Name, r.ProjectID, r.Description, r.UpdatedAt)
		}
		return out, err
	case KindResourceTemplate, KindEnvironmentTemplate:
		list, err := s.templates(ctx, projectID, kind)
		for _, t := range list {
			i := add(t.Name, t.ProjectID, t.Description, time.Time{})
			for _, v := range t.Versions {
				i.Versions = append(i.Versions, versionOf(v))
				if v.UpdatedAt.After(i.Updated) {
					i.Updated = v.UpdatedAt
				}
			}
		}
		return out, err
	case KindEnvironment:
		return out, s.eachEnvironment(ctx, projectID, func(e environment.Environment) {
			i := add(e.Name, e.ProjectID, "", e.UpdatedAt)
			i.Status, i.Template = string(e.Status), e.Template.Name+" "+e.Template.Version
		})
	}
	return nil, ErrMissing.With("There is no kind %q; use %s.", kind, KindNames())
}

func versionOf(v template.SummaryVersion) ItemVersion {
	return ItemVersion{Version: v.Version, State: v.State, Errors: v.Errors, Warnings: v.Warnings, Updated: v.UpdatedAt}
}

const page = 100

func (s *Service) eachEnvironment(ctx context.Context, projectID string, seen func(environment.Environment)) error {
	after := ""
	for {
		list, err := s.Environments.List(ctx, projectID, environment.ListFilter{After: after, Limit: page})
		if err != nil {
			return err
		}
		for _, e := range list {
			seen(e)
			after = e.Name
		}
		if len(list) < page {
			return nil
		}
	}
}

// Delete removes an object; of a template, a version, or with an empty version all
// of it. What is in use is refused, with the names of its users.
func (s *Service) Delete(ctx context.Context, projectID string, kind Kind, name, version string) error {
	if err := signedIn(ctx); err != nil {
		return err
	}
	switch kind {
	case KindProject:
		return s.Projects.Delete(ctx, name)
	case KindRepository:
		return s.Repositories.Delete(ctx, projectID, name)
	case KindConfigContext:
		return s.Contexts.Delete(ctx, projectID, name)
	case KindStaticResource:
		return s.Statics.Delete(ctx, projectID, name)
	case KindResourceTemplate:
		return s.Templates.DeleteResource(ctx, projectID, name, version)
	case KindEnvironmentTemplate:
		return s.Templates.DeleteEnvironment(ctx, projectID, name, version)
	case KindEnvironment:
		return s.Environments.Delete(ctx, projectID, name)
	}
	return ErrMissing.With("There is no kind %q; use %s.", kind, KindNames())
}
