package tofu_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/tofu"
)

const installCommand = "go run ./cmd/berth toolchain install --no-path --no-download --providers mirror"

// builtToolchain returns the real tools of the shared cache. They take minutes to build, so a test does not do it.
func builtToolchain(t *testing.T) tofu.Toolchain {
	t.Helper()
	if testing.Short() {
		t.Skip("real tools are left out by -short")
	}
	m, err := tofu.NewManager(tofu.Config{NoPath: true, NoDownload: true, Providers: tofu.ProvidersFromMirror})
	require.NoError(t, err)
	status, err := m.Status(t.Context())
	require.NoError(t, err)
	if !status.Ready {
		if os.Getenv("CI") != "" {
			t.Fatalf("the toolchain of this checkout is not in the cache %s: run %q first", status.CacheDir, installCommand)
		}
		t.Skipf("the toolchain of this checkout is not in the cache: run %q", installCommand)
	}
	toolchain, err := m.Ensure(t.Context())
	require.NoError(t, err)
	return toolchain
}

func TestRealToolsWorkOffline(t *testing.T) {
	t.Parallel()
	toolchain := builtToolchain(t)
	require.Equal(t, tofu.RecommendedTofu, toolchain.Tofu.Version)
	for name, source := range map[string]string{"short": "hashicorp/aws", "terraform": "registry.terraform.io/hashicorp/aws"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			initAndValidate(t, toolchain, source)
		})
	}
}

func initAndValidate(t *testing.T, toolchain tofu.Toolchain, source string) {
	t.Helper()
	dir := t.TempDir()
	// A mirror's path may hold any character; the link is also how a user would move the mirror elsewhere.
	mirror := filepath.Join(t.TempDir(), `a "quoted" ${name}`)
	require.NoError(t, os.Symlink(toolchain.Providers.Mirror, mirror))
	providers := toolchain.Providers
	providers.Mirror = mirror
	config := filepath.Join(dir, "tofurc")
	require.NoError(t, providers.CLIConfig().WriteFile(config))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.tf"), []byte(`
terraform {
  required_providers {
    aws = {
      source  = "`+source+`"
      version = ">= 4.9, < 7"
    }
  }
}

provider "aws" {
  region = "eu-west-1"
}

resource "aws_ecs_cluster" "this" {
  name = "validate"
}
`), 0o600))
	run := func(args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), toolchain.Tofu.Path, args...)
		cmd.Dir = dir
		// Whatever tries to reach a network fails at this proxy.
		cmd.Env = []string{
			"PATH=/usr/bin:/bin", "HOME=" + dir, "TF_CLI_CONFIG_FILE=" + config,
			"HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1",
		}
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, "%v\n%s", args, output)
		return output
	}
	run("init", "-backend=false", "-input=false", "-no-color")
	var result struct {
		Valid bool `json:"valid"`
	}
	require.NoError(t, json.Unmarshal(run("validate", "-json"), &result))
	require.True(t, result.Valid)

	marked, err := tofu.SandboxOnlyProviders(filepath.Join(dir, ".terraform"))
	require.NoError(t, err)
	require.Len(t, marked, 1)
	require.Regexp(t, `^registry\..*/hashicorp/aws$`, marked[0])
	err = tofu.CheckRealCredentials(filepath.Join(dir, ".terraform"))
	require.True(t, tofu.IsReason(err, tofu.ReasonSandboxOnly), "%v", err)
}

func TestRecipesAgreeWithTheirModules(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join("..", "..", "toolchain", name))
		require.NoError(t, err)
		return string(data)
	}
	require.True(t, strings.Contains(read("tofu/go.mod"), "github.com/opentofu/opentofu v"+tofu.RecommendedTofu+" "), "toolchain/tofu/go.mod")
	require.Contains(t, read("tofu/recipe.json"), `"version": "`+tofu.RecommendedTofu+`"`)
	require.Contains(t, read("aws/recipe.json"), `"version": "4.9.0"`)
	require.Contains(t, read("aws/recipe.json"), `version.ProviderVersion=4.9.0"`)
}
