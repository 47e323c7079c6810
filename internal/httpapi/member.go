package httpapi

import (
	"context"

	"github.com/berthdev/berth/api"
)

func (s *server) listUsers(ctx context.Context, _ *none) (api.Page[api.User], error) {
	out := api.Page[api.User]{Items: []api.User{}}
	list, err := s.Identity.ListUsers(ctx)
	for _, u := range list {
		out.Items = append(out.Items, wireUser(u))
	}
	return out, err
}

func (s *server) listMembers(ctx context.Context, in *InProject) (api.Page[api.Member], error) {
	out := api.Page[api.Member]{Items: []api.Member{}}
	list, err := s.Projects.Members(ctx, in.Project)
	for _, b := range list {
		out.Items = append(out.Items, api.Member{User: b.UserEmail, Group: b.GroupName, Role: string(b.Role), Since: b.CreatedAt})
	}
	return out, err
}
