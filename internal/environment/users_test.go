package environment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
	"github.com/berthdev/berth/internal/environment"
	"github.com/berthdev/berth/internal/template"
)

// A version is needed by environments that are made of it, that were deployed with it, that deploy with it now, and by
// resources that were applied with it.
func TestTemplateUsers(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		exec := func(query string, args ...any) {
			t.Helper()
			_, err := d.ExecContext(t.Context(), query, args...)
			require.NoError(t, err)
		}
		exec(`INSERT INTO users (id, email, name, password_hash, created_at, updated_at) VALUES ('u', 'u@example.com', '', '', 0, 0)`)
		exec(`INSERT INTO projects (id, name, description, created_at, updated_at) VALUES ('p', 'demo', '', 0, 0)`)
		exec(`INSERT INTO environment_templates (id, name, display_name, description, created_at, updated_at) VALUES ('t', 't', '', '', 0, 0)`)
		for _, v := range []string{"made", "deployed", "running", "applied", "ended", "gone"} {
			exec(`INSERT INTO environment_template_versions (id, template_id, version, state, summary, icon, category, spec_json, problems_json,
				created_at, updated_at) VALUES ($1, 't', $1, 'active', '', '', '', '{}', '[]', 0, 0)`, v)
		}
		environmentOf := func(id, version string, deployed any) {
			exec(`INSERT INTO environments (id, project_id, name, unique_name, template_id, template_version_id, deployed_version_id, owner_id, owner_email,
				inputs, revision, run_count, created_at, updated_at) VALUES ($1, 'p', $1, $1, 't', $2, $3, 'u', '', $4, 1, 0, 0, 0)`, id, version, deployed, []byte("-"))
		}
		run := func(id, environmentID string, number int, status, version string) {
			exec(`INSERT INTO runs (id, environment_id, project_id, number, kind, status, cancel_requested, template_version_id, snapshot, created_by,
				created_by_email, created_at) VALUES ($1, $2, 'p', $3, 'deploy', $4, 0, $5, $6, 'u', '', 0)`, id, environmentID, number, status, version, []byte("-"))
		}
		resource := func(id, environmentID, status, runID string) {
			exec(`INSERT INTO resources (id, environment_id, name, status, endpoint, data_key, object_count, in_doubt, updated_at, applied_run_id)
				VALUES ($1, $2, $1, $3, '', $4, 0, '[]', 0, $5)`, id, environmentID, status, []byte("-"), runID)
		}
		environmentOf("plain", "made", nil)
		environmentOf("changed", "made", "deployed")
		run("r1", "changed", 1, "succeeded", "ended")
		run("r2", "changed", 2, "running", "running")
		exec(`UPDATE environments SET last_run_id = 'r2' WHERE id = 'changed'`)
		run("r3", "plain", 1, "failed", "applied")
		run("r4", "plain", 2, "succeeded", "gone")
		resource("vpc", "plain", "failed", "r3")
		resource("app", "plain", "destroyed", "r4")

		got, err := environment.TemplateUsers(t.Context(), d, []template.EnvironmentVersionID{"made", "deployed", "running", "applied", "ended", "gone"})
		require.NoError(t, err)
		names := map[template.EnvironmentVersionID][]string{}
		for version, users := range got {
			for _, u := range users {
				names[version] = append(names[version], u.Project+"/"+u.Name+" "+u.Status)
			}
		}
		require.Equal(t, map[template.EnvironmentVersionID][]string{
			"made": {"demo/changed deploying", "demo/plain draft"}, "deployed": {"demo/changed deploying"},
			"running": {"demo/changed deploying"}, "applied": {"demo/plain draft"},
		}, names)
		none, err := environment.TemplateUsers(t.Context(), d, nil)
		require.NoError(t, err)
		require.Empty(t, none)
	})
}
