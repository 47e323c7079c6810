package repository

import (
	"context"

	"github.com/berthdev/berth/internal/authz"
)

// GitEnviron returns the environment in which the git program signs in to the
// repository's host as Berth does, the secrets in it, and what removes the files it
// names; call cleanup once the program has ended. It is internal: only Berth itself
// may call it, never in the name of a person.
func (s *Service) GitEnviron(ctx context.Context, projectID, name string) (env, secrets []string, cleanup func(), err error) {
	if authz.From(ctx).Kind != authz.SystemKind {
		return nil, nil, nil, authz.ErrForbidden.With("Credentials of repositories are read in clear by Berth alone.")
	}
	return nil, nil, nil, ErrNotFound
}
