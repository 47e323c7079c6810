package project

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
)

// Everyone is the share with all projects.
const Everyone = "*"

// SetSharingDelegated lets the administrators of a project share what the project
// owns, or takes that away again. What is shared already stays shared.
func (s *Service) SetSharingDelegated(ctx context.Context, name string, delegated bool) (Project, error) {
	if authz.From(ctx).Kind == authz.Anonymous {
		return Project{}, authz.ErrUnauthenticated
	}
	before, err := getProjectByName(ctx, s.db, name)
	if db.NoRows(err) {
		return Project{}, notFound(name)
	}
	if err != nil {
		return Project{}, fmt.Errorf("reading project: %w", err)
	}
	if err := s.audit.Authorize(ctx, authz.TemplateShare, "", object(before)); err != nil {
		return Project{}, err
	}
	if before.SharingDelegated == delegated {
		return before, nil
	}
	after := before
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		after.SharingDelegated, after.UpdatedAt = delegated, tx.Now()
		if !after.UpdatedAt.After(before.UpdatedAt) {
			after.UpdatedAt = before.UpdatedAt.Add(time.Microsecond)
		}
		n, err := updateSharing(ctx, tx, after, before.UpdatedAt)
		if err != nil {
			return fmt.Errorf("saving project: %w", err)
		}
		if n == 0 {
			return ErrChanged
		}
		return s.record(ctx, tx, "project.sharing", &before, &after)
	})
	return after, err
}

// MayShare reports whether the subject may share what a project (empty: the
// organisation) owns, so that pages offer it to nobody else.
func (s *Service) MayShare(ctx context.Context, projectID string) (bool, error) {
	subject := authz.From(ctx)
	if subject.Kind == authz.Anonymous {
		return false, authz.ErrUnauthenticated
	}
	if subject.Can(authz.TemplateShare, projectID) {
		return true, nil
	}
	if projectID == "" || !subject.Can(authz.TemplateShareDelegated, projectID) {
		return false, nil
	}
	p, err := getProject(ctx, s.db, ID(projectID))
	if db.NoRows(err) {
		return false, nil
	}
	return p.SharingDelegated, err
}

// AuthorizeShare requires that the subject may share an object of a project
// (empty: of the organisation), and that every project it is to be shared with
// exists. An Organisation Admin may; so may an administrator of the project when
// sharing is delegated to them. with holds project ids, or Everyone.
func (s *Service) AuthorizeShare(ctx context.Context, projectID string, with []string, object audit.Object) error {
	may, err := s.MayShare(ctx, projectID)
	if err != nil {
		if errors.Is(err, authz.ErrUnauthenticated) {
			return err
		}
		return fmt.Errorf("reading project: %w", err)
	}
	if !may {
		refusal := s.audit.Authorize(ctx, authz.TemplateShare, projectID, object)
		if projectID == "" || !authz.From(ctx).Can(authz.TemplateShareDelegated, projectID) || !errors.Is(refusal, authz.ErrForbidden) {
			return refusal
		}
		return authz.ErrForbidden.With("Admins of this project may not share what it owns. Ask an %s to share it, or to let the project's admins share.", authz.OrganisationAdmin.Name())
	}
	var fields fault.Fields
	for i, p := range with {
		if p == Everyone {
			continue
		}
		_, err := getProject(ctx, s.db, ID(p))
		if db.NoRows(err) {
			fields.Add(fmt.Sprintf("projects[%d]", i), "%q is no project", p)
		} else if err != nil {
			return fmt.Errorf("reading project: %w", err)
		}
	}
	return fields.Err()
}
