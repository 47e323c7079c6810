package template_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/template"
)

// TestContextUsers: before a config context is deleted, its owner learns which templates name it.
func TestContextUsers(t *testing.T) {
	t.Parallel()
	eachService(t, func(t *testing.T, f *fixture) {
		with := func(names ...string) template.EnvironmentSpec {
			var spec template.EnvironmentSpec
			for _, n := range names {
				spec.Contexts = append(spec.Contexts, template.ContextRef{Name: n})
			}
			return spec
		}
		for name, spec := range map[string]template.EnvironmentSpec{"ecs": with("aws", "dns"), "other": with("dns"), "plain": with()} {
			_, _, err := f.SaveEnvironment(f.system, version(name, "v1", template.Draft), spec)
			require.NoError(t, err)
		}
		_, _, err := f.SaveEnvironment(f.system, version("ecs", "v2", template.Draft), with("aws"))
		require.NoError(t, err)
		users, err := f.ContextUsers(f.system, demo, "aws")
		require.NoError(t, err)
		require.Equal(t, []string{"ecs"}, users)
		users, err = f.ContextUsers(f.system, "prj_other", "aws")
		require.NoError(t, err)
		require.Empty(t, users)
		_, err = f.ContextUsers(as(t, "prj_other", authz.ProjectAdmin), demo, "aws")
		require.ErrorIs(t, err, authz.ErrForbidden)
	})
}
