package template

import "context"

// User is what uses a version of a template: an environment, or a version of an
// environment template. Name and Version are empty, and Count may be above one,
// where whoever asks must not know the names.
type User struct {
	Kind      string `json:"kind"` // "environment" or "environment_template"
	ID        string `json:"-"`
	ProjectID string `json:"projectId,omitempty"`
	Project   string `json:"project,omitempty"`
	Name      string `json:"name,omitempty"`
	Version   string `json:"version,omitempty"`
	Status    string `json:"status,omitempty"`
	Hidden    bool   `json:"hidden,omitempty"` // it is in a project that whoever asks cannot see into
}

// ResourceUsers tells which versions of environment templates use each version of
// a resource template.
func (s *Service) ResourceUsers(ctx context.Context, projectID, name string) (map[string][]User, error) {
	return nil, nil
}

// EnvironmentUsers tells which environments use each version of an environment
// template.
func (s *Service) EnvironmentUsers(ctx context.Context, projectID, name string) (map[string][]User, error) {
	return nil, nil
}

// DeleteResource removes a version of a resource template, or with an empty
// version the whole template. It is refused while anything uses it.
func (s *Service) DeleteResource(ctx context.Context, projectID, name, version string) error {
	return nil
}

// DeleteEnvironment removes a version of an environment template, or with an empty
// version the whole template. It is refused while environments use it.
func (s *Service) DeleteEnvironment(ctx context.Context, projectID, name, version string) error {
	return nil
}
