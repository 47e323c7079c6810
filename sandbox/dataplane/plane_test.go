package dataplane_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox/dataplane"
	"github.com/berthdev/berth/sandbox/dataplane/sample"
)

// ownerVariable makes this test binary own a data directory until it is killed.
const ownerVariable = "DATAPLANE_TEST_OWNER"

func TestMain(m *testing.M) {
	dataplane.MaybeRunShim()
	if dir := os.Getenv(ownerVariable); dir != "" {
		if err := own(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// facts is what an owner tells about what it set up.
type facts struct{ Container, Task, LoadBalancer string }

const taskID = "task-1"

func config(dir string) dataplane.Config {
	return dataplane.Config{DataDir: dir, Engine: dataplane.EngineBuiltIn, Offline: true, RegistryHosts: []string{"*.dkr.ecr.us-east-1.amazonaws.com"}}
}

func own(dir string) error {
	ctx := context.Background()
	p, err := dataplane.Open(ctx, config(dir))
	if err != nil {
		return err
	}
	f, err := deploy(ctx, p)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(f); err != nil {
		return err
	}
	// Until killed, or until the test has ended.
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, p.Shutdown(ctx))
}

// deploy brings a task up behind a load balancer.
func deploy(ctx context.Context, p *dataplane.Plane) (facts, error) {
	img, err := p.Runtime().EnsureImage(ctx, sample.Ref, dataplane.PullAuth{})
	if err != nil {
		return facts{}, err
	}
	if !img.StandIn {
		return facts{}, fmt.Errorf("expected the stand-in, got %+v", img)
	}
	c, err := p.Runtime().Start(ctx, dataplane.ContainerSpec{TaskID: taskID, Name: "web", Image: sample.Ref, Command: []string{"port=8080"}})
	if err != nil {
		return facts{}, err
	}
	return connect(ctx, p, c.ID)
}

// connect is what a control plane does again after a restart.
func connect(ctx context.Context, p *dataplane.Plane, container string) (facts, error) {
	at, err := p.ExposeTask(ctx, taskID, []int{8080})
	if err != nil {
		return facts{}, err
	}
	if _, err := p.CreateLoadBalancer(ctx, "lb"); err != nil {
		return facts{}, err
	}
	p.SetTargetGroup(dataplane.TargetGroup{ID: "tg", Protocol: "HTTP"})
	err = p.SetLoadBalancer(ctx, dataplane.LoadBalancer{ID: "lb", Kind: "application", Listeners: []dataplane.Listener{{
		ID: "http", Port: 18099, Protocol: "HTTP", Default: dataplane.Action{Forward: []dataplane.WeightedGroup{{TargetGroupID: "tg", Weight: 1}}}}}})
	if err != nil {
		return facts{}, err
	}
	p.RegisterTargets("tg", dataplane.Target{ID: "10.0.1.5", Port: 8080, TaskID: taskID})
	lb, _ := p.ListenerAddress("lb", "http")
	return facts{Container: container, Task: at.Ports[8080], LoadBalancer: lb}, nil
}

func get(t *testing.T, addr string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var body string
	require.Eventually(t, func() bool {
		resp, err := client.Get("http://" + addr + "/")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		body = string(data)
		return err == nil && resp.StatusCode == 200
	}, 20*time.Second, 20*time.Millisecond)
	return body
}

// TestTakeover kills the owner of running containers and opens its directory
// again.
func TestTakeover(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), ownerVariable+"="+dir)
	cmd.Stderr = os.Stderr
	_, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadBytes('\n')
	require.NoError(t, err)
	var f facts
	require.NoError(t, json.Unmarshal(line, &f))
	require.Contains(t, get(t, f.LoadBalancer), "stand-in")
	require.Contains(t, get(t, f.Task), taskID)
	_, err = dataplane.Open(t.Context(), config(dir))
	require.ErrorContains(t, err, "in use by another process")

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	p, err := dataplane.Open(t.Context(), config(dir))
	require.NoError(t, err)
	all, err := p.Runtime().List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, f.Container, all[0].ID)
	require.Equal(t, dataplane.State("running"), all[0].State)
	again, err := connect(t.Context(), p, f.Container)
	require.NoError(t, err)
	require.Equal(t, f, again, "addresses stay the same")
	get(t, f.LoadBalancer)
	get(t, f.Task)
	requests := 0
	for l, err := range p.Runtime().Logs(t.Context(), f.Container, 0, false) {
		require.NoError(t, err)
		if strings.Contains(l.Text, "GET /") {
			requests++
		}
	}
	require.GreaterOrEqual(t, requests, 4, "the log goes on over the restart")

	shim := shimOf(t, dir, taskID)
	require.NoError(t, syscall.Kill(shim, 0), "the shim lives until the shutdown")
	require.NoError(t, p.Shutdown(context.Background()))
	left, err := filepath.Glob(filepath.Join(dir, "builtin", "tasks", "*"))
	require.NoError(t, err)
	require.Empty(t, left)
	// Everything in the task ends with its shim: the kernel sees to that.
	require.Eventually(t, func() bool { return syscall.Kill(shim, 0) != nil }, 5*time.Second, 5*time.Millisecond)
}

// shimOf returns the process that holds a task.
func shimOf(t *testing.T, dir, task string) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "builtin", "tasks", task, "shim.json"))
	require.NoError(t, err)
	var shim struct{ PID int }
	require.NoError(t, json.Unmarshal(data, &shim))
	return shim.PID
}

// TestPushAndRun pushes an image over HTTP, as ECR's clients do, and runs it
// under its ECR name; also after the registry was opened again.
func TestPushAndRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var pushed []string
	cfg := config(dir)
	cfg.Registry.Pushed = func(repository, tag, digest string) { pushed = append(pushed, repository+":"+tag) }
	cfg.Registry.RepositoryExists = func(repository string) bool { return repository == "team/app" }
	p, err := dataplane.Open(t.Context(), cfg)
	require.NoError(t, err)
	server := httptest.NewServer(p.Registry())
	defer server.Close()
	img, err := sample.Image(runtime.GOARCH)
	require.NoError(t, err)
	host := strings.TrimPrefix(server.URL, "http://")
	unknown, err := name.ParseReference(host + "/other:v1")
	require.NoError(t, err)
	require.ErrorContains(t, remote.Write(unknown, img), "does not exist in the registry")
	ref, err := name.ParseReference(host + "/team/app:v1")
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, img))
	require.Equal(t, []string{"team/app:v1"}, pushed)
	stored := p.Images().List("team/app")
	require.Len(t, stored, 1)
	require.Equal(t, []string{"v1"}, stored[0].Tags)
	require.NoError(t, p.Close())

	p, err = dataplane.Open(t.Context(), cfg)
	require.NoError(t, err)
	const known = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/app:v1"
	got, err := p.Runtime().EnsureImage(t.Context(), known, dataplane.PullAuth{})
	require.NoError(t, err)
	require.Equal(t, stored[0].Digest, got.Digest)
	require.False(t, got.StandIn)
	c, err := p.Runtime().Start(t.Context(), dataplane.ContainerSpec{TaskID: "t", Name: "job", Image: known, Command: []string{"exit=3"}})
	require.NoError(t, err)
	e, err := p.Runtime().Wait(t.Context(), c.ID)
	require.NoError(t, err)
	require.Equal(t, 3, e.Code)
	require.True(t, p.Images().Delete("team/app", "v1"))
	_, err = p.Runtime().EnsureImage(t.Context(), known, dataplane.PullAuth{})
	var ie *dataplane.ImageError
	require.ErrorAs(t, err, &ie)
	require.Equal(t, dataplane.ImageErrorKind("not-found"), ie.Kind)
	require.NoError(t, p.Shutdown(context.Background()))
}
