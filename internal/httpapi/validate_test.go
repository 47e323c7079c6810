package httpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/apptest"
)

func TestValidateInputs(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	c := s.Client(apptest.Developer)
	ask := func(variables ...api.Variable) api.InputsVerdict {
		t.Helper()
		out, err := c.ValidateInputs(t.Context(), "demo", "pair", "v1", api.ValidateInputs{Variables: variables})
		require.NoError(t, err)
		return out
	}
	require.Equal(t, api.InputsVerdict{Valid: true, Fields: []api.InputError{}, Warnings: []string{}}, ask(api.Variable{Name: "port", Value: text("81")}))
	got := ask(api.Variable{Name: "port", ValueType: "json", Value: text(`"eighty"`)}, api.Variable{Name: "nowhere", Value: text("x")})
	require.False(t, got.Valid)
	require.Equal(t, "port", got.Fields[0].Path)
	require.Contains(t, got.Fields[0].Message, "65535; you entered")
	require.Len(t, got.Fields, 1)
	require.Len(t, got.Warnings, 1)
	require.Contains(t, got.Warnings[0], "nowhere")
	list, err := c.Environments(t.Context(), "demo", api.EnvironmentFilter{})
	require.NoError(t, err)
	require.Empty(t, list.Items, "nothing is made")
	_, err = c.ValidateInputs(t.Context(), "demo", "pair", "v9", api.ValidateInputs{Variables: []api.Variable{}})
	require.ErrorContains(t, err, "no version")
}
