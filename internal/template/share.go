package template

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berthdev/berth/internal/audit"
	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
	"github.com/berthdev/berth/internal/fault"
	"github.com/berthdev/berth/internal/sharing"
)

// Kind is the kind of a template.
type Kind string

// The kinds of template.
const (
	ResourceTemplate    Kind = "resource_template"
	EnvironmentTemplate Kind = "environment_template"
)

func (k Kind) tables() (kind, error) {
	switch k {
	case ResourceTemplate:
		return resourceKind(), nil
	case EnvironmentTemplate:
		return environmentKind(), nil
	}
	return kind{}, fault.InvalidField("kind", fmt.Sprintf("%q is no kind of template", k))
}

// Shares tells with whom a template of a project is shared: project ids, or
// Everyone. Authors may know, and those who may share.
func (s *Service) Shares(ctx context.Context, k Kind, projectID, name string) ([]string, error) {
	object := audit.Object{Kind: string(k), Name: name}
	if !authz.From(ctx).Can(authz.TemplateShareDelegated, projectID) {
		if err := s.audit.Authorize(ctx, authz.TemplateSourceRead, projectID, object); err != nil {
			return nil, err
		}
	}
	tables, err := k.tables()
	if err != nil {
		return nil, err
	}
	t, err := s.template(ctx, s.db, tables, projectID, name)
	if err != nil {
		return nil, err
	}
	return tables.sharesOf(ctx, s.db, t.id)
}

// template reads a template of a project, or says that there is none.
func (s *Service) template(ctx context.Context, q db.Querier, k kind, projectID, name string) (templateRow, error) {
	t, err := getTemplate(ctx, q, k, projectID, name)
	if errors.Is(err, db.ErrNoRows) {
		return t, ErrNotFound.With("There is no %s %q here.", k.word, name)
	}
	if err != nil {
		return t, fmt.Errorf("reading %s: %w", k.word, err)
	}
	return t, nil
}

// ShareResource sets with which projects a resource template is shared: project
// ids, or Everyone.
func (s *Service) ShareResource(ctx context.Context, projectID, name string, with []string) error {
	return s.share(ctx, resourceKind(), projectID, name, with)
}

// ShareEnvironment sets with which projects an environment template is shared.
// Its resource templates need no share of their own.
func (s *Service) ShareEnvironment(ctx context.Context, projectID, name string, with []string) error {
	return s.share(ctx, environmentKind(), projectID, name, with)
}

func (s *Service) share(ctx context.Context, k kind, projectID, name string, with []string) error {
	if err := s.projects.AuthorizeShare(ctx, projectID, with, k.object(name)); err != nil {
		return err
	}
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		t, err := s.template(ctx, tx, k, projectID, name)
		if err != nil {
			return err
		}
		before, err := k.sharesOf(ctx, tx, t.id)
		if err != nil {
			return err
		}
		want := slices.Compact(slices.Sorted(slices.Values(with)))
		if slices.Equal(before, want) {
			return nil
		}
		if err := sharing.Replace(ctx, tx, k.shared(), t.id, want); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, audit.Entry{
			Action: k.auditKind() + ".share", ObjectKind: k.auditKind(), ObjectID: t.id, ObjectName: name, ProjectID: projectID,
			Before: map[string]any{"projects": list(before)}, After: map[string]any{"projects": list(want)},
		})
	})
}
