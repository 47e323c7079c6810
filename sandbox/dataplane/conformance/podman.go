package conformance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"
)

// Podman serves the Docker API from an engine with its own storage. Only the
// tests do this; a user's engine is already there.
func Podman(t *testing.T) string {
	t.Helper()
	podman, err := exec.LookPath("podman")
	if err != nil || os.Geteuid() != 0 {
		if os.Getenv("CI") != "" && os.Geteuid() == 0 {
			t.Fatal("podman is not installed: run scripts/setup-tests.sh")
		}
		t.Skip("needs podman, as root")
	}
	dir, err := os.MkdirTemp("", "bp")
	require.NoError(t, err)
	host := "unix://" + filepath.Join(dir, "s")
	args := []string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs",
		"--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file"}
	cmd := exec.Command(podman, append(args, "system", "service", "--time", "0", host)...)
	log, err := os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("podman: %s", text)
		}
		log.Close()
		_ = exec.Command(podman, append(args, "rm", "--all", "--force")...).Run()
		_ = exec.Command("umount", filepath.Join(dir, "root", "vfs"), filepath.Join(dir, "root")).Run()
		require.NoError(t, os.RemoveAll(dir))
		removeBridge()
	})
	require.Eventually(t, func() bool {
		api, err := client.NewClientWithOpts(client.WithHost(host), client.WithAPIVersionNegotiation())
		if err != nil {
			return false
		}
		defer api.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = api.Ping(ctx)
		return err == nil
	}, 20*time.Second, 50*time.Millisecond)
	return host
}

// removeBridge removes the bridge that podman made, unless somebody uses it.
func removeBridge() {
	for _, bridge := range []string{"cni-podman0", "podman0"} {
		ports, err := os.ReadDir(filepath.Join("/sys/class/net", bridge, "brif"))
		if err == nil && len(ports) == 0 {
			_ = exec.Command("ip", "link", "del", bridge).Run()
		}
	}
}
