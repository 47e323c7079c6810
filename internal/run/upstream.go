package run

import (
	"context"
	"fmt"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

// Upstream is another environment, whose outputs a run uses.
type Upstream struct {
	EnvironmentID string
	Outputs       map[string]map[string]Output // by resource
}

// ErrUpstream is a run that needs another environment which is not deployed.
var ErrUpstream = fault.New(fault.Conflict, "upstream_not_deployed", "An environment that this one uses is not deployed.")

// Upstream returns an environment of a project, with the outputs of its resources, or an ErrUpstream that names it and says
// how it stands when it is not deployed. Until tx ends nobody can begin to destroy it. It is internal: package environment
// calls it in the transaction in which it has authorised the deploy.
func (s *Service) Upstream(ctx context.Context, tx *db.Tx, projectID, name string) (Upstream, error) {
	return s.upstream(ctx, tx, projectID, name, tx.Dialect().ForUpdate(), false)
}

// upstream takes an environment as it stands, deployed or not, when evenDown is set: what is to be destroyed needs the
// outputs it was made with, if they are still there.
func (s *Service) upstream(ctx context.Context, q db.Querier, projectID, name, lock string, evenDown bool) (Upstream, error) {
	u := Upstream{Outputs: map[string]map[string]Output{}}
	var last string
	err := q.QueryRowContext(ctx, `SELECT e.id, e.last_run_id FROM environments e WHERE e.project_id = $1 AND e.name = $2`+lock,
		projectID, name).Scan(&u.EnvironmentID, db.ScanText(&last))
	if db.NoRows(err) {
		return u, notDeployed(name, "it does not exist", "Create and deploy it first.")
	}
	if err != nil {
		return u, fmt.Errorf("looking up environment %s: %w", name, err)
	}
	if !evenDown {
		if err := s.checkDeployed(ctx, q, name, last); err != nil {
			return u, err
		}
	}
	resources, err := listResources(ctx, q, u.EnvironmentID)
	if err != nil {
		return u, fmt.Errorf("loading the resources of environment %s: %w", name, err)
	}
	for _, o := range resources {
		if u.Outputs[o.Name], err = s.openOutputs(o); err != nil {
			return u, err
		}
	}
	return u, nil
}

// checkDeployed looks at the newest deploy or destroy of an environment.
func (s *Service) checkDeployed(ctx context.Context, q db.Querier, name, last string) error {
	if last == "" {
		return notDeployed(name, "it was never deployed", "Deploy it first.")
	}
	r, err := scanRun(q.QueryRowContext(ctx, `SELECT `+runColumns+` FROM runs r WHERE r.id = $1`, last))
	if err != nil {
		return fmt.Errorf("loading the newest run of environment %s: %w", name, err)
	}
	doing := "deployed"
	if r.Kind == KindDestroy {
		doing = "destroyed"
	}
	switch r.Status {
	case StatusSucceeded:
		if r.Kind == KindDestroy {
			return notDeployed(name, "it is destroyed", "Deploy it first.")
		}
		return nil
	case StatusQueued, StatusRunning:
		return notDeployed(name, "it is being "+doing, "Wait for that to end.")
	case StatusFailed, StatusCanceled:
		return notDeployed(name, "its last "+string(r.Kind)+" did not succeed", "Deploy it again first.")
	}
	return nil
}

func notDeployed(name, how, fix string) error {
	return ErrUpstream.With("This environment uses environment %s, which must be deployed: %s. %s", name, how, fix)
}
