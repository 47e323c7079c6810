package manifest_test

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/identity"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/secret"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
)

type fixture struct {
	db        *db.DB
	svc       *template.Service
	contexts  *configcontext.Service
	manifests *manifest.Service
	deps      manifest.Deps
	admin     context.Context // organisation admin
	system    context.Context
}

func setup(t testing.TB, d *db.DB) fixture {
	t.Helper()
	keys, err := secret.NewKeyring([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	bucket, err := bundle.OpenFolder(filepath.Join(t.TempDir(), "blobs"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	log := audit.New(audit.Deps{DB: d})
	projects := project.New(project.Deps{DB: d, Audit: log, Identity: identity.New(identity.Deps{DB: d, Audit: log})})
	contexts := configcontext.New(configcontext.Deps{DB: d, Audit: log, Keyring: keys, Projects: projects})
	statics := staticresource.New(staticresource.Deps{DB: d, Audit: log, Keyring: keys, Projects: projects})
	repositories := repository.New(repository.Deps{DB: d, Audit: log, Keyring: keys, AllowFile: true, TempDir: t.TempDir()})
	svc, err := template.New(template.Deps{
		DB: d, Audit: log, Contexts: contexts, Statics: statics, Projects: projects, Keyring: keys, Repositories: repositories,
		Bundles: bundle.NewStore(bucket, filepath.Join(t.TempDir(), "cache")), EnvironmentUsers: environment.TemplateUsers,
	})
	require.NoError(t, err)
	runs := run.New(run.Deps{DB: d, Audit: log, Keyring: keys, Blobs: bucket})
	deps := manifest.Deps{
		Projects: projects, Repositories: repositories, Contexts: contexts, Statics: statics, Templates: svc,
		Environments: environment.New(environment.Deps{DB: d, Audit: log, Keyring: keys, Templates: svc, Runs: runs}),
	}
	_, err = d.ExecContext(t.Context(), `INSERT INTO projects (id, name, description, created_at, updated_at) VALUES ('prj_demo', 'demo', '', 1, 1), ('prj_other', 'other', '', 1, 1)`)
	require.NoError(t, err)
	_, err = d.ExecContext(t.Context(), `INSERT INTO users (id, email, name, password_hash, created_at, updated_at) VALUES ('usr_1', 'someone@example.com', '', '', 1, 1)`)
	require.NoError(t, err)
	return fixture{
		db: d, svc: svc, contexts: contexts, manifests: manifest.New(deps), deps: deps,
		admin:  as(t, "", authz.OrganisationAdmin),
		system: authz.WithSubject(t.Context(), authz.System("test")),
	}
}

// publish applies the documents of a folder, as a server does at its start.
func (f fixture) publish(ctx context.Context, projectID string, files fs.FS) ([]manifest.Result, error) {
	docs, _, err := manifest.ReadFiles(files)
	if err != nil {
		return nil, err
	}
	results, err := f.manifests.Apply(ctx, projectID, docs, manifest.Options{Files: files})
	problems := []error{err}
	for _, r := range results {
		if r.Error != nil {
			problems = append(problems, r.Error)
		}
	}
	return results, errors.Join(problems...)
}

// apply applies documents in the project demo.
func (f fixture) apply(t testing.TB, text string, o manifest.Options) []manifest.Result {
	t.Helper()
	docs, _, err := manifest.Parse("test.yaml", []byte(text))
	require.NoError(t, err)
	out, err := f.manifests.Apply(f.admin, "prj_demo", docs, o)
	require.NoError(t, err)
	return out
}

// count counts the rows of a table.
func (f fixture) count(t testing.TB, table string) int {
	t.Helper()
	var n int
	require.NoError(t, f.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM `+table).Scan(&n))
	return n
}
