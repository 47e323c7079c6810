package project_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/project"
)

func TestWhoMayShare(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		demo, shop := w.project(t, "demo"), w.project(t, "shop")
		object := audit.Object{Kind: "context", Name: "aws"}
		targets := []string{string(shop.ID), project.Everyone}
		may := func(ctx context.Context, p project.ID) bool {
			err := w.AuthorizeShare(ctx, string(p), targets, object)
			if err != nil {
				require.ErrorIs(t, err, authz.ErrForbidden)
			}
			said, askErr := w.MayShare(ctx, string(p))
			require.NoError(t, askErr)
			require.Equal(t, err == nil, said)
			return err == nil
		}
		check := func(delegated bool) {
			for _, role := range authz.Roles() {
				inProject := with(t.Context(), in(demo, role))
				everywhere := with(t.Context(), authz.Binding{Role: role})
				admin := delegated && role == authz.ProjectAdmin
				require.Equal(t, admin, may(inProject, demo.ID), "%s in the project", role)
				require.False(t, may(inProject, shop.ID), "%s elsewhere", role)
				require.False(t, may(inProject, ""), "%s in the organisation", role)
				require.Equal(t, role == authz.OrganisationAdmin || admin, may(everywhere, demo.ID), "%s everywhere", role)
				require.Equal(t, role == authz.OrganisationAdmin, may(everywhere, shop.ID), "%s everywhere", role)
				require.Equal(t, role == authz.OrganisationAdmin, may(everywhere, ""), "%s everywhere", role)
			}
		}
		check(false)
		for _, role := range authz.Roles() {
			_, err := w.SetSharingDelegated(with(t.Context(), in(demo, role)), "demo", true)
			require.ErrorIs(t, err, authz.ErrForbidden, role)
		}
		admin := with(t.Context(), authz.Binding{Role: authz.OrganisationAdmin})
		changed, err := w.SetSharingDelegated(admin, "demo", true)
		require.NoError(t, err)
		require.True(t, changed.SharingDelegated)
		got, err := w.Get(admin, "demo")
		require.NoError(t, err)
		require.Equal(t, changed, got)
		check(true)

		again, err := w.SetSharingDelegated(admin, "demo", true)
		require.NoError(t, err)
		require.Equal(t, changed, again)
		page, err := w.audit.List(w.system, audit.ListFilter{Action: "project.sharing"})
		require.NoError(t, err)
		require.Len(t, page.Entries, 1)
		require.Equal(t, "usr_1", page.Entries[0].ActorID)

		_, err = w.SetSharingDelegated(admin, "demo", false)
		require.NoError(t, err)
		check(false)
		_, err = w.SetSharingDelegated(admin, "nothing", true)
		require.ErrorIs(t, err, project.ErrNotFound)
	})
}

func TestSharingNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		demo := w.project(t, "demo")
		err := w.AuthorizeShare(w.system, string(demo.ID), []string{"*", "prj_nothing"}, audit.Object{})
		e, ok := fault.As(err)
		require.True(t, ok)
		require.Equal(t, "projects[1]", e.Fields[0].Path)
		err = w.AuthorizeShare(with(t.Context(), in(demo, authz.ProjectAdmin)), string(demo.ID), nil, audit.Object{Kind: "context", Name: "aws"})
		require.EqualError(t, err, "Admins of this project may not share what it owns. Ask an Organisation Admin to share it, or to let the project's admins share.")
		err = w.AuthorizeShare(with(t.Context(), in(demo, authz.InfrastructureAdmin)), string(demo.ID), nil, audit.Object{Kind: "context", Name: "aws"})
		require.ErrorContains(t, err, "Organisation Admin")
		page, err := w.audit.List(w.system, audit.ListFilter{Outcome: audit.Refused})
		require.NoError(t, err)
		require.Len(t, page.Entries, 2, "refusals are in the audit log")
	})
}
