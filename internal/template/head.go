package template

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berthdev/berth/internal/authz"
	"github.com/berthdev/berth/internal/db"
)

// Head is what all versions of a template have in common.
type Head struct {
	DisplayName string
	Description string
	Labels      map[string]string
	Annotations map[string]string
	SharedWith  []string // project ids, or Everyone
	// NewSecrets names those of the given sensitive variables whose values the version does not have.
	NewSecrets []string
}

// ResourceHead returns what all versions of a resource template of a project have
// in common, and the version, which is nil when there is none of the name. Values
// of sensitive variables are left out; those of given are held against them.
func (s *Service) ResourceHead(ctx context.Context, projectID, name, version string, given []Variable) (*Head, *ResourceVersion, error) {
	k := resourceKind()
	h, err := s.head(ctx, k, projectID, name)
	if h == nil || err != nil {
		return nil, nil, err
	}
	v, err := s.resourceVersion(ctx, s.db, projectID, name, version)
	if errors.Is(err, db.ErrNoRows) {
		return h, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", k.word, err)
	}
	h.NewSecrets = newSecrets(given, v.Spec.Variables)
	v.Spec.Variables = withoutSecrets(v.Spec.Variables)
	return h, v, nil
}

// EnvironmentHead is ResourceHead for environment templates.
func (s *Service) EnvironmentHead(ctx context.Context, projectID, name, version string, given []Variable) (*Head, *EnvironmentVersion, error) {
	k := environmentKind()
	h, err := s.head(ctx, k, projectID, name)
	if h == nil || err != nil {
		return nil, nil, err
	}
	v, err := s.environmentVersion(ctx, s.db, projectID, name, version)
	if errors.Is(err, db.ErrNoRows) {
		return h, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", k.word, err)
	}
	h.NewSecrets = newSecrets(given, v.Spec.Variables)
	v.Spec.Variables = withoutSecrets(v.Spec.Variables)
	return h, v, nil
}

func (s *Service) head(ctx context.Context, k kind, projectID, name string) (*Head, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateSourceRead, projectID, k.object(name)); err != nil {
		return nil, err
	}
	var id string
	h, err := db.One(ctx, s.db, func(sc db.Scanner) (*Head, error) {
		h := &Head{}
		err := sc.Scan(&id, &h.DisplayName, &h.Description, db.ScanJSON(&h.Labels), db.ScanJSON(&h.Annotations))
		return h, err
	}, `SELECT id, display_name, description, labels_json, annotations_json FROM `+k.templates+`
		WHERE COALESCE(project_id, '') = $1 AND name = $2`, projectID, name)
	if errors.Is(err, db.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", k.word, err)
	}
	h.SharedWith, err = k.sharesOf(ctx, s.db, id)
	return h, err
}

func newSecrets(given, stored []Variable) []string {
	var out []string
	for _, g := range given {
		if !g.Options.Sensitive || g.Value == nil {
			continue
		}
		same := slices.ContainsFunc(stored, func(v Variable) bool { return v.Name == g.Name && v.Value != nil && *v.Value == *g.Value })
		if !same {
			out = append(out, g.Name)
		}
	}
	return out
}
