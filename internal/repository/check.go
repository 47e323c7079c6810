package repository

import (
	"context"
	"errors"
	"fmt"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

// Check tells what Set would refuse, and otherwise what the repository would be and
// whether its secret would be another one. It writes nothing and connects to nothing.
func (s *Service) Check(ctx context.Context, projectID, name string, in Input) (after Repository, newSecret bool, err error) {
	if err := s.audit.Authorize(ctx, authz.RepositoryWrite, projectID, auditObject(name)); err != nil {
		return Repository{}, false, err
	}
	before, err := getOwn(ctx, s.db, projectID, name)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return Repository{}, false, fmt.Errorf("reading repository: %w", err)
	}
	merged, secrets, err := s.merge(before, name, in)
	if err != nil {
		return Repository{}, false, err
	}
	stored, err := s.unseal(before)
	return merged.Repository, stored != secrets, err
}
