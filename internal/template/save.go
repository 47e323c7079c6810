package template

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/template/bundle"
)

// Change says what saving did.
type Change string

// The changes.
const (
	Created   Change = "created"
	Updated   Change = "updated"
	Unchanged Change = "unchanged"
)

// SaveInput names a version and the template around it. An empty ProjectID means
// the organisation; an empty State means Draft. Labels and Annotations that are
// nil stay as they are.
type SaveInput struct {
	ProjectID   string
	Name        string
	DisplayName string
	Description string
	Labels      map[string]string
	Annotations map[string]string
	Version     string
	State       State
	// Lenient lets a preview of an active version have errors; saving never does.
	Lenient bool
	// OrDraft saves a version that should be active as a draft when its problems
	// stop it from being active.
	OrDraft bool
	// Repositories reads sources in place of the service's own, for a preview of what
	// repositories would hold that are not stored yet.
	Repositories *repository.Service
	// OnlyNew refuses to change a version that exists. IfUnchangedSince, when set, is the
	// UpdatedAt that the caller has seen: a version changed since then is not overwritten.
	OnlyNew          bool
	IfUnchangedSince time.Time
}

// SaveResource creates or changes a version of a resource template. A source is
// read first, unless the specification names a bundle, which AddBundle or Read has
// stored. A draft is saved with its problems, even when its source could not be
// read; an active version with errors is refused, and one that exists cannot change.
func (s *Service) SaveResource(ctx context.Context, in SaveInput, spec ResourceSpec) (*ResourceVersion, Change, error) {
	k := resourceKind()
	if err := s.audit.Authorize(ctx, authz.TemplateWrite, in.ProjectID, k.object(in.Name)); err != nil {
		return nil, "", err
	}
	in.Lenient, in.Repositories = false, nil
	in, spec, module, problems, err := s.prepareResource(ctx, in, spec)
	if err != nil {
		return nil, "", err
	}
	change, err := s.save(ctx, k, in, savedVersion{spec: spec, digest: spec.Bundle.Digest, module: module, problems: problems})
	if err != nil {
		return nil, "", err
	}
	v, err := s.resourceVersion(ctx, s.db, in.ProjectID, in.Name, in.Version)
	if err != nil {
		return nil, "", fmt.Errorf("reading resource template: %w", err)
	}
	v.Spec.Variables = withoutSecrets(v.Spec.Variables)
	return v, change, nil
}

// prepareResource finds out all that a version is saved with: it reads the source,
// fills in the sensitive values that are kept, and checks the result. It saves
// nothing, so a preview of saving is made of it, too. The input comes back with the
// state to save it in.
func (s *Service) prepareResource(ctx context.Context, in SaveInput, spec ResourceSpec) (SaveInput, ResourceSpec, *bundle.Module, []Problem, error) {
	spec = spec.withDefaults()
	if err := errors.Join(in.check(), spec.check()); err != nil {
		return in, spec, nil, nil, firstFault(err)
	}
	before, err := s.savedBefore(ctx, resourceKind(), in)
	if err != nil {
		return in, spec, nil, nil, err
	}
	spec.Variables = keepValues(spec.Variables, before)
	var module *bundle.Module
	var problems []Problem
	if spec.Bundle.Digest == "" {
		spec, module, problems, err = s.sourceOf(ctx, in, spec)
	} else {
		module, err = s.module(ctx, in, spec.Bundle)
	}
	if err != nil {
		return in, spec, nil, nil, err
	}
	if spec.Bundle.Digest != "" {
		problems = append(problems, s.compiler.checkResource(spec, module)...)
	}
	in, err = in.settle(problems)
	return in, spec, module, problems, err
}

// settle decides what becomes of an active version with problems.
func (in SaveInput) settle(problems []Problem) (SaveInput, error) {
	if in.State != Active || in.Lenient {
		return in, nil
	}
	err := refuse(problems)
	if err != nil && in.OrDraft {
		in.State = Draft
		return in, nil
	}
	return in, err
}

// module returns what the code of a bundle declares: as it was found when the
// version was saved before, since that knows what the tool said, or read anew.
func (s *Service) module(ctx context.Context, in SaveInput, ref BundleRef) (*bundle.Module, error) {
	old, err := getResourceVersion(ctx, s.db, in.ProjectID, in.Name, in.Version)
	if err == nil && old.Spec.Bundle == ref {
		return &old.Module, nil
	}
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return nil, fmt.Errorf("reading resource template: %w", err)
	}
	fsys, closer, err := s.bundles.FS(ctx, ref.Digest)
	if errors.Is(err, bundle.ErrNotFound) {
		return nil, fault.InvalidField("spec.bundle", "names code that was not uploaded; upload it first")
	}
	if err != nil {
		return nil, err
	}
	m := bundle.Check(fsys, ref.Dir)
	return m, closer.Close()
}

// SaveEnvironment creates or changes a version of an environment template. The
// same rules hold as for SaveResource. When it becomes active, each of its
// resources is fixed to one version.
func (s *Service) SaveEnvironment(ctx context.Context, in SaveInput, spec EnvironmentSpec) (*EnvironmentVersion, Change, error) {
	k := environmentKind()
	if err := s.audit.Authorize(ctx, authz.TemplateWrite, in.ProjectID, k.object(in.Name)); err != nil {
		return nil, "", err
	}
	in.Lenient = false
	if err := errors.Join(in.check(), spec.check()); err != nil {
		return nil, "", firstFault(err)
	}
	spec, problems, err := s.checkEnvironment(ctx, in, spec)
	if err != nil {
		return nil, "", err
	}
	if in, err = in.settle(problems); err != nil {
		return nil, "", err
	}
	change, err := s.save(ctx, k, in, savedVersion{
		spec: spec, problems: problems, summary: spec.Summary, icon: spec.Icon, category: spec.Category,
	})
	if err != nil {
		return nil, "", err
	}
	v, err := s.environmentVersion(ctx, s.db, in.ProjectID, in.Name, in.Version)
	if err != nil {
		return nil, "", fmt.Errorf("reading environment template: %w", err)
	}
	v.Spec.Variables = withoutSecrets(v.Spec.Variables)
	return v, change, nil
}

// CheckEnvironment tells what is wrong with an environment template without
// saving it.
func (s *Service) CheckEnvironment(ctx context.Context, in SaveInput, spec EnvironmentSpec) ([]Problem, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateWrite, in.ProjectID, environmentKind().object(in.Name)); err != nil {
		return nil, err
	}
	_, problems, err := s.checkEnvironment(ctx, in, spec)
	return problems, err
}

func (s *Service) checkEnvironment(ctx context.Context, in SaveInput, spec EnvironmentSpec) (EnvironmentSpec, []Problem, error) {
	before, err := s.savedBefore(ctx, environmentKind(), in)
	if err != nil {
		return spec, nil, err
	}
	spec.Variables = keepValues(spec.Variables, before)
	if spec, err = s.fixVersions(ctx, in, spec); err != nil {
		return spec, nil, err
	}
	v := &EnvironmentVersion{Template: in.Name, ProjectID: in.ProjectID, Version: in.Version, State: in.State, Spec: spec}
	resources, err := s.resourcesOf(ctx, v)
	if err != nil {
		return spec, nil, err
	}
	around, err := s.surroundings(ctx, v)
	if err != nil {
		return spec, nil, err
	}
	around.Resources = resources
	return spec, s.compiler.CompileIn(v, around).Problems(), nil
}

// fixVersions finds the resource template version that each resource means.
func (s *Service) fixVersions(ctx context.Context, in SaveInput, spec EnvironmentSpec) (EnvironmentSpec, error) {
	spec.Resources = slices.Clone(spec.Resources)
	var names []string
	for _, r := range spec.Resources {
		if r.Kind == KindResourceTemplate {
			names = append(names, r.Template)
		}
	}
	keys, err := listVersionKeys(ctx, s.db, resourceKind(), in.ProjectID, names)
	if err != nil {
		return spec, fmt.Errorf("looking up resource templates: %w", err)
	}
	fixed, err := s.fixedResources(ctx, in)
	if err != nil {
		return spec, err
	}
	for i := range spec.Resources {
		r := &spec.Resources[i]
		r.VersionID = ""
		if r.Kind != KindResourceTemplate {
			continue
		}
		if j := slices.IndexFunc(fixed, func(f Resource) bool { return f.Name == r.Name && f.Template == r.Template }); j >= 0 && r.Version == "" {
			r.VersionID = fixed[j].VersionID
			continue
		}
		if key, ok := pick(keys, in.ProjectID, r.Template, r.Version); ok {
			r.VersionID = ResourceVersionID(key.id)
		}
	}
	return spec, nil
}

// fixedResources are the resources of a version that is active already, so that
// saving it again changes nothing even when a resource follows the latest.
func (s *Service) fixedResources(ctx context.Context, in SaveInput) ([]Resource, error) {
	v, err := getEnvironmentVersion(ctx, s.db, in.ProjectID, in.Name, in.Version)
	if errors.Is(err, db.ErrNoRows) || err == nil && v.State == Draft {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading environment template: %w", err)
	}
	return v.Spec.Resources, nil
}

// pick chooses a version: of the project's own template before one shared with
// it, and without a version the one activated last.
func pick(keys []versionKey, projectID, name, version string) (versionKey, bool) {
	var best versionKey
	found := false
	for _, k := range keys {
		if k.template != name || version != "" && k.version != version || version == "" && k.state != Active {
			continue
		}
		if !found || k.owner == projectID && best.owner != projectID {
			best, found = k, true
		}
	}
	return best, found
}

// save writes the template and the version in one transaction.
func (s *Service) save(ctx context.Context, k kind, in SaveInput, v savedVersion) (Change, error) {
	change := Unchanged
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		if err := checkStillThere(ctx, tx, v.spec); err != nil {
			return err
		}
		t, before, err := s.saveTemplate(ctx, tx, k, in)
		if err != nil {
			return err
		}
		var old *oldVersion
		if change, old, err = s.saveVersion(ctx, tx, k, in, t.id, v); err != nil {
			return err
		}
		if change == Unchanged && before != nil && !before.same(t) {
			change = Updated
		}
		if change == Unchanged {
			return nil
		}
		return s.audit.Record(ctx, tx, audit.Entry{
			Action: k.auditKind() + ".save", ObjectKind: k.auditKind(), ObjectID: t.id, ObjectName: in.Name, ProjectID: in.ProjectID,
			Before: beforeSaving(before, old), After: afterSaving(t, in, v, change),
		})
	})
	if errors.Is(err, db.ErrUnique) {
		return "", ErrFixedVersion.With("Somebody else saved %s %q at the same time; look at it and try again.", k.word, in.Name)
	}
	return change, err
}

// checkStillThere refuses an environment template whose resource templates have been
// deleted since they were looked up.
func checkStillThere(ctx context.Context, tx *db.Tx, spec any) error {
	e, ok := spec.(EnvironmentSpec)
	if !ok {
		return nil
	}
	var ids []ResourceVersionID
	for _, r := range e.Resources {
		if r.VersionID != "" {
			ids = append(ids, r.VersionID)
		}
	}
	found, err := lockVersions(ctx, tx, ids)
	if err != nil {
		return fmt.Errorf("reading resource templates: %w", err)
	}
	for i, r := range e.Resources {
		if r.VersionID != "" && !slices.Contains(found, r.VersionID) {
			return fault.InvalidField(fmt.Sprintf("spec.resources[%d].template", i), fmt.Sprintf("the version of resource template %q has just been deleted", r.Template))
		}
	}
	return nil
}

// saveVersion writes a version, unless it is there already as it is.
func (s *Service) saveVersion(ctx context.Context, tx *db.Tx, k kind, in SaveInput, templateID string, v savedVersion) (Change, *oldVersion, error) {
	v.templateID, v.version, v.state, v.updatedAt = templateID, in.Version, in.state(), tx.Now()
	if v.state == Active {
		v.activatedAt = tx.Now()
	}
	sealed, err := s.sealSpec(templateID, v.spec)
	if err != nil {
		return "", nil, err
	}
	old, err := getSaved(ctx, tx, k, templateID, in.Version)
	if wrong := in.expected(k, old); wrong != nil && (err == nil || errors.Is(err, db.ErrNoRows)) {
		return "", nil, wrong
	}
	if errors.Is(err, db.ErrNoRows) {
		v.id, v.createdAt, v.spec = db.NewID(k.idPrefix()), tx.Now(), sealed
		return Created, nil, saving(k, insertVersion(ctx, tx, k, v))
	}
	if err != nil {
		return "", nil, saving(k, err)
	}
	same, err := s.sameSpec(templateID, old.specJSON, v.spec)
	if err != nil {
		return "", nil, err
	}
	v.id, v.createdAt, v.spec = old.id, old.createdAt, sealed
	switch {
	case same && old.state == v.state && (v.state != Draft || sameProblems(old.problemsJSON, v.problems)):
		return Unchanged, old, nil
	case same && old.state == v.state:
		return Unchanged, old, saving(k, updateProblems(ctx, tx, k, v))
	case old.state != Draft:
		return "", nil, ErrFixedVersion.With("Version %q of %s %q is %s and cannot change; save the change as another version.", in.Version, k.word, in.Name, old.state)
	}
	return Updated, old, saving(k, updateVersion(ctx, tx, k, v))
}

// expected refuses to write over what whoever saves has not seen; old is nil where
// there is no such version.
func (in SaveInput) expected(k kind, old *oldVersion) error {
	switch {
	case in.OnlyNew && old != nil:
		return withField(ErrVersionExists.With("There already is a version %q of %s %q.", in.Version, k.word, in.Name), "version")
	case !in.IfUnchangedSince.IsZero() && (old == nil || old.updatedAt.UnixMicro() != in.IfUnchangedSince.UnixMicro()):
		return ErrVersionChanged.With("Somebody else changed version %q of %s %q.", in.Version, k.word, in.Name)
	}
	return nil
}

func saving(k kind, err error) error {
	if err != nil {
		return fmt.Errorf("saving %s: %w", k.word, err)
	}
	return nil
}

// sealSpec returns a specification as it is stored.
func (s *Service) sealSpec(templateID string, spec any) (any, error) {
	var err error
	switch spec := spec.(type) {
	case ResourceSpec:
		spec.Variables, err = s.seal(templateID, spec.Variables)
		return spec, err
	case EnvironmentSpec:
		spec.Variables, err = s.seal(templateID, spec.Variables)
		return spec, err
	}
	return spec, nil
}

func (k kind) idPrefix() string {
	if k.templates == "resource_templates" {
		return "rtv"
	}
	return "etv"
}

// saveTemplate writes the template around a version. It returns what was there
// before, if anything.
func (s *Service) saveTemplate(ctx context.Context, tx *db.Tx, k kind, in SaveInput) (t templateRow, before *templateRow, err error) {
	old, err := getTemplate(ctx, tx, k, in.ProjectID, in.Name)
	switch {
	case errors.Is(err, db.ErrNoRows):
		t = templateRow{
			id: db.NewID(k.idPrefix()[:2]), projectID: in.ProjectID, name: in.Name, displayName: cmp.Or(in.DisplayName, in.Name),
			description: in.Description, labels: in.Labels, annotations: in.Annotations, createdAt: tx.Now(), updatedAt: tx.Now(),
		}
		err = insertTemplate(ctx, tx, k, t)
		if errors.Is(err, db.ErrReference) {
			return t, nil, fault.InvalidField("project", "does not exist")
		}
	case err == nil:
		// What is not given stays as it is.
		t, before = old, &old
		t.displayName, t.description = cmp.Or(in.DisplayName, t.displayName), cmp.Or(in.Description, t.description)
		if in.Labels != nil {
			t.labels = in.Labels
		}
		if in.Annotations != nil {
			t.annotations = in.Annotations
		}
		if !old.same(t) {
			t.updatedAt = tx.Now()
			err = updateTemplate(ctx, tx, k, t)
		}
	}
	return t, before, saving(k, err)
}

func (t templateRow) same(o templateRow) bool {
	return t.displayName == o.displayName && t.description == o.description && maps.Equal(t.labels, o.labels) && maps.Equal(t.annotations, o.annotations)
}

// oldVersion is what saving needs of the version that is there.
type oldVersion struct {
	id           string
	state        State
	specJSON     string
	problemsJSON string
	createdAt    time.Time
	updatedAt    time.Time
}

func getSaved(ctx context.Context, tx *db.Tx, k kind, templateID, version string) (*oldVersion, error) {
	return db.One(ctx, tx, func(s db.Scanner) (*oldVersion, error) {
		v := &oldVersion{}
		err := s.Scan(&v.id, &v.state, &v.specJSON, &v.problemsJSON, db.ScanTime(&v.createdAt), db.ScanTime(&v.updatedAt))
		return v, err
	}, `SELECT id, state, spec_json, problems_json, created_at, updated_at FROM `+k.versions+` WHERE template_id = $1 AND version = $2`, templateID, version)
}

// sameSpec compares a stored specification with one whose values are in clear.
func (s *Service) sameSpec(templateID, stored string, spec any) (bool, error) {
	var old any
	switch spec.(type) {
	case ResourceSpec:
		var r ResourceSpec
		if err := json.Unmarshal([]byte(stored), &r); err != nil {
			return false, fmt.Errorf("reading a stored template: %w", err)
		}
		if err := s.open(templateID, r.Variables); err != nil {
			return false, err
		}
		old = r
	case EnvironmentSpec:
		var e EnvironmentSpec
		if err := json.Unmarshal([]byte(stored), &e); err != nil {
			return false, fmt.Errorf("reading a stored template: %w", err)
		}
		if err := s.open(templateID, e.Variables); err != nil {
			return false, err
		}
		old = e
	}
	a, err := json.Marshal(old)
	if err != nil {
		return false, fmt.Errorf("writing a template: %w", err)
	}
	b, err := json.Marshal(spec)
	if err != nil {
		return false, fmt.Errorf("writing a template: %w", err)
	}
	return sameJSON(a, b), nil
}

func sameProblems(stored string, problems []Problem) bool {
	raw, err := json.Marshal(list(problems))
	return err == nil && sameJSON(json.RawMessage(stored), raw)
}
