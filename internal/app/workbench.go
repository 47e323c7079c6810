package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/manifest"
	"github.com/berthdev/berth/internal/project"
)

// Workbench is what a server knows of documents, without the server: it listens nowhere and does nothing in the background.
type Workbench struct{ a *App }

// NewWorkbench opens one on the data folder of cfg. Offline leaves the tool out, and so everything that it may fetch.
func NewWorkbench(ctx context.Context, cfg Config, offline bool) (*Workbench, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, ready: newMilestones(), streams: newStreams(), offline: offline}
	for _, stage := range []func(context.Context) error{a.openData, a.newServices, a.newRunning} {
		if err := stage(ctx); err != nil {
			return nil, errors.Join(err, a.close())
		}
	}
	return &Workbench{a}, nil
}

// Close closes the database.
func (w *Workbench) Close() error { return w.a.close() }

// Project makes a project, unless there is one of the name.
func (w *Workbench) Project(ctx context.Context, name string) error {
	_, err := w.a.projects.Create(authz.WithSubject(ctx, authz.System("workbench")), project.CreateInput{Name: name})
	if errors.Is(err, project.ErrNameTaken) {
		return nil
	}
	return err
}

// Apply applies documents in a project, or tells what would come of that.
func (w *Workbench) Apply(ctx context.Context, projectName string, docs []*manifest.Document, o manifest.Options) ([]manifest.Result, error) {
	return w.a.Apply(ctx, projectName, docs, o)
}

// Apply applies documents in a project, as an administrator of the organisation would.
func (a *App) Apply(ctx context.Context, projectName string, docs []*manifest.Document, o manifest.Options) ([]manifest.Result, error) {
	ctx = authz.WithSubject(ctx, authz.System("documents"))
	p, err := a.projects.Get(ctx, projectName)
	if err != nil {
		return nil, fmt.Errorf("finding the project %s: %w", projectName, err)
	}
	return a.manifests.Apply(ctx, string(p.ID), docs, o)
}

// DeclaredOutputs are the outputs that the modules of a version of an environment template declare, by resource.
func (a *App) DeclaredOutputs(ctx context.Context, projectName, name, version string) (map[string][]string, error) {
	ctx = authz.WithSubject(ctx, authz.System("documents"))
	p, err := a.projects.Get(ctx, projectName)
	if err != nil {
		return nil, fmt.Errorf("finding the project %s: %w", projectName, err)
	}
	c, err := a.templates.Find(ctx, string(p.ID), name, version)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, r := range c.Resources {
		for _, o := range r.Version.Module.Outputs {
			out[r.Name] = append(out[r.Name], o.Name)
		}
	}
	return out, nil
}
