package e2e_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDev is one `berth dev` that everything is tried on that does not kill it. Deploys wait most of their time for the
// provider, so they run side by side.
func TestDev(t *testing.T) {
	t.Parallel()
	needs(t, "chromium", "git")
	s := newServer(t)
	t.Run("all", func(t *testing.T) {
		for name, test := range map[string]func(*testing.T, *server){
			"walkthrough": walkthrough, "contract": contract, "manifests": manifests, "failures": failures,
			"refusals": refusals, "secrets": secrets,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, s)
			})
		}
	})
	if t.Failed() {
		return
	}
	t.Run("authoring", func(t *testing.T) { authoring(t, s) }) // by itself: two browsers beside the deploys starve each other
	t.Run("end", func(t *testing.T) {
		nothingMade(t, s)
		require.NotEqual(t, s.endpoint(t, developer, "demo", "ecs-1"), s.endpoint(t, developer, "shop", "ecs-1"))
		for _, project := range []string{"demo", "shop"} {
			s.must(t, developer, "env", "destroy", "ecs-1", "-p", project, "--wait")
		}
		require.Empty(t, s.inventory(t, ""), "nothing may be left when all is destroyed")
	})
}
