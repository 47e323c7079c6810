package e2e_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
)

// client signs in as the developer on the API, for what the command line does not show.
func (s *server) client(t *testing.T) *api.Client {
	t.Helper()
	c := &api.Client{URL: s.url()}
	session, err := c.SignIn(t.Context(), api.SignIn{Email: developer, Password: password})
	require.NoError(t, err)
	c.Token = session.Token
	return c
}

// deploying creates an environment and starts its deploy.
func deploying(t *testing.T, c *api.Client, name, template string) api.Run {
	t.Helper()
	_, err := c.CreateEnvironment(t.Context(), "demo", api.CreateEnvironment{Name: name, Template: template, Version: "v1"})
	require.NoError(t, err)
	r, err := c.Start(t.Context(), "demo", name, "deploy")
	require.NoError(t, err)
	return r
}

// reach follows a run until it is as wanted, or has ended, and returns it.
func reach(t *testing.T, c *api.Client, name string, number int, wanted func(api.Run) bool) api.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deployWithin)
	defer cancel()
	var at api.Run
	var there bool
	r, err := c.WatchRun(ctx, "demo", name, number, func(r api.Run) {
		if !there && wanted(r) {
			at, there = r, true
			cancel()
		}
	})
	if there {
		return at
	}
	require.NoError(t, err, "run %d of %s", number, name)
	require.Fail(t, "the run never got there", "%+v", r)
	return r
}

// settled follows a run to its end.
func settled(t *testing.T, c *api.Client, name string, number int) api.Run {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deployWithin)
	defer cancel()
	r, err := c.WatchRun(ctx, "demo", name, number, func(api.Run) {})
	require.NoError(t, err, "run %d of %s", number, name)
	return r
}

// objects counts the objects of a run in this state.
func objects(r api.Run, status string) int {
	n := 0
	for _, s := range r.Steps {
		for _, o := range s.Objects {
			if o.Status == status {
				n++
			}
		}
	}
	return n
}

// makesLoadBalancer says that a run is in the middle of its longest work.
func makesLoadBalancer(r api.Run) bool {
	for _, s := range r.Steps {
		for _, o := range s.Objects {
			if o.Type == "aws_lb" && o.Status == "started" {
				return true
			}
		}
	}
	return false
}
