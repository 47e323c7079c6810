package staticresource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/project"
	"github.com/berthdev/berth/internal/secret"
	"github.com/berthdev/berth/internal/sharing"
)

// Everyone is the share with all projects.
const Everyone = sharing.Everyone

// Deps is what the service needs.
type Deps struct {
	DB      *db.DB
	Audit   *audit.Service
	Keyring *secret.Keyring
	// Projects says who may share.
	Projects *project.Service
	// Users finds the templates that need a static resource. Nobody needs any when it is nil.
	Users sharing.UsersFunc
}

// Service keeps static resources.
type Service struct {
	db       *db.DB
	audit    *audit.Service
	keys     *secret.Keyring
	projects *project.Service
	users    sharing.UsersFunc
}

// New returns the service.
func New(deps Deps) *Service {
	return &Service{db: deps.DB, audit: deps.Audit, keys: deps.Keyring, projects: deps.Projects, users: deps.Users}
}

const kind = "static_resource"

func object(name string) audit.Object { return audit.Object{Kind: kind, Name: name} }

// Set creates the static resource of that name in a project (empty: in the
// organisation), or makes an existing one into what in says. Variables that in
// does not name go away; a sensitive one named without a value keeps the one it
// has. The second result is true when the static resource is new.
func (s *Service) Set(ctx context.Context, projectID, name string, in Input) (Static, bool, error) {
	if err := s.audit.Authorize(ctx, authz.ContextWrite, projectID, object(name)); err != nil {
		return Static{}, false, err
	}
	if err := validate(name, in); err != nil {
		return Static{}, false, err
	}
	var out Static
	created := false
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		before, err := s.read(ctx, tx, projectID, name)
		if created = errors.Is(err, ErrNotFound); err != nil && !created {
			return err
		}
		if err := check(in, name, before, created); err != nil {
			return err
		}
		row := Static{ID: before.ID, ProjectID: projectID, Name: name, Description: in.Description, UpdatedAt: tx.Now()}
		if created {
			row.ID, row.CreatedAt = ID(db.NewID("static")), tx.Now()
			err = insertStatic(ctx, tx, row)
		} else {
			if !row.UpdatedAt.After(before.UpdatedAt) { // it must differ from the last one even when the clock has not moved
				row.UpdatedAt = before.UpdatedAt.Add(time.Microsecond)
			}
			err = updateStatic(ctx, tx, row)
		}
		if err != nil {
			return err
		}
		if err := s.saveVariables(ctx, tx, row.ID, in.Variables); err != nil {
			return err
		}
		if out, err = s.read(ctx, tx, projectID, name); err != nil {
			return err
		}
		entry := audit.Entry{Action: "static_resource.set", ObjectKind: kind, ObjectID: string(row.ID), ObjectName: name, ProjectID: projectID, After: summary(out)}
		if !created {
			entry.Before = summary(before)
		}
		return s.audit.Record(ctx, tx, entry)
	})
	switch {
	case errors.Is(err, db.ErrUnique):
		return Static{}, false, ErrChanged.With("Somebody else created static resource %q at the same time; look at it and try again.", name)
	case errors.Is(err, db.ErrReference):
		return Static{}, false, fault.InvalidField("project", "does not exist")
	case err != nil:
		return Static{}, false, fmt.Errorf("setting static resource: %w", err)
	}
	return out, created, nil
}

// check refuses a change that does not know what it would overwrite.
func check(in Input, name string, before Static, isNew bool) error {
	switch {
	case in.OnlyNew && !isNew:
		return ErrExists.With("There already is a static resource %q in this project.", name)
	case !in.IfUnchangedSince.IsZero() && (isNew || !before.UpdatedAt.Equal(in.IfUnchangedSince)):
		return ErrChanged
	}
	return nil
}

func (s *Service) saveVariables(ctx context.Context, tx *db.Tx, id ID, variables []Variable) error {
	stored, err := listVariables(ctx, tx, []ID{id})
	if err != nil {
		return err
	}
	if err := deleteVariables(ctx, tx, id); err != nil {
		return err
	}
	for i, v := range variables {
		row, err := s.seal(id, v, stored[id])
		if err != nil {
			if wrong, ok := errors.AsType[*valueError](err); ok {
				return fault.InvalidField(fmt.Sprintf("variables[%d].value", i), wrong.Error())
			}
			return err
		}
		row.position = i
		if err := insertVariable(ctx, tx, row); err != nil {
			return err
		}
	}
	return nil
}

// valueError is a value that the writer of the static resource must change.
type valueError struct{ error }

// seal makes the row of a variable. A sensitive one without a value keeps the one
// that is stored, which is read again: its value type may be another one now.
func (s *Service) seal(id ID, v Variable, stored []variable) (variable, error) {
	row := variable{Variable: v, staticID: id}
	if v.Sensitive && v.Value == "" {
		i := slices.IndexFunc(stored, func(k variable) bool { return k.Name == v.Name })
		if i < 0 {
			return row, &valueError{fmt.Errorf("%q is sensitive and new, so it needs a value", v.Name)}
		}
		var err error
		if v.Value, err = s.open(stored[i]); err != nil {
			return row, err
		}
	}
	value, err := v.read()
	if err != nil {
		return row, &valueError{err}
	}
	row.kind, row.value = kindOf(value), []byte(v.Value)
	if v.Sensitive {
		if row.value, err = s.keys.Seal(row.value, aad(id, v.Name)); err != nil {
			return row, fmt.Errorf("sealing %s: %w", v.Name, err)
		}
	}
	return row, nil
}

func (s *Service) open(v variable) (string, error) {
	if !v.Sensitive {
		return v.Value, nil
	}
	plain, err := s.keys.Open(v.value, aad(v.staticID, v.Name))
	if err != nil {
		return "", fmt.Errorf("opening %s of static resource %s: %w", v.Name, v.staticID, err)
	}
	return string(plain), nil
}

// aad binds a sealed value to its place, so that it cannot be moved to another.
func aad(id ID, name string) []byte { return []byte("static\x00" + string(id) + "\x00" + name) }

// Get returns a static resource of a project by name, without sensitive values.
func (s *Service) Get(ctx context.Context, projectID, name string) (Static, error) {
	if err := s.audit.Authorize(ctx, authz.ContextRead, projectID, object(name)); err != nil {
		return Static{}, err
	}
	return s.read(ctx, s.db, projectID, name)
}

func (s *Service) read(ctx context.Context, q db.Querier, projectID, name string) (Static, error) {
	row, err := getByName(ctx, q, projectID, name)
	if errors.Is(err, db.ErrNoRows) {
		return Static{}, ErrNotFound.With("There is no static resource %q here.", name)
	}
	if err != nil {
		return Static{}, fmt.Errorf("reading static resource: %w", err)
	}
	list, err := fill(ctx, q, row)
	if err != nil {
		return Static{}, err
	}
	return list[0], nil
}

// List returns the static resources a project owns and those shared with it,
// without sensitive values.
func (s *Service) List(ctx context.Context, projectID string) ([]Static, error) {
	if err := s.audit.Authorize(ctx, authz.ContextRead, projectID, audit.Object{Kind: kind}); err != nil {
		return nil, err
	}
	rows, err := listVisible(ctx, s.db, projectID)
	if err != nil {
		return nil, fmt.Errorf("listing static resources: %w", err)
	}
	return fill(ctx, s.db, rows...)
}

// Delete removes a static resource of a project. A template that uses it cannot be
// deployed until there is one of the name again.
func (s *Service) Delete(ctx context.Context, projectID, name string) error {
	if err := s.audit.Authorize(ctx, authz.ContextWrite, projectID, object(name)); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		before, err := s.read(ctx, tx, projectID, name)
		if err != nil {
			return err
		}
		if err := s.refuseUsed(ctx, tx, before); err != nil {
			return err
		}
		if err := deleteStatic(ctx, tx, before.ID); err != nil {
			return fmt.Errorf("deleting static resource: %w", err)
		}
		return s.audit.Record(ctx, tx, audit.Entry{
			Action: "static_resource.delete", ObjectKind: kind, ObjectID: string(before.ID), ObjectName: name, ProjectID: projectID, Before: summary(before),
		})
	})
}

// refuseUsed keeps a static resource that templates could not be deployed, or
// environments not be destroyed, without.
func (s *Service) refuseUsed(ctx context.Context, tx *db.Tx, r Static) error {
	if s.users == nil {
		return nil
	}
	usedBy, err := s.users(ctx, tx, r.Name, s.means(ctx, tx, r))
	if err != nil {
		return fmt.Errorf("looking for users of a static resource: %w", err)
	}
	if usedBy != "" {
		return ErrInUse.With("The static resource %s is used by %s. Disable or delete these first, and destroy the environments made of them.", r.Name, usedBy)
	}
	return nil
}

// means tells whether the name of a static resource leads to this one from a template
// of an owner.
func (s *Service) means(ctx context.Context, tx *db.Tx, r Static) func(projectID, ownerID string) (bool, error) {
	return func(_, ownerID string) (bool, error) {
		found, _, err := s.find(ctx, tx, ownerID, []string{r.Name})
		return len(found) == 1 && found[0].ID == r.ID, err
	}
}

// Share sets with which projects a static resource is shared: project ids, or
// Everyone. Templates of those projects may use its values; nobody there can read
// the sensitive ones. A share that templates in use need stays.
func (s *Service) Share(ctx context.Context, projectID, name string, with []string) error {
	if err := s.projects.AuthorizeShare(ctx, projectID, with, object(name)); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		before, err := s.read(ctx, tx, projectID, name)
		if err != nil {
			return err
		}
		want := slices.Compact(slices.Sorted(slices.Values(with)))
		if slices.Equal(slices.Sorted(slices.Values(before.SharedWith)), want) {
			return nil
		}
		usedBy, err := sharing.Reshare(ctx, tx, shares(), before.ID, want, name, s.users, s.means(ctx, tx, before))
		if err != nil {
			return fmt.Errorf("sharing static resource: %w", err)
		}
		if usedBy != "" {
			return ErrInUse.With("The static resource %s is used by %s, which could not do without this share. Disable or delete these first, and destroy the environments made of them.", name, usedBy)
		}
		return s.audit.Record(ctx, tx, audit.Entry{
			Action: "static_resource.share", ObjectKind: kind, ObjectID: string(before.ID), ObjectName: name, ProjectID: projectID,
			Before: map[string]any{"projects": before.SharedWith}, After: map[string]any{"projects": want},
		})
	})
}

// summary is what the audit log may know of a static resource: names, never values.
func summary(r Static) map[string]any {
	names := []string{}
	for _, v := range r.Variables {
		if v.Sensitive {
			v.Name += " (sensitive)"
		}
		names = append(names, v.Name)
	}
	return map[string]any{"name": r.Name, "variables": names}
}
