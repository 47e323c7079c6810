package template

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

// ErrInUse is a template, or a version, that something still needs.
var ErrInUse = fault.New(fault.Conflict, "template_in_use", "The template is in use.")

// DeleteResource removes a version of a resource template, or with an empty version
// the whole template. It is refused while versions of environment templates use it.
func (s *Service) DeleteResource(ctx context.Context, projectID, name, version string) error {
	return s.delete(ctx, resourceKind(), projectID, name, version)
}

// DeleteEnvironment removes a version of an environment template, or with an empty
// version the whole template. It is refused while environments use it.
func (s *Service) DeleteEnvironment(ctx context.Context, projectID, name, version string) error {
	return s.delete(ctx, environmentKind(), projectID, name, version)
}

func (s *Service) delete(ctx context.Context, k kind, projectID, name, version string) error {
	if err := s.audit.Authorize(ctx, authz.TemplateWrite, projectID, k.object(name)); err != nil {
		return err
	}
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		t, err := s.template(ctx, tx, k, projectID, name)
		if err != nil {
			return err
		}
		versions, err := listVersionNames(ctx, tx, k, t.id)
		if err != nil {
			return fmt.Errorf("listing versions: %w", err)
		}
		if version != "" {
			maps.DeleteFunc(versions, func(_, v string) bool { return v != version })
			if len(versions) == 0 {
				return versionNotFound(db.ErrNoRows, k, name, version)
			}
		}
		if err := s.refuseUsed(ctx, tx, k, name, version, versions); err != nil {
			return err
		}
		return s.remove(ctx, tx, k, t, version, versions)
	})
	if errors.Is(err, db.ErrReference) {
		return ErrInUse.With("An environment has begun to use %s %q; look at it again.", k.word, name)
	}
	return err
}

func (s *Service) refuseUsed(ctx context.Context, tx *db.Tx, k kind, name, version string, versions map[string]string) error {
	if k == resourceKind() {
		var ids []ResourceVersionID
		for id := range versions {
			ids = append(ids, ResourceVersionID(id))
		}
		if _, err := lockVersions(ctx, tx, ids); err != nil {
			return fmt.Errorf("locking versions: %w", err)
		}
	}
	found, err := s.usersOf(ctx, tx, k, name, versions)
	if err != nil {
		return err
	}
	var users []User
	for _, list := range found {
		for _, u := range list {
			if !slices.Contains(users, u) {
				users = append(users, u)
			}
		}
	}
	if len(users) == 0 {
		return nil
	}
	what := fmt.Sprintf("The %s %s", k.word, name)
	if version != "" {
		what = fmt.Sprintf("Version %s of the %s %s", version, k.word, name)
	}
	return ErrInUse.With("%s is used by %s. Delete these, or let them use another version, first.", what, nameUsers(visible(ctx, users)))
}

// remove deletes versions, and the template when all of it is to go.
func (s *Service) remove(ctx context.Context, tx *db.Tx, k kind, t templateRow, version string, versions map[string]string) error {
	for id := range versions {
		if err := deleteVersion(ctx, tx, k, id); err != nil {
			return fmt.Errorf("deleting a version: %w", err)
		}
	}
	left, err := listVersionNames(ctx, tx, k, t.id)
	if err != nil {
		return fmt.Errorf("listing versions: %w", err)
	}
	if len(left) == 0 {
		// Without a version it could be neither seen nor used.
		if err := deleteTemplate(ctx, tx, k, t.id); err != nil {
			return fmt.Errorf("deleting %s: %w", k.word, err)
		}
	}
	before := auditedTemplate(t)
	before["versions"] = slices.Sorted(maps.Values(versions))
	return s.audit.Record(ctx, tx, audit.Entry{
		Action: k.auditKind() + ".delete", ObjectKind: k.auditKind(), ObjectID: t.id, ObjectName: t.name, ProjectID: t.projectID,
		Before: before, After: map[string]any{"versions": slices.Sorted(maps.Values(left)), "deleted": len(left) == 0},
	})
}
