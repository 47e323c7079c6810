package bundle_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/template/bundle"
)

const code = `terraform {
  required_version = ">= 1.4"
  required_providers {
    aws  = { source = "hashicorp/aws", version = ">= 4.9, < 7" }
    time = "~> 0.9"
  }
  backend "s3" {}
}
variable "port" {
  description = "Port."
  type        = number
  default     = "80"
  nullable    = false
  validation {
    condition     = var.port > 0
    error_message = "Port must be positive."
  }
}
variable "nested" {
  type = object({
    name = string
    list = optional(list(number), [1, 2])
    deep = optional(object({ x = optional(bool, true) }), {})
  })
  sensitive = true
}
variable "untyped" {}
variable "old" { type = "string" }
output "url" {
  value       = "x"
  description = "Address."
  sensitive   = true
}
resource "aws_vpc" "this" {}
`

func module(files map[string]string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, text := range files {
		out[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	return out
}

func TestInspect(t *testing.T) {
	t.Parallel()
	m := bundle.Inspect(module(map[string]string{"main.tf": code}), ".")
	require.Empty(t, m.Problems)
	port, _ := m.Variable("port")
	require.Equal(t, bundle.Variable{
		Name: "port", Type: bundle.Type{Kind: "number"}, TypeText: "number", Description: "Port.", Default: []byte("80"), HasDefault: true,
		Validations: []bundle.Validation{{Condition: "var.port > 0", Message: "Port must be positive."}}, Pos: bundle.Pos{File: "main.tf", Line: 9},
	}, *port)
	nested, _ := m.Variable("nested")
	require.True(t, nested.Sensitive)
	require.True(t, nested.Nullable)
	require.False(t, nested.HasDefault)
	require.Equal(t, "deep", nested.Type.Attributes[0].Name)
	require.JSONEq(t, `[1,2]`, string(nested.Type.Attributes[1].Default))
	require.JSONEq(t, `true`, string(nested.Type.Attributes[0].Type.Attributes[0].Default))
	untyped, _ := m.Variable("untyped")
	require.Equal(t, "any", untyped.Type.Kind)
	old, _ := m.Variable("old")
	require.Equal(t, "string", old.Type.Kind)
	require.Equal(t, []bundle.Output{{Name: "url", Description: "Address.", Sensitive: true}}, m.Outputs)
	require.Equal(t, []bundle.Provider{{Name: "aws", Source: "hashicorp/aws", Version: ">= 4.9, < 7"}, {Name: "time", Version: "~> 0.9"}}, m.Providers)
	require.Len(t, m.RequiredTool, 1)
	require.Equal(t, ">= 1.4", m.RequiredTool[0].Constraint)
	require.NotZero(t, m.RequiredTool[0].Pos.Line)
	require.Equal(t, "s3", m.Backend)
	require.Equal(t, []string{"aws_vpc"}, m.ResourceTypes)
}

func TestInspectJSONAndOverrides(t *testing.T) {
	t.Parallel()
	m := bundle.Inspect(module(map[string]string{
		"main.tf.json": `{"variable": {"a": {"type": "list(string)", "default": ["x"], "validation": {"condition": "${length(var.a) > 0}", "error_message": "no"}}}, "output": {"o": {"value": 1}}}`,
		"b.tf":         `variable "b" { type = string }`,
		"b.tofu":       `variable "c" { type = string }`,
		"override.tf":  `variable "c" { default = "from override" }`,
	}), ".")
	require.Empty(t, m.Problems)
	a, _ := m.Variable("a")
	require.Equal(t, "list", a.Type.Kind)
	require.Equal(t, "list(string)", a.TypeText)
	require.Equal(t, "length(var.a) > 0", a.Validations[0].Condition)
	_, ok := m.Variable("b")
	require.False(t, ok, "a .tofu file replaces the .tf file of the same name")
	c, _ := m.Variable("c")
	require.Equal(t, "string", c.Type.Kind)
	require.JSONEq(t, `"from override"`, string(c.Default))
}

func TestInspectProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		code string
		line int
		want string
	}{
		"syntax":       {"variable \"a\" {\n  type = \n}", 2, "Invalid expression"},
		"type":         {"variable \"a\" {\n  type = strin\n}", 2, "Invalid type"},
		"default":      {"variable \"a\" {\n  type = number\n  default = \"x\"\n}", 3, "does not fit its type"},
		"null":         {"variable \"a\" {\n  type = number\n  default = null\n  nullable = false\n}", 3, "nullable is false"},
		"twice":        {"variable \"a\" {}\nvariable \"a\" {}", 2, "declared twice"},
		"output twice": {"output \"a\" { value = 1 }\noutput \"a\" { value = 1 }", 2, "declared twice"},
		"not constant": {"variable \"a\" {\n  default = foo.bar\n}", 2, "Variables not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := bundle.Inspect(module(map[string]string{"main.tf": tc.code}), ".")
			require.True(t, m.Failed())
			require.Equal(t, "main.tf", m.Problems[0].File)
			require.Equal(t, tc.line, m.Problems[0].Line)
			require.Contains(t, m.Problems[0].Message, tc.want)
		})
	}
	require.True(t, bundle.Inspect(module(map[string]string{"readme.md": "x"}), ".").Failed())
}

func TestPackIsDeterministic(t *testing.T) {
	t.Parallel()
	files := map[string]string{"main.tf": code, ".terraform.lock.hcl": "# lock", "sub/x.txt": "x"}
	a, err := bundle.Pack(t.Context(), module(files), ".", bundle.DefaultLimits())
	require.NoError(t, err)

	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o640))
	}
	for _, junk := range []string{".git/config", ".terraform/providers/x", "terraform.tfstate", "terraform.tfstate.backup"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, junk)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, junk), []byte("secret"), 0o600))
	}
	fsys, closer, err := bundle.OpenDir(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, closer.Close()) }()
	b, err := bundle.Pack(t.Context(), fsys, ".", bundle.DefaultLimits())
	require.NoError(t, err)
	require.Equal(t, a.Digest, b.Digest)
	require.Equal(t, 3, b.Files)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.tf"), []byte(code+"\n"), 0o640))
	c, err := bundle.Pack(t.Context(), fsys, ".", bundle.DefaultLimits())
	require.NoError(t, err)
	require.NotEqual(t, a.Digest, c.Digest)
}

func TestPackLocalModules(t *testing.T) {
	t.Parallel()
	files := module(map[string]string{
		"live/app/main.tf":  "module \"net\" {\n  source = \"../../modules/net\"\n}\nmodule \"far\" {\n  source = \"terraform-aws-modules/vpc/aws\"\n}",
		"modules/net/m.tf":  "module \"base\" {\n  source = \"../base\"\n}",
		"modules/base/b.tf": `variable "x" {}`, "modules/unused/u.tf": "x = 1", "live/other/main.tf": "",
	})
	b, err := bundle.Pack(t.Context(), files, "live/app", bundle.DefaultLimits())
	require.NoError(t, err)
	require.Equal(t, "live/app", b.Dir)
	require.Equal(t, 3, b.Files)
	require.Len(t, b.Module.Problems, 1)
	require.Equal(t, bundle.Warning, b.Module.Problems[0].Severity)
	require.Equal(t, 4, b.Module.Problems[0].Line)

	alone, err := bundle.Pack(t.Context(), files, "modules/base", bundle.DefaultLimits())
	require.NoError(t, err)
	require.Equal(t, ".", alone.Dir)

	files["live/app/main.tf"].Data = []byte("module \"net\" {\n  source = \"../../../net\"\n}")
	bad, err := bundle.Pack(t.Context(), files, "live/app", bundle.DefaultLimits())
	require.NoError(t, err)
	require.True(t, bad.Module.Failed())
	require.Contains(t, bad.Module.Problems[0].Message, "lies outside the source")
	files["live/app/main.tf"].Data = []byte("module \"net\" {\n  source = \"./missing\"\n}")
	bad, err = bundle.Pack(t.Context(), files, "live/app", bundle.DefaultLimits())
	if err == nil {
		require.True(t, bad.Module.Failed())
	} else {
		require.ErrorContains(t, err, "missing")
	}
}

func TestPackRefuses(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "secret.txt")
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o600))
	for name, tc := range map[string]struct {
		make func(t *testing.T, dir string)
		want string
	}{
		"link out": {func(t *testing.T, dir string) { require.NoError(t, os.Symlink(outside, filepath.Join(dir, "link.tf"))) }, `"link.tf" is a symbolic link that leads out`},
		"link up":  {func(t *testing.T, dir string) { require.NoError(t, os.Symlink("../../x", filepath.Join(dir, "l"))) }, "leads out"},
		"link to folder": {func(t *testing.T, dir string) {
			require.NoError(t, os.Mkdir(filepath.Join(dir, "d"), 0o755))
			require.NoError(t, os.Symlink("d", filepath.Join(dir, "l")))
		}, "symbolic link to a folder"},
		"too big": {func(t *testing.T, dir string) {
			f, err := os.Create(filepath.Join(dir, "big.bin"))
			require.NoError(t, err)
			require.NoError(t, f.Truncate(200<<20))
			require.NoError(t, f.Close())
		}, "the source is 200.0 MB, a template may hold at most 50.0 MB; its largest file is big.bin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "main.tf"), []byte(code), 0o600))
			tc.make(t, dir)
			fsys, closer, err := bundle.OpenDir(dir)
			require.NoError(t, err)
			defer func() { require.NoError(t, closer.Close()) }()
			_, err = bundle.Pack(t.Context(), fsys, ".", bundle.DefaultLimits())
			require.ErrorContains(t, err, tc.want)
			require.Equal(t, fault.Invalid, fault.KindOf(err))
		})
	}
	_, err := bundle.Pack(t.Context(), module(map[string]string{"main.tf": code}), "../x", bundle.DefaultLimits())
	require.ErrorContains(t, err, "leads out")
}

func TestInnerLinkIsPackedAsFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.tf"), []byte(code), 0o600))
	require.NoError(t, os.Symlink("main.tf", filepath.Join(dir, "copy.txt")))
	fsys, closer, err := bundle.OpenDir(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, closer.Close()) }()
	b, err := bundle.Pack(t.Context(), fsys, ".", bundle.DefaultLimits())
	require.NoError(t, err)
	require.Equal(t, 2, b.Files)
}

func store(t testing.TB) *bundle.Store {
	t.Helper()
	dir := t.TempDir()
	bucket, err := bundle.OpenFolder(filepath.Join(dir, "store"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	return bundle.NewStore(bucket, filepath.Join(dir, "cache"))
}

func TestStore(t *testing.T) {
	t.Parallel()
	s := store(t)
	b, err := bundle.Pack(t.Context(), module(map[string]string{"main.tf": code, "sub/run.sh": "#!/bin/sh"}), ".", bundle.DefaultLimits())
	require.NoError(t, err)
	_, err = s.Unpack(t.Context(), b.Digest)
	require.ErrorIs(t, err, bundle.ErrNotFound)
	require.NoError(t, s.Put(t.Context(), b))
	require.NoError(t, s.Put(t.Context(), b))

	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			dir, err := s.Unpack(t.Context(), b.Digest)
			if err != nil {
				t.Error(err)
				return
			}
			got, err := os.ReadFile(filepath.Join(dir, "main.tf"))
			if err != nil || string(got) != code {
				t.Error("wrong content", err)
			}
		})
	}
	group.Wait()
	dir, err := s.Unpack(t.Context(), b.Digest)
	require.NoError(t, err)
	info, err := os.Stat(filepath.Join(dir, "main.tf"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o444), info.Mode().Perm())
	entries, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary folder stays")
	for _, digest := range []string{"", "../../etc", strings.Repeat("z", 64)} {
		_, err := s.Unpack(t.Context(), digest)
		require.ErrorIs(t, err, bundle.ErrNotFound)
	}
}

func TestDamagedArchiveIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bucket, err := bundle.OpenFolder(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, bucket.Close()) }()
	s := bundle.NewStore(bucket, filepath.Join(t.TempDir(), "cache"))
	a, err := bundle.Pack(t.Context(), module(map[string]string{"main.tf": code}), ".", bundle.DefaultLimits())
	require.NoError(t, err)
	b, err := bundle.Pack(t.Context(), module(map[string]string{"main.tf": "# empty"}), ".", bundle.DefaultLimits())
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), a))
	require.NoError(t, s.Put(t.Context(), b))
	other, err := s.Archive(t.Context(), b.Digest)
	require.NoError(t, err)
	require.NoError(t, bucket.WriteAll(t.Context(), "blobs/"+a.Digest, other, nil))
	_, err = s.Unpack(t.Context(), a.Digest)
	require.ErrorContains(t, err, "does not match its digest")
}

func tarball(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	w := tar.NewWriter(gz)
	for _, h := range headers {
		body := []byte(code)
		if h.Typeflag != tar.TypeReg {
			body = nil
		}
		h.Size, h.Mode = int64(len(body)), 0o644
		require.NoError(t, w.WriteHeader(&h))
		_, err := w.Write(body)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, gz.Close())
	return out.Bytes()
}

func TestOpenArchive(t *testing.T) {
	t.Parallel()
	var zipped bytes.Buffer
	zw := zip.NewWriter(&zipped)
	f, err := zw.Create("main.tf")
	require.NoError(t, err)
	_, err = f.Write([]byte(code))
	require.NoError(t, err)
	require.NoError(t, zw.Close())
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"tar.gz":   {tarball(t, tar.Header{Name: "./main.tf", Typeflag: tar.TypeReg}), ""},
		"zip":      {zipped.Bytes(), ""},
		"dots":     {tarball(t, tar.Header{Name: "../main.tf", Typeflag: tar.TypeReg}), `"../main.tf" in the archive leads out`},
		"absolute": {tarball(t, tar.Header{Name: "/etc/main.tf", Typeflag: tar.TypeReg}), "leads out"},
		"link":     {tarball(t, tar.Header{Name: "x", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}), "is a link or a device"},
		"garbage":  {bytes.Repeat([]byte("x"), 2000), "is none of tar"},
		"too big":  {tarball(t, tar.Header{Name: "a.tf", Typeflag: tar.TypeReg}, tar.Header{Name: "b.tf", Typeflag: tar.TypeReg}), "holds more than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := bundle.DefaultLimits()
			if name == "too big" {
				limits.Bytes = int64(len(code)) + 10
			}
			fsys, closer, err := bundle.OpenArchive(t.Context(), bytes.NewReader(tc.data), limits)
			if tc.want != "" {
				require.ErrorContains(t, err, tc.want)
				return
			}
			require.NoError(t, err)
			b, err := bundle.Pack(t.Context(), fsys, ".", limits)
			require.NoError(t, err)
			require.Equal(t, 1, b.Files)
			require.NoError(t, closer.Close())
		})
	}
}

func BenchmarkPublish50Files(b *testing.B) {
	files := map[string]string{}
	for i := range 50 {
		files[fmt.Sprintf("file%d.tf", i)] = strings.ReplaceAll(strings.ReplaceAll(`variable "vN" {
  type = object({ a = string, b = optional(list(number), [1]) })
}
output "oN" { value = var.vN.a }
`, "N", fmt.Sprint(i)), "\t", " ") + strings.Repeat("# padding\n", 200)
	}
	fsys := module(files)
	s := store(b)
	for b.Loop() {
		packed, err := bundle.Pack(b.Context(), fsys, ".", bundle.DefaultLimits())
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Put(b.Context(), packed); err != nil {
			b.Fatal(err)
		}
	}
}
