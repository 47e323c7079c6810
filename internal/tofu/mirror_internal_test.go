package tofu

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadMirrorKnowsBothLayouts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "registry.opentofu.org/hashicorp/aws/5.1.0", platform(), "terraform-provider-aws_v5.1.0"), "", 0o755)
	writeFile(t, filepath.Join(dir, "registry.opentofu.org/hashicorp/aws/5.1.0/plan9_mips/terraform-provider-aws_v5.1.0"), "", 0o755)
	writeFile(t, filepath.Join(dir, "registry.opentofu.org/hashicorp/random/terraform-provider-random_3.6.0_"+platform()+".zip"), "", 0o644)
	packages, err := ReadMirror(dir)
	require.NoError(t, err)
	require.Len(t, packages, 2)
	require.Equal(t, "registry.opentofu.org/hashicorp/aws 5.1.0", packages[0].Address+" "+packages[0].Version)
	require.Equal(t, "registry.opentofu.org/hashicorp/random 3.6.0", packages[1].Address+" "+packages[1].Version)
	require.False(t, packages[0].SandboxOnly)

	toolchain, err := newTestManager(t, Config{
		TofuPath: fakeBinary(t, t.TempDir(), "tofu", "OpenTofu", "1.12.6"), ProviderMirror: dir,
	}).Ensure(t.Context())
	require.NoError(t, err)
	require.Equal(t, dir, toolchain.Providers.Mirror)
	require.False(t, toolchain.Providers.SandboxOnly())
}

func TestEmptyOperatorMirrorIsRefused(t *testing.T) {
	t.Parallel()
	_, err := newTestManager(t, Config{
		TofuPath: fakeBinary(t, t.TempDir(), "tofu", "OpenTofu", "1.12.6"), ProviderMirror: t.TempDir(),
	}).Ensure(t.Context())
	require.True(t, IsReason(err, ReasonNotFound), "%v", err)
}

func TestCLIConfig(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tofurc")
	providers := Providers{Source: ProvidersFromMirror, Mirror: `/a "quoted" ${dir}`, Packages: []ProviderPackage{
		{Address: "registry.opentofu.org/hashicorp/aws"}, {Address: "registry.terraform.io/hashicorp/aws"}, {Address: "registry.opentofu.org/hashicorp/aws"},
	}}
	require.NoError(t, providers.CLIConfig().WriteFile(path))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, `disable_checkpoint = true

provider_installation {
  filesystem_mirror {
    path    = "/a \"quoted\" ${dir}"
    include = ["registry.opentofu.org/hashicorp/aws", "registry.terraform.io/hashicorp/aws"]
  }
  direct {
    exclude = ["registry.opentofu.org/hashicorp/aws", "registry.terraform.io/hashicorp/aws"]
  }
}
`, string(data))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.Equal(t, "disable_checkpoint = true\n", string(Providers{Source: ProvidersFromRegistry}.CLIConfig().Bytes()))
	require.Error(t, CLIConfig{Mirror: "relative", MirrorProviders: []string{"a/b/c"}}.WriteFile(path))
}

func TestOnlyMarkedProvidersAreKeptFromRealCredentials(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), ".terraform")
	require.NoError(t, CheckRealCredentials(data), "nothing was initialised, so no provider can run")
	dir := filepath.Join(data, "providers/registry.opentofu.org/hashicorp/aws/5.1.0", platform())
	writeFile(t, filepath.Join(dir, "terraform-provider-aws_v5.1.0"), "", 0o755)
	writeFile(t, dir+".lock", "", 0o644)
	require.NoError(t, CheckRealCredentials(data))
	writeFile(t, filepath.Join(dir, SandboxMarker), markerText, 0o644)
	err := CheckRealCredentials(data)
	require.True(t, IsReason(err, ReasonSandboxOnly), "%v", err)
	require.ErrorContains(t, err, "registry.opentofu.org/hashicorp/aws")
}
