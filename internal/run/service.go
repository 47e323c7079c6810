package run

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"

	"gocloud.dev/blob"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/event"
	"github.com/berthdev/berth/internal/runner"
	"github.com/berthdev/berth/internal/secret"
)

// Deps is what a Service works with.
type Deps struct {
	DB      *db.DB
	Audit   *audit.Service
	Keyring *secret.Keyring
	Blobs   *blob.Bucket  // holds logs of ended attempts
	Runner  *runner.Local // has the logs of attempts that are going on
	// Waiting says why no step can start at all; empty when one can. May be nil.
	Waiting func() string
	Logger  *slog.Logger
}

// Service keeps runs. Its methods authorise themselves, but for those marked internal.
type Service struct{ Deps }

// New returns a Service.
func New(d Deps) *Service { return &Service{d} }

// Topics on which executors, of this process and of others on the same database, are told to look.
const (
	topicSteps = "run.steps" // a step has become ready
	topicStops = "run.stops" // a running step is to be stopped
)

// Snapshot is everything about an environment that a run's steps are carried out with. It is taken when the run is
// created, so a later edit of the environment does not reach a run that has started.
type Snapshot struct {
	EnvironmentID     string          `json:"environment_id"`
	EnvironmentName   string          `json:"environment_name"`
	UniqueName        string          `json:"unique_name"`
	ProjectID         string          `json:"project_id"`
	ProjectName       string          `json:"project_name"`
	OwnerEmail        string          `json:"owner_email"`
	TemplateVersionID string          `json:"template_version_id"`
	Inputs            json.RawMessage `json:"inputs"` // as package template reads them
}

// Node is a resource of an environment's graph.
type Node struct {
	Name      string
	DependsOn []string // names of nodes
}

// CreateInput describes a run to create.
type CreateInput struct {
	Number   int
	Kind     Kind
	Snapshot Snapshot
	Nodes    []Node
}

// Create starts a run: it is queued when the transaction commits. It is internal: package environment authorises.
// Deploy makes a step for each node, and one that destroys each resource that has left the graph; destroy makes one for
// each resource that was ever applied, in reverse order; plan makes one for each node whose dependencies exist.
func (s *Service) Create(ctx context.Context, tx *db.Tx, in CreateInput) (Run, error) {
	who := authz.From(ctx)
	r := Run{
		ID: ID(db.NewID("run")), EnvironmentID: in.Snapshot.EnvironmentID, ProjectID: in.Snapshot.ProjectID,
		Number: in.Number, Kind: in.Kind, Status: StatusQueued, CreatedBy: who.UserID, CreatedByEmail: who.Email,
	}
	existing, err := listResources(ctx, tx, r.EnvironmentID)
	if err != nil {
		return Run{}, err
	}
	known := map[string]Resource{}
	for _, o := range existing {
		known[o.Name] = o
	}
	for _, n := range in.Nodes {
		if _, ok := known[n.Name]; !ok {
			o, err := s.newResource(ctx, tx, r.EnvironmentID, n.Name)
			if err != nil {
				return Run{}, err
			}
			known[n.Name] = o
		}
	}
	r.Steps = buildSteps(r.ID, in.Kind, in.Nodes, known)
	r, cmds, err := Next(r, Created{}, tx.Now())
	if err != nil {
		return Run{}, err
	}
	plain, err := json.Marshal(in.Snapshot)
	if err != nil {
		return Run{}, fmt.Errorf("writing the snapshot of run %s: %w", r.ID, err)
	}
	sealed, err := s.Keyring.Seal(plain, []byte(r.ID))
	if err != nil {
		return Run{}, fmt.Errorf("sealing the snapshot of run %s: %w", r.ID, err)
	}
	if err := insertRun(ctx, tx, r, in, sealed); err != nil {
		return Run{}, err
	}
	if err := obey(ctx, tx, cmds); err != nil {
		return Run{}, err
	}
	return r, appendRunEvent(ctx, tx, r, "run.created", nil)
}

func (s *Service) newResource(ctx context.Context, tx *db.Tx, environmentID, name string) (Resource, error) {
	o := Resource{ID: ResourceID(db.NewID("res")), EnvironmentID: environmentID, Name: name, Status: ResourceNew}
	key := make([]byte, dataKeySize)
	if _, err := rand.Read(key); err != nil {
		return Resource{}, fmt.Errorf("making a key for resource %s: %w", name, err)
	}
	var err error
	if o.dataKey, err = s.Keyring.Seal(key, []byte(o.ID)); err != nil {
		return Resource{}, fmt.Errorf("sealing the key of resource %s: %w", name, err)
	}
	return o, insertResource(ctx, tx, o)
}

// dataKeySize is the size of the key with which a runner seals what it writes about a resource.
const dataKeySize = 32

// transition applies one event to a run and saves the outcome, in tx.
func (s *Service) transition(ctx context.Context, tx *db.Tx, id ID, ev Event) (Run, error) {
	before, err := lockRun(ctx, tx, id)
	if err != nil {
		return Run{}, err
	}
	after, cmds, err := Next(before, ev, tx.Now())
	if err != nil {
		return Run{}, err
	}
	if err := saveTransition(ctx, tx, before, after); err != nil {
		return Run{}, err
	}
	if err := obey(ctx, tx, cmds); err != nil {
		return Run{}, err
	}
	return after, appendChanges(ctx, tx, before, after)
}

// Applied reports whether anything of an environment may exist. It is internal.
func (s *Service) Applied(ctx context.Context, q db.Querier, environmentID string) (bool, error) {
	resources, err := listResources(ctx, q, environmentID)
	return slices.ContainsFunc(resources, Resource.applied), err
}

// obey carries out the state machine's commands once tx has committed.
func obey(ctx context.Context, tx *db.Tx, cmds []Command) error {
	topics := map[string]bool{}
	for _, c := range cmds {
		switch c.(type) {
		case Wake:
			topics[topicSteps] = true
		case Stop:
			topics[topicStops] = true
		case Finish: // its event tells everybody
		}
	}
	for topic := range topics {
		if err := tx.Notify(ctx, topic); err != nil {
			return fmt.Errorf("waking executors: %w", err)
		}
	}
	return nil
}

func appendRunEvent(ctx context.Context, tx *db.Tx, r Run, kind string, data any) error {
	return appendEvent(ctx, tx, r, "", kind, data)
}

func appendEvent(ctx context.Context, tx *db.Tx, r Run, step StepID, kind string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("writing an event: %w", err)
	}
	return event.Append(ctx, tx, event.Event{
		Kind: kind, ProjectID: r.ProjectID, EnvironmentID: r.EnvironmentID, RunID: string(r.ID), StepID: string(step), Data: text,
	})
}

// appendChanges writes an event for each step, and for the run, whose status differs.
func appendChanges(ctx context.Context, tx *db.Tx, before, after Run) error {
	for i := range after.Steps {
		if b, a := before.Steps[i], after.Steps[i]; b.Status != a.Status {
			if err := appendEvent(ctx, tx, after, a.ID, "step."+string(a.Status), nil); err != nil {
				return err
			}
		}
	}
	if before.Status != after.Status {
		return appendRunEvent(ctx, tx, after, "run."+string(after.Status), nil)
	}
	if before.CancelRequested != after.CancelRequested {
		return appendRunEvent(ctx, tx, after, "run.cancel_requested", nil)
	}
	return nil
}
