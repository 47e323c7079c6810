package template

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/secret"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template/bundle"
)

// Everyone is the share with all projects.
const Everyone = "*"

// Faults of this package.
var (
	ErrNotFound     = fault.New(fault.NotFound, "template_not_found", "There is no such template.")
	ErrNoVersion    = fault.New(fault.NotFound, "template_version_not_found", "The template has no such version.")
	ErrFixedVersion = fault.New(fault.Conflict, "template_version_fixed", "A version that was active never changes.")
	// ErrVersionExists and ErrVersionChanged keep one from overwriting what somebody else saved.
	ErrVersionExists  = fault.New(fault.Conflict, "template_version_exists", "There already is a version of this name.")
	ErrVersionChanged = fault.New(fault.Conflict, "template_version_changed", "The version was changed by somebody else.")

	ErrNotUsable = fault.New(fault.Conflict, "template_version_not_active", "The version of the template is not active.")
	ErrState     = fault.New(fault.Conflict, "template_version_state", "The version cannot go to this state.")
	ErrNoContext = fault.New(fault.Conflict, "context_missing", "A config context that the template needs is missing.")
	ErrNoStatic  = fault.New(fault.Conflict, "static_resource_missing", "A static resource that the template needs is missing.")
)

// Deps is what the service needs.
type Deps struct {
	DB       *db.DB
	Audit    *audit.Service
	Contexts *configcontext.Service
	Statics  *staticresource.Service
	Bundles  *bundle.Store
	// Projects says who may share; made from the rest when nil.
	Projects *project.Service
	// Repositories reads the sources of resource templates, and Vendor completes their
	// code. Without the one nothing is read, without the other code stays as it is.
	Repositories *repository.Service
	Vendor       Vendor
	// AllowFileGit lets modules be fetched from repositories of this machine, for
	// tests.
	AllowFileGit bool
	// Keyring encrypts the sensitive values that templates give.
	Keyring *secret.Keyring
	// EnvironmentUsers tells which environments use versions of environment
	// templates. Nobody uses any when it is nil.
	EnvironmentUsers UsersFunc
	// AppliedFunc tells which versions those environments of a project are deployed
	// with that are deployed. Without it templates that use other environments are not
	// checked against what those have. It must authorise the subject of the context.
	AppliedFunc func(ctx context.Context, projectID string, names []string) (map[string]EnvironmentVersionID, error)
}

// UsersFunc finds the environments that use versions of environment templates,
// whoever asks.
type UsersFunc func(ctx context.Context, q db.Querier, versions []EnvironmentVersionID) (map[EnvironmentVersionID][]User, error)

// Service keeps templates.
type Service struct {
	db       *db.DB
	audit    *audit.Service
	contexts *configcontext.Service
	statics  *staticresource.Service
	bundles  *bundle.Store
	applied  func(ctx context.Context, projectID string, names []string) (map[string]EnvironmentVersionID, error)
	compiler *Compiler
	projects *project.Service
	keys     *secret.Keyring
	users    UsersFunc

	repositories *repository.Service
	vendor       Vendor
	allowFileGit bool

	mu       sync.Mutex
	compiled map[string]*Compiled
	// completed is what the tool has made of code lately, for those who publish what they have just read.
	completed map[completedKey]completed
}

// New returns the service.
func New(deps Deps) (*Service, error) {
	c, err := NewCompiler()
	if err != nil {
		return nil, err
	}
	if deps.Projects == nil {
		deps.Projects = project.New(project.Deps{DB: deps.DB, Audit: deps.Audit})
	}
	return &Service{
		db: deps.DB, audit: deps.Audit, contexts: deps.Contexts, statics: deps.Statics, bundles: deps.Bundles, compiler: c, compiled: map[string]*Compiled{}, completed: map[completedKey]completed{},
		projects: deps.Projects, keys: deps.Keyring, repositories: deps.Repositories, vendor: deps.Vendor, allowFileGit: deps.AllowFileGit, users: deps.EnvironmentUsers,
		applied: deps.AppliedFunc,
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

// ResourceVersion returns a version of a resource template of a project, without
// the sensitive values that it gives.
func (s *Service) ResourceVersion(ctx context.Context, projectID, name, version string) (*ResourceVersion, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateSourceRead, projectID, resourceKind().object(name)); err != nil {
		return nil, err
	}
	v, err := s.resourceVersion(ctx, s.db, projectID, name, version)
	if err != nil {
		return nil, versionNotFound(err, resourceKind(), name, version)
	}
	v.Spec.Variables = withoutSecrets(v.Spec.Variables)
	return v, nil
}

// EnvironmentVersion returns a version of an environment template of a project,
// with its whole specification but sensitive values, for its authors.
func (s *Service) EnvironmentVersion(ctx context.Context, projectID, name, version string) (*EnvironmentVersion, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateSourceRead, projectID, environmentKind().object(name)); err != nil {
		return nil, err
	}
	v, err := s.environmentVersion(ctx, s.db, projectID, name, version)
	if err != nil {
		return nil, versionNotFound(err, environmentKind(), name, version)
	}
	v.Spec.Variables = withoutSecrets(v.Spec.Variables)
	return v, nil
}

func versionNotFound(err error, k kind, name, version string) error {
	if errors.Is(err, db.ErrNoRows) {
		return withField(ErrNoVersion.With("There is no version %q of a %s %q here.", version, k.word, name), "version")
	}
	return fmt.Errorf("reading %s: %w", k.word, err)
}
