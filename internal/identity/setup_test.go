package identity_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/identity"
)

const password = "correct horse battery"

// world is a service with a clock that the test moves.
type world struct {
	*identity.Service
	db     *db.DB
	audit  *audit.Service
	now    *time.Time
	system context.Context
}

// each runs a test on every database.
func each(t *testing.T, test func(t *testing.T, w world)) {
	t.Helper()
	for name, open := range map[string]func(testing.TB, ...dbtest.Option) *db.DB{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t, open, true))
		})
	}
}

func newWorld(t testing.TB, open func(testing.TB, ...dbtest.Option) *db.DB, cheap bool) world {
	t.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d := open(t, dbtest.Clock(func() time.Time { return now }))
	auditor := audit.New(audit.Deps{DB: d})
	return world{
		Service: identity.New(identity.Deps{DB: d, Audit: auditor, CheapPasswords: cheap}), db: d, audit: auditor, now: &now,
		// A system subject, to seed with.
		system: authz.WithSubject(t.Context(), authz.System("test")),
	}
}

func (w world) user(t testing.TB, email string, roles ...authz.Role) identity.User {
	t.Helper()
	user, err := w.CreateUser(w.system, identity.CreateUserInput{Email: email, Password: password})
	require.NoError(t, err)
	for _, role := range roles {
		_, err := w.Grant(w.system, identity.GrantInput{UserEmail: email, Role: role})
		require.NoError(t, err)
	}
	return user
}

// as signs a user in and returns the context of a request with that session.
func (w world) as(t testing.TB, email string) context.Context {
	t.Helper()
	token, _, err := w.SignIn(t.Context(), email, password, audit.Client{Kind: audit.Browser, IP: "192.0.2.1"})
	require.NoError(t, err)
	subject, _, err := w.Authenticate(t.Context(), token)
	require.NoError(t, err)
	return authz.WithSubject(t.Context(), subject)
}

func (w world) project(t testing.TB, id, name string) {
	t.Helper()
	_, err := w.db.ExecContext(t.Context(), "INSERT INTO projects (id, name, description, created_at, updated_at) VALUES ($1, $2, '', 0, 0)", id, name)
	require.NoError(t, err)
}

func TestSetupMakesTheFirstAdminOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		ctx := t.Context()
		needs, err := w.NeedsSetup(ctx)
		require.NoError(t, err)
		require.True(t, needs)

		old, err := w.PrepareSetup(w.system)
		require.NoError(t, err)
		token, err := w.PrepareSetup(w.system)
		require.NoError(t, err)
		in := identity.SetupInput{Token: old, Email: " Admin@Example.com ", Password: password}
		_, err = w.Setup(ctx, in)
		require.ErrorIs(t, err, identity.ErrSetupToken)
		in.Token = ""
		_, err = w.Setup(ctx, in)
		require.ErrorIs(t, err, identity.ErrSetupToken)

		in.Token, in.Password = token, "short"
		_, err = w.Setup(ctx, in)
		require.Equal(t, fault.Invalid, fault.KindOf(err))
		in.Password = password
		admin, err := w.Setup(ctx, in)
		require.NoError(t, err)
		require.Equal(t, "admin@example.com", admin.Email)

		_, err = w.Setup(ctx, in)
		require.ErrorIs(t, err, identity.ErrSetupDone)
		needs, err = w.NeedsSetup(ctx)
		require.NoError(t, err)
		require.False(t, needs)
		token, err = w.PrepareSetup(w.system)
		require.NoError(t, err)
		require.Empty(t, token)
		require.True(t, authz.From(w.as(t, "admin@example.com")).Can(authz.SettingsWrite, ""))
	})
}

func TestPrepareSetupIsForBerthItself(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		_, err := w.PrepareSetup(t.Context())
		require.ErrorIs(t, err, authz.ErrUnauthenticated)
	})
}
