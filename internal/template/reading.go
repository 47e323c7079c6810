package template

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/vendor"
)

// Vendor adds what a module calls to its code; *vendor.Vendor does, and a stand-in
// where no tool is to run.
type Vendor interface {
	Vendor(ctx context.Context, req vendor.Request) (*vendor.Result, error)
}

// Reading is what a source holds, as a publish page shows it before anything is
// saved.
type Reading struct {
	Source   Source    // with the commit that was read
	Bundle   BundleRef // empty when there is nothing that could be packed
	Module   bundle.Module
	Problems []Problem
	Files    []string // of the bundle, the modules in it included
	// Sources are the texts of the files that problems point into, by the names that the problems use.
	Sources map[string]string
}

// Read reads the source of a resource template: it fetches the code, adds the
// modules it calls and the lock file, and checks it together with the rest of the
// specification. It saves no version. What is wrong with the source is among the
// problems; an error means that nothing could be found out.
func (s *Service) Read(ctx context.Context, projectID string, spec ResourceSpec) (*Reading, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateWrite, projectID, resourceKind().object("")); err != nil {
		return nil, err
	}
	spec = spec.withDefaults()
	if err := spec.check(); err != nil {
		return nil, err
	}
	if spec.Source.Empty() {
		return nil, fault.InvalidField("spec.source", "names no source; give a repository, or an upload")
	}
	r, err := s.read(ctx, s.repositories, projectID, spec, nil)
	if err != nil {
		return nil, err
	}
	if r.Bundle.Digest != "" {
		r.Problems = s.compiler.checkResource(spec, &r.Module)
		if r.Files, err = s.bundleFiles(ctx, r.Bundle.Digest); err != nil {
			return nil, err
		}
		if r.Sources, err = s.sources(ctx, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// openedSource is a source ready to be packed.
type openedSource struct {
	fs      fs.FS
	commit  string
	close   func() error
	project string
	source  Source
	// repositories is what it was opened with; nil for an upload where there is none.
	repositories *repository.Service
}

// read fetches and completes a source. known is a version with the same source,
// whose bundle is taken when the code turns out to be the same; it may be nil.
// What is wrong with the source is a problem; its own failures are errors.
func (s *Service) read(ctx context.Context, repositories *repository.Service, projectID string, spec ResourceSpec, known *ResourceVersion) (*Reading, error) {
	out := &Reading{Source: spec.Source}
	opened, err := s.openSource(ctx, repositories, projectID, spec.Source)
	if p, ok := sourceProblem(err, spec.Source); ok {
		out.Problems = []Problem{p}
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	err = s.readOpened(ctx, opened, spec, known, out)
	return out, errors.Join(err, opened.close())
}

func (s *Service) readOpened(ctx context.Context, opened *openedSource, spec ResourceSpec, known *ResourceVersion, out *Reading) error {
	out.Source.Commit = opened.commit
	packed, err := bundle.Pack(ctx, opened.fs, cleanFolder(spec.Source.Path), bundle.DefaultLimits())
	if err != nil {
		if fault.CodeOf(err) != bundle.CodeBadSource {
			return err
		}
		out.Problems = []Problem{{Severity: bundle.Error, Path: "spec.source.path", Message: plainMessage(err)}}
		return nil
	}
	if known == nil || !known.sameCode(packed, spec) {
		if known, err = s.readBefore(ctx, opened.project, packed, spec); err != nil {
			return err
		}
	}
	if known != nil {
		out.Bundle, out.Module, out.Problems = known.Spec.Bundle, known.Module, known.Module.Problems
		return nil
	}
	return s.complete(ctx, opened, packed, spec, out)
}

// sameCode reports whether the version was made of this code with the same tool,
// and lacks nothing.
func (v *ResourceVersion) sameCode(packed *bundle.Bundle, spec ResourceSpec) bool {
	b := v.Spec.Bundle
	return b.Source == packed.Digest && b.Digest != "" && !b.Incomplete && v.Spec.Provider == spec.Provider && b.Folder == packed.Dir
}

// readBefore finds a version of the project that was made of the same code. Its
// bundle is taken: the same source has the same digest, even when a provider has a
// newer version meanwhile.
func (s *Service) readBefore(ctx context.Context, projectID string, packed *bundle.Bundle, spec ResourceSpec) (*ResourceVersion, error) {
	versions, err := listResourceVersionsBySource(ctx, s.db, projectID, packed.Digest)
	if err != nil {
		return nil, fmt.Errorf("looking for versions of the same code: %w", err)
	}
	for _, v := range versions {
		if !v.sameCode(packed, spec) {
			continue
		}
		held, err := s.bundles.Has(ctx, v.Spec.Bundle.Digest)
		if err != nil || held {
			return v, err
		}
	}
	return nil, nil
}

// completedKey names code that was completed. The project and the repository are in
// it, for their credentials decide which modules can be fetched.
type completedKey struct {
	project, repository, digest, folder string
	provider                            Provider
}

// completed is what came of completing code, with nothing missing.
type completed struct {
	bundle BundleRef
	module bundle.Module
	at     time.Time
}

// Whoever reads a source publishes it next: the tool need not do the same again.
const (
	completedFor  = 10 * time.Minute
	mostCompleted = 64
)

func (s *Service) completedBefore(key completedKey) (completed, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.completed[key]
	return c, ok && s.db.Now().Sub(c.at) < completedFor
}

func (s *Service) keepCompleted(key completedKey, c completed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.completed) >= mostCompleted {
		clear(s.completed)
	}
	s.completed[key] = c
}

// complete adds modules and the lock file to packed code and stores it.
func (s *Service) complete(ctx context.Context, opened *openedSource, packed *bundle.Bundle, spec ResourceSpec, out *Reading) error {
	key := completedKey{opened.project, opened.source.Repository, packed.Digest, packed.Dir, spec.Provider}
	if c, ok := s.completedBefore(key); ok {
		out.Bundle, out.Module, out.Problems = c.bundle, c.module, c.module.Problems
		return nil
	}
	res, err := s.vendored(ctx, opened, packed, spec)
	if err != nil {
		return err
	}
	done := res.Bundle
	if err := s.bundles.Put(ctx, done); err != nil {
		return err
	}
	out.Module = *done.Module
	out.Module.Problems = append(slices.Clone(out.Module.Problems), res.Problems...)
	out.Problems = out.Module.Problems
	out.Bundle = BundleRef{Digest: done.Digest, Dir: done.Dir, Source: packed.Digest, Folder: packed.Dir}
	out.Bundle.Incomplete = res.Skipped || res.Failed()
	if res.Skipped {
		out.addMissingModules(bundle.WalkModules(opened.fs, cleanFolder(spec.Source.Path)))
	}
	if !out.Bundle.Incomplete {
		s.keepCompleted(key, completed{out.Bundle, out.Module, s.db.Now()})
	}
	return nil
}

// addMissingModules turns away a version whose runs would have to fetch modules: the
// tool was not there to fetch them when the version was made.
func (r *Reading) addMissingModules(walk bundle.Walk) {
	for _, c := range walk.Calls {
		if c.Local() || c.Source == "" {
			continue
		}
		place := c.Place()
		r.Module.Problems = append(r.Module.Problems, Problem{
			Severity: bundle.Error, File: place.File, Line: place.Line,
			Message: fmt.Sprintf("module %q comes from %s and could not be fetched yet; save or activate the version again when OpenTofu is ready", c.Name, c.Source),
		})
	}
	r.Problems = r.Module.Problems
}

// vendored lets the tool complete the code. Code that cannot even be parsed is left
// as it is: the tool would say the same again.
func (s *Service) vendored(ctx context.Context, opened *openedSource, packed *bundle.Bundle, spec ResourceSpec) (*vendor.Result, error) {
	if s.vendor == nil || packed.Module.Failed() {
		return &vendor.Result{Bundle: packed}, nil
	}
	req := vendor.Request{
		Bundle: packed, Terraform: spec.Provider.Name == Terraform, Constraint: spec.Provider.Version, AllowFileGit: s.allowFileGit,
	}
	if opened.repositories != nil {
		// Without the name of a repository it is the environment for public ones.
		system := authz.WithSubject(ctx, authz.System("publishing"))
		env, secrets, cleanup, err := opened.repositories.GitEnviron(system, opened.project, opened.source.Repository)
		if err != nil {
			return nil, err
		}
		if cleanup != nil {
			defer cleanup()
		}
		req.GitEnv, req.Secrets = env, secrets
	}
	res, err := s.vendor.Vendor(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("completing the code: %w", err)
	}
	return res, nil
}

func (s *Service) openSource(ctx context.Context, repositories *repository.Service, projectID string, src Source) (*openedSource, error) {
	if src.Upload != "" {
		if _, err := s.useUpload(ctx, projectID, src.Upload); err != nil {
			return nil, err
		}
		fsys, closer, err := s.bundles.FS(ctx, src.Upload)
		if errors.Is(err, bundle.ErrNotFound) {
			return nil, ErrNoUpload.With("The upload %.12s is gone; upload the source again.", src.Upload)
		}
		if err != nil {
			return nil, err
		}
		return &openedSource{fs: fsys, close: closer.Close, project: projectID, source: src, repositories: repositories}, nil
	}
	if repositories == nil {
		return nil, errors.New("there is no service that reads repositories")
	}
	revision := src.Revision
	if src.Commit != "" {
		revision = src.Commit
	}
	c, err := repositories.Open(ctx, projectID, src.Repository, revision)
	if err != nil {
		return nil, err
	}
	return &openedSource{fs: c.FS, commit: c.Commit, close: c.Close, project: projectID, source: src, repositories: repositories}, nil
}

// sourceProblem turns a failure to fetch, which is the source's and not ours, into
// a problem at the field that caused it.
func sourceProblem(err error, src Source) (Problem, bool) {
	f, ok := fault.As(err)
	if !ok {
		return Problem{}, false
	}
	switch f.Kind {
	case fault.Unauthenticated, fault.Forbidden, fault.Internal:
		return Problem{}, false
	case fault.Invalid, fault.NotFound, fault.Conflict, fault.Unavailable:
	}
	p := Problem{Severity: bundle.Error, Path: "spec.source.repository", Message: plainMessage(err)}
	switch {
	case src.Upload != "":
		p.Path = "spec.source.upload"
	case errors.Is(err, repository.ErrRevision) && src.Commit != "":
		p.Path = "spec.source.commit"
	case errors.Is(err, repository.ErrRevision):
		p.Path = "spec.source.revision"
	}
	return p, true
}

// plainMessage is what a person may read of an error.
func plainMessage(err error) string {
	if f, ok := fault.As(err); ok {
		return f.Message
	}
	return err.Error()
}

func cleanFolder(p string) string {
	if p = strings.Trim(p, "/"); p == "" {
		return "."
	}
	return path.Clean(p)
}

// bundleFiles lists the files of a stored bundle.
func (s *Service) bundleFiles(ctx context.Context, digest string) ([]string, error) {
	fsys, closer, err := s.bundles.FS(ctx, digest)
	if err != nil {
		return nil, err
	}
	var out []string
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, p)
		}
		return err
	})
	return out, errors.Join(err, closer.Close())
}

// sameSource reports whether a source says the same place as the one a version was
// read from. A commit counts only when it is asked for.
func (v *ResourceVersion) sameSource(src Source) bool {
	old := v.Spec.Source
	return src.Repository == old.Repository && src.Revision == old.Revision && src.Upload == old.Upload &&
		cleanFolder(src.Path) == cleanFolder(old.Path) && (src.Commit == "" || src.Commit == old.Commit)
}

// sourceOf completes a specification that names a source and no bundle: with what
// an active version of the same source has, or by reading.
func (s *Service) sourceOf(ctx context.Context, in SaveInput, spec ResourceSpec) (ResourceSpec, *bundle.Module, []Problem, error) {
	old, err := s.resourceVersion(ctx, s.db, in.ProjectID, in.Name, in.Version)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return spec, nil, nil, fmt.Errorf("reading resource template: %w", err)
	}
	if err != nil {
		old = nil
	}
	if old != nil && old.State != Draft && old.sameSource(spec.Source) && old.Spec.Provider == spec.Provider {
		spec.Source, spec.Bundle = old.Spec.Source, old.Spec.Bundle
		return spec, &old.Module, nil, nil
	}
	r, err := s.read(ctx, cmp.Or(in.Repositories, s.repositories), in.ProjectID, spec, old)
	if err != nil {
		return spec, nil, nil, err
	}
	if r.Bundle.Digest == "" {
		return s.unread(in, spec, old, r)
	}
	if old != nil && old.State != Draft && old.Spec.Bundle == r.Bundle && old.Spec.Source.Repository == r.Source.Repository {
		r.Source = old.Spec.Source // another commit, or another archive, with the same code in it
	}
	spec.Source, spec.Bundle = r.Source, r.Bundle
	return spec, &r.Module, nil, nil
}

// unread is the outcome of saving when there is nothing to read: a draft keeps what
// was read from the same source before.
func (s *Service) unread(in SaveInput, spec ResourceSpec, old *ResourceVersion, r *Reading) (ResourceSpec, *bundle.Module, []Problem, error) {
	if in.state() == Active && !in.OrDraft || old == nil || old.Spec.Bundle.Digest == "" || !old.sameSource(spec.Source) {
		return spec, &bundle.Module{}, r.Problems, nil
	}
	for i := range r.Problems {
		if in.state() == Draft {
			r.Problems[i].Severity = bundle.Warning
		}
		r.Problems[i].Message = "the source cannot be read again, what was read before is kept: " + r.Problems[i].Message
	}
	spec.Source, spec.Bundle = old.Spec.Source, old.Spec.Bundle
	return spec, &old.Module, r.Problems, nil
}
