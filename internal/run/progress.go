package run

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/runner"
)

// takeLease makes the claimed attempt this machine's.
func takeLease(ctx context.Context, tx *db.Tx, st Step) error {
	_, err := tx.ExecContext(ctx, `UPDATE steps SET lease_owner = $2, lease_until = $3, read_offset = 0, diagnostics = '[]', plan = NULL WHERE id = $1`,
		st.ID, st.leaseOwner, db.Micros(st.leaseUntil))
	if err != nil {
		return fmt.Errorf("taking the lease of step %s: %w", st.ID, err)
	}
	return nil
}

// markApplied notes what a resource was applied with last: a destroy must use the same code and inputs, whatever is asked
// for later. It is called when the first object is touched. An attempt that fails before that, for its inputs do not suit the
// code, leaves what was applied before as it was, so that it can still be destroyed.
func markApplied(ctx context.Context, tx *db.Tx, st Step) error {
	_, err := tx.ExecContext(ctx, `UPDATE resources SET applied_run_id = $2,
		status = CASE WHEN status IN ('new', 'destroyed') THEN 'failed' ELSE status END WHERE id = $1`, st.ResourceID, st.RunID)
	if err != nil {
		return fmt.Errorf("recording what resource %s is applied with: %w", st.Resource, err)
	}
	return nil
}

func saveProgress(ctx context.Context, tx *db.Tx, st Step) error {
	_, err := tx.ExecContext(ctx, `UPDATE steps SET phase = $2, added = $3, changed = $4, destroyed = $5, tool = $6, diagnostics = $7, read_offset = $8
		WHERE id = $1`, st.ID, st.Phase, st.Added, st.Changed, st.Destroyed, st.Tool, db.JSON(nonNil(st.Diagnostics)), st.readOffset)
	if err != nil {
		return fmt.Errorf("saving the progress of step %s: %w", st.ID, err)
	}
	return nil
}

func insertPhase(ctx context.Context, tx *db.Tx, st Step, rec runner.Record) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO step_phases (step_id, attempt, phase, started_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		st.ID, st.Attempt, st.Phase, db.Micros(rec.Time))
	if err != nil {
		return fmt.Errorf("saving a phase of step %s: %w", st.ID, err)
	}
	return nil
}

// upsertObject keeps one row for each object and action, from planned to done.
func upsertObject(ctx context.Context, tx *db.Tx, st Step, rec runner.Record) error {
	o := rec.Object
	if o.Action == runner.ObjectNoop || o.Status == runner.ObjectDrifted {
		return nil
	}
	var started, finished any
	switch o.Status {
	case runner.ObjectStarted:
		started = db.Micros(rec.Time)
	case runner.ObjectFinished, runner.ObjectErrored:
		finished = db.Micros(rec.Time)
	case runner.ObjectPlanned, runner.ObjectDrifted:
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO step_objects (step_id, attempt, address, type, action, status, object_id, position, started_at, finished_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (step_id, attempt, address, action) DO UPDATE SET status = excluded.status,
			object_id = CASE WHEN excluded.object_id = '' THEN step_objects.object_id ELSE excluded.object_id END,
			started_at = COALESCE(step_objects.started_at, excluded.started_at), finished_at = excluded.finished_at`,
		st.ID, st.Attempt, o.Address, o.Type, string(o.Action), string(o.Status), o.ID, rec.Seq, started, finished)
	if err != nil {
		return fmt.Errorf("saving object %s of step %s: %w", o.Address, st.ID, err)
	}
	return nil
}

// saveEnd writes everything that hangs on the end of an attempt.
func (s *Service) saveEnd(ctx context.Context, tx *db.Tx, st Step, fin ending) error {
	if err := insertChunks(ctx, tx, st, fin.log); err != nil {
		return err
	}
	if o, ok := fin.outcome.(StepFinished); ok && st.Action == ActionApply && o.Outcome == StepSucceeded {
		if err := markApplied(ctx, tx, st); err != nil {
			return err
		}
	}
	if st.Action != ActionPlan {
		if err := updateResource(ctx, tx, fin.resource); err != nil {
			return err
		}
		if fin.settled {
			if err := clearJournal(ctx, tx, st.ResourceID); err != nil {
				return err
			}
		}
	}
	if fin.plan != nil {
		if _, err := tx.ExecContext(ctx, `UPDATE steps SET plan = $2 WHERE id = $1`, st.ID, fin.plan); err != nil {
			return fmt.Errorf("saving the plan of step %s: %w", st.ID, err)
		}
	}
	_, err := s.transition(ctx, tx, st.RunID, fin.outcome)
	return err
}

// load reads all that is stored about a claimed step.
func (s *Service) load(ctx context.Context, st Step) (PrepareInput, error) {
	in := PrepareInput{Step: st, Outputs: map[string]map[string]Output{}}
	var err error
	if in.Run, err = getRun(ctx, s.DB, "r.id = $1", st.RunID); err != nil {
		return in, err
	}
	resources, err := listResources(ctx, s.DB, in.Run.EnvironmentID)
	if err != nil {
		return in, err
	}
	for _, o := range resources {
		if o.ID == st.ResourceID {
			in.Resource = o
			continue
		}
		if in.Outputs[o.Name], err = s.openOutputs(o); err != nil {
			return in, err
		}
	}
	source := st.RunID
	if st.Action == ActionDestroy && in.Resource.appliedRunID != "" {
		source = in.Resource.appliedRunID
	}
	if in.Snapshot, err = s.openSnapshot(ctx, source); err != nil {
		return in, err
	}
	if in.DataKey, err = s.Keyring.Open(in.Resource.dataKey, []byte(in.Resource.ID)); err != nil {
		return in, fmt.Errorf("opening the key of resource %s: %w", in.Resource.Name, err)
	}
	if in.Resource.stateID != "" {
		if in.State, err = s.openState(ctx, s.DB, in.Resource); err != nil {
			return in, err
		}
	}
	in.Journal, err = listJournal(ctx, s.DB, st.ResourceID)
	return in, err
}

func (s *Service) openSnapshot(ctx context.Context, id ID) (Snapshot, error) {
	var snap Snapshot
	var sealed []byte
	if err := s.DB.QueryRowContext(ctx, `SELECT snapshot FROM runs WHERE id = $1`, id).Scan(&sealed); err != nil {
		return snap, fmt.Errorf("loading the snapshot of run %s: %w", id, err)
	}
	plain, err := s.Keyring.Open(sealed, []byte(id))
	if err != nil {
		return snap, fmt.Errorf("opening the snapshot of run %s: %w", id, err)
	}
	if err := json.Unmarshal(plain, &snap); err != nil {
		return snap, fmt.Errorf("reading the snapshot of run %s: %w", id, err)
	}
	return snap, nil
}

// endpointOutput is the name of the output that pages show as the address to open.
const endpointOutput = "endpoint"

// endpointOf returns the address a resource tells in its outputs, if it does.
func endpointOf(outputs map[string]Output) string {
	o, ok := outputs[endpointOutput]
	if !ok || o.Sensitive {
		return ""
	}
	var text string
	if json.Unmarshal(o.Value, &text) != nil {
		return ""
	}
	if u, err := url.Parse(text); err != nil || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	return text
}
