package manifest

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/staticresource"
)

func projectManifest(p project.Project) *Manifest {
	delegated := p.SharingDelegated
	return &Manifest{
		APIVersion: APIVersion, Kind: KindProject, Metadata: Metadata{Name: p.Name, Description: p.Description},
		Spec: &ProjectSpec{SharingDelegated: &delegated},
	}
}

func (a *applier) project(ctx context.Context, j *job, s *ProjectSpec) error {
	j.plainMeta(true)
	want := j.Manifest()
	want.Metadata = Metadata{Name: j.Name, Description: j.Metadata.Description}
	spec := *s
	want.Spec = &spec
	var have *Manifest
	if _, exists := a.known.ids[j.Name]; exists {
		p, err := a.Projects.Get(ctx, j.Name)
		if err != nil {
			return err
		}
		have = projectManifest(p)
		want.Metadata = keepMeta(want.Metadata, have.Metadata)
		if spec.SharingDelegated == nil {
			spec.SharingDelegated = &p.SharingDelegated
		}
	}
	j.compare(have, want)
	if j.result.Change == Unchanged {
		return nil
	}
	if a.options.DryRun {
		a.pending[j.Name] = have == nil
		return a.Projects.Check(ctx, project.CreateInput{Name: j.Name, Description: want.Metadata.Description})
	}
	if have == nil {
		p, err := a.Projects.Create(ctx, project.CreateInput{Name: j.Name, Description: want.Metadata.Description})
		if err != nil {
			return err
		}
		a.known.ids[p.Name], a.known.names[string(p.ID)] = string(p.ID), p.Name
	} else if want.Metadata.Description != have.Metadata.Description {
		if _, err := a.Projects.Update(ctx, j.Name, project.UpdateInput{Description: want.Metadata.Description}); err != nil {
			return err
		}
	}
	if s.SharingDelegated == nil {
		return nil
	}
	_, err := a.Projects.SetSharingDelegated(ctx, j.Name, *s.SharingDelegated)
	return err
}

// absent makes a missing object no error.
func absent(err, missing error) (bool, error) {
	if errors.Is(err, missing) {
		return true, nil
	}
	return false, err
}

// unbornProject ends a dry run of a document whose project is not there yet.
func (j *job) unbornProject() bool {
	if !j.unborn {
		return false
	}
	j.compare(nil, Manifest{Metadata: j.Metadata, Spec: concealed(normal(j.Spec))})
	j.warn("the project %s does not exist yet, so this was checked by itself only", j.Project)
	return true
}

func repositoryManifest(r repository.Repository, projectName string) *Manifest {
	return &Manifest{
		APIVersion: APIVersion, Kind: KindRepository, Spec: repositorySpec(r),
		Metadata: Metadata{Name: r.Name, Project: projectName, Description: r.Description},
	}
}

func (a *applier) repository(ctx context.Context, j *job, s *RepositorySpec) error {
	j.plainMeta(true)
	if j.unbornProject() {
		return nil
	}
	var have *Manifest
	r, err := a.Repositories.Get(ctx, j.projectID, j.Name)
	missing, err := absent(err, repository.ErrNotFound)
	if err != nil {
		return err
	}
	description := j.Metadata.Description
	if !missing && r.ProjectID == j.projectID {
		have = repositoryManifest(r, "")
		description = keepMeta(j.Metadata, have.Metadata).Description
	}
	in := s.input(description)
	after, newSecret, err := a.Repositories.Check(ctx, j.projectID, j.Name, in)
	if err != nil {
		return err
	}
	j.compare(have, *repositoryManifest(after, ""))
	if newSecret {
		field := "password"
		if s.Credentials.PrivateKey != "" {
			field = "privateKey"
		}
		j.secret("spec.credentials." + field)
	}
	if j.result.Change == Unchanged {
		return nil
	}
	if a.options.DryRun {
		a.repositories, err = a.repositories.Pretend(ctx, j.projectID, j.Name, in)
		return err
	}
	_, _, err = a.Repositories.Set(ctx, j.projectID, j.Name, in)
	return err
}

// sharing finds with whom to share where spec.sharing is given and differs, and authorises that, before anything is saved.
func (a *applier) sharing(ctx context.Context, j *job, want *Sharing, have []string, kind string) (with []string, change bool, err error) {
	if want == nil {
		return nil, false, nil
	}
	if with, err = a.known.with(want, a.pending); err != nil {
		return nil, false, err
	}
	if len(differences(a.known.sharing(have), want.normal())) == 0 {
		return nil, false, nil
	}
	return with, !a.options.DryRun, a.Projects.AuthorizeShare(ctx, j.projectID, with, audit.Object{Kind: kind, Name: j.Name})
}

func (a *applier) contextManifest(c configcontext.Context, projectName string) *Manifest {
	spec := contextSpec(c)
	spec.Sharing = a.known.sharing(c.SharedWith)
	return &Manifest{
		APIVersion: APIVersion, Kind: KindConfigContext, Spec: spec,
		Metadata: Metadata{Name: c.Name, Project: projectName, Description: c.Description},
	}
}

func (a *applier) context(ctx context.Context, j *job, s *ConfigContextSpec) error {
	j.plainMeta(true)
	if j.unbornProject() {
		return nil
	}
	c, err := a.Contexts.Get(ctx, j.projectID, j.Name)
	missing, err := absent(err, configcontext.ErrNotFound)
	if err != nil {
		return err
	}
	want := Manifest{Metadata: Metadata{Description: j.Metadata.Description}}
	spec, _ := normal(s).(*ConfigContextSpec)
	want.Spec, spec.Sharing = spec, s.Sharing.normal()
	var have *Manifest
	if !missing {
		have = a.contextManifest(c, "")
		want.Metadata = keepMeta(want.Metadata, have.Metadata)
		if s.Sharing == nil {
			spec.Sharing = a.known.sharing(c.SharedWith)
		}
	}
	with, share, err := a.sharing(ctx, j, s.Sharing, c.SharedWith, "context")
	if err != nil {
		return err
	}
	in, err := s.input(want.Metadata.Description)
	if err != nil {
		return err
	}
	changed, err := a.Contexts.Check(ctx, j.projectID, j.Name, in)
	if err != nil {
		return err
	}
	j.compare(have, want)
	for _, secret := range changed {
		j.secret(secretPath(secret))
	}
	if !a.options.DryRun && j.result.Change != Unchanged && (have == nil || !allWithin(j.result.Diff, "spec.sharing")) {
		if _, _, err := a.Contexts.Set(ctx, j.projectID, j.Name, in); err != nil {
			return err
		}
	}
	if !share {
		return nil
	}
	return a.Contexts.Share(ctx, j.projectID, j.Name, with)
}

func secretPath(s configcontext.Secret) string {
	switch s.Kind {
	case configcontext.EnvKind:
		return fmt.Sprintf("spec.envs[%s].value", s.Name)
	case configcontext.FileKind:
		return fmt.Sprintf("spec.files[%s].content", s.Name)
	case configcontext.SandboxKind:
		return "spec.sandbox.secretKey"
	case configcontext.VariableKind:
	}
	return fmt.Sprintf("spec.variables[%s].value", s.Name)
}

func (a *applier) staticManifest(r staticresource.Static, projectName string) *Manifest {
	spec := staticSpec(r)
	spec.Sharing = a.known.sharing(r.SharedWith)
	return &Manifest{
		APIVersion: APIVersion, Kind: KindStaticResource, Spec: spec,
		Metadata: Metadata{Name: r.Name, Project: projectName, Description: r.Description},
	}
}

func (a *applier) static(ctx context.Context, j *job, s *StaticResourceSpec) error {
	j.plainMeta(true)
	if j.unbornProject() {
		return nil
	}
	r, err := a.Statics.Get(ctx, j.projectID, j.Name)
	missing, err := absent(err, staticresource.ErrNotFound)
	if err != nil {
		return err
	}
	want := Manifest{Metadata: Metadata{Description: j.Metadata.Description}}
	spec, _ := normal(s).(*StaticResourceSpec)
	want.Spec, spec.Sharing = spec, s.Sharing.normal()
	var have *Manifest
	if !missing {
		have = a.staticManifest(r, "")
		want.Metadata = keepMeta(want.Metadata, have.Metadata)
		if s.Sharing == nil {
			spec.Sharing = a.known.sharing(r.SharedWith)
		}
	}
	with, share, err := a.sharing(ctx, j, s.Sharing, r.SharedWith, "static_resource")
	if err != nil {
		return err
	}
	in := s.input(want.Metadata.Description)
	preview, err := a.Statics.Check(ctx, j.projectID, j.Name, in)
	if err != nil {
		return err
	}
	j.compare(have, want)
	for _, name := range preview.NewSecrets {
		j.secret(fmt.Sprintf("spec.variables[%s].value", name))
	}
	if a.options.DryRun {
		a.previews.SetStatic(j.projectID, j.Name, preview.Outputs)
	}
	if !a.options.DryRun && j.result.Change != Unchanged && (have == nil || !allWithin(j.result.Diff, "spec.sharing")) {
		if _, _, err := a.Statics.Set(ctx, j.projectID, j.Name, in); err != nil {
			return err
		}
	}
	if !share {
		return nil
	}
	return a.Statics.Share(ctx, j.projectID, j.Name, with)
}

// inOrganisation refuses what only a project can hold.
func (j *job) needsProject() error {
	if j.projectID == "" {
		return fault.InvalidField("metadata.project", "is required: environments belong to a project")
	}
	return nil
}
