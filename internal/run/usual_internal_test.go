package run

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/dbtest"
)

// The usual duration comes from the latest runs of every version of the template, and from no other template.
func TestUsualDurations(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		exec := func(query string, args ...any) {
			t.Helper()
			require.NoError(t, d.Tx(t.Context(), func(tx *db.Tx) error {
				_, err := tx.ExecContext(t.Context(), query, args...)
				return err
			}))
		}
		exec(`INSERT INTO users (id, email, name, password_hash, created_at, updated_at) VALUES ('u', 'u@example.com', '', '', 0, 0)`)
		exec(`INSERT INTO projects (id, name, description, created_at, updated_at) VALUES ('p', 'p', '', 0, 0)`)
		for _, v := range []string{"a1", "a2", "b1"} {
			exec(`INSERT INTO environment_templates (id, name, display_name, description, created_at, updated_at) VALUES ($1, $1, '', '', 0, 0)
				ON CONFLICT DO NOTHING`, v[:1])
			exec(`INSERT INTO environment_template_versions (id, template_id, version, state, summary, icon, category, spec_json, problems_json,
				created_at, updated_at) VALUES ($1, $2, $1, 'active', '', '', '', '{}', '[]', 0, 0)`, v, v[:1])
		}
		exec(`INSERT INTO environments (id, project_id, name, unique_name, template_id, template_version_id, owner_id, owner_email, inputs, revision,
			run_count, created_at, updated_at) VALUES ('e', 'p', 'e', 'e', 'a', 'a1', 'u', 'u@example.com', $1, 1, 0, 0, 0)`, []byte("-"))
		exec(`INSERT INTO resources (id, environment_id, name, status, endpoint, data_key, object_count, in_doubt, updated_at)
			VALUES ('o', 'e', 'vpc', 'deployed', '', $1, 0, '[]', 0)`, []byte("-"))
		number := 0
		run := func(version, status string, took time.Duration) {
			number++
			id := fmt.Sprintf("run_%04d", number)
			exec(`INSERT INTO runs (id, environment_id, project_id, number, kind, status, cancel_requested, template_version_id, snapshot, created_by,
				created_by_email, created_at) VALUES ($1, 'e', 'p', $2, 'deploy', 'succeeded', 0, $3, $4, 'u', 'u@example.com', 0)`,
				id, number, version, []byte("-"))
			exec(`INSERT INTO steps (id, run_id, position, resource_id, resource, action, status, phase, attempt, depends_on, error, diagnostics, added,
				changed, destroyed, tool, pool, lease_owner, read_offset, losses, started_at, finished_at)
				VALUES ($1, $1, 0, 'o', 'vpc', 'apply', $2, '', 1, '[]', '', '[]', 0, 0, 0, '', '', '', 0, 0, 0, $3)`, id, status, took.Microseconds())
		}
		for range 2 * usualRuns {
			run("a1", "succeeded", time.Hour) // too long ago to count
		}
		for range usualRuns {
			run("a1", "succeeded", 20*time.Second)
		}
		for range usualRuns + 1 {
			run("a2", "succeeded", 30*time.Second)
		}
		run("a2", "failed", time.Minute)
		run("b1", "succeeded", time.Minute)
		run("a2", "succeeded", time.Minute) // the run that is looked at

		usual, err := usualDurations(t.Context(), d, ID(fmt.Sprintf("run_%04d", number)))
		require.NoError(t, err)
		require.Equal(t, map[durationKey]time.Duration{{"vpc", ActionApply}: 20 * time.Second}, usual)
	})
}
