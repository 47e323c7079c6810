package run

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/runner"
)

// ResourceStatus is what is known of a resource between runs.
type ResourceStatus string

// A resource is new until a step has applied it, and destroyed once it is proven that nothing of it is left.
const (
	ResourceNew       ResourceStatus = "new"
	ResourceDeployed  ResourceStatus = "deployed"
	ResourceFailed    ResourceStatus = "failed"
	ResourceDestroyed ResourceStatus = "destroyed"
)

// Resource is one node of an environment: what the newest state says, and its outputs.
type Resource struct {
	ID            ResourceID
	EnvironmentID string
	Name          string
	Status        ResourceStatus
	ObjectCount   int // objects in the newest state
	// InDoubt lists objects that may exist and that no state holds. While it is not empty the environment is
	// never called destroyed.
	InDoubt   []InDoubt
	UpdatedAt time.Time

	appliedRunID ID // the run whose code and inputs were last applied, or tried
	stateID      string
	outputs      []byte // sealed
	endpoint     string // the output of this name, when it is an address
	dataKey      []byte // wrapped
}

// InDoubt is an object whose fate nobody could tell.
type InDoubt struct {
	Address string `json:"address"`
	Type    string `json:"type"`
	ID      string `json:"id,omitempty"`
	Reason  string `json:"reason"`
}

// Output is one output value of a resource.
type Output struct {
	Value     json.RawMessage `json:"value"`
	Type      json.RawMessage `json:"type,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"`
}

const resourceColumns = `o.id, o.environment_id, o.name, o.status, o.applied_run_id, o.state_id, o.outputs, o.endpoint, o.data_key,
	o.object_count, o.in_doubt, o.updated_at`

func scanResource(row db.Scanner) (Resource, error) {
	var o Resource
	err := row.Scan(&o.ID, &o.EnvironmentID, &o.Name, &o.Status, db.ScanText(&o.appliedRunID), db.ScanText(&o.stateID), &o.outputs, &o.endpoint,
		&o.dataKey, &o.ObjectCount, db.ScanJSON(&o.InDoubt), db.ScanTime(&o.UpdatedAt))
	return o, err
}

func listResources(ctx context.Context, q db.Querier, environmentID string) ([]Resource, error) {
	return db.List(ctx, q, scanResource,
		`SELECT `+resourceColumns+` FROM resources o WHERE o.environment_id = $1 ORDER BY o.id`, environmentID)
}

func insertResource(ctx context.Context, tx *db.Tx, o Resource) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO resources (id, environment_id, name, status, endpoint, data_key, object_count, in_doubt, updated_at)
		VALUES ($1, $2, $3, $4, '', $5, 0, '[]', $6)`,
		o.ID, o.EnvironmentID, o.Name, o.Status, o.dataKey, db.Micros(tx.Now()))
	if err != nil {
		return fmt.Errorf("saving resource %s: %w", o.Name, err)
	}
	return nil
}

func updateResource(ctx context.Context, tx *db.Tx, o Resource) error {
	_, err := tx.ExecContext(ctx, `UPDATE resources SET status = $2, outputs = $3, endpoint = $4, object_count = $5, in_doubt = $6, updated_at = $7
		WHERE id = $1`, o.ID, o.Status, o.outputs, o.endpoint, o.ObjectCount, db.JSON(nonNil(o.InDoubt)), db.Micros(tx.Now()))
	if err != nil {
		return fmt.Errorf("saving resource %s: %w", o.ID, err)
	}
	return nil
}

func insertJournal(ctx context.Context, tx *db.Tx, s Step, e runner.JournalEntry) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO journal_entries (id, resource_id, step_id, attempt, seq, entry, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		db.NewID("journal"), s.ResourceID, s.ID, s.Attempt, e.Seq, db.JSON(e), db.Micros(tx.Now()))
	if err != nil {
		return fmt.Errorf("saving a journal entry of resource %s: %w", s.Resource, err)
	}
	return nil
}

// listJournal returns the entries that no state is known to hold, oldest first.
func listJournal(ctx context.Context, q db.Querier, id ResourceID) ([]runner.JournalEntry, error) {
	return db.List(ctx, q, func(row db.Scanner) (runner.JournalEntry, error) {
		var e runner.JournalEntry
		return e, row.Scan(db.ScanJSON(&e))
	}, `SELECT entry FROM journal_entries WHERE resource_id = $1 ORDER BY created_at, seq`, id)
}

func clearJournal(ctx context.Context, tx *db.Tx, id ResourceID) error {
	if _, err := tx.ExecContext(ctx, `DELETE FROM journal_entries WHERE resource_id = $1`, id); err != nil {
		return fmt.Errorf("clearing the journal of resource %s: %w", id, err)
	}
	return nil
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
