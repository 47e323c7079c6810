package identity

import (
	"context"
	"fmt"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

// adminLock makes two changes of who is an Organisation Admin wait for each other
// where the database would let them run at once.
const adminLock = 0x61646d696e // "admin"

// GrantInput gives a role to a user (by email) or to a group (by name), in one
// project or, with an empty ProjectID, in the whole organisation.
type GrantInput struct {
	ProjectID string
	UserEmail string
	GroupName string
	Role      authz.Role
}

// permission is what changing roles needs: in a project that of its admin, in the
// organisation that of an Organisation Admin.
func rolePermission(projectID string, write bool) authz.Permission {
	switch {
	case projectID != "" && write:
		return authz.MemberWrite
	case projectID != "":
		return authz.MemberRead
	case write:
		return authz.UserWrite
	default:
		return authz.UserRead
	}
}

func roleEntry(action string, b Binding) audit.Entry {
	return audit.Entry{
		Action: action, ObjectKind: "role", ObjectID: string(b.ID), ObjectName: b.Holder(), ProjectID: b.ProjectID,
		After: map[string]string{"role": string(b.Role), "user": b.UserEmail, "group": b.GroupName},
	}
}

// Grant gives a role.
func (s *Service) Grant(ctx context.Context, in GrantInput) (Binding, error) {
	object := audit.Object{Kind: "role", Name: in.UserEmail + in.GroupName}
	if err := s.audit.Authorize(ctx, rolePermission(in.ProjectID, true), in.ProjectID, object); err != nil {
		return Binding{}, err
	}
	var fields fault.Fields
	fields.Check((in.UserEmail == "") != (in.GroupName == ""), "group", "give either a group or a user")
	checkRole(&fields, in.Role, in.ProjectID)
	if err := fields.Err(); err != nil {
		return Binding{}, err
	}
	var binding Binding
	err := s.db.Tx(ctx, func(tx *db.Tx) (err error) {
		binding = Binding{ID: BindingID(db.NewID("rol")), ProjectID: in.ProjectID, Role: in.Role, CreatedAt: tx.Now()}
		if err := s.resolveHolder(ctx, tx, in, &binding); err != nil {
			return err
		}
		err = insertBinding(ctx, tx, binding)
		if db.IsUnique(err, "role_bindings", "holder") {
			return ErrRoleHeld.With("%s already has the role %s here.", binding.Holder(), in.Role.Name())
		}
		if err != nil {
			return fmt.Errorf("granting role: %w", err)
		}
		return s.audit.Record(ctx, tx, roleEntry("role.granted", binding))
	})
	return binding, err
}

func (s *Service) resolveHolder(ctx context.Context, tx *db.Tx, in GrantInput, b *Binding) error {
	if in.GroupName != "" {
		group, err := s.groupByName(ctx, tx, in.GroupName)
		b.GroupID, b.GroupName = group.ID, group.Name
		return err
	}
	user, err := s.userByEmail(ctx, tx, in.UserEmail)
	b.UserID, b.UserEmail = user.ID, user.Email
	return err
}

// Revoke takes a role away. ProjectID is the project (or organisation) in which
// the caller expects it: a role of another is not found.
func (s *Service) Revoke(ctx context.Context, projectID string, id BindingID) error {
	object := audit.Object{Kind: "role", ID: string(id)}
	if err := s.audit.Authorize(ctx, rolePermission(projectID, true), projectID, object); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		binding, err := getBinding(ctx, tx, id)
		if db.NoRows(err) || err == nil && binding.ProjectID != projectID {
			return ErrBindingNotFound
		}
		if err != nil {
			return fmt.Errorf("reading role: %w", err)
		}
		if err := deleteBinding(ctx, tx, id); err != nil {
			return fmt.Errorf("revoking role: %w", err)
		}
		if binding.Role == authz.OrganisationAdmin {
			if err := s.keepAnAdmin(ctx, tx); err != nil {
				return err
			}
		}
		e := roleEntry("role.revoked", binding)
		e.Before, e.After = e.After, nil
		return s.audit.Record(ctx, tx, e)
	})
}

// ListBindings returns who holds which role in a project, or with an empty
// projectID in the whole organisation.
func (s *Service) ListBindings(ctx context.Context, projectID string) ([]Binding, error) {
	if err := s.audit.Authorize(ctx, rolePermission(projectID, false), projectID, audit.Object{Kind: "role"}); err != nil {
		return nil, err
	}
	return listBindings(ctx, s.db, projectID)
}

// keepAnAdmin fails a change after which nobody could administer Berth. Berth
// itself may do what it likes.
func (s *Service) keepAnAdmin(ctx context.Context, tx *db.Tx) error {
	if authz.From(ctx).Kind == authz.SystemKind {
		return nil
	}
	if lock := tx.Dialect().AdvisoryLock(adminLock); lock != "" {
		if _, err := tx.ExecContext(ctx, lock); err != nil {
			return err
		}
	}
	n, err := countAdmins(ctx, tx)
	if err != nil {
		return fmt.Errorf("counting administrators: %w", err)
	}
	if n == 0 {
		return ErrLastAdmin
	}
	return nil
}
