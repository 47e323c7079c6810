package environment

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/template"
)

// Deploy starts a run that makes the environment what its template version and inputs say.
func (s *Service) Deploy(ctx context.Context, projectID, name string) (run.Run, error) {
	return s.start(ctx, projectID, name, run.KindDeploy, authz.EnvironmentDeploy)
}

// Plan starts a run that shows what a deploy would change, and changes nothing.
func (s *Service) Plan(ctx context.Context, projectID, name string) (run.Run, error) {
	return s.start(ctx, projectID, name, run.KindPlan, authz.EnvironmentDeploy)
}

// Destroy starts a run that removes everything the environment made.
func (s *Service) Destroy(ctx context.Context, projectID, name string) (run.Run, error) {
	return s.start(ctx, projectID, name, run.KindDestroy, authz.EnvironmentDestroy)
}

// Retry redoes what did not succeed in the environment's newest deploy or destroy. When the environment was edited since,
// retrying would leave the edit out, so a new run is started instead.
func (s *Service) Retry(ctx context.Context, projectID, name string) (run.Run, error) {
	if err := s.Audit.Authorize(ctx, authz.EnvironmentDeploy, projectID, audit.Object{Kind: "environment", Name: name}); err != nil {
		return run.Run{}, err
	}
	e, err := s.get(ctx, s.DB, "e.project_id = $1 AND e.name = $2", projectID, name)
	if err != nil {
		return run.Run{}, err
	}
	switch {
	case e.LastRun == nil:
		return s.Deploy(ctx, projectID, name)
	case e.LastRun.Kind == run.KindDeploy && e.edited():
		return s.Deploy(ctx, projectID, name)
	}
	return s.Runs.Retry(ctx, e.LastRun.ID)
}

// edited reports whether a deploy now would use something else than the newest one did.
func (e Environment) edited() bool {
	return e.DeployedVersionID != e.Template.VersionID || !slices.Equal(e.Inputs, e.DeployedInputs)
}

func (s *Service) start(ctx context.Context, projectID, name string, kind run.Kind, p authz.Permission) (run.Run, error) {
	if err := s.Audit.Authorize(ctx, p, projectID, audit.Object{Kind: "environment", Name: name}); err != nil {
		return run.Run{}, err
	}
	var r run.Run
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		e, err := s.lock(ctx, tx, projectID, name)
		if err != nil {
			return err
		}
		if e.Status.Busy() {
			return ErrBusy
		}
		if kind == run.KindDestroy && (e.Status == StatusDraft || e.Status == StatusDestroyed) {
			return ErrNothing
		}
		if kind == run.KindDestroy {
			if err := checkUnused(ctx, tx, e); err != nil {
				return err
			}
		}
		if r, err = s.createRun(ctx, tx, e, kind); err != nil {
			return err
		}
		return s.record(ctx, tx, e, "environment."+string(kind), nil, map[string]any{"run": r.Number})
	})
	return r, err
}

func (s *Service) createRun(ctx context.Context, tx *db.Tx, e Environment, kind run.Kind) (run.Run, error) {
	version, used, err := s.prepare(ctx, tx, e, kind)
	if err != nil {
		return run.Run{}, err
	}
	number, err := nextRun(ctx, tx, e.ID)
	if err != nil {
		return run.Run{}, err
	}
	inputs, err := json.Marshal(e.Inputs)
	if err != nil {
		return run.Run{}, fmt.Errorf("writing the inputs of environment %s: %w", e.Name, err)
	}
	in := run.CreateInput{Number: number, Kind: kind, Snapshot: run.Snapshot{
		EnvironmentID: string(e.ID), EnvironmentName: e.Name, UniqueName: e.UniqueName, ProjectID: e.ProjectID,
		ProjectName: e.ProjectName, OwnerEmail: e.OwnerEmail, TemplateVersionID: string(version.Version.ID), Inputs: inputs,
	}}
	in.Nodes = nodes(version, e.Inputs)
	r, err := s.Runs.Create(ctx, tx, in)
	if err != nil || kind == run.KindPlan {
		return r, err
	}
	if _, err = tx.ExecContext(ctx, `UPDATE environments SET last_run_id = $2, updated_at = $3 WHERE id = $1`,
		e.ID, r.ID, db.Micros(tx.Now())); err != nil {
		return r, fmt.Errorf("saving environment %s: %w", e.Name, err)
	}
	if kind == run.KindDeploy {
		_, err = tx.ExecContext(ctx, `UPDATE environments SET deployed_inputs = inputs, deployed_version_id = $2, template_version_id = $2 WHERE id = $1`,
			e.ID, version.Version.ID)
		if err != nil {
			return r, fmt.Errorf("saving environment %s: %w", e.Name, err)
		}
	}
	return r, used.keep(ctx, tx, e, r.ID)
}

// prepare finds the version that a run uses and checks everything that a run needs.
func (s *Service) prepare(ctx context.Context, tx *db.Tx, e Environment, kind run.Kind) (*template.Compiled, upstreams, error) {
	if kind == run.KindDestroy {
		version, err := s.current(ctx, e)
		return version, nil, err
	}
	version, err := s.next(ctx, e)
	if err != nil {
		return nil, nil, err
	}
	// A draft version may have changed since the environment was saved.
	if err := version.Validate(e.Inputs); err != nil {
		return nil, nil, err
	}
	if err := s.Templates.CheckContexts(ctx, e.ProjectID, version); err != nil {
		return nil, nil, err
	}
	if err := s.Templates.CheckStatics(ctx, e.ProjectID, version); err != nil {
		return nil, nil, err
	}
	used, err := s.upstreams(ctx, tx, e, version)
	return version, used, err
}

// nodes returns the graph: what the template says, and what the expressions among the inputs add.
func nodes(version *template.Compiled, inputs []template.Value) []run.Node {
	deps := version.Dependencies(inputs)
	var out []run.Node
	for _, r := range version.Resources {
		n := run.Node{Name: r.Name}
		for _, d := range deps[r.Name] {
			if _, exists := version.Upstream(d); !exists { // what exists already has no step to wait for
				n.DependsOn = append(n.DependsOn, d)
			}
		}
		out = append(out, n)
	}
	return out
}

// Unplanned names the resources that a plan run says nothing about, because what they depend on does not exist yet.
func (s *Service) Unplanned(ctx context.Context, r run.Run) ([]string, error) {
	if authz.From(ctx).Kind == authz.Anonymous {
		return nil, authz.ErrUnauthenticated
	}
	e, err := s.get(ctx, s.DB, "e.id = $1", r.EnvironmentID)
	if err != nil {
		return nil, err
	}
	if err := s.Audit.Authorize(ctx, authz.EnvironmentRead, e.ProjectID, audit.Object{Kind: "environment", Name: e.Name}); err != nil {
		return nil, err
	}
	load := s.current
	if e.FollowLatest {
		load = s.latest // as the plan did
	}
	version, err := load(ctx, e)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, node := range version.Resources {
		if !slices.ContainsFunc(r.Steps, func(st run.Step) bool { return st.Resource == node.Name }) {
			out = append(out, node.Name)
		}
	}
	return out, nil
}

// since says when the status that follows from r began.
func since(r *RunRef) time.Time {
	switch {
	case !r.FinishedAt.IsZero():
		return r.FinishedAt
	case !r.StartedAt.IsZero():
		return r.StartedAt
	}
	return r.CreatedAt
}
