package manifest_test

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/template"
)

// gitRepository is a repository with the module "service", and a function that commits a change of it.
func gitRepository(t *testing.T) (dir string, commit func(code string) string) {
	t.Helper()
	dir = t.TempDir()
	git := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	commit = func(code string) string {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "service"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "service", "main.tf"), []byte(code), 0o644))
		git("add", "-A")
		git("commit", "-q", "-m", "change")
		return git("rev-parse", "HEAD")
	}
	return dir, commit
}

func TestSourcesInRepositories(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	dir, commit := gitRepository(t)
	first := commit(serviceModule)
	text := `apiVersion: berth.dev/v1
kind: Repository
metadata: {name: infra}
spec: {endpoint: "file://` + dir + `"}
---
apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: service}
spec: {version: v1, source: {repository: infra, revision: main, path: service}}
`
	apply := func(text string, dry bool) manifest.Result {
		r := f.apply(t, text, manifest.Options{DryRun: dry})
		return r[len(r)-1]
	}
	r := apply(text, true)
	require.NotNil(t, r.Change)
	require.Zero(t, f.count(t, "resource_templates"))
	r = apply(text, false)
	require.Nil(t, r.Error, "%v", r.Error)
	require.Equal(t, manifest.Created, r.Change)
	require.Empty(t, r.Problems)
	require.Equal(t, manifest.Unchanged, apply(text, false).Change)

	// A draft is what the branch holds now.
	second := commit(serviceModule + "\n# more\n")
	for _, dry := range []bool{true, false} {
		r = apply(text, dry)
		require.Equal(t, manifest.Configured, r.Change)
		require.Equal(t, []string{"spec.source.commit: " + first + " -> " + second}, diffs(r))
	}
	// An export names the commit, and stays with it.
	m, err := f.manifests.Export(f.admin, "prj_demo", manifest.KindResourceTemplate, "service", "v1")
	require.NoError(t, err)
	require.Contains(t, strings.ReplaceAll(string(m.YAML()), `"`, ""), "commit: "+second+"\n")
	third := commit(serviceModule + "\n# even more\n")
	require.Equal(t, manifest.Unchanged, apply(string(m.YAML()), false).Change)

	// An active version never changes, and needs the repository no more.
	active := strings.Replace(text, "version: v1,", "version: v1, versionState: active,", 1)
	r = apply(active, false)
	require.Nil(t, r.Error, "%v", r.Error)
	require.Contains(t, diffs(r), "spec.versionState: draft -> active")
	v, err := f.svc.ResourceVersion(f.admin, "prj_demo", "service", "v1")
	require.NoError(t, err)
	require.Equal(t, third, v.Spec.Source.Commit)
	require.NoError(t, os.RemoveAll(dir))
	require.Equal(t, manifest.Unchanged, apply(active, false).Change)

	// A draft is saved with the problem, an active version is refused.
	gone := strings.Replace(text, "version: v1,", "version: v2,", 1)
	r = apply(gone, false)
	require.Nil(t, r.Error, "%v", r.Error)
	require.NotEmpty(t, r.Problems)
	r = apply(strings.Replace(gone, "version: v2,", "version: v3, versionState: active,", 1), false)
	require.ErrorContains(t, r.Error, "test.yaml:9: ResourceTemplate service: spec.source.repository")
	r = apply(strings.NewReplacer("repository: infra", "repository: nothing", "version: v1", "version: v4").Replace(text), false)
	require.NotEmpty(t, r.Problems)
}

func TestFoldersThatWereUploaded(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	pack := func(files map[string]string) string {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for name, code := range files {
			require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(code))}))
			_, err := w.Write([]byte(code))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		up, err := f.svc.AddUpload(f.admin, "prj_demo", &b)
		require.NoError(t, err)
		return up.Digest
	}
	text := "apiVersion: berth.dev/v1\nkind: ResourceTemplate\nmetadata: {name: a}\nspec: {version: v1, versionState: active, source: {folder: ./modules/a}}\n"
	with := func(digest string) manifest.Options {
		return manifest.Options{Folder: func(file, folder string) (manifest.Folder, bool) {
			require.Equal(t, "test.yaml", file)
			require.Equal(t, "./modules/a", folder)
			return manifest.Folder{Upload: digest, Path: "a"}, digest != ""
		}}
	}
	require.ErrorContains(t, f.apply(t, text, with(""))[0].Error, "was not uploaded")
	first := pack(map[string]string{"a/main.tf": serviceModule})
	require.Equal(t, manifest.Created, f.apply(t, text, with(first))[0].Change)
	require.Equal(t, manifest.Unchanged, f.apply(t, text, with(first))[0].Change)
	// Another archive with the same code in it changes nothing.
	same := pack(map[string]string{"a/main.tf": serviceModule, "b/main.tf": serviceModule})
	require.NotEqual(t, first, same)
	r := f.apply(t, text, with(same))[0]
	require.Nil(t, r.Error, "%v", r.Error)
	require.Equal(t, manifest.Unchanged, r.Change, "%v", r.Diff)
	other := pack(map[string]string{"a/main.tf": serviceModule + "# more\n"})
	require.ErrorIs(t, f.apply(t, text, with(other))[0].Error, template.ErrFixedVersion)
	require.Nil(t, f.apply(t, strings.Replace(text, "version: v1", "version: v2", 1), with(other))[0].Error)
}

func TestForeignDocumentsFitBerthsOwn(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("rafay/testdata/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		if strings.HasSuffix(name, "refused.yaml") {
			continue
		}
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		_, _, err = manifest.Parse(name, text)
		require.NoError(t, err)
	}
}

// A dry run reads what the repositories would hold that the same documents make or change.
func TestADryRunReadsARepositoryThatIsStillToBeMade(t *testing.T) {
	t.Parallel()
	f := setup(t, dbtest.SQLite(t))
	dir, commit := gitRepository(t)
	commit(serviceModule)
	documents := func(endpoint string) string {
		return `apiVersion: berth.dev/v1
kind: Repository
metadata: {name: infra}
spec: {endpoint: "` + endpoint + `"}
---
apiVersion: berth.dev/v1
kind: ResourceTemplate
metadata: {name: service}
spec: {version: v1, versionState: active, source: {repository: infra, path: service}}
---
apiVersion: berth.dev/v1
kind: EnvironmentTemplate
metadata: {name: web}
spec:
  version: v1
  versionState: active
  resources: [{name: service, template: service}]
---
apiVersion: berth.dev/v1
kind: Environment
metadata: {name: web-1}
spec: {template: {name: web}, variables: [{name: vpc_id, value: vpc-1}, {name: replicas, value: many}]}
`
	}
	here := documents("file://" + dir)
	good := strings.Replace(here, "many", "2", 1)
	before := f.dump(t)
	refused := byName(f.apply(t, here, manifest.Options{DryRun: true}), manifest.KindEnvironment, "web-1")
	require.ErrorContains(t, refused.Error, "must be a number")
	elsewhere := f.apply(t, documents("file://"+dir+"-gone"), manifest.Options{DryRun: true})
	require.ErrorContains(t, byName(elsewhere, manifest.KindResourceTemplate, "service").Error, "spec.source.repository")
	for _, dry := range []bool{true, false} {
		for _, r := range f.apply(t, good, manifest.Options{DryRun: dry}) {
			require.Nil(t, r.Error, "%s: %v", r.Name, r.Error)
			require.Equal(t, manifest.Created, r.Change, r.Name)
			require.Empty(t, r.Warnings)
		}
		if dry {
			require.Equal(t, before, f.dump(t))
		}
	}
	// One that would be changed is read as it would be, and stays as it is.
	moved := strings.NewReplacer("file://"+dir, "file://"+dir+"-gone", "version: v1", "version: v2").Replace(good)
	r := byName(f.apply(t, moved, manifest.Options{DryRun: true}), manifest.KindResourceTemplate, "service")
	require.ErrorContains(t, r.Error, "-gone")
}
