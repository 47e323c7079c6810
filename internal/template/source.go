package template

import (
	"context"

	"github.com/berthdev/berth/internal/authz"
)

// Archive returns the code behind a resource of an environment template version, a tar file packed with zstd.
func (s *Service) Archive(ctx context.Context, projectID, name, version, resource string) ([]byte, error) {
	if err := s.audit.Authorize(ctx, authz.TemplateSourceRead, projectID, environmentKind().object(name)); err != nil {
		return nil, err
	}
	key, err := s.findKey(ctx, projectID, name, version)
	if err != nil {
		return nil, err
	}
	c, err := s.load(ctx, projectID, EnvironmentVersionID(key.id))
	if err != nil {
		return nil, err
	}
	r, ok := c.Resource(resource)
	if !ok {
		return nil, ErrUnknownResource.With("Template %s %s has no resource %q.", name, key.version, resource)
	}
	return s.bundles.Archive(ctx, r.Version.Spec.Bundle.Digest)
}
