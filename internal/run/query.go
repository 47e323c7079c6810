package run

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

// Get returns a run with its steps.
func (s *Service) Get(ctx context.Context, id ID) (Run, error) {
	return s.read(ctx, authz.RunRead, "r.id = $1", id)
}

// GetByNumber returns the run of an environment with this number.
func (s *Service) GetByNumber(ctx context.Context, environmentID string, number int) (Run, error) {
	return s.read(ctx, authz.RunRead, "r.environment_id = $1 AND r.number = $2", environmentID, number)
}

// read loads one run for a subject who holds p in its project. Whoever is not signed in does not even learn whether there
// is such a run.
func (s *Service) read(ctx context.Context, p authz.Permission, where string, args ...any) (Run, error) {
	if authz.From(ctx).Kind == authz.Anonymous {
		return Run{}, authz.ErrUnauthenticated
	}
	r, err := getRun(ctx, s.DB, where, args...)
	if err != nil {
		return Run{}, err
	}
	if err := s.authorize(ctx, p, r); err != nil {
		return Run{}, err
	}
	return r, nil
}

func (s *Service) authorize(ctx context.Context, p authz.Permission, r Run) error {
	return s.Audit.Authorize(ctx, p, r.ProjectID, audit.Object{Kind: "run", ID: string(r.ID)})
}

// ListFilter selects runs of one project, newest first.
type ListFilter struct {
	ProjectID     string // required
	EnvironmentID string
	Before        ID  // cursor: only runs older than this one
	Limit         int // 1 to 100, default 20
}

// Item is a run in a list, with the name of its environment.
type Item struct {
	Run
	Environment string
}

// List returns runs with their steps, newest first.
func (s *Service) List(ctx context.Context, f ListFilter) ([]Item, error) {
	if err := s.Audit.Authorize(ctx, authz.RunRead, f.ProjectID, audit.Object{Kind: "project", ID: f.ProjectID}); err != nil {
		return nil, err
	}
	if f.Limit == 0 {
		f.Limit = 20
	}
	if f.Limit < 0 || f.Limit > 100 {
		return nil, fault.InvalidField("limit", "Limit must be from 1 to 100.")
	}
	where := []string{"r.project_id = $1"}
	args := []any{f.ProjectID}
	if f.EnvironmentID != "" {
		args = append(args, f.EnvironmentID)
		// The project is asked of the environment, so that SQLite takes the index of the environment's runs.
		where = []string{"e.project_id = $1", "r.environment_id = $2"}
	}
	if f.Before != "" {
		args = append(args, f.Before)
		where = append(where, fmt.Sprintf("r.id < $%d", len(args)))
	}
	args = append(args, f.Limit)
	items, err := db.List(ctx, s.DB, func(row db.Scanner) (Item, error) {
		var it Item
		var err error
		it.Run, err = scanRun(db.Further(row, &it.Environment))
		return it, err
	}, `SELECT `+runColumns+`, e.name FROM runs r JOIN environments e ON e.id = r.environment_id
		WHERE `+strings.Join(where, " AND ")+fmt.Sprintf(` ORDER BY r.id DESC LIMIT $%d`, len(args)), args...)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	return items, addSteps(ctx, s.DB, items)
}

// addSteps fills in the steps of all items with one query.
func addSteps(ctx context.Context, q db.Querier, items []Item) error {
	at := map[ID]*Item{}
	var marks []string
	var args []any
	for i := range items {
		at[items[i].ID] = &items[i]
		args = append(args, items[i].ID)
		marks = append(marks, fmt.Sprintf("$%d", len(args)))
	}
	steps, err := db.List(ctx, q, scanStep,
		`SELECT `+stepColumns+` FROM steps s WHERE s.run_id IN (`+strings.Join(marks, ", ")+`) ORDER BY s.run_id, s.position`, args...)
	if err != nil {
		return err
	}
	for _, st := range steps {
		it := at[st.RunID]
		it.Steps = append(it.Steps, st)
	}
	return nil
}

// StepProgress is how far the current attempt of a step has come.
type StepProgress struct {
	Phases  []PhaseStart
	Objects []Object
	// Usual is the median duration of earlier successful steps of the same resource and template, zero when
	// there was none.
	Usual time.Duration
}

// Progress returns the progress of each step of a run. It is internal: the caller has read the run already.
func (s *Service) Progress(ctx context.Context, r Run) (map[StepID]StepProgress, error) {
	out := map[StepID]StepProgress{}
	if err := s.addPhases(ctx, r, out); err != nil {
		return nil, err
	}
	if err := s.addObjects(ctx, r, out); err != nil {
		return nil, err
	}
	usual, err := usualDurations(ctx, s.DB, r.ID)
	if err != nil {
		return nil, err
	}
	for _, st := range r.Steps {
		p := out[st.ID]
		p.Usual = usual[durationKey{st.Resource, st.Action}]
		out[st.ID] = p
	}
	return out, nil
}

func (s *Service) addPhases(ctx context.Context, r Run, out map[StepID]StepProgress) error {
	type row struct {
		step  StepID
		phase PhaseStart
	}
	rows, err := db.List(ctx, s.DB, func(sc db.Scanner) (row, error) {
		var v row
		return v, sc.Scan(&v.step, &v.phase.Phase, db.ScanTime(&v.phase.At))
	}, `SELECT p.step_id, p.phase, p.started_at FROM step_phases p JOIN steps s ON s.id = p.step_id AND s.attempt = p.attempt
		WHERE s.run_id = $1 ORDER BY p.started_at`, r.ID)
	for _, v := range rows {
		p := out[v.step]
		p.Phases = append(p.Phases, v.phase)
		out[v.step] = p
	}
	return err
}

func (s *Service) addObjects(ctx context.Context, r Run, out map[StepID]StepProgress) error {
	type row struct {
		step   StepID
		object Object
	}
	rows, err := db.List(ctx, s.DB, func(sc db.Scanner) (row, error) {
		var v row
		err := sc.Scan(&v.step, &v.object.Address, &v.object.Type, &v.object.Action, &v.object.Status, &v.object.ObjectID,
			db.ScanTime(&v.object.StartedAt), db.ScanTime(&v.object.FinishedAt))
		return v, err
	}, `SELECT o.step_id, o.address, o.type, o.action, o.status, o.object_id, o.started_at, o.finished_at
		FROM step_objects o JOIN steps s ON s.id = o.step_id AND s.attempt = o.attempt
		WHERE s.run_id = $1 ORDER BY o.step_id, o.position`, r.ID)
	for _, v := range rows {
		p := out[v.step]
		p.Objects = append(p.Objects, v.object)
		out[v.step] = p
	}
	return err
}

type durationKey struct {
	resource string
	action   Action
}

// usualRuns is how many earlier runs of each version say how long a step usually takes.
const usualRuns = 30

// usualDurations returns medians over the successful steps of the latest runs of the same environment template. It looks
// at no more runs than it uses, for pages ask this at every change and the history only grows.
func usualDurations(ctx context.Context, q db.Querier, id ID) (map[durationKey]time.Duration, error) {
	type row struct {
		key durationKey
		d   time.Duration
	}
	rows, err := db.List(ctx, q, func(sc db.Scanner) (row, error) {
		var v row
		var micros int64
		err := sc.Scan(&v.key.resource, &v.key.action, &micros)
		v.d = time.Duration(micros) * time.Microsecond
		return v, err
	}, `SELECT s.resource, s.action, s.finished_at - s.started_at
		FROM environment_template_versions v
		JOIN runs r ON r.template_version_id = v.id AND r.id >= COALESCE(
			(SELECT x.id FROM runs x WHERE x.template_version_id = v.id ORDER BY x.id DESC LIMIT 1 OFFSET $2), '')
		JOIN steps s ON s.run_id = r.id
		WHERE s.status = 'succeeded' AND r.id <> $1 AND v.template_id = (
			SELECT v2.template_id FROM environment_template_versions v2 JOIN runs r2 ON r2.template_version_id = v2.id WHERE r2.id = $1)
		ORDER BY r.id DESC LIMIT 100`, id, usualRuns)
	if err != nil {
		return nil, err
	}
	all := map[durationKey][]time.Duration{}
	for _, v := range rows {
		all[v.key] = append(all[v.key], v.d)
	}
	out := map[durationKey]time.Duration{}
	for k, ds := range all {
		slices.Sort(ds)
		out[k] = ds[len(ds)/2]
	}
	return out, nil
}

// Resources returns the resources of an environment in the order they were made.
func (s *Service) Resources(ctx context.Context, projectID, environmentID string) ([]Resource, error) {
	if err := s.Audit.Authorize(ctx, authz.EnvironmentRead, projectID, audit.Object{Kind: "environment", ID: environmentID}); err != nil {
		return nil, err
	}
	return listResources(ctx, s.DB, environmentID)
}

// Outputs returns the outputs of each resource of an environment. The values of sensitive ones are left out unless the
// subject may see them.
func (s *Service) Outputs(ctx context.Context, projectID, environmentID string) (map[string]map[string]Output, error) {
	if err := s.Audit.Authorize(ctx, authz.OutputRead, projectID, audit.Object{Kind: "environment", ID: environmentID}); err != nil {
		return nil, err
	}
	resources, err := listResources(ctx, s.DB, environmentID)
	if err != nil {
		return nil, err
	}
	reveal := authz.Require(ctx, authz.OutputSensitive, projectID) == nil
	out := map[string]map[string]Output{}
	for _, o := range resources {
		values, err := s.openOutputs(o)
		if err != nil {
			return nil, err
		}
		for name, v := range values {
			if v.Sensitive && !reveal {
				v.Value = nil
				values[name] = v
			}
		}
		out[o.Name] = values
	}
	return out, nil
}

func (s *Service) openOutputs(o Resource) (map[string]Output, error) {
	values := map[string]Output{}
	if len(o.outputs) == 0 {
		return values, nil
	}
	plain, err := s.Keyring.Open(o.outputs, []byte(o.ID))
	if err != nil {
		return nil, fmt.Errorf("opening the outputs of resource %s: %w", o.Name, err)
	}
	if err := json.Unmarshal(plain, &values); err != nil {
		return nil, fmt.Errorf("reading the outputs of resource %s: %w", o.Name, err)
	}
	return values, nil
}

// Cancel asks a run to stop as soon as that is safe.
func (s *Service) Cancel(ctx context.Context, id ID) (Run, error) {
	return s.change(ctx, id, authz.RunCancel, "run.cancel", CancelRequested{})
}

// Retry redoes the steps of an ended run that did not succeed, with the inputs the run had.
func (s *Service) Retry(ctx context.Context, id ID) (Run, error) {
	return s.change(ctx, id, authz.EnvironmentDeploy, "run.retry", RetryRequested{})
}

func (s *Service) change(ctx context.Context, id ID, p authz.Permission, action string, ev Event) (Run, error) {
	r, err := s.read(ctx, p, "r.id = $1", id)
	if err != nil {
		return Run{}, err
	}
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		if r, err = s.transition(ctx, tx, id, ev); err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Entry{Action: action, ObjectKind: "run", ObjectID: string(id), ProjectID: r.ProjectID})
	})
	return r, err
}

// CountActive counts the runs that have not ended. It is internal: for the operator's metrics.
func (s *Service) CountActive(ctx context.Context) (map[Status]int, error) {
	out := map[Status]int{StatusQueued: 0, StatusRunning: 0}
	type row struct {
		status Status
		n      int
	}
	rows, err := db.List(ctx, s.DB, func(sc db.Scanner) (row, error) {
		var v row
		return v, sc.Scan(&v.status, &v.n)
	}, `SELECT status, COUNT(*) FROM runs WHERE status IN ('queued', 'running') GROUP BY status`)
	for _, v := range rows {
		out[v.status] = v.n
	}
	return out, err
}
