package template

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/vendor"
)

// Everyone is the share with all projects.
const Everyone = "*"

// Faults of this package.
var (
	ErrNotFound     = fault.New(fault.NotFound, "template_not_found", "There is no such template.")
	ErrNoVersion    = fault.New(fault.NotFound, "template_version_not_found", "The template has no such version.")
	ErrFixedVersion = fault.New(fault.Conflict, "template_version_fixed", "A version that was active never changes.")
	ErrNotUsable    = fault.New(fault.Conflict, "template_version_not_active", "The version of the template is not active.")
	ErrState        = fault.New(fault.Conflict, "template_version_state", "The version cannot go to this state.")
	ErrNoContext    = fault.New(fault.Conflict, "context_missing", "A config context that the template needs is missing.")
)

// Deps is what the service needs.
type Deps struct {
	DB       *db.DB
	Audit    *audit.Service
	Contexts *configcontext.Service
	Bundles  *bundle.Store
	// Projects says who may share.
	Projects *project.Service
	// Vendor completes the code of resource templates.
	Vendor Vendor
	// EnvironmentUsers tells which environments use versions of environment
	// templates. Nobody uses any when it is nil.
	EnvironmentUsers UsersFunc
}

// Vendor adds what a module calls to its code; *vendor.Vendor does.
type Vendor interface {
	Vendor(ctx context.Context, req vendor.Request) (*vendor.Result, error)
}

// UsersFunc finds the environments that use versions of environment templates,
// whoever asks.
type UsersFunc func(ctx context.Context, q db.Querier, versions []EnvironmentVersionID) (map[EnvironmentVersionID][]User, error)

// Service keeps templates.
type Service struct {
	db       *db.DB
	audit    *audit.Service
	contexts *configcontext.Service
	bundles  *bundle.Store
	compiler *Compiler
	projects *project.Service
	vendor   Vendor
	users    UsersFunc

	mu       sync.Mutex
	compiled map[string]*Compiled
}

// New returns the service.
func New(deps Deps) (*Service, error) {
	c, err := NewCompiler()
	if err != nil {
		return nil, err
	}
	return &Service{
		db: deps.DB, audit: deps.Audit, contexts: deps.Contexts, bundles: deps.Bundles, compiler: c, compiled: map[string]*Compiled{},
		projects: deps.Projects, vendor: deps.Vendor, users: deps.EnvironmentUsers,
	}, nil
}

func (k kind) object(name string) audit.Object { return audit.Object{Kind: k.auditKind(), Name: name} }

func (k kind) auditKind() string {
	if k.templates == "resource_templates" {
		return "resource_template"
	}
	return "environment_template"
}

// withField copies a fault and names the input that caused it.
func withField(e *fault.Error, path string) *fault.Error {
	e.Fields = []fault.Field{{Path: path, Message: e.Message}}
	return e
}

// AddBundle packs the module in folder dir of fsys and stores it. The result
// tells what was read and what is wrong with it; nothing refers to it yet.
func (s *Service) AddBundle(ctx context.Context, projectID string, fsys fs.FS, dir string) (*bundle.Bundle, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateWrite, projectID, audit.Object{Kind: "bundle"}); err != nil {
		return nil, err
	}
	b, err := bundle.Pack(ctx, fsys, dir, bundle.DefaultLimits())
	if err != nil {
		return nil, err
	}
	if err := s.bundles.Put(ctx, b); err != nil {
		return nil, err
	}
	return b, nil
}

// OpenSource opens the code of a resource template version for reading. Close
// the closer when done.
func (s *Service) OpenSource(ctx context.Context, projectID, name, version string) (fs.FS, io.Closer, error) {
	v, err := s.ResourceVersion(ctx, projectID, name, version)
	if err != nil {
		return nil, nil, err
	}
	return s.bundles.FS(ctx, v.Spec.Bundle.Digest)
}

// ResourceVersion returns a version of a resource template of a project.
func (s *Service) ResourceVersion(ctx context.Context, projectID, name, version string) (*ResourceVersion, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateSourceRead, projectID, resourceKind().object(name)); err != nil {
		return nil, err
	}
	v, err := getResourceVersion(ctx, s.db, projectID, name, version)
	if err != nil {
		return nil, versionNotFound(err, resourceKind(), name, version)
	}
	return v, nil
}

// EnvironmentVersion returns a version of an environment template of a project,
// with its whole specification, for its authors.
func (s *Service) EnvironmentVersion(ctx context.Context, projectID, name, version string) (*EnvironmentVersion, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateSourceRead, projectID, environmentKind().object(name)); err != nil {
		return nil, err
	}
	v, err := getEnvironmentVersion(ctx, s.db, projectID, name, version)
	if err != nil {
		return nil, versionNotFound(err, environmentKind(), name, version)
	}
	return v, nil
}

func versionNotFound(err error, k kind, name, version string) error {
	if errors.Is(err, db.ErrNoRows) {
		return withField(ErrNoVersion.With("There is no version %q of a %s %q here.", version, k.word, name), "version")
	}
	return fmt.Errorf("reading %s: %w", k.word, err)
}

// ShareResource sets with which projects a resource template is shared: project
// ids, or Everyone.
func (s *Service) ShareResource(ctx context.Context, projectID, name string, with []string) error {
	return s.share(ctx, resourceKind(), projectID, name, with)
}

// ShareEnvironment sets with which projects an environment template is shared.
// Its resource templates need no share of their own.
func (s *Service) ShareEnvironment(ctx context.Context, projectID, name string, with []string) error {
	return s.share(ctx, environmentKind(), projectID, name, with)
}

func (s *Service) share(ctx context.Context, k kind, projectID, name string, with []string) error {
	if err := s.projects.AuthorizeShare(ctx, projectID, with, k.object(name)); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		t, err := getTemplate(ctx, tx, k, projectID, name)
		if errors.Is(err, db.ErrNoRows) {
			return ErrNotFound.With("There is no %s %q here.", k.word, name)
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", k.word, err)
		}
		before, err := listShares(ctx, tx, k, t.id)
		if err != nil {
			return fmt.Errorf("reading shares: %w", err)
		}
		want := slices.Sorted(slices.Values(with))
		if slices.Equal(before, slices.Compact(want)) {
			return nil
		}
		if err := replaceShares(ctx, tx, k, t.id, with); errors.Is(err, db.ErrReference) {
			return fault.InvalidField("projects", "names a project that does not exist")
		} else if err != nil {
			return fmt.Errorf("sharing %s: %w", k.word, err)
		}
		return s.audit.Record(ctx, tx, audit.Entry{
			Action: k.auditKind() + ".share", ObjectKind: k.auditKind(), ObjectID: t.id, ObjectName: name, ProjectID: projectID,
			Before: map[string]any{"projects": before}, After: map[string]any{"projects": list(with)},
		})
	})
}
