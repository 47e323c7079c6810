package docker_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/sandbox/dataplane/conformance"
	"github.com/berthdev/berth/sandbox/dataplane/docker"
	"github.com/berthdev/berth/sandbox/dataplane/engine"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a container engine")
	}
	host := conformance.Podman(t)
	dir := t.TempDir()
	resolver := conformance.Resolver(t, t.TempDir())
	conformance.Run(t, conformance.Abilities{}, func(t *testing.T) engine.Runtime {
		rt, err := docker.Open(t.Context(), dir, host, resolver)
		require.NoError(t, err)
		return rt
	})
}

func TestNoEngine(t *testing.T) {
	t.Parallel()
	_, err := docker.Open(t.Context(), t.TempDir(), "unix:///no/such/socket", nil)
	require.ErrorContains(t, err, "no container engine answers")
}
