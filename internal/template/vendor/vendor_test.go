package vendor_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/runner/runnertest"
	"github.com/berthdev/berth/internal/template/bundle"
	"github.com/berthdev/berth/internal/template/vendor"
	"github.com/berthdev/berth/internal/tofu"
)

func TestSourcesThatAreNotAllowed(t *testing.T) {
	t.Parallel()
	v := fake(t)
	for source, want := range map[string]string{
		"/etc/modules":                        "absolute path",
		`C:\\modules`:                         "absolute path",
		"~/modules":                           "home folder",
		"file:///etc/modules":                 "a file of one machine",
		"git::file:///srv/repo":               "one machine's disk",
		"git::/srv/repo":                      "names no repository elsewhere",
		"git::http://example.com/x.git":       "not encrypted",
		"http://example.com/x.zip":            "not encrypted",
		"s3::https://s3.amazonaws.com/b/x":    "s3::",
		"gcs::https://www.googleapis.com/x":   "gcs::",
		"hg::https://example.com/x":           "hg::",
		"file::/etc":                          "file::",
		"oci://example.com/x":                 "oci sources",
		"ssh://git@example.com/x.git":         "git::ssh://",
		"https://example.com/x":               "neither an archive",
		"git::ext::sh -c true":                "names no repository",
		"https::file:///etc":                  "a file of one machine",
		"just-a-word":                         "not understood",
		"../../../outside":                    "",
		".hidden":                             "begins with ./",
		"git::https://example.com/x.git":      "-",
		"git::ssh://git@example.com/x.git":    "-",
		"git@github.com:org/repo.git":         "-",
		"github.com/org/repo//sub?ref=v1":     "-",
		"https://example.com/x.zip//sub":      "-",
		"https://example.com/x?archive=zip":   "-",
		"terraform-aws-modules/vpc/aws":       "-",
		"registry.example.com/a/b/c//modules": "-",
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			b, err := bundle.Pack(t.Context(), os.DirFS(write(t, map[string]string{
				"main.tf": "\nmodule \"m\" {\n  source = \"" + source + "\"\n}\n", "fake.json": "{}",
			})), ".", bundle.DefaultLimits())
			require.NoError(t, err)
			res := run(t, v, vendor.Request{Bundle: b})
			if want == "-" {
				require.Empty(t, res.Problems)
				return
			}
			require.Equal(t, b, res.Bundle)
			if want == "" {
				require.True(t, b.Module.Failed(), "the bundle itself tells")
				return
			}
			require.Len(t, res.Problems, 1)
			p := res.Problems[0]
			require.Equal(t, bundle.Error, p.Severity)
			require.Contains(t, p.Message, want)
			require.Equal(t, "main.tf", p.File)
			require.Equal(t, 2, p.Line)
		})
	}
}

func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	return dir
}

func TestSourceThatIsNoText(t *testing.T) {
	t.Parallel()
	b := pack(t, "app", map[string]string{
		"app/main.tf": "module \"a\" {\n  source = \"../lib\"\n}\n",
		"lib/main.tf": "variable \"s\" {\n  type    = string\n  default = \"/etc\"\n}\nmodule \"deep\" {\n  source = var.s\n}\n",
	})
	res := run(t, fake(t), vendor.Request{Bundle: b})
	require.Len(t, res.Problems, 1)
	require.Contains(t, res.Problems[0].Message, `module "deep" cannot be used: its source is not written as plain text`)
	require.Equal(t, "lib/main.tf", res.Problems[0].File)
	require.Equal(t, 5, res.Problems[0].Line)
}

func TestToolThatIsNotThereIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	m, err := tofu.NewManager(tofu.Config{NoPath: true, NoDownload: true, NoBuild: true, Providers: tofu.ProvidersFromRegistry, CacheDir: t.TempDir(),
		LookPath: func(string) (string, error) { return "", os.ErrNotExist }})
	require.NoError(t, err)
	v := vendor.New(m, vendor.Options{})
	b := pack(t, ".", map[string]string{"main.tf": "variable \"x\" {}\n"})
	res := run(t, v, vendor.Request{Bundle: b})
	require.Equal(t, []bundle.Problem{{Severity: bundle.Warning,
		Message: "the code was not checked with OpenTofu because it is not installed yet; providers are chosen at the first deploy"}}, res.Problems)
	require.Equal(t, b, res.Bundle)
	require.False(t, res.Failed())
	res = run(t, v, vendor.Request{Bundle: b, Terraform: true})
	require.Contains(t, res.Problems[0].Message, "not checked with Terraform because there is none on this server")
}

func TestConstraint(t *testing.T) {
	t.Parallel()
	v := fake(t)
	b := pack(t, ".", map[string]string{"main.tf": "variable \"x\" {}\n"})
	require.Empty(t, run(t, v, vendor.Request{Bundle: b, Constraint: ">= 1.6, < 2"}).Problems)
	p := run(t, v, vendor.Request{Bundle: b, Constraint: ">= 2"}).Problems
	require.Len(t, p, 1)
	require.Equal(t, bundle.Error, p[0].Severity)
	require.Contains(t, p[0].Message, "asks for OpenTofu >= 2, but this server has 1.12.6")
	require.Equal(t, "spec.provider.version", p[0].Path)
	p = run(t, v, vendor.Request{Bundle: b, Constraint: "newest"}).Problems
	require.Contains(t, p[0].Message, `"newest" cannot be read`)
}

func TestRequiredVersion(t *testing.T) {
	t.Parallel()
	v := fake(t)
	code := func(constraint string) string {
		return "# what runs it\nterraform {\n  required_version = \"" + constraint + "\"\n}\n"
	}
	problems := func(files map[string]string) []bundle.Problem {
		return run(t, v, vendor.Request{Bundle: pack(t, "root", files)}).Problems
	}
	require.Empty(t, problems(map[string]string{"root/main.tf": code(">= 1.5, < 2")}))
	// OpenTofu passes over what a .tf file says, and so does Berth, but for a word.
	p := problems(map[string]string{"root/main.tf": code("> 7")})
	require.Len(t, p, 1)
	require.Equal(t, bundle.Warning, p[0].Severity)
	require.Equal(t, "main.tf:3", fmt.Sprintf("%s:%d", p[0].File, p[0].Line))
	require.Contains(t, p[0].Message, "required_version asks for > 7, and this server has OpenTofu 1.12.6")
	p = problems(map[string]string{"root/main.tofu": code("> 7")})
	require.Len(t, p, 1)
	require.Equal(t, bundle.Error, p[0].Severity)
	require.Contains(t, p[0].Message, "asks for > 7, but this server has OpenTofu 1.12.6")
	p = problems(map[string]string{"root/main.tf": "module \"a\" {\n  source = \"../a\"\n}\n", "a/v.tofu": code("~> 2.0")})
	require.Len(t, p, 1)
	require.Equal(t, "a/v.tofu:3", fmt.Sprintf("%s:%d", p[0].File, p[0].Line))
	p = problems(map[string]string{"root/main.tf": code("newest")})
	require.Len(t, p, 1)
	require.Equal(t, bundle.Error, p[0].Severity)
	require.Contains(t, p[0].Message, `required_version "newest" cannot be read`)
}

func TestWhatTheToolSays(t *testing.T) {
	t.Parallel()
	v := fake(t)
	for name, tc := range map[string]struct {
		script runnertest.Script
		want   bundle.Problem
	}{
		"init": {runnertest.Script{FetchError: "No such thing of s3cr3t-token"}, bundle.Problem{
			Severity: bundle.Error, Message: "No such thing of ***", File: "main.tf", Line: 7}},
		"validate": {runnertest.Script{ValidateError: "Unsupported argument"}, bundle.Problem{
			Severity: bundle.Error, Message: "Unsupported argument", File: "main.tf", Line: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{}
			for n, text := range tc.script.Files("x") {
				files["app/"+n] = text
			}
			b := pack(t, "app", files)
			res := run(t, v, vendor.Request{Bundle: b, Secrets: []string{"s3cr3t-token"}})
			require.Equal(t, []bundle.Problem{tc.want}, res.Problems)
			require.True(t, res.Failed())
			require.Equal(t, b.Digest, res.Bundle.Digest)
		})
	}
}

func TestToolThatHangsIsEnded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tool := filepath.Join(dir, "tofu")
	script := "#!/bin/sh\nif [ \"$1\" = version ]; then echo '{\"terraform_version\": \"1.12.6\", \"platform\": \"linux_amd64\"}'; exit 0; fi\n" +
		"env > " + dir + "/env\nsleep 300 &\nsleep 300\n"
	require.NoError(t, os.WriteFile(tool, []byte(script), 0o755))
	m, err := tofu.NewManager(tofu.Config{TofuPath: tool, Providers: tofu.ProvidersFromRegistry, NoDownload: true, NoBuild: true, CacheDir: t.TempDir()})
	require.NoError(t, err)
	scratch := t.TempDir()
	v := vendor.New(m, vendor.Options{Dir: scratch, InitTime: 300 * time.Millisecond, Env: map[string]string{"HTTPS_PROXY": "http://proxy:1"}})
	b := pack(t, ".", map[string]string{"main.tf": "variable \"x\" {}\n"})
	began := time.Now()
	res := run(t, v, vendor.Request{Bundle: b, GitEnv: []string{"GIT_SSL_CAINFO=/ca", "TF_LOG=trace", "HOME=/root", "GIT_ALLOW_PROTOCOL=ext", "LD_PRELOAD=/x"}})
	require.Less(t, time.Since(began), 30*time.Second)
	require.Len(t, res.Problems, 1)
	require.Contains(t, res.Problems[0].Message, "took longer than 300ms")
	require.Equal(t, bundle.Error, res.Problems[0].Severity)
	empty(t, scratch)
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	require.NoError(t, err)
	for _, want := range []string{"GIT_TERMINAL_PROMPT=0\n", "GIT_ALLOW_PROTOCOL=https:ssh\n", "GIT_SSL_CAINFO=/ca\n", "HTTPS_PROXY=http://proxy:1\n", "HOME=" + scratch} {
		require.Contains(t, string(env), want)
	}
	for _, not := range []string{"TF_LOG", "LD_PRELOAD", "HOME=/root\n", "=ext"} {
		require.NotContains(t, string(env), not)
	}

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err = v.Vendor(ctx, vendor.Request{Bundle: b})
	require.ErrorIs(t, err, context.Canceled)
	empty(t, scratch)
}

func TestBrokenCodeIsNotGivenToTheTool(t *testing.T) {
	t.Parallel()
	b := pack(t, ".", map[string]string{"main.tf": "variable \"x\" {\n", "fake.json": `{"fetch_error": "was started"}`})
	require.True(t, b.Module.Failed())
	res := run(t, fake(t), vendor.Request{Bundle: b})
	require.Empty(t, res.Problems)
	require.Equal(t, b, res.Bundle)
}

func TestUnreadableLockFile(t *testing.T) {
	t.Parallel()
	b := pack(t, ".", map[string]string{"main.tf": "variable \"x\" {}\n", ".terraform.lock.hcl": "provider {", "fake.json": "{}"})
	res := run(t, fake(t), vendor.Request{Bundle: b})
	require.True(t, res.Failed())
	require.Equal(t, ".terraform.lock.hcl", res.Problems[0].File)
	require.True(t, strings.Contains(res.Problems[0].Message, "tofu init"))
}

func TestFilesForGitAreSeenWhileFetchingOnly(t *testing.T) {
	t.Parallel()
	data, seen := t.TempDir(), t.TempDir()
	git := filepath.Join(data, "tmp", "berth-git-1")
	require.NoError(t, os.MkdirAll(git, 0o700))
	for name, dir := range map[string]string{"config": git, "key": git, "master.key": data} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(name+"\n"), 0o600))
	}
	tool := filepath.Join(t.TempDir(), "tofu")
	script := "#!/bin/sh\nif [ \"$1\" = version ]; then echo '{\"terraform_version\": \"1.12.6\", \"platform\": \"linux_amd64\"}'; exit 0; fi\n" +
		"{ cat " + git + "/config " + git + "/key " + data + "/master.key; env; } > " + seen + "/$1 2>/dev/null\n" +
		"echo '{\"format_version\":\"1.0\",\"diagnostics\":[]}'\n"
	require.NoError(t, os.WriteFile(tool, []byte(script), 0o755))
	m, err := tofu.NewManager(tofu.Config{TofuPath: tool, Providers: tofu.ProvidersFromRegistry, NoDownload: true, NoBuild: true, CacheDir: t.TempDir()})
	require.NoError(t, err)
	v := vendor.New(m, vendor.Options{Dir: filepath.Join(data, "vendor"), Hide: []string{data, ""}})
	res := run(t, v, vendor.Request{Bundle: pack(t, ".", map[string]string{"main.tf": "variable \"x\" {}\n"}),
		GitEnv: []string{"GIT_SSH_COMMAND=ssh -F '" + git + "/config'", "BERTH_GIT_PASSWORD=secret"}})
	require.Empty(t, res.Problems, errorsOf(res))
	fetching, err := os.ReadFile(filepath.Join(seen, "init"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(fetching), "config\nkey\n"), "%s", fetching)
	require.NotContains(t, string(fetching), "master.key\n")
	require.Contains(t, string(fetching), "BERTH_GIT_PASSWORD=secret")
	checking, err := os.ReadFile(filepath.Join(seen, "validate"))
	require.NoError(t, err)
	for _, not := range []string{"config\n", "key\n", "secret", "GIT_"} {
		require.NotContains(t, string(checking), not)
	}
}
