// Package conformance is the one test suite that every engine.Runtime passes. It
// sees a runtime from outside only, and must not know which one it is.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox/dataplane/engine"
	"github.com/berthdev/berth/sandbox/dataplane/image"
	"github.com/berthdev/berth/sandbox/dataplane/sample"
)

// Host is the name of the registry that Setup fills; Image is the sample in it.
const (
	Host  = "registry.sandbox.test"
	Image = Host + "/sample:v1"
)

// Resolver makes a resolver over a new registry in dir that holds Image.
func Resolver(t *testing.T, dir string) *image.Resolver {
	t.Helper()
	reg, err := image.OpenRegistry(filepath.Join(dir, "registry"), image.Hooks{})
	require.NoError(t, err)
	img, err := sample.Image(runtime.GOARCH)
	require.NoError(t, err)
	ref, err := name.ParseReference(Image, name.Insecure)
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, img, remote.WithTransport(reg.Transport())))
	return image.NewResolver(reg, []string{Host}, true)
}

// Open opens the runtime under test on a new directory, or on the same one again.
type Open func(t *testing.T) engine.Runtime

// Abilities are what one runtime promises beyond the others.
type Abilities struct {
	// NoCapabilities: containers have none at all.
	NoCapabilities bool
	// TellsOutOfMemory: Exit.OOMKilled can be relied on. Podman sees it only with
	// version 2 control groups.
	TellsOutOfMemory bool
}

// Run runs the suite. The runtime is shut down at the end and must then be empty.
func Run(t *testing.T, can Abilities, open Open) {
	rt := open(t)
	img, err := rt.EnsureImage(t.Context(), Image, engine.PullAuth{})
	require.NoError(t, err)
	require.Equal(t, engine.SourceSandbox, img.Source)
	require.False(t, img.StandIn)
	t.Run("cases", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, engine.Runtime){
			"serves": serves, "logs": logs, "exit code": exitCode, "out of memory": func(t *testing.T, rt engine.Runtime) { outOfMemory(t, rt, can) }, "localhost": localhost,
			"stop": stop, "stop kills": stopKills, "refused": refused, "command not found": commandNotFound,
			"images": images, "confined": func(t *testing.T, rt engine.Runtime) { confined(t, rt, can) }, "isolated": isolated, "user": user, "stand-in": standIn,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, rt)
			})
		}
	})
	t.Run("restart", func(t *testing.T) { rt = restart(t, rt, open) })
	require.NoError(t, rt.Shutdown(context.Background()))
}

// Spec is a container of a task named after the test.
func Spec(t *testing.T, name string, args ...string) engine.ContainerSpec {
	task := strings.NewReplacer("/", "-", " ", "-", "#", "-").Replace(t.Name())
	return engine.ContainerSpec{TaskID: task, Name: name, Image: Image, Command: args, Ports: []engine.Port{{Number: 80}}}
}

func start(t *testing.T, rt engine.Runtime, spec engine.ContainerSpec) engine.Container {
	t.Helper()
	c, err := rt.Start(t.Context(), spec)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, rt.Remove(context.Background(), c.ID)) })
	return c
}

func wait(t *testing.T, rt engine.Runtime, id string) engine.Exit {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	e, err := rt.Wait(ctx, id)
	require.NoError(t, err)
	return e
}

// Get asks a task's server for a path, waiting until it listens.
func Get(t *testing.T, rt engine.Runtime, task string, port int, path string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return rt.Dial(ctx, task, port)
	}}}
	var body string
	require.Eventually(t, func() bool {
		resp, err := client.Get(fmt.Sprintf("http://task%s", path))
		if err != nil {
			t.Log(err)
			return false
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		body = string(data)
		return err == nil && resp.StatusCode == http.StatusOK
	}, 20*time.Second, 50*time.Millisecond)
	return body
}

func lines(t *testing.T, rt engine.Runtime, id string, offset int64, follow bool) (out []engine.LogLine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for l, err := range rt.Logs(ctx, id, offset, follow) {
		require.NoError(t, err)
		out = append(out, l)
	}
	return out
}

func output(t *testing.T, rt engine.Runtime, id string) string {
	t.Helper()
	var b strings.Builder
	for _, l := range lines(t, rt, id, 0, true) {
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}

func serves(t *testing.T, rt engine.Runtime) {
	spec := Spec(t, "web")
	c := start(t, rt, spec)
	require.Contains(t, Get(t, rt, spec.TaskID, 80, "/hello"), spec.TaskID)
	all, err := rt.List(t.Context())
	require.NoError(t, err)
	for _, one := range all {
		if one.ID == c.ID {
			require.Equal(t, engine.StateRunning, one.State)
			require.Equal(t, "web", one.Name)
			require.Equal(t, spec.TaskID, one.TaskID)
			require.Equal(t, Image, one.Image)
			return
		}
	}
	t.Fatalf("container %s is not listed", c.ID)
}

func logs(t *testing.T, rt engine.Runtime) {
	c := start(t, rt, Spec(t, "job", "print=one", "err=two", "print=three", "exit=0"))
	all := lines(t, rt, c.ID, 0, true)
	require.Len(t, all, 3)
	streams := map[string]string{}
	for _, l := range all {
		streams[l.Text] = l.Stream
		require.WithinDuration(t, time.Now(), l.Time, time.Minute)
	}
	require.Equal(t, map[string]string{"one": "stdout", "two": "stderr", "three": "stdout"}, streams)
	for i, l := range all {
		rest := lines(t, rt, c.ID, l.Next, false)
		require.Equal(t, all[i+1:], append([]engine.LogLine{}, rest...))
	}
}

func exitCode(t *testing.T, rt engine.Runtime) {
	c := start(t, rt, Spec(t, "job", "exit=7"))
	e := wait(t, rt, c.ID)
	require.Equal(t, 7, e.Code)
	require.False(t, e.OOMKilled)
	require.WithinDuration(t, time.Now(), e.FinishedAt, time.Minute)
}

func outOfMemory(t *testing.T, rt engine.Runtime, can Abilities) {
	if !rt.Info().MemoryLimits {
		t.Skip("memory is not limited on this machine")
	}
	spec := Spec(t, "greedy", "memory=200", "exit=0")
	spec.MemoryMiB = 32
	e := wait(t, rt, start(t, rt, spec).ID)
	if can.TellsOutOfMemory {
		require.True(t, e.OOMKilled)
	}
	require.Equal(t, 137, e.Code)
}

func localhost(t *testing.T, rt engine.Runtime) {
	server := Spec(t, "server", "port=8080")
	start(t, rt, server)
	client := start(t, rt, Spec(t, "client", "get=8080", "exit=0"))
	require.Contains(t, output(t, rt, client.ID), "neighbour: HTTP/1.1 200 OK")
}

func stop(t *testing.T, rt engine.Runtime) {
	c := start(t, rt, Spec(t, "web"))
	Get(t, rt, c.TaskID, 80, "/")
	require.NoError(t, rt.Stop(t.Context(), c.ID, 20*time.Second))
	require.Equal(t, 0, wait(t, rt, c.ID).Code)
	require.Contains(t, output(t, rt, c.ID), "stopping: SIGTERM")
	require.NoError(t, rt.Stop(t.Context(), c.ID, time.Second))
}

func stopKills(t *testing.T, rt engine.Runtime) {
	c := start(t, rt, Spec(t, "web", "ignore-term=1"))
	Get(t, rt, c.TaskID, 80, "/")
	require.NoError(t, rt.Stop(t.Context(), c.ID, time.Second))
	require.Equal(t, 137, wait(t, rt, c.ID).Code)
}

func refused(t *testing.T, rt engine.Runtime) {
	spec := Spec(t, "web")
	spec.Privileged = true
	_, err := rt.Start(t.Context(), spec)
	require.ErrorIs(t, err, engine.ErrRefused)
	spec = Spec(t, "web")
	spec.HostVolumes = []string{"/"}
	_, err = rt.Start(t.Context(), spec)
	require.ErrorIs(t, err, engine.ErrRefused)
	_, err = rt.Dial(t.Context(), spec.TaskID, 80)
	require.Error(t, err)
}

func commandNotFound(t *testing.T, rt engine.Runtime) {
	spec := Spec(t, "web")
	spec.Entrypoint = []string{"/no-such-program"}
	_, err := rt.Start(t.Context(), spec)
	var se *engine.StartError
	require.ErrorAs(t, err, &se)
	require.Contains(t, err.Error(), "/no-such-program")
	all, err := rt.List(t.Context())
	require.NoError(t, err)
	for _, c := range all {
		require.NotEqual(t, spec.TaskID, c.TaskID)
	}
}

func images(t *testing.T, rt engine.Runtime) {
	for ref, kind := range map[string]engine.ImageErrorKind{
		"Not A Reference":                  engine.ImageInvalid,
		Host + "/sample:no-such-tag":       engine.ImageNotFound,
		Host + "/no-such-repository:v1":    engine.ImageNotFound,
		"registry.example.invalid/some:v1": engine.ImageUnreachable,
	} {
		_, err := rt.EnsureImage(t.Context(), ref, engine.PullAuth{})
		var ie *engine.ImageError
		require.True(t, errors.As(err, &ie), "%s: %v", ref, err)
		require.Equal(t, kind, ie.Kind, "%s: %v", ref, err)
	}
}

func standIn(t *testing.T, rt engine.Runtime) {
	for range 2 {
		img, err := rt.EnsureImage(t.Context(), sample.Ref, engine.PullAuth{})
		require.NoError(t, err)
		require.True(t, img.StandIn)
		require.Contains(t, img.Note, "stand-in")
	}
	spec := Spec(t, "web")
	spec.Image = sample.Ref
	start(t, rt, spec)
	require.Contains(t, Get(t, rt, spec.TaskID, 80, "/"), "It works: this is Berth's stand-in for the Amazon ECS sample")
}

// confined: what a container may do is what an unprivileged process may do.
func confined(t *testing.T, rt engine.Runtime, can Abilities) {
	c := start(t, rt, Spec(t, "job", "show=/proc/self/status", "write=/tmp/file", "exit=0"))
	out := output(t, rt, c.ID)
	if can.NoCapabilities {
		require.Contains(t, out, "CapEff:\t0000000000000000")
		require.Contains(t, out, "CapBnd:\t0000000000000000")
	}
	require.Contains(t, out, "NoNewPrivs:\t1")
	require.Contains(t, out, "Seccomp:\t2")
	require.Contains(t, out, "wrote /tmp/file")
	spec := Spec(t, "readonly", "write=/etc/file", "exit=0")
	spec.ReadonlyRootfs = true
	require.Contains(t, output(t, rt, start(t, rt, spec).ID), "cannot write /etc/file")
}

// isolated: two containers of one image share nothing they write, and a task's
// ports are its own.
func isolated(t *testing.T, rt engine.Runtime) {
	a := start(t, rt, Spec(t, "a", "write=/tmp/only-a", "exit=0"))
	require.Contains(t, output(t, rt, a.ID), "wrote /tmp/only-a")
	b := Spec(t, "b", "show=/tmp/only-a", "show=/etc/passwd", "exit=0")
	b.TaskID += "-other"
	out := output(t, rt, start(t, rt, b).ID)
	require.Contains(t, out, "cannot open /tmp/only-a")
	require.Contains(t, out, "web:x:101:101")
	_, err := rt.Dial(t.Context(), a.TaskID, 80)
	require.ErrorIs(t, err, engine.ErrNotListening)
}

func user(t *testing.T, rt engine.Runtime) {
	spec := Spec(t, "web", "show=/proc/self/status")
	spec.User = "web"
	c := start(t, rt, spec)
	Get(t, rt, spec.TaskID, 80, "/") // port 80 without privileges
	require.NoError(t, rt.Stop(t.Context(), c.ID, 5*time.Second))
	require.Contains(t, output(t, rt, c.ID), "Uid:\t101\t101\t101\t101")
}

// restart: a runtime opened again finds what runs, its log, and how it ends.
func restart(t *testing.T, rt engine.Runtime, open Open) engine.Runtime {
	spec := Spec(t, "web", "print=before")
	spec.Labels = map[string]string{"service": "one"}
	c, err := rt.Start(t.Context(), spec)
	require.NoError(t, err)
	Get(t, rt, spec.TaskID, 80, "/first")
	require.NoError(t, rt.Close())

	rt = open(t)
	all, err := rt.List(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, c.ID, all[0].ID)
	require.Equal(t, engine.StateRunning, all[0].State)
	require.Equal(t, "one", all[0].Labels["service"])
	Get(t, rt, spec.TaskID, 80, "/second")
	require.NoError(t, rt.Stop(t.Context(), c.ID, 5*time.Second))
	out := output(t, rt, c.ID)
	for _, want := range []string{"before", "/first", "/second"} {
		require.Contains(t, out, want)
	}
	return rt
}
