package project

import (
	"context"
	"fmt"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

// ForSharing returns the projects of those names, for somebody who may share what
// a project owns. It is how a project is named that the sharer cannot read: who
// may share learns whether it exists, and nothing else about it.
func (s *Service) ForSharing(ctx context.Context, projectID string, names []string, object audit.Object) ([]ID, error) {
	if err := s.AuthorizeShare(ctx, projectID, nil, object); err != nil {
		return nil, err
	}
	var fields fault.Fields
	out := make([]ID, 0, len(names))
	for i, name := range names {
		p, err := getProjectByName(ctx, s.db, name)
		if db.NoRows(err) {
			fields.Add(fmt.Sprintf("names[%d]", i), "there is no project %q", name)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading project: %w", err)
		}
		out = append(out, p.ID)
	}
	return out, fields.Err()
}

// Names tells what projects are called, to somebody who may share what a project
// owns or is shown with whom it is shared. Ids of no project are left out.
func (s *Service) Names(ctx context.Context, projectID string, ids []string) (map[string]string, error) {
	if err := authz.Require(ctx, authz.ProjectRead, projectID); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, id := range ids {
		p, err := getProject(ctx, s.db, ID(id))
		if db.NoRows(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading project: %w", err)
		}
		out[id] = p.Name
	}
	return out, nil
}
