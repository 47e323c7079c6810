package vendor_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/vendor"
	"github.com/berthdev/berth/internal/tofu"
)

func errorsOf(res *vendor.Result) []string {
	var out []string
	for _, p := range res.Problems {
		out = append(out, fmt.Sprintf("%s %s:%d %s", p.Severity, p.File, p.Line, p.Message))
	}
	return out
}

func TestRealGitModuleIsVendored(t *testing.T) {
	t.Parallel()
	v, data := confined(t)
	repo := gitRepo(t, map[string]string{
		"sub/main.tf":       "module \"inner\" {\n  source = \"../inner\"\n}\noutput \"o\" {\n  value = module.inner.o\n}\n",
		"inner/main.tf":     "output \"o\" {\n  value = file(\"${path.module}/linked/text\")\n}\n",
		"shared/text":       "shared\n",
		"shared/deep/other": "deep\n",
		"README.md":         "hello\n",
	}, map[string]string{"inner/linked": "../shared", "dangling": "nowhere", "readme": "README.md", "loop": "."})
	source := "git::file://" + repo + "//sub?ref=v1"
	files := map[string]string{
		"app/main.tf":   "module \"g\" {\n  source = \"" + source + "\"\n}\nmodule \"l\" {\n  source = \"../lib\"\n}\noutput \"o\" {\n  value = module.g.o\n}\n",
		"lib/main.tf":   "resource \"terraform_data\" \"x\" {}\n",
		"app/notes.txt": "kept\n",
	}
	b := pack(t, "app", files)
	require.Len(t, b.Module.Problems, 1)
	require.Contains(t, b.Module.Problems[0].Message, "was not vendored, so it is fetched when a run starts")

	res := run(t, v, vendor.Request{Bundle: b, AllowFileGit: true})
	require.Empty(t, res.Problems, errorsOf(res))
	require.NotEqual(t, b.Digest, res.Bundle.Digest)
	require.Equal(t, "app", res.Bundle.Dir)
	require.Empty(t, res.Bundle.Module.Problems, "a vendored module is not fetched at run time")
	got := unpacked(t, res.Bundle)
	for name, text := range files {
		require.Equal(t, text, got[name])
	}
	const at = "app/.terraform/modules/"
	require.Equal(t, "shared\n", got[at+"g/inner/linked/text"], "a link to a folder is packed as the folder")
	require.Equal(t, "deep\n", got[at+"g/inner/linked/deep/other"])
	require.Equal(t, "hello\n", got[at+"g/readme"])
	require.NotContains(t, got, at+"g/dangling")
	require.Contains(t, got[at+"modules.json"], `"Dir":".terraform/modules/g/sub"`)
	for name := range got {
		require.NotContains(t, name, ".git/")
	}
	require.NotContains(t, got, "app/.terraform.lock.hcl", "there is no provider to lock")

	again := run(t, v, vendor.Request{Bundle: pack(t, "app", files), AllowFileGit: true})
	require.Equal(t, res.Bundle.Digest, again.Bundle.Digest, "the same source gives the same bundle")
	empty(t, filepath.Join(data, "vendor"))

	opened, err := bundle.Open(t.Context(), res.Bundle.Archive(), "app")
	require.NoError(t, err)
	require.Equal(t, res.Bundle.Digest, opened.Digest)
	require.Empty(t, opened.Module.Problems)

	// Without the permission for tests, the same source is refused.
	res = run(t, v, vendor.Request{Bundle: b})
	require.True(t, res.Failed())
}

func TestRealModulesThatReachOut(t *testing.T) {
	t.Parallel()
	v, data := confined(t)
	secret := filepath.Join(data, "secret")
	require.NoError(t, os.MkdirAll(secret, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(secret, "main.tf"), []byte("output \"o\" {\n  value = \"stolen\"\n}\n"), 0o644))
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "main.tf"), []byte("output \"o\" {\n  value = \"stolen\"\n}\n"), 0o644))
	plain := "output \"o\" {\n  value = 1\n}\n"
	for name, tc := range map[string]struct {
		files, links map[string]string
		want, file   string
	}{
		"link to a file":        {map[string]string{"main.tf": plain}, map[string]string{"passwd": "/etc/passwd"}, "its file passwd is a link that leads out of it (to /etc/passwd)", ""},
		"relative link":         {map[string]string{"main.tf": plain}, map[string]string{"up": "../../../../app/main.tf"}, "its file up is a link that leads out of it", ""},
		"link to a folder":      {map[string]string{"main.tf": plain}, map[string]string{"etc": "/etc"}, "main.tf:1 module \"g\" cannot be used: its file etc is a link", ""},
		"calls an outer folder": {map[string]string{"main.tf": "\nmodule \"x\" {\n  source = \"" + outside + "\"\n}\n"}, nil, "is an absolute path of one machine", ".terraform/modules/g/main.tf"},
		"calls the data folder": {map[string]string{"main.tf": "\nmodule \"x\" {\n  source = \"" + secret + "\"\n}\n"}, nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo := gitRepo(t, tc.files, tc.links)
			b := pack(t, ".", map[string]string{"main.tf": "module \"g\" {\n  source = \"git::file://" + repo + "\"\n}\n"})
			res := run(t, v, vendor.Request{Bundle: b, AllowFileGit: true})
			require.True(t, res.Failed())
			require.Equal(t, b.Digest, res.Bundle.Digest)
			require.Contains(t, strings.Join(errorsOf(res), "\n"), tc.want)
			require.NotContains(t, strings.Join(errorsOf(res), "\n"), "stolen")
			if tc.file != "" {
				require.Equal(t, tc.file, res.Problems[0].File)
				require.Equal(t, 2, res.Problems[0].Line)
			}
		})
	}
}

func TestRealCodeCannotReadTheDataFolder(t *testing.T) {
	t.Parallel()
	v, data := confined(t)
	require.NoError(t, os.WriteFile(filepath.Join(data, "key"), []byte("the-key"), 0o644))
	res := run(t, v, vendor.Request{Bundle: pack(t, ".", map[string]string{
		"main.tf": "output \"o\" {\n  value = tonumber(file(\"" + filepath.Join(data, "key") + "\"))\n}\n",
	})})
	text := strings.Join(errorsOf(res), "\n")
	require.NotContains(t, text, "the-key")
	require.Contains(t, text, "no file exists", "the folder is hidden where namespaces can be had")
}

func TestRealFetchFailures(t *testing.T) {
	t.Parallel()
	v, _ := confined(t)
	repo := gitRepo(t, map[string]string{"main.tf": "output \"o\" {\n  value = 1\n}\n"}, nil)
	call := func(source string) string { return "\nmodule \"m\" {\n  source = \"" + source + "\"\n}\n" }
	for name, tc := range map[string]struct {
		code string
		want []string
		line int
	}{
		"repository": {call("git::file://" + repo + "-none"), []string{`module "m" cannot be fetched from git::file://`, "there is no such repository"}, 2},
		"revision":   {call("git::file://" + repo + "?ref=v9"), []string{"there is no such branch, tag or commit; check the part after ?ref="}, 2},
		"folder":     {call("git::file://" + repo + "//none"), []string{"the folder after // is not in it"}, 2},
		"registry":   {call("127.0.0.1:1/a/b/c"), []string{`module "m" cannot be fetched from 127.0.0.1:1/a/b/c`, "cannot reach it"}, 2},
		"https":      {call("git::https://127.0.0.1:1/x.git"), []string{"this server cannot reach it; check the address"}, 2},
		"archive":    {call("https://127.0.0.1:1/x.zip"), []string{"this server cannot reach it"}, 2},
		"provider": {"terraform {\n  required_providers {\n    p = {\n      source = \"127.0.0.1:1/a/p\"\n    }\n  }\n}\n",
			[]string{"the provider 127.0.0.1:1/a/p cannot be fetched from the registry 127.0.0.1:1", "cannot reach it"}, 3},
		"version": {"terraform {\n  required_providers {\n    aws = {\n      source  = \"hashicorp/aws\"\n      version = \"> 7\"\n    }\n  }\n}\n",
			[]string{"the provider hashicorp/aws cannot be fetched from this server's own mirror: it has version 4.9.0, the code asks for > 7.0.0"}, 3},
		"code": {"resource \"terraform_data\" \"x\" {\n  nonsense = 1\n}\n", []string{"Unsupported argument"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := pack(t, "app", map[string]string{"app/main.tf": tc.code})
			res := run(t, v, vendor.Request{Bundle: b, AllowFileGit: true})
			require.True(t, res.Failed())
			require.Equal(t, b.Digest, res.Bundle.Digest)
			require.Len(t, res.Problems, 1, errorsOf(res))
			p := res.Problems[0]
			for _, want := range tc.want {
				require.Contains(t, p.Message, want)
			}
			require.Equal(t, "main.tf", p.File)
			require.Equal(t, tc.line, p.Line)
		})
	}
}

const awsCode = `terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 4.9, < 7"
    }
  }
}
resource "aws_ecs_cluster" "this" {
  name = "x"
}
`

func TestRealLockFile(t *testing.T) {
	t.Parallel()
	v, _ := confined(t)
	res := run(t, v, vendor.Request{Bundle: pack(t, ".", map[string]string{"main.tf": awsCode})})
	require.Empty(t, res.Problems, errorsOf(res))
	files := unpacked(t, res.Bundle)
	require.Len(t, files, 2)
	entries, err := tofu.ReadLock([]byte(files[tofu.LockFileName]))
	require.NoError(t, err)
	require.Equal(t, []tofu.LockedProvider{{Address: "registry.opentofu.org/hashicorp/aws", Version: "4.9.0", Constraints: ">= 4.9.0, < 7.0.0"}}, entries,
		"a provider built here is recorded without checksums")
	again := run(t, v, vendor.Request{Bundle: pack(t, ".", map[string]string{"main.tf": awsCode})})
	require.Equal(t, res.Bundle.Digest, again.Bundle.Digest)

	lock := func(text string) *vendor.Result {
		return run(t, v, vendor.Request{Bundle: pack(t, ".", map[string]string{"main.tf": awsCode, ".terraform.lock.hcl": text})})
	}
	entry := func(version, more string) string {
		return "provider \"registry.opentofu.org/hashicorp/aws\" {\n  version = \"" + version + "\"\n" + more + "}\n"
	}
	own := lock(entry("4.9.0", ""))
	require.Empty(t, own.Problems, errorsOf(own))
	require.Equal(t, entry("4.9.0", ""), unpacked(t, own.Bundle)[tofu.LockFileName], "the source's own lock file is not changed")
	for name, tc := range map[string]struct{ text, want string }{
		"lacks":    {"# empty\n", "lacks providers that the code needs (hashicorp/aws)"},
		"old":      {entry("4.8.0", ""), "4.8.0 does not match configured version constraint"},
		"checksum": {entry("4.9.0", "  hashes = [\"h1:jrUTBQws8CLDmbHIIENT/sgHARrimuQDZrbs/I8tNp9=\"]\n"), "holds checksums of a released hashicorp/aws"},
	} {
		bad := lock(tc.text)
		require.Len(t, bad.Problems, 1, name)
		require.Contains(t, bad.Problems[0].Message, tc.want, name)
		require.Equal(t, ".terraform.lock.hcl", bad.Problems[0].File)
		require.Equal(t, bundle.Error, bad.Problems[0].Severity)
	}
}

func TestRealTerraform(t *testing.T) {
	t.Parallel()
	m := realTools(t)
	if _, err := m.Terraform(t.Context()); err != nil {
		t.Skip("there is no terraform on PATH")
	}
	v := vendor.New(m, vendor.Options{})
	repo := gitRepo(t, map[string]string{"main.tf": "output \"o\" {\n  value = 1\n}\n"}, nil)
	code := awsCode + "module \"g\" {\n  source = \"git::file://" + repo + "\"\n}\n"
	res := run(t, v, vendor.Request{Bundle: pack(t, ".", map[string]string{"main.tf": code}), Terraform: true, AllowFileGit: true, Constraint: "< 2"})
	require.Empty(t, res.Problems, errorsOf(res))
	files := unpacked(t, res.Bundle)
	require.Contains(t, files[tofu.LockFileName], "registry.terraform.io/hashicorp/aws")
	require.Contains(t, files, ".terraform/modules/g/main.tf")
}

func BenchmarkVendor(b *testing.B) {
	small := map[string]string{}
	for i := range 50 {
		small[fmt.Sprintf("f%d.tf", i)] = fmt.Sprintf("variable \"v%d\" {\n  default = 1\n}\nresource \"terraform_data\" \"r%d\" {\n  input = var.v%d\n}\n", i, i, i)
	}
	for name, files := range map[string]map[string]string{"fifty files": small, "aws": {"main.tf": awsCode}} {
		b.Run(name, func(b *testing.B) {
			v, _ := confined(b)
			src := pack(b, ".", files)
			for b.Loop() {
				began := time.Now()
				res, err := v.Vendor(b.Context(), vendor.Request{Bundle: src})
				require.NoError(b, err)
				require.Empty(b, res.Problems)
				b.ReportMetric(float64(time.Since(began).Milliseconds()), "last-ms")
			}
		})
	}
}
