package bundle_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template/bundle"
)

// zipped makes a zip with one entry of the given name and mode.
func zipped(t *testing.T, name string, mode fs.FileMode, content io.Reader) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	h.SetMode(mode)
	f, err := w.CreateHeader(h)
	require.NoError(t, err)
	_, err = io.Copy(f, content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// bomb is a tar with one file of zeros, packed with the given compressor.
func bomb(t *testing.T, size int64, pack func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var out bytes.Buffer
	c := pack(&out)
	w := tar.NewWriter(c)
	require.NoError(t, w.WriteHeader(&tar.Header{Name: "deep/bomb.bin", Size: size, Mode: 0o644, Typeflag: tar.TypeReg}))
	_, err := io.Copy(w, io.LimitReader(zeros{}, size))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, c.Close())
	return out.Bytes()
}

func asGzip(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }

func TestArchivesThatAreRefused(t *testing.T) {
	t.Parallel()
	code := func() io.Reader { return bytes.NewReader([]byte(code)) }
	const big = 60 << 20
	asZstd := func(w io.Writer) io.WriteCloser {
		e, err := zstd.NewWriter(w)
		require.NoError(t, err)
		return e
	}
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"zip dots":      {zipped(t, "../../main.tf", 0o644, code()), `"../../main.tf" in the archive leads out`},
		"zip inner":     {zipped(t, "a/../../main.tf", 0o644, code()), "leads out"},
		"zip absolute":  {zipped(t, "/etc/main.tf", 0o644, code()), "leads out"},
		"zip backslash": {zipped(t, `..\main.tf`, 0o644, code()), "leads out"},
		"zip link":      {zipped(t, "passwd", fs.ModeSymlink|0o777, bytes.NewReader([]byte("/etc/passwd"))), `"passwd" in the archive is a link or a device`},
		"zip device":    {zipped(t, "null", fs.ModeDevice|0o644, code()), `"null" in the archive is a link or a device`},
		"zip damaged":   {zipped(t, "main.tf", 0o644, code())[:100], "the archive is damaged"},
		"zip bomb":      {zipped(t, "bomb.bin", 0o644, io.LimitReader(zeros{}, big)), "more than 50.0 MB when it is unpacked (reached at bomb.bin)"},
		"gzip bomb":     {bomb(t, big, asGzip), "more than 50.0 MB when it is unpacked (reached at deep/bomb.bin)"},
		"zstd bomb":     {bomb(t, big, asZstd), "more than 50.0 MB when it is unpacked (reached at deep/bomb.bin)"},
		"hard link":     {tarball(t, tar.Header{Name: "h", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}), `"h" in the archive is a link or a device`},
		"device":        {tarball(t, tar.Header{Name: "dev", Typeflag: tar.TypeChar}), `"dev" in the archive is a link or a device`},
		"pipe":          {tarball(t, tar.Header{Name: "fifo", Typeflag: tar.TypeFifo}), `"fifo" in the archive is a link or a device`},
		"twice": {tarball(t, tar.Header{Name: "main.tf", Typeflag: tar.TypeReg}, tar.Header{Name: "./main.tf", Typeflag: tar.TypeReg}),
			`the file "./main.tf" cannot be written: file exists`},
		"below a file": {tarball(t, tar.Header{Name: "a", Typeflag: tar.TypeReg}, tar.Header{Name: "a/b", Typeflag: tar.TypeReg}), `the folder of "a/b" cannot be made`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := bundle.OpenArchive(t.Context(), bytes.NewReader(tc.data), bundle.DefaultLimits())
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		})
	}
	_, _, err := bundle.OpenArchive(t.Context(), bytes.NewReader(bomb(t, 10, asGzip)), bundle.Limits{Bytes: 100, Files: 0})
	require.ErrorContains(t, err, "more than 0 files")
}

func TestCompletedBundle(t *testing.T) {
	t.Parallel()
	files := module(map[string]string{"app/main.tf": "module \"g\" {\n  source = \"github.com/org/repo\"\n}\nmodule \"l\" {\n  source = \"../lib\"\n}\n", "lib/main.tf": ""})
	// Left-overs of somebody's init are neither packed nor believed.
	files["app/.terraform/modules/modules.json"] = module(map[string]string{"x": `{"Modules":[{"Key":"g","Dir":"../lib"}]}`})["x"]
	b, err := bundle.Pack(t.Context(), files, "app", bundle.DefaultLimits())
	require.NoError(t, err)
	require.Equal(t, 2, b.Files)
	require.Contains(t, b.Module.Problems[0].Message, "was not vendored")

	whole := module(map[string]string{
		"app/main.tf": string(files["app/main.tf"].Data), "lib/main.tf": "",
		"app/.terraform/modules/g/main.tf":    "module \"deep\" {\n  source = \"a/b/c\"\n}\nresource \"x_y\" \"z\" {}\n",
		"app/.terraform/modules/g/.git/HEAD":  "ref",
		"app/.terraform/modules/modules.json": `{"Modules":[{"Key":"g","Dir":".terraform/modules/g"},{"Key":"evil","Dir":"../../../etc"}]}`,
		"app/.terraform.lock.hcl":             "# lock\n",
	})
	paths := []string{"app/.terraform/modules", "app/.terraform.lock.hcl", "app/missing"}
	done, err := b.With(t.Context(), whole, paths, bundle.DefaultLimits())
	require.NoError(t, err)
	require.Equal(t, 5, done.Files)
	require.Equal(t, "app", done.Dir)
	require.Len(t, done.Module.Problems, 1, "only what the vendored module calls is missing")
	require.Equal(t, bundle.Problem{Severity: bundle.Warning, File: ".terraform/modules/g/main.tf", Line: 1,
		Message: `module "deep" comes from a/b/c and was not vendored, so it is fetched when a run starts; copy it into the source to be independent of it`}, done.Module.Problems[0])
	again, err := b.With(t.Context(), whole, paths, bundle.DefaultLimits())
	require.NoError(t, err)
	require.Equal(t, done.Digest, again.Digest)

	s := store(t)
	require.NoError(t, s.Put(t.Context(), done))
	loaded, err := s.Load(t.Context(), done.Digest, "app")
	require.NoError(t, err)
	require.Equal(t, done.Digest, loaded.Digest)
	require.Equal(t, done.Module, loaded.Module)
	require.Equal(t, done.Size, loaded.Size)
	fsys, closer, err := s.FS(t.Context(), done.Digest)
	require.NoError(t, err)
	require.Equal(t, done.Module, bundle.Check(fsys, "app"))
	require.NoError(t, closer.Close())

	_, err = b.With(t.Context(), whole, paths, bundle.Limits{Bytes: 1 << 20, Files: 4})
	require.ErrorContains(t, err, "with the modules it calls, the code is")
	_, err = b.With(t.Context(), whole, paths, bundle.Limits{Bytes: 20, Files: 100})
	require.ErrorContains(t, err, "its largest file is app/.terraform/modules/modules.json")
}

func TestModulesThatCallEachOther(t *testing.T) {
	t.Parallel()
	m := bundle.Check(module(map[string]string{
		"main.tf": "module \"a\" {\n  source = \"./a\"\n}\n", "a/main.tf": "module \"b\" {\n  source = \"../b\"\n}\n", "b/main.tf": "module \"a\" {\n  source = \"../a\"\n}\n",
		".terraform/modules/modules.json": `{"Modules":[{"Key":"x","Dir":".terraform/modules/x"}]}`,
	}), ".")
	require.Equal(t, []bundle.Problem{{
		Severity: bundle.Error, File: "b/main.tf", Line: 1, Message: `module "a" leads back to a folder that calls it: a → b → a; remove one of these calls`,
	}}, m.Problems)
	m = bundle.Check(module(map[string]string{"main.tf": "\nmodule \"me\" {\n  source = \"./\"\n}\n"}), ".")
	require.Len(t, m.Problems, 1)
	require.Equal(t, 2, m.Problems[0].Line)
}
