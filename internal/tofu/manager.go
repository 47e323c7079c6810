package tofu

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// Config says where to look. The zero value finds, downloads or builds whatever is needed.
type Config struct {
	// TofuPath and TerraformPath are binaries the operator wants; PATH and all else is then not looked at.
	TofuPath, TerraformPath string
	// ProviderMirror is a filesystem mirror the operator keeps.
	ProviderMirror string
	// Providers fixes the decision; empty asks the registry.
	Providers ProviderSource
	// CacheDir is the folder for downloaded and built tools; empty means DefaultCacheDir.
	CacheDir string
	// Checkout is the root of the source checkout; empty looks above the working directory and the executable.
	Checkout string
	// NoPath, NoDownload and NoBuild switch these ways to OpenTofu off.
	NoPath, NoDownload, NoBuild bool
	Site                        DownloadSite
	// Registry is the base URL of the provider registry that is asked.
	Registry string
	// LookPath finds a program; empty means exec.LookPath.
	LookPath func(string) (string, error)
}

// State is where the manager stands as a whole.
type State string

const (
	StateIdle    State = "idle"
	StateWorking State = "working"
	StateReady   State = "ready"
	StateFailed  State = "failed"
)

// Snapshot is what pages and /readyz show. It is a copy and may be kept.
type Snapshot struct {
	State State `json:"state"`
	// Tools holds the latest progress of each tool that is or was worked on, in order of their start.
	Tools []Progress `json:"tools,omitempty"`
	// Tofu is set as soon as there is one: templates without providers need not wait for those.
	Tofu      *Binary    `json:"tofu,omitempty"`
	Toolchain *Toolchain `json:"toolchain,omitempty"`
	Err       *Error     `json:"error,omitempty"`
	Started   time.Time  `json:"started"`
	Finished  time.Time  `json:"finished"`
}

// Manager provides the toolchain to one process.
type Manager struct {
	finder finder
	probe  *registryProbe

	mu          sync.Mutex
	snapshot    Snapshot
	job         *job
	subscribers map[chan Snapshot]struct{}

	// reportMu is held while reporters are called, so that none is called after it was removed.
	reportMu  sync.Mutex
	reporters map[*Reporter]struct{}
}

// job is one attempt to get everything ready, shared by all who wait for it. It ends early when nobody waits any more.
type job struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiters int
	result  Toolchain
	err     error
}

// NewManager prepares a manager; nothing is looked for before the first call.
func NewManager(cfg Config) (*Manager, error) {
	if cfg.LookPath == nil {
		cfg.LookPath = exec.LookPath
	}
	if cfg.Registry == "" {
		cfg.Registry = tofuRegistry
	}
	if cfg.CacheDir == "" {
		dir, err := DefaultCacheDir(os.Getenv)
		if err != nil {
			return nil, err
		}
		cfg.CacheDir = dir
	}
	if cfg.Checkout == "" {
		cfg.Checkout = defaultCheckout()
	}
	c := cache{root: cfg.CacheDir}
	return &Manager{
		finder: finder{
			cfg: cfg, cache: c, verifier: newVerifier(c.root), builder: builder{cache: c, lookPath: cfg.LookPath},
		},
		probe:       newRegistryProbe(),
		snapshot:    Snapshot{State: StateIdle},
		subscribers: map[chan Snapshot]struct{}{},
		reporters:   map[*Reporter]struct{}{},
	}, nil
}

func defaultCheckout() string {
	if dir, err := os.Getwd(); err == nil {
		if root := findCheckout(dir); root != "" {
			return root
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(exe); err == nil {
		exe = real
	}
	return findCheckout(filepath.Dir(exe))
}

// Ensure returns once the toolchain is ready and makes it so if need be. Callers at the same time share one attempt;
// when the last of them gives up, it is stopped before Ensure returns. After a failure the next call tries again.
func (m *Manager) Ensure(ctx context.Context) (Toolchain, error) {
	j, ready := m.join(ctx)
	if ready != nil {
		return *ready, nil
	}
	select {
	case <-j.done:
		return j.result, j.err
	case <-ctx.Done():
	}
	if m.leave(j) {
		<-j.done
	}
	return Toolchain{}, classify("preparing the toolchain", ctx.Err(), "")
}

// Install is Ensure with reports.
func (m *Manager) Install(ctx context.Context, report Reporter) (Toolchain, error) {
	if report != nil {
		defer m.addReporter(report)()
	}
	return m.Ensure(ctx)
}

// Terraform finds Terraform, for a template that asks for it. It is never downloaded or built.
func (m *Manager) Terraform(ctx context.Context) (Binary, error) { return m.finder.terraform(ctx) }

// Snapshot tells where the manager stands, at once.
func (m *Manager) Snapshot() Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.copySnapshot()
}

// Subscribe returns a channel that holds the latest snapshot, beginning with the present one. A slow reader misses
// those in between, never the last. The returned function ends the subscription and closes the channel.
func (m *Manager) Subscribe() (<-chan Snapshot, func()) {
	ch := make(chan Snapshot, 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	ch <- m.copySnapshot()
	m.subscribers[ch] = struct{}{}
	var once sync.Once
	return ch, func() {
		once.Do(func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			delete(m.subscribers, ch)
			close(ch)
		})
	}
}

func (m *Manager) join(ctx context.Context) (*job, *Toolchain) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.snapshot.State == StateReady {
		return nil, m.snapshot.Toolchain
	}
	if m.job != nil {
		m.job.waiters++
		return m.job, nil
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	j := &job{done: make(chan struct{}), cancel: cancel, waiters: 1}
	m.job = j
	m.change(func(s *Snapshot) { *s = Snapshot{State: StateWorking, Started: time.Now()} })
	go func() {
		defer close(j.done)
		defer cancel()
		j.result, j.err = m.work(work, j)
		m.finish(j)
	}()
	return j, nil
}

// leave takes a waiter off a job and reports whether it was the last, so that the job was stopped.
func (m *Manager) leave(j *job) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	j.waiters--
	if j.waiters > 0 {
		return false
	}
	if m.job == j { // not finished at this very moment
		m.job = nil // whoever comes now starts anew; the lock makes it wait for this one's end
		m.change(func(s *Snapshot) { *s = Snapshot{State: StateIdle} })
	}
	j.cancel()
	return true
}

func (m *Manager) work(ctx context.Context, j *job) (Toolchain, error) {
	report := func(p Progress) { m.report(j, p) }
	m.finder.cache.sweep()
	binary, err := m.finder.find(ctx, report)
	if err != nil {
		return Toolchain{}, err
	}
	m.found(j, binary)
	providers, err := m.finder.providers(ctx, m.probe, report)
	if err != nil {
		return Toolchain{}, err
	}
	return Toolchain{Tofu: binary, Providers: providers}, nil
}

func (m *Manager) found(j *job, binary Binary) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.job == j {
		m.change(func(s *Snapshot) { s.Tofu = &binary })
	}
}

func (m *Manager) finish(j *job) {
	m.mu.Lock()
	if m.job != j { // nobody waits for it any more, and the snapshot is no longer its own
		m.mu.Unlock()
		return
	}
	m.job = nil
	last := Progress{}
	m.change(func(s *Snapshot) {
		s.Finished = time.Now()
		stage := StageReady
		if j.err != nil {
			stage, s.State, s.Err = StageFailed, StateFailed, AsError(j.err)
		} else {
			s.State, s.Toolchain = StateReady, &j.result
		}
		if n := len(s.Tools); n > 0 {
			s.Tools[n-1] = finished(s.Tools[n-1], stage, s.Finished)
			last = s.Tools[n-1]
		}
	})
	m.mu.Unlock()
	if last.Tool != "" {
		m.callReporters(last)
	}
}

func finished(p Progress, stage Stage, now time.Time) Progress {
	p.Stage, p.StageStarted, p.Detail = stage, now, ""
	p.Done, p.Total, p.Unit = 0, 0, ""
	return p
}

// report takes the progress of a tool into the snapshot.
func (m *Manager) report(j *job, p Progress) {
	m.mu.Lock()
	if m.job != j {
		m.mu.Unlock()
		return
	}
	m.change(func(s *Snapshot) {
		if n := len(s.Tools); n > 0 && s.Tools[n-1].Tool == p.Tool {
			s.Tools[n-1] = p
			return
		} else if n > 0 {
			s.Tools[n-1] = finished(s.Tools[n-1], StageReady, p.Started)
		}
		s.Tools = append(s.Tools, p)
	})
	m.mu.Unlock()
	m.callReporters(p)
}

// change alters the snapshot and tells the subscribers. The caller holds mu.
func (m *Manager) change(f func(*Snapshot)) {
	f(&m.snapshot)
	for ch := range m.subscribers {
		select {
		case <-ch: // make room: only the latest counts
		default:
		}
		ch <- m.copySnapshot()
	}
}

func (m *Manager) copySnapshot() Snapshot {
	s := m.snapshot
	s.Tools = append([]Progress(nil), s.Tools...)
	return s
}

func (m *Manager) addReporter(r Reporter) (remove func()) {
	m.reportMu.Lock()
	defer m.reportMu.Unlock()
	key := &r
	m.reporters[key] = struct{}{}
	return func() {
		m.reportMu.Lock()
		defer m.reportMu.Unlock()
		delete(m.reporters, key)
	}
}

func (m *Manager) callReporters(p Progress) {
	m.reportMu.Lock()
	defer m.reportMu.Unlock()
	for r := range m.reporters {
		(*r)(p)
	}
}

// IsReason reports whether an error, or one it wraps, has this reason.
func IsReason(err error, reason Reason) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == reason
}
