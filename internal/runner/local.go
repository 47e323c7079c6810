package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/berthdev/berth/internal/fault"
)

// Defaults of Timeouts.
const (
	defaultStep  = 2 * time.Hour
	defaultGrace = 5 * time.Minute
)

// New checks cfg, makes the directories and returns a Local.
func New(cfg Config) (*Local, error) {
	for name, dir := range map[string]*string{"Dir": &cfg.Dir, "LockDir": &cfg.LockDir, "CacheDir": &cfg.CacheDir} {
		if !filepath.IsAbs(*dir) {
			return nil, invalid("runner_dir_invalid", fmt.Sprintf("runner %s %q: an absolute path is needed", name, *dir))
		}
		if err := os.MkdirAll(*dir, 0o700); err != nil {
			return nil, fmt.Errorf("making runner %s: %w", name, err)
		}
		// Hidden and kept paths are compared as text, so links are resolved once, here.
		real, err := filepath.EvalSymlinks(*dir)
		if err != nil {
			return nil, fmt.Errorf("resolving runner %s: %w", name, err)
		}
		*dir = real
	}
	cfg.Hide = resolveAll(cfg.Hide)
	cfg.Expose = resolveAll(cfg.Expose)
	if cfg.Exe == "" {
		// The file may have been replaced by an upgrade; this still is the running program.
		cfg.Exe = "/proc/self/exe"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Local{cfg: cfg}, nil
}

// resolveAll resolves links and leaves out what does not exist.
func resolveAll(paths []string) []string {
	var out []string
	for _, p := range paths {
		if real, err := filepath.EvalSymlinks(p); err == nil {
			out = append(out, real)
		}
	}
	return out
}

// Start starts a supervisor for spec and returns once it holds the resource's lock and has written its first record.
// The step runs on when ctx ends or the process dies. When the lock is held, the error is a conflict with the code
// "resource_locked" that names the holder. Start on an attempt that exists already is a conflict ("attempt_exists"):
// adopt it.
func (l *Local) Start(ctx context.Context, spec Spec) (*Handle, error) {
	dir, err := l.checkSpec(&spec)
	if err != nil {
		return nil, err
	}
	if err := dir.make(); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, conflict("attempt_exists", fmt.Sprintf("attempt %d of step %s was started already", spec.Attempt, spec.StepID))
		}
		return nil, fmt.Errorf("making the step's directory: %w", err)
	}
	if err := l.launch(ctx, dir, spec); err != nil {
		if ctx.Err() != nil {
			return nil, err // it may be starting all the same; Adopt tells
		}
		// A supervisor that did not come to its first record has done nothing.
		if _, serr := os.Stat(dir.path(fileRecords)); errors.Is(serr, fs.ErrNotExist) {
			err = errors.Join(err, os.RemoveAll(string(dir)))
		}
		return nil, unwrapSingle(err)
	}
	return &Handle{l: l, dir: dir}, nil
}

// unwrapSingle keeps a lone error as it is, so that its kind is seen.
func unwrapSingle(err error) error {
	if f, ok := fault.As(err); ok {
		return f
	}
	return err
}

func (l *Local) checkSpec(spec *Spec) (attemptDir, error) {
	dir, err := l.attemptDir(spec.StepID, spec.Attempt)
	if err != nil {
		return "", err
	}
	switch {
	case !validID.MatchString(spec.ResourceID):
		return "", invalid("resource_id_invalid", fmt.Sprintf("resource id %q: use letters, digits, - and _", spec.ResourceID))
	case len(spec.DataKey) != 32:
		return "", invalid("data_key_invalid", fmt.Sprintf("data key: %d bytes, 32 are needed", len(spec.DataKey)))
	case spec.Action != ActionApply && spec.Action != ActionDestroy && spec.Action != ActionPlan:
		return "", invalid("action_invalid", fmt.Sprintf("action %q: use apply, destroy or plan", spec.Action))
	case spec.Bundle.Path == "" || spec.Bundle.Digest == "":
		return "", invalid("bundle_missing", "bundle: a path and a digest are needed")
	case !filepath.IsAbs(spec.Tool.Path):
		return "", invalid("tool_missing", fmt.Sprintf("tool path %q: an absolute path is needed", spec.Tool.Path))
	}
	if spec.Backend == "" {
		spec.Backend = BackendSystem
	}
	if spec.Tool.Kind == "" {
		spec.Tool.Kind = ToolTofu
	}
	t := &spec.Timeouts
	if t.Step <= 0 {
		t.Step = defaultStep
	}
	if t.Grace <= 0 {
		t.Grace = defaultGrace
	}
	if spec.Fence != nil {
		f := *spec.Fence
		if f.Lease <= 0 {
			return "", invalid("lease_invalid", "fence: the lease must be longer than nothing")
		}
		if f.Margin <= 0 {
			f.Margin = f.Lease / 10
		}
		spec.Fence = &f
	}
	return dir, nil
}

// launch starts the supervisor, hands it the order and waits for its answer.
func (l *Local) launch(ctx context.Context, dir attemptDir, spec Spec) error {
	body, err := json.Marshal(order{Spec: spec, Dir: string(dir), LockDir: l.cfg.LockDir, CacheDir: l.cfg.CacheDir,
		Hide: l.cfg.Hide, Expose: l.cfg.Expose, Path: l.cfg.Path, Env: l.cfg.Env})
	if err != nil {
		return fmt.Errorf("encoding the step: %w", err)
	}
	answer, err := l.spawn(dir, body, os.Geteuid() != 0 && len(l.cfg.Hide) > 0)
	if err != nil {
		return unavailable("supervisor_failed", "the step's supervisor could not be started", err)
	}
	defer answer.Close()
	stop := context.AfterFunc(ctx, func() { _ = answer.SetReadDeadline(time.Now()) })
	defer stop()
	line, err := io.ReadAll(io.LimitReader(answer, 64<<10))
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err() // it goes on without us; Adopt finds it
		}
		return err
	}
	r, err := parseReply(line)
	if err != nil {
		detail, _ := os.ReadFile(dir.path(fileStderr))
		return unavailable("supervisor_failed", "the step's supervisor ended before it was ready", errors.Join(err, errors.New(string(detail))))
	}
	return r.err()
}

// spawn starts the supervisor process, detached from this one in every way, and returns where its answer comes. As an
// ordinary user it starts in a user namespace, where it may hide directories; machines that forbid that get none.
func (l *Local) spawn(dir attemptDir, body []byte, userNS bool) (*os.File, error) {
	stderr, err := os.OpenFile(dir.path(fileStderr), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()
	inR, inW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer inR.Close()
	defer inW.Close()
	ansR, ansW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer ansW.Close()
	cmd := &exec.Cmd{
		Path: l.cfg.Exe, Args: []string{supervisorName, string(dir)}, Dir: "/",
		Env:   []string{"PATH=" + defaultPath, "LANG=C.UTF-8", "GOMAXPROCS=2"},
		Stdin: inR, Stderr: stderr, ExtraFiles: []*os.File{ansW},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	for k, v := range l.cfg.Env {
		cmd.Env = append(cmd.Env, k+"="+v) // Finders go through the same proxies
	}
	if userNS {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		// Without this the kernel drops all capabilities at exec, because the user is not root in there either.
		cmd.SysProcAttr.AmbientCaps = []uintptr{capSysAdmin}
	}
	if err := cmd.Start(); err != nil {
		if userNS {
			return l.spawn(dir, body, false)
		}
		return nil, errors.Join(err, ansR.Close())
	}
	// Somebody must wait for it, or it stays a zombie for as long as this process lives.
	go func() { _ = cmd.Wait() }()
	if _, err := io.Copy(inW, bytes.NewReader(body)); err != nil {
		return nil, errors.Join(fmt.Errorf("handing over the step: %w", err), ansR.Close())
	}
	return ansR, nil
}

const capSysAdmin = 21

// Adopt finds an attempt that an earlier process started. It is an error of kind not found ("attempt_unknown") when
// this machine has never seen it, or it was settled.
func (l *Local) Adopt(ctx context.Context, stepID string, attempt int) (*Handle, error) {
	dir, err := l.attemptDir(stepID, attempt)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !dir.exists() {
		return nil, notFound("attempt_unknown", fmt.Sprintf("attempt %d of step %s is not known on this machine", attempt, stepID))
	}
	return &Handle{l: l, dir: dir}, nil
}

// Attempt names one attempt found on disk.
type Attempt struct {
	StepID  string
	Attempt int
}

// List names every attempt that is not settled, for a caller that starts.
func (l *Local) List(ctx context.Context) ([]Attempt, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(l.cfg.Dir)
	if err != nil {
		return nil, err
	}
	var out []Attempt
	for _, e := range entries {
		if a, ok := parseAttemptDir(e.Name()); ok && e.IsDir() {
			out = append(out, a)
		}
	}
	return out, nil
}

// ReadState returns a state version of an attempt in clear.
func (l *Local) ReadState(stepID string, attempt, version int, dataKey []byte) ([]byte, error) {
	dir, err := l.attemptDir(stepID, attempt)
	if err != nil {
		return nil, err
	}
	return readSealed(dir.statePath(version), dataKey, stateLabel(version))
}

// ReadSealed returns a sealed file of an attempt in clear.
func (l *Local) ReadSealed(stepID string, attempt int, name string, dataKey []byte) ([]byte, error) {
	dir, err := l.attemptDir(stepID, attempt)
	if err != nil {
		return nil, err
	}
	if !validID.MatchString(name) {
		return nil, invalid("sealed_name_invalid", fmt.Sprintf("%q is no name of a sealed file", name))
	}
	return readSealed(dir.path(dirSealed, name), dataKey, "file "+name)
}

// Outputs reads the output values of a finished apply.
func (l *Local) Outputs(stepID string, attempt int, dataKey []byte) (map[string]Output, error) {
	data, err := l.ReadSealed(stepID, attempt, SealedOutputs, dataKey)
	if err != nil {
		return nil, err
	}
	var out map[string]Output
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("reading outputs: %w", err)
	}
	return out, nil
}

func readSealed(path string, key []byte, label string) ([]byte, error) {
	sealed, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notFound("sealed_missing", "there is no "+label)
	}
	if err != nil {
		return nil, err
	}
	return unseal(key, sealed, label)
}

// Settle wipes everything an attempt left on this machine. Call it when all records, states, sealed files and the log
// have been taken over. It refuses while the attempt runs ("attempt_running"). Settling twice is no error.
func (l *Local) Settle(ctx context.Context, stepID string, attempt int) error {
	h, err := l.Adopt(ctx, stepID, attempt)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	id, err := h.dir.readIdentity()
	if err != nil {
		return err
	}
	if id.alive() {
		if live, err := h.Liveness(); err != nil || live == Running {
			return errors.Join(err, conflict("attempt_running", fmt.Sprintf("attempt %d of step %s still runs; stop it first", attempt, stepID)))
		}
		// It has written its result and is about to end.
		if err := waitDead(ctx, id); err != nil {
			return err
		}
	}
	return errors.Join(id.dropTmp(), os.RemoveAll(string(h.dir)))
}
