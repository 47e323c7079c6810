package sandbox_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/berthdev/berth/internal/tofu/tofutest"
	"github.com/stretchr/testify/require"
)

// tofuDir is a working directory for the real tofu with the real AWS provider.
type tofuDir struct {
	t    *testing.T
	bin  string
	dir  string
	env  []string
	vars []string
}

// newTofu prepares the configuration of testdata/name.
func newTofu(t *testing.T, name, url string) *tofuDir {
	t.Helper()
	bin, mirror := tofutest.Tools(t)
	d := &tofuDir{t: t, bin: bin, dir: t.TempDir()}
	files, err := filepath.Glob(filepath.Join("testdata", name, "*.tf"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		content, err := os.ReadFile(f)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(d.dir, filepath.Base(f)), content, 0o600))
	}
	rc := filepath.Join(d.dir, "cli.tfrc")
	require.NoError(t, os.WriteFile(rc, fmt.Appendf(nil, "provider_installation {\n  filesystem_mirror { path = %q }\n}\n", mirror), 0o600))
	d.env = []string{
		"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "TF_CLI_CONFIG_FILE=" + rc, "TF_IN_AUTOMATION=1",
		"TF_VAR_endpoint=" + url, "CHECKPOINT_DISABLE=1", "AWS_EC2_METADATA_DISABLED=true",
	}
	d.run(0, "init", "-input=false")
	return d
}

// run calls tofu and requires its exit code.
func (d *tofuDir) run(code int, command string, args ...string) string {
	d.t.Helper()
	all := []string{command}
	switch command {
	case "plan", "apply", "destroy", "import":
		all = append(append(all, "-no-color", "-input=false"), d.vars...)
	}
	cmd := exec.Command(d.bin, append(all, args...)...)
	cmd.Dir, cmd.Env = d.dir, d.env
	started := time.Now()
	out, _ := cmd.CombinedOutput() // the exit code is looked at below
	d.t.Logf("tofu %s took %s", command, time.Since(started).Round(100*time.Millisecond))
	require.Equal(d.t, code, cmd.ProcessState.ExitCode(), "tofu %s %v:\n%s", command, args, out)
	return string(out)
}

// ids reads every resource's id from the state.
func (d *tofuDir) ids() map[string]string {
	d.t.Helper()
	cmd := exec.Command(d.bin, "show", "-json")
	cmd.Dir, cmd.Env = d.dir, d.env
	out, err := cmd.Output()
	require.NoError(d.t, err)
	var state struct {
		Values struct {
			Root struct {
				Resources []struct {
					Address string
					Values  map[string]any
				}
			} `json:"root_module"`
		}
	}
	require.NoError(d.t, json.Unmarshal(out, &state))
	ids := map[string]string{}
	for _, r := range state.Values.Root.Resources {
		ids[r.Address], _ = r.Values["id"].(string)
	}
	return ids
}

// importAgain forgets resources and brings them back with import blocks; the
// apply must have nothing else to do.
func (d *tofuDir) importAgain(addresses ...string) {
	d.t.Helper()
	blocks, ids := "", d.ids()
	for _, a := range addresses {
		blocks += fmt.Sprintf("import {\n  to = %s\n  id = %q\n}\n", a, ids[a])
	}
	d.run(0, "state", append([]string{"rm"}, addresses...)...)
	require.NoError(d.t, os.WriteFile(filepath.Join(d.dir, "imports.tf"), []byte(blocks), 0o600))
	want := fmt.Sprintf("%d imported, 0 added, 0 changed, 0 destroyed", len(addresses))
	require.Contains(d.t, d.run(0, "apply", "-auto-approve"), want)
}

// noChanges is the exit code of plan -detailed-exitcode when nothing differs.
const noChanges = 0

func TestProviderCarriesAVPCThroughItsLife(t *testing.T) {
	t.Parallel()
	r := start(t, t.TempDir())
	d := newTofu(t, "vpc", r.URL())

	d.run(0, "apply", "-auto-approve")
	d.run(noChanges, "plan", "-detailed-exitcode")
	require.Equal(t, map[string]int{
		"ec2/vpc": 1, "ec2/subnet": 6, "ec2/internet-gateway": 1, "ec2/nat-gateway": 1, "ec2/elastic-ip": 1, "ec2/route-table": 2,
		"ec2/security-group": 2, "ec2/network-interface": 1, "iam/role": 1, "iam/policy": 1,
	}, r.kinds(t))

	// Everything that can change in place does, and nothing is left to change.
	d.vars = []string{"-var", `extra_tags={team="a"}`, "-var", "map_public_ip_on_launch=false"}
	require.Contains(t, d.run(0, "apply", "-auto-approve"), "0 added, 18 changed, 0 destroyed")
	d.run(noChanges, "plan", "-detailed-exitcode")

	vpc := d.ids()["aws_vpc.this"]
	d.run(0, "state", "rm", "aws_vpc.this")
	d.run(0, "import", "aws_vpc.this", vpc)
	d.importAgain(
		"aws_subnet.public[0]", "aws_internet_gateway.this", "aws_nat_gateway.this", "aws_eip.nat", "aws_route_table.private",
		"aws_network_interface.spare", "aws_default_network_acl.this", "aws_iam_role.task", "aws_iam_policy.extra",
	)
	d.run(noChanges, "plan", "-detailed-exitcode")

	d.run(0, "destroy", "-auto-approve")
	require.Empty(t, r.inventory(t))
}
