package project

import (
	"context"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/identity"
)

// MemberInput gives a group (by name) or a user (by email) a role in a project.
type MemberInput struct {
	GroupName string
	UserEmail string
	Role      authz.Role
}

// Members returns who holds which role in a project. Roles held in the whole
// organisation are not listed.
func (s *Service) Members(ctx context.Context, name string) ([]identity.Binding, error) {
	project, err := s.authorized(ctx, name, authz.MemberRead)
	if err != nil {
		return nil, err
	}
	return s.identity.ListBindings(ctx, string(project.ID))
}

// AddMember gives a role in a project.
func (s *Service) AddMember(ctx context.Context, name string, in MemberInput) (identity.Binding, error) {
	project, err := s.authorized(ctx, name, authz.MemberWrite)
	if err != nil {
		return identity.Binding{}, err
	}
	binding, err := s.identity.Grant(ctx, identity.GrantInput{
		ProjectID: string(project.ID), GroupName: in.GroupName, UserEmail: in.UserEmail, Role: in.Role,
	})
	if err != nil {
		return identity.Binding{}, err
	}
	binding.ProjectName = project.Name
	return binding, nil
}

// RemoveMember takes a role in a project away.
func (s *Service) RemoveMember(ctx context.Context, name string, id identity.BindingID) error {
	project, err := s.authorized(ctx, name, authz.MemberWrite)
	if err != nil {
		return err
	}
	return s.identity.Revoke(ctx, string(project.ID), id)
}
