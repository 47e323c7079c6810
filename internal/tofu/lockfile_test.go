package tofu_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/tofu"
)

const lockText = `# This file is maintained automatically by "tofu init".

provider "registry.opentofu.org/hashicorp/aws" {
  version     = "4.9.0"
  constraints = ">= 4.9.0, < 7.0.0"
  hashes = [
    "h1:jrUTBQws8CLDmbHIIENT/sgHARrimuQDZrbs/I8tNp8=",
  ]
}

provider "registry.opentofu.org/hashicorp/random" {
  version = "3.6.0"
  hashes  = ["h1:x"]
}
`

func TestEditLock(t *testing.T) {
	t.Parallel()
	all, err := tofu.ReadLock([]byte(lockText))
	require.NoError(t, err)
	require.Equal(t, []tofu.LockedProvider{
		{Address: "registry.opentofu.org/hashicorp/aws", Version: "4.9.0", Constraints: ">= 4.9.0, < 7.0.0", Hashes: []string{"h1:jrUTBQws8CLDmbHIIENT/sgHARrimuQDZrbs/I8tNp8="}},
		{Address: "registry.opentofu.org/hashicorp/random", Version: "3.6.0", Hashes: []string{"h1:x"}},
	}, all)
	edited, err := tofu.EditLock([]byte(lockText), func(p tofu.LockedProvider) tofu.LockEdit {
		if p.Version == "4.9.0" {
			return tofu.LockDropHashes
		}
		return tofu.LockRemove
	})
	require.NoError(t, err)
	require.NotContains(t, string(edited), "h1:")
	all, err = tofu.ReadLock(edited)
	require.NoError(t, err)
	require.Equal(t, []tofu.LockedProvider{{Address: "registry.opentofu.org/hashicorp/aws", Version: "4.9.0", Constraints: ">= 4.9.0, < 7.0.0"}}, all)
	_, err = tofu.ReadLock([]byte("provider {"))
	require.Error(t, err)
}

func TestAddLockHashes(t *testing.T) {
	t.Parallel()
	more, err := tofu.AddLockHashes([]byte(lockText), func(p tofu.LockedProvider) []string { return []string{"zh:" + p.Version, p.Hashes[0]} })
	require.NoError(t, err)
	all, err := tofu.ReadLock(more)
	require.NoError(t, err)
	require.Equal(t, []string{"h1:jrUTBQws8CLDmbHIIENT/sgHARrimuQDZrbs/I8tNp8=", "zh:4.9.0"}, all[0].Hashes)
	require.Equal(t, []string{"h1:x", "zh:3.6.0"}, all[1].Hashes)
	same, err := tofu.AddLockHashes(more, func(tofu.LockedProvider) []string { return nil })
	require.NoError(t, err)
	require.Equal(t, string(more), string(same))
}

func TestCLIConfigIsReadBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rc")
	c := tofu.CLIConfig{Mirror: `/a "quoted" ${name} %{x}`, MirrorProviders: []string{"h/n/t", "h/n/u"}, PluginCacheDir: "/plugins"}
	require.NoError(t, c.WriteFile(path))
	got, err := tofu.ReadCLIConfig(path)
	require.NoError(t, err)
	require.Equal(t, c, got)
	require.NoError(t, os.WriteFile(path, []byte("credentials \"h\" {\n  token = \"x\"\n}\n"), 0o600))
	got, err = tofu.ReadCLIConfig(path)
	require.NoError(t, err)
	require.Equal(t, tofu.CLIConfig{}, got)
}

func TestParseValidation(t *testing.T) {
	t.Parallel()
	diags, err := tofu.ParseValidation([]byte(`{"format_version":"1.0","valid":false,"diagnostics":[{"severity":"error","summary":"Unsupported argument","range":{"filename":"main.tf","start":{"line":2}}}]}`))
	require.NoError(t, err)
	require.Len(t, diags, 1)
	require.Equal(t, 2, diags[0].Range.Start.Line)
	_, err = tofu.ParseValidation([]byte("panic: no"))
	require.Error(t, err)
	_, err = tofu.ParseValidation([]byte("{}"))
	require.Error(t, err)
}
