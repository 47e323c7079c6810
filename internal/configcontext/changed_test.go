package configcontext_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/fault"
)

// TestUnseenChanges: who says what they have seen overwrites nothing else, and who makes a new context changes none.
func TestUnseenChanges(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := setup(t, d)
		ctx := authz.WithSubject(t.Context(), authz.System("test"))
		in := input()
		in.OnlyNew = true
		first, _, err := s.Set(ctx, "p1", "aws", in)
		require.NoError(t, err)
		_, _, err = s.Set(ctx, "p1", "aws", in)
		require.ErrorIs(t, err, configcontext.ErrExists)

		in.OnlyNew, in.IfUnchangedSince = false, first.UpdatedAt
		second, _, err := s.Set(ctx, "p1", "aws", in)
		require.NoError(t, err)
		require.True(t, second.UpdatedAt.After(first.UpdatedAt), "however little time has passed")
		in.Description = "too late"
		_, _, err = s.Set(ctx, "p1", "aws", in)
		require.ErrorIs(t, err, configcontext.ErrChanged)
		got, err := s.Get(ctx, "p1", "aws")
		require.NoError(t, err)
		require.Equal(t, "account", got.Description)
		require.NoError(t, s.Delete(ctx, "p1", "aws"))
		in.IfUnchangedSince = second.UpdatedAt
		_, _, err = s.Set(ctx, "p1", "aws", in)
		require.ErrorIs(t, err, configcontext.ErrChanged, "what is gone is not made again by accident")
	})
}

// TestMissingValueIsNamed: the field that needs a value is named by its place in the input.
func TestMissingValueIsNamed(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := setup(t, d)
		ctx := authz.WithSubject(t.Context(), authz.System("test"))
		for path, in := range map[string]configcontext.Input{
			"env[1].value":       {Env: []configcontext.Env{{Key: "A", Value: "x"}, {Key: "B", Sensitive: true}}},
			"files[0].content":   {Files: []configcontext.File{{MountPath: "a", Sensitive: true}}},
			"variables[0].value": {Variables: []configcontext.Variable{{Name: "a", Sensitive: true}}},
		} {
			_, _, err := s.Set(ctx, "p1", "aws", in)
			f, ok := fault.As(err)
			require.True(t, ok, path)
			require.Equal(t, path, f.Fields[0].Path)
		}
	})
}
