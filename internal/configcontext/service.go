package configcontext

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
	// Projects says who may share; made from the rest when nil.
	Projects *project.Service
	// Users finds the environments that need a context. Nobody needs any when it is nil.
	Users sharing.UsersFunc
}

// Service keeps config contexts.
type Service struct {
	db       *db.DB
	audit    *audit.Service
	keys     *secret.Keyring
	projects *project.Service
	users    sharing.UsersFunc
}

// New returns the service.
func New(deps Deps) *Service {
	if deps.Projects == nil {
		deps.Projects = project.New(project.Deps{DB: deps.DB, Audit: deps.Audit})
	}
	return &Service{db: deps.DB, audit: deps.Audit, keys: deps.Keyring, projects: deps.Projects, users: deps.Users}
}

func object(name string) audit.Object { return audit.Object{Kind: "context", Name: name} }

// Set creates the context of that name in a project (empty: in the organisation),
// or makes an existing one into what in says. Entries that in does not name go
// away; a sensitive entry named without a value keeps the one it has. The second
// result is true when the context is new.
func (s *Service) Set(ctx context.Context, projectID, name string, in Input) (Context, bool, error) {
	if err := s.audit.Authorize(ctx, authz.ContextWrite, projectID, object(name)); err != nil {
		return Context{}, false, err
	}
	if err := validate(name, in); err != nil {
		return Context{}, false, err
	}
	var out Context
	created := false
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		before, err := getByName(ctx, tx, projectID, name)
		if created = errors.Is(err, db.ErrNoRows); err != nil && !created {
			return err
		}
		if err := check(in, name, before.Context, created); err != nil {
			return err
		}
		row := contextRow{
			Context: Context{ID: ID(db.NewID("ctx")), ProjectID: projectID, Name: name, Description: in.Description, CreatedAt: tx.Now(), UpdatedAt: tx.Now()},
		}
		if !created {
			row.ID, row.CreatedAt, row.sealedSandbox = before.ID, before.CreatedAt, before.sealedSandbox
			if !row.UpdatedAt.After(before.UpdatedAt) { // it must differ from the last one even when the clock has not moved
				row.UpdatedAt = before.UpdatedAt.Add(time.Microsecond)
			}
		}
		if err := s.save(ctx, tx, row, in, created); err != nil {
			return err
		}
		if out, err = load(ctx, tx, row.ID); err != nil {
			return err
		}
		entry := audit.Entry{Action: "context.set", ObjectKind: "context", ObjectID: string(row.ID), ObjectName: name, ProjectID: projectID, After: summary(out)}
		if !created {
			entry.Before = summary(before.Context)
		}
		return s.audit.Record(ctx, tx, entry)
	})
	switch {
	case errors.Is(err, db.ErrUnique):
		return Context{}, false, ErrChanged.With("Somebody else created config context %q at the same time; look at it and try again.", name)
	case errors.Is(err, db.ErrReference):
		return Context{}, false, fault.InvalidField("project", "does not exist")
	case err != nil:
		return Context{}, false, fmt.Errorf("setting config context: %w", err)
	}
	return out, created, nil
}

// check refuses a change that does not know what it would overwrite.
func check(in Input, name string, before Context, isNew bool) error {
	switch {
	case in.OnlyNew && !isNew:
		return ErrExists.With("There already is a config context %q in this project.", name)
	case !in.IfUnchangedSince.IsZero() && (isNew || !before.UpdatedAt.Equal(in.IfUnchangedSince)):
		return ErrChanged
	}
	return nil
}

// save writes the context and replaces its entries.
func (s *Service) save(ctx context.Context, tx *db.Tx, row contextRow, in Input, isNew bool) error {
	kept, err := listEntries(ctx, tx, row.ID)
	if err != nil {
		return err
	}
	row.Sandbox = in.Sandbox
	if in.Sandbox == nil {
		row.sealedSandbox = nil
	} else if in.Sandbox.SecretKey != "" {
		if row.sealedSandbox, err = s.keys.Seal([]byte(in.Sandbox.SecretKey), aad(row.ID, "sandbox", "")); err != nil {
			return fmt.Errorf("sealing the sandbox's key: %w", err)
		}
	}
	if err := upsertContext(ctx, tx, row, isNew); err != nil {
		return err
	}
	if err := deleteEntries(ctx, tx, row.ID); err != nil {
		return err
	}
	for i, e := range entriesOf(in) {
		e.contextID, e.position = row.ID, i
		if e.sensitive {
			if e.value, err = s.seal(e, kept); err != nil {
				return err
			}
		}
		if err := insertEntry(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

// seal encrypts a sensitive value, or keeps the one stored before when none is
// given.
func (s *Service) seal(e entry, kept []entry) ([]byte, error) {
	if len(e.value) == 0 {
		i := slices.IndexFunc(kept, func(k entry) bool { return k.kind == e.kind && k.name == e.name })
		if i < 0 {
			return nil, fault.InvalidField(e.path, fmt.Sprintf("%q is sensitive and new, so it needs a value", e.name))
		}
		if kept[i].sensitive {
			return kept[i].value, nil
		}
		e.value = kept[i].value
	}
	sealed, err := s.keys.Seal(e.value, aad(e.contextID, e.kind, e.name))
	if err != nil {
		return nil, fmt.Errorf("sealing %s: %w", e.name, err)
	}
	return sealed, nil
}

// aad binds a sealed value to its place, so that it cannot be moved to another.
func aad(id ID, kind Kind, name string) []byte {
	return []byte("context\x00" + string(id) + "\x00" + string(kind) + "\x00" + name)
}

// Get returns a context of a project by name, without sensitive values.
func (s *Service) Get(ctx context.Context, projectID, name string) (Context, error) {
	if err := s.audit.Authorize(ctx, authz.ContextRead, projectID, object(name)); err != nil {
		return Context{}, err
	}
	row, err := getByName(ctx, s.db, projectID, name)
	if err != nil {
		return Context{}, notFound(err, name)
	}
	return load(ctx, s.db, row.ID)
}

func notFound(err error, name string) error {
	if errors.Is(err, db.ErrNoRows) {
		return ErrNotFound.With("There is no config context %q here.", name)
	}
	return fmt.Errorf("reading config context: %w", err)
}

// List returns the contexts a project owns and those shared with it, without
// sensitive values.
func (s *Service) List(ctx context.Context, projectID string) ([]Context, error) {
	if err := s.audit.Authorize(ctx, authz.ContextRead, projectID, audit.Object{Kind: "context"}); err != nil {
		return nil, err
	}
	rows, err := listVisible(ctx, s.db, projectID)
	if err != nil {
		return nil, fmt.Errorf("listing config contexts: %w", err)
	}
	return fill(ctx, s.db, rows)
}

// Delete removes a context of a project. It is refused while an environment exists
// that could not be destroyed without it. A template that names it cannot be
// deployed until there is one of the name again.
func (s *Service) Delete(ctx context.Context, projectID, name string) error {
	if err := s.audit.Authorize(ctx, authz.ContextWrite, projectID, object(name)); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		row, err := getByName(ctx, tx, projectID, name)
		if err != nil {
			return notFound(err, name)
		}
		before, err := load(ctx, tx, row.ID)
		if err != nil {
			return err
		}
		if err := s.refuseUsed(ctx, tx, row); err != nil {
			return err
		}
		if err := deleteContext(ctx, tx, row.ID); err != nil {
			return fmt.Errorf("deleting config context: %w", err)
		}
		return s.audit.Record(ctx, tx, audit.Entry{
			Action: "context.delete", ObjectKind: "context", ObjectID: string(row.ID), ObjectName: name, ProjectID: projectID, Before: summary(before),
		})
	})
}

// refuseUsed keeps a context that an environment could not be destroyed without.
func (s *Service) refuseUsed(ctx context.Context, tx *db.Tx, row contextRow) error {
	if s.users == nil {
		return nil
	}
	usedBy, err := s.users(ctx, tx, row.Name, s.means(ctx, tx, row))
	if err != nil {
		return fmt.Errorf("looking for users of a config context: %w", err)
	}
	if usedBy != "" {
		return ErrInUse.With("The config context %s is used by %s, which could not be destroyed without it. Destroy these first.", row.Name, usedBy)
	}
	return nil
}

// means tells whether the name of a context leads to this one in a project, from a
// template of an owner.
func (s *Service) means(ctx context.Context, tx *db.Tx, row contextRow) func(projectID, ownerID string) (bool, error) {
	return func(projectID, ownerID string) (bool, error) {
		found, _, err := s.find(ctx, tx, projectID, ownerID, []string{row.Name})
		return len(found) == 1 && found[0].ID == row.ID, err
	}
}

// Share sets with which projects a context is shared: project ids, or Everyone.
// Templates of those projects may use its values; nobody there can read them. A share
// that a deployed environment needs to be destroyed stays.
func (s *Service) Share(ctx context.Context, projectID, name string, with []string) error {
	if err := s.projects.AuthorizeShare(ctx, projectID, with, object(name)); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		row, err := getByName(ctx, tx, projectID, name)
		if err != nil {
			return notFound(err, name)
		}
		before, err := load(ctx, tx, row.ID)
		if err != nil {
			return err
		}
		want := slices.Compact(slices.Sorted(slices.Values(with)))
		if slices.Equal(slices.Sorted(slices.Values(before.SharedWith)), want) {
			return nil
		}
		usedBy, err := sharing.Reshare(ctx, tx, shares(), row.ID, want, name, s.users, s.means(ctx, tx, row))
		if err != nil {
			return fmt.Errorf("sharing config context: %w", err)
		}
		if usedBy != "" {
			return ErrInUse.With("The config context %s is used by %s, which could not be destroyed without this share. Destroy these first.", name, usedBy)
		}
		return s.audit.Record(ctx, tx, audit.Entry{
			Action: "context.share", ObjectKind: "context", ObjectID: string(row.ID), ObjectName: name, ProjectID: projectID,
			Before: map[string]any{"projects": before.SharedWith}, After: map[string]any{"projects": want},
		})
	})
}

// summary is what the audit log may know of a context: names, never values.
func summary(c Context) map[string]any {
	names := func(kind Kind) []string {
		out := []string{}
		for _, e := range entriesOf(Input{Env: c.Env, Files: c.Files, Variables: c.Variables}) {
			if e.kind != kind {
				continue
			}
			if e.sensitive {
				e.name += " (sensitive)"
			}
			out = append(out, e.name)
		}
		return out
	}
	return map[string]any{
		"name": c.Name, "env": names(EnvKind), "files": names(FileKind), "variables": names(VariableKind), "sandbox": c.Sandbox != nil,
	}
}
