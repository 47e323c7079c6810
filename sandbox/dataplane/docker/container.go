package docker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/go-connections/nat"
	"github.com/docker/go-units"

	"github.com/berthdev/berth/sandbox/dataplane/engine"
)

// Start creates and starts a container in its task's network.
func (r *Runtime) Start(ctx context.Context, spec engine.ContainerSpec) (engine.Container, error) {
	switch {
	case spec.Privileged:
		return engine.Container{}, fmt.Errorf("container %s: privileged: %w", spec.Name, engine.ErrRefused)
	case len(spec.HostVolumes) > 0:
		return engine.Container{}, fmt.Errorf("container %s: volume %s of the host: %w", spec.Name, spec.HostVolumes[0], engine.ErrRefused)
	case !validName.MatchString(spec.TaskID):
		return engine.Container{}, fmt.Errorf("task id %q: only letters, digits, '-' and '_' are allowed", spec.TaskID)
	case !validName.MatchString(spec.Name):
		return engine.Container{}, fmt.Errorf("container name %q: only letters, digits, '-' and '_' are allowed", spec.Name)
	}
	lock := r.lock(spec.TaskID)
	lock.Lock()
	defer lock.Unlock()
	holder, err := r.ensureHolder(ctx, spec)
	if err != nil {
		return engine.Container{}, fmt.Errorf("network of task %s: %w", spec.TaskID, err)
	}
	c, err := r.startIn(ctx, holder, spec)
	if err != nil {
		return engine.Container{}, errors.Join(err, r.dropTaskIfEmpty(context.WithoutCancel(ctx), spec.TaskID))
	}
	return c, nil
}

func (r *Runtime) startIn(ctx context.Context, holder string, spec engine.ContainerSpec) (engine.Container, error) {
	known := r.images.get(spec.Image)
	img, err := r.api.ImageInspect(ctx, known)
	if err != nil {
		return engine.Container{}, fmt.Errorf("image %s has not been pulled: %w", spec.Image, err)
	}
	cfg := &container.Config{
		Image: known, Entrypoint: spec.Entrypoint, Cmd: spec.Command, WorkingDir: spec.WorkingDir, User: spec.User,
		StopSignal: spec.StopSignal, Labels: r.labels(spec, img.ID), Env: []string{engine.TaskIDVariable + "=" + spec.TaskID},
	}
	for k, v := range spec.Env {
		cfg.Env = append(cfg.Env, k+"="+v)
	}
	slices.Sort(cfg.Env[1:])
	host := r.hostConfig()
	host.NetworkMode = container.NetworkMode("container:" + holder)
	host.ReadonlyRootfs = spec.ReadonlyRootfs
	if r.info.MemoryLimits {
		host.Memory = int64(spec.MemoryMiB) << 20
	}
	if r.info.CPULimits {
		host.NanoCPUs = int64(spec.CPUUnits) * 1e9 / 1024
	}
	made, err := r.api.ContainerCreate(ctx, cfg, host, nil, nil, r.name(spec.TaskID, spec.Name))
	if err != nil {
		return engine.Container{}, commandError(spec, err)
	}
	if err := r.api.ContainerStart(ctx, made.ID, container.StartOptions{}); err != nil {
		gone := r.api.ContainerRemove(context.WithoutCancel(ctx), made.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		return engine.Container{}, errors.Join(commandError(spec, err), gone)
	}
	return r.inspect(ctx, made.ID)
}

// commandError finds out from the engine's words whether it was the command that
// could not be executed: the interface has no other sign.
func commandError(spec engine.ContainerSpec, err error) error {
	text := err.Error()
	for _, sign := range []string{"exec:", "executable file", "no such file or directory", "permission denied"} {
		if strings.Contains(text, sign) {
			return &engine.StartError{Command: strings.Join(engine.Command(spec, nil, nil), " "), Err: err}
		}
	}
	return err
}

// hostConfig is what every container gets: the capabilities that usual images
// need at their start, and no way to more.
func (r *Runtime) hostConfig() *container.HostConfig {
	h := &container.HostConfig{
		CapDrop:     []string{"ALL"},
		CapAdd:      []string{"CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"},
		SecurityOpt: []string{"no-new-privileges"},
		LogConfig:   container.LogConfig{Type: "json-file"},
	}
	if r.podman {
		// Podman wants to raise limits, which it may not everywhere.
		h.Ulimits = []*units.Ulimit{{Name: "nofile", Soft: 1024, Hard: 4096}, {Name: "nproc", Soft: 2048, Hard: 2048}}
	}
	return h
}

func (r *Runtime) labels(spec engine.ContainerSpec, digest string) map[string]string {
	var ports []string
	for _, p := range spec.Ports {
		ports = append(ports, strconv.Itoa(p.Number)+"/"+p.Protocol)
	}
	l := map[string]string{labelOwner: r.owner, labelTask: spec.TaskID, labelName: spec.Name, labelImage: spec.Image,
		labelDigest: digest, labelPorts: strings.Join(ports, ",")}
	for k, v := range spec.Labels {
		l[labelUser+k] = v
	}
	return l
}

func (r *Runtime) name(task, name string) string { return "berth-" + r.owner + "-" + task + "-" + name }

// ensureHolder returns the container whose network the task shares.
func (r *Runtime) ensureHolder(ctx context.Context, spec engine.ContainerSpec) (string, error) {
	id := r.name(spec.TaskID, holderName[1:]+".0")
	if have, err := r.api.ContainerInspect(ctx, id); err == nil {
		if have.State.Running {
			return have.ID, nil
		}
		if err := r.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true}); err != nil {
			return "", err
		}
	}
	img, err := r.holderImage(ctx)
	if err != nil {
		return "", err
	}
	hostname := spec.Hostname
	if hostname == "" {
		hostname = spec.TaskID
	}
	cfg := &container.Config{Image: img, Cmd: []string{"pause=1"}, Hostname: hostname[:min(len(hostname), 63)],
		Labels: map[string]string{labelOwner: r.owner, labelTask: spec.TaskID, labelName: holderName}, ExposedPorts: nat.PortSet{}}
	host := r.hostConfig()
	host.CapAdd = nil
	host.Sysctls = map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"}
	host.PortBindings = nat.PortMap{}
	for _, p := range append(slices.Clone(spec.Ports), spec.TaskPorts...) {
		port := nat.Port(strconv.Itoa(p.Number) + "/" + max(p.Protocol, "tcp"))
		cfg.ExposedPorts[port] = struct{}{}
		host.PortBindings[port] = []nat.PortBinding{{HostIP: "127.0.0.1"}}
	}
	return r.startHolder(ctx, id, cfg, host)
}

// startHolder starts a holder on the engine's default network, or where that
// cannot be had, with the network of the task alone.
func (r *Runtime) startHolder(ctx context.Context, name string, cfg *container.Config, host *container.HostConfig) (string, error) {
	var first error
	for _, mode := range []container.NetworkMode{"bridge", "none"} {
		host.NetworkMode = mode
		if mode == "none" {
			host.PortBindings, cfg.ExposedPorts = nil, nil
		}
		made, err := r.api.ContainerCreate(ctx, cfg, host, nil, nil, name)
		if err == nil {
			if err = r.api.ContainerStart(ctx, made.ID, container.StartOptions{}); err == nil {
				return made.ID, nil
			}
			err = errors.Join(err, r.api.ContainerRemove(context.WithoutCancel(ctx), made.ID, container.RemoveOptions{Force: true}))
		}
		if ctx.Err() != nil {
			return "", err
		}
		first = errors.Join(first, err)
	}
	return "", first
}

// Stop sends the stop signal, waits, and kills.
func (r *Runtime) Stop(ctx context.Context, id string, timeout time.Duration) error {
	seconds := int((timeout + time.Second - 1) / time.Second)
	err := r.api.ContainerStop(ctx, id, container.StopOptions{Timeout: &seconds})
	if err != nil {
		return notFound(id, err)
	}
	_, err = r.Wait(ctx, id)
	return err
}

// Wait returns how a container ended, once it has.
func (r *Runtime) Wait(ctx context.Context, id string) (engine.Exit, error) {
	done, errs := r.api.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case <-done:
	case err := <-errs:
		return engine.Exit{}, notFound(id, err)
	}
	c, err := r.inspect(ctx, id)
	return c.Exit, err
}

func notFound(id string, err error) error {
	if cerrdefs.IsNotFound(err) {
		return fmt.Errorf("%s: %w", id, engine.ErrNotFound)
	}
	return err
}

// List returns all containers of this data directory.
func (r *Runtime) List(ctx context.Context) ([]engine.Container, error) {
	found, err := r.list(ctx, labelOwner+"="+r.owner)
	if err != nil {
		return nil, err
	}
	var out []engine.Container
	for _, s := range found {
		if s.Labels[labelName] == holderName {
			continue
		}
		c, err := r.inspect(ctx, s.ID)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func (r *Runtime) list(ctx context.Context, labels ...string) ([]container.Summary, error) {
	f := filters.NewArgs()
	for _, l := range labels {
		f.Add("label", l)
	}
	return r.api.ContainerList(ctx, container.ListOptions{All: true, Filters: f})
}

func (r *Runtime) inspect(ctx context.Context, id string) (engine.Container, error) {
	in, err := r.api.ContainerInspect(ctx, id)
	if err != nil {
		return engine.Container{}, notFound(id, err)
	}
	l := in.Config.Labels
	c := engine.Container{ID: in.ID, TaskID: l[labelTask], Name: l[labelName], Image: l[labelImage], ImageDigest: l[labelDigest],
		State: engine.StateRunning, Labels: map[string]string{}}
	for k, v := range l {
		if k, ok := strings.CutPrefix(k, labelUser); ok {
			c.Labels[k] = v
		}
	}
	for p := range strings.SplitSeq(l[labelPorts], ",") {
		number, protocol, _ := strings.Cut(p, "/")
		if n, err := strconv.Atoi(number); err == nil {
			c.Ports = append(c.Ports, engine.Port{Number: n, Protocol: protocol})
		}
	}
	c.StartedAt, _ = time.Parse(time.RFC3339Nano, in.State.StartedAt)
	if in.State.Running || in.State.Status == "created" {
		return c, nil
	}
	c.State = engine.StateExited
	c.Exit = engine.Exit{Code: in.State.ExitCode, OOMKilled: in.State.OOMKilled, Reason: in.State.Error}
	if c.Exit.OOMKilled {
		c.Exit.Reason = "OutOfMemoryError: Container killed due to memory usage"
	}
	c.Exit.FinishedAt, _ = time.Parse(time.RFC3339Nano, in.State.FinishedAt)
	return c, nil
}

// Remove deletes a container, and its task's network with the last one.
func (r *Runtime) Remove(ctx context.Context, id string) error {
	in, err := r.api.ContainerInspect(ctx, id)
	if cerrdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	task := in.Config.Labels[labelTask]
	if in.Config.Labels[labelOwner] != r.owner {
		return fmt.Errorf("container %s is not the sandbox's", id)
	}
	lock := r.lock(task)
	lock.Lock()
	defer lock.Unlock()
	err = r.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return err
	}
	return r.dropTaskIfEmpty(ctx, task)
}

// dropTaskIfEmpty removes the holder of a task without containers; the caller
// holds the task's lock.
func (r *Runtime) dropTaskIfEmpty(ctx context.Context, task string) error {
	left, err := r.list(ctx, labelOwner+"="+r.owner, labelTask+"="+task)
	if err != nil {
		return err
	}
	for _, s := range left {
		if s.Labels[labelName] != holderName {
			return nil
		}
	}
	for _, s := range left {
		err := r.api.ContainerRemove(ctx, s.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !cerrdefs.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// Shutdown removes everything.
func (r *Runtime) Shutdown(ctx context.Context) error {
	all, err := r.List(ctx)
	if err != nil {
		return err
	}
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() {
			errs[i] = errors.Join(r.Stop(ctx, c.ID, 5*time.Second), r.Remove(context.WithoutCancel(ctx), c.ID))
		})
	}
	wg.Wait()
	return errors.Join(append(errs, r.Close())...)
}

// Dial connects to a port in a task's network: at its address, through a
// published port where the address is not reachable from here, or inside the
// network itself.
func (r *Runtime) Dial(ctx context.Context, taskID string, port int) (net.Conn, error) {
	in, err := r.api.ContainerInspect(ctx, r.name(taskID, holderName[1:]+".0"))
	if err != nil {
		return nil, notFound("task "+taskID, err)
	}
	var ip string
	for _, n := range in.NetworkSettings.Networks {
		ip = max(ip, n.IPAddress)
	}
	var d net.Dialer
	if ip == "" {
		conn, err := dialInside(ctx, in.State.Pid, port)
		return conn, refused(taskID, port, err)
	}
	direct := d
	direct.Timeout = 2 * time.Second
	conn, err := direct.DialContext(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
	if err == nil || isRefused(err) {
		return conn, refused(taskID, port, err)
	}
	for _, b := range in.NetworkSettings.Ports[nat.Port(strconv.Itoa(port)+"/tcp")] {
		if conn, perr := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", b.HostPort)); perr == nil {
			return conn, nil
		}
	}
	return nil, err
}

func refused(task string, port int, err error) error {
	if isRefused(err) {
		return fmt.Errorf("task %s port %d: %w", task, port, engine.ErrNotListening)
	}
	return err
}

// Logs yields what a container wrote. The engine counts no bytes, so offsets are
// numbers of lines.
func (r *Runtime) Logs(ctx context.Context, id string, offset int64, follow bool) iter.Seq2[engine.LogLine, error] {
	return func(yield func(engine.LogLine, error) bool) {
		body, err := r.api.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: follow})
		if err != nil {
			yield(engine.LogLine{}, notFound(id, err))
			return
		}
		defer body.Close()
		n := int64(0)
		for l, err := range readLines(body) {
			if n++; err == nil && n <= offset {
				continue
			}
			l.Next = n
			if !yield(l, err) || err != nil {
				return
			}
		}
	}
}
