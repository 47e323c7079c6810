package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/fault"
)

func TestErrorIsComparedByCode(t *testing.T) {
	t.Parallel()
	sentinel := fault.New(fault.NotFound, "project_not_found", "There is no such project.")
	err := fmt.Errorf("loading page: %w", sentinel.With("There is no project %q.", "demo"))

	require.ErrorIs(t, err, sentinel)
	require.NotErrorIs(t, err, fault.New(fault.NotFound, "run_not_found", "x"))
	require.Equal(t, fault.NotFound, fault.KindOf(err))
	require.Equal(t, "project_not_found", fault.CodeOf(err))
	e, ok := fault.As(err)
	require.True(t, ok)
	require.Equal(t, `There is no project "demo".`, e.Message)
	require.Equal(t, "There is no such project.", sentinel.Message, "With must not change the sentinel")
}

func TestWrapKeepsTheCause(t *testing.T) {
	t.Parallel()
	err := fault.Wrap(io.ErrUnexpectedEOF, fault.Unavailable, "git_unreachable", "%s does not answer.", "git.example.com")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, "git.example.com does not answer.", err.Message)
	require.Contains(t, err.Error(), "unexpected EOF")
}

func TestKindOfOtherErrors(t *testing.T) {
	t.Parallel()
	require.Equal(t, fault.Internal, fault.KindOf(errors.New("boom")))
	require.Equal(t, "internal", fault.CodeOf(errors.New("boom")))
	require.Empty(t, fault.KindOf(nil))
}

func TestFieldsCollectsEverything(t *testing.T) {
	t.Parallel()
	var fields fault.Fields
	require.NoError(t, fields.Err())

	fields.Check(true, "name", "never seen")
	fields.Check(false, "name", "must be at most %d characters", 40)
	fields.Merge("variables[1]", fault.InvalidField("value", "100% is not a number"))
	fields.Merge("source", fault.New(fault.NotFound, "x", "no such commit"))
	err := fields.Err()

	require.Equal(t, fault.Invalid, fault.KindOf(err))
	e, _ := fault.As(err)
	require.Equal(t, []fault.Field{
		{Path: "name", Message: "must be at most 40 characters"},
		{Path: "variables[1].value", Message: "100% is not a number"},
		{Path: "source", Message: "no such commit"},
	}, e.Fields)
	require.Contains(t, err.Error(), "name: must be at most 40 characters; variables[1].value: 100% is not a number")
}
