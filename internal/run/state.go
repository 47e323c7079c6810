package run

import (
	"context"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/runner"
)

// keptStates is how many versions of a resource's state are kept.
const keptStates = 30

// saveState stores a state version, compressed and sealed, and makes it the resource's newest.
func (s *Service) saveState(ctx context.Context, tx *db.Tx, st Step, version runner.StateVersion, plain []byte) error {
	sealed, err := s.seal(plain, string(st.ResourceID))
	if err != nil {
		return err
	}
	id := db.NewID("state")
	_, err = tx.ExecContext(ctx, `INSERT INTO states (id, resource_id, step_id, attempt, serial, content, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		id, st.ResourceID, st.ID, st.Attempt, int64(version.Serial), sealed, db.Micros(tx.Now())) //nolint:gosec // serials are small
	if err != nil {
		return fmt.Errorf("saving a state of resource %s: %w", st.Resource, err)
	}
	_, err = tx.ExecContext(ctx, `UPDATE resources SET state_id = $2, object_count = $3 WHERE id = $1`, st.ResourceID, id, version.Resources)
	if err != nil {
		return fmt.Errorf("making a state of resource %s current: %w", st.Resource, err)
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM states WHERE resource_id = $1 AND id NOT IN (
		SELECT id FROM states WHERE resource_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2)`, st.ResourceID, keptStates)
	if err != nil {
		return fmt.Errorf("removing old states of resource %s: %w", st.Resource, err)
	}
	return nil
}

func (s *Service) openState(ctx context.Context, q db.Querier, o Resource) ([]byte, error) {
	var sealed []byte
	if err := q.QueryRowContext(ctx, `SELECT content FROM states WHERE id = $1`, o.stateID).Scan(&sealed); err != nil {
		return nil, fmt.Errorf("loading the state of resource %s: %w", o.Name, err)
	}
	return s.open(sealed, string(o.ID))
}

// seal compresses and encrypts what may be large. owner ties the result to one object.
func (s *Service) seal(plain []byte, owner string) ([]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("starting compression: %w", err)
	}
	defer enc.Close()
	sealed, err := s.Keyring.Seal(enc.EncodeAll(plain, nil), []byte(owner))
	if err != nil {
		return nil, fmt.Errorf("sealing something of %s: %w", owner, err)
	}
	return sealed, nil
}

func (s *Service) open(sealed []byte, owner string) ([]byte, error) {
	packed, err := s.Keyring.Open(sealed, []byte(owner))
	if err != nil {
		return nil, fmt.Errorf("opening something of %s: %w", owner, err)
	}
	return unpack(packed)
}

// State returns the newest state of a resource in clear. It is full of what the module keeps secret, so few may ask, and
// each time is audited.
func (s *Service) State(ctx context.Context, projectID, environmentID, resource string) ([]byte, error) {
	if err := s.Audit.Authorize(ctx, authz.StateRead, projectID, audit.Object{Kind: "state", ID: environmentID, Name: resource}); err != nil {
		return nil, err
	}
	resources, err := listResources(ctx, s.DB, environmentID)
	if err != nil {
		return nil, err
	}
	for _, o := range resources {
		if o.Name != resource || o.stateID == "" {
			continue
		}
		plain, err := s.openState(ctx, s.DB, o)
		if err != nil {
			return nil, err
		}
		err = s.DB.Tx(ctx, func(tx *db.Tx) error {
			return s.Audit.Record(ctx, tx, audit.Entry{Action: "state.read", ObjectKind: "state", ObjectID: string(o.ID), ObjectName: resource, ProjectID: projectID})
		})
		return plain, err
	}
	return nil, ErrNoState
}

// ErrNoState says that a resource has no state.
var ErrNoState = fault.New(fault.NotFound, "state_not_found", "There is no state of a resource with this name.")
