package tofu

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Status is what there is, found without changing anything.
type Status struct {
	// Ready is set when Ensure would return at once.
	Ready    bool   `json:"ready"`
	CacheDir string `json:"cache_dir"`
	Checkout string `json:"checkout,omitempty"`
	// Tofu is what runs would use; TofuMissing says why there is none.
	Tofu        *Binary `json:"tofu,omitempty"`
	TofuMissing *Error  `json:"tofu_missing,omitempty"`
	// Terraform is set when a template that asks for it would find it.
	Terraform *Binary `json:"terraform,omitempty"`
	// Providers is where providers would come from; nil while a mirror is needed and there is none yet.
	Providers      *Providers   `json:"providers,omitempty"`
	ProvidersError *Error       `json:"providers_error,omitempty"`
	Cached         []CachedTool `json:"cached,omitempty"`
	// Building holds what other processes are making at the moment.
	Building []Progress `json:"building,omitempty"`
}

// CachedTool is an entry of the cache.
type CachedTool struct {
	Tool      string        `json:"tool"`
	Version   string        `json:"version"`
	Origin    Origin        `json:"origin"`
	Path      string        `json:"path"`
	Size      int64         `json:"size"`
	SHA256    string        `json:"sha256"`
	Installed time.Time     `json:"installed"`
	Took      time.Duration `json:"took_ns"`
}

// Status looks at everything anew. It may take as long as the registry needs to answer, a few seconds at most.
func (m *Manager) Status(ctx context.Context) (Status, error) {
	f := m.finder
	s := Status{CacheDir: f.cache.root, Checkout: f.cfg.Checkout}
	found, tried, err := f.look(ctx)
	switch {
	case ctx.Err() != nil:
		return Status{}, ctx.Err()
	case err != nil:
		s.TofuMissing = AsError(err)
	case found == nil:
		s.TofuMissing = f.missing(tried)
	default:
		s.Tofu = found
	}
	if b, err := f.terraform(ctx); err == nil {
		s.Terraform = &b
	}
	s.Providers, err = f.lookProviders(ctx, m.probe)
	if ctx.Err() != nil {
		return Status{}, ctx.Err()
	}
	s.ProvidersError = AsError(err)
	for _, e := range f.cache.list() {
		s.Cached = append(s.Cached, CachedTool{
			Tool: e.Tool, Version: e.Version, Origin: e.Origin, Path: e.binaryPath(), Size: e.Size,
			SHA256: e.SHA256, Installed: e.Installed, Took: e.Took,
		})
	}
	s.Building = f.cache.building()
	s.Ready = s.Tofu != nil && s.Providers != nil
	return s, nil
}

// Verify computes the digest of every cached tool anew and returns those that no longer match.
func (m *Manager) Verify(ctx context.Context) ([]CachedTool, error) {
	var damaged []CachedTool
	for _, e := range m.finder.cache.list() {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if e.verify() != nil {
			damaged = append(damaged, CachedTool{Tool: e.Tool, Version: e.Version, Path: e.binaryPath(), SHA256: e.SHA256})
		}
	}
	return damaged, nil
}

func (f finder) missing(tried []Attempt) *Error {
	e := AsError(notFound(tried))
	e.Problem, e.Action = "OpenTofu is not installed yet", "run \"berth toolchain install\""
	return e
}

// building returns what the holders of locks report.
func (c cache) building() []Progress {
	files, err := os.ReadDir(filepath.Join(c.root, locksDir))
	if err != nil {
		return nil
	}
	var all []Progress
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".lock") {
			continue
		}
		path := filepath.Join(c.root, locksDir, file.Name())
		lock, err := tryLock(path)
		if err == nil {
			lock.unlock()
			continue
		}
		if h := readHolder(path); errors.Is(err, errLocked) && h.PID != 0 {
			all = append(all, h.Progress)
		}
	}
	return all
}
