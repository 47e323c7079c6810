package template

import (
	"context"
	"fmt"
	"time"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/template/bundle"
)

func count(problems []Problem) (errors, warnings int) {
	for _, p := range problems {
		if p.Severity == bundle.Error {
			errors++
		} else {
			warnings++
		}
	}
	return errors, warnings
}

// SetResourceState moves a version of a resource template to another state. A
// draft that becomes active is checked like one that is saved as active; nothing
// becomes a draft again.
func (s *Service) SetResourceState(ctx context.Context, projectID, name, version string, state State) error {
	k := resourceKind()
	if err := s.audit.Authorize(ctx, authz.TemplateWrite, projectID, k.object(name)); err != nil {
		return err
	}
	v, err := s.resourceVersion(ctx, s.db, projectID, name, version)
	if err != nil {
		return versionNotFound(err, k, name, version)
	}
	if v.State == Draft && state == Active {
		spec := v.Spec
		if spec.Bundle.Incomplete && !spec.Source.Empty() {
			spec.Bundle = BundleRef{} // what was missing may be there now
		}
		_, _, err := s.SaveResource(ctx, SaveInput{ProjectID: projectID, Name: name, Version: version, State: Active}, spec)
		return err
	}
	return s.setState(ctx, k, projectID, name, string(v.ID), version, v.State, state)
}

// SetEnvironmentState is SetResourceState for environment templates.
func (s *Service) SetEnvironmentState(ctx context.Context, projectID, name, version string, state State) error {
	k := environmentKind()
	if err := s.audit.Authorize(ctx, authz.TemplateWrite, projectID, k.object(name)); err != nil {
		return err
	}
	v, err := s.environmentVersion(ctx, s.db, projectID, name, version)
	if err != nil {
		return versionNotFound(err, k, name, version)
	}
	if v.State == Draft && state == Active {
		_, _, err := s.SaveEnvironment(ctx, SaveInput{ProjectID: projectID, Name: name, Version: version, State: Active}, v.Spec)
		return err
	}
	return s.setState(ctx, k, projectID, name, string(v.ID), version, v.State, state)
}

func (s *Service) setState(ctx context.Context, k kind, projectID, name, id, version string, from, to State) error {
	if from == to {
		return nil
	}
	if !to.Valid() || to == Draft || from == Draft {
		return ErrState.With("Version %q of %s %q is %s and cannot become %q.", version, k.word, name, from, to)
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		var activatedAt time.Time
		if to == Active {
			activatedAt = tx.Now()
		}
		if err := setVersionState(ctx, tx, k, id, to, activatedAt); err != nil {
			return fmt.Errorf("changing the state of a version: %w", err)
		}
		return s.audit.Record(ctx, tx, audit.Entry{
			Action: k.auditKind() + ".state", ObjectKind: k.auditKind(), ObjectID: id, ObjectName: name, ProjectID: projectID,
			Before: map[string]any{"version": version, "state": string(from)}, After: map[string]any{"version": version, "state": string(to)},
		})
	})
}
