package project

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/event"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/identity"
)

// Deps is what the service needs.
type Deps struct {
	DB       *db.DB
	Audit    *audit.Service
	Identity *identity.Service
}

// Service holds the use cases.
type Service struct {
	db       *db.DB
	audit    *audit.Service
	identity *identity.Service
}

// New returns the service.
func New(deps Deps) *Service {
	return &Service{db: deps.DB, audit: deps.Audit, identity: deps.Identity}
}

func object(p Project) audit.Object {
	return audit.Object{Kind: "project", ID: string(p.ID), Name: p.Name}
}

// CreateInput describes a new project.
type CreateInput struct {
	Name        string
	Description string
}

// Create makes a project without members.
func (s *Service) Create(ctx context.Context, in CreateInput) (Project, error) {
	if err := s.audit.Authorize(ctx, authz.ProjectCreate, "", object(Project{Name: in.Name})); err != nil {
		return Project{}, err
	}
	var fields fault.Fields
	checkName(&fields, in.Name)
	checkDescription(&fields, in.Description)
	if err := fields.Err(); err != nil {
		return Project{}, err
	}
	var project Project
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		project = Project{ID: ID(db.NewID("prj")), Name: in.Name, Description: in.Description, CreatedAt: tx.Now(), UpdatedAt: tx.Now()}
		err := insertProject(ctx, tx, project)
		if db.IsUnique(err, "projects", "name") {
			return ErrNameTaken.With("There already is a project %s.", in.Name)
		}
		if err != nil {
			return fmt.Errorf("creating project: %w", err)
		}
		return s.record(ctx, tx, "project.created", nil, &project)
	})
	return project, err
}

// Get returns a project by name.
func (s *Service) Get(ctx context.Context, name string) (Project, error) {
	return s.authorized(ctx, name, authz.ProjectRead)
}

// GetByID returns a project by id.
func (s *Service) GetByID(ctx context.Context, id ID) (Project, error) {
	if err := s.audit.Authorize(ctx, authz.ProjectRead, string(id), object(Project{ID: id})); err != nil {
		return Project{}, err
	}
	project, err := getProject(ctx, s.db, id)
	if db.NoRows(err) {
		return Project{}, ErrNotFound
	}
	return project, err
}

// authorized finds a project by name and requires a permission in it. Whether a
// project exists is known only to those who are signed in.
func (s *Service) authorized(ctx context.Context, name string, p authz.Permission) (Project, error) {
	if authz.From(ctx).Kind == authz.Anonymous {
		return Project{}, authz.ErrUnauthenticated
	}
	project, err := getProjectByName(ctx, s.db, name)
	if db.NoRows(err) {
		return Project{}, notFound(name)
	}
	if err != nil {
		return Project{}, fmt.Errorf("reading project: %w", err)
	}
	if err := s.audit.Authorize(ctx, p, string(project.ID), object(project)); err != nil {
		return Project{}, err
	}
	return project, nil
}

// List returns the projects that the subject may read, by name. For a subject
// without any it is empty; that is no refusal.
func (s *Service) List(ctx context.Context) ([]Project, error) {
	subject := authz.From(ctx)
	if subject.Kind == authz.Anonymous {
		return nil, authz.ErrUnauthenticated
	}
	ids, all := subject.Scope(authz.ProjectRead)
	projects, err := listProjects(ctx, s.db, ids, all)
	if err != nil {
		return nil, fmt.Errorf("listing projects: %w", err)
	}
	return projects, nil
}

// UpdateInput changes a project. IfUpdatedAt, when set, is the UpdatedAt that the
// caller last saw; a project changed since is left alone.
type UpdateInput struct {
	Description string
	IfUpdatedAt time.Time
}

// Update changes a project's description. Its name is part of addresses and stays.
func (s *Service) Update(ctx context.Context, name string, in UpdateInput) (Project, error) {
	before, err := s.authorized(ctx, name, authz.ProjectUpdate)
	if err != nil {
		return Project{}, err
	}
	var fields fault.Fields
	checkDescription(&fields, in.Description)
	if err := fields.Err(); err != nil {
		return Project{}, err
	}
	if in.IfUpdatedAt.IsZero() {
		in.IfUpdatedAt = before.UpdatedAt
	}
	after := before
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		after.Description = in.Description
		// It must differ from the last one even when the clock has not moved.
		after.UpdatedAt = tx.Now()
		if !after.UpdatedAt.After(before.UpdatedAt) {
			after.UpdatedAt = before.UpdatedAt.Add(time.Microsecond)
		}
		n, err := updateProject(ctx, tx, after, in.IfUpdatedAt)
		if err != nil {
			return fmt.Errorf("saving project: %w", err)
		}
		if n == 0 {
			return ErrChanged
		}
		return s.record(ctx, tx, "project.updated", &before, &after)
	})
	return after, err
}

// Delete deletes a project that holds nothing but members.
func (s *Service) Delete(ctx context.Context, name string) error {
	project, err := s.authorized(ctx, name, authz.ProjectDelete)
	if err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		err := deleteProject(ctx, tx, project.ID)
		if errors.Is(err, db.ErrReference) {
			return ErrNotEmpty.With("The project %s is not empty. Delete its environments, templates and config contexts first.", name)
		}
		if err != nil {
			return fmt.Errorf("deleting project: %w", err)
		}
		return s.record(ctx, tx, "project.deleted", &project, nil)
	})
}

// visible is what the audit log keeps of a project.
type visible struct {
	Name             string `json:"name"`
	Description      string `json:"description"`
	SharingDelegated bool   `json:"sharingDelegated"`
}

// record writes the audit entry and the event of a change.
func (s *Service) record(ctx context.Context, tx *db.Tx, action string, before, after *Project) error {
	e := audit.Entry{Action: action}
	var subject Project
	if before != nil {
		subject, e.Before = *before, visible{before.Name, before.Description, before.SharingDelegated}
	}
	if after != nil {
		subject, e.After = *after, visible{after.Name, after.Description, after.SharingDelegated}
	}
	o := object(subject)
	e.ObjectKind, e.ObjectID, e.ObjectName, e.ProjectID = o.Kind, o.ID, o.Name, string(subject.ID)
	if err := s.audit.Record(ctx, tx, e); err != nil {
		return err
	}
	data, err := json.Marshal(map[string]string{"name": subject.Name})
	if err != nil {
		return err
	}
	return event.Append(ctx, tx, event.Event{Kind: action, ProjectID: string(subject.ID), Data: data})
}
