package project_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/authz/authztest"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/identity"
	"github.com/berthdev/berth/internal/project"
)

type world struct {
	*project.Service
	db       *db.DB
	audit    *audit.Service
	identity *identity.Service
	system   context.Context
}

func each(t *testing.T, test func(t *testing.T, w world)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		auditor := audit.New(audit.Deps{DB: d})
		people := identity.New(identity.Deps{DB: d, Audit: auditor, CheapPasswords: true})
		test(t, world{
			Service: project.New(project.Deps{DB: d, Audit: auditor, Identity: people}), db: d, audit: auditor, identity: people,
			system: authz.WithSubject(t.Context(), authz.System("test")),
		})
	})
}

func (w world) project(t *testing.T, name string) project.Project {
	t.Helper()
	p, err := w.Create(w.system, project.CreateInput{Name: name})
	require.NoError(t, err)
	return p
}

func with(ctx context.Context, bindings ...authz.Binding) context.Context {
	return authz.WithSubject(ctx, authz.Subject{Kind: authz.User, UserID: "usr_1", Email: "dev@example.com", Bindings: bindings})
}

func in(p project.Project, role authz.Role) authz.Binding {
	return authz.Binding{ProjectID: string(p.ID), ProjectName: p.Name, Role: role}
}

func TestCreateChecksTheName(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		for _, name := range []string{"", "Demo", "1demo", "-demo", "de mo", "démo", strings.Repeat("a", 41)} {
			_, err := w.Create(w.system, project.CreateInput{Name: name})
			e, ok := fault.As(err)
			require.True(t, ok, name)
			require.Equal(t, "name", e.Fields[0].Path, name)
		}
		created := w.project(t, strings.Repeat("a", 40))
		got, err := w.Get(w.system, created.Name)
		require.NoError(t, err)
		require.Equal(t, created, got)
		_, err = w.Create(w.system, project.CreateInput{Name: created.Name})
		require.ErrorIs(t, err, project.ErrNameTaken)
	})
}

func TestEachSeesTheirOwnProjects(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		demo, shop := w.project(t, "demo"), w.project(t, "shop")
		dev := with(t.Context(), in(shop, authz.ReadOnly))
		list, err := w.List(dev)
		require.NoError(t, err)
		require.Equal(t, []project.Project{shop}, list)
		list, err = w.List(with(t.Context()))
		require.NoError(t, err)
		require.Empty(t, list)
		list, err = w.List(with(t.Context(), authz.Binding{Role: authz.OrganisationReadOnly}))
		require.NoError(t, err)
		require.Equal(t, []project.Project{demo, shop}, list)

		_, err = w.Get(dev, "demo")
		require.ErrorIs(t, err, authz.ErrForbidden)
		_, err = w.Get(dev, "nothing")
		require.ErrorIs(t, err, project.ErrNotFound)
		_, err = w.Get(t.Context(), "demo")
		require.ErrorIs(t, err, authz.ErrUnauthenticated)
		_, err = w.Get(t.Context(), "nothing")
		require.ErrorIs(t, err, authz.ErrUnauthenticated, "what exists is not told to strangers")
		got, err := w.GetByID(dev, shop.ID)
		require.NoError(t, err)
		require.Equal(t, shop, got)
	})
}

func TestUpdateNoticesOthers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		demo := w.project(t, "demo")
		admin := with(t.Context(), in(demo, authz.ProjectAdmin))
		updated, err := w.Update(admin, "demo", project.UpdateInput{Description: "Try things", IfUpdatedAt: demo.UpdatedAt})
		require.NoError(t, err)
		_, err = w.Update(admin, "demo", project.UpdateInput{Description: "x", IfUpdatedAt: demo.UpdatedAt})
		require.ErrorIs(t, err, project.ErrChanged)
		_, err = w.Update(admin, "demo", project.UpdateInput{Description: strings.Repeat("x", 501)})
		require.Equal(t, fault.Invalid, fault.KindOf(err))
		got, err := w.Get(admin, "demo")
		require.NoError(t, err)
		require.Equal(t, updated, got)
		require.Equal(t, "Try things", got.Description)
		_, err = w.Update(with(t.Context(), in(demo, authz.EnvironmentTemplateUser)), "demo", project.UpdateInput{})
		require.EqualError(t, err, "Changing project details in project demo needs the role Project Admin. Ask a Project Admin of demo.")

		page, err := w.audit.List(admin, audit.ListFilter{ProjectID: string(demo.ID), Action: "project.updated"})
		require.NoError(t, err)
		require.Len(t, page.Entries, 1)
		kinds, err := db.List(t.Context(), w.db, db.Value[string], "SELECT kind FROM events ORDER BY id")
		require.NoError(t, err)
		require.Equal(t, []string{"project.created", "project.updated"}, kinds)
	})
}

func TestDeleteOnlyWhenEmpty(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		ctx := t.Context()
		demo := w.project(t, "demo")
		_, err := w.identity.CreateUser(w.system, identity.CreateUserInput{Email: "dev@example.com", Password: "correct horse battery"})
		require.NoError(t, err)
		_, err = w.AddMember(w.system, "demo", project.MemberInput{UserEmail: "dev@example.com", Role: authz.ReadOnly})
		require.NoError(t, err)
		// Whatever a later package keeps in a project.
		_, err = w.db.ExecContext(ctx, "CREATE TABLE things (project_id TEXT NOT NULL REFERENCES projects (id))")
		require.NoError(t, err)
		_, err = w.db.ExecContext(ctx, "INSERT INTO things (project_id) VALUES ($1)", string(demo.ID))
		require.NoError(t, err)

		require.ErrorIs(t, w.Delete(with(ctx, in(demo, authz.ProjectAdmin)), "demo"), authz.ErrForbidden)
		require.ErrorIs(t, w.Delete(w.system, "demo"), project.ErrNotEmpty)
		_, err = w.db.ExecContext(ctx, "DELETE FROM things")
		require.NoError(t, err)
		require.NoError(t, w.Delete(w.system, "demo"), "members do not keep it")
		_, err = w.Get(w.system, "demo")
		require.ErrorIs(t, err, project.ErrNotFound)
	})
}

func TestMembers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		demo := w.project(t, "demo")
		admin := with(t.Context(), in(demo, authz.ProjectAdmin))
		_, err := w.identity.CreateGroup(w.system, identity.CreateGroupInput{Name: "developers"})
		require.NoError(t, err)
		added, err := w.AddMember(admin, "demo", project.MemberInput{GroupName: "developers", Role: authz.EnvironmentTemplateUser})
		require.NoError(t, err)
		members, err := w.Members(admin, "demo")
		require.NoError(t, err)
		require.Equal(t, []identity.Binding{added}, members)

		reader := with(t.Context(), in(demo, authz.ReadOnly))
		_, err = w.Members(reader, "demo")
		require.ErrorIs(t, err, authz.ErrForbidden)
		require.ErrorIs(t, w.RemoveMember(reader, "demo", added.ID), authz.ErrForbidden)
		_, err = w.AddMember(reader, "demo", project.MemberInput{GroupName: "developers", Role: authz.ReadOnly})
		require.ErrorIs(t, err, authz.ErrForbidden)
		require.NoError(t, w.RemoveMember(admin, "demo", added.ID))
		require.ErrorIs(t, w.RemoveMember(admin, "demo", added.ID), identity.ErrBindingNotFound)
	})
}

func TestEveryMethodRefusesAnonymous(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) { authztest.RefusesAnonymous(t, w.Service, nil) })
}
