package app

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/authz/authztest"
)

// Every method of a service authorises itself, so that no transport can forget it. What is listed is called by other
// services and by background work only, never by a transport.
func TestServicesRefuseWhoeverIsNotSignedIn(t *testing.T) {
	t.Parallel()
	cfg := DefaultConfig()
	cfg.DataDir, cfg.Addr, cfg.Logger = filepath.Join(t.TempDir(), "data"), "127.0.0.1:0", slog.New(slog.DiscardHandler)
	a, err := New(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.close()) })

	t.Run("run", func(t *testing.T) {
		t.Parallel()
		authztest.RefusesAnonymous(t, a.runs, map[string]string{
			"Create":      "package environment calls it in the transaction in which it has authorised the deploy",
			"Applied":     "package environment calls it in the transaction in which it has authorised the deletion",
			"Upstream":    "package environment calls it in the transaction in which it has authorised the deploy",
			"Progress":    "its input is a run that the caller has read",
			"CountActive": "the metrics count runs and name none",
		})
	})
	t.Run("environment", func(t *testing.T) {
		t.Parallel()
		authztest.RefusesAnonymous(t, a.environments, map[string]string{})
	})
	t.Run("template", func(t *testing.T) {
		t.Parallel()
		authztest.RefusesAnonymous(t, a.templates, map[string]string{
			"Resolve": "only the system subject gets through configcontext.Resolve, which it calls first",
		})
	})
	t.Run("repository", func(t *testing.T) {
		t.Parallel()
		authztest.RefusesAnonymous(t, a.repositories, map[string]string{
			"GitEnviron": "it refuses everybody but the system subject, as forbidden",
		})
	})
	t.Run("project", func(t *testing.T) {
		t.Parallel()
		authztest.RefusesAnonymous(t, a.projects, nil)
	})
	t.Run("configcontext", func(t *testing.T) {
		t.Parallel()
		authztest.RefusesAnonymous(t, a.contexts, map[string]string{
			"Resolve": "it refuses everybody but the system subject, as forbidden",
		})
	})
	t.Run("staticresource", func(t *testing.T) {
		t.Parallel()
		authztest.RefusesAnonymous(t, a.statics, nil)
	})
}
