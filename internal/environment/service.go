package environment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/event"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/run"
	"github.com/berthdev/berth/internal/secret"
	"github.com/berthdev/berth/internal/template"
)

// Deps is what a Service works with.
type Deps struct {
	DB        *db.DB
	Audit     *audit.Service
	Keyring   *secret.Keyring
	Templates *template.Service
	Runs      *run.Service
}

// Service keeps environments. Every method authorises the subject in its context.
type Service struct{ Deps }

// New returns a Service.
func New(d Deps) *Service { return &Service{Deps: d} }

// CreateInput describes an environment to create.
type CreateInput struct {
	ProjectID string
	Name      string
	Template  string
	Version   string // empty means to follow the newest active one
	Inputs    []template.Value
	// RequestKey makes a repeated create return what the first one with the same key made. Empty means that each makes
	// an environment of its own.
	RequestKey string
}

// Create makes a draft. Everything is checked before anything is written: a name, template, version or input that will
// not do is refused with its field and the fix.
func (s *Service) Create(ctx context.Context, in CreateInput) (Environment, error) {
	if err := s.Audit.Authorize(ctx, authz.EnvironmentCreate, in.ProjectID, audit.Object{Kind: "environment", Name: in.Name}); err != nil {
		return Environment{}, err
	}
	if e, found, err := s.repeated(ctx, in); found || err != nil {
		return e, err
	}
	e, err := s.create(ctx, in)
	if err == nil || in.RequestKey == "" {
		return e, err
	}
	// The same call may have been made twice at once; then the other one has come first.
	if first, found, again := s.repeated(ctx, in); found || again != nil {
		return first, again
	}
	return Environment{}, err
}

func (s *Service) create(ctx context.Context, in CreateInput) (Environment, error) {
	version, err := s.check(ctx, in)
	if err != nil {
		return Environment{}, err
	}
	who := authz.From(ctx)
	e := Environment{
		ID: ID(db.NewID("env")), ProjectID: in.ProjectID, Name: in.Name, OwnerID: who.UserID, OwnerEmail: who.Email,
		Inputs:       in.Inputs,
		Template:     refTo(version),
		FollowLatest: in.Version == "",
	}
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := s.keepRequest(ctx, tx, in, e.ID); err != nil {
			return err
		}
		if e.UniqueName, err = freeUniqueName(ctx, tx, in.Name); err != nil {
			return err
		}
		if err := s.insert(ctx, tx, e); err != nil {
			return err
		}
		if err := s.record(ctx, tx, e, "environment.create", nil, describe(e)); err != nil {
			return err
		}
		e, err = s.get(ctx, tx, "e.id = $1", e.ID)
		return err
	})
	if errors.Is(err, ErrNameTaken) {
		return Environment{}, nameTaken(in.Name)
	}
	if err != nil {
		return Environment{}, err
	}
	return s.hide(ctx, e)
}

// check collects every field error of a new environment, so that all are shown at once.
func (s *Service) check(ctx context.Context, in CreateInput) (*template.Compiled, error) {
	var fields fault.Fields
	fields.Merge("", checkName(in.Name))
	version, err := s.Templates.Find(ctx, in.ProjectID, in.Template, in.Version)
	if err == nil {
		fields.Merge("variables", version.ValidatePartial(in.Inputs))
	} else if wrong, ok := fault.As(err); ok && len(wrong.Fields) > 0 {
		fields.Merge("", err)
	} else {
		return nil, err
	}
	if err := fields.Err(); err != nil {
		return nil, err
	}
	var taken bool
	err = s.DB.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM environments WHERE project_id = $1 AND name = $2)`,
		in.ProjectID, in.Name).Scan(&taken)
	if err != nil {
		return nil, fmt.Errorf("looking whether the name is taken: %w", err)
	}
	if taken {
		return nil, nameTaken(in.Name)
	}
	return version, nil
}

// Validate checks what Create would check and writes nothing.
func (s *Service) Validate(ctx context.Context, in CreateInput) error {
	if err := s.Audit.Authorize(ctx, authz.EnvironmentCreate, in.ProjectID, audit.Object{Kind: "environment", Name: in.Name}); err != nil {
		return err
	}
	_, err := s.check(ctx, in)
	return err
}

// freeUniqueName tries a few endings; a clash is one in sixty million for the same name.
func freeUniqueName(ctx context.Context, tx *db.Tx, name string) (string, error) {
	for range 5 {
		candidate := newUniqueName(name)
		var taken bool
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM environments WHERE unique_name = $1)`, candidate).Scan(&taken)
		if err != nil {
			return "", fmt.Errorf("choosing a unique name: %w", err)
		}
		if !taken {
			return candidate, nil
		}
	}
	return "", errors.New("no free unique name found")
}

// Get returns the environment of a project with this name. Sensitive input values are left out.
func (s *Service) Get(ctx context.Context, projectID, name string) (Environment, error) {
	if err := s.Audit.Authorize(ctx, authz.EnvironmentRead, projectID, audit.Object{Kind: "environment", Name: name}); err != nil {
		return Environment{}, err
	}
	e, err := s.get(ctx, s.DB, "e.project_id = $1 AND e.name = $2", projectID, name)
	if err != nil {
		return Environment{}, err
	}
	return s.hide(ctx, e)
}

// hide leaves out the values of sensitive inputs, and tells which those are.
func (s *Service) hide(ctx context.Context, e Environment) (Environment, error) {
	version, err := s.Templates.Load(ctx, e.ProjectID, template.EnvironmentVersionID(e.Template.VersionID))
	if err != nil {
		return Environment{}, err
	}
	sandbox, err := s.Templates.Sandbox(ctx, e.ProjectID, version)
	if err != nil {
		return Environment{}, err
	}
	e.Sandbox, e.Hidden = sandbox != nil, map[string]bool{}
	for _, list := range [][]template.Value{e.Inputs, e.DeployedInputs} {
		for i := range list {
			if version.Sensitive(list[i].Name) {
				e.Hidden[list[i].Name] = true
				list[i].Value = ""
			}
		}
	}
	return e, nil
}

func refTo(c *template.Compiled) TemplateRef {
	v := c.Version
	return TemplateRef{ID: string(v.TemplateID), Name: v.Template, VersionID: string(v.ID), Version: v.Version}
}

func nameTaken(name string) error {
	return &fault.Error{
		Kind: fault.Conflict, Code: ErrNameTaken.Code, Message: ErrNameTaken.Message,
		Fields: []fault.Field{{Path: "name", Message: fmt.Sprintf("%s exists in this project already. Choose another name.", name)}},
	}
}

// List returns environments of a project by name, without their inputs.
func (s *Service) List(ctx context.Context, projectID string, f ListFilter) ([]Environment, error) {
	if err := s.Audit.Authorize(ctx, authz.EnvironmentRead, projectID, audit.Object{Kind: "project", ID: projectID}); err != nil {
		return nil, err
	}
	var fields fault.Fields
	if f.Limit == 0 {
		f.Limit = 20
	}
	if f.Limit < 0 || f.Limit > 100 {
		fields.Add("limit", "Limit must be from 1 to 100.")
	}
	for _, st := range f.Statuses {
		if !slices.Contains(statuses, st) {
			fields.Add("status", "Status %q does not exist; choose one of %s.", st, joinStatuses())
		}
	}
	if err := fields.Err(); err != nil {
		return nil, err
	}
	return list(ctx, s.DB, projectID, f)
}

func joinStatuses() string {
	var names []string
	for _, st := range statuses {
		names = append(names, string(st))
	}
	return strings.Join(names, ", ")
}

// UpdateInput describes a change. Nil fields stay as they are.
type UpdateInput struct {
	// Version names a version to stay with; empty is the same as FollowLatest.
	Version *string
	// FollowLatest makes each deploy use the version that was activated last, or with false stay with the one it has.
	FollowLatest *bool
	// Inputs replaces all inputs, but those that Keep names keep the value they have: a reader of a sensitive
	// input cannot send back what it was not shown.
	Inputs   *[]template.Value
	Keep     []string
	Revision int // the revision that was edited; 0 means whatever is current
}

// Update changes what the next deploy will use. It does not touch what is deployed.
func (s *Service) Update(ctx context.Context, projectID, name string, in UpdateInput) (Environment, error) {
	if err := s.Audit.Authorize(ctx, authz.EnvironmentUpdate, projectID, audit.Object{Kind: "environment", Name: name}); err != nil {
		return Environment{}, err
	}
	var out Environment
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		e, err := s.lock(ctx, tx, projectID, name)
		if err != nil {
			return err
		}
		if in.Revision != 0 && in.Revision != e.Revision {
			return ErrStale
		}
		before := describe(e)
		if err := s.apply(ctx, &e, in); err != nil {
			return err
		}
		if err := s.saveEdit(ctx, tx, e); err != nil {
			return err
		}
		if err := s.record(ctx, tx, e, "environment.update", before, describe(e)); err != nil {
			return err
		}
		out, err = s.get(ctx, tx, "e.id = $1", e.ID)
		return err
	})
	if err != nil {
		return Environment{}, err
	}
	return s.hide(ctx, out)
}

func (s *Service) apply(ctx context.Context, e *Environment, in UpdateInput) error {
	version, err := s.choose(ctx, e, in)
	if err != nil {
		return err
	}
	e.Template = refTo(version)
	if in.Inputs != nil {
		e.Inputs = keep(*in.Inputs, e.Inputs, in.Keep)
	}
	if err := version.ValidatePartial(e.Inputs); err != nil {
		return err
	}
	if e.DeployedInputs != nil && e.Status != StatusDestroyed {
		return version.ValidateChange(e.DeployedInputs, e.Inputs)
	}
	return nil
}

// choose returns the version after the change, and sets whether the environment follows the latest one. A version that was
// disabled meanwhile serves those who have it already.
func (s *Service) choose(ctx context.Context, e *Environment, in UpdateInput) (*template.Compiled, error) {
	named := in.Version != nil && *in.Version != ""
	switch {
	case named && in.FollowLatest != nil && *in.FollowLatest:
		return nil, fault.InvalidField("version", "Name a version to stay with, or follow the latest one; both at once is not possible.")
	case in.FollowLatest != nil:
		e.FollowLatest = *in.FollowLatest
	case in.Version != nil:
		e.FollowLatest = !named
	}
	if e.FollowLatest && (in.FollowLatest != nil || in.Version != nil) {
		return s.latest(ctx, *e)
	}
	if !named || *in.Version == e.Template.Version {
		return s.current(ctx, *e)
	}
	return s.Templates.Find(ctx, e.ProjectID, e.Template.Name, *in.Version)
}

// keep returns next with the previous values of those that names lists.
func keep(next, previous []template.Value, names []string) []template.Value {
	out := slices.Clone(next)
	for i := range out {
		if !slices.Contains(names, out[i].Name) {
			continue
		}
		for _, old := range previous {
			if old.Name == out[i].Name {
				out[i] = old
			}
		}
	}
	return out
}

func (s *Service) saveEdit(ctx context.Context, tx *db.Tx, e Environment) error {
	sealed, err := s.sealInputs(e.ID, e.Inputs)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE environments SET template_version_id = $2, inputs = $3, follow_latest = $5, revision = revision + 1, updated_at = $4 WHERE id = $1`,
		e.ID, e.Template.VersionID, sealed, db.Micros(tx.Now()), flag(e.FollowLatest))
	if err != nil {
		return fmt.Errorf("saving environment %s: %w", e.Name, err)
	}
	return nil
}

// Delete removes a draft, or an environment that is proven destroyed.
func (s *Service) Delete(ctx context.Context, projectID, name string) error {
	if err := s.Audit.Authorize(ctx, authz.EnvironmentDelete, projectID, audit.Object{Kind: "environment", Name: name}); err != nil {
		return err
	}
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		e, err := s.lock(ctx, tx, projectID, name)
		if err != nil {
			return err
		}
		if e.Status != StatusDraft && e.Status != StatusDestroyed {
			if e.Status.Busy() {
				return ErrBusy
			}
			applied, err := s.Runs.Applied(ctx, tx, string(e.ID))
			if err != nil {
				return err
			}
			if applied {
				return ErrExists
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM environments WHERE id = $1`, e.ID); err != nil {
			return fmt.Errorf("deleting environment %s: %w", e.Name, err)
		}
		return s.record(ctx, tx, e, "environment.delete", describe(e), nil)
	})
}

// lock loads an environment and keeps others from changing it until tx ends.
func (s *Service) lock(ctx context.Context, tx *db.Tx, projectID, name string) (Environment, error) {
	var id ID
	err := tx.QueryRowContext(ctx, `SELECT id FROM environments WHERE project_id = $1 AND name = $2`+tx.Dialect().ForUpdate(),
		projectID, name).Scan(&id)
	if db.NoRows(err) {
		return Environment{}, ErrNotFound
	}
	if err != nil {
		return Environment{}, fmt.Errorf("locking environment %s: %w", name, err)
	}
	return s.get(ctx, tx, "e.id = $1", id)
}

// record writes the audit entry and the event of a change.
func (s *Service) record(ctx context.Context, tx *db.Tx, e Environment, action string, before, after any) error {
	err := s.Audit.Record(ctx, tx, audit.Entry{
		Action: action, ObjectKind: "environment", ObjectID: string(e.ID), ObjectName: e.Name, ProjectID: e.ProjectID,
		Before: before, After: after,
	})
	if err != nil {
		return err
	}
	return event.Append(ctx, tx, event.Event{Kind: action, ProjectID: e.ProjectID, EnvironmentID: string(e.ID)})
}

// description is what the audit log keeps of an environment: names of inputs, never values.
type description struct {
	Name     string   `json:"name"`
	Template string   `json:"template"`
	Version  string   `json:"version"`
	Follows  bool     `json:"follow_latest"`
	Inputs   []string `json:"inputs"`
}

func describe(e Environment) description {
	d := description{Name: e.Name, Template: e.Template.Name, Version: e.Template.Version, Follows: e.FollowLatest, Inputs: []string{}}
	for _, in := range e.Inputs {
		d.Inputs = append(d.Inputs, in.Name)
	}
	return d
}
