package builtin_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox/dataplane/builtin"
	"github.com/berthdev/berth/sandbox/dataplane/conformance"
	"github.com/berthdev/berth/sandbox/dataplane/engine"
)

func TestMain(m *testing.M) {
	builtin.MaybeRun()
	os.Exit(m.Run())
}

func TestConformance(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/ns/user"); err != nil {
		t.Skip("no user namespaces")
	}
	dir := t.TempDir()
	resolver := conformance.Resolver(t, t.TempDir())
	conformance.Run(t, conformance.Abilities{NoCapabilities: true, TellsOutOfMemory: true}, func(t *testing.T) engine.Runtime {
		rt, err := builtin.Open(dir, resolver)
		require.NoError(t, err)
		return rt
	})
	left, err := os.ReadDir(dir + "/tasks")
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestOrdinaryUser runs the suite again as a user without privileges.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("runs as an ordinary user already")
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "berth-user-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chown(dir, nobody, nobody))
	exe, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(dir+"/test", exe, 0o755))
	cmd := exec.Command(dir+"/test", "-test.run", "^TestConformance$", "-test.v")
	cmd.Dir, cmd.Env = dir, []string{"TMPDIR=" + dir, "PATH=/usr/bin:/bin", "HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestConformance")
}
