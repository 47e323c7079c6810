package identity

import (
	"context"
	"fmt"
	"strings"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

// CreateGroupInput describes a new group.
type CreateGroupInput struct {
	Name        string
	Description string
}

func groupObject(g Group) audit.Object {
	return audit.Object{Kind: "group", ID: string(g.ID), Name: g.Name}
}

// CreateGroup makes an empty group that holds no role.
func (s *Service) CreateGroup(ctx context.Context, in CreateGroupInput) (Group, error) {
	in.Name = strings.TrimSpace(in.Name)
	if err := s.audit.Authorize(ctx, authz.GroupWrite, "", groupObject(Group{Name: in.Name})); err != nil {
		return Group{}, err
	}
	if err := checkGroup(in.Name, in.Description); err != nil {
		return Group{}, err
	}
	var group Group
	err := s.db.Tx(ctx, func(tx *db.Tx) error {
		group = Group{ID: GroupID(db.NewID("grp")), Name: in.Name, Description: in.Description, CreatedAt: tx.Now(), UpdatedAt: tx.Now()}
		err := insertGroup(ctx, tx, group)
		if db.IsUnique(err, "groups", "name") {
			return ErrGroupNameTaken.With("There already is a group %s.", quote(in.Name))
		}
		if err != nil {
			return fmt.Errorf("creating group: %w", err)
		}
		return s.audit.Record(ctx, tx, entry("group.created", groupObject(group)))
	})
	return group, err
}

// ListGroups returns every group by name.
func (s *Service) ListGroups(ctx context.Context) ([]Group, error) {
	if err := s.audit.Authorize(ctx, authz.GroupRead, "", groupObject(Group{})); err != nil {
		return nil, err
	}
	return listGroups(ctx, s.db)
}

// GetGroup returns a group by name, and its members by email.
func (s *Service) GetGroup(ctx context.Context, name string) (Group, []User, error) {
	if err := s.audit.Authorize(ctx, authz.GroupRead, "", groupObject(Group{Name: name})); err != nil {
		return Group{}, nil, err
	}
	group, err := s.groupByName(ctx, s.db, name)
	if err != nil {
		return Group{}, nil, err
	}
	members, err := listGroupMembers(ctx, s.db, group.ID)
	if err != nil {
		return Group{}, nil, fmt.Errorf("listing group members: %w", err)
	}
	return group, members, nil
}

func (s *Service) groupByName(ctx context.Context, q db.Querier, name string) (Group, error) {
	group, err := getGroupByName(ctx, q, name)
	if db.NoRows(err) {
		return Group{}, ErrGroupNotFound.With("There is no group %s.", quote(name))
	}
	if err != nil {
		return Group{}, fmt.Errorf("reading group: %w", err)
	}
	return group, nil
}

// DeleteGroup deletes a group with its memberships and roles.
func (s *Service) DeleteGroup(ctx context.Context, name string) error {
	return s.changeGroup(ctx, name, "group.deleted", func(tx *db.Tx, g Group) (any, error) {
		return nil, deleteGroup(ctx, tx, g.ID)
	})
}

// AddGroupMember adds a user to a group; adding them twice is no error.
func (s *Service) AddGroupMember(ctx context.Context, name, email string) error {
	return s.changeGroup(ctx, name, "group.member_added", func(tx *db.Tx, g Group) (any, error) {
		user, err := s.userByEmail(ctx, tx, email)
		if err != nil {
			return nil, err
		}
		return member{user.Email}, insertGroupMember(ctx, tx, g.ID, user.ID, tx.Now())
	})
}

// RemoveGroupMember takes a user out of a group.
func (s *Service) RemoveGroupMember(ctx context.Context, name, email string) error {
	return s.changeGroup(ctx, name, "group.member_removed", func(tx *db.Tx, g Group) (any, error) {
		user, err := s.userByEmail(ctx, tx, email)
		if err != nil {
			return nil, err
		}
		n, err := deleteGroupMember(ctx, tx, g.ID, user.ID)
		if err == nil && n == 0 {
			return nil, ErrUserNotFound.With("%s is not in the group %s.", user.Email, g.Name)
		}
		return member{user.Email}, err
	})
}

// member is what the audit log keeps of a change of membership.
type member struct {
	Member string `json:"member"`
}

func (s *Service) changeGroup(ctx context.Context, name, action string, change func(*db.Tx, Group) (after any, err error)) error {
	if err := s.audit.Authorize(ctx, authz.GroupWrite, "", groupObject(Group{Name: name})); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		group, err := s.groupByName(ctx, tx, name)
		if err != nil {
			return err
		}
		e := entry(action, groupObject(group))
		if e.After, err = change(tx, group); err != nil {
			return fmt.Errorf("changing group: %w", err)
		}
		if err := s.keepAnAdmin(ctx, tx); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, e)
	})
}
