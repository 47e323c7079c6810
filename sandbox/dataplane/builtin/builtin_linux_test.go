package builtin_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
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

// TestShimKilled: when a task's shim is killed everything in the task ends, and
// the runner can tell.
func TestShimKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rt, err := builtin.Open(dir, conformance.Resolver(t, t.TempDir()))
	require.NoError(t, err)
	_, err = rt.EnsureImage(t.Context(), conformance.Image, engine.PullAuth{})
	require.NoError(t, err)
	spec := conformance.Spec(t, "web")
	c, err := rt.Start(t.Context(), spec)
	require.NoError(t, err)
	conformance.Get(t, rt, spec.TaskID, 80, "/")
	data, err := os.ReadFile(filepath.Join(dir, "tasks", spec.TaskID, "shim.json"))
	require.NoError(t, err)
	var shim struct{ PID int }
	require.NoError(t, json.Unmarshal(data, &shim))
	process, err := os.FindProcess(shim.PID)
	require.NoError(t, err)
	require.NoError(t, process.Kill())
	e, err := rt.Wait(t.Context(), c.ID)
	require.NoError(t, err)
	require.Equal(t, 137, e.Code)
	require.NotEmpty(t, e.Reason)
	_, err = rt.Dial(t.Context(), spec.TaskID, 80)
	require.ErrorIs(t, err, engine.ErrNotFound)
	// The task can be used again.
	again := conformance.Spec(t, "again")
	_, err = rt.Start(t.Context(), again)
	require.NoError(t, err)
	conformance.Get(t, rt, spec.TaskID, 80, "/")
	require.NoError(t, rt.Shutdown(context.Background()))
}

// TestHalfDone: what a crash left between two steps is settled at the next start.
func TestHalfDone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	resolver := conformance.Resolver(t, t.TempDir())
	rt, err := builtin.Open(dir, resolver)
	require.NoError(t, err)
	_, err = rt.EnsureImage(t.Context(), conformance.Image, engine.PullAuth{})
	require.NoError(t, err)
	spec := conformance.Spec(t, "web")
	_, err = rt.Start(t.Context(), spec)
	require.NoError(t, err)
	// Recorded, never started; and a task that got no container.
	task := filepath.Join(dir, "tasks", spec.TaskID, "c")
	require.NoError(t, os.Mkdir(filepath.Join(task, "late"), 0o700))
	record := `{"Container":{"ID":"` + spec.TaskID + `.late","TaskID":"` + spec.TaskID + `","Name":"late","State":"running"}}`
	require.NoError(t, os.WriteFile(filepath.Join(task, "late", "container.json"), []byte(record), 0o600))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "tasks", "empty", "c"), 0o700))
	require.NoError(t, rt.Close())

	rt, err = builtin.Open(dir, resolver)
	require.NoError(t, err)
	require.NoDirExists(t, filepath.Join(dir, "tasks", "empty"))
	e, err := rt.Wait(t.Context(), spec.TaskID+".late")
	require.NoError(t, err)
	require.Contains(t, e.Reason, "before the container was started")
	conformance.Get(t, rt, spec.TaskID, 80, "/")
	require.NoError(t, rt.Shutdown(context.Background()))
}
