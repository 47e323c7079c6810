package project_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/project"
)

// TestProjectsAreNamedForSharing: who may share names projects that they cannot read, and nobody else can ask for them.
func TestProjectsAreNamedForSharing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		own, other := w.project(t, "own"), w.project(t, "other")
		thing := audit.Object{Kind: "context", Name: "aws"}
		admin := with(t.Context(), in(own, authz.ProjectAdmin))
		_, err := w.ForSharing(admin, string(own.ID), []string{"other"}, thing)
		require.ErrorIs(t, err, authz.ErrForbidden, "sharing is not delegated yet")
		_, err = w.SetSharingDelegated(w.system, "own", true)
		require.NoError(t, err)
		ids, err := w.ForSharing(admin, string(own.ID), []string{"other"}, thing)
		require.NoError(t, err)
		require.Equal(t, []project.ID{other.ID}, ids)
		_, err = w.ForSharing(admin, string(own.ID), []string{"other", "nothing"}, thing)
		f, ok := fault.As(err)
		require.True(t, ok)
		require.Equal(t, "names[1]", f.Fields[0].Path)

		names, err := w.Names(admin, string(own.ID), []string{string(other.ID), "prj_gone"})
		require.NoError(t, err)
		require.Equal(t, map[string]string{string(other.ID): "other"}, names)
		_, err = w.Names(admin, string(other.ID), []string{string(other.ID)})
		require.ErrorIs(t, err, authz.ErrForbidden)
	})
}
