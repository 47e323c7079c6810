package template_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/repository"
	"github.com/berthdev/berth/internal/secret"
	"github.com/berthdev/berth/internal/template"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/vendor"
)

// fixture is a template service with what is around it, in two projects.
type fixture struct {
	*template.Service
	db           *db.DB
	audit        *audit.Service
	projects     *project.Service
	repositories *repository.Service
	vendor       *stubVendor
	users        map[template.EnvironmentVersionID][]template.User
	system       context.Context
	blobs        string
}

const (
	demo  = "prj_demo"
	other = "prj_other"
)

// stubVendor stands for the tool: it adds nothing, and finds what it is told to.
type stubVendor struct {
	calls    int
	problems []bundle.Problem
	skipped  bool // as when there is no tool yet
	last     vendor.Request
}

func (v *stubVendor) Vendor(_ context.Context, req vendor.Request) (*vendor.Result, error) {
	v.calls++
	v.last = req
	return &vendor.Result{Bundle: req.Bundle, Problems: v.problems, Skipped: v.skipped}, nil
}

func eachService(t *testing.T, test func(t *testing.T, f *fixture), options ...dbtest.Option) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { test(t, newFixture(t, d)) }, options...)
}

func newFixture(t testing.TB, d *db.DB) *fixture {
	t.Helper()
	keys, err := secret.NewKeyring([]byte(strings.Repeat("k", 32)))
	require.NoError(t, err)
	f := &fixture{db: d, audit: audit.New(audit.Deps{DB: d}), vendor: &stubVendor{}, blobs: filepath.Join(t.TempDir(), "blobs")}
	bucket, err := bundle.OpenFolder(f.blobs)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	f.system = authz.WithSubject(t.Context(), authz.System("test"))
	f.projects = project.New(project.Deps{DB: d, Audit: f.audit})
	f.repositories = repository.New(repository.Deps{DB: d, Audit: f.audit, Keyring: keys, AllowFile: true, TempDir: t.TempDir()})
	f.Service, err = template.New(template.Deps{
		DB: d, Audit: f.audit, Keyring: keys, Projects: f.projects, Repositories: f.repositories, Vendor: f.vendor,
		Contexts: configcontext.New(configcontext.Deps{DB: d, Audit: f.audit, Keyring: keys}),
		Bundles:  bundle.NewStore(bucket, filepath.Join(t.TempDir(), "cache")),
		EnvironmentUsers: func(_ context.Context, _ db.Querier, asked []template.EnvironmentVersionID) (map[template.EnvironmentVersionID][]template.User, error) {
			out := maps.Clone(f.users)
			maps.DeleteFunc(out, func(id template.EnvironmentVersionID, _ []template.User) bool { return !slices.Contains(asked, id) })
			return out, nil
		},
	})
	require.NoError(t, err)
	_, err = d.ExecContext(t.Context(), `INSERT INTO projects (id, name, description, created_at, updated_at)
		VALUES ('prj_demo', 'demo', '', 1, 1), ('prj_other', 'other', '', 1, 1)`)
	require.NoError(t, err)
	return f
}

// as is somebody with one role, in a project or with an empty one everywhere.
func as(t testing.TB, projectID string, role authz.Role) context.Context {
	t.Helper()
	return authz.WithSubject(t.Context(), authz.Subject{
		Kind: authz.User, UserID: "usr_1", Email: "someone@example.com",
		Bindings: []authz.Binding{{ProjectID: projectID, ProjectName: strings.TrimPrefix(projectID, "prj_"), Role: role}},
	})
}

// repo is a git repository on disk, known in the project demo as "infra".
type repo struct {
	t   *testing.T
	dir string
}

func (f *fixture) repo(t *testing.T, files map[string]string) *repo {
	t.Helper()
	r := &repo{t, filepath.Join(t.TempDir(), "infra")}
	require.NoError(t, os.MkdirAll(r.dir, 0o755))
	r.git("init", "-q", "-b", "main")
	r.commit(files)
	_, _, err := f.repositories.Set(f.system, demo, "infra", repository.Input{URL: "file://" + r.dir})
	require.NoError(t, err)
	return r
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", append([]string{"-C", r.dir, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...)
	out, err := cmd.CombinedOutput()
	require.NoError(r.t, err, string(out))
	return strings.TrimSpace(string(out))
}

func (r *repo) commit(files map[string]string) string {
	r.t.Helper()
	for name, text := range files {
		path := filepath.Join(r.dir, name)
		require.NoError(r.t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(r.t, os.WriteFile(path, []byte(text), 0o644))
	}
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", "change")
	return r.git("rev-parse", "HEAD")
}

const smallModule = `
variable "name" {
  type = string
}
variable "size" {
  type    = number
  default = 1
}
output "id" {
  value = var.name
}
`

func fromRepo(path string) template.ResourceSpec {
	return template.ResourceSpec{Source: template.Source{Repository: "infra", Revision: "main", Path: path}}
}

func version(name, v string, state template.State) template.SaveInput {
	return template.SaveInput{ProjectID: demo, Name: name, Version: v, State: state}
}

// counts are the rows of every table but the audit log's.
func (f *fixture) counts(t *testing.T) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, table := range []string{
		"resource_templates", "resource_template_versions", "resource_template_shares", "environment_templates",
		"environment_template_versions", "environment_template_shares", "template_uploads", "audit_entries", "events", "repositories", "projects",
	} {
		var n int
		require.NoError(t, f.db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n))
		out[table] = n
	}
	return out
}

// archive is a tar file of these files.
func archive(t testing.TB, files map[string]string) io.Reader {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[name]))}))
		_, err := io.WriteString(w, files[name])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return &out
}

func mapFS(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return out
}

func (f *fixture) lastAudit(t *testing.T, action string) audit.Entry {
	t.Helper()
	page, err := f.audit.List(f.system, audit.ListFilter{Action: action, Limit: 1})
	require.NoError(t, err)
	require.NotEmpty(t, page.Entries, action)
	return page.Entries[0]
}

func jsonOf(t testing.TB, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	require.NoError(t, err)
	return out
}

func problemsText(problems []template.Problem) string {
	var out strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&out, "%s|%s|%s:%d|%s\n", p.Severity, p.Path, p.File, p.Line, p.Message)
	}
	return out.String()
}

// age makes everything that is stored so much older.
func (f *fixture) age(t *testing.T, by time.Duration) error {
	t.Helper()
	old := time.Now().Add(-by)
	if _, err := f.db.ExecContext(t.Context(), "UPDATE template_uploads SET used_at = $1", db.Micros(old)); err != nil {
		return err
	}
	return filepath.WalkDir(f.blobs, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chtimes(path, old, old)
	})
}
