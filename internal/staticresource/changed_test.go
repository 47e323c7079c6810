package staticresource_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/secret"
	"github.com/berthdev/berth/internal/staticresource"
)

// TestUnseenChanges: who says what they have seen overwrites nothing else, and who makes a new one changes none.
func TestUnseenChanges(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		keys, err := secret.NewKeyring(bytes.Repeat([]byte("k"), 32))
		require.NoError(t, err)
		_, err = d.ExecContext(t.Context(), `INSERT INTO projects (id, name, description, created_at, updated_at) VALUES ('p1', 'one', '', 1, 1)`)
		require.NoError(t, err)
		s := staticresource.New(staticresource.Deps{DB: d, Audit: audit.New(audit.Deps{DB: d}), Keyring: keys})
		ctx := authz.WithSubject(t.Context(), authz.System("test"))
		in := staticresource.Input{OnlyNew: true, Variables: []staticresource.Variable{{Name: "id", Value: "vpc-1"}}}
		first, _, err := s.Set(ctx, "p1", "network", in)
		require.NoError(t, err)
		_, _, err = s.Set(ctx, "p1", "network", in)
		require.ErrorIs(t, err, staticresource.ErrExists)

		in.OnlyNew, in.IfUnchangedSince = false, first.UpdatedAt
		second, _, err := s.Set(ctx, "p1", "network", in)
		require.NoError(t, err)
		require.True(t, second.UpdatedAt.After(first.UpdatedAt), "however little time has passed")
		_, _, err = s.Set(ctx, "p1", "network", in)
		require.ErrorIs(t, err, staticresource.ErrChanged)
	})
}
