package httpapi

import (
	"context"

	"github.com/berthdev/berth/api"
	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/identity"
)

type signInInput struct{ Body api.SignIn }

func (s *server) signIn(ctx context.Context, in *signInInput) (api.Session, error) {
	token, session, err := s.Identity.SignIn(ctx, in.Body.Email, in.Body.Password, audit.ClientFrom(ctx))
	if err != nil {
		return api.Session{}, err
	}
	subject, _, err := s.Identity.Authenticate(ctx, token)
	if err != nil {
		return api.Session{}, err
	}
	return api.Session{Token: token, ExpiresAt: session.ExpiresAt, User: wireSubject(subject)}, nil
}

func (s *server) signOut(ctx context.Context, _ *none) (none, error) {
	session, ok := ctx.Value(sessionKey{}).(identity.Session)
	if !ok {
		return none{}, authz.ErrUnauthenticated
	}
	return none{}, s.Identity.RevokeSession(ctx, session.ID)
}

func (s *server) me(ctx context.Context, _ *none) (api.User, error) {
	subject := authz.From(ctx)
	if subject.Kind == authz.Anonymous {
		return api.User{}, authz.ErrUnauthenticated
	}
	return wireSubject(subject), nil
}

func wireSubject(s authz.Subject) api.User {
	u := api.User{ID: s.UserID, Email: s.Email, Name: s.Name}
	for _, b := range s.Bindings {
		u.Roles = append(u.Roles, api.Binding{Role: string(b.Role), Project: b.ProjectName})
	}
	return u
}

func wireUser(u identity.User) api.User {
	return api.User{ID: string(u.ID), Email: u.Email, Name: u.Name, Disabled: u.Disabled()}
}

type createUserInput struct{ Body api.CreateUser }

func (s *server) createUser(ctx context.Context, in *createUserInput) (api.User, error) {
	u, err := s.Identity.CreateUser(ctx, identity.CreateUserInput{Email: in.Body.Email, Name: in.Body.Name, Password: in.Body.Password})
	return wireUser(u), err
}

type resetPasswordInput struct {
	Email string `path:"email"`
	Body  api.ResetPassword
}

func (s *server) resetPassword(ctx context.Context, in *resetPasswordInput) (none, error) {
	return none{}, s.Identity.ResetPassword(ctx, in.Email, in.Body.Password)
}

type grantInput struct {
	Project string `path:"project"`
	Body    api.Grant
}

func (s *server) grant(ctx context.Context, in *grantInput) (none, error) {
	id, err := s.projectID(ctx, in.Project)
	if err != nil {
		return none{}, err
	}
	return none{}, s.give(ctx, id, in.Body)
}

type grantEverywhereInput struct{ Body api.Grant }

func (s *server) grantEverywhere(ctx context.Context, in *grantEverywhereInput) (none, error) {
	return none{}, s.give(ctx, "", in.Body)
}

func (s *server) give(ctx context.Context, projectID string, g api.Grant) error {
	_, err := s.Identity.Grant(ctx, identity.GrantInput{ProjectID: projectID, UserEmail: g.User, GroupName: g.Group, Role: authz.Role(g.Role)})
	return err
}
