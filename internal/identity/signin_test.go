package identity_test

import (
	"fmt"
	"strings"
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

var browser = audit.Client{Kind: audit.Browser, IP: "192.0.2.7", UserAgent: "test"}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		ctx := t.Context()
		user := w.user(t, "dev@example.com")
		token, session, err := w.SignIn(ctx, "DEV@example.com", password, browser)
		require.NoError(t, err)
		require.Equal(t, identity.BrowserSession, session.Kind)

		subject, same, err := w.Authenticate(ctx, token)
		require.NoError(t, err)
		require.Equal(t, session, same)
		require.Equal(t, authz.Subject{Kind: authz.User, UserID: string(user.ID), Email: "dev@example.com"}, subject)

		// Nothing that could be used as a token is in the database.
		n, err := db.One(ctx, w.db, db.Value[int], "SELECT COUNT(*) FROM sessions WHERE token_hash = $1", []byte(token))
		require.NoError(t, err)
		require.Zero(t, n)

		require.NoError(t, w.SignOut(ctx, token))
		require.NoError(t, w.SignOut(ctx, token))
		for _, bad := range []string{token, "", "berth_session_", token + "x", strings.ToUpper(token)} {
			_, _, err = w.Authenticate(ctx, bad)
			require.ErrorIs(t, err, identity.ErrSessionInvalid)
		}
	})
}

func TestSignInSaysTheSameWhetherTheUserExists(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		w.user(t, "dev@example.com")
		for _, email := range []string{"dev@example.com", "nobody@example.com", ""} {
			for _, wrong := range []string{"wrong password!", "", strings.Repeat("x", 5000)} {
				_, _, err := w.SignIn(t.Context(), email, wrong, audit.Client{})
				require.EqualError(t, err, identity.ErrWrongPassword.Message)
			}
		}
		admin := authz.WithSubject(t.Context(), authz.System("test"))
		page, err := w.audit.List(admin, audit.ListFilter{Action: "session.create", Outcome: audit.Failed})
		require.NoError(t, err)
		require.Len(t, page.Entries, 9)
		require.Equal(t, "(unknown account)", page.Entries[0].ObjectName)
		require.Equal(t, "dev@example.com", page.Entries[8].ObjectName)
	})
}

func TestSignInBacksOffPerAccount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		ctx := t.Context()
		w.user(t, "dev@example.com")
		w.user(t, "other@example.com")
		fail := func() error {
			_, _, err := w.SignIn(ctx, "dev@example.com", "wrong password!", browser)
			return err
		}
		for range 5 {
			require.ErrorIs(t, fail(), identity.ErrWrongPassword)
		}
		require.EqualError(t, fail(), "Too many attempts to sign in. Try again in 1 second.")
		_, _, err := w.SignIn(ctx, "dev@example.com", password, browser)
		require.ErrorIs(t, err, identity.ErrTooManyAttempts, "not even with the right password")
		require.Equal(t, fault.Unavailable, fault.KindOf(err))
		_, _, err = w.SignIn(ctx, "other@example.com", password, browser)
		require.NoError(t, err)

		for _, wait := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900} {
			*w.now = w.now.Add(wait*time.Second - time.Microsecond)
			require.ErrorIs(t, fail(), identity.ErrTooManyAttempts, "%d", wait)
			*w.now = w.now.Add(time.Microsecond)
			require.ErrorIs(t, fail(), identity.ErrWrongPassword, "%d", wait)
		}
		*w.now = w.now.Add(15 * time.Minute)
		_, _, err = w.SignIn(ctx, "dev@example.com", password, browser)
		require.NoError(t, err)
		require.ErrorIs(t, fail(), identity.ErrWrongPassword, "success starts the count anew")
	})
}

func TestSignInBacksOffPerAddress(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		attempt := func(i int, ip string) error {
			_, _, err := w.SignIn(t.Context(), fmt.Sprintf("u%d@example.com", i), "wrong password!", audit.Client{IP: ip})
			return err
		}
		for i := range 30 {
			require.ErrorIs(t, attempt(i, fmt.Sprintf("2001:db8:1:2::%x", i)), identity.ErrWrongPassword)
		}
		require.ErrorIs(t, attempt(40, "2001:db8:1:2:ffff::1"), identity.ErrTooManyAttempts, "one /64 is one address")
		require.ErrorIs(t, attempt(40, "2001:db8:1:3::1"), identity.ErrWrongPassword)
	})
}

func TestManyCorrectSignInsAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		w.user(t, "dev@example.com")
		errs := make(chan error, 20)
		for range cap(errs) {
			go func() {
				_, _, err := w.SignIn(t.Context(), "dev@example.com", password, browser)
				errs <- err
			}()
		}
		for range cap(errs) {
			require.NoError(t, <-errs)
		}
	})
}

func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		ctx := t.Context()
		w.user(t, "dev@example.com")
		start := *w.now
		token, _, err := w.SignIn(ctx, "dev@example.com", password, browser)
		require.NoError(t, err)
		cli, cliSession, err := w.SignIn(ctx, "dev@example.com", password, audit.Client{Kind: audit.CLI})
		require.NoError(t, err)
		require.Equal(t, identity.CLISession, cliSession.Kind)

		*w.now = start.Add(23 * time.Hour) // use keeps it alive
		_, _, err = w.Authenticate(ctx, token)
		require.NoError(t, err)
		*w.now = start.Add(46 * time.Hour)
		_, session, err := w.Authenticate(ctx, token)
		require.NoError(t, err)
		require.Equal(t, start.Add(23*time.Hour), session.LastUsedAt)
		*w.now = start.Add(71 * time.Hour) // unused for longer than a day
		_, _, err = w.Authenticate(ctx, token)
		require.ErrorIs(t, err, identity.ErrSessionInvalid)
		_, _, err = w.Authenticate(ctx, cli)
		require.NoError(t, err)

		for now := start.Add(72 * time.Hour); now.Before(start.AddDate(0, 0, 90)); now = now.AddDate(0, 0, 20) {
			*w.now = now
			_, _, err = w.Authenticate(ctx, cli)
			require.NoError(t, err)
		}
		*w.now = start.AddDate(0, 0, 90) // however often it is used
		_, _, err = w.Authenticate(ctx, cli)
		require.ErrorIs(t, err, identity.ErrSessionInvalid)

		require.NoError(t, w.Prune(w.system))
		n, err := db.One(ctx, w.db, db.Value[int], "SELECT COUNT(*) FROM sessions")
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

func TestSessionsAreListedAndRevokedByTheirOwner(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		w.user(t, "dev@example.com")
		w.user(t, "other@example.com")
		dev, other := w.as(t, "dev@example.com"), w.as(t, "other@example.com")
		sessions, err := w.ListSessions(dev)
		require.NoError(t, err)
		require.Len(t, sessions, 1)
		require.ErrorIs(t, w.RevokeSession(other, sessions[0].ID), identity.ErrSessionNotFound)
		require.NoError(t, w.RevokeSession(dev, sessions[0].ID))
		sessions, err = w.ListSessions(dev)
		require.NoError(t, err)
		require.Empty(t, sessions)
		_, err = w.ListSessions(t.Context())
		require.ErrorIs(t, err, authz.ErrUnauthenticated)
	})
}

func TestDisabledUsersAreOut(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		ctx := t.Context()
		w.user(t, "dev@example.com")
		token, _, err := w.SignIn(ctx, "dev@example.com", password, browser)
		require.NoError(t, err)
		disabled, err := w.DisableUser(w.system, "dev@example.com")
		require.NoError(t, err)
		require.True(t, disabled.Disabled())
		_, _, err = w.Authenticate(ctx, token)
		require.ErrorIs(t, err, identity.ErrSessionInvalid)
		_, _, err = w.SignIn(ctx, "dev@example.com", password, browser)
		require.ErrorIs(t, err, identity.ErrUserDisabled)
		_, _, err = w.SignIn(ctx, "dev@example.com", "wrong password!", browser)
		require.ErrorIs(t, err, identity.ErrWrongPassword)
		_, err = w.EnableUser(w.system, "dev@example.com")
		require.NoError(t, err)
		w.as(t, "dev@example.com")
	})
}

func TestPasswordChanges(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world) {
		ctx := t.Context()
		w.user(t, "dev@example.com")
		token, session, err := w.SignIn(ctx, "dev@example.com", password, browser)
		require.NoError(t, err)
		other, _, err := w.SignIn(ctx, "dev@example.com", password, browser)
		require.NoError(t, err)
		subject, _, err := w.Authenticate(ctx, token)
		require.NoError(t, err)
		dev := authz.WithSubject(ctx, subject)

		require.ErrorContains(t, w.ChangePassword(dev, "wrong password!", "another password", session.ID), "currentPassword: is wrong")
		require.ErrorContains(t, w.ChangePassword(dev, password, "short", session.ID), "at least 12")
		require.NoError(t, w.ChangePassword(dev, password, "another password", session.ID))
		_, _, err = w.Authenticate(ctx, token)
		require.NoError(t, err)
		_, _, err = w.Authenticate(ctx, other)
		require.ErrorIs(t, err, identity.ErrSessionInvalid)

		require.ErrorIs(t, w.ResetPassword(dev, "dev@example.com", password), authz.ErrForbidden)
		require.NoError(t, w.ResetPassword(w.system, "dev@example.com", password))
		_, _, err = w.Authenticate(ctx, token)
		require.ErrorIs(t, err, identity.ErrSessionInvalid)
		w.as(t, "dev@example.com")
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	w := newWorld(b, dbtest.SQLite, true)
	w.user(b, "dev@example.com")
	for i := range 200 {
		w.user(b, fmt.Sprintf("u%d@example.com", i))
	}
	for i := range 10 {
		group := fmt.Sprintf("group-%d", i)
		_, err := w.CreateGroup(w.system, identity.CreateGroupInput{Name: group})
		require.NoError(b, err)
		if i < 5 {
			require.NoError(b, w.AddGroupMember(w.system, group, "dev@example.com"))
		}
		for p := range 20 {
			id := fmt.Sprintf("prj_%d", p)
			if i == 0 {
				w.project(b, id, fmt.Sprintf("project-%d", p))
			}
			if p%10 == i {
				_, err := w.Grant(w.system, identity.GrantInput{ProjectID: id, GroupName: group, Role: authz.EnvironmentTemplateUser})
				require.NoError(b, err)
			}
		}
	}
	token, _, err := w.SignIn(b.Context(), "dev@example.com", password, browser)
	require.NoError(b, err)
	for b.Loop() {
		subject, _, err := w.Authenticate(b.Context(), token)
		if err != nil || len(subject.Bindings) != 10 {
			b.Fatal(err, len(subject.Bindings))
		}
	}
}

func BenchmarkSignIn(b *testing.B) {
	w := newWorld(b, dbtest.SQLite, false)
	w.user(b, "dev@example.com")
	for b.Loop() {
		if _, _, err := w.SignIn(b.Context(), "dev@example.com", password, browser); err != nil {
			b.Fatal(err)
		}
	}
}

// The cost of the product's own hashes, which the other tests do without, and
// that a hash made with other parameters is renewed.
func TestPasswordHashesAreRealAndRenewed(t *testing.T) {
	t.Parallel()
	hash := func(w world) string {
		h, err := db.One(t.Context(), w.db, db.Value[string], "SELECT password_hash FROM users")
		require.NoError(t, err)
		return h
	}
	w := newWorld(t, dbtest.SQLite, true)
	w.user(t, "dev@example.com")
	require.Contains(t, hash(w), "$argon2id$v=19$m=8,t=1,p=1$")
	real := identity.New(identity.Deps{DB: w.db, Audit: w.audit})
	_, _, err := real.SignIn(t.Context(), "dev@example.com", password, browser)
	require.NoError(t, err)
	require.Contains(t, hash(w), "$argon2id$v=19$m=19456,t=2,p=1$")
	_, _, err = real.SignIn(t.Context(), "dev@example.com", password, browser)
	require.NoError(t, err)
}
