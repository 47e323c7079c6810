package environment_test

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/runner/runnertest"
	"github.com/berthdev/berth/internal/secret"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/tofu"
)

const prj = "prj_demo"

// world is the services that environments need, carrying out runs with the fake tofu.
type world struct {
	t            *testing.T
	db           *db.DB
	dir          string
	contexts     *configcontext.Service
	templates    *template.Service
	statics      *staticresource.Service
	runs         *run.Service
	environments *environment.Service
	author       context.Context // of templates
	ctx          context.Context // a developer's
}

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	w := &world{t: t, db: d}
	_, err := d.ExecContext(t.Context(), `INSERT INTO projects (id, name, description, created_at, updated_at) VALUES ('prj_demo', 'demo', '', 1, 1), ('prj_platform', 'platform', '', 1, 1)`)
	require.NoError(t, err)
	_, err = d.ExecContext(t.Context(), `INSERT INTO users (id, email, name, password_hash, created_at, updated_at) VALUES ('usr_dev', 'dev@example.com', 'Dev', '', 1, 1)`)
	require.NoError(t, err)
	keys, err := secret.NewKeyring(bytes.Repeat([]byte("k"), 32))
	require.NoError(t, err)
	dir := t.TempDir()
	w.dir = dir
	bucket, err := bundle.OpenFolder(filepath.Join(dir, "blobs"))
	require.NoError(t, err)
	log := audit.New(audit.Deps{DB: d})
	quiet := slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelError + 1}))
	w.statics = staticresource.New(staticresource.Deps{DB: d, Audit: log, Keyring: keys, Projects: project.New(project.Deps{DB: d, Audit: log}), Users: template.StaticNeeds(environment.TemplateUsers)})
	w.contexts = configcontext.New(configcontext.Deps{DB: d, Audit: log, Keyring: keys, Users: template.ContextNeeds(environment.TemplateUsers)})
	bundles := bundle.NewStore(bucket, filepath.Join(dir, "bundles"))
	w.templates, err = template.New(template.Deps{
		DB: d, Audit: log, Statics: w.statics, Bundles: bundles,
		Contexts: w.contexts,
		AppliedFunc: func(ctx context.Context, projectID string, names []string) (map[string]template.EnvironmentVersionID, error) {
			return w.environments.Applied(ctx, projectID, names)
		},
	})
	require.NoError(t, err)
	tools, err := tofu.NewManager(tofu.Config{TofuPath: runnertest.FakeTofu(t), Providers: tofu.ProvidersFromRegistry, NoDownload: true, NoBuild: true})
	require.NoError(t, err)
	local, err := runner.New(runner.Config{
		Dir: filepath.Join(dir, "steps"), LockDir: filepath.Join(dir, "locks"), CacheDir: filepath.Join(dir, "warm"), Logger: quiet,
		Expose: []string{filepath.Dir(runnertest.FakeTofu(t))},
	})
	require.NoError(t, err)
	w.runs = run.New(run.Deps{DB: d, Audit: log, Keyring: keys, Blobs: bucket, Runner: local, Logger: quiet})
	w.environments = environment.New(environment.Deps{DB: d, Audit: log, Keyring: keys, Templates: w.templates, Runs: w.runs})
	executor := run.NewExecutor(run.ExecutorDeps{
		Runs: w.runs, Runner: local, Owner: "test", Workers: 2, Logger: quiet,
		Prepare: run.NewPreparer(run.PreparerDeps{Runs: w.runs, Templates: w.templates, Bundles: bundles, Tools: tools, Dir: dir}),
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	installed := make(chan struct{})
	go func() {
		defer close(installed)
		if _, err := tools.Ensure(ctx); err != nil {
			t.Logf("installing the tool: %v", err) // it may have been stopped
		}
	}()
	go func() { ended <- executor.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-installed
		require.NoError(t, <-ended)
		require.NoError(t, bucket.Close())
	})
	w.author = authz.WithSubject(t.Context(), authz.System("test"))
	w.ctx = authz.WithSubject(t.Context(), authz.Subject{
		Kind: authz.User, UserID: "usr_dev", Email: "dev@example.com",
		Bindings: []authz.Binding{{ProjectID: prj, ProjectName: "demo", Role: authz.EnvironmentTemplateUser}},
	})
	return w
}

type logWriter struct{ t *testing.T }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

// module publishes a resource template whose code the fake tofu carries out.
func (w *world) module(project, name, code string, script runnertest.Script) {
	w.t.Helper()
	fsys := fstest.MapFS{}
	for file, content := range script.Files() {
		fsys["m/"+file] = &fstest.MapFile{Data: []byte(content)}
	}
	fsys["m/main.tf"] = &fstest.MapFile{Data: []byte(code)}
	b, err := w.templates.AddBundle(w.author, project, fsys, "m")
	require.NoError(w.t, err)
	_, _, err = w.templates.SaveResource(w.author, template.SaveInput{ProjectID: project, Name: name, Version: "v1", State: template.Active},
		template.ResourceSpec{Bundle: template.BundleRef{Digest: b.Digest, Dir: "."}})
	require.NoError(w.t, err)
}

// template publishes an environment template that every project can use.
func (w *world) template(project, name, version string, spec template.EnvironmentSpec) *template.EnvironmentVersion {
	w.t.Helper()
	v, _, err := w.templates.SaveEnvironment(w.author, template.SaveInput{ProjectID: project, Name: name, Version: version, State: template.Active}, spec)
	require.NoError(w.t, err)
	require.NoError(w.t, w.templates.ShareEnvironment(w.author, project, name, []string{template.Everyone}))
	return v
}

func (w *world) create(name, of, version string, inputs ...template.Value) environment.Environment {
	w.t.Helper()
	e, err := w.environments.Create(w.ctx, environment.CreateInput{ProjectID: prj, Name: name, Template: of, Version: version, Inputs: inputs})
	require.NoError(w.t, err)
	return e
}

type verb func(ctx context.Context, projectID, name string) (run.Run, error)

// finish starts a run and waits for its end.
func (w *world) finish(start verb, name string) run.Run {
	w.t.Helper()
	changed, stop := w.db.Watch("events")
	defer stop()
	r, err := start(w.ctx, prj, name)
	require.NoError(w.t, err)
	for !r.Status.Ended() {
		select {
		case <-changed:
		case <-w.t.Context().Done():
			w.t.Fatal("the test ended before the run")
		}
		r, err = w.runs.Get(w.ctx, r.ID)
		require.NoError(w.t, err)
	}
	return r
}

func (w *world) get(name string) environment.Environment {
	w.t.Helper()
	e, err := w.environments.Get(w.ctx, prj, name)
	require.NoError(w.t, err)
	return e
}

func (w *world) outputs(name string) map[string]map[string]run.Output {
	w.t.Helper()
	out, err := w.runs.Outputs(w.ctx, prj, string(w.get(name).ID))
	require.NoError(w.t, err)
	return out
}
