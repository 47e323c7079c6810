// Package docker runs containers through the Docker Engine API, which Docker,
// Podman and others speak. A task's network belongs to a small holder container,
// so that its containers may come and go. Everything it makes is labelled with
// the data directory it was made for. It must not know load balancers or
// addresses of the host.
package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/berthdev/berth/sandbox/dataplane/engine"
	"github.com/berthdev/berth/sandbox/dataplane/image"
)

const (
	labelOwner  = "dev.berth.sandbox"
	labelTask   = "dev.berth.sandbox.task"
	labelName   = "dev.berth.sandbox.name"
	labelImage  = "dev.berth.sandbox.image"
	labelDigest = "dev.berth.sandbox.digest"
	labelPorts  = "dev.berth.sandbox.ports"
	// labelUser precedes the labels the caller gave.
	labelUser = "dev.berth.user."
	// holderName is the name of a task's holder; no container can be called that.
	holderName = ".holder"
)

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

// Runtime is the engine.Runtime of this package.
type Runtime struct {
	api      *client.Client
	resolver *image.Resolver
	owner    string
	podman   bool
	info     engine.Info

	mu     sync.Mutex
	tasks  map[string]*sync.Mutex
	images *imageNames
}

var _ engine.Runtime = (*Runtime)(nil)

// Open connects to the engine at host, or at the first of the usual places that
// answers when host is empty.
func Open(ctx context.Context, dir, host string, resolver *image.Resolver) (*Runtime, error) {
	api, err := connect(ctx, host)
	if err != nil {
		return nil, err
	}
	r := &Runtime{api: api, resolver: resolver, tasks: map[string]*sync.Mutex{}}
	if err := r.open(ctx, dir); err != nil {
		return nil, errors.Join(err, api.Close())
	}
	return r, nil
}

func (r *Runtime) open(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	r.owner = image.ShortHash(dir)
	if r.images, err = openImageNames(filepath.Join(dir, "images.json")); err != nil {
		return err
	}
	version, err := r.api.ServerVersion(ctx)
	if err != nil {
		return fmt.Errorf("container engine: %w", err)
	}
	for _, c := range version.Components {
		r.podman = r.podman || strings.Contains(c.Name, "Podman")
	}
	facts, err := r.api.Info(ctx)
	if err != nil {
		return fmt.Errorf("container engine: %w", err)
	}
	r.info = engine.Info{Engine: "docker", Version: version.Version, MemoryLimits: facts.MemoryLimit, CPULimits: facts.CPUCfsQuota}
	if facts.OSType != "" && facts.OSType != "linux" {
		return fmt.Errorf("container engine: it runs %s containers, and the sandbox needs linux ones", facts.OSType)
	}
	if !facts.MemoryLimit {
		r.info.Notes = append(r.info.Notes, "The memory size of tasks is not enforced: the container engine cannot limit it.")
	}
	return r.sweep(ctx)
}

// sweep removes what a crash left half done: containers that were made and never
// started, and holders of tasks without containers.
func (r *Runtime) sweep(ctx context.Context) error {
	all, err := r.list(ctx, labelOwner+"="+r.owner)
	if err != nil {
		return fmt.Errorf("container engine: %w", err)
	}
	tasks := map[string]bool{}
	for _, c := range all {
		tasks[c.Labels[labelTask]] = true
		if c.State != "created" {
			continue
		}
		if err := r.api.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil && !cerrdefs.IsNotFound(err) {
			return err
		}
	}
	for task := range tasks {
		if err := r.dropTaskIfEmpty(ctx, task); err != nil {
			return err
		}
	}
	return nil
}

// connect finds an engine that answers.
func connect(ctx context.Context, host string) (*client.Client, error) {
	hosts := []string{host}
	if host == "" {
		hosts = candidates()
	}
	var errs []error
	for _, h := range hosts {
		api, err := client.NewClientWithOpts(client.WithHost(h), client.WithAPIVersionNegotiation())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ping, cancel := context.WithTimeout(ctx, 2*time.Second)
		_, err = api.Ping(ping)
		cancel()
		if err == nil {
			return api, nil
		}
		errs = append(errs, err, api.Close())
	}
	return nil, fmt.Errorf("no container engine answers: %w", errors.Join(errs...))
}

func candidates() []string {
	if h := os.Getenv("DOCKER_HOST"); h != "" {
		return []string{h}
	}
	var out []string
	for _, s := range []string{
		"/var/run/docker.sock", filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "docker.sock"),
		filepath.Join(os.Getenv("HOME"), ".docker/run/docker.sock"),
		filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "podman/podman.sock"), "/run/podman/podman.sock",
	} {
		if _, err := os.Stat(s); err == nil && filepath.IsAbs(s) {
			out = append(out, "unix://"+s)
		}
	}
	return out
}

// Info describes the engine.
func (r *Runtime) Info() engine.Info {
	info := r.info
	info.Notes = slices.Clone(info.Notes)
	return info
}

// Close lets go of the engine; containers stay.
func (r *Runtime) Close() error { return r.api.Close() }

func (r *Runtime) lock(task string) *sync.Mutex {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.tasks[task]
	if !ok {
		l = &sync.Mutex{}
		r.tasks[task] = l
	}
	return l
}
