package image_test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox/dataplane/image"
)

type entry struct {
	name, link, body string
	kind             byte
}

func file(name, body string) entry    { return entry{name: name, body: body, kind: tar.TypeReg} }
func folder(name string) entry        { return entry{name: name, kind: tar.TypeDir} }
func symlink(name, link string) entry { return entry{name: name, link: link, kind: tar.TypeSymlink} }
func hardlink(name, to string) entry  { return entry{name: name, link: to, kind: tar.TypeLink} }

func build(t *testing.T, layers ...[]entry) v1.Image {
	t.Helper()
	img := empty.Image
	for _, entries := range layers {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		for _, e := range entries {
			require.NoError(t, w.WriteHeader(&tar.Header{Typeflag: e.kind, Name: e.name, Linkname: e.link, Size: int64(len(e.body)), Mode: 0o755}))
			_, err := w.Write([]byte(e.body))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil })
		require.NoError(t, err)
		img, err = mutate.AppendLayers(img, l)
		require.NoError(t, err)
	}
	return img
}

func unpack(t *testing.T, img v1.Image) (string, error) {
	t.Helper()
	s, err := image.OpenStore(t.TempDir(), nil)
	require.NoError(t, err)
	u, err := s.Add("ref", img)
	if err != nil {
		left, gerr := os.ReadDir(s.RootFS())
		require.NoError(t, gerr)
		require.Empty(t, left, "a refused image leaves nothing")
	}
	return filepath.Join(s.RootFS(), u.Name), err
}

func TestLayersAreLaidOver(t *testing.T) {
	t.Parallel()
	dir, err := unpack(t, build(t,
		[]entry{folder("etc"), file("etc/a", "1"), file("etc/b", "1"), folder("data"), file("data/old", "1"), symlink("var", "/usr/var"), folder("usr/var")},
		[]entry{file("etc/a", "2"), file("etc/.wh.b", ""), file("data/new", "2"), file("data/.wh..wh..opq", ""), file("var/run", "2"), hardlink("c", "etc/a")},
	))
	require.NoError(t, err)
	for name, want := range map[string]string{"etc/a": "2", "c": "2", "data/new": "2", "usr/var/run": "2"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, want, string(got), name)
	}
	for _, name := range []string{"etc/b", "data/old", "etc/.wh.b"} {
		_, err := os.Lstat(filepath.Join(dir, name))
		require.ErrorIs(t, err, os.ErrNotExist, name)
	}
}

func TestEscapesAreRefused(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("host"), 0o644))
	for name, entries := range map[string][]entry{
		"parent":             {file("../evil", "x")},
		"parent in the path": {folder("a"), file("a/../../evil", "x")},
		"hard link":          {hardlink("stolen", "../../../../../.."+secret)},
		"whiteout":           {file("a/.wh...", "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := unpack(t, build(t, entries))
			require.Error(t, err)
		})
	}
}

// TestLinksStayInside: links that point outside are legal in an image; what is
// written or linked through them stays inside.
func TestLinksStayInside(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("host"), 0o644))
	dir, err := unpack(t, build(t, []entry{
		symlink("abs", outside), file("abs/secret", "image"),
		symlink("up", "../../../../../../../../.."+outside), file("up/other", "image"),
	}, []entry{file("abs/.wh.secret", "")}))
	require.NoError(t, err)
	host, err := os.ReadFile(secret)
	require.NoError(t, err)
	require.Equal(t, "host", string(host))
	names, err := os.ReadDir(outside)
	require.NoError(t, err)
	require.Len(t, names, 1)
	got, err := os.ReadFile(filepath.Join(dir, outside, "other"))
	require.NoError(t, err)
	require.Equal(t, "image", string(got))

	_, err = unpack(t, build(t, []entry{symlink("dir", outside), hardlink("stolen", "dir/secret")}))
	require.Error(t, err, "a hard link through a link finds nothing of the host")
	_, err = unpack(t, build(t, []entry{symlink("loop", "loop"), file("loop/x", "")}))
	require.Error(t, err)
}
