package cli

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/manifest"
)

// deployApplied starts a deploy of every environment that was created or changed, and of those never deployed. With wait,
// one that is refused because of what another still does is tried again after that.
func deployApplied(cmd *cobra.Command, client *api.Client, t *target, results []api.ApplyResult, wait bool) error {
	todo, err := toDeploy(cmd, client, t, results)
	if err != nil {
		return err
	}
	var failed error
	for len(todo) > 0 {
		started, refused, errs := startAll(cmd, client, todo)
		var later error // of those that another has to be ready for
		for _, r := range refused {
			later = errors.Join(later, r.err)
		}
		failed = errors.Join(failed, errs)
		if !wait {
			return errors.Join(failed, later)
		}
		for _, s := range started {
			r, err := waitForRun(cmd, client, &target{project: s.project}, s.name, s.number)
			if err == nil {
				err = outcome(s.name, r)
			}
			if err != nil {
				failed = errors.Join(failed, err)
			} else {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s is deployed.\n", object(string(manifest.KindEnvironment), s.name))
			}
		}
		if len(started) == 0 || len(refused) == 0 {
			return errors.Join(failed, later)
		}
		todo = refused
	}
	return failed
}

// deployment is an environment to deploy, and the run that does.
type deployment struct {
	project, name string
	number        int
	err           error // why it was refused for now
}

func toDeploy(cmd *cobra.Command, client *api.Client, t *target, results []api.ApplyResult) ([]deployment, error) {
	var out []deployment
	for _, r := range results {
		if r.Kind != string(manifest.KindEnvironment) || r.Error != nil {
			continue
		}
		d := deployment{project: r.Project, name: r.Name}
		if d.project == "" {
			d.project = t.project
		}
		if r.Change == string(manifest.Unchanged) {
			e, err := client.Environment(cmd.Context(), d.project, d.name)
			if err != nil {
				return nil, err
			}
			if e.Status != "draft" {
				continue
			}
		}
		out = append(out, d)
	}
	return out, nil
}

// startAll starts what can be started. Refused is what may work later; the error is about what never will.
func startAll(cmd *cobra.Command, client *api.Client, todo []deployment) (started, refused []deployment, errs error) {
	for _, d := range todo {
		r, err := client.Start(cmd.Context(), d.project, d.name, "deploy")
		var conflict *api.Error
		switch {
		case err == nil:
			d.number = r.Number
			d.err = nil
			started = append(started, d)
			fmt.Fprintf(cmd.ErrOrStderr(), "Run %d of %s has started. Follow it with: berth env logs %s -p %s -f\n", r.Number, d.name, d.name, d.project)
		case errors.As(err, &conflict) && conflict.Status == http.StatusConflict:
			d.err = fmt.Errorf("deploying %s: %w", d.name, err)
			refused = append(refused, d)
		default:
			errs = errors.Join(errs, fmt.Errorf("deploying %s: %w", d.name, err))
		}
	}
	return started, refused, errs
}
