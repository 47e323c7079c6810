package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/authz/authztest"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/fault"
)

func as(t *testing.T, role authz.Role, projectID string) context.Context {
	t.Helper()
	ctx := authz.WithSubject(t.Context(), authz.Subject{
		Kind: authz.User, UserID: "usr_1", Email: "dev@example.com",
		Bindings: []authz.Binding{{ProjectID: projectID, ProjectName: "demo", Role: role}},
	})
	return audit.WithClient(ctx, audit.Client{Kind: audit.Browser, IP: "127.0.0.9", RequestID: "req_1"})
}

func record(t *testing.T, ctx context.Context, d *db.DB, s *audit.Service, entries ...audit.Entry) {
	t.Helper()
	for _, e := range entries {
		require.NoError(t, d.Tx(ctx, func(tx *db.Tx) error { return s.Record(ctx, tx, e) }))
	}
}

func TestRecordTakesWhoAndWhereFromTheContext(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := audit.New(audit.Deps{DB: d})
		ctx := as(t, authz.ProjectAdmin, "prj_1")
		record(t, ctx, d, s, audit.Entry{
			Action: "context.updated", ObjectKind: "context", ObjectID: "ctx_1", ObjectName: "aws", ProjectID: "prj_1",
			Before: map[string]any{"region": "eu-west-1"},
			After: map[string]any{
				"region": "eu-central-1", "sensitive": true,
				"nested": []any{map[string]any{"Secret_Access-Key": "hunter2", "apiToken": "hunter2"}},
			},
		})
		page, err := s.List(ctx, audit.ListFilter{ProjectID: "prj_1"})
		require.NoError(t, err)
		require.Len(t, page.Entries, 1)
		require.Empty(t, page.Next)
		e := page.Entries[0]
		require.Equal(t, authz.User, e.ActorKind)
		require.Equal(t, "usr_1", e.ActorID)
		require.Equal(t, "dev@example.com", e.ActorName)
		require.Equal(t, audit.Client{Kind: audit.Browser, IP: "127.0.0.9", RequestID: "req_1"}, e.Client)
		require.Equal(t, audit.Succeeded, e.Outcome)
		require.WithinDuration(t, time.Now(), e.At, time.Minute)
		require.JSONEq(t, `{"region":"eu-west-1"}`, string(e.Before.(json.RawMessage)))
		require.JSONEq(t, `{"region":"eu-central-1","sensitive":true,"nested":[{"Secret_Access-Key":"(hidden)","apiToken":"(hidden)"}]}`, string(e.After.(json.RawMessage)))
	})
}

func TestRecordIsPartOfTheTransaction(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := audit.New(audit.Deps{DB: d})
		ctx := as(t, authz.OrganisationAdmin, "")
		_ = d.Tx(ctx, func(tx *db.Tx) error {
			require.NoError(t, s.Record(ctx, tx, audit.Entry{Action: "x"}))
			return errors.New("roll back")
		})
		page, err := s.List(ctx, audit.ListFilter{})
		require.NoError(t, err)
		require.Empty(t, page.Entries)
	})
}

func TestRefusalsAreRecorded(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := audit.New(audit.Deps{DB: d})
		object := audit.Object{Kind: "resource", ID: "res_1", Name: "vpc"}
		developer := as(t, authz.EnvironmentTemplateUser, "prj_1")
		require.NoError(t, s.Authorize(developer, authz.EnvironmentCreate, "prj_1", object))
		require.ErrorIs(t, s.Authorize(developer, authz.StateRead, "prj_1", object), authz.ErrForbidden)
		require.ErrorIs(t, s.Authorize(t.Context(), authz.StateRead, "prj_1", object), authz.ErrUnauthenticated)
		_, err := s.List(developer, audit.ListFilter{ProjectID: "prj_1"})
		require.Equal(t, fault.Forbidden, fault.KindOf(err))

		page, err := s.List(as(t, authz.OrganisationAdmin, ""), audit.ListFilter{Outcome: audit.Refused})
		require.NoError(t, err)
		require.Len(t, page.Entries, 2)
		e := page.Entries[1]
		require.Equal(t, "state.read", e.Action)
		require.Equal(t, []string{"resource", "res_1", "vpc", "prj_1"}, []string{e.ObjectKind, e.ObjectID, e.ObjectName, e.ProjectID})
	})
}

func TestListIsPagedAndBounded(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := audit.New(audit.Deps{DB: d})
		admin := as(t, authz.OrganisationAdmin, "")
		for range 5 {
			record(t, admin, d, s, audit.Entry{Action: "a", ProjectID: "prj_1"}, audit.Entry{Action: "b", ProjectID: "prj_2"})
		}
		seen := map[audit.ID]bool{}
		filter := audit.ListFilter{ProjectID: "prj_1", Limit: 2}
		for pages := 1; ; pages++ {
			page, err := s.List(as(t, authz.ProjectAdmin, "prj_1"), filter)
			require.NoError(t, err)
			for _, e := range page.Entries {
				require.Equal(t, "prj_1", e.ProjectID)
				require.False(t, seen[e.ID])
				seen[e.ID] = true
			}
			if page.Next == "" {
				require.Equal(t, 3, pages)
				break
			}
			filter.Cursor = page.Next
		}
		require.Len(t, seen, 5)

		_, err := s.List(as(t, authz.ProjectAdmin, "prj_1"), audit.ListFilter{})
		require.ErrorIs(t, err, authz.ErrForbidden, "a project admin sees one project only")
		_, err = s.List(admin, audit.ListFilter{Limit: 501})
		require.Equal(t, fault.Invalid, fault.KindOf(err))
		page, err := s.List(admin, audit.ListFilter{From: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		require.Empty(t, page.Entries)
	})
}

func TestEveryMethodRefusesAnonymous(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		authztest.RefusesAnonymous(t, audit.New(audit.Deps{DB: d}), map[string]string{
			"Authorize": "it is what decides; see TestRefusalsAreRecorded",
			"Record":    "it runs inside a change that is authorised already",
		})
	})
}
