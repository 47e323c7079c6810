package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

// place is a repository of a project, or with an empty project of the organisation.
type place struct{ projectID, name string }

// pretended is a repository as it would be.
type pretended struct {
	row     row
	secrets credentials
}

// Pretend returns a service that reads the repository of that name as if Set had
// stored in, for those who ask what would come of it. Nothing is stored.
func (s *Service) Pretend(ctx context.Context, projectID, name string, in Input) (*Service, error) {
	if err := s.audit.Authorize(ctx, authz.RepositoryWrite, projectID, auditObject(name)); err != nil {
		return nil, err
	}
	before, err := getOwn(ctx, s.db, projectID, name)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return nil, fmt.Errorf("reading repository: %w", err)
	}
	after, secrets, err := s.merge(before, name, in)
	if err != nil {
		return nil, err
	}
	after.ProjectID, after.Name = projectID, name
	out := *s
	out.pretended = maps.Clone(s.pretended)
	if out.pretended == nil {
		out.pretended = map[place]pretended{}
	}
	out.pretended[place{projectID, name}] = pretended{after, secrets}
	return &out, nil
}

// open finds a repository with what it takes to connect to it.
func (s *Service) open(ctx context.Context, projectID, name string) (row, credentials, error) {
	if p, ok := s.pretended[place{projectID, name}]; ok {
		return p.row, p.secrets, nil
	}
	r, err := s.find(ctx, projectID, name)
	if err != nil {
		return row{}, credentials{}, err
	}
	secrets, err := s.unseal(r)
	return r, secrets, err
}
