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
		if !wait {
			return errs
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
			return errors.Join(failed, errs)
		}
		todo = refused
	}
	return failed
}

// deployment is an environment to deploy, and the run that does.
type deployment struct {
	project, name string
	number        int
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

// startAll starts what can be started. The error is about the rest.
func startAll(cmd *cobra.Command, client *api.Client, todo []deployment) (started, refused []deployment, errs error) {
	for _, d := range todo {
		r, err := client.Start(cmd.Context(), d.project, d.name, "deploy")
		var conflict *api.Error
		switch {
		case err == nil:
			d.number = r.Number
			started = append(started, d)
			fmt.Fprintf(cmd.ErrOrStderr(), "Run %d of %s has started. Follow it with: berth env logs %s -p %s -f\n", r.Number, d.name, d.name, d.project)
			continue
		case errors.As(err, &conflict) && conflict.Status == http.StatusConflict:
			refused = append(refused, d)
		}
		errs = errors.Join(errs, fmt.Errorf("deploying %s: %w", d.name, err))
	}
	return started, refused, errs
}
