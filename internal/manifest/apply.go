package manifest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/template"
)

// Change is what became of a document.
type Change string

// The changes.
const (
	Created    Change = "created"
	Configured Change = "configured"
	Unchanged  Change = "unchanged"
)

// Folder is code that was uploaded: the digest of the upload, and the module's
// folder in it.
type Folder struct{ Upload, Path string }

// Options say how documents are applied.
type Options struct {
	// DryRun makes the same checks, tells what would change, and writes nothing.
	DryRun bool
	// Lenient lets a dry run go on with active versions that have errors, which are then among the problems of the
	// result, as warnings are.
	Lenient bool
	// Folder finds what was uploaded for a folder that a document names as its source.
	Folder func(file, folder string) (Folder, bool)
	// Files holds the folders themselves, where nothing was uploaded: the names of the documents' files are paths in it.
	Files fs.FS
}

// Result is what became of one document.
type Result struct {
	Kind     Kind
	Name     string
	Project  string // its name; empty for the organisation
	Version  string
	File     string
	Line     int
	Change   Change // empty when Error is set
	Diff     []Difference
	Problems []template.Problem // of the version that was saved
	Warnings []string
	Error    *fault.Error
}

// Apply makes objects what documents say they are, those of a project in that
// project unless a document names another one. An empty projectID means the
// organisation. Documents are applied in the order of their kinds, whatever theirs
// is. One that fails does not stop those that do not need it: the error is in its
// result. The results are in the order of applying. An error is returned only when
// nothing can be applied at all.
//
// Applying the same again changes and records nothing.
func (s *Service) Apply(ctx context.Context, projectID string, docs []*Document, o Options) ([]Result, error) {
	if err := signedIn(ctx); err != nil {
		return nil, err
	}
	known, err := s.projects(ctx)
	if err != nil {
		return nil, err
	}
	ordered := slices.Clone(docs)
	slices.SortStableFunc(ordered, func(a, b *Document) int { return a.Kind.rank() - b.Kind.rank() })
	a := &applier{
		Service: s, options: o, known: known, home: projectID, state: map[key]*outcome{}, repositories: s.Repositories, pending: map[string]bool{}, compiled: map[key]*template.Compiled{},
	}
	out := make([]Result, 0, len(ordered))
	for _, d := range ordered {
		r, err := a.document(ctx, d)
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
	return out, nil
}

// key identifies an object among the documents of one apply.
type key struct {
	kind                   Kind
	project, name, version string
}

// outcome is what became of a document that others may need.
type outcome struct {
	doc    *Document
	change Change // empty when it failed
}

type applier struct {
	*Service
	options Options
	known   *projects
	home    string // the project of documents that name none
	state   map[key]*outcome
	// In a dry run, what would have been saved.
	pending  map[string]bool // projects
	previews template.Previews
	// repositories reads those that would have been saved, too.
	repositories *repository.Service
	compiled     map[key]*template.Compiled
}

// job is one document being applied.
type job struct {
	*Document
	projectID string
	result    *Result
	// unborn is set in a dry run when the project would be made by another document.
	unborn bool
}

func (j *job) warn(format string, args ...any) {
	j.result.Warnings = append(j.result.Warnings, fmt.Sprintf(format, args...))
}

// document applies one document. An error ends everything: the request was cancelled.
func (a *applier) document(ctx context.Context, d *Document) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	r := Result{Kind: d.Kind, Name: d.Name, Project: cmp.Or(d.Project, a.known.names[a.home]), Version: d.Version(), File: d.File, Line: d.Line}
	if d.Kind == KindProject {
		r.Project = ""
	}
	j := &job{Document: d, result: &r}
	k := key{d.Kind, r.Project, d.Name, r.Version}
	err := a.prepare(j, k)
	twice := errors.Is(err, ErrTwice)
	if err == nil {
		err = a.apply(ctx, j)
	}
	if !twice {
		a.state[k] = &outcome{d, r.Change}
	}
	if err == nil {
		return r, nil
	}
	if ctx.Err() != nil {
		return r, ctx.Err()
	}
	r.Change, r.Diff = "", nil
	f, ok := fault.As(err)
	if !ok || f.Kind == fault.Internal {
		return r, fmt.Errorf("applying %s %s: %w", d.Kind, d.Name, err)
	}
	if !twice {
		a.state[k].change = ""
	}
	r.Error = d.place(f)
	return r, nil
}

// prepare finds the project and refuses a document that cannot be applied because of another one.
func (a *applier) prepare(j *job, k key) error {
	if before := a.state[k]; before != nil {
		return ErrTwice.With("%s describes the same object", before.doc.at())
	}
	if j.Kind != KindProject {
		j.projectID = a.home
		if j.Project != "" {
			id, known := a.known.ids[j.Project]
			if !known {
				if failed := a.state[key{kind: KindProject, name: j.Project}]; failed != nil && failed.change == "" {
					return needed(failed)
				}
				if !a.pending[j.Project] {
					return fault.InvalidField("metadata.project", fmt.Sprintf("there is no project %q that you may see", j.Project))
				}
				j.unborn = true
			}
			j.projectID = id
		}
	}
	for _, n := range j.needs() {
		if n.version == "" && n.kind.versioned() {
			if a.allFailed(n.kind, k.project, n.name) {
				return ErrNeeded.With("it needs %s %s, which could not be applied", n.kind, n.name)
			}
			continue
		}
		if found := a.state[key{n.kind, k.project, n.name, n.version}]; found != nil && found.change == "" {
			return needed(found)
		}
	}
	return nil
}

func needed(o *outcome) error {
	return ErrNeeded.With("it needs %s, which could not be applied", o.doc.at())
}

// allFailed reports whether documents describe versions of an object and none of them could be applied.
func (a *applier) allFailed(kind Kind, project, name string) bool {
	found := false
	for k, o := range a.state {
		if k.kind == kind && k.project == project && k.name == name {
			if o.change != "" {
				return false
			}
			found = true
		}
	}
	return found
}

// need is an object that a document cannot be applied without.
type need struct {
	kind          Kind
	name, version string
}

func (d *Document) needs() []need {
	var out []need
	add := func(kind Kind, name, version string) { out = append(out, need{kind, name, version}) }
	switch s := d.Spec.(type) {
	case *ResourceTemplateSpec:
		if s.Source.Repository != "" {
			add(KindRepository, s.Source.Repository, "")
		}
	case *EnvironmentTemplateSpec:
		for _, r := range s.Resources {
			switch {
			case r.Static != "":
				add(KindStaticResource, r.Static, "")
			case r.Template != "":
				add(KindResourceTemplate, r.Template, string(r.Version))
			}
		}
	case *EnvironmentSpec:
		add(KindEnvironmentTemplate, s.Template.Name, string(s.Template.Version))
	}
	return out
}

// at names a document in a message: ResourceTemplate vpc (template.yaml:3).
func (d *Document) at() string { return fmt.Sprintf("%s %s (%s:%d)", d.Kind, d.Name, d.File, d.Line) }

func (a *applier) apply(ctx context.Context, j *job) error {
	switch s := j.Spec.(type) {
	case *ProjectSpec:
		return a.project(ctx, j, s)
	case *RepositorySpec:
		return a.repository(ctx, j, s)
	case *ConfigContextSpec:
		return a.context(ctx, j, s)
	case *StaticResourceSpec:
		return a.static(ctx, j, s)
	case *ResourceTemplateSpec:
		return a.resourceTemplate(ctx, j, s)
	case *EnvironmentTemplateSpec:
		return a.environmentTemplate(ctx, j, s)
	case *EnvironmentSpec:
		return a.environment(ctx, j, s)
	}
	return fault.InvalidField("kind", fmt.Sprintf("%q cannot be applied", j.Kind))
}

// compare notes what would change between what is there (nil: nothing) and the document.
func (j *job) compare(have *Manifest, want Manifest) {
	if have == nil {
		j.result.Change, j.result.Diff = Created, differences(nil, body(&want))
		return
	}
	j.result.Diff = differences(body(have), body(&want))
	j.decide()
}

// decide sets the change of an object that exists from what differs.
func (j *job) decide() {
	j.result.Change = Unchanged
	if len(j.result.Diff) > 0 {
		j.result.Change = Configured
	}
}

// secret notes that a sensitive value changes, which no comparison can tell.
func (j *job) secret(path string) {
	for _, d := range j.result.Diff {
		if d.Path == path {
			return
		}
	}
	one := Difference{Path: path, Before: secretSet, After: secretChanged}
	if j.result.Change == Created {
		one = Difference{Path: path, After: secretSet}
	} else {
		j.result.Change = Configured
	}
	j.result.Diff = append(j.result.Diff, one)
}

// body is the part of a document that is compared: what names it is the same on both sides.
func body(m *Manifest) any {
	meta := m.Metadata
	meta.Name, meta.Project = "", ""
	out := map[string]any{"spec": m.Spec}
	if t, ok := tree(meta).(map[string]any); ok {
		delete(t, "name")
		out["metadata"] = t
	}
	return out
}

// keepMeta fills in what the document does not say.
func keepMeta(want, have Metadata) Metadata {
	want.DisplayName = cmp.Or(want.DisplayName, have.DisplayName)
	want.Description = cmp.Or(want.Description, have.Description)
	if want.Labels == nil {
		want.Labels = have.Labels
	}
	if want.Annotations == nil {
		want.Annotations = have.Annotations
	}
	return want
}

// plainMeta tells what is not kept with kinds that have no place for it.
func (j *job) plainMeta(displayName bool) {
	if displayName && j.Metadata.DisplayName != "" {
		j.warn("metadata.displayName is not kept with a %s", j.Kind)
	}
	if len(j.Metadata.Labels)+len(j.Metadata.Annotations) > 0 {
		j.warn("metadata.labels and metadata.annotations are not kept with a %s", j.Kind)
	}
}
