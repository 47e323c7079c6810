package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"golang.org/x/sync/errgroup"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/event"
	"github.com/berthdev/berth/internal/identity"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/secret"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/vendor"
	"github.com/berthdev/berth/internal/tofu"
)

// App is one Berth server.
type App struct {
	cfg     Config
	keyring *secret.Keyring
	db      *db.DB
	blobs   *blob.Bucket
	events  *event.Broker
	tools   *tofu.Manager

	audit        *audit.Service
	identity     *identity.Service
	projects     *project.Service
	contexts     *configcontext.Service
	statics      *staticresource.Service
	repositories *repository.Service
	templates    *template.Service
	bundles      *bundle.Store
	runs         *run.Service
	environments *environment.Service
	manifests    *manifest.Service
	runner       *runner.Local
	executor     *run.Executor

	sandbox  *sandboxProcess // nil but in development
	handler  http.Handler
	loops    []loop
	listener net.Listener
	ready    milestones
	streams  *streams
	draining atomic.Bool
	offline  bool // code is checked without the tool
}

// New builds a server. It opens the database, migrates it and binds the address, and starts nothing.
func New(ctx context.Context, cfg Config) (*App, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, ready: newMilestones(), streams: newStreams()}
	for _, stage := range []func(context.Context) error{
		a.openData, a.newServices, a.newRunning, a.newTransports, a.newBackground,
	} {
		if err := stage(ctx); err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	return a, nil
}

func (a *App) dir(name string) string { return filepath.Join(a.cfg.DataDir, name) }

// openData opens the key, the database and the folder of blobs. A key that does not fit the database ends it here.
func (a *App) openData(ctx context.Context) error {
	if err := os.MkdirAll(a.dir("tool"), 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	var err error
	if a.db, err = db.Open(ctx, db.Config{URL: a.cfg.DatabaseURL, Now: a.cfg.Now, Logger: a.cfg.Logger}); err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	if a.keyring, err = openKeyring(ctx, a.db, a.cfg.KeyFile); err != nil {
		return err
	}
	a.blobs, err = fileblob.OpenBucket(a.dir("blobs"), &fileblob.Options{CreateDir: true, NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	if err != nil {
		return fmt.Errorf("opening the folder of blobs: %w", err)
	}
	return nil
}

func (a *App) newServices(ctx context.Context) error {
	log := a.cfg.Logger
	a.events = event.New(a.db)
	a.audit = audit.New(audit.Deps{DB: a.db})
	a.identity = identity.New(identity.Deps{DB: a.db, Audit: a.audit, Logger: log})
	a.projects = project.New(project.Deps{DB: a.db, Audit: a.audit, Identity: a.identity})
	a.contexts = configcontext.New(configcontext.Deps{DB: a.db, Audit: a.audit, Keyring: a.keyring, Projects: a.projects})
	a.statics = staticresource.New(staticresource.Deps{DB: a.db, Audit: a.audit, Keyring: a.keyring, Projects: a.projects})
	var err error
	if a.tools, err = tofu.NewManager(a.cfg.Toolchain); err != nil {
		return fmt.Errorf("preparing the toolchain: %w", err)
	}
	a.repositories = repository.New(repository.Deps{
		DB: a.db, Audit: a.audit, Keyring: a.keyring, AllowFile: a.cfg.AllowLocalGit, TempDir: a.dir("tool"),
	})
	a.bundles = bundle.NewStore(a.blobs, a.dir("bundles"))
	a.templates, err = template.New(template.Deps{
		DB: a.db, Audit: a.audit, Contexts: a.contexts, Statics: a.statics, Bundles: a.bundles, Projects: a.projects, Keyring: a.keyring,
		Repositories: a.repositories, Vendor: a.vendor(),
		AllowFileGit: a.cfg.AllowLocalGit, EnvironmentUsers: environment.TemplateUsers,
		AppliedFunc: func(ctx context.Context, projectID string, names []string) (map[string]template.EnvironmentVersionID, error) {
			return a.environments.Applied(ctx, projectID, names) // which needs the templates, and so is made after them
		},
	})
	if err != nil {
		return fmt.Errorf("starting the template service: %w", err)
	}
	return nil
}

// vendor completes the code of templates, with the tool.
func (a *App) vendor() template.Vendor {
	if a.offline {
		return nil
	}
	return vendor.New(a.tools, vendor.Options{Dir: a.dir("vendor"), Hide: []string{a.cfg.DataDir, a.cfg.KeyFile}, Env: wayOut()})
}

// newRunning builds what carries out runs on this machine.
func (a *App) newRunning(context.Context) error {
	var err error
	a.runner, err = runner.New(runner.Config{
		Dir: a.dir("steps"), LockDir: a.dir("locks"), CacheDir: a.dir("warm"), Logger: a.cfg.Logger,
		Hide: []string{a.cfg.DataDir, a.cfg.KeyFile}, Expose: exposed(a.cfg.Toolchain),
		Env: wayOut(),
	})
	if err != nil {
		return fmt.Errorf("preparing the runner: %w", err)
	}
	owner, err := ownerName(a.dir("node"))
	if err != nil {
		return err
	}
	a.runs = run.New(run.Deps{DB: a.db, Audit: a.audit, Keyring: a.keyring, Blobs: a.blobs, Runner: a.runner, Logger: a.cfg.Logger, Waiting: a.waitsFor})
	a.executor = run.NewExecutor(run.ExecutorDeps{
		Runs: a.runs, Runner: a.runner, Owner: owner, Workers: a.cfg.Workers, Leased: a.cfg.postgres(), Logger: a.cfg.Logger,
		Prepare: run.NewPreparer(run.PreparerDeps{
			Runs: a.runs, Templates: a.templates, Bundles: a.bundles, Tools: a.tools, Dir: a.dir("tool"), AllowBuiltProvider: a.cfg.AllowBuiltProvider,
		}),
	})
	a.environments = environment.New(environment.Deps{DB: a.db, Audit: a.audit, Keyring: a.keyring, Templates: a.templates, Runs: a.runs})
	a.manifests = manifest.New(manifest.Deps{
		Projects: a.projects, Repositories: a.repositories, Contexts: a.contexts, Statics: a.statics, Templates: a.templates, Environments: a.environments,
	})
	return nil
}

// wayOut is what a machine needs to reach the internet, which steps get from the server's environment and nothing else.
func wayOut() map[string]string {
	out := map[string]string{}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if v, ok := os.LookupEnv(name); ok {
			out[name] = v
		}
	}
	return out
}

// exposed are the folders of the toolchain, which steps need even where they lie below a hidden one.
func exposed(c tofu.Config) []string {
	var out []string
	if dir, err := tofu.DefaultCacheDir(os.Getenv); err == nil {
		out = append(out, dir)
	}
	for _, dir := range []string{c.CacheDir, c.ProviderMirror} {
		if dir != "" {
			out = append(out, dir)
		}
	}
	return out
}

// ownerName returns this data folder's name in leases, made once.
func ownerName(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil && len(text) > 0 {
		return string(text), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("reading this machine's name: %w", err)
	}
	name := db.NewID("node")
	if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
		return "", fmt.Errorf("writing this machine's name: %w", err)
	}
	return name, nil
}

// URL is the address that users open.
func (a *App) URL() string { return a.cfg.BaseURL }

// Addr is the address that the server listens on.
func (a *App) Addr() string { return a.listener.Addr().String() }

const (
	drainTime  = 10 * time.Second
	headerTime = 10 * time.Second
)

// Run serves until ctx ends, then shuts down in order: stop accepting, end what streams, drain, stop background work
// (steps go on under their supervisors), close the database.
func (a *App) Run(ctx context.Context) error {
	background, endBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer endBackground()

	server := &http.Server{
		Handler: a.handler, ReadHeaderTimeout: headerTime, ErrorLog: slog.NewLogLogger(a.cfg.Logger.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	var group errgroup.Group
	for _, l := range a.loops {
		group.Go(func() error { return l.supervise(background, a.cfg.Logger) })
	}
	served := make(chan error, 1)
	group.Go(func() error {
		served <- a.serve(server)
		return nil
	})
	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	a.draining.Store(true)
	a.streams.end()
	a.drain(ctx, server)
	endBackground()
	return errors.Join(err, group.Wait(), a.close())
}

// drain lets requests finish, and cuts off those that take too long.
func (a *App) drain(ctx context.Context, server *http.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err := server.Shutdown(ctx)
	if err != nil {
		a.cfg.Logger.WarnContext(ctx, "requests did not end in time and are cut off", "error", errors.Join(err, server.Close()))
	}
}

func (a *App) serve(server *http.Server) error {
	var err error
	if a.cfg.TLSCert != "" {
		err = server.ServeTLS(a.listener, a.cfg.TLSCert, a.cfg.TLSKey)
	} else {
		err = server.Serve(a.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving: %w", err)
}

func (a *App) close() error {
	var errs []error
	if a.listener != nil {
		if err := a.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if a.blobs != nil {
		errs = append(errs, a.blobs.Close())
	}
	if a.db != nil {
		errs = append(errs, a.db.Close())
	}
	return errors.Join(errs...)
}

// PrepareSetup returns the token with which the first administrator is made, or nothing when there is one.
func (a *App) PrepareSetup(ctx context.Context) (string, error) {
	return a.identity.PrepareSetup(authz.WithSubject(ctx, authz.System("start")))
}
