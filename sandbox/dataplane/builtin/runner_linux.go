package builtin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/berthdev/berth/sandbox/dataplane/engine"
	"github.com/berthdev/berth/sandbox/dataplane/image"
)

// containerID is the host user and group that containers run as when the sandbox
// runs as root. It lies above what distributions hand out.
const containerID = 1_879_000_000

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

// Runner is the engine.Runtime of this package.
type Runner struct {
	dir      string
	resolver *image.Resolver
	store    *image.Store
	owner    *owner
	cgroups  []cgroupDir
	info     engine.Info

	mu    sync.Mutex
	tasks map[string]*sync.Mutex
	// children holds the shims this process started, to be waited for.
	children sync.WaitGroup
}

var _ engine.Runtime = (*Runner)(nil)

// Open opens the runner on its directory. What this machine does not permit shows
// in Info, or, where nothing works without it, in the error of Start.
func Open(dir string, resolver *image.Resolver) (*Runner, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	r := &Runner{dir: dir, resolver: resolver, tasks: map[string]*sync.Mutex{}}
	var who *image.Owner
	if os.Geteuid() == 0 {
		r.owner = &owner{containerID, containerID}
		who = &image.Owner{UID: containerID, GID: containerID}
	}
	if err := os.MkdirAll(filepath.Join(dir, "tasks"), 0o700); err != nil {
		return nil, fmt.Errorf("built-in runner: %w", err)
	}
	if r.store, err = image.OpenStore(filepath.Join(dir, "images"), who); err != nil {
		return nil, err
	}
	r.info = engine.Info{Engine: "built-in"}
	r.cgroups, r.info.Notes = cgroupBases("berth-" + image.ShortHash(dir))
	for _, c := range r.cgroups {
		r.info.MemoryLimits = r.info.MemoryLimits || c.Kind == "v2" || c.Kind == "memory"
		r.info.CPULimits = r.info.CPULimits || c.Kind == "v2" || c.Kind == "cpu"
	}
	r.info.Notes = append(r.info.Notes, "Containers have no network outside of their task.")
	return r, r.sweep()
}

// sweep settles what a crash left half done: a container that was recorded and
// never started, and a task without containers.
func (r *Runner) sweep() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	all, err := r.List(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.State == engine.StateExited {
			continue
		}
		resp, err := r.call(ctx, c.TaskID, request{Op: "known", Name: c.Name})
		if err != nil || resp.Error == "" {
			continue
		}
		exit := exitRecord{Code: 137, Reason: "The sandbox ended before the container was started", FinishedAt: time.Now().UTC()}
		if err := writeJSON(filepath.Join(r.containerDir(c.TaskID, c.Name), exitName), exit); err != nil {
			return err
		}
	}
	tasks, err := os.ReadDir(filepath.Join(r.dir, "tasks"))
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if err := r.dropTaskIfEmpty(t.Name()); err != nil {
			return err
		}
	}
	return nil
}

// Info describes the runner.
func (r *Runner) Info() engine.Info {
	info := r.info
	info.Notes = slices.Clone(info.Notes)
	return info
}

// EnsureImage fetches and unpacks an image. A remote image is asked for each
// time, as ECS does; what was unpacked before serves when the registry is away.
func (r *Runner) EnsureImage(ctx context.Context, ref string, auth engine.PullAuth) (engine.Image, error) {
	parsed, err := image.Parse(ref)
	if err != nil {
		return engine.Image{}, err
	}
	if r.resolver.IsLocal(parsed) {
		img, err := r.resolver.Local(ctx, parsed)
		if err != nil {
			return engine.Image{}, err
		}
		return r.add(ref, parsed, img, engine.SourceSandbox)
	}
	img, err := r.resolver.Remote(ctx, parsed, auth)
	if err == nil {
		return r.add(ref, parsed, img, engine.SourceRegistry)
	}
	var ie *engine.ImageError
	if !errors.As(err, &ie) || ie.Kind != engine.ImageUnreachable {
		return engine.Image{}, err
	}
	standIn, note, ok := image.StandIn(parsed, err)
	if have, found := r.store.Find(parsed.Name()); found {
		if ok && isSame(standIn, have.Digest) {
			return engine.Image{Ref: ref, Digest: have.Digest, Source: engine.SourceStandIn, StandIn: true, Note: note}, nil
		}
		return engine.Image{Ref: ref, Digest: have.Digest, Source: engine.SourceEngine}, nil
	}
	if !ok {
		return engine.Image{}, err
	}
	out, err := r.add(ref, parsed, standIn, engine.SourceStandIn)
	out.StandIn, out.Note = true, note
	return out, err
}

func isSame(img v1.Image, digest string) bool {
	d, err := img.Digest()
	return err == nil && d.String() == digest
}

func (r *Runner) add(ref string, parsed name.Reference, img v1.Image, source engine.Source) (engine.Image, error) {
	u, err := r.store.Add(parsed.Name(), img)
	if err != nil {
		return engine.Image{}, &engine.ImageError{Kind: engine.ImageBroken, Ref: ref, Err: err}
	}
	return engine.Image{Ref: ref, Digest: u.Digest, Source: source}, nil
}

// Start runs a container in its task, making the task's network first when it is
// the task's first one.
func (r *Runner) Start(ctx context.Context, spec engine.ContainerSpec) (engine.Container, error) {
	if err := check(spec); err != nil {
		return engine.Container{}, err
	}
	parsed, err := image.Parse(spec.Image)
	if err != nil {
		return engine.Container{}, err
	}
	unpacked, ok := r.store.Find(parsed.Name())
	if !ok {
		return engine.Container{}, fmt.Errorf("image %s has not been pulled", spec.Image)
	}
	req, err := r.prepare(spec, unpacked)
	if err != nil {
		return engine.Container{}, err
	}
	lock := r.lock(spec.TaskID)
	lock.Lock()
	defer lock.Unlock()
	if _, err := os.Stat(r.containerDir(spec.TaskID, spec.Name)); err == nil {
		return engine.Container{}, fmt.Errorf("container %s exists in task %s already", spec.Name, spec.TaskID)
	}
	if err := r.ensureShim(ctx, spec.TaskID); err != nil {
		return engine.Container{}, errors.Join(err, r.dropTaskIfEmpty(spec.TaskID))
	}
	c, err := r.startIn(ctx, spec, unpacked, req)
	if err != nil {
		undo := image.RemoveTree(r.containerDir(spec.TaskID, spec.Name))
		return engine.Container{}, errors.Join(err, undo, r.dropTaskIfEmpty(spec.TaskID))
	}
	return c, nil
}

func (r *Runner) startIn(ctx context.Context, spec engine.ContainerSpec, unpacked image.Unpacked, req startRequest) (engine.Container, error) {
	dir := r.containerDir(spec.TaskID, spec.Name)
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return engine.Container{}, err
	}
	rec := record{StopSignal: spec.StopSignal, Container: engine.Container{
		ID: spec.TaskID + "." + spec.Name, TaskID: spec.TaskID, Name: spec.Name, Image: spec.Image, ImageDigest: unpacked.Digest,
		State: engine.StateRunning, StartedAt: time.Now().UTC(), Ports: spec.Ports, Labels: spec.Labels,
	}}
	if rec.StopSignal == "" {
		rec.StopSignal = unpacked.Config.StopSignal
	}
	if err := writeJSON(filepath.Join(dir, recordName), rec); err != nil {
		return engine.Container{}, err
	}
	resp, err := r.call(ctx, spec.TaskID, request{Op: "start", Name: spec.Name, Start: &req})
	if err != nil {
		return engine.Container{}, err
	}
	if resp.Command != "" {
		return engine.Container{}, &engine.StartError{Command: resp.Command, Err: errors.New(resp.Error)}
	}
	if resp.Error != "" {
		return engine.Container{}, errors.New(resp.Error)
	}
	return rec.Container, nil
}

func check(spec engine.ContainerSpec) error {
	switch {
	case spec.Privileged:
		return fmt.Errorf("container %s: privileged: %w", spec.Name, engine.ErrRefused)
	case len(spec.HostVolumes) > 0:
		return fmt.Errorf("container %s: volume %s of the host: %w", spec.Name, spec.HostVolumes[0], engine.ErrRefused)
	case !validName.MatchString(spec.TaskID):
		return fmt.Errorf("task id %q: only letters, digits, '-' and '_' are allowed", spec.TaskID)
	case !validName.MatchString(spec.Name):
		return fmt.Errorf("container name %q: only letters, digits, '-' and '_' are allowed", spec.Name)
	}
	return nil
}

// Stop sends the stop signal, waits, and kills.
func (r *Runner) Stop(ctx context.Context, id string, timeout time.Duration) error {
	rec, err := r.record(id)
	if err != nil {
		return err
	}
	if rec.Container.State == engine.StateExited {
		return nil
	}
	sig := unix.SignalNum(signalName(rec.StopSignal))
	if sig == 0 {
		sig = unix.SIGTERM
	}
	if err := r.signal(ctx, rec.Container, sig); err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err = r.Wait(patience, id)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if err := r.signal(ctx, rec.Container, unix.SIGKILL); err != nil {
		return err
	}
	_, err = r.Wait(ctx, id)
	return err
}

func signalName(s string) string {
	if s != "" && !strings.HasPrefix(s, "SIG") {
		return "SIG" + s
	}
	return s
}

func (r *Runner) signal(ctx context.Context, c engine.Container, sig syscall.Signal) error {
	resp, err := r.call(ctx, c.TaskID, request{Op: "signal", Name: c.Name, Signal: int(sig)})
	if errors.Is(err, errShimGone) {
		return nil
	}
	if err == nil && resp.Error != "" {
		err = errors.New(resp.Error)
	}
	return err
}

// Wait returns how a container ended, once it has.
func (r *Runner) Wait(ctx context.Context, id string) (engine.Exit, error) {
	rec, err := r.record(id)
	if err != nil {
		return engine.Exit{}, err
	}
	if rec.Container.State == engine.StateExited {
		return rec.Container.Exit, nil
	}
	resp, err := r.call(ctx, rec.Container.TaskID, request{Op: "wait", Name: rec.Container.Name})
	if ctx.Err() != nil {
		return engine.Exit{}, ctx.Err()
	}
	if err == nil && resp.Exit != nil {
		return resp.Exit.exit(), nil
	}
	// The shim went away, or does not know the container any more: what is on
	// disk is the truth now.
	if rec, err = r.record(id); err != nil {
		return engine.Exit{}, err
	}
	if rec.Container.State != engine.StateExited {
		return engine.Exit{}, fmt.Errorf("container %s: its end cannot be determined", id)
	}
	return rec.Container.Exit, nil
}

// Logs yields what a container wrote.
func (r *Runner) Logs(ctx context.Context, id string, offset int64, follow bool) iter.Seq2[engine.LogLine, error] {
	return func(yield func(engine.LogLine, error) bool) {
		rec, err := r.record(id)
		if err != nil {
			yield(engine.LogLine{}, err)
			return
		}
		var ended chan struct{}
		if follow {
			ctx, cancel := context.WithCancel(ctx)
			ended = make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() {
				defer close(ended)
				_, _ = r.Wait(ctx, id)
			})
			defer wg.Wait()
			defer cancel()
		}
		readLog(ctx, filepath.Join(r.containerDir(rec.Container.TaskID, rec.Container.Name), logName), offset, ended, yield)
	}
}

// List returns all containers.
func (r *Runner) List(ctx context.Context) ([]engine.Container, error) {
	files, err := filepath.Glob(filepath.Join(r.dir, "tasks", "*", "c", "*", recordName))
	if err != nil {
		return nil, err
	}
	var out []engine.Container
	for _, f := range files {
		dir := filepath.Dir(f)
		rec, err := r.record(filepath.Base(filepath.Dir(filepath.Dir(dir))) + "." + filepath.Base(dir))
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, rec.Container)
	}
	return out, nil
}

// Dial connects to a port inside a task's network.
func (r *Runner) Dial(ctx context.Context, taskID string, port int) (net.Conn, error) {
	if !validName.MatchString(taskID) {
		return nil, engine.ErrNotFound
	}
	conn, resp, err := r.dial(ctx, taskID, port)
	switch {
	case errors.Is(err, errShimGone):
		return nil, fmt.Errorf("task %s: %w", taskID, engine.ErrNotFound)
	case err != nil:
		return nil, err
	case resp.Refused:
		return nil, fmt.Errorf("task %s port %d: %w", taskID, port, engine.ErrNotListening)
	case resp.Error != "":
		return nil, fmt.Errorf("task %s port %d: %s", taskID, port, resp.Error)
	}
	return conn, nil
}

// Remove deletes a container, and its task with the last one.
func (r *Runner) Remove(ctx context.Context, id string) error {
	task, name, ok := splitID(id)
	if !ok {
		return nil
	}
	lock := r.lock(task)
	lock.Lock()
	defer lock.Unlock()
	if _, err := os.Stat(r.containerDir(task, name)); errors.Is(err, fs.ErrNotExist) {
		return r.dropTaskIfEmpty(task)
	}
	resp, err := r.call(ctx, task, request{Op: "remove", Name: name})
	if err != nil && !errors.Is(err, errShimGone) {
		return err
	}
	if resp.Error != "" {
		return errors.New(resp.Error)
	}
	if err := image.RemoveTree(r.containerDir(task, name)); err != nil {
		return err
	}
	return r.dropTaskIfEmpty(task)
}

// Shutdown removes everything.
func (r *Runner) Shutdown(ctx context.Context) error {
	all, err := r.List(ctx)
	if err != nil {
		return err
	}
	// Containers get the chance to end by themselves, all at the same time.
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, c := range all {
		wg.Go(func() {
			errs[i] = errors.Join(r.Stop(ctx, c.ID, 5*time.Second), r.Remove(context.WithoutCancel(ctx), c.ID))
		})
	}
	wg.Wait()
	for _, c := range r.cgroups {
		if err := os.Remove(c.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, r.Close())...)
}

// Close lets go of the runner; containers and their shims stay.
func (r *Runner) Close() error { return nil }
