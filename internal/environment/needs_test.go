package environment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/runner/runnertest"
	"github.com/berthdev/berth/internal/staticresource"
	"github.com/berthdev/berth/internal/template"
)

func TestWhatEnvironmentsNeedCannotBeDeleted(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		const platform = "prj_platform"
		for _, owner := range []string{prj, platform} {
			for _, name := range []string{"cloud", "logs"} {
				_, _, err := w.contexts.Set(w.author, owner, name, configcontext.Input{Env: []configcontext.Env{{Key: "A", Value: "b"}}})
				require.NoError(t, err)
			}
			_, _, err := w.statics.Set(w.author, owner, "known", staticresource.Input{Variables: []staticresource.Variable{{Name: "id", Value: "vpc-1"}}})
			require.NoError(t, err)
		}
		w.module(platform, "net", "variable \"id\" {\n  type = string\n}\n", runnertest.Script{})
		v, err := w.templates.ResourceVersion(w.author, platform, "net", "v1")
		require.NoError(t, err)
		_, _, err = w.templates.SaveResource(w.author, template.SaveInput{ProjectID: platform, Name: "net", Version: "v2", State: template.Active},
			template.ResourceSpec{Bundle: v.Spec.Bundle, Contexts: []template.ContextRef{{Name: "logs"}}})
		require.NoError(t, err)
		value := `$(resource["known"].output.id)$`
		w.template(platform, "net", "v1", template.EnvironmentSpec{
			Contexts: []template.ContextRef{{Name: "cloud"}},
			Resources: []template.Resource{
				{Name: "known", Kind: template.KindStatic, Static: "known"},
				{Name: "net", Kind: template.KindResourceTemplate, Template: "net", Version: "v2"},
			},
			Variables: []template.Variable{{Name: "id", ValueType: "expression", Value: &value}},
		})
		w.create("one", "net", "v1")

		// The static resource is the template owner's, and an active version uses it.
		require.NoError(t, w.statics.Delete(w.author, prj, "known"))
		err = w.statics.Delete(w.author, platform, "known")
		require.ErrorIs(t, err, staticresource.ErrInUse)
		require.ErrorContains(t, err, "environment template net v1 of project platform")

		// Nothing was made yet, so no context is needed for anything.
		require.NoError(t, w.contexts.Delete(w.author, platform, "cloud"))
		require.Equal(t, run.StatusSucceeded, w.finish(w.environments.Deploy, "one").Status)
		// The project's own contexts come before those of the template's owner.
		for _, name := range []string{"cloud", "logs"} {
			err = w.contexts.Delete(w.author, prj, name)
			require.ErrorIs(t, err, configcontext.ErrInUse, name)
			require.ErrorContains(t, err, "environment one of project demo", name)
		}
		require.NoError(t, w.contexts.Delete(w.author, platform, "logs"))

		require.NoError(t, w.templates.SetEnvironmentState(w.author, platform, "net", "v1", template.Disabled))
		require.ErrorIs(t, w.statics.Delete(w.author, platform, "known"), staticresource.ErrInUse)
		require.Equal(t, run.StatusSucceeded, w.finish(w.environments.Destroy, "one").Status)
		require.NoError(t, w.statics.Delete(w.author, platform, "known"))
		require.NoError(t, w.contexts.Delete(w.author, prj, "cloud"))
		require.NoError(t, w.contexts.Delete(w.author, prj, "logs"))
	})
}

func TestAShareThatAnEnvironmentNeedsStays(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		const platform = "prj_platform"
		_, _, err := w.contexts.Set(w.author, platform, "cloud", configcontext.Input{Env: []configcontext.Env{{Key: "A", Value: "b"}}})
		require.NoError(t, err)
		require.NoError(t, w.contexts.Share(w.author, platform, "cloud", []string{prj}))
		w.module(prj, "net", "", runnertest.Script{})
		w.template(prj, "net", "v1", template.EnvironmentSpec{
			Contexts:  []template.ContextRef{{Name: "cloud"}},
			Resources: []template.Resource{{Name: "net", Kind: template.KindResourceTemplate, Template: "net", Version: "v1"}},
		})
		w.create("one", "net", "v1")
		require.Equal(t, run.StatusSucceeded, w.finish(w.environments.Deploy, "one").Status)

		err = w.contexts.Share(w.author, platform, "cloud", nil)
		require.ErrorIs(t, err, configcontext.ErrInUse)
		require.ErrorContains(t, err, "environment one of project demo")
		require.NoError(t, w.contexts.Share(w.author, platform, "cloud", []string{configcontext.Everyone}), "it still reaches the project")
		require.Equal(t, run.StatusSucceeded, w.finish(w.environments.Destroy, "one").Status)
		require.NoError(t, w.contexts.Share(w.author, platform, "cloud", nil))
	})
}

func TestAShareThatATemplateNeedsStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.SQLite(t))
	const platform = "prj_platform"
	_, _, err := w.statics.Set(w.author, platform, "known", staticresource.Input{Variables: []staticresource.Variable{{Name: "id", Value: "vpc-1"}}})
	require.NoError(t, err)
	require.NoError(t, w.statics.Share(w.author, platform, "known", []string{prj}))
	w.module(prj, "net", "variable \"id\" {\n  type = string\n}\n", runnertest.Script{})
	value := `$(resource["known"].output.id)$`
	w.template(prj, "net", "v1", template.EnvironmentSpec{
		Resources: []template.Resource{
			{Name: "known", Kind: template.KindStatic, Static: "known"},
			{Name: "net", Kind: template.KindResourceTemplate, Template: "net", Version: "v1"},
		},
		Variables: []template.Variable{{Name: "id", ValueType: "expression", Value: &value}},
	})
	err = w.statics.Share(w.author, platform, "known", nil)
	require.ErrorIs(t, err, staticresource.ErrInUse)
	require.ErrorContains(t, err, "environment template net v1 of project demo")
	known, err := w.statics.Get(w.author, platform, "known")
	require.NoError(t, err)
	require.Equal(t, []string{prj}, known.SharedWith, "nothing is changed by what is refused")
	require.NoError(t, w.templates.SetEnvironmentState(w.author, prj, "net", "v1", template.Disabled))
	require.NoError(t, w.statics.Share(w.author, platform, "known", nil))
}
