package e2e_test

import "testing"

// TestDev is one `berth dev` that everything is tried on that does not kill it.
func TestDev(t *testing.T) {
	t.Parallel()
	needs(t, "chromium")
	s := newServer(t)
	t.Run("walkthrough", func(t *testing.T) {
		t.Parallel()
		walkthrough(t, s)
	})
}
