package vendor_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/runner/runnertest"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/vendor"
	"github.com/berthdev/berth/internal/tofu"
	"github.com/berthdev/berth/internal/tofu/tofutest"
)

func TestMain(m *testing.M) {
	runner.MaybeSupervise()
	code := m.Run()
	runnertest.Clean()
	os.Exit(code)
}

// fake returns a Vendor with the fake OpenTofu, ready.
func fake(t *testing.T) *vendor.Vendor {
	t.Helper()
	m, err := tofu.NewManager(tofu.Config{TofuPath: runnertest.FakeTofu(t), Providers: tofu.ProvidersFromRegistry,
		NoDownload: true, NoBuild: true, CacheDir: t.TempDir()})
	require.NoError(t, err)
	_, err = m.Ensure(t.Context())
	require.NoError(t, err)
	return vendor.New(m, vendor.Options{Dir: t.TempDir()})
}

// realTools returns the real OpenTofu and the mirror Berth built.
func realTools(t testing.TB) *tofu.Manager {
	t.Helper()
	bin, mirror := tofutest.Tools(t)
	m, err := tofu.NewManager(tofu.Config{TofuPath: bin, ProviderMirror: mirror, NoDownload: true, NoBuild: true, CacheDir: t.TempDir()})
	require.NoError(t, err)
	_, err = m.Ensure(t.Context())
	require.NoError(t, err)
	return m
}

// confined returns a Vendor that hides a folder in which it works itself, as a server does with its data.
func confined(t testing.TB) (*vendor.Vendor, string) {
	t.Helper()
	data := t.TempDir()
	return vendor.New(realTools(t), vendor.Options{Dir: filepath.Join(data, "vendor"), Hide: []string{data}}), data
}

func pack(t testing.TB, dir string, files map[string]string) *bundle.Bundle {
	t.Helper()
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	b, err := bundle.Pack(t.Context(), fsys, dir, bundle.DefaultLimits())
	require.NoError(t, err)
	return b
}

func run(t *testing.T, v *vendor.Vendor, req vendor.Request) *vendor.Result {
	t.Helper()
	res, err := v.Vendor(t.Context(), req)
	require.NoError(t, err)
	require.NotNil(t, res.Bundle)
	return res
}

// unpacked returns the files of a bundle.
func unpacked(t *testing.T, b *bundle.Bundle) map[string]string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, b.Unpack(t.Context(), dir))
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		out[strings.TrimPrefix(p, dir+"/")] = string(data)
		return err
	}))
	return out
}

// gitRepo makes a repository with one commit and the tag v1.
func gitRepo(t testing.TB, files map[string]string, links map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	for name, target := range links {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"commit", "-q", "-m", "first"}, {"tag", "v1"}} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com",
			"GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com"}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return dir
}

// empty fails the test when something was left in the folder, apart from downloaded providers.
func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		require.Equal(t, "plugins", e.Name(), "scratch folders must not stay")
	}
}
