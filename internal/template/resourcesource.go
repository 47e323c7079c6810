package template

import "context"

// ResourceArchive returns the code that a version of a resource template was made
// of where that was uploaded, and else the code it runs, a tar file packed with
// zstd.
func (s *Service) ResourceArchive(ctx context.Context, projectID, name, version string) ([]byte, error) {
	v, err := s.ResourceVersion(ctx, projectID, name, version)
	if err != nil {
		return nil, err
	}
	digest := v.Spec.Source.Upload
	if digest == "" {
		digest = v.Spec.Bundle.Digest
	}
	if digest == "" {
		return nil, ErrNoVersion.With("Version %q of the resource template %q has no code yet.", version, name)
	}
	return s.bundles.Archive(ctx, digest)
}
