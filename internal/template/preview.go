package template

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template/bundle"
)

// Previews are what would be saved before an environment template, in a dry run.
type Previews struct {
	Resources []*ResourceVersion
	statics   map[[2]string][]staticresource.Output
}

// SetStatic adds what a static resource of a project would give.
func (p *Previews) SetStatic(projectID, name string, outputs []staticresource.Output) {
	if p.statics == nil {
		p.statics = map[[2]string][]staticresource.Output{}
	}
	p.statics[[2]string{projectID, name}] = outputs
}

// PreviewResource tells what SaveResource would make of a version, and saves
// nothing. A source is read.
func (s *Service) PreviewResource(ctx context.Context, in SaveInput, spec ResourceSpec) (*ResourceVersion, error) {
	k := resourceKind()
	if err := s.audit.Authorize(ctx, authz.TemplateWrite, in.ProjectID, k.object(in.Name)); err != nil {
		return nil, err
	}
	spec = spec.withDefaults()
	if err := errors.Join(in.check(), spec.check()); err != nil {
		return nil, firstFault(err)
	}
	v := &ResourceVersion{
		ID: ResourceVersionID("preview " + in.ProjectID + " " + in.Name + " " + in.Version), Template: in.Name, ProjectID: in.ProjectID,
		Version: in.Version, State: in.state(), Spec: spec,
	}
	before, err := s.savedBefore(ctx, k, in)
	if err != nil {
		return nil, err
	}
	spec.Variables = keepValues(spec.Variables, before)
	var module *bundle.Module
	if spec.Bundle.Digest == "" {
		spec, module, v.Problems, err = s.sourceOf(ctx, in, spec)
	} else {
		module, err = s.module(ctx, in, spec.Bundle)
	}
	if err != nil {
		return nil, err
	}
	v.Spec, v.Module = spec, *module
	if spec.Bundle.Digest != "" {
		v.Problems = append(v.Problems, s.compiler.checkResource(spec, module)...)
	}
	if in.State == Active && !in.Lenient {
		if err := refuse(v.Problems); err != nil {
			return nil, err
		}
	}
	return v, s.mayChange(ctx, k, in, v.Spec)
}

// PreviewEnvironment tells what SaveEnvironment would make of a version, and saves
// nothing. Previews take part as if they were saved.
func (s *Service) PreviewEnvironment(ctx context.Context, in SaveInput, spec EnvironmentSpec, previews Previews) (*Compiled, error) {
	k := environmentKind()
	if err := s.audit.Authorize(ctx, authz.TemplateWrite, in.ProjectID, k.object(in.Name)); err != nil {
		return nil, err
	}
	if err := errors.Join(in.check(), spec.check()); err != nil {
		return nil, firstFault(err)
	}
	before, err := s.savedBefore(ctx, k, in)
	if err != nil {
		return nil, err
	}
	spec.Variables = keepValues(spec.Variables, before)
	if spec, err = s.fixVersions(ctx, in, spec); err != nil {
		return nil, err
	}
	for i := range spec.Resources {
		r := &spec.Resources[i]
		if p := previewFor(previews.Resources, in.ProjectID, *r); p != nil {
			r.VersionID = p.ID
		}
	}
	v := &EnvironmentVersion{Template: in.Name, ProjectID: in.ProjectID, Version: in.Version, State: in.state(), Spec: spec}
	resources, err := s.resourcesOf(ctx, v)
	if err != nil {
		return nil, err
	}
	for _, p := range previews.Resources {
		resources[p.ID] = p
	}
	around, err := s.surroundings(ctx, v)
	if err != nil {
		return nil, err
	}
	around.Resources = resources
	for _, name := range v.statics() {
		if outputs, ok := previews.statics[[2]string{in.ProjectID, name}]; ok {
			around.Statics[name] = outputs
		}
	}
	c := s.compiler.CompileIn(v, around)
	if in.State == Active && !in.Lenient {
		if err := refuse(c.Problems()); err != nil {
			return nil, err
		}
	}
	return c, s.mayChange(ctx, k, in, spec)
}

// previewFor is the preview that a node means: of the version it names, or the
// last active one where it names none.
func previewFor(previews []*ResourceVersion, projectID string, r Resource) *ResourceVersion {
	for _, p := range slices.Backward(previews) {
		if p.ProjectID == projectID && p.Template == r.Template && (p.Version == r.Version || r.Version == "" && p.State == Active) {
			return p
		}
	}
	return nil
}

// mayChange refuses what saving refuses of a version that is no draft any more.
func (s *Service) mayChange(ctx context.Context, k kind, in SaveInput, spec any) error {
	t, err := getTemplate(ctx, s.db, k, in.ProjectID, in.Name)
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", k.word, err)
	}
	old, err := db.One(ctx, s.db, func(sc db.Scanner) (oldVersion, error) {
		var v oldVersion
		err := sc.Scan(&v.state, &v.specJSON)
		return v, err
	}, `SELECT state, spec_json FROM `+k.versions+` WHERE template_id = $1 AND version = $2`, t.id, in.Version)
	switch {
	case errors.Is(err, db.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("reading %s: %w", k.word, err)
	case old.state == Draft:
		return nil
	}
	same, err := s.sameSpec(t.id, old.specJSON, spec)
	if err != nil {
		return err
	}
	if !same || old.state != in.state() {
		return ErrFixedVersion.With("Version %q of %s %q is %s and cannot change; save the change as another version.", in.Version, k.word, in.Name, old.state)
	}
	return nil
}
