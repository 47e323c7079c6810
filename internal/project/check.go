package project

import (
	"context"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

// Check tells what would be wrong with creating a project, or with updating the
// one of that name, and writes nothing.
func (s *Service) Check(ctx context.Context, in CreateInput) error {
	if authz.From(ctx).Kind == authz.Anonymous {
		return authz.ErrUnauthenticated
	}
	before, err := getProjectByName(ctx, s.db, in.Name)
	switch {
	case db.NoRows(err):
		err = s.audit.Authorize(ctx, authz.ProjectCreate, "", object(Project{Name: in.Name}))
	case err == nil:
		err = s.audit.Authorize(ctx, authz.ProjectUpdate, string(before.ID), object(before))
	}
	if err != nil {
		return err
	}
	var fields fault.Fields
	checkName(&fields, in.Name)
	checkDescription(&fields, in.Description)
	return fields.Err()
}
