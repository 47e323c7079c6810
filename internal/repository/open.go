package repository

import (
	"context"

	"github.com/berthdev/berth/internal/authz"
)

// Open reads the tree of a branch, tag or commit of a repository that Get finds.
// An empty revision means the repository's default, else the remote's HEAD. Close
// the checkout after use.
func (s *Service) Open(ctx context.Context, projectID, name, revision string) (*Checkout, error) {
	if err := s.audit.Authorize(ctx, authz.RepositoryRead, projectID, object(name)); err != nil {
		return nil, err
	}
	return nil, ErrNotFound
}

// Test connects to a stored repository and says what came of it. An error means
// that there was nothing to test; what is wrong with the remote is in the verdict.
func (s *Service) Test(ctx context.Context, projectID, name string) (Verdict, error) {
	if err := s.audit.Authorize(ctx, authz.RepositoryRead, projectID, object(name)); err != nil {
		return Verdict{}, err
	}
	return Verdict{}, ErrNotFound
}

// TestInput is Test for what Set would store.
func (s *Service) TestInput(ctx context.Context, projectID, name string, in Input) (Verdict, error) {
	if err := s.audit.Authorize(ctx, authz.RepositoryWrite, projectID, object(name)); err != nil {
		return Verdict{}, err
	}
	return Verdict{}, ErrNotFound
}
