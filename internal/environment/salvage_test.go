package environment_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/berthdev/berth/internal/configcontext"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/runner/runnertest"
	"github.com/berthdev/berth/internal/template"
)

func TestALostStepWhoseContextIsGoneFailsAndNothingElse(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		gate := filepath.Join(t.TempDir(), "go")
		const secret = "canary-in-the-name"
		w.module(prj, "net", "output \"id\" {\n  value = \"\"\n}\n", runnertest.Script{Objects: []runnertest.Object{
			{Address: "fake_net.a", Type: "fake_net", ID: secret, WaitFor: gate},
		}})
		_, _, err := w.contexts.Set(w.author, "prj_platform", "cloud", configcontext.Input{Env: []configcontext.Env{{Key: "TOKEN", Value: secret, Sensitive: true}}})
		require.NoError(t, err)
		require.NoError(t, w.contexts.Share(w.author, "prj_platform", "cloud", []string{prj}))
		w.template(prj, "net", "v1", template.EnvironmentSpec{
			Contexts:  []template.ContextRef{{Name: "cloud"}},
			Resources: []template.Resource{{Name: "net", Kind: template.KindResourceTemplate, Template: "net", Version: "v1"}},
		})
		w.create("one", "net", "v1")
		deploy := func() (run.Run, error) { return w.environments.Deploy(w.ctx, prj, "one") }
		changed, stop := w.db.Watch("events")
		defer stop()
		until := func(r run.Run, ok func(run.Run) bool) run.Run {
			for !ok(r) {
				select {
				case <-changed:
				case <-t.Context().Done():
					t.Fatal("the test ended before the run")
				}
				var err error
				r, err = w.runs.Get(w.ctx, r.ID)
				require.NoError(t, err)
			}
			return r
		}
		r, err := deploy()
		require.NoError(t, err)
		progress := func(r run.Run) []run.Object {
			all, err := w.runs.Progress(w.ctx, r)
			require.NoError(t, err)
			return all[r.Steps[0].ID].Objects
		}
		r = until(r, func(r run.Run) bool {
			return slices.ContainsFunc(progress(r), func(o run.Object) bool { return o.Status == "started" })
		})

		// No service takes a context from a run, but its project may be deleted, or a database restored.
		_, err = d.ExecContext(t.Context(), `DELETE FROM config_context_shares`)
		require.NoError(t, err)
		w.killSupervisor()
		require.NoError(t, os.WriteFile(gate, nil, 0o600))
		r = until(r, func(r run.Run) bool { return r.Status.Ended() })
		require.Equal(t, run.StatusFailed, r.Status)
		require.Contains(t, r.Steps[0].Error, "The template needs the config context cloud")
		shown, err := json.Marshal([]any{r, progress(r)})
		require.NoError(t, err)
		require.NotContains(t, string(shown), secret)

		// The executor goes on, and what the lost attempt made is found again.
		require.NoError(t, w.contexts.Share(w.author, "prj_platform", "cloud", []string{prj}))
		r = w.finish(w.environments.Deploy, "one")
		require.Equal(t, run.StatusSucceeded, r.Status, "%+v", r.Steps)
		require.Equal(t, run.StatusSucceeded, w.finish(w.environments.Destroy, "one").Status)
	})
}

// killSupervisor kills what carries out the only step there is.
func (w *world) killSupervisor() {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.dir, "steps", "*", "supervisor.json"))
	require.NoError(w.t, err)
	require.Len(w.t, found, 1)
	text, err := os.ReadFile(found[0])
	require.NoError(w.t, err)
	var supervisor struct{ PID int }
	require.NoError(w.t, json.Unmarshal(text, &supervisor))
	require.NoError(w.t, unix.Kill(supervisor.PID, unix.SIGKILL))
}
